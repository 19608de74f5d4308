//! What common inputs cost: build, appends and memory of the same transactions with them and without,
//! and who is joined. Every listed key's cluster is held against a union-find over the generator.

use std::collections::BTreeSet;
use std::time::Duration;

use lazaretto::domain::asset::AssetTable;
use lazaretto::domain::chain::Chain;
use lazaretto::domain::list::{ListKind, RowKey};
use lazaretto::domain::packed_key::PackedKey;
use lazaretto::exposure::{
    ClusterQuery, DEFAULT_CLUSTER_LIMIT, Labels, Relabelling, Settings, Source, World,
};

use super::utxo::{Payer, Utxo, holder, transfer};
use super::{BATCH, SEED, SOURCES, median, memory, processor, rmat, timed};

/// What is measured.
pub struct Run {
    pub transactions: u64,
    pub rounds: u64,
    pub hops: u8,
    /// With common inputs, without, or one after the other.
    pub modes: Vec<bool>,
}

/// Disjoint sets of addresses by number.
struct Union {
    parents: Vec<u32>,
    seen: Vec<u64>,
}

impl Union {
    fn root(&mut self, of: u32) -> u32 {
        let mut at = of;
        while self.parents[at as usize] != at {
            let above = self.parents[self.parents[at as usize] as usize];
            self.parents[at as usize] = above;
            at = above;
        }
        at
    }

    /// Takes the transactions; gives it and how many inputs and outputs there were.
    fn of(utxo: &Utxo, transactions: u64) -> (Self, u64, u64) {
        let addresses = utxo.addresses();
        let words = (addresses as usize).div_ceil(64);
        let mut union = Self { parents: (0..addresses).collect(), seen: vec![0; words] };
        let (mut inputs, mut outputs) = (0, 0);
        for row in 0..transactions {
            let transaction = utxo.transaction(row);
            let ends = transaction.inputs.iter().copied();
            for number in ends.chain(transaction.outputs.iter().map(|output| output.to)) {
                union.seen[number as usize / 64] |= 1 << (number % 64);
            }
            inputs += transaction.inputs.len() as u64;
            outputs += transaction.outputs.len() as u64;
            for pair in transaction.joined().windows(2) {
                let (a, b) = (union.root(pair[0]), union.root(pair[1]));
                union.parents[b as usize] = a;
            }
        }
        (union, inputs, outputs)
    }

