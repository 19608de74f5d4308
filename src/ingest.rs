//! Stores transfers: validated, deduplicated, and durable when acknowledged. Every transfer enters
//! the store here.
//!
//! # Duplicates
//!
//! Rows of one block with the same transaction and index in it are one movement, however often they
//! arrive. So are rows at one position without a transaction
//! ([`Identity`](crate::domain::transfer::Identity)). A row that adds nothing is dropped. A row
//! that fills in missing data, or reports success after failure, replaces the first. A row that
//! contradicts the first is stored too: both count for exposure, and the block is a gap until the
//! conflict is settled. Rows with neither identity are counted: of n equal rows in one session, as
//! many are dropped as other sessions stored before. Retracted rows do not count.
//!
//! A row beyond the greatest positions of its chain and kind cannot be stored already. Nor can a
//! row without a position if no other session stored such rows of about its time. All other rows
//! are looked up ([`known`]).

mod forks;
mod known;
mod load_progress;
mod older;
mod sort;

use std::fmt;
use std::sync::{Arc, Mutex};

use hashbrown::HashMap;
use jiff::Timestamp;

use self::forks::{LastBlocks, forks};
use self::known::{Index, RowSet};
use self::load_progress::LoadProgress;
use self::older::unnamed_before;
use self::sort::{Sorted, Sorting};
use crate::domain::chain::Chain;
use crate::domain::coverage::{Gap, Settlement};
use crate::domain::lock::Recover;
use crate::domain::transfer::{Identity, Transfer};
use crate::store::{Append, Clock, Retract, Store, StoreError, Tops};

pub use crate::domain::coverage::{
    ChainState, CoverageDeclaration, RetractionRecord, TransferState,
};

/// The number of rows that [`Session::append_many`] collects before it stores them: 32 whole
/// segments, some 40 MB in memory. Smaller groups would hit nearer caches but sync more often,
/// which costs far more on a busy disk.
pub const GROUP: usize = 131_072;

/// The only writer of transfers to a store.
pub struct Ingestor {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<Store>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    index: Mutex<IndexState>,
}

/// Look-up state of stored rows, kept from batch to batch.
#[derive(Default)]
struct IndexState {
    index: Index,
    last_blocks: LastBlocks,
}

/// One stream or file of transfers. Sessions may run concurrently.
pub struct Session {
    shared: Arc<Shared>,
    /// Rows that this session stored, or matched with a dropped duplicate.
    matched_rows: RowSet,
    waiting: Vec<Transfer>,
    covered_blocks: Vec<CoverageDeclaration>,
    gaps: Vec<(Chain, Gap)>,
    counts: Counts,
    /// Progress as a bulk load.
    progress: LoadProgress,
}

/// Counts of the waiting rows, taken while the rows are in cache: a second pass takes longer than
/// packing them.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Without identity: distinguished by content and number of occurrences.
    derived: u64,
    unpositioned: u64,
    /// With the hash of their block.
    hashed: u64,
    /// Without a sender or receiver.
    unnamed: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// The number of the first row of `stored`.
    pub first_row: u64,
    /// The new transfers, in the order of their rows, which have no gap.
    pub stored: Vec<Transfer>,
    /// Rows that were already stored and add nothing.
    pub duplicates: u64,
    /// How many of `stored` replace an earlier row of the same movement.
    pub replaced: u64,
    /// How many of `stored` contradict an earlier row.
    pub conflicts: u64,
    /// The number of the durable change.
    pub change: u64,
    /// How many rows of the batch have no identity and are distinguished by content and occurrence.
    pub derived: u64,
    /// The number of rows in the store after the change.
    pub rows: u64,
}

/// A durable retraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retraction {
    /// Number of retracted rows.
    pub retracted: u64,
    pub record: RetractionRecord,
}

impl Ingestor {
    /// Opens an ingestor for `store`; `now` is the clock, since no transfer may lie in the future.
    pub fn open(store: Arc<Store>, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let (now, index) = (Box::new(now), Mutex::default());
        Self { shared: Arc::new(Shared { store, now, index }) }
    }

    pub fn begin(&self) -> Session {
        Session {
            shared: Arc::clone(&self.shared),
            matched_rows: RowSet::default(),
            waiting: Vec::new(),
            covered_blocks: Vec::new(),
            gaps: Vec::new(),
            counts: Counts::default(),
            progress: LoadProgress::after(&self.shared.store.transfer_state()),
        }
    }

