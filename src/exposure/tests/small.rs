//! Single cases with their figures written out.

use super::given::{self, TOKEN, holder, key, settings};
use crate::domain::chain::Chain;
use crate::domain::list::{ListKind, RowKey};
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Asset, Leg, Movement, Placement, Transfer, TxStatus, UtxoMovement};
use crate::exposure::{
    Direct, Direction, Labels, LabelsError, NotCounted, Relabelling, Settings, Source, Timing,
    World,
};

const ETH: Chain = Chain::Evm(1);

fn send(from: u8, to: u8, height: u64, amount: u64) -> Transfer {
    given::send(&ETH, from, to, height, amount)
}

fn source(number: u8) -> Source {
    Source {
        list: "list".parse().unwrap(),
        listing: RowKey::default(),
        key: key(number, &ETH),
        kind: ListKind::Sanctions,
        listed_from: Some(15),
        unlisted_until: Some(15),
    }
}

fn world(rows: &[Transfer], sources: &[u8]) -> World {
    let mut world = World::new(settings(5, 100));
    world.append(0, rows);
    world.set_parties(sources.iter().map(|&number| source(number)).collect(), Vec::new());
    world
}

fn hops(labels: &Labels, number: u8) -> Vec<(Direction, u8, Timing, Option<Direct>)> {
    let labels = labels.of(&key(number, &ETH));
    labels.map(|label| (label.direction, label.hops, label.timing, label.direct)).collect()
}

fn direct(share: u16, value: u64) -> Option<Direct> {
    Some(Direct { share: Some(share), value: Some(value) })
}

const A: u8 = 1;
const X: u8 = 2;
const Y: u8 = 3;
const S: u8 = 4;

/// Two ways to a listed address: the later one leaves later, the earlier one is complete earlier.
#[test]
fn as_of_knows_what_was_complete() {
    let rows = [send(A, X, 1, 100), send(X, S, 10, 100), send(A, Y, 5, 100), send(Y, S, 20, 100)];
    let mut world = world(&rows, &[S]);
    let labels = world.relabel().labels;
    assert_eq!(hops(&labels, A), [(Direction::SentTo, 2, Timing::After, None)]);
    let as_of = |until| {
        let found = world.exposure_as_of(&[key(A, &ETH)], until, None, 1_000);
        assert!(!found.cut_short);
        let rows = |path: &crate::exposure::Path| path.hops.iter().map(|hop| hop.row).collect();
        found
            .found
            .iter()
            .map(|path| (rows(path), path.timing))
            .collect::<Vec<(Vec<u64>, Timing)>>()
    };
    let none: Vec<(Vec<u64>, Timing)> = Vec::new();
    assert_eq!(as_of(9), none);
    assert_eq!(as_of(12), [(vec![0, 1], Timing::Before)]);
    assert_eq!(as_of(20), [(vec![2, 3], Timing::After)]);
    assert!(world.exposure_as_of(&[key(A, &ETH)], 12, None, 0).cut_short);
}

#[test]
fn appended_in_order_is_incremental_with_shares() {
    let mut world = world(&[send(S, A, 10, 300), send(X, A, 11, 100)], &[S]);
    let labels = world.relabel().labels;
    assert_eq!(hops(&labels, A), [(Direction::ReceivedFrom, 1, Timing::Before, direct(7_500, 16))]);
    // What came before the label does not go on.
    world.append(2, &[send(Y, A, 12, 200), send(A, X, 13, 100)]);
    let made = world.relabel();
    assert_eq!(made.was, Relabelling::Incremental);
    assert_eq!(made.labels.generation(), labels.generation());
    assert_eq!(
        hops(&made.labels, A),
        [(Direction::ReceivedFrom, 1, Timing::Before, direct(5_000, 16))]
    );
    assert_eq!(hops(&made.labels, X), [(Direction::ReceivedFrom, 2, Timing::Before, None)]);
    assert_eq!(hops(&made.labels, S), []);
    // What a reader holds does not change.
    assert_eq!(hops(&labels, X), []);
}

