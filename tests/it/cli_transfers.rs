//! The commands on transfers against the real store and server: import, what is loaded, and what is
//! wrong with a file.

use std::fs;

use serde_json::Value;

use crate::support::place::{FAR, LISTED, NEAR, Place, SERVICE, three, transfers};
use crate::support::program::{Running, Said};

/// Counts of a summary.
fn counts(summary: &Value) -> [u64; 5] {
    ["read", "stored", "duplicates", "rejected", "rows"].map(|name| summary[name].as_u64().unwrap())
}

/// The import of the same files, whoever holds the store.
fn check_imports(place: &Place) {
    let one = place.file("one.csv", &three());
    let two = place.file("two.csv", &transfers(&[(101, NEAR, FAR), (200, FAR, SERVICE)]));
    let summary = place.json(&["transfers", "import", &one, &two]);
    assert_eq!(counts(&summary), [5, 4, 1, 0, 4], "{summary}");
    assert_eq!(summary["labelled_rows"], 4, "{summary}");
    let again = place.json(&["transfers", "import", &one]);
    assert_eq!(counts(&again), [3, 0, 3, 0, 4]);

    let shown = place.says(&["transfers", "import", &two]);
    assert_eq!(shown.status, 0, "{}", shown.err);
    for words in [
        "read        2 rows of 1 file in",
        "duplicates  2, in the store or earlier in the files",
        "knows 4 of 4 rows",
    ] {
        assert!(shown.out.contains(words), "{words:?} is not in\n{}", shown.out);
    }
    let heads = place.json(&["transfers", "heads"]);
    assert_eq!(heads["heads"][0]["chain"], "eip155:1");
    assert_eq!(heads["heads"][0]["transfers"], "4");
}

#[test]
fn files_are_imported_into_the_store_that_the_command_holds() {
    check_imports(&Place::new());
}

#[test]
fn files_are_imported_through_the_server_that_holds_the_store() {
    let place = Place::new();
    let server = place.serve();
    check_imports(&place);
    server.signal("TERM");
    assert_eq!(server.end().status, 0);
}

#[test]
fn a_bad_row_is_named_and_what_was_before_it_stays() {
    let place = Place::new();
    let good = place.file("good.csv", &three());
    let bad = three().replace("101:0", "101:x");
    let bad = place.file("bad.csv", &bad);
    let shown = place.says(&["transfers", "import", &good, &bad]);
    assert_eq!((shown.status, shown.out.as_str()), (1, ""), "{}", shown.err);
    for words in ["bad.csv", "line 3", "position", "3 transfers before it are stored"] {
        assert!(shown.err.contains(words), "{words:?} is not in {}", shown.err);
    }
    assert_eq!(place.json(&["transfers", "heads"])["rows"], "3");
}

#[test]
fn bad_rows_are_rejected_where_a_file_takes_them() {
    let place = Place::new();
    let bad = place.file("bad.csv", &three().replace("101:0", "101:x"));
    let rejects = place.folder().join("rejects.jsonl");
    let to = rejects.to_str().unwrap();
    let summary = place.json_with(3, &["transfers", "import", &bad, "--rejects", to]);
    assert_eq!(summary["rejected_at"][0]["chain"], "eip155:1");
    assert_eq!(counts(&summary), [3, 2, 0, 1, 2], "{summary}");
    let lines = fs::read_to_string(&rejects).unwrap();
    let line: Value = serde_json::from_str(lines.trim()).unwrap();
    assert!(line["file"].as_str().unwrap().ends_with("bad.csv"), "{line}");
    assert_eq!(line["position"], "line 3");
    assert!(line["reason"].as_str().unwrap().contains("position"), "{line}");
    assert!(line["row"].as_str().unwrap().starts_with("eip155:1,0x"), "{line}");
}

