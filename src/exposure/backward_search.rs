//! The bounded search: every transfer by which funds can have come to a key (or gone from it), level
//! by level backwards from it, and the labels over just those. Exact where it was not cut short.
//!
//! Whatever first arrives somewhere on a path to the key came by transfers that are in the cone
//! too, so that labels over the cone are those of the whole graph at the key.

use std::collections::{HashMap, HashSet};

use super::dust::Recount;
use super::edges::Edge;
use super::hops::Hops;
use super::nodes::{Node, STOP};
use super::seeds::{Seed, Seeds};
use super::view::{GraphView, mask};
use super::{Direction, Source, Timing};
use crate::domain::packed_key::PackedKey;

pub(super) struct Target<'a, 's> {
    pub direction: Direction,
    pub seeds: &'a Seeds<'s>,
    /// Labels of at least these sources over at least the whole time, which say where nothing is.
    pub known: Option<&'a Hops>,
    pub max_hops: u8,
    /// Stop at the first level that has a source.
    pub nearest: bool,
    /// Chain time of every transfer, both ends included.
    pub window: (u64, u64),
    /// Whether a row may be on a path.
    pub allows: &'a dyn Fn(u64) -> bool,
    /// Which edges count where the sources are others than those in force.
    pub recount: Option<&'a Recount<'a>>,
}

/// A transfer in the cone: onward from `tail` to `head` in the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub head: Node,
    /// Folded.
    pub at: u64,
    pub row: u64,
    pub tail: Node,
}

/// The arrival at a node over some hops: when (folded), whose by order, timing.
pub(super) type Arrival = (u64, u32, Timing);

#[derive(Debug, Default)]
pub(super) struct BackwardSearch {
    /// Sorted.
    pub links: Vec<Link>,
    pub stops_met: HashSet<PackedKey>,
    pub examined: u64,
    pub cut_short: bool,
}

struct Search<'a, 's> {
    view: GraphView<'a>,
    target: &'a Target<'a, 's>,
    budget: u64,
    cone: BackwardSearch,
    /// By node: up to when (folded) what arrives can still go on to the key.
    limits: HashMap<Node, u64>,
    hit: bool,
}

/// Finds the cone of the nodes; looks at no more than `budget` edges.
pub(super) fn cone<'a>(
    view: GraphView<'a>,
    target: &'a Target<'a, '_>,
    targets: &[Node],
    budget: u64,
) -> BackwardSearch {
    let mut search = Search {
        view,
        target,
        budget,
        cone: BackwardSearch::default(),
        limits: HashMap::new(),
        hit: false,
    };
    // Nodes with the limit up to which their edges were looked at, and the new one.
    let mut open: Vec<(Node, Option<u64>, u64)> = Vec::new();
    for &target in targets {
        search.limits.insert(target, u64::MAX);
        open.push((target, None, u64::MAX));
    }
    for depth in 1..=target.max_hops {
        let mut next: HashMap<Node, Option<u64>> = HashMap::new();
        for (node, done, limit) in std::mem::take(&mut open) {
            search.look(node, done, limit, target.max_hops - depth, targets, &mut next);
        }
        if search.cone.cut_short || (target.nearest && search.hit) {
            break;
        }
        let limits = &search.limits;
        open = next.into_iter().map(|(node, done)| (node, done, limits[&node])).collect();
        open.sort_unstable();
    }
    search.cone.links.sort_unstable();
    search.cone.links.dedup();
    search.cone
}

impl Search<'_, '_> {
    /// Looks at what came to a node after `done` and up to `limit`.
    fn look(
        &mut self,
        node: Node,
        done: Option<u64>,
        limit: u64,
        left: u8,
        targets: &[Node],
        next: &mut HashMap<Node, Option<u64>>,
    ) {
        let (view, direction) = (self.view, self.target.direction);
        let clock = view.nodes.clock(node);
        let fold = mask(direction);
        let first = done.map_or(0, |done| done.saturating_add(1));
        let (a, b) = (first ^ fold, limit ^ fold);
        let from = a.min(b).max(view.clocks.first_from(clock, self.target.window.0));
        let to = a.max(b).min(view.clocks.last_until(clock, self.target.window.1));
        if first > limit || from > to {
            return;
        }
        for edge in view.back(direction).between(node, from, to).flatten() {
            if !self.spend() {
                return;
            }
            if !self.counts(node, edge) {
                continue;
            }
            let at = edge.key ^ fold;
            if !view.is_tx(edge.node()) {
                let row = u64::from(edge.id);
                self.link(Link { head: node, at, row, tail: edge.node() }, left, targets, next);
                continue;
            }
            let row = u64::from(view.nodes.row(edge.node()));
            for leg in view.back(direction).pieces(edge.node()).flatten() {
                if !self.spend() {
                    return;
                }
                if leg.node() != node && self.counts(edge.node(), leg) {
                    let link = Link { head: node, at, row, tail: leg.node() };
                    self.link(link, left, targets, next);
                }
            }
        }
    }

    /// Whether an edge, which stands at a node, counts for the sources.
    fn counts(&self, at: Node, edge: &Edge) -> bool {
        let Some(recount) = self.target.recount else { return edge.counts() };
        recount.counts(&match self.target.direction {
            Direction::ReceivedFrom => edge.arriving(at),
            Direction::SentTo => edge.leaving(at),
        })
    }

    /// Counts an edge that is looked at.
    fn spend(&mut self) -> bool {
        self.cone.cut_short |= self.cone.examined >= self.budget
            || self.target.seeds.is_cut_short()
            || self.target.recount.is_some_and(Recount::is_cut_short);
        self.cone.examined += u64::from(!self.cone.cut_short);
        !self.cone.cut_short
    }

