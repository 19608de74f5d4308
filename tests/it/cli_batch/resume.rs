//! Batches that are stopped, killed or cut off from their server, and gone on with: what comes out is
//! what one in a single run gives.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};

use serde_json::json;

use super::*;

/// A result unpacked.
fn text_of(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().and_then(|end| end.to_str()) {
        Some("gz") => {
            flate2::read::MultiGzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
        }
        Some("zst") => {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let mut frame = ruzstd::decoding::StreamingDecoder::new(&mut rest).unwrap();
                frame.read_to_string(&mut text).unwrap();
            }
        }
        _ => text = String::from_utf8(bytes).unwrap(),
    }
    text
}

fn beside(place: &Place, name: &str) -> PathBuf {
    place.data().with_file_name(name)
}

fn resumed(place: &Place, input: &str, out: &Path, more: &[&str]) -> Said {
    let given = ["screen", "--input", input, "--reference-column", "ref", "--resume", "--out"];
    place.says(&[&given[..], &[out.to_str().unwrap()], more].concat())
}

/// Wherever a result is cut off, going on gives the whole.
#[test]
fn a_result_cut_anywhere_is_gone_on_with() {
    let place = place();
    let input = place.file("in.csv", &csv_of(&rows(9_000)));
    for name in ["o.csv", "o.jsonl", "o.csv.gz", "o.ndjson.zst"] {
        screened(&place, &input, name, &[]);
        let out = beside(&place, name);
        let (whole, expected) = (fs::read(&out).unwrap(), text_of(&out));
        let before = summary(&out);
        for length in [0, 1, 100, 301, 5_000, whole.len() / 2, whole.len() - 1, whole.len()] {
            fs::write(&out, &whole[..length.min(whole.len())]).unwrap();
            let said = resumed(&place, &input, &out, &[]);
            assert_eq!(said.status, 11, "{name} {length}: {}", said.err);
            assert_eq!(text_of(&out), expected, "{name} {length}");
            let after = summary(&out);
            for count in ["rows", "errors", "decisions", "hops", "parties", "incomplete"] {
                assert_eq!(after[count], before[count], "{name} {length} {count}");
            }
            assert_eq!(after["snapshots"].as_array().unwrap().len(), 1);
        }
    }
}

/// A batch that reads what the test writes, up to the first rows of its result.
struct Fed {
    child: Child,
    stdin: ChildStdin,
    out: PathBuf,
}

impl Fed {
    fn start(place: &Place, name: &str, text: &str) -> Self {
        let out = beside(place, name);
        let given = ["screen", "--input", "-", "--reference-column", "ref", "--out"];
        let mut command = place.command(&given);
        command.arg(&out).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
        let mut fed = Self { child, stdin, out };
        fed.wait_for_rows();
        fed
    }

