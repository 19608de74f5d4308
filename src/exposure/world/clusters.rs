//! Keeps what common inputs join up to date: sets of keys, and who is joined with the listed ones.
//! Makes no labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::super::clusters::{Inputs, Joining, Member, Reach, Sets};
use super::super::dust::Work;
use super::super::nodes::{FIRST, JOINS, Node};
use super::super::path_ends::{JoinedKey, JoinedSources, KINDS, Origin};
use super::World;
use super::append::{LARGE_PART, SMALL};
use crate::domain::chain::Chain;

#[derive(Debug, Default)]
pub(in super::super) struct Clusters {
    /// The most keys of an owner.
    pub limit: usize,
    /// Chains whose transactions join no keys.
    off: BTreeSet<Chain>,
    /// Keys by their first nodes.
    pub sets: Sets,
    /// The inputs of transactions below this node are joined.
    seen: Node,
    /// The sets that have listed keys, by their roots.
    listed: HashMap<Node, ListedSet>,
}

/// A set with listed keys.
#[derive(Debug, Default)]
struct ListedSet {
    listed: BTreeSet<Node>,
    /// Those that are joined with a listed key within the limit, or stood beside it.
    joined: HashSet<Node>,
    /// Within the limit: what all members are joined with; `None` where that is to be found anew.
    sources: Option<Arc<JoinedSources>>,
    /// Members that came since that was found.
    new: Vec<Node>,
    /// From this chain time on nothing more is joined but by standing beside; `None` where the set is
    /// within the limit.
    closed: Option<u64>,
    /// Of each kind the first listed key's source, where the set is beyond the limit.
    cut: [Option<u32>; KINDS],
}

/// What happened to a set.
#[derive(Debug, Default)]
struct Touched {
    /// Transactions that were appended, with their chain time.
    transactions: Vec<(u64, Node)>,
    /// Its listed keys are others.
    is_listed_otherwise: bool,
}

impl Clusters {
    pub fn new(limit: u32, off: BTreeSet<Chain>) -> Self {
        Self { limit: limit as usize, off, ..Self::default() }
    }

    /// Whether transactions of a chain join keys.
    pub fn is_on(&self, chain: &Chain) -> bool {
        !self.off.contains(chain)
    }

    /// The source of a kind that a key's set is too large to be joined with; of its listed keys the
    /// first.
    pub fn cut(&self, first: Node, kind: usize) -> Option<u32> {
        self.listed.get(&self.sets.root(first))?.cut[kind]
    }

    /// The listed keys of a set of two or more, by their first nodes, if it has any.
    pub fn listed(&self, root: Node) -> Option<impl Iterator<Item = Node>> {
        Some(self.listed.get(&root)?.listed.iter().copied())
    }

    /// Whether any set with listed keys is beyond the limit.
    pub fn has_cut(&self) -> bool {
        self.listed.values().any(ListedSet::is_cut)
    }

    /// The members of all such sets.
    pub fn cut_members(&self) -> impl Iterator<Item = Node> {
        let roots = self.listed.iter().filter(|(_, set)| set.is_cut()).map(|(&root, _)| root);
        roots.flat_map(|root| self.sets.members(root))
    }

    /// Makes one set of two, by their roots. Members of a set that becomes a part of one beyond the
    /// limit are noted.
    fn join(&mut self, a: Node, b: Node, changed: &mut HashSet<Node>) -> Node {
        let cut = |root: Node| self.listed.get(&root).map(|set| set.cut).unwrap_or_default();
        let (of_a, of_b) = (cut(a), cut(b));
        let adds = |other: [Option<u32>; KINDS], own: [Option<u32>; KINDS]| {
            other.iter().zip(own).any(|(other, own)| other.is_some() && *other != own)
        };
        if adds(of_b, of_a) {
            changed.extend(self.sets.members(a));
        }
        if adds(of_a, of_b) {
            changed.extend(self.sets.members(b));
        }
        for (own, other) in [(a, b), (b, a)] {
            let members = self.sets.members(other);
            if let Some(set) = self.listed.get_mut(&own).filter(|set| set.sources.is_some()) {
                set.new.extend(members);
            }
        }
        let root = self.sets.join(a, b);
        let below = if root == a { b } else { a };
        match (self.listed.remove(&below), self.listed.get_mut(&root)) {
            (Some(set), Some(known)) => known.merge(set),
            (Some(set), None) => {
                self.listed.insert(root, set);
            }
            (None, _) => {}
        }
        root
    }
}

