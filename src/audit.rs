//! The decision log: an append-only Merkle tree of decisions with signed checkpoints, over segment
//! files.

mod appender;
mod block;
mod checkpoint;
mod checkpoint_file;

mod entry;
mod error;
mod files;
mod filter;
mod frame;
mod frontier;
mod head;
mod index;
mod keeper;
mod keys;
mod leaf;
mod log;
mod merkle;
mod note;
mod origin;
mod packing;
mod query;
mod reader;
mod record_id;
mod recover;
mod redact;
mod replace;
mod retention;
mod rotation;
mod salt;
mod store;
mod tree;
mod verify;
mod writer;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use checkpoint_file::Checkpoints;
pub use entry::commitment;
pub use error::{AuditError, Damage};
pub use keys::LogKey;
pub use leaf::{Event, Field, ITEMS_PER_LEAF, Item, Leaf, NewItem, NewLeaf};
pub use log::{Durability, Hooks, Log, LogDirectory, Opened, Settings, logs};
pub use merkle::{Hash, leaf_hash, verify_consistency, verify_inclusion};
pub use note::{NoteError, VerifierKey};
pub use query::{Leaves, Query};
pub use reader::Reader;
pub use record_id::{RecordId, RecordIdError};
pub use recover::Cut;
pub use retention::Removed;
pub use salt::SALT;
pub use verify::{Report, verify};

/// Log2 of the leaves of a block: one tile of C2SP tlog-tiles.
const BLOCK_BITS: u32 = 8;

/// Log2 of the blocks of a segment.
/// Smaller in unit tests, so that they have many segments.
const SEGMENT_BITS: u32 = if cfg!(test) { 2 } else { 8 };

const LEAVES_PER_BLOCK: u64 = 1 << BLOCK_BITS;
const BLOCKS_PER_SEGMENT: u64 = 1 << SEGMENT_BITS;
const LEAVES_PER_SEGMENT: u64 = LEAVES_PER_BLOCK * BLOCKS_PER_SEGMENT;

fn block_of(leaf: u64) -> u64 {
    leaf >> BLOCK_BITS
}

fn segment_of(leaf: u64) -> u64 {
    leaf >> (BLOCK_BITS + SEGMENT_BITS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
