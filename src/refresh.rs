//! Refreshes lists from their configured sources: fetches, parses, gates and publishes on a
//! schedule. A failed refresh keeps the last good version.

mod cause;
mod check;
mod fetch;
mod log_notes;
mod memory_limits;
mod not_stored;
mod publisher;
mod run;
mod schedule;
mod settings;
mod status;
mod watch;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::domain::list::{ListCheck, ListId, ListState, Provenance};
use crate::domain::lock::Recover;
use crate::domain::publication::{
    BackfillRefused, Refused, SourceFingerprint, is_understood_as_published, removal_due,
};
use crate::source::{self, ParsedFile, SourceError};
use crate::store::StoreError;

pub use cause::{Cause, FetchError};
pub use check::{Difference, SourceCheck, SourceReport};
pub use fetch::{
    FetchLimits, Fetched, Fetcher, Headers, ProbeReport, ProbeSettings, Remote, Seen, USER_AGENT,
    are_of_one_origin, parse_headers, parse_user_agent, post_text, shown_url,
};
pub use log_notes::log_notes;
pub use memory_limits::{MemoryLimits, TooLarge};
pub use not_stored::NotStored;
pub use publisher::{Amendment, Clock, ImportOptions, Preview, Publisher, Report};
pub use schedule::Schedule;
pub use settings::ListSettings;
pub use status::{ProbeStatus, SourceStatus, Stop, Transition};
use watch::Watch;

/// Why a list was not refreshed or published. Nothing changed then.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The source could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Every URL of the source failed: the errors in order.
    #[error("{}", in_words(.0, ToString::to_string))]
    Several(Vec<RefreshError>),
    /// The file could not be opened or read from disk.
    #[error("{file}: {source}")]
    File {
        /// Path or URL.
        file: String,
        source: io::Error,
    },
    /// The file could not be parsed as a list.
    #[error("{file}: {source}")]
    Read {
        /// Path or URL.
        file: String,
        /// The reader's error, with its position.
        source: SourceError,
    },
    /// The file was modified while it was read.
    #[error("{file}: the file changed while it was read")]
    Changed { file: String },
    /// The program panicked while reading the source.
    #[error("{file}: the program failed while reading it: {what}")]
    Panicked {
        /// Path or URL.
        file: String,
        what: String,
    },
    /// A gate rejected the publication.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A fallback URL has nothing new although a publication was announced.
    #[error(
        "{url}: unchanged, though a newer publication was announced: only the list's first url can \
         say that there is none"
    )]
    Behind { url: String },
    /// A backfill was rejected.
    #[error(transparent)]
    BackfillRefused(#[from] BackfillRefused),
    /// The lists would take more memory than they may.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such list is configured.
    #[error("list {0} is not configured")]
    UnknownList(ListId),
    /// The list has no source and is only imported.
    #[error("list {0} has no source: neither a url nor a path is configured")]
    NoSource(ListId),
}

impl RefreshError {
    /// The error without text from the source, which may contain an address.
    fn unquoted(&self) -> String {
        match self {
            Self::Read { file, source: SourceError::Malformed { format, at, .. } } => {
                format!("{file}: {format}: cannot be read at {at}")
            }
            Self::Panicked { file, .. } => format!("{file}: the program failed while reading it"),
            Self::Several(errors) => in_words(errors, Self::unquoted),
            Self::Fetch(_)
            | Self::File { .. }
            | Self::Read { .. }
            | Self::Changed { .. }
            | Self::Refused(_)
            | Self::Behind { .. }
            | Self::BackfillRefused(_)
            | Self::TooLarge(_)
            | Self::Store(_)
            | Self::UnknownList(_)
            | Self::NoSource(_) => self.to_string(),
        }
    }
}

fn in_words(errors: &[RefreshError], words: fn(&RefreshError) -> String) -> String {
    errors.iter().map(words).collect::<Vec<_>>().join("; ")
}

/// The configured sources and their status.
#[derive(Debug)]
pub struct Refresher {
    publisher: Arc<Publisher>,
    fetcher: Fetcher,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    settings: ListSettings,
    /// Held while the source is read: one read at a time.
    reading: Mutex<()>,
    status: Mutex<SourceStatus>,
    /// State of the publication probe.
    watch: Mutex<Watch>,
}

impl Refresher {
    /// Creates a refresher for those of `lists` that have a source.
    pub fn new(publisher: Arc<Publisher>, fetcher: Fetcher, lists: &[ListSettings]) -> Self {
        let source = |settings: &ListSettings| {
            let state = publisher.list(&settings.id);
            let last_success = state.and_then(|state| state.check.succeeded_at);
            Source {
                settings: settings.clone(),
                reading: Mutex::default(),
                status: Mutex::new(SourceStatus { last_success, ..SourceStatus::default() }),
                watch: Mutex::default(),
            }
        };
        let sources = lists.iter().map(source).collect();
        Self { publisher, fetcher, sources }
    }

