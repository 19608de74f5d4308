//! `screen --input` against the real store and server: the same answers either way, in every form.

mod hostile;
mod keep_columns;
mod line_breaks;
mod resume;
mod staleness;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::place::{FAR, LISTED, NEAR, Place, SERVICE, transfers};
use crate::support::program::Said;

/// A place with a sanctions list and an advisory one, and transfers: funds went from the listed one
/// over NEAR to FAR, and to SERVICE.
fn place() -> Place {
    let place = Place::new();
    // Two runs would differ in their records.
    place.configure("decision_log.enabled = false");
    let row = format!("{SERVICE},eip155:1,v1,\"Second, \"\"quoted\"\"\",2026-01-01\n");
    let list = format!("address,ticker,party_uid,party_name,listed_on\n{row}");
    let list = place.file("advisory.csv", &list);
    let arguments =
        ["lists", "import", &list, "--list", "advisory", "--kind", "ADVISORY", "--published"];
    assert_eq!(place.says(&[&arguments[..], &["2026-01-02"]].concat()).status, 0);
    let moved =
        [(100, LISTED, NEAR), (101, NEAR, FAR), (103, LISTED, SERVICE), (104, FAR, SERVICE)];
    let file = place.file("transfers.csv", &transfers(&moved));
    // Its blocks are whole: rows of that chain are COVERED, and others are not.
    let import = ["transfers", "import", &file, "--chain", "eth", "--covers", "100-104"];
    assert_eq!(place.says(&import).status, 0);
    let declare = ["transfers", "declare", "eth", "--covers", "100-104", "--kinds", "tokens"];
    assert_eq!(place.says(&declare).status, 0);
    place
}

