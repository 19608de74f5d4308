//! Direct dealings in assets without a known value: labels and searches against every row, and single
//! cases with their figures written out.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::change::{Change, Known, cases, change};
use super::given::{self, TOKEN, holder, key};
use super::model::Model;
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::list::{ListKind, RowKey};
use crate::domain::transfer::{Asset, Leg, Movement, Transfer, TxStatus, UtxoMovement};
use crate::exposure::{
    DEFAULT_CLUSTER_LIMIT, Direction, Labels, Relabelling, Settings, Source, Unvalued,
    UnvaluedSearch, World,
};

/// Settings of [`given::settings`] without the coins of Bitcoin and of one EVM chain.
fn settings(max_hops: u8, hub_limit: u32) -> Settings {
    let mut assets = AssetTable::default();
    assets.set(Chain::Evm(1), Asset::Native, given::rule(9, 20));
    assets.set(Chain::Evm(1), Asset::Contract(TOKEN), given::rule(6, 2));
    let (cluster_limit, no_common_input) = (DEFAULT_CLUSTER_LIMIT, BTreeSet::new());
    Settings { max_hops, hub_limit, assets, cluster_limit, no_common_input }
}

proptest! {
    #![proptest_config(cases(300))]

    /// Any interleaving, of which much has no known value: counts, and labels beside them.
    #[test]
    fn counts_end_where_a_build_does(
        changes in prop::collection::vec(change(given::transfer()), 1..24),
        (max_hops, hub_limit) in (1_u8..=5, 2_u32..14),
        clusters in given::clusters(),
    ) {
        let mut known = Known::new(clusters.within(settings(max_hops, hub_limit)));
        for change in changes {
            known.apply(change);
        }
        known.check();
    }

    /// One build.
    #[test]
    fn a_count_is_that_of_every_row(
        rows in prop::collection::vec(given::transfer(), 1..40),
        sources in prop::collection::vec(given::source(), 1..6),
        clusters in given::clusters(),
    ) {
        let mut known = Known::new(clusters.within(settings(3, 100)));
        known.apply(Change::Sources(sources));
        known.apply(Change::Append(rows));
        known.check();
    }

    /// The model with the transfers up to then, for the sources in force or others.
    #[test]
    fn a_search_is_the_model_of_then(
        transfers in prop::collection::vec(given::transfer(), 1..30),
        sources in prop::collection::vec(given::source(), 1..6),
        until in 0_u64..75,
    ) {
        let settings = settings(3, 100);
        let mut world = World::new(settings.clone());
        world.append(0, &transfers);
        world.relabel();
        let rows: Vec<_> = (0_u64..).zip(&transfers).collect();
        let model = Model { settings: &settings, rows, sources: &sources, stops: &[] };
        let then = model.rows.iter().filter(|(_, row)| model.chain_time(row) <= until).copied();
        let then = Model { rows: then.collect(), ..model };
        let wanted = then.unvalued();
        for number in 1..=given::KEYS {
            for chain in [Chain::Evm(1), Chain::Bitcoin] {
                let key = key(number, &chain);
                let search = world.unvalued_as_of(&[key], until, &sources, 100_000);
                prop_assert!(!search.cut_short);
                let found = search.found.into_iter().map(|(dealt, source)| {
                    (dealt.direction, dealt.kind, dealt.transfers, source)
                });
                let wanted = wanted.get(&key).cloned().unwrap_or_default();
                prop_assert_eq!(found.collect::<Vec<_>>(), wanted, "{:?} at {}", key, until);
            }
        }
    }
}

const ETH: Chain = Chain::Evm(1);
const UNKNOWN: Asset = Asset::Contract([0x78; 20]);

const A: u8 = 1;
const B: u8 = 2;
const S: u8 = 4;
const T: u8 = 5;

/// As [`given::send`], of an asset.
fn send(from: u8, to: u8, height: u64, asset: Asset, amount: u64) -> Transfer {
    let mut transfer = given::send(&ETH, from, to, height, amount);
    if let Movement::Account(movement) = &mut transfer.movement {
        movement.asset = asset;
    }
    transfer
}

fn source(number: u8, chain: &Chain, kind: ListKind, list: &str) -> Source {
    Source {
        list: list.parse().unwrap(),
        listing: RowKey::default(),
        key: key(number, chain),
        kind,
        listed_from: Some(15),
        unlisted_until: Some(15),
    }
}

fn dealt(labels: &Labels, number: u8, chain: &Chain) -> Vec<(Direction, ListKind, u32, String)> {
    let found = labels.find(&key(number, chain));
    assert_eq!(found.labels().count(), 0, "no label comes of it");
    let dealt = found.unvalued().map(|(of, source)| {
        (of.direction, of.kind, of.transfers, labels.source(source).list.to_string())
    });
    dealt.collect()
}

