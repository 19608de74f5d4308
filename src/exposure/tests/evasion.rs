//! What is tried to get out of sight: hubs made to order, and amounts cut into dust.

use std::collections::BTreeSet;

use super::given::{self, holder, key, settings};
use super::model::shown as shown_of_all;
use crate::domain::chain::Chain;
use crate::domain::list::{ListKind, RowKey};
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Asset, Holder, Leg, Movement, Placement, Transfer, UtxoMovement};
use crate::exposure::{
    DEFAULT_CLUSTER_LIMIT, Direction, Labels, Relabelling, Settings, Source, World,
};

const ETH: Chain = Chain::Evm(1);
const LIMIT: u32 = 10;
/// The floor of [`settings`] on Ethereum.
const FLOOR: u64 = 20;

const THIEF: u8 = 1;
const OTHER_WALLET: u8 = 2;
const HUB: u8 = 3;
const NEXT: u8 = 4;
const LAST: u8 = 5;
/// Own wallets that a hub is made with begin here.
const OWN: u8 = 100;

/// As [`given::send`]; on a UTXO chain a transaction with one input and one output.
fn send_on(chain: Chain, from: u8, to: u8, height: u64, amount: u64) -> Transfer {
    let mut transfer = given::send(&chain, from, to, height, amount);
    if chain.is_utxo() {
        let leg = |number| Leg {
            holders: vec![on(number, &chain)],
            unattributable: false,
            amount: Some(amount),
        };
        let (inputs, outputs) = (vec![leg(from)], vec![leg(to)]);
        transfer.movement =
            Movement::Utxo(Box::new(UtxoMovement { coinbase: false, inputs, outputs }));
    }
    transfer
}

/// Bitcoin Cash has the keys of Bitcoin.
fn on(number: u8, chain: &Chain) -> Holder {
    let same = if *chain == Chain::BitcoinCash { &Chain::Bitcoin } else { chain };
    holder(number, same)
}

fn send(from: u8, to: u8, height: u64, amount: u64) -> Transfer {
    send_on(ETH, from, to, height, amount)
}

fn listed(numbers: &[u8], chain: &Chain) -> Vec<Source> {
    let source = |&number: &u8| Source {
        list: "list".parse().unwrap(),
        listing: RowKey { party_uid: "thief".into(), ..RowKey::default() },
        key: key(number, chain),
        kind: ListKind::Sanctions,
        listed_from: None,
        unlisted_until: None,
    };
    numbers.iter().map(source).collect()
}

fn world(rows: &[Transfer], sources: Vec<Source>) -> World {
    let mut assets = settings(5, LIMIT).assets;
    let rule = assets.rule(&Chain::Bitcoin, &Asset::Native).unwrap().clone();
    assets.set(Chain::BitcoinCash, Asset::Native, rule);
    let mut world = World::new(Settings {
        max_hops: 8,
        hub_limit: LIMIT,
        assets,
        cluster_limit: DEFAULT_CLUSTER_LIMIT,
        no_common_input: BTreeSet::new(),
    });
    world.append(0, rows);
    world.set_parties(sources, Vec::new());
    world
}

/// Direction, hops, and whether by a hub.
fn shown(labels: &Labels, key: PackedKey) -> Vec<(Direction, u8, bool)> {
    labels.of(&key).map(|label| (label.direction, label.hops, label.hub)).collect()
}

/// Enough dealings with own wallets to be a hub.
fn make_hub(chain: &Chain, from_height: u64) -> Vec<Transfer> {
    let own = OWN..OWN + LIMIT as u8 + 1;
    (from_height..).zip(own).map(|(at, to)| send_on(chain.clone(), HUB, to, at, 100)).collect()
}

