//! Finds addresses in a text: first as a whole with its decorations, then word by word.

use std::collections::BTreeSet;

use super::clues::{self, Clue};
use super::uri::{self, Uri};
use super::{
    Address, AddressError, Checksum, Encoding, EncodingError, MAX_ADDRESSES, Normalization,
    Reading, check_text, clean, comparison_text, is_certain, normalization, parse_known_form,
    spelling,
};
use crate::domain::chain::Chain;

/// The shortest part of an address that a line break may leave, in characters.
const MIN_PART: usize = 5;

/// Reads a text that is not exactly an address.
pub(super) fn read(input: &str, chain_hint: Option<&Chain>) -> Reading<'static> {
    let stripped = normalization::strip(input);
    let mut found = Found { normalizations: stripped.normalizations, ..Found::default() };
    found.whole(&stripped.text, chain_hint, stripped.is_joined);
    if found.is_empty() && found.fault.is_none() {
        found.words(&stripped.text, chain_hint);
        if stripped.is_joined {
            // An invisible character may separate words or split one.
            found.words(&normalization::parted(input), chain_hint);
        }
        if !found.addresses.is_empty() && found.has_other_words {
            found.normalizations.push(Normalization::Text);
        }
    }
    if found.is_empty()
        && found.fault != Some(EncodingError::PrivateKey.into())
        && let Some(chain @ Chain::Other(_)) = chain_hint
        && let text = comparison_text(input)
        && check_text(&text, 0).is_ok()
    {
        found.fault = None;
        found.addresses.push(Address::verbatim(&text, chain).into_owned());
    }
    if found.is_empty() && found.fault.is_none() {
        found.fault = Some(why_not(input, &stripped.text));
    }
    found.into_reading()
}

/// Returns the addresses in a text that a checksum, or `0x` and 40 hex digits, confirms.
pub(super) fn certain(text: &str) -> Vec<Address<'static>> {
    let mut found = Vec::new();
    for clue in clues::find(text) {
        if let Clue::Certain(address) = clue {
            add(&mut found, address);
        }
    }
    found
}

/// Explains why a text holds no address.
fn why_not(input: &str, stripped: &str) -> AddressError {
    let text = input.trim_ascii();
    if text.chars().all(|c| normalization::is_blank(c) || normalization::is_ignorable(c)) {
        return AddressError::Empty;
    }
    let cut = input.len() - input.trim_ascii_start().len();
    if let Some((at, found)) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
        return AddressError::NotAscii { position: cut + at, found };
    }
    parse_known_form(stripped, None).err().unwrap_or(EncodingError::NoShape).into()
}

