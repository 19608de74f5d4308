//! Addresses: one parser, one canonical form, the chains that the form fits and the key ids that
//! control it. Each family of encodings has its own file.
//!
//! A form is recognised by its own rules (alphabet, length, version, checksum), never by a ticker.
//!
//! ```
//! use lazaretto::domain::address::{Address, Encoding};
//! use lazaretto::domain::chain::Chain;
//!
//! let address = Address::parse("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", None)?;
//! assert_eq!(address.encoding(), Encoding::P2pkh);
//! let [key] = address.key_ids() else { panic!("a P2PKH address has one key") };
//! assert_eq!(key.to_string(), "pkh:62e907b15cbf27d5425399ebf6f0fb50ebb88f18");
//!
//! // Another form of the same key has the same key id.
//! let mut forms = address.other_forms().into_iter();
//! let segwit = forms.find(|form| form.0 == Chain::Bitcoin && form.1 == Encoding::P2wpkh);
//! let (_, _, segwit) = segwit.expect("a public-key hash has a segwit form");
//! assert_eq!(segwit, "bc1qvt5s0v2uhuna2sjnn84ldu8m2r4m3rcc4048ry");
//! assert_eq!(Address::parse(&segwit, None)?.key_ids(), address.key_ids());
//! # Ok::<(), lazaretto::domain::address::AddressError>(())
//! ```

mod base58;
mod bech32;
mod bech32_forms;
mod cashaddr;
mod cosmos;
mod encoding;
mod encoding_error;
mod evm;
mod forms;
mod keys;
mod monero;
mod mweb;
pub mod reading;
mod segwit;
mod solana;
mod tron;
mod uncontrolled;
mod xrp;
mod zcash;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::borrow::Cow;

use super::chain::{self, Chain};
use super::key_id::KeyId;
use super::packed_key::PackedKey;
use keys::Keys;

pub use encoding::Encoding;
pub use encoding_error::EncodingError;
pub use reading::{Normalization, Reading};

/// The longest accepted input, in bytes. The longest known form, a Zcash unified address with
/// unknown receivers, has about 500.
pub const MAX_ADDRESS: usize = 1024;

/// Result of checking the address's own checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    Verified,
    /// The form has no checksum (lower-case or upper-case EVM, 41-hex TRON, Solana, verbatim), so a
    /// typing error is not detectable.
    Absent,
    /// Present and wrong, but the bytes are still usable (mixed-case EVM, EIP-55).
    Wrong,
}

/// A parsed, canonical address. Borrows the input where that is canonical already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    canonical: Cow<'a, str>,
    encoding: Encoding,
    checksum: Checksum,
    chains: Cow<'static, [Chain]>,
    keys: Keys,
    written_chain: Option<Chain>,
    tag: Option<u32>,
    payment_id: Option<[u8; 8]>,
}

/// Why an input is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address is empty")]
    Empty,
    /// Longer than [`MAX_ADDRESS`].
    #[error("the address has {0} bytes, more than {MAX_ADDRESS}")]
    TooLong(usize),
    /// A character that is not visible ASCII: white space inside, a zero-width character, a
    /// homoglyph.
    #[error("character {found:?} at byte {position} is not visible ASCII")]
    NotAscii {
        /// Byte offset in the input as given, before any trimming.
        position: usize,
        found: char,
    },
    /// Fits no known form; holds the reason for the closest one.
    #[error("no known address form fits: {0}")]
    NotUnderstood(#[from] EncodingError),
    /// Characters that imitate those of an address (Unicode TS 39).
    #[error(
        "{found} only looks like a character of an address: the text may pass itself off as one"
    )]
    LookAlike {
        /// Their code points, in the order of the text.
        found: String,
    },
    /// More than one address where one is expected.
    #[error("the text holds {0} addresses, and one is wanted")]
    Several(usize),
    /// A null, burn or precompile address, whose funds no party controls. Only for list rows
    /// ([`Reading::from_list_cell`]).
    #[error("{0}")]
    Uncontrolled(&'static str),
}

impl AddressError {
    /// Returns true if the request itself is invalid. Other unparsable strings still get an answer.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Empty | Self::TooLong(_) | Self::NotAscii { .. })
    }
}

/// Returns the key ids of known burn and system addresses. [`is_system_key`] covers the remaining
/// EVM ones.
pub fn uncontrolled_keys() -> Vec<KeyId> {
    uncontrolled::BY_TEXT
        .iter()
        .filter_map(|(text, _)| Address::parse(text, None).ok())
        .flat_map(|address| address.key_ids().to_vec())
        .collect()
}

/// Returns true for the key of an EVM precompile, system contract or predeploy, or of 0x...dEaD.
pub fn is_system_key(key: &KeyId) -> bool {
    uncontrolled::system_account(key).is_some()
}

