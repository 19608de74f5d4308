//! Addresses: one parser, one canonical form, the chains that the form fits and the key ids that
//! control it. Each family of encodings has its file below. Does no look-up and no scoring.
//!
//! A form is told by its own rules (alphabet, length, version, checksum), never by a ticker.

mod base58;
mod bech32;
mod cashaddr;
mod cosmos;
mod encoding;
mod encoding_error;
mod evm;
mod forms;
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

pub use encoding::Encoding;
pub use encoding_error::EncodingError;
pub use reading::{Normalization, Reading};

/// The longest input that is looked at, in bytes. The longest known form, a Zcash unified address
/// with unknown receivers, has about 500.
pub const MAX_ADDRESS: usize = 1024;

/// What the address's own checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Present and right.
    Verified,
    /// The form carries none (lower-case or upper-case EVM, 41-hex TRON, Solana, verbatim): a
    /// typing error is not detectable.
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
    keys: Keys,
    written_chain: Option<Chain>,
    tag: Option<u32>,
    payment_id: Option<[u8; 8]>,
}

/// The key ids of an address: nearly always one, which then needs no heap.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys {
    None,
    One(KeyId),
    Many(Vec<KeyId>),
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
    /// Not a visible ASCII character: white space inside, a zero-width character, a homoglyph.
    #[error("character {found:?} at byte {position} is not visible ASCII")]
    NotAscii {
        /// Byte offset in the input as given, before any trimming.
        position: usize,
        /// The character.
        found: char,
    },
    /// Fits no known form; says why for the form it comes nearest to.
    #[error("no known address form fits: {0}")]
    NotUnderstood(#[from] EncodingError),
    /// Characters that look like those of an address and are others (Unicode TS 39).
    #[error(
        "{found} only looks like a character of an address: the text may pass itself off as one"
    )]
    LookAlike {
        /// Their code points, in the order of the text.
        found: String,
    },
    /// More than one address where one is wanted.
    #[error("the text holds {0} addresses, and one is wanted")]
    Several(usize),
    /// Null, burn or precompile address: not an address that anybody controls. Only on a list
    /// ([`Reading::from_list_cell`]).
    #[error("{0}")]
    Uncontrolled(&'static str),
}

impl AddressError {
    /// Whether it is no question at all; another string that is not understood has an answer.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Empty | Self::TooLong(_) | Self::NotAscii { .. })
    }
}

/// The key ids of known burn and system addresses, for tables of keys; [`is_system_key`] tells the
/// rest of the EVM ones.
pub fn uncontrolled_keys() -> Vec<KeyId> {
    uncontrolled::BY_TEXT
        .iter()
        .filter_map(|(text, _)| Address::parse(text, None).ok())
        .flat_map(|address| address.key_ids().to_vec())
        .collect()
}

/// Whether the key is that of an EVM precompile, system contract or predeploy, or of 0x...dEaD.
pub fn is_system_key(key: &KeyId) -> bool {
    uncontrolled::system_account(key).is_some()
}

impl<'a> Address<'a> {
    /// Understands `input` as it stands; [`Reading`] takes off what people put around it.
    ///
    /// `chain` is a chain_hint: a form that is understood is returned with all the chains that it fits,
    /// whether or not the chain_hint is among them ([`Address::fits`] tells). A form that is not
    /// understood is taken verbatim where the chain_hint is a chain that we do not know
    /// ([`Chain::Other`]), and refused otherwise. An address written with its chain (CAIP-10:
    /// `eip155:1:0xabc...`) gives the chain by itself, and [`Address::chains`] is narrowed to it if
    /// the form fits.
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

    /// The one way of writing it: lower-case hex for EVM, base58 for TRON, lower-case bech32,
    /// CashAddr with its prefix, otherwise as written.
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

    /// Every chain that the form fits, unless the address is written with its chain or a list's
    /// ticker tells it; never empty.
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// Whether the form can stand on `chain`. Any EVM chain fits an EVM form, any Cosmos-style chain
    /// an account with a prefix that we do not know. A chain that we do not know fits verbatim
    /// addresses only.
    pub fn fits(&self, chain: &Chain) -> bool {
        self.chains.iter().any(|fitting| match (fitting, chain) {
            (Chain::AnyEvm, Chain::Evm(_)) | (Chain::Evm(_), Chain::AnyEvm) => true,
            (Chain::AnyCosmos, Chain::Cosmos(_)) | (Chain::Cosmos(_), Chain::AnyCosmos) => true,
            (fitting, chain) => fitting == chain,
        })
    }

    /// The key ids that control it, one look-up each: several for a Zcash unified address (one a
    /// receiver) and for a Cosmos-style account that may be of either kind of key; none for an
    /// all-zero key, which matches nothing.
    pub fn key_ids(&self) -> &[KeyId] {
        match &self.keys {
            Keys::None => &[],
            Keys::One(key) => std::slice::from_ref(key),
            Keys::Many(keys) => keys,
        }
    }

