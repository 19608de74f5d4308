//! CashAddr of Bitcoin Cash (specification of 2017; token-aware types of CHIP-2022-02 and 32-byte
//! script hashes of 2023). Hand-written: no maintained crate implements it. The prefix is optional.

use std::borrow::Cow;

use super::bech32::{SYMBOLS, cases, repack};
use super::{Address, Checksum, Encoding, EncodingError, ParseAttempt};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

const PREFIXES: [(&str, &[Chain]); 3] = [
    ("bitcoincash", &[Chain::BitcoinCash]),
    ("bchtest", &[Chain::BitcoinCashTestnet]),
    ("bchreg", &[Chain::BitcoinCashTestnet]),
];

/// Characters of the checksum.
const CHECKSUM: usize = 8;
/// Characters of a 20-byte and of a 32-byte payload with checksum.
const LENGTHS: [usize; 2] = [42, 61];

/// Parses addresses with or without prefix, in lower or upper case.
pub(super) fn parse(input: &str) -> ParseAttempt<'_> {
    let (prefix, payload) = match input.split_once(':') {
        Some((prefix, payload)) => (Some(prefix.to_ascii_lowercase()), payload),
        None => (None, input),
    };
    if prefix.as_deref().is_some_and(|prefix| PREFIXES.iter().all(|(known, _)| *known != prefix)) {
        return Err(EncodingError::CashAddrPrefix);
    }
    let symbols: Option<Vec<u8>> = payload
        .bytes()
        .map(|character| Some(SYMBOLS[usize::from(character.to_ascii_lowercase())]))
        .map(|symbol| symbol.filter(|&symbol| symbol < 32))
        .collect();
    let symbols = match symbols.filter(|symbols| LENGTHS.contains(&symbols.len())) {
        Some(symbols) => symbols,
        None if prefix.is_some() => return Err(EncodingError::CashAddrPayload),
        None => return Ok(None),
    };
    if cases(input) == (true, true) {
        return Err(EncodingError::CashAddrMixedCase);
    }
    let (found, chains) = PREFIXES
        .into_iter()
        .filter(|(known, _)| prefix.as_deref().is_none_or(|prefix| prefix == *known))
        .find(|(known, _)| polymod(known, &symbols) == 0)
        .ok_or(EncodingError::CashAddrChecksum)?;
    let key = key(&symbols[..symbols.len() - CHECKSUM]).ok_or(EncodingError::CashAddrPayload)?;
    let canonical = match prefix {
        Some(_) if !cases(input).1 => Cow::Borrowed(input),
        _ => Cow::Owned(format!("{found}:{}", payload.to_ascii_lowercase())),
    };
    Ok(Some(Address::new(canonical, Encoding::CashAddr, Checksum::Verified, chains, key)))
}

/// Returns the key id of a payload: a version byte (type and size) and a hash.
fn key(symbols: &[u8]) -> Option<KeyId> {
    let mut buffer = [0; 33];
    let bytes = buffer.get_mut(..symbols.len() * 5 / 8)?;
    repack(symbols.iter().copied(), bytes)?;
    let (version, hash) = bytes.split_first()?;
    // Bits 3 to 6 are the type (2 and 3 accept tokens too), 0 to 2 the size.
    match (version >> 3, version & 7) {
        (0 | 2, 0) => Some(KeyId::PublicKeyHash(hash.try_into().ok()?)),
        (1 | 3, 0) => Some(KeyId::ScriptHash(hash.try_into().ok()?)),
        (1 | 3, 3) => Some(KeyId::ScriptHash32(hash.try_into().ok()?)),
        _ => None,
    }
}

/// The specification's checksum over prefix and symbols; 0 if it is right.
fn polymod(prefix: &str, symbols: &[u8]) -> u64 {
    const GENERATOR: [u64; 5] =
        [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];
    let prefix = prefix.bytes().map(|byte| byte & 31);
    let values = prefix.chain([0]).chain(symbols.iter().copied());
    let sum = values.fold(1u64, |sum, value| {
        let next = (sum & 0x07_ffff_ffff) << 5 ^ u64::from(value);
        let top = sum >> 35;
        let taps = GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        taps.fold(next, |next, (_, generator)| next ^ generator)
    });
    sum ^ 1
}

/// The address of a type (0 P2PKH, 1 P2SH) and its hash on the main network.
pub(super) fn encode(kind: u8, hash: &[u8]) -> String {
    const PREFIX: &str = "bitcoincash";
    let size = if hash.len() == 32 { 3 } else { 0 };
    let bytes = [&[kind << 3 | size], hash].concat();
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let pack = |bits: &[u8]| bits.iter().fold(0, |symbol, bit| symbol << 1 | bit);
    let mut symbols: Vec<u8> =
        bits.chunks(5).map(|chunk| pack(chunk) << (5 - chunk.len())).collect();
    let padded = [symbols.as_slice(), &[0; CHECKSUM]].concat();
    let checksum = polymod(PREFIX, &padded);
    // The cast keeps five bits.
    symbols.extend((0..CHECKSUM).rev().map(|place| (checksum >> (5 * place) & 31) as u8));
    let alphabet = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let text = symbols.iter().map(|&symbol| char::from(alphabet[usize::from(symbol)]));
    format!("{PREFIX}:{}", text.collect::<String>())
}
