//! Restores a backup into a temporary folder next to the store, checks it while reading, and
//! renames it into place at the end. Overwrites nothing.

// A match over the system's errors.
#![allow(clippy::wildcard_enum_match_arm)]

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::super::files::TRIES;
use super::super::verify::{RecordCheck, Verified, Verifier};
use super::super::{Store, StoreError, heads, make_private, open_with_retry};
use super::{BackupError, Frame, Header, Reader};

/// The folder in the data directory for an unfinished restore.
const FOLDER: &str = "restore";

/// The folder of one restore; removed when dropped.
struct RestoreFolder {
    /// The lock of the data directory, released on drop.
    _lock: File,
    folder: PathBuf,
}

impl RestoreFolder {
    fn new(data_dir: &Path) -> Result<Self, BackupError> {
        make_private(data_dir).map_err(io(data_dir))?;
        let lock = lock(data_dir)?.ok_or_else(|| BackupError::Restoring(data_dir.to_owned()))?;
        let folder = data_dir.join(FOLDER);
        clear(&folder)?;
        make_private(&folder).map_err(io(&folder))?;
        Ok(Self { _lock: lock, folder })
    }
}

impl Drop for RestoreFolder {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.folder) {
            tracing::warn!(%error, "restore folder not removed");
        }
    }
}

/// Removes the leftovers of a killed restore, unless a restore is running. What cannot be removed
/// now, as on a read-only disk, is removed at the next start.
pub fn remove_leftovers(data_dir: &Path) {
    let folder = data_dir.join(FOLDER);
    if !folder.exists() {
        return;
    }
    let removed = match lock(data_dir) {
        Ok(Some(_lock)) => clear(&folder),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = removed {
        tracing::warn!(%error, "leftovers of a killed restore not removed");
    }
}

/// Locks the data directory; `None` if another process holds the lock.
fn lock(data_dir: &Path) -> Result<Option<File>, BackupError> {
    let file = File::open(data_dir).map_err(io(data_dir))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(io(data_dir)(error)),
    }
}

fn clear(folder: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(folder)(error)),
        _ => Ok(()),
    }
}

fn io(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| StoreError::Io { path: path.clone(), source }.into()
}

/// Restores `backup` as the store of `data_dir`, which must have none or an empty one, with
/// `cache_bytes` of page cache. On success the store is complete and durable. After a failure or
/// kill there is none, except leftovers for [`remove_leftovers`].
pub fn restore(
    data_dir: &Path,
    backup: impl Read,
    cache_bytes: u64,
    judge: RecordCheck<'_>,
) -> Result<Verified, BackupError> {
    let (reader, header) = Reader::new(backup)?;
    let folder_guard = RestoreFolder::new(data_dir)?;
    let place = data_dir.join("store");
    let replaced = empty_store(data_dir, &place, cache_bytes)?;
    let made = folder_guard.folder.join("store");
    make_private(&made).map_err(io(&made))?;
    let verified = fill(&made, reader, header, cache_bytes, judge)?;
    // Opening checks and recovers the store.
    if let Some(refusal) = Store::open(&folder_guard.folder, cache_bytes)?.refusal() {
        return Err(refusal.into());
    }
    sync_all(&made).map_err(io(&made))?;
    if replaced.is_some() {
        let aside = folder_guard.folder.join("replaced");
        fs::rename(&place, &aside).map_err(io(&place))?;
    }
    fs::rename(&made, &place).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
            BackupError::Exists(place.clone())
        }
        _ => io(&place)(error),
    })?;
    File::open(data_dir).and_then(|dir| dir.sync_all()).map_err(io(data_dir))?;
    Ok(verified)
}

/// Makes a folder and every file in it durable: the database syncs its content, not each file.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(folder)?.sync_all()
}

/// Opens an existing empty store, if any; fails if it holds anything.
fn empty_store(
    data_dir: &Path,
    place: &Path,
    cache_bytes: u64,
) -> Result<Option<Store>, BackupError> {
    let entries = match fs::read_dir(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(io(place))?,
    };
    if entries.count() == 0 {
        return Ok(None);
    }
    let store = Store::open(data_dir, cache_bytes)?;
    if store.is_empty()? { Ok(Some(store)) } else { Err(BackupError::Exists(place.to_owned())) }
}

/// Writes the content of the backup into a new database in `dir`.
fn fill(
    dir: &Path,
    mut reader: Reader<impl Read>,
    header: Header,
    cache_bytes: u64,
    judge: RecordCheck<'_>,
) -> Result<Verified, BackupError> {
    let failed = StoreError::engine;
    let db = open_with_retry(dir, cache_bytes, TRIES)?;
    let path = dir.join("segments");
    let mut segments = File::create_new(&path).map_err(io(&path))?;
    let mut verifier = Verifier::of_backup(header.clone(), judge)?;
    let mut tree: Option<(usize, sled::Tree)> = None;
    let size = loop {
        let frame = reader.next()?;
        if let Frame::End(size) = frame {
            break size;
        }
        if let Frame::Entries(number, entries) = &frame {
            if tree.as_ref().is_none_or(|(known, _)| known != number) {
                let opened = db.open_tree(&*header.trees[*number]);
                tree = Some((*number, opened.map_err(failed("opening a tree"))?));
            }
            let (_, tree) = tree.as_ref().expect("it was opened above");
            for (key, value) in entries {
                tree.insert(key, *value).map_err(failed("writing a value"))?;
            }
        }
        if let Frame::Segments(part) = &frame {
            segments.write_all(part).map_err(io(&path))?;
        }
        verifier.take(&frame);
    };
    let (verified, heads) = verifier.end(size);
    if let Some(first) = verified.problems.first() {
        let more = verified.problems.len() as u64 - 1 + verified.further_problems;
        return Err(BackupError::Content { first: first.clone(), more });
    }
    drop(tree);
    db.flush().map_err(failed("flushing the store"))?;
    drop(db);
    heads::write(dir, &heads)?;
    Ok(verified)
}
