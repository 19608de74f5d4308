//! The policy: from findings to scores and decisions, as a file says. Pure; reads no file and looks
//! nothing up.
//!
//! Each finding is judged by itself: its score is a product of factors, its decision that of the
//! first rule that fits it, and of a floor that no rule lifts. A screening takes the largest score
//! and the worst decision of its findings, so that no finding hides another and none that is added
//! makes an answer milder. `docs/policy.md` explains the file and the built-in policy.

mod consistency;
mod difference;
mod file;
mod rule;
mod score;
mod tables;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use data_encoding::HEXLOWER;
use jiff::SignedDuration;
use sha2::{Digest, Sha256};

pub use difference::{RuleChange, RuleDifference, SettingDifference};
pub use file::{MAX_FILE, PolicyError, PolicyProblem};
pub use rule::Rule;
pub(super) use rule::percent;
pub use score::Factors;
use score::{Scale, Step};

use super::categories::{Categories, PathRole};
use super::{FindingKind, ListingState};
use crate::domain::list::{ListId, ListKind, StartBasis};
use crate::exposure::{Direct, Direction, Timing};

/// The score of a certain sanctions match, the highest there is.
pub const MAX_SCORE: u8 = 100;

/// The id of the floor under a standing listing of kind SANCTIONS: BLOCK, and REVIEW under a string
/// of such a list that is matched letter for letter.
pub const SANCTIONS_FLOOR: &str = "sanctions";

/// The id of the floor under a standing listing at which paths begin, be it of the address itself or
/// one that it is joined with by common input: exposure to others of its kind is not known.
pub const SOURCE_FLOOR: &str = "source";

/// The id of the floor under an INCOMPLETE screening.
pub const INCOMPLETE_FLOOR: &str = "incomplete";

/// The id where nothing was found.
pub const NO_FINDING: &str = "no-finding";

/// The id where a listing was removed, and no rule asks for such.
pub const REMOVED: &str = "removed";

/// The id where no rule fits.
pub const NO_RULE: &str = "no-rule";

/// Ids that a rule must not have.
const RESERVED: [&str; 6] =
    [SANCTIONS_FLOOR, SOURCE_FLOOR, INCOMPLETE_FLOOR, NO_FINDING, REMOVED, NO_RULE];

/// The built-in policy, in the form of every other.
static BUILT_IN: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let parsed = Policy::parse(include_str!("../../data/policy.toml"));
    Arc::new(parsed.expect("the built-in policy is valid: a test reads it"))
});

/// How answers name a policy of that name and digest.
fn name_of(name: &str, digest: &[u8; 32]) -> String {
    format!("{name}@{}", HEXLOWER.encode_display(&digest[..8]))
}

/// What to do, from best to worst.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::IntoStaticStr,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// Nothing that the policy minds, on complete data.
    Allow,
    /// A person has to look.
    Review,
    /// Do not deal.
    Block,
}

impl Decision {
    /// Every decision, from best to worst.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Review, Self::Block];

    /// The name used in files and the proto.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The band of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RiskLevel {
    None,
    Low,
    Medium,
    High,
    /// The last, up to 100.
    Severe,
}

/// The lowest scores of the bands LOW, MEDIUM, HIGH and SEVERE, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bands(pub [u8; 4]);

/// What a policy asks of data and requests, beside the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Lists without which a screening is INCOMPLETE, sorted.
    pub lists: Vec<ListId>,
    /// A screening over fewer hops is INCOMPLETE; `None`: fewer than configured.
    /// [`Policy::required_hops`] says how many that is.
    pub max_hops: Option<u8>,
    /// The age from which lists of a kind are stale; the stricter of it and the configured one
    /// holds.
    pub list_max_age: BTreeMap<ListKind, SignedDuration>,
    /// The age of the last transfer from which required chains are stale; likewise.
    pub transfers_max_age: Option<SignedDuration>,
}

/// A policy, valid and whole.
#[derive(Debug)]
pub struct Policy {
    name: Box<str>,
    version: Box<str>,
    digest: [u8; 32],
    text: Box<str>,
    bands: Bands,
    scale: Scale,
    requirements: Requirements,
    rules: Vec<Rule>,
}

/// A finding as a policy sees it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What ties the address to the listing.
    pub kind: FindingKind,
    pub state: ListingState,
    pub list: &'a ListId,
    pub list_kind: ListKind,
    /// The row's categories, separated by commas.
    pub category: &'a str,
    /// Whether paths begin or end at the listing, by its list or its category.
    pub role: PathRole,
    /// The largest weight, in per cent, that a category at which paths begin has: what is nearest
    /// must not hide what is of heavier category.
    pub category_percent: u8,
    /// How near the listing is; `None` where the address itself is listed, or joined with it by common
    /// input.
    pub exposure: Option<ScoredExposure>,
    /// What the dates of the listing rest on. Shown beside the timing; no rule asks for it.
    pub basis: StartBasis,
}

