//! Work that blocks, done away from the one thread that serves. Decides nothing.

use std::sync::Arc;

use tonic::Status;

use super::load::Turns;
use super::status::Refusal;
use crate::engine::Engine;
use crate::telemetry;

/// Does `work` on the blocking pool; a panic there is INTERNAL.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let span = telemetry::work_span();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
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

/// Does work that searches on the blocking pool, in its turn. The turn ends with the work, not with
/// the call: who gives up waiting must not make room for more.
pub async fn in_turn<T: Send + 'static>(
    turns: &Turns,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    let turn = turns.turn().await?;
    blocking(move || {
        let done = work();
        drop(turn);
        done
    })
    .await
}

/// The same with the engine, for work that may be refused.
pub async fn with_engine_in_turn<T: Send + 'static>(
    turns: &Turns,
    engine: &Arc<Engine>,
    work: impl FnOnce(&Arc<Engine>) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Status> {
    let engine = engine.clone();
    Ok(in_turn(turns, move || work(&engine)).await??)
}
