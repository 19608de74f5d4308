//! Writes rows of a result as CSV or JSON lines.

use std::sync::Arc;

use super::chunk::{InputRow, KeptValue};
use super::columns::{COLUMNS, Column, Kind, Presence, ResultRow};
use crate::audit::RecordId;
use crate::cli::text::{escape, escape_json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Fields separated by commas, with headings.
    Csv,
    /// An object on each line; what is empty is left out.
    Json,
}

/// Columns before `decision`, which rows have of the input.
const OF_INPUT: usize = 4;

/// The column of the record, behind all others of ours.
const RECORD: &str = "record";

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut hex = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        hex[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    hex
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowForm {
    pub lines: Lines,
    /// Whether there is a column `path`.
    pub with_path: bool,
    /// The columns of the input that stand behind ours.
    pub kept: Arc<[String]>,
}

impl RowForm {
    /// A form without columns of the input.
    pub fn new(lines: Lines, with_path: bool) -> Self {
        Self { lines, with_path, kept: Arc::default() }
    }

    /// Our columns, in their order.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        let with_path = self.with_path;
        COLUMNS.iter().filter(move |column| with_path || column.presence != Presence::Evidence)
    }

    /// The names of all columns.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.columns().map(|column| column.name).chain(self.kept.iter().map(String::as_str))
    }

    /// What stands before the first row.
    pub fn head(&self) -> Vec<u8> {
        if self.lines == Lines::Json {
            return Vec::new();
        }
        let mut head = Vec::new();
        for name in self.names() {
            csv_cell(name, &mut head);
            head.push(b',');
        }
        head.pop();
        head.push(b'\n');
        head
    }

    /// Whether a CSV with these headings has the columns.
    pub fn has_headings(&self, names: &[String]) -> bool {
        let plain = |name: &str| name.strip_prefix(QUOTE).unwrap_or(name).trim_ascii().to_owned();
        names.len() == self.names().count()
            && names
                .iter()
                .zip(self.names())
                .all(|(found, name)| found == name || plain(found) == plain(name))
    }

    /// Adds a row, the answer to `asked`.
    pub fn row(&self, asked: &InputRow<'_>, row: &ResultRow, out: &mut Vec<u8>) {
        self.begin(asked, out);
        self.rest(row, out);
        self.record(row.record.parse().ok(), out);
        self.end(asked, out);
    }

    /// Adds the columns that a row has of the input.
    #[inline]
    pub fn begin(&self, asked: &InputRow<'_>, out: &mut Vec<u8>) {
        let InputRow { row, reference, address, chain, .. } = *asked;
        match self.lines {
            Lines::Csv => {
                number(row, out);
                for text in [reference, address, chain] {
                    out.push(b',');
                    csv_cell(text, out);
                }
            }
            Lines::Json => {
                out.extend_from_slice(b"{\"row\":");
                number(row, out);
                for (column, text) in COLUMNS[1..OF_INPUT].iter().zip([reference, address, chain]) {
                    if !text.is_empty() || column.name == "address" {
                        json_key(column.name, out);
                        json_text(text, out);
                    }
                }
            }
        }
    }

    /// Adds our columns behind those.
    pub fn rest(&self, row: &ResultRow, out: &mut Vec<u8>) {
        for column in self.columns().skip(OF_INPUT).filter(|column| column.name != RECORD) {
            let text = (column.text)(row);
            match (self.lines, column.kind) {
                (Lines::Csv, Kind::Json) => {
                    out.push(b',');
                    csv_cell(&escape_json(&text), out);
                }
                (Lines::Csv, Kind::Text | Kind::RowNumber | Kind::Number | Kind::Decimal) => {
                    out.push(b',');
                    csv_cell(&text, out);
                }
                (Lines::Json, _) if text.is_empty() => {}
                (Lines::Json, Kind::Text) => {
                    json_key(column.name, out);
                    json_text(&text, out);
                }
                (Lines::Json, Kind::RowNumber | Kind::Number | Kind::Decimal | Kind::Json) => {
                    json_key(column.name, out);
                    out.extend_from_slice(escape_json(&text).as_bytes());
                }
            }
        }
    }

    /// Adds the column of the record in the decision log.
    #[inline]
    pub fn record(&self, id: Option<RecordId>, out: &mut Vec<u8>) {
        match (self.lines, id) {
            (Lines::Csv, None) => out.push(b','),
            (Lines::Csv, Some(id)) => {
                out.push(b',');
                record_id(id, out);
            }
            (Lines::Json, None) => {}
            (Lines::Json, Some(id)) => {
                json_key(RECORD, out);
                out.push(b'"');
                record_id(id, out);
                out.push(b'"');
            }
        }
    }

    /// Adds the columns that come back, and ends the line. A row that could not be taken apart has none.
    #[inline]
    pub fn end(&self, asked: &InputRow<'_>, out: &mut Vec<u8>) {
        let mut values = asked.kept.values();
        for name in &*self.kept {
            let value = values.next().unwrap_or(KeptValue::Absent);
            match (self.lines, value) {
                (Lines::Csv, KeptValue::Absent) => out.push(b','),
                (Lines::Csv, KeptValue::Text(text)) => {
                    out.push(b',');
                    csv_cell(text, out);
                }
                (Lines::Csv, KeptValue::Json(json)) => {
                    out.push(b',');
                    csv_cell(&escape_json(json), out);
                }
                (Lines::Json, KeptValue::Absent | KeptValue::Text("")) => {}
                (Lines::Json, KeptValue::Text(text)) => {
                    json_key_of_input(name, out);
                    json_text(text, out);
                }
                (Lines::Json, KeptValue::Json(json)) => {
                    json_key_of_input(name, out);
                    out.extend_from_slice(escape_json(json).as_bytes());
                }
            }
        }
        if self.lines == Lines::Json {
            out.push(b'}');
        }
        out.push(b'\n');
    }
}

