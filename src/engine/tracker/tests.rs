//! Stored and retracted transfers reach the graph whole and in order, in whatever order sessions enqueue
//! them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{Config, Flags};
use crate::domain::chain::Chain;
use crate::domain::list::ListKind;
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Movement, Position, Transfer, TxStatus,
};
use crate::engine::{Engine, EngineError, Import, NotRebuilt, RebuildLimits};
use crate::screening::{Incomplete, Scope, ScopeFilter};
use crate::store::Retract;

const NOW: i64 = 1_763_640_000;
const LISTED: [u8; 20] = [0x11; 20];
const NEAR: [u8; 20] = [0x22; 20];
const OTHER: [u8; 20] = [0x33; 20];

fn open(dir: &std::path::Path) -> Arc<Engine> {
    let flags = Flags {
        data_dir: Some(dir.to_owned()),
        offline: true,
        set: ["starter_lists=false", "lists.us-ofac-sdn.enabled=false"].map(str::to_owned).into(),
        ..Flags::default()
    };
    let config = Config::load(&flags, []).unwrap();
    Engine::open(&config, Arc::new(|| Timestamp::from_second(NOW).unwrap())).unwrap()
}

/// An engine with [`LISTED`] on a list.
fn listing(dir: &std::path::Path) -> Arc<Engine> {
    let engine = open(dir);
    let path = dir.join("list.csv");
    let text =
        format!("address,ticker,party_uid,listed_on\n0x{},ETH,p,2020-01-01\n", "11".repeat(20));
    std::fs::write(&path, text).unwrap();
    let import = Import {
        id: "adv".parse().unwrap(),
        kind: Some(ListKind::Advisory),
        format: None,
        file_name: "list.csv".to_owned(),
        force: None,
        published: None,
        refreshes_age: false,
        declaration: None,
        is_trial: false,
    };
    engine.import(&import, &path).unwrap();
    engine
}

fn pays(from: [u8; 20], to: [u8; 20], height: u64, time: i64) -> Transfer {
    Transfer {
        chain: Chain::Evm(1),
        time: time.try_into().unwrap(),
        placement: Position { height, tx_index: 0, index: 0 }.into(),
        block_hash: None,
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Account(AccountMovement {
            from: Some(Holder::Evm(from)),
            to: Some(Holder::Evm(to)),
            asset: Asset::Native,
            amount: Amount::from(10_u128.pow(18)),
            usd_micros: None,
        }),
    }
}

/// The fewest hops to [`NEAR`], now or as of a past moment.
fn hops(engine: &Engine, as_of: Option<i64>) -> Option<u8> {
    engine.wait_for_exposure(true).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let as_of = as_of.map(|second| Timestamp::from_second(second).unwrap());
    let narrowing = ScopeFilter { as_of, ..ScopeFilter::default() };
    let scope = Scope::new(&snapshot, &narrowing, engine.now()).unwrap();
    let near = format!("0x{}", "22".repeat(20));
    let deep = engine.screen(&scope, &near, None, false).unwrap();
    deep.screening.findings.iter().filter_map(|finding| Some(finding.exposure?.hops)).min()
}

#[test]
fn sessions_may_enqueue_out_of_order() {
    let dir = tempfile::tempdir().unwrap();
    let engine = listing(dir.path());
    let store = |transfer| engine.ingestor.begin().append(vec![transfer], &[]).unwrap();
    let first = store(pays(LISTED, NEAR, 1, NOW - 100));
    let second = store(pays(OTHER, NEAR, 2, NOW - 90));
    engine.tracker.enqueue(second.first_row, second.stored, false);
    assert_eq!(hops(&engine, None), Some(1), "the row before is read from the store");
    engine.tracker.enqueue(first.first_row, first.stored, false);
    assert_eq!(hops(&engine, None), Some(1));
    let heads = engine.transfer_heads();
    assert_eq!((heads.rows, heads.labelled_rows), (2, 2));
}

