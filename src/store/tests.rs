//! The store through its own interface: what is written is read back, whole or not at all.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod changes;
mod coverage;
mod heads;
mod pointers;
mod retold;
mod superseded;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::domain::list::{
    Baseline, ChangeKind, ListCheck, ListCounts, ListId, ListKind, ListState, ListVersion,
    ListingPeriod, NotUnderstood, Party, Provenance, Row, RowFacts, RowKey, RowSpan, StartBasis,
};
use crate::domain::list_change::ListingChange;
use crate::domain::publication::listed_digest;

pub(super) fn id(text: &str) -> ListId {
    text.parse().unwrap()
}

/// A list of `rows` rows, one party for ten, whose content depends on the version.
pub(super) fn state(list: &str, version: u64, rows: usize) -> (ListState, Vec<ListingChange>) {
    let party = |n: usize| Party {
        uid: format!("{n:06}"),
        name: format!("Party {n} in version {version}"),
        aliases: vec!["an alias".to_owned(); n % 3],
        listed_on: vec!["2024-05-29".parse().unwrap()],
        ..Party::default()
    };
    let row = |n: usize| Row {
        key: RowKey {
            party_uid: format!("{:06}", n / 10),
            address: format!("0x{:040x}", n + 1),
            ticker: "ETH".to_owned(),
        },
        facts: RowFacts { reference: format!("version {version}"), ..RowFacts::default() },
        periods: vec![ListingPeriod { from: None, basis: StartBasis::Unknown, until: None }],
        removal_pending_since: None,
    };
    let mut state = ListState {
        version: ListVersion {
            id: id(list),
            kind: ListKind::Sanctions,
            version,
            digest: [0; 32],
            published: Some("2025-03-21".parse().unwrap()),
            first_published: None,
            uncovered: Vec::new(),
            loaded_at: Timestamp::UNIX_EPOCH,
            provenance: Provenance::Import("file.xml".to_owned()),
            force_reason: String::new(),
            counts: ListCounts { listings: rows as u64, ..ListCounts::default() },
            not_understood: NotUnderstood::default(),
        },
        check: ListCheck { etag: Some(format!("\"{version}\"")), ..ListCheck::default() },
        parties: Arc::new((0..rows.div_ceil(10)).map(party).collect()),
        rows: Arc::new((0..rows).map(row).collect()),
        baseline: Arc::default(),
    };
    state.version.digest = listed_digest(&state);
    let added = |row: &Row| ListingChange {
        kind: ChangeKind::Added,
        key: row.key.clone(),
        party_name: "Party".to_owned(),
        fields: Vec::new(),
    };
    let changes = state.rows.iter().map(added).collect();
    (state, changes)
}

pub(super) fn open(dir: &Path) -> Store {
    Store::open(dir, DEFAULT_CACHE).unwrap()
}

pub(super) fn publish(store: &Store, list: &str, version: u64, rows: usize) -> ListState {
    let (state, changes) = state(list, version, rows);
    store.publish(&state, Changes::Publication(&changes)).unwrap();
    state
}

#[test]
fn what_was_published_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!((store.next_version(), store.lists().unwrap().len()), (1, 0));
    publish(&store, "b", 1, 2500);
    let a = publish(&store, "a", 2, 1);
    let mut b = publish(&store, "b", 3, 1999);
    b.check = ListCheck { succeeded_at: Some(Timestamp::MAX), ..ListCheck::default() };
    store.record_check(&b.version.id, &b.check).unwrap();
    store.save_snapshot("s", b"one").unwrap();
    store.save_snapshot("s", &[7; 100_000]).unwrap();
    store.save_snapshot("s2", b"two").unwrap();
    drop(store);

    let store = open(dir.path());
    assert_eq!(store.next_version(), 4);
    assert_eq!(store.lists().unwrap(), [a.clone(), b.clone()]);
    assert_eq!(store.list(&id("a")).unwrap(), Some(a));
    assert_eq!(store.list(&id("c")).unwrap(), None);
    let numbers = |list| -> Vec<u64> {
        store.versions(&id(list)).unwrap().iter().map(|header| header.version).collect()
    };
    assert_eq!((numbers("a"), numbers("b"), numbers("c")), (vec![2], vec![1, 3], vec![]));
    assert_eq!(store.snapshot("s").unwrap(), Some(vec![7; 100_000]));
    assert_eq!(store.snapshot("s2").unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(store.snapshot("s3").unwrap(), None);
    let number = |list, version| store.number_on_list(&id(list), version);
    assert_eq!((number("a", 2), number("b", 1), number("b", 3)), (Some(1), Some(1), Some(2)));
    assert_eq!((number("a", 1), number("b", 2), number("c", 1)), (None, None, None));
    let version = |list, number| store.version_of_number(&id(list), number);
    assert_eq!((version("b", 1), version("b", 2), version("a", 1)), (Some(1), Some(3), Some(2)));
    assert_eq!((version("b", 0), version("b", 3), version("c", 1)), (None, None, None));
    // The rows of version 1 are gone.
    let left = store.rows.iter().keys().map(|key| key.unwrap());
    assert!(left.into_iter().all(|key| !key.starts_with(b"b\0\0\0\0\0\0\0\0\x01")));
}

