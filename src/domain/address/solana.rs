//! Solana accounts: 32 bytes in base58, without checksum. Whether the bytes lie on the curve is not
//! checked: derived addresses do not.

use super::bech32::cases_at_least_twice;
use super::{Address, Checksum, Encoding};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

/// Solana's programs and system variables spell a name and are padded with ones (`Vote111...`,
/// `SysvarRent111...`): no key can be found for such an address.
pub(super) fn is_system(input: &str) -> bool {
    input.ends_with("1111111111111111")
}

/// Returns the account of 32 decoded bytes without a hint at Solana.
///
/// Without a checksum, a mistyped bech32 address of 43 or 44 characters (`osmo1...`, `bcrt1...`)
/// would pass for a Solana account. So both cases must occur at least twice. Bech32 with one wrong
/// character never does; all accounts but some 10 in a thousand million do. Those few need their
/// chain ([`parse_hinted`]).
pub(super) fn from_bytes<'a>(input: &'a str, bytes: &[u8]) -> Option<Address<'a>> {
    if !cases_at_least_twice(input) && !is_system(input) {
        return None;
    }
    account(input, bytes)
}

/// Returns the account of any base58 of 32 bytes, if the hint is Solana.
pub(super) fn parse_hinted(input: &str) -> Option<Address<'_>> {
    let mut bytes = [0; 32];
    let length = bs58::decode(input).onto(bytes.as_mut_slice()).ok()?;
    account(input, &bytes[..length])
}

fn account<'a>(input: &'a str, bytes: &[u8]) -> Option<Address<'a>> {
    let key = KeyId::Ed25519(bytes.try_into().ok()?);
    Some(Address::new(input, Encoding::Solana, Checksum::Absent, &[Chain::Solana], key))
}
