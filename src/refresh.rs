//! From a configured source to a published list: fetch, read, gates, publish, again and again.
//! The last good version stays whatever goes wrong. Understands no file format and no address.

mod fetch;
mod publisher;
mod room;
mod schedule;
mod settings;
mod status;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::list::{ListCheck, ListId, Provenance};
use crate::domain::publication::{BackfillRefused, Refused, SourceMark, removal_due};
use crate::source::{self, SourceError};
use crate::store::StoreError;

pub use fetch::{FetchError, FetchLimits, Fetched, Fetcher, shown_url};
pub use publisher::{ByHand, Clock, NotStored, Preview, Publisher, Report};
pub use room::{Room, TooLarge};
pub use schedule::Schedule;
pub use settings::ListSettings;
pub use status::{SourceStatus, Stop, Transition};

/// Why a list was not refreshed or published. Nothing changed then.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The source could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file could not be opened or read from disk.
    #[error("{file}: {source}")]
    File {
        /// Path or URL.
        file: String,
        /// The system's error.
        source: io::Error,
    },
    /// The file is no list that can be read.
    #[error("{file}: {source}")]
    Read {
        /// Path or URL.
        file: String,
        /// The reader's error, with its position.
        source: SourceError,
    },
    /// The file was written to while it was read.
    #[error("{file}: the file changed while it was read")]
    Changed {
        /// Path.
        file: String,
    },
    /// The program failed while the source was read.
    #[error("{file}: the program failed while reading it: {what}")]
    Panicked {
        /// Path or URL.
        file: String,
        /// What the panic said.
        what: String,
    },
    /// The publication did not pass a gate.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Old publications could not be put into the past of a list.
    #[error(transparent)]
    BackfillRefused(#[from] BackfillRefused),
    /// The lists would take more memory than they may.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such list is configured.
    #[error("list {0} is not configured")]
    UnknownList(ListId),
    /// The list is fed by hand.
    #[error("list {0} has no source: neither a url nor a path is configured")]
    NoSource(ListId),
}

impl RefreshError {
    /// The error without what the source says, in which there may be an address.
    fn unquoted(&self) -> String {
        match self {
            Self::Read { file, source: SourceError::Malformed { format, at, .. } } => {
                format!("{file}: {format}: cannot be read at {at}")
            }
            Self::Panicked { file, .. } => format!("{file}: the program failed while reading it"),
            error => error.to_string(),
        }
    }
}

/// The configured sources and how they fare.
#[derive(Debug)]
pub struct Refresher {
    publisher: Arc<Publisher>,
    fetcher: Fetcher,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    settings: ListSettings,
    /// Held while the source is read, so that it is read once at a time.
    reading: Mutex<()>,
    status: Mutex<SourceStatus>,
}

impl Refresher {
    /// A refresher of those of `lists` that have a source.
    pub fn new(publisher: Arc<Publisher>, fetcher: Fetcher, lists: &[ListSettings]) -> Self {
        let source = |settings: &ListSettings| {
            let state = publisher.list(&settings.id);
            let last_success = state.and_then(|state| state.check.succeeded_at);
            Source {
                settings: settings.clone(),
                reading: Mutex::default(),
                status: Mutex::new(SourceStatus { last_success, ..SourceStatus::default() }),
            }
        };
        let sources = lists.iter().map(source).collect();
        Self { publisher, fetcher, sources }
    }

    /// How the source of a list fares; `None` if the list is not configured or has no source.
    pub fn status(&self, id: &ListId) -> Option<SourceStatus> {
        let source = self.sources.iter().find(|source| source.settings.id == *id)?;
        source.settings.source_name()?;
        Some(lock(&source.status).clone())
    }

    /// Reads the source of a list now and publishes what it says. Blocks.
    pub fn refresh(&self, id: &ListId) -> Result<Report, RefreshError> {
        let source = self.sources.iter().find(|source| source.settings.id == *id);
        self.refresh_source(source.ok_or_else(|| RefreshError::UnknownList(id.clone()))?)
    }

    /// Refreshes every source on its schedule until `stop` is set. Blocks; a thread of its own is
    /// the place for it. A static list is read until it was read once from the source that is
    /// configured now; and any source that was not, at once. If `offline`, only sources that are files
    /// are read.
    pub fn run(&self, stop: &Stop, offline: bool) {
        let start = Instant::now();
        let mut timetable: Vec<(Instant, Schedule, &Source)> = Vec::new();
        let is_read = |source: &&Source| {
            let settings = &source.settings;
            settings.source_name().is_some() && !(offline && settings.url.is_some())
        };
        for source in self.sources.iter().filter(is_read) {
            let schedule = Schedule::new(source.settings.refresh_interval);
            let state = self.publisher.list(&source.settings.id);
            let mark = Some(source.settings.source_mark());
            let known = state.is_some_and(|state| state.check.source == mark);
            let last_success = lock(&source.status).last_success.filter(|_| known);
            let since = last_success.map(|last| {
                let since = self.publisher.now().duration_since(last);
                Duration::try_from(since).unwrap_or_default()
            });
            if !(source.settings.is_static && since.is_some()) {
                timetable.push((after(start, schedule.first(since)), schedule, source));
            }
        }
        loop {
            let next = timetable.iter_mut().min_by_key(|entry| entry.0);
            let wait = next
                .as_ref()
                .map_or(LONGEST_WAIT, |next| next.0.saturating_duration_since(Instant::now()));
            if stop.wait(wait) {
                return;
            }
            let Some((due, schedule, source)) = next else {
                continue;
            };
            if *due > Instant::now() {
                continue;
            }
            let succeeded = self.refresh_source(source).is_ok();
            *due = after(Instant::now(), schedule.next(succeeded, fastrand::f64()));
            let done = succeeded.then_some(&source.settings.id);
            timetable.retain(|(_, _, source)| {
                !(source.settings.is_static && Some(&source.settings.id) == done)
            });
        }
    }

