//! TRON accounts in hex: 41 and 40 hex digits, as nodes print them. The canonical form is base58.

use super::{Address, Checksum, Encoding, ParseAttempt, base58};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

/// The version byte of TRON accounts.
pub(super) const VERSION: u8 = 0x41;

/// 41 and 40 hex digits of either case, with or without 0x. Carries no checksum.
pub(super) fn parse_hex(input: &str) -> ParseAttempt<'_> {
    let hex = input.strip_prefix("0x").unwrap_or(input);
    let Some(digits) = hex.strip_prefix("41").filter(|digits| digits.len() == 40) else {
        return Ok(None);
    };
    let mut hash = [0; 20];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().as_chunks::<2>().0) {
        let [Some(high), Some(low)] = pair.map(|digit| char::from(digit).to_digit(16)) else {
            return Ok(None);
        };
        // Two hex digits make a byte.
        *byte = (high << 4 | low) as u8;
    }
    let canonical = base58::encode(&[VERSION], &hash);
    let key = KeyId::Evm(hash);
    let chains = &[Chain::Tron];
    Ok(Some(Address::new(canonical, Encoding::TronHex, Checksum::Absent, chains, key)))
}

/// The hex form of an account.
pub(super) fn hex(hash: &[u8; 20]) -> String {
    let digits = hash.iter().map(|byte| format!("{byte:02x}"));
    std::iter::once("41".to_owned()).chain(digits).collect()
}
