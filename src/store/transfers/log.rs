//! The stored forms of headers, retractions, replacements, conflicts and the ledger, and the
//! directory of segments in memory. Reads no segment.

use std::sync::Arc;

use hashbrown::HashMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::heads::Ledger;
use super::super::{StoreError, value};
use super::head::{Span, Tops};
use crate::domain::chain::Chain;
use crate::domain::coverage::{Conflict, Replacement, RetractionRecord, Settlement, TransferState};
use crate::domain::transfer::{MovementKind, Transfer};

// The first byte of a key of `transfers` says what it is.
pub(super) const HEADER: u8 = b's';
/// The head of a chain in schema 2.
pub(super) const HEAD_2: u8 = b'c';
pub(super) const HEAD: u8 = b'h';
pub(super) const REPLACEMENTS: u8 = b'x';
pub(super) const CONFLICT: u8 = b'k';
pub(super) const RETRACTION: u8 = b'r';
pub(in crate::store) const GARBAGE: u8 = b'g';
pub(super) const LEDGER: &[u8] = b"n";

/// The header of a segment, as stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Its number; never reused.
    pub id: u64,
    /// Its offset in the file; `None` for a small one, whose pieces are under its number.
    pub place: Option<u64>,
    pub rows: u32,
    /// Of its packed form.
    pub bytes: u64,
    /// Estimated bytes of its segment_cache rows; decides whether it is small.
    pub weight: u64,
    /// Checksum of its packed form, seeded with its number.
    pub checksum: u64,
    pub chains: Vec<Summary>,
}

/// Summary of one chain in a segment.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub chain: String,
    pub rows: u32,
    pub unpositioned: u32,
    pub times: Span,
    /// The heights of rows with one.
    pub heights: Option<Span>,
    /// The times of the rows without a position.
    pub unpositioned_times: Option<Span>,
}

fn widen(span: &mut Option<Span>, value: u64) {
    *span = Some(span.map_or((value, value), |(least, most)| (least.min(value), most.max(value))));
}

/// Summarizes `rows` by chain, in the order of their first rows.
pub(super) fn summaries(rows: &[&Transfer]) -> Vec<Summary> {
    let mut found: Vec<(&Chain, Summary)> = Vec::new();
    for row in rows {
        let place = found.iter().position(|(chain, _)| **chain == row.chain);
        let place = place.unwrap_or_else(|| {
            let times = (row.time, row.time);
            let chain = row.chain.to_string();
            let (heights, unpositioned_times) = (None, None);
            let new =
                Summary { chain, rows: 0, unpositioned: 0, times, heights, unpositioned_times };
            found.push((&row.chain, new));
            found.len() - 1
        });
        let summary = &mut found[place].1;
        summary.rows += 1;
        summary.times = (summary.times.0.min(row.time), summary.times.1.max(row.time));
        if let Some(height) = row.height() {
            widen(&mut summary.heights, height);
        }
        if row.position().is_none() {
            summary.unpositioned += 1;
            widen(&mut summary.unpositioned_times, row.time);
        }
    }
    found.into_iter().map(|(_, summary)| summary).collect()
}

/// A retraction, as stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RetractionForm {
    pub chain: String,
    pub from_height: u64,
    pub rows: u64,
    pub at: Timestamp,
    pub reason: String,
    pub block_hash: Option<[u8; 32]>,
}

/// A retraction, as schema 2 stored it.
#[derive(Deserialize)]
struct RetractionForm2 {
    chain: String,
    from_height: u64,
    rows: u64,
    at: Timestamp,
    reason: String,
}

impl RetractionForm {
    pub(super) fn new(record: &RetractionRecord) -> Self {
        Self {
            chain: record.chain.to_string(),
            from_height: record.from_height,
            rows: record.rows,
            at: record.at,
            reason: record.reason.clone(),
            block_hash: record.block_hash,
        }
    }

    /// Decodes either form: that of schema 2 is a prefix.
    pub(super) fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, StoreError> {
        if let Ok(form) = value::decode("transfers", key, bytes) {
            return Ok(form);
        }
        let old: RetractionForm2 = value::decode("transfers", key, bytes)?;
        let RetractionForm2 { chain, from_height, rows, at, reason } = old;
        Ok(Self { chain, from_height, rows, at, reason, block_hash: None })
    }

