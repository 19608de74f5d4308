//! How deep exposure is looked for, and what is decided on what lies deep: a peel chain of wallets, of
//! which each passes on to the next what it took, and its mirror, through the real program.

use std::path::Path;

use serde_json::Value;

use crate::support::place::{LISTED, Place, transfers};

/// The wallet so many transfers behind the listed address.
fn behind(hops: u8) -> String {
    format!("0x0c000000000000000000000000000000000000{hops:02}")
}

/// The wallet so many transfers before it.
fn before(hops: u8) -> String {
    format!("0x0d000000000000000000000000000000000000{hops:02}")
}

/// Chains of sixteen wallets from the listed address and to it.
fn chains() -> String {
    let mut rows = Vec::new();
    for hops in 1..=16_u8 {
        let from = if hops == 1 { LISTED.to_owned() } else { behind(hops - 1) };
        rows.push((100 + u64::from(hops), from, behind(hops)));
        let to = if hops == 1 { LISTED.to_owned() } else { before(hops - 1) };
        rows.push((200 - u64::from(hops), before(hops), to));
    }
    let rows: Vec<_> =
        rows.iter().map(|(at, from, to)| (*at, from.as_str(), to.as_str())).collect();
    transfers(&rows)
}

fn loaded() -> Place {
    let place = Place::new();
    let file = place.file("chains.csv", &chains());
    assert_eq!(place.says(&["transfers", "import", &file]).status, 0);
    place
}

/// A policy of the project's `data`, as a setting.
fn policy(name: &str) -> String {
    format!("policy={}", Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name).display())
}

/// What one screening says in few words: `ALLOW 20 LOW COMPLETE far-exposure RECEIVED_FROM 6, of 8`.
fn said(item: &Value) -> String {
    let answer = &item["screening"];
    let short = |value: &Value, prefix: &str| {
        value.as_str().unwrap_or_default().trim_start_matches(prefix).to_owned()
    };
    let found = answer["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = found.iter().map(|found| {
        let kind = short(&found["kind"], "FINDING_KIND_");
        format!(" {kind} {}", found["exposure"]["hops"])
    });
    format!(
        "{} {} {} {} {}{}, of {}",
        short(&answer["decision"], "DECISION_"),
        answer["score"].as_u64().unwrap_or(0),
        short(&answer["level"], "RISK_LEVEL_"),
        short(&answer["status"], "SCREENING_STATUS_"),
        short(&answer["rule"]["id"], ""),
        found.collect::<String>(),
        answer["exposure_hops"].as_u64().unwrap_or(0),
    )
}

/// The answers to wallets, with the worst of which the program ends.
#[track_caller]
fn screened(place: &Place, status: i32, options: &[&str], wallets: &[String]) -> Vec<String> {
    let wallets = wallets.iter().map(String::as_str);
    let arguments: Vec<_> = options.iter().copied().chain(["screen"]).chain(wallets).collect();
    let answer = place.json_with(status, &arguments);
    answer["items"].as_array().unwrap().iter().map(said).collect()
}

/// What the built-in policy makes of so many hops, where exposure is looked for over `depth`.
fn expected(kind: &str, hops: u8, depth: u8) -> String {
    let scores = [60, 50, 40, 30, 25, 20, 15, 10, 8, 6, 5, 4, 3, 2, 1];
    let score = scores.get(usize::from(hops) - 1).copied().unwrap_or(0);
    match hops {
        _ if hops > depth => format!("ALLOW 0 NONE COMPLETE no-finding, of {depth}"),
        // All of what it received or sent (130 %), worth some thousands of dollars (105 %).
        1 => format!("REVIEW 82 HIGH COMPLETE exposure {kind} 1, of {depth}"),
        2 => format!("REVIEW {score} HIGH COMPLETE exposure {kind} {hops}, of {depth}"),
        3..=5 => format!("REVIEW {score} MEDIUM COMPLETE exposure {kind} {hops}, of {depth}"),
        _ => format!("ALLOW {score} LOW COMPLETE far-exposure {kind} {hops}, of {depth}"),
    }
}

