//! What is appended is read back, proved and found again after opening.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::support::*;
use crate::audit::merkle::root_of;
use crate::audit::*;

#[test]
fn leaves_come_back_whole() {
    let fixture = Fixture::new();
    fixture.append(300);
    let batch = fixture.append_batch(1_000_000, 50);
    assert_eq!(batch, 301..305);
    let reader = fixture.log().reader();
    let leaf = reader.leaf(30).unwrap();
    assert_eq!((leaf.index, leaf.time), (30, time(30)));
    assert_eq!(leaf.context, br#"{"snapshot":"s-1","request":30}"#);
    let [item] = &leaf.items[..] else { panic!("{leaf:?}") };
    assert_eq!((&item.answer[..], item.class), (BLOCKED, BLOCK_CLASS));
    assert_eq!(item.address.text(), Some(&*address(30)));
    assert_eq!(item.reference.as_ref().unwrap().text(), Some("payment-30"));
    let id = fixture.log().record_id(batch.start, 17);
    assert_eq!((id.index, id.item), (302, 1));
    let leaf = reader.leaf(id.index).unwrap();
    assert_eq!(leaf.items.len(), 16);
    assert_eq!(leaf.items[1].address.text(), Some(&*address(1_000_017)));
    assert_eq!(reader.leaf(304).unwrap().items.len(), 2);
    assert!(matches!(reader.leaf(305), Err(AuditError::NoSuchLeaf { index: 305, size: 305 })));
    let started = reader.leaf(0).unwrap();
    assert_eq!(Event::parse(&started.context), Some(Event::LogStarted { previous: None }));
}

/// The entry shows none of what the leaf does.
#[test]
fn entry_has_one_size_and_no_texts() {
    let fixture = Fixture::new();
    fixture.append(4);
    fixture.append_batch(0, 16);
    let reader = fixture.log().reader();
    for index in 1..6 {
        assert_eq!(reader.entry(index).unwrap().len(), 108);
    }
    assert_eq!(reader.entry(0).unwrap().len(), 42);
}

/// Roots and proofs of every size to 600, and some above, against a plain tree over the entries.
#[test]
fn proofs_hold_for_every_size() {
    let fixture = Fixture::new();
    fixture.append(899);
    fixture.append_batch(7, 1000);
    let reader = fixture.log().reader();
    let size = reader.size();
    let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&reader.entry(i).unwrap())).collect();
    for size in (1..=600).chain([767, 768, 769, 899, 900, size]) {
        let root = root_of(&leaves[..size as usize]);
        assert_eq!(reader.root(size).unwrap(), root);
        for index in [0, size / 3, size - 1] {
            let proof = reader.inclusion_proof(index, size).unwrap();
            assert!(verify_inclusion(leaves[index as usize], index, size, &proof, root));
        }
        for first in [1, size / 2 + 1, size] {
            let proof = reader.consistency_proof(first, size).unwrap();
            let old = root_of(&leaves[..first as usize]);
            assert!(verify_consistency(first, size, &proof, old, root));
        }
    }
    assert!(reader.root(size + 1).is_err());
    assert!(reader.inclusion_proof(5, 5).is_err());
    assert!(reader.consistency_proof(6, 5).is_err());
}

#[test]
fn opening_goes_on_in_the_same_block() {
    let mut fixture = Fixture::new();
    for count in [1, 254, 1, 300, 5] {
        fixture.append(count);
        let before = fixture.log().appended();
        let root = fixture.log().reader().root(before).unwrap();
        let opened = fixture.reopen();
        assert!(!opened.started && opened.cut.is_none());
        assert_eq!(fixture.log().appended(), before);
        assert_eq!(fixture.log().reader().root(before).unwrap(), root);
    }
    let report = fixture.assert_sound();
    assert_eq!((report.size, report.items), (562, 561));
    // Of the first leaf, and one at each closing that brought something new.
    assert_eq!(report.checkpoints, 6);
}

#[test]
fn segments_follow_each_other() {
    let mut fixture = Fixture::new();
    fixture.append_batch(0, (1 << 14) + 4000);
    fixture.append(300);
    let size = fixture.log().appended();
    assert_eq!(size, 1 + 1024 + 250 + 300);
    let note = fixture.sign();
    let report = fixture.verify(Some(&note));
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!((report.size, report.checkpoints), (size, 3));
    fixture.reopen();
    fixture.append(5);
    let reader = fixture.log().reader();
    let leaf = reader.leaf(1024).unwrap();
    assert_eq!(leaf.items[0].address.text(), Some(&*address((1024 - 1) * 16)));
    let query = Query { fingerprints: vec![fingerprint(&address(777))], ..Query::default() };
    let found: Vec<u64> = reader
        .leaves(query)
        .map(Result::unwrap)
        .filter(|leaf| leaf.items.iter().any(|item| item.address.text() == Some(&address(777))))
        .map(|leaf| leaf.index)
        .collect();
    assert_eq!(found, [1 + 777 / 16]);
    // The filter of the full segment lets nothing else through but by chance.
    let wanted = vec![fingerprint("nowhere")];
    let mut leaves = reader.leaves(Query { fingerprints: wanted, ..Query::default() });
    assert!(leaves.next().is_none_or(|leaf| leaf.unwrap().index >= 1024));
    fixture.assert_sound();
}

