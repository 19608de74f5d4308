//! Sums what nodes received from sources, or sent to them, directly, and keeps which of these
//! dealings is shown. Makes no labels.

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};

use super::super::edges::{Appended, Edge};
use super::super::hops::{DirectDealing, Hops, Tag};
use super::super::nodes::{Node, TX};
use super::super::path_ends::Origin;
use super::super::view::mask;
use super::super::{Direction, Timing};
use super::World;
use crate::domain::packed_key::PackedKey;

/// UTXO transactions that sources take part in, each with its gravest source.
type Transactions = HashMap<Node, Tag>;

impl World {
    /// Sums for every source of the labels' kind.
    pub(super) fn sum_direct(&self, hops: &mut Hops) {
        hops.direct.clear();
        hops.dealt.clear();
        let edges = self.view().onward(hops.direction);
        let mut transactions = Transactions::new();
        for (key, _) in self.parties.of_kind(hops.kind) {
            let sources: Vec<_> = self.parties.standing(&key, hops.kind).collect();
            for near in self.nodes.of_key(&key) {
                for edge in edges.pieces(near).flatten().filter(|edge| edge.counts()) {
                    self.add_source_edge(hops, &sources, edge, &mut transactions);
                }
            }
        }
        self.add_legs(hops, &transactions);
    }

    /// Adds what appended edges bring; the labels' sources must know them.
    pub(super) fn add_direct_of(&self, hops: &mut Hops, edges: &[Appended]) {
        let mut transactions = Transactions::new();
        for edge in edges.iter().filter(|edge| edge.counts()) {
            let (near, seen) = edge.seen(hops.direction == Direction::ReceivedFrom);
            if self.nodes.has(near, TX) || !hops.is_source(near) {
                continue;
            }
            let sources: Vec<_> = self.parties.standing(self.nodes.key(near), hops.kind).collect();
            self.add_source_edge(hops, &sources, &seen, &mut transactions);
        }
        self.add_legs(hops, &transactions);
    }

    /// Adds what keys that are seeds since bring beside appended edges; gives the nodes that dealt with
    /// them. The labels' sources must know them.
    pub(super) fn add_direct_of_joined(
        &self,
        hops: &mut Hops,
        joined: &HashSet<PackedKey>,
        fresh: &[Appended],
    ) -> HashSet<Node> {
        let mut dealt = HashSet::new();
        if joined.is_empty() {
            return dealt;
        }
        let onward = self.view().onward(hops.direction);
        let forwards = hops.direction == Direction::ReceivedFrom;
        let new: HashSet<_> = fresh.iter().map(Appended::order).collect();
        let mut transactions = Transactions::new();
        for key in joined {
            let sources: Vec<_> = self.parties.standing(key, hops.kind).collect();
            for near in self.nodes.of_key(key) {
                for edge in onward.pieces(near).flatten().filter(|edge| edge.counts()) {
                    let whole = if forwards { edge.leaving(near) } else { edge.arriving(near) };
                    if !new.contains(&whole.order()) {
                        self.add_source_edge(hops, &sources, edge, &mut transactions);
                        dealt.insert(edge.node());
                    }
                }
            }
        }
        let back = self.view().back(hops.direction);
        for (&tx, &tag) in &transactions {
            let mut others = back.pieces(tx).flatten().filter(|leg| leg.counts());
            let was_summed = others.any(|leg| {
                hops.is_source(leg.node()) && !joined.contains(self.nodes.key(leg.node()))
            });
            for leg in onward.pieces(tx).flatten().filter(|leg| leg.counts()) {
                dealt.insert(leg.node());
                if was_summed {
                    self.show_graver(hops, leg, tag);
                } else {
                    self.add_direct(hops, leg, true, || Some(tag));
                }
            }
        }
        dealt
    }

    /// Replaces the shown dealing where a key joined with more sources than before has a more severe
    /// one; returns the nodes that dealt with such keys. Sums do not change.
    pub(super) fn widen_direct_of(
        &self,
        hops: &mut Hops,
        widened: &HashSet<PackedKey>,
    ) -> HashSet<Node> {
        let onward = self.view().onward(hops.direction);
        let mut transactions = Transactions::new();
        let mut dealt = HashSet::new();
        for key in widened {
            let sources: Vec<_> = self.parties.standing(key, hops.kind).collect();
            for near in self.nodes.of_key(key) {
                for edge in onward.pieces(near).flatten().filter(|edge| edge.counts()) {
                    let Some(tag) = self.gravest(&sources, edge) else { continue };
                    if self.nodes.has(edge.node(), TX) {
                        self.keep_gravest(&mut transactions, edge.node(), tag);
                    } else {
                        self.show_graver(hops, edge, tag);
                        dealt.insert(edge.node());
                    }
                }
            }
        }
        for (&tx, &tag) in &transactions {
            for leg in onward.pieces(tx).flatten().filter(|leg| leg.counts()) {
                self.show_graver(hops, leg, tag);
                dealt.insert(leg.node());
            }
        }
        dealt
    }

