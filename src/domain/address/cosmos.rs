//! Cosmos-style accounts: bech32 of 20 or 32 bytes after any prefix, including BNB Beacon (ADR-028
//! of the Cosmos SDK). A known prefix identifies the chain and the kind of key.

use std::borrow::Cow;

use ::bech32::Hrp;

use super::bech32::{Decoded, Variant};
use super::{Address, Checksum, Encoding, EncodingError};
use crate::domain::chain::{Chain, is_reference};
use crate::domain::key_id::KeyId;

/// How the 20 bytes derive from a public key.
#[derive(Clone, Copy)]
enum Kind {
    /// HASH160, as on Bitcoin.
    Hash160,
    /// Keccak-256, as on Ethereum.
    Keccak,
    /// Either, or unknown: both are looked up. The two hashes cannot collide by chance, so the
    /// second look-up finds no false match.
    Either,
}

/// Returns the chain and the kind of key of a known prefix.
fn known(prefix: &str) -> Option<(Chain, Kind)> {
    let cosmos = |reference: &str| Chain::Cosmos(reference.into());
    Some(match prefix {
        "cosmos" => (cosmos("cosmoshub-4"), Kind::Hash160),
        "osmo" => (cosmos("osmosis-1"), Kind::Hash160),
        "cro" => (cosmos("crypto-org-chain-mainnet-1"), Kind::Hash160),
        "tcro" => (cosmos("testnet-croeseid-4"), Kind::Hash160),
        "bnb" => (Chain::BnbBeacon, Kind::Hash160),
        "tbnb" => (Chain::BnbBeaconTestnet, Kind::Hash160),
        "inj" => (cosmos("injective-1"), Kind::Keccak),
        // Chain ids with an underscore are hashed (CAIP-5): evmos_9001-2, cronosmainnet_25-1.
        "evmos" => (cosmos("hashed-95094315a9d6cf2a"), Kind::Keccak),
        "crc" => (cosmos("hashed-4231fdaa7de3edd0"), Kind::Keccak),
        // Bech32 spellings of EVM accounts: Harmony, IoTeX, OKT Chain.
        "one" => (Chain::Evm(1_666_600_000), Kind::Keccak),
        "io" => (Chain::Evm(4689), Kind::Keccak),
        "ex" => (Chain::Evm(66), Kind::Keccak),
        // Accounts of both kinds live on Kava (kava_2222-10).
        "kava" => (cosmos("hashed-6d4e837e169119f0"), Kind::Either),
        _ => return None,
    })
}

/// Whether the prefix is in our table.
pub(super) fn is_known(prefix: &str) -> bool {
    known(prefix).is_some()
}

/// Returns the account of a payload; `None` if the length is wrong.
pub(super) fn read(decoded: &Decoded<'_>) -> Option<Result<Address<'static>, EncodingError>> {
    let prefix = decoded.prefix;
    let known = known(prefix);
    // 20 and 32 bytes. The secret and public keys of Nostr and age have the same shape.
    let symbols = decoded.symbols();
    let shaped = decoded.variant == Variant::Bech32 && matches!(symbols, 32 | 52);
    if !shaped || !is_reference(prefix) {
        return known.map(|_| Err(EncodingError::Bech32Payload));
    }
    match prefix {
        "nsec" => return Some(Err(EncodingError::PrivateKey)),
        "npub" | "note" | "age" => return Some(Err(EncodingError::Bech32Payload)),
        _ => {}
    }
    let mut buffer = [0; 32];
    Some(decoded.bytes(&mut buffer).and_then(|bytes| account(prefix, known, bytes)))
}

fn account(
    prefix: &str,
    known: Option<(Chain, Kind)>,
    bytes: &[u8],
) -> Result<Address<'static>, EncodingError> {
    let (chain, kind) = known.unwrap_or((Chain::AnyCosmos, Kind::Either));
    let keys = if let Ok(hash) = <[u8; 20]>::try_from(bytes) {
        match kind {
            Kind::Hash160 => vec![KeyId::PublicKeyHash(hash)],
            Kind::Keccak => vec![KeyId::Evm(hash)],
            Kind::Either => vec![KeyId::PublicKeyHash(hash), KeyId::Evm(hash)],
        }
    } else {
        let account = bytes.try_into().map_err(|_| EncodingError::Bech32Payload)?;
        vec![KeyId::Account32 { prefix: prefix.into(), account }]
    };
    Ok(Address {
        canonical: Cow::Borrowed(""),
        encoding: Encoding::Cosmos,
        checksum: Checksum::Verified,
        chains: Cow::Owned(vec![chain]),
        keys: super::Keys::None,
        written_chain: None,
        tag: None,
        payment_id: None,
    }
    .with_keys(keys))
}

/// The account of `bytes` after `prefix`.
pub(super) fn encode(prefix: &str, bytes: &[u8]) -> Option<String> {
    ::bech32::encode::<::bech32::Bech32>(Hrp::parse(prefix).ok()?, bytes).ok()
}
