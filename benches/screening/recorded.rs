//! What the decision log costs: one server without it, one with each durability, in turn under the
//! same load. Throughput, and processor time of the whole server, with the threads that hash and sync.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::addresses::{self, Family};
use crate::client::{Connections, Load, Messages, Method};
use crate::report::{Gate, Rounds, Table};
use crate::{ADDRESSES, BATCH, BATCH_SIZE, Gated, STREAM, Size, UNARY, check, servers};

const UNARY_1024: Load =
    Load { name: "unary 16x64", method: Method::Unary, connections: 16, in_flight: 64 };

const CASES: [(Family, Load); 6] = [
    (Family::EvmLower, UNARY),
    (Family::EvmLower, UNARY_1024),
    (Family::EvmLower, BATCH),
    (Family::P2wpkh, BATCH),
    (Family::EvmListed, BATCH),
    (Family::EvmLower, STREAM),
];

/// The servers: their names and arguments. The first is what the others are compared with.
const SERVERS: [(&str, &[&str]); 3] = [
    ("off", &["--set", "decision_log.enabled=false"]),
    ("interval", &["--set", "decision_log.durability=\"interval\""]),
    ("fsync", &["--set", "decision_log.durability=\"fsync\""]),
];

/// The least throughput by `fsync` with so many calls in flight, as a part of that without a log.
fn fsync_goal(load: Load) -> Option<f64> {
    match load.connections * load.in_flight {
        64 => Some(0.7),
        1_024 => Some(0.9),
        _ => None,
    }
}

/// The least throughput by `interval`, and the most processor time.
const INTERVAL_GOAL: f64 = 0.97;
const INTERVAL_MOST: f64 = 1.03;

pub async fn run(folder: &Path, size: Size) -> Vec<Gated> {
    let mut running = Vec::new();
    for (name, arguments) in SERVERS {
        let parent = folder.join(name);
        std::fs::create_dir_all(&parent).expect("the folder is writable");
        let arguments = [arguments, &["--set", "limits.calls=2048"]].concat();
        let ours = servers::ours_with(&arguments, &servers::store(&parent, 1_000), None, None);
        check(ours.endpoint(), 1_000).await;
        let connections = Connections::open(ours.endpoint(), UNARY_1024.connections, None).await;
        running.push((ours.pid(), connections, ours));
    }
    let listed: Vec<_> = addresses::listed(1_000).collect();
    let mut table = Table::new(&[
        "addresses a second",
        "load",
        "off",
        "interval/off",
        "fsync/off",
        "processor, us each",
        "interval/off",
        "fsync/off",
    ]);
    let mut gates = Vec::new();
    for (family, load) in CASES {
        let addresses = family.addresses(ADDRESSES, &listed);
        let messages = Arc::new(Messages::new(load.method, &addresses, BATCH_SIZE));
        let tried = if load.method == Method::Batch { 8 } else { 4_096 };
        running[0].1.run(load, &messages, tried).await;
        let took = running[0].1.run(load, &messages, tried).await;
        // Long enough for the log's threads to have done what the answers gave them.
        let fill = 5.0 * size.round.as_secs_f64() / took.as_secs_f64();
        let count = ((tried as f64 * fill) as usize).max(load.in_flight * load.connections);
        let (mut rates, mut costs) = ([vec![], vec![], vec![]], [vec![], vec![], vec![]]);
        for _ in 0..size.rounds.0 {
            for (place, (pid, connections, _)) in running.iter().enumerate() {
                let before = processor_time(*pid);
                let took = connections.run(load, &messages, count).await;
                settle(*pid).await;
                let cost = processor_time(*pid).saturating_sub(before);
                let each = (count * messages.addresses) as f64;
                rates[place].push(each / took.as_secs_f64());
                costs[place].push(cost.as_secs_f64() * 1e6 / each);
            }
        }
        let [off, interval, fsync] = rates.map(Rounds::new);
        let [off_cost, interval_cost, fsync_cost] = costs.map(Rounds::new);
        let (by_interval, by_fsync) = (interval.over(&off), fsync.over(&off));
        let cost_by_interval = interval_cost.over(&off_cost);
        table.row(vec![
            family.name().to_owned(),
            load.name.to_owned(),
            off.rate(),
            by_interval.ratio(),
            by_fsync.ratio(),
            format!("{:.2}", off_cost.median()),
            cost_by_interval.ratio(),
            fsync_cost.over(&off_cost).ratio(),
        ]);
        let what = format!("{} {}", family.name(), load.name);
        let mut gate = |gate, name: &str, figure: f64| {
            gates.push((gate, format!("{what}, {name}"), figure));
        };
        gate(Gate::AtLeast(INTERVAL_GOAL), "interval, throughput", by_interval.median());
        gate(Gate::AtMost(INTERVAL_MOST), "interval, processor time", cost_by_interval.median());
        if let Some(goal) = fsync_goal(load) {
            gate(Gate::AtLeast(goal), "fsync, throughput", by_fsync.median());
        }
    }
    table.print();
    gates
}

/// The processor time of all threads of a process so far.
fn processor_time(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
    let of = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.flatten().map(of).sum())
}

/// Waits until a process does no more work of its own: what was left behind counts as well.
async fn settle(pid: u32) {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut before = processor_time(pid);
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = processor_time(pid);
        if now.saturating_sub(before) < PAUSE / 50 {
            return;
        }
        before = now;
    }
}
