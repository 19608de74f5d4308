//! Reads transfers: in order by segment, or by number through an LRU cache of segment_cache segments.

use std::collections::{BTreeSet, HashMap};
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use super::super::{Store, StoreError, pieces};
use super::head::Span;
use super::log::{self, Segment};
use super::{Clock, Tops, codec, segment_key};
use crate::domain::chain::Chain;
use crate::domain::coverage::TransferState;
use crate::domain::lock::Recover;
use crate::domain::transfer::Transfer;

/// The capacity of the cache, in segments of 4,096 rows of some 300 bytes each.
const CACHED_SEGMENTS: usize = 16;

/// LRU cache of segment_cache segments by number, the most recently used last.
#[derive(Default)]
pub(in crate::store) struct SegmentCache(Vec<(u64, Arc<Vec<Transfer>>)>);

impl SegmentCache {
    pub(in crate::store) fn clear(&mut self) {
        self.0.clear();
    }

    fn find(&mut self, id: u64) -> Option<Arc<Vec<Transfer>>> {
        let place = self.0.iter().position(|(known, _)| *known == id)?;
        self.0[place..].rotate_left(1);
        self.0.last().map(|(_, rows)| Arc::clone(rows))
    }

    fn insert(&mut self, id: u64, rows: &Arc<Vec<Transfer>>) {
        if self.0.iter().any(|(known, _)| *known == id) {
            return;
        }
        if self.0.len() == CACHED_SEGMENTS {
            self.0.remove(0);
        }
        self.0.push((id, Arc::clone(rows)));
    }
}

impl Store {
    /// Returns the loaded state, which is always durable.
    pub fn transfer_state(&self) -> Arc<TransferState> {
        Arc::clone(&self.log().state)
    }

    /// Returns the greatest positions that rows of a chain ever had.
    pub fn tops(&self, chain: &Chain) -> Tops {
        self.log().tops.get(&*chain.caip2()).copied().unwrap_or_default()
    }

    /// Returns first row and row count of each segment that may hold rows of a chain in a span of
    /// heights, or of times for rows without a position.
    pub fn reaching(
        &self,
        chain: &Chain,
        clock: Clock,
        span: &RangeInclusive<u64>,
    ) -> Vec<(u64, u32)> {
        let log = self.log();
        let Some(chain) = log.chains.iter().position(|known| known == chain) else {
            return Vec::new();
        };
        let meets = |found: Option<Span>| {
            found.is_some_and(|(least, most)| least <= *span.end() && most >= *span.start())
        };
        let reaches = |segment: &&Segment| {
            segment.reaches.iter().any(|reach| {
                let found =
                    if clock == Clock::Heights { reach.heights } else { reach.unpositioned_times };
                reach.chain == chain && meets(found)
            })
        };
        let found = log.segments.iter().filter(reaches);
        found.map(|segment| (segment.first_row, segment.rows)).collect()
    }

    /// Estimates the bytes of the rows below a number; a transfer between two addresses has some 100.
    pub fn row_bytes_below(&self, rows: u64) -> u64 {
        let log = self.log();
        let below = log.segments.iter().take_while(|segment| segment.first_row < rows);
        let bytes = below.map(|segment| match rows.checked_sub(segment.end()) {
            Some(_) => segment.weight,
            // Only a part of it; rounded up.
            None => {
                let part = u128::from(segment.weight) * u128::from(rows - segment.first_row);
                part.div_ceil(u128::from(segment.rows.max(1))) as u64
            }
        });
        bytes.fold(0, u64::saturating_add)
    }

    /// Calls `visit` with every row from number `from` on, by segment and in order, with the number
    /// of the first, until it breaks. Rows stored meanwhile may or may not be included.
    pub fn read_rows(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, Vec<Transfer>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut next = from;
        while let Some((segment, mut rows)) = self.unpack_at(next, Self::unpack)? {
            let skipped = (next - segment.first_row) as usize;
            rows.drain(..skipped);
            if visit(next, rows).is_break() {
                break;
            }
            next = segment.end();
        }
        Ok(())
    }

    /// Returns the rows that count today for the rows with these ascending numbers: the rows
    /// themselves or their replacements. Fails if a row does not exist.
    pub fn rows(&self, rows: &[u64]) -> Result<Vec<(u64, Transfer)>, StoreError> {
        let replacements = Arc::clone(&self.transfer_state().replacements);
        if replacements.is_empty() {
            return self.stored_rows(rows);
        }
        let newest: BTreeSet<u64> = rows.iter().map(|row| replacements.newest(*row)).collect();
        let found = self.stored_rows(&newest.into_iter().collect::<Vec<_>>())?;
        let found: HashMap<u64, Transfer> = found.into_iter().collect();
        let told = |row: &u64| Some((*row, found.get(&replacements.newest(*row))?.clone()));
        Ok(rows.iter().filter_map(told).collect())
    }