    /// Returns the status of a list's source; `None` if the list is not configured or has no
    /// source.
    pub fn status(&self, id: &ListId) -> Option<SourceStatus> {
        let source = self.sources.iter().find(|source| source.settings.id == *id)?;
        source.settings.source_name()?;
        Some(lock(&source.status).clone())
    }

    /// Reads the source of a list now and publishes the result. Blocks.
    pub fn refresh(&self, id: &ListId) -> Result<Report, RefreshError> {
        let source = self.sources.iter().find(|source| source.settings.id == *id);
        self.refresh_source(source.ok_or_else(|| RefreshError::UnknownList(id.clone()))?)
    }

    fn refresh_source(&self, source: &Source) -> Result<Report, RefreshError> {
        let id = &source.settings.id;
        let name = source.settings.source_name();
        let name = name.ok_or_else(|| RefreshError::NoSource(id.clone()))?;
        let _reading = lock(&source.reading);
        let mut trusts_unchanged = true;
        let mut failures = Vec::new();
        let result = loop {
            failures.clear();
            match self.attempt_catching_panics(
                &source.settings,
                &name,
                trusts_unchanged,
                &mut failures,
            ) {
                Ok(Some(report)) => break Ok(report),
                // The list changed meanwhile: read the source in full.
                Ok(None) => trusts_unchanged = false,
                Err(error) if failures.is_empty() => break Err(error),
                Err(error) => {
                    failures.push(error);
                    break Err(RefreshError::Several(std::mem::take(&mut failures)));
                }
            }
        };
        self.record_failures(source, &result, &failures);
        let now = self.publisher.now();
        let error = result.as_ref().err().map(ToString::to_string);
        match lock(&source.status).record(now, error.clone()) {
            Some(Transition::Lost) => {
                let logged = result.as_ref().err().map(RefreshError::unquoted);
                let logged = logged.unwrap_or_default();
                if matches!(result, Err(RefreshError::Store(_))) {
                    tracing::warn!(list = %id, error = logged, "refresh not stored, keeping the last good version");
                } else {
                    tracing::warn!(list = %id, error = logged, "refresh failed, keeping the last good version");
                }
                tracing::debug!(list = %id, error = error.unwrap_or_default(), "full refresh error");
            }
            Some(Transition::Regained) => {
                tracing::info!(list = %id, source = name, "refresh recovered");
            }
            None => {}
        }
        result
    }

    /// Counts failures by cause. Logs failed URLs once if a later URL succeeded.
    fn record_failures(
        &self,
        source: &Source,
        result: &Result<Report, RefreshError>,
        failures: &[RefreshError],
    ) {
        let id = &source.settings.id;
        let errors = match result {
            Err(RefreshError::Several(errors)) => errors,
            Err(error) => std::slice::from_ref(error),
            Ok(_) => failures,
        };
        let is_disk =
            |error: &RefreshError| matches!(error, RefreshError::Fetch(FetchError::Disk { .. }));
        if errors.iter().any(is_disk) {
            self.publisher.record_not_stored(id);
        }
        let mut status = lock(&source.status);
        for error in errors {
            status.causes[error.cause() as usize] += 1;
        }
        let was_first = status.url_errors.is_empty();
        status.url_errors = errors.iter().map(ToString::to_string).collect();
        if result.is_ok() && !failures.is_empty() && was_first {
            let error = in_words(failures, RefreshError::unquoted);
            tracing::warn!(list = %id, error, "refresh used a fallback URL");
        }
    }

    /// As [`Self::attempt`], but turns a panic into an error, so that it ends neither the schedule
    /// nor the reading of other sources.
    fn attempt_catching_panics(
        &self,
        settings: &ListSettings,
        name: &str,
        trusts_unchanged: bool,
        failures: &mut Vec<RefreshError>,
    ) -> Result<Option<Report>, RefreshError> {
        // Unwind-safe: lists are replaced whole after the store has them, and a store with an
        // interrupted write accepts no more.
        let attempt = AssertUnwindSafe(|| self.attempt(settings, name, trusts_unchanged, failures));
        catch_unwind(attempt).unwrap_or_else(|panic| {
            let what = panic_text(panic.as_ref());
            tracing::error!(list = %settings.id, source = name, "refresh panicked");
            tracing::debug!(list = %settings.id, panic = what, "refresh panic message");
            Err(RefreshError::Panicked { file: name.to_owned(), what: what.to_owned() })
        })
    }

