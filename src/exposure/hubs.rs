//! Hubs: keys with more distinct counterparties than the limit; and what their counterparties have
//! by them. Does not say what a hub means.

use std::collections::{HashMap, HashSet};

use super::edges::{Appended, Edge};
use super::ground::Ground;
use super::hops::{ByHub, Entry, Hops, NONE};
use super::nodes::{FIRST, HUB, Node, Nodes, STOP, TX};

/// Keys (by their first node) that have more edges than the limit but fewer counterparties, with
/// these; counted once and then kept up to date.
#[derive(Debug, Default)]
pub(super) struct HubWatch {
    watched: HashMap<Node, HashSet<Node>>,
    /// By key: every hub, tagged or not.
    over: HashSet<Node>,
    /// By key: the hubs that are flagged.
    marked: HashSet<Node>,
}

impl HubWatch {
    /// Counts every key anew.
    pub fn count_all(&mut self, ground: Ground<'_>, limit: u32) {
        self.watched.clear();
        self.over.clear();
        let nodes = FIRST..ground.nodes.len() as Node;
        for node in nodes.filter(|&node| !ground.nodes.has(node, TX)) {
            if ground.nodes.first(node) == node {
                self.count(ground, node, limit);
            }
        }
    }

    /// Takes note of appended edges; gives the keys that became more than the limit.
    pub fn note(&mut self, ground: Ground<'_>, edges: &[Appended], limit: u32) -> Vec<Node> {
        let mut crossed = Vec::new();
        for edge in edges.iter().filter(|edge| edge.counts()) {
            for (node, other) in [(edge.from, edge.to()), (edge.to(), edge.from)] {
                if ground.nodes.has(node, TX) {
                    continue;
                }
                let node = ground.nodes.first(node);
                if self.over.contains(&node) {
                    continue;
                }
                match self.watched.get_mut(&node) {
                    Some(others) => {
                        others.insert(ground.nodes.first(other));
                        if others.len() > limit as usize {
                            self.watched.remove(&node);
                            self.over.insert(node);
                        }
                    }
                    None => self.count(ground, node, limit),
                }
                if self.over.contains(&node) {
                    crossed.push(node);
                }
            }
        }
        crossed
    }

    fn count(&mut self, ground: Ground<'_>, node: Node, limit: u32) {
        let group = ground.nodes.group(&node);
        let edges = [&ground.edges.out, &ground.edges.into];
        let pieces = || {
            let each = |&twin: &Node| edges.into_iter().flat_map(move |of| of.pieces(twin));
            group.iter().flat_map(each)
        };
        if pieces().map(<[Edge]>::len).sum::<usize>() <= limit as usize {
            return;
        }
        let mut others = HashSet::new();
        for edge in pieces().flatten().filter(|edge| edge.counts()) {
            others.insert(ground.nodes.first(edge.node()));
            if others.len() > limit as usize {
                self.over.insert(node);
                return;
            }
        }
        self.watched.insert(node, others);
    }

    /// Sets the flags of untagged hubs; gives those keys, by their first node, that were none
    /// before.
    pub fn mark(&mut self, nodes: &mut Nodes) -> Vec<Node> {
        let before = std::mem::take(&mut self.marked);
        for &node in
            before.iter().flat_map(|node| nodes.group(node)).copied().collect::<Vec<_>>().iter()
        {
            nodes.flags[node as usize] &= !HUB;
        }
        let untagged = self.over.iter().copied().filter(|&node| !nodes.has(node, STOP));
        self.marked = untagged.collect();
        for &node in self
            .marked
            .iter()
            .flat_map(|node| nodes.group(node))
            .copied()
            .collect::<Vec<_>>()
            .iter()
        {
            nodes.flags[node as usize] |= HUB;
        }
        let mut new: Vec<_> = self.marked.difference(&before).copied().collect();
        new.sort_unstable();
        new
    }
}

/// Finds what every counterparty of a labelled hub has by it.
pub(super) fn by_hubs(ground: Ground<'_>, hops: &mut Hops) {
    hops.by_hub.clear();
    let mut found = HashMap::new();
    for node in 0..hops.heads.len() as Node {
        if hops.heads[node as usize] == NONE || !ground.nodes.has(node, HUB) {
            continue;
        }
        let mut before = u64::MAX;
        for entry in hops.of(node) {
            follow(ground, hops, node, entry, before, &mut found);
            before = entry.arrival;
        }
    }
    hops.by_hub = found;
}

/// Follows one arrival at a hub, to before its arrival with fewer hops.
fn follow(
    ground: Ground<'_>,
    hops: &Hops,
    hub: Node,
    entry: &Entry,
    before: u64,
    found: &mut HashMap<Node, ByHub>,
) {
    let at = entry.tag.hops();
    if at == 0 || at >= ground.max_hops {
        return;
    }
    let direction = hops.direction;
    let mut offer = |edge: &Edge| {
        let by =
            ByHub { arrival: edge.key ^ super::ground::mask(direction), tag: entry.tag.at(at + 1) };
        if !hops.is_source(edge.node()) {
            offer_by_hub(ground, found, edge.node(), by);
        }
    };
    ground.departures(direction, hub, entry.arrival, before, |_, piece| {
        for edge in piece.iter().filter(|edge| edge.counts()) {
            if !ground.is_tx(edge.node()) {
                offer(edge);
                continue;
            }
            let legs = ground.onward(direction).pieces(edge.node()).flatten();
            let hubs = ground.nodes.group(&hub);
            legs.filter(|leg| leg.counts() && !hubs.contains(&leg.node())).for_each(&mut offer);
        }
    });
}

/// Keeps the better of what a node has and what is offered: fewest hops, then first, then source.
fn offer_by_hub(ground: Ground<'_>, found: &mut HashMap<Node, ByHub>, node: Node, by: ByHub) {
    let order = |by: &ByHub| {
        let tag = by.tag;
        (tag.hops(), by.arrival, ground.parties.rank(tag.source()), tag.timing())
    };
    found
        .entry(node)
        .and_modify(|best| {
            if order(&by) < order(best) {
                *best = by;
            }
        })
        .or_insert(by);
}
