//! The exposure tracker: one thread applies stored transfers and list changes to the graph, and
//! publishes new labels. Readers take labels without a lock, and the graph under a shared one.

pub(super) mod graph;
mod pending;
mod saved;
pub(super) mod terms;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, TryLockError};

use data_encoding::HEXLOWER;

use super::EngineError;
use super::current::{Basis, CurrentSnapshot};
use crate::config::{ExposureSettings, LabelSettings};
use crate::domain::coverage::TransferState;
use crate::domain::lock::Recover;
use crate::domain::transfer::Transfer;
use crate::exposure::{self, Labels, Settings, World};
use crate::screening::coverage::ExposureState;
use crate::screening::path_ends::path_ends;
use crate::screening::snapshot::{LabelBasis, Snapshot};
use crate::store::{Store, StoreError};
use graph::remove_replaced;
use pending::{PendingWork, TakenWork};
use saved::SavedLabels;

/// Back-pressure: sessions block while more transfers than this wait for the graph (about 64 MB).
const MAX_WAITING: usize = 1 << 18;

#[derive(Debug)]
pub(super) struct Tracker {
    store: Arc<Store>,
    current: Arc<CurrentSnapshot>,
    settings: ExposureSettings,
    /// The part of `settings` that labels depend on, with its digest, which each publication of labels
    /// carries.
    label_settings: LabelSettings,
    settings_digest: [u8; 32],
    /// The chains of `settings` that become stale and are not required.
    aged_chains: Arc<[(String, u64)]>,
    /// The last basis of labels that was stored.
    stored_basis: Mutex<Option<Basis>>,
    /// `None` until the stored transfers are read in.
    world: RwLock<Option<World>>,
    work: Mutex<PendingWork>,
    /// Notified at every change of `work`.
    wake: Condvar,
}

/// State of the tracker's thread.
#[derive(Debug, Default)]
struct WorkerState {
    saved: SavedLabels,
    /// Digest of the lists whose sources and stops are in the graph.
    basis: Option<Basis>,
    /// How many retractions, and how many replacements, the graph reflects.
    retractions: usize,
    replacements: usize,
    /// How many of the changes that require a reload of the graph it reflects.
    rereads: usize,
}

impl Tracker {
    /// Publishes the stored labels, if any. They are marked as behind unless they cover every stored
    /// transfer; whether they match the lists is checked when lists are published.
    pub(super) fn open(
        store: Arc<Store>,
        current: Arc<CurrentSnapshot>,
        settings: ExposureSettings,
    ) -> Result<Self, EngineError> {
        let label_settings = LabelSettings::from(&settings);
        let tracker = Self {
            store,
            current,
            settings_digest: label_settings.digest(),
            label_settings,
            aged_chains: terms::aged_chains(&settings),
            settings,
            stored_basis: Mutex::default(),
            world: RwLock::new(None),
            work: Mutex::default(),
            wake: Condvar::new(),
        };
        let state = tracker.store.transfer_state();
        if state.rows == 0 {
            *tracker.world_mut() = Some(World::new(world_settings(&tracker.label_settings)));
            tracker.work().graph_loaded();
            tracker.current.set_exposure(tracker.exposure(None, &state, false), [0; 32]);
            return Ok(tracker);
        }
        // Labels are derived data: unreadable ones are rebuilt.
        let labels = match tracker.load_labels() {
            Ok(labels) => labels,
            Err(error) => {
                tracing::warn!(%error, "stored labels unreadable, rebuilding them");
                None
            }
        };
        let knows_all = |labels: &Labels| {
            labels.rows() == state.rows
                && labels.basis().retractions == state.retractions.len() as u64
                && labels.basis().replacements == state.replacements.len() as u64
        };
        let whole = labels.as_ref().is_some_and(knows_all);
        let digest = labels.as_ref().map_or([0; 32], |labels| labels.basis().digest);
        let exposure = tracker.exposure(labels.map(Arc::new), &state, !whole);
        tracker.current.set_exposure(exposure, digest);
        if !whole {
            tracker.work().want_graph();
        }
        Ok(tracker)
    }

    fn load_labels(&self) -> Result<Option<Labels>, EngineError> {
        let Some(stored) = self.store.labels()? else { return Ok(None) };
        let chunks = stored.chunks.collect::<Result<Vec<_>, _>>()?;
        let labels = Labels::from_chunks(&stored.meta, chunks, stored.deltas);
        labels.map(Some).map_err(super::error::internal)
    }

    /// Runs the tracker's loop until [`Tracker::stop`]. Blocks.
    pub(super) fn run(&self) {
        let mut worker = WorkerState::default();
        while let Some(taken) = self.next_work(&mut worker) {
            self.wake.notify_all();
            let done = catch_unwind(AssertUnwindSafe(|| self.catch_up(taken, &mut worker)));
            let done = done.unwrap_or_else(|_| {
                // The graph may have half of a change.
                *self.world_mut() = None;
                Err(EngineError::Internal("exposure thread panicked".to_owned()))
            });
            match done {
                Ok(()) => self.work().finish(),
                Err(error) => {
                    tracing::error!(%error, "exposure tracking failed, answers are INCOMPLETE");
                    let why: Arc<str> = error.to_string().into();
                    self.current.fail_exposure(why.clone());
                    self.work().fail(why);
                }
            }
            self.wake.notify_all();
        }
    }

