//! Status of a source, and the stop signal of the schedule.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::cause::Cause;
use super::lock;
use crate::domain::list::FileReport;
use crate::domain::lock::Recover;

/// Status of a configured source since the program started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// Time of the last attempt.
    pub last_attempt: Option<Timestamp>,
    /// Time of the last success; before the first attempt, the one in the store.
    pub last_success: Option<Timestamp>,
    /// The error of the last attempt, if it failed.
    pub last_error: Option<String>,
    /// Failed attempts since the last success.
    pub consecutive_failures: u32,
    /// Successful attempts since the program started.
    pub succeeded: u64,
    /// Failed attempts since the program started.
    pub failed: u64,
    /// Errors of the URLs that failed at the last attempt, in order, even if a later URL succeeded.
    pub url_errors: Vec<String>,
    /// Failures of URLs, or of the file, since the program started, by cause.
    pub causes: [u64; Cause::ALL.len()],
    /// Status of the publication probe.
    pub probe: ProbeStatus,
    /// How the last file was read since the program started.
    pub last_file: Option<FileReport>,
}

/// Status of the publication probe since the program started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeStatus {
    /// Time of the last probe.
    pub last_attempt: Option<Timestamp>,
    /// The error of the last probe, if it failed.
    pub last_error: Option<String>,
    /// Probes without anything new.
    pub unchanged: u64,
    /// Probes that announced an unknown publication.
    pub announced: u64,
    pub failed: u64,
}

/// A change in a source's availability, which is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The first failure after a success, or ever.
    Lost,
    /// The first success after failures.
    Regained,
}

impl SourceStatus {
    /// Records an attempt and its error, if any; returns the transition.
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

/// Stops [`super::Refresher::run`] or other periodic work.
#[derive(Debug, Default)]
pub struct Stop {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Stops the run: at once if it waits, otherwise after the current source.
    pub fn set(&self) {
        *lock(&self.set) = true;
        self.changed.notify_all();
    }

    /// Waits for at most `time`; returns true if it is set.
    pub fn wait(&self, time: Duration) -> bool {
        let unset = |set: &mut bool| !*set;
        let waited = self.changed.wait_timeout_while(lock(&self.set), time, unset);
        *waited.recover().0
    }
}
