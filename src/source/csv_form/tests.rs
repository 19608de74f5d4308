//! Our CSV by small files, and its round trip.

use proptest::prelude::*;

use super::super::tests::{list, refused};
use super::*;
use crate::domain::list::ReadList;
use crate::source::{Position, read};

#[test]
fn what_is_not_right_is_refused() {
    let long = format!("address\n{}\n", "a".repeat((64 << 10) + 1));
    let cases: [(&str, u64, Fault); 28] = [
        ("# only a comment\n", 2, Fault::Missing("the header line")),
        ("ticker\nXBT\n", 1, Fault::Missing("the column address")),
        ("# x\naddress,colour\n", 2, Fault::UnknownField("colour".into())),
        ("address,ticker,address\n", 1, Fault::Misplaced("address")),
        ("address,ticker\na\n", 2, Fault::Syntax("1 fields where the header has 2".into())),
        (
            "# rows: 9\n# line breaks: 1\naddress\na\n\"b\nc\"\nd,e\n",
            7,
            Fault::Syntax("2 fields where the header has 1".into()),
        ),
        ("address,listed_on\na,2020-1-1\n", 2, Fault::BadDate("2020-1-1".into())),
        ("address,party_listed_on\na,2020-01-01|\n", 2, Fault::BadDate(String::new())),
        (
            "address,programs\na,b\\c\n",
            2,
            Fault::BadValue("a cell with a backslash", "b\\c".into()),
        ),
        ("address,programs\na,b\\\n", 2, Fault::BadValue("a cell with a backslash", "b\\".into())),
        ("address,party_uid,programs\na,1,x\nb,1,x\nc,1,y\n", 4, Fault::PartyDiffers("1".into())),
        ("# lazaretto list 3\naddress\n", 1, Fault::BadValue("the version", "3".into())),
        ("# lazaretto list one\naddress\n", 1, Fault::BadValue("the version", "one".into())),
        ("# published: today\naddress\n", 1, Fault::BadDate("today".into())),
        (
            "# published: 2020-01-01\n# published: 2020-01-01\naddress\n",
            2,
            Fault::Misplaced("published"),
        ),
        ("# rows: 2\naddress\na\n", 4, Fault::Count { stated: 2, found: 1 }),
        ("# rows: 1\naddress\na\na\n", 5, Fault::Count { stated: 1, found: 2 }),
        ("# rows: many\naddress\n", 1, Fault::BadValue("the number of rows", "many".into())),
        (
            "# rows: 1\n# line breaks: 2\naddress\n\"a\nb\n",
            6,
            Fault::Truncated("a quoted field is not closed"),
        ),
        (
            "# line breaks: many\naddress\n",
            1,
            Fault::BadValue("the number of line breaks", "many".into()),
        ),
        ("# line breaks: 1\n# line breaks: 1\naddress\n", 2, Fault::Misplaced("line breaks")),
        ("address,category\n0x11,\"Laz\n0x22,b\n0x33,c\"\n", 2, Fault::LineBreak),
        ("# x\naddress\na\n\"b\rc\"\n", 4, Fault::LineBreak),
        // Whether it says how many rows there are, or how many line breaks, or both.
        ("# rows: 1\naddress,category\n0x11,\"Laz\n0x22,b\n0x33,c\"\n", 3, Fault::LineBreak),
        ("# line breaks: 2\naddress,category\n0x11,\"Laz\n0x22,b\"\n", 3, Fault::LineBreak),
        (
            "# rows: 3\n# line breaks: 2\naddress,category\n0x11,\"Laz\n0x22,b\n0x33,c\"\n",
            7,
            Fault::Count { stated: 3, found: 1 },
        ),
        (
            "# rows: 1\n# line breaks: 1\naddress\n\"0x11\n0x22\r\n0x33\"\n",
            7,
            Fault::LineBreakCount { stated: 1, found: 2 },
        ),
        (&long, 2, Fault::FieldTooLong(64 << 10)),
    ];
    for (text, line, want) in cases {
        let got = refused(Format::Csv, text, &Bounds::default());
        assert_eq!(got, (Position::Line(line), want), "{}", excerpt(text));
    }
    let bytes = read(&b"address\na\n\xff\n"[..], Format::Csv, &Bounds::default()).unwrap_err();
    assert_eq!(bytes.to_string(), "csv: the text is not UTF-8 at line 3");
}

