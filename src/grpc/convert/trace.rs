//! Paths of exposure as proto messages. Translation only.

use super::{source_listing, transfer};
use crate::domain::transfer::{Asset, Movement};
use crate::engine::{EndEvidence, HopEvidence, PathEvidence};
use crate::grpc::v1;
use crate::screening::snapshot::Snapshot;

/// A path, with its listing as `snapshot` has it.
pub fn path(snapshot: &Snapshot, path: &PathEvidence) -> v1::ExposurePath {
    let listing = source_listing(Some(snapshot), &path.source);
    v1::ExposurePath {
        direction: v1::ExposureDirection::from(path.direction).into(),
        timing: v1::DesignationTiming::from(path.timing).into(),
        timing_basis: listing.listed_on_basis,
        listing: Some(listing),
        hops: path.hops.iter().map(hop).collect(),
        common_input: path.common_input.is_some(),
        common_input_chain: path.common_input.as_ref().map(super::common_input::chain),
    }
}

fn hop(hop: &HopEvidence) -> v1::Hop {
    let moved = &hop.transfer;
    let asset = match &moved.movement {
        Movement::Account(account) => account.asset.to_string(),
        Movement::Utxo(_) => Asset::Native.to_string(),
    };
    v1::Hop {
        sender: Some(end(&hop.from)),
        receiver: Some(end(&hop.to)),
        chain: moved.chain.to_string(),
        tx: transfer::tx(moved.tx.as_ref(), &moved.chain),
        position: moved.position().map(transfer::position),
        time: Some(transfer::time(moved.time)),
        asset,
        symbol: hop.symbol.clone().unwrap_or_default(),
        amount: hop.amount.map(|amount| amount.to_string()).unwrap_or_default(),
        decimals: hop.decimals.map(u32::from),
    }
}

fn end(end: &EndEvidence) -> v1::HopEnd {
    v1::HopEnd { address: end.address.to_string(), is_stop: end.is_stop }
}
