//! `screen --input` end to end, from a CSV of addresses to a CSV of answers, with many labelled
//! addresses loaded; beside it, in the same run and in turn, what it takes to merely parse and write
//! the same file with the csv crate, and the same batch without the decision log.
//!
//! `cargo bench --bench batch [MILLIONS]`: so many million labelled addresses (10); with `-- --quick`
//! a smoke run without goals.

#[path = "screening/addresses.rs"]
#[allow(dead_code, reason = "other benches use the rest")]
mod addresses;
#[path = "screening/constant.rs"]
#[allow(dead_code, reason = "no constant server is asked here")]
mod constant;
#[path = "screening/counter.rs"]
#[allow(dead_code, reason = "no instructions are counted here")]
mod counter;
#[path = "batch/files.rs"]
mod files;
#[path = "screening/labelled.rs"]
#[allow(dead_code, reason = "no stream runs here")]
mod labelled;
#[path = "transfers/meter.rs"]
#[allow(dead_code, reason = "other benches use the rest")]
mod meter;
#[path = "exposure/rmat.rs"]
#[allow(dead_code, reason = "only its addresses are used here")]
mod rmat;
#[path = "screening/secured.rs"]
#[allow(dead_code, reason = "these servers are open")]
mod secured;
#[path = "../tests/it/support/server.rs"]
#[allow(dead_code, reason = "only the program is started")]
mod server;
#[path = "screening/servers.rs"]
#[allow(dead_code, reason = "no server is started here")]
mod servers;

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use meter::{disk, median, spread};

/// What is asked for.
const GOAL_RATE: f64 = 1_000_000.0;
const GOAL_RATIO: f64 = 3.0;

/// Whether a batch is on record.
#[derive(Clone, Copy, PartialEq)]
enum DecisionLog {
    On,
    Off,
}

/// One batch.
struct Measured {
    /// From the first row read to the last one written.
    wall: Duration,
    /// Processor time of the whole program, the opening of the store included.
    cpu: Duration,
    /// By how many bytes the decision log grew.
    recorded: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let millions = arguments.iter().find_map(|it| it.parse::<usize>().ok()).unwrap_or(10);
    let (labelled, rows, rounds) =
        if quick { (10_000, 20_000, 1) } else { (millions * 1_000_000, 4_000_000, 5) };
    let dir = tempfile::tempdir().expect("a folder");
    let store = labelled::store(&dir.path().join("store"), labelled);
    let evm = dir.path().join("evm.csv");
    files::evm(&evm, rows, &labelled::exposed(labelled, 1_000)).expect("the folder is writable");
    let bitcoin = dir.path().join("bitcoin.csv");
    let base58 = files::bitcoin(&bitcoin, rows / 4).expect("the folder is writable");
    // One row: a batch without any ends with an error.
    let one = dir.path().join("one.csv");
    files::evm(&one, 1, &labelled::exposed(labelled, 1_000)).expect("the folder is writable");

    let (mut ours, mut plain, mut ratios, mut cpus) = (vec![], vec![], vec![], vec![]);
    let (mut slower, mut dearer, mut sizes) = (vec![], vec![], vec![]);
    for round in 0..rounds {
        let opening = screen(&store, &one, dir.path(), DecisionLog::On);
        let theirs = parse_and_write(&evm, &dir.path().join("plain.csv"));
        let batch = screen(&store, &evm, dir.path(), DecisionLog::On);
        let unrecorded = screen(&store, &evm, dir.path(), DecisionLog::Off);
        slower.push(batch.wall.as_secs_f64() / unrecorded.wall.as_secs_f64());
        let beyond = |batch: &Measured| batch.cpu.saturating_sub(opening.cpu).as_secs_f64();
        dearer.push(beyond(&batch) / beyond(&unrecorded));
        sizes.push(batch.recorded as f64 / rows as f64);
        let (rate, plain_rate) = (rate(rows, batch.wall), rate(rows, theirs));
        let cpu = batch.cpu.saturating_sub(opening.cpu).as_secs_f64() / rows as f64;
        println!(
            "round {round}: screen --input {rate:>9.0}/s, {:.3} us of processor time an address; \
             csv crate {plain_rate:>9.0}/s",
            cpu * 1e6
        );
        ours.push(rate);
        plain.push(plain_rate);
        ratios.push(plain_rate / rate);
        cpus.push(cpu * 1e6);
    }
    println!("\n{rows} EVM addresses, {labelled} labelled");
    println!("screen --input       {:>9.0} addresses/s (median of {rounds})", median(&ours));
    println!("processor time       {:>9.3} us an address", median(&cpus));
    println!("csv crate            {:>9.0} rows/s", median(&plain));
    println!("as slow as csv       {}", spread(&ratios));
    println!("decision log, time   {} of that without", spread(&slower));
    println!("  processor time     {} of that without", spread(&dearer));
    println!("  on disk            {:>9.1} bytes an address", median(&sizes));
    if !quick {
        let verdict = |met: bool| if met { "PASS" } else { "FAIL" };
        println!("at least 1 M/s       {}", verdict(median(&ours) >= GOAL_RATE));
        println!("within 3x            {}", verdict(median(&ratios) <= GOAL_RATIO));
    }
    bitcoin_figures(&store, &bitcoin, rows / 4, &base58, rounds, dir.path());
}

