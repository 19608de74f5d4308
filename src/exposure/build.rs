//! Builds the labels of one direction and kind from nothing, level by level. The definition is in
//! `exposure`; this is the fast way to it.
//!
//! A node with an arrival at h hops needs to offer onward only the edges from that arrival to
//! before its arrival with fewer hops: later ones were offered then. So every edge is looked at
//! once at most, as in a breadth-first search, and nothing is searched for: a node keeps how many of
//! its edges are left, and goes on from there to the arrival. At the deepest level only nodes
//! without a label take one, since nothing goes on from there.

use super::edges::Edge;
use super::hops::{Entry, Hops, NONE, Tag};
use super::nodes::{Node, STOP, TWIN};
use super::path_ends::Origin;
use super::view::{GraphView, mask};
use super::{Direction, Timing};

/// An entry that was made at a level, to be followed at the next.
struct Reached {
    node: Node,
    entry: u32,
    /// The best arrival with fewer hops.
    before: u64,
}

/// What a build knows of a node, in one place: offers come to nodes at random.
#[derive(Clone, Copy)]
struct Slot {
    /// The best arrival so far.
    best: u64,
    /// Its entry with the most hops.
    tail: u32,
    /// So many of its edges onward were not offered yet: those that are earliest, folded. Not kept
    /// for keys with several nodes.
    left: u32,
}

/// The work of a build.
struct Build<'a> {
    view: GraphView<'a>,
    direction: Direction,
    mask: u64,
    hops: Hops,
    /// By node.
    slots: Vec<Slot>,
    has_transactions: bool,
    /// Entries of the pool from here on are of the level being made.
    fresh: u32,
    addresses: Vec<Reached>,
    transactions: Vec<Reached>,
}

/// Builds the labels of a direction and kind; those by hubs and shares are not among them. Edges
/// must be folded.
pub(super) fn build(view: GraphView<'_>, direction: Direction, kind: usize) -> Hops {
    let nodes = view.nodes.len();
    let mut build = Build {
        view,
        direction,
        mask: mask(direction),
        hops: Hops::new(direction, kind),
        slots: vec![Slot { best: u64::MAX, tail: NONE, left: u32::MAX }; nodes],
        has_transactions: view.nodes.has_transactions(),
        fresh: 0,
        addresses: Vec::new(),
        transactions: Vec::new(),
    };
    build.hops.heads = vec![NONE; nodes];
    for (key, origin) in view.parties.of_kind(kind) {
        for node in view.nodes.of_key(&key) {
            let tag = Tag::new(0, Timing::Unknown, origin);
            let reached = build.push(node, 0, tag);
            build.addresses.push(reached);
        }
    }
    for level in 0..view.max_hops {
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
        let deepest = level + 1 == self.view.max_hops;
        self.fresh = self.hops.pool.len() as u32;
        let view = self.view;
        for Reached { node, entry, before } in std::mem::take(&mut self.addresses) {
            let Entry { arrival, tag, .. } = self.hops.pool[entry as usize];
            if level > 0 && view.nodes.has(node, STOP) {
                continue;
            }
            if level > 0 && !view.nodes.has(node, TWIN) {
                self.leave(node, arrival, tag, deepest);
                continue;
            }
            view.departures(self.direction, node, arrival, before, |twin, piece| {
                if level == 0 {
                    self.leave_source(twin, tag.origin(), piece, deepest);
                } else if !view.cuts(self.direction, node, twin) {
                    self.offer_all(piece, tag, deepest);
                }
            });
        }
        for Reached { node, entry, .. } in std::mem::take(&mut self.transactions) {
            let tag = self.hops.pool[entry as usize].tag;
            for piece in view.onward(self.direction).pieces(node) {
                self.offer_all(piece, tag, deepest);
            }
        }
    }

    /// Offers the edges that are left of a node that is alone, from an arrival on.
    fn leave(&mut self, node: Node, arrival: u64, tag: Tag, deepest: bool) {
        let edges = self.view.onward(self.direction).folded(node);
        let left = edges.len().min(self.slots[node as usize].left as usize);
        let fold = self.mask;
        let departs = |edge: &&Edge| edge.key ^ fold >= arrival;
        let (piece, offered) = match self.direction {
            Direction::ReceivedFrom => {
                let offered = edges[..left].iter().rev().take_while(departs).count();
                (&edges[left - offered..left], offered)
            }
            Direction::SentTo => {
                let piece = &edges[edges.len() - left..];
                let offered = piece.iter().take_while(departs).count();
                (&piece[..offered], offered)
            }
        };
        self.slots[node as usize].left = (left - offered) as u32;
        self.offer_all(piece, tag, deepest);
    }

    /// The first hop, where it shows whether the transfer was before the listing.
    fn leave_source(&mut self, node: Node, origin: Origin, piece: &[Edge], deepest: bool) {
        let clock = self.view.nodes.clock(node);
        for edge in piece {
            let timing = self.view.timing(origin, clock, edge.key);
            self.offer_all(std::slice::from_ref(edge), Tag::new(0, timing, origin), deepest);
        }
    }

    /// Offers edges that depart from a node with that tag. What is known of their other ends is
    /// looked at for many at once and without a branch, since that is waited for the most; few are
    /// any better.
    fn offer_all(&mut self, piece: &[Edge], tag: Tag, deepest: bool) {
        for piece in piece.chunks(u64::BITS as usize) {
            let mut better = 0_u64;
            for (at, edge) in piece.iter().enumerate() {
                let best = self.slots[edge.node() as usize].best;
                better |= u64::from((edge.key ^ self.mask <= best) & edge.counts()) << at;
            }
            while better != 0 {
                self.offer(&piece[better.trailing_zeros() as usize], tag, deepest);
                better &= better - 1;
            }
        }
    }

    /// Offers an edge; one of the same piece may have gone to its other end before.
    #[inline]
    fn offer(&mut self, edge: &Edge, tag: Tag, deepest: bool) {
        let (node, arrival) = (edge.node(), edge.key ^ self.mask);
        let Slot { best, tail, .. } = self.slots[node as usize];
        if arrival <= best && edge.counts() {
            self.take(node, arrival, best, tail, tag, deepest);
        }
    }

    /// Takes an arrival that is no later than the best of a node, if it is better.
    fn take(&mut self, node: Node, arrival: u64, best: u64, at: u32, tag: Tag, deepest: bool) {
        let is_fresh = at != NONE && at >= self.fresh;
        let is_tx = self.has_transactions && self.view.is_tx(node);
        if !is_fresh && (arrival == best || (deepest && at != NONE && !is_tx)) {
            return;
        }
        let tag = if is_tx { tag } else { tag.at(tag.hops() + 1) };
        if is_fresh {
            let ranks = self.view.parties;
            let entry = &mut self.hops.pool[at as usize];
            let rank = |tag: Tag| (ranks.rank(tag.origin()), tag.timing());
            // The best is the arrival of a fresh entry.
            if arrival < best || rank(tag) < rank(entry.tag) {
                entry.arrival = arrival;
                entry.tag = tag;
                self.slots[node as usize].best = arrival;
            }
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
        let slot = &mut self.slots[node as usize];
        let before = std::mem::replace(&mut slot.best, arrival);
        match std::mem::replace(&mut slot.tail, at) {
            NONE => self.hops.heads[node as usize] = at,
            tail => self.hops.pool[tail as usize].next = at,
        }
        Reached { node, entry: at, before }
    }
}
