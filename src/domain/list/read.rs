//! A list file as read, before anything is known of the list that it belongs to, and what was left
//! out of it.

use jiff::civil::Date;

use super::{Party, RowFacts, RowKey};

/// A list file as read, in canonical order whatever the file's: what `source` gives and
/// `publication` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadList {
    /// The day of publication that the file states.
    pub published: Option<Date>,
    /// The parties that have addresses, by uid, each once.
    pub parties: Vec<Party>,
    /// The rows, by key, each once.
    pub rows: Vec<(RowKey, RowFacts)>,
    /// Rows that repeated an earlier row's key and were folded into it.
    pub duplicates: u64,
}

impl ReadList {
    /// Returns how many bytes of text its rows and parties have.
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

/// What a list file was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its format, named or told from the content: `ofac-advanced`, ...
    pub format: &'static str,
    /// How it is compressed (`gzip`, ...); `None`: it is not.
    pub packing: Option<&'static str>,
    /// Rows that were read, repeated ones among them.
    pub rows: u64,
    /// Parties that have rows.
    pub parties: u64,
    /// The day of publication that the file states.
    pub published: Option<Date>,
    /// What was left out, or read with a doubt.
    pub notes: Vec<FileNote>,
}

/// Why a note was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKind {
    /// Values of a type that looks like one of addresses and is not known. They are rows, whose
    /// ticker names the type.
    UnknownType,
    /// Entries that should have an address and have none. They are left out.
    NoAddress,
    /// Entries of a kind that has no addresses. They are passed by.
    NotAddresses,
    /// Fields that this program has no place for. Their values are left out.
    UnknownField,
}

/// Something that was left out of a file, or read with a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNote {
    /// Why.
    pub kind: NoteKind,
    /// What: a type, a field, or what the entries are called.
    pub subject: String,
    /// How many values or entries.
    pub count: u64,
    /// The beginnings of the first of them; empty where the subject says it all.
    pub examples: Vec<String>,
}