    fn refresh_source(&self, source: &Source) -> Result<Report, RefreshError> {
        let id = &source.settings.id;
        let name = source.settings.source_name();
        let name = name.ok_or_else(|| RefreshError::NoSource(id.clone()))?;
        let _reading = lock(&source.reading);
        let mut trusted = true;
        let result = loop {
            match self.attempt_safely(&source.settings, &name, trusted) {
                Ok(Some(report)) => break Ok(report),
                // What was compared with is no longer what stands: read the source whole.
                Ok(None) => trusted = false,
                Err(error) => break Err(error),
            }
        };
        if let Err(RefreshError::Fetch(FetchError::Disk { .. })) = &result {
            self.publisher.note_lost(id);
        }
        let now = self.publisher.now();
        let error = result.as_ref().err().map(ToString::to_string);
        match lock(&source.status).record(now, error.clone()) {
            Some(Transition::Lost) => {
                let logged = result.as_ref().err().map(RefreshError::unquoted);
                let what = match &result {
                    Err(RefreshError::Store(_)) => {
                        "the source was read and cannot be stored; the last good version stays"
                    }
                    _ => "the source cannot be read; the last good version stays",
                };
                tracing::warn!(list = %id, error = logged.unwrap_or_default(), "{what}");
                tracing::debug!(list = %id, error = error.unwrap_or_default(), "in full");
            }
            Some(Transition::Regained) => {
                tracing::info!(list = %id, source = name, "the source can be read and stored again");
            }
            None => {}
        }
        result
    }

    /// As [`Self::attempt`], and a panic is an error like others: it ends neither the run nor the
    /// reading of other sources.
    fn attempt_safely(
        &self,
        settings: &ListSettings,
        name: &str,
        trusted: bool,
    ) -> Result<Option<Report>, RefreshError> {
        // Nothing is half changed: lists are replaced whole, after the store has them, and a
        // store whose write did not end takes no more.
        let attempt = AssertUnwindSafe(|| self.attempt(settings, name, trusted));
        catch_unwind(attempt).unwrap_or_else(|panic| {
            let what = panic_text(panic.as_ref());
            tracing::error!(list = %settings.id, source = name, "reading a source panicked");
            tracing::debug!(list = %settings.id, panic = what, "in full");
            Err(RefreshError::Panicked { file: name.to_owned(), what: what.to_owned() })
        })
    }

    /// One look at the source. With `trusted`, a source that says that it is unchanged is
    /// believed; `None` if the list changed meanwhile, so that this says nothing.
    fn attempt(
        &self,
        settings: &ListSettings,
        name: &str,
        trusted: bool,
    ) -> Result<Option<Report>, RefreshError> {
        let state = self.publisher.list(&settings.id);
        let mark = Some(settings.source_mark());
        let now = self.publisher.now();
        let basis: Option<ListCheck> = state.as_deref().and_then(|state| {
            let due = removal_due(state, now, &settings.gates());
            let same = state.check.source == mark && state.version.kind == settings.kind;
            (trusted && same && !due).then(|| state.check.clone())
        });
        let Some(url) = &settings.url else {
            let path = settings.path.as_deref();
            let path = path.ok_or_else(|| RefreshError::NoSource(settings.id.clone()))?;
            let seen = SourceMark { source: mark, ..SourceMark::default() };
            return self.take(settings, path, name, basis.as_ref(), seen);
        };
        match self.fetcher.fetch(url, basis.as_ref())? {
            Fetched::NotModified => {
                // Only a conditional request is answered so, and that needs a basis.
                let Some(basis) = basis else { return Ok(None) };
                let seen = SourceMark {
                    file_digest: basis.file_digest,
                    etag: basis.etag.clone(),
                    last_modified: basis.last_modified.clone(),
                    source: mark,
                };
                self.publisher.confirm(settings, &basis, seen)
            }
            Fetched::File { file, etag, last_modified } => {
                let seen = SourceMark { etag, last_modified, source: mark, file_digest: None };
                self.take(settings, file.path(), name, basis.as_ref(), seen)
            }
        }
    }

    /// Publishes a file of the source, unless its bytes are those that were published last.
    fn take(
        &self,
        settings: &ListSettings,
        path: &Path,
        name: &str,
        basis: Option<&ListCheck>,
        mut seen: SourceMark,
    ) -> Result<Option<Report>, RefreshError> {
        let failed = |source| RefreshError::File { file: name.to_owned(), source };
        let digest = source::file_digest(path).map_err(failed)?;
        seen.file_digest = Some(digest);
        if let Some(basis) = basis.filter(|basis| basis.file_digest == Some(digest)) {
            return self.publisher.confirm(settings, basis, seen);
        }
        let _turn = self.publisher.reading_turn();
        let incoming = self.publisher.read(settings, path, name)?;
        if source::file_digest(path).map_err(failed)? != digest {
            return Err(RefreshError::Changed { file: name.to_owned() });
        }
        let provenance = Provenance::Source(name.to_owned());
        self.publisher
            .publish(settings, &incoming, &provenance, ByHand::default(), Some(seen))
            .map(Some)
    }
}

/// How long the run waits where nothing is due.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// `delay` after `now`, or a day where the clock cannot count that far.
fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or(now + LONGEST_WAIT)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

/// What a thread that panicked left is used as it is: nothing guarded here is ever half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The directory of files that are being fetched.
fn fetch_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("fetch")
}

#[cfg(test)]
mod tests;
