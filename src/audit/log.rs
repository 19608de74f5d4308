//! The log that is appended to.

use std::fs::{self, File, TryLockError};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::lock::Recover;

use super::appender::Appender;
use super::earlier::EarlierLogs;
use super::head::LogId;
use super::index::Index;
use super::leaf::{Event, NewItems, NewLeaf};
use super::recover::{self, Access, Cut, Recovered};
use super::settings::Settings;
use super::store::Store;
use super::{
    AuditError, ITEMS_PER_LEAF, Reader, RecordId, SignedCheckpoint, checkpoint_file, files, keys,
    origin, sealer, syncer, uncovered,
};

/// Attempts to lock a directory, and the pause between them. A lock may briefly outlive its holder
/// while that is ending or starting a child process.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How a log was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub directory: PathBuf,
    /// Whether a log was started: there was none, or it did not stand where it was started.
    pub started: bool,
    /// The log before, if one was started.
    pub previous: Option<PathBuf>,
    /// What a crash left at the end, and was cut off.
    pub cut: Option<Cut>,
}

/// The decision log of one directory, open for appending.
pub struct Log {
    appender: Arc<Appender>,
    reader: Reader,
    earlier: EarlierLogs,
    /// Held while a segment is removed, so that the leaves that stay are those of its event.
    pub(super) removing: Mutex<()>,
    /// That which syncs, and that which seals.
    threads: Option<[JoinHandle<()>; 2]>,
    /// Locked as long as the log is open.
    _lock: File,
}

/// Asks for syncs. May outlive the log, which then has ended.
pub struct SyncHandle(Arc<Appender>);

impl SyncHandle {
    /// As [`Log::request_sync`].
    pub fn request(&self) {
        self.0.request_sync();
    }

    /// As [`Log::failure`].
    pub fn failure(&self) -> Option<AuditError> {
        self.0.failure()
    }
}

impl Log {
    /// Opens the newest log of a directory, or starts one.
    pub fn open(
        directory: &Path,
        settings: Settings,
        now: Timestamp,
    ) -> Result<(Self, Opened), AuditError> {
        let mut folder = fs::DirBuilder::new();
        let made = folder.recursive(true).mode(0o700).create(directory);
        made.map_err(AuditError::io(directory))?;
        let lock = lock(directory)?;
        let newest = files::log_numbers(directory)?.last().copied();
        let current = match newest {
            Some(number) => {
                let path = files::log_directory(directory, number);
                let fits = !settings.start_anew && origin::read(&path)?.is_in_place(&path)?;
                fits.then_some(number)
            }
            None => None,
        };
        let number = match current {
            Some(number) => number,
            None => {
                let newest = newest.unwrap_or(0);
                if newest == files::MAX_LOGS {
                    let path = files::log_directory(directory, newest);
                    let what = "no log can follow: move it out of the directory if it is none";
                    return Err(AuditError::damaged(&path, 0, what));
                }
                start(directory, newest + 1, &settings.name)?
            }
        };
        let path = files::log_directory(directory, number);
        let Recovered { store, encoder, cut } = recover::open(&path, Access::Append)?;
        uncovered::check(&store)?;
        let signer = keys::read_signer(&path, &store.keys.lock().recover())?;
        let appender = Arc::new(Appender::new(store, encoder, signer, settings)?);
        let threads = [syncer::start(&appender), sealer::start(&appender)];
        let reader = Reader::new(Arc::clone(appender.store()));
        let earlier = EarlierLogs::new(directory.to_owned(), number);
        let threads = Some(threads);
        let removing = Mutex::default();
        let log = Self { appender, reader, earlier, removing, threads, _lock: lock };
        let previous = number.checked_sub(1).filter(|number| *number > 0);
        let previous = previous.map(|number| files::log_directory(directory, number));
        if log.appended() == 0 {
            // Also where a crash came between the start and the first leaf.
            log.append_started(previous.as_deref(), now)?;
        } else {
            // What a crash left unsigned: a server that crashes again and again leaves no more.
            log.sign_checkpoint()?;
        }
        let previous = previous.filter(|_| current.is_none());
        let opened = Opened { directory: path, started: current.is_none(), previous, cut };
        Ok((log, opened))
    }

    fn append_started(&self, previous: Option<&Path>, now: Timestamp) -> Result<(), AuditError> {
        let previous = match previous {
            Some(log) => checkpoint_file::last(log)?.0,
            None => None,
        };
        let previous = previous.map(|signed| signed.note);
        self.appender.append_event(&Event::LogStarted { previous }, now)?;
        self.sign_checkpoint()?;
        Ok(())
    }

    /// Appends a leaf with at most [`ITEMS_PER_LEAF`] items and returns its index. Nothing is
    /// written yet.
    pub fn append(&self, leaf: &NewLeaf<'_>) -> Result<u64, AuditError> {
        if leaf.items.len() > ITEMS_PER_LEAF {
            return Err(AuditError::TooManyItems(leaf.items.len()));
        }
        let NewLeaf { time, context, items } = *leaf;
        Ok(self.appender.append(time, context, items.iter().copied(), 1)?.start)
    }

