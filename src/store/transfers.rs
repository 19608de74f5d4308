//! Transfers: rows in packed segments with permanent numbers, and the state of each chain. Rows are
//! deduplicated before, by `ingest`.
//!
//! # Layout
//!
//! | where | key | value |
//! |---|---|---|
//! | file `segments` | | the packed forms ([`codec`]) of whole segments, one after the other |
//! | tree `segments` | number of a small segment (8), piece (4) | 6 KiB of its packed form |
//! | tree `transfers` | `s`, a segment's first row (8) | header: number, place, rows, bytes, checksum, reach |
//! | | `h`, CAIP-2 id, 0 | the head of a chain: coverage and gaps by kind, its greatest positions |
//! | | `c`, CAIP-2 id, 0 | the same in the form of schema 2, until the chain changes |
//! | | `r`, number (8) | a retraction, kept for ever |
//! | | `x`, number of the first (8) | up to 4,096 replacements of rows by others, kept for ever |
//! | | `k`, number (8) | a conflict, kept for ever |
//! | | `g`, number of a segment (8) | that its pieces are to be removed |
//! | | `n` | the ledger: the number of changes, and of rows |
//!
//! A whole segment has about 4,096 rows, fewer where they are large: about 1 MiB at most, but for
//! one row that is larger. Its checksum is XXH3 over its number and form ([`super::pieces`]). The
//! values of `transfers` are sealed and split like all others. Whole segments have a separate file,
//! because sled would write each byte of them four times ([`file`]).
//!
//! # What is atomic
//!
//! A change writes new segments and syncs. Then it writes everything that it changes in `transfers`
//! as one atomic sled batch, and syncs. Then it replaces `heads`, and only then is it acknowledged.
//! A segment exists if its header does. Bytes in the file after the last segment with a header, and
//! pieces with a greater number than any header, are leftovers of a killed change; opening removes
//! them.
//!
//! Small appends make small segments. Once those at the end and the new rows fill a whole segment,
//! the change rewrites them together: the same batch replaces the small headers by the large one,
//! and records which pieces to remove. Rows keep their numbers and order.

mod change;
mod codec;
mod file;
mod head;
mod log;
mod read;
mod recover;
mod retract;

use std::sync::{Arc, RwLockReadGuard};

use self::change::Change;
use self::head::HeadForm;
use self::log::{ConflictForm, Header, RetractionForm};
use super::heads::Ledger;
use super::{Store, StoreError, pieces, value};
use crate::domain::chain::Chain;
use crate::domain::coverage::{RetractionRecord, Settlement};
use crate::domain::lock::Recover;
use crate::domain::transfer::{MAX_HEIGHT, Movement, Transfer, TransferError};

pub use self::change::{Append, Replaced};
pub(super) use self::file::SegmentFile;
pub use self::head::Tops;
pub(super) use self::log::{GARBAGE, Log, Segment};
pub(super) use self::read::SegmentCache;
pub(super) use self::recover::Directory;
pub use self::retract::Retract;

/// The maximum number of chains with transfers.
pub(super) const MAX_CHAINS: usize = 256;

/// The maximum number of rows: their numbers fit 32 bits in memory.
pub(super) const MAX_ROWS: u64 = u32::MAX as u64 - 1;

/// Rows of a whole segment. A remainder of less than half makes a small one.
pub(super) const SEGMENT: usize = 4096;

/// The approximate maximum of bytes of a segment's rows.
const SEGMENT_BYTES: usize = 1024 * 1024;

/// The longest reason for a retraction, in bytes.
const MAX_REASON: usize = 1024;

/// The order of the rows of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// Rows with a position: their heights.
    Heights,
    /// Rows without one: their times.
    Times,
}

impl Store {
    /// Appends rows, with all related changes, durably. After a failure everything or nothing is
    /// present on the next opening. Returns the number of the first row. The rows must be valid
    /// ([`Transfer::check`]).
    pub fn append_transfers(&self, append: &Append<'_>) -> Result<u64, StoreError> {
        let check = || self.plan(append);
        let (first_row, superseded) = self.write(check, |change| match change {
            Some(change) => {
                let first_row = change.ledger.rows - append.rows.len() as u64;
                Ok((first_row, self.commit(append.rows, None, change)?))
            }
            None => Ok((self.log().ledger.rows, Vec::new())),
        })?;
        self.remove_segments(&superseded);
        Ok(first_row)
    }

    /// Retracts rows of a chain, durably. Returns the number of rows that no longer count.
    pub fn retract_transfers(
        &self,
        retract: &Retract<'_>,
    ) -> Result<(u64, RetractionRecord), StoreError> {
        check_reason(retract.reason)?;
        check_chain(retract.chain)?;
        check_height("first_height", retract.from_height)?;
        let plan = || self.plan_retraction(retract);
        self.write(plan, |(taken, record, change)| {
            self.commit(&[], Some(&record), change)?;
            Ok((taken, record))
        })
    }

