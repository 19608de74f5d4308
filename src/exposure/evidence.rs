//! What a label rests on: its path, walked back along the labels, and what stands around it.
//! Bounded; says where it was cut short. Changes nothing.

use std::collections::{BTreeSet, HashSet};

use super::edges::Edge;
use super::hops::{Entry, Hops, Tag};
use super::nodes::{FIRST, Node, STOP, TX, UNKNOWN};
use super::path_ends::{Origin, kind_index};
use super::search::HopRef;
use super::shares::NotCounted;
use super::view::mask;
use super::{Direction, Label, World};
use crate::domain::packed_key::PackedKey;

/// The most rows, and the most keys of each sort, that evidence names.
const MOST: usize = 10_000;

/// What a label rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelEvidence {
    /// The path that the label stands for, in the order in which funds moved.
    pub path: Vec<HopRef>,
    /// The hops when the order of time is ignored, never more than the label's; those where the
    /// search for fewer was cut short. For a label by a hub, the label's.
    pub plain_hops: u8,
    /// Chain time of the first transfer between the key and an address on a path of so few hops.
    pub first_time: Option<u64>,
    pub last_time: Option<u64>,
    /// Transfers with sources of the kind themselves, by row.
    pub direct_rows: Vec<u64>,
    /// Transfers of the key, in this direction, of assets without known value.
    pub unvalued: u64,
    /// Transfers of the key, in this direction, at whose other end it is not known who is.
    pub unknown: u64,
    /// Stops, but for hubs, at the other end of the key's transfers.
    pub stops_met: Vec<PackedKey>,
    /// Untagged hubs there.
    pub hubs_met: Vec<PackedKey>,
    /// Whether the budget ran out: the answer holds, and more may be true.
    pub cut_short: bool,
    /// Edges that were looked at.
    pub examined: u64,
}

/// An arrival at a node on the way back.
#[derive(Clone, Copy)]
struct At {
    node: Node,
    entry: Entry,
    by_hub: bool,
}

impl World {
    /// What a label of one of the keys (of one address) rests on; `None` where the working labels
    /// do not have it (any more). Looks at no more than about `budget` edges.
    pub fn evidence(
        &self,
        keys: &[PackedKey],
        label: &Label,
        budget: u64,
    ) -> Option<LabelEvidence> {
        let kind = kind_index(label.kind)?;
        let hops =
            self.tiers.iter().find(|of| of.direction == label.direction && of.kind == kind)?;
        let targets = self.targets(keys);
        let mut evidence = LabelEvidence {
            path: self.trace(hops, self.start(hops, &targets, label)?)?,
            plain_hops: label.hops,
            ..LabelEvidence::default()
        };
        for &node in &targets {
            self.around(hops, node, label, budget, &mut evidence);
        }
        evidence.direct_rows.sort_unstable();
        evidence.direct_rows.dedup();
        for met in [&mut evidence.stops_met, &mut evidence.hubs_met] {
            met.sort_unstable();
            met.dedup();
        }
        if !label.hub {
            self.plain(hops, &targets, label.hops, budget, &mut evidence);
        }
        Some(evidence)
    }

    /// The arrival that a label shows.
    fn start(&self, hops: &Hops, targets: &[Node], label: &Label) -> Option<At> {
        let fold = mask(hops.direction);
        let origin = Origin::new(label.source, label.common_input);
        let found = targets.iter().filter_map(|&node| {
            let entry = |arrival, tag| Entry { arrival, next: super::hops::NONE, tag };
            let entry = match label.hops {
                _ if label.hub => {
                    let by = hops.by_hub.get(&node)?;
                    entry(by.arrival, by.tag)
                }
                1 => {
                    let dealt = hops.dealt.get(&node)?;
                    entry(dealt.arrival, dealt.tag)
                }
                _ => *hops.first(node)?,
            };
            let is_it = entry.tag == Tag::new(label.hops, label.timing, origin);
            is_it.then_some(At { node, entry, by_hub: label.hub })
        });
        found.min_by_key(|at| {
            self.clocks.time(self.nodes.clock(at.node), at.entry.arrival ^ fold) ^ fold
        })
    }

