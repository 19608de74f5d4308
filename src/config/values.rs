//! The kinds of values: what a key takes, in words and as a parser.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use toml::Value;

/// A key as the documents show it.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub name: &'static str,
    /// What its value is, in words.
    pub kind: String,
    /// The default as a value, if it has one.
    pub default: Option<String>,
    /// The default in words, where it is no value.
    pub without: Option<&'static str>,
    pub example: Option<&'static str>,
    /// The lines of its doc comment.
    pub text: &'static str,
}

/// Returns the name of a field without the mark of a keyword (`r#static`).
pub(super) fn bare(field: &str) -> &str {
    field.trim_start_matches("r#")
}

/// A value as it was given.
#[derive(Clone, Debug)]
pub(super) struct Given<'p> {
    pub value: Value,
    /// Whether it is a string from a variable or a flag, which stands for a value of any kind.
    pub is_text: bool,
    /// The path of its key.
    pub path: &'p [String],
}

// What is not asked for is refused.
#[allow(clippy::wildcard_enum_match_arm)]
impl Given<'_> {
    /// Returns a string. Fails if it is empty.
    pub fn text(&self) -> Result<&str, String> {
        match &self.value {
            Value::String(text) if text.is_empty() => Err("must not be empty".to_owned()),
            Value::String(text) => Ok(text),
            _ => Err(format!("must be a string, not {}", self.words())),
        }
    }

    /// Returns what it is, in words: its content if it is text.
    fn words(&self) -> String {
        match &self.value {
            Value::String(text) if self.is_text => format!("{text:?}"),
            Value::Datetime(_) => "a date".to_owned(),
            Value::Integer(_) | Value::Array(_) => format!("an {}", self.value.type_str()),
            value => format!("a {}", value.type_str()),
        }
    }

    /// Parses the text of a variable or a flag.
    fn parsed<T: FromStr>(&self) -> Option<T> {
        self.value.as_str().filter(|_| self.is_text)?.parse().ok()
    }

    pub fn boolean(&self) -> Result<bool, String> {
        let boolean = self.value.as_bool().or_else(|| self.parsed());
        boolean.ok_or_else(|| format!("must be true or false, not {}", self.words()))
    }
}

type Parser<T> = Box<dyn Fn(&Given<'_>) -> Result<T, String>>;

/// What a key takes, and its default.
pub(super) struct Kind<T> {
    words: String,
    parser: Parser<T>,
    /// Makes the value of a key that is not given, for kinds with an empty value.
    empty: Option<fn() -> T>,
    default: Option<String>,
    without: Option<&'static str>,
    example: Option<&'static str>,
}

impl<T> Kind<T> {
    pub fn new(
        words: impl Into<String>,
        parser: impl Fn(&Given<'_>) -> Result<T, String> + 'static,
    ) -> Self {
        let (words, parser) = (words.into(), Box::new(parser));
        Self { words, parser, empty: None, default: None, without: None, example: None }
    }

    /// Sets the default, as a variable would have it.
    pub fn or(self, default: impl Display) -> Self {
        Self { default: Some(default.to_string()), ..self }
    }

    /// Sets what the documents say of the default.
    pub fn without(self, words: &'static str) -> Self {
        Self { without: Some(words), ..self }
    }

    pub fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    pub fn parse(&self, given: &Given<'_>) -> Result<T, String> {
        (self.parser)(given)
    }

    pub fn key(self, field: &'static str, text: &'static str) -> Key {
        let Self { words: kind, default, without, example, .. } = self;
        Key { name: bare(field), kind, default, without, example, text }
    }

    fn default_value(&self) -> T {
        if let Some(empty) = self.empty {
            return empty();
        }
        let text = self.default.clone().unwrap_or_default();
        let parsed = self.parse(&Given { value: Value::String(text), is_text: true, path: &[] });
        parsed.expect("a key that is not optional has a default of its kind: a test reads them all")
    }
}

/// The field of a key: of the value's type, or optional.
pub(super) trait Slot<T> {
    fn preset(kind: &Kind<T>) -> Self;
    fn fill(&mut self, value: T);
}

impl<T> Slot<T> for T {
    fn preset(kind: &Kind<T>) -> Self {
        kind.default_value()
    }

    fn fill(&mut self, value: T) {
        *self = value;
    }
}

impl<T> Slot<T> for Option<T> {
    fn preset(_: &Kind<T>) -> Self {
        None
    }

    fn fill(&mut self, value: T) {
        *self = Some(value);
    }
}

pub(super) fn boolean() -> Kind<bool> {
    Kind::new("`true` or `false`", |given| given.boolean())
}

pub(super) fn string() -> Kind<String> {
    parsed("string", |text| Ok(text.to_owned()))
}

pub(super) fn path() -> Kind<PathBuf> {
    parsed("path", |text| Ok(text.into()))
}

/// A string that `parse` understands.
pub(super) fn parsed<T>(
    words: &str,
    parse: impl Fn(&str) -> Result<T, String> + 'static,
) -> Kind<T> {
    Kind::new(words, move |given| parse(given.text()?))
}

/// A string that is understood as a `T`.
pub(super) fn string_of<T: FromStr<Err: Display>>(words: &str) -> Kind<T> {
    parsed(words, |text| text.parse().map_err(|error: T::Err| error.to_string()))
}

pub(super) fn integer<T: TryFrom<u64>>(bounds: RangeInclusive<u64>) -> Kind<T> {
    let words = format!("integer from {} to {}", bounds.start(), bounds.end());
    let must = format!("must be an {words}, not");
    Kind::new(words, move |given| {
        let found = match (given.value.as_integer(), given.parsed::<u64>()) {
            (Some(integer), _) => u64::try_from(integer).map_err(|_| integer.to_string()),
            (None, Some(integer)) => Ok(integer),
            (None, None) => Err(given.words()),
        };
        let found = found.map_err(|words| format!("{must} {words}"))?;
        let within = bounds.contains(&found).then(|| T::try_from(found).ok()).flatten();
        within.ok_or_else(|| format!("{must} {found}"))
    })
}

/// A number from 0 to 1.
pub(super) fn fraction() -> Kind<f64> {
    Kind::new("number from 0.0 to 1.0", |given| {
        let whole = given.value.as_integer().map(|integer| integer as f64);
        let number = given.value.as_float().or(whole).or_else(|| given.parsed());
        number
            .filter(|number| (0.0..=1.0).contains(number))
            .ok_or_else(|| "must be a fraction from 0.0 to 1.0".to_owned())
    })
}

/// A duration such as `90s`, `5m`, `2h` or `3d` (a day has 24 hours) that `check` accepts.
pub(super) fn duration(check: fn(Duration) -> Result<Duration, String>) -> Kind<Duration> {
    parsed("duration", move |text| {
        let span = text.parse::<Span>();
        let duration = span
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok());
        check(duration.ok_or_else(|| format!("invalid duration {text:?}; use 90s, 5m, 2h or 3d"))?)
    })
}

/// Values separated by commas, sorted and without duplicates; from 1 to `most`. Not given: none.
pub(super) fn several<T: Ord>(
    words: &str,
    most: usize,
    parse: impl Fn(&str) -> Result<T, String> + 'static,
) -> Kind<Vec<T>> {
    let kind = parsed(words, move |text| {
        let mut values = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if values.len() >= most {
                return Err(format!("more than {most} values"));
            }
            values.push(parse(word)?);
        }
        values.sort();
        values.dedup();
        if values.is_empty() { Err("must not be empty".to_owned()) } else { Ok(values) }
    });
    Kind { empty: Some(Vec::new), ..kind }
}
