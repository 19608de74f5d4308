//! Translates the program's types to proto messages.

pub mod common_input;
mod enums;
pub mod exposure;
pub mod past;
mod source;
pub mod trace;
pub mod transfer;

use data_encoding::HEXLOWER;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
pub use source::source_listing;

use super::v1;
use crate::domain::address::Address;
use crate::domain::list::{DeclaredCheck, ListingPeriod, Party, Provenance, Row, StartBasis};
use crate::engine::Engine;
use crate::screening::policy::Factors;
use crate::screening::snapshot::{
    CLOCK_TOLERANCE, IndexedListing, Snapshot, SnapshotList, SnapshotRecord,
};
use crate::screening::{
    DecisionText, Finding, Incomplete, ListAge, ListingState, Screening, standing,
};

pub fn timestamp(at: Timestamp) -> pbjson_types::Timestamp {
    // A proto timestamp counts its nanoseconds forwards from the second below.
    let nanos = at.as_nanosecond();
    pbjson_types::Timestamp {
        seconds: nanos.div_euclid(1_000_000_000) as i64,
        nanos: nanos.rem_euclid(1_000_000_000) as i32,
    }
}

/// A moment from outside; `None` where it is out of range.
pub fn from_timestamp(at: &pbjson_types::Timestamp) -> Option<Timestamp> {
    (0..1_000_000_000).contains(&at.nanos).then_some(())?;
    Timestamp::new(at.seconds, at.nanos).ok()
}

/// A look that was declared by hand.
pub fn declared_check(look: &DeclaredCheck) -> v1::DeclaredCheck {
    v1::DeclaredCheck {
        checked_at: Some(timestamp(look.at)),
        declared_by: look.by.clone(),
        declared_at: Some(timestamp(look.declared_at)),
    }
}

