//! Keeps exposure up to date: holds the graph of transfers, takes what is stored and what lists
//! change, and puts new labels into force. One thread works; readers look at labels without a lock
//! and at the graph under a shared one.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::EngineError;
use super::live::{Basis, Live};
use crate::config::ExposureSettings;
use crate::domain::transfer::Transfer;
use crate::exposure::{Labels, Relabelled, Settings, Was, World};
use crate::ingest::{ChainHead, Ingestor, RetractionRecord, TransferState};
use crate::screening::coverage::{ChainCoverage, ExposureState};
use crate::screening::parties::parties;
use crate::store::Store;

/// The most stored transfers that wait to be labelled; who stores more waits.
const MAX_WAITING: usize = 1 << 20;

/// What keeps exposure up to date.
#[derive(Debug)]
pub(super) struct Tracker {
    store: Arc<Store>,
    ingestor: Arc<Ingestor>,
    live: Arc<Live>,
    settings: ExposureSettings,
    /// `None` until the stored transfers are read in.
    world: RwLock<Option<World>>,
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
    /// The thread works on what it took.
    busy: bool,
    stop: bool,
    /// Why exposure can no longer be kept up to date.
    failed: Option<String>,
}

impl Work {
    fn is_idle(&self) -> bool {
        !self.busy && self.appended.is_empty() && self.retracted.is_empty() && !self.lists_changed
    }
}

impl Tracker {
    /// Puts the stored labels into force, if there are any; they are behind unless they know every
    /// stored transfer and the lists in force.
    pub(super) fn open(
        store: Arc<Store>,
        ingestor: Arc<Ingestor>,
        live: Arc<Live>,
        settings: ExposureSettings,
    ) -> Result<Arc<Self>, EngineError> {
        let tracker = Self {
            store,
            ingestor,
            live,
            settings,
            world: RwLock::new(None),
            work: Mutex::default(),
            bell: Condvar::new(),
        };
        let state = tracker.ingestor.heads();
        if state.rows == 0 {
            *tracker.world.write().unwrap_or_else(PoisonError::into_inner) =
                Some(World::new(tracker.world_settings()));
            tracker.live.expose(tracker.state(None, &state, false), [0; 32]);
            return Ok(Arc::new(tracker));
        }
        let stored = tracker.store.labels()?;
        let labels = stored.and_then(|stored| Labels::from_stored(stored).ok());
        let (labels, basis, whole) = match labels {
            Some((labels, basis, retractions)) => {
                let whole = labels.rows == state.rows
                    && retractions == state.retractions.len() as u64;
                (Some(Arc::new(labels)), basis, whole)
            }
            None => (None, [0; 32], false),
        };
        tracker.live.expose(tracker.state(labels, &state, !whole), basis);
        Ok(Arc::new(tracker))
    }
}

impl Tracker {
    /// Works until told to stop. Blocks.
    pub(super) fn run(&self) {
        loop {
            let taken = {
                let mut work = self.work();
                while !work.stop && !self.has_work(&work) {
                    work = self.bell.wait(work).unwrap_or_else(PoisonError::into_inner);
                }
                if work.stop {
                    return;
                }
                work.busy = true;
                work.waiting = 0;
                Taken {
                    appended: std::mem::take(&mut work.appended),
                    retracted: std::mem::take(&mut work.retracted),
                    lists_changed: std::mem::take(&mut work.lists_changed),
                }
            };
            let done = self.catch_up(taken);
            let mut work = self.work();
            work.busy = false;
            if let Err(error) = done {
                tracing::error!(%error, "exposure cannot be kept up to date");
                work.failed = Some(error.to_string());
                self.live.fall_behind();
            }
            drop(work);
            self.bell.notify_all();
        }
    }

    fn has_work(&self, work: &Work) -> bool {
        let unread = || self.world.read().unwrap_or_else(PoisonError::into_inner).is_none();
        work.failed.is_none() && (!work.is_idle() || work.wanted && unread())
    }

    /// Brings the graph and the labels to what is stored and listed, and puts them into force.
    fn catch_up(&self, taken: Taken) -> Result<(), EngineError> {
        let mut slot = self.world.write().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = false;
        let world = match &mut *slot {
            Some(world) => world,
            None => {
                fresh = true;
                slot.insert(self.read_in()?)
            }
        };
        for (first_row, rows) in &taken.appended {
            world.append(*first_row, rows);
        }
        for retraction in &taken.retracted {
            world.retract(&retraction.chain, retraction.from_height, retraction.rows);
        }
        let Some(snapshot) = self.live.snapshot.load_full() else { return Ok(()) };
        let basis = snapshot.basis();
        if fresh || taken.lists_changed {
            let (sources, stops) = parties(snapshot.lists().iter(), snapshot.categories(), None);
            world.set_parties(sources, stops, basis);
        }
        let state = self.ingestor.heads();
        let relabelled = world.relabel();
        self.persist(&relabelled)?;
        let labels = Some(relabelled.labels);
        self.live.expose(self.state(labels, &state, false), basis);
        Ok(())
    }
}
