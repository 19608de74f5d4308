//! Keeps exposure up to date: holds the graph of transfers, takes what is stored and what lists
//! change, and puts new labels into force. One thread works; readers look at labels without a lock
//! and at the graph under a shared one.

mod saved;
pub(super) mod terms;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::EngineError;
use super::live::{Basis, Live};
use crate::config::ExposureSettings;
use crate::domain::coverage::{RetractionRecord, TransferState};
use crate::domain::transfer::Transfer;
use crate::exposure::{self, Labels, Settings, World};
use crate::screening::coverage::ExposureState;
use crate::screening::parties::parties;
use crate::store::Store;
use saved::Saved;

/// The most stored transfers that wait for the graph, some 64 MB; who stores more waits.
const MAX_WAITING: usize = 1 << 18;

/// What keeps exposure up to date.
#[derive(Debug)]
pub(super) struct Tracker {
    store: Arc<Store>,
    live: Arc<Live>,
    settings: ExposureSettings,
    /// `None` until the stored transfers are read in.
    world: RwLock<Option<World>>,
    /// Whether it is.
    is_read_in: AtomicBool,
    work: Mutex<Work>,
    /// Rung at every change of `work`.
    bell: Condvar,
}

/// What waits to be done.
#[derive(Debug, Default)]
struct Work {
    /// Stored transfers, by the number of their first row.
    appended: VecDeque<(u64, Vec<Transfer>)>,
    waiting: usize,
    retracted: Vec<RetractionRecord>,
    lists_changed: bool,
    /// Somebody needs the graph.
    wanted: bool,
    /// Labels of what was appended must not wait any longer.
    urgent: bool,
    /// The graph has, or is about to have, transfers that labels do not know yet.
    deferred: bool,
    /// Who searches the graph: as long as anybody does it has nothing that labels do not know.
    searching: usize,
    /// The thread works on what it took.
    busy: bool,
    stop: bool,
    /// Why exposure can no longer be kept up to date.
    failed: Option<String>,
}

