//! What changed in a row, field by field, between two publications of its list.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::list::{ChangeKind, Party, RowFacts, RowKey};

/// The maximum number of values kept per side of a field.
pub const MAX_VALUES: usize = 20;

/// The maximum number of characters kept of a value.
pub const MAX_VALUE: usize = 300;

/// The maximum bytes of fields kept per version: later changes have no fields. Otherwise one
/// renamed party of half a million rows would be written half a million times.
pub const MAX_RECORDED: usize = 16 << 20;

/// One row's change in one list version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingChange {
    pub kind: ChangeKind,
    pub key: RowKey,
    /// The party's primary name at that version.
    pub party_name: String,
    /// For a listed row, the changed fields of the row and its party. [`ChangeKind::Updated`] has
    /// at least one, unless they were not recorded (by older program versions, or beyond
    /// [`MAX_RECORDED`]).
    pub fields: Vec<FieldChange>,
}

/// A field of a row or of its party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangedField {
    /// [`Party::name`].
    PartyName,
    /// [`Party::aliases`].
    PartyAliases,
    /// [`Party::party_type`].
    PartyType,
    /// [`Party::programs`].
    PartyPrograms,
    /// [`Party::listed_on`].
    PartyListedOn,
    /// [`RowFacts::listed_on`].
    ListedOn,
    /// [`RowFacts::category`].
    Category,
    /// [`RowFacts::reference`].
    Reference,
    /// [`RowKey::address`]: the same address in another spelling.
    Address,
}

/// A changed field. If both sides are empty, only the order of its values changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    pub field: ChangedField,
    /// Removed values; none if the field was empty.
    pub from: Vec<String>,
    /// Added values; none if the field is empty now.
    pub to: Vec<String>,
    /// How many values of both sides were dropped beyond [`MAX_VALUES`].
    pub omitted: u64,
}

impl FieldChange {
    /// Compares a field; `None` if it is unchanged.
    fn between(field: ChangedField, old: &[String], new: &[String]) -> Option<Self> {
        if old == new {
            return None;
        }
        let (from, left_out) = cut(missing(old, new));
        let (to, left_out_too) = cut(missing(new, old));
        Some(Self { field, from, to, omitted: left_out + left_out_too })
    }

    /// Estimates its size in bytes.
    fn size(&self) -> usize {
        let text = |values: &[String]| values.iter().map(|value| 8 + value.len()).sum::<usize>();
        16 + text(&self.from) + text(&self.to)
    }
}

/// Returns the fields that differ.
pub fn changes_of_party(old: &Party, new: &Party) -> Vec<FieldChange> {
    let single = |text: &String| if text.is_empty() { Vec::new() } else { vec![text.clone()] };
    let days = |days: &[Date]| days.iter().map(Date::to_string).collect::<Vec<_>>();
    let fields = [
        (ChangedField::PartyName, single(&old.name), single(&new.name)),
        (ChangedField::PartyAliases, old.aliases.clone(), new.aliases.clone()),
        (ChangedField::PartyType, single(&old.party_type), single(&new.party_type)),
        (ChangedField::PartyPrograms, old.programs.clone(), new.programs.clone()),
        (ChangedField::PartyListedOn, days(&old.listed_on), days(&new.listed_on)),
    ];
    let change = |(field, old, new): (_, Vec<_>, Vec<_>)| FieldChange::between(field, &old, &new);
    fields.into_iter().filter_map(change).collect()
}

/// Returns the fields that differ.
pub fn changes_of_facts(old: &RowFacts, new: &RowFacts) -> Vec<FieldChange> {
    let single = |text: &String| if text.is_empty() { Vec::new() } else { vec![text.clone()] };
    let day = |day: Option<Date>| day.iter().map(Date::to_string).collect::<Vec<_>>();
    let fields = [
        (ChangedField::ListedOn, day(old.listed_on), day(new.listed_on)),
        (ChangedField::Category, single(&old.category), single(&new.category)),
        (ChangedField::Reference, single(&old.reference), single(&new.reference)),
    ];
    let change = |(field, old, new): (_, Vec<_>, Vec<_>)| FieldChange::between(field, &old, &new);
    fields.into_iter().filter_map(change).collect()
}

/// Returns the change if the address has another spelling in `new`.
pub fn change_of_address(old: &RowKey, new: &RowKey) -> Option<FieldChange> {
    let single = |key: &RowKey| [key.address.clone()];
    FieldChange::between(ChangedField::Address, &single(old), &single(new))
}

/// The part of [`MAX_RECORDED`] that is left while a version is built.
#[derive(Debug)]
pub struct RecordBudget(usize);

impl Default for RecordBudget {
    fn default() -> Self {
        Self(MAX_RECORDED)
    }
}

