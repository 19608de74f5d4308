//! Progress of a bulk load. The possibly unfinished block is a gap until the load continues, so
//! that a killed load leaves one. A load that brings such a block, and completes without rejected
//! rows, closes the gaps that earlier loads left there. Pure.

use std::collections::HashMap;

use crate::domain::chain::Chain;
use crate::domain::coverage::{Extent, Gap, GapCause, TransferState};
use crate::domain::transfer::{MovementKind, Transfer};

/// The heights of one chain and kind in a load.
#[derive(Debug)]
struct Reach {
    chain: Chain,
    kind: MovementKind,
    first: u64,
    last: u64,
    highest: u64,
    /// True if it went back to lower heights: any block may be unfinished.
    is_unordered: bool,
}

/// The progress of a bulk load and its gaps.
#[derive(Debug, Default)]
pub(super) struct LoadProgress {
    reaches: Vec<Reach>,
    /// Index of the reach of the last row.
    at: usize,
    /// Gaps that the load has stored.
    stored: Vec<(Chain, Gap)>,
    /// Blocks in which earlier loads stopped, by height.
    left: HashMap<u64, Vec<(Chain, Gap)>>,
    /// Those of them for which this load has rows.
    brought: Vec<(Chain, Gap)>,
    /// True if part of the load could not be parsed.
    pub has_faults: bool,
}

/// The gap changes of a load.
#[derive(Debug, Default)]
pub(super) struct GapChanges {
    pub ended: Vec<(Chain, Gap)>,
    pub added: Vec<(Chain, Gap)>,
    /// All gaps of the load after the change.
    stored: Vec<(Chain, Gap)>,
}

impl LoadProgress {
    /// Starts a load.
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

    /// Records a row of the load.
    pub fn record(&mut self, row: &Transfer) {
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

    /// Returns true if gaps close with the load.
    pub fn has_gaps(&self) -> bool {
        !self.stored.is_empty() || !self.has_faults && !self.brought.is_empty()
    }

    /// Returns the gap changes of the next change to store; `is_over` marks the end of the load.
    /// Gaps that others left stay theirs.
    pub fn gap_changes(&self, state: &TransferState, is_over: bool) -> GapChanges {
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
        GapChanges { ended, added, stored }
    }

    /// Records a stored change.
    pub fn commit(&mut self, gap_changes: GapChanges) {
        self.stored = gap_changes.stored;
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
