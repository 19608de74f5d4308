//! The advanced form by small documents.

use super::super::tests::{keys, list, refused};
use super::*;
use crate::source::Position;

const TYPES: &str = r#"<ReferenceValueSets>
  <NamePartTypeValues>
    <NamePartType ID="1">Last Name</NamePartType><NamePartType ID="2">First Name</NamePartType>
    <NamePartType ID="3">Patronymic</NamePartType><NamePartType ID="4">Matronymic</NamePartType>
    <NamePartType ID="5">Entity Name</NamePartType><NamePartType ID="6">Nickname</NamePartType>
  </NamePartTypeValues>
  <PartySubTypeValues>
    <PartySubType ID="1" PartyTypeID="4">Vessel</PartySubType>
    <PartySubType ID="3" PartyTypeID="2">Unknown</PartySubType>
    <PartySubType ID="4" PartyTypeID="1">Unknown</PartySubType>
  </PartySubTypeValues>
  <PartyTypeValues>
    <PartyType ID="1">Individual</PartyType><PartyType ID="2">Entity</PartyType>
    <PartyType ID="4">Transport</PartyType>
  </PartyTypeValues>
  <FeatureTypeValues>
    <FeatureType ID="8">Birthdate</FeatureType>
    <FeatureType ID="77">Digital Currency Address - XBT</FeatureType>
    <FeatureType ID="78">Digital Currency Address - NEW1</FeatureType>
  </FeatureTypeValues>
  <SanctionsTypeValues>
    <SanctionsType ID="9">Program</SanctionsType><SanctionsType ID="1">Block</SanctionsType>
  </SanctionsTypeValues>
</ReferenceValueSets>"#;

const ISSUE: &str =
    "<DateOfIssue CalendarTypeID='1'><Year>2025</Year><Month>3</Month><Day>21</Day></DateOfIssue>";

/// A publication of these parties and entries.
fn document(parties: &str, entries: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='utf-8'?>\r\n<Sanctions xmlns='urn:x'>{ISSUE}{TYPES}\
         <Locations><Feature FeatureTypeID='77'/></Locations>\
         <DistinctParties>{parties}</DistinctParties><ProfileRelationships/>\
         <SanctionsEntries>{entries}</SanctionsEntries></Sanctions>\n"
    )
}

fn feature(kind: &str, address: &str) -> String {
    format!(
        "<Feature ID='1' FeatureTypeID='{kind}'><FeatureVersion><Comment/>\
         <VersionDetail DetailTypeID='1432'>{address}</VersionDetail></FeatureVersion></Feature>"
    )
}

/// A name: alias or primary, and its parts, each a name part type and a text.
fn name(primary: bool, parts: &[(u8, &str)]) -> String {
    let values: String = parts
        .iter()
        .map(|(kind, text)| {
            format!("<DocumentedNamePart><NamePartValue NamePartGroupID='g{kind}'>{text}</NamePartValue></DocumentedNamePart>")
        })
        .collect();
    format!("<Alias Primary='{primary}'><DocumentedName>{values}</DocumentedName></Alias>")
}

fn party(uid: &str, sub_type: &str, names: &str, features: &str) -> String {
    let groups: String = (1..=6)
        .map(|kind| format!("<NamePartGroup ID='g{kind}' NamePartTypeID='{kind}'/>"))
        .collect();
    format!(
        "<DistinctParty FixedRef='{uid}'><Comment/><Profile ID='p{uid}' PartySubTypeID='{sub_type}'>\
         <Identity>{names}<NamePartGroups><MasterNamePartGroup>{groups}</MasterNamePartGroup>\
         </NamePartGroups></Identity>{features}</Profile></DistinctParty>"
    )
}

