//! The snapshot in force and how the next one takes its place.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::domain::list::ListState;
use crate::screening::coverage::ExposureState;
use crate::screening::parties::Categories;
use crate::screening::snapshot::{ListTerms, Snapshot};
use crate::store::Store;

/// A list without a configured limit of its own is stale after this long, if its kind ages.
pub(super) const DEFAULT_MAX_AGE: SignedDuration = SignedDuration::from_hours(48);

/// What labels were built on beside transfers: a digest over list versions and settings.
pub(super) type Basis = [u8; 32];

/// The snapshot in force, and what it takes to make the next one.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    pub(super) loaded: watch::Sender<bool>,
    pub(super) terms: Vec<ListTerms>,
    pub(super) stale_allowed: bool,
    pub(super) categories: Arc<Categories>,
    pub(super) store: Arc<Store>,
    /// Exposure as last published, and what its labels were built on. Held while a snapshot is
    /// made, so that lists and labels do not overtake each other.
    pub(super) exposure: Mutex<(ExposureState, Basis)>,
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
        let published = self.exposure.lock().unwrap_or_else(PoisonError::into_inner);
        let (exposure, basis) = &*published;
        let previous = self.snapshot.load_full();
        let mut snapshot = Snapshot::build(
            states,
            &self.terms,
            DEFAULT_MAX_AGE,
            self.stale_allowed,
            (self.categories.clone(), exposure.clone()),
            previous.as_deref(),
        );
        if exposure.labels.is_some() && *basis != snapshot.basis() {
            snapshot = snapshot.with_exposure(ExposureState { behind: true, ..exposure.clone() });
        }
        let record = snapshot.encoded_record();
        if let Err(error) = self.store.save_snapshot(snapshot.record_name(), record) {
            tracing::error!(snapshot = snapshot.id(), %error, "its record could not be stored");
        }
        self.snapshot.store(Some(Arc::new(snapshot)));
        self.loaded.send_replace(true);
    }

    /// Puts exposure into force, built on the lists that `basis` stands for.
    pub(super) fn expose(&self, exposure: ExposureState, basis: Basis) {
        let mut published = self.exposure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = self.snapshot.load_full() {
            let behind = exposure.behind || exposure.labels.is_some() && basis != snapshot.basis();
            let shown = ExposureState { behind, ..exposure.clone() };
            self.snapshot.store(Some(Arc::new(snapshot.with_exposure(shown))));
        }
        *published = (exposure, basis);
    }

    /// Says from now on that exposure is behind and stays so, and why.
    pub(super) fn fail(&self, why: Arc<str>) {
        let (exposure, basis) =
            self.exposure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.expose(ExposureState { behind: true, failed: Some(why), ..exposure }, basis);
    }

    /// Exposure as last published.
    pub(super) fn exposure(&self) -> ExposureState {
        self.exposure.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Whether the snapshot in force says that exposure is behind.
    pub(super) fn is_behind(&self) -> bool {
        self.snapshot.load().as_ref().is_some_and(|snapshot| snapshot.exposure().behind)
    }
}
