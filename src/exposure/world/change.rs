//! Updates labels incrementally after insertions, and tells which kinds must be rebuilt instead.

use hashbrown::HashSet;

use super::super::hops::Hops;
use super::super::hubs::by_hubs;
use super::super::nodes::{Node, TX};
use super::super::path_ends::KINDS;
use super::super::path_ends::PathEndsChange;
use super::super::relax::{Inserted, relax};
use super::super::table::Table;
use super::{Pending, Relabelling, World};
use crate::domain::packed_key::PackedKey;

impl World {
    /// Changes labels by what is pending: gives what to add to the persisted form. Labels of kinds
    /// that lost a source, or have their first, are left out and must be built.
    pub(super) fn change(&mut self, pending: &Pending) -> (Relabelling, Option<Vec<u8>>) {
        let mut dirty = HashSet::new();
        let tiers = std::mem::take(&mut self.tiers);
        let first_source = self.labels.sources.len();
        for mut hops in tiers {
            if pending.parties.removed[hops.kind] {
                continue;
            }
            self.change_tier(&mut hops, pending, &mut dirty);
            self.tiers.push(hops);
        }
        let has_tier = |kind| self.tiers.iter().any(|hops| hops.kind == kind);
        let misses = (0..KINDS).any(|kind| !has_tier(kind) && self.parties.has_kind(kind));
        if misses || pending.parties.removed.contains(&true) {
            return (Relabelling::Rebuilt, None);
        }
        dirty.extend(&pending.joined);
        for edge in &pending.fresh {
            dirty.extend([edge.from, edge.to()].into_iter().filter(|&node| self.is_direct(node)));
        }
        let change = self.changed_keys(&dirty);
        self.stamp_labels();
        let delta = self.labels.delta(first_source, &change);
        if change.len() == 0 {
            return (Relabelling::Incremental, Some(delta));
        }
        self.labels.changed(change);
        let is_folded = self.labels.tables.len() == 1;
        (Relabelling::Incremental, (!is_folded).then_some(delta))
    }

    fn change_tier(&self, hops: &mut Hops, pending: &Pending, dirty: &mut HashSet<Node>) {
        let PathEndsChange { added, joined, widened, seen, listed, .. } = &pending.parties;
        let of_kind = |(_, kind): &&(PackedKey, usize)| *kind == hops.kind;
        let is_other = added.iter().any(|of| of_kind(&of));
        let new = added.iter().chain(joined).chain(widened).chain(seen).filter(of_kind);
        let sources: Vec<_> = new
            .filter_map(|(key, kind)| Some((key, self.parties.seed(key, *kind)?)))
            .flat_map(|(key, origin)| {
                self.nodes.of_key(key).into_iter().map(move |node| (node, origin))
            })
            .collect();
        let inserted = Inserted { edges: &pending.fresh, sources };
        let (changed, hubs_changed) = relax(self.view(), hops, &inserted);
        dirty.extend(changed);
        if hubs_changed {
            dirty.extend(hops.by_hub.keys());
            by_hubs(self.view(), hops, &self.watch);
            dirty.extend(hops.by_hub.keys());
        }
        if is_other {
            self.sum_direct(hops);
            dirty.extend(hops.dealt.keys());
        } else {
            let of_kind = |all: &[(PackedKey, usize)]| -> HashSet<PackedKey> {
                all.iter().filter(|(_, kind)| *kind == hops.kind).map(|(key, _)| *key).collect()
            };
            let (widened, joined) = (of_kind(widened), of_kind(joined));
            dirty.extend(self.widen_direct_of(hops, &widened));
            dirty.extend(self.add_direct_of_joined(hops, &joined, &pending.fresh));
            self.add_direct_of(hops, &pending.fresh);
        }
        if listed.is_empty() {
            self.count_unvalued_of(hops, &pending.fresh);
        } else {
            self.count_unvalued(hops);
            dirty.extend(hops.unvalued.keys());
        }
    }

    /// Whether the key of a node has a label of one hop, or unvalued dealings: what is shown of
    /// these may change with any transfer.
    fn is_direct(&self, node: Node) -> bool {
        !self.nodes.has(node, TX)
            && self.nodes.group(&node).iter().any(|&twin| {
                let is_one = |hops: &Hops| hops.first(twin).is_some_and(|of| of.tag.hops() == 1);
                let is_direct = |hops: &Hops| is_one(hops) || hops.unvalued.contains_key(&twin);
                self.tiers.iter().any(is_direct)
            })
    }

    /// What is shown of the keys of nodes, where it is not what was shown before.
    fn changed_keys(&self, dirty: &HashSet<Node>) -> Table {
        let shown = self.shown();
        let keys = dirty.iter().filter(|&&node| !self.nodes.has(node, TX));
        let firsts: HashSet<_> = keys.map(|&node| self.nodes.first(node)).collect();
        let mut rows: Vec<(PackedKey, Vec<u64>)> = Vec::new();
        let mut words = Vec::new();
        for first in firsts {
            words.clear();
            shown.words(first, &mut words);
            let key = self.nodes.key(first);
            if self.labels.words(key) != words {
                rows.push((*key, words.clone()));
            }
        }
        Table::from_unsorted(rows)
    }
}
