//! Nodes: a number for each key on each clock, and for each UTXO transaction.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use hashbrown::DefaultHashBuilder;

use super::clock::{ClockId, Clocks};
use crate::domain::packed_key::{PACKED_KEY, PackedKey};

/// The number of a node, below [`MAX_NODES`].
pub(super) type Node = u32;

/// One bit of a number is left for a flag of edges.
pub(super) const MAX_NODES: u32 = 1 << 31;

/// Stands at the other end of a reward or a burn: the null address.
pub(super) const NULL: Node = 0;
/// Stands at the other end where it is not known who there is.
pub(super) const UNKNOWN: Node = 1;
/// The first node that is one.
pub(super) const FIRST: Node = 2;

/// The node is a UTXO transaction.
pub(super) const TX: u8 = 1;
/// Paths may reach the node and not pass it: anything but a hub.
pub(super) const STOP: u8 = 2;
/// The node holds the transfers that leave an untagged hub since it became one: paths end there.
pub(super) const HUB: u8 = 4;
/// The key has further nodes.
pub(super) const TWIN: u8 = 8;
/// The node has a late node (see [`Nodes::late`]).
pub(super) const SPLIT: u8 = 16;
/// The node is a late node.
pub(super) const LATE: u8 = 32;
/// Dust moved at the node, or between its ends if it is a transaction.
pub(super) const DUSTY: u8 = 64;

/// The node is a transaction that joins the keys of its inputs.
pub(super) const JOINS: u8 = 128;

/// The tag of a key slot that holds the row of a transaction: no [`PackedKey`] has it.
const TX_TAG: u8 = 0xff;

/// A key on a clock, in 23 bytes: side by side, since both are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    key: PackedKey,
    clock: [u8; 2],
}

/// Every node. About 38 bytes each, without the numbers that others keep per node.
#[derive(Debug)]
pub(super) struct Nodes {
    places: Vec<Place>,
    pub flags: Vec<u8>,
    index: Index,
    has_transactions: bool,
    /// The nodes of keys with several, ascending, by the first.
    groups: HashMap<PackedKey, Vec<Node>>,
    /// The late nodes, by the node of the same key and clock.
    late: HashMap<Node, Node>,
    /// Random per process against crafted collisions; nothing depends on it but speed.
    hasher: DefaultHashBuilder,
}

