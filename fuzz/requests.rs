//! Requests as bytes: the name of a method, a line feed, and its message; of a stream, several with
//! [`BETWEEN`] between them.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use http_body::Body as _;
use jiff::Timestamp;
use lazaretto::config::{Config, Flags};
use lazaretto::engine::Engine;
use lazaretto::grpc::wire::scan::{Fault, by_name};
use lazaretto::grpc::{in_process, v1};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

const BETWEEN: &[u8] = b"\n&\n";

/// Calls that one server answers: what they store must not grow without end.
const MAX_CALLS: u32 = 2_000;

/// Transfers, so that there is something to ask for.
const TRANSFERS: &[u8] = include_bytes!("seeds/calls/IngestTransfers");

/// The methods of the services: the name, and the path of a call.
static METHODS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(v1::DESCRIPTORS).expect("the build makes them");
    let mut methods = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let of = format!("/{}.{}", file.package(), service.name());
            let named = |name: &str| (name.to_owned(), format!("{of}/{name}"));
            methods.extend(service.method.iter().map(|method| named(method.name())));
        }
    }
    methods
});

/// The names of the methods.
#[allow(dead_code, reason = "tests ask for them, the fuzzer does not")]
pub fn methods() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|(name, _)| name.as_str())
}

/// The method and its messages. A name that is none, as of changed bytes, stands for some method.
fn parse(bytes: &[u8]) -> Option<(&'static (String, String), &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (name, messages) = (&bytes[..end], &bytes[end + 1..]);
    let named = METHODS.iter().find(|(known, _)| known.as_bytes() == name);
    let some =
        || &METHODS[name.iter().map(|byte| usize::from(*byte)).sum::<usize>() % METHODS.len()];
    Some((named.unwrap_or_else(some), messages))
}

fn split(mut messages: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(end) = messages.windows(BETWEEN.len()).position(|part| part == BETWEEN) {
        parts.push(&messages[..end]);
        messages = &messages[end + BETWEEN.len()..];
    }
    parts.push(messages);
    parts
}

/// The check of the bytes takes what prost takes within the limits, and counts as prost does.
pub fn check(bytes: &[u8]) {
    let Some(((name, _), bytes)) = parse(bytes) else { return };
    let scanned = by_name(&format!("lazaretto.v1.{name}Request"), bytes).expect("a request");
    let counted = match name.as_str() {
        "BatchScreenAddresses" => {
            v1::BatchScreenAddressesRequest::decode(bytes).map(|it| it.queries.len())
        }
        "ScreenPayment" => v1::ScreenPaymentRequest::decode(bytes).map(|it| it.sources.len()),
        "DeclareCoverage" => v1::DeclareCoverageRequest::decode(bytes).map(|it| it.covered.len()),
        "IngestTransfers" => v1::IngestTransfersRequest::decode(bytes).map(|it| it.transfers.len()),
        _ => return,
    };
    match (scanned, counted) {
        (Ok(scanned), Ok(counted)) => assert_eq!(scanned.counts[0] as usize, counted),
        (Err(Fault::Malformed(why)), Ok(_)) => assert!(why.contains("stands twice"), "{why}"),
        (Ok(_) | Err(_), _) => {}
    }
}

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// The services in this process, on a store of their own.
struct Server {
    channel: Channel,
    calls: u32,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let data_dir = Some(dir.path().to_owned());
        let flags = Flags { data_dir, offline: true, ..Flags::default() };
        let config = Config::load(&flags, []).expect("the settings are well-formed");
        let now = "2025-11-20T12:00:00Z".parse::<Timestamp>().expect("a time");
        let engine = Engine::open(&config, Arc::new(move || now)).expect("a new store opens");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let channel = runtime.block_on(in_process(engine)).expect("the services start");
        let mut server = Self { channel, calls: 0, runtime, _dir: dir };
        let code = server.answer(TRANSFERS);
        assert_eq!(code, Some(Code::Ok), "the seed is a valid request");
        server
    }

    /// The status of the call.
    fn answer(&mut self, bytes: &[u8]) -> Option<Code> {
        let ((_, path), messages) = parse(bytes)?;
        let mut body = Vec::new();
        for message in split(messages) {
            body.push(0);
            body.extend((message.len() as u32).to_be_bytes());
            body.extend(message);
        }
        let request = http::Request::post(path.as_str())
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(Body::new(axum::body::Body::from(body)))
            .expect("the path is one of the descriptors");
        self.calls += 1;
        let status = self.runtime.block_on(status(&mut self.channel, request));
        Some(status.code())
    }
}

async fn status(channel: &mut Channel, request: http::Request<Body>) -> Status {
    let channel = channel.ready().await.expect("the services go on");
    let response = channel.call(request).await.expect("the services go on");
    let (head, mut body) = response.into_parts();
    let mut trailers = head.headers;
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
    {
        match frame {
            Ok(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            Err(status) => return status,
        }
    }
    Status::from_header_map(&trailers).expect("an answer ends with a status")
}

/// Calls the method. An answer is none of our faults, which have these codes.
pub fn call(bytes: &[u8]) {
    SERVER.with_borrow_mut(|server| {
        if server.as_ref().is_some_and(|server| server.calls > MAX_CALLS) {
            *server = None;
        }
        let code = server.get_or_insert_with(Server::start).answer(bytes);
        assert!(!matches!(code, Some(Code::Internal | Code::Unknown | Code::DataLoss)), "{code:?}");
    });
}
