//! Segwit addresses: witness version and program in bech32 (version 0) or bech32m (1 to 16), after
//! BIP-141, BIP-173 and BIP-350.

use std::borrow::Cow;

use ::bech32::{Fe32, Hrp};

use super::bech32::{Decoded, Variant};
use super::{Address, Checksum, Encoding, EncodingError};
use crate::domain::chain::{Chain, is_reference};
use crate::domain::key_id::{KeyId, Program};

/// The chains of a known segwit prefix.
pub(super) fn chains(prefix: &str) -> Option<&'static [Chain]> {
    use Chain::*;
    Some(match prefix {
        "bc" => &[Bitcoin],
        "tb" => &[BitcoinTestnet, BitcoinTestnet4, BitcoinSignet],
        "bcrt" => &[BitcoinRegtest],
        "ltc" => &[Litecoin],
        "tltc" | "rltc" => &[LitecoinTestnet],
        "btg" => &[BitcoinGold],
        "tbtg" => &[BitcoinGoldTestnet],
        _ => return None,
    })
}

/// The address behind a payload.
pub(super) fn read(
    decoded: &Decoded<'_>,
    chains: &'static [Chain],
) -> Result<Address<'static>, EncodingError> {
    let (version, rest) = decoded.split_first().ok_or(EncodingError::Bech32Payload)?;
    if version > 16 {
        return Err(EncodingError::WitnessVersion(version));
    }
    if (version == 0) != (decoded.variant == Variant::Bech32) {
        return Err(EncodingError::Bech32Variant);
    }
    let mut buffer = [0; 64];
    let bytes = rest.bytes(&mut buffer)?;
    let wrong_length = EncodingError::WitnessLength(bytes.len());
    let program = Program::new(bytes).ok_or(wrong_length)?;
    let (encoding, key) = match (version, bytes.len()) {
        (0, 20) => {
            let hash = bytes.first_chunk().copied().ok_or(wrong_length)?;
            (Encoding::P2wpkh, KeyId::PublicKeyHash(hash))
        }
        (0, 32) => (Encoding::P2wsh, KeyId::WitnessProgram { version, program }),
        (0, _) => return Err(wrong_length),
        (1, 32) => (Encoding::P2tr, KeyId::WitnessProgram { version, program }),
        _ => (Encoding::Witness, KeyId::WitnessProgram { version, program }),
    };
    Ok(Address::new("", encoding, Checksum::Verified, chains, key))
}

/// Reads a payload after an unknown prefix (`vtc`, `grs`, ...). A segwit-shaped payload can be no
/// other known form: a Cosmos-style account is one symbol shorter.
pub(super) fn read_unknown(decoded: &Decoded<'_>) -> Result<Address<'static>, EncodingError> {
    if !is_reference(decoded.prefix) {
        return Err(EncodingError::Bech32Payload);
    }
    let mut address = read(decoded, &[]).map_err(|_| EncodingError::Bech32Payload)?;
    let chain = Chain::Other(format!("bech32:{}", decoded.prefix).into());
    address.chains = Cow::Owned(vec![chain]);
    Ok(address)
}

/// The address of a program after `prefix`; `None` if the version is above 16.
pub(super) fn encode(prefix: &str, version: u8, program: &[u8]) -> Option<String> {
    let version = Fe32::try_from(version).ok()?;
    ::bech32::segwit::encode(Hrp::parse(prefix).ok()?, version, program).ok()
}
