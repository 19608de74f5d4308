//! What is durable: list versions, their changes and snapshots, transfers and labels, in one
//! embedded sled database and a file of segments beside it. The only home of sled. Decides nothing
//! of what a publication or a transfer means, and reads no clock.
//!
//! # Layout
//!
//! The database lies in `store/` under the data directory. Numbers in keys are big-endian; a list
//! id in a key ends with a zero byte, which no id has.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `meta` | `schema` | schema version, 4 bytes; the only value without a checksum |
//! | `lists` | list id | pointer: number of the current version, its chunks, the last check |
//! | `versions` | list id, 0, version (8) | the version's header, kept for ever |
//! | `rows` | list id, 0, version (8), `p` or `r`, chunk (4) | 1,000 parties or rows |
//! | `changes` | version (8), sequence of the first (4) | list id and 1,000 changes, kept for ever |
//! | `snapshots` | length of the id (1), id | bytes that the caller handed in |
//! | `policies` | length of the version (1), version | the file |
//! | `transfers`, `segments` | | [`transfers`], with the file `segments` |
//! | `labels` | | [`labels`] |
//!
//! A value is 8 bytes of checksum and its [postcard] form; the checksum is the beginning of the
//! SHA-256 over key and form, so that a damaged, missing or misplaced value is an error that
//! names its key. All but those of `lists` are cut into pieces of 4 KiB, each under the key and
//! its number (4): sled writes what is much larger into files of their own, which it does not
//! sync. Segments and labels have a faster checksum ([`pieces`]).
//!
//! # What is atomic
//!
//! A publication writes the new version's rows, header and changes beside the current ones and
//! syncs; then it writes the one key of the list in `lists` and syncs again; then the file `heads`
//! in `store/` is replaced, which says the newest version of each list and how far the transfers
//! are; and only then is it acknowledged. Killed at any moment, the store opens with the old or the
//! new version whole: what no pointer leads to is removed on opening. Version numbers count over
//! all lists; the next one is that after the greatest that a pointer names, so that the number of
//! an acknowledged version never comes again.
//!
//! sled takes damage in its log for the log's end and forgets silently what follows. That is
//! noticed on opening, before anything is removed: every list in `heads` must be there in that
//! version or a later one, and as many changes of transfers. Labels, and checks and snapshots since
//! the last publication, are not guarded so.
//!
//! There is one writer: a mutex inside, which reading whole lists takes as well, because a
//! publication deletes the rows that it supersedes. After an error in the middle of a write the
//! store refuses all further writes until it is opened anew.

pub mod backup;
mod changes;
mod heads;
mod labels;
mod lists;
mod named;
mod pieces;
mod size;
mod transfers;
mod value;
mod verify;

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

pub use changes::{ChangePage, StoredChange};
pub use labels::{LabelChunks, StoredLabels};
pub use named::MAX_NAME;
pub use transfers::Clock;
pub use verify::{Judge, Named, Verified, verify_backup};

use crate::domain::transfer::TransferError;

/// The schema that this program reads and writes. Schema 1 had no transfers and no labels: such a
/// store is opened as it is, and has this schema from then on.
pub const SCHEMA: u32 = 2;

/// The schema without transfers.
const SCHEMA_OF_LISTS: u32 = 1;

/// The memory that the database may use for its page cache, in bytes, where nothing else is said.
pub const DEFAULT_CACHE: u64 = 64 * 1024 * 1024;

const SCHEMA_KEY: &[u8] = b"schema";

