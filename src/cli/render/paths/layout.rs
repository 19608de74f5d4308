//! The layout of a diagram: columns by hops from the requested address, in the order in which funds
//! moved. Labels are items between the columns, stacked like the nodes, so that nothing overlaps.

use super::{Hop, PathDiagram};

/// Sizes, in the units of the drawing.
pub const NODE_WIDTH: f64 = 144.0;
/// The height of a node.
pub const NODE_HEIGHT: f64 = 44.0;
/// The width of a label on an edge.
pub const LABEL_WIDTH: f64 = 148.0;
/// The height of a label.
pub const LABEL_HEIGHT: f64 = 36.0;
/// The least gap between two items of a column.
const GAP: f64 = 14.0;
/// The width between two columns, in which edges bend.
const CHANNEL: f64 = 24.0;
/// Sweeps over the columns, for their order and again for their heights.
const SWEEPS: usize = 12;

/// What a part of the drawing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A place of the picture.
    Node { place: usize },
    /// The label of a step: path and step in the picture.
    Label { path: usize, step: usize },
    /// The label of a link: path and link in the picture.
    Link { path: usize, link: usize },
}

/// A part of the drawing.
#[derive(Clone, Debug)]
pub struct Item {
    pub what: What,
    pub x: f64,
    /// Its middle.
    pub y: f64,
    pub width: f64,
    layer: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub x: f64,
    /// The hops from the address asked about, negative where funds come from; links count as hops here.
    pub hops: i32,
    /// Whether hops lead to a node of it.
    pub has_hops: bool,
    /// Whether links lead to a node of it.
    pub has_links: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub items: Vec<Item>,
    /// Bends between parts, as places in `items`, from left to right.
    pub bends: Vec<(usize, usize)>,
    pub columns: Vec<Column>,
    pub width: f64,
    pub height: f64,
}

pub fn layout(picture: &PathDiagram<'_>) -> Layout {
    let mut layout = items(picture);
    let mut layers = vec![Vec::new(); 2 * layout.columns.len() - 1];
    for (item, Item { layer, .. }) in layout.items.iter().enumerate() {
        layers[*layer].push(item);
    }
    let links = Links::new(&layout);
    order(&mut layers, &links);
    stack(&mut layout.items, &layers, &links);
    let lowest = layout.items.iter().map(|item| item.y - half(item)).fold(f64::MAX, f64::min);
    let highest = layout.items.iter().map(|item| item.y + half(item)).fold(f64::MIN, f64::max);
    for item in &mut layout.items {
        item.y -= lowest;
    }
    layout.height = highest - lowest;
    layout
}

impl Layout {
    /// The drawing in rows of at most so many columns of nodes, two or more, to be drawn below each
    /// other: the last node of a row is the first of the next. A drawing in which anything stands
    /// above something else is not parted.
    pub fn rows(self, most_columns: usize) -> Vec<Self> {
        let count = self.columns.len();
        if count <= most_columns || self.items.len() != 2 * count - 1 {
            return vec![self];
        }
        let firsts = (0..count - 1).step_by(most_columns.max(2) - 1);
        firsts.map(|first| self.part(first, (first + most_columns - 1).min(count - 1))).collect()
    }

    /// The columns of nodes from `first` to `last`.
    fn part(&self, first: usize, last: usize) -> Self {
        let shift = left(2 * first);
        let within = |item: &&Item| (2 * first..=2 * last).contains(&item.layer);
        let place = |item: usize| {
            let item = &self.items[item];
            let before = self.items.iter().filter(within).position(|each| each.layer == item.layer);
            before.filter(|_| within(&item))
        };
        let bends = self.bends.iter().filter_map(|(from, to)| Some((place(*from)?, place(*to)?)));
        Self {
            bends: bends.collect(),
            items: self
                .items
                .iter()
                .filter(within)
                .map(|item| Item { x: item.x - shift, ..item.clone() })
                .collect(),
            columns: self.columns[first..=last]
                .iter()
                .map(|column| Column { x: column.x - shift, ..*column })
                .collect(),
            width: left(2 * (last - first)) + NODE_WIDTH,
            height: self.height,
        }
    }
}

fn half(item: &Item) -> f64 {
    match item.what {
        What::Node { .. } => NODE_HEIGHT / 2.0,
        What::Label { .. } | What::Link { .. } => LABEL_HEIGHT / 2.0,
    }
}

