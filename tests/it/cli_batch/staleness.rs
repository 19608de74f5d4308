//! A batch on stale lists: what is REVIEW by a finding is not buried under what is REVIEW by age.

use super::*;

/// A month later, when the list of sanctions is stale.
const LATER: &str = "2026-12-22T12:00:00Z";

#[test]
fn staleness_is_counted_apart_and_reported_last() {
    let place = place();
    let input = place.file("in.csv", &csv_of(&rows(50)));
    let out = place.data().with_file_name("out.jsonl");
    let shown = out.to_str().unwrap();
    let given = ["screen", "--input", &input, "--out", shown, "--reference-column", "ref"];
    let said = Said::from(place.command(&given).env("LAZARETTO_TEST_NOW", LATER).output().unwrap());
    assert_eq!(said.status, 11, "{}", said.err);
    let text = fs::read_to_string(&out).unwrap();
    let rows: Vec<Value> = text.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let of_address = ["CHECKSUM_WRONG", "CHAIN_MISMATCH", "ADDRESS_NOT_UNDERSTOOD"];
    let reviews: Vec<_> = rows.iter().filter(|row| row["decision"] == "REVIEW").collect();
    let by_floor: Vec<_> = reviews.iter().filter(|row| row["rule"] == "incomplete").collect();
    let of_address = |row: &Value| {
        let reason = row["reason"].as_str().unwrap_or_default();
        of_address.iter().any(|code| reason.contains(code))
    };
    let address = by_floor.iter().filter(|row| of_address(row)).count();
    let (findings, data) = (reviews.len() - by_floor.len(), by_floor.len() - address);
    assert!(findings > 0 && address > 0 && data >= 50, "{findings} {address} {data}");
    let words = format!(
        "REVIEW: {findings} by findings, {address} by doubts about the address, {data} only \
         because the data are incomplete (a list is older than its limit, or its age is not known: \
         {data})"
    );
    assert!(said.err.contains(&words), "{words}\n{}", said.err);
    let summary = summary(&out);
    assert_eq!(summary["decided_by"]["data"], serde_json::json!({"REVIEW": data}));
    assert_eq!(summary["decided_by"]["address"], serde_json::json!({"REVIEW": address}));
    assert_eq!(summary["decided_by"]["findings"]["REVIEW"], findings);
    assert_eq!(summary["data_reasons"], serde_json::json!({"LIST_STALE": data}));

    let report = place.says(&["report", shown]);
    assert_eq!(report.status, 0, "{}", report.err);
    let at = |text: &str| report.out.find(text).unwrap_or_else(|| panic!("{text} is not shown"));
    let cases = at(&format!("<h2 id=\"h-review\">REVIEW: {} rows <a", findings + address));
    let stale = at(&format!("REVIEW only because of the data: {data} rows <a"));
    assert!(cases < stale);
    let clean = rows.iter().find(|row| row["reference"] == "c49").unwrap();
    assert!(at(&format!("id=\"row-{}\"", clean["row"])) > stale);
}
