//! Serves on listeners, with health, reflection, limits and graceful shutdown; or on an in-memory pipe
//! for a command that holds the store itself.

pub mod accept;
mod connection;
mod foreign;
mod frames;
mod guarded;
pub mod health;
mod late;
pub mod operations;
pub(super) mod tasks;
pub mod tls;

use std::sync::Arc;
use std::time::Duration;

use accept::{ConnectionAcceptor, Listener};
use connection::ConnectionConfig;
use health::Health;
use hyper_util::rt::TokioIo;
use operations::Operations;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Uri};

use super::access::{Access, Peer};
use super::bounds::MAX_RESPONSE;
use super::budget::Budget;
use super::call::{Calls, Shared};
use super::concurrency::ConcurrencyLimits;
use super::decision_log::DecisionLogs;
use super::lists::Lists;
use super::method::METHODS;
use super::policy::Policies;
use super::screening::Screenings;
use super::store::Backups;
use super::transfers::Transfers;
use super::v1;
use super::v1::decision_log_service_server::DecisionLogServiceServer;
use super::v1::policy_service_server::PolicyServiceServer;
use super::v1::sanctions_list_service_server::SanctionsListServiceServer;
use super::v1::screening_service_server::ScreeningServiceServer;
use super::v1::store_service_server::StoreServiceServer;
use super::v1::transfer_service_server::TransferServiceServer;
use super::wire::{self, MAX_INGEST, MAX_REQUEST};
use crate::config::{Config, Drain, Limits};
use crate::engine::Engine;
use crate::metrics::Metrics;

/// Connections open at once on the socket in the data directory.
const OWNERS_CONNECTIONS: usize = 64;

/// Longer than any client waits.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long streams may take to say farewell once they were told to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The in-memory pipe's buffer, in bytes.
const PIPE: usize = 1 << 20;

/// Why serving ended or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("gRPC transport: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The reflection service could not be built from the program's own descriptors.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves `engine` on `listeners` until `shutdown`; then drains as the configuration says, and
/// returns. Metrics and health are shown on `operations`, where there is one, to the end.
pub async fn serve(
    engine: Arc<Engine>,
    config: Config,
    listeners: Vec<Listener>,
    operations: Option<TcpListener>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let health = Arc::new(Health::new(config.unready_when_stale));
    let access = Access::new(&config.identities);
    let server = Server::new(&engine, &config.limits, health, access)?;
    let Shared { metrics, health, .. } = &*server.shared;
    health.look(&engine, metrics).await;
    // Ended when this returns.
    let mut beside = JoinSet::new();
    if let Some(listener) = operations {
        let shown = Operations::new(engine.clone(), metrics.clone(), health.clone());
        beside.spawn(shown.serve(listener));
    }
    let room = Arc::new(Semaphore::new(config.limits.connections));
    // The owner gets in however many others are there.
    let owners_room = Arc::new(Semaphore::new(OWNERS_CONNECTIONS));
    let (alive, ended) = mpsc::channel(1);
    for listener in listeners {
        let acceptor = ConnectionAcceptor {
            config: server.config.clone(),
            calls: server.calls.clone(),
            metrics: metrics.clone(),
            room: match listener {
                Listener::Tcp(_) | Listener::Tls(..) => room.clone(),
                Listener::Unix(_) => owners_room.clone(),
            },
            draining: server.draining.subscribe(),
            alive: alive.clone(),
        };
        tokio::spawn(acceptor.open(listener));
    }
    drop(alive);
    tokio::select! {
        () = shutdown => {}
        () = health.watch(&engine, metrics) => {}
    }
    drop(engine);
    server.drain(&config.drain, ended).await;
    Ok(())
}

/// What connections are served by, and how it ends.
struct Server {
    config: ConnectionConfig,
    calls: Calls,
    shared: Arc<Shared>,
    draining: watch::Sender<bool>,
}

impl Server {
    fn new(
        engine: &Arc<Engine>,
        limits: &Limits,
        health: Arc<Health>,
        access: Access,
    ) -> Result<Self, ServeError> {
        wire::prepare();
        let load = Arc::new(ConcurrencyLimits::new(limits));
        let metrics = Arc::new(Metrics::new(METHODS.iter().map(|method| method.path)));
        let routes = routes(engine, &load, &metrics, &health)?;
        let config = ConnectionConfig::new(limits, metrics.clone());
        let ending = watch::Sender::new(false);
        let limits = limits.clone();
        let budget = Arc::new(Budget::new(&limits, metrics.clone()));
        let shared = Arc::new(Shared { load, limits, access, metrics, health, budget, ending });
        let calls = Calls::new(routes, shared.clone());
        let draining = watch::Sender::new(false);
        Ok(Self { config, calls, shared, draining })
    }

    /// Says that it is not ready, goes on for a while, takes no more, and waits for what is under
    /// way: `ended` closes with the last connection.
    async fn drain(&self, drain: &Drain, mut ended: mpsc::Receiver<()>) {
        let Shared { metrics, health, .. } = &*self.shared;
        health.drain(metrics).await;
        tokio::time::sleep(drain.delay).await;
        self.draining.send_replace(true);
        health.end().await;
        if tokio::time::timeout(drain.timeout, ended.recv()).await.is_ok() {
            return;
        }
        tracing::warn!(timeout = ?drain.timeout, "ending streams that are still open");
        self.shared.ending.send_replace(true);
        if tokio::time::timeout(FAREWELL, ended.recv()).await.is_err() {
            tracing::warn!(
                calls = self.shared.load.calls(),
                "forcing shutdown with calls in flight"
            );
        }
    }
}

fn routes(
    engine: &Arc<Engine>,
    load: &Arc<ConcurrencyLimits>,
    metrics: &Arc<Metrics>,
    health: &Health,
) -> Result<Routes, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let screenings = Screenings::new(engine.clone(), load.clone()).counting(metrics.clone());
    let screening = ScreeningServiceServer::new(screenings)
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let lists = SanctionsListServiceServer::new(Lists::new(engine.clone(), load.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let transfers = TransferServiceServer::new(Transfers::new(engine.clone(), load.clone()))
        .max_decoding_message_size(MAX_INGEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let policies = PolicyServiceServer::new(Policies::new(engine.clone(), load.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let store = StoreServiceServer::new(Backups::new(engine.clone()));
    let decision_log =
        DecisionLogServiceServer::new(DecisionLogs::new(engine.clone(), load.clone()))
            .max_decoding_message_size(MAX_REQUEST)
            .max_encoding_message_size(MAX_RESPONSE);
    let routes = Routes::new(health.service())
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(screening)
        .add_service(lists)
        .add_service(transfers)
        .add_service(policies)
        .add_service(store)
        .add_service(decision_log)
        .prepare();
    Ok(routes)
}

/// A channel to the services over an in-memory pipe, served in the background of this runtime.
pub async fn in_process(engine: Arc<Engine>) -> Result<Channel, ServeError> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    // Whoever asks here waits for himself alone.
    let limits = Limits { call_timeout: FOR_EVER, stall_timeout: FOR_EVER, ..Limits::default() };
    let health = Arc::new(Health::new(false));
    let server = Server::new(&engine, &limits, health, Access::new(&[]))?;
    tokio::spawn(async move {
        let Server { config, calls, draining, shared } = server;
        tokio::select! {
            () = config.drive(theirs, config.open_by(), calls.of(Peer::owner()), draining.subscribe()) => {}
            () = shared.health.watch(&engine, &shared.metrics) => {}
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
