//! Inputs that are broken or hostile: each bad row is answered in its place, and a file that is
//! broken as a whole ends after the rows before.

use std::io::Write;
use std::process::Stdio;

use super::*;

/// Decision and reason of every row that an input comes to.
#[track_caller]
fn outcome(
    place: &Place,
    name: &str,
    input: &[u8],
    more: &[&str],
) -> (Said, Vec<(String, String)>) {
    let path = place.data().with_file_name(name);
    fs::write(&path, input).unwrap();
    let given = ["screen", "--input", path.to_str().unwrap(), "--quiet"];
    let said = place.says(&[&given[..], more].concat());
    let mut reader = csv::Reader::from_reader(said.out.as_bytes());
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        (row[4].to_owned(), row[22].to_owned())
    });
    let rows = rows.collect();
    (said, rows)
}

#[test]
fn bad_rows_are_answered_in_their_place() {
    let place = Place::new();
    let check_with = |more: &[&str], name: &str, input: &[u8], want: &[(&str, &str)]| {
        let (said, rows) = outcome(&place, name, input, more);
        let rows: Vec<_> = rows.iter().map(|(d, r)| (d.as_str(), r.as_str())).collect();
        assert_eq!(rows.len(), want.len(), "{name}: {rows:?}\n{}", said.err);
        for ((decision, reason), (wanted, words)) in rows.iter().zip(want) {
            assert_eq!(decision, wanted, "{name}: {reason}");
            assert!(reason.contains(words), "{name}: {reason}");
        }
    };
    let check =
        |name: &str, input: &[u8], want: &[(&str, &str)]| check_with(&[], name, input, want);
    let breaks = ["--allow-line-breaks"];
    let clean = "0x00000000000000000000000000000000000000aa";
    let allow = ("ALLOW", "Allowed: not listed.");
    let text = |text: &str| text.replace('A', clean).into_bytes();
    check("bom.csv", &text("\u{feff}address,x\r\nA,1\r\nA,2\r\n"), &[allow, allow]);
    let quoted = text("x,address\n\"a\nb\",A\n\"a,\"\"b\",A\n");
    check_with(&breaks, "quoted.csv", &quoted, &[allow, allow]);
    check(
        "ragged.csv",
        &text("address,x\nA\nA,1,2\nA,1\n"),
        &[("ERROR", "line 2: 1 fields"), ("ERROR", "line 3: 3 fields"), allow],
    );
    check(
        "bytes.csv",
        b"address,x\n0x\0,1\n0x\xff,1\n,\n",
        &[("ERROR", "not visible ASCII"), ("ERROR", "not UTF-8"), ("ERROR", "empty")],
    );
    let open = text("x,address\n1,A\n\"2,A\n3,A\n");
    check_with(&breaks, "open.csv", &open, &[allow, ("ERROR", "line 3: a quote is not closed")]);
    check("header.csv", b"address\n", &[]);
    let long = format!("address\n{}\nA\n\"{}\"\n", "x".repeat(300_000), "y\n".repeat(1_000));
    let too_long = ("ERROR", "longer than 1024 bytes");
    let want = [("ERROR", "line 2: longer than 262144"), allow, too_long];
    check_with(&breaks, "long.csv", &text(&long), &want);
    let endless = format!("address,x\nA,\"{}A,1\n", "y\n".repeat(200_000));
    let (_, rows) = outcome(&place, "endless.csv", &text(&endless), &breaks);
    assert!(rows[0].1.contains("line 2: longer than 262144"), "{:?}", rows[0]);

    let deep = format!("{{\"address\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let json = format!(
        "{{\"address\":\"A\"}}\nnot json\n[1]\n{{\"address\":12}}\n{{\"x\":\"A\"}}\n{deep}\n\
         {{\"address\":\"A\",\"address\":\"A\"}}\n{{\"address\":null}}\n\n{{\"address\":\"\\u0030x\"}}\n"
    );
    check(
        "rows.jsonl",
        &text(&json),
        &[
            allow,
            ("ERROR", "line 2: expected"),
            ("ERROR", "an object"),
            ("ERROR", "not a string"),
            ("ERROR", "empty"),
            ("ERROR", "not a string"),
            ("ERROR", "is repeated"),
            ("ERROR", "empty"),
            ("REVIEW", "ADDRESS_NOT_UNDERSTOOD"),
        ],
    );
    check("first.jsonl", &text("{broken\n{\"address\":\"A\"}\n"), &[("ERROR", "key"), allow]);
}

