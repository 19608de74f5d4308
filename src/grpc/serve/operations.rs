//! The operations port: metrics and health for those who run the server, over plain HTTP/1.1 and
//! HTTP/2. Shows nothing secret, changes nothing, and is bounded by itself, so that whatever is
//! done to it the main port goes on.

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::health::Health;
use crate::engine::Engine;
use crate::metrics::{self, Metrics};

/// The most connections at once. For one more the oldest is closed: an answer here takes no time, so
/// that who holds connections open for nothing keeps no probe out.
const MAX_CONNECTIONS: usize = 100;

/// How long a request may take to arrive, from its connection or its first byte on.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take to be made.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection of HTTP/1.1 may last, which takes one request: no client keeps one by not
/// reading.
const HTTP1_LIFETIME: Duration = Duration::from_secs(20);

/// The largest header of a request, in bytes.
const MAX_HEADER: u32 = 16 << 10;

/// How often an HTTP/2 connection is asked whether its other side is there, and how long that may
/// take to say so.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// The most calls on one HTTP/2 connection.
const MAX_CALLS: u32 = 16;

/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Debug)]
pub struct Operations {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    /// One page of metrics is made at a time. Who asks and leaves makes no room for another, so that
    /// no flood of questions takes the threads that imports and searches are done on.
    pages: Arc<Semaphore>,
}

impl Operations {
    pub fn new(engine: Arc<Engine>, metrics: Arc<Metrics>, health: Arc<Health>) -> Self {
        Self { engine, metrics, health, pages: Arc::new(Semaphore::new(1)) }
    }

    /// Serves on `listener`. Never returns; dropping the future closes the port and its connections.
    pub async fn serve(self, listener: TcpListener) {
        let router = self.router();
        let mut connections = JoinSet::new();
        // In the order in which they came.
        let mut open = VecDeque::new();
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: to try again at once would fail again.
                    tracing::warn!(%error, "operations connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            open.retain(|connection: &AbortHandle| !connection.is_finished());
            if open.len() >= MAX_CONNECTIONS
                && let Some(oldest) = open.pop_front()
            {
                oldest.abort();
            }
            open.push_back(connections.spawn(serve_connection(stream, router.clone())));
        }
    }

    fn router(self) -> Router {
        let health = self.health.operations_service();
        Router::new()
            .route("/metrics", get(show_metrics))
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(show_ready))
            .route("/startupz", get(show_started))
            .route_layer(middleware::from_fn(without_body))
            .with_state(self)
            .route_service("/grpc.health.v1.Health/{method}", health)
            .layer(middleware::from_fn(in_time))
    }
}

async fn show_metrics(State(shown): State<Operations>) -> Response {
    let page = shown.pages.clone().acquire_owned().await;
    let work = move || {
        let text = shown.metrics.encode(&shown.engine);
        drop(page);
        text
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(text) => {
            let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics not encoded");
            (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be read\n").into_response()
        }
    }
}

async fn show_ready(State(shown): State<Operations>) -> Response {
    match shown.health.health().unready {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn show_started(State(shown): State<Operations>) -> Response {
    let health = shown.health.health();
    match (health.has_started, health.unready) {
        (true, _) => "started\n".into_response(),
        (false, why) => {
            let why = why.map_or_else(|| "starting".to_owned(), |why| why.to_string());
            (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
        }
    }
}

/// Pages take no body.
async fn without_body(request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n").into_response();
    }
    if !request.body().is_end_stream() {
        return (StatusCode::PAYLOAD_TOO_LARGE, "a request here has no body\n").into_response();
    }
    next.run(request).await
}

async fn in_time(request: Request, next: Next) -> Response {
    match timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "took too long\n").into_response(),
    }
}

/// Serves one connection to its end. What goes wrong on it is its client's business alone.
async fn serve_connection(mut stream: TcpStream, router: Router) {
    let Ok(Ok(opening)) = timeout(HEADER_TIMEOUT, read_opening(&mut stream)).await else {
        return;
    };
    let is_http2 = opening == PREFACE;
    let (read, write) = stream.into_split();
    let io = TokioIo::new(tokio::io::join(Cursor::new(opening).chain(read), write));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    http1.keep_alive(false).max_buf_size(MAX_HEADER as usize);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PONG);
    http2.max_concurrent_streams(MAX_CALLS).max_header_list_size(MAX_HEADER);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(io, service);
    let ended =
        if is_http2 { Ok(connection.await) } else { timeout(HTTP1_LIFETIME, connection).await };
    if let Ok(Err(error)) = ended {
        tracing::debug!(%error, "operations connection failed");
    }
}

/// The first bytes of a connection: as many as tell its protocol.
async fn read_opening(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut opening = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() && opening[..length] == PREFACE[..length] {
        match stream.read(&mut opening[length..]).await? {
            0 => {
                stream.shutdown().await?;
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            read => length += read,
        }
    }
    Ok(opening[..length].to_vec())
}
