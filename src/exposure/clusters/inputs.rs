//! Which transactions join their inputs, and which keys of them. Keeps nothing.
//!
//! A CoinJoin has inputs of several owners and pays many of them the same amount, so that nobody can
//! tell whose output is whose (Maxwell, "CoinJoin: Bitcoin privacy for the real world", 2013). The
//! rule by which it is told is that of the literature (Goldfeder et al., "When the cookie meets the
//! blockchain", PETS 2018; Kalodner et al., "BlockSci", USENIX Security 2020; Schnoering and
//! Vazirgiannis, "Heuristics for Detecting CoinJoin Transactions on the Bitcoin Blockchain", 2023):
//! several inputs and several equal outputs, without their bounds on amounts, which only the
//! wallets of a year keep.

use std::collections::{BTreeMap, BTreeSet};

use super::super::nodes::{FIRST, JOINS, Node, STOP};
use super::super::view::GraphView;
use crate::domain::transfer::UtxoMovement;

/// From so many keys of inputs, and so many keys that get the same amount, a transaction is a
/// CoinJoin.
const COINJOIN: usize = 3;

/// Whether a transaction joins the keys of its inputs, given the keys of each leg, as nodes: two or
/// more, and no CoinJoin's.
pub(in super::super) fn joins(
    movement: &UtxoMovement,
    inputs: &[Vec<Node>],
    outputs: &[Vec<Node>],
) -> bool {
    let keys: BTreeSet<Node> = inputs.iter().filter_map(|nodes| only(nodes)).collect();
    keys.len() >= 2 && !(keys.len() >= COINJOIN && has_equal_outputs(movement, outputs))
}

/// Whether as many keys as a CoinJoin pays get one amount.
fn has_equal_outputs(movement: &UtxoMovement, outputs: &[Vec<Node>]) -> bool {
    let mut paid: BTreeMap<u64, BTreeSet<&[Node]>> = BTreeMap::new();
    for (leg, nodes) in movement.outputs.iter().zip(outputs) {
        let is_somebody = nodes.iter().all(|&node| node >= FIRST);
        if let Some(amount) = leg.amount.filter(|&amount| amount > 0 && is_somebody) {
            paid.entry(amount).or_default().insert(nodes);
        }
    }
    paid.values().any(|keys| keys.len() >= COINJOIN)
}

/// The key of a leg that names one.
fn only(nodes: &[Node]) -> Option<Node> {
    match nodes {
        [node] if *node >= FIRST => Some(*node),
        _ => None,
    }
}

/// The keys that transactions join, one after the other.
#[derive(Debug, Default)]
pub(in super::super) struct Inputs {
    tx: Option<Node>,
    legs: Vec<(u32, Node)>,
    /// By their first nodes, ascending: two or more, or none.
    pub keys: Vec<Node>,
}

impl Inputs {
    /// Takes those of a transaction in place of those before; gives how many edges were read for it.
    /// The graph must not change meanwhile.
    pub fn read(&mut self, view: GraphView<'_>, tx: Node) -> usize {
        if self.tx.replace(tx) == Some(tx) {
            return 0;
        }
        self.keys.clear();
        self.legs.clear();
        if !view.nodes.has(tx, JOINS) {
            return 0;
        }
        let edges = view.edges.into.pieces(tx).flatten();
        self.legs.extend(edges.map(|edge| (edge.id, edge.node())));
        // A leg that names several keys has as many edges of its number.
        self.legs.sort_unstable();
        for leg in self.legs.chunk_by(|(a, _), (b, _)| a == b) {
            if let &[(_, node)] = leg
                && node >= FIRST
                && !view.nodes.has(node, STOP)
            {
                self.keys.push(view.nodes.first(node));
            }
        }
        self.keys.sort_unstable();
        self.keys.dedup();
        if self.keys.len() < 2 {
            self.keys.clear();
        }
        self.legs.len()
    }
}
