//! Exposure in the words of the proto, and back. Translation only.

use super::{ListedRow, hex, timestamp};
use crate::engine::{DirectValue, ExposureEvidence};
use crate::exposure::Nearness;
use crate::grpc::v1;
use crate::screening::coverage::{SnapshotChainRecord, SnapshotKindRecord};
use crate::screening::snapshot::{Snapshot, SnapshotRecord};
use crate::screening::unvalued::UnvaluedDealings;

/// How near a listing is, whose dates have a basis; without evidence.
pub fn exposure(near: &Nearness, basis: v1::ListedOnBasis) -> v1::Exposure {
    let direct = near.direct.unwrap_or_default();
    v1::Exposure {
        direction: v1::ExposureDirection::from(near.direction).into(),
        list_kind: v1::ListKind::from(near.kind).into(),
        hops: near.hops.into(),
        timing: v1::DesignationTiming::from(near.timing).into(),
        direct_share_basis_points: direct.share.unwrap_or(0).into(),
        evidence: None,
        direct_value_floors: direct.value.unwrap_or(0),
        timing_basis: basis.into(),
        direct_amounts_unknown: near.direct.is_some()
            && (direct.share.is_none() || direct.value.is_none()),
        common_input: near.common_input,
    }
}

/// Direct dealings of one address in assets without a known value. `address` is empty where the
/// question holds no other.
pub fn unvalued(dealings: &UnvaluedDealings<'_>, address: String) -> v1::UnvaluedDealings {
    v1::UnvaluedDealings {
        direction: v1::ExposureDirection::from(dealings.dealt.direction).into(),
        list_kind: v1::ListKind::from(dealings.dealt.kind).into(),
        transfers: dealings.dealt.transfers,
        at_least: dealings.dealt.at_least,
        listing: Some(first_listing(dealings)),
        address,
        reason: dealings.reason(),
    }
}

/// The listing that unvalued dealings name, as it stands now.
pub fn first_listing(dealings: &UnvaluedDealings<'_>) -> v1::Listing {
    let (row, party) = dealings.row();
    let understood = Some(dealings.listing);
    ListedRow { list: dealings.list, row, party, understood }.now()
}

/// What an exposure rests on.
pub fn evidence(snapshot: &Snapshot, evidence: &ExposureEvidence) -> v1::ExposureEvidence {
    v1::ExposureEvidence {
        path: evidence.path.as_ref().map(|path| super::trace::path(snapshot, path)),
        hops_ignoring_time: evidence.plain_hops,
        first_time: evidence.first_time.map(timestamp),
        last_time: evidence.last_time.map(timestamp),
        direct_values: evidence.direct_values.iter().map(direct_value).collect(),
        unvalued_transfers: evidence.unvalued,
        unknown_counterparties: evidence.unknown,
        stops_met: evidence.stops_met.iter().map(ToString::to_string).collect(),
        hubs_met: evidence.hubs_met.iter().map(ToString::to_string).collect(),
        cut_short: evidence.cut_short,
    }
}

fn direct_value(value: &DirectValue) -> v1::DirectValue {
    v1::DirectValue {
        chain: value.chain.caip2().into_owned(),
        asset: value.asset.clone(),
        symbol: value.symbol.clone().unwrap_or_default(),
        decimals: value.decimals.map(u32::from),
        sum: value.sum.to_string(),
        count: value.count,
        total: value.total.to_string(),
        share_basis_points: value.share,
    }
}

/// Fills in what a snapshot says of transfers.
pub(super) fn add_transfers(message: &mut v1::Snapshot, record: &SnapshotRecord) {
    message.transfers = record.transfers.chains.iter().map(chain).collect();
    message.labelled_rows = record.transfers.rows;
    message.retractions = record.transfers.retractions;
    message.replacements = record.transfers.replacements;
    message.max_hops = record.max_hops.into();
    message.exposure_settings_digest = hex(&record.exposure_settings);
}

fn kind(record: &SnapshotKindRecord) -> v1::SnapshotMovementKind {
    v1::SnapshotMovementKind {
        kind: v1::MovementKind::from(record.kind).into(),
        complete: record.whole,
        needed: record.needed,
        last_height: record.last_height,
        covered_spans: record.spans,
        gaps: record.gaps,
    }
}

fn chain(record: &SnapshotChainRecord) -> v1::SnapshotTransfers {
    let needed = || record.kinds.iter().filter(|kind| kind.needed);
    v1::SnapshotTransfers {
        chain: record.chain.clone(),
        transfers: record.transfers,
        last_height: record.kinds.iter().filter_map(|kind| kind.last_height).max(),
        last_time: record.last_time.map(timestamp),
        covered_spans: needed().map(|kind| kind.spans).max().unwrap_or(0),
        kinds: record.kinds.iter().map(kind).collect(),
        unvalued_asset: record.unvalued.clone().unwrap_or_default(),
        required: record.required,
        max_age_seconds: record.max_age_seconds,
        age_seconds: None,
    }
}
