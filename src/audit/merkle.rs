//! Merkle trees of RFC 6962 (section 2.1): hashes, the parts of proofs, and their checks.

use std::ops::Range;

pub use super::sha256::Hash;
use super::sha256::sha256;

/// Returns the hash of a leaf: SHA-256 over 0x00 and the entry.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

pub(super) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// Returns the root of a tree without leaves.
pub(super) fn empty_root() -> Hash {
    sha256(&[])
}

/// Returns the root over hashes of leaves, or of perfect subtrees of one height.
pub(super) fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [hash] => *hash,
        _ => {
            let (left, right) = hashes.split_at(split(hashes.len() as u64) as usize);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Returns the leaves of the left subtree: the largest power of two below `size`, which is 2 or
/// more.
pub(super) fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// Returns the ranges of leaves whose hashes make up the inclusion proof (RFC 6962, 2.1.1).
pub(super) fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut subtree = 0..size;
    while subtree.end - subtree.start > 1 {
        let middle = subtree.start + split(subtree.end - subtree.start);
        if index < middle {
            ranges.push(middle..subtree.end);
            subtree.end = middle;
        } else {
            ranges.push(subtree.start..middle);
            subtree.start = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// Returns the ranges of leaves whose hashes make up the consistency proof (RFC 6962, 2.1.2).
pub(super) fn consistency_ranges(first: u64, second: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    if first == 0 || first >= second {
        return ranges;
    }
    let mut subtree = 0..second;
    // True while the old tree is a left part of the subtree, whose root the verifier knows.
    let mut is_known = true;
    while first < subtree.end {
        let middle = subtree.start + split(subtree.end - subtree.start);
        if first <= middle {
            ranges.push(middle..subtree.end);
            subtree.end = middle;
        } else {
            ranges.push(subtree.start..middle);
            subtree.start = middle;
            is_known = false;
        }
    }
    if !is_known {
        ranges.push(subtree);
    }
    ranges.reverse();
    ranges
}

/// Checks an inclusion proof (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            let levels = if node & 1 == 1 { 0 } else { node.trailing_zeros().min(63) };
            node >>= levels;
            last >>= levels;
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}

/// Checks a consistency proof (RFC 9162, 2.1.4.2). Every tree is consistent with the empty one.
pub fn verify_consistency(
    first: u64,
    second: u64,
    proof: &[Hash],
    first_root: Hash,
    second_root: Hash,
) -> bool {
    if first == 0 {
        return proof.is_empty() && first_root == empty_root();
    }
    if first == second {
        return proof.is_empty() && first_root == second_root;
    }
    if first > second {
        return false;
    }
    let mut proof = proof.iter();
    let (mut node, mut last) = (first - 1, second - 1);
    let levels = node.trailing_ones();
    node >>= levels;
    last >>= levels;
    // The old tree is one perfect subtree: its root is known.
    let start = if first.is_power_of_two() { Some(&first_root) } else { proof.next() };
    let Some(start) = start else { return false };
    let (mut old, mut new) = (*start, *start);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            let levels = if node & 1 == 1 { 0 } else { node.trailing_zeros().min(63) };
            node >>= levels;
            last >>= levels;
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old == first_root && new == second_root
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
