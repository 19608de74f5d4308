//! Opens the store, and reopens it after a failed write. A store that cannot be written to is
//! opened as a private read-only copy.
//!
//! After a failed write memory may differ from what is durable, and sled accepts no more writes. So
//! the database is closed, opened and recovered as at a start, once there is space. Acknowledged
//! data is then present; the failed change is present completely or not at all. Callers with state
//! derived from the store compare [`Store::openings`] and reload it.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, TryLockError};

use super::database::{Database, Fallback, Open, Tree};
use super::files::{PAUSE, TRIES};
use super::{
    Store, StoreError, Writer, backup, check_schema, files, heads, make_private, transfers,
};

use crate::domain::lock::Recover;

/// Attempts to lock the database on reopening: some five seconds, for readers that have not ended
/// yet.
const REOPEN_TRIES: u32 = 250;

/// The result of reopening the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopening {
    NotNeeded,
    /// There is no space yet, or a backup is running.
    NotYet,
    Done,
}

/// Opens sled's database in a directory, waiting briefly for its lock. Errors, and panics of sled
/// over unreadable files, name the directory.
pub(super) fn open_with_retry(
    dir: &Path,
    cache_bytes: u64,
    most: u32,
) -> Result<sled::Db, StoreError> {
    let is_lock = |error: &sled::Error| matches!(error, sled::Error::Io(e) if e.to_string().contains("could not acquire lock"));
    let open = || sled::Config::new().path(dir).cache_capacity(cache_bytes).open();
    let unreadable = |what: String| StoreError::Unreadable { dir: dir.to_owned(), what };
    let mut tries = 1;
    loop {
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(error)) if is_lock(&error) && tries < most => std::thread::sleep(PAUSE),
            Ok(Err(error)) if is_lock(&error) => {
                return Err(StoreError::Locked { dir: dir.into() });
            }
            Ok(Err(sled::Error::Io(source))) => {
                return Err(StoreError::Io { path: dir.to_owned(), source });
            }
            Ok(Err(source)) => return Err(unreadable(source.to_string())),
            Err(_) => return Err(unreadable("its files do not fit together".to_owned())),
        }
        tries += 1;
    }
}

/// Opens the store's own database for writing.
fn open_own(dir: &Path, cache_bytes: u64, tries: u32) -> Result<Open, StoreError> {
    files::prepare(dir, tries)?;
    let db = open_with_retry(dir, cache_bytes, tries)?;
    check_schema(&db, dir, heads::read(dir)?.as_ref())?;
    let path = dir.join("db");
    let file = File::open(&path).map_err(|source| StoreError::Io { path, source })?;
    Open::new(db, file, None)
}

/// Opens a private copy, since the database cannot be written to.
fn open_copy(dir: &Path, cache_bytes: u64, why: &StoreError) -> Result<Open, StoreError> {
    let files::PrivateCopy { lock, dir: copy, has_blobs } = files::copy(dir)?;
    let db = open_with_retry(copy.path(), cache_bytes, TRIES)?;
    check_schema(&db, dir, heads::read(dir)?.as_ref())?;
    // sled has its file open. Without a name the copy vanishes with the process.
    let kept = has_blobs.then_some(copy);
    tracing::warn!(
        dir = %dir.display(), %why,
        "store not writable, serving a private read-only copy"
    );
    Open::new(db, lock, Some(Fallback { why: why.to_string(), _dir: kept }))
}

/// Opens the store's own database, or a private copy if there is no space or permission to write.
fn open_or_copy(dir: &Path, cache_bytes: u64) -> Result<Open, StoreError> {
    open_own(dir, cache_bytes, TRIES).or_else(|error| open_fallback(dir, cache_bytes, error))
}

/// Opens a copy if `error` means that nothing can be written; otherwise returns the error.
#[expect(clippy::wildcard_enum_match_arm, reason = "other errors pass as they are")]
fn open_fallback(dir: &Path, cache_bytes: u64, error: StoreError) -> Result<Open, StoreError> {
    let is_empty = || std::fs::metadata(dir.join("db")).map_or(true, |found| found.len() == 0);
    if !error.is_out_of_space() || is_empty() {
        return Err(error);
    }
    open_copy(dir, cache_bytes, &error).map_err(|copying| match copying {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => error,
        StoreError::Io { .. } | StoreError::Engine { .. } => StoreError::NoCopy {
            dir: dir.to_owned(),
            why: error.to_string(),
            copying: copying.to_string(),
        },
        copying => copying,
    })
}

