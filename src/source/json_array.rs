//! JSON arrays of addresses, or of objects with an address in a field of a known name. Streams the
//! file.
//!
//! The form has no specification. Field names are compared without letter case, `_`, `-` and
//! blanks. Unknown fields and elements without an address are counted.

// Matches over JSON values.
#![allow(clippy::wildcard_enum_match_arm)]

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::assembly::{Assembled, Assembly, day};
use super::error::{Fault, SourceError};
use super::excerpt::excerpt;
use super::own::OwnRow;
use super::unpack::Input;
use super::{Bounds, Format};
use crate::domain::list::NoteKind;

const ADDRESS: [&str; 12] = [
    "address",
    "addresses",
    "addr",
    "walletaddress",
    "wallet",
    "wallets",
    "cryptoaddress",
    "blockchainaddress",
    "accountaddress",
    "account",
    "contractaddress",
    "publickey",
];

/// Tickers and chains, the most specific first.
const TICKER: [&str; 9] =
    ["ticker", "chainid", "chain", "network", "blockchain", "currency", "asset", "symbol", "coin"];

const UID: [&str; 2] = ["partyuid", "uid"];
const NAME: [&str; 5] = ["partyname", "name", "label", "entity", "owner"];
const CATEGORY: [&str; 2] = ["category", "abuse"];
const REFERENCE: [&str; 4] = ["reference", "source", "url", "link"];
const LISTED_ON: [&str; 1] = ["listedon"];

pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Assembled, SourceError> {
    let state = State { taken: Cell::new(0), lines: Cell::new(1), is_too_long: Cell::new(false) };
    let mut list = Assembly::new(bounds);
    let mut elements =
        Elements { list: &mut list, bounds, state: &state, found: 0, seen: 0, fault: None };
    let bytes = Counted { input, state: &state, max: bounds.max_record };
    let mut json = serde_json::Deserializer::from_reader(bytes);
    let read = (&mut elements).deserialize(&mut json).and_then(|()| json.end());
    let line = state.lines.get();
    let at = |fault: Fault| fault.at_line(Format::JsonArray, line);
    if state.is_too_long.get() {
        return Err(at(Fault::RecordTooLong(bounds.max_record)));
    }
    if let Some(fault) = elements.fault {
        return Err(at(fault));
    }
    read.map_err(|error| {
        if error.is_eof() {
            at(Fault::Truncated("the array is not closed"))
        } else {
            at(Fault::json(error))
        }
    })?;
    if elements.found == 0 && elements.seen > 0 {
        return Err(at(Fault::Missing("an address, in every element,")));
    }
    Ok(list.finish(None))
}

/// State shared by the byte reader and the elements.
struct State {
    /// Bytes since the last element.
    taken: Cell<usize>,
    lines: Cell<u64>,
    is_too_long: Cell<bool>,
}

/// Bounds an element, which the parser holds in full.
struct Counted<'a, 'b, 'c> {
    input: &'a mut Input<'b>,
    state: &'c State,
    max: usize,
}

impl Read for Counted<'_, '_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buf)?;
        let lines = buf[..count].iter().filter(|byte| **byte == b'\n').count();
        self.state.lines.set(self.state.lines.get() + lines as u64);
        let taken = self.state.taken.get().saturating_add(count);
        self.state.taken.set(taken);
        if taken > self.max {
            self.state.is_too_long.set(true);
            return Err(io::Error::other("element too long"));
        }
        Ok(count)
    }
}

/// The elements being added to the list.
struct Elements<'a> {
    list: &'a mut Assembly,
    bounds: &'a Bounds,
    state: &'a State,
    found: u64,
    seen: u64,
    fault: Option<Fault>,
}

impl<'de> DeserializeSeed<'de> for &mut Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of addresses or of objects with addresses")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element::<Value>()? {
            self.state.taken.set(0);
            self.seen += 1;
            if let Err(fault) = self.element(element) {
                self.fault = Some(fault);
                return Err(serde::de::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

impl Elements<'_> {
    fn element(&mut self, element: Value) -> Result<(), Fault> {
        match element {
            Value::String(address) if !address.is_empty() => self.row(OwnRow::default(), address),
            Value::Object(fields) => self.object(&fields),
            Value::Null | Value::String(_) => {
                self.list.add_note(NoteKind::NoAddress, "elements without an address", 1, None);
                Ok(())
            }
            other => Err(Fault::BadValue("an element of the array", excerpt(&other.to_string()))),
        }
    }

    fn row(&mut self, mut row: OwnRow, address: String) -> Result<(), Fault> {
        self.found += 1;
        row.key.address = address;
        row.add(self.list, self.bounds)
    }

    fn object(&mut self, fields: &Map<String, Value>) -> Result<(), Fault> {
        let fields: Vec<(String, &str, &Value)> =
            fields.iter().map(|(name, value)| (folded(name), name.as_str(), value)).collect();
        let text = |names: &[&str]| {
            let first = |wanted: &&str| {
                let named = |(folded, _, value): &(String, &str, &Value)| {
                    (folded == wanted).then(|| scalar(folded, value)).flatten()
                };
                fields.iter().find_map(named)
            };
            names.iter().find_map(first).unwrap_or_default()
        };
        let mut addresses = Vec::new();
        for (name, _, value) in &fields {
            if ADDRESS.contains(&name.as_str()) {
                texts(value, &mut addresses);
            }
        }
        let known = [&ADDRESS[..], &TICKER, &UID, &NAME, &CATEGORY, &REFERENCE, &LISTED_ON];
        for (folded, name, value) in &fields {
            if !value.is_null() && !known.iter().any(|names| names.contains(&folded.as_str())) {
                self.list.add_note(NoteKind::UnknownField, name, 1, None);
            }
        }
        if addresses.is_empty() {
            let label = text(&NAME);
            let what = "elements without an address";
            self.list.add_note(NoteKind::NoAddress, what, 1, Some(&label));
            return Ok(());
        }
        for address in addresses {
            let mut row = OwnRow { name: text(&NAME), ..OwnRow::default() };
            row.key.party_uid = text(&UID);
            row.key.ticker = text(&TICKER);
            row.facts.category = text(&CATEGORY);
            row.facts.reference = text(&REFERENCE);
            let listed_on = text(&LISTED_ON);
            row.facts.listed_on = if listed_on.is_empty() { None } else { Some(day(&listed_on)?) };
            self.row(row, address)?;
        }
        Ok(())
    }
}

/// Folds a field's name for comparison.
fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Returns the text of a value; a numeric chain is an EIP-155 id.
fn scalar(folded: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if folded.starts_with("chain") => Some(format!("eip155:{number}")),
        _ => None,
    }
}

