//! Takes connections in, each on a task of its own, and refuses what is too much. Serves none
//! itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

use super::connection::Terms;
use crate::grpc::call::Calls;
use crate::grpc::ending::Ending;

/// How long to wait after a connection could not be accepted.
const PAUSE: Duration = Duration::from_secs(1);

/// A listener is something that connections come from.
pub enum Listener {
    /// The network.
    Tcp(TcpListener),
    /// The socket in the data directory.
    Unix(UnixListener),
}

/// Takes connections in until draining begins. Each is held by a clone of `alive`, so that who
/// waits for its last one knows when all have ended.
pub struct Door {
    pub(super) terms: Terms,
    pub(super) calls: Calls,
    /// One for each connection that may be open.
    pub(super) room: Arc<Semaphore>,
    pub(super) draining: watch::Receiver<bool>,
    pub(super) alive: tokio::sync::mpsc::Sender<()>,
}

impl Door {
    /// Accepts from `listener` until draining begins.
    pub async fn open(self, listener: Listener) {
        let mut draining = Ending::new(self.draining.clone());
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&listener) => accepted,
                () = &mut draining => return,
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
                let (connection, _) = listener.accept().await?;
                // With Nagle's algorithm on, small answers wait for 40 ms. The connection may be
                // gone by now, which is nobody else's matter.
                if connection.set_nodelay(true).is_ok() {
                    self.admit(connection);
                }
            }
            Listener::Unix(listener) => {
                let (connection, _) = listener.accept().await?;
                self.admit(connection);
            }
        }
        Ok(())
    }

    fn admit<T>(&self, connection: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            tracing::debug!("a connection is refused: as many as may be are open");
            return;
        };
        let (terms, calls) = (self.terms.clone(), self.calls.clone());
        let (draining, alive) = (self.draining.clone(), self.alive.clone());
        let open_by = terms.open_by();
        tokio::spawn(async move {
            terms.drive(connection, open_by, calls, draining).await;
            drop((place, alive));
        });
    }
}
