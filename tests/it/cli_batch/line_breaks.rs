//! Quoted cells that go over the end of their line, and the lines of an input: no row is hidden, and
//! what was read, answered and summed up agree.

use std::io::Write;
use std::process::Stdio;

use super::*;

/// Runs a batch over `input`, and gives what it said, its result and its summary.
#[track_caller]
fn batch(place: &Place, input: &str, out: &str, more: &[&str]) -> (Said, String, Value) {
    let (said, text) = screened(place, input, out, more);
    (said, text, summary(&place.data().with_file_name(out)))
}

/// Row, address and decision of each row of a CSV result.
fn decisions(text: &str) -> Vec<[String; 3]> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| [0, 2, 4].map(|column| row[column].to_owned())).collect()
}

/// What `read` of a summary must be.
fn read(rows: u64, [lines, headings, empty, in_cells]: [u64; 4]) -> Value {
    serde_json::json!({
        "rows": rows, "lines": lines, "heading_lines": headings, "empty_lines": empty,
        "lines_in_cells": in_cells,
    })
}

/// A quote that opens in the first row and closes in the third.
fn stray(end: &str) -> String {
    let lines = [
        "ref,address,chain,name".to_owned(),
        format!("1,{FAR},ethereum,\"Ann"),
        format!("2,{LISTED},ethereum,Bob"),
        format!("3,{NEAR},ethereum,Cid\""),
        format!("4,{FAR},ethereum,Dan"),
    ];
    lines.map(|line| line + end).concat()
}

