//! The wanted values of a JSON object as text, with numbers verbatim.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::{ABSENT, Bits, Columns};
use super::csv_rows::Span;
use super::error::RowShapeFault;
use crate::source::error::Fault;
use crate::source::excerpt::excerpt;

/// The wanted values of one object.
#[derive(Default)]
pub(super) struct Values {
    text: Vec<u8>,
    spans: Vec<Span>,
    /// Which values are strings, by column.
    strings: Bits,
    /// True if the object has other keys.
    has_others: bool,
    fault: Option<RowShapeFault>,
    /// True if repeated or unknown keys are allowed.
    lenient: bool,
}

impl Values {
    /// Extracts the values of `columns` from an object. Null equals absent, strings are unescaped,
    /// arrays and objects stay verbatim.
    pub(super) fn pick(
        &mut self,
        object: &[u8],
        columns: &Columns<'_>,
    ) -> Result<(), RowShapeFault> {
        self.text.clear();
        self.spans.clear();
        self.spans.resize(columns.list.len(), ABSENT);
        self.strings = Bits::default();
        self.has_others = false;
        self.fault = None;
        let mut json = serde_json::Deserializer::from_slice(object);
        let picked = json.deserialize_map(Pick { values: self, columns });
        match picked.and_then(|()| json.end()) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fault.take().unwrap_or_else(|| syntax(error))),
        }
    }

    /// Extracts the values of `columns` from a rejected object: ignores other keys, and drops
    /// repeated ones.
    pub(super) fn pick_readable(
        &mut self,
        object: &[u8],
        columns: &Columns<'_>,
    ) -> Result<(), RowShapeFault> {
        self.lenient = true;
        let picked = self.pick(object, columns);
        self.lenient = false;
        picked
    }

    /// Returns the text of the spans, and the span of each column's value.
    pub(super) fn fields(&self) -> (&[u8], &[Span]) {
        (&self.text, &self.spans)
    }

    /// Returns which values are strings.
    pub(super) fn strings(&self) -> &Bits {
        &self.strings
    }

    /// True if the object has other keys.
    pub(super) fn has_others(&self) -> bool {
        self.has_others
    }
}

/// Converts an error of `serde_json`.
pub(in crate::source) fn syntax(error: serde_json::Error) -> RowShapeFault {
    RowShapeFault::Syntax(Fault::json(error).to_string())
}

/// Returns the keys of an object, in order.
pub(super) fn keys(object: &[u8]) -> Result<Vec<String>, RowShapeFault> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some(key) = map.next_key()? {
                keys.push(key);
                map.next_value::<IgnoredAny>()?;
            }
            Ok(keys)
        }
    }
    serde_json::Deserializer::from_slice(object).deserialize_map(Keys).map_err(syntax)
}

struct Pick<'a> {
    values: &'a mut Values,
    columns: &'a Columns<'a>,
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut seen, mut twice) = (Bits::default(), Bits::default());
        while let Some(key) = map.next_key_seed(Key(self.columns))? {
            let fault = match key {
                Ok(column) if seen.has(column) && self.values.lenient => {
                    map.next_value::<IgnoredAny>()?;
                    twice.set(column);
                    continue;
                }
                Ok(column) if seen.has(column) => {
                    RowShapeFault::RepeatedKey(self.columns.list[column].name.to_owned())
                }
                Ok(column) => {
                    seen.set(column);
                    let raw = map.next_value::<&RawValue>()?.get();
                    if raw != "null" {
                        let start = self.values.text.len();
                        append(raw, &mut self.values.text).map_err(A::Error::custom)?;
                        if raw.starts_with('"') {
                            self.values.strings.set(column);
                        }
                        self.values.spans[column] = (start, self.values.text.len());
                    }
                    continue;
                }
                Err(unknown) if unknown.is_none() || self.values.lenient => {
                    map.next_value::<IgnoredAny>()?;
                    self.values.has_others = true;
                    continue;
                }
                Err(unknown) => RowShapeFault::UnknownKey(unknown.unwrap_or_default()),
            };
            self.values.fault = Some(fault);
            return Err(A::Error::custom("refused"));
        }
        for (column, span) in self.values.spans.iter_mut().enumerate() {
            if twice.has(column) {
                *span = ABSENT;
            }
        }
        Ok(())
    }
}

/// Appends the value as text.
fn append(raw: &str, text: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match raw.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => text.extend_from_slice(inner),
        [b'"', ..] => text.extend_from_slice(serde_json::from_str::<String>(raw)?.as_bytes()),
        raw => text.extend_from_slice(raw),
    }
    Ok(())
}

/// Returns a key's column; otherwise the key, if unknown keys are not allowed.
struct Key<'a>(&'a Columns<'a>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Result<usize, Option<String>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Result<usize, Option<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(match self.0.find(key) {
            Some(column) => Ok(column),
            None if self.0.refuses(key) => Err(Some(excerpt(key))),
            None => Err(None),
        })
    }
}
