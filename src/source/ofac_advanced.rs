//! OFAC's advanced XML (`SDN_ADVANCED.XML`, `CONS_ADVANCED.XML`): the parties with digital currency
//! addresses. Every id is looked up in the file's own reference values.
//!
//! Form: <https://ofac.treasury.gov/sdn-list-data-formats-data-schemas>. `ReferenceValueSets`
//! defines which `FeatureType` is which currency; `DistinctParty/Profile/Feature` holds the address
//! in `VersionDetail`; `SanctionsEntry` holds days and programs of a profile and follows the
//! parties. Parties without addresses are skipped.

use std::collections::HashMap;
use std::mem;

use jiff::civil::Date;

use super::assembly::{Assembled, Assembly};
use super::error::{Fault, SourceError};
use super::excerpt::excerpt;
use super::ofac_types::{OfacType, note_unknown};
use super::unpack::Input;
use super::xml::{Node, Step, Tag, walk};
use super::{Bounds, Format};
use crate::domain::list::{NoteKind, Party, RowFacts, RowKey};

pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Assembled, SourceError> {
    let mut state = Advanced::new(bounds);
    walk(input, Format::OfacAdvanced, "Sanctions", bounds, |depth, node| match node {
        Node::Start(tag) => state.start(depth, &tag),
        Node::End(name, text) => state.end(depth, name, text.unwrap_or_default()),
    })?;
    Ok(state.list.finish(state.published))
}

/// The children of the root that matter, in the order in which they must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Before,
    Issue,
    References,
    Parties,
    Entries,
}

const SECTIONS: &str = "DateOfIssue, ReferenceValueSets, DistinctParties or SanctionsEntries";

/// The file's own reference values.
#[derive(Default)]
struct References {
    /// Feature type to ticker, which only addresses have ([`OfacType`]).
    feature_types: HashMap<String, Option<String>>,
    party_types: HashMap<String, String>,
    /// Party sub type to party type and text.
    party_sub_types: HashMap<String, (String, String)>,
    name_part_types: HashMap<String, String>,
    /// Sanctions type to whether its comment names a program.
    sanctions_types: HashMap<String, bool>,
    /// The id, and the party type, of the value that is being read.
    id: String,
    party_type: String,
    /// Bytes of all these.
    held: usize,
}

/// A `DistinctParty`, until it proves to have addresses.
#[derive(Default)]
struct Candidate {
    uid: String,
    profiles: Vec<String>,
    sub_type: String,
    names: Vec<Name>,
    /// Name part group to name part type.
    groups: HashMap<String, String>,
    /// Whether the alias that is being read is the primary name.
    primary: bool,
    group: String,
    /// The ticker of the feature that is being read.
    ticker: String,
    /// Ticker and address.
    addresses: Vec<(String, String)>,
    /// Addresses before the feature that is being read.
    before: usize,
    /// Bytes of all these.
    held: usize,
}

/// One `DocumentedName`.
struct Name {
    primary: bool,
    /// Name part group and text.
    parts: Vec<(String, String)>,
}

/// A day whose parts are being read.
#[derive(Clone, Copy, Default)]
struct DayParts {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
}

impl DayParts {
    fn set(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        let bad = || Fault::BadDate(excerpt(text));
        match name {
            "Year" => self.year = Some(text.trim().parse().map_err(|_| bad())?),
            "Month" => self.month = Some(text.trim().parse().map_err(|_| bad())?),
            "Day" => self.day = Some(text.trim().parse().map_err(|_| bad())?),
            _ => {}
        }
        Ok(())
    }

    fn date(self) -> Result<Date, Fault> {
        let (Some(year), Some(month), Some(day)) = (self.year, self.month, self.day) else {
            return Err(Fault::Missing("year, month or day of a date"));
        };
        Date::new(year, month, day).map_err(|_| Fault::BadDate(format!("{year}-{month}-{day}")))
    }
}

struct Advanced {
    section: Section,
    published: Option<Date>,
    references: References,
    party: Candidate,
    /// Profile to uid, of the parties that are kept.
    profiles: HashMap<String, String>,
    /// The uid whose entry is being read.
    entry: String,
    in_event: bool,
    day: DayParts,
    max_held: usize,
    list: Assembly,
}

