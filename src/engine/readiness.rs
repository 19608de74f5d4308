//! What keeps the program from answering, and what the store weighs: for health and metrics.
//! Decides nothing: who asks says what follows.

use tokio::sync::watch;

use super::{Engine, EngineError};
use crate::domain::list::ListId;
use crate::screening::snapshot::SnapshotList;

/// What there is and what is missing, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Whether a snapshot is in force: any list is loaded.
    pub is_loaded: bool,
    /// Lists that the configuration or the policy requires and that are not loaded.
    pub missing: Vec<ListId>,
    /// Required lists that are older than their limit, unless stale lists are let pass.
    pub stale: Vec<ListId>,
    /// Required lists of which a publication was read and could not be stored.
    pub not_stored: Vec<ListId>,
    /// Why the store's files cannot be used any more; `None` where they can.
    pub misplaced: Option<String>,
    /// Whether the labels of exposure do not know yet what is loaded.
    pub is_behind: bool,
}

impl Engine {
    /// What there is and what is missing, now.
    pub fn readiness(&self) -> Readiness {
        let Some(snapshot) = self.snapshot() else {
            let required = self.settings.iter().filter(|settings| settings.required);
            let mut missing: Vec<_> = required.map(|settings| settings.id.clone()).collect();
            missing.sort();
            let not_stored = self.live.not_stored.lists().to_vec();
            let not_stored = not_stored.into_iter().filter(|list| missing.contains(list)).collect();
            let misplaced = self.misplaced();
            return Readiness { missing, not_stored, misplaced, ..Readiness::default() };
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
        }
    }

    /// Tells whenever another snapshot is in force: other lists, labels or policies.
    pub fn watch_changes(&self) -> watch::Receiver<()> {
        self.live.changed.subscribe()
    }

    /// The bytes of the store's files. Blocks: it looks at each of them.
    pub fn store_size(&self) -> Result<u64, EngineError> {
        Ok(self.publisher.store().size()?)
    }

    /// Whether the store takes changes: not after a write that failed half way until it was opened
    /// anew, on a disk that is full or read-only, or where its files were removed. Blocks.
    pub fn store_writable(&self) -> bool {
        self.publisher.store().refusal().is_none()
    }
}
