//! FollowTheMoney entities by small files.

use super::super::tests::{keys, list, refused};
use super::*;
use crate::source::Position;

const LINES: &str = r#"{"id":"w1","caption":"1abc","schema":"CryptoWallet","properties":{"publicKey":["1abc","1def "],"currency":["XBT"],"holder":["laz"],"topics":["sanction"],"sourceUrl":["https://example.org"]},"datasets":["us_ofac_sdn"],"first_seen":"2023-01-01T00:00:00","target":true}
{"id":"laz","caption":"Lazarus Group","schema":"Organization","properties":{"name":["Lazarus Group","Zinc"],"alias":["Hidden Cobra","Zinc"],"program":["DPRK3"],"topics":["sanction","crime.cyber"],"country":["kp"]},"referents":[],"target":true}
{"id":"jo","caption":"Jo","schema":"Person","properties":{"name":["Jo"]}}
{"id":"w2","schema":"CryptoWallet","properties":{"publicKey":["0xabc"],"currency":["ETH","USDT"],"holder":["laz","gone"]}}

{"id":"w3","caption":"A wallet","schema":"CryptoWallet","properties":{"accountId":["12345"],"topics":["poi"]}}
{"id":"w4","schema":"CryptoWallet","properties":{"publicKey":["1abc"],"holder":[{"id":"n","schema":"Person","caption":"N","properties":{"name":["N"]}}]}}
{"id":"w5","schema":"CryptoWallet","properties":{"publicKey":["1abc"],"currency":["XBT"],"holder":["laz"]}}
{"id":"w6","schema":"CryptoWallet","properties":{}}
"#;

#[test]
fn wallets_and_their_holders_are_read() {
    let got = list(Format::OpenSanctions, LINES).unwrap();
    let want = [
        ("gone", "ETH", "0xabc"),
        ("gone", "USDT", "0xabc"),
        ("laz", "ETH", "0xabc"),
        ("laz", "USDT", "0xabc"),
        ("laz", "XBT", "1abc"),
        ("laz", "XBT", "1def "),
        ("n", "", "1abc"),
        ("w3", "", "12345"),
        ("w6", "", ""),
    ];
    assert_eq!(keys(&got), want);
    assert_eq!((got.duplicates, got.published), (1, None));
    let names: Vec<(&str, &str, &str)> =
        got.parties.iter().map(|party| (&*party.uid, &*party.name, &*party.party_type)).collect();
    let want = [
        ("gone", "", ""),
        ("laz", "Lazarus Group", "Organization"),
        ("n", "N", "Person"),
        ("w3", "A wallet", "CryptoWallet"),
        ("w6", "", "CryptoWallet"),
    ];
    assert_eq!(names, want);
    let lazarus = &got.parties[1];
    assert_eq!(lazarus.aliases, ["Zinc", "Hidden Cobra"]);
    assert_eq!(lazarus.programs, ["DPRK3", "crime.cyber", "sanction"]);
    assert_eq!(lazarus.listed_on, []);
    let facts = &got.rows[4].1;
    assert_eq!((&*facts.category, &*facts.reference), ("sanction", "https://example.org"));
    assert_eq!(facts.listed_on, None);
}

#[test]
fn nested_wallets_are_read() {
    let wallet = |id: &str, more: &str| {
        format!(
            "{{\"id\":\"{id}\",\"schema\":\"CryptoWallet\",\"properties\":{{\"publicKey\":[\"{id}1\"]{more}}}}}"
        )
    };
    let person = |id: &str, more: &str| {
        format!(
            "{{\"id\":\"{id}\",\"schema\":\"Person\",\"caption\":\"{id}!\",\"properties\":{{{more}}}}}"
        )
    };
    let two = format!("{},{}", wallet("v", ""), wallet("w", ",\"holder\":[\"other\"]"));
    let whole = person("jo", &format!("\"cryptoWallets\":[{two}]"));
    let deep =
        format!("{{\"id\":\"o\",\"schema\":\"Ownership\",\"properties\":{{\"owner\":[{whole}]}}}}");
    let holder = wallet("x", &format!(",\"holder\":[{whole}]"));
    let elsewhere = format!(
        "{{\"id\":\"s\",\"schema\":\"Sanction\",\"properties\":{{\"entity\":[{}]}}}}",
        wallet("u", "")
    );
    let of_jo = vec![("jo", "", "v1"), ("other", "", "w1")];
    let cases = [
        (whole.clone(), of_jo.clone()),
        (whole.replace("CryptoWallet\"", "Crypto\\u0057allet\""), of_jo.clone()),
        (deep, of_jo),
        (holder, vec![("jo", "", "v1"), ("jo", "", "x1"), ("other", "", "w1")]),
        (elsewhere, vec![("u", "", "u1")]),
    ];
    for (text, want) in cases {
        let got = list(Format::OpenSanctions, &text).unwrap();
        assert_eq!(keys(&got), want, "{text}");
        let jo = got.parties.iter().find(|party| party.uid == "jo");
        assert!(jo.is_none_or(|jo| jo.name == "jo!"), "{text}");
    }
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let lines: Vec<&str> = LINES.lines().collect();
    let want = list(Format::OpenSanctions, LINES).unwrap();
    for turn in 0..lines.len() {
        let turned = [&lines[turn..], &lines[..turn]].concat().join("\n");
        assert_eq!(list(Format::OpenSanctions, &turned).unwrap(), want, "{turn}");
    }
}

#[test]
fn what_is_no_entity_is_refused() {
    let bounds = Bounds { max_rows: 3, max_held: 1000, ..Bounds::default() };
    let person = "{\"id\":\"a\",\"schema\":\"Person\",\"properties\":{}}\n";
    let wallet = |keys: &str| {
        format!("{{\"id\":\"w\",\"schema\":\"CryptoWallet\",\"properties\":{{{keys}}}}}\n")
    };
    let four = wallet(r#""publicKey":["a","b"],"currency":["c","d"]"#);
    let cases = [
        (person.to_owned() + &four, 2, Fault::TooManyRows(3)),
        (person.repeat(9), 4, Fault::TooMuchHeld(1000)),
    ];
    for (text, line, want) in cases {
        let got = refused(Format::OpenSanctions, &text, &bounds);
        assert_eq!(got, (Position::Line(line), want));
    }
    for text in [
        "{",
        "[]",
        "{\"id\":1}",
        "null",
        "{\"id\":\"a\",\"schema\":\"CryptoWallet\"}",
        &LINES[..700],
    ] {
        let (at, fault) = refused(Format::OpenSanctions, text, &Bounds::default());
        assert!(matches!(fault, Fault::Syntax(_)), "{text}: {fault}");
        assert_eq!(at, Position::Line(text.lines().count() as u64));
    }
}
