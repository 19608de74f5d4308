//! The hashes of a log in memory: 32 bytes a block, in the levels of C2SP tlog-tiles. Hashes of
//! leaves are loaded where a proof needs them.

use std::ops::Range;

use super::merkle::{Hash, empty_root, node_hash, root_of, split};
use super::{AuditError, BLOCK_BITS, LEAVES_PER_BLOCK, block_of};

/// Log2 of the hashes of a tile.
const TILE_BITS: u32 = 8;

#[derive(Default)]
pub(super) struct Tree {
    /// Level 1 and above: hashes of full tiles of the level below.
    levels: Vec<Vec<Hash>>,
    /// Leaves after the last full block.
    tail: Vec<Hash>,
}

impl Tree {
    pub(super) fn size(&self) -> u64 {
        (self.blocks() << BLOCK_BITS) + self.tail.len() as u64
    }

    /// Returns the number of full blocks.
    pub(super) fn blocks(&self) -> u64 {
        self.levels.first().map_or(0, Vec::len) as u64
    }

    /// Returns the tile hash of a full block.
    pub(super) fn block_hash(&self, block: u64) -> Option<Hash> {
        self.levels.first()?.get(block as usize).copied()
    }

    pub(super) fn push_leaf(&mut self, hash: Hash) {
        self.tail.push(hash);
        if self.tail.len() as u64 == LEAVES_PER_BLOCK {
            let block = root_of(&self.tail);
            self.tail.clear();
            self.push_block(block);
        }
    }

    /// Adds a full block; there must be no leaves after the last one.
    pub(super) fn push_block(&mut self, hash: Hash) {
        debug_assert!(self.tail.is_empty());
        let mut hash = hash;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            let tile = 1 << TILE_BITS;
            if !hashes.len().is_multiple_of(tile) {
                return;
            }
            hash = root_of(&hashes[hashes.len() - tile..]);
        }
    }

    /// Returns the hash over a range of leaves that is a subtree of some proof or tree. `load`
    /// returns the hashes of the leaves of a full block.
    pub(super) fn hash(
        &self,
        range: Range<u64>,
        load: &mut impl FnMut(u64) -> Result<Vec<Hash>, AuditError>,
    ) -> Result<Hash, AuditError> {
        let size = range.end - range.start;
        if size == 0 {
            return Ok(empty_root());
        }
        let is_perfect = size.is_power_of_two() && range.start.is_multiple_of(size);
        if is_perfect && size >= LEAVES_PER_BLOCK {
            return Ok(self.perfect(size.ilog2(), range.start / size));
        }
        let block = block_of(range.start);
        if block == block_of(range.end - 1) {
            let start = (range.start % LEAVES_PER_BLOCK) as usize;
            let leaves = start..start + size as usize;
            if block == self.blocks() {
                return Ok(root_of(&self.tail[leaves]));
            }
            return Ok(root_of(&load(block)?[leaves]));
        }
        let middle = range.start + split(size);
        let left = self.hash(range.start..middle, load)?;
        Ok(node_hash(&left, &self.hash(middle..range.end, load)?))
    }

    /// Returns the hash of a perfect subtree of whole blocks.
    fn perfect(&self, height: u32, number: u64) -> Hash {
        let (level, above) = ((height - BLOCK_BITS) / TILE_BITS, (height - BLOCK_BITS) % TILE_BITS);
        let first = (number << above) as usize;
        root_of(&self.levels[level as usize][first..first + (1 << above)])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::audit::merkle::{
        consistency_ranges, inclusion_ranges, verify_consistency, verify_inclusion,
    };

    fn of(ranges: &[Range<u64>], tree: &Tree, leaves: &[Hash]) -> Vec<Hash> {
        let mut load = |block: u64| Ok(leaves[(block as usize) << 8..][..256].to_vec());
        ranges.iter().map(|range| tree.hash(range.clone(), &mut load).unwrap()).collect()
    }

    /// Every size to 600, and some to 70,000, against the plain tree.
    #[test]
    fn roots_and_proofs_equal_a_plain_tree() {
        let leaves: Vec<Hash> =
            (0..70_000u32).map(|n| crate::audit::leaf_hash(&n.to_be_bytes())).collect();
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push_leaf(*leaf));
        assert_eq!(tree.size(), 70_000);
        // As in the specification's example.
        assert_eq!((tree.blocks(), tree.levels[1].len(), tree.tail.len()), (273, 1, 112));
        fastrand::seed(7);
        let sampled = (0..10).map(|_| fastrand::u64(600..=70_000));
        for size in (1..=600).chain(sampled).chain([65_535, 65_536, 65_537, 70_000]) {
            let root = root_of(&leaves[..size as usize]);
            assert_eq!(of(std::slice::from_ref(&(0..size)), &tree, &leaves), [root], "size {size}");
            let indices = [0, size - 1, fastrand::u64(0..size), fastrand::u64(0..size)];
            for index in indices {
                let proof = of(&inclusion_ranges(index, size), &tree, &leaves);
                let leaf = leaves[index as usize];
                assert!(verify_inclusion(leaf, index, size, &proof, root), "{index} in {size}");
            }
            for first in [1, size / 2 + 1, size, fastrand::u64(1..=size)] {
                let proof = of(&consistency_ranges(first, size), &tree, &leaves);
                let old = root_of(&leaves[..first as usize]);
                assert!(verify_consistency(first, size, &proof, old, root), "{first} to {size}");
            }
        }
    }
}
