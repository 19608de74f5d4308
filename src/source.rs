//! Bytes of list files to [`crate::domain::list::ReadList`], or an error with its position.
//! Stand-in for the readers: one address a line.
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::domain::list::{Party, ReadList, RowFacts, RowKey};

/// The form of a list file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One address a line.
    Plain,
}

/// Limits of reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {}

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It could not be read.
    #[error("reading the file: {0}")]
    Io(#[from] io::Error),
}

/// Reads a list file.
pub fn read_file(
    path: &Path,
    _format: Option<Format>,
    _bounds: &Bounds,
) -> Result<ReadList, SourceError> {
    let text = std::fs::read_to_string(path)?;
    let rows: Vec<_> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let key = RowKey {
                address: line.to_owned(),
                ..RowKey::default()
            };
            (key, RowFacts::default())
        })
        .collect();
    Ok(ReadList {
        published: None,
        parties: vec![Party::default()],
        rows,
        duplicates: 0,
    })
}

/// SHA-256 of a file's bytes.
pub fn file_digest(path: &Path) -> io::Result<[u8; 32]> {
    Ok(Sha256::digest(std::fs::read(path)?).into())
}
