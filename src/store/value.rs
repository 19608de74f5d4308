//! Values sealed with SHA-256, whole or in pieces, and their stored forms.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::pieces::{self, NUMBER, SMALL};
use super::{StoreError, Tree};

const CHECKSUM: usize = 8;

/// Prepends the checksum to a value stored under `key`.
pub(super) fn seal(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(CHECKSUM + bytes.len());
    sealed.extend_from_slice(&checksum(key, bytes));
    sealed.extend_from_slice(bytes);
    sealed
}

/// Verifies the checksum of a value stored under `key` and removes it.
pub(super) fn unseal<'a>(
    tree: &'static str,
    key: &[u8],
    sealed: &'a [u8],
) -> Result<&'a [u8], StoreError> {
    let Some((found, bytes)) = sealed.split_first_chunk::<CHECKSUM>() else {
        return Err(StoreError::corrupt(tree, key, "it is shorter than its checksum"));
    };
    if *found != checksum(key, bytes) {
        return Err(StoreError::corrupt(tree, key, "its checksum is wrong"));
    }
    Ok(bytes)
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(value).map_err(StoreError::Encode)
}

/// Decodes a stored value.
pub(super) fn decode<T: DeserializeOwned>(
    tree: &'static str,
    key: &[u8],
    bytes: &[u8],
) -> Result<T, StoreError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => {
            Err(StoreError::corrupt(tree, key, format_args!("{} bytes are left over", rest.len())))
        }
        Err(error) => Err(StoreError::corrupt(tree, key, error)),
    }
}

/// Writes a value in pieces. There must be none under the key.
pub(super) fn write(tree: &Tree, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
    pieces::write(tree, key, &seal(key, bytes), SMALL)
}

/// Adds to `batch` the replacement of the value in pieces under `key`, if any.
pub(super) fn replace(
    tree: &Tree,
    batch: &mut sled::Batch,
    key: &[u8],
    bytes: &[u8],
) -> Result<(), StoreError> {
    remove_in(tree, batch, key)?;
    for (key, piece) in pieces::cut(key, &seal(key, bytes), SMALL) {
        batch.insert(key, piece);
    }
    Ok(())
}

/// Adds to `batch` the removal of the value in pieces under `key`.
pub(super) fn remove_in(
    tree: &Tree,
    batch: &mut sled::Batch,
    key: &[u8],
) -> Result<(), StoreError> {
    for found in tree.scan_prefix(key).keys() {
        let found = found.map_err(StoreError::engine("reading a key"))?;
        if found.len() == key.len() + NUMBER {
            batch.remove(found);
        }
    }
    Ok(())
}

/// Reads the value in pieces under exactly `key`.
pub(super) fn read(
    tree: &Tree,
    name: &'static str,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut found = None;
    let last = [key, &[0xff; NUMBER]].concat();
    scan(tree, name, key, &last, |found_key, bytes| {
        if found_key == key {
            found = Some(bytes.to_vec());
        }
        Ok(found_key != key)
    })?;
    Ok(found)
}

/// Calls `each` with the key and bytes of each value in pieces between `from` and `to` (keys of
/// pieces, both inclusive), in order, until it returns `false`.
pub(super) fn scan(
    tree: &Tree,
    name: &'static str,
    from: &[u8],
    to: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let mut key: Vec<u8> = Vec::new();
    let mut sealed: Vec<u8> = Vec::new();
    for item in tree.range(from..=to) {
        let (piece_key, piece) = item.map_err(StoreError::engine("reading a value"))?;
        let Some((value_key, _)) = piece_key.split_last_chunk::<NUMBER>() else {
            return Err(StoreError::corrupt(name, &piece_key, "the key is too short"));
        };
        if !sealed.is_empty() && value_key != key {
            if !each(&key, unseal(name, &key, &sealed)?)? {
                return Ok(());
            }
            sealed.clear();
        }
        if sealed.is_empty() {
            key = value_key.to_vec();
        }
        sealed.extend_from_slice(&piece);
    }
    if !sealed.is_empty() {
        each(&key, unseal(name, &key, &sealed)?)?;
    }
    Ok(())
}

/// Removes every key that begins with `prefix`.
pub(super) fn remove(tree: &Tree, prefix: &[u8]) -> Result<(), StoreError> {
    for key in tree.scan_prefix(prefix).keys() {
        let key = key.map_err(StoreError::engine("reading a key"))?;
        tree.remove(key).map_err(StoreError::engine("removing a value"))?;
    }
    Ok(())
}

fn checksum(key: &[u8], bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash: [u8; 32] = Sha256::new_with_prefix(key).chain_update(bytes).finalize().into();
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(&hash[..CHECKSUM]);
    checksum
}
