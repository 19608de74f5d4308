//! Appends whole segments to a file next to the database.
//!
//! sled rewrites a leaf of sixteen values after ten changes and at every split, so data appended in
//! pieces is written some four times and takes twice its size on disk. docs/benchmarks.md has the
//! measurements. Whole segments are never changed or removed, so an append-only file holds them as
//! well. Small or changing data stays in the database.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use super::super::{StoreError, files};

use crate::domain::lock::Recover;

/// The file, open for as long as the store is.
pub(in crate::store) struct SegmentFile {
    file: Mutex<Opened>,
    path: PathBuf,
}

struct Opened {
    file: File,
    access: Access,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
    /// There is no file, and none can be created: an empty anonymous file is open.
    Nothing,
}

fn open(path: &Path) -> io::Result<Opened> {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let error = match file {
        Ok(file) => return Ok(Opened { file, access: Access::Write }),
        Err(error) if [PermissionDenied, ReadOnlyFilesystem].contains(&error.kind()) => error,
        Err(error) => return Err(error),
    };
    match File::open(path) {
        Ok(file) => Ok(Opened { file, access: Access::Read }),
        Err(absent) if absent.kind() == NotFound => {
            Ok(Opened { file: tempfile::tempfile()?, access: Access::Nothing })
        }
        Err(_) => Err(error),
    }
}

impl SegmentFile {
    /// Opens the file in the database's directory, creating it if absent; read-only if it cannot be
    /// written to.
    pub(in crate::store) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("segments");
        match open(&path) {
            Ok(opened) => Ok(Self { file: Mutex::new(opened), path }),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    pub(in crate::store) fn open_again(&self) -> Result<(), StoreError> {
        let opened = open(&self.path).map_err(|source| self.failed(source))?;
        *self.file.lock().recover() = opened;
        Ok(())
    }

    /// Returns true if the open file is the one that the path names.
    pub(in crate::store) fn is_in_place(&self) -> bool {
        let opened = self.lock();
        opened.access == Access::Nothing || files::is_in_place(&self.path, &opened.file)
    }

    /// Writes `bytes` at an offset.
    pub(super) fn write(&self, place: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let file = &mut self.lock().file;
        let done = file.seek(SeekFrom::Start(place)).and_then(|_| file.write_all(bytes));
        done.map_err(|source| self.failed(source))
    }

    /// Makes written data durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.lock().file.sync_all().map_err(|source| self.failed(source))
    }

    /// Reads `length` bytes from an offset.
    pub(super) fn read(&self, place: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; length];
        let file = &mut self.lock().file;
        let done = file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(&mut bytes));
        match done {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged(place, format_args!("it ends within {length} bytes from here")))
            }
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Opens the file again, from its beginning, so that reading blocks no append.
    pub(in crate::store) fn reader(&self) -> Result<File, StoreError> {
        File::open(&self.path).map_err(|source| self.failed(source))
    }

    /// Truncates the file at `end`. Returns true if it was longer; a shorter file is damaged.
    pub(super) fn end_at(&self, end: u64) -> Result<bool, StoreError> {
        let Opened { file, access } = &*self.lock();
        let length = file.metadata().map_err(|source| self.failed(source))?.len();
        if length < end {
            let what = format_args!(
                "it ends here, but transfers reach to byte {end}: restore the directory from a backup, or move it \
                 away and import the lists and transfers again"
            );
            return Err(self.damaged(length, what));
        }
        // What cannot be truncated now is at the next opening.
        if length == end || *access != Access::Write {
            return Ok(false);
        }
        file.set_len(end).and_then(|()| file.sync_all()).map_err(|source| self.failed(source))?;
        Ok(true)
    }

    /// Creates the error for damage at an offset.
    pub(in crate::store) fn damaged(&self, place: u64, what: impl ToString) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), place, what: what.to_string() }
    }

    fn lock(&self) -> MutexGuard<'_, Opened> {
        // Every use seeks first.
        self.file.lock().recover()
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }
}
