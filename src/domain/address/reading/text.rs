//! Finds addresses in a text: the text as a whole in its dress, then its words.

use super::uri::{self, Uri};
use super::{
    Address, AddressError, Dress, MAX_ADDRESSES, Misfit, Reading, bare, check_text, clean,
    confusables, dress, is_certain, spelling, understand_known,
};
use crate::domain::address::bech32;
use crate::domain::chain::Chain;

/// The shortest word that may be an address.
const MIN_WORD: usize = 20;

/// The most words of a text in which look-alikes are tried, and the longest of these, in characters.
const MAX_FOLDED: (usize, usize) = (32, 128);

/// Reads a text that is no address letter for letter.
pub(super) fn read(input: &str, wish: Option<&Chain>) -> Reading<'static> {
    let bared = dress::strip(input);
    let mut found = Found { dress: bared.dress, ..Found::default() };
    found.whole(&bared.text, wish, bared.is_joined);
    if found.is_empty() && found.fault.is_none() {
        found.words(&bared.text);
    }
    if found.is_empty() {
        found.joined(&bared.text);
    }
    if found.is_empty()
        && found.fault != Some(Misfit::PrivateKey.into())
        && let Some(chain @ Chain::Other(_)) = wish
        && let text = bare(input)
        && check_text(&text, 0).is_ok()
    {
        found.fault = None;
        found.addresses.push(Address::verbatim(&text, chain).into_owned());
    }
    if found.is_empty() && found.fault.is_none() {
        found.fault = Some(why_not(input, &bared.text));
    }
    found.into_reading()
}

/// The addresses in a text that their checksum, or `0x` and 40 hex digits, bears out.
pub(super) fn certain(text: &str) -> Vec<Address<'static>> {
    let mut found = Found::default();
    let runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    for run in runs.filter(|run| run.len() >= MIN_WORD) {
        if let Some(address) = understand_known(run, None).ok().filter(is_certain) {
            found.add(address.into_owned());
        }
    }
    found.addresses
}

/// Why a text holds no address.
fn why_not(input: &str, bared: &str) -> AddressError {
    let text = input.trim_ascii();
    if text.chars().all(|c| dress::is_blank(c) || dress::is_ignorable(c)) {
        return AddressError::Empty;
    }
    let cut = input.len() - input.trim_ascii_start().len();
    if let Some((at, found)) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
        return AddressError::NotAscii { position: cut + at, found };
    }
    understand_known(bared, None).err().unwrap_or(Misfit::NoShape).into()
}