/// Nodes and labels in layers: nodes in the even ones. A place stands once in each column in which
/// paths have it, on each side of the address asked about.
fn items(picture: &PathDiagram<'_>) -> Layout {
    let mut drawn = Drawn { picture, nodes: vec![(0, picture.asked)], edges: Vec::new() };
    for number in 0..picture.paths.len() {
        drawn.add(number);
    }
    let Drawn { nodes, edges, .. } = drawn;
    let first = nodes.iter().map(|(column, _)| *column).min().unwrap_or(0);
    let last = nodes.iter().map(|(column, _)| *column).max().unwrap_or(0);
    let layer = |column: i32| column.abs_diff(first) as usize * 2;
    let mut layout = Layout::default();
    for (column, place) in &nodes {
        layout.items.push(item(What::Node { place: *place }, layer(*column)));
    }
    let leads_to = |column: i32, is_link: bool| {
        edges.iter().any(|edge| {
            let outer = if column > 0 { edge.1 } else { edge.0 };
            nodes[outer].0 == column && matches!(edge.2, What::Link { .. }) == is_link
        })
    };
    let column = |hops: i32| Column {
        x: left(layer(hops)),
        hops,
        has_hops: leads_to(hops, false),
        has_links: leads_to(hops, true),
    };
    layout.columns = (first..=last).map(column).collect();
    for (from, to, label) in edges {
        layout.items.push(item(label, layer(nodes[from].0) + 1));
        let label = layout.items.len() - 1;
        layout.bends.extend([(from, label), (label, to)]);
    }
    layout.width = left(layer(last)) + NODE_WIDTH;
    layout
}

/// Nodes by column and place, and the edges between them with their labels, while paths are added.
struct Drawn<'p> {
    picture: &'p PathDiagram<'p>,
    nodes: Vec<(i32, usize)>,
    edges: Vec<(usize, usize, What)>,
}

impl Drawn<'_> {
    /// Adds a path, from the address asked about outwards: its hops, and behind them its links.
    fn add(&mut self, number: usize) {
        let path = &self.picture.paths[number];
        let count = path.hops.len();
        let is_right = path.is_listed_last();
        let mut inner = 0;
        for (at, hops) in (0..count + path.links.len()).zip(1..) {
            let (place, what) = if at < count {
                let step = if is_right { at } else { count - 1 - at };
                let Hop { from, to, .. } = &path.hops[step];
                (if is_right { *to } else { *from }, What::Label { path: number, step })
            } else {
                let link = at - count;
                (path.links[link].to, What::Link { path: number, link })
            };
            let outer = self.node((if is_right { hops } else { -hops }, place));
            let (from, to) = if is_right { (inner, outer) } else { (outer, inner) };
            let known = |edge: &(usize, usize, What)| {
                (edge.0, edge.1) == (from, to) && self.says_the_same(edge.2, what)
            };
            if !self.edges.iter().any(known) {
                self.edges.push((from, to, what));
            }
            inner = outer;
        }
    }

    fn node(&mut self, node: (i32, usize)) -> usize {
        let known = self.nodes.iter().position(|known| *known == node);
        known.unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// Whether two labels are of the same hop, or the same join.
    fn says_the_same(&self, one: What, other: What) -> bool {
        let paths = &self.picture.paths;
        match (one, other) {
            (What::Label { path, step }, What::Label { path: other, step: at }) => {
                paths[path].hops[step].hop == paths[other].hops[at].hop
            }
            (What::Link { path, link }, What::Link { path: other, link: at }) => {
                paths[path].links[link].join == paths[other].links[at].join
            }
            (What::Node { .. } | What::Label { .. } | What::Link { .. }, _) => false,
        }
    }
}

/// The left side of a layer.
fn left(layer: usize) -> f64 {
    let nodes = layer.div_ceil(2) as f64;
    let labels = (layer / 2) as f64;
    nodes * (NODE_WIDTH + CHANNEL) + labels * (LABEL_WIDTH + CHANNEL)
}

fn item(what: What, layer: usize) -> Item {
    let width = if layer.is_multiple_of(2) { NODE_WIDTH } else { LABEL_WIDTH };
    Item { what, x: left(layer), y: 0.0, width, layer }
}

/// The neighbours of every item.
struct Links {
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
}

impl Links {
    fn new(layout: &Layout) -> Self {
        let none = vec![Vec::new(); layout.items.len()];
        let mut links = Self { before: none.clone(), after: none };
        for (from, to) in &layout.bends {
            links.after[*from].push(*to);
            links.before[*to].push(*from);
        }
        links
    }
}

