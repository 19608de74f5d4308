//! Backups through the store's own interface: what was acknowledged when one began comes back, and
//! anything else is refused with its place.

mod form;
mod hostile;

use std::path::Path;

use super::super::tests::{id, open, publish};
use super::super::transfers::tests::{append, read, retract, rows};
use super::super::{DEFAULT_CACHE, OpaqueRecord, Verified, verify_backup};
use super::*;
use crate::domain::chain::Chain;
use crate::domain::list::ListState;
use crate::domain::transfer::Transfer;

/// Takes every record but one whose text is `bad`.
fn judge(named: OpaqueRecord<'_>) -> Result<(), String> {
    let (OpaqueRecord::Snapshot(_, bytes)
    | OpaqueRecord::Policy(_, bytes)
    | OpaqueRecord::Settings(_, bytes)
    | OpaqueRecord::LabelBasis(_, bytes)) = named;
    if bytes == b"bad" { Err("it is bad".to_owned()) } else { Ok(()) }
}

fn begin(store: &Store) -> Backup<'_> {
    let made = Timestamp::from_second(1_700_000_000).unwrap();
    store.begin_backup(tempfile::tempfile().unwrap(), made).unwrap()
}

fn written(backup: Backup<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let size = backup.write_to(&mut bytes).unwrap();
    assert_eq!(size.bytes, bytes.len() as u64);
    bytes
}

fn restored(bytes: &[u8]) -> (tempfile::TempDir, Verified) {
    let dir = tempfile::tempdir().unwrap();
    let verified = restore(dir.path(), bytes, DEFAULT_CACHE, &judge).unwrap();
    (dir, verified)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// All that a store answers.
#[derive(Debug, PartialEq)]
struct Said {
    lists: Vec<ListState>,
    versions: Vec<crate::domain::list::ListVersion>,
    changes: Vec<super::super::StoredChange>,
    named: Vec<Option<Vec<u8>>>,
    transfers: Vec<Transfer>,
    coverage: Vec<super::super::PastCoverage>,
    state: crate::domain::coverage::TransferState,
    next_version: u64,
}

fn said(store: &Store) -> Said {
    let lists = store.lists().unwrap();
    let versions = lists.iter().flat_map(|list| store.versions(&list.version.id).unwrap());
    Said {
        versions: versions.collect(),
        changes: store.changes(None, None, usize::MAX - 1).unwrap().changes,
        named: ["s1", "s2", "s3"]
            .iter()
            .flat_map(|name| {
                [
                    store.snapshot(name).unwrap(),
                    store.policy(name).unwrap(),
                    store.settings(name).unwrap(),
                    store.label_basis(name).unwrap(),
                ]
            })
            .collect(),
        coverage: (0..=store.transfer_state().changes)
            .map(|change| store.coverage_at(change).unwrap())
            .collect(),
        transfers: read(store, 0).unwrap(),
        state: (*store.transfer_state()).clone(),
        next_version: store.next_version(),
        lists,
    }
}

/// A store of two lists, transfers in whole and small segments, a retraction, and names.
fn full(dir: &Path) -> Store {
    let store = open(dir);
    publish(&store, "b", 1, 2500);
    publish(&store, "a", 2, 1);
    publish(&store, "b", 3, 1999);
    publish(&store, "empty", 4, 0);
    store.save_snapshot("s1", b"one").unwrap();
    store.save_policy("s1", &"p".repeat(10_000)).unwrap();
    store.save_settings("s1", b"settings").unwrap();
    store.save_label_basis("s1", b"basis").unwrap();
    append(&store, 0..9000);
    append(&store, 9000..9300);
    append(&store, 9300..9310);
    retract(&store, &Chain::Evm(1), 900, "a fork").unwrap();
    store
}

#[test]
fn what_is_restored_is_what_was_stored_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = full(dir.path());
    let bytes = written(begin(&store));
    let (into, verified) = restored(&bytes);
    let want = Verified {
        backup: verified.backup.clone(),
        size: verified.size.clone(),
        lists: 3,
        versions: 4,
        parties: 201,
        rows: 2000,
        changes: 4500,
        snapshots: 1,
        policies: 1,
        settings: 1,
        label_bases: 1,
        looks: 3,
        chains: 2,
        transfers: 9310,
        segments: 5,
        coverages: 4,
        retractions: 1,
        ..Verified::default()
    };
    assert_eq!(verified, want);
    assert_eq!(verify_backup(&*bytes, &judge).unwrap(), want);
    assert_eq!(names(into.path()), ["store"]);
    let copy = open(into.path());
    assert_eq!(said(&copy), said(&store));
    let found = copy.verify(&judge).unwrap();
    assert_eq!(found, Verified { backup: None, size: None, label_bytes: Some(0), ..want });
    for store in [&store, &copy] {
        publish(store, "b", 5, 10);
        append(store, 9310..20_000);
    }
    assert_eq!(said(&copy), said(&store));
    assert_eq!(read(&copy, 0).unwrap(), rows(0..20_000));
    // A backup of what was restored holds the same.
    assert_eq!(written(begin(&copy)), written(begin(&store)));
}

