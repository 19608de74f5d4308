//! Common inputs in the words of the proto. Translation only.

use super::{ListedRow, source_listing, transfer};
use crate::engine::{JoinChainEvidence, JoinEvidence, JoinedEvidence};
use crate::exposure::{CommonInput, Source};
use crate::grpc::v1;
use crate::screening::common_input::{ClusterCut, cut_reason};
use crate::screening::snapshot::Snapshot;

/// That a cluster is cut. `address` is empty where the question holds no other.
pub fn cluster_cut(cut: &ClusterCut<'_>, address: String) -> v1::ClusterCut {
    let (row, party) = cut.row();
    let understood = Some(cut.listing);
    v1::ClusterCut {
        list_kind: v1::ListKind::from(cut.kind).into(),
        listing: Some(ListedRow { list: cut.list, row, party, understood }.now()),
        address,
        reason: cut.reason(),
    }
}

/// That the cluster of the one address of a question is cut, and holds `source`; with its listing as
/// `snapshot` has it.
pub fn cut_at(snapshot: &Snapshot, source: &Source) -> v1::ClusterCut {
    if let Some((list, listing)) = snapshot.listing(source) {
        let cut = ClusterCut { kind: source.kind, list, listing, about: 0 };
        return cluster_cut(&cut, String::new());
    }
    let listing = source_listing(None, source);
    let listed = format!("the listed address {} ({})", listing.address, listing.list_id);
    v1::ClusterCut {
        list_kind: v1::ListKind::from(source.kind).into(),
        reason: cut_reason("Its cluster", &listed),
        listing: Some(listing),
        address: String::new(),
    }
}

/// What an address is joined with, with its listing as `snapshot` has it.
pub fn joined(snapshot: &Snapshot, joined: &JoinedEvidence) -> v1::CommonInput {
    v1::CommonInput {
        list_kind: v1::ListKind::from(joined.kind).into(),
        same_transaction: joined.is_beside,
        listing: Some(source_listing(Some(snapshot), &joined.source)),
        chain: Some(chain(&joined.chain)),
    }
}

/// The same of a hub: without the transactions between.
pub fn of_hub(
    snapshot: Option<&Snapshot>,
    common: &CommonInput,
    source: &Source,
) -> v1::CommonInput {
    v1::CommonInput {
        list_kind: v1::ListKind::from(common.kind).into(),
        same_transaction: common.is_beside,
        listing: Some(source_listing(snapshot, source)),
        chain: None,
    }
}

pub fn chain(chain: &JoinChainEvidence) -> v1::CommonInputChain {
    v1::CommonInputChain {
        joins: chain.joins.iter().map(join).collect(),
        cut_short: chain.cut_short,
    }
}

fn join(join: &JoinEvidence) -> v1::CommonInputJoin {
    let moved = &join.transfer;
    v1::CommonInputJoin {
        address: join.from.to_string(),
        other_address: join.to.to_string(),
        chain: moved.chain.to_string(),
        tx: transfer::tx(moved.tx.as_ref(), &moved.chain),
        position: moved.position().map(transfer::position),
        time: Some(transfer::time(moved.time)),
    }
}
