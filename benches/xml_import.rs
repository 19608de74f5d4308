//! Measures the import of OFAC's advanced XML against what quick-xml takes to merely walk the same
//! file, in turn, and prints a table. Must stay within twice the walk; it only reports.
//!
//! `cargo bench --bench xml_import`, with the OFAC publications under `$LAZARETTO_TEST_DATA/ofac`
//! (or `../shared/data/ofac`).

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lazaretto::source::{Bounds, Format, read_file};
use quick_xml::events::Event;
use quick_xml::reader::Reader;

const ROUNDS: usize = 9;
const BUFFER: usize = 64 * 1024;

fn main() {
    let Some(packed) = newest_publication() else {
        eprintln!("no OFAC publication found: set LAZARETTO_TEST_DATA");
        return;
    };
    let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let mut bytes = bzip2::read::MultiBzDecoder::new(File::open(&packed).expect("it was listed"));
    let size = io::copy(&mut bytes, &mut file.as_file()).expect("the publication unpacks");
    println!("{}: {size} bytes unpacked, {ROUNDS} rounds", packed.display());

    let (mut walks, mut reads) = (Vec::new(), Vec::new());
    let mut counts = (0, 0);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        counts.0 = walk(file.path());
        walks.push(start.elapsed());
        let start = Instant::now();
        counts.1 = import(file.path());
        reads.push(start.elapsed());
    }
    println!("{} elements walked, {} rows read", counts.0, counts.1);
    println!("{:<12} {:>10} {:>10} {:>10}", "", "min ms", "median ms", "MB/s");
    let walk = line("walk", &mut walks, size);
    let read = line("read_file", &mut reads, size);
    println!("ratio of medians {:.2} (goal: at most 2.00)", read / walk);
    println!("peak memory of this process: {}", peak_memory());
}

/// Counts start tags and nothing else.
fn walk(path: &Path) -> usize {
    let file = File::open(path).expect("it was written above");
    let mut reader = Reader::from_reader(BufReader::with_capacity(BUFFER, file));
    let mut buf = Vec::with_capacity(1024);
    let mut count = 0;
    loop {
        buf.clear();
        let event = reader.read_event_into(&mut buf).expect("the publication is well-formed");
        if matches!(event, Event::Eof) {
            return count;
        }
        count += usize::from(matches!(event, Event::Start(_) | Event::Empty(_)));
    }
}

fn import(path: &Path) -> usize {
    let list = read_file(path, Some(Format::OfacAdvanced), &Bounds::default());
    list.expect("the publication is a list").rows.len()
}

/// Prints one line and returns the median in seconds.
fn line(name: &str, times: &mut [Duration], size: u64) -> f64 {
    times.sort_unstable();
    let (min, median) = (times[0].as_secs_f64(), times[times.len() / 2].as_secs_f64());
    let speed = size as f64 / 1e6 / median;
    println!("{name:<12} {:>10.1} {:>10.1} {speed:>10.0}", min * 1e3, median * 1e3);
    median
}

fn newest_publication() -> Option<PathBuf> {
    let data = std::env::var_os("LAZARETTO_TEST_DATA").map(PathBuf::from);
    let data = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let files = std::fs::read_dir(data.join("ofac")).ok()?.flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|end| end == "bz2")).max()
}

/// The most memory that was ever resident, where the system tells (Linux).
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}
