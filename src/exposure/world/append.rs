//! Takes transfers into the graph and out of it. Makes no labels.

use std::collections::{HashMap, HashSet};

use super::super::clock::ClockId;
use super::super::clusters::joins;
use super::super::dust::MOST_PAIRS;
use super::super::edges::{Appended, Edge};
use super::super::nodes::{DUSTY, FIRST, JOINS, NULL, Node, Nodes, TX, UNKNOWN};
use super::super::path_ends::KINDS;
use super::super::shares::{Fact, NotCounted, Totals};
use super::World;
use crate::domain::chain::Chain;
use crate::domain::packed_key::{PACKED_KEY, PackedKey};
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Leg, Movement, Transfer, TxStatus, UtxoMovement,
};

/// With more edges appended at once than this part of the graph, building costs less than changing.
pub(super) const LARGE_PART: usize = 16;

/// Up to so many are always changed.
pub(super) const SMALL: usize = 20_000;

/// So many rows are taken at once: their keys are waited for together.
const BLOCK: usize = 256;

impl World {
    /// Appends rows, the first of which is number `first_row`: after all that were appended, or
    /// else those known are passed over. What labels say does not change before
    /// [`World::relabel`].
    ///
    /// # Panics
    ///
    /// Beyond 2^32 - 2 rows, 2^31 keys and transactions or 2^32 edges, which memory does not hold.
    pub fn append(&mut self, first_row: u64, transfers: &[Transfer]) {
        let known = usize::try_from(self.rows.saturating_sub(first_row)).unwrap_or(usize::MAX);
        let fresh = transfers.get(known..).unwrap_or_default();
        let mut row = first_row.max(self.rows);
        let (mut keys, mut nodes) = (Vec::new(), Vec::new());
        for block in fresh.chunks(BLOCK) {
            keys.clear();
            keys.extend(block.iter().flat_map(|transfer| evm_ends(transfer).map(evm_key)));
            self.nodes.find_all(&keys, &mut nodes);
            for (transfer, guesses) in block.iter().zip(nodes.as_chunks().0) {
                let number = u32::try_from(row).expect("fewer than 2^32 - 1 rows");
                while self.values.rows.len() < number as usize {
                    self.values.rows.push(Fact::default(), 0);
                }
                self.append_row(number, transfer, guesses);
                row += 1;
                self.rows = row;
            }
            self.sum_new();
        }
        let pending = &mut self.pending;
        if !pending.all && pending.fresh.len() > SMALL.max(self.edges.len() / LARGE_PART) {
            pending.all = true;
        }
        if pending.all {
            pending.recount = true;
            pending.fresh = Vec::new();
        }
    }

    /// Says that a row, the next after all that were appended, was taken back.
    ///
    /// # Panics
    ///
    /// As [`World::append`].
    pub fn pass_over(&mut self, row: u64) {
        let row = u32::try_from(row).expect("fewer than 2^32 - 1 rows");
        self.rows = self.rows.max(u64::from(row) + 1);
    }

    /// Takes a row; the nodes of its EVM ends are guessed.
    fn append_row(&mut self, row: u32, transfer: &Transfer, guesses: &[Node; 2]) {
        let (clock, key) = self.clocks.place(transfer);
        match &transfer.movement {
            Movement::Account(movement) => {
                if let (Some(Holder::Evm(from)), Some(Holder::Evm(to))) =
                    (&movement.from, &movement.to)
                {
                    let from = self.evm_node(from, clock, guesses[0]);
                    let to = self.evm_node(to, clock, guesses[1]);
                    self.append_account(row, key, transfer, movement, [&[from], &[to]]);
                } else {
                    let chain = &transfer.chain;
                    let from = self.ends(movement.from.as_slice(), chain, clock, NULL);
                    let to = self.ends(movement.to.as_slice(), chain, clock, UNKNOWN);
                    self.append_account(row, key, transfer, movement, [&from, &to]);
                }
            }
            Movement::Utxo(movement) => self.append_utxo(row, clock, key, transfer, movement),
        }
    }

    fn append_account(
        &mut self,
        row: u32,
        key: u64,
        transfer: &Transfer,
        movement: &AccountMovement,
        [from, to]: [&[Node]; 2],
    ) {
        let ends = if from.iter().any(|node| *node >= FIRST && to.contains(node)) {
            Some(NotCounted::SelfTransfer)
        } else {
            wrong_end(from).or_else(|| wrong_end(to))
        };
        let AccountMovement { asset, amount, .. } = movement;
        let (fact, units) =
            self.valuation.classify(&transfer.chain, asset, Some(*amount), transfer.status, ends);
        self.values.rows.push(fact, units);
        for &from in from {
            for &to in to {
                self.add(Appended::new(key, from, to, row, fact.why().is_none()), fact, units);
            }
        }
    }