/// What the one thread that works keeps to itself.
#[derive(Debug, Default)]
struct Kept {
    saved: Saved,
    /// The lists whose sources and stops the graph has.
    basis: Option<Basis>,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.appended.is_empty() && self.retracted.is_empty() && !self.lists_changed
    }

    /// Whether all there is to do is to take transfers of bulk loads into the graph. Labels are made
    /// when the load ends: to make them in between would cost more than all the rest.
    fn labels_can_wait(&self) -> bool {
        let other = self.urgent || self.lists_changed || self.searching > 0;
        !other && self.retracted.is_empty()
    }

    /// What waits, and that somebody works on it.
    fn take(&mut self) -> Self {
        let taken = std::mem::take(self);
        self.busy = true;
        self.searching = taken.searching;
        self.deferred = taken.deferred || taken.labels_can_wait();
        taken
    }

    /// Says that labels must not wait, if there are any that do.
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
            if work.stop {
                return;
            }
            let taken = work.take();
            drop(work);
            self.bell.notify_all();
            let done = self.catch_up(taken, &mut kept);
            let mut work = self.work();
            work.busy = false;
            match done {
                Ok(deferred) => work.deferred = deferred,
                Err(error) => {
                    tracing::error!(%error, "exposure can no longer be kept up to date");
                    work.failed = Some(error.to_string());
                    self.live.fall_behind();
                }
            }
            drop(work);
            self.bell.notify_all();
        }
    }

    fn has_work(&self, work: &Work) -> bool {
        work.failed.is_none()
            && (!work.is_empty()
                || work.urgent && work.deferred
                || work.wanted && !self.is_read_in.load(Ordering::Acquire))
    }

    /// Brings the graph and the labels to what is stored and listed, and puts them into force.
    /// Whether labels still wait.
    fn catch_up(&self, taken: Work, kept: &mut Kept) -> Result<bool, EngineError> {
        let mut world = self.world_mut();
        let fresh = world.is_none();
        let labels_can_wait = !fresh && taken.labels_can_wait();
        let known = match &*world {
            None => self.read_in(&mut world)?,
            Some(_) => 0,
        };
        let Some(world) = &mut *world else { return Ok(false) };
        for (first_row, rows) in taken.appended {
            // What was stored while the others were read in was read with them.
            let skip = usize::try_from(known.saturating_sub(first_row)).unwrap_or(usize::MAX);
            if skip < rows.len() {
                world.append(first_row + skip as u64, &rows[skip..]);
            }
        }
        if labels_can_wait {
            return Ok(true);
        }
        let state = self.store.transfer_state();
        let retractions = match fresh {
            true => &state.retractions[..],
            false => &taken.retracted[..],
        };
        for record in retractions {
            world.retract(&record.chain, record.from_height, record.rows);
        }
        let Some(snapshot) = self.live.snapshot.load_full() else { return Ok(false) };
        let digest = snapshot.basis();
        if fresh || kept.basis != Some(digest) {
            let (sources, stops) = parties(snapshot.lists().iter(), snapshot.categories(), None);
            world.set_parties(sources, stops);
            kept.basis = Some(digest);
        }
        let retractions = state.retractions.len() as u64;
        world.set_basis(exposure::Basis { digest, retractions });
        let relabelled = world.relabel();
        for key in &relabelled.new_hubs {
            tracing::info!(?key, "a hub: paths end there from now on");
        }
        let labels = relabelled.labels;
        self.live.expose(self.exposure(Some(labels.clone()), &state, false), digest);
        kept.saved.note(&self.store, &labels, relabelled.delta)?;
        Ok(false)
    }

    /// Reads every stored transfer into a new graph, and returns how many.
    fn read_in(&self, world: &mut Option<World>) -> Result<u64, EngineError> {
        let mut fresh = World::new(self.world_settings());
        if let Some(labels) = &self.live.exposure().labels {
            fresh.resume(labels);
        }
        let mut known = 0;
        self.store.read_rows(0, |first_row, rows| {
            known = first_row + rows.len() as u64;
            fresh.append(first_row, &rows);
            ControlFlow::Continue(())
        })?;
        *world = Some(fresh);
        self.is_read_in.store(true, Ordering::Release);
        Ok(known)
    }

    /// Takes note of transfers that were stored; those of a bulk load are labelled when it ends
    /// ([`Tracker::hurry`]). Waits while too many wait already.
    pub(super) fn stored(&self, first_row: u64, rows: Vec<Transfer>, is_bulk: bool) {
        if rows.is_empty() {
            return;
        }
        let mut work = self.work();
        while work.waiting > MAX_WAITING && work.failed.is_none() && !work.stop {
            work = self.bell.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        work.waiting += rows.len();
        work.urgent |= !is_bulk;
        work.appended.push_back((first_row, rows));
        drop(work);
        self.bell.notify_all();
    }

    /// Takes note of a retraction.
    pub(super) fn retracted(&self, record: RetractionRecord) {
        self.work().retracted.push(record);
        self.bell.notify_all();
    }

    /// Takes note that other lists are in force. Without transfers there is nothing to do.
    pub(super) fn lists_changed(&self) {
        if self.store.transfer_state().rows > 0 {
            self.work().lists_changed = true;
            self.bell.notify_all();
        }
    }

    /// Ends [`Tracker::run`].
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
            Some(why) => Err(EngineError::Exposure(why.clone())),
            None => Ok(()),
        }
    }

    /// A bulk load ended: its transfers are to be labelled.
    pub(super) fn hurry(&self) {
        self.work().hurry();
        self.bell.notify_all();
    }

    /// Asks for the graph, which will be there some time later.
    pub(super) fn want_graph(&self) {
        self.work().wanted = true;
        self.bell.notify_all();
    }

    /// The graph; `None` until the stored transfers are read in. Waits until labels know all that
    /// it has.
    pub(super) fn world(&self) -> RwLockReadGuard<'_, Option<World>> {
        let mut work = self.work();
        work.searching += 1;
        work.hurry();
        self.bell.notify_all();
        while work.deferred && work.failed.is_none() && !work.stop {
            work = self.bell.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        drop(work);
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        self.work().searching -= 1;
        world
    }

    /// The settings of exposure.
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
        let ExposureSettings { max_hops, hub_limit, assets, .. } = self.settings.clone();
        Settings { max_hops, hub_limit, assets }
    }

    fn exposure(
        &self,
        labels: Option<Arc<Labels>>,
        state: &TransferState,
        behind: bool,
    ) -> ExposureState {
        ExposureState {
            labels,
            chains: terms::chains(&self.settings, state),
            behind,
            retractions: state.retractions.len() as u64,
            max_hops: self.settings.max_hops,
            settings_digest: self.settings.digest(),
        }
    }
}

#[cfg(test)]
mod tests;
