//! Keeps exposure up to date: holds the graph of transfers, takes what is stored and what lists
//! change, and puts new labels into force. One thread works; readers look at labels without a lock
//! and at the graph under a shared one.

mod graph;
mod saved;
pub(super) mod terms;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError,
};

use super::EngineError;
use super::live::{Basis, Live};
use crate::config::ExposureSettings;
use crate::domain::coverage::TransferState;
use crate::domain::transfer::Transfer;
use crate::exposure::{self, Labels, Settings, World};
use crate::screening::coverage::ExposureState;
use crate::screening::path_ends::path_ends;
use crate::store::Store;
use graph::remove_replaced;
use saved::Saved;

/// The most stored transfers that wait for the graph, some 64 MB; who stores more waits.
const MAX_WAITING: usize = 1 << 18;

/// What keeps exposure up to date.
#[derive(Debug)]
pub(super) struct Tracker {
    store: Arc<Store>,
    live: Arc<Live>,
    settings: ExposureSettings,
    /// Of `settings`: every publication of labels names it.
    settings_digest: [u8; 32],
    /// `None` until the stored transfers are read in.
    world: RwLock<Option<World>>,
    is_read_in: AtomicBool,
    work: Mutex<Work>,
    /// Rung at every change of `work`.
    bell: Condvar,
}

/// What waits to be done.
#[derive(Debug, Default)]
struct Work {
    /// Stored transfers, by the number of their first row, in no certain order.
    appended: Vec<(u64, Vec<Transfer>)>,
    waiting: usize,
    /// Something was taken back, or blocks were declared covered.
    state_changed: bool,
    lists_changed: bool,
    wanted: bool,
    /// Labels of what was appended must not wait until a bulk load ends.
    urgent: bool,
    /// The graph has transfers of a bulk load that labels do not know yet.
    deferred: bool,
    /// The thread works on what it took.
    busy: bool,
    stop: bool,
    /// Why exposure can no longer be kept up to date.
    failed: Option<Arc<str>>,
}

/// What the one thread that works keeps to itself.
#[derive(Debug, Default)]
struct Kept {
    saved: Saved,
    /// The lists whose sources and stops the graph has.
    basis: Option<Basis>,
    /// How many retractions the graph heeds, and how many replacements.
    retractions: usize,
    replacements: usize,
    /// How many changes the graph heeds that can only be heeded by reading it in anew.
    rereads: usize,
}

impl Work {
    fn is_empty(&self) -> bool {
        let labels_wait = self.urgent && self.deferred;
        self.appended.is_empty() && !self.state_changed && !self.lists_changed && !labels_wait
    }

    /// Whether all there is to do is to take transfers of bulk loads into the graph: to make labels
    /// in between would cost more than all the rest.
    fn labels_can_wait(&self) -> bool {
        !self.urgent && !self.state_changed && !self.lists_changed
    }

    /// What waits, and that somebody works on it.
    fn take(&mut self) -> Self {
        let stop = self.stop;
        let taken = std::mem::take(self);
        (self.busy, self.stop, self.deferred) = (true, stop, taken.deferred);
        taken
    }

    /// Says that labels of what there is must not wait.
    fn hurry(&mut self) {
        self.urgent |= self.busy || self.deferred || !self.appended.is_empty();
    }
}

