//! Brings the labels of one direction and kind to what a build from nothing gives after insertions:
//! edges appended early or late, sources added. Cannot take anything away.
//!
//! Hop by hop, since labels of h hops rest on those of h - 1 only. Under insertion the best arrival
//! over at most h hops only improves; it is taken from what is there and what is new. Whose it is
//! can change either way, so that is found anew among the few edges at the moment of the arrival. A
//! node whose arrival improved offers onward only the edges from the new arrival to the old one;
//! where it is another's, all of its edges of that hop count.

use hashbrown::{HashMap, HashSet};

use super::edges::{Appended, Edge};
use super::hops::{Entry, Hops, NONE, Tag};
use super::hubs::offer_edges;
use super::nodes::{Node, STOP};
use super::path_ends::Origin;
use super::view::{GraphView, mask};
use super::{Direction, Timing};

pub(super) struct Inserted<'a> {
    pub edges: &'a [Appended],
    /// Nodes of sources that are new or stand for another one, with the source.
    pub sources: Vec<(Node, Origin)>,
}

/// The work at a relaxation.
struct Relax<'a> {
    view: GraphView<'a>,
    direction: Direction,
    hops: &'a mut Hops,
    /// Nodes to be settled at the hop count that is next, with the best that is offered.
    touched: HashMap<Node, u64>,
    /// Transactions to be settled at the hop count at hand.
    transactions: HashMap<Node, u64>,
    /// Nodes of which anything changed.
    dirty: HashSet<Node>,
    /// What counterparties have by hubs must be found anew.
    hubs_changed: bool,
}

struct Changed {
    node: Node,
    old: Option<Entry>,
    new: Entry,
    /// The best arrival over fewer hops.
    before: u64,
}

/// Relaxes labels; gives the nodes of which anything changed, and whether what counterparties have
/// by hubs must be found anew.
pub(super) fn relax(
    view: GraphView<'_>,
    hops: &mut Hops,
    inserted: &Inserted<'_>,
) -> (HashSet<Node>, bool) {
    hops.heads.resize(view.nodes.len(), NONE);
    let mut relax = Relax {
        view,
        direction: hops.direction,
        hops,
        touched: HashMap::new(),
        transactions: HashMap::new(),
        dirty: HashSet::new(),
        hubs_changed: false,
    };
    let edges: Vec<_> = inserted.edges.iter().filter(|edge| edge.counts()).collect();
    for level in 0..=view.max_hops {
        let changed = match level {
            0 => relax.sources(&inserted.sources),
            _ => relax.settle_all(level),
        };
        if level == view.max_hops {
            break;
        }
        changed.iter().for_each(|changed| relax.spread(changed, level));
        edges.iter().for_each(|edge| relax.follow(edge, level, false));
        relax.settle_transactions(level);
        edges.iter().for_each(|edge| relax.follow(edge, level, true));
    }
    (relax.dirty, relax.hubs_changed)
}

