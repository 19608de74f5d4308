//! What clients that mean no good do to a server, each for as long as it is let. Measures nothing.

use std::rc::Rc;
use std::time::Duration;

use lazaretto::grpc::client::Client;
use lazaretto::grpc::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::{frames, memory};

/// One way to be a nuisance.
pub struct Attack {
    /// What the command line calls it.
    pub name: &'static str,
    /// What it does.
    pub words: &'static str,
    /// Whether the client beside it has a goal; what is asked honestly, only too much of it, has
    /// none: who shares a server shares its time.
    pub has_goal: bool,
    /// How many times as long as others it is looked at.
    pub looks: u32,
}

/// All of them.
pub const ATTACKS: [Attack; 26] = [
    attack("loris", "500 connections that do not begin", true),
    attack("headers", "300 connections within their headers", true),
    attack("oversized", "16 clients with messages of 5 MB", true),
    attack("deep", "64 deep questions under way", true),
    attack("unread-stream", "200 streams whose answers nobody reads", true),
    attack("unread-bytes", "64 batches on connections nobody reads", true),
    attack("flood", "connections, as fast as they come", true),
    attack("batches", "8 batches of 10,000 under way", false),
    attack("calls", "16 x 200 questions under way", false),
    attack("empty-transfers", "16 x 16 MiB of empty transfers", true),
    attack("empty-queries", "16 x 4 MiB of empty queries", true),
    attack("list-names", "16 x 2 million names of lists", true),
    attack("nested", "16 x 4 MiB of nested groups", true),
    attack("costliest", "16 x the costliest 16 MiB", true),
    attack("costliest-inline", "16 x the costliest 63 KiB", true),
    attack("gzips", "200 x 16 MiB of empty transfers, packed", true),
    attack("gzips-costliest", "200 x the costliest 16 MiB, packed", true),
    attack("batch-in-parts", "1 x 4 MiB of queries, in parts", true),
    attack("large-answers", "1 x 10,000 large findings", false),
    attack("unread-answers", "64 x 10,000 large findings, unread", true),
    attack("tiny-frames", "250 unread streams, frames of a byte", true),
    attack("half-messages", "60 x 10 of 16 MiB", true),
    attack("half-uploads", "200 x half a part of an import", true),
    long("imports", "4 imports of 500,000 rows"),
    long("bombs-bytes", "4 imports of 2 GiB, packed"),
    long("bombs-rows", "4 imports of 10 million rows, packed"),
];

const fn attack(name: &'static str, words: &'static str, has_goal: bool) -> Attack {
    Attack { name, words, has_goal, looks: 1 }
}

/// An attack that takes long to begin.
const fn long(name: &'static str, words: &'static str) -> Attack {
    Attack { name, words, has_goal: true, looks: 5 }
}

/// Preface and an empty SETTINGS frame.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Attacks the server at `endpoint` and never returns; prints a line once it does.
pub async fn run(name: &str, endpoint: &str) {
    let address = endpoint.trim_start_matches("http://").to_owned();
    let url = endpoint.to_owned();
    let client = async move || Client::connect(&url).await;
    match name {
        "loris" => slow(address, 500, OPENING[..10].to_vec()).await,
        "headers" => {
            // HEADERS of 1,000 bytes on stream 1, of which ten come.
            let head = [OPENING, b"\0\x03\xe8\x01\x04\0\0\0\x01", &[0x82; 10]].concat();
            slow(address, 300, head).await;
        }
        "oversized" => {
            many(16, async move || {
                let large = question("x".repeat(5 << 20));
                let mut screening = client().await.expect("a connection").screening;
                drop(screening.screen_address(large).await);
            })
            .await;
        }
        "deep" => {
            let listed = format!("0x{:040x}", 0x5eed_0000_0007_u64);
            let client = client().await.expect("a connection");
            many(64, async move || {
                let options = v1::ScreeningOptions { include_evidence: true, ..Default::default() };
                let deep =
                    v1::ScreenAddressRequest { options: Some(options), ..question(listed.clone()) };
                drop(client.screening.clone().screen_address(deep).await);
            })
            .await;
        }
        "unread-stream" => unread_streams(endpoint).await,
        "unread-bytes" => unread_bytes(&address).await,
        "flood" => {
            many(64, async move || {
                if let Ok(stream) = TcpStream::connect(&address).await {
                    // Reset at its end, so that the attacker does not run out of ports.
                    drop(stream.set_zero_linger());
                }
            })
            .await;
        }
        "batches" => {
            let queries = vec![question(CLEAN.to_owned()).query.expect("it has one"); 10_000];
            let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
            let client = client().await.expect("a connection");
            many(8, async move || {
                drop(client.screening.clone().batch_screen_addresses(batch.clone()).await);
            })
            .await;
        }
        "calls" => {
            let mut clients = Vec::new();
            for _ in 0..16 {
                clients.push(client().await.expect("a connection"));
            }
            let next = std::cell::Cell::new(0_usize);
            many(16 * 200, async move || {
                next.set(next.get() + 1);
                let client = &clients[next.get() % clients.len()];
                drop(client.screening.clone().screen_address(question(CLEAN.to_owned())).await);
            })
            .await;
        }
        _ => memory::run(name, endpoint).await,
    }
}

