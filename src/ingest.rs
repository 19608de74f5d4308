//! The only way in for transfers: checked, without duplicates, durable when acknowledged. Does not
//! know where they come from, nor what they mean for exposure.
//!
//! # What is the same transfer
//!
//! With a position: chain, block hash, transaction and position are the same. Without one: all
//! that is said is the same, and it is the same occurrence: of n equal rows in one session, those
//! are dropped that others stored before, one for one. Rows taken back are the same as none.
//!
//! A row beyond the greatest position of its chain cannot be stored already, nor one without a
//! position where nobody else stored such rows of about its time: that costs nothing. All others
//! are looked up ([`known`]).

mod known;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use jiff::Timestamp;

use self::known::{Index, Pending, Taken};
use crate::domain::chain::Chain;
use crate::domain::transfer::{Position, Transfer};
use crate::store::{Clock, Store, StoreError};

pub use crate::domain::coverage::{ChainHead, Covered, RetractionRecord, TransferState};

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
    index: Mutex<Index>,
}

/// One stream or file of transfers. Sessions may go on at the same time.
pub struct Session {
    shared: Arc<Shared>,
    /// Rows that this session stored, or dropped a duplicate for.
    taken: Taken,
    waiting: Vec<Transfer>,
    covered: Vec<Covered>,
    counts: Counts,
}

/// Of the rows that wait, counted while they are at hand: to look at them all again takes longer
/// than to pack them.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Without a transaction or a position.
    derived: u64,
    /// Without a position.
    loose: u64,
}

