//! Backups of a store that is written to and asked meanwhile: what was acknowledged comes back,
//! whole, and answers as it did.

mod broken;
mod commands;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use lazaretto::domain::list::ListKind;
use lazaretto::domain::publication::listed_digest;
use lazaretto::domain::transfer::Transfer;
use lazaretto::engine::{Engine, Import, check_named_record};
use lazaretto::ingest::Ingestor;
use lazaretto::store::{Store, backup};

use crate::support::desk::{Desk, list_id};
use crate::support::rows;

const CACHE: u64 = 8 << 20;
const LISTS: [&str; 2] = ["even", "odd"];
const ROWS: u64 = 1200;
const BACKUPS: usize = 8;

/// Row `n` of the transfers.
pub fn row(n: u64) -> Transfer {
    rows::row(n, 10_u128.pow(18))
}

/// A store of these transfers alone.
pub fn transfers_in(dir: &Path, rows: u64) {
    let store = Arc::new(Store::open(dir, CACHE).unwrap());
    let now = || Timestamp::from_second(1_700_000_000).unwrap();
    let ingestor = Ingestor::open(store, now);
    let mut session = ingestor.begin();
    for first in (0..rows).step_by(10_000) {
        session.append((first..rows.min(first + 10_000)).map(row).collect(), &[]).unwrap();
    }
}

/// What has been acknowledged: publications of each list, and transfers.
#[derive(Default)]
struct Acknowledged {
    lists: [AtomicU64; 2],
    transfers: AtomicU64,
    stop: AtomicBool,
}

/// Told by a writer, by its place, after each acknowledgement.
type Told = std::sync::mpsc::Sender<usize>;

impl Acknowledged {
    fn now(&self) -> [u64; 3] {
        let [even, odd] = &self.lists;
        [even, odd, &self.transfers].map(|count| count.load(Ordering::SeqCst))
    }
}

/// Publishes a list again and again, each time with other rows.
fn publish(engine: &Engine, place: usize, done: &Acknowledged, told: &Told) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.csv");
    for generation in 1.. {
        let mut csv = "address,ticker,party_uid,party_name,reference\n".to_owned();
        for row in 1..=ROWS {
            csv += &format!("0x{:040x},ETH,{},Party,{generation}\n", row << 20, row / 10);
        }
        std::fs::write(&path, csv).unwrap();
        let import = Import {
            id: list_id(LISTS[place]),
            kind: Some(ListKind::Sanctions),
            format: None,
            file_name: "list.csv".to_owned(),
            force: None,
            published: None,
            refreshes_age: false,
            declaration: None,
            is_trial: false,
        };
        engine.import(&import, &path).unwrap();
        done.lists[place].store(generation, Ordering::SeqCst);
        told.send(place).unwrap();
        if done.stop.load(Ordering::SeqCst) {
            return;
        }
    }
}

fn ingest(engine: &Engine, done: &Acknowledged, told: &Told) {
    let mut session = engine.begin_ingest();
    let mut first = 0;
    for number in 0.. {
        let next = first + [1, 300, 700, 1, 2500, 40, 6000][number % 7];
        session.append((first..next).map(row).collect(), &[]).unwrap();
        done.transfers.store(next, Ordering::SeqCst);
        told.send(2).unwrap();
        first = next;
        if done.stop.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Restores a backup, checks that it is whole, and gives what it holds.
fn held(bytes: &[u8]) -> [u64; 3] {
    let dir = tempfile::tempdir().unwrap();
    let verified = backup::restore(dir.path(), bytes, CACHE, &check_named_record).unwrap();
    assert!(verified.is_whole());
    let store = Store::open(dir.path(), CACHE).unwrap();
    let generation = |id: &str| {
        let Some(list) = store.list(&list_id(id)).unwrap() else { return 0 };
        assert_eq!(listed_digest(&list), list.version.digest);
        assert_eq!(list.rows.len() as u64, ROWS);
        let generation = list.rows[0].facts.reference.clone();
        assert!(list.rows.iter().all(|row| row.facts.reference == generation));
        let versions = store.versions(&list_id(id)).unwrap().len() as u64;
        let generation: u64 = generation.parse().unwrap();
        assert_eq!(versions, generation, "every version is there");
        generation
    };
    let lists = LISTS.map(generation);
    let changes = store.changes(None, None, usize::MAX - 1).unwrap().changes;
    assert_eq!(changes.len() as u64, (lists[0] + lists[1]) * ROWS);
    let mut next = 0;
    let each = |first, rows: Vec<Transfer>| {
        assert_eq!(first, next);
        for found in rows {
            assert_eq!(found, row(next));
            next += 1;
        }
        ControlFlow::Continue(())
    };
    store.read_rows(0, each).unwrap();
    assert_eq!(next, store.transfer_state().rows);
    [lists[0], lists[1], next]
}

#[test]
fn a_backup_under_writes_holds_an_acknowledged_prefix() {
    let desk = Desk::new("2025-11-20", &[]);
    let done = Acknowledged::default();
    let mut taken = Vec::new();
    let (told, tells) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let (engine, done) = (desk.engine(), &done);
        for place in 0..3 {
            let told = told.clone();
            scope.spawn(move || match place {
                2 => ingest(engine, done, &told),
                place => publish(engine, place, done, &told),
            });
        }
        let mut told = [false; 3];
        for number in 0..BACKUPS {
            // Something is written between two of them, and by everybody before the last.
            if number > 0 {
                told[tells.recv().unwrap()] = true;
            }
            while number == BACKUPS - 1 && told.contains(&false) {
                told[tells.recv().unwrap()] = true;
            }
            let before = done.now();
            let mut bytes = Vec::new();
            engine.backup(&mut bytes).unwrap();
            taken.push((before, bytes, done.now()));
        }
        done.stop.store(true, Ordering::SeqCst);
    });
    let mut last = [0; 3];
    for (before, bytes, after) in taken {
        let held = held(&bytes);
        eprintln!("{before:?} before, {held:?} in {} bytes, {after:?} after", bytes.len());
        for place in 0..3 {
            assert!(held[place] >= before[place], "acknowledged before, and not in it");
            // A writer may have had one more under way that was acknowledged after we looked.
            let most = after[place] + if place < 2 { 1 } else { 6000 };
            assert!(held[place] <= most, "it was never written");
            assert!(held[place] >= last[place]);
        }
        last = held;
    }
    assert!(last.iter().all(|count| *count > 0), "nothing was written meanwhile: {last:?}");
}