    /// Returns `None` if the chain is invalid.
    pub(super) fn read(self) -> Option<RetractionRecord> {
        let Self { chain, from_height, rows, at, reason, block_hash } = self;
        let chain = chain.parse().ok()?;
        Some(RetractionRecord { chain, from_height, rows, at, reason, block_hash })
    }
}

/// The maximum number of replacements per key.
pub(super) const REPLACEMENTS_A_KEY: usize = 4096;

/// Consecutive replacements, as stored under the number of the first.
pub(super) type ReplacementsForm = Vec<Replacement>;

/// A conflict, as stored under its number.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ConflictForm {
    chain: String,
    kind: MovementKind,
    height: Option<u64>,
    first: u64,
    second: u64,
    settled: Option<Settlement>,
}

impl ConflictForm {
    pub(super) fn new(conflict: &Conflict) -> Self {
        let Conflict { chain, kind, height, first, second, settled } = conflict.clone();
        Self { chain: chain.to_string(), kind, height, first, second, settled }
    }

    /// Returns `None` if the chain is invalid.
    pub(super) fn read(self) -> Option<Conflict> {
        let Self { chain, kind, height, first, second, settled } = self;
        Some(Conflict { chain: chain.parse().ok()?, kind, height, first, second, settled })
    }
}

/// A segment in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Segment {
    pub first_row: u64,
    pub rows: u32,
    pub id: u64,
    pub place: Option<u64>,
    pub bytes: u64,
    pub weight: u64,
    pub checksum: u64,
    pub reaches: Box<[Reach]>,
}

impl Segment {
    /// The row after the last.
    pub fn end(&self) -> u64 {
        self.first_row + u64::from(self.rows)
    }
}

/// The extents of a segment on one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Reach {
    /// The index of the chain in [`Log::chains`].
    pub chain: usize,
    pub rows: u32,
    pub unpositioned: u32,
    pub times: Span,
    pub heights: Option<Span>,
    pub unpositioned_times: Option<Span>,
}

/// The directory of all that is stored.
#[derive(Debug, Default)]
pub(in crate::store) struct Log {
    /// In the order of their rows, without a gap.
    pub segments: Vec<Segment>,
    pub next_id: u64,
    /// The end of the last segment in the file.
    pub file_end: u64,
    pub ledger: Ledger,
    pub state: Arc<TransferState>,
    /// The greatest positions of each chain.
    pub tops: HashMap<String, Tops>,
    pub chains: Vec<Chain>,
}

impl Log {
    /// Appends a segment; `None` if it names an invalid chain, too many chains, or an offset that
    /// overflows.
    pub(super) fn push(&mut self, first_row: u64, header: Header) -> Option<()> {
        let mut reaches = Vec::with_capacity(header.chains.len());
        for summary in header.chains {
            let Summary { chain, rows, unpositioned, times, heights, unpositioned_times } = summary;
            let chain = self.chain(&chain)?;
            reaches.push(Reach { chain, rows, unpositioned, times, heights, unpositioned_times });
        }
        let Header { id, place, rows, bytes, weight, checksum, .. } = header;
        let reaches = reaches.into();
        let segment = Segment { first_row, rows, id, place, bytes, weight, checksum, reaches };
        self.segments.push(segment);
        if let Some(place) = place {
            self.file_end = self.file_end.max(place.checked_add(bytes)?);
        }
        self.next_id = self.next_id.max(id.checked_add(1)?);
        Some(())
    }

    fn chain(&mut self, name: &str) -> Option<usize> {
        // Getting the text of most chains is free; there are at most MAX_CHAINS.
        if let Some(known) = self.chains.iter().position(|chain| chain.caip2() == name) {
            return Some(known);
        }
        if self.chains.len() >= super::MAX_CHAINS {
            return None;
        }
        self.chains.push(name.parse().ok()?);
        Some(self.chains.len() - 1)
    }

    /// Returns the segment of a row.
    pub(super) fn segment_of(&self, row: u64) -> Option<&Segment> {
        let place = self.segments.partition_point(|segment| segment.end() <= row);
        self.segments.get(place)
    }
}
