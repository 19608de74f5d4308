//! The logs of one directory.

use std::path::{Path, PathBuf};

use super::head::LogId;
use super::{AuditError, Damage, files, origin};

/// One of the logs in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirectory {
    pub number: u64,
    pub path: PathBuf,
    pub origin: String,
    /// What its record ids begin with.
    pub tag: [u8; 4],
}

/// The logs in a directory.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// Oldest first. The last is in use.
    pub logs: Vec<LogDirectory>,
    /// Why some cannot be read.
    pub unreadable: Vec<Damage>,
}

impl Logs {
    /// Returns all of them. Fails if one cannot be read.
    pub fn all(&self) -> Result<&[LogDirectory], AuditError> {
        match self.unreadable.first() {
            Some(damage) => Err(damage.clone().into()),
            None => Ok(&self.logs),
        }
    }

    /// Returns the one that fits. Fails if none does and one cannot be read, since it may be that one.
    pub fn find(
        &self,
        is_meant: impl FnMut(&&LogDirectory) -> bool,
    ) -> Result<Option<&LogDirectory>, AuditError> {
        match self.logs.iter().find(is_meant) {
            Some(log) => Ok(Some(log)),
            None => self.all().map(|_| None),
        }
    }
}

/// Lists the logs in a directory.
pub fn logs(directory: &Path) -> Result<Logs, AuditError> {
    let mut found = Logs::default();
    let mut next = 1;
    for number in files::log_numbers(directory)? {
        if next < number {
            let path = files::log_directory(directory, next);
            let what = if next + 1 == number {
                "the log is missing".to_owned()
            } else {
                format!("the log is missing, as are those up to log.{}", number - 1)
            };
            found.unreadable.push(Damage { path, byte: 0, leaf: None, what });
        }
        next = number + 1;
        let path = files::log_directory(directory, number);
        match origin::read(&path) {
            Ok(origin::Origin { origin, .. }) => {
                let tag = LogId::of(&origin).tag();
                found.logs.push(LogDirectory { number, path, origin, tag });
            }
            Err(AuditError::Damaged(damage)) => found.unreadable.push(damage),
            Err(error) => {
                let what = error.to_string();
                found.unreadable.push(Damage { path, byte: 0, leaf: None, what });
            }
        }
    }
    Ok(found)
}
