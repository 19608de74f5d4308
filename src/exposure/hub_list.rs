//! Untagged hubs for people: since when each is one on a chain, with how many it dealt, what it moved
//! and what exposure it has itself. Bounded work per page; judges nothing.

use std::collections::BTreeMap;

use hashbrown::HashSet;

use super::edges::Edge;
use super::nodes::{Node, TX};
use super::{CommonInput, Direction, Label, Source, World};
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset};

/// Where a hub stands in the list: by when it became one, then by key and chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HubPlace {
    /// The chain time from which on it is a hub on the chain, in Unix seconds.
    pub since: u64,
    pub key: PackedKey,
    pub chain: Chain,
}

/// Asks for a page of hubs.
#[derive(Clone, Debug)]
pub struct HubQuery<'a> {
    /// Only on this chain; `None`: on every one.
    pub chain: Option<&'a Chain>,
    /// Only hubs that are listed, are joined with a listed key or have exposure of their own.
    pub exposed: bool,
    /// The last hub of the page before.
    pub after: Option<&'a HubPlace>,
    /// At most so many; at least one.
    pub limit: usize,
    /// How many edges a page may look at, at most.
    pub budget: u64,
}

/// An untagged hub on a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// Its place in the list.
    pub place: HubPlace,
    /// Chain time of its first transfer there that counts, in Unix seconds; `None` where none was
    /// looked at.
    pub first_time: Option<u64>,
    /// The row of that transfer.
    pub first_row: Option<u64>,
    /// With how many others it dealt there, as the limit of hubs counts them: by transfers that count,
    /// a UTXO transaction being one.
    pub counterparties: u64,
    /// Whether it has more edges than a page may look at: then there are at least so many others, and
    /// the first transfer may be an earlier one.
    pub cut_short: bool,
    /// What it received and sent there, asset by asset.
    pub volumes: Vec<Volume>,
    /// Whether it is listed itself, so that paths begin there.
    pub is_listed: bool,
    /// What it is joined with by common inputs, one a kind, each with the first by order of the sources.
    /// Not what it is cut off from.
    pub common_inputs: Vec<(CommonInput, Source)>,
    /// Its own labels, on all chains, with their sources.
    pub exposure: Vec<(Label, Source)>,
}

/// What a hub, or a cluster, moved of an asset, in the smallest unit: of each transfer as much as has 8
/// decimals; `None` where that is more than is counted. Dust and transfers to itself are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub asset: Asset,
    pub received: Option<Amount>,
    pub sent: Option<Amount>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubPage {
    /// In the order of their places.
    pub found: Vec<Hub>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<HubPlace>,
}

/// What a look at a hub's edges says.
#[derive(Debug, Default)]
struct HubDealings {
    others: HashSet<Node>,
    first: Option<(u64, u64)>,
    cut_short: bool,
}

impl World {
    /// A page of the untagged hubs, each counted exactly. It ends early where the next hub would take
    /// it beyond the budget; a hub that has more edges alone is cut short.
    pub fn hubs(&self, query: &HubQuery<'_>) -> HubPage {
        let mut places = self.hub_places(query);
        let is_more = places.len() > query.limit;
        if is_more {
            places.pop_last();
        }
        let mut page = HubPage::default();
        let mut left = query.budget;
        let wanted = places.len();
        for (place, first) in places {
            let nodes: Vec<_> = self.nodes.on_chain(&first, &self.clocks).collect();
            let edges: usize =
                nodes.iter().flat_map(|&node| self.pieces(node)).map(<[_]>::len).sum();
            if !page.found.is_empty() && edges as u64 > left {
                break;
            }
            page.found.push(self.hub(place, &nodes, left));
            left = left.saturating_sub(edges as u64);
        }
        let ends_early = is_more || page.found.len() < wanted;
        page.next = page.found.last().filter(|_| ends_early).map(|hub| hub.place.clone());
        page
    }

