//! Parties and rows into one [`ReadList`]: folds repeated rows, bounds their number, and gives
//! the canonical order (parties by uid, rows by key). Must not judge addresses: every string is
//! kept as it was read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::civil::Date;

use super::Bounds;
use super::error::{Fault, excerpt};
use crate::domain::list::{Party, ReadList, RowFacts, RowKey};

/// The uid of the party of rows that name none.
pub(super) const UNATTRIBUTED: &str = "unattributed";

/// A list in the making.
pub(super) struct Assembly {
    parties: BTreeMap<String, Party>,
    rows: BTreeMap<RowKey, RowFacts>,
    duplicates: u64,
    seen: usize,
    max_rows: usize,
}

impl Assembly {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            parties: BTreeMap::new(),
            rows: BTreeMap::new(),
            duplicates: 0,
            seen: 0,
            max_rows: bounds.max_rows,
        }
    }

    /// How many rows were added, repeated ones among them.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// The party, made empty where it is new.
    pub(super) fn party(&mut self, uid: &str) -> &mut Party {
        if !self.parties.contains_key(uid) {
            let party = Party { uid: uid.to_owned(), ..Party::default() };
            self.parties.insert(uid.to_owned(), party);
        }
        self.parties.get_mut(uid).expect("it was inserted above where it was missing")
    }

    /// Adds a party that must not be there yet.
    pub(super) fn new_party(&mut self, mut party: Party) -> Result<(), Fault> {
        normalise(&mut party);
        match self.parties.entry(party.uid.clone()) {
            Entry::Occupied(_) => Err(Fault::PartyDiffers(excerpt(&party.uid))),
            Entry::Vacant(place) => {
                place.insert(party);
                Ok(())
            }
        }
    }

    /// Adds a party, or finds it there with the very same facts.
    pub(super) fn same_party(&mut self, mut party: Party) -> Result<(), Fault> {
        normalise(&mut party);
        match self.parties.get(&party.uid) {
            Some(known) if *known == party => Ok(()),
            Some(_) => Err(Fault::PartyDiffers(excerpt(&party.uid))),
            None => {
                self.parties.insert(party.uid.clone(), party);
                Ok(())
            }
        }
    }

    /// Adds a row. Where its key is there already the two are folded: the earlier facts stand,
    /// what they leave unsaid is filled in, and the earlier of two dates is taken.
    pub(super) fn row(&mut self, key: RowKey, facts: RowFacts) -> Result<(), Fault> {
        self.seen += 1;
        if self.seen > self.max_rows {
            return Err(Fault::TooManyRows(self.max_rows));
        }
        match self.rows.entry(key) {
            Entry::Vacant(place) => {
                place.insert(facts);
            }
            Entry::Occupied(mut place) => {
                self.duplicates += 1;
                let known = place.get_mut();
                known.listed_on = known.listed_on.into_iter().chain(facts.listed_on).min();
                for (old, new) in
                    [(&mut known.category, facts.category), (&mut known.reference, facts.reference)]
                {
                    if old.is_empty() {
                        *old = new;
                    }
                }
            }
        }
        Ok(())
    }

    /// The list.
    pub(super) fn finish(self, published: Option<Date>) -> ReadList {
        let mut parties: Vec<Party> = self.parties.into_values().collect();
        parties.iter_mut().for_each(normalise);
        ReadList {
            published,
            parties,
            rows: self.rows.into_iter().collect(),
            duplicates: self.duplicates,
        }
    }
}

/// Programs and dates sorted and each once; other names each once, and none that is empty or the
/// name itself.
fn normalise(party: &mut Party) {
    party.programs.retain(|program| !program.is_empty());
    party.programs.sort_unstable();
    party.programs.dedup();
    party.listed_on.sort_unstable();
    party.listed_on.dedup();
    if !party.aliases.is_empty() {
        let mut met = std::collections::HashSet::new();
        let name = &party.name;
        let fresh =
            |alias: &String| !alias.is_empty() && alias != name && met.insert(alias.clone());
        let kept: Vec<bool> = party.aliases.iter().map(fresh).collect();
        let mut kept = kept.into_iter();
        party.aliases.retain(|_| kept.next().unwrap_or(true));
    }
}

/// A day written as `2025-11-19` and in no other way.
pub(super) fn day(text: &str) -> Result<Date, Fault> {
    let bad = || Fault::BadDate(excerpt(text));
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !shaped {
        return Err(bad());
    }
    text.parse().map_err(|_| bad())
}

/// Refuses a value that is longer than the bound.
pub(super) fn bounded(text: &str, bounds: &Bounds) -> Result<(), Fault> {
    if text.len() > bounds.max_field {
        return Err(Fault::FieldTooLong(bounds.max_field));
    }
    Ok(())
}
