//! Dust that adds up: payments below an asset's floor that count since, with those before them
//! between the same two ends, they reach it. Finds which; changes nothing.
//!
//! An end is a key, or all keys of a listed party, since what a party sends from many addresses is
//! sent by one. Per two ends, asset and clock the payment with which the running sum (each payment
//! rounded up to units) reaches the floor counts, and every later one, and so do those at the same
//! moment; one that counts by itself reaches it at once. That set only grows under insertion, so
//! that it does not depend on the order in which payments become known. No sums are kept: those of
//! two ends are made anew from their edges when one of these is new.
//!
//! In a UTXO transaction it is a leg that counts: what a holder has of the inputs with one end among
//! the outputs, or the other way round, over transactions.

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::clock::ClockId;
use super::edges::{Adjacency, Appended, Edge, Edges};
use super::nodes::{DUSTY, FIRST, Node};
use super::path_ends::PartyGroups;
use super::shares::{AssetId, NotCounted, Valuation};
use super::transfer_values::TransferValues;
use super::view::GraphView;
use crate::domain::packed_key::PackedKey;

mod recount;
mod work;

pub(super) use recount::Recount;
pub(super) use work::Work;

/// In a transaction with more inputs times outputs dust counts by itself, and is not added up: to sum
/// it would cost more than to read it.
pub(super) const MOST_PAIRS: usize = 1 << 12;

/// A key, by its first node, or a listed party, by its number among the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum End {
    Key(Node),
    Party(u32),
}

/// What moves between two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    /// Transfers from the holder to the other.
    Transfer,
    /// The holder's inputs to transactions in which the other has outputs.
    Input,
    /// The holder's outputs of transactions in which the other has inputs.
    Output,
}

impl Side {
    /// Whether a payment is a leg of a transaction.
    fn is_leg(self) -> bool {
        self != Self::Transfer
    }

    /// Whether the edge of a payment goes from its holder.
    fn is_sent(self) -> bool {
        self != Self::Output
    }
}

/// What is summed as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pair {
    pub holder: End,
    pub other: End,
    pub side: Side,
    pub clock: ClockId,
    pub asset: AssetId,
}

/// A payment between two ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payment {
    pub edge: Appended,
    /// `None` where it counts by itself.
    dust: Option<u64>,
}

/// What dust is added up from.
#[derive(Clone, Copy)]
pub(super) struct Adding<'a> {
    pub view: GraphView<'a>,
    pub values: &'a TransferValues,
    pub valuation: &'a Valuation,
    pub groups: &'a PartyGroups,
    pub work: &'a Work,
}

/// The nodes of an end on a clock, ascending, and how many edges leave them and arrive.
#[derive(Debug)]
struct EndNodes {
    nodes: Vec<Node>,
    leaving: usize,
    arriving: usize,
}

impl EndNodes {
    fn degree(&self, leaves: bool) -> usize {
        if leaves { self.leaving } else { self.arriving }
    }

    fn contains(&self, node: Node) -> bool {
        self.nodes.binary_search(&node).is_ok()
    }
}

