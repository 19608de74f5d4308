//! Readiness and store state, for health checks and metrics.

use tokio::sync::watch;

use super::decision_log::DecisionLog;
use super::{Engine, EngineError};
use crate::domain::list::ListId;
use crate::screening::snapshot::SnapshotList;

/// What is loaded, missing, stale or broken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Whether a snapshot is in force: any list is loaded.
    pub is_loaded: bool,
    /// Lists that the configuration or the policy requires and that are not loaded.
    pub missing: Vec<ListId>,
    /// Required lists that are older than their limit; empty with `allow_stale`.
    pub stale: Vec<ListId>,
    /// Required lists of which a publication was read and could not be stored.
    pub not_stored: Vec<ListId>,
    /// Why the store's files are unusable; `None` where they are usable.
    pub misplaced: Option<String>,
    /// Whether labels do not cover all loaded data yet.
    pub is_behind: bool,
    /// Whether no answer can be recorded, and answers without a record are refused.
    pub is_not_recording: bool,
}

impl Engine {
    /// Returns the current readiness.
    pub fn readiness(&self) -> Readiness {
        let Some(snapshot) = self.snapshot() else {
            let required = self.settings.iter().filter(|settings| settings.required);
            let mut missing: Vec<_> = required.map(|settings| settings.id.clone()).collect();
            missing.sort();
            let not_stored = self.current.not_stored.lists().to_vec();
            let not_stored = not_stored.into_iter().filter(|list| missing.contains(list)).collect();
            let misplaced = self.misplaced();
            let is_not_recording = self.is_not_recording();
            return Readiness {
                missing,
                not_stored,
                misplaced,
                is_not_recording,
                ..Readiness::default()
            };
        };
        let now = self.now();
        let is_stale = |list: &&SnapshotList| list.terms().required && list.counts_as_stale(now);
        let stale = if snapshot.stale_allowed() {
            Vec::new()
        } else {
            snapshot.lists().iter().filter(is_stale).map(|list| list.id().clone()).collect()
        };
        let mut missing = snapshot.record().missing.clone();
        missing.sort();
        Readiness {
            is_loaded: true,
            missing,
            stale,
            not_stored: snapshot.not_stored().to_vec(),
            misplaced: self.misplaced(),
            is_behind: snapshot.exposure().behind,
            is_not_recording: self.is_not_recording(),
        }
    }

    fn is_not_recording(&self) -> bool {
        self.decision_log().is_some_and(DecisionLog::is_refusing)
    }

    /// Returns a receiver that is notified of each new snapshot: new lists, labels or policies.
    pub fn watch_changes(&self) -> watch::Receiver<()> {
        self.current.changed.subscribe()
    }

    /// Returns the bytes of the store's files. Blocks: it reads the size of each.
    pub fn store_size(&self) -> Result<u64, EngineError> {
        Ok(self.publisher.store().size()?)
    }

    /// Returns whether the store accepts writes. It does not on a full or read-only disk, if its files
    /// were removed, or from a failed write until it is reopened. Blocks.
    pub fn store_writable(&self) -> bool {
        self.publisher.store().refusal().is_none()
    }
}
