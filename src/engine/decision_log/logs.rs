//! The logs of the directory: the present one, and those before a restore or a copy.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use super::{DecisionLog, RecordError};
use crate::audit::{self, AuditError, LogDirectory, Logs, Reader, RecordId};

impl DecisionLog {
    /// Lists the logs of the directory, oldest first. The last is in use, and is opened.
    pub fn logs(&self, now: Timestamp) -> Result<&[LogDirectory], AuditError> {
        Ok(&self.all_logs(now)?.logs)
    }

    /// The same with those that cannot be read.
    pub(super) fn all_logs(&self, now: Timestamp) -> Result<&Logs, AuditError> {
        self.log(now)?;
        if let Some(known) = self.directories.get() {
            return Ok(known);
        }
        let found = audit::logs(self.directory())?;
        Ok(self.directories.get_or_init(|| found))
    }

    /// Returns the reader of a log. An earlier log is opened at its first use, and stays open.
    pub fn reader(&self, log: &LogDirectory, now: Timestamp) -> Result<Reader, AuditError> {
        let reader = self.log(now)?.reader_of(log.tag)?;
        reader.ok_or_else(|| AuditError::Io {
            path: log.path.clone(),
            source: Arc::new(io::ErrorKind::NotFound.into()),
        })
    }

    /// Returns the log that has a record.
    pub fn reader_of(&self, id: RecordId, now: Timestamp) -> Result<Reader, RecordError> {
        let reader = self.log(now)?.reader_of(id.tag)?;
        reader.ok_or_else(|| RecordError::NotFound(id.to_string()))
    }

    /// Returns the reader of the log with a tag (eight hex digits) or an origin; of the present log for an
    /// empty name. `None` if there is no such log.
    pub fn reader_by_name(&self, name: &str, now: Timestamp) -> Result<Option<Reader>, AuditError> {
        if name.is_empty() {
            return Ok(Some(self.log(now)?.reader().clone()));
        }
        let is_meant = |log: &&LogDirectory| log.origin == name || tag_text(log.tag) == name;
        let log = self.all_logs(now)?.find(is_meant)?;
        log.map(|log| self.reader(log, now)).transpose()
    }

    /// Deletes the address and the references of a record. Blocks.
    pub fn redact(&self, id: RecordId, now: Timestamp) -> Result<(), RecordError> {
        self.record(id, now)?;
        Ok(self.log(now)?.redact(id, now)?)
    }
}

/// Returns the tag of a log as its record ids begin with it.
pub fn tag_text(tag: [u8; 4]) -> String {
    data_encoding::HEXLOWER.encode(&tag)
}
