//! A row of Lazaretto's own CSV and JSON-lines forms: its fields, and its conversion to a party and
//! a row.

use jiff::civil::Date;

use super::Bounds;
use super::assembly::{Assembly, bounded};
use super::error::Fault;
use crate::domain::list::{Party, RowFacts, RowKey, UNATTRIBUTED};

/// The version of these forms.
pub(super) const VERSION: u64 = 1;

/// The fields, in the order in which they are written. Only `address` is required.
pub(super) const FIELDS: [&str; 11] = [
    "address",
    "ticker",
    "party_uid",
    "party_name",
    "party_aliases",
    "party_type",
    "programs",
    "party_listed_on",
    "listed_on",
    "category",
    "reference",
];

/// One row. The uid of a party defaults to its name, and then to `unattributed`.
#[derive(Default)]
pub(super) struct OwnRow {
    pub(super) key: RowKey,
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) party_type: String,
    pub(super) programs: Vec<String>,
    pub(super) party_listed_on: Vec<Date>,
    pub(super) facts: RowFacts,
}

impl OwnRow {
    /// Adds party and row to the list; rows of one party must agree on it.
    pub(super) fn add(mut self, list: &mut Assembly, bounds: &Bounds) -> Result<(), Fault> {
        if self.key.party_uid.is_empty() {
            let name = if self.name.is_empty() { UNATTRIBUTED } else { &self.name };
            self.key.party_uid = name.to_owned();
        }
        let single = [&self.key.address, &self.key.ticker, &self.key.party_uid, &self.name];
        let more = [&self.party_type, &self.facts.category, &self.facts.reference];
        for text in single.into_iter().chain(more).chain(&self.aliases).chain(&self.programs) {
            bounded(text, bounds)?;
        }
        list.same_party(Party {
            uid: self.key.party_uid.clone(),
            name: self.name,
            aliases: self.aliases,
            party_type: self.party_type,
            programs: self.programs,
            listed_on: self.party_listed_on,
        })?;
        list.row(self.key, self.facts)
    }
}

/// Fails on another version of these forms.
pub(super) fn check_version(version: u64) -> Result<(), Fault> {
    if version == VERSION {
        Ok(())
    } else {
        Err(Fault::BadValue("the version", version.to_string()))
    }
}

/// Fails if the file states another number of rows.
pub(super) fn check_count(stated: Option<u64>, list: &Assembly) -> Result<(), Fault> {
    let found = list.seen() as u64;
    match stated {
        Some(stated) if stated != found => Err(Fault::Count { stated, found }),
        _ => Ok(()),
    }
}
