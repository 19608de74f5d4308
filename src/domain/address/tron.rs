//! TRON accounts in hex: 41 and 40 hex digits, as nodes print them. The canonical form is base58.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

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
    if HEXLOWER_PERMISSIVE.decode_mut(digits.as_bytes(), &mut hash).is_err() {
        return Ok(None);
    }
    let canonical = base58::encode(&[VERSION], &hash);
    let key = KeyId::Evm(hash);
    let chains = &[Chain::Tron];
    Ok(Some(Address::new(canonical, Encoding::TronHex, Checksum::Absent, chains, key)))
}

/// The hex form of an account.
pub(super) fn hex(hash: &[u8; 20]) -> String {
    format!("41{}", HEXLOWER.encode_display(hash))
}
