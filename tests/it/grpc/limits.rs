//! Clients that mean no good, or no better than they know: each limit of the server is gone beyond,
//! and a client beside is answered as ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use lazaretto::config::Limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};

use super::*;

/// What a client of HTTP/2 begins with: the preface, and an empty SETTINGS frame.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Short, and longer than a busy machine lets a thread wait.
const SHORT: Duration = Duration::from_secs(1);

/// Runs a test against a server that has one listing, with limits of its own.
pub(super) fn limited(limits: Limits, test: impl AsyncFnOnce(&mut Desk)) {
    let edit = |config: &mut Config| {
        config.lists = vec![ofac()];
        config.limits = limits;
    };
    run_with(edit, async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        test(desk).await;
        assert!(said(&desk.screen(&evm(0)).await).starts_with("BLOCK 100"), "others go on");
    });
}

/// A connection of which the client's side reads and writes no more than it is let.
struct Line {
    stream: TcpStream,
    deaf: Arc<AtomicBool>,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.deaf.load(Ordering::SeqCst) {
            true => Poll::Pending,
            false => Pin::new(&mut self.stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.writes.load(Ordering::SeqCst);
        if left == 0 {
            return Poll::Pending;
        }
        let some = &bytes[..bytes.len().min(left)];
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(context, some))?;
        self.writes.fetch_sub(written, Ordering::SeqCst);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A client on such a line, with room for any answer.
async fn on_a_line(desk: &Desk) -> (Client, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (deaf, writes) = (Arc::<AtomicBool>::default(), Arc::new(AtomicUsize::new(usize::MAX)));
    let (address, line) = (desk.address, (deaf.clone(), writes.clone()));
    let connector = tower::service_fn(move |_: Uri| {
        let (deaf, writes) = line.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            io::Result::Ok(TokioIo::new(Line { stream, deaf, writes }))
        }
    });
    let endpoint = Endpoint::from_static("http://line.invalid");
    let endpoint = endpoint.initial_stream_window_size(1 << 30);
    let channel: Channel = endpoint
        .initial_connection_window_size(1 << 30)
        .connect_with_connector(connector)
        .await
        .unwrap();
    (Client::new(channel), deaf, writes)
}

/// That the server ends a connection, whatever it has sent before.
async fn is_closed(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    drop(stream.read_to_end(&mut bytes).await);
}

#[test]
fn who_does_not_begin_is_cut_off() {
    let limits = Limits { handshake_timeout: SHORT, ..Limits::default() };
    limited(limits, async |desk| {
        for opening in [&[][..], &OPENING[..10], &OPENING[..32]] {
            let mut slow = TcpStream::connect(desk.address).await.unwrap();
            slow.write_all(opening).await.unwrap();
            is_closed(&mut slow).await;
        }
    });
}

#[test]
fn who_does_not_finish_its_headers_is_cut_off() {
    let limits = Limits { keepalive: SHORT, ..Limits::default() };
    limited(limits, async |desk| {
        let mut slow = TcpStream::connect(desk.address).await.unwrap();
        slow.write_all(OPENING).await.unwrap();
        // HEADERS of 1,000 bytes on stream 1, of which ten come.
        slow.write_all(b"\0\x03\xe8\x01\x04\0\0\0\x01").await.unwrap();
        slow.write_all(&[0x82; 10]).await.unwrap();
        is_closed(&mut slow).await;
    });
}

#[test]
fn who_takes_no_answer_is_cut_off_and_its_connection_goes_on() {
    let limits = Limits { stall_timeout: SHORT, ..Limits::default() };
    limited(limits, async |desk| {
        let (ask, asked) = mpsc::unbounded_channel();
        let asked = UnboundedReceiverStream::new(asked);
        let mut client = desk.client.screening.clone();
        let mut answers = client.stream_screen_addresses(asked).await.unwrap().into_inner();
        let question = || v1::StreamScreenAddressesRequest {
            query: Some(query(&evm(0))),
            ..Default::default()
        };
        // The server ends it though nothing is read: the questions have no taker any more.
        let mut sent = 0;
        while ask.send(question()).is_ok() {
            sent += 1;
            if sent % 100 == 0 {
                desk.screen(CLEAN).await;
            }
        }
        let mut answered = 0;
        let status = loop {
            match answers.message().await {
                Ok(Some(_)) => answered += 1,
                Ok(None) => panic!("a stream that was cut off does not end well"),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::Cancelled, "{status:?}");
        assert!(answered > 0 && answered < sent, "{answered} of {sent}");
    });
}

#[test]
fn who_takes_no_bytes_loses_its_connection() {
    let limits = Limits { stall_timeout: SHORT, connections: 2, ..Limits::default() };
    limited(limits, async |desk| {
        let (line, deaf, _) = on_a_line(desk).await;
        let mut another = TcpStream::connect(desk.address).await.unwrap();
        is_closed(&mut another).await;
        deaf.store(true, Ordering::SeqCst);
        let queries = (0..10_000).map(|_| query(&evm(0))).collect();
        let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (mut screening, batch) = (line.screening.clone(), batch.clone());
                tokio::spawn(async move { screening.batch_screen_addresses(batch).await })
            })
            .collect();
        // Its place becomes free.
        while Client::connect(&format!("http://{}", desk.address)).await.is_err() {}
        deaf.store(false, Ordering::SeqCst);
        for call in calls {
            call.abort();
        }
    });
}

