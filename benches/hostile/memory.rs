//! Attacks on the server's memory: messages that cost more than they weigh, answers that nobody
//! reads, senders that stop, and imports beyond all bounds. Measures nothing.

use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use lazaretto::grpc::client::Client;
use lazaretto::grpc::v1;
use lazaretto::grpc::v1::import_list_request::Part;
use prost::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt};

use super::attacks::{many, under_way};
use super::frames::field;
use super::{LISTED_AT_LENGTH, frames};

const SCREEN: &str = "/lazaretto.v1.ScreeningService/ScreenAddress";
const BATCH: &str = "/lazaretto.v1.ScreeningService/BatchScreenAddresses";
const STREAM: &str = "/lazaretto.v1.ScreeningService/StreamScreenAddresses";
const INGEST: &str = "/lazaretto.v1.TransferService/IngestTransfers";

const MIB: usize = 1 << 20;

/// Attacks the server at `endpoint` and never returns, unless `name` is no attack on memory.
pub async fn run(name: &str, endpoint: &str) {
    let plain = async |calls, path, message: &[u8]| {
        repeat(endpoint, calls, path, false, framed(0, message)).await;
    };
    let gzip = async |calls, path, message: &[u8]| {
        repeat(endpoint, calls, path, true, framed(1, &packed(message))).await;
    };
    match name {
        "empty-transfers" => plain(16, INGEST, &[0x12, 0].repeat(8 * MIB)).await,
        "empty-queries" => plain(16, BATCH, &[0x0a, 0].repeat(2 * MIB - 1)).await,
        "list-names" => plain(16, SCREEN, &list_names()).await,
        "nested" => plain(16, SCREEN, &vec![0x7b; 4 * MIB - 1]).await,
        "costliest" => plain(16, INGEST, &costliest(16 * MIB)).await,
        "costliest-inline" => plain(16, INGEST, &costliest(63 << 10)).await,
        "gzips" => gzip(200, INGEST, &[0x12, 0].repeat(8 * MIB)).await,
        "gzips-costliest" => gzip(200, INGEST, &costliest(16 * MIB)).await,
        "batch-in-parts" => {
            let request = v1::BatchScreenAddressesRequest {
                max_response_bytes: 64 << 10,
                ..batch(&"x".repeat(380))
            };
            plain(1, BATCH, &request.encode_to_vec()).await;
        }
        "large-answers" => plain(1, BATCH, &batch(LISTED_AT_LENGTH).encode_to_vec()).await,
        "unread-answers" => unread_answers(endpoint).await,
        "tiny-frames" => tiny_frames(endpoint).await,
        "half-messages" => {
            let begun = framed(0, &vec![0; 16 * MIB]).slice(..10 * MIB);
            half(endpoint, 60, INGEST, begun).await;
        }
        "imports" => import(endpoint, "large", &large_list()).await,
        "bombs-bytes" => {
            // Comments, which are read and not kept: 2 GiB of them.
            let line = format!("# {}\n", "x".repeat(MIB - 3));
            import(endpoint, "bomb", &bomb(&line, 2 << 10)).await;
        }
        "bombs-rows" => import(endpoint, "bomb", &bomb("0x5eed,ETH,1,x\n", 10 << 20)).await,
        "half-uploads" => {
            let head = v1::ImportListRequest { part: Some(Part::Header(header("half"))) };
            let chunk = v1::ImportListRequest { part: Some(Part::Chunk(vec![b' '; MIB])) };
            let whole = framed(0, &chunk.encode_to_vec());
            let begun = [&framed(0, &head.encode_to_vec()), &whole, &whole[..900_000]].concat();
            half(endpoint, 200, "/lazaretto.v1.SanctionsListService/ImportList", begun.into())
                .await;
        }
        _ => {}
    }
}

