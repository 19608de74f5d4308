//! Solana accounts: 32 bytes in base58, without checksum. Whether the bytes lie on the curve is not
//! looked at: derived addresses do not.

use super::bech32::cases_at_least_twice;
use super::{Address, Checksum, Encoding};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

/// Solana's programs and system variables spell a name and fill up with ones (`Vote111...`,
/// `SysvarRent111...`): nobody can find a key for such an address.
pub(super) fn is_system(input: &str) -> bool {
    input.ends_with("1111111111111111")
}

/// The account behind 32 decoded bytes, when nothing else says that Solana is meant.
///
/// Without a checksum, a mistyped bech32 address of 43 or 44 characters (`osmo1...`, `bcrt1...`)
/// would be taken for a Solana account. So both cases must occur at least twice, which bech32 with
/// one wrong character never shows and all but some 10 in a thousand million accounts do; those few
/// need their chain ([`parse_hinted`]).
pub(super) fn from_bytes<'a>(input: &'a str, bytes: &[u8]) -> Option<Address<'a>> {
    if !cases_at_least_twice(input) && !is_system(input) {
        return None;
    }
    account(input, bytes)
}

/// The account behind any base58 of 32 bytes, when Solana is asked for.
pub(super) fn parse_hinted(input: &str) -> Option<Address<'_>> {
    let mut bytes = [0; 32];
    let length = bs58::decode(input).onto(bytes.as_mut_slice()).ok()?;
    account(input, &bytes[..length])
}

fn account<'a>(input: &'a str, bytes: &[u8]) -> Option<Address<'a>> {
    let key = KeyId::Ed25519(bytes.try_into().ok()?);
    Some(Address::new(input, Encoding::Solana, Checksum::Absent, &[Chain::Solana], key))
}
