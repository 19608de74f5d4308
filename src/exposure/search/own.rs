//! The transfers of a key itself: which rows, which way, who is at the other end, whether they
//! count. Follows nothing further.

use super::super::edges::Edge;
use super::super::nodes::{HUB, NULL, Node, STOP, UNKNOWN};
use super::super::{Direction, World};
use super::Budget;
use crate::domain::packed_key::PackedKey;

/// A transfer that a key took part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deal {
    /// The row.
    pub row: u64,
    /// Which way funds went, seen from the key.
    pub direction: Direction,
    /// Why it does not count for exposure: a short name such as `DUST`. `None` where it counts.
    pub not_counted: Option<&'static str>,
}

/// A page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deals {
    /// By row, received before sent.
    pub deals: Vec<Deal>,
    /// After which deal the next page begins; `None` at the end.
    pub next: Option<(u64, Direction)>,
}

impl World {
    /// The transfers that keys took part in, in a direction (`None`: both), after a place, at most
    /// `limit`. Each row once a direction; a UTXO transaction counts if one of the legs does.
    pub fn transfers_of(
        &self,
        keys: &[PackedKey],
        direction: Option<Direction>,
        after: Option<(u64, Direction)>,
        limit: usize,
    ) -> Deals {
        let mut deals = Vec::new();
        for way in Direction::ALL.into_iter().filter(|way| direction.is_none_or(|d| d == *way)) {
            for node in self.nodes_of(keys) {
                self.each(node, way, |edge| {
                    let row = self.row_of(node, edge.node(), edge.id);
                    if after.is_none_or(|after| (row, way) > after) {
                        let not_counted = super::reason(self.why(edge));
                        deals.push(Deal { row, direction: way, not_counted });
                    }
                });
            }
        }
        deals.sort_unstable();
        // What counts comes first of one row and direction.
        deals.dedup_by_key(|deal| (deal.row, deal.direction));
        let more = deals.len() > limit;
        deals.truncate(limit);
        let last = deals.last().filter(|_| more);
        Deals { next: last.map(|deal| (deal.row, deal.direction)), deals }
    }

    /// The nodes of keys, each once.
    pub(super) fn nodes_of(&self, keys: &[PackedKey]) -> Vec<Node> {
        let mut nodes: Vec<_> = keys.iter().flat_map(|key| self.nodes.of_key(key)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// The edges of a node at which funds came (`ReceivedFrom`) or went.
    fn each(&self, node: Node, way: Direction, visit: impl FnMut(&Edge)) {
        let edges = self.ground().back(way);
        edges.pieces(node).flatten().for_each(visit);
    }

    fn why(&self, edge: &Edge) -> Option<super::NotCounted> {
        if edge.counts() {
            return None;
        }
        let is_leg = self.nodes.has(edge.node(), super::super::nodes::TX);
        self.moves.of(is_leg, edge.id).0.why()
    }

    /// What a key's own transfers in a direction show: see [`Around`].
    pub(super) fn around(
        &self,
        key: &PackedKey,
        way: Direction,
        budget: &mut Budget,
        mut counting: impl FnMut(Node, &Edge, Node),
    ) -> Around {
        let mut around = Around::default();
        let back = self.ground().back(way);
        for node in self.nodes.of_key(key) {
            for edge in back.pieces(node).flatten() {
                if !budget.take() {
                    return around;
                }
                match self.why(edge) {
                    Some(super::NotCounted::UnvaluedAsset) => around.unvalued += 1,
                    Some(super::NotCounted::UnknownCounterparty) => around.unknown += 1,
                    _ => {}
                }
                if !edge.counts() {
                    continue;
                }
                if !self.nodes.has(edge.node(), super::super::nodes::TX) {
                    around.meet(self, edge.node());
                    counting(node, edge, edge.node());
                    continue;
                }
                let mut knows_all = true;
                for leg in back.pieces(edge.node()).flatten() {
                    let other = leg.node();
                    knows_all &= other != UNKNOWN;
                    let is_other = other > UNKNOWN && *self.nodes.key(other) != *key;
                    if budget.take() && leg.counts() && is_other {
                        around.meet(self, other);
                        counting(node, edge, other);
                    }
                }
                around.unknown += u64::from(!knows_all);
            }
        }
        around
    }
}

/// What stands around a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    /// Transfers of assets without a known value.
    pub unvalued: u64,
    /// Transfers whose other end is not known, or not wholly.
    pub unknown: u64,
    /// Stops at the other end, each once, at most [`MAX_MET`]; hubs among them.
    pub stops: Vec<PackedKey>,
    /// Untagged hubs among them.
    pub hubs: Vec<PackedKey>,
}

/// The most stops that are named.
pub(super) const MAX_MET: usize = 20;

impl Around {
    fn meet(&mut self, world: &World, node: Node) {
        if node <= NULL.max(UNKNOWN) || !world.nodes.has(node, STOP | HUB) {
            return;
        }
        let key = *world.nodes.key(node);
        if self.stops.len() < MAX_MET && !self.stops.contains(&key) {
            self.stops.push(key);
            if !world.nodes.has(node, STOP) {
                self.hubs.push(key);
            }
        }
    }
}
