//! Homoglyphs: non-ASCII characters that look like ASCII, folded by Unicode TS 39
//! (<https://www.unicode.org/reports/tr39/>) to find the address that a text imitates.

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

use super::{Address, parse_known_form};

/// The maximum number of spellings tried for one word: some characters resemble several.
const MAX_TRIALS: usize = 256;

/// The maximum number of addresses found for one word: without a checksum, each spelling is one.
const MAX_FOUND: usize = 16;

/// Returns the addresses that a word resembles. ASCII characters stay as they are.
pub(super) fn read(word: &str) -> Vec<Address<'static>> {
    let mut trials = vec![String::new()];
    for character in word.chars() {
        let alike = look_alikes(character);
        if alike.is_empty() || trials.len() * alike.len() > MAX_TRIALS {
            return Vec::new();
        }
        let longer = trials
            .iter()
            .flat_map(|trial| alike.iter().map(move |alike| format!("{trial}{alike}")));
        trials = longer.collect();
    }
    let mut found: Vec<Address<'static>> = Vec::new();
    for trial in trials {
        let Ok(address) = parse_known_form(&trial, None).map(Address::into_owned) else { continue };
        if found.len() < MAX_FOUND
            && found.iter().all(|known| known.canonical() != address.canonical())
        {
            found.push(address);
        }
    }
    found
}

/// Returns the ASCII texts that a character may stand for. TS 39 has one prototype for all similar
/// characters (`l` for `1` and `I`, `O` for `0`), so each is tried.
fn look_alikes(character: char) -> Vec<String> {
    if character.is_ascii() {
        return vec![character.to_string()];
    }
    let compatible: String = character.to_string().nfkc().collect();
    if compatible.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return vec![compatible];
    }
    let prototype: String = skeleton(character.encode_utf8(&mut [0; 4])).collect();
    let alike: &[&str] = match prototype.as_str() {
        "l" => &["1", "l", "I", "i"],
        "O" => &["0", "O"],
        "o" => &["o", "0"],
        "rn" => &["m", "rn"],
        _ if prototype.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            return vec![prototype];
        }
        _ => &[],
    };
    alike.iter().map(|text| (*text).to_owned()).collect()
}