    /// Retracts rows of a chain. Rows stored later are unaffected, even equal ones.
    pub fn retract(&self, retract: &Retract<'_>) -> Result<Retraction, StoreError> {
        let mut memory = self.shared.index.lock().recover();
        let (retracted, record) = self.shared.store.retract_transfers(retract)?;
        memory.last_blocks = LastBlocks::default();
        Ok(Retraction { retracted, record })
    }

    pub fn settle_conflict(&self, number: u64, settlement: &Settlement) -> Result<(), StoreError> {
        let _memory = self.shared.index.lock().recover();
        self.shared.store.settle_conflict(number, settlement)
    }

    /// The loaded state, which is always durable.
    pub fn heads(&self) -> Arc<TransferState> {
        self.shared.store.transfer_state()
    }
}

impl Session {
    /// Stores a batch, and any rows waiting from [`Self::append_many`]. The result is durable.
    /// After an error nothing is stored, or everything if only the last sync failed; the next
    /// opening decides. A batch with an invalid transfer changes nothing.
    pub fn append(
        &mut self,
        batch: Vec<Transfer>,
        covered_blocks: &[CoverageDeclaration],
    ) -> Result<Appended, StoreError> {
        self.collect(batch, covered_blocks)?;
        self.store_waiting(false)
    }

    /// As [`Self::append`], for bulk loads, which end with [`Self::finish`]. Until then the block
    /// of the last row is a gap, since more of it may come.
    pub fn append_unfinished(
        &mut self,
        batch: Vec<Transfer>,
        covered_blocks: &[CoverageDeclaration],
    ) -> Result<Appended, StoreError> {
        batch.iter().for_each(|row| self.progress.record(row));
        self.collect(batch, covered_blocks)?;
        self.store_waiting(false)
    }

    /// Collects a batch, and stores all waiting rows once there are [`GROUP`]. Returns `None` while
    /// rows wait; waiting rows are lost with the session. For bulk loads, which end with
    /// [`Self::finish`]. Until then the block of the last stored row is a gap, since more of it may
    /// come. An error discards all waiting rows.
    pub fn append_many(
        &mut self,
        batch: Vec<Transfer>,
        covered_blocks: &[CoverageDeclaration],
    ) -> Result<Option<Appended>, StoreError> {
        batch.iter().for_each(|row| self.progress.record(row));
        self.collect(batch, covered_blocks)?;
        if self.waiting.len() < GROUP {
            return Ok(None);
        }
        self.store_waiting(false).map(Some)
    }

    /// Adds gaps, to be stored with the next change.
    pub fn add_gaps(&mut self, gaps: impl IntoIterator<Item = (Chain, Gap)>) {
        self.gaps.extend(gaps);
        self.progress.has_faults |= !self.gaps.is_empty();
    }

    /// Stores waiting rows and marks the load as complete; `None` if there is nothing to store.
    pub fn finish(&mut self) -> Result<Option<Appended>, StoreError> {
        let is_empty =
            self.waiting.is_empty() && self.covered_blocks.is_empty() && self.gaps.is_empty();
        if is_empty && !self.progress.has_gaps() {
            return Ok(None);
        }
        self.store_waiting(true).map(Some)
    }

    fn collect(
        &mut self,
        batch: Vec<Transfer>,
        covered_blocks: &[CoverageDeclaration],
    ) -> Result<(), StoreError> {
        let now = (self.shared.now)().as_second().try_into().unwrap_or(0);
        let mut counts = self.counts;
        for (index, transfer) in batch.iter().enumerate() {
            transfer.check(now).map_err(|source| StoreError::Transfer { index, source })?;
            counts.unpositioned += u64::from(transfer.position().is_none());
            counts.derived += u64::from(!Identity::new(transfer).is_place());
            counts.hashed += u64::from(transfer.block_hash.is_some());
            counts.unnamed += u64::from(transfer.has_unnamed_holders());
        }
        self.counts = counts;
        if self.waiting.is_empty() {
            self.waiting = batch;
        } else {
            // Reserves at once: growing in steps would copy the rows twice.
            if self.waiting.capacity() - self.waiting.len() < batch.len() {
                self.waiting.reserve_exact(GROUP.max(batch.len()));
            }
            self.waiting.extend(batch);
        }
        self.covered_blocks.extend_from_slice(covered_blocks);
        Ok(())
    }

