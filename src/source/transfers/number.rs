//! Parses amounts and other numbers exactly: whole numbers up to 256 bits, and decimal ones by
//! moving the point, never through floating point.

use super::error::FieldFault;
use crate::domain::transfer::Amount;
use crate::source::excerpt::excerpt;

/// The most decimals of an asset: 10^77 is the largest power of ten below 2^256.
pub(super) const MAX_DECIMALS: u8 = 77;

/// The digits of 2^256 - 1.
const MAX_DIGITS: usize = 78;

/// The longest text that is looked at as a number: enough for 256 bits at any sensible scale.
const MAX_TEXT: usize = 256;

/// A whole number of digits only; `None` where it is not one, or above 2^64.
#[inline]
pub(super) fn small(text: &[u8]) -> Option<u64> {
    // 19 digits always fit.
    if text.is_empty() || text.len() > 19 {
        return match text.len() {
            20 => std::str::from_utf8(text)
                .ok()
                .filter(|text| !text.starts_with('+'))
                .and_then(|text| text.parse().ok()),
            _ => None,
        };
    }
    let mut value = 0;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// An amount in smallest units as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParsedNumber<'a> {
    /// Digits only: in smallest units.
    Whole(Amount),
    /// With a point or an exponent: in whole units of the asset.
    Decimal(Decimal<'a>),
}

/// A decimal number: the digits before and after the point, and the power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal<'a> {
    text: &'a [u8],
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i32,
}

const DECIMAL: &str = "a number that is not negative";

#[inline]
pub(super) fn amount(text: &[u8]) -> Result<ParsedNumber<'_>, FieldFault> {
    if text.len() <= 19
        && let Some(value) = small(text)
    {
        return Ok(ParsedNumber::Whole(Amount::from(value)));
    }
    amount_of_any_size(text)
}

fn amount_of_any_size(text: &[u8]) -> Result<ParsedNumber<'_>, FieldFault> {
    if text.is_empty() {
        return Err(FieldFault::Missing);
    }
    let decimal = decimal(text)?;
    if text.iter().all(u8::is_ascii_digit) {
        if text.len() > MAX_DIGITS {
            return Err(decimal.beyond());
        }
        return decimal.scaled(0).map(ParsedNumber::Whole);
    }
    // With a sign it is neither digits only nor plainly in whole units.
    if text.starts_with(b"+") {
        return Err(FieldFault::not_a(DECIMAL, text));
    }
    Ok(ParsedNumber::Decimal(decimal))
}

