//! Rebuilds the lists, terms, policy and settings of a past snapshot, exactly as its record says.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};

use super::{DEFAULT_MAX_AGE, Engine, EngineError, NotRebuilt, internal};
use crate::config::LabelSettings;
use crate::domain::list::{ListCheck, ListId, ListState, begin};
use crate::domain::publication::listed_digest;
use crate::screening::categories::Categories;
use crate::screening::coverage::ExposureState;
use crate::screening::policy::Policy;
use crate::screening::snapshot::{
    ENGINE_VERSION, ListTerms, Looks, Snapshot, SnapshotListRecord, SnapshotName, SnapshotRecord,
};
use crate::store::PastState;

/// Everything of a past snapshot but its exposure.
#[derive(Debug)]
pub(super) struct PastLists {
    pub record: SnapshotRecord,
    pub settings: LabelSettings,
    states: Vec<Arc<ListState>>,
    terms: Vec<ListTerms>,
    policy: Arc<Policy>,
    looks: Looks,
}

/// Why something of the past cannot be read.
#[derive(Debug)]
pub(super) enum PastError {
    NotRebuilt(NotRebuilt),
    Engine(EngineError),
}

impl PastError {
    /// Adds the id of the snapshot that was asked for.
    pub fn of(self, id: &str) -> EngineError {
        match self {
            Self::NotRebuilt(why) => EngineError::SnapshotNotKept { id: id.to_owned(), why },
            Self::Engine(error) => error,
        }
    }
}

impl From<NotRebuilt> for PastError {
    fn from(why: NotRebuilt) -> Self {
        Self::NotRebuilt(why)
    }
}

impl<E: Into<EngineError>> From<E> for PastError {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

impl PastLists {
    /// Builds the snapshot with this exposure. Tables of list versions that `previous` has are shared.
    pub fn build(&self, exposure: ExposureState, previous: Option<&Snapshot>) -> Snapshot {
        let snapshot = Snapshot::build(
            &self.states,
            &self.terms,
            DEFAULT_MAX_AGE,
            self.record.stale_allowed,
            (Arc::new(categories(&self.settings)), exposure),
            previous,
        );
        snapshot.resting_on(self.looks.clone()).with_policies(self.policy.clone(), None)
    }

    /// Exposure of which nothing is known but its settings.
    pub fn no_exposure(&self) -> ExposureState {
        ExposureState {
            max_hops: self.record.max_hops,
            settings_digest: self.record.exposure_settings,
            aged_chains: self.record.aged_chains.clone().unwrap_or_default().into(),
            ..ExposureState::default()
        }
    }

