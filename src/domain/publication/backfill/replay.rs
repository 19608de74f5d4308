//! Replays all publications of a list in the order of their days, merging each into the result so
//! far. Old files come before known publications of the same day.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::civil::Date;

use super::reconstruct::Reconstructed;
use super::{BackfillRefused, Dated, FileOutcome, ReplayedPublication};
use crate::domain::list::{
    ChangeKind, KnownOrigin, KnownPublication, ListKind, Party, Row, RowFacts, RowKey,
};
use crate::domain::list_change::ListingChange;
use crate::domain::publication::merge::{Merge, merge_parties, merge_rows, missing};
use crate::domain::publication::quarantine::rewritten;
use crate::domain::publication::{Gates, spelt_now};

/// A publication that was already known.
#[derive(Debug)]
pub(super) struct StoredPublication<'a> {
    pub publication: &'a KnownPublication,
    /// Its changes, as stored.
    pub changes: &'a [ListingChange],
    /// The rows and parties that it changed, reconstructed.
    pub reconstructed: Reconstructed,
}

/// The result of a replay.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// The rows, by key.
    pub rows: Vec<Row>,
    /// The parties, by uid.
    pub parties: Vec<Party>,
    /// The publications in order, each with its changes.
    pub publications: Vec<ReplayedPublication>,
    /// Indices of files with the same rows as another publication of their day.
    repeated: BTreeSet<usize>,
    /// By file index: how many rows the next publication has, and how many of them the file lacks.
    lacking: BTreeMap<usize, (u64, u64)>,
    /// The last file, while no publication follows it.
    last_file: Option<usize>,
}

