//! The engine: lists, transfers, exposure, policies and the current snapshot behind one interface, which
//! gRPC and the command line call.

mod backfill;
mod backup;
mod changes;
mod clusters;
mod current;
pub mod decision_log;
mod error;
mod graph_queries;
mod graph_search;
mod history;
mod hubs;
mod import;
mod joins;
mod not_rebuilt;
mod past_lists;
mod past_snapshot;
mod paths;
mod payment;
mod policies;
mod readiness;
mod rebuilt_snapshot;
mod starter_lists;
mod store_watch;
mod tags;
mod trace;
mod tracker;
mod transfer_ingest;
mod types;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

pub use crate::refresh::{Cause, Difference, ProbeReport, Seen, SourceCheck, SourceReport};
pub use backfill::{Backfill, BackfillFile};
pub use backup::check_named_record;
pub use clusters::{MemberJoin, MemberRow, MembersPage, MembersQuery};
use current::{CurrentSnapshot, DEFAULT_MAX_AGE, SnapshotInputs};
use decision_log::DecisionLog;
pub use error::EngineError;
use error::internal;
pub use graph_queries::EvidencedScreening;
pub use history::ListAsOf;
pub use hubs::{HubRow, HubsPage, HubsQuery};
pub use import::Upload;
pub use not_rebuilt::NotRebuilt;
pub use past_snapshot::PastSnapshot;
pub use payment::{PaymentContext, PaymentProjection};
use policies::Policies;
pub use policies::{PolicyOverview, PolicyWatch, StandingPolicy};
pub use readiness::Readiness;
pub use rebuilt_snapshot::{RebuildLimits, Rebuilder, RebuiltSnapshot};
pub use store_watch::StoreWatch;
pub use tags::{TagReport, TagRequest};
use tracker::Tracker;
pub use transfer_ingest::IngestSession;
pub use types::{
    AppendedSummary, CounterpartyPage, CounterpartyQuery, CounterpartyRow, DirectValue,
    EndEvidence, ExposureEvidence, HeadOverview, HopEvidence, JoinChainEvidence, JoinEvidence,
    JoinedEvidence, PathEvidence, Trace, TraceQuery, TransferHeads,
};
pub use types::{
    Changes, ChangesSince, DatedChange, Declaration, Import, ListOverview, Publication,
};

use crate::config::Config;
use crate::domain::duration;
use crate::domain::list::{ListId, ListKind, ListState};
use crate::domain::publication::Gates;
use crate::ingest::Ingestor;
use crate::refresh::{
    Clock, FetchLimits, Fetcher, ListSettings, MemoryLimits, NotStored, Publisher, Refresher,
    Remote, Report, Stop,
};
use crate::screening::ListAge;
use crate::screening::categories::Categories;
use crate::screening::snapshot::{ListTerms, Snapshot, SnapshotRecord, parse_id};
use crate::source::{self, Bounds, CsvHead};
use crate::store::backup::remove_leftovers;
use crate::store::{MAX_NAME, Store};

/// The most bytes of all uploads in flight.
pub const MAX_UPLOAD: u64 = 1 << 30;

/// The most bytes of one upload, and of all uploads of one caller in flight.
pub const MAX_FILE: u64 = MAX_UPLOAD / 2;

/// Edge budget of a search for one address: a few tenths of a second.
const BUDGET: u64 = 2_000_000;

/// Prefix of the names of uploaded files; leftovers are found by it.
const UPLOAD: &str = "lazaretto-upload-";

#[derive(Debug)]
pub struct Engine {
    publisher: Arc<Publisher>,
    refresher: Arc<Refresher>,
    current: Arc<CurrentSnapshot>,
    ingestor: Ingestor,
    tracker: Arc<Tracker>,
    policies: Policies,
    /// The tracker's thread; it holds the store until it ends.
    tracking: Option<JoinHandle<()>>,
    settings: Vec<ListSettings>,
    offline: bool,
    uploads: PathBuf,
    uploading: Arc<import::Uploading>,
    /// Why the store's files cannot be used, as of the last check.
    misplaced: Mutex<Option<String>>,
    /// Held while a backup is made: one at a time.
    backup: Mutex<()>,
    histories: history::Histories,
    past: past_snapshot::PastSnapshotCache,
    decision_log: Option<DecisionLog>,
    clock: EngineClock,
}

