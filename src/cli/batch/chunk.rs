//! A chunk of some thousand rows: the rows as read, then their answers.

use std::ops::Range;

use super::summary::Counts;
use crate::grpc::v1;
use crate::source::rows::Progress;

/// The most bytes of an address that is asked, far beyond any form.
const MAX_ADDRESS: usize = 1_024;

/// The most bytes of a chain's name.
const MAX_CHAIN: usize = 256;

/// The most bytes of a reference.
const MAX_REFERENCE: usize = 4_096;

/// What is shown of a value that is too long, in bytes.
const SHOWN: usize = 128;

/// Rows in the order of the input. Chunks are used again and again, so that a row takes no memory of
/// its own.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Its place among the chunks, from 0.
    pub sequence: u64,
    /// The rows before its first, in the input.
    pub rows_before: u64,
    /// How far the input was read when it was full.
    pub progress: Progress,
    text: String,
    rows: Vec<Spans>,
    /// The values that come back, row after row.
    kept: Vec<KeptSpan>,
    /// The rows of the result, as the file takes them.
    pub out: Vec<u8>,
    pub counts: Counts,
    /// The snapshots that the answers rest on.
    pub snapshots: Vec<v1::Snapshot>,
    /// Whether answering was stopped before its last row: `out` has the rows before.
    pub is_cut: bool,
}

#[derive(Debug, Default)]
struct Spans {
    /// Where in the text the reference, the address and the chain end; the first begins where the
    /// row before ends.
    start: usize,
    ends: [usize; 3],
    /// Which of the values that come back are its own; their text begins behind the chain.
    kept: Range<usize>,
    /// Why the row cannot be asked.
    fault: Option<Box<str>>,
}

/// A value of the input that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptValue<T> {
    Absent,
    Text(T),
    /// A number, a list or another value of JSON, as it stands.
    Json(T),
}

/// Where a value ends that comes back, which begins where the one before ends.
type KeptSpan = KeptValue<usize>;

/// The values of a row that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptValues<'c> {
    text: &'c str,
    /// Where its first value begins.
    start: usize,
    spans: &'c [KeptSpan],
}

impl<'c> KeptValues<'c> {
    #[cfg(test)]
    pub const NONE: Self = Self { text: "", start: 0, spans: &[] };

    pub fn values(self) -> impl Iterator<Item = KeptValue<&'c str>> {
        let mut start = self.start;
        let mut text = move |end: usize| &self.text[std::mem::replace(&mut start, end)..end];
        self.spans.iter().map(move |span| match *span {
            KeptValue::Absent => KeptValue::Absent,
            KeptValue::Text(end) => KeptValue::Text(text(end)),
            KeptValue::Json(end) => KeptValue::Json(text(end)),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputRow<'c> {
    /// Its number in the input, from 1.
    pub row: u64,
    /// The value of the reference column.
    pub reference: &'c str,
    pub address: &'c str,
    pub chain: &'c str,
    /// The values that come back.
    pub kept: KeptValues<'c>,
    /// Why it cannot be asked; `None` where it can.
    pub fault: Option<&'c str>,
}

#[cfg(test)]
impl<'r> InputRow<'r> {
    /// The row of which `row` is the result.
    pub fn of(row: &'r super::columns::ResultRow) -> Self {
        let super::columns::ResultRow { row, reference, address, chain, .. } = row;
        Self { row: *row, reference, address, chain, kept: KeptValues::NONE, fault: None }
    }
}

impl InputRow<'_> {
    /// The chain's name without the blanks around it, as tables have them.
    #[inline]
    pub fn chain_name(&self) -> &str {
        self.chain.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
    }
}

impl Chunk {
    /// Empties it, for the rows behind `rows_before`.
    pub fn begin(&mut self, sequence: u64, rows_before: u64) {
        let Self { text, rows, kept, out, snapshots, counts, is_cut, .. } = self;
        text.clear();
        rows.clear();
        kept.clear();
        out.clear();
        snapshots.clear();
        *counts = Counts::default();
        *is_cut = false;
        self.sequence = sequence;
        self.rows_before = rows_before;
    }

