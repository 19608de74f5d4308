//! Bech32 and bech32m (BIP-173, BIP-350): the decoder shared by segwit, Cosmos-style accounts, MWEB
//! and Zcash.

use ::bech32::primitives::checksum::Engine;
use ::bech32::primitives::decode::UncheckedHrpstring;
use ::bech32::{Bech32, Bech32m, Checksum, Fe32};

use super::EncodingError;

/// Characters of the checksum.
const CHECKSUM: usize = 6;

/// Which of the two checksums is correct; no string has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// BIP-173.
    Bech32,
    /// BIP-350.
    Bech32m,
}

/// A string with a correct checksum.
pub(super) struct Decoded<'t> {
    /// The human-readable part, in lower case.
    pub(super) prefix: &'t str,
    pub(super) variant: Variant,
    /// The characters between separator and checksum, in lower case.
    data: &'t [u8],
}

impl<'t> Decoded<'t> {
    /// Splits off the first character as its value, 0 to 31.
    pub(super) fn split_first(&self) -> Option<(u8, Decoded<'t>)> {
        let (first, data) = self.data.split_first()?;
        Some((SYMBOLS[usize::from(*first)], Decoded { data, ..*self }))
    }

    /// How many characters carry the payload.
    pub(super) fn symbols(&self) -> usize {
        self.data.len()
    }

    /// The payload's bytes at the start of `buffer`: up to four bits left over, all zero.
    pub(super) fn bytes<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], EncodingError> {
        let length = self.symbols() * 5 / 8;
        let bytes = buffer.get_mut(..length).ok_or(EncodingError::Bech32Payload)?;
        repack(self.data.iter().map(|&character| SYMBOLS[usize::from(character)]), bytes)
            .ok_or(EncodingError::Bech32Padding)?;
        Ok(bytes)
    }
}

/// The value of each lower-case character of the alphabet, shared with CashAddr; 0xff elsewhere.
pub(super) const SYMBOLS: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut value = 0;
    while value < 32 {
        table[b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Packs 5-bit symbols into `bytes`, which must hold everything but the padding. Returns `None` if
/// the padding is five bits or more, or not zero.
pub(super) fn repack(symbols: impl Iterator<Item = u8>, bytes: &mut [u8]) -> Option<()> {
    let mut bytes = bytes.iter_mut();
    let (mut held, mut bits) = (0u16, 0);
    for symbol in symbols {
        held = held << 5 | u16::from(symbol);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            // The cast keeps the eight bits that are due.
            *bytes.next()? = (held >> bits) as u8;
            held &= (1 << bits) - 1;
        }
    }
    (bits < 5 && held == 0 && bytes.next().is_none()).then_some(())
}

/// Checks alphabet and checksum of lower-case `text`; `None` if it does not have the shape.
pub(super) fn decode(text: &str) -> Result<Option<Decoded<'_>>, EncodingError> {
    let Ok(parts) = UncheckedHrpstring::new(text) else {
        return Ok(None);
    };
    let characters = parts.data_part_ascii();
    let Some(length) = characters.len().checked_sub(CHECKSUM) else {
        return Ok(None);
    };
    // The two variants differ only in the expected residue.
    let mut checksum = Engine::<Bech32>::new();
    checksum.input_hrp(parts.hrp());
    for character in characters {
        let symbol = Fe32::try_from(SYMBOLS[usize::from(*character)]);
        checksum.input_fe(symbol.map_err(|_| EncodingError::Bech32Checksum)?);
    }
    let variant = match *checksum.residue() {
        Bech32::TARGET_RESIDUE => Variant::Bech32,
        Bech32m::TARGET_RESIDUE => Variant::Bech32m,
        _ => return Err(EncodingError::Bech32Checksum),
    };
    let prefix = &text[..text.len() - characters.len() - 1];
    Ok(Some(Decoded { prefix, variant, data: &characters[..length] }))
}

/// Returns whether the text has lower-case and upper-case letters.
pub(super) fn cases(text: &str) -> (bool, bool) {
    let lower = text.bytes().any(|byte| byte.is_ascii_lowercase());
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    (lower, upper)
}

/// Returns true if the text has at least two lower-case and two upper-case letters.
pub(super) fn cases_at_least_twice(text: &str) -> bool {
    let lower = text.bytes().filter(u8::is_ascii_lowercase).count();
    let upper = text.bytes().filter(u8::is_ascii_uppercase).count();
    lower >= 2 && upper >= 2
}
