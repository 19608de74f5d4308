//! How tables of keys are declared and read: a key stands once with its kind, default and text, and
//! serde reads documents onto the tables. Every problem is kept with the place of its key.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Unexpected, Visitor};
use toml::Spanned;

use super::origin::{ConfigError, Origin, Problem};
use super::values::{Given, Kind, Slot};

/// A table of keys, onto which documents are read in the order of their precedence.
pub(super) trait Table {
    /// Reads the next value of `map`, that of `key`. Reads nothing for an unknown key, and returns
    /// false.
    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        reading: &mut Reading<'_>,
    ) -> bool;
}

/// Declares a table of keys: the struct, its defaults, how it is read, and its rows in the
/// documents. `tables` are tables within it; `also` are fields that are no keys.
macro_rules! table {
    (
        $(#[doc = $about:literal])*
        pub struct $Table:ident {
            $($(#[doc = $text:literal])* $key:ident: $type:ty = $kind:expr;)*
        }
        $(tables { $($inner:ident: $Inner:ty;)* })?
        $(also { $($(#[doc = $note:literal])* $also:ident: $Also:ty = $value:expr;)* })?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Table {
            $($(#[doc = $text])* pub $key: $type,)*
            $($(pub $inner: $Inner,)*)?
            $($($(#[doc = $note])* pub $also: $Also,)*)?
        }

        impl $Table {
            pub(in crate::config) const ABOUT: &str = concat!($($about, "\n"),*);

            pub(in crate::config) fn keys() -> Vec<$crate::config::values::Key> {
                vec![$($kind.key(stringify!($key), concat!($($text, "\n"),*))),*]
            }
        }

        impl Default for $Table {
            fn default() -> Self {
                Self {
                    $($key: $crate::config::values::Slot::preset(&$kind),)*
                    $($($inner: Default::default(),)*)?
                    $($($also: $value,)*)?
                }
            }
        }

        impl $crate::config::settings::Table for $Table {
            fn read<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
                reading: &mut $crate::config::settings::Reading<'_>,
            ) -> bool {
                $(if key == $crate::config::values::bare(stringify!($key)) {
                    reading.value(map, &$kind, &mut self.$key);
                    return true;
                })*
                $($(if key == stringify!($inner) {
                    reading.table(map, &mut self.$inner);
                    return true;
                })*)?
                false
            }
        }
    };
}
pub(super) use table;

/// The name of a table among others of its kind, such as a list id.
pub(super) trait Name: Ord + Sized {
    /// The most tables, and what they are.
    const MOST: (usize, &str) = (usize::MAX, "");

    /// Parses the last segment of a path of keys.
    fn parse(path: &[String]) -> Result<Self, String>;
}

/// Tables by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named<K, T>(pub BTreeMap<K, Entry<T>>);

/// A named table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry<T> {
    /// Its path as written last, such as `lists.us-ofac-sdn`.
    pub path: String,
    /// Where it was named first.
    pub first: Origin,
    /// Whether one of its keys was refused. Then nothing else is said of it.
    pub is_refused: bool,
    pub table: T,
}

impl<T> Entry<T> {
    pub fn new(path: String, first: Origin, table: T) -> Self {
        Self { path, first, is_refused: false, table }
    }
}

impl<K, T> Default for Named<K, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Name, T: Table + Default> Table for Named<K, T> {
    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        _: &str,
        map: &mut A,
        reading: &mut Reading<'_>,
    ) -> bool {
        let parsed = K::parse(&reading.path).and_then(|name| {
            let (most, what) = K::MOST;
            let is_full = self.0.len() >= most && !self.0.contains_key(&name);
            if is_full { Err(format!("more than {most} {what}")) } else { Ok(name) }
        });
        let name = match parsed {
            Ok(name) => name,
            Err(message) => {
                reading.skip(map);
                reading.refuse(message);
                return true;
            }
        };
        let (path, first) = (reading.path.join("."), reading.origin.clone());
        let new = || Entry::new(path.clone(), first, T::default());
        let entry = self.0.entry(name).or_insert_with(new);
        entry.path = path;
        let before = reading.problems.len();
        reading.table(map, &mut entry.table);
        entry.is_refused |= reading.problems.len() > before;
        true
    }
}

/// The documents of a configuration while they are read.
#[derive(Debug)]
pub(super) struct Reading<'t> {
    /// The configuration file, while it is read.
    file: Option<(&'t Path, &'t str)>,
    /// The origin of the key that is read.
    origin: Origin,
    /// Whether values are text of a variable or a flag, which the key's kind parses.
    is_text: bool,
    path: Vec<String>,
    /// The origin of each key that was given, by its path as written.
    given: BTreeMap<String, Origin>,
    pub problems: Vec<Problem>,
}

impl<'t> Reading<'t> {
    pub fn new() -> Self {
        Self {
            file: None,
            origin: Origin::Default,
            is_text: false,
            path: Vec::new(),
            given: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// Reads a file.
    pub fn file(&mut self, root: &mut impl Table, path: &'t Path, text: &'t str) {
        self.file = Some((path, text));
        self.is_text = false;
        let read = toml::Deserializer::parse(text).and_then(|document| {
            let onto = Onto(root, self);
            onto.deserialize(document)
        });
        if let Err(error) = read {
            let origin = self.origin_at(error.span().map_or(0, |span| span.start));
            self.problem(origin, error.message().replace('\n', ", "));
        }
        self.file = None;
    }

    /// Reads the document of one key, from a variable or a flag. `is_text`: its kind parses it.
    pub fn overlay<'de, D>(&mut self, root: &mut impl Table, origin: Origin, is_text: bool, one: D)
    where
        D: Deserializer<'de>,
    {
        self.origin = origin;
        self.is_text = is_text;
        if let Err(error) = Onto(root, self).deserialize(one) {
            self.problem(self.origin.clone(), error.to_string());
        }
    }

    fn origin_at(&self, offset: usize) -> Origin {
        let Some((path, text)) = self.file else { return self.origin.clone() };
        let before = text.as_bytes().iter().take(offset);
        Origin::File(path.to_owned(), 1 + before.filter(|byte| **byte == b'\n').count())
    }

    /// Returns where a key was given last, by its path as written; `None` if it was not.
    pub fn given(&self, table: &str, key: &str) -> Option<&Origin> {
        self.given.get(&format!("{table}.{key}"))
    }

    pub fn problem(&mut self, origin: Origin, message: impl Into<String>) {
        self.problems.push(Problem { origin, message: message.into() });
    }

    /// Returns the origin of a key, by its path.
    pub fn origin_of(&self, key: &str) -> Origin {
        self.given.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Adds a problem with a key, by its path.
    pub fn problem_with(&mut self, key: &str, message: &str) {
        self.problem(self.origin_of(key), format!("{key}: {message}"));
    }

    /// Returns the problems as an error: those of the file by line, then the others as they came.
    pub fn finish(mut self) -> Result<(), ConfigError> {
        self.problems.sort_by_key(|problem| match problem.origin {
            Origin::Default => (0, 0),
            Origin::File(_, line) => (1, line),
            Origin::Variable(_) | Origin::Flag(_) => (2, 0),
        });
        if self.problems.is_empty() { Ok(()) } else { Err(ConfigError { problems: self.problems }) }
    }

    /// Adds a problem of a named table, at one of its keys if that was given.
    pub fn problem_in<T>(&mut self, entry: &Entry<T>, key: &str, message: impl Display) {
        let origin = self.given(&entry.path, key).unwrap_or(&entry.first).clone();
        self.problem(origin, format!("{}: {message}", entry.path));
    }

    /// Adds a problem with the key that is read.
    fn refuse(&mut self, message: impl Display) {
        // The further lines of an error of TOML say where it is, which the origin says.
        let message = message.to_string();
        let message = message.lines().next().unwrap_or_default();
        self.problem(self.origin.clone(), format!("{}: {message}", self.path.join(".")));
    }

    fn skip<'de, A: MapAccess<'de>>(&mut self, map: &mut A) {
        if let Err(error) = map.next_value::<IgnoredAny>() {
            self.refuse(error);
        }
    }

    pub fn value<'de, A, T, S>(&mut self, map: &mut A, kind: &Kind<T>, slot: &mut S)
    where
        A: MapAccess<'de>,
        S: Slot<T>,
    {
        // The reader refuses nothing else, and its text repeats the digits.
        let beyond = |_| "must be a number within 64 bits".to_owned();
        let given = map.next_value::<toml::Value>().map_err(beyond);
        let (is_text, path) = (self.is_text, &self.path);
        match given.and_then(|value| kind.parse(&Given { value, is_text, path })) {
            Ok(value) => {
                slot.fill(value);
                self.given.insert(self.path.join("."), self.origin.clone());
            }
            Err(message) => self.refuse(message),
        }
    }

    pub fn table<'de, A: MapAccess<'de>>(&mut self, map: &mut A, table: &mut impl Table) {
        if let Err(error) = map.next_value_seed(Onto(table, self)) {
            self.refuse(error);
        }
    }
}

/// Refuses a value where a table belongs. It may be a secret that stands a level too high, so that it
/// is not repeated.
macro_rules! refuse_unquoted {
    ($($visit:ident($type:ty) $what:literal,)*) => {
        $(fn $visit<E: de::Error>(self, _: $type) -> Result<(), E> {
            Err(E::invalid_type(Unexpected::Other($what), &self))
        })*
    };
}

/// Reads a document, or a table in it, onto a table of keys. Fails only if it is no table.
struct Onto<'a, 't, T>(&'a mut T, &'a mut Reading<'t>);

impl<'de, T: Table> DeserializeSeed<'de> for Onto<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Table> Visitor<'de> for Onto<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    refuse_unquoted! {
        visit_str(&str) "string",
        visit_i64(i64) "integer",
        visit_u64(u64) "integer",
        visit_i128(i128) "integer",
        visit_u128(u128) "integer",
        visit_f64(f64) "float",
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(table, reading) = self;
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            reading.origin = reading.origin_at(key.span().start);
            let key = key.into_inner();
            reading.path.push(key.clone());
            if !table.read(&key, &mut map, reading) {
                reading.skip(&mut map);
                let message = format!("unknown key \"{}\"", reading.path.join("."));
                reading.problem(reading.origin.clone(), message);
            }
            reading.path.pop();
        }
        Ok(())
    }
}