fn entry(profile: &str, days: &[&str], measures: &[(&str, &str)]) -> String {
    let events: String = days
        .iter()
        .map(|day| {
            let parts: Vec<&str> = day.split('-').collect();
            format!(
                "<EntryEvent><Comment>why</Comment><Date><Year>{}</Year><Month>{}</Month>\
                 <Day>{}</Day></Date></EntryEvent>",
                parts[0], parts[1], parts[2]
            )
        })
        .collect();
    let measures: String = measures
        .iter()
        .map(|(kind, text)| {
            format!(
                "<SanctionsMeasure SanctionsTypeID='{kind}'><Comment>{text}</Comment><DatePeriod>\
                 <Start><Year>1</Year></Start></DatePeriod></SanctionsMeasure>"
            )
        })
        .collect();
    format!("<SanctionsEntry ProfileID='{profile}'>{events}{measures}</SanctionsEntry>")
}

#[test]
fn parties_with_addresses_are_read() {
    let names = name(false, &[(6, "Zinc &amp; Co")]) + &name(true, &[(5, "Lazarus Group")]);
    let features = feature("77", "1abc") + &feature("8", "1970") + &feature("78", " a&lt;b\r\n ");
    let parties = party("20", "3", &names, &features)
        + &party("3", "4", &name(true, &[(1, "DOE"), (2, "Jo")]), &feature("77", "1abc").repeat(2))
        + &party("4", "4", &name(true, &[(1, "NOBODY")]), &feature("8", "1971"))
        + &party("5", "1", &name(true, &[(5, "SHIP")]), "<Feature FeatureTypeID='77'/>");
    let entries = entry(
        "p20",
        &["2022-4-14", "2019-09-13"],
        &[("9", "DPRK3"), ("1", "x"), ("9", "CYBER2"), ("9", "DPRK3")],
    ) + &entry("p4", &["9999-99-99"], &[])
        + &entry("p20", &["2019-09-13"], &[]);
    let got = list(Format::OfacAdvanced, &document(&parties, &entries)).unwrap();
    assert_eq!(got.published, Some(jiff::civil::date(2025, 3, 21)));
    assert_eq!(got.duplicates, 1);
    let want =
        [("20", "XBT", "1abc"), ("20", "NEW1", " a<b\n "), ("3", "XBT", "1abc"), ("5", "XBT", "")];
    let mut want: Vec<_> = want.into_iter().collect();
    want.sort_by_key(|(uid, ticker, address)| (*uid, *address, *ticker));
    assert_eq!(keys(&got), want);
    let uids: Vec<&str> = got.parties.iter().map(|party| party.uid.as_str()).collect();
    assert_eq!(uids, ["20", "3", "5"]);
    let lazarus = Party {
        uid: "20".into(),
        name: "Lazarus Group".into(),
        aliases: vec!["Zinc & Co".into()],
        party_type: "Entity".into(),
        programs: vec!["CYBER2".into(), "DPRK3".into()],
        listed_on: vec![jiff::civil::date(2019, 9, 13), jiff::civil::date(2022, 4, 14)],
    };
    assert_eq!(got.parties[0], lazarus);
    // A party without an entry is kept all the same.
    assert_eq!((&*got.parties[1].name, &*got.parties[1].party_type), ("DOE, Jo", "Individual"));
    assert_eq!(got.parties[1].listed_on, []);
    assert_eq!(got.parties[2].party_type, "Vessel");
}