#[test]
fn a_panic_leaves_exposure_behind_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let engine = listing(dir.path());
    // More rows than memory has numbers for.
    engine.tracker.enqueue(1 << 40, vec![pays(LISTED, NEAR, 1, NOW - 100)], false);
    let error = engine.wait_for_exposure(true).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    let snapshot = engine.snapshot().unwrap();
    let scope = Scope::new(&snapshot, &ScopeFilter::default(), engine.now()).unwrap();
    let screening = scope.screen("0x2222222222222222222222222222222222222222", None, None).unwrap();
    let failed = |reason: &Incomplete| matches!(reason, Incomplete::ExposureFailed(_));
    assert!(screening.scope_incomplete.iter().any(failed));
    // Why it failed stands in the answer alone.
    assert!(snapshot.id().ends_with("-f"), "{}", snapshot.id());
    let mut rebuilder = engine.rebuilder(RebuildLimits::default());
    let error = rebuilder.rebuild(snapshot.id()).unwrap_err();
    let EngineError::SnapshotNotKept { why, .. } = error else { panic!("{error}") };
    assert_eq!(why, NotRebuilt::ExposureFailed);
}

/// A block is dated by what stands of it, whichever of its end and its successor is said first, and
/// after a restart as before.
#[test]
fn blocks_taken_back_date_nothing() {
    let [early, late] = [NOW - 1000, NOW - 100];
    for said_first in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let engine = listing(dir.path());
        let store = |transfer| {
            let appended = engine.ingestor.begin().append(vec![transfer], &[]).unwrap();
            (appended.first_row, appended.stored)
        };
        let (row, stored) = store(pays(OTHER, NEAR, 100, late));
        engine.tracker.enqueue(row, stored, false);
        assert_eq!(hops(&engine, None), None);
        let now = engine.now();
        let (chain, block_hash, reason) = (&Chain::Evm(1), None, "test");
        let retract = Retract { chain, from_height: 100, block_hash, reason, at: now };
        engine.ingestor.retract(&retract).unwrap();
        if said_first {
            engine.tracker.state_changed();
            assert_eq!(hops(&engine, None), None);
        }
        let (row, stored) = store(pays(LISTED, NEAR, 100, early));
        engine.tracker.enqueue(row, stored, false);
        engine.tracker.state_changed();
        assert_eq!(hops(&engine, Some(early - 1)), None);
        assert_eq!(hops(&engine, Some(early + 1)), Some(1), "{said_first}");
        drop(engine);
        let engine = open(dir.path());
        assert_eq!(hops(&engine, Some(early - 1)), None);
        assert_eq!(hops(&engine, Some(early + 1)), Some(1), "{said_first}, after a restart");
    }
}

#[test]
fn a_bulk_load_is_labelled_when_it_ends_or_a_caller_waits() {
    let dir = tempfile::tempdir().unwrap();
    let engine = listing(dir.path());
    let labelled = || engine.transfer_heads().labelled_rows;
    // Stores a group of a bulk load, and waits until the graph has it.
    let put = |session: &mut crate::engine::IngestSession, height: u64| {
        let time = NOW - 1000 + i64::try_from(height).unwrap();
        session.append_many(vec![pays(LISTED, NEAR, height, time)], &[]).unwrap();
        session.flush().unwrap().unwrap();
        let mut work = engine.tracker.work();
        while !work.is_idle() {
            work = engine.tracker.wake.wait(work).unwrap();
        }
    };
    let mut session = engine.begin_ingest();
    put(&mut session, 1);
    put(&mut session, 2);
    assert_eq!(labelled(), 0, "it goes on");
    session.finish().unwrap();
    assert_eq!(labelled(), 2);
    let mut session = engine.begin_ingest();
    put(&mut session, 3);
    assert_eq!(labelled(), 2, "it goes on");
    engine.wait_for_exposure(false).unwrap();
    assert_eq!(labelled(), 3);
    put(&mut session, 4);
    drop(session);
    engine.wait_for_exposure(false).unwrap();
    assert_eq!(labelled(), 4);
}