/// Results collected so far.
#[derive(Default)]
struct Found {
    addresses: Vec<Address<'static>>,
    normalizations: Vec<Normalization>,
    suspects: Vec<Address<'static>>,
    fault: Option<AddressError>,
    has_other_words: bool,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.suspects.is_empty()
    }

    fn add(&mut self, address: Address<'static>) {
        add(&mut self.addresses, address);
    }

    fn into_reading(mut self) -> Reading<'static> {
        let others =
            if self.addresses.len() > 1 { self.addresses.split_off(1) } else { Vec::new() };
        Reading {
            first: self.addresses.pop(),
            others,
            normalizations: self.normalizations,
            suspects: self.suspects,
            uncontrolled: Vec::new(),
            fault: self.fault,
        }
    }

    /// Reads the whole text as one address. If invisible characters were removed from its middle
    /// (`is_joined`), only confirmed readings count.
    fn whole(&mut self, text: &str, chain_hint: Option<&Chain>, is_joined: bool) {
        let is_taken = |address: &Address<'_>| !is_joined || is_certain(address);
        match uri::read(text, chain_hint) {
            Uri::Found { addresses, normalization, contract } if addresses.iter().all(is_taken) => {
                self.addresses = addresses;
                self.normalizations.push(normalization);
                self.add_clues(text, contract.as_deref());
                return;
            }
            Uri::Refused(encoding_error) => {
                self.fault = Some(encoding_error.into());
                self.add_clues(text, None);
                return;
            }
            Uri::Found { .. } | Uri::NoMatch => {}
        }
        if let Some(address) = clean(text, chain_hint).filter(is_taken) {
            self.addresses.push(address.into_owned());
        } else if let Some((address, normalization)) =
            spelling::read(text).filter(|(a, _)| is_taken(a))
        {
            self.addresses.push(address);
            self.normalizations.push(normalization);
        } else if let Some(head) = before_note(text) {
            let clean = clean(head, chain_hint).filter(is_taken).map(|it| (it.into_owned(), None));
            let read = clean.or_else(|| {
                spelling::read(head).map(|(address, normalization)| (address, Some(normalization)))
            });
            // If the note mentions an address, its words are read one by one.
            if let Some((address, normalization)) = read.filter(|_| is_silent(&text[head.len()..]))
            {
                self.addresses.push(address);
                self.normalizations.extend(normalization);
                self.normalizations.push(Normalization::Text);
            }
        }
    }

    /// Collects addresses that a URI names besides its own and its token.
    fn add_clues(&mut self, text: &str, contract: Option<&Address<'_>>) {
        let text = uri::decoded(text);
        let is_known = |found: &Self, address: &Address<'_>| {
            found.has(address) || contract.is_some_and(|it| shares_key(it, address))
        };
        let mut further = clues::in_data(&text);
        for clue in clues::find(&text) {
            match clue {
                Clue::Certain(address) | Clue::Suspect(address, _) => further.push(address),
                Clue::Doubt(fault) => {
                    self.fault.get_or_insert(fault);
                }
            }
        }
        for address in further {
            if !is_known(self, &address) {
                self.doubt(EncodingError::UriAddresses);
                add(&mut self.suspects, address);
            }
        }
    }

    fn has(&self, other: &Address<'_>) -> bool {
        self.addresses.iter().any(|known| shares_key(known, other))
    }

    /// Reads a text word by word. If all words are addresses, each counts. Otherwise only confirmed
    /// ones do, and a word that looks like another address is a fault.
    fn words(&mut self, text: &str, chain_hint: Option<&Chain>) {
        let words: Vec<String> = text
            .split(|c: char| normalization::is_blank(c) || ",;|".contains(c))
            .map(|word| normalization::strip(word).text)
            .filter(|word| !word.is_empty())
            .collect();
        let alone: Vec<_> = words.iter().map(|word| clean(word, chain_hint)).collect();
        if words.len() > 1 && alone.iter().all(Option::is_some) {
            alone.into_iter().flatten().for_each(|address| self.add(address.into_owned()));
            return;
        }
        let spelt: Vec<_> = words.iter().map(|word| spelling::read(word)).collect();
        let are_addresses = words.len() > 1
            && alone.iter().zip(&spelt).all(|(alone, spelt)| alone.is_some() || spelt.is_some());
        for (word, spelt) in words.iter().zip(spelt) {
            self.word(word);
            if are_addresses && let Some((address, _)) = spelt {
                add(&mut self.suspects, address);
            }
        }
        let joined = self.parts(&words);
        let rest = words.iter().zip(&alone).enumerate();
        let rest = rest.filter(|(place, _)| !joined.contains(place)).map(|(_, word)| word);
        let rest: Vec<_> =
            rest.filter(|(word, _)| matches!(uri::read(word, None), Uri::NoMatch)).collect();
        self.has_other_words |= rest.iter().any(|(_, alone)| alone.is_none());
        let rest: Vec<&str> = rest.into_iter().map(|(word, _)| word.as_str()).collect();
        if !self.addresses.is_empty() && clues::has_odd_words(&rest.join(" ")) {
            self.doubt(EncodingError::Mistyped);
        }
    }

    fn word(&mut self, word: &str) {
        match uri::read(word, None) {
            Uri::Found { addresses, normalization, contract }
                if addresses.iter().all(is_certain) =>
            {
                addresses.into_iter().for_each(|address| self.add(address));
                self.normalizations.push(normalization);
                self.add_clues(word, contract.as_deref());
            }
            Uri::Refused(encoding_error) => {
                self.doubt(encoding_error);
                self.add_clues(word, None);
            }
            Uri::Found { .. } | Uri::NoMatch => match uri::url_within(word) {
                Some(place) => {
                    self.word(&word[..place]);
                    self.word(&word[place..]);
                }
                None => clues::find(word).into_iter().for_each(|clue| self.record(clue)),
            },
        }
    }

    fn record(&mut self, clue: Clue) {
        match clue {
            Clue::Certain(address) => self.add(address),
            Clue::Suspect(address, fault) => {
                add(&mut self.suspects, address);
                self.fault.get_or_insert(fault);
            }
            Clue::Doubt(fault) => {
                self.fault.get_or_insert(fault);
            }
        }
    }

    /// Joins neighbouring words, which a line break may have split. A joined address counts if its
    /// checksum confirms it, and is a suspect otherwise. Returns the indices of words that are
    /// parts.
    fn parts(&mut self, words: &[String]) -> BTreeSet<usize> {
        let mut joined_words = BTreeSet::new();
        for count in [2, 3, 4] {
            for (place, parts) in words.windows(count).enumerate() {
                let is_part = |part: &String| {
                    part.len() >= MIN_PART && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
                };
                if !parts.iter().all(is_part) {
                    continue;
                }
                let joined = parts.concat();
                match clean(&joined, None).map(Address::into_owned) {
                    Some(address) if address.checksum() == Checksum::Verified => {
                        // The doubtful word was a part of this address.
                        if self.is_empty() && words.len() == count {
                            self.fault = None;
                        }
                        joined_words.extend(place..place + count);
                        self.add(address);
                        self.normalizations.push(Normalization::BlanksInside);
                    }
                    Some(address) if address.encoding() == Encoding::Evm => {
                        self.doubt(EncodingError::NoChecksum);
                        add(&mut self.suspects, address);
                    }
                    Some(_) | None => {}
                }
            }
        }
        joined_words
    }

    fn doubt(&mut self, encoding_error: EncodingError) {
        self.fault.get_or_insert(encoding_error.into());
    }
}

fn shares_key(a: &Address<'_>, b: &Address<'_>) -> bool {
    a.key_ids().iter().any(|key| b.key_ids().contains(key))
}

fn add(known: &mut Vec<Address<'static>>, address: Address<'static>) {
    let is_new = known.iter().all(|known| known.canonical() != address.canonical());
    if is_new && known.len() < MAX_ADDRESSES {
        known.push(address);
    }
}

/// Returns true if a note mentions no address.
fn is_silent(note: &str) -> bool {
    let note = uri::decoded(note);
    clues::find(&note).is_empty()
        && !note.contains("://")
        && !clues::has_odd_words(&note)
        && clues::in_data(&note).is_empty()
}

/// Returns the text before a note: `address (BTC)`, `address # cold wallet`.
fn before_note(text: &str) -> Option<&str> {
    let end = text.find(|c: char| normalization::is_blank(c) || "([{<#".contains(c))?;
    let (head, rest) = text.split_at(end);
    let rest = rest.trim_start_matches(normalization::is_blank);
    let is_note = rest.starts_with(['(', '[', '{', '<', '#']) || rest.starts_with("//");
    (is_note && !head.is_empty()).then_some(head)
}