#[test]
fn names_are_spelled_as_ofac_prints_them() {
    let cases: [(&[(u8, &str)], &str); 9] = [
        (&[(1, "YAN"), (2, "Xiaobing")], "YAN, Xiaobing"),
        (&[(2, "Muwaffaq"), (1, "al-Karmush")], "al-Karmush, Muwaffaq"),
        (&[(2, "Ismael"), (3, "ZAMBADA"), (4, "GARCIA")], "ZAMBADA GARCIA, Ismael"),
        (&[(1, "Gaziyev"), (2, "Tarkhan"), (3, "Ismailovich")], "Gaziyev, Tarkhan Ismailovich"),
        (&[(1, "CORADO"), (2, "Jeni"), (1, "PORTILLO")], "CORADO PORTILLO, Jeni"),
        (&[(5, "A, B &amp; C LTD")], "A, B & C LTD"),
        (&[(6, "El Mayo")], "El Mayo"),
        (&[(2, "CACHIROS")], "CACHIROS"),
        (&[(1, "Hisham")], "Hisham"),
    ];
    for (parts, want) in cases {
        let parties = party("1", "4", &name(true, parts), &feature("77", "a"));
        let got = list(Format::OfacAdvanced, &document(&parties, "")).unwrap();
        assert_eq!(got.parties[0].name, want);
    }
}

#[test]
fn what_is_not_whole_or_not_right_is_refused() {
    let whole = document(&party("1", "4", "", &feature("77", "a")), "");
    let bounds = Bounds::default();
    let cases: Vec<(String, Fault)> = vec![
        (
            whole.replace("Sanctions>", "sdnList>").replace("<Sanctions ", "<sdnList "),
            Fault::WrongRoot { expected: "Sanctions", found: "sdnList".into() },
        ),
        (
            whole.replace("<Sanctions ", "<!DOCTYPE Sanctions [<!ENTITY a 'b'>]><Sanctions "),
            Fault::Doctype,
        ),
        (whole.replace(">a</", ">&a;</"), Fault::BadValue("an entity", "a".into())),
        (whole.replace("utf-8", "utf-16"), Fault::BadValue("the encoding", "utf-16".into())),
        (whole.replace("<Day>21", "<Day>32"), Fault::BadDate("2025-3-32".into())),
        (whole.replace("<Day>21", "<Day>x"), Fault::BadDate("x".into())),
        (whole.replace("<Day>21</Day>", ""), Fault::Missing("year, month or day of a date")),
        (whole.replace(" FeatureTypeID='77'", ""), Fault::Missing("FeatureTypeID")),
        (
            whole.replace("<VersionDetail DetailTypeID='1432'>a", "<VersionDetail><b/>"),
            Fault::Misplaced("an element inside of a text"),
        ),
        (whole.replace(ISSUE, ""), Fault::Missing("DateOfIssue")),
        (
            whole.replace("PartySubTypeID='4'", "PartySubTypeID='9'"),
            Fault::UnknownId("PartySubTypeID", "9".into()),
        ),
        (
            whole.replace("PartyType ID=\"1\"", "PartyType ID=\"7\""),
            Fault::UnknownId("PartyTypeID", "1".into()),
        ),
        (
            whole.replace("<FeatureType ID=\"8\"", "<FeatureType ID=\"77\""),
            Fault::Misplaced("an id of the reference values"),
        ),
        (whole.replace(TYPES, ""), Fault::Missing("ReferenceValueSets")),
        (whole.replace(TYPES, &(TYPES.to_owned() + TYPES)), Fault::Misplaced(SECTIONS)),
        (
            whole.replace("SanctionsEntries>", "Other>"),
            Fault::Missing("DistinctParties or SanctionsEntries"),
        ),
        (whole.clone() + "x", Fault::Misplaced("text outside of the root element")),
        (whole.clone() + "<Sanctions/>", Fault::Misplaced("a second root element")),
        (
            whole.replace(
                "</DistinctParties>",
                &(party("1", "4", "", &feature("77", "b")) + "</DistinctParties>"),
            ),
            Fault::PartyDiffers("1".into()),
        ),
        ("<!-- nothing -->".into(), Fault::Missing("the root element")),
        ("<Sanctions><Locations>".to_owned() + &"<a>".repeat(100), Fault::TooDeep(64)),
        ("<Sanctions>".to_owned() + &"<a>".repeat(100), Fault::TooDeep(64)),
        (
            whole.replace(">a<", &format!(">{}<", "a".repeat(1 << 16 | 1))),
            Fault::FieldTooLong(1 << 16),
        ),
        (
            whole.replace(">a<", &format!(">{}<", "&lt;".repeat(1 << 16 | 1))),
            Fault::FieldTooLong(1 << 16),
        ),
    ];
    for (text, want) in cases {
        let (at, fault) = refused(Format::OfacAdvanced, &text, &bounds);
        assert_eq!(fault, want);
        assert!(matches!(at, Position::Byte(_)), "{at}");
    }
    let (at, _) = refused(Format::OfacAdvanced, &whole.replace(">a</", ">&a;</"), &bounds);
    assert_eq!(at, Position::Byte(whole.find(">a</").unwrap() as u64 + 1));
    let two = whole.replace("<Locations>", "<Locations></Locatoins>");
    let (at, fault) = refused(Format::OfacAdvanced, &two, &bounds);
    assert_eq!(at, Position::Byte(two.find("</Locatoins>").unwrap() as u64));
    assert!(matches!(fault, Fault::Syntax(_)), "{fault}");
}

