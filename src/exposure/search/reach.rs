//! From a key against the way funds went: which nodes lie on a way to it, over how many hops, and
//! until when funds must leave them. As labels are built, with the key as the only source and only
//! where it leads somewhere.

use std::collections::HashMap;

use super::super::Direction;
use super::super::edges::Edge;
use super::super::ground::mask;
use super::super::nodes::{HUB, Node, STOP};
use super::{Budget, Sources, Terrain};

/// How a node lies to the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The hops between.
    pub hops: u8,
    /// The latest departure, folded against the way of funds.
    pub departure: u64,
}

/// Every node on a way to the key, fewest hops first.
pub(super) struct Reach {
    /// Which way funds went.
    direction: Direction,
    pub ways: HashMap<Node, Vec<Way>>,
}

/// What is asked.
pub(super) struct Question<'a> {
    /// Which way funds went, seen from the key.
    pub direction: Direction,
    /// The kinds of sources, by place.
    pub kinds: &'a [usize],
    pub max_hops: u8,
    /// Only by untagged hubs that the key deals with, which are passed there.
    pub hub: bool,
}

struct Walk<'a, 'b> {
    terrain: Terrain<'a>,
    question: &'b Question<'b>,
    sources: &'b Sources<'a>,
    budget: &'b mut Budget,
    back: Direction,
    ways: HashMap<Node, Vec<Way>>,
    next: Vec<Node>,
    transactions: Vec<Node>,
}

impl Reach {
    /// Walks from the nodes of a key. Stops where the budget runs out.
    pub fn new<'a>(
        terrain: Terrain<'a>,
        targets: &[Node],
        question: &Question<'_>,
        sources: &Sources<'a>,
        budget: &mut Budget,
    ) -> Self {
        let back = question.direction.flipped();
        let start = Way { hops: 0, departure: 0 };
        let ways = targets.iter().map(|&node| (node, vec![start])).collect();
        let mut walk = Walk {
            terrain,
            question,
            sources,
            budget,
            back,
            ways,
            next: targets.to_vec(),
            transactions: Vec::new(),
        };
        for level in 0..question.max_hops {
            if walk.next.is_empty() || walk.budget.is_out() {
                break;
            }
            walk.level(level);
        }
        Self { direction: question.direction, ways: walk.ways }
    }

    /// Whether funds that arrive at a node (folded, on its clock) can still reach the key over at
    /// most `hops`.
    pub fn leads(&self, terrain: Terrain<'_>, node: Node, arrival: u64, hops: u8) -> bool {
        let nodes = terrain.ground.nodes;
        nodes.group(&node).iter().any(|&twin| {
            let Some(ways) = self.ways.get(&twin) else { return false };
            let (from, to) = (nodes.clock(node), nodes.clock(twin));
            let arrival = terrain.ground.convert(self.direction, arrival, from, to);
            ways.iter().any(|way| way.hops <= hops && arrival <= !way.departure)
        })
    }
}

impl Walk<'_, '_> {
    fn level(&mut self, level: u8) {
        let Terrain { ground, .. } = self.terrain;
        for node in std::mem::take(&mut self.next) {
            let (departure, before) = self.span(node, level);
            if !self.passes(node, level) {
                continue;
            }
            let mut pieces: Vec<&[Edge]> = Vec::new();
            ground.departures(self.back, node, departure, before, |_, piece| pieces.push(piece));
            pieces.into_iter().for_each(|piece| self.offer_all(piece, level));
        }
        for node in std::mem::take(&mut self.transactions) {
            let pieces: Vec<&[Edge]> = ground.onward(self.back).pieces(node).collect();
            pieces.into_iter().for_each(|piece| self.offer_all(piece, level));
        }
    }

    /// The departure of a node at a level, and the one with fewer hops.
    fn span(&self, node: Node, level: u8) -> (u64, u64) {
        let ways = self.ways.get(&node).map_or(&[][..], Vec::as_slice);
        let before = ways.iter().rev().find(|way| way.hops < level);
        let here = ways.iter().rev().find(|way| way.hops == level);
        (here.map_or(u64::MAX, |way| way.departure), before.map_or(u64::MAX, |way| way.departure))
    }

    fn passes(&self, node: Node, level: u8) -> bool {
        let nodes = self.terrain.ground.nodes;
        match (level, self.question.hub) {
            (0, _) => true,
            (1, true) => nodes.has(node, HUB) && !nodes.has(node, STOP),
            _ => !nodes.has(node, STOP | HUB),
        }
    }

    /// Whether the question is about ways through the node.
    fn leads_on(&self, node: Node, hops: u8, is_tx: bool) -> bool {
        !self.question.hub || is_tx || hops != 1 || self.passes(node, 1)
    }

    fn offer_all(&mut self, piece: &[Edge], level: u8) {
        let ground = self.terrain.ground;
        for edge in piece.iter().filter(|edge| edge.counts()) {
            if !self.budget.take() {
                return;
            }
            let node = edge.node();
            if !self.terrain.window.holds(ground.nodes.clock(node), edge.key) {
                continue;
            }
            let is_tx = ground.is_tx(node);
            let hops = if is_tx { level } else { level + 1 };
            self.offer(node, Way { hops, departure: edge.key ^ mask(self.back) }, is_tx);
        }
    }

    fn offer(&mut self, node: Node, way: Way, is_tx: bool) {
        let ways = self.ways.get(&node);
        if ways.is_some_and(|ways| ways.iter().any(|known| known.departure <= way.departure)) {
            return;
        }
        if !self.leads_on(node, way.hops, is_tx) || !self.is_useful(node, way, is_tx) {
            return;
        }
        let ways = self.ways.entry(node).or_default();
        match ways.last_mut() {
            // It waits to be followed already.
            Some(last) if last.hops == way.hops => last.departure = way.departure,
            _ => {
                ways.push(way);
                if is_tx { self.transactions.push(node) } else { self.next.push(node) }
            }
        }
    }

    /// Whether a source of the kinds may lie beyond: by working labels, where they tell.
    fn is_useful(&self, node: Node, way: Way, is_tx: bool) -> bool {
        let Question { direction, kinds, max_hops, .. } = *self.question;
        if !self.sources.prunes() || max_hops > self.terrain.world.max_hops {
            return true;
        }
        let nodes = self.terrain.ground.nodes;
        let so_far = way.hops + u8::from(is_tx);
        let tiers = self.terrain.world.tiers.iter();
        let mut tiers =
            tiers.filter(|hops| hops.direction == direction && kinds.contains(&hops.kind));
        tiers.any(|tier| {
            nodes.group(&node).iter().any(|&twin| {
                tier.of(twin).any(|entry| {
                    let (from, to) = (nodes.clock(twin), nodes.clock(node));
                    let convert = |at| self.terrain.ground.convert(direction, at, from, to);
                    entry.tag.hops() + so_far <= max_hops
                        && convert(entry.arrival) <= !way.departure
                })
            })
        })
    }
}
