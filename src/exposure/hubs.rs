//! Hubs: keys with more distinct counterparties than the limit; and what their counterparties have
//! by them. Does not say what a hub means.

use hashbrown::{HashMap, HashSet};

use super::edges::{Appended, Edge};
use super::ground::Ground;
use super::hops::{ByHub, Entry, Hops, Tag};
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

/// Finds what every counterparty of a labelled hub has by it, anew.
pub(super) fn by_hubs(ground: Ground<'_>, hops: &mut Hops, watch: &HubWatch) {
    hops.by_hub.clear();
    let mut ignored = HashSet::new();
    for &hub in watch.marked.iter().flat_map(|first| ground.nodes.group(first)) {
        let entries: Vec<_> = hops.of(hub).copied().collect();
        let mut before = u64::MAX;
        for Entry { arrival, tag, .. } in entries {
            if tag.hops() > 0 && tag.hops() < ground.max_hops {
                ground.departures(hops.direction, hub, arrival, before, |_, piece| {
                    offer_edges(ground, hops, hub, tag, piece, &mut ignored);
                });
            }
            before = arrival;
        }
    }
}

/// Offers the counterparties at the other end of a hub's edges what the hub has, with one hop more;
/// notes those to whom it is an improvement.
pub(super) fn offer_edges(
    ground: Ground<'_>,
    hops: &mut Hops,
    hub: Node,
    tag: Tag,
    piece: &[Edge],
    improved: &mut HashSet<Node>,
) {
    let tag = tag.at(tag.hops() + 1);
    let fold = super::ground::mask(hops.direction);
    for edge in piece.iter().filter(|edge| edge.counts()) {
        if !ground.is_tx(edge.node()) {
            let by = ByHub { arrival: edge.key ^ fold, tag };
            offer_by_hub(ground, hops, edge.node(), by, improved);
            continue;
        }
        for leg in ground.onward(hops.direction).pieces(edge.node()).flatten() {
            if leg.counts() && !ground.nodes.group(&hub).contains(&leg.node()) {
                let by = ByHub { arrival: leg.key ^ fold, tag };
                offer_by_hub(ground, hops, leg.node(), by, improved);
            }
        }
    }
}

/// Keeps the better of what a node has and what is offered: fewest hops, then first, then source.
fn offer_by_hub(
    ground: Ground<'_>,
    hops: &mut Hops,
    node: Node,
    by: ByHub,
    improved: &mut HashSet<Node>,
) {
    let order = |ByHub { arrival, tag }: &ByHub| {
        (tag.hops(), *arrival, ground.parties.rank(tag.source()), tag.timing())
    };
    match hops.by_hub.get(&node) {
        Some(best) if order(best) <= order(&by) => {}
        _ => {
            hops.by_hub.insert(node, by);
            improved.insert(node);
        }
    }
}
