//! Durable storage of list versions, their changes and snapshots, transfers and labels: one
//! embedded sled database and a file of segments next to it. Only this module uses sled.
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
//! | | list id, 0, version (8), `s`, chunk (4) | [`baseline`] |
//! | `changes` | version (8), sequence of the first (4) | list id and 1,000 changes, kept for ever |
//! | `superseded` | | [`superseded`] |
//! | `snapshots` | length of the id (1), id | bytes that the caller handed in |
//! | `policies` | length of the version (1), version | the file |
//! | `transfers`, `segments` | | [`transfers`], with the file `segments` |
//! | `labels` | | [`labels`] |
//! | `looks` | | [`looks`] |
//! | `settings`, `bases` | as `snapshots` | bytes that the caller handed in |
//! | `coverage` | | [`coverage`] |
//!
//! A value is 8 bytes of checksum and its [postcard] form; the checksum is the beginning of the
//! SHA-256 over key and form, so that a damaged, missing or misplaced value is an error that
//! names its key. All values except those of `lists` are split into pieces of 4 KiB, each under
//! the key and its number (4). sled writes much larger values into separate files, which it does
//! not sync. Segments and labels have a faster checksum ([`pieces`]).
//!
//! # What is atomic
//!
//! A publication proceeds in steps:
//!
//! 1. It writes the new version's rows, header, changes and superseded rows next to the current
//!    ones, and syncs.
//! 2. It writes the one key of the list in `lists`, and syncs.
//! 3. It replaces the file `heads` in `store/`, which records the newest version of each list and
//!    the number of transfers.
//! 4. It is acknowledged.
//!
//! If killed at any moment, the store opens with the complete old or new version: data without a
//! pointer is removed on opening. Version numbers count over all lists. The next one follows the
//! greatest that a pointer names, so the number of an acknowledged version is never reused.
//!
//! sled takes damage in its log for the end of the log and silently drops what follows. Opening
//! detects this before anything is removed: every list in `heads` must exist in that version or a
//! later one, and as many changes of transfers. Labels, and checks and snapshots since the last
//! publication, have no such guard.
//!
//! There is one writer, behind a mutex. Reading whole lists takes it as well, because a
//! publication deletes the rows that it supersedes. After an interrupted write the store refuses
//! further writes until it is reopened ([`open`]).

pub mod backup;
mod baseline;
mod changes;
mod coverage;
mod database;
mod error;
mod files;
mod heads;
mod labels;
mod lists;
mod looks;
mod numbers;
mod open;
mod pieces;
mod records;
mod size;
mod superseded;
mod transfers;
mod value;
mod verify;

use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

pub use changes::{ChangePage, Changes, StoredChange};
pub use coverage::{CoverageAt, PastCoverage};
use database::{Database, Tree};
pub use error::StoreError;
pub use labels::{LabelChunks, StoredLabels};
pub use looks::ListAge;
pub use open::Reopening;
use open::open_with_retry;

use crate::domain::lock::Recover;
pub use superseded::PastState;
pub use transfers::{Append, Clock, Replaced, Retract, Tops};
pub use verify::{OpaqueRecord, RecordCheck, Verified, verify_backup};

/// The schema that this program reads and writes. A store of an older schema is opened and upgraded
/// in place.
///
/// - Schema 1 had no transfers and no labels.
/// - Schema 2 had coverage without kinds of movement; it counts for none until declared.
/// - Schema 3 had no baselines.
/// - Changes of schema 4 do not record the changed fields.
/// - Schema 5 had no declared checks, no superseded rows and no backfills.
/// - Versions of schema 6 do not record unparsed rows.
/// - Schema 7 kept no past coverage, no settings of exposure and no bases of labels.
pub const SCHEMA: u32 = 8;

/// The longest snapshot id or policy version, in bytes.
pub const MAX_NAME: usize = 128;

