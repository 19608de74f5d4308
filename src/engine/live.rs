//! The snapshot in force and how the next one takes its place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::domain::list::ListState;
use crate::refresh::NotStored;
use crate::screening::coverage::ExposureState;
use crate::screening::path_ends::Categories;
use crate::screening::policy::Policy;
use crate::screening::snapshot::{ListTerms, Looks, Snapshot};
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
    /// Lists of which a publication was read and could not be stored.
    pub(super) not_stored: NotStored,
    /// Whether the record of the last snapshot could not be stored, which was logged.
    pub(super) is_record_lost: AtomicBool,
    /// Held while a snapshot is made, so that lists, labels and policies do not overtake each
    /// other.
    pub(super) published: Mutex<Published>,
}

/// What the next snapshot is made of, beside lists.
#[derive(Clone, Debug)]
pub(super) struct Published {
    exposure: ExposureState,
    /// What its labels were built on.
    basis: Basis,
    policy: Arc<Policy>,
    shadow: Option<Arc<Policy>>,
    /// The last change of transfers that was acknowledged before it was labelled: until exposure
    /// knows it, exposure is behind.
    acknowledged: u64,
}

impl Published {
    /// No exposure yet, and these policies.
    pub(super) fn by((policy, shadow): (Arc<Policy>, Option<Arc<Policy>>)) -> Self {
        let (exposure, basis, acknowledged) = (ExposureState::default(), Basis::default(), 0);
        Self { exposure, basis, policy, shadow, acknowledged }
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
        let Published { exposure, basis, policy, shadow, .. } = &*published;
        let previous = self.snapshot.load_full();
        let mut snapshot = Snapshot::build(
            states,
            &self.terms,
            DEFAULT_MAX_AGE,
            self.stale_allowed,
            (self.categories.clone(), exposure.clone()),
            previous.as_deref(),
        );
        let not_stored = self.not_stored.lists();
        snapshot = snapshot.resting_on(Looks { count: self.store.check_count(), not_stored });
        snapshot = snapshot.with_policies(policy.clone(), shadow.clone());
        if exposure.labels.is_some() && *basis != snapshot.basis() {
            snapshot = snapshot.with_exposure(ExposureState { behind: true, ..exposure.clone() });
        }
        self.store(snapshot);
    }

    fn store(&self, snapshot: Snapshot) {
        self.keep_record_of(&snapshot);
        self.put(snapshot);
    }

    /// Keeps the record of a snapshot; that this fails is logged when it begins and when it ends.
    fn keep_record_of(&self, snapshot: &Snapshot) {
        let kept = self.store.save_snapshot(snapshot.record_name(), snapshot.encoded_record());
        let was_lost = self.is_record_lost.swap(kept.is_err(), Ordering::AcqRel);
        match kept {
            Err(error) if !was_lost => tracing::error!(
                snapshot = snapshot.id(), %error,
                "records of snapshots cannot be stored: until this ends their ids cannot be looked up later"
            ),
            Ok(()) if was_lost => {
                tracing::info!(snapshot = snapshot.id(), "records of snapshots are stored again");
            }
            _ => {}
        }
    }

    /// Keeps the record of the snapshot in force, which could not be kept before.
    pub(super) fn keep_record(&self) {
        if let Some(snapshot) = self.snapshot.load_full() {
            self.keep_record_of(&snapshot);
        }
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
        self.publish(&mut self.published(), exposure, basis);
    }

    /// Takes note of a change that is acknowledged though exposure may not know it yet.
    pub(super) fn acknowledge(&self, change: u64) {
        let mut published = self.published();
        published.acknowledged = published.acknowledged.max(change);
        let Published { exposure, basis, .. } = published.clone();
        if exposure.change < change && !exposure.behind {
            self.publish(&mut published, exposure, basis);
        }
    }

    /// Whether exposure knows a change, or says for good that it cannot.
    pub(super) fn knows(&self, change: u64) -> bool {
        let published = self.published();
        published.exposure.change >= change || published.exposure.failed.is_some()
    }

    fn publish(&self, published: &mut Published, mut exposure: ExposureState, basis: Basis) {
        exposure.behind |= exposure.change < published.acknowledged;
        if let Some(snapshot) = self.snapshot.load_full() {
            let behind = exposure.behind || exposure.labels.is_some() && basis != snapshot.basis();
            let shown = ExposureState { behind, ..exposure.clone() };
            self.snapshot.store(Some(Arc::new(snapshot.with_exposure(shown))));
        }
        (published.exposure, published.basis) = (exposure, basis);
        // Also without a snapshot: whoever waits for a change to be known looks again.
        self.changed.send_replace(());
    }

    /// Says from now on that exposure is behind and stays so, and why.
    pub(super) fn fail(&self, why: Arc<str>) {
        let Published { exposure, basis, .. } = self.published().clone();
        self.expose(ExposureState { behind: true, failed: Some(why), ..exposure }, basis);
    }

    pub(super) fn exposure(&self) -> ExposureState {
        self.published().exposure.clone()
    }

    /// Whether the snapshot in force says that exposure is behind.
    pub(super) fn is_behind(&self) -> bool {
        self.snapshot.load().as_ref().is_some_and(|snapshot| snapshot.exposure().behind)
    }
}
