//! The plain form by small documents.

use super::super::tests::{keys, list, refused};
use super::*;
use crate::source::Position;

const LIST: &str = r#"<?xml version="1.0" standalone="yes"?>
<sdnList xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns="http://tempuri.org/sdnList.xsd">
  <publshInformation>
    <Publish_Date>05/28/2024</Publish_Date>
    <Record_Count>3</Record_Count>
  </publshInformation>
  <sdnEntry>
    <uid>27307</uid>
    <lastName>Lazarus Group</lastName>
    <sdnType>Entity</sdnType>
    <programList><program>DPRK3</program><program>CYBER2</program></programList>
    <idList>
      <id><uid>1</uid><idType>Digital Currency Address - XBT</idType><idNumber>1abc </idNumber></id>
      <id><uid>2</uid><idType>Secondary sanctions risk:</idType><idNumber>x</idNumber></id>
      <id><uid>3</uid><idType>Digital Currency Address - NEW</idType></id>
    </idList>
    <akaList>
      <aka><uid>9</uid><type>a.k.a.</type><category>weak</category><lastName>Zinc</lastName></aka>
      <aka><uid>10</uid><lastName>Office 91</lastName></aka>
    </akaList>
  </sdnEntry>
  <sdnEntry>
    <uid>25308</uid>
    <firstName>Xiaobing</firstName>
    <lastName>YAN</lastName>
    <sdnType>Individual</sdnType>
    <idList>
      <id><idType>Digital Currency Address - XBT</idType><idNumber>1abc</idNumber></id>
      <id><idType>Digital Currency Address - XBT</idType><idNumber>1abc</idNumber></id>
      <id><idType>Digital Currency Address - ETH</idType><idNumber>1abc</idNumber></id>
    </idList>
  </sdnEntry>
  <sdnEntry><uid>36</uid><lastName>AEROCARIBBEAN</lastName><sdnType>Entity</sdnType></sdnEntry>
</sdnList>
"#;

#[test]
fn entries_with_addresses_are_read() {
    let got = list(Format::OfacSdn, LIST).unwrap();
    assert_eq!(got.published, Some(jiff::civil::date(2024, 5, 28)));
    assert_eq!(got.duplicates, 1);
    let want = [
        ("25308", "ETH", "1abc"),
        ("25308", "XBT", "1abc"),
        ("27307", "NEW", ""),
        ("27307", "XBT", "1abc "),
    ];
    assert_eq!(keys(&got), want);
    let parties = [
        Party {
            uid: "25308".into(),
            name: "YAN, Xiaobing".into(),
            party_type: "Individual".into(),
            ..Party::default()
        },
        Party {
            uid: "27307".into(),
            name: "Lazarus Group".into(),
            aliases: vec!["Zinc".into(), "Office 91".into()],
            party_type: "Entity".into(),
            programs: vec!["CYBER2".into(), "DPRK3".into()],
            ..Party::default()
        },
    ];
    assert_eq!(got.parties, parties);
}

#[test]
fn what_is_not_whole_or_not_right_is_refused() {
    let cases = [
        (LIST.replace(">3<", ">4<"), Fault::Count { stated: 4, found: 3 }),
        (
            LIST.replace("<Record_Count>3</Record_Count>", ""),
            Fault::Missing("publshInformation/Record_Count"),
        ),
        (
            LIST.replace("<Publish_Date>05/28/2024</Publish_Date>", ""),
            Fault::Missing("publshInformation/Publish_Date"),
        ),
        (
            LIST.replace("publshInformation>", "publishInformation>"),
            Fault::Missing("publshInformation/Publish_Date"),
        ),
        (LIST.replace(">3<", ">-<"), Fault::BadValue("Record_Count", "-".into())),
        (LIST.replace("05/28", "28/05"), Fault::BadDate("28/05/2024".into())),
        (LIST.replace("<uid>27307</uid>", ""), Fault::Missing("uid")),
        (LIST.replace("27307", "25308"), Fault::PartyDiffers("25308".into())),
        (
            LIST.replace("sdnList", "Sanctions"),
            Fault::WrongRoot { expected: "sdnList", found: "Sanctions".into() },
        ),
        (LIST.replace("<uid>36", "<uid>&#x110000;"), Fault::Syntax(String::new())),
    ];
    for (text, want) in cases {
        let (at, fault) = refused(Format::OfacSdn, &text, &Bounds::default());
        match (&fault, &want) {
            (Fault::Syntax(_), Fault::Syntax(_)) => {}
            _ => assert_eq!(fault, want),
        }
        assert!(matches!(at, Position::Byte(_)));
    }
    let whole = LIST.trim_end();
    list(Format::OfacSdn, whole).unwrap();
    for length in 0..whole.len() {
        refused(Format::OfacSdn, &whole[..length], &Bounds::default());
    }
}
