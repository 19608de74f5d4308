//! What a policy sets, key by key in the words of its file, and what differs between two. Judges no
//! finding.

use std::collections::BTreeMap;

use super::{Bands, Policy, Rule};
use crate::domain::list::{ListId, ListKind};

/// A setting that two policies have differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDifference {
    /// Its key, such as `bands.low`.
    pub key: String,
    /// The old policy's value; `None` where it has none.
    pub old: Option<String>,
    /// The new policy's value, likewise.
    pub new: Option<String>,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RuleChange {
    /// Only the new policy has it.
    Added,
    /// Only the old policy has it.
    Removed,
    /// Both have it, and it says something else.
    Changed,
    /// Both have it, at another place among those that both have.
    Moved,
}

impl RuleChange {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDifference {
    pub id: String,
    pub change: RuleChange,
    /// What the old policy says: the rule in words, or its place from 1 where it was moved.
    pub old: Option<String>,
    /// What the new policy says, likewise.
    pub new: Option<String>,
}

impl Policy {
    /// Its settings but for the rules: keys as in the file, in its order, and their values.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![("name".to_owned(), self.name().to_owned())];
        let mut set = |key: String, value: String| settings.push((key, value));
        let Bands(bands) = self.bands;
        for (name, band) in ["low", "medium", "high", "severe"].into_iter().zip(bands) {
            set(format!("bands.{name}"), band.to_string());
        }
        for kind in ListKind::ALL {
            let weight = self.scale.list_kind_percent(kind);
            set(format!("weights.list_kind.{kind}"), weight.to_string());
        }
        for (category, weight) in &self.scale.categories {
            set(format!("weights.category.{category}"), weight.to_string());
        }
        set("base.listed_verbatim".to_owned(), self.scale.verbatim.to_string());
        set("base.co_spent".to_owned(), self.scale.co_spent.to_string());
        let row = |scores: &[u8]| scores.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        set("base.received_from".to_owned(), row(&self.scale.received_from));
        set("base.sent_to".to_owned(), row(&self.scale.sent_to));
        set("base.hub_percent".to_owned(), self.scale.hub.to_string());
        for step in &self.scale.shares {
            let percent = super::rule::percent(step.at_least as u16);
            set(format!("share from {percent} %"), format!("{} %", step.percent));
        }
        for step in &self.scale.values {
            set(format!("value from {} floors", step.at_least), format!("{} %", step.percent));
        }
        let asked = &self.requirements;
        for (kind, age) in &asked.list_max_age {
            set(format!("staleness.list_kind.{kind}"), format!("{age:#}"));
        }
        if let Some(age) = asked.transfers_max_age {
            set("staleness.transfers".to_owned(), format!("{age:#}"));
        }
        if !asked.lists.is_empty() {
            let lists: Vec<_> = asked.lists.iter().map(ListId::as_str).collect();
            set("requires.lists".to_owned(), lists.join(", "));
        }
        if let Some(hops) = asked.max_hops {
            set("requires.max_hops".to_owned(), hops.to_string());
        }
        settings
    }

    /// The settings that `new` has differently: first those that this policy has, in its order.
    pub fn setting_differences(&self, new: &Self) -> Vec<SettingDifference> {
        let (old, new) = (self.settings(), new.settings());
        let of = |settings: &[(String, String)], key: &str| {
            settings.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
        };
        let added = new.iter().filter(|(key, _)| of(&old, key).is_none());
        let keys = old.iter().chain(added).map(|(key, _)| key);
        let both = keys.map(|key| SettingDifference {
            key: key.clone(),
            old: of(&old, key),
            new: of(&new, key),
        });
        both.filter(|found| found.old != found.new).collect()
    }

    /// The rules that `new` has differently: those of this policy in its order, then added ones.
    pub fn rule_differences(&self, new: &Self) -> Vec<RuleDifference> {
        let place_in = |policy: &Self| -> BTreeMap<String, usize> {
            let ids = policy.rules.iter().map(|rule| rule.id().to_owned());
            ids.zip(0..).collect()
        };
        let (old_places, new_places) = (place_in(self), place_in(new));
        let kept: Vec<usize> =
            self.rules.iter().filter_map(|rule| new_places.get(rule.id()).copied()).collect();
        let still = longest_rising(&kept);
        let mut differences = Vec::new();
        let mut say = |id: &str, change, old, new| {
            differences.push(RuleDifference { id: id.to_owned(), change, old, new });
        };
        for (place, rule) in self.rules.iter().enumerate() {
            let Some(&new_place) = new_places.get(rule.id()) else {
                say(rule.id(), RuleChange::Removed, Some(words(rule)), None);
                continue;
            };
            let renewed = &new.rules[new_place];
            if renewed != rule {
                let (old, new) = (words(rule), words(renewed));
                say(rule.id(), RuleChange::Changed, Some(old), Some(new));
            }
            if !still.contains(&new_place) {
                let [old, new] = [place, new_place].map(|place| format!("place {}", place + 1));
                say(rule.id(), RuleChange::Moved, Some(old), Some(new));
            }
        }
        for rule in new.rules.iter().filter(|rule| !old_places.contains_key(rule.id())) {
            say(rule.id(), RuleChange::Added, None, Some(words(rule)));
        }
        differences
    }
}

/// A rule in one line: decision, conditions, note.
fn words(rule: &Rule) -> String {
    let note = if rule.note().is_empty() { String::new() } else { format!("; {}", rule.note()) };
    format!("{} if {}{note}", rule.decision().as_str(), rule.threshold())
}

/// The longest rising part of distinct numbers, ascending: what need not move.
pub(super) fn longest_rising(numbers: &[usize]) -> Vec<usize> {
    // Per place the length of the best part that ends there, and the place before it.
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(numbers.len());
    for (at, number) in numbers.iter().enumerate() {
        let before = (0..at).filter(|&before| numbers[before] < *number);
        let before = before.max_by_key(|&before| best[before].0);
        best.push((before.map_or(1, |before| best[before].0 + 1), before));
    }
    let mut rising = Vec::new();
    let mut next = (0..numbers.len()).max_by_key(|&at| best[at].0);
    while let Some(at) = next {
        rising.push(numbers[at]);
        next = best[at].1;
    }
    rising.reverse();
    rising
}
