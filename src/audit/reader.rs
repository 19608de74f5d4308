//! Reads a log: leaves, entries, proofs and checkpoints, also while it is appended to.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::lock::Recover;

use super::block::LeafView;
use super::checkpoint_file::{self, Checkpoints};
use super::keys::LogKey;
use super::leaf::Leaf;
use super::merkle::{Hash, consistency_ranges, inclusion_ranges};
use super::proof::RecordProof;
use super::query::{Leaves, Query};
use super::recover::{self, Access};
use super::store::Store;
use super::{AuditError, LEAVES_PER_BLOCK, RecordId, SignedCheckpoint, block_of};

/// Read access to a log. Sees what is written.
#[derive(Clone)]
pub struct Reader {
    store: Arc<Store>,
}

impl Reader {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Opens the log in a directory such as `log.1` for reading only. Sees what is written by now.
    pub fn open(log: &Path) -> Result<Self, AuditError> {
        Ok(Self { store: Arc::new(recover::open(log, Access::Read)?.store) })
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub fn directory(&self) -> &Path {
        &self.store.directory
    }

    pub fn origin(&self) -> &str {
        &self.store.origin
    }

    /// Returns what record ids of this log begin with.
    pub fn tag(&self) -> [u8; 4] {
        self.store.id.tag()
    }

    /// Number of leaves that are written.
    pub fn size(&self) -> u64 {
        self.store.written()
    }

    /// Returns the bytes that are hashed for a leaf. Fails with [`AuditError::Removed`] if
    /// retention left the hash only.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, AuditError> {
        let bytes = self.store.block(block_of(index))?;
        let block = bytes.decode()?;
        match block.leaves().get((index % LEAVES_PER_BLOCK) as usize) {
            Some(LeafView::Full(leaf)) => {
                let mut entry = Vec::new();
                block.entry(leaf, &mut entry);
                Ok(entry)
            }
            Some(LeafView::Bare(_)) => Err(AuditError::Removed { index }),
            None => Err(self.no_such(index)),
        }
    }

    /// Returns a leaf with salts and values. Fails as [`Reader::entry`] does.
    pub fn leaf(&self, index: u64) -> Result<Leaf, AuditError> {
        let bytes = self.store.block(block_of(index))?;
        let block = bytes.decode()?;
        let at = (index % LEAVES_PER_BLOCK) as usize;
        match block.leaves().get(at) {
            Some(LeafView::Full(leaf)) => block.to_leaf(leaf, index).ok_or_else(|| {
                bytes.damage(bytes.offset(), at, "a value cannot be unpacked").into()
            }),
            Some(LeafView::Bare(_)) => Err(AuditError::Removed { index }),
            None => Err(self.no_such(index)),
        }
    }

    /// Returns what proves a record in the tree of `size` leaves. Fails as [`Reader::entry`] does.
    pub fn record_proof(&self, id: RecordId, size: u64) -> Result<RecordProof, AuditError> {
        if id.tag != self.tag() {
            return Err(AuditError::NoSuchRecord(id));
        }
        let hashes = self.inclusion_proof(id.index, size)?;
        let bytes = self.store.block(block_of(id.index))?;
        let block = bytes.decode()?;
        let at = (id.index % LEAVES_PER_BLOCK) as usize;
        match block.leaves().get(at) {
            Some(LeafView::Full(leaf)) if usize::from(id.item) < block.items(leaf).len() => {
                let proof = block.proof(leaf, id.item);
                let damage = || bytes.damage(bytes.offset(), at, "a value cannot be unpacked");
                Ok(RecordProof { hashes, ..proof.ok_or_else(damage)? })
            }
            Some(LeafView::Bare(_)) => Err(AuditError::Removed { index: id.index }),
            Some(LeafView::Full(_)) | None => Err(AuditError::NoSuchRecord(id)),
        }
    }

    fn no_such(&self, index: u64) -> AuditError {
        AuditError::NoSuchLeaf { index, size: self.size() }
    }

    /// Returns the leaves that may match, oldest first.
    pub fn leaves(&self, query: Query) -> Leaves {
        Leaves::new(Arc::clone(&self.store), query)
    }

    /// Returns the index of the first block's first leaf from which on a leaf may be as late as
    /// `time`; the size if there is none. For cursors: leaves of concurrent calls are not strictly
    /// ordered by time.
    pub fn first_from(&self, time: Timestamp) -> Result<u64, AuditError> {
        let blocks = self.size().div_ceil(LEAVES_PER_BLOCK);
        for block in 0..blocks {
            let place = self.store.place(block)?;
            if place.is_none_or(|place| place.latest >= time.as_microsecond()) {
                return Ok(block * LEAVES_PER_BLOCK);
            }
        }
        Ok(self.size())
    }

    /// Returns the root of the first `size` leaves.
    pub fn root(&self, size: u64) -> Result<Hash, AuditError> {
        self.store.root(size)
    }

    /// Returns the proof that a leaf is in the tree of `size` leaves (RFC 6962, 2.1.1).
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, AuditError> {
        if index >= size {
            return Err(AuditError::NoSuchLeaf { index, size });
        }
        self.store.hashes(&inclusion_ranges(index, size), size)
    }

    /// Returns the proof that the tree of `second` leaves goes on from that of `first` (RFC 6962,
    /// 2.1.2); empty if `first` is 0 or `second`.
    pub fn consistency_proof(&self, first: u64, second: u64) -> Result<Vec<Hash>, AuditError> {
        if first > second {
            return Err(AuditError::NoSuchSize { size: first, written: second });
        }
        self.store.hashes(&consistency_ranges(first, second), second)
    }

    /// Returns the newest checkpoint; `None` before the first one.
    pub fn checkpoint(&self) -> Option<SignedCheckpoint> {
        self.store.latest.lock().recover().clone()
    }

    /// Returns every checkpoint, oldest first.
    pub fn checkpoints(&self) -> Result<Checkpoints, AuditError> {
        Checkpoints::open(&self.store.directory)
    }

    /// Returns the checkpoint from which on a key signs, and which the key before has signed too. `None`
    /// of the first key.
    pub fn rotation_checkpoint(
        &self,
        key: &LogKey,
    ) -> Result<Option<SignedCheckpoint>, AuditError> {
        if key.from == 0 {
            return Ok(None);
        }
        checkpoint_file::signed_by(&self.store.directory, key.from, &key.key)
    }

    /// Returns the verifier keys, oldest first.
    pub fn keys(&self) -> Vec<LogKey> {
        self.store.keys.lock().recover().clone()
    }
}
