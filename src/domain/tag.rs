//! One tag more on a list: what is tagged, understood and checked, and the publication that the list
//! becomes by it, made of what stands. Pure.

use std::collections::BTreeSet;

use super::address::{Address, Checksum, Reading};
use super::chain::Chain;
use super::key_id::KeyId;
use super::list::{ListState, Party, ReadList, Row, RowFacts, RowKey};

/// The longest category, label and reference, in bytes.
pub const MAX_TEXT: usize = 1_024;

/// The most rows of a list that tags are added to: as many as a file of it may have.
pub const MAX_ROWS: usize = 500_000;

/// A tag as a person says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagInput {
    /// The address, in any form that a question may have.
    pub address: String,
    /// The chain; `None`: every one that the form fits.
    pub chain: Option<Chain>,
    /// What the address is (`exchange`); several with commas between.
    pub category: String,
    /// Whose it is; `None` where that is not said.
    pub label: Option<String>,
    /// Where that is known from; `None` where that is not said.
    pub reference: Option<String>,
}

/// A field of a tag, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagFieldError {
    /// Its name in [`TagInput`].
    pub field: &'static str,
    /// What is wrong.
    pub what: String,
}

/// A tag that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// In canonical form.
    address: String,
    keys: Vec<KeyId>,
    /// The chain's CAIP-2 id; empty where none was named.
    ticker: String,
    category: String,
    label: Option<String>,
    reference: Option<String>,
}

/// What a tag does to a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPlan {
    /// The row that is, or will be, on the list.
    pub key: RowKey,
    /// What stands beside it.
    pub facts: RowFacts,
    /// The party's name; empty where it has none.
    pub label: String,
    /// What is to be done.
    pub change: TagChange,
}

/// What is to be done for a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagChange {
    /// Nothing: the list says so already.
    Stands,
    /// The tag is new: the list as it is to be published.
    Added(ReadList),
    /// The tag of the address is another: the list as it is to be published, and what the category was.
    Replaced {
        /// The publication.
        list: ReadList,
        /// The category that is no more.
        category_before: String,
    },
}

/// Why a tag cannot be put on a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagRefused {
    /// The address has another tag there.
    #[error(
        "{address} is tagged {category:?}{} there already: replace that tag (--replace), or leave it",
        in_name(label)
    )]
    Differs {
        /// The address as the list has it.
        address: String,
        /// Its category there.
        category: String,
        /// Whose it is there; may be empty.
        label: String,
    },
    /// The tag cannot be replaced by itself.
    #[error("{address}: {why}: export the list, change it, and import it")]
    NotAlone {
        /// The address as the list has it.
        address: String,
        /// What stands against it.
        why: &'static str,
    },
    /// The list is as long as it may be.
    #[error("the list has {0} rows, the most that one may have: name another list (--list)")]
    Full(usize),
}

fn in_name(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!(" ({label})") }
}