/// Orders every layer so that few edges cross: each item goes to the mean of its neighbours, sweep
/// by sweep, and the best order seen stays.
fn order(layers: &mut Vec<Vec<usize>>, links: &Links) {
    let mut best = (crossings(layers, links), layers.clone());
    for sweep in 0..SWEEPS {
        let forwards = sweep % 2 == 0;
        let neighbours = if forwards { &links.before } else { &links.after };
        let count = layers.len();
        for at in 1..count {
            let (this, fixed) = if forwards { (at, at - 1) } else { (count - 1 - at, count - at) };
            let place = |item: &usize| layers[fixed].iter().position(|each| each == item);
            let mut keyed: Vec<(f64, usize)> = layers[this]
                .iter()
                .enumerate()
                .map(|(now, item)| {
                    let vertices: Vec<_> = neighbours[*item].iter().filter_map(place).collect();
                    (mean(vertices.iter().map(|place| *place as f64)).unwrap_or(now as f64), *item)
                })
                .collect();
            keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
            layers[this] = keyed.into_iter().map(|(_, item)| item).collect();
        }
        let found = crossings(layers, links);
        if found < best.0 {
            best = (found, layers.clone());
        }
    }
    *layers = best.1;
}

/// How many pairs of bends cross.
fn crossings(layers: &[Vec<usize>], links: &Links) -> usize {
    let mut found = 0;
    for pair in layers.windows(2) {
        let place = |item: &usize| pair[1].iter().position(|each| each == item);
        let mut ends: Vec<(usize, usize)> = Vec::new();
        for (from, item) in pair[0].iter().enumerate() {
            ends.extend(links.after[*item].iter().filter_map(place).map(|to| (from, to)));
        }
        for (at, one) in ends.iter().enumerate() {
            let crosses = |other: &&(usize, usize)| one.0 < other.0 && one.1 > other.1;
            found += ends[at + 1..].iter().filter(crosses).count();
        }
    }
    found
}

/// Gives every item its height: near the mean of its neighbours, in the order of its layer, and
/// no two closer than they may be.
fn stack(items: &mut [Item], layers: &[Vec<usize>], links: &Links) {
    for layer in layers {
        settle(items, layer, |_, place| place as f64);
    }
    for sweep in 0..2 * SWEEPS {
        let forwards = sweep % 2 == 0;
        let last = sweep + 1 == 2 * SWEEPS;
        for at in 0..layers.len() {
            let at = if forwards { at } else { layers.len() - 1 - at };
            let wish = |items: &[Item], item: usize| {
                let near = links.before[item].iter().chain(&links.after[item]);
                let one_side = if forwards { &links.before[item] } else { &links.after[item] };
                let near: Vec<_> = if last || one_side.is_empty() {
                    near.collect()
                } else {
                    one_side.iter().collect()
                };
                mean(near.into_iter().map(|item| items[*item].y)).unwrap_or(items[item].y)
            };
            let wishes: Vec<f64> = layers[at].iter().map(|item| wish(items, *item)).collect();
            settle(items, &layers[at], |_, place| wishes[place]);
        }
    }
}

/// Puts the items of a layer as near to their wishes as their order and sizes allow, by least
/// squares: neighbours that would overlap are pooled around their common mean.
fn settle(items: &mut [Item], layer: &[usize], wish: impl Fn(usize, usize) -> f64) {
    // Offsets turn "no closer than" into "not descending".
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(layer.len());
    for (place, item) in layer.iter().enumerate() {
        if place > 0 {
            offset += half(&items[layer[place - 1]]) + GAP + half(&items[*item]);
        }
        offsets.push(offset);
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (place, item) in layer.iter().enumerate() {
        let mut pool = (wish(*item, place) - offsets[place], 1);
        while let Some((value, count)) = pools.pop_if(|(value, _)| *value > pool.0) {
            let whole = count + pool.1;
            pool.0 = (value * count as f64 + pool.0 * pool.1 as f64) / whole as f64;
            pool.1 = whole;
        }
        pools.push(pool);
    }
    let settled = pools.into_iter().flat_map(|(value, count)| std::iter::repeat_n(value, count));
    for ((item, offset), value) in layer.iter().zip(offsets).zip(settled) {
        items[*item].y = value + offset;
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