    fn addresses(&self) -> u64 {
        self.seen.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// By root.
    fn sizes(&mut self) -> Vec<u32> {
        let mut sizes = vec![0; self.parents.len()];
        for number in 0..self.parents.len() as u32 {
            if self.seen[number as usize / 64] >> (number % 64) & 1 == 1 {
                sizes[self.root(number) as usize] += 1;
            }
        }
        sizes
    }
}

fn key(number: u32) -> PackedKey {
    PackedKey::from(&holder(number).key_ids(&Chain::Bitcoin)[0])
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

/// Addresses that pay: 300 of owners, 150 of shops and 50 of services.
fn listed(utxo: &Utxo, transactions: u64) -> Vec<u32> {
    let mut state = 7;
    let mut wanted = [SOURCES * 3 / 5, SOURCES * 3 / 10, SOURCES / 10];
    let mut listed = BTreeSet::new();
    while wanted != [0; 3] {
        let transaction = utxo.transaction(rmat::random(&mut state) % transactions);
        let kind = match transaction.payer {
            Payer::Owner(_) => 0,
            Payer::Shop(_) => 1,
            Payer::Service(_) => 2,
            Payer::Several => continue,
        };
        if wanted[kind] > 0 && listed.insert(transaction.inputs[0]) {
            wanted[kind] -= 1;
        }
    }
    listed.into_iter().collect()
}

/// Builds the graph with common inputs and without.
pub fn measure(run: &Run) {
    let utxo = Utxo::new(SEED, run.transactions);
    let (mut union, inputs, outputs) = Union::of(&utxo, run.transactions);
    let sizes = union.sizes();
    let per = |of: u64| of as f64 / run.transactions as f64;
    println!(
        "UTXO: {} transactions of {:.2} inputs and {:.2} outputs, {} addresses, {SOURCES} sources, \
         {} hops",
        run.transactions,
        per(inputs),
        per(outputs),
        union.addresses(),
        run.hops
    );
    let of = |least: u32, most: u32| {
        let within = sizes.iter().filter(|&&size| (least..=most).contains(&size));
        within
            .clone()
            .map(|&size| u64::from(size))
            .fold((0_u64, 0_u64), |(clusters, keys), size| (clusters + 1, keys + size))
    };
    for (least, most) in [(2, 9), (10, 99), (100, 9_999), (10_000, 10_000), (10_001, u32::MAX)] {
        let (clusters, keys) = of(least, most);
        println!("clusters of {least} to {most} keys: {clusters}, with {keys} keys");
    }
    println!("largest cluster: {}", sizes.iter().max().unwrap_or(&0));
    let listed = listed(&utxo, run.transactions);
    for &is_on in &run.modes {
        let mut world = build(run, &utxo, is_on, union.addresses());
        let sources: Vec<_> = listed.iter().map(|&number| source(number)).collect();
        world.set_parties(sources, Vec::new());
        let (before, _) = memory();
        let (time, made) = timed(|| world.relabel());
        let more = memory().0.saturating_sub(before) >> 20;
        println!("relabel with sources: {time:.2?}; labels: {more} MB");
        say_joined(&made.labels);
        if is_on {
            check(&world, &mut union, &sizes, &listed);
        }
        rebuilds(run, &mut world);
        appends(run, &utxo, &mut world);
    }
}

/// Appends all transactions and labels them without a source.
fn build(run: &Run, utxo: &Utxo, is_on: bool, addresses: u64) -> World {
    println!("\ncommon inputs {}", if is_on { "on" } else { "off" });
    let (before, _) = memory();
    let off = (!is_on).then_some(Chain::Bitcoin);
    let mut world = World::new(Settings {
        max_hops: run.hops,
        hub_limit: u32::MAX,
        assets: AssetTable::built_in(),
        cluster_limit: DEFAULT_CLUSTER_LIMIT,
        no_common_input: off.into_iter().collect(),
    });
    let (mut appending, mut row) = (Duration::ZERO, 0);
    while row < run.transactions {
        let rows = row..(row + BATCH).min(run.transactions);
        let batch: Vec<_> = rows.map(|row| transfer(row, &utxo.transaction(row))).collect();
        let (time, ()) = timed(|| world.append(row, &batch));
        appending += time;
        row += batch.len() as u64;
    }
    let rate = run.transactions as f64 / appending.as_secs_f64() / 1e6;
    println!("append: {appending:.2?}, {rate:.2} M/s");
    let start = processor();
    let (time, _) = timed(|| world.relabel());
    println!(
        "first relabel, without sources: {time:.2?}, {:.2?} of processor",
        processor() - start
    );
    let (after, most) = memory();
    let per = |bytes: u64| bytes as f64 / run.transactions as f64;
    println!(
        "graph in memory: {:.1} bytes a transaction; the process at most {} MB",
        per(after.saturating_sub(before)),
        most >> 20
    );
    let bytes = world.cluster_bytes();
    println!(
        "clusters in memory: {} MB, {:.1} bytes a key",
        bytes >> 20,
        bytes as f64 / addresses as f64
    );
    world
}

fn say_joined(labels: &Labels) {
    let (mut joined, mut beside, mut cut) = (0_u64, 0_u64, 0_u64);
    for (_, of) in labels.keys() {
        for (common, _) in of.common_inputs() {
            joined += u64::from(!common.is_cut);
            beside += u64::from(common.is_beside);
            cut += u64::from(common.is_cut);
        }
    }
    println!(
        "{} keys in labels; {joined} joined with a listed one, {beside} of them beside it; {cut} cut",
        labels.len()
    );
}

/// # Panics
///
/// Where a listed key's cluster is not as large as the generator made it.
fn check(world: &World, union: &mut Union, sizes: &[u32], listed: &[u32]) {
    let query = ClusterQuery { after: None, limit: 1, budget: 0 };
    let (mut of_limit, mut longest) = (0, Duration::ZERO);
    for &number in listed {
        let wanted = u64::from(sizes[union.root(number) as usize]);
        let (time, page) = timed(|| world.cluster(&[key(number)], &query));
        let keys = page.map_or(0, |page| page.keys);
        assert_eq!(keys, wanted, "the cluster of address {number}");
        of_limit += u64::from(wanted > u64::from(DEFAULT_CLUSTER_LIMIT));
        longest = longest.max(time);
    }
    println!(
        "clusters of all {} listed keys are as large as the generator made them, {of_limit} of them \
         beyond the limit; the longest look took {longest:.1?}",
        listed.len()
    );
}

fn rebuilds(run: &Run, world: &mut World) {
    let start = processor();
    let mut times = Vec::new();
    for _ in 0..run.rounds {
        let (time, _) = timed(|| world.rebuild());
        times.push(time);
    }
    if !times.is_empty() {
        println!(
            "rebuild, {} rounds: median {:.3?}, {:.3?} of processor each",
            run.rounds,
            median(times),
            (processor() - start) / run.rounds as u32
        );
    }
}

/// Batches in order, each labelled before the next.
fn appends(run: &Run, utxo: &Utxo, world: &mut World) {
    let batches = 100;
    let (mut spent, mut slowest, mut rebuilt) = (Duration::ZERO, Duration::ZERO, 0);
    for batch in 0..batches {
        let first = run.transactions + batch * BATCH;
        let rows = first..first + BATCH;
        let batch: Vec<_> = rows.map(|row| transfer(row, &utxo.transaction(row))).collect();
        let (time, made) = timed(|| {
            world.append(first, &batch);
            world.relabel()
        });
        spent += time;
        slowest = slowest.max(time);
        rebuilt += u32::from(made.was == Relabelling::Rebuilt);
    }
    println!(
        "appended and relabelled in batches of {BATCH}: {:.0} transactions a second, slowest batch \
         {slowest:.1?}, {rebuilt} of {batches} rebuilt",
        (batches * BATCH) as f64 / spent.as_secs_f64()
    );
}
