//! Explains a policy, for people and machines.

use serde::Serialize;

use crate::domain::list::{ListId, ListKind};
use crate::screening::FindingKind;
use crate::screening::policy::{
    Bands, INCOMPLETE_FLOOR, MAX_SCORE, NO_FINDING, NO_RULE, Policy, REMOVED, SANCTIONS_FLOOR,
    SOURCE_FLOOR,
};

#[derive(Debug, Serialize)]
pub struct Explanation {
    pub version: String,
    pub digest: String,
    pub bands: Vec<Band>,
    /// Scores of listings of the address itself, and of those that it is joined with.
    pub listings: Vec<ListingScores>,
    /// Scores of exposure, without share and value.
    pub exposure: Vec<ExposureScores>,
    /// What is left of them where an untagged hub lies between.
    pub hub_percent: u8,
    /// Categories that are named; others weigh 100.
    pub categories: Vec<CategoryWeight>,
    pub share_steps: Vec<Step>,
    pub value_steps: Vec<Step>,
    pub requirements: Requirements,
    pub rules: Vec<RuleWords>,
    /// What decides where no rule does, or in spite of one.
    pub floors: Vec<RuleWords>,
}

/// From which to which score a band goes.
#[derive(Debug, Serialize)]
pub struct Band {
    pub level: &'static str,
    pub from: u8,
    pub to: u8,
}

/// What listings on a kind of list score.
#[derive(Debug, Serialize)]
pub struct ListingScores {
    pub list_kind: &'static str,
    pub listed: u8,
    pub listed_verbatim: u8,
    pub co_spent: u8,
}

/// What exposure to a kind of list scores.
#[derive(Debug, Serialize)]
pub struct ExposureScores {
    pub list_kind: &'static str,
    pub finding: &'static str,
    /// From 1 hop on.
    pub by_hops: Vec<u8>,
}

/// The weight of a category of tags.
#[derive(Debug, Serialize)]
pub struct CategoryWeight {
    pub category: String,
    pub percent: u8,
}

/// From a threshold on, a score is raised to so many per cent.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Per cent of the funds, or dust floors.
    pub at_least: f64,
    pub score_percent: u16,
}

/// Requirements on data and requests, besides the configuration.
#[derive(Debug, Serialize)]
pub struct Requirements {
    pub lists: Vec<String>,
    pub max_hops: Option<u8>,
    pub list_max_age: Vec<MaxAge>,
    pub transfers_max_age: Option<String>,
}

/// The age from which lists of a kind are stale.
#[derive(Debug, Serialize)]
pub struct MaxAge {
    pub list_kind: &'static str,
    pub max_age: String,
}

#[derive(Debug, Serialize)]
pub struct RuleWords {
    pub id: String,
    pub decision: &'static str,
    pub threshold: String,
    pub note: String,
}

impl Explanation {
    pub fn new(policy: &Policy) -> Self {
        let [shares, values] = policy.steps();
        let step = |at_least: f64, score_percent| Step { at_least, score_percent };
        Self {
            version: policy.version().to_owned(),
            digest: policy.digest_hex(),
            bands: bands(policy.bands()),
            listings: listings(policy),
            exposure: exposure(policy),
            hub_percent: policy.hub_percent(),
            categories: policy
                .category_weights()
                .map(|(category, percent)| CategoryWeight { category: category.into(), percent })
                .collect(),
            share_steps: shares
                .iter()
                .map(|found| step(found.at_least as f64 / 100.0, found.percent))
                .collect(),
            value_steps: values
                .iter()
                .map(|found| step(found.at_least as f64, found.percent))
                .collect(),
            requirements: requirements(policy),
            rules: policy
                .rules()
                .iter()
                .map(|rule| RuleWords {
                    id: rule.id().to_owned(),
                    decision: rule.decision().as_str(),
                    threshold: rule.threshold(),
                    note: rule.note().to_owned(),
                })
                .collect(),
            floors: floors(),
        }
    }
}

fn bands(Bands([low, medium, high, severe]): Bands) -> Vec<Band> {
    let band = |level, from, next: u8| Band { level, from, to: next.saturating_sub(1) };
    vec![
        band("NONE", 0, low),
        band("LOW", low, medium),
        band("MEDIUM", medium, high),
        band("HIGH", high, severe),
        band("SEVERE", severe, MAX_SCORE + 1),
    ]
}

/// Services are never scored.
fn scored_kinds() -> impl Iterator<Item = ListKind> {
    ListKind::ALL.into_iter().filter(|kind| *kind != ListKind::Service)
}

fn listings(policy: &Policy) -> Vec<ListingScores> {
    let of = |kind: ListKind| ListingScores {
        list_kind: kind.as_str(),
        listed: policy.listing_score(FindingKind::Listed, kind, 100),
        listed_verbatim: policy.listing_score(FindingKind::ListedVerbatim, kind, 100),
        co_spent: policy.listing_score(FindingKind::CoSpent, kind, 100),
    };
    scored_kinds().map(of).collect()
}

fn exposure(policy: &Policy) -> Vec<ExposureScores> {
    let kinds = [FindingKind::ReceivedFrom, FindingKind::SentTo];
    let of = |kind: ListKind, finding: FindingKind| ExposureScores {
        list_kind: kind.as_str(),
        finding: finding.as_str(),
        by_hops: policy.exposure_scores(finding, kind, 100),
    };
    scored_kinds().flat_map(|kind| kinds.map(|finding| of(kind, finding))).collect()
}

fn requirements(policy: &Policy) -> Requirements {
    let asked = policy.requirements();
    let ages = asked
        .list_max_age
        .iter()
        .map(|(kind, age)| MaxAge { list_kind: kind.as_str(), max_age: format!("{age:#}") });
    Requirements {
        lists: asked.lists.iter().map(ListId::as_str).map(str::to_owned).collect(),
        max_hops: asked.max_hops,
        list_max_age: ages.collect(),
        transfers_max_age: asked.transfers_max_age.map(|age| format!("{age:#}")),
    }
}

fn floors() -> Vec<RuleWords> {
    let words = |id: &str, decision, threshold: &str, note: &str| RuleWords {
        id: id.to_owned(),
        decision,
        threshold: threshold.to_owned(),
        note: note.to_owned(),
    };
    vec![
        words(
            SANCTIONS_FLOOR,
            "BLOCK",
            "finding = LISTED or SAME_KEY, list_kind = SANCTIONS, not removed",
            "no rule makes it milder",
        ),
        words(
            SANCTIONS_FLOOR,
            "REVIEW",
            "finding = LISTED_VERBATIM, list_kind = SANCTIONS, not removed",
            "no rule makes it milder",
        ),
        words(
            SOURCE_FLOOR,
            "as the rules have it for a direct dealing",
            "finding = LISTED, SAME_KEY, LISTED_VERBATIM or CO_SPENT, where paths begin, not removed",
            "dealings of such an address with others of the kind are not known",
        ),
        words(
            INCOMPLETE_FLOOR,
            "REVIEW",
            "status = INCOMPLETE",
            "something is missing or stale; no rule makes it milder",
        ),
        words(REMOVED, "ALLOW", "state = REMOVED, and no rule for it", "shown, not scored"),
        words(NO_RULE, "REVIEW", "no rule fits the finding", "a person has to look"),
        words(NO_FINDING, "ALLOW", "nothing was found", "on complete data"),
    ]
}
