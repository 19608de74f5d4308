//! A disk that fills up: an append fails with a clear error, no other follows, and nothing that was
//! acknowledged is lost.
//!
//! The disk is a file system in memory that the test mounts, which takes root; where it cannot,
//! the test says so and does nothing.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Movement, Transfer, TxStatus,
};
use lazaretto::ingest::Ingestor;
use lazaretto::store::{Store, StoreError};

const CACHE: u64 = 4 * 1024 * 1024;

/// A mounted file system, unmounted when dropped.
pub struct Mounted(tempfile::TempDir);

impl Mounted {
    pub fn new(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(dir.path())
            .output();
        mount.is_ok_and(|output| output.status.success()).then(|| Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

fn row(n: u64) -> Transfer {
    let mut from = [0; 20];
    fastrand::Rng::with_seed(n).fill(&mut from);
    Transfer {
        chain: Chain::Evm(1),
        time: n,
        position: None,
        block_hash: Some([7; 32]),
        tx: None,
        status: TxStatus::Unknown,
        movement: Movement::Account(AccountMovement {
            from: Some(Holder::Evm(from)),
            to: None,
            asset: Asset::Native,
            amount: Amount::from(n),
            usd_micros: None,
        }),
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let Some(disk) = Mounted::new(24) else {
        eprintln!("not run: no file system can be mounted here");
        return;
    };
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
