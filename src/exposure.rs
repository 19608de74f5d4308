//! How near an address stands to a listed one: the graph of transfers in memory, the labels of hop
//! distances, their change, and searches for paths. Pure: no clock, no chance, no input or output;
//! knows transfers, keys and sources, not lists, scores or transport.
//!
//! ```text
//! transfers -> World::append -> nodes, edges, shares, clocks     (the graph)
//!                   relabel  -> build, relax, hubs               (working labels)
//!                            -> Labels: table + overlay          (what the hot path reads)
//! World -> evidence, paths, exposure_as_of, transfers_of         (bounded searches)
//! ```
//!
//! # What a label is
//!
//! Per direction and kind of list, `label(v, h)` is the first arrival at `v` over exactly `h` hops
//! that improves on fewer hops: the least, over counting edges `u -> v` at position `k`, `u` no
//! stop (or a source of the kind), `k` allowed after `label(u, h - 1)`, of (`k`, origin by list,
//! listing and key, timing). Hop 0 are the sources, at any time. That definition is total, so that
//! every way of building gives the same labels. What is shown of a key is its label of the fewest
//! hops. Sent-to is the mirror: the position is complemented and edges are turned round, so that
//! "first arrival" becomes "latest departure", and one code serves both.
//!
//! Sent-to keeps the latest departure only. What was known at an earlier moment cannot be told from
//! it, nor from the earliest completion beside it (x sends to a listed address at 2, 10 and 30, a
//! sends to x at 5: complete at 10), so `as_of` is answered by a bounded search in both directions.
//!
//! A key that is seen on several clocks (see `clock`) is a node on each; an arrival on one of them
//! is looked at from the others by chain time when edges are followed, and is stored only where it
//! happened.
//!
//! # Time
//!
//! The time of a transfer is its chain time here: the running maximum of the times of blocks, which
//! never contradicts the order of transfers.

use crate::domain::asset::AssetTable;
use crate::domain::list::{ListId, ListKind, RowKey};
use crate::domain::packed_key::PackedKey;

mod build;
mod clock;
mod cone;
mod counterparties;
mod edges;
mod evidence;
mod ground;
mod hops;
mod hubs;
mod labels;
mod nodes;
mod parties;
mod persist;
mod publish;
mod relax;
mod search;
mod shares;
mod table;
mod world;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use counterparties::{Dealing, Dealings};
pub use evidence::Evidence;
pub use labels::{Basis, Labels};
pub use persist::LabelsError;
pub use search::{HopRef, Nearest, Path, PathQuery, Search};
pub use shares::NotCounted;
pub use world::{Relabelled, Was, World};

/// To be raised with every change of what labels say of the same transfers and parties: stored ones
/// are then built anew.
pub const REVISION: u32 = 1;

/// The most hops that labels and searches can go.
pub const MAX_HOPS: u8 = 8;

/// What exposure rests on beside transfers and parties; fixed for the life of a [`World`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most hops of a label, 1 to [`MAX_HOPS`].
    pub max_hops: u8,
    /// A key with more distinct counterparties is a hub, which ends paths.
    pub hub_limit: u32,
    /// The valued assets.
    pub assets: AssetTable,
}

/// A listed key, from which paths begin (or at which they end). Orders by list, listing, key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The list.
    pub list: ListId,
    /// The listing.
    pub listing: RowKey,
    /// The key.
    pub key: PackedKey,
    /// The kind of the list; never [`ListKind::Service`].
    pub kind: ListKind,
    /// The first day of the listing, in Unix seconds; `None` where unknown.
    pub designated: Option<u64>,
}

/// Why paths do not pass a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StopReason {
    /// A tag says that it is a service.
    Service,
    /// Nobody controls it: a burn or system address.
    Nobody,
    /// It is the contract of a valued token.
    TokenContract,
    /// It has more distinct counterparties than the limit, and no tag.
    Hub,
}

/// Which way funds went, seen from the key asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Funds came from a listed key.
    ReceivedFrom,
    /// Funds went to a listed key.
    SentTo,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ReceivedFrom, Self::SentTo];
}

/// What a key dealt directly with sources of one kind, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Direct {
    /// The largest share over assets, in basis points; `None` where amounts are not known.
    pub share: Option<u16>,
    /// The value in dust floors, rounded up; `None` where it is not known, or beyond the scale.
    pub value: Option<u64>,
}

/// Whether funds moved at the listed key before it was listed. Orders as ties are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timing {
    /// On the first day of the listing or later.
    After,
    /// Before it.
    Before,
    /// The first day is not known.
    Unknown,
}

impl Timing {
    /// Every timing.
    pub const ALL: [Self; 3] = [Self::After, Self::Before, Self::Unknown];

    /// The name used in policies and the proto.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::After => "AFTER",
            Self::Before => "BEFORE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// How a key is tied to listed keys of one kind, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Which way funds went.
    pub direction: Direction,
    /// The kind of list.
    pub kind: ListKind,
    /// Whether the other end of the key's own transfer is an untagged hub with exposure of its own,
    /// at one hop less, where paths end. Stands beside the label without it, if there is one.
    pub hub: bool,
    /// The fewest hops, from 1.
    pub hops: u8,
    /// The source at the other end: for [`Labels::source`].
    pub source: u32,
    /// Whether the transfer at the source was before its listing.
    pub timing: Timing,
    /// The largest share, over assets, of all that the key received (or sent) that came from (or
    /// went to) sources of the kind directly, in basis points; 0 beyond one hop.
    pub direct_share: u16,
}