impl ListedSet {
    fn is_cut(&self) -> bool {
        self.cut.iter().any(Option::is_some)
    }

    fn merge(&mut self, other: Self) {
        // What was within the limit is to be looked at anew.
        self.sources = None;
        self.closed = self.closed.zip(other.closed).map(|(a, b)| a.max(b));
        self.listed.extend(other.listed);
        self.joined.extend(other.joined);
    }

    /// Whether what was appended can only join keys by standing beside: all of it is later than what
    /// closed the set.
    fn is_closed_to(&self, touched: &Touched) -> bool {
        let is_later = |closed| touched.transactions.iter().all(|&(time, _)| time > closed);
        !touched.is_listed_otherwise && self.closed.is_some_and(is_later)
    }
}

impl World {
    /// Joins the inputs of what was appended, or of everything, and finds who is joined with listed
    /// keys. Edges must be settled.
    pub(super) fn join_inputs(&mut self) {
        let mut changed = HashSet::new();
        let mut touched: HashMap<Node, Touched> = HashMap::new();
        if self.pending.all {
            self.join_all();
            let roots = self.clusters.listed.keys();
            touched.extend(roots.map(|&root| (root, Touched::default())));
        } else if self.nodes.has_transactions() {
            for (time, tx, key) in self.join_fresh(&mut changed) {
                let of = touched.entry(self.clusters.sets.root(key)).or_default();
                of.transactions.push((time, tx));
            }
            for root in self.update_listed() {
                touched.entry(root).or_default().is_listed_otherwise = true;
            }
            touched.retain(|root, _| self.clusters.listed.contains_key(root));
        }
        for (root, touched) in touched {
            self.find_joined(root, &touched, &mut changed);
        }
        self.pending.joined.extend(changed);
    }

    /// Brings the sets in order, and finds anew which of them have listed keys.
    fn join_all(&mut self) {
        if self.pending.rejoin {
            (self.clusters.sets, self.clusters.seen) = (Sets::default(), FIRST);
        }
        self.clusters.listed.clear();
        self.parties.forget_joined();
        let mut inputs = Inputs::default();
        for tx in self.new_joining() {
            inputs.read(self.view(), tx);
            for pair in inputs.keys.windows(2) {
                self.clusters.sets.join_nodes(pair[0], pair[1]);
            }
        }
        for key in self.parties.listed_keys() {
            let Some(&node) = self.nodes.of_key(key).first() else { continue };
            let root = self.clusters.sets.root(node);
            if self.clusters.sets.size(root) > 1 {
                self.clusters.listed.entry(root).or_default().listed.insert(node);
            }
        }
    }

    /// The transactions that join keys and were not asked for yet.
    fn new_joining(&mut self) -> Vec<Node> {
        let new = self.clusters.seen.max(FIRST)..self.nodes.len() as Node;
        self.clusters.seen = new.end;
        new.filter(|&node| self.nodes.has(node, JOINS)).collect()
    }

    /// Joins the inputs of appended transactions; gives each with its chain time and a key of it.
    fn join_fresh(&mut self, changed: &mut HashSet<Node>) -> Vec<(u64, Node, Node)> {
        let (mut joined, mut inputs) = (Vec::new(), Inputs::default());
        for tx in self.new_joining() {
            inputs.read(self.view(), tx);
            let (Some(time), &[first, ..]) = (self.time_of(tx), inputs.keys.as_slice()) else {
                continue;
            };
            let mut root = self.clusters.sets.root(first);
            for &key in &inputs.keys[1..] {
                let other = self.clusters.sets.root(key);
                if other != root {
                    root = self.clusters.join(root, other, changed);
                }
            }
            for &key in &inputs.keys {
                if self.parties.sources(self.nodes.key(key)).is_some() {
                    let set = self.clusters.listed.entry(root).or_default();
                    if set.listed.insert(key) {
                        set.sources = None;
                    }
                }
            }
            joined.push((time, tx, first));
        }
        joined
    }

    /// The chain time of a transaction; `None` where it was taken out.
    fn time_of(&self, tx: Node) -> Option<u64> {
        let edge = self.edges.into.pieces(tx).flatten().next()?;
        Some(self.clocks.time(self.nodes.clock(tx), edge.key))
    }