/// Why something could not be stored or read back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Written by another version of this program, or by something else.
    #[error(
        "{dir}: the store has schema {found}, but this version reads schemas {SCHEMA_OF_LISTS} and {SCHEMA} only: run the version that \
         wrote it, or move the directory away and import the lists again",
        dir = .dir.display()
    )]
    Schema {
        /// The database directory.
        dir: PathBuf,
        /// The schema found: a number, or `unknown`.
        found: String,
    },
    /// In use.
    #[error(
        "{dir}: the store is in use by another process, such as a running server: stop it, ask it instead, or \
         give another data directory",
        dir = .dir.display()
    )]
    Locked {
        /// The database directory.
        dir: PathBuf,
    },
    /// A value is not what was written.
    #[error("tree {tree}, key {key}: the stored value is damaged: {what}")]
    Corrupt {
        /// The tree.
        tree: &'static str,
        /// The key, printable: bytes that are not ASCII letters, digits or punctuation as `\xNN`.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// A list that was acknowledged is gone, or back at an earlier version.
    #[error(
        "{dir}: version {version} of list {list} was stored here, but the database has {found}: it is damaged; \
         restore the directory from a backup, or move it away and import the lists again",
        dir = .dir.display(),
        found = .found.map_or_else(|| "no version of it".to_owned(), |found| format!("version {found} only"))
    )]
    Lost {
        /// The database directory.
        dir: PathBuf,
        /// The list; the first by id where several are lost.
        list: crate::domain::list::ListId,
        /// The version that was acknowledged.
        version: u64,
        /// The version that is there; `None` if none is.
        found: Option<u64>,
    },
    /// Transfers that were acknowledged are gone.
    #[error(
        "{dir}: {stored} transfers were stored here by {changes} changes, but the database has {found} by \
         {found_changes}: it is damaged; restore the directory from a backup, or move it away and import the \
         lists and transfers again",
        dir = .dir.display()
    )]
    LostTransfers {
        /// The database directory.
        dir: PathBuf,
        /// The rows that were acknowledged.
        stored: u64,
        /// The changes that were.
        changes: u64,
        /// The rows that are there.
        found: u64,
        /// The changes that are.
        found_changes: u64,
    },
    /// A transfer that cannot be taken.
    #[error("transfer {index} of the batch, {source}")]
    Transfer {
        /// Its place in the batch, from 0.
        index: usize,
        /// The field, and what is wrong with it.
        source: TransferError,
    },
    /// A declaration of coverage, or a retraction, that cannot be taken.
    #[error("{field}: {what}")]
    Heights {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// More chains than the store takes.
    #[error("the store holds transfers of at most {most} chains, and {0} would be one more", most = transfers::MAX_CHAINS)]
    TooManyChains(crate::domain::chain::Chain),
    /// More rows than can be numbered.
    #[error("the store holds at most {most} transfers", most = transfers::MAX_ROWS)]
    TooManyRows,
    /// A row that is not there.
    #[error("there is no transfer {row}: {rows} are stored")]
    NoRow {
        /// Its number.
        row: u64,
        /// How many there are.
        rows: u64,
    },
    /// A file of the store is not what was written.
    #[error("{path}, byte {place}: the file is damaged: {what}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damaged part begins.
        place: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A delta of labels without a base.
    #[error("there are no labels that this could be a delta of")]
    NoLabels,
    /// The file that names the newest versions is not what was written.
    #[error(
        "{path}, line {line}: the file is damaged; restore the directory from a backup, or move it away and \
         import the lists again",
        path = .path.display()
    )]
    Heads {
        /// The file.
        path: PathBuf,
        /// The first line that is wrong or missing, from 1.
        line: usize,
    },
    /// A publication that does not carry the next version number.
    #[error("version {found} cannot be published: the next is {next}")]
    OutOfOrder {
        /// The number that it carries.
        found: u64,
        /// The number that it should carry.
        next: u64,
    },
    /// A check of a list that was never published.
    #[error("list {0} is not in the store")]
    UnknownList(crate::domain::list::ListId),
    /// A snapshot id or policy version that is empty or too long.
    #[error("a snapshot id or policy version has 1 to {MAX_NAME} bytes, not {0}")]
    Name(usize),
    /// An earlier write failed half way.
    #[error("an earlier write failed: the store takes no more until it is opened anew")]
    Broken,
    /// A value could not be encoded.
    #[error("encoding a value: {0}")]
    Encode(postcard::Error),
    /// The database failed.
    #[error("{doing}: {source}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// sled's error.
        source: sled::Error,
    },
    /// A directory or file of the store could not be made or synced.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl StoreError {
    fn engine(doing: &'static str) -> impl FnOnce(sled::Error) -> Self {
        move |source| Self::Engine { doing, source }
    }
}

/// An open store. Its directory is locked until it is dropped.
pub struct Store {
    db: sled::Db,
    lists: sled::Tree,
    versions: sled::Tree,
    rows: sled::Tree,
    changes: sled::Tree,
    snapshots: sled::Tree,
    policies: sled::Tree,
    transfers: sled::Tree,
    segments: sled::Tree,
    segment_file: transfers::SegmentFile,
    labels: sled::Tree,
    file: File,
    path: PathBuf,
    /// The database directory.
    dir: PathBuf,
    /// The greatest version number that a durable pointer names; 0 before the first.
    acknowledged: AtomicU64,
    writer: Mutex<Writer>,
    /// What the headers of the transfers say.
    log: RwLock<transfers::Log>,
    /// Segments that were unpacked last.
    unpacked: Mutex<transfers::Unpacked>,
    /// Held by whoever writes labels.
    label_writer: Mutex<()>,
    /// What backups need.
    pins: backup::Pins,
}

/// Held by whoever writes.
#[derive(Debug, Default)]
struct Writer {
    /// A write began and did not end: what is in memory may differ from what is durable.
    broken: bool,
}

/// How often a locked database is tried, and the pause between two tries. The lock outlives its
/// holder for a moment where that is just being ended or has just started a child process.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

fn open_patiently(dir: &Path, cache_bytes: u64) -> Result<sled::Db, StoreError> {
    let is_lock = |error: &sled::Error| matches!(error, sled::Error::Io(e) if e.to_string().contains("could not acquire lock"));
    let mut tries = 1;
    loop {
        match sled::Config::new().path(dir).cache_capacity(cache_bytes).open() {
            Ok(db) => return Ok(db),
            Err(error) if is_lock(&error) && tries < TRIES => std::thread::sleep(PAUSE),
            Err(error) if is_lock(&error) => return Err(StoreError::Locked { dir: dir.into() }),
            Err(source) => return Err(StoreError::Engine { doing: "opening the store", source }),
        }
        tries += 1;
    }
}

