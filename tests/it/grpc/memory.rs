//! The worst that clients can do to a server's memory, one kind after the other, to one server that
//! has little address space: each is refused by the limit that is meant for it, and a listed address
//! is still BLOCK.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::process::Command;

use bytes::Bytes;
use http_body::Body as _;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt};

use super::messages::{BATCH, INGEST, SCREEN, framed, packed};
use super::*;
use crate::support::frames::{self, field};
use crate::support::server::{LAZARETTO, ServerChild, serve_arguments, without_settings};

const STREAM: &str = "/lazaretto.v1.ScreeningService/StreamScreenAddresses";
const IMPORT: &str = "/lazaretto.v1.SanctionsListService/ImportList";

const MIB: usize = 1 << 20;

/// What messages and answers under way may hold: the default of `limits.message_mib` (docs/server.md,
/// "Memory").
const MESSAGES: usize = 384 * MIB;

/// What is made beside them at the same time: one answer of up to 64 MiB, its items and the bytes that
/// they are encoded to, which grow by doubling.
const IN_THE_MAKING: usize = 3 * 64 * MIB;

/// What is not counted: small messages and answers, what waits in the windows of HTTP/2, and what the
/// allocator gives back later: what one thread frees of another's stays until that one allocates again
/// (measured: as much as messages had).
const UNCOUNTED: usize = 640 * MIB;

/// All of it.
const PROMISED: usize = MESSAGES + IN_THE_MAKING + UNCOUNTED;

/// All the address space that the server may take: less than the chart (helm/lazaretto/values.yaml)
/// gives it of memory, which has room for lists and transfers too. Idle it takes some 200 MiB, of which 90 are resident. Address space is more than
/// memory: the allocator keeps the addresses of what it gives back, a message has room for all of its
/// bytes before they come, and an answer for up to twice as many. What was resident is held against
/// the promise itself.
const SPACE: usize = 3_072 * MIB;

/// Callers without an identity are told apart by where they come from.
const CALLERS: [[u8; 4]; 3] = [[127, 0, 0, 2], [127, 0, 0, 3], [127, 0, 0, 4]];

/// How calls ended: `OK`, `held` where no end came, or reason and limit of a refusal.
type Ends = BTreeMap<String, usize>;

struct Besieged {
    server: ServerChild,
    client: Client,
    /// What it had before anything was asked, in bytes.
    idle: usize,
    _dir: tempfile::TempDir,
}

impl Besieged {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("/bin/sh");
        without_settings(&mut command);
        // Without address space that the allocators of C and Rust reserve in advance: 64 MiB for each
        // thread, and 1 GiB.
        command.env("MALLOC_ARENA_MAX", "1").env("MIMALLOC_ARENA_RESERVE", "262144");
        let limited = format!("ulimit -v {}; exec \"$@\"", SPACE >> 10);
        command.args(["-c", &limited, "sh", LAZARETTO]).args(serve_arguments(dir.path()));
        command.args(["--set", "operations=127.0.0.1:0"]);
        // Half of a message is held until the test has looked, however busy the machine is.
        command.args(["--set", "limits.stall_timeout=10m"]);
        let server = ServerChild::spawn(command, dir.path());
        let client = Client::connect(server.endpoint()).await.unwrap();
        let idle = server.memory("VmRSS");
        let besieged = Self { server, client, idle, _dir: dir };
        // A name as long as real ones are not: answers that tell it are large.
        let name = "x".repeat(16_000);
        let file = csv("2025-11-20", &[format!("{},ETH,1,{name}", evm(0))]);
        besieged.import("listed", &[file]).await.unwrap();
        besieged
    }

    async fn import(&self, list: &str, chunks: &[Vec<u8>]) -> Result<(), Status> {
        let head = Part::Header(header(list, v1::ListKind::Sanctions));
        let chunks = chunks.iter().map(|chunk| Part::Chunk(chunk.clone()));
        let parts: Vec<_> = std::iter::once(head)
            .chain(chunks)
            .map(|part| v1::ImportListRequest { part: Some(part) })
            .collect();
        let mut lists = self.client.lists.clone();
        lists.import_list(tokio_stream::iter(parts)).await.map(drop)
    }

    async fn metric(&self, name: &str) -> f64 {
        let page = super::operations::get(self.server.operations(), "/metrics").await.2;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {page}")).parse().unwrap()
    }

    /// A connection of a caller, which takes `window` bytes of each answer unasked.
    async fn connect(&self, caller: usize, window: u32) -> Channel {
        let endpoint = Endpoint::from_shared(self.server.endpoint().to_owned()).unwrap();
        let from = IpAddr::from(CALLERS[caller % CALLERS.len()]);
        let endpoint = endpoint.local_address(Some(from)).initial_stream_window_size(window);
        endpoint.connect().await.unwrap()
    }

    /// Makes calls at once, each on a connection of its own, and waits for all ends.
    async fn end_all(&self, calls: usize, path: &'static str, is_gzip: bool, body: &Bytes) -> Ends {
        let mut set = JoinSet::new();
        for number in 0..calls {
            let (channel, body) = (self.connect(number, 1 << 20).await, body.clone());
            set.spawn(
                async move { end_of(call(&channel, path, is_gzip, whole(body)).await).await },
            );
        }
        let mut ends = Ends::new();
        while let Some(end) = set.join_next().await {
            *ends.entry(end.unwrap()).or_default() += 1;
        }
        ends
    }

    /// That the server lives, knows who is listed, and had at most so many bytes more than when it
    /// was idle.
    async fn check(&self, after: &str, more: usize) {
        let mut screening = self.client.screening.clone();
        let answer = screening.screen_address(question(&evm(0))).await.unwrap().into_inner();
        let said = said(&answer.screening.unwrap());
        assert!(said.starts_with("BLOCK 100"), "{after}: {said}");
        let [peak, space] = ["VmHWM", "VmPeak"].map(|name| self.server.memory(name));
        let taken = peak - self.idle;
        println!("{after}: {} MiB more, address space {} MiB", taken / MIB, space / MIB);
        assert!(taken <= more, "{after}: {} MiB more, at most {}", taken / MIB, more / MIB);
    }
}

