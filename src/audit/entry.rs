//! The entry of a leaf: the bytes that are hashed. It has one size, whatever the leaf holds, so that
//! a proof is short. Everything else is in it by hashes.
//!
//! | part | bytes |
//! |---|---|
//! | version | 1, value 3 |
//! | time | 8, microseconds since 1970-01-01T00:00:00Z, signed |
//! | context | 32: SHA-256 over it |
//! | number of records | 1: 0 to 16; an event has none, and its entry ends here |
//! | which records are hashed by themselves | 2: bit n, from the lowest, is set for record n |
//! | answer of the first record | 32: SHA-256 over class (1) and answer |
//! | records | 32: the root of a tree over the hashes of the records, in order |
//!
//! In the tree of the records a node has up to four hashes below it, from the left, and is SHA-256 over
//! 0x01 and these. Up to 16 records have at most two levels of nodes, a single one has none: the number
//! of records tells the shape. Nodes of two would take twice the blocks of SHA-256.
//!
//! Numbers are big-endian. The leaf hash is SHA-256 over 0x00 and the entry (RFC 6962).
//!
//! The hash of a record with the answer of the first one and without a reference, as nearly all of
//! a batch are, is the commitment to its address. Any other is hashed by itself: SHA-256 over 0x02,
//! its answer as above (32), the commitment to its address (32) and, if it has one, that to its
//! reference (32). The entry tells the two kinds apart: else the hash of a record could be shown as
//! the commitment of a redacted address with the first record's answer.
//!
//! A commitment is SHA-256 over 0x00, salt (16), form (1) and packed text (the rest), as
//! [`packing`](super::packing) describes them. The salt has a fixed length, the form says how the
//! rest is read, and every packing stands for one text: so no two inputs look alike. Packed
//! addresses of up to 37 bytes fit into one block of SHA-256.

use super::ITEMS_PER_LEAF;
use super::merkle::Hash;
use super::packing::{Form, pack};
use super::salt::SALT;
use super::sha256::sha256;

const VERSION: u8 = 3;

/// What precedes a commitment, as it does a leaf of RFC 6962.
const COMMITMENT: u8 = 0;

/// What precedes the hashes below a node, as in RFC 6962.
const NODE: u8 = 1;

/// What precedes a record that is hashed by itself.
const RECORD: u8 = 2;

/// The most hashes below a node.
const BELOW_NODE: usize = 4;

/// Returns the commitment to a text under a salt.
pub fn commitment(salt: &[u8; SALT], text: &str) -> Hash {
    let mut packed = Vec::new();
    let form = pack(text, &mut packed);
    commit(salt, form, &packed)
}

pub(super) fn commit(salt: &[u8; SALT], form: Form, packed: &[u8]) -> Hash {
    sha256(&[&[COMMITMENT], salt, &[form as u8], packed])
}

/// Returns the hash that stands for a context.
pub(super) fn context_hash(context: &[u8]) -> Hash {
    sha256(&[context])
}

/// Returns the hash that stands for an answer and its class.
pub(super) fn answer_hash(class: u8, answer: &[u8]) -> Hash {
    sha256(&[&[class], answer])
}

/// One record of a leaf, by its hashes.
#[derive(Clone, Copy, Default)]
pub(super) struct EntryRecord {
    pub(super) answer: Hash,
    pub(super) address: Hash,
    pub(super) reference: Option<Hash>,
}

impl EntryRecord {
    /// Returns whether the record differs from the first one of the leaf in more than its address.
    fn is_hashed_by_itself(&self, first: &Self) -> bool {
        self.reference.is_some() || self.answer != first.answer
    }

    fn hash(&self, first: &Self) -> Hash {
        if !self.is_hashed_by_itself(first) {
            return self.address;
        }
        let reference = self.reference.as_ref().map_or(&[][..], |hash| hash);
        sha256(&[&[RECORD], &self.answer, &self.address, reference])
    }
}

/// Bytes of the root of the records, with which the entry of a leaf with items ends.
pub(super) const RECORDS_ROOT: usize = 32;

