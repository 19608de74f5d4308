//! Who is joined with the listed keys of one set, up to a moment and within the cluster limit. Keeps
//! nothing; judges nothing.
//!
//! What a key is joined with only grows with time. Its owner's cluster is what it was joined with when
//! that was last within the limit, so that nobody is cleared by what is joined later. All that is of
//! one second of chain time is simultaneous.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use hashbrown::{HashMap, HashSet};

use super::super::clock::ClockId;
use super::super::dust::Work;
use super::super::edges::Edge;
use super::super::nodes::{JOINS, Node};
use super::super::view::GraphView;
use super::inputs::Inputs;
use super::sets::Sets;

/// Transactions that are looked at, and how far.
#[derive(Clone, Copy)]
pub(in super::super) struct Reach<'a> {
    pub view: GraphView<'a>,
    /// Chain time, in Unix seconds.
    pub until: u64,
    pub limit: usize,
    pub work: &'a Work,
}

/// What is joined with the listed keys of a set. Keys stand by their first nodes, listed ones by their
/// place among those given. Takes memory as the transactions of the listed keys do, however many of
/// them stand beside each other.
#[derive(Debug, Default)]
pub(in super::super) struct Joining {
    pub members: HashMap<Node, Member>,
    /// The listed keys of each owner's cluster.
    pub clusters: Vec<Vec<usize>>,
    /// The transactions that join any listed key.
    pub transactions: Vec<Beside>,
    /// The last chain time at which a cluster would have grown beyond the limit; `None` where none
    /// would.
    pub closed: Option<u64>,
}

/// A transaction that joins listed keys.
#[derive(Debug)]
pub(in super::super) struct Beside {
    pub listed: Vec<usize>,
    /// The cluster that all of these are of, if they are of one.
    cluster: Option<usize>,
}

/// A key that is joined with listed ones. Those alike are joined with the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in super::super) struct Member {
    pub cluster: Option<usize>,
    /// The transactions with listed keys that it stood in, itself listed or not, ascending.
    pub beside: Vec<usize>,
}

/// What a key is joined with while that is within the limit.
struct OwnerCluster {
    keys: Vec<Node>,
    closed: Option<u64>,
}

/// The transactions of some keys in the order of chain time.
struct Timeline<'a> {
    reach: Reach<'a>,
    /// When, which transaction, and the rest of the edges that it came from.
    next: BinaryHeap<Reverse<(u64, Node, usize)>>,
    rests: Vec<Rest<'a>>,
}

/// Edges of a key that were not gone through yet.
struct Rest<'a> {
    key: Node,
    clock: ClockId,
    edges: &'a [Edge],
}

/// A transaction that a key is an input of.
struct Input {
    time: u64,
    tx: Node,
    key: Node,
}

impl Joining {
    /// Of listed keys of one set, given in `sets`.
    pub fn of(reach: Reach<'_>, sets: &Sets, listed: &[Node]) -> Self {
        let mut joining = Self::default();
        let Some(&first) = listed.first() else { return joining };
        let root = sets.root(first);
        if reach.until == u64::MAX && sets.size(root) as usize <= reach.limit {
            joining.add_cluster(sets.members(root));
        }
        for &node in listed {
            if joining.members.get(&node).is_none_or(|of| of.cluster.is_none()) {
                let OwnerCluster { keys, closed } = reach.owner_cluster(node);
                joining.add_cluster(keys.into_iter());
                joining.closed = joining.closed.max(closed);
            }
        }
        let mut places: HashMap<Node, usize> = HashMap::new();
        for (place, &node) in listed.iter().enumerate() {
            places.insert(node, place);
            if let Some(cluster) = joining.members.get(&node).and_then(|of| of.cluster) {
                joining.clusters[cluster].push(place);
            }
        }
        joining.add_beside(reach, listed, &places);
        joining
    }

    fn add_cluster(&mut self, keys: impl Iterator<Item = Node>) {
        let cluster = self.clusters.len();
        self.clusters.push(Vec::new());
        for key in keys {
            self.members.entry(key).or_default().cluster = Some(cluster);
        }
    }

    fn add_beside(&mut self, reach: Reach<'_>, listed: &[Node], places: &HashMap<Node, usize>) {
        let (mut inputs, mut looked_at) = (Inputs::default(), HashSet::new());
        for &node in listed {
            for (_, tx) in reach.transactions_of(node) {
                if looked_at.contains(&tx) || !reach.joins(&mut inputs, tx, node) {
                    continue;
                }
                looked_at.insert(tx);
                for &key in &inputs.keys {
                    let of = self.members.entry(key).or_default();
                    of.beside.push(self.transactions.len());
                }
                let listed = inputs.keys.iter().filter_map(|key| places.get(key).copied());
                let of = inputs.keys.iter().filter(|key| places.contains_key(*key));
                let mut clusters = of.map(|key| self.members.get(key).and_then(|of| of.cluster));
                let first = clusters.next().flatten();
                let cluster = first.filter(|_| clusters.all(|other| other == first));
                self.transactions.push(Beside { listed: listed.collect(), cluster });
            }
        }
    }