fn whole(body: Bytes) -> axum::body::Body {
    axum::body::Body::from(body)
}

/// The response, or why there is none.
async fn call(
    channel: &Channel,
    path: &str,
    is_gzip: bool,
    body: axum::body::Body,
) -> Result<http::Response<Body>, String> {
    let request = frames::request(path, is_gzip).body(Body::new(body)).unwrap();
    let mut channel = channel.clone();
    let ready = channel.ready().await.map_err(|error| format!("{error:?}"))?;
    ready.call(request).await.map_err(|error| format!("{error:?}"))
}

/// How a call ended.
async fn end_of(response: Result<http::Response<Body>, String>) -> String {
    let response = match response {
        Ok(response) => response,
        Err(error) => return error,
    };
    let (parts, mut body) = response.into_parts();
    let mut status = Status::from_header_map(&parts.headers);
    while status.is_none() {
        let frame =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context));
        match frame.await {
            Some(Ok(frame)) => {
                status = frame.trailers_ref().and_then(Status::from_header_map);
            }
            Some(Err(error)) => return format!("{error:?}"),
            None => return "an answer without an end".to_owned(),
        }
    }
    named(&status.unwrap())
}

/// `OK`, or the reason and the limit that a refusal names.
fn named(status: &Status) -> String {
    if status.code() == Code::Ok {
        return "OK".to_owned();
    }
    let details = status.get_error_details();
    let Some(info) = details.error_info() else { return format!("{status:?}") };
    match info.metadata.get("limit") {
        Some(limit) => format!("{} {limit}", info.reason),
        None => info.reason.clone(),
    }
}

/// That every call ended in one of these ways, and some in the first.
#[track_caller]
fn check_ends(what: &str, ends: &Ends, expected: &[&str]) {
    assert!(ends.keys().any(|end| end.starts_with(expected[0])), "{what}: {ends:?}");
    let is_expected = |end: &String| expected.iter().any(|it| end.starts_with(it));
    assert!(ends.keys().all(is_expected), "{what}: {ends:?}");
}

/// What a call may be refused for because others are under way.
const OVERLOADED: [&str; 1] = ["OVERLOADED limits.message_mib"];

/// Transfers of 4 MiB whose decoding takes as much memory as a message of that size may take.
fn costliest() -> Vec<u8> {
    // One holder, nameless, and bytes that nobody reads.
    let leg = [field(1, b""), field(15, &[0; 16])].concat();
    let legs = |number| field(number, &leg).repeat(1 << 15);
    let utxo = field(8, &[legs(2), legs(3)].concat());
    let transfer = field(2, &utxo);
    transfer.repeat(4 * MIB / transfer.len())
}

