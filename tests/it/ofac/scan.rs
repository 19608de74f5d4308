//! A plain line scan over OFAC's advanced XML, independent of the reader under test: it relies on
//! OFAC writing one element a line, which the reader must not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A row: party uid, address and ticker, verbatim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub uid: String,
    pub address: String,
    pub ticker: String,
}

impl Key {
    pub fn new(uid: &str, address: &str, ticker: &str) -> Self {
        let [uid, address, ticker] = [uid, address, ticker].map(str::to_owned);
        Self { uid, address, ticker }
    }
}

/// What the file says of a party, as far as it must count as a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The parts of each name, the primary one apart.
    primary: Vec<String>,
    others: Vec<Vec<String>>,
    sub_type: String,
    programs: BTreeSet<String>,
    pub days: BTreeSet<String>,
    /// By the kinds of the primary name's parts: whether each is a family name.
    family: Vec<bool>,
}

impl Facts {
    /// The primary name as OFAC prints it: family names, a comma, and the rest.
    pub fn name(&self) -> String {
        let of = |family| {
            let parts = self.primary.iter().zip(&self.family);
            let chosen = parts.filter(|(_, is)| **is == family).map(|(part, _)| part.as_str());
            chosen.collect::<Vec<_>>().join(" ")
        };
        let (family, rest) = (of(true), of(false));
        let comma = if family.is_empty() || rest.is_empty() { "" } else { ", " };
        format!("{family}{comma}{rest}").replace("&amp;", "&").replace("&apos;", "'")
    }
}

/// What one publication holds.
#[derive(Debug, Default)]
pub struct Scan {
    pub published: String,
    pub rows: BTreeSet<Key>,
    pub duplicates: u64,
    /// The parties that have rows.
    pub parties: BTreeMap<String, Facts>,
}

/// Whether the row is the one string that is no address of any form: 64 hex digits under XMR.
pub fn is_no_address(key: &Key) -> bool {
    key.ticker == "XMR" && !key.address.starts_with(['4', '8'])
}

/// Scans a file as OFAC published it, packed with bzip2.
pub fn scan(path: &Path) -> Scan {
    let mut lines = BufReader::new(bzip2::read::BzDecoder::new(File::open(path).unwrap()));
    let mut scanner = Scanner::default();
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        scanner.line(line.trim());
        line.clear();
    }
    scanner.scan
}

#[derive(Default)]
struct Scanner {
    scan: Scan,
    /// Feature type to ticker.
    tickers: HashMap<String, String>,
    /// Name part type to whether it is a family name.
    family_types: HashMap<String, bool>,
    program_type: String,
    in_entries: bool,
    day: String,
    uid: String,
    profiles: Vec<String>,
    facts: Facts,
    is_primary: bool,
    /// Whether the name that is being read is the party's primary one.
    in_primary: bool,
    part_groups: Vec<String>,
    groups: HashMap<String, bool>,
    ticker: Option<String>,
    has_rows: bool,
    profile_uids: HashMap<String, String>,
    in_event: bool,
    in_program: bool,
}

impl Scanner {
    fn line(&mut self, line: &str) {
        let name = line.trim_start_matches('<').split([' ', '>']).next().unwrap();
        match name {
            "Year" if self.scan.published.is_empty() || self.in_event => {
                self.day = text(line).to_owned();
            }
            "Month" | "Day" if self.scan.published.is_empty() || self.in_event => {
                self.day = format!("{}-{:0>2}", self.day, text(line));
            }
            "/DateOfIssue" => self.scan.published = std::mem::take(&mut self.day),
            "FeatureType" => {
                if let Some((_, ticker)) = text(line).split_once("Digital Currency Address - ") {
                    self.tickers.insert(attribute(line, "ID"), ticker.to_owned());
                }
            }
            "NamePartType" => {
                let family = ["Last Name", "Maiden Name", "Matronymic"].contains(&text(line));
                self.family_types.insert(attribute(line, "ID"), family);
            }
            "SanctionsType" if text(line) == "Program" => {
                self.program_type = attribute(line, "ID");
            }
            "SanctionsEntries" => self.in_entries = true,
            _ if self.in_entries => self.entry_line(name, line),
            _ => self.party_line(name, line),
        }
    }

