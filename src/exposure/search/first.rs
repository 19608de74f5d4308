//! The nearest source of a key by the rule of labels: the fewest hops, then the first arrival, then
//! the order of sources, recursively; with the path.

use std::collections::HashMap;

use super::super::edges::Edge;
use super::super::ground::mask;
use super::super::nodes::{FIRST, HUB, Node, STOP};
use super::super::{Direction, Timing, World};
use super::reach::{Question, Reach};
use super::{Budget, HopRef, Path, Sources, Terrain, Window};
use crate::domain::packed_key::PackedKey;

/// What is asked of a key.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    pub direction: Direction,
    /// The kind of sources, by place.
    pub kind: usize,
    /// By untagged hubs that the key deals with, or without any.
    pub hub: bool,
    pub max_hops: u8,
}

/// How funds came to a node over a number of hops, the best way.
#[derive(Clone, Copy)]
struct State {
    arrival: u64,
    rank: u32,
    timing: Timing,
    source: u32,
    /// The node that they left.
    from: Node,
}

impl State {
    /// By the rule of labels; the last says which of equal paths is shown.
    fn order(&self) -> (u64, u32, Timing, Node) {
        (self.arrival, self.rank, self.timing, self.from)
    }
}

/// The nodes that funds came to over a number of hops, and the transactions that took them there.
#[derive(Default)]
struct Level {
    addresses: HashMap<Node, State>,
    transactions: HashMap<Node, State>,
}

/// The nearest source of a key.
pub(super) fn nearest(
    world: &World,
    key: &PackedKey,
    ask: Ask,
    sources: &Sources<'_>,
    window: &Window,
    budget: &mut Budget,
) -> Option<Path> {
    let terrain = Terrain::new(world, window);
    let targets = world.nodes.of_key(key);
    let kinds = [ask.kind];
    let Ask { direction, hub, max_hops, .. } = ask;
    let question = Question { direction, kinds: &kinds, max_hops, hub };
    let reach = Reach::new(terrain, &targets, &question, sources, budget);
    let is_source = |node: Node| {
        node >= FIRST && !terrain.ground.is_tx(node) && {
            sources.of(world.nodes.key(node), ask.kind).is_some()
        }
    };
    let of_sources = reach.ways.iter().filter(|(node, _)| is_source(**node));
    let starts: Vec<Node> = of_sources.clone().map(|(node, _)| *node).collect();
    // The key's own listing is not asked for.
    let hops = of_sources.flat_map(|(_, ways)| ways.iter().map(|way| way.hops));
    let hops = hops.filter(|&hops| hops > 0).min()?;
    let mut onward = Onward {
        terrain,
        ask,
        sources,
        reach: &reach,
        targets: &targets,
        hops,
        levels: Vec::new(),
    };
    onward.levels.push(onward.start(starts));
    for level in 0..hops {
        if budget.is_out() {
            return None;
        }
        onward.level(level, budget);
    }
    onward.path(world)
}

struct Onward<'a, 'b> {
    terrain: Terrain<'a>,
    ask: Ask,
    sources: &'b Sources<'a>,
    reach: &'b Reach,
    targets: &'b [Node],
    /// The hops in all.
    hops: u8,
    levels: Vec<Level>,
}

impl Onward<'_, '_> {
    fn start(&self, nodes: Vec<Node>) -> Level {
        let nodes = nodes.into_iter().filter_map(|node| {
            let key = self.terrain.ground.nodes.key(node);
            let (rank, source) = self.sources.of(key, self.ask.kind)?;
            let timing = Timing::Unknown;
            Some((node, State { arrival: 0, rank, timing, source, from: node }))
        });
        Level { addresses: nodes.collect(), transactions: HashMap::new() }
    }

    fn passes(&self, node: Node, level: u8) -> bool {
        let nodes = self.terrain.ground.nodes;
        let last = self.ask.hub && level + 1 == self.hops;
        match level {
            0 => !last,
            _ if last => nodes.has(node, HUB) && !nodes.has(node, STOP),
            _ => !nodes.has(node, STOP | HUB),
        }
    }