    pub fn settle_conflict(&self, number: u64, settlement: &Settlement) -> Result<(), StoreError> {
        check_reason(&settlement.reason)?;
        let plan = || self.plan_settlement(number, settlement);
        self.write(plan, |change| self.commit(&[], None, change).map(drop))
    }

    fn log(&self) -> RwLockReadGuard<'_, Log> {
        self.log.read().recover()
    }

    /// Returns the number of changes and rows.
    pub(super) fn ledger(&self) -> Result<Ledger, StoreError> {
        let stored = value::read(&self.transfers, "transfers", log::LEDGER)?;
        let read = |bytes: Vec<u8>| value::decode("transfers", log::LEDGER, &bytes);
        stored.map_or_else(|| Ok(Ledger::default()), read)
    }

    /// Makes a change durable and current. Returns the numbers of superseded segments.
    fn commit(
        &self,
        rows: &[Transfer],
        retraction: Option<&RetractionRecord>,
        change: Change,
    ) -> Result<Vec<u64>, StoreError> {
        let (small, mut id, mut end) = {
            let log = self.log();
            (small_end(&log, rows), log.next_id, log.file_end)
        };
        let mut old: Vec<Transfer> = Vec::new();
        for segment in &small {
            old.extend(self.unpack(segment)?);
        }
        let first_row = change.ledger.rows - (old.len() + rows.len()) as u64;
        let all: Vec<&Transfer> = old.iter().chain(rows).collect();
        let mut headers: Vec<(u64, Header)> = Vec::new();
        let mut next_row = first_row;
        for part in parts(&all) {
            let packed = codec::encode(part);
            let key = segment_key(id);
            let weight = part.iter().map(|row| weight_of(row)).sum();
            let place = (!is_small(part.len(), weight)).then_some(end);
            match place {
                None => pieces::write(&self.segments, &key, &packed, pieces::LARGE)?,
                Some(place) => {
                    self.segment_file.write(place, &packed)?;
                    end += packed.len() as u64;
                }
            }
            let header = Header {
                id,
                place,
                rows: part.len() as u32,
                bytes: packed.len() as u64,
                weight: weight as u64,
                checksum: pieces::checksum(&key, &packed),
                chains: log::summaries(part),
            };
            headers.push((next_row, header));
            next_row += part.len() as u64;
            id += 1;
        }
        if headers.iter().any(|(_, header)| header.place.is_some()) {
            self.segment_file.sync()?;
        }
        if headers.iter().any(|(_, header)| header.place.is_none()) {
            self.sync()?;
        }
        let batch = self.batch(&small, &headers, retraction, &change)?;
        self.write_coverage(&change.state, &change.touched)?;
        self.transfers.apply_batch(batch).map_err(StoreError::engine("writing the transfers"))?;
        self.sync()?;
        self.write_heads()?;

        let mut log = self.log.write().recover();
        let kept = log.segments.len() - small.len();
        log.segments.truncate(kept);
        for (first_row, header) in headers {
            log.push(first_row, header).expect("the chain of a stored row has an id");
        }
        log.ledger = change.ledger;
        log.tops.extend(change.tops);
        log.state = Arc::new(change.state);
        Ok(small.into_iter().map(|segment| segment.id).collect())
    }

    fn batch(
        &self,
        small: &[Segment],
        headers: &[(u64, Header)],
        retraction: Option<&RetractionRecord>,
        change: &Change,
    ) -> Result<sled::Batch, StoreError> {
        let tree = &self.transfers;
        let mut batch = sled::Batch::default();
        for segment in small {
            value::remove_in(tree, &mut batch, &numbered(log::HEADER, segment.first_row))?;
            value::replace(tree, &mut batch, &numbered(log::GARBAGE, segment.id), &[])?;
        }
        // After the removals, because the first header may reuse a removed key.
        for (first_row, header) in headers {
            let key = numbered(log::HEADER, *first_row);
            value::replace(tree, &mut batch, &key, &value::encode(header)?)?;
        }
        for chain in &change.touched {
            let name = chain.caip2();
            let tops = change.tops.get(&*name).copied().unwrap_or_default();
            let form = HeadForm::new(&change.state.chains[&*name], &tops);
            value::replace(tree, &mut batch, &head_key(log::HEAD, chain), &value::encode(&form)?)?;
            value::remove_in(tree, &mut batch, &head_key(log::HEAD_2, chain))?;
        }
        let mut number = change.first_replacement;
        let replacements = change.state.replacements.since(number);
        for part in replacements.chunks(log::REPLACEMENTS_A_KEY) {
            let key = numbered(log::REPLACEMENTS, number as u64);
            value::replace(tree, &mut batch, &key, &value::encode(&part.to_vec())?)?;
            number += part.len();
        }
        for &number in &change.conflicts {
            let form = ConflictForm::new(&change.state.conflicts[number as usize]);
            let key = numbered(log::CONFLICT, number);
            value::replace(tree, &mut batch, &key, &value::encode(&form)?)?;
        }
        if let Some(record) = retraction {
            let number = change.state.retractions.len() as u64 - 1;
            let form = value::encode(&RetractionForm::new(record))?;
            value::replace(tree, &mut batch, &numbered(log::RETRACTION, number), &form)?;
        }
        value::replace(tree, &mut batch, log::LEDGER, &value::encode(&change.ledger)?)?;
        Ok(batch)
    }

    /// Removes the pieces of superseded segments. On failure the next opening removes them.
    fn remove_segments(&self, ids: &[u64]) {
        if ids.is_empty() {
            return;
        }
        let removal = |()| {
            if self.pins.keep() {
                return Ok(());
            }
            for id in ids {
                value::remove(&self.segments, &segment_key(*id))?;
            }
            for id in ids {
                value::remove(&self.transfers, &numbered(log::GARBAGE, *id))?;
            }
            Ok(())
        };
        if let Err(error) = self.write(|| Ok(()), removal) {
            tracing::warn!(%error, "superseded segments not removed");
        }
    }
}

