//! What becomes of the rows of a batch: new ones, tellings of movements that are stored already, and
//! what both mean for coverage. Reads the store, writes nothing.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::known::{Index, Pending, Taken};
use crate::domain::chain::Chain;
use crate::domain::coverage::{Conflict, Extent, Gap, Replacement, TransferState};
use crate::domain::transfer::{Identity, MergeOutcome, MovementKind, Transfer};
use crate::store::{Replaced, Store, StoreError};

/// A batch, sorted out.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// The rows to be stored.
    pub rows: Vec<Transfer>,
    pub replaced: Vec<Replaced>,
    pub conflicts: Vec<Conflict>,
    pub ended_gaps: Vec<(Chain, Gap)>,
    pub new_gaps: Vec<(Chain, Gap)>,
    /// Stored rows that stand for rows without a place that were dropped.
    pub matched: Vec<u64>,
}

/// A row that tells of the same movement.
enum Known {
    /// Of this batch, by its place among the rows to be stored.
    Pending(usize),
    /// Stored; whether another counts in its place.
    Stored(u64, Box<Transfer>, bool),
}

/// The sorting of one batch.
pub(super) struct Sorting<'a> {
    store: &'a Store,
    index: &'a mut Index,
    state: &'a TransferState,
    /// Rows that the session stored, or dropped a duplicate for.
    taken: &'a Taken,
    pending: Pending,
    now_taken: Taken,
    /// Stored rows that are told better, by number, each with the place of the better one.
    better: BTreeMap<u64, (Transfer, usize)>,
    sorted: Sorted,
    /// Whether rows that came name nobody.
    has_unnamed: bool,
}

/// Transactions whose inputs or outputs name nobody, by height, or by time where they state none.
pub(super) type Unnamed = BTreeMap<(Chain, MovementKind, bool, u64), u64>;

impl<'a> Sorting<'a> {
    pub fn new(
        store: &'a Store,
        index: &'a mut Index,
        state: &'a TransferState,
        taken: &'a Taken,
        has_unnamed: bool,
    ) -> Self {
        Self {
            store,
            index,
            state,
            taken,
            pending: Pending::default(),
            now_taken: Taken::default(),
            better: BTreeMap::new(),
            sorted: Sorted::default(),
            has_unnamed,
        }
    }

    /// Sorts a batch out; only rows that `may_be_known` are looked up.
    pub fn sort(
        mut self,
        batch: Vec<Transfer>,
        may_be_known: &[bool],
    ) -> Result<Sorted, StoreError> {
        let mut endings = Endings::of(self.state);
        if may_be_known.iter().all(|known| !known) {
            batch.iter().for_each(|row| endings.take(row));
            self.sorted.rows = batch;
        } else {
            let asked = batch.iter().zip(may_be_known).filter(|(_, known)| **known);
            self.index.learn(self.store, asked.map(|(row, _)| row))?;
            self.sorted.rows.reserve(batch.len());
            for (row, may_be_known) in batch.into_iter().zip(may_be_known) {
                endings.take(&row);
                self.take(row, *may_be_known)?;
            }
        }
        self.note_replaced();
        self.sorted.ended_gaps.extend(endings.ended);
        Ok(self.sorted)
    }

    fn take(&mut self, row: Transfer, may_be_known: bool) -> Result<(), StoreError> {
        let fingerprint = self.index.fingerprint(&row);
        if !Identity::of(&row).is_place() {
            let is_known = may_be_known && self.matches(fingerprint, &row)?;
            if !is_known {
                self.sorted.rows.push(row);
            }
            return Ok(());
        }
        let known = match may_be_known {
            true => self.known(fingerprint, &row)?,
            false => Vec::new(),
        };
        self.decide(row, known, fingerprint);
        Ok(())
    }

    /// Whether a row without a place is stored already, by another session.
    fn matches(&mut self, fingerprint: u64, row: &Transfer) -> Result<bool, StoreError> {
        let free = |number, stored: &Transfer| {
            !self.taken.holds(number)
                && !self.now_taken.holds(number)
                && !self.state.is_retracted(number, stored)
        };
        let found = self.index.find(self.store, fingerprint, row, free)?;
        if let Some(number) = found {
            self.now_taken.add(number..number + 1);
            self.sorted.matched.push(number);
        }
        Ok(found.is_some())
    }

