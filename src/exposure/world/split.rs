//! Gives each hub a second node for what leaves it since it became one, and keeps edges where they
//! belong. Counts nothing.

use hashbrown::HashMap;

use super::super::edges::Appended;
use super::super::nodes::{DUSTY, LATE, Node, SPLIT, TWIN};
use super::World;

/// A node, its late node, and the first key at which what leaves stands there.
#[derive(Clone, Copy)]
struct Cut {
    node: Node,
    late: Node,
    from: u64,
}

impl World {
    /// Counts counterparties and splits hubs where that changed; gives the new hubs. Everything must
    /// be built where a moment is another.
    pub(super) fn find_hubs(&mut self) -> Vec<Node> {
        let mut watch = std::mem::take(&mut self.watch);
        if self.pending.recount {
            watch.count_all(self.view(), &self.values, self.hub_limit);
        } else {
            self.pending.all |=
                watch.note(self.view(), &self.values, &self.pending.fresh, self.hub_limit);
        }
        self.watch = watch;
        if !self.pending.all {
            return Vec::new();
        }
        self.split();
        let Self { nodes, clocks, watch, .. } = self;
        watch.mark(nodes, clocks)
    }

    /// Puts appended edges that leave a hub after its moment at its late node.
    pub(super) fn place_fresh(&mut self) {
        if self.pending.all {
            // The split does it for all edges.
            return;
        }
        let Self { nodes, clocks, watch, edges, pending, .. } = self;
        for edge in edges.tail_mut().iter_mut().chain(&mut pending.fresh) {
            if !nodes.has(edge.from, TWIN) {
                continue;
            }
            let moment = watch.moment(nodes.first_on_chain(edge.from, clocks));
            let Some(late) = nodes.late(edge.from) else {
                // A hub's first transfer on the other clock of the chain.
                pending.all |= moment.is_some();
                continue;
            };
            let time = clocks.time(nodes.clock(edge.from), edge.key);
            if moment.is_some_and(|moment| time > moment) {
                nodes.flags[late as usize] |= nodes.flags[edge.from as usize] & DUSTY;
                edge.from = late;
            }
        }
    }

    /// Gives every hub its late nodes, and moves edges that stand at the wrong node of a key.
    fn split(&mut self) {
        let mut all = Vec::new();
        for (first, _) in self.watch.all() {
            all.extend(self.nodes.on_chain(&first, &self.clocks));
        }
        all.sort_unstable();
        for node in all.into_iter().filter(|&node| !self.nodes.has(node, LATE)).collect::<Vec<_>>()
        {
            self.nodes.make_late(node);
        }
        for (node, late) in self.nodes.all_late().collect::<Vec<_>>() {
            self.nodes.flags[late as usize] |= self.nodes.flags[node as usize] & DUSTY;
        }
        let cuts: Vec<Cut> =
            self.nodes.all_late().map(|(node, late)| self.cut(node, late)).collect();
        let moved = self.misplaced(&cuts);
        if moved.is_empty() {
            return;
        }
        let of_node: HashMap<Node, Cut> =
            cuts.iter().flat_map(|cut| [(cut.node, *cut), (cut.late, *cut)]).collect();
        let Self { edges, nodes, .. } = self;
        edges.retain(nodes.len(), |node, edge, forwards| {
            let from = if forwards { node } else { edge.node() };
            if !nodes.has(from, SPLIT | LATE) {
                return true;
            }
            let is_late = nodes.has(from, LATE);
            of_node.get(&from).is_none_or(|cut| is_late == (edge.key >= cut.from))
        });
        edges.put_back(moved, nodes.len());
    }

    fn cut(&self, node: Node, late: Node) -> Cut {
        let moment = self.watch.moment(self.view().first_on_chain(node));
        let after =
            |moment: u64| self.clocks.first_from(self.nodes.clock(node), moment.saturating_add(1));
        Cut { node, late, from: moment.map_or(u64::MAX, after) }
    }

    /// The edges that stand at the wrong node, at the right one.
    fn misplaced(&self, cuts: &[Cut]) -> Vec<Appended> {
        let mut moved = Vec::new();
        for &Cut { node, late, from } in cuts {
            let out = &self.edges.out;
            let later = out.between(node, from, u64::MAX).flatten();
            moved.extend(later.map(|edge| edge.leaving(late)));
            if let Some(last) = from.checked_sub(1) {
                let earlier = out.between(late, 0, last).flatten();
                moved.extend(earlier.map(|edge| edge.leaving(node)));
            }
        }
        moved
    }
}