/// Older schemas that can be read.
const OLDER_SCHEMAS: [u32; 7] = [1, 2, 3, 4, 5, 6, 7];

/// The default memory of the database's page cache, in bytes.
pub const DEFAULT_CACHE: u64 = 64 * 1024 * 1024;

const SCHEMA_KEY: &[u8] = b"schema";

/// An open store. Its directory is locked until it is dropped.
pub struct Store {
    database: Arc<Database>,
    lists: Tree,
    versions: Tree,
    rows: Tree,
    changes: Tree,
    superseded: Tree,
    snapshots: Tree,
    policies: Tree,
    transfers: Tree,
    segments: Tree,
    segment_file: transfers::SegmentFile,
    labels: Tree,
    looks: Tree,
    settings: Tree,
    bases: Tree,
    coverage: Tree,
    /// The last checks of the lists' sources.
    check_log: Mutex<looks::CheckLog>,
    dir: PathBuf,
    cache_bytes: u64,
    /// The greatest version number of a durable pointer; 0 before the first.
    acknowledged: AtomicU64,
    /// The number of each version on its list.
    numbers: Mutex<numbers::Numbers>,
    writer: Mutex<Writer>,
    /// The error of the last write, if the store therefore refuses changes.
    failure: Mutex<Option<String>>,
    /// The number of times the database was opened.
    openings: AtomicU64,
    /// The headers of the transfers.
    log: RwLock<transfers::Log>,
    /// LRU cache of segment_cache segments.
    segment_cache: Mutex<transfers::SegmentCache>,
    /// Held while labels are written.
    label_writer: Mutex<()>,
    pins: backup::Pins,
}

#[derive(Debug, Default)]
struct Writer {
    /// True if a write was interrupted: memory may differ from what is durable.
    broken: bool,
}

impl Store {
    /// Returns the number that the next version must have.
    pub fn next_version(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire) + 1
    }

    /// Runs a write as the only writer, after a check that may refuse it. If the write itself
    /// fails, later writes are refused.
    fn write<C, T>(
        &self,
        check: impl FnOnce() -> Result<C, StoreError>,
        work: impl FnOnce(C) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = self.lock();
        // Data written to removed files is not durable.
        if let Some(error) = self.unusable() {
            return Err(error);
        }
        if writer.broken || self.failure().is_some() {
            return Err(StoreError::Broken);
        }
        let checked = check()?;
        writer.broken = true;
        let done = work(checked).inspect_err(|error| self.fail(error.to_string()))?;
        writer.broken = false;
        Ok(done)
    }

    fn failure(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().recover()
    }

    /// Records why changes are refused from now on.
    fn fail(&self, why: String) {
        *self.failure() = Some(why);
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // A writer that panicked left `broken` set.
        self.writer.lock().recover()
    }

    /// Makes everything written so far durable.
    fn sync(&self) -> Result<(), StoreError> {
        self.database.sync()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sled would print every page.
        f.debug_struct("Store").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes the schema into an empty database; rejects an unknown or missing schema. An empty
/// database with `heads` has lost data.
fn check_schema(db: &sled::Db, dir: &Path, heads: Option<&heads::Heads>) -> Result<(), StoreError> {
    let failed = StoreError::engine;
    // Tree names are read first, because opening a tree creates it.
    let names = db.tree_names();
    let known = names.iter().any(|name| name == b"meta");
    let meta = || db.open_tree("meta").map_err(failed("opening a tree"));
    let found =
        if known { meta()?.get(SCHEMA_KEY).map_err(failed("reading the schema"))? } else { None };
    match found {
        Some(found) if *found == SCHEMA.to_be_bytes() => Ok(()),
        // New trees are created empty; existing ones stay.
        Some(found) if OLDER_SCHEMAS.iter().any(|old| *found == old.to_be_bytes()) => {
            write_schema(db, &meta()?)
        }
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
        // sled's default tree always exists; a process killed right here leaves `meta` empty.
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