/// Who has paid thousands of own wallets after the payment is not cleared by them, and neither is
/// who stands behind.
#[test]
fn a_hub_does_not_clear_in_retrospect() {
    for (direction, payments) in [
        (Direction::ReceivedFrom, [send(THIEF, HUB, 1, 100), send(HUB, NEXT, 2, 100)]),
        (Direction::SentTo, [send(NEXT, HUB, 1, 100), send(HUB, THIEF, 2, 100)]),
    ] {
        let mut world = world(&payments, listed(&[THIEF], &ETH));
        let wanted = [(direction, 2, false)];
        assert_eq!(shown(&world.relabel().labels, key(NEXT, &ETH)), wanted);
        world.append(2, &make_hub(&ETH, 10));
        let made = world.relabel();
        assert_eq!((made.new_hubs, made.was), (vec![key(HUB, &ETH)], Relabelling::Rebuilt));
        assert_eq!(shown(&made.labels, key(NEXT, &ETH)), wanted);
    }
}

/// What leaves a hub since it was one is cut there, and shown to who received it.
#[test]
fn a_hub_made_beforehand_cuts_what_leaves_it_and_shows_it() {
    let mut rows = make_hub(&ETH, 10);
    rows.extend([send(THIEF, HUB, 40, 100), send(HUB, NEXT, 41, 100), send(NEXT, LAST, 42, 100)]);
    let labels = world(&rows, listed(&[THIEF], &ETH)).relabel().labels;
    assert_eq!(shown(&labels, key(NEXT, &ETH)), [(Direction::ReceivedFrom, 2, true)]);
    assert_eq!(shown(&labels, key(LAST, &ETH)), []);
}

/// Backwards as well: it paid the thief at 5, and again when it was a hub.
#[test]
fn what_a_hub_sent_before_it_was_one_stays() {
    let mut rows = vec![send(NEXT, HUB, 4, 100), send(HUB, THIEF, 5, 100)];
    rows.extend(make_hub(&ETH, 10));
    rows.extend([send(LAST, HUB, 30, 100), send(HUB, THIEF, 31, 100)]);
    let labels = world(&rows, listed(&[THIEF], &ETH)).relabel().labels;
    let by_hub = (Direction::SentTo, 2, true);
    assert_eq!(shown(&labels, key(NEXT, &ETH)), [(Direction::SentTo, 2, false), by_hub]);
    assert_eq!(shown(&labels, key(LAST, &ETH)), [by_hub]);
}

/// A key that is a hub on a cheap chain is none elsewhere.
#[test]
fn a_hub_on_another_chain_cuts_nothing() {
    let mut rows = make_hub(&Chain::BitcoinCash, 1);
    rows.push(send_on(Chain::Bitcoin, THIEF, HUB, 50, 100));
    rows.push(send_on(Chain::Bitcoin, HUB, NEXT, 51, 100));
    let mut world = world(&rows, listed(&[THIEF], &Chain::Bitcoin));
    let made = world.relabel();
    assert_eq!(made.new_hubs, [key(HUB, &Chain::Bitcoin)]);
    let next = key(NEXT, &Chain::Bitcoin);
    assert_eq!(shown(&made.labels, next), [(Direction::ReceivedFrom, 2, false)]);
}

/// A late transfer that makes a hub one earlier cuts what was not cut before.
#[test]
fn a_moment_that_moves_builds_anew() {
    let mut rows = make_hub(&ETH, 10);
    rows.truncate(LIMIT as usize - 1);
    rows.extend([send(THIEF, HUB, 40, 100), send(HUB, NEXT, 41, 100)]);
    let mut world = world(&rows, listed(&[THIEF], &ETH));
    let next = key(NEXT, &ETH);
    let normal = [(Direction::ReceivedFrom, 2, false)];
    assert_eq!(shown(&world.relabel().labels, next), normal);
    // Two more of the past: it was a hub from 25 on.
    world.append(rows.len() as u64, &[send(HUB, 90, 24, 100), send(HUB, 91, 25, 100)]);
    let made = world.relabel();
    assert_eq!(made.was, Relabelling::Rebuilt);
    assert_eq!(shown(&made.labels, next), [(Direction::ReceivedFrom, 2, true)]);
}

