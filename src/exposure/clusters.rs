//! Clusters by common inputs: which keys are taken for one owner's, and what an officer asks of them.
//! An estimate: the multi-input heuristic. Judges nothing.

use super::hub_list::Volume;
use super::{CommonInput, Source, World};
use crate::domain::packed_key::PackedKey;

/// Two keys that stood as inputs of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Join {
    /// The row of the transaction.
    pub row: u64,
    /// One key.
    pub from: PackedKey,
    /// The other.
    pub to: PackedKey,
    /// The chain time, in Unix seconds.
    pub time: u64,
}

/// A chain of transactions that joins two keys, as few as there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinChain {
    /// From the first key to the last; none where they are not joined, or the budget ran out.
    pub joins: Vec<Join>,
    /// Whether the budget ran out.
    pub cut_short: bool,
    /// Edges that were looked at.
    pub examined: u64,
}

/// What a search for common inputs with sources found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommonInputSearch {
    /// One a kind, each with the first by order of the sources.
    pub found: Vec<(CommonInput, Source)>,
    /// Whether the budget ran out: more may be true.
    pub cut_short: bool,
    /// Edges that were looked at.
    pub examined: u64,
}

/// Asks for a page of a cluster's members.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClusterQuery {
    /// The last member of the page before.
    pub after: Option<PackedKey>,
    /// At most so many members.
    pub limit: usize,
    /// How many edges the page may look at, at most.
    pub budget: u64,
}

/// A member of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterMember {
    /// The member.
    pub key: PackedKey,
    /// The first transaction that joins it with another member, from it to the other; `None` where
    /// the page may look at no more.
    pub joined_by: Option<Join>,
    /// The sources in force that it is.
    pub sources: Vec<Source>,
}

/// A cluster, and a page of its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterPage {
    /// How many keys are joined, over any chain of transactions; 1 where the key is joined with none.
    pub keys: u64,
    /// Whether these are more than the cluster limit: they are not all taken for one owner's.
    pub is_cut: bool,
    /// How many transactions join them; `None` where the page may look at no more.
    pub transactions: Option<u64>,
    /// How many members are listed.
    pub listed: u64,
    /// The first listed members, by key, each with its sources.
    pub first_listed: Vec<(PackedKey, Vec<Source>)>,
    /// What the members received and sent, by chain and asset; what moved between members too.
    pub volumes: Vec<(crate::domain::chain::Chain, Volume)>,
    /// By key.
    pub members: Vec<ClusterMember>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<PackedKey>,
}

impl World {
    /// Sources that the keys (of one address) are joined with by common inputs up to a moment, in Unix
    /// seconds. Kinds of which one of the keys is a source are left out. Exact unless cut short.
    pub fn common_inputs_as_of(
        &self,
        _keys: &[PackedKey],
        _until: u64,
        _sources: Option<&[Source]>,
        _budget: u64,
    ) -> CommonInputSearch {
        CommonInputSearch::default()
    }

    /// A shortest chain of transactions up to a moment, in Unix seconds, that joins one of the keys (of
    /// one address) with `to`.
    pub fn join_chain(
        &self,
        _keys: &[PackedKey],
        _to: &PackedKey,
        _until: u64,
        _budget: u64,
    ) -> JoinChain {
        JoinChain::default()
    }

    /// The cluster of the keys (of one address), and a page of its members; `None` where no transfer
    /// names any of the keys.
    pub fn cluster(&self, _keys: &[PackedKey], _query: &ClusterQuery) -> Option<ClusterPage> {
        None
    }
}
