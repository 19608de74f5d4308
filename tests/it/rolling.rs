//! Two servers that are restarted in turn while clients go on asking, each call once: none fails.
//! One client picks a server that says it is ready, as a client-side balancer does; another (Python,
//! where CI has set it up) speaks through a TCP balancer, and learns of an end by GOAWAY alone.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lazaretto::grpc::client::Client;
use lazaretto::grpc::v1;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::needs::{Need, tool};
use crate::support::program::{Running, program};

/// An address of the Lazarus Group that the starter list has.
const LISTED: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";

const RESTARTS: usize = 20;
const CLIENTS: usize = 4;

/// A server that is ready.
#[derive(Clone)]
struct Ready {
    client: Client,
    address: SocketAddr,
}

/// The servers that are ready, by their place.
#[derive(Default)]
struct Fleet {
    ready: Mutex<[Option<Ready>; 2]>,
    changed: Notify,
    turn: AtomicU64,
}

impl Fleet {
    fn set(&self, place: usize, ready: Option<Ready>) {
        self.ready.lock().unwrap()[place] = ready;
        self.changed.notify_waiters();
    }

    /// One that is ready, in turn.
    fn pick(&self) -> Ready {
        let ready = self.ready.lock().unwrap();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) as usize;
        let found = ready[turn % 2].as_ref().or(ready[(turn + 1) % 2].as_ref());
        found.expect("one of two is always ready").clone()
    }

    async fn gone(&self, place: usize) {
        loop {
            let changed = self.changed.notified();
            if self.ready.lock().unwrap()[place].is_none() {
                return;
            }
            changed.await;
        }
    }
}

/// Starts a server and returns once it is ready and known to be.
async fn start(fleet: &Arc<Fleet>, place: usize, dir: &Path) -> Running {
    let mut command = program(dir);
    command.args(["serve", "--offline", "--listen", "127.0.0.1:0", "--set", "drain.delay=500ms"]);
    let running = tokio::task::spawn_blocking(move || {
        let mut running = Running::start(command);
        running.wait_for("listening url=");
        running
    });
    let running = running.await.unwrap();
    let url = std::fs::read_to_string(dir.join("endpoint")).unwrap().trim().to_owned();
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let client = Client::connect(&url).await.unwrap();
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let asked = HealthCheckRequest { service: String::new() };
    let mut watch = HealthClient::new(channel).watch(asked).await.unwrap().into_inner();
    while watch.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    fleet.set(place, Some(Ready { client, address }));
    let fleet = fleet.clone();
    tokio::spawn(async move {
        // Whatever comes next, be it the end of the watch, it is not ready any more.
        drop(watch.message().await);
        fleet.set(place, None);
    });
    running
}

/// Asks until told to stop, one call after the other; how many were answered.
async fn ask(fleet: Arc<Fleet>, stop: Arc<AtomicBool>) -> u64 {
    let query = v1::AddressQuery { address: LISTED.to_owned(), ..Default::default() };
    let question = v1::ScreenAddressRequest {
        query: Some(query.clone()),
        options: None,
        ..Default::default()
    };
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut screening = fleet.pick().client.screening;
        if answered % 10 == 9 {
            let one =
                v1::StreamScreenAddressesRequest { query: Some(query.clone()), options: None };
            let questions = tokio_stream::iter(vec![one; 50]);
            let answers = screening.stream_screen_addresses(questions).await.unwrap();
            let mut answers = answers.into_inner();
            for _ in 0..50 {
                assert!(answers.message().await.unwrap().is_some(), "an answer to each question");
            }
            assert!(answers.message().await.unwrap().is_none());
        } else {
            let answer = screening.screen_address(question.clone()).await.unwrap().into_inner();
            assert_eq!(answer.screening.unwrap().decision(), v1::Decision::Block);
        }
        answered += 1;
    }
    answered
}

/// A balancer of connections: each goes to a server that is ready when it comes.
async fn balance(fleet: Arc<Fleet>, listener: TcpListener) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let fleet = fleet.clone();
        tokio::spawn(async move {
            let mut server = TcpStream::connect(fleet.pick().address).await.unwrap();
            // Either side may end as it likes.
            drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
        });
    }
}

/// The client in Python; `None` where there is none to start.
fn python(address: SocketAddr) -> Option<Child> {
    let python = tool(Need::Python)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg("-B").arg(root.join("tests/clients/python/load.py"));
    command.arg(root.join("proto")).arg(address.to_string());
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(pipes.spawn().unwrap())
}

/// Waits until the client in Python asks, and gives what says how it went once it is stopped.
fn begun(mut child: Child) -> JoinHandle<impl FnOnce() -> u64 + Send> {
    tokio::task::spawn_blocking(move || {
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        move || {
            drop(child.stdin.take());
            line.clear();
            out.read_line(&mut line).unwrap();
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            assert!(child.wait().unwrap().success(), "{errors}");
            line.trim().parse().unwrap()
        }
    })
}

#[test]
fn no_call_fails_while_servers_are_restarted_in_turn() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let fleet = Arc::new(Fleet::default());
        let mut servers = [
            Some(start(&fleet, 0, dirs[0].path()).await),
            Some(start(&fleet, 1, dirs[1].path()).await),
        ];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let python = python(listener.local_addr().unwrap());
        tokio::spawn(balance(fleet.clone(), listener));
        let python = match python {
            Some(child) => Some(begun(child).await.unwrap()),
            None => None,
        };
        let stop = Arc::<AtomicBool>::default();
        let ask = || tokio::spawn(ask(fleet.clone(), stop.clone()));
        let clients: Vec<_> = (0..CLIENTS).map(|_| ask()).collect();
        for restart in 0..RESTARTS {
            let place = restart % 2;
            let server = servers[place].take().unwrap();
            server.signal("TERM");
            fleet.gone(place).await;
            let ended = tokio::task::spawn_blocking(move || server.end()).await.unwrap();
            assert_eq!(ended.status, 0, "{}", ended.err);
            assert!(!ended.err.contains("forcing shutdown"), "{}", ended.err);
            servers[place] = Some(start(&fleet, place, dirs[place].path()).await);
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            let answered = client.await.unwrap();
            assert!(answered > RESTARTS as u64, "{answered} answers");
        }
        if let Some(stop) = python {
            let answered = tokio::task::spawn_blocking(stop).await.unwrap();
            assert!(answered > RESTARTS as u64, "{answered} answers");
        }
    });
}
