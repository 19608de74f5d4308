//! Past snapshots for single questions: lists and policy exactly as the id says, or not at all, and the
//! exposure of now where it equals that of then.
//!
//! The record under an id names list versions, terms, settings and the policy. A number in the id names
//! the last checks of the lists' sources. Exposure is the current one: it is used if lists, settings and
//! transfers have not changed, and is reported as missing otherwise. Building the graph of then takes
//! [`super::Rebuilder`].

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;

use super::past_lists::PastError;
use super::{Engine, EngineError, NotRebuilt, internal};
use crate::domain::coverage::TransferCounts;
use crate::domain::lock::Recover;
use crate::screening::NotKept;
use crate::screening::coverage::ExposureState;
use crate::screening::snapshot::{Snapshot, SnapshotName, SnapshotRecord, parse_id};

/// How many rebuilt snapshots are cached: each may hold a copy of every list.
const CACHE_SIZE: usize = 2;

/// A snapshot that was once in force.
#[derive(Clone, Debug)]
pub struct PastSnapshot {
    pub snapshot: Arc<Snapshot>,
    pub record: Arc<SnapshotRecord>,
    /// The time of the last event that it reflects: a load of a version or a check of a source.
    pub since: Timestamp,
}

/// LRU cache of rebuilt snapshots, without exposure; the most recently used is last.
#[derive(Debug, Default)]
pub(super) struct PastSnapshotCache(Mutex<Vec<PastSnapshot>>);

impl PastSnapshotCache {
    /// Locks the cache, also while a snapshot is rebuilt: one at a time.
    fn lock(&self) -> MutexGuard<'_, Vec<PastSnapshot>> {
        self.0.lock().recover()
    }
}

impl Engine {
    /// Returns the snapshot with this id. Blocks: rows are read and parsed again.
    pub fn past_snapshot(&self, id: &str) -> Result<PastSnapshot, EngineError> {
        let unknown = || EngineError::UnknownSnapshot(id.to_owned());
        let name = parse_id(id).ok_or_else(unknown)?;
        let past = {
            let mut kept = self.past.lock();
            let past = match kept.iter().position(|past| past.snapshot.id() == id) {
                Some(place) => kept.remove(place),
                None => {
                    let rebuilt = self.rebuild(id, &name).map_err(|error| error.of(id))?;
                    rebuilt.ok_or_else(unknown)?
                }
            };
            kept.push(past.clone());
            if kept.len() > CACHE_SIZE {
                kept.remove(0);
            }
            past
        };
        let exposure = self.exposure_as_of(&name, &past)?;
        let snapshot = Arc::new(past.snapshot.with_exposure(exposure).named(id));
        Ok(PastSnapshot { snapshot, ..past })
    }

    /// Rebuilds a snapshot without exposure; `None` if no record has this id.
    fn rebuild(
        &self,
        id: &str,
        name: &SnapshotName<'_>,
    ) -> Result<Option<PastSnapshot>, PastError> {
        let current = self.snapshot().ok_or(EngineError::NothingLoaded)?;
        let Some(past) = self.past_lists(id, name, None)? else { return Ok(None) };
        let snapshot = past.build(past.no_exposure(), Some(&current)).named(id);
        if !snapshot.record().has_same_lists(&past.record) {
            return Err(NotRebuilt::Differs.into());
        }
        let since = past.last_known(self.now());
        let (snapshot, record) = (Arc::new(snapshot), Arc::new(past.record));
        Ok(Some(PastSnapshot { snapshot, record, since }))
    }

    /// Returns the current exposure if it equals the past one; otherwise an exposure marked as not kept.
    fn exposure_as_of(
        &self,
        name: &SnapshotName<'_>,
        past: &PastSnapshot,
    ) -> Result<ExposureState, EngineError> {
        let record = &past.record;
        let of_then = past.snapshot.exposure().clone();
        if name.counts.rows == 0 && name.coverage_revision == 0 && name.behind.is_none() {
            let unloaded = ExposureState::without_transfers(record.required_transfers());
            let chains = unloaded.map_err(internal)?.chains;
            return Ok(ExposureState { chains, ..of_then });
        }
        let current = self.snapshot().ok_or(EngineError::NothingLoaded)?;
        let exposure = current.exposure();
        let now = current.record();
        let counts = TransferCounts {
            rows: exposure.labelled_rows(),
            retractions: exposure.retractions,
            replacements: exposure.replacements,
        };
        let is_same = counts == name.counts
            && exposure.coverage_revision == name.coverage_revision
            && now.required_chains == record.required_chains
            && now.required_kinds == record.required_kinds
            && now.aged_chains == record.aged_chains
            && exposure.max_hops == record.max_hops;
        let why = if !is_same {
            NotKept::Transfers
        } else if exposure.settings_digest != record.exposure_settings {
            NotKept::Settings
        } else if name.behind.is_some() || exposure.behind {
            NotKept::Behind
        } else if past.snapshot.basis() != current.basis() {
            NotKept::Lists
        } else {
            return Ok(exposure.clone());
        };
        Ok(ExposureState { not_kept: Some(why), ..of_then })
    }
}