/// A dealing after the listing is told whatever came before it, with its path, by label and search.
#[test]
fn the_gravest_direct_dealing_is_shown() {
    let mut world = world(&[send(S, A, 10, 300), send(A, S, 30, 40)], &[S]);
    let labels = world.relabel().labels;
    let received = |timing, value| (Direction::ReceivedFrom, 1, timing, direct(10_000, value));
    let sent = (Direction::SentTo, 1, Timing::After, direct(10_000, 2));
    assert_eq!(hops(&labels, A), [received(Timing::Before, 16), sent]);
    world.append(2, &[send(S, A, 20, 19), send(S, A, 21, 20), send(S, A, 22, 500)]);
    let made = world.relabel();
    assert_eq!(made.was, Relabelling::Incremental);
    assert_eq!(hops(&made.labels, A), [received(Timing::After, 48), sent]);
    let keys = [key(A, &ETH)];
    let label = made.labels.of(&keys[0]).next().unwrap();
    let evidence = world.evidence(&keys, &label, 100).unwrap();
    let rows = |path: &[crate::exposure::HopRef]| path.iter().map(|hop| hop.row).collect();
    let shown: Vec<u64> = rows(&evidence.path);
    assert_eq!(shown, [2], "the first after the listing, dust that adds up");
    assert_eq!((evidence.first_time, evidence.last_time), (Some(10), Some(22)));
    assert_eq!(evidence.direct_rows, [0, 2, 3, 4]);
    for (until, wanted) in [(19, (0, Timing::Before)), (99, (2, Timing::After))] {
        let found = world.exposure_as_of(&keys, until, None, 1_000).found;
        let path = found.iter().find(|of| of.direction == label.direction).unwrap();
        let shown: Vec<u64> = rows(&path.hops);
        assert_eq!((shown, path.timing), (vec![wanted.0], wanted.1), "as of {until}");
    }
    // One whose day is not known is graver than one before its day.
    let unknown = Source { listed_from: None, unlisted_until: None, ..source(X) };
    let late = Source { listed_from: Some(50), unlisted_until: Some(50), ..source(S) };
    world.append(5, &[send(X, A, 40, 100)]);
    world.set_parties(vec![unknown, late], Vec::new());
    let labels = world.relabel().labels;
    let found: Vec<_> = labels.of(&keys[0]).collect();
    assert_eq!((found[0].timing, found[1].timing), (Timing::Unknown, Timing::Before));
    assert_eq!(labels.source(found[0].source).key, key(X, &ETH));
}

/// Between the last publication without a listing and the first with it nobody knows.
#[test]
fn timing_is_unknown_while_the_listing_may_or_may_not_have_stood() {
    let source = Source { listed_from: Some(30), unlisted_until: Some(20), ..source(S) };
    let timings = [19, 20, 29, 30].map(|moved_at| source.timing(moved_at));
    assert_eq!(timings, [Timing::Before, Timing::Unknown, Timing::Unknown, Timing::After]);
    let first = Source { unlisted_until: None, ..source.clone() };
    assert_eq!(
        [0, 29, 30].map(|at| first.timing(at)),
        [Timing::Unknown, Timing::Unknown, Timing::After]
    );
    let undated = Source { listed_from: None, ..source };
    assert_eq!(
        [19, 20, 99].map(|at| undated.timing(at)),
        [Timing::Before, Timing::Unknown, Timing::Unknown]
    );
}

