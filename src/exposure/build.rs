//! Builds the labels of one direction and kind from nothing, level by level. The definition is in
//! `exposure`; this is the fast way to it.
//!
//! A node with an arrival at h hops needs to offer onward only the edges from that arrival to
//! before its arrival with fewer hops: later ones were offered then. So every edge is looked at
//! once at most, as in a breadth-first search. At the deepest level only nodes without a label take
//! one, since nothing goes on from there.

use super::edges::Edge;
use super::ground::{Ground, mask};
use super::hops::{Entry, Hops, NONE, Tag};
use super::nodes::Node;
use super::{Direction, Timing};

/// An entry that was made at a level, to be followed at the next.
struct Reached {
    node: Node,
    entry: u32,
    /// The best arrival with fewer hops.
    before: u64,
}

/// The work of a build.
struct Build<'a> {
    ground: Ground<'a>,
    direction: Direction,
    mask: u64,
    hops: Hops,
    /// By node: the best arrival so far.
    best: Vec<u64>,
    /// By node: its entry with the most hops.
    tails: Vec<u32>,
    /// Entries of the pool from here on are of the level being made.
    fresh: u32,
    addresses: Vec<Reached>,
    transactions: Vec<Reached>,
}

/// Builds the labels of a direction and kind; those by hubs and shares are not among them.
pub(super) fn build(ground: Ground<'_>, direction: Direction, kind: usize) -> Hops {
    let nodes = ground.nodes.len();
    let mut build = Build {
        ground,
        direction,
        mask: mask(direction),
        hops: Hops::new(direction, kind),
        best: vec![u64::MAX; nodes],
        tails: vec![NONE; nodes],
        fresh: 0,
        addresses: Vec::new(),
        transactions: Vec::new(),
    };
    build.hops.heads = vec![NONE; nodes];
    for (key, source) in ground.parties.of_kind(kind) {
        for node in ground.nodes.of_key(&key) {
            let tag = Tag::new(0, Timing::Unknown, source);
            let reached = build.push(node, 0, tag);
            build.addresses.push(reached);
        }
    }
    for level in 0..ground.max_hops {
        if build.addresses.is_empty() {
            break;
        }
        build.level(level);
    }
    build.hops
}

impl Build<'_> {
    /// Follows what was reached over `level` hops.
    fn level(&mut self, level: u8) {
        let deepest = level + 1 == self.ground.max_hops;
        self.fresh = self.hops.pool.len() as u32;
        let ground = self.ground;
        for Reached { node, entry, before } in std::mem::take(&mut self.addresses) {
            let Entry { arrival, tag, .. } = self.hops.pool[entry as usize];
            if !ground.passes(node, level) {
                continue;
            }
            ground.departures(self.direction, node, arrival, before, |twin, piece| {
                if level == 0 {
                    self.leave_source(twin, tag.source(), piece, deepest);
                } else {
                    self.offer_all(piece, tag, deepest);
                }
            });
        }
        for Reached { node, entry, .. } in std::mem::take(&mut self.transactions) {
            let tag = self.hops.pool[entry as usize].tag;
            for piece in ground.onward(self.direction).pieces(node) {
                self.offer_all(piece, tag, deepest);
            }
        }
    }

    /// The first hop, where it shows whether the transfer was before the listing.
    fn leave_source(&mut self, node: Node, source: u32, piece: &[Edge], deepest: bool) {
        let clock = self.ground.nodes.clock(node);
        for edge in piece {
            let timing = self.ground.timing(source, clock, edge.key);
            self.offer_all(std::slice::from_ref(edge), Tag::new(0, timing, source), deepest);
        }
    }

    /// Offers edges that depart from a node with that tag.
    #[inline]
    fn offer_all(&mut self, piece: &[Edge], tag: Tag, deepest: bool) {
        for edge in piece {
            if !edge.counts() {
                continue;
            }
            let (node, arrival) = (edge.node(), edge.key ^ self.mask);
            let best = self.best[node as usize];
            if arrival > best {
                continue;
            }
            self.offer(node, arrival, best, tag, deepest);
        }
    }

    fn offer(&mut self, node: Node, arrival: u64, best: u64, tag: Tag, deepest: bool) {
        let at = self.tails[node as usize];
        let is_fresh = at != NONE && at >= self.fresh;
        let is_tx = self.ground.is_tx(node);
        let tag = if is_tx { tag } else { tag.at(tag.hops() + 1) };
        if is_fresh {
            let ranks = self.ground.parties;
            let entry = &mut self.hops.pool[at as usize];
            let rank = |tag: Tag| (ranks.rank(tag.source()), tag.timing());
            if arrival < entry.arrival || rank(tag) < rank(entry.tag) {
                entry.arrival = arrival;
                entry.tag = tag;
                self.best[node as usize] = arrival;
            }
            return;
        }
        if arrival == best || (deepest && at != NONE && !is_tx) {
            return;
        }
        let reached = self.push(node, arrival, tag);
        if is_tx {
            self.transactions.push(reached);
        } else {
            self.addresses.push(reached);
        }
    }

    fn push(&mut self, node: Node, arrival: u64, tag: Tag) -> Reached {
        let at = self.hops.pool.len() as u32;
        self.hops.pool.push(Entry { arrival, next: NONE, tag });
        match std::mem::replace(&mut self.tails[node as usize], at) {
            NONE => self.hops.heads[node as usize] = at,
            tail => self.hops.pool[tail as usize].next = at,
        }
        let before = std::mem::replace(&mut self.best[node as usize], arrival);
        Reached { node, entry: at, before }
    }
}
