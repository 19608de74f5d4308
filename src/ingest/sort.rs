//! Sorts the rows of a batch into new rows, replacements, conflicts and duplicates, and derives the
//! gaps. Only reads the store.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::known::{Index, Pending, RowSet};
use crate::domain::chain::Chain;
use crate::domain::coverage::{Conflict, Extent, Gap, Replacement, TransferState};
use crate::domain::transfer::{Identity, MergeOutcome, MovementKind, Transfer};
use crate::store::{Replaced, Store, StoreError};

/// A sorted batch.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// The rows to store.
    pub rows: Vec<Transfer>,
    pub replaced: Vec<Replaced>,
    pub conflicts: Vec<Conflict>,
    pub ended_gaps: Vec<(Chain, Gap)>,
    pub new_gaps: Vec<(Chain, Gap)>,
    /// Stored rows that match dropped rows without identity.
    pub matched: Vec<u64>,
}

/// A known row of the same movement.
enum KnownRow {
    /// A row of this batch, by its index among the rows to store.
    Pending(usize),
    /// A stored row, and whether another row replaces it.
    Stored(u64, Box<Transfer>, bool),
}

/// The sorting of one batch.
pub(super) struct Sorting<'a> {
    store: &'a Store,
    index: &'a mut Index,
    state: &'a TransferState,
    /// Rows that the session stored, or matched with a dropped duplicate.
    matched_rows: &'a RowSet,
    pending: Pending,
    newly_matched: RowSet,
    /// Replaced stored rows by number, each with the index of its replacement.
    replaced: BTreeMap<u64, (Transfer, usize)>,
    sorted: Sorted,
    /// True if rows of the batch lack a holder.
    has_unnamed: bool,
}

/// Number of transactions without named holders, by height, or by time without a height.
pub(super) type Unnamed = BTreeMap<(Chain, MovementKind, bool, u64), u64>;

impl<'a> Sorting<'a> {
    pub fn new(
        store: &'a Store,
        index: &'a mut Index,
        state: &'a TransferState,
        matched_rows: &'a RowSet,
        has_unnamed: bool,
    ) -> Self {
        Self {
            store,
            index,
            state,
            matched_rows,
            pending: Pending::default(),
            newly_matched: RowSet::default(),
            replaced: BTreeMap::new(),
            sorted: Sorted::default(),
            has_unnamed,
        }
    }

    /// Sorts a batch; only rows that `may_be_duplicate` are looked up.
    pub fn sort(
        mut self,
        batch: Vec<Transfer>,
        may_be_duplicate: &[bool],
    ) -> Result<Sorted, StoreError> {
        let mut closed_gaps = ClosedGaps::new(self.state);
        if may_be_duplicate.iter().all(|known| !known) {
            batch.iter().for_each(|row| closed_gaps.record(row));
            self.sorted.rows = batch;
        } else {
            let asked = batch.iter().zip(may_be_duplicate).filter(|(_, known)| **known);
            self.index.learn(self.store, asked.map(|(row, _)| row))?;
            self.sorted.rows.reserve(batch.len());
            for (row, may_be_duplicate) in batch.into_iter().zip(may_be_duplicate) {
                closed_gaps.record(&row);
                self.sort_row(row, *may_be_duplicate)?;
            }
        }
        self.record_replacements();
        self.sorted.ended_gaps.extend(closed_gaps.ended);
        Ok(self.sorted)
    }

    fn sort_row(&mut self, row: Transfer, may_be_duplicate: bool) -> Result<(), StoreError> {
        let fingerprint = self.index.fingerprint(&row);
        if !Identity::new(&row).is_place() {
            let is_known = may_be_duplicate && self.matches(fingerprint, &row)?;
            if !is_known {
                self.sorted.rows.push(row);
            }
            return Ok(());
        }
        let known = if may_be_duplicate { self.known(fingerprint, &row)? } else { Vec::new() };
        self.decide(row, known, fingerprint);
        Ok(())
    }

    /// Returns true if a row without identity was stored by another session.
    fn matches(&mut self, fingerprint: u64, row: &Transfer) -> Result<bool, StoreError> {
        let free = |number, stored: &Transfer| {
            !self.matched_rows.contains(number)
                && !self.newly_matched.contains(number)
                && !self.state.is_retracted(number, stored)
        };
        let found = self.index.find(self.store, fingerprint, row, free)?;
        if let Some(number) = found {
            self.newly_matched.add(number..number + 1);
            self.sorted.matched.push(number);
        }
        Ok(found.is_some())
    }

    /// Returns the unretracted rows of the same movement.
    fn known(&self, fingerprint: u64, row: &Transfer) -> Result<Vec<KnownRow>, StoreError> {
        let mut known = Vec::new();
        for (number, stored) in self.index.find_all(self.store, fingerprint, row)? {
            if self.is_retracted(number, &stored)? {
                continue;
            }
            let is_replaced =
                self.state.replacements.is_replaced(number) || self.replaced.contains_key(&number);
            known.push(KnownRow::Stored(number, Box::new(stored), is_replaced));
        }
        let pending = self.pending.find_all(fingerprint, row, &self.sorted.rows);
        known.extend(pending.into_iter().map(KnownRow::Pending));
        Ok(known)
    }

    /// Returns true if a stored row, or the row that replaced it, was retracted.
    fn is_retracted(&self, number: u64, row: &Transfer) -> Result<bool, StoreError> {
        if self.state.is_retracted(number, row) {
            return Ok(true);
        }
        let newest = self.state.replacements.newest(number);
        if newest == number {
            return Ok(false);
        }
        let newest = self.store.stored_rows(&[newest])?;
        Ok(newest.iter().any(|(number, row)| self.state.is_retracted(*number, row)))
    }

