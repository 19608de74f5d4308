//! Edges in both directions, per node in the order of their keys: a large base, a few runs of what
//! came since, and a tail that is not sorted yet.
//!
//! 16 bytes an edge and direction. A tail as large as the base is folded into it, so that an import
//! costs about two counting sorts in all, or a quarter as large when it is to be read; a smaller one
//! then becomes a run, and runs are merged when the newer is a quarter of the older, so that a node
//! is looked for in few.

use std::cmp::Ordering;

use super::nodes::{MAX_NODES, Node};

/// In [`Edge::other`], beyond every node's number: the edge does not count for exposure.
pub(super) const UNCOUNTED: u32 = MAX_NODES;

/// A tail is not folded into the base before it has so many edges.
const SMALLEST_FOLD: usize = 1 << 20;

/// One end's view of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edge {
    /// When, on the clock of both ends.
    pub key: u64,
    /// The node at the other end, and [`UNCOUNTED`].
    other: u32,
    /// The row of an account transfer, or the leg of a UTXO transaction.
    pub id: u32,
}

impl Ord for Edge {
    /// By key, other end and id; whether an edge counts does not move it.
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |edge: &Self| (edge.key, edge.node(), edge.id, edge.other);
        order(self).cmp(&order(other))
    }
}

impl PartialOrd for Edge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Edge {
    /// The node at the other end.
    #[inline]
    pub fn node(&self) -> Node {
        self.other & !UNCOUNTED
    }

    /// Whether it counts for exposure.
    #[inline]
    pub fn counts(&self) -> bool {
        self.other & UNCOUNTED == 0
    }

    /// The edge, which stands where it comes from, from another node.
    pub fn leaving(&self, from: Node) -> Appended {
        Appended { key: self.key, from, to: self.other, id: self.id }
    }

    /// The edge, which stands where it goes to.
    pub fn arriving(&self, to: Node) -> Appended {
        let flag = self.other & UNCOUNTED;
        Appended { key: self.key, from: self.node(), to: to | flag, id: self.id }
    }
}

/// An edge that was appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appended {
    pub key: u64,
    /// Where from: [`super::nodes::NULL`] where there is no sender.
    pub from: Node,
    to: u32,
    /// As [`Edge::id`].
    pub id: u32,
}

impl Appended {
    pub fn new(key: u64, from: Node, to: Node, id: u32, counts: bool) -> Self {
        Self { key, from, to: if counts { to } else { to | UNCOUNTED }, id }
    }

    pub fn to(&self) -> Node {
        self.to & !UNCOUNTED
    }

    /// Whether it counts for exposure.
    pub fn counts(&self) -> bool {
        self.to & UNCOUNTED == 0
    }

    /// Lets it count for exposure, or not.
    pub fn set_counts(&mut self, counts: bool) {
        self.to = if counts { self.to() } else { self.to | UNCOUNTED };
    }

    /// Which edge it is, whether it counts or not. Orders by key and id, as payments are summed.
    pub fn order(&self) -> (u64, u32, Node, Node) {
        (self.key, self.id, self.from, self.to())
    }

    /// The node at whose place it stands in a direction, and how it looks from there.
    pub fn seen(&self, forwards: bool) -> (Node, Edge) {
        let flag = self.to & UNCOUNTED;
        let (at, other) = if forwards { (self.from, self.to()) } else { (self.to(), self.from) };
        (at, Edge { key: self.key, other: other | flag, id: self.id })
    }
}

#[derive(Debug, Default)]
pub(super) struct Edges {
    /// By where they come from.
    pub out: Adjacency,
    pub into: Adjacency,
    tail: Vec<Appended>,
}

impl Edges {
    /// Appends an edge; not seen before [`Edges::settle`].
    pub fn push(&mut self, edge: Appended, nodes: usize) {
        self.tail.push(edge);
        if self.tail.len() >= SMALLEST_FOLD.max(self.out.base.edges.len()) {
            self.fold(nodes);
        }
    }

    /// Makes what was appended visible.
    pub fn settle(&mut self, nodes: usize) {
        if self.tail.is_empty() {
            return;
        }
        let (total, base) = (self.out.len() + self.tail.len(), self.out.base.edges.len());
        // To sort a large tail costs more than to count all.
        if total / 4 > base || self.tail.len() > base / 4 {
            self.fold(nodes);
            return;
        }
        self.out.add_run(&self.tail, true);
        self.into.add_run(&self.tail, false);
        self.tail.clear();
    }

