//! Single tags by example, and against the plain rule that nothing which stood is lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::domain::list::{ListId, ListKind, Provenance};
use crate::domain::publication::{Context, Gates, Outcome, apply};

fn address(number: u8) -> String {
    format!("0x{number:040x}").replace("0x00", "0xab")
}

fn draft(number: u8, category: &str, label: Option<&str>) -> TagInput {
    TagInput {
        address: address(number),
        category: category.to_owned(),
        label: label.map(str::to_owned),
        ..TagInput::default()
    }
}

fn tag(number: u8, category: &str, label: Option<&str>) -> Tag {
    Tag::new(&draft(number, category, label)).unwrap()
}

/// A list that takes publications, one version after the other.
#[derive(Default)]
struct Book {
    state: Option<ListState>,
    versions: u64,
}

impl Book {
    fn publish(&mut self, list: &ReadList) {
        self.versions += 1;
        let id: ListId = "tags-own".parse().unwrap();
        let now = Timestamp::from_second(1_767_000_000 + self.versions as i64).unwrap();
        let context = Context {
            id: &id,
            kind: ListKind::Attribution,
            provenance: &Provenance::Import(String::new()),
            now,
            next_version: self.versions,
            gates: &Gates::default(),
            force: None,
            ages_by_source: false,
            source: None,
            declared: None,
        };
        match apply(self.state.as_ref(), list, &context).unwrap() {
            Outcome::Published { state, .. } => self.state = Some(state),
            Outcome::Unchanged { .. } => {}
        }
    }

    fn add(&mut self, tag: &Tag, replaces: bool) -> Result<TagPlan, TagRefused> {
        let tagging = tag.apply_to(self.state.as_ref(), replaces)?;
        if let TagChange::Added(list) | TagChange::Replaced { list, .. } = &tagging.change {
            self.publish(list);
        }
        Ok(tagging)
    }

    /// Of each standing row: address, category, label, and whether its removal waits.
    fn rows(&self) -> Vec<(String, String, String, bool)> {
        let Some(state) = &self.state else { return Vec::new() };
        let rows = state.rows.iter().filter(|row| row.is_listed());
        let told = rows.map(|row| {
            let label = name_of(&state.parties, &row.key.party_uid).to_owned();
            let waits = row.removal_pending_since.is_some();
            (row.key.address.clone(), row.facts.category.clone(), label, waits)
        });
        let mut told: Vec<_> = told.collect();
        told.sort();
        told
    }
}

#[test]
fn what_cannot_be_tagged_is_refused_by_its_field() {
    let check = |draft: TagInput, field: &str, words: &str| {
        let fault = Tag::new(&draft).unwrap_err();
        assert_eq!(fault.field, field, "{fault:?}");
        assert!(fault.what.contains(words), "{fault:?}");
    };
    let of = |address: &str| TagInput { address: address.to_owned(), ..draft(1, "exchange", None) };
    check(of("nonsense!"), "address", "no known address form fits");
    check(of(""), "address", "empty");
    check(of(&"1".repeat(2_000)), "address", "more than");
    check(of(&format!("0x{:040}", 0)), "address", "no party controls it");
    check(of("0x000000000000000000000000000000000000dEaD"), "address", "no party controls it");
    let wrong = "0xAB5801a7D398351b8bE11C439e05C5B3259aeC9B";
    check(of(wrong), "address", "checksum is wrong");
    check(of(&format!("{} {}", address(1), address(2))), "address", "2 addresses");
    let chain = |chain: &str| TagInput { chain: chain.parse().ok(), ..draft(1, "exchange", None) };
    check(chain("bitcoin"), "chain", "cannot exist on");
    check(draft(1, "", None), "category", "0 bytes");
    check(draft(1, " , ", None), "category", "an empty name");
    check(draft(1, "a,,b", None), "category", "an empty name");
    check(draft(1, "a\nb", None), "category", "control character");
    check(draft(1, &"x".repeat(MAX_TEXT + 1), None), "category", "1025 bytes");
    check(draft(1, "exchange", Some("")), "label", "0 bytes");
    check(draft(1, "exchange", Some(&"x".repeat(MAX_TEXT + 1))), "label", "1025 bytes");
    let reference = Some(" ".to_owned());
    check(TagInput { reference, ..draft(1, "exchange", None) }, "reference", "0 bytes");
}

#[test]
fn a_tag_that_stands_is_told_and_another_takes_a_word() {
    let mut book = Book::default();
    let added = book.add(&tag(1, "exchange", Some("The Exchange")), false).unwrap();
    assert!(matches!(added.change, TagChange::Added(_)));
    for same in [tag(1, "exchange", None), tag(1, " exchange ", Some("The Exchange"))] {
        let told = book.add(&same, false).unwrap();
        assert_eq!((told.change, &*told.label), (TagChange::Stands, "The Exchange"));
    }
    for other in [tag(1, "mixer", None), tag(1, "exchange", Some("Another"))] {
        let refused = book.add(&other, false).unwrap_err().to_string();
        let words =
            "is tagged \"exchange\" (The Exchange) there already: replace that tag (--replace)";
        assert!(refused.contains(words), "{refused}");
    }
    let replaced = book.add(&tag(1, "mixer", Some("Another")), true).unwrap();
    let before = |change: &TagChange| match change {
        TagChange::Replaced { category_before, .. } => category_before.clone(),
        TagChange::Stands | TagChange::Added(_) => panic!("{change:?}"),
    };
    assert_eq!(before(&replaced.change), "exchange");
    let rows = [(address(1), "mixer".to_owned(), "Another".to_owned(), false)];
    assert_eq!(book.rows(), rows);
    // One row since its first day.
    assert_eq!(book.state.as_ref().unwrap().rows.len(), 1);
    assert_eq!(book.state.as_ref().unwrap().rows[0].periods.len(), 1);
}