    /// Adds a row; values that are no UTF-8 or too long are a fault beside `fault`, and shown as far as
    /// they can be. In those that come back, what is no UTF-8 is U+FFFD.
    pub fn push<'v>(
        &mut self,
        [reference, address, chain]: [&[u8]; 3],
        kept: impl Iterator<Item = KeptValue<&'v [u8]>>,
        fault: Option<&str>,
    ) {
        let start = self.text.len();
        let mut fault = fault.map(str::to_owned);
        let mut ends = [0; 3];
        let values = [
            ("the reference", reference, MAX_REFERENCE),
            ("the address", address, MAX_ADDRESS),
            ("the chain", chain, MAX_CHAIN),
        ];
        for (end, (name, value, most)) in ends.iter_mut().zip(values) {
            let shown = match std::str::from_utf8(value) {
                Ok(text) if text.len() <= most => {
                    self.text.push_str(text);
                    *end = self.text.len();
                    continue;
                }
                Ok(text) => {
                    let why = format!("{name} is longer than {most} bytes");
                    fault.get_or_insert(why);
                    text[..text.floor_char_boundary(SHOWN)].to_owned()
                }
                Err(_) => {
                    fault.get_or_insert_with(|| format!("{name} is not UTF-8"));
                    let text = String::from_utf8_lossy(&value[..value.len().min(SHOWN)]);
                    text.into_owned()
                }
            };
            self.text.push_str(&shown);
            *end = self.text.len();
        }
        if address.is_empty() {
            fault.get_or_insert_with(|| "the address is empty".to_owned());
        }
        let first = self.kept.len();
        for value in kept {
            let span = match value {
                KeptValue::Absent => KeptValue::Absent,
                KeptValue::Text(text) => KeptValue::Text(self.push_text(text)),
                KeptValue::Json(text) => KeptValue::Json(self.push_text(text)),
            };
            self.kept.push(span);
        }
        let kept = first..self.kept.len();
        self.rows.push(Spans { start, ends, kept, fault: fault.map(Into::into) });
    }

    /// Adds a text; where it ends.
    fn push_text(&mut self, text: &[u8]) -> usize {
        match std::str::from_utf8(text) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.text.push_str(&String::from_utf8_lossy(text)),
        }
        self.text.len()
    }

    /// Adds a row of which nothing can be told but why.
    pub fn push_fault(&mut self, fault: &str) {
        let start = self.text.len();
        self.rows.push(Spans { start, ends: [start; 3], kept: 0..0, fault: Some(fault.into()) });
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many bytes its rows have.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The row at `place`, from 0.
    pub fn row(&self, place: usize) -> InputRow<'_> {
        let Spans { start, ends: [reference, address, chain], kept, fault } = &self.rows[place];
        InputRow {
            row: self.rows_before + place as u64 + 1,
            reference: &self.text[*start..*reference],
            address: &self.text[*reference..*address],
            chain: &self.text[*address..*chain],
            kept: KeptValues { text: &self.text, start: *chain, spans: &self.kept[kept.clone()] },
            fault: fault.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_pushed() {
        let mut chunk = Chunk::default();
        let kept = [
            KeptValue::Text(&b"x"[..]),
            KeptValue::Absent,
            KeptValue::Text(b""),
            KeptValue::Json(b"[1]"),
            KeptValue::Text(b"M\xfcr"),
        ];
        for round in 0..2 {
            chunk.begin(round, 7);
            chunk.push([b"r", b"0xab", b"eth"], kept.into_iter(), None);
            chunk.push_fault("no row");
            chunk.push([b"", "é".repeat(600).as_bytes(), b""], std::iter::empty(), None);
            chunk.push(["ü".as_bytes(), b"\xff\xfeab", b""], kept.into_iter(), Some("a number"));
            chunk.push([b"", b"", b"btc"], std::iter::empty(), None);
            let plain = chunk.row(0);
            assert_eq!((chunk.len(), plain.row, plain.fault), (5, 8, None));
            assert_eq!([plain.reference, plain.address, plain.chain], ["r", "0xab", "eth"]);
            for place in [0, 3] {
                let found: Vec<_> = chunk.row(place).kept.values().collect();
                let want = [
                    KeptValue::Text("x"),
                    KeptValue::Absent,
                    KeptValue::Text(""),
                    KeptValue::Json("[1]"),
                    KeptValue::Text("M\u{fffd}r"),
                ];
                assert_eq!(found, want);
            }
            assert_eq!(chunk.row(1).kept.values().count(), 0);
            let fault = |place: usize| chunk.row(place).fault.unwrap_or_default();
            assert_eq!((chunk.row(1).address, fault(1)), ("", "no row"));
            assert_eq!(chunk.row(2).address, "é".repeat(64));
            assert_eq!(fault(2), "the address is longer than 1024 bytes");
            assert_eq!((chunk.row(3).address, chunk.row(3).reference), ("\u{fffd}\u{fffd}ab", "ü"));
            assert_eq!(fault(3), "a number");
            assert_eq!((chunk.row(4).row, chunk.row(4).chain), (12, "btc"));
            assert_eq!(fault(4), "the address is empty");
        }
    }
}