/// What stands before a text that a spreadsheet would take for a formula.
pub const QUOTE: char = '\'';

/// Whether a spreadsheet would take a cell that begins so for a formula (OWASP, CSV injection), or a
/// reader of ours the mark that it is none. A negative number is none.
fn is_formula(cell: &[u8]) -> bool {
    match cell {
        [b'-', number @ ..] => !is_number(number),
        [first, ..] => matches!(first, b'=' | b'+' | b'@' | b'\t' | b'\r' | b'\''),
        [] => false,
    }
}

/// Whether a text is digits, with a point among them or not.
fn is_number(text: &[u8]) -> bool {
    let points = text.iter().filter(|byte| **byte == b'.').count();
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits > 0 && points <= 1 && digits + points == text.len()
}

/// Adds a field of CSV: in quotes where it must be; behind [`QUOTE`] where it would be a formula;
/// with escapes for what a terminal would obey or hide.
#[inline]
/// As [`RecordId`] is displayed.
fn record_id(id: RecordId, out: &mut Vec<u8>) {
    for byte in id.tag {
        out.extend_from_slice(&HEX[usize::from(byte)]);
    }
    out.push(b'-');
    number(id.index, out);
    out.push(b'.');
    number(id.item.into(), out);
}

fn csv_cell(text: &str, out: &mut Vec<u8>) {
    // Only what is no printable ASCII can be hostile to a terminal.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        csv_harmless(text, out)
    } else {
        csv_harmless(&escape(text), out)
    }
}

