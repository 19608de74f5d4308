//! Nodes: a number for each key on each clock, and for each UTXO transaction. Knows no edges.

use std::collections::HashMap;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::clock::ClockId;
use crate::domain::packed_key::{PACKED_KEY, PackedKey};

/// The number of a node; below 2^31.
pub(super) type Node = u32;

/// Stands at the other end where there is nobody: the null address, a reward, a burn.
pub(super) const NULL: Node = 0;
/// Stands at the other end where it is not known who there is.
pub(super) const UNKNOWN: Node = 1;
/// The first node that is one.
pub(super) const FIRST: Node = 2;

/// The node is a UTXO transaction.
pub(super) const TX: u8 = 1;
/// Paths may reach the node and not pass it: anything but a hub.
pub(super) const STOP: u8 = 2;
/// Paths may reach the node and not pass it: it is an untagged hub.
pub(super) const HUB: u8 = 4;
/// The key has nodes on other clocks.
pub(super) const TWIN: u8 = 8;

/// The tag of a key slot that holds the row of a transaction: no [`PackedKey`] has it.
const TX_TAG: u8 = 0xff;

/// Every node. About 29 bytes each, without the numbers that others keep per node.
#[derive(Debug)]
pub(super) struct Nodes {
    keys: Vec<PackedKey>,
    clocks: Vec<ClockId>,
    pub flags: Vec<u8>,
    table: HashTable<Node>,
    /// The nodes of keys with several, ascending, by the first.
    groups: HashMap<PackedKey, Vec<Node>>,
    /// Random per process against crafted collisions; nothing depends on it but speed.
    hasher: DefaultHashBuilder,
}

impl Default for Nodes {
    fn default() -> Self {
        let nobody = PackedKey([0; PACKED_KEY]);
        Self {
            keys: vec![nobody; 2],
            clocks: vec![0; 2],
            flags: vec![STOP; 2],
            table: HashTable::new(),
            groups: HashMap::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl Nodes {
    /// How many numbers are in use.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The node of a key on a clock, and whether it was made just now.
    pub fn intern(&mut self, key: &PackedKey, clock: ClockId) -> (Node, bool) {
        let hash = self.hasher.hash_one(key);
        let found = self.table.find(hash, |&node| {
            self.clocks[node as usize] == clock && self.keys[node as usize] == *key
        });
        if let Some(&node) = found {
            return (node, false);
        }
        let twin =
            self.table.iter_hash(hash).copied().find(|&node| self.keys[node as usize] == *key);
        let node = self.push(*key, clock, 0);
        self.table
            .insert_unique(hash, node, |&node| self.hasher.hash_one(self.keys[node as usize]));
        if let Some(twin) = twin {
            let group = self.groups.entry(*key).or_insert_with(|| vec![twin]);
            group.push(node);
            let inherited = self.flags[group[0] as usize] | TWIN;
            for &node in group.iter() {
                self.flags[node as usize] = inherited;
            }
        }
        (node, true)
    }

    /// A node for the transaction of a row.
    pub fn transaction(&mut self, row: u32, clock: ClockId) -> Node {
        let mut slot = [0; PACKED_KEY];
        slot[0] = TX_TAG;
        slot[1..5].copy_from_slice(&row.to_le_bytes());
        self.push(PackedKey(slot), clock, TX)
    }

    fn push(&mut self, key: PackedKey, clock: ClockId, flags: u8) -> Node {
        let node = Node::try_from(self.keys.len()).expect("rows bound the nodes below 2^31");
        assert!(node < super::edges::UNCOUNTED, "more than 2^31 nodes");
        self.keys.push(key);
        self.clocks.push(clock);
        self.flags.push(flags);
        node
    }

    /// The key of a node that is no transaction.
    pub fn key(&self, node: Node) -> &PackedKey {
        &self.keys[node as usize]
    }

    /// The clock of a node.
    pub fn clock(&self, node: Node) -> ClockId {
        self.clocks[node as usize]
    }

    /// Whether the node has one of the flags.
    pub fn has(&self, node: Node, flags: u8) -> bool {
        self.flags[node as usize] & flags != 0
    }

    /// Says whether paths end at the node.
    pub fn set_stop(&mut self, node: Node, stops: bool) {
        let flags = &mut self.flags[node as usize];
        *flags = if stops { *flags | STOP } else { *flags & !STOP };
    }

    /// The row of a transaction.
    pub fn row(&self, tx: Node) -> u32 {
        let PackedKey(slot) = self.keys[tx as usize];
        u32::from_le_bytes([slot[1], slot[2], slot[3], slot[4]])
    }

    /// The nodes of a key, ascending; none where it was not seen.
    pub fn of_key(&self, key: &PackedKey) -> Vec<Node> {
        if let Some(group) = self.groups.get(key) {
            return group.clone();
        }
        let hash = self.hasher.hash_one(key);
        let found = self.table.find(hash, |&node| self.keys[node as usize] == *key);
        found.copied().into_iter().collect()
    }

    /// The nodes of the key of a node, ascending, itself among them.
    pub fn group<'a>(&'a self, node: &'a Node) -> &'a [Node] {
        if !self.has(*node, TWIN) {
            return std::slice::from_ref(node);
        }
        &self.groups[self.key(*node)]
    }

    /// The first node of the key of a node: stands for the key.
    pub fn first(&self, node: Node) -> Node {
        self.group(&node)[0]
    }

    /// Whether any key has nodes on several clocks.
    pub fn has_twins(&self) -> bool {
        !self.groups.is_empty()
    }
}