    /// Waits for work. Labels are saved before the thread waits or ends; `None` after a stop.
    fn next_work(&self, worker: &mut WorkerState) -> Option<TakenWork> {
        let mut work = self.work();
        if !work.has_work() {
            drop(work);
            worker.saved.flush(&self.store);
            work = self.work();
        }
        while !work.is_stopping() && !work.has_work() {
            work = self.wake.wait(work).recover();
        }
        // Finish pending work before stopping, so that a restart finds current labels; but do not
        // load the graph for it.
        if work.is_stopping() {
            work.label_now();
        }
        if work.ends_here() {
            drop(work);
            worker.saved.flush(&self.store);
            return None;
        }
        Some(work.take())
    }

    /// Brings the graph and, unless they are deferred, the labels up to date and publishes them.
    fn catch_up(&self, taken: TakenWork, worker: &mut WorkerState) -> Result<(), EngineError> {
        // Without the lock; below again, for lists that change meanwhile.
        self.save_current_basis();
        let mut is_fresh = false;
        let (mut guard, state) = loop {
            if !self.work().has_graph() {
                // Without the lock: readers find no graph meanwhile and do not wait.
                let (world, state) = self.read_in()?;
                *self.world_mut() = Some(world);
                worker.basis = None;
                worker.retractions = state.retractions.len();
                worker.replacements = state.replacements.len();
                worker.rereads = self.rereads(&state);
                self.work().graph_loaded();
                is_fresh = true;
            }
            let mut guard = self.world_mut();
            // Read the state after `taken`, so that it has every retraction of the taken rows; and with
            // the graph locked, because a change that requires a reload may have come meanwhile.
            let state = self.store.transfer_state();
            if self.rereads(&state) == worker.rereads {
                break (guard, state);
            }
            *guard = None;
            drop(guard);
            self.work().graph_dropped();
        };
        let Some(world) = &mut *guard else { return Ok(()) };
        let can_wait = !is_fresh && taken.may_defer_labels;
        self.append(world, taken.appended, &state, worker)?;
        if can_wait {
            return Ok(());
        }
        // Labels must cover exactly the rows that the published heads count.
        self.read_up_to(world, state.rows, &state)?;
        remove_replaced(world, &state, worker);
        let Some(snapshot) = self.current.snapshot.load_full() else {
            // No list is loaded. Label now, so that the first list does not wait for it.
            world.relabel();
            self.current.set_exposure(self.exposure(None, &state, state.rows > 0), [0; 32]);
            return Ok(());
        };
        let digest = snapshot.basis();
        self.save_basis(&snapshot);
        if worker.basis != Some(digest) {
            let (sources, stops) = path_ends(snapshot.lists().iter(), snapshot.categories(), None);
            world.set_parties(sources, stops);
            worker.basis = Some(digest);
        }
        let (retractions, replacements) = (state.retractions.len(), state.replacements.len());
        world.set_basis(exposure::Basis {
            digest,
            retractions: retractions as u64,
            replacements: replacements as u64,
        });
        let relabelled = world.relabel();
        if !relabelled.new_hubs.is_empty() {
            let hubs = relabelled.new_hubs.len();
            tracing::info!(hubs, "new hubs, paths end at them");
        }
        for key in &relabelled.new_hubs {
            // At debug only: a key identifies an address.
            tracing::debug!(?key, "new hub");
        }
        let labels = relabelled.labels;
        self.current.set_exposure(self.exposure(Some(labels.clone()), &state, false), digest);
        drop(guard);
        worker.saved.record(&self.store, &labels, relabelled.delta);
        Ok(())
    }

    /// Enqueues stored transfers. Those of a bulk load are labelled at its end
    /// ([`Tracker::label_now`]). Blocks while more than [`MAX_WAITING`] wait.
    pub(super) fn enqueue(&self, first_row: u64, rows: Vec<Transfer>, is_bulk: bool) {
        let mut work = self.work();
        if rows.is_empty() {
            return;
        }
        while work.is_full(MAX_WAITING) {
            work = self.wake.wait(work).recover();
        }
        if work.failed().is_none() {
            work.append(first_row, rows, is_bulk);
        }
        drop(work);
        self.wake.notify_all();
    }

    /// Returns whether labels cover a change.
    pub(super) fn knows(&self, change: u64) -> bool {
        self.current.knows(change)
    }

    /// Marks exposure as behind until it covers this acknowledged change.
    pub(super) fn acknowledged(&self, change: u64) {
        self.current.acknowledge(change);
    }

