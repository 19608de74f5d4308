//! Screening against the cost of gRPC alone, in one run and side by side: our server, and tonic
//! servers that answer with one constant (a clean answer of ours, cloned for each call).
//!
//! `default` has tonic's defaults, a multi-thread runtime and the system's allocator; `tuned` has
//! one thread and mimalloc. Everything stays on loopback; the client is this process, on one
//! thread. Throughput of a shared machine drifts, so rounds alternate among the servers and ratios
//! are taken round by round; user-mode instructions are steady, and carry the gates.
//!
//! `cargo bench --bench screening`; with `-- --quick` a smoke run without gates; with `-- --labelled`
//! only the store in which ten million addresses have an exposure; with `-- --secured` all servers
//! with TLS, and ours with identities, metrics and limits besides; with `-- --gate` only the
//! instructions of a clean call against the committed figures, which `--update` writes anew; with
//! `-- --recorded` only what the decision log costs.

#[path = "screening/addresses.rs"]
mod addresses;
#[path = "screening/client.rs"]
mod client;
#[path = "screening/constant.rs"]
mod constant;
#[path = "screening/counter.rs"]
mod counter;
#[path = "screening/gate.rs"]
mod gate;
#[path = "screening/labelled.rs"]
mod labelled;
#[path = "screening/recorded.rs"]
mod recorded;
#[path = "screening/report.rs"]
mod report;
#[path = "exposure/rmat.rs"]
#[allow(dead_code, reason = "only its addresses are used here")]
mod rmat;
#[path = "screening/secured.rs"]
mod secured;
#[path = "../tests/it/support/server.rs"]
mod server;
#[path = "screening/servers.rs"]
mod servers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaretto::grpc::v1;
use lazaretto::grpc::v1::screening_item::Outcome;
use lazaretto::grpc::v1::screening_service_client::ScreeningServiceClient;
use prost::Message;

use addresses::Family;
use client::{Connections, Load, Messages, Method};
use counter::Counter;
use report::{Gate, Rounds, Table};
use secured::Secured;
use servers::Running;

const UNARY: Load =
    Load { name: "unary 1x64", method: Method::Unary, connections: 1, in_flight: 64 };
const UNARY_4: Load =
    Load { name: "unary 4x64", method: Method::Unary, connections: 4, in_flight: 64 };
const BATCH: Load =
    Load { name: "batch 1,000, 8 at a time", method: Method::Batch, connections: 1, in_flight: 8 };
const STREAM: Load =
    Load { name: "4 streams", method: Method::Stream, connections: 1, in_flight: 4 };

/// The family that the goals are about.
const GATED: Family = Family::EvmLower;
/// Addresses in a batch.
const BATCH_SIZE: usize = 1_000;
/// Different addresses in each family.
const ADDRESSES: usize = 8_000;
/// So many times fewer addresses have an exposure where instructions are counted.
const COUNTED: usize = 50;
/// The most connections of a load.
const CONNECTIONS: usize = 4;

/// How much is done.
#[derive(Clone, Copy)]
struct Size {
    /// Listed addresses, a store for each.
    stores: &'static [usize],
    /// How long a server is under load in each round.
    round: Duration,
    /// Rounds of the cases that have a goal, and of the others.
    rounds: (usize, usize),
    /// Addresses with an exposure.
    labelled: usize,
    /// Whether instructions are counted and gates are printed.
    gates: bool,
}

const FULL: Size = Size {
    stores: &[1_000, 1_000_000],
    round: Duration::from_millis(100),
    rounds: (10, 4),
    labelled: 10_000_000,
    gates: true,
};
const QUICK: Size = Size {
    stores: &[1_000],
    round: Duration::from_millis(10),
    rounds: (1, 1),
    labelled: 10_000,
    gates: false,
};

