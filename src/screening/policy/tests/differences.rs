//! What differs between two policies, key by key and rule by rule.

use proptest::prelude::*;

use super::{edited, with_rules};
use crate::screening::policy::difference::longest_rising;
use crate::screening::policy::{Policy, RuleChange};

fn parsed(text: &str) -> Policy {
    Policy::parse(text).unwrap()
}

#[test]
fn settings_that_differ_are_named_with_both_values() {
    let old = Policy::built_in();
    assert!(old.setting_differences(&old).is_empty());
    let new = parsed(&edited(&[
        ("medium = 25", "medium = 30"),
        ("[weights.category]", "[weights.category]\nscam = 80"),
        ("hub_percent = 50", "hub_percent = 60"),
        ("at_least_floors = 1_000\n", "at_least_floors = 2_000\n"),
        ("max_hops = 5", "lists = [\"b\", \"a\"]\nmax_hops = 3"),
        (
            "[requires]",
            "[staleness]\ntransfers = \"1h\"\nlist_kind = { SANCTIONS = \"1d\" }\n[requires]",
        ),
    ]));
    let found = old.setting_differences(&new);
    let said: Vec<_> = found
        .iter()
        .map(|found| {
            let [old, new] = [&found.old, &found.new].map(|value| value.as_deref().unwrap_or("-"));
            format!("{}: {old} -> {new}", found.key)
        })
        .collect();
    let want = [
        "bands.medium: 25 -> 30",
        "base.hub_percent: 50 -> 60",
        "value from 1000 floors: 105 % -> -",
        "requires.max_hops: 5 -> 3",
        "weights.category.scam: - -> 80",
        "value from 2000 floors: - -> 105 %",
        "staleness.list_kind.SANCTIONS: - -> 24h",
        "staleness.transfers: - -> 1h",
        "requires.lists: - -> a, b",
    ];
    assert_eq!(said, want);
}

fn rules(ids: &[(&str, &str)]) -> Policy {
    let rule = |(id, decision): &(&str, &str)| {
        format!("[[rules]]\nid = \"{id}\"\ndecision = \"{decision}\"\nfinding = [\"LISTED\"]\n")
    };
    parsed(&with_rules(&ids.iter().map(rule).collect::<String>()))
}

#[test]
fn rules_are_added_removed_changed_and_moved() {
    let check = |old: &[(&str, &str)], new: &[(&str, &str)], want: &[(&str, RuleChange)]| {
        let found = rules(old).rule_differences(&rules(new));
        let said: Vec<_> = found.iter().map(|found| (found.id.as_str(), found.change)).collect();
        assert_eq!(said, want);
    };
    let (a, b, c) = (("a", "REVIEW"), ("b", "REVIEW"), ("c", "REVIEW"));
    check(&[a, b, c], &[a, b, c], &[]);
    check(&[a, b, c], &[a, c], &[("b", RuleChange::Removed)]);
    check(&[a, c], &[a, b, c], &[("b", RuleChange::Added)]);
    check(&[a, b, c], &[c, a, b], &[("c", RuleChange::Moved)]);
    check(&[a, b], &[("b", "BLOCK"), a], &[("a", RuleChange::Moved), ("b", RuleChange::Changed)]);
}

#[test]
fn a_changed_rule_is_said_in_the_words_of_the_file() {
    let found = rules(&[("a", "REVIEW")]).rule_differences(&rules(&[("a", "BLOCK")]));
    assert_eq!(found[0].old.as_deref(), Some("REVIEW if finding = LISTED"));
    assert_eq!(found[0].new.as_deref(), Some("BLOCK if finding = LISTED"));
}

proptest! {
    #[test]
    fn as_many_rules_as_can_be_count_as_unmoved(
        numbers in Just((0..8).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let rises = |part: &[usize]| part.is_sorted();
        // Every part of the numbers, by the bits of a byte.
        let parts = (0..=255_u8).map(|bits| {
            let kept = numbers.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
            kept.map(|(_, number)| *number).collect::<Vec<_>>()
        });
        let longest = parts.filter(|part| rises(part)).map(|part| part.len()).max().unwrap();
        let found = longest_rising(&numbers);
        prop_assert!(rises(&found));
        prop_assert_eq!(found.len(), longest);
        let mut rest = numbers.iter();
        prop_assert!(found.iter().all(|number| rest.any(|other| other == number)), "in their order");
    }
}
