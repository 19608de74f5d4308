//! The open database behind a lock: its trees can be closed and reopened while others hold them.
//!
//! sled keeps a disk error permanently: after a failed write a database accepts no more writes
//! until reopened. Readers wait at the lock meanwhile.

use std::fs::File;
use std::io;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard};

use tempfile::TempDir;

use super::StoreError;

use crate::domain::lock::Recover;

/// The trees that stay open.
pub(super) const NAMES: [&str; 14] = [
    "lists",
    "versions",
    "rows",
    "changes",
    "superseded",
    "snapshots",
    "policies",
    "transfers",
    "segments",
    "labels",
    "looks",
    "settings",
    "bases",
    "coverage",
];

/// An open database with its lock.
pub(super) struct Open {
    pub db: sled::Db,
    trees: Vec<sled::Tree>,
    /// The database's file in the store's directory; for a private copy it holds the lock.
    pub file: File,
    /// Set if a private copy is open because the store's own files cannot be written to.
    pub fallback: Option<Fallback>,
}

/// A private copy opened instead of the store's own files.
pub(super) struct Fallback {
    /// Why the store's own files could not be opened for writing.
    pub why: String,
    /// The directory of values in separate files, if any.
    pub _dir: Option<TempDir>,
}

impl Open {
    /// Opens every tree of the database, creating missing ones.
    pub fn new(db: sled::Db, file: File, fallback: Option<Fallback>) -> Result<Self, StoreError> {
        let tree = |name: &&str| db.open_tree(name).map_err(StoreError::engine("opening a tree"));
        let trees = NAMES.iter().map(tree).collect::<Result<_, _>>()?;
        Ok(Self { db, trees, file, fallback })
    }
}

/// The database behind the lock; `None` while it is closed.
pub(super) struct Database {
    open: RwLock<Option<Open>>,
    path: PathBuf,
}

impl Database {
    pub fn new(open: Open, dir: &Path) -> Self {
        Self { open: RwLock::new(Some(open)), path: dir.join("db") }
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Open>> {
        self.open.read().recover()
    }

    /// Calls `ask` with the open database; fails while it is closed.
    pub fn with<T>(&self, ask: impl FnOnce(&Open) -> T) -> sled::Result<T> {
        self.read().as_ref().map(ask).ok_or_else(closed)
    }

    /// Returns a tree by its name, also one that is not kept open.
    pub fn tree_named(&self, name: &str) -> Result<sled::Tree, StoreError> {
        let opened = self.with(|open| open.db.open_tree(name)).and_then(|tree| tree);
        opened.map_err(StoreError::engine("opening a tree"))
    }

    /// Returns why a private copy is open instead of the store's own files.
    pub fn fallback_reason(&self) -> Option<String> {
        self.read().as_ref()?.fallback.as_ref().map(|fallback| fallback.why.clone())
    }

    /// Makes everything written so far durable. sled writes its log through `sync_file_range`,
    /// which leaves the file's size and the disk's own cache unsynced.
    pub fn sync(&self) -> Result<(), StoreError> {
        let (flushed, synced) = self
            .with(|open| (open.db.flush(), open.file.sync_all()))
            .map_err(StoreError::engine("flushing the store"))?;
        flushed.map_err(StoreError::engine("flushing the store"))?;
        synced.map_err(|source| StoreError::Io { path: self.path.clone(), source })
    }

    /// Closes the database and replaces it with the result of `open`, while readers wait. On
    /// failure it stays closed.
    pub fn replace(
        &self,
        open: impl FnOnce() -> Result<Open, StoreError>,
    ) -> Result<(), StoreError> {
        let mut gate = self.open.write().recover();
        drop(gate.take());
        *gate = Some(open()?);
        Ok(())
    }
}

fn closed() -> sled::Error {
    let what = "the database is closed: it could not be opened anew after a write that failed";
    sled::Error::Io(io::Error::new(io::ErrorKind::NotConnected, what))
}

/// A tree of the currently open database.
pub(super) struct Tree {
    database: Arc<Database>,
    /// Its index in [`NAMES`].
    place: usize,
}

impl Tree {
    /// All trees kept open, in the order of [`NAMES`].
    pub fn all(database: &Arc<Database>) -> [Self; NAMES.len()] {
        std::array::from_fn(|place| Self { database: Arc::clone(database), place })
    }

    /// Returns the tree of the currently open database.
    pub fn now(&self) -> sled::Result<sled::Tree> {
        self.database.with(|open| open.trees[self.place].clone())
    }

    pub fn get(&self, key: impl AsRef<[u8]>) -> sled::Result<Option<sled::IVec>> {
        self.now()?.get(key)
    }

    pub fn insert(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<sled::IVec>,
    ) -> sled::Result<Option<sled::IVec>> {
        self.now()?.insert(key, value)
    }

    pub fn remove(&self, key: impl AsRef<[u8]>) -> sled::Result<Option<sled::IVec>> {
        self.now()?.remove(key)
    }

    pub fn apply_batch(&self, batch: sled::Batch) -> sled::Result<()> {
        self.now()?.apply_batch(batch)
    }

    pub fn is_empty(&self) -> bool {
        self.now().is_ok_and(|tree| tree.is_empty())
    }

    pub fn iter(&self) -> Entries {
        self.now().map_or_else(Entries::Closed, |tree| Entries::Open(Box::new(tree.iter())))
    }

    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Entries {
        self.now().map_or_else(Entries::Closed, |tree| Entries::Open(Box::new(tree.range(range))))
    }

    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>) -> Entries {
        self.now()
            .map_or_else(Entries::Closed, |tree| Entries::Open(Box::new(tree.scan_prefix(prefix))))
    }
}

#[cfg(test)]
impl Tree {
    pub fn len(&self) -> usize {
        self.now().map_or(0, |tree| tree.len())
    }
}

type Entry = sled::Result<(sled::IVec, sled::IVec)>;

/// Entries in the order of their keys.
pub(super) enum Entries {
    Open(Box<sled::Iter>),
    /// The database is closed: repeats the error.
    Closed(sled::Error),
}

impl Entries {
    pub fn keys(self) -> impl DoubleEndedIterator<Item = sled::Result<sled::IVec>> {
        self.map(|entry| entry.map(|(key, _)| key))
    }
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        match self {
            Self::Open(entries) => entries.next(),
            Self::Closed(error) => Some(Err(error.clone())),
        }
    }
}

impl DoubleEndedIterator for Entries {
    fn next_back(&mut self) -> Option<Entry> {
        match self {
            Self::Open(entries) => entries.next_back(),
            Self::Closed(error) => Some(Err(error.clone())),
        }
    }
}