/// A quote that opens in one row and closes in another hides no row between them.
#[test]
fn a_stray_quote_swallows_no_transfers() {
    let place = Place::new();
    let rows = three();
    let noted: Vec<_> = rows.lines().zip([",x_note", ",\"first", ",second", ",third\""]).collect();
    let text: String = noted.iter().map(|(row, note)| format!("{row}{note}\n")).collect();
    let file = place.file("quote.csv", &text);
    let import = ["transfers", "import", &file, "--chain", "ethereum", "--covers", "100-110"];
    let said = place.says(&import);
    assert_eq!((said.status, said.out.as_str()), (1, ""), "{}", said.err);
    let words = "quote.csv: line 2: a quoted cell goes over the end of its line";
    assert!(said.err.contains(words) && said.err.contains("--allow-line-breaks"), "{}", said.err);
    let gaps = place.json(&["transfers", "gaps"]);
    assert_eq!(
        gaps["gaps"][0]["heights"],
        serde_json::json!({"first_height": "100", "last_height": "110"})
    );
    assert_eq!(place.json(&["transfers", "heads"])["heads"][0].get("complete"), None);

    let rejects = place.folder().join("rejects.jsonl");
    let rejecting = ["transfers", "import", &file, "--rejects", rejects.to_str().unwrap()];
    let said = place.says(&[&rejecting[..], &["--output", "json"]].concat());
    let summary: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(counts(&summary), [3, 2, 0, 1, 2], "{summary}");
    let lines = |in_cells: u64| {
        serde_json::json!({
            "lines": 4, "heading_lines": 1, "empty_lines": 0, "lines_in_cells": in_cells,
        })
    };
    assert_eq!(summary["lines"], lines(0));
    assert!(fs::read_to_string(&rejects).unwrap().contains("\"position\":\"line 2\""));
    let allowing = ["transfers", "import", &file, "--allow-line-breaks"];
    let summary = place.json(&allowing);
    assert_eq!((counts(&summary)[0], &summary["lines"]), (1, &lines(2)), "{summary}");
    let said = place.says(&allowing);
    let words = "lines       4 lines: 1 of headings, 0 empty, 2 further lines of cells\n";
    assert!(said.out.contains(words), "{}", said.out);
}

#[test]
fn rows_beyond_what_a_transfer_can_be_are_bad_rows() {
    let place = Place::new();
    let late = three().replace("2025-12-29T11:01:00Z", "2100-01-01T00:00:00Z");
    let late = place.file("late.csv", &late);
    let shown = place.says(&["transfers", "import", &late]);
    assert_eq!(shown.status, 1, "{}", shown.out);
    let words = "late.csv: line 3: time: 4102444800 (Unix seconds) is more than 7200 seconds after";
    assert_eq!(shown.err.matches(words).count(), 1, "{}", shown.err);
    let rejects = place.folder().join("rejects.jsonl");
    let rejecting = ["transfers", "import", &late, "--rejects", rejects.to_str().unwrap()];
    // What stood before the bad row is stored since the first import.
    assert_eq!(counts(&place.json_with(3, &rejecting)), [3, 1, 1, 1, 2]);
    assert!(fs::read_to_string(&rejects).unwrap().contains("\"position\":\"line 3\""));
}

#[test]
fn rejects_overwrite_nothing() {
    let place = Place::new();
    let file = place.file("three.csv", &three());
    let shown = place.says(&["transfers", "import", &file, "--rejects", &file]);
    assert_eq!(shown.status, 1, "{}", shown.out);
    assert!(shown.err.contains("three.csv: it exists already"), "{}", shown.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), three());
}

#[test]
fn blocks_that_are_said_to_be_covered_are_no_gap() {
    let place = Place::new();
    let file = place.file("three.csv", &three());
    let import = ["transfers", "import", &file];
    place.json(&import);
    let native = || place.json(&["transfers", "heads"])["heads"][0]["kinds"][0].clone();
    assert_eq!(native()["covered_spans"], "2");
    let covering = [&import[..], &["--covers", "100-110", "--chain", "ethereum"]].concat();
    place.json(&covering);
    assert_eq!(
        native()["covered"],
        serde_json::json!([{"first_height": "100", "last_height": "110"}])
    );
}

