//! The server itself: health, reflection, draining, the in-memory pipe, limits.

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::*;

const SCREENING: &str = "lazaretto.v1.ScreeningService";
const LOG: &str = "lazaretto.v1.DecisionLogService";
const POLICIES: &str = "lazaretto.v1.PolicyService";
const STORE: &str = "lazaretto.v1.StoreService";
const LISTS: &str = "lazaretto.v1.SanctionsListService";
const TRANSFERS: &str = "lazaretto.v1.TransferService";

async fn channel(desk: &Desk) -> Channel {
    Endpoint::from_shared(format!("http://{}", desk.address)).unwrap().connect().await.unwrap()
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[test]
fn health_says_whether_a_list_is_loaded() {
    run(vec![ofac()], async |desk| {
        let mut health = HealthClient::new(channel(desk).await);
        let check = async |health: &mut HealthClient<Channel>, service: &str| {
            health.check(of(service)).await.map(|answer| answer.into_inner().status())
        };
        let mut watches = Vec::new();
        for service in ["", SCREENING] {
            let mut watch = health.watch(of(service)).await.unwrap().into_inner();
            let first = watch.message().await.unwrap().unwrap();
            assert_eq!(first.status(), ServingStatus::NotServing, "{service:?}");
            assert_eq!(check(&mut health, service).await.unwrap(), ServingStatus::NotServing);
            watches.push(watch);
        }
        assert_eq!(check(&mut health, LISTS).await.unwrap(), ServingStatus::Serving);
        assert_eq!(check(&mut health, TRANSFERS).await.unwrap(), ServingStatus::Serving);
        assert_eq!(check(&mut health, "unknown").await.unwrap_err().code(), Code::NotFound);
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        for (watch, service) in watches.iter_mut().zip(["", SCREENING]) {
            let next = watch.message().await.unwrap().unwrap();
            assert_eq!(next.status(), ServingStatus::Serving, "{service:?}");
            assert_eq!(check(&mut health, service).await.unwrap(), ServingStatus::Serving);
        }
    });
}

/// The names that a version of reflection lists, and whether it knows the file of a symbol.
macro_rules! reflected {
    ($channel:expr, $version:ident) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        let asked = [
            MessageRequest::ListServices(String::new()),
            MessageRequest::FileContainingSymbol(SCREENING.to_owned()),
        ];
        let asked = asked.map(|message_request| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message_request),
        });
        let mut client = ServerReflectionClient::new($channel);
        let answers = client.server_reflection_info(tokio_stream::iter(asked)).await.unwrap();
        let mut answers = answers.into_inner();
        let names = match answers.message().await.unwrap().unwrap().message_response {
            Some(MessageResponse::ListServicesResponse(list)) => list.service,
            other => panic!("{other:?}"),
        };
        let files = match answers.message().await.unwrap().unwrap().message_response {
            Some(MessageResponse::FileDescriptorResponse(file)) => file.file_descriptor_proto,
            other => panic!("{other:?}"),
        };
        let mut names: Vec<_> = names.into_iter().map(|service| service.name).collect();
        names.sort();
        (names, files)
    }};
}

#[test]
fn reflection_lists_the_services() {
    run(vec![], async |desk| {
        let (v1, files) = reflected!(channel(desk).await, v1);
        let (v1alpha, files_alpha) = reflected!(channel(desk).await, v1alpha);
        for (names, own) in [
            (v1, "grpc.reflection.v1.ServerReflection"),
            (v1alpha, "grpc.reflection.v1alpha.ServerReflection"),
        ] {
            let services =
                ["grpc.health.v1.Health", own, LOG, POLICIES, LISTS, SCREENING, STORE, TRANSFERS];
            assert_eq!(names, services);
        }
        for files in [files, files_alpha] {
            let text = files.iter().map(|file| String::from_utf8_lossy(file)).collect::<String>();
            assert!(text.contains("ScreenAddressRequest"), "the descriptor of the service");
        }
    });
}

#[test]
fn what_is_under_way_is_ended_before_the_server_ends() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        let (ask, asked) = mpsc::unbounded_channel();
        let asked = UnboundedReceiverStream::new(asked);
        let stream = desk.client.screening.clone().stream_screen_addresses(asked).await.unwrap();
        let mut stream = stream.into_inner();
        let next = |number: u64| v1::StreamScreenAddressesRequest {
            query: Some(query(&evm(number))),
            options: with_snapshot(),
        };
        ask.send(next(0)).unwrap();
        assert!(stream.message().await.unwrap().is_some());
        // An import whose file is still on its way, known to be under way by its own temporary file.
        let (part, parts) = mpsc::unbounded_channel();
        let send = |it: Part| part.send(v1::ImportListRequest { part: Some(it) }).unwrap();
        send(Part::Header(header(OFAC, v1::ListKind::Sanctions)));
        let mut lists = desk.another_client().await.lists;
        let parts = UnboundedReceiverStream::new(parts);
        let import = tokio::spawn(async move { lists.import_list(parts).await });
        while desk.uploads() == 0 {
            desk.screen(CLEAN).await; // every round trip lets the import come further
        }
        let mut health = HealthClient::new(channel(desk).await);
        let mut watch = health.watch(of("")).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

        desk.stop.take().unwrap().send(()).unwrap();
        // Whoever watches is told and let go: an open watch must not keep the server.
        let told = watch.message().await.unwrap();
        assert_eq!(
            told.map(|it: HealthCheckResponse| it.status()),
            Some(ServingStatus::NotServing)
        );
        assert_eq!(watch.message().await.unwrap(), None);
        bounded(async { while TcpStream::connect(desk.address).await.is_ok() {} }).await;
        assert!(!desk.served.is_finished());

        ask.send(next(0)).unwrap();
        assert!(stream.message().await.unwrap().is_some(), "a stream under way goes on");
        send(Part::Chunk(csv("2025-11-20", &made_up(0..2))));
        drop(part);
        let report = import.await.unwrap().unwrap().into_inner().report.unwrap();
        assert_eq!((report.published, report.added), (true, 1));
        ask.send(next(1)).unwrap();
        let answer = stream.message().await.unwrap().unwrap();
        assert!(answer.snapshot.is_some(), "the import shows");
        assert!(!desk.served.is_finished());
        drop(ask);
        assert_eq!(stream.message().await.unwrap(), None);
        bounded(&mut desk.served).await.unwrap().unwrap();
    });
}