/// A day as YYYY-MM-DD; empty where there is none.
pub fn day(date: Option<Date>) -> String {
    date.map(|date| date.to_string()).unwrap_or_default()
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Where a version came from: the origin and its name.
pub fn provenance(provenance: &Provenance) -> (v1::ListOrigin, String) {
    match provenance {
        Provenance::Starter => (v1::ListOrigin::Starter, String::new()),
        Provenance::Import(name) => (v1::ListOrigin::Import, name.clone()),
        Provenance::Source(name) => (v1::ListOrigin::Source, name.clone()),
        Provenance::Backfill(backfill_record) => self::provenance(&backfill_record.standing),
    }
}

pub fn party(party: &Party) -> v1::Party {
    v1::Party {
        uid: party.uid.clone(),
        name: party.name.clone(),
        aliases: party.aliases.clone(),
        party_type: party.party_type.clone(),
        programs: party.programs.clone(),
        listed_on: party.listed_on.iter().map(Date::to_string).collect(),
    }
}

/// A screening made on `snapshot` at `now`.
pub fn screening(
    screening: &Screening<'_>,
    request_id: String,
    snapshot: &Snapshot,
    now: Timestamp,
) -> v1::Screening {
    let incomplete_reasons = incomplete_reasons(screening);
    let coverage = if screening.covered {
        v1::ExposureCoverage::Covered
    } else {
        v1::ExposureCoverage::NotCovered
    };
    v1::Screening {
        request_id,
        snapshot_id: snapshot.id().to_owned(),
        status: status(screening.is_complete()).into(),
        decision: v1::Decision::from(screening.decision).into(),
        score: screening.score.into(),
        level: v1::RiskLevel::from(screening.level).into(),
        address: screening.address.as_ref().map(understood),
        findings: screening.findings.iter().map(|found| finding(found, screening)).collect(),
        reason: screening.reason(incomplete_reasons.first().map(|first| first.detail.as_str())),
        incomplete_reasons,
        evaluated_at: Some(timestamp(now)),
        exposure_coverage: coverage.into(),
        exposure_hops: screening.exposure_hops.into(),
        rule: Some(deciding_rule(screening)),
        shadow: screening.shadow.as_deref().map(shadow),
        coverage_shortfalls: screening.uncovered.iter().map(incomplete).collect(),
        other_addresses: screening.other_addresses.iter().map(understood).collect(),
        normalizations: screening.normalizations.iter().map(ToString::to_string).collect(),
        cluster_cuts: screening
            .cluster_cuts
            .iter()
            .map(|cut| common_input::cluster_cut(cut, address_of(screening, cut.about)))
            .collect(),
        unvalued_dealings: screening
            .unvalued
            .iter()
            .map(|of| exposure::unvalued(of, address_of(screening, of.about)))
            .collect(),
        unvalued_dealings_cut_short: screening.unvalued_cut_short,
    }
}

/// The address that something is about; empty where the question holds no other.
fn address_of(screening: &Screening<'_>, about: u32) -> String {
    let address = screening.address_at(about).filter(|_| !screening.other_addresses.is_empty());
    address.map_or_else(String::new, |address| address.canonical().to_owned())
}

/// Why a screening is INCOMPLETE.
pub fn incomplete_reasons(screening: &Screening<'_>) -> Vec<v1::IncompleteReason> {
    let reasons = screening.scope_incomplete.iter().chain(&screening.address_incomplete);
    reasons.map(incomplete).collect()
}

pub fn deciding_rule(screening: &Screening<'_>) -> v1::DecidingRule {
    let (id, floor) = screening.rule();
    let DecisionText { threshold, observed } = screening.decision_text();
    v1::DecidingRule { id: id.to_owned(), floor, threshold, observed }
}

/// Whether a question was answered whole.
pub fn status(is_complete: bool) -> v1::ScreeningStatus {
    if is_complete { v1::ScreeningStatus::Complete } else { v1::ScreeningStatus::Incomplete }
}

fn shadow(screening: &Screening<'_>) -> v1::ShadowScreening {
    v1::ShadowScreening {
        policy_version: screening.policy().version().to_owned(),
        status: status(screening.is_complete()).into(),
        decision: v1::Decision::from(screening.decision).into(),
        score: screening.score.into(),
        level: v1::RiskLevel::from(screening.level).into(),
        rule: Some(deciding_rule(screening)),
    }
}

/// What was understood of an address.
pub fn understood(address: &Address<'_>) -> v1::UnderstoodAddress {
    v1::UnderstoodAddress {
        canonical: address.canonical().to_owned(),
        encoding: v1::AddressEncoding::from(address.encoding()).into(),
        checksum: v1::ChecksumVerdict::from(address.checksum()).into(),
        chains: address.chains().iter().map(|chain| chain.caip2().into_owned()).collect(),
    }
}

/// One finding of a screening.
pub fn finding(finding: &Finding<'_>, screening: &Screening<'_>) -> v1::Finding {
    let row = ListedRow {
        list: finding.list,
        row: finding.row,
        party: finding.party,
        understood: finding.listing,
    };
    let listing = listing(&row, finding.state, finding.standing);
    let basis = listing.listed_on_basis();
    v1::Finding {
        kind: v1::FindingKind::from(finding.kind).into(),
        score: finding.score.into(),
        listing: Some(listing),
        key_id: finding.key.as_ref().map(ToString::to_string).unwrap_or_default(),
        exposure: finding.exposure.as_ref().map(|near| exposure::exposure(near, basis)),
        factors: finding.factors.map(factors),
        decision: v1::Decision::from(finding.decision).into(),
        rule_id: screening.policy().rule_id(finding.by).to_owned(),
        reason: finding.reason(),
        address: address_of(screening, finding.about),
        same_transaction: finding.joined.is_some_and(|joined| joined.is_beside),
        common_input_chain: None,
    }
}

fn factors(factors: Factors) -> v1::ScoreFactors {
    v1::ScoreFactors {
        base: factors.base.into(),
        list_kind_percent: factors.list_kind.into(),
        category_percent: factors.category.into(),
        share_percent: factors.share.into(),
        value_percent: factors.value.into(),
        hub_percent: factors.hub.into(),
    }
}

/// A row in its list, with what was understood of it.
pub struct ListedRow<'s> {
    pub list: &'s SnapshotList,
    /// The row, verbatim.
    pub row: &'s Row,
    /// The party that it stands under, where the answer shall name it.
    pub party: Option<&'s Party>,
    /// What was understood of the address; `None` for a quarantined row.
    pub understood: Option<&'s IndexedListing>,
}

impl ListedRow<'_> {
    /// The row as it stands now.
    pub fn now(&self) -> v1::Listing {
        match standing(self.row, None) {
            Some((state, period)) => listing(self, state, Some(period)),
            None => listing(self, ListingState::Removed, None),
        }
    }
}

