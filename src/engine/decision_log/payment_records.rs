//! Finds the records of one payment.

use jiff::Timestamp;

use super::{DecisionLog, PaymentRecord, PaymentSide, Record, RecordError};
use crate::audit::{AuditError, ITEMS_PER_LEAF, RecordId};

impl Record {
    /// The id of the first record of its payment; `None` where it is of none.
    pub fn first_of_payment(&self) -> Option<RecordId> {
        let (payment, item) = (self.call.payment.as_ref()?, self.item.payment.as_ref()?);
        let before = match item.side {
            PaymentSide::Source => 0,
            PaymentSide::Destination => payment.sources,
        };
        let place = u64::from(before) + u64::from(item.index);
        let per_leaf = ITEMS_PER_LEAF as u64;
        let index = self.id.index.checked_sub(place / per_leaf)?;
        (place % per_leaf == u64::from(self.id.item)).then_some(RecordId {
            index,
            item: 0,
            ..self.id
        })
    }
}

impl DecisionLog {
    /// Returns all records of a payment whose first record is `first`, sources first.
    pub fn payment_records(
        &self,
        first: RecordId,
        payment: &PaymentRecord,
        now: Timestamp,
    ) -> Result<Vec<Record>, RecordError> {
        let reader = self.reader_of(first, now)?;
        let mut records = Vec::with_capacity(payment.count());
        for index in first.index.. {
            let left = payment.count() - records.len();
            if left == 0 {
                break;
            }
            let id = RecordId { index, item: 0, ..first };
            let leaf = match reader.leaf(index) {
                Err(AuditError::Removed { .. }) => return Err(RecordError::Removed(id)),
                leaf => leaf?,
            };
            let count = left.min(ITEMS_PER_LEAF);
            for (place, item) in leaf.items.iter().enumerate().take(count) {
                records.push(Record::new(id.following(place), &leaf, item)?);
            }
            if leaf.items.len() != count {
                return Err(RecordError::NotFound(id.following(leaf.items.len()).to_string()));
            }
        }
        Ok(records)
    }
}
