//! What the numbers and rules of a policy must not do together. Reads no file.
//!
//! Of exposure the labels keep the fewest hops of a kind. Were a direct dealing of a small share
//! ALLOW where two hops are REVIEW, a small dealing of one's own would hide all that lies behind
//! it. So no exposure may be decided on more mildly than a farther one of its kind could be: tried
//! out over every combination that the rules can tell apart. And of direct dealings the labels say
//! what all come to, and the gravest timing: were more of them milder, a further one would hide
//! those that were there.
//!
//! CO_SPENT names one listing of a kind, and rules can tell it from no other of the kind. What it hides
//! are dealings, as a listing does: [`Policy::judge`] holds the decisions of both to the same floor. The
//! score of a listing begins at the highest there is; that of CO_SPENT must begin no lower than a direct
//! dealing can score.

use std::collections::BTreeSet;

use super::{
    DecidingRule, Decision, FindingKind, ListingState, PathRole, Policy, ScoredExposure, Subject,
};
use crate::domain::list::{ListId, ListKind, StartBasis};
use crate::exposure::{Direct, Direction, MAX_HOPS, Timing};

/// The timings, from the mildest to the gravest.
const BY_GRAVITY: [Timing; Timing::ALL.len()] = [Timing::Before, Timing::Unknown, Timing::After];

/// The most rules that are asked while all is tried out: some tenths of a second.
const MOST_ASKED: usize = 20_000_000;

/// What of a file a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// `base.co_spent`.
    CoSpent,
    /// All rules together, or none of them.
    Rules,
    /// The rule at that place.
    Rule(usize),
}

/// What is wrong, and where.
pub(super) fn problems(policy: &Policy) -> Vec<(Place, String)> {
    let Ok(list) = "any".parse::<ListId>() else { return Vec::new() };
    let mut problems: Vec<(Place, String)> = Vec::new();
    problems.extend(low_co_spent(policy));
    let asked = asked(policy);
    if asked > MOST_ASKED {
        let message = format!(
            "rules: tell more shares, values and categories apart than can be tried out: {asked} \
             combinations times rules, at most {MOST_ASKED}"
        );
        problems.push((Place::Rules, message));
        return problems;
    }
    let hops = hops_apart(policy);
    let ties = [
        (FindingKind::ReceivedFrom, Direction::ReceivedFrom),
        (FindingKind::SentTo, Direction::SentTo),
        (FindingKind::HubExposure, Direction::ReceivedFrom),
        (FindingKind::HubExposure, Direction::SentTo),
    ];
    for (kind, direction) in ties {
        for list_kind in ListKind::ALL.into_iter().filter(|kind| *kind != ListKind::Service) {
            for category_percent in categories(policy, list_kind) {
                let tried = Tried {
                    policy,
                    list: &list,
                    hops: &hops,
                    kind,
                    direction,
                    list_kind,
                    category_percent,
                };
                problems.extend(tried.problem());
            }
        }
    }
    // One example a rule says enough.
    let mut known = BTreeSet::new();
    problems.retain(|(place, _)| known.insert(*place));
    problems
}

/// What is wrong where CO_SPENT scores less than the dealings that it hides.
fn low_co_spent(policy: &Policy) -> Option<(Place, String)> {
    let (given, least) = (policy.scale.co_spent, policy.scale.highest_direct());
    let message = || {
        format!(
            "base.co_spent: {given} is less than a direct dealing can score: an address that is \
             joined with a listed one shows no dealings with listings of the kind, and {least} is \
             the highest score of one (base at one hop times the last steps of share and value): \
             give {least} or more, or leave the key out"
        )
    };
    (given < least).then(|| (Place::CoSpent, message()))
}

/// How many rules are asked, at most, to try all out.
fn asked(policy: &Policy) -> usize {
    let (shares, values) = told_apart(policy);
    let direct = shares.len().saturating_mul(values.len());
    let combinations = direct.saturating_add(hops_apart(policy).len()) * BY_GRAVITY.len();
    let kinds = ListKind::ALL.into_iter().filter(|kind| *kind != ListKind::Service);
    let weights: usize = kinds.map(|kind| categories(policy, kind).len()).sum();
    // Four kinds of exposure.
    let subjects = combinations.saturating_mul(4 * weights);
    subjects.saturating_mul(policy.rules().len().max(1))
}

/// Every share and value that rules or steps can tell apart, from the smallest to the unknown.
fn told_apart(policy: &Policy) -> (Vec<Option<u16>>, Vec<Option<u64>>) {
    let [share_steps, value_steps] = policy.steps();
    let (mut shares, mut values) = (BTreeSet::from([0]), BTreeSet::from([0]));
    shares.extend(share_steps.iter().map(|step| step.at_least as u16));
    values.extend(value_steps.iter().map(|step| step.at_least));
    for rule in policy.rules() {
        let asked = &rule.conditions;
        shares.extend([asked.share_at_least, asked.share_below].into_iter().flatten());
        values.extend([asked.value_at_least, asked.value_below].into_iter().flatten());
    }
    let shares = shares.into_iter().map(Some).chain([None]).collect();
    (shares, values.into_iter().map(Some).chain([None]).collect())
}

