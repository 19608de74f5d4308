//! Why the store could not do something.

use std::io;
use std::path::PathBuf;

use super::{MAX_NAME, SCHEMA, transfers};
use crate::domain::transfer::TransferError;

/// Why something could not be stored or read back.
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
    /// A value is not what was written.
    #[error("tree {tree}, key {key}: the stored value is damaged: {what}")]
    Corrupt {
        tree: &'static str,
        /// The key, printable: bytes that are not ASCII letters, digits or punctuation as `\xNN`.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// A list that was acknowledged is gone, or back at an earlier version.
    #[error(
        "{dir}: version {version} of list {list} was stored here, but the database has {found}: it is damaged; \
         restore the directory from a backup, or move it away and import the lists again",
        dir = .dir.display(),
        found = .found.map_or_else(|| "no version of it".to_owned(), |found| format!("version {found} only"))
    )]
    Lost {
        dir: PathBuf,
        /// The list; the first by id where several are lost.
        list: crate::domain::list::ListId,
        /// The version that was acknowledged.
        version: u64,
        /// The version that is there; `None` if none is.
        found: Option<u64>,
    },
    /// Transfers that were acknowledged are gone.
    #[error(
        "{dir}: {stored} transfers were stored here by {changes} changes, but the database has {found} by \
         {found_changes}: it is damaged; restore the directory from a backup, or move it away and import the \
         lists and transfers again",
        dir = .dir.display()
    )]
    LostTransfers {
        dir: PathBuf,
        /// The rows that were acknowledged.
        stored: u64,
        changes: u64,
        /// The rows that are there.
        found: u64,
        found_changes: u64,
    },
    /// A transfer that cannot be taken.
    #[error("transfer {index} of the batch, {source}")]
    Transfer {
        /// Its place in the batch, from 0.
        index: usize,
        /// The field, and what is wrong with it.
        source: TransferError,
    },
    /// A declaration of coverage, or a retraction, that cannot be taken.
    #[error("{field}: {what}")]
    Heights {
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A conflict that is not there.
    #[error("there is no conflict {number}")]
    NoConflict { number: u64 },
    /// A settlement that would keep what another one dropped.
    #[error(
        "conflict {number}: another settlement dropped the transfer that is to be kept: keep the other, or both"
    )]
    DroppedBefore { number: u64 },
    /// A conflict that was settled before.
    #[error("conflict {number} is settled already")]
    SettledConflict { number: u64 },
    /// More chains than the store takes.
    #[error("the store holds transfers of at most {most} chains, and {0} would be one more", most = transfers::MAX_CHAINS)]
    TooManyChains(crate::domain::chain::Chain),
    /// More rows than can be numbered.
    #[error("the store holds at most {most} transfers", most = transfers::MAX_ROWS)]
    TooManyRows,
    /// A row that is not there.
    #[error("there is no transfer {row}: {rows} are stored")]
    NoRow { row: u64, rows: u64 },
    /// A file of the store is not what was written.
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
    /// The file that names the newest versions is not what was written.
    #[error(
        "{path}, line {line}: the file is damaged; restore the directory from a backup, or move it away and \
         import the lists again",
        path = .path.display()
    )]
    Heads {
        path: PathBuf,
        /// The first line that is wrong or missing, from 1.
        line: usize,
    },
    /// A publication that does not carry the next version number.
    #[error("version {found} cannot be published: the next is {next}")]
    OutOfOrder {
        /// The number that it carries.
        found: u64,
        /// The number that it should carry.
        next: u64,
    },
    /// A check of a list that was never published.
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
    /// Nothing can be written: a copy is open instead.
    #[error(
        "{dir}: the store cannot be written to ({why}): it can be read, and takes no changes until there is room, \
         or the right, to write to it; a running server looks for that by itself",
        dir = .dir.display()
    )]
    ReadOnly {
        dir: PathBuf,
        /// What was tried, and the system's error.
        why: String,
    },
    /// Nothing can be written, and there is no room for a copy.
    #[error(
        "{dir}: the store cannot be written to ({why}), and there is no room for a copy of it to read from \
         ({copying}): make room on its disk, or name a directory with room in TMPDIR",
        dir = .dir.display()
    )]
    NoCopy {
        dir: PathBuf,
        /// What was tried, and the system's error.
        why: String,
        copying: String,
    },
    /// A file that is open is no longer where it was.
    #[error(
        "{path}: the file was removed, moved or replaced while the store is in use: no change is taken; put it back, \
         or restore the store from a backup and start anew",
        path = .path.display()
    )]
    Removed { path: PathBuf },
    /// The database's file is gone or empty although it was in use.
    #[error(
        "{path}: the file is missing or empty, though {snapshot} says that it was written to: restore the directory \
         from a backup, or move it away and import the lists and transfers again",
        path = .path.display()
    )]
    Empty {
        path: PathBuf,
        /// The file that says so.
        snapshot: String,
    },
    /// sled does not understand its files.
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
    pub(super) fn engine(doing: &'static str) -> impl FnOnce(sled::Error) -> Self {
        move |source| Self::Engine { doing, source }
    }

    /// Whether it is that the store takes no changes at present.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Broken | Self::ReadOnly { .. } | Self::Removed { .. })
    }

    /// Whether it is that there was no room, or no right, to write.
    pub(super) fn is_about_room(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let (Self::Io { source, .. } | Self::Engine { source: sled::Error::Io(source), .. }) = self
        else {
            return false;
        };
        let kinds = [PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull];
        kinds.contains(&source.kind())
    }
}
