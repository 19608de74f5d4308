//! Reads addresses as people write them: behind invisible characters, in quotes, in URIs, in URLs of
//! explorers, several in one cell. One reader for rows of lists and for questions.
//!
//! An address that [`Address::parse`] understands as it stands is never read otherwise. Of anything
//! else the reader says what it took off ([`Normalization`]). Where a checksum, or `0x` and 40 hex digits,
//! does not bear a reading out, the text is a fault: a question is then INCOMPLETE, a row of a list
//! goes to quarantine, and the addresses that such a text holds are kept as suspects.

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

/// The longest cell of a list that is read, in bytes; addresses further on are not looked for.
pub const MAX_LISTED: usize = 64 * 1024;

/// The most addresses that one text is read for: more than a cell of [`MAX_LISTED`] can hold.
const MAX_ADDRESSES: usize = 4_000;

/// What a text was understood to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading<'a> {
    /// The first address; `None` where none was understood.
    pub first: Option<Address<'a>>,
    /// Further ones, each once, in the order of the text.
    pub others: Vec<Address<'a>>,
    /// What was taken off to find them.
    pub normalizations: Vec<Normalization>,
    /// Addresses in a text with a fault, which are likely meant and are not surely so.
    pub suspects: Vec<Address<'a>>,
    /// Addresses that nobody controls, left out of a row of a list.
    pub uncontrolled: Vec<Address<'a>>,
    /// Why the text, or a part of it, was not understood.
    pub fault: Option<AddressError>,
}

impl<'a> Reading<'a> {
    /// Reads a question. `chain` is a chain_hint, as for [`Address::parse`].
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

    /// Reads the address cell of a list's row.
    ///
    /// The ticker, or a CAIP-2 id in its place, is a hint: if the chain that it names fits an address,
    /// [`Address::chains`] is narrowed to that chain; if not, all chains of the form stand. An
    /// unknown form is taken verbatim where the ticker is unknown too (on `ticker:<ticker>`) or
    /// names a chain that we do not know.
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
                // The one ticker of two chains that we know by form.
                address.narrow(&Chain::BnbBeacon);
            }
            if let Some(chain) = hint.as_ref().filter(|_| address.written_chain.is_none()) {
                address.narrow(chain);
            }
        }
        reading
    }

    /// The one address of a text that is understood whole.
    pub fn into_single(self) -> Result<Address<'a>, AddressError> {
        match (self.fault, self.first, self.others.len()) {
            (Some(fault), ..) => Err(fault),
            (None, None, _) => Err(AddressError::Empty),
            (None, Some(address), 0) => Ok(address),
            (None, Some(_), others) => Err(AddressError::Several(others + 1)),
        }
    }

    /// Whether the whole text was understood, and holds an address.
    pub fn is_understood(&self) -> bool {
        self.fault.is_none() && self.first.is_some()
    }

    /// Every address that was understood.
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

/// The text as [`Address::parse`] understands it, unless that is letter for letter: then what it is
/// dressed in has to come off first.
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

/// Whether what looks like a chain is the beginning of a decentralized identifier.
fn is_did(chain: &Chain) -> bool {
    matches!(chain, Chain::Other(id) if id.to_ascii_lowercase().starts_with("did:"))
}

/// Whether a reading of some of a text is borne out: by a right checksum, or by `0x` and 40 hex
/// digits.
fn is_certain(address: &Address<'_>) -> bool {
    address.checksum() == Checksum::Verified || address.encoding() == Encoding::Evm
}

/// The same text as a person would compare it by: without blanks and invisible characters around and
/// within, and without quotes and brackets around.
pub fn comparison_text(text: &str) -> Cow<'_, str> {
    normalization::comparison_text(text)
}

/// A quarantined text, and its words of the length of an address, as far as they have no upper-case
/// letter: base58 does not survive lower case.
pub fn lower_case_variants(bare: &str) -> impl Iterator<Item = &str> {
    let words = bare.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(move |word| (25..=128).contains(&word.len()) && *word != bare);
    let is_lower = |text: &&str| !text.bytes().any(|byte| byte.is_ascii_uppercase());
    std::iter::once(bare).chain(words).filter(is_lower)
}
