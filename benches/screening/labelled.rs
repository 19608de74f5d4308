//! A store in which many addresses have an exposure, and a stream of transfers into it: every listed
//! address sends to others, and each of these to others again. Measures nothing.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lazaretto::grpc::v1;
use lazaretto::grpc::v1::screening_service_client::ScreeningServiceClient;
use lazaretto::grpc::v1::transfer_service_client::TransferServiceClient;
use tokio_stream::wrappers::ReceiverStream;
use v1::transfer::Movement;

use crate::rmat::address;
use crate::{addresses, server, servers};

/// Receivers of each listed address, and of each of these. Few enough that nobody is a hub.
const FAN: usize = 100;
/// Listed addresses send in turn.
const LISTED: usize = 1_000;
/// Numbers of the addresses in between.
const BETWEEN: u32 = 1 << 31;
/// Numbers of the addresses that the stream is among.
const STREAMED: u32 = 1 << 30;
/// Transfers in a batch of the stream, and batches a second.
const BATCH: u64 = 1_000;
const BATCHES_A_SECOND: u32 = 20;

fn text(number: u32) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = address(number).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = nibbles.map(|nibble| char::from(DIGITS[usize::from(nibble)]));
    "0x".chars().chain(digits).collect()
}

/// `count` of the `labelled` addresses, far apart.
pub fn exposed(labelled: usize, count: usize) -> Vec<String> {
    let step = (labelled / count).max(1);
    (0..count).map(|place| text((place * step % labelled) as u32)).collect()
}

/// A data directory in `parent` with the list of [`servers::store`] and transfers that give
/// `labelled` addresses an exposure over two hops, imported from a file.
pub fn store(parent: &Path, labelled: usize) -> PathBuf {
    std::fs::create_dir(parent).expect("the folder is writable");
    let data_dir = servers::store(parent, LISTED);
    let file = parent.join("transfers.csv");
    write(&file, labelled).expect("the folder is writable");
    let mut command = server::command();
    command.arg("--data-dir").arg(&data_dir).args(servers::SETTINGS);
    command.args(["transfers", "import"]).arg(&file);
    let started = Instant::now();
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    println!("{labelled} labelled addresses imported in {:.1?}", started.elapsed());
    std::fs::remove_file(&file).expect("it was written");
    data_dir
}

fn write(path: &Path, labelled: usize) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(file, "chain,position,time,from,to,asset,amount")?;
    let listed: Vec<_> = addresses::listed(LISTED).collect();
    let mut row = 0;
    let mut line = |from: &str, to: &str| {
        let (height, index, time) = (row / 200, row % 200, 1_500_000_000 + row / 200 * 12);
        row += 1;
        writeln!(file, "eip155:1,{height}:{index}:0,{time},{from},{to},native,{}", 1_u64 << 60)
    };
    for between in 0..labelled.div_ceil(FAN) {
        let middle = text(BETWEEN | between as u32);
        line(&listed[between % LISTED], &middle)?;
        for leaf in between * FAN..labelled.min((between + 1) * FAN) {
            line(&middle, &text(leaf as u32))?;
        }
    }
    file.into_inner()?.sync_all()
}

/// Waits until the server has read the stored transfers in, which it does when it starts.
pub async fn graph_is_read_in(endpoint: &str, address: &str) {
    let client = ScreeningServiceClient::connect(endpoint.to_owned()).await;
    let mut client = client.expect("the server listens");
    loop {
        let address = address.to_owned();
        let asked = v1::TraceExposureRequest { address, ..Default::default() };
        match client.trace_exposure(asked).await {
            Err(status) if status.code() == tonic::Code::Unavailable => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => return drop(other.expect("it is answered")),
        }
    }
}

/// A stream of transfers into a server, from a thread of its own, until dropped.
pub struct Feed {
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    started: Instant,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Feed {
    /// Starts it, and waits until the first batch is acknowledged: the server may have to read the
    /// stored transfers in.
    pub fn start(endpoint: &str) -> Self {
        let (stop, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, count, endpoint) = (stop.clone(), taken.clone(), endpoint.to_owned());
        let (ready, begun) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let work = feed(&endpoint, &until, &count, &ready);
            runtime.expect("a runtime").block_on(work);
        });
        begun.recv().expect("the first batch is taken");
        let started = Instant::now();
        taken.store(0, Ordering::Relaxed);
        Self { stop, taken, started, thread: Some(thread) }
    }

    /// Transfers a second that were durable, so far.
    pub fn rate(&self) -> f64 {
        self.taken.load(Ordering::Relaxed) as f64 / self.started.elapsed().as_secs_f64()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn feed(
    endpoint: &str,
    until: &AtomicBool,
    taken: &AtomicU64,
    ready: &std::sync::mpsc::Sender<()>,
) {
    let client = TransferServiceClient::connect(endpoint.to_owned()).await;
    let mut client = client.expect("the server listens");
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    requests.send(batch(0)).await.expect("there is room");
    let answers = client.ingest_transfers(ReceiverStream::new(receiver)).await;
    let mut answers = answers.expect("it is taken").into_inner();
    let mut due = tokio::time::interval(Duration::from_secs(1) / BATCHES_A_SECOND);
    for number in 1.. {
        answers.message().await.expect("it is taken").expect("an answer a batch");
        taken.fetch_add(BATCH, Ordering::Relaxed);
        if number == 1 {
            ready.send(()).expect("the bench waits");
        }
        if until.load(Ordering::Relaxed) {
            return;
        }
        due.tick().await;
        requests.send(batch(number)).await.expect("the server takes it");
    }
}

fn batch(number: u64) -> v1::IngestTransfersRequest {
    let mut random = fastrand::Rng::with_seed(number);
    let mut end = || text(STREAMED | random.u32(..1 << 20));
    let one = |index: u64| v1::Transfer {
        chain: "eip155:1".to_owned(),
        time: Some(pbjson_types::Timestamp { seconds: 1_600_000_000, nanos: 0 }),
        position: Some(v1::ChainPosition {
            height: 1_000_000_000 + number,
            tx_index: index as u32,
            index: 0,
        }),
        movement: Some(Movement::Account(v1::AccountMovement {
            sender: end(),
            receiver: end(),
            amount: "1000000000000000000".to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    };
    let transfers = (0..BATCH).map(one).collect();
    v1::IngestTransfersRequest { transfers, ..Default::default() }
}
