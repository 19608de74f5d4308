//! Retention: drops old segments but for the leaves that are kept. Hashes stay, so that old
//! checkpoints, consistency proofs and the proofs of kept leaves stay valid.
//!
//! A kept leaf keeps the hashes of the other leaves of its block, as does a checkpoint that ends
//! within a block: without them its root could not be computed. Of other blocks the row of the
//! index alone stays. Events of the log, and all leaves without items, are always kept: they are
//! small, and account for what is missing.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::lock::Recover;

use super::block::{Block, Encoder, FullLeaf, LeafView};
use super::leaf::{Event, Leaf};
use super::replace::{self, Change};
use super::store::Store;
use super::{
    AuditError, BLOCK_BITS, BLOCKS_PER_SEGMENT, LEAVES_PER_SEGMENT, Log, checkpoint_file, files,
};

/// What one run of retention has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Segments that were rewritten or dropped.
    pub segments: u64,
    /// Leaves that were removed now.
    pub leaves: u64,
    /// Leaves that stay in these segments.
    pub kept: u64,
    /// Bytes of segment files that became free.
    pub bytes: u64,
}

impl Log {
    /// Removes the leaves of all segments that are older than `time` as a whole, but for those
    /// that `keep` returns true for. The newest segment is never touched.
    pub fn remove_before(
        &self,
        time: Timestamp,
        keep: &dyn Fn(&Leaf) -> bool,
        now: Timestamp,
    ) -> Result<Removed, AuditError> {
        let appender = self.appender();
        let store = appender.store();
        let segments = old_segments(store, time)?;
        let mut removed = Removed::default();
        let Some(last) = segments.last() else { return Ok(removed) };
        let end = (last + 1) * BLOCKS_PER_SEGMENT;
        let divided = checkpoint_file::divided_blocks(&store.directory, end)?;
        for segment in segments {
            if !has_to_remove(store, segment, keep)? {
                continue;
            }
            let first = segment * LEAVES_PER_SEGMENT;
            let event = Event::Removed { first, end: first + LEAVES_PER_SEGMENT };
            appender.append_event(&event, now)?;
            appender.sync()?;
            let _alone = appender.sealing.lock().recover();
            appender.make_filters()?;
            let path = files::segment(&store.directory, segment);
            let before = files::length(&path)?;
            let mut rewriter =
                Rewriter { keep, divided: &divided, failed: None, removed: &mut removed };
            let prepared = replace::prepare(store, segment, |number, block, encoder, out| {
                rewriter.block(number, block, encoder, out)
            })?;
            if let Some(error) = rewriter.failed {
                files::remove(&files::beside(&path))?;
                return Err(error);
            }
            replace::commit(store, &prepared, || Ok(()))
                .inspect_err(|error| appender.fail(error, true))?;
            removed.segments += 1;
            removed.bytes += before.saturating_sub(files::length(&path)?);
            appender.make_filter(segment)?;
        }
        Ok(removed)
    }
}

/// Returns the full, sealed segments whose leaves are all older than `time`.
fn old_segments(store: &Store, time: Timestamp) -> Result<Vec<u64>, AuditError> {
    let sealed = store.places.lock().recover().sealed;
    let mut old = Vec::new();
    // The last full segment may be the one that the writer still holds.
    let newest = store.written().saturating_sub(1) / LEAVES_PER_SEGMENT;
    for segment in 0..(sealed / BLOCKS_PER_SEGMENT).min(newest) {
        let mut latest = i64::MIN;
        for block in segment * BLOCKS_PER_SEGMENT..(segment + 1) * BLOCKS_PER_SEGMENT {
            latest = latest.max(store.index.row(block)?.place.latest);
        }
        if latest < time.as_microsecond() {
            old.push(segment);
        }
    }
    Ok(old)
}

/// Returns whether a segment has a leaf that is not kept.
fn has_to_remove(
    store: &Store,
    segment: u64,
    keep: &dyn Fn(&Leaf) -> bool,
) -> Result<bool, AuditError> {
    for number in segment * BLOCKS_PER_SEGMENT..(segment + 1) * BLOCKS_PER_SEGMENT {
        let bytes = match store.block(number) {
            Err(AuditError::Removed { .. }) => continue,
            bytes => bytes?,
        };
        let block = bytes.decode()?;
        for (leaf, index) in block.leaves().iter().zip(number << BLOCK_BITS..) {
            let LeafView::Full(full) = leaf else { continue };
            if !is_kept(&block, full, index, keep)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn is_kept(
    block: &Block<'_>,
    leaf: &FullLeaf,
    index: u64,
    keep: &dyn Fn(&Leaf) -> bool,
) -> Result<bool, AuditError> {
    if block.items(leaf).is_empty() {
        return Ok(true);
    }
    // A value that cannot be unpacked is damage, and damage is not thrown away.
    let leaf = block.to_leaf(leaf, index);
    Ok(leaf.is_none_or(|leaf| keep(&leaf)))
}

struct Rewriter<'a> {
    keep: &'a dyn Fn(&Leaf) -> bool,
    /// Blocks in whose middle a checkpoint ends.
    divided: &'a BTreeSet<u64>,
    failed: Option<AuditError>,
    removed: &'a mut Removed,
}

impl Rewriter<'_> {
    fn block(
        &mut self,
        number: u64,
        block: &Block<'_>,
        encoder: &mut Encoder,
        out: &mut Vec<u8>,
    ) -> Change {
        let mut kept = 0;
        let mut scratch = Vec::new();
        for (leaf, index) in block.leaves().iter().zip(number << BLOCK_BITS..) {
            let LeafView::Full(full) = leaf else {
                encoder.stored(out, block, leaf, |_, value| value);
                continue;
            };
            match is_kept(block, full, index, self.keep) {
                Ok(true) => {
                    encoder.stored(out, block, leaf, |_, value| value);
                    kept += 1;
                }
                Ok(false) => {
                    encoder.bare(out, &block.hash(leaf, &mut scratch));
                    self.removed.leaves += 1;
                }
                Err(error) => self.failed = Some(error),
            }
        }
        self.removed.kept += kept;
        let is_needed = kept > 0 || self.divided.contains(&number);
        if is_needed { Change::Rewritten } else { Change::Dropped }
    }
}