    /// The key ids under which a listing of it is indexed: its own and those that its owner surely
    /// controls too, each once.
    ///
    /// [`KeyId::nested`] gives the others.
    pub fn listing_key_ids(&self) -> Vec<KeyId> {
        let mut keys = self.key_ids().to_vec();
        keys.extend(self.nested_key_ids());
        keys
    }

    /// The script hashes of the nested segwit outputs that its owner surely controls
    /// ([`Address::listing_key_ids`]). A screened key is looked up under them too: a list may name
    /// the nested `3...` alone.
    pub fn nested_key_ids(&self) -> Vec<KeyId> {
        self.key_ids().iter().filter_map(KeyId::nested).collect()
    }

    /// Its other forms: the same key written for other encodings and chains, for people. Each form
    /// parses to an address that shares a key id with [`Address::listing_key_ids`]. Main networks
    /// only; empty where the key has no other form.
    pub fn other_forms(&self) -> Vec<(Chain, Encoding, String)> {
        forms::others(self)
    }

    /// The chain that the address was written with (CAIP-10), whether or not its form fits it.
    pub fn written_chain(&self) -> Option<&Chain> {
        self.written_chain.as_ref()
    }

    /// Whether nobody controls it: a null, burn, precompile or system address. What is sent there
    /// goes to uncontrolled, and what comes from there is new.
    pub fn is_uncontrolled(&self) -> bool {
        uncontrolled::why(self).is_some()
    }

    /// The destination tag of an XRP X-address, where it carries one.
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
            keys: if key.is_null() { Keys::None } else { Keys::One(key) },
            written_chain: None,
            tag: None,
            payment_id: None,
        }
    }

    fn with_keys(mut self, keys: Vec<KeyId>) -> Self {
        let mut keys: Vec<KeyId> = keys.into_iter().filter(|key| !key.is_null()).collect();
        self.keys = match (keys.pop(), keys.is_empty()) {
            (None, _) => Keys::None,
            (Some(key), true) => Keys::One(key),
            (Some(key), false) => {
                keys.push(key);
                Keys::Many(keys)
            }
        };
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

    /// Keeps `chain` alone if the form fits it.
    fn narrow(&mut self, chain: &Chain) {
        if self.fits(chain) && !matches!(chain, Chain::AnyEvm | Chain::AnyCosmos) {
            self.chains = Cow::Owned(vec![chain.clone()]);
        }
    }
}

/// Refuses what is empty, too long or not visible ASCII. `cut` bytes were trimmed before `input`.
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

/// Whether a ticker is of a chain that we do not know. Tokens that stand on several known chains are
/// not: a form that fits none of them is an error in the list.
fn is_unknown_ticker(ticker: &str) -> bool {
    let mut tokens = chain::STABLECOINS.iter().chain(&["wbtc", "weth", "omni"]);
    chain::is_reference(ticker) && !tokens.any(|token| token.eq_ignore_ascii_case(ticker))
}

/// The form of visible-ASCII `input`. A chain_hint decides only where no form fits by itself: it allows
/// every base58 of 32 bytes for Solana, and anything for a chain that we do not know.
fn parse_form<'a>(
    input: &'a str,
    chain_hint: Option<&Chain>,
) -> Result<Address<'a>, EncodingError> {
    match (parse_known_form(input, chain_hint), chain_hint) {
        (Err(_), Some(chain @ Chain::Other(_))) if !input.is_empty() => {
            Ok(Address::verbatim(input, chain))
        }
        (understood, _) => understood,
    }
}

/// The same, and nothing verbatim.
fn parse_known_form<'a>(
    input: &'a str,
    chain_hint: Option<&Chain>,
) -> Result<Address<'a>, EncodingError> {
    try_families(input).or_else(|encoding_error| match chain_hint {
        Some(Chain::Solana) => solana::parse_hinted(input).ok_or(encoding_error),
        _ => Err(encoding_error),
    })
}

/// What one family of encodings makes of an input: its address, `None` where the input has not the
/// family's shape, or why it is wrong for all that it has the shape.
type ParseAttempt<'a> = Result<Option<Address<'a>>, EncodingError>;

/// Tries every family. No two can both accept an input (their alphabets, lengths or checksums keep
/// them apart), so the order matters only for speed and for the reason that is given: base58 is
/// nearly always of mixed case, bech32 never.
fn try_families(input: &str) -> Result<Address<'_>, EncodingError> {
    let mut trials: [fn(&str) -> ParseAttempt<'_>; 7] = [
        base58::parse,
        bech32::parse,
        evm::parse,
        cashaddr::parse,
        monero::parse,
        tron::parse_hex,
        xrp::parse,
    ];
    match (input.starts_with("0x"), bech32::cases(input)) {
        (true, _) => trials.swap(0, 2),
        // What begins an XRP account begins no base58 form that we know of the same length.
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
