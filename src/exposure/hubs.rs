//! Hubs: keys with more distinct counterparties on a chain than the limit, and from when on; and
//! what their counterparties have by them.
//!
//! A key is a hub on a chain from the moment at which it had dealt with one more than the limit: in
//! chain time, so that both clocks of a chain are compared. Dust does not count for it. Transfers
//! that leave it later stand at a node of their own (see `world/split`). Under insertion a moment
//! only becomes earlier.

use hashbrown::{HashMap, HashSet};

use super::clock::{ClockId, Clocks};
use super::edges::{Appended, Edge};
use super::hops::{ByHub, Entry, Hops, Tag};
use super::nodes::{DUSTY, FIRST, HUB, Node, Nodes, STOP, TX};
use super::transfer_values::TransferValues;
use super::view::{GraphView, mask};

/// Counts counterparties. A key on a chain is named by its first node there.
#[derive(Debug, Default)]
pub(super) struct HubWatch {
    /// The counterparties of those that have more edges than the limit, but no more counterparties.
    watched: HashMap<Node, HashSet<Node>>,
    /// Hubs, tagged or not, with the chain time at which each became one.
    moments: HashMap<Node, u64>,
    untagged: HashSet<Node>,
}

impl HubWatch {
    pub fn count_all(&mut self, view: GraphView<'_>, values: &TransferValues, limit: u32) {
        self.watched.clear();
        self.moments.clear();
        for node in FIRST..view.nodes.len() as Node {
            if !view.nodes.has(node, TX) && view.first_on_chain(node) == node {
                self.count(view, values, node, limit);
            }
        }
    }

    /// Counts what was appended; returns whether any moment is new or another.
    pub fn note(
        &mut self,
        view: GraphView<'_>,
        values: &TransferValues,
        edges: &[Appended],
        limit: u32,
    ) -> bool {
        let mut doubtful = HashSet::new();
        for edge in edges.iter().filter(|edge| edge.counts()) {
            for (node, other) in [(edge.from, edge.to()), (edge.to(), edge.from)] {
                if view.nodes.has(node, TX) {
                    continue;
                }
                if is_dust(view, values, node, edge.id, view.is_tx(other)) {
                    continue;
                }
                let first = view.first_on_chain(node);
                if let Some(&moment) = self.moments.get(&first) {
                    if view.clocks.time(view.nodes.clock(node), edge.key) < moment {
                        doubtful.insert(first);
                    }
                } else if let Some(others) = self.watched.get_mut(&first) {
                    others.insert(view.nodes.first(other));
                    if others.len() > limit as usize {
                        doubtful.insert(first);
                    }
                } else {
                    doubtful.insert(first);
                }
            }
        }
        let mut changed = false;
        for first in doubtful {
            let before = self.moments.get(&first).copied();
            self.count(view, values, first, limit);
            changed |= self.moments.get(&first).copied() != before;
        }
        changed
    }

    /// Goes through the edges of a key on a chain in order of time until it has one counterparty
    /// more than the limit.
    fn count(&mut self, view: GraphView<'_>, values: &TransferValues, first: Node, limit: u32) {
        self.watched.remove(&first);
        self.moments.remove(&first);
        let mut pieces: Vec<(ClockId, &[Edge])> = Vec::new();
        for node in view.nodes.on_chain(&first, view.clocks) {
            let clock = view.nodes.clock(node);
            for edges in [&view.edges.out, &view.edges.into] {
                pieces.extend(edges.pieces(node).map(|piece| (clock, piece)));
            }
        }
        pieces.retain(|(_, piece)| !piece.is_empty());
        if pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>() <= limit as usize {
            return;
        }
        // Keys of one clock order as its chain time does, and are cheaper.
        let has_one_clock = pieces.iter().all(|(clock, _)| *clock == pieces[0].0);
        let order = |clock: ClockId, edge: &Edge| {
            if has_one_clock { edge.key } else { view.clocks.time(clock, edge.key) }
        };
        let mut heads: Vec<u64> =
            pieces.iter().map(|(clock, piece)| order(*clock, &piece[0])).collect();
        let mut others = HashSet::new();
        while let Some(at) = (0..heads.len()).min_by_key(|&at| heads[at]) {
            let (clock, piece) = &mut pieces[at];
            let Some((edge, rest)) = piece.split_first() else { break };
            let leads_to_tx = view.is_tx(edge.node());
            if edge.counts() && !is_dust(view, values, first, edge.id, leads_to_tx) {
                others.insert(view.nodes.first(edge.node()));
                if others.len() > limit as usize {
                    self.moments.insert(first, view.clocks.time(*clock, edge.key));
                    return;
                }
            }
            *piece = rest;
            match rest.first() {
                Some(next) => heads[at] = order(*clock, next),
                None => {
                    heads.swap_remove(at);
                    pieces.swap_remove(at);
                }
            }
        }
        self.watched.insert(first, others);
    }