#[test]
fn queries_select_by_index_time_and_class() {
    let fixture = Fixture::new();
    fixture.append(1000);
    let reader = fixture.log().reader();
    let found = |query: Query| -> Vec<u64> {
        reader.leaves(query).map(|leaf| leaf.unwrap().index).collect()
    };
    let all: Vec<u64> = (0..=1000).collect();
    assert_eq!(found(Query::default()), all);
    assert_eq!(found(Query { indices: 250..270, ..Query::default() }), all[250..270]);
    let (from, to) = (Some(time(500)), Some(time(777)));
    assert_eq!(found(Query { from, to, ..Query::default() }), all[500..777]);
    let blocked: Vec<u64> = (10..=1000).step_by(10).collect();
    assert_eq!(found(Query { classes: BLOCK_CLASS, ..Query::default() }), blocked);
    assert_eq!(found(Query { classes: 0x40, ..Query::default() }), [0; 0]);
    let first = reader.first_from(time(600)).unwrap();
    assert_eq!(first, 512);
}

#[test]
fn threads_append_and_read_together() {
    let fixture = Fixture::new();
    let log = fixture.log();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let index = append_one(log, 3);
                    log.write(index + 1).unwrap();
                    assert!(log.written() > index);
                    assert_eq!(log.reader().leaf(index).unwrap().items.len(), 1);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..20 {
                let size = log.written();
                let root = log.reader().root(size).unwrap();
                let proof = log.reader().inclusion_proof(0, size).unwrap();
                let leaf = leaf_hash(&log.reader().entry(0).unwrap());
                assert!(verify_inclusion(leaf, 0, size, &proof, root));
                log.sign_checkpoint().unwrap();
            }
        });
    });
    assert_eq!(fixture.log().appended(), 2001);
    fixture.assert_sound();
}

#[test]
fn both_modes_sync_and_tell() {
    for durability in [Durability::Fsync, Durability::Interval(Duration::from_millis(20))] {
        let folder = tempfile::tempdir().unwrap();
        let (synced, signed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (told_synced, told_signed) = (Arc::clone(&synced), Arc::clone(&signed));
        let hooks = Hooks {
            on_synced: Box::new(move |size| told_synced.store(size, Ordering::SeqCst)),
            on_checkpoint: Box::new(move |checkpoint| {
                told_signed.store(checkpoint.checkpoint.size, Ordering::SeqCst);
            }),
            on_failure: Box::new(|error| panic!("{error}")),
        };
        let checkpoint_interval = Duration::from_millis(30);
        let settings = Settings { durability, checkpoint_interval, hooks, ..settings() };
        let (log, _) = Log::open(folder.path(), settings, time(0)).unwrap();
        for number in 1..50 {
            let index = append_one(&log, number);
            if durability == Durability::Fsync {
                log.request_sync();
            } else {
                log.write(index + 1).unwrap();
            }
            log.wait_synced(index + 1).unwrap();
            assert!(log.synced() > index);
        }
        assert_eq!(log.synced(), 50);
        drop(log);
        assert_eq!((synced.load(Ordering::SeqCst), signed.load(Ordering::SeqCst)), (50, 50));
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let fixture = Fixture::new();
    let item =
        NewItem { answer: CLEAR, class: 1, address: "a", reference: None, fingerprints: &[] };
    let log = fixture.log();
    let append = |context: &[u8], items: &[NewItem<'_>]| {
        log.append(&NewLeaf { time: time(1), context, items })
    };
    assert!(append(CONTEXT, &[item; 16]).is_ok());
    assert!(matches!(append(CONTEXT, &[item; 17]), Err(AuditError::TooManyItems(17))));
    let long = "a".repeat(70_000);
    for wrong in [
        append(long.as_bytes(), &[item]),
        append(CONTEXT, &[NewItem { address: &long, ..item }]),
        append(CONTEXT, &[NewItem { answer: long.as_bytes(), ..item }]),
        append(CONTEXT, &[NewItem { reference: Some(&long), ..item }]),
    ] {
        assert!(matches!(wrong, Err(AuditError::TooLarge { .. })), "{wrong:?}");
    }
    assert_eq!(fixture.append_batch(0, 0), 2..2);
}

#[test]
fn second_process_is_refused() {
    let fixture = Fixture::new();
    let is_refused = || {
        let second = Log::open(fixture.folder.path(), settings(), time(0));
        matches!(second.err(), Some(AuditError::Locked { .. }))
    };
    assert!(is_refused());
    for file in ["lock", "log.1/lock"] {
        let _ = std::fs::remove_file(fixture.folder.path().join(file));
    }
    assert!(is_refused());
}
