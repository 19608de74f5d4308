//! Why a source fails: what went wrong with a URL, and its cause as one of a few that are counted.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::RefreshError;
use crate::source::{Fault, SourceError};

/// Why a source could not be read, or what it said was not published: the labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The source's firewall refused the request (403).
    Blocked,
    /// The file is not there (404, 410).
    NotFound,
    /// Another status than was expected.
    Status,
    /// A web page in the place of a list.
    WebPage,
    /// The file was cut off, or may have been.
    Truncated,
    /// The source was too slow.
    Slow,
    /// The source was not reached, or does not speak HTTP.
    Unreachable,
    /// Redirected too often, or to where no redirect is followed.
    Redirect,
    /// The file is larger than one may be, or the list would be.
    TooLarge,
    /// The file is not what its format demands: its schema changed, or it is no list.
    Format,
    /// A gate refused the publication.
    Refused,
    /// This program's own side: configuration, disk, store.
    Local,
}

impl Cause {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Blocked,
        Self::NotFound,
        Self::Status,
        Self::WebPage,
        Self::Truncated,
        Self::Slow,
        Self::Unreachable,
        Self::Redirect,
        Self::TooLarge,
        Self::Format,
        Self::Refused,
        Self::Local,
    ];

    /// The name of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::NotFound => "not_found",
            Self::Status => "status",
            Self::WebPage => "web_page",
            Self::Truncated => "truncated",
            Self::Slow => "slow",
            Self::Unreachable => "unreachable",
            Self::Redirect => "redirect",
            Self::TooLarge => "too_large",
            Self::Format => "format",
            Self::Refused => "refused",
            Self::Local => "local",
        }
    }
}

impl FetchError {
    /// The cause that is counted.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Blocked { .. } => Cause::Blocked,
            Self::NotFound { .. } => Cause::NotFound,
            Self::Status { .. } => Cause::Status,
            Self::WebPage { .. } => Cause::WebPage,
            Self::Truncated { .. } | Self::Unbounded { .. } | Self::Empty { .. } => {
                Cause::Truncated
            }
            Self::TimedOut { .. } | Self::TooSlow { .. } => Cause::Slow,
            Self::Transport { .. } => Cause::Unreachable,
            Self::Redirects { .. } | Self::RedirectedAway { .. } => Cause::Redirect,
            Self::TooLarge { .. } => Cause::TooLarge,
            Self::Url { .. } | Self::Headers { .. } | Self::Disk { .. } => Cause::Local,
        }
    }
}

impl RefreshError {
    /// The cause that is counted.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Fetch(error) => error.cause(),
            Self::Read { source: SourceError::Malformed { fault, .. }, .. } => match fault {
                Fault::Truncated(_) | Fault::Count { .. } | Fault::Empty => Cause::Truncated,
                Fault::Markup => Cause::WebPage,
                _ => Cause::Format,
            },
            Self::Read { source: SourceError::Unpack { .. }, .. } => Cause::Truncated,
            Self::Read { source: SourceError::TooLarge(_), .. } | Self::TooLarge(_) => {
                Cause::TooLarge
            }
            Self::Read { source: SourceError::Open { .. } | SourceError::Read(_), .. } => {
                Cause::Local
            }
            Self::Read { .. } => Cause::Format,
            Self::Refused(_) | Self::BackfillRefused(_) | Self::Behind { .. } => Cause::Refused,
            Self::Several(errors) => errors.last().map_or(Cause::Local, Self::cause),
            Self::File { .. }
            | Self::Changed { .. }
            | Self::Panicked { .. }
            | Self::Store(_)
            | Self::UnknownList(_)
            | Self::NoSource(_) => Cause::Local,
        }
    }

    /// Whether another URL of the list may do better. Not where the publication itself was refused:
    /// a mirror that is behind would hide it.
    pub(super) fn may_be_better_elsewhere(&self) -> bool {
        match self {
            Self::Fetch(_) | Self::Read { .. } => self.cause() != Cause::Local,
            Self::Behind { .. } => true,
            _ => false,
        }
    }
}

/// Why a file was not fetched. A URL is named without credentials and query; one that it was
/// redirected to is never named.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an absolute `http` or `https` URL.
    #[error("{url}: not an http or https URL")]
    Url {
        /// What was asked for.
        url: String,
    },
    /// 403: as a rule a firewall that takes the agent for a robot.
    #[error(
        "{url}: blocked by the source's firewall (status 403); the agent that was sent is {agent:?}"
    )]
    Blocked {
        /// What was asked for.
        url: String,
        /// `User-Agent`.
        agent: String,
    },
    /// 404 or 410.
    #[error("{url}: the server has no such file (status {status})")]
    NotFound {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// Neither 200 nor an expected 304.
    #[error("{url}: the server answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// A web page instead of a list.
    #[error("{url}: the server sent a web page ({found}) instead of a list")]
    WebPage {
        /// What was asked for.
        url: String,
        /// The media type, or how the body begins.
        found: &'static str,
    },
    /// More than the bound.
    #[error("{url}: the file has more than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// [`super::FetchLimits::max_bytes`].
        limit: u64,
    },
    /// The connection ended before the body did.
    #[error("{url}: the file was cut off after {got} bytes")]
    Truncated {
        /// What was asked for.
        url: String,
        /// How many arrived.
        got: u64,
    },
    /// A body that ends with its connection: cut short, it would look whole.
    #[error(
        "{url}: the server says neither the file's length nor its end (no Content-Length, not chunked), \
         so that a file cut short would look whole"
    )]
    Unbounded {
        /// What was asked for.
        url: String,
    },
    /// No bytes.
    #[error("{url}: the file is empty")]
    Empty {
        /// What was asked for.
        url: String,
    },
    /// Slower than the bound.
    #[error("{url}: not finished within {after:?}")]
    TimedOut {
        /// What was asked for.
        url: String,
        /// [`super::FetchLimits::timeout`].
        after: Duration,
    },
    /// A body that drips.
    #[error("{url}: {got} bytes within {after:?}, fewer than {least} a second")]
    TooSlow {
        /// What was asked for.
        url: String,
        /// How many arrived.
        got: u64,
        /// Since the first byte.
        after: Duration,
        /// [`super::FetchLimits::min_rate`].
        least: u64,
    },
    /// Redirected too often.
    #[error("{url}: redirected more than {limit} times")]
    Redirects {
        /// What was asked for.
        url: String,
        /// [`super::FetchLimits::max_redirects`].
        limit: u32,
    },
    /// Redirected to what is not followed.
    #[error("{url}: redirected {to}")]
    RedirectedAway {
        /// What was asked for.
        url: String,
        /// Where to, in words.
        to: &'static str,
    },
    /// The file of the list's headers is none.
    #[error("{path}: {what}", path = .path.display())]
    Headers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; no value.
        what: String,
    },
    /// Not reached, or the connection broke.
    #[error("{url}: {reason}")]
    Transport {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// The bytes could not be written down.
    #[error("{path}: {source}", path = .path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}
