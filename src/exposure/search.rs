//! Searches over the graph for single keys, where labels do not answer: paths, past moments, other
//! sources, evidence. Bounded: what a budget of edges does not allow is cut short and said to be.
//! Changes nothing.
//!
//! A search walks from the key against the way funds went (`reach`), which tells for every node on
//! a path how many hops lie between and until when funds may leave it; what follows funds onward
//! (`first`, `walks`) then looks at nothing else.

mod evidence;
mod first;
mod own;
mod reach;
mod walks;

use std::collections::HashMap;

use super::clock::ClockId;
use super::ground::Ground;
use super::nodes::Node;
use super::parties::{KINDS, kind_index};
use super::{Direction, NotCounted, Source, Timing, World};
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;

pub use evidence::Evidence;
use own::MAX_MET;
pub use own::{Deal, Deals};
pub use walks::{PathQuery, Paths};

/// How many edges a search may look at.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
    spent: u64,
}

impl Budget {
    /// So many edges.
    pub fn new(edges: u64) -> Self {
        Self { left: edges, spent: 0 }
    }

    /// How many were looked at.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Whether it ran out.
    pub fn is_out(&self) -> bool {
        self.left == 0
    }

    /// Takes one; `false` once it ran out.
    #[inline]
    fn take(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.spent += 1;
        self.left > 0
    }
}

/// One hop of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HopRef {
    /// The row of the transfer or transaction.
    pub row: u64,
    /// Where funds came from.
    pub from: PackedKey,
    /// Where they went.
    pub to: PackedKey,
    /// Chain time, in Unix seconds.
    pub time: u64,
}

/// A path between a source and a key, in the order in which funds moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Which way funds went, seen from the key.
    pub direction: Direction,
    /// The source at the other end.
    pub source: Source,
    /// Whether the transfer at the source was before its listing.
    pub timing: Timing,
    /// The hops, one or more.
    pub hops: Vec<HopRef>,
}

/// The nearest source of a kind in a direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Whether an untagged hub stands between, as in [`super::Label::hub`].
    pub hub: bool,
    /// The path of the fewest hops that arrived first, and by the rule of labels.
    pub path: Path,
}

/// What a search for the nearest sources found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsOf {
    /// By direction, kind, and those by hubs after the others.
    pub nearest: Vec<Nearest>,
    /// Whether the search was cut short: there may be more, and nearer ones.
    pub cut_short: bool,
}

/// The sources of a search, first by list and listing for each key and kind.
pub(super) struct Sources<'a> {
    world: &'a World,
    given: Option<Given>,
}

/// Sources that are not those in force.
struct Given {
    /// In order; a place is a rank.
    sources: Vec<Source>,
    by_key: HashMap<PackedKey, [Option<u32>; KINDS]>,
    /// Whether all of them are in force: then labels say where there is nothing.
    in_force: bool,
}

impl<'a> Sources<'a> {
    fn new(world: &'a World, given: Option<&[Source]>) -> Self {
        let given = given.map(|given| {
            let mut sources = given.to_vec();
            sources.sort_unstable();
            sources.dedup();
            let mut by_key: HashMap<_, [Option<u32>; KINDS]> = HashMap::new();
            for (place, source) in (0..).zip(&sources) {
                if let Some(kind) = kind_index(source.kind) {
                    by_key.entry(source.key).or_default()[kind].get_or_insert(place);
                }
            }
            let in_force = sources.iter().all(|source| world.parties.is_in_force(source));
            Given { sources, by_key, in_force }
        });
        Self { world, given }
    }

    /// The first source of a key of a kind: its rank and its number.
    fn of(&self, key: &PackedKey, kind: usize) -> Option<(u32, u32)> {
        match &self.given {
            Some(given) => given.by_key.get(key)?[kind].map(|place| (place, place)),
            None => {
                let source = self.world.parties.sources(key)?[kind]?;
                Some((self.world.parties.rank(source), source))
            }
        }
    }

    fn source(&self, number: u32) -> &Source {
        match &self.given {
            Some(given) => &given.sources[number as usize],
            None => &self.world.parties.registry()[number as usize],
        }
    }

    /// Whether working labels tell where nothing can be found.
    fn prunes(&self) -> bool {
        self.given.as_ref().is_none_or(|given| given.in_force)
    }
}

/// The span of chain time that a search is about, as keys of each clock.
pub(super) struct Window(Vec<(u64, u64)>);

impl Window {
    /// From a moment to a moment, both included, in Unix seconds.
    fn new(world: &World, from: Option<u64>, until: Option<u64>) -> Self {
        let clocks = &world.clocks;
        let span = |clock: ClockId| {
            let first = from.map_or(0, |from| clocks.first_from(clock, from));
            let last = until.map_or(u64::MAX, |until| clocks.last_until(clock, until));
            (first, last)
        };
        Self((0..clocks.count()).map(span).collect())
    }

    #[inline]
    fn holds(&self, clock: ClockId, key: u64) -> bool {
        self.0.get(usize::from(clock)).is_some_and(|&(first, last)| (first..=last).contains(&key))
    }
}

impl Direction {
    /// The other one.
    pub(super) fn flipped(self) -> Self {
        match self {
            Self::ReceivedFrom => Self::SentTo,
            Self::SentTo => Self::ReceivedFrom,
        }
    }
}

impl World {
    /// The nearest sources of a key in both directions, by transfers up to a moment of chain time
    /// (`None`: all) and by other sources than those in force (`None`: those), over at most
    /// `max_hops`. Exactly what labels would say of such transfers and sources.
    pub fn exposure_as_of(
        &self,
        key: &PackedKey,
        until: Option<u64>,
        sources: Option<&[Source]>,
        max_hops: u8,
        budget: &mut Budget,
    ) -> AsOf {
        let sources = Sources::new(self, sources);
        let window = Window::new(self, None, until);
        let mut found = AsOf::default();
        for direction in Direction::ALL {
            for kind in 0..KINDS {
                if sources.of(key, kind).is_some() {
                    continue;
                }
                for hub in [false, true] {
                    let ask = first::Ask { direction, kind, hub, max_hops };
                    let path = first::nearest(self, key, ask, &sources, &window, budget);
                    found.nearest.extend(path.map(|path| Nearest { hub, path }));
                }
            }
        }
        found.cut_short = budget.is_out();
        found
    }

    /// The row of an edge's id at a node of the other end.
    pub(super) fn row_of(&self, node: Node, other: Node, id: u32) -> u64 {
        let tx = [node, other].into_iter().find(|&node| self.nodes.has(node, super::nodes::TX));
        u64::from(tx.map_or(id, |tx| self.nodes.row(tx)))
    }
}

/// What all searches walk on.
#[derive(Clone, Copy)]
pub(super) struct Terrain<'a> {
    world: &'a World,
    ground: Ground<'a>,
    window: &'a Window,
}

impl<'a> Terrain<'a> {
    fn new(world: &'a World, window: &'a Window) -> Self {
        Self { world, ground: world.ground(), window }
    }
}

/// The kinds that a search may be asked for.
pub(super) fn kind_of(kind: usize) -> ListKind {
    ListKind::ALL[kind]
}

/// Why a transfer of a key does not count, in words.
pub(super) fn reason(why: Option<NotCounted>) -> Option<&'static str> {
    why.map(NotCounted::as_str)
}
