//! What is joined with a listed address by common input, an estimate: from a small import through every
//! answer, whoever holds the store.

use serde_json::{Value, json};

use super::cluster::{BITCOIN, COIN, bitcoin, row};
use crate::support::place::Place;
use crate::support::program::TODAY;

/// A listed one, one beside it, and one that stood beside that.
const LISTED: u8 = 5;
const BESIDE: u8 = 11;
const CHAINED: u8 = 12;
/// Whom the last paid, whom that one paid, and who paid the one beside.
const PAYEE: u8 = 13;
const FAR: u8 = 14;
const PAYER: u8 = 15;
/// Who got something of the listed one itself, and one of nobody's interest.
const SHOP: u8 = 30;
const CLEAN: u8 = 31;
/// The noons of 2026-01-02, 01-04, 01-06 and 01-07, in minutes after the first block.
const TOGETHER: u64 = 5_920;
const AGAIN: u64 = 8_800;
const PAID: u64 = 11_680;
const RECEIVED: u64 = 13_120;

/// A place with those, of which the listed one is so since 2026-01-01.
fn place() -> Place {
    let place = Place::new();
    list(&place, "thieves", LISTED);
    let rows = [
        row(BITCOIN, TOGETHER, &[(LISTED, COIN), (BESIDE, COIN)], &[(SHOP, 2 * COIN)]),
        row(BITCOIN, AGAIN, &[(BESIDE, COIN), (CHAINED, COIN)], &[(32, 2 * COIN)]),
        row(BITCOIN, PAID, &[(CHAINED, COIN)], &[(PAYEE, COIN)]),
        row(BITCOIN, PAID + 20, &[(PAYEE, COIN)], &[(FAR, COIN)]),
        row(BITCOIN, RECEIVED, &[(PAYER, COIN)], &[(BESIDE, COIN)]),
    ];
    let file = place.file("bitcoin.jsonl", &rows.concat());
    place.json(&["transfers", "import", &file]);
    place
}

/// Imports a sanctions list of one address.
fn list(place: &Place, id: &str, key: u8) {
    let head = "address,ticker,party_uid,party_name,listed_on";
    let list = format!("{head}\n{},XBT,u9,Evil Thief,2026-01-01\n", bitcoin(key));
    let file = place.file(&format!("{id}.csv"), &list);
    let import = ["lists", "import", &file, "--list", id, "--kind", "SANCTIONS"];
    let imported = place.says(&[&import[..], &["--published", TODAY]].concat());
    assert_eq!(imported.status, 0, "{}", imported.err);
}

/// The answer to one address.
#[track_caller]
fn screened(place: &Place, status: i32, key: u8, more: &[&str]) -> Value {
    let asked = bitcoin(key);
    let shown = place.json_with(status, &[&["screen", asked.as_str()], more].concat());
    shown["items"][0]["screening"].clone()
}

/// What is found, in short: kind, hops, and whether it rests on common input.
fn found(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().cloned().unwrap_or_default();
    let short = |finding: &Value| {
        let kind = finding["kind"].as_str().unwrap().trim_start_matches("FINDING_KIND_").to_owned();
        let exposure = &finding["exposure"];
        let joined = finding["same_transaction"] == true || exposure["common_input"] == true;
        let hops = exposure["hops"].as_u64().map_or(String::new(), |hops| format!(" {hops}"));
        format!("{kind}{hops}{}", if joined { " joined" } else { "" })
    };
    findings.iter().map(short).collect()
}

/// A text without its line breaks and indents.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The transactions of a chain: from, to, and the height that is their name.
fn joins(chain: &Value) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let join = |join: &Value| {
        let tx = u64::from_str_radix(join["tx"].as_str().unwrap(), 16).unwrap();
        assert_eq!(join["position"]["height"], tx.to_string(), "{join}");
        assert_eq!(join["chain"], "bip122:000000000019d6689c085ae165831e93");
        let minutes = join["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(minutes.as_second(), 1_767_000_000 + 60 * tx as i64);
        (text(&join["address"]), text(&join["other_address"]), tx)
    };
    chain["joins"].as_array().unwrap().iter().map(join).collect()
}

