//! Addresses and references in fewer bytes, from which the text comes back exactly. No checksum is
//! computed or left out: only the alphabet is used.
//!
//! | form | text | bytes |
//! |---|---|---|
//! | 0 | any | the text in UTF-8 |
//! | 1 | `0x` and 40 hex digits in lower case | 20, as the digits have them |
//! | 2 | the same in mixed case | these 20, and 5 with a bit for each digit, first digit first: 1 for an upper-case letter |
//! | 3 | `bc1` and characters of [`SYMBOLS_5`] | 5 bits a character |
//! | 4 | `ltc1` and characters of [`SYMBOLS_5`] | 5 bits a character |
//! | 5 | characters of [`SYMBOLS_6`] | 6 bits a character |
//!
//! Bits are filled in from the highest bit of the first byte; after the last character comes a bit
//! 1, then zeros up to the end of its byte. The first form that fits, in the order 1 to 5, is taken,
//! so a text has one packing. A text of more than 255 characters has form 0.

/// The alphabet of bech32, by value (BIP-173).
const SYMBOLS_5: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Digits, letters, and what CashAddr and UUIDs have besides.
const SYMBOLS_6: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz:-";

const VALUES_5: [u8; 256] = values(SYMBOLS_5);
const VALUES_6: [u8; 256] = values(SYMBOLS_6);

/// Not a character of the alphabet.
const NONE: u8 = 0xff;

/// The longest text that is packed.
const MAX_PACKED: usize = 255;

/// How a text is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Form {
    Text = 0,
    Hex = 1,
    MixedHex = 2,
    Bitcoin = 3,
    Litecoin = 4,
    Alphanumeric = 5,
}

impl Form {
    pub(super) fn from_code(code: u8) -> Option<Self> {
        [Self::Text, Self::Hex, Self::MixedHex, Self::Bitcoin, Self::Litecoin, Self::Alphanumeric]
            .into_iter()
            .find(|form| *form as u8 == code)
    }

    /// Returns the number of bytes, where the form alone tells it.
    pub(super) fn fixed_length(self) -> Option<usize> {
        match self {
            Self::Hex => Some(20),
            Self::MixedHex => Some(25),
            Self::Text | Self::Bitcoin | Self::Litecoin | Self::Alphanumeric => None,
        }
    }
}

const fn values(symbols: &[u8]) -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < symbols.len() {
        table[symbols[value] as usize] = value as u8;
        value += 1;
    }
    table
}

/// Appends the packed text and returns its form.
pub(super) fn pack(text: &str, out: &mut Vec<u8>) -> Form {
    let bytes = text.as_bytes();
    if let Some(digits) = bytes.strip_prefix(b"0x").and_then(|digits| digits.try_into().ok())
        && let Some(form) = pack_hex(digits, out)
    {
        return form;
    }
    if bytes.len() <= MAX_PACKED {
        for (form, prefix) in [(Form::Bitcoin, &b"bc1"[..]), (Form::Litecoin, b"ltc1")] {
            if let Some(rest) = bytes.strip_prefix(prefix)
                && pack_bits::<5>(rest, &VALUES_5, out)
            {
                return form;
            }
        }
        if pack_bits::<6>(bytes, &VALUES_6, out) {
            return Form::Alphanumeric;
        }
    }
    out.extend_from_slice(bytes);
    Form::Text
}

/// Returns the text of packed bytes; `None` if [`pack`] does not write such.
pub(super) fn unpack(form: Form, bytes: &[u8]) -> Option<String> {
    let text = match form {
        Form::Text => Some(std::str::from_utf8(bytes).ok()?.to_owned()),
        Form::Hex => Some(format!("0x{}", data_encoding::HEXLOWER.encode(bytes))),
        Form::MixedHex => unpack_mixed_hex(bytes),
        Form::Bitcoin => unpack_bits::<5>("bc1", bytes, SYMBOLS_5),
        Form::Litecoin => unpack_bits::<5>("ltc1", bytes, SYMBOLS_5),
        Form::Alphanumeric => unpack_bits::<6>("", bytes, SYMBOLS_6),
    }?;
    let mut again = Vec::with_capacity(bytes.len());
    (pack(&text, &mut again) == form && again == bytes).then_some(text)
}

