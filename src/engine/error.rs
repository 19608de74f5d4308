//! Why the engine could not do something.

use std::{fmt, io};

use super::{MAX_FILE, MAX_UPLOAD};
use crate::domain::address::AddressError;
use crate::domain::list::ListId;
use crate::domain::transfer::TransferError;
use crate::refresh::{RefreshError, TooLarge};
use crate::source;
use crate::store::StoreError;
use crate::store::backup::BackupError;

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
    #[error("running offline: sources that are no files are not contacted")]
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
    /// A list takes no tag, or not this one.
    #[error("the tag cannot be put on {id}: {why}")]
    TagRefused { id: ListId, why: String },
    /// The lists would take more memory than they may.
    #[error(transparent)]
    ListTooLarge(TooLarge),
    /// The source could not be read.
    #[error("{0}")]
    Source(String),
    #[error(transparent)]
    Store(StoreError),
    /// A backup could not be made.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A file that is larger than one may be.
    #[error("the file has more than {MAX_FILE} bytes")]
    UploadTooLarge,
    /// Files on their way in are more than there may be at one time.
    #[error(
        "files on their way in have {MAX_UPLOAD} bytes in all, or {MAX_FILE} of this caller: try again once some have ended"
    )]
    TooManyUploads,
    /// Another backup is being made.
    #[error("another backup is being made: try again once it has ended")]
    BackupUnderWay,
    /// A transfer cannot be taken.
    #[error("transfer {index}: {source}")]
    Transfer {
        /// Its place in its batch, from 0.
        index: usize,
        source: TransferError,
    },
    /// No such conflict between transfers.
    #[error("there is no conflict {0}")]
    NoConflict(u64),
    /// The conflict was settled before.
    #[error("conflict {0} is settled already")]
    SettledConflict(u64),
    /// A declaration of coverage, or a retraction, that cannot be taken.
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
    /// Stored transfers are being read in, as after a start.
    #[error("transfers are being read in: try again in a few seconds")]
    TransfersLoading,
    /// A policy is not valid: what is wrong, file by file.
    #[error("{}", .0.join("\n"))]
    Policy(Vec<String>),
    /// No snapshot was ever in force under that id.
    #[error("no snapshot {0:?} was in force here: give the snapshot_id of an earlier answer")]
    UnknownSnapshot(String),
    /// Not all that the id of a snapshot stands for is kept.
    #[error("snapshot {id} cannot be answered by: {why}")]
    SnapshotNotKept { id: String, why: String },
    /// Exposure can no longer be kept up to date.
    #[error("exposure can no longer be kept up to date: {0}")]
    Exposure(String),
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

/// What cannot happen unless the program is wrong.
pub(super) fn internal(error: impl fmt::Display) -> EngineError {
    EngineError::Internal(error.to_string())
}

impl From<StoreError> for EngineError {
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
            error => Self::Source(error.to_string()),
        }
    }
}