#[test]
fn an_id_that_the_file_does_not_explain_is_refused() {
    let bounds = Bounds::default();
    // A party with no other address, which would be passed by in silence.
    let entries = entry("p1", &[], &[("9", "A"), ("99", "B")]);
    let cases = [
        (document(&party("1", "4", "", &feature("99", "a")), ""), "FeatureTypeID"),
        (document(&party("1", "4", "", &feature("77", "a")), &entries), "SanctionsTypeID"),
    ];
    for (text, name) in cases {
        let (at, fault) = refused(Format::OfacAdvanced, &text, &bounds);
        assert_eq!(fault, Fault::UnknownId(name, "99".into()));
        let attribute = text.find(&format!("{name}='99'")).unwrap();
        assert_eq!(at, Position::Byte(text[..attribute].rfind('<').unwrap() as u64));
    }
}

#[test]
fn every_truncation_is_refused() {
    let entries = entry("p1", &["2019-09-13"], &[("9", "DPRK3")]);
    let text = document(&party("1", "4", "", &feature("77", "a")), &entries);
    let whole = text.trim_end();
    list(Format::OfacAdvanced, whole).unwrap();
    for length in 0..whole.len() {
        let (_, fault) = refused(Format::OfacAdvanced, &whole[..length], &Bounds::default());
        let early = matches!(
            fault,
            Fault::Truncated(_) | Fault::Empty | Fault::Missing("the root element")
        );
        assert!(early, "{length}: {fault}");
    }
}

#[test]
fn types_in_other_spellings_lose_no_listing() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/cases/list-kinds/adv.xml");
    let got = crate::source::read_reported(
        &path,
        None,
        crate::source::Include::Refused,
        &Bounds::default(),
    )
    .unwrap();
    let tickers: Vec<&str> = keys(&got.list).iter().map(|(_, ticker, _)| *ticker).collect();
    let want = [
        "XBT",
        "DOGE",
        "SOL",
        "NEWC",
        "type \"Digital Currency Address\"",
        "ETH",
        "TRX",
        "LTC",
        "ETH",
        "type \"Digital Currency Wallet Address - SOL\"",
        "XBT",
    ];
    assert_eq!(tickers, want);
    let unknown: Vec<_> = got
        .report
        .notes
        .iter()
        .map(|note| (note.kind, &*note.subject, note.count, note.examples[0].as_str()))
        .collect();
    let kind = NoteKind::UnknownType;
    let want = [
        (kind, "Digital Currency Address", 1, "bc1qvrz4jrmjamef9725tt7z30mre2gayqt2mudttq"),
        (
            kind,
            "Digital Currency Wallet Address - SOL",
            1,
            "ByyHwKfKWgq7SgREx6ZbSRtZs3Cn5437iSJg2Jm98tuH",
        ),
    ];
    assert_eq!(unknown, want);
}
