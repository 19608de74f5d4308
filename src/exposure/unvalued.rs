//! Direct dealings with sources in assets without a known value, as shown beside labels.

use super::{Direction, Source};
use crate::domain::list::ListKind;

/// What a key dealt directly with sources of one kind, in one direction, in assets without a known
/// value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unvalued {
    /// Which way the transfers went.
    pub direction: Direction,
    pub kind: ListKind,
    /// How many rows they are: transfers, or transactions of UTXO chains.
    pub transfers: u32,
    /// Whether there may be more: more than a label counts (2,097,150), or than a search looked at.
    pub at_least: bool,
}

impl Unvalued {
    /// What two keys of one address have together: at most, since one row may name both.
    pub fn with(self, other: Self) -> Self {
        Self {
            transfers: self.transfers.saturating_add(other.transfers),
            at_least: self.at_least || other.at_least,
            ..self
        }
    }
}

/// What a search for unvalued dealings found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnvaluedSearch {
    /// By direction and kind, each with the first by order of the sources dealt with.
    pub found: Vec<(Unvalued, Source)>,
    /// Whether the budget ran out: more may be true.
    pub cut_short: bool,
    /// Edges that were looked at.
    pub examined: u64,
}
