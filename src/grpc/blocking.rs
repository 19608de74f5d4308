//! Runs blocking work away from the thread that serves.

use std::sync::{Arc, Weak};

use tonic::Status;

use super::concurrency::WorkQueue;
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

/// Whether the caller still waits for work that is being done: the caller may have left, or its
/// deadline have passed.
#[derive(Clone, Debug)]
pub struct Caller(Weak<()>);

impl Caller {
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// Does work that searches on the blocking pool, in its turn. The turn ends with the work, not with
/// the call: who gives up waiting must not make room for more. Work of many parts asks between them
/// whether its caller is gone.
pub async fn in_turn<T: Send + 'static>(
    turns: &WorkQueue,
    work: impl FnOnce(&Caller) -> T + Send + 'static,
) -> Result<T, Status> {
    let turn = turns.turn().await?;
    let waiting = Arc::new(());
    let caller = Caller(Arc::downgrade(&waiting));
    let done = blocking(move || {
        let done = work(&caller);
        drop(turn);
        done
    })
    .await;
    drop(waiting);
    done
}

/// The same with the engine, for work that may be refused.
pub async fn with_engine_in_turn<T: Send + 'static>(
    turns: &WorkQueue,
    engine: &Arc<Engine>,
    work: impl FnOnce(&Arc<Engine>) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Status> {
    let engine = engine.clone();
    Ok(in_turn(turns, move |_| work(&engine)).await??)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::config::Limits;
    use crate::grpc::concurrency::ConcurrencyLimits;

    #[test]
    fn work_learns_that_its_caller_is_gone_and_keeps_its_turn() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let load =
                Arc::new(ConcurrencyLimits::new(&Limits { searches: 1, ..Limits::default() }));
            let (begun, has_begun) = mpsc::channel();
            let (left, has_left) = mpsc::channel();
            let (said, saying) = mpsc::channel();
            let mut call = Box::pin(in_turn(&load.searches, move |caller| {
                begun.send(caller.is_gone()).unwrap();
                has_left.recv().unwrap();
                said.send(caller.is_gone()).unwrap();
            }));
            assert!(
                std::future::poll_fn(|context| {
                    std::task::Poll::Ready(call.as_mut().poll(context).is_pending())
                })
                .await
            );
            assert!(!has_begun.recv().unwrap());
            drop(call);
            let mut next = Box::pin(load.searches.turn());
            let waits = std::future::poll_fn(|context| {
                std::task::Poll::Ready(next.as_mut().poll(context).is_pending())
            });
            assert!(waits.await, "the work goes on, and has its turn");
            left.send(()).unwrap();
            assert!(saying.recv().unwrap());
            drop(next.await.unwrap());
        });
    }
}
