//! Common inputs: labels and searches against components made anew, and single cases, one a rule.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::change::{Change, Known, assert_walks_have_the_hops, cases, change};
use super::given::{self, holder, key, settings};
use super::model::Model;
use super::model::clusters::{Joining, fewest_joins};
use super::searches::{self, BUDGET, Facts};
use crate::domain::chain::Chain;
use crate::domain::list::{ListKind, RowKey};
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Leg, Movement, Placement, Transfer, TxStatus, UtxoMovement};
use crate::exposure::{
    ClusterMember, ClusterPage, ClusterQuery, CommonInput, DEFAULT_CLUSTER_LIMIT, Direction,
    JoinChain, Labels, PathQuery, Settings, Source, StopReason, Timing, World,
};

mod meeting;
mod rules;

/// What searches find of keys, alone and by two, is what the model of then has.
pub fn assert_as_of(world: &World, model: &Model<'_>, until: u64, others: Option<&[Source]>) {
    let then = searches::as_of(model, until, others);
    let keys = given::keys();
    let alone = keys.iter().map(|key| vec![*key]);
    for keys in alone.chain(keys.windows(2).map(<[_]>::to_vec)) {
        let search = world.common_inputs_as_of(&keys, until, others, BUDGET);
        assert!(!search.cut_short);
        let mut found = search.found;
        found.sort();
        assert_eq!(found, then.common_inputs_of(&keys), "{keys:?} at {until}");
    }
}

/// A chain is one of transactions that join what it says, and no other has fewer.
pub fn assert_chains(world: &World, model: &Model<'_>, until: u64) {
    let mut joinings = model.joinings();
    joinings.retain(|joining| joining.time <= until);
    let keys = given::keys();
    for from in keys.windows(2) {
        let joins = fewest_joins(&joinings, from);
        for to in keys.iter().filter(|to| !from.contains(to)) {
            let chain = world.join_chain(from, to, until, BUDGET);
            assert!(!chain.cut_short);
            assert_eq!(chain.joins.len(), joins.get(to).copied().unwrap_or(0), "{from:?} {to:?}");
            assert_chain(&chain, from, to, &joinings);
        }
    }
}

fn assert_chain(chain: &JoinChain, from: &[PackedKey], to: &PackedKey, joinings: &[Joining]) {
    let (Some(first), Some(last)) = (chain.joins.first(), chain.joins.last()) else { return };
    assert!(from.contains(&first.from) && last.to == *to);
    assert!(chain.joins.windows(2).all(|pair| pair[0].to == pair[1].from));
    for join in &chain.joins {
        let joining = joinings.iter().find(|joining| joining.row == join.row).unwrap();
        assert_eq!(join.time, joining.time);
        assert!(joining.keys.contains(&join.from) && joining.keys.contains(&join.to));
    }
}

/// Every page of so many members.
fn pages(world: &World, key: PackedKey, query: ClusterQuery) -> Option<Vec<ClusterPage>> {
    let mut pages: Vec<ClusterPage> = Vec::new();
    loop {
        let after = pages.last().and_then(|page| page.next);
        let page = world.cluster(&[key], &ClusterQuery { after, ..query })?;
        let is_last = page.next.is_none();
        assert!(is_last || !page.members.is_empty(), "a page that goes nowhere");
        pages.push(page);
        if is_last {
            return Some(pages);
        }
    }
}

/// Pages list the whole cluster of each key once, and say of it and its members what rows do.
pub fn assert_pages(world: &World, model: &Model<'_>, limit: usize) {
    let joinings = model.joinings();
    let mut sources: BTreeMap<PackedKey, BTreeSet<Source>> = BTreeMap::new();
    for source in model.sources {
        sources.entry(source.key).or_default().insert(source.clone());
    }
    for key in given::keys() {
        let query = ClusterQuery { after: None, limit, budget: BUDGET };
        let Some(pages) = pages(world, key, query) else {
            assert!(!model.is_named(&key));
            continue;
        };
        let cluster: Vec<_> = model.cluster(key).into_iter().collect();
        let listed = cluster.iter().filter_map(|key| sources.get_key_value(key));
        let listed: Vec<_> = listed.map(|(key, of)| (*key, of.clone())).collect();
        let is_within = |joining: &&Joining| cluster.iter().any(|key| joining.keys.contains(key));
        let transactions = joinings.iter().filter(is_within).count() as u64;
        let mut members = Vec::new();
        for page in pages {
            assert!(page.members.len() <= limit);
            assert_eq!(page.keys, cluster.len() as u64);
            assert_eq!(page.is_cut, cluster.len() > model.settings.cluster_limit as usize);
            assert_eq!(page.transactions, Some(transactions));
            assert_eq!(page.listed, listed.len() as u64);
            let first_listed = page.first_listed.into_iter();
            let first_listed: Vec<_> =
                first_listed.map(|(key, of)| (key, of.into_iter().collect())).collect();
            assert_eq!(first_listed, listed, "too few to be left out");
            members.extend(page.members);
        }
        assert_eq!(members.iter().map(|member| member.key).collect::<Vec<_>>(), cluster);
        for member in members {
            let of_member: BTreeSet<_> = member.sources.iter().cloned().collect();
            assert_eq!(of_member, sources.get(&member.key).cloned().unwrap_or_default());
            assert_member(&member, &joinings);
        }
    }
}

