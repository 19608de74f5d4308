//! Snapshots that were once in force, put together again: exactly as their ids say, or not at all.
//!
//! The record under an id names list versions, terms and the policy, and the number in the id the looks
//! at the lists' sources. Rows come from the store, which keeps what each version superseded. Exposure
//! is of now: it is taken where lists and transfers are the same as then, and else is said to be
//! missing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::{DEFAULT_MAX_AGE, Engine, EngineError, internal};
use crate::domain::list::{ListCheck, ListState, begin};
use crate::domain::publication::listed_digest;
use crate::screening::coverage::{ExposureState, NotKept};
use crate::screening::snapshot::{
    ENGINE_VERSION, ListTerms, Snapshot, SnapshotListRecord, SnapshotName, SnapshotRecord, parse_id,
};
use crate::store::PastState;

/// How many are kept in memory for the next question, the last ones asked for: each may hold a copy of
/// every list.
const KEPT: usize = 2;

/// A snapshot that was once in force.
#[derive(Clone, Debug)]
pub struct PastSnapshot {
    /// As it was, under its id.
    pub snapshot: Arc<Snapshot>,
    /// What its id stands for.
    pub record: Arc<SnapshotRecord>,
    /// The moment of the last thing that it knows: a version that was loaded, or a look at a source.
    pub since: Timestamp,
}

/// Those put together last, the newest at the end, without exposure.
#[derive(Debug, Default)]
pub(super) struct Rebuilt(Mutex<Vec<PastSnapshot>>);

impl Rebuilt {
    /// Held while one is put together: one at a time.
    fn lock(&self) -> MutexGuard<'_, Vec<PastSnapshot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// The snapshot that `id` stands for. Blocks: rows are read, and understood anew.
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
            if kept.len() > KEPT {
                kept.remove(0);
            }
            past
        };
        let exposure = self.exposure_then(&name, &past)?;
        let snapshot = Arc::new(past.snapshot.with_exposure(exposure).named(id));
        Ok(PastSnapshot { snapshot, ..past })
    }

    /// The same without exposure; `None` where nothing is kept under the id.
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
                 understand addresses otherwise",
                record.engine_version
            )));
        }
        // Ids of this version tell the looks at lists.
        if name.looks.is_none() && !record.lists.is_empty() {
            return Ok(None);
        }
        if name.has_not_stored {
            return Err(not_kept(
                "publications of required lists could not be stored then, and which is not kept"
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
        let mut terms: Vec<_> = record.lists.iter().map(|list| self.terms_then(list)).collect();
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
            (self.live.categories.clone(), exposure),
            Some(&current),
        );
        let snapshot = snapshot.with_policies(policy, None).named(id);
        if !snapshot.record().has_same_lists(&record) {
            return Err(not_kept(
                "what is kept does not come to what the id stands for".to_owned(),
            ));
        }
        let since = last_known(&record, &states, self.now());
        let (snapshot, record) = (Arc::new(snapshot), Arc::new(record));
        Ok(Some(PastSnapshot { snapshot, record, since }))
    }

    /// A list at the version, and with the last look at its source, that a record names; else why not.
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
        // The rows themselves: their header names the same digest as the record in any case.
        if listed_digest(&state) != record.digest {
            return Err(format!("version {version} of {id} has another digest"));
        }
        let check = check_then(record);
        Ok(Arc::new(ListState { check, ..state }))
    }

    fn terms_then(&self, record: &SnapshotListRecord) -> ListTerms {
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

    /// Exposure of now where that is what it was, or that it is not kept.
    fn exposure_then(
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

/// What was known of the age of a list, in the form of a look at its source.
fn check_then(record: &SnapshotListRecord) -> ListCheck {
    let by_day = record.published.and_then(begin);
    let succeeded_at = match &record.declared {
        // The source had said the same before, at a moment that is not kept.
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

/// The moment of the last thing that the snapshot knows; now where that is later, as a publication of
/// tomorrow is.
fn last_known(record: &SnapshotRecord, states: &[Arc<ListState>], now: Timestamp) -> Timestamp {
    let loaded = states.iter().map(|state| state.version.loaded_at);
    // The day of publication, which may be tomorrow's, was known when the version was loaded.
    let is_look = |list: &&SnapshotListRecord| list.current_at != list.published.and_then(begin);
    let looks = record.lists.iter().filter(is_look).filter_map(|list| list.current_at);
    let declared = record.lists.iter().filter_map(|list| list.declared.as_ref());
    let declared = declared.map(|look| look.declared_at);
    loaded.chain(looks).chain(declared).max().map_or(now, |last| last.min(now))
}
