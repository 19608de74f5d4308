//! The running whole: the publisher of lists, the snapshot in force, and the settings, put
//! together. Everything above (gRPC, command line) asks here; no transport is known here.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tempfile::NamedTempFile;
use tokio::sync::watch;

use crate::config::Config;
use crate::domain::list::{ListId, ListKind, ListingChange, Provenance};
use crate::refresh::{Clock, ListSettings, Publisher, RefreshError, Report, SourceStatus};
use crate::screening::snapshot::{ListTerms, Snapshot, SnapshotList, SnapshotRecord};
use crate::source::{self, Bounds, Format};
use crate::store::{Store, StoreError};

/// A list without a configured limit of its own is stale after this long, if its kind ages.
const DEFAULT_MAX_AGE: SignedDuration = SignedDuration::from_hours(48);

/// The largest file that an import takes, in bytes.
const MAX_UPLOAD: u64 = 1 << 30;

/// The starter lists that the binary carries: facts, with their sources in `data/README.md`.
const STARTER_LISTS: [(&str, ListKind, &str); 2] = [
    ("us-ofac-sdn", ListKind::Sanctions, include_str!("../data/us-ofac-sdn.csv")),
    ("lazarus-advisories", ListKind::Advisory, include_str!("../data/lazarus-advisories.csv")),
];

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No such list is loaded or configured.
    #[error("list {0} is neither loaded nor configured")]
    UnknownList(ListId),
    /// The first import of an unconfigured list says no kind.
    #[error("list {0} is new: say what being on it means (kind)")]
    KindMissing(ListId),
    /// The list has no configured source.
    #[error("list {0} has no configured source")]
    NoSource(ListId),
    /// The program was told to contact nobody.
    #[error("running offline: no source is contacted")]
    Offline,
    /// The file is malformed.
    #[error(transparent)]
    Malformed(#[from] source::SourceError),
    /// A sanity gate refused the publication.
    #[error("{0}")]
    Refused(String),
    /// The source could not be read.
    #[error("{0}")]
    Source(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of ours could not be read or written.
    #[error("data directory: {0}")]
    Io(#[from] io::Error),
    /// Cannot happen unless the program is wrong.
    #[error("internal: {0}")]
    Internal(String),
}

impl EngineError {
    /// Whether another process holds the store.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Store(StoreError::Locked { .. }))
    }
}

/// A file to publish by hand.
#[derive(Clone, Debug)]
pub struct Import {
    /// The list.
    pub id: ListId,
    /// What being on it means; `None`: as it has or is configured.
    pub kind: Option<ListKind>,
    /// The file's form; `None`: by content.
    pub format: Option<Format>,
    /// The file's name, for the record and as a hint at its form.
    pub file_name: String,
    /// Overrides the sanity gates, for this reason.
    pub force_reason: Option<String>,
    /// The day of publication where the file does not say it.
    pub published: Option<Date>,
}

/// What a publication did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The list.
    pub id: ListId,
    /// False where the facts were those already loaded.
    pub published: bool,
    /// How many rows were newly listed.
    pub added: u64,
    /// How many rows' facts changed.
    pub updated: u64,
    /// How many rows were removed.
    pub removed: u64,
    /// How many removals newly wait to be confirmed.
    pub removals_pending: u64,
}

/// A list as loaded or configured.
#[derive(Clone, Debug)]
pub struct ListOverview {
    /// The list.
    pub id: ListId,
    /// Its configuration, where it has one.
    pub settings: Option<ListSettings>,
    /// Its version in force, where one is loaded.
    pub loaded: Option<SnapshotList>,
    /// How reading its source went, where it has one.
    pub source: Option<SourceStatus>,
    /// The source without credentials and query; empty where it has none.
    pub source_name: String,
}

/// Where a listing of changes begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangesSince {
    /// With the first version ever loaded.
    Beginning,
    /// Above this version.
    Version(u64),
    /// With versions published, or where undated loaded, on this day or later.
    Day(Date),
}

/// A page of changes.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The changes, in order.
    pub changes: Vec<DatedChange>,
    /// Where to go on; `None` at the end.
    pub next: Option<[u64; 2]>,
}

/// A change with its version's day.
#[derive(Clone, Debug)]
pub struct DatedChange {
    /// The list.
    pub list: ListId,
    /// The version that made it.
    pub version: u64,
    /// The day of publication of that version.
    pub published: Option<Date>,
    /// The change.
    pub change: ListingChange,
}
