//! Stored transfers through the store's own interface: what was acknowledged is read back, or the
//! damage is named.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod damage;

use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::domain::coverage::{self, ChainState, CoverageDeclaration, TransferState};
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Leg, MovementKind, Position, TxStatus, UtxoMovement,
};
use crate::store::{DEFAULT_CACHE, SCHEMA};

fn open(dir: &Path) -> Store {
    Store::open(dir, DEFAULT_CACHE).unwrap()
}

/// The row that stands at `n` in every test.
fn row(n: u64) -> Transfer {
    let holder = |n: u64| {
        let mut bytes = [0; 20];
        bytes[12..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        Some(Holder::Evm(bytes))
    };
    Transfer {
        chain: if n % 7 == 3 { Chain::Tron } else { Chain::Evm(1) },
        time: 1_600_000_000 + n,
        placement: (n % 5 != 4)
            .then_some(Position { height: n / 10, tx_index: (n % 10) as u32, index: 0 })
            .into(),
        block_hash: None,
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Account(AccountMovement {
            from: holder(n % 50),
            to: holder(n),
            asset: Asset::Native,
            amount: Amount::from(n),
            usd_micros: None,
        }),
    }
}

pub(in crate::store) fn rows(range: std::ops::Range<u64>) -> Vec<Transfer> {
    range.map(row).collect()
}

/// Appends rows, and says nothing of coverage.
pub(in crate::store) fn store_rows(store: &Store, rows: &[Transfer]) -> Result<u64, StoreError> {
    store.append_transfers(&Append { rows, ..Append::default() })
}

fn declare(store: &Store, covered: &[CoverageDeclaration]) -> Result<u64, StoreError> {
    store.append_transfers(&Append { covered, ..Append::default() })
}

pub(in crate::store) fn retract(
    store: &Store,
    chain: &Chain,
    from_height: u64,
    reason: &str,
) -> Result<(u64, RetractionRecord), StoreError> {
    let at = Timestamp::UNIX_EPOCH;
    store.retract_transfers(&Retract { chain, from_height, block_hash: None, reason, at })
}

fn native(head: &ChainState) -> coverage::Spans {
    head.kinds[&MovementKind::Native].heights.clone()
}

pub(in crate::store) fn append(store: &Store, range: std::ops::Range<u64>) {
    let first = range.start;
    assert_eq!(store_rows(store, &rows(range)).unwrap(), first);
}

pub(in crate::store) fn read(store: &Store, from: u64) -> Result<Vec<Transfer>, StoreError> {
    let mut all = Vec::new();
    store.read_rows(from, |first, rows| {
        assert_eq!(first, from + all.len() as u64);
        all.extend(rows);
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

/// The state by counting.
fn state(store: &Store) -> TransferState {
    let known = store.transfer_state();
    let mut state = TransferState {
        retractions: known.retractions.clone(),
        changes: known.changes,
        ..TransferState::default()
    };
    for (number, row) in (0..).zip(read(store, 0).unwrap()) {
        state.rows += 1;
        let name = row.chain.to_string();
        let new = || ChainState::new(row.chain.clone());
        let head = state.chains.entry(name.clone()).or_insert_with(new);
        head.revision = known.chains[&name].revision;
        head.record_asset(&Asset::Native);
        if row.position().is_none() {
            head.add_times(MovementKind::Native, row.time..=row.time);
        }
        let taken = row.position().is_some_and(|at| {
            known
                .retractions
                .iter()
                .any(|r| r.chain == row.chain && number < r.rows && at.height >= r.from_height)
        });
        if taken {
            head.retracted += 1;
            continue;
        }
        head.transfers += 1;
        head.unpositioned += u64::from(row.position().is_none());
        head.add_time(row.time);
        let heights = coverage::spans_from(row.position().iter().map(|at| at.height).collect());
        head.add_heights(MovementKind::Native, &heights);
    }
    // Times were seen by batch.
    for (name, head) in &mut state.chains {
        let seen = known.chains[name].kinds.get(&MovementKind::Native);
        let seen = seen.map(|seen| seen.undeclared_times.clone()).unwrap_or_default();
        for (kind, own) in &mut head.kinds {
            assert_eq!(*kind, MovementKind::Native);
            assert!(own.undeclared_times.iter().all(|span| coverage::contain(&seen, span)));
            own.undeclared_times = seen.clone();
        }
    }
    state
}

#[test]
fn rows_keep_their_numbers_through_merges_and_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut next = 0;
    let mut segments = Vec::new();
    for size in [1, 1000, 1500, 1, 1500, 900, 4096, 10_000, 2, 4095, 1, 0, 3000, 5000, 7] {
        append(&store, next..next + size);
        next += size;
        assert_eq!(*store.transfer_state(), state(&store), "after {next}");
        segments.push(store.log().segments.len());
        if size % 2 == 0 {
            drop(store);
            store = open(dir.path());
            assert_eq!(*store.transfer_state(), state(&store), "after {next}, reopened");
        }
    }
    assert_eq!(read(&store, 0).unwrap(), rows(0..next));
    assert_eq!(read(&store, next - 9).unwrap(), rows(next - 9..next));
    assert_eq!(read(&store, next).unwrap(), []);
    assert!(segments.windows(2).any(|pair| pair[1] < pair[0]), "{segments:?}");
    // No pieces but those of the segments.
    let ids: std::collections::BTreeSet<u64> = store
        .segments
        .iter()
        .keys()
        .map(|key| u64::from_be_bytes(key.unwrap()[..8].try_into().unwrap()))
        .collect();
    let log = store.log();
    let small = log.segments.iter().filter(|segment| segment.place.is_none());
    assert_eq!(ids, small.map(|segment| segment.id).collect());
    let file = std::fs::metadata(dir.path().join("store/segments")).unwrap().len();
    let whole = log.segments.iter().filter(|segment| segment.place.is_some());
    assert_eq!(file, whole.map(|segment| segment.bytes).sum::<u64>());
    assert!(log.segments.iter().all(|segment| segment.rows as usize <= SEGMENT));
}

#[test]
fn rows_are_found_by_number() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 0..9000);
    append(&store, 9000..9500);
    for wanted in [vec![], vec![0], vec![5, 5, 4095, 4096, 8999, 9000, 9499]] {
        let want: Vec<_> = wanted.iter().map(|n| (*n, row(*n))).collect();
        assert_eq!(store.rows(&wanted).unwrap(), want);
    }
    let error = store.rows(&[3, 9500]).unwrap_err().to_string();
    assert_eq!(error, "there is no transfer 9500: 9500 are stored");
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..200 {
        let n = random.u64(0..9500);
        assert_eq!(store.rows(&[n]).unwrap(), [(n, row(n))]);
    }
}

#[test]
fn reading_can_be_broken_off() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 0..9000);
    let mut seen = Vec::new();
    let visit = |first, rows: Vec<Transfer>| {
        seen.push((first, rows.len()));
        if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.read_rows(100, visit).unwrap();
    assert_eq!(seen, [(100, 3996), (4096, 4096)]);
}

