//! Monero addresses: base58 in blocks of 8 bytes, a network byte, the public spend and view keys,
//! and the start of a Keccak-256 (<https://docs.getmonero.org/public-address/standard-address/>).
//! Featured addresses add a list of features (kayabaNerve's proposal, network bytes 70, 86, 111).
//! Whether the keys lie on the curve is not checked.

use sha3::{Digest, Keccak256};

use super::{Address, Checksum, Encoding, EncodingError, ParseAttempt};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

/// Bytes of a full block, and characters that write it.
const BLOCK: (usize, usize) = (8, 11);
/// Characters that write a block of 0 to 8 bytes.
const CHARACTERS: [usize; 9] = [0, 2, 3, 5, 6, 7, 9, 10, 11];
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// The longest address: 1 + 64 + 1 + 8 + 4 bytes.
const MAX_BYTES: usize = 78;

const MAIN: &[Chain] = &[Chain::Monero];
const STAGE: &[Chain] = &[Chain::MoneroStagenet];
const TEST: &[Chain] = &[Chain::MoneroTestnet];

/// Meaning of a network byte (`CRYPTONOTE_PUBLIC_*_BASE58_PREFIX` in `cryptonote_config.h`).
fn network(byte: u8) -> Option<(Encoding, &'static [Chain])> {
    use Encoding::{Monero, MoneroFeatured, MoneroIntegrated, MoneroSubaddress};
    Some(match byte {
        18 => (Monero, MAIN),
        19 => (MoneroIntegrated, MAIN),
        42 => (MoneroSubaddress, MAIN),
        70 => (MoneroFeatured, MAIN),
        24 => (Monero, STAGE),
        25 => (MoneroIntegrated, STAGE),
        36 => (MoneroSubaddress, STAGE),
        86 => (MoneroFeatured, STAGE),
        53 => (Monero, TEST),
        54 => (MoneroIntegrated, TEST),
        63 => (MoneroSubaddress, TEST),
        111 => (MoneroFeatured, TEST),
        _ => return None,
    })
}

/// Addresses of 95 (plain), 97 (featured), 106 (integrated) or 108 (both) characters.
pub(super) fn parse(input: &str) -> ParseAttempt<'_> {
    if !matches!(input.len(), 95 | 97 | 106 | 108) {
        return Ok(None);
    }
    let (buffer, length) = decode(input).ok_or(EncodingError::MoneroBase58)?;
    let (payload, checksum) =
        buffer[..length].split_last_chunk::<4>().ok_or(EncodingError::MoneroBase58)?;
    let byte = payload[0];
    if Keccak256::digest(payload)[..4] != checksum[..] {
        return Err(EncodingError::MoneroChecksum);
    }
    let (encoding, chains) = network(byte).ok_or(EncodingError::MoneroNetwork(byte))?;
    let (keys, rest) = payload[1..].split_first_chunk().ok_or(EncodingError::MoneroBase58)?;
    let payment_id = match (encoding, rest) {
        (Encoding::Monero | Encoding::MoneroSubaddress, []) => None,
        (Encoding::MoneroIntegrated, id) if id.len() == 8 => id.try_into().ok(),
        // Features: 1 subaddress, 2 integrated, 4 guaranteed against the burning bug.
        (Encoding::MoneroFeatured, [0..=7, id @ ..]) => match (rest[0] & 2, id.len()) {
            (0, 0) => None,
            (2, 8) => id.try_into().ok(),
            _ => return Err(EncodingError::MoneroFeatures(rest[0])),
        },
        (Encoding::MoneroFeatured, [features, ..]) => {
            return Err(EncodingError::MoneroFeatures(*features));
        }
        _ => return Err(EncodingError::MoneroNetwork(byte)),
    };
    let key = KeyId::MoneroKeys(*keys);
    let address = Address::new(input, encoding, Checksum::Verified, chains, key);
    Ok(Some(Address { payment_id, ..address }))
}

/// The standard main-network address of a pair of keys.
pub(super) fn standard(keys: &[u8; 64]) -> String {
    encode(&[&[18], keys.as_slice()].concat())
}

/// The address with `payload`: network byte, keys and what follows.
pub(super) fn encode(payload: &[u8]) -> String {
    let checksum = Keccak256::digest(payload);
    let bytes = [payload, &checksum[..4]].concat();
    let mut text = String::new();
    for block in bytes.chunks(BLOCK.0) {
        let digits = bs58::encode(block).into_string();
        // Each block is a number, so leading zero bytes become padding.
        let digits = digits.trim_start_matches('1');
        let padding = CHARACTERS[block.len()].saturating_sub(digits.len());
        text.extend(std::iter::repeat_n('1', padding));
        text.push_str(digits);
    }
    text
}

/// Decodes block-wise base58. Returns the buffer and its length.
fn decode(input: &str) -> Option<([u8; MAX_BYTES], usize)> {
    let mut bytes = [0; MAX_BYTES];
    let mut length = 0;
    for block in input.as_bytes().chunks(BLOCK.1) {
        let size = CHARACTERS.iter().position(|&characters| characters == block.len())?;
        let number = block.iter().try_fold(0u64, |number, character| {
            let digit = ALPHABET.iter().position(|known| known == character)?;
            number.checked_mul(58)?.checked_add(u64::try_from(digit).ok()?)
        })?;
        let written = number.to_be_bytes();
        let (zeros, kept) = written.split_at(BLOCK.0 - size);
        if zeros.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.get_mut(length..length + size)?.copy_from_slice(kept);
        length += size;
    }
    Some((bytes, length))
}
