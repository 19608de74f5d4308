//! The logs of one directory.

use std::path::{Path, PathBuf};

use super::head::LogId;
use super::{AuditError, files, origin};

/// One of the logs in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirectory {
    pub number: u64,
    pub path: PathBuf,
    pub origin: String,
    /// What its record ids begin with.
    pub tag: [u8; 4],
}

/// Lists the logs in a directory, oldest first. The last is in use.
pub fn logs(directory: &Path) -> Result<Vec<LogDirectory>, AuditError> {
    let numbers = files::log_numbers(directory)?.into_iter();
    numbers
        .map(|number| {
            let path = files::log_directory(directory, number);
            let origin = origin::read(&path)?.origin;
            let tag = LogId::of(&origin).tag();
            Ok(LogDirectory { number, path, origin, tag })
        })
        .collect()
}
