//! Opens the files of a log, finds the end of what was written, and cuts off what a crash left
//! there. What a checkpoint covers is never cut: damage there is an error.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, RwLock};

use super::block::{Block, Encoder};
use super::checkpoint_file;
use super::frame::{self, FramePlace};
use super::head::{self, HEAD, Kind, LogId};
use super::index::{BlockPlace, Index};
use super::store::{Places, Store};
use super::tree::Tree;
use super::{
    AuditError, BLOCK_BITS, Damage, LEAVES_PER_BLOCK, SEGMENT_BITS, SignedCheckpoint, files, keys,
    origin, replace,
};

/// What to do about damage that is not cut off.
const REMEDY: &str = "; restore the file, or delete `key` beside it to begin the next log and keep \
    this one for reading";

/// What was cut off the end of a log after a crash. None of it was synced or under a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    pub path: PathBuf,
    /// The offset from which bytes were cut off.
    pub byte: u64,
    pub bytes: u64,
    /// Why they were no whole frames.
    pub what: String,
}

/// A log with all that appending needs.
pub(super) struct Recovered {
    pub(super) store: Store,
    /// Of the block that goes on.
    pub(super) encoder: Encoder,
    pub(super) cut: Option<Cut>,
}

/// What a log is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Changes nothing.
    Read,
    /// Finishes a replacement that a crash cut off, and allows others. Cuts nothing off: for logs
    /// that are not appended to any more.
    Replace,
    Append,
}

/// Opens a log.
pub(super) fn open(log: &Path, access: Access) -> Result<Recovered, AuditError> {
    let writable = access == Access::Append;
    let origin = origin::read(log)?.origin;
    let id = LogId::of(&origin);
    if access != Access::Read {
        replace::finish(log, id)?;
    }
    let keys = keys::read(log)?;
    let latest = last_checkpoint(log, writable)?;
    let signed = latest.as_ref().map_or(0, |signed| signed.checkpoint.size);
    let index = Index::open(log, id, access != Access::Read)?;
    let mut tree = Tree::default();
    let mut last = None;
    let (sealed, more) = index.read_all(|block, row| {
        tree.push_block(row.hash);
        last = Some((block, row.place));
    })?;
    if more {
        if (sealed + 1) << BLOCK_BITS <= signed {
            return Err(index.damaged(sealed));
        }
        if writable {
            index.cut(sealed)?;
        }
    }
    let mut scan = Scan {
        log,
        writable,
        id,
        signed,
        tree,
        block: sealed,
        open: VecDeque::new(),
        encoder: Encoder::default(),
        cut: None,
    };
    let start = scan.start(last)?;
    scan.run(start)?;
    if let Some(cut) = scan.cut.as_ref().filter(|_| writable) {
        apply(log, cut, scan.block >> SEGMENT_BITS)?;
    }
    let Scan { tree, open, encoder, cut, .. } = scan;
    let size = tree.size();
    let store = Store {
        directory: log.to_owned(),
        origin,
        id,
        index,
        places: Mutex::new(Places { sealed, open }),
        tree: RwLock::new(tree),
        hashing: Mutex::new(()),
        written: AtomicU64::new(size),
        latest: Mutex::new(latest.clone()),
        keys: Mutex::new(keys),
        replacing: RwLock::new(()),
    };
    if let Some(latest) = &latest {
        check_root(&store, latest)?;
    }
    Ok(Recovered { store, encoder, cut })
}

fn last_checkpoint(log: &Path, writable: bool) -> Result<Option<SignedCheckpoint>, AuditError> {
    let path = checkpoint_file::path(log);
    let length = fs::metadata(&path).map_err(AuditError::io(&path))?.len();
    let (last, whole) = checkpoint_file::last(log)?;
    if whole < length && writable {
        checkpoint_file::cut(log, whole)?;
    }
    Ok(last)
}

/// Fails if the log is not the one that its last checkpoint names.
fn check_root(store: &Store, latest: &SignedCheckpoint) -> Result<(), AuditError> {
    let path = checkpoint_file::path(&store.directory);
    let checkpoint = &latest.checkpoint;
    let key = keys::in_force(&store.keys.lock().expect("not shared yet"), checkpoint.size).cloned();
    let key = key.ok_or_else(|| AuditError::damaged(&path, 0, "no key signed the last one"))?;
    let wrong = |source| AuditError::Note { path: path.clone(), source };
    latest.verify(&key).map_err(wrong)?;
    let size = store.written();
    let what = if checkpoint.size > size {
        format!("the last checkpoint names {} leaves, the log has {size}", checkpoint.size)
    } else if store.root(checkpoint.size)? != checkpoint.root {
        "the last checkpoint names another root: leaves or the index were changed".to_owned()
    } else {
        return Ok(());
    };
    Err(AuditError::damaged(&path, 0, what))
}

/// Reads what the index does not hold yet.
struct Scan<'a> {
    log: &'a Path,
    /// Then what is read must be durable before it counts as synced, and nothing but a torn end may
    /// be cut off.
    writable: bool,
    id: LogId,
    /// Leaves under the last checkpoint.
    signed: u64,
    tree: Tree,
    /// The block to read next.
    block: u64,
    open: VecDeque<BlockPlace>,
    encoder: Encoder,
    cut: Option<Cut>,
}

