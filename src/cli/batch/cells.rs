//! What the cells of a batch's result hold: decisions, shares, joined values.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// In the column `common_input`: CO_SPENT, and the address itself stood beside a listed one.
pub const BESIDE: &str = "BESIDE";

/// CO_SPENT, over a chain of transactions.
pub const CHAIN: &str = "CHAIN";

/// An exposure whose path begins at an address that is joined with the listed one.
pub const PATH: &str = "PATH";

/// What a row came to, from best to worst.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "UPPERCASE")]
pub enum RowDecision {
    Allow,
    /// A person has to look.
    Review,
    /// The row could not be asked.
    #[default]
    Error,
    Block,
}

impl RowDecision {
    pub const ALL: [Self; 4] = [Self::Allow, Self::Review, Self::Error, Self::Block];

    /// The name in a result.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl FromStr for RowDecision {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == text).ok_or(())
    }
}

/// A share in hundredths of a per cent, written in per cent with two decimals (`12.50`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl FromStr for Share {
    type Err = ();

    /// Digits, with at most two after a point (a writer of JSON may have left zeros out).
    fn from_str(text: &str) -> Result<Self, ()> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) || !(1..=2).contains(&part.len()) {
            return Err(());
        }
        let whole: u32 = whole.parse().map_err(|_| ())?;
        let part: u32 = format!("{part:0<2}").parse().map_err(|_| ())?;
        whole.checked_mul(100).and_then(|whole| whole.checked_add(part)).map(Self).ok_or(())
    }
}

/// Joins values into one cell, as a list's own CSV form does: `a|b`, with a backslash before a bar or
/// a backslash of a value.
pub fn join_values(values: &[String]) -> String {
    let escaped = values.iter().map(|value| value.replace('\\', "\\\\").replace('|', "\\|"));
    escaped.collect::<Vec<_>>().join("|")
}

/// Splits a cell into the values that [`join_values`] joined. Any other backslash is kept: cells of
/// CSV have escapes such as `\u{202e}` too.
pub fn split_values(cell: &str) -> Vec<String> {
    if cell.is_empty() {
        return Vec::new();
    }
    let mut values = Vec::new();
    let mut value = String::new();
    let mut characters = cell.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '|' => values.push(std::mem::take(&mut value)),
            '\\' => {
                let escaped = characters.next_if(|next| matches!(next, '|' | '\\'));
                value.push(escaped.unwrap_or('\\'));
            }
            other => value.push(other),
        }
    }
    values.push(value);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_decimals() {
        let check = |points: u32, want: &str| {
            assert_eq!(Share(points).to_string(), want);
            assert_eq!(want.parse(), Ok(Share(points)), "{want}");
        };
        check(0, "0.00");
        check(7, "0.07");
        check(1_250, "12.50");
        check(10_000, "100.00");
        assert_eq!("12.5".parse(), Ok(Share(1_250)));
        assert_eq!("12".parse(), Ok(Share(1_200)));
        for text in ["", ".5", "1.", "1.234", "-1", "+1", "1e2", "42949672.96", "1.+1"] {
            assert_eq!(text.parse::<Share>(), Err(()), "{text:?}");
        }
    }

    #[test]
    fn values_of_a_cell_are_read_back() {
        let check = |values: &[&str], want: &str| {
            let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(join_values(&values), want);
            assert_eq!(split_values(want), values, "{want}");
        };
        check(&[], "");
        check(&["a"], "a");
        check(&["a", "b c", ""], "a|b c|");
        check(&["a|b", "c\\"], "a\\|b|c\\\\");
        // As a cell of CSV has what a terminal obeys.
        assert_eq!(split_values("x\\u{202e}|y\\n"), ["x\\u{202e}", "y\\n"]);
    }

    #[test]
    fn decisions_are_read_back_and_ordered() {
        for decision in RowDecision::ALL {
            assert_eq!(decision.as_str().parse(), Ok(decision));
            let json = serde_json::to_string(&decision).unwrap();
            assert_eq!(json, format!("\"{decision}\""));
        }
        assert_eq!("allow".parse::<RowDecision>(), Err(()));
        assert!(RowDecision::ALL.is_sorted());
    }
}
