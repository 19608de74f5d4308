//! The transfers of a key with who was at the other end, in the order of rows. Judges nothing.

use std::collections::BTreeMap;

use super::World;
use super::nodes::{FIRST, NULL, Node, TX, UNKNOWN};
use super::shares::NotCounted;
use crate::domain::packed_key::PackedKey;

/// The most other ends that a dealing names.
const MOST_OTHERS: usize = 100;

/// A transfer seen from a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dealing {
    pub row: u64,
    /// Whether the key received; else it sent. A row that does both stands twice.
    pub received: bool,
    /// The keys at the other end, at most 100; none where the other end is absent or unknown.
    pub others: Vec<PackedKey>,
    /// Why it does not count for exposure; `None` where it does.
    pub why_not: Option<NotCounted>,
    /// Whether it is dust that counts since it adds up.
    pub adds_up: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dealings {
    /// By row.
    pub found: Vec<Dealing>,
    /// The cursor for the next page; `None` at the end.
    pub next: Option<u64>,
}

impl World {
    /// The transfers of the keys (of one address) from a cursor on (0 for the first), at most
    /// `limit`: received only, sent only or both. Looks at all transfers of the keys.
    pub fn transfers_of(
        &self,
        keys: &[PackedKey],
        received: Option<bool>,
        cursor: u64,
        limit: usize,
    ) -> Dealings {
        let targets = self.targets(keys);
        // By cursor; one more than asked for, to know whether there is more.
        let mut page: BTreeMap<u64, Dealing> = BTreeMap::new();
        let sides = [(false, &self.edges.out), (true, &self.edges.into)];
        for (is_received, edges) in sides {
            if received.is_some_and(|only| only != is_received) {
                continue;
            }
            for &node in &targets {
                for edge in edges.pieces(node).flatten() {
                    let is_tx = self.nodes.has(edge.node(), TX);
                    let row = u64::from(if is_tx { self.nodes.row(edge.node()) } else { edge.id });
                    let at = row * 2 + u64::from(is_received);
                    let is_full = page.len() > limit
                        && page.last_key_value().is_some_and(|(last, _)| at > *last);
                    if at < cursor || is_full {
                        continue;
                    }
                    let why_not = self.values.of(is_tx, edge.id).0.why();
                    let dealing = page.entry(at).or_insert_with(|| Dealing {
                        row,
                        received: is_received,
                        others: Vec::new(),
                        why_not,
                        adds_up: false,
                    });
                    dealing.adds_up |= edge.counts() && why_not == Some(NotCounted::Dust);
                    // Of several legs one that counts is enough.
                    if !edge.counts() {
                        dealing.why_not = dealing.why_not.and(why_not);
                    } else {
                        dealing.why_not = None;
                    }
                    if is_tx {
                        if dealing.others.is_empty() {
                            self.legs(edge.node(), is_received, dealing);
                        }
                    } else {
                        add(dealing, edge.node(), self.nodes.key(edge.node()));
                    }
                    if page.len() > limit + 1 {
                        page.pop_last();
                    }
                }
            }
        }
        let next = page.keys().nth(limit).copied();
        Dealings { found: page.into_values().take(limit).collect(), next }
    }

    /// The other side of a transaction.
    fn legs(&self, tx: Node, received: bool, dealing: &mut Dealing) {
        let edges = if received { &self.edges.into } else { &self.edges.out };
        for leg in edges.pieces(tx).flatten() {
            add(dealing, leg.node(), self.nodes.key(leg.node()));
        }
    }
}

fn add(dealing: &mut Dealing, node: Node, key: &PackedKey) {
    const { assert!(NULL < FIRST && UNKNOWN < FIRST) };
    if node >= FIRST && dealing.others.len() < MOST_OTHERS && !dealing.others.contains(key) {
        dealing.others.push(*key);
    }
}
