//! Searches that callers ask for: exposure as of a moment or for other sources, and paths. Bounded;
//! says where it was cut short. Changes nothing.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use super::backward_search::{Arrival, BackwardSearch, Link, States, Target, cone, timing};
use super::clusters::Reach;
use super::dust::Work;
use super::nodes::Node;
use super::path_ends::{Origin, PartyGroups, kind_index};
use super::seeds::{ByKey, Further, Seed, Seeds};
use super::view::{GraphView, mask};
use super::{Direction, Source, Timing, World};
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;

/// One hop of a path, in the order in which funds moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HopRef {
    pub row: u64,
    /// The sender; of a UTXO transaction the one on the path.
    pub from: PackedKey,
    pub to: PackedKey,
    /// The chain time, in Unix seconds.
    pub time: u64,
}

/// A path between a key and a source; hops and joins by reference, or as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<H = HopRef, J = bool> {
    /// Which way funds went, seen from the key.
    pub direction: Direction,
    /// The source at the other end.
    pub source: Source,
    /// Whether the transfer at the source was before its listing.
    pub timing: Timing,
    /// Whether, or by which chain, it begins at a key that is joined with the source by common inputs:
    /// that of the first hop's sender (sent-to: of the last hop's receiver).
    pub common_input: J,
    /// One hop or more, in the order in which funds moved.
    pub hops: Vec<H>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search<T> {
    pub found: Vec<T>,
    /// Whether the budget ran out: what was found need not be all, or the nearest.
    pub cut_short: bool,
    /// Edges that were looked at.
    pub examined: u64,
    /// Stops, hubs among them, that were met and not passed.
    pub stops_met: Vec<PackedKey>,
}

/// Which paths are asked for.
pub struct PathQuery<'a> {
    /// Only this direction; `None` for both.
    pub direction: Option<Direction>,
    /// Only sources of these kinds; empty for all.
    pub kinds: &'a [ListKind],
    /// At most so many hops, 1 to [`super::MAX_HOPS`].
    pub max_hops: u8,
    /// At most so many paths in each direction.
    pub max_paths: usize,
    /// Chain time of every transfer, in Unix seconds, both ends included.
    pub window: (u64, u64),
    /// Whether a row may be on a path.
    pub allows: &'a dyn Fn(u64) -> bool,
    /// Instead of the sources in force.
    pub sources: Option<&'a [Source]>,
    /// At most so many edges are looked at, over all.
    pub budget: u64,
}

impl World {
    /// The paths of the keys (of one address) with the transfers up to a moment, in Unix seconds, to the
    /// nearest source of each direction and kind, of those in force or others: of the fewest hops, and
    /// of these the one that the labels' rule takes, at one hop the first of the gravest timing. Exact
    /// unless cut short.
    pub fn exposure_as_of(
        &self,
        keys: &[PackedKey],
        until: u64,
        sources: Option<&[Source]>,
        budget: u64,
    ) -> Search<Path> {
        let mut all = Search::new();
        let targets = self.targets(keys);
        let (by_kind, further) = self.by_kind(sources);
        let (groups, work) = (sources.map(|of| PartyGroups::new(of.iter())), Work::new(budget));
        let recount = groups.as_ref().and_then(|of| self.recount(of, &work));
        let are_known = groups.as_ref().is_none_or(|groups| self.are_known(groups));
        let seeds = |sources| self.seeds(sources, &further, until, &work);
        let all_seeds: BTreeMap<_, _> =
            by_kind.iter().map(|(&kind, sources)| (kind, seeds(sources))).collect();
        for direction in Direction::ALL {
            for (&kind, sources) in &by_kind {
                let seeds = &all_seeds[&kind];
                let is_seed = |&node: &Node| seeds.first_at(node).is_some();
                if keys.iter().any(|key| sources.contains_key(key)) || targets.iter().any(is_seed) {
                    continue;
                }
                let target = Target {
                    direction,
                    known: self.known(direction, kind, sources).filter(|_| are_known),
                    seeds,
                    max_hops: self.max_hops,
                    nearest: true,
                    window: (0, until),
                    allows: &|_| true,
                    recount: recount.as_ref(),
                };
                let left = budget.saturating_sub(all.examined);
                let found = cone(self.view(), &target, &targets, left);
                let states = States::over(&found, self.view(), &target);
                let nearest = nearest(self.view(), &target, &found, &states, &targets);
                all.found.extend(nearest);
                all.note(found);
            }
        }
        // What it begins with may not have been found.
        all.cut_short |= work.is_cut_short();
        all.examined = all.examined.saturating_add(work.looked_at());
        all.stops_met.sort_unstable();
        all.stops_met.dedup();
        all
    }

