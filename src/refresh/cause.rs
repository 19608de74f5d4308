//! Fetch errors and the causes by which they are counted.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::RefreshError;
use crate::source::{Fault, SourceError};

/// Why a source could not be read or published: the labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Cause {
    /// The source's firewall refused the request (403).
    Blocked,
    /// The file is not there (404, 410).
    NotFound,
    /// An unexpected status.
    Status,
    /// A web page instead of a list.
    WebPage,
    /// The file was truncated, or may have been.
    Truncated,
    /// The source was too slow.
    Slow,
    /// The source was unreachable, or does not speak HTTP.
    Unreachable,
    /// Too many redirects, or one to a forbidden target.
    Redirect,
    /// The file or the list exceeds its size limit.
    TooLarge,
    /// The file does not match its format: its schema changed, or it is not a list.
    Format,
    /// A gate rejected the publication.
    Refused,
    /// A local problem: configuration, disk, store.
    Local,
}

impl Cause {
    /// All causes, in the order of their numbers.
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
        self.into()
    }
}

impl FetchError {
    /// Returns the cause to count.
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
    /// Returns the cause to count.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Fetch(error) => error.cause(),
            Self::Read { source: SourceError::Malformed { fault, .. }, .. } => match fault {
                Fault::Truncated(_) | Fault::Count { .. } | Fault::Empty => Cause::Truncated,
                Fault::Markup => Cause::WebPage,
                Fault::WrongRoot { .. }
                | Fault::Doctype
                | Fault::Syntax(_)
                | Fault::NotUtf8
                | Fault::TooDeep(_)
                | Fault::FieldTooLong(_)
                | Fault::RecordTooLong(_)
                | Fault::TooManyRows(_)
                | Fault::TooMuchHeld(_)
                | Fault::TooMuchKept(_)
                | Fault::Missing(_)
                | Fault::Misplaced(_)
                | Fault::UnknownField(_)
                | Fault::BadDate(_)
                | Fault::BadValue(..)
                | Fault::PartyDiffers(_)
                | Fault::LineBreak
                | Fault::LineBreakCount { .. }
                | Fault::UnknownId(..)
                | Fault::Anchor
                | Fault::Include
                | Fault::ActorPack => Cause::Format,
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

    /// Returns true if another URL of the list may succeed. Not after a rejected publication: an
    /// outdated mirror would hide it.
    pub(super) fn may_be_better_elsewhere(&self) -> bool {
        match self {
            Self::Fetch(_) | Self::Read { .. } => self.cause() != Cause::Local,
            Self::Behind { .. } => true,
            Self::Several(_)
            | Self::File { .. }
            | Self::Changed { .. }
            | Self::Panicked { .. }
            | Self::Refused(_)
            | Self::BackfillRefused(_)
            | Self::TooLarge(_)
            | Self::Store(_)
            | Self::UnknownList(_)
            | Self::NoSource(_) => false,
        }
    }
}

/// Why a file was not fetched. URLs are shown without credentials and query; redirect targets are
/// never shown.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an absolute `http` or `https` URL.
    #[error("{url}: not an http or https URL")]
    Url { url: String },
    /// 403: usually a firewall that takes the agent for a robot.
    #[error(
        "{url}: blocked by the source's firewall (status 403); the agent that was sent is {agent:?}"
    )]
    Blocked {
        url: String,
        /// `User-Agent`.
        agent: String,
    },
    /// 404 or 410.
    #[error("{url}: the server has no such file (status {status})")]
    NotFound { url: String, status: u16 },
    /// Neither 200 nor an expected 304.
    #[error("{url}: the server answered with status {status}")]
    Status { url: String, status: u16 },
    /// A web page instead of a list.
    #[error("{url}: the server sent a web page ({found}) instead of a list")]
    WebPage {
        url: String,
        /// The media type, or the beginning of the body.
        found: &'static str,
    },
    #[error("{url}: the file has more than {limit} bytes")]
    TooLarge {
        url: String,
        /// [`super::FetchLimits::max_bytes`].
        limit: u64,
    },
    /// The connection ended before the body did.
    #[error("{url}: the file was truncated after {got} bytes")]
    Truncated { url: String, got: u64 },
    /// A body delimited by the end of the connection: a truncated one would look complete.
    #[error(
        "{url}: the server says neither the file's length nor its end (no Content-Length, not chunked), \
         so that a file cut short would look whole"
    )]
    Unbounded { url: String },
    /// No bytes.
    #[error("{url}: the file is empty")]
    Empty { url: String },
    #[error("{url}: not finished within {after:?}")]
    TimedOut {
        url: String,
        /// [`super::FetchLimits::timeout`].
        after: Duration,
    },
    /// A body that drips.
    #[error("{url}: {got} bytes within {after:?}, fewer than {least} a second")]
    TooSlow {
        url: String,
        got: u64,
        /// Since the first byte.
        after: Duration,
        /// [`super::FetchLimits::min_rate`].
        least: u64,
    },
    #[error("{url}: redirected more than {limit} times")]
    Redirects {
        url: String,
        /// [`super::FetchLimits::max_redirects`].
        limit: u32,
    },
    /// Redirected to a target that is not followed.
    #[error("{url}: redirected {to}")]
    RedirectedAway { url: String, to: &'static str },
    /// The file of the list's headers is invalid.
    #[error("{path}: {what}", path = .path.display())]
    Headers {
        path: PathBuf,
        /// The problem; contains no header value.
        what: String,
    },
    /// The server was not reached, or the connection broke.
    #[error("{url}: {reason}")]
    Transport { url: String, reason: String },
    /// The bytes could not be written to disk.
    #[error("{path}: {source}", path = .path.display())]
    Disk { path: PathBuf, source: io::Error },
}