fn main() {
    if let Some(folder) = constant::requested() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(constant::serve(&folder));
    }
    let has = |name: &str| std::env::args().any(|argument| argument == name);
    let size = if has("--quick") { QUICK } else { FULL };
    let size = if has("--labelled") { Size { stores: &[], ..size } } else { size };
    let size = if has("--secured") { Size { stores: &[1_000], labelled: 0, ..size } } else { size };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if has("--gate") {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let is_within =
            runtime.expect("a runtime").block_on(gate::run(folder.path(), has("--update")));
        drop(folder);
        std::process::exit(i32::from(!is_within));
    }
    if has("--recorded") {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gates = runtime.expect("a runtime").block_on(recorded::run(folder.path(), size));
        return gates.into_iter().for_each(|(gate, what, figure)| gate.print(&what, figure));
    }
    runtime.expect("a runtime").block_on(bench(size, has("--secured")));
}

async fn bench(size: Size, secured: bool) {
    let started = Instant::now();
    let took = || println!("[{:.0} s]\n", started.elapsed().as_secs_f64());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let programs = Programs {
        default: std::env::current_exe().expect("this program has a path"),
        tuned: servers::tuned_program(),
        answers: folder.path().to_owned(),
        secured: secured.then(|| Secured::make(folder.path())),
    };
    let secured = programs.secured.as_ref();
    let counter = if size.gates { Counter::find() } else { None };
    let mut gates = Vec::new();
    for (place, &count) in size.stores.iter().enumerate() {
        let data_dir = servers::store(folder.path(), count);
        // Other families tell of the parser, not of the store: one store is enough for them.
        let others = if place == 0 { &Family::OTHERS[..] } else { &[Family::EvmListed] };
        let cases = cases(others);
        println!("{} listed addresses", thousands(count));
        took();
        let ours = servers::ours(&data_dir, None, None);
        check(ours.endpoint(), count).await;
        fetch_answers(ours.endpoint(), &programs.answers).await;
        drop(ours);
        let ours = servers::ours(&data_dir, None, secured);
        let listed: Vec<_> = addresses::listed(1_000).collect();
        let found = throughput(&programs, &ours, &cases, size, (&listed, &goal)).await;
        drop(ours);
        gates.extend(found.into_iter().map(|gated| (count, gated)));
        took();
        if let Some(counter) = counter {
            let found = instructions(&programs, &data_dir, counter, &cases, &listed).await;
            gates.extend(found.into_iter().map(|gated| (count, gated)));
            took();
        }
    }
    if size.labelled > 0 {
        let found = labelled_store(&programs, folder.path(), size, counter).await;
        gates.extend(found.into_iter().map(|gated| (1_000, gated)));
        took();
    }
    if !size.gates {
        return println!("quick: figures of so short a run mean nothing, and no gate is tried");
    }
    if counter.is_none() {
        println!("neither perf with counters nor valgrind is here: throughput only");
    }
    for (count, (gate, what, figure)) in gates {
        gate.print(&format!("{} listed, {what}", thousands(count)), figure);
    }
}

type Gated = (Gate, String, f64);

/// What is measured: the gated family under every load, others under fewer.
fn cases(others: &[Family]) -> Vec<(Family, Load)> {
    let gated = [UNARY, UNARY_4, BATCH, STREAM].map(|load| (GATED, load));
    let others = others.iter().flat_map(|&f| [UNARY, BATCH, STREAM].map(|load| (f, load)));
    gated.into_iter().chain(others).collect()
}

/// The constant servers' programs, and the folder of their answers.
struct Programs {
    default: PathBuf,
    tuned: PathBuf,
    answers: PathBuf,
    /// Where all servers have TLS.
    secured: Option<Secured>,
}

