//! EVM addresses: 0x and 40 hex digits, with the mixed-case checksum of EIP-55. The canonical form
//! is lower case. Every EVM chain shares the form.

use sha3::{Digest, Keccak256};

use super::{Address, Checksum, Encoding, EncodingError, ParseAttempt};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

const CHAINS: &[Chain] = &[Chain::AnyEvm];

/// A byte of one in each of eight.
const ONES: u64 = 0x0101_0101_0101_0101;

/// Decodes 40 hex digits into 20 bytes. Accepts upper-case letters only if `UPPER`.
#[inline]
fn decode<const UPPER: bool>(digits: &[u8; 40]) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    let mut wrong = 0;
    for (out, digits) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(digits.as_chunks::<8>().0) {
        let (value, misread) = decode_eight::<UPPER>(*digits);
        wrong |= misread;
        *out = value.to_be_bytes();
    }
    (wrong == 0).then_some(bytes)
}

/// Decodes eight hex digits at once, as the bytes of one number. Returns their value, and 0 if all
/// are digits.
#[inline]
fn decode_eight<const UPPER: bool>(digits: [u8; 8]) -> (u32, u64) {
    let given = u64::from_be_bytes(digits);
    // Bit 6 is set in letters and not in 0 to 9; bit 5 makes a letter lower case.
    let letters = given >> 6 & ONES;
    let digits = if UPPER { given | letters << 5 } else { given };
    let values = (digits & (0x0f * ONES)) + letters * 9;
    // Encoded again, the values must give the digits; those of letters must be 10 to 15, and those
    // of the others 0 to 9.
    let again = values + 0x30 * ONES + letters * 0x27;
    let above_nine = (values + 6 * ONES) >> 4 & ONES;
    let wrong = (again ^ digits) | (above_nine ^ letters) | (values & (0x10 * ONES));
    // Nibbles to bytes, bytes to pairs, pairs to the four bytes; the cast keeps these.
    let bytes = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    ((pairs | pairs >> 16) as u32, wrong)
}

/// Hot path: parses an address in canonical form without allocating.
#[inline]
pub(super) fn parse_lower_case(input: &str) -> Option<Address<'_>> {
    let [b'0', b'x', digits @ ..] = input.as_bytes() else {
        return None;
    };
    let bytes = decode::<false>(digits.try_into().ok()?)?;
    Some(Address::new(input, Encoding::Evm, Checksum::Absent, CHAINS, KeyId::Evm(bytes)))
}

/// Parses an address of any case. A single case carries no checksum, except that all upper case may
/// be what EIP-55 requires.
pub(super) fn parse(input: &str) -> ParseAttempt<'_> {
    let digits = match input.as_bytes() {
        [b'0', b'x', digits @ ..] => digits,
        [b'0', b'X', ..] => return Err(EncodingError::EvmPrefix),
        digits if digits.len() == 40 && digits.iter().all(u8::is_ascii_hexdigit) => {
            return Err(EncodingError::BareHex);
        }
        _ => return Ok(None),
    };
    let Ok(digits) = <&[u8; 40]>::try_from(digits) else {
        // 0x41...: TRON's own hex form with a prefix.
        let tron = digits.len() == 42 && digits.starts_with(b"41");
        return if tron { Ok(None) } else { Err(EncodingError::EvmLength(digits.len())) };
    };
    let Some(bytes) = decode::<true>(digits) else {
        let wrong = digits.iter().position(|digit| !digit.is_ascii_hexdigit());
        return Err(EncodingError::EvmDigit(2 + wrong.unwrap_or(0)));
    };
    let checksum = match (
        digits.iter().any(u8::is_ascii_lowercase),
        digits.iter().any(u8::is_ascii_uppercase),
    ) {
        (_, false) => Checksum::Absent,
        _ if checksummed(&bytes).as_bytes()[2..] == digits[..] => Checksum::Verified,
        (false, true) => Checksum::Absent,
        (true, true) => Checksum::Wrong,
    };
    let canonical = input.to_ascii_lowercase();
    Ok(Some(Address::new(canonical, Encoding::Evm, checksum, CHAINS, KeyId::Evm(bytes))))
}

/// The EIP-55 form: a letter is upper case where the digit at its place in the Keccak-256 of the
/// lower-case digits is 8 or more (<https://eips.ethereum.org/EIPS/eip-55>).
pub(super) fn checksummed(bytes: &[u8; 20]) -> String {
    let mut text = *b"0x0000000000000000000000000000000000000000";
    for (pair, byte) in text[2..].as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    }
    let hash: [u8; 32] = Keccak256::digest(&text[2..]).into();
    for (place, digit) in text[2..].iter_mut().enumerate() {
        let nibble = hash[place / 2] >> (4 * (1 - place % 2)) & 15;
        if nibble >= 8 {
            digit.make_ascii_uppercase();
        }
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place, against one digit at a time.
    #[test]
    fn digits_are_read_as_one_by_one() {
        let slow = |digits: &[u8; 40], upper: bool| -> Option<Vec<u8>> {
            let digit = |byte: &u8| match byte {
                b'A'..=b'F' if !upper => None,
                byte => char::from(*byte).to_digit(16),
            };
            let values: Option<Vec<u32>> = digits.iter().map(digit).collect();
            Some(values?.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
        };
        let example = *b"0123456789abcdeffedcba98765432100f1e2d3c";
        for place in 0..40 {
            for byte in 0..=255 {
                let mut digits = example;
                digits[place] = byte;
                let lower = decode::<false>(&digits).map(Vec::from);
                let either = decode::<true>(&digits).map(Vec::from);
                assert_eq!(lower, slow(&digits, false), "{byte} at {place}");
                assert_eq!(either, slow(&digits, true), "{byte} at {place}");
            }
        }
    }
}
