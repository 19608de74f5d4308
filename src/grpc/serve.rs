//! Puts the services on a listener, with health, reflection, limits and graceful drain; or on an
//! in-memory pipe for a command that holds the store itself.

pub mod health;
pub mod operations;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Server, Uri};

use super::lists::Lists;
use super::policy::Policies;
use super::screening::Screenings;
use super::transfers::Transfers;
use super::v1;
use super::v1::policy_service_server::PolicyServiceServer;
use super::v1::sanctions_list_service_server::SanctionsListServiceServer;
use super::v1::screening_service_server::ScreeningServiceServer;
use super::v1::transfer_service_server::TransferServiceServer;
use crate::engine::Engine;
use crate::metrics::Metrics;
use health::Health;

/// The largest message taken, in bytes: a batch of 10,000 of the longest addresses that there are
/// in practice, twice over.
pub const MAX_REQUEST: usize = 4 << 20;

/// The largest batch of transfers taken, in bytes: one transaction of a UTXO chain with the most
/// inputs and outputs that there may be, or 10,000 transfers.
pub const MAX_INGEST: usize = 16 << 20;

/// The largest message sent, in bytes: a batch of 10,000 answers with findings.
pub const MAX_RESPONSE: usize = 64 << 20;

/// The most calls under way on one connection.
const MAX_CALLS_PER_CONNECTION: u32 = 1_000;

/// How long calls under way may take to end once an end is asked for. A stream that its client
/// keeps open would hold the server up for ever.
const DRAIN: Duration = Duration::from_secs(30);

/// How much of one call's messages is taken before they are looked at, in bytes: what a client
/// that does not read its answers can make wait here.
const CALL_WINDOW: u32 = 256 << 10;

/// The same for all calls of a connection, in bytes. Larger than that of a call, so that calls
/// which wait for their reader do not keep the others on the connection from being heard.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

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

/// Serves `engine` on `listener` until `shutdown`; then takes no more calls, answers those under
/// way, for 30 seconds at most, and returns.
pub async fn serve(
    engine: Arc<Engine>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let connections = TcpListenerStream::new(listener).then(async |accepted| match accepted {
        Ok(connection) => ready(connection),
        Err(error) => {
            // Out of file descriptors, most likely: to try again at once would fail at once.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            Err(error)
        }
    });
    serve_connections(engine, connections, shutdown).await
}

fn ready(connection: TcpStream) -> io::Result<TcpStream> {
    // With Nagle's algorithm on, small answers wait for 40 ms.
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// A channel to the services over an in-memory pipe, served in the background of this runtime.
pub async fn in_process(engine: Arc<Engine>) -> Result<Channel, ServeError> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let connections = tokio_stream::once(io::Result::Ok(theirs)).chain(tokio_stream::pending());
    tokio::spawn(async move {
        if let Err(error) = serve_connections(engine, connections, std::future::pending()).await {
            tracing::error!(%error, "the in-process service ended");
        }
    });
    let mut ours = Some(TokioIo::new(ours));
    let connector = tower::service_fn(move |_: Uri| {
        let end = ours.take().ok_or(io::ErrorKind::NotConnected);
        async move { end.map_err(io::Error::from) }
    });
    let endpoint = Endpoint::from_static("http://in-process.invalid");
    Ok(endpoint.connect_with_connector(connector).await?)
}

async fn serve_connections<C>(
    engine: Arc<Engine>,
    connections: impl Stream<Item = io::Result<C>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static,
{
    let health = Arc::new(Health::new(false));
    let health_service = health.service();
    let metrics = Arc::new(Metrics::new());
    health.look(&engine, &metrics).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let screening = ScreeningServiceServer::new(Screenings::new(engine.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let farewell = health.clone();
    let metrics = metrics.clone();
    let shutdown = async {
        shutdown.await;
        farewell.drain(&metrics).await;
        farewell.end().await;
    };
    let watching = health.clone();
    let (watched, counted) = (engine.clone(), metrics.clone());
    let lists = SanctionsListServiceServer::new(Lists::new(engine.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let transfers = TransferServiceServer::new(Transfers::new(engine.clone()))
        .max_decoding_message_size(MAX_INGEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let policies = PolicyServiceServer::new(Policies::new(engine.clone()))
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_RESPONSE);
    let (asked, end_asked) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        // The other side lives as long as this call.
        let _ = asked.send(());
    };
    let server = Server::builder()
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .initial_stream_window_size(CALL_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(screening)
        .add_service(lists)
        .add_service(transfers)
        .add_service(policies)
        .serve_with_incoming_shutdown(connections, shutdown);
    tokio::select! {
        ended = server => Ok(ended?),
        () = watching.watch(&watched, &counted) => Ok(()),
        () = drained_too_long(end_asked) => {
            tracing::warn!("calls still under way after {} s are cut off", DRAIN.as_secs());
            Ok(())
        }
    }
}

/// Ends [`DRAIN`] after an end was asked for.
async fn drained_too_long(end_asked: oneshot::Receiver<()>) {
    match end_asked.await {
        Ok(()) => tokio::time::sleep(DRAIN).await,
        Err(_) => std::future::pending().await,
    }
}
