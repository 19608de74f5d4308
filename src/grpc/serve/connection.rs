//! Serves one connection: HTTP/2 within its limits, until a graceful end.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::guarded::Guarded;
use super::late::Late;
use super::tasks::CallTasks;
use crate::config::Limits;
use crate::grpc::call::{CUT_SHORT, Calls};
use crate::grpc::shutdown::ShutdownSignal;
use crate::metrics::{Metrics, Rejection};

/// How much of one call's messages is taken before they are looked at, in bytes: what a client
/// that does not read its answers can make wait here.
const CALL_WINDOW: u32 = 64 << 10;

/// The same for all calls of a connection, in bytes. Larger than that of a call, so that calls
/// which wait for their reader do not keep the others on the connection from being heard.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// How much of one answer waits to be sent, in bytes, before more of it is asked for.
const SEND_BUFFER: usize = 64 << 10;

/// The most bytes of a call's headers, tokens and trace context among them.
const MAX_HEADERS: u32 = 16 << 10;

/// After so many streams that the server reset, h2 ends a connection with all of its calls. Calls that
/// are answered before their request has ended count. No connection should reach it: the server asks a
/// connection to go away before.
const MAX_RESETS: usize = 2 * CUT_SHORT as usize;

/// The longest that a connection may take to show that it is alive.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a connection is served.
#[derive(Clone)]
pub struct ConnectionConfig {
    http2: http2::Builder<CallTasks>,
    handshake_timeout: Duration,
    stall_timeout: Duration,
    metrics: Arc<Metrics>,
}

impl ConnectionConfig {
    pub fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        let counted = metrics.clone();
        let on_stall = Arc::new(move || {
            counted.rejected(Rejection::Stalled);
            tracing::debug!("stalled call cut off");
        });
        let mut http2 = http2::Builder::new(CallTasks::new(limits.stall_timeout, on_stall));
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.calls_per_connection)
            .initial_stream_window_size(CALL_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(MAX_HEADERS)
            .max_local_error_reset_streams(MAX_RESETS)
            .keep_alive_interval(limits.keepalive)
            .keep_alive_timeout(limits.keepalive.min(KEEPALIVE_TIMEOUT));
        Self {
            http2,
            handshake_timeout: limits.handshake_timeout,
            stall_timeout: limits.stall_timeout,
            metrics,
        }
    }

    /// When a connection accepted now must have begun.
    pub fn open_by(&self) -> Instant {
        Instant::now() + self.handshake_timeout
    }

    /// Serves a connection until it ends; once `draining` is true it takes no more calls, and ends
    /// after those under way.
    pub async fn drive<T>(
        &self,
        io: T,
        open_by: Instant,
        calls: Calls,
        draining: watch::Receiver<bool>,
    ) where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let link = calls.link();
        let io = Guarded::new(io, open_by, self.stall_timeout).charged(link.clone());
        let io = TokioIo::new(io);
        let mut connection = std::pin::pin!(self.http2.serve_connection(io, calls));
        let mut draining = std::pin::pin!(ShutdownSignal::new(draining));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = poll_fn(|context| if link.take_retirement() { Poll::Ready(()) } else { draining.as_mut().poll(context) }) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            if let Some(why) = cut_off(&error) {
                self.metrics.rejected(why);
            }
            // Clients go away as they like, and some never meant well.
            tracing::debug!(%error, "connection failed");
        }
    }
}

/// Whether the connection was cut off, and why: the preface did not come, bytes were not taken, or
/// others needed its memory.
fn cut_off(error: &hyper::Error) -> Option<Rejection> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && let Some(late) = io.get_ref().and_then(|inner| inner.downcast_ref::<Late>())
        {
            return Some(match late {
                Late::Opening => Rejection::Handshake,
                Late::Reading => Rejection::Stalled,
                // Counted where the memory was lost.
                Late::Calls => return None,
            });
        }
        source = cause.source();
    }
    None
}
