//! Where a bulk load stands: the block that it may not have finished is a gap until it goes on, so that
//! a load that is killed leaves one. A load that brings such a block and comes to its end, with nothing
//! in it that was not understood, ends what others left there. Pure.

use std::collections::HashMap;

use crate::domain::chain::Chain;
use crate::domain::coverage::{Extent, Gap, GapCause, TransferState};
use crate::domain::transfer::{MovementKind, Transfer};

/// The heights of one chain and kind that a load has brought.
#[derive(Debug)]
struct Reach {
    chain: Chain,
    kind: MovementKind,
    first: u64,
    last: u64,
    highest: u64,
    /// It went back to lower heights: any block may be unfinished.
    is_unordered: bool,
}

/// What a bulk load may not have finished.
#[derive(Debug, Default)]
pub(super) struct Standing {
    reaches: Vec<Reach>,
    /// The reach of the last row.
    at: usize,
    /// Gaps that the load has stored.
    stored: Vec<(Chain, Gap)>,
    /// Blocks in which others stopped before this load began, by height.
    left: HashMap<u64, Vec<(Chain, Gap)>>,
    /// Those of them that this load has brought rows of.
    brought: Vec<(Chain, Gap)>,
    /// Something of the load was not understood.
    pub has_faults: bool,
}

/// How the gaps of a load change.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub ended: Vec<(Chain, Gap)>,
    pub added: Vec<(Chain, Gap)>,
    /// All that are stored then.
    stored: Vec<(Chain, Gap)>,
}

impl Standing {
    /// Of a load that begins.
    pub fn after(state: &TransferState) -> Self {
        let mut left: HashMap<u64, Vec<(Chain, Gap)>> = HashMap::new();
        for head in state.chains.values() {
            for gap in head.gaps.iter().filter(|gap| gap.cause == GapCause::Stopped) {
                match &gap.extent {
                    Extent::Heights(span) if span.start() == span.end() => {
                        let blocks = left.entry(*span.start()).or_default();
                        blocks.push((head.chain.clone(), gap.clone()));
                    }
                    Extent::Heights(_) | Extent::Times(_) => {}
                }
            }
        }
        Self { left, ..Self::default() }
    }

    /// Notes a row that the load has brought.
    pub fn note(&mut self, row: &Transfer) {
        let Some(height) = row.height() else { return };
        let kind = row.kind();
        let is_of = |reach: &Reach| reach.kind == kind && reach.chain == row.chain;
        if !self.reaches.get(self.at).is_some_and(is_of) {
            self.at = self.reaches.iter().position(is_of).unwrap_or(self.reaches.len());
        }
        if !self.left.is_empty()
            && self.reaches.get(self.at).is_none_or(|reach| reach.last != height)
            && let Some(blocks) = self.left.get_mut(&height)
        {
            let is_brought =
                |(chain, gap): &mut (Chain, Gap)| gap.kind == kind && *chain == row.chain;
            self.brought.extend(blocks.extract_if(.., is_brought));
        }
        match self.reaches.get_mut(self.at) {
            Some(reach) => {
                reach.is_unordered |= height < reach.last;
                reach.last = height;
                reach.first = reach.first.min(height);
                reach.highest = reach.highest.max(height);
            }
            None => self.reaches.push(Reach {
                chain: row.chain.clone(),
                kind,
                first: height,
                last: height,
                highest: height,
                is_unordered: false,
            }),
        }
    }

    /// Whether there are gaps that end with the load.
    pub fn has_gaps(&self) -> bool {
        !self.stored.is_empty() || !self.has_faults && !self.brought.is_empty()
    }

    /// What changes with what is stored next; `is_over` says that the load ends with it. A gap that
    /// others have left is theirs and stays.
    pub fn moved(&self, state: &TransferState, is_over: bool) -> Moved {
        let stands = if is_over { Vec::new() } else { self.gaps() };
        let is_known = |(chain, gap): &(Chain, Gap)| {
            state.chains.get(&*chain.caip2()).is_some_and(|head| head.gaps.contains(gap))
        };
        let own = |gap: &(Chain, Gap)| self.stored.contains(gap);
        let stored: Vec<_> = stands.into_iter().filter(|gap| own(gap) || !is_known(gap)).collect();
        let mut ended: Vec<_> =
            self.stored.iter().filter(|gap| !stored.contains(gap)).cloned().collect();
        if is_over && !self.has_faults {
            ended.extend_from_slice(&self.brought);
        }
        let added = stored.iter().filter(|gap| !own(gap)).cloned().collect();
        Moved { ended, added, stored }
    }

    /// Takes note that a change was stored.
    pub fn keep(&mut self, moved: Moved) {
        self.stored = moved.stored;
    }

    fn gaps(&self) -> Vec<(Chain, Gap)> {
        let gap = |reach: &Reach| {
            let heights = if reach.is_unordered {
                reach.first..=reach.highest
            } else {
                reach.last..=reach.last
            };
            let (extent, cause) = (Extent::Heights(heights), GapCause::Stopped);
            (reach.chain.clone(), Gap { kind: reach.kind, extent, cause, place: None })
        };
        self.reaches.iter().map(gap).collect()
    }
}
