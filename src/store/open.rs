//! Opens the store, and opens it anew after a write that failed. What cannot be written to is opened
//! as a private copy, from which everything can be read.
//!
//! After a failed write what is in memory may differ from what is durable, and sled takes no more.
//! So the database is closed, opened and recovered as at a start, once there is room. What was
//! acknowledged is there then; the change that failed is there whole or not at all. Whoever keeps a
//! state of his own beside the store's compares [`Store::openings`] and reads it again.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

use super::database::{Database, Instead, Open, Tree};
use super::files::{PAUSE, TRIES};
use super::{
    Store, StoreError, Writer, backup, check_schema, files, heads, make_private, transfers,
};

/// How often a locked database is tried by who opens it anew: some five seconds, for readers that
/// have not ended yet.
const TRIES_ANEW: u32 = 250;

/// What became of an attempt to open the store anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopening {
    NotNeeded,
    /// There is no room yet, or a backup is being made.
    NotYet,
    Done,
}

/// sled's database in a directory, waited for a moment where it is locked. An error, or a panic of
/// sled's over files that it does not understand, names the directory.
pub(super) fn open_patiently(
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

/// The store's own database, to be written to.
fn open_own(dir: &Path, cache_bytes: u64, tries: u32) -> Result<Open, StoreError> {
    files::prepare(dir, tries)?;
    let db = open_patiently(dir, cache_bytes, tries)?;
    check_schema(&db, dir, heads::read(dir)?.as_ref())?;
    let path = dir.join("db");
    let file = File::open(&path).map_err(|source| StoreError::Io { path, source })?;
    Open::new(db, file, None)
}

/// A private copy of it, since it cannot be written to.
fn open_copy(dir: &Path, cache_bytes: u64, why: &StoreError) -> Result<Open, StoreError> {
    let files::PrivateCopy { lock, dir: copy, has_blobs } = files::copy(dir)?;
    let db = open_patiently(copy.path(), cache_bytes, TRIES)?;
    check_schema(&db, dir, heads::read(dir)?.as_ref())?;
    // sled has its file open. Without names the copy ends with the process, however that ends.
    let kept = has_blobs.then_some(copy);
    tracing::warn!(
        dir = %dir.display(), %why,
        "the store cannot be written to: what it holds is read from a private copy, and changes are refused"
    );
    Open::new(db, lock, Some(Instead { why: why.to_string(), _dir: kept }))
}

/// The store's own database; where there is no room, or no right, to write to it, a copy.
fn open_any(dir: &Path, cache_bytes: u64) -> Result<Open, StoreError> {
    open_own(dir, cache_bytes, TRIES).or_else(|error| copy_instead(dir, cache_bytes, error))
}

/// A copy where `error` says that nothing can be written; else the error.
fn copy_instead(dir: &Path, cache_bytes: u64, error: StoreError) -> Result<Open, StoreError> {
    let is_empty = || std::fs::metadata(dir.join("db")).map_or(true, |found| found.len() == 0);
    if !error.is_about_room() || is_empty() {
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
    /// Opens the store under `data_dir`, made if absent and then readable by its owner only, with
    /// `cache_bytes` of page cache. Removes what unfinished publications left. On a disk that is
    /// full or read-only it can be read, and refuses changes ([`Store::refusal`]).
    pub fn open(data_dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let dir = data_dir.join("store");
        make_private(&dir).map_err(|source| StoreError::Io { path: dir.clone(), source })?;
        let database = Arc::new(Database::new(open_any(&dir, cache_bytes)?, &dir));
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
            look_log: Mutex::default(),
            dir,
            cache_bytes,
            acknowledged: AtomicU64::new(0),
            numbers: Mutex::default(),
            writer: Mutex::default(),
            failure: Mutex::default(),
            openings: AtomicU64::new(1),
            log: RwLock::default(),
            unpacked: Mutex::default(),
            label_writer: Mutex::default(),
            pins: backup::Pins::default(),
        };
        let recovered = store.recover_all().and_then(|()| store.sync_places(data_dir));
        if let Err(error) = recovered {
            if store.database.instead().is_some() || !error.is_about_room() {
                return Err(error);
            }
            let copy = || copy_instead(&store.dir, cache_bytes, error);
            store.database.replace(copy)?;
            store.recover_all()?;
        }
        Ok(store)
    }

    /// Makes the names of the store's directories durable.
    fn sync_places(&self, data_dir: &Path) -> Result<(), StoreError> {
        for made in [&*self.dir, data_dir] {
            let synced = File::open(made).and_then(|dir| dir.sync_all());
            synced.map_err(|source| StoreError::Io { path: made.to_owned(), source })?;
        }
        Ok(())
    }

    /// Refuses a database that is behind what was acknowledged, removes what changes left that did
    /// not end, and reads what is kept in memory.
    fn recover_all(&self) -> Result<(), StoreError> {
        self.check_heads(heads::read(&self.dir)?.as_ref())?;
        self.recover()?;
        self.recover_transfers()?;
        self.recover_labels()?;
        self.recover_looks()
    }

    /// How often the database was opened: what was read from it before the last time may not be
    /// what it holds.
    pub fn openings(&self) -> u64 {
        self.openings.load(Ordering::Acquire)
    }

    /// Opens the store anew if it refuses changes and there is room. Blocks; readers wait while the
    /// database is closed.
    pub fn reopen(&self) -> Result<Reopening, StoreError> {
        if self.refusal().is_none() {
            return Ok(Reopening::NotNeeded);
        }
        let _labels = self.label_writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = self.lock();
        let is_busy = self.pins.are_held();
        if is_busy || self.misplaced().is_some() || files::look_for_room(&self.dir, true).is_err() {
            return Ok(Reopening::NotYet);
        }
        let opened = self.database.replace(|| open_own(&self.dir, self.cache_bytes, TRIES_ANEW));
        if let Err(error) = opened {
            // What can be read goes on being read.
            self.fail(error.to_string());
            self.database.replace(|| copy_instead(&self.dir, self.cache_bytes, error))?;
            self.recover_all()?;
            return Ok(Reopening::NotYet);
        }
        self.segment_file.open_again()?;
        self.unpacked.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.recover_all().inspect_err(|error| self.fail(error.to_string()))?;
        *writer = Writer::default();
        *self.failure() = None;
        self.openings.fetch_add(1, Ordering::AcqRel);
        Ok(Reopening::Done)
    }

    /// Why changes are refused; `None` where they are taken. While a change is being written they
    /// are.
    pub fn refusal(&self) -> Option<StoreError> {
        self.unusable().or_else(|| self.is_broken().then_some(StoreError::Broken))
    }

    /// Why the files that are open cannot be written to, if they cannot.
    pub(super) fn unusable(&self) -> Option<StoreError> {
        if let Some(path) = self.misplaced() {
            return Some(StoreError::Removed { path });
        }
        let why = self.database.instead()?;
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

    /// Why the write failed after which changes are refused; `None` where that is not known.
    pub fn failed_write(&self) -> Option<String> {
        self.failure().clone()
    }

    /// A file of the store that is no longer where it was opened: removed, moved or replaced.
    fn misplaced(&self) -> Option<PathBuf> {
        let db = self.dir.join("db");
        let is_in_place = self.database.with(|open| files::is_in_place(&db, &open.file));
        if is_in_place.is_ok_and(|is_in_place| !is_in_place) {
            return Some(db);
        }
        if !self.segment_file.is_in_place() {
            return Some(self.dir.join("segments"));
        }
        // Replaced at every change, and so never the same file for long; a copy writes none.
        let heads = heads::path(&self.dir);
        let found = std::fs::metadata(&heads).map_err(|error| error.kind());
        let is_gone = found.is_err_and(|kind| kind == io::ErrorKind::NotFound);
        (is_gone && self.database.instead().is_none()).then_some(heads)
    }
}
