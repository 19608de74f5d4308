//! The search for direct dealings in assets without a known value, of a past moment or of other
//! sources.

use std::collections::HashMap;

use super::super::edges::Adjacency;
use super::super::nodes::{Node, TX};
use super::super::path_ends::{KINDS, kind_index};
use super::super::unvalued::{Unvalued, UnvaluedSearch};
use super::super::{Direction, Source};
use super::World;
use crate::domain::packed_key::PackedKey;

/// Rows in which the keys dealt with others in assets without a known value.
#[derive(Default)]
struct Dealings {
    /// Direction, row, and the node at the other end.
    rows: Vec<(Direction, u32, Node)>,
    cut_short: bool,
    examined: u64,
}

impl World {
    /// What the keys (of one address) dealt with sources in assets without a known value, in the
    /// transfers up to a moment, in Unix seconds. A row counts once, whatever keys it names. Kinds
    /// of which one of the keys is a source are left out. Looks at about `budget` edges at most;
    /// exact unless cut short.
    pub fn unvalued_as_of(
        &self,
        keys: &[PackedKey],
        until: u64,
        sources: &[Source],
        budget: u64,
    ) -> UnvaluedSearch {
        let mut met = Dealings::default();
        let targets = self.targets(keys);
        for direction in Direction::ALL {
            let back = self.view().back(direction);
            for &node in &targets {
                self.dealings_of(node, (direction, back), until, budget, &mut met);
            }
        }
        let Dealings { rows, cut_short, examined } = met;
        let found = self.of_sources(keys, &rows, sources, cut_short);
        UnvaluedSearch { found, cut_short, examined }
    }

    fn dealings_of(
        &self,
        node: Node,
        (direction, back): (Direction, &Adjacency),
        until: u64,
        budget: u64,
        met: &mut Dealings,
    ) {
        let clock = self.nodes.clock(node);
        let last = self.clocks.last_until(clock, until);
        for edge in back.between(node, 0, last).flatten() {
            met.examined += 1;
            if met.examined > budget {
                met.cut_short = true;
                return;
            }
            let is_tx = self.nodes.has(edge.node(), TX);
            // The first key of all may be later than the moment.
            let is_later = self.clocks.time(clock, edge.key) > until;
            if is_later || !self.is_unvalued(is_tx, edge) {
                continue;
            }
            if !is_tx {
                met.rows.push((direction, edge.id, edge.node()));
                continue;
            }
            let row = self.nodes.row(edge.node());
            for leg in back.pieces(edge.node()).flatten() {
                met.examined += 1;
                if self.is_unvalued(true, leg) {
                    met.rows.push((direction, row, leg.node()));
                }
            }
        }
    }

    /// Counts the rows with sources at the other end.
    fn of_sources(
        &self,
        keys: &[PackedKey],
        rows: &[(Direction, u32, Node)],
        sources: &[Source],
        at_least: bool,
    ) -> Vec<(Unvalued, Source)> {
        if rows.is_empty() {
            return Vec::new();
        }
        // Far fewer keys are met than are listed.
        let mut firsts: HashMap<PackedKey, [Option<&Source>; KINDS]> =
            rows.iter().map(|(.., node)| (*self.nodes.key(*node), [None; KINDS])).collect();
        let mut own = [false; KINDS];
        for source in sources {
            let Some(kind) = kind_index(source.kind) else { continue };
            own[kind] |= keys.contains(&source.key);
            if let Some(known) = firsts.get_mut(&source.key).map(|kinds| &mut kinds[kind]) {
                *known = Some(known.map_or(source, |known| known.min(source)));
            }
        }
        let mut dealt = Vec::new();
        for &(direction, row, node) in rows {
            let kinds = firsts.get(self.nodes.key(node)).into_iter().flatten().enumerate();
            let kinds = kinds.filter(|(kind, _)| !own[*kind]);
            dealt.extend(kinds.filter_map(|(kind, s)| Some((direction, kind, row, (*s)?))));
        }
        dealt.sort_unstable();
        dealt.dedup_by_key(|(direction, kind, row, _)| (*direction, *kind, *row));
        let same = |a: &(Direction, usize, u32, &Source), b: &(Direction, usize, u32, &Source)| {
            (a.0, a.1) == (b.0, b.1)
        };
        let of = dealt.chunk_by(same).filter_map(|dealt| {
            let &(direction, _, _, first) = dealt.iter().min_by_key(|(.., source)| *source)?;
            let transfers = u32::try_from(dealt.len()).unwrap_or(u32::MAX);
            Some((Unvalued { direction, kind: first.kind, transfers, at_least }, first.clone()))
        });
        of.collect()
    }
}