impl Tag {
    /// Understands a draft. An address with a wrong checksum may be a mistyped one, and nobody's
    /// address is no counterparty: both are refused.
    pub fn new(draft: &TagInput) -> Result<Self, TagFieldError> {
        let fault = |field: &'static str, what: String| TagFieldError { field, what };
        let category = categories(&draft.category).map_err(|what| fault("category", what))?;
        let text = |field: &'static str, given: &Option<String>| {
            let given = given.as_deref().map(|text| bounded(text.trim()).map(str::to_owned));
            given.transpose().map_err(|what| fault(field, what))
        };
        let (label, reference) =
            (text("label", &draft.label)?, text("reference", &draft.reference)?);
        let about_address = |what: String| fault("address", what);
        let reading = Reading::from_query(&draft.address, draft.chain.as_ref());
        let address = reading.into_single().map_err(|error| about_address(error.to_string()))?;
        if address.checksum() == Checksum::Wrong {
            let what = "its checksum is wrong: it may be mistyped; copy it again, or write it in \
                        lower case if it is surely right";
            return Err(about_address(what.to_owned()));
        }
        if address.is_uncontrolled() || address.key_ids().is_empty() {
            let what = "nobody controls it: paths end there without a tag";
            return Err(about_address(what.to_owned()));
        }
        if let Some(chain) = draft.chain.as_ref().filter(|chain| !address.fits(chain)) {
            return Err(fault("chain", format!("such an address cannot stand on {chain}")));
        }
        let ticker = draft.chain.as_ref().map_or_else(String::new, |it| it.caip2().into_owned());
        let (canonical, keys) = (address.canonical().to_owned(), address.key_ids().to_vec());
        // As the list will be read.
        let row = Reading::from_list_cell(&canonical, &ticker);
        if !row.is_understood() || row.first.as_ref().map(Address::key_ids) != Some(&keys) {
            return Err(about_address("it is not understood as an address of a list".to_owned()));
        }
        Ok(Self { address: canonical, keys, ticker, category, label, reference })
    }

    /// What it does to a list as it stands (`None`: never loaded). Nothing that stands is lost: the
    /// publication has every row that the last one had. The tag of an address stands under one row,
    /// whichever form of it was tagged first.
    pub fn apply_to(
        &self,
        current: Option<&ListState>,
        replaces: bool,
    ) -> Result<TagPlan, TagRefused> {
        let (rows, parties) =
            current.map_or((&[][..], &[][..]), |state| (&state.rows[..], &state.parties[..]));
        // What waits for the confirmation of its removal was not in the last publication.
        let stands = |row: &&Row| row.is_listed() && row.removal_pending_since.is_none();
        let standing: Vec<&Row> = rows.iter().filter(stands).collect();
        let known: Vec<&Row> = standing.iter().copied().filter(|row| self.is_of(row)).collect();
        let label_of = |row: &Row| name_of(parties, &row.key.party_uid).to_owned();
        let told = |row: &Row, change: TagChange| TagPlan {
            key: row.key.clone(),
            facts: row.facts.clone(),
            label: label_of(row),
            change,
        };
        if let Some(row) = known.iter().find(|row| self.says_the_same(row, parties)) {
            return Ok(told(row, TagChange::Stands));
        }
        match known[..] {
            [] => self.added(&standing, parties),
            [row, ..] if !replaces => Err(TagRefused::Differs {
                address: row.key.address.clone(),
                category: row.facts.category.clone(),
                label: label_of(row),
            }),
            [row] => self.replaced(row, &standing, parties),
            [row, ..] => {
                let why = "it has several tags on the list";
                Err(TagRefused::NotAlone { address: row.key.address.clone(), why })
            }
        }
    }

    fn is_of(&self, row: &Row) -> bool {
        let reading = Reading::from_list_cell(&row.key.address, &row.key.ticker);
        reading.addresses().any(|it| it.key_ids().iter().any(|key| self.keys.contains(key)))
    }

    /// Whether a row of the address says all that the tag says.
    fn says_the_same(&self, row: &Row, parties: &[Party]) -> bool {
        let party = party_of(parties, &row.key.party_uid);
        let is_label = |label: &String| has_label(&party, label);
        row.facts.category == self.category
            && self.label.as_ref().is_none_or(is_label)
            && self.reference.as_ref().is_none_or(|reference| *reference == row.facts.reference)
    }

    fn added(&self, standing: &[&Row], parties: &[Party]) -> Result<TagPlan, TagRefused> {
        if standing.len() >= MAX_ROWS {
            return Err(TagRefused::Full(standing.len()));
        }
        let party = self.party(parties);
        let key = RowKey {
            party_uid: party.uid.clone(),
            address: self.address.clone(),
            ticker: self.ticker.clone(),
        };
        let facts = RowFacts {
            listed_on: None,
            category: self.category.clone(),
            reference: self.reference.clone().unwrap_or_default(),
        };
        let label = party.name.clone();
        let rows = standing.iter().map(|row| (row.key.clone(), row.facts.clone()));
        let rows = rows.chain([(key.clone(), facts.clone())]).collect();
        let list = publication(rows, parties, party);
        Ok(TagPlan { key, facts, label, change: TagChange::Added(list) })
    }

    fn replaced(
        &self,
        row: &Row,
        standing: &[&Row],
        parties: &[Party],
    ) -> Result<TagPlan, TagRefused> {
        let refused = |why| TagRefused::NotAlone { address: row.key.address.clone(), why };
        let reading = Reading::from_list_cell(&row.key.address, &row.key.ticker);
        if reading.addresses().count() > 1 {
            return Err(refused("its row on the list holds other addresses too"));
        }
        let uid = &row.key.party_uid;
        let mut party = party_of(parties, uid);
        if let Some(label) = self.label.as_ref().filter(|label| !has_label(&party, label)) {
            if standing.iter().any(|other| other.key != row.key && other.key.party_uid == *uid) {
                return Err(refused("the list has other addresses under its label"));
            }
            party.name.clone_from(label);
        }
        let facts = RowFacts {
            listed_on: row.facts.listed_on,
            category: self.category.clone(),
            reference: self.reference.clone().unwrap_or_else(|| row.facts.reference.clone()),
        };
        let facts_of = |it: &&Row| if it.key == row.key { facts.clone() } else { it.facts.clone() };
        let rows = standing.iter().map(|it| (it.key.clone(), facts_of(it))).collect();
        let label = party.name.clone();
        let list = publication(rows, parties, party);
        let category_before = row.facts.category.clone();
        let change = TagChange::Replaced { list, category_before };
        Ok(TagPlan { key: row.key.clone(), facts, label, change })
    }

    /// The party of a new row: the one with the label, else a new one. Without a label each address is
    /// a party by itself.
    fn party(&self, parties: &[Party]) -> Party {
        let is_it = |party: &&Party| match &self.label {
            Some(label) => has_label(party, label),
            None => party.uid == self.address && party.name.is_empty(),
        };
        let known = parties.iter().find(is_it);
        if let Some(party) = known {
            return party.clone();
        }
        let uid = self.label.as_ref().unwrap_or(&self.address);
        let uid = unused_uid(parties, uid);
        Party { uid, name: self.label.clone().unwrap_or_default(), ..Party::default() }
    }
}