    /// A leg counts by what its holder has of the transaction's inputs, or outputs, together: a
    /// value that is cut into dust is none.
    fn append_utxo(
        &mut self,
        row: u32,
        clock: ClockId,
        key: u64,
        transfer: &Transfer,
        movement: &UtxoMovement,
    ) {
        self.values.rows.push(Fact::default(), 0);
        let tx = self.nodes.transaction(row, clock);
        let sides = [&movement.inputs, &movement.outputs].map(|legs| {
            let ends = |leg: &Leg| self.ends(&leg.holders, &transfer.chain, clock, UNKNOWN);
            (legs, legs.iter().map(ends).collect::<Vec<_>>())
        });
        let [(_, inputs), (_, outputs)] = &sides;
        // Of what failed nobody knows who signed it.
        let may_join = transfer.status != TxStatus::Failed && self.clusters.is_on(&transfer.chain);
        if may_join && joins(movement, inputs, outputs) {
            self.nodes.flags[tx as usize] |= JOINS;
        }
        let holders = |(_, nodes): &(_, Vec<Vec<Node>>)| nodes.iter().map(Vec::len).sum::<usize>();
        // Where dust cannot be added up it counts.
        let is_huge = holders(&sides[0]).saturating_mul(holders(&sides[1])) > MOST_PAIRS;
        for ((legs, nodes), is_input) in sides.into_iter().zip([true, false]) {
            let sums = sums(legs, &nodes);
            for (leg, nodes) in legs.iter().zip(&nodes) {
                let sum = nodes.iter().filter_map(|node| sums.get(node)).max().copied();
                let sum = if is_huge { u128::MAX } else { sum.unwrap_or(0) };
                self.append_leg(tx, key, transfer, (leg, sum), nodes, is_input);
            }
        }
    }

    fn append_leg(
        &mut self,
        tx: Node,
        key: u64,
        transfer: &Transfer,
        (leg, sum): (&Leg, u128),
        nodes: &[Node],
        is_input: bool,
    ) {
        let id = u32::try_from(self.values.legs.len()).expect("fewer than 2^32 legs");
        let amount = leg.amount.map(Amount::from);
        let (Transfer { chain, status, .. }, ends) = (transfer, wrong_end(nodes));
        let (mut fact, units) =
            self.valuation.classify(chain, &Asset::Native, amount, *status, ends);
        if fact.why() == Some(NotCounted::Dust) {
            let sum = Some(Amount::from(sum));
            let (judged, _) = self.valuation.classify(chain, &Asset::Native, sum, *status, ends);
            fact = fact.classified_as(judged);
        }
        self.values.legs.push(fact, units);
        for &node in nodes {
            let (from, to) = if is_input { (node, tx) } else { (tx, node) };
            self.add(Appended::new(key, from, to, id, fact.why().is_none()), fact, units);
        }
    }

    fn add(&mut self, edge: Appended, fact: Fact, units: u64) {
        if fact.is_summed() {
            self.unsummed.push((edge.from, edge.to(), fact.asset(), units));
        }
        if fact.why() == Some(NotCounted::Dust) {
            self.nodes.flags[edge.from as usize] |= DUSTY;
            self.nodes.flags[edge.to() as usize] |= DUSTY;
        }
        self.edges.push(edge, self.nodes.len());
        if !self.pending.all {
            self.pending.fresh.push(edge);
        }
    }

    /// Brings what nodes received and sent up to date.
    pub(super) fn sum_new(&mut self) {
        for (from, to, asset, units) in self.unsummed.drain(..) {
            for (totals, node) in [(&mut self.sent, from), (&mut self.received, to)] {
                if !self.nodes.has(node, TX) {
                    totals.add(node, asset, units);
                }
            }
        }
    }

    /// The nodes of holders; `nobody` where there are none, [`NULL`] where they have no key.
    fn ends(
        &mut self,
        holders: &[Holder],
        chain: &Chain,
        clock: ClockId,
        nobody: Node,
    ) -> Vec<Node> {
        let mut nodes = Vec::with_capacity(1);
        for holder in holders {
            if let Holder::Evm(bytes) = holder {
                nodes.push(self.evm_node(bytes, clock, NULL));
                continue;
            }
            let keys = holder.key_ids(chain);
            let known = keys.iter().filter(|key| !key.is_null());
            let before = nodes.len();
            nodes.extend(known.map(|key| self.node(PackedKey::from(key), clock, NULL)));
            if nodes.len() == before {
                nodes.push(NULL);
            }
        }
        if nodes.is_empty() {
            nodes.push(nobody);
        }
        if nodes.len() > 1 {
            nodes.sort_unstable();
            nodes.dedup();
            // A known holder replaces NULL and UNKNOWN.
            let somebody = nodes.iter().any(|&node| node >= FIRST);
            nodes.retain(|&node| !somebody || node >= FIRST);
        }
        nodes
    }

