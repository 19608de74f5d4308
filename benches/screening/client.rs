//! The bench's client: sends messages encoded beforehand and counts answers without decoding
//! them, so that the client costs as little as it can. Runs on one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lazaretto::grpc::v1;
use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::secured::Secured;

/// The largest answer taken, in bytes: a batch of listed addresses is a few hundred kilobytes.
const MAX_ANSWER: usize = 64 << 20;

/// A method of the service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Unary,
    Batch,
    Stream,
}

impl Method {
    fn path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Self::Unary => "/lazaretto.v1.ScreeningService/ScreenAddress",
            Self::Batch => "/lazaretto.v1.ScreeningService/BatchScreenAddresses",
            Self::Stream => "/lazaretto.v1.ScreeningService/StreamScreenAddresses",
        })
    }
}

/// How a method is called.
#[derive(Clone, Copy)]
pub struct Load {
    pub name: &'static str,
    pub method: Method,
    pub connections: usize,
    /// Calls at a time on each connection; for streams, streams.
    pub in_flight: usize,
}

/// Messages to send, encoded, over and over.
pub struct Messages {
    encoded: Vec<Bytes>,
    /// Addresses in each.
    pub addresses: usize,
}

impl Messages {
    /// `addresses` as `method` takes them; batches of `batch`.
    pub fn new(method: Method, addresses: &[String], batch: usize) -> Self {
        let query =
            |address: &String| v1::AddressQuery { address: address.clone(), ..Default::default() };
        let one = |address| v1::ScreenAddressRequest {
            query: Some(query(address)),
            options: None,
            ..Default::default()
        };
        let several = |addresses: &[String]| v1::BatchScreenAddressesRequest {
            queries: addresses.iter().map(query).collect(),
            ..Default::default()
        };
        let next = |address| v1::StreamScreenAddressesRequest {
            query: Some(query(address)),
            options: None,
        };
        let encoded = match method {
            Method::Unary => addresses.iter().map(|a| one(a).encode_to_vec().into()).collect(),
            Method::Batch => {
                addresses.chunks(batch).map(|a| several(a).encode_to_vec().into()).collect()
            }
            Method::Stream => addresses.iter().map(|a| next(a).encode_to_vec().into()).collect(),
        };
        Self { encoded, addresses: if method == Method::Batch { batch } else { 1 } }
    }
}

/// The open connections to one server, and what the client says of itself with each call.
pub struct Connections(Vec<Channel>, Option<AsciiMetadataValue>);

impl Connections {
    /// Opens `count` connections to `endpoint`.
    pub async fn open(endpoint: &str, count: usize, secured: Option<&Secured>) -> Self {
        let mut channels = Vec::new();
        for _ in 0..count {
            let mut endpoint =
                Endpoint::from_shared(endpoint.to_owned()).expect("the server's URL");
            if let Some(secured) = secured {
                endpoint = endpoint.tls_config(secured.client()).expect("the bench's certificate");
            }
            channels.push(endpoint.connect().await.expect("the server listens"));
        }
        Self(channels, secured.map(Secured::authorization))
    }

    /// Sends `count` messages as `load` says and waits for all answers: how long that took.
    /// Panics where one is refused.
    pub async fn run(&self, load: Load, messages: &Arc<Messages>, count: usize) -> Duration {
        let next = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        let started = Instant::now();
        for channel in &self.0[..load.connections] {
            for _ in 0..load.in_flight {
                let grpc = Grpc::new(channel.clone()).max_decoding_message_size(MAX_ANSWER);
                let (messages, next, said) = (messages.clone(), next.clone(), self.1.clone());
                let take = Take { messages, next, count, said };
                match load.method {
                    Method::Stream => callers.spawn(stream(grpc, take)),
                    method @ (Method::Unary | Method::Batch) => {
                        callers.spawn(call(grpc, method.path(), take))
                    }
                };
            }
        }
        let mut answers = 0;
        while let Some(ended) = callers.join_next().await {
            answers += ended.expect("no caller panics").expect("no call is refused");
        }
        assert_eq!(answers, count, "one answer per message");
        started.elapsed()
    }
}

/// The messages that are left, shared among callers.
struct Take {
    messages: Arc<Messages>,
    next: Arc<AtomicUsize>,
    count: usize,
    said: Option<AsciiMetadataValue>,
}

impl Take {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(said) = &self.said {
            request.metadata_mut().insert("authorization", said.clone());
        }
        request
    }
}

impl Iterator for Take {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        let encoded = &self.messages.encoded;
        (place < self.count).then(|| encoded[place % encoded.len()].clone())
    }
}

async fn call(
    mut grpc: Grpc<Channel>,
    path: PathAndQuery,
    mut messages: Take,
) -> Result<usize, Status> {
    let mut answers = 0;
    while let Some(message) = messages.next() {
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let answer = grpc.unary(messages.request(message), path.clone(), Uncoded).await?;
        assert!(answer.into_inner() > 0, "an answer has bytes");
        answers += 1;
    }
    Ok(answers)
}

async fn stream(mut grpc: Grpc<Channel>, messages: Take) -> Result<usize, Status> {
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let mut request = messages.request(());
    let metadata = std::mem::take(request.metadata_mut());
    let mut request = Request::new(tokio_stream::iter(messages));
    *request.metadata_mut() = metadata;
    let response = grpc.streaming(request, Method::Stream.path(), Uncoded).await?;
    let mut stream = response.into_inner();
    let mut answers = 0;
    while let Some(length) = stream.message().await? {
        assert!(length > 0, "an answer has bytes");
        answers += 1;
    }
    Ok(answers)
}

/// Sends bytes as they are, and takes the length of an answer for the answer.
struct Uncoded;

impl Codec for Uncoded {
    type Encode = Bytes;
    type Decode = usize;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Uncoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for Uncoded {
    type Item = usize;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<usize>, Status> {
        let length = source.remaining();
        source.advance(length);
        Ok(Some(length))
    }
}
