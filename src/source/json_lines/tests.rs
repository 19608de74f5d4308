//! Our JSON lines by small files.

use super::super::tests::{list, refused};
use super::*;
use crate::source::Position;

#[test]
fn the_same_facts_as_in_csv_are_read() {
    let json = r#"{"lazaretto_list":1,"published":"2025-11-19","rows":3}
{"address":" 1abc","ticker":"XBT","party_uid":"7","party_name":"A \"b\", c","party_aliases":["x|y","z"],"party_type":"Entity","programs":["B","A"],"party_listed_on":["2020-02-03","2019-01-02"],"listed_on":"2021-01-01","category":"hack","reference":"https://example.org"}

{"address":"1def","party_name":"B","ticker":null}
{"address":"1ghi"}
"#;
    let csv = r#"# lazaretto list 1
# published: 2025-11-19
# by hand
programs,address,ticker,party_uid,party_name,party_aliases,party_type,party_listed_on,listed_on,category,reference
B|A, 1abc,XBT,7,"A ""b"", c",x\|y|z,Entity,2020-02-03|2019-01-02,2021-01-01,hack,https://example.org
,1def,,,B,,,,,,
,1ghi,,,,,,,,,
"#;
    let got = list(Format::JsonLines, json).unwrap();
    assert_eq!(got, list(Format::Csv, csv).unwrap());
    assert_eq!(got.published, Some(jiff::civil::date(2025, 11, 19)));
    let uids: Vec<&str> = got.parties.iter().map(|party| party.uid.as_str()).collect();
    assert_eq!(uids, ["7", "B", "unattributed"]);
    assert_eq!(got.parties[0].programs, ["A", "B"]);
    assert_eq!(got.parties[0].aliases, ["x|y", "z"]);
    assert_eq!(got.rows[0].1.listed_on, Some(jiff::civil::date(2021, 1, 1)));
}

#[test]
fn what_is_not_right_is_refused() {
    let party = |uid: &str, name: &str| {
        format!("{{\"address\":\"{name}\",\"party_uid\":\"{uid}\",\"party_name\":\"{name}\"}}\n")
    };
    let cases: [(String, u64, Fault); 6] = [
        (party("1", "a") + &party("2", "b") + &party("1", "c"), 3, Fault::PartyDiffers("1".into())),
        ("{\"lazaretto_list\":2}".into(), 1, Fault::BadValue("the version", "2".into())),
        (
            "{\"lazaretto_list\":1,\"rows\":2}\n{\"address\":\"a\"}\n".into(),
            3,
            Fault::Count { stated: 2, found: 1 },
        ),
        (
            "{\"address\":\"a\",\"listed_on\":\"1.2.2020\"}".into(),
            1,
            Fault::BadDate("1.2.2020".into()),
        ),
        (
            "{\"address\":\"a\",\"party_listed_on\":[\"20200102\"]}".into(),
            1,
            Fault::BadDate("20200102".into()),
        ),
        (
            "{\"lazaretto_list\":1,\"published\":\"2020-02-30\"}".into(),
            1,
            Fault::BadDate("2020-02-30".into()),
        ),
    ];
    for (text, line, want) in cases {
        let got = refused(Format::JsonLines, &text, &Bounds::default());
        assert_eq!(got, (Position::Line(line), want), "{text}");
    }
    let broken = [
        ("{\"address\":\"a\"}\n{\"address\":\"a\",\"colour\":1}", "colour"),
        ("{\"address\":\"a\"}\n{\"ticker\":\"a\"}", "address"),
        ("{\"address\":\"a\"}\n{\"address\":\"a\",\"address\":\"b\"}", "duplicate"),
        ("{\"address\":\"a\"}\n{\"address\":\"", "EOF"),
        ("{\"address\":\"a\"}\n{\"address\":[\"a\"]}", "invalid type"),
        ("{\"address\":\"a\"}\n{\"lazaretto_list\":1}", "lazaretto_list"),
    ];
    let error = list(Format::JsonLines, broken[3].0).unwrap_err().to_string();
    assert_eq!(error, "jsonl: EOF while parsing a string (column 12) at line 2");
    for (text, said) in broken {
        let (at, fault) = refused(Format::JsonLines, text, &Bounds::default());
        assert_eq!(at, Position::Line(2), "{text}");
        assert!(fault.to_string().contains(said), "{text}: {fault}");
    }
}
