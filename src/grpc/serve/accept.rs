//! Takes connections in, each on a task of its own, and refuses what is too much. Serves none
//! itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout_at;

use super::connection::Terms;
use super::tls::Tls;
use crate::grpc::access::Peer;
use crate::grpc::call::Calls;
use crate::grpc::ending::Ending;
use crate::metrics::{Metrics, Turned};

/// How long to wait after a connection could not be accepted.
const PAUSE: Duration = Duration::from_secs(1);

/// A listener is something that connections come from.
pub enum Listener {
    /// The network.
    Tcp(TcpListener),
    /// The network, with TLS, whose files are watched while this is open.
    Tls(TcpListener, Arc<Tls>),
    /// The socket in the data directory.
    Unix(UnixListener),
}

/// Takes connections in until draining begins. Each is held by a clone of `alive`, so that who
/// waits for its last one knows when all have ended.
pub struct Door {
    pub(super) terms: Terms,
    pub(super) calls: Calls,
    pub(super) metrics: Arc<Metrics>,
    /// One for each connection that may be open.
    pub(super) room: Arc<Semaphore>,
    pub(super) draining: watch::Receiver<bool>,
    pub(super) alive: tokio::sync::mpsc::Sender<()>,
}

impl Door {
    /// Accepts from `listener` until draining begins.
    pub async fn open(self, listener: Listener) {
        let mut draining = Ending::new(self.draining.clone());
        let mut watch = std::pin::pin!(look_after(&listener, &self.metrics));
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&listener) => accepted,
                () = &mut draining => return,
                () = &mut watch => return,
            };
            if let Err(error) = accepted {
                // Out of file descriptors, most likely: to try again at once would fail at once.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn accept(&self, listener: &Listener) -> io::Result<()> {
        match listener {
            Listener::Tcp(listener) => {
                let (connection, address) = listener.accept().await?;
                if quick(&connection) {
                    let peer = Peer { address: Some(address), ..Peer::default() };
                    self.admit(connection, peer, None);
                }
            }
            Listener::Tls(listener, tls) => {
                let (connection, address) = listener.accept().await?;
                if quick(&connection) {
                    let peer = Peer { address: Some(address), ..Peer::default() };
                    self.admit(connection, peer, Some(tls.clone()));
                }
            }
            Listener::Unix(listener) => {
                let (connection, _) = listener.accept().await?;
                self.admit(connection, Peer::owner(), None);
            }
        }
        Ok(())
    }

    fn admit<T>(&self, connection: T, mut peer: Peer, tls: Option<Arc<Tls>>)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            self.metrics.turned(Turned::Connections);
            tracing::debug!("a connection is refused: as many as may be are open");
            return;
        };
        let (terms, calls) = (self.terms.clone(), self.calls.clone());
        let (draining, alive) = (self.draining.clone(), self.alive.clone());
        let open_by = terms.open_by();
        let counted = OpenConnection::new(self.metrics.clone());
        tokio::spawn(async move {
            match tls {
                None => terms.drive(connection, open_by, calls.of(peer), draining).await,
                Some(tls) => match timeout_at(open_by, tls.accept(connection)).await {
                    Ok(Ok((connection, certificate))) => {
                        peer.certificate = certificate;
                        terms.drive(connection, open_by, calls.of(peer), draining).await;
                    }
                    failed => {
                        counted.0.turned(Turned::Handshake);
                        let error = match failed {
                            Ok(failed) => failed.err().map(|error| error.to_string()),
                            Err(_) => Some("the handshake took too long".to_owned()),
                        };
                        tracing::debug!(error, "a connection is refused");
                    }
                },
            }
            drop((place, alive, counted));
        });
    }
}

/// Whether small answers go out at once: with Nagle's algorithm on, they wait for 40 ms. False
/// where the connection is gone by now, which is nobody else's matter.
fn quick(connection: &TcpStream) -> bool {
    connection.set_nodelay(true).is_ok()
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
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connection_closed();
    }
}