/// How near a listing is, as a policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoredExposure {
    /// The fewest hops, from 1.
    pub hops: u8,
    pub direction: Direction,
    /// Whether funds moved at the listing before its first day; exact for direct dealings.
    pub timing: Timing,
    /// What was dealt directly; `None` beyond one hop.
    pub direct: Option<Direct>,
}

/// What a policy makes of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// 0 to 100.
    pub score: u8,
    /// What the score was made of; `None` where it is not scored.
    pub factors: Option<Factors>,
    pub decision: Decision,
    pub by: DecidingRule,
}

/// What decided on a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidingRule {
    /// A rule, by its place in the policy.
    Rule(usize),
    /// The floor under a standing listing of kind SANCTIONS.
    SanctionsFloor,
    /// The floor under a standing listing at which paths begin.
    SourceFloor,
    /// The listing was removed, and no rule asks for such.
    Removed,
    /// No rule fits, so a person has to look.
    NoRule,
}

impl DecidingRule {
    /// Returns whether no rule of a policy lifts it.
    pub fn is_floor(self) -> bool {
        match self {
            Self::SanctionsFloor | Self::SourceFloor => true,
            Self::Rule(_) | Self::Removed | Self::NoRule => false,
        }
    }
}

impl Policy {
    /// Returns the policy that applies where none is configured (data/policy.toml).
    ///
    /// ```
    /// use lazaretto::screening::policy::{Policy, RiskLevel};
    ///
    /// let policy = Policy::built_in();
    /// assert_eq!(policy.level(95), RiskLevel::Severe);
    /// assert!(policy.rules().iter().any(|rule| rule.id() == "common-input"));
    /// ```
    pub fn built_in() -> Arc<Self> {
        BUILT_IN.clone()
    }

