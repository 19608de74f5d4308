//! The services as a client sees them: a real server on the loopback address, a real client, both
//! on the runtime of the test, and a clock that is set by hand.

mod access;
mod acknowledged;
mod backfill;
mod batch;
mod changes;
mod concurrency;
mod coverage;
mod decision_log;
mod exchange;
mod idempotency;
mod limits;
mod lists;
#[cfg(target_os = "linux")]
mod memory;
mod messages;
mod metrics;
mod operations;
mod past;
mod payment;
mod permissions;
mod pki;
mod policy;
mod recorded;
mod refusals;
mod screening;
mod serving;
mod stream;
mod tls;
mod transfers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use lazaretto::config::{Config, Flags};
use lazaretto::domain::list::ListKind;
use lazaretto::engine::Engine;
use lazaretto::grpc::client::Client;
use lazaretto::grpc::in_process;
use lazaretto::grpc::serve::accept::Listener;
use lazaretto::grpc::serve::tls::Tls;
use lazaretto::grpc::serve::{ServeError, serve};
use lazaretto::grpc::v1;
use lazaretto::grpc::v1::import_list_request::Part;
use lazaretto::refresh::ListSettings;
use lazaretto::telemetry::{Filter, LogFormat};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const NOW: &str = "2025-11-20T12:00:00Z";
const OFAC: &str = "us-ofac-sdn";
/// Lazarus Group's address of the Ronin theft, as OFAC writes it.
const RONIN: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";
/// The deposit contract of Ethereum.
const CLEAN: &str = "0x00000000219ab540356cbb839cbe05303d7705fa";
const DAY: i64 = 24 * 60 * 60;

/// The longest that anything here may take: a bound, never waited for.
const BOUND: Duration = Duration::from_secs(120);

/// A server and its client.
struct Desk {
    dir: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    engine: Arc<Engine>,
    address: SocketAddr,
    /// Where metrics and health are shown.
    operations: SocketAddr,
    client: Client,
    tls: Option<Arc<Tls>>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), ServeError>>,
}

/// Runs a test against a server with `lists` configured.
fn run(lists: Vec<ListSettings>, test: impl AsyncFnOnce(&mut Desk)) {
    run_with(|config| config.lists = lists, test);
}

