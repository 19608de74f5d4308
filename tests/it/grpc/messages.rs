//! Messages that cost more than they weigh, that are not what they should be, or that nobody takes:
//! each is refused for its sender alone, by a reason that says what is wrong.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body as _, Frame};
use lazaretto::config::Limits;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt};

use super::limits::limited;
use super::*;
use crate::support::frames;
use crate::support::server::ServerChild;

pub(super) const SCREEN: &str = "/lazaretto.v1.ScreeningService/ScreenAddress";
pub(super) const BATCH: &str = "/lazaretto.v1.ScreeningService/BatchScreenAddresses";
pub(super) const INGEST: &str = "/lazaretto.v1.TransferService/IngestTransfers";

/// A message as gRPC frames it.
pub(super) fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

pub(super) async fn channel(endpoint: &str, window: u32) -> Channel {
    let endpoint = Endpoint::from_shared(endpoint.to_owned()).unwrap();
    endpoint.initial_stream_window_size(window).connect().await.unwrap()
}

/// Sends bytes as the body of a call.
pub(super) async fn post(
    channel: &Channel,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> http::Response<Body> {
    post_body(channel, path, headers, Body::new(axum::body::Body::from(body))).await
}

async fn post_body(
    channel: &Channel,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> http::Response<Body> {
    let mut request = http::Request::post(path).header("te", "trailers");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut channel = channel.clone();
    channel.ready().await.unwrap().call(request.body(body).unwrap()).await.unwrap()
}

/// A body of these frames.
struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

impl Desk {
    async fn metrics(&self) -> String {
        super::operations::get(self.operations, "/metrics").await.2
    }

    /// The value of a metric as it is shown.
    async fn metric(&self, name: &str) -> f64 {
        let told = self.metrics().await;
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {told}")).parse().unwrap()
    }
}

/// What comes back: the bytes, and how the call ended.
pub(super) async fn answered(response: http::Response<Body>) -> (Vec<u8>, Status) {
    let (parts, mut body) = response.into_parts();
    let mut status = Status::from_header_map(&parts.headers);
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
    {
        match frame.unwrap().into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap();
                status = Status::from_header_map(&trailers);
            }
        }
    }
    (bytes, status.expect("a status"))
}

/// Sends one message as it is, and says how the call ended.
async fn outcome(desk: &Desk, path: &str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
    let channel = channel(&format!("http://{}", desk.address), 1 << 20).await;
    let (bytes, status) = answered(post(&channel, path, &[], framed(0, &message)).await).await;
    if status.code() == Code::Ok { Ok(bytes) } else { Err(status) }
}

pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn elements_that_are_nearly_empty_are_refused_before_they_are_decoded() {
    const INVALID: Code = Code::InvalidArgument;
    limited(Limits::default(), async |desk| {
        // 8.4 million transfers, 2 million queries, 2 million names of lists.
        let transfers = outcome(desk, INGEST, [0x12, 0].repeat((16 << 20) / 2)).await;
        check_refused(transfers, (INVALID, "TOO_MANY_ITEMS", "transfers", "more than 20000"));
        let few = outcome(desk, INGEST, [0x12, 0].repeat(10_000)).await;
        check_refused(few, (INVALID, "MESSAGE_TOO_LARGE", "", "nearly empty"));
        let queries = outcome(desk, BATCH, [0x0a, 0].repeat(2_000_000)).await;
        check_refused(queries, (INVALID, "TOO_MANY_ITEMS", "queries", "more than 10000"));
        let names = [0x0a, 0].repeat(2_000_000);
        let mut options = vec![0x12];
        prost::encoding::encode_varint(names.len() as u64, &mut options);
        options.extend(names);
        let names = outcome(desk, SCREEN, options).await;
        check_refused(names, (INVALID, "TOO_MANY_ITEMS", "options.lists", "more than 1000"));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn no_message_takes_more_than_eight_times_its_size_and_2_mib() {
    let dir = tempfile::tempdir().unwrap();
    let server = ServerChild::start(dir.path(), &[]);
    runtime().block_on(bounded(async {
        let channel = channel(server.endpoint(), 1 << 20).await;
        let before = server.memory("VmHWM");
        let message = [0x12, 0].repeat((16 << 20) / 2);
        let (_, status) = answered(post(&channel, INGEST, &[], framed(0, &message)).await).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let taken = server.memory("VmHWM") - before;
        assert!(taken < 8 * message.len() + (2 << 20), "{} MiB", taken >> 20);
        // And of a small one, of which each byte once cost most.
        let before = server.memory("VmHWM");
        let message = [0x12, 0].repeat(10_000);
        let (_, status) = answered(post(&channel, INGEST, &[], framed(0, &message)).await).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let taken = server.memory("VmHWM") - before;
        assert!(taken < 8 * message.len() + (2 << 20), "{} KiB", taken >> 10);
    }));
}

#[test]
fn faults_of_clients_are_invalid_arguments() {
    limited(Limits::default(), async |desk| {
        let invalid = |words| (Code::InvalidArgument, "MALFORMED_MESSAGE", "", words);
        let no_text = [0x0a, 4, 0x12, 2, 0xff, 0xfe];
        check_refused(outcome(desk, SCREEN, no_text.to_vec()).await, invalid("UTF-8"));
        check_refused(outcome(desk, SCREEN, vec![0x0a, 9, 1]).await, invalid("protobuf"));
        check_refused(outcome(desk, SCREEN, vec![0xff; 70_000]).await, invalid("protobuf"));
        check_refused(outcome(desk, INGEST, vec![0x12, 0x7f]).await, invalid("protobuf"));
        let channel = channel(&format!("http://{}", desk.address), 1 << 20).await;
        let send = async |headers: &[(&str, &str)], body: Vec<u8>| {
            let (_, status) = answered(post(&channel, SCREEN, headers, body).await).await;
            if status.code() == Code::Ok { Ok(()) } else { Err(status) }
        };
        let message = question(CLEAN).encode_to_vec();
        check_refused(send(&[], framed(2, &message)).await, invalid("begins with 2"));
        check_refused(send(&[], framed(1, &message)).await, invalid("grpc-encoding"));
        check_refused(send(&[], framed(0, &message)[..20].to_vec()).await, invalid("ends within"));
        check_refused(send(&[], Vec::new()).await, invalid("no message"));
        let health = "/grpc.health.v1.Health/Check";
        let (_, status) = answered(post(&channel, health, &[], Vec::new()).await).await;
        check_refused(Err::<(), _>(status), invalid("no message"));
        for path in [health, "/grpc.health.v1.Health/Watch"] {
            for (message, words) in [(&[0x0a, 2, 0xff, 0xfe][..], "UTF-8"), (&[8], "protobuf")] {
                let (_, status) =
                    answered(post(&channel, path, &[], framed(0, message)).await).await;
                check_refused(Err::<(), _>(status), invalid(words));
            }
        }
        // How some clients end a request of which nothing came.
        let ends = async |path: &str, frames: Vec<Frame<Bytes>>| {
            let body = Body::new(Frames(frames.into()));
            let (_, status) = answered(post_body(&channel, path, &[], body).await).await;
            if status.code() == Code::Ok { Ok(()) } else { Err(status) }
        };
        let whole = || Frame::data(Bytes::from(framed(0, &message)));
        let trailers = || Frame::trailers(http::HeaderMap::new());
        check_refused(ends(SCREEN, vec![Frame::data(Bytes::new())]).await, invalid("no message"));
        check_refused(ends(SCREEN, vec![trailers()]).await, invalid("no message"));
        ends(SCREEN, vec![whole(), trailers()]).await.unwrap();
        // The second is as large as may be: it would be held beside the first.
        let second = Frame::data(Bytes::from(framed(0, &vec![0; 70_000])));
        let several = ends(SCREEN, vec![whole(), second]).await;
        check_refused(several, invalid("more than one message"));
        let twice = Frame::data(Bytes::from(framed(0, &message).repeat(2)));
        let several = ends(SCREEN, vec![twice]).await;
        check_refused(several, invalid("more than one message"));
        let large = v1::BatchScreenAddressesRequest {
            queries: vec![query(CLEAN); 2_000],
            ..Default::default()
        };
        let large = framed(0, &large.encode_to_vec()).repeat(2);
        let several = ends(BATCH, vec![Frame::data(large.into())]).await;
        check_refused(several, invalid("more than one message"));
        let gzip = [("grpc-encoding", "gzip")];
        check_refused(send(&gzip, framed(1, &message)).await, invalid("not valid gzip"));
        send(&gzip, framed(1, &packed(&message))).await.unwrap();
        send(&gzip, framed(0, &message)).await.unwrap();
        let unknown = send(&[("grpc-encoding", "zstd")], framed(1, &message)).await.unwrap_err();
        assert_eq!(unknown.code(), Code::Unimplemented, "{unknown:?}");
        // 1 GiB in 1 MiB: unpacked no further than the largest message.
        let bomb = packed(&vec![0; 64 << 20]);
        let refused = send(&gzip, framed(1, &bomb)).await;
        let too_large = (Code::InvalidArgument, "MESSAGE_TOO_LARGE", "", "more than 4194304 bytes");
        check_refused(refused, too_large);
        // None of it is a failure of the server.
        let told = desk.metrics().await;
        assert!(
            !told.contains(r#"code="INTERNAL""#) && !told.contains(r#"code="UNKNOWN""#),
            "{told}"
        );
    });
}

#[test]
fn a_large_batch_comes_packed_and_through_another_thread() {
    limited(Limits::default(), async |desk| {
        let queries: Vec<_> = (0..5_000).map(|n| query(&evm(n))).collect();
        let message = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
        let message = message.encode_to_vec();
        assert!(message.len() > 64 << 10);
        let channel = channel(&format!("http://{}", desk.address), 1 << 24).await;
        let large = ("x-max-response-bytes", "67108864");
        for (headers, body) in [
            (&[large][..], framed(0, &message)),
            (&[large, ("grpc-encoding", "gzip")], framed(1, &packed(&message))),
        ] {
            let (bytes, status) = answered(post(&channel, BATCH, headers, body).await).await;
            assert_eq!(status.code(), Code::Ok, "{status:?}");
            let answer = v1::BatchScreenAddressesResponse::decode(Bytes::from(bytes).slice(5..));
            let items = answer.unwrap().items;
            assert_eq!(items.len(), 5_000);
            let Some(v1::screening_item::Outcome::Screening(first)) = &items[0].outcome else {
                panic!("{:?}", items[0]);
            };
            assert!(said(first).starts_with("BLOCK 100"));
        }
    });
}

#[test]
fn small_packed_questions_are_not_turned_away_for_that_others_are_unpacked() {
    limited(Limits::default(), async |desk| {
        let channel = channel(&format!("http://{}", desk.address), 1 << 20).await;
        let body = framed(1, &packed(&question(&evm(0)).encode_to_vec()));
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..250 {
            let (channel, body) = (channel.clone(), body.clone());
            calls.spawn(async move {
                let gzip = [("grpc-encoding", "gzip")];
                answered(post(&channel, SCREEN, &gzip, body).await).await.1
            });
        }
        while let Some(status) = calls.join_next().await {
            assert_eq!(status.unwrap().code(), Code::Ok);
        }
    });
}

#[test]
fn an_answer_is_charged_for_until_its_last_byte_is_taken() {
    limited(Limits::default(), async |desk| {
        let batch = v1::BatchScreenAddressesRequest {
            queries: vec![query(&evm(0)); 100],
            ..Default::default()
        };
        let mut bytes = frames::opening(1);
        frames::call(&mut bytes, 1, BATCH);
        frames::data(&mut bytes, 1, &framed(0, &batch.encode_to_vec()), true);
        let mut stream = TcpStream::connect(desk.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let held = async || desk.metric("lazaretto_message_bytes").await as u32;
        while held().await == 0 {}
        let whole = held().await;
        assert!(whole > 20_000, "{whole}");
        // All but the last byte may be sent, and is read.
        let more = |bytes: u32| {
            let mut update = Vec::new();
            frames::frame(&mut update, 8, 0, 1, &bytes.to_be_bytes());
            update
        };
        stream.write_all(&more(whole - 2)).await.unwrap();
        let mut read = Vec::new();
        while read.len() < whole as usize {
            stream.read_buf(&mut read).await.unwrap();
        }
        // What follows is answered after what was sent before.
        let mut ping = Vec::new();
        frames::frame(&mut ping, 6, 0, 0, b"the last");
        stream.write_all(&ping).await.unwrap();
        while !read.windows(8).any(|bytes| bytes == b"the last") {
            stream.read_buf(&mut read).await.unwrap();
        }
        assert_eq!(held().await, whole);
        stream.write_all(&more(1)).await.unwrap();
        while held().await > 0 {}
    });
}

#[test]
fn who_sends_more_to_a_refused_call_is_not_charged_for_it() {
    limited(Limits::default(), async |desk| {
        let mut stream = TcpStream::connect(desk.address).await.unwrap();
        let mut bytes = frames::opening(1 << 20);
        let mut read = Vec::new();
        for number in 0..90 {
            let id = 1 + 2 * number;
            frames::call(&mut bytes, id, "/nobody/Knows");
            frames::frame(&mut bytes, 6, 0, 0, format!("ping {number:3}").as_bytes());
            stream.write_all(&bytes).await.unwrap();
            let pong = format!("ping {number:3}");
            while !read.windows(8).any(|bytes| bytes == pong.as_bytes()) {
                assert!(stream.read_buf(&mut read).await.unwrap() > 0, "it is open");
            }
            // Sent before the client has heard of the answer.
            bytes.clear();
            (0..5).for_each(|_| frames::frame(&mut bytes, 0, 0, id, &[0; 1_000]));
        }
        assert_eq!(desk.metric("lazaretto_message_bytes").await, 0.0);
    });
}

/// h2 alone keeps the rest of an answer whose reader takes a byte of it: of a few, and no more.
#[test]
fn answers_whose_tail_nobody_takes_are_reset() {
    limited(Limits { stall_timeout: Duration::from_secs(1), ..Limits::default() }, async |desk| {
        let mut bytes = frames::opening(1);
        for number in 0..250 {
            frames::call(&mut bytes, 1 + 2 * number, SCREEN);
            let ask = framed(0, &question(CLEAN).encode_to_vec());
            frames::data(&mut bytes, 1 + 2 * number, &ask, true);
        }
        let mut stream = TcpStream::connect(desk.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut read = Vec::new();
        let cancelled = [0, 0, 4, 3, 0];
        while read.windows(5).filter(|head| *head == cancelled).count() < 200 {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "it is open");
        }
        assert!(desk.metric("lazaretto_refusals_total{reason=\"stalled\"}").await >= 200.0);
    });
}

#[test]
fn a_question_about_health_does_not_last() {
    limited(Limits::default(), async |desk| {
        let channel = channel(&format!("http://{}", desk.address), 1 << 20).await;
        let (part, parts) = mpsc::unbounded_channel();
        part.send(Bytes::from_static(&[0, 0, 0, 1, 0, 10])).unwrap();
        let parts = UnboundedReceiverStream::new(parts).map(Ok::<_, Infallible>);
        let body = Body::new(axum::body::Body::from_stream(parts));
        let began = std::time::Instant::now();
        let health = "/grpc.health.v1.Health/Check";
        let (_, status) = answered(post_body(&channel, health, &[], body).await).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        // A call has a minute.
        assert!(began.elapsed() < Duration::from_secs(30));
        drop(part);
    });
}

#[test]
fn every_wrong_field_is_named() {
    limited(Limits::default(), async |desk| {
        fn invalid(fields: &str) -> (Code, &str, &str, &str) {
            (Code::InvalidArgument, "INVALID_FIELD", fields, "")
        }
        let options = v1::ScreeningOptions {
            lists: vec!["Bad Id".to_owned(), OFAC.to_owned(), "?".to_owned()],
            as_of: Some(pbjson_types::Timestamp { seconds: 0, nanos: -1 }),
            max_hops: 16,
            ..Default::default()
        };
        let fields = "options.lists[0] options.lists[2] options.as_of options.max_hops";
        let request = v1::ScreenAddressRequest {
            query: None,
            options: Some(options.clone()),
            ..Default::default()
        };
        check_refused(desk.ask(request).await, invalid(&format!("query {fields}")));
        // With the question's own, and what is known only where lists are loaded.
        let unknown = v1::ScreeningOptions {
            lists: vec![OFAC.to_owned(), "nobody".to_owned()],
            as_of: Some(pbjson_types::Timestamp { seconds: 1 << 33, nanos: 0 }),
            ..Default::default()
        };
        let wrong = v1::AddressQuery {
            request_id: "x".repeat(129),
            address: "0x 1".to_owned(),
            chain: "nowhere".to_owned(),
        };
        let request = v1::ScreenAddressRequest {
            query: Some(wrong),
            options: Some(unknown),
            ..Default::default()
        };
        let all = "query.request_id query.address query.chain options.lists[1] options.as_of";
        check_refused(desk.ask(request).await, invalid(all));
        let batch = v1::BatchScreenAddressesRequest {
            options: Some(options.clone()),
            max_response_bytes: 1,
            page_token: "x".to_owned(),
            ..Default::default()
        };
        let refused = desk.client.screening.clone().batch_screen_addresses(batch).await;
        let all = format!("queries {fields} max_response_bytes page_token");
        check_refused(refused, invalid(&all));
        let payment = v1::ScreenPaymentRequest {
            chain: "ethereum".to_owned(),
            tx: "x".repeat(129),
            ..Default::default()
        };
        let refused = desk.client.screening.clone().screen_payment(payment).await;
        check_refused(refused, invalid("direction tx asset sources destinations amount"));
    });
}

#[test]
fn who_speaks_no_grpc_is_told_so() {
    limited(Limits::default(), async |desk| {
        let channel = channel(&format!("http://{}", desk.address), 1 << 20).await;
        let json = [("content-type", "application/json")];
        let response = post(&channel, SCREEN, &json, b"{}".to_vec()).await;
        assert_eq!(response.status(), 415);
        let (_, mut body) = response.into_parts();
        let frame =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await;
        let words = frame.unwrap().unwrap().into_data().unwrap();
        assert!(words.starts_with(b"this port takes gRPC alone"), "{words:?}");
        let mut http1 = TcpStream::connect(desk.address).await.unwrap();
        http1.write_all(b"POST /v1/screen HTTP/1.1\r\nhost: x\r\n\r\n{}").await.unwrap();
        let mut told = String::new();
        http1.read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 415 ") && told.contains("takes gRPC alone"), "{told}");
    });
}

#[test]
fn an_answer_beyond_what_its_caller_takes_is_refused_or_cut() {
    limited(Limits::default(), async |desk| {
        let queries: Vec<_> = (0..10_000)
            .map(|n| v1::AddressQuery {
                request_id: format!("{n:0100}"),
                ..query(&evm(u64::from(n % 4 == 1)))
            })
            .collect();
        let batch =
            v1::BatchScreenAddressesRequest { queries: queries.clone(), ..Default::default() };
        let channel = channel(&format!("http://{}", desk.address), 1 << 24).await;
        let send = async |batch: &v1::BatchScreenAddressesRequest| {
            let body = framed(0, &batch.encode_to_vec());
            let (bytes, status) = answered(post(&channel, BATCH, &[], body).await).await;
            match status.code() {
                Code::Ok => Ok(Bytes::from(bytes).slice(5..)),
                _ => Err(status),
            }
        };
        let words = "name it in the header x-max-response-bytes";
        let refusal = (Code::FailedPrecondition, "ANSWER_TOO_LARGE", "", words);
        check_refused(send(&batch).await, refusal);
        // The header, and what is no number in it.
        let header = async |named: &'static str| {
            let body = framed(0, &batch.encode_to_vec());
            let named = [("x-max-response-bytes", named)];
            let (bytes, status) = answered(post(&channel, BATCH, &named, body).await).await;
            if status.code() == Code::Ok { Ok(bytes) } else { Err(status) }
        };
        assert!(header("67108864").await.unwrap().len() > 4 << 20);
        for wrong in ["", "0", "4MiB", "-1"] {
            let words = "x-max-response-bytes";
            let refusal = (Code::InvalidArgument, "INVALID_FIELD", "", words);
            check_refused(header(wrong).await, refusal);
        }
        // In parts, each within the room, all of them in order.
        let room = 1 << 20;
        let mut part = v1::BatchScreenAddressesRequest { max_response_bytes: room, ..batch };
        let mut items = Vec::new();
        let mut parts = 0;
        loop {
            let bytes = send(&part).await.unwrap();
            assert!(bytes.len() <= room as usize, "{}", bytes.len());
            let answer = v1::BatchScreenAddressesResponse::decode(bytes).unwrap();
            assert!(answer.snapshot.is_none() && !answer.snapshot_id.is_empty());
            items.extend(answer.items);
            parts += 1;
            if answer.next_page_token.is_empty() {
                break;
            }
            part.page_token = answer.next_page_token;
        }
        assert!(parts > 4, "{parts}");
        assert_eq!(items.len(), queries.len());
        for (n, item) in items.iter().enumerate() {
            let Some(v1::screening_item::Outcome::Screening(found)) = &item.outcome else {
                panic!("{item:?}");
            };
            let is_listed = said(found).starts_with("BLOCK 100");
            assert_eq!(found.request_id, format!("{n:0100}"));
            assert_eq!(is_listed, n % 4 != 1, "{n}");
        }
        part.queries.swap(0, 1);
        let foreign = (Code::InvalidArgument, "INVALID_FIELD", "page_token", "another request");
        check_refused(send(&part).await, foreign);
    });
}

/// What is packed is charged for with the most that it may unpack to, before it is unpacked.
#[test]
fn packed_messages_at_once_stay_within_their_memory() {
    let limits = Limits { message_mib: 24, message_mib_per_caller: 24, ..Limits::default() };
    limited(limits, async |desk| {
        let channel = channel(&format!("http://{}", desk.address), 1 << 20).await;
        let bomb = framed(1, &packed(&[0x12, 0].repeat(4 << 20)));
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (channel, bomb) = (channel.clone(), bomb.clone());
            let gzip = [("grpc-encoding", "gzip")];
            calls.spawn(async move {
                answered(post(&channel, INGEST, &gzip, bomb).await).await.1.code()
            });
        }
        let mut refused = 0;
        while let Some(code) = calls.join_next().await {
            refused += usize::from(code.unwrap() == Code::ResourceExhausted);
        }
        // Two at a time have their turn, and one of 16 MiB has room.
        assert!(refused > 0);
    });
}

#[test]
fn answers_that_nobody_reads_hold_no_more_than_their_limit() {
    let limits = Limits {
        message_mib: 24,
        message_mib_per_caller: 16,
        stall_timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    limited(limits, async |desk| {
        // A window of nothing: the server may not send a byte of any answer.
        let reader = channel(&format!("http://{}", desk.address), 0).await;
        let queries = (0..10_000).map(|_| query(&evm(0))).collect();
        let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
        let body = framed(0, &batch.encode_to_vec());
        let headers = [("x-max-response-bytes", "67108864")];
        let mut held = Vec::new();
        let mut refused = 0;
        for _ in 0..12 {
            let response = post(&reader, BATCH, &headers, body.clone()).await;
            match Status::from_header_map(response.headers()) {
                None => held.push(response),
                Some(status) => {
                    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                    let details = status.get_error_details();
                    let metadata = &details.error_info().unwrap().metadata;
                    assert_eq!(metadata["limit"], "limits.message_mib_per_caller");
                    assert_eq!(metadata["value"], "16");
                    assert!(details.retry_info().unwrap().retry_delay.is_some());
                    refused += 1;
                }
            }
            let bytes = desk.metric("lazaretto_message_bytes").await;
            assert!(bytes <= (16 << 20) as f64, "{bytes}");
        }
        // Each has 4.5 MB: three are held, the others were refused, or lost to those that came when
        // they had kept the server waiting for a second.
        let lost = desk.metric("lazaretto_refusals_total{reason=\"message_memory\"}").await;
        assert!(lost + f64::from(refused) >= 9.0, "{lost} lost, {refused} refused");
        if lost > 0.0 {
            let (_, mut first) = held.remove(0).into_parts();
            let end =
                std::future::poll_fn(|context| std::pin::Pin::new(&mut first).poll_frame(context));
            assert!(end.await.unwrap().is_err(), "the one that waited longest was reset");
        }
        drop(held);
        while desk.metric("lazaretto_message_bytes").await > 0.0 {}
    });
}

#[test]
fn half_a_message_holds_no_memory_that_others_need() {
    let limits = Limits {
        message_mib: 24,
        message_mib_per_caller: 16,
        stall_timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    limited(limits, async |desk| {
        let (part, parts) = mpsc::unbounded_channel();
        let slow = channel(&format!("http://{}", desk.address), 1 << 20).await;
        // The prefix and most of a message of 12 MiB, whose rest never comes.
        let body = tokio_stream::StreamExt::map(
            UnboundedReceiverStream::new(parts),
            Ok::<Bytes, std::convert::Infallible>,
        );
        let request = http::Request::post(INGEST)
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(Body::new(axum::body::Body::from_stream(body)))
            .unwrap();
        part.send(Bytes::from([&[0][..], &(12_u32 << 20).to_be_bytes()].concat())).unwrap();
        for _ in 0..11 {
            part.send(vec![0; 1 << 20].into()).unwrap();
        }
        let mut slow = slow.clone();
        let call = tokio::spawn(slow.ready().await.unwrap().call(request));
        while desk.metric("lazaretto_message_bytes").await < (11 << 20) as f64 {}
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(1_500) {
            desk.screen(CLEAN).await;
        }
        // Another needs what it holds.
        let transfers = [0x12, 0].repeat(4 << 20);
        let refused = outcome(desk, INGEST, transfers).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
        let response = call.await.unwrap().unwrap();
        let (_, status) = answered(response).await;
        let lost = (Code::ResourceExhausted, "OVERLOADED", "", "MiB");
        check_refused(Err::<(), _>(status), lost);
    });
}
