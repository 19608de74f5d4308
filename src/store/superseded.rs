//! Stores the rows and parties that each version replaced, so that the previous version can be
//! restored exactly.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `superseded` | version (8), `h`, 0 (4) | the list, the previous version, number of chunks |
//! | | version (8), `p` or `r`, chunk (4) | 1,000 parties or rows |
//!
//! They are written with the version that supersedes them and kept permanently. The first version
//! of a list superseded nothing. Versions of schema 5 and older have none, and nothing before them
//! can be restored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::lists::{PARTIES, ROWS, chunk_key, decode_version, version_key};
use super::{Store, StoreError, value};
use crate::domain::list::{ListCheck, ListId, ListState, ListVersion, Party, Row, RowKey};

/// Parties or rows per key.
const CHUNK: usize = 1000;

const TREE: &str = "superseded";

const HEAD: u8 = b'h';

/// The first value of a version.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub list: ListId,
    /// The superseded version.
    pub previous: u64,
    pub parties: u32,
    pub rows: u32,
}

/// An item that a version changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) enum Superseded<T: Keyed> {
    Was(T),
    /// It did not exist before.
    Absent(T::Key),
}

/// An item with the key by which a version is sorted.
pub(super) trait Keyed: Clone + PartialEq + Serialize + DeserializeOwned {
    type Key: Clone + Ord + Serialize + DeserializeOwned;

    fn key(&self) -> &Self::Key;
}

impl Keyed for Row {
    type Key = RowKey;

    fn key(&self) -> &RowKey {
        &self.key
    }
}

impl Keyed for Party {
    type Key = String;

    fn key(&self) -> &String {
        &self.uid
    }
}

/// A list at an older version, if it can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastState {
    /// The list at that version. Checks of its source are not part of a version: the check is
    /// empty, and so is the baseline.
    Found(Box<ListState>),
    /// The list never had that version.
    NoSuchVersion,
    /// This later version was written by a program that did not record superseded rows.
    NotRecordedBy(u64),
}

impl Store {
    /// Writes what `state` changes in the previous version, if any. The caller holds the writer's
    /// lock, and the pointer names the previous version.
    pub(super) fn write_superseded(&self, state: &ListState) -> Result<(), StoreError> {
        let ListVersion { id, version, .. } = &state.version;
        let Some(pointer) = self.pointer(id)? else { return Ok(()) };
        let head = Head {
            list: id.clone(),
            previous: pointer.version,
            parties: self.write_part(id, [pointer.version, *version], PARTIES, &state.parties)?,
            rows: self.write_part(id, [pointer.version, *version], ROWS, &state.rows)?,
        };
        value::write(&self.superseded, &key(*version, HEAD, 0), &value::encode(&head)?)
    }

    /// Compares the stored chunks with the new items. Returns the number of chunks of differences.
    fn write_part<T: Keyed>(
        &self,
        id: &ListId,
        [previous, version]: [u64; 2],
        part: u8,
        new: &[T],
    ) -> Result<u32, StoreError> {
        let (mut written, mut differences) = (0, Vec::new());
        let mut new = new.iter().peekable();
        let flush = |differences: &mut Vec<Superseded<T>>, written: &mut u32, most: usize| {
            while differences.len() > most {
                let rest = differences.split_off(differences.len().min(CHUNK));
                let form = value::encode(&differences)?;
                value::write(&self.superseded, &key(version, part, *written), &form)?;
                (*written, *differences) = (*written + 1, rest);
            }
            Ok::<_, StoreError>(())
        };
        let (from, to) = (chunk_key(id, previous, part, 0), chunk_key(id, previous, part + 1, 0));
        value::scan(&self.rows, "rows", &from, &to, |key, bytes| {
            for old in value::decode::<Vec<T>>("rows", key, bytes)? {
                while let Some(added) = new.next_if(|new| new.key() < old.key()) {
                    differences.push(Superseded::Absent(added.key().clone()));
                }
                let same = new.next_if(|new| new.key() == old.key());
                if same.is_none_or(|new| *new != old) {
                    differences.push(Superseded::Was(old));
                }
            }
            flush(&mut differences, &mut written, CHUNK)?;
            Ok(true)
        })?;
        differences.extend(new.map(|added| Superseded::Absent(added.key().clone())));
        flush(&mut differences, &mut written, 0)?;
        Ok(written)
    }

    /// Returns a list at `version`. Blocks; the writer waits while the current version is read.
    pub fn state_at(&self, id: &ListId, version: u64) -> Result<PastState, StoreError> {
        let writer = self.lock();
        let Some(pointer) = self.pointer(id)? else { return Ok(PastState::NoSuchVersion) };
        let Some(place) = self.number_on_list(id, version) else {
            return Ok(PastState::NoSuchVersion);
        };
        let later: Vec<u64> = match usize::try_from(place) {
            Ok(place) => self.numbers().get(id).map_or(&[][..], |it| &it[place..]).to_vec(),
            Err(_) => Vec::new(),
        };
        let key = version_key(id, version);
        let header = value::read(&self.versions, "versions", &key)?
            .ok_or_else(|| StoreError::corrupt("versions", &key, "it is missing"))?;
        let header = decode_version(&key, &header)?;
        let parties = self.read_chunks(id, pointer.version, PARTIES, pointer.parties)?;
        let rows = self.read_chunks(id, pointer.version, ROWS, pointer.rows)?;
        // The rest never changes once written.
        drop(writer);
        let (mut parties_then, mut rows_then) = (BTreeMap::new(), BTreeMap::new());
        for later in later.into_iter().rev() {
            let Some(head) = self.head(later)? else { return Ok(PastState::NotRecordedBy(later)) };
            self.collect_superseded(later, PARTIES, head.parties, &mut parties_then)?;
            self.collect_superseded(later, ROWS, head.rows, &mut rows_then)?;
        }
        Ok(PastState::Found(Box::new(ListState {
            version: header,
            check: ListCheck::default(),
            parties: Arc::new(restore_items(parties, parties_then)),
            rows: Arc::new(restore_items(rows, rows_then)),
            baseline: Arc::default(),
        })))
    }

