//! Keeps exposure up to date: holds the graph of transfers, takes what is stored and what lists
//! change, and puts new labels into force. One thread works; readers look at labels without a lock
//! and at the graph under a shared one.

mod saved;
pub(super) mod terms;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::EngineError;
use super::live::{Basis, Live};
use crate::config::ExposureSettings;
use crate::domain::coverage::TransferState;
use crate::domain::transfer::{Position, Transfer};
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
    /// Of `settings`: every publication of labels names it.
    settings_digest: [u8; 32],
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
    /// Stored transfers, by the number of their first row, in no certain order.
    appended: Vec<(u64, Vec<Transfer>)>,
    /// How many transfers wait.
    waiting: usize,
    /// Something was taken back, or blocks were declared covered.
    state_changed: bool,
    lists_changed: bool,
    /// Somebody needs the graph.
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
    /// How many retractions the graph heeds.
    retractions: usize,
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
        let is_fresh = !self.is_read_in.load(Ordering::Acquire);
        if is_fresh {
            // Nobody waits for the graph meanwhile: it is not there.
            let (world, retractions) = self.read_in()?;
            *self.world_mut() = Some(world);
            (kept.basis, kept.retractions) = (None, retractions);
            self.is_read_in.store(true, Ordering::Release);
        }
        let can_wait = !is_fresh && taken.labels_can_wait();
        let mut guard = self.world_mut();
        let Some(world) = &mut *guard else { return Ok(false) };
        // Read after `taken`: what was taken back before any of its rows was stored is in it.
        let state = self.store.transfer_state();
        self.append(world, taken.appended, &state, kept)?;
        if can_wait {
            return Ok(true);
        }
        // Labels then know exactly the rows that the heads in force count.
        self.read_up_to(world, state.rows)?;
        let Some(snapshot) = self.live.snapshot.load_full() else {
            // The first list is not to be answered from without the labels that it asks for.
            world.relabel();
            self.live.expose(self.exposure(None, &state, state.rows > 0), [0; 32]);
            return Ok(false);
        };
        let digest = snapshot.basis();
        if kept.basis != Some(digest) {
            let (sources, stops) = parties(snapshot.lists().iter(), snapshot.categories(), None);
            world.set_parties(sources, stops);
            kept.basis = Some(digest);
        }
        let retractions = state.retractions.len() as u64;
        world.set_basis(exposure::Basis { digest, retractions });
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
        kept.saved.note(&self.store, &labels, relabelled.delta)?;
        Ok(false)
    }

    /// Takes what was stored and what was taken back, in the order in which that was done: sessions
    /// say what they stored in no certain order, and retractions may be ahead of both.
    fn append(
        &self,
        world: &mut World,
        mut appended: Vec<(u64, Vec<Transfer>)>,
        state: &TransferState,
        kept: &mut Kept,
    ) -> Result<(), EngineError> {
        appended.sort_by_key(|(first_row, _)| *first_row);
        let mut appended = appended.into_iter().peekable();
        let retractions = state.retractions.get(kept.retractions..).unwrap_or_default();
        let ends = retractions.iter().map(|record| (record.rows, Some(record)));
        for (end, record) in ends.chain([(u64::MAX, None)]) {
            while let Some((first_row, rows)) = appended.next_if(|(first_row, _)| *first_row < end)
            {
                self.read_up_to(world, first_row)?;
                world.append(first_row, &rows);
            }
            if let Some(record) = record {
                self.read_up_to(world, record.rows)?;
                world.retract(&record.chain, record.from_height, record.rows);
            }
        }
        kept.retractions = state.retractions.len();
        Ok(())
    }

    /// Reads the rows below `end` that the graph does not have from the store: another session has
    /// stored them and not said so yet.
    fn read_up_to(&self, world: &mut World, end: u64) -> Result<(), EngineError> {
        if world.rows() >= end {
            return Ok(());
        }
        self.store.read_rows(world.rows(), |first_row, rows| {
            let wanted = usize::try_from(end.saturating_sub(first_row)).unwrap_or(usize::MAX);
            world.append(first_row, &rows[..wanted.min(rows.len())]);
            match wanted > rows.len() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        Ok(())
    }

    /// Reads the stored transfers that were not taken back into a new graph, and tells how many
    /// retractions that heeds.
    fn read_in(&self) -> Result<(World, usize), EngineError> {
        let mut fresh = World::new(self.world_settings());
        if let Some(labels) = &self.live.exposure().labels {
            fresh.resume(labels);
        }
        let state = self.store.transfer_state();
        let counts = |row: u64, transfer: &Transfer| {
            let taken_back = |at: Position| state.is_retracted(row, &transfer.chain, at.height);
            !transfer.position.is_some_and(taken_back)
        };
        self.store.read_rows(0, |first_row, mut rows| {
            // What is stored meanwhile will be said.
            let wanted = usize::try_from(state.rows.saturating_sub(first_row));
            rows.truncate(wanted.unwrap_or(usize::MAX));
            if state.retractions.is_empty() {
                fresh.append(first_row, &rows);
                return ControlFlow::Continue(());
            }
            for (row, transfer) in (first_row..).zip(&rows) {
                match counts(row, transfer) {
                    true => fresh.append(row, std::slice::from_ref(transfer)),
                    false => fresh.pass_over(row),
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok((fresh, state.retractions.len()))
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
            failed: None,
            retractions: state.retractions.len() as u64,
            max_hops: self.settings.max_hops,
            settings_digest: self.settings_digest,
        }
    }
}