fn bitcoin_figures(
    store: &Path,
    file: &Path,
    rows: usize,
    base58: &[String],
    rounds: usize,
    folder: &Path,
) {
    let (mut rates, mut alone, mut slower, mut sizes) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        let batch = screen(store, file, folder, DecisionLog::On);
        let unrecorded = screen(store, file, folder, DecisionLog::Off);
        rates.push(rate(rows, batch.wall));
        slower.push(batch.wall.as_secs_f64() / unrecorded.wall.as_secs_f64());
        sizes.push(batch.recorded as f64 / rows as f64);
        let started = Instant::now();
        let checked = base58.iter().filter(|address| checksum_holds(address)).count();
        assert_eq!(checked, base58.len());
        alone.push(started.elapsed().as_nanos() as f64 / base58.len() as f64);
    }
    println!("\n{rows} Bitcoin addresses, P2PKH, P2SH and P2WPKH in turn");
    println!("screen --input       {:>9.0} addresses/s (median of {rounds})", median(&rates));
    println!("decision log, time   {} of that without", spread(&slower));
    println!("  on disk            {:>9.1} bytes an address", median(&sizes));
    println!(
        "base58 and two SHA-256 alone: {:.0} ns an address of base58, on one core",
        median(&alone)
    );
}

fn rate(rows: usize, time: Duration) -> f64 {
    rows as f64 / time.as_secs_f64()
}

fn checksum_holds(address: &str) -> bool {
    let mut bytes = [0; 25];
    let decoded = bs58::decode(address).onto(&mut bytes);
    let hash = Sha256::digest(Sha256::digest(&bytes[..21]));
    decoded.is_ok() && hash[..4] == bytes[21..]
}

/// The program over `input`, on the store of `data_dir`.
fn screen(data_dir: &Path, input: &Path, folder: &Path, log: DecisionLog) -> Measured {
    let out = folder.join("out.csv");
    let (before, size) = (children_cpu(), disk(&data_dir.join("decision-log")));
    let mut command = server::command();
    command.arg("--data-dir").arg(data_dir).args(servers::SETTINGS);
    let is_kept = log == DecisionLog::On;
    command.args(["--set", &format!("decision_log.enabled={is_kept}"), "screen", "--quiet"]);
    command.arg("--input").arg(input).arg("--out").arg(&out).arg("--overwrite");
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&ended.stderr);
    assert!(matches!(ended.status.code(), Some(0 | 10 | 11)), "{command:?}: {printed}");
    let cpu = children_cpu().saturating_sub(before);
    let summary = std::fs::read(folder.join("out.csv.summary.json")).expect("it is written");
    let summary: serde_json::Value = serde_json::from_slice(&summary).expect("it is JSON");
    let at = |name: &str| -> jiff::Timestamp {
        let moment = summary[name].as_str().and_then(|moment| moment.parse().ok());
        moment.expect("the summary says when")
    };
    let wall = at("finished_at").duration_since(at("started_at"));
    std::fs::remove_file(&out).expect("it was written");
    let recorded = disk(&data_dir.join("decision-log")) - size;
    Measured { wall: wall.unsigned_abs().max(Duration::from_millis(1)), cpu, recorded }
}

/// Processor time of all children that have ended, to the hundredth of a second.
fn children_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(13).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// Reads every record and writes it again.
fn parse_and_write(from: &Path, to: &Path) -> Duration {
    let started = Instant::now();
    let mut reader = csv::Reader::from_path(from).expect("it was written");
    let mut writer = csv::Writer::from_writer(File::create(to).expect("the folder is writable"));
    writer.write_byte_record(reader.byte_headers().expect("it has headings")).expect("room");
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).expect("it was written") {
        writer.write_byte_record(&record).expect("the disk has room");
    }
    let file = writer.into_inner().unwrap_or_else(|error| panic!("{}", error.error()));
    file.sync_all().expect("the disk has room");
    let took = started.elapsed();
    std::fs::remove_file(to).expect("it was written");
    took
}
