//! Redaction: deletes the address and the reference of one record with their salts, and keeps their
//! commitments, so that every hash and proof stays.
//!
//! The event that names the record is synced before anything is deleted. After a crash between the
//! two the values are still there, and redacting again deletes them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::lock::Recover;

use super::appender::{Writer, reopen};
use super::block::{Block, Copier, LeafView, ValueToWrite};
use super::entry::commit;
use super::leaf::Event;
use super::replace::{self, Change, Prepared};
use super::store::Store;
use super::{AuditError, LEAVES_PER_BLOCK, Log, Reader, RecordId, block_of, segment_of};

/// How often the frames that were written meanwhile are copied while writers go on, before they
/// wait for the last ones.
const CATCH_UPS: u32 = 2;

impl Log {
    /// Deletes the address and the reference of a record, also of an earlier log. If it is in the
    /// newest segment, writers wait while the new segment takes its place. Fine if they are deleted
    /// already.
    pub fn redact(&self, id: RecordId, now: Timestamp) -> Result<(), AuditError> {
        let store = self.store_of(id.tag)?.ok_or(AuditError::NoSuchRecord(id))?;
        if !self.has_item(&store, id)? {
            return Err(AuditError::NoSuchRecord(id));
        }
        let appender = self.appender();
        appender.append_event(&Event::Redacted { record: id.to_string() }, now)?;
        appender.sync()?;
        let _alone = appender.sealing.lock().recover();
        let segment = segment_of(id.index);
        if self.is_present(&store) {
            // Their fingerprints were collected with the value.
            appender.make_filters()?;
            // It may have become full since the filters were made.
            appender.forget_fingerprints(segment);
            self.delete_values(id)?;
        } else {
            let places = replace::places(&store, segment)?;
            let mut prepared = replace::prepare(&store, segment, places, hide(id))?;
            self.commit(&store, &mut prepared)?;
        }
        let is_full = (segment + 1) * super::LEAVES_PER_SEGMENT <= store.written();
        if is_full { appender.make_filter(&store, segment) } else { Ok(()) }
    }

    /// Makes a prepared segment the present one, if it is not the one that is written to. An error
    /// ends recording only if it leaves the files between the two.
    pub(super) fn commit(&self, store: &Store, prepared: &mut Prepared) -> Result<(), AuditError> {
        let announced = replace::announce(store, prepared)?;
        announced.commit(store, || Ok(())).inspect_err(|error| {
            if self.is_present(store) {
                self.appender().fail(error, true);
            } else {
                self.earlier_logs().forget(store.id.tag());
            }
        })
    }

    /// Writes a segment of this log again without the values of a record.
    fn delete_values(&self, id: RecordId) -> Result<(), AuditError> {
        let appender = self.appender();
        let (store, segment) = (appender.store(), segment_of(id.index));
        let is_written_to = |writer: &Writer| {
            writer.segment.as_ref().is_some_and(|current| current.number == segment)
        };
        // Between two writes, so that the places end with a frame of the file.
        let places = || {
            let writer = appender.writer.lock().recover();
            replace::places(store, segment).map(|places| (places, is_written_to(&writer)))
        };
        let (known, may_grow) = places()?;
        let mut prepared = replace::prepare(store, segment, known, hide(id))?;
        if !may_grow {
            return self.commit(store, &mut prepared);
        }
        for _ in 0..CATCH_UPS {
            replace::catch_up(store, &mut prepared, &places()?.0)?;
        }
        let mut writer = appender.writer.lock().recover();
        replace::catch_up(store, &mut prepared, &replace::places(store, segment)?)?;
        let announced = replace::announce(store, &mut prepared)?;
        let swap = || {
            if is_written_to(&writer) {
                // The old file has no name any more; writing to it would lose leaves.
                writer.segment = None;
                writer.segment = Some(reopen(store, store.written())?);
            }
            Ok(())
        };
        announced.commit(store, swap).inspect_err(|error| appender.fail(error, true))
    }

    fn has_item(&self, store: &Arc<Store>, id: RecordId) -> Result<bool, AuditError> {
        if self.is_present(store) && id.index < self.appended() {
            self.write(id.index + 1)?;
        }
        if id.index >= store.written() {
            return Ok(false);
        }
        let leaf = Reader::new(Arc::clone(store)).leaf(id.index)?;
        Ok(usize::from(id.item) < leaf.items.len())
    }
}

/// Returns the change of the blocks of a segment that deletes the values of a record.
fn hide(id: RecordId) -> impl FnMut(u64, &Block<'_>, &mut Vec<u8>) -> Change {
    move |number, block, out| {
        rewrite(number, block, out, id);
        Change::Rewritten
    }
}

/// Writes a block again, the values of one record as commitments.
fn rewrite(number: u64, block: &Block<'_>, out: &mut Vec<u8>, id: RecordId) {
    let at = (number == block_of(id.index)).then_some((id.index % LEAVES_PER_BLOCK) as usize);
    let hidden = at.map(|at| commitments(block, &block.leaves()[at], id.item));
    let mut copier = Copier::new(block);
    for (number, leaf) in block.leaves().iter().enumerate() {
        let mut hidden = hidden.iter().flatten().filter(|_| at == Some(number));
        copier.leaf(out, leaf, |item, value| {
            if item != usize::from(id.item) {
                return value;
            }
            hidden.next().map_or(value, ValueToWrite::Redacted)
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