    /// Reads the source once: its URLs in order, until one succeeds. Adds the errors of the others
    /// to `failures`, except the last. With `trusts_unchanged`, an answer "unchanged" is accepted;
    /// `None` if the list changed meanwhile, so that the answer is void.
    fn attempt(
        &self,
        settings: &ListSettings,
        name: &str,
        trusts_unchanged: bool,
        failures: &mut Vec<RefreshError>,
    ) -> Result<Option<Report>, RefreshError> {
        let state = self.publisher.list(&settings.id);
        let now = self.publisher.now();
        let believed = |state: &&ListState| {
            let due = removal_due(state, now, &settings.gates());
            let same = settings.is_of_source(state.check.source);
            let same = same && state.version.kind == settings.kind;
            // Last, because it reads every row.
            trusts_unchanged && !due && same && is_understood_as_published(state, &settings.gates())
        };
        let basis = state.as_deref().filter(believed).map(|state| state.check.clone());
        let basis = basis.as_ref();
        let mut urls = settings.urls().peekable();
        if urls.peek().is_none() {
            let path = settings.path.as_deref();
            let path = path.ok_or_else(|| RefreshError::NoSource(settings.id.clone()))?;
            let source = Some(settings.source_fingerprint(None));
            let seen = SourceFingerprint { source, ..SourceFingerprint::default() };
            return self.publish_fetched(settings, path, name, basis, seen, false);
        }
        while let Some(url) = urls.next() {
            match self.attempt_url(settings, url, basis) {
                Err(error) if error.may_be_better_elsewhere() && urls.peek().is_some() => {
                    failures.push(error);
                }
                done => return done,
            }
        }
        Err(RefreshError::NoSource(settings.id.clone()))
    }

    /// Reads one URL. Cached validators belong to the URL that sent them.
    fn attempt_url(
        &self,
        settings: &ListSettings,
        url: &str,
        basis: Option<&ListCheck>,
    ) -> Result<Option<Report>, RefreshError> {
        let source = Some(settings.source_fingerprint(Some(url)));
        // An `ETag` identifies a file at any URL, a date only at its own.
        let is_of_url = !settings.has_several_urls_of(url);
        let known =
            basis.filter(|basis| basis.source == source && (is_of_url || basis.etag.is_some()));
        let fetched = self.fetcher.fetch(url, &settings.remote, known, &mut Seen::default())?;
        let may_be_behind = self.may_be_behind(settings, source);
        match fetched {
            Fetched::NotModified if may_be_behind => {
                Err(RefreshError::Behind { url: shown_url(url) })
            }
            Fetched::NotModified => {
                // Only a conditional request gets this answer, and it needs a basis.
                let Some(basis) = known else { return Ok(None) };
                let seen = SourceFingerprint {
                    file_digest: basis.file_digest,
                    etag: basis.etag.clone(),
                    last_modified: basis.last_modified.clone(),
                    source,
                };
                self.publisher.confirm(settings, basis, seen)
            }
            Fetched::File { file, etag, last_modified } => {
                let seen = SourceFingerprint { etag, last_modified, source, file_digest: None };
                self.publish_fetched(
                    settings,
                    file.path(),
                    &shown_url(url),
                    basis,
                    seen,
                    may_be_behind,
                )
            }
        }
    }

    /// Returns true if "nothing new" from `source` proves nothing: a publication was announced and
    /// not found yet, and this is not the list's first URL.
    fn may_be_behind(&self, settings: &ListSettings, source: Option<[u8; 32]>) -> bool {
        let first = settings.urls().next().map(|url| settings.source_fingerprint(Some(url)));
        let of_list = self.sources.iter().find(|source| source.settings.id == settings.id);
        source != first && of_list.is_some_and(|source| lock(&source.watch).awaits_publication())
    }

    /// Publishes a fetched file unless its bytes equal the last ones. A fallback that may be behind
    /// fails if it has nothing new.
    fn publish_fetched(
        &self,
        settings: &ListSettings,
        path: &Path,
        name: &str,
        basis: Option<&ListCheck>,
        mut seen: SourceFingerprint,
        may_be_behind: bool,
    ) -> Result<Option<Report>, RefreshError> {
        let failed = |source| RefreshError::File { file: name.to_owned(), source };
        let digest_of = |path: &Path| match settings.url {
            Some(_) => source::file_digest(path),
            None => source::digest_with_header(path),
        };
        let digest = digest_of(path).map_err(failed)?;
        seen.file_digest = Some(digest);
        let behind = || RefreshError::Behind { url: name.to_owned() };
        if let Some(basis) = basis.filter(|basis| basis.file_digest == Some(digest)) {
            if may_be_behind {
                return Err(behind());
            }
            return self.publisher.confirm(settings, basis, seen);
        }
        let _turn = self.publisher.reader_permit();
        let ParsedFile { list, report } = self.publisher.read(settings, path, name)?;
        if digest_of(path).map_err(failed)? != digest {
            return Err(RefreshError::Changed { file: name.to_owned() });
        }
        if let Some(source) = self.sources.iter().find(|source| source.settings.id == settings.id) {
            lock(&source.status).last_file = Some(report);
        }
        let provenance = Provenance::Source(name.to_owned());
        if may_be_behind {
            let preview =
                self.publisher.preview(settings, &list, &provenance, ImportOptions::default())?;
            if matches!(preview.report, Report::Unchanged { .. }) {
                return Err(behind());
            }
        }
        self.publisher
            .publish(settings, &list, &provenance, ImportOptions::default(), Some(seen))
            .map(Some)
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

/// Ignores lock poisoning: no guarded value is ever left half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().recover()
}

/// The directory of downloads.
fn fetch_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("fetch")
}

#[cfg(test)]
mod tests;
