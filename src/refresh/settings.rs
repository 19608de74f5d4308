//! What is configured of a list. Says nothing of where the configuration comes from.

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
    /// The list.
    pub id: ListId,
    /// Its name for people.
    pub name: String,
    /// What being on it means.
    pub kind: ListKind,
    /// Where it is published, `http` or `https`. Comes before `path`.
    pub url: Option<String>,
    /// How the server is asked, and where else.
    pub remote: Remote,
    /// A file that is its source; read anew on the same schedule.
    pub path: Option<PathBuf>,
    /// The format of its files; `None`: the reader finds out.
    pub format: Option<Format>,
    /// Whether a screening without it is incomplete.
    pub required: bool,
    /// Whether it is said once and never republished: no schedule, no age.
    pub is_static: bool,
    /// Time from one successful read of the source to the next, give or take a tenth.
    pub refresh_interval: Duration,
    /// The age beyond which it is stale; `None`: never.
    pub max_age: Option<Duration>,
    /// Whether a publication without rows is believed.
    pub allow_empty: bool,
    /// [`Gates::max_shrink`].
    pub max_shrink: f64,
    /// [`Gates::shrink_window`].
    pub shrink_window: Duration,
    /// [`Gates::max_not_understood`].
    pub max_not_understood: f64,
}

impl ListSettings {
    /// The gates that its publications must pass.
    pub fn gates(&self) -> Gates {
        let Self { max_shrink, allow_empty, max_not_understood, .. } = *self;
        let shrink_window =
            SignedDuration::try_from(self.shrink_window).unwrap_or(MAX_SHRINK_WINDOW);
        Gates { max_shrink, shrink_window, allow_empty, max_not_understood, ..Gates::default() }
    }

    /// Its source as it may be shown: the URL without credentials and query, or the path; `None`
    /// if it has none.
    pub fn source_name(&self) -> Option<String> {
        match (&self.url, &self.path) {
            (Some(url), _) => Some(shown_url(url)),
            (None, Some(path)) => Some(path.display().to_string()),
            (None, None) => None,
        }
    }

    /// The URLs of its source, in the order in which they are asked; none where it is a file.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let more = self.remote.more_urls.iter().filter(|_| self.url.is_some());
        self.url.iter().chain(more).map(String::as_str)
    }

    /// What tells one of its URLs, or with `None` its file, from another source, and from the same
    /// one read by another version of this program ([`crate::domain::list::ListCheck::source`]). URLs
    /// of one publisher that name the same file are one source.
    pub(super) fn source_mark(&self, url: Option<&str>) -> [u8; 32] {
        let Self { path, format, .. } = self;
        let version = env!("CARGO_PKG_VERSION");
        let url = url.map(|url| self.usual_url(url));
        Sha256::digest(format!("{url:?} {path:?} {format:?} {version}")).into()
    }

    /// The URL by which all that name the same file of one publisher are known.
    fn usual_url<'a>(&self, url: &'a str) -> Cow<'a, str> {
        let folders = &self.remote.same_folders;
        let file = folders.iter().find_map(|folder| url.strip_prefix(folder.as_str()));
        match folders.first().zip(file) {
            Some((first, file)) => Cow::Owned(format!("{first}{file}")),
            None => Cow::Borrowed(url),
        }
    }

    /// Whether several of its URLs are the source that `url` is.
    pub(super) fn has_several_urls_of(&self, url: &str) -> bool {
        let usual = self.usual_url(url);
        self.urls().filter(|other| self.usual_url(other) == usual).count() > 1
    }

    /// Whether `mark` is of its source as it is configured now.
    pub(super) fn is_of_source(&self, mark: Option<[u8; 32]>) -> bool {
        let mut urls = self.urls().map(Some).chain(self.url.is_none().then_some(None));
        mark.is_some_and(|mark| urls.any(|url| self.source_mark(url) == mark))
    }
}
