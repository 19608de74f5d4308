//! A record as a message.

use std::collections::HashMap;

use crate::audit::RecordId;
use crate::domain::list::{ListId, Party, Row};
use crate::engine::EngineError;
use crate::engine::decision_log::{CallRecord, PaymentRecord, Record, RecordError, Replay};
use crate::grpc::{convert, v1};
use crate::screening::snapshot::{ENGINE_VERSION, Snapshot, SnapshotList};
use crate::screening::{AnswerRecord, FindingRecord, ListingReference};

/// The rows of the lists in force, by reference: those of a list are hashed once an answer.
pub struct RowNames<'s> {
    snapshot: Option<&'s Snapshot>,
    by_reference: HashMap<ListId, HashMap<String, &'s Row>>,
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
}

/// The record; rows of lists are named as `rows` has them.
pub fn message(record: &Record, rows: &mut RowNames<'_>) -> v1::ScreeningRecord {
    let Record { id, call, item, address, references, .. } = record;
    let mut message = v1::ScreeningRecord {
        record_id: id.to_string(),
        evaluated_at: Some(convert::timestamp(record.evaluated_at())),
        method: call.method.clone(),
        identity: call.identity.clone(),
        snapshot_id: call.snapshot.clone(),
        options: Some(options(call)),
        address: address.clone().unwrap_or_default(),
        chain: item.chain.clone(),
        request_id: references.request_id.clone(),
        customer_reference: references.customer.clone().unwrap_or_default(),
        redacted: address.is_none(),
        refused: item.refused.clone().unwrap_or_default(),
        payment: call.payment.as_ref().map(|payment| payment_of(payment, record)),
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
    message.decision = decision(&answer.decision);
    message.status = status(&answer.status);
    message.score = answer.score.into();
    message.rule_id.clone_from(&answer.rule);
    message.exposure_coverage = coverage.into();
    message.exposure_hops = answer.hops.into();
    message.findings = answer.findings.iter().map(|found| finding(found, rows)).collect();
    message.incomplete_reasons = answer
        .reasons
        .iter()
        .map(|reason| v1::RecordedReason {
            code: v1::IncompleteReasonCode::from_str_name(&format!(
                "INCOMPLETE_REASON_CODE_{}",
                reason.code
            ))
            .unwrap_or_default()
            .into(),
            detail: reason.detail.clone(),
        })
        .collect();
}

fn options(call: &CallRecord) -> v1::ScreeningOptions {
    v1::ScreeningOptions {
        lists: call.lists.iter().map(ToString::to_string).collect(),
        as_of: call.as_of.map(convert::timestamp),
        max_hops: call.max_hops.map(u32::from).unwrap_or_default(),
        include_evidence: call.evidence,
        snapshot_id: call.evaluated_at.map(|_| call.snapshot.clone()).unwrap_or_default(),
        evaluated_at: call.evaluated_at.map(convert::timestamp),
        include_snapshot: false,
    }
}

/// A decision by its name. An unknown one counts as BLOCK.
fn decision(name: &str) -> i32 {
    let known = v1::Decision::from_str_name(&format!("DECISION_{name}"));
    known.unwrap_or(v1::Decision::Block).into()
}

fn status(name: &str) -> i32 {
    let known = v1::ScreeningStatus::from_str_name(&format!("SCREENING_STATUS_{name}"));
    known.unwrap_or(v1::ScreeningStatus::Incomplete).into()
}

fn finding(found: &FindingRecord, rows: &mut RowNames<'_>) -> v1::RecordedFinding {
    let (row, party) = rows.of(&found.listing);
    let kind = v1::FindingKind::from_str_name(&format!("FINDING_KIND_{}", found.kind));
    v1::RecordedFinding {
        kind: kind.unwrap_or_default().into(),
        list_id: found.listing.list.to_string(),
        row: found.listing.row.clone(),
        listed_address: row.map(|row| row.key.address.clone()).unwrap_or_default(),
        party: party.map(|party| party.name.clone()).unwrap_or_default(),
        score: found.score.into(),
        decision: decision(&found.decision),
        rule_id: found.rule.clone(),
        hops: found.exposure.as_ref().map_or(0, |exposure| exposure.hops.into()),
    }
}

fn payment_of(payment: &PaymentRecord, record: &Record) -> v1::RecordedPayment {
    let side = record.item.side.as_deref().unwrap_or_default();
    v1::RecordedPayment {
        side: v1::PaymentSide::from_str_name(&format!("PAYMENT_SIDE_{side}"))
            .unwrap_or_default()
            .into(),
        chain: payment.chain.clone(),
        asset: payment.asset.clone(),
        amount: payment.amount.clone(),
        tx: record.references.tx.clone(),
        direction: v1::PaymentDirection::from_str_name(&payment.direction)
            .unwrap_or_default()
            .into(),
        decision: decision(&payment.decision),
        status: status(&payment.status),
        score: payment.score.into(),
    }
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
        Ok(Replay { differences, recorded_by }) => {
            message_of.equal = differences.is_empty();
            message_of.recorded_by = recorded_by;
            let differences = differences.into_iter();
            message_of.differences = differences
                .map(|(field, recorded, replayed)| v1::ReplayDifference {
                    field,
                    recorded,
                    replayed,
                })
                .collect();
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
