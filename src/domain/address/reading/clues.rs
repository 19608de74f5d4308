//! What a text says of addresses beside the one that it was read as: further ones, words that likely
//! mean one, and words that look like one and are none. What looks like an address must not hide
//! beside another.

use super::{
    Address, AddressError, EncodingError, confusables, is_certain, normalization, parse_known_form,
    spelling,
};
use crate::domain::address::bech32;

/// The shortest word that may be an address.
const MIN_WORD: usize = 20;

/// The most words of a text in which look-alikes are tried, and the longest of these, in characters.
const MAX_FOLDED: (usize, usize) = (64, 128);

/// The most characters of a ticker or the like that is written without a blank beside an address.
const MAX_GLUED: usize = 5;

/// The most addresses that are looked for in the data of one call.
const MAX_IN_DATA: usize = 32;

/// So many characters of a word are ASCII before look-alikes in it are doubtful though they lead to
/// no address.
const MIN_MIXED: usize = 10;

/// Something that a text says of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clue {
    /// An address that its checksum, or `0x` and 40 hex digits, bears out.
    Certain(Address<'static>),
    /// A word that likely means an address, and why that is not sure.
    Suspect(Address<'static>, AddressError),
    /// A word that looks like an address and is none.
    Doubt(AddressError),
}

/// The clues in a text.
pub(super) fn find(text: &str) -> Vec<Clue> {
    let mut clues = Vec::new();
    let mut tried = 0;
    for piece in text.split(|c: char| !c.is_alphanumeric()) {
        if !piece.is_ascii() {
            look_alikes(piece, &mut tried, &mut clues);
        }
        for run in piece.split(|c: char| !c.is_ascii()) {
            clues.extend(of_run(run));
        }
    }
    clues
}

/// Whether a text has words that are neither words of a language nor numbers, hashes apart: beside an
/// address they may be another one, broken or mistyped.
pub(super) fn has_odd_words(text: &str) -> bool {
    let is_mixed = |run: &str| {
        let has = |is: fn(&u8) -> bool| run.as_bytes().iter().any(is);
        has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
    };
    let is_hash =
        |run: &str| hex_digits(run).is_some_and(|digits| [32, 64].contains(&digits.len()));
    let mut was_short = false;
    for run in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|run| !run.is_empty()) {
        let is_odd =
            is_mixed(run) && !is_hash(run) && !matches!(of_run(run), Some(Clue::Certain(_)));
        let is_short = is_odd && (3..8).contains(&run.len());
        if is_odd && (run.len() >= 8 || (is_short && was_short)) {
            return true;
        }
        was_short = is_short;
    }
    false
}

/// Tries what a piece with characters beyond ASCII passes itself off as.
fn look_alikes(piece: &str, tried: &mut usize, clues: &mut Vec<Clue>) {
    let length = piece.chars().count();
    if length < MIN_WORD {
        return;
    }
    let (most, longest) = MAX_FOLDED;
    *tried += 1;
    let is_tried = *tried <= most && length <= longest;
    let found = if is_tried { confusables::read(piece) } else { Vec::new() };
    let mut points: Vec<char> = piece.chars().filter(|c| !c.is_ascii()).collect();
    points.dedup();
    let points: Vec<String> = points.into_iter().take(8).map(normalization::code_point).collect();
    let fault = AddressError::LookAlike { found: points.join(", ") };
    let is_mixed = piece.chars().filter(char::is_ascii_alphanumeric).count() >= MIN_MIXED;
    let holds_address = || {
        piece
            .split(|c: char| !c.is_ascii())
            .any(|run| matches!(of_run(run), Some(Clue::Certain(_))))
    };
    if !is_tried || (found.is_empty() && is_mixed && !holds_address()) {
        clues.push(Clue::Doubt(fault));
    } else {
        clues.extend(found.into_iter().map(|address| Clue::Suspect(address, fault.clone())));
    }
}

