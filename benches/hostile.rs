//! A client that means well beside clients that do not, in one run: its p99 with each of them,
//! against its p99 alone, round by round. The goal is a ratio of at most 2. Beside it stand the
//! longest that it waited, the memory that the server took at most, and what ended the attack's calls.
//!
//! Everything stays on loopback. Attackers are processes of their own with the lowest priority,
//! since elsewhere they would not take the server's processors either.
//!
//! `cargo bench --bench hostile`; with `-- --quick` a smoke run, with a part of their names those
//! attacks alone.

#[path = "hostile/attacks.rs"]
mod attacks;
#[path = "../tests/it/support/frames.rs"]
mod frames;
#[path = "hostile/memory.rs"]
mod memory;
#[path = "../tests/it/support/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use attacks::{ATTACKS, Attack};
use lazaretto::grpc::client::Client;
use lazaretto::grpc::v1;
use server::ServerChild;

/// The most that p99 may grow beside an attack.
const GOAL: f64 = 2.0;

/// An address that no list has and no transfer touches.
const CLEAN: &str = "0x00000000219ab540356cbb839cbe05303d7705fa";

/// An address that a list has, under a party with a long name: answers that tell it are large.
const LISTED_AT_LENGTH: &str = "0x00000000000000000000000000005eed0000ffff";

/// How much is done: how long each look at the client takes, and how many rounds.
#[derive(Clone, Copy)]
struct Size {
    look: Duration,
    rounds: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    if let Some(at) = arguments.iter().position(|argument| argument == "--attack") {
        return runtime.block_on(attacks::run(&arguments[at + 1], &arguments[at + 2]));
    }
    let size = match arguments.iter().any(|argument| argument == "--quick") {
        true => Size { look: Duration::from_millis(50), rounds: 1 },
        false => Size { look: Duration::from_secs(2), rounds: 5 },
    };
    let only = arguments.iter().skip(1).find(|argument| !argument.starts_with("--"));
    runtime.block_on(bench(size, only.map_or("", String::as_str)));
}

async fn bench(size: Size, only: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    load(folder.path());
    let server = ServerChild::start(folder.path(), &["--set", "operations=127.0.0.1:0"]);
    let client = Client::connect(server.endpoint()).await.expect("the server listens");
    look(&client, size.look).await;
    println!(
        "{:<44} {:>12} {:>10} {:>10} {:>10} {:>7}  goal {GOAL} {:>10} {:>9}  ended by",
        "beside", "connections", "calls", "alone p99", "p99", "ratio", "longest", "peak"
    );
    for attack in ATTACKS.iter().filter(|attack| attack.name.contains(only)) {
        let mut rounds = Vec::new();
        for _ in 0..size.rounds {
            let alone = look(&client, size.look).await;
            forget_peak(&server);
            let resident = server.memory("VmRSS");
            let before = Counted::read(server.operations());
            let attacker = Attacker::start(attack, server.endpoint());
            let length = size.look * attack.looks;
            let beside = look(&client, length).await;
            let after = Counted::read(server.operations());
            let peak = server.memory("VmHWM").saturating_sub(resident);
            drop(attacker);
            rounds.push(Round { alone, beside, counted: after.since(&before), peak });
        }
        println!("{}", row(attack, &rounds, size.look * attack.looks));
    }
}

/// Makes the server's peak what it holds now (proc_pid_clear_refs(5)).
fn forget_peak(server: &ServerChild) {
    let path = format!("/proc/{}/clear_refs", server.pid());
    std::fs::write(path, "5").expect("the server is ours");
}

