//! Chains and their CAIP-2 ids, tickers as hints. Does not know addresses.
use std::borrow::Cow;
use std::fmt;

/// A chain, or the family of chains that a form cannot tell apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// Any EVM chain: the form does not say which. Written `eip155:*`.
    AnyEvm,
    /// One EVM chain, by its EIP-155 id.
    Evm(u64),
    /// Bitcoin main network.
    Bitcoin,
    /// A chain that this program does not know, as written in CAIP-2.
    Other(Box<str>),
}

/// A string that names no chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no chain: a CAIP-2 id such as eip155:1, or a name such as bitcoin")]
pub struct ChainError(pub String);

impl Chain {
    /// The CAIP-2 id.
    pub fn caip2(&self) -> Cow<'static, str> {
        match self {
            Self::AnyEvm => Cow::Borrowed("eip155:*"),
            Self::Evm(id) => Cow::Owned(format!("eip155:{id}")),
            Self::Bitcoin => Cow::Borrowed("bip122:000000000019d6689c085ae165831e93"),
            Self::Other(text) => Cow::Owned(text.to_string()),
        }
    }
    /// The chain that a list's ticker hints at.
    pub fn from_ticker(_ticker: &str) -> Option<Self> {
        None
    }
}

impl std::str::FromStr for Chain {
    type Err = ChainError;
    fn from_str(text: &str) -> Result<Self, ChainError> {
        Ok(Self::Other(text.into()))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.caip2())
    }
}