/// The publication of these rows: their parties as they stand, but for `party`.
fn publication(mut rows: Vec<(RowKey, RowFacts)>, parties: &[Party], party: Party) -> ReadList {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let named: BTreeSet<&str> = rows.iter().map(|(key, _)| key.party_uid.as_str()).collect();
    let others = parties.iter().filter(|it| it.uid != party.uid && named.contains(&*it.uid));
    let mut parties: Vec<_> = others.cloned().collect();
    parties.push(party);
    parties.sort_by(|a, b| a.uid.cmp(&b.uid));
    ReadList { published: None, parties, rows, duplicates: 0 }
}

/// Whether the party goes by the label: a party without a name goes by its identifier.
fn has_label(party: &Party, label: &str) -> bool {
    party.name == label || party.name.is_empty() && party.uid == label
}

/// `uid`, numbered where another party has it: one that was named otherwise since.
fn unused_uid(parties: &[Party], uid: &str) -> String {
    let is_used = |uid: &str| parties.binary_search_by(|it| it.uid.as_str().cmp(uid)).is_ok();
    let numbered = (2..).map(|number: u64| format!("{uid} ({number})"));
    let mut candidates = std::iter::once(uid.to_owned()).chain(numbered);
    candidates.find(|uid| !is_used(uid)).unwrap_or_else(|| uid.to_owned())
}

fn party_of(parties: &[Party], uid: &str) -> Party {
    match parties.binary_search_by(|party| party.uid.as_str().cmp(uid)) {
        Ok(at) => parties[at].clone(),
        Err(_) => Party { uid: uid.to_owned(), ..Party::default() },
    }
}

fn name_of<'p>(parties: &'p [Party], uid: &str) -> &'p str {
    let found = parties.binary_search_by(|party| party.uid.as_str().cmp(uid));
    found.map_or("", |at| &parties[at].name)
}

/// A text of 1 to [`MAX_TEXT`] bytes on one line.
fn bounded(text: &str) -> Result<&str, String> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(format!("{} bytes, 1 to {MAX_TEXT}", text.len()));
    }
    match text.chars().find(|it| it.is_control()) {
        Some(found) => Err(format!("{found:?} is a control character: leave it out")),
        None => Ok(text),
    }
}

/// Names with commas between, each without blanks around.
fn categories(text: &str) -> Result<String, String> {
    let text = bounded(text.trim())?;
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    match names.iter().any(|name| name.is_empty()) {
        true => Err(format!("{text:?} has an empty name: write one such as exchange")),
        false => Ok(names.join(",")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
