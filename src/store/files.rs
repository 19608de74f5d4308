//! Prepares the files of the store's directory before sled opens them: removes or sets aside
//! leftovers and damaged files, checks free space, and makes a private copy if nothing can be
//! written.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Crc;
use tempfile::TempDir;

use super::StoreError;

/// The prefix of sled's snapshots; sled uses the one whose name sorts last.
const SNAPSHOT: &str = "snap.";

/// The suffix of an unfinished snapshot, which sled would use anyway.
const UNFINISHED: &str = ".generating";

/// The prefix of a file that is set aside.
const ASIDE: &str = "damaged.";

/// The temporary file for checking free space.
const PROBE: &str = "room";

/// The required free space besides the size of sled's snapshot: opening writes up to 512 KiB of the
/// log, a first change another segment of 512 KiB.
const ROOM: usize = 2 << 20;

/// Bytes of length and checksum at the end of a snapshot of sled's.
const SNAPSHOT_END: usize = 12;

/// The pause between attempts to lock a file. A lock may briefly outlive its holder while that is
/// ending or starting a child process.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
pub(super) const TRIES: u32 = 10;

/// Cleans the directory and checks free space, under the lock: unfinished files of a store opened
/// by another process belong to that process.
pub(super) fn prepare(dir: &Path, tries: u32) -> Result<(), StoreError> {
    let path = dir.join("db");
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io { path, source }
    };
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let _lock = lock(file.map_err(io(&path))?, dir, tries)?;
    clean_up(dir)?;
    check_space(dir, false).map_err(io(dir))
}

fn lock(file: File, dir: &Path, tries: u32) -> Result<File, StoreError> {
    let mut left = tries;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if left > 1 => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { dir: dir.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Io { path: dir.join("db"), source });
            }
        }
        left -= 1;
    }
}

/// Cleans the directory. sled opens no database next to an unfinished, damaged or empty snapshot,
/// or with damaged settings; both are rebuilt from the log. What cannot be removed now stays until
/// the next opening.
fn clean_up(dir: &Path) -> Result<(), StoreError> {
    let names = match fs::read_dir(dir) {
        Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(StoreError::Io { path: dir.to_owned(), source }),
    };
    let mut names: Vec<String> = names.collect();
    names.sort();
    let db = dir.join("db");
    let is_empty = fs::metadata(&db).map_or(true, |found| found.len() == 0);
    for name in &names {
        let path = dir.join(name);
        if name.ends_with(UNFINISHED) || name == PROBE || name == "heads.new" {
            remove(&path);
        } else if name.starts_with(SNAPSHOT) && is_empty {
            return Err(StoreError::Empty { path: db, snapshot: name.clone() });
        } else if name.starts_with(SNAPSHOT) && !is_whole_snapshot(&path)
            || name == "conf" && !is_whole_conf(&path)
        {
            set_aside(dir, name);
        }
    }
    Ok(())
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => tracing::warn!(
            path = %path.display(),
            "removed an unfinished store file"
        ),
        Err(error) => tracing::warn!(
            path = %path.display(), %error,
            "unfinished store file not removed"
        ),
    }
}

fn set_aside(dir: &Path, name: &str) {
    let (path, aside) = (dir.join(name), dir.join(format!("{ASIDE}{name}")));
    match fs::rename(&path, &aside) {
        Ok(()) => tracing::warn!(
            path = %path.display(), aside = %aside.display(),
            "damaged database file set aside, rebuilding it from the log"
        ),
        Err(error) => tracing::warn!(
            path = %path.display(), %error,
            "damaged database file not set aside"
        ),
    }
}

/// Returns true if a sled snapshot is intact: its form, then the form's length (8), then the form's
/// CRC-32 (4).
fn is_whole_snapshot(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else { return false };
    bytes.len() > SNAPSHOT_END && is_sealed(&bytes[..bytes.len() - SNAPSHOT_END], &bytes)
}