#[test]
fn what_is_out_of_order_or_unknown_is_refused_and_breaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    publish(&store, "a", 1, 1);
    for version in [0, 1, 3] {
        let (state, changes) = state("a", version, 1);
        let error = store.publish(&state, Changes::Publication(&changes)).unwrap_err().to_string();
        assert_eq!(error, format!("version {version} cannot be published: the next is 2"));
    }
    let error = store.record_check(&id("b"), &ListCheck::default()).unwrap_err();
    assert_eq!(error.to_string(), "list b is not in the store");
    for bad in ["", &"x".repeat(129)] {
        assert!(matches!(store.save_snapshot(bad, b""), Err(StoreError::Name(_))));
    }
    publish(&store, "a", 2, 1);
}

#[test]
fn a_failed_write_is_the_last_until_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let failed = store.write(|| Ok(()), |()| Err::<(), _>(StoreError::Name(0)));
    assert!(failed.is_err());
    let (state, changes) = state("a", 1, 1);
    assert!(matches!(
        store.publish(&state, Changes::Publication(&changes)),
        Err(StoreError::Broken)
    ));
    drop(store);
    publish(&open(dir.path()), "a", 1, 1);
}

#[test]
fn changes_come_in_order_and_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let sizes = [("a", 2500), ("b", 3), ("a", 1), ("b", 0), ("b", 1000)];
    for (version, (list, rows)) in (1..).zip(sizes) {
        publish(&store, list, version, rows);
    }
    let all: Vec<(u64, u32)> = (1_u64..)
        .zip(sizes)
        .flat_map(|(version, (_, rows))| (0..rows as u32).map(move |n| (version, n)))
        .collect();
    for list in [None, Some("a"), Some("b"), Some("c")] {
        let want: Vec<(u64, u32)> = all
            .iter()
            .copied()
            .filter(|(version, _)| list.is_none_or(|id| sizes[*version as usize - 1].0 == id))
            .collect();
        for limit in [0, 7, 999, 1000, 1001, 4000] {
            let list = list.map(id);
            let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = store.changes(after, list.as_ref(), limit).unwrap();
                assert!(page.changes.len() <= limit.max(1));
                found.extend(page.changes.iter().map(|c| (c.version, c.sequence)));
                let right = |c: &StoredChange| {
                    c.list.as_str() == sizes[c.version as usize - 1].0
                        && c.change.key.address == format!("0x{:040x}", c.sequence + 1)
                };
                assert!(page.changes.iter().all(right));
                pages += 1;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, want, "{list:?} by {limit}");
            assert_eq!(pages, want.len().div_ceil(limit.max(1)).max(1), "{list:?} by {limit}");
        }
    }
    assert_eq!(store.changes(Some((9, 0)), None, 10).unwrap(), ChangePage::default());
}

/// Opens the database of a closed store as it is: patiently, for another test may have started a
/// child process, which holds the lock until it has begun.
pub(super) fn raw(dir: &Path) -> sled::Db {
    open_with_retry(&dir.join("store"), DEFAULT_CACHE, files::TRIES).unwrap()
}

fn bytes_of(state: &[ListState]) -> Vec<[u8; 32]> {
    state.iter().map(listed_digest).collect()
}

