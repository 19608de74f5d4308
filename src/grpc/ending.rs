//! The end of the server, in its two steps (no more calls; no more streams), as those learn of it
//! who wait for it. Ends nothing itself.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

/// Completes when a step is taken.
pub struct Ending(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Ending {
    /// Completes once `rung` is true; never where nobody can ring any more.
    pub fn new(mut rung: watch::Receiver<bool>) -> Self {
        Self(Box::pin(async move {
            if rung.wait_for(|rung| *rung).await.is_err() {
                std::future::pending::<()>().await;
            }
        }))
    }
}

impl Future for Ending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}