    /// Distinct paths between the keys (of one address) and sources: by direction, fewest hops
    /// first, then the first to arrive (sent-to: the last to leave).
    pub fn paths(&self, keys: &[PackedKey], query: &PathQuery<'_>) -> Search<Path> {
        let mut all = Search::new();
        let targets = self.targets(keys);
        let (mut by_kind, further) = self.by_kind(query.sources);
        let (groups, work) =
            (query.sources.map(|of| PartyGroups::new(of.iter())), Work::new(query.budget));
        let recount = groups.as_ref().and_then(|of| self.recount(of, &work));
        let are_known = groups.as_ref().is_none_or(|groups| self.are_known(groups));
        by_kind.retain(|kind, _| query.kinds.is_empty() || query.kinds.contains(kind));
        let seeds = |sources| self.seeds(sources, &further, query.window.1, &work);
        let all_seeds: BTreeMap<_, _> =
            by_kind.iter().map(|(&kind, sources)| (kind, seeds(sources))).collect();
        let directions = Direction::ALL.into_iter();
        for direction in directions.filter(|of| query.direction.is_none_or(|only| only == *of)) {
            let mut found: Vec<(u64, Path)> = Vec::new();
            for (&kind, sources) in &by_kind {
                let mut target = Target {
                    direction,
                    known: None,
                    seeds: &all_seeds[&kind],
                    max_hops: query.max_hops.clamp(1, super::MAX_HOPS),
                    nearest: false,
                    window: query.window,
                    allows: query.allows,
                    recount: recount.as_ref(),
                };
                if target.max_hops <= self.max_hops && are_known {
                    target.known = self.known(direction, kind, sources);
                }
                let left = query.budget.saturating_sub(all.examined);
                let mut within = cone(self.view(), &target, &targets, left);
                let states = States::over(&within, self.view(), &target);
                let mut walk = Walk {
                    view: self.view(),
                    target: &target,
                    cone: &within,
                    states: &states,
                    left: left.saturating_sub(within.examined),
                    most: query.max_paths,
                    found: Vec::new(),
                };
                walk.all(&targets);
                let cut_short = walk.left == 0;
                found.append(&mut walk.found);
                within.cut_short |= cut_short;
                all.note(within);
            }
            found.sort_by(|(at, a), (bt, b)| {
                let rows = |path: &Path| path.hops.iter().map(|hop| hop.row).collect::<Vec<_>>();
                (a.hops.len(), at, rows(a)).cmp(&(b.hops.len(), bt, rows(b)))
            });
            let path = |(_, path)| path;
            all.found.extend(found.into_iter().map(path).take(query.max_paths));
        }
        // What it begins with may not have been found.
        all.cut_short |= work.is_cut_short();
        all.examined = all.examined.saturating_add(work.looked_at());
        all.stops_met.sort_unstable();
        all.stops_met.dedup();
        all
    }

    /// Every node of the keys.
    pub(super) fn targets(&self, keys: &[PackedKey]) -> Vec<Node> {
        let mut nodes: Vec<_> = keys.iter().flat_map(|key| self.nodes.of_key(key)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Where the paths of one kind begin with the transfers up to a moment.
    pub(super) fn seeds<'a>(
        &'a self,
        sources: &'a ByKey<'a>,
        further: &'a Further<'a>,
        until: u64,
        work: &'a Work,
    ) -> Seeds<'a> {
        let (view, limit) = (self.view(), self.clusters.limit);
        Seeds::new(&self.clusters.sets, sources, further, Reach { view, until, limit, work })
    }