#[test]
fn a_damaged_value_is_named() {
    /// Damages one value of a tree.
    type Damage = fn(&sled::Tree, &[u8]);
    let flip: Damage = |tree, key| {
        let mut value = tree.get(key).unwrap().unwrap().to_vec();
        let last = value.len() - 1;
        value[last] ^= 1;
        tree.insert(key, value).unwrap();
    };
    let lose: Damage = |tree, key| assert!(tree.remove(key).unwrap().is_some());
    let empty: Damage = |tree, key| assert!(tree.insert(key, &[]).unwrap().is_some());
    let b = |rest: &[u8]| [&b"b\0\0\0\0\0\0\0\0\x01"[..], rest].concat();
    let piece = |part: u8, chunk: u8, piece: u8| b(&[part, 0, 0, 0, chunk, 0, 0, 0, piece]);
    let header = "tree versions, key b\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01: ";
    let chunk = |part: char, n: u8| {
        format!("tree rows, key b{}{part}\\x00\\x00\\x00\\x{n:02x}: ", "\\x00".repeat(8) + "\\x01")
    };
    let damaged = "the stored value is damaged: ";
    let sum = "its checksum is wrong";
    let table: [(&str, Vec<u8>, Damage, String); 8] = [
        ("rows", piece(b'r', 1, 3), flip, format!("{}{damaged}{sum}", chunk('r', 1))),
        ("rows", piece(b'r', 1, 3), lose, format!("{}{damaged}{sum}", chunk('r', 1))),
        ("rows", piece(b'p', 0, 0), flip, format!("{}{damaged}{sum}", chunk('p', 0))),
        ("rows", piece(b'p', 0, 0), lose, format!("{}{damaged}{sum}", chunk('p', 0))),
        ("versions", b(&[0; 4]), flip, format!("{header}{damaged}{sum}")),
        ("versions", b(&[0; 4]), lose, format!("{header}{damaged}it is missing")),
        ("lists", b"b".to_vec(), flip, format!("tree lists, key b: {damaged}{sum}")),
        (
            "lists",
            b"b".to_vec(),
            empty,
            format!("tree lists, key b: {damaged}it is shorter than its checksum"),
        ),
    ];
    for (tree, key, damage, want) in table {
        let dir = tempfile::tempdir().unwrap();
        publish(&open(dir.path()), "b", 1, 2500);
        let db = raw(dir.path());
        damage(&db.open_tree(tree).unwrap(), &key);
        drop(db);
        let error = Store::open(dir.path(), DEFAULT_CACHE).and_then(|store| store.lists());
        assert_eq!(error.unwrap_err().to_string(), want);
    }
}

#[test]
fn a_missing_chunk_is_noticed() {
    for (chunk, what) in
        [(0, "it is missing"), (1, "it is missing"), (2, "2 of 3 chunks are there")]
    {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        publish(&store, "b", 1, 2500);
        let key = [&b"b\0\0\0\0\0\0\0\0\x01r\0\0\0"[..], &[chunk]].concat();
        value::remove(&store.rows, &key).unwrap();
        let error = store.list(&id("b")).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("\\x{chunk:02x}: the stored value is damaged: {what}")),
            "{error}"
        );
    }
}

#[test]
fn what_never_came_in_force_is_removed_on_opening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let a = publish(&store, "a", 1, 1500);
    let before = trees(&store);
    // All but the pointer, of a new list and of a new version of an old one.
    for list in ["a", "new"] {
        let (state, changes) = state(list, 2, 1200);
        let whole = store.write_chunks(&state.version.id, 2, b'r', &state.rows).unwrap();
        assert_eq!(whole, 2);
        store.write_changes(&state.version.id, 2, Changes::Publication(&changes)).unwrap();
        let header = value::encode(&state.version).unwrap();
        let key = [state.version.id.as_str().as_bytes(), &[0], &2_u64.to_be_bytes()].concat();
        value::write(&store.versions, &key, &header).unwrap();
    }
    assert_ne!(trees(&store), before);
    // Unseen even before.
    assert!(store.versions(&id("new")).unwrap().is_empty());
    assert!(store.changes(Some((1, 1499)), None, 10).unwrap().changes.is_empty());
    drop(store);
    let store = open(dir.path());
    assert_eq!(trees(&store), before);
    assert_eq!(store.lists().unwrap(), [a]);
    assert_eq!(store.next_version(), 2);
}

/// Every key of every tree, with its value.
fn trees(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all = BTreeMap::new();
    let db = store.database.with(|open| open.db.clone()).unwrap();
    for name in db.tree_names() {
        for item in db.open_tree(&name).unwrap().iter() {
            let (key, value) = item.unwrap();
            all.insert([&name, &b"/"[..], &key].concat(), value.to_vec());
        }
    }
    all
}