#[test]
fn what_moved_nothing_or_has_a_value_is_not_counted() {
    let failed = Transfer { status: TxStatus::Failed, ..send(S, A, 1, UNKNOWN, 5) };
    let rows = [
        failed,
        send(S, A, 2, UNKNOWN, 0),
        send(S, S, 3, UNKNOWN, 5),
        send(S, 0, 4, UNKNOWN, 5),
        send(0, A, 5, UNKNOWN, 5),
        // Dust has a value.
        send(S, A, 6, Asset::Native, 1),
        // Not directly.
        send(B, A, 7, UNKNOWN, 5),
    ];
    let mut world = World::new(settings(5, 100));
    world.append(0, &rows);
    world.set_parties(vec![source(S, &ETH, ListKind::Sanctions, "s")], Vec::new());
    let labels = world.relabel().labels;
    assert_eq!(dealt(&labels, A, &ETH), []);
    assert_eq!(labels.keys().count(), 0);
    world.append(7, &[send(S, A, 8, UNKNOWN, 1)]);
    let made = world.relabel();
    assert_eq!(made.was, Relabelling::Incremental);
    let one = (Direction::ReceivedFrom, ListKind::Sanctions, 1, "s".to_owned());
    assert_eq!(dealt(&made.labels, A, &ETH), [one]);
}

#[test]
fn each_direction_and_kind_has_its_count_and_its_first_source() {
    let rows = [
        send(S, A, 1, UNKNOWN, 5),
        send(T, A, 1, UNKNOWN, 5),
        send(T, A, 2, UNKNOWN, 5),
        send(A, T, 3, UNKNOWN, 5),
    ];
    let mut world = World::new(settings(5, 100));
    world.append(0, &rows);
    let sanctions = |number, list| source(number, &ETH, ListKind::Sanctions, list);
    world.set_parties(vec![sanctions(T, "b")], Vec::new());
    let (received, sent) = (Direction::ReceivedFrom, Direction::SentTo);
    let of = |direction, kind, rows, list: &str| (direction, kind, rows, list.to_owned());
    let kind = ListKind::Sanctions;
    let wanted = [of(received, kind, 2, "b"), of(sent, kind, 1, "b")];
    assert_eq!(dealt(&world.relabel().labels, A, &ETH), wanted);
    // Sources that come later: the first by order is shown, and each kind counts by itself.
    let advisory = source(T, &ETH, ListKind::Advisory, "c");
    world.set_parties(vec![sanctions(T, "b"), sanctions(S, "a"), advisory], Vec::new());
    let labels = world.relabel().labels;
    let wanted = [
        of(received, kind, 3, "a"),
        of(received, ListKind::Advisory, 2, "c"),
        of(sent, kind, 1, "b"),
        of(sent, ListKind::Advisory, 1, "c"),
    ];
    assert_eq!(dealt(&labels, A, &ETH), wanted);
    // Who is listed deals with nobody of the kind; when it no longer is, it does again.
    world.set_parties(vec![sanctions(T, "b"), sanctions(A, "a")], Vec::new());
    assert_eq!(dealt(&world.relabel().labels, A, &ETH), []);
    world.set_parties(vec![sanctions(T, "b")], Vec::new());
    let wanted = [of(received, kind, 2, "b"), of(sent, kind, 1, "b")];
    assert_eq!(dealt(&world.relabel().labels, A, &ETH), wanted);
}

#[test]
fn a_transaction_of_a_coin_without_value_counts_once() {
    let leg = |numbers: &[u8]| Leg {
        holders: numbers.iter().map(|&number| holder(number, &Chain::Bitcoin)).collect(),
        unattributable: false,
        amount: Some(7),
    };
    let movement = UtxoMovement {
        coinbase: false,
        inputs: vec![leg(&[S]), leg(&[S, T]), leg(&[B])],
        outputs: vec![leg(&[A]), leg(&[A]), leg(&[B]), leg(&[])],
    };
    let transfer = Transfer {
        chain: Chain::Bitcoin,
        movement: Movement::Utxo(Box::new(movement)),
        ..send(S, A, 1, UNKNOWN, 5)
    };
    let mut world = World::new(settings(5, 100));
    let listed = |number, list| source(number, &Chain::Bitcoin, ListKind::Sanctions, list);
    world.set_parties(vec![listed(S, "b"), listed(T, "a")], Vec::new());
    world.relabel();
    world.append(0, &[transfer]);
    let made = world.relabel();
    let wanted = [(Direction::ReceivedFrom, ListKind::Sanctions, 1, "a".to_owned())];
    for number in [A, B] {
        assert_eq!(dealt(&made.labels, number, &Chain::Bitcoin), wanted);
    }
}

#[test]
fn a_search_that_is_cut_short_says_so() {
    let rows: Vec<_> = (1..=9).map(|height| send(S, A, height, UNKNOWN, 5)).collect();
    let mut world = World::new(settings(5, 100));
    world.append(0, &rows);
    world.relabel();
    let sources = [source(S, &ETH, ListKind::Sanctions, "s")];
    let search = |until, budget| world.unvalued_as_of(&[key(A, &ETH)], until, &sources, budget);
    let of = |transfers, at_least| {
        let (direction, kind) = (Direction::ReceivedFrom, ListKind::Sanctions);
        (Unvalued { direction, kind, transfers, at_least }, sources[0].clone())
    };
    let all = UnvaluedSearch { found: vec![of(9, false)], cut_short: false, examined: 9 };
    assert_eq!(search(u64::MAX, 9), all);
    assert_eq!(search(4, 9), UnvaluedSearch { found: vec![of(4, false)], examined: 4, ..all });
    let cut = search(u64::MAX, 3);
    assert!(cut.cut_short);
    assert_eq!(cut.found, [of(3, true)]);
}
