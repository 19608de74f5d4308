//! Index of stored rows by fingerprint, verified against the rows themselves. Only reads the store.
//!
//! The index holds the segments that rows were compared with, and grows on demand: a live stream
//! needs the last one, a file sent again all. It takes 13 to 26 bytes a row.

use std::hash::BuildHasher;
use std::ops::{Range, RangeInclusive};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::domain::chain::Chain;
use crate::domain::transfer::{Identity, Transfer};
use crate::store::{Clock, Store, StoreError};

/// A larger index is dropped when the next comparison needs less than a quarter of it.
const KEPT_ROWS: usize = 4 << 20;

/// Fingerprints of stored rows, with a random key per process.
#[derive(Default)]
pub(super) struct Index {
    hasher: DefaultHashBuilder,
    /// The fingerprint in two halves, and the row.
    rows: HashTable<([u32; 2], u32)>,
    learned: RowSet,
}

impl Index {
    pub(super) fn fingerprint(&self, row: &Transfer) -> u64 {
        self.hasher.hash_one(Identity::new(row))
    }

    /// Loads every stored row that may match one of `rows`.
    pub(super) fn learn<'a>(
        &mut self,
        store: &Store,
        rows: impl Iterator<Item = &'a Transfer>,
    ) -> Result<(), StoreError> {
        let mut spans: HashMap<(&Chain, Clock), RangeInclusive<u64>> = HashMap::new();
        for row in rows {
            let (clock, at) = match row.height() {
                Some(height) => (Clock::Heights, height),
                None => (Clock::Times, row.time),
            };
            let span = spans.entry((&row.chain, clock)).or_insert(at..=at);
            *span = at.min(*span.start())..=at.max(*span.end());
        }
        let mut segments: Vec<(u64, u32)> = spans
            .iter()
            .flat_map(|((chain, clock), span)| store.reaching(chain, *clock, span))
            .collect();
        segments.sort_unstable();
        segments.dedup();
        let needed: usize = segments.iter().map(|(_, rows)| *rows as usize).sum();
        if self.rows.len() > KEPT_ROWS && needed < self.rows.len() / 4 {
            (self.rows, self.learned) = (HashTable::new(), RowSet::default());
        }
        for (first, count) in segments {
            let all = first..first + u64::from(count);
            let numbers: Vec<u64> =
                all.clone().filter(|row| !self.learned.contains(*row)).collect();
            for (number, row) in store.stored_rows(&numbers)? {
                let fingerprint = self.fingerprint(&row);
                let entry = (halves(fingerprint), number as u32);
                self.rows.insert_unique(fingerprint, entry, |(known, _)| whole(*known));
            }
            self.learned.add(all);
        }
        Ok(())
    }

    /// Returns the stored rows of the same identity, by number.
    pub(super) fn find_all(
        &self,
        store: &Store,
        fingerprint: u64,
        row: &Transfer,
    ) -> Result<Vec<(u64, Transfer)>, StoreError> {
        let halves = halves(fingerprint);
        let found = self.rows.iter_hash(fingerprint).filter(|(known, _)| *known == halves);
        let mut numbers: Vec<u64> = found.map(|(_, number)| u64::from(*number)).collect();
        numbers.sort_unstable();
        let mut rows = store.stored_rows(&numbers)?;
        rows.retain(|(_, stored)| Identity::new(stored) == Identity::new(row));
        Ok(rows)
    }

    /// Returns the first equal stored row that is `wanted`.
    pub(super) fn find(
        &self,
        store: &Store,
        fingerprint: u64,
        row: &Transfer,
        wanted: impl Fn(u64, &Transfer) -> bool,
    ) -> Result<Option<u64>, StoreError> {
        let halves = halves(fingerprint);
        for (_, number) in self.rows.iter_hash(fingerprint).filter(|(known, _)| *known == halves) {
            let number = u64::from(*number);
            if let [(_, stored)] = &store.stored_rows(&[number])?[..]
                && stored == row
                && wanted(number, stored)
            {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }
}

fn halves(fingerprint: u64) -> [u32; 2] {
    [(fingerprint >> 32) as u32, fingerprint as u32]
}

fn whole([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Fingerprints of the batch rows to store, with their indices.
#[derive(Default)]
pub(super) struct Pending(HashTable<(u64, usize)>);

impl Pending {
    pub(super) fn add(&mut self, fingerprint: u64, place: usize) {
        self.0.insert_unique(fingerprint, (fingerprint, place), |(known, _)| *known);
    }

    /// Returns the indices of rows of the same identity.
    pub(super) fn find_all(
        &self,
        fingerprint: u64,
        row: &Transfer,
        rows: &[Transfer],
    ) -> Vec<usize> {
        let found = self.0.iter_hash(fingerprint).filter(|(known, _)| *known == fingerprint);
        let same = |place: &usize| Identity::new(&rows[*place]) == Identity::new(row);
        let mut places: Vec<usize> = found.map(|(_, place)| *place).filter(same).collect();
        places.sort_unstable();
        places
    }
}

/// Rows of a block of [`RowSet`].
const BLOCK: u64 = 1 << 16;

/// A set of row numbers: one bit per row, in blocks of 65,536.
#[derive(Default)]
pub(super) struct RowSet(HashMap<u64, Box<[u64]>>);

impl RowSet {
    pub(super) fn add(&mut self, rows: Range<u64>) {
        for (block, word, mask) in words(rows) {
            let empty = || vec![0; BLOCK as usize / 64].into_boxed_slice();
            self.0.entry(block).or_insert_with(empty)[word] |= mask;
        }
    }

    pub(super) fn contains(&self, row: u64) -> bool {
        self.contains_all(row..row + 1)
    }

    pub(super) fn contains_all(&self, rows: Range<u64>) -> bool {
        let holds = |(block, word, mask): (u64, usize, u64)| {
            self.0.get(&block).is_some_and(|block| block[word] & mask == mask)
        };
        words(rows).all(holds)
    }
}

/// Iterates over the words of a range of rows: block, word index, and bit mask.
fn words(rows: Range<u64>) -> impl Iterator<Item = (u64, usize, u64)> {
    let mut next = rows.start;
    std::iter::from_fn(move || {
        if next >= rows.end {
            return None;
        }
        let end = (next / 64 + 1).saturating_mul(64).min(rows.end);
        let mask = (u64::MAX >> (64 - (end - next))) << (next % 64);
        let word = (next / BLOCK, (next % BLOCK / 64) as usize, mask);
        next = end;
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_taken_are_a_set_of_numbers(
            ranges in prop::collection::vec((0_u64..400, 0_u64..150), 0..8),
            asked in (0_u64..600, 0_u64..200),
            far in prop::bool::ANY,
        ) {
            let base = if far { BLOCK * 3 - 200 } else { 0 };
            let (mut matched_rows, mut model) = (RowSet::default(), BTreeSet::new());
            for (start, length) in ranges {
                let range = base + start..base + start + length;
                matched_rows.add(range.clone());
                model.extend(range);
            }
            let asked = base + asked.0..base + asked.0 + asked.1;
            prop_assert_eq!(matched_rows.contains_all(asked.clone()), asked.clone().all(|row| model.contains(&row)));
            prop_assert_eq!(matched_rows.contains(asked.start), model.contains(&asked.start));
        }
    }
}
