//! STUB, replaced at merge.
use std::future::Future;
use std::sync::Arc;

use crate::engine::Engine;

/// Why serving failed.
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct ServeError;

/// Serves until `shutdown`.
pub async fn serve(
    _engine: Arc<Engine>,
    _listener: tokio::net::TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    shutdown.await;
    Ok(())
}

/// Serves in this process.
pub async fn in_process(_engine: Arc<Engine>) -> Result<tonic::transport::Channel, ServeError> {
    Err(ServeError)
}