    fn store_waiting(&mut self, is_over: bool) -> Result<Appended, StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut memory = shared.index.lock().recover();
        let IndexState { index, last_blocks } = &mut *memory;
        let batch = std::mem::take(&mut self.waiting);
        let covered_blocks = std::mem::take(&mut self.covered_blocks);
        let mut gaps = std::mem::take(&mut self.gaps);
        let Counts { derived, unpositioned, hashed, unnamed } = std::mem::take(&mut self.counts);
        let all = batch.len();
        // Checked before rows are compared. Rows of a failed change are decided when the store is
        // opened anew, and stay so while the index is held.
        if let Some(refusal) = shared.store.refusal() {
            return Err(refusal);
        }
        let state = shared.store.transfer_state();
        if hashed > 0 {
            gaps.extend(forks(&shared.store, &state, last_blocks, &batch)?);
        }
        gaps.extend(unnamed_before(&shared.store, &state, &covered_blocks)?);
        let gap_changes = self.progress.gap_changes(&state, is_over);
        gaps.extend_from_slice(&gap_changes.added);
        let may_be_duplicate = self.may_be_duplicate(&batch, unpositioned > 0);
        let sorting = Sorting::new(&shared.store, index, &state, &self.matched_rows, unnamed > 0);
        let Sorted { rows: stored, replaced, conflicts, mut ended_gaps, new_gaps, matched } =
            sorting.sort(batch, &may_be_duplicate)?;
        gaps.extend(new_gaps);
        ended_gaps.extend_from_slice(&gap_changes.ended);
        let first_row = shared.store.append_transfers(&Append {
            rows: &stored,
            replaced: &replaced,
            conflicts: &conflicts,
            covered: &covered_blocks,
            ended_gaps: &ended_gaps,
            new_gaps: &gaps,
        })?;
        if hashed > 0 {
            last_blocks.record(&stored);
        }
        self.progress.commit(gap_changes);
        matched.into_iter().for_each(|row| self.matched_rows.add(row..row + 1));
        let rows = first_row + stored.len() as u64;
        if unpositioned > 0 {
            self.matched_rows.add(first_row..rows);
        }
        let duplicates = (all - stored.len()) as u64;
        let (replaced, conflicts) = (replaced.len() as u64, conflicts.len() as u64);
        let change = shared.store.transfer_state().changes;
        Ok(Appended { first_row, stored, duplicates, replaced, conflicts, change, derived, rows })
    }

    /// Returns for each row whether it may be stored already, or occur earlier in the batch.
    /// `unpositioned` tells whether any row has no position.
    fn may_be_duplicate(&self, batch: &[Transfer], unpositioned: bool) -> Vec<bool> {
        let store = &self.shared.store;
        let mut may_be_duplicate = Vec::with_capacity(batch.len());
        let mut tops: HashMap<&Chain, Tops> = HashMap::new();
        // By chain: the times of rows without a position, then whether other sessions stored such
        // rows.
        let mut times: HashMap<&Chain, (u64, u64)> = HashMap::new();
        let without_place =
            |row: &&Transfer| row.position().is_none() && !Identity::new(row).is_place();
        for run in batch.chunk_by(|a, b| a.chain == b.chain).filter(|_| unpositioned) {
            let of_run = run.iter().filter(without_place).map(|row| row.time);
            let Some((least, most)) =
                of_run.map(|time| (time, time)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            else {
                continue;
            };
            let (first, last) = times.entry(&run[0].chain).or_insert((least, most));
            (*first, *last) = ((*first).min(least), (*last).max(most));
        }
        let shared: HashMap<&Chain, bool> = times
            .into_iter()
            .map(|(chain, (first, last))| {
                let reaching = store.reaching(chain, Clock::Times, &(first..=last));
                let of_others = |(first, rows): &(u64, u32)| {
                    !self.matched_rows.contains_all(*first..*first + u64::from(*rows))
                };
                (chain, reaching.iter().any(of_others))
            })
            .collect();
        for run in batch.chunk_by(|a, b| a.chain == b.chain) {
            let chain = &run[0].chain;
            let tops = tops.entry(chain).or_insert_with(|| store.tops(chain));
            for row in run {
                if without_place(&row) {
                    may_be_duplicate.push(shared.get(chain).copied().unwrap_or(false));
                } else {
                    may_be_duplicate.push(!tops.are_below(row));
                    tops.raise(row.kind(), row);
                }
            }
        }
        may_be_duplicate
    }
}

impl fmt::Debug for Ingestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingestor").field("store", &self.shared.store).finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
