//! Amounts of a hop in words: exact, or shortened for a label. Knows digits only, no floating point.

use super::shortened;
use crate::domain::digits::grouped;
use crate::grpc::v1;

/// An amount as the proto has it, of a hop or of a sum.
#[derive(Clone, Copy, Debug)]
pub struct Amount<'a> {
    /// In the smallest unit; empty where unknown.
    pub digits: &'a str,
    /// Of the display unit; `None` where unknown.
    pub decimals: Option<u32>,
    /// Empty where unknown.
    pub symbol: &'a str,
    /// `native` or the token.
    pub asset: &'a str,
}

impl<'a> From<&'a v1::Hop> for Amount<'a> {
    fn from(hop: &'a v1::Hop) -> Self {
        let v1::Hop { amount, decimals, symbol, asset, .. } = hop;
        Self { digits: amount, decimals: *decimals, symbol, asset }
    }
}

/// The most decimals that are shown: no asset has more, and a hostile number must not fill memory.
const MAX_DECIMALS: u32 = 80;

/// The longest symbol or asset name in a short amount, in characters.
const SHORT_NAME: usize = 8;

/// Decimals in a short amount.
const SHORT_DECIMALS: usize = 4;

/// Zeros after the point from which on a short amount is written by its power of ten.
const SHORT_ZEROS: usize = 7;

/// Digits before the point beyond which a short amount is written by its power of ten.
const SHORT_DIGITS: usize = 12;

impl<'a> Amount<'a> {
    /// To the last digit: `1,234.5 ETH`, `7 smallest units of 0x...`, `amount unknown`.
    pub fn exact(self) -> String {
        match self.parts() {
            None if self.digits.is_empty() => format!("amount unknown, {}", self.name()),
            None => format!("{} {}", self.digits, self.name()),
            Some((whole, fraction)) => {
                format!("{}{} {}", grouped(&whole), point(&fraction), self.unit())
            }
        }
    }

    /// In at most some twenty characters; what was cut is told by `≈`.
    pub fn short(self) -> String {
        let name = shortened(self.name(), SHORT_NAME);
        let Some((whole, fraction)) = self.parts() else {
            return match self.digits {
                "" => format!("? {name}"),
                digits => format!("{} {name}", shortened(digits, SHORT_NAME)),
            };
        };
        // How much a smallest unit is worth is told by the asset, which the exact amount names.
        let unit = if self.decimals.is_some() { name } else { "units".to_owned() };
        if whole.len() > SHORT_DIGITS {
            let power = whole.len() - 1;
            return format!("≈{}.{}e{power} {unit}", &whole[..1], &whole[1..3]);
        }
        // Of an amount below one, the first digits that say something.
        let digits = fraction.trim_start_matches('0');
        let zeros = fraction.len() - digits.len();
        if whole == "0" && zeros >= SHORT_ZEROS {
            let first = digits.get(..1).unwrap_or(digits);
            let about = if digits.len() > 1 { "≈" } else { "" };
            return format!("{about}{first}e-{} {unit}", zeros + 1);
        }
        let shown = if whole == "0" { zeros + SHORT_DECIMALS - 1 } else { SHORT_DECIMALS };
        match fraction.get(..shown) {
            Some(cut) if cut.len() < fraction.len() => {
                let cut = point(cut.trim_end_matches('0'));
                format!("≈{}{cut} {unit}", grouped(&whole))
            }
            _ => format!("{}{} {unit}", grouped(&whole), point(&fraction)),
        }
    }

    /// The digits before and after the point, without needless zeros; `None` where there is no
    /// number.
    fn parts(self) -> Option<(String, String)> {
        let digits = self.digits;
        if digits.is_empty() || digits.len() > 100 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let decimals = self.decimals.unwrap_or(0).min(MAX_DECIMALS) as usize;
        let padded = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = padded.split_at(padded.len() - decimals);
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        Some((whole.to_owned(), fraction.trim_end_matches('0').to_owned()))
    }

    fn name(self) -> &'a str {
        if self.symbol.is_empty() { self.asset } else { self.symbol }
    }

    fn unit(self) -> String {
        match self.decimals {
            Some(_) => self.name().to_owned(),
            None => format!("smallest units of {}", self.name()),
        }
    }
}

fn point(fraction: &str) -> String {
    if fraction.is_empty() { String::new() } else { format!(".{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let check = |amount: &str, decimals: Option<u32>, symbol: &str, want: [&str; 2]| {
            let hop = v1::Hop {
                amount: amount.to_owned(),
                decimals,
                symbol: symbol.to_owned(),
                asset: "native".to_owned(),
                ..Default::default()
            };
            let amount_of = Amount::from(&hop);
            assert_eq!([amount_of.exact(), amount_of.short()], want, "{amount} {decimals:?}");
        };
        check("12500000000000000000", Some(18), "ETH", ["12.5 ETH", "12.5 ETH"]);
        check("0", Some(18), "ETH", ["0 ETH", "0 ETH"]);
        check("1", Some(18), "ETH", ["0.000000000000000001 ETH", "1e-18 ETH"]);
        check("123456789", Some(8), "BTC", ["1.23456789 BTC", "≈1.2345 BTC"]);
        check("3456789", Some(8), "BTC", ["0.03456789 BTC", "≈0.0345 BTC"]);
        check("100000000", Some(8), "BTC", ["1 BTC", "1 BTC"]);
        check("123456712345678", Some(8), "BTC", ["1,234,567.12345678 BTC", "≈1,234,567.1234 BTC"]);
        check("1234", None, "", ["1,234 smallest units of native", "1,234 units"]);
        check("", Some(8), "BTC", ["amount unknown, BTC", "? BTC"]);
        check("12x", Some(8), "BTC", ["12x BTC", "12x BTC"]);
        let large = format!("1{}", "0".repeat(40));
        let grouped = format!("10{}.0", ",000".repeat(13)).replace(".0", "");
        check(&large, Some(0), "X", [&format!("{grouped} X"), "≈1.00e40 X"]);
        check("5", Some(u32::MAX), "X", [&format!("0.{}5 X", "0".repeat(79)), "5e-80 X"]);
    }
}
