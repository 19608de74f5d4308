//! How far the log is synced, and the calls that wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};

use tokio::sync::watch;

use crate::audit::{AuditError, Log};

/// The number of leaves that are synced.
///
/// The thread that syncs wakes one task, which wakes the calls on the thread that serves them: a wake
/// from another thread takes a system call each.
pub(super) struct SyncedSize {
    size: watch::Sender<u64>,
    relay: Arc<Relay>,
}

struct Relay {
    is_running: AtomicBool,
    changes: watch::Sender<()>,
}

/// Held by the task that relays. Its end, with its runtime, has those who wait start another.
struct Running(Arc<Relay>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_running.store(false, Release);
        self.0.changes.send_replace(());
    }
}

impl SyncedSize {
    pub(super) fn new() -> Self {
        let relay = Relay { is_running: AtomicBool::new(false), changes: watch::Sender::new(()) };
        Self { size: watch::Sender::new(0), relay: Arc::new(relay) }
    }

    /// Where the log tells what is synced; a change that is none has those who wait look for a failure.
    pub(super) fn sender(&self) -> watch::Sender<u64> {
        self.size.clone()
    }

    /// Waits until the leaves before `end` are synced. Fails if writing or syncing does.
    pub(super) async fn wait(&self, log: &Log, end: u64) -> Result<(), AuditError> {
        let mut changes = self.relay.changes.subscribe();
        loop {
            self.start_relay();
            if *self.size.borrow() >= end {
                return Ok(());
            }
            if let Some(failure) = log.failure() {
                return Err(failure);
            }
            // Its sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }

    fn start_relay(&self) {
        if self.relay.is_running.swap(true, AcqRel) {
            return;
        }
        let running = Running(self.relay.clone());
        let mut size = self.size.subscribe();
        tokio::spawn(async move {
            while size.changed().await.is_ok() {
                running.0.changes.send_replace(());
            }
        });
    }
}
