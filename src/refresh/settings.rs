//! Settings of a list.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use super::fetch::{Remote, shown_url};
use crate::domain::list::{ListId, ListKind};
use crate::domain::publication::{Gates, MAX_SHRINK_WINDOW};
use crate::source::Format;

/// A list and its source.
#[derive(Clone, Debug, PartialEq)]
pub struct ListSettings {
    pub id: ListId,
    pub name: String,
    /// What being on it means.
    pub kind: ListKind,
    /// The URL of its publications, `http` or `https`. Takes precedence over `path`.
    pub url: Option<String>,
    /// How the server is requested, and fallback URLs.
    pub remote: Remote,
    /// A file as its source; read on the same schedule.
    pub path: Option<PathBuf>,
    /// The format of its files; `None` detects it.
    pub format: Option<Format>,
    /// True if a screening without it is incomplete.
    pub required: bool,
    /// True if it is published once and never refreshed: no schedule, no age.
    pub is_static: bool,
    /// Interval between successful reads of the source, give or take a tenth.
    pub refresh_interval: Duration,
    /// The age beyond which it is stale; `None` for never.
    pub max_age: Option<Duration>,
    /// True if a publication without rows is accepted.
    pub allow_empty: bool,
    /// [`Gates::max_shrink`].
    pub max_shrink: f64,
    /// [`Gates::shrink_window`].
    pub shrink_window: Duration,
    /// [`Gates::max_not_understood`].
    pub max_not_understood: f64,
}

impl ListSettings {
    /// Returns the gates of its publications.
    pub fn gates(&self) -> Gates {
        let Self { max_shrink, allow_empty, max_not_understood, .. } = *self;
        let shrink_window =
            SignedDuration::try_from(self.shrink_window).unwrap_or(MAX_SHRINK_WINDOW);
        Gates { max_shrink, shrink_window, allow_empty, max_not_understood, ..Gates::default() }
    }

    /// Returns its source for display: the URL without credentials and query, or the path.
    pub fn source_name(&self) -> Option<String> {
        match (&self.url, &self.path) {
            (Some(url), _) => Some(shown_url(url)),
            (None, Some(path)) => Some(path.display().to_string()),
            (None, None) => None,
        }
    }

    /// Returns the URLs of its source in order; none if it is a file.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let more = self.remote.more_urls.iter().filter(|_| self.url.is_some());
        self.url.iter().chain(more).map(String::as_str)
    }

    /// Identifies one of its URLs, or its file for `None`, and the version of the reader
    /// ([`crate::domain::list::ListCheck::source`]). URLs of one publisher that name the same file
    /// are one source.
    pub(super) fn source_fingerprint(&self, url: Option<&str>) -> [u8; 32] {
        let Self { path, format, .. } = self;
        let version = env!("CARGO_PKG_VERSION");
        let url = url.map(|url| self.usual_url(url));
        Sha256::digest(format!("{url:?} {path:?} {format:?} {version}")).into()
    }

    /// Returns the representative of all URLs that name the same file of one publisher.
    fn usual_url<'a>(&self, url: &'a str) -> Cow<'a, str> {
        let folders = &self.remote.same_folders;
        let file = folders.iter().find_map(|folder| url.strip_prefix(folder.as_str()));
        match folders.first().zip(file) {
            Some((first, file)) => Cow::Owned(format!("{first}{file}")),
            None => Cow::Borrowed(url),
        }
    }

    /// Returns true if several of its URLs are the same source as `url`.
    pub(super) fn has_several_urls_of(&self, url: &str) -> bool {
        let usual = self.usual_url(url);
        self.urls().filter(|other| self.usual_url(other) == usual).count() > 1
    }

    /// Returns true if `mark` identifies its currently configured source.
    pub(super) fn is_of_source(&self, mark: Option<[u8; 32]>) -> bool {
        let mut urls = self.urls().map(Some).chain(self.url.is_none().then_some(None));
        mark.is_some_and(|mark| urls.any(|url| self.source_fingerprint(url) == mark))
    }
}
