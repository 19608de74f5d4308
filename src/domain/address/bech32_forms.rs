//! Forms in bech32: the choice among segwit, Cosmos-style accounts, MWEB and Zcash by prefix.

use std::borrow::Cow;

use super::bech32::{Decoded, SYMBOLS, cases, decode};
use super::{Address, EncodingError, ParseAttempt, cosmos, mweb, segwit, zcash};

/// The most characters that the checksum is made for (BIP-173).
const MAX_TEXT: usize = 90;

/// Returns true if the prefix alone identifies bech32.
fn is_known(prefix: &str) -> bool {
    segwit::chains(prefix).is_some()
        || mweb::chains(prefix).is_some()
        || zcash::is_prefix(prefix)
        || cosmos::is_known(prefix)
}

/// Returns true if the text begins with a known bech32 prefix.
pub(super) fn has_known_prefix(text: &str) -> bool {
    let prefix = text.rsplit_once('1').map(|(prefix, _)| prefix.to_ascii_lowercase());
    prefix.is_some_and(|prefix| is_known(&prefix))
}

/// The forms in bech32.
pub(super) fn parse(input: &str) -> ParseAttempt<'_> {
    let Some((prefix, data)) = input.rsplit_once('1') else {
        return Ok(None);
    };
    let (lower, upper) = cases(input);
    if lower && upper {
        let known = is_known(&prefix.to_ascii_lowercase());
        return if known { Err(EncodingError::Bech32MixedCase) } else { Ok(None) };
    }
    let text = if upper { Cow::Owned(input.to_ascii_lowercase()) } else { Cow::Borrowed(input) };
    let Some(decoded) = decode(&text)? else {
        let wrong = data.bytes().position(|c| SYMBOLS[usize::from(c.to_ascii_lowercase())] > 31);
        return match wrong {
            Some(place) if is_known(text.get(..prefix.len()).unwrap_or_default()) => {
                Err(EncodingError::Bech32Character(prefix.len() + 1 + place))
            }
            _ => Ok(None),
        };
    };
    let address = read(&decoded, text.len())?;
    Ok(Some(Address { canonical: text, ..address }))
}

/// Passes the payload to the family of its prefix. The returned address has no text yet.
fn read(decoded: &Decoded<'_>, length: usize) -> Result<Address<'static>, EncodingError> {
    let prefix = decoded.prefix;
    if let Some(chains) = mweb::chains(prefix) {
        return mweb::read(decoded, chains);
    }
    if zcash::is_prefix(prefix) {
        return zcash::read(decoded);
    }
    if length > MAX_TEXT {
        return Err(EncodingError::Bech32Length(length));
    }
    if let Some(chains) = segwit::chains(prefix) {
        return segwit::read(decoded, chains);
    }
    match cosmos::read(decoded) {
        Some(address) => address,
        None => segwit::read_unknown(decoded),
    }
}