/// What has been found so far.
#[derive(Default)]
struct Found {
    addresses: Vec<Address<'static>>,
    dress: Vec<Dress>,
    suspects: Vec<Address<'static>>,
    fault: Option<AddressError>,
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
            dress: self.dress,
            suspects: self.suspects,
            nobodys: Vec::new(),
            fault: self.fault,
        }
    }

    /// Reads the whole text as one address. Where invisible characters were taken out of its middle
    /// (`is_joined`), only what is borne out counts.
    fn whole(&mut self, text: &str, wish: Option<&Chain>, is_joined: bool) {
        let is_taken = |address: &Address<'_>| !is_joined || is_certain(address);
        match uri::read(text, wish) {
            Uri::Found { addresses, dress, contract } if addresses.iter().all(is_taken) => {
                self.addresses = addresses;
                self.dress.push(dress);
                self.add_suspects(text, contract.as_ref());
                return;
            }
            Uri::Refused(misfit) => {
                self.fault = Some(misfit.into());
                self.suspects = certain(text);
                return;
            }
            Uri::Found { .. } | Uri::No => {}
        }
        if let Some(address) = clean(text, wish).filter(is_taken) {
            self.addresses.push(address.into_owned());
        } else if let Some((address, dress)) = spelling::read(text).filter(|(a, _)| is_taken(a)) {
            self.addresses.push(address);
            self.dress.push(dress);
        } else if let Some(head) = before_note(text) {
            if let Some(address) = clean(head, wish).filter(is_taken) {
                self.addresses.push(address.into_owned());
            } else if let Some((address, dress)) = spelling::read(head) {
                self.addresses.push(address);
                self.dress.push(dress);
            } else {
                return;
            }
            self.dress.push(Dress::Text);
            let note = &text[head.len()..];
            if certain(note).iter().any(|other| !self.has(other)) || !doubts(note).is_empty() {
                // The note names another address: its words are read one by one.
                self.addresses.clear();
                self.dress.clear();
            }
        }
    }

    /// Addresses that a URI names beside the one that was read, and beside its token.
    fn add_suspects(&mut self, text: &str, contract: Option<&Address<'_>>) {
        let is_contract =
            |other: &Address<'_>| contract.is_some_and(|c| c.canonical() == other.canonical());
        let others = certain(text).into_iter().filter(|it| !self.has(it) && !is_contract(it));
        self.suspects = others.collect();
        if !self.suspects.is_empty() {
            self.fault = Some(Misfit::UriAddresses.into());
        }
    }

    fn has(&self, other: &Address<'_>) -> bool {
        let shares =
            |known: &Address<'_>| known.key_ids().iter().any(|key| other.key_ids().contains(key));
        self.addresses.iter().any(shares)
    }

    /// Reads a text word by word. Where all words are addresses, each counts; else only what is borne
    /// out does, and a word that looks like another address is a fault.
    fn words(&mut self, text: &str) {
        let words: Vec<String> = text
            .split(|c: char| dress::is_blank(c) || ",;|".contains(c))
            .map(|word| dress::strip(word).text)
            .filter(|word| !word.is_empty())
            .collect();
        let alone: Option<Vec<_>> = words.iter().map(|word| clean(word, None)).collect();
        if let Some(addresses) = alone.filter(|_| words.len() > 1) {
            addresses.into_iter().for_each(|address| self.add(address.into_owned()));
            return;
        }
        let mut folded = 0;
        for word in &words {
            self.word(word, &mut folded);
        }
        if !self.addresses.is_empty() {
            self.dress.push(Dress::Text);
        }
    }

    fn word(&mut self, word: &str, folded: &mut usize) {
        match uri::read(word, None) {
            Uri::Found { addresses, dress, contract } if addresses.iter().all(is_certain) => {
                let known = self.addresses.len();
                addresses.into_iter().for_each(|address| self.add(address));
                self.dress.push(dress);
                let is_told = |other: &Address<'_>| {
                    contract.as_ref().is_some_and(|it| it.canonical() == other.canonical())
                };
                let others: Vec<_> = certain(word).into_iter().filter(|it| !is_told(it)).collect();
                if others.iter().any(|other| !self.has(other)) && known <= self.addresses.len() {
                    self.doubt(Misfit::UriAddresses);
                    others.into_iter().for_each(|other| add(&mut self.suspects, other));
                }
                return;
            }
            Uri::Refused(misfit) => {
                self.doubt(misfit);
                certain(word).into_iter().for_each(|it| add(&mut self.suspects, it));
                return;
            }
            Uri::Found { .. } | Uri::No => {}
        }
        if let Some(place) = uri::url_within(word) {
            self.word(&word[..place], folded);
            self.word(&word[place..], folded);
            return;
        }
        if !word.is_ascii() && self.folded(word, folded) {
            return;
        }
        certain(word).into_iter().for_each(|address| self.add(address));
        if let Some(misfit) = doubts(word).first() {
            self.doubt(*misfit);
        }
    }

    /// Tries what a word passes itself off as.
    fn folded(&mut self, word: &str, tried: &mut usize) -> bool {
        let (most, longest) = MAX_FOLDED;
        let pieces = word.split(|c: char| !c.is_alphanumeric());
        let mut is_found = false;
        for piece in pieces.filter(|piece| !piece.is_ascii() && piece.chars().count() <= longest) {
            *tried += 1;
            if *tried > most {
                break;
            }
            let suspects = confusables::read(piece);
            if suspects.is_empty() {
                continue;
            }
            is_found = true;
            suspects.into_iter().for_each(|suspect| add(&mut self.suspects, suspect));
            let mut alike: Vec<char> = piece.chars().filter(|c| !c.is_ascii()).collect();
            alike.dedup();
            let alike: Vec<String> = alike.into_iter().take(8).map(dress::code_point).collect();
            self.fault.get_or_insert(AddressError::LookAlike { found: alike.join(", ") });
        }
        is_found
    }

    /// Reads a text whose blanks stand inside one address, as a line break may.
    fn joined(&mut self, text: &str) {
        if !text.contains(dress::is_blank) {
            return;
        }
        let joined: String = text.chars().filter(|c| !dress::is_blank(*c)).collect();
        if let Some(address) = clean(&joined, None).filter(is_certain) {
            self.addresses.push(address.into_owned());
            self.dress.push(Dress::BlanksInside);
            self.fault = None;
        }
    }

    fn doubt(&mut self, misfit: Misfit) {
        self.fault.get_or_insert(misfit.into());
    }
}

fn add(known: &mut Vec<Address<'static>>, address: Address<'static>) {
    let is_new = known.iter().all(|known| known.canonical() != address.canonical());
    if is_new && known.len() < MAX_ADDRESSES {
        known.push(address);
    }
}

/// What stands before a note: `address (BTC)`, `address # cold wallet`.
fn before_note(text: &str) -> Option<&str> {
    let end = text.find(|c: char| dress::is_blank(c) || "([{<#".contains(c))?;
    let (head, rest) = text.split_at(end);
    let rest = rest.trim_start_matches(dress::is_blank);
    let is_note = rest.starts_with(['(', '[', '{', '<', '#']) || rest.starts_with("//");
    (is_note && !head.is_empty()).then_some(head)
}

/// What is wrong with the words of a text that look like addresses and are not understood, or not
/// borne out.
fn doubts(text: &str) -> Vec<Misfit> {
    let runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    runs.filter(|run| run.len() >= MIN_WORD).filter_map(doubt).collect()
}

fn doubt(run: &str) -> Option<Misfit> {
    let digits = run.strip_prefix("0x").or_else(|| run.strip_prefix("0X")).unwrap_or(run);
    if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        // Hashes, UUIDs and numbers have other lengths.
        let is_near = (38..=42).contains(&digits.len());
        return understand_known(run, None).err().filter(|_| is_near).or_else(|| {
            // 41 and 40 digits: a TRON account, or not.
            (digits.len() == 42).then_some(Misfit::NoChecksum)
        });
    }
    match understand_known(run, None) {
        Ok(address) => (!is_certain(&address)).then_some(Misfit::NoChecksum),
        Err(Misfit::NoShape) => None,
        Err(Misfit::EvmLength(digits)) => {
            (38..=42).contains(&digits).then_some(Misfit::EvmLength(digits))
        }
        Err(misfit @ (Misfit::Bech32Checksum | Misfit::Bech32Character(_))) => {
            bech32::has_known_prefix(run).then_some(misfit)
        }
        Err(misfit) => Some(misfit),
    }
}