    /// Returns the time of the last event that the snapshot reflects, and at most `now`.
    pub fn last_known(&self, now: Timestamp) -> Timestamp {
        let loaded = self.states.iter().map(|state| state.version.loaded_at);
        // The day of publication may be tomorrow; it was known when the version was loaded.
        let is_look =
            |list: &&SnapshotListRecord| list.current_at != list.published.and_then(begin);
        let looks = self.record.lists.iter().filter(is_look).filter_map(|list| list.current_at);
        let declared = self.record.lists.iter().filter_map(|list| list.declared.as_ref());
        let declared = declared.map(|look| look.declared_at);
        loaded.chain(looks).chain(declared).max().map_or(now, |last| last.min(now))
    }
}

impl Engine {
    /// Reads what the record of an id names; `None` if there is no such record. Lists of versions that
    /// `known` has are taken from there. Blocks: rows are read and parsed again.
    pub(super) fn past_lists(
        &self,
        id: &str,
        name: &SnapshotName<'_>,
        known: Option<&Snapshot>,
    ) -> Result<Option<PastLists>, PastError> {
        let Some(record) = self.stored_snapshot(id)? else { return Ok(None) };
        if record.engine_version != ENGINE_VERSION {
            return Err(NotRebuilt::OtherProgram(record.engine_version).into());
        }
        // Ids of this version always name the checks of the sources.
        if name.looks.is_none() && !record.lists.is_empty() {
            return Ok(None);
        }
        let required = record.lists.iter().filter(|list| list.required).map(|list| &list.id);
        let required: Vec<ListId> = required.chain(&record.missing).cloned().collect();
        let not_stored = name.find_not_stored(&required).ok_or(NotRebuilt::ListsNotStored)?;
        let looks = Looks { count: name.looks.unwrap_or(0), not_stored: not_stored.into() };
        let settings = self.settings_of(&record.exposure_settings)?;
        let policy = self.policy(&record.policy_version)?;
        let policy = policy.filter(|policy| *policy.digest() == record.policy_digest);
        let policy = policy.ok_or_else(|| NotRebuilt::Policy(record.policy_version.clone()))?;
        let states = record.lists.iter().map(|list| self.list_of_record(list, known));
        let states = states.collect::<Result<Vec<_>, _>>()?;
        let mut terms: Vec<_> = record.lists.iter().map(|list| self.terms_as_of(list)).collect();
        terms.extend(record.missing.iter().map(|id| ListTerms {
            id: id.clone(),
            name: None,
            kind: None,
            required: true,
            max_age: None,
        }));
        Ok(Some(PastLists { record, settings, states, terms, policy, looks }))
    }

    /// Returns the settings of exposure with this digest.
    pub(super) fn settings_of(&self, digest: &[u8; 32]) -> Result<LabelSettings, PastError> {
        let (current, current_digest) = self.tracker.label_settings();
        if digest == current_digest {
            return Ok(current.clone());
        }
        let stored = self.publisher.store().settings(&HEXLOWER.encode(digest))?;
        let settings = LabelSettings::decode(&stored.ok_or(NotRebuilt::Settings)?);
        let settings = settings.map_err(internal)?;
        if settings.digest() == *digest { Ok(settings) } else { Err(NotRebuilt::Settings.into()) }
    }

    /// Loads a list at the version of a record, with the last check of its source.
    fn list_of_record(
        &self,
        record: &SnapshotListRecord,
        known: Option<&Snapshot>,
    ) -> Result<Arc<ListState>, PastError> {
        let SnapshotListRecord { id, version, .. } = record;
        let state = self.list_at(id, *version, known)?;
        // Over the rows themselves: the header has the digest of the record in any case.
        if listed_digest(&state) != record.digest {
            return Err(NotRebuilt::OtherDigest { list: id.clone(), version: *version }.into());
        }
        let check = check_as_of(record);
        Ok(Arc::new(ListState { check, ..ListState::clone(&state) }))
    }

    /// Loads a list at a version. What it says of the last check of its source is not of then.
    pub(super) fn list_at(
        &self,
        id: &ListId,
        version: u64,
        known: Option<&Snapshot>,
    ) -> Result<Arc<ListState>, PastError> {
        let is_it = |state: &ListState| state.version.version == version;
        if let Some(state) = self.publisher.list(id).filter(|state| is_it(state)) {
            return Ok(state);
        }
        if let Some(list) = known.and_then(|known| known.list(id)).filter(|it| is_it(it.state())) {
            return Ok(Arc::new(list.state().clone()));
        }
        let list = id.clone();
        match self.publisher.store().state_at(id, version)? {
            PastState::Found(state) => Ok(Arc::new(*state)),
            PastState::NoSuchVersion => Err(NotRebuilt::NoSuchVersion { list, version }.into()),
            PastState::NotRecordedBy(later) => {
                Err(NotRebuilt::NotRecordedBy { list, version, later }.into())
            }
        }
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
}

/// Returns what the categories of ATTRIBUTION lists mean by these settings.
pub(super) fn categories(settings: &LabelSettings) -> Categories {
    Categories {
        service: settings.service_categories.clone(),
        risk: settings.risk_categories.clone(),
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
