//! Redaction: deletes the address and the reference of one record with their salts, and keeps their
//! commitments, so that every hash and proof stays.
//!
//! The event that names the record is synced before anything is deleted. After a crash between the
//! two the values are still there, and redacting again deletes them.

use jiff::Timestamp;

use crate::domain::lock::Recover;

use super::block::{Block, Encoder, LeafView, ValueToWrite};
use super::entry::commit;
use super::leaf::Event;
use super::replace::{self, Change};
use super::{AuditError, LEAVES_PER_BLOCK, Log, RecordId, appender::reopen, block_of, segment_of};

impl Log {
    /// Deletes the address and the reference of a record. Writing waits meanwhile if the record is
    /// in the newest segment. Fine if they are deleted already.
    pub fn redact(&self, id: RecordId, now: Timestamp) -> Result<(), AuditError> {
        if !self.has_item(id)? {
            return Err(AuditError::NoSuchRecord(id));
        }
        let appender = self.appender();
        appender.append_event(&Event::Redacted { record: id.to_string() }, now)?;
        appender.sync()?;
        let _alone = appender.sealing.lock().recover();
        // Their fingerprints were collected with the value.
        appender.make_filters()?;
        let segment = segment_of(id.index);
        let change = |number, block: &Block<'_>, encoder: &mut Encoder, out: &mut Vec<u8>| {
            rewrite(number, block, encoder, out, id);
            Change::Rewritten
        };
        let store = appender.store();
        let mut writer = appender.writer.lock().recover();
        // It may have become full since the filters were made.
        appender.forget_fingerprints(segment);
        if writer.segment.as_ref().is_some_and(|current| current.number == segment) {
            appender.write_batch(&mut writer).inspect_err(|error| appender.fail(error, false))?;
            let prepared = replace::prepare(store, segment, change)?;
            replace::commit(store, &prepared, || {
                // The old file has no name any more; writing to it would lose leaves.
                writer.segment = None;
                writer.segment = Some(reopen(store, store.written())?);
                Ok(())
            })
            .inspect_err(|error| appender.fail(error, true))?;
        } else {
            drop(writer);
            let prepared = replace::prepare(store, segment, change)?;
            replace::commit(store, &prepared, || Ok(()))
                .inspect_err(|error| appender.fail(error, true))?;
        }
        let full = (segment + 1) * super::LEAVES_PER_SEGMENT;
        if full <= store.written() { appender.make_filter(segment) } else { Ok(()) }
    }

    fn has_item(&self, id: RecordId) -> Result<bool, AuditError> {
        if id.tag != self.reader().tag() || id.index >= self.appended() {
            return Ok(false);
        }
        self.write(id.index + 1)?;
        let leaf = self.reader().leaf(id.index)?;
        Ok(usize::from(id.item) < leaf.items.len())
    }
}

/// Writes a block again, the values of one record as commitments.
fn rewrite(number: u64, block: &Block<'_>, encoder: &mut Encoder, out: &mut Vec<u8>, id: RecordId) {
    let at = (number == block_of(id.index)).then_some((id.index % LEAVES_PER_BLOCK) as usize);
    for (number, leaf) in block.leaves().iter().enumerate() {
        let Some(commitments) = (at == Some(number)).then(|| commitments(block, leaf, id.item))
        else {
            encoder.stored(out, block, leaf, |_, value| value);
            continue;
        };
        let mut left = commitments.iter();
        encoder.stored(out, block, leaf, |item, value| {
            if item != usize::from(id.item) {
                return value;
            }
            left.next().map_or(value, ValueToWrite::Redacted)
        });
    }
}

/// Returns the commitments of an item: to the address, then to the reference.
fn commitments(block: &Block<'_>, leaf: &LeafView<'_>, item: u8) -> Vec<[u8; 32]> {
    let LeafView::Full(full) = leaf else { return Vec::new() };
    let item = block.items(full).get(usize::from(item));
    let values = item.into_iter().flat_map(|item| [Some(item.address), item.reference]);
    values
        .flatten()
        .map(|value| match value.to_write() {
            ValueToWrite::Packed { salt, form, bytes } => commit(salt, form, bytes),
            ValueToWrite::Redacted(commitment) => *commitment,
        })
        .collect()
}
