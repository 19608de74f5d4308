//! Accepts connections, each on a task of its own, and refuses those beyond the limits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::connection::ConnectionConfig;
use super::foreign;
use super::tls::{self, Tls};
use crate::grpc::access::{ClientCertificate, Peer};
use crate::grpc::call::Calls;
use crate::grpc::shutdown::ShutdownSignal;
use crate::metrics::{Metrics, Rejection};

/// How long to wait after connection not accepted.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the first bytes of a connection may be on their way once the server ends.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// A listener is something that connections come from.
pub enum Listener {
    Tcp(TcpListener),
    /// The network, with TLS, whose files are watched while this is open.
    Tls(TcpListener, Arc<Tls>),
    /// The socket in the data directory.
    Unix(UnixListener),
}

/// Takes connections in until draining begins. Each is held by a clone of `alive`, so that who
/// waits for its last one knows when all have ended.
pub struct ConnectionAcceptor {
    pub(super) config: ConnectionConfig,
    pub(super) calls: Calls,
    pub(super) metrics: Arc<Metrics>,
    /// One for each connection that may be open.
    pub(super) room: Arc<Semaphore>,
    pub(super) draining: watch::Receiver<bool>,
    pub(super) alive: tokio::sync::mpsc::Sender<()>,
}

impl ConnectionAcceptor {
    /// Accepts from `listener` until draining begins.
    pub async fn open(self, listener: Listener) {
        let mut draining = ShutdownSignal::new(self.draining.clone());
        let mut watch = std::pin::pin!(look_after(&listener, &self.metrics));
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&listener) => accepted,
                () = &mut draining => return,
                () = &mut watch => return,
            };
            if let Err(error) = accepted {
                // Out of file descriptors, most likely: to try again at once would fail at once.
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn accept(&self, listener: &Listener) -> io::Result<()> {
        let (accepted, peer) = match listener {
            Listener::Tcp(listener) => {
                let (connection, address) = listener.accept().await?;
                (
                    Accepted::Tcp(connection, None),
                    Peer { address: Some(address), ..Peer::default() },
                )
            }
            Listener::Tls(listener, tls) => {
                let (connection, address) = listener.accept().await?;
                let peer = Peer { address: Some(address), ..Peer::default() };
                (Accepted::Tcp(connection, Some(tls.clone())), peer)
            }
            Listener::Unix(listener) => (Accepted::Unix(listener.accept().await?.0), Peer::owner()),
        };
        match self.room.clone().try_acquire_owned() {
            Ok(place) => self.admit(accepted, peer, place),
            Err(_) => {
                self.metrics.rejected(Rejection::Connections);
                tracing::debug!("connection rejected, limit reached");
            }
        }
        // However many come, those that are there go on.
        tokio::task::yield_now().await;
        Ok(())
    }

    fn admit(&self, accepted: Accepted, peer: Peer, place: OwnedSemaphorePermit) {
        let (config, calls) = (self.config.clone(), self.calls.clone());
        let (draining, alive) = (self.draining.clone(), self.alive.clone());
        let open_by = config.open_by();
        let counted = OpenConnection::new(self.metrics.clone());
        tokio::spawn(async move {
            match accepted {
                Accepted::Unix(connection) => {
                    config.drive(connection, open_by, calls.of(peer), draining).await;
                }
                Accepted::Tcp(connection, tls) => {
                    match (begun(&connection, open_by, draining.clone()).await, tls) {
                        (Ok(Begun::Gone), _) => {}
                        (Ok(Begun::With(first)), tls)
                            if let Some(hint) = foreign::hint(&first, tls.is_some()) =>
                        {
                            counted.refused("the client speaks another protocol");
                            hint.say(connection).await;
                        }
                        (Ok(Begun::With(_)), None) => {
                            config.drive(connection, open_by, calls.of(peer), draining).await;
                        }
                        (Ok(Begun::With(_)), Some(own)) => {
                            match secured(&own, connection, open_by).await {
                                Ok((connection, _)) if tls::speaks_http1(&connection) => {
                                    counted.refused("the client speaks another protocol");
                                    foreign::Hint::not_grpc().say(connection).await;
                                }
                                Ok((connection, certificate)) => {
                                    let calls = calls.of(Peer { certificate, ..peer });
                                    config.drive(connection, open_by, calls, draining).await;
                                }
                                Err(error) => counted.refused(&error),
                            }
                        }
                        (Err(late), _) => counted.refused(&late),
                    }
                }
            }
            drop((place, alive, counted));
        });
    }
}

enum Accepted {
    Tcp(TcpStream, Option<Arc<Tls>>),
    Unix(UnixStream),
}

enum Begun {
    /// With these bytes, which are still to be read.
    With([u8; foreign::TELLING]),
    /// It is gone, or the server ends and its first byte was not on its way.
    Gone,
}

/// Waits for the first bytes, so that a connection which is not to be one costs next to nothing.
async fn begun(
    connection: &TcpStream,
    open_by: Instant,
    draining: watch::Receiver<bool>,
) -> Result<Begun, String> {
    // With Nagle's algorithm on, small answers wait for 40 ms.
    if connection.set_nodelay(true).is_err() {
        return Ok(Begun::Gone);
    }
    let drained = async {
        ShutdownSignal::new(draining).await;
        tokio::time::sleep(LAST_BYTES).await;
    };
    let mut first = [0; foreign::TELLING];
    let read = tokio::select! {
        read = timeout_at(open_by, connection.peek(&mut first)) => {
            read.map_err(|_| "the client does not begin".to_owned())?
        }
        () = drained => return Ok(Begun::Gone),
    };
    Ok(if matches!(read, Ok(1..)) { Begun::With(first) } else { Begun::Gone })
}

async fn secured(
    tls: &Tls,
    connection: TcpStream,
    open_by: Instant,
) -> Result<(tls::Secured<TcpStream>, Option<ClientCertificate>), String> {
    match timeout_at(open_by, tls.accept(connection)).await {
        Ok(secured) => secured.map_err(|error| error.to_string()),
        Err(_) => Err("the handshake takes too long".to_owned()),
    }
}

/// Looks after what a listener rests on, and tells `metrics`. Never ends.
async fn look_after(listener: &Listener, metrics: &Metrics) {
    let Listener::Tls(_, tls) = listener else { return std::future::pending().await };
    let mut reloads = tls.reloads();
    let mut before = *reloads.borrow_and_update();
    let told = async {
        loop {
            metrics.tls_expires(tls.not_after());
            if reloads.changed().await.is_err() {
                return std::future::pending().await;
            }
            let now = *reloads.borrow_and_update();
            (before.succeeded..now.succeeded).for_each(|_| metrics.tls_reloaded(true));
            (before.failed..now.failed).for_each(|_| metrics.tls_reloaded(false));
            before = now;
        }
    };
    tokio::select! {
        () = tls.clone().watch() => {}
        () = told => {}
    }
}

/// Counts a connection as open until it is dropped.
struct OpenConnection(Arc<Metrics>);

impl OpenConnection {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.connection_opened();
        Self(metrics)
    }

    /// Counts the connection as one that did not come to be.
    fn refused(&self, why: &str) {
        self.0.rejected(Rejection::Handshake);
        tracing::debug!(reason = why, "connection rejected");
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connection_closed();
    }
}
