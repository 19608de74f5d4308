//! Clocks: what orders transfers, and what chain time it is at a position.
//!
//! Each chain has a clock for the transfers whose position is known and one for the others. On one
//! clock positions ("keys") compare as numbers, equal ones being simultaneous; between clocks chain
//! time is compared, equal times being simultaneous too.

use std::collections::HashMap;

use crate::domain::chain::Chain;
use crate::domain::transfer::Transfer;

/// The number of a clock.
pub(super) type ClockId = u16;

/// Bits below the height (or the time) in a key.
const BELOW: u32 = 24;

#[derive(Debug, Default)]
pub(super) struct Clocks {
    clocks: Vec<Clock>,
    by_chain: HashMap<Chain, [Option<ClockId>; 2]>,
    /// The last one that was asked for, which is most often the next.
    last: ClockId,
}

/// A clock; `heights` is empty where keys are times.
#[derive(Debug)]
struct Clock {
    chain: Chain,
    positioned: bool,
    /// The first clock of the chain.
    first: ClockId,
    /// Ascending by height.
    heights: Vec<Height>,
    /// Heights that came late or changed their time, not in `heights` yet.
    late: Vec<(u64, u64)>,
}

/// A height with the latest time seen at it and its chain time, in 16 bytes: height (40 bits), own
/// time (34), chain time (34).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Height(u128);

const TIME_BITS: u32 = 34;
const TIME_MASK: u128 = (1 << TIME_BITS) - 1;

impl Height {
    fn new(height: u64, own: u64, chain_time: u64) -> Self {
        Self(
            (u128::from(height) << (2 * TIME_BITS))
                | (u128::from(own) << TIME_BITS)
                | u128::from(chain_time),
        )
    }

    fn height(self) -> u64 {
        (self.0 >> (2 * TIME_BITS)) as u64
    }

    fn own(self) -> u64 {
        ((self.0 >> TIME_BITS) & TIME_MASK) as u64
    }

    fn chain_time(self) -> u64 {
        (self.0 & TIME_MASK) as u64
    }
}

impl Clocks {
    /// The clock of a transfer and its key there. The chain time is noted.
    pub fn place(&mut self, transfer: &Transfer) -> (ClockId, u64) {
        let clock = self.clock(&transfer.chain, transfer.position().is_some());
        match transfer.position() {
            None => (clock, (transfer.time << BELOW) | 1),
            Some(position) => {
                self.clocks[usize::from(clock)].note(position.height, transfer.time);
                (clock, (position.height << BELOW) | u64::from(position.tx_index + 1))
            }
        }
    }

    /// The clock of a chain, made if it is new.
    ///
    /// # Panics
    ///
    /// With more than 32,000 chains: their number is bounded by the forms of chains that we know
    /// and what the store lets in.
    fn clock(&mut self, chain: &Chain, positioned: bool) -> ClockId {
        let is_last = |last: &Clock| last.positioned == positioned && last.chain == *chain;
        if !self.clocks.get(usize::from(self.last)).is_some_and(is_last) {
            let found = self.find(chain, positioned);
            self.last = found.unwrap_or_else(|| self.add(chain, positioned));
        }
        self.last
    }

    fn add(&mut self, chain: &Chain, positioned: bool) -> ClockId {
        let id = ClockId::try_from(self.clocks.len()).expect("fewer chains than clock ids");
        let of_chain = self.by_chain.entry(chain.clone()).or_default();
        let first = of_chain[usize::from(!positioned)].unwrap_or(id);
        of_chain[usize::from(positioned)] = Some(id);
        let (heights, late) = (Vec::new(), Vec::new());
        self.clocks.push(Clock { chain: chain.clone(), positioned, first, heights, late });
        id
    }

    /// The first clock of the chain of a clock: equal for both clocks of a chain.
    pub fn first_of_chain(&self, clock: ClockId) -> ClockId {
        self.clocks[usize::from(clock)].first
    }