    /// Returns the rows with these ascending numbers as stored. Fails if a row does not exist.
    pub fn stored_rows(&self, rows: &[u64]) -> Result<Vec<(u64, Transfer)>, StoreError> {
        let mut found = Vec::with_capacity(rows.len());
        let mut current: Option<(Segment, Arc<Vec<Transfer>>)> = None;
        for &row in rows {
            let inside = |segment: &Segment| (segment.first_row..segment.end()).contains(&row);
            if !current.as_ref().is_some_and(|(segment, _)| inside(segment)) {
                current = self.unpack_at(row, Self::unpack_cached)?;
            }
            let Some((segment, segment_cache)) = &current else {
                return Err(StoreError::NoRow { row, rows: self.log().ledger.rows });
            };
            found.push((row, segment_cache[(row - segment.first_row) as usize].clone()));
        }
        Ok(found)
    }

    /// Unpacks the segment of a row with `unpack`. Retries if the segment was merged into a larger
    /// one meanwhile.
    fn unpack_at<T>(
        &self,
        row: u64,
        unpack: impl Fn(&Self, &Segment) -> Result<T, StoreError>,
    ) -> Result<Option<(Segment, T)>, StoreError> {
        loop {
            let Some(segment) = self.log().segment_of(row).cloned() else { return Ok(None) };
            let segment_cache = unpack(self, &segment);
            let moved = || self.log().segment_of(row).is_none_or(|now| now.id != segment.id);
            match segment_cache {
                Err(_) if moved() => {}
                Err(error) => return Err(error),
                Ok(rows) => return Ok(Some((segment, rows))),
            }
        }
    }

    fn unpack_cached(&self, segment: &Segment) -> Result<Arc<Vec<Transfer>>, StoreError> {
        let kept = || self.segment_cache.lock().recover();
        let known = kept().find(segment.id);
        if let Some(rows) = known {
            return Ok(rows);
        }
        let rows = Arc::new(self.unpack(segment)?);
        kept().insert(segment.id, &rows);
        Ok(rows)
    }

    /// Returns the numbers of the small segments, and the end of the last segment in the file.
    pub(in crate::store) fn segments_now(&self) -> (Vec<u64>, u64) {
        let log = self.log();
        let small = log.segments.iter().filter(|segment| segment.place.is_none());
        (small.map(|segment| segment.id).collect(), log.file_end)
    }

    /// Reads and checks the rows of a segment.
    pub(super) fn unpack(&self, segment: &Segment) -> Result<Vec<Transfer>, StoreError> {
        let key = segment_key(segment.id);
        let length = segment.bytes as usize;
        let bytes = match segment.place {
            Some(place) => self.segment_file.read(place, length)?,
            None => pieces::read(&self.segments, "segments", &key, length)?,
        };
        segment.unpack(&bytes).map_err(|what| match segment.place {
            Some(place) => self.segment_file.damaged(place, what),
            None => StoreError::corrupt("segments", &key, what),
        })
    }
}

impl Segment {
    /// Unpacks the rows of its packed form. Fails with the problem.
    pub fn unpack(&self, packed: &[u8]) -> Result<Vec<Transfer>, String> {
        let wrong = |what: &dyn std::fmt::Display| {
            format!("transfers {} to {}: {what}", self.first_row, self.end().saturating_sub(1))
        };
        if pieces::checksum(&segment_key(self.id), packed) != self.checksum {
            return Err(wrong(&"the checksum is wrong"));
        }
        let rows = codec::decode(packed).map_err(|error| wrong(&error))?;
        if rows.len() as u64 == u64::from(self.rows) {
            Ok(rows)
        } else {
            Err(wrong(&format_args!("there are {}, not {}", rows.len(), self.rows)))
        }
    }

    /// As [`Segment::unpack`], and compares the rows with the header. `chains` are those of the
    /// log.
    pub fn check(&self, packed: &[u8], chains: &[Chain]) -> Result<Vec<Transfer>, String> {
        let rows = self.unpack(packed)?;
        let summaries = log::summaries(&rows.iter().collect::<Vec<_>>());
        let same = |(found, told): (&log::Summary, &log::Reach)| {
            *chains[told.chain].caip2() == *found.chain
                && (found.rows, found.times) == (told.rows, told.times)
                && (found.heights, found.unpositioned_times)
                    == (told.heights, told.unpositioned_times)
        };
        let all = summaries.len() == self.reaches.len();
        if all && summaries.iter().zip(&self.reaches).all(same) {
            Ok(rows)
        } else {
            let (first, last) = (self.first_row, self.end().saturating_sub(1));
            Err(format!("transfers {first} to {last}: they are not what their header says"))
        }
    }
}
