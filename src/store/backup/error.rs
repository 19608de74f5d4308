//! Why a backup could not be made, read or restored. Names the byte, the key or the path.

use std::io;
use std::path::PathBuf;

use super::super::{SCHEMA, StoreError};
use super::frame::FORMAT;

/// Why a backup could not be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is something else.
    #[error("byte 0: this is no backup of a store: it does not begin with \"LAZARETTO BACKUP\"")]
    NotABackup,
    /// Written by a later version of this program, in a form that this one does not know.
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
    /// The file is not what was written.
    #[error("byte {position}: the backup is damaged: {what}")]
    Damaged {
        /// Where what is wrong begins, from 0.
        position: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The file is what was written, but what was written is damaged.
    #[error(
        "what the backup holds is damaged: {first}{}",
        if *.more == 0 { String::new() } else { format!(" (and {more} problems more)") }
    )]
    Content {
        first: String,
        /// How many more there are.
        more: u64,
    },
    /// The file could not be read.
    #[error("byte {position}: {source}")]
    Read {
        /// How far it was read.
        position: u64,
        source: io::Error,
    },
    /// The backup could not be handed on.
    #[error("writing the backup: {0}")]
    Write(io::Error),
    #[error(
        "{dir} holds a store already: a backup is restored only where there is none; move it away, or give \
         another data directory",
        dir = .0.display()
    )]
    Exists(PathBuf),
    /// Another process restores into the same data directory.
    #[error("{dir}: another restore is under way here", dir = .0.display())]
    Restoring(PathBuf),
    /// A value that is larger than a backup takes.
    #[error("tree {tree}, key {key}: the value has {length} bytes, more than a backup takes")]
    TooLarge {
        tree: &'static str,
        key: String,
        /// The value's length, or the key's where that is too long.
        length: usize,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    /// The backup is damaged at a byte.
    pub(super) fn damaged(position: u64, what: impl ToString) -> Self {
        Self::Damaged { position, what: what.to_string() }
    }
}