/// Returns the small segments at the end if the new rows complete them, otherwise none. Of the
/// rewritten rows only the last part can be small again.
fn small_end(log: &Log, rows: &[Transfer]) -> Vec<Segment> {
    let small = log.segments.iter().rev();
    let small = small.take_while(|segment| segment.place.is_none());
    let mut small: Vec<Segment> = small.cloned().collect();
    small.reverse();
    let held: usize = small.iter().map(|segment| segment.rows as usize).sum();
    let weight: usize = small.iter().map(|segment| segment.weight as usize).sum();
    let complete = || weight + rows.iter().map(weight_of).sum::<usize>() >= SEGMENT_BYTES;
    let complete = held + rows.len() >= SEGMENT || complete();
    if complete && !rows.is_empty() { small } else { Vec::new() }
}

/// Returns true if a segment is rewritten with the rows that follow it.
fn is_small(rows: usize, weight: usize) -> bool {
    rows < SEGMENT / 2 && weight < SEGMENT_BYTES / 2
}

/// Splits rows into segments: about [`SEGMENT`] each, fewer if they are large.
fn parts<'a, 'b>(rows: &'b [&'a Transfer]) -> impl Iterator<Item = &'b [&'a Transfer]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |row: &&Transfer| {
            bytes += weight_of(row);
            bytes <= SEGMENT_BYTES
        };
        let count = rest.iter().take(SEGMENT).copied().take_while(fits).count();
        let (part, after) = rest.split_at(count.max(1).min(rest.len()));
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// Estimates the bytes of a row.
fn weight_of(row: &Transfer) -> usize {
    match &row.movement {
        Movement::Account(_) => 100,
        Movement::Utxo(utxo) => {
            let legs = utxo.inputs.iter().chain(&utxo.outputs);
            100 + legs.map(|leg| 16 + leg.holders.len() * 40).sum::<usize>()
        }
    }
}

fn check_reason(reason: &str) -> Result<(), StoreError> {
    if reason.is_empty() || reason.len() > MAX_REASON {
        let what = format!("it has 1 to {MAX_REASON} bytes, not {}", reason.len());
        return Err(StoreError::Heights { field: "reason", what });
    }
    Ok(())
}

fn check_chain(chain: &Chain) -> Result<(), StoreError> {
    let refused =
        |error: TransferError| StoreError::Heights { field: "chain", what: error.to_string() };
    TransferError::check_chain(chain).map_err(refused)
}

fn check_height(field: &'static str, height: u64) -> Result<(), StoreError> {
    if height > MAX_HEIGHT {
        let what = format!("{height} is above {MAX_HEIGHT}");
        return Err(StoreError::Heights { field, what });
    }
    Ok(())
}

pub(super) fn segment_key(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

fn numbered(kind: u8, number: u64) -> Vec<u8> {
    [&[kind][..], &number.to_be_bytes()].concat()
}

fn head_key(form: u8, chain: &Chain) -> Vec<u8> {
    [&[form], chain.caip2().as_bytes(), &[0]].concat()
}

#[cfg(test)]
pub(super) mod tests;
