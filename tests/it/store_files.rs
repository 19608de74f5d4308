//! What killed processes and damaged disks leave in the store's directory: each opens rightly, or is
//! refused with an error that says what, where, and what to do.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use lazaretto::domain::list::{ListCheck, ListState};
use lazaretto::ingest::Ingestor;
use lazaretto::store::{Store, StoreError};

use crate::disk_full::row;
use crate::support::publication::publication;

const CACHE: u64 = 8 << 20;
const ROWS: u64 = 5000;

/// What a store holds.
#[derive(Debug, PartialEq)]
struct Held {
    lists: Vec<ListState>,
    changes: usize,
    rows: u64,
    looks: u64,
}

fn held(store: &Store) -> Held {
    let mut rows = 0;
    let count = |_, found: Vec<_>| {
        rows += found.len() as u64;
        ControlFlow::Continue(())
    };
    store.read_rows(0, count).unwrap();
    let changes = store.changes(None, None, usize::MAX - 1).unwrap().changes.len();
    Held { lists: store.lists().unwrap(), changes, rows, looks: store.check_count() }
}

fn publish(store: &Store, list: &str) {
    let state = publication(&list.parse().unwrap(), store.next_version(), "run");
    store.publish(&state, lazaretto::store::Changes::Publication(&[])).unwrap();
}

/// A store with lists and transfers that was opened several times, closed; and what it holds.
fn made(dir: &Path) -> Held {
    let store = Store::open(dir, CACHE).unwrap();
    publish(&store, "a");
    drop(store);
    let store = Arc::new(Store::open(dir, CACHE).unwrap());
    publish(&store, "b");
    let ingestor = Ingestor::open(store.clone(), || Timestamp::from_second(1 << 30).unwrap());
    ingestor.begin().append((0..ROWS).map(row).collect(), &[]).unwrap();
    drop((ingestor, store));
    // Writes a snapshot that knows all of it.
    held(&Store::open(dir, CACHE).unwrap())
}

fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for folder in ["store", "store/blobs"] {
        fs::create_dir(to.path().join(folder)).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                let name = Path::new(folder).join(entry.file_name());
                fs::copy(entry.path(), to.path().join(name)).unwrap();
            }
        }
    }
    to
}

/// sled's snapshot.
fn snapshot(store: &Path) -> PathBuf {
    let names = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let is_snapshot = |path: &PathBuf| {
        path.file_name().unwrap().to_str().unwrap().starts_with("snap.")
            && path.extension().is_some_and(|end| end != "generating")
    };
    names.filter(is_snapshot).max().unwrap()
}

