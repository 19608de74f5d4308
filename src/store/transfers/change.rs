//! Plans the changes of an append, retraction or settlement besides segments: heads, replacements,
//! conflicts, the ledger. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use hashbrown::HashMap;

use super::head::Tops;
use super::log::Log;
use super::{MAX_CHAINS, MAX_ROWS, check_chain, check_height};
use crate::domain::chain::Chain;
use crate::domain::coverage::{
    self, ChainState, Conflict, CoverageDeclaration, Extent, Gap, Replacement, TransferState,
};
use crate::domain::transfer::{Asset, MAX_TIME, Movement, MovementKind, Transfer};
use crate::store::heads::Ledger;
use crate::store::{Store, StoreError};

/// The data to append.
#[derive(Clone, Copy, Debug, Default)]
pub struct Append<'a> {
    /// The rows; the first gets the current number of rows as its number.
    pub rows: &'a [Transfer],
    /// Stored rows that these rows replace.
    pub replaced: &'a [Replaced],
    /// Conflicts in which these rows are the second side.
    pub conflicts: &'a [Conflict],
    /// Blocks and times declared complete.
    pub covered: &'a [CoverageDeclaration],
    pub ended_gaps: &'a [(Chain, Gap)],
    pub new_gaps: &'a [(Chain, Gap)],
}

/// A replaced row.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// Which, by which.
    pub replacement: Replacement,
    pub chain: Chain,
    /// True if the old row has no position.
    pub was_unpositioned: bool,
}

/// The changes to `transfers`, besides new segments.
pub(super) struct Change {
    pub state: TransferState,
    /// Chains whose heads change.
    pub touched: Vec<Chain>,
    pub tops: HashMap<String, Tops>,
    pub ledger: Ledger,
    /// The number of replacements before the change.
    pub first_replacement: usize,
    /// New or newly settled conflicts.
    pub conflicts: BTreeSet<u64>,
}

/// The extents of the rows of one chain.
#[derive(Default)]
struct RowExtents {
    heights: [Vec<u64>; MovementKind::ALL.len()],
    times: [Option<(u64, u64)>; MovementKind::ALL.len()],
}

impl Store {
    /// Plans an append; `None` if it changes nothing.
    pub(super) fn plan(&self, append: &Append<'_>) -> Result<Option<Change>, StoreError> {
        let log = self.log();
        let mut change = Change::after(&log);
        change.count_rows(append.rows)?;
        for CoverageDeclaration { chain, kinds, extent, .. } in append.covered {
            let (from, to) = extent.span().clone().into_inner();
            if from > to {
                let what = format!("{from} to {to} holds nothing");
                return Err(StoreError::Heights { field: "covered", what });
            }
            check_chain(chain)?;
            match extent {
                Extent::Heights(_) => check_height("covered", to)?,
                Extent::Times(_) if to > MAX_TIME => {
                    let what = format!("{to} is above {MAX_TIME}");
                    return Err(StoreError::Heights { field: "covered", what });
                }
                Extent::Times(_) => {}
            }
            let foreign = kinds.iter().find(|kind| !MovementKind::of_chain(chain).contains(kind));
            if let Some(kind) = foreign {
                let what = format!("{chain} has no transfers of kind {kind}");
                return Err(StoreError::Heights { field: "covered", what });
            }
            change.touch(chain)?;
        }
        for covered in append.covered {
            change.head(&covered.chain).declare(covered);
        }
        for Replaced { replacement, chain, was_unpositioned } in append.replaced {
            let head = change.head(chain);
            head.transfers -= 1;
            head.replaced += 1;
            head.unpositioned -= u64::from(*was_unpositioned);
            Arc::make_mut(&mut change.state.replacements).push(*replacement);
        }
        for conflict in append.conflicts {
            change.conflicts.insert(change.state.conflicts.len() as u64);
            Arc::make_mut(&mut change.state.conflicts).push(conflict.clone());
        }
        change.change_gaps(append)?;
        change.state.rows += append.rows.len() as u64;
        change.ledger.rows = change.state.rows;
        if change.state.rows > MAX_ROWS {
            return Err(StoreError::TooManyRows);
        }
        if append.rows.is_empty() {
            change.state.changes = log.state.changes;
            if change.state == *log.state {
                return Ok(None);
            }
            change.state.changes = change.ledger.changes;
        }
        Ok(Some(change))
    }
}

