//! What labels cost: their rebuild against two plain breadth-first searches over a bare CSR of the
//! same graph, side by side in one process; memory; one source more and less; appends.
//!
//! `cargo bench --bench exposure -- [millions of transfers] [rounds] [hops] [hub limit] [dust]`; 4, 5, 8,
//! no limit and no dust by default. Dust is how many of 1,000 transfers are below the floor. Several hops,
//! as in `5,8,15`, are measured one after the other; the most memory is that of the process.
//! With `--graph FOLDER` it writes the graph and the seeds there, for `other_tools.py`, and ends.
//!
//! `-- --utxo [millions of transactions] [rounds] [hops] [on|off]` measures common inputs instead, on
//! transactions of a UTXO chain: with them and without, unless told which.

#[path = "exposure/common_input.rs"]
mod common_input;
#[path = "exposure/rmat.rs"]
mod rmat;
#[path = "exposure/utxo.rs"]
mod utxo;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use lazaretto::domain::asset::AssetTable;
use lazaretto::domain::list::{ListKind, RowKey};
use lazaretto::domain::packed_key::{PACKED_KEY, PackedKey};
use lazaretto::domain::transfer::{Amount, Movement, Transfer};
use lazaretto::exposure::{DEFAULT_CLUSTER_LIMIT, DEFAULT_HOPS, MAX_HOPS, Settings, Source, World};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 42;
const SOURCES: usize = 500;
/// Addresses are at most a sixteenth of the transfers, as in Graph500.
const EDGE_FACTOR: u64 = 16;
/// Transfers handed over at once, as an import does.
const BATCH: u64 = 4_096;

/// A bare graph in one direction.
struct Csr {
    starts: Vec<u32>,
    to: Vec<u32>,
}

impl Csr {
    fn new(pairs: impl Fn() -> Box<dyn Iterator<Item = (u32, u32)>>, nodes: usize) -> Self {
        let mut starts = vec![0_u32; nodes + 1];
        pairs().for_each(|(from, _)| starts[from as usize + 1] += 1);
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut to = vec![0; starts[nodes] as usize];
        for (a, b) in pairs() {
            let at = &mut next[a as usize];
            to[*at as usize] = b;
            *at += 1;
        }
        Self { starts, to }
    }

    fn degree(&self, node: u32) -> u32 {
        self.starts[node as usize + 1] - self.starts[node as usize]
    }

    /// Hops from the seeds; 255 where there are more.
    fn search(&self, seeds: &[u32], max_hops: u8) -> Vec<u8> {
        let mut hops = vec![u8::MAX; self.starts.len() - 1];
        let mut open = seeds.to_vec();
        open.iter().for_each(|&node| hops[node as usize] = 0);
        for level in 1..=max_hops {
            let mut next = Vec::new();
            for node in open {
                let span =
                    self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize;
                for &other in &self.to[span] {
                    if hops[other as usize] == u8::MAX {
                        hops[other as usize] = level;
                        next.push(other);
                    }
                }
            }
            open = next;
        }
        hops
    }
}

fn key(number: u32) -> PackedKey {
    let mut key = [0; PACKED_KEY];
    key[1..].copy_from_slice(&rmat::address(number));
    PackedKey(key)
}

fn source(number: u32) -> Source {
    Source {
        list: "bench".parse().expect("a list id"),
        listing: RowKey { address: number.to_string(), ..RowKey::default() },
        key: key(number),
        kind: ListKind::Sanctions,
        listed_from: Some(1_500_500_000),
        unlisted_until: Some(1_500_500_000),
    }
}

/// The transfer of a row; of 1,000 `dust` are below the floor.
fn payment(row: u64, pair: (u32, u32), dust: u64) -> Transfer {
    let mut transfer = rmat::transfer(row, pair);
    let is_dust = rmat::random(&mut (row ^ 0xd057)) % 1_000 < dust;
    if let (true, Movement::Account(movement)) = (is_dust, &mut transfer.movement) {
        movement.amount = Amount::from(100_000_000_000_000_u64 + row);
    }
    transfer
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// Processor time of all threads so far: says more than the clock where the machine is shared.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time, in hundredths of a second.
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Bytes of memory in use, and the most so far.
fn memory() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or(0) << 10
    };
    (of("VmRSS:"), of("VmHWM:"))
}

