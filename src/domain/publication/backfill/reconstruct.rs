//! Reconstructs the rows and parties of each known publication backwards: from the current list
//! through the changes of the last publication, then of the one before it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;

use crate::domain::list::{ChangeKind, ListState, Party, RowFacts, RowKey};
use crate::domain::list_change::ListingChange;
use crate::domain::list_change::{ChangedField, FieldChange};
use crate::domain::publication::quarantine::meaning;

/// The rows and parties that a publication changed.
#[derive(Debug, Default)]
pub(super) struct Reconstructed {
    /// Rows with the data of the publication; `None` for removed rows.
    pub rows: Vec<(RowKey, Option<RowFacts>)>,
    /// Parties as in the publication.
    pub parties: Vec<Party>,
}

/// Reconstructs the rows and parties of each publication whose changes are given, in order. Fields
/// that were not recorded in full keep their later values.
pub(super) fn reconstruct<'a>(
    current: &ListState,
    publications: impl DoubleEndedIterator<Item = &'a [ListingChange]>,
) -> Vec<Reconstructed> {
    let rows = current.rows.iter().map(|row| (&row.key, row.facts.clone()));
    let mut facts: BTreeMap<&RowKey, RowFacts> = rows.collect();
    let parties = current.parties.iter().map(|party| (party.uid.as_str(), party.clone()));
    let mut parties: BTreeMap<&str, Party> = parties.collect();
    let present: HashMap<_, &RowKey> =
        current.rows.iter().filter_map(|row| Some((meaning(&row.key)?, &row.key))).collect();
    let mut all: Vec<Reconstructed> = publications
        .rev()
        .map(|changes| {
            let mut reconstructed = Reconstructed::default();
            let (mut named, mut undone) = (BTreeSet::new(), BTreeSet::new());
            for change in changes {
                let key = if facts.contains_key(&change.key) {
                    &change.key
                } else {
                    // The row had another spelling then.
                    let present = meaning(&change.key).and_then(|it| present.get(&it));
                    let Some(present) = present else { continue };
                    *present
                };
                let Some(facts) = facts.get_mut(key) else { continue };
                match change.kind {
                    ChangeKind::Added | ChangeKind::Updated | ChangeKind::RemovalCancelled => {
                        reconstructed.rows.push((key.clone(), Some(facts.clone())));
                        undo_facts(facts, &change.fields);
                    }
                    ChangeKind::Removed => reconstructed.rows.push((key.clone(), None)),
                    ChangeKind::RemovalPending => continue,
                }
                let Some(party) = parties.get_mut(change.key.party_uid.as_str()) else { continue };
                if named.insert(party.uid.clone()) {
                    reconstructed.parties.push(party.clone());
                }
                // Each row of a party repeats the party's changes.
                let has_fields = change.fields.iter().any(|change| is_of_party(change.field));
                if has_fields && undone.insert(party.uid.clone()) {
                    undo_party(party, &change.fields);
                }
            }
            reconstructed
        })
        .collect();
    all.reverse();
    all
}

fn is_of_party(field: ChangedField) -> bool {
    match field {
        ChangedField::PartyName
        | ChangedField::PartyAliases
        | ChangedField::PartyType
        | ChangedField::PartyPrograms
        | ChangedField::PartyListedOn => true,
        ChangedField::ListedOn
        | ChangedField::Category
        | ChangedField::Reference
        | ChangedField::Address => false,
    }
}

fn undo_facts(facts: &mut RowFacts, fields: &[FieldChange]) {
    for change in fields {
        let before = || change.from.first().cloned().unwrap_or_default();
        match change.field {
            ChangedField::ListedOn => facts.listed_on = before().parse().ok(),
            ChangedField::Category => facts.category = before(),
            ChangedField::Reference => facts.reference = before(),
            ChangedField::PartyName
            | ChangedField::PartyAliases
            | ChangedField::PartyType
            | ChangedField::PartyPrograms
            | ChangedField::PartyListedOn
            | ChangedField::Address => {}
        }
    }
}

fn undo_party(party: &mut Party, fields: &[FieldChange]) {
    for change in fields.iter().filter(|change| change.omitted == 0) {
        let before = || change.from.first().cloned().unwrap_or_default();
        match change.field {
            ChangedField::PartyName => party.name = before(),
            ChangedField::PartyType => party.party_type = before(),
            ChangedField::PartyAliases => undo_values(&mut party.aliases, change),
            ChangedField::PartyPrograms => {
                undo_values(&mut party.programs, change);
                party.programs.sort();
            }
            ChangedField::PartyListedOn => {
                let mut days: Vec<_> = party.listed_on.iter().map(Date::to_string).collect();
                undo_values(&mut days, change);
                party.listed_on = days.iter().filter_map(|day| day.parse().ok()).collect();
                party.listed_on.sort();
            }
            ChangedField::ListedOn
            | ChangedField::Category
            | ChangedField::Reference
            | ChangedField::Address => {}
        }
    }
}

/// Removes added values and restores removed ones, at the end: their place among the others is
/// unknown.
fn undo_values(values: &mut Vec<String>, change: &FieldChange) {
    for new in &change.to {
        if let Some(at) = values.iter().position(|value| value == new) {
            values.remove(at);
        }
    }
    values.extend(change.from.iter().cloned());
}
