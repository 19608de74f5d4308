//! Reads addresses as people write them: after invisible characters, in quotes, in URIs, in URLs of
//! explorers, several in one cell. List rows and queries share this reader.
//!
//! An address that [`Address::parse`] accepts is never read in another way. For any other text the
//! reader reports what it removed ([`Normalization`]). A reading needs a checksum, or `0x` and 40
//! hex digits; otherwise the text is a fault. A query with a fault is INCOMPLETE, a list row with
//! one is quarantined, and the addresses in such a text are kept as suspects.

mod clues;
mod confusables;
mod normalization;
mod spelling;
mod text;
mod uri;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::borrow::Cow;

pub use normalization::Normalization;

use super::{
    Address, AddressError, Checksum, Encoding, EncodingError, MAX_ADDRESS, check_text, evm,
    parse_form, parse_known_form, split_caip10, uncontrolled,
};
use crate::domain::chain::Chain;

/// The longest cell of a list that is read, in bytes; later addresses are not searched.
pub const MAX_LISTED: usize = 64 * 1024;

/// The maximum number of addresses read from one text: more than a cell of [`MAX_LISTED`] can hold.
const MAX_ADDRESSES: usize = 4_000;

/// The addresses found in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading<'a> {
    /// The first address, if any was found.
    pub first: Option<Address<'a>>,
    /// Further addresses, each once, in the order of the text.
    pub others: Vec<Address<'a>>,
    /// What was removed or rewritten to find them.
    pub normalizations: Vec<Normalization>,
    /// Addresses in a text with a fault: likely, but not certain.
    pub suspects: Vec<Address<'a>>,
    /// Null, burn and system addresses, left out of a list row.
    pub uncontrolled: Vec<Address<'a>>,
    /// Why the text, or a part of it, was not parsed.
    pub fault: Option<AddressError>,
}

impl<'a> Reading<'a> {
    /// Reads the address of a query. `chain` is a hint, as for [`Address::parse`].
    #[inline]
    pub fn from_query(input: &'a str, chain: Option<&Chain>) -> Self {
        let text = input.trim_ascii();
        if let Some(address) = evm::parse_lower_case(text) {
            return Self { first: Some(address), ..Self::default() };
        }
        Self::from_noncanonical_query(input, text, chain)
    }

    fn from_noncanonical_query(input: &'a str, text: &'a str, chain: Option<&Chain>) -> Self {
        if let Some(address) = clean(text, chain) {
            return Self { first: Some(address), ..Self::default() };
        }
        if input.len() > MAX_ADDRESS {
            return Self { fault: Some(AddressError::TooLong(input.len())), ..Self::default() };
        }
        text::read(input, chain)
    }

    /// Reads the address cell of a list row.
    ///
    /// The ticker, or a CAIP-2 id in its place, is a hint. If its chain fits an address,
    /// [`Address::chains`] is narrowed to that chain; otherwise all chains of the form remain. An
    /// unknown form is taken verbatim if the ticker is unknown too (on `ticker:<ticker>`) or names
    /// an unknown chain.
    pub fn from_list_cell(input: &'a str, ticker: &str) -> Self {
        let hint = match Chain::from_ticker(ticker) {
            None if super::is_unknown_ticker(ticker) => {
                Some(Chain::Other(format!("ticker:{ticker}").into()))
            }
            hint => hint,
        };
        let mut reading = match clean(input.trim_ascii(), hint.as_ref()) {
            Some(address) => Self { first: Some(address), ..Self::default() },
            None if input.len() > MAX_LISTED => {
                let mut end = MAX_LISTED;
                while !input.is_char_boundary(end) {
                    end -= 1;
                }
                let suspects = text::certain(&input[..end]);
                let fault = Some(AddressError::TooLong(input.len()));
                Self { suspects, fault, ..Self::default() }
            }
            None => text::read(input, hint.as_ref()),
        };
        reading.leave_out_uncontrolled();
        for address in reading.first.iter_mut().chain(&mut reading.others) {
            if ticker.eq_ignore_ascii_case("BNB") {
                // The only ticker of two chains whose forms differ.
                address.narrow(&Chain::BnbBeacon);
            }
            if let Some(chain) = hint.as_ref().filter(|_| address.written_chain.is_none()) {
                address.narrow(chain);
            }
        }
        reading
    }

    /// Returns the only address of the text. Fails if the text has a fault, or not exactly one
    /// address.
    pub fn into_single(self) -> Result<Address<'a>, AddressError> {
        match (self.fault, self.first, self.others.len()) {
            (Some(fault), ..) => Err(fault),
            (None, None, _) => Err(AddressError::Empty),
            (None, Some(address), 0) => Ok(address),
            (None, Some(_), others) => Err(AddressError::Several(others + 1)),
        }
    }

    /// Returns true if the whole text was parsed and holds an address.
    pub fn is_understood(&self) -> bool {
        self.fault.is_none() && self.first.is_some()
    }

    /// All addresses that were found.
    pub fn addresses(&self) -> impl Iterator<Item = &Address<'a>> {
        self.first.iter().chain(&self.others)
    }

    fn leave_out_uncontrolled(&mut self) {
        self.suspects.retain(|address| uncontrolled::why(address).is_none());
        let Some(why) = self.addresses().find_map(uncontrolled::why) else { return };
        let all = self.first.take().into_iter().chain(std::mem::take(&mut self.others));
        let (uncontrolled, mut kept): (Vec<_>, Vec<_>) = all.partition(Address::is_uncontrolled);
        self.uncontrolled = uncontrolled;
        if !kept.is_empty() {
            self.others = kept.split_off(1);
        }
        self.first = kept.pop();
        self.fault.get_or_insert(AddressError::Uncontrolled(why));
    }
}

/// Parses the text as [`Address::parse`] does, except that it takes no text verbatim:
/// normalizations come before that fallback.
fn clean<'a>(text: &'a str, chain_hint: Option<&Chain>) -> Option<Address<'a>> {
    if let Some(address) = evm::parse_lower_case(text) {
        return Some(address);
    }
    check_text(text, 0).ok()?;
    if let Some((chain, rest)) = split_caip10(text).filter(|(chain, _)| !is_did(chain)) {
        let mut address = parse_form(rest, Some(&chain)).ok()?;
        if address.encoding() == Encoding::Verbatim && !text::certain(rest).is_empty() {
            return None;
        }
        address.narrow(&chain);
        address.written_chain = Some(chain);
        return Some(address);
    }
    parse_known_form(text, chain_hint).ok()
}

/// Returns true if the apparent chain is the beginning of a decentralized identifier.
fn is_did(chain: &Chain) -> bool {
    matches!(chain, Chain::Other(id) if id.to_ascii_lowercase().starts_with("did:"))
}

/// Returns true if a reading of part of a text is confirmed by a correct checksum, or by `0x` and
/// 40 hex digits.
fn is_certain(address: &Address<'_>) -> bool {
    address.checksum() == Checksum::Verified || address.encoding() == Encoding::Evm
}

/// Returns the text to compare by: without blanks and invisible characters around and inside, and
/// without quotes and brackets around.
pub fn comparison_text(text: &str) -> Cow<'_, str> {
    normalization::comparison_text(text)
}

/// Returns a quarantined text and its address-length words, as far as they have no upper-case
/// letter: base58 does not survive lower-casing.
pub fn lower_case_variants(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(move |word| (25..=128).contains(&word.len()) && *word != text);
    let is_lower = |text: &&str| !text.bytes().any(|byte| byte.is_ascii_uppercase());
    std::iter::once(text).chain(words).filter(is_lower)
}