#[test]
fn a_broken_file_ends_after_the_rows_before_it() {
    let place = Place::new();
    let row = "0x00000000000000000000000000000000000000aa\n";
    let text = format!("address\n{}", row.repeat(20_000));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let (said, rows) = outcome(&place, "whole.csv.gz", &packed, &[]);
    assert_eq!((said.status, rows.len()), (0, 20_000), "{}", said.err);
    let (said, rows) = outcome(&place, "torn.csv.gz", &packed[..packed.len() / 2], &[]);
    assert_eq!(said.status, 1, "{}", said.err);
    assert!((1_000..20_000).contains(&rows.len()), "{}", rows.len());
    let place_of_it = format!("after row {} of the input", rows.len());
    for words in [place_of_it.as_str(), "the gzip data cannot be read", "INTERRUPTED"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    let (said, rows) = outcome(&place, "not.parquet", b"PAR1 no Parquet at all PAR1", &[]);
    assert_eq!((said.status, rows.len()), (1, 0), "{}", said.err);
    let (said, _) = outcome(&place, "forced.csv", text.as_bytes(), &["--input-format", "parquet"]);
    assert!(said.err.contains("no Parquet file"), "{}", said.err);
    let utf16: Vec<u8> = text[..50].encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (said, _) = outcome(&place, "utf16.csv", &utf16, &[]);
    assert!(said.err.contains("no text"), "{}", said.err);
}

/// A line of a gigabyte is left behind without being held.
#[test]
fn a_line_without_end_takes_no_memory() {
    let place = Place::new();
    let mut command = place.command(&["screen", "--input", "-", "--quiet"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"address\n").unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..1_024 {
        stdin.write_all(&block).unwrap();
    }
    stdin.write_all(b"\n0x00000000000000000000000000000000000000aa\n").unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 400_000, "{peak} kB");
    drop(stdin);
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.status, 1, "{}", said.err);
    let rows: Vec<&str> = said.out.lines().collect();
    assert_eq!(rows.len(), 3, "{}", said.out);
    assert!(rows[1].contains("longer than 262144 bytes"), "{}", rows[1]);
    assert!(rows[2].contains(",ALLOW,"), "{}", rows[2]);
}

/// A key that the first object has not is read all the same: a chain decides what is screened.
#[test]
fn a_chain_that_only_later_rows_name_is_heard() {
    let place = Place::new();
    let first = ["{\"address\":\"A\"}\n", "{no json\n", "{\"address\":\"A\",\"chain\":null}\n"];
    for first in first {
        let rows = "{\"address\":\"A\",\"chain\":\"nonsense\"}\n{\"address\":\"A\",\"chain\":\"btc\"}\n\
                    {\"address\":\"A\",\"chain\":7}\n{\"address\":\"A\"}\n";
        let input =
            format!("{first}{rows}").replace('A', "0x00000000000000000000000000000000000000aa");
        let (said, rows) = outcome(&place, "in.jsonl", input.as_bytes(), &[]);
        let want = [
            ("ERROR", "names no chain"),
            ("REVIEW", "CHAIN_MISMATCH"),
            ("ERROR", "the chain is not a string"),
            ("ALLOW", "Allowed: not listed."),
        ];
        assert_eq!(rows.len(), 5, "{}", said.err);
        for ((decision, reason), (wanted, words)) in rows[1..].iter().zip(want) {
            assert_eq!(decision, wanted, "{first}: {reason}");
            assert!(reason.contains(words), "{first}: {reason}");
        }
    }
}

/// Whoever takes the rows goes away: what was not screened must not pass for clean.
#[test]
fn an_output_that_nobody_reads_is_no_clean_batch() {
    let place = Place::new();
    let addresses: String = (0..20_000).map(|n| format!("0x{n:040x}\n")).collect();
    let input = place.file("in.csv", &format!("address\n{addresses}"));
    let mut command = place.command(&["screen", "--input", &input, "--quiet"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = Said::from(child.wait_with_output().unwrap());
    assert!(said.err.contains("INTERRUPTED"), "{}", said.err);
    assert_eq!(said.status, 1, "{}", said.err);
}
