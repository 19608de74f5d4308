//! A store that is killed at any moment of an append has every acknowledged transfer, the rest of
//! a batch whole or not at all, and takes what is sent again without doubling it; labels are of one
//! generation.
//!
//! As in `crash`, the test runs itself as a child, which sends a fixed sequence of batches from
//! wherever the store is, and says on its output what was acknowledged.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use lazaretto::domain::chain::Chain;
use lazaretto::domain::transfer::{MovementKind, Transfer};
use lazaretto::ingest::{CoverageDeclaration, Ingestor};
use lazaretto::store::Store;

use crate::support::killed::run_and_kill;
use crate::support::rows;

/// Names the data directory to the child; that it is set makes a child.
const DIR: &str = "LAZARETTO_TRANSFERS_CRASH_TEST_DIR";
const CACHE: u64 = 8 * 1024 * 1024;
const KILLS: usize = 25;

/// The size of batch `n`: small ones, which are merged, and large ones.
fn size(n: u64) -> u64 {
    [1, 300, 700, 1, 2500, 40, 9000][(n % 7) as usize]
}

/// Row `n` of the stream.
fn row(n: u64) -> Transfer {
    rows::row(n, u128::from(n % 2))
}

/// The batch with row `n` in it, from its beginning: its number and first row.
fn batch_at(n: u64) -> (u64, u64) {
    let (mut number, mut first) = (0, 0);
    while first + size(number) <= n {
        first += size(number);
        number += 1;
    }
    (number, first)
}

fn ingestor(dir: &Path) -> (Arc<Store>, Ingestor) {
    let store = Arc::new(Store::open(dir, CACHE).unwrap());
    let ingestor =
        Ingestor::open(Arc::clone(&store), || Timestamp::from_second(1_700_000_000).unwrap());
    (store, ingestor)
}

#[test]
fn acknowledged_transfers_survive_kill() {
    let name = "transfers_crash::acknowledged_transfers_survive_kill";
    if let Some(dir) = std::env::var_os(DIR) {
        return append_without_end(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut unacknowledged) = (0, 0);
    for kill in 0..KILLS {
        for line in run_and_kill(name, DIR, dir.path(), &["appended ", "labelled "]) {
            if let Some(rows) = line.strip_prefix("appended ") {
                acknowledged = rows.parse().unwrap();
            }
        }
        let (store, ingestor) = ingestor(dir.path());
        let heads = ingestor.heads();
        assert!(heads.rows >= acknowledged, "kill {kill}: {} of {acknowledged}", heads.rows);
        let (_, first) = batch_at(heads.rows);
        assert_eq!(first, heads.rows, "kill {kill}: a part of a batch");
        unacknowledged += u64::from(heads.rows > acknowledged);
        let mut next = 0;
        store
            .read_rows(0, |first, rows| {
                assert_eq!(first, next);
                for found in rows {
                    assert_eq!(found, row(next), "row {next}");
                    next += 1;
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(next, heads.rows);
        // What a batch declares is there with it.
        let covered = &heads
            .chains
            .get("eip155:1")
            .map(|head| head.kinds[&MovementKind::Native].heights.clone());
        let want = covered.as_ref().map(|_| vec![0..=next / 8 + 100]);
        assert_eq!(*covered, want, "kill {kill}");
        acknowledged = heads.rows;
    }
    assert!(acknowledged > 20_000, "too few rows to show anything: {acknowledged}");
    eprintln!("{acknowledged} rows, {unacknowledged} kills between sync and acknowledgement");
}

/// Sends what came before the end again, and goes on.
fn append_without_end(dir: &Path) {
    let (_store, ingestor) = ingestor(dir);
    let mut session = ingestor.begin();
    let mut out = std::io::stdout();
    let rows = ingestor.heads().rows;
    let (mut number, mut first) = batch_at(rows.saturating_sub(4000));
    loop {
        let next = first + size(number);
        let heights = 0..=next / 8 + 100;
        let covered =
            [CoverageDeclaration::heights(Chain::Evm(1), &[MovementKind::Native], heights)];
        let done = session.append((first..next).map(row).collect(), &covered).unwrap();
        assert!(done.stored.is_empty() || done.first_row == first);
        assert_eq!(done.rows, next.max(rows), "doubled or lost");
        writeln!(out, "\nappended {}", done.rows).unwrap();
        (number, first) = (number + 1, next);
    }
}

#[test]
fn labels_are_of_one_generation_after_kill() {
    let name = "transfers_crash::labels_are_of_one_generation_after_kill";
    if let Some(dir) = std::env::var_os(DIR) {
        return label_without_end(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = (0_u64, 0_u64);
    for kill in 0..KILLS {
        for line in run_and_kill(name, DIR, dir.path(), &["appended ", "labelled "]) {
            if let Some((base, deltas)) =
                line.strip_prefix("labelled ").and_then(|line| line.split_once(' '))
            {
                acknowledged = (base.parse().unwrap(), deltas.parse().unwrap());
            }
        }
        let store = Store::open(dir.path(), CACHE).unwrap();
        let labels = store.labels().unwrap().unwrap();
        let base = u64::from_be_bytes(labels.meta[..].try_into().unwrap());
        let found = (base, labels.deltas.len() as u64);
        assert!(found >= acknowledged, "kill {kill}: {found:?} after {acknowledged:?}");
        let chunks: Vec<_> = labels.chunks.map(Result::unwrap).collect();
        assert_eq!(chunks, base_of(base), "kill {kill}");
        let deltas: Vec<_> = (0..found.1).map(|n| delta_of(base, n)).collect();
        assert_eq!(labels.deltas, deltas, "kill {kill}");
        acknowledged = found;
    }
    assert!(acknowledged.0 > KILLS as u64, "too few generations: {acknowledged:?}");
}

fn base_of(base: u64) -> Vec<Vec<u8>> {
    (0..20).map(|n| vec![(base + n) as u8; 10_000 + n as usize]).collect()
}

fn delta_of(base: u64, number: u64) -> Vec<u8> {
    vec![(base ^ number) as u8; 100 + 5000 * number as usize]
}

fn label_without_end(dir: &Path) {
    let store = Store::open(dir, CACHE).unwrap();
    let mut out = std::io::stdout();
    let known = store.labels().unwrap().map(|labels| labels.meta);
    let mut base = known.map_or(0, |meta| u64::from_be_bytes(meta[..].try_into().unwrap()));
    loop {
        base += 1;
        store.put_label_base(&base.to_be_bytes(), base_of(base).into_iter()).unwrap();
        writeln!(out, "\nlabelled {base} 0").unwrap();
        for number in 0..4 {
            store.put_label_deltas(&[delta_of(base, number)]).unwrap();
            writeln!(out, "\nlabelled {base} {}", number + 1).unwrap();
        }
    }
}
