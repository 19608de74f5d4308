//! Errors of the store.

use std::io;
use std::path::PathBuf;

use super::{MAX_NAME, SCHEMA, transfers};
use crate::domain::transfer::TransferError;

/// Why data could not be stored or read back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Written by another version of this program, or by something else.
    #[error(
        "{dir}: the store has schema {found}, but this version reads schemas 1 to {SCHEMA} only: run the version that \
         wrote it, or move the directory away and import the lists again",
        dir = .dir.display()
    )]
    Schema {
        dir: PathBuf,
        /// The schema found: a number, or `unknown`.
        found: String,
    },
    #[error(
        "{dir}: the store is in use by another process, such as a running server: stop it, ask it instead, or \
         give another data directory",
        dir = .dir.display()
    )]
    Locked { dir: PathBuf },
    /// A value is damaged.
    #[error("tree {tree}, key {key}: the stored value is damaged: {what}")]
    Corrupt {
        tree: &'static str,
        /// The key, printable: bytes that are not ASCII letters, digits or punctuation as `\xNN`.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// An acknowledged list version is missing.
    #[error(
        "{dir}: version {version} of list {list} was stored here, but the database has {found}: it is damaged; \
         restore the directory from a backup, or move it away and import the lists again",
        dir = .dir.display(),
        found = .found.map_or_else(|| "no version of it".to_owned(), |found| format!("version {found} only"))
    )]
    Lost {
        dir: PathBuf,
        /// The list; the first by id if several are affected.
        list: crate::domain::list::ListId,
        /// The acknowledged version.
        version: u64,
        /// The version found; `None` if there is none.
        found: Option<u64>,
    },
    /// Acknowledged transfers are missing.
    #[error(
        "{dir}: {stored} transfers were stored here by {changes} changes, but the database has {found} by \
         {found_changes}: it is damaged; restore the directory from a backup, or move it away and import the \
         lists and transfers again",
        dir = .dir.display()
    )]
    LostTransfers {
        dir: PathBuf,
        /// The number of acknowledged rows.
        stored: u64,
        changes: u64,
        /// The number of rows found.
        found: u64,
        found_changes: u64,
    },
    /// An invalid transfer.
    #[error("transfer {index} of the batch, {source}")]
    Transfer {
        /// Its index in the batch, from 0.
        index: usize,
        /// The field, and what is wrong with it.
        source: TransferError,
    },
    /// An invalid declaration of coverage, or retraction.
    #[error("{field}: {what}")]
    Heights {
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// An unknown conflict.
    #[error("there is no conflict {number}")]
    NoConflict { number: u64 },
    /// A settlement that would keep a row dropped by another one.
    #[error(
        "conflict {number}: another settlement dropped the transfer that is to be kept: keep the other, or both"
    )]
    DroppedBefore { number: u64 },
    /// A conflict that is already settled.
    #[error("conflict {number} is settled already")]
    SettledConflict { number: u64 },
    /// More chains than the store allows.
    #[error("the store holds transfers of at most {most} chains, and {0} would be one more", most = transfers::MAX_CHAINS)]
    TooManyChains(crate::domain::chain::Chain),
    /// More rows than can be numbered.
    #[error("the store holds at most {most} transfers", most = transfers::MAX_ROWS)]
    TooManyRows,
    /// An unknown row.
    #[error("there is no transfer {row}: {rows} are stored")]
    NoRow { row: u64, rows: u64 },
    /// A damaged file of the store.
    #[error("{path}, byte {place}: the file is damaged: {what}", path = .path.display())]
    Damaged {
        path: PathBuf,
        /// Where the damaged part begins.
        place: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A delta of labels without a base.
    #[error("there are no labels that this could be a delta of")]
    NoLabels,
    /// The file `heads` is damaged.
    #[error(
        "{path}, line {line}: the file is damaged; restore the directory from a backup, or move it away and \
         import the lists again",
        path = .path.display()
    )]
    Heads {
        path: PathBuf,
        /// The first wrong or missing line, from 1.
        line: usize,
    },
    /// A publication without the next version number.
    #[error("version {found} cannot be published: the next is {next}")]
    OutOfOrder {
        /// The number that it carries.
        found: u64,
        /// The number that it should carry.
        next: u64,
    },
    /// A check of an unknown list.
    #[error("list {0} is not in the store")]
    UnknownList(crate::domain::list::ListId),
    /// A snapshot id or policy version that is empty or too long.
    #[error("a snapshot id or policy version has 1 to {MAX_NAME} bytes, not {0}")]
    Name(usize),
    /// An earlier write failed half way.
    #[error(
        "an earlier write failed: the store takes no more until it is opened anew, which a running server does by \
         itself once there is room"
    )]
    Broken,
    /// The store is not writable: a private copy is open.
    #[error(
        "{dir}: the store cannot be written to ({why}): it can be read, and takes no changes until there is room, \
         or the right, to write to it; a running server looks for that by itself",
        dir = .dir.display()
    )]
    ReadOnly {
        dir: PathBuf,
        /// The failed operation and the system's error.
        why: String,
    },
    /// The store is not writable, and there is no room for a copy.
    #[error(
        "{dir}: the store cannot be written to ({why}), and there is no room for a copy of it to read from \
         ({copying}): make room on its disk, or name a directory with room in TMPDIR",
        dir = .dir.display()
    )]
    NoCopy {
        dir: PathBuf,
        /// The failed operation and the system's error.
        why: String,
        copying: String,
    },
    /// An open file was removed, moved or replaced.
    #[error(
        "{path}: the file was removed, moved or replaced while the store is in use: no change is taken; put it back, \
         or restore the store from a backup and start anew",
        path = .path.display()
    )]
    Removed { path: PathBuf },
    /// The database's file is missing or empty although it was in use.
    #[error(
        "{path}: the file is missing or empty, though {snapshot} says that it was written to: restore the directory \
         from a backup, or move it away and import the lists and transfers again",
        path = .path.display()
    )]
    Empty {
        path: PathBuf,
        /// The file that proves it.
        snapshot: String,
    },
    /// sled cannot read its files.
    #[error(
        "{dir}: the database cannot be opened: {what}; restore the directory from a backup, or move it away and \
         import the lists and transfers again",
        dir = .dir.display()
    )]
    Unreadable { dir: PathBuf, what: String },
    /// A value could not be encoded.
    #[error("encoding a value: {0}")]
    Encode(postcard::Error),
    #[error("{doing}: {source}")]
    Engine { doing: &'static str, source: sled::Error },
    /// A directory or file of the store could not be made or synced.
    #[error("{path}: {source}", path = .path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl StoreError {
    /// Creates the error for a damaged value.
    pub(super) fn corrupt(tree: &'static str, key: &[u8], what: impl ToString) -> Self {
        Self::Corrupt { tree, key: key.escape_ascii().to_string(), what: what.to_string() }
    }

    pub(super) fn engine(doing: &'static str) -> impl FnOnce(sled::Error) -> Self {
        move |source| Self::Engine { doing, source }
    }

    /// Returns true if the store currently refuses changes.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Broken | Self::ReadOnly { .. } | Self::Removed { .. })
    }

    /// Returns true if there was no space, or no permission, to write.
    pub(super) fn is_out_of_space(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let (Self::Io { source, .. } | Self::Engine { source: sled::Error::Io(source), .. }) = self
        else {
            return false;
        };
        let kinds = [PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull];
        kinds.contains(&source.kind())
    }
}
