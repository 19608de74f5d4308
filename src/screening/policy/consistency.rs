//! What the numbers and rules of a policy must not do together. Reads no file.
//!
//! Of exposure the labels keep the fewest hops of a kind. Were a direct dealing of a small share
//! ALLOW where two hops are REVIEW, a small dealing of one's own would hide all that lies behind
//! it. So no exposure may be decided on more mildly than a farther one of its kind could be: tried
//! out over every combination that the rules can tell apart.

use std::collections::BTreeSet;

use super::{By, Decision, Exposed, FindingKind, ListingState, Policy, Subject};
use crate::domain::list::{ListId, ListKind};
use crate::exposure::{Direct, Direction, MAX_HOPS, Timing};

/// What is wrong, with the place of the rule that it is about.
pub(super) fn problems(policy: &Policy) -> Vec<(Option<usize>, String)> {
    let Ok(list) = "any".parse::<ListId>() else { return Vec::new() };
    let mut problems: Vec<(Option<usize>, String)> = Vec::new();
    let ties = [
        (FindingKind::ReceivedFrom, Direction::ReceivedFrom),
        (FindingKind::SentTo, Direction::SentTo),
        (FindingKind::HubExposure, Direction::ReceivedFrom),
        (FindingKind::HubExposure, Direction::SentTo),
    ];
    for (kind, direction) in ties {
        for list_kind in ListKind::ALL.into_iter().filter(|kind| *kind != ListKind::Service) {
            for category_percent in categories(policy, list_kind) {
                let tried =
                    Tried { policy, list: &list, kind, direction, list_kind, category_percent };
                problems.extend(tried.problem());
            }
        }
    }
    // One example a rule says enough.
    let mut known = BTreeSet::new();
    problems.retain(|(place, _)| known.insert(*place));
    problems
}

/// The weights that the category of an exposure can have.
fn categories(policy: &Policy, kind: ListKind) -> BTreeSet<u8> {
    let mut weights = BTreeSet::from([100]);
    if kind == ListKind::Attribution {
        weights.extend(policy.scale.categories.values());
    }
    weights
}

/// A kind of exposure that is tried out.
struct Tried<'p> {
    policy: &'p Policy,
    list: &'p ListId,
    kind: FindingKind,
    direction: Direction,
    list_kind: ListKind,
    category_percent: u8,
}

impl Tried<'_> {
    fn problem(&self) -> Option<(Option<usize>, String)> {
        // From far to near: what is nearer must be as bad at least as the worst so far.
        let mut worst: Option<(Decision, By, u8)> = None;
        for hops in (1..=MAX_HOPS).rev() {
            let found: Vec<_> = self.at(hops).collect();
            for (decision, by) in &found {
                if let Some((farther, farther_by, at)) = worst.filter(|worst| *decision < worst.0) {
                    let message = format!(
                        "{} of a {} list over {hops} {} can be {} by rule {}, while over {at} hops it is \
                         {} by rule {}: the nearer would hide the farther",
                        self.kind.as_str(),
                        self.list_kind,
                        if hops == 1 { "hop" } else { "hops" },
                        decision.as_str(),
                        self.policy.rule_id(*by),
                        farther.as_str(),
                        self.policy.rule_id(farther_by),
                    );
                    let place = if let By::Rule(place) = by { Some(*place) } else { None };
                    return Some((place, message));
                }
            }
            let here = found.into_iter().max_by_key(|(decision, _)| *decision);
            let here = here.map(|(decision, by)| (decision, by, hops));
            worst = worst.into_iter().chain(here).max_by_key(|(decision, ..)| *decision);
        }
        None
    }

    /// All that can be decided on over so many hops.
    fn at(&self, hops: u8) -> impl Iterator<Item = (Decision, By)> {
        let is_direct = hops == 1 && self.kind != FindingKind::HubExposure;
        let directs = if is_direct { self.directs() } else { vec![None] };
        directs.into_iter().flat_map(move |direct| {
            Timing::ALL.into_iter().map(move |timing| {
                let Self { direction, category_percent, .. } = *self;
                let exposed = Exposed { hops, direction, timing, direct, category_percent };
                let judged = self.policy.judge(&Subject {
                    kind: self.kind,
                    state: ListingState::Standing,
                    list: self.list,
                    list_kind: self.list_kind,
                    category: "",
                    service: false,
                    exposure: Some(exposed),
                });
                (judged.decision, judged.by)
            })
        })
    }

    /// Every share and value that rules or steps can tell apart.
    fn directs(&self) -> Vec<Option<Direct>> {
        let [share_steps, value_steps] = self.policy.steps();
        let (mut shares, mut values) = (BTreeSet::from([0]), BTreeSet::from([0]));
        shares.extend(share_steps.iter().map(|step| step.at_least as u16));
        values.extend(value_steps.iter().map(|step| step.at_least));
        for rule in self.policy.rules() {
            let asked = &rule.conditions;
            shares.extend([asked.share_at_least, asked.share_below].into_iter().flatten());
            values.extend([asked.value_at_least, asked.value_below].into_iter().flatten());
        }
        let shares = shares.into_iter().map(Some).chain([None]);
        let pairs = shares.flat_map(|share| {
            values.iter().copied().map(Some).chain([None]).map(move |value| (share, value))
        });
        pairs.map(|(share, value)| Some(Direct { share, value })).collect()
    }
}