fn main() {
    let mut arguments: Vec<_> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let graph = arguments.iter().position(|argument| argument == "--graph");
    let graph = graph.map(|at| arguments.drain(at..at + 2).next_back().expect("a folder"));
    let utxo = arguments.iter().position(|argument| argument == "--utxo");
    let utxo = utxo.map(|at| arguments.remove(at));
    let mut arguments = arguments.into_iter();
    let mut text = || arguments.next();
    let number = |text: Option<String>, default: u64| {
        text.map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (millions, rounds) = (number(text(), 4), number(text(), 5));
    let depths = text().unwrap_or_else(|| DEFAULT_HOPS.to_string());
    if utxo.is_some() {
        let hops = depths.parse().expect("hops");
        let modes = match text().as_deref() {
            None => vec![true, false],
            Some("on") => vec![true],
            Some("off") => vec![false],
            Some(other) => panic!("{other}: on or off"),
        };
        let transactions = millions << 20;
        return common_input::measure(&common_input::Run { transactions, rounds, hops, modes });
    }
    let hub_limit = number(text(), u32::MAX.into());
    let hub_limit = u32::try_from(hub_limit).expect("a limit");
    let dust = number(text(), 0);
    for hops in depths.split(',').map(|hops| hops.parse().expect("hops, as in 5,8,15")) {
        assert!((1..=MAX_HOPS).contains(&hops), "{hops} hops, 1 to {MAX_HOPS}");
        let run = Run { transfers: millions << 20, rounds, hops, hub_limit, dust };
        measure(&run, graph.as_deref());
    }
}

/// What is measured.
struct Run {
    transfers: u64,
    rounds: u64,
    hops: u8,
    hub_limit: u32,
    dust: u64,
}

/// Builds the graph and measures its labels; where a folder is given, writes the graph there instead.
fn measure(run: &Run, graph: Option<&str>) {
    let Run { transfers, rounds, hops, hub_limit, dust } = *run;
    let scale = (transfers / EDGE_FACTOR).max(2).ilog2();
    println!(
        "R-MAT: {transfers} transfers, at most 2^{scale} addresses, {SOURCES} sources, {hops} hops, \
         hubs beyond {hub_limit}, {dust} of 1,000 transfers dust"
    );

    let (before, _) = memory();
    let mut world = World::new(Settings {
        max_hops: hops,
        hub_limit,
        assets: AssetTable::built_in(),
        cluster_limit: DEFAULT_CLUSTER_LIMIT,
        no_common_input: BTreeSet::new(),
    });
    let pairs = || rmat::Rmat::new(SEED, scale);
    let mut generated = Duration::ZERO;
    let (time, ()) = timed(|| {
        let mut pairs = pairs().zip(0..transfers);
        let mut row = 0;
        while row < transfers {
            let (time, batch) = timed(|| {
                let batch = pairs.by_ref().take(BATCH as usize);
                batch.map(|(pair, row)| payment(row, pair, dust)).collect::<Vec<_>>()
            });
            generated += time;
            world.append(row, &batch);
            row += batch.len() as u64;
        }
    });
    let time = time.saturating_sub(generated);
    println!("append: {time:.2?}, {:.1} M/s", transfers as f64 / time.as_secs_f64() / 1e6);
    let (time, _) = timed(|| world.relabel());
    let (after, most) = memory();
    println!("first relabel, without sources: {time:.2?}");
    println!(
        "graph in memory: {:.1} bytes a transfer; at most {:.1}",
        after.saturating_sub(before) as f64 / transfers as f64,
        most.saturating_sub(before) as f64 / transfers as f64
    );

    let nodes = 1 << scale;
    let out = Csr::new(|| Box::new(pairs().take(transfers as usize)), nodes);
    let into = Csr::new(|| Box::new(pairs().take(transfers as usize).map(|(a, b)| (b, a))), nodes);
    let mut state = 7;
    let mut seeds = BTreeSet::new();
    while seeds.len() < SOURCES + 1 {
        let node = (rmat::random(&mut state) % nodes as u64) as u32;
        if out.degree(node) + into.degree(node) > 0 {
            seeds.insert(node);
        }
    }
    let seeds: Vec<_> = seeds.into_iter().collect();
    let (seeds, extra) = (&seeds[..SOURCES], seeds[SOURCES]);
    if let Some(folder) = graph {
        return write(folder.as_ref(), pairs().take(transfers as usize), seeds).expect("written");
    }
    let sources: Vec<_> = seeds.iter().map(|&seed| source(seed)).collect();
    world.set_parties(sources.clone(), Vec::new());
    let (before, _) = memory();
    let (time, _) = timed(|| world.relabel());
    let (after, _) = memory();
    println!(
        "relabel with sources: {time:.2?}; labels: {} MB",
        (after.saturating_sub(before)) >> 20
    );

    let (mut plain, mut labels) = (Vec::new(), Vec::new());
    let (mut plain_work, mut label_work) = (Duration::ZERO, Duration::ZERO);
    for round in 0..rounds {
        let start = processor();
        let (bfs, reached) = timed(|| {
            let reached = |hops: Vec<u8>| hops.iter().filter(|&&hops| hops != u8::MAX).count();
            (reached(out.search(seeds, hops)), reached(into.search(seeds, hops)))
        });
        let middle = processor();
        let (build, made) = timed(|| world.rebuild());
        plain_work += middle - start;
        label_work += processor() - middle;
        println!(
            "round {round}: two searches {bfs:.3?} ({reached:?} reached), labels {build:.3?} \
             ({} keys), ratio {:.2}",
            made.labels.len(),
            build.as_secs_f64() / bfs.as_secs_f64()
        );
        plain.push(bfs);
        labels.push(build);
    }
    let (plain, labels) = (median(plain), median(labels));
    let ratio = labels.as_secs_f64() / plain.as_secs_f64();
    let verdict = if ratio <= 3.0 { "PASS" } else { "FAIL" };
    println!("{verdict}: labels {labels:.3?} are {ratio:.2}x two searches {plain:.3?} (goal 3)");

    println!(
        "processor time a round: searches {:.3?}, labels {:.3?} on two threads",
        plain_work / rounds as u32,
        label_work / rounds as u32
    );

    let made = world.rebuild().labels;
    println!("{:.1} bytes a labelled key in the table", made.bytes() as f64 / made.len() as f64);
    let mut misses = 0_u64;
    let looks = 1_000_000_u32;
    let (time, ()) = timed(|| {
        for number in 0..looks {
            misses += u64::from(made.of(&key(number | 1 << 31)).next().is_none());
        }
    });
    println!(
        "a miss, with making the key: {:.0} ns ({misses})",
        time.as_nanos() as f64 / f64::from(looks)
    );
    let (meta, chunks) = made.to_chunks();
    let chunks: Vec<_> = chunks.collect();
    let size: usize = chunks.iter().map(Vec::len).sum();
    let (time, read) = timed(|| lazaretto::exposure::Labels::from_chunks(&meta, &chunks, &[]));
    println!(
        "labels read back: {time:.2?}, {} MB, {} keys",
        size >> 20,
        read.expect("readable").len()
    );

    changes(&mut world, &sources, extra, (transfers, dust), pairs());
}

/// Writes the graph as lines of two numbers, and the seeds.
fn write(
    folder: &Path,
    pairs: impl Iterator<Item = (u32, u32)>,
    seeds: &[u32],
) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(folder.join("edges.csv"))?);
    for (from, to) in pairs {
        writeln!(file, "{from},{to}")?;
    }
    file.into_inner()?.sync_all()?;
    let lines: String = seeds.iter().map(|seed| format!("{seed}\n")).collect();
    std::fs::write(folder.join("seeds.csv"), lines)
}

