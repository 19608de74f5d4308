//! Stores the baseline of a list's cumulative shrink gate next to the rows of its version.
//!
//! It is in the tree `rows` under the part `s` ("shrink"): chunk 0 has the marks and the number of
//! spans, the others have 1,000 spans each. Versions of schema 3 and older have no such part: their
//! baseline is rebuilt from the stored versions and changes.

use serde::{Deserialize, Serialize};

use super::lists::{chunk_key, decode_version, version_key};
use super::{Store, StoreError, value};
use crate::domain::list::{Baseline, ListId, ListVersion, Mark, Row, RowSpan};

/// Spans per key.
const CHUNK: usize = 1000;

/// The part of the keys.
pub(super) const BASELINE: u8 = b's';

/// Chunk 0.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    marks: Vec<Mark>,
    spans: u64,
}

/// A baseline being read chunk by chunk.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    head: Option<Head>,
    spans: Vec<RowSpan>,
    chunks: u32,
}

impl Gathered {
    /// Adds the next chunk, which must be the one that `key` names.
    pub fn take(&mut self, expected: &[u8], key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        if key != expected {
            return Err(StoreError::corrupt("rows", expected, "it is missing"));
        }
        match self.head {
            None => self.head = Some(value::decode("rows", key, bytes)?),
            Some(_) => self.spans.extend(value::decode::<Vec<RowSpan>>("rows", key, bytes)?),
        }
        self.chunks += 1;
        Ok(())
    }

    /// The number of the next chunk.
    pub fn next(&self) -> u32 {
        self.chunks
    }

    /// Returns the baseline, which must fit a version with this many rows; `None` without any
    /// chunk.
    pub fn finish(
        self,
        key: &[u8],
        version: u64,
        rows: usize,
    ) -> Result<Option<Baseline>, StoreError> {
        let Some(head) = self.head else { return Ok(None) };
        let spans = self.spans;
        let corrupt = |what: &str| Err(StoreError::corrupt("rows", key, what));
        if spans.len() as u64 != head.spans {
            return corrupt("spans of its baseline are missing");
        }
        let ascends = spans.is_sorted_by(|a, b| a.row < b.row)
            && head.marks.is_sorted_by(|a, b| a.version < b.version);
        let fits = spans.last().is_none_or(|span| (span.row as usize) < rows)
            && head.marks.last().is_none_or(|mark| mark.version <= version);
        if !ascends || !fits {
            return corrupt("its baseline does not fit its rows");
        }
        Ok(Some(Baseline { marks: head.marks, spans }))
    }
}

impl Store {
    pub(super) fn write_baseline(
        &self,
        id: &ListId,
        version: u64,
        baseline: &Baseline,
    ) -> Result<(), StoreError> {
        let head = Head { marks: baseline.marks.clone(), spans: baseline.spans.len() as u64 };
        let key = |chunk: u32| chunk_key(id, version, BASELINE, chunk);
        value::write(&self.rows, &key(0), &value::encode(&head)?)?;
        for (number, spans) in (1..).zip(baseline.spans.chunks(CHUNK)) {
            value::write(&self.rows, &key(number), &value::encode(&spans)?)?;
        }
        Ok(())
    }

    /// Returns the baseline of a current version with these rows. The caller holds the writer's
    /// lock.
    pub(super) fn read_baseline(
        &self,
        id: &ListId,
        version: u64,
        rows: &[Row],
    ) -> Result<Baseline, StoreError> {
        let key = |part: u8, chunk: u32| chunk_key(id, version, part, chunk);
        let mut gathered = Gathered::default();
        let (from, to) = (key(BASELINE, 0), key(BASELINE + 1, 0));
        value::scan(&self.rows, "rows", &from, &to, |found, bytes| {
            gathered.take(&key(BASELINE, gathered.next()), found, bytes)?;
            Ok(true)
        })?;
        let stored = gathered.finish(&version_key(id, version), version, rows.len())?;
        match stored {
            Some(baseline) => Ok(baseline),
            None => self.baseline_of_history(id, version, rows),
        }
    }

    fn baseline_of_history(
        &self,
        id: &ListId,
        version: u64,
        rows: &[Row],
    ) -> Result<Baseline, StoreError> {
        let mut versions: Vec<ListVersion> = Vec::new();
        let (from, to) = (version_key(id, 0), version_key(id, version + 1));
        value::scan(&self.versions, "versions", &from, &to, |key, bytes| {
            versions.push(decode_version(key, bytes)?);
            Ok(true)
        })?;
        Baseline::from_history(&versions, rows, |version| {
            let changes = self.changes_of(version)?.into_iter();
            Ok(changes.map(|(_, change)| change).collect())
        })
    }
}
