//! The only writer of lists: reads a file, applies it to the current list, makes it durable, and
//! makes it current.

mod amend;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::log_notes::log_notes;
use super::memory_limits::{MemoryLimits, TooLarge};
use super::not_stored::{NotStored, Origin};
use super::settings::ListSettings;
use super::{RefreshError, lock};
use crate::domain::list::{
    ChangeKind, DeclaredCheck, ListCheck, ListCounts, ListId, ListState, Provenance, ReadList,
};
use crate::domain::list_change::ListingChange;
use crate::domain::publication::{
    BackfillContext, Backfilled, Context, Force, Gates, OldFile, Outcome, SourceFingerprint, apply,
    backfill,
};
use crate::source::{self, Bounds, Include, ParsedFile};
use crate::store::{Changes, Store, StoreError};

pub use amend::Amendment;

/// The clock; tests supply their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The result of a publication or of a source check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A new version is in force.
    Published {
        list: ListId,
        version: u64,
        counts: ListCounts,
        /// Rows that are new or listed again.
        added: u64,
        /// Rows whose facts or party changed.
        updated: u64,
        /// Rows that no longer count.
        removed: u64,
        /// Rows newly missing whose removal is pending; of this version only.
        pending: u64,
        /// Rows that came back before their removal was confirmed.
        cancelled: u64,
    },
    /// The content is unchanged.
    Unchanged { list: ListId },
}

/// Options for publishing an imported file.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions<'a> {
    pub force: Option<&'a Force>,
    /// [`Context::ages_by_source`].
    pub ages_by_source: bool,
    /// [`Context::declared`].
    pub declared: Option<&'a DeclaredCheck>,
}

/// The effect that a publication would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// As it would be reported.
    pub report: Report,
    /// The first rows that would be removed, at most [`MAX_LOST`].
    pub lost: Vec<ListingChange>,
}

/// The maximum number of rows of a [`Preview`].
pub const MAX_LOST: usize = 20;

type OnChange = Box<dyn Fn(&[Arc<ListState>], &Report) + Send + Sync>;

/// The owner of the current lists. All changes go through it, one at a time.
pub struct Publisher {
    store: Arc<Store>,
    bounds: Bounds,
    limits: MemoryLimits,
    clock: Clock,
    on_change: OnChange,
    /// By id.
    lists: ArcSwap<Vec<Arc<ListState>>>,
    writer: Mutex<()>,
    /// Held while a file is read.
    reader: Mutex<()>,
    not_stored: NotStored,
    /// The store's opening count when the lists were read.
    opening: AtomicU64,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Publisher {
    /// Reads the current lists from the store. `on_change` is called after each change, in order,
    /// with all lists (by id) and the report, also for a successful check without a new version.
    /// The next change waits for it.
    pub fn open(
        store: Arc<Store>,
        bounds: Bounds,
        clock: Clock,
        on_change: impl Fn(&[Arc<ListState>], &Report) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let opening = AtomicU64::new(store.openings());
        let lists = store.lists()?.into_iter().map(Arc::new).collect();
        Ok(Self {
            store,
            bounds,
            limits: MemoryLimits::default(),
            clock,
            on_change: Box::new(on_change),
            lists: ArcSwap::from_pointee(lists),
            writer: Mutex::default(),
            reader: Mutex::default(),
            not_stored: NotStored::default(),
            opening,
        })
    }

    /// Records in `not_stored` which lists could not be stored.
    pub fn with_not_stored(self, not_stored: NotStored) -> Self {
        Self { not_stored, ..self }
    }

    /// Sets the memory limits.
    pub fn with_memory_limits(self, limits: MemoryLimits) -> Self {
        Self { limits, ..self }
    }

    /// Reloads the lists if the store was reopened since. Blocks.
    pub fn catch_up(&self) -> Result<(), StoreError> {
        let _writer = lock(&self.writer);
        self.catch_up_locked()
    }

    /// A failed change is in the store completely or not at all. The caller holds the writer's
    /// lock.
    fn catch_up_locked(&self) -> Result<(), StoreError> {
        let opening = self.store.openings();
        if self.opening.load(Ordering::Acquire) == opening {
            return Ok(());
        }
        let before = self.lists();
        let mut lists: Vec<_> = self.store.lists()?.into_iter().map(Arc::new).collect();
        for list in &mut lists {
            if let Some(known) = before.iter().find(|known| **known == *list) {
                *list = Arc::clone(known);
            }
        }
        self.opening.store(opening, Ordering::Release);
        if lists != *before {
            let lists = Arc::new(lists);
            self.lists.store(Arc::clone(&lists));
            for list in lists.iter().filter(|list| !before.contains(list)) {
                (self.on_change)(&lists, &Report::Unchanged { list: list.version.id.clone() });
            }
        }
        Ok(())
    }

    /// Returns every current list, by id. Never blocks on a writer.
    pub fn lists(&self) -> Arc<Vec<Arc<ListState>>> {
        self.lists.load_full()
    }

    /// Returns one current list; `None` if it was never published.
    pub fn list(&self, id: &ListId) -> Option<Arc<ListState>> {
        let lists = self.lists.load();
        let at = lists.binary_search_by(|state| state.version.id.cmp(id)).ok()?;
        Some(Arc::clone(&lists[at]))
    }

    /// Returns the permit to read a file and publish it. There is one, because building a list
    /// takes up to a kilobyte of memory per row. Blocks.
    pub fn reader_permit(&self) -> MutexGuard<'_, ()> {
        lock(&self.reader)
    }

