//! Writes what was appended: one write(2) for all leaves handed over so far, into space that was
//! allocated before. A failed write is cut off again, so that nothing is half written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::frame::{FRAME_HEAD, FramePlace, seal};
use super::head::{self, HEAD, Kind, LogId};
use super::index::BlockPlace;
use super::{AuditError, SEGMENT_BITS, files};

/// Bytes that are allocated ahead.
const ALLOCATION: u64 = 4 << 20;

/// Frames that wait to be written.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) buffer: Vec<u8>,
    pub(super) frames: Vec<PendingFrame>,
}

/// A frame of one block in the buffer, whose head is not yet filled in.
pub(super) struct PendingFrame {
    /// The offset of its head in the buffer.
    pub(super) start: usize,
    pub(super) block: u64,
    /// The index after its last leaf.
    pub(super) end_leaf: u64,
    /// Times and classes of its leaves; offset and length are set when it is written.
    pub(super) place: BlockPlace,
}

impl Batch {
    /// Returns the frame of `block` that is being filled.
    pub(super) fn frame(&mut self, block: u64) -> &mut PendingFrame {
        if self.frames.last().is_none_or(|frame| frame.block != block) {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(&[0; FRAME_HEAD]);
            let place = BlockPlace::new(0);
            self.frames.push(PendingFrame { start, block, end_leaf: 0, place });
        }
        self.frames.last_mut().expect("one was pushed")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.frames.clear();
    }
}

/// The segment that is being filled.
pub(super) struct SegmentFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    /// The end of the last whole frame.
    pub(super) position: u64,
    /// Bytes up to which space is allocated.
    allocated: u64,
}

impl SegmentFile {
    /// Checks that the path still names the open file: it may have been removed or replaced.
    pub(super) fn must_be_in_place(&self) -> Result<(), AuditError> {
        let io = |error| AuditError::io(&self.path)(error);
        let (named, open) = (std::fs::metadata(&self.path), self.file.metadata());
        let (named, open) = (named.map_err(io)?, open.map_err(io)?);
        if (named.dev(), named.ino()) == (open.dev(), open.ino()) {
            return Ok(());
        }
        Err(io(std::io::Error::other("the file was replaced while it is written")))
    }

    /// Opens a segment of which `position` bytes are whole, or creates it.
    pub(super) fn open(
        log: &Path,
        number: u64,
        id: LogId,
        position: Option<u64>,
    ) -> Result<Self, AuditError> {
        let path = files::segment(log, number);
        let io = |error| AuditError::io(&path)(error);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path);
        let file = file.map_err(io)?;
        if let Some(position) = position {
            let file = Arc::new(file);
            return Ok(Self { number, path, file, position, allocated: position });
        }
        // Before the space is allocated, which it would give back.
        file.set_len(0).map_err(io)?;
        let allocated = allocate(&file, 0, HEAD as u64).map_err(io)?;
        let head = head::encode(Kind::Segment, number, id);
        let written = file.write_all_at(&head, 0);
        if let Err(error) = written {
            let _ = file.set_len(0);
            return Err(io(error));
        }
        files::sync_parent(&path)?;
        Ok(Self { number, path, file: Arc::new(file), position: HEAD as u64, allocated })
    }

    /// Writes the frames of this segment that begin at `from` of the batch. Returns how many, with
    /// offset and length filled in.
    pub(super) fn write(&mut self, batch: &mut Batch, from: usize) -> Result<usize, AuditError> {
        let first = batch.frames[from].start;
        let count = batch.frames[from..]
            .iter()
            .take_while(|frame| frame.block >> SEGMENT_BITS == self.number)
            .count();
        let end = batch.frames.get(from + count).map_or(batch.buffer.len(), |frame| frame.start);
        for at in from..from + count {
            let next = batch.frames.get(at + 1).map_or(batch.buffer.len(), |next| next.start);
            let frame = &mut batch.frames[at];
            let offset = self.position + (frame.start - first) as u64;
            frame.place.offset = offset;
            frame.place.length = (next - frame.start) as u32;
            let place = FramePlace { segment: self.number, offset };
            seal(&mut batch.buffer[frame.start..next], place);
        }
        self.write_bytes(&batch.buffer[first..end])?;
        Ok(count)
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let io = AuditError::io(&self.path);
        let end = self.position + bytes.len() as u64;
        if end > self.allocated {
            self.allocated = allocate(&self.file, self.position, end).map_err(&io)?;
        }
        if let Err(error) = self.file.write_all_at(bytes, self.position) {
            // If this fails as well, opening cuts the torn frame off.
            let _ = self.file.set_len(self.position);
            self.allocated = self.position;
            return Err(io(error));
        }
        self.position = end;
        Ok(())
    }

    /// Gives back what was allocated and not used.
    pub(super) fn finish(&self) {
        // A failure costs space only.
        let _ = self.file.set_len(self.position);
    }
}

/// Allocates space from `start` to `end` and ahead. Returns up to where.
fn allocate(file: &File, start: u64, end: u64) -> io::Result<u64> {
    let length = end - start + ALLOCATION;
    match fallocate(file, FallocateFlags::KEEP_SIZE, start, length) {
        Ok(()) => Ok(start + length),
        // A file system that cannot: a full disk shows at the write.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(u64::MAX),
        Err(error) => Err(error.into()),
    }
}