    /// Sources by kind and key, the first of each, and the others.
    pub(super) fn by_kind<'a>(
        &'a self,
        sources: Option<&'a [Source]>,
    ) -> (BTreeMap<ListKind, ByKey<'a>>, Further<'a>) {
        let mut by_kind: BTreeMap<ListKind, ByKey<'_>> = BTreeMap::new();
        let mut further = Further::new();
        let mut add = |rank: u32, source: &'a Source| match by_kind
            .entry(source.kind)
            .or_default()
            .entry(source.key)
        {
            Entry::Vacant(place) => {
                place.insert((rank, source));
            }
            Entry::Occupied(_) => {
                further.entry((source.key, source.kind)).or_default().push((rank, source));
            }
        };
        match sources {
            Some(sources) => {
                let mut sorted: Vec<_> = sources.iter().collect();
                sorted.sort_unstable();
                (0..).zip(sorted).for_each(|(rank, source)| add(rank, source));
            }
            None => {
                for kind in 0..super::path_ends::KINDS {
                    for (key, _) in self.parties.listed_of_kind(kind) {
                        for id in self.parties.listed(&key, kind) {
                            let origin = Origin::listed(id);
                            add(self.parties.rank(origin) / 2, self.parties.source(origin));
                        }
                    }
                }
            }
        }
        by_kind.retain(|&kind, _| kind_index(kind).is_some());
        (by_kind, further)
    }

    /// Whether parties have no keys that they do not have in force, with which more dust adds up than
    /// labels know.
    fn are_known(&self, groups: &PartyGroups) -> bool {
        groups.beyond(self.parties.groups()).is_empty()
    }

    /// The working labels, where they are of all these sources.
    fn known(
        &self,
        direction: Direction,
        kind: ListKind,
        sources: &ByKey<'_>,
    ) -> Option<&super::hops::Hops> {
        let kind = kind_index(kind)?;
        let is_known =
            |key: &PackedKey| self.parties.sources(key).is_some_and(|kinds| kinds[kind].is_some());
        let tier = self.tiers.iter().find(|of| of.direction == direction && of.kind == kind)?;
        sources.keys().all(is_known).then_some(tier)
    }
}

impl<T> Search<T> {
    fn new() -> Self {
        Self { found: Vec::new(), cut_short: false, examined: 0, stops_met: Vec::new() }
    }

    fn note(&mut self, cone: BackwardSearch) {
        self.cut_short |= cone.cut_short;
        self.examined += cone.examined;
        self.stops_met.extend(cone.stops_met);
    }
}

/// Links from the key's end to the source's, as a path from the first source there.
fn path(view: GraphView<'_>, target: &Target<'_, '_>, links: &[Link]) -> Option<Path> {
    let seed = target.seeds.first_at(links.last()?.tail)?;
    path_of(view, target, links, seed)
}

fn path_of(
    view: GraphView<'_>,
    target: &Target<'_, '_>,
    links: &[Link],
    seed: Seed<'_>,
) -> Option<Path> {
    let last = links.last()?;
    let fold = mask(target.direction);
    let mut hops: Vec<_> = links
        .iter()
        .map(|link| {
            let (tail, head) = (*view.nodes.key(link.tail), *view.nodes.key(link.head));
            let (from, to) = match target.direction {
                Direction::ReceivedFrom => (tail, head),
                Direction::SentTo => (head, tail),
            };
            let time = view.clocks.time(view.nodes.clock(link.head), link.at ^ fold);
            HopRef { row: link.row, from, to, time }
        })
        .collect();
    if target.direction == Direction::ReceivedFrom {
        hops.reverse();
    }
    let timing = timing(view, seed.source, target.direction, *last);
    Some(Path {
        direction: target.direction,
        source: seed.source.clone(),
        timing,
        common_input: seed.is_joined,
        hops,
    })
}

/// The links of a node.
fn links_to(cone: &BackwardSearch, head: Node) -> &[Link] {
    let start = cone.links.partition_point(|link| link.head < head);
    let end = cone.links.partition_point(|link| link.head <= head);
    &cone.links[start..end]
}

/// The direct transfer that the label of the targets shows: the first of the gravest.
fn gravest<'a>(
    view: GraphView<'_>,
    target: &Target<'_, 'a>,
    cone: &BackwardSearch,
    targets: &[Node],
) -> Option<(Link, Seed<'a>)> {
    let fold = mask(target.direction);
    let firsts = targets.iter().filter_map(|&node| {
        let judged = links_to(cone, node).iter().flat_map(|link| {
            let seeds = target.seeds.all_at(link.tail).into_iter();
            seeds.map(|seed| {
                (timing(view, seed.source, target.direction, *link), link.at, *link, seed)
            })
        });
        judged.min_by_key(|&(timing, at, link, seed)| (timing, seed.is_joined, at, seed.rank, link))
    });
    let first = firsts.min_by_key(|&(timing, at, link, seed)| {
        let time = view.clocks.time(view.nodes.clock(link.head), at ^ fold) ^ fold;
        (timing, seed.is_joined, time, seed.rank)
    });
    first.map(|(.., link, seed)| (link, seed))
}

