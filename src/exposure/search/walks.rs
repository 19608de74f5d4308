//! Several distinct paths between sources and a key: the fewest hops first, then the first to
//! arrive.

use super::super::ground::mask;
use super::super::nodes::{FIRST, HUB, Node, STOP};
use super::super::parties::kind_index;
use super::super::{Direction, Timing, World};
use super::reach::{Question, Reach};
use super::{Budget, HopRef, MAX_MET, Path, Sources, Terrain, Window};
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;

/// The most paths of one number of hops that are compared.
const MAX_COMPARED: usize = 10_000;

/// What is asked.
#[derive(Clone, Debug)]
pub struct PathQuery<'a> {
    /// Which way funds went, seen from the key.
    pub direction: Direction,
    /// The kinds of sources; none: all.
    pub kinds: &'a [ListKind],
    /// The most hops, 1 to [`super::super::MAX_HOPS`].
    pub max_hops: u8,
    /// The most paths.
    pub max_paths: usize,
    /// Only transfers from this chain time on, in Unix seconds.
    pub from_time: Option<u64>,
    /// Only transfers up to this chain time.
    pub to_time: Option<u64>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Distinct by their rows and ends.
    pub paths: Vec<Path>,
    /// Whether the search was cut short: there may be more, and shorter ones.
    pub cut_short: bool,
    /// Stops that were met and not passed, at most 20.
    pub stops_met: Vec<PackedKey>,
}

impl World {
    /// Paths between sources in force and a key, without a key twice on one. `accepts` tells
    /// whether the transfer of a row may be on one.
    pub fn paths(
        &self,
        key: &PackedKey,
        query: &PathQuery<'_>,
        budget: &mut Budget,
        accepts: &mut dyn FnMut(u64) -> bool,
    ) -> Paths {
        let sources = Sources::new(self, None);
        let window = Window::new(self, query.from_time, query.to_time);
        let terrain = Terrain::new(self, &window);
        let asked = |kind: &ListKind| query.kinds.is_empty() || query.kinds.contains(kind);
        let kinds = ListKind::ALL.into_iter().filter(asked).filter_map(kind_index);
        let kinds: Vec<usize> = kinds.collect();
        let targets = self.nodes.of_key(key);
        let (direction, max_hops) = (query.direction, query.max_hops);
        // Labels reach only so far; beyond, they say nothing.
        let question = Question { direction, kinds: &kinds, max_hops, hub: false };
        let reach = Reach::new(terrain, &targets, &question, &sources, budget);
        let mut starts: Vec<(u32, u32, usize, Node)> = Vec::new();
        let addresses =
            reach.ways.keys().filter(|&&node| node >= FIRST && !terrain.ground.is_tx(node));
        for &node in addresses.filter(|node| !targets.contains(node)) {
            let at = self.nodes.key(node);
            let found = kinds.iter().filter_map(|&kind| Some((sources.of(at, kind)?, kind)));
            starts.extend(found.map(|((rank, source), kind)| (rank, source, kind, node)));
        }
        starts.sort_unstable();
        let around = self.around(key, direction, budget, |_, _, _| {});
        let mut walk = Walk {
            terrain,
            reach: &reach,
            targets: &targets,
            direction,
            sources: &sources,
            budget,
            accepts,
            steps: Vec::new(),
            found: Vec::new(),
            start: (0, 0),
        };
        let mut paths: Vec<Path> = Vec::new();
        for hops in 1..=max_hops {
            if paths.len() >= query.max_paths || walk.budget.is_out() {
                break;
            }
            for &(_, source, kind, node) in &starts {
                walk.start = (source, kind);
                walk.go(node, 0, hops);
            }
            let mut found = std::mem::take(&mut walk.found);
            found.sort_by_cached_key(|(arrival, path)| (*arrival, path.hops.clone()));
            found.dedup_by(|(_, a), (_, b)| a.hops == b.hops && a.source == b.source);
            paths.extend(found.into_iter().map(|(_, path)| path));
        }
        paths.truncate(query.max_paths);
        let cut_short = walk.budget.is_out();
        Paths { paths, cut_short, stops_met: around.stops.into_iter().take(MAX_MET).collect() }
    }
}