fn pack_hex(digits: &[u8; 40], out: &mut Vec<u8>) -> Option<Form> {
    match lower_hex(digits) {
        Some(bytes) => {
            out.extend_from_slice(&bytes);
            Some(Form::Hex)
        }
        None => pack_mixed_hex(digits, out),
    }
}

/// Decodes lower-case hex digits. Both loops are without branches, so that the compiler makes
/// vectors of them: 140 instructions, a table takes twice that.
fn lower_hex(digits: &[u8; 40]) -> Option<[u8; 20]> {
    let mut values = [0; 40];
    let mut wrong = 0;
    for (value, digit) in values.iter_mut().zip(digits) {
        // A letter has bit 6 set, and its low bits count from 1.
        *value = (digit & 0x0f) + (digit >> 6) * 9;
        let letter = if *value > 9 { b'a' - b'9' - 1 } else { 0 };
        wrong |= (*value + b'0' + letter) ^ digit | *value & 0xf0;
    }
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(values.as_chunks::<2>().0) {
        *byte = pair[0] << 4 | pair[1];
    }
    (wrong == 0).then_some(bytes)
}

/// Returns the bytes of `0x` and 40 lower-case hex digits: form 1.
pub(super) fn hex_address(text: &str) -> Option<[u8; 20]> {
    lower_hex(text.as_bytes().strip_prefix(b"0x")?.try_into().ok()?)
}

fn pack_mixed_hex(digits: &[u8; 40], out: &mut Vec<u8>) -> Option<Form> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()?;
    out.extend_from_slice(&bytes);
    for eight in digits.chunks_exact(8) {
        let upper = |bits: u8, digit: &u8| bits << 1 | u8::from(digit.is_ascii_uppercase());
        out.push(eight.iter().fold(0, upper));
    }
    Some(Form::MixedHex)
}

fn unpack_mixed_hex(bytes: &[u8]) -> Option<String> {
    let (bytes, upper) = bytes.split_at_checked(20)?;
    let mut digits = data_encoding::HEXLOWER.encode(bytes);
    let eights = upper.iter().flat_map(|bits| (0..8).map(move |at| bits << at & 0x80 != 0));
    digits = digits
        .chars()
        .zip(eights)
        .map(|(digit, upper)| if upper { digit.to_ascii_uppercase() } else { digit })
        .collect();
    Some(format!("0x{digits}"))
}

/// Appends `BITS` bits a character; nothing if a character is not of the alphabet. Eight characters
/// make `BITS` whole bytes.
fn pack_bits<const BITS: usize>(text: &[u8], values: &[u8; 256], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let (eights, rest) = text.as_chunks::<8>();
    let mut all = 0;
    let value = |character: u8| values[usize::from(character)];
    for [a, b, c, d, e, f, g, h] in eights {
        let [a, b, c, d] = [value(*a), value(*b), value(*c), value(*d)];
        let [e, f, g, h] = [value(*e), value(*f), value(*g), value(*h)];
        all |= a | b | c | d | e | f | g | h;
        // Two chains of shifts, which run side by side.
        let four = |a, b, c, d| {
            ((u32::from(a) << BITS | u32::from(b)) << BITS | u32::from(c)) << BITS | u32::from(d)
        };
        let held = u64::from(four(a, b, c, d)) << (4 * BITS) | u64::from(four(e, f, g, h));
        out.extend_from_slice(&held.to_be_bytes()[8 - BITS..]);
    }
    let mut join = |held: u64, character: &u8| {
        all |= value(*character);
        held << BITS | u64::from(value(*character))
    };
    let held = rest.iter().fold(0, &mut join) << 1 | 1;
    let bits = rest.len() * BITS + 1;
    let last = (held << (64 - bits)).to_be_bytes();
    out.extend_from_slice(&last[..bits.div_ceil(8)]);
    if all == NONE {
        out.truncate(start);
    }
    all != NONE
}