    /// Rows come while there is time: no clock is asked, the file grows or the program ends.
    fn wait_for_rows(&mut self) {
        let work_file = PathBuf::from(format!("{}.partial", self.out.display()));
        let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        while size(&self.out).max(size(&work_file)) < 2_000 {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended early");
            std::thread::yield_now();
        }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = std::process::Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    fn end(self) -> Said {
        drop(self.stdin);
        self.child.wait_with_output().unwrap().into()
    }
}

#[test]
fn a_signal_leaves_a_result_that_is_gone_on_with() {
    let place = place();
    let csv = csv_of(&rows(10_000));
    let input = place.file("in.csv", &csv);
    for (signal, status) in [("TERM", 143), ("INT", 130), ("KILL", -1)] {
        for name in ["s.csv", "s.jsonl.gz", "s.parquet"] {
            let is_parquet = name.ends_with("parquet");
            screened(&place, &input, "expected.csv", &[]);
            let expected = text_of(&beside(&place, "expected.csv"));
            let name = format!("{signal}-{name}");
            let fed = Fed::start(&place, &name, &csv);
            let out = fed.out.clone();
            fed.signal(signal);
            // Its standard input stays open: it is the signal that ends it.
            let Fed { mut child, stdin, .. } = fed;
            let ended = child.wait().unwrap();
            assert_eq!(ended.code().unwrap_or(-1), status, "{name}");
            drop(stdin);
            assert_eq!(out.exists(), !is_parquet, "{name}");
            let marked = summary(&out);
            assert_eq!(marked["interrupted"], true, "{name}");
            if signal != "KILL" && !is_parquet {
                let rows = marked["rows"].as_u64().unwrap();
                assert!((1..10_013).contains(&rows), "{name}: {rows}");
            }
            let said = resumed(&place, &input, &out, &[]);
            assert_eq!(said.status, 11, "{name}: {}", said.err);
            let after = summary(&out);
            assert_eq!((&after["rows"], &after["interrupted"]), (&10_013.into(), &false.into()));
            if is_parquet {
                let back = place.says(&[
                    "screen",
                    "--input",
                    out.to_str().unwrap(),
                    "--reference-column",
                    "reference",
                    "--keep-columns",
                    "none",
                    "--quiet",
                ]);
                let marks = |text: &str| text.replace("''=", "'=");
                assert_eq!(marks(&back.out), marks(&expected), "{name}");
            } else if !name.contains("json") {
                assert_eq!(text_of(&out), expected, "{name}");
            } else {
                screened(&place, &input, "expected.jsonl", &[]);
                assert_eq!(text_of(&out), text_of(&beside(&place, "expected.jsonl")), "{name}");
            }
        }
    }
}

#[test]
fn only_the_same_batch_is_gone_on_with() {
    let place = place();
    let all = rows(30);
    let input = place.file("in.csv", &csv_of(&all));
    screened(&place, &input, "o.csv", &[]);
    let out = beside(&place, "o.csv");
    let whole = fs::read(&out).unwrap();
    let check = |input: &str, more: &[&str], want: &str| {
        let said = resumed(&place, input, &out, more);
        assert_eq!(said.status, 1, "{more:?}: {}", said.err);
        assert!(said.err.contains(want), "{}", said.err);
        assert_eq!(fs::read(&out).unwrap(), whole, "it is as it was");
    };
    let changed = |at: usize, column: usize| {
        let mut rows = all.clone();
        rows[at][column].push('1');
        place.file("changed.csv", &csv_of(&rows))
    };
    check(&changed(20, 1), &[], "row 21 has another address");
    check(&changed(20, 0), &[], "row 21 has another reference");
    check(&changed(12, 2), &[], "row 13 has another chain");
    check(&place.file("short.csv", &csv_of(&all[..20])), &[], "more rows than the input");
    check(&input, &["--max-hops", "1"], "begun with other options");
    check(&input, &["--evidence"], "begun with other options");
    let milder = String::from_utf8(whole.clone()).unwrap().replace(",BLOCK,", ",ALLOW,");
    fs::write(&out, &milder).unwrap();
    let said = resumed(&place, &input, &out, &[]);
    assert!(said.err.contains("one of them was changed"), "{}", said.err);
    fs::write(&out, &whole).unwrap();
    fs::remove_file(format!("{}.summary.json", out.display())).unwrap();
    check(&input, &["--evidence"], "has other columns");
    // Under which options its rows were answered nobody knows then.
    check(&input, &[], "o.csv.summary.json is missing");
    check(&input, &["--max-hops", "1"], "o.csv.summary.json is missing");
}

#[test]
fn a_result_of_0_1_0_is_gone_on_with() {
    let place = place();
    let earlier = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/report/0.1.0");
    let text = fs::read_to_string(earlier.join("customers.jsonl")).unwrap();
    // The next row has a longer address than a batch shows.
    let begun: String = text.split_inclusive('\n').take(28).collect();
    let out = beside(&place, "customers.jsonl");
    fs::write(&out, &begun).unwrap();
    let of_summary = "customers.jsonl.summary.json";
    fs::copy(earlier.join(of_summary), beside(&place, of_summary)).unwrap();
    let asked = begun.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let asked = asked.map(|row| (row["reference"].clone(), row["address"].clone()));
    let asked = asked.chain([("next".into(), LISTED.into())]);
    let asked = asked.map(|(reference, address)| json!({"ref": reference, "address": address}));
    let input: String = asked.map(|row| format!("{row}\n")).collect();

    let said = resumed(&place, &place.file("in.jsonl", &input), &out, &["--evidence"]);
    assert_eq!(said.status, 11, "{}", said.err);
    let whole = fs::read_to_string(&out).unwrap();
    let added: Value = serde_json::from_str(whole.strip_prefix(&begun).unwrap()).unwrap();
    assert_eq!((&added["row"], &added["decision"]), (&json!(29), &json!("BLOCK")));
    let after = summary(&out);
    assert_eq!((&after["rows"], &after["interrupted"]), (&json!(29), &json!(false)));
    let snapshots = after["snapshots"].as_array().unwrap();
    assert_eq!((snapshots.len(), &snapshots[0]["id"]), (2, &json!("8f3a61c09b2e")));
    assert_eq!(snapshots[0]["exposure_settings_digest"], "ab".repeat(32));
}

#[test]
fn a_signal_leaves_the_answers_of_a_server_too() {
    let place = place();
    let csv = csv_of(&rows(10_000));
    let input = place.file("in.csv", &csv);
    screened(&place, &input, "expected.csv", &[]);
    let server = place.serve();
    let fed = Fed::start(&place, "o.csv", &csv);
    fed.signal("TERM");
    let Fed { mut child, stdin, out } = fed;
    assert_eq!(child.wait().unwrap().code(), Some(143));
    drop(stdin);
    let marked = summary(&out);
    assert_eq!(marked["interrupted"], true, "{marked}");
    let said = resumed(&place, &input, &out, &[]);
    drop(server);
    assert_eq!(said.status, 11, "{}", said.err);
    assert_eq!(text_of(&out), text_of(&beside(&place, "expected.csv")));
}

/// A server that goes away in the middle and comes back: no row is lost or doubled.
#[test]
fn a_server_that_comes_back_is_asked_for_the_rest() {
    let place = place();
    let all = rows(12_000);
    let csv = csv_of(&all);
    let input = place.file("in.csv", &csv);
    screened(&place, &input, "expected.csv", &[]);
    let expected = text_of(&beside(&place, "expected.csv"));
    let middle = csv_of(&all[..9_000]).len();
    let server = place.serve();
    let mut fed = Fed::start(&place, "o.csv", &csv[..middle]);
    server.signal("KILL");
    drop(server);
    let server = place.serve();
    fed.stdin.write_all(&csv.as_bytes()[middle..]).unwrap();
    let out = fed.out.clone();
    let said = fed.end();
    drop(server);
    assert_eq!(said.status, 11, "{}", said.err);
    assert_eq!(text_of(&out), expected);
}

/// What a field of JSON holds is told again from a result of CSV, ends of lines among it.
#[test]
fn a_result_of_awkward_references_is_gone_on_with() {
    let place = place();
    let awkward = ["a\r\nb", "\r\n", "a\rb\n", "'\r\n=1", "\"\r\n\"", "=1", "x\r"];
    let row = |text: &&str| serde_json::json!({"ref": text, "address": FAR}).to_string() + "\n";
    let input = place.file("in.jsonl", &awkward.iter().map(row).collect::<String>());
    screened(&place, &input, "o.csv", &[]);
    let out = beside(&place, "o.csv");
    let whole = fs::read(&out).unwrap();
    let said = resumed(&place, &input, &out, &[]);
    assert_eq!(said.status, 10, "{}", said.err);
    assert_eq!(fs::read(&out).unwrap(), whole);
}

/// Two batches at one result would write into each other's rows.
#[test]
fn a_result_that_is_being_written_is_left_alone() {
    let place = place();
    let csv = csv_of(&rows(10_000));
    let input = place.file("in.csv", &csv);
    screened(&place, &input, "expected.csv", &[]);
    let server = place.serve();
    let fed = Fed::start(&place, "o.csv", &csv);
    let out = fed.out.clone();
    let marked = summary(&out);
    for how in ["--resume", "--overwrite"] {
        let given = ["screen", "--input", &input, "--reference-column", "ref", how, "--out"];
        let said = place.says(&[&given[..], &[out.to_str().unwrap()]].concat());
        assert_eq!(said.status, 1, "{how}: {}", said.err);
        assert!(said.err.contains("another batch is writing it"), "{how}: {}", said.err);
        assert_eq!(summary(&out), marked, "{how}");
    }
    let said = fed.end();
    drop(server);
    assert_eq!(said.status, 11, "{}", said.err);
    assert_eq!(text_of(&out), text_of(&beside(&place, "expected.csv")));
}

/// Why nobody answers is told though the reader waits for more.
#[test]
fn a_refusal_is_told_while_standard_input_is_open() {
    let place = place();
    let server = place.serve();
    let mut command = place.command(&["screen", "--input", "-", "--list", "no-such", "--quiet"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Enough to tell what contains the rows, and no more than a pipe holds.
    stdin.write_all(csv_of(&rows(500)).as_bytes()).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    drop((stdin, server));
    assert!(said.contains("list no-such is not loaded"), "{said}");
}