impl Scan<'_> {
    /// Returns where the first block after the index begins in its segment.
    fn start(&self, last: Option<(u64, BlockPlace)>) -> Result<u64, AuditError> {
        let Some((block, place)) = last else { return Ok(HEAD as u64) };
        let path = files::segment(self.log, block >> SEGMENT_BITS);
        if !place.is_dropped() {
            let length = fs::metadata(&path).map_err(AuditError::io(&path))?.len();
            if length < place.end() {
                let what = "the file ends within a block that the index holds";
                let leaf = Some(block << BLOCK_BITS);
                let damage = Damage { path, byte: length, leaf, what: what.to_owned() };
                return Err(damage.into());
            }
        }
        Ok(if self.is_new_segment() { HEAD as u64 } else { place.end() })
    }

    fn is_new_segment(&self) -> bool {
        self.block.is_multiple_of(1 << SEGMENT_BITS)
    }

    fn run(&mut self, start: u64) -> Result<(), AuditError> {
        let mut start = start;
        while self.segment(start)? {
            start = HEAD as u64;
        }
        Ok(())
    }

    /// Reads a segment from `start` on. Returns whether all its blocks are full.
    fn segment(&mut self, start: u64) -> Result<bool, AuditError> {
        let segment = self.block >> SEGMENT_BITS;
        let path = files::segment(self.log, segment);
        if !fs::exists(&path).map_err(AuditError::io(&path))? {
            return Ok(false);
        }
        let file = files::open(&path)?;
        if self.writable {
            file.sync_all().map_err(AuditError::io(&path))?;
        }
        let length = file.metadata().map_err(AuditError::io(&path))?.len();
        let head = files::read_up_to(&file, HEAD).map_err(AuditError::io(&path))?;
        if let Err(error) = head::check(&path, &head, Kind::Segment, segment, self.id) {
            // A crash while the segment was created.
            let what = error.to_string();
            return self.end(&path, 0, length, &what).map(|()| false).map_err(|_| error);
        }
        let bytes = files::read_rest(&file, &path, start)?;
        let mut offset = start;
        loop {
            let rest = bytes.get((offset - start) as usize..).unwrap_or_default();
            let (block, broken) = Block::decode(rest, FramePlace { segment, offset });
            self.take_in(&block, offset);
            offset += block.length() as u64;
            if block.len() as u64 == LEAVES_PER_BLOCK {
                self.block += 1;
                self.encoder.reset();
                if self.is_new_segment() {
                    return Ok(true);
                }
                continue;
            }
            self.encoder = Encoder::after(&block);
            if let Some(broken) = broken {
                self.must_be_torn(&bytes[(offset - start) as usize..], &path, offset)?;
                self.end(&path, offset, length, broken.what)?;
            }
            self.must_be_last(&path, offset)?;
            return Ok(false);
        }
    }

    /// Fails if whole frames follow what cannot be read: a crash does not leave that.
    fn must_be_torn(&self, bytes: &[u8], path: &Path, byte: u64) -> Result<(), AuditError> {
        let place = FramePlace { segment: self.block >> SEGMENT_BITS, offset: byte };
        let follows = self.writable && frame::follows_damage(bytes, place);
        let what = "the bytes here were changed: whole frames follow them, so no crash left them";
        if follows { Err(self.damaged(path, byte, what)) } else { Ok(()) }
    }

    /// Fails if leaves follow in the next segment.
    fn must_be_last(&self, path: &Path, byte: u64) -> Result<(), AuditError> {
        let next = (self.block >> SEGMENT_BITS) + 1;
        let follows = self.writable && has_frames(self.log, next)?;
        let what = "leaves are missing here: the next segment has whole frames";
        if follows { Err(self.damaged(path, byte, what)) } else { Ok(()) }
    }

    fn damaged(&self, path: &Path, byte: u64, what: &str) -> AuditError {
        let leaf = Some(self.tree.size());
        Damage { path: path.to_owned(), byte, leaf, what: format!("{what}{REMEDY}") }.into()
    }

    fn take_in(&mut self, block: &Block<'_>, offset: u64) {
        if block.len() == 0 {
            return;
        }
        let mut scratch = Vec::new();
        for leaf in block.leaves() {
            self.tree.push_leaf(block.hash(leaf, &mut scratch));
        }
        self.open.push_back(block.summary(offset));
    }

    /// Ends the log at `byte`; fails if a checkpoint covers what follows.
    fn end(&mut self, path: &Path, byte: u64, length: u64, what: &str) -> Result<(), AuditError> {
        let leaf = self.tree.size();
        let (path, what) = (path.to_owned(), what.to_owned());
        if leaf < self.signed {
            return Err(Damage { path, byte, leaf: Some(leaf), what }.into());
        }
        self.cut = Some(Cut { path, byte, bytes: length - byte, what });
        Ok(())
    }
}

/// Returns whether a segment begins with a whole frame.
pub(super) fn has_frames(log: &Path, segment: u64) -> Result<bool, AuditError> {
    let path = files::segment(log, segment);
    if !fs::exists(&path).map_err(AuditError::io(&path))? {
        return Ok(false);
    }
    let file = files::open(&path)?;
    let bytes = files::read_rest(&file, &path, HEAD as u64)?;
    let place = FramePlace { segment, offset: HEAD as u64 };
    Ok(frame::split_first(&bytes, place).is_ok())
}

/// Cuts the segment, and removes segments that were begun after it.
fn apply(log: &Path, cut: &Cut, segment: u64) -> Result<(), AuditError> {
    let mut next = segment + 1;
    while fs::exists(files::segment(log, next)).map_err(AuditError::io(log))? {
        files::remove(&files::segment(log, next))?;
        next += 1;
    }
    if cut.byte == 0 {
        return files::remove(&cut.path);
    }
    let file = OpenOptions::new().write(true).open(&cut.path).map_err(AuditError::io(&cut.path))?;
    file.set_len(cut.byte).and_then(|()| file.sync_all()).map_err(AuditError::io(&cut.path))
}
