//! Parses values of rows: hashes, addresses, times, small numbers.

use jiff::Timestamp;

use super::error::FieldFault;
use super::number::{self, ParsedNumber};
use crate::domain::address::{Address, AddressError};
use crate::domain::chain::Chain;
use crate::domain::transfer::{
    Amount, Holder, MAX_HEIGHT, MAX_NAME, MAX_TIME, MAX_TX_INDEX, TxId, TxStatus,
};
use crate::source::excerpt::excerpt;

/// How a time without a time zone, such as `2022-11-28 00:00:11`, is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainTimes {
    /// It is a fault of its row: an error of an hour reorders transfers.
    #[default]
    Refused,
    Utc,
}

/// The entry of other bytes in [`DIGITS`].
const NO_DIGIT: u8 = 0xff;

/// The value of each hex digit.
static DIGITS: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Exactly `N` bytes in hex, in either case, with or without `0x`.
#[inline]
pub(super) fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digits = if text.len() == 2 * N { text } else { text.strip_prefix(b"0x")? };
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut wrong = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        // Only what is no digit has a bit above the lower four.
        wrong |= high | low;
        *byte = high << 4 | low;
    }
    (wrong < 16).then_some(bytes)
}

/// Parses the usual form of an EVM address: `0x` and 40 hex digits.
#[inline]
pub(super) fn evm(text: &[u8]) -> Option<[u8; 20]> {
    if text.len() == 42 { hex(text) } else { None }
}

/// Parses the holder at one end of a transfer; `None` if empty.
#[inline]
pub(super) fn holder(text: &[u8], chain: &Chain) -> Result<Option<Holder>, FieldFault> {
    if text.is_empty() {
        return Ok(None);
    }
    if let (Chain::Evm(_), Some(bytes)) = (chain, evm(text)) {
        return Ok(Some(Holder::Evm(bytes)));
    }
    any_holder(text, chain).map(Some)
}

fn any_holder(text: &[u8], chain: &Chain) -> Result<Holder, FieldFault> {
    let text = utf8(text)?;
    let refused = |error: AddressError| FieldFault::Address(error.to_string());
    if !Address::parse(text.trim_ascii(), Some(chain)).map_err(refused)?.fits(chain) {
        return Err(FieldFault::NotOf(excerpt(text), chain.to_string()));
    }
    Holder::parse(text, chain).map_err(refused)
}

/// Text of UTF-8.
pub(super) fn utf8(text: &[u8]) -> Result<&str, FieldFault> {
    std::str::from_utf8(text).map_err(|_| FieldFault::not_a("UTF-8", text))
}

/// Parses 32 bytes in hex; `None` if empty.
#[inline]
pub(super) fn hash(text: &[u8]) -> Result<Option<[u8; 32]>, FieldFault> {
    if text.is_empty() {
        return Ok(None);
    }
    match hex(text) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(FieldFault::not_a("a hash of 32 bytes in hex", text)),
    }
}

/// Parses a transaction id on `chain`; `None` if empty.
#[inline]
pub(super) fn tx(text: &[u8], chain: &Chain) -> Result<Option<TxId>, FieldFault> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(bytes) = hex(text) {
        return Ok(Some(TxId::Hash(bytes)));
    }
    // As `Transfer::check` has it.
    if matches!(chain, Chain::Evm(_)) || chain.is_utxo() {
        return Err(FieldFault::not_a("a transaction hash of 32 bytes in hex", text));
    }
    name(text).map(|name| Some(TxId::Text(name)))
}

/// 1 to [`MAX_NAME`] bytes of visible ASCII.
pub(super) fn name(text: &[u8]) -> Result<Box<str>, FieldFault> {
    let fits = (1..=MAX_NAME).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(text) {
        Ok(text) if fits => Ok(text.into()),
        _ => Err(FieldFault::not_a("a name of at most 128 bytes of visible ASCII", text)),
    }
}

/// Parses a whole number up to `most`; `None` if empty.
#[inline]
pub(super) fn number(text: &[u8], most: u64) -> Result<Option<u64>, FieldFault> {
    if text.is_empty() {
        return Ok(None);
    }
    match number::small(text) {
        Some(value) if value <= most => Ok(Some(value)),
        Some(value) => Err(FieldFault::too_large(most, value)),
        None => Err(FieldFault::not_a("a whole number", text)),
    }
}

/// As [`number()`], of 32 bits.
#[inline]
pub(super) fn number32(text: &[u8], most: u32) -> Result<Option<u32>, FieldFault> {
    let value = number(text, u64::from(most))?;
    Ok(value.map(|value| u32::try_from(value).expect("it is at most `most`")))
}

#[inline]
pub(super) fn height(text: &[u8]) -> Result<Option<u64>, FieldFault> {
    number(text, MAX_HEIGHT)
}

/// A transaction's index in its block.
#[inline]
pub(super) fn tx_index(text: &[u8]) -> Result<Option<u32>, FieldFault> {
    number32(text, MAX_TX_INDEX)
}

/// Parses a time to Unix seconds: such a number, or RFC 3339, also with a blank for the `T` and
/// `UTC` for the `Z`. Fractions of a second are cut. `None` if empty.
#[inline]
pub(super) fn time(text: &[u8], plain: PlainTimes) -> Result<Option<u64>, FieldFault> {
    if text.is_empty() {
        return Ok(None);
    }
    let seconds = match number::small(text) {
        Some(seconds) => seconds,
        None => written_time(text, plain)?,
    };
    if seconds > MAX_TIME {
        return Err(FieldFault::NotSeconds(seconds));
    }
    Ok(Some(seconds))
}

