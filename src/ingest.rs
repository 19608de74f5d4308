//! The only way in for transfers: checked, without duplicates, durable when acknowledged. Does not
//! know where they come from, nor what they mean for exposure.
//!
//! # What is the same transfer
//!
//! Rows of one block that state a transaction and their place in it tell of one movement, however often
//! they come; so do rows at one position that state no transaction
//! ([`Identity`](crate::domain::transfer::Identity)). A telling that adds nothing is dropped. One that fills in what
//! was open, or tells of success after failure, takes the place of the first. One that contradicts it
//! stands beside it: both count for exposure, and the block is a gap until that is settled. Rows that
//! state neither are counted: of n equal rows in one session, those are dropped that others stored
//! before, one for one. Rows taken back are the same as none.
//!
//! A row beyond the greatest positions of its chain and kind cannot be stored already, nor one without
//! a place where nobody else stored such rows of about its time: that costs nothing. All others
//! are looked up ([`known`]).

mod forks;
mod known;
mod older;
mod sort;
mod standing;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use jiff::Timestamp;

use self::forks::{LastBlocks, forks};
use self::known::{Index, Taken};
use self::older::unnamed_before;
use self::sort::{Sorted, Sorting};
use self::standing::Standing;
use crate::domain::chain::Chain;
use crate::domain::coverage::{Gap, Settlement};
use crate::domain::transfer::{Identity, Transfer};
use crate::store::{Append, Clock, Retract, Store, StoreError, Tops};

pub use crate::domain::coverage::{
    ChainState, CoverageDeclaration, RetractionRecord, TransferState,
};

/// How many rows [`Session::append_many`] collects before it stores them: 32 whole segments, some
/// 40 MB in memory. Smaller groups would be read from nearer caches, but wait for the disk more
/// often, which costs far more where it is busy.
pub const GROUP: usize = 131_072;

/// The only writer of transfers to a store.
pub struct Ingestor {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<Store>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Held by whoever appends.
    index: Mutex<Memory>,
}

/// What is remembered of stored rows from batch to batch.
#[derive(Default)]
struct Memory {
    index: Index,
    last_blocks: LastBlocks,
}

/// One stream or file of transfers. Sessions may go on at the same time.
pub struct Session {
    shared: Arc<Shared>,
    /// Rows that this session stored, or dropped a duplicate for.
    taken: Taken,
    waiting: Vec<Transfer>,
    covered: Vec<CoverageDeclaration>,
    gaps: Vec<(Chain, Gap)>,
    counts: Counts,
    /// Where it stands, as a bulk load.
    standing: Standing,
}

/// Of the rows that wait, counted while they are at hand: to look at them all again takes longer
/// than to pack them.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Told apart by content and occurrence alone.
    derived: u64,
    /// Without a position.
    loose: u64,
    /// With the hash of their block.
    hashed: u64,
    /// Naming nobody who paid or was paid.
    unnamed: u64,
}

/// What is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// The number of the first row of `stored`.
    pub first_row: u64,
    /// The new transfers, in the order of their rows, which have no gap.
    pub stored: Vec<Transfer>,
    /// How many were stored before, and add nothing.
    pub duplicates: u64,
    /// How many of `stored` tell more of a movement that was stored before, and count in its place.
    pub replaced: u64,
    /// How many of `stored` contradict what is stored.
    pub conflicts: u64,
    /// The number of the change that made them durable.
    pub change: u64,
    /// How many, of all, are told apart by content and occurrence alone.
    pub derived: u64,
    /// The number of rows in the store, these among them.
    pub rows: u64,
}

/// What was taken back, durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retraction {
    /// How many rows no longer count.
    pub retracted: u64,
    /// As it is kept.
    pub record: RetractionRecord,
}

impl Ingestor {
    /// Writes to `store`; `now` says how late it is, since no transfer may lie in the future.
    pub fn open(store: Arc<Store>, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let (now, index) = (Box::new(now), Mutex::default());
        Self { shared: Arc::new(Shared { store, now, index }) }
    }

