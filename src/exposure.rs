//! How near an address stands to listed ones: the graph of transfers in memory, labels of hop
//! distances, their incremental change, and bounded searches for paths. Pure: no clock, no randomness,
//! no I/O. docs/exposure.md has the exact definition of labels, hubs, dust and clusters.
//!
//! ```text
//! transfers -> World::append -> nodes, edges, shares, clocks     (the graph)
//!                   relabel  -> clusters                         (keys joined with listed keys)
//!                            -> build, relax, hubs               (working labels)
//!                            -> Labels: table + overlay          (what the hot path reads)
//! World -> evidence, paths, exposure_as_of, transfers_of         (bounded searches)
//!       -> arrival, direct_after, after                          (one more payment, not stored)
//!       -> hubs, cluster                                         (untagged hubs, cluster members, paged)
//! ```
//!
//! Per direction and kind of list, `label(v, h)` is the first arrival at `v` over exactly `h` hops that
//! improves on fewer hops. Hop 0 are the sources. The definition is total: every way of building gives
//! the same labels. Sent-to is the mirror: positions are complemented and edges reversed, so one code
//! serves both directions.
//!
//! The time of a transfer is its chain time: the running maximum of the times of blocks, which never
//! contradicts the order of transfers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::list::{ListId, ListKind, RowKey};
use crate::domain::packed_key::PackedKey;

mod backward_search;
mod build;
mod clock;
mod clusters;
mod counterparties;
mod dust;
mod edges;
mod evidence;
mod hops;
mod hub_list;
mod hubs;
mod labels;
mod nodes;
mod path_ends;
mod persist;
mod publish;
mod relax;
mod search;
mod seeds;
mod shares;
mod table;
mod transfer_values;
mod unvalued;
mod view;
mod what_if;
mod world;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use clusters::{ClusterMember, ClusterPage, ClusterQuery, CommonInputSearch, Join, JoinChain};
pub use counterparties::{Dealing, Dealings};
pub use evidence::LabelEvidence;
pub use hub_list::{Hub, HubPage, HubPlace, HubQuery, Volume};
pub use labels::{Basis, KeyLabels, Labels};
pub use persist::LabelsError;
pub use search::{HopRef, Path, PathQuery, Search};
pub use shares::NotCounted;
pub use unvalued::{Unvalued, UnvaluedSearch};
pub use what_if::after;
pub use world::{Relabelled, Relabelling, World};

/// To be raised with every change of what labels say of the same transfers and parties: stored ones
/// are then built anew.
pub const REVISION: u32 = 6;

/// The most hops that labels and searches can go: the working tags of `hops` and the words of
/// `labels` keep hops in 4 bits, which 16 does not fit.
pub const MAX_HOPS: u8 = 15;

const _: () = assert!(MAX_HOPS < 1 << 4);

/// Up to how many hops exposure is looked for, unless told otherwise: the built-in policy reviews up
/// to five and shows what lies behind them.
pub const DEFAULT_HOPS: u8 = 8;

/// What exposure rests on beside transfers and parties; fixed for the life of a [`World`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most hops of a label, 1 to [`MAX_HOPS`].
    pub max_hops: u8,
    /// A key with more distinct counterparties is a hub, which ends paths.
    pub hub_limit: u32,
    pub assets: AssetTable,
    /// The most keys that are taken for one owner's by common inputs.
    pub cluster_limit: u32,
    /// The chains whose transactions join no keys.
    pub no_common_input: BTreeSet<Chain>,
}

/// The most keys that are taken for one owner's, unless told otherwise.
pub const DEFAULT_CLUSTER_LIMIT: u32 = 10_000;

/// A listed key, from which paths begin (or at which they end). Orders by list, listing, key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    pub list: ListId,
    pub listing: RowKey,
    pub key: PackedKey,
    /// The kind of the list; never [`ListKind::Service`].
    pub kind: ListKind,
    /// From when on the key was surely listed, in Unix seconds; `None` where no such moment is known.
    pub listed_from: Option<u64>,
    /// Until when it surely was not, in Unix seconds; `None` where no such moment is known.
    pub unlisted_until: Option<u64>,
}

impl Source {
    /// Returns whether funds that moved at the key at a moment, in Unix seconds, moved before it was
    /// listed.
    pub fn timing(&self, moved_at: u64) -> Timing {
        if self.listed_from.is_some_and(|from| from <= moved_at) {
            Timing::After
        } else if self.unlisted_until.is_some_and(|until| moved_at < until) {
            Timing::Before
        } else {
            Timing::Unknown
        }
    }
}