#[track_caller]
fn check_depth(place: &Place, options: &[&str], depth: u8) {
    for (kind, wallet) in [("RECEIVED_FROM", behind as fn(u8) -> String), ("SENT_TO", before)] {
        let wallets: Vec<_> = (1..=16).map(wallet).collect();
        let found = screened(place, 10, options, &wallets);
        let want: Vec<_> = (1..=16).map(|hops| expected(kind, hops, depth)).collect();
        assert_eq!(found, want, "{options:?}");
    }
}

#[test]
fn a_peel_chain_is_reviewed_up_to_five_hops_and_shown_up_to_eight() {
    let place = loaded();
    check_depth(&place, &[], 8);
    let server = place.serve();
    check_depth(&place, &[], 8);
    // As people see it.
    let shown = place.says(&["screen", &behind(6)]);
    assert_eq!(shown.status, 0, "{}", shown.err);
    let out = shown.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts = ["ALLOW score 20 (low)", "over 6 transfers", "exposure over at most 8 hops"];
    for part in parts {
        assert!(out.contains(part), "{part:?} is not in\n{}", shown.out);
    }
    let trace = place.json(&["trace", &behind(9)]);
    assert_eq!((&trace["paths"], &trace["max_hops"]), (&Value::Null, &8.into()), "{trace}");
    let trace = place.json(&["trace", &behind(15), "--max-hops", "15"]);
    assert_eq!(trace["paths"][0]["hops"].as_array().unwrap().len(), 15);
    // A payment says the least of its addresses.
    let sides = ["payment", "deposit", "--from", &behind(6), "--to", &before(16)];
    let rest = ["--chain", "ethereum", "--amount", "1 ETH"];
    let payment = place.json(&[&sides[..], &rest].concat());
    assert_eq!(
        (&payment["decision"], &payment["exposure_hops"]),
        (&"DECISION_ALLOW".into(), &8.into())
    );
    assert_eq!(payment["prospective_exposures"][0]["prospective_hops"], 7, "{payment}");
    server.signal("TERM");
    assert_eq!(server.end().status, 0);
}

#[test]
fn labels_go_as_deep_as_configured_up_to_fifteen_hops() {
    let place = loaded();
    for depth in [15, 5] {
        check_depth(&place, &["--set", &format!("exposure.max_hops={depth}")], depth);
    }
    let said = place.says(&["--set", "exposure.max_hops=16", "screen", LISTED]);
    assert_eq!(said.status, 1, "{}", said.out);
    assert!(said.err.contains("must be an integer from 1 to 15, not 16"), "{}", said.err);
}

#[test]
fn who_asks_for_five_hops_is_answered_whole_and_for_four_is_not() {
    let place = loaded();
    let ask = |hops: &str, wallet: u8, status: i32| {
        let wallet = behind(wallet);
        let answer = place.json_with(status, &["screen", &wallet, "--max-hops", hops]);
        (said(&answer["items"][0]), answer["items"][0]["screening"]["incomplete_reasons"].clone())
    };
    let (five, why) = ask("5", 6, 0);
    assert_eq!((five.as_str(), &why), ("ALLOW 0 NONE COMPLETE no-finding, of 5", &Value::Null));
    assert_eq!(ask("5", 5, 10).0, expected("RECEIVED_FROM", 5, 5));
    let (four, why) = ask("4", 6, 10);
    assert_eq!(four, "REVIEW 0 NONE INCOMPLETE incomplete, of 4");
    assert_eq!(why[0]["code"], "INCOMPLETE_REASON_CODE_DEPTH_NARROWED");
    assert_eq!(why.as_array().unwrap().len(), 1);
    // More than is configured is looked for no further.
    assert_eq!(ask("15", 9, 0).0, "ALLOW 0 NONE COMPLETE no-finding, of 8");
    // Fewer hops configured than the built-in policy requires: as deep as they go.
    let shallow = ["--set", "exposure.max_hops=3"];
    let found = screened(&place, 0, &shallow, &[behind(4)]);
    assert_eq!(found, ["ALLOW 0 NONE COMPLETE no-finding, of 3"]);
}

