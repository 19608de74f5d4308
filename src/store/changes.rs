//! Stores the changes of each list version, in order, and pages through them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, value};
use crate::domain::list::{ChangeKind, ListId, ListVersion, RowKey};
use crate::domain::list_change::ListingChange;
use crate::domain::publication::{BackfilledChange, History};

const CHUNK: usize = 1000;

/// A change with its position in the order of all changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChange {
    /// Its version.
    pub version: u64,
    /// Its index within the version, from 0.
    pub sequence: u32,
    pub list: ListId,
    /// For a backfilled version: the index of the change's publication in
    /// [`BackfillRecord::publications`](crate::domain::list::BackfillRecord).
    pub publication: Option<u32>,
    pub change: ListingChange,
}

/// A page of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangePage {
    /// The changes, in order.
    pub changes: Vec<StoredChange>,
    /// The cursor of the next page, to be given as `after`; `None` on the last page.
    pub next: Option<(u64, u32)>,
}

/// Changes of one version under one key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub list: ListId,
    /// Each with [`StoredChange::publication`].
    pub changes: Vec<(Option<u32>, ListingChange)>,
}

/// The stored form since schema 5. Its first byte is the variant number, 0; the older form
/// ([`OldChunk`]) begins with the length of a list id, 1 to 64.
#[derive(Serialize, Deserialize)]
enum Form {
    WithFields(Fields),
}

#[derive(Serialize, Deserialize)]
struct Fields {
    list: ListId,
    changes: Vec<ListingChange>,
}

/// The first byte of a chunk of a backfilled version ([`BackfilledForm`]), since schema 6.
const BACKFILLED: u8 = 0xff;

#[derive(Serialize, Deserialize)]
struct BackfilledForm {
    list: ListId,
    changes: Vec<BackfilledChange>,
}

/// The stored form of schemas 1 to 4.
#[derive(Serialize, Deserialize)]
pub(super) struct OldChunk {
    pub list: ListId,
    pub changes: Vec<OldChange>,
}

/// A change without its fields.
#[derive(Serialize, Deserialize)]
pub(super) struct OldChange {
    pub kind: ChangeKind,
    pub key: RowKey,
    pub party_name: String,
}

impl Chunk {
    /// Reads a chunk of any schema.
    pub fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, StoreError> {
        match bytes.split_first() {
            Some((&BACKFILLED, rest)) => {
                let BackfilledForm { list, changes } = value::decode("changes", key, rest)?;
                let changes = changes.into_iter().map(|(place, change)| (Some(place), change));
                Ok(Self { list, changes: changes.collect() })
            }
            Some((0, _)) => {
                let Form::WithFields(Fields { list, changes }) =
                    value::decode("changes", key, bytes)?;
                Ok(Self {
                    list,
                    changes: changes.into_iter().map(|change| (None, change)).collect(),
                })
            }
            _ => {
                let OldChunk { list, changes } = value::decode("changes", key, bytes)?;
                let change = |OldChange { kind, key, party_name }| {
                    (None, ListingChange { kind, key, party_name, fields: Vec::new() })
                };
                Ok(Self { list, changes: changes.into_iter().map(change).collect() })
            }
        }
    }
}

impl Store {
    /// Returns at most `limit` changes (1 if 0 is given) after the change `after` (version,
    /// sequence), or from the first one, of one list or all. Only of versions that came into force,
    /// and of none before the last backfill of their list.
    pub fn changes(
        &self,
        after: Option<(u64, u32)>,
        list: Option<&ListId>,
        limit: usize,
    ) -> Result<ChangePage, StoreError> {
        let limit = limit.max(1);
        let last = self.acknowledged.load(Ordering::Acquire);
        let (begins, spans) = match list {
            None => {
                let ids: Vec<_> = self.numbers().keys().cloned().collect();
                let begin = |id: ListId| {
                    let from = begins_with(&self.versions(&id)?);
                    Ok((id, from))
                };
                let begins = ids.into_iter().map(begin).collect::<Result<_, StoreError>>()?;
                (begins, vec![(0, last)])
            }
            Some(id) => {
                let headers = self.versions(id)?;
                let begins = BTreeMap::from([(id.clone(), begins_with(&headers))]);
                let one = |header: ListVersion| (header.version, header.version);
                (begins, headers.into_iter().map(one).collect())
            }
        };
        let mut page = ChangePage::default();
        for (first, last) in spans {
            let from = match after {
                Some((version, _)) if version > last => continue,
                Some((version, sequence)) if version >= first => (version, sequence),
                _ => (first, 0),
            };
            if !self.collect((from, last), after, limit, &begins, &mut page)? {
                break;
            }
        }
        if page.changes.len() > limit {
            page.changes.truncate(limit);
            page.next = page.changes.last().map(|change| (change.version, change.sequence));
        }
        Ok(page)
    }

