//! Exposure in the words of the proto, and back. Translation only.

use super::{hex, timestamp};
use crate::engine::{DirectValue, Evidence};
use crate::grpc::v1;
use crate::screening::coverage::{SnapshotChainRecord, SnapshotKindRecord};
use crate::screening::snapshot::{Snapshot, SnapshotRecord};
use crate::screening::{Incomplete, Near};

/// How near a listing is, whose dates have a basis; without evidence.
pub fn exposure(near: &Near, basis: v1::ListedOnBasis) -> v1::Exposure {
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
    }
}

/// What an exposure rests on.
pub fn evidence(snapshot: &Snapshot, evidence: &Evidence) -> v1::ExposureEvidence {
    v1::ExposureEvidence {
        path: evidence.path.as_ref().map(|path| super::trace::path(snapshot, path)),
        plain_hops: evidence.plain_hops,
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

/// The code and the words of a reason that is about exposure; `None` for the others.
pub(super) fn incomplete(reason: &Incomplete) -> Option<(v1::IncompleteReasonCode, String)> {
    use v1::IncompleteReasonCode as Code;
    Some(match reason {
        Incomplete::TransfersMissing { chain, kind } => {
            let detail = format!("no transfers of {chain} of kind {kind} are loaded for that time");
            (Code::TransfersMissing, detail)
        }
        Incomplete::TransfersGapped { chain, kind, spans, gaps } => {
            let why = match (spans, gaps) {
                (0 | 1, 0) => "another kind reaches further".to_owned(),
                (0 | 1, gaps) => format!("known gaps: {gaps}"),
                (spans, gaps) => format!("{spans} spans of blocks; known gaps: {gaps}"),
            };
            let detail = format!("the transfers of {chain} of kind {kind} are not whole ({why})");
            (Code::TransfersGapped, detail)
        }
        Incomplete::TransfersUnpositioned { chain, kind } => {
            let detail = format!(
                "transfers of {chain} of kind {kind} state no height, so that they cannot show gaps"
            );
            (Code::TransfersUnpositioned, detail)
        }
        Incomplete::TransfersUnvalued { chain, asset } => {
            let detail =
                format!("{asset} of {chain} is not in the asset table: nothing there could count");
            (Code::TransfersUnvalued, detail)
        }
        Incomplete::TransfersStale { chain, age_seconds, max_age_seconds } => {
            let (age, limit) = (super::span(*age_seconds), super::span(*max_age_seconds));
            let detail = format!("the last transfer of {chain} is {age} old, limit {limit}");
            (Code::TransfersStale, detail)
        }
        Incomplete::ExposureBehind => {
            let detail = "exposure does not know the lists in force, or all transfers, yet";
            (Code::ExposureBehind, detail.to_owned())
        }
        Incomplete::ExposureFailed(why) => {
            (Code::ExposureBehind, format!("exposure can no longer be kept up to date: {why}"))
        }
        Incomplete::SearchCutShort(why) => {
            (Code::SearchCutShort, format!("the search for exposure was cut short: {why}"))
        }
        Incomplete::DepthNarrowed { asked, required } => {
            (Code::DepthNarrowed, format!("{asked} hops asked for, {required} required"))
        }
        _ => return None,
    })
}

/// Fills in what a snapshot says of transfers.
pub(super) fn add_transfers(message: &mut v1::Snapshot, record: &SnapshotRecord) {
    message.transfers = record.transfers.chains.iter().map(chain).collect();
    message.labelled_rows = record.transfers.rows;
    message.retractions = record.transfers.retractions;
    message.replacements = record.transfers.replacements;
    message.max_hops = record.max_hops.into();
    message.exposure_settings = hex(&record.exposure_settings);
}

fn kind(record: &SnapshotKindRecord) -> v1::SnapshotMovementKind {
    v1::SnapshotMovementKind {
        kind: v1::MovementKind::from(record.kind).into(),
        whole: record.whole,
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