#[test]
fn another_schema_is_refused() {
    let meta = |value: &'static [u8]| {
        move |db: &sled::Db| {
            db.open_tree("meta").unwrap().insert("schema", value).unwrap();
        }
    };
    type Prepare = Box<dyn Fn(&sled::Db)>;
    let table: [(Prepare, Option<&str>); 6] = [
        (Box::new(meta(&[0, 0, 0, 0])), Some("schema 0,")),
        (Box::new(meta(&[0, 0, 0, 9])), Some("schema 9,")),
        (Box::new(meta(b"one")), Some("schema unknown,")),
        (Box::new(|db| drop(db.open_tree("lists").unwrap())), Some("schema unknown,")),
        (Box::new(|db| drop(db.insert("a", "b").unwrap())), Some("schema unknown,")),
        // Killed while it was being made.
        (Box::new(|db| drop(db.open_tree("meta").unwrap())), None),
    ];
    for (n, (prepare, want)) in table.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("store")).unwrap();
        let db = raw(dir.path());
        prepare(&db);
        drop(db);
        let opened = Store::open(dir.path(), DEFAULT_CACHE);
        match want {
            Some(want) => {
                let error = opened.unwrap_err().to_string();
                assert!(
                    error.contains(want) && error.contains("import the lists again"),
                    "{n}: {error}"
                );
            }
            None => assert_eq!(opened.unwrap().next_version(), 1, "{n}"),
        }
    }
}

#[test]
fn a_locked_directory_names_the_other_use() {
    let dir = tempfile::tempdir().unwrap();
    let nested = dir.path().join("some/where");
    let first = open(&nested);
    let error = Store::open(&nested, DEFAULT_CACHE).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with(&nested.join("store").display().to_string()), "{text}");
    assert!(text.contains("in use by another process"), "{text}");
    drop(first);
    open(&nested);
}

#[cfg(unix)]
#[test]
fn the_directory_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let nested = dir.path().join("data");
    open(&nested);
    for made in [nested.join("store"), nested] {
        let mode = std::fs::metadata(&made).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", made.display());
    }
}

#[test]
fn a_big_list_is_kept_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (state, changes) = state("big", 1, 500_000);
    let store = open(dir.path());
    let start = std::time::Instant::now();
    store.publish(&state, Changes::Publication(&changes)).unwrap();
    eprintln!("500,000 rows published in {:?}", start.elapsed());
    let second = std::time::Instant::now();
    publish(&store, "big", 2, 1);
    eprintln!("superseded in {:?}", second.elapsed());
    publish(&store, "other", 3, 500_000);
    drop(store);
    let start = std::time::Instant::now();
    let store = open(dir.path());
    eprintln!("opened in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    let lists = store.lists().unwrap();
    eprintln!("read in {:?}", start.elapsed());
    assert_eq!(lists[1].rows.len(), 500_000);
    assert_eq!(bytes_of(&lists), [lists[0].version.digest, lists[1].version.digest]);
    let size = |dir: &Path| -> u64 {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    };
    let blobs = dir.path().join("store/blobs");
    eprintln!(
        "{} bytes in sled, {} in {} blobs",
        size(&dir.path().join("store")),
        size(&blobs),
        std::fs::read_dir(&blobs).unwrap().count()
    );
    // sled does not sync what it puts into files of their own.
    assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 0);
}

#[test]
fn a_baseline_is_read_back_and_made_of_the_history_where_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let marks = |store: &Store| store.list(&id("a")).unwrap().unwrap().baseline.marks.clone();
    let store = open(dir.path());
    let (first, changes) = state("a", 1, 3000);
    store.publish(&first, Changes::Publication(&changes)).unwrap();
    // As a program of schema 3 would have left it: no baseline beside the rows.
    remove_baseline(&store, 1);
    let made = marks(&store);
    assert_eq!(made.iter().map(|mark| (mark.version, mark.rows)).collect::<Vec<_>>(), [(1, 3000)]);

    let (mut second, changes) = state("a", 2, 3000);
    let spans = (0..2500).map(|row| RowSpan { row, since: 2, gone: 0 }).collect();
    let baseline = Baseline { marks: made, spans };
    second.baseline = Arc::new(baseline.clone());
    store.publish(&second, Changes::Publication(&changes)).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(*store.list(&id("a")).unwrap().unwrap().baseline, baseline);
    assert!(store.verify(&|_: OpaqueRecord<'_>| Ok(())).unwrap().is_whole());

    // Spans that are lost are noticed.
    let key = super::lists::chunk_key(&id("a"), 2, super::baseline::BASELINE, 2);
    value::remove(&store.rows, &key).unwrap();
    let error = store.list(&id("a")).unwrap_err().to_string();
    assert!(error.contains("it is missing"), "{error}");
}

fn remove_baseline(store: &Store, version: u64) {
    let mut prefix = super::lists::version_key(&id("a"), version);
    prefix.push(super::baseline::BASELINE);
    value::remove(&store.rows, &prefix).unwrap();
}