    /// Adds the changes after `after`, between `from` and the end of version `last`, at most one
    /// more than `limit`. Returns true if more would fit.
    fn collect(
        &self,
        (from, last): ((u64, u32), u64),
        after: Option<(u64, u32)>,
        limit: usize,
        begins: &BTreeMap<ListId, u64>,
        page: &mut ChangePage,
    ) -> Result<bool, StoreError> {
        let start = from.1 / CHUNK as u32 * CHUNK as u32;
        let (from, to) = (key(from.0, start), key(last + 1, 0));
        value::scan(&self.changes, "changes", &from, &to, |found, bytes| {
            let (version, first) = split_key(found)
                .ok_or_else(|| StoreError::corrupt("changes", found, "the key is malformed"))?;
            let chunk = Chunk::decode(found, bytes)?;
            if begins.get(&chunk.list).is_some_and(|begins| version < *begins) {
                return Ok(true);
            }
            for (sequence, (publication, change)) in (first..).zip(chunk.changes) {
                if after.is_some_and(|after| (version, sequence) <= after) {
                    continue;
                }
                if page.changes.len() > limit {
                    break;
                }
                let list = chunk.list.clone();
                page.changes.push(StoredChange { version, sequence, list, publication, change });
            }
            Ok(page.changes.len() <= limit)
        })?;
        Ok(page.changes.len() <= limit)
    }

    /// Writes the changes of a version, in order.
    pub(super) fn write_changes(
        &self,
        id: &ListId,
        version: u64,
        changes: Changes<'_>,
    ) -> Result<(), StoreError> {
        let list = || id.clone();
        let encoded: Vec<Vec<u8>> = match changes {
            Changes::Publication(changes) => changes
                .chunks(CHUNK)
                .map(|chunk| {
                    value::encode(&Form::WithFields(Fields {
                        list: list(),
                        changes: chunk.to_vec(),
                    }))
                })
                .collect::<Result<_, _>>()?,
            Changes::Backfill(changes) => changes
                .chunks(CHUNK)
                .map(|chunk| {
                    let form =
                        value::encode(&BackfilledForm { list: list(), changes: chunk.to_vec() })?;
                    Ok([&[BACKFILLED], &form[..]].concat())
                })
                .collect::<Result<_, StoreError>>()?,
        };
        for (number, chunk) in encoded.into_iter().enumerate() {
            value::write(&self.changes, &key(version, (number * CHUNK) as u32), &chunk)?;
        }
        Ok(())
    }

    /// Returns the changes of one version, in order.
    pub(super) fn changes_of(
        &self,
        version: u64,
    ) -> Result<Vec<(Option<u32>, ListingChange)>, StoreError> {
        let mut found = Vec::new();
        let (from, to) = (key(version, 0), key(version + 1, 0));
        value::scan(&self.changes, "changes", &from, &to, |key, bytes| {
            found.extend(Chunk::decode(key, bytes)?.changes);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Returns the known publications of a list.
    pub fn history(&self, id: &ListId) -> Result<History, StoreError> {
        let versions = self.versions(id)?;
        History::read(&versions, |version| self.changes_of(version))
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Changes<'a> {
    /// Of a publication.
    Publication(&'a [ListingChange]),
    /// Of a backfill: the changes of all publications.
    Backfill(&'a [BackfilledChange]),
}

/// Returns the version with which the changes of a list begin: the last backfill.
fn begins_with(headers: &[ListVersion]) -> u64 {
    let is_retold = |header: &&ListVersion| header.provenance.backfill_record().is_some();
    headers.iter().rev().find(is_retold).map_or(0, |header| header.version)
}

pub(super) fn key(version: u64, sequence: u32) -> Vec<u8> {
    [&version.to_be_bytes()[..], &sequence.to_be_bytes()].concat()
}

pub(super) fn split_key(key: &[u8]) -> Option<(u64, u32)> {
    let (version, rest) = key.split_first_chunk::<8>()?;
    let sequence: [u8; 4] = rest.try_into().ok()?;
    Some((u64::from_be_bytes(*version), u32::from_be_bytes(sequence)))
}