/// Runs a test against a server with an edited configuration.
fn run_with(edit: impl FnOnce(&mut Config), test: impl AsyncFnOnce(&mut Desk)) {
    runtime().block_on(async {
        let mut desk = Desk::start(edit).await;
        bounded(test(&mut desk)).await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, work).await.expect("it ends in time")
}

impl Desk {
    async fn start(edit: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let built_in = Config::load(&Flags::default(), Vec::new()).unwrap();
        let mut config = Config {
            data_dir: dir.path().to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            starter_lists: false,
            offline: false,
            allow_stale: false,
            log: Filter::default(),
            log_format: LogFormat::Text,
            policy: None,
            shadow_policy: None,
            cache_mib: 16,
            lists: Vec::new(),
            ..built_in
        };
        edit(&mut config);
        let clock = Arc::new(AtomicI64::new(moment(NOW).as_second()));
        let told = Arc::clone(&clock);
        let now = move || Timestamp::from_second(told.load(Ordering::SeqCst)).unwrap();
        let engine = Engine::open(&config, Arc::new(now)).unwrap();
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shown = TcpListener::bind(config.listen).await.unwrap();
        let operations = shown.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        // Who asks without TLS and without a token asks as the owner does.
        let is_open = config.tls.is_none() && config.identities.is_empty();
        let tls = config.tls.as_ref().map(|files| Arc::new(Tls::open(files).unwrap()));
        let listeners = vec![match &tls {
            Some(tls) => Listener::Tls(listener, tls.clone()),
            None => Listener::Tcp(listener),
        }];
        let stopped = async { drop(stopped.await) };
        let served = tokio::spawn(serve(engine.clone(), config, listeners, Some(shown), stopped));
        let client = match is_open {
            true => Client::connect(&format!("http://{address}")).await.unwrap(),
            false => Client::new(in_process(engine.clone()).await.unwrap()),
        };
        Self { dir, clock, engine, address, operations, client, tls, stop: Some(stop), served }
    }

    /// A second connection.
    async fn another_client(&self) -> Client {
        Client::connect(&format!("http://{}", self.address)).await.unwrap()
    }

    /// The answer without its record, so that two can be compared.
    async fn ask(
        &self,
        request: v1::ScreenAddressRequest,
    ) -> Result<v1::ScreenAddressResponse, Status> {
        let answer = self.ask_recorded(request).await;
        answer.map(|answer| v1::ScreenAddressResponse { record_id: String::new(), ..answer })
    }

    async fn ask_recorded(
        &self,
        mut request: v1::ScreenAddressRequest,
    ) -> Result<v1::ScreenAddressResponse, Status> {
        request.options.get_or_insert_default().include_snapshot = true;
        let answer = self.client.screening.clone().screen_address(request).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn screen(&self, address: &str) -> v1::Screening {
        self.ask(question(address)).await.unwrap().screening.unwrap()
    }

    /// Imports a file in parts as they are.
    async fn send(&self, parts: Vec<Part>) -> Result<v1::PublicationReport, Status> {
        let parts = parts.into_iter().map(|part| v1::ImportListRequest { part: Some(part) });
        let mut lists = self.client.lists.clone();
        let answer = lists.import_list(tokio_stream::iter(parts)).await?;
        Ok(answer.into_inner().report.expect("a report"))
    }

    async fn import(
        &self,
        header: v1::ImportListHeader,
        file: Vec<u8>,
    ) -> Result<v1::PublicationReport, Status> {
        self.send(vec![Part::Header(header), Part::Chunk(file)]).await
    }

    /// How many imports are on their way, by their files.
    fn uploads(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("upload")).unwrap().count()
    }

    /// How many bytes of files came.
    fn uploaded(&self) -> u64 {
        let files = std::fs::read_dir(self.dir.path().join("upload")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    /// Imports the file of a SANCTIONS list.
    async fn sanction(&self, list: &str, file: Vec<u8>) -> v1::PublicationReport {
        let header =
            v1::ImportListHeader { refreshes_age: true, ..header(list, v1::ListKind::Sanctions) };
        self.import(header, file).await.unwrap()
    }

    async fn lists(&self) -> Vec<v1::SanctionsList> {
        let mut lists = self.client.lists.clone();
        let answer = lists.list_sanctions_lists(v1::ListSanctionsListsRequest {}).await;
        answer.unwrap().into_inner().lists
    }
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn proto_time(text: &str) -> pbjson_types::Timestamp {
    pbjson_types::Timestamp { seconds: moment(text).as_second(), nanos: 0 }
}

fn settings(list: &str, kind: ListKind) -> ListSettings {
    ListSettings {
        id: list.parse().unwrap(),
        name: format!("The list {list}"),
        kind,
        url: None,
        remote: lazaretto::refresh::Remote::default(),
        path: None,
        format: None,
        required: false,
        is_static: !kind.ages(),
        refresh_interval: Duration::from_secs(3600),
        max_age: kind.ages().then_some(Duration::from_secs(48 * 3600)),
        allow_empty: false,
        max_shrink: 0.25,
        shrink_window: Duration::from_secs(30 * 86_400),
        max_not_understood: 0.05,
    }
}

/// OFAC's list, required.
fn ofac() -> ListSettings {
    ListSettings { required: true, ..settings(OFAC, ListKind::Sanctions) }
}

/// A list that lets any number of rows go at once.
fn loose(list: &str) -> ListSettings {
    ListSettings { max_shrink: 1.0, ..settings(list, ListKind::Sanctions) }
}

fn header(list: &str, kind: v1::ListKind) -> v1::ImportListHeader {
    v1::ImportListHeader {
        list_id: list.to_owned(),
        kind: kind.into(),
        format: "csv".to_owned(),
        file_name: format!("{list}.csv"),
        ..Default::default()
    }
}

/// A list file of rows `address,ticker,party_uid,party_name`.
fn csv<R: AsRef<str>>(published: &str, rows: &[R]) -> Vec<u8> {
    let mut text = String::new();
    if !published.is_empty() {
        text += &format!("# published: {published}\n");
    }
    text += "address,ticker,party_uid,party_name\n";
    for row in rows {
        text += row.as_ref();
        text += "\n";
    }
    text.into_bytes()
}

/// A made-up EVM address.
fn evm(number: u64) -> String {
    format!("0x5eed{number:036x}")
}

/// Rows of made-up addresses.
fn made_up(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("{},ETH,{number},Party {number}", evm(number))).collect()
}

fn query(address: &str) -> v1::AddressQuery {
    v1::AddressQuery { address: address.to_owned(), ..Default::default() }
}

/// Options that ask for the snapshot in full, and for nothing else.
fn with_snapshot() -> Option<v1::ScreeningOptions> {
    Some(v1::ScreeningOptions { include_snapshot: true, ..Default::default() })
}

fn question(address: &str) -> v1::ScreenAddressRequest {
    v1::ScreenAddressRequest { query: Some(query(address)), options: None, ..Default::default() }
}

/// A screening in short: decision, score, level, findings, and why it is incomplete.
fn said(screening: &v1::Screening) -> String {
    let name = |name: &'static str, prefix: &str| name.strip_prefix(prefix).unwrap();
    let mut said = format!(
        "{} {} {}",
        name(screening.decision().as_str_name(), "DECISION_"),
        screening.score,
        name(screening.level().as_str_name(), "RISK_LEVEL_"),
    );
    for finding in &screening.findings {
        let listing = finding.listing.as_ref().unwrap();
        let kind = name(finding.kind().as_str_name(), "FINDING_KIND_");
        let state = name(listing.state().as_str_name(), "LISTING_STATE_");
        said += &format!(" {kind}:{state}@{}", listing.list_id);
    }
    for reason in &screening.incomplete_reasons {
        assert!(!reason.detail.is_empty(), "{reason:?}");
        let code = name(reason.code().as_str_name(), "INCOMPLETE_REASON_CODE_");
        said += &format!(" !{code}");
        if !reason.list_id.is_empty() {
            said += &format!("@{}", reason.list_id);
        }
    }
    let complete = screening.status() == v1::ScreeningStatus::Complete;
    assert_eq!(complete, screening.incomplete_reasons.is_empty(), "{screening:?}");
    assert_ne!(screening.status(), v1::ScreeningStatus::Unspecified);
    said
}

/// That a call was refused as it should be: the code, the reason, the field that BadRequest names
/// (none where empty), and words of the message.
#[track_caller]
fn check_refused<T: std::fmt::Debug>(
    outcome: Result<T, Status>,
    (code, reason, field, words): (Code, &str, &str, &str),
) {
    let status = outcome.expect_err("a refusal");
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    let named: Vec<_> = details
        .bad_request()
        .map_or(&[][..], |bad| &bad.field_violations)
        .iter()
        .inspect(|violation| assert!(!violation.description.is_empty()))
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{status:?}");
    assert_eq!(info.domain, "lazaretto.v1");
    assert_eq!(named.join(" "), field, "{status:?}");
    assert!(status.message().contains(words), "{words:?} in {:?}", status.message());
}
