//! A record as a message.

use std::collections::HashMap;

use crate::audit::RecordId;
use crate::domain::list::{ListId, Party, Row};
use crate::engine::EngineError;
use crate::engine::decision_log::{
    CallRecord, ComparisonRecord, FieldDifference, OutcomeRecord, PaymentRecord, PaymentSide,
    Record, RecordError, Replay, TraceRecord,
};
use crate::exposure::Direction;
use crate::grpc::{convert, v1};
use crate::screening::snapshot::{ENGINE_VERSION, Snapshot, SnapshotList};
use crate::screening::{
    AnswerRecord, ExposureRecord, FindingRecord, ListingReference, ProspectRecord, RecordedStatus,
    UnvaluedProspectRecord,
};

/// The rows of the lists in force, by reference: those of a list are hashed once an answer.
pub struct RowNames<'s> {
    snapshot: Option<&'s Snapshot>,
    by_reference: HashMap<ListId, HashMap<String, &'s Row>>,
}

/// A row's address, and its party.
struct RowName {
    address: String,
    party: String,
}

impl<'s> RowNames<'s> {
    pub fn new(snapshot: Option<&'s Snapshot>) -> Self {
        Self { snapshot, by_reference: HashMap::new() }
    }

    /// The row that is referred to, and the party that it stands under; `None` where it is gone.
    fn of(&mut self, listing: &ListingReference) -> (Option<&'s Row>, Option<&'s Party>) {
        let list = self.snapshot.and_then(|snapshot| snapshot.list(&listing.list));
        let Some(state) = list.map(SnapshotList::state) else { return (None, None) };
        let rows = self
            .by_reference
            .entry(listing.list.clone())
            .or_insert_with(|| state.rows.iter().map(|row| (row.key.reference(), row)).collect());
        let row = rows.get(&listing.row).copied();
        let party = row.and_then(|row| {
            let at = state.parties.binary_search_by(|party| party.uid.cmp(&row.key.party_uid));
            Some(&state.parties[at.ok()?])
        });
        (row, party)
    }

    /// The names of a row; empty where it is gone.
    fn named(&mut self, listing: &ListingReference) -> RowName {
        let (row, party) = self.of(listing);
        RowName {
            address: row.map(|row| row.key.address.clone()).unwrap_or_default(),
            party: party.map(|party| party.name.clone()).unwrap_or_default(),
        }
    }
}

/// The record; rows of lists are named as `rows` has them.
pub fn message(record: &Record, rows: &mut RowNames<'_>) -> v1::ScreeningRecord {
    let Record { id, call, item, address, references, .. } = record;
    let mut message = v1::ScreeningRecord {
        record_id: id.to_string(),
        evaluated_at: Some(convert::timestamp(record.evaluated_at())),
        recorded_at: Some(convert::timestamp(record.time)),
        method: call.method.to_string(),
        identity: call.identity.to_string(),
        snapshot_id: call.snapshot.to_string(),
        options: Some(options(call)),
        address: address.clone().unwrap_or_default(),
        chain: item.chain.as_deref().unwrap_or_default().to_owned(),
        request_id: references.request_id.clone(),
        customer_reference: references.customer.clone().unwrap_or_default(),
        redacted: address.is_none(),
        refused: item.refused.clone().unwrap_or_default(),
        payment: call.payment.as_ref().map(|payment| payment_of(payment, record, rows)),
        call_refused: call.refused_queries.is_some(),
        call_addresses: call.refused_queries.unwrap_or_default(),
        comparison: item.comparison.as_ref().map(|compared| comparison(call, compared)),
        trace: item.trace.map(trace),
        repeats_record_id: call.repeats.clone().unwrap_or_default(),
        ..v1::ScreeningRecord::default()
    };
    if let Some(answer) = &item.answer {
        add_answer(&mut message, answer, rows);
    }
    message
}

fn add_answer(message: &mut v1::ScreeningRecord, answer: &AnswerRecord, rows: &mut RowNames<'_>) {
    let coverage = if answer.covered {
        v1::ExposureCoverage::Covered
    } else {
        v1::ExposureCoverage::NotCovered
    };
    message.decision = v1::Decision::from(answer.decision).into();
    message.status = status(answer.status);
    message.score = answer.score.into();
    message.rule_id.clone_from(&answer.rule);
    message.exposure_coverage = coverage.into();
    message.exposure_hops = answer.hops.into();
    message.findings = answer.findings.iter().map(|found| finding(found, rows)).collect();
    message.incomplete_reasons = answer
        .reasons
        .iter()
        .map(|reason| v1::RecordedReason {
            code: v1::IncompleteReasonCode::from(reason.code).into(),
            detail: reason.detail.clone(),
        })
        .collect();
}

fn options(call: &CallRecord<'_>) -> v1::ScreeningOptions {
    v1::ScreeningOptions {
        lists: call.lists.iter().map(ToString::to_string).collect(),
        as_of: call.as_of.map(convert::timestamp),
        max_hops: call.max_hops.map(u32::from).unwrap_or_default(),
        include_evidence: call.evidence,
        snapshot_id: call.evaluated_at.map(|_| call.snapshot.to_string()).unwrap_or_default(),
        evaluated_at: call.evaluated_at.map(convert::timestamp),
        include_snapshot: false,
    }
}

fn status(status: RecordedStatus) -> i32 {
    convert::status(status.is_complete()).into()
}

fn finding(found: &FindingRecord, rows: &mut RowNames<'_>) -> v1::RecordedFinding {
    let named = rows.named(&found.listing);
    v1::RecordedFinding {
        kind: v1::FindingKind::from(found.kind).into(),
        list_id: found.listing.list.to_string(),
        row: found.listing.row.clone(),
        listed_address: named.address,
        party: named.party,
        score: found.score.into(),
        decision: v1::Decision::from(found.decision).into(),
        rule_id: found.rule.clone(),
        hops: found.exposure.as_ref().map_or(0, |exposure| exposure.hops.into()),
    }
}