    /// Brings the listed keys of sets in order where lists are others; gives the roots.
    fn update_listed(&mut self) -> Vec<Node> {
        let mut roots = Vec::new();
        for key in &self.pending.parties.listed {
            let Some(&node) = self.nodes.of_key(key).first() else { continue };
            let root = self.clusters.sets.root(node);
            if self.clusters.sets.size(root) == 1 {
                continue;
            }
            let set = self.clusters.listed.entry(root).or_default();
            if self.parties.sources(key).is_some() {
                set.listed.insert(node);
            } else {
                set.listed.remove(&node);
            }
            roots.push(root);
        }
        roots
    }

    /// Finds who is joined with the listed keys of a set; notes those of whom anything is other.
    fn find_joined(&mut self, root: Node, touched: &Touched, changed: &mut HashSet<Node>) {
        let Some(mut set) = self.clusters.listed.remove(&root) else { return };
        let size = self.clusters.sets.size(root) as usize;
        if size > self.clusters.limit {
            let cut = self.first_sources(&set);
            if cut != set.cut {
                set.cut = cut;
                if size > SMALL.max(self.nodes.len() / LARGE_PART) {
                    // To make all words anew costs less.
                    self.pending.all = true;
                } else {
                    changed.extend(self.clusters.sets.members(root));
                }
            }
            set.sources = None;
        }
        let within = set.sources.clone().filter(|_| !touched.is_listed_otherwise);
        if let Some(sources) = within {
            self.join_new(&sources, &mut set, changed);
            for &(_, tx) in &touched.transactions {
                self.add_beside(tx, &mut set, changed);
            }
        } else if set.is_closed_to(touched) {
            for &(_, tx) in &touched.transactions {
                self.add_beside(tx, &mut set, changed);
            }
        } else {
            self.join_anew(&mut set, changed);
        }
        if !set.listed.is_empty() {
            self.clusters.listed.insert(root, set);
        }
    }

    /// The first source of each kind among the listed keys of a set.
    fn first_sources(&self, set: &ListedSet) -> [Option<u32>; KINDS] {
        std::array::from_fn(|kind| {
            let keys = set.listed.iter().map(|&node| self.nodes.key(node));
            let firsts = keys.filter_map(|key| self.parties.listed(key, kind).next());
            firsts.min_by_key(|&source| self.parties.rank(Origin::listed(source)))
        })
    }

    /// Joins the new members of a set within the limit with what the others are joined with.
    fn join_new(
        &mut self,
        sources: &Arc<JoinedSources>,
        set: &mut ListedSet,
        changed: &mut HashSet<Node>,
    ) {
        for node in std::mem::take(&mut set.new) {
            if set.joined.insert(node) {
                let joined = JoinedKey { sources: Arc::clone(sources), is_beside: [false; KINDS] };
                self.set_joined(node, Some(joined), changed);
            }
        }
    }

    fn join_anew(&mut self, set: &mut ListedSet, changed: &mut HashSet<Node>) {
        let work = Work::new(u64::MAX);
        let (view, limit) = (self.view(), self.clusters.limit);
        let reach = Reach { view, until: u64::MAX, limit, work: &work };
        let listed: Vec<Node> = set.listed.iter().copied().collect();
        let joining = Joining::of(reach, &self.clusters.sets, &listed);
        let sources = |places: BTreeSet<usize>| -> Arc<JoinedSources> {
            let nodes = places.iter().map(|&place| listed[place]);
            Arc::new(std::array::from_fn(|kind| self.sources_of(nodes.clone(), kind)))
        };
        let of_transactions: Vec<_> = joining
            .transactions
            .iter()
            .map(|beside| beside.listed.iter().map(|&place| listed[place]))
            .map(|listed| std::array::from_fn(|kind| self.listed_among(listed.clone(), kind)))
            .collect();
        // Members alike share what they have.
        let mut alike: HashMap<Member, Arc<JoinedSources>> = HashMap::new();
        let mut all: Vec<(Node, JoinedKey)> = Vec::with_capacity(joining.members.len());
        for (&node, member) in &joining.members {
            let is_inside = joining.is_inside(member);
            let beside = if is_inside { Vec::new() } else { member.beside.clone() };
            let of = Member { cluster: member.cluster, beside };
            let joined_with = |of: &Member| sources(joining.joined_with(of));
            let sources = alike.entry(of).or_insert_with_key(joined_with);
            let key = self.nodes.key(node);
            let is_beside = std::array::from_fn(|kind| {
                let own = usize::from(self.parties.is_listed(key, kind));
                let listed = |&tx: &usize| -> &[usize; KINDS] { &of_transactions[tx] };
                member.beside.iter().map(listed).any(|kinds| kinds[kind] > own)
            });
            all.push((node, JoinedKey { sources: Arc::clone(sources), is_beside }));
        }
        set.closed = joining.closed;
        let only = joining.clusters.first().filter(|_| joining.closed.is_none());
        set.sources = only.map(|places| sources(places.iter().copied().collect()));
        set.new.clear();
        let now: HashSet<Node> = all.iter().map(|(node, _)| *node).collect();
        let gone: Vec<Node> = set.joined.difference(&now).copied().collect();
        gone.into_iter().for_each(|node| self.set_joined(node, None, changed));
        all.into_iter().for_each(|(node, joined)| self.set_joined(node, Some(joined), changed));
        set.joined = now;
    }

