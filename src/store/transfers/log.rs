//! What the keys beside the segments say: headers, heads, retractions, the ledger. Their forms, and
//! the directory of segments in memory. Reads no segment.

use std::ops::RangeInclusive;
use std::sync::Arc;

use hashbrown::HashMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::heads::Ledger;
use crate::domain::chain::Chain;
use crate::domain::coverage::{ChainHead, RetractionRecord, TransferState};
use crate::domain::transfer::{Position, Transfer};

// The first byte of a key of `transfers` says what it is.
pub(super) const HEADER: u8 = b's';
pub(super) const HEAD: u8 = b'c';
pub(super) const RETRACTION: u8 = b'r';
pub(in crate::store) const GARBAGE: u8 = b'g';
pub(super) const LEDGER: &[u8] = b"n";

/// The header of a segment, as stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Its number; never given twice.
    pub id: u64,
    /// Where it begins in the file; `None` for a small one, whose pieces are under its number.
    pub place: Option<u64>,
    pub rows: u32,
    /// Of its packed form.
    pub bytes: u64,
    /// About how many bytes its rows would take by themselves: what says whether it is small.
    pub weight: u64,
    /// Of its packed form, with its number.
    pub checksum: u64,
    pub chains: Vec<Summary>,
}

/// What a segment holds of one chain.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub chain: String,
    pub rows: u32,
    pub unpositioned: u32,
    pub times: Span,
    /// The heights of the rows with a position.
    pub heights: Option<Span>,
    /// The times of the rows without one.
    pub loose: Option<Span>,
}

/// The least and the greatest.
pub(super) type Span = (u64, u64);

fn widen(span: &mut Option<Span>, value: u64) {
    *span = Some(span.map_or((value, value), |(least, most)| (least.min(value), most.max(value))));
}

/// What `rows` hold, chain by chain in the order of their first rows.
pub(super) fn summaries(rows: &[&Transfer]) -> Vec<Summary> {
    let mut found: Vec<(&Chain, Summary)> = Vec::new();
    for row in rows {
        let place = found.iter().position(|(chain, _)| **chain == row.chain);
        let place = place.unwrap_or_else(|| {
            let times = (row.time, row.time);
            let chain = row.chain.to_string();
            let (heights, loose) = (None, None);
            let new = Summary { chain, rows: 0, unpositioned: 0, times, heights, loose };
            found.push((&row.chain, new));
            found.len() - 1
        });
        let summary = &mut found[place].1;
        summary.rows += 1;
        summary.times = (summary.times.0.min(row.time), summary.times.1.max(row.time));
        match row.position {
            Some(position) => widen(&mut summary.heights, position.height),
            None => {
                summary.unpositioned += 1;
                widen(&mut summary.loose, row.time);
            }
        }
    }
    found.into_iter().map(|(_, summary)| summary).collect()
}

/// The head of a chain, as stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeadForm {
    transfers: u64,
    retracted: u64,
    unpositioned: u64,
    times: Option<Span>,
    /// The greatest position of any row.
    top: Option<(u64, u32, u32)>,
    /// Of each span how far it begins after the end of the last, and how many follow its first.
    spans: Vec<Span>,
}

impl HeadForm {
    pub(super) fn new(head: &ChainHead, top: Option<&Position>) -> Self {
        let mut last = 0;
        let spans = head.covered.iter().map(|span| {
            let form = (span.start() - last, span.end() - span.start());
            last = *span.end();
            form
        });
        Self {
            transfers: head.transfers,
            retracted: head.retracted,
            unpositioned: head.unpositioned,
            times: head.first_time.zip(head.last_time),
            spans: spans.collect(),
            top: top.map(|top| (top.height, top.tx_index, top.index)),
        }
    }

    /// The head and the greatest position; `None` where its spans are beyond all numbers.
    pub(super) fn read(self, chain: Chain) -> Option<(ChainHead, Option<Position>)> {
        let mut last = 0_u64;
        let mut covered: Vec<RangeInclusive<u64>> = Vec::with_capacity(self.spans.len());
        for (gap, more) in self.spans {
            let start = last.checked_add(gap)?;
            last = start.checked_add(more)?;
            covered.push(start..=last);
        }
        let head = ChainHead {
            chain,
            transfers: self.transfers,
            retracted: self.retracted,
            unpositioned: self.unpositioned,
            first_time: self.times.map(|(first, _)| first),
            last_time: self.times.map(|(_, last)| last),
            covered,
        };
        let position = |(height, tx_index, index)| Position { height, tx_index, index };
        Some((head, self.top.map(position)))
    }
}

/// A retraction, as stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RetractionForm {
    pub chain: String,
    pub from_height: u64,
    pub rows: u64,
    pub at: Timestamp,
    pub reason: String,
}

impl RetractionForm {
    pub(super) fn new(record: &RetractionRecord) -> Self {
        Self {
            chain: record.chain.to_string(),
            from_height: record.from_height,
            rows: record.rows,
            at: record.at,
            reason: record.reason.clone(),
        }
    }

    /// `None` where the chain is none.
    pub(super) fn read(self) -> Option<RetractionRecord> {
        let Self { chain, from_height, rows, at, reason } = self;
        Some(RetractionRecord { chain: chain.parse().ok()?, from_height, rows, at, reason })
    }
}

/// A segment, as the directory has it.
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

/// How far a segment reaches on one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Reach {
    /// The place of the chain in [`Log::chains`].
    pub chain: usize,
    pub rows: u32,
    pub times: Span,
    pub heights: Option<Span>,
    pub loose: Option<Span>,
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
    /// The greatest position of each chain.
    pub tops: HashMap<String, Position>,
    pub chains: Vec<Chain>,
}

impl Log {
    /// Puts a segment at the end; `None` if it names no chain, or one too many, or a place beyond all
    /// numbers.
    pub(super) fn push(&mut self, first_row: u64, header: Header) -> Option<()> {
        let mut reaches = Vec::with_capacity(header.chains.len());
        for summary in header.chains {
            let Summary { chain, rows, times, heights, loose, .. } = summary;
            let chain = self.chain(&chain)?;
            reaches.push(Reach { chain, rows, times, heights, loose });
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
        // The text of a chain costs nothing for most; there are at most MAX_CHAINS.
        if let Some(known) = self.chains.iter().position(|chain| chain.caip2() == name) {
            return Some(known);
        }
        if self.chains.len() >= super::MAX_CHAINS {
            return None;
        }
        self.chains.push(name.parse().ok()?);
        Some(self.chains.len() - 1)
    }

    /// The segment that holds a row.
    pub(super) fn segment_of(&self, row: u64) -> Option<&Segment> {
        let place = self.segments.partition_point(|segment| segment.end() <= row);
        self.segments.get(place)
    }
}