/// A [`Clock`] that can be printed.
struct EngineClock(Clock);

impl fmt::Debug for EngineClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.tracker.stop();
        if let Some(tracking) = self.tracking.take()
            && tracking.join().is_err()
        {
            tracing::error!("exposure thread panicked");
        }
    }
}

/// The background refresh of the configured sources; ends when dropped.
#[derive(Debug)]
pub struct RefreshTask(Arc<Stop>);

impl Drop for RefreshTask {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Engine {
    /// Opens the store, loads the starter lists where nothing newer is stored, and publishes the first
    /// snapshot.
    pub fn open(config: &Config, clock: Clock) -> Result<Arc<Self>, EngineError> {
        remove_leftovers(&config.data_dir);
        // Open the store first: if a server holds it, the command becomes a client and needs no
        // policy file.
        let store = Arc::new(Store::open(&config.data_dir, config.cache_mib << 20)?);
        let decision_log = DecisionLog::new(&config.decision_log, &config.data_dir, clock.clone())?;
        let policies = Policies::open(config, clock())?;
        let current = Arc::new(CurrentSnapshot {
            snapshot: ArcSwapOption::empty(),
            changed: watch::Sender::new(()),
            terms: config.lists.iter().map(terms_of).collect(),
            stale_allowed: config.allow_stale,
            categories: Arc::new(Categories {
                service: config.exposure.service_categories.clone(),
                risk: config.exposure.risk_categories.clone(),
            }),
            store: store.clone(),
            not_stored: NotStored::default(),
            is_record_lost: AtomicBool::new(false),
            inputs: Mutex::new(SnapshotInputs::with_policies(policies.pair())),
        });
        store_watch::tolerate_refusal(&store, current.save_policies(), "the policies in force")?;
        let now = clock.clone();
        let ingestor = Ingestor::open(store.clone(), move || now());
        let exposure = config.exposure.clone();
        let tracker = Arc::new(Tracker::open(store.clone(), current.clone(), exposure)?);
        store_watch::tolerate_refusal(&store, tracker.save_settings(), "the settings of exposure")?;
        let on_change = {
            let (current, tracker) = (current.clone(), tracker.clone());
            move |states: &[Arc<ListState>], _: &Report| {
                current.publish_lists(states);
                tracker.lists_changed();
            }
        };
        let publisher = Publisher::open(store, Bounds::default(), clock.clone(), on_change)?;
        let [list_mib, lists_mib] =
            [config.limits.list_mib, config.limits.lists_mib].map(|mib| mib as u64);
        let room = MemoryLimits { list_mib, lists_mib, ..MemoryLimits::default() };
        let publisher =
            publisher.with_not_stored(current.not_stored.clone()).with_memory_limits(room);
        let publisher = Arc::new(publisher);
        let fetcher = Fetcher::new(&config.data_dir, FetchLimits::default())
            .map_err(|error| EngineError::Source(error.to_string()))?;
        let refresher = Refresher::new(publisher.clone(), fetcher, &config.lists);
        let mut engine = Self {
            publisher,
            refresher: Arc::new(refresher),
            current,
            ingestor,
            tracker,
            policies,
            tracking: None,
            settings: config.lists.clone(),
            offline: config.offline,
            uploads: upload_dir(config.data_dir.join("upload")),
            uploading: Arc::default(),
            misplaced: Mutex::default(),
            backup: Mutex::default(),
            histories: Mutex::default(),
            past: past_snapshot::PastSnapshotCache::default(),
            decision_log,
            clock: EngineClock(clock),
        };
        if config.starter_lists {
            engine.load_starter_lists()?;
        }
        engine.current.publish_lists(&engine.publisher.lists());
        // An older program may have made the labels in use without storing their basis.
        if engine.current.exposure().labels.is_some() {
            engine.tracker.save_current_basis();
        }
        if engine.current.is_behind() {
            engine.tracker.lists_changed();
        }
        let tracker = engine.tracker.clone();
        let thread = std::thread::Builder::new().name("exposure".to_owned());
        engine.tracking = Some(thread.spawn(move || tracker.run())?);
        Ok(Arc::new(engine))
    }