#[test]
fn a_row_is_kept_whatever_its_address() {
    let text = "# rows: 5\n# line breaks: 1\naddress\n a \n#b\n\"\"\n\"c\r\nd,\"\"e\"\n\u{200b}f\n";
    let got = list(Format::Csv, text).unwrap();
    let addresses: Vec<&str> = got.rows.iter().map(|(key, _)| key.address.as_str()).collect();
    assert_eq!(addresses, ["", " a ", "#b", "c\r\nd,\"e", "\u{200b}f"]);
}

#[test]
fn folded_rows_keep_what_either_says() {
    let text = "address,listed_on,category,reference\na,2020-02-02,,x\na,2019-01-01,hack,y\na,,,\n";
    let got = list(Format::Csv, text).unwrap();
    assert_eq!((got.rows.len(), got.duplicates), (1, 2));
    let facts = &got.rows[0].1;
    assert_eq!(facts.listed_on, Some(jiff::civil::date(2019, 1, 1)));
    assert_eq!((&*facts.category, &*facts.reference), ("hack", "x"));
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let party = Party { uid: "1".into(), ..Party::default() };
    let key = RowKey { party_uid: "2".into(), address: "a".into(), ticker: String::new() };
    let facts = RowFacts::default();
    let error = write_csv(Vec::new(), &CsvHead::default(), [&party], [(&key, &facts)]).unwrap_err();
    assert!(error.to_string().contains("\"2\""), "{error}");
    for comment in ["rows: 7", "line breaks: 1", "a\nb", "# published: never", " lazaretto list 2"]
    {
        let head = CsvHead { published: None, comments: &[comment] };
        assert!(write_csv(Vec::new(), &head, [], []).is_err(), "{comment}");
    }
}

#[test]
fn what_is_written_looks_so() {
    let party = Party {
        uid: "27307".into(),
        name: "Lazarus, \"Group\"".into(),
        aliases: vec!["a|b".into(), "c\\d".into()],
        party_type: "Entity".into(),
        programs: vec!["CYBER2".into(), "DPRK3".into()],
        listed_on: vec![jiff::civil::date(2019, 9, 13), jiff::civil::date(2020, 3, 2)],
    };
    let facts = RowFacts::default();
    let key = |address: &str| RowKey {
        party_uid: "27307".into(),
        address: address.into(),
        ticker: "XBT".into(),
    };
    let keys = [key("1b"), key("1a")];
    let rows = keys.iter().map(|key| (key, &facts));
    let head =
        CsvHead { published: Some(jiff::civil::date(2025, 11, 19)), comments: &["from OFAC"] };
    let mut out = Vec::new();
    write_csv(&mut out, &head, [&party, &Party::default()], rows).unwrap();
    let row =
        r#"XBT,27307,"Lazarus, ""Group""",a\|b|c\\d,Entity,CYBER2|DPRK3,2019-09-13|2020-03-02,,,"#;
    let want = format!(
        "# lazaretto list 1\n# published: 2025-11-19\n# rows: 2\n# from OFAC\n{}\n1a,{row}\n1b,{row}\n",
        FIELDS.join(",")
    );
    assert_eq!(String::from_utf8(out).unwrap(), want);
}

