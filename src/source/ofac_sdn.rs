//! OFAC's plain XML (`SDN.XML`, `CONSOLIDATED.XML`): the entries with digital currency addresses.
//! The namespace is ignored, because it has changed.
//!
//! Form: <https://ofac.treasury.gov/sdn-list-data-formats-data-schemas>. It has no listing days.
//! `publshInformation` is OFAC's spelling.

use std::mem;

use jiff::civil::Date;

use super::assembly::{Assembled, Assembly};
use super::error::{Fault, SourceError};
use super::excerpt::excerpt;
use super::ofac_types::{OfacType, note_unknown};
use super::unpack::Input;
use super::xml::{Node, Step, walk};
use super::{Bounds, Format};
use crate::domain::list::{NoteKind, Party, RowFacts, RowKey};

pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Assembled, SourceError> {
    let mut state = Sdn::new(bounds);
    walk(input, Format::OfacSdn, "sdnList", bounds, |depth, node| match node {
        Node::Start(tag) => Ok(state.start(depth, tag.name())),
        Node::End(name, text) => state.end(depth, name, text.unwrap_or_default()),
    })?;
    Ok(state.list.finish(state.published))
}

/// A group of values that the same names stand in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Entry,
    Publication,
    Alias,
    Id,
}

#[derive(Default)]
struct Name {
    last: String,
    first: String,
}

impl Name {
    /// `lastName, firstName`, as OFAC prints names.
    fn spelled(self) -> String {
        match (self.last.trim(), self.first.trim()) {
            (last, "") => last.to_owned(),
            ("", first) => first.to_owned(),
            (last, first) => format!("{last}, {first}"),
        }
    }
}

struct Sdn {
    group: Group,
    published: Option<Date>,
    record_count: Option<u64>,
    entries: u64,
    party: Party,
    name: Name,
    alias: Name,
    id_type: String,
    id_number: String,
    /// Ticker and address.
    addresses: Vec<(String, String)>,
    /// Bytes of the entry that is being read.
    held: usize,
    max_held: usize,
    list: Assembly,
}

impl Sdn {
    fn new(bounds: &Bounds) -> Self {
        Self {
            group: Group::Entry,
            published: None,
            record_count: None,
            entries: 0,
            party: Party::default(),
            name: Name::default(),
            alias: Name::default(),
            id_type: String::new(),
            id_number: String::new(),
            addresses: Vec::new(),
            held: 0,
            max_held: bounds.max_kept,
            list: Assembly::new(bounds),
        }
    }

    fn start(&mut self, depth: usize, name: &str) -> Step {
        let into = match (depth, name) {
            (1, _) | (2, "sdnEntry") | (3, "programList" | "akaList" | "idList") => None,
            (2, "publshInformation") => Some(Group::Publication),
            (4, "aka") => Some(Group::Alias),
            (4, "id") => Some(Group::Id),
            (3, "Publish_Date" | "Record_Count" | "uid" | "lastName" | "firstName" | "sdnType")
            | (4, "program")
            | (5, "lastName" | "firstName" | "idType" | "idNumber") => return Step::Text,
            _ => return Step::Skip,
        };
        self.group = into.unwrap_or(self.group);
        Step::Into
    }

    fn end(&mut self, depth: usize, name: &str, text: &str) -> Result<Step, Fault> {
        self.held += text.len() + size_of::<Name>();
        if self.held > self.max_held {
            return Err(Fault::TooMuchKept(self.max_held));
        }
        match (self.group, depth, name) {
            (_, 1, _) => self.check_count()?,
            (_, 2, "sdnEntry") => self.keep_entry()?,
            (Group::Publication, 2, _) => self.group = Group::Entry,
            (Group::Publication, 3, "Publish_Date") => self.published = Some(us_day(text)?),
            (Group::Publication, 3, "Record_Count") => {
                let bad = |_| Fault::BadValue("Record_Count", excerpt(text));
                self.record_count = Some(text.trim().parse().map_err(bad)?);
            }
            (Group::Entry, 3, "uid") => text.trim().clone_into(&mut self.party.uid),
            (Group::Entry, 3, "lastName") => text.clone_into(&mut self.name.last),
            (Group::Entry, 3, "firstName") => text.clone_into(&mut self.name.first),
            (Group::Entry, 3, "sdnType") => text.trim().clone_into(&mut self.party.party_type),
            (Group::Entry, 4, "program") => self.party.programs.push(text.trim().to_owned()),
            (Group::Alias, 5, "lastName") => text.clone_into(&mut self.alias.last),
            (Group::Alias, 5, "firstName") => text.clone_into(&mut self.alias.first),
            (Group::Alias, 4, _) => {
                self.party.aliases.push(mem::take(&mut self.alias).spelled());
                self.group = Group::Entry;
            }
            (Group::Id, 5, "idType") => text.clone_into(&mut self.id_type),
            (Group::Id, 5, "idNumber") => text.clone_into(&mut self.id_number),
            (Group::Id, 4, _) => {
                if let Some(ticker) = OfacType::read(&self.id_type).into_ticker() {
                    self.addresses.push((ticker, mem::take(&mut self.id_number)));
                }
                self.id_type.clear();
                self.id_number.clear();
                self.group = Group::Entry;
            }
            _ => {}
        }
        Ok(Step::Into)
    }

    fn keep_entry(&mut self) -> Result<(), Fault> {
        self.entries += 1;
        self.held = 0;
        let name = mem::take(&mut self.name).spelled();
        let party = Party { name, ..mem::take(&mut self.party) };
        let addresses = mem::take(&mut self.addresses);
        if addresses.is_empty() {
            self.list.add_note(NoteKind::NotAddresses, "parties without an address", 1, None);
            return Ok(());
        }
        if party.uid.is_empty() {
            return Err(Fault::Missing("uid"));
        }
        let uid = party.uid.clone();
        self.list.new_party(party)?;
        for (ticker, address) in addresses {
            note_unknown(&mut self.list, &ticker, &address);
            let key = RowKey { party_uid: uid.clone(), address, ticker };
            self.list.row(key, RowFacts::default())?;
        }
        Ok(())
    }

    fn check_count(&self) -> Result<(), Fault> {
        if self.published.is_none() {
            return Err(Fault::Missing("publshInformation/Publish_Date"));
        }
        match self.record_count {
            None => Err(Fault::Missing("publshInformation/Record_Count")),
            Some(stated) if stated != self.entries => {
                Err(Fault::Count { stated, found: self.entries })
            }
            Some(_) => Ok(()),
        }
    }
}

/// `MM/DD/YYYY`.
fn us_day(text: &str) -> Result<Date, Fault> {
    let bad = || Fault::BadDate(excerpt(text));
    let parts: Vec<&str> = text.trim().split('/').collect();
    let [month, day, year] = parts[..] else {
        return Err(bad());
    };
    let (year, month, day) = (year.parse(), month.parse(), day.parse());
    let (Ok(year), Ok(month), Ok(day)) = (year, month, day) else {
        return Err(bad());
    };
    Date::new(year, month, day).map_err(|_| bad())
}

#[cfg(test)]
mod tests;
