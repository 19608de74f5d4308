//! Where the paths of one kind begin in a search: at sources, and at keys that common inputs joined
//! with them up to a moment. Found when it is asked for.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::Source;
use super::clusters::{Joining, Member, Reach, Sets};
use super::nodes::Node;
use super::view::GraphView;
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;

/// Sources of one kind by key, each with its order; of several the first.
pub(super) type ByKey<'a> = HashMap<PackedKey, (u32, &'a Source)>;

/// The others of keys that several lists or listings of a kind name.
pub(super) type Further<'a> = HashMap<(PackedKey, ListKind), Vec<(u32, &'a Source)>>;

/// What a path begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed<'a> {
    /// By source; of one source its own key before those that are joined with it.
    pub rank: u32,
    pub source: &'a Source,
    pub is_joined: bool,
}

/// What a key is joined with, by order.
#[derive(Clone, Debug)]
pub(super) struct JoinedSeeds<'a> {
    pub seeds: Rc<[Seed<'a>]>,
    /// Whether the key itself stood beside a source.
    pub is_beside: bool,
}

/// The seeds of one kind.
pub(super) struct Seeds<'a> {
    view: GraphView<'a>,
    sets: &'a Sets,
    sources: &'a ByKey<'a>,
    further: &'a Further<'a>,
    reach: Reach<'a>,
    /// The listed keys of each set, by its root.
    listed: OnceCell<HashMap<Node, Vec<Node>>>,
    /// By root: who is joined with the listed keys of the set, by first node.
    joined: RefCell<HashMap<Node, Rc<HashMap<Node, JoinedSeeds<'a>>>>>,
}

impl<'a> Seeds<'a> {
    pub fn new(
        sets: &'a Sets,
        sources: &'a ByKey<'a>,
        further: &'a Further<'a>,
        reach: Reach<'a>,
    ) -> Self {
        let (listed, joined) = (OnceCell::new(), RefCell::default());
        Self { view: reach.view, sets, sources, further, reach, listed, joined }
    }

    /// The first seed of a node's key.
    pub fn first_at(&self, node: Node) -> Option<Seed<'a>> {
        match self.sources.get(self.view.nodes.key(node)) {
            Some(&(rank, source)) => Some(Seed { rank: 2 * rank, source, is_joined: false }),
            None => self.joined_with(node)?.seeds.first().copied(),
        }
    }

    /// Every seed of a node's key, by order: its own sources, or else those that it is joined with.
    pub fn all_at(&self, node: Node) -> Vec<Seed<'a>> {
        let key = self.view.nodes.key(node);
        if self.sources.contains_key(key) {
            let listed = self.listed_at(key);
            return listed.map(|(rank, source)| seed(rank, source, false)).collect();
        }
        self.joined_with(node).map_or_else(Vec::new, |joined| joined.seeds.to_vec())
    }

    /// What a node's key is joined with; it may be a source itself.
    pub fn joined_with(&self, node: Node) -> Option<JoinedSeeds<'a>> {
        let first = self.view.nodes.first(node);
        let root = self.sets.root(first);
        let listed = self.listed_in(root)?;
        let known = self.joined.borrow().get(&root).cloned();
        let of_set = known.unwrap_or_else(|| {
            let found = Rc::new(self.find(listed));
            self.joined.borrow_mut().insert(root, Rc::clone(&found));
            found
        });
        of_set.get(&first).cloned()
    }

    /// The listed keys of a set, by their first nodes, if it has any.
    pub fn listed_in(&self, root: Node) -> Option<&[Node]> {
        if self.sets.size(root) < 2 {
            return None;
        }
        let listed = self.listed.get_or_init(|| {
            let mut listed: HashMap<Node, Vec<Node>> = HashMap::new();
            for key in self.sources.keys() {
                let Some(&node) = self.view.nodes.of_key(key).first() else { continue };
                listed.entry(self.sets.root(node)).or_default().push(node);
            }
            listed
        });
        listed.get(&root).map(Vec::as_slice)
    }

    /// Whether the budget ran out.
    pub fn is_cut_short(&self) -> bool {
        self.reach.work.is_cut_short()
    }

    /// The first source of some listed keys.
    pub fn first_of(&self, listed: &[Node]) -> Option<&'a Source> {
        let firsts = listed.iter().filter_map(|&node| self.sources.get(self.view.nodes.key(node)));
        firsts.min_by_key(|(rank, _)| *rank).map(|&(_, source)| source)
    }

    fn listed_at(&self, key: &PackedKey) -> impl Iterator<Item = (u32, &'a Source)> {
        let first = self.sources.get(key).copied();
        let others = first.and_then(|(_, source)| self.further.get(&(*key, source.kind)));
        first.into_iter().chain(others.into_iter().flatten().copied())
    }

    fn find(&self, listed: &[Node]) -> HashMap<Node, JoinedSeeds<'a>> {
        let joining = Joining::of(self.reach, self.sets, listed);
        let seeds = |member: &Member| -> Rc<[Seed<'a>]> {
            let places = joining.joined_with(member).into_iter();
            let keys = places.map(|place| self.view.nodes.key(listed[place]));
            let of_keys = keys.flat_map(|key| self.listed_at(key));
            let mut seeds: Vec<_> =
                of_keys.map(|(rank, source)| seed(rank, source, true)).collect();
            seeds.sort_unstable_by_key(|seed| seed.rank);
            seeds.into()
        };
        let own: HashSet<Node> = listed.iter().copied().collect();
        let mut alike: HashMap<Member, Rc<[Seed<'a>]>> = HashMap::new();
        let members = joining.members.iter().map(|(&node, member)| {
            let is_inside = joining.is_inside(member);
            let beside = if is_inside { Vec::new() } else { member.beside.clone() };
            let of = Member { cluster: member.cluster, beside };
            let seeds = alike.entry(of.clone()).or_insert_with(|| seeds(&of)).clone();
            let own = usize::from(own.contains(&node));
            let mut beside = member.beside.iter().map(|&tx| &joining.transactions[tx].listed);
            (node, JoinedSeeds { seeds, is_beside: beside.any(|listed| listed.len() > own) })
        });
        members.filter(|(_, joined)| !joined.seeds.is_empty()).collect()
    }
}

fn seed(rank: u32, source: &Source, is_joined: bool) -> Seed<'_> {
    Seed { rank: 2 * rank + u32::from(is_joined), source, is_joined }
}