    /// Decides on a row by the known rows of its movement. A row that adds nothing is dropped, a
    /// more complete row replaces the first, and a row that contradicts all of them is stored as a
    /// conflict. Replaced rows can only show that a row adds nothing.
    fn decide(&mut self, row: Transfer, known: Vec<KnownRow>, fingerprint: u64) {
        let mut better = None;
        let mut contradicted = None;
        let first_row = self.state.rows;
        for known in known {
            let (number, is_replaced, outcome) = match &known {
                KnownRow::Pending(place) => {
                    let outcome = self.sorted.rows[*place].merge_with(&row);
                    (first_row + *place as u64, false, outcome)
                }
                KnownRow::Stored(number, stored, is_replaced) => {
                    (*number, *is_replaced, stored.merge_with(&row))
                }
            };
            match outcome {
                MergeOutcome::Unchanged => return,
                _ if is_replaced => {}
                MergeOutcome::Merged(together) => {
                    better.get_or_insert((known, together));
                }
                MergeOutcome::Contradiction => drop(contradicted.get_or_insert(number)),
                MergeOutcome::Forked | MergeOutcome::Elsewhere => {}
            }
        }
        let place = self.sorted.rows.len();
        match better {
            Some((KnownRow::Pending(place), together)) => self.sorted.rows[place] = *together,
            Some((KnownRow::Stored(number, stored, _), together)) => {
                self.replaced.insert(number, (*stored, place));
                self.push(*together, fingerprint);
            }
            None => {
                if let Some(first) = contradicted {
                    self.sorted.conflicts.push(Conflict {
                        chain: row.chain.clone(),
                        kind: row.kind(),
                        height: row.height(),
                        first,
                        second: first_row + place as u64,
                        settled: None,
                    });
                }
                self.push(row, fingerprint);
            }
        }
    }

    fn push(&mut self, row: Transfer, fingerprint: u64) {
        self.pending.add(fingerprint, self.sorted.rows.len());
        self.sorted.rows.push(row);
    }

    /// Records the replacements, and counts transactions without named holders among new and
    /// replaced rows.
    fn record_replacements(&mut self) {
        let first_row = self.state.rows;
        let (mut came, mut went) = (Unnamed::new(), Unnamed::new());
        let count = |unnamed: &mut Unnamed, row: &Transfer| {
            if row.has_unnamed_holders() {
                let at = row.height().unwrap_or(row.time);
                let place = (row.chain.clone(), row.kind(), row.height().is_some(), at);
                *unnamed.entry(place).or_default() += 1;
            }
        };
        if self.has_unnamed {
            self.sorted.rows.iter().for_each(|row| count(&mut came, row));
        }
        for (old, (stored, place)) in std::mem::take(&mut self.replaced) {
            count(&mut went, &stored);
            let is_silent = stored.is_alike_for_exposure(&self.sorted.rows[place]);
            self.sorted.replaced.push(Replaced {
                replacement: Replacement { old, new: first_row + place as u64, is_silent },
                chain: stored.chain.clone(),
                was_unpositioned: stored.position().is_none(),
            });
        }
        self.sorted.new_gaps.extend(counted(came));
        self.sorted.ended_gaps.extend(counted(went));
    }
}

pub(super) fn counted(rows: Unnamed) -> impl Iterator<Item = (Chain, Gap)> {
    rows.into_iter().map(|((chain, kind, is_height, at), rows)| {
        let extent = if is_height { Extent::Heights(at..=at) } else { Extent::Times(at..=at) };
        (chain, Gap::unnamed(kind, extent, rows))
    })
}

/// Gaps closed by arriving rows.
struct ClosedGaps<'a> {
    /// Gaps of a single height by chain and height.
    by_height: HashMap<(&'a Chain, u64), Vec<&'a Gap>>,
    of_times: Vec<(&'a Chain, &'a Gap)>,
    ended: Vec<(Chain, Gap)>,
}

impl<'a> ClosedGaps<'a> {
    fn new(state: &'a TransferState) -> Self {
        let mut by_height: HashMap<_, Vec<&Gap>> = HashMap::new();
        let mut of_times = Vec::new();
        for head in state.chains.values() {
            for gap in &head.gaps {
                match &gap.extent {
                    Extent::Heights(span) if span.start() == span.end() => {
                        by_height.entry((&head.chain, *span.start())).or_default().push(gap);
                    }
                    // No row closes a wide gap.
                    Extent::Heights(_) => {}
                    Extent::Times(_) => of_times.push((&head.chain, gap)),
                }
            }
        }
        Self { by_height, of_times, ended: Vec::new() }
    }

    #[inline]
    fn record(&mut self, row: &Transfer) {
        if self.by_height.is_empty() && self.of_times.is_empty() {
            return;
        }
        match row.height() {
            Some(height) => {
                let gaps = self.by_height.get(&(&row.chain, height)).map_or(&[][..], Vec::as_slice);
                let ended = gaps.iter().filter(|gap| gap.ends_with(row));
                self.ended.extend(ended.map(|gap| (row.chain.clone(), Gap::clone(gap))));
            }
            None => {
                let ended = self
                    .of_times
                    .iter()
                    .filter(|(chain, gap)| **chain == row.chain && gap.ends_with(row));
                self.ended.extend(ended.map(|(chain, gap)| (Chain::clone(chain), Gap::clone(gap))));
            }
        }
    }
}
