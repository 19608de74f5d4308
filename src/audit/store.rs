//! The open files and the hashes of one log, as readers and the writer share them.

use std::collections::VecDeque;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};

use crate::domain::lock::Recover;

use super::block::Block;
use super::frame::FramePlace;
use super::head::LogId;
use super::index::{BlockPlace, Index, Row};
use super::keys::LogKey;
use super::merkle::Hash;
use super::tree::Tree;
use super::{
    AuditError, BLOCK_BITS, Damage, LEAVES_PER_BLOCK, SEGMENT_BITS, SignedCheckpoint, block_of,
    files,
};

pub(super) struct Store {
    pub(super) directory: PathBuf,
    pub(super) origin: String,
    pub(super) id: LogId,
    pub(super) index: Index,
    pub(super) places: Mutex<Places>,
    pub(super) tree: RwLock<Tree>,
    /// Held while leaves are hashed, so that each is hashed once.
    pub(super) hashing: Mutex<()>,
    pub(super) written: AtomicU64,
    pub(super) latest: Mutex<Option<SignedCheckpoint>>,
    pub(super) keys: Mutex<Vec<LogKey>>,
    /// Shared while a block is found and read; exclusive while a segment is replaced.
    pub(super) replacing: RwLock<()>,
}

/// The places of blocks that the index does not hold yet.
#[derive(Default)]
pub(super) struct Places {
    /// Blocks that have a row in the index.
    pub(super) sealed: u64,
    /// Those after them, as far as they are written.
    pub(super) open: VecDeque<BlockPlace>,
}

impl Places {
    /// Takes in a frame of `block` that was written.
    pub(super) fn add(&mut self, block: u64, written: &BlockPlace) {
        let at = (block - self.sealed) as usize;
        match self.open.get_mut(at) {
            Some(place) => place.join(written),
            None => self.open.push_back(*written),
        }
    }
}

/// The bytes of a block with their place.
pub(super) struct BlockBytes {
    bytes: Vec<u8>,
    number: u64,
    first: FramePlace,
    path: PathBuf,
}

impl BlockBytes {
    pub(super) fn read(log: &Path, number: u64, place: &BlockPlace) -> Result<Self, AuditError> {
        let segment = number >> SEGMENT_BITS;
        let path = files::segment(log, segment);
        let mut bytes = vec![0; place.length as usize];
        let read = files::open(&path)?.read_exact_at(&mut bytes, place.offset);
        read.map_err(AuditError::io(&path))?;
        let first = FramePlace { segment, offset: place.offset };
        Ok(Self { bytes, number, first, path })
    }

    pub(super) fn decode(&self) -> Result<Block<'_>, AuditError> {
        let (block, broken) = Block::decode(&self.bytes, self.first);
        let Some(broken) = broken else { return Ok(block) };
        let byte = self.first.offset + broken.byte as u64;
        Err(self.damage(byte, block.len(), broken.what).into())
    }

    pub(super) fn damage(&self, byte: u64, leaf: usize, what: impl Into<String>) -> Damage {
        let leaf = Some((self.number << BLOCK_BITS) + leaf as u64);
        Damage { path: self.path.clone(), byte, leaf, what: what.into() }
    }

    /// Offset of the block in its segment.
    pub(super) fn offset(&self) -> u64 {
        self.first.offset
    }
}

impl Store {
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Returns where a block is; `None` for one that is not written.
    pub(super) fn place(&self, block: u64) -> Result<Option<BlockPlace>, AuditError> {
        let places = self.places.lock().recover();
        if block < places.sealed {
            drop(places);
            return Ok(Some(self.index.row(block)?.place));
        }
        Ok(places.open.get((block - places.sealed) as usize).copied())
    }

    /// Reads a block, as far as it is written.
    pub(super) fn block(&self, block: u64) -> Result<BlockBytes, AuditError> {
        let index = block << BLOCK_BITS;
        let _shared = self.replacing.read().recover();
        let place = self.place(block)?;
        let place = place.ok_or(AuditError::NoSuchLeaf { index, size: self.written() })?;
        if place.is_dropped() {
            return Err(AuditError::Removed { index });
        }
        BlockBytes::read(&self.directory, block, &place)
    }

    /// Hashes written leaves until the tree has `size`.
    pub(super) fn hash_to(&self, size: u64) -> Result<(), AuditError> {
        let _alone = self.hashing.lock().recover();
        let mut scratch = Vec::new();
        loop {
            let hashed = self.tree.read().recover().size();
            if hashed >= size {
                return Ok(());
            }
            let number = block_of(hashed);
            let bytes = self.block(number)?;
            let block = bytes.decode()?;
            let start = (hashed % LEAVES_PER_BLOCK) as usize;
            let end = (size - (number << BLOCK_BITS)).min(block.len() as u64) as usize;
            if end <= start {
                return Err(AuditError::NoSuchSize { size, written: hashed });
            }
            let leaves = block.leaves()[start..end].iter();
            let hashes: Vec<Hash> = leaves.map(|leaf| block.hash(leaf, &mut scratch)).collect();
            let mut tree = self.tree.write().recover();
            hashes.into_iter().for_each(|hash| tree.push_leaf(hash));
        }
    }

    /// Writes the index rows of full blocks of the first `size` leaves, which must be synced. Calls
    /// must not overlap.
    pub(super) fn seal(&self, size: u64) -> Result<(), AuditError> {
        let end = block_of(size);
        self.hash_to(end << BLOCK_BITS)?;
        let (start, places): (u64, Vec<BlockPlace>) = {
            let places = self.places.lock().recover();
            let count = end.saturating_sub(places.sealed) as usize;
            (places.sealed, places.open.iter().take(count).copied().collect())
        };
        if places.is_empty() {
            return Ok(());
        }
        let rows: Option<Vec<Row>> = {
            let tree = self.tree.read().recover();
            let row = |(place, block)| Some(Row { place, hash: tree.block_hash(block)? });
            places.into_iter().zip(start..).map(row).collect()
        };
        let rows = rows.expect("these blocks were hashed");
        self.index.write(start, &rows)?;
        let mut places = self.places.lock().recover();
        places.sealed += rows.len() as u64;
        places.open.drain(..rows.len());
        Ok(())
    }

    /// Returns the hashes over ranges of the first `size` leaves.
    pub(super) fn hashes(&self, ranges: &[Range<u64>], size: u64) -> Result<Vec<Hash>, AuditError> {
        let written = self.written();
        if size > written {
            return Err(AuditError::NoSuchSize { size, written });
        }
        self.hash_to(size)?;
        let tree = self.tree.read().recover();
        let mut last: Option<(u64, Vec<Hash>)> = None;
        let mut load = |block: u64| match &last {
            Some((number, hashes)) if *number == block => Ok(hashes.clone()),
            _ => {
                let hashes = self.leaf_hashes(block)?;
                last = Some((block, hashes.clone()));
                Ok(hashes)
            }
        };
        ranges.iter().map(|range| tree.hash(range.clone(), &mut load)).collect()
    }

    fn leaf_hashes(&self, block: u64) -> Result<Vec<Hash>, AuditError> {
        let bytes = self.block(block)?;
        let block = bytes.decode()?;
        let mut scratch = Vec::new();
        Ok(block.leaves().iter().map(|leaf| block.hash(leaf, &mut scratch)).collect())
    }

    pub(super) fn root(&self, size: u64) -> Result<Hash, AuditError> {
        Ok(self.hashes(std::slice::from_ref(&(0..size)), size)?[0])
    }
}
