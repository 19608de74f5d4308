//! What a label rests on: its path, the times of the key's own transfers on such paths, the hops
//! when time is ignored, the direct dealings, and what stands around.

use std::collections::HashSet;

use super::super::nodes::{HUB, Node, STOP, TX};
use super::super::parties::kind_index;
use super::super::{Direction, Label, World};
use super::first::{Ask, nearest};
use super::{Budget, Path, Sources, Window};
use crate::domain::packed_key::PackedKey;

/// What a label rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The path of the fewest hops that arrived first; `None` where the search was cut short.
    pub path: Option<Path>,
    /// The hops when the order of time is ignored, never more than the label's; `None` where the
    /// search was cut short.
    pub plain_hops: Option<u8>,
    /// The first and the last chain time of the key's own transfers on a path of as many hops.
    pub times: Option<(u64, u64)>,
    /// The rows of counting transfers with sources of the kind themselves, ascending, each once.
    pub direct_rows: Vec<u64>,
    /// Transfers of the key, in the direction, of assets without a known value.
    pub unvalued: u64,
    /// Transfers of the key, in the direction, whose other end is not known.
    pub unknown: u64,
    /// Keys at the other end of the key's transfers which paths do not pass, at most 20.
    pub stops_met: Vec<PackedKey>,
    /// Untagged hubs among them.
    pub hubs_met: Vec<PackedKey>,
    /// Whether a search was cut short: what is said holds, and more may be true.
    pub cut_short: bool,
}

impl World {
    /// What a label of a key in force rests on.
    pub fn evidence(&self, key: &PackedKey, label: &Label, budget: &mut Budget) -> Evidence {
        let Some(kind) = kind_index(label.kind) else { return Evidence::default() };
        let Label { direction, hub, hops: max_hops, .. } = *label;
        let (sources, window) = (Sources::new(self, None), Window::new(self, None, None));
        let ask = Ask { direction, kind, hub, max_hops };
        let path = nearest(self, key, ask, &sources, &window, budget);
        let mut evidence = Evidence { path, ..Evidence::default() };
        self.dealings(key, label, kind, budget, &mut evidence);
        let plain = self.plain_hops(key, direction, kind, max_hops, budget);
        evidence.plain_hops = plain;
        evidence.cut_short = budget.is_out();
        evidence
    }

    /// The key's own transfers: those on a path of as many hops, and those with sources.
    fn dealings(
        &self,
        key: &PackedKey,
        label: &Label,
        kind: usize,
        budget: &mut Budget,
        evidence: &mut Evidence,
    ) {
        let direction = label.direction;
        let tier = self.tiers.iter().find(|t| t.direction == direction && t.kind == kind);
        let ground = self.ground();
        let mut rows = Vec::new();
        let mut times: Option<(u64, u64)> = None;
        let around = self.around(key, direction, budget, |node, edge, other| {
            let other_key = self.nodes.key(other);
            if self.parties.sources(other_key).is_some_and(|of| of[kind].is_some()) {
                rows.push(self.row_of(node, edge.node(), edge.id));
            }
            let folded = edge.key ^ super::super::ground::mask(direction);
            let clock = self.nodes.clock(node);
            let is_end = |twin: Node| {
                let convert = |at| ground.convert(direction, at, self.nodes.clock(twin), clock);
                let passes = self.nodes.has(other, HUB) == label.hub || label.hops == 1;
                passes
                    && tier.is_some_and(|tier| {
                        tier.of(twin).any(|entry| {
                            entry.tag.hops() + 1 == label.hops && convert(entry.arrival) <= folded
                        })
                    })
                    && (label.hops == 1 || label.hub || !self.nodes.has(other, STOP))
            };
            if self.nodes.group(&other).iter().any(|&twin| is_end(twin)) {
                let time = ground.clocks.time(clock, edge.key);
                let (first, last) = times.unwrap_or((time, time));
                times = Some((first.min(time), last.max(time)));
            }
        });
        rows.sort_unstable();
        rows.dedup();
        evidence.direct_rows = rows;
        evidence.times = times;
        evidence.unvalued = around.unvalued;
        evidence.unknown = around.unknown;
        evidence.stops_met = around.stops;
        evidence.hubs_met = around.hubs;
    }

    /// The hops to a source when the order of time is ignored, with the same stops.
    fn plain_hops(
        &self,
        key: &PackedKey,
        direction: Direction,
        kind: usize,
        max_hops: u8,
        budget: &mut Budget,
    ) -> Option<u8> {
        let back = self.ground().back(direction);
        let mut next = self.nodes.of_key(key);
        let mut seen: HashSet<Node> = next.iter().copied().collect();
        // Labels give the hops; only fewer are looked for.
        for level in 0..max_hops.saturating_sub(1) {
            let mut todo = std::mem::take(&mut next);
            while let Some(node) = todo.pop() {
                let is_tx = self.nodes.has(node, TX);
                if level > 0 && !is_tx && self.nodes.has(node, STOP | HUB) {
                    continue;
                }
                for edge in back.pieces(node).flatten().filter(|edge| edge.counts()) {
                    if !budget.take() {
                        return None;
                    }
                    if !seen.insert(edge.node()) {
                        continue;
                    }
                    if self.nodes.has(edge.node(), TX) {
                        todo.push(edge.node());
                        continue;
                    }
                    let key = self.nodes.key(edge.node());
                    if self.parties.sources(key).is_some_and(|of| of[kind].is_some()) {
                        return Some(level + 1);
                    }
                    next.extend(self.nodes.of_key(key));
                    seen.extend(self.nodes.of_key(key));
                }
            }
        }
        Some(max_hops)
    }
}
