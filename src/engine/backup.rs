//! Online backups of the store, and the check of the snapshot and policy records in one.

use std::io::Write;
use std::sync::TryLockError;
use std::time::Instant;

use data_encoding::HEXLOWER;

use super::{Engine, EngineError};
use crate::config::LabelSettings;
use crate::screening::policy::Policy;
use crate::screening::snapshot::{LabelBasis, SnapshotRecord};
use crate::store::{OpaqueRecord, StoreError};

impl Engine {
    /// Writes a backup of all acknowledged data to `out`. `out` may be slow: writers go on, and only the
    /// removal of superseded data waits. Fails if another backup is being made. Blocks.
    pub fn backup(&self, out: impl Write) -> Result<(), EngineError> {
        let _only = match self.backup.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(EngineError::BackupUnderWay),
            // A backup that panicked leaves no state that the next one uses.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(only) => only,
        };
        // In the upload directory: leftovers of a killed backup are removed at the next start.
        let (spool, _named) = match self.upload_file("backup") {
            Ok(named) => (named.reopen()?, Some(named)),
            // A read-only store can still be backed up.
            Err(EngineError::Store(StoreError::ReadOnly { .. })) => (tempfile::tempfile()?, None),
            Err(error) => return Err(error),
        };
        let begun = Instant::now();
        let backup = self.publisher.store().begin_backup(spool, self.now())?;
        tracing::info!(writers_waited = ?begun.elapsed(), "backup started");
        let begun = Instant::now();
        let size = backup.write_to(out)?;
        let (bytes, sha256) = (size.bytes, size.sha256);
        tracing::info!(bytes, %sha256, took = ?begun.elapsed(), "backup finished");
        Ok(())
    }
}

/// Checks a stored record: it must decode, and the digest in its name must match. An old policy must be
/// text, and need not be valid today.
pub fn check_named_record(named: OpaqueRecord<'_>) -> Result<(), String> {
    match named {
        OpaqueRecord::Snapshot(name, stored) => {
            SnapshotRecord::decode(stored).map_err(|error| error.to_string())?;
            if SnapshotRecord::is_named(name, stored) {
                Ok(())
            } else {
                Err("its content does not match its name".to_owned())
            }
        }
        OpaqueRecord::Policy(version, stored) => {
            let text = std::str::from_utf8(stored).map_err(|error| error.to_string())?;
            let digest = Policy::digest_of(text);
            let short = HEXLOWER.encode(&digest[..8]);
            match version.rsplit_once('@') {
                Some((_, told)) if told == short => Ok(()),
                _ => Err("its content does not match its version".to_owned()),
            }
        }
        OpaqueRecord::Settings(digest, stored) => {
            let settings = LabelSettings::decode(stored).map_err(|error| error.to_string())?;
            if HEXLOWER.encode(&settings.digest()) == digest {
                Ok(())
            } else {
                Err("its content does not match its digest".to_owned())
            }
        }
        OpaqueRecord::LabelBasis(name, stored) => LabelBasis::decode(name, stored).map(drop),
    }
}
