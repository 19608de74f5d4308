//! The operations port: pages over HTTP/1.1, health over gRPC, and what it does not let itself be
//! asked; readiness as lists come, grow stale, and as the server ends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::*;

/// What comes back for these bytes, to the end of the connection.
async fn exchange(at: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// The status, the headers and the body of an answer to GET.
pub async fn get(at: SocketAddr, path: &str) -> (u16, String, String) {
    let answer = exchange(at, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    (status, headers.to_owned(), body.to_owned())
}

async fn check_page(desk: &Desk, path: &str, want: (u16, &str)) {
    let (status, _, body) = get(desk.operations, path).await;
    assert_eq!((status, body.as_str()), want, "{path}");
}

async fn health(at: SocketAddr) -> HealthClient<Channel> {
    let channel = Endpoint::from_shared(format!("http://{at}")).unwrap().connect().await;
    HealthClient::new(channel.unwrap())
}

async fn check_health(client: &mut HealthClient<Channel>, service: &str, serving: bool) {
    let asked = HealthCheckRequest { service: service.to_owned() };
    let found = client.check(asked).await.unwrap().into_inner().status();
    let want = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    assert_eq!(found, want, "{service:?}");
}

const READINESS: [&str; 3] = ["", "readiness", "lazaretto.v1.ScreeningService"];
const ALWAYS: [&str; 4] = [
    "lazaretto.v1.SanctionsListService",
    "lazaretto.v1.TransferService",
    "lazaretto.v1.PolicyService",
    "lazaretto.v1.StoreService",
];

/// What both ports say of readiness, start and life.
async fn check_standing(desk: &Desk, started: bool, ready: bool, drains: bool) {
    let mut ports = vec![health(desk.operations).await];
    if !drains {
        ports.push(health(desk.address).await);
    }
    for port in &mut ports {
        for name in READINESS {
            check_health(port, name, ready).await;
        }
        for name in ALWAYS {
            check_health(port, name, !drains).await;
        }
        check_health(port, "startup", started).await;
        check_health(port, "liveness", true).await;
        let unknown = HealthCheckRequest { service: "nonsense".to_owned() };
        assert_eq!(port.check(unknown).await.unwrap_err().code(), Code::NotFound);
    }
}

#[test]
fn ready_once_what_is_required_is_loaded() {
    let other = ListSettings { required: true, ..settings("other", ListKind::Sanctions) };
    run(vec![ofac(), other], async |desk| {
        check_standing(desk, false, false, false).await;
        check_page(desk, "/livez", (200, "alive\n")).await;
        let why = "required and not loaded: other, us-ofac-sdn\n";
        check_page(desk, "/readyz", (503, why)).await;
        check_page(desk, "/startupz", (503, why)).await;
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        changed(desk, "required and not loaded: other\n").await;
        check_standing(desk, false, false, false).await;
        desk.sanction("other", csv("2025-11-20", &made_up(0..1))).await;
        changed(desk, "ready\n").await;
        check_standing(desk, true, true, false).await;
        check_page(desk, "/startupz", (200, "started\n")).await;
    });
}

/// Waits until `/readyz` says so: a watch of health is told at each change.
async fn changed(desk: &Desk, want: &str) {
    let mut watch = health(desk.operations).await;
    let asked = HealthCheckRequest { service: String::new() };
    let mut watch = watch.watch(asked).await.unwrap().into_inner();
    while get(desk.operations, "/readyz").await.2 != want {
        // Every round trip lets the server come further; a change is told.
        tokio::select! {
            _ = watch.message() => {}
            _ = get(desk.operations, "/livez") => {}
        }
    }
}

#[test]
fn a_stale_list_makes_unready_only_where_that_is_configured() {
    for strict in [false, true] {
        let edit = |config: &mut Config| {
            config.lists = vec![ofac()];
            config.unready_when_stale = strict;
        };
        run_with(edit, async |desk| {
            desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
            changed(desk, "ready\n").await;
            desk.clock.fetch_add(10 * DAY, Ordering::SeqCst);
            // Another list is a change that is looked at, with the time.
            desk.sanction("another", csv("2025-11-20", &made_up(0..1))).await;
            if strict {
                changed(desk, "required and stale: us-ofac-sdn\n").await;
            }
            check_standing(desk, true, !strict, false).await;
        });
    }
}

#[test]
fn a_watch_is_told_of_each_change() {
    run(vec![ofac()], async |desk| {
        for at in [desk.operations, desk.address] {
            let mut client = health(at).await;
            let asked = HealthCheckRequest { service: "readiness".to_owned() };
            let mut watch = client.watch(asked).await.unwrap().into_inner();
            let first = watch.message().await.unwrap().unwrap().status();
            if at == desk.operations {
                assert_eq!(first, ServingStatus::NotServing);
                desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
                let next = watch.message().await.unwrap().unwrap().status();
                assert_eq!(next, ServingStatus::Serving);
            } else {
                assert_eq!(first, ServingStatus::Serving);
            }
        }
    });
}

#[test]
fn the_port_stays_while_the_server_ends() {
    let edit = |config: &mut Config| {
        config.lists = vec![ofac()];
        config.drain.delay = Duration::from_secs(3_600);
    };
    run_with(edit, async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        changed(desk, "ready\n").await;
        desk.stop.take().unwrap().send(()).unwrap();
        changed(desk, "the server is ending\n").await;
        check_standing(desk, true, false, true).await;
        check_page(desk, "/livez", (200, "alive\n")).await;
        check_page(desk, "/startupz", (200, "started\n")).await;
        let (_, _, text) = get(desk.operations, "/metrics").await;
        assert!(
            text.contains("\nlazaretto_draining 1\n") && text.contains("\nlazaretto_ready 0\n")
        );
        // And calls are answered while others learn that this server ends.
        assert_eq!(said(&desk.screen(CLEAN).await), "ALLOW 0 NONE");
    });
}

#[test]
fn nothing_else_is_answered() {
    run(vec![], async |desk| {
        let check = async |request: &str, want: &str| {
            let answer = exchange(desk.operations, request).await;
            let line = answer.lines().next().unwrap_or_default();
            assert_eq!(line.split(' ').nth(1), Some(want), "{request:?}: {answer}");
        };
        check("GET / HTTP/1.1\r\nhost: x\r\n\r\n", "404").await;
        check("GET /metrics/ HTTP/1.1\r\nhost: x\r\n\r\n", "404").await;
        check("POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", "405").await;
        check("PUT /readyz HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx", "405").await;
        check("GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx", "413").await;
        check("GET /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", "413").await;
        check("HEAD /livez HTTP/1.1\r\nhost: x\r\n\r\n", "200").await;
        check("GET /livez HTTP/1.0\r\n\r\n", "200").await;
        check("nonsense\r\n\r\n", "400").await;
        let long = format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", "x".repeat(20 << 10));
        check(&long, "431").await;
        // The services of the main port are not here.
        let channel = Endpoint::from_shared(format!("http://{}", desk.operations)).unwrap();
        let client = Client::new(channel.connect().await.unwrap());
        let status = client.screening.clone().screen_address(question(CLEAN)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    });
}

#[test]
fn more_connections_than_may_be_are_closed_and_the_rest_go_on() {
    run(vec![], async |desk| {
        let mut open = Vec::new();
        let mut closed = 0;
        for _ in 0..120 {
            let mut stream = TcpStream::connect(desk.operations).await.unwrap();
            // Half a request: the connection waits for the rest of it.
            if stream.write_all(b"GET /li").await.is_ok() {
                open.push(stream);
            }
        }
        // Room comes back as slow ones are cut off; until then what is too much is closed at once.
        for stream in &mut open {
            let mut answer = Vec::new();
            if stream.read_to_end(&mut answer).await.is_err() || answer.is_empty() {
                closed += 1;
            }
        }
        assert!(closed >= 20, "{closed} of 120 were closed");
        check_page(desk, "/livez", (200, "alive\n")).await;
        // The main port does not mind.
        desk.lists().await;
    });
}

#[test]
fn who_holds_connections_open_keeps_no_probe_out() {
    run(vec![], async |desk| {
        // A watch is a connection of HTTP/2 that lasts.
        let mut watches = Vec::new();
        for _ in 0..100 {
            let asked = HealthCheckRequest { service: "liveness".to_owned() };
            let mut watch = health(desk.operations).await.watch(asked).await.unwrap().into_inner();
            watch.message().await.unwrap().unwrap();
            watches.push(watch);
        }
        check_page(desk, "/livez", (200, "alive\n")).await;
        watches[0].message().await.unwrap_err();
    });
}
