//! Key ids of fixed length, for tables of millions.

use sha2::{Digest, Sha256};

use super::key_id::KeyId;

/// Bytes of a [`PackedKey`].
pub const PACKED_KEY: usize = 21;

/// A key id in 21 bytes: a tag, then the 20 bytes of an EVM hash (0) or script hash (2), or for any
/// other kind (3) the first 20 bytes of SHA-256 over its text form. A collision takes 2^80 work.
///
/// A key with a nested segwit output ([`KeyId::nested`]) is packed as the script hash of that
/// output: both belong to one owner, so both are one key. Orders by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackedKey(pub [u8; PACKED_KEY]);

impl From<&KeyId> for PackedKey {
    fn from(key: &KeyId) -> Self {
        let nested = key.nested();
        let (tag, bytes) = match nested.as_ref().unwrap_or(key) {
            KeyId::Evm(hash) => (0, *hash),
            KeyId::ScriptHash(hash) => (2, *hash),
            other @ (KeyId::PublicKeyHash(_)
            | KeyId::ScriptHash32(_)
            | KeyId::WitnessProgram { .. }
            | KeyId::MoneroKeys(_)
            | KeyId::Ed25519(_)
            | KeyId::Sapling(_)
            | KeyId::Orchard(_)
            | KeyId::Mweb(_)
            | KeyId::Account32 { .. }
            | KeyId::Verbatim(_)) => {
                let digest = Sha256::digest(other.to_string());
                let mut bytes = [0; 20];
                bytes.copy_from_slice(&digest[..20]);
                (3, bytes)
            }
        };
        let mut packed = [tag; PACKED_KEY];
        packed[1..].copy_from_slice(&bytes);
        Self(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_with_the_same_bytes_are_told_apart() {
        let keys = [
            KeyId::Evm([7; 20]),
            KeyId::PublicKeyHash([7; 20]),
            KeyId::ScriptHash([7; 20]),
            KeyId::Ed25519([7; 32]),
            KeyId::ScriptHash32([7; 32]),
            KeyId::Verbatim("7".into()),
        ];
        let mut packed: Vec<_> = keys.iter().map(PackedKey::from).collect();
        packed.sort();
        packed.dedup();
        assert_eq!(packed.len(), keys.len());
        assert_eq!(PackedKey::from(&KeyId::Evm([7; 20])).0[..2], [0, 7]);
    }
}
