//! The watch over the store: notices that it takes no changes or that its files are gone, and opens it
//! anew once there is room. Logs when a trouble begins and when it ends.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Engine, EngineError};
use crate::refresh::Stop;
use crate::store::{Reopening, Store, StoreError};

/// How often the store is looked at, and opened anew where there is room.
const LOOK: Duration = Duration::from_secs(2);

/// The longest pause between two attempts that failed though there was room.
const LONGEST: Duration = Duration::from_secs(300);

/// How many such attempts there are, one after the other: for some hours.
const ATTEMPTS: u32 = 50;

/// The watch over the store; ends when dropped.
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
            tracing::error!("the thread of the store panicked");
        }
    }
}

/// What the watch knows from its last look.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    refusal: Option<String>,
    /// Attempts that failed, one after the other.
    failures: u32,
}

/// An error is one still unless the store refuses changes: then a start goes on without having kept
/// `what`, and says so.
pub(super) fn unless_refused(
    store: &Store,
    kept: Result<(), StoreError>,
    what: &str,
) -> Result<(), StoreError> {
    match kept {
        Err(error) if store.refusal().is_some() => {
            tracing::warn!(%error, "not stored: {what}");
            Ok(())
        }
        kept => kept,
    }
}

impl Engine {
    /// Looks at the store every two seconds, on a thread of its own, until the watch is dropped.
    pub fn watch_store(self: &Arc<Self>) -> Result<StoreWatch, EngineError> {
        let stop = Arc::new(Stop::default());
        let (engine, until) = (self.clone(), stop.clone());
        let work = move || {
            let mut trouble = Trouble::default();
            let mut pause = Duration::ZERO;
            while !until.wait(pause) {
                pause = engine.look_after_store(&mut trouble);
            }
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(work)?;
        Ok(StoreWatch { stop, thread: Some(thread) })
    }

    /// One look at the store: how long to wait for the next.
    pub(super) fn look_after_store(&self, trouble: &mut Trouble) -> Duration {
        let mut pause = LOOK;
        let is_refusing = self.note_trouble(trouble);
        if is_refusing && trouble.failures < ATTEMPTS {
            match self.repair_store() {
                Ok(_) => trouble.failures = 0,
                Err(error) => {
                    trouble.failures += 1;
                    let doubled = LOOK.saturating_mul(2_u32.saturating_pow(trouble.failures));
                    pause = doubled.min(LONGEST);
                    if trouble.failures == 1 {
                        tracing::error!(%error, "the store could not be opened anew; tried again");
                    }
                    if trouble.failures == ATTEMPTS {
                        tracing::error!(%error, "the store is not opened anew any more: restart");
                    }
                }
            }
        }
        self.note_trouble(trouble);
        pause
    }

    /// Notes whether the store refuses changes, and logs where that is new: also a trouble that is
    /// over before the next look.
    fn note_trouble(&self, trouble: &mut Trouble) -> bool {
        let refusal = self.publisher.store().refusal();
        self.note_misplaced(refusal.as_ref());
        let refusal = refusal.map(|refusal| refusal.to_string());
        let is_refusing = refusal.is_some();
        if refusal != trouble.refusal {
            match &refusal {
                Some(why) => {
                    let write = self.publisher.store().failed_write().unwrap_or_default();
                    tracing::error!(why, write, "the store takes no changes");
                }
                None => tracing::info!("the store takes changes again"),
            }
            trouble.refusal = refusal;
            self.live.changed.send_replace(());
        }
        is_refusing
    }

    /// Opens the store anew if it takes no changes and there is room, and brings what is in memory
    /// to what it holds; says whether it takes changes. Blocks.
    pub fn repair_store(&self) -> Result<bool, EngineError> {
        match self.publisher.store().reopen()? {
            Reopening::NotNeeded => Ok(true),
            Reopening::NotYet => Ok(false),
            Reopening::Done => {
                self.publisher.catch_up()?;
                self.live.keep_policies()?;
                self.live.keep_record();
                // The change that failed may be there.
                self.tracker.state_changed();
                self.tracker.lists_changed();
                Ok(true)
            }
        }
    }

    fn note_misplaced(&self, refusal: Option<&StoreError>) {
        let why = match refusal {
            Some(StoreError::Removed { path }) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                Some(format!("the file {name} of the store was removed, moved or replaced"))
            }
            _ => None,
        };
        *self.lock_misplaced() = why;
    }

    /// Why the store's files cannot be used any more, as last looked at.
    pub(super) fn misplaced(&self) -> Option<String> {
        self.lock_misplaced().clone()
    }

    fn lock_misplaced(&self) -> MutexGuard<'_, Option<String>> {
        self.misplaced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
