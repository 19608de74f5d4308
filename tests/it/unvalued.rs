//! Direct dealings with a listed address in a token that no table knows: shown with a count, by every
//! command, and neither scored nor decided on; an ordinary finding once the token has a value.

use serde_json::{Value, json};

use crate::support::place::{FAR, LISTED, NEAR, Place, SERVICE, transfers};
use crate::support::program::TODAY;

const TOKEN: &str = "0x7e57000000000000000000000000000000000001";

/// Three transfers of the token from the listed address to [`NEAR`], one back, and one on to [`FAR`].
fn place() -> Place {
    let place = Place::new();
    // A minute a block: the last two are of 2026-01-08.
    let first = [(100, LISTED, NEAR), (101, LISTED, NEAR), (102, NEAR, FAR)];
    let last = [(14_500, LISTED, NEAR), (14_501, NEAR, LISTED)];
    let rows = [&first[..], &last[..]].concat();
    let file =
        place.file("tokens.csv", &transfers(&rows).replace(",native,", &format!(",{TOKEN},")));
    place.json(&["transfers", "import", &file]);
    place
}

/// The answer to one address.
#[track_caller]
fn screened(place: &Place, status: i32, arguments: &[&str]) -> Value {
    let shown = place.json_with(status, &[&["screen"], arguments].concat());
    shown["items"][0]["screening"].clone()
}

/// What is noted: direction, kind, count and the listed address.
fn noted(answer: &Value) -> Vec<[String; 4]> {
    let all = answer["unvalued_dealings"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let one = |of: &Value| {
        let listed = &of["listing"]["address"];
        [&of["direction"], &of["list_kind"], &of["transfers"], listed].map(text)
    };
    all.iter().map(one).collect()
}

fn received(count: &str) -> [String; 4] {
    ["EXPOSURE_DIRECTION_RECEIVED_FROM", "LIST_KIND_SANCTIONS", count, LISTED].map(str::to_owned)
}

fn sent(count: &str) -> [String; 4] {
    ["EXPOSURE_DIRECTION_SENT_TO", "LIST_KIND_SANCTIONS", count, LISTED].map(str::to_owned)
}

const RECEIVED: &str = "3 transfers of assets without a known value came directly from listed \
                        addresses, among them an address of Evil Party (sanctions); not scored, since \
                        anybody can forge such events.";
const SENT: &str = "1 transfer of an asset without a known value went directly to an address of Evil \
                    Party (sanctions); not scored, since anybody can forge such events.";

/// A text without its line breaks and indents.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_screening_allows_and_says_how_many() {
    let place = place();
    let answer = screened(&place, 0, &[NEAR]);
    assert_eq!(answer["decision"], "DECISION_ALLOW");
    assert_eq!([&answer["score"], &answer["findings"]], [&Value::Null; 2], "{answer}");
    assert_eq!(noted(&answer), [received("3"), sent("1")]);
    // Not directly, and who is listed itself: nothing.
    assert_eq!(noted(&screened(&place, 0, &[FAR])), Vec::<[String; 4]>::new());
    assert_eq!(noted(&screened(&place, 11, &[LISTED])), Vec::<[String; 4]>::new());
    for form in [&["screen", NEAR][..], &["screen", NEAR, "-v"]] {
        let shown = place.says(form);
        assert_eq!(shown.status, 0, "{}", shown.err);
        for sentence in [RECEIVED, SENT] {
            assert!(flat(&shown.out).contains(sentence), "{}", shown.out);
        }
    }
    let several = place.says(&["screen", NEAR, FAR]);
    assert!(several.out.contains("; 4 unvalued"), "{}", several.out);
    assert!(flat(&several.out).contains(RECEIVED), "{}", several.out);
}

#[test]
fn a_past_moment_and_other_lists_count_what_they_hold() {
    let place = place();
    let file = place.file("more.csv", &format!("address,ticker,listed_on\n{FAR},ETH,2026-06-01\n"));
    let import = ["lists", "import", &file, "--list", "more", "--kind", "SANCTIONS"];
    assert_eq!(place.says(&[&import[..], &["--published", TODAY]].concat()).status, 0);
    let with_more = screened(&place, 0, &[NEAR]);
    // The first by list and listing of those dealt with.
    let first = ["EXPOSURE_DIRECTION_SENT_TO", "LIST_KIND_SANCTIONS", "2", FAR].map(str::to_owned);
    assert_eq!(noted(&with_more), [received("3"), first]);
    let narrowed = screened(&place, 0, &[NEAR, "--list", "sanctions"]);
    assert_eq!(noted(&narrowed), [received("3"), sent("1")]);
    // The list was not loaded then, which is another matter.
    for lists in [&[][..], &["--list", "sanctions"]] {
        let then = screened(&place, 10, &[&[NEAR, "--as-of", "2026-01-05"][..], lists].concat());
        assert_eq!(noted(&then), [received("2")], "{then}");
    }
    let before = screened(&place, 10, &[NEAR, "--as-of", "2025-12-30"]);
    assert_eq!(noted(&before), Vec::<[String; 4]>::new(), "nobody was listed");
}

