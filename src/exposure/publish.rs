//! Turns working labels into what is shown of keys: one label a direction and kind over all clocks,
//! with what direct dealings come to, and those by hubs. Computes no hops.

use super::hops::{DirectDealing, Hops, NONE};
use super::labels::{pack, pack_common_input, pack_unvalued};
use super::nodes::{FIRST, Node};
use super::path_ends::{KINDS, Origin};
use super::shares::{AssetId, Totals, Valuation, basis_points};
use super::table::{Builder, Table};
use super::view::{GraphView, mask};
use super::world::Clusters;
use super::{CommonInput, Direct, Direction, Label};
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;

/// What labels are shown from.
#[derive(Clone, Copy)]
pub(super) struct LabelWriter<'a> {
    pub view: GraphView<'a>,
    pub tiers: &'a [Hops],
    pub received: &'a Totals,
    pub sent: &'a Totals,
    pub valuation: &'a Valuation,
    pub clusters: &'a Clusters,
    /// Whether any set with listed keys is beyond the cluster limit.
    pub has_cut: bool,
}

impl LabelWriter<'_> {
    /// The words of the key whose first node it is, appended to `words`.
    pub fn words(&self, first: Node, words: &mut Vec<u64>) {
        for hops in self.tiers {
            for hub in [false, true] {
                words.extend(self.label(hops, first, hub).and_then(pack));
            }
        }
        words.extend(self.tiers.iter().filter_map(|hops| self.unvalued(hops, first)));
        if self.has_cut || self.tiers.iter().any(|hops| hops.is_source(first)) {
            words.extend((0..KINDS).filter_map(|kind| self.common_input(kind, first)));
        }
    }

    /// What a key is joined with by common inputs; nothing of a kind of which it is a source.
    fn common_input(&self, kind: usize, first: Node) -> Option<u64> {
        let (key, parties) = (self.view.nodes.key(first), self.view.parties);
        if parties.is_listed(key, kind) {
            return None;
        }
        let joined = parties.joined(key);
        let source = joined.and_then(|joined| joined.sources[kind].first().copied());
        let is_beside = joined.is_some_and(|joined| joined.is_beside[kind]);
        let (source, is_cut) = match source {
            Some(source) => (source, false),
            None => (self.clusters.cut(first, kind)?, true),
        };
        pack_common_input(CommonInput { kind: ListKind::ALL[kind], is_beside, is_cut }, source)
    }

    /// What a key dealt with sources in assets without a known value; nothing where it is one.
    fn unvalued(&self, hops: &Hops, first: Node) -> Option<u64> {
        if hops.unvalued.is_empty() {
            return None;
        }
        let group = self.view.nodes.group(&first);
        let dealt = || group.iter().filter_map(|node| hops.unvalued.get(node));
        let source = dealt().map(|dealt| dealt.source);
        let source = source.min_by_key(|&source| self.view.parties.rank(Origin::listed(source)))?;
        let is_listed = || self.view.parties.is_listed(self.view.nodes.key(first), hops.kind);
        if hops.is_source(first) && is_listed() {
            return None;
        }
        let rows = dealt().map(|dealt| u64::from(dealt.rows)).sum();
        Some(pack_unvalued(hops.direction, hops.kind, rows, source))
    }

    fn label(&self, hops: &Hops, first: Node, hub: bool) -> Option<Label> {
        let view = self.view;
        let group = view.nodes.group(&first);
        if (hub && hops.by_hub.is_empty()) || hops.is_source(first) {
            return None;
        }
        let found = group.iter().filter_map(|&node| {
            let (arrival, tag) = if hub {
                let by = hops.by_hub.get(&node)?;
                (by.arrival, by.tag)
            } else {
                let entry = hops.first(node)?;
                (entry.arrival, entry.tag)
            };
            Some((node, arrival, tag))
        });
        let (_, _, tag) = found.min_by_key(|&(node, arrival, tag)| {
            // Only several nodes need a common measure.
            let time = if group.len() == 1 { 0 } else { self.time(hops, node, arrival) };
            (tag.hops(), time, view.parties.rank(tag.origin()), tag.timing())
        })?;
        let is_direct = tag.hops() == 1 && !hub;
        let dealt = if is_direct { self.dealt(hops, group) } else { None };
        let tag = dealt.map_or(tag, |dealt| dealt.tag);
        Some(Label {
            direction: hops.direction,
            kind: ListKind::ALL[hops.kind],
            hub,
            hops: tag.hops(),
            source: tag.origin().source(),
            timing: tag.timing(),
            direct: is_direct.then(|| self.direct(hops, group)),
            common_input: tag.origin().is_joined(),
        })
    }

    /// The chain time of an arrival, folded.
    fn time(&self, hops: &Hops, node: Node, arrival: u64) -> u64 {
        let fold = mask(hops.direction);
        self.view.clocks.time(self.view.nodes.clock(node), arrival ^ fold) ^ fold
    }

    /// The first of the gravest direct dealings of a key's nodes.
    fn dealt(&self, hops: &Hops, group: &[Node]) -> Option<DirectDealing> {
        let dealt = group.iter().filter_map(|&node| Some((node, *hops.dealt.get(&node)?)));
        let first = dealt.min_by_key(|&(node, DirectDealing { arrival, tag, .. })| {
            let time = if group.len() == 1 { 0 } else { self.time(hops, node, arrival) };
            let origin = tag.origin();
            (tag.timing(), origin.is_joined(), time, self.view.parties.rank(origin))
        });
        first.map(|(_, dealt)| dealt)
    }

    /// What the direct dealings of a key's nodes come to.
    fn direct(&self, hops: &Hops, group: &[Node]) -> Direct {
        let mut dealt = group.iter().filter_map(|node| hops.dealt.get(node));
        if !dealt.all(|dealt| dealt.is_known) {
            return Direct::default();
        }
        let totals = match hops.direction {
            Direction::ReceivedFrom => self.received,
            Direction::SentTo => self.sent,
        };
        let mut all = Direct { share: Some(0), value: Some(0) };
        for (at, &node) in group.iter().enumerate() {
            for (&(_, asset), _) in hops.direct.range((node, 0)..=(node, AssetId::MAX)) {
                let of = |node: &Node| hops.direct.get(&(*node, asset)).copied();
                // It was summed at the first node that has it.
                if group[..at].iter().any(|node| of(node).is_some()) {
                    continue;
                }
                let part = group[at..].iter().filter_map(of).fold(0, u64::saturating_add);
                let total = group.iter().map(|&node| totals.of(node, asset));
                let share = basis_points(part, total.fold(0, u64::saturating_add));
                let floors = self.valuation.floors(asset, part);
                all = Direct {
                    share: all.share.max(Some(share)),
                    value: all.value.zip(floors).map(|(a, b)| a.saturating_add(b)),
                };
            }
        }
        all
    }

    /// The table of every key that has a label, or unvalued dealings.
    pub fn table(&self) -> Table {
        let nodes = self.view.nodes;
        let mut labelled = vec![false; nodes.len()];
        for hops in self.tiers {
            for (at, &head) in hops.heads.iter().enumerate() {
                labelled[at] |= head != NONE;
            }
            let others = hops.by_hub.keys().chain(hops.unvalued.keys());
            others.for_each(|&node| labelled[node as usize] = true);
        }
        self.clusters.cut_members().for_each(|node| labelled[node as usize] = true);
        let mut firsts = Vec::new();
        for node in FIRST..nodes.len() as Node {
            if labelled[node as usize] && !self.view.is_tx(node) {
                firsts.push(nodes.first(node));
            }
        }
        if nodes.has_twins() {
            firsts.sort_unstable();
            firsts.dedup();
        }
        self.sorted(&firsts)
    }

    /// A table of keys by their first nodes: put in order by their first bits, then among those.
    fn sorted(&self, firsts: &[Node]) -> Table {
        let nodes = self.view.nodes;
        let bits = firsts.len().max(2).ilog2().clamp(1, 22);
        let bucket = |key: &PackedKey| {
            (u32::from_be_bytes([key.0[1], key.0[2], key.0[3], key.0[4]]) >> (32 - bits)) as usize
        };
        let mut next = vec![0_u32; (1 << bits) + 1];
        for &node in firsts {
            next[bucket(nodes.key(node)) + 1] += 1;
        }
        for at in 1..next.len() {
            next[at] += next[at - 1];
        }
        let mut sorted = vec![(PackedKey([0; 21]), 0); firsts.len()];
        for (number, &node) in firsts.iter().enumerate() {
            let key = nodes.key(node);
            let at = &mut next[bucket(key)];
            sorted[*at as usize] = (*key, number);
            *at += 1;
        }
        let mut start = 0;
        for &end in &next[..1 << bits] {
            let end = end as usize;
            sorted[start..end]
                .sort_unstable_by(|(a, _), (b, _)| (&a.0[1..], a.0[0]).cmp(&(&b.0[1..], b.0[0])));
            start = end;
        }
        let (head, tail) = firsts.split_at(firsts.len() / 2);
        let (head, tail) = std::thread::scope(|scope| {
            let tail = scope.spawn(|| self.rows(tail));
            (self.rows(head), tail.join())
        });
        // A panic there is one here.
        let tail = tail.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let count = head.words.len() + tail.words.len();
        let mut builder = Builder::new(sorted.len(), count);
        for (key, number) in sorted {
            let words = match number.checked_sub(head.ends.len()) {
                None => head.of(number),
                Some(number) => tail.of(number),
            };
            if !words.is_empty() {
                builder.push(key, words);
            }
        }
        builder.finish()
    }

    /// The words of keys by their first nodes, in that order: labels are read in the order in which
    /// they lie, and only what is shown is put in that of keys.
    fn rows(&self, firsts: &[Node]) -> Rows {
        let (mut ends, mut words) = (Vec::with_capacity(firsts.len()), Vec::new());
        for &node in firsts {
            self.words(node, &mut words);
            ends.push(words.len());
        }
        Rows { ends, words }
    }
}

/// Words of keys, one after the other.
struct Rows {
    ends: Vec<usize>,
    words: Vec<u64>,
}

impl Rows {
    fn of(&self, number: usize) -> &[u64] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[start..self.ends[number]]
    }
}
