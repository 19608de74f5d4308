//! A few thousand rows on their way through a batch: as read, then as answered. Must not read, ask or
//! write.

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
    /// The rows of the result, as the file takes them.
    pub out: Vec<u8>,
    /// What they came to.
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
    /// Why the row cannot be asked.
    fault: Option<Box<str>>,
}

/// A row as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'c> {
    /// Its number in the input, from 1.
    pub row: u64,
    /// The value of the reference column.
    pub reference: &'c str,
    /// The address.
    pub address: &'c str,
    /// The chain.
    pub chain: &'c str,
    /// Why it cannot be asked; `None` where it can.
    pub fault: Option<&'c str>,
}

impl Asked<'_> {
    /// The chain's name without the blanks around it, as tables have them.
    #[inline]
    pub fn chain_name(&self) -> &str {
        self.chain.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
    }
}

impl Chunk {
    /// Empties it, for the rows behind `rows_before`.
    pub fn begin(&mut self, sequence: u64, rows_before: u64) {
        let Self { text, rows, out, snapshots, counts, is_cut, .. } = self;
        text.clear();
        rows.clear();
        out.clear();
        snapshots.clear();
        *counts = Counts::default();
        *is_cut = false;
        self.sequence = sequence;
        self.rows_before = rows_before;
    }

    /// Adds a row; values that are no UTF-8 or too long are a fault, and shown as far as they can be.
    pub fn push(&mut self, reference: &[u8], address: &[u8], chain: &[u8]) {
        let start = self.text.len();
        let mut fault = None;
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
        self.rows.push(Spans { start, ends, fault: fault.map(Into::into) });
    }

    /// Adds a row of which nothing can be told but why.
    pub fn push_fault(&mut self, fault: &str) {
        let start = self.text.len();
        self.rows.push(Spans { start, ends: [start; 3], fault: Some(fault.into()) });
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
    pub fn row(&self, place: usize) -> Asked<'_> {
        let Spans { start, ends: [reference, address, chain], fault } = &self.rows[place];
        Asked {
            row: self.rows_before + place as u64 + 1,
            reference: &self.text[*start..*reference],
            address: &self.text[*reference..*address],
            chain: &self.text[*address..*chain],
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
        for round in 0..2 {
            chunk.begin(round, 7);
            chunk.push(b"r", b"0xab", b"eth");
            chunk.push_fault("no row");
            chunk.push(b"", "é".repeat(600).as_bytes(), b"");
            chunk.push("ü".as_bytes(), b"\xff\xfeab", b"");
            chunk.push(b"", b"", b"btc");
            let plain =
                Asked { row: 8, reference: "r", address: "0xab", chain: "eth", fault: None };
            assert_eq!((chunk.len(), chunk.row(0)), (5, plain));
            let fault = |place: usize| chunk.row(place).fault.unwrap_or_default();
            assert_eq!((chunk.row(1).address, fault(1)), ("", "no row"));
            assert_eq!(chunk.row(2).address, "é".repeat(64));
            assert_eq!(fault(2), "the address is longer than 1024 bytes");
            assert_eq!((chunk.row(3).address, chunk.row(3).reference), ("\u{fffd}\u{fffd}ab", "ü"));
            assert_eq!(fault(3), "the address is not UTF-8");
            assert_eq!((chunk.row(4).row, chunk.row(4).chain), (12, "btc"));
            assert_eq!(fault(4), "the address is empty");
        }
    }
}