    /// The store, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Publishes an imported file. Blocks.
    pub fn publish_file(
        &self,
        settings: &ListSettings,
        path: &Path,
        provenance: &Provenance,
        by_hand: ImportOptions<'_>,
    ) -> Result<Report, RefreshError> {
        let name = match provenance {
            Provenance::Import(name) | Provenance::Source(name) => name.clone(),
            Provenance::Starter | Provenance::Backfill(_) => path.display().to_string(),
        };
        let _turn = self.reader_permit();
        let reading = self.read(settings, path, &name)?;
        self.publish_list(settings, &reading.list, provenance, by_hand)
    }

    /// As [`Publisher::publish_file`], for a parsed list.
    pub fn publish_list(
        &self,
        settings: &ListSettings,
        incoming: &ReadList,
        provenance: &Provenance,
        by_hand: ImportOptions<'_>,
    ) -> Result<Report, RefreshError> {
        self.publish(settings, incoming, provenance, by_hand, None)
    }

    /// Returns the effect that [`Publisher::publish_list`] would have now. Changes nothing.
    pub fn preview(
        &self,
        settings: &ListSettings,
        incoming: &ReadList,
        provenance: &Provenance,
        by_hand: ImportOptions<'_>,
    ) -> Result<Preview, RefreshError> {
        let _writer = lock(&self.writer);
        self.catch_up_locked()?;
        self.preview_locked(settings, incoming, provenance, by_hand)
    }

    /// The caller holds the writer's lock.
    fn preview_locked(
        &self,
        settings: &ListSettings,
        incoming: &ReadList,
        provenance: &Provenance,
        by_hand: ImportOptions<'_>,
    ) -> Result<Preview, RefreshError> {
        let gates = settings.gates();
        let context = self.context(settings, &gates, provenance, by_hand, None);
        match apply(self.list(&settings.id).as_deref(), incoming, &context)? {
            Outcome::Unchanged { .. } => {
                let report = Report::Unchanged { list: settings.id.clone() };
                Ok(Preview { report, lost: Vec::new() })
            }
            Outcome::Published { state, changes } => {
                self.check_room(&state, provenance)?;
                let report = published(&state, &changes);
                let lost = changes.into_iter().filter(|it| it.kind == ChangeKind::Removed);
                Ok(Preview { report, lost: lost.take(MAX_LOST).collect() })
            }
        }
    }