/// Returns the root over the records of a leaf, of which there are at most [`ITEMS_PER_LEAF`].
fn records_root(records: &[EntryRecord]) -> Hash {
    let mut hashes = [[0; 32]; ITEMS_PER_LEAF];
    let mut level = record_hashes(records, &mut hashes);
    while level.len() > 1 {
        level = hash_level(level);
    }
    level[0]
}

fn record_hashes<'h>(
    records: &[EntryRecord],
    hashes: &'h mut [Hash; ITEMS_PER_LEAF],
) -> &'h mut [Hash] {
    for (record, hash) in records.iter().zip(hashes.iter_mut()) {
        *hash = record.hash(&records[0]);
    }
    &mut hashes[..records.len()]
}

/// Replaces hashes by the nodes above them.
fn hash_level(level: &mut [Hash]) -> &mut [Hash] {
    let above = level.len().div_ceil(BELOW_NODE);
    for node in 0..above {
        let first = node * BELOW_NODE;
        let below = &level[first..level.len().min(first + BELOW_NODE)];
        level[node] = sha256(&[&[NODE], below.as_flattened()]);
    }
    &mut level[..above]
}

/// Returns the hashes that lead from a record to the root: the others below each node on its way, from
/// the left, lowest node first.
pub(super) fn record_path(records: &[EntryRecord], record: usize) -> Vec<Hash> {
    let mut hashes = [[0; 32]; ITEMS_PER_LEAF];
    let mut level = record_hashes(records, &mut hashes);
    let (mut path, mut place) = (Vec::new(), record);
    while level.len() > 1 {
        let first = place - place % BELOW_NODE;
        let below = level.iter().enumerate().skip(first).take(BELOW_NODE);
        path.extend(below.filter(|(at, _)| *at != place).map(|(_, hash)| *hash));
        level = hash_level(level);
        place /= BELOW_NODE;
    }
    path
}

/// Appends the entry of a leaf.
pub(super) fn write_entry(out: &mut Vec<u8>, time: i64, context: &Hash, records: &[EntryRecord]) {
    out.push(VERSION);
    out.extend_from_slice(&time.to_be_bytes());
    out.extend_from_slice(context);
    out.push(records.len() as u8);
    let Some(first) = records.first() else { return };
    let by_itself = records.iter().zip(0..).fold(0, |bits: u16, (record, number)| {
        bits | u16::from(record.is_hashed_by_itself(first)) << number
    });
    out.extend_from_slice(&by_itself.to_be_bytes());
    out.extend_from_slice(&first.answer);
    out.extend_from_slice(&records_root(records));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    proptest! {
        #[test]
        fn commitments_are_as_documented(salt: [u8; SALT], text in "[0-9a-z]{0,90}") {
            let mut packed = Vec::new();
            let form = pack(&text, &mut packed);
            let plain = [&[0], &salt[..], &[form as u8], &packed].concat();
            prop_assert_eq!(commitment(&salt, &text), <Hash>::from(Sha256::digest(plain)));
        }
    }

    /// By hand, from the bytes that are documented.
    #[test]
    fn layout_is_as_documented() {
        let sha = |parts: &[&[u8]]| <Hash>::from(Sha256::digest(parts.concat()));
        let (first, other) = (answer_hash(1, b"A"), answer_hash(4, b"BB"));
        assert_eq!((first, other), (sha(&[b"\x01A"]), sha(&[b"\x04BB"])));
        let record = |answer, address, reference| EntryRecord { answer, address, reference };
        let records = [
            record(first, [2; 32], None),
            record(other, [3; 32], None),
            record(first, [4; 32], Some([5; 32])),
        ];
        let mut entry = Vec::new();
        write_entry(&mut entry, 5, &context_hash(b"ctx"), &records);
        let second = sha(&[&[2], &other, &[3; 32]]);
        let third = sha(&[&[2], &first, &[4; 32], &[5; 32]]);
        let root = sha(&[&[1], &[2; 32], &second, &third]);
        let head = b"\x03\0\0\0\0\0\0\0\x05";
        assert_eq!(entry, [&head[..], &sha(&[b"ctx"]), &[3, 0, 6], &first, &root].concat());
        entry.clear();
        write_entry(&mut entry, 5, &context_hash(b"ctx"), &[]);
        assert_eq!(entry, [&head[..], &sha(&[b"ctx"]), &[0]].concat());
    }
}