fn unpack_bits<const BITS: u32>(prefix: &str, bytes: &[u8], symbols: &[u8]) -> Option<String> {
    let (last, _) = bytes.split_last()?;
    let length = bytes.len() as u32 * 8 - last.trailing_zeros() - 1;
    let mut text = String::with_capacity(prefix.len() + (length / BITS) as usize);
    text.push_str(prefix);
    let bit = |at: u32| bytes[(at / 8) as usize] << (at % 8) >> 7;
    for first in (0..length.checked_sub(length % BITS)?).step_by(BITS as usize) {
        let value = (first..first + BITS).fold(0, |value, at| value << 1 | bit(at));
        text.push(char::from(symbols[usize::from(value)]));
    }
    length.is_multiple_of(BITS).then_some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> (Form, usize) {
        let mut packed = vec![7];
        let form = pack(text, &mut packed);
        assert_eq!(packed[0], 7, "what stands before is kept");
        assert_eq!(unpack(form, &packed[1..]).as_deref(), Some(text));
        assert_eq!(Form::from_code(form as u8), Some(form));
        assert!(form.fixed_length().is_none_or(|length| length == packed.len() - 1));
        (form, packed.len() - 1)
    }

    #[test]
    fn usual_addresses_are_small() {
        for (text, expected) in [
            ("0x8589427373d6d84e98730d7795d8f6f8731fda16", (Form::Hex, 20)),
            ("0x8589427373D6D84E98730D7795D8f6f8731FDA16", (Form::MixedHex, 25)),
            ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", (Form::Bitcoin, 25)),
            ("bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr", (Form::Bitcoin, 37)),
            ("ltc1qg9stkxrszkdqsuj92lm4c7akvk36zvhqw7p6ck", (Form::Litecoin, 25)),
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", (Form::Alphanumeric, 26)),
            ("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", (Form::Alphanumeric, 26)),
            ("So11111111111111111111111111111111111111112", (Form::Alphanumeric, 33)),
            ("cosmos1hjcc0xzu6n6hkc5v0h9u8v5j4c7c5e0d3xk4vq", (Form::Alphanumeric, 34)),
            ("0d6dbd0e-6d3e-4f5b-9c0e-2a1d3f4b5c6d", (Form::Alphanumeric, 28)),
            ("", (Form::Alphanumeric, 1)),
            ("bc1", (Form::Bitcoin, 1)),
            ("bc1B", (Form::Alphanumeric, 4)),
            ("0x858942737", (Form::Alphanumeric, 9)),
            ("müller 17", (Form::Text, 10)),
        ] {
            assert_eq!(check(text), expected, "{text}");
        }
    }

    #[test]
    fn every_wrong_digit_is_seen() {
        let digits = *b"8589427373d6d84e98730d7795d8f6f8731fda16";
        for at in 0..40 {
            for byte in 0..=127u8 {
                let mut changed = digits;
                changed[at] = byte;
                let text = format!("0x{}", str::from_utf8(&changed).unwrap());
                let (form, _) = check(&text);
                let lower = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                assert_eq!(form == Form::Hex, lower, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in ".{0,300}") {
            check(&text);
        }

        #[test]
        fn every_alphanumeric_text_comes_back(text in "(0x|bc1|ltc1|)[0-9a-zA-Z:-]{0,260}") {
            check(&text);
        }

        #[test]
        fn every_mixed_case_comes_back(text in "0x[0-9a-fA-F]{39,41}") {
            check(&text);
        }

        #[test]
        fn no_bytes_panic(code in 0..7u8, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(form) = Form::from_code(code)
                && let Some(text) = unpack(form, &bytes)
            {
                let mut again = Vec::new();
                prop_assert_eq!(pack(&text, &mut again), form);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
