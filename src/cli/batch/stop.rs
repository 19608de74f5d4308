//! That a batch shall stop: by a signal, or since a part of it failed. Must not stop anything itself.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// Told once, seen by all.
#[derive(Debug, Default)]
pub struct Stop {
    told: AtomicBool,
    /// What shells give for the signal; 0 where there was none.
    status: AtomicU8,
    notify: Notify,
}

impl Stop {
    /// Tells all parts to come to an end.
    pub fn tell(&self) {
        self.told.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    /// Returns once it is told.
    pub async fn wait(&self) {
        loop {
            let told = self.notify.notified();
            if self.is_told() {
                return;
            }
            told.await;
        }
    }

    /// The exit status for the signal that told it.
    pub fn status(&self) -> Option<u8> {
        Some(self.status.load(Ordering::Acquire)).filter(|status| *status > 0)
    }
}

/// Waits for signals: the first tells `stop`, the second ends the program at once. Must be called
/// on a runtime; the signals are caught from then on.
pub fn on_signals(stop: std::sync::Arc<Stop>) -> Result<tokio::task::JoinHandle<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::spawn(async move {
        loop {
            let status = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            if stop.status().is_some() {
                std::process::exit(status.into());
            }
            stop.status.store(status, Ordering::Release);
            stop.tell();
        }
    }))
}