/// The first transaction that joins it with another is named.
fn assert_member(member: &ClusterMember, joinings: &[Joining]) {
    let own = joinings.iter().filter(|joining| joining.keys.contains(&member.key));
    let first = own.clone().map(|joining| joining.time).min();
    assert_eq!(member.joined_by.map(|join| join.time), first, "{:?}", member.key);
    if let Some(join) = member.joined_by {
        let joining = own.clone().find(|joining| joining.row == join.row).unwrap();
        assert!(join.from == member.key && join.to != join.from);
        assert!(joining.time == join.time && joining.keys.contains(&join.to));
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// One build.
    #[test]
    fn a_build_is_the_model(
        (mix, rows) in given::mixed(|transfer| prop::collection::vec(transfer, 1..26)),
        sources in prop::collection::vec(given::source(), 1..5),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, hub_limit) in (1_u8..=15, 2_u32..8),
        clusters in given::clusters(),
    ) {
        let mut known = Known::new(clusters.within(mix.within(settings(max_hops, hub_limit))));
        known.apply(Change::Stops(stops));
        known.apply(Change::Sources(sources));
        known.apply(Change::Append(rows));
        known.check();
    }

    /// Any interleaving.
    #[test]
    fn changes_end_where_a_build_does(
        (mix, changes) in given::mixed(|it| prop::collection::vec(change(it), 1..24)),
        (max_hops, hub_limit) in (1_u8..=15, 2_u32..14),
        clusters in given::clusters(),
    ) {
        let mut known = Known::new(clusters.within(mix.within(settings(max_hops, hub_limit))));
        for change in changes {
            known.apply(change);
        }
        known.check();
    }

    #[test]
    fn the_model_is_what_walks_say(
        (mix, rows) in given::mixed(|transfer| prop::collection::vec(transfer, 1..9)),
        sources in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        max_hops in 1_u8..=5,
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(mix.within(settings(max_hops, 4)));
        assert_walks_have_the_hops(&settings, &rows, &sources, &stops);
    }

    /// Common inputs and exposure, for the sources in force or others.
    #[test]
    fn as_of_is_the_model_of_then(
        (mix, transfers) in given::mixed(|transfer| prop::collection::vec(transfer, 1..22)),
        sources in prop::collection::vec(given::source(), 1..5),
        others in prop::collection::vec(given::source(), 1..5),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, until, custom) in (1_u8..=15, 0_u64..75, any::<bool>()),
        hub_limit in 2_u32..8,
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(mix.within(settings(max_hops, hub_limit)));
        let facts = Facts { settings, transfers, sources, stops };
        let (world, model) = (facts.world(), facts.model());
        let others = custom.then_some(&others[..]);
        assert_as_of(&world, &model, until, others);
        searches::assert_as_of(&world, &model, until, others);
    }

    #[test]
    fn paths_are_walks(
        (mix, transfers) in given::mixed(|transfer| prop::collection::vec(transfer, 1..9)),
        sources in prop::collection::vec(given::source(), 1..4),
        others in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, asked, hub_limit) in (1_u8..=5, 1_u8..=5, 3_u32..8),
        (until, custom) in (0_u64..75, any::<bool>()),
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(mix.within(settings(max_hops, hub_limit)));
        let facts = Facts { settings, transfers, sources, stops };
        searches::assert_paths(&facts, asked, until, custom.then_some(&others[..]));
    }

    #[test]
    fn evidence_is_a_walk(
        (mix, transfers) in given::mixed(|transfer| prop::collection::vec(transfer, 1..10)),
        sources in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, hub_limit) in (1_u8..=5, 2_u32..8),
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(mix.within(settings(max_hops, hub_limit)));
        searches::assert_evidence(&Facts { settings, transfers, sources, stops });
    }

    #[test]
    fn a_chain_is_a_shortest_one(
        (mix, transfers) in given::mixed(|transfer| prop::collection::vec(transfer, 1..16)),
        stops in prop::collection::vec(given::stop(), 0..2),
        until in 0_u64..75,
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(mix.within(settings(3, 100)));
        let facts = Facts { settings, transfers, sources: Vec::new(), stops };
        assert_chains(&facts.world(), &facts.model(), until);
    }

    #[test]
    fn pages_list_the_whole_cluster_once(
        (mix, transfers) in given::mixed(|transfer| prop::collection::vec(transfer, 1..16)),
        sources in prop::collection::vec(given::source(), 0..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        limit in 1_usize..5,
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(mix.within(settings(3, 100)));
        let facts = Facts { settings, transfers, sources, stops };
        assert_pages(&facts.world(), &facts.model(), limit);
    }
}

