//! Clusters by common inputs: which keys are taken for one owner's, and what an officer asks of them.
//! An estimate: the multi-input heuristic. Judges nothing.

mod inputs;
mod joining;
mod sets;

pub(super) use inputs::{Inputs, joins};
pub(super) use joining::{Joining, Member, Reach};
pub(super) use sets::Sets;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::dust::Work;
use super::hub_list::Volume;
use super::nodes::Node;
use super::path_ends::{KINDS, Origin};
use super::seeds::Seeds;
use super::{CommonInput, Source, World};
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;

/// Two keys that stood as inputs of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Join {
    /// The row of the transaction.
    pub row: u64,
    pub from: PackedKey,
    pub to: PackedKey,
    /// The chain time, in Unix seconds.
    pub time: u64,
}

/// A chain of transactions that joins two keys, as few as there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinChain {
    /// From the first key to the last; none where they are not joined, or the budget ran out.
    pub joins: Vec<Join>,
    /// Whether the budget ran out.
    pub cut_short: bool,
    /// Edges that were looked at.
    pub examined: u64,
}

/// What a search for common inputs with sources found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommonInputSearch {
    /// One a kind, each with the first by order of the sources.
    pub found: Vec<(CommonInput, Source)>,
    /// Whether the budget ran out: more may be true.
    pub cut_short: bool,
    /// Edges that were looked at.
    pub examined: u64,
}

/// Asks for a page of a cluster's members.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClusterQuery {
    /// The last member of the page before.
    pub after: Option<PackedKey>,
    /// At most so many members.
    pub limit: usize,
    /// How many edges the page may look at, at most.
    pub budget: u64,
}

/// A member of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterMember {
    pub key: PackedKey,
    /// The first transaction that joins it with another member, from it to the other; `None` where
    /// the page may look at no more.
    pub joined_by: Option<Join>,
    /// The sources in force that it is.
    pub sources: Vec<Source>,
}

/// A cluster, and a page of its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterPage {
    /// How many keys are joined, over any chain of transactions; 1 where the key is joined with none.
    pub keys: u64,
    /// Whether these are more than the cluster limit: they are not all taken for one owner's.
    pub is_cut: bool,
    /// How many transactions join them; `None` where the page may look at no more.
    pub transactions: Option<u64>,
    /// How many members are listed.
    pub listed: u64,
    /// The first listed members, by key, each with its sources.
    pub first_listed: Vec<(PackedKey, Vec<Source>)>,
    /// What the members received and sent, by chain and asset; what moved between members too.
    pub volumes: Vec<(Chain, Volume)>,
    /// By key.
    pub members: Vec<ClusterMember>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<PackedKey>,
}

/// The largest cluster whose members and totals are put together.
const MOST_MEMBERS: u64 = 1_000_000;

/// The most listed members that a page names.
const MOST_LISTED: usize = 1_000;

/// A key that a search for a chain came to: from which, by what.
struct Step {
    time: u64,
    row: u32,
    from: Node,
}

/// What keys are joined with up to a moment, whatever the limit; found once a key.
struct Reached<'a> {
    reach: Reach<'a>,
    known: RefCell<HashMap<Node, hashbrown::HashSet<Node>>>,
}

impl Reached<'_> {
    /// Whether two keys of one set were joined; also where it would take too long to see.
    fn may_join(&self, first: Node, listed: Node) -> bool {
        if self.reach.until == u64::MAX {
            return true;
        }
        let mut known = self.known.borrow_mut();
        let all = known.entry(first).or_insert_with(|| self.reach.joined_with(first));
        self.reach.work.is_cut_short() || all.contains(&listed)
    }
}

impl World {
    /// Sources, those in force or others, that the keys (of one address) are joined with by common
    /// inputs up to a moment, in Unix seconds. Kinds of which one of the keys is a source are left
    /// out. Exact unless cut short; but where it would take too long to see how far a cluster beyond
    /// the limit reached at an earlier moment, it is taken for as large as it is now.
    pub fn common_inputs_as_of(
        &self,
        keys: &[PackedKey],
        until: u64,
        sources: Option<&[Source]>,
        budget: u64,
    ) -> CommonInputSearch {
        let (by_kind, further) = self.by_kind(sources);
        let work = Work::new(budget);
        let mut firsts: Vec<Node> =
            self.targets(keys).into_iter().map(|node| self.nodes.first(node)).collect();
        firsts.dedup();
        let mut found = Vec::new();
        let earlier = Work::new(budget.min(MOST_MEMBERS));
        let reach = Reach { view: self.view(), until, limit: usize::MAX, work: &earlier };
        let reached = Reached { reach, known: RefCell::default() };
        for (&kind, sources) in &by_kind {
            if keys.iter().any(|key| sources.contains_key(key)) {
                continue;
            }
            let seeds = self.seeds(sources, &further, until, &work);
            let of_keys =
                firsts.iter().filter_map(|&first| self.common_input(&seeds, first, &reached));
            let of_keys: Vec<_> = of_keys.collect();
            let best = of_keys.iter().min_by_key(|(of, source)| (of.is_cut, *source));
            if let Some((of, source)) = best {
                let is_beside = of_keys.iter().any(|(of, _)| of.is_beside);
                found.push((CommonInput { kind, is_beside, ..*of }, (*source).clone()));
            }
        }
        let examined = work.looked_at().saturating_add(earlier.looked_at());
        let cut_short = work.is_cut_short();
        CommonInputSearch { found, cut_short, examined }
    }

