//! Cancellation of a batch, by SIGINT, SIGTERM or the first failing stage.

use std::sync::{Arc, OnceLock};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub struct Cancellation {
    token: CancellationToken,
    /// The exit status of the signal in shells.
    signal_status: OnceLock<u8>,
}

impl Cancellation {
    /// Cancels all stages.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until it is cancelled.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Returns the exit status of the signal that cancelled it.
    pub fn signal_status(&self) -> Option<u8> {
        self.signal_status.get().copied()
    }

    /// Waits for signals: the first cancels, the second ends the program at once. Must be called on a
    /// runtime; the signals are caught from then on.
    pub fn cancel_on_signals(self: Arc<Self>) -> Result<tokio::task::JoinHandle<()>> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(tokio::spawn(async move {
            loop {
                let status = tokio::select! {
                    _ = interrupt.recv() => 130,
                    _ = terminate.recv() => 143,
                };
                if self.signal_status.set(status).is_err() {
                    std::process::exit(status.into());
                }
                self.cancel();
            }
        }))
    }
}