    /// The chain of a clock.
    pub fn chain(&self, clock: ClockId) -> &Chain {
        &self.clocks[usize::from(clock)].chain
    }

    /// The clock of a chain, if transfers of it were seen.
    pub fn find(&self, chain: &Chain, positioned: bool) -> Option<ClockId> {
        self.by_chain.get(chain)?[usize::from(positioned)]
    }

    /// Brings chain times in order after transfers were placed. Whether that of a height that was
    /// there before changed: what was derived from them no longer holds.
    pub fn settle(&mut self) -> bool {
        // Every clock, whatever the one before it says.
        self.clocks.iter_mut().fold(false, |changed, clock| clock.settle() | changed)
    }

    /// Forgets the heights of a positioned clock from `height` on.
    pub fn cut(&mut self, clock: ClockId, height: u64) {
        let clock = &mut self.clocks[usize::from(clock)];
        let keep = clock.heights.partition_point(|at| at.height() < height);
        clock.heights.truncate(keep);
    }

    /// The chain time at a key, in Unix seconds.
    pub fn time(&self, clock: ClockId, key: u64) -> u64 {
        let clock = &self.clocks[usize::from(clock)];
        if !clock.positioned {
            return key >> BELOW;
        }
        let height = key >> BELOW;
        let after = clock.heights.partition_point(|at| at.height() <= height);
        after.checked_sub(1).map_or(0, |at| clock.heights[at].chain_time())
    }

    /// The least key whose chain time is `time` or later; [`u64::MAX`] where there is none.
    pub fn first_from(&self, clock: ClockId, time: u64) -> u64 {
        let clock = &self.clocks[usize::from(clock)];
        if !clock.positioned {
            return time
                .checked_shl(BELOW)
                .filter(|_| time >> (64 - BELOW) == 0)
                .unwrap_or(u64::MAX);
        }
        let at = clock.heights.partition_point(|at| at.chain_time() < time);
        clock.heights.get(at).map_or(u64::MAX, |at| at.height() << BELOW)
    }

    /// The greatest key whose chain time is `time` or earlier; 0 where there is none.
    pub fn last_until(&self, clock: ClockId, time: u64) -> u64 {
        self.first_from(clock, time.saturating_add(1)).saturating_sub(1)
    }
}

impl Clock {
    fn note(&mut self, height: u64, time: u64) {
        match self.heights.last_mut() {
            Some(last) if last.height() == height && time <= last.own() => {}
            Some(last) if last.height() >= height => self.late.push((height, time)),
            last => {
                let chain_time = last.map_or(time, |last| last.chain_time().max(time));
                self.heights.push(Height::new(height, time, chain_time));
            }
        }
    }

    fn settle(&mut self) -> bool {
        if self.late.is_empty() {
            return false;
        }
        let mut late = std::mem::take(&mut self.late);
        late.retain(|&(height, time)| {
            let found = self.heights.binary_search_by_key(&height, |at| at.height());
            found.map_or(true, |at| self.heights[at].own() < time)
        });
        if late.is_empty() {
            return false;
        }
        let before = std::mem::take(&mut self.heights);
        let mut all: Vec<_> = before.iter().map(|at| (at.height(), at.own())).collect();
        all.append(&mut late);
        // The latest time of a height first.
        all.sort_unstable_by_key(|&(height, own)| (height, std::cmp::Reverse(own)));
        all.dedup_by_key(|(height, _)| *height);
        let mut latest = 0;
        self.heights.reserve_exact(all.len());
        for (height, own) in all {
            latest = own.max(latest);
            self.heights.push(Height::new(height, own, latest));
        }
        before.iter().any(|at| {
            let now = self.heights.binary_search_by_key(&at.height(), |at| at.height());
            now.is_ok_and(|now| self.heights[now].chain_time() != at.chain_time())
        })
    }
}