/// One source more and less, and appends in order.
fn changes(
    world: &mut World,
    sources: &[Source],
    extra: u32,
    (transfers, dust): (u64, u64),
    pairs: rmat::Rmat,
) {
    let mut more = sources.to_vec();
    more.push(source(extra));
    world.set_parties(more, Vec::new());
    let (time, made) = timed(|| world.relabel());
    println!("one source added: {time:.2?} ({:?})", made.was);
    world.set_parties(sources.to_vec(), Vec::new());
    let (time, made) = timed(|| world.relabel());
    println!("one source removed: {time:.2?} ({:?})", made.was);

    let batches = 100;
    let mut pairs = pairs.skip(transfers as usize % 1_000_000 + 77);
    let mut spent = Duration::ZERO;
    let (mut rebuilt, mut bytes, mut slowest) = (0, 0, Duration::ZERO);
    for batch in 0..batches {
        let first = transfers + batch * BATCH;
        let rows = (first..first + BATCH).zip(pairs.by_ref());
        let batch: Vec<_> = rows.map(|(row, pair)| payment(row, pair, dust)).collect();
        let (time, made) = timed(|| {
            world.append(first, &batch);
            world.relabel()
        });
        spent += time;
        slowest = slowest.max(time);
        rebuilt += u32::from(made.was == lazaretto::exposure::Relabelling::Rebuilt);
        bytes += made.delta.map_or(0, |delta| delta.len());
    }
    println!(
        "appended and relabelled in batches of {BATCH}: {:.0} transfers a second, slowest batch \
         {slowest:.1?}, {rebuilt} of {batches} rebuilt, {} bytes of deltas a batch",
        (batches * BATCH) as f64 / spent.as_secs_f64(),
        bytes as u64 / batches
    );
}