/// What a run of ASCII letters and digits says.
fn of_run(run: &str) -> Option<Clue> {
    let hex = hex_digits(run);
    if run.len() < MIN_WORD && hex.is_none_or(|digits| digits.len() < 8) {
        return None;
    }
    let encoding_error = match parse_known_form(run, None).map(Address::into_owned) {
        Ok(address) if is_certain(&address) => return Some(Clue::Certain(address)),
        Ok(address) => return Some(Clue::Suspect(address, EncodingError::NoChecksum.into())),
        Err(encoding_error) => encoding_error,
    };
    if let Some(digits) = hex {
        return of_hex(run, digits, encoding_error);
    }
    if let Some((address, _)) = spelling::read(run) {
        return Some(Clue::Suspect(address, EncodingError::NoChecksum.into()));
    }
    if let Some(address) = glued(run) {
        return Some(Clue::Suspect(address, EncodingError::Glued.into()));
    }
    let is_doubtful = match encoding_error {
        EncodingError::NoShape => is_like_base58(run),
        EncodingError::Bech32Checksum
        | EncodingError::Bech32Character(_)
        | EncodingError::Bech32Length(_)
        | EncodingError::Bech32Variant
        | EncodingError::Bech32Padding
        | EncodingError::Bech32Payload => bech32::has_known_prefix(run),
        _ => true,
    };
    let fault = if encoding_error == EncodingError::NoShape {
        EncodingError::Mistyped
    } else {
        encoding_error
    };
    is_doubtful.then(|| Clue::Doubt(fault.into()))
}

/// The digits of a run that is all hex, behind `0x` or what passes for it.
fn hex_digits(run: &str) -> Option<&str> {
    let digits =
        ["0x", "0X", "Ox", "OX", "ox", "x"].iter().find_map(|prefix| run.strip_prefix(prefix));
    let digits = digits.unwrap_or(run);
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then_some(digits).filter(|digits| !digits.is_empty())
}

/// What hex says that is no address as it stands. Hashes and UUIDs say nothing.
fn of_hex(run: &str, digits: &str, encoding_error: EncodingError) -> Option<Clue> {
    let is_prefixed = digits.len() < run.len();
    let spelt = match run.strip_prefix('x') {
        Some(digits) => spelling::read(&format!("0X{digits}")),
        None if is_prefixed => {
            spelling::read(&format!("0X{digits}")).or_else(|| spelling::read(run))
        }
        None => None,
    };
    if let Some((address, _)) = spelt {
        return Some(Clue::Suspect(address, EncodingError::NoChecksum.into()));
    }
    match digits.len() {
        64 => None,
        _ if !is_prefixed => {
            // Of git ids and the like only the length is that of an address.
            let is_near = (38..=42).contains(&digits.len());
            is_near.then(|| Clue::Doubt(encoding_error.into()))
        }
        8.. => Some(Clue::Doubt(EncodingError::EvmLength(digits.len()).into())),
        _ => None,
    }
}

/// Addresses in the data of a call: arguments of 32 bytes, of which twelve are zero.
pub(super) fn in_data(text: &str) -> Vec<Address<'static>> {
    let runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    let data = runs.filter_map(hex_digits).filter(|digits| digits.len() > 64);
    let words = data.flat_map(|digits| {
        // Behind the selector of four bytes, or without one.
        [8, 0].into_iter().flat_map(move |from| {
            digits.as_bytes().get(from..).unwrap_or_default().chunks_exact(64)
        })
    });
    let padded = words.filter_map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        spelling::read(&format!("0x{word}")).map(|(address, _)| address)
    });
    padded.filter(|address| !address.is_uncontrolled()).take(MAX_IN_DATA).collect()
}

/// An address with a ticker or the like beside it, without a blank between.
fn glued(run: &str) -> Option<Address<'static>> {
    let address = |text: &str| {
        let address = parse_known_form(text, None).ok().filter(is_certain)?;
        Some(address.into_owned())
    };
    // A digit more would be another address.
    let ends = run.get(42..).and_then(|rest| rest.bytes().next());
    if run.starts_with("0x") && ends.is_some_and(|next| !next.is_ascii_hexdigit()) {
        return address(run.get(..42)?);
    }
    let cuts = (1..=MAX_GLUED).filter(|cut| run.len() - cut >= MIN_WORD);
    cuts.flat_map(|cut| [run.get(cut..), run.get(..run.len() - cut)])
        .flatten()
        .filter(|text| !text.starts_with("0x") || run.starts_with("0x"))
        .find_map(address)
        .or_else(|| run.find("0x").filter(|at| *at > 0).and_then(|at| address(run.get(at..)?)))
}

/// Whether a run has the length and the beginning of a base58 address and is of another alphabet, as
/// what was put into lower case or read off a picture.
fn is_like_base58(run: &str) -> bool {
    let begins =
        run.starts_with(['1', '3', 'l', 'I', 'T', 't', 'L', 'M', 'm', 'D', 'd', 'r', 'X', 'x']);
    let has = |is: fn(&u8) -> bool| run.as_bytes().iter().filter(|byte| is(byte)).count() >= 3;
    (25..=48).contains(&run.len())
        && begins
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}