const CLEAN: &str = "0x00000000219ab540356cbb839cbe05303d7705fa";

fn question(address: String) -> v1::ScreenAddressRequest {
    let query = v1::AddressQuery { address, ..Default::default() };
    v1::ScreenAddressRequest { query: Some(query), options: None, ..Default::default() }
}

pub fn under_way() {
    println!("under way");
}

/// Does the same again and again, so many times at once.
pub async fn many(at_once: usize, work: impl AsyncFn() + 'static) {
    let work = Rc::new(work);
    let tasks = tokio::task::LocalSet::new();
    for _ in 0..at_once {
        let work = work.clone();
        tasks.spawn_local(async move {
            loop {
                work().await;
            }
        });
    }
    under_way();
    tasks.run_until(std::future::pending()).await
}

/// Connections that say something and no more; again once they are closed.
async fn slow(address: String, connections: usize, words: Vec<u8>) {
    many(connections, async move || {
        if let Ok(mut stream) = TcpStream::connect(&address).await
            && stream.write_all(&words).await.is_ok()
        {
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
    })
    .await;
}

/// Streams with thousands of questions, of which no answer is read.
async fn unread_streams(endpoint: &str) {
    let mut held = Vec::new();
    for _ in 0..20 {
        let client = Client::connect(endpoint).await.expect("a connection");
        for _ in 0..10 {
            let (ask, asked) = mpsc::unbounded_channel();
            for _ in 0..5_000 {
                let query = question(CLEAN.to_owned()).query;
                let question = v1::StreamScreenAddressesRequest { query, options: None };
                ask.send(question).expect("somebody holds the other end");
            }
            let asked = UnboundedReceiverStream::new(asked);
            let call = client.screening.clone().stream_screen_addresses(asked).await;
            held.push((ask, call));
        }
    }
    under_way();
    std::future::pending::<()>().await;
    drop(held);
}

/// Batches on connections that are never read, whose questions are written by hand: what no client
/// does by itself.
async fn unread_bytes(address: &str) {
    use prost::Message;
    let queries = vec![question(CLEAN.to_owned()).query.expect("it has one"); 10_000];
    let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() }.encode_to_vec();
    let batch = [&[0][..], &(batch.len() as u32).to_be_bytes(), &batch].concat();
    let path = "/lazaretto.v1.ScreeningService/BatchScreenAddresses";
    let mut held = Vec::new();
    under_way();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let mut bytes = frames::opening(1 << 30);
        for call in 0..8_u32 {
            frames::call(&mut bytes, 2 * call + 1, path);
            frames::data(&mut bytes, 2 * call + 1, &batch, true);
        }
        // As far as it goes: the server's own window ends it.
        drop(tokio::time::timeout(Duration::from_millis(100), stream.write_all(&bytes)).await);
        held.push(stream);
    }
    std::future::pending::<()>().await;
}
