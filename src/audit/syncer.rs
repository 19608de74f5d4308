//! The thread that syncs, and in `Fsync` mode writes for all calls that wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Durability;
use super::appender::Appender;

pub(super) fn start(appender: &Arc<Appender>) -> JoinHandle<()> {
    let shared = Arc::clone(appender);
    let thread = std::thread::Builder::new()
        .name("audit-sync".to_owned())
        .spawn(move || run(&shared))
        .expect("the system can start a thread");
    // Set once, here.
    let _ = appender.sync_thread.set(thread.thread().clone());
    thread
}

fn run(appender: &Appender) {
    loop {
        let is_last = wait(appender);
        appender.flags.dirty.store(false, Ordering::Release);
        // Failures are kept, and told to the calls that wait. What is written is synced even while
        // no more can be written.
        if appender.failure().is_none() {
            let _ = appender.write(appender.appended());
        }
        if appender.can_sync() {
            let _ = appender.sync();
        }
        if is_last {
            return;
        }
    }
}

/// Waits for work. Returns true if the log is being closed.
fn wait(appender: &Appender) -> bool {
    let flags = &appender.flags;
    let mut sync_at = None;
    loop {
        if flags.stop.load(Ordering::Acquire) {
            return true;
        }
        if flags.requested.swap(false, Ordering::AcqRel) {
            return false;
        }
        if flags.dirty.load(Ordering::Acquire) && sync_at.is_none() {
            let delay = match appender.settings.durability {
                Durability::Fsync => Duration::ZERO,
                Durability::Interval(delay) => delay,
            };
            sync_at = Some(Instant::now() + delay);
        }
        match sync_at.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return false,
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}
