//! The two steps of a graceful shutdown (no more calls, then no more streams), as futures to wait for.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

/// Completes when a step of the shutdown begins.
pub struct ShutdownSignal(Pin<Box<dyn Future<Output = ()> + Send>>);

impl ShutdownSignal {
    /// Completes once `rung` is true; never if the sender is gone.
    pub fn new(mut rung: watch::Receiver<bool>) -> Self {
        Self(Box::pin(async move {
            if rung.wait_for(|rung| *rung).await.is_err() {
                std::future::pending::<()>().await;
            }
        }))
    }
}

impl Future for ShutdownSignal {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}
