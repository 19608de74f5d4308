//! Versions that tell the past of their list anew: their changes stand for those before, and what stood
//! before is kept.

use super::*;
use crate::domain::list::{BackfillRecord, KnownOrigin, KnownPublication};
use crate::domain::publication::BackfilledChange;
use crate::store::PastState;
use crate::store::verify::OpaqueRecord;

fn day(text: &str) -> jiff::civil::Date {
    text.parse().unwrap()
}

/// Publishes a version that tells the past of a list of three rows in two publications.
fn backfill(store: &Store, list: &str, version: u64) -> Vec<BackfilledChange> {
    let (mut state, changes) = state(list, version, 3);
    let past = |text: &str, origin: KnownOrigin| KnownPublication {
        published: Some(day(text)),
        day: day(text),
        ends: day(text),
        kind: ListKind::Sanctions,
        digest: [0; 32],
        origin,
    };
    state.version.provenance = Provenance::Backfill(Box::new(BackfillRecord {
        standing: state.version.provenance.clone(),
        rows_loaded_at: state.version.loaded_at,
        rows_force_reason: String::new(),
        publications: vec![
            past("2024-01-01", KnownOrigin::File("old.csv".to_owned())),
            past("2025-03-21", KnownOrigin::Version(1)),
        ],
    }));
    let changes: Vec<_> = [0, 0, 1].into_iter().zip(changes).collect();
    store.publish(&state, Changes::Backfill(&changes)).unwrap();
    changes
}

fn versions_of(store: &Store, list: Option<&ListId>) -> Vec<(u64, Option<u32>)> {
    let page = store.changes(None, list, 100).unwrap();
    page.changes.iter().map(|change| (change.version, change.publication)).collect()
}

fn check(store: &Store, first: &ListState) {
    let a = id("a");
    let PastState::Found(kept) = store.state_at(&a, 1).unwrap() else { panic!("it is kept") };
    assert_eq!((&kept.version, &kept.rows), (&first.version, &first.rows));
    assert_eq!(kept.parties, first.parties);
    // What was changed before the last backfill_record is told by it.
    let retold = [(2, Some(0)), (2, Some(0)), (2, Some(1))];
    assert_eq!(versions_of(store, Some(&a)), [&retold[..], &[(4, None)]].concat());
    assert_eq!(versions_of(store, None), [&retold[..], &[(3, None), (4, None)]].concat());
    let past = store.history(&a).unwrap().publications;
    let count: Vec<_> = past.iter().map(|(of, changes)| (of.day, changes.len())).collect();
    assert_eq!(count, [(day("2024-01-01"), 2), (day("2025-03-21"), 1), (day("1970-01-01"), 1)]);
    let found = store.verify(&|_: OpaqueRecord<'_>| Ok(())).unwrap();
    assert_eq!(found.problems, [""; 0]);
    assert_eq!(found.rows, 2, "those in force");
}

#[test]
fn what_stood_before_a_retelling_is_kept_and_its_changes_stand_for_those_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = publish(&store, "a", 1, 3);
    backfill(&store, "a", 2);
    publish(&store, "b", 3, 1);
    publish(&store, "a", 4, 1);
    check(&store, &first);
    drop(store);
    check(&open(dir.path()), &first);
}
