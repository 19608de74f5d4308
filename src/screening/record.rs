//! What the decision log keeps of an answer: the decision and what it rests on. Rows of lists are named
//! by reference. It holds neither the address nor text that may repeat it.

use serde::{Deserialize, Serialize};

use super::answer::Screening;
use super::incomplete::{Incomplete, ReasonSubject};
use super::matching::Finding;
use super::unvalued::UnvaluedDealings;
use crate::domain::list::{ListId, RowKey};
use crate::exposure::{Direction, Nearness};

/// An answer, in the form in which it is kept and compared with its replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// ALLOW, REVIEW or BLOCK.
    pub decision: String,
    /// COMPLETE, or INCOMPLETE with reasons.
    pub status: String,
    /// 0 to 100.
    pub score: u8,
    /// The id of what decided, as the policy names it.
    pub rule: String,
    /// Whether transfers of a chain that the address fits were loaded without gaps.
    pub covered: bool,
    /// Over how many hops exposure was looked for; 0 where it was not.
    pub hops: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingRecord>,
    /// Why it is INCOMPLETE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ReasonRecord>,
    /// Listings in clusters that are cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_cuts: Vec<ListingReference>,
    /// Direct dealings in assets without a known value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unvalued: Vec<UnvaluedRecord>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unvalued_cut_short: bool,
    /// What the shadow policy made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowRecord>,
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingReference {
    pub list: ListId,
    /// [`RowKey::reference`].
    pub row: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRecord {
    pub kind: String,
    #[serde(flatten)]
    pub listing: ListingReference,
    /// Whether the listing was in force, pending removal or removed.
    pub state: String,
    pub score: u8,
    pub decision: String,
    pub rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<ExposureRecord>,
    /// Of CO_SPENT: whether both are inputs of one transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_transaction: Option<bool>,
    /// The place of the address that it is about, where the text holds several.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub about: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExposureRecord {
    pub direction: String,
    pub hops: u8,
    pub timing: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hub: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub common_input: bool,
    /// At one hop: the share in basis points and the multiple of dust floors; `null` where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<(Option<u16>, Option<u64>)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonRecord {
    pub code: String,
    /// What it says of the data; empty of the address, which it may repeat.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnvaluedRecord {
    #[serde(flatten)]
    pub listing: ListingReference,
    pub direction: String,
    pub transfers: u32,
    pub at_least: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowRecord {
    pub policy: String,
    pub decision: String,
    pub status: String,
    pub score: u8,
    pub rule: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl From<&Screening<'_>> for AnswerRecord {
    fn from(screening: &Screening<'_>) -> Self {
        let reasons = screening.scope_incomplete.iter().chain(&screening.address_incomplete);
        let cuts = screening.cluster_cuts.iter();
        Self {
            decision: screening.decision.as_str().to_owned(),
            status: status(screening).to_owned(),
            score: screening.score,
            rule: screening.rule().0.to_owned(),
            covered: screening.covered,
            hops: screening.exposure_hops,
            findings: screening.findings.iter().map(|found| finding(found, screening)).collect(),
            reasons: reasons.map(ReasonRecord::from).collect(),
            cluster_cuts: cuts
                .map(|cut| ListingReference::new(cut.list.id(), &cut.row().0.key))
                .collect(),
            unvalued: screening.unvalued.iter().map(UnvaluedRecord::from).collect(),
            unvalued_cut_short: screening.unvalued_cut_short,
            shadow: screening.shadow.as_deref().map(|shadow| ShadowRecord {
                policy: shadow.policy().version().to_owned(),
                decision: shadow.decision.as_str().to_owned(),
                status: status(shadow).to_owned(),
                score: shadow.score,
                rule: shadow.rule().0.to_owned(),
            }),
        }
    }
}

fn status(screening: &Screening<'_>) -> &'static str {
    if screening.is_complete() { "COMPLETE" } else { "INCOMPLETE" }
}

fn direction(direction: Direction) -> String {
    match direction {
        Direction::ReceivedFrom => "RECEIVED_FROM",
        Direction::SentTo => "SENT_TO",
    }
    .to_owned()
}

fn finding(finding: &Finding<'_>, screening: &Screening<'_>) -> FindingRecord {
    FindingRecord {
        kind: finding.kind.as_str().to_owned(),
        listing: ListingReference::new(finding.list.id(), &finding.row.key),
        state: <&str>::from(finding.state).to_owned(),
        score: finding.score,
        decision: finding.decision.as_str().to_owned(),
        rule: screening.policy().rule_id(finding.by).to_owned(),
        exposure: finding.exposure.as_ref().map(ExposureRecord::from),
        same_transaction: finding.joined.map(|joined| joined.is_beside),
        about: finding.about,
    }
}

impl ListingReference {
    fn new(list: &ListId, row: &RowKey) -> Self {
        Self { list: list.clone(), row: row.reference() }
    }
}

impl From<&Nearness> for ExposureRecord {
    fn from(near: &Nearness) -> Self {
        Self {
            direction: direction(near.direction),
            hops: near.hops,
            timing: near.timing.as_str().to_owned(),
            hub: near.hub,
            common_input: near.common_input,
            direct: near.direct.map(|direct| (direct.share, direct.value)),
        }
    }
}

impl From<&Incomplete> for ReasonRecord {
    fn from(reason: &Incomplete) -> Self {
        let (code, _) = reason.code();
        let detail = match code.subject() {
            ReasonSubject::Data => reason.to_string(),
            ReasonSubject::Address => String::new(),
        };
        Self { code: code.as_str().to_owned(), detail }
    }
}

impl From<&UnvaluedDealings<'_>> for UnvaluedRecord {
    fn from(dealings: &UnvaluedDealings<'_>) -> Self {
        Self {
            listing: ListingReference::new(dealings.list.id(), &dealings.row().0.key),
            direction: direction(dealings.dealt.direction),
            transfers: dealings.dealt.transfers,
            at_least: dealings.dealt.at_least,
        }
    }
}
