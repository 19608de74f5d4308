//! The file `index`: a row for each full block, so that blocks are found, and skipped, unread. The
//! hash is the block's tile hash, a level-1 hash of C2SP tlog-tiles.
//!
//! | part of a row | bytes |
//! |---|---|
//! | offset of the block in its segment | 8 |
//! | bytes of the block, 0 if retention dropped it | 4 |
//! | tile hash | 32 |
//! | time of the earliest and the latest leaf, microseconds since 1970 | 8, 8 |
//! | items | 4 |
//! | classes: the union over its items | 1 |
//! | flags: 1 with events, 2 with bare leaves, 4 dropped | 1 |
//! | zero | 2 |
//! | checksum | 8: XXH3 over all before, seeded with the number of the block |
//!
//! Numbers are big-endian. The rows follow the head (see [`head`](super::head)) in order of blocks.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use super::head::{self, HEAD, Kind, LogId};
use super::merkle::Hash;
use super::{AuditError, files};

pub(super) const ROW: usize = 76;

/// Bytes of a row before its checksum.
const CHECKED: usize = ROW - 8;

/// Rows that are read at once.
const ROWS_PER_READ: u64 = 4096;

const HAS_EVENTS: u8 = 1;
const HAS_BARE: u8 = 2;
const DROPPED: u8 = 4;

/// What the index holds of a block besides its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockPlace {
    pub(super) offset: u64,
    pub(super) length: u32,
    /// Of the leaves, in microseconds since 1970.
    pub(super) earliest: i64,
    pub(super) latest: i64,
    pub(super) items: u32,
    pub(super) classes: u8,
    flags: u8,
}

impl BlockPlace {
    pub(super) fn new(offset: u64) -> Self {
        let (earliest, latest) = (i64::MAX, i64::MIN);
        Self { offset, length: 0, earliest, latest, items: 0, classes: 0, flags: 0 }
    }

    /// Takes in a leaf that is not bare.
    pub(super) fn add(&mut self, time: i64, items: u32, classes: u8) {
        self.earliest = self.earliest.min(time);
        self.latest = self.latest.max(time);
        self.items += items;
        self.classes |= classes;
        self.flags |= if items == 0 { HAS_EVENTS } else { 0 };
    }

    /// Takes in what was added to another place of the same block.
    pub(super) fn join(&mut self, other: &Self) {
        self.earliest = self.earliest.min(other.earliest);
        self.latest = self.latest.max(other.latest);
        self.length += other.length;
        self.items += other.items;
        self.classes |= other.classes;
        self.flags |= other.flags;
    }

    pub(super) fn mark_bare(&mut self) {
        self.flags |= HAS_BARE;
    }

    /// Keeps the times and forgets the content.
    pub(super) fn drop_content(&mut self) {
        (self.length, self.items, self.classes) = (0, 0, 0);
        self.flags = DROPPED;
    }

    pub(super) fn has_events(&self) -> bool {
        self.flags & HAS_EVENTS != 0
    }

    pub(super) fn has_bare(&self) -> bool {
        self.flags & HAS_BARE != 0
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.flags & DROPPED != 0
    }

    pub(super) fn end(&self) -> u64 {
        self.offset + u64::from(self.length)
    }
}

/// A row of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) place: BlockPlace,
    pub(super) hash: Hash,
}

impl Row {
    pub(super) fn encode(&self, block: u64) -> [u8; ROW] {
        let mut row = [0; ROW];
        let place = &self.place;
        row[..8].copy_from_slice(&place.offset.to_be_bytes());
        row[8..12].copy_from_slice(&place.length.to_be_bytes());
        row[12..44].copy_from_slice(&self.hash);
        row[44..52].copy_from_slice(&place.earliest.to_be_bytes());
        row[52..60].copy_from_slice(&place.latest.to_be_bytes());
        row[60..64].copy_from_slice(&place.items.to_be_bytes());
        row[64] = place.classes;
        row[65] = place.flags;
        let checksum = XxHash3_64::oneshot_with_seed(block, &row[..CHECKED]);
        row[CHECKED..].copy_from_slice(&checksum.to_be_bytes());
        row
    }

    /// Returns `None` if the checksum is wrong: the row was changed or belongs to another block.
    pub(super) fn decode(row: &[u8; ROW], block: u64) -> Option<Self> {
        let mut hash = [0; 32];
        hash.copy_from_slice(&row[12..44]);
        let four = |at: usize| u32::from_be_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]);
        let eight = |at: usize| u64::from(four(at)) << 32 | u64::from(four(at + 4));
        let place = BlockPlace {
            offset: eight(0),
            length: four(8),
            earliest: eight(44) as i64,
            latest: eight(52) as i64,
            items: four(60),
            classes: row[64],
            flags: row[65],
        };
        let decoded = Self { place, hash };
        (decoded.encode(block) == *row).then_some(decoded)
    }
}

