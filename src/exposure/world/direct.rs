//! Sums what nodes received from sources, or sent to them, directly. Makes no labels.

use std::collections::HashSet;

use super::super::Direction;
use super::super::edges::{Appended, Edge};
use super::super::hops::Hops;
use super::super::nodes::{Node, TX};
use super::super::shares::AssetId;
use super::World;

impl World {
    /// Sums for every source of the labels' kind.
    pub(super) fn sum_direct(&self, hops: &mut Hops) {
        hops.direct.clear();
        let edges = self.ground().onward(hops.direction);
        let mut transactions = HashSet::new();
        for (key, _) in self.parties.of_kind(hops.kind) {
            for source in self.nodes.of_key(&key) {
                for edge in edges.pieces(source).flatten().filter(|edge| edge.counts()) {
                    if self.nodes.has(edge.node(), TX) {
                        transactions.insert(edge.node());
                    } else {
                        self.add_direct(hops, edge.node(), edge.id, false);
                    }
                }
            }
        }
        for tx in transactions {
            self.add_legs(hops, tx);
        }
    }

    /// Adds what appended edges bring; the labels' sources must know them.
    pub(super) fn add_direct_of(&self, hops: &mut Hops, edges: &[Appended]) {
        let mut transactions = HashSet::new();
        for edge in edges.iter().filter(|edge| edge.counts()) {
            let (near, far) = match hops.direction {
                Direction::ReceivedFrom => (edge.from, edge.to()),
                Direction::SentTo => (edge.to(), edge.from),
            };
            if self.nodes.has(near, TX) || !hops.is_source(near) {
                continue;
            }
            if self.nodes.has(far, TX) {
                transactions.insert(far);
            } else {
                self.add_direct(hops, far, edge.id, false);
            }
        }
        for tx in transactions {
            self.add_legs(hops, tx);
        }
    }

    fn add_legs(&self, hops: &mut Hops, tx: Node) {
        let legs = self.ground().onward(hops.direction).pieces(tx).flatten();
        for leg in legs.filter(|leg: &&Edge| leg.counts()) {
            self.add_direct(hops, leg.node(), leg.id, true);
        }
    }

    fn add_direct(&self, hops: &mut Hops, node: Node, id: u32, is_leg: bool) {
        let (fact, units): (_, u64) = self.moves.of(is_leg, id);
        let asset: AssetId = fact.asset();
        let sum = hops.direct.entry((node, asset)).or_default();
        *sum = sum.saturating_add(units);
    }
}
