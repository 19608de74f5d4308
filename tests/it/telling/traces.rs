//! Traces, as a collector gets them: it serves OTLP's own service and decodes what is sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use lazaretto::grpc::v1;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::{CLEAN, LISTED, client, serve};
use crate::support::program::Said;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector that hands on what it gets.
struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

/// A collector on a free port.
async fn collect() -> (SocketAddr, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
    let (tell, told) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Collector(tell)))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    (address, told)
}

/// Screens over a connection of its own, with these headers.
async fn screen(url: &str, address: &str, evidence: bool, headers: &[(&'static str, &str)]) {
    let channel = tonic::transport::Endpoint::from_shared(url.to_owned()).unwrap();
    let mut client =
        v1::screening_service_client::ScreeningServiceClient::new(channel.connect().await.unwrap());
    let query = v1::AddressQuery { address: address.to_owned(), ..Default::default() };
    let options = v1::ScreeningOptions { include_evidence: evidence, ..Default::default() };
    let message = v1::ScreenAddressRequest {
        query: Some(query),
        options: Some(options),
        ..Default::default()
    };
    let mut request = Request::new(message);
    for (name, value) in headers {
        request.metadata_mut().append(*name, value.parse().unwrap());
    }
    // Refused or answered: both are traced.
    drop(client.screen_address(request).await);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn words(value: Option<&Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let pairs = span.attributes.iter();
    pairs
        .map(|pair| {
            let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
            (pair.key.as_str(), words(value))
        })
        .collect()
}

/// All spans that came, in the order of their beginning; and that the program says who it is.
fn spans(told: &mut mpsc::UnboundedReceiver<ExportTraceServiceRequest>) -> Vec<Span> {
    let mut spans = Vec::new();
    while let Ok(request) = told.try_recv() {
        let shown = format!("{request:?}").to_lowercase();
        for needle in [LISTED, CLEAN] {
            assert!(!shown.contains(needle), "{needle} is in a trace");
        }
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.unwrap();
            let said = |key: &str| {
                let pair = resource.attributes.iter().find(|pair| pair.key == key);
                words(pair.and_then(|pair| pair.value.as_ref()?.value.as_ref()))
            };
            assert_eq!(said("service.name"), "lazaretto");
            assert_eq!(said("service.version"), env!("CARGO_PKG_VERSION"));
            assert!(!said("service.instance.id").is_empty());
            spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans.sort_by_key(|span| span.start_time_unix_nano);
    spans
}

/// Runs `work` against a server that sends its traces, and returns what came until it had ended.
fn traced(
    sample: &str,
    work: impl FnOnce(&tokio::runtime::Runtime, &str, &std::path::Path),
) -> Vec<Span> {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let (collector, mut told) = runtime.block_on(collect());
    let endpoint = format!("http://{collector}");
    let settings =
        [("LAZARETTO_TRACES__ENDPOINT", endpoint.as_str()), ("LAZARETTO_TRACES__SAMPLE", sample)];
    let (server, url) = serve(dir.path(), &settings);
    work(&runtime, &url, dir.path());
    server.signal("TERM");
    let said = server.end();
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(!said.err.contains("traces"), "{}", said.err);
    spans(&mut told)
}

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

#[test]
fn callers_decide_and_are_the_parents() {
    let spans = traced("0", |runtime, url, _| {
        runtime.block_on(async {
            screen(url, CLEAN, false, &[]).await;
            screen(url, CLEAN, false, &[("traceparent", &parent("00"))]).await;
            screen(url, CLEAN, false, &[("traceparent", "nonsense")]).await;
            let headers = [
                ("traceparent", &*parent("01")),
                ("tracestate", "vendor=value"),
                ("x-request-id", "request-1"),
            ];
            screen(url, CLEAN, false, &headers).await;
        });
    });
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(span.name, "lazaretto.v1.ScreeningService/ScreenAddress");
    assert_eq!(hex(&span.trace_id), TRACE);
    assert_eq!(hex(&span.parent_span_id), PARENT);
    assert_eq!(span.trace_state, "vendor=value");
    assert_eq!(span.flags & 1, 1, "sampled");
    assert_eq!(span.kind, 2, "server");
    let said = attributes(span);
    let check = |key: &str, want: &str| assert_eq!(said[key], want, "{said:?}");
    check("rpc.system", "grpc");
    check("rpc.service", "lazaretto.v1.ScreeningService");
    check("rpc.method", "ScreenAddress");
    // No list is loaded.
    check("rpc.grpc.status_code", "14");
    check("lazaretto.request_id", "request-1");
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
}

#[test]
fn calls_without_a_parent_are_sampled_and_searches_are_below_them() {
    let list = format!("address,ticker,party_uid,party_name\n{LISTED},ETH,u,P\n");
    let spans = traced("1", |runtime, url, dir| {
        let file = dir.join("list.csv");
        std::fs::write(&file, &list).unwrap();
        let file = file.to_str().unwrap();
        let import = ["lists", "import", file, "--list", "made-up", "--kind", "ADVISORY"];
        let mut import = client(dir, url, &import);
        import.env("TRACEPARENT", parent("01"));
        let said: Said = import.output().unwrap().into();
        assert_eq!(said.status, 0, "{}", said.err);
        runtime.block_on(async {
            screen(url, LISTED, false, &[]).await;
            screen(url, LISTED, true, &[]).await;
            screen(url, LISTED, true, &[("traceparent", &parent("00"))]).await;
        });
    });
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let [import] = named("lazaretto.v1.SanctionsListService/ImportList")[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(hex(&import.trace_id), TRACE, "the command's environment names the parent");
    assert_eq!(hex(&import.parent_span_id), PARENT);
    assert!(attributes(import)["lazaretto.request_id"].starts_with("cli-"));

    let calls = named("lazaretto.v1.ScreeningService/ScreenAddress");
    assert_eq!(calls.len(), 2, "{spans:?}");
    for call in &calls {
        assert!(call.parent_span_id.is_empty(), "{call:?}");
        assert_eq!(attributes(call)["rpc.grpc.status_code"], "0");
        assert_eq!(attributes(call)["lazaretto.decision"], "REVIEW");
    }
    let below = |call: &Span| {
        spans.iter().filter(|span| span.parent_span_id == call.span_id).collect::<Vec<_>>()
    };
    assert!(below(calls[0]).is_empty());
    let [work] = below(calls[1])[..] else { panic!("{spans:?}") };
    assert_eq!((work.name.as_str(), &work.trace_id), ("work", &calls[1].trace_id));
    assert!(attributes(work).is_empty(), "{work:?}");
}

#[test]
fn a_collector_that_is_not_there_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    // Takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings =
        [("LAZARETTO_TRACES__ENDPOINT", endpoint.as_str()), ("LAZARETTO_TRACES__SAMPLE", "1")];
    let (server, url) = serve(dir.path(), &settings);
    let runtime = runtime();
    runtime.block_on(screen(&url, CLEAN, false, &[]));
    server.signal("TERM");
    let said = server.end();
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.err.contains("\"message\":\"server stopped\""), "{}", said.err);
    assert!(said.err.contains("traces"), "that traces are lost is told: {}", said.err);
}