#[test]
fn streams_that_go_on_too_long_are_ended_with_a_word() {
    let edit = |config: &mut Config| {
        config.lists = vec![ofac()];
        // Enough for a hundred answers on a slow machine.
        config.drain.timeout = Duration::from_secs(5);
    };
    run_with(edit, async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        let (ask, asked) = mpsc::unbounded_channel();
        let asked = UnboundedReceiverStream::new(asked);
        let stream = desk.client.screening.clone().stream_screen_addresses(asked).await.unwrap();
        let mut stream = stream.into_inner();
        let question =
            v1::StreamScreenAddressesRequest { query: Some(query(CLEAN)), options: None };
        ask.send(question.clone()).unwrap();
        assert!(stream.message().await.unwrap().is_some());
        desk.stop.take().unwrap().send(()).unwrap();
        for _ in 0..100 {
            ask.send(question.clone()).unwrap();
        }
        for _ in 0..100 {
            assert!(stream.message().await.unwrap().is_some(), "what was asked is answered");
        }
        let ended = stream.message().await.map(drop);
        check_refused(ended, (Code::Unavailable, "DRAINING", "", "the server ends"));
        bounded(&mut desk.served).await.unwrap().unwrap();
    });
}

#[test]
fn the_in_memory_pipe_answers_as_the_network_does() {
    run(vec![ofac()], async |desk| {
        let channel = lazaretto::grpc::in_process(desk.engine.clone()).await.unwrap();
        let inner = Client::new(channel);
        let refusal = (Code::Unavailable, "NOT_LOADED", "", "no list");
        check_refused(inner.screening.clone().screen_address(question(CLEAN)).await, refusal);
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..3))).await;
        for address in [CLEAN, &evm(0), "GABC"] {
            let mut asked = question(address);
            asked.options.get_or_insert_default().include_snapshot = true;
            let here = inner.screening.clone().screen_address(asked).await.unwrap();
            let here = v1::ScreenAddressResponse { record_id: String::new(), ..here.into_inner() };
            assert_eq!(here, desk.ask(question(address)).await.unwrap());
        }
        let refusal = (Code::InvalidArgument, "INVALID_ADDRESS", "query.address", "empty");
        check_refused(inner.screening.clone().screen_address(question("")).await, refusal);
        // A file larger than the pipe holds at once comes through.
        let rows = made_up(0..40_000);
        let file = csv("2025-11-20", &rows);
        assert!(file.len() > 2 << 20);
        let header = header("large", v1::ListKind::Sanctions);
        let parts: Vec<_> = std::iter::once(Part::Header(header))
            .chain(file.chunks(1 << 20).map(|chunk| Part::Chunk(chunk.to_vec())))
            .map(|part| v1::ImportListRequest { part: Some(part) })
            .collect();
        let report = inner.lists.clone().import_list(tokio_stream::iter(parts)).await.unwrap();
        assert_eq!(report.into_inner().report.unwrap().added, 40_000);
    });
}

#[test]
fn a_message_that_is_too_large_is_refused_alone() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        let (ask, asked) = mpsc::unbounded_channel();
        let asked = UnboundedReceiverStream::new(asked);
        let stream = desk.client.screening.clone().stream_screen_addresses(asked).await.unwrap();
        let mut stream = stream.into_inner();
        let question =
            v1::StreamScreenAddressesRequest { query: Some(query(CLEAN)), options: None };
        ask.send(question.clone()).unwrap();
        assert!(stream.message().await.unwrap().is_some());
        let large = v1::ScreenAddressRequest {
            query: Some(query(&"x".repeat(lazaretto::grpc::wire::MAX_REQUEST))),
            options: None,
            ..Default::default()
        };
        let refusal = (Code::InvalidArgument, "MESSAGE_TOO_LARGE", "", "more than 4194304 bytes");
        check_refused(desk.ask(large).await, refusal);
        ask.send(question).unwrap();
        assert!(stream.message().await.unwrap().is_some(), "the connection goes on");
        assert_eq!(
            said(&desk.screen(&evm(0)).await),
            "BLOCK 100 SEVERE LISTED:STANDING@us-ofac-sdn"
        );
    });
}