/// Where many addresses have an exposure: clean ones and such, and these while transfers stream in.
async fn labelled_store(
    programs: &Programs,
    folder: &Path,
    size: Size,
    counter: Option<Counter>,
) -> Vec<Gated> {
    let data_dir = labelled::store(&folder.join("labelled"), size.labelled);
    let exposed = labelled::exposed(size.labelled, ADDRESSES.min(size.labelled));
    let ours = servers::ours(&data_dir, None, None);
    check_exposed(ours.endpoint(), &exposed[..BATCH_SIZE]).await;
    labelled::graph_is_read_in(ours.endpoint(), &exposed[0]).await;
    fetch_answers(ours.endpoint(), &programs.answers).await;
    let loads = [UNARY, UNARY_4];
    let of = |families: &[Family]| -> Vec<_> {
        families.iter().flat_map(|&family| loads.map(|load| (family, load))).collect()
    };
    let all = of(&[GATED, Family::EvmExposed]);
    let labelled_goal = |family, _| Some(if family == Family::EvmExposed { 0.85 } else { 0.95 });
    let mut gates = throughput(programs, &ours, &all, size, (&exposed, &labelled_goal)).await;
    gates.extend(while_fed(programs, &ours, &all, size, &exposed).await);
    drop(ours);
    if let Some(counter) = counter {
        // Counted among fewer, which takes as many instructions: the server reads all transfers in
        // when it starts, and does so some fifty times slower under valgrind.
        let data_dir = labelled::store(&folder.join("counted"), size.labelled / COUNTED);
        let exposed = labelled::exposed(size.labelled / COUNTED, ADDRESSES);
        gates.extend(instructions(programs, &data_dir, counter, &all, &exposed).await);
    }
    gates
}

async fn while_fed(
    programs: &Programs,
    ours: &Running,
    cases: &[(Family, Load)],
    size: Size,
    exposed: &[String],
) -> Vec<Gated> {
    let feed = labelled::Feed::start(ours.endpoint());
    let goal = |_, _| Some(0.80);
    let mut gates = throughput(programs, ours, cases, size, (exposed, &goal)).await;
    println!("meanwhile {:.0} transfers a second were taken in\n", feed.rate());
    gates.iter_mut().for_each(|(_, what, _)| what.push_str(", transfers streaming in"));
    gates
}

/// Every one of them is answered with an exposure.
async fn check_exposed(endpoint: &str, addresses: &[String]) {
    let queries = addresses.iter().filter_map(|address| query(address)).collect();
    let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
    let answer = client(endpoint).await.batch_screen_addresses(batch).await;
    for item in answer.expect("it is answered").into_inner().items {
        let Some(Outcome::Screening(screening)) = &item.outcome else { panic!("{item:?}") };
        assert!(!screening.findings.is_empty(), "{item:?}");
    }
}

/// Ours, tuned, default: in this order everywhere.
type Trio<T> = [T; 3];

async fn connected(running: Trio<&Running>, secured: Option<&Secured>) -> Trio<Connections> {
    let [ours, tuned, default] = running.map(Running::endpoint);
    [
        Connections::open(ours, CONNECTIONS, secured).await,
        Connections::open(tuned, CONNECTIONS, secured).await,
        Connections::open(default, CONNECTIONS, secured).await,
    ]
}

fn messages((family, load): (Family, Load), listed: &[String]) -> Arc<Messages> {
    let addresses = family.addresses(ADDRESSES, listed);
    Arc::new(Messages::new(load.method, &addresses, BATCH_SIZE))
}

/// The goals for throughput where nobody has an exposure.
fn goal(family: Family, method: Method) -> Option<f64> {
    match (family, method) {
        (GATED, Method::Stream) => Some(0.70),
        (GATED, Method::Batch) => Some(0.50),
        _ => None,
    }
}

