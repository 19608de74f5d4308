//! The working labels of one direction and kind: for each node and hop count the first arrival
//! that improves on fewer hops. Stores; does not search.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::nodes::Node;
use super::path_ends::Origin;
use super::shares::AssetId;
use super::{Direction, Timing};

/// No entry.
pub(super) const NONE: u32 = u32::MAX;

/// Where funds come from and whether before the listing: 4 bits of hops, 2 of timing, 26 of origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u32);

impl Tag {
    pub fn new(hops: u8, timing: Timing, origin: Origin) -> Self {
        Self((u32::from(hops) << 28) | ((timing as u32) << 26) | origin.bits())
    }

    pub fn hops(self) -> u8 {
        (self.0 >> 28) as u8
    }

    pub fn timing(self) -> Timing {
        match (self.0 >> 26) & 3 {
            0 => Timing::After,
            2 => Timing::Before,
            _ => Timing::Unknown,
        }
    }

    pub fn origin(self) -> Origin {
        Origin::from_bits(self.0 & ((1 << 26) - 1))
    }

    /// The same at another hop count.
    pub fn at(self, hops: u8) -> Self {
        Self((self.0 & !(0xf << 28)) | (u32::from(hops) << 28))
    }
}

/// An arrival at a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// When, folded: the least is the best in both directions; 0 at a source.
    pub arrival: u64,
    /// The node's entry with more hops, or [`NONE`].
    pub next: u32,
    pub tag: Tag,
}

/// The best that a hub's counterparty has by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByHub {
    /// When, folded.
    pub arrival: u64,
    /// With the hops of the hub and one.
    pub tag: Tag,
}

/// What is shown of a node's direct dealings with sources, beside their units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirectDealing {
    /// The first arrival, folded, of those of the gravest timing.
    pub arrival: u64,
    /// Its source and timing, at one hop.
    pub tag: Tag,
    /// Whether the amount of each of them is known.
    pub is_known: bool,
}

/// A node's direct dealings with sources in assets without a known value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnvaluedDealing {
    /// How many rows they are.
    pub rows: u32,
    /// The first by order of the sources dealt with.
    pub source: u32,
}

/// The working labels of one direction and kind.
#[derive(Debug)]
pub(super) struct Hops {
    pub direction: Direction,
    /// As [`super::path_ends::kind_index`].
    pub kind: usize,
    /// By node: its entry with the fewest hops, or [`NONE`].
    pub heads: Vec<u32>,
    pub pool: Vec<Entry>,
    /// Entries of the pool that no node has any more.
    pub garbage: usize,
    pub by_hub: HashMap<Node, ByHub>,
    /// Units that came from, or went to, sources directly, where they are known; rounded up.
    pub direct: BTreeMap<(Node, AssetId), u64>,
    /// By node that dealt with sources directly: every node with an entry of one hop.
    pub dealt: HashMap<Node, DirectDealing>,
    /// By node that dealt with sources directly in assets without a known value. No part of a label.
    pub unvalued: HashMap<Node, UnvaluedDealing>,
}

impl Hops {
    pub fn new(direction: Direction, kind: usize) -> Self {
        Self {
            direction,
            kind,
            heads: Vec::new(),
            pool: Vec::new(),
            garbage: 0,
            by_hub: HashMap::new(),
            direct: BTreeMap::new(),
            dealt: HashMap::new(),
            unvalued: HashMap::new(),
        }
    }

    /// The entries of a node, fewest hops first.
    pub fn of(&self, node: Node) -> impl Iterator<Item = &Entry> {
        let mut next = self.heads.get(node as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let entry = self.pool.get(next as usize)?;
            next = entry.next;
            Some(entry)
        })
    }

    /// The entry of a node with the fewest hops.
    #[inline]
    pub fn first(&self, node: Node) -> Option<&Entry> {
        self.pool.get(self.heads.get(node as usize).copied()? as usize)
    }

    /// The entry of a node with exactly so many hops, and the best arrival with fewer
    /// ([`u64::MAX`] where there is none).
    pub fn at(&self, node: Node, hops: u8) -> (Option<Entry>, u64) {
        let mut before = u64::MAX;
        for entry in self.of(node) {
            if entry.tag.hops() >= hops {
                return ((entry.tag.hops() == hops).then_some(*entry), before);
            }
            before = entry.arrival;
        }
        (None, before)
    }

    /// Whether the node is a source.
    #[inline]
    pub fn is_source(&self, node: Node) -> bool {
        self.first(node).is_some_and(|entry| entry.tag.hops() == 0)
    }
}