    /// Folds everything into the base.
    pub fn fold(&mut self, nodes: usize) {
        let Self { out, into, tail } = self;
        std::thread::scope(|scope| {
            scope.spawn(|| out.fold(tail, true, nodes));
            into.fold(tail, false, nodes);
        });
        self.tail = Vec::new();
    }

    /// Keeps only the edges of which `keep` says so, given the node at whose place it stands, and
    /// whether that is where it comes from.
    pub fn retain(&mut self, nodes: usize, keep: impl Fn(Node, &Edge, bool) -> bool) {
        self.fold(nodes);
        self.out.base.retain(|node, edge| keep(node, edge, true));
        self.into.base.retain(|node, edge| keep(node, edge, false));
    }

    /// Lets a visible edge count for exposure, or not.
    pub fn set_counts(&mut self, edge: &Appended, counts: bool) {
        for (edges, forwards) in [(&mut self.out, true), (&mut self.into, false)] {
            let (at, seen) = edge.seen(forwards);
            edges.set_counts(at, &seen, counts);
        }
    }

    /// What is appended and not visible yet.
    pub fn tail_mut(&mut self) -> &mut [Appended] {
        &mut self.tail
    }

    /// Appends edges that were taken out, and makes them visible.
    pub fn put_back(&mut self, edges: Vec<Appended>, nodes: usize) {
        self.tail.extend(edges);
        self.fold(nodes);
    }

    /// The number of edges, each counted once (the null address has none).
    pub fn len(&self) -> usize {
        self.out.len().max(self.into.len()) + self.tail.len()
    }
}

/// The edges of one direction.
#[derive(Debug, Default)]
pub(super) struct Adjacency {
    base: Base,
    runs: Vec<Run>,
}

/// Edges of all nodes: those of node n are at `starts[n]..starts[n + 1]`.
#[derive(Debug, Default)]
struct Base {
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

/// Edges of some nodes, ascending: those of the n-th are at `starts[n]..starts[n + 1]`.
#[derive(Debug)]
struct Run {
    nodes: Vec<Node>,
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Base {
    fn of(&self, node: Node) -> &[Edge] {
        match self.starts.get(node as usize..node as usize + 2) {
            Some(&[start, end]) => &self.edges[start as usize..end as usize],
            _ => &[],
        }
    }

    fn of_mut(&mut self, node: Node) -> &mut [Edge] {
        match self.starts.get(node as usize..node as usize + 2) {
            Some(&[start, end]) => &mut self.edges[start as usize..end as usize],
            _ => &mut [],
        }
    }

    fn retain(&mut self, keep: impl Fn(Node, &Edge) -> bool) {
        let (mut kept, mut start) = (0, 0);
        for node in 0..self.starts.len().saturating_sub(1) {
            let end = self.starts[node + 1] as usize;
            self.starts[node] = kept as u32;
            for at in start..end {
                if keep(node as Node, &self.edges[at]) {
                    self.edges[kept] = self.edges[at];
                    kept += 1;
                }
            }
            start = end;
        }
        if let Some(last) = self.starts.last_mut() {
            *last = kept as u32;
        }
        self.edges.truncate(kept);
    }
}

impl Run {
    fn new(mut seen: Vec<(Node, Edge)>) -> Self {
        // Stable, since what is merged comes in sorted pieces: that is found and costs one pass.
        seen.sort();
        let mut run = Self { nodes: Vec::new(), starts: Vec::new(), edges: Vec::new() };
        for (node, edge) in seen {
            if run.nodes.last() != Some(&node) {
                run.nodes.push(node);
                run.starts.push(run.edges.len() as u32);
            }
            run.edges.push(edge);
        }
        run.starts.push(run.edges.len() as u32);
        run
    }

    fn of(&self, node: Node) -> &[Edge] {
        match self.nodes.binary_search(&node) {
            Ok(at) => &self.edges[self.starts[at] as usize..self.starts[at + 1] as usize],
            Err(_) => &[],
        }
    }

    fn of_mut(&mut self, node: Node) -> &mut [Edge] {
        match self.nodes.binary_search(&node) {
            Ok(at) => &mut self.edges[self.starts[at] as usize..self.starts[at + 1] as usize],
            Err(_) => &mut [],
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Node, &[Edge])> {
        self.nodes
            .iter()
            .zip(self.starts.windows(2))
            .map(|(&node, span)| (node, &self.edges[span[0] as usize..span[1] as usize]))
    }

    fn flat(&self) -> impl Iterator<Item = (Node, Edge)> {
        self.iter().flat_map(|(node, edges)| edges.iter().map(move |edge| (node, *edge)))
    }
}

impl Adjacency {
    fn len(&self) -> usize {
        self.base.edges.len() + self.runs.iter().map(|run| run.edges.len()).sum::<usize>()
    }