async fn throughput(
    programs: &Programs,
    ours: &Running,
    cases: &[(Family, Load)],
    size: Size,
    (listed, goal): (&[String], &dyn Fn(Family, Method) -> Option<f64>),
) -> Vec<Gated> {
    let tuned = servers::constant(&programs.tuned, &programs.answers, None);
    let default = servers::constant(&programs.default, &programs.answers, None);
    let connections = connected([ours, &tuned, &default], programs.secured.as_ref()).await;
    let mut table = Table::new(&[
        "addresses a second",
        "load",
        "ours",
        "tuned",
        "default",
        "ours/tuned",
        "ours/default",
    ]);
    let mut gates = Vec::new();
    for &(family, load) in cases {
        let messages = messages((family, load), listed);
        // Warms the connection, and tells how many messages fill a round.
        let tried = match (load.method, size.gates) {
            (Method::Batch, true) => 16,
            (Method::Batch, false) => 2,
            (_, true) => 4_096,
            (_, false) => 256,
        };
        connections[0].run(load, &messages, tried).await;
        let took = connections[0].run(load, &messages, tried).await;
        let fill = size.round.as_secs_f64() / took.as_secs_f64();
        let count = ((tried as f64 * fill) as usize).max(load.in_flight * load.connections);
        let mut rates = [vec![], vec![], vec![]];
        let goal = goal(family, load.method);
        let rounds = if goal.is_some() { size.rounds.0 } else { size.rounds.1 };
        for _ in 0..rounds {
            for (connections, rates) in connections.iter().zip(&mut rates) {
                let took = connections.run(load, &messages, count).await;
                rates.push((count * messages.addresses) as f64 / took.as_secs_f64());
            }
        }
        let [ours, tuned, default] = rates.map(Rounds::new);
        let ratio = ours.over(&tuned);
        table.row(vec![
            family.name().to_owned(),
            load.name.to_owned(),
            ours.rate(),
            tuned.rate(),
            default.rate(),
            ratio.ratio(),
            ours.over(&default).ratio(),
        ]);
        let Some(goal) = goal else { continue };
        let what = format!("{} {} throughput, ours/tuned", family.name(), load.name);
        gates.push((Gate::AtLeast(goal), what, ratio.median()));
    }
    table.print();
    gates
}

async fn instructions(
    programs: &Programs,
    data_dir: &Path,
    counter: Counter,
    cases: &[(Family, Load)],
    listed: &[String],
) -> Vec<Gated> {
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
    let [ours, tuned, default] = folders.each_ref().map(|folder| Some((counter, folder.path())));
    let running = [
        servers::ours(data_dir, ours, programs.secured.as_ref()),
        servers::constant(&programs.tuned, &programs.answers, tuned),
        servers::constant(&programs.default, &programs.answers, default),
    ];
    // The server reads its transfers in when it starts, which is not to be counted. The store of
    // secured ones has none.
    let clean = GATED.addresses(1, &[]).remove(0);
    if programs.secured.is_none() {
        labelled::graph_is_read_in(running[0].endpoint(), &clean).await;
    }
    running.iter().for_each(|server| counter.begin(server.pid()));
    let connections = connected(running.each_ref(), programs.secured.as_ref()).await;
    println!("by {}", counter.name());
    let heading =
        ["user instructions an address", "load", "ours", "tuned", "default", "ours/tuned"];
    let mut table = Table::new(&heading);
    let mut gates = Vec::new();
    for &(family, load) in cases {
        let messages = messages((family, load), listed);
        let count = match load.method {
            Method::Unary => 2_048,
            Method::Batch => 24,
            Method::Stream => 16_384,
        };
        let count = if family == GATED { count } else { count / 4 };
        let mut counts = [0.0; 3];
        for (place, connections) in connections.iter().enumerate() {
            connections.run(load, &messages, count / 4).await;
            let work = async {
                connections.run(load, &messages, count).await;
            };
            let counted = counter.count(running[place].pid(), folders[place].path(), work).await;
            counts[place] = counted as f64 / (count * messages.addresses) as f64;
        }
        let [ours, tuned, default] = counts;
        table.row(vec![
            family.name().to_owned(),
            load.name.to_owned(),
            format!("{ours:.0}"),
            format!("{tuned:.0}"),
            format!("{default:.0}"),
            format!("{:.3}x", ours / tuned),
        ]);
        let what = format!("{} {} instructions", family.name(), load.name);
        match (family, load.method) {
            (GATED | Family::EvmExposed, Method::Unary) => {
                let most = if listed.len() > 1_000 { 1.10 } else { 1.05 };
                gates.push((Gate::AtMost(most), format!("{what}, ours/tuned"), ours / tuned));
            }
            (GATED, Method::Stream) => {
                gates.push((Gate::AtLeast(0.70), format!("{what}, tuned/ours"), tuned / ours));
            }
            (GATED, Method::Batch) => {
                gates.push((Gate::AtLeast(0.50), format!("{what}, tuned/ours"), tuned / ours));
            }
            _ => {}
        }
    }
    table.print();
    gates
}

