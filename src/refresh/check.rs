//! Checks a source on demand: the answer of each URL, and its difference from the current version.
//! Publishes and stores nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::civil::Date;

use super::cause::Cause;
use super::fetch::USER_AGENT;
use super::publisher::{ImportOptions, Report};
use super::{Fetched, ListSettings, ProbeReport, RefreshError, Refresher, Seen, shown_url};
use crate::domain::list::{ListId, Provenance};
use crate::source::{self, Bounds, Format};

/// The result of checking a source.
#[derive(Clone, Debug)]
pub struct SourceReport {
    /// The user agent sent; empty if the source is a file.
    pub user_agent: String,
    /// Each URL in its order, or the file.
    pub checks: Vec<SourceCheck>,
    /// The publication probe, if configured.
    pub probe: Option<ProbeReport>,
}

/// The result of checking one URL, or the file.
#[derive(Clone, Debug, Default)]
pub struct SourceCheck {
    /// The URL without credentials and query, or the path.
    pub source: String,
    /// The observed answer.
    pub seen: Seen,
    pub took: Duration,
    /// The format, given or detected.
    pub format: Option<Format>,
    pub rows: u64,
    pub parties: u64,
    /// The publication day that it states.
    pub published: Option<Date>,
    /// The effect of publishing it.
    pub difference: Option<Difference>,
    /// Why it cannot be published.
    pub error: Option<(Cause, String)>,
}

/// The difference between a file and the current version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Rows that are new or listed again.
    pub added: u64,
    /// Rows whose facts or party changed.
    pub updated: u64,
    /// Rows that would no longer count.
    pub removed: u64,
    /// Rows whose removal would be pending.
    pub pending: u64,
}

impl Refresher {
    /// Checks every URL of a list's source, even after a success. Blocks.
    pub fn check(&self, id: &ListId) -> Result<SourceReport, RefreshError> {
        let source = self.sources.iter().find(|source| source.settings.id == *id);
        let source = source.ok_or_else(|| RefreshError::UnknownList(id.clone()))?;
        let settings = &source.settings;
        let mut checks: Vec<_> = settings.urls().map(|url| self.check_url(settings, url)).collect();
        let mut user_agent = settings.remote.user_agent.as_deref().unwrap_or(USER_AGENT);
        if checks.is_empty() {
            let path = settings.path.as_deref();
            let path = path.ok_or_else(|| RefreshError::NoSource(id.clone()))?;
            let (name, start) = (path.display().to_string(), Instant::now());
            let mut check = SourceCheck { source: name, ..SourceCheck::default() };
            check.seen.bytes = path.metadata().map_or(0, |file| file.len());
            self.check_file(settings, path, &mut check);
            check.took = start.elapsed();
            checks.push(check);
            user_agent = "";
        }
        let probe = settings.remote.probe.as_ref();
        let probe = probe.map(|probe| self.try_probe(probe, &settings.remote));
        Ok(SourceReport { user_agent: user_agent.to_owned(), checks, probe })
    }

    fn check_url(&self, settings: &ListSettings, url: &str) -> SourceCheck {
        let start = Instant::now();
        let mut check = SourceCheck { source: shown_url(url), ..SourceCheck::default() };
        match self.fetcher.fetch(url, &settings.remote, None, &mut check.seen) {
            Ok(Fetched::File { file, .. }) => self.check_file(settings, file.path(), &mut check),
            // Unreachable: no condition was sent.
            Ok(Fetched::NotModified) => {}
            Err(error) => check.error = Some((error.cause(), error.to_string())),
        }
        check.took = start.elapsed();
        check
    }

    fn check_file(&self, settings: &ListSettings, path: &Path, check: &mut SourceCheck) {
        let name = check.source.clone();
        let _turn = self.publisher.reader_permit();
        check.format = settings.format.or_else(|| source::format_of(path, &Bounds::default()).ok());
        let previewed = self.publisher.read(settings, path, &name).and_then(|read| {
            let list = &read.list;
            check.rows = list.rows.len() as u64;
            check.parties = list.parties.len() as u64;
            check.published = list.published;
            let provenance = Provenance::Source(name);
            self.publisher.preview(settings, list, &provenance, ImportOptions::default())
        });
        match previewed.map(|preview| preview.report) {
            Ok(Report::Unchanged { .. }) => check.difference = Some(Difference::default()),
            Ok(Report::Published { added, updated, removed, pending, .. }) => {
                check.difference = Some(Difference { added, updated, removed, pending });
            }
            Err(error) => check.error = Some((error.cause(), error.to_string())),
        }
    }
}