    /// Joins the keys of a transaction that is later than what closed its set, where one of them is
    /// listed.
    fn add_beside(&mut self, tx: Node, set: &mut ListedSet, changed: &mut HashSet<Node>) {
        let mut inputs = Inputs::default();
        inputs.read(self.view(), tx);
        let listed = inputs.keys.iter().copied().filter(|key| set.listed.contains(key));
        let listed: Vec<Node> = listed.collect();
        let all: Arc<JoinedSources> =
            Arc::new(std::array::from_fn(|kind| self.sources_of(listed.iter().copied(), kind)));
        let among: [usize; KINDS] =
            std::array::from_fn(|kind| self.listed_among(listed.iter().copied(), kind));
        for &node in inputs.keys.iter().filter(|&&key| listed.iter().any(|&other| other != key)) {
            let key = self.nodes.key(node);
            let known = self.parties.joined(key);
            let has_all = |known: &JoinedKey| {
                let kinds = all.iter().zip(known.sources.iter());
                kinds.into_iter().all(|(all, known)| all.iter().all(|it| known.contains(it)))
            };
            let sources = match known {
                Some(known) if has_all(known) => Arc::clone(&known.sources),
                Some(known) => Arc::new(std::array::from_fn(|kind| {
                    self.in_order([&known.sources[kind][..], &all[kind]].concat())
                })),
                None => Arc::clone(&all),
            };
            let is_beside = std::array::from_fn(|kind| {
                let own = usize::from(self.parties.is_listed(key, kind));
                known.is_some_and(|known| known.is_beside[kind]) || among[kind] > own
            });
            set.joined.insert(node);
            self.set_joined(node, Some(JoinedKey { sources, is_beside }), changed);
        }
    }

    /// How many of some keys are listed by a kind.
    fn listed_among(&self, keys: impl Iterator<Item = Node>, kind: usize) -> usize {
        keys.filter(|&node| self.parties.is_listed(self.nodes.key(node), kind)).count()
    }

    /// The sources of a kind of listed keys, as a key that is joined with them has them.
    fn sources_of(&self, listed: impl Iterator<Item = Node>, kind: usize) -> Vec<u32> {
        let keys = listed.map(|node| self.nodes.key(node));
        self.in_order(keys.flat_map(|key| self.parties.listed(key, kind)).collect())
    }

    /// By order; of those alike in when they were listed the first.
    fn in_order(&self, mut sources: Vec<u32>) -> Vec<u32> {
        sources.sort_unstable_by_key(|&source| self.parties.rank(Origin::listed(source)));
        let mut terms = HashSet::new();
        sources.retain(|&source| {
            let source = self.parties.source(Origin::listed(source));
            terms.insert((source.listed_from, source.unlisted_until))
        });
        sources
    }

    fn set_joined(&mut self, node: Node, joined: Option<JoinedKey>, changed: &mut HashSet<Node>) {
        let key = *self.nodes.key(node);
        if self.parties.set_joined(key, joined, &mut self.pending.parties) {
            changed.insert(node);
        }
    }

    /// Bytes of memory that the sets of joined keys take.
    pub fn cluster_bytes(&self) -> usize {
        self.clusters.sets.bytes()
    }
}
