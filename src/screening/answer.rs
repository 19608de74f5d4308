//! One answered question: what was found, what was decided, and by what.

use super::common_input::ClusterCut;
use super::decided_by::DecidedBy;
use super::incomplete::Incomplete;
use super::matching::{Finding, MatchContext};
use super::policy::{self, Decision, Policy, RiskLevel};
use super::unvalued::UnvaluedDealings;
use crate::domain::address::{Address, Normalization};
use crate::domain::list::StartBasis;

#[derive(Debug)]
pub struct Screening<'a> {
    /// What was understood of the address; the first, where the text holds several.
    pub address: Option<Address<'a>>,
    /// Further addresses of the text: the answer is about the worst of all.
    pub other_addresses: Vec<Address<'a>>,
    /// What was taken off the text.
    pub normalizations: Vec<Normalization>,
    /// The largest score of the findings.
    pub score: u8,
    pub level: RiskLevel,
    pub decision: Decision,
    pub decider: Decider,
    /// The highest score first, then SAME_KEY last, then by address, list and row.
    pub findings: Vec<Finding<'a>>,
    /// Clusters of the address that hold listed ones and are larger than the limit, by address and kind:
    /// no part of the score or the decision.
    pub cluster_cuts: Vec<ClusterCut<'a>>,
    /// Direct dealings in assets without a known value, by address, direction and kind: no part of
    /// the score or the decision.
    pub unvalued: Vec<UnvaluedDealings<'a>>,
    /// Whether not all transfers could be looked at for those.
    pub unvalued_cut_short: bool,
    /// Why the screening is INCOMPLETE because of the data or the request's options.
    pub scope_incomplete: &'a [Incomplete],
    /// Why it is INCOMPLETE because of this address.
    pub address_incomplete: Vec<Incomplete>,
    /// Whether transfers of a chain that the address fits are loaded without gaps, and not stale.
    pub covered: bool,
    /// Over how many hops exposure was looked for; 0 where it was not.
    pub exposure_hops: u8,
    /// What keeps chains that the address fits, and of which transfers are loaded, from being so.
    pub uncovered: Vec<Incomplete>,
    /// What the shadow policy makes of the same question; `None` where there is none.
    pub shadow: Option<Box<Screening<'a>>>,
    /// What rows were looked at with.
    pub(super) context: MatchContext<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decider {
    NoFinding,
    /// What says so of the finding at that place.
    Finding(usize),
    /// The floor under an INCOMPLETE screening.
    Incomplete,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionText {
    /// What it takes, in the words of the policy's file.
    pub threshold: String,
    /// What was observed, in the same words.
    pub observed: String,
}

/// What is counted of a screening, and made into the answer on a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScreeningSummary {
    pub decision: Decision,
    pub score: u8,
    pub is_complete: bool,
    pub decided_by: DecidedBy,
}

impl<'a> Screening<'a> {
    pub fn summary(&self) -> ScreeningSummary {
        let reasons = self.scope_incomplete.iter().chain(&self.address_incomplete);
        ScreeningSummary {
            decision: self.decision,
            score: self.score,
            is_complete: self.is_complete(),
            decided_by: DecidedBy::of(self.rule().0, reasons.map(|why| why.code().0.subject())),
        }
    }

    pub fn policy(&self) -> &'a Policy {
        self.context.policy
    }

    /// The id of what decided, as [`policy`] names it, and whether it is a floor that no rule
    /// lifts.
    pub fn rule(&self) -> (&'a str, bool) {
        match self.decider {
            Decider::NoFinding => (policy::NO_FINDING, false),
            Decider::Incomplete => (policy::INCOMPLETE_FLOOR, true),
            Decider::Finding(place) => {
                let by = self.findings[place].by;
                (self.policy().rule_id(by), by.is_floor())
            }
        }
    }

    /// The finding that decided; `None` where none did.
    pub fn deciding_finding(&self) -> Option<&Finding<'a>> {
        match self.decider {
            Decider::Finding(place) => self.findings.get(place),
            Decider::NoFinding | Decider::Incomplete => None,
        }
    }

    /// Why the rule decided so.
    pub fn decision_text(&self) -> DecisionText {
        let (threshold, observed) = match self.decider {
            Decider::NoFinding => return DecisionText::default(),
            Decider::Incomplete => {
                ("status = COMPLETE".to_owned(), "status = INCOMPLETE".to_owned())
            }
            Decider::Finding(place) => {
                let found = &self.findings[place];
                let near = found.exposure.as_ref();
                let basis = found.standing.map_or(StartBasis::Unknown, |standing| standing.basis);
                let row = (found.list, found.row, basis);
                let subject = self.context.subject(found.kind, found.state, row, near);
                self.policy().decision_text(found.by, &subject, found.score)
            }
        };
        DecisionText { threshold, observed }
    }

    /// The address that a finding is about; `None` where none was understood.
    pub fn address_of(&self, finding: &Finding<'_>) -> Option<&Address<'a>> {
        self.address_at(finding.about)
    }

    /// The address at a place; `None` where none was understood.
    pub fn address_at(&self, about: u32) -> Option<&Address<'a>> {
        self.address.iter().chain(&self.other_addresses).nth(about as usize)
    }

    /// Whether the question was answered whole.
    pub fn is_complete(&self) -> bool {
        self.scope_incomplete.is_empty() && self.address_incomplete.is_empty()
    }
}

/// The worst decision of the findings, of equals that of the first, and the floor under what is not
/// `complete`.
pub(super) fn decide(
    findings: impl IntoIterator<Item = Decision>,
    complete: bool,
) -> (Decision, Decider) {
    let mut worst = (Decision::Allow, Decider::NoFinding);
    for (place, decision) in findings.into_iter().enumerate() {
        if worst.1 == Decider::NoFinding || decision > worst.0 {
            worst = (decision, Decider::Finding(place));
        }
    }
    if complete || worst.0 >= Decision::Review {
        worst
    } else {
        (Decision::Review, Decider::Incomplete)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What [`DecidedBy`](super::super::DecidedBy) rests on: the floor decides exactly where the
        /// same findings on complete data decide milder.
        #[test]
        fn the_floor_decides_where_complete_data_would_be_milder(
            findings in prop::collection::vec(prop::sample::select(Decision::ALL.to_vec()), 0..5),
        ) {
            let (complete, by) = decide(findings.iter().copied(), true);
            prop_assert_ne!(by, Decider::Incomplete);
            let (incomplete, by) = decide(findings.iter().copied(), false);
            prop_assert_eq!(by == Decider::Incomplete, complete < incomplete);
            let is_grave = findings.iter().any(|found| *found >= incomplete);
            prop_assert_eq!(by == Decider::Incomplete, !is_grave);
        }
    }
}