    /// Walks back from an arrival to its source.
    fn trace(&self, hops: &Hops, start: At) -> Option<Vec<HopRef>> {
        let mut path = Vec::new();
        let mut at = start;
        loop {
            let (hop, before) = self.step_back(hops, at)?;
            path.push(hop);
            match before {
                Some(before) => at = before,
                None => break,
            }
        }
        if hops.direction == Direction::ReceivedFrom {
            path.reverse();
        }
        Some(path)
    }

    /// The hop by which it arrived, and the arrival before that; `None` if that is the source.
    fn step_back(&self, hops: &Hops, at: At) -> Option<(HopRef, Option<At>)> {
        let key = at.entry.arrival ^ mask(hops.direction);
        let back = self.view().back(hops.direction);
        for edge in back.between(at.node, key, key).flatten().filter(|edge| edge.counts()) {
            if !self.nodes.has(edge.node(), TX) {
                if let Some(before) = self.before(hops, at, edge.node(), key) {
                    let hop = self.hop(hops, u64::from(edge.id), edge.node(), at.node, key);
                    return Some((hop, before));
                }
                continue;
            }
            let row = u64::from(self.nodes.row(edge.node()));
            for leg in back.pieces(edge.node()).flatten().filter(|leg| leg.counts()) {
                if leg.node() == at.node {
                    continue;
                }
                if let Some(before) = self.before(hops, at, leg.node(), key) {
                    return Some((self.hop(hops, row, leg.node(), at.node, key), before));
                }
            }
        }
        None
    }

    fn hop(&self, hops: &Hops, row: u64, tail: Node, head: Node, key: u64) -> HopRef {
        let (from, to) = match hops.direction {
            Direction::ReceivedFrom => (tail, head),
            Direction::SentTo => (head, tail),
        };
        let time = self.clocks.time(self.nodes.clock(head), key);
        HopRef { row, from: *self.nodes.key(from), to: *self.nodes.key(to), time }
    }

    /// The arrival at `tail` from which the one at `at` can have come at `key`, if it can:
    /// `Some(None)` where the tail is the source.
    fn before(&self, hops: &Hops, at: At, tail: Node, key: u64) -> Option<Option<At>> {
        let tag = at.entry.tag;
        let view = self.view();
        let clock = self.nodes.clock(at.node);
        if tag.hops() == 1 {
            // At one hop it may be another source of the key than its first.
            let mut origins = self.parties.standing(self.nodes.key(tail), hops.kind);
            let is_it = hops.is_source(tail)
                && origins.any(|origin| origin == tag.origin())
                && view.timing(tag.origin(), clock, key) == tag.timing();
            return is_it.then_some(None);
        }
        if self.nodes.has(tail, STOP) {
            return None;
        }
        let folded = key ^ mask(hops.direction);
        let found = self.nodes.group(&tail).iter().find_map(|&twin| {
            let entry = hops.at(twin, tag.hops() - 1).0?;
            let from = self.nodes.clock(twin);
            let allowed = view.convert(hops.direction, entry.arrival, from, clock) <= folded
                && view.cuts(hops.direction, twin, tail) == at.by_hub;
            let is_it = allowed && entry.tag == tag.at(tag.hops() - 1);
            is_it.then_some(At { node: twin, entry, by_hub: false })
        });
        found.map(Some)
    }

    /// Looks at the key's own transfers.
    fn around(
        &self,
        hops: &Hops,
        node: Node,
        label: &Label,
        budget: u64,
        found: &mut LabelEvidence,
    ) {
        let back = self.view().back(hops.direction);
        for edge in back.pieces(node).flatten() {
            found.examined += 1;
            if found.examined > budget {
                found.cut_short = true;
                return;
            }
            let is_tx = self.nodes.has(edge.node(), TX);
            let why = self.values.of(is_tx, edge.id).0.why();
            found.unvalued += u64::from(why == Some(NotCounted::UnvaluedAsset));
            if !is_tx {
                self.look(hops, (node, edge), edge.node(), u64::from(edge.id), label, found);
                found.unknown += u64::from(edge.node() == UNKNOWN);
                continue;
            }
            let row = u64::from(self.nodes.row(edge.node()));
            let mut unknown = false;
            for leg in back.pieces(edge.node()).flatten() {
                found.examined += 1;
                unknown |= leg.node() == UNKNOWN;
                if leg.counts() {
                    self.look(hops, (node, edge), leg.node(), row, label, found);
                }
            }
            found.unknown += u64::from(unknown);
        }
    }