impl Replay {
    /// Replays `known` and `files`, both in the order of their days.
    pub fn run(known: &[StoredPublication<'_>], files: &[Dated]) -> Result<Self, BackfillRefused> {
        let mut replay = Self::default();
        let is_dated = |day: Date| known.iter().any(|it| it.publication.published == Some(day));
        let mut left = files.iter().enumerate().peekable();
        let mut last: Option<&Dated> = None;
        let mut differing: BTreeMap<usize, &KnownPublication> = BTreeMap::new();
        let mut rows: BTreeMap<&RowKey, &RowFacts> = BTreeMap::new();
        let mut parties: BTreeMap<&str, &Party> = BTreeMap::new();
        for StoredPublication { publication, changes, reconstructed } in known {
            let mut is_after_file = false;
            while let Some((place, file)) = left.next_if(|(_, file)| file.day <= publication.ends) {
                if is_dated(file.day) {
                    differing.insert(place, publication);
                } else if let Some(twin) = last.filter(|last| last.day == file.day) {
                    if file.digest != twin.digest {
                        return Err(file.differs_from(&twin.name));
                    }
                    replay.repeated.insert(place);
                } else {
                    replay.add_file(files, place, publication.kind);
                    is_after_file = true;
                }
                last = Some(file);
            }
            for (key, facts) in &reconstructed.rows {
                match facts {
                    Some(facts) => rows.insert(key, facts),
                    None => rows.remove(key),
                };
            }
            parties.extend(reconstructed.parties.iter().map(|party| (party.uid.as_str(), party)));
            for (place, file) in files.iter().enumerate() {
                let is_same = || publication.digest == file.digest || file.has_rows_of(&rows);
                if publication.published == Some(file.day) && is_same() {
                    replay.repeated.insert(place);
                }
            }
            let rows: Vec<_> = rows.iter().map(|(key, facts)| (*key, *facts)).collect();
            let named: BTreeSet<&str> =
                rows.iter().map(|(key, _)| key.party_uid.as_str()).collect();
            let is_named = |party: &&Party| named.contains(party.uid.as_str());
            let parties: Vec<_> = parties.values().copied().filter(is_named).collect();
            replay.compare(files, &rows);
            let merged = replay.merge(publication, &parties, &rows);
            // Beyond a file the changes stay the same, except that a new row may have existed
            // before.
            let now = overlay(merged, changes, |change| {
                waits(change) || (!is_after_file && change.kind == ChangeKind::Updated)
            });
            replay.publications.push(ReplayedPublication {
                publication: (*publication).clone(),
                changes: now,
                is_new: false,
                was_look: changes.is_empty(),
            });
        }
        match differing.into_iter().find(|(place, _)| !replay.repeated.contains(place)) {
            Some((place, known)) => Err(files[place].differs_from(&known.origin.to_string())),
            None => Ok(replay),
        }
    }

    /// Returns the outcome of a file.
    pub fn outcome(&self, place: usize, file: &Dated) -> FileOutcome {
        let (next_rows, lacks) = self.lacking.get(&place).copied().unwrap_or_default();
        FileOutcome {
            name: file.name.clone(),
            published: file.day,
            rows: file.list.rows.len() as u64,
            was_known: self.repeated.contains(&place),
            next_rows,
            lacks,
        }
    }

    /// Merges a file; `kind` is the kind of the next publication.
    fn add_file(&mut self, files: &[Dated], place: usize, kind: ListKind) {
        let file = &files[place];
        let publication = KnownPublication {
            published: Some(file.day),
            day: file.day,
            ends: file.day,
            kind,
            digest: file.digest,
            origin: KnownOrigin::File(file.name.clone()),
        };
        let parties: Vec<_> = file.list.parties.iter().collect();
        let rows: Vec<_> = file.list.rows.iter().map(|(key, facts)| (key, facts)).collect();
        self.compare(files, &rows);
        let changes = self.merge(&publication, &parties, &rows);
        self.publications.push(ReplayedPublication {
            publication,
            changes,
            is_new: true,
            was_look: false,
        });
        self.last_file = Some(place);
    }

    /// Counts the rows that the last file lacks of the following ones.
    fn compare(&mut self, files: &[Dated], rows: &[(&RowKey, &RowFacts)]) {
        let Some(place) = self.last_file.take() else { return };
        let of_file = &files[place].list.rows;
        let lacks = |(key, _): &&(&RowKey, &RowFacts)| {
            of_file.binary_search_by(|(known, _)| known.cmp(key)).is_err()
        };
        let lacking = rows.iter().filter(lacks).count() as u64;
        self.lacking.insert(place, (rows.len() as u64, lacking));
    }

    /// Merges a publication, without gates.
    fn merge(
        &mut self,
        publication: &KnownPublication,
        parties: &[&Party],
        rows: &[(&RowKey, &RowFacts)],
    ) -> Vec<ListingChange> {
        let (parties, party_changes) = merge_parties(&self.parties, parties);
        let rewritten = rewritten(&self.rows, &missing(&self.rows, rows), rows);
        let merge = Merge {
            first: self.publications.is_empty(),
            is_of_tags: matches!(publication.kind, ListKind::Attribution | ListKind::Service),
            first_published: self
                .publications
                .first()
                .and_then(|first| first.publication.published),
            same: false,
            day: publication.day,
            ends: publication.ends,
            now: jiff::Timestamp::MIN,
            gates: &Gates::default(),
            within_gate: true,
            forced: true,
            forced_held: true,
            parties: &parties,
            party_changes: &party_changes,
            held: &HashSet::new(),
            rewritten: rewritten.iter().map(|(key, place)| (key, &self.rows[*place].key)).collect(),
        };
        let (rows, changes) = merge_rows(&spelt_now(&self.rows, &rewritten), rows, &merge);
        (self.rows, self.parties) = (rows, parties);
        changes
    }
}

impl Dated {
    /// Returns true if it has these rows with the same dates.
    fn has_rows_of(&self, rows: &BTreeMap<&RowKey, &RowFacts>) -> bool {
        let own = self.list.rows.iter().map(|(key, facts)| (key, facts.listed_on));
        own.eq(rows.iter().map(|(key, facts)| (*key, facts.listed_on)))
    }

    fn differs_from(&self, known: &str) -> BackfillRefused {
        BackfillRefused::SameDay { name: self.name.clone(), day: self.day, known: known.to_owned() }
    }
}

/// Returns true if a removal is or was pending: merges without gates have none.
fn waits(change: &ListingChange) -> bool {
    matches!(change.kind, ChangeKind::RemovalPending | ChangeKind::RemovalCancelled)
}

/// Returns the changes of a known publication after the replay, by key. Those selected by `stays`
/// keep their stored form, except for newly listed rows.
fn overlay(
    merged: Vec<ListingChange>,
    stored: &[ListingChange],
    stays: impl Fn(&ListingChange) -> bool,
) -> Vec<ListingChange> {
    let mut all: BTreeMap<RowKey, ListingChange> =
        merged.into_iter().map(|change| (change.key.clone(), change)).collect();
    for change in stored.iter().filter(|change| stays(change)) {
        if all.get(&change.key).is_none_or(|now| now.kind != ChangeKind::Added) {
            all.insert(change.key.clone(), change.clone());
        }
    }
    all.into_values().collect()
}
