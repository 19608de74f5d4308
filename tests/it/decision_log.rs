//! The decision log, as its users have it: records of every way to ask, found, proved, verified,
//! redacted and replayed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::dice::Dice;
use crate::support::needs::{Need, tool};
use crate::support::place::{FAR, LISTED, NEAR, Place, SERVICE, transfers};
use crate::support::program::{Running, check};

/// Verifies a proof with the script of docs/audit.md and the log's public key alone.
fn verify_offline(place: &Place, proof: &Value, key: &str) -> Option<(i32, String)> {
    let python = tool(Need::Python)?;
    let path = place.file("proof.json", &proof.to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit/verify.py");
    let said = Command::new(python).args(["-B", script, &path, key]).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    Some((said.status.code().unwrap_or(-1), text.into_owned()))
}

/// The script against published vectors, and against trees and keys of its own.
#[test]
fn the_offline_verifier_holds_its_own_tests() {
    let Some(python) = tool(Need::Python) else { return };
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audit/verify_test.py");
    let said = Command::new(python).args(["-B", tests]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

fn record_of(answer: &Value) -> &str {
    answer["record_id"].as_str().unwrap_or_else(|| panic!("no record: {answer}"))
}

/// A policy that blocks what came directly from a sanctioned address.
const STRICT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/example/strict-policy.toml");

/// An address is ALLOW on Monday, its payer is designated on Tuesday: the record of Monday still has
/// its proof and replays to ALLOW, the answer of Tuesday is BLOCK, and a search for the party finds both.
#[test]
fn monday_is_on_record_after_tuesday() {
    let place = Place::new();
    place.configure(&format!("policy = {STRICT:?}"));
    let file = place.file("t.csv", &transfers(&[(100, NEAR, FAR)]));
    check(&place.says(&["transfers", "import", &file]), 0, &[]);
    let _server = place.serve();
    let screen = |address: &str| {
        let said = place.says(&["screen", address, "--chain", "eip155:1", "--output", "json"]);
        serde_json::from_str::<Value>(&said.out).unwrap_or_else(|_| panic!("{}", said.err))
    };
    let monday = screen(FAR);
    assert_eq!(monday["items"][0]["screening"]["decision"], "DECISION_ALLOW", "{monday}");
    let monday = record_of(&monday).to_owned();
    check(&place.says(&["log", "get", &monday]), 0, &["decision", "ALLOW", FAR]);

    let row = |address: &str, party: &str| format!("{address},eip155:1,{party},2026-01-01\n");
    let rows = row(LISTED, "u1,Evil Party") + &row(NEAR, "u2,Payer Ltd");
    let list = place
        .file("tuesday.csv", &format!("address,ticker,party_uid,party_name,listed_on\n{rows}"));
    let import = ["lists", "import", &list, "--list", "sanctions", "--published", "2026-11-22"];
    check(&place.says(&import), 0, &[]);
    let tuesday = screen(FAR);
    assert_eq!(tuesday["items"][0]["screening"]["decision"], "DECISION_BLOCK", "{tuesday}");
    let tuesday = record_of(&tuesday).to_owned();
    let blocked = record_of(&screen(NEAR)).to_owned();
    check(&place.says(&["log", "get", &blocked]), 0, &["BLOCK", "LISTED", "Payer Ltd"]);
    check(&place.says(&["log", "get", &tuesday]), 0, &["BLOCK", "RECEIVED_FROM", "Payer Ltd"]);

    let found = place.says(&["log", "query", "--party", "Payer"]);
    check(&found, 0, &[&monday, &tuesday, &blocked]);
    assert!(!found.out.contains("not all is found"), "{}", found.out);
    let export = place.says(&["log", "export", "--party", "u2"]);
    let decisions = export.out.lines().map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        (record_of(&record).to_owned(), record["decision"].as_str().unwrap().to_owned())
    });
    let expected = [(&monday, "ALLOW"), (&tuesday, "BLOCK"), (&blocked, "BLOCK")];
    let expected = expected.map(|(id, decision)| (id.clone(), format!("DECISION_{decision}")));
    assert_eq!(decisions.collect::<Vec<_>>(), expected);
    // The replay of Monday's record is ALLOW again: it is equal to what was recorded.
    check(&place.says(&["log", "replay", &monday]), 0, &["1 equal"]);
    check(&place.says(&["log", "replay", &monday, &tuesday, &blocked]), 0, &["3 equal"]);

    let proof = place.json_plain(&["log", "proof", &monday]);
    let key = place.json(&["log", "key"]);
    let key = key["keys"][0]["verifier_key"].as_str().unwrap();
    if let Some((status, said)) = verify_offline(&place, &proof, key) {
        assert_eq!(status, 0, "{said}");
        assert!(said.contains(FAR) && said.contains("ALLOW"), "{said}");
    }
    check(&place.says(&["log", "verify"]), 0, &["unchanged"]);

    check(&place.says(&["log", "redact", &monday]), 0, &["redacted"]);
    let redacted = place.says(&["log", "get", &monday]);
    check(&redacted, 0, &["(redacted)", "ALLOW"]);
    assert!(!redacted.out.contains(FAR), "{}", redacted.out);
    check(&place.says(&["log", "replay", &monday]), 10, &["its address was redacted"]);
    check(&place.says(&["log", "verify"]), 0, &["unchanged", "redacted"]);
    let proof = place.json_plain(&["log", "proof", &monday]);
    if let Some((status, said)) = verify_offline(&place, &proof, key) {
        assert_eq!(status, 0, "{said}");
        assert!(!said.contains(FAR), "{said}");
    }
}

/// What was recorded before a restore is found, proved, held and searched with the rest.
#[test]
fn records_before_a_restore_are_found_with_the_rest() {
    let place = Place::new();
    let first = record_of(&place.json(&["screen", FAR])).to_owned();
    // A copy has no key.
    std::fs::remove_file(place.data().join("decision-log/log.1/key")).unwrap();
    let second = record_of(&place.json(&["screen", FAR])).to_owned();
    let _server = place.serve();
    let found = place.json(&["log", "query", "--address", FAR]);
    let ids = found["records"].as_array().unwrap().iter().map(record_of).collect::<Vec<_>>();
    assert_eq!(ids, [&first, &second]);

    let key = place.json(&["log", "key"]);
    let logs = key["logs"].as_array().unwrap();
    assert_eq!(logs.len(), 2, "{key}");
    let (earlier, origin) = (&first[..8], logs[0]["origin"].as_str().unwrap());
    assert_eq!((&logs[0]["tag"], &logs[1]["origin"]), (&earlier.into(), &key["origin"]));
    check(&place.says(&["log", "key"]), 0, &[earlier, origin]);
    let of_earlier = place.json(&["log", "key", earlier]);
    assert_eq!(of_earlier, place.json(&["log", "key", origin]));
    assert_eq!(of_earlier["origin"], origin);
    check(&place.says(&["log", "key", "nobody"]), 1, &["no log \"nobody\""]);

    let key = of_earlier["keys"][0]["verifier_key"].as_str().unwrap();
    let proof = place.json_plain(&["log", "proof", &first]);
    if let Some((status, said)) = verify_offline(&place, &proof, key) {
        assert_eq!(status, 0, "{said}");
        assert!(said.contains(FAR), "{said}");
    }
    let growth = place.json_plain(&["log", "consistency", "1", "--of", earlier]);
    assert_eq!(growth["checkpoint"], of_earlier["checkpoint"]);
    check(&place.says(&["log", "hold", &first, "--reason", "a case"]), 0, &["on hold"]);
    check(&place.says(&["log", "replay", "--address", FAR]), 0, &["2 equal"]);
    check(&place.says(&["log", "verify"]), 0, &["unchanged"]);
}

/// Every way to ask leaves a record for each address.
#[test]
fn every_way_to_ask_is_on_record() {
    let place = Place::new();
    let rows = format!("address,chain\n{FAR},eip155:1\n{LISTED},ethereum\n\"\",\nnonsense,\n");
    let input = place.file("in.csv", &rows);
    let out = place.data().with_file_name("out.jsonl");
    let batch = place.says(&["screen", "--input", &input, "--out", out.to_str().unwrap()]);
    assert_eq!(batch.status, 11, "{}", batch.err);
    let rows = std::fs::read_to_string(&out).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 4, "{}", batch.err);
    for row in rows.iter().filter(|row| row["decision"] != "ERROR") {
        let id = row["record"].as_str().unwrap_or_else(|| panic!("{row}"));
        let decision = row["decision"].as_str().unwrap();
        check(&place.says(&["log", "get", id]), 0, &[decision, row["address"].as_str().unwrap()]);
    }
    let sides = ["payment", "deposit", "--from", LISTED, "--to", FAR, "--chain", "ethereum"];
    let payment = place.json_with(11, &[&sides[..], &["--amount", "1 ETH"]].concat());
    let id = record_of(&payment);
    check(&place.says(&["log", "get", id]), 0, &["payment", "source", LISTED]);
    let all = place.says(&["log", "export"]);
    assert!(all.out.lines().count() >= 4, "{}", all.out);
    let form = place.says(&["log", "report", "blocked", id]);
    check(&form, 0, &["31 CFR 501.603", LISTED, "Evil Party", "10 business days"]);
}