/// Returns the bytes of rows from `block` on.
pub(super) fn encode_rows(block: u64, rows: &[Row]) -> Vec<u8> {
    rows.iter().zip(block..).flat_map(|(row, block)| row.encode(block)).collect()
}

/// Returns the offset of a block's row in the file.
pub(super) fn offset_of(block: u64) -> u64 {
    HEAD as u64 + block * ROW as u64
}

/// The open index of a log.
pub(super) struct Index {
    path: PathBuf,
    file: File,
}

impl Index {
    pub(super) fn path(log: &Path) -> PathBuf {
        log.join("index")
    }

    pub(super) fn create(log: &Path, id: LogId) -> Result<(), AuditError> {
        files::replace(&Self::path(log), &head::encode(Kind::Index, 0, id))
    }

    pub(super) fn open(log: &Path, id: LogId, writable: bool) -> Result<Self, AuditError> {
        let path = Self::path(log);
        let file = files::open_with(OpenOptions::new().read(true).write(writable), &path)?;
        let head = files::read_up_to(&file, HEAD).map_err(AuditError::io(&path))?;
        head::check(&path, &head, Kind::Index, 0, id)?;
        Ok(Self { path, file })
    }

    /// Reads every row in order, up to the first that is damaged or cut off. Returns how many
    /// there are, and whether more bytes follow.
    pub(super) fn read_all(
        &self,
        mut visit: impl FnMut(u64, Row),
    ) -> Result<(u64, bool), AuditError> {
        let length = self.file.metadata().map_err(AuditError::io(&self.path))?.len();
        let mut block = 0;
        let mut bytes = vec![0; ROWS_PER_READ as usize * ROW];
        loop {
            let left = length.saturating_sub(offset_of(block));
            let rows = (left / ROW as u64).min(ROWS_PER_READ);
            if rows == 0 {
                return Ok((block, left > 0));
            }
            let bytes = &mut bytes[..rows as usize * ROW];
            let read = self.file.read_exact_at(bytes, offset_of(block));
            read.map_err(AuditError::io(&self.path))?;
            for row in bytes.as_chunks().0 {
                let Some(row) = Row::decode(row, block) else { return Ok((block, true)) };
                visit(block, row);
                block += 1;
            }
        }
    }

    /// Returns the number of whole rows.
    pub(super) fn len(&self) -> Result<u64, AuditError> {
        let length = self.file.metadata().map_err(AuditError::io(&self.path))?.len();
        Ok(length.saturating_sub(HEAD as u64) / ROW as u64)
    }

    pub(super) fn row(&self, block: u64) -> Result<Row, AuditError> {
        let mut row = [0; ROW];
        let read = self.file.read_exact_at(&mut row, offset_of(block));
        read.map_err(AuditError::io(&self.path))?;
        Row::decode(&row, block).ok_or_else(|| self.damaged(block))
    }

    pub(super) fn damaged(&self, block: u64) -> AuditError {
        super::Damage {
            path: self.path.clone(),
            byte: offset_of(block),
            leaf: Some(block << super::BLOCK_BITS),
            what: "the checksum of the row is wrong: it was changed or moved".to_owned(),
        }
        .into()
    }

    /// Writes rows from `block` on.
    pub(super) fn write(&self, block: u64, rows: &[Row]) -> Result<(), AuditError> {
        let bytes = encode_rows(block, rows);
        self.file.write_all_at(&bytes, offset_of(block)).map_err(AuditError::io(&self.path))
    }

    /// Cuts off what follows the first `blocks` rows.
    pub(super) fn cut(&self, blocks: u64) -> Result<(), AuditError> {
        self.file.set_len(offset_of(blocks)).map_err(AuditError::io(&self.path))
    }

    pub(super) fn sync(&self) -> Result<(), AuditError> {
        self.file.sync_data().map_err(AuditError::io(&self.path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip_and_changed_bits_are_seen() {
        let mut place = BlockPlace::new(64);
        place.add(-5, 2, 0x81);
        place.add(i64::MAX, 0, 0);
        let row = Row { place, hash: [7; 32] };
        let bytes = row.encode(9);
        assert_eq!(Row::decode(&bytes, 9), Some(row));
        assert_eq!(Row::decode(&bytes, 8), None);
        for bit in 0..ROW * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Row::decode(&changed, 9), None, "bit {bit}");
        }
    }
}