async fn messages(besieged: &Besieged) {
    let names = field(2, &field(1, b"").repeat(2_000_000));
    // Groups within groups, which no message of ours has.
    let deep = vec![0x7b; 4 * MIB];
    let rows = [
        ("transfers", INGEST, [0x12, 0].repeat(8 * MIB), [12, 200], "TOO_MANY_ITEMS"),
        ("few transfers", INGEST, [0x12, 0].repeat(10_000), [12, 24], "MESSAGE_TOO_LARGE"),
        ("queries", BATCH, [0x0a, 0].repeat(2_000_000), [12, 24], "TOO_MANY_ITEMS"),
        ("names of lists", SCREEN, names, [12, 24], "TOO_MANY_ITEMS"),
        ("groups in groups", SCREEN, deep, [12, 24], "MALFORMED_MESSAGE"),
        ("a byte too many", SCREEN, vec![0; 4 * MIB + 1], [12, 24], "MESSAGE_TOO_LARGE"),
        // Refused by the service, within the stream of its answers.
        ("the costliest", INGEST, costliest(), [9, 9], "OK"),
    ];
    for (what, path, message, calls, end) in rows {
        let bodies = [framed(0, &message), framed(1, &packed(&message))];
        for ((calls, body), is_gzip) in calls.into_iter().zip(bodies).zip([false, true]) {
            let ends = besieged.end_all(calls, path, is_gzip, &body.into()).await;
            check_ends(what, &ends, &[&[end][..], &OVERLOADED].concat());
            besieged.check(what, MESSAGES).await;
        }
    }
}

async fn unread_answers(besieged: &Besieged) {
    let queries = (0..2_000).map(|_| query(&evm(0))).collect();
    let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
    let body = Bytes::from(framed(0, &batch.encode_to_vec()));
    let (mut held, mut ends) = (Vec::new(), Ends::new());
    // 32 MB each: a third of them fits.
    for number in 0..30 {
        let reader = besieged.connect(number, 0).await;
        let response = call(&reader, BATCH, false, whole(body.clone())).await.unwrap();
        let end = Status::from_header_map(response.headers());
        *ends.entry(end.map_or_else(|| "held".to_owned(), |it| named(&it))).or_default() += 1;
        held.push((reader, response));
    }
    check_ends("unread answers", &ends, &[&["held"][..], &OVERLOADED].concat());
    besieged.check("unread answers", PROMISED).await;
}

/// Streams whose answers nobody reads, with questions in frames of a byte, each of which takes 280 bytes
/// of the server; some with padding, which h2 takes off, some of calls that were given up: h2 keeps
/// the room of their frames for its connection.
async fn tiny_frames(besieged: &Besieged) {
    const CONNECTIONS: usize = 300;
    const FRAMES: usize = 16_000;
    let address = besieged.server.endpoint().trim_start_matches("http://");
    let mut held = Vec::new();
    for number in 0..CONNECTIONS {
        let mut bytes = frames::opening(0);
        frames::call(&mut bytes, 1, STREAM);
        let question =
            v1::StreamScreenAddressesRequest { query: Some(query(&evm(0))), options: None };
        frames::data(&mut bytes, 1, &framed(0, &question.encode_to_vec()), false);
        for _ in 0..FRAMES {
            // PADDED (RFC 9113, section 6.1), with three bytes of it.
            match number % 2 {
                0 => frames::frame(&mut bytes, 0, 0, 1, &[0]),
                _ => frames::frame(&mut bytes, 0, 8, 1, &[3, 0, 0, 0, 0]),
            }
        }
        if number % 3 == 0 {
            frames::frame(&mut bytes, 3, 0, 1, &[0, 0, 0, 8]);
        }
        frames::frame(&mut bytes, 6, 0, 0, b"the last");
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Closed before all were taken, or the answer to the last frame comes.
        let mut read = Vec::new();
        let mut is_closed = stream.write_all(&bytes).await.is_err();
        while !is_closed && !read.windows(8).any(|bytes| bytes == b"the last") {
            is_closed = stream.read_buf(&mut read).await.map_or(true, |more| more == 0);
        }
        held.push(stream);
    }
    // All come from one address: what is over its limit is closed, be it the last that came or, once
    // it is slow, the first.
    let open = |stream: &TcpStream| {
        let mut read = [0; 4_096];
        loop {
            match stream.try_read(&mut read) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return true,
                Ok(0) | Err(_) => return false,
            }
        }
    };
    // Charged for in steps of 256 frames.
    let most = 192 * MIB / ((FRAMES - 256) * 280) + 1;
    while held.iter().filter(|stream| open(stream)).count() > most {
        tokio::task::yield_now().await;
    }
    const { assert!(CONNECTIONS * FRAMES * 280 > PROMISED, "it would be too much") };
    besieged.check("tiny frames", PROMISED).await;
}

