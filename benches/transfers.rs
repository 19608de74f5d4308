//! Transfers in: the time from a CSV file to durable and labelled, against what the csv crate takes
//! to merely split the same file, side by side in one process; what is on disk and in memory; a
//! restart; small batches over gRPC.
//!
//! `cargo bench --bench transfers -- [millions of transfers] [rounds] [plain|placed]`: 4 and 5 by
//! default, and both forms; with `-- --quick` a smoke run.

#[path = "transfers/files.rs"]
mod files;
#[path = "transfers/ingest.rs"]
mod ingest;
#[path = "transfers/meter.rs"]
mod meter;
#[path = "exposure/rmat.rs"]
mod rmat;

#[path = "../tests/it/support/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use lazaretto::config::{Config, Flags};
use lazaretto::domain::list::ListKind;
use lazaretto::engine::{Engine, Import};
use lazaretto::screening::policy::Decision;
use lazaretto::screening::{Scope, ScopeFilter};
use lazaretto::source::transfers::{ReadSettings, read};

use files::Columns;
use meter::{Memory, disk, median, spread, thread_cpu};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Listed addresses.
const LISTED: usize = 500;
/// Batches of the reader that wait to be stored, as in `transfers import`.
const BATCHES_AHEAD: usize = 64;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let numbers: Vec<u64> = arguments.iter().filter_map(|it| it.parse().ok()).collect();
    let transfers = if quick { 20_000 } else { numbers.first().copied().unwrap_or(4) << 20 };
    let rounds = if quick { 1 } else { numbers.get(1).copied().unwrap_or(5) };
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let both = !has("plain") && !has("placed");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = folder.path().join("list.csv");
    let seeds = files::seeds(transfers, LISTED);
    files::write_list(&list, &seeds).expect("the folder is writable");
    println!("R-MAT: {transfers} transfers, {LISTED} addresses listed\n");
    let mut last = None;
    for (columns, name) in [(Columns::Plain, "plain"), (Columns::Placed, "placed")] {
        if both || has(name) {
            let data_dir = imports(folder.path(), &list, transfers, rounds, columns);
            last = Some(data_dir);
        }
    }
    let data_dir = last.expect("one of the two");
    restart(&data_dir, &seeds);
    if !has("no-grpc") {
        ingest::over_grpc(&data_dir, transfers, if quick { 4 } else { 400 });
    }
}

/// What one import took.
struct Took {
    whole: Duration,
    /// Processor time of the reader, and of whoever stores.
    reader: Duration,
    storer: Duration,
    /// From the last transfer stored to the last one labelled.
    labels: Duration,
    memory: Memory,
}

fn imports(folder: &Path, list: &Path, transfers: u64, rounds: u64, columns: Columns) -> PathBuf {
    let csv = folder.join("transfers.csv");
    files::write_transfers(&csv, transfers, columns).expect("the folder is writable");
    let size = std::fs::metadata(&csv).expect("it was written").len();
    println!("{}: {} MB of CSV", columns.name(), size >> 20);
    let data_dir = folder.join("store");
    let (mut bare, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let (split, parsed) = (split(&csv), parse(&csv));
        if data_dir.exists() {
            std::fs::remove_dir_all(&data_dir).expect("it can be removed");
        }
        let took = import(&data_dir, list, &csv);
        let ratio = took.whole.as_secs_f64() / split.as_secs_f64();
        println!(
            "round {round}: csv crate {split:.2?}; ours {:.2?} ({ratio:.2}x): reader {:.2?} and \
             storer {:.2?} of processor time, labels {:.2?} after it; reader alone {parsed:.2?}",
            took.whole, took.reader, took.storer, took.labels
        );
        println!(
            "         memory: {:.1} bytes a transfer held, {:.1} at most ({} MB in all); disk {:.1}",
            took.memory.held as f64 / transfers as f64,
            took.memory.most as f64 / transfers as f64,
            took.memory.peak >> 20,
            disk(&data_dir) as f64 / transfers as f64,
        );
        bare.push(split.as_secs_f64());
        ours.push(took.whole.as_secs_f64());
        ratios.push(ratio);
    }
    std::fs::remove_file(&csv).expect("it can be removed");
    let verdict = if median(&ratios) <= 2.0 { "PASS" } else { "FAIL" };
    println!(
        "{verdict}: {}: import {:.2} s, {:.2} us a transfer, is {} of the csv crate's {:.2} s \
         (goal 2)\n",
        columns.name(),
        median(&ours),
        median(&ours) * 1e6 / transfers as f64,
        spread(&ratios),
        median(&bare),
    );
    data_dir
}

