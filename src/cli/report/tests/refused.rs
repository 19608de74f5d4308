//! What no page is made of: a summary that contradicts its rows, and rows that no screening gives.

use serde_json::{Value, json};

use super::{line, page_of, small, small_rows};
use crate::cli::batch::cells::RowDecision;
use crate::cli::batch::columns::ResultRow;

#[test]
fn a_summary_that_contradicts_the_rows() {
    let rows = small("customers.jsonl");
    let check = |pointer: &str, value: Value, want: &str| {
        let mut summary: Value =
            serde_json::from_str(&small("customers.jsonl.summary.json")).unwrap();
        *summary.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        let said = page_of(&rows, Some(&summary.to_string()), 9).unwrap_err();
        assert!(said.contains("contradict each other") && said.contains(want), "{pointer}: {said}");
    };
    check("/rows", json!(49), "rows: 49 in the summary, 48 by the rows");
    check("/errors", json!(0), "errors: 0 in the summary, 3 by the rows");
    check("/decisions/BLOCK", json!(3), "decisions, BLOCK: 3 in the summary, 4 by the rows");
    check("/levels/NONE", json!(1), "levels, NONE: 1 in the summary");
    check("/statuses/INCOMPLETE", json!(0), "statuses, INCOMPLETE: 0 in the summary");
    check("/hops", json!({"9": 1}), "hops, 9: 1 in the summary, 0 by the rows");
    check("/findings/LISTED", json!(9), "findings, LISTED: 9 in the summary");
    check("/rules/sanctions", json!(1), "rules, sanctions: 1 in the summary, 2 by the rows");
    check("/incomplete/LIST_STALE", json!(2), "incomplete, LIST_STALE: 2 in the summary");
    check("/lists/us-ofac-sdn", json!(2), "lists, us-ofac-sdn: 2 in the summary");
    check("/parties/0/ALLOW", json!(77), " ALLOW: 77 in the summary");
    check("/snapshots", json!([]), "snapshots lack 8f3a61c09b2e, which rows rest on");
    check("/snapshots/0/policy_version", json!("p"), "has policy p, in rows default@");
}

#[test]
fn a_summary_of_another_form() {
    let rows = small("customers.jsonl");
    let check = |text: &str, want: &str| {
        let said = page_of(&rows, Some(text), 9).unwrap_err();
        assert!(said.contains("reading the summary ") && said.contains(want), "{said}");
    };
    let summary = small("customers.jsonl.summary.json");
    let newer = summary.replace("\"lazaretto_batch\": 1", "\"lazaretto_batch\": 2");
    check(&newer, "form 2, and this program reads form 1");
    check("{}", "missing field");
    check("", "EOF");
}

/// Refuses the small result with one row changed.
fn check(number: u64, change: impl Fn(&mut ResultRow), want: &str) {
    let mut rows = small_rows();
    change(&mut rows[number as usize - 1]);
    let lines: String = rows.iter().map(line).collect();
    let said = page_of(&lines, None, 9).unwrap_err();
    assert!(said.contains(want), "{said}");
}

#[test]
fn rows_that_no_screening_gives() {
    check(5, |row| row.row = 7, "row 7 stands where row 5 should");
    check(5, |row| row.row = 4, "row 4 stands where row 5 should");
    check(1, |row| row.row = 0, "row 0 stands where row 1 should");
    check(1, |row| row.status = "INCOMPLETE".to_owned(), "row 1: ALLOW though INCOMPLETE");
    check(1, |row| row.status.clear(), "row 1: column status: \"\" is nothing");
    check(2, |row| row.level = "FINE".to_owned(), "row 2: column level: \"FINE\" is nothing");
    check(2, |row| row.score = None, "row 2: column score: \"\" is nothing");
    check(2, |row| row.score = Some(101), "row 2: column score: \"101\" is nothing");
    check(4, |row| row.finding = "SEEN".to_owned(), "row 4: column finding: \"SEEN\" is nothing");
    check(4, |row| row.hops = Some(16), "row 4: column hops: \"16\" is nothing");
    for hops in [0, 16] {
        let want = format!("row 4: column exposure_hops: \"{hops}\" is nothing");
        check(4, |row| row.exposure_hops = Some(hops), &want);
    }
    check(4, |row| row.snapshot.clear(), "row 4: column snapshot: \"\" is nothing");
    check(4, |row| row.evaluated_at = "soon".to_owned(), "row 4: column evaluated_at: \"soon\"");
    check(3, |row| row.decision = RowDecision::Allow, "row 3: column level: \"\" is nothing");
}

#[test]
fn paths_that_cannot_be_drawn() {
    check(5, |row| row.path = "{".to_owned(), "row 5: column path: ");
    check(5, |row| row.path = "{}".to_owned(), "row 5: column path: 0 hops, of 1 to 15");
    check(5, |row| row.path = "{\"hopps\":[]}".to_owned(), "row 5: column path: unknown field");
    let many = |row: &mut ResultRow| {
        let mut path: Value = serde_json::from_str(&row.path).unwrap();
        path["hops"] = json!(vec![path["hops"][0].clone(); 16]);
        row.path = path.to_string();
    };
    check(5, many, "row 5: column path: 16 hops, of 1 to 15");
    let long = |row: &mut ResultRow| {
        let mut path: Value = serde_json::from_str(&row.path).unwrap();
        path["hops"][0]["sender"]["address"] = json!("x".repeat(2_000));
        row.path = path.to_string();
    };
    check(5, |row| row.address = "x".repeat(1_025), "row 5: column address: an address of 1025");
    check(5, long, "row 5: column path: an address of 2000 bytes, of at most 1024");
}
