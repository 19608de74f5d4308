//! Cuts values into pieces under numbered keys.
//!
//! Lists, records and heads seal a value with SHA-256 first ([`value`]). Labels and segments have a
//! checksum of XXH3 in 64 bits. It detects damage but not forgery, and is an order of magnitude
//! faster than SHA-256, which lists use: labels and transfers are read back by the gigabyte at
//! every start. An attacker who can change a value in the database can also seal it again.
//!
//! sled splits a leaf at more than 16 values whatever their size, and rewrites a leaf after ten
//! changes, so pieces above 6 KiB gain little (docs/benchmarks.md has the measurements). A leaf that
//! absorbed a small neighbour has 19 values: of 6 KiB they are 117 KB, below the 128 KiB beyond
//! which sled makes a separate file.

use twox_hash::XxHash3_64;

use super::{StoreError, Tree};

/// The bytes of a piece of a sealed value.
pub(super) const SMALL: usize = 4 * 1024;

/// The bytes of a piece of labels and segments.
pub(super) const LARGE: usize = 6 * 1024;

/// Bytes of a piece's number at the end of its key.
pub(super) const NUMBER: usize = 4;

/// The checksum of a value under `key`.
pub(super) fn checksum(key: &[u8], bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(key), bytes)
}

/// The pieces of a value with their keys.
pub(super) fn cut<'a>(
    key: &'a [u8],
    bytes: &'a [u8],
    size: usize,
) -> impl Iterator<Item = (Vec<u8>, &'a [u8])> {
    (0_u32..).zip(bytes.chunks(size)).map(|(number, piece)| (numbered(key, number), piece))
}

/// Writes a value in pieces. There must be none under the key.
pub(super) fn write(tree: &Tree, key: &[u8], bytes: &[u8], size: usize) -> Result<(), StoreError> {
    for (key, piece) in cut(key, bytes, size) {
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
            StoreError::corrupt(
                name,
                &numbered(key, next),
                format_args!("sled cannot read it: {error}"),
            )
        })?;
        let expected = numbered(key, next);
        if *found != *expected {
            return Err(StoreError::corrupt(name, &expected, "the piece is missing"));
        }
        bytes.extend_from_slice(&piece);
        if bytes.len() > length {
            let what = format_args!("the value has more than its {length} bytes");
            return Err(StoreError::corrupt(name, &expected, what));
        }
        next += 1;
    }
    if bytes.len() < length {
        let what =
            format_args!("the piece is missing: {} of {length} bytes are there", bytes.len());
        return Err(StoreError::corrupt(name, &numbered(key, next), what));
    }
    Ok(bytes)
}

fn numbered(key: &[u8], number: u32) -> Vec<u8> {
    [key, &number.to_be_bytes()].concat()
}
