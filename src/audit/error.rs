//! What goes wrong with the decision log, with its place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::note::NoteError;

/// Why the log, or a part of it, cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuditError {
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        // Shared, since a failed write is repeated to every later append.
        source: Arc<io::Error>,
    },
    #[error("the decision log {} is in use by another process", path.display())]
    Locked { path: PathBuf },
    #[error("invalid log name {0:?}: use visible characters without spaces and '+'")]
    Name(String),
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error("{what} has {bytes} bytes, at most {max} are allowed")]
    TooLarge { what: &'static str, bytes: usize, max: usize },
    #[error("a leaf has {0} items, at most {max} are allowed", max = super::ITEMS_PER_LEAF)]
    TooManyItems(usize),
    #[error("leaf {index} does not exist: the log has {size} leaves")]
    NoSuchLeaf { index: u64, size: u64 },
    #[error("record {0} does not exist in this log")]
    NoSuchRecord(super::RecordId),
    #[error("a tree of {size} leaves does not exist: the log has {written}")]
    NoSuchSize { size: u64, written: u64 },
    #[error("leaf {index} was removed by retention")]
    Removed { index: u64 },
    #[error("{}: {source}", path.display())]
    Note { path: PathBuf, source: NoteError },
    #[error("{}: the key cannot be used: {what}", path.display())]
    Key { path: PathBuf, what: &'static str },
    #[error("no randomness from the operating system")]
    Random,
    #[error("the log's thread has ended")]
    Ended,
}

/// Bytes that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: damaged at byte {byte}{}: {what}", path.display(), leaf.map(place).unwrap_or_default())]
pub struct Damage {
    pub path: PathBuf,
    /// The offset in the file, of the frame or the block that differs.
    pub byte: u64,
    /// The first leaf that cannot be trusted, where one can be named.
    pub leaf: Option<u64>,
    pub what: String,
}

fn place(leaf: u64) -> String {
    let (block, segment) = (super::block_of(leaf), super::segment_of(leaf));
    format!(" (segment {segment}, block {block}, leaf {leaf})")
}

impl AuditError {
    /// Returns a converter for errors at `path`.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source: Arc::new(source) }
    }

    pub(super) fn damaged(path: &Path, byte: u64, what: impl Into<String>) -> Self {
        Damage { path: path.to_owned(), byte, leaf: None, what: what.into() }.into()
    }
}
