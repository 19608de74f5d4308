//! Lets dust count where it adds up, and no longer where what it was summed with is gone.

use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};

use super::super::dust::{Adding, End, Pair, Recount, Side, Work};
use super::super::edges::Appended;
use super::super::nodes::{DUSTY, FIRST, Node, TX};
use super::super::path_ends::PartyGroups;
use super::World;
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset};

impl World {
    fn adding<'a>(&'a self, groups: &'a PartyGroups, work: &'a Work) -> Adding<'a> {
        let (view, values, valuation) = (self.view(), &self.values, &self.valuation);
        Adding { view, values, valuation, groups, work }
    }

    /// Which edges count for other sources than those in force; `None` where all do as they stand.
    pub(in super::super) fn recount<'a>(
        &'a self,
        groups: &'a PartyGroups,
        work: &'a Work,
    ) -> Option<Recount<'a>> {
        let in_force = self.parties.groups();
        let mut changed = groups.beyond(in_force);
        changed.extend(in_force.beyond(groups));
        let has_dust = changed.iter().any(|key| self.has_dust(key));
        has_dust.then(|| Recount::new(self.adding(groups, work), changed))
    }

    /// Whether dust moved at a key.
    pub(super) fn has_dust(&self, key: &PackedKey) -> bool {
        self.nodes.of_key(key).iter().any(|&node| self.nodes.has(node, DUSTY))
    }

    /// Lets dust count where it adds up. Edges must be settled.
    pub(super) fn add_up(&mut self) {
        if self.pending.demote {
            self.demote();
            self.sum_totals();
        }
        let work = Work::new(u64::MAX);
        let adding = self.adding(self.parties.groups(), &work);
        let found = if self.pending.recount {
            adding.all_counting()
        } else {
            let mut pairs = HashSet::new();
            self.pending.fresh.iter().for_each(|edge| adding.touched(edge, &mut pairs));
            for edge in self.dust_of_grown() {
                adding.touched(&edge, &mut pairs);
            }
            adding.counting(pairs)
        };
        self.promote(found);
    }

    /// Whether a payment below the asset's floor, after all transfers, would reach it with those
    /// before it from any of the senders to any of the receivers. Of a UTXO transaction the outputs
    /// to the receivers are asked for. `None` where more than `budget` edges would have to be looked at.
    pub fn adds_up(
        &self,
        senders: &[PackedKey],
        receivers: &[PackedKey],
        chain: &Chain,
        asset: &Asset,
        amount: Amount,
        budget: u64,
    ) -> Option<bool> {
        let Some((fact, units, valued)) = self.valuation.weigh(chain, asset, Some(amount)) else {
            return Some(false);
        };
        let (is_output, asset) = (chain.is_utxo() && *asset == Asset::Native, fact.asset());
        let (side, holders, others) = if is_output {
            (Side::Output, receivers, senders)
        } else {
            (Side::Transfer, senders, receivers)
        };
        let work = Work::new(budget);
        let adding = self.adding(self.parties.groups(), &work);
        let ends = |keys: &[PackedKey]| -> BTreeSet<End> {
            keys.iter().flat_map(|key| adding.ends_of(key)).collect()
        };
        let (holders, others) = (ends(holders), ends(others));
        let with = [false, true].into_iter().filter_map(|positioned| {
            let clock = self.clocks.find(chain, positioned)?;
            let pairs = holders.iter().flat_map(|&holder| {
                others.iter().map(move |&other| Pair { holder, other, side, clock, asset })
            });
            let mut sums = pairs.take_while(|_| !work.is_cut_short()).map(|pair| adding.sum(&pair));
            Some(sums.any(|sum| match (sum, fact.at_most(units)) {
                (Some(sum), Some(more)) => valued.is_floor(sum.saturating_add(more)),
                _ => true,
            }))
        });
        // What was found stands, whatever was not looked at.
        let adds_up = with.into_iter().any(|adds_up| adds_up);
        (adds_up || !work.is_cut_short()).then_some(adds_up)
    }

    /// Dust that does not count at the keys of parties that have more keys than before.
    fn dust_of_grown(&self) -> Vec<Appended> {
        let mut found = Vec::new();
        for key in &self.pending.parties.grown {
            for node in self.nodes.of_key(key) {
                let out = self.edges.out.pieces(node).flatten().map(|edge| edge.leaving(node));
                let into = self.edges.into.pieces(node).flatten().map(|edge| edge.arriving(node));
                let all = out.chain(into);
                found.extend(all.filter(|edge| !edge.counts() && self.is_dust(edge)));
                self.dust_beside(node, &mut found);
            }
        }
        found
    }

    /// Dust of others in the transactions of a node.
    fn dust_beside(&self, node: Node, found: &mut Vec<Appended>) {
        let sides = [(&self.edges.out, true), (&self.edges.into, false)];
        for (edges, leaves) in sides {
            for edge in edges.pieces(node).flatten() {
                let tx = edge.node();
                if !self.nodes.has(tx, TX) {
                    continue;
                }
                for leg in edges.pieces(tx).flatten() {
                    let leg = if leaves { leg.leaving(tx) } else { leg.arriving(tx) };
                    if !leg.counts() && self.is_dust(&leg) {
                        found.push(leg);
                    }
                }
            }
        }
    }

    fn is_dust(&self, edge: &Appended) -> bool {
        self.values.is_dust(self.is_leg(edge), edge.id)
    }

    fn is_leg(&self, edge: &Appended) -> bool {
        self.nodes.has(edge.from, TX) || self.nodes.has(edge.to(), TX)
    }

    fn promote(&mut self, found: Vec<Appended>) {
        let mut new: HashMap<_, Appended> = HashMap::new();
        for mut edge in found.into_iter().filter(|edge| !edge.counts()) {
            edge.set_counts(true);
            new.insert(edge.order(), edge);
        }
        for edge in new.values() {
            self.edges.set_counts(edge, true);
            let (fact, units) = self.values.of(self.is_leg(edge), edge.id);
            self.unsummed.push((edge.from, edge.to(), fact.asset(), units));
        }
        self.sum_new();
        if self.pending.recount {
            return;
        }
        for edge in &mut self.pending.fresh {
            if new.remove(&edge.order()).is_some() {
                edge.set_counts(true);
            }
        }
        // What was there before is as if it were appended now.
        let mut older: Vec<_> = new.into_values().collect();
        older.sort_unstable_by_key(Appended::order);
        // The other legs of its transaction are not new, and are not looked at again.
        self.pending.all |= older.iter().any(|edge| self.is_leg(edge));
        self.pending.fresh.extend(older);
    }

    fn demote(&mut self) {
        let mut found = Vec::new();
        for node in (FIRST..self.nodes.len() as Node).filter(|&node| self.nodes.has(node, DUSTY)) {
            let edges = self.edges.out.pieces(node).flatten().map(|edge| edge.leaving(node));
            found.extend(edges.filter(|edge| edge.counts() && self.is_dust(edge)));
        }
        found.iter().for_each(|edge| self.edges.set_counts(edge, false));
    }
}