    /// The chain time after which what leaves a key on a chain is a hub's.
    pub fn moment(&self, first: Node) -> Option<u64> {
        self.moments.get(&first).copied()
    }

    /// Every hub, tagged or not: its first node on the chain, and since when; in no order.
    pub fn all(&self) -> impl Iterator<Item = (Node, u64)> {
        self.moments.iter().map(|(&first, &moment)| (first, moment))
    }

    pub fn moments(&self) -> impl Iterator<Item = (Node, u64)> {
        self.untagged.iter().filter_map(|&first| Some((first, self.moment(first)?)))
    }

    /// Sets the flags of untagged hubs, whose nodes must be split; gives the first nodes on their
    /// chains of those that were none before.
    pub fn mark(&mut self, nodes: &mut Nodes, clocks: &Clocks) -> Vec<Node> {
        let before = std::mem::take(&mut self.untagged);
        for (node, late) in nodes.all_late().collect::<Vec<_>>() {
            let first = nodes.first_on_chain(node, clocks);
            let is_hub = self.moments.contains_key(&first) && !nodes.has(node, STOP);
            let flags = &mut nodes.flags[late as usize];
            *flags = if is_hub { *flags | HUB } else { *flags & !HUB };
            if is_hub {
                self.untagged.insert(first);
            }
        }
        let mut new: Vec<_> = self.untagged.difference(&before).copied().collect();
        new.sort_unstable();
        new
    }
}

/// Whether an edge of a key is dust. Dust that adds up counts for paths and makes no hub, so that a
/// list which names more addresses of a party never cuts a path.
fn is_dust(
    view: GraphView<'_>,
    values: &TransferValues,
    own: Node,
    id: u32,
    leads_to_tx: bool,
) -> bool {
    view.nodes.group(&own).iter().any(|&twin| view.nodes.has(twin, DUSTY))
        && values.is_dust(leads_to_tx, id)
}

/// Finds what every counterparty of a labelled hub has by it, anew.
pub(super) fn by_hubs(view: GraphView<'_>, hops: &mut Hops, watch: &HubWatch) {
    hops.by_hub.clear();
    let mut ignored = HashSet::new();
    let keys: HashSet<Node> = watch.untagged.iter().map(|&first| view.nodes.first(first)).collect();
    for &arrived in keys.iter().flat_map(|first| view.nodes.group(first)) {
        let entries: Vec<_> = hops.of(arrived).copied().collect();
        let direction = hops.direction;
        let mut before = u64::MAX;
        for Entry { arrival, tag, .. } in entries {
            if tag.hops() > 0 && tag.hops() < view.max_hops {
                view.departures(direction, arrived, arrival, before, |left, piece| {
                    if view.cuts(direction, arrived, left) {
                        offer_edges(view, hops, left, tag, piece, &mut ignored);
                    }
                });
            }
            before = arrival;
        }
    }
}

/// Offers the counterparties at the other end of a hub's edges what the hub has, with one hop more;
/// notes those to whom it is an improvement.
pub(super) fn offer_edges(
    view: GraphView<'_>,
    hops: &mut Hops,
    hub: Node,
    tag: Tag,
    piece: &[Edge],
    improved: &mut HashSet<Node>,
) {
    let tag = tag.at(tag.hops() + 1);
    let fold = mask(hops.direction);
    for edge in piece.iter().filter(|edge| edge.counts()) {
        if !view.is_tx(edge.node()) {
            let by = ByHub { arrival: edge.key ^ fold, tag };
            offer_by_hub(view, hops, edge.node(), by, improved);
            continue;
        }
        for leg in view.onward(hops.direction).pieces(edge.node()).flatten() {
            if leg.counts() && !view.nodes.group(&hub).contains(&leg.node()) {
                let by = ByHub { arrival: leg.key ^ fold, tag };
                offer_by_hub(view, hops, leg.node(), by, improved);
            }
        }
    }
}

/// Keeps the better of what a node has and what is offered: fewest hops, then first, then source.
fn offer_by_hub(
    view: GraphView<'_>,
    hops: &mut Hops,
    node: Node,
    by: ByHub,
    improved: &mut HashSet<Node>,
) {
    let order = |ByHub { arrival, tag }: &ByHub| {
        (tag.hops(), *arrival, view.parties.rank(tag.origin()), tag.timing())
    };
    match hops.by_hub.get(&node) {
        Some(best) if order(best) <= order(&by) => {}
        _ => {
            hops.by_hub.insert(node, by);
            improved.insert(node);
        }
    }
}