    /// Whether a member is joined with no listed keys but those of its cluster.
    pub fn is_inside(&self, member: &Member) -> bool {
        let is_own = |&tx: &usize| self.transactions[tx].cluster == member.cluster;
        member.cluster.is_some() && member.beside.iter().all(is_own)
    }

    /// The listed keys that members alike are joined with, themselves among them where they are listed.
    pub fn joined_with(&self, member: &Member) -> BTreeSet<usize> {
        let of_cluster = member.cluster.map_or(&[][..], |cluster| &self.clusters[cluster]);
        let beside = member.beside.iter().flat_map(|&tx| &self.transactions[tx].listed);
        of_cluster.iter().chain(beside).copied().collect()
    }
}

impl<'a> Reach<'a> {
    /// Whether a transaction joins a key with others. Its inputs are read, and counted.
    pub fn joins(self, inputs: &mut Inputs, tx: Node, key: Node) -> bool {
        self.work.add(inputs.read(self.view, tx));
        inputs.keys.binary_search(&key).is_ok()
    }

    /// All that a key is joined with, the key among it; as much as the budget allows.
    pub fn joined_with(self, start: Node) -> HashSet<Node> {
        self.owner_cluster(start).keys.into_iter().collect()
    }

    /// The transactions that a key is an input of and that join keys, in the order of chain time.
    pub fn transactions_of(self, key: Node) -> impl Iterator<Item = (u64, Node)> + use<'a> {
        let mut timeline = Timeline::new(self);
        timeline.add(key);
        std::iter::from_fn(move || timeline.next().map(|input| (input.time, input.tx)))
    }

    /// Grows from a key by the transaction that is next in time.
    fn owner_cluster(self, start: Node) -> OwnerCluster {
        let mut timeline = Timeline::new(self);
        timeline.add(start);
        let (mut keys, mut seen) = (vec![start], HashSet::<Node>::new());
        seen.insert(start);
        let mut looked_at: HashSet<Node> = HashSet::new();
        // So many keys are joined by what was before `moment`.
        let (mut whole, mut moment) = (1, 0);
        let mut inputs = Inputs::default();
        while let Some(Input { time, tx, key }) = timeline.next() {
            if time > moment {
                (whole, moment) = (keys.len(), time);
            }
            // A key may be an input and not joined: one of several holders of a leg.
            if looked_at.contains(&tx) || !self.joins(&mut inputs, tx, key) {
                continue;
            }
            looked_at.insert(tx);
            for &key in &inputs.keys {
                if seen.insert(key) {
                    keys.push(key);
                    timeline.add(key);
                }
            }
            if keys.len() > self.limit {
                keys.truncate(whole);
                return OwnerCluster { keys, closed: Some(moment) };
            }
        }
        OwnerCluster { keys, closed: None }
    }
}

impl<'a> Timeline<'a> {
    fn new(reach: Reach<'a>) -> Self {
        Self { reach, next: BinaryHeap::new(), rests: Vec::new() }
    }

    /// Adds the transactions that a key, given by its first node, is an input of.
    fn add(&mut self, key: Node) {
        let GraphView { nodes, edges, .. } = self.reach.view;
        for &node in nodes.group(&key) {
            for piece in edges.out.pieces(node) {
                self.rests.push(Rest { key, clock: nodes.clock(node), edges: piece });
                self.go_on(self.rests.len() - 1);
            }
        }
    }

    /// Brings in the next transaction of a rest.
    fn go_on(&mut self, rest: usize) {
        let Reach { view, until, work, .. } = self.reach;
        let Rest { clock, mut edges, .. } = self.rests[rest];
        while let Some((edge, after)) = edges.split_first() {
            edges = after;
            if !work.look() {
                return;
            }
            if view.nodes.has(edge.node(), JOINS) {
                let time = view.clocks.time(clock, edge.key);
                if time <= until {
                    self.next.push(Reverse((time, edge.node(), rest)));
                }
                break;
            }
        }
        self.rests[rest].edges = edges;
    }

    /// The next transaction; one of several keys comes again.
    fn next(&mut self) -> Option<Input> {
        let Reverse((time, tx, rest)) = self.next.pop()?;
        self.go_on(rest);
        Some(Input { time, tx, key: self.rests[rest].key })
    }
}
