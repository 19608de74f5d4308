//! The snapshot in force and how the next one takes its place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::domain::list::ListState;
use crate::screening::coverage::ExposureState;
use crate::screening::parties::Categories;
use crate::screening::policy::Policy;
use crate::screening::snapshot::{ListTerms, Snapshot};
use crate::store::{Store, StoreError};

/// A list without a configured limit of its own is stale after this long, if its kind ages.
pub(super) const DEFAULT_MAX_AGE: SignedDuration = SignedDuration::from_hours(48);

/// What labels were built on beside transfers: a digest over list versions and settings.
pub(super) type Basis = [u8; 32];

/// The snapshot in force, and what it takes to make the next one.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    /// Told whenever another snapshot is in force.
    pub(super) changed: watch::Sender<()>,
    pub(super) terms: Vec<ListTerms>,
    pub(super) stale_allowed: bool,
    pub(super) categories: Arc<Categories>,
    pub(super) store: Arc<Store>,
    /// Held while a snapshot is made, so that lists, labels and policies do not overtake each
    /// other.
    pub(super) published: Mutex<Published>,
}

/// What the next snapshot is made of, beside lists.
#[derive(Clone, Debug)]
pub(super) struct Published {
    /// Exposure as last published.
    exposure: ExposureState,
    /// What its labels were built on.
    basis: Basis,
    policy: Arc<Policy>,
    shadow: Option<Arc<Policy>>,
}

impl Published {
    /// No exposure yet, and these policies.
    pub(super) fn by((policy, shadow): (Arc<Policy>, Option<Arc<Policy>>)) -> Self {
        Self { exposure: ExposureState::default(), basis: Basis::default(), policy, shadow }
    }
}

impl Live {
    /// Puts the lists as they stand into force. The record of what the snapshot stands for is
    /// durable before an answer names it; where that fails the snapshot counts all the same, since
    /// to go on without a new listing would be worse than an id that cannot be looked up. Labels
    /// that were built on other lists stay in force, and are said to be behind.
    pub(super) fn put_in_force(&self, states: &[Arc<ListState>]) {
        if states.is_empty() {
            return;
        }
        let published = self.published();
        let Published { exposure, basis, policy, shadow } = &*published;
        let previous = self.snapshot.load_full();
        let mut snapshot = Snapshot::build(
            states,
            &self.terms,
            DEFAULT_MAX_AGE,
            self.stale_allowed,
            (self.categories.clone(), exposure.clone()),
            previous.as_deref(),
        );
        snapshot = snapshot.with_policies(policy.clone(), shadow.clone());
        if exposure.labels.is_some() && *basis != snapshot.basis() {
            snapshot = snapshot.with_exposure(ExposureState { behind: true, ..exposure.clone() });
        }
        self.store(snapshot);
    }

    fn store(&self, snapshot: Snapshot) {
        let record = snapshot.encoded_record();
        if let Err(error) = self.store.save_snapshot(snapshot.record_name(), record) {
            tracing::error!(snapshot = snapshot.id(), %error, "its record could not be stored");
        }
        self.put(snapshot);
    }

    fn put(&self, snapshot: Snapshot) {
        self.snapshot.store(Some(Arc::new(snapshot)));
        self.changed.send_replace(());
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the files of the policies, so that their versions can be looked up later.
    pub(super) fn keep_policies(&self) -> Result<(), StoreError> {
        let published = self.published();
        let mut policies =
            [Some(&published.policy), published.shadow.as_ref()].into_iter().flatten();
        policies.try_for_each(|policy| self.store.save_policy(policy.version(), policy.text()))
    }

    /// Puts policies into force, the second as the shadow.
    pub(super) fn judge_by(&self, (policy, shadow): (Arc<Policy>, Option<Arc<Policy>>)) {
        let mut published = self.published();
        if let Some(snapshot) = self.snapshot.load_full() {
            self.store(snapshot.with_policies(policy.clone(), shadow.clone()));
        }
        (published.policy, published.shadow) = (policy, shadow);
    }

    /// Puts exposure into force, built on the lists that `basis` stands for.
    pub(super) fn expose(&self, exposure: ExposureState, basis: Basis) {
        let mut published = self.published();
        if let Some(snapshot) = self.snapshot.load_full() {
            let behind = exposure.behind || exposure.labels.is_some() && basis != snapshot.basis();
            let shown = ExposureState { behind, ..exposure.clone() };
            self.put(snapshot.with_exposure(shown));
        }
        (published.exposure, published.basis) = (exposure, basis);
    }

    /// Says from now on that exposure is behind and stays so, and why.
    pub(super) fn fail(&self, why: Arc<str>) {
        let Published { exposure, basis, .. } = self.published().clone();
        self.expose(ExposureState { behind: true, failed: Some(why), ..exposure }, basis);
    }

    /// Exposure as last published.
    pub(super) fn exposure(&self) -> ExposureState {
        self.published().exposure.clone()
    }

    /// Whether the snapshot in force says that exposure is behind.
    pub(super) fn is_behind(&self) -> bool {
        self.snapshot.load().as_ref().is_some_and(|snapshot| snapshot.exposure().behind)
    }
}
