//! The logs of the directory: the present one, and those before a restore or a copy.

use jiff::Timestamp;

use super::{DecisionLog, RecordError};
use crate::audit::{self, AuditError, LogDirectory, Reader, RecordId};
use crate::domain::lock::Recover;

impl DecisionLog {
    /// Lists the logs of the directory, oldest first. The last is in use, and is opened.
    pub fn logs(&self, now: Timestamp) -> Result<&[LogDirectory], AuditError> {
        self.log(now)?;
        if let Some(known) = self.directories.get() {
            return Ok(known);
        }
        let found = audit::logs(self.directory())?;
        Ok(self.directories.get_or_init(|| found))
    }

    /// Returns the reader of a log. An earlier log is opened at its first use, and stays open.
    pub fn reader(&self, log: &LogDirectory, now: Timestamp) -> Result<Reader, AuditError> {
        let present = self.log(now)?.reader();
        if present.tag() == log.tag {
            return Ok(present.clone());
        }
        let mut earlier = self.earlier.lock().recover();
        if let Some(reader) = earlier.get(&log.number) {
            return Ok(reader.clone());
        }
        let reader = Reader::open(&log.path)?;
        earlier.insert(log.number, reader.clone());
        Ok(reader)
    }

    /// Returns the log that has a record.
    pub fn reader_of(&self, id: RecordId, now: Timestamp) -> Result<Reader, RecordError> {
        let present = self.log(now)?.reader();
        if present.tag() == id.tag {
            return Ok(present.clone());
        }
        let log = self.logs(now)?.iter().find(|log| log.tag == id.tag);
        let log = log.ok_or_else(|| RecordError::NotFound(id.to_string()))?;
        Ok(self.reader(log, now)?)
    }

    /// Returns the reader of the log with a tag (eight hex digits) or an origin; of the present log for an
    /// empty name. `None` if there is no such log.
    pub fn reader_by_name(&self, name: &str, now: Timestamp) -> Result<Option<Reader>, AuditError> {
        if name.is_empty() {
            return Ok(Some(self.log(now)?.reader().clone()));
        }
        let is_meant = |log: &&LogDirectory| log.origin == name || tag_text(log.tag) == name;
        let log = self.logs(now)?.iter().find(is_meant);
        log.map(|log| self.reader(log, now)).transpose()
    }

    /// Deletes the address and the references of a record. Blocks.
    pub fn redact(&self, id: RecordId, now: Timestamp) -> Result<(), RecordError> {
        self.record(id, now)?;
        let redacted = self.log(now)?.redact(id, now);
        self.close_earlier();
        Ok(redacted?)
    }

    /// Closes the readers of earlier logs, whose files may have been replaced.
    pub(super) fn close_earlier(&self) {
        self.earlier.lock().recover().clear();
    }
}

/// Returns the tag of a log as its record ids begin with it.
pub fn tag_text(tag: [u8; 4]) -> String {
    data_encoding::HEXLOWER.encode(&tag)
}
