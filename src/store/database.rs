//! The open database behind a gate: its trees can be closed and opened anew while others hold them.
//! Knows no tree's meaning.
//!
//! sled keeps an error of the disk for good: after a write that failed, a database takes no more
//! until it is opened anew. Readers that come meanwhile wait at the gate.

use std::fs::File;
use std::io;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tempfile::TempDir;

use super::StoreError;

/// The trees that are held open.
pub(super) const NAMES: [&str; 11] = [
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
];

/// A database and what belongs to it, while it is open.
pub(super) struct Open {
    pub db: sled::Db,
    trees: Vec<sled::Tree>,
    /// The database's file in the store's directory; in a copy's place it holds the lock.
    pub file: File,
    /// Why a copy is open instead of the store's own files, which then cannot be written to.
    pub instead: Option<Instead>,
}

/// A private copy that is open in the place of the store's own files.
pub(super) struct Instead {
    /// Why the store's own files could not be opened for writing.
    pub why: String,
    /// Where values lie that have files of their own, if there are any.
    pub _dir: Option<TempDir>,
}

impl Open {
    /// The database with each of its trees, made where it is not there.
    pub fn new(db: sled::Db, file: File, instead: Option<Instead>) -> Result<Self, StoreError> {
        let tree = |name: &&str| db.open_tree(name).map_err(StoreError::engine("opening a tree"));
        let trees = NAMES.iter().map(tree).collect::<Result<_, _>>()?;
        Ok(Self { db, trees, file, instead })
    }
}

/// The database behind the gate; `None` while it is closed.
pub(super) struct Database {
    open: RwLock<Option<Open>>,
    path: PathBuf,
}

impl Database {
    pub fn new(open: Open, dir: &Path) -> Self {
        Self { open: RwLock::new(Some(open)), path: dir.join("db") }
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Open>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the open database, or says that it is closed.
    pub fn with<T>(&self, ask: impl FnOnce(&Open) -> T) -> sled::Result<T> {
        self.read().as_ref().map(ask).ok_or_else(closed)
    }

    /// A tree by its name, also one that is not held open.
    pub fn tree_named(&self, name: &str) -> Result<sled::Tree, StoreError> {
        let opened = self.with(|open| open.db.open_tree(name)).and_then(|tree| tree);
        opened.map_err(StoreError::engine("opening a tree"))
    }

    /// Why a copy is open in the place of the store's own files.
    pub fn instead(&self) -> Option<String> {
        self.read().as_ref()?.instead.as_ref().map(|instead| instead.why.clone())
    }

    /// Everything written so far is durable when this returns. sled writes its log through
    /// `sync_file_range`, which leaves the file's size and the disk's own cache unsynced.
    pub fn sync(&self) -> Result<(), StoreError> {
        let (flushed, synced) = self
            .with(|open| (open.db.flush(), open.file.sync_all()))
            .map_err(StoreError::engine("flushing the store"))?;
        flushed.map_err(StoreError::engine("flushing the store"))?;
        synced.map_err(|source| StoreError::Io { path: self.path.clone(), source })
    }

    /// Closes the database and puts in its place what `open` gives, while readers wait. Where that
    /// fails it stays closed.
    pub fn replace(
        &self,
        open: impl FnOnce() -> Result<Open, StoreError>,
    ) -> Result<(), StoreError> {
        let mut gate = self.open.write().unwrap_or_else(PoisonError::into_inner);
        drop(gate.take());
        *gate = Some(open()?);
        Ok(())
    }
}

fn closed() -> sled::Error {
    let what = "the database is closed: it could not be opened anew after a write that failed";
    sled::Error::Io(io::Error::new(io::ErrorKind::NotConnected, what))
}

/// A tree of the database that is open at the time.
pub(super) struct Tree {
    database: Arc<Database>,
    /// Its place in [`NAMES`].
    place: usize,
}

impl Tree {
    /// All that are held open, in the order of [`NAMES`].
    pub fn all(database: &Arc<Database>) -> [Self; NAMES.len()] {
        std::array::from_fn(|place| Self { database: Arc::clone(database), place })
    }

    /// The tree of the database that is open now.
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
    /// The database is closed: the error comes for ever.
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
