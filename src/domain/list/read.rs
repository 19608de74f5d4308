//! A list file as parsed, before it is compared with the loaded list, and what the reader skipped.

use jiff::civil::Date;

use super::{Party, RowFacts, RowKey};

/// A parsed list file in canonical order, whatever the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadList {
    /// The publication day stated in the file.
    pub published: Option<Date>,
    /// The parties with addresses, by uid, each once.
    pub parties: Vec<Party>,
    /// The rows, by key, each once.
    pub rows: Vec<(RowKey, RowFacts)>,
    /// Rows that repeated an earlier key and were merged into it.
    pub duplicates: u64,
}

impl ReadList {
    /// Returns the number of bytes of text in its rows and parties.
    pub fn text(&self) -> usize {
        let rows = self.rows.iter().map(|(key, facts)| {
            let key = key.party_uid.len() + key.address.len() + key.ticker.len();
            key + facts.category.len() + facts.reference.len()
        });
        let parties = self.parties.iter().map(|party| {
            let lists = party.aliases.iter().chain(&party.programs).map(String::len);
            party.uid.len() + party.name.len() + party.party_type.len() + lists.sum::<usize>()
        });
        rows.chain(parties).sum()
    }
}

/// How a list file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its format, given or detected: `ofac-advanced`, ...
    pub format: &'static str,
    /// Its compression (`gzip`, ...), if any.
    pub packing: Option<&'static str>,
    /// Rows that were read, including repeated ones.
    pub rows: u64,
    pub parties: u64,
    /// The publication day stated in the file.
    pub published: Option<Date>,
    /// What was skipped, or read with a doubt.
    pub notes: Vec<FileNote>,
}

/// Why a note was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKind {
    /// Values of an unknown type that resembles addresses. They become rows, whose ticker names the
    /// type.
    UnknownType,
    /// Entries without the address that they should have. They are skipped.
    NoAddress,
    /// Entries of a kind without addresses. They are skipped.
    NotAddresses,
    /// Unsupported fields. Their values are dropped.
    UnknownField,
}

/// Something that was skipped in a file, or read with a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNote {
    pub kind: NoteKind,
    /// A type, a field, or the name of the entries.
    pub subject: String,
    /// Number of values or entries.
    pub count: u64,
    /// The beginnings of the first examples; empty if the subject is enough.
    pub examples: Vec<String>,
}