    /// Looks at one other end.
    fn look(
        &self,
        hops: &Hops,
        (node, edge): (Node, &Edge),
        other: Node,
        row: u64,
        label: &Label,
        found: &mut LabelEvidence,
    ) {
        if !edge.counts() || other < FIRST || other == node {
            return;
        }
        let key = *self.nodes.key(other);
        let is_source = hops.is_source(other);
        let twins = self.nodes.group(&other);
        let is_cut = |twin: &Node| self.view().cuts(hops.direction, *twin, other);
        if twins.iter().any(is_cut) && !is_source {
            keep(&mut found.hubs_met, key, &mut found.cut_short);
        } else if self.nodes.has(other, STOP) && !is_source {
            keep(&mut found.stops_met, key, &mut found.cut_short);
        }
        if is_source {
            keep(&mut found.direct_rows, row, &mut found.cut_short);
        }
        if self.is_on_path(hops, node, other, edge.key, label) {
            let time = self.clocks.time(self.nodes.clock(node), edge.key);
            found.first_time = Some(found.first_time.map_or(time, |first| first.min(time)));
            found.last_time = Some(found.last_time.map_or(time, |last| last.max(time)));
        }
    }

    /// Whether a transfer with `other` ends a path of as few hops as the label's.
    fn is_on_path(&self, hops: &Hops, node: Node, other: Node, key: u64, label: &Label) -> bool {
        let before = label.hops - 1;
        if before == 0 {
            return hops.is_source(other);
        }
        if self.nodes.has(other, STOP) {
            return false;
        }
        let (view, clock) = (self.view(), self.nodes.clock(node));
        self.nodes.group(&other).iter().any(|&twin| {
            hops.at(twin, before).0.is_some_and(|entry| {
                let from = self.nodes.clock(twin);
                let is_it = view.cuts(hops.direction, twin, other) == label.hub;
                is_it
                    && view.convert(hops.direction, entry.arrival, from, clock)
                        <= key ^ mask(hops.direction)
            })
        })
    }

    /// The fewest hops when time is ignored, by a search back from the key.
    fn plain(
        &self,
        hops: &Hops,
        targets: &[Node],
        most: u8,
        budget: u64,
        found: &mut LabelEvidence,
    ) {
        let back = self.view().back(hops.direction);
        let mut seen: HashSet<Node> = targets.iter().copied().collect();
        let mut open: BTreeSet<Node> = targets.iter().copied().collect();
        // A source at the level of the label is known.
        for depth in 1..most {
            let mut next = BTreeSet::new();
            let mut transactions = BTreeSet::new();
            while let Some(node) = open.pop_first().or_else(|| transactions.pop_first()) {
                for edge in back.pieces(node).flatten() {
                    found.examined += 1;
                    if found.examined > budget {
                        found.cut_short = true;
                        return;
                    }
                    if !edge.counts() || !seen.insert(edge.node()) {
                        continue;
                    }
                    if self.nodes.has(edge.node(), TX) {
                        transactions.insert(edge.node());
                        continue;
                    }
                    if hops.is_source(edge.node()) {
                        found.plain_hops = depth;
                        return;
                    }
                    let other = edge.node();
                    for &twin in self.nodes.group(&other) {
                        if self.view().passes(hops.direction, twin, other, depth) {
                            seen.insert(twin);
                            next.insert(twin);
                        }
                    }
                }
            }
            open = next;
        }
    }
}

/// Adds one, up to [`MOST`].
fn keep<T: PartialEq>(list: &mut Vec<T>, item: T, cut_short: &mut bool) {
    if list.last() == Some(&item) {
        return;
    }
    if list.len() < MOST {
        list.push(item);
    } else {
        *cut_short = true;
    }
}