#[test]
fn transfers_are_taken_back() {
    let place = Place::new();
    let file = place.file("three.csv", &three());
    place.json(&["transfers", "import", &file]);
    let retract = ["transfers", "retract", "ethereum", "--from-height", "101", "--reason", "reorg"];
    let shown = place.says(&retract);
    assert_eq!(
        (shown.status, shown.out.as_str()),
        (0, "2 transfers taken back\n"),
        "{}",
        shown.err
    );
    let head = &place.json(&["transfers", "heads"])["heads"][0];
    assert_eq!((&head["transfers"], &head["retracted"]), (&"1".into(), &"2".into()));
    let nothing =
        place.says(&["transfers", "retract", "tron", "--from-height", "1", "--reason", "x"]);
    assert_eq!(nothing.status, 1, "{}", nothing.out);
    assert!(nothing.err.contains("no transfers of tron:"), "{}", nothing.err);
}

#[test]
fn wrong_usage() {
    let place = Place::new();
    let file = place.file("three.csv", &three());
    let check = |arguments: &[&str], words: &str| {
        let shown = place.says(arguments);
        assert_eq!(shown.status, 1, "{arguments:?}: {}", shown.err);
        assert!(shown.err.contains(words), "{words:?} is not in {}", shown.err);
    };
    check(&["transfers", "import"], "FILE");
    check(&["transfers", "import", "/nowhere"], "/nowhere");
    check(&["transfers", "import", &file, "--covers", "1-2"], "--chain");
    check(&["transfers", "import", &file, "--chain", "eip155:*"], "family of chains");
    check(&["transfers", "import", &file, "--format", "xml"], "no format of transfers");
    check(&["transfers", "retract", "ethereum", "--from-height", "1"], "--reason");
    check(&["trace", "nonsense!"], "the address: no known address form fits");
    check(&["trace", NEAR, "--max-hops", "16"], "--max-hops");
    check(&["trace", NEAR, "--min-usd", "much"], "US dollars");
    check(&["trace", NEAR, "--from-time", "yesterday"], "YYYY-MM-DD");
}

#[test]
fn tags_are_a_list_of_their_own() {
    let place = Place::new();
    let tags = "address,ticker,party_uid,party_name,category\n";
    let tags = format!("{tags}{SERVICE},eip155:1,x,The Exchange,exchange\n");
    let file = place.file("Exchanges 2026.csv", &tags);
    let shown = place.says(&["tags", "import", &file]);
    assert_eq!(shown.status, 0, "{}", shown.err);
    assert!(shown.out.starts_with("tags-exchanges-2026: version"), "{}", shown.out);
    let shown = place.says(&["tags", "import", &file, "--kind", "SERVICE", "--list", "services"]);
    assert_eq!(shown.status, 0, "{}", shown.err);
    let lists = place.says(&["lists", "ls"]).out;
    for words in ["ATTRIBUTION", "SERVICE"] {
        assert!(lists.contains(words), "{lists}");
    }
}