    fn level(&mut self, level: u8, budget: &mut Budget) {
        let ground = self.terrain.ground;
        let direction = self.ask.direction;
        let mut next = Level::default();
        let Some(mut here) = self.levels.pop() else { return };
        for (&node, state) in here.addresses.iter().filter(|(node, _)| self.passes(**node, level)) {
            let mut found: Vec<(Node, &[Edge])> = Vec::new();
            ground.departures(direction, node, state.arrival, u64::MAX, |twin, piece| {
                found.push((twin, piece));
            });
            for (twin, piece) in found {
                for edge in piece.iter().filter(|edge| edge.counts()) {
                    if !budget.take() {
                        break;
                    }
                    let timing = match level {
                        0 => self.timing(state.source, twin, edge.key),
                        _ => state.timing,
                    };
                    let state = State { timing, from: node, ..*state };
                    if ground.is_tx(edge.node()) {
                        self.offer(&mut here.transactions, edge, state, level);
                    } else {
                        self.offer(&mut next.addresses, edge, state, level + 1);
                    }
                }
            }
        }
        for (&tx, state) in &here.transactions {
            for edge in ground.onward(direction).pieces(tx).flatten().filter(|edge| edge.counts()) {
                if budget.take() {
                    let state = State { from: tx, ..*state };
                    self.offer(&mut next.addresses, edge, state, level + 1);
                }
            }
        }
        self.levels.push(here);
        self.levels.push(next);
    }

    fn timing(&self, source: u32, node: Node, key: u64) -> Timing {
        let ground = self.terrain.ground;
        match self.sources.source(source).designated {
            None => Timing::Unknown,
            Some(day) if ground.clocks.time(ground.nodes.clock(node), key) >= day => Timing::After,
            Some(_) => Timing::Before,
        }
    }

    fn offer(&self, states: &mut HashMap<Node, State>, edge: &Edge, state: State, level: u8) {
        let ground = self.terrain.ground;
        let node = edge.node();
        if node < FIRST || !self.terrain.window.holds(ground.nodes.clock(node), edge.key) {
            return;
        }
        let state = State { arrival: edge.key ^ mask(self.ask.direction), ..state };
        let is_tx = ground.is_tx(node);
        let left = self.hops - level;
        let leads = if is_tx {
            let ways = self.reach.ways.get(&node);
            left > 0 && ways.is_some_and(|ways| ways.iter().any(|way| way.hops < left))
        } else {
            let again = self.sources.of(ground.nodes.key(node), self.ask.kind).is_some();
            !again && self.reach.leads(self.terrain, node, state.arrival, left)
        };
        if !leads {
            return;
        }
        let known = states.entry(node).or_insert(state);
        if state.order() < known.order() {
            *known = state;
        }
    }

    /// The path to the target, by the way back.
    fn path(&self, world: &World) -> Option<Path> {
        let ground = self.terrain.ground;
        let last = self.levels.get(usize::from(self.hops))?;
        let reached =
            self.targets.iter().filter_map(|node| Some((*node, last.addresses.get(node)?)));
        let (mut node, end) = reached.min_by_key(|(node, state)| {
            let time = match self.targets.len() {
                1 => 0,
                _ => self.time(*node, state.arrival),
            };
            (time, state.rank, state.timing, state.arrival)
        })?;
        let mut hops = Vec::new();
        for level in (0..self.hops).rev() {
            let state = self.levels[usize::from(level) + 1].addresses.get(&node)?;
            let key = state.arrival ^ mask(self.ask.direction);
            let from = match ground.is_tx(state.from) {
                true => self.levels[usize::from(level)].transactions.get(&state.from)?.from,
                false => state.from,
            };
            let row = self.row(world, node, state, key)?;
            let time = ground.clocks.time(ground.nodes.clock(node), key);
            let (from_key, to_key) = (*ground.nodes.key(from), *ground.nodes.key(node));
            hops.push(match self.ask.direction {
                Direction::ReceivedFrom => HopRef { row, from: from_key, to: to_key, time },
                Direction::SentTo => HopRef { row, from: to_key, to: from_key, time },
            });
            node = from;
        }
        if self.ask.direction == Direction::ReceivedFrom {
            hops.reverse();
        }
        let source = self.sources.source(end.source).clone();
        Some(Path { direction: self.ask.direction, source, timing: end.timing, hops })
    }

    /// The row of the last transfer to a node: of several at once between the same two, the first.
    fn row(&self, world: &World, node: Node, state: &State, key: u64) -> Option<u64> {
        let ground = self.terrain.ground;
        let back = ground.back(self.ask.direction);
        let sender = |edge: &&Edge| {
            edge.counts()
                && (edge.node() == state.from
                    || ground.nodes.group(&state.from).contains(&edge.node()))
        };
        let edges = back.between(node, key, key).flatten().filter(sender);
        edges.map(|edge| world.row_of(node, edge.node(), edge.id)).min()
    }

    fn time(&self, node: Node, arrival: u64) -> u64 {
        let ground = self.terrain.ground;
        let key = arrival ^ mask(self.ask.direction);
        ground.clocks.time(ground.nodes.clock(node), key) ^ mask(self.ask.direction)
    }
}