/// How the one farther off is joined with the listed one.
fn whole_chain() -> Vec<(String, String, u64)> {
    let [listed, beside, chained] = [LISTED, BESIDE, CHAINED].map(bitcoin);
    vec![(chained, beside.clone(), AGAIN), (beside, listed, TOGETHER)]
}

#[test]
fn who_stands_beside_a_listed_address_is_found_and_so_is_who_deals_with_it() {
    check_screenings(&place());
}

#[test]
fn a_server_answers_the_same() {
    let place = place();
    let server = place.serve();
    check_screenings(&place);
    server.signal("TERM");
    assert_eq!(server.end().status, 0);
}

fn check_screenings(place: &Place) {
    let check = |status: i32, key: u8, score: u64, want: &[&str], sentence: &str| {
        let answer = screened(place, status, key, &[]);
        assert_eq!(found(&answer), want, "{answer}");
        assert_eq!(answer["score"].as_u64().unwrap_or(0), score, "{answer}");
        assert_eq!(answer["status"], "SCREENING_STATUS_COMPLETE", "{answer}");
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.contains(sentence), "{reason}");
        let shown = place.says(&["screen", &bitcoin(key)]);
        assert!(flat(&shown.out).contains(&flat(reason)), "{}", shown.out);
    };
    let listed = format!("Evil Thief's listed address {} (thieves)", bitcoin(LISTED));
    let joined = format!("this address is joined with {listed} by common input (an estimate)");
    let beside =
        format!("For review: {joined}: it and a listed address are inputs of one transaction");
    check(10, BESIDE, 95, &["CO_SPENT joined"], &format!("{beside} (rule common-input)."));
    check(10, CHAINED, 95, &["CO_SPENT"], &format!("{joined}, over a chain of transactions"));
    let whom =
        "an address that is joined by common input (an estimate) with an address of Evil Thief";
    let received =
        format!("this address received funds from {whom} (thieves), after that was listed");
    check(10, PAYEE, 94, &["RECEIVED_FROM 1 joined"], &received);
    let reached = format!("funds of {whom} (thieves) reached this address over 2 transfers");
    check(10, FAR, 50, &["RECEIVED_FROM 2 joined"], &reached);
    check(10, PAYER, 94, &["SENT_TO 1 joined"], &format!("this address sent funds to {whom}"));
    let plain = "received funds from an address of Evil Thief (thieves), after it was listed";
    check(10, SHOP, 94, &["RECEIVED_FROM 1"], plain);
    check(0, CLEAN, 0, &[], "Allowed: not listed.");
}

#[test]
fn evidence_is_the_chain_of_transactions() {
    let place = place();
    let own = screened(&place, 10, CHAINED, &["--evidence"]);
    assert_eq!(joins(&own["findings"][0]["common_input_chain"]), whole_chain(), "{own}");
    assert_eq!(own["findings"][0]["listing"]["address"], bitcoin(LISTED));
    assert_eq!(
        screened(&place, 10, CHAINED, &[])["findings"][0]["common_input_chain"],
        Value::Null
    );
    let beyond = screened(&place, 10, FAR, &["--evidence"]);
    let path = &beyond["findings"][0]["exposure"]["evidence"]["path"];
    assert_eq!(path["common_input"], true, "{path}");
    let hops = path["hops"].as_array().unwrap();
    assert_eq!(
        (hops.len(), &hops[0]["sender"]["address"]),
        (2, &json!(bitcoin(CHAINED))),
        "{path}"
    );
    assert_eq!(joins(&path["common_input_chain"]), whole_chain(), "{path}");
    let sent = screened(&place, 10, PAYER, &["--evidence"]);
    let path = &sent["findings"][0]["exposure"]["evidence"]["path"];
    assert_eq!(path["hops"][0]["receiver"]["address"], bitcoin(BESIDE), "{path}");
    assert_eq!(joins(&path["common_input_chain"]), whole_chain()[1..], "{path}");
    for (form, mark) in
        [(&["--evidence"][..], "┊"), (&["--evidence", "-v"], "┊"), (&["-v"], "match")]
    {
        let shown = place.says(&[&["screen", &bitcoin(CHAINED)], form].concat());
        let drawn = shown.out.contains(mark) && shown.out.contains("by common input (an estimate)");
        assert!(drawn, "{}", shown.out);
    }
    // One that is listed itself, and one that has only to do with it, show no chain.
    let listed = screened(&place, 11, LISTED, &["--evidence"]);
    assert_eq!(found(&listed), ["LISTED"]);
    let shop = screened(&place, 10, SHOP, &["--evidence"]);
    let path = &shop["findings"][0]["exposure"]["evidence"]["path"];
    assert_eq!(path["common_input_chain"], Value::Null, "{path}");
}