/// Collects the texts of a value or array.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| {
            if let Value::String(text) = value
                && !text.is_empty()
            {
                found.push(text.clone());
            }
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{keys, list, refused};
    use super::*;
    use crate::source::{Position, read};

    const FORM: Format = Format::JsonArray;

    #[test]
    fn addresses_and_objects_are_read() {
        let got = list(FORM, "[\"0xaa\",\n \"0xbb\", \"0xaa\"]\n").unwrap();
        let all = [("unattributed", "", "0xaa"), ("unattributed", "", "0xbb")];
        assert_eq!((keys(&got), got.duplicates), (all.to_vec(), 1));
        let got = list(
            FORM,
            r#"[
              {"Wallet_Address": "1a", "currency": "BTC", "name": "A", "category": "scam"},
              {"address": "0xb", "chainId": 56, "currency": "BNB", "label": null, "listed_on": "2024-01-02"},
              {"addresses": ["c", "d"], "wallet": "e", "account": {"id": 1}, "url": "https://x"}
            ]"#,
        )
        .unwrap();
        let want = [
            ("A", "BTC", "1a"),
            ("unattributed", "eip155:56", "0xb"),
            ("unattributed", "", "c"),
            ("unattributed", "", "d"),
            ("unattributed", "", "e"),
        ];
        assert_eq!(keys(&got), want);
        assert_eq!(got.rows[0].1.category, "scam");
        assert_eq!(got.rows[1].1.listed_on, Some(jiff::civil::date(2024, 1, 2)));
        assert_eq!(got.rows[2].1.reference, "https://x");
        assert!(list(FORM, "[]").unwrap().rows.is_empty());
    }

    #[test]
    fn what_is_left_out_is_noted() {
        let text = r#"["0xaa", null, "", {"name": "B", "city": "X"}, {"address": "c", "city": "Y", "z": null}]"#;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let bounds = Bounds::default();
        let got = crate::source::read_reported(
            file.path(),
            None,
            crate::source::Include::Refused,
            &bounds,
        )
        .unwrap();
        assert_eq!((got.report.format, got.report.rows), (FORM.as_str(), 2));
        let notes: Vec<_> =
            got.report.notes.iter().map(|note| (note.kind, &*note.subject, note.count)).collect();
        let want = [
            (NoteKind::NoAddress, "elements without an address", 3),
            (NoteKind::UnknownField, "city", 2),
        ];
        assert_eq!(notes, want);
    }

    #[test]
    fn what_is_no_such_array_is_refused() {
        let bounds = Bounds { max_record: 64, max_rows: 3, ..Bounds::default() };
        let long = format!("[\"a\",\n\"{}\"]", "x".repeat(65));
        let blank = format!("[\"a\",{}\"b\"]", " ".repeat(65));
        let many = "[\"a\",\"b\",\"c\",\"d\"]";
        let cases: [(&str, u64, Fault); 6] = [
            (&long, 2, Fault::RecordTooLong(64)),
            (&blank, 1, Fault::RecordTooLong(64)),
            (many, 1, Fault::TooManyRows(3)),
            ("[1]", 1, Fault::BadValue("an element of the array", "1".into())),
            ("[\"a\"", 1, Fault::Truncated("the array is not closed")),
            ("[{\"b\": \"c\"}]", 1, Fault::Missing("an address, in every element,")),
        ];
        for (text, line, want) in cases {
            assert_eq!(refused(FORM, text, &bounds), (Position::Line(line), want), "{text}");
        }
        for text in ["{}", "[\"a\"] x", "[\"a\"", "[\"a\" \"b\"]", "[\"\\ud800\"]"] {
            assert!(list(FORM, text).is_err(), "{text}");
        }
        assert!(read(&b"[\"\xff\"]"[..], FORM, &bounds).is_err());
    }
}