/// A step of a walk: the node that was left, the one that was reached, and the row.
#[derive(Clone, Copy)]
struct Step {
    from: Node,
    to: Node,
    row: u64,
    key: u64,
}

struct Walk<'a, 'b> {
    terrain: Terrain<'a>,
    reach: &'b Reach,
    targets: &'b [Node],
    direction: Direction,
    sources: &'b Sources<'a>,
    budget: &'b mut Budget,
    accepts: &'b mut dyn FnMut(u64) -> bool,
    steps: Vec<Step>,
    found: Vec<(u64, Path)>,
    /// The source and its kind, by place.
    start: (u32, usize),
}

impl Walk<'_, '_> {
    /// Goes on from a node over exactly `left` more hops.
    fn go(&mut self, node: Node, arrival: u64, left: u8) {
        let ground = self.terrain.ground;
        let is_end = ground.nodes.has(node, STOP | HUB);
        if self.found.len() >= MAX_COMPARED || !self.steps.is_empty() && is_end {
            return;
        }
        let mut pieces = Vec::new();
        ground.departures(self.direction, node, arrival, u64::MAX, |twin, piece| {
            pieces.push((twin, piece));
        });
        for (twin, piece) in pieces {
            for edge in piece.iter().filter(|edge| edge.counts()) {
                if !self.budget.take() {
                    return;
                }
                let row = self.terrain.world.row_of(twin, edge.node(), edge.id);
                if !ground.is_tx(edge.node()) {
                    self.step(Step { from: twin, to: edge.node(), row, key: edge.key }, left);
                    continue;
                }
                let legs = ground.onward(self.direction).pieces(edge.node()).flatten();
                for leg in legs.filter(|leg| leg.counts()) {
                    if !self.budget.take() {
                        return;
                    }
                    self.step(Step { from: twin, to: leg.node(), row, key: edge.key }, left);
                }
            }
        }
    }

    fn step(&mut self, step: Step, left: u8) {
        let Terrain { ground, window, .. } = self.terrain;
        let Step { from, to, row, key } = step;
        if to < FIRST || !window.holds(ground.nodes.clock(to), key) {
            return;
        }
        let to_key = ground.nodes.key(to);
        let again = |known: &Step| ground.nodes.key(known.from) == to_key;
        let is_source = self.sources.of(to_key, self.start.1).is_some();
        let arrival = key ^ mask(self.direction);
        let is_target = self.targets.contains(&to);
        let goes_on = match left {
            1 => is_target,
            _ => !is_target && self.reach.leads(self.terrain, to, arrival, left - 1),
        };
        let circles = ground.nodes.key(from) == to_key || self.steps.iter().any(again);
        if !goes_on || circles || is_source || !(self.accepts)(row) {
            return;
        }
        self.steps.push(step);
        if left == 1 {
            self.arrived(arrival);
        } else {
            self.go(to, arrival, left - 1);
        }
        self.steps.pop();
    }

    fn arrived(&mut self, arrival: u64) {
        let ground = self.terrain.ground;
        let source = self.sources.source(self.start.0).clone();
        let time = |step: &Step| ground.clocks.time(ground.nodes.clock(step.to), step.key);
        let hop = |step: &Step| {
            let (from, to) = (*ground.nodes.key(step.from), *ground.nodes.key(step.to));
            let (row, time) = (step.row, time(step));
            match self.direction {
                Direction::ReceivedFrom => HopRef { row, from, to, time },
                Direction::SentTo => HopRef { row, from: to, to: from, time },
            }
        };
        let mut hops: Vec<_> = self.steps.iter().map(hop).collect();
        let first = self.steps.first().map(time);
        if self.direction == Direction::SentTo {
            hops.reverse();
        }
        let timing = match (source.designated, first) {
            (Some(day), Some(time)) if time >= day => Timing::After,
            (Some(_), Some(_)) => Timing::Before,
            _ => Timing::Unknown,
        };
        self.found.push((arrival, Path { direction: self.direction, source, timing, hops }));
    }
}
