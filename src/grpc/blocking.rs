//! Work that blocks, done away from the one thread that serves. Decides nothing.

use std::sync::Arc;

use tonic::Status;

use super::status::Refusal;
use crate::engine::Engine;

/// Does `work` on the blocking pool; a panic there is INTERNAL.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Status::internal(format!("the work ended early: {error}")))
}

/// The same with the engine, for work that may be refused.
pub async fn with_engine<T: Send + 'static>(
    engine: &Arc<Engine>,
    work: impl FnOnce(&Arc<Engine>) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Status> {
    let engine = engine.clone();
    Ok(blocking(move || work(&engine)).await??)
}