    /// Rows that tell of the same movement and were not taken back.
    fn known(&self, fingerprint: u64, row: &Transfer) -> Result<Vec<Known>, StoreError> {
        let mut known = Vec::new();
        for (number, stored) in self.index.find_all(self.store, fingerprint, row)? {
            if self.stands_for_nothing(number, &stored)? {
                continue;
            }
            let is_replaced =
                self.state.replacements.is_replaced(number) || self.better.contains_key(&number);
            known.push(Known::Stored(number, Box::new(stored), is_replaced));
        }
        let pending = self.pending.find_all(fingerprint, row, &self.sorted.rows);
        known.extend(pending.into_iter().map(Known::Pending));
        Ok(known)
    }

    /// Whether a stored row was taken back, or the row that counts in its place was, with its block.
    fn stands_for_nothing(&self, number: u64, row: &Transfer) -> Result<bool, StoreError> {
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

    /// Decides by all that tell of the same movement: a telling that adds nothing is dropped, a better
    /// one takes the place of the first that it replacing_rows, and one that contradicts all stands beside
    /// them. Rows in whose place others count only tell what was told before.
    fn decide(&mut self, row: Transfer, known: Vec<Known>, fingerprint: u64) {
        let mut better = None;
        let mut contradicted = None;
        let first_row = self.state.rows;
        for known in known {
            let (number, is_replaced, telling) = match &known {
                Known::Pending(place) => {
                    let telling = self.sorted.rows[*place].merge_with(&row);
                    (first_row + *place as u64, false, telling)
                }
                Known::Stored(number, stored, is_replaced) => {
                    (*number, *is_replaced, stored.merge_with(&row))
                }
            };
            match telling {
                MergeOutcome::Known => return,
                _ if is_replaced => {}
                MergeOutcome::Better(together) => {
                    better.get_or_insert((known, together));
                }
                MergeOutcome::Contradiction => drop(contradicted.get_or_insert(number)),
                MergeOutcome::Forked | MergeOutcome::Elsewhere => {}
            }
        }
        let place = self.sorted.rows.len();
        match better {
            Some((Known::Pending(place), together)) => self.sorted.rows[place] = *together,
            Some((Known::Stored(number, stored, _), together)) => {
                self.better.insert(number, (*stored, place));
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

    /// Notes which rows are replaced, and counts transactions that name nobody: those that
    /// came, and those that were told better.
    fn note_replaced(&mut self) {
        let first_row = self.state.rows;
        let (mut came, mut went) = (Unnamed::new(), Unnamed::new());
        let note = |unnamed: &mut Unnamed, row: &Transfer| {
            if row.has_unnamed_holders() {
                let at = row.height().unwrap_or(row.time);
                let place = (row.chain.clone(), row.kind(), row.height().is_some(), at);
                *unnamed.entry(place).or_default() += 1;
            }
        };
        if self.has_unnamed {
            self.sorted.rows.iter().for_each(|row| note(&mut came, row));
        }
        for (old, (stored, place)) in std::mem::take(&mut self.better) {
            note(&mut went, &stored);
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

/// Gaps that end with the rows that arrive.
struct Endings<'a> {
    /// Gaps of one height by chain and height; and those of times.
    by_height: HashMap<(&'a Chain, u64), Vec<&'a Gap>>,
    of_times: Vec<(&'a Chain, &'a Gap)>,
    ended: Vec<(Chain, Gap)>,
}

impl<'a> Endings<'a> {
    fn of(state: &'a TransferState) -> Self {
        let mut by_height: HashMap<_, Vec<&Gap>> = HashMap::new();
        let mut of_times = Vec::new();
        for head in state.chains.values() {
            for gap in &head.gaps {
                match &gap.extent {
                    Extent::Heights(span) if span.start() == span.end() => {
                        by_height.entry((&head.chain, *span.start())).or_default().push(gap);
                    }
                    // No row ends a wide one.
                    Extent::Heights(_) => {}
                    Extent::Times(_) => of_times.push((&head.chain, gap)),
                }
            }
        }
        Self { by_height, of_times, ended: Vec::new() }
    }

    #[inline]
    fn take(&mut self, row: &Transfer) {
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
