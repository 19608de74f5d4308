//! A list file as read, before anything is known of the list that it belongs to.

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