#[test]
fn a_batch_has_a_column_and_its_report_names_it() {
    let place = place();
    let input = place.file("in.csv", &format!("address\n{NEAR}\n{FAR}\n{LISTED}\n"));
    for (name, is_json) in [("out.csv", false), ("out.jsonl", true), ("out.parquet", false)] {
        let out = place.file(name, "");
        let said = place.says(&["screen", "--input", &input, "--out", &out, "--overwrite"]);
        assert_eq!(said.status, 11, "{}{}", said.out, said.err);
        let summary = std::fs::read_to_string(format!("{out}.summary.json")).unwrap();
        let summary: Value = serde_json::from_str(&summary).unwrap();
        assert_eq!(summary["unvalued_direct"], json!({"ALLOW": 1}), "{name}");
        if is_json {
            let rows = std::fs::read_to_string(&out).unwrap();
            let rows: Vec<Value> =
                rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let counts: Vec<_> = rows.iter().map(|row| row["unvalued_direct"].as_u64()).collect();
            assert_eq!(counts, [Some(4), None, None]);
        }
        let report = place.says(&["report", &out]);
        assert_eq!(report.status, 0, "{}", report.err);
        assert!(
            report.out.contains("1 row (ALLOW 1) with transfers of assets without a known value")
        );
    }
    let csv = std::fs::read_to_string(place.file("again", "").replace("again", "out.csv")).unwrap();
    let at = csv.lines().next().unwrap().split(',').position(|name| name == "unvalued_direct");
    let cells: Vec<_> = csv.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(cells[at.unwrap()], "4");
}

#[test]
fn a_payment_says_what_it_would_add() {
    let place = place();
    let payment = |from: &str, asset: &str| {
        let sides = ["payment", "deposit", "--from", from, "--to", NEAR, "--chain", "ethereum"];
        let rest = ["--asset", asset, "--amount", "5 units"];
        sides.iter().chain(&rest).map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let arguments = payment(LISTED, TOKEN);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = place.json_with(11, &arguments);
    assert_eq!(answer["effect"], "PAYMENT_EFFECT_UNVALUED_ASSET", "{answer}");
    assert_eq!(answer["prospective_exposures"], Value::Null);
    let added = &answer["prospective_unvalued_dealings"];
    assert_eq!(added.as_array().unwrap().len(), 1, "{added}");
    assert_eq!(
        [&added[0]["current_transfers"], &added[0]["prospective_transfers"]],
        [&json!(3), &json!(4)]
    );
    assert_eq!(added[0]["listing"]["address"], LISTED);
    let shown = place.says(&arguments);
    let sentence = "4 transfers of assets without a known value would have come directly from listed \
                    addresses, among them an address of Evil Party (sanctions); not scored, since \
                    anybody can forge such events; now 3";
    assert!(flat(&shown.out).contains(sentence), "{}", shown.out);
    // From somebody who is not listed nothing is added.
    let arguments = payment(SERVICE, TOKEN);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = place.json_with(0, &arguments);
    assert_eq!(answer["prospective_unvalued_dealings"], Value::Null, "{answer}");
}

#[test]
fn a_token_that_gets_a_value_makes_an_ordinary_finding() {
    let place = place();
    assert_eq!(noted(&screened(&place, 0, &[NEAR])), [received("3"), sent("1")]);
    let asset = |key: &str, value: &str| format!("assets.ethereum.{TOKEN}.{key}={value}");
    let set = [asset("symbol", "TST"), asset("decimals", "18"), asset("floor", "0.5")];
    let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set.as_str()]).collect();
    let answer = screened(&place, 10, &[&[NEAR][..], &set].concat());
    assert_eq!(noted(&answer), Vec::<[String; 4]>::new());
    let kinds: Vec<_> =
        answer["findings"].as_array().unwrap().iter().map(|of| &of["kind"]).collect();
    assert_eq!(kinds, ["FINDING_KIND_RECEIVED_FROM", "FINDING_KIND_SENT_TO"]);
    // And back.
    assert_eq!(noted(&screened(&place, 0, &[NEAR])), [received("3"), sent("1")]);
}
