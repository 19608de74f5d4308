//! Leaves of several logs, read in their order and within a bound.

use crate::audit::Reader;

/// A leaf of one of the logs, by the number of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeafPlace {
    pub log: u64,
    pub leaf: u64,
}

/// The leaves of one log that a query searches.
pub(super) struct LogSpan {
    pub(super) number: u64,
    pub(super) reader: Reader,
    pub(super) end: u64,
}

/// The leaves that a page may still read.
pub(super) struct LeafBudget(u64);

impl LeafBudget {
    pub(super) fn new(leaves: u64) -> Self {
        Self(leaves)
    }

    /// Takes leaves from `first` on, and returns their end.
    pub(super) fn take(&mut self, first: u64, end: u64) -> u64 {
        let last = first.saturating_add(self.0).min(end).max(first);
        self.0 -= last - first;
        last
    }
}