/// The same where the dealings are on different clocks.
#[test]
fn the_gravest_direct_dealing_is_shown_over_clocks() {
    let late = Transfer { placement: Placement::Unknown, ..send(S, A, 20, 100) };
    let later = Transfer { placement: Placement::Unknown, ..send(S, A, 40, 100) };
    let mut world = world(&[send(S, A, 10, 100), late, send(S, A, 12, 100), later], &[S]);
    let labels = world.relabel().labels;
    let wanted = (Direction::ReceivedFrom, 1, Timing::After, direct(10_000, 20));
    assert_eq!(hops(&labels, A), [wanted]);
    let keys = [key(A, &ETH)];
    let label = labels.of(&keys[0]).next().unwrap();
    assert_eq!(world.evidence(&keys, &label, 100).unwrap().path[0].row, 1);
    for (until, row, timing) in [(10, 0, Timing::Before), (99, 1, Timing::After)] {
        let found = world.exposure_as_of(&keys, until, None, 1_000).found;
        assert_eq!((found[0].hops[0].row, found[0].timing), (row, timing));
    }
}

/// A key that a later list names with an earlier day is judged by that day too, and no other hop is
/// changed by it.
#[test]
fn every_listing_of_a_key_is_asked_for_direct_dealings() {
    let rows = [send(S, A, 10, 100), send(A, X, 11, 100), send(S, A, 12, 100)];
    let mut world = world(&rows, &[S]);
    let first = source(S);
    let earlier = Source {
        list: "other".parse().unwrap(),
        listed_from: Some(12),
        unlisted_until: Some(12),
        ..first.clone()
    };
    let keys = [key(A, &ETH)];
    let shown = |world: &mut World, was| {
        let made = world.relabel();
        assert_eq!(made.was, was);
        let label = made.labels.of(&keys[0]).next().unwrap();
        let evidence = world.evidence(&keys, &label, 100).unwrap();
        let source = made.labels.source(label.source).clone();
        let found = world.exposure_as_of(&keys, 99, None, 1_000).found.remove(0);
        assert_eq!((&found.source, found.timing), (&source, label.timing));
        assert_eq!(found.hops, evidence.path);
        let beyond = made.labels.of(&key(X, &ETH)).next().unwrap();
        assert_eq!((beyond.hops, beyond.timing), (2, Timing::Before));
        assert_eq!(made.labels.source(beyond.source), &first);
        (source.list.to_string(), evidence.path[0].row, label.timing)
    };
    let before = ("list".to_owned(), 0, Timing::Before);
    let after = ("other".to_owned(), 2, Timing::After);
    assert_eq!(shown(&mut world, Relabelling::Rebuilt), before);
    world.set_parties(vec![first.clone(), earlier.clone()], Vec::new());
    assert_eq!(shown(&mut world, Relabelling::Incremental), after);
    world.set_parties(vec![first.clone()], Vec::new());
    assert_eq!(shown(&mut world, Relabelling::Incremental), before);
    world.set_parties(vec![earlier, first.clone()], Vec::new());
    assert_eq!(shown(&mut world, Relabelling::Incremental), after);
}

/// What a source got out of inputs of unknown value is not said to be nothing.
#[test]
fn an_unknown_amount_makes_share_and_value_unknown() {
    let chain = Chain::Bitcoin;
    let spend = |height, amount| {
        let leg = |number, amount| Leg {
            holders: vec![holder(number, &chain)],
            unattributable: false,
            amount,
        };
        let movement = UtxoMovement {
            coinbase: false,
            inputs: vec![leg(A, amount)],
            outputs: vec![leg(S, Some(40)), leg(A, Some(10))],
        };
        let movement = Movement::Utxo(Box::new(movement));
        Transfer { chain: chain.clone(), movement, ..send(A, S, height, 1) }
    };
    let mut world = World::new(settings(5, 100));
    world.append(0, &[spend(1, Some(50))]);
    world.set_parties(vec![Source { key: key(S, &chain), ..source(S) }], Vec::new());
    let of = |labels: &Labels| {
        labels.of(&key(A, &chain)).map(|label| (label.timing, label.direct)).collect::<Vec<_>>()
    };
    let labels = world.relabel().labels;
    // 25 floors, and the next step is 28.
    assert_eq!(of(&labels), [(Timing::Before, direct(10_000, 28))]);
    world.append(1, &[spend(2, None)]);
    let made = world.relabel();
    assert_eq!(made.was, Relabelling::Incremental);
    assert_eq!(of(&made.labels), [(Timing::Before, Some(Direct::default()))]);
}

