//! The current snapshot, and how it is replaced.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwapOption;
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::domain::list::ListState;
use crate::domain::lock::Recover;
use crate::refresh::NotStored;
use crate::screening::categories::Categories;
use crate::screening::coverage::ExposureState;
use crate::screening::policy::Policy;
use crate::screening::snapshot::{ListTerms, Looks, Snapshot};
use crate::store::{Store, StoreError};

/// Default age limit of lists whose kind can become stale.
pub(super) const DEFAULT_MAX_AGE: SignedDuration = SignedDuration::from_hours(48);

/// Digest over the list versions and settings that labels were built on.
pub(super) type Basis = [u8; 32];

/// The current snapshot, and what the next one is built from.
#[derive(Debug)]
pub(super) struct CurrentSnapshot {
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    /// Signals each replacement of the snapshot.
    pub(super) changed: watch::Sender<()>,
    pub(super) terms: Vec<ListTerms>,
    pub(super) stale_allowed: bool,
    pub(super) categories: Arc<Categories>,
    pub(super) store: Arc<Store>,
    /// Lists with a publication that was read and could not be stored.
    pub(super) not_stored: NotStored,
    /// Whether the record of the last snapshot could not be stored; each change of it is logged once.
    pub(super) is_record_lost: AtomicBool,
    /// Held while a snapshot is built, so that updates of lists, labels and policies are serialized.
    pub(super) inputs: Mutex<SnapshotInputs>,
}

/// Inputs of the next snapshot, besides the lists.
#[derive(Clone, Debug)]
pub(super) struct SnapshotInputs {
    exposure: ExposureState,
    basis: Basis,
    policy: Arc<Policy>,
    shadow: Option<Arc<Policy>>,
    /// The last change of transfers that was acknowledged before it was labelled. Until labels cover it,
    /// exposure is behind.
    acknowledged: u64,
}

impl SnapshotInputs {
    pub(super) fn with_policies((policy, shadow): (Arc<Policy>, Option<Arc<Policy>>)) -> Self {
        let (exposure, basis, acknowledged) = (ExposureState::default(), Basis::default(), 0);
        Self { exposure, basis, policy, shadow, acknowledged }
    }
}

impl CurrentSnapshot {
    /// Builds and publishes a snapshot of these lists. Its record is durable before an answer names its
    /// id. If the record cannot be stored the snapshot is published all the same: missing a new listing
    /// is worse than an id that cannot be looked up. Labels that were built on other lists stay in use
    /// and are marked as behind.
    pub(super) fn publish_lists(&self, states: &[Arc<ListState>]) {
        if states.is_empty() {
            return;
        }
        let inputs = self.inputs();
        let SnapshotInputs { exposure, basis, policy, shadow, .. } = &*inputs;
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
        self.record_and_swap(snapshot);
    }

    fn record_and_swap(&self, snapshot: Snapshot) {
        self.save_record_of(&snapshot);
        self.swap(snapshot);
    }

    /// Stores the record of a snapshot. Logs when this begins to fail and when it works again.
    fn save_record_of(&self, snapshot: &Snapshot) {
        let kept = self.store.save_snapshot(snapshot.record_name(), snapshot.encoded_record());
        let was_lost = self.is_record_lost.swap(kept.is_err(), Ordering::AcqRel);
        match kept {
            Err(error) if !was_lost => tracing::error!(
                snapshot = snapshot.id(), %error,
                "snapshot record not stored, its id cannot be looked up later"
            ),
            Ok(()) if was_lost => {
                tracing::info!(snapshot = snapshot.id(), "snapshot records stored again");
            }
            _ => {}
        }
    }

    /// Stores the record of the current snapshot, after an earlier attempt failed.
    pub(super) fn save_current_record(&self) {
        if let Some(snapshot) = self.snapshot.load_full() {
            self.save_record_of(&snapshot);
        }
    }

    fn swap(&self, snapshot: Snapshot) {
        self.snapshot.store(Some(Arc::new(snapshot)));
        self.changed.send_replace(());
    }

    fn inputs(&self) -> MutexGuard<'_, SnapshotInputs> {
        self.inputs.lock().recover()
    }

    /// Stores the policy files, so that their versions can be looked up later.
    pub(super) fn save_policies(&self) -> Result<(), StoreError> {
        let inputs = self.inputs();
        let mut policies = [Some(&inputs.policy), inputs.shadow.as_ref()].into_iter().flatten();
        policies.try_for_each(|policy| self.store.save_policy(policy.version(), policy.text()))
    }

    /// Publishes a snapshot with these policies, the second as the shadow.
    pub(super) fn set_policies(&self, (policy, shadow): (Arc<Policy>, Option<Arc<Policy>>)) {
        let mut inputs = self.inputs();
        if let Some(snapshot) = self.snapshot.load_full() {
            self.record_and_swap(snapshot.with_policies(policy.clone(), shadow.clone()));
        }
        (inputs.policy, inputs.shadow) = (policy, shadow);
    }

    /// Publishes exposure that was built on the lists of `basis`.
    pub(super) fn set_exposure(&self, exposure: ExposureState, basis: Basis) {
        self.publish_exposure(&mut self.inputs(), exposure, basis);
    }

    /// Marks exposure as behind if it does not cover an acknowledged change yet.
    pub(super) fn acknowledge(&self, change: u64) {
        let mut inputs = self.inputs();
        inputs.acknowledged = inputs.acknowledged.max(change);
        let SnapshotInputs { exposure, basis, .. } = inputs.clone();
        if exposure.change < change && !exposure.behind {
            self.publish_exposure(&mut inputs, exposure, basis);
        }
    }

    /// Returns whether exposure covers a change, or has failed for good.
    pub(super) fn knows(&self, change: u64) -> bool {
        let inputs = self.inputs();
        inputs.exposure.change >= change || inputs.exposure.failed.is_some()
    }

    fn publish_exposure(
        &self,
        inputs: &mut SnapshotInputs,
        mut exposure: ExposureState,
        basis: Basis,
    ) {
        exposure.behind |= exposure.change < inputs.acknowledged;
        if let Some(snapshot) = self.snapshot.load_full() {
            let behind = exposure.behind || exposure.labels.is_some() && basis != snapshot.basis();
            let shown = ExposureState { behind, ..exposure.clone() };
            self.snapshot.store(Some(Arc::new(snapshot.with_exposure(shown))));
        }
        (inputs.exposure, inputs.basis) = (exposure, basis);
        // Also without a snapshot: callers that wait for a change check again.
        self.changed.send_replace(());
    }

    /// Marks exposure as failed and behind for good.
    pub(super) fn fail_exposure(&self, why: Arc<str>) {
        let SnapshotInputs { exposure, basis, .. } = self.inputs().clone();
        self.set_exposure(ExposureState { behind: true, failed: Some(why), ..exposure }, basis);
    }

    pub(super) fn exposure(&self) -> ExposureState {
        self.inputs().exposure.clone()
    }

    /// Returns whether the current snapshot marks exposure as behind.
    pub(super) fn is_behind(&self) -> bool {
        self.snapshot.load().as_ref().is_some_and(|snapshot| snapshot.exposure().behind)
    }
}
