//! Litecoin MWEB stealth addresses: bech32 of a version, a scan key and a spend key (LIP-0004 and
//! `key_io.cpp` of Litecoin Core). Longer than BIP-173 allows.

use super::bech32::{Decoded, Variant};
use super::{Address, Checksum, Encoding, EncodingError};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

/// The chains of an MWEB prefix.
pub(super) fn chains(prefix: &str) -> Option<&'static [Chain]> {
    match prefix {
        "ltcmweb" => Some(&[Chain::Litecoin]),
        "tmweb" => Some(&[Chain::LitecoinTestnet]),
        _ => None,
    }
}

/// The address behind a payload: version 0 and two compressed public keys.
pub(super) fn read(
    decoded: &Decoded<'_>,
    chains: &'static [Chain],
) -> Result<Address<'static>, EncodingError> {
    let Some((0, rest)) = decoded.split_first() else {
        return Err(EncodingError::Bech32Payload);
    };
    if decoded.variant != Variant::Bech32 {
        return Err(EncodingError::Bech32Variant);
    }
    let mut buffer = [0; 66];
    let keys = rest.bytes(&mut buffer)?.try_into().map_err(|_| EncodingError::Bech32Payload)?;
    Ok(Address::new("", Encoding::Mweb, Checksum::Verified, chains, KeyId::Mweb(keys)))
}
