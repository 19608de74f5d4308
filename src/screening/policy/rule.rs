//! One rule of a policy: what it asks of a finding, and what was observed, in the same words.
//!
//! Of exposure the labels keep the nearest listing of a kind, so what a rule asks of the list, the
//! category or the state would hide farther ones, and beyond one hop so would timing. Of the listings
//! that an address is joined with by common input they keep the first of a kind, likewise. Such rules
//! are refused when the file is read: they fit listings of the address itself, and timing direct
//! dealings too.

use super::{Decision, FindingKind, ListingState, Subject};
use crate::domain::list::{ListId, ListKind};
use crate::exposure::{Direct, Timing};

/// A rule. Every condition that is given must hold; of those with several values one must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) id: Box<str>,
    pub(super) decision: Decision,
    pub(super) note: Box<str>,
    pub(super) conditions: Conditions,
}

/// What a rule asks of a finding; `None` and empty ask nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub findings: Vec<FindingKind>,
    pub list_kinds: Vec<ListKind>,
    pub lists: Vec<ListId>,
    pub categories: Vec<String>,
    /// Empty: any but removed.
    pub states: Vec<ListingState>,
    pub timings: Vec<Timing>,
    /// A listing of the address itself, and one that it is joined with, have 0 hops.
    pub hops_at_least: Option<u8>,
    pub hops_at_most: Option<u8>,
    /// In basis points; of direct dealings alone. An unknown share is large.
    pub share_at_least: Option<u16>,
    pub share_below: Option<u16>,
    /// In dust floors, likewise.
    pub value_at_least: Option<u64>,
    pub value_below: Option<u64>,
    pub score_at_least: Option<u8>,
    pub score_below: Option<u8>,
}

impl Rule {
    /// Its id, of a-z, 0-9 and hyphens.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// What its file says of it, for people; may be empty.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Whether it fits a finding that scores `score`.
    pub(super) fn fits(&self, subject: &Subject<'_>, score: u8) -> bool {
        let asked = &self.conditions;
        let hops = hops(subject);
        asked.states_fit(subject.state)
            && any(&asked.findings, &subject.kind)
            && any(&asked.list_kinds, &subject.list_kind)
            && any(&asked.lists, subject.list)
            && asked.category_fits(subject.category, self.decision)
            && (asked.timings.is_empty()
                || subject.exposure.is_some_and(|e| asked.timings.contains(&e.timing)))
            && asked.hops_at_least.is_none_or(|least| hops >= least)
            && asked.hops_at_most.is_none_or(|most| hops <= most)
            && asked.dealings_fit(subject.exposure.and_then(|exposed| exposed.direct))
            && asked.score_at_least.is_none_or(|least| score >= least)
            && asked.score_below.is_none_or(|limit| score < limit)
    }

    /// What it asks for, in the words of the file.
    pub fn threshold(&self) -> String {
        let asked = &self.conditions;
        let mut words = Words::default();
        words.one_of("finding", asked.findings.iter().map(|kind| kind.as_str()));
        words.one_of("list_kind", asked.list_kinds.iter().map(|kind| kind.as_str()));
        words.one_of("list", asked.lists.iter().map(ListId::as_str));
        words.one_of("category", asked.categories.iter().map(String::as_str));
        words.one_of("state", asked.states.iter().map(|state| state.as_str()));
        words.one_of("timing", asked.timings.iter().map(|timing| timing.as_str()));
        words.number("hops_at_least", asked.hops_at_least.map(u64::from));
        words.number("hops_at_most", asked.hops_at_most.map(u64::from));
        words.percent("share_at_least_percent", asked.share_at_least);
        words.percent("share_below_percent", asked.share_below);
        words.number("value_at_least_floors", asked.value_at_least);
        words.number("value_below_floors", asked.value_below);
        words.number("score_at_least", asked.score_at_least.map(u64::from));
        words.number("score_below", asked.score_below.map(u64::from));
        if words.0.is_empty() { "any finding".to_owned() } else { words.0 }
    }

    /// What of it was observed, in the same words.
    pub(super) fn observed(&self, subject: &Subject<'_>, score: u8) -> String {
        let asked = &self.conditions;
        let mut words = Words::default();
        let wanted = Wanted {
            list: !asked.lists.is_empty(),
            category: !asked.categories.is_empty(),
            state: !asked.states.is_empty(),
            timing: !asked.timings.is_empty(),
            hops: asked.hops_at_least.is_some() || asked.hops_at_most.is_some(),
            share: asked.share_at_least.is_some() || asked.share_below.is_some(),
            value: asked.value_at_least.is_some() || asked.value_below.is_some(),
            score: asked.score_at_least.is_some() || asked.score_below.is_some(),
        };
        words.observe(subject, score, &wanted);
        words.0
    }
}