impl Advanced {
    fn new(bounds: &Bounds) -> Self {
        Self {
            section: Section::Before,
            published: None,
            references: References::default(),
            party: Candidate::default(),
            profiles: HashMap::new(),
            entry: String::new(),
            in_event: false,
            day: DayParts::default(),
            max_held: bounds.max_kept,
            list: Assembly::new(bounds),
        }
    }

    fn start(&mut self, depth: usize, tag: &Tag<'_>) -> Result<Step, Fault> {
        if depth == 1 {
            return Ok(Step::Into);
        }
        if depth == 2 {
            return self.enter(tag.name());
        }
        match self.section {
            Section::Before => Ok(Step::Skip),
            Section::Issue => Ok(date_part(tag.name())),
            Section::References => self.references.start(depth, tag),
            Section::Parties => {
                let step = self.party.start(tag, &self.references)?;
                self.check_held().map(|()| step)
            }
            Section::Entries => self.entry_start(tag),
        }
    }

    /// Begins a child of the root. The order matters: types before parties before entries.
    fn enter(&mut self, name: &str) -> Result<Step, Fault> {
        let section = match name {
            "DateOfIssue" => Section::Issue,
            "ReferenceValueSets" => Section::References,
            "DistinctParties" => Section::Parties,
            "SanctionsEntries" => Section::Entries,
            _ => return Ok(Step::Skip),
        };
        match (section, self.section) {
            _ if section <= self.section => Err(Fault::Misplaced(SECTIONS)),
            (Section::Parties, Section::Before | Section::Issue) => {
                Err(Fault::Missing("ReferenceValueSets"))
            }
            (Section::Entries, Section::Before | Section::Issue | Section::References) => {
                Err(Fault::Missing("DistinctParties"))
            }
            _ => Ok(()),
        }?;
        self.section = section;
        Ok(Step::Into)
    }

    fn end(&mut self, depth: usize, name: &str, text: &str) -> Result<Step, Fault> {
        match self.section {
            _ if depth == 1 => {
                if self.section != Section::Entries {
                    return Err(Fault::Missing("DistinctParties or SanctionsEntries"));
                }
                if self.published.is_none() {
                    return Err(Fault::Missing("DateOfIssue"));
                }
            }
            Section::Before => {}
            Section::Issue if depth == 2 => self.published = Some(mem::take(&mut self.day).date()?),
            Section::Issue => self.day.set(name, text)?,
            Section::References => {
                self.references.end(name, text)?;
                self.check_held()?;
            }
            Section::Parties if name == "DistinctParty" => self.keep_party()?,
            Section::Parties => {
                self.party.end(name, text);
                self.check_held()?;
            }
            Section::Entries => self.entry_end(name, text)?,
        }
        Ok(Step::Into)
    }

    fn check_held(&self) -> Result<(), Fault> {
        if self.references.held.saturating_add(self.party.held) > self.max_held {
            return Err(Fault::TooMuchKept(self.max_held));
        }
        Ok(())
    }

    /// Keeps the party if it has addresses.
    fn keep_party(&mut self) -> Result<(), Fault> {
        let found = mem::take(&mut self.party);
        if found.addresses.is_empty() {
            self.list.add_note(NoteKind::NotAddresses, "parties without an address", 1, None);
            return Ok(());
        }
        let (name, aliases) = found.spelled_names(&self.references);
        self.list.new_party(Party {
            uid: found.uid.clone(),
            name,
            aliases,
            party_type: self.references.party_type_of(&found.sub_type)?,
            ..Party::default()
        })?;
        for (ticker, address) in found.addresses {
            note_unknown(&mut self.list, &ticker, &address);
            let key = RowKey { party_uid: found.uid.clone(), address, ticker };
            self.list.row(key, RowFacts::default())?;
        }
        let uid = found.uid;
        for profile in found.profiles {
            self.list.keep(profile.len() + uid.len())?;
            self.profiles.insert(profile, uid.clone());
        }
        Ok(())
    }

