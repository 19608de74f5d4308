//! Labels and small segments: in pieces without a checksum of their own, under one fast checksum
//! that somebody else keeps. Knows no tree's meaning.
//!
//! The checksum is XXH3 in 64 bits (8 to 30 GB a second here), which tells damage of every kind
//! but not forgery; SHA-256, as lists have it, is 0.2 to 1.5 GB a second, and labels and
//! transfers are read back by the gigabyte at every start. Whoever can forge a value in the
//! database can also seal it anew.
//!
//! Pieces are of 6 KiB. Measured with 2,000 segments of 140 KB, synced every 64: pieces of 4 KiB
//! took 1.26 ms a segment and 1.83 bytes of file a byte, of 7 KiB 1.05 ms and 1.65, of 6 KiB 1.87
//! bytes; in a database of its own with log segments of 4 or 8 MiB, pieces of 35 or 100 KB took
//! 0.91 to 0.95 ms and 1.85. sled cuts a leaf at more than 16 values however large they are, and
//! writes a leaf anew after ten changes, so that larger pieces gain little; 19 values (a leaf that
//! took in a small neighbour) of 6 KiB are 117 KB, below the 128 KiB beyond which sled makes a
//! file of its own.

use twox_hash::XxHash3_64;

use super::{StoreError, Tree, value};

/// The most bytes of a piece.
pub(super) const PIECE: usize = 6 * 1024;

/// The checksum of a value under `key`.
pub(super) fn checksum(key: &[u8], bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(key), bytes)
}

/// The pieces of a value with their keys.
pub(super) fn cut<'a>(key: &'a [u8], bytes: &'a [u8]) -> impl Iterator<Item = (Vec<u8>, &'a [u8])> {
    (0_u32..).zip(bytes.chunks(PIECE)).map(|(number, piece)| (numbered(key, number), piece))
}

/// Writes a value in pieces. There must be none under the key.
pub(super) fn write(tree: &Tree, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
    for (key, piece) in cut(key, bytes) {
        tree.insert(key, piece).map_err(StoreError::engine("writing a piece"))?;
    }
    Ok(())
}

/// Reads a value of `length` bytes.
pub(super) fn read(
    tree: &Tree,
    name: &'static str,
    key: &[u8],
    length: usize,
) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(length);
    let mut next = 0;
    for item in tree.range(numbered(key, 0)..=numbered(key, u32::MAX)) {
        let (found, piece) = item.map_err(|error| {
            value::corrupt(name, &numbered(key, next), format_args!("sled cannot read it: {error}"))
        })?;
        let expected = numbered(key, next);
        if *found != *expected {
            return Err(value::corrupt(name, &expected, "the piece is missing"));
        }
        bytes.extend_from_slice(&piece);
        if bytes.len() > length {
            let what = format_args!("the value has more than its {length} bytes");
            return Err(value::corrupt(name, &expected, what));
        }
        next += 1;
    }
    if bytes.len() < length {
        let what =
            format_args!("the piece is missing: {} of {length} bytes are there", bytes.len());
        return Err(value::corrupt(name, &numbered(key, next), what));
    }
    Ok(bytes)
}

fn numbered(key: &[u8], number: u32) -> Vec<u8> {
    [key, &number.to_be_bytes()].concat()
}