#[test]
fn who_pauses_within_a_message_is_cut_off() {
    let limits = Limits { stall_timeout: SHORT, streams: 1, ..Limits::default() };
    limited(limits, async |desk| {
        let (line, _, writes) = on_a_line(desk).await;
        writes.store(50_000, Ordering::SeqCst);
        let head = Part::Header(header("slow", v1::ListKind::Sanctions));
        let parts = [head, Part::Chunk(vec![b' '; 200_000])];
        let parts = parts.map(|part| v1::ImportListRequest { part: Some(part) });
        let slow =
            tokio::spawn(
                async move { line.lists.clone().import_list(tokio_stream::iter(parts)).await },
            );
        let begin = async || {
            let (part, parts) = mpsc::unbounded_channel();
            let mut lists = desk.client.lists.clone();
            let parts = UnboundedReceiverStream::new(parts);
            let import = tokio::spawn(async move { lists.import_list(parts).await });
            let head = Part::Header(header(OFAC, v1::ListKind::Sanctions));
            part.send(v1::ImportListRequest { part: Some(head) }).unwrap();
            (part, import)
        };
        let overloaded = (Code::ResourceExhausted, "OVERLOADED", "", "1 streams");
        while desk.uploads() == 0 {
            desk.screen(CLEAN).await;
        }
        check_refused(begin().await.1.await.unwrap(), overloaded);
        // It is cut off, its file gone, and its place free.
        while desk.uploads() > 0 {
            desk.screen(CLEAN).await;
        }
        assert!(!slow.is_finished(), "it knows nothing of it: it cannot even write");
        slow.abort();
        // A pause between messages is nobody's harm.
        let (part, import) = begin().await;
        let begun = std::time::Instant::now();
        while begun.elapsed() < 2 * SHORT {
            desk.screen(CLEAN).await;
        }
        let chunk = Part::Chunk(csv("2025-11-20", &made_up(0..1)));
        part.send(v1::ImportListRequest { part: Some(chunk) }).unwrap();
        drop(part);
        import.await.unwrap().unwrap();
    });
}

#[test]
fn a_call_has_its_time() {
    let limits = Limits { call_timeout: SHORT, ..Limits::default() };
    limited(limits, async |desk| {
        // A question whose message never comes.
        let endpoint = Endpoint::from_shared(format!("http://{}", desk.address)).unwrap();
        let mut grpc = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
        grpc.ready().await.unwrap();
        let never = tokio_stream::pending::<v1::ScreenAddressRequest>();
        let codec = tonic_prost::ProstCodec::<_, v1::ScreenAddressResponse>::default();
        let path = "/lazaretto.v1.ScreeningService/ScreenAddress".parse().unwrap();
        let outcome = grpc.client_streaming(tonic::Request::new(never), path, codec).await;
        let late = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "", "deadline");
        check_refused(outcome, late);
        // The caller's own time, given as the protocol writes it.
        let ask = async |timeout: &'static str| {
            let mut request = tonic::Request::new(question(CLEAN));
            request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
            desk.client.screening.clone().screen_address(request).await
        };
        ask("1M").await.unwrap();
        check_refused(ask("1 s").await, (Code::InvalidArgument, "INVALID_FIELD", "", "digits"));
        // Of a stream too, which has no time but that, silent or with an answer always ready.
        for flooded in [false, true] {
            let (ask, asked) = mpsc::unbounded_channel();
            let mut request = tonic::Request::new(UnboundedReceiverStream::new(asked));
            request.metadata_mut().insert("grpc-timeout", "300m".parse().unwrap());
            let mut client = desk.client.screening.clone();
            let mut stream = client.stream_screen_addresses(request).await.unwrap().into_inner();
            let status = loop {
                for _ in 0..if flooded { 10 } else { 0 } {
                    // Refused once the stream is over, which its next answer says.
                    let question = v1::StreamScreenAddressesRequest::default();
                    drop(ask.send(question));
                }
                match stream.message().await {
                    Ok(answer) => assert!(answer.is_some() && flooded),
                    Err(status) => break status,
                }
            };
            assert_eq!(status.code(), Code::DeadlineExceeded);
        }
    });
}