/// Returns true if sled's settings are intact: text and its CRC-32 (4). sled itself rebuilds a file
/// of at most 8 bytes.
fn is_whole_conf(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else { return false };
    bytes.len() <= 8 || is_sealed(&bytes[..bytes.len() - 4], &bytes)
}

/// Returns true if `all` ends with the CRC-32 of `form`.
fn is_sealed(form: &[u8], all: &[u8]) -> bool {
    let mut crc = Crc::new();
    crc.update(form);
    all.ends_with(&crc.sum().to_le_bytes())
}

/// Fails unless there is space to open the database and write to it. With `sync`, also flushes to
/// disk.
pub(super) fn check_space(dir: &Path, sync: bool) -> io::Result<()> {
    let snapshot = newest_snapshot(dir).and_then(|path| fs::metadata(path).ok());
    let snapshot = snapshot.map_or(0, |found| usize::try_from(found.len()).unwrap_or(usize::MAX));
    let path = dir.join(PROBE);
    let tried = File::create(&path).and_then(|mut file| {
        let part = [0; 64 << 10];
        for _ in 0..ROOM.saturating_add(snapshot).div_ceil(part.len()) {
            file.write_all(&part)?;
        }
        if sync { file.sync_all() } else { Ok(()) }
    });
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => tried.and(Err(error)),
        _ => tried,
    }
}

fn newest_snapshot(dir: &Path) -> Option<PathBuf> {
    let names =
        fs::read_dir(dir).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let whole = |name: &String| {
        name.starts_with(SNAPSHOT)
            && !name.ends_with(UNFINISHED)
            && is_whole_snapshot(&dir.join(name))
    };
    names.filter(whole).max().map(|name| dir.join(name))
}

/// The database's files, copied to a writable place.
pub(super) struct PrivateCopy {
    /// The database's own file, locked against other processes.
    pub lock: File,
    pub dir: TempDir,
    /// True if some values have separate files.
    pub has_blobs: bool,
}

/// Copies the database's files, without the file of segments, to the system's temporary directory
/// or to memory (`/dev/shm`), whichever has space.
pub(super) fn copy(dir: &Path) -> Result<PrivateCopy, StoreError> {
    let path = dir.join("db");
    let io = |path: &Path, source| StoreError::Io { path: path.to_owned(), source };
    let lock = lock(File::open(&path).map_err(|source| io(&path, source))?, dir, TRIES)?;
    let mut failed = None;
    for place in [std::env::temp_dir(), PathBuf::from("/dev/shm")] {
        match copy_to(dir, &place) {
            Ok((dir, has_blobs)) => return Ok(PrivateCopy { lock, dir, has_blobs }),
            Err(error) => failed = failed.or(Some(io(&place, error))),
        }
    }
    Err(failed.unwrap_or_else(|| io(dir, io::ErrorKind::NotFound.into())))
}

fn copy_to(dir: &Path, place: &Path) -> io::Result<(TempDir, bool)> {
    // Readable by its owner only.
    let to = tempfile::Builder::new().prefix("lazaretto-store-").tempdir_in(place)?;
    fs::copy(dir.join("db"), to.path().join("db"))?;
    if let Some(snapshot) = newest_snapshot(dir) {
        fs::copy(&snapshot, to.path().join(snapshot.file_name().unwrap_or_default()))?;
    }
    let mut has_blobs = false;
    let blobs = match fs::read_dir(dir.join("blobs")) {
        Ok(blobs) => blobs,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((to, has_blobs)),
        Err(error) => return Err(error),
    };
    fs::create_dir(to.path().join("blobs"))?;
    for blob in blobs {
        let blob = blob?;
        fs::copy(blob.path(), to.path().join("blobs").join(blob.file_name()))?;
        has_blobs = true;
    }
    Ok((to, has_blobs))
}

/// Returns true if `path` names the open file.
pub(super) fn is_in_place(path: &Path, open: &File) -> bool {
    let identity = |found: fs::Metadata| (found.dev(), found.ino());
    match (fs::metadata(path), open.metadata()) {
        (Ok(named), Ok(open)) => identity(named) == identity(open),
        _ => false,
    }
}
