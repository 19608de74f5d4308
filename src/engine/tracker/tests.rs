//! When labels are made of a bulk load. What they say has tests in `exposure`.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use crate::config::{Config, Flags};
use crate::domain::chain::Chain;
use crate::domain::list::ListKind;
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Movement, Position, Transfer, TxStatus,
};
use crate::engine::{Engine, Import, IngestSession, TraceQuery};

/// An engine with one listed address, that of number 0.
fn engine(folder: &Path) -> Arc<Engine> {
    let set = ["starter_lists=false".to_owned()];
    let data_dir = Some(folder.join("data"));
    let flags = Flags { data_dir, offline: true, set: set.into(), ..Flags::default() };
    let config = Config::load(&flags, []).unwrap();
    let engine = Engine::open(&config, Arc::new(jiff::Timestamp::now)).unwrap();
    let list = folder.join("list.csv");
    std::fs::write(&list, format!("address,ticker\n{},ETH\n", holder(0))).unwrap();
    let import = Import {
        id: "us-ofac-sdn".parse().unwrap(),
        kind: Some(ListKind::Sanctions),
        format: None,
        file_name: "list.csv".to_owned(),
        force_reason: None,
        published: None,
    };
    engine.import(&import, &list).unwrap();
    engine
}

fn holder(number: u64) -> Holder {
    let mut bytes = [0xab; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Holder::Evm(bytes)
}

/// One ether from each number to the next.
fn chain_of(heights: std::ops::Range<u64>) -> Vec<Transfer> {
    let one = |height| Transfer {
        chain: Chain::Evm(1),
        time: 1_600_000_000 + height,
        position: Some(Position { height, tx_index: 0, index: 0 }),
        block_hash: None,
        tx: None,
        status: TxStatus::Succeeded,
        movement: Movement::Account(AccountMovement {
            from: Some(holder(height)),
            to: Some(holder(height + 1)),
            asset: Asset::Native,
            amount: Amount::from(1_000_000_000_000_000_000_u64),
            usd_micros: None,
        }),
    };
    heights.map(one).collect()
}

/// Stores transfers as a group of a bulk load is stored, and waits until the graph has them.
fn put(engine: &Engine, session: &mut IngestSession, heights: std::ops::Range<u64>) {
    session.append_many(chain_of(heights), &[]).unwrap();
    session.flush().unwrap().unwrap();
    let tracker = &engine.tracker;
    let mut work = tracker.work();
    while work.busy || tracker.has_work(&work) {
        work = tracker.bell.wait(work).unwrap();
    }
}

fn labelled(engine: &Engine) -> u64 {
    engine.transfer_heads().labelled_rows
}

#[test]
fn a_bulk_load_is_labelled_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let mut session = engine.begin_ingest();
    put(&engine, &mut session, 0..2);
    put(&engine, &mut session, 2..3);
    assert_eq!(labelled(&engine), 0, "it goes on");
    session.finish().unwrap();
    assert_eq!(labelled(&engine), 3);
    // One that is broken off.
    let mut session = engine.begin_ingest();
    put(&engine, &mut session, 3..4);
    assert_eq!(labelled(&engine), 3, "it goes on");
    drop(session);
    let mut work = engine.tracker.work();
    while work.deferred {
        work = engine.tracker.bell.wait(work).unwrap();
    }
    drop(work);
    assert_eq!(labelled(&engine), 4);
}

#[test]
fn whoever_asks_finds_the_labels_of_a_bulk_load_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let mut session = engine.begin_ingest();
    put(&engine, &mut session, 0..1);
    assert_eq!(labelled(&engine), 0, "it goes on");
    engine.settle_exposure(false).unwrap();
    assert_eq!(labelled(&engine), 1);
    // A search, with labels and graph alike.
    put(&engine, &mut session, 1..3);
    assert_eq!(labelled(&engine), 1, "it goes on");
    let query = TraceQuery {
        address: holder(3).to_string(),
        chain: None,
        direction: None,
        kinds: Vec::new(),
        max_hops: None,
        max_paths: 1,
        from_time: None,
        to_time: None,
        min_usd_micros: 0,
    };
    let trace = engine.trace(&query).unwrap();
    assert_eq!(trace.paths.len(), 1);
    assert_eq!(trace.paths[0].hops.len(), 3);
    assert_eq!(labelled(&engine), 3);
    // What comes one by one waits for nothing.
    put(&engine, &mut session, 3..4);
    assert_eq!(labelled(&engine), 3, "it goes on");
    let mut live = engine.begin_ingest();
    live.append(chain_of(4..5), &[]).unwrap();
    live.finish().unwrap();
    assert_eq!(labelled(&engine), 5);
}
