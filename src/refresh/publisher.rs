//! The one writer of lists: reads a file, applies it to what stands, makes it durable, shows it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::settings::ListSettings;
use super::{RefreshError, lock};
use crate::domain::list::{
    ChangeKind, ListCheck, ListCounts, ListId, ListState, ListingChange, Provenance, ReadList,
};
use crate::domain::publication::{Context, Outcome, SourceMark, apply};
use crate::source::{self, Bounds};
use crate::store::{Store, StoreError};

/// Tells the time; tests hand in their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a publication or a look at a source did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A new version is in force.
    Published {
        /// The list.
        list: ListId,
        /// Its number.
        version: u64,
        /// What it holds.
        counts: ListCounts,
        /// Rows that are new or listed again.
        added: u64,
        /// Rows whose facts or party changed.
        updated: u64,
        /// Rows that no longer count.
        removed: u64,
        /// Rows that are gone but count until that is confirmed; those of this version only.
        pending: u64,
        /// Rows that came back before their removal was confirmed.
        cancelled: u64,
    },
    /// It says what stands already.
    Unchanged {
        /// The list.
        list: ListId,
    },
}

type OnChange = Box<dyn Fn(&[Arc<ListState>], &Report) + Send + Sync>;

/// The owner of the lists as they stand. All that changes them goes through it, one at a time.
pub struct Publisher {
    store: Arc<Store>,
    bounds: Bounds,
    clock: Clock,
    on_change: OnChange,
    /// By id.
    lists: ArcSwap<Vec<Arc<ListState>>>,
    writer: Mutex<()>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Publisher {
    /// Reads what stands from the store. `on_change` is called after each change, in their order,
    /// with all lists (by id) and what happened, a successful look at a source without a new
    /// version among it; the next change waits for it.
    pub fn open(
        store: Arc<Store>,
        bounds: Bounds,
        clock: Clock,
        on_change: impl Fn(&[Arc<ListState>], &Report) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let lists = store.lists()?.into_iter().map(Arc::new).collect();
        Ok(Self {
            store,
            bounds,
            clock,
            on_change: Box::new(on_change),
            lists: ArcSwap::from_pointee(lists),
            writer: Mutex::default(),
        })
    }

    /// Every list as it stands, by id. Waits for no writer.
    pub fn lists(&self) -> Arc<Vec<Arc<ListState>>> {
        self.lists.load_full()
    }

    /// One list as it stands; `None` if it was never published.
    pub fn list(&self, id: &ListId) -> Option<Arc<ListState>> {
        let lists = self.lists.load();
        let at = lists.binary_search_by(|state| state.version.id.cmp(id)).ok()?;
        Some(Arc::clone(&lists[at]))
    }

    /// The store, for what is read from it alone.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Publishes a file that was handed in, not fetched from the list's source. `force` is the
    /// reason to override the gates. Blocks.
    pub fn publish_file(
        &self,
        settings: &ListSettings,
        path: &Path,
        provenance: &Provenance,
        force: Option<&str>,
    ) -> Result<Report, RefreshError> {
        let name = match provenance {
            Provenance::Import(name) | Provenance::Source(name) => name.clone(),
            Provenance::Starter => path.display().to_string(),
        };
        self.publish_list(settings, &self.read(settings, path, &name)?, provenance, force)
    }

    /// As [`Publisher::publish_file`], of a list that was read already.
    pub fn publish_list(
        &self,
        settings: &ListSettings,
        incoming: &ReadList,
        provenance: &Provenance,
        force: Option<&str>,
    ) -> Result<Report, RefreshError> {
        self.publish(settings, incoming, provenance, force, None)
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) fn read(
        &self,
        settings: &ListSettings,
        path: &Path,
        name: &str,
    ) -> Result<ReadList, RefreshError> {
        source::read_file(path, settings.format, &self.bounds)
            .map_err(|source| RefreshError::Read { file: name.to_owned(), source })
    }

    /// Applies a publication and makes it durable; `source` is given if it came from the list's
    /// source.
    pub(super) fn publish(
        &self,
        settings: &ListSettings,
        incoming: &ReadList,
        provenance: &Provenance,
        force: Option<&str>,
        source: Option<SourceMark>,
    ) -> Result<Report, RefreshError> {
        let _writer = lock(&self.writer);
        let current = self.list(&settings.id);
        let context = Context {
            id: &settings.id,
            kind: settings.kind,
            provenance,
            now: self.now(),
            next_version: self.store.next_version(),
            gates: &settings.gates(),
            force,
            source,
        };
        match apply(current.as_deref(), incoming, &context)? {
            Outcome::Unchanged { check } => self.keep_check(settings, current, check),
            Outcome::Published { state, changes } => {
                self.store.publish(&state, &changes)?;
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
                self.show(state, &report);
                Ok(report)
            }
        }
    }

    /// Notes that the source still says what it said at `basis`; `None` if the list changed since.
    pub(super) fn confirm(
        &self,
        settings: &ListSettings,
        basis: &ListCheck,
        seen: SourceMark,
    ) -> Result<Option<Report>, RefreshError> {
        let _writer = lock(&self.writer);
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
        };
        self.keep_check(settings, current, check).map(Some)
    }

    fn keep_check(
        &self,
        settings: &ListSettings,
        current: Option<Arc<ListState>>,
        check: ListCheck,
    ) -> Result<Report, RefreshError> {
        let report = Report::Unchanged { list: settings.id.clone() };
        // Only a list that stands can be unchanged.
        if let Some(state) = current.filter(|state| state.check != check) {
            self.store.record_check(&settings.id, &check)?;
            self.show(ListState { check, ..ListState::clone(&state) }, &report);
        }
        Ok(report)
    }

    /// Puts a list that is durable in the place of the one before. The writer's lock is held.
    fn show(&self, state: ListState, report: &Report) {
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