impl Change {
    /// Starts an empty change.
    pub fn after(log: &Log) -> Self {
        let ledger = Ledger { changes: log.ledger.changes + 1, rows: log.ledger.rows };
        let mut state = TransferState::clone(&log.state);
        state.changes = ledger.changes;
        Self {
            first_replacement: state.replacements.len(),
            state,
            touched: Vec::new(),
            tops: log.tops.clone(),
            ledger,
            conflicts: BTreeSet::new(),
        }
    }

    /// Counts rows and records their extents.
    fn count_rows(&mut self, rows: &[Transfer]) -> Result<(), StoreError> {
        let mut seen: BTreeMap<&Chain, RowExtents> = BTreeMap::new();
        for run in rows.chunk_by(|a, b| a.chain == b.chain) {
            let chain = &run[0].chain;
            self.touch(chain)?;
            let seen = seen.entry(chain).or_default();
            let mut tops = self.tops.get(&*chain.caip2()).copied().unwrap_or_default();
            let head = self.head(chain);
            let (mut unpositioned, mut first, mut last) = (0, u64::MAX, 0);
            let mut last_asset = None;
            for row in run {
                (first, last) = (first.min(row.time), last.max(row.time));
                unpositioned += u64::from(row.position().is_none());
                let kind = row.kind();
                tops.raise(kind, row);
                seen.add(kind, row);
                let asset = asset_of(row);
                if last_asset != Some(asset) {
                    head.record_asset(asset);
                    last_asset = Some(asset);
                }
            }
            head.transfers += run.len() as u64;
            head.unpositioned += unpositioned;
            head.add_time(first);
            head.add_time(last);
            self.tops.insert(chain.to_string(), tops);
        }
        for (chain, seen) in seen {
            seen.apply_to(self.head(chain));
        }
        Ok(())
    }

    fn change_gaps(&mut self, append: &Append<'_>) -> Result<(), StoreError> {
        let of = |gaps: &[(Chain, Gap)], chain: &Chain| -> Vec<Gap> {
            let own = gaps.iter().filter(|(of, _)| of == chain);
            own.map(|(_, gap)| gap.clone()).collect()
        };
        let all = append.ended_gaps.iter().chain(append.new_gaps);
        for chain in all.map(|(chain, _)| chain).collect::<BTreeSet<_>>() {
            check_chain(chain)?;
            self.touch(chain)?;
            let (ended, added) = (of(append.ended_gaps, chain), of(append.new_gaps, chain));
            self.head(chain).change_gaps(&ended, added);
        }
        Ok(())
    }

    pub fn touch(&mut self, chain: &Chain) -> Result<(), StoreError> {
        if self.touched.contains(chain) {
            return Ok(());
        }
        let name = chain.to_string();
        let chains = &mut self.state.chains;
        if chains.len() >= MAX_CHAINS && !chains.contains_key(&name) {
            return Err(StoreError::TooManyChains(chain.clone()));
        }
        chains.entry(name).or_insert_with(|| ChainState::new(chain.clone()));
        self.touched.push(chain.clone());
        Ok(())
    }

    /// Returns the head of a touched chain.
    pub fn head(&mut self, chain: &Chain) -> &mut ChainState {
        self.state.chains.get_mut(&*chain.caip2()).expect("it was touched")
    }
}

fn asset_of(row: &Transfer) -> &Asset {
    match &row.movement {
        Movement::Account(account) => &account.asset,
        Movement::Utxo(_) => &Asset::Native,
    }
}

impl RowExtents {
    #[inline]
    fn add(&mut self, kind: MovementKind, row: &Transfer) {
        let kind = kind as usize;
        match row.height() {
            Some(height) => {
                let heights = &mut self.heights[kind];
                if heights.last() != Some(&height) {
                    heights.push(height);
                }
            }
            None => {
                let (first, last) = self.times[kind].unwrap_or((row.time, row.time));
                self.times[kind] = Some((first.min(row.time), last.max(row.time)));
            }
        }
    }

    fn apply_to(self, head: &mut ChainState) {
        for ((kind, heights), times) in
            MovementKind::ALL.into_iter().zip(self.heights).zip(self.times)
        {
            if !heights.is_empty() {
                let heights: Vec<RangeInclusive<u64>> = coverage::spans_from(heights);
                head.add_heights(kind, &heights);
            }
            if let Some((first, last)) = times {
                head.add_times(kind, first..=last);
            }
        }
    }
}