const BTC: Chain = Chain::Bitcoin;

/// Listed keys.
const S: u8 = 1;
const T: u8 = 2;
/// Others.
const A: u8 = 11;
const B: u8 = 12;
const C: u8 = 13;
const D: u8 = 14;
const E: u8 = 15;
/// Receivers that do nothing else.
const P: u8 = 21;
const Q: u8 = 22;
const R: u8 = 23;

fn leg(numbers: &[u8], amount: u64, chain: &Chain) -> Leg {
    let holders = numbers.iter().map(|&number| holder(number, chain)).collect();
    Leg { holders, unattributable: false, amount: Some(amount) }
}

/// A transaction of a chain at a height, whose time is the same number, with an input for each set of
/// holders, of 100 each.
fn spend_on(chain: Chain, inputs: &[&[u8]], outputs: &[(u8, u64)], height: u64) -> Transfer {
    let movement = UtxoMovement {
        coinbase: false,
        inputs: inputs.iter().map(|holders| leg(holders, 100, &chain)).collect(),
        outputs: outputs.iter().map(|&(number, amount)| leg(&[number], amount, &chain)).collect(),
    };
    let movement = Movement::Utxo(Box::new(movement));
    Transfer { movement, ..given::send(&chain, 0, 0, height, 0) }
}

/// The same on Bitcoin, with an input for each number.
fn spend(inputs: &[u8], outputs: &[(u8, u64)], height: u64) -> Transfer {
    let inputs: Vec<_> = inputs.chunks(1).collect();
    spend_on(BTC, &inputs, outputs, height)
}

/// Spent together, to a receiver that does nothing else.
fn join(inputs: &[u8], height: u64) -> Transfer {
    spend(inputs, &[(P, 10)], height)
}

fn listed(number: u8) -> Source {
    Source {
        list: "list".parse().unwrap(),
        listing: RowKey { address: number.to_string(), ..RowKey::default() },
        key: key(number, &BTC),
        kind: ListKind::Sanctions,
        listed_from: Some(15),
        unlisted_until: Some(15),
    }
}

fn facts(transfers: &[Transfer], sources: &[u8]) -> Facts {
    let sources = sources.iter().map(|&number| listed(number)).collect();
    let (settings, transfers) = (settings(5, 100), transfers.to_vec());
    Facts { settings, transfers, sources, stops: Vec::new() }
}

fn limited(limit: u32, facts: Facts) -> Facts {
    let settings = Settings { cluster_limit: limit, ..facts.settings };
    Facts { settings, ..facts }
}

/// Labels that are those of the model.
fn labels(facts: &Facts) -> Labels {
    labels_of(&mut facts.world(), &facts.model())
}

fn labels_of(world: &mut World, model: &Model<'_>) -> Labels {
    let labels = world.relabel().labels;
    model.assert_common_inputs(&labels);
    assert_eq!(super::model::shown(&labels), model.labels());
    (*labels).clone()
}

/// What is said of a key that is joined with a listed one, and the listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    Beside(u8),
    JoinedKey(u8),
    Cut(u8),
}

fn tie(labels: &Labels, number: u8) -> Option<Tie> {
    let mut found = labels.find(&key(number, &BTC)).common_inputs();
    let (CommonInput { is_beside, is_cut, .. }, source) = found.next()?;
    assert_eq!(found.next(), None, "one a kind");
    let source = labels.source(source).listing.address.parse().unwrap();
    Some(match (is_beside, is_cut) {
        (true, false) => Tie::Beside(source),
        (false, false) => Tie::JoinedKey(source),
        (false, true) => Tie::Cut(source),
        (true, true) => panic!("what is beside is never cut"),
    })
}

/// Direction, hops, the listing, and whether by common input.
fn shown(labels: &Labels, number: u8) -> Vec<(Direction, u8, u8, bool)> {
    let found = labels.of(&key(number, &BTC)).map(|label| {
        let source = labels.source(label.source).listing.address.parse().unwrap();
        (label.direction, label.hops, source, label.common_input)
    });
    found.collect()
}

const RECEIVED: Direction = Direction::ReceivedFrom;
