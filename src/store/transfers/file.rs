//! Whole segments one after the other in a file beside the database. Knows bytes and places only.
//!
//! sled writes a leaf of sixteen values anew after ten changes and at every split: what is appended
//! in pieces is written some four times (reckoned from its sources) and takes twice its size on
//! disk. Measured with 4 M rows of R-MAT, scale 22: in pieces 98.9 bytes a row on disk, 155.6 with
//! a transaction hash, the store opened in 118 and 237 ms; in this file 52.2 and 84.2 bytes, 18 and
//! 12 ms. Whole segments are never changed or removed, so that a file that only grows holds them
//! as well; what is small or changes stays in the database.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::{StoreError, files};

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
    /// There is no file, and none can be made: an empty one without a name is open.
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
    /// Opens the file in the database's directory, made if absent; where it cannot be written to,
    /// for reading.
    pub(in crate::store) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("segments");
        match open(&path) {
            Ok(opened) => Ok(Self { file: Mutex::new(opened), path }),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    pub(in crate::store) fn open_again(&self) -> Result<(), StoreError> {
        let opened = open(&self.path).map_err(|source| self.failed(source))?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }

    /// Whether the file that is open is the one that the path names.
    pub(in crate::store) fn is_in_place(&self) -> bool {
        let opened = self.lock();
        opened.access == Access::Nothing || files::is_in_place(&self.path, &opened.file)
    }

    /// Writes `bytes` at a place.
    pub(super) fn write(&self, place: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let file = &mut self.lock().file;
        let done = file.seek(SeekFrom::Start(place)).and_then(|_| file.write_all(bytes));
        done.map_err(|source| self.failed(source))
    }

    /// What was written is durable when this returns.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.lock().file.sync_all().map_err(|source| self.failed(source))
    }

    /// Reads `length` bytes from a place.
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

    /// The file opened anew, from its beginning: reading it holds up nobody who appends.
    pub(in crate::store) fn reader(&self) -> Result<File, StoreError> {
        File::open(&self.path).map_err(|source| self.failed(source))
    }

    /// Cuts off what stands after `end`; says whether that was anything. A file that ends before is
    /// damaged.
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
        // What cannot be cut off now is at the next opening.
        if length == end || *access != Access::Write {
            return Ok(false);
        }
        file.set_len(end).and_then(|()| file.sync_all()).map_err(|source| self.failed(source))?;
        Ok(true)
    }

    /// The error that names the place of damage.
    pub(in crate::store) fn damaged(&self, place: u64, what: impl ToString) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), place, what: what.to_string() }
    }

    fn lock(&self) -> MutexGuard<'_, Opened> {
        // Every use seeks first.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }
}
