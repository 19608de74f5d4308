//! Exposure over the life of a store: many writers at once, kills at any moment, restarts. Whatever
//! happened, the labels in force are those that a build from nothing makes of what is stored.
//!
//! The kills run the test itself as a child process, as in `crash`.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;
use std::sync::Barrier;

use lazaretto::config::{Config, Flags};
use lazaretto::domain::chain::Chain;
use lazaretto::domain::list::ListKind;
use lazaretto::domain::packed_key::PackedKey;
use lazaretto::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Movement, Position, Transfer, TxId, TxStatus,
};
use lazaretto::exposure::{Label, Labels, Settings, Source, World};
use lazaretto::screening::FindingKind;
use lazaretto::screening::path_ends::path_ends;
use lazaretto::store::Store;

use crate::support::desk::Desk;
use crate::support::killed::run_and_kill;

const NOW: &str = "2026-03-10";
/// The listed address is the holder 1.
const LIST: &str = "# lazaretto list 1\n# published: 2026-03-01\naddress,ticker,party_uid,party_name\n\
                    0x0101010101010101010101010101010101010101,ETH,1,Somebody\n";
const SET: [&str; 2] = ["lists.us-ofac-sdn.enabled=false", "exposure.hub_limit=40"];

/// Names the data directory to the child; that it is set makes a child.
const DIR: &str = "LAZARETTO_EXPOSURE_TEST_DIR";
const NAME: &str = "exposure_life::labels_after_a_kill_are_those_of_a_fresh_build";
const KILLS: usize = 12;

fn desk_at(dir: &Path) -> Desk {
    let desk = Desk::at(dir, NOW, &SET);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.csv");
    std::fs::write(&path, LIST).unwrap();
    desk.import("mine", Some(ListKind::Advisory), &path, None).unwrap();
    desk
}

/// One ether from one holder to another, at a height and place of its own.
fn payment(height: u64, tx_index: u32, from: u16, to: u16) -> Transfer {
    let holder = |number: u16| {
        let mut bytes = [if number == 1 { 1 } else { 0x22 }; 20];
        if number > 1 {
            bytes[18..].copy_from_slice(&number.to_be_bytes());
        }
        Some(Holder::Evm(bytes))
    };
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&height.to_be_bytes());
    hash[8..12].copy_from_slice(&tx_index.to_be_bytes());
    Transfer {
        chain: Chain::Evm(1),
        time: 1_700_000_000 + height * 12,
        placement: Position { height, tx_index, index: 0 }.into(),
        block_hash: None,
        tx: Some(TxId::Hash(hash)),
        status: TxStatus::Succeeded,
        movement: Movement::Account(AccountMovement {
            from: holder(from),
            to: holder(to),
            asset: Asset::Native,
            amount: Amount::from(1_000_000_000_000_000_000_u64),
            usd_micros: None,
        }),
    }
}

/// A label with its source in full, whose number depends on the history.
type Said = (Label, Source);

fn said(labels: &Labels) -> BTreeMap<PackedKey, Vec<Said>> {
    let of = |label: Label| {
        let source = labels.source(label.source).clone();
        (Label { source: 0, ..label }, source)
    };
    let all = labels.iter().map(|(key, of_key)| {
        let mut said: Vec<_> = of_key.into_iter().map(of).collect();
        said.sort();
        (key, said)
    });
    all.collect()
}