    /// Waits until labels cover the lists in force and all stored transfers; with `graph` also until
    /// paths can be searched. Blocks.
    pub fn wait_for_exposure(&self, graph: bool) -> Result<(), EngineError> {
        self.tracker.wait_until_current(graph)
    }

    /// Starts loading the stored transfers into the graph, so that paths can be searched.
    pub fn want_graph(&self) {
        self.tracker.want_graph();
    }

    /// Refreshes the configured sources on their schedules, on a thread of its own, until the
    /// task is dropped.
    pub fn start_refresh(self: &Arc<Self>) -> Result<RefreshTask, EngineError> {
        let stop = Arc::new(Stop::default());
        let (refresher, until, offline) = (self.refresher.clone(), stop.clone(), self.offline);
        std::thread::Builder::new()
            .name("refresh".to_owned())
            .spawn(move || refresher.run(&until, offline))?;
        Ok(RefreshTask(stop))
    }

    /// Logs each loaded list with its age, and each required list that is missing.
    pub fn log_lists(&self) {
        let now = self.now();
        let snapshot = self.snapshot();
        for list in snapshot.as_deref().map_or(&[][..], Snapshot::lists) {
            let state = list.state();
            let age = list.age_at(now).map(|age| duration::age(age.as_secs().unsigned_abs()));
            tracing::info!(
                list = %list.id(),
                version = state.version.version,
                kind = %list.kind(),
                listings = state.version.counts.listings,
                published = state.check.published.map(|day| day.to_string()),
                age = age.as_deref().unwrap_or("unknown"),
                "list loaded",
            );
            if let Some(look) = state.check.declared_check_in_force() {
                let by = &*look.by;
                tracing::warn!(
                    list = %list.id(), checked_at = %look.at, by,
                    "list age rests on a declared check of its source",
                );
            }
            if let age @ ListAge::ClockBehind { .. } = list.age(now) {
                tracing::warn!(list = %list.id(), reason = %age, "list dated after the clock");
            }
            if list.counts_as_stale(now) {
                let list = list.id();
                if snapshot.as_deref().is_some_and(Snapshot::stale_allowed) {
                    tracing::warn!(%list, "list is stale, ignored because of allow_stale");
                } else {
                    tracing::warn!(%list, "list is stale, answers are INCOMPLETE");
                }
            }
        }
        let missing = snapshot.as_deref().map(|snapshot| &snapshot.record().missing);
        for list in missing.into_iter().flatten() {
            tracing::warn!(%list, "required list not loaded, answers are INCOMPLETE");
        }
        if snapshot.is_none() {
            tracing::warn!("no list loaded, screenings are refused");
        }
    }

    /// Returns the current snapshot; `None` until a list is loaded. Takes no lock.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.snapshot.load_full()
    }