/// Lists and transfers, so that deep questions have something to search in.
fn load(data_dir: &Path) {
    let holder = |number: u64| format!("0x{:040x}", 0x5eed_0000_0000 + number);
    let mut rows = String::from("chain,tx,position,time,from,to,asset,amount\n");
    let mut state = 1_u64;
    for height in 0..200_000_u64 {
        // A multiplicative generator (Knuth): the same rows on every machine.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (from, to) = (holder((state >> 33) % 20_000), holder((state >> 45) % 20_000));
        let time = jiff::Timestamp::from_second(1_700_000_000 + height as i64).expect("in range");
        let amount = "1000000000000000000";
        writeln!(rows, "eip155:1,0x{height:064x},{height}:0,{time},{from},{to},native,{amount}")
            .expect("a string takes all");
    }
    let transfers = data_dir.join("transfers.csv");
    std::fs::write(&transfers, rows).expect("a file");
    let mut list = String::from("# published: 2026-01-01\naddress,ticker,party_uid,party_name\n");
    let name = "x".repeat(3_000);
    writeln!(list, "{LISTED_AT_LENGTH},ETH,long,{name}").expect("a string");
    for number in 0..20 {
        writeln!(list, "{},ETH,{number},Party {number}", holder(number)).expect("a string");
    }
    let listed = data_dir.join("list.csv");
    std::fs::write(&listed, list).expect("a file");
    let list = ["lists", "import", &text(&listed), "--list", "bench", "--kind", "ADVISORY"];
    let transfers = ["transfers", "import", &text(&transfers)];
    for arguments in [&list[..], &transfers[..]] {
        let mut command = server::command();
        command.env("LAZARETTO_DATA_DIR", data_dir).args(arguments);
        let done = command.stdout(Stdio::null()).status().expect("the program runs");
        assert!(done.success(), "{command:?}");
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a temporary folder has a plain name").to_owned()
}

/// What calls took, one after the other.
struct Look {
    p99: Duration,
    longest: Duration,
    calls: usize,
}

/// Calls, one after the other, for so long.
async fn look(client: &Client, length: Duration) -> Look {
    let mut screening = client.screening.clone();
    let query = v1::AddressQuery { address: CLEAN.to_owned(), ..Default::default() };
    let request =
        v1::ScreenAddressRequest { query: Some(query), options: None, ..Default::default() };
    let begun = Instant::now();
    let mut took = Vec::new();
    while begun.elapsed() < length {
        let asked = Instant::now();
        if let Err(status) = screening.screen_address(request.clone()).await {
            // Beside more calls than are taken at once, some of the client's own are among those
            // that are shed.
            assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
        }
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    let longest = took.last().copied().unwrap_or_default();
    Look { p99: took[took.len() * 99 / 100], longest, calls: took.len() }
}

/// What the server says it took so far: that an attack is one shows here.
#[derive(Default)]
struct Counted {
    connections: f64,
    calls: f64,
    /// Refusals by reason, and calls by code.
    ends: BTreeMap<String, f64>,
}

impl Counted {
    fn read(operations: SocketAddr) -> Self {
        let mut stream = std::net::TcpStream::connect(operations).expect("the port is open");
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {operations}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is read");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("one page a connection");
        let mut counted = Self::default();
        for line in page.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            if name == "lazaretto_connections_total" {
                counted.connections += value;
            } else if let Some(labels) = name.strip_prefix("lazaretto_refusals_total") {
                let reason = label(labels, "reason");
                if reason == "connections" {
                    counted.connections += value;
                }
                *counted.ends.entry(reason.to_owned()).or_default() += value;
            } else if let Some(labels) = name.strip_prefix("lazaretto_calls_total") {
                counted.calls += value;
                *counted.ends.entry(label(labels, "code").to_owned()).or_default() += value;
            }
        }
        counted
    }

    fn since(self, before: &Self) -> Self {
        let ends = self.ends.into_iter().map(|(end, count)| {
            let earlier = before.ends.get(&end).copied().unwrap_or_default();
            (end, count - earlier)
        });
        Self {
            connections: self.connections - before.connections,
            calls: self.calls - before.calls,
            ends: ends.collect(),
        }
    }
}

/// The value of a label.
fn label<'l>(labels: &'l str, name: &str) -> &'l str {
    let value = labels.split_once(&format!("{name}=\"")).map_or("", |(_, rest)| rest);
    value.split('"').next().unwrap_or_default()
}

/// One look alone, and one beside an attack, with what the attack did meanwhile.
struct Round {
    alone: Look,
    beside: Look,
    counted: Counted,
    /// How much more memory the server had at most, in bytes.
    peak: usize,
}

fn row(attack: &Attack, rounds: &[Round], length: Duration) -> String {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let middle = |of: &dyn Fn(&Round) -> f64| {
        let mut numbers: Vec<f64> = rounds.iter().map(of).collect();
        numbers.sort_unstable_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    };
    let alone = middle(&|round| micros(round.alone.p99));
    let beside = middle(&|round| micros(round.beside.p99));
    let ratio = middle(&|round| micros(round.beside.p99) / micros(round.alone.p99));
    let connections = middle(&|round| round.counted.connections / length.as_secs_f64());
    let own = |round: &Round| round.counted.calls - round.beside.calls as f64;
    let calls = middle(&|round| own(round) / length.as_secs_f64());
    // The worst of all rounds, not the middle: one is enough to end a process.
    let longest = rounds.iter().map(|round| micros(round.beside.longest)).fold(0.0, f64::max);
    let peak = rounds.iter().map(|round| round.peak).max().unwrap_or_default() >> 20;
    let verdict = match attack.has_goal {
        false => "",
        true if ratio <= GOAL => "PASS",
        true => "FAIL",
    };
    let mut ends: BTreeMap<&str, f64> = BTreeMap::new();
    for (end, count) in rounds.iter().flat_map(|round| &round.counted.ends) {
        if end != "OK" && *count > 0.0 {
            *ends.entry(end).or_default() += count;
        }
    }
    let ends: Vec<_> = ends.iter().map(|(end, count)| format!("{end} {count}")).collect();
    let Attack { words, .. } = attack;
    format!(
        "{words:<44} {connections:>10.0}/s {calls:>8.0}/s {alone:>7.0} us {beside:>7.0} us \
         {ratio:>7.2}  {verdict:<8} {longest:>7.0} us {peak:>5} MiB  {}",
        ends.join(", ")
    )
}

/// An attacker at work; ended when dropped.
struct Attacker(Child);

impl Attacker {
    /// Returns once the attack is under way.
    fn start(attack: &Attack, endpoint: &str) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(own).args(["--attack", attack.name, endpoint]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("nice runs");
        let out = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line, "under way\n", "{}", attack.name);
        Self(child)
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