impl Store {
    /// Opens the store under `data_dir` with `cache_bytes` of page cache. Creates it if absent,
    /// readable by its owner only. Removes leftovers of unfinished publications. On a full or
    /// read-only disk the store can be read, and refuses changes ([`Store::refusal`]).
    pub fn open(data_dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let dir = data_dir.join("store");
        make_private(&dir).map_err(|source| StoreError::Io { path: dir.clone(), source })?;
        let database = Arc::new(Database::new(open_or_copy(&dir, cache_bytes)?, &dir));
        let segment_file = transfers::SegmentFile::open(&dir)?;
        let [
            lists,
            versions,
            rows,
            changes,
            superseded,
            snapshots,
            policies,
            transfers,
            segments,
            labels,
            looks,
            settings,
            bases,
            coverage,
        ] = Tree::all(&database);
        let store = Self {
            database,
            lists,
            versions,
            rows,
            changes,
            superseded,
            snapshots,
            policies,
            transfers,
            segments,
            segment_file,
            labels,
            looks,
            settings,
            bases,
            coverage,
            check_log: Mutex::default(),
            dir,
            cache_bytes,
            acknowledged: AtomicU64::new(0),
            numbers: Mutex::default(),
            writer: Mutex::default(),
            failure: Mutex::default(),
            openings: AtomicU64::new(1),
            log: RwLock::default(),
            segment_cache: Mutex::default(),
            label_writer: Mutex::default(),
            pins: backup::Pins::default(),
        };
        let recovered = store.recover_all().and_then(|()| store.sync_places(data_dir));
        if let Err(error) = recovered {
            if store.database.fallback_reason().is_some() || !error.is_out_of_space() {
                return Err(error);
            }
            let copy = || open_fallback(&store.dir, cache_bytes, error);
            store.database.replace(copy)?;
            store.recover_all()?;
        }
        Ok(store)
    }

    /// Makes the directory entries of the store durable.
    fn sync_places(&self, data_dir: &Path) -> Result<(), StoreError> {
        for made in [&*self.dir, data_dir] {
            let synced = File::open(made).and_then(|dir| dir.sync_all());
            synced.map_err(|source| StoreError::Io { path: made.to_owned(), source })?;
        }
        Ok(())
    }

    /// Fails if the database is behind `heads`. Removes leftovers of unfinished changes, and loads
    /// what is kept in memory.
    fn recover_all(&self) -> Result<(), StoreError> {
        self.check_heads(heads::read(&self.dir)?.as_ref())?;
        self.recover()?;
        self.recover_transfers()?;
        self.recover_coverage()?;
        self.recover_labels()?;
        self.recover_checks()
    }

    /// Returns how often the database was opened. Data read before the last opening may be
    /// outdated.
    pub fn openings(&self) -> u64 {
        self.openings.load(Ordering::Acquire)
    }

    /// Reopens the store if it refuses changes and there is space. Blocks; readers wait while the
    /// database is closed.
    pub fn reopen(&self) -> Result<Reopening, StoreError> {
        if self.refusal().is_none() {
            return Ok(Reopening::NotNeeded);
        }
        let _labels = self.label_writer.lock().recover();
        let mut writer = self.lock();
        let is_busy = self.pins.are_held();
        if is_busy || self.misplaced().is_some() || files::check_space(&self.dir, true).is_err() {
            return Ok(Reopening::NotYet);
        }
        let opened = self.database.replace(|| open_own(&self.dir, self.cache_bytes, REOPEN_TRIES));
        if let Err(error) = opened {
            // Reading continues.
            self.fail(error.to_string());
            self.database.replace(|| open_fallback(&self.dir, self.cache_bytes, error))?;
            self.recover_all()?;
            return Ok(Reopening::NotYet);
        }
        self.segment_file.open_again()?;
        self.segment_cache.lock().recover().clear();
        self.recover_all().inspect_err(|error| self.fail(error.to_string()))?;
        *writer = Writer::default();
        *self.failure() = None;
        self.openings.fetch_add(1, Ordering::AcqRel);
        Ok(Reopening::Done)
    }

    /// Returns why changes are refused, if they are. While a change is being written they are
    /// accepted.
    pub fn refusal(&self) -> Option<StoreError> {
        self.unusable().or_else(|| self.is_broken().then_some(StoreError::Broken))
    }

    /// Returns why the open files cannot be written to, if so.
    pub(super) fn unusable(&self) -> Option<StoreError> {
        if let Some(path) = self.misplaced() {
            return Some(StoreError::Removed { path });
        }
        let why = self.database.fallback_reason()?;
        Some(StoreError::ReadOnly { dir: self.dir.clone(), why })
    }

    fn is_broken(&self) -> bool {
        self.failure().is_some()
            || match self.writer.try_lock() {
                Ok(writer) => writer.broken,
                // A writer that panicked has left `broken` set.
                Err(TryLockError::Poisoned(writer)) => writer.into_inner().broken,
                Err(TryLockError::WouldBlock) => false,
            }
    }

    /// Returns the write error after which changes are refused, if known.
    pub fn failed_write(&self) -> Option<String> {
        self.failure().clone()
    }

    /// Returns a file of the store that was removed, moved or replaced since it was opened.
    fn misplaced(&self) -> Option<PathBuf> {
        let db = self.dir.join("db");
        let is_in_place = self.database.with(|open| files::is_in_place(&db, &open.file));
        if is_in_place.is_ok_and(|is_in_place| !is_in_place) {
            return Some(db);
        }
        if !self.segment_file.is_in_place() {
            return Some(self.dir.join("segments"));
        }
        // Replaced at every change, so never the same file; a copy writes none.
        let heads = heads::path(&self.dir);
        let found = std::fs::metadata(&heads).map_err(|error| error.kind());
        let is_gone = found.is_err_and(|kind| kind == io::ErrorKind::NotFound);
        (is_gone && self.database.fallback_reason().is_none()).then_some(heads)
    }
}
