//! List versions: written next to the current one, made current by one key, and read back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::numbers::Numbers;
use super::{Store, StoreError, heads, value};
use crate::domain::list::{ListCheck, ListId, ListState, ListVersion};

/// Rows or parties per key.
const CHUNK: usize = 1000;

pub(super) const PARTIES: u8 = b'p';
pub(super) const ROWS: u8 = b'r';

/// The value of a list in `lists`: its current version.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pointer {
    pub version: u64,
    /// Number of chunks of parties, to notice a missing one.
    pub parties: u32,
    pub rows: u32,
    pub check: ListCheck,
}

/// The stored form since schema 6. Its first byte is the variant number, 0; the older form
/// ([`OldPointer`]) begins with a version number, which is never 0.
#[derive(Serialize, Deserialize)]
enum Form {
    WithDeclaredLook(Pointer),
}

/// The stored form of schemas 1 to 5, without declared checks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OldPointer {
    pub version: u64,
    pub parties: u32,
    pub rows: u32,
    pub succeeded_at: Option<Timestamp>,
    pub published: Option<Date>,
    pub file_digest: Option<[u8; 32]>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub source: Option<[u8; 32]>,
}

impl Pointer {
    /// Reads a pointer of any schema.
    pub fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, StoreError> {
        if bytes.first() == Some(&0) {
            let Form::WithDeclaredLook(pointer) = value::decode("lists", key, bytes)?;
            return Ok(pointer);
        }
        let old: OldPointer = value::decode("lists", key, bytes)?;
        let check = ListCheck {
            succeeded_at: old.succeeded_at,
            published: old.published,
            file_digest: old.file_digest,
            etag: old.etag,
            last_modified: old.last_modified,
            source: old.source,
            declared: None,
        };
        Ok(Self { version: old.version, parties: old.parties, rows: old.rows, check })
    }

    fn encode(self) -> Result<Vec<u8>, StoreError> {
        value::encode(&Form::WithDeclaredLook(self))
    }
}

/// Encodes a version, followed by its unparsed rows.
fn encode_version(version: &ListVersion) -> Result<Vec<u8>, StoreError> {
    value::encode(&(version, &version.not_understood))
}

/// Decodes a version of any schema: schema 6 and older had nothing after it.
pub(super) fn decode_version(key: &[u8], bytes: &[u8]) -> Result<ListVersion, StoreError> {
    let corrupt = |error| StoreError::corrupt("versions", key, error);
    let (mut version, rest): (ListVersion, _) =
        postcard::take_from_bytes(bytes).map_err(corrupt)?;
    if !rest.is_empty() {
        version.not_understood = value::decode("versions", key, rest)?;
    }
    Ok(version)
}

impl Store {
    /// Makes `state` the current version of its list, with its changes, durably. After a failure
    /// the previous version is current on the next opening, or this one if only the last sync
    /// failed.
    pub fn publish(&self, state: &ListState, changes: Changes<'_>) -> Result<(), StoreError> {
        let id = &state.version.id;
        let version = state.version.version;
        let in_order = || match self.next_version() {
            next if next == version => Ok(()),
            next => Err(StoreError::OutOfOrder { found: version, next }),
        };
        self.write(in_order, |()| {
            let pointer = Pointer {
                version,
                parties: self.write_chunks(id, version, PARTIES, &state.parties)?,
                rows: self.write_chunks(id, version, ROWS, &state.rows)?,
                check: state.check.clone(),
            };
            self.write_baseline(id, version, &state.baseline)?;
            let header = encode_version(&state.version)?;
            value::write(&self.versions, &version_key(id, version), &header)?;
            self.write_changes(id, version, changes)?;
            self.write_superseded(state)?;
            self.sync()?;
            let looks = self.write_check(id, &state.check)?;
            self.write_pointer(id, pointer)?;
            self.sync()?;
            self.write_heads()?;
            self.acknowledged.store(version, Ordering::Release);
            self.numbers().entry(id.clone()).or_default().push(version);
            self.adopt_check_log(looks);
            Ok(())
        })?;
        let removal =
            |()| if self.pins.keep() { Ok(()) } else { self.remove_superseded(id, version) };
        self.write(|| Ok(()), removal).or_else(|error| {
            // The publication is durable; leftovers are removed on the next opening.
            tracing::warn!(list = %id, version, %error, "superseded rows not removed");
            Ok(())
        })
    }

    /// Stores the last check of a list's source, durably, without a new version.
    pub fn record_check(&self, id: &ListId, check: &ListCheck) -> Result<(), StoreError> {
        let known = || self.pointer(id)?.ok_or_else(|| StoreError::UnknownList(id.clone()));
        self.write(known, |pointer| {
            let looks = self.write_check(id, check)?;
            self.write_pointer(id, Pointer { check: check.clone(), ..pointer })?;
            self.sync()?;
            self.adopt_check_log(looks);
            Ok(())
        })
    }

