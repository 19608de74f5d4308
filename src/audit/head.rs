//! The head of the log's binary files: what the file is, which version, of which log.
//!
//! | part | bytes |
//! |---|---|
//! | kind | 16: `LAZARETTO SEGMNT`, `LAZARETTO INDEX `, `LAZARETTO FILTER` or `LAZARETTO REPLAC` |
//! | version of the format | 4, value 3 |
//! | number of the file | 8: the segment; 0 for the index |
//! | log | 16: the first bytes of SHA-256 of the origin |
//! | shape | 2: log2 of leaves per block, log2 of blocks per segment |
//! | zero | 10 |
//! | checksum | 8: XXH3 over all before |
//!
//! Numbers are big-endian. A file whose head differs in any byte is not opened.

use std::path::Path;

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_64;

use super::{AuditError, BLOCK_BITS, SEGMENT_BITS};

pub(super) const HEAD: usize = 64;

const VERSION: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Segment,
    Index,
    Filter,
    Replacement,
}

impl Kind {
    fn magic(self) -> &'static [u8; 16] {
        match self {
            Self::Segment => b"LAZARETTO SEGMNT",
            Self::Index => b"LAZARETTO INDEX ",
            Self::Filter => b"LAZARETTO FILTER",
            Self::Replacement => b"LAZARETTO REPLAC",
        }
    }
}

/// Which log a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogId(pub(super) [u8; 16]);

impl LogId {
    pub(super) fn of(origin: &str) -> Self {
        let digest = Sha256::digest(origin);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }

    /// Returns the part that record ids show.
    pub(super) fn tag(self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }
}

pub(super) fn encode(kind: Kind, number: u64, log: LogId) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..16].copy_from_slice(kind.magic());
    head[16..20].copy_from_slice(&VERSION.to_be_bytes());
    head[20..28].copy_from_slice(&number.to_be_bytes());
    head[28..44].copy_from_slice(&log.0);
    head[44] = BLOCK_BITS as u8;
    head[45] = SEGMENT_BITS as u8;
    let checksum = XxHash3_64::oneshot(&head[..56]);
    head[56..].copy_from_slice(&checksum.to_be_bytes());
    head
}

/// Checks the head of a file. Says which part differs.
pub(super) fn check(
    path: &Path,
    head: &[u8],
    kind: Kind,
    number: u64,
    log: LogId,
) -> Result<(), AuditError> {
    let expected = encode(kind, number, log);
    if head == expected {
        return Ok(());
    }
    let parts = [
        (0..16, "it is another kind of file"),
        (16..20, "its format has another version"),
        (20..28, "it has the number of another file"),
        (28..44, "it belongs to another log"),
        (44..46, "its blocks or segments have another size"),
        (46..HEAD, "its head is damaged"),
    ];
    let differing =
        parts.into_iter().find(|(range, _)| head.get(range.clone()) != expected.get(range.clone()));
    let (byte, what) = differing.map_or((0, "its head is damaged"), |(r, what)| (r.start, what));
    Err(AuditError::damaged(path, byte as u64, what))
}
