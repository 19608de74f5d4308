//! The log: a JSON object a line, and neither an address nor a customer in it above debug, whatever
//! is asked.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{CLEAN, CUSTOMER, LISTED, client, serve};
use crate::support::program::{Said, TODAY};

/// What must not be in the log, beside the addresses above.
const TORN: &str = "not-an-address-but-5eed";
const MIXED: &str = "0x5EED00000000000000000000000000000000AAaa";
const PARTY: &str = "Evil Party";

fn written(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Asks all kinds of things. Whether each is answered or refused is for other tests; that what
/// should be answered was is seen at the end.
fn ask_everything(dir: &Path, files: &Path, url: &str) {
    let ask = |arguments: &[&str]| {
        let said: Said = client(dir, url, arguments).output().unwrap().into();
        assert!(!said.err.contains("Usage:"), "{arguments:?}: {}", said.err);
        said
    };
    let list = format!(
        "address,ticker,party_uid,party_name\n{LISTED},ETH,u,{PARTY}\n{TORN},ETH,v,{PARTY}\n"
    );
    let list = written(files, "list.csv", &list);
    let list = list.to_str().unwrap();
    let import = ["--list", "made-up", "--kind", "SANCTIONS", "--published", TODAY];
    let imported = ask(&[&["lists", "import", list], &import[..]].concat());
    assert_eq!(imported.status, 0, "{}", imported.err);
    let broken = written(files, "broken.csv", &format!("address\n\"{LISTED}\n{CLEAN}"));
    ask(&[&["lists", "import", broken.to_str().unwrap()], &import[..]].concat());

    let head = "chain,time,from,to,asset,amount\n";
    let good =
        format!("ethereum,2025-01-01T00:00:00Z,{LISTED},{CLEAN},native,1500000000000000000\n");
    let bad = format!("ethereum,2025-01-01T00:00:01Z,{TORN},{CLEAN},native,1\n");
    let transfers = written(files, "transfers.csv", &format!("{head}{good}{bad}"));
    let transfers = transfers.to_str().unwrap();
    ask(&["transfers", "import", transfers]);
    let rejects = files.join("rejects.csv");
    ask(&["transfers", "import", transfers, "--rejects", rejects.to_str().unwrap()]);
    let heads = ask(&["transfers", "heads"]);
    assert!(heads.out.contains("eip155:1"), "{} {}", heads.out, heads.err);

    let screened = ask(&["screen", CLEAN, LISTED, MIXED, TORN, ""]);
    assert!(screened.out.contains("BLOCK"), "{} {}", screened.out, screened.err);
    ask(&["screen", "--evidence", CLEAN, LISTED]);
    ask(&["screen", "--as-of", "2025-01-01", CLEAN]);
    ask(&["screen", "--chain", "nonsense", CLEAN]);
    ask(&["trace", CLEAN]);
    ask(&["trace", TORN]);
    ask(&["transfers", "counterparties", CLEAN]);
    ask(&["lists", "quarantine"]);
    ask(&["lists", "changes"]);
    ask(&["lists", "party", "u"]);
    ask(&["lists", "refresh", "made-up"]);
    let refused = ask(&["lists", "refresh", "broken"]);
    assert!(refused.err.contains(LISTED), "who asks is told what is wrong: {}", refused.err);
    ask(&["snapshot", TORN]);
    ask(&["policy", "show", CLEAN]);
    let payment = ["payment", "deposit", "--chain", "ethereum", "--amount", "1 ETH"];
    for reference in [CUSTOMER, &CUSTOMER.repeat(20)] {
        let sides = ["--from", LISTED, "--to", CLEAN, "--customer-reference", reference];
        ask(&[&payment[..], &sides].concat());
    }
}

fn check_log(err: &str) -> Vec<Value> {
    let lines: Vec<Value> = err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        for name in ["timestamp", "level", "target"] {
            assert!(line[name].is_string(), "{name} in {line}");
        }
    }
    lines
}

/// The log without regard to case: an address may be written either way.
fn check_silent(err: &str) {
    let err = err.to_lowercase();
    let is_address = |word: &str| {
        word.strip_prefix("0x").is_some_and(|rest| rest.len() == 40)
            && word[2..].bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let word = err.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_address(word));
    assert_eq!(word, None, "an address is in the log");
    for needle in [LISTED, CLEAN, TORN, CUSTOMER, PARTY, &LISTED[2..], &CLEAN[2..]] {
        let line = err.lines().find(|line| line.contains(&needle.to_lowercase()));
        assert_eq!(line, None, "{needle:?} is in the log");
    }
}

#[test]
fn no_address_and_no_customer_is_in_the_log() {
    let (dir, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A source whose file cannot be read, and says an address where a date should be.
    let source = format!("# published: {LISTED}\naddress,ticker,party_uid,party_name\n{CLEAN}\n");
    let source = written(files.path(), "source.csv", &source);
    let settings = [
        ("LAZARETTO_LOG", "info"),
        ("LAZARETTO_LISTS__BROKEN__KIND", "SANCTIONS"),
        ("LAZARETTO_LISTS__BROKEN__PATH", source.to_str().unwrap()),
    ];
    let (server, url) = serve(dir.path(), &settings);
    ask_everything(dir.path(), files.path(), &url);
    server.signal("TERM");
    let said = server.end();
    assert_eq!(said.status, 0, "{}", said.err);
    let lines = check_log(&said.err);
    assert!(lines.iter().any(|line| line["message"] == "server stopped"), "{}", said.err);
    let lost = "refresh failed, keeping the last good version";
    let lost = lines.iter().find(|line| line["message"] == lost).unwrap();
    let error = lost["error"].as_str().unwrap();
    assert!(error.contains("source.csv: csv: cannot be read at line 1"), "{error}");
    assert!(!lines.iter().any(|line| line["message"] == "call ended"), "{}", said.err);
    check_silent(&said.err);
}

#[test]
fn at_debug_each_call_has_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let (server, url) = serve(dir.path(), &[("LAZARETTO_LOG", "info,lazaretto=debug")]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut ask = client(dir.path(), &url, &["lists", "ls"]);
    ask.env("TRACEPARENT", format!("00-{trace}-00f067aa0ba902b7-00"));
    let said: Said = ask.output().unwrap().into();
    assert_eq!(said.status, 0, "{}", said.err);
    server.signal("TERM");
    let lines = check_log(&server.end().err);
    let calls: Vec<_> = lines.iter().filter(|line| line["message"] == "call ended").collect();
    let wanted = "/lazaretto.v1.SanctionsListService/ListSanctionsLists";
    let call = calls.iter().find(|line| line["method"] == wanted).unwrap();
    assert_eq!((&call["level"], &call["code"]), (&Value::from("DEBUG"), &Value::from("OK")));
    assert!(call["took_us"].as_u64().is_some(), "{call}");
    assert_eq!(call["trace_id"], trace, "{call}");
    let request_id = call["request_id"].as_str().unwrap();
    assert!(request_id.starts_with("cli-") && request_id.len() == 20, "{call}");
}
