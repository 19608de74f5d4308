//! Reads records: one by its id, and the classes of all.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{CallRecord, DecisionLog, ItemRecord, RecordClass, References};
use crate::audit::{AuditError, Field, Item, Leaf, Query, Reader, RecordId};

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

/// The most records that are named.
const MAX_NAMED: usize = 100;

/// The most answers whose class is remembered.
const MAX_ANSWERS: usize = 1 << 16;

/// Returns records whose class is not that of their answer, at most 100: queries would pass them by. The
/// tree does not hold classes. Reads the whole log.
pub fn check_classes(reader: &Reader) -> Result<Vec<RecordId>, RecordError> {
    let mut known: HashMap<Vec<u8>, u8> = HashMap::new();
    let mut misfiled = Vec::new();
    for leaf in reader.leaves(Query::default()) {
        let leaf = leaf?;
        for (place, item) in leaf.items.iter().enumerate() {
            let class = match known.get(&item.answer) {
                Some(class) => *class,
                None => {
                    let class = class_of(&item.answer);
                    if known.len() < MAX_ANSWERS {
                        known.insert(item.answer.clone(), class);
                    }
                    class
                }
            };
            if class != item.class && misfiled.len() < MAX_NAMED {
                misfiled.push(RecordId { tag: reader.tag(), index: leaf.index, item: place as u8 });
            }
        }
    }
    Ok(misfiled)
}

/// The class of a recorded answer.
fn class_of(answer: &[u8]) -> u8 {
    let Ok(ItemRecord { answer: Some(answer), .. }) = serde_json::from_slice(answer) else {
        return RecordClass::UNDECIDED;
    };
    let incomplete = if answer.status.is_complete() { 0 } else { RecordClass::INCOMPLETE };
    RecordClass::of(answer.decision) | incomplete
}