    fn entry_start(&mut self, tag: &Tag<'_>) -> Result<Step, Fault> {
        Ok(match tag.name() {
            "SanctionsEntry" => match self.profiles.get(&*tag.attribute("ProfileID")?) {
                Some(uid) => {
                    self.entry.clone_from(uid);
                    Step::Into
                }
                None => Step::Skip,
            },
            "EntryEvent" => {
                self.in_event = true;
                Step::Into
            }
            "Date" if self.in_event => Step::Into,
            "SanctionsMeasure" => {
                let kind = tag.attribute("SanctionsTypeID")?;
                match self.references.sanctions_types.get(&*kind) {
                    Some(true) => Step::Into,
                    Some(false) => Step::Skip,
                    None => return Err(Fault::UnknownId("SanctionsTypeID", excerpt(&kind))),
                }
            }
            "Comment" if !self.in_event => Step::Text,
            name if self.in_event => date_part(name),
            _ => Step::Skip,
        })
    }

    fn entry_end(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        match name {
            "EntryEvent" => self.in_event = false,
            "Date" => {
                let day = mem::take(&mut self.day).date()?;
                self.list.keep(size_of::<Date>())?;
                self.list.party(&self.entry)?.listed_on.push(day);
            }
            "Comment" => {
                self.list.keep(text.len() + size_of::<String>())?;
                self.list.party(&self.entry)?.programs.push(text.trim().to_owned());
            }
            _ => self.day.set(name, text)?,
        }
        Ok(())
    }
}

fn date_part(name: &str) -> Step {
    match name {
        "Year" | "Month" | "Day" => Step::Text,
        _ => Step::Skip,
    }
}

impl References {
    fn start(&mut self, depth: usize, tag: &Tag<'_>) -> Result<Step, Fault> {
        if depth == 3 {
            return Ok(Step::Into);
        }
        match tag.name() {
            "PartySubType" => self.party_type = tag.attribute("PartyTypeID")?.into_owned(),
            "FeatureType" | "PartyType" | "NamePartType" | "SanctionsType" => {}
            _ => return Ok(Step::Skip),
        }
        self.id = tag.attribute("ID")?.into_owned();
        Ok(Step::Text)
    }

    fn end(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        let id = mem::take(&mut self.id);
        self.held += id.len() + self.party_type.len() + text.len() + size_of::<[String; 3]>();
        let text = text.trim();
        let twice = match name {
            "FeatureType" => {
                self.feature_types.insert(id, OfacType::read(text).into_ticker()).is_some()
            }
            "PartyType" => self.party_types.insert(id, text.to_owned()).is_some(),
            "PartySubType" => {
                let kind = mem::take(&mut self.party_type);
                self.party_sub_types.insert(id, (kind, text.to_owned())).is_some()
            }
            "NamePartType" => self.name_part_types.insert(id, text.to_owned()).is_some(),
            "SanctionsType" => self.sanctions_types.insert(id, text == "Program").is_some(),
            _ => false,
        };
        if twice { Err(Fault::Misplaced("an id of the reference values")) } else { Ok(()) }
    }

    /// `Individual`, `Entity`, `Vessel`, `Aircraft`: the sub type's text, or its type's where the
    /// sub type is `Unknown`; the words of `sdnType` in `SDN.XML`.
    fn party_type_of(&self, sub_type: &str) -> Result<String, Fault> {
        let unknown = |name, id| Fault::UnknownId(name, excerpt(id));
        let Some((kind, text)) = self.party_sub_types.get(sub_type) else {
            return Err(unknown("PartySubTypeID", sub_type));
        };
        if text != "Unknown" && !text.is_empty() {
            return Ok(text.clone());
        }
        self.party_types.get(kind).cloned().ok_or_else(|| unknown("PartyTypeID", kind))
    }
}

