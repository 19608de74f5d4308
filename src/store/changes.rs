//! What each list version changed, in order, page by page.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, value};
use crate::domain::list::{ChangeKind, ListId, ListingChange, RowKey};

/// Changes under one key.
const CHUNK: usize = 1000;

/// A change with its place in the order of all changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChange {
    /// The version that made it.
    pub version: u64,
    /// Its place within the version, from 0.
    pub sequence: u32,
    /// The list.
    pub list: ListId,
    /// What happened.
    pub change: ListingChange,
}

/// A stretch of the changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangePage {
    /// The changes, in order.
    pub changes: Vec<StoredChange>,
    /// Where the next page begins, to be given as `after`; `None` if this is the last.
    pub next: Option<(u64, u32)>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk {
    pub list: ListId,
    pub changes: Vec<ListingChange>,
}

/// The stored form since schema 5. Its first byte is the number of the variant, 0; the form before
/// ([`OldChunk`]) begins with the length of a list id, which is never 0.
#[derive(Serialize, Deserialize)]
enum Form {
    WithFields(Chunk),
}

/// The stored form of schemas 1 to 4.
#[derive(Serialize, Deserialize)]
pub(super) struct OldChunk {
    pub list: ListId,
    pub changes: Vec<OldChange>,
}

/// A change that does not say which fields are other.
#[derive(Serialize, Deserialize)]
pub(super) struct OldChange {
    pub kind: ChangeKind,
    pub key: RowKey,
    pub party_name: String,
}

impl Chunk {
    /// Reads a chunk of any schema.
    pub fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, StoreError> {
        if bytes.first() == Some(&0) {
            let Form::WithFields(chunk) = value::decode("changes", key, bytes)?;
            return Ok(chunk);
        }
        let OldChunk { list, changes } = value::decode("changes", key, bytes)?;
        let change = |OldChange { kind, key, party_name }| ListingChange {
            kind,
            key,
            party_name,
            fields: Vec::new(),
        };
        Ok(Self { list, changes: changes.into_iter().map(change).collect() })
    }
}

impl Store {
    /// At most `limit` changes (1 where 0 is given) after the change `after` (version, sequence), or from the first
    /// one; of one list, or of all. Only of versions that came in force.
    pub fn changes(
        &self,
        after: Option<(u64, u32)>,
        list: Option<&ListId>,
        limit: usize,
    ) -> Result<ChangePage, StoreError> {
        let limit = limit.max(1);
        let last = self.acknowledged.load(Ordering::Acquire);
        let spans = match list {
            None => vec![(0, last)],
            Some(id) => {
                let one =
                    |header: crate::domain::list::ListVersion| (header.version, header.version);
                self.versions(id)?.into_iter().map(one).collect()
            }
        };
        let mut page = ChangePage::default();
        for (first, last) in spans {
            let from = match after {
                Some((version, _)) if version > last => continue,
                Some((version, sequence)) if version >= first => (version, sequence),
                _ => (first, 0),
            };
            if !self.collect(from, last, after, limit, &mut page)? {
                break;
            }
        }
        if page.changes.len() > limit {
            page.changes.truncate(limit);
            page.next = page.changes.last().map(|change| (change.version, change.sequence));
        }
        Ok(page)
    }

    /// Adds what comes after `after` from `from` to the end of version `last`, one more than
    /// `limit` at most; says whether there is room for more.
    fn collect(
        &self,
        from: (u64, u32),
        last: u64,
        after: Option<(u64, u32)>,
        limit: usize,
        page: &mut ChangePage,
    ) -> Result<bool, StoreError> {
        let start = from.1 / CHUNK as u32 * CHUNK as u32;
        let (from, to) = (key(from.0, start), key(last + 1, 0));
        value::scan(&self.changes, "changes", &from, &to, |found, bytes| {
            let (version, first) = split_key(found)
                .ok_or_else(|| value::corrupt("changes", found, "the key has another form"))?;
            let chunk = Chunk::decode(found, bytes)?;
            for (sequence, change) in (first..).zip(chunk.changes) {
                if after.is_some_and(|after| (version, sequence) <= after) {
                    continue;
                }
                if page.changes.len() > limit {
                    break;
                }
                let list = chunk.list.clone();
                page.changes.push(StoredChange { version, sequence, list, change });
            }
            Ok(page.changes.len() <= limit)
        })?;
        Ok(page.changes.len() <= limit)
    }

    pub(super) fn write_changes(
        &self,
        id: &ListId,
        version: u64,
        changes: &[ListingChange],
    ) -> Result<(), StoreError> {
        for (number, chunk) in changes.chunks(CHUNK).enumerate() {
            let chunk = Form::WithFields(Chunk { list: id.clone(), changes: chunk.to_vec() });
            let key = key(version, (number * CHUNK) as u32);
            value::write(&self.changes, &key, &value::encode(&chunk)?)?;
        }
        Ok(())
    }
}

pub(super) fn key(version: u64, sequence: u32) -> Vec<u8> {
    [&version.to_be_bytes()[..], &sequence.to_be_bytes()].concat()
}

pub(super) fn split_key(key: &[u8]) -> Option<(u64, u32)> {
    let (version, rest) = key.split_first_chunk::<8>()?;
    let sequence: [u8; 4] = rest.try_into().ok()?;
    Some((u64::from_be_bytes(*version), u32::from_be_bytes(sequence)))
}
