//! Generations of labels: opaque bytes of a base, and deltas after it. Labels can be rebuilt from
//! lists and transfers, so `heads` does not list them.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `labels` | `m` | manifest: the generation, its chunks, what the caller notes of it |
//! | | `b`, generation (8), chunk (4), piece (4) | 6 KiB of a chunk and its checksum |
//! | | `d`, generation (8), number (4), piece (4) | 6 KiB of a delta and its checksum |
//!
//! A base is written chunk by chunk and synced once; then the manifest is replaced, as one batch,
//! and synced: the one key that switches. The generation before goes afterwards. A delta is one
//! batch and so is whole or absent; it goes with the base that it follows. What no manifest leads
//! to is removed on opening.

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, pieces, value};

use crate::domain::lock::Recover;

const TREE: &str = "labels";
const MANIFEST: &[u8] = b"m";
const BASE: u8 = b'b';
const DELTA: u8 = b'd';
const CHECKSUM: usize = 8;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    generation: u64,
    /// The length of each chunk in bytes, without its checksum.
    chunks: Vec<u64>,
    meta: Vec<u8>,
}

/// The labels of the current generation.
#[derive(Debug)]
pub struct StoredLabels<'a> {
    /// Counts generations, from 1.
    pub generation: u64,
    /// The caller's metadata of the base.
    pub meta: Vec<u8>,
    /// The base, chunk by chunk.
    pub chunks: LabelChunks<'a>,
    /// The deltas after it, in order.
    pub deltas: Vec<Vec<u8>>,
}

/// The chunks of a base, each read and verified on demand. Fails if another base replaced this one
/// meanwhile; never returns other chunks.
#[derive(Debug)]
pub struct LabelChunks<'a> {
    store: &'a Store,
    generation: u64,
    lengths: std::iter::Enumerate<std::vec::IntoIter<u64>>,
}

impl Iterator for LabelChunks<'_> {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (number, length) = self.lengths.next()?;
        let key = key(BASE, self.generation, number as u32);
        let sealed = pieces::read(&self.store.labels, TREE, &key, length as usize + CHECKSUM);
        Some(sealed.and_then(|sealed| unseal(&key, sealed)))
    }
}

impl Store {
    /// Replaces the labels with a new base, without deltas. If killed at any moment, the store has
    /// the old labels with their deltas or the new ones. Other writes may run concurrently.
    pub fn put_label_base(
        &self,
        meta: &[u8],
        chunks: impl Iterator<Item = Vec<u8>>,
    ) -> Result<(), StoreError> {
        let _writer = self.label_writer.lock().recover();
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let generation = self.manifest()?.map_or(1, |manifest| manifest.generation + 1);
        let lengths = self.write_base(generation, chunks);
        // Nothing is half changed, but the database accepts no more.
        let lengths = lengths.inspect_err(|error| self.fail(error.to_string()))?;
        let manifest = Manifest { generation, chunks: lengths, meta: meta.to_vec() };
        let manifest = value::encode(&manifest)?;
        self.write(
            || Ok(()),
            |()| {
                let mut batch = sled::Batch::default();
                value::replace(&self.labels, &mut batch, MANIFEST, &manifest)?;
                self.labels.apply_batch(batch).map_err(StoreError::engine("writing a manifest"))?;
                self.sync()
            },
        )?;
        let removed = self
            .remove_labels(BASE, 0, generation)
            .and_then(|()| self.remove_labels(DELTA, 0, generation));
        removed.or_else(|error| {
            // The new labels are durable; leftovers are removed on the next opening.
            tracing::warn!(generation, %error, "superseded labels not removed");
            Ok(())
        })
    }