fn listing(
    row: &ListedRow<'_>,
    state: ListingState,
    period: Option<&ListingPeriod>,
) -> v1::Listing {
    let basis = period.map_or(StartBasis::Unknown, |period| period.basis);
    let chains = row.understood.map_or(&[][..], IndexedListing::chains);
    let state_of_list = row.list.state();
    let unlisted_until = period.and_then(|_| state_of_list.unlisted_until(row.row));
    v1::Listing {
        list_id: row.list.id().to_string(),
        list_kind: v1::ListKind::from(row.list.kind()).into(),
        list_version: state_of_list.version.version,
        party: row.party.map(party),
        address: row.row.key.address.clone(),
        ticker: row.row.key.ticker.clone(),
        canonical_address: row.understood.map(|u| u.canonical().to_owned()).unwrap_or_default(),
        chains: chains.iter().map(|chain| chain.caip2().into_owned()).collect(),
        category: row.row.facts.category.clone(),
        reference: row.row.facts.reference.clone(),
        state: v1::ListingState::from(state).into(),
        listed_on: day(period.and_then(|period| period.from)),
        listed_on_basis: v1::ListedOnBasis::from(basis).into(),
        removed_on: day(period.and_then(|period| period.until)),
        listed_from: period.and_then(|it| state_of_list.listed_from(it)).map(timestamp),
        unlisted_until: unlisted_until.map(timestamp),
        normalizations: row
            .understood
            .map(|listing| listing.normalizations().iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
    }
}

fn incomplete(reason: &Incomplete) -> v1::IncompleteReason {
    let (code, list) = reason.code();
    v1::IncompleteReason {
        code: v1::IncompleteReasonCode::from(code).into(),
        list_id: list.map(ToString::to_string).unwrap_or_default(),
        detail: reason.to_string(),
    }
}

/// The data versions in full, with ages as of `at` where given.
pub fn snapshot(engine: &Engine, id: &str, record: &SnapshotRecord) -> v1::Snapshot {
    let mut message = v1::Snapshot {
        id: id.to_owned(),
        lists: record
            .lists
            .iter()
            .map(|list| v1::SnapshotList {
                list_id: list.id.to_string(),
                name: engine.list_name(&list.id).to_owned(),
                kind: v1::ListKind::from(list.kind).into(),
                version: list.version,
                number_on_list: engine.number_on_list(&list.id, list.version),
                digest: hex(&list.digest),
                published_on: day(list.published),
                current_at: list.current_at.map(timestamp),
                age_seconds: None,
                server_clock: None,
                max_age_seconds: list.max_age_seconds,
                required: list.required,
                stale: false,
                imported_by_hand: list.by_hand,
                declared_check: list.declared.as_ref().map(declared_check),
                known_since: String::new(),
                backfilled_from: String::new(),
            })
            .collect(),
        missing_lists: record.missing.iter().map(ToString::to_string).collect(),
        engine_version: record.engine_version.clone(),
        policy_version: record.policy_version.clone(),
        stale_allowed: record.stale_allowed,
        policy_digest: if record.policy_digest == [0; 32] {
            String::new()
        } else {
            hex(&record.policy_digest)
        },
        ..Default::default()
    };
    exposure::add_transfers(&mut message, record);
    message
}

/// What the clock says, where it is behind the list.
pub fn clock_behind(list: &SnapshotList, now: Timestamp) -> Option<pbjson_types::Timestamp> {
    match list.age(now) {
        ListAge::ClockBehind { now, .. } => Some(timestamp(now)),
        ListAge::Known(_) | ListAge::Unknown => None,
    }
}

/// Fills the ages of `message`, made of `snapshot` by [`snapshot`], as of `at`.
pub fn set_ages(message: &mut v1::Snapshot, snapshot: &Snapshot, at: Timestamp) {
    for (message, list) in message.lists.iter_mut().zip(snapshot.lists()) {
        message.age_seconds = list.age_at(at).map(|age| age.as_secs().unsigned_abs());
        message.stale = list.counts_as_stale(at);
        message.server_clock = clock_behind(list, at);
    }
    for chain in &mut message.transfers {
        let last = chain.last_time.as_ref().and_then(from_timestamp);
        let age = last.map(|last| at.duration_since(last)).filter(|age| *age >= -CLOCK_TOLERANCE);
        let age = age.map(|age| age.max(SignedDuration::ZERO));
        chain.age_seconds = age.map(|age| age.as_secs().unsigned_abs());
    }
}