    /// Returns the current state of every list, by id.
    pub fn lists(&self) -> Result<Vec<ListState>, StoreError> {
        let _writer = self.lock();
        let read = |(id, pointer): &(ListId, Pointer)| self.read_state(id, pointer);
        self.pointers()?.iter().map(read).collect()
    }

    /// Returns the current state of a list; `None` if it was never published.
    pub fn list(&self, id: &ListId) -> Result<Option<ListState>, StoreError> {
        let _writer = self.lock();
        let pointer = self.pointer(id)?;
        pointer.map(|pointer| self.read_state(id, &pointer)).transpose()
    }

    /// Returns the headers of every version of a list that was ever current, in order.
    pub fn versions(&self, id: &ListId) -> Result<Vec<ListVersion>, StoreError> {
        let _writer = self.lock();
        let last = version_key(id, self.acknowledged.load(Ordering::Acquire) + 1);
        let mut headers = Vec::new();
        value::scan(&self.versions, "versions", &version_key(id, 0), &last, |key, bytes| {
            headers.push(decode_version(key, bytes)?);
            Ok(true)
        })?;
        Ok(headers)
    }

    /// Fails if the database is behind `heads`; otherwise updates the file.
    pub(super) fn check_heads(&self, known: Option<&heads::Heads>) -> Result<(), StoreError> {
        let found = self.heads()?;
        if let Some(known) = known.filter(|known| known.transfers.changes > found.transfers.changes)
        {
            return Err(StoreError::LostTransfers {
                dir: self.dir.clone(),
                stored: known.transfers.rows,
                changes: known.transfers.changes,
                found: found.transfers.rows,
                found_changes: found.transfers.changes,
            });
        }
        for (list, version) in known.into_iter().flat_map(|known| &known.lists) {
            let found = found.lists.get(list).copied();
            if found.is_none_or(|found| found < *version) {
                let (dir, list, version) = (self.dir.clone(), list.clone(), *version);
                return Err(StoreError::Lost { dir, list, version, found });
            }
        }
        if known != Some(&found) && self.database.fallback_reason().is_none() {
            self.sync()?;
            heads::write(&self.dir, &found)?;
        }
        Ok(())
    }

    pub(super) fn write_heads(&self) -> Result<(), StoreError> {
        heads::write(&self.dir, &self.heads()?)
    }

    pub(super) fn heads(&self) -> Result<heads::Heads, StoreError> {
        let pointers = self.pointers()?.into_iter();
        let lists = pointers.map(|(id, pointer)| (id, pointer.version)).collect();
        Ok(heads::Heads { lists, transfers: self.ledger()? })
    }

    /// Removes data that no pointer references, and reads the greatest acknowledged version.
    pub(super) fn recover(&self) -> Result<(), StoreError> {
        let pointers = self.pointers()?;
        let current = |id: &[u8]| {
            pointers.iter().find(|(known, _)| known.as_str().as_bytes() == id).map(|(_, p)| p)
        };
        let last = pointers.iter().map(|(_, pointer)| pointer.version).max().unwrap_or(0);
        self.acknowledged.store(last, Ordering::Release);

        let doing = "removing values of an unfinished publication";
        let mut removed = 0_u64;
        let mut numbers = Numbers::new();
        for (name, tree) in [("versions", &self.versions), ("rows", &self.rows)] {
            for key in tree.iter().keys() {
                let key = key.map_err(StoreError::engine(doing))?;
                let (id, version) = split_key(&key)
                    .ok_or_else(|| StoreError::corrupt(name, &key, "the key is malformed"))?;
                let kept = current(id).is_some_and(|pointer| match name {
                    "rows" => version == pointer.version,
                    _ => version <= pointer.version,
                });
                if !kept {
                    tree.remove(&key).map_err(StoreError::engine(doing))?;
                    removed += 1;
                } else if name == "versions"
                    && let Some((list, _)) =
                        pointers.iter().find(|(known, _)| known.as_str().as_bytes() == id)
                {
                    // A header may be in several pieces.
                    let of_list = numbers.entry(list.clone()).or_default();
                    if of_list.last() != Some(&version) {
                        of_list.push(version);
                    }
                }
            }
        }
        for key in self.changes.range((last + 1).to_be_bytes()..).keys() {
            let key = key.map_err(StoreError::engine(doing))?;
            self.changes.remove(key).map_err(StoreError::engine(doing))?;
            removed += 1;
        }
        removed += self.remove_superseded_above(last)?;
        if removed > 0 {
            tracing::info!(values = removed, "removed values of an unfinished publication");
            self.sync()?;
        }
        *self.numbers() = numbers;
        Ok(())
    }