/// What is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// The number of the first row of `stored`.
    pub first_row: u64,
    /// The new transfers, in the order of their rows, which have no gap.
    pub stored: Vec<Transfer>,
    /// How many were stored before.
    pub duplicates: u64,
    /// How many, of all, had no transaction or no position.
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
            counts: Counts::default(),
        }
    }

    /// Takes back every row of a chain from a height on. Rows stored later are not touched, even if
    /// they say the same. `reason` has 1 to 1,024 bytes.
    pub fn retract(
        &self,
        chain: &Chain,
        from_height: u64,
        reason: &str,
        at: Timestamp,
    ) -> Result<Retraction, StoreError> {
        let _index = self.shared.index.lock().unwrap_or_else(PoisonError::into_inner);
        let (retracted, record) =
            self.shared.store.retract_transfers(chain, from_height, reason, at)?;
        Ok(Retraction { retracted, record })
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
        covered: &[Covered],
    ) -> Result<Appended, StoreError> {
        self.collect(batch, covered)?;
        self.store_waiting()
    }

    /// Takes a batch and stores it with others once there are [`GROUP`] rows, all of which are
    /// then durable: `Some`. `None`: it waits, and is lost with the session. For bulk loads, which
    /// end with [`Self::finish`]. An error loses all that waits.
    pub fn append_many(
        &mut self,
        batch: Vec<Transfer>,
        covered: &[Covered],
    ) -> Result<Option<Appended>, StoreError> {
        self.collect(batch, covered)?;
        if self.waiting.len() < GROUP {
            return Ok(None);
        }
        self.store_waiting().map(Some)
    }

    /// Stores what waits; `None` if nothing does.
    pub fn finish(&mut self) -> Result<Option<Appended>, StoreError> {
        if self.waiting.is_empty() && self.covered.is_empty() {
            return Ok(None);
        }
        self.store_waiting().map(Some)
    }

    fn collect(&mut self, batch: Vec<Transfer>, covered: &[Covered]) -> Result<(), StoreError> {
        let now = (self.shared.now)().as_second().try_into().unwrap_or(0);
        let mut counts = self.counts;
        for (index, transfer) in batch.iter().enumerate() {
            transfer.check(now).map_err(|source| StoreError::Transfer { index, source })?;
            counts.loose += u64::from(transfer.position.is_none());
            counts.derived += u64::from(transfer.position.is_none() || transfer.tx.is_none());
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

    fn store_waiting(&mut self) -> Result<Appended, StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut index = shared.index.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = std::mem::take(&mut self.waiting);
        let covered = std::mem::take(&mut self.covered);
        let Counts { derived, loose } = std::mem::take(&mut self.counts);
        let all = batch.len();
        let mut matched = Vec::new();
        let doubtful = self.doubtful(&batch, loose > 0);
        let stored = self.without_duplicates(&mut index, batch, doubtful, &mut matched)?;
        let first_row = shared.store.append_transfers(&stored, &covered)?;
        matched.into_iter().for_each(|row| self.taken.add(row..row + 1));
        let rows = first_row + stored.len() as u64;
        if loose > 0 {
            self.taken.add(first_row..rows);
        }
        let duplicates = (all - stored.len()) as u64;
        Ok(Appended { first_row, stored, duplicates, derived, rows })
    }

    /// The rows that are not stored yet; only the `doubtful` are looked up. `matched` are the rows
    /// without a position that stand for those dropped.
    fn without_duplicates(
        &self,
        index: &mut Index,
        batch: Vec<Transfer>,
        doubtful: Vec<bool>,
        matched: &mut Vec<u64>,
    ) -> Result<Vec<Transfer>, StoreError> {
        let store = &self.shared.store;
        if doubtful.iter().all(|doubtful| !doubtful) {
            return Ok(batch);
        }
        index.learn(store, batch.iter().zip(&doubtful).filter(|(_, d)| **d).map(|(row, _)| row))?;
        let state = store.transfer_state();
        let mut pending = Pending::default();
        let mut now_taken = Taken::default();
        let mut stored: Vec<Transfer> = Vec::with_capacity(batch.len());
        for (row, doubtful) in batch.into_iter().zip(doubtful) {
            let fingerprint = index.fingerprint(&row);
            let is_known = doubtful
                && match row.position {
                    Some(_) => {
                        pending.holds(fingerprint, &row, &stored)
                            || index
                                .find(store, fingerprint, &row, |number| {
                                    let height = row.position.map_or(0, |position| position.height);
                                    !state.is_retracted(number, &row.chain, height)
                                })?
                                .is_some()
                    }
                    None => {
                        let free = |number| !self.taken.holds(number) && !now_taken.holds(number);
                        let found = index.find(store, fingerprint, &row, free)?;
                        if let Some(number) = found {
                            now_taken.add(number..number + 1);
                            matched.push(number);
                        }
                        found.is_some()
                    }
                };
            if !is_known {
                if row.position.is_some() {
                    pending.add(fingerprint, stored.len());
                }
                stored.push(row);
            }
        }
        Ok(stored)
    }

    /// Of each row whether it might be stored already, or be in the batch before. `loose` says
    /// whether there are any without a position.
    fn doubtful(&self, batch: &[Transfer], loose: bool) -> Vec<bool> {
        let store = &self.shared.store;
        let mut doubtful = Vec::with_capacity(batch.len());
        let mut tops: HashMap<&Chain, Option<Position>> = HashMap::new();
        // Of each chain the times of the rows without a position, then whether others have such.
        let mut times: HashMap<&Chain, (u64, u64)> = HashMap::new();
        let unpositioned = |row: &&Transfer| row.position.is_none();
        for run in batch.chunk_by(|a, b| a.chain == b.chain).filter(|_| loose) {
            let of_run = run.iter().filter(unpositioned).map(|row| row.time);
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
            let top = tops.entry(chain).or_insert_with(|| store.top_position(chain));
            for row in run {
                let is_doubtful = match row.position {
                    None => shared.get(chain).copied().unwrap_or(false),
                    position if position > *top => {
                        *top = position;
                        false
                    }
                    Some(_) => true,
                };
                doubtful.push(is_doubtful);
            }
        }
        doubtful
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
