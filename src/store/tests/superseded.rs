//! Older versions of a list, put together again from what later ones superseded.

use super::*;
use crate::store::PastState;

/// A version of list `a` in which rows and parties came, went and changed, of chunks in part.
fn turned(version: u64, rows: usize, without: usize) -> ListState {
    let (mut state, _) = state("a", version, rows);
    let kept: Vec<Row> = state
        .rows
        .iter()
        .enumerate()
        .filter(|(n, _)| n % without != 1)
        .map(|(_, r)| r.clone())
        .collect();
    state.rows = Arc::new(kept);
    state.version.digest = listed_digest(&state);
    state
}

fn as_kept(state: &ListState) -> PastState {
    let check = ListCheck::default();
    PastState::Found(Box::new(ListState { check, baseline: Arc::default(), ..state.clone() }))
}

#[test]
fn every_older_version_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let sizes = [(2500, 7), (10, 3), (4100, 5), (0, 2), (1001, 2), (1001, 3)];
    let mut published = Vec::new();
    for (number, (rows, without)) in (0..).zip(sizes) {
        // Another list has versions between.
        let other = state("b", 2 * number + 1, 3).0;
        store.publish(&other, Changes::Publication(&[])).unwrap();
        let turned = turned(2 * number + 2, rows, without);
        store.publish(&turned, Changes::Publication(&[])).unwrap();
        published.push(turned);
    }
    drop(store);
    let store = open(dir.path());
    for state in &published {
        let version = state.version.version;
        assert_eq!(store.state_at(&id("a"), version).unwrap(), as_kept(state), "{version}");
    }
    for (list, version) in [("a", 1), ("a", 99), ("c", 1)] {
        let found = store.state_at(&id(list), version).unwrap();
        assert_eq!(found, PastState::NoSuchVersion, "{list} {version}");
    }
    let verified = store.verify(&|_: OpaqueRecord<'_>| Ok(())).unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
}

#[test]
fn versions_before_one_of_an_older_program_are_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for version in 1..=3 {
        publish(&store, "a", version, 3);
    }
    // As schema 5 left the second one.
    let second = 2_u64.to_be_bytes();
    let keys: Vec<_> = store.superseded.scan_prefix(second).keys().map(Result::unwrap).collect();
    assert!(!keys.is_empty());
    for key in keys {
        store.superseded.remove(key).unwrap();
    }
    assert_eq!(store.state_at(&id("a"), 1).unwrap(), PastState::NotRecordedBy(2));
    assert!(matches!(store.state_at(&id("a"), 2).unwrap(), PastState::Found(_)));
}

#[test]
fn what_an_unfinished_publication_superseded_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    publish(&store, "a", 1, 3);
    let (next, _) = state("a", 2, 5);
    store.write_superseded(&next).unwrap();
    assert!(!store.superseded.is_empty());
    drop(store);
    assert!(open(dir.path()).superseded.is_empty());
}
