//! The list of hubs against a plain count over rows.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::given::{holder, key, send, settings, source, stop, transfer};
use super::model::Model;
use crate::domain::chain::Chain;
use crate::domain::list::{ListKind, RowKey};
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset, Holder, Leg, Movement, Transfer, UtxoMovement};
use crate::exposure::{CommonInput, Hub, HubPage, HubPlace, HubQuery, Settings, Source, World};

fn query(limit: usize) -> HubQuery<'static> {
    HubQuery { chain: None, exposed: false, after: None, limit, budget: u64::MAX }
}

/// Every page of so many hubs.
fn pages(world: &World, query: &HubQuery<'_>) -> Vec<HubPage> {
    let mut pages: Vec<HubPage> = Vec::new();
    loop {
        let after = pages.last().and_then(|page| page.next.clone());
        let page = world.hubs(&HubQuery { after: after.as_ref(), ..query.clone() });
        let is_last = page.next.is_none();
        assert!(is_last || !page.found.is_empty(), "a page that goes nowhere");
        pages.push(page);
        if is_last {
            return pages;
        }
    }
}

fn all(world: &World, query: &HubQuery<'_>) -> Vec<Hub> {
    pages(world, query).into_iter().flat_map(|page| page.found).collect()
}

/// What the rows say of a key on a chain: with whom it dealt, when first, and in which rows that was.
#[derive(Debug, Default)]
struct Counted {
    others: BTreeSet<PackedKey>,
    first: Option<u64>,
    rows: BTreeSet<u64>,
}

fn keys(holders: &[Holder], chain: &Chain) -> Vec<PackedKey> {
    let ids = holders.iter().flat_map(|holder| holder.key_ids(chain));
    ids.map(|id| PackedKey::from(&id)).collect()
}

/// By key and chain, over account transfers that count.
fn counted(model: &Model<'_>, rows: &[Transfer]) -> BTreeMap<(PackedKey, Chain), Counted> {
    let mut found: BTreeMap<_, Counted> = BTreeMap::new();
    let times = chain_times(rows);
    for (row, transfer) in (0..).zip(rows) {
        let Movement::Account(of) = &transfer.movement else { continue };
        let chain = &transfer.chain;
        let [from, to] = [&of.from, &of.to].map(|end| keys(end.as_slice(), chain));
        let ([from], [to]) = (&from[..], &to[..]) else { continue };
        if model.pairs(transfer).is_empty() {
            continue;
        }
        for (own, other) in [(from, to), (to, from)] {
            let counted = found.entry((*own, chain.clone())).or_default();
            counted.others.insert(*other);
            let time = times[&row];
            if counted.first.is_none_or(|first| time < first) {
                counted.rows.clear();
            }
            if counted.first.is_none_or(|first| time <= first) {
                counted.first = Some(time);
                counted.rows.insert(row);
            }
        }
    }
    found
}

/// By row, its chain time: of positioned ones the latest time of any block up to its own.
fn chain_times(rows: &[Transfer]) -> BTreeMap<u64, u64> {
    let height = |it: &Transfer| it.position().map(|position| position.height);
    let time = |it: &Transfer| match height(it) {
        None => it.time,
        Some(own) => {
            let before = rows.iter().filter(|other| {
                other.chain == it.chain && height(other).is_some_and(|other| other <= own)
            });
            before.map(|other| other.time).max().unwrap_or(it.time)
        }
    };
    (0..).zip(rows.iter().map(time)).collect()
}

fn payment(at: u64, from: u8, to: u8, chain: &Chain) -> Transfer {
    Transfer { time: at * 10, ..send(chain, from, to, at, 100) }
}