/// The time that the csv crate takes to split the file into records.
fn split(csv: &Path) -> Duration {
    let start = Instant::now();
    let mut reader = csv::Reader::from_path(csv).expect("the bench wrote it");
    let mut record = csv::ByteRecord::new();
    let mut bytes = 0;
    while reader.read_byte_record(&mut record).expect("the bench wrote it") {
        bytes += record.as_slice().len();
    }
    assert!(bytes > 0, "it has records");
    start.elapsed()
}

/// The time that our reader takes by itself.
fn parse(csv: &Path) -> Duration {
    let start = Instant::now();
    let mut drop = |_, _| Ok::<_, std::io::Error>(());
    read(csv, &ReadSettings::default(), &|_, _| None, None, &mut drop).expect("it is readable");
    start.elapsed()
}

/// The engine on a store with the bench's list alone.
pub fn engine(data_dir: &Path) -> Arc<Engine> {
    let set = ["starter_lists=false", "lists.us-ofac-cons.enabled=false"];
    let set = set.into_iter().chain(["lists.lazarus-advisories.enabled=false"]);
    let flags = Flags {
        data_dir: Some(data_dir.to_owned()),
        offline: true,
        set: set.map(str::to_owned).collect(),
        ..Flags::default()
    };
    let config = Config::load(&flags, []).expect("the settings are valid");
    Engine::open(&config, Arc::new(jiff::Timestamp::now)).expect("the store opens")
}

fn import(data_dir: &Path, list: &Path, csv: &Path) -> Took {
    let engine = engine(data_dir);
    let publication = Import {
        id: "us-ofac-sdn".parse().expect("a list id"),
        kind: Some(ListKind::Sanctions),
        format: None,
        file_name: "list.csv".to_owned(),
        force: None,
        published: None,
        refreshes_age: false,
        declaration: None,
        is_trial: false,
    };
    engine.import(&publication, list).expect("the list is valid");
    let before = Memory::now();
    let start = Instant::now();
    let storing = thread_cpu();
    let (sender, batches) = sync_channel(BATCHES_AHEAD);
    let path = csv.to_owned();
    let reader = std::thread::spawn(move || {
        let mut put = |batch, _| sender.send(batch);
        read(&path, &ReadSettings::default(), &|_, _| None, None, &mut put)
            .expect("the bench wrote it");
        thread_cpu()
    });
    let mut session = engine.begin_ingest();
    for batch in batches {
        session.append_many(batch, &[]).expect("it is stored");
    }
    session.flush().expect("it is stored");
    let (storer, stored) = (thread_cpu() - storing, Instant::now());
    session.finish().expect("it is labelled");
    let (whole, labels) = (start.elapsed(), stored.elapsed());
    let reader = reader.join().expect("it does not panic");
    let heads = engine.transfer_heads();
    assert_eq!(heads.rows, heads.labelled_rows, "all are labelled");
    Took { whole, reader, storer, labels, memory: Memory::now().since(&before) }
}

/// From nothing to the first right answer about an address that is near a listed one.
fn restart(data_dir: &Path, seeds: &[u32]) {
    for _ in 0..3 {
        let start = Instant::now();
        let engine = engine(data_dir);
        let snapshot = engine.snapshot().expect("a list is loaded");
        let address = String::from_utf8(files::hex(&rmat::address(seeds[0]))).expect("hex");
        let scope = Scope::new(&snapshot, &ScopeFilter::default(), engine.now());
        let scope = scope.expect("all lists, as of now");
        let answer = scope.screen(&address, None, None).expect("it is an address");
        let took = start.elapsed();
        assert!(answer.decision == Decision::Block, "{answer:?}");
        assert!(!snapshot.exposure().behind, "the stored labels are all there is");
        let labels = snapshot.exposure().labels.as_ref().map_or(0, |labels| labels.len());
        println!("restart to the first answer: {took:.3?}, {labels} labelled keys");
    }
}
