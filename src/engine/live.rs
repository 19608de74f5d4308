//! The snapshot in force and how the next one takes its place.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::domain::list::ListState;
use crate::screening::snapshot::{ListTerms, Snapshot};
use crate::store::Store;

/// A list without a configured limit of its own is stale after this long, if its kind ages.
pub(super) const DEFAULT_MAX_AGE: SignedDuration = SignedDuration::from_hours(48);

/// The snapshot in force, and what it takes to make the next one.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    pub(super) loaded: watch::Sender<bool>,
    pub(super) terms: Vec<ListTerms>,
    pub(super) stale_allowed: bool,
    pub(super) store: Arc<Store>,
}

impl Live {
    /// Puts the lists as they stand into force. The record of what the snapshot stands for is
    /// durable before an answer names it; where that fails the snapshot counts all the same, since
    /// to go on without a new listing would be worse than an id that cannot be looked up.
    pub(super) fn put_in_force(&self, states: &[Arc<ListState>]) {
        if states.is_empty() {
            return;
        }
        let previous = self.snapshot.load_full();
        let snapshot = Snapshot::build(
            states,
            &self.terms,
            DEFAULT_MAX_AGE,
            self.stale_allowed,
            previous.as_deref(),
        );
        if let Err(error) = self.store.save_snapshot(snapshot.id(), snapshot.encoded_record()) {
            tracing::error!(snapshot = snapshot.id(), %error, "its record could not be stored");
        }
        self.snapshot.store(Some(Arc::new(snapshot)));
        self.loaded.send_replace(true);
    }
}