impl Relax<'_> {
    fn sources(&mut self, sources: &[(Node, Origin)]) -> Vec<Changed> {
        let mut changed = Vec::new();
        for &(node, origin) in sources {
            let tag = Tag::new(0, Timing::Unknown, origin);
            let old = self.hops.at(node, 0).0;
            if old.is_some_and(|old| old.tag == tag) {
                continue;
            }
            // A hub that is a source passes funds on as one.
            self.hubs_changed |= self.view.leads_to_cut(self.direction, node);
            let new = self.put(node, 0, 0, tag);
            changed.push(Changed { node, old, new, before: u64::MAX });
        }
        changed
    }

    fn settle_all(&mut self, level: u8) -> Vec<Changed> {
        let touched = std::mem::take(&mut self.touched);
        let settled = touched.into_iter().filter_map(|(node, at)| self.settle(node, level, at));
        settled.collect()
    }

    fn settle_transactions(&mut self, level: u8) {
        for (tx, at) in std::mem::take(&mut self.transactions) {
            if let Some(changed) = self.settle(tx, level, at) {
                let onward = self.view.onward(self.direction);
                for edge in onward.pieces(changed.node).flatten().filter(|edge| edge.counts()) {
                    self.offer(edge);
                }
            }
        }
    }

    /// Brings a node's entry at a hop count in order, given the best that is new; `None` where it
    /// stays as it was, or there is none.
    fn settle(&mut self, node: Node, level: u8, offered: u64) -> Option<Changed> {
        let (old, before) = self.hops.at(node, level);
        let arrival = old.map_or(offered, |old| old.arrival.min(offered));
        let is_deepest = level == self.view.max_hops && before != u64::MAX;
        if arrival >= before || is_deepest {
            return None;
        }
        let tag = self.tag(node, level, arrival)?;
        if old.is_some_and(|old| old.arrival == arrival && old.tag == tag) {
            return None;
        }
        if old.is_some_and(|old| old.tag != tag) {
            self.hubs_changed |= self.view.leads_to_cut(self.direction, node);
        }
        let new = self.put(node, level, arrival, tag);
        Some(Changed { node, old, new, before })
    }

    /// Whose the arrival is: the first by order among all that came at that moment.
    fn tag(&self, node: Node, level: u8, arrival: u64) -> Option<Tag> {
        let view = self.view;
        let key = arrival ^ mask(self.direction);
        let before = if view.is_tx(node) { level } else { level - 1 };
        let mut best: Option<(u32, Timing, Tag)> = None;
        for edge in view.back(self.direction).between(node, key, key).flatten() {
            let tail = edge.node();
            if !edge.counts() {
                continue;
            }
            for &twin in view.nodes.group(&tail) {
                if !view.is_tx(tail) && !view.passes(self.direction, twin, tail, before) {
                    continue;
                }
                if let Some(tag) = self.departing(twin, tail, before, key) {
                    let found = (view.parties.rank(tag.origin()), tag.timing(), tag.at(level));
                    best = match best {
                        Some(best) if (best.0, best.1) <= (found.0, found.1) => Some(best),
                        _ => Some(found),
                    };
                }
            }
        }
        best.map(|(_, _, tag)| tag)
    }

    /// The tag with which funds that reached `twin` over exactly so many hops leave `tail`, the
    /// same key on its own clock, at a key; `None` where they do not.
    fn departing(&self, twin: Node, tail: Node, hops: u8, key: u64) -> Option<Tag> {
        let view = self.view;
        let entry = self.hops.at(twin, hops).0?;
        let (from, to) = (view.nodes.clock(twin), view.nodes.clock(tail));
        let allowed = view.convert(self.direction, entry.arrival, from, to);
        if allowed > key ^ mask(self.direction) {
            return None;
        }
        let tag = entry.tag;
        let is_source = hops == 0 && !view.is_tx(tail);
        Some(if is_source {
            Tag::new(0, view.timing(tag.origin(), to, key), tag.origin())
        } else {
            tag
        })
    }

    /// Puts an entry in its place and takes those away that it is better than.
    fn put(&mut self, node: Node, hops: u8, arrival: u64, tag: Tag) -> Entry {
        let pool = &mut self.hops.pool;
        let (mut last, mut next) = (NONE, self.hops.heads[node as usize]);
        while next != NONE && pool[next as usize].tag.hops() < hops {
            last = next;
            next = pool[next as usize].next;
        }
        let mut after = next;
        while after != NONE
            && (pool[after as usize].tag.hops() == hops || pool[after as usize].arrival >= arrival)
        {
            after = pool[after as usize].next;
            self.hops.garbage += 1;
        }
        let entry = Entry { arrival, next: after, tag };
        // The place of one that goes is as good as a new one.
        let at = if next != after { next } else { pool.len() as u32 };
        match pool.get_mut(at as usize) {
            Some(place) => {
                *place = entry;
                self.hops.garbage -= 1;
            }
            None => pool.push(entry),
        }
        match pool.get_mut(last as usize) {
            Some(last) => last.next = at,
            None => self.hops.heads[node as usize] = at,
        }
        self.dirty.insert(node);
        entry
    }

    /// Offers what a changed entry brings onward.
    fn spread(&mut self, changed: &Changed, level: u8) {
        let Changed { node, old, new, before } = *changed;
        let below = match old {
            Some(old) if old.tag == new.tag => old.arrival,
            _ => before,
        };
        let (view, direction) = (self.view, self.direction);
        if level > 0 && view.nodes.has(node, STOP) {
            return;
        }
        view.departures(direction, node, new.arrival, below, |left, piece| {
            if !view.passes(direction, node, left, level) {
                offer_edges(view, self.hops, left, new.tag, piece, &mut self.dirty);
                return;
            }
            for edge in piece.iter().filter(|edge| edge.counts()) {
                self.offer(edge);
            }
        });
    }

    /// Offers the other end of an edge that departs from a node with so many hops.
    fn offer(&mut self, edge: &Edge) {
        let at = edge.key ^ mask(self.direction);
        let touched =
            if self.view.is_tx(edge.node()) { &mut self.transactions } else { &mut self.touched };
        let best = touched.entry(edge.node()).or_insert(at);
        *best = at.min(*best);
    }

    /// Follows an appended edge from what its end has over so many hops: those from transactions
    /// after these were settled.
    fn follow(&mut self, edge: &Appended, level: u8, from_tx: bool) {
        let (view, direction) = (self.view, self.direction);
        let (tail, seen) = edge.seen(direction == Direction::ReceivedFrom);
        if view.is_tx(tail) != from_tx {
            return;
        }
        let departs = |twin: &Node| self.departing(*twin, tail, level, edge.key);
        if from_tx {
            if departs(&tail).is_some() {
                self.offer(&seen);
            }
            return;
        }
        if level > 0 && view.nodes.has(tail, STOP) {
            return;
        }
        let (mut passes, mut cut) = (false, Vec::new());
        for twin in view.nodes.group(&tail) {
            if view.passes(direction, *twin, tail, level) {
                passes |= departs(twin).is_some();
            } else {
                cut.extend(departs(twin));
            }
        }
        if passes {
            self.offer(&seen);
        }
        for tag in cut {
            let piece = std::slice::from_ref(&seen);
            offer_edges(view, self.hops, tail, tag, piece, &mut self.dirty);
        }
    }
}