#[test]
fn the_policy_before_and_policies_of_eight_scores_review_what_lies_deeper() {
    let place = loaded();
    let before = policy("policy-1.toml");
    let wallets: Vec<_> = (6..=9).map(behind).collect();
    let found = screened(&place, 10, &["--set", &before], &wallets);
    let review = |hops: u8, score: u8, depth: u8| {
        format!("REVIEW {score} LOW COMPLETE exposure RECEIVED_FROM {hops}, of {depth}")
    };
    let clean = "ALLOW 0 NONE COMPLETE no-finding, of 8".to_owned();
    assert_eq!(found, [review(6, 20, 8), review(7, 15, 8), review(8, 10, 8), clean]);
    // Made for eight hops, and asked over fifteen: what lies beyond is not clean.
    let deep = ["--set", &before, "--set", "exposure.max_hops=15"];
    let wallets: Vec<_> = (9..=15).map(behind).collect();
    let want: Vec<_> = (9..=15).map(|hops| review(hops, 10, 15)).collect();
    assert_eq!(screened(&place, 10, &deep, &wallets), want);
    // A policy that requires more than is configured is refused, with what to compare.
    let text = include_str!("../../data/policy.toml").replace("built-in-3", "deep");
    let deep = place.file("deep.toml", &text.replace("max_hops = 5", "max_hops = 9"));
    let said = place.says(&["--set", &format!("policy={deep}"), "screen", LISTED]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("requires 9 hops, and exposure.max_hops is 8"), "{}", said.err);
}

#[test]
fn what_lies_far_hides_nothing_nearer() {
    let place = Place::new();
    // Six hops behind the listed address, and two before it.
    let both = "0x0f00000000000000000000000000000000000077";
    let five: Vec<_> = (1..=5).map(behind).collect();
    let mut rows = vec![(101, LISTED, five[0].as_str())];
    for (at, pair) in (102..).zip(five.windows(2)) {
        rows.push((at, &pair[0], &pair[1]));
    }
    let next = before(1);
    rows.push((110, &five[4], both));
    rows.extend([(111, both, next.as_str()), (112, &next, LISTED)]);
    let file = place.file("both.csv", &transfers(&rows));
    assert_eq!(place.says(&["transfers", "import", &file]).status, 0);
    let found = screened(&place, 10, &[], &[both.to_owned()]);
    assert_eq!(found, ["REVIEW 50 HIGH COMPLETE exposure SENT_TO 2 RECEIVED_FROM 6, of 8"]);
}

#[test]
fn a_batch_says_how_deep_it_looked() {
    let place = loaded();
    let rows: String = (5..=9).map(|hops| format!("{}\n", behind(hops))).collect();
    let input = place.file("wallets.csv", &format!("address\n{rows}nonsense\n"));
    for (name, options) in [("a.csv", &[][..]), ("b.csv", &["--max-hops", "5"])] {
        let out = place.data().with_file_name(name);
        let out = out.to_str().unwrap();
        let all = [&["screen", "--input", &input, "--out", out][..], options].concat();
        let said = place.says(&all);
        assert_eq!(said.status, 10, "{}", said.err);
        let mut reader = csv::Reader::from_path(out).unwrap();
        let headings = reader.headers().unwrap().clone();
        let column = |name: &str| headings.iter().position(|heading| heading == name).unwrap();
        let cells = ["decision", "finding", "hops", "exposure_hops"].map(column);
        let rows = reader.records().map(Result::unwrap);
        let found: Vec<_> =
            rows.map(|row| cells.map(|cell| row[cell].to_owned()).join(" ")).collect();
        let want = match options.is_empty() {
            true => [
                "REVIEW RECEIVED_FROM 5 8",
                "ALLOW RECEIVED_FROM 6 8",
                "ALLOW RECEIVED_FROM 7 8",
                "ALLOW RECEIVED_FROM 8 8",
                "ALLOW   8",
                // Not understood, so not looked for.
                "REVIEW   ",
            ],
            false => [
                "REVIEW RECEIVED_FROM 5 5",
                "ALLOW   5",
                "ALLOW   5",
                "ALLOW   5",
                "ALLOW   5",
                "REVIEW   ",
            ],
        };
        assert_eq!(found, want, "{options:?}");
    }
}
