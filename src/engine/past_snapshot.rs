//! Rebuilds past snapshots, exactly as their ids say or not at all.
//!
//! The record under an id names list versions, terms and the policy. A number in the id names the last
//! checks of the lists' sources. Rows come from the store, which keeps superseded ones. Exposure is the
//! current one: it is used if lists and transfers have not changed, and is reported as missing otherwise.

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::{SignedDuration, Timestamp};

use super::{DEFAULT_MAX_AGE, Engine, EngineError, internal};
use crate::domain::list::{ListCheck, ListState, begin};
use crate::domain::lock::Recover;
use crate::domain::publication::listed_digest;
use crate::screening::NotKept;
use crate::screening::coverage::ExposureState;
use crate::screening::snapshot::{
    ENGINE_VERSION, ListTerms, Snapshot, SnapshotListRecord, SnapshotName, SnapshotRecord, parse_id,
};
use crate::store::PastState;

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
                None => self.rebuild(id, &name)?.ok_or_else(unknown)?,
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
    ) -> Result<Option<PastSnapshot>, EngineError> {
        let not_kept = |why: String| EngineError::SnapshotNotKept { id: id.to_owned(), why };
        let Some(record) = self.stored_snapshot(id)? else { return Ok(None) };
        let current = self.snapshot().ok_or(EngineError::NothingLoaded)?;
        if record.engine_version != ENGINE_VERSION {
            return Err(not_kept(format!(
                "it was made by version {} of the program, and this is {ENGINE_VERSION}, which may \
                 read addresses differently",
                record.engine_version
            )));
        }
        // Ids of this version always name the checks of the sources.
        if name.looks.is_none() && !record.lists.is_empty() {
            return Ok(None);
        }
        if name.has_not_stored {
            return Err(not_kept(
                "publications of required lists could not be stored then, and no record says which"
                    .to_owned(),
            ));
        }
        if record.exposure_settings != current.exposure().settings_digest {
            return Err(not_kept(
                "the settings of exposure, with the categories of tags, have changed since"
                    .to_owned(),
            ));
        }
        let policy = self.policy(&record.policy_version)?;
        let policy = policy.filter(|policy| *policy.digest() == record.policy_digest);
        let policy = policy
            .ok_or_else(|| not_kept(format!("policy {} is not kept", record.policy_version)))?;
        let states = record.lists.iter().map(|list| self.list_at(list).map_err(&not_kept));
        let states = states.collect::<Result<Vec<_>, _>>()?;
        let mut terms: Vec<_> = record.lists.iter().map(|list| self.terms_as_of(list)).collect();
        terms.extend(record.missing.iter().map(|id| ListTerms {
            id: id.clone(),
            name: None,
            kind: None,
            required: true,
            max_age: None,
        }));
        let exposure = ExposureState {
            max_hops: record.max_hops,
            settings_digest: record.exposure_settings,
            ..ExposureState::default()
        };
        let snapshot = Snapshot::build(
            &states,
            &terms,
            DEFAULT_MAX_AGE,
            record.stale_allowed,
            (self.current.categories.clone(), exposure),
            Some(&current),
        );
        let snapshot = snapshot.with_policies(policy, None).named(id);
        if !snapshot.record().has_same_lists(&record) {
            return Err(not_kept("the stored data do not give the snapshot of this id".to_owned()));
        }
        let since = last_known(&record, &states, self.now());
        let (snapshot, record) = (Arc::new(snapshot), Arc::new(record));
        Ok(Some(PastSnapshot { snapshot, record, since }))
    }

    /// Loads a list at the version of a record, with the last check of its source; the error says why it
    /// cannot.
    fn list_at(&self, record: &SnapshotListRecord) -> Result<Arc<ListState>, String> {
        let SnapshotListRecord { id, version, .. } = record;
        let current = self.publisher.list(id).filter(|state| state.version.version == *version);
        let state = match current {
            Some(state) => ListState::clone(&state),
            None => match self.publisher.store().state_at(id, *version) {
                Ok(PastState::Found(state)) => *state,
                Ok(PastState::NoSuchVersion) => {
                    return Err(format!("version {version} of {id} is not in this store"));
                }
                Ok(PastState::NotRecordedBy(later)) => {
                    return Err(format!(
                        "version {version} of {id} was superseded by {later}, which was loaded by a \
                         version of the program that did not keep what it superseded"
                    ));
                }
                Err(error) => return Err(error.to_string()),
            },
        };
        // Over the rows themselves: the header has the digest of the record in any case.
        if listed_digest(&state) != record.digest {
            return Err(format!("version {version} of {id} has another digest"));
        }
        let check = check_as_of(record);
        Ok(Arc::new(ListState { check, ..state }))
    }

    fn terms_as_of(&self, record: &SnapshotListRecord) -> ListTerms {
        let age =
            |seconds: u64| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        ListTerms {
            id: record.id.clone(),
            name: self.settings(&record.id).map(|settings| settings.name.clone()),
            kind: Some(record.kind),
            required: record.required,
            max_age: record.max_age_seconds.map(age),
        }
    }

    /// Returns the current exposure if it equals the past one; otherwise an exposure marked as not kept.
    fn exposure_as_of(
        &self,
        name: &SnapshotName<'_>,
        past: &PastSnapshot,
    ) -> Result<ExposureState, EngineError> {
        let record = &past.record;
        let of_then = ExposureState {
            max_hops: record.max_hops,
            settings_digest: record.exposure_settings,
            ..ExposureState::default()
        };
        if name.rows == 0 && name.coverage_revision == 0 && !name.is_behind {
            let unloaded = ExposureState::without_transfers(record.required_transfers());
            let chains = unloaded.map_err(internal)?.chains;
            return Ok(ExposureState { chains, ..of_then });
        }
        let current = self.snapshot().ok_or(EngineError::NothingLoaded)?;
        let exposure = current.exposure();
        let now = current.record();
        let transfers_now = (exposure.labelled_rows(), exposure.retractions, exposure.replacements);
        let is_same = transfers_now == (name.rows, name.retractions, name.replacements)
            && exposure.coverage_revision == name.coverage_revision
            && now.required_chains == record.required_chains
            && now.required_kinds == record.required_kinds
            && exposure.max_hops == record.max_hops;
        let why = if !is_same {
            NotKept::Transfers
        } else if name.is_behind || exposure.behind {
            NotKept::Behind
        } else if past.snapshot.basis() != current.basis() {
            NotKept::Lists
        } else {
            return Ok(exposure.clone());
        };
        Ok(ExposureState { not_kept: Some(why), ..of_then })
    }
}