/// Each payment is below the floor; the one that reaches it counts, and those after it, in any order
/// of arrival.
#[test]
fn dust_that_adds_up_counts() {
    for pair in [(THIEF, NEXT), (NEXT, THIEF)] {
        let pay = |height| send(pair.0, pair.1, height, FLOOR / 2);
        let late = world(&[pay(5)], listed(&[THIEF], &ETH)).relabel().labels;
        assert_eq!(shown(&late, key(NEXT, &ETH)), []);
        for rows in [[pay(5), pay(6), pay(7)], [pay(7), pay(6), pay(5)]] {
            let mut world = world(&rows[..1], listed(&[THIEF], &ETH));
            world.relabel();
            world.append(1, &rows[1..2]);
            world.relabel();
            world.append(2, &rows[2..]);
            let labels = world.relabel().labels;
            let label = labels.of(&key(NEXT, &ETH)).next().unwrap();
            let value = label.direct.unwrap().value;
            assert_eq!((label.hops, value), (1, Some(1)), "two of three, half a floor each");
            let rows = world.evidence(&[key(NEXT, &ETH)], &label, 100).unwrap().direct_rows;
            assert_eq!(rows.len(), 2);
        }
    }
}

/// What a party pays from several addresses is paid by one; strangers' dust is not summed with it.
#[test]
fn a_party_is_one_end_of_dust() {
    let rows = [send(THIEF, NEXT, 5, FLOOR / 2), send(OTHER_WALLET, NEXT, 6, FLOOR / 2)];
    let mut world = world(&rows, listed(&[THIEF], &ETH));
    assert_eq!(shown(&world.relabel().labels, key(NEXT, &ETH)), []);
    world.set_parties(listed(&[THIEF, OTHER_WALLET], &ETH), Vec::new());
    let made = world.relabel();
    assert_eq!(made.was, Relabelling::Incremental);
    let direct = [(Direction::ReceivedFrom, 1, false)];
    assert_eq!(shown(&made.labels, key(NEXT, &ETH)), direct);
    // As of a time when one of them was not listed it is no dealing.
    let before = listed(&[THIEF], &ETH);
    let found = world.exposure_as_of(&[key(NEXT, &ETH)], u64::MAX, Some(&before), 1_000);
    assert_eq!(found.found, []);
    world.set_parties(before, Vec::new());
    assert_eq!(shown(&world.relabel().labels, key(NEXT, &ETH)), []);
}

/// The same of outputs of transactions.
#[test]
fn dust_outputs_add_up_over_transactions() {
    let pay = |height| send_on(Chain::Bitcoin, THIEF, NEXT, height, 1);
    let next = key(NEXT, &Chain::Bitcoin);
    let sources = || listed(&[THIEF], &Chain::Bitcoin);
    assert_eq!(shown(&world(&[pay(5)], sources()).relabel().labels, next), []);
    let labels = world(&[pay(5), pay(6)], sources()).relabel().labels;
    assert_eq!(shown(&labels, next), [(Direction::ReceivedFrom, 1, false)]);
}

/// Labels after each batch by itself are those of all at once.
fn check_in_batches(batches: &[Vec<Transfer>], sources: &[Source]) {
    let mut stepped = world(&[], sources.to_vec());
    let mut row = 0;
    for batch in batches {
        stepped.append(row, batch);
        row += batch.len() as u64;
        stepped.relabel();
    }
    let rows: Vec<_> = batches.iter().flatten().cloned().collect();
    let once = world(&rows, sources.to_vec()).relabel().labels;
    assert_eq!(shown_of_all(&stepped.relabel().labels), shown_of_all(&once));
}

/// Its first transfer on the other clock of a chain leaves a hub as well.
#[test]
fn a_hub_is_one_on_both_clocks_of_its_chain() {
    let unplaced = Transfer { placement: Placement::Unknown, ..send(HUB, NEXT, 50, 100) };
    let batches = [make_hub(&ETH, 10), vec![send(THIEF, HUB, 40, 100)], vec![unplaced]];
    check_in_batches(&batches, &listed(&[THIEF], &ETH));
}

/// Dust that a hub sent since it was one counts by what it sent before.
#[test]
fn dust_of_a_hub_adds_up_with_what_came_before_its_moment() {
    let batches = [
        make_hub(&ETH, 10),
        vec![send(THIEF, HUB, 30, 100), send(HUB, NEXT, 31, FLOOR / 2)],
        vec![send(HUB, NEXT, 5, 100)],
    ];
    check_in_batches(&batches, &listed(&[THIEF], &ETH));
}