/// The path that the label of the targets stands for.
fn nearest(
    view: GraphView<'_>,
    target: &Target<'_, '_>,
    cone: &BackwardSearch,
    states: &States,
    targets: &[Node],
) -> Option<Path> {
    let fold = mask(target.direction);
    let best = targets.iter().filter_map(|&node| {
        let hops = states.fewest(node)?;
        let arrival = states.at(node, hops)?;
        let time = view.clocks.time(view.nodes.clock(node), arrival.0 ^ fold) ^ fold;
        Some((hops, time, arrival.1, arrival.2, node))
    });
    let (mut hops, _, _, _, mut node) = best.min()?;
    if hops == 1 {
        let (link, seed) = gravest(view, target, cone, targets)?;
        return path_of(view, target, &[link], seed);
    }
    let mut links = Vec::new();
    while hops > 0 {
        let arrival: Arrival = states.at(node, hops)?;
        let found = links_to(cone, node).iter().find(|link| {
            link.at == arrival.0
                && states.departure(**link, hops - 1, view, target) == Some(arrival)
        })?;
        links.push(*found);
        hops -= 1;
        if hops > 0 {
            // The clock on which it arrived with that source.
            let same = |twin: &&Node| {
                let from = view.nodes.clock(**twin);
                states.at(**twin, hops).is_some_and(|(at, rank, timing)| {
                    (rank, timing) == (arrival.1, arrival.2)
                        && view.convert(target.direction, at, from, view.nodes.clock(node))
                            <= found.at
                })
            };
            node = *view.nodes.group(&found.tail).iter().find(same)?;
        }
    }
    path(view, target, &links)
}

/// The enumeration of paths within a cone.
struct Walk<'a, 's> {
    view: GraphView<'a>,
    target: &'a Target<'a, 's>,
    cone: &'a BackwardSearch,
    states: &'a States,
    /// Steps that may still be made.
    left: u64,
    most: usize,
    /// With the arrival at the key, in folded chain time.
    found: Vec<(u64, Path)>,
}

impl Walk<'_, '_> {
    /// Every path to the targets, hop count by hop count, until there are enough.
    fn all(&mut self, targets: &[Node]) {
        let fold = mask(self.target.direction);
        for hops in 1..=self.target.max_hops {
            if self.found.len() >= self.most {
                return;
            }
            let time = |link: &Link| {
                let clock = self.view.nodes.clock(link.head);
                self.view.clocks.time(clock, link.at ^ fold) ^ fold
            };
            let links = targets.iter().flat_map(|&node| links_to(self.cone, node));
            let mut links: Vec<_> = links.map(|link| (time(link), *link)).collect();
            links.sort_unstable_by_key(|(time, link)| (*time, link.at, link.row, link.tail));
            for (time, link) in links {
                self.extend(&mut vec![link], hops - 1, time);
            }
        }
    }

    /// Adds a path. Of those over the same rows one is kept: from a source's own key before an
    /// estimate, then from the first source.
    fn add(&mut self, path: Option<Path>, time: u64) {
        let Some(path) = path else { return };
        let rows = |path: &Path| -> Vec<_> { path.hops.iter().map(|hop| hop.row).collect() };
        let own = rows(&path);
        let order = |path: &Path| (path.common_input, path.source.clone());
        match self.found.iter_mut().find(|(_, other)| rows(other) == own) {
            Some((_, known)) if order(&path) < order(known) => *known = path,
            Some(_) => {}
            None => self.found.push((time, path)),
        }
    }

    /// Goes on from the last link, over exactly so many more.
    fn extend(&mut self, links: &mut Vec<Link>, left: u8, time: u64) {
        let Some(&last) = links.last() else { return };
        if self.found.len() >= self.most || self.left == 0 {
            return;
        }
        self.left -= 1;
        let (view, target) = (self.view, self.target);
        let is_source = target.seeds.first_at(last.tail).is_some();
        if left == 0 || is_source {
            if left == 0 && is_source {
                self.add(path(view, target, links), time);
            }
            return;
        }
        if !self.states.leads(last, left, view, target) {
            return;
        }
        let cone = self.cone;
        for &twin in view.nodes.group(&last.tail) {
            let (from, to) = (view.nodes.clock(twin), view.nodes.clock(last.head));
            for link in links_to(cone, twin) {
                let seen = |before: &Link| {
                    before.row == link.row
                        || view.nodes.key(before.head) == view.nodes.key(link.tail)
                };
                if view.convert(target.direction, link.at, from, to) > last.at {
                    break;
                }
                if !links.iter().any(seen) {
                    links.push(*link);
                    self.extend(links, left - 1, time);
                    links.pop();
                }
            }
        }
    }
}