    /// Appends the answers of one call, cut into leaves of [`ITEMS_PER_LEAF`] items that follow
    /// each other. Returns their indices: none without items.
    pub fn append_batch<'a>(
        &self,
        time: Timestamp,
        context: &[u8],
        items: impl NewItems<'a>,
    ) -> Result<Range<u64>, AuditError> {
        let leaves = items.len().div_ceil(ITEMS_PER_LEAF);
        self.appender.append(time, context, items, leaves)
    }

    /// Returns the id of an item, by its place in the batch whose first leaf is `first`.
    pub fn record_id(&self, first: u64, item: usize) -> RecordId {
        let index = first + (item / ITEMS_PER_LEAF) as u64;
        RecordId { tag: self.reader.tag(), index, item: (item % ITEMS_PER_LEAF) as u8 }
    }

    /// Writes the leaves before `upto`, and whatever else was appended, by one write(2). Returns at
    /// once if another thread has written them.
    pub fn write(&self, upto: u64) -> Result<(), AuditError> {
        self.appender.write(upto)
    }

    /// Wakes the thread that writes and syncs what was appended before. For [`Durability::Fsync`]: many
    /// calls share one write and one sync.
    ///
    /// [`Durability::Fsync`]: super::Durability::Fsync
    pub fn request_sync(&self) {
        self.appender.request_sync();
    }

    /// Returns what asks for syncs.
    pub fn sync_handle(&self) -> SyncHandle {
        SyncHandle(Arc::clone(&self.appender))
    }

    /// Waits until the leaves before `upto` are synced. Fails if writing or syncing does.
    pub fn wait_synced(&self, upto: u64) -> Result<(), AuditError> {
        self.appender.wait_synced(upto)
    }

    /// The number of leaves that were appended, written or not.
    pub fn appended(&self) -> u64 {
        self.appender.appended()
    }

    pub fn written(&self) -> u64 {
        self.appender.store().written()
    }

    pub fn synced(&self) -> u64 {
        self.appender.synced.load(Ordering::Acquire)
    }

    /// Returns why appending is refused, if it is.
    pub fn failure(&self) -> Option<AuditError> {
        self.appender.failure()
    }

    /// Writes what could not be written. Appending goes on if it succeeds. After a failed sync it
    /// cannot: the system may have dropped what it held, and the log must be opened anew.
    pub fn retry(&self) -> Result<(), AuditError> {
        self.appender.retry()
    }

    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Syncs all and signs a checkpoint now; returns the last one if there is nothing new.
    pub fn sign_checkpoint(&self) -> Result<SignedCheckpoint, AuditError> {
        self.appender.write(self.appended())?;
        self.appender.sync()?;
        self.appender.sign()
    }

    pub(super) fn earlier_logs(&self) -> &EarlierLogs {
        &self.earlier
    }

    pub(super) fn appender(&self) -> &Appender {
        &self.appender
    }
}

impl Log {
    /// Returns readers of the logs before this one, oldest first. They stay open.
    pub fn earlier(&self) -> Result<Vec<Reader>, AuditError> {
        Ok(self.earlier_logs().all()?.into_iter().map(Reader::new).collect())
    }

    /// Returns the log whose record ids begin with `tag`: this one or an earlier one.
    pub fn reader_of(&self, tag: [u8; 4]) -> Result<Option<Reader>, AuditError> {
        Ok(self.store_of(tag)?.map(Reader::new))
    }

    pub(super) fn store_of(&self, tag: [u8; 4]) -> Result<Option<Arc<Store>>, AuditError> {
        if tag == self.reader().tag() {
            return Ok(Some(Arc::clone(self.appender().store())));
        }
        self.earlier_logs().find(tag)
    }

    pub(super) fn is_present(&self, store: &Store) -> bool {
        store.id == self.appender().store().id
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let Some([sync, seal]) = self.threads.take() else { return };
        // A panic in one was reported where it happened.
        self.appender.stop();
        let _ = sync.join();
        self.appender.stop_sealing();
        let _ = seal.join();
    }
}

/// Locks the directory itself: a lock file could be deleted, and made anew by another process.
fn lock(directory: &Path) -> Result<File, AuditError> {
    let file = File::open(directory).map_err(AuditError::io(directory))?;
    for _ in 1..LOCK_TRIES {
        if file.try_lock().is_ok() {
            return Ok(file);
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AuditError::Locked { path: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(AuditError::io(directory)(error)),
    }
}

/// Makes the files of a log beside the others, and gives it its number.
fn start(directory: &Path, number: u64, name: &str) -> Result<u64, AuditError> {
    let origin = origin::new_origin(name)?;
    let new = directory.join(files::NEW_LOG);
    if fs::exists(&new).map_err(AuditError::io(&new))? {
        fs::remove_dir_all(&new).map_err(AuditError::io(&new))?;
    }
    for folder in [new.clone(), new.join("segments"), new.join("filters")] {
        files::create_directory(&folder)?;
    }
    origin::create(&new, &origin)?;
    keys::create(&new, &origin)?;
    Index::create(&new, LogId::of(&origin))?;
    files::replace(&checkpoint_file::path(&new), &[])?;
    files::sync_directory(&new)?;
    files::rename(&new, &files::log_directory(directory, number))?;
    Ok(number)
}