    /// What a key is joined with of one kind, or its cluster is too large for.
    fn common_input<'a>(
        &self,
        seeds: &Seeds<'a>,
        first: Node,
        reached: &Reached<'_>,
    ) -> Option<(CommonInput, &'a Source)> {
        if let Some(joined) = seeds.joined_with(first) {
            let source = joined.seeds.first()?.source;
            let (kind, is_beside) = (source.kind, joined.is_beside);
            return Some((CommonInput { kind, is_beside, is_cut: false }, source));
        }
        let listed = seeds.listed_in(self.clusters.sets.root(first))?;
        let reached: Vec<Node> =
            listed.iter().copied().filter(|&of| reached.may_join(first, of)).collect();
        let source = seeds.first_of(&reached)?;
        let of = CommonInput { kind: source.kind, is_beside: false, is_cut: true };
        Some((of, source))
    }

    /// A shortest chain of transactions up to a moment, in Unix seconds, that joins one of the keys (of
    /// one address) with `to`.
    pub fn join_chain(
        &self,
        keys: &[PackedKey],
        to: &PackedKey,
        until: u64,
        budget: u64,
    ) -> JoinChain {
        let work = Work::new(budget);
        let reach = Reach { view: self.view(), until, limit: usize::MAX, work: &work };
        let mut joins = Vec::new();
        let firsts: BTreeSet<Node> =
            self.targets(keys).into_iter().map(|node| self.nodes.first(node)).collect();
        if let Some(&end) = self.nodes.of_key(to).first()
            && !firsts.contains(&end)
        {
            let steps = self.steps_to(reach, &firsts, end);
            let mut at = end;
            while let Some(Step { time, row, from }) = steps.get(&at) {
                let (from_key, to_key) = (*self.nodes.key(*from), *self.nodes.key(at));
                let row = u64::from(*row);
                joins.push(Join { row, from: from_key, to: to_key, time: *time });
                at = *from;
            }
            joins.reverse();
        }
        JoinChain { joins, cut_short: work.is_cut_short(), examined: work.looked_at() }
    }

    /// How each key is reached from some, transaction by transaction, until `end` is; nothing where it
    /// is not. Of several ways over as many transactions the first in time.
    fn steps_to(
        &self,
        reach: Reach<'_>,
        firsts: &BTreeSet<Node>,
        end: Node,
    ) -> HashMap<Node, Step> {
        let mut steps: HashMap<Node, Step> = HashMap::new();
        let (mut open, mut looked_at) = (firsts.clone(), HashSet::new());
        let mut inputs = Inputs::default();
        while !open.is_empty() && !steps.contains_key(&end) {
            let mut next: BTreeMap<Node, Step> = BTreeMap::new();
            let mut transactions = Vec::new();
            for &from in &open {
                let own = reach.transactions_of(from);
                transactions.extend(own.map(|(time, tx)| (time, self.nodes.row(tx), tx, from)));
            }
            transactions.sort_unstable();
            for of_tx in transactions.chunk_by(|(.., a, _), (.., b, _)| a == b) {
                let Some(&(time, row, tx, _)) = of_tx.first() else { continue };
                if looked_at.contains(&tx) {
                    continue;
                }
                reach.work.add(inputs.read(reach.view, tx));
                // A stop, or one of several holders, is an input and not joined.
                let is_joined = |from: &Node| inputs.keys.binary_search(from).is_ok();
                let mut froms = of_tx.iter().map(|&(.., from)| from);
                let Some(from) = froms.find(is_joined) else { continue };
                looked_at.insert(tx);
                let is_new = |key: &&Node| !firsts.contains(*key) && !steps.contains_key(*key);
                for &key in inputs.keys.iter().filter(is_new) {
                    next.entry(key).or_insert(Step { time, row, from });
                }
            }
            if reach.work.is_cut_short() {
                return HashMap::new();
            }
            open = next.keys().copied().collect();
            steps.extend(next);
        }
        if steps.contains_key(&end) { steps } else { HashMap::new() }
    }

    /// The cluster of the keys (of one address), and a page of its members; `None` where no transfer
    /// names any of the keys. Members and totals of a cluster of more than a million keys are not put
    /// together.
    pub fn cluster(&self, keys: &[PackedKey], query: &ClusterQuery) -> Option<ClusterPage> {
        let sets = &self.clusters.sets;
        let nodes = self.targets(keys).into_iter();
        let roots: BTreeSet<Node> = nodes.map(|node| sets.root(self.nodes.first(node))).collect();
        if roots.is_empty() {
            return None;
        }
        let size: u64 = roots.iter().map(|&root| u64::from(sets.size(root))).sum();
        let mut listed: Vec<Node> = roots.iter().flat_map(|&root| self.listed_of(root)).collect();
        listed.sort_unstable_by_key(|&node| self.nodes.key(node));
        let sources = |node: Node| (*self.nodes.key(node), self.sources_at(node));
        let mut page = ClusterPage {
            keys: size,
            is_cut: roots.iter().any(|&root| sets.size(root) as usize > self.clusters.limit),
            listed: listed.len() as u64,
            first_listed: listed.iter().take(MOST_LISTED).map(|&node| sources(node)).collect(),
            ..ClusterPage::default()
        };
        if size > MOST_MEMBERS {
            return Some(page);
        }
        let members: Vec<Node> = roots.iter().flat_map(|&root| sets.members(root)).collect();
        page.volumes = self.volumes_of(&members);
        let work = Work::new(query.budget);
        let reach = Reach { view: self.view(), until: u64::MAX, limit: usize::MAX, work: &work };
        let mut wanted: Vec<Node> = members.clone();
        wanted.retain(|&node| query.after.is_none_or(|after| *self.nodes.key(node) > after));
        let is_more = wanted.len() > query.limit;
        if is_more {
            wanted.select_nth_unstable_by_key(query.limit, |&node| self.nodes.key(node));
            wanted.truncate(query.limit);
        }
        wanted.sort_unstable_by_key(|&node| self.nodes.key(node));
        page.next = wanted.last().filter(|_| is_more).map(|&node| *self.nodes.key(node));
        let mut inputs = Inputs::default();
        let members_of_page = wanted.into_iter().map(|node| self.member(reach, node, &mut inputs));
        page.members = members_of_page.collect();
        page.transactions = self.count_joining(reach, &members);
        Some(page)
    }

    /// The listed keys of a set, whether or not it has others.
    fn listed_of(&self, root: Node) -> Vec<Node> {
        let is_listed = |node: &Node| self.parties.sources(self.nodes.key(*node)).is_some();
        match self.clusters.listed(root) {
            Some(listed) => listed.collect(),
            None => Some(root).filter(is_listed).into_iter().collect(),
        }
    }

    /// Every source in force that a key is.
    fn sources_at(&self, node: Node) -> Vec<Source> {
        let key = self.nodes.key(node);
        let ids = (0..KINDS).flat_map(|kind| self.parties.listed(key, kind));
        ids.map(|id| self.parties.source(Origin::listed(id)).clone()).collect()
    }

    fn member(&self, reach: Reach<'_>, node: Node, inputs: &mut Inputs) -> ClusterMember {
        let key = *self.nodes.key(node);
        let joined_by = reach.transactions_of(node).find_map(|(time, tx)| {
            if !reach.joins(inputs, tx, node) {
                return None;
            }
            let others = inputs.keys.iter().filter(|&&other| other != node);
            let to = others.map(|&other| self.nodes.key(other)).min()?;
            let row = u64::from(self.nodes.row(tx));
            Some(Join { row, from: key, to: *to, time })
        });
        ClusterMember { key, joined_by, sources: self.sources_at(node) }
    }

    /// How many transactions join some keys; `None` where the budget runs out.
    fn count_joining(&self, reach: Reach<'_>, members: &[Node]) -> Option<u64> {
        let (mut count, mut inputs) = (0, Inputs::default());
        let mut looked_at = HashSet::new();
        for &node in members {
            for (_, tx) in reach.transactions_of(node) {
                // Once for all of its keys.
                if !looked_at.contains(&tx) && reach.joins(&mut inputs, tx, node) {
                    looked_at.insert(tx);
                    count += 1;
                }
            }
            if reach.work.is_cut_short() {
                return None;
            }
        }
        Some(count)
    }

    /// What keys received and sent, by chain and asset.
    fn volumes_of(&self, members: &[Node]) -> Vec<(Chain, Volume)> {
        let mut by_chain: BTreeMap<Chain, Vec<Node>> = BTreeMap::new();
        for &node in members.iter().flat_map(|node| self.nodes.group(node)) {
            let chain = self.clocks.chain(self.nodes.clock(node));
            match by_chain.get_mut(chain) {
                Some(nodes) => nodes.push(node),
                None => {
                    by_chain.insert(chain.clone(), vec![node]);
                }
            }
        }
        let volumes = by_chain.into_iter().flat_map(|(chain, nodes)| {
            let of_chain = self.volumes(&chain, &nodes).into_iter();
            of_chain.map(move |volume| (chain.clone(), volume)).collect::<Vec<_>>()
        });
        volumes.collect()
    }
}