impl<'a> Address<'a> {
    /// Parses `input` exactly as written; [`Reading`] first removes quotes, URIs and the like.
    ///
    /// `chain` is a hint. A known form is returned with every chain that it fits, whether or not
    /// the hint is among them (see [`Address::fits`]). An unknown form is accepted verbatim if the
    /// hint is an unknown chain ([`Chain::Other`]), and rejected otherwise. An address written with
    /// its chain (CAIP-10: `eip155:1:0xabc...`) supplies its own hint, and [`Address::chains`] is
    /// narrowed to that chain if the form fits it.
    pub fn parse(input: &'a str, chain: Option<&Chain>) -> Result<Self, AddressError> {
        if let Some(address) = evm::parse_lower_case(input) {
            return Ok(address);
        }
        check_text(input, 0)?;
        if let Some((chain, rest)) = split_caip10(input) {
            let mut address = parse_form(rest, Some(&chain))?;
            address.narrow(&chain);
            address.written_chain = Some(chain);
            return Ok(address);
        }
        Ok(parse_form(input, chain)?)
    }

    /// The canonical spelling: lower-case hex for EVM, base58 for TRON, lower-case bech32, CashAddr
    /// with its prefix, otherwise as written.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// Returns every chain that the form fits, or the one that the CAIP-10 prefix or a list's
    /// ticker selects. Never empty.
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// Returns true if the form is valid on `chain`. Any EVM chain fits an EVM form; any
    /// Cosmos-style chain fits an account with an unknown prefix. An unknown chain fits verbatim
    /// addresses only.
    pub fn fits(&self, chain: &Chain) -> bool {
        self.chains.iter().any(|fitting| match (fitting, chain) {
            (Chain::AnyEvm, Chain::Evm(_)) | (Chain::Evm(_), Chain::AnyEvm) => true,
            (Chain::AnyCosmos, Chain::Cosmos(_)) | (Chain::Cosmos(_), Chain::AnyCosmos) => true,
            (fitting, chain) => fitting == chain,
        })
    }

    /// Returns the key ids that control the address, one look-up each. A Zcash unified address has
    /// one per receiver, a Cosmos-style account with either kind of key has two. An all-zero key
    /// yields none, because it matches nothing.
    pub fn key_ids(&self) -> &[KeyId] {
        self.keys.ids()
    }

    /// Returns the keys by which transfers know the address, one for each key id.
    #[inline]
    pub fn packed_keys(&self) -> impl Iterator<Item = PackedKey> {
        self.keys.packed()
    }

    /// Returns the key ids under which a listing of the address is indexed: its own and those of
    /// nested outputs ([`KeyId::nested`]), each once.
    pub fn listing_key_ids(&self) -> Vec<KeyId> {
        let mut keys = self.key_ids().to_vec();
        keys.extend(self.nested_key_ids());
        keys
    }

    /// Returns the script hashes of the nested segwit outputs that its owner also controls. A
    /// screened key is looked up under them too: a list may name the nested `3...` address only.
    pub fn nested_key_ids(&self) -> Vec<KeyId> {
        self.keys.nested()
    }

    /// Returns the same key written for other encodings and chains, for display. Each form parses
    /// to an address that shares a key id with [`Address::listing_key_ids`]. Main networks only;
    /// empty if the key has no other form.
    pub fn other_forms(&self) -> Vec<(Chain, Encoding, String)> {
        forms::others(self)
    }

    /// Returns the chain that the address was written with (CAIP-10), whether or not its form fits
    /// it.
    pub fn written_chain(&self) -> Option<&Chain> {
        self.written_chain.as_ref()
    }

    /// Returns true for a null, burn, precompile or system address. Funds sent there are lost, and
    /// funds from there are newly issued.
    pub fn is_uncontrolled(&self) -> bool {
        uncontrolled::why(self).is_some()
    }

    /// The destination tag of an XRP X-address, if present.
    pub fn tag(&self) -> Option<u32> {
        self.tag
    }

    /// The payment id of an integrated Monero address.
    pub fn payment_id(&self) -> Option<[u8; 8]> {
        self.payment_id
    }

    #[inline]
    fn new(
        canonical: impl Into<Cow<'a, str>>,
        encoding: Encoding,
        checksum: Checksum,
        chains: &'static [Chain],
        key: KeyId,
    ) -> Self {
        Self {
            canonical: canonical.into(),
            encoding,
            checksum,
            chains: Cow::Borrowed(chains),
            keys: Keys::one(key),
            written_chain: None,
            tag: None,
            payment_id: None,
        }
    }

    fn with_keys(mut self, keys: Vec<KeyId>) -> Self {
        self.keys = Keys::several(keys);
        self
    }