#[test]
fn a_past_moment_joins_by_what_had_been_spent_by_then() {
    let place = place();
    // The list was not loaded then, which is another matter: every answer is INCOMPLETE.
    let then = |key: u8, day: &str| found(&screened(&place, 10, key, &["--as-of", day]));
    let nothing: [&str; 0] = [];
    assert_eq!(then(BESIDE, "2026-01-01"), nothing, "listed, and not joined yet");
    assert_eq!(then(BESIDE, "2026-01-03"), ["CO_SPENT joined"]);
    assert_eq!(then(BESIDE, "2025-12-31"), nothing, "nobody was listed");
    assert_eq!(then(CHAINED, "2026-01-03"), nothing);
    assert_eq!(then(CHAINED, "2026-01-05"), ["CO_SPENT"]);
    assert_eq!(then(PAYEE, "2026-01-05"), nothing);
    assert_eq!(then(PAYEE, "2026-01-08"), ["RECEIVED_FROM 1 joined"]);
    assert_eq!(then(PAYER, "2026-01-08"), ["SENT_TO 1 joined"]);
    let chain = screened(&place, 10, CHAINED, &["--as-of", "2026-01-05", "--evidence"]);
    assert_eq!(joins(&chain["findings"][0]["common_input_chain"]), whole_chain(), "{chain}");
    let path = screened(&place, 10, FAR, &["--as-of", "2026-01-08", "--evidence"]);
    let path = &path["findings"][0]["exposure"]["evidence"]["path"];
    assert_eq!(joins(&path["common_input_chain"]), whole_chain(), "{path}");
}

#[test]
fn a_choice_of_lists_and_a_past_snapshot_say_the_same() {
    let place = place();
    list(&place, "others", CLEAN);
    let choice = ["--list", "sanctions", "--list", "thieves"];
    for key in [BESIDE, CHAINED] {
        let all = screened(&place, 10, key, &[]);
        let some = screened(&place, 10, key, &choice);
        assert_eq!(some["findings"], all["findings"]);
        assert_eq!(some["status"], "SCREENING_STATUS_COMPLETE", "{some}");
    }
    assert_eq!(found(&screened(&place, 10, FAR, &choice)), ["RECEIVED_FROM 2 joined"]);
    let without = screened(&place, 0, BESIDE, &["--list", "sanctions", "--list", "others"]);
    assert_eq!(found(&without), Vec::<String>::new());
    // Exposure is that of now, which is that of then.
    let now = screened(&place, 10, CHAINED, &[]);
    let id = now["snapshot_id"].as_str().unwrap();
    let then = screened(&place, 10, CHAINED, &["--snapshot", id]);
    assert_eq!((&then["findings"], &then["snapshot_id"]), (&now["findings"], &now["snapshot_id"]));
}