    fn context<'a>(
        &self,
        settings: &'a ListSettings,
        gates: &'a Gates,
        provenance: &'a Provenance,
        by_hand: ImportOptions<'a>,
        source: Option<SourceFingerprint>,
    ) -> Context<'a> {
        Context {
            id: &settings.id,
            kind: settings.kind,
            provenance,
            now: self.now(),
            next_version: self.store.next_version(),
            gates,
            force: by_hand.force,
            ages_by_source: by_hand.ages_by_source,
            source,
            declared: by_hand.declared,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) fn read(
        &self,
        settings: &ListSettings,
        path: &Path,
        name: &str,
    ) -> Result<ParsedFile, RefreshError> {
        let is_source = settings.url.is_none() && settings.path.as_deref() == Some(path);
        let include = if is_source { Include::Beside(path) } else { Include::Refused };
        let reading = source::read_reported(path, settings.format, include, &self.bounds)
            .map_err(|source| RefreshError::Read { file: name.to_owned(), source })?;
        log_notes(&settings.id, &reading.report);
        Ok(reading)
    }

    /// Applies a publication and makes it durable; `source` is set if it came from the list's
    /// source.
    pub(super) fn publish(
        &self,
        settings: &ListSettings,
        incoming: &ReadList,
        provenance: &Provenance,
        by_hand: ImportOptions<'_>,
        source: Option<SourceFingerprint>,
    ) -> Result<Report, RefreshError> {
        let _writer = lock(&self.writer);
        let from = Origin::from_provenance(provenance);
        self.catch_up_locked().inspect_err(|_| self.record_stored(&settings.id, false, from))?;
        self.publish_locked(settings, incoming, provenance, by_hand, source)
    }

    /// The caller holds the writer's lock.
    fn publish_locked(
        &self,
        settings: &ListSettings,
        incoming: &ReadList,
        provenance: &Provenance,
        by_hand: ImportOptions<'_>,
        source: Option<SourceFingerprint>,
    ) -> Result<Report, RefreshError> {
        let from = Origin::from_provenance(provenance);
        let current = self.list(&settings.id);
        let gates = settings.gates();
        let context = self.context(settings, &gates, provenance, by_hand, source);
        match apply(current.as_deref(), incoming, &context)? {
            Outcome::Unchanged { check } => self.store_check(settings, current, check, from),
            Outcome::Published { state, changes } => {
                if let Err(too_large) = self.check_room(&state, provenance) {
                    // The source's current content is not in force.
                    if from == Origin::Source {
                        self.record_stored(&settings.id, false, from);
                    }
                    return Err(too_large.into());
                }
                if let Err(error) = self.store.publish(&state, Changes::Publication(&changes)) {
                    self.record_stored(&settings.id, false, from);
                    return Err(error.into());
                }
                self.not_stored.record(&settings.id, true, from);
                let report = published(&state, &changes);
                tracing::info!(
                    list = %settings.id,
                    version = state.version.version,
                    listings = state.version.counts.listings,
                    quarantined = state.version.counts.quarantined,
                    removals_pending = state.version.counts.removals_pending,
                    changes = changes.len(),
                    "list version published",
                );
                self.set_current(state, &report);
                Ok(report)
            }
        }
    }

    /// Backfills old publications into a list and makes that durable, or only previews it in a dry
    /// run. Blocks.
    pub fn backfill(
        &self,
        settings: &ListSettings,
        files: Vec<OldFile>,
        is_trial: bool,
    ) -> Result<Backfilled, RefreshError> {
        let _writer = lock(&self.writer);
        self.catch_up_locked()?;
        let id = &settings.id;
        let current = self.list(id).ok_or_else(|| RefreshError::UnknownList(id.clone()))?;
        let gates = settings.gates();
        let (now, next_version) = (self.now(), self.store.next_version());
        let context = BackfillContext { now, next_version, gates: &gates };
        let done = backfill(&current, &self.store.history(id)?, files, context)?;
        let Some(state) = &done.state else { return Ok(done) };
        self.check_room(state, &state.version.provenance)?;
        if is_trial {
            return Ok(done);
        }
        self.store.publish(state, Changes::Backfill(&done.changes))?;
        tracing::info!(
            list = %id,
            version = state.version.version,
            files = done.files.iter().filter(|file| !file.was_known).count(),
            rows_found = done.rows_found,
            rows_redated = done.rows_redated,
            "list history backfilled",
        );
        self.set_current(state.clone(), &published(state, &[]));
        Ok(done)
    }

    fn check_room(&self, state: &ListState, provenance: &Provenance) -> Result<(), TooLarge> {
        self.limits.check(state, &self.lists(), Origin::from_provenance(provenance) == Origin::Hand)
    }

    /// Records that the source is unchanged since `basis`; `None` if the list changed since.
    pub(super) fn confirm(
        &self,
        settings: &ListSettings,
        basis: &ListCheck,
        seen: SourceFingerprint,
    ) -> Result<Option<Report>, RefreshError> {
        let _writer = lock(&self.writer);
        self.catch_up_locked()?;
        let current = self.list(&settings.id).filter(|state| state.check == *basis);
        if current.is_none() {
            return Ok(None);
        }
        let check = ListCheck {
            succeeded_at: Some(self.now()),
            published: basis.published,
            file_digest: seen.file_digest,
            etag: seen.etag,
            last_modified: seen.last_modified,
            source: seen.source,
            declared: None,
        };
        self.store_check(settings, current, check, Origin::Source).map(Some)
    }

    fn store_check(
        &self,
        settings: &ListSettings,
        current: Option<Arc<ListState>>,
        check: ListCheck,
        from: Origin,
    ) -> Result<Report, RefreshError> {
        let report = Report::Unchanged { list: settings.id.clone() };
        // Only a loaded list can be unchanged.
        if let Some(state) = current.filter(|state| state.check != check) {
            self.store.record_check(&settings.id, &check)?;
            self.not_stored.record(&settings.id, true, from);
            self.set_current(ListState { check, ..ListState::clone(&state) }, &report);
        }
        self.record_stored(&settings.id, true, from);
        Ok(report)
    }

    /// Records that new content of a list's source did not fit in memory or on disk.
    pub(super) fn record_not_stored(&self, id: &ListId) {
        let _writer = lock(&self.writer);
        self.record_stored(id, false, Origin::Source);
    }

    /// Records whether the last read content of a list is in force, and reports a change. The
    /// caller holds the writer's lock.
    fn record_stored(&self, id: &ListId, is_stored: bool, from: Origin) {
        if self.not_stored.record(id, is_stored, from) {
            (self.on_change)(&self.lists(), &Report::Unchanged { list: id.clone() });
        }
    }

    /// Replaces the current list with a durable one. The caller holds the writer's lock.
    fn set_current(&self, state: ListState, report: &Report) {
        let mut lists = Vec::clone(&self.lists.load());
        match lists.binary_search_by(|known| known.version.id.cmp(&state.version.id)) {
            Ok(at) => lists[at] = Arc::new(state),
            Err(at) => lists.insert(at, Arc::new(state)),
        }
        let lists = Arc::new(lists);
        self.lists.store(Arc::clone(&lists));
        (self.on_change)(&lists, report);
    }
}

fn published(state: &ListState, changes: &[ListingChange]) -> Report {
    let count =
        |kind: ChangeKind| changes.iter().filter(|change| change.kind == kind).count() as u64;
    Report::Published {
        list: state.version.id.clone(),
        version: state.version.version,
        counts: state.version.counts,
        added: count(ChangeKind::Added),
        updated: count(ChangeKind::Updated),
        removed: count(ChangeKind::Removed),
        pending: count(ChangeKind::RemovalPending),
        cancelled: count(ChangeKind::RemovalCancelled),
    }
}
