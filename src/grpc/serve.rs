//! Puts the services on listeners, with health, reflection, limits and graceful drain; or on an
//! in-memory pipe for a command that holds the store itself.

pub mod accept;
mod connection;
mod guarded;
pub(super) mod tasks;

use std::sync::Arc;
use std::time::Duration;

use accept::{Door, Listener};
use connection::Terms;
use hyper_util::rt::TokioIo;
use tokio::sync::{Semaphore, mpsc, watch};
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::call::{Calls, Shared};
use super::lists::Lists;
use super::load::Load;
use super::policy::Policies;
use super::screening::Screenings;
use super::transfers::Transfers;
use super::v1;
use super::v1::policy_service_server::{PolicyServiceServer, SERVICE_NAME as POLICIES};
use super::v1::sanctions_list_service_server::{SERVICE_NAME as LISTS, SanctionsListServiceServer};
use super::v1::screening_service_server::{SERVICE_NAME as SCREENING, ScreeningServiceServer};
use super::v1::transfer_service_server::{SERVICE_NAME as TRANSFERS, TransferServiceServer};
use crate::config::{Config, Drain, Limits};
use crate::engine::Engine;

/// The largest message taken, in bytes: a batch of 10,000 of the longest addresses that there are
/// in practice, twice over.
pub const MAX_REQUEST: usize = 4 << 20;

/// The largest batch of transfers taken, in bytes: one transaction of a UTXO chain with the most
/// inputs and outputs that there may be, or 10,000 transfers.
pub const MAX_INGEST: usize = 16 << 20;

/// The largest message sent, in bytes: a batch of 10,000 answers with findings.
pub const MAX_RESPONSE: usize = 64 << 20;

/// What health knows: the server as a whole, and each service.
const SERVICES: [&str; 5] = ["", SCREENING, LISTS, TRANSFERS, POLICIES];

/// Connections open at once on the socket in the data directory.
const OWNERS_CONNECTIONS: usize = 64;

/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long streams may take to say farewell once they were told to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The in-memory pipe's buffer, in bytes.
const PIPE: usize = 1 << 20;

/// Why serving ended or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The transport failed.
    #[error("gRPC transport: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The reflection service could not be built from the program's own descriptors.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves `engine` on `listeners` until `shutdown`; then drains as the configuration says, and
/// returns.
pub async fn serve(
    engine: Arc<Engine>,
    config: Config,
    listeners: Vec<Listener>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let (health, server) = Server::new(&engine, &config.limits)?;
    let room = Arc::new(Semaphore::new(config.limits.connections));
    // The owner gets in however many others are there.
    let owners_room = Arc::new(Semaphore::new(OWNERS_CONNECTIONS));
    let (alive, ended) = mpsc::channel(1);
    for listener in listeners {
        let door = Door {
            terms: server.terms.clone(),
            calls: server.calls.clone(),
            room: match listener {
                Listener::Tcp(_) => room.clone(),
                Listener::Unix(_) => owners_room.clone(),
            },
            draining: server.draining.subscribe(),
            alive: alive.clone(),
        };
        tokio::spawn(door.open(listener));
    }
    drop(alive);
    tokio::select! {
        () = shutdown => {}
        () = report_health(engine, health.clone()) => {}
    }
    server.drain(&config.drain, health, ended).await;
    Ok(())
}

/// What connections are served by, and how it ends.
struct Server {
    terms: Terms,
    calls: Calls,
    shared: Arc<Shared>,
    draining: watch::Sender<bool>,
}

impl Server {
    fn new(engine: &Arc<Engine>, limits: &Limits) -> Result<(HealthReporter, Self), ServeError> {
        let load = Arc::new(Load::new(limits));
        let (health, routes) = routes(engine, &load)?;
        let ending = watch::Sender::new(false);
        let shared = Arc::new(Shared { load, limits: limits.clone(), ending });
        let calls = Calls::new(routes, shared.clone());
        let draining = watch::Sender::new(false);
        Ok((health, Self { terms: Terms::new(limits), calls, shared, draining }))
    }

    /// Says that it is not ready, goes on for a while, takes no more, and waits for what is under
    /// way: `ended` closes with the last connection.
    async fn drain(&self, drain: &Drain, health: HealthReporter, mut ended: mpsc::Receiver<()>) {
        not_serving(&health).await;
        tokio::time::sleep(drain.delay).await;
        self.draining.send_replace(true);
        end_watches(health).await;
        if tokio::time::timeout(drain.timeout, ended.recv()).await.is_ok() {
            return;
        }
        tracing::warn!("streams still open after {} s are ended", drain.timeout.as_secs());
        self.shared.ending.send_replace(true);
        if tokio::time::timeout(FAREWELL, ended.recv()).await.is_err() {
            tracing::warn!(calls = self.shared.load.calls(), "what is still under way is cut off");
        }
    }
}

/// The services over `engine`.
fn routes(engine: &Arc<Engine>, load: &Arc<Load>) -> Result<(HealthReporter, Routes), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let screening = ScreeningServiceServer::new(Screenings::new(engine.clone(), load.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let lists = SanctionsListServiceServer::new(Lists::new(engine.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let transfers = TransferServiceServer::new(Transfers::new(engine.clone(), load.clone()))
        .max_decoding_message_size(MAX_INGEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let policies = PolicyServiceServer::new(Policies::new(engine.clone(), load.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let routes = Routes::new(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(screening)
        .add_service(lists)
        .add_service(transfers)
        .add_service(policies)
        .prepare();
    Ok((health, routes))
}

/// A channel to the services over an in-memory pipe, served in the background of this runtime.
pub async fn in_process(engine: Arc<Engine>) -> Result<Channel, ServeError> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    // Whoever asks here waits for himself alone.
    let limits = Limits { call_timeout: FOR_EVER, stall_timeout: FOR_EVER, ..Limits::default() };
    let (health, server) = Server::new(&engine, &limits)?;
    tokio::spawn(async move {
        let Server { terms, calls, draining, .. } = server;
        tokio::select! {
            () = terms.drive(theirs, terms.open_by(), calls, draining.subscribe()) => {}
            () = report_health(engine, health) => {}
        }
    });
    let mut ours = Some(TokioIo::new(ours));
    let connector = tower::service_fn(move |_: Uri| {
        let end = ours.take().ok_or(std::io::ErrorKind::NotConnected);
        async move { end.map_err(std::io::Error::from) }
    });
    let endpoint = Endpoint::from_static("http://in-process.invalid");
    Ok(endpoint.connect_with_connector(connector).await?)
}

/// Tells health what is true now and at every change: NOT_SERVING until a list is published. Never
/// ends.
async fn report_health(engine: Arc<Engine>, health: HealthReporter) {
    let mut loaded = engine.watch_loaded();
    loop {
        let status = match *loaded.borrow_and_update() {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        };
        for service in ["", SCREENING] {
            health.set_service_status(service, status).await;
        }
        // Lists and transfers can be imported before any list is loaded, and policies be read.
        for service in [LISTS, TRANSFERS, POLICIES] {
            health.set_service_status(service, ServingStatus::Serving).await;
        }
        if loaded.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Tells those who watch that nothing is to be asked here any more.
async fn not_serving(health: &HealthReporter) {
    for service in SERVICES {
        health.set_service_status(service, ServingStatus::NotServing).await;
    }
}

/// Ends the calls of those who watch, which would keep their connections for ever.
async fn end_watches(mut health: HealthReporter) {
    for service in SERVICES {
        health.clear_service_status(service).await;
    }
}