/// Why paths do not pass a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StopReason {
    /// A tag says that it is a service.
    Service,
    /// A burn or system address, without an owner.
    Nobody,
    /// It is the contract of a valued token.
    TokenContract,
    /// It has more distinct counterparties than the limit, and no tag.
    Hub,
}

/// Which way funds went, seen from the key asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// Funds came from a listed key.
    ReceivedFrom,
    /// Funds went to a listed key.
    SentTo,
}

impl Direction {
    pub const ALL: [Self; 2] = [Self::ReceivedFrom, Self::SentTo];
}

/// Whether funds moved at the listed key before it was listed. Orders by gravity: what is not known
/// may have been after.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Timing {
    /// When it was surely listed.
    After,
    /// Between the last moment when it surely was not listed and the first when it surely was.
    Unknown,
    /// When it surely was not listed yet.
    Before,
}

/// What a key's direct dealings with sources of one kind come to, in one direction.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Direct {
    /// The largest share, over assets, of all but dust that the key received (or sent) that came
    /// from (or went to) sources of the kind, in basis points, at most 10,000; `None` where the amount of
    /// any such transfer is not known.
    pub share: Option<u16>,
    /// What came from (or went to) them, in multiples of the asset's dust floor, summed over
    /// assets; each asset's multiple is rounded up, and in a label the sum up to the next of four
    /// steps an octave: never less than it was. `None` where the amount of any such transfer is not
    /// known, or the sum is more than a label holds (3,221,225,472).
    pub value: Option<u64>,
}

impl Direct {
    /// What two keys of one address have together, at most.
    pub fn with(self, other: Self) -> Self {
        Self {
            share: self.share.zip(other.share).map(|(a, b)| a.max(b)),
            value: self.value.zip(other.value).map(|(a, b)| a.saturating_add(b)),
        }
    }
}

impl Timing {
    pub const ALL: [Self; 3] = [Self::After, Self::Before, Self::Unknown];

    /// The name used in policies and the proto.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How a key is tied to listed keys of one kind, in one direction. In a label the source is a number for
/// [`Labels::source`]; elsewhere it is the source itself, or nothing where a listing stands beside
/// ([`Nearness`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label<S = u32> {
    pub direction: Direction,
    pub kind: ListKind,
    /// Whether the other end of the key's own transfer is an untagged hub with exposure of its own,
    /// at one hop less, where paths end. Stands beside the label without it, if there is one.
    pub hub: bool,
    /// The fewest hops, from 1.
    pub hops: u8,
    /// The source at the other end.
    pub source: S,
    /// Whether the transfer at the source was before its listing: at one hop the gravest of all,
    /// beyond it that of the path that arrived first.
    pub timing: Timing,
    /// What direct dealings come to; set at exactly one hop, and not for labels by hubs.
    pub direct: Option<Direct>,
    /// Whether the path begins at a key that is joined with the source by common inputs, and not at
    /// the source's own.
    pub common_input: bool,
}

/// How near a listing is.
pub type Nearness = Label<()>;

impl<S> Label<S> {
    /// The same with another name of the source, or none.
    #[inline]
    pub fn with_source<T>(&self, source: T) -> Label<T> {
        let Self { direction, kind, hub, hops, timing, direct, common_input, .. } = *self;
        Label { direction, kind, hub, hops, source, timing, direct, common_input }
    }

    /// Whether both are of one direction and kind, and by a hub or not.
    pub fn is_of_sort<T>(&self, other: &Label<T>) -> bool {
        (self.direction, self.kind, self.hub) == (other.direction, other.kind, other.hub)
    }
}

impl Path {
    /// What it says of the key. What direct dealings come to is not known: only labels have the sums.
    pub fn label(&self) -> Label<Source> {
        let hops = self.hops.len() as u8;
        Label {
            direction: self.direction,
            kind: self.source.kind,
            hub: false,
            hops,
            source: self.source.clone(),
            timing: self.timing,
            direct: (hops == 1).then(Direct::default),
            common_input: self.common_input,
        }
    }
}

/// That a key is joined with a listed one of a kind by common inputs: an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommonInput {
    pub kind: ListKind,
    /// Whether the key itself stood beside the listed one as an input of one transaction.
    pub is_beside: bool,
    /// Whether a chain of transactions leads to the listed key beyond the cluster limit only: the
    /// key is not taken for its owner's.
    pub is_cut: bool,
}