    fn into_owned<'b>(self) -> Address<'b> {
        Address { canonical: Cow::Owned(self.canonical.into_owned()), ..self }
    }

    fn verbatim(input: &'a str, chain: &Chain) -> Self {
        let key = KeyId::Verbatim(input.into());
        let mut address = Self::new(input, Encoding::Verbatim, Checksum::Absent, &[], key);
        address.chains = Cow::Owned(vec![chain.clone()]);
        address
    }

    /// Narrows the chains to `chain` if the form fits it.
    fn narrow(&mut self, chain: &Chain) {
        if self.fits(chain) && !matches!(chain, Chain::AnyEvm | Chain::AnyCosmos) {
            self.chains = Cow::Owned(vec![chain.clone()]);
        }
    }
}

/// Rejects empty, too long or non-visible-ASCII input. `cut` bytes were trimmed before `input`.
fn check_text(input: &str, cut: usize) -> Result<(), AddressError> {
    if input.is_empty() {
        return Err(AddressError::Empty);
    }
    if input.len() > MAX_ADDRESS {
        return Err(AddressError::TooLong(input.len()));
    }
    match input.char_indices().find(|(_, found)| !found.is_ascii_graphic()) {
        Some((position, found)) => Err(AddressError::NotAscii { position: position + cut, found }),
        None => Ok(()),
    }
}

/// Splits `namespace:reference:address` (CAIP-10). A single colon is a CashAddr prefix.
fn split_caip10(input: &str) -> Option<(Chain, &str)> {
    let (namespace, rest) = input.split_once(':')?;
    let (reference, address) = rest.split_once(':')?;
    let id = input.get(..namespace.len() + 1 + reference.len())?;
    Some((id.parse().ok()?, address))
}

/// Returns true if the ticker belongs to an unknown chain. Tokens that exist on several known
/// chains do not: a form that fits none of them is an error in the list.
fn is_unknown_ticker(ticker: &str) -> bool {
    let mut tokens = chain::STABLECOINS.iter().chain(&["wbtc", "weth", "omni"]);
    chain::is_reference(ticker) && !tokens.any(|token| token.eq_ignore_ascii_case(ticker))
}

/// Parses visible-ASCII `input`. The hint decides only if no form fits on its own: it allows any
/// base58 of 32 bytes for Solana, and any text for an unknown chain.
fn parse_form<'a>(
    input: &'a str,
    chain_hint: Option<&Chain>,
) -> Result<Address<'a>, EncodingError> {
    match (parse_known_form(input, chain_hint), chain_hint) {
        (Err(_), Some(Chain::Other(_))) if split_caip10(input).is_some() => {
            Err(EncodingError::SecondChain)
        }
        (Err(_), Some(chain @ Chain::Other(_))) if !input.is_empty() => {
            Ok(Address::verbatim(input, chain))
        }
        (understood, _) => understood,
    }
}

/// The same, without the verbatim fallback.
fn parse_known_form<'a>(
    input: &'a str,
    chain_hint: Option<&Chain>,
) -> Result<Address<'a>, EncodingError> {
    try_families(input).or_else(|encoding_error| match chain_hint {
        Some(Chain::Solana) => solana::parse_hinted(input).ok_or(encoding_error),
        _ => Err(encoding_error),
    })
}

/// Outcome of one family of encodings: an address, `None` if the input lacks the family's shape, or
/// an error if it has the shape and is wrong.
type ParseAttempt<'a> = Result<Option<Address<'a>>, EncodingError>;

/// Tries every family. At most one accepts an input, since alphabets, lengths or checksums differ,
/// so the order affects only speed and which error is reported. Base58 is nearly always mixed case,
/// bech32 never.
fn try_families(input: &str) -> Result<Address<'_>, EncodingError> {
    let mut trials: [fn(&str) -> ParseAttempt<'_>; 7] = [
        base58::parse,
        bech32_forms::parse,
        evm::parse,
        cashaddr::parse,
        monero::parse,
        tron::parse_hex,
        xrp::parse,
    ];
    match (input.starts_with("0x"), bech32::cases(input)) {
        (true, _) => trials.swap(0, 2),
        // No known base58 form of the same length begins like an XRP account.
        (_, (true, true)) if input.starts_with('r') => trials.swap(0, 6),
        (_, (true, true)) => {}
        _ => trials.swap(0, 1),
    }
    let mut nearest = None;
    for trial in trials {
        match trial(input) {
            Ok(Some(address)) => return Ok(address),
            Ok(None) => {}
            Err(encoding_error) => nearest = nearest.or(Some(encoding_error)),
        }
    }
    Err(nearest.unwrap_or(EncodingError::NoShape))
}
