//! The roots of a growing tree, from its perfect subtrees alone: one hash for each bit of its size.

use super::merkle::{Hash, empty_root, node_hash};

#[derive(Default)]
pub(super) struct Frontier {
    size: u64,
    /// Perfect subtrees from left to right, with their heights.
    subtrees: Vec<(u32, Hash)>,
}

impl Frontier {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Adds a perfect subtree of 2^height leaves; the size must be a multiple of that.
    pub(super) fn push(&mut self, height: u32, hash: Hash) {
        debug_assert!(self.size.is_multiple_of(1 << height));
        self.size += 1 << height;
        let (mut height, mut hash) = (height, hash);
        while let Some((_, left)) = self.subtrees.pop_if(|(last, _)| *last == height) {
            hash = node_hash(&left, &hash);
            height += 1;
        }
        self.subtrees.push((height, hash));
    }

    pub(super) fn root(&self) -> Hash {
        let mut subtrees = self.subtrees.iter().rev().map(|(_, hash)| *hash);
        match subtrees.next() {
            Some(last) => subtrees.fold(last, |right, left| node_hash(&left, &right)),
            None => empty_root(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::audit::merkle::root_of;

    #[test]
    fn roots_equal_a_plain_tree() {
        let leaves: Vec<Hash> =
            (0..300u32).map(|n| crate::audit::leaf_hash(&n.to_be_bytes())).collect();
        let mut frontier = Frontier::default();
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(frontier.root(), root_of(&leaves[..size]));
            frontier.push(0, *leaf);
        }
        let mut blocks = Frontier::default();
        blocks.push(8, root_of(&leaves[..256]));
        leaves[256..].iter().for_each(|leaf| blocks.push(0, *leaf));
        assert_eq!((blocks.root(), blocks.size()), (frontier.root(), 300));
    }
}
