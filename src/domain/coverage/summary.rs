//! Summary of a chain's state: all that answers need of it, in some forty bytes, so that the store can
//! keep one for each change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ChainState, CoveredSpans, Spans, TransferState};
use crate::domain::transfer::MovementKind;

/// Spans by their ends and number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpansSummary {
    pub count: u64,
    /// The least and the greatest number of any span; `None` if there are no spans.
    pub ends: Option<(u64, u64)>,
}

/// Coverage of one kind of movement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSummary {
    pub heights: SpansSummary,
    pub times: SpansSummary,
    /// Whether transfers without a height lie outside the declared times.
    pub has_undeclared_times: bool,
}

/// What answers need of a [`ChainState`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainSummary {
    /// Transfers that count.
    pub transfers: u64,
    /// The earliest time of `transfers`, in Unix seconds.
    pub first_time: Option<u64>,
    pub last_time: Option<u64>,
    pub kinds: BTreeMap<MovementKind, KindSummary>,
    /// The number of gaps and open conflicts by kind, without zeros.
    pub gaps: BTreeMap<MovementKind, u64>,
    /// [`ChainState::undeclared`].
    pub undeclared: SpansSummary,
    /// The number of recorded assets: assets are only ever added, so that it stands for the first ones.
    pub assets: u32,
}

impl SpansSummary {
    fn new(spans: &Spans) -> Self {
        let ends = spans.first().zip(spans.last());
        Self {
            count: spans.len() as u64,
            ends: ends.map(|(first, last)| (*first.start(), *last.end())),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns true if it is one span that contains all of `extent`.
    pub fn is_whole_over(&self, extent: Option<(u64, u64)>) -> bool {
        let contains =
            |(first, last): (u64, u64)| extent.is_none_or(|(from, to)| first <= from && to <= last);
        self.count == 1 && self.ends.is_some_and(contains)
    }
}

impl From<&CoveredSpans> for KindSummary {
    fn from(spans: &CoveredSpans) -> Self {
        Self {
            heights: SpansSummary::new(&spans.heights),
            times: SpansSummary::new(&spans.times),
            has_undeclared_times: !spans.undeclared_times.is_empty(),
        }
    }
}

impl ChainSummary {
    /// Summarizes the state of a chain, of which `open_conflicts` are not settled.
    pub fn new(head: &ChainState, open_conflicts: impl Iterator<Item = MovementKind>) -> Self {
        let mut gaps: BTreeMap<MovementKind, u64> = BTreeMap::new();
        for kind in head.gaps.iter().map(|gap| gap.kind).chain(open_conflicts) {
            *gaps.entry(kind).or_default() += 1;
        }
        Self {
            transfers: head.transfers,
            first_time: head.first_time,
            last_time: head.last_time,
            kinds: head.kinds.iter().map(|(kind, spans)| (*kind, spans.into())).collect(),
            gaps,
            undeclared: SpansSummary::new(&head.undeclared),
            assets: head.assets.len() as u32,
        }
    }
}

impl TransferState {
    /// Summarizes a chain's state together with its open conflicts.
    pub fn summary_of(&self, head: &ChainState) -> ChainSummary {
        let open = self.open_conflicts(&head.chain);
        ChainSummary::new(head, open.map(|(_, conflict)| conflict.kind))
    }
}
