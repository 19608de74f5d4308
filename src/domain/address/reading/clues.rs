//! Finds addresses in a text besides the one that was parsed: further addresses, words that likely
//! mean one, and words that only look like one. An address must not hide next to another.

use super::{
    Address, AddressError, EncodingError, confusables, is_certain, normalization, parse_known_form,
    spelling,
};
use crate::domain::address::bech32_forms;

/// The shortest word that may be an address.
const MIN_WORD: usize = 20;

/// The maximum number of words of a text in which look-alikes are tried, and their maximum length
/// in characters.
const MAX_FOLDED: (usize, usize) = (64, 128);

/// The maximum number of characters of a ticker written directly next to an address.
const MAX_GLUED: usize = 5;

/// The maximum number of addresses searched in call data.
const MAX_IN_DATA: usize = 32;

/// From this many ASCII characters, look-alikes in a word are a fault even if they lead to no
/// address.
const MIN_MIXED: usize = 10;

/// A hint at an address in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clue {
    /// An address confirmed by its checksum, or by `0x` and 40 hex digits.
    Certain(Address<'static>),
    /// A word that is likely an address, and why that is uncertain.
    Suspect(Address<'static>, AddressError),
    /// A word that looks like an address but is not one.
    Doubt(AddressError),
}

/// Finds the clues in a text.
pub(super) fn find(text: &str) -> Vec<Clue> {
    let mut clues = Vec::new();
    let mut tried = 0;
    for piece in text.split(|c: char| !c.is_alphanumeric()) {
        if !piece.is_ascii() {
            look_alikes(piece, &mut tried, &mut clues);
        }
        for run in piece.split(|c: char| !c.is_ascii()) {
            clues.extend(clue_in_run(run));
        }
    }
    clues
}

/// Returns true if the text has words that are neither natural-language words, numbers nor hashes.
/// Next to an address they may be another one, broken or mistyped.
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
            is_mixed(run) && !is_hash(run) && !matches!(clue_in_run(run), Some(Clue::Certain(_)));
        let is_short = is_odd && (3..8).contains(&run.len());
        if is_odd && (run.len() >= 8 || (is_short && was_short)) {
            return true;
        }
        was_short = is_short;
    }
    false
}

/// Tries the ASCII spellings that a piece with other characters may imitate.
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
            .any(|run| matches!(clue_in_run(run), Some(Clue::Certain(_))))
    };
    if !is_tried || (found.is_empty() && is_mixed && !holds_address()) {
        clues.push(Clue::Doubt(fault));
    } else {
        clues.extend(found.into_iter().map(|address| Clue::Suspect(address, fault.clone())));
    }
}

/// Classifies a run of ASCII letters and digits.
fn clue_in_run(run: &str) -> Option<Clue> {
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
        return clue_in_hex(run, digits, encoding_error);
    }
    if let Some((address, _)) = spelling::read(run) {
        return Some(Clue::Suspect(address, EncodingError::NoChecksum.into()));
    }
    if let Some(address) = glued(run) {
        return Some(Clue::Suspect(address, EncodingError::Glued.into()));
    }
    let is_bech32 = matches!(
        encoding_error,
        EncodingError::Bech32Checksum
            | EncodingError::Bech32Character(_)
            | EncodingError::Bech32Length(_)
            | EncodingError::Bech32Variant
            | EncodingError::Bech32Padding
            | EncodingError::Bech32Payload
    );
    let is_doubtful = if encoding_error == EncodingError::NoShape {
        is_like_base58(run)
    } else {
        !is_bech32 || bech32_forms::has_known_prefix(run)
    };
    let fault = if encoding_error == EncodingError::NoShape {
        EncodingError::Mistyped
    } else {
        encoding_error
    };
    is_doubtful.then(|| Clue::Doubt(fault.into()))
}

/// Returns the digits of a run that is all hex, after `0x` or a misspelling of it.
fn hex_digits(run: &str) -> Option<&str> {
    let digits =
        ["0x", "0X", "Ox", "OX", "ox", "x"].iter().find_map(|prefix| run.strip_prefix(prefix));
    let digits = digits.unwrap_or(run);
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then_some(digits).filter(|digits| !digits.is_empty())
}

/// Classifies hex that is not an address as written. Hashes and UUIDs give no clue.
fn clue_in_hex(run: &str, digits: &str, encoding_error: EncodingError) -> Option<Clue> {
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
            // Git ids and the like differ from an address in length.
            let is_near = (38..=42).contains(&digits.len());
            is_near.then(|| Clue::Doubt(encoding_error.into()))
        }
        8.. => Some(Clue::Doubt(EncodingError::EvmLength(digits.len()).into())),
        _ => None,
    }
}

/// Finds addresses in call data: 32-byte arguments with twelve leading zero bytes.
pub(super) fn in_data(text: &str) -> Vec<Address<'static>> {
    let runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    let data = runs.filter_map(hex_digits).filter(|digits| digits.len() > 64);
    let words = data.flat_map(|digits| {
        // After the selector of four bytes, or without one.
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

/// Finds an address directly next to a ticker or the like.
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

/// Returns true if a run has the length and beginning of a base58 address but other characters, as
/// after lower-casing or OCR.
fn is_like_base58(run: &str) -> bool {
    let begins =
        run.starts_with(['1', '3', 'l', 'I', 'T', 't', 'L', 'M', 'm', 'D', 'd', 'r', 'X', 'x']);
    let has = |is: fn(&u8) -> bool| run.as_bytes().iter().filter(|byte| is(byte)).count() >= 3;
    (25..=48).contains(&run.len())
        && begins
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}
