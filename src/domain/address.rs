//! STUB of the contract; replaced by the address work.
use std::borrow::Cow;
use std::fmt;

use super::chain::Chain;
use super::key_id::KeyId;

/// The longest input that is looked at, in bytes.
pub const MAX_ADDRESS: usize = 512;

/// How an address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// 0x and 40 hex digits.
    Evm,
    /// Taken verbatim, on a chain that this program does not know.
    Verbatim,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What the address's own checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Present and right.
    Verified,
    /// The form carries none (lower-case EVM, Solana, verbatim): a typing error is not detectable.
    Absent,
    /// Present and wrong, yet the bytes are understood (mixed-case EVM, EIP-55).
    Wrong,
}

/// A parsed, canonical address. Borrows the input where that is canonical already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    canonical: Cow<'a, str>,
    encoding: Encoding,
    checksum: Checksum,
    chains: Cow<'static, [Chain]>,
    key: KeyId,
}

/// Why an input is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Empty.
    #[error("the address is empty")]
    Empty,
    /// Longer than [`MAX_ADDRESS`].
    #[error("the address has {0} bytes, more than {MAX_ADDRESS}")]
    TooLong(usize),
    /// Not printable ASCII.
    #[error("character {found:?} at byte {position} is not printable ASCII")]
    NotAscii {
        /// Byte offset.
        position: usize,
        /// The character.
        found: char,
    },
    /// Fits no known form; says why for the form it comes nearest to.
    #[error("no known address form fits: {0}")]
    NotUnderstood(String),
    /// Null, burn or precompile address: not an address that anybody controls. Only from `parse_listed`.
    #[error("{0}")]
    NobodysAddress(&'static str),
}

impl<'a> Address<'a> {
    /// Understands `input` (surrounding ASCII white space must have been cut by the caller). The chain is a wish: if the form does not
    /// fit it, the address is still returned with the chains that fit ([`Address::fits`] tells).
    pub fn parse(input: &'a str, chain: Option<&Chain>) -> Result<Self, AddressError> {
        let _ = chain;
        let hex = input.strip_prefix("0x").filter(|h| h.len() == 40 && h.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(hex) = hex else { return Err(AddressError::NotUnderstood("stub".into())) };
        let mut key = [0; 20];
        for (i, out) in key.iter_mut().enumerate() {
            *out = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap_or(0);
        }
        Ok(Self { canonical: input.to_lowercase().into(), encoding: Encoding::Evm, checksum: Checksum::Absent, chains: Cow::Borrowed(&[Chain::AnyEvm]), key: KeyId::Evm(key) })
    }
    /// Understands a row of a list: the ticker is a hint. Surrounding ASCII white space is ignored. `Err` means quarantine. An unknown
    /// ticker with an unknown form gives a verbatim address on `Chain::Other`.
    pub fn parse_listed(input: &'a str, ticker: &str) -> Result<Self, AddressError> {
        let _ = ticker;
        Self::parse(input.trim_ascii(), None)
    }
    /// The one way of writing it.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
    /// How it is written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }
    /// What its checksum says.
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }
    /// Every chain that the form fits.
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }
    /// Whether the form can stand on `chain` (any EVM chain for an EVM form).
    pub fn fits(&self, chain: &Chain) -> bool {
        self.chains.contains(chain) || (matches!(chain, Chain::Evm(_)) && self.chains.contains(&Chain::AnyEvm))
    }
    /// The key ids that control it: one look-up each; none for an all-zero key, which matches nothing.
    pub fn key_ids(&self) -> &[KeyId] {
        std::slice::from_ref(&self.key)
    }
    /// The key ids under which a listing of it is indexed: its own and those that its owner surely
    /// controls too (nested P2SH).
    pub fn listing_key_ids(&self) -> Vec<KeyId> {
        self.key_ids().to_vec()
    }
    /// Its other forms: the same key written for other encodings and chains, for people.
    pub fn other_forms(&self) -> Vec<(Chain, Encoding, String)> {
        Vec::new()
    }
}
