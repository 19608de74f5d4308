//! Labels as bytes and back: a meta record, chunks of a base, and a delta for each change after it.
//!
//! Reading copies whole chunks; nothing is hashed or compared but for the order of the keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::labels::{Basis, Labels, source_of};
use super::table::{Builder, Table};
use super::{MAX_HOPS, Source};
use crate::domain::list::{ListId, ListKind, RowKey};
use crate::domain::packed_key::{PACKED_KEY, PackedKey};

/// The form that is written; another one is refused.
const FORM: u8 = 5;

/// About how many bytes a chunk has.
const CHUNK: usize = 256 << 10;

/// Stored labels that cannot be read: they are to be built anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    /// The meta record is none, or of another form.
    #[error("the meta record of the labels cannot be read")]
    Meta,
    /// A chunk of the base is damaged or out of order.
    #[error("chunk {0} of the labels cannot be read")]
    Chunk(usize),
    /// A delta is damaged or belongs to another generation.
    #[error("delta {0} of the labels cannot be read")]
    Delta(usize),
    /// A label names a source that is not there.
    #[error("the labels name source {0}, which they do not have")]
    Source(u32),
}

#[derive(Serialize, Deserialize)]
struct Meta {
    form: u8,
    generation: u64,
    rows: u64,
    max_hops: u8,
    digest: [u8; 32],
    retractions: u64,
    replacements: u64,
    /// The number of the first of `sources`; the others follow.
    first_source: u64,
    sources: Vec<StoredSource>,
}

#[derive(Serialize, Deserialize)]
struct StoredSource {
    key: [u8; PACKED_KEY],
    kind: ListKind,
    list: ListId,
    listing: RowKey,
    listed_from: Option<u64>,
    unlisted_until: Option<u64>,
}

impl Meta {
    fn new(labels: &Labels, first_source: usize) -> Self {
        let stored = |source: &Source| StoredSource {
            key: source.key.0,
            kind: source.kind,
            list: source.list.clone(),
            listing: source.listing.clone(),
            listed_from: source.listed_from,
            unlisted_until: source.unlisted_until,
        };
        Self {
            form: FORM,
            generation: labels.generation,
            rows: labels.rows,
            max_hops: labels.max_hops,
            digest: labels.basis.digest,
            retractions: labels.basis.retractions,
            replacements: labels.basis.replacements,
            first_source: first_source as u64,
            sources: labels.sources[first_source..].iter().map(stored).collect(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("plain data have a form")
    }

    /// Puts what it says into labels; `None` where it does not follow on them.
    fn apply(self, labels: &mut Labels) -> Option<()> {
        let known = labels.sources.len() as u64;
        if self.form != FORM || self.first_source != known || self.max_hops > MAX_HOPS {
            return None;
        }
        labels.generation = self.generation;
        labels.rows = self.rows;
        labels.max_hops = self.max_hops;
        let Self { digest, retractions, replacements, .. } = self;
        labels.basis = Basis { digest, retractions, replacements };
        if !self.sources.is_empty() {
            let source = |stored: StoredSource| Source {
                list: stored.list,
                listing: stored.listing,
                key: PackedKey(stored.key),
                kind: stored.kind,
                listed_from: stored.listed_from,
                unlisted_until: stored.unlisted_until,
            };
            Arc::make_mut(&mut labels.sources).extend(self.sources.into_iter().map(source));
        }
        Some(())
    }
}

impl Labels {
    /// The persisted form: the meta record, and the base in chunks of about 256 KiB.
    pub fn to_chunks(&self) -> (Vec<u8>, impl Iterator<Item = Vec<u8>> + use<>) {
        let table = match self.tables.as_slice() {
            [table] => Arc::clone(table),
            tables => Arc::new(
                tables
                    .iter()
                    .fold(Table::default(), |below, table| Table::merge(&below, table, true)),
            ),
        };
        let mut from = 0;
        let chunks = std::iter::from_fn(move || {
            if from >= table.len() {
                return None;
            }
            let (bytes, next) = table.encode(from, CHUNK);
            from = next;
            Some(bytes)
        });
        (Meta::new(self, 0).bytes(), chunks)
    }

    /// Reads what [`Labels::to_chunks`] wrote, and the deltas after it, in order.
    ///
    /// # Errors
    ///
    /// Where anything is damaged: nothing of it is to be believed then.
    pub fn from_chunks<T: AsRef<[u8]>>(
        meta: &[u8],
        chunks: impl IntoIterator<Item = T>,
        deltas: impl IntoIterator<Item = T>,
    ) -> Result<Self, LabelsError> {
        let mut labels = Self::default();
        let meta: Meta = postcard::from_bytes(meta).map_err(|_| LabelsError::Meta)?;
        meta.apply(&mut labels).ok_or(LabelsError::Meta)?;
        let mut builder = Builder::new(0, 0);
        for (at, chunk) in chunks.into_iter().enumerate() {
            builder.decode(chunk.as_ref()).ok_or(LabelsError::Chunk(at))?;
        }
        labels.tables.push(Arc::new(builder.finish()));
        for (at, delta) in deltas.into_iter().enumerate() {
            labels.apply_delta(delta.as_ref()).ok_or(LabelsError::Delta(at))?;
        }
        let words = labels.tables.iter().flat_map(|table| table.all_words());
        match words.map(|&word| source_of(word)).max() {
            Some(most) if most as usize >= labels.sources.len() => Err(LabelsError::Source(most)),
            _ => Ok(labels),
        }
    }

    /// What changed with a table, as bytes; sources from `first_source` on are new.
    pub(super) fn delta(&self, first_source: usize, change: &Table) -> Vec<u8> {
        let meta = Meta::new(self, first_source).bytes();
        let mut bytes = (meta.len() as u32).to_le_bytes().to_vec();
        bytes.extend(meta);
        bytes.extend(change.encode(0, usize::MAX).0);
        bytes
    }

    fn apply_delta(&mut self, bytes: &[u8]) -> Option<()> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (meta, table) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let meta: Meta = postcard::from_bytes(meta).ok()?;
        if meta.generation != self.generation {
            return None;
        }
        meta.apply(self)?;
        let mut builder = Builder::new(0, 0);
        builder.decode(table)?;
        self.changed(builder.finish());
        Some(())
    }
}
