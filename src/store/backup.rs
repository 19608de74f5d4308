//! Makes a consistent copy of the store while it is written to, as one file ([`frame`] has its
//! form), and restores it ([`restore`]).
//!
//! # Content
//!
//! Everything but labels, which can be rebuilt: all trees, the file of segments, and `heads`, as
//! acknowledged at one moment.
//!
//! # How long writers wait
//!
//! sled has no snapshots. Only data that may change or vanish is copied to a temporary file under
//! the writer's lock: pointers, snapshots, policies, settings and bases, and headers, heads and
//! retractions of transfers. The rest never changes once written: coverage after each change, list rows
//! and versions, changes and superseded rows, segments. It is read after the lock is released, up to the versions and the file offset
//! recorded under it. Data superseded by a later publication or append is removed only when no
//! backup needs it.
//!
//! docs/benchmarks.md has the measured wait.

mod error;
mod frame;
mod restore;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::Timestamp;

pub use error::BackupError;
pub use frame::{Header, Size};
pub use restore::{remove_leftovers, restore};

/// The format of a backup that is written, and the latest one read.
pub const FORMAT: u32 = 1;

pub(super) use self::frame::{Frame, Reader};
use self::frame::{MAX_KEY, MAX_VALUE, PART, Writer};
use super::heads::Heads;
use super::{SCHEMA, Store, StoreError, heads};

/// The trees in backup order: trees that others are checked against come first. The first [`HELD`]
/// are copied under the lock.
pub(super) const TREES: [&str; 14] = [
    "meta",
    "lists",
    "snapshots",
    "policies",
    "settings",
    "bases",
    "looks",
    "transfers",
    "coverage",
    "versions",
    "rows",
    "changes",
    "superseded",
    "segments",
];

/// How many of [`TREES`] are copied under the lock.
const HELD: usize = 8;

/// Tracks whether a backup needs superseded data. Accessed under the writer's lock.
#[derive(Debug, Default)]
pub(super) struct Pins {
    backups: AtomicUsize,
    /// Superseded data was retained meanwhile.
    left_over: AtomicBool,
}

impl Pins {
    /// Returns true while a backup is being made.
    pub(super) fn are_held(&self) -> bool {
        self.backups.load(Ordering::Acquire) > 0
    }

    /// Returns true if superseded data must be retained, and records that.
    pub(super) fn keep(&self) -> bool {
        let keep = self.backups.load(Ordering::Acquire) > 0;
        if keep {
            self.left_over.store(true, Ordering::Release);
        }
        keep
    }
}

/// A running backup: its data is retained until this is dropped.
#[derive(Debug)]
pub struct Backup<'a> {
    pin: Pin<'a>,
    spool: File,
    heads: Heads,
    /// The greatest acknowledged version number.
    last: u64,
    /// The numbers of the small segments.
    small: Vec<u64>,
    /// The end of the last segment in the file.
    file_end: u64,
    made: Timestamp,
}

#[derive(Debug)]
struct Pin<'a>(&'a Store);

impl<'a> Pin<'a> {
    fn new(store: &'a Store) -> Self {
        store.pins.backups.fetch_add(1, Ordering::AcqRel);
        Self(store)
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        let store = self.0;
        let writer = store.lock();
        let last = store.pins.backups.fetch_sub(1, Ordering::AcqRel) == 1;
        drop(writer);
        if last && store.pins.left_over.swap(false, Ordering::AcqRel) {
            store.remove_left_over();
        }
    }
}

impl Store {
    /// Begins a backup of the acknowledged state, dated `made`. Writers wait while this runs.
    /// `spool` is an empty file for the trees that change.
    pub fn begin_backup(&self, spool: File, made: Timestamp) -> Result<Backup<'_>, BackupError> {
        let writer = self.lock();
        if writer.broken {
            return Err(StoreError::Broken.into());
        }
        if let Some(error @ StoreError::Removed { .. }) = self.unusable() {
            return Err(error.into());
        }
        let failed = |source| StoreError::Io { path: self.dir.join("backup"), source };
        let mut out = BufWriter::new(spool);
        for (number, name) in (0_u8..).zip(&TREES[..HELD]) {
            for item in self.tree_named(name)?.iter() {
                let (key, value) = item.map_err(StoreError::engine("reading a value"))?;
                // Garbage is not backed up.
                if *name == "transfers" && key.first() == Some(&super::transfers::GARBAGE) {
                    continue;
                }
                spool_entry(&mut out, number, &key, &value).map_err(failed)?;
            }
        }
        let heads = self.heads()?;
        let (small, file_end) = self.segments_now();
        let pin = Pin::new(self);
        let last = self.acknowledged.load(Ordering::Acquire);
        drop(writer);
        let mut spool = out.into_inner().map_err(|error| failed(error.into_error()))?;
        spool.rewind().map_err(failed)?;
        Ok(Backup { pin, spool, heads, last, small, file_end, made })
    }

    fn tree_named(&self, name: &str) -> Result<sled::Tree, StoreError> {
        self.database.tree_named(name)
    }

    /// Removes data superseded during a backup. On failure the next opening removes it.
    fn remove_left_over(&self) {
        let removal = |()| {
            if self.pins.keep() {
                return Ok(());
            }
            for (id, version) in self.heads()?.lists {
                self.remove_superseded(&id, version)?;
            }
            self.remove_garbage().map(drop)
        };
        if let Err(error) = self.write(|| Ok(()), removal) {
            tracing::warn!(%error, "data superseded during a backup not removed");
        }
    }
}