/// Rebuilds the last check of a list's source, from which its age follows.
fn check_as_of(record: &SnapshotListRecord) -> ListCheck {
    let by_day = record.published.and_then(begin);
    let succeeded_at = match &record.declared {
        // The source was checked before with the same result, at a time that is not kept.
        Some(look) if !record.by_hand => look.at.checked_sub(SignedDuration::from_nanos(1)).ok(),
        Some(_) => None,
        None => record.current_at.filter(|at| Some(*at) != by_day),
    };
    ListCheck {
        succeeded_at,
        published: record.published,
        declared: record.declared.clone(),
        ..ListCheck::default()
    }
}

/// Returns the time of the last event that the snapshot reflects, and at most `now`.
fn last_known(record: &SnapshotRecord, states: &[Arc<ListState>], now: Timestamp) -> Timestamp {
    let loaded = states.iter().map(|state| state.version.loaded_at);
    // The day of publication may be tomorrow; it was known when the version was loaded.
    let is_look = |list: &&SnapshotListRecord| list.current_at != list.published.and_then(begin);
    let looks = record.lists.iter().filter(is_look).filter_map(|list| list.current_at);
    let declared = record.lists.iter().filter_map(|list| list.declared.as_ref());
    let declared = declared.map(|look| look.declared_at);
    loaded.chain(looks).chain(declared).max().map_or(now, |last| last.min(now))
}
