//! Errors of the engine.

use std::{fmt, io};

use super::{MAX_FILE, MAX_UPLOAD, NotRebuilt};
use crate::domain::address::AddressError;
use crate::domain::list::ListId;
use crate::domain::transfer::TransferError;
use crate::refresh::{RefreshError, TooLarge};
use crate::source;
use crate::store::StoreError;
use crate::store::backup::BackupError;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No such list is loaded or configured.
    #[error("list {0} is neither loaded nor configured")]
    UnknownList(ListId),
    /// The first import of an unconfigured list names no kind.
    #[error("list {0} is new: give its kind")]
    KindMissing(ListId),
    /// The list has no configured source.
    #[error("list {0} has no configured source")]
    NoSource(ListId),
    #[error("running offline: only sources that are files are read")]
    Offline,
    #[error(transparent)]
    Malformed(#[from] source::SourceError),
    /// One of several files is malformed.
    #[error("{name}: {error}")]
    MalformedFile {
        name: String,
        /// What is wrong with it.
        error: source::SourceError,
    },
    /// A sanity gate refused the publication.
    #[error("{0}")]
    Refused(String),
    #[error("the tag cannot be put on {id}: {why}")]
    TagRefused { id: ListId, why: String },
    #[error(transparent)]
    ListTooLarge(TooLarge),
    /// The source could not be read.
    #[error("{0}")]
    Source(String),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("the file has more than {MAX_FILE} bytes")]
    UploadTooLarge,
    #[error(
        "the uploads in flight have {MAX_UPLOAD} bytes in all, or {MAX_FILE} of this caller: try again once some have ended"
    )]
    TooManyUploads,
    #[error("another backup is being made: try again once it has ended")]
    BackupUnderWay,
    /// A transfer is invalid.
    #[error("transfer {index}: {source}")]
    Transfer {
        /// Its place in its batch, from 0.
        index: usize,
        source: TransferError,
    },
    #[error("there is no conflict {0}")]
    NoConflict(u64),
    #[error("conflict {0} is settled already")]
    SettledConflict(u64),
    /// A field of a request is invalid.
    #[error("{field}: {what}")]
    Field {
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The string is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("no list is loaded")]
    NothingLoaded,
    /// The stored transfers are still being loaded into the graph.
    #[error("transfers are being loaded: try again in a few seconds")]
    TransfersLoading,
    /// Policy files are invalid: one text per file.
    #[error("{}", .0.join("\n"))]
    Policy(Vec<String>),
    #[error("no snapshot {0:?} was in force here: give the snapshot_id of an earlier answer")]
    UnknownSnapshot(String),
    /// The snapshot existed, but it cannot be rebuilt.
    #[error("snapshot {id} cannot be answered by: {why}")]
    SnapshotNotKept { id: String, why: NotRebuilt },
    #[error("the record cannot be replayed: {0}")]
    NotReplayable(String),
    /// Exposure can no longer be kept up to date.
    #[error("exposure can no longer be kept up to date: {0}")]
    Exposure(String),
    /// A file of the data directory could not be read or written.
    #[error("data directory: {0}")]
    Io(#[from] io::Error),
    /// A bug.
    #[error("internal: {0}")]
    Internal(String),
}

impl EngineError {
    /// Whether another process holds the store.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Store(StoreError::Locked { .. }))
    }
}

/// Wraps an error that only a bug can cause.
pub(super) fn internal(error: impl fmt::Display) -> EngineError {
    EngineError::Internal(error.to_string())
}

impl From<StoreError> for EngineError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a failure of the store unless said otherwise"
    )]
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Transfer { index, source } => Self::Transfer { index, source },
            StoreError::NoConflict { number } => Self::NoConflict(number),
            error @ StoreError::DroppedBefore { .. } => {
                Self::Field { field: "verdict", what: error.to_string() }
            }
            StoreError::SettledConflict { number } => Self::SettledConflict(number),
            StoreError::Heights { field, what } => Self::Field { field, what },
            error => Self::Store(error),
        }
    }
}

impl From<RefreshError> for EngineError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Refused(refused) => Self::Refused(refused.to_string()),
            RefreshError::BackfillRefused(refused) => Self::Refused(refused.to_string()),
            RefreshError::TooLarge(too_large) => Self::ListTooLarge(too_large),
            RefreshError::Store(error) => Self::Store(error),
            RefreshError::UnknownList(id) => Self::UnknownList(id),
            RefreshError::NoSource(id) => Self::NoSource(id),
            error @ (RefreshError::Fetch(_)
            | RefreshError::Several(_)
            | RefreshError::File { .. }
            | RefreshError::Read { .. }
            | RefreshError::Changed { .. }
            | RefreshError::Panicked { .. }
            | RefreshError::Behind { .. }) => Self::Source(error.to_string()),
        }
    }
}
