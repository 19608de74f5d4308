//! Retention: drops old segments but for the leaves that are kept. Hashes stay, so that old
//! checkpoints, consistency proofs and the proofs of kept leaves stay valid.
//!
//! A kept leaf keeps the hashes of the other leaves of its block, as does a checkpoint that ends
//! within a block: without them its root could not be computed. Of other blocks the row of the
//! index alone stays. Events of the log, and all leaves without items, are always kept: they are
//! small, and account for what is missing.
//!
//! The event of a removal names how many leaves it removes, and which it keeps by their number and
//! a hash. So `verify` finds that a kept one is missing, also after a later removal.

use std::collections::BTreeSet;
use std::ops::{AddAssign, Range};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::lock::Recover;

use super::block::{Block, Copier, FullLeaf, LeafView};
use super::leaf::{Event, Leaf, LeafHasher};
use super::replace::{self, Change};
use super::store::Store;
use super::{
    AuditError, BLOCK_BITS, BLOCKS_PER_SEGMENT, LEAVES_PER_BLOCK, LEAVES_PER_SEGMENT, Log,
    block_of, checkpoint_file, files, segment_of,
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

impl AddAssign for Removed {
    fn add_assign(&mut self, more: Self) {
        self.segments += more.segments;
        self.leaves += more.leaves;
        self.kept += more.kept;
        self.bytes += more.bytes;
    }
}

/// Whether a leaf of the log with this tag is kept.
pub type IsKept<'a> = &'a dyn Fn([u8; 4], &Leaf) -> bool;

impl Log {
    /// Removes the leaves of all segments that are older than `time` as a whole, but for those
    /// that `is_kept` returns true for: of this log and of the earlier ones. The newest segment is
    /// never touched.
    pub fn remove_before(
        &self,
        time: Timestamp,
        is_kept: IsKept<'_>,
        now: Timestamp,
    ) -> Result<Removed, AuditError> {
        let mut removed = Removed::default();
        for store in self.stores()? {
            for segment in 0..self.removable(&store) {
                let places = replace::places(&store, segment)?;
                let latest = places.iter().map(|place| place.latest).max();
                if latest.is_some_and(|latest| latest < time.as_microsecond()) {
                    self.remove_segment(&store, segment, is_kept, now, &mut removed)?;
                }
            }
        }
        Ok(removed)
    }

    /// Removes the leaves of the oldest segments, but for those kept, while the segments of all
    /// logs together have more than `bytes`. The newest segment is never touched.
    pub fn remove_above(
        &self,
        bytes: u64,
        is_kept: IsKept<'_>,
        now: Timestamp,
    ) -> Result<Removed, AuditError> {
        let mut removed = Removed::default();
        let stores = self.stores()?;
        let mut total = 0;
        for store in &stores {
            for segment in 0..=segment_of(store.written()) {
                total += files::length(&files::segment(&store.directory, segment))?;
            }
        }
        for store in &stores {
            for segment in 0..self.removable(store) {
                if total - removed.bytes <= bytes {
                    return Ok(removed);
                }
                self.remove_segment(store, segment, is_kept, now, &mut removed)?;
            }
        }
        Ok(removed)
    }

    /// Returns all logs, oldest first.
    fn stores(&self) -> Result<Vec<Arc<Store>>, AuditError> {
        let mut stores = self.earlier_logs().all()?;
        stores.push(Arc::clone(self.appender().store()));
        Ok(stores)
    }

    /// Returns the number of segments that may be removed.
    fn removable(&self, store: &Store) -> u64 {
        if !self.is_present(store) {
            return store.written().div_ceil(LEAVES_PER_SEGMENT);
        }
        let sealed = store.places.lock().recover().sealed;
        // The last full segment may be the one that the writer still holds.
        let newest = store.written().saturating_sub(1) / LEAVES_PER_SEGMENT;
        (sealed / BLOCKS_PER_SEGMENT).min(newest)
    }

    fn remove_segment(
        &self,
        store: &Store,
        segment: u64,
        is_kept: IsKept<'_>,
        now: Timestamp,
        removed: &mut Removed,
    ) -> Result<(), AuditError> {
        let appender = self.appender();
        let tag = store.id.tag();
        let first = segment * LEAVES_PER_SEGMENT;
        let end = (first + LEAVES_PER_SEGMENT).min(store.written());
        let blocks = block_of(first)..end.div_ceil(LEAVES_PER_BLOCK);
        let _one_at_a_time = self.removing.lock().recover();
        let (kept, to_remove) = leaves_to_keep(store, blocks.clone(), |leaf| is_kept(tag, leaf))?;
        if to_remove == 0 {
            return Ok(());
        }
        let mut hasher = LeafHasher::default();
        kept.iter().for_each(|index| hasher.add(*index));
        let log = (!self.is_present(store)).then(|| store.origin.clone());
        let event = Event::Removed { first, end, removed: to_remove, kept: hasher.finish(), log };
        appender.append_event(&event, now)?;
        appender.sync()?;
        let _alone = appender.sealing.lock().recover();
        appender.make_filters()?;
        let mut needed = checkpoint_file::divided_blocks(&store.directory, blocks.clone())?;
        // Without a row of the index their hashes stand here alone.
        needed.extend(store.places.lock().recover().sealed..blocks.end);
        let path = files::segment(&store.directory, segment);
        let before = files::length(&path)?;
        let mut rewriter = Rewriter { kept: &kept, needed: &needed, removed };
        let places = replace::places(store, segment)?;
        let mut prepared = replace::prepare(store, segment, places, |number, block, out| {
            rewriter.block(number, block, out)
        })?;
        self.commit(store, &mut prepared)?;
        removed.segments += 1;
        removed.bytes += before.saturating_sub(files::length(&path)?);
        let is_full = first + LEAVES_PER_SEGMENT == end;
        if is_full { appender.make_filter(store, segment) } else { Ok(()) }
    }
}

/// Returns the leaves of some blocks that are kept, ascending, and the number of the others.
fn leaves_to_keep(
    store: &Store,
    blocks: Range<u64>,
    keep: impl Fn(&Leaf) -> bool,
) -> Result<(Vec<u64>, u64), AuditError> {
    let mut kept = Vec::new();
    let mut to_remove = 0;
    for number in blocks {
        let bytes = match store.block(number) {
            Err(AuditError::Removed { .. }) => continue,
            bytes => bytes?,
        };
        let block = bytes.decode()?;
        for (leaf, index) in block.leaves().iter().zip(number << BLOCK_BITS..) {
            let LeafView::Full(full) = leaf else { continue };
            if must_keep(&block, full, index, &keep) {
                kept.push(index);
            } else {
                to_remove += 1;
            }
        }
    }
    Ok((kept, to_remove))
}

fn must_keep(block: &Block<'_>, leaf: &FullLeaf, index: u64, keep: impl Fn(&Leaf) -> bool) -> bool {
    // A value that cannot be unpacked is damage, and damage is not thrown away.
    block.items(leaf).is_empty() || block.to_leaf(leaf, index).is_none_or(|leaf| keep(&leaf))
}

struct Rewriter<'a> {
    /// The leaves that are kept, ascending.
    kept: &'a [u64],
    /// Blocks that are never dropped: those in whose middle a checkpoint ends, and those without a
    /// row of the index.
    needed: &'a BTreeSet<u64>,
    removed: &'a mut Removed,
}

impl Rewriter<'_> {
    fn block(&mut self, number: u64, block: &Block<'_>, out: &mut Vec<u8>) -> Change {
        let mut kept = 0;
        let mut copier = Copier::new(block);
        let mut scratch = Vec::new();
        for (leaf, index) in block.leaves().iter().zip(number << BLOCK_BITS..) {
            match leaf {
                LeafView::Full(_) if self.kept.binary_search(&index).is_err() => {
                    copier.bare(out, &block.hash(leaf, &mut scratch));
                    self.removed.leaves += 1;
                }
                LeafView::Full(_) => {
                    copier.leaf(out, leaf, |_, value| value);
                    kept += 1;
                }
                LeafView::Bare(hash) => copier.bare(out, hash),
            }
        }
        self.removed.kept += kept;
        let is_needed = kept > 0 || self.needed.contains(&number);
        if is_needed { Change::Rewritten } else { Change::Dropped }
    }
}
