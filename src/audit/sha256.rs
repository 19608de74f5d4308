//! SHA-256 of messages in parts. Nearly all of the log's take three blocks at most: these are hashed
//! without the buffer of a digest, which takes a quarter of the time.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// A SHA-256 hash: of a leaf, of a node, a root, or a commitment.
pub type Hash = [u8; 32];

/// The initial state (FIPS 180-4, 5.3.3).
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

const BLOCK: usize = 64;

/// The most blocks that are hashed without a buffer.
const MAX_BLOCKS: usize = 3;

/// What ends a message: a bit 1 in a byte of its own, and the length in bits.
const END: usize = 1 + 8;

/// Hashes the parts, one after another.
#[inline]
pub(super) fn sha256(parts: &[&[u8]]) -> Hash {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let count = (length + END).div_ceil(BLOCK);
    if count > MAX_BLOCKS {
        let hash = Sha256::new();
        return parts.iter().fold(hash, |hash, part| hash.chain_update(part)).finalize().into();
    }
    let mut blocks = [[0; BLOCK]; MAX_BLOCKS];
    let blocks = &mut blocks[..count];
    let bytes = blocks.as_flattened_mut();
    let mut at = 0;
    for part in parts {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    bytes[length] = 0x80;
    let bits = (length as u64 * 8).to_be_bytes();
    bytes[count * BLOCK - bits.len()..].copy_from_slice(&bits);
    let mut state = INITIAL;
    compress256(&mut state, blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_equals_the_library() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..=bytes.len() {
            let message = &bytes[..length];
            let expected: Hash = Sha256::digest(message).into();
            for at in [0, length / 3, length] {
                let (first, rest) = message.split_at(at);
                assert_eq!(sha256(&[first, rest]), expected, "{length} bytes, cut at {at}");
            }
        }
    }
}