impl RecordBudget {
    /// Returns the fields if the budget covers all of them, otherwise none.
    pub fn keep(&mut self, fields: Vec<FieldChange>) -> Vec<FieldChange> {
        match self.0.checked_sub(fields.iter().map(FieldChange::size).sum()) {
            Some(left) => {
                self.0 = left;
                fields
            }
            None => Vec::new(),
        }
    }
}

/// Returns the values of `of` that `than` lacks, each as often as it lacks it, in order.
fn missing<'a>(of: &'a [String], than: &[String]) -> Vec<&'a String> {
    let mut there: BTreeMap<&str, usize> = BTreeMap::new();
    for value in than {
        *there.entry(value).or_default() += 1;
    }
    let is_missing = |value: &&String| match there.get_mut(value.as_str()) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    };
    of.iter().filter(is_missing).collect()
}

/// Truncates values; returns them and how many were dropped.
fn cut(values: Vec<&String>) -> (Vec<String>, u64) {
    let kept =
        values.iter().take(MAX_VALUES).map(|value| match value.char_indices().nth(MAX_VALUE) {
            Some((end, _)) => format!("{}…", &value[..end]),
            None => (*value).clone(),
        });
    (kept.collect(), values.len().saturating_sub(MAX_VALUES) as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that panics has failed

    use proptest::prelude::*;

    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn fields_that_are_other_are_told_from_what_to_what() {
        let old = Party {
            uid: "1".to_owned(),
            name: "LAZARUS".to_owned(),
            aliases: texts(&["A", "B", "C"]),
            programs: texts(&["DPRK"]),
            ..Party::default()
        };
        let new = Party {
            name: "LAZARUS GROUP".to_owned(),
            aliases: texts(&["A", "C", "D"]),
            party_type: "Entity".to_owned(),
            listed_on: vec!["2019-09-13".parse().unwrap()],
            ..old.clone()
        };
        let change = |field, from: &[&str], to: &[&str]| FieldChange {
            field,
            from: texts(from),
            to: texts(to),
            omitted: 0,
        };
        let expected = [
            change(ChangedField::PartyName, &["LAZARUS"], &["LAZARUS GROUP"]),
            change(ChangedField::PartyAliases, &["B"], &["D"]),
            change(ChangedField::PartyType, &[], &["Entity"]),
            change(ChangedField::PartyListedOn, &[], &["2019-09-13"]),
        ];
        assert_eq!(changes_of_party(&old, &new), expected);
        let turned = Party { aliases: texts(&["C", "A", "B"]), ..old.clone() };
        let order = change(ChangedField::PartyAliases, &[], &[]);
        assert_eq!(changes_of_party(&old, &turned), [order]);

        let facts = RowFacts { category: "theft".to_owned(), ..RowFacts::default() };
        let dated = RowFacts {
            listed_on: Some("2022-04-14".parse().unwrap()),
            reference: "https://example.org".to_owned(),
            ..RowFacts::default()
        };
        let expected = [
            change(ChangedField::ListedOn, &[], &["2022-04-14"]),
            change(ChangedField::Category, &["theft"], &[]),
            change(ChangedField::Reference, &[], &["https://example.org"]),
        ];
        assert_eq!(changes_of_facts(&facts, &dated), expected);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let many: Vec<_> = (0..25).map(|number| number.to_string()).collect();
        let change = FieldChange::between(ChangedField::PartyAliases, &[], &many).unwrap();
        assert_eq!((change.to.len(), change.omitted), (MAX_VALUES, 5));
        let long = [format!("{}x", "é".repeat(MAX_VALUE))];
        let change = FieldChange::between(ChangedField::PartyName, &long, &[]).unwrap();
        assert_eq!(change.from, [format!("{}…", "é".repeat(MAX_VALUE))]);
        let mut room = RecordBudget::default();
        let fields = || vec![change.clone(); 1000];
        let kept = (0..100).filter(|_| !room.keep(fields()).is_empty()).count();
        assert!((10..100).contains(&kept), "{kept}");
    }

    proptest! {
        #[test]
        fn both_sides_make_the_new_values_of_the_old(
            old in prop::collection::vec("[ab]{0,2}", 0..6),
            new in prop::collection::vec("[ab]{0,2}", 0..6),
        ) {
            let Some(change) = FieldChange::between(ChangedField::PartyAliases, &old, &new) else {
                prop_assert_eq!(old, new);
                return Ok(());
            };
            let mut made = old;
            for gone in &change.from {
                let at = made.iter().position(|value| value == gone);
                prop_assert!(at.is_some());
                made.remove(at.unwrap());
            }
            made.extend(change.to);
            made.sort();
            let mut new = new;
            new.sort();
            prop_assert_eq!(made, new);
        }
    }
}