/// All that rules can ask for, as observed.
pub(super) fn all_observed(subject: &Subject<'_>, score: u8) -> String {
    let mut words = Words::default();
    let (list, category, state, timing) = (true, true, true, true);
    let (hops, share, value, score_wanted) = (true, true, true, true);
    let wanted = Wanted { list, category, state, timing, hops, share, value, score: score_wanted };
    words.observe(subject, score, &wanted);
    words.0
}

impl Conditions {
    /// Whether it asks what the one listing that is kept of an exposure, or of common inputs, cannot
    /// answer for the others.
    pub fn hides_farther(&self) -> bool {
        !self.lists.is_empty() || !self.categories.is_empty() || !self.states.is_empty()
    }

    fn states_fit(&self, state: ListingState) -> bool {
        match self.states.as_slice() {
            [] => state != ListingState::Removed,
            states => states.contains(&state),
        }
    }

    /// Of several categories of a row one must be asked for; to let it pass, all.
    fn category_fits(&self, given: &str, decision: Decision) -> bool {
        let known = |name: &str| self.categories.iter().any(|category| category == name.trim());
        match decision {
            _ if self.categories.is_empty() => true,
            Decision::Allow => given.split(',').all(known),
            Decision::Review | Decision::Block => given.split(',').any(known),
        }
    }

    fn dealings_fit(&self, direct: Option<Direct>) -> bool {
        let asks = self.share_at_least.is_some()
            || self.share_below.is_some()
            || self.value_at_least.is_some()
            || self.value_below.is_some();
        let Some(Direct { share, value }) = direct else { return !asks };
        self.share_at_least.is_none_or(|least| share.is_none_or(|share| share >= least))
            && self.share_below.is_none_or(|limit| share.is_some_and(|share| share < limit))
            && self.value_at_least.is_none_or(|least| value.is_none_or(|value| value >= least))
            && self.value_below.is_none_or(|limit| value.is_some_and(|value| value < limit))
    }
}

fn any<T: PartialEq>(asked: &[T], found: &T) -> bool {
    asked.is_empty() || asked.contains(found)
}

/// 0 where the address itself is listed, or joined with a listed one.
fn hops(subject: &Subject<'_>) -> u8 {
    subject.exposure.map_or(0, |exposed| exposed.hops)
}

/// Which observations to name; the kinds of finding and list always are.
struct Wanted {
    list: bool,
    category: bool,
    state: bool,
    timing: bool,
    hops: bool,
    share: bool,
    value: bool,
    score: bool,
}

/// `name = value` pairs, separated by commas.
#[derive(Default)]
struct Words(String);

impl Words {
    fn pair(&mut self, name: &str, value: &str) {
        let comma = if self.0.is_empty() { "" } else { ", " };
        self.0.push_str(&format!("{comma}{name} = {value}"));
    }

    fn one_of<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>) {
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            self.pair(name, &values.join(" or "));
        }
    }

    fn number(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.pair(name, &value.to_string());
        }
    }

    fn percent(&mut self, name: &str, basis_points: Option<u16>) {
        if let Some(points) = basis_points {
            self.pair(name, &percent(points));
        }
    }

    fn observe(&mut self, subject: &Subject<'_>, score: u8, wanted: &Wanted) {
        self.pair("finding", subject.kind.as_str());
        self.pair("list_kind", subject.list_kind.as_str());
        if wanted.list {
            self.pair("list", subject.list.as_str());
        }
        if wanted.category && !subject.category.is_empty() {
            self.pair("category", subject.category);
        }
        if wanted.state {
            self.pair("state", subject.state.as_str());
        }
        if let Some(exposed) = subject.exposure.filter(|_| wanted.timing) {
            self.pair("timing", exposed.timing.as_str());
            self.pair("timing_basis", subject.basis.as_str());
        }
        if wanted.hops {
            self.pair("hops", &hops(subject).to_string());
        }
        if let Some(direct) = subject.exposure.and_then(|exposed| exposed.direct) {
            let unknown = || "unknown".to_owned();
            if wanted.share {
                self.pair("share_percent", &direct.share.map_or_else(unknown, percent));
            }
            if wanted.value {
                let value = direct.value.map_or_else(unknown, |value| value.to_string());
                self.pair("value_floors", &value);
            }
        }
        if wanted.score {
            self.pair("score", &score.to_string());
        }
    }
}

/// Basis points as per cent, without zeros at the end.
pub(in crate::screening) fn percent(points: u16) -> String {
    match (points / 100, points % 100) {
        (whole, 0) => whole.to_string(),
        (whole, rest) => format!("{whole}.{rest:02}").trim_end_matches('0').to_owned(),
    }
}