#[inline]
fn csv_harmless(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let special = |found: bool, byte: &u8| {
        found | (*byte == b',') | (*byte == b'"') | (*byte == b'\n') | (*byte == b'\r')
    };
    let formula = is_formula(bytes);
    if !bytes.iter().fold(false, special) {
        if formula {
            out.push(QUOTE as u8);
        }
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    if formula {
        out.push(QUOTE as u8);
    }
    for byte in bytes {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

fn json_key(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn json_key_of_input(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    json_text(name, out);
    out.push(b':');
}

#[inline]
fn json_text(text: &str, out: &mut Vec<u8>) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        let quoted = serde_json::to_string(text).expect("a text has a JSON form");
        out.extend_from_slice(escape_json(&quoted).as_bytes());
    }
}

/// Adds a number in decimal digits.
#[inline]
fn number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::batch::cells::{RowDecision, Share};
    use crate::cli::batch::chunk::Chunk;

    fn csv_text(text: &str) -> String {
        let mut out = Vec::new();
        csv_cell(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        let check = |text: &str, want: &str| assert_eq!(csv_text(text), want);
        check("", "");
        check("0xab", "0xab");
        check("a,b", "\"a,b\"");
        check("a\"b", "\"a\"\"b\"");
        check("a\r\nb", "a\\r\\nb");
        check("a\u{1b}[2J,\u{202e}b\u{9b}", "\"a\\u{1b}[2J,\\u{202e}b\\u{9b}\"");
        check("=1+1", "'=1+1");
        check("-2,3", "\"'-2,3\"");
        check("-2.50", "-2.50");
        check("-2+3", "'-2+3");
        check("-", "'-");
        check("-.", "'-.");
        check("+2", "'+2");
        check("'quoted", "''quoted");
        check("@SUM(A1)", "'@SUM(A1)");
        check("\tx", "\\tx");
    }

    proptest! {
        /// The csv crate reads the cells as they were, but for the mark against formulas.
        #[test]
        fn cells_are_read_back(texts in prop::collection::vec("[-=a'\",\r\n é]{0,5}", 2..5)) {
            let mut line = Vec::new();
            for (at, text) in texts.iter().enumerate() {
                if at > 0 {
                    line.push(b',');
                }
                csv_cell(text, &mut line);
            }
            line.push(b'\n');
            let mut reader =
                csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_slice());
            let record = reader.records().next().unwrap().unwrap();
            let read: Vec<_> =
                record.iter().map(|cell| cell.strip_prefix(QUOTE).unwrap_or(cell)).collect();
            let texts: Vec<_> = texts.iter().map(|text| escape(text)).collect();
            prop_assert_eq!(read, texts);
            for cell in record.iter() {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
            }
        }

        #[test]
        fn numbers_are_those_of_the_standard_library(value: u64) {
            let mut out = Vec::new();
            number(value, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }

    #[test]
    fn columns_of_the_input_stand_behind_ours() {
        let kept = ["=sum, \"x\"", "tags", "none"].map(str::to_owned);
        let mut chunk = Chunk::default();
        chunk.begin(0, 6);
        let values = [
            KeptValue::Text(&b"-1"[..]),
            KeptValue::Json(b"[1,\"\xe2\x80\xae\"]"),
            KeptValue::Absent,
        ];
        chunk.push([b"r", b"0xab", b""], values.into_iter(), None);
        chunk.push_fault("no row");
        let written = |lines: Lines| {
            let form = RowForm { kept: kept.clone().into(), ..RowForm::new(lines, false) };
            let mut out = form.head();
            for place in 0..2 {
                let asked = chunk.row(place);
                let row = ResultRow { row: asked.row, ..ResultRow::default() };
                form.row(&asked, &row, &mut out);
            }
            (form, String::from_utf8(out).unwrap())
        };
        let (form, csv) = written(Lines::Csv);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let names: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        assert!(form.has_headings(&names), "{names:?}");
        assert!(!RowForm::new(Lines::Csv, false).has_headings(&names));
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        let last = |row: usize| rows[row].iter().skip(32).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(last(0), ["-1", "[1,\"\\u202e\"]", ""]);
        assert_eq!(last(1), ["", "", ""]);
        let (_, json) = written(Lines::Json);
        let rows: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows[0]["=sum, \"x\""], "-1");
        assert_eq!(rows[0]["tags"], serde_json::json!([1, "\u{202e}"]));
        assert_eq!(rows[0].get("none"), None);
        assert!(!json.contains('\u{202e}'), "{json}");
    }

    #[test]
    fn a_row_in_both_forms() {
        let row = ResultRow {
            row: 12,
            reference: "a \"b\" \u{1b}é".to_owned(),
            address: "0xab".to_owned(),
            decision: RowDecision::Review,
            score: Some(60),
            hops: Some(2),
            share: Some(Share(1_250)),
            unvalued_direct: Some(17),
            common_input: "PATH".to_owned(),
            cluster_cut: "0xcd|0xef".to_owned(),
            level: "HIGH".to_owned(),
            exposure_hops: Some(8),
            path: "{\"hops\":[]}".to_owned(),
            ..ResultRow::default()
        };
        let asked = InputRow::of(&row);
        let mut out = Vec::new();
        RowForm::new(Lines::Json, true).row(&asked, &row, &mut out);
        let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let want = serde_json::json!({
            "row": 12, "reference": "a \"b\" \u{1b}é", "address": "0xab", "decision": "REVIEW", "score": 60,
            "level": "HIGH", "hops": 2, "share": 12.5, "exposure_hops": 8, "unvalued_direct": 17,
            "common_input": "PATH", "cluster_cut": "0xcd|0xef", "path": {"hops": []},
        });
        assert_eq!(found, want);
        out.clear();
        RowForm::new(Lines::Csv, false).row(&asked, &row, &mut out);
        let text = String::from_utf8(out).unwrap();
        let want = "12,\"a \"\"b\"\" \\u{1b}é\",0xab,,REVIEW,60,HIGH,,,2,,,12.50,,,,,,,,,,,,8,,,,17,PATH,\
                    0xcd|0xef,\n";
        assert_eq!(text, want);
    }

    #[test]
    fn json_in_a_csv_cell_stays_json() {
        let path = "{\"name\":\"a\u{202e}\u{200c}b\"}";
        let row = ResultRow { row: 1, path: path.to_owned(), ..ResultRow::default() };
        let mut out = Vec::new();
        RowForm::new(Lines::Csv, true).row(&InputRow::of(&row), &row, &mut out);
        assert!(out.is_ascii(), "{}", String::from_utf8_lossy(&out));
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&out[..]);
        let cells = reader.records().next().unwrap().unwrap();
        let cell = cells.iter().find(|cell| cell.starts_with('{')).unwrap();
        let found: serde_json::Value = serde_json::from_str(cell).unwrap();
        assert_eq!(found, serde_json::json!({ "name": "a\u{202e}\u{200c}b" }));
    }
}