#[test]
fn a_stray_quote_hides_no_row() {
    let place = place();
    let input = place.file("in.csv", &stray("\n"));
    let (said, text, found) = batch(&place, &input, "o.csv", &[]);
    let want = [["1", "", "ERROR"], ["2", LISTED, "BLOCK"], ["3", NEAR, "REVIEW"]];
    assert_eq!(decisions(&text)[..3], want.map(|row| row.map(str::to_owned)), "{text}");
    assert_eq!(decisions(&text).len(), 4, "{text}");
    assert_eq!(said.status, 11, "{}", said.err);
    let reason = "line 2: a quoted cell goes over the end of its line: is a quote missing or one too \
                  many? Where cells hold line breaks, give --allow-line-breaks";
    assert!(text.contains(reason), "{text}");
    assert_eq!((&found["read"], &found["rows"]), (&read(4, [5, 1, 0, 0]), &4.into()));
    let words = "read        4 rows on 5 lines: 1 of headings, 0 empty, 0 further lines of cells";
    assert!(said.err.contains(words), "{}", said.err);

    // However the lines end, however the file is packed, and from standard input.
    let crlf = place.file("crlf.csv", &stray("\r\n"));
    assert_eq!(batch(&place, &crlf, "crlf-o.csv", &[]).1, text);
    let unended = place.file("unended.csv", stray("\n").trim_end());
    assert_eq!(batch(&place, &unended, "unended-o.csv", &[]).1, text);
    let gzip = || {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(stray("\n").as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let bzip2 = || {
        let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        packer.write_all(stray("\n").as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let zstd = || {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        ruzstd::encoding::compress_to_vec(stray("\n").as_bytes(), level)
    };
    for (name, bytes) in [("in.csv.gz", gzip()), ("in.csv.bz2", bzip2()), ("in.csv.zst", zstd())] {
        let packed = place.file(name, "");
        fs::write(&packed, bytes).unwrap();
        let (_, unpacked, summed) = batch(&place, &packed, "packed-o.csv", &[]);
        assert_eq!((&unpacked, &summed["read"]), (&text, &found["read"]), "{name}");
    }
    let mut command = place.command(&["screen", "--input", "-", "--reference-column", "ref"]);
    let piped = command.arg("--quiet").stdin(fs::File::open(&input).unwrap()).output().unwrap();
    let piped = Said::from(piped);
    assert_eq!((piped.status, &piped.out), (11, &text), "{}", piped.err);

    // In the order of the input as JSON lines too, and from a server.
    let server = place.serve();
    assert_eq!(batch(&place, &input, "served.csv", &[]).1, text);
    let (_, json, _) = batch(&place, &input, "o.jsonl", &[]);
    drop(server);
    let json: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows = json.iter().map(|row| (row["row"].as_u64().unwrap(), row["decision"].as_str()));
    let want = [(1, "ERROR"), (2, "BLOCK"), (3, "REVIEW"), (4, "REVIEW")];
    assert_eq!(rows.collect::<Vec<_>>(), want.map(|(row, decision)| (row, Some(decision))));
}

#[test]
fn line_breaks_are_taken_where_they_are_allowed() {
    let place = place();
    let input = place.file("in.csv", &stray("\r\n"));
    let (said, text, found) = batch(&place, &input, "o.csv", &["--allow-line-breaks"]);
    let rows = decisions(&text);
    assert_eq!(rows.len(), 2, "{text}");
    assert_eq!(rows[1][1], FAR);
    // What the quotes hold is told all the same.
    assert_eq!(found["read"], read(2, [5, 1, 0, 2]));
    assert!(
        said.err.contains("2 rows on 5 lines: 1 of headings, 0 empty, 2 further lines of cells")
    );
    let headings = format!("ref,address,\"a\nname\"\nr,{FAR},x\n");
    let headings = place.file("headings.csv", &headings);
    let (_, text, found) = batch(&place, &headings, "headings-o.csv", &["--allow-line-breaks"]);
    assert_eq!((decisions(&text).len(), &found["read"]), (1, &read(1, [3, 2, 0, 0])));
    let said = place.says(&["screen", "--input", &headings]);
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(said.err.contains("headings.csv: line 1: a quoted cell goes over"), "{}", said.err);
    assert_eq!(said.out, "");
}

/// Every line is one of the heading, empty, or a row; and each row that holds a quote stands for
/// itself.
#[test]
fn the_lines_of_an_input_add_up() {
    let place = place();
    let check = |name: &str, input: &str, want: &Value, rows: usize| {
        let input = place.file(name, input);
        let (said, text, found) = batch(&place, &input, "o.csv", &[]);
        assert_eq!((&found["read"], &found["rows"]), (want, &want["rows"]), "{name}: {}", said.err);
        assert_eq!(decisions(&text).len(), rows, "{name}");
    };
    let head = "ref,address";
    let plain = format!("\n{head}\n\n1,{FAR}\r\n\r\n2,{NEAR}");
    check("plain.csv", &plain, &read(2, [6, 1, 3, 0]), 2);
    // The last line opens a quote; one is doubled, one stands within a field, one line is long.
    let long = "x".repeat(300_000);
    let odd = format!("{head}\n1\"2,{FAR}\n\"3\"\"4\",{FAR}\n5,\"{long}\"\n6,{FAR}\n7,\"{FAR}");
    check("odd.csv", &odd, &read(5, [6, 1, 0, 0]), 5);
    let json = format!("\n{{\"ref\":\"a\\nb\",\"address\":\"{FAR}\"}}\n \n\nno json\n");
    check("in.jsonl", &json, &read(2, [5, 0, 3, 0]), 2);
    // Parquet has rows alone.
    let input = place.file("plain.csv", &plain);
    screened(&place, &input, "o.parquet", &[]);
    let parquet = place.data().with_file_name("o.parquet");
    let given = ["screen", "--input", parquet.to_str().unwrap(), "--overwrite", "--out"];
    let out = place.data().with_file_name("back.csv");
    place.says(&[&given[..], &[out.to_str().unwrap()]].concat());
    assert_eq!(summary(&out)["read"], serde_json::json!({"rows": 2}));
}

/// Rows with stray quotes on both sides of where chunks end, cut off at every kind of place: going on
/// gives the bytes of an uninterrupted run.
#[test]
fn a_batch_of_stray_quotes_is_gone_on_with() {
    let place = place();
    let mut text = String::from("ref,address,name\n");
    for row in 0..9_000 {
        let name = match row % 4_096 {
            4_094 => "\"opened",
            2 => "closed\"",
            7 => "\"open\r",
            _ => "plain",
        };
        text += &format!("r{row},0x{row:040x},{name}\n");
    }
    let input = place.file("in.csv", &text);
    for name in ["o.csv", "o.jsonl.gz"] {
        let out = place.data().with_file_name(name);
        let given = ["screen", "--input", &input, "--reference-column", "ref", "--out"];
        let given = [&given[..], &[out.to_str().unwrap()]].concat();
        let said = place.says(&given);
        assert_eq!(said.status, 1, "{}", said.err);
        let (whole, before) = (fs::read(&out).unwrap(), summary(&out));
        assert_eq!(before["read"], read(9_000, [9_001, 1, 0, 0]));
        // Two that open, and three more that only a carriage return follows.
        assert_eq!((&before["rows"], &before["errors"]), (&9_000.into(), &5.into()));
        let at_error = whole.windows(13).position(|bytes| bytes == b"a quoted cell").unwrap_or(777);
        for length in [0, 99, at_error, at_error + 40, whole.len() / 2, whole.len() - 1] {
            fs::write(&out, &whole[..length]).unwrap();
            let said = place.says(&[&given[..], &["--resume"]].concat());
            assert_eq!(said.status, 1, "{name} {length}: {}", said.err);
            if name == "o.csv" {
                assert!(fs::read(&out).unwrap() == whole, "{name} {length}");
            }
            let after = summary(&out);
            for what in ["read", "rows", "errors", "decisions"] {
                assert_eq!(after[what], before[what], "{name} {length} {what}");
            }
        }
    }
}

#[test]
fn a_batch_without_rows_is_no_success() {
    let place = place();
    let heading = "no rows: the input holds a heading and nothing else";
    let check = |name: &str, input: &str, want: &str| {
        let input = place.file(name, input);
        for more in [&[][..], &["--allow-line-breaks"]] {
            let said = place.says(&[&["screen", "--input", &input], more].concat());
            assert_eq!(said.status, 1, "{name}: {}", said.err);
            assert!(said.err.contains(want), "{name}: {}", said.err);
        }
    };
    check("heading.csv", "address\n", heading);
    check("unended.csv", "address,name", heading);
    check("blank.csv", "\naddress\r\n\r\n\n", heading);
    check("empty.csv", "", "empty.csv: it is empty: 0 bytes");
    check("empty.jsonl", "\n \n", "empty.jsonl: it is empty: nothing but white space");
    let input = place.file("none.csv", "ref,address\n");
    let (said, text, found) = batch(&place, &input, "o.csv", &[]);
    assert_eq!((said.status, text.lines().count()), (1, 1), "{}", said.err);
    assert_eq!((&found["read"], &found["interrupted"]), (&read(0, [1, 1, 0, 0]), &false.into()));
    let _server = place.serve();
    check("served.csv", "address\n", heading);
    let mut command = place.command(&["screen", "--input", "-", "--quiet"]);
    let said = Said::from(command.stdin(Stdio::null()).output().unwrap());
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(said.err.contains("standard input: it is empty: 0 bytes"), "{}", said.err);
}

/// A report states what was read, and refuses a summary whose lines do not add up.
#[test]
fn a_report_holds_the_lines_to_the_rows() {
    let place = place();
    let input = place.file("in.csv", &stray("\n"));
    let (_, _, found) = batch(&place, &input, "o.csv", &[]);
    let result = place.data().with_file_name("o.csv");
    let page = place.says(&["report", result.to_str().unwrap()]);
    assert_eq!(page.status, 0, "{}", page.err);
    let words = "<th scope=\"row\">Read of it</th><td>4 rows on 5 lines: 1 of headings, 0 empty, \
                 0 further lines of cells</td>";
    assert!(page.out.contains(words), "{}", page.out);
    let beside = format!("{}.summary.json", result.display());
    for (name, value, want) in [
        ("lines", 6, "its lines do not add up: 6 lines"),
        ("rows", 3, "3 rows were read, 4 answered"),
        ("lines_in_cells", 1, "further lines of cells 1"),
    ] {
        let mut changed = found.clone();
        changed["read"][name] = value.into();
        fs::write(&beside, changed.to_string()).unwrap();
        let said = place.says(&["report", result.to_str().unwrap()]);
        assert_eq!(said.status, 1, "{name}: {}", said.out);
        assert!(said.err.contains(want), "{name}: {}", said.err);
    }
}