#[test]
fn an_empty_store_is_backed_up_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (into, _) = restored(&written(begin(&store)));
    assert_eq!(said(&open(into.path())), said(&store));
}

/// Everything that a later change supersedes or adds, between the beginning and the writing.
#[test]
fn a_backup_holds_what_was_acknowledged_when_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let store = full(dir.path());
    let before = said(&store);
    let first = begin(&store);
    publish(&store, "b", 5, 700);
    publish(&store, "c", 6, 7);
    store.save_snapshot("s2", b"two").unwrap();
    store.save_policy("s2", "two").unwrap();
    store.save_settings("s2", b"two").unwrap();
    store.save_label_basis("s2", b"two").unwrap();
    // Completes the small segments, which are put into a whole one.
    append(&store, 9310..15_000);
    let between = said(&store);
    let second = begin(&store);
    retract(&store, &Chain::Tron, 0, "another").unwrap();
    publish(&store, "b", 7, 1);
    let superseded = |store: &Store| {
        let rows = store.rows.iter().keys().map(|key| key.unwrap());
        let rows = rows.filter(|key| key.starts_with(b"b\0") && key[9] != 7).count();
        rows + store.segments.iter().keys().filter(|key| key.as_ref().unwrap()[7] < 6).count()
    };
    assert!(superseded(&store) > 0, "the backups need it");
    let (into, _) = restored(&written(first));
    assert_eq!(said(&open(into.path())), before);
    assert!(superseded(&store) > 0, "the second backup needs it");
    let (into, _) = restored(&written(second));
    assert_eq!(said(&open(into.path())), between);
    assert_eq!(superseded(&store), 0, "nobody needs it any more");
    assert!(store.verify(&judge).unwrap().is_whole());
}

/// A reader that goes away.
struct Closed(usize);

impl Write for Closed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_backup_that_fails_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = full(dir.path());
    for writes in 0..12 {
        let error = begin(&store).write_to(Closed(writes)).unwrap_err();
        assert!(matches!(error, BackupError::Write(_)), "{error}");
    }
    let version = publish(&store, "b", 5, 1).version.version;
    let rows = store.rows.iter().keys().filter(|key| key.as_ref().unwrap().starts_with(b"b\0"));
    assert_eq!(rows.filter(|key| key.as_ref().unwrap()[9] != version as u8).count(), 0);
}

#[test]
fn a_store_that_failed_is_not_backed_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    std::fs::create_dir(dir.path().join("store/heads.new")).unwrap();
    let (state, changes) = super::super::tests::state("a", 1, 3);
    store.publish(&state, crate::store::Changes::Publication(&changes)).unwrap_err();
    let error = store.begin_backup(tempfile::tempfile().unwrap(), Timestamp::UNIX_EPOCH);
    assert!(matches!(error, Err(BackupError::Store(StoreError::Broken))));
}

#[test]
fn only_an_empty_store_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = full(dir.path());
    let bytes = written(begin(&store));
    let refused = |dir: &Path| restore(dir, &*bytes, DEFAULT_CACHE, &judge).unwrap_err();
    let locked = refused(dir.path());
    assert!(matches!(locked, BackupError::Store(StoreError::Locked { .. })), "{locked}");
    drop(store);
    let error = refused(dir.path());
    assert!(matches!(error, BackupError::Exists(_)), "{error}");
    assert_eq!(names(dir.path()), ["store"]);

    // Nothing, a folder, a store of nothing, and what a killed restore left.
    let into = tempfile::tempdir().unwrap();
    let place = into.path().join("deep/data");
    restore(&place, &*bytes, DEFAULT_CACHE, &judge).unwrap();
    let place = into.path().join("empty");
    std::fs::create_dir_all(place.join("store")).unwrap();
    std::fs::create_dir_all(place.join("restore/store/blobs")).unwrap();
    restore(&place, &*bytes, DEFAULT_CACHE, &judge).unwrap();
    let place = into.path().join("opened");
    drop(open(&place));
    restore(&place, &*bytes, DEFAULT_CACHE, &judge).unwrap();
    assert_eq!(names(&place), ["store"]);
    assert_eq!(open(&place).list(&id("b")).unwrap().unwrap().rows.len(), 1999);
}

#[test]
fn one_restore_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("restore")).unwrap();
    let other = File::open(dir.path()).unwrap();
    other.lock().unwrap();
    let (_source, bytes) = {
        let source = tempfile::tempdir().unwrap();
        let bytes = written(begin(&open(source.path())));
        (source, bytes)
    };
    let error = restore(dir.path(), &*bytes, DEFAULT_CACHE, &judge).unwrap_err();
    assert!(matches!(error, BackupError::Restoring(_)), "{error}");
    remove_leftovers(dir.path());
    assert_eq!(names(dir.path()), ["restore"], "it is the other's");
    drop(other);
    remove_leftovers(dir.path());
    assert_eq!(names(dir.path()), [""; 0]);
}
