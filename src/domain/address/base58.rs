//! Base58 in Bitcoin's alphabet: versions of the Bitcoin-script chains and of TRON, and Solana's 32
//! bytes. A string decodes to one length only, and the length identifies the family. Monero's
//! block-wise base58 and XRP's alphabet have their own files.

use sha2::{Digest, Sha256};

use super::{Address, Checksum, Encoding, EncodingError, ParseAttempt, solana};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

/// The longest string that is decoded: a private key has 52 characters, addresses up to 44.
const MAX_TEXT: usize = 52;

/// The encoding that a version denotes, and the chains that use it.
type Version = (Encoding, &'static [Chain]);

/// The meaning of a one-byte version before a 20-byte hash (`base58Prefixes` in each chain's
/// `chainparams.cpp`; TRON: `TransactionCapsule`).
fn version(version: u8) -> Option<Version> {
    use Chain::*;
    use Encoding::{P2pkh, P2sh, Tron as TronAccount};
    Some(match version {
        0x00 => (P2pkh, &[Bitcoin, BitcoinCash, BitcoinSv]),
        0x05 => (P2sh, &[Bitcoin, BitcoinCash, BitcoinSv, Litecoin]),
        0x10 => (P2sh, &[Dash]),
        0x13 => (P2sh, &[DashTestnet]),
        0x16 => (P2sh, &[Dogecoin]),
        0x17 => (P2sh, &[BitcoinGold]),
        0x1e => (P2pkh, &[Dogecoin, Verge]),
        0x21 => (P2sh, &[Verge]),
        0x26 => (P2pkh, &[BitcoinGold]),
        0x30 => (P2pkh, &[Litecoin]),
        0x32 => (P2sh, &[Litecoin]),
        0x3a => (P2sh, &[LitecoinTestnet]),
        0x41 => (TronAccount, &[Tron]),
        0x4c => (P2pkh, &[Dash]),
        0x6f => (
            P2pkh,
            &[
                BitcoinTestnet,
                BitcoinTestnet4,
                BitcoinSignet,
                BitcoinRegtest,
                BitcoinCashTestnet,
                BitcoinGoldTestnet,
                LitecoinTestnet,
            ],
        ),
        0x71 => (P2pkh, &[DogecoinTestnet]),
        0x73 => (P2pkh, &[VergeTestnet]),
        0x8c => (P2pkh, &[DashTestnet]),
        0xc4 => (
            P2sh,
            &[
                BitcoinTestnet,
                BitcoinTestnet4,
                BitcoinSignet,
                BitcoinRegtest,
                BitcoinCashTestnet,
                BitcoinGoldTestnet,
                LitecoinTestnet,
                DogecoinTestnet,
            ],
        ),
        0xc6 => (P2sh, &[VergeTestnet]),
        _ => return None,
    })
}

/// The meaning of Zcash's two-byte versions (protocol specification, 5.6.1.1).
fn zcash_version(version: [u8; 2]) -> Option<Version> {
    Some(match version {
        [0x1c, 0xb8] => (Encoding::P2pkh, &[Chain::Zcash]),
        [0x1c, 0xbd] => (Encoding::P2sh, &[Chain::Zcash]),
        [0x1d, 0x25] => (Encoding::P2pkh, &[Chain::ZcashTestnet]),
        [0x1c, 0xba] => (Encoding::P2sh, &[Chain::ZcashTestnet]),
        _ => return None,
    })
}

/// Parses any form in Bitcoin's alphabet.
pub(super) fn parse(input: &str) -> ParseAttempt<'_> {
    if !(20..=MAX_TEXT).contains(&input.len()) {
        return Ok(None);
    }
    let mut buffer = [0; 64];
    let Ok(length) = bs58::decode(input).onto(buffer.as_mut_slice()) else {
        return Ok(None);
    };
    match &buffer[..length] {
        [first, rest @ ..] if length == 25 => {
            let hash = checked(&buffer[..length], rest)?;
            let (encoding, chains) =
                version(*first).ok_or(EncodingError::Base58Version { version: *first })?;
            let key = key_of(encoding, hash);
            Ok(Some(Address::new(input, encoding, Checksum::Verified, chains, key)))
        }
        [first, second, rest @ ..] if length == 26 => {
            let hash = checked(&buffer[..length], rest)?;
            let (encoding, chains) = zcash_version([*first, *second])
                .ok_or(EncodingError::Base58Version { version: *first })?;
            let key = key_of(encoding, hash);
            Ok(Some(Address::new(input, encoding, Checksum::Verified, chains, key)))
        }
        bytes if length == 32 => Ok(solana::from_bytes(input, bytes)),
        // Wallet import format: 32 bytes, and one more for a compressed key.
        bytes if matches!(length, 37 | 38) && split_checksum(bytes).is_some() => {
            Err(EncodingError::PrivateKey)
        }
        _ => Ok(None),
    }
}

fn key_of(encoding: Encoding, hash: [u8; 20]) -> KeyId {
    if encoding == Encoding::Tron {
        KeyId::Evm(hash)
    } else if encoding == Encoding::P2sh {
        KeyId::ScriptHash(hash)
    } else {
        KeyId::PublicKeyHash(hash)
    }
}

/// Returns the 20-byte hash at the start of `rest` if the checksum at the end of `bytes` is
/// correct.
fn checked(bytes: &[u8], rest: &[u8]) -> Result<[u8; 20], EncodingError> {
    let wrong = EncodingError::Base58Checksum { version: bytes.first().copied().unwrap_or(0) };
    split_checksum(bytes).ok_or(wrong)?;
    rest.first_chunk().copied().ok_or(wrong)
}

/// Returns the payload if the last four bytes are the start of its double SHA-256.
pub(super) fn split_checksum(bytes: &[u8]) -> Option<&[u8]> {
    let (payload, checksum) = bytes.split_last_chunk::<4>()?;
    let hash = Sha256::digest(Sha256::digest(payload));
    (hash[..4] == checksum[..]).then_some(payload)
}

/// Base58check of `version` and `hash`.
pub(super) fn encode(version: &[u8], hash: &[u8; 20]) -> String {
    encode_checked([version, hash].concat(), bs58::Alphabet::BITCOIN)
}

/// Base58 of `bytes` and the start of their double SHA-256.
pub(super) fn encode_checked(mut bytes: Vec<u8>, alphabet: &bs58::Alphabet) -> String {
    let hash = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend_from_slice(&hash[..4]);
    bs58::encode(bytes).with_alphabet(alphabet).into_string()
}