impl Store {
    /// Opens the store under `data_dir`, made if absent and then readable by its owner only, with
    /// `cache_bytes` of page cache. Removes what unfinished publications left.
    pub fn open(data_dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let dir = data_dir.join("store");
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        make_private(&dir).map_err(io(&dir))?;
        let db = open_patiently(&dir, cache_bytes)?;
        let heads = heads::read(&dir)?;
        check_schema(&db, &dir, heads.as_ref())?;
        let path = dir.join("db");
        let file = File::open(&path).map_err(io(&path))?;
        let segment_file = transfers::SegmentFile::open(&dir)?;
        for made in [&dir, data_dir] {
            File::open(made).and_then(|dir| dir.sync_all()).map_err(io(made))?;
        }
        let tree = |name: &str| db.open_tree(name).map_err(StoreError::engine("opening a tree"));
        let store = Self {
            lists: tree("lists")?,
            versions: tree("versions")?,
            rows: tree("rows")?,
            changes: tree("changes")?,
            snapshots: tree("snapshots")?,
            policies: tree("policies")?,
            transfers: tree("transfers")?,
            segments: tree("segments")?,
            segment_file,
            labels: tree("labels")?,
            db,
            file,
            path,
            dir,
            acknowledged: AtomicU64::new(0),
            writer: Mutex::default(),
            log: RwLock::default(),
            unpacked: Mutex::default(),
            label_writer: Mutex::default(),
            pins: backup::Pins::default(),
        };
        store.check_heads(heads.as_ref())?;
        store.recover()?;
        store.recover_transfers()?;
        store.recover_labels()?;
        Ok(store)
    }

    /// The number that the next version must carry.
    pub fn next_version(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire) + 1
    }

    /// Runs a write as the only writer, after a check that may refuse it. If the write itself
    /// fails, no other follows.
    fn write<C, T>(
        &self,
        check: impl FnOnce() -> Result<C, StoreError>,
        work: impl FnOnce(C) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = self.lock();
        if writer.broken {
            return Err(StoreError::Broken);
        }
        let checked = check()?;
        writer.broken = true;
        let done = work(checked)?;
        writer.broken = false;
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // A writer that panicked has left `broken` set.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything written so far is durable when this returns. sled writes its log through
    /// `sync_file_range`, which leaves the file's size and the disk's own cache unsynced.
    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(StoreError::engine("flushing the store"))?;
        let failed = |source| StoreError::Io { path: self.path.clone(), source };
        self.file.sync_all().map_err(failed)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sled would print every page.
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes the schema into an empty database; refuses one that has another, or none. One that is
/// empty though there are `heads` was not always so.
fn check_schema(db: &sled::Db, dir: &Path, heads: Option<&heads::Heads>) -> Result<(), StoreError> {
    let failed = StoreError::engine;
    // Names of trees are read first: opening a tree makes it.
    let names = db.tree_names();
    let known = names.iter().any(|name| name == b"meta");
    let meta = || db.open_tree("meta").map_err(failed("opening a tree"));
    let found = match known {
        true => meta()?.get(SCHEMA_KEY).map_err(failed("reading the schema"))?,
        false => None,
    };
    match found {
        Some(found) if *found == SCHEMA.to_be_bytes() => Ok(()),
        // The new trees are made empty; what is there stays as it is.
        Some(found) if *found == SCHEMA_OF_LISTS.to_be_bytes() => write_schema(db, &meta()?),
        Some(found) => {
            let number = <[u8; 4]>::try_from(&*found).map(u32::from_be_bytes);
            let found = number.map_or_else(|_| "unknown".to_owned(), |number| number.to_string());
            Err(StoreError::Schema { dir: dir.to_owned(), found })
        }
        None if let Some((list, version)) =
            heads.and_then(|heads| heads.lists.first_key_value()) =>
        {
            let (dir, list) = (dir.to_owned(), list.clone());
            Err(StoreError::Lost { dir, list, version: *version, found: None })
        }
        None if let Some(heads) = heads.filter(|heads| heads.transfers.changes > 0) => {
            let heads::Ledger { changes, rows: stored } = heads.transfers;
            let (dir, found, found_changes) = (dir.to_owned(), 0, 0);
            Err(StoreError::LostTransfers { dir, stored, changes, found, found_changes })
        }
        // sled's default tree is always there; a process killed right here leaves `meta` empty.
        None if heads.is_none() && names.len() == 1 + usize::from(known) && db.is_empty() => {
            write_schema(db, &meta()?)
        }
        None => Err(StoreError::Schema { dir: dir.to_owned(), found: "unknown".to_owned() }),
    }
}

fn write_schema(db: &sled::Db, meta: &sled::Tree) -> Result<(), StoreError> {
    let failed = StoreError::engine;
    meta.insert(SCHEMA_KEY, &SCHEMA.to_be_bytes()).map_err(failed("writing the schema"))?;
    db.flush().map_err(failed("writing the schema"))?;
    Ok(())
}

#[cfg(test)]
mod tests;