    /// Writes the chunks of a base and syncs. Returns the length of each.
    fn write_base(
        &self,
        generation: u64,
        chunks: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Vec<u64>, StoreError> {
        // Leftovers of a failed attempt.
        self.remove_labels(BASE, generation, u64::MAX)?;
        let mut lengths = Vec::new();
        for (number, chunk) in (0..).zip(chunks) {
            lengths.push(chunk.len() as u64);
            let key = key(BASE, generation, number);
            pieces::write(&self.labels, &key, &seal(&key, chunk), pieces::LARGE)?;
        }
        self.sync()?;
        Ok(lengths)
    }

    /// Adds deltas to the current base, in order and durably: all of them or, if killed, none.
    pub fn put_label_deltas(&self, deltas: &[Vec<u8>]) -> Result<(), StoreError> {
        if deltas.is_empty() {
            return Ok(());
        }
        let _writer = self.label_writer.lock().recover();
        let place = || {
            let generation = self.manifest()?.ok_or(StoreError::NoLabels)?.generation;
            Ok((generation, self.last_delta(generation)?.map_or(0, |last| last + 1)))
        };
        self.write(place, |(generation, first)| {
            let mut batch = sled::Batch::default();
            for (number, delta) in (first..).zip(deltas) {
                let key = key(DELTA, generation, number);
                for (key, piece) in pieces::cut(&key, &seal(&key, delta.clone()), pieces::LARGE) {
                    batch.insert(key, piece);
                }
            }
            self.labels.apply_batch(batch).map_err(StoreError::engine("writing a delta"))?;
            self.sync()
        })
    }

    /// Returns the current labels, if any.
    pub fn labels(&self) -> Result<Option<StoredLabels<'_>>, StoreError> {
        let _writer = self.label_writer.lock().recover();
        let Some(Manifest { generation, chunks, meta }) = self.manifest()? else {
            return Ok(None);
        };
        let lengths = chunks.into_iter().enumerate();
        let chunks = LabelChunks { store: self, generation, lengths };
        Ok(Some(StoredLabels { generation, meta, chunks, deltas: self.deltas(generation)? }))
    }

    /// Removes labels that no manifest references.
    pub(super) fn recover_labels(&self) -> Result<(), StoreError> {
        let current = self.manifest()?.map(|manifest| manifest.generation);
        for kind in [BASE, DELTA] {
            self.remove_labels(kind, 0, current.unwrap_or(0))?;
            self.remove_labels(kind, current.map_or(0, |current| current + 1), u64::MAX)?;
        }
        Ok(())
    }

    fn manifest(&self) -> Result<Option<Manifest>, StoreError> {
        let stored = value::read(&self.labels, TREE, MANIFEST)?;
        stored.map(|bytes| value::decode(TREE, MANIFEST, &bytes)).transpose()
    }

    fn last_delta(&self, generation: u64) -> Result<Option<u32>, StoreError> {
        let last = self.labels.scan_prefix(prefix(DELTA, generation)).keys().next_back();
        let Some(last) = last else { return Ok(None) };
        let last = last.map_err(StoreError::engine("reading a key"))?;
        let number = last.get(9..13).and_then(|number| number.try_into().ok());
        let number =
            number.ok_or_else(|| StoreError::corrupt(TREE, &last, "the key is malformed"))?;
        Ok(Some(u32::from_be_bytes(number)))
    }

    fn deltas(&self, generation: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let count = self.last_delta(generation)?.map_or(0, |last| last + 1);
        let read = |number| {
            let key = key(DELTA, generation, number);
            let mut length = 0;
            for item in self.labels.scan_prefix(&key) {
                length += item.map_err(StoreError::engine("reading a delta"))?.1.len();
            }
            unseal(&key, pieces::read(&self.labels, TREE, &key, length)?)
        };
        (0..count).map(read).collect()
    }

    /// Removes the generations from `from` to before `to`.
    fn remove_labels(&self, kind: u8, from: u64, to: u64) -> Result<(), StoreError> {
        let doing = "removing labels";
        for key in self.labels.range(prefix(kind, from)..prefix(kind, to)).keys() {
            let key = key.map_err(StoreError::engine(doing))?;
            self.labels.remove(key).map_err(StoreError::engine(doing))?;
        }
        Ok(())
    }
}

fn prefix(kind: u8, generation: u64) -> Vec<u8> {
    [&[kind][..], &generation.to_be_bytes()].concat()
}

fn key(kind: u8, generation: u64, number: u32) -> Vec<u8> {
    [prefix(kind, generation), number.to_be_bytes().to_vec()].concat()
}

/// Appends the checksum.
fn seal(key: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = pieces::checksum(key, &bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn unseal(key: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let Some((bytes, found)) = sealed.split_last_chunk::<CHECKSUM>() else {
        return Err(StoreError::corrupt(TREE, key, "it is shorter than its checksum"));
    };
    if u64::from_le_bytes(*found) != pieces::checksum(key, bytes) {
        return Err(StoreError::corrupt(TREE, key, "its checksum is wrong"));
    }
    sealed.truncate(sealed.len() - CHECKSUM);
    Ok(sealed)
}

#[cfg(test)]
mod tests;