impl Default for Nodes {
    fn default() -> Self {
        let nobody = PackedKey([0; PACKED_KEY]);
        Self {
            places: vec![Place { key: nobody, clock: [0; 2] }; 2],
            flags: vec![STOP; 2],
            index: Index::default(),
            has_transactions: false,
            groups: HashMap::new(),
            late: HashMap::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl Nodes {
    /// How many numbers are in use.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The first node of each key, or [`NULL`] where it was not seen, for [`Nodes::intern`]. In
    /// passes, so that many keys are waited for at once.
    pub fn find_all(&self, keys: &[PackedKey], found: &mut Vec<Node>) {
        found.clear();
        found.extend(keys.iter().map(|key| self.hash(key)));
        found.iter_mut().for_each(|place| *place = self.index.first(*place));
        for (node, key) in found.iter_mut().zip(keys) {
            if *node != NULL && self.key(*node) != key {
                *node = self.find(key);
            }
        }
    }

    fn find(&self, key: &PackedKey) -> Node {
        self.index.find(self.hash(key), |node| self.key(node) == key).unwrap_or(NULL)
    }

    fn hash(&self, key: &PackedKey) -> u32 {
        // Not `hash_one`, which mixes the length in as well: all keys are equally long.
        let mut hasher = self.hasher.build_hasher();
        hasher.write(&key.0);
        hasher.finish() as u32
    }

    /// The node of a key on a clock, and whether it was made just now. `guess` may be any node.
    pub fn intern(&mut self, key: &PackedKey, clock: ClockId, guess: Node) -> (Node, bool) {
        let place = Place { key: *key, clock: clock.to_ne_bytes() };
        if guess != NULL && self.places[guess as usize] == place {
            return (guess, false);
        }
        let hash = self.hash(key);
        if let Some(node) = self.index.find(hash, |node| self.places[node as usize] == place) {
            return (node, false);
        }
        let twin = self.index.find(hash, |node| self.key(node) == key);
        let node = self.push(*key, clock, 0);
        self.index.insert(hash, node);
        if let Some(twin) = twin {
            let group = self.groups.entry(*key).or_insert_with(|| vec![twin]);
            group.push(node);
            self.flags[node as usize] = self.flags[group[0] as usize] & STOP;
            for &node in group.iter() {
                self.flags[node as usize] |= TWIN;
            }
        }
        (node, true)
    }

    /// The late node of a node: of the same key on the same clock, for the transfers that leave the
    /// key after it became a hub on that chain. [`Nodes::intern`] never gives it.
    pub fn make_late(&mut self, node: Node) -> Node {
        if let Some(&late) = self.late.get(&node) {
            return late;
        }
        let inherited = self.flags[node as usize] & (STOP | DUSTY);
        let key = *self.key(node);
        let late = self.push(key, self.clock(node), inherited | LATE);
        self.late.insert(node, late);
        self.flags[node as usize] |= SPLIT;
        let group = self.groups.entry(key).or_insert_with(|| vec![node]);
        group.push(late);
        for &node in group.iter() {
            self.flags[node as usize] |= TWIN;
        }
        late
    }

    /// The late node of a node, if it has one.
    pub fn late(&self, node: Node) -> Option<Node> {
        if self.has(node, SPLIT) { self.late.get(&node).copied() } else { None }
    }

    /// Nodes that have a late node, with it; in no order.
    pub fn all_late(&self) -> impl Iterator<Item = (Node, Node)> {
        self.late.iter().map(|(&node, &late)| (node, late))
    }

    /// A node for the transaction of a row.
    pub fn transaction(&mut self, row: u32, clock: ClockId) -> Node {
        let mut slot = [0; PACKED_KEY];
        slot[0] = TX_TAG;
        slot[1..5].copy_from_slice(&row.to_le_bytes());
        self.has_transactions = true;
        self.push(PackedKey(slot), clock, TX)
    }

    fn push(&mut self, key: PackedKey, clock: ClockId, flags: u8) -> Node {
        let node = Node::try_from(self.places.len()).expect("rows bound the nodes below 2^31");
        assert!(node < MAX_NODES, "more than 2^31 nodes");
        self.places.push(Place { key, clock: clock.to_ne_bytes() });
        self.flags.push(flags);
        node
    }

    /// The key of a node that is no transaction.
    pub fn key(&self, node: Node) -> &PackedKey {
        &self.places[node as usize].key
    }

    /// The clock of a node.
    pub fn clock(&self, node: Node) -> ClockId {
        ClockId::from_ne_bytes(self.places[node as usize].clock)
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
        let PackedKey(slot) = self.key(tx);
        u32::from_le_bytes([slot[1], slot[2], slot[3], slot[4]])
    }

    /// The nodes of a key, ascending; none where it was not seen.
    pub fn of_key(&self, key: &PackedKey) -> Vec<Node> {
        if let Some(group) = self.groups.get(key) {
            return group.clone();
        }
        let found = self.index.find(self.hash(key), |node| self.key(node) == key);
        found.into_iter().collect()
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

    /// The nodes of the key of a node on the same chain, ascending.
    pub fn on_chain<'a>(
        &'a self,
        node: &'a Node,
        clocks: &'a Clocks,
    ) -> impl Iterator<Item = Node> + 'a {
        let chain = |node: Node| clocks.first_of_chain(self.clock(node));
        let own = chain(*node);
        self.group(node).iter().copied().filter(move |&twin| chain(twin) == own)
    }

    /// The first node of the key of a node on the same chain: stands for the key there.
    pub fn first_on_chain(&self, node: Node, clocks: &Clocks) -> Node {
        self.on_chain(&node, clocks).next().unwrap_or(node)
    }

    /// Whether any node is a transaction.
    pub fn has_transactions(&self) -> bool {
        self.has_transactions
    }

    /// Whether any key has nodes on several clocks.
    pub fn has_twins(&self) -> bool {
        !self.groups.is_empty()
    }
}

/// Nodes by the hash of their key, in open addressing: hash above, node below; 0 is empty. The hash
/// stands beside the node so that few keys are looked at in vain, and none to grow.
#[derive(Debug, Default)]
struct Index {
    slots: Vec<u64>,
    used: usize,
}

/// Slots that an index begins with.
const FIRST_SLOTS: usize = 1 << 10;

impl Index {
    /// The first node that has the hash, most likely; [`NULL`] where there is none at its place.
    #[inline]
    fn first(&self, hash: u32) -> Node {
        let slot = self.slots.get(hash as usize & self.slots.len().wrapping_sub(1));
        slot.map_or(NULL, |&slot| slot as Node)
    }

    /// The first node that has the hash and is the one.
    #[inline]
    fn find(&self, hash: u32, is_it: impl Fn(Node) -> bool) -> Option<Node> {
        let last = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & last;
        // There is always an empty one.
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if (slot >> 32) as u32 == hash && is_it(slot as Node) {
                return Some(slot as Node);
            }
            at = (at + 1) & last;
        }
    }

    fn insert(&mut self, hash: u32, node: Node) {
        if self.used * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        self.used += 1;
        self.put((u64::from(hash) << 32) | u64::from(node));
    }

    fn put(&mut self, slot: u64) {
        let last = self.slots.len() - 1;
        let mut at = (slot >> 32) as usize & last;
        while self.slots[at] != 0 {
            at = (at + 1) & last;
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let twice = (self.slots.len() * 2).max(FIRST_SLOTS);
        let before = std::mem::replace(&mut self.slots, vec![0; twice]);
        before.into_iter().filter(|&slot| slot != 0).for_each(|slot| self.put(slot));
    }
}
