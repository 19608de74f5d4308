//! The store watch: detects that the store refuses changes or that its files are gone, and reopens it
//! once there is room. Logs when a condition begins and when it ends.

use std::sync::{Arc, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Engine, EngineError};
use crate::domain::lock::Recover;
use crate::refresh::Stop;
use crate::store::{Reopening, Store, StoreError};

/// How often the store is checked, and reopened if there is room.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// The longest pause between two attempts to reopen.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// Failed attempts after which the watch gives up: some hours.
const MAX_FAILURES: u32 = 50;

/// The thread that watches the store; stopped when dropped.
#[derive(Debug)]
pub struct StoreWatch {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for StoreWatch {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("store thread panicked");
        }
    }
}

/// The result of the last check.
#[derive(Debug, Default)]
pub(super) struct StoreCondition {
    refusal: Option<String>,
    /// Consecutive failed attempts to reopen.
    failures: u32,
}

/// Turns the error into a warning if the store refuses changes: the start goes on without having stored
/// `what`.
pub(super) fn tolerate_refusal(
    store: &Store,
    kept: Result<(), StoreError>,
    what: &str,
) -> Result<(), StoreError> {
    match kept {
        Err(error) if store.refusal().is_some() => {
            tracing::warn!(%error, what, "not stored at start");
            Ok(())
        }
        kept => kept,
    }
}

impl Engine {
    /// Starts a thread that checks the store every two seconds until the watch is dropped.
    pub fn watch_store(self: &Arc<Self>) -> Result<StoreWatch, EngineError> {
        let stop = Arc::new(Stop::default());
        let (engine, until) = (self.clone(), stop.clone());
        let work = move || {
            let mut condition = StoreCondition::default();
            let mut pause = Duration::ZERO;
            while !until.wait(pause) {
                pause = engine.check_store(&mut condition);
            }
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(work)?;
        Ok(StoreWatch { stop, thread: Some(thread) })
    }

    /// Checks the store once and repairs it if possible. Returns the pause until the next check.
    pub(super) fn check_store(&self, condition: &mut StoreCondition) -> Duration {
        let mut pause = CHECK_INTERVAL;
        let is_refusing = self.log_refusal_change(condition);
        if is_refusing && condition.failures < MAX_FAILURES {
            match self.repair_store() {
                Ok(_) => condition.failures = 0,
                Err(error) => {
                    condition.failures += 1;
                    let doubled =
                        CHECK_INTERVAL.saturating_mul(2_u32.saturating_pow(condition.failures));
                    pause = doubled.min(MAX_PAUSE);
                    if condition.failures == 1 {
                        tracing::error!(%error, "store not reopened, trying again");
                    }
                    if condition.failures == MAX_FAILURES {
                        tracing::error!(%error, "store not reopened, giving up");
                    }
                }
            }
        }
        self.log_refusal_change(condition);
        if let Some(log) = self.decision_log() {
            log.retry(self.now());
        }
        pause
    }

    /// Updates the condition, logs a change of it, and returns whether the store refuses changes.
    fn log_refusal_change(&self, condition: &mut StoreCondition) -> bool {
        let refusal = self.publisher.store().refusal();
        self.set_misplaced(refusal.as_ref());
        let refusal = refusal.map(|refusal| refusal.to_string());
        let is_refusing = refusal.is_some();
        if refusal != condition.refusal {
            match &refusal {
                Some(why) => {
                    let write = self.publisher.store().failed_write().unwrap_or_default();
                    tracing::error!(reason = why, write, "store refuses changes");
                }
                None => tracing::info!("store accepts changes again"),
            }
            condition.refusal = refusal;
            self.current.changed.send_replace(());
        }
        is_refusing
    }

    /// Reopens the store if it refuses changes and there is room, and syncs memory with it. Returns
    /// whether it accepts changes. Blocks.
    pub fn repair_store(&self) -> Result<bool, EngineError> {
        match self.publisher.store().reopen()? {
            Reopening::NotNeeded => Ok(true),
            Reopening::NotYet => Ok(false),
            Reopening::Done => {
                self.publisher.catch_up()?;
                self.current.save_policies()?;
                self.tracker.save_settings()?;
                self.current.save_current_record();
                // The change that failed may have reached the disk.
                self.tracker.state_changed();
                self.tracker.lists_changed();
                Ok(true)
            }
        }
    }

    fn set_misplaced(&self, refusal: Option<&StoreError>) {
        let why = match refusal {
            Some(StoreError::Removed { path }) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                Some(format!("the file {name} of the store was removed, moved or replaced"))
            }
            _ => None,
        };
        *self.lock_misplaced() = why;
    }

    /// Returns why the store's files are unusable, as of the last check.
    pub(super) fn misplaced(&self) -> Option<String> {
        self.lock_misplaced().clone()
    }

    fn lock_misplaced(&self) -> MutexGuard<'_, Option<String>> {
        self.misplaced.lock().recover()
    }
}