impl Backup<'_> {
    /// Writes the whole backup to `out` in parts of some 256 KiB. Fails if `out` does.
    pub fn write_to(mut self, out: impl Write) -> Result<Size, BackupError> {
        let header = Header {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            format: FORMAT,
            schema: SCHEMA,
            made: self.made,
            trees: TREES.map(str::to_owned).to_vec(),
        };
        let mut writer = Writer::new(out, &header)?;
        writer.heads(heads::text(&self.heads).as_bytes())?;
        self.spooled(&mut writer)?;
        for (number, name) in (0_u8..).zip(TREES).skip(HELD) {
            self.tree(&mut writer, number, name)?;
        }
        self.segments(&mut writer)?;
        writer.end()
    }

    fn spooled<W: Write>(&mut self, writer: &mut Writer<W>) -> Result<(), BackupError> {
        let path = self.pin.0.dir.join("backup");
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let mut spool = BufReader::new(&mut self.spool);
        let (mut key, mut value) = (Vec::new(), Vec::new());
        while let Some(number) = read_spooled(&mut spool, &mut key, &mut value).map_err(failed)? {
            put(writer, number, &key, &value)?;
        }
        Ok(())
    }

    /// Writes the recorded part of a tree whose values never change.
    fn tree<W: Write>(
        &self,
        writer: &mut Writer<W>,
        number: u8,
        name: &str,
    ) -> Result<(), BackupError> {
        let store = self.pin.0;
        let mut spans = |spans: &mut dyn Iterator<Item = (Vec<u8>, Vec<u8>)>| {
            for (from, to) in spans {
                for item in store.tree_named(name)?.range(from..to) {
                    let (key, value) = item.map_err(StoreError::engine("reading a value"))?;
                    put(writer, number, &key, &value)?;
                }
            }
            Ok(())
        };
        use super::lists::version_key as key;
        let lists = || self.heads.lists.iter();
        match name {
            "versions" => spans(&mut lists().map(|(id, last)| (key(id, 0), key(id, last + 1)))),
            "rows" => spans(&mut lists().map(|(id, last)| (key(id, *last), key(id, last + 1)))),
            "coverage" => {
                let to = (self.heads.transfers.changes + 1).to_be_bytes().to_vec();
                spans(&mut std::iter::once((Vec::new(), to)))
            }
            "changes" | "superseded" => {
                let to = (self.last + 1).to_be_bytes().to_vec();
                spans(&mut std::iter::once((Vec::new(), to)))
            }
            _ => {
                let key = |id: u64| id.to_be_bytes().to_vec();
                spans(&mut self.small.iter().map(|id| (key(*id), key(id + 1))))
            }
        }
    }

    fn segments<W: Write>(&self, writer: &mut Writer<W>) -> Result<(), BackupError> {
        let store = self.pin.0;
        let mut file = store.segment_file.reader()?;
        let mut left = self.file_end;
        let mut part = vec![0; PART];
        while left > 0 {
            let part = &mut part[..PART.min(usize::try_from(left).unwrap_or(PART))];
            let place = self.file_end - left;
            file.read_exact(part).map_err(|error| {
                if error.kind() == io::ErrorKind::UnexpectedEof {
                    store.segment_file.damaged(place, "it ends before its transfers do")
                } else {
                    StoreError::Io { path: store.dir.join("segments"), source: error }
                }
            })?;
            writer.segments(part)?;
            left -= part.len() as u64;
        }
        Ok(())
    }
}

/// Adds an entry to the backup, within its bounds.
fn put<W: Write>(
    writer: &mut Writer<W>,
    number: u8,
    key: &[u8],
    value: &[u8],
) -> Result<(), BackupError> {
    if key.len() > MAX_KEY || value.len() > MAX_VALUE {
        let length = if value.len() > MAX_VALUE { value.len() } else { key.len() };
        let tree = TREES[usize::from(number)];
        return Err(BackupError::TooLarge { tree, key: key.escape_ascii().to_string(), length });
    }
    writer.entry(number, key, value)
}

/// Writes an entry to the spool: tree (1), lengths (8, 8), key, value.
fn spool_entry(out: &mut impl Write, tree: u8, key: &[u8], value: &[u8]) -> io::Result<()> {
    out.write_all(&[tree])?;
    out.write_all(&(key.len() as u64).to_be_bytes())?;
    out.write_all(&(value.len() as u64).to_be_bytes())?;
    out.write_all(key)?;
    out.write_all(value)
}

/// Reads the next entry and the number of its tree; `None` at the end.
fn read_spooled(
    spool: &mut impl Read,
    key: &mut Vec<u8>,
    value: &mut Vec<u8>,
) -> io::Result<Option<u8>> {
    let mut tree = [0];
    if spool.read(&mut tree)? == 0 {
        return Ok(None);
    }
    let mut lengths = [[0; 8]; 2];
    for length in &mut lengths {
        spool.read_exact(length)?;
    }
    for (bytes, length) in [key, value].into_iter().zip(lengths) {
        bytes.resize(u64::from_be_bytes(length) as usize, 0);
        spool.read_exact(bytes)?;
    }
    Ok(Some(tree[0]))
}
