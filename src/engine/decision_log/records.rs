//! Reads records by their ids.

use jiff::Timestamp;

use super::{CallRecord, DecisionLog, ItemRecord, References};
use crate::audit::{AuditError, Field, Item, Leaf, Reader, RecordId};

/// A record as the log keeps it.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: RecordId,
    /// The time of its leaf.
    pub time: Timestamp,
    pub call: CallRecord<'static>,
    pub item: ItemRecord,
    /// `None` where it was redacted.
    pub address: Option<String>,
    pub references: References,
}

/// Why a record cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("no record {0} in the decision log")]
    NotFound(String),
    #[error("record {0} was removed by the retention of the decision log")]
    Removed(RecordId),
    #[error("record {0} was written by another version of the program: {1}")]
    Foreign(RecordId, String),
    #[error(transparent)]
    Log(#[from] AuditError),
}

impl DecisionLog {
    /// Returns a record with its leaf and the log that has it.
    pub fn record(
        &self,
        id: RecordId,
        now: Timestamp,
    ) -> Result<(Record, Leaf, Reader), RecordError> {
        let reader = self.reader_of(id, now)?;
        let leaf = match reader.leaf(id.index) {
            Ok(leaf) => leaf,
            Err(AuditError::NoSuchLeaf { .. }) => {
                return Err(RecordError::NotFound(id.to_string()));
            }
            Err(AuditError::Removed { .. }) => return Err(RecordError::Removed(id)),
            Err(error) => return Err(error.into()),
        };
        let item = leaf.items.get(usize::from(id.item));
        let item = item.ok_or_else(|| RecordError::NotFound(id.to_string()))?;
        let record = Record::new(id, &leaf, item)?;
        Ok((record, leaf, reader))
    }
}

impl Record {
    /// Reads an item of a leaf.
    pub fn new(id: RecordId, leaf: &Leaf, item: &Item) -> Result<Self, RecordError> {
        let foreign = |error: serde_json::Error| RecordError::Foreign(id, error.to_string());
        let references = item.reference.as_ref().and_then(Field::text);
        Ok(Self {
            id,
            time: leaf.time,
            call: serde_json::from_slice(&leaf.context).map_err(foreign)?,
            item: serde_json::from_slice(&item.answer).map_err(foreign)?,
            address: item.address.text().map(str::to_owned),
            references: references.and_then(References::parse).unwrap_or_default(),
        })
    }

    /// The moment at which its answer was evaluated.
    pub fn evaluated_at(&self) -> Timestamp {
        self.call.evaluated_at.unwrap_or(self.time)
    }
}
