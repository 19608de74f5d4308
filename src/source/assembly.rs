//! Assembles parties and rows into one [`ReadList`] with notes: merges repeated rows, bounds number
//! and size, and sorts parties by uid and rows by key. Strings stay as read.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use jiff::civil::Date;

use super::Bounds;
use super::error::Fault;
use super::excerpt::excerpt;
use super::report::Notes;
use crate::domain::list::{FileNote, NoteKind, Party, ReadList, RowFacts, RowKey};

/// The longest uid, ticker and category, in bytes: every row has a copy.
const MAX_TAG: usize = 1 << 10;

/// The longest reference, in bytes.
const MAX_REFERENCE: usize = 8 << 10;

/// A list being read.
pub(super) struct Assembly {
    parties: BTreeMap<String, Party>,
    rows: BTreeMap<RowKey, RowFacts>,
    duplicates: u64,
    seen: usize,
    /// Bytes of text in parties and rows.
    kept: usize,
    bounds: Bounds,
    notes: Notes,
}

/// The result of a reader.
pub(super) struct Assembled {
    pub(super) list: ReadList,
    /// Rows read, including repeated ones.
    pub(super) rows: u64,
    /// What was skipped, or read with a doubt.
    pub(super) notes: Vec<FileNote>,
}

impl Assembly {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            parties: BTreeMap::new(),
            rows: BTreeMap::new(),
            duplicates: 0,
            seen: 0,
            kept: 0,
            bounds: bounds.clone(),
            notes: Notes::default(),
        }
    }

    /// Records `count` of something that was skipped, or read with a doubt.
    pub(super) fn add_note(
        &mut self,
        kind: NoteKind,
        subject: &str,
        count: u64,
        example: Option<&str>,
    ) {
        self.notes.add(kind, subject, count, example);
    }

    /// Returns the number of rows added, including repeated ones.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// Counts bytes to keep; fails beyond the bound.
    pub(super) fn keep(&mut self, bytes: usize) -> Result<(), Fault> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept > self.bounds.max_kept {
            return Err(Fault::TooMuchKept(self.bounds.max_kept));
        }
        Ok(())
    }

    /// Returns the party, creating it if new. Additions to it must be counted with [`Self::keep`]
    /// before.
    pub(super) fn party(&mut self, uid: &str) -> Result<&mut Party, Fault> {
        if !self.parties.contains_key(uid) {
            no_longer(uid, MAX_TAG)?;
            self.keep(2 * uid.len())?;
            let party = Party { uid: uid.to_owned(), ..Party::default() };
            self.parties.insert(uid.to_owned(), party);
        }
        Ok(self.parties.get_mut(uid).expect("it was inserted above where it was missing"))
    }

    /// Adds a new party; fails if it exists.
    pub(super) fn new_party(&mut self, mut party: Party) -> Result<(), Fault> {
        normalise(&mut party);
        if self.parties.contains_key(&party.uid) {
            return Err(Fault::PartyDiffers(excerpt(&party.uid)));
        }
        self.insert_party(party)
    }

    /// Adds a party; fails if it exists with other facts.
    pub(super) fn same_party(&mut self, mut party: Party) -> Result<(), Fault> {
        normalise(&mut party);
        match self.parties.get(&party.uid) {
            Some(known) if *known == party => Ok(()),
            Some(_) => Err(Fault::PartyDiffers(excerpt(&party.uid))),
            None => self.insert_party(party),
        }
    }

    fn insert_party(&mut self, party: Party) -> Result<(), Fault> {
        no_longer(&party.uid, MAX_TAG)?;
        self.keep(party_size(&party))?;
        self.parties.insert(party.uid.clone(), party);
        Ok(())
    }

    /// Adds a row. Rows of equal key are merged, with the same result in either order: see
    /// [`fold`].
    pub(super) fn row(&mut self, key: RowKey, facts: RowFacts) -> Result<(), Fault> {
        self.seen += 1;
        if self.seen > self.bounds.max_rows {
            return Err(Fault::TooManyRows(self.bounds.max_rows));
        }
        for tag in [&key.party_uid, &key.ticker, &facts.category] {
            no_longer(tag, MAX_TAG)?;
        }
        no_longer(&facts.reference, MAX_REFERENCE)?;
        match self.rows.entry(key) {
            Entry::Vacant(place) => {
                let key = place.key();
                let size = key.party_uid.len() + key.address.len() + key.ticker.len();
                let size = size + facts.category.len() + facts.reference.len();
                place.insert(facts);
                self.keep(size)
            }
            Entry::Occupied(mut place) => {
                self.duplicates += 1;
                let known = place.get_mut();
                let before = known.category.len() + known.reference.len();
                fold(known, facts);
                let after = known.category.len() + known.reference.len();
                if known.category.len() > MAX_TAG {
                    return Err(Fault::FieldTooLong(MAX_TAG));
                }
                self.kept = self.kept.saturating_sub(before);
                self.keep(after)
            }
        }
    }

    /// Returns the list with its notes.
    pub(super) fn finish(self, published: Option<Date>) -> Assembled {
        let mut parties: Vec<Party> = self.parties.into_values().collect();
        parties.iter_mut().for_each(normalise);
        let list = ReadList {
            published,
            parties,
            rows: self.rows.into_iter().collect(),
            duplicates: self.duplicates,
        };
        Assembled { list, rows: self.seen as u64, notes: self.notes.finish() }
    }
}

fn no_longer(text: &str, max: usize) -> Result<(), Fault> {
    if text.len() > max { Err(Fault::FieldTooLong(max)) } else { Ok(()) }
}

/// Merges another row of the same key: the earlier date, the lesser reference, and all distinct
/// categories, sorted and joined by `,`.
fn fold(known: &mut RowFacts, other: RowFacts) {
    known.listed_on = known.listed_on.into_iter().chain(other.listed_on).min();
    if known.reference.is_empty()
        || (!other.reference.is_empty() && other.reference < known.reference)
    {
        known.reference = other.reference;
    }
    if known.category.is_empty() {
        known.category = other.category;
    } else if !other.category.is_empty() && other.category != known.category {
        let both = known.category.split(',').chain(other.category.split(','));
        let each: BTreeSet<&str> = both.filter(|one| !one.is_empty()).collect();
        let joined = each.into_iter().collect::<Vec<_>>().join(",");
        known.category = if joined.is_empty() {
            other.category.min(mem::take(&mut known.category))
        } else {
            joined
        };
    }
}

/// Returns the bytes of a party, counting its uid twice, because it is also the key.
fn party_size(party: &Party) -> usize {
    let texts = party.aliases.iter().chain(&party.programs);
    let texts: usize = texts.map(|text| text.len() + size_of::<String>()).sum();
    2 * party.uid.len()
        + party.name.len()
        + party.party_type.len()
        + texts
        + party.listed_on.len() * size_of::<Date>()
}

/// Sorts and deduplicates programs and dates. Deduplicates other names, and drops empty ones and
/// the primary name.
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

/// Parses a day written as `2025-11-19`, and in no other way.
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

/// Fails if a value exceeds the bound.
pub(super) fn bounded(text: &str, bounds: &Bounds) -> Result<(), Fault> {
    if text.len() > bounds.max_field {
        return Err(Fault::FieldTooLong(bounds.max_field));
    }
    Ok(())
}
