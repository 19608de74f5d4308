//! A key and its nested segwit output (P2SH-P2WPKH, BIP-141) are one owner's: what is listed, spent or
//! paid under the one is found from the other, and evidence names the addresses of the transactions.

use serde_json::{Value, json};

use super::cluster::{COIN, bitcoin, nested, row_of};
use crate::support::place::Place;
use crate::support::program::TODAY;

/// A listed one, of whom the list has the nested address alone, and who stood beside the other.
const LISTED: u8 = 5;
const BESIDE: u8 = 11;
/// One who is joined under the nested address and pays from the other, and whom that one paid.
const EVADER: u8 = 12;
const PAYEE: u8 = 13;
/// Whom the listed one paid from the address that is on no list.
const SHOP: u8 = 30;
const CLEAN: u8 = 31;

fn place() -> Place {
    let place = Place::new();
    let head = "address,ticker,party_uid,party_name,listed_on";
    let list = format!("{head}\n{},XBT,u9,Evil Thief,2026-01-01\n", nested(LISTED));
    let file = place.file("thieves.csv", &list);
    let import = ["lists", "import", &file, "--list", "thieves", "--kind", "SANCTIONS"];
    assert_eq!(place.says(&[&import[..], &["--published", TODAY]].concat()).status, 0);
    let row = |height, inputs: &[String], to: String| {
        let inputs: Vec<_> = inputs.iter().map(|address| (address.clone(), COIN)).collect();
        row_of(height, &inputs, &[(to, COIN)])
    };
    let rows = [
        row(5_920, &[bitcoin(LISTED), bitcoin(BESIDE)], bitcoin(SHOP)),
        row(8_800, &[bitcoin(BESIDE), nested(EVADER)], bitcoin(32)),
        row(11_680, &[bitcoin(EVADER)], bitcoin(PAYEE)),
    ];
    let file = place.file("bitcoin.jsonl", &rows.concat());
    place.json(&["transfers", "import", &file]);
    place
}

/// What is found of an address, in short: kind, hops, and score of the answer.
fn found(place: &Place, address: &str, more: &[&str]) -> (Vec<String>, u64) {
    let status = if address == bitcoin(CLEAN) { 0 } else { 10 };
    let shown = place.json_with(status, &[&["screen", address], more].concat());
    let answer = &shown["items"][0]["screening"];
    let findings = answer["findings"].as_array().cloned().unwrap_or_default();
    let short = |finding: &Value| {
        let kind = finding["kind"].as_str().unwrap().trim_start_matches("FINDING_KIND_").to_owned();
        let hops = finding["exposure"]["hops"].as_u64();
        format!("{kind}{}", hops.map_or(String::new(), |hops| format!(" {hops}")))
    };
    (findings.iter().map(short).collect(), answer["score"].as_u64().unwrap_or(0))
}

#[test]
fn a_key_and_its_nested_address_are_one() {
    let place = place();
    let check = |address: String, want: &str, score: u64| {
        let wanted = (vec![want.to_owned()], score);
        assert_eq!(found(&place, &address, &[]), wanted, "{address}");
        // A search says the same as labels.
        let searched = found(&place, &address, &["--as-of", "2026-11-01T00:00:00Z"]);
        assert_eq!(searched.0, wanted.0, "{address}");
    };
    check(bitcoin(BESIDE), "CO_SPENT", 95);
    check(bitcoin(EVADER), "CO_SPENT", 95);
    check(nested(EVADER), "CO_SPENT", 95);
    check(bitcoin(PAYEE), "RECEIVED_FROM 1", 94);
    check(bitcoin(SHOP), "RECEIVED_FROM 1", 94);
    assert_eq!(found(&place, &bitcoin(CLEAN), &[]), (vec![], 0));
}

#[test]
fn evidence_names_what_the_transactions_name() {
    let place = place();
    let chain = |address: &str| -> Vec<(String, String)> {
        let shown = place.json(&["trace", address]);
        let joins = shown["common_inputs"][0]["chain"]["joins"].as_array().cloned();
        let ends = |join: &Value| {
            let end = |of: &str| join[of].as_str().unwrap_or_default().to_owned();
            (end("address"), end("other_address"))
        };
        joins.unwrap_or_default().iter().map(ends).collect()
    };
    let wanted = vec![(nested(EVADER), bitcoin(BESIDE)), (bitcoin(BESIDE), bitcoin(LISTED))];
    assert_eq!(chain(&nested(EVADER)), wanted);
    assert_eq!(chain(&bitcoin(EVADER)), wanted);
    let cluster = |address: &str| {
        let shown = place.json(&["cluster", address]);
        (shown["keys"].clone(), shown["listed"].clone())
    };
    for address in [bitcoin(BESIDE), bitcoin(EVADER), nested(EVADER), nested(LISTED)] {
        assert_eq!(cluster(&address), cluster(&bitcoin(LISTED)), "{address}");
    }
}

#[test]
fn a_payment_to_a_nested_address_is_one_to_its_key() {
    let place = place();
    let pay = |from: &str, to: &str, status: i32| -> Value {
        let sides = ["payment", "withdrawal", "--from", from, "--to", to];
        let rest = ["--chain", "bitcoin", "--amount", "0.1 BTC"];
        place.json_with(status, &[&sides[..], &rest].concat())["prospective_exposures"].clone()
    };
    for to in [bitcoin(LISTED), nested(LISTED), bitcoin(EVADER), nested(EVADER)] {
        let told = pay(
            &bitcoin(CLEAN),
            &to,
            if to == bitcoin(LISTED) || to == nested(LISTED) { 11 } else { 10 },
        );
        assert_eq!(
            (&told[0]["prospective_hops"], told[1].is_null()),
            (&json!(1), true),
            "{to}: {told}"
        );
    }
    // To oneself nothing is dealt.
    let own = pay(&nested(EVADER), &bitcoin(EVADER), 10);
    assert_eq!(own, Value::Null);
}
