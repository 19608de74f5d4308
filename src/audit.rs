//! The decision log: an append-only Merkle tree of decisions (RFC 6962, in the tiles of C2SP
//! tlog-tiles) with signed checkpoints (C2SP tlog-checkpoint), over segment files of its own.
//!
//! A leaf holds the answers of one call. Its entry is what is hashed (`audit/entry.rs`); addresses and
//! references stand there as commitments, so that they can be deleted while every proof stays.
//!
//! | file below `log.N/` | content, file of this room that describes it |
//! |---|---|
//! | `origin` | the identity of the log and its place on disk: `origin.rs` |
//! | `key`, `keys` | the private key, the verifier keys: `keys.rs` |
//! | `checkpoints` | every checkpoint ever signed: `checkpoint_file.rs` |
//! | `segments/NNNNNNNN` | 65,536 leaves each, in blocks of 256 and frames: `block.rs`, `frame.rs` |
//! | `index` | a row for each full block, with its tile hash: `index.rs` |
//! | `filters/NNNNNNNN` | which addresses a full segment may hold: `filter.rs` |
//! | `replacement` | a segment is being replaced: `replace.rs` |
//!
//! Binary files begin with a head (`head.rs`). The log with the highest number is in use. A copied
//! or restored directory, and one without its key, begins the next log, whose first leaf holds the
//! last checkpoint of the one before; older logs stay for reading.
//!
//! Leaves are encoded by the calling thread, written by one write(2) for all that wait, and synced
//! by a thread. A second thread hashes what is synced, seals full blocks and signs checkpoints: the
//! calling threads never hash.
//!
//! What the log cannot show: who can write its files and read its key can write another history and
//! sign it. Only a checkpoint that others hold proves that, so operators should post checkpoints.
//! Neither does it notice a clone of the whole file system (`origin.rs`).

mod appender;
mod block;
mod checkpoint;
mod checkpoint_file;
mod directory;
mod earlier;
mod entry;
mod error;
mod files;
mod filter;
mod frame;
mod frontier;
mod head;
mod index;
mod keys;
mod leaf;
mod log;
mod merkle;
mod note;
mod origin;
mod packing;
mod proof;
mod query;
mod reader;
mod record_id;
mod recover;
mod redact;
mod replace;
mod retention;
mod rotation;
mod salt;
mod sealer;
mod sealing;
mod settings;
mod sha256;
mod store;
mod syncer;
mod tree;
mod uncovered;
mod verify;
mod writer;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use checkpoint_file::Checkpoints;
pub use directory::{LogDirectory, Logs, logs};
pub use entry::commitment;
pub use error::{AuditError, Damage};
pub use keys::LogKey;
pub use leaf::{Event, Field, Item, KeptLeaves, Leaf, NewItem, NewItems, NewLeaf};
pub use log::{Log, Opened, SyncHandle};
pub use merkle::{Hash, leaf_hash, verify_consistency, verify_inclusion};
pub use note::{NoteError, VerifierKey};
pub use proof::RecordProof;
pub use query::{Leaves, Query};
pub use reader::Reader;
pub use record_id::{RecordId, RecordIdError};
pub use recover::Cut;
pub use retention::{IsKept, Removed};
pub use salt::SALT;
pub use settings::{Durability, Hooks, Settings};
pub use verify::{Report, verify, verify_succession};

/// The most items of a leaf. More items share the blocks of SHA-256 that a leaf and its node take, and
/// lengthen a proof. With one answer and one context a block:
///
/// | items | blocks of SHA-256 an item, its commitment included | hashes of a proof |
/// |---|---|---|
/// | 1 | 5.0 | 0 |
/// | 4 | 2.8 | 3 |
/// | 16 | 2.2 | 6 |
/// | 64 | 2.1 | 9 |
pub const ITEMS_PER_LEAF: usize = 16;

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
