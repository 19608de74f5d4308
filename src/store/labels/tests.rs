//! Generations of labels: the old or the new one, whole, with the deltas that were acknowledged.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::path::Path;

use super::*;
use crate::store::DEFAULT_CACHE;

fn open(dir: &Path) -> Store {
    Store::open(dir, DEFAULT_CACHE).unwrap()
}

/// Chunks of all lengths about a piece and beyond.
fn chunks(seed: u8) -> Vec<Vec<u8>> {
    let lengths = [0, 1, 6135, 6136, 6137, 6144, 100_000, 3];
    lengths.iter().map(|length| vec![seed; *length]).collect()
}

type Found = (Vec<u8>, Vec<Vec<u8>>, Vec<Vec<u8>>);

fn found(store: &Store) -> Result<Option<Found>, StoreError> {
    let Some(labels) = store.labels()? else { return Ok(None) };
    let chunks = labels.chunks.collect::<Result<Vec<_>, _>>()?;
    Ok(Some((labels.meta, chunks, labels.deltas)))
}

fn put(store: &Store, seed: u8) {
    store.put_label_base(&[seed; 3], chunks(seed).into_iter()).unwrap();
}

#[test]
fn a_base_and_its_deltas_are_there_until_the_next_base() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    assert!(matches!(store.put_label_deltas(&[b"x".to_vec()]), Err(StoreError::NoLabels)));
    assert_eq!(found(&store).unwrap(), None);
    for seed in 1..4 {
        put(&store, seed);
        let mut deltas = Vec::new();
        for length in [0, 10, 20_000] {
            deltas.push(vec![seed; length]);
            store.put_label_deltas(&[vec![seed; length]]).unwrap();
            let want = (vec![seed; 3], chunks(seed), deltas.clone());
            assert_eq!(found(&store).unwrap(), Some(want));
        }
        drop(store);
        store = open(dir.path());
        assert_eq!(found(&store).unwrap(), Some((vec![seed; 3], chunks(seed), deltas)));
        assert_eq!(store.labels().unwrap().unwrap().generation, u64::from(seed));
    }
    store.put_label_base(b"", std::iter::empty()).unwrap();
    assert_eq!(found(&store).unwrap(), Some((vec![], vec![], vec![])));
    // Nothing but the manifest is left.
    assert_eq!(store.labels.len(), 1);
    assert_eq!(std::fs::read_dir(dir.path().join("store/blobs")).unwrap().count(), 0);
}

#[test]
fn what_a_killed_write_left_goes() {
    let dir = tempfile::tempdir().unwrap();
    for known in [false, true] {
        let store = open(dir.path());
        if known {
            put(&store, 1);
            store.put_label_deltas(&[b"delta".to_vec()]).unwrap();
        }
        let before = store.labels.len();
        for (kind, generation) in [(BASE, 2), (DELTA, 2), (BASE, 0), (DELTA, 0), (BASE, 7)] {
            pieces::write(&store.labels, &key(kind, generation, 0), &[9; 9999], pieces::LARGE)
                .unwrap();
        }
        drop(store);
        let store = open(dir.path());
        assert_eq!(store.labels.len(), before);
        let want = known.then(|| (vec![1; 3], chunks(1), vec![b"delta".to_vec()]));
        assert_eq!(found(&store).unwrap(), want);
    }
}

/// Chunks of the next base do not disturb the one in force, even if it never comes.
#[test]
fn a_base_that_fails_half_way_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, 1);
    let half = (0..5).map(|n| {
        assert!(n < 3, "the chunks end here");
        vec![2; 50_000]
    });
    let failed =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| store.put_label_base(b"2", half)));
    assert!(failed.is_err());
    assert_eq!(found(&store).unwrap(), Some((vec![1; 3], chunks(1), vec![])));
    put(&store, 3);
    assert_eq!(found(&store).unwrap(), Some((vec![3; 3], chunks(3), vec![])));
}

#[test]
fn damage_is_named() {
    let piece = |kind: u8, number: u32, piece: u32| {
        [key(kind, 1, number), piece.to_be_bytes().to_vec()].concat()
    };
    let flip = |tree: &sled::Tree, key: &[u8]| {
        let mut value = tree.get(key).unwrap().unwrap().to_vec();
        value[0] ^= 1;
        tree.insert(key, value).unwrap();
    };
    type Damage = Box<dyn Fn(&sled::Tree)>;
    let table: [(Damage, &str); 7] = [
        (Box::new(move |t| flip(t, &piece(BASE, 6, 3))), "its checksum is wrong"),
        (Box::new(move |t| drop(t.remove(piece(BASE, 6, 3)).unwrap())), "the piece is missing"),
        (Box::new(move |t| drop(t.remove(piece(BASE, 7, 0)).unwrap())), "the piece is missing"),
        (Box::new(move |t| flip(t, &piece(DELTA, 1, 2))), "its checksum is wrong"),
        (Box::new(move |t| drop(t.remove(piece(DELTA, 1, 2)).unwrap())), "the piece is missing"),
        (Box::new(move |t| drop(t.remove(piece(DELTA, 0, 0)).unwrap())), "it is shorter than"),
        (Box::new(move |t| flip(t, b"m\0\0\0\0")), "key m: the stored value is damaged"),
    ];
    for (number, (damage, want)) in table.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        put(&store, 1);
        store.put_label_deltas(&[b"small".to_vec(), vec![5; 30_000]]).unwrap();
        damage(&store.labels.now().unwrap());
        let error = found(&store).unwrap_err().to_string();
        assert!(
            error.starts_with("tree labels, key ") && error.contains(want),
            "{number}: {error}"
        );
    }
}
