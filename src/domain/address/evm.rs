//! EVM addresses: 0x and 40 hex digits, with the mixed-case checksum of EIP-55. Canonical is lower
//! case. Knows nothing of chains beyond that every EVM chain shares the form.

use sha3::{Digest, Keccak256};

use super::{Address, Checksum, Encoding, Misfit, Trial};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;

const CHAINS: &[Chain] = &[Chain::AnyEvm];

/// The value of each lower-case hex digit; [`BAD`] for any other byte.
const LOWER: [u8; 256] = digits(false);
/// The value of each hex digit of either case; [`BAD`] for any other byte.
const EITHER: [u8; 256] = digits(true);
/// Has bits that no digit has.
const BAD: u8 = 0xff;

const fn digits(upper: bool) -> [u8; 256] {
    let mut table = [BAD; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        if upper {
            table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        }
        value += 1;
    }
    table
}

/// The 20 bytes behind 40 digits of `table`.
fn decode(digits: &[u8; 40], table: &[u8; 256]) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    let mut seen = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| table[usize::from(digit)]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen < 16).then_some(bytes)
}

/// The hot path: an address in canonical form. Allocates nothing.
#[inline]
pub(super) fn parse_lower_case(input: &str) -> Option<Address<'_>> {
    let [b'0', b'x', digits @ ..] = input.as_bytes() else {
        return None;
    };
    let bytes = decode(digits.try_into().ok()?, &LOWER)?;
    Some(Address::new(
        input,
        Encoding::Evm,
        Checksum::Absent,
        CHAINS,
        KeyId::Evm(bytes),
    ))
}

/// An address of any case. One case throughout carries no checksum, except that upper case may be
/// what EIP-55 asks for.
pub(super) fn parse(input: &str) -> Trial<'_> {
    let digits = match input.as_bytes() {
        [b'0', b'x', digits @ ..] => digits,
        [b'0', b'X', ..] => return Err(Misfit::EvmPrefix),
        digits if digits.len() == 40 && digits.iter().all(u8::is_ascii_hexdigit) => {
            return Err(Misfit::BareHex);
        }
        _ => return Ok(None),
    };
    let Ok(digits) = <&[u8; 40]>::try_from(digits) else {
        // 0x41...: TRON's own hex form with a prefix.
        let tron = digits.len() == 42 && digits.starts_with(b"41");
        return if tron {
            Ok(None)
        } else {
            Err(Misfit::EvmLength(digits.len()))
        };
    };
    let Some(bytes) = decode(digits, &EITHER) else {
        let wrong = digits.iter().position(|digit| !digit.is_ascii_hexdigit());
        return Err(Misfit::EvmDigit(2 + wrong.unwrap_or(0)));
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
    Ok(Some(Address::new(
        canonical,
        Encoding::Evm,
        checksum,
        CHAINS,
        KeyId::Evm(bytes),
    )))
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