#[test]
fn large_rows_make_short_segments() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let leg = |n: u64| Leg {
        holders: vec![Holder::Other(format!("bc1q{n:036}").into())],
        unattributable: false,
        amount: Some(n),
    };
    let large = |n: u64| Transfer {
        movement: Movement::Utxo(Box::new(UtxoMovement {
            coinbase: false,
            inputs: (0..n).map(leg).collect(),
            outputs: (n..2 * n).map(leg).collect(),
        })),
        chain: Chain::Bitcoin,
        ..row(n)
    };
    let all: Vec<_> = [100_000, 1, 5000, 5000, 5000, 2].map(large).to_vec();
    store_rows(&store, &all).unwrap();
    assert_eq!(read(&store, 0).unwrap(), all);
    let sizes: Vec<u32> = store.log().segments.iter().map(|segment| segment.rows).collect();
    assert_eq!(sizes, [1, 2, 1, 2]);
    drop(store);
    assert_eq!(read(&open(dir.path()), 0).unwrap(), all);
    assert_eq!(std::fs::read_dir(dir.path().join("store/blobs")).unwrap().count(), 0);
}

/// Rows that take much less room than they could must not be written again and again.
#[test]
fn what_was_merged_is_not_merged_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let legs = vec![Leg { holders: vec![Holder::Evm([7; 20])], ..Leg::default() }; 20];
    let same = |n: u64| Transfer {
        movement: Movement::Utxo(Box::new(UtxoMovement {
            coinbase: false,
            inputs: legs.clone(),
            outputs: legs.clone(),
        })),
        ..row(n)
    };
    for n in 0..60 {
        let batch: Vec<_> = (n * 150..n * 150 + 150).map(same).collect();
        store_rows(&store, &batch).unwrap();
    }
    let log = store.log();
    // Each append writes one segment of its own, and each whole one once.
    assert!(log.segments.len() < 30, "{}", log.segments.len());
    assert!(log.next_id < 90, "{} segments were written", log.next_id);
    drop(log);
    assert_eq!(read(&store, 0).unwrap(), (0..9000).map(same).collect::<Vec<_>>());
}

