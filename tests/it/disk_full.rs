//! A disk that fills up: an append fails with a clear error, no other follows, and nothing that was
//! acknowledged is lost.
//!
//! The disk is a file system in memory that the test mounts, which takes root.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use lazaretto::domain::chain::Chain;
use lazaretto::domain::list::ListState;
use lazaretto::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Movement, Placement, Transfer, TxStatus,
};
use lazaretto::ingest::Ingestor;
use lazaretto::store::{Reopening, Store, StoreError};

use crate::support::mounted::Mounted;
use crate::support::publication::publication;

const CACHE: u64 = 4 * 1024 * 1024;

pub fn row(n: u64) -> Transfer {
    let mut from = [0; 20];
    fastrand::Rng::with_seed(n).fill(&mut from);
    Transfer {
        chain: Chain::Evm(1),
        time: n,
        placement: Placement::Unknown,
        block_hash: Some([7; 32]),
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Account(AccountMovement {
            from: Some(Holder::Evm(from)),
            to: Some(Holder::Evm([2; 20])),
            asset: Asset::Native,
            amount: Amount::from(n),
            usd_micros: None,
        }),
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let Some(disk) = Mounted::new(24) else { return };
    let open = |dir: &Path| {
        let store = Arc::new(Store::open(dir, CACHE).unwrap());
        let ingestor =
            Ingestor::open(Arc::clone(&store), || Timestamp::from_second(1_700_000_000).unwrap());
        (store, ingestor)
    };
    let (store, ingestor) = open(disk.path());
    let mut session = ingestor.begin();
    let mut acknowledged = 0;
    let error = loop {
        let batch = (acknowledged..acknowledged + 5000).map(row).collect();
        match session.append(batch, &[]) {
            Ok(done) => acknowledged = done.rows,
            Err(error) => break error,
        }
        assert!(acknowledged < 5_000_000, "the disk never filled up");
    };
    assert!(acknowledged > 0);
    assert!(matches!(error, StoreError::Engine { .. } | StoreError::Io { .. }), "{error}");
    eprintln!("{acknowledged} rows, then: {error}");
    let refused = session.append(vec![row(0)], &[]).unwrap_err();
    assert!(matches!(refused, StoreError::Broken), "{refused}");
    assert_eq!(store.reopen().unwrap(), Reopening::NotYet, "there is no room");
    assert_eq!(ingestor.heads().rows, acknowledged);
    drop((session, ingestor, store));

    // On a larger disk, as it was left.
    let copy = tempfile::tempdir().unwrap();
    let copied =
        Command::new("cp").arg("-r").arg(disk.path().join("store")).arg(copy.path()).status();
    assert!(copied.unwrap().success());
    let (store, ingestor) = open(copy.path());
    let rows = ingestor.heads().rows;
    assert!(rows == acknowledged || rows == acknowledged + 5000, "{rows} of {acknowledged}");
    let mut next = 0;
    store
        .read_rows(0, |_, found| {
            for found in found {
                assert_eq!(found, row(next));
                next += 1;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(next, rows);
    let done = ingestor.begin().append((rows..rows + 10).map(row).collect(), &[]).unwrap();
    assert_eq!(done.rows, rows + 10);
}

#[test]
fn a_store_takes_changes_again_once_there_is_room() {
    let Some(disk) = Mounted::new(24) else { return };
    let store = Arc::new(Store::open(disk.path(), CACHE).unwrap());
    let ingestor =
        Ingestor::open(Arc::clone(&store), || Timestamp::from_second(1_700_000_000).unwrap());
    let mut session = ingestor.begin();
    let mut acknowledged = 0;
    for round in 0..3 {
        let filler = (round > 0).then(|| disk.fill());
        // Small batches stand in the database, large ones in the file of segments.
        let size = [5000, 300, 3000][round];
        let error = loop {
            let batch = (acknowledged..acknowledged + size).map(row).collect();
            match session.append(batch, &[]) {
                Ok(done) => acknowledged = done.rows,
                Err(error) => break error,
            }
        };
        eprintln!("round {round}: {acknowledged} rows, then: {error}");
        let refused = session.append(vec![row(acknowledged)], &[]).unwrap_err();
        assert!(matches!(refused, StoreError::Broken), "{refused}");
        assert_eq!(store.reopen().unwrap(), Reopening::NotYet);
        assert!(store.failed_write().is_some());
        // What is there is read meanwhile.
        assert_eq!(store.rows(&[acknowledged - 1]).unwrap()[0].1, row(acknowledged - 1));
        match filler {
            Some(filler) => std::fs::remove_file(filler).unwrap(),
            None => {
                let bytes = std::fs::metadata(disk.path().join("store/db")).unwrap().len();
                let larger = format!("remount,size={}k", (bytes >> 10) + (64 << 10));
                let mount = Command::new("mount").args(["-o", &larger]).arg(disk.path()).status();
                assert!(mount.unwrap().success());
            }
        }
        assert_eq!(store.reopen().unwrap(), Reopening::Done);
        assert_eq!((store.refusal().is_none(), store.openings()), (true, round as u64 + 2));
        // The batch that failed is there whole or not at all; sent again it is there once.
        let rows = ingestor.heads().rows;
        assert!(rows == acknowledged || rows == acknowledged + size, "{rows} of {acknowledged}");
        let again = (acknowledged..acknowledged + size).map(row).collect();
        acknowledged = ingestor.begin().append(again, &[]).unwrap().rows;
        assert_eq!(acknowledged, rows.max(acknowledged));
        session = ingestor.begin();
    }
    check_rows(&store, acknowledged);
    drop((session, ingestor, store));
    check_rows(&Store::open(disk.path(), CACHE).unwrap(), acknowledged);
}

fn check_rows(store: &Store, count: u64) {
    let mut next = 0;
    let check = |_, found: Vec<Transfer>| {
        for found in found {
            assert_eq!(found, row(next));
            next += 1;
        }
        ControlFlow::Continue(())
    };
    store.read_rows(0, check).unwrap();
    assert_eq!(next, count);
}

#[test]
fn a_full_or_read_only_disk_is_read_and_takes_nothing() {
    for is_read_only in [false, true] {
        let Some(disk) = Mounted::new(32) else { return };
        let list = publish(&Store::open(disk.path(), CACHE).unwrap(), 1);
        let store = Arc::new(Store::open(disk.path(), CACHE).unwrap());
        let now = || Timestamp::from_second(1_700_000_000).unwrap();
        let ingestor = Ingestor::open(Arc::clone(&store), now);
        ingestor.begin().append((0..5000).map(row).collect(), &[]).unwrap();
        ingestor.begin().append((5000..5100).map(row).collect(), &[]).unwrap();
        drop((ingestor, store));
        // What killed processes may have left cannot be removed.
        std::fs::write(disk.path().join("store/snap.FFFFFFFFFFFFFFFF.generating"), "").unwrap();
        let filler = (!is_read_only).then(|| disk.fill());
        disk.set_read_only(is_read_only);

        let store = Arc::new(Store::open(disk.path(), CACHE).unwrap());
        let refusal = store.refusal().unwrap();
        assert!(matches!(refusal, StoreError::ReadOnly { .. }), "{refusal}");
        assert_eq!(store.lists().unwrap(), std::slice::from_ref(&list));
        check_rows(&store, 5100);
        let ingestor = Ingestor::open(Arc::clone(&store), now);
        let refused = ingestor.begin().append(vec![row(5100)], &[]).unwrap_err();
        assert!(refused.to_string().contains("cannot be written to"), "{refused}");
        let (next, changes) = (publication_of(2), Vec::new());
        assert!(matches!(
            store.publish(&next, lazaretto::store::Changes::Publication(&changes)),
            Err(StoreError::ReadOnly { .. })
        ));
        let other = Store::open(disk.path(), CACHE).unwrap_err();
        assert!(matches!(other, StoreError::Locked { .. }), "{other}");
        assert_eq!(store.reopen().unwrap(), Reopening::NotYet);

        filler.into_iter().for_each(|filler| std::fs::remove_file(filler).unwrap());
        disk.set_read_only(false);
        assert_eq!(store.reopen().unwrap(), Reopening::Done);
        assert_eq!(ingestor.begin().append(vec![row(5100)], &[]).unwrap().rows, 5101);
        let list = publish(&store, 2);
        drop((ingestor, store));
        let store = Store::open(disk.path(), CACHE).unwrap();
        assert!(store.refusal().is_none());
        assert_eq!(store.lists().unwrap(), [list]);
        check_rows(&store, 5101);
    }
}

fn publication_of(version: u64) -> ListState {
    publication(&"test".parse().unwrap(), version, "run")
}

fn publish(store: &Store, version: u64) -> ListState {
    let state = publication_of(version);
    store.publish(&state, lazaretto::store::Changes::Publication(&[])).unwrap();
    state
}
