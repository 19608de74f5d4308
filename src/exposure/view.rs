//! What labels are built on: nodes, clocks, edges and parties, and the steps that funds can take
//! from a node in one direction. Reads only.
//!
//! Times are "folded": complemented where funds are followed backwards, so that the least is the
//! best in both directions, 0 is "at any time" and [`u64::MAX`] is never.

use super::clock::{ClockId, Clocks};
use super::edges::{Adjacency, Edge, Edges};
use super::nodes::{HUB, Node, Nodes, STOP, TWIN, TX};
use super::path_ends::{Origin, PathEnds};
use super::{Direction, Timing};

/// The graph and the parties, as they stand.
#[derive(Clone, Copy)]
pub(super) struct GraphView<'a> {
    pub nodes: &'a Nodes,
    pub clocks: &'a Clocks,
    pub edges: &'a Edges,
    pub parties: &'a PathEnds,
    pub max_hops: u8,
}

impl<'a> GraphView<'a> {
    /// The edges by which funds are followed in a direction.
    pub fn onward(&self, direction: Direction) -> &'a Adjacency {
        match direction {
            Direction::ReceivedFrom => &self.edges.out,
            Direction::SentTo => &self.edges.into,
        }
    }

    /// The edges the other way.
    pub fn back(&self, direction: Direction) -> &'a Adjacency {
        match direction {
            Direction::ReceivedFrom => &self.edges.into,
            Direction::SentTo => &self.edges.out,
        }
    }

    /// A folded time on another clock: departures there that are allowed after it.
    pub fn convert(&self, direction: Direction, folded: u64, from: ClockId, to: ClockId) -> u64 {
        if from == to || folded == 0 || folded == u64::MAX {
            return folded;
        }
        match direction {
            Direction::ReceivedFrom => self.clocks.first_from(to, self.clocks.time(from, folded)),
            Direction::SentTo => !self.clocks.last_until(to, self.clocks.time(from, !folded)),
        }
    }

    /// The edges onward from a node and its twins, in pieces: folded keys from `from` to below
    /// `below`, both on the node's clock. The node at whose place they stand comes with them.
    pub fn departures(
        &self,
        direction: Direction,
        node: Node,
        from: u64,
        below: u64,
        mut visit: impl FnMut(Node, &'a [Edge]),
    ) {
        let clock = self.nodes.clock(node);
        let edges = self.onward(direction);
        if !self.nodes.has(node, TWIN) {
            if let Some((first, last)) = span(direction, from, below) {
                edges.between(node, first, last).for_each(|piece| visit(node, piece));
            }
            return;
        }
        for &twin in self.nodes.group(&node) {
            let to = self.nodes.clock(twin);
            let from = self.convert(direction, from, clock, to);
            let below = self.convert(direction, below, clock, to);
            if let Some((first, last)) = span(direction, from, below) {
                edges.between(twin, first, last).for_each(|piece| visit(twin, piece));
            }
        }
    }

    /// Whether funds that arrived at one node of a key over so many hops, and left at another (or
    /// the same), go on; a source's own always do.
    #[inline]
    pub fn passes(&self, direction: Direction, arrived: Node, left: Node, hops: u8) -> bool {
        hops == 0 || !(self.nodes.has(arrived, STOP) || self.cuts(direction, arrived, left))
    }

    /// Whether the transfer by which funds leave a key in time is an untagged hub's since it became
    /// one. Backwards it is that by which they arrive.
    #[inline]
    pub fn cuts(&self, direction: Direction, arrived: Node, left: Node) -> bool {
        let leaving = match direction {
            Direction::ReceivedFrom => left,
            Direction::SentTo => arrived,
        };
        self.nodes.has(leaving, HUB)
    }

    /// Whether anything that arrives at a node can be cut where it leaves the key.
    pub fn leads_to_cut(&self, direction: Direction, node: Node) -> bool {
        self.nodes.group(&node).iter().any(|&twin| self.cuts(direction, node, twin))
    }

    /// Stands for the key of a node on its chain.
    pub fn first_on_chain(&self, node: Node) -> Node {
        self.nodes.first_on_chain(node, self.clocks)
    }

    /// Whether the transfer at a source was before its listing.
    pub fn timing(&self, origin: Origin, clock: ClockId, key: u64) -> Timing {
        self.parties.source(origin).timing(self.clocks.time(clock, key))
    }

    /// Whether the node is a transaction, which is passed without a hop.
    #[inline]
    pub fn is_tx(&self, node: Node) -> bool {
        self.nodes.has(node, TX)
    }
}

/// The mask that folds the keys of a direction.
#[inline]
pub(super) fn mask(direction: Direction) -> u64 {
    match direction {
        Direction::ReceivedFrom => 0,
        Direction::SentTo => u64::MAX,
    }
}

/// The keys whose folded forms are from `from` to below `below`, both ends included.
pub(super) fn span(direction: Direction, from: u64, below: u64) -> Option<(u64, u64)> {
    if from >= below {
        return None;
    }
    let (first, last) = (from ^ mask(direction), (below - 1) ^ mask(direction));
    Some((first.min(last), first.max(last)))
}