    pub(super) fn remove_superseded(&self, id: &ListId, current: u64) -> Result<(), StoreError> {
        let doing = "removing superseded rows";
        let range = version_key(id, 0)..version_key(id, current);
        for key in self.rows.range(range).keys() {
            let key = key.map_err(StoreError::engine(doing))?;
            self.rows.remove(key).map_err(StoreError::engine(doing))?;
        }
        Ok(())
    }

    fn read_state(&self, id: &ListId, pointer: &Pointer) -> Result<ListState, StoreError> {
        let key = version_key(id, pointer.version);
        let header = value::read(&self.versions, "versions", &key)?
            .ok_or_else(|| StoreError::corrupt("versions", &key, "it is missing"))?;
        let rows = self.read_chunks(id, pointer.version, ROWS, pointer.rows)?;
        Ok(ListState {
            version: decode_version(&key, &header)?,
            check: pointer.check.clone(),
            parties: Arc::new(self.read_chunks(id, pointer.version, PARTIES, pointer.parties)?),
            baseline: Arc::new(self.read_baseline(id, pointer.version, &rows)?),
            rows: Arc::new(rows),
        })
    }

    pub(super) fn write_chunks<T: Serialize>(
        &self,
        id: &ListId,
        version: u64,
        part: u8,
        items: &[T],
    ) -> Result<u32, StoreError> {
        let mut written = 0;
        for chunk in items.chunks(CHUNK) {
            let key = chunk_key(id, version, part, written);
            value::write(&self.rows, &key, &value::encode(&chunk)?)?;
            written += 1;
        }
        Ok(written)
    }

    pub(super) fn read_chunks<T: DeserializeOwned>(
        &self,
        id: &ListId,
        version: u64,
        part: u8,
        chunks: u32,
    ) -> Result<Vec<T>, StoreError> {
        let mut items: Vec<T> = Vec::new();
        let mut next = 0;
        let (from, to) = (chunk_key(id, version, part, 0), chunk_key(id, version, part + 1, 0));
        value::scan(&self.rows, "rows", &from, &to, |key, bytes| {
            let expected = chunk_key(id, version, part, next);
            if key != expected {
                return Err(StoreError::corrupt("rows", &expected, "it is missing"));
            }
            next += 1;
            items.extend(value::decode::<Vec<T>>("rows", key, bytes)?);
            Ok(true)
        })?;
        if next != chunks {
            let expected = chunk_key(id, version, part, next.min(chunks));
            return Err(StoreError::corrupt(
                "rows",
                &expected,
                format_args!("{next} of {chunks} chunks are there"),
            ));
        }
        Ok(items)
    }

    fn write_pointer(&self, id: &ListId, pointer: Pointer) -> Result<(), StoreError> {
        let key = id.as_str().as_bytes();
        let sealed = value::seal(key, &pointer.encode()?);
        self.lists.insert(key, sealed).map_err(StoreError::engine("writing a pointer"))?;
        Ok(())
    }

    pub(super) fn pointer(&self, id: &ListId) -> Result<Option<Pointer>, StoreError> {
        let key = id.as_str().as_bytes();
        let sealed = self.lists.get(key).map_err(StoreError::engine("reading a pointer"))?;
        sealed.map(|sealed| read_pointer(key, &sealed)).transpose()
    }

    /// Returns the last check of each list's source.
    pub(super) fn checks(&self) -> Result<Vec<(ListId, ListCheck)>, StoreError> {
        let pointers = self.pointers()?.into_iter();
        Ok(pointers.map(|(id, pointer)| (id, pointer.check)).collect())
    }

    fn pointers(&self) -> Result<Vec<(ListId, Pointer)>, StoreError> {
        let read = |item: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, sealed) = item.map_err(StoreError::engine("reading the pointers"))?;
            let id = std::str::from_utf8(&key).ok().and_then(|id| id.parse().ok());
            let id =
                id.ok_or_else(|| StoreError::corrupt("lists", &key, "the key is not a list id"))?;
            Ok((id, read_pointer(&key, &sealed)?))
        };
        self.lists.iter().map(read).collect()
    }
}

pub(super) fn read_pointer(key: &[u8], sealed: &[u8]) -> Result<Pointer, StoreError> {
    Pointer::decode(key, value::unseal("lists", key, sealed)?)
}

pub(super) fn version_key(id: &ListId, version: u64) -> Vec<u8> {
    [id.as_str().as_bytes(), &[0], &version.to_be_bytes()].concat()
}

pub(super) fn chunk_key(id: &ListId, version: u64, part: u8, chunk: u32) -> Vec<u8> {
    let mut key = version_key(id, version);
    key.push(part);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// Splits the list id and version off a key of `versions` or `rows`.
pub(super) fn split_key(key: &[u8]) -> Option<(&[u8], u64)> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let (version, _) = key[end + 1..].split_first_chunk::<8>()?;
    Some((&key[..end], u64::from_be_bytes(*version)))
}