    fn link(
        &mut self,
        link: Link,
        left: u8,
        targets: &[Node],
        next: &mut HashMap<Node, Option<u64>>,
    ) {
        let (view, direction) = (self.view, self.target.direction);
        if targets.contains(&link.tail) || !(self.target.allows)(link.row) {
            return;
        }
        let key = view.nodes.key(link.tail);
        if self.target.seeds.first_at(link.tail).is_some() {
            self.hit = true;
            self.cone.links.push(link);
            return;
        }
        let (group, is_stop) = (view.nodes.group(&link.tail), view.nodes.has(link.tail, STOP));
        let passes = |twin: &&Node| view.passes(direction, **twin, link.tail, 1);
        if is_stop || !group.iter().all(|twin| passes(&twin)) {
            self.cone.stops_met.insert(*key);
        }
        if is_stop || !group.iter().any(|twin| passes(&twin)) {
            return;
        }
        if left == 0 || !self.may_lead(link, left) {
            return;
        }
        self.cone.links.push(link);
        let from = view.nodes.clock(link.tail);
        for &twin in group.iter().filter(passes) {
            let to = view.nodes.clock(twin);
            let limit = self.latest(direction, link.at, from, to);
            let known = self.limits.get(&twin).copied();
            if limit.is_some_and(|limit| known.is_none_or(|known| limit > known)) {
                // What stood before this level is what was looked at.
                next.entry(twin).or_insert(known);
                self.limits.extend(limit.map(|limit| (twin, limit)));
            }
        }
    }

    /// Whether the known labels leave it open that a source's funds came to the tail in time.
    fn may_lead(&self, link: Link, left: u8) -> bool {
        let Some(known) = self.target.known else { return true };
        let (view, direction) = (self.view, self.target.direction);
        let to = view.nodes.clock(link.tail);
        view.nodes.group(&link.tail).iter().any(|&twin| {
            let from = view.nodes.clock(twin);
            let passes = view.passes(self.target.direction, twin, link.tail, left);
            passes
                && known.of(twin).any(|entry| {
                    entry.tag.hops() <= left
                        && view.convert(direction, entry.arrival, from, to) <= link.at
                })
        })
    }

    /// The latest arrival on clock `to` after which a departure on `from` is allowed; folded.
    fn latest(&self, direction: Direction, at: u64, from: u16, to: u16) -> Option<u64> {
        if from == to {
            return Some(at);
        }
        let clocks = self.view.clocks;
        match direction {
            Direction::ReceivedFrom => {
                Some(clocks.last_until(to, clocks.time(from, at))).filter(|&key| key > 0)
            }
            Direction::SentTo => {
                let key = clocks.first_from(to, clocks.time(from, !at));
                (key < u64::MAX).then_some(!key)
            }
        }
    }
}

/// The labels over a cone: by node, the arrivals over 1, 2, ... hops that improve on fewer.
#[derive(Debug, Default)]
pub(super) struct States(HashMap<Node, Vec<Option<Arrival>>>);

impl States {
    /// Finds them by the definition, hop by hop.
    pub fn over(cone: &BackwardSearch, view: GraphView<'_>, target: &Target<'_, '_>) -> Self {
        let mut states = Self::default();
        for hops in 1..=target.max_hops {
            let mut found: HashMap<Node, Arrival> = HashMap::new();
            for link in &cone.links {
                let Some(arrival) = states.departure(*link, hops - 1, view, target) else {
                    continue;
                };
                let best = found.entry(link.head).or_insert(arrival);
                *best = arrival.min(*best);
            }
            for (node, arrival) in found {
                let of = states.0.entry(node).or_default();
                if of.iter().flatten().all(|(at, ..)| arrival.0 < *at) {
                    of.resize(usize::from(hops) - 1, None);
                    of.push(Some(arrival));
                }
            }
        }
        states
    }

    /// What a link brings over so many hops before it; the best of the tail's clocks.
    pub fn departure(
        &self,
        link: Link,
        hops: u8,
        view: GraphView<'_>,
        target: &Target<'_, '_>,
    ) -> Option<Arrival> {
        if let Some(Seed { rank, source, .. }) = target.seeds.first_at(link.tail) {
            return (hops == 0)
                .then(|| (link.at, rank, timing(view, source, target.direction, link)));
        }
        let to = view.nodes.clock(link.head);
        let arrivals = view.nodes.group(&link.tail).iter().filter_map(|&twin| {
            let from = view.nodes.clock(twin);
            let (at, rank, timing) = self.at(twin, hops)?;
            let allowed = view.convert(target.direction, at, from, to) <= link.at;
            allowed.then_some((link.at, rank, timing))
        });
        arrivals.min()
    }

    /// The arrival at a node over exactly so many hops.
    pub fn at(&self, node: Node, hops: u8) -> Option<Arrival> {
        *self.0.get(&node)?.get(usize::from(hops).checked_sub(1)?)?
    }

    /// The fewest hops at a node.
    pub fn fewest(&self, node: Node) -> Option<u8> {
        let of = self.0.get(&node)?;
        of.iter().position(Option::is_some).map(|at| at as u8 + 1)
    }

    /// Whether funds can have come to the tail of a link in time over at most so many hops.
    pub fn leads(
        &self,
        link: Link,
        most: u8,
        view: GraphView<'_>,
        target: &Target<'_, '_>,
    ) -> bool {
        (0..=most).any(|hops| self.departure(link, hops, view, target).is_some())
    }
}

/// Whether a transfer at a source was before its listing.
pub(super) fn timing(
    view: GraphView<'_>,
    source: &Source,
    direction: Direction,
    link: Link,
) -> Timing {
    let key = link.at ^ mask(direction);
    source.timing(view.clocks.time(view.nodes.clock(link.tail), key))
}
