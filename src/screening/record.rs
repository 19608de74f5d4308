//! What the decision log keeps of an answer: the decision and what it rests on. Rows of lists are named
//! by reference. It holds neither the address nor text that may repeat it.

use serde::{Deserialize, Serialize};

use super::answer::Screening;
use super::finding_kind::{FindingKind, ListingState};
use super::incomplete::{Incomplete, IncompleteCode, ReasonSubject};
use super::matching::Finding;
use super::payment::Prospect;
use super::policy::{Decision, Policy};
use super::unvalued::{UnvaluedDealings, UnvaluedProspect};
use crate::domain::list::{ListId, RowKey};
use crate::exposure::{Direct, Direction, Nearness, Timing};

/// Whether an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecordedStatus {
    Complete,
    Incomplete,
}

impl RecordedStatus {
    pub fn of(is_complete: bool) -> Self {
        if is_complete { Self::Complete } else { Self::Incomplete }
    }

    pub fn is_complete(self) -> bool {
        self == Self::Complete
    }
}

/// An answer, in the form in which it is kept and compared with its replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRecord {
    pub decision: Decision,
    pub status: RecordedStatus,
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
    pub kind: FindingKind,
    #[serde(flatten)]
    pub listing: ListingReference,
    pub state: ListingState,
    pub score: u8,
    pub decision: Decision,
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
    pub direction: Direction,
    pub hops: u8,
    pub timing: Timing,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hub: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub common_input: bool,
    /// At one hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<Direct>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonRecord {
    pub code: IncompleteCode,
    /// What it says of the data; empty of the address, which it may repeat.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnvaluedRecord {
    #[serde(flatten)]
    pub listing: ListingReference,
    pub direction: Direction,
    pub transfers: u32,
    pub at_least: bool,
}

/// What a payment would add to the exposure of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProspectRecord {
    /// How near the address is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<ExposureRecord>,
    /// The finding that there would be.
    pub then: FindingRecord,
}

/// What a payment would add to the direct dealings of an address in assets without a known value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnvaluedProspectRecord {
    /// How many transfers there are now.
    pub now: u32,
    pub then: UnvaluedRecord,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowRecord {
    pub policy: String,
    pub decision: Decision,
    pub status: RecordedStatus,
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
        let (cuts, findings) = (screening.cluster_cuts.iter(), screening.findings.iter());
        let policy = screening.policy();
        Self {
            decision: screening.decision,
            status: RecordedStatus::of(screening.is_complete()),
            score: screening.score,
            rule: screening.rule().0.to_owned(),
            covered: screening.covered,
            hops: screening.exposure_hops,
            findings: findings.map(|found| FindingRecord::new(found, policy)).collect(),
            reasons: reasons.map(ReasonRecord::from).collect(),
            cluster_cuts: cuts
                .map(|cut| ListingReference::new(cut.list.id(), &cut.row().0.key))
                .collect(),
            unvalued: screening.unvalued.iter().map(UnvaluedRecord::from).collect(),
            unvalued_cut_short: screening.unvalued_cut_short,
            shadow: screening.shadow.as_deref().map(|shadow| ShadowRecord {
                policy: shadow.policy().version().to_owned(),
                decision: shadow.decision,
                status: RecordedStatus::of(shadow.is_complete()),
                score: shadow.score,
                rule: shadow.rule().0.to_owned(),
            }),
        }
    }
}

impl FindingRecord {
    /// Names the rule as the policy of the finding does.
    fn new(finding: &Finding<'_>, policy: &Policy) -> Self {
        Self {
            kind: finding.kind,
            listing: ListingReference::new(finding.list.id(), &finding.row.key),
            state: finding.state,
            score: finding.score,
            decision: finding.decision,
            rule: policy.rule_id(finding.by).to_owned(),
            exposure: finding.exposure.as_ref().map(ExposureRecord::from),
            same_transaction: finding.joined.map(|joined| joined.is_beside),
            about: finding.about,
        }
    }
}

impl ProspectRecord {
    pub fn new(prospect: &Prospect<'_>, policy: &Policy) -> Self {
        Self {
            now: prospect.now.as_ref().map(ExposureRecord::from),
            then: FindingRecord::new(&prospect.then, policy),
        }
    }
}

impl From<&UnvaluedProspect<'_>> for UnvaluedProspectRecord {
    fn from(prospect: &UnvaluedProspect<'_>) -> Self {
        Self { now: prospect.now, then: UnvaluedRecord::from(&prospect.then) }
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
            direction: near.direction,
            hops: near.hops,
            timing: near.timing,
            hub: near.hub,
            common_input: near.common_input,
            direct: near.direct,
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
        Self { code, detail }
    }
}

impl From<&UnvaluedDealings<'_>> for UnvaluedRecord {
    fn from(dealings: &UnvaluedDealings<'_>) -> Self {
        Self {
            listing: ListingReference::new(dealings.list.id(), &dealings.row().0.key),
            direction: dealings.dealt.direction,
            transfers: dealings.dealt.transfers,
            at_least: dealings.dealt.at_least,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records name codes as answers do, of which the names are given by hand.
    #[test]
    fn codes_are_named_as_in_answers() {
        for code in IncompleteCode::ALL {
            let name = serde_json::to_value(code).unwrap();
            assert_eq!(name.as_str(), Some(code.as_str()));
        }
    }
}