/// Compares the labels in force with a build from nothing, and gives how many keys have any.
fn assert_as_built_from_nothing(desk: Desk, dir: &Path) -> usize {
    desk.engine().wait_for_exposure(false).unwrap();
    let snapshot = desk.engine().snapshot().unwrap();
    assert!(!snapshot.exposure().behind);
    let (sources, stops) = path_ends(snapshot.lists().iter(), snapshot.categories(), None);
    let in_force = snapshot.exposure().labels.clone();
    let rows_labelled = snapshot.exposure().labelled_rows();
    drop((snapshot, desk));

    let store = Store::open(dir, 8 << 20).unwrap();
    let flags = Flags { set: SET.iter().map(|&set| set.to_owned()).collect(), ..Flags::default() };
    let exposure = Config::load(&flags, []).unwrap().exposure;
    let mut world = World::new(Settings {
        max_hops: exposure.max_hops,
        hub_limit: exposure.hub_limit,
        cluster_limit: exposure.cluster_limit,
        no_common_input: exposure.no_common_input(),
        assets: exposure.assets,
    });
    store
        .read_rows(0, |first_row, rows| {
            world.append(first_row, &rows);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(rows_labelled, store.transfer_state().rows, "rows that no label knows");
    world.set_parties(sources, stops);
    let built = said(&world.relabel().labels);
    let in_force = in_force.map(|labels| said(&labels)).unwrap_or_default();
    assert_eq!(in_force, built);
    built.len()
}

#[test]
fn sessions_side_by_side_leave_no_row_out() {
    const SESSIONS: u16 = 4;
    const BATCHES: u16 = 40;
    let dir = tempfile::tempdir().unwrap();
    let desk = desk_at(dir.path());
    let start = Barrier::new(usize::from(SESSIONS));
    // Each session makes chains of its own that begin at the listed address.
    std::thread::scope(|scope| {
        for session in 0..SESSIONS {
            let (desk, start) = (&desk, &start);
            scope.spawn(move || {
                let mut ingest = desk.engine().begin_ingest();
                start.wait();
                for batch in 0..BATCHES {
                    let first = 2 + (session * BATCHES + batch) * 2;
                    let height = u64::from(first);
                    let rows =
                        vec![payment(height, 0, 1, first), payment(height, 1, first, first + 1)];
                    ingest.append(rows, &[]).unwrap();
                }
                ingest.finish().unwrap();
            });
        }
    });
    let keys = assert_as_built_from_nothing(desk, dir.path());
    assert_eq!(keys, usize::from(SESSIONS * BATCHES * 2), "an address without exposure");
}

#[test]
fn labels_after_a_kill_are_those_of_a_fresh_build() {
    if let Some(dir) = std::env::var_os(DIR) {
        return store_without_end(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    drop(desk_at(dir.path()));
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let lines = run_and_kill(NAME, DIR, dir.path(), &["stored "]);
        let stored = lines.iter().filter_map(|line| line.strip_prefix("stored "));
        acknowledged += stored.map(|rows| rows.parse::<u64>().unwrap()).sum::<u64>();
        let desk = Desk::at(dir.path(), NOW, &SET);
        let rows = desk.engine().transfer_heads().rows;
        assert!(rows >= acknowledged, "{rows} rows of {acknowledged} that were acknowledged");
        acknowledged = rows;
        let keys = assert_as_built_from_nothing(desk, dir.path());
        eprintln!("kill {kill}: {rows} rows, {keys} keys with labels");
    }
    assert!(acknowledged > 100, "too few rows to show anything");
}

/// Stores batches among a hundred holders, in order and late ones, and says what is durable.
fn store_without_end(dir: &Path) {
    let desk = Desk::at(dir, NOW, &SET);
    let mut out = std::io::stdout();
    let mut ingest = desk.engine().begin_ingest();
    let mut height = desk.engine().transfer_heads().rows * 4 + 100;
    loop {
        let mut rows: HashMap<(u64, u32), Transfer> = HashMap::new();
        for _ in 0..fastrand::u32(1..30) {
            height += fastrand::u64(0..2);
            let late = if fastrand::u8(0..4) == 0 { fastrand::u64(0..height) } else { height };
            let tx_index = fastrand::u32(0..1_000_000);
            let (from, to) = (fastrand::u16(1..100), fastrand::u16(1..100));
            rows.insert((late, tx_index), payment(late, tx_index, from, to));
        }
        let done = ingest.append(rows.into_values().collect(), &[]).unwrap();
        writeln!(out, "\nstored {}", done.stored).unwrap();
    }
}

#[test]
fn a_restart_answers_at_once_from_stored_labels() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk_at(dir.path());
    let mut ingest = desk.engine().begin_ingest();
    ingest.append(vec![payment(1, 0, 1, 2), payment(2, 0, 2, 0x2222)], &[]).unwrap();
    ingest.finish().unwrap();
    drop(desk);

    // Nobody waits: what is in force right after the opening answers.
    let desk = Desk::at(dir.path(), NOW, &SET);
    let answer = desk.screen("0x2222222222222222222222222222222222222222", None);
    assert!(answer.is_complete(), "{answer:?}");
    let kinds: Vec<_> = answer.findings.iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [FindingKind::ReceivedFrom]);
    drop(desk);

    // Other settings: the stored labels do not answer for them.
    let desk = Desk::at(dir.path(), NOW, &[SET[0], "exposure.max_hops=1"]);
    let answer = desk.screen("0x2222222222222222222222222222222222222222", None);
    let settled = {
        desk.engine().wait_for_exposure(false).unwrap();
        desk.screen("0x2222222222222222222222222222222222222222", None)
    };
    assert!(!answer.is_complete() || answer.findings.is_empty(), "{answer:?}");
    assert!(settled.is_complete() && settled.findings.is_empty(), "{settled:?}");
}
