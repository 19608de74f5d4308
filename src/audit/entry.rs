//! The entry of a leaf: the bytes that are hashed. Addresses and references stand in it as
//! commitments only.
//!
//! | part | bytes |
//! |---|---|
//! | version | 1, value 1 |
//! | time | 8, microseconds since 1970-01-01T00:00:00Z, signed |
//! | context | 4 for its length, then the context |
//! | number of distinct answers | 1 |
//! | each distinct answer, in order of first use | 4 for its length, then the answer |
//! | number of items | 1 |
//! | each item | answer (1): its number from 0, plus 0x80 with a reference; commitment to the address (32); with a reference, commitment to it (32) |
//!
//! Numbers are big-endian. The leaf hash is SHA-256 over 0x00 and the entry (RFC 6962).
//!
//! A commitment is SHA-256 over salt (16), form (1) and packed text (the rest), as
//! [`packing`](super::packing) describes them. The salt has a fixed length, the form says how the
//! rest is read, and every packing stands for one text: so no two inputs look alike. Packed
//! addresses of up to 38 bytes fit into one block of SHA-256 together with salt and form.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use super::merkle::Hash;
use super::packing::{Form, pack};
use super::salt::SALT;

pub(super) const VERSION: u8 = 1;

const REFERENCE: u8 = 0x80;

/// The longest packed text whose commitment takes one block: 64 bytes less salt, form, the bit that
/// ends the message and its length.
const MAX_ONE_BLOCK: usize = 64 - SALT - 1 - 1 - 8;

/// The initial state of SHA-256 (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Returns the commitment to a text under a salt.
pub fn commitment(salt: &[u8; SALT], text: &str) -> Hash {
    let mut packed = Vec::new();
    let form = pack(text, &mut packed);
    commit(salt, form, &packed)
}

pub(super) fn commit(salt: &[u8; SALT], form: Form, packed: &[u8]) -> Hash {
    if packed.len() > MAX_ONE_BLOCK {
        let hash = Sha256::new_with_prefix(salt).chain_update([form as u8]).chain_update(packed);
        return hash.finalize().into();
    }
    let mut block = [0; 64];
    let length = SALT + 1 + packed.len();
    block[..SALT].copy_from_slice(salt);
    block[SALT] = form as u8;
    block[SALT + 1..length].copy_from_slice(packed);
    block[length] = 0x80;
    // At most 55 bytes, so the number of bits fits into two.
    block[62..].copy_from_slice(&(length as u16 * 8).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &[block]);
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

/// One item of an entry.
pub(super) struct EntryItem<'a> {
    pub(super) answer: &'a [u8],
    pub(super) address: Hash,
    pub(super) reference: Option<Hash>,
}

/// Appends the entry of a leaf with at most [`super::ITEMS_PER_LEAF`] items.
pub(super) fn write_entry(out: &mut Vec<u8>, time: i64, context: &[u8], items: &[EntryItem<'_>]) {
    out.push(VERSION);
    out.extend_from_slice(&time.to_be_bytes());
    write_bytes(out, context);
    let mut distinct: [&[u8]; super::ITEMS_PER_LEAF] = [&[]; super::ITEMS_PER_LEAF];
    let mut numbers = [0; super::ITEMS_PER_LEAF];
    let mut count = 0;
    for (item, number) in items.iter().zip(&mut numbers) {
        let known = distinct[..count].iter().position(|answer| *answer == item.answer);
        *number = known.unwrap_or_else(|| {
            distinct[count] = item.answer;
            count += 1;
            count - 1
        });
    }
    out.push(count as u8);
    distinct[..count].iter().for_each(|answer| write_bytes(out, answer));
    out.push(items.len() as u8);
    for (item, number) in items.iter().zip(numbers) {
        let reference = if item.reference.is_some() { REFERENCE } else { 0 };
        out.push(number as u8 | reference);
        out.extend_from_slice(&item.address);
        out.extend_from_slice(item.reference.as_ref().map_or(&[], Hash::as_slice));
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn one_block_equals_the_library(salt: [u8; SALT], text in "[0-9a-z]{0,90}") {
            let mut packed = Vec::new();
            let form = pack(&text, &mut packed);
            let plain = [&salt[..], &[form as u8], &packed].concat();
            prop_assert_eq!(commitment(&salt, &text), <Hash>::from(Sha256::digest(plain)));
        }
    }

    #[test]
    fn layout_is_as_documented() {
        let mut entry = Vec::new();
        let item = |answer, address, reference| EntryItem { answer, address, reference };
        let items = [
            item(b"A", [1; 32], None),
            item(b"BB", [2; 32], Some([3; 32])),
            item(b"A", [4; 32], None),
        ];
        write_entry(&mut entry, 5, b"ctx", &items);
        let mut expected =
            b"\x01\0\0\0\0\0\0\0\x05\0\0\0\x03ctx\x02\0\0\0\x01A\0\0\0\x02BB\x03".to_vec();
        expected.push(0);
        expected.extend([1; 32]);
        expected.push(0x81);
        expected.extend([2; 32]);
        expected.extend([3; 32]);
        expected.push(0);
        expected.extend([4; 32]);
        assert_eq!(entry, expected);
    }
}