#[test]
fn too_many_connections_are_closed_at_once() {
    limited(Limits { connections: 3, ..Limits::default() }, async |desk| {
        let flood = [(); 2].map(|()| TcpStream::connect(desk.address));
        let [first, second] = flood;
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        for _ in 0..50 {
            let mut one_more = TcpStream::connect(desk.address).await.unwrap();
            is_closed(&mut one_more).await;
        }
        assert!(said(&desk.screen(&evm(0)).await).starts_with("BLOCK 100"));
        drop((first, second));
        while Client::connect(&format!("http://{}", desk.address)).await.is_err() {}
    });
}

#[test]
fn too_many_calls_and_streams_are_refused() {
    limited(Limits { calls: 3, streams: 2, ..Limits::default() }, async |desk| {
        let mut open = Vec::new();
        let stream = async || {
            let (ask, asked) = mpsc::unbounded_channel::<v1::StreamScreenAddressesRequest>();
            let asked = UnboundedReceiverStream::new(asked);
            let call = desk.client.screening.clone().stream_screen_addresses(asked).await;
            call.map(|stream| (ask, stream.into_inner()))
        };
        for _ in 0..2 {
            open.push(stream().await.unwrap());
        }
        let refusal = |words| (Code::ResourceExhausted, "OVERLOADED", "", words);
        check_refused(stream().await, refusal("2 streams are under way"));
        desk.screen(CLEAN).await;
        // A third call, which waits for its message for as long as this test likes.
        let endpoint = Endpoint::from_shared(format!("http://{}", desk.address)).unwrap();
        let mut grpc = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
        let waiting = tokio::spawn(async move {
            grpc.ready().await.unwrap();
            let never = tokio_stream::pending::<v1::ScreenAddressRequest>();
            let codec = tonic_prost::ProstCodec::<_, v1::ScreenAddressResponse>::default();
            let path = "/lazaretto.v1.ScreeningService/ScreenAddress".parse().unwrap();
            grpc.client_streaming(tonic::Request::new(never), path, codec).await
        });
        let refused = loop {
            if let Err(status) = desk.ask(question(CLEAN)).await {
                break Err::<(), _>(status);
            }
        };
        check_refused(refused, refusal("3 calls are under way"));
        waiting.abort();
        drop(waiting.await);
        drop(open);
        while desk.ask(question(CLEAN)).await.is_err() {}
    });
}

#[test]
fn headers_beyond_their_limit_are_refused() {
    limited(Limits::default(), async |desk| {
        let ask = async |bytes: usize| {
            let mut request = tonic::Request::new(question(CLEAN));
            let value = "x".repeat(bytes);
            request.metadata_mut().insert("x-large", value.parse().unwrap());
            desk.another_client().await.screening.clone().screen_address(request).await
        };
        ask(8_000).await.unwrap();
        ask(20_000).await.unwrap_err();
    });
}

#[test]
fn messages_nested_deeply_are_refused() {
    use prost::Message;
    // A field 15 of a group within a group within a group: no reader of ours knows it.
    let deep = vec![0x7b; 100_000];
    v1::ScreenAddressRequest::decode(&deep[..]).unwrap_err();
}

#[test]
fn deep_questions_wait_for_their_turn_and_too_many_are_refused() {
    limited(Limits { searches: 1, ..Limits::default() }, async |desk| {
        let options = v1::ScreeningOptions { include_evidence: true, ..Default::default() };
        let deep = v1::ScreenAddressRequest {
            query: Some(query(CLEAN)),
            options: Some(options),
            ..Default::default()
        };
        let ask = || {
            let (mut screening, deep) = (desk.client.screening.clone(), deep.clone());
            tokio::spawn(async move { screening.screen_address(deep).await })
        };
        // As many as a caller has under way who asks for several at once.
        for call in (0..64).map(|_| ask()).collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
        let calls: Vec<_> = (0..200).map(|_| ask()).collect();
        let mut refused = 0;
        for call in calls {
            if let outcome @ Err(_) = call.await.unwrap() {
                check_refused(outcome, (Code::ResourceExhausted, "OVERLOADED", "", "64 searches"));
                refused += 1;
            }
        }
        assert!(refused > 0 && refused < 200, "{refused} refused");
    });
}