/// Without the log there is no record, and asking for one says why.
#[test]
fn off_is_said() {
    let place = Place::new();
    let off = ["--set", "decision_log.enabled=false"];
    let answer = place.json(&[&["screen", FAR][..], &off].concat());
    assert_eq!(answer.get("record_id"), None, "{answer}");
    let said = place.says(&[&["log", "query"][..], &off].concat());
    check(&said, 1, &["decision_log.enabled is false"]);
    assert!(!place.data().join("decision-log").exists());
}

/// A server that is killed has every record of an answer that it gave. LAZARETTO_KILLS: how many times
/// (6); in both durabilities, in turn.
#[test]
fn a_killed_server_has_the_record_of_each_answer() {
    let place = Place::new();
    let kills = std::env::var("LAZARETTO_KILLS").map_or(6, |text| text.parse::<u64>().unwrap());
    let mut dice = Dice(kills);
    for round in 0..kills {
        let durability = ["interval", "fsync"][(round % 2) as usize];
        let durability = format!("decision_log.durability={durability}");
        let (server, url) = place.serve_with(&["--set", &durability]);
        let rows = 100 + dice.below(4_000) as usize;
        let records = records_until_killed(&place, server, &url, rows);
        if round % 50 == 0 || round + 1 == kills {
            check(&place.says(&["log", "verify"]), 0, &["unchanged"]);
        }
        for record in [&records[dice.below(rows as u64) as usize], &records[rows - 1]] {
            check(&place.says(&["log", "get", record]), 0, &["ALLOW"]);
        }
    }
}