    /// How many untagged hubs there are, by chain.
    pub fn hub_counts(&self) -> BTreeMap<Chain, u64> {
        let mut counts = BTreeMap::new();
        for (node, _) in self.watch.moments() {
            let chain = self.clocks.chain(self.nodes.clock(node));
            match counts.get_mut(chain) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(chain.clone(), 1);
                }
            }
        }
        counts
    }

    /// The first places after the page before, with the hub's first node there: one more than asked
    /// for, where there are more. Looks at no edge.
    fn hub_places(&self, query: &HubQuery<'_>) -> BTreeMap<HubPlace, Node> {
        let mut places: BTreeMap<HubPlace, Node> = BTreeMap::new();
        let after = query.after.map_or(0, |place| place.since);
        for (node, since) in self.watch.moments() {
            let is_full = places.len() > query.limit
                && places.last_key_value().is_some_and(|(last, _)| since > last.since);
            let chain = self.clocks.chain(self.nodes.clock(node));
            if since < after || is_full || query.chain.is_some_and(|only| only != chain) {
                continue;
            }
            let key = *self.nodes.key(node);
            if query.exposed && !self.is_exposed(&key) {
                continue;
            }
            let place = HubPlace { since, key, chain: chain.clone() };
            if query.after.is_some_and(|after| place <= *after) {
                continue;
            }
            places.insert(place, node);
            if places.len() > query.limit + 1 {
                places.pop_last();
            }
        }
        places
    }

    fn is_exposed(&self, key: &PackedKey) -> bool {
        let found = self.labels.find(key);
        self.is_listed(key)
            || found.labels().any(|label| !label.hub)
            || found.common_inputs().any(|(of, _)| !of.is_cut)
    }

    fn is_listed(&self, key: &PackedKey) -> bool {
        self.parties.sources(key).is_some_and(|kinds| kinds.iter().any(Option::is_some))
    }

    /// The edges of a node, both ways.
    fn pieces(&self, node: Node) -> impl Iterator<Item = &[Edge]> {
        self.edges.out.pieces(node).chain(self.edges.into.pieces(node))
    }

    fn hub(&self, place: HubPlace, nodes: &[Node], budget: u64) -> Hub {
        let dealt = self.dealt_with(nodes, budget);
        let key = place.key;
        let found = self.labels.find(&key);
        let source = |number| self.labels.source(number).clone();
        let joined = found.common_inputs().filter(|(of, _)| !of.is_cut);
        Hub {
            first_time: dealt.first.map(|(time, _)| time),
            first_row: dealt.first.map(|(_, row)| row),
            counterparties: dealt.others.len() as u64,
            cut_short: dealt.cut_short,
            volumes: self.volumes(&place.chain, nodes),
            is_listed: self.is_listed(&key),
            common_inputs: joined.map(|(of, number)| (of, source(number))).collect(),
            exposure: found.labels().map(|label| (label, source(label.source))).collect(),
            place,
        }
    }

    /// Looks at no more edges than the budget.
    fn dealt_with(&self, nodes: &[Node], budget: u64) -> HubDealings {
        let mut dealt = HubDealings::default();
        let mut left = budget;
        for &node in nodes {
            for piece in self.pieces(node) {
                let looked_at =
                    usize::try_from(left).map_or(piece.len(), |most| most.min(piece.len()));
                dealt.cut_short |= looked_at < piece.len();
                left -= looked_at as u64;
                let mut counting =
                    piece[..looked_at].iter().filter(|edge| edge.counts()).peekable();
                if let Some(edge) = counting.peek() {
                    let time = self.clocks.time(self.nodes.clock(node), edge.key);
                    let first = (time, self.row_of(edge));
                    dealt.first = Some(dealt.first.map_or(first, |known| known.min(first)));
                }
                dealt.others.extend(counting.map(|edge| self.nodes.first(edge.node())));
            }
        }
        dealt
    }

    fn row_of(&self, edge: &Edge) -> u64 {
        let is_tx = self.nodes.has(edge.node(), TX);
        u64::from(if is_tx { self.nodes.row(edge.node()) } else { edge.id })
    }

    pub(super) fn volumes(&self, chain: &Chain, nodes: &[Node]) -> Vec<Volume> {
        let sum = |direction: Direction, asset| {
            let totals = nodes.iter().map(|&node| self.total(direction, node, asset));
            totals.fold(0, u64::saturating_add)
        };
        let volume = |(id, valued): (_, &super::shares::Valued)| {
            let [received, sent] =
                [Direction::ReceivedFrom, Direction::SentTo].map(|direction| sum(direction, id));
            (received > 0 || sent > 0).then(|| Volume {
                asset: valued.asset().clone(),
                received: valued.smallest(received),
                sent: valued.smallest(sent),
            })
        };
        let mut volumes: Vec<_> = self.valuation.known_on(chain).filter_map(volume).collect();
        volumes.sort_by(|a, b| a.asset.cmp(&b.asset));
        volumes
    }
}
