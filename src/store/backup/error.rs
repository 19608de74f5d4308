//! Errors of backups, with the byte, key or path.

use std::io;
use std::path::PathBuf;

use super::super::{SCHEMA, StoreError};
use super::FORMAT;

/// Why a backup could not be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is not a backup.
    #[error("byte 0: this is not a backup of a store: it does not begin with \"LAZARETTO BACKUP\"")]
    NotABackup,
    /// Written by a later version of this program, in an unknown form.
    #[error(
        "byte 16: the backup was written by lazaretto {program} (backup format {format}, store schema {schema}), \
         but this is lazaretto {}, which reads format {FORMAT} and schemas 1 to {SCHEMA} only: \
         use lazaretto {program} or later",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The version of the program that wrote it.
        program: String,
        /// The format of the file.
        format: u32,
        /// The schema of the store in it.
        schema: u32,
    },
    /// The file was changed or damaged.
    #[error("byte {position}: the backup is damaged: {what}")]
    Damaged {
        /// The offset of the damage, from 0.
        position: u64,
        /// The problem.
        what: String,
    },
    /// The file is intact, but its content is damaged.
    #[error(
        "what the backup holds is damaged: {first}{}",
        if *.more == 0 { String::new() } else { format!(" (and {more} problems more)") }
    )]
    Content {
        first: String,
        /// The number of further problems.
        more: u64,
    },
    /// The file could not be read.
    #[error("byte {position}: {source}")]
    Read {
        /// The offset reached.
        position: u64,
        source: io::Error,
    },
    /// The backup could not be written.
    #[error("writing the backup: {0}")]
    Write(io::Error),
    #[error(
        "{dir} holds a store already: a backup is restored only where there is none; move it away, or give \
         another data directory",
        dir = .0.display()
    )]
    Exists(PathBuf),
    /// Another process is restoring into the same data directory.
    #[error("{dir}: another restore is under way here", dir = .0.display())]
    Restoring(PathBuf),
    /// A value larger than the format allows.
    #[error("tree {tree}, key {key}: the value has {length} bytes, more than a backup takes")]
    TooLarge {
        tree: &'static str,
        key: String,
        /// The length of the value, or of the key if that is too long.
        length: usize,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    /// Creates the error for damage at a byte.
    pub(super) fn damaged(position: u64, what: impl ToString) -> Self {
        Self::Damaged { position, what: what.to_string() }
    }
}