#[test]
fn a_stricter_policy_blocks_and_a_chain_can_be_switched_off() {
    let place = place();
    let strict = concat!("policy=", env!("CARGO_MANIFEST_DIR"), "/data/example/strict-policy.toml");
    let blocked = screened(&place, 11, CHAINED, &["--set", strict]);
    assert_eq!(blocked["rule"]["id"], "joined", "{blocked}");
    let before = concat!("policy=", env!("CARGO_MANIFEST_DIR"), "/data/policy-2.toml");
    let reviewed = screened(&place, 10, CHAINED, &["--set", before]);
    assert_eq!((&reviewed["rule"]["id"], &reviewed["score"]), (&json!("no-rule"), &json!(95)));
    let off = ["--set", "chains.bitcoin.common_input=false"];
    for key in [BESIDE, CHAINED, PAYEE] {
        assert_eq!(found(&screened(&place, 0, key, &off)), Vec::<String>::new());
    }
    assert_eq!(found(&screened(&place, 10, SHOP, &off)), ["RECEIVED_FROM 1"]);
}

#[test]
fn a_cluster_beyond_the_limit_is_shown_as_cut() {
    let place = place();
    let limit = ["--set", "exposure.cluster_limit=2"];
    assert_eq!(found(&screened(&place, 10, BESIDE, &limit)), ["CO_SPENT joined"], "beside it is");
    let cut = screened(&place, 0, CHAINED, &limit);
    assert_eq!((found(&cut), &cut["score"]), (Vec::new(), &Value::Null), "{cut}");
    let note = "Its cluster by common input (an estimate) holds an address of Evil Thief (thieves), but is \
                larger than the limit, so that it is not taken for one owner's; not scored.";
    let noted = cut["cluster_cuts"].as_array().unwrap();
    assert_eq!(noted.len(), 1, "{cut}");
    assert_eq!(
        (&noted[0]["reason"], &noted[0]["listing"]["address"]),
        (&json!(note), &json!(bitcoin(LISTED)))
    );
    assert!(cut["reason"].as_str().unwrap().ends_with(note), "{cut}");
    assert_eq!(
        found(&screened(&place, 0, PAYEE, &limit)),
        Vec::<String>::new(),
        "no path begins there"
    );
    let chained = bitcoin(CHAINED);
    let screen = ["screen", chained.as_str(), limit[0], limit[1]];
    for form in [&[][..], &["-v"], &[&bitcoin(CLEAN)]] {
        let shown = place.says(&[&screen[..], form].concat());
        assert!(shown.status == 0 && flat(&shown.out).contains(note), "{}", shown.out);
    }
    let several = place.says(&[&screen[..], &[&bitcoin(CLEAN)]].concat());
    assert!(several.out.contains("; ties unknown; cluster cut"), "{}", several.out);
    let trace = place.says(&["trace", &chained, limit[0], limit[1]]);
    assert_eq!(flat(&trace.out).matches(note).count(), 1, "{}", trace.out);
    let trace = |more: &[&str]| {
        let trace = ["trace", &chained, "--output", "json"];
        let shown = place.says(&[&trace[..], &limit, more].concat());
        serde_json::from_str::<Value>(&shown.out).unwrap()
    };
    let traced = trace(&[]);
    assert_eq!(traced["cluster_cuts"], cut["cluster_cuts"], "{traced}");
    assert_eq!(traced["common_inputs"], Value::Null, "{traced}");
    let others = trace(&["--kind", "ADVISORY"]);
    assert_eq!(others["cluster_cuts"], Value::Null, "of another kind: {others}");
    let payment = payment("deposit", CHAINED, CLEAN);
    let arguments: Vec<&str> = payment.iter().map(String::as_str).chain(limit).collect();
    let allowed = place.json_with(0, &arguments);
    assert_eq!(allowed["prospective_exposures"], Value::Null, "{allowed}");
    let why = "holds a listed address, but is larger than the limit; not scored.";
    assert!(allowed["reason"].as_str().unwrap().ends_with(why), "{allowed}");
}