#[test]
fn transfers_are_paged_with_why_they_do_not_count() {
    let mut failed = send(A, X, 3, 100);
    failed.status = TxStatus::Failed;
    let mut token = send(A, X, 4, 100);
    let mut unvalued = token.clone();
    for (transfer, contract) in [(&mut token, TOKEN), (&mut unvalued, [9; 20])] {
        let Movement::Account(movement) = &mut transfer.movement else { unreachable!() };
        movement.asset = Asset::Contract(contract);
    }
    let mut nowhere = send(A, X, 5, 100);
    let Movement::Account(movement) = &mut nowhere.movement else { unreachable!() };
    movement.to = None;
    let rows = [
        send(A, X, 1, 9),
        send(A, X, 2, 0),
        failed,
        token,
        unvalued,
        nowhere,
        send(A, A, 6, 100),
        send(A, 0, 7, 100),
        send(X, A, 8, 100),
    ];
    let mut world = world(&rows, &[]);
    world.relabel();
    let keys = [key(A, &ETH)];
    let all = world.transfers_of(&keys, Some(false), 0, 100);
    let why: Vec<_> = all.found.iter().map(|dealing| (dealing.row, dealing.why_not)).collect();
    let wanted = [
        (0, Some(NotCounted::Dust)),
        (1, Some(NotCounted::Zero)),
        (2, Some(NotCounted::Failed)),
        (3, None),
        (4, Some(NotCounted::UnvaluedAsset)),
        (5, Some(NotCounted::UnknownCounterparty)),
        (6, Some(NotCounted::SelfTransfer)),
        (7, Some(NotCounted::NullAddress)),
    ];
    assert_eq!((why.as_slice(), all.next), (&wanted[..], None));
    let (mut cursor, mut paged) = (Some(0), Vec::new());
    while let Some(at) = cursor {
        let page = world.transfers_of(&keys, None, at, 3);
        assert!(page.found.len() <= 3);
        paged.extend(page.found);
        cursor = page.next;
    }
    let rows: Vec<_> = paged.iter().map(|dealing| (dealing.row, dealing.received)).collect();
    let sent = (0..6).map(|row| (row, false));
    let wanted: Vec<_> = sent.chain([(6, false), (6, true), (7, false), (8, true)]).collect();
    assert_eq!(rows, wanted);
    assert_eq!(paged[9].others, [key(X, &ETH)]);
}

#[test]
fn a_utxo_transaction_is_one_hop() {
    let chain = Chain::Bitcoin;
    let leg = |number, amount| Leg {
        holders: vec![holder(number, &chain)],
        unattributable: false,
        amount,
    };
    let movement = UtxoMovement {
        coinbase: false,
        inputs: vec![leg(S, Some(50)), leg(A, None), Leg::default()],
        outputs: vec![leg(X, Some(40)), leg(A, Some(10)), leg(Y, Some(1))],
    };
    let transfer = Transfer {
        chain: chain.clone(),
        movement: Movement::Utxo(Box::new(movement)),
        ..send(A, X, 1, 1)
    };
    let at = |number| key(number, &chain);
    let world = |settings| {
        let mut world = World::new(settings);
        world.append(0, std::slice::from_ref(&transfer));
        world.set_parties(vec![Source { key: at(S), ..source(S) }], Vec::new());
        world
    };
    // Change of a co-spender came out of a transaction with the listed input.
    let no_common_input = [chain.clone()].into();
    let labels = world(Settings { no_common_input, ..settings(5, 100) }).relabel().labels;
    let change: Vec<_> = labels.of(&at(A)).map(|label| (label.hops, label.direct)).collect();
    assert_eq!(change, [(1, direct(10_000, 5))]);
    let mut world = world(settings(5, 100));
    let labels = world.relabel().labels;
    let of = |number| labels.of(&at(number)).map(|label| (label.hops, label.direct));
    assert_eq!(of(X).collect::<Vec<_>>(), [(1, direct(10_000, 20))]);
    assert_eq!(of(A).next(), None, "it is joined with the listed key");
    assert_eq!(of(Y).next(), None, "dust");
    let dealings = world.transfers_of(&[at(X)], None, 0, 10).found;
    assert_eq!(dealings[0].others, [at(S), at(A)]);
    let label = labels.of(&at(X)).next().unwrap();
    assert_eq!(world.evidence(&[at(X)], &label, 100).unwrap().unknown, 1);
}

