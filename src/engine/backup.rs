//! A backup of the store while everything goes on, and what snapshots and policies in a store must
//! be. Knows no form of a backup.

use std::io::Write;
use std::sync::TryLockError;
use std::time::Instant;

use super::{Engine, EngineError};
use crate::screening::policy::Policy;
use crate::screening::snapshot::SnapshotRecord;
use crate::store::{OpaqueRecord, StoreError};

impl Engine {
    /// Writes a backup of what is acknowledged now to `out`, which may be slow: only what is
    /// superseded meanwhile waits for it. One at a time. Blocks.
    pub fn backup(&self, out: impl Write) -> Result<(), EngineError> {
        let _only = match self.backup.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(EngineError::BackupUnderWay),
            // A backup that panicked left nothing behind that another needs.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(only) => only,
        };
        // Leftovers of a killed backup go where those of uploads go.
        let (spool, _named) = match self.upload_file("backup") {
            Ok(named) => (named.reopen()?, Some(named)),
            // What can be read can be backed up.
            Err(EngineError::Store(StoreError::ReadOnly { .. })) => (tempfile::tempfile()?, None),
            Err(error) => return Err(error),
        };
        let begun = Instant::now();
        let backup = self.publisher.store().begin_backup(spool, self.now())?;
        tracing::info!(writers_waited = ?begun.elapsed(), "a backup begins");
        let begun = Instant::now();
        let size = backup.write_to(out)?;
        let (bytes, sha256) = (size.bytes, size.sha256);
        tracing::info!(bytes, %sha256, took = ?begun.elapsed(), "a backup was made");
        Ok(())
    }
}

/// Says what is wrong with a stored snapshot or policy: the one must be a record and the other a
/// text, each what its name stands for. A policy of another time need not be valid now.
pub fn judge(named: OpaqueRecord<'_>) -> Result<(), String> {
    match named {
        OpaqueRecord::Snapshot(name, stored) => {
            SnapshotRecord::decode(stored).map_err(|error| error.to_string())?;
            if SnapshotRecord::is_named(name, stored) {
                Ok(())
            } else {
                Err("it is not what its name stands for".to_owned())
            }
        }
        OpaqueRecord::Policy(version, stored) => {
            let text = std::str::from_utf8(stored).map_err(|error| error.to_string())?;
            let digest = Policy::digest_of(text);
            let short: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            match version.rsplit_once('@') {
                Some((_, told)) if told == short => Ok(()),
                _ => Err("it is not what its version stands for".to_owned()),
            }
        }
    }
}