impl Tracker {
    /// Puts the stored labels into force, if there are any; they are behind unless they know every
    /// stored transfer (and the lists in force: that is seen when lists are put in force).
    pub(super) fn open(
        store: Arc<Store>,
        live: Arc<Live>,
        settings: ExposureSettings,
    ) -> Result<Self, EngineError> {
        let tracker = Self {
            store,
            live,
            settings_digest: settings.digest(),
            settings,
            world: RwLock::new(None),
            is_read_in: AtomicBool::new(false),
            work: Mutex::default(),
            bell: Condvar::new(),
        };
        let state = tracker.store.transfer_state();
        if state.rows == 0 {
            *tracker.world_mut() = Some(World::new(tracker.world_settings()));
            tracker.is_read_in.store(true, Ordering::Release);
            tracker.live.expose(tracker.exposure(None, &state, false), [0; 32]);
            return Ok(tracker);
        }
        // Labels that cannot be read are built anew: they are no facts.
        let labels = match tracker.stored_labels() {
            Ok(labels) => labels,
            Err(error) => {
                tracing::warn!(%error, "the stored labels of exposure are built anew");
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
        tracker.live.expose(exposure, digest);
        tracker.work().wanted = !whole;
        Ok(tracker)
    }

    fn stored_labels(&self) -> Result<Option<Labels>, EngineError> {
        let Some(stored) = self.store.labels()? else { return Ok(None) };
        let chunks = stored.chunks.collect::<Result<Vec<_>, _>>()?;
        let labels = Labels::from_chunks(&stored.meta, chunks, stored.deltas);
        labels.map(Some).map_err(super::error::internal)
    }

    /// Works until told to stop. Blocks.
    pub(super) fn run(&self) {
        let mut kept = Kept::default();
        loop {
            let mut work = self.work();
            if !self.has_work(&work) {
                drop(work);
                kept.saved.flush(&self.store);
                work = self.work();
            }
            while !work.stop && !self.has_work(&work) {
                work = self.bell.wait(work).unwrap_or_else(PoisonError::into_inner);
            }
            // What waits is done before the end, so that a restart finds labels that know it; but
            // nothing is read in for that.
            let is_read_in = self.is_read_in.load(Ordering::Acquire);
            if work.stop {
                work.hurry();
            }
            if work.stop && !(is_read_in && self.has_work(&work)) {
                drop(work);
                kept.saved.flush(&self.store);
                return;
            }
            let taken = work.take();
            drop(work);
            self.bell.notify_all();
            let done = catch_unwind(AssertUnwindSafe(|| self.catch_up(taken, &mut kept)));
            let done = done.unwrap_or_else(|_| {
                // Half of a change may be in it.
                *self.world_mut() = None;
                Err(EngineError::Internal("the thread of exposure panicked".to_owned()))
            });
            let mut work = self.work();
            work.busy = false;
            match done {
                Ok(deferred) => work.deferred = deferred,
                Err(error) => {
                    tracing::error!(%error, "exposure can no longer be kept up to date");
                    let why: Arc<str> = error.to_string().into();
                    let (failed, stop) = (Some(why.clone()), work.stop);
                    *work = Work { failed, stop, ..Work::default() };
                    self.live.fail(why);
                }
            }
            drop(work);
            self.bell.notify_all();
        }
    }

    fn has_work(&self, work: &Work) -> bool {
        work.failed.is_none()
            && (!work.is_empty() || work.wanted && !self.is_read_in.load(Ordering::Acquire))
    }

    /// Brings the graph and the labels to what is stored and listed, and puts them into force.
    /// Whether labels still wait.
    fn catch_up(&self, taken: Work, kept: &mut Kept) -> Result<bool, EngineError> {
        let mut is_fresh = false;
        let (mut guard, state) = loop {
            if !self.is_read_in.load(Ordering::Acquire) {
                // Nobody waits for the graph meanwhile: it is not there.
                let (world, state) = self.read_in()?;
                *self.world_mut() = Some(world);
                kept.basis = None;
                kept.retractions = state.retractions.len();
                kept.replacements = state.replacements.len();
                kept.rereads = self.rereads(&state);
                self.is_read_in.store(true, Ordering::Release);
                is_fresh = true;
            }
            let mut guard = self.world_mut();
            // Read after `taken`: what was taken back before any of its rows was stored is in it. And
            // with the graph held: what is heeded only by reading it in anew may have come meanwhile.
            let state = self.store.transfer_state();
            if self.rereads(&state) == kept.rereads {
                break (guard, state);
            }
            *guard = None;
            self.is_read_in.store(false, Ordering::Release);
        };
        let Some(world) = &mut *guard else { return Ok(false) };
        let can_wait = !is_fresh && taken.labels_can_wait();
        self.append(world, taken.appended, &state, kept)?;
        if can_wait {
            return Ok(true);
        }
        // Labels then know exactly the rows that the heads in force count.
        self.read_up_to(world, state.rows, &state)?;
        remove_replaced(world, &state, kept);
        let Some(snapshot) = self.live.snapshot.load_full() else {
            // The first list is not to be answered from without the labels that it asks for.
            world.relabel();
            self.live.expose(self.exposure(None, &state, state.rows > 0), [0; 32]);
            return Ok(false);
        };
        let digest = snapshot.basis();
        if kept.basis != Some(digest) {
            let (sources, stops) = path_ends(snapshot.lists().iter(), snapshot.categories(), None);
            world.set_parties(sources, stops);
            kept.basis = Some(digest);
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
            tracing::info!(hubs, "more hubs: paths end there from now on");
        }
        for key in &relabelled.new_hubs {
            // A key is an address in another form.
            tracing::debug!(?key, "a hub");
        }
        let labels = relabelled.labels;
        self.live.expose(self.exposure(Some(labels.clone()), &state, false), digest);
        drop(guard);
        kept.saved.note(&self.store, &labels, relabelled.delta);
        Ok(false)
    }

    /// Takes note of transfers that were stored; those of a bulk load are labelled when it ends
    /// ([`Tracker::hurry`]). Waits while too many wait already.
    pub(super) fn stored(&self, first_row: u64, rows: Vec<Transfer>, is_bulk: bool) {
        let mut work = self.work();
        if rows.is_empty() || work.failed.is_some() {
            return;
        }
        while work.waiting > MAX_WAITING && work.failed.is_none() && !work.stop {
            work = self.bell.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        work.waiting += rows.len();
        work.urgent |= !is_bulk;
        work.appended.push((first_row, rows));
        drop(work);
        self.bell.notify_all();
    }

    /// Whether exposure knows a change.
    pub(super) fn knows(&self, change: u64) -> bool {
        self.live.knows(change)
    }

    /// Takes note of a change that is acknowledged before exposure knows it.
    pub(super) fn acknowledged(&self, change: u64) {
        self.live.acknowledge(change);
    }

    /// Takes note that something was taken back, or blocks were declared covered.
    pub(super) fn state_changed(&self) {
        self.work().state_changed = true;
        self.bell.notify_all();
    }

    /// Takes note that other lists are in force. Where there are neither transfers nor labels there
    /// is nothing to do.
    pub(super) fn lists_changed(&self) {
        if self.store.transfer_state().rows > 0 || self.live.is_behind() {
            self.work().lists_changed = true;
            self.bell.notify_all();
        }
    }

    pub(super) fn stop(&self) {
        self.work().stop = true;
        self.bell.notify_all();
    }

    /// Waits until all that was noted is in force, and with `graph` until the graph is read in.
    pub(super) fn settle(&self, graph: bool) -> Result<(), EngineError> {
        let mut work = self.work();
        work.wanted |= graph;
        work.hurry();
        self.bell.notify_all();
        while !work.stop && (work.busy || self.has_work(&work)) {
            work = self.bell.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        match &work.failed {
            Some(why) => Err(EngineError::Exposure(why.to_string())),
            None => Ok(()),
        }
    }

    /// A bulk load ended: its transfers are to be labelled.
    pub(super) fn hurry(&self) {
        self.work().hurry();
        self.bell.notify_all();
    }

    /// Why exposure can no longer be kept up to date.
    pub(super) fn failed(&self) -> Option<Arc<str>> {
        self.work().failed.clone()
    }

    /// Asks for the graph, which will be there some time later.
    pub(super) fn want_graph(&self) {
        self.work().wanted = true;
        self.bell.notify_all();
    }

    /// The graph; `None` until the stored transfers are read in.
    pub(super) fn world(&self) -> RwLockReadGuard<'_, Option<World>> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The graph as [`Tracker::world`] gives it, unless it changes just now.
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
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn world_settings(&self) -> Settings {
        let no_common_input = self.settings.no_common_input();
        let ExposureSettings { max_hops, hub_limit, cluster_limit, assets, .. } =
            self.settings.clone();
        Settings { max_hops, hub_limit, assets, cluster_limit, no_common_input }
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
        }
    }
}