    /// Shows a source of a transfer or leg that is summed, where it is graver than the one shown.
    fn show_graver(&self, hops: &mut Hops, leg: &Edge, tag: Tag) {
        let arrival = leg.key ^ mask(hops.direction);
        if let Some(dealt) = hops.dealt.get_mut(&leg.node())
            && self.gravity(arrival, tag) < self.gravity(dealt.arrival, dealt.tag)
        {
            (dealt.arrival, dealt.tag) = (arrival, tag);
        }
    }

    /// Takes an edge of a key with these sources: a transfer, or its part in a transaction.
    fn add_source_edge(
        &self,
        hops: &mut Hops,
        sources: &[Origin],
        edge: &Edge,
        within: &mut Transactions,
    ) {
        let tag = || self.gravest(sources, edge);
        if !self.nodes.has(edge.node(), TX) {
            self.add_direct(hops, edge, false, tag);
        } else if let Some(tag) = tag() {
            self.keep_gravest(within, edge.node(), tag);
        }
    }

    /// The gravest that an edge of a key with these sources shows.
    fn gravest(&self, sources: &[Origin], edge: &Edge) -> Option<Tag> {
        let clock = self.nodes.clock(edge.node());
        let timing = |source| self.view().timing(source, clock, edge.key);
        let tags = sources.iter().map(|&source| Tag::new(1, timing(source), source));
        tags.min_by_key(|tag| self.gravity(0, *tag))
    }

    /// Keeps the gravest of a transaction: all of its inputs are at one moment.
    fn keep_gravest(&self, transactions: &mut Transactions, tx: Node, tag: Tag) {
        let best = transactions.entry(tx).or_insert(tag);
        if self.gravity(0, tag) < self.gravity(0, *best) {
            *best = tag;
        }
    }

    fn add_legs(&self, hops: &mut Hops, transactions: &Transactions) {
        for (&tx, &tag) in transactions {
            let legs = self.view().onward(hops.direction).pieces(tx).flatten();
            for leg in legs.filter(|leg| leg.counts()) {
                self.add_direct(hops, leg, true, || Some(tag));
            }
        }
    }

    /// Adds a transfer, or leg, at the end of which is the node that dealt with a source.
    fn add_direct(
        &self,
        hops: &mut Hops,
        edge: &Edge,
        is_leg: bool,
        tag: impl FnOnce() -> Option<Tag>,
    ) {
        let (node, arrival) = (edge.node(), edge.key ^ mask(hops.direction));
        let (fact, units) = self.values.of(is_leg, edge.id);
        let units = fact.at_most(units);
        let is_known = units.is_some();
        match hops.dealt.entry(node) {
            Entry::Vacant(place) => {
                let Some(tag) = tag() else { return };
                place.insert(DirectDealing { arrival, tag, is_known });
            }
            Entry::Occupied(mut place) => {
                let dealt = place.get_mut();
                dealt.is_known &= is_known;
                // A later one is not shown before the first of the gravest.
                let is_first =
                    dealt.tag.timing() == Timing::After && !dealt.tag.origin().is_joined();
                if !is_first || arrival <= dealt.arrival {
                    let known = self.gravity(dealt.arrival, dealt.tag);
                    if let Some(tag) = tag().filter(|tag| self.gravity(arrival, *tag) < known) {
                        (dealt.arrival, dealt.tag) = (arrival, tag);
                    }
                }
            }
        }
        if let Some(units) = units {
            let sum = hops.direct.entry((node, fact.asset())).or_default();
            *sum = sum.saturating_add(units);
        }
    }

    /// Orders dealings by severity, a source's own before joined ones, then by arrival, then by the rank
    /// of the source; the minimum is shown.
    fn gravity(&self, arrival: u64, tag: Tag) -> (Timing, bool, u64, u32) {
        let origin = tag.origin();
        (tag.timing(), origin.is_joined(), arrival, self.parties.rank(origin))
    }
}