    /// Returns the current time of the engine's clock.
    ///
    /// In whole microseconds, as the decision log keeps moments: a replay has the same.
    pub fn now(&self) -> Timestamp {
        let now = (self.clock.0)();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Returns the decision log; `None` where the configuration keeps none.
    #[inline]
    pub fn decision_log(&self) -> Option<&DecisionLog> {
        self.decision_log.as_ref()
    }

    /// Reads a list's configured source now. Blocks.
    pub fn refresh(&self, id: &ListId) -> Result<Publication, EngineError> {
        self.must_reach_source(id)?;
        let report = self.refresher.refresh(id)?;
        let file = self.refresher.status(id).and_then(|status| status.last_file);
        Ok(Publication { file, ..report.into() })
    }

    /// Reads a list's configured source now without publishing, and reports what it offers. Blocks.
    pub fn check_source(&self, id: &ListId) -> Result<SourceReport, EngineError> {
        self.must_reach_source(id)?;
        Ok(self.refresher.check(id)?)
    }

    fn must_reach_source(&self, id: &ListId) -> Result<(), EngineError> {
        if self.settings(id).is_none() && self.publisher.list(id).is_none() {
            return Err(EngineError::UnknownList(id.clone()));
        }
        let is_remote = self.settings(id).is_some_and(|settings| settings.url.is_some());
        if self.offline && is_remote {
            return Err(EngineError::Offline);
        }
        Ok(())
    }

    /// Returns every list that is loaded or configured, by id.
    pub fn overview(&self) -> Vec<ListOverview> {
        let snapshot = self.snapshot();
        let lists = snapshot.as_deref().map_or(&[][..], Snapshot::lists);
        let configured = self.settings.iter().map(|settings| settings.id.clone());
        let mut ids: Vec<_> =
            lists.iter().map(|list| list.id().clone()).chain(configured).collect();
        ids.sort();
        ids.dedup();
        ids.into_iter()
            .map(|id| ListOverview {
                settings: self.settings(&id).cloned(),
                loaded: lists.iter().find(|list| *list.id() == id).cloned(),
                source: self.refresher.status(&id),
                source_name: self
                    .settings(&id)
                    .and_then(ListSettings::source_name)
                    .unwrap_or_default(),
                id,
            })
            .collect()
    }

    /// Returns a list's name for people; its id where the configuration names none.
    pub fn list_name<'e>(&'e self, id: &'e ListId) -> &'e str {
        self.settings(id).map_or(id.as_str(), |settings| &settings.name)
    }

    fn settings(&self, id: &ListId) -> Option<&ListSettings> {
        self.settings.iter().find(|settings| settings.id == *id)
    }

    /// Returns the standing rows of a list in Lazaretto's CSV format.
    pub fn export(&self, id: &ListId) -> Result<Vec<u8>, EngineError> {
        let snapshot = self.snapshot();
        let list = snapshot.as_deref().and_then(|snapshot| snapshot.list(id));
        let list = list.ok_or_else(|| EngineError::UnknownList(id.clone()))?;
        let state = list.state();
        let mut out = Vec::new();
        let standing = state.rows.iter().filter(|row| row.is_listed());
        let rows = standing.map(|row| (&row.key, &row.facts));
        let head = CsvHead { published: state.published(), comments: &[] };
        source::write_csv(&mut out, &head, state.parties.iter(), rows)?;
        Ok(out)
    }

    /// Returns the record of a snapshot that was once in force; `None` where the store has none.
    pub fn stored_snapshot(&self, id: &str) -> Result<Option<SnapshotRecord>, EngineError> {
        let parts = parse_id(id).filter(|parts| parts.name.len() <= MAX_NAME);
        let Some(parts) = parts else { return Ok(None) };
        let store = self.publisher.store();
        let Some(stored) = store.snapshot(parts.name)? else { return Ok(None) };
        let mut record = SnapshotRecord::decode(&stored).map_err(internal)?;
        record.transfers.rows = parts.counts.rows;
        record.transfers.retractions = parts.counts.retractions;
        record.transfers.replacements = parts.counts.replacements;
        if let Some(looks) = parts.looks {
            let Some(known) = store.list_ages_at(looks)? else { return Ok(None) };
            for list in &mut record.lists {
                // Each list was checked or published before it was in a snapshot.
                let Some(look) = known.get(&list.id) else { return Ok(None) };
                (list.current_at, list.published) = (look.current_at, look.published);
            }
        }
        Ok(Some(record))
    }
}

/// Creates the upload directory, readable by its owner only, and removes the uploads that a killed
/// process left. A failure is logged and tried again at the next start.
fn upload_dir(dir: PathBuf) -> PathBuf {
    let clear = || {
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UPLOAD) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok::<_, io::Error>(())
    };
    if let Err(error) = clear() {
        tracing::warn!(dir = %dir.display(), %error, "upload directory not emptied");
    }
    dir
}

fn terms_of(settings: &ListSettings) -> ListTerms {
    let max_age = settings.max_age.filter(|_| !settings.is_static);
    ListTerms {
        id: settings.id.clone(),
        name: Some(settings.name.clone()),
        kind: Some(settings.kind),
        required: settings.required,
        max_age: max_age.map(|age| SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX)),
    }
}

/// The settings of a list that the configuration does not name.
fn unconfigured(id: ListId, kind: ListKind) -> ListSettings {
    ListSettings {
        name: id.to_string(),
        id,
        kind,
        url: None,
        remote: Remote::default(),
        path: None,
        format: None,
        required: false,
        is_static: !kind.ages(),
        refresh_interval: Duration::MAX,
        max_age: kind.ages().then_some(DEFAULT_MAX_AGE.unsigned_abs()),
        allow_empty: false,
        max_shrink: Gates::default().max_shrink,
        shrink_window: Gates::default().shrink_window.unsigned_abs(),
        max_not_understood: Gates::default().max_not_understood,
    }
}
