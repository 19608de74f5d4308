//! The raw value of a setting, and its conversion to the type of a key.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use toml::de::DeValue;

/// The raw value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum RawValue {
    /// From the environment or a flag: the key's type decides how to parse it.
    Text(String),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A TOML table; each of its keys is a setting of its own.
    Table,
    /// A TOML value of a type that no key has, in words.
    Other(&'static str),
}

impl RawValue {
    pub fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::String(text.clone().into_owned()),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or(Self::Other("an integer beyond 64 bits"), Self::Integer),
            DeValue::Float(float) => {
                float.as_str().parse().map_or(Self::Other("a float"), Self::Float)
            }
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Array(_) => Self::Other("an array"),
            DeValue::Table(_) => Self::Table,
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Table => "a table",
            Self::Other(words) => words,
        }
    }

    /// Fails if the string is empty.
    pub fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) | Self::String(text) if text.is_empty() => {
                Err("must not be empty".to_owned())
            }
            Self::Text(text) | Self::String(text) => Ok(text),
            other => Err(format!("must be a string, not {}", other.words())),
        }
    }

    pub fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(&self) -> Result<T, String> {
        self.text()?.parse().map_err(|error: T::Err| error.to_string())
    }

    pub fn boolean(&self) -> Result<bool, String> {
        match self {
            Self::Boolean(boolean) => Ok(*boolean),
            Self::Text(text) => {
                text.parse().map_err(|_| format!("must be true or false, not {text:?}"))
            }
            other => Err(format!("must be true or false, not {}", other.words())),
        }
    }

    pub fn integer(&self, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
        let refusal = |found: &str| {
            format!("must be an integer from {} to {}, not {found}", bounds.start(), bounds.end())
        };
        let integer = match self {
            Self::Integer(integer) => u64::try_from(*integer).map_err(|_| integer.to_string()),
            Self::Text(text) => text.parse().map_err(|_| format!("{text:?}")),
            other => Err(other.words().to_owned()),
        };
        match integer {
            Ok(integer) if bounds.contains(&integer) => Ok(integer),
            Ok(integer) => Err(refusal(&integer.to_string())),
            Err(found) => Err(refusal(&found)),
        }
    }

    /// From 0 to 1.
    pub fn fraction(&self) -> Result<f64, String> {
        let fraction = match self {
            Self::Float(float) => Some(*float),
            Self::Integer(0) => Some(0.0),
            Self::Integer(1) => Some(1.0),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        };
        fraction
            .filter(|fraction| (0.0..=1.0).contains(fraction))
            .ok_or_else(|| "must be a fraction from 0.0 to 1.0".to_owned())
    }

    /// A duration such as `90s`, `5m`, `2h` or `3d` (a day has 24 hours).
    pub fn duration(&self) -> Result<Duration, String> {
        let text = self.text()?;
        text.parse::<Span>()
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .ok_or_else(|| format!("invalid duration {text:?}; use 90s, 5m, 2h or 3d"))
    }
}
