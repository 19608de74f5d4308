//! Adds one tag to a list: validates the tag, and builds the resulting publication from the current
//! list. Pure.

use std::collections::BTreeSet;

use super::address::{Address, Checksum, Reading};
use super::chain::Chain;
use super::key_id::KeyId;
use super::list::{ListState, Party, ReadList, Row, RowFacts, RowKey};

/// The longest category, label and reference, in bytes.
pub const MAX_TEXT: usize = 1_024;

/// The maximum number of rows of a tagged list: the same as of a list file.
pub const MAX_ROWS: usize = 500_000;

/// A tag as entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagInput {
    /// The address, in any form that a query may have.
    pub address: String,
    /// The chain; `None` for every chain that the form fits.
    pub chain: Option<Chain>,
    /// What the address is (`exchange`); separate several with commas.
    pub category: String,
    /// Its owner, if known.
    pub label: Option<String>,
    /// The evidence, if any.
    pub reference: Option<String>,
}

/// A field of a tag and the problem with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagFieldError {
    /// Its name in [`TagInput`].
    pub field: &'static str,
    pub what: String,
}

/// A validated tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// In canonical form.
    address: String,
    keys: Vec<KeyId>,
    /// The chain's CAIP-2 id; empty if none was given.
    ticker: String,
    category: String,
    label: Option<String>,
    reference: Option<String>,
}

/// The effect of a tag on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPlan {
    /// The row that is or will be on the list.
    pub key: RowKey,
    pub facts: RowFacts,
    /// The party's name; may be empty.
    pub label: String,
    /// The change to publish.
    pub change: TagChange,
}

/// The change that a tag requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagChange {
    /// None: the list has the tag already.
    Stands,
    /// The tag is new: the publication with it.
    Added(ReadList),
    /// The tag replaces another: the publication, and the previous category.
    Replaced {
        list: ReadList,
        /// The replaced category.
        category_before: String,
    },
}

/// Why a tag cannot be added to a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagRefused {
    /// The address has another tag.
    #[error(
        "{address} is tagged {category:?}{} there already: replace that tag (--replace), or leave it",
        in_name(label)
    )]
    Differs {
        /// The address as the list has it.
        address: String,
        category: String,
        /// Its owner there; may be empty.
        label: String,
    },
    /// The tag cannot be replaced on its own.
    #[error("{address}: {why}: export the list, change it, and import it")]
    NotAlone {
        /// The address as the list has it.
        address: String,
        why: &'static str,
    },
    /// The list is full.
    #[error("the list has {0} rows, the most that one may have: name another list (--list)")]
    Full(usize),
}

fn in_name(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!(" ({label})") }
}

impl Tag {
    /// Validates an input. Rejects an address with a wrong checksum, which may be mistyped, and an
    /// uncontrolled one, which is no counterparty.
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
            let what = "no party controls it: paths end there without a tag";
            return Err(about_address(what.to_owned()));
        }
        if let Some(chain) = draft.chain.as_ref().filter(|chain| !address.fits(chain)) {
            return Err(fault("chain", format!("an address of this form cannot exist on {chain}")));
        }
        let ticker = draft.chain.as_ref().map_or_else(String::new, |it| it.caip2().into_owned());
        let (canonical, keys) = (address.canonical().to_owned(), address.key_ids().to_vec());
        // Parsed as the list reader will parse it.
        let row = Reading::from_list_cell(&canonical, &ticker);
        if !row.is_understood() || row.first.as_ref().map(Address::key_ids) != Some(&keys) {
            return Err(about_address("it cannot be parsed as an address of a list".to_owned()));
        }
        Ok(Self { address: canonical, keys, ticker, category, label, reference })
    }

    /// Computes its effect on the current list (`None`: never loaded). The publication has every
    /// row of the last one. The tag of an address has one row, whichever form was tagged first.
    pub fn apply_to(
        &self,
        current: Option<&ListState>,
        replaces: bool,
    ) -> Result<TagPlan, TagRefused> {
        let (rows, parties) =
            current.map_or((&[][..], &[][..]), |state| (&state.rows[..], &state.parties[..]));
        // A row with a pending removal was not in the last publication.
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
        if let Some(row) = known.iter().find(|row| self.matches_row(row, parties)) {
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

    /// Returns true if a row of the address has all the data of the tag.
    fn matches_row(&self, row: &Row, parties: &[Party]) -> bool {
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

    /// Returns the party of a new row: the one with the label, or a new one. Without a label each
    /// address is a separate party.
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

/// Builds the publication of these rows, with their parties unchanged except for `party`.
fn publication(mut rows: Vec<(RowKey, RowFacts)>, parties: &[Party], party: Party) -> ReadList {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let named: BTreeSet<&str> = rows.iter().map(|(key, _)| key.party_uid.as_str()).collect();
    let others = parties.iter().filter(|it| it.uid != party.uid && named.contains(&*it.uid));
    let mut parties: Vec<_> = others.cloned().collect();
    parties.push(party);
    parties.sort_by(|a, b| a.uid.cmp(&b.uid));
    ReadList { published: None, parties, rows, duplicates: 0 }
}

/// Returns true if the party has the label; the label of a party without a name is its identifier.
fn has_label(party: &Party, label: &str) -> bool {
    party.name == label || party.name.is_empty() && party.uid == label
}

/// Returns `uid`, numbered if another party has it: one that was renamed since.
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

/// Validates a text of 1 to [`MAX_TEXT`] bytes on one line.
fn bounded(text: &str) -> Result<&str, String> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(format!("{} bytes: use 1 to {MAX_TEXT}", text.len()));
    }
    match text.chars().find(|it| it.is_control()) {
        Some(found) => Err(format!("{found:?} is a control character: remove it")),
        None => Ok(text),
    }
}

/// Normalizes comma-separated names, trimming blanks around each.
fn categories(text: &str) -> Result<String, String> {
    let text = bounded(text.trim())?;
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err(format!("{text:?} has an empty name: write one such as exchange"));
    }
    Ok(names.join(","))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