/// Whatever the facts hold, a terminal that shows the file sees none of it, and each row is a line.
#[test]
fn what_a_terminal_would_obey_is_escaped() {
    let party = Party {
        uid: "1".into(),
        name: "a\nb\r\nc\rd\u{1b}[2J\u{202e}\\".into(),
        ..Party::default()
    };
    let key = RowKey { party_uid: "1".into(), address: "x\n".into(), ticker: String::new() };
    let facts = RowFacts::default();
    let mut out = Vec::new();
    write_csv(&mut out, &CsvHead::default(), [&party], [(&key, &facts)]).unwrap();
    let text = String::from_utf8(out).unwrap();
    let row = "x\\u{a},,1,a\\u{a}b\\u{d}\\u{a}c\\u{d}d\\u{1b}[2J\\u{202e}\\\\,,,,,,,\n";
    assert!(text.starts_with("# lazaretto list 2\n# rows: 1\naddress,"), "{text}");
    assert!(text.ends_with(row), "{text}");
    assert!(!text.contains(|character| character != '\n' && is_hostile(character)), "{text:?}");
    let got = list(Format::Csv, &text).unwrap();
    assert_eq!((got.parties, got.rows), (vec![party], vec![(key, facts)]));
}

fn text() -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(vec![
        ",", "\"", "\n", "\r", "\r\n", "|", "\\", "#", " ", "\t", "颜", "\u{202b}", "a", "'", "\0",
        "\u{feff}",
    ]);
    prop_oneof![
        "[a-zA-Z0-9]{0,12}",
        prop::collection::vec(awkward, 0..6).prop_map(|parts| parts.concat()),
        any::<String>(),
    ]
}

fn some_text() -> impl Strategy<Value = String> {
    text().prop_filter("not empty", |text| !text.is_empty())
}

fn a_day() -> impl Strategy<Value = Date> {
    (0_i16..=9999, 1_i8..=12, 1_i8..=28).prop_map(|(y, m, d)| jiff::civil::date(y, m, d))
}

prop_compose! {
    /// A list as the readers give it: canonical, every party with a row.
    fn any_list()(
        parties in prop::collection::btree_map(
            some_text(),
            (
                text(),
                prop::collection::vec(some_text(), 0..4),
                text(),
                prop::collection::btree_set(some_text(), 0..4),
                prop::collection::btree_set(a_day(), 0..3),
                prop::collection::btree_map(
                    (text(), text()),
                    (prop::option::of(a_day()), text(), text()),
                    1..5,
                ),
            ),
            0..5,
        ),
        published in prop::option::of(a_day()),
    ) -> ReadList {
        let mut list = ReadList { published, ..ReadList::default() };
        for (uid, (name, aliases, party_type, programs, listed_on, rows)) in parties {
            let mut kept: Vec<String> = Vec::new();
            for alias in aliases {
                if alias != name && !kept.contains(&alias) {
                    kept.push(alias);
                }
            }
            list.parties.push(Party {
                uid: uid.clone(),
                name,
                aliases: kept,
                party_type,
                programs: programs.into_iter().collect(),
                listed_on: listed_on.into_iter().collect(),
            });
            for ((address, ticker), (listed_on, category, reference)) in rows {
                let key = RowKey { party_uid: uid.clone(), address, ticker };
                list.rows.push((key, RowFacts { listed_on, category, reference }));
            }
        }
        list
    }
}

/// Writes and reads back.
fn round_trip(list: &ReadList) -> ReadList {
    let head = CsvHead { published: list.published, comments: &["for people", ""] };
    let mut out = Vec::new();
    let rows = list.rows.iter().map(|(key, facts)| (key, facts));
    write_csv(&mut out, &head, &list.parties, rows).unwrap();
    read(&out[..], Format::Csv, &Bounds::default()).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(list in any_list()) {
        prop_assert_eq!(round_trip(&list), list);
    }

    #[test]
    fn values_of_a_cell_are_told_apart(values in prop::collection::vec(some_text(), 0..6)) {
        prop_assert_eq!(split(&join(&values)), Ok(values));
    }
}