#[test]
fn a_retraction_counts_what_it_takes_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 0..10_000);
    let evm = Chain::Evm(1);
    let (first, record) = retract(&store, &evm, 900, "a fork").unwrap();
    assert!(first > 0);
    assert_eq!((record.rows, record.from_height), (10_000, 900));
    assert_eq!(*store.transfer_state(), state(&store));
    // Again, and from below: what was taken is not taken twice.
    assert_eq!(retract(&store, &evm, 950, "a fork").unwrap().0, 0);
    let (second, _) = retract(&store, &evm, 500, "a deeper one").unwrap();
    assert!(second > 0);
    append(&store, 10_000..10_500);
    assert_eq!(*store.transfer_state(), state(&store));
    let tron = retract(&store, &Chain::Tron, 0, "all").unwrap().0;
    assert!(tron > 0);
    // A chain of which nothing is known, for what may yet come of it does count.
    assert_eq!(retract(&store, &Chain::Evm(5), 0, "nothing").unwrap().0, 0);
    let mut want = state(&store);
    let nothing = ChainState { revision: 1, ..ChainState::new(Chain::Evm(5)) };
    want.chains.insert("eip155:5".into(), nothing);
    assert_eq!(*store.transfer_state(), want);
    drop(store);
    let store = open(dir.path());
    assert_eq!(*store.transfer_state(), want);
    let reasons: Vec<&str> = want.retractions.iter().map(|record| record.reason.as_str()).collect();
    assert_eq!(reasons, ["a fork", "a fork", "a deeper one", "all", "nothing"]);
    for reason in ["", &"x".repeat(MAX_REASON + 1)] {
        assert!(retract(&store, &evm, 0, reason).is_err());
    }
    assert!(retract(&store, &Chain::AnyEvm, 0, "x").is_err());
    assert!(retract(&store, &evm, MAX_HEIGHT + 1, "x").is_err());
}

#[test]
fn declared_blocks_are_covered_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let covered = |chain: Chain, heights| {
        [CoverageDeclaration::heights(chain, &[MovementKind::Native], heights)]
    };
    let evm = || Chain::Evm(1);
    declare(&store, &covered(evm(), 10..=20)).unwrap();
    append(&store, 0..3);
    let of = |store: &Store| native(&store.transfer_state().chains["eip155:1"]);
    assert_eq!(of(&store), [0..=0, 10..=20]);
    declare(&store, &covered(evm(), 1..=9)).unwrap();
    // A chain that is the beginning of another.
    declare(&store, &covered(Chain::Evm(15), 7..=7)).unwrap();
    declare(&store, &covered(evm(), 30..=40)).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(of(&store), [0..=20, 30..=40]);
    retract(&store, &evm(), 15, "a fork").unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(of(&store), [0..=14]);
    assert_eq!(native(&store.transfer_state().chains["eip155:15"]), [7..=7]);
    let changes = store.log().ledger.changes;
    declare(&store, &covered(evm(), 3..=4)).unwrap();
    assert_eq!(store.log().ledger.changes, changes, "nothing new is no change");
    for (chain, heights) in [
        (evm(), std::ops::RangeInclusive::new(5, 4)),
        (evm(), 0..=MAX_HEIGHT + 1),
        (Chain::AnyEvm, 1..=2),
    ] {
        assert!(
            store
                .append_transfers(&Append {
                    rows: &rows(0..9),
                    covered: &covered(chain, heights),
                    ..Append::default()
                })
                .is_err()
        );
    }
    assert_eq!(store.transfer_state().rows, 3, "a refused batch changes nothing");
}

#[test]
fn there_are_not_too_many_chains() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let of = |chain: u64| Transfer { chain: Chain::Evm(chain), ..row(chain) };
    let most = MAX_CHAINS as u64;
    store_rows(&store, &(1..=most).map(of).collect::<Vec<_>>()).unwrap();
    let error = store_rows(&store, &[of(1), of(most + 1)]).unwrap_err().to_string();
    assert_eq!(
        error,
        "the store holds transfers of at most 256 chains, and eip155:257 would be one more"
    );
    store_rows(&store, &[of(1)]).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.transfer_state().rows, most + 1);
    assert_eq!(*store.transfer_state(), state(&store));
}

#[test]
fn a_store_of_lists_only_is_opened_and_has_the_new_schema_then() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let schema = || {
        let db = crate::store::tests::raw(dir.path());
        (db.open_tree("meta").unwrap(), db)
    };
    let (meta, db) = schema();
    meta.insert("schema", &1_u32.to_be_bytes()).unwrap();
    for tree in ["transfers", "segments", "labels"] {
        db.drop_tree(tree).unwrap();
    }
    drop((meta, db));
    let store = open(dir.path());
    assert_eq!(store.transfer_state().rows, 0);
    append(&store, 0..10);
    drop(store);
    let (meta, db) = schema();
    assert_eq!(meta.get("schema").unwrap().unwrap(), &SCHEMA.to_be_bytes());
    drop((meta, db));
    assert_eq!(open(dir.path()).transfer_state().rows, 10);
}