/// Rows of every kind, then `more` clean ones.
fn rows(more: u32) -> Vec<[String; 3]> {
    let known = [
        ("listed", LISTED, "eth"),
        ("near", NEAR, ""),
        ("far", FAR, "eip155:1"),
        ("service", SERVICE, "eth"),
        ("=upper", "0xBAD0000000000000000000000000000000000001", ""),
        ("none", "", "eth"),
        ("no chain", FAR, "no such chain"),
        ("other chain", FAR, "btc"),
        ("wrong form", "not-an-address", ""),
        ("no ASCII", "0xé", ""),
        ("btc, clean", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bitcoin"),
        ("typing error", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "bitcoin"),
        ("segwit", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", ""),
    ];
    let known = known.map(|row| [row.0, row.1, row.2].map(str::to_owned));
    let clean = (0..more).map(|n| [format!("c{n}"), format!("0x{n:040x}"), String::new()]);
    known.into_iter().chain(clean).collect()
}

fn csv_of(rows: &[[String; 3]]) -> String {
    let mut text = String::from("ref,address,chain\n");
    for [reference, address, chain] in rows {
        text += &format!("\"{reference}\",{address},{chain}\n");
    }
    text
}

/// What a batch over `input` with these arguments said and wrote.
#[track_caller]
fn screened(place: &Place, input: &str, out: &str, more: &[&str]) -> (Said, String) {
    let out = place.data().with_file_name(out);
    let given = ["screen", "--input", input, "--out", out.to_str().unwrap(), "--overwrite"];
    let given = [&given[..], &["--reference-column", "ref"], more].concat();
    let said = place.says(&given);
    assert!(![-1, 101].contains(&said.status), "{more:?}: {}", said.err);
    (said, fs::read_to_string(&out).unwrap_or_default())
}

fn summary(out: &Path) -> Value {
    let path = format!("{}.summary.json", out.display());
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_store_and_a_server_give_the_same_bytes() {
    let place = place();
    let input = place.file("in.csv", &csv_of(&rows(50)));
    let variants: [&[&str]; 7] = [
        &[],
        &["--evidence"],
        &["--max-hops", "1"],
        &["--as-of", "2026-01-15"],
        &["--list", "sanctions"],
        &["--chain", "eth"],
        &["--list", "advisory", "--evidence"],
    ];
    let all = |server: bool| {
        let running = server.then(|| place.serve());
        let mut found = Vec::new();
        for variant in variants {
            let (said, text) = screened(&place, &input, "out.csv", variant);
            found.push((said.status, text));
        }
        let (_, json) = screened(&place, &input, "out.jsonl", &["--evidence"]);
        drop(running);
        (found, json)
    };
    let (held, held_json) = all(false);
    let (served, served_json) = all(true);
    for (variant, (held, served)) in variants.iter().zip(held.iter().zip(&served)) {
        assert_eq!(held, served, "{variant:?}");
        // Without the list of sanctions nothing is worse than the rows that are none.
        let want = if variant.contains(&"advisory") { 1 } else { 11 };
        assert_eq!(held.0, want, "{variant:?}: {}", held.1);
        assert_eq!(held.1.lines().count(), 1 + 13 + 50, "{variant:?}");
    }
    assert_eq!(held_json, served_json);
    // The variants ask different things.
    let distinct: std::collections::BTreeSet<_> = held.iter().map(|(_, text)| text).collect();
    assert!(distinct.len() >= 6, "{}", distinct.len());
}

#[test]
fn rows_say_what_was_found() {
    let place = place();
    let input = place.file("in.csv", &csv_of(&rows(5_000)));
    let (said, text) = screened(&place, &input, "out.csv", &["--evidence"]);
    assert_eq!(said.status, 11, "{}", said.err);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heads = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 5_013);
    let of = |row: usize, column: &str| {
        let at = heads.iter().position(|head| head == column).unwrap();
        rows[row - 1][at].to_owned()
    };
    for (place, row) in rows.iter().enumerate() {
        assert_eq!(row[0], (place + 1).to_string());
    }
    let check = |row: usize, decision: &str, finding: &str, hops: &str, party: &str| {
        let found = ["decision", "finding", "hops", "party"].map(|column| of(row, column));
        assert_eq!(found, [decision, finding, hops, party], "row {row}");
    };
    check(1, "BLOCK", "LISTED", "0", "Evil Party");
    check(2, "REVIEW", "RECEIVED_FROM", "1", "Evil Party");
    check(3, "REVIEW", "SENT_TO", "1", "Second, \"quoted\"");
    assert_eq!(["decision", "hops"].map(|column| of(4, column)), ["REVIEW", "0"]);
    check(5, "BLOCK", "LISTED", "0", "Evil Party");
    check(6, "ERROR", "", "", "");
    check(7, "ERROR", "", "", "");
    check(10, "ERROR", "", "", "");
    check(11, "ALLOW", "", "", "");
    check(12, "REVIEW", "", "", "");
    check(14, "ALLOW", "", "", "");
    check(5_013, "ALLOW", "", "", "");
    assert_eq!(of(2, "share"), "100.00");
    assert_eq!([of(14, "coverage"), of(11, "coverage")], ["COVERED", "NOT_COVERED"]);
    assert_eq!(of(5, "reference"), "'=upper");
    assert!(of(12, "reason").starts_with("INCOMPLETE ADDRESS_NOT_UNDERSTOOD"));
    assert_eq!(of(12, "status"), "INCOMPLETE");
    let path: Value = serde_json::from_str(&of(2, "path")).unwrap();
    assert_eq!(path["hops"][0]["sender"]["address"], LISTED, "{path}");
    assert_eq!(of(14, "path"), "");

    let summary = summary(&place.data().with_file_name("out.csv"));
    assert_eq!((&summary["rows"], &summary["errors"]), (&5_013.into(), &3.into()));
    assert_eq!(summary["interrupted"], false);
    assert_eq!(summary["decisions"]["BLOCK"], 2);
    assert_eq!(summary["parties"][0]["party"], "Evil Party");
    assert_eq!(summary["snapshots"].as_array().unwrap().len(), 1);
    assert_eq!(summary["snapshots"][0]["id"], of(1, "snapshot"));
    assert_eq!(summary["snapshots"][0]["policy_version"], of(1, "policy"));
    for words in ["screened    5,013 rows in", "BLOCK 2", "Evil Party [sanctions]"] {
        assert!(said.err.contains(words), "{words:?} is not in\n{}", said.err);
    }
}

/// The exit status is that of the worst row, and an error is worse than REVIEW.
#[test]
fn exit_statuses() {
    let place = place();
    let rows = rows(1);
    let check = |places: &[usize], want: i32| {
        let some: Vec<_> = places.iter().map(|at| rows[*at].clone()).collect();
        let input = place.file("some.csv", &csv_of(&some));
        let (said, _) = screened(&place, &input, "some-out.csv", &[]);
        assert_eq!(said.status, want, "{places:?}: {}", said.err);
    };
    check(&[10, 13], 0);
    check(&[10, 1], 10);
    check(&[10, 1, 5], 1);
    check(&[0, 5], 11);
}

#[test]
fn every_form_says_the_same() {
    let place = place();
    let rows = rows(20);
    let csv = csv_of(&rows);
    let json: String = rows
        .iter()
        .map(|[r, a, c]| serde_json::json!({"ref": r, "address": a, "chain": c}).to_string() + "\n")
        .collect();
    let inputs = [place.file("in.csv", &csv), place.file("in.jsonl", &json)];
    let (_, expected) = screened(&place, &inputs[0], "out.csv", &["--evidence"]);
    let (_, from_json) = screened(&place, &inputs[1], "json.csv", &["--evidence"]);
    assert_eq!(from_json, expected);
    // Each form of a result is an input itself: its reference and address come out as they were.
    for out in ["o.jsonl", "o.csv.gz", "o.csv.zst", "o.ndjson.gz", "o.parquet"] {
        screened(&place, &inputs[0], out, &["--evidence"]);
        let result = place.data().with_file_name(out);
        assert!(!place.data().with_file_name(format!("{out}.partial")).exists());
        let again = ["--reference-column", "reference", "--evidence", "--overwrite"];
        let again = [&again[..], &["--keep-columns", "none", "--out"]].concat();
        let back = place.data().with_file_name("back.csv");
        let given = ["screen", "--input", result.to_str().unwrap()];
        let given = [&given[..], &again[..], &[back.to_str().unwrap()]].concat();
        let said = place.says(&given);
        assert_eq!(said.status, 11, "{out}: {}", said.err);
        let back = fs::read_to_string(&back).unwrap();
        let marked = |text: &str| text.replace("''=upper", "'=upper");
        assert_eq!(marked(&back), marked(&expected), "{out}");
    }
    // Standard input and output.
    let mut command = place.command(&["screen", "--input", "-", "--reference-column", "ref"]);
    command.args(["--evidence", "--quiet"]).stdin(fs::File::open(&inputs[0]).unwrap());
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.out, expected, "{}", said.err);
}

#[test]
fn what_would_be_lost_is_refused() {
    let place = place();
    let input = place.file("in.csv", "id,addr,addr2\n1,0xab,0xcd\n");
    let out = place.file("out.csv", "mine\n");
    let twice = place.file("twice.csv", "address,address\n1,2\n");
    let empty = place.file("empty.csv", "");
    let check = |arguments: &[&str], want: &str| {
        let said = place.says(&[&["screen"], arguments].concat());
        assert_eq!(said.status, 1, "{arguments:?}: {}", said.err);
        assert!(said.err.contains(want), "{arguments:?}: {}", said.err);
        assert_eq!(fs::read_to_string(&out).unwrap(), "mine\n");
    };
    check(&["--input", &input, "--out", &out], "exists; use --resume to continue it");
    check(&["--input", &input, "--out", &input, "--overwrite"], "the input and an output are one");
    let stdin = ["screen", "--input", "-", "--out", &out, "--overwrite"];
    let mut command = place.command(&stdin);
    let said = Said::from(command.stdin(fs::File::open(&out).unwrap()).output().unwrap());
    assert!(said.err.contains("the input and an output are one"), "{}", said.err);
    assert_eq!(fs::read_to_string(&out).unwrap(), "mine\n");
    let none = "no column \"address\"; it has \"id\", \"addr\", \"addr2\"";
    check(&["--input", &input, "--out", &out, "--overwrite"], none);
    check(&["--input", &input, "--address-column", "x"], "no column \"x\"");
    check(&["--input", &twice], "the column \"address\" is repeated");
    check(&["--input", &empty], "empty.csv: it is empty: 0 bytes");
    check(&["--input", "/no/such/file"], "cannot be opened");
    check(&["--input", &input, "--out", "a.txt"], "told by its name");
    check(&["--input", &input, "--address-column", "addr", "--resume"], "cannot be gone on with");
    let unknown = ["--input", &input, "--address-column", "addr", "--list", "no-such"];
    check(&unknown, "list no-such is not loaded");
    check(&["--input", &input, "0xab"], "cannot be used with");
    check(&["--out", "x.csv", "0xab"], "cannot be used with");
    check(&["--out", "x.csv"], "required arguments were not provided");
}