#[test]
fn a_trace_draws_what_is_joined() {
    let place = place();
    let trace = |key: u8, form: &str| {
        let shown = place.says(&["trace", &bitcoin(key), "--output", form]);
        assert_eq!(shown.status, 0, "{}", shown.err);
        shown.out
    };
    let own: Value = serde_json::from_str(&trace(CHAINED, "json")).unwrap();
    let joined = &own["common_inputs"][0];
    assert_eq!(joined["list_kind"], "LIST_KIND_SANCTIONS", "{own}");
    assert_eq!(
        (&joined["same_transaction"], &joined["listing"]["address"]),
        (&Value::Null, &json!(bitcoin(LISTED)))
    );
    assert_eq!(joins(&joined["chain"]), whole_chain(), "{own}");
    assert_eq!(own["paths"], Value::Null, "they begin at it: {own}");
    let beside: Value = serde_json::from_str(&trace(BESIDE, "json")).unwrap();
    assert_eq!(beside["common_inputs"][0]["same_transaction"], true, "{beside}");
    let beyond: Value = serde_json::from_str(&trace(FAR, "json")).unwrap();
    assert_eq!(
        (&beyond["common_inputs"], &beyond["paths"][0]["common_input"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(joins(&beyond["paths"][0]["common_input_chain"]), whole_chain(), "{beyond}");
    let marks = [
        ("text", "┊   joined by common input (an estimate)"),
        ("dot", "style=dotted, label=\"common input (an estimate)"),
        ("svg", "class=\"lz-join\""),
        ("html", "joined by common input (an estimate)"),
    ];
    for (form, mark) in marks {
        for key in [CHAINED, FAR] {
            let drawn = trace(key, form);
            assert!(drawn.contains(mark), "{form}: {drawn}");
            let all = [LISTED, BESIDE, CHAINED, key].map(bitcoin);
            assert!(all.iter().all(|address| drawn.contains(address.as_str())), "{form}: {drawn}");
            for height in [TOGETHER, AGAIN] {
                assert!(drawn.contains(&format!("{height:064x}")), "{form}: {drawn}");
            }
        }
        assert!(!trace(SHOP, form).contains(mark), "{form}");
    }
}

#[test]
fn a_batch_has_columns_and_its_report_draws_the_chain() {
    let place = place();
    let keys = [BESIDE, CHAINED, FAR, SHOP, CLEAN];
    let rows: String = keys.iter().map(|key| format!("{}\n", bitcoin(*key))).collect();
    let input = place.file("in.csv", &format!("address\n{rows}"));
    for name in ["out.csv", "out.jsonl", "out.parquet"] {
        let out = place.file(name, "");
        let arguments = ["screen", "--input", &input, "--out", &out, "--overwrite", "--evidence"];
        let said = place.says(&arguments);
        assert_eq!(said.status, 10, "{}{}", said.out, said.err);
        let one_each = "BESIDE 1 CHAIN 1 PATH 1 joined by common input (an estimate)";
        assert!(flat(&said.err).contains(one_each), "{}", said.err);
        let summary = std::fs::read_to_string(format!("{out}.summary.json")).unwrap();
        let summary: Value = serde_json::from_str(&summary).unwrap();
        assert_eq!(summary["common_input"], json!({"BESIDE": 1, "CHAIN": 1, "PATH": 1}), "{name}");
        assert_eq!(summary["findings"], json!({"CO_SPENT": 2, "RECEIVED_FROM": 2}), "{name}");
        let report = place.says(&["report", &out]);
        assert_eq!(report.status, 0, "{}", report.err);
        for words in [
            "it and a listed address are inputs of one transaction",
            "joined with the listed address over a chain of transactions",
            "the path begins or ends at an address that is joined with the listed one",
            "<summary>Joined by common input (an estimate)</summary>",
            "class=\"lz-join\"",
            "0 (joined)",
        ] {
            assert!(report.out.contains(words), "{name}: {words}");
        }
        assert!(report.out.contains(&format!("{AGAIN:064x}")), "{name}");
    }
    let rows =
        std::fs::read_to_string(place.file("again", "").replace("again", "out.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = rows.iter().map(|row| row["common_input"].as_str().unwrap_or("")).collect();
    assert_eq!(told, ["BESIDE", "CHAIN", "PATH", "", ""]);
    assert_eq!(joins(&rows[1]["path"]["common_input_chain"]), whole_chain(), "{}", rows[1]);
    // Without evidence, and where clusters are cut.
    let out = place.file("cut.jsonl", "");
    let arguments = ["screen", "--input", &input, "--out", &out, "--overwrite"];
    let said = place.says(&[&arguments[..], &["--set", "exposure.cluster_limit=2"]].concat());
    assert!(flat(&said.err).contains("cluster cut ALLOW 1 whose cluster"), "{}", said.err);
    let rows = std::fs::read_to_string(&out).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |row: usize, column: &str| rows[row][column].as_str().unwrap_or("").to_owned();
    let told = |row: usize| ["decision", "common_input", "cluster_cut"].map(|name| text(row, name));
    let listed = bitcoin(LISTED);
    assert_eq!(told(0), ["REVIEW", "BESIDE", ""]);
    assert_eq!(told(1), ["ALLOW", "", listed.as_str()]);
    assert_eq!(told(2), ["ALLOW", "", ""]);
    let report = place.says(&["report", &out]);
    assert!(report.out.contains("1 row (ALLOW 1) whose cluster by common input"), "{}", report.out);
    assert!(report.out.contains("The transactions are not drawn: the batch was run without"));
}

/// A payment of a tenth of a coin between two addresses.
fn payment(direction: &str, from: u8, to: u8) -> Vec<String> {
    let (from, to) = (bitcoin(from), bitcoin(to));
    let sides = ["payment", direction, "--from", &from, "--to", &to];
    let rest = ["--chain", "bitcoin", "--amount", "0.1 BTC"];
    sides.iter().chain(&rest).map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_payment_says_that_its_other_end_is_joined() {
    let place = place();
    let prospect = |direction: &str, from: u8, to: u8| {
        let arguments = payment(direction, from, to);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = place.json_with(10, &arguments);
        let shown = place.says(&arguments);
        let told = answer["prospective_exposures"].as_array().cloned().unwrap_or_default();
        assert_eq!(told.len(), 1, "{answer}");
        (told[0].clone(), flat(&shown.out))
    };
    let (deposit, shown) = prospect("deposit", CHAINED, CLEAN);
    assert_eq!(
        (&deposit["prospective_hops"], &deposit["prospective_common_input"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(deposit["listing"]["address"], bitcoin(LISTED), "{deposit}");
    let words = format!(
        "would be 1 hop from an address joined by common input (an estimate) with {}",
        bitcoin(LISTED)
    );
    assert!(shown.contains(&words), "{shown}");
    let (farther, _) = prospect("deposit", PAYEE, CLEAN);
    assert_eq!(
        (&farther["prospective_hops"], &farther["prospective_common_input"]),
        (&json!(2), &json!(true))
    );
    let (sent, _) = prospect("withdrawal", CLEAN, BESIDE);
    assert_eq!(
        (&sent["prospective_hops"], &sent["prospective_common_input"]),
        (&json!(1), &json!(true))
    );
    let (plain, _) = prospect("deposit", SHOP, CLEAN);
    assert_eq!(
        (&plain["prospective_hops"], &plain["prospective_common_input"]),
        (&json!(2), &Value::Null)
    );
    // Who is joined is tied to nobody of the kind, as who is listed.
    let arguments = payment("deposit", PAYEE, CHAINED);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let own = place.json_with(10, &arguments);
    assert_eq!(own["prospective_exposures"], Value::Null, "{own}");
}