#[test]
fn a_label_that_others_share_is_not_replaced_for_all() {
    let mut book = Book::default();
    for number in [1, 2] {
        book.add(&tag(number, "exchange", Some("The Exchange")), false).unwrap();
    }
    assert_eq!(book.state.as_ref().unwrap().parties.len(), 1, "one label is one party");
    let refused = book.add(&tag(1, "exchange", Some("Another")), true).unwrap_err();
    assert!(refused.to_string().contains("has other addresses under its label"), "{refused}");
    book.add(&tag(1, "mixer", None), true).unwrap();
    let categories: Vec<_> = book.rows().into_iter().map(|(_, category, ..)| category).collect();
    assert_eq!(categories, ["mixer", "exchange"]);
}

/// Whichever form of an address was tagged first: it is one key, and has one tag.
#[test]
fn another_form_of_an_address_is_the_same_tag() {
    let mut book = Book::default();
    let of = |address: &str, category: &str| {
        let address = address.to_owned();
        Tag::new(&TagInput { address, ..draft(1, category, None) }).unwrap()
    };
    // One public-key hash as P2PKH and as P2WPKH.
    let legacy = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2";
    let forms = Address::parse(legacy, None).unwrap().other_forms();
    let segwit = forms.iter().find(|(_, _, text)| text.starts_with("bc1q")).unwrap();
    book.add(&of(legacy, "exchange"), false).unwrap();
    assert_eq!(book.add(&of(&segwit.2, "exchange"), false).unwrap().change, TagChange::Stands);
    let refused = book.add(&of(&segwit.2, "mixer"), false).unwrap_err().to_string();
    assert!(refused.starts_with(legacy), "{refused}");
}

/// What the last file lacked waits for the confirmation of its removal; a tag does not bring it back.
#[test]
fn a_removal_that_waits_goes_on_waiting() {
    let mut book = Book::default();
    for number in 1..=4 {
        book.add(&tag(number, "exchange", None), false).unwrap();
    }
    let TagChange::Added(first) = tag(1, "exchange", None).apply_to(None, false).unwrap().change
    else {
        panic!("a first tag is new");
    };
    book.publish(&first);
    let waiting = |book: &Book| book.rows().into_iter().filter(|row| row.3).count();
    assert_eq!(waiting(&book), 3);
    book.add(&tag(5, "exchange", None), false).unwrap();
    assert_eq!((book.rows().len(), waiting(&book)), (5, 3));
    // One of them that is tagged again stands again.
    book.add(&tag(2, "exchange", None), false).unwrap();
    assert_eq!((book.rows().len(), waiting(&book)), (5, 2));
}

fn addition() -> impl Strategy<Value = (u8, u8, Option<u8>, bool)> {
    (1_u8..6, 0_u8..3, prop::option::of(0_u8..3), any::<bool>())
}

proptest! {
    /// Whatever is added in whatever order: each address has the tag that was said last, and nothing
    /// else of the list changes.
    #[test]
    fn nothing_that_stood_is_lost(additions in prop::collection::vec(addition(), 0..20)) {
        let mut book = Book::default();
        let mut want: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (number, category, label, replaces) in additions {
            let category = format!("category{category}");
            let label = label.map(|label| format!("label{label}"));
            let tag = tag(number, &category, label.as_deref());
            let before = book.state.clone();
            match book.add(&tag, replaces) {
                Ok(tagging) => {
                    prop_assert_eq!(&tagging.facts.category, &category);
                    prop_assert!(label.is_none() || label.as_ref() == Some(&tagging.label));
                    want.insert(address(number), (category, tagging.label));
                }
                Err(TagRefused::Differs { .. }) => {
                    let (known, name) = &want[&address(number)];
                    let is_other = label.is_some_and(|label| label != *name);
                    prop_assert!(!replaces && (*known != category || is_other));
                    prop_assert_eq!(&book.state, &before);
                }
                Err(TagRefused::NotAlone { .. }) => {
                    let (_, name) = &want[&address(number)];
                    prop_assert!(replaces && label.is_some_and(|label| label != *name));
                    prop_assert!(want.values().filter(|(_, other)| other == name).count() > 1);
                    prop_assert_eq!(&book.state, &before);
                }
                Err(TagRefused::Full(_)) => prop_assert!(false, "a short list is full"),
            }
            let rows: BTreeMap<_, _> = book
                .rows()
                .into_iter()
                .map(|(address, category, label, waits)| {
                    assert!(!waits, "a removal waits");
                    (address, (category, label))
                })
                .collect();
            prop_assert_eq!(&rows, &want);
            prop_assert!(book.state.iter().flat_map(|it| it.rows.iter()).all(Row::is_listed));
        }
    }
}
