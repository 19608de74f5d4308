//! The decision log by itself: how fast it takes clean answers in, what they cost on disk and in memory,
//! and how fast they are found, proved and verified.
//!
//! `cargo bench --bench decision_log [MILLIONS] [FOLDER]`: so many million answers (10), 45 bytes each on
//! the disk of the folder (that of temporary files).

#[path = "transfers/meter.rs"]
#[allow(dead_code, reason = "other benches use the rest")]
mod meter;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lazaretto::audit::{
    Durability, Hooks, Log, NewItem, Query, Reader, RecordId, Settings, logs, verify,
};
use lazaretto::engine::decision_log::fingerprints;

use meter::{Memory, disk};

const CONTEXT: &[u8] =
    br#"{"method":"BatchScreenAddresses","identity":"desk-3","snapshot":"a8f0c1d2e3b4a596-1-2"}"#;
const CLEAR: &[u8] = br#"{"answer":{"decision":"ALLOW","status":"COMPLETE","score":0,"rule":"no_finding","covered":true,"hops":5}}"#;

const BATCH: usize = 1_000;
/// Answers of one call each, and the threads that wait for a sync.
const SINGLES: usize = 200_000;
const THREADS: usize = 64;
/// Records that are looked up.
const LOOK_UPS: usize = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let millions = arguments.iter().find_map(|it| it.parse::<usize>().ok()).unwrap_or(10);
    let folder = arguments.iter().find(|it| it.parse::<usize>().is_err()).map(PathBuf::from);
    let folder = folder.map_or_else(tempfile::tempdir, tempfile::tempdir_in).expect("a folder");
    let interval = Durability::Interval(Duration::from_millis(100));
    let mut random = fastrand::Rng::with_seed(0x6175_6469);

    let batches = folder.path().join("batches");
    let before = Memory::now();
    let log = open(&batches, interval);
    let started = Instant::now();
    let mut last = String::new();
    for _ in 0..millions * 1_000_000 / BATCH {
        let addresses: Vec<String> = (0..BATCH).map(|_| address(&mut random)).collect();
        append(&log, interval, &addresses);
        last.clone_from(&addresses[BATCH - 1]);
    }
    rate("batches of 1,000", millions * 1_000_000, started);
    let started = Instant::now();
    log.sign_checkpoint().expect("it signs");
    println!("until all is hashed and signed: {:.1} s", started.elapsed().as_secs_f64());
    println!("memory: {} MB at most", Memory::now().since(&before).most >> 20);
    drop(log);
    let bytes = disk(&batches) as f64 / (millions * 1_000_000) as f64;
    println!("on disk: {bytes:.1} bytes an answer");
    read(&logs(&batches).expect("it is there").logs[0].path, &last);

    for (what, durability, threads) in
        [("calls, interval", interval, 1), ("calls, fsync, 64 threads", Durability::Fsync, THREADS)]
    {
        let directory = folder.path().join(what);
        let log = open(&directory, durability);
        let addresses: Vec<String> = (0..SINGLES).map(|_| address(&mut random)).collect();
        let started = Instant::now();
        std::thread::scope(|scope| {
            for part in addresses.chunks(SINGLES / threads) {
                let log = &log;
                scope.spawn(move || part.chunks(1).for_each(|one| append(log, durability, one)));
            }
        });
        rate(what, SINGLES, started);
        drop(log);
        println!("on disk: {:.1} bytes an answer", disk(&directory) as f64 / SINGLES as f64);
    }
}

fn open(directory: &Path, durability: Durability) -> Log {
    let settings = Settings {
        name: "bench".to_owned(),
        durability,
        checkpoint_interval: Duration::from_secs(10),
        fingerprints,
        hooks: Hooks::default(),
        start_anew: false,
    };
    Log::open(directory, settings, Timestamp::now()).expect("the folder is writable").0
}

/// Any address, in lower case.
fn address(random: &mut fastrand::Rng) -> String {
    format!("0x{:032x}{:08x}", random.u128(..), random.u32(..))
}

/// Appends answers as a call would, and waits as its answer would.
fn append(log: &Log, durability: Durability, addresses: &[String]) {
    let found_by: Vec<Vec<u64>> = addresses
        .iter()
        .map(|address| {
            let mut found = Vec::with_capacity(1);
            fingerprints(address, &mut found);
            found
        })
        .collect();
    let item = |(address, fingerprints)| {
        let (address, fingerprints): (&String, &Vec<u64>) = (address, fingerprints);
        NewItem { answer: CLEAR, class: 1, address, reference: None, fingerprints }
    };
    let items: Vec<_> = addresses.iter().zip(&found_by).map(item).collect();
    let items = items.iter().copied();
    let leaves = log.append_batch(Timestamp::now(), CONTEXT, items).expect("the disk has room");
    match durability {
        Durability::Interval(_) => log.write(leaves.end).expect("the disk has room"),
        Durability::Fsync => {
            log.request_sync();
            log.wait_synced(leaves.end).expect("the disk has room");
        }
    }
}

fn rate(what: &str, answers: usize, started: Instant) {
    println!("{what}: {:.0} answers a second", answers as f64 / started.elapsed().as_secs_f64());
}

/// Finds, proves and verifies; `present` is an address of the log.
fn read(log: &Path, present: &str) {
    let started = Instant::now();
    let reader = Reader::open(log).expect("it is a log");
    println!("opened: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let size = reader.size();
    let mut random = fastrand::Rng::with_seed(1);
    // The first leaf is an event.
    let ids: Vec<RecordId> = (0..LOOK_UPS)
        .map(|_| RecordId { tag: reader.tag(), index: random.u64(1..size), item: 0 })
        .collect();
    spread("record by id", &ids, |id| drop(reader.leaf(id.index).expect("it is there")));
    spread("proof", &ids, |id| drop(reader.record_proof(*id, size).expect("it is there")));
    for (what, address) in [("present", present), ("absent", &address(&mut random))] {
        let mut fingerprints_of = Vec::new();
        fingerprints(address, &mut fingerprints_of);
        let started = Instant::now();
        let query = Query { fingerprints: fingerprints_of, ..Query::default() };
        let read = reader.leaves(query).count();
        let took = started.elapsed().as_secs_f64();
        println!("by an address that is {what}: {took:.2} s, {read} leaves read");
    }
    drop(reader);
    let (started, before) = (Instant::now(), Memory::now());
    let report = verify(log, None, fingerprints).expect("it is a log");
    assert!(report.is_sound(), "{:?}", report.findings);
    let (took, most) = (started.elapsed().as_secs_f64(), Memory::now().since(&before).most >> 20);
    println!("verified: {} answers in {took:.1} s, {most} MB of memory", report.items);
}

fn spread(what: &str, ids: &[RecordId], work: impl Fn(&RecordId)) {
    let mut times: Vec<Duration> = ids
        .iter()
        .map(|id| {
            let started = Instant::now();
            work(id);
            started.elapsed()
        })
        .collect();
    times.sort();
    let of = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    println!("{what}: median {:.0} us, 99 % {:.0} us", of(50), of(99));
}