    /// A new session.
    pub fn begin(&self) -> Session {
        Session {
            shared: Arc::clone(&self.shared),
            taken: Taken::default(),
            waiting: Vec::new(),
            covered: Vec::new(),
            gaps: Vec::new(),
            counts: Counts::default(),
            standing: Standing::after(&self.shared.store.transfer_state()),
        }
    }

    /// Takes rows of a chain back. Rows stored later are not touched, even if they say the same.
    pub fn retract(&self, retract: &Retract<'_>) -> Result<Retraction, StoreError> {
        let mut memory = self.shared.index.lock().unwrap_or_else(PoisonError::into_inner);
        let (retracted, record) = self.shared.store.retract_transfers(retract)?;
        memory.last_blocks = LastBlocks::default();
        Ok(Retraction { retracted, record })
    }

    /// Settles a conflict.
    pub fn settle(&self, number: u64, settlement: &Settlement) -> Result<(), StoreError> {
        let _memory = self.shared.index.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.store.settle_conflict(number, settlement)
    }

    /// What is loaded: always what is durable.
    pub fn heads(&self) -> Arc<TransferState> {
        self.shared.store.transfer_state()
    }
}

impl Session {
    /// Stores a batch, and whatever waits from [`Self::append_many`]. What is returned is durable;
    /// after an error nothing of it is stored, or (where only the last sync failed) all of it is
    /// there on the next opening. A batch with a transfer that cannot be taken changes nothing.
    pub fn append(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<Appended, StoreError> {
        self.collect(batch, covered)?;
        self.store_waiting(false)
    }

    /// The same for bulk loads, which end with [`Self::finish`]: until then the block of the last row is
    /// a gap, for more of it may come.
    pub fn append_unfinished(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<Appended, StoreError> {
        batch.iter().for_each(|row| self.standing.note(row));
        self.collect(batch, covered)?;
        self.store_waiting(false)
    }

    /// Takes a batch and stores it with others once there are [`GROUP`] rows, all of which are
    /// then durable: `Some`. `None`: it waits, and is lost with the session. For bulk loads, which
    /// end with [`Self::finish`]: until then the block of the last row that is stored is a gap, for
    /// more of it may come. An error loses all that waits.
    pub fn append_many(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<Option<Appended>, StoreError> {
        batch.iter().for_each(|row| self.standing.note(row));
        self.collect(batch, covered)?;
        if self.waiting.len() < GROUP {
            return Ok(None);
        }
        self.store_waiting(false).map(Some)
    }

    /// Takes gaps that were found: they are stored with what is stored next.
    pub fn note_gaps(&mut self, gaps: impl IntoIterator<Item = (Chain, Gap)>) {
        self.gaps.extend(gaps);
        self.standing.has_faults |= !self.gaps.is_empty();
    }

    /// Stores what waits, and that the load is whole; `None` if there is nothing to store.
    pub fn finish(&mut self) -> Result<Option<Appended>, StoreError> {
        let is_empty = self.waiting.is_empty() && self.covered.is_empty() && self.gaps.is_empty();
        if is_empty && !self.standing.has_gaps() {
            return Ok(None);
        }
        self.store_waiting(true).map(Some)
    }

    fn collect(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[CoverageDeclaration],
    ) -> Result<(), StoreError> {
        let now = (self.shared.now)().as_second().try_into().unwrap_or(0);
        let mut counts = self.counts;
        for (index, transfer) in batch.iter().enumerate() {
            transfer.check(now).map_err(|source| StoreError::Transfer { index, source })?;
            counts.loose += u64::from(transfer.position().is_none());
            counts.derived += u64::from(!Identity::of(transfer).is_place());
            counts.hashed += u64::from(transfer.block_hash.is_some());
            counts.unnamed += u64::from(transfer.has_unnamed_holders());
        }
        self.counts = counts;
        match self.waiting.is_empty() {
            true => self.waiting = batch,
            false => {
                // All of it at once: to grow in steps would copy the rows twice.
                if self.waiting.capacity() - self.waiting.len() < batch.len() {
                    self.waiting.reserve_exact(GROUP.max(batch.len()));
                }
                self.waiting.extend(batch);
            }
        }
        self.covered.extend_from_slice(covered);
        Ok(())
    }

    fn store_waiting(&mut self, is_over: bool) -> Result<Appended, StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut memory = shared.index.lock().unwrap_or_else(PoisonError::into_inner);
        let Memory { index, last_blocks } = &mut *memory;
        let batch = std::mem::take(&mut self.waiting);
        let covered = std::mem::take(&mut self.covered);
        let mut gaps = std::mem::take(&mut self.gaps);
        let Counts { derived, loose, hashed, unnamed } = std::mem::take(&mut self.counts);
        let all = batch.len();
        // Before rows are compared: those of a change that failed are stored, or not, once the store
        // was opened anew, and from then on that does not change while the index is held.
        if let Some(refusal) = shared.store.refusal() {
            return Err(refusal);
        }
        let state = shared.store.transfer_state();
        if hashed > 0 {
            gaps.extend(forks(&shared.store, &state, last_blocks, &batch)?);
        }
        gaps.extend(unnamed_before(&shared.store, &state, &covered)?);
        let moved = self.standing.moved(&state, is_over);
        gaps.extend_from_slice(&moved.added);
        let may_be_known = self.may_be_known(&batch, loose > 0);
        let sorting = Sorting::new(&shared.store, index, &state, &self.taken, unnamed > 0);
        let Sorted { rows: stored, replaced, conflicts, mut ended_gaps, new_gaps, matched } =
            sorting.sort(batch, &may_be_known)?;
        gaps.extend(new_gaps);
        ended_gaps.extend_from_slice(&moved.ended);
        let first_row = shared.store.append_transfers(&Append {
            rows: &stored,
            replaced: &replaced,
            conflicts: &conflicts,
            covered: &covered,
            ended_gaps: &ended_gaps,
            new_gaps: &gaps,
        })?;
        if hashed > 0 {
            last_blocks.note(&stored);
        }
        self.standing.keep(moved);
        matched.into_iter().for_each(|row| self.taken.add(row..row + 1));
        let rows = first_row + stored.len() as u64;
        if loose > 0 {
            self.taken.add(first_row..rows);
        }
        let duplicates = (all - stored.len()) as u64;
        let (replaced, conflicts) = (replaced.len() as u64, conflicts.len() as u64);
        let change = shared.store.transfer_state().changes;
        Ok(Appended { first_row, stored, duplicates, replaced, conflicts, change, derived, rows })
    }

    /// Of each row whether it might be stored already, or be in the batch before. `loose` says
    /// whether there are any without a position.
    fn may_be_known(&self, batch: &[Transfer], loose: bool) -> Vec<bool> {
        let store = &self.shared.store;
        let mut may_be_known = Vec::with_capacity(batch.len());
        let mut tops: HashMap<&Chain, Tops> = HashMap::new();
        // Of each chain the times of the rows without a place, then whether others have such.
        let mut times: HashMap<&Chain, (u64, u64)> = HashMap::new();
        let without_place =
            |row: &&Transfer| row.position().is_none() && !Identity::of(row).is_place();
        for run in batch.chunk_by(|a, b| a.chain == b.chain).filter(|_| loose) {
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
                    !self.taken.holds_all(*first..*first + u64::from(*rows))
                };
                (chain, reaching.iter().any(of_others))
            })
            .collect();
        for run in batch.chunk_by(|a, b| a.chain == b.chain) {
            let chain = &run[0].chain;
            let tops = tops.entry(chain).or_insert_with(|| store.tops(chain));
            for row in run {
                if without_place(&row) {
                    may_be_known.push(shared.get(chain).copied().unwrap_or(false));
                } else {
                    may_be_known.push(!tops.are_below(row));
                    tops.raise(row.kind(), row);
                }
            }
        }
        may_be_known
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