/// Has a server answer a batch that does not end, and kills it after so many rows. Returns their records.
fn records_until_killed(place: &Place, server: Running, url: &str, rows: usize) -> Vec<String> {
    let mut asking = place.command(&["screen", "--input", "-", "--server", url]);
    asking.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut asking = asking.spawn().unwrap();
    let mut input = asking.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || {
        writeln!(input, "address").unwrap();
        // Ends where the server does.
        (0..200_000u32).take_while(|number| writeln!(input, "0x{number:040x}").is_ok()).count()
    });
    // The headings, then the rows, whose last column is the record.
    let lines = BufReader::new(asking.stdout.take().unwrap()).lines().skip(1).take(rows);
    let records: Vec<String> =
        lines.map(|line| line.unwrap().rsplit(',').next().unwrap().to_owned()).collect();
    assert_eq!(records.len(), rows);
    drop(server);
    asking.kill().unwrap();
    asking.wait().unwrap();
    feeding.join().unwrap();
    records
}

/// What is written into a file that nobody finds again is no record.
#[test]
fn a_log_that_is_removed_under_a_server_ends_its_answers() {
    let place = Place::new();
    let _server = place.serve();
    check(&place.says(&["screen", FAR]), 0, &["ALLOW"]);
    std::fs::rename(place.data().join("decision-log"), place.folder().join("gone")).unwrap();
    // The next sync finds it out.
    let refused = (0..200).map(|_| place.says(&["screen", FAR])).find(|said| said.status == 1);
    let refused = refused.expect("answers end");
    assert!(refused.err.contains("could not be recorded"), "{}", refused.err);
    check(&place.says(&["screen", FAR]), 1, &["could not be recorded"]);
}

/// Holds are of records: the end of one ends no other.
#[test]
fn a_hold_is_of_one_record() {
    let place = Place::new();
    let payment = ["payment", "deposit", "--from", FAR, "--to", NEAR, "--chain", "ethereum"];
    let payment = place.json(&[&payment[..], &["--amount", "1 ETH"]].concat());
    let first = record_of(&payment).to_owned();
    let second = first.replace(".0", ".1");
    for id in [&first, &second] {
        check(&place.says(&["log", "hold", id, "--reason", "a case"]), 0, &["on hold"]);
    }
    check(&place.says(&["log", "hold", &second, "--release"]), 0, &["no longer on hold"]);
    check(&place.says(&["log", "verify"]), 0, &["unchanged"]);
    check(&place.says(&["log", "hold", "00000000-1.0"]), 1, &["no record 00000000-1.0"]);
}

/// A command of its own has no graph yet; its record says so, and its replay does without one too. The
/// server has it.
#[test]
fn a_payment_replays_with_the_graph_it_was_answered_with() {
    let place = Place::new();
    let file = place.file("t.csv", &transfers(&[(100, LISTED, NEAR), (200, NEAR, FAR)]));
    check(&place.says(&["transfers", "import", &file]), 0, &[]);
    let payment = ["payment", "deposit", "--from", NEAR, "--to", SERVICE, "--chain", "ethereum"];
    let payment = [&payment[..], &["--amount", "1 ETH"]].concat();
    let alone = place.json_with(10, &payment);
    let served = {
        let _server = place.serve();
        let graph = place.json_plain(&["trace", FAR, "--output", "json"]);
        assert!(graph["paths"].is_array(), "{graph}");
        place.json_with(10, &payment)
    };
    let ids = [&alone, &served].map(|answer| record_of(answer).replace(".0", ".1"));
    for id in &ids {
        check(&place.says(&["log", "get", id]), 0, &["projection", "would be", "Evil Party"]);
    }
    check(&place.says(&["log", "replay", &ids[0], &ids[1]]), 0, &["2 equal"]);
    check(&place.says(&["log", "redact", record_of(&alone)]), 0, &["redacted"]);
    let replayed = place.says(&["log", "replay", &ids[0], &ids[1]]);
    check(&replayed, 10, &["2 equal", "was redacted", "without their payments 1"]);
}
