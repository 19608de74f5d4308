//! The calls that wait until their records are synced.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use crate::audit::{AuditError, Log, SyncHandle};
use crate::domain::lock::Recover;

/// Calls that wait until their records are synced.
///
/// A task on their thread serves them. It asks for a sync once all that was ready has appended its records,
/// and wakes each call once, when its own are synced. The thread that syncs wakes the task alone: each wake
/// from another thread takes a system call. The calls of several runtimes are served by the one whose call
/// came first, as long as it runs.
#[derive(Default)]
pub(super) struct SyncWaiters(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// How many leaves are synced.
    synced: AtomicU64,
    /// A call waits, leaves were synced, the log failed or is closed.
    changed: Notify,
    is_closed: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    calls: Vec<WaitingCall>,
    /// Whether a task serves them.
    is_served: bool,
}

struct WaitingCall {
    /// Its leaves are before this one.
    end: u64,
    done: oneshot::Sender<Result<(), AuditError>>,
}

impl SyncWaiters {
    pub(super) fn notifier(&self) -> SyncNotifier {
        SyncNotifier(self.0.clone())
    }

    /// Waits until the leaves before `end` are synced, by a sync that is asked for. Fails if writing or
    /// syncing does.
    pub(super) async fn wait(&self, log: &Log, end: u64) -> Result<(), AuditError> {
        loop {
            if self.0.synced.load(Acquire) >= end {
                return Ok(());
            }
            let (done, is_done) = oneshot::channel();
            let is_served = {
                let mut waiting = self.0.waiting.lock().recover();
                waiting.calls.push(WaitingCall { end, done });
                std::mem::replace(&mut waiting.is_served, true)
            };
            if !is_served {
                tokio::spawn(serve(Server(self.0.clone()), log.sync_handle()));
            }
            self.0.changed.notify_one();
            // An error: the task ended with its runtime.
            if let Ok(done) = is_done.await {
                return done;
            }
        }
    }
}

impl Drop for SyncWaiters {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Release);
        self.0.changed.notify_one();
    }
}

/// Notifies the task of what the log has done.
pub(super) struct SyncNotifier(Arc<Shared>);

impl SyncNotifier {
    pub(super) fn synced(&self, size: u64) {
        self.0.synced.store(size, Release);
        self.0.changed.notify_one();
    }

    pub(super) fn failed(&self) {
        self.0.changed.notify_one();
    }
}

/// Held by the task that serves. Its end has those who wait start another.
struct Server(Arc<Shared>);

impl Drop for Server {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock().recover();
        *waiting = Waiting::default();
    }
}

async fn serve(server: Server, sync: SyncHandle) {
    // All that was appended before the last request ends here, or before.
    let mut requested = 0;
    loop {
        server.0.changed.notified().await;
        if server.0.is_closed.load(Acquire) {
            return;
        }
        let (synced, failure) = (server.0.synced.load(Acquire), sync.failure());
        let mut waiting = server.0.waiting.lock().recover();
        for call in waiting.calls.extract_if(.., |call| call.end <= synced || failure.is_some()) {
            let is_synced = call.end <= synced;
            // Fails where the call was cancelled.
            let _ = call.done.send(failure.clone().filter(|_| !is_synced).map_or(Ok(()), Err));
        }
        let last = waiting.calls.iter().map(|call| call.end).max().unwrap_or(0);
        drop(waiting);
        if last > requested {
            requested = last;
            sync.request();
        }
    }
}