    /// Enqueues a change of retractions or coverage.
    pub(super) fn state_changed(&self) {
        self.work().state_changed();
        self.wake.notify_all();
    }

    /// Enqueues a change of lists, unless there are neither transfers nor labels.
    pub(super) fn lists_changed(&self) {
        if self.store.transfer_state().rows > 0 || self.current.is_behind() {
            self.work().state_changed();
            self.wake.notify_all();
        }
    }

    pub(super) fn stop(&self) {
        self.work().stop();
        self.wake.notify_all();
    }

    /// Waits until all enqueued work is published; with `graph` also until the graph is loaded.
    pub(super) fn wait_until_current(&self, graph: bool) -> Result<(), EngineError> {
        let mut work = self.work();
        if graph {
            work.want_graph();
        }
        work.label_now();
        self.wake.notify_all();
        while !work.is_stopping() && !work.is_idle() {
            work = self.wake.wait(work).recover();
        }
        match work.failed() {
            Some(why) => Err(EngineError::Exposure(why.to_string())),
            None => Ok(()),
        }
    }

    /// Labels the transfers of a bulk load, which ended.
    pub(super) fn label_now(&self) {
        self.work().label_now();
        self.wake.notify_all();
    }

    /// Why the tracker failed for good, if it did.
    pub(super) fn failed(&self) -> Option<Arc<str>> {
        self.work().failed().cloned()
    }

    /// Starts loading the graph; does not wait.
    pub(super) fn want_graph(&self) {
        self.work().want_graph();
        self.wake.notify_all();
    }

    /// Locks the graph for reading; `None` until the stored transfers are loaded.
    pub(super) fn world(&self) -> RwLockReadGuard<'_, Option<World>> {
        self.world.read().recover()
    }

    /// Like [`Tracker::world`], but returns `None` instead of waiting for the tracker.
    pub(super) fn world_if_free(&self) -> Option<RwLockReadGuard<'_, Option<World>>> {
        match self.world.try_read() {
            Ok(world) => Some(world),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn settings(&self) -> &ExposureSettings {
        &self.settings
    }

    fn world_mut(&self) -> std::sync::RwLockWriteGuard<'_, Option<World>> {
        self.world.write().recover()
    }

    fn work(&self) -> MutexGuard<'_, PendingWork> {
        self.work.lock().recover()
    }

    /// Stores the settings that labels depend on, so that past snapshots can be rebuilt.
    pub(super) fn save_settings(&self) -> Result<(), StoreError> {
        let name = HEXLOWER.encode(&self.settings_digest);
        self.store.save_settings(&name, &self.label_settings.encode())
    }

    /// Stores what labels on the current lists rest on.
    pub(super) fn save_current_basis(&self) {
        if let Some(snapshot) = self.current.snapshot.load_full() {
            self.save_basis(&snapshot);
        }
    }

    fn try_save_basis(&self, name: &str, form: &[u8]) -> Result<(), StoreError> {
        // A store that refuses changes may have it.
        if self.store.label_basis(name)?.is_some_and(|stored| stored == form) {
            return Ok(());
        }
        self.store.save_label_basis(name, form)
    }

    /// Stores what labels on these lists rest on, which ids name while they are behind. If it cannot be
    /// stored the labels are used all the same, and a snapshot of such an id cannot be rebuilt.
    fn save_basis(&self, snapshot: &Snapshot) {
        let basis = LabelBasis::from(snapshot.record());
        let digest = basis.digest();
        let mut stored = self.stored_basis.lock().recover();
        if *stored == Some(digest) {
            return;
        }
        let name = LabelBasis::name_of(&digest);
        match self.try_save_basis(&name, &basis.encode()) {
            Ok(()) => *stored = Some(digest),
            Err(error) => tracing::warn!(
                basis = name, %error,
                "basis of labels not stored, answers given while they are behind cannot be replayed"
            ),
        }
    }

    /// The settings that labels depend on, and their digest.
    pub(super) fn label_settings(&self) -> (&LabelSettings, &[u8; 32]) {
        (&self.label_settings, &self.settings_digest)
    }

    fn exposure(
        &self,
        labels: Option<Arc<Labels>>,
        state: &TransferState,
        behind: bool,
    ) -> ExposureState {
        ExposureState {
            not_kept: None,
            labels,
            chains: terms::chains(&self.settings, state),
            behind,
            failed: None,
            retractions: state.retractions.len() as u64,
            replacements: state.replacements.len() as u64,
            coverage_revision: state.coverage_revision(),
            change: state.changes,
            max_hops: self.settings.max_hops,
            settings_digest: self.settings_digest,
            aged_chains: self.aged_chains.clone(),
        }
    }
}

/// Returns the settings of a graph.
pub(super) fn world_settings(settings: &LabelSettings) -> Settings {
    let LabelSettings { max_hops, hub_limit, cluster_limit, assets, no_common_input, .. } =
        settings.clone();
    Settings { max_hops, hub_limit, assets, cluster_limit, no_common_input }
}