impl Adding<'_> {
    /// The ends at which a node stands: the parties that name its key, or the key.
    fn ends(&self, node: Node) -> Vec<End> {
        let mut ends = Vec::with_capacity(1);
        self.each_end(node, |end| ends.push(end));
        ends
    }

    fn each_end(&self, node: Node, mut visit: impl FnMut(End)) {
        match self.groups.of(self.view.nodes.key(node)) {
            [] => visit(End::Key(self.view.nodes.first(node))),
            parties => parties.iter().for_each(|&party| visit(End::Party(party))),
        }
    }

    /// The same of a key; none where nothing of it was seen.
    pub fn ends_of(&self, key: &PackedKey) -> Vec<End> {
        match self.groups.of(key) {
            [] => self
                .view
                .nodes
                .of_key(key)
                .first()
                .map(|&node| End::Key(node))
                .into_iter()
                .collect(),
            parties => parties.iter().map(|&party| End::Party(party)).collect(),
        }
    }

    /// The units that dust of a pair comes to; `None` where any payment of it counts.
    pub fn sum(&self, pair: &Pair) -> Option<u64> {
        let mut payments = self.payments(pair);
        if self.reached(pair.asset, &payments).is_some() {
            return None;
        }
        payments.dedup_by_key(|payment| payment.edge.id);
        let dust = payments.iter().filter_map(|payment| payment.dust);
        Some(dust.fold(0, u64::saturating_add))
    }

    /// The nodes of an end on a clock.
    fn nodes(&self, end: End, clock: ClockId) -> Rc<EndNodes> {
        let nodes = self.view.nodes;
        let party = match end {
            End::Key(first) => return Rc::new(self.on_clock(nodes.group(&first).to_vec(), clock)),
            End::Party(party) => party,
        };
        if let Some(known) = self.work.parties.borrow().get(&(party, clock)) {
            return Rc::clone(known);
        }
        let keys = self.groups.keys(party).iter();
        let all = keys.flat_map(|key| nodes.of_key(key)).collect();
        let found = Rc::new(self.on_clock(all, clock));
        self.work.parties.borrow_mut().insert((party, clock), Rc::clone(&found));
        found
    }

    fn on_clock(&self, mut nodes: Vec<Node>, clock: ClockId) -> EndNodes {
        nodes.retain(|&node| self.view.nodes.clock(node) == clock);
        nodes.sort_unstable();
        let Edges { out, into, .. } = self.view.edges;
        let degree = |edges: &Adjacency| {
            nodes.iter().flat_map(|&node| edges.pieces(node)).map(<[_]>::len).sum()
        };
        let (leaving, arriving) = (degree(out), degree(into));
        EndNodes { nodes, leaving, arriving }
    }

    /// The pairs that an edge between a holder and another is summed in.
    pub fn pairs(&self, holder: Node, other: Node, edge: &Appended, side: Side) -> Vec<Pair> {
        let clock = self.view.nodes.clock(holder);
        let asset = self.asset(edge, side);
        let others = self.ends(other);
        let with = |holder: End| {
            others.iter().map(move |&other| Pair { holder, other, side, clock, asset })
        };
        self.ends(holder).into_iter().flat_map(with).collect()
    }

    /// Visits what moves between the holders and the other end: `at` are the holders,
    /// or else the others. With the holder's edge come its node and the node at the other end.
    fn scan(
        &self,
        at: &[Node],
        side: Side,
        are_holders: bool,
        mut visit: impl FnMut(Node, Node, Appended),
    ) {
        let leaves = side.is_sent() == are_holders;
        let Edges { out, into, .. } = self.view.edges;
        let adjacency = |leaves| if leaves { out } else { into };
        for &node in at {
            for edge in adjacency(leaves).pieces(node).flatten() {
                if !self.work.look() {
                    return;
                }
                let end = edge.node();
                if self.view.is_tx(end) != side.is_leg() || end < FIRST {
                    continue;
                }
                let own = if leaves { edge.leaving(node) } else { edge.arriving(node) };
                if side == Side::Transfer {
                    let (holder, other) = if are_holders { (node, end) } else { (end, node) };
                    visit(holder, other, own);
                    continue;
                }
                if !self.is_summed(end) {
                    continue;
                }
                for leg in adjacency(leaves).pieces(end).flatten() {
                    if !self.work.look() {
                        return;
                    }
                    let beyond = leg.node();
                    if beyond < FIRST || self.view.nodes.group(&node).contains(&beyond) {
                        continue;
                    }
                    if are_holders {
                        visit(node, beyond, own);
                    } else {
                        let leg = if leaves { leg.leaving(end) } else { leg.arriving(end) };
                        visit(beyond, node, leg);
                    }
                }
            }
        }
    }

    /// Whether dust is added up in a transaction.
    fn is_summed(&self, tx: Node) -> bool {
        let count = |edges: &Adjacency| edges.pieces(tx).map(<[_]>::len).sum::<usize>();
        count(&self.view.edges.out).saturating_mul(count(&self.view.edges.into)) <= MOST_PAIRS
    }

    /// What an edge is as a payment; `None` where it is none.
    fn payment(&self, edge: Appended, side: Side) -> Option<Payment> {
        let (fact, units) = self.values.of(side.is_leg(), edge.id);
        match fact.why() {
            None => Some(Payment { edge, dust: None }),
            // What cannot be told from other assets reaches the floor at once.
            Some(NotCounted::Dust) => {
                Some(Payment { edge, dust: Some(fact.at_most(units).unwrap_or(u64::MAX)) })
            }
            Some(_) => None,
        }
    }

    /// The dust payments of pairs that count, and maybe of others of their holders. Holders of which
    /// many pairs are asked are scanned once.
    pub fn counting(&self, pairs: HashSet<Pair>) -> Vec<Appended> {
        let mut by_holder: HashMap<(End, Side, ClockId), Vec<Pair>> = HashMap::new();
        for pair in pairs {
            by_holder.entry((pair.holder, pair.side, pair.clock)).or_default().push(pair);
        }
        let mut found = Vec::new();
        for ((holder, side, clock), pairs) in by_holder {
            let own = self.nodes(holder, clock).degree(side.is_sent());
            let others = pairs
                .iter()
                .map(|pair| self.nodes(pair.other, clock).degree(!side.is_sent()).min(own));
            if others.sum::<usize>() > 2 * own {
                self.counting_of(holder, clock, side, &mut found);
                continue;
            }
            for pair in pairs {
                let payments = self.payments(&pair);
                found.extend(self.that_count(pair.asset, payments));
            }
        }
        found
    }

    /// The dust among the payments of a pair that counts.
    fn that_count(&self, asset: AssetId, payments: Vec<Payment>) -> Vec<Appended> {
        let Some(reached) = self.reached(asset, &payments) else { return Vec::new() };
        let counts = |payment: &Payment| payment.dust.is_some() && payment.edge.key >= reached;
        payments.into_iter().filter(counts).map(|payment| payment.edge).collect()
    }

    /// The key from which on the payments of a pair count; `None` where none does.
    pub fn reached_by(&self, pair: &Pair) -> Option<u64> {
        self.reached(pair.asset, &self.payments(pair))
    }

    fn payments(&self, pair: &Pair) -> Vec<Payment> {
        let holders = self.nodes(pair.holder, pair.clock);
        let others = self.nodes(pair.other, pair.clock);
        let leaves = pair.side.is_sent();
        let are_holders = holders.degree(leaves) <= others.degree(!leaves);
        let mut found = Vec::new();
        let at = if are_holders { &holders } else { &others };
        self.scan(&at.nodes, pair.side, are_holders, |holder, other, edge| {
            let is_asset = self.asset(&edge, pair.side) == pair.asset;
            if is_asset && holders.contains(holder) && others.contains(other) {
                found.push(edge);
            }
        });
        self.in_order(found, pair.side)
    }

    /// The payments among edges, each once, in the order in which they are summed.
    fn in_order(&self, mut edges: Vec<Appended>, side: Side) -> Vec<Payment> {
        // Two keys of the other end may be in one transaction.
        edges.sort_unstable_by_key(Appended::order);
        edges.dedup_by_key(|edge| edge.order());
        edges.into_iter().filter_map(|edge| self.payment(edge, side)).collect()
    }

    /// The key at which payments, in order, reach the asset's floor or count by themselves.
    fn reached(&self, asset: AssetId, payments: &[Payment]) -> Option<u64> {
        let (mut sum, mut last) = (0_u64, None);
        payments.iter().find_map(|payment| {
            // A leg that several keys of an end hold is one.
            if last.replace(payment.edge.id) == Some(payment.edge.id) {
                return None;
            }
            sum = sum.saturating_add(payment.dust.unwrap_or(u64::MAX));
            self.valuation.is_floor(asset, sum).then_some(payment.edge.key)
        })
    }

    /// Every dust payment that counts.
    pub fn all_counting(&self) -> Vec<Appended> {
        let nodes = self.view.nodes;
        let mut holders: HashSet<(End, ClockId)> = HashSet::new();
        for node in FIRST..nodes.len() as Node {
            if nodes.has(node, DUSTY) && !self.view.is_tx(node) {
                self.each_end(node, |end| {
                    holders.insert((end, nodes.clock(node)));
                });
            }
        }
        let mut found = Vec::new();
        for (holder, clock) in holders {
            for side in [Side::Transfer, Side::Input, Side::Output] {
                self.counting_of(holder, clock, side, &mut found);
            }
        }
        found
    }

    /// The dust payments of a holder that count, with any other end.
    fn counting_of(&self, holder: End, clock: ClockId, side: Side, found: &mut Vec<Appended>) {
        let nodes = self.nodes(holder, clock);
        let mut with_dust: HashSet<(End, AssetId)> = HashSet::new();
        self.scan(&nodes.nodes, side, true, |_, other, edge| {
            if self.is_dust(&edge, side) {
                let asset = self.asset(&edge, side);
                self.each_end(other, |end| {
                    with_dust.insert((end, asset));
                });
            }
        });
        if with_dust.is_empty() {
            return;
        }
        let mut sums: HashMap<(End, AssetId), Vec<Appended>> = HashMap::new();
        self.scan(&nodes.nodes, side, true, |_, other, edge| {
            let asset = self.asset(&edge, side);
            self.each_end(other, |end| {
                if with_dust.contains(&(end, asset)) {
                    sums.entry((end, asset)).or_default().push(edge);
                }
            });
        });
        for ((_, asset), edges) in sums {
            found.extend(self.that_count(asset, self.in_order(edges, side)));
        }
    }

    /// The pairs whose sums an edge that is new may change. One that counts by itself changes those
    /// of later dust alone.
    pub fn touched(&self, edge: &Appended, pairs: &mut HashSet<Pair>) {
        let Some(part) = self.part(edge) else { return };
        let is_dust = self.is_dust(edge, part.side);
        let may_follow = || {
            let (holder, leaves) = (part.holder, part.side.is_sent());
            let other_may = || match part.side {
                Side::Transfer => self.dust_may_follow(edge.to(), !leaves, edge.key),
                // Any leg of a transaction may be what another's dust is summed with.
                Side::Input | Side::Output => true,
            };
            edge.counts() && self.dust_may_follow(holder, leaves, edge.key) && other_may()
        };
        if is_dust || may_follow() {
            self.pairs_of(edge, &part, |pair| {
                pairs.insert(pair);
            });
        }
    }

    /// Visits every pair that an edge is summed in.
    fn pairs_of(&self, edge: &Appended, part: &Part, mut visit: impl FnMut(Pair)) {
        let Part { holder, tx, side } = *part;
        let Some(tx) = tx else {
            self.pairs(holder, edge.to(), edge, side).into_iter().for_each(visit);
            return;
        };
        for other in self.others(holder, tx, side) {
            self.pairs(holder, other, edge, side).into_iter().for_each(&mut visit);
        }
    }

    /// Who has legs at the other side of a transaction.
    fn others(&self, holder: Node, tx: Node, side: Side) -> impl Iterator<Item = Node> {
        let GraphView { edges, nodes, .. } = self.view;
        let legs = if side == Side::Input { &edges.out } else { &edges.into };
        let legs = legs.pieces(tx).flatten().map(Edge::node);
        legs.filter(move |node| *node >= FIRST && !nodes.group(&holder).contains(node))
    }

    /// What an edge is part of; `None` where nothing is summed.
    fn part(&self, edge: &Appended) -> Option<Part> {
        let (from, to) = (edge.from, edge.to());
        if from < FIRST || to < FIRST {
            return None;
        }
        let part = match (self.view.is_tx(from), self.view.is_tx(to)) {
            (true, _) => Part { holder: to, tx: Some(from), side: Side::Output },
            (_, true) => Part { holder: from, tx: Some(to), side: Side::Input },
            _ => Part { holder: from, tx: None, side: Side::Transfer },
        };
        part.tx.is_none_or(|tx| self.is_summed(tx)).then_some(part)
    }

    fn is_dust(&self, edge: &Appended, side: Side) -> bool {
        self.values.is_dust(side.is_leg(), edge.id)
    }

    fn asset(&self, edge: &Appended, side: Side) -> AssetId {
        self.values.of(side.is_leg(), edge.id).0.asset()
    }

    /// Whether dust that does not count may stand at a node, or its party, at a key or later.
    fn dust_may_follow(&self, node: Node, leaves: bool, key: u64) -> bool {
        let GraphView { edges, nodes, .. } = self.view;
        let edges = if leaves { &edges.out } else { &edges.into };
        let is_dust_at = |twin: &Node| {
            nodes.has(*twin, DUSTY)
                && nodes.clock(*twin) == nodes.clock(node)
                && edges.between(*twin, key, u64::MAX).flatten().any(|edge| !edge.counts())
        };
        !self.groups.of(nodes.key(node)).is_empty() || nodes.group(&node).iter().any(is_dust_at)
    }
}

/// The part of an edge in what is summed: who holds it, and the transaction, if it is a leg of one.
struct Part {
    holder: Node,
    tx: Option<Node>,
    side: Side,
}