    fn party_line(&mut self, name: &str, line: &str) {
        match name {
            "DistinctParty" => self.uid = attribute(line, "FixedRef"),
            "Profile" => {
                self.profiles.push(attribute(line, "ID"));
                self.facts.sub_type = attribute(line, "PartySubTypeID");
            }
            "Alias" => self.is_primary = attribute(line, "Primary") == "true",
            // The first spelling of the primary alias; others are in other scripts.
            "DocumentedName" => {
                self.in_primary = self.is_primary && self.facts.primary.is_empty();
                if !self.in_primary {
                    self.facts.others.push(Vec::new());
                }
            }
            "NamePartValue" => {
                let part = text(line).to_owned();
                if self.in_primary {
                    self.facts.primary.push(part);
                    self.part_groups.push(attribute(line, "NamePartGroupID"));
                } else {
                    self.facts.others.last_mut().unwrap().push(part);
                }
            }
            "NamePartGroup" => {
                let family = self.family_types[&attribute(line, "NamePartTypeID")];
                self.groups.insert(attribute(line, "ID"), family);
            }
            "Feature" => {
                self.ticker = self.tickers.get(&attribute(line, "FeatureTypeID")).cloned();
            }
            "VersionDetail" => {
                if let Some(ticker) = &self.ticker {
                    let key = Key::new(&self.uid, text(line), ticker);
                    assert!(!key.address.is_empty(), "{line}");
                    self.scan.duplicates += u64::from(!self.scan.rows.insert(key));
                    self.has_rows = true;
                }
            }
            "/DistinctParty" => self.end_party(),
            _ => {}
        }
    }

    fn end_party(&mut self) {
        let mut facts = std::mem::take(&mut self.facts);
        facts.family = self.part_groups.drain(..).map(|group| self.groups[&group]).collect();
        self.groups.clear();
        for profile in self.profiles.drain(..) {
            if self.has_rows {
                self.profile_uids.insert(profile, self.uid.clone());
            }
        }
        if std::mem::take(&mut self.has_rows) {
            self.scan.parties.insert(self.uid.clone(), facts);
        }
    }

    fn entry_line(&mut self, name: &str, line: &str) {
        match name {
            "SanctionsEntry" => {
                let uid = self.profile_uids.get(&attribute(line, "ProfileID"));
                self.uid = uid.cloned().unwrap_or_default();
            }
            "EntryEvent" => self.in_event = true,
            "/EntryEvent" => {
                self.in_event = false;
                let day = std::mem::take(&mut self.day);
                if let Some(facts) = self.scan.parties.get_mut(&self.uid) {
                    facts.days.insert(day);
                }
            }
            "SanctionsMeasure" => {
                self.in_program = attribute(line, "SanctionsTypeID") == self.program_type;
            }
            "Comment" if self.in_program && !self.in_event => {
                if let Some(facts) = self.scan.parties.get_mut(&self.uid) {
                    facts.programs.insert(text(line).to_owned());
                }
            }
            "/SanctionsEntry" => self.in_program = false,
            _ => {}
        }
    }
}

/// The text of the element on the line.
fn text(line: &str) -> &str {
    let after = line.split_once('>').map_or("", |(_, after)| after);
    after.rsplit_once("</").map_or("", |(text, _)| text)
}

/// The value of an attribute on the line.
fn attribute(line: &str, name: &str) -> String {
    let begins = format!(" {name}=\"");
    let value = line.split_once(&begins).map_or("", |(_, after)| after);
    value.split('"').next().unwrap().to_owned()
}
