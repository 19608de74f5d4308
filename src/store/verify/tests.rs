//! An open store that is damaged in one place each: the look at all of it names the place.

use std::path::Path;

use super::super::tests::{open, publish};
use super::super::transfers::tests::append;
use super::*;

fn judge(_: OpaqueRecord<'_>) -> Result<(), String> {
    Ok(())
}

/// A store with one of each, damaged while it is closed, and looked at.
fn found(damage: impl Fn(&sled::Db, &Path)) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    publish(&store, "a", 1, 1500);
    publish(&store, "b", 2, 3);
    store.save_snapshot("s", b"one").unwrap();
    store.save_policy("p", "one").unwrap();
    store.put_label_base(b"meta", [vec![1; 100], vec![2; 9000]].into_iter()).unwrap();
    store.put_label_deltas(&[vec![3; 100]]).unwrap();
    append(&store, 0..9000);
    assert_eq!(store.verify(&judge).unwrap().problems, [""; 0]);
    assert_eq!(store.verify(&judge).unwrap().label_bytes, Some(9200));
    drop(store);
    let file = dir.path().join("store");
    let db = crate::store::tests::raw(dir.path());
    damage(&db, &file);
    drop(db);
    open(dir.path()).verify(&judge).unwrap().problems
}

fn flip(db: &sled::Db, tree: &str, number: usize) {
    let tree = db.open_tree(tree).unwrap();
    let (key, value) = tree.iter().nth(number).unwrap().unwrap();
    let mut value = value.to_vec();
    *value.last_mut().unwrap() ^= 1;
    tree.insert(key, value).unwrap();
}

#[test]
fn damage_is_named() {
    type Damage = Box<dyn Fn(&sled::Db, &Path)>;
    let table: Vec<(Damage, &[&str])> = vec![
        (
            Box::new(|db, _| flip(db, "rows", 0)),
            &[
                r"tree rows, key a\x00\x00\x00\x00\x00\x00\x00\x00\x01p\x00\x00\x00\x00: the stored value is damaged: its checksum is wrong",
                "tree lists, key a: the stored value is damaged: it counts 1 and 2 chunks of parties and rows, but 0 and 2 are there",
            ],
        ),
        (
            Box::new(|db, _| {
                flip(db, "versions", 1);
                flip(db, "snapshots", 0);
                flip(db, "policies", 0);
            }),
            &[
                r"tree snapshots, key \x01s: the stored value is damaged: its checksum is wrong",
                r"tree policies, key \x01p: the stored value is damaged: its checksum is wrong",
                r"tree versions, key b\x00\x00\x00\x00\x00\x00\x00\x00\x02: the stored value is damaged: its checksum is wrong",
                "tree lists, key b: the stored value is damaged: the header of its version 2 is missing",
                "tree versions: 1 of 2 versions are missing",
                r"tree changes, key \x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00: the stored value is damaged: there is no such version",
            ],
        ),
        (
            Box::new(|db, _| {
                let changes = db.open_tree("changes").unwrap();
                let first = changes.iter().next().unwrap().unwrap().0;
                changes.remove(first).unwrap();
            }),
            &["its checksum is wrong", "change 0 of the version should be here"],
        ),
        (
            Box::new(|db, _| flip(db, "segments", 0)),
            &[
                r"tree segments, key \x00\x00\x00\x00\x00\x00\x00\x02: the stored value is damaged: transfers 8192 to 8999: the checksum is wrong",
            ],
        ),
        (
            Box::new(|_, dir| {
                let mut bytes = std::fs::read(dir.join("segments")).unwrap();
                bytes[5] ^= 1;
                std::fs::write(dir.join("segments"), bytes).unwrap();
            }),
            &[
                "store/segments, byte 0: the file is damaged: transfers 0 to 4095: the checksum is wrong",
            ],
        ),
        (Box::new(|db, _| flip(db, "labels", 0)), &["the stored value is damaged: "]),
    ];
    for (number, (damage, want)) in table.iter().enumerate() {
        let found = found(damage);
        assert_eq!(found.len(), want.len(), "{number}: {found:#?}");
        for (found, want) in found.iter().zip(*want) {
            assert!(found.starts_with(want) || found.contains(want), "{number}: {found}\n{want}");
        }
    }
}

#[test]
fn of_many_problems_the_rest_is_counted() {
    let mut found = Verified::default();
    (0..103).for_each(|number| found.problem(number));
    assert_eq!((found.problems.len(), found.further_problems), (100, 3));
    assert!(!found.is_whole());
}
