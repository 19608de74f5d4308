//! How a source fares, and the signal that ends the run. Logs nothing: says what is worth a line.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::fault::Cause;
use super::lock;
use crate::domain::list::FileReport;

/// How a configured source has fared since the program started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
    /// When it was last read with success (as the store remembers, before the first attempt).
    pub last_success: Option<Timestamp>,
    /// Why the last attempt failed; `None` if it succeeded.
    pub last_error: Option<String>,
    /// Failed attempts since the last success.
    pub consecutive_failures: u32,
    /// Successful attempts since the program started.
    pub succeeded: u64,
    /// Failed attempts since the program started.
    pub failed: u64,
    /// The URLs that failed at the last attempt, in order, with why: also where a later one did not.
    pub url_errors: Vec<String>,
    /// Failures of URLs, or of the file, since the program started, by cause.
    pub causes: [u64; Cause::ALL.len()],
    /// How the questions for new publications fare.
    pub probe: ProbeStatus,
    /// What the file was taken for that was read last, since the program started; `None` where none
    /// was.
    pub last_file: Option<FileReport>,
}

/// How the questions for new publications have fared since the program started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeStatus {
    /// When the source was last asked.
    pub last_attempt: Option<Timestamp>,
    /// Why the last question failed.
    pub last_error: Option<String>,
    /// Questions that were answered with nothing new.
    pub unchanged: u64,
    /// Questions that were answered with a publication that was not known.
    pub announced: u64,
    /// Questions that failed.
    pub failed: u64,
}

/// A change in whether a source can be read: what is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The first failure after a success, or ever.
    Lost,
    /// The first success after failures.
    Regained,
}

impl SourceStatus {
    /// Notes an attempt and its error, if it failed; says whether the state changed.
    pub fn record(&mut self, now: Timestamp, error: Option<String>) -> Option<Transition> {
        let failed_before = self.consecutive_failures > 0;
        self.last_attempt = Some(now);
        self.last_error = error;
        if self.last_error.is_some() {
            self.consecutive_failures = self.consecutive_failures.saturating_add(1);
            self.failed += 1;
            return (!failed_before).then_some(Transition::Lost);
        }
        self.consecutive_failures = 0;
        self.succeeded += 1;
        self.last_success = Some(now);
        failed_before.then_some(Transition::Regained)
    }
}

/// Ends [`super::Refresher::run`], or other work that is done from time to time.
#[derive(Debug, Default)]
pub struct Stop {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Ends the run, at once if it waits, else after the source it is at.
    pub fn set(&self) {
        *lock(&self.set) = true;
        self.changed.notify_all();
    }

    /// Waits for at most `time`; says whether it is set.
    pub fn wait(&self, time: Duration) -> bool {
        let unset = |set: &mut bool| !*set;
        let waited = self.changed.wait_timeout_while(lock(&self.set), time, unset);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