/// A message as gRPC frames it.
fn framed(flag: u8, message: &[u8]) -> Bytes {
    [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat().into()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// The same text so many times, packed.
fn bomb(text: &str, times: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..times {
        encoder.write_all(text.as_bytes()).expect("a vector takes all");
    }
    encoder.finish().expect("a vector takes all")
}

/// Options with two million names of lists, all empty.
fn list_names() -> Vec<u8> {
    field(2, &field(1, b"").repeat(2_000_000))
}

/// Transfers whose decoding takes about as much memory as it may.
fn costliest(size: usize) -> Vec<u8> {
    // One holder, nameless, and bytes that nobody reads.
    let leg = [field(1, b""), field(15, &[0; 16])].concat();
    let leg = field(2, &leg);
    // A power of two, so that no vector has room to spare.
    let legs = leg.repeat(((size / leg.len() + 1).next_power_of_two() / 2).min(1 << 16));
    let transfer = field(2, &field(8, &legs));
    transfer.repeat(size / transfer.len())
}

fn batch(address: &str) -> v1::BatchScreenAddressesRequest {
    let query = v1::AddressQuery { address: address.to_owned(), ..Default::default() };
    v1::BatchScreenAddressesRequest { queries: vec![query; 10_000], ..Default::default() }
}

fn header(list: &str) -> v1::ImportListHeader {
    v1::ImportListHeader {
        list_id: list.to_owned(),
        kind: v1::ListKind::Advisory.into(),
        format: "csv".to_owned(),
        file_name: format!("{list}.csv"),
        ..Default::default()
    }
}

/// As many rows as a list may have, with nearly as much text.
fn large_list() -> Vec<u8> {
    let mut text = String::from("# published: 2026-01-01\naddress,ticker,party_uid,party_name\n");
    for number in 0..500_000 {
        text += &format!("0x1a46e{number:035x},ETH,{number},A party of some length {number}\n");
    }
    text.into_bytes()
}

async fn connect(endpoint: &str, window: u32) -> Channel {
    let endpoint = Endpoint::from_shared(endpoint.to_owned()).expect("an address");
    let endpoint = endpoint.initial_stream_window_size(window);
    endpoint.initial_connection_window_size(1 << 30).connect().await.expect("the server listens")
}

/// Makes a call, whose answer may be left unread.
async fn call(
    channel: &Channel,
    path: &str,
    is_gzip: bool,
    body: axum::body::Body,
) -> Option<http::Response<Body>> {
    let request = frames::request(path, is_gzip).body(Body::new(body)).expect("a request");
    let mut channel = channel.clone();
    channel.ready().await.ok()?.call(request).await.ok()
}

/// The same call again and again, so many at once, each on a connection of its own.
async fn repeat(endpoint: &str, calls: usize, path: &'static str, is_gzip: bool, message: Bytes) {
    let endpoint = endpoint.to_owned();
    many(calls, async move || {
        let channel = connect(&endpoint, 1 << 30).await;
        let body = axum::body::Body::from(message.clone());
        if let Some(response) = call(&channel, path, is_gzip, body).await {
            drop(axum::body::to_bytes(axum::body::Body::new(response.into_body()), 1 << 30).await);
        }
    })
    .await;
}

/// Batches whose answers nobody reads, and of which the server may not send a byte.
async fn unread_answers(endpoint: &str) {
    let endpoint = endpoint.to_owned();
    let message = framed(0, &batch(LISTED_AT_LENGTH).encode_to_vec());
    many(64, async move || {
        let reader = connect(&endpoint, 0).await;
        let body = axum::body::Body::from(message.clone());
        if let Some(response) = call(&reader, BATCH, false, body).await {
            drop(axum::body::to_bytes(axum::body::Body::new(response.into_body()), 1 << 30).await);
        }
    })
    .await;
}

/// Streams whose answers nobody reads, and whose questions come a byte a frame.
async fn tiny_frames(endpoint: &str) {
    let address = endpoint.trim_start_matches("http://");
    let query = v1::AddressQuery { address: LISTED_AT_LENGTH.to_owned(), ..Default::default() };
    let question = v1::StreamScreenAddressesRequest { query: Some(query), options: None };
    let mut bytes = frames::opening(0);
    frames::call(&mut bytes, 1, STREAM);
    frames::data(&mut bytes, 1, &framed(0, &question.encode_to_vec()), false);
    for _ in 0..32_000 {
        frames::frame(&mut bytes, 0, 0, 1, &[0]);
    }
    let mut held = Vec::new();
    under_way();
    for _ in 0..250 {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        drop(tokio::time::timeout(Duration::from_secs(1), stream.write_all(&bytes)).await);
        held.push(stream);
    }
    std::future::pending::<()>().await;
}

/// Calls of which only these bytes come; again once they are ended.
async fn half(endpoint: &str, calls: usize, path: &'static str, begun: Bytes) {
    let endpoint = endpoint.to_owned();
    many(calls, async move || {
        let channel = connect(&endpoint, 1 << 20).await;
        let first = tokio_stream::once(Ok::<_, Infallible>(begun.clone()));
        let body = axum::body::Body::from_stream(first.chain(tokio_stream::pending()));
        if let Some(response) = call(&channel, path, false, body).await {
            drop(axum::body::to_bytes(axum::body::Body::new(response.into_body()), 1 << 30).await);
        }
    })
    .await;
}

/// Imports the file again and again, four at once.
async fn import(endpoint: &str, list: &str, file: &[u8]) {
    let head = v1::ImportListRequest { part: Some(Part::Header(header(list))) };
    let chunks = file.chunks(MIB).map(|chunk| Part::Chunk(chunk.to_vec()));
    let chunks = chunks.map(|part| v1::ImportListRequest { part: Some(part) });
    let parts: Vec<_> = std::iter::once(head).chain(chunks).collect();
    let endpoint = endpoint.to_owned();
    many(4, async move || {
        let client = Client::connect(&endpoint).await.expect("a connection");
        drop(client.lists.clone().import_list(tokio_stream::iter(parts.clone())).await);
    })
    .await;
}