    fn head(&self, version: u64) -> Result<Option<Head>, StoreError> {
        let key = key(version, HEAD, 0);
        let stored = value::read(&self.superseded, TREE, &key)?;
        stored.map(|stored| value::decode(TREE, &key, &stored)).transpose()
    }

    /// Adds the items that a version superseded, overriding those of later versions.
    fn collect_superseded<T: Keyed>(
        &self,
        version: u64,
        part: u8,
        chunks: u32,
        found: &mut BTreeMap<T::Key, Option<T>>,
    ) -> Result<(), StoreError> {
        for chunk in 0..chunks {
            let key = key(version, part, chunk);
            let stored = value::read(&self.superseded, TREE, &key)?
                .ok_or_else(|| StoreError::corrupt(TREE, &key, "it is missing"))?;
            for item in value::decode::<Vec<Superseded<T>>>(TREE, &key, &stored)? {
                match item {
                    Superseded::Was(item) => found.insert(item.key().clone(), Some(item)),
                    Superseded::Absent(key) => found.insert(key, None),
                };
            }
        }
        Ok(())
    }

    /// Removes superseded items of versions above `last`, which never came into force. Returns the
    /// number of values.
    pub(super) fn remove_superseded_above(&self, last: u64) -> Result<u64, StoreError> {
        let doing = "removing values of an unfinished publication";
        let mut removed = 0;
        for key in self.superseded.range((last + 1).to_be_bytes()..).keys() {
            let key = key.map_err(StoreError::engine(doing))?;
            self.superseded.remove(key).map_err(StoreError::engine(doing))?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// Returns `items`, sorted by key, with those of `then` restored.
fn restore_items<T: Keyed>(items: Vec<T>, then: BTreeMap<T::Key, Option<T>>) -> Vec<T> {
    let mut past = Vec::with_capacity(items.len());
    let mut then = then.into_iter().peekable();
    for item in items {
        while let Some((_, was)) = then.next_if(|(key, _)| key < item.key()) {
            past.extend(was);
        }
        match then.next_if(|(key, _)| key == item.key()) {
            Some((_, was)) => past.extend(was),
            None => past.push(item),
        }
    }
    past.extend(then.filter_map(|(_, was)| was));
    past
}

fn key(version: u64, part: u8, chunk: u32) -> Vec<u8> {
    [&version.to_be_bytes()[..], &[part], &chunk.to_be_bytes()].concat()
}

/// The values still expected of a version during verification.
#[derive(Debug)]
pub(super) struct Expected {
    version: u64,
    /// The keys of missing chunks, the next one last.
    chunks: Vec<Vec<u8>>,
}

impl Expected {
    /// Checks the next value: the head of a version of `numbers` after all chunks of the previous
    /// one, or the expected chunk.
    pub fn take(
        expected: &mut Option<Self>,
        at: &[u8],
        bytes: &[u8],
        is_version: impl Fn(&Head, u64) -> bool,
    ) -> Result<(), StoreError> {
        let corrupt = |what: &str| Err(StoreError::corrupt(TREE, at, what));
        let split = at.split_first_chunk::<8>().filter(|(_, rest)| rest.len() == 5);
        let Some((version, part)) = split.map(|(version, rest)| (version, rest[0])) else {
            return corrupt("the key is malformed");
        };
        if part == HEAD {
            let whole = Self::end(expected);
            let version = u64::from_be_bytes(*version);
            let head: Head = value::decode(TREE, at, bytes)?;
            if !is_version(&head, version) {
                return corrupt("there is no such version");
            }
            let keys = |part, chunks| (0..chunks).map(move |chunk| key(version, part, chunk));
            let mut chunks: Vec<_> = keys(PARTIES, head.parties).collect();
            chunks.extend(keys(ROWS, head.rows));
            chunks.reverse();
            *expected = Some(Self { version, chunks });
            return whole;
        }
        if expected.as_mut().and_then(|it| it.chunks.pop()).is_none_or(|next| next != at) {
            return corrupt("another value should be here");
        }
        match part {
            PARTIES => value::decode::<Vec<Superseded<Party>>>(TREE, at, bytes).map(drop),
            _ => value::decode::<Vec<Superseded<Row>>>(TREE, at, bytes).map(drop),
        }
    }

    /// Fails if a value of the last version is missing.
    pub fn end(expected: &mut Option<Self>) -> Result<(), StoreError> {
        match expected.take() {
            Some(Self { version, chunks }) if !chunks.is_empty() => {
                let what = format_args!("{} of its chunks are missing", chunks.len());
                Err(StoreError::corrupt(TREE, &key(version, HEAD, 0), what))
            }
            Some(_) | None => Ok(()),
        }
    }
}
