//! Solana accounts: 32 bytes in base58, without checksum. Whether the bytes lie on the curve is not
//! looked at: derived addresses do not.

use super::{Address, Checksum, Encoding};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

/// The account behind 32 decoded bytes.
pub(super) fn from_bytes<'a>(input: &'a str, bytes: &[u8]) -> Option<Address<'a>> {
    let key = KeyId::Ed25519(bytes.try_into().ok()?);
    Some(Address::new(
        input,
        Encoding::Solana,
        Checksum::Absent,
        &[Chain::Solana],
        key,
    ))
}
