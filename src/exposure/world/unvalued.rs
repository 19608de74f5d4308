//! Counts what nodes dealt with sources directly in assets without a known value. Makes no labels:
//! anybody can forge such events.

use hashbrown::HashMap;

use super::super::Direction;
use super::super::edges::{Appended, Edge};
use super::super::hops::{Hops, UnvaluedDealing};
use super::super::nodes::{FIRST, Node, TX};
use super::super::path_ends::Origin;
use super::super::shares::NotCounted;
use super::World;

/// A row in which a node dealt with a source.
struct Dealing {
    node: Node,
    row: u32,
    source: u32,
}

/// What was met at sources.
#[derive(Default)]
struct Met {
    dealings: Vec<Dealing>,
    /// UTXO transactions that sources take part in, each with the first of them.
    transactions: HashMap<Node, u32>,
}

impl World {
    /// Counts for every source of the labels' kind.
    pub(super) fn count_unvalued(&self, hops: &mut Hops) {
        hops.unvalued.clear();
        let edges = self.view().onward(hops.direction);
        let mut met = Met::default();
        for (key, source) in self.parties.listed_of_kind(hops.kind) {
            for near in self.nodes.of_key(&key) {
                for edge in edges.pieces(near).flatten().filter(|edge| !edge.counts()) {
                    self.meet(source, edge, &mut met);
                }
            }
        }
        self.add_met(hops, met);
    }

    /// Adds what appended edges bring, all edges of a row at once; the labels' sources must know
    /// them.
    pub(super) fn count_unvalued_of(&self, hops: &mut Hops, edges: &[Appended]) {
        let mut met = Met::default();
        for edge in edges.iter().filter(|edge| !edge.counts()) {
            let (near, seen) = edge.seen(hops.direction == Direction::ReceivedFrom);
            if self.nodes.has(near, TX) || !hops.is_source(near) {
                continue;
            }
            let sources = self.parties.sources(self.nodes.key(near));
            if let Some(source) = sources.and_then(|kinds| kinds[hops.kind]) {
                self.meet(source, &seen, &mut met);
            }
        }
        self.add_met(hops, met);
    }

    /// Takes an edge of a source: a transfer, or its part in a transaction.
    fn meet(&self, source: u32, edge: &Edge, met: &mut Met) {
        let node = edge.node();
        if !self.nodes.has(node, TX) {
            if self.is_unvalued(false, edge) {
                met.dealings.push(Dealing { node, row: edge.id, source });
            }
            return;
        }
        if self.is_unvalued(true, edge) {
            let first = met.transactions.entry(node).or_insert(source);
            *first = self.first_of(*first, source);
        }
    }

    /// Counts each row once for each node, whatever keys of sources it names.
    fn add_met(&self, hops: &mut Hops, Met { mut dealings, transactions }: Met) {
        for (&tx, &source) in &transactions {
            let legs = self.view().onward(hops.direction).pieces(tx).flatten();
            let legs = legs.filter(|leg| self.is_unvalued(true, leg));
            let row = self.nodes.row(tx);
            dealings.extend(legs.map(|leg| Dealing { node: leg.node(), row, source }));
        }
        let order = |dealing: &Dealing| {
            (dealing.node, dealing.row, self.parties.rank(Origin::listed(dealing.source)))
        };
        dealings.sort_unstable_by_key(order);
        dealings.dedup_by_key(|dealing| (dealing.node, dealing.row));
        for Dealing { node, source, .. } in dealings {
            let dealt = hops.unvalued.entry(node).or_insert(UnvaluedDealing { rows: 0, source });
            dealt.rows = dealt.rows.saturating_add(1);
            dealt.source = self.first_of(dealt.source, source);
        }
    }

    /// The first by order of two sources.
    fn first_of(&self, a: u32, b: u32) -> u32 {
        std::cmp::min_by_key(a, b, |&source| self.parties.rank(Origin::listed(source)))
    }

    /// Whether an edge, or a leg, does not count because its asset has no known value, and leads to
    /// somebody.
    pub(in super::super) fn is_unvalued(&self, is_leg: bool, edge: &Edge) -> bool {
        !edge.counts()
            && edge.node() >= FIRST
            && self.values.of(is_leg, edge.id).0.why() == Some(NotCounted::UnvaluedAsset)
    }
}