#[test]
fn paths_in_every_form() {
    let place = Place::new();
    let file = place.file("three.csv", &three());
    place.json(&["transfers", "import", &file]);
    let on_path = [LISTED, NEAR, FAR, &format!("0x{:064x}", 100), &format!("0x{:064x}", 101)];
    let trace = ["trace", FAR, "--direction", "received-from", "--max-hops", "3"];
    for form in ["text", "json", "dot", "svg", "html"] {
        let shown = place.says(&[&trace[..], &["--output", form]].concat());
        assert_eq!((shown.status, shown.err.as_str()), (0, ""), "{form}");
        for string in on_path.iter().chain(&["Evil Party"]) {
            assert!(shown.out.contains(string), "{form} lacks {string}:\n{}", shown.out);
        }
        let out = place.folder().join(form);
        let to_file = ["--output", form, "--out", out.to_str().unwrap()];
        let told = place.says(&[&trace[..], &to_file].concat());
        assert_eq!((told.status, told.out.as_str()), (0, ""), "{}", told.err);
        // Each is on record by itself.
        let shape = |text: &str| {
            let lines = text.lines().filter(|line| !line.contains("\"record_id\""));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(shape(&fs::read_to_string(out).unwrap()), shape(&shown.out), "{form}");
    }
    let message = place.json(&trace);
    let path = &message["paths"][0];
    assert_eq!(message["paths"].as_array().unwrap().len(), 1, "{message}");
    assert_eq!(path["direction"], "EXPOSURE_DIRECTION_RECEIVED_FROM");
    assert_eq!(path["listing"]["address"], LISTED);
    assert_eq!(path["hops"].as_array().unwrap().len(), 2);
    assert_eq!(path["hops"][0]["symbol"], "ETH");

    // Narrowed until nothing is left: by time, by hops, by value, by direction, by kind.
    for narrow in [
        ["--to-time", "2025-01-01"],
        ["--max-hops", "1"],
        ["--min-usd", "0.01"],
        ["--direction", "sent-to"],
        ["--kind", "SEIZURE"],
    ] {
        let message = place.json(&[&["trace", FAR], &narrow[..]].concat());
        assert!(message.get("paths").is_none(), "{narrow:?}: {message}");
    }
    let nothing = place.says(&["trace", SERVICE, "--direction", "sent-to"]);
    assert_eq!(nothing.status, 0, "{}", nothing.err);
    assert!(nothing.out.starts_with("0 paths between"), "{}", nothing.out);

    // One that is listed itself; and the page says what it rests on.
    let itself = place.says(&["trace", LISTED]);
    assert!(itself.out.contains("\nLISTED ITSELF: Evil Party (SANCTIONS, "), "{}", itself.out);
    let page = place.says(&["trace", LISTED, "--output", "html"]).out;
    for words in
        ["LISTED ITSELF: Evil Party", "most hops as configured</th><td>", "eip155:1</td><td>3"]
    {
        assert!(page.contains(words), "{words:?} is not in\n{page}");
    }
}

#[test]
fn counterparties_page_by_page() {
    let place = Place::new();
    let rows: Vec<(u64, &str, &str)> = (0..1_500).map(|height| (height, LISTED, NEAR)).collect();
    let file = place.file("many.csv", &transfers(&rows));
    place.json(&["transfers", "import", &file]);
    let all = place.json(&["transfers", "counterparties", NEAR]);
    let heights = |answer: &Value| -> Vec<String> {
        let rows = answer["counterparties"].as_array().cloned().unwrap_or_default();
        let height =
            |row: &Value| row["transfer"]["position"]["height"].as_str().map(str::to_owned);
        rows.iter().map(|row| height(row).unwrap_or_else(|| "0".to_owned())).collect()
    };
    let want: Vec<_> = (0..1_500).map(|height: u64| height.to_string()).collect();
    assert_eq!(heights(&all), want);
    assert_eq!(all["counterparties"][0]["addresses"], serde_json::json!([LISTED]));
    assert_eq!(all["counterparties"][0]["counts"], true);
    let first = place.json(&["transfers", "counterparties", NEAR, "--limit", "7"]);
    assert_eq!(heights(&first), want[..7]);
    let sent = place.json(&["transfers", "counterparties", NEAR, "--direction", "sent"]);
    assert_eq!(heights(&sent), Vec::<String>::new());
    let shown = place.says(&["transfers", "counterparties", NEAR, "--limit", "2"]);
    assert!(
        shown.out.contains("from") && shown.out.ends_with("and more: --limit\n"),
        "{}",
        shown.out
    );
}

#[test]
fn screenings_show_exposure_and_its_evidence() {
    let place = Place::new();
    let file = place.file("three.csv", &three());
    place.json(&["transfers", "import", &file]);
    let server = place.serve();
    // The server has read the transfers in once it has answered this.
    assert_eq!(place.says(&["trace", FAR]).status, 0);
    let shown = place.says(&["screen", FAR, "--evidence"]);
    assert_eq!(shown.status, 10, "{}{}", shown.out, shown.err);
    let drawn = ["Evil Party", NEAR, "│   1 ETH", "▼   tx 0x", "→ 1 ETH →"];
    for words in drawn.into_iter().chain(["nearest path  ", "→ this address\n"]) {
        assert!(shown.out.contains(words), "{words:?} is not in\n{}", shown.out);
    }
    let shown = place.says(&["screen", FAR, "--evidence", "-v"]);
    for words in ["RECEIVED_FROM", "2 hops from", "Evil Party", NEAR, "│   1 ETH", "▼   tx 0x"]
    {
        assert!(shown.out.contains(words), "{words:?} is not in\n{}", shown.out);
    }
    let near = place.says(&["screen", NEAR, "-v"]);
    assert!(near.out.contains("1 hop from") && near.out.contains("100.00 %"), "{}", near.out);
    let narrow = place.says(&["screen", FAR, "--max-hops", "1", "-v"]);
    assert_eq!(narrow.status, 10, "{}", narrow.out);
    assert!(narrow.out.contains("fewer hops than are required"), "{}", narrow.out);
    server.signal("TERM");
    assert_eq!(server.end().status, 0);
}

#[test]
fn a_payment_is_screened_whole_and_its_reference_is_not_logged() {
    const CUSTOMER: &str = "0x0f00000000000000000000000000000000000077";
    let place = Place::new();
    let file = place.file("three.csv", &three());
    place.json(&["transfers", "import", &file]);
    let payment = |way: &str, from: &str, to: &str, amount: &str| {
        let sides = ["payment", way, "-v", "--from", from, "--to", to, "--chain", "ethereum"];
        let rest = ["--amount", amount, "--customer-reference", "secret-17"];
        place.says(&[&sides[..], &rest].concat())
    };
    let check = |shown: &Said, status: i32, all: &[&str]| {
        assert_eq!(shown.status, status, "{}{}", shown.out, shown.err);
        // Sentences are broken at the width of the terminal.
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let out = one_line(&shown.out);
        for words in all {
            assert!(out.contains(&one_line(words)), "{words:?} is not in\n{}", shown.out);
        }
    };
    let listed = payment("withdrawal", CUSTOMER, LISTED, "1.5 ETH");
    let whole = "BLOCK  score 100 (severe)  withdrawal of 1.5 ETH on ethereum";
    check(&listed, 11, &[whole, "decided by    destination 1", "1 hop to", "100.00 % of all"]);
    let because =
        format!("Blocked, because of the destination {LISTED}: this address is Evil Party's");
    check(&listed, 11, &[&because]);
    let brief =
        ["payment", "withdrawal", "--from", CUSTOMER, "--to", LISTED, "--chain", "ethereum"];
    let brief = place.says(&[&brief[..], &["--amount", "1.5 ETH"]].concat());
    check(&brief, 11, &[whole, &because, "destination 1", "would be 1 hop to", "Details: -v."]);
    let near = payment("deposit", FAR, CUSTOMER, "2 ETH");
    check(
        &near,
        10,
        &["REVIEW", "decided by    source 1", "3 hops from", "customer      secret-17"],
    );
    let dust = payment("deposit", SERVICE, CUSTOMER, "1 wei");
    check(&dust, 10, &["dust floor", "nothing of the customer's exposure"]);
    let none = payment("deposit", "", CUSTOMER, "2 ETH");
    check(&none, 1, &["ERROR", "INCOMPLETE"]);
    let bad = payment("deposit", FAR, CUSTOMER, "2 USDT");
    assert_eq!(bad.status, 1);
    assert!(bad.err.contains("the asset is ETH; add --asset USDT"), "{}", bad.err);
    let bare = payment("deposit", FAR, CUSTOMER, "2");
    assert_eq!(bare.status, 1);
    assert!(bare.err.contains("2 could be 2 ETH or 2 wei"), "{}", bare.err);

    let mut server =
        Running::start(place.command(&["--log", "debug", "serve", "--listen", "127.0.0.1:0"]));
    server.wait_for("listening url=");
    check(&payment("withdrawal", CUSTOMER, LISTED, "1.5 ETH"), 11, &[whole]);
    server.signal("TERM");
    let ended = server.end();
    assert_eq!(ended.status, 0);
    assert!(!ended.err.contains("secret-17"), "{}", ended.err);
}