fn payment_of(
    payment: &PaymentRecord,
    record: &Record,
    rows: &mut RowNames<'_>,
) -> v1::RecordedPayment {
    let item = record.item.payment.as_ref();
    let side = item.map_or(v1::PaymentSide::Unspecified, |item| match item.side {
        PaymentSide::Source => v1::PaymentSide::Source,
        PaymentSide::Destination => v1::PaymentSide::Destination,
    });
    let first = record.first_of_payment();
    let exposures = item.iter().flat_map(|item| &item.exposures);
    let unvalued = item.iter().flat_map(|item| &item.unvalued);
    v1::RecordedPayment {
        side: side.into(),
        chain: payment.chain.clone(),
        asset: payment.asset.clone(),
        amount: payment.amount.clone(),
        tx: record.references.tx.clone(),
        direction: v1::PaymentDirection::from(Direction::from(payment.direction)).into(),
        decision: v1::Decision::from(payment.decision).into(),
        status: status(payment.status),
        score: payment.score.into(),
        index: item.map_or(0, |item| item.index),
        addresses: payment.count() as u32,
        first_record_id: first.map(|id| id.to_string()).unwrap_or_default(),
        effect: v1::PaymentEffect::from(payment.effect).into(),
        exposure_hops: payment.exposure_hops.into(),
        amount_split_unknown: payment.amount_split_unknown,
        prospective_incomplete: payment.prospective_incomplete,
        prospective_exposures: exposures.map(|it| prospect(it, rows)).collect(),
        prospective_unvalued_dealings: unvalued.map(|it| unvalued_prospect(it, rows)).collect(),
    }
}

fn prospect(prospect: &ProspectRecord, rows: &mut RowNames<'_>) -> v1::RecordedProspect {
    let share = |exposure: &ExposureRecord| exposure.direct.and_then(|direct| direct.share);
    v1::RecordedProspect {
        finding: Some(finding(&prospect.then, rows)),
        current_hops: prospect.now.as_ref().map_or(0, |now| now.hops.into()),
        prospective_direct_share_basis_points: prospect
            .then
            .exposure
            .as_ref()
            .and_then(share)
            .map(u32::from),
    }
}

fn unvalued_prospect(
    prospect: &UnvaluedProspectRecord,
    rows: &mut RowNames<'_>,
) -> v1::RecordedUnvaluedProspect {
    let UnvaluedProspectRecord { now, then } = prospect;
    let named = rows.named(&then.listing);
    v1::RecordedUnvaluedProspect {
        list_id: then.listing.list.to_string(),
        row: then.listing.row.clone(),
        listed_address: named.address,
        party: named.party,
        direction: v1::ExposureDirection::from(then.direction).into(),
        current_transfers: *now,
        prospective_transfers: then.transfers,
        at_least: then.at_least,
    }
}

fn comparison(call: &CallRecord<'_>, compared: &ComparisonRecord) -> v1::RecordedComparison {
    let versions = call.compared.as_ref();
    let outcome = |of: &OutcomeRecord| v1::RecordedOutcome {
        decision: v1::Decision::from(of.decision).into(),
        status: status(of.status),
        score: of.score.into(),
        rule_id: of.rule.clone(),
    };
    v1::RecordedComparison {
        baseline_version: versions.map(|of| of.baseline.clone()).unwrap_or_default(),
        candidate_version: versions.map(|of| of.candidate.clone()).unwrap_or_default(),
        baseline: Some(outcome(&compared.baseline)),
        candidate: Some(outcome(&compared.candidate)),
    }
}

fn trace(trace: TraceRecord) -> v1::RecordedTrace {
    let TraceRecord { paths, common_inputs, max_hops, cut_short } = trace;
    v1::RecordedTrace { paths, common_inputs, max_hops, cut_short }
}

/// A record with its replay.
pub fn replayed(
    record: &Record,
    replay: Result<Replay, EngineError>,
    rows: &mut RowNames<'_>,
) -> v1::ReplayedScreening {
    let mut message_of = v1::ReplayedScreening {
        record: Some(message(record, rows)),
        replayed_by: ENGINE_VERSION.to_owned(),
        ..v1::ReplayedScreening::default()
    };
    match replay {
        Ok(Replay { differences, payment_not_replayed, recorded_by }) => {
            message_of.equal = differences.is_empty();
            message_of.recorded_by = recorded_by;
            message_of.payment_not_replayed = payment_not_replayed.unwrap_or_default();
            let differences = differences.into_iter();
            let message = |FieldDifference { field, recorded, replayed }| v1::ReplayDifference {
                field,
                recorded,
                replayed,
            };
            message_of.differences = differences.map(message).collect();
        }
        Err(error) => message_of.not_replayed = error.to_string(),
    }
    message_of
}

/// A record that cannot be read, and so not be replayed.
pub fn not_replayed(id: RecordId, error: &RecordError) -> v1::ReplayedScreening {
    let record = v1::ScreeningRecord { record_id: id.to_string(), ..Default::default() };
    v1::ReplayedScreening {
        record: Some(record),
        not_replayed: error.to_string(),
        replayed_by: ENGINE_VERSION.to_owned(),
        ..v1::ReplayedScreening::default()
    }
}

/// JSON of a record as it is hashed.
pub(super) fn text(id: RecordId, json: &[u8]) -> Result<String, RecordError> {
    let text = std::str::from_utf8(json);
    text.map(str::to_owned).map_err(|error| RecordError::Foreign(id, error.to_string()))
}