    /// The edges of a node: all of them right after [`Edges::fold`].
    #[inline]
    pub fn folded(&self, node: Node) -> &[Edge] {
        debug_assert!(self.runs.is_empty(), "edges are folded");
        self.base.of(node)
    }

    /// The edges of a node in one or more sorted pieces.
    #[inline]
    pub fn pieces(&self, node: Node) -> impl Iterator<Item = &[Edge]> {
        std::iter::once(self.base.of(node)).chain(self.runs.iter().map(move |run| run.of(node)))
    }

    /// The edges of a node with keys in `from..=to`, in pieces.
    #[inline]
    pub fn between(&self, node: Node, from: u64, to: u64) -> impl Iterator<Item = &[Edge]> {
        self.pieces(node).map(move |piece| {
            let start = if from == 0 { 0 } else { piece.partition_point(|edge| edge.key < from) };
            let rest = &piece[start..];
            let end = match rest.last() {
                Some(last) if last.key > to => rest.partition_point(|edge| edge.key <= to),
                _ => rest.len(),
            };
            &rest[..end]
        })
    }

    fn set_counts(&mut self, node: Node, seen: &Edge, counts: bool) {
        let base = self.base.of_mut(node);
        for piece in std::iter::once(base).chain(self.runs.iter_mut().map(|run| run.of_mut(node))) {
            let order = |edge: &Edge| (edge.key, edge.node(), edge.id);
            let start = piece.partition_point(|edge| order(edge) < order(seen));
            for edge in piece[start..].iter_mut().take_while(|edge| order(edge) == order(seen)) {
                edge.other = if counts { edge.node() } else { edge.other | UNCOUNTED };
            }
        }
    }

    fn add_run(&mut self, tail: &[Appended], forwards: bool) {
        let seen = tail.iter().map(|edge| edge.seen(forwards));
        self.runs.push(Run::new(seen.filter(|&(node, _)| node >= super::nodes::FIRST).collect()));
        while let [.., older, newer] = self.runs.as_slice()
            && older.edges.len() <= 4 * newer.edges.len()
        {
            let merged = Run::new(older.flat().chain(newer.flat()).collect());
            self.runs.truncate(self.runs.len() - 2);
            self.runs.push(merged);
        }
    }

    /// A counting sort of everything by node; keys mostly come in order and are sorted only where
    /// not.
    fn fold(&mut self, tail: &[Appended], forwards: bool, nodes: usize) {
        if tail.is_empty() && self.runs.is_empty() && self.base.starts.len() == nodes + 1 {
            return;
        }
        let seen = || {
            let seen = tail.iter().map(move |edge| edge.seen(forwards));
            seen.filter(|&(node, _)| node >= super::nodes::FIRST)
        };
        let mut starts = vec![0_u32; nodes + 1];
        for node in 0..self.base.starts.len().saturating_sub(1) {
            starts[node + 1] = self.base.starts[node + 1] - self.base.starts[node];
        }
        for (node, edges) in self.runs.iter().flat_map(Run::iter) {
            starts[node as usize + 1] += edges.len() as u32;
        }
        for (node, _) in seen() {
            starts[node as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut edges = vec![Edge::default(); starts[nodes] as usize];
        let mut next = starts.clone();
        let known = self.base.starts.len().saturating_sub(1);
        for (node, next) in next.iter_mut().enumerate().take(known) {
            let from = self.base.of(node as Node);
            let at = *next as usize;
            edges[at..at + from.len()].copy_from_slice(from);
            *next += from.len() as u32;
        }
        self.base = Base::default();
        for (node, edge) in self.runs.iter().flat_map(Run::flat).chain(seen()) {
            let at = &mut next[node as usize];
            edges[*at as usize] = edge;
            *at += 1;
        }
        self.runs.clear();
        drop(next);
        for span in starts.windows(2) {
            let list = &mut edges[span[0] as usize..span[1] as usize];
            if !list.is_sorted() {
                list.sort_unstable();
            }
        }
        self.base = Base { starts, edges };
    }
}