/// A speck to somebody, and the rest to an own wallet.
fn pay_dust(from: u8, to: u8, height: u64) -> Transfer {
    let mut tx = send_on(Chain::Bitcoin, from, to, height, 1);
    if let Movement::Utxo(of) = &mut tx.movement {
        of.inputs[0].amount = Some(100);
        let change = Leg { holders: vec![on(OWN, &Chain::Bitcoin)], ..of.inputs[0].clone() };
        of.outputs.push(change);
    }
    tx
}

/// A leg that counts since an earlier one became known, with the rest of its transaction known long
/// before: behind a hub, directly, and as an input beside another listed one.
#[test]
fn legs_that_add_up_later_count_as_if_they_had_at_once() {
    let thief = listed(&[THIEF], &Chain::Bitcoin);
    let batches = [
        make_hub(&Chain::Bitcoin, 10),
        vec![send_on(Chain::Bitcoin, THIEF, HUB, 24, 100), pay_dust(HUB, NEXT, 31)],
        vec![pay_dust(HUB, NEXT, 25)],
    ];
    check_in_batches(&batches, &thief);
    check_in_batches(&[vec![pay_dust(THIEF, NEXT, 7)], vec![pay_dust(THIEF, NEXT, 5)]], &thief);
    let beside = |first: u8, height| {
        let mut tx = send_on(Chain::Bitcoin, first, NEXT, height, 100);
        if let Movement::Utxo(of) = &mut tx.movement {
            let holders = vec![on(OTHER_WALLET, &Chain::Bitcoin)];
            of.inputs.push(Leg { holders, amount: Some(1), ..of.inputs[0].clone() });
        }
        tx
    };
    let mut two = listed(&[THIEF, OTHER_WALLET], &Chain::Bitcoin);
    two[1].listing.party_uid = "other".into();
    check_in_batches(&[vec![beside(THIEF, 7)], vec![beside(LAST, 5)]], &two);
}

/// In a transaction that is too large to add dust up in, dust counts.
#[test]
fn dust_counts_in_a_huge_transaction() {
    let leg = |number: u16| Leg {
        holders: vec![Holder::Other(format!("an unknown form {number}").into())],
        unattributable: false,
        amount: Some(1),
    };
    let mut tx = send_on(Chain::Bitcoin, THIEF, NEXT, 5, 1);
    if let Movement::Utxo(of) = &mut tx.movement {
        of.inputs[0].amount = Some(10_000);
        of.outputs.extend((0..4_100).map(leg));
    }
    let labels = world(&[tx], listed(&[THIEF], &Chain::Bitcoin)).relabel().labels;
    let direct = [(Direction::ReceivedFrom, 1, false)];
    assert_eq!(shown(&labels, key(NEXT, &Chain::Bitcoin)), direct);
}

/// Dust that counts since a list names a party makes no hub: a list that is added cuts no path.
#[test]
fn dust_makes_no_hub() {
    let specks = (10..)
        .zip(OWN..OWN + 2 * LIMIT as u8)
        .flat_map(|(at, to)| [send(HUB, to, at, FLOOR / 2), send(OTHER_WALLET, to, at, FLOOR / 2)]);
    let mut rows: Vec<_> = specks.collect();
    rows.extend([send(THIEF, HUB, 50, 100), send(HUB, NEXT, 51, 100)]);
    let mut world = world(&rows, listed(&[THIEF], &ETH));
    let wanted = [(Direction::ReceivedFrom, 2, false)];
    assert_eq!(shown(&world.relabel().labels, key(NEXT, &ETH)), wanted);
    let mut more = listed(&[HUB, OTHER_WALLET], &ETH);
    more.iter_mut().for_each(|source| {
        source.kind = ListKind::Advisory;
        source.list = "advisory".parse().unwrap();
    });
    more.extend(listed(&[THIEF], &ETH));
    world.set_parties(more, Vec::new());
    let made = world.relabel();
    assert_eq!(made.new_hubs, []);
    let of_thief = made.labels.of(&key(NEXT, &ETH)).find(|of| of.kind == ListKind::Sanctions);
    assert_eq!(of_thief.map(|label| (label.hops, label.hub)), Some((2, false)));
}