/// Every number of hops from 2 on, ascending, that scores or rules tell apart from the one before.
fn hops_apart(policy: &Policy) -> Vec<u8> {
    let bounds: BTreeSet<u8> = policy
        .rules()
        .iter()
        .flat_map(|rule| {
            let asked = &rule.conditions;
            [asked.hops_at_least, asked.hops_at_most.map(|most| most + 1)]
        })
        .flatten()
        .collect();
    let scale = &policy.scale;
    let scores = |hops: u8| {
        let place = usize::from(hops) - 1;
        (scale.received_from[place], scale.sent_to[place])
    };
    let is_apart =
        |hops: &u8| *hops == 2 || bounds.contains(hops) || scores(*hops) != scores(*hops - 1);
    (2..=MAX_HOPS).filter(is_apart).collect()
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
    /// As [`hops_apart`] has them.
    hops: &'p [u8],
    kind: FindingKind,
    direction: Direction,
    list_kind: ListKind,
    category_percent: u8,
}

impl Tried<'_> {
    fn problem(&self) -> Option<(Place, String)> {
        // From far to near: what is nearer must be as bad at least as the worst so far.
        let mut worst: Option<(Decision, DecidingRule, u8)> = None;
        for &hops in self.hops.iter().rev() {
            let found = BY_GRAVITY.map(|timing| self.verdict(hops, timing, None));
            for found in &found {
                if let Some(problem) = self.hides(*found, hops, worst) {
                    return Some(problem);
                }
            }
            let here = found.into_iter().map(|(decision, by)| (decision, by, hops));
            worst = worst.into_iter().chain(here).max_by_key(|(decision, ..)| *decision);
        }
        if self.kind == FindingKind::HubExposure {
            let mut found = BY_GRAVITY.map(|timing| self.verdict(1, timing, None)).into_iter();
            return found.find_map(|found| self.hides(found, 1, worst));
        }
        self.problem_of_direct(worst)
    }

    /// What is wrong with direct dealings, where the worst of the farther is decided on so.
    fn problem_of_direct(
        &self,
        worst: Option<(Decision, DecidingRule, u8)>,
    ) -> Option<(Place, String)> {
        let (shares, values) = told_apart(self.policy);
        // By timing and value, at the share before this one.
        let mut smaller: Vec<(Decision, DecidingRule)> = Vec::new();
        for share in shares {
            let mut here: Vec<(Decision, DecidingRule)> = Vec::with_capacity(smaller.len());
            for &value in &values {
                for (at, timing) in BY_GRAVITY.into_iter().enumerate() {
                    let found = self.verdict(1, timing, Some(Direct { share, value }));
                    if let Some(problem) = self.hides(found, 1, worst) {
                        return Some(problem);
                    }
                    let place = here.len();
                    let less = [
                        (smaller.get(place), "with a smaller share"),
                        (
                            place.checked_sub(BY_GRAVITY.len()).map(|less| &here[less]),
                            "with less value",
                        ),
                        (
                            place.checked_sub(1).filter(|_| at > 0).map(|less| &here[less]),
                            "with a milder timing",
                        ),
                    ];
                    let milder = less.into_iter().find_map(|(known, words)| {
                        known
                            .filter(|(decision, _)| found.0 < *decision)
                            .map(|known| (*known, words))
                    });
                    if let Some((known, words)) = milder {
                        return Some(self.said(found, "dealt with directly", known, words));
                    }
                    here.push(found);
                }
            }
            smaller = here;
        }
        None
    }

    /// What is wrong where so many hops are decided on more mildly than more of them.
    fn hides(
        &self,
        found: (Decision, DecidingRule),
        hops: u8,
        worst: Option<(Decision, DecidingRule, u8)>,
    ) -> Option<(Place, String)> {
        let (farther, by, at) = worst.filter(|worst| found.0 < worst.0)?;
        let near = format!("over {hops} {}", if hops == 1 { "hop" } else { "hops" });
        Some(self.said(found, &near, (farther, by), &format!("over {at} hops")))
    }

    fn said(
        &self,
        (decision, by): (Decision, DecidingRule),
        here: &str,
        (worse, worse_by): (Decision, DecidingRule),
        there: &str,
    ) -> (Place, String) {
        let hides = if there.starts_with("over") {
            "the nearer would hide the farther"
        } else {
            "a further dealing would hide those before it"
        };
        let (kind, list_kind) = (self.kind.as_str(), self.list_kind);
        let [rule, worse_rule] = [by, worse_by].map(|by| self.policy.rule_id(by));
        let [can, is] = [decision, worse].map(Decision::as_str);
        let message = format!(
            "{kind} of a {list_kind} list {here} can be {can} by rule {rule}, while {there} it is \
             {is} by rule {worse_rule}: {hides}"
        );
        let place = match by {
            DecidingRule::Rule(place) => Place::Rule(place),
            DecidingRule::SanctionsFloor
            | DecidingRule::SourceFloor
            | DecidingRule::Removed
            | DecidingRule::NoRule => Place::Rules,
        };
        (place, message)
    }

    /// What is decided on an exposure of the kind.
    fn verdict(
        &self,
        hops: u8,
        timing: Timing,
        direct: Option<Direct>,
    ) -> (Decision, DecidingRule) {
        let Self { direction, category_percent, .. } = *self;
        let exposed = ScoredExposure { hops, direction, timing, direct };
        let verdict = self.policy.evaluate(&Subject {
            kind: self.kind,
            state: ListingState::Standing,
            list: self.list,
            list_kind: self.list_kind,
            category: "",
            role: PathRole::Source,
            category_percent,
            exposure: Some(exposed),
            basis: StartBasis::Unknown,
        });
        (verdict.decision, verdict.by)
    }
}