fn world(settings: Settings, rows: &[Transfer]) -> World {
    let mut world = World::new(settings);
    world.append(0, rows);
    world.relabel();
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_hub_is_listed_with_what_its_rows_say(
        rows in prop::collection::vec(transfer(), 0..40),
        sources in prop::collection::vec(source(), 0..3),
        stops in prop::collection::vec(stop(), 0..3),
        limit in 1_usize..4,
    ) {
        let settings = settings(4, 2);
        let mut world = World::new(settings.clone());
        world.append(0, &rows);
        world.set_parties(sources.clone(), stops.clone());
        let labels = world.relabel().labels;
        let found = all(&world, &query(100));
        // In any pages the same, in one order, each once.
        prop_assert_eq!(&all(&world, &query(limit)), &found);
        prop_assert_eq!(&all(&world, &HubQuery { budget: 3, ..query(100) }).len(), &found.len());
        prop_assert!(found.is_sorted_by(|a, b| a.place < b.place));
        for hub in &found {
            let key = &hub.place.key;
            prop_assert!(!stops.iter().any(|(stop, _)| stop == key), "{hub:?} is tagged");
            prop_assert_eq!(hub.is_listed, sources.iter().any(|source| source.key == *key));
            let own: Vec<_> = labels.of(key).collect();
            prop_assert_eq!(hub.exposure.iter().map(|(label, _)| *label).collect::<Vec<_>>(), own);
            let joined = labels.find(key).common_inputs().filter(|(of, _)| !of.is_cut);
            let joined: Vec<_> =
                joined.map(|(of, source)| (of, labels.source(source).clone())).collect();
            prop_assert_eq!(&hub.common_inputs, &joined);
            prop_assert!(!hub.cut_short);
        }
        let numbered = (0..).zip(&rows).collect();
        let model =
            Model { settings: &settings, rows: numbered, sources: &sources, stops: &stops };
        let counted = counted(&model, &rows);
        for hub in found.iter().filter(|hub| !hub.place.chain.is_utxo()) {
            let HubPlace { key, chain, .. } = &hub.place;
            let counted = &counted[&(*key, chain.clone())];
            prop_assert!(hub.counterparties > 2);
            prop_assert_eq!(hub.counterparties, counted.others.len() as u64);
            prop_assert_eq!(hub.first_time, counted.first);
            prop_assert!(counted.rows.contains(&hub.first_row.unwrap()));
        }
        // Narrowed, a part of the same.
        let exposed = all(&world, &HubQuery { exposed: true, ..query(limit) });
        let is_exposed = |hub: &&Hub| {
            hub.is_listed
                || !hub.common_inputs.is_empty()
                || hub.exposure.iter().any(|(it, _)| !it.hub)
        };
        prop_assert_eq!(exposed, found.iter().filter(is_exposed).cloned().collect::<Vec<_>>());
        let ether = Chain::Evm(1);
        let on_ether = all(&world, &HubQuery { chain: Some(&ether), ..query(limit) });
        let is_there = |hub: &&Hub| hub.place.chain == ether;
        prop_assert_eq!(on_ether, found.iter().filter(is_there).cloned().collect::<Vec<_>>());
        let counts: u64 = world.hub_counts().values().sum();
        prop_assert_eq!(counts, found.len() as u64);
    }

    /// On one chain a key is listed if and only if it dealt with more others than the limit, from the
    /// moment on at which it did.
    #[test]
    fn who_dealt_with_more_than_the_limit_is_listed(
        ends in prop::collection::vec((1_u8..7, 1_u8..7), 0..40),
        hub_limit in 2_u32..5,
    ) {
        let chain = Chain::Evm(1);
        let rows = (1..).zip(&ends).map(|(at, &(from, to))| payment(at, from, to, &chain));
        let rows: Vec<_> = rows.collect();
        let mut want = Vec::new();
        for number in 1..7 {
            let mut others = BTreeSet::new();
            for (at, &(from, to)) in (1..).zip(&ends).filter(|(_, (from, to))| from != to) {
                let other = match (from == number, to == number) {
                    (true, _) => to,
                    (_, true) => from,
                    _ => continue,
                };
                if others.insert(other) && others.len() == hub_limit as usize + 1 {
                    want.push((at * 10, key(number, &chain)));
                }
            }
        }
        want.sort();
        let world = world(settings(4, hub_limit), &rows);
        let found = all(&world, &query(2));
        let found: Vec<_> = found.iter().map(|hub| (hub.place.since, hub.place.key)).collect();
        prop_assert_eq!(found, want);
    }
}