/// Sends `sent` and no more, for as long as the sender is held.
fn half(sent: Bytes) -> (mpsc::UnboundedSender<Bytes>, axum::body::Body) {
    let (part, parts) = mpsc::unbounded_channel();
    part.send(sent).unwrap();
    let parts = UnboundedReceiverStream::new(parts).map(Ok::<_, Infallible>);
    (part, axum::body::Body::from_stream(parts))
}

/// Begins so many calls of which only these bytes come, until messages hold `held` bytes; then does
/// `then`, and ends them.
async fn half_calls(
    besieged: &Besieged,
    (calls, path, begun): (usize, &'static str, Vec<u8>),
    held: usize,
    then: impl AsyncFnOnce(),
) -> Ends {
    let begun = Bytes::from(begun);
    let mut set = JoinSet::new();
    let mut senders = Vec::new();
    for number in 0..calls {
        let channel = besieged.connect(number, 1 << 20).await;
        let (part, body) = half(begun.clone());
        senders.push(part);
        set.spawn(async move { end_of(call(&channel, path, false, body).await).await });
    }
    while besieged.metric("lazaretto_message_bytes").await < held as f64 {}
    then().await;
    drop(senders);
    let mut ends = Ends::new();
    while let Some(end) = set.join_next().await {
        *ends.entry(end.unwrap()).or_default() += 1;
    }
    ends
}

async fn half_messages(besieged: &Besieged) {
    let begun = framed(0, &vec![0; 12 * MIB])[..11 * MIB].to_vec();
    let ends = half_calls(besieged, (90, INGEST, begun), 320 * MIB, async || {
        besieged.check("half messages", PROMISED).await;
        // Who sends a whole one gets the room of one that sends nothing.
        let queries = (0..2_000).map(|_| query(CLEAN)).collect();
        let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
        let body = Bytes::from(framed(0, &batch.encode_to_vec()));
        while !besieged.end_all(1, BATCH, false, &body).await.contains_key("OK") {}
    });
    let expected = ["OVERLOADED limits.message_mib", "MALFORMED_MESSAGE"];
    check_ends("half messages", &ends.await, &expected);
}

async fn imports(besieged: &Besieged) {
    let head = Part::Header(header("half", v1::ListKind::Sanctions));
    let chunk = Part::Chunk(vec![b' '; MIB]);
    let [head, chunk] = [head, chunk]
        .map(|part| framed(0, &v1::ImportListRequest { part: Some(part) }.encode_to_vec()));
    let begun = [&head, &chunk, &chunk[..700_000]].concat();
    let ends = half_calls(besieged, (100, IMPORT, begun), 60 * MIB, async || {
        besieged.check("half imports", PROMISED).await;
    });
    check_ends("half imports", &ends.await, &["MALFORMED_MESSAGE"]);
    // Comments are read and not kept: 1 GiB and a little.
    let member = packed(format!("# {}\n", "x".repeat(60_000)).repeat(16).as_bytes());
    let comments = member.repeat((1 << 10) + 200);
    let chunks: Vec<_> = comments.chunks(MIB).map(<[u8]>::to_vec).collect();
    let [a, b, c, d] = [(); 4].map(|()| besieged.import("bomb", &chunks));
    let malformed = (Code::InvalidArgument, "MALFORMED_FILE", "", "bytes unpacked");
    for outcome in <[_; 4]>::from(tokio::join!(a, b, c, d)) {
        check_refused(outcome, malformed);
    }
    besieged.check("imports of comments", PROMISED).await;
    // 500,000 rows, the most that are taken, would take minutes in a debug build, and so would 64 MiB of
    // text: the bench `hostile` has them.
    let file = csv("2025-11-20", &made_up(0..10_000));
    let [a, b, c, d] = [(); 4].map(|()| besieged.import("large", std::slice::from_ref(&file)));
    for outcome in <[_; 4]>::from(tokio::join!(a, b, c, d)) {
        outcome.unwrap();
    }
    besieged.check("imports", PROMISED).await;
}

#[test]
fn the_worst_of_each_kind_stays_within_its_memory() {
    let siege = async {
        let besieged = Besieged::start().await;
        messages(&besieged).await;
        unread_answers(&besieged).await;
        tiny_frames(&besieged).await;
        half_messages(&besieged).await;
        imports(&besieged).await;
    };
    // Some 25 seconds alone, and several times that beside other tests.
    runtime().block_on(async {
        tokio::time::timeout(5 * BOUND, siege).await.expect("it ends in time");
    });
}