/// Reads `12`, `12.5`, `.5`, `1e3`, `1.5E-3`, `+1`.
pub(super) fn decimal(text: &[u8]) -> Result<Decimal<'_>, FieldFault> {
    let refused = || FieldFault::not_a(DECIMAL, text);
    if text.len() > MAX_TEXT {
        return Err(refused());
    }
    let unsigned = text.strip_prefix(b"+").unwrap_or(text);
    let at = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match at {
        Some(at) => {
            let text = std::str::from_utf8(&unsigned[at + 1..]).map_err(|_| refused())?;
            (&unsigned[..at], text.parse().map_err(|_| refused())?)
        }
        None => (unsigned, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let some = !whole.is_empty() || !fraction.is_empty();
    if !some || !digits(whole) || !digits(fraction) || i32::abs(exponent) > 1000 {
        return Err(refused());
    }
    Ok(Decimal { text, whole, fraction, exponent })
}

impl Decimal<'_> {
    /// Whether the number stands without an exponent, and with nothing but zeros after the point.
    pub(super) fn is_whole(&self) -> bool {
        self.exponent == 0 && self.fraction.iter().all(|digit| *digit == b'0')
    }

    /// Whether it is a whole number as BigQuery writes its NUMERIC: with all nine digits after the point.
    pub(super) fn is_whole_numeric(&self) -> bool {
        // No sign and no exponent.
        let is_plain = self.text.len() == self.whole.len() + ".000000000".len();
        is_plain && !self.whole.is_empty() && self.fraction == b"000000000"
    }

    /// Whether an exponent makes it larger than its digits say, as floating-point numbers are
    /// printed.
    pub(super) fn is_raised(&self) -> bool {
        self.exponent > 0
    }

    /// The number times 10^`decimals`, where that is whole and below 2^256.
    pub(super) fn scaled(&self, decimals: u8) -> Result<Amount, FieldFault> {
        let said = || excerpt(&String::from_utf8_lossy(self.text));
        let (value, cut) = self.shifted(i32::from(decimals)).ok_or_else(|| self.beyond())?;
        if cut { Err(FieldFault::TooFine(said(), decimals)) } else { Ok(value) }
    }

    /// The number times 10^`decimals`, without what is then after the point.
    pub(super) fn cut(&self, decimals: u8) -> Result<Amount, FieldFault> {
        self.shifted(i32::from(decimals)).map(|(value, _)| value).ok_or_else(|| self.beyond())
    }

    fn beyond(&self) -> FieldFault {
        FieldFault::too_large("2^256 - 1", String::from_utf8_lossy(self.text))
    }

    /// The whole part of the number times 10^`by`, and whether more than zeros were cut off; `None`
    /// where it does not fit.
    fn shifted(&self, by: i32) -> Option<(Amount, bool)> {
        let digits = || self.whole.iter().chain(self.fraction).map(|byte| byte - b'0');
        // How many of the digits stand before the point once it is moved.
        let before = self.whole.len() as i32 + self.exponent + by;
        let kept = usize::try_from(before).unwrap_or(0);
        let mut value = Amount::ZERO;
        for digit in digits().take(kept) {
            value = value.checked_mul(Amount::new(10))?.checked_add(Amount::from(digit))?;
        }
        let zeros = kept.saturating_sub(self.whole.len() + self.fraction.len());
        if value != Amount::ZERO {
            for _ in 0..zeros {
                value = value.checked_mul(Amount::new(10))?;
            }
        }
        Some((value, digits().skip(kept).any(|digit| digit != 0)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaled(text: &str, decimals: u8) -> Result<String, FieldFault> {
        match amount(text.as_bytes())? {
            ParsedNumber::Whole(value) => Ok(format!("whole {value}")),
            ParsedNumber::Decimal(value) => value.scaled(decimals).map(|value| value.to_string()),
        }
    }

    #[test]
    fn amounts_are_exact() {
        let check = |text: &str, decimals: u8, expected: &str| {
            assert_eq!(scaled(text, decimals).as_deref(), Ok(expected), "{text}");
        };
        check("0", 18, "whole 0");
        check("9999999999999999999", 18, "whole 9999999999999999999");
        check("18446744073709551616", 18, "whole 18446744073709551616");
        let most = Amount::MAX.to_string();
        check(&most, 0, &format!("whole {most}"));
        check("0.0", 18, "0");
        check("1.5", 18, "1500000000000000000");
        check("0.1", 18, "100000000000000000");
        check("173600.123456789012345678", 18, "173600123456789012345678");
        check("1.50000", 1, "15");
        check("2e-3", 3, "2");
        check("2E+2", 0, "200");
        check("1e77", 0, &format!("1{}", "0".repeat(77)));
        check("0e1000", 0, "0");
        check(".5", 1, "5");
        check("5.", 1, "50");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        assert!(scaled(&format!("{}1", "0".repeat(78)), 0).is_err());
        for text in
            ["", "-1", "+1", "+1.5", "0x10", "1,5", "1.5.1", "e5", ".", "1e", "1e1.5", "NaN", "inf"]
        {
            assert!(scaled(text, 18).is_err(), "{text:?}");
        }
        assert!(scaled("1e1001", 18).is_err());
        assert!(scaled("1e78", 0).is_err());
        assert!(
            scaled(
                "115792089237316195423570985008687907853269984665640564039457584007913129639936",
                0
            )
            .is_err()
        );
        assert!(scaled(&"1".repeat(300), 0).is_err());
        assert_eq!(scaled("1.23", 1), Err(FieldFault::TooFine("1.23".into(), 1)));
        assert_eq!(scaled("1e-400", 18), Err(FieldFault::TooFine("1e-400".into(), 18)));
    }

    proptest! {
        #[test]
        fn small_is_the_number_that_is_printed(value: u64) {
            prop_assert_eq!(small(value.to_string().as_bytes()), Some(value));
        }

        #[test]
        fn small_takes_digits_only(text in "[-+0-9 .a]{0,21}") {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let expected = if digits { text.parse().ok().filter(|_| text.len() <= 20) } else { None };
            prop_assert_eq!(small(text.as_bytes()), expected);
        }

        /// The point moved in the text is the point moved in the number.
        #[test]
        fn scaling_moves_the_point(value: u128, decimals in 0u8..30, exponent in -5i32..5) {
            let digits = format!("{value:0>width$}", width = usize::from(decimals) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
            let moved = i32::from(decimals) - exponent;
            prop_assume!(moved >= 0);
            let text = format!("{whole}.{fraction}e{exponent}");
            let expected = format!("{value}");
            prop_assert_eq!(scaled(&text, moved as u8), Ok(expected));
        }
    }
}