/// Keys spend together to one address at a height.
fn spend(inputs: &[u8], to: u8, height: u64) -> Transfer {
    let chain = Chain::Bitcoin;
    let leg = |number: u8| Leg {
        holders: vec![holder(number, &chain)],
        unattributable: false,
        amount: Some(100),
    };
    let movement = Movement::Utxo(Box::new(UtxoMovement {
        coinbase: false,
        inputs: inputs.iter().map(|&number| leg(number)).collect(),
        outputs: vec![leg(to)],
    }));
    Transfer { movement, ..send(&chain, 1, 2, height, 1) }
}

/// Without what it is joined with, such a hub would have nothing to show: its dealings are hidden.
#[test]
fn a_hub_that_is_joined_with_a_listed_key_says_so() {
    const LISTED: u8 = 5;
    const HUB: u8 = 6;
    let source = Source {
        list: "list".parse().unwrap(),
        listing: RowKey::default(),
        key: key(LISTED, &Chain::Bitcoin),
        kind: ListKind::Sanctions,
        listed_from: None,
        unlisted_until: None,
    };
    let mut rows = vec![spend(&[LISTED], HUB, 1), spend(&[LISTED, HUB], 20, 2)];
    rows.extend((0..4).map(|at| spend(&[HUB], 21 + at, 3 + u64::from(at))));
    let check = |rows: &[Transfer], joined: bool| {
        let mut world = World::new(settings(4, 3));
        world.append(0, rows);
        world.set_parties(vec![source.clone()], Vec::new());
        world.relabel();
        let found = all(&world, &HubQuery { exposed: true, ..query(10) });
        let hub = found.iter().find(|hub| hub.place.key == key(HUB, &Chain::Bitcoin));
        let hub = hub.expect("it is listed");
        let of = CommonInput { kind: ListKind::Sanctions, is_beside: true, is_cut: false };
        let want: &[_] = if joined { &[(of, source.clone())] } else { &[] };
        assert_eq!(hub.common_inputs, want);
        assert_eq!(hub.exposure.is_empty(), joined, "{:?}", hub.exposure);
    };
    check(&rows, true);
    // Not joined: what it received is shown.
    rows.remove(1);
    check(&rows, false);
}

/// Key 1 pays seven others and gets back from one.
fn payer() -> Vec<Transfer> {
    let chain = Chain::Evm(1);
    let mut rows: Vec<_> = (2..9).map(|other| payment(other.into(), 1, other, &chain)).collect();
    rows.push(payment(20, 2, 1, &chain));
    rows
}

#[test]
fn what_a_hub_moved_is_told_in_the_smallest_unit() {
    let world = world(settings(4, 3), &payer());
    let found = all(&world, &query(10));
    let [hub] = &found[..] else { panic!("{found:?}") };
    assert_eq!((hub.counterparties, hub.first_time, hub.first_row), (7, Some(20), Some(0)));
    let [volume] = &hub.volumes[..] else { panic!("{:?}", hub.volumes) };
    assert_eq!(volume.asset, Asset::Native);
    // The asset has 9 decimals, of which 8 are counted.
    let of = |transfers: u32| Some(Amount::from(100 * transfers));
    assert_eq!((volume.received, volume.sent), (of(1), of(7)));
}

#[test]
fn a_hub_beyond_the_budget_is_cut_short_and_one_after_it_begins_a_page() {
    let mut rows = payer();
    let chain = Chain::Evm(1);
    rows.extend((30..35).zip(2..).map(|(at, other)| payment(at, 9, other, &chain)));
    let world = world(settings(4, 3), &rows);
    let pages = pages(&world, &HubQuery { budget: 5, ..query(10) });
    let found: Vec<_> = pages.iter().map(|page| &page.found[..]).collect();
    let [[first], [second]] = found[..] else { panic!("{found:?}") };
    assert_eq!((first.cut_short, first.counterparties), (true, 4), "five edges");
    assert_eq!((second.cut_short, second.counterparties), (false, 5));
    assert_eq!(world.hub_counts(), BTreeMap::from([(chain, 2)]));
}
