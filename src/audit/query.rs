//! Iterates over leaves, and skips segments and blocks that cannot match.

use std::ops::Range;
use std::sync::Arc;
use std::vec;

use jiff::Timestamp;

use super::block::{Block, FullLeaf, LeafView};
use super::filter;
use super::index::BlockPlace;
use super::leaf::Leaf;
use super::store::Store;
use super::{AuditError, BLOCK_BITS, BLOCKS_PER_SEGMENT, LEAVES_PER_BLOCK, SEGMENT_BITS, block_of};

/// Conditions on leaves, all of which must hold.
#[derive(Clone, Debug)]
pub struct Query {
    pub indices: Range<u64>,
    /// The earliest time wanted, itself included.
    pub from: Option<Timestamp>,
    /// The end of the times wanted, itself excluded.
    pub to: Option<Timestamp>,
    /// Leaves with an item of one of these classes; 0 for all, events too.
    pub classes: u8,
    /// Segments without any of these are skipped; empty for all. Leaves that do not have them come
    /// as well: the caller compares addresses.
    pub fingerprints: Vec<u64>,
}

impl Default for Query {
    fn default() -> Self {
        let fingerprints = Vec::new();
        Self { indices: 0..u64::MAX, from: None, to: None, classes: 0, fingerprints }
    }
}

impl Query {
    fn wants_block(&self, place: &BlockPlace) -> bool {
        let fits_class =
            self.classes == 0 && place.has_events() || place.classes & self.classes != 0;
        !place.is_dropped()
            && (fits_class || self.classes == 0 && place.items > 0)
            && self.to.is_none_or(|to| place.earliest < to.as_microsecond())
            && self.from.is_none_or(|from| place.latest >= from.as_microsecond())
    }

    fn wants_leaf(&self, index: u64, block: &Block<'_>, leaf: &FullLeaf) -> bool {
        self.indices.contains(&index)
            && (self.classes == 0 || block.classes(leaf) & self.classes != 0)
            && self.to.is_none_or(|to| leaf.time < to.as_microsecond())
            && self.from.is_none_or(|from| leaf.time >= from.as_microsecond())
    }
}

/// Leaves in order, bare ones left out. Holds one block at a time.
pub struct Leaves {
    store: Arc<Store>,
    query: Query,
    /// The next block to read.
    block: u64,
    /// The first block that is not looked at.
    end: u64,
    found: vec::IntoIter<Leaf>,
    /// The segment whose filter was asked last.
    filtered: Option<u64>,
}

impl Leaves {
    pub(super) fn new(store: Arc<Store>, query: Query) -> Self {
        let end = query.indices.end.min(store.written()).div_ceil(LEAVES_PER_BLOCK);
        let block = block_of(query.indices.start);
        Self { store, query, block, end, found: Vec::new().into_iter(), filtered: None }
    }

    /// Skips segments whose filter has none of the fingerprints.
    fn skip_segments(&mut self) -> Result<(), AuditError> {
        let wanted = &self.query.fingerprints;
        while !wanted.is_empty() && self.block < self.end {
            let segment = self.block >> SEGMENT_BITS;
            if self.filtered == Some(segment) {
                return Ok(());
            }
            self.filtered = Some(segment);
            if filter::may_contain(&self.store.directory, segment, self.store.id, wanted)? {
                return Ok(());
            }
            self.block = (segment + 1) * BLOCKS_PER_SEGMENT;
        }
        Ok(())
    }

    /// Returns the matching leaves of the next block, or `None` at the end.
    fn next_block(&mut self) -> Result<Option<Vec<Leaf>>, AuditError> {
        self.skip_segments()?;
        if self.block >= self.end {
            return Ok(None);
        }
        let number = self.block;
        self.block += 1;
        let place = self.store.place(number)?;
        if place.is_none_or(|place| !self.query.wants_block(&place)) {
            return Ok(Some(Vec::new()));
        }
        let bytes = match self.store.block(number) {
            // Retention came between.
            Err(AuditError::Removed { .. }) => return Ok(Some(Vec::new())),
            bytes => bytes?,
        };
        let block = bytes.decode()?;
        let mut found = Vec::new();
        for (leaf, index) in block.leaves().iter().zip(number << BLOCK_BITS..) {
            let LeafView::Full(leaf) = leaf else { continue };
            if self.query.wants_leaf(index, &block, leaf) {
                let at = (index % LEAVES_PER_BLOCK) as usize;
                let damage = || bytes.damage(bytes.offset(), at, "a value cannot be unpacked");
                found.push(block.to_leaf(leaf, index).ok_or_else(damage)?);
            }
        }
        Ok(Some(found))
    }
}

impl Iterator for Leaves {
    type Item = Result<Leaf, AuditError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(leaf) = self.found.next() {
                return Some(Ok(leaf));
            }
            match self.next_block() {
                Ok(Some(found)) => self.found = found.into_iter(),
                Ok(None) => return None,
                // What cannot be read was passed: the next call goes on behind it.
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