    /// Its name, as its file gives it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How answers name it: its name, `@` and the first 16 hex digits of its digest.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What names a policy: SHA-256 of its file.
    pub fn digest_of(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    /// SHA-256 of its file.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The same in hex.
    pub fn digest_hex(&self) -> String {
        HEXLOWER.encode(&self.digest)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn bands(&self) -> Bands {
        self.bands
    }

    /// What it asks of data and requests.
    pub fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// Over how many hops a screening must look where `configured` are the most. The built-in policy is
    /// in force where no file is named, so it requires no more than there are.
    pub fn required_hops(&self, configured: u8) -> u8 {
        let required = self.requirements.max_hops.unwrap_or(configured);
        if self.digest == BUILT_IN.digest { required.min(configured) } else { required }
    }

    /// Its rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The band that `score` lies in.
    pub fn level(&self, score: u8) -> RiskLevel {
        let Bands([low, medium, high, severe]) = self.bands;
        match score {
            score if score >= severe => RiskLevel::Severe,
            score if score >= high => RiskLevel::High,
            score if score >= medium => RiskLevel::Medium,
            score if score >= low => RiskLevel::Low,
            _ => RiskLevel::None,
        }
    }

    /// The largest weight of a category that paths begin at, in per cent.
    pub fn exposure_category_percent(&self, categories: &Categories) -> u8 {
        let weights = categories.risk.iter().map(|category| self.scale.category_percent(category));
        weights.max().unwrap_or(100)
    }

    /// The score of a finding, what to do about it, and what says so.
    pub fn evaluate(&self, subject: &Subject<'_>) -> Verdict {
        let removed = subject.state == ListingState::Removed;
        let certain = !removed
            && subject.list_kind == ListKind::Sanctions
            && matches!(subject.kind, FindingKind::Listed | FindingKind::SameKey);
        let service = subject.role == PathRole::Stop;
        let factors = (!removed && !service).then(|| self.scale.factors(subject));
        let score = match (certain, &factors) {
            (true, _) => MAX_SCORE,
            (false, Some(factors)) => factors.score(),
            (false, None) => 0,
        };
        let fits = |rule: &Rule| rule.fits(subject, score);
        let (decision, by) = match self.rules.iter().position(fits) {
            Some(place) => (self.rules[place].decision(), DecidingRule::Rule(place)),
            None if removed => (Decision::Allow, DecidingRule::Removed),
            None => (Decision::Review, DecidingRule::NoRule),
        };
        let (floor, floor_by) = match subject.kind {
            _ if removed => (Decision::Allow, by),
            _ if certain => (Decision::Block, DecidingRule::SanctionsFloor),
            FindingKind::ListedVerbatim if subject.list_kind == ListKind::Sanctions => {
                match self.worst_dealing(subject) {
                    Decision::Block => (Decision::Block, DecidingRule::SourceFloor),
                    Decision::Review | Decision::Allow => {
                        (Decision::Review, DecidingRule::SanctionsFloor)
                    }
                }
            }
            FindingKind::Listed
            | FindingKind::SameKey
            | FindingKind::ListedVerbatim
            | FindingKind::CoSpent
                if subject.role == PathRole::Source =>
            {
                (self.worst_dealing(subject), DecidingRule::SourceFloor)
            }
            FindingKind::Listed
            | FindingKind::SameKey
            | FindingKind::ListedVerbatim
            | FindingKind::CoSpent
            | FindingKind::ReceivedFrom
            | FindingKind::SentTo
            | FindingKind::HubExposure => (Decision::Allow, by),
        };
        if decision < floor {
            Verdict { score, factors, decision: floor, by: floor_by }
        } else {
            Verdict { score, factors, decision, by }
        }
    }

    /// The worst that is decided on a dealing with another listing of the subject's kind, were it
    /// known: a source, and a key that is joined with one, have no labels of its kind, so such dealings
    /// are hidden. By what every policy holds to (`consistency`), a direct one, after the listing and of
    /// unknown size.
    fn worst_dealing(&self, subject: &Subject<'_>) -> Decision {
        let direct = Some(Direct { share: None, value: None });
        let ties = [
            (FindingKind::ReceivedFrom, Direction::ReceivedFrom, direct),
            (FindingKind::SentTo, Direction::SentTo, direct),
            (FindingKind::HubExposure, Direction::ReceivedFrom, None),
            (FindingKind::HubExposure, Direction::SentTo, None),
        ];
        let decisions = ties.map(|(kind, direction, direct)| {
            let exposed = ScoredExposure { hops: 1, direction, timing: Timing::After, direct };
            let dealt = Subject { kind, exposure: Some(exposed), category: "", ..*subject };
            let standing = Subject { state: ListingState::Standing, ..dealt };
            self.evaluate(&standing).decision
        });
        decisions.into_iter().max().unwrap_or(Decision::Allow)
    }

    /// What decided on a finding, as answers name it.
    pub fn rule_id(&self, by: DecidingRule) -> &str {
        match by {
            DecidingRule::Rule(place) => self.rules[place].id(),
            DecidingRule::SanctionsFloor => SANCTIONS_FLOOR,
            DecidingRule::SourceFloor => SOURCE_FLOOR,
            DecidingRule::Removed => REMOVED,
            DecidingRule::NoRule => NO_RULE,
        }
    }

    /// What it takes to be decided on so, in the words of the file, and what was observed.
    pub fn decision_text(
        &self,
        by: DecidingRule,
        subject: &Subject<'_>,
        score: u8,
    ) -> (String, String) {
        match by {
            DecidingRule::Rule(place) => {
                let rule = &self.rules[place];
                (rule.threshold(), rule.observed(subject, score))
            }
            DecidingRule::SanctionsFloor => (
                match subject.kind {
                    FindingKind::ListedVerbatim => {
                        "finding = LISTED_VERBATIM, list_kind = SANCTIONS, not removed"
                    }
                    FindingKind::Listed
                    | FindingKind::SameKey
                    | FindingKind::ReceivedFrom
                    | FindingKind::SentTo
                    | FindingKind::HubExposure
                    | FindingKind::CoSpent => {
                        "finding = LISTED or SAME_KEY, list_kind = SANCTIONS, not removed"
                    }
                }
                .to_owned(),
                format!("finding = {}, list_kind = {}", subject.kind.as_str(), subject.list_kind),
            ),
            DecidingRule::SourceFloor => (
                "no milder than a direct dealing with a listing of the kind".to_owned(),
                rule::all_observed(subject, score),
            ),
            DecidingRule::Removed => {
                ("state = REMOVED, and no rule for it".to_owned(), "state = REMOVED".to_owned())
            }
            DecidingRule::NoRule => ("no rule fits".to_owned(), rule::all_observed(subject, score)),
        }
    }

    /// The score table of exposure to a kind of list, without share and value: by hops from 1 on.
    pub fn exposure_scores(
        &self,
        kind: FindingKind,
        list_kind: ListKind,
        category_percent: u8,
    ) -> Vec<u8> {
        self.scale.by_hops(kind, list_kind, category_percent)
    }

    /// The score of a standing listing of the address itself, no service, whose category weighs
    /// `category_percent`.
    pub fn listing_score(
        &self,
        kind: FindingKind,
        list_kind: ListKind,
        category_percent: u8,
    ) -> u8 {
        self.scale.listing(kind, list_kind, category_percent)
    }

    /// The categories of tags that are named, with their weights in per cent; others weigh 100.
    pub fn category_weights(&self) -> impl Iterator<Item = (&str, u8)> {
        self.scale.categories.iter().map(|(category, weight)| (category.as_str(), *weight))
    }

    /// What is left of a score where an untagged hub lies between, in per cent.
    pub fn hub_percent(&self) -> u8 {
        self.scale.hub
    }

    /// The steps by which the share of direct dealings, in basis points, raises a score, in per
    /// cent; and the same for their value, in dust floors.
    pub fn steps(&self) -> [&[Step]; 2] {
        self.scale.steps()
    }
}