fn cut(path: &Path, part: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / part]).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_left_or_damaged_opens_rightly_or_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let want = made(dir.path());
    let check = |name: &str, damage: &dyn Fn(&Path), refused: &[&str]| {
        let copy = copied(dir.path());
        let store = copy.path().join("store");
        damage(&store);
        // Twice: what was put in order stays so.
        for opening in 0..2 {
            match Store::open(copy.path(), CACHE) {
                Ok(opened) => {
                    assert!(refused.is_empty(), "{name}: it opened");
                    assert_eq!(held(&opened), want, "{name}");
                    assert!(opened.refusal().is_none(), "{name}");
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(!refused.is_empty(), "{name}: opening {opening}: {text}");
                    let place = copy.path().to_str().unwrap();
                    for word in
                        refused.iter().chain(&[place, "restore the directory from a backup"])
                    {
                        assert!(text.contains(word), "{name}: {text:?} without {word:?}");
                    }
                }
            }
        }
        let left = fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<String> = left.map(|name| name.into_string().unwrap()).collect();
        let unfinished = |name: &String| name.ends_with(".generating") || name == "heads.new";
        assert!(!left.iter().any(unfinished), "{name}: {left:?}");
    };
    let later = |store: &Path| store.join("snap.FFFFFFFFFFFFFFFF.generating");
    let gone = |path: PathBuf| fs::remove_file(path).unwrap();
    let emptied = |path: PathBuf| fs::write(path, "").unwrap();
    check("nothing", &|_| {}, &[]);
    check("an empty unfinished snapshot", &|s| emptied(later(s)), &[]);
    let half = |s: &Path| {
        fs::copy(snapshot(s), later(s)).unwrap();
        cut(&later(s), 2);
    };
    check("half an unfinished snapshot", &half, &[]);
    let whole = |s: &Path| assert!(fs::copy(snapshot(s), later(s)).unwrap() > 12);
    check("a snapshot that was not renamed", &whole, &[]);
    check("no snapshot", &|s| gone(snapshot(s)), &[]);
    check("an empty snapshot", &|s| emptied(snapshot(s)), &[]);
    check("half a snapshot", &|s| cut(&snapshot(s), 2), &[]);
    check("a damaged snapshot", &|s| flip(&snapshot(s)), &[]);
    check(
        "heads that were not renamed",
        &|s| fs::write(s.join("heads.new"), "lazar").unwrap(),
        &[],
    );
    check("no settings of sled's", &|s| gone(s.join("conf")), &[]);
    check("empty settings", &|s| emptied(s.join("conf")), &[]);
    check("half the settings", &|s| cut(&s.join("conf"), 2), &[]);
    check("damaged settings", &|s| flip(&s.join("conf")), &[]);
    check("a value of nobody's", &|s| fs::write(s.join("blobs/77"), "x").unwrap(), &[]);
    check("no folder of values", &|s| fs::remove_dir(s.join("blobs")).unwrap(), &[]);
    check("no heads", &|s| gone(s.join("heads")), &[]);
    check("empty heads", &|s| emptied(s.join("heads")), &["heads, line 1", "damaged"]);
    check("half the heads", &|s| cut(&s.join("heads"), 2), &["heads, line", "damaged"]);
    check("no database", &|s| gone(s.join("db")), &["store/db", "missing or empty"]);
    check("an empty database", &|s| emptied(s.join("db")), &["store/db", "missing or empty"]);
    let all = |s: &Path| {
        gone(snapshot(s));
        emptied(s.join("db"));
    };
    check("an empty database without a snapshot", &all, &["version 1 of list a"]);
    check("no segments", &|s| gone(s.join("segments")), &["segments, byte 0"]);
    check("empty segments", &|s| emptied(s.join("segments")), &["segments, byte 0"]);
    check("half the segments", &|s| cut(&s.join("segments"), 2), &["it ends here"]);
    let noise = |s: &Path| {
        let mut bytes = vec![0; 1 << 20];
        fastrand::Rng::with_seed(7).fill(&mut bytes);
        fs::write(s.join("db"), bytes).unwrap();
        gone(snapshot(s));
    };
    check("a database of noise", &noise, &["version 1 of list a"]);
}

#[test]
fn a_database_that_is_cut_off_is_never_taken_for_whole() {
    let dir = tempfile::tempdir().unwrap();
    let want = made(dir.path());
    let mut refused = 0;
    for part in [2, 3, 5, 50, 5000] {
        for without_snapshot in [false, true] {
            let copy = copied(dir.path());
            let store = copy.path().join("store");
            cut(&store.join("db"), part);
            if without_snapshot {
                fs::remove_file(snapshot(&store)).unwrap();
            }
            match Store::open(copy.path(), CACHE) {
                Ok(opened) => assert_eq!(held(&opened), want),
                Err(error) => {
                    eprintln!("1/{part}: {error}");
                    assert!(!matches!(error, StoreError::Locked { .. }), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0);
}

/// sled frees and overwrites segments of its log; a snapshot of it is only a shorter way.
#[test]
fn a_store_without_its_snapshot_holds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..12 {
        let store = Store::open(dir.path(), CACHE).unwrap();
        for turn in 0..12 {
            let list = ["a", "b", "c"][(round + turn) % 3];
            publish(&store, list);
            let etag = Some(format!("{round} {turn}"));
            let check = ListCheck { etag, ..ListCheck::default() };
            store.record_check(&list.parse().unwrap(), &check).unwrap();
            store.put_label_base(&[round as u8], std::iter::repeat_n(vec![7; 50_000], 4)).unwrap();
        }
        drop(store);
        let want = held(&Store::open(dir.path(), CACHE).unwrap());
        let copy = copied(dir.path());
        fs::remove_file(snapshot(&copy.path().join("store"))).unwrap();
        let store = Store::open(copy.path(), CACHE).unwrap();
        assert_eq!(held(&store), want, "round {round}");
        assert_eq!(store.labels().unwrap().unwrap().chunks.map(Result::unwrap).count(), 4);
        assert!(store.verify(&|_| Ok(())).unwrap().is_whole());
    }
    let log = fs::metadata(dir.path().join("store/db")).unwrap().len();
    eprintln!("{log} bytes of log after 144 publications of 1,500 rows");
}