#[test]
fn damaged_labels_are_refused() {
    let rows: Vec<_> = (10..30).map(|to| send(S, to, 10, 300)).collect();
    let mut world = world(&rows, &[S]);
    let made = world.relabel().labels;
    let (meta, chunks) = made.to_chunks();
    let chunks: Vec<_> = chunks.collect();
    assert_eq!(chunks.len(), 1);
    world.append(20, &[send(10, Y, 12, 100)]);
    let delta = world.relabel().delta.unwrap();
    let read = |meta: &[u8], chunk: &[u8], delta: &[u8]| {
        Labels::from_chunks(meta, [chunk], [delta]).map(|labels| labels.len())
    };
    assert_eq!(read(&meta, &chunks[0], &delta), Ok(21));
    assert_eq!(read(&meta[1..], &chunks[0], &delta), Err(LabelsError::Meta));
    assert_eq!(read(&meta, &chunks[0][..40], &delta), Err(LabelsError::Chunk(0)));
    assert_eq!(read(&meta, &chunks[0], &delta[..30]), Err(LabelsError::Delta(0)));
    for end in 0..delta.len() {
        assert_eq!(read(&meta, &chunks[0], &delta[..end]), Err(LabelsError::Delta(0)));
    }
    let mut other = chunks[0].clone();
    let last = other.len() - 1;
    other[last] = 7;
    assert!(matches!(read(&meta, &other, &delta), Err(LabelsError::Source(_))));
}

/// The hot table: found, not found, and no more than 40 bytes a key with one label.
#[test]
fn the_table_is_small() {
    let many = 50_000_u32;
    let own = |number: u32| {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        // Never null.
        bytes[15] = 1;
        bytes
    };
    let rows: Vec<_> = (0..many)
        .map(|number| {
            let mut transfer = send(S, A, 10, 300);
            let Movement::Account(movement) = &mut transfer.movement else { unreachable!() };
            movement.to = Some(crate::domain::transfer::Holder::Evm(own(number)));
            transfer
        })
        .collect();
    let mut world = World::new(settings(5, u32::MAX));
    world.append(0, &rows);
    world.set_parties(vec![source(S)], Vec::new());
    let labels = world.relabel().labels;
    assert_eq!(labels.len(), many as usize);
    assert!(labels.bytes() <= 40 * labels.len(), "{}", labels.bytes());
    for number in 0..many {
        let mut key = [0; 21];
        key[1..].copy_from_slice(&own(number));
        assert_eq!(labels.of(&PackedKey(key)).count(), 1);
        key[0] = 1;
        assert_eq!(labels.of(&PackedKey(key)).count(), 0);
    }
    let (meta, chunks) = labels.to_chunks();
    let chunks: Vec<_> = chunks.collect();
    assert!(chunks.len() > 4);
    let none: [Vec<u8>; 0] = [];
    let read = Labels::from_chunks(&meta, chunks.clone(), none.clone()).unwrap();
    assert_eq!(read.len(), labels.len());
    let swapped = chunks.into_iter().rev();
    assert_eq!(Labels::from_chunks(&meta, swapped, none).unwrap_err(), LabelsError::Chunk(1));
}