type Client = ScreeningServiceClient<tonic::transport::Channel>;

async fn client(endpoint: &str) -> Client {
    let client = Client::connect(endpoint.to_owned()).await.expect("the server listens");
    client.max_decoding_message_size(64 << 20)
}

fn query(address: &str) -> Option<v1::AddressQuery> {
    Some(v1::AddressQuery { address: address.to_owned(), ..Default::default() })
}

/// Every family is answered as it should be: else the bench would measure refusals.
async fn check(endpoint: &str, count: usize) {
    let listed: Vec<_> = addresses::listed(count.min(1_000)).collect();
    let mut client = client(endpoint).await;
    for family in Family::OTHERS.into_iter().chain([GATED]) {
        let is_listed = family == Family::EvmListed;
        let wanted = if is_listed { v1::Decision::Block } else { v1::Decision::Allow };
        let addresses = family.addresses(BATCH_SIZE, &listed);
        let queries = addresses.iter().filter_map(|address| query(address)).collect();
        let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
        let answer = client.batch_screen_addresses(batch).await.expect("it is answered");
        let items = answer.into_inner().items;
        assert_eq!(items.len(), addresses.len(), "an item for each address");
        for (item, address) in items.iter().zip(&addresses) {
            let decided = match &item.outcome {
                Some(Outcome::Screening(screening)) => Some(screening.decision()),
                _ => None,
            };
            assert_eq!(decided, Some(wanted), "{} {address}: {item:?}", family.name());
        }
    }
}

/// The constant servers' answers: ours to clean addresses.
async fn fetch_answers(endpoint: &str, folder: &Path) {
    let addresses = GATED.addresses(BATCH_SIZE, &[]);
    let mut client = client(endpoint).await;
    let write = |name: &str, message: Vec<u8>| {
        std::fs::write(folder.join(name), message).expect("the folder is writable");
    };
    let unary = v1::ScreenAddressRequest {
        query: query(&addresses[0]),
        options: None,
        ..Default::default()
    };
    let unary = client.screen_address(unary).await.expect("it is answered").into_inner();
    let queries = addresses.iter().filter_map(|address| query(address)).collect();
    let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
    let batch = client.batch_screen_addresses(batch).await.expect("it is answered").into_inner();
    let next = |address: &String| v1::StreamScreenAddressesRequest {
        query: query(address),
        options: None,
    };
    let questions: Vec<_> = addresses[..2].iter().map(next).collect();
    let answers = client.stream_screen_addresses(tokio_stream::iter(questions)).await;
    let mut answers = answers.expect("it is answered").into_inner();
    let first = answers.message().await.expect("it is answered").expect("two were asked");
    let second = answers.message().await.expect("it is answered").expect("two were asked");
    assert!(first.snapshot.is_none() && second.snapshot.is_none(), "it was not asked for");
    println!(
        "answers of ours, in bytes: unary {}, one of a batch {}, one of a stream {}\n",
        unary.encoded_len(),
        batch.encoded_len() / BATCH_SIZE,
        second.encoded_len(),
    );
    write(constant::UNARY, unary.encode_to_vec());
    write(constant::BATCH, batch.encode_to_vec());
    write(constant::STREAM, second.encode_to_vec());
}

fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}
