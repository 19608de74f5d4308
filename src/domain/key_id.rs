//! Key ids: what controls the funds behind an address, comparable across encodings and chains.
use std::fmt;

/// The controlling material of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyId {
    /// 20-byte EVM hash (EVM chains, TRON, Keccak-based Cosmos accounts).
    Evm([u8; 20]),
    /// The verbatim string, for a chain that we do not know.
    Verbatim(Box<str>),
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