impl Candidate {
    fn start(&mut self, tag: &Tag<'_>, references: &References) -> Result<Step, Fault> {
        self.held += size_of::<Name>();
        Ok(match tag.name() {
            "DistinctParty" => {
                self.uid = tag.attribute("FixedRef")?.into_owned();
                Step::Into
            }
            "Profile" => {
                let id = tag.attribute("ID")?.into_owned();
                self.held += id.len();
                self.profiles.push(id);
                self.sub_type = tag.attribute("PartySubTypeID")?.into_owned();
                Step::Into
            }
            "Alias" => {
                self.primary = tag.attribute("Primary")? == "true";
                Step::Into
            }
            "DocumentedName" => {
                self.names.push(Name { primary: self.primary, parts: Vec::new() });
                Step::Into
            }
            "NamePartValue" => {
                self.group = tag.attribute("NamePartGroupID")?.into_owned();
                Step::Text
            }
            "NamePartGroup" => {
                let kind = tag.attribute("NamePartTypeID")?.into_owned();
                let id = tag.attribute("ID")?.into_owned();
                self.held += id.len() + kind.len();
                self.groups.insert(id, kind);
                Step::Skip
            }
            "Feature" => {
                let id = tag.attribute("FeatureTypeID")?;
                match references.feature_types.get(&*id) {
                    Some(None) => Step::Skip,
                    Some(Some(_)) if self.uid.is_empty() => return Err(Fault::Missing("FixedRef")),
                    Some(Some(ticker)) => {
                        self.ticker.clone_from(ticker);
                        self.before = self.addresses.len();
                        Step::Into
                    }
                    None => return Err(Fault::UnknownId("FeatureTypeID", excerpt(&id))),
                }
            }
            "VersionDetail" => Step::Text,
            "Identity"
            | "DocumentedNamePart"
            | "NamePartGroups"
            | "MasterNamePartGroup"
            | "FeatureVersion" => Step::Into,
            _ => Step::Skip,
        })
    }

    fn end(&mut self, name: &str, text: &str) {
        match name {
            "NamePartValue" => {
                self.held += self.group.len() + text.len();
                let part = (mem::take(&mut self.group), text.to_owned());
                if let Some(name) = self.names.last_mut() {
                    name.parts.push(part);
                }
            }
            "VersionDetail" => {
                self.held += self.ticker.len() + text.len();
                self.addresses.push((self.ticker.clone(), text.to_owned()));
            }
            // An address feature without any address must still be seen.
            "Feature" if self.addresses.len() == self.before => {
                self.held += self.ticker.len();
                self.addresses.push((self.ticker.clone(), String::new()));
            }
            _ => {}
        }
    }

    /// The primary name and the others, spelled.
    fn spelled_names(&self, references: &References) -> (String, Vec<String>) {
        let primary = self.names.iter().position(|name| name.primary).unwrap_or_default();
        let mut names: Vec<String> =
            self.names.iter().map(|name| self.spelled(name, references)).collect();
        let name = if names.is_empty() { String::new() } else { names.remove(primary) };
        (name, names)
    }

    /// One name as OFAC prints it: `FAMILY, given`. Last, maiden and matronymic names are family
    /// names, and a patronymic is one where there is no last name (`ZAMBADA GARCIA, Ismael`), else
    /// it is a given name (`Gaziyev, Tarkhan Ismailovich`). Each group keeps the file's order.
    /// Where there is no family name (entities, vessels, nicknames) there is no comma. This is also what `lastName, firstName` of `SDN.XML` gives.
    fn spelled(&self, name: &Name, references: &References) -> String {
        let kind = |group: &String| {
            let kind = self.groups.get(group).and_then(|id| references.name_part_types.get(id));
            kind.map_or("", String::as_str)
        };
        let has_last = name.parts.iter().any(|(group, _)| kind(group) == "Last Name");
        let (mut family, mut rest) = (Vec::new(), Vec::new());
        for (group, text) in &name.parts {
            match kind(group) {
                "Last Name" | "Maiden Name" | "Matronymic" => family.push(text.trim()),
                "Patronymic" if !has_last => family.push(text.trim()),
                _ => rest.push(text.trim()),
            }
        }
        let comma = if family.is_empty() || rest.is_empty() { "" } else { ", " };
        format!("{}{comma}{}", family.join(" "), rest.join(" "))
    }
}

#[cfg(test)]
mod tests;