fn written_time(text: &[u8], plain: PlainTimes) -> Result<u64, FieldFault> {
    let refused = || FieldFault::not_a("a time: RFC 3339 or Unix seconds", text);
    let text = utf8(text)?;
    let in_utc = |text: &str| format!("{text}Z").parse::<Timestamp>();
    let moment = match text.strip_suffix(" UTC") {
        Some(text) => in_utc(text).map_err(|_| refused())?,
        None => match (text.parse(), plain) {
            (Ok(moment), _) => moment,
            (Err(_), PlainTimes::Utc) => in_utc(text).map_err(|_| refused())?,
            (Err(_), PlainTimes::Refused) if in_utc(text).is_ok() => {
                return Err(FieldFault::NoTimeZone(excerpt(text)));
            }
            (Err(_), PlainTimes::Refused) => return Err(refused()),
        },
    };
    // Before 1970 only; a part of a second before it counts as its first.
    u64::try_from(moment.as_second()).map_err(|_| refused())
}

/// Whether the transaction took effect: `1` or `0`.
#[inline]
pub(super) fn status(text: &[u8]) -> Result<TxStatus, FieldFault> {
    match text {
        b"" => Ok(TxStatus::Unknown),
        b"1" => Ok(TxStatus::Succeeded),
        b"0" => Ok(TxStatus::Failed),
        _ => Err(FieldFault::not_a("1 or 0", text)),
    }
}

/// Parses a whole number of smallest units. A fraction of zeros is accepted (`12.000`), since the
/// unit is known. An exponent is not: it suggests a floating-point number with lost digits.
pub(super) fn smallest_units(text: &[u8]) -> Result<Amount, FieldFault> {
    match number::amount(text)? {
        ParsedNumber::Whole(amount) => Ok(amount),
        ParsedNumber::Decimal(amount) if amount.is_whole() => amount.scaled(0),
        ParsedNumber::Decimal(_) => {
            Err(FieldFault::not_a("a whole number of smallest units", text))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_exact() {
        assert_eq!(hex::<2>(b"0aFf"), Some([0x0a, 0xff]));
        assert_eq!(hex::<2>(b"0x0aff"), Some([0x0a, 0xff]));
        for wrong in [&b"0aF"[..], b"0aFg", b"0aFff", b"0X0aff", b"0x0af", b"", b"0x", b"0a\xff0"] {
            assert_eq!(hex::<2>(wrong), None, "{wrong:?}");
        }
        // Every byte that is no hex digit, at every place.
        for byte in 0..=u8::MAX {
            for at in 0..4 {
                let mut text = *b"0000";
                text[at] = byte;
                let fits = byte.is_ascii_hexdigit();
                assert_eq!(hex::<2>(&text).is_some(), fits, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn times_are_understood() {
        let check = |text: &str, seconds: u64| {
            for plain in [PlainTimes::Refused, PlainTimes::Utc] {
                assert_eq!(time(text.as_bytes(), plain), Ok(Some(seconds)), "{text}");
            }
        };
        check("0", 0);
        check("1647561678", 1_647_561_678);
        check("2022-03-29T21:41:18+00:00", 1_648_590_078);
        check("2022-03-29T21:41:18Z", 1_648_590_078);
        check("2022-03-29T23:41:18.999+02:00", 1_648_590_078);
        check("2022-03-29 21:41:18 UTC", 1_648_590_078);
        check("2022-03-29 21:41:18.000000 UTC", 1_648_590_078);
        check("2022-03-29 21:41:18+00:00", 1_648_590_078);
        check("17179869183", MAX_TIME);
        for plain in [PlainTimes::Refused, PlainTimes::Utc] {
            assert_eq!(time(b"", plain), Ok(None));
            for wrong in ["17179869184", "1969-12-31T23:59:58Z", "1.5", "-1", "2022-03-29", "soon"]
            {
                assert!(time(wrong.as_bytes(), plain).is_err(), "{wrong}");
            }
        }
        for text in ["2022-03-29 21:41:18", "2022-03-29T21:41:18.999", "2022-03-29 21:41:18.000000"]
        {
            assert_eq!(time(text.as_bytes(), PlainTimes::Utc), Ok(Some(1_648_590_078)), "{text}");
            let refused = time(text.as_bytes(), PlainTimes::Refused);
            assert_eq!(refused, Err(FieldFault::NoTimeZone(text.to_owned())));
        }
    }

    #[test]
    fn numbers_have_their_bounds() {
        assert_eq!(tx_index(b"16777214"), Ok(Some(MAX_TX_INDEX)));
        assert!(tx_index(b"16777215").is_err());
        assert_eq!(height(b"1099511627774"), Ok(Some(MAX_HEIGHT)));
        assert!(height(b"1099511627775").is_err());
        assert!(height(b"1.0").is_err());
        assert_eq!(height(b""), Ok(None));
    }

    #[test]
    fn transactions_have_hashes_or_names() {
        let hash = "ab".repeat(32);
        let check = |text: &str, chain: &Chain, expected: Option<TxId>| {
            assert_eq!(tx(text.as_bytes(), chain).ok().flatten(), expected, "{text}");
        };
        check(&format!("0x{hash}"), &Chain::Evm(1), Some(TxId::Hash([0xab; 32])));
        check(&hash, &Chain::Bitcoin, Some(TxId::Hash([0xab; 32])));
        check("0xab", &Chain::Evm(1), None);
        check(&"ab".repeat(31), &Chain::Bitcoin, None);
        check(&"ab".repeat(33), &Chain::Litecoin, None);
        check("coinbase", &Chain::Dogecoin, None);
        check("5h6x", &Chain::Solana, Some(TxId::Text("5h6x".into())));
        check(&"a".repeat(128), &Chain::Solana, Some(TxId::Text("a".repeat(128).into())));
        check(&"a".repeat(129), &Chain::Solana, None);
        check("a b", &Chain::Solana, None);
    }
}