    /// The node of an EVM address, which is guessed.
    fn evm_node(&mut self, bytes: &[u8; 20], clock: ClockId, guess: Node) -> Node {
        if *bytes == [0; 20] { NULL } else { self.node(evm_key(bytes), clock, guess) }
    }

    fn node(&mut self, key: PackedKey, clock: ClockId, guess: Node) -> Node {
        let (node, is_new) = self.nodes.intern(&key, clock, guess);
        if is_new {
            if self.stop_reason(&key).is_some() {
                self.nodes.set_stop(node, true);
            }
            self.record_new_source(&key);
        }
        node
    }

    /// A seed is seen on a clock for the first time: all that moved there is new.
    fn record_new_source(&mut self, key: &PackedKey) {
        if !self.parties.is_seed(key) {
            return;
        }
        let kinds = (0..KINDS).filter(|&kind| self.parties.seed(key, kind).is_some());
        self.pending.parties.seen.extend(kinds.map(|kind| (*key, kind)));
    }

    /// Takes the positioned rows below `below_row` of a chain from a height on out of the graph.
    /// Retractions and appends come in the order in which they were made.
    pub fn retract(&mut self, chain: &Chain, from_height: u64, below_row: u64) {
        let Some(clock) = self.clocks.find(chain, true) else { return };
        let Some(from) = from_height.checked_shl(24).filter(|key| key >> 24 == from_height) else {
            return;
        };
        self.clocks.settle();
        if below_row >= self.rows {
            self.clocks.cut(clock, from_height);
        }
        let nodes = &self.nodes;
        self.edges.retain(nodes.len(), |node, edge, _| {
            let row = row_of(nodes, node, edge);
            nodes.clock(node) != clock || edge.key < from || row >= below_row
        });
        self.build_anew();
    }

    /// Takes rows out of the graph in whose place others count: those must have been appended, and
    /// stand in the same blocks.
    pub fn remove(&mut self, rows: &HashSet<u64>) {
        let nodes = &self.nodes;
        self.edges.retain(nodes.len(), |node, edge, _| !rows.contains(&row_of(nodes, node, edge)));
        self.build_anew();
    }

    /// After edges were taken out: sums, counterparties and labels are made from nothing.
    fn build_anew(&mut self) {
        self.pending.all = true;
        self.pending.recount = true;
        self.pending.rejoin = true;
        self.pending.demote = true;
        self.pending.fresh = Vec::new();
    }

    /// Sums anew what nodes received and sent.
    pub(super) fn sum_totals(&mut self) {
        let (mut received, mut sent) = (Totals::default(), Totals::default());
        let sides = [(&self.edges.out, &mut sent), (&self.edges.into, &mut received)];
        for (edges, totals) in sides {
            for node in (FIRST..self.nodes.len() as Node).filter(|&node| !self.nodes.has(node, TX))
            {
                for edge in edges.pieces(node).flatten() {
                    let (fact, units) = self.values.of(self.nodes.has(edge.node(), TX), edge.id);
                    if fact.is_summed() || edge.counts() {
                        totals.add(node, fact.asset(), units);
                    }
                }
            }
        }
        (self.received, self.sent) = (received, sent);
    }
}

/// The row of an edge, which stands at a node.
fn row_of(nodes: &Nodes, node: Node, edge: &Edge) -> u64 {
    let tx = [node, edge.node()].into_iter().find(|&end| nodes.has(end, TX));
    u64::from(tx.map_or(edge.id, |tx| nodes.row(tx)))
}

/// The sender and the receiver where both are EVM addresses; else the null address twice.
fn evm_ends(transfer: &Transfer) -> [&[u8; 20]; 2] {
    match &transfer.movement {
        Movement::Account(AccountMovement {
            from: Some(Holder::Evm(from)),
            to: Some(Holder::Evm(to)),
            ..
        }) => [from, to],
        Movement::Account(_) | Movement::Utxo(_) => [&[0; 20]; 2],
    }
}

fn evm_key(bytes: &[u8; 20]) -> PackedKey {
    let mut key = [0; PACKED_KEY];
    key[1..].copy_from_slice(bytes);
    PackedKey(key)
}

/// What each node has of a transaction's inputs, or outputs, together; as far as it is known.
fn sums(legs: &[Leg], nodes: &[Vec<Node>]) -> HashMap<Node, u128> {
    let mut sums = HashMap::new();
    for (leg, nodes) in legs.iter().zip(nodes) {
        for &node in nodes {
            *sums.entry(node).or_default() += u128::from(leg.amount.unwrap_or(0));
        }
    }
    sums
}

/// Why an end does not count: the null address or an unknown counterparty is among its nodes.
fn wrong_end(nodes: &[Node]) -> Option<NotCounted> {
    match nodes.iter().min() {
        Some(&NULL) => Some(NotCounted::NullAddress),
        Some(&UNKNOWN) => Some(NotCounted::UnknownCounterparty),
        _ => None,
    }
}
