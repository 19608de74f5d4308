//! Names of the log's files, and the ways to write them that survive a crash.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::AuditError;

/// The prefix of the directory of one log; the number follows.
const LOG: &str = "log.";

pub(super) fn log_directory(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{LOG}{number}"))
}

/// The directory of a log that is being made; a crash leaves it until the next start.
pub(super) const NEW_LOG: &str = "log.new";

/// The most logs of a directory: each is a restore or a copy.
pub(super) const MAX_LOGS: u64 = 1_000_000;

/// What stands in a directory of logs.
#[derive(Default)]
pub(super) struct LogNames {
    /// The numbers of the logs, ascending.
    pub(super) numbers: Vec<u64>,
    /// Paths that look like logs and are none.
    pub(super) others: Vec<PathBuf>,
}

pub(super) fn log_names(directory: &Path) -> Result<LogNames, AuditError> {
    let mut names = LogNames::default();
    for entry in fs::read_dir(directory).map_err(AuditError::io(directory))? {
        let entry = entry.map_err(AuditError::io(directory))?;
        let name = entry.file_name();
        if name == NEW_LOG {
            continue;
        }
        let Some(number) = name.to_str().and_then(|name| name.strip_prefix(LOG)) else { continue };
        let number = number.parse().ok().filter(|number| name == *format!("{LOG}{number}"));
        match number.filter(|number| (1..=MAX_LOGS).contains(number)) {
            Some(number) => names.numbers.push(number),
            None => names.others.push(entry.path()),
        }
    }
    names.numbers.sort_unstable();
    Ok(names)
}

/// Returns the numbers of the logs in a directory, ascending.
pub(super) fn log_numbers(directory: &Path) -> Result<Vec<u64>, AuditError> {
    Ok(log_names(directory)?.numbers)
}

/// Opens a file for reading. A pipe or a device, which may have no end, is refused.
pub(super) fn open(path: &Path) -> Result<File, AuditError> {
    open_with(OpenOptions::new().read(true), path)
}

pub(super) fn open_with(options: &OpenOptions, path: &Path) -> Result<File, AuditError> {
    let found = fs::metadata(path).map_err(AuditError::io(path))?;
    if !found.is_file() {
        return Err(AuditError::damaged(path, 0, "it is no regular file"));
    }
    options.open(path).map_err(AuditError::io(path))
}

/// The same; `None` if there is none.
pub(super) fn open_if_there(path: &Path) -> Result<Option<File>, AuditError> {
    match open(path) {
        Ok(file) => Ok(Some(file)),
        Err(AuditError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The longest file of text that is read whole, in bytes: a key takes some 200.
const MAX_TEXT_FILE: usize = 1 << 20;

pub(super) fn segment(log: &Path, number: u64) -> PathBuf {
    log.join("segments").join(format!("{number:08}"))
}

pub(super) fn filter(log: &Path, segment: u64) -> PathBuf {
    log.join("filters").join(format!("{segment:08}"))
}

/// Returns the path under which a file is prepared before it takes its name.
pub(super) fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Writes a file beside its place, syncs it and gives it its name: after a crash the old or the new
/// content stands there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), AuditError> {
    let new = beside(path);
    write_synced(&new, bytes)?;
    rename(&new, path)
}

/// Writes a file and syncs it.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), AuditError> {
    let written = create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(AuditError::io(path))
}

/// Renames a file that is synced, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), AuditError> {
    fs::rename(from, to).map_err(AuditError::io(to))?;
    sync_parent(to)
}

/// Removes a file, durably; fine if it is not there.
pub(super) fn remove(path: &Path) -> Result<(), AuditError> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(AuditError::io(path)(error)),
    }
}

pub(super) fn sync_parent(path: &Path) -> Result<(), AuditError> {
    path.parent().map_or(Ok(()), sync_directory)
}

pub(super) fn sync_directory(path: &Path) -> Result<(), AuditError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(AuditError::io(path))
}

/// Creates a file, or empties it. Only its owner may read it.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Creates a directory that only its owner may enter.
pub(super) fn create_directory(path: &Path) -> Result<(), AuditError> {
    DirBuilder::new().mode(0o700).create(path).map_err(AuditError::io(path))
}

pub(super) fn read_text(path: &Path) -> Result<String, AuditError> {
    let bytes = read_up_to(&open(path)?, MAX_TEXT_FILE + 1).map_err(AuditError::io(path))?;
    if bytes.len() > MAX_TEXT_FILE {
        return Err(AuditError::damaged(path, 0, format!("more than {MAX_TEXT_FILE} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| AuditError::damaged(path, 0, "it is not UTF-8"))
}

/// Returns the length of a file, 0 if there is none.
pub(super) fn length(path: &Path) -> Result<u64, AuditError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(AuditError::io(path)(error)),
    }
}

/// Reads up to `length` bytes at an offset: fewer where the file ends.
pub(super) fn read_at(mut file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    read_up_to(file, length)
}

/// The most bytes of a segment that are read at once. 65,536 leaves are larger only if each has a context
/// or answers of the longest kind.
const MAX_REST: u64 = 4 << 30;

/// Reads from an offset to the end.
pub(super) fn read_rest(file: &File, path: &Path, offset: u64) -> Result<Vec<u8>, AuditError> {
    let length = file.metadata().map_err(AuditError::io(path))?.len();
    if length.saturating_sub(offset) > MAX_REST {
        let what = format!("more than {MAX_REST} bytes follow: no segment is so long");
        return Err(AuditError::damaged(path, offset, what));
    }
    read_at(file, offset, usize::MAX).map_err(AuditError::io(path))
}

/// Reads up to `length` bytes: fewer where the file ends.
pub(super) fn read_up_to(mut file: &File, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
