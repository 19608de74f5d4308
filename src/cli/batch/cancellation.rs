//! Cancellation flag of a batch, set by SIGINT, SIGTERM or the first failing stage.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub struct Cancellation {
    is_cancelled: AtomicBool,
    /// The exit status of the signal in shells; 0 without a signal.
    status: AtomicU8,
    notify: Notify,
}

impl Cancellation {
    /// Cancels all stages.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }

    /// Waits until it is cancelled.
    pub async fn cancelled(&self) {
        loop {
            let notified = self.notify.notified();
            if self.is_cancelled() {
                return;
            }
            notified.await;
        }
    }

    /// Returns the exit status of the signal that cancelled it.
    pub fn signal_status(&self) -> Option<u8> {
        Some(self.status.load(Ordering::Acquire)).filter(|status| *status > 0)
    }
}

/// Waits for signals: the first tells `stop`, the second ends the program at once. Must be called
/// on a runtime; the signals are caught from then on.
pub fn cancel_on_signals(
    cancellation: std::sync::Arc<Cancellation>,
) -> Result<tokio::task::JoinHandle<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::spawn(async move {
        loop {
            let status = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            if cancellation.signal_status().is_some() {
                std::process::exit(status.into());
            }
            cancellation.status.store(status, Ordering::Release);
            cancellation.cancel();
        }
    }))
}
