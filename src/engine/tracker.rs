//! Keeps exposure up to date: holds the graph of transfers, takes what is stored and what lists
//! change, and puts new labels into force. One thread works; readers look at labels without a lock
//! and at the graph under a shared one.

mod saved;
pub(super) mod terms;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// The most stored transfers that wait to be labelled; who stores more waits.
const MAX_WAITING: usize = 1 << 20;

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
    /// Stored transfers by the number of their first row: who stores them may come here in another
    /// order than that of the rows.
    appended: BTreeMap<u64, Vec<Transfer>>,
    /// The row that the graph takes next.
    next: u64,
    /// How many transfers wait.
    waiting: usize,
    retracted: bool,
    lists_changed: bool,
    /// Somebody needs the graph.
    wanted: bool,
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
    /// How many retractions the graph knows.
    retractions: usize,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.appended.is_empty() && !self.retracted && !self.lists_changed
    }

    /// Whether the graph can go on: with the rows that follow those it has, or without any.
    fn is_ready(&self) -> bool {
        let follows = self.appended.first_key_value().is_some_and(|(first, _)| *first == self.next);
        follows || self.retracted || self.lists_changed
    }

    /// Takes the rows that follow those the graph has, and says that somebody works on them.
    fn take(&mut self) -> Vec<(u64, Vec<Transfer>)> {
        let mut taken = Vec::new();
        while let Some(entry) = self.appended.first_entry().filter(|e| *e.key() == self.next) {
            let (first_row, rows) = entry.remove_entry();
            self.next += rows.len() as u64;
            self.waiting -= rows.len();
            taken.push((first_row, rows));
        }
        (self.retracted, self.lists_changed, self.wanted) = (false, false, false);
        self.busy = true;
        taken
    }

    /// Says that the graph has all rows below a number.
    fn has_rows(&mut self, rows: u64) {
        self.appended = self.appended.split_off(&rows);
        self.waiting = self.appended.values().map(Vec::len).sum();
        self.next = rows;
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
            // What waits is done before the end, so that a restart finds labels that know it; but
            // nothing is read in for that.
            let is_read_in = self.is_read_in.load(Ordering::Acquire);
            if work.stop && !(is_read_in && self.has_work(&work)) {
                drop(work);
                kept.saved.flush(&self.store);
                return;
            }
            let taken = work.take();
            drop(work);
            self.bell.notify_all();
            // A panic must not leave labels in force that are never brought up to date again.
            let done = catch_unwind(AssertUnwindSafe(|| self.catch_up(taken, &mut kept)));
            let done = done.unwrap_or_else(|_| Err(EngineError::Internal("a panic".to_owned())));
            let mut work = self.work();
            work.busy = false;
            if let Err(error) = done {
                tracing::error!(%error, "exposure can no longer be kept up to date");
                work.failed = Some(error.to_string());
                self.live.fall_behind();
            }
            drop(work);
            self.bell.notify_all();
        }
    }

    fn has_work(&self, work: &Work) -> bool {
        work.failed.is_none()
            && match self.is_read_in.load(Ordering::Acquire) {
                true => work.is_ready(),
                false => work.wanted || !work.is_empty(),
            }
    }

    /// Brings the graph and the labels to what is stored and listed, and puts them into force.
    fn catch_up(
        &self,
        taken: Vec<(u64, Vec<Transfer>)>,
        kept: &mut Kept,
    ) -> Result<(), EngineError> {
        let mut world = self.world_mut();
        if world.is_none() {
            let read = self.read_in(kept)?;
            self.work().has_rows(read.rows());
            *world = Some(read);
            self.is_read_in.store(true, Ordering::Release);
        }
        let Some(world) = &mut *world else { return Ok(()) };
        let state = self.store.transfer_state();
        for (first_row, rows) in taken {
            // What was stored before the others were read in was read with them.
            if first_row >= world.rows() {
                advance(world, &state.retractions, kept, first_row, &rows);
            }
        }
        retract(world, &state.retractions, kept, self.work().next);
        let Some(snapshot) = self.live.snapshot.load_full() else { return Ok(()) };
        let digest = snapshot.basis();
        if kept.basis != Some(digest) {
            let (sources, stops) = parties(snapshot.lists().iter(), snapshot.categories(), None);
            world.set_parties(sources, stops);
            kept.basis = Some(digest);
        }
        world.set_basis(exposure::Basis { digest, retractions: kept.retractions as u64 });
        let relabelled = world.relabel();
        for key in &relabelled.new_hubs {
            tracing::info!(?key, "a hub: paths end there from now on");
        }
        let labels = relabelled.labels;
        let mut exposure = self.exposure(Some(labels.clone()), &state, false);
        exposure.retractions = kept.retractions as u64;
        self.live.expose(exposure, digest);
        kept.saved.note(&self.store, &labels, relabelled.delta)
    }

    /// Reads every stored transfer into a new graph.
    fn read_in(&self, kept: &mut Kept) -> Result<World, EngineError> {
        let mut world = World::new(self.world_settings());
        if let Some(labels) = &self.live.exposure().labels {
            world.resume(labels);
        }
        (kept.basis, kept.retractions) = (None, 0);
        let state = self.store.transfer_state();
        self.store.read_rows(0, |first_row, rows| {
            let most = usize::try_from(state.rows.saturating_sub(first_row)).unwrap_or(usize::MAX);
            let rows = &rows[..rows.len().min(most)];
            advance(&mut world, &state.retractions, kept, first_row, rows);
            match first_row + rows.len() as u64 >= state.rows {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        retract(&mut world, &state.retractions, kept, state.rows);
        Ok(world)
    }

    /// Takes note of transfers that were stored. Waits while too many wait already.
    pub(super) fn stored(&self, first_row: u64, rows: Vec<Transfer>) {
        if rows.is_empty() {
            return;
        }
        let mut work = self.work();
        while work.waiting > MAX_WAITING && work.failed.is_none() && !work.stop {
            work = self.bell.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        work.waiting += rows.len();
        work.appended.insert(first_row, rows);
        drop(work);
        self.bell.notify_all();
    }

    /// Takes note that transfers were taken back.
    pub(super) fn retracted(&self) {
        self.work().retracted = true;
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
        self.bell.notify_all();
        let unsettled = |work: &Work| {
            let unread = work.wanted && !self.is_read_in.load(Ordering::Acquire);
            work.failed.is_none() && (work.busy || unread || !work.is_empty())
        };
        while !work.stop && unsettled(&work) {
            work = self.bell.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        match &work.failed {
            Some(why) => Err(EngineError::Exposure(why.clone())),
            None => Ok(()),
        }
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
            retractions: state.retractions.len() as u64,
            max_hops: self.settings.max_hops,
            settings_digest: self.settings.digest(),
        }
    }
}

/// Appends rows, with the retractions that were made before and between them, each at its place.
fn advance(
    world: &mut World,
    retractions: &[RetractionRecord],
    kept: &mut Kept,
    first_row: u64,
    rows: &[Transfer],
) {
    let mut at = 0;
    while at < rows.len() {
        retract(world, retractions, kept, first_row + at as u64);
        let due = retractions.get(kept.retractions).map_or(u64::MAX, |record| record.rows);
        let most = usize::try_from(due.saturating_sub(first_row)).unwrap_or(usize::MAX);
        let end = rows.len().min(most).max(at + 1);
        world.append(first_row + at as u64, &rows[at..end]);
        at = end;
    }
}

/// Takes back what was taken back before the row `next` was stored.
fn retract(world: &mut World, retractions: &[RetractionRecord], kept: &mut Kept, next: u64) {
    while let Some(record) = retractions.get(kept.retractions).filter(|r| r.rows <= next) {
        world.retract(&record.chain, record.from_height, record.rows);
        kept.retractions += 1;
    }
}
