//! Replaces a segment by one that holds less, so that a crash at any point leaves the old or the
//! new one. The leaf hashes stay.
//!
//! 1. The new segment is written beside the old one, as `segments/NNNNNNNN.new`, and synced. If the
//!    old one is still written to, the frames that came meanwhile are copied, and synced again.
//! 2. The file `replacement` is written: from here on the new segment counts.
//! 3. The filter is removed, the new segment takes its name, the index gets its rows.
//! 4. `replacement` is removed, and the filter is made anew.
//!
//! Opening a log for writing does steps 3 and 4 where it finds `replacement`, and removes new
//! segments without it.
//!
//! | part of `replacement` | bytes |
//! |---|---|
//! | head | 64, see [`head`](super::head); its number is that of the segment |
//! | 1 if a new segment is there, 0 if the segment is removed | 1 |
//! | rows of the index, from the first block of the segment on | 76 each |
//! | checksum | 8: XXH3 over all before |

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_64;

use crate::domain::lock::Recover;

use super::block::Block;
use super::frame::{FRAME_HEAD, FramePlace, seal, split_first};
use super::head::{self, HEAD, Kind, LogId};
use super::index::{BlockPlace, Index, ROW, Row, encode_rows};
use super::merkle::Hash;
use super::store::{BlockBytes, Store};
use super::{AuditError, BLOCKS_PER_SEGMENT, files};

const CHECKSUM: usize = 8;

/// What is to become of a block.
pub(super) enum Change {
    /// Its payload is what was written into the buffer.
    Rewritten,
    /// Its index row alone stays.
    Dropped,
}

/// A segment that is written beside the present one.
pub(super) struct Prepared {
    segment: u64,
    /// `None` if no block of the segment is left.
    file: Option<NewFile>,
    /// Of every block of the segment that is written.
    places: Vec<BlockPlace>,
    /// The end of the present segment as far as the new one has it.
    copied: u64,
}

/// The new segment. Removed when dropped, unless it counts: on a full disk it would take room.
struct NewFile {
    path: PathBuf,
    file: File,
    counts: bool,
}

impl NewFile {
    fn create(path: &Path) -> Result<Self, AuditError> {
        let file = files::create(path).map_err(AuditError::io(path))?;
        Ok(Self { path: path.to_owned(), file, counts: false })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.counts {
            // If this fails, the next replacement or the next start removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A replacement whose journal is written: it is finished now, or by the next start.
pub(super) struct Announced<'p> {
    prepared: &'p Prepared,
    rows: Vec<Row>,
}

pub(super) fn journal(log: &Path) -> PathBuf {
    log.join("replacement")
}

/// Returns the places of the blocks of a segment, as far as they are written.
pub(super) fn places(store: &Store, segment: u64) -> Result<Vec<BlockPlace>, AuditError> {
    let first = segment * BLOCKS_PER_SEGMENT;
    let mut places = Vec::new();
    for number in first..first + BLOCKS_PER_SEGMENT {
        let Some(place) = store.place(number)? else { break };
        places.push(place);
    }
    Ok(places)
}

/// Writes the new segment from the blocks at `places`. `change` writes the payload of a block, or
/// has it dropped; it is not asked for blocks that are dropped already.
pub(super) fn prepare(
    store: &Store,
    segment: u64,
    mut places: Vec<BlockPlace>,
    mut change: impl FnMut(u64, &Block<'_>, &mut Vec<u8>) -> Change,
) -> Result<Prepared, AuditError> {
    let new = files::beside(&files::segment(&store.directory, segment));
    let io = AuditError::io(&new);
    let copied = places.last().map_or(HEAD as u64, BlockPlace::end);
    let file = NewFile::create(&new)?;
    let mut out = BufWriter::new(&file.file);
    out.write_all(&head::encode(Kind::Segment, segment, store.id)).map_err(&io)?;
    let mut offset = HEAD as u64;
    for (place, number) in places.iter_mut().zip(segment * BLOCKS_PER_SEGMENT..) {
        if !place.is_dropped() {
            let bytes = BlockBytes::read(&store.directory, number, place)?;
            let block = bytes.decode()?;
            let mut frame = vec![0; FRAME_HEAD];
            match change(number, &block, &mut frame) {
                Change::Dropped => place.drop_content(),
                Change::Rewritten => {
                    seal(&mut frame, FramePlace { segment, offset });
                    *place = check(&bytes, &block, &frame, *place, FramePlace { segment, offset })?;
                    out.write_all(&frame).map_err(&io)?;
                }
            }
        }
        place.offset = offset;
        offset = place.end();
    }
    out.flush().map_err(&io)?;
    drop(out);
    file.file.sync_all().map_err(&io)?;
    step();
    let has_file = places.iter().any(|place| !place.is_dropped());
    Ok(Prepared { segment, places, file: has_file.then_some(file), copied })
}

/// Copies the frames that were written since, up to the end of the blocks at `places`, and syncs
/// them. Payloads stay as they are, since the new segment has the numbers of the old one.
pub(super) fn catch_up(
    store: &Store,
    prepared: &mut Prepared,
    places: &[BlockPlace],
) -> Result<(), AuditError> {
    let path = files::segment(&store.directory, prepared.segment);
    let (Some(last), Some(written)) = (places.last(), prepared.places.last()) else {
        return Ok(());
    };
    let (end, new_end) = (last.end(), written.end());
    let length = (end - prepared.copied) as usize;
    let old = File::open(&path).map_err(AuditError::io(&path))?;
    let mut bytes = files::read_at(&old, prepared.copied, length).map_err(AuditError::io(&path))?;
    let mut at = 0;
    while at < length {
        let offset = prepared.copied + at as u64;
        let place = FramePlace { segment: prepared.segment, offset };
        let read = split_first(&bytes[at..], place).map(|(payload, _)| payload.len());
        let frame = FRAME_HEAD + read.map_err(|what| AuditError::damaged(&path, offset, what))?;
        let offset = new_end + at as u64;
        seal(&mut bytes[at..at + frame], FramePlace { offset, ..place });
        at += frame;
    }
    if let Some(NewFile { file, .. }) = &prepared.file {
        let written = file.write_all_at(&bytes, new_end).and_then(|()| file.sync_data());
        written.map_err(AuditError::io(&files::beside(&path)))?;
    }
    // The last block that was written again may have grown; others follow it.
    let goes_on = prepared.places.len() - 1;
    for (number, place) in places.iter().enumerate().skip(goes_on) {
        let block_end = new_end + place.end() - prepared.copied;
        let start = prepared.places.last().map_or(new_end, BlockPlace::end);
        let offset = prepared.places.get(number).map_or(start, |known| known.offset);
        let mut moved = *place;
        (moved.offset, moved.length) = (offset, (block_end - offset) as u32);
        prepared.places.truncate(number);
        prepared.places.push(moved);
    }
    prepared.copied = end;
    Ok(())
}

/// Reads a new frame back: leaf hashes must be those of the old block. Returns its place.
fn check(
    bytes: &BlockBytes,
    block: &Block<'_>,
    frame: &[u8],
    old: BlockPlace,
    place: FramePlace,
) -> Result<BlockPlace, AuditError> {
    let (new, broken) = Block::decode(frame, place);
    let mut scratch = Vec::new();
    let mut hashes = |block: &Block<'_>| -> Vec<Hash> {
        block.leaves().iter().map(|leaf| block.hash(leaf, &mut scratch)).collect()
    };
    if broken.is_some() || hashes(block) != hashes(&new) {
        let what = "its leaves cannot be written again with equal hashes";
        return Err(bytes.damage(bytes.offset(), 0, what).into());
    }
    let mut summary = new.summary(place.offset);
    // Times that bare leaves had are known from the index alone.
    (summary.earliest, summary.latest) = (old.earliest, old.latest);
    Ok(summary)
}

/// Writes the journal, from which on the new segment counts. Changes nothing if it fails.
pub(super) fn announce<'p>(
    store: &Store,
    prepared: &'p mut Prepared,
) -> Result<Announced<'p>, AuditError> {
    let first = prepared.segment * BLOCKS_PER_SEGMENT;
    let sealed = store.places.lock().recover().sealed.saturating_sub(first) as usize;
    let rows: Result<Vec<Row>, AuditError> = prepared
        .places
        .iter()
        .take(sealed)
        .zip(first..)
        .map(|(place, block)| Ok(Row { place: *place, hash: store.index.row(block)?.hash }))
        .collect();
    let rows = rows?;
    let mut bytes = head::encode(Kind::Replacement, prepared.segment, store.id).to_vec();
    bytes.push(prepared.file.is_some().into());
    bytes.extend(encode_rows(first, &rows));
    bytes.extend(XxHash3_64::oneshot(&bytes).to_be_bytes());
    let path = journal(&store.directory);
    let new = files::beside(&path);
    let written = files::write_synced(&new, &bytes)
        .and_then(|()| fs::rename(&new, &path).map_err(AuditError::io(&path)));
    if let Err(error) = written {
        // It may be there in part, and takes room.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    if let Some(file) = &mut prepared.file {
        file.counts = true;
    }
    Ok(Announced { prepared, rows })
}

impl Announced<'_> {
    /// Makes the new segment the present one. `swap` runs while nothing reads the log. After an
    /// error the files are between the two: they must be opened anew.
    pub(super) fn commit(
        self,
        store: &Store,
        swap: impl FnOnce() -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let Self { prepared, rows } = self;
        let log = &store.directory;
        files::sync_directory(log)?;
        step();
        let _exclusive = store.replacing.write().recover();
        apply(log, &store.index, prepared.segment, prepared.file.is_some(), &rows)?;
        let mut places = store.places.lock().recover();
        let first = prepared.segment * BLOCKS_PER_SEGMENT;
        let open_from = (first + rows.len() as u64).saturating_sub(places.sealed) as usize;
        for (place, known) in
            prepared.places[rows.len()..].iter().zip(places.open.range_mut(open_from..))
        {
            *known = *place;
        }
        drop(places);
        swap()
    }
}

/// Steps 3 and 4, which may be done again.
fn apply(
    log: &Path,
    index: &Index,
    segment: u64,
    has_file: bool,
    rows: &[Row],
) -> Result<(), AuditError> {
    files::remove(&files::filter(log, segment))?;
    step();
    let path = files::segment(log, segment);
    let new = files::beside(&path);
    if !has_file {
        files::remove(&path)?;
    } else if fs::exists(&new).map_err(AuditError::io(&new))? {
        files::rename(&new, &path)?;
    }
    step();
    index.write(segment * BLOCKS_PER_SEGMENT, rows)?;
    index.sync()?;
    step();
    files::remove(&journal(log))
}

/// Finishes what a crash has cut off, or undoes what had not begun.
pub(super) fn finish(log: &Path, id: LogId) -> Result<(), AuditError> {
    let path = journal(log);
    if fs::exists(&path).map_err(AuditError::io(&path))? {
        let bytes = fs::read(&path).map_err(AuditError::io(&path))?;
        let wrong = || AuditError::damaged(&path, 0, "it cannot be parsed");
        let (rest, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or_else(wrong)?;
        if XxHash3_64::oneshot(rest).to_be_bytes() != *checksum {
            return Err(wrong());
        }
        let (head, rest) = rest.split_at_checked(HEAD).ok_or_else(wrong)?;
        let (number, _) = head[20..].split_first_chunk().ok_or_else(wrong)?;
        let segment = u64::from_be_bytes(*number);
        head::check(&path, head, Kind::Replacement, segment, id)?;
        let (has_file, rows) = rest.split_first().ok_or_else(wrong)?;
        let (rows, []) = rows.as_chunks::<ROW>() else { return Err(wrong()) };
        let numbers = segment * BLOCKS_PER_SEGMENT..;
        let rows: Option<Vec<Row>> =
            rows.iter().zip(numbers).map(|(row, block)| Row::decode(row, block)).collect();
        let index = Index::open(log, id, true)?;
        apply(log, &index, segment, *has_file == 1, &rows.ok_or_else(wrong)?)?;
    }
    let segments = log.join("segments");
    for entry in fs::read_dir(&segments).map_err(AuditError::io(&segments))? {
        let path = entry.map_err(AuditError::io(&segments))?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            files::remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(not(test))]
fn step() {}

/// Stops a test's process at a step, by number.
#[cfg(test)]
fn step() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static DONE: AtomicU64 = AtomicU64::new(0);
    let wanted = std::env::var("LAZARETTO_AUDIT_STOP_AT").ok();
    let done = DONE.fetch_add(1, Ordering::SeqCst) + 1;
    if wanted.and_then(|wanted| wanted.parse().ok()) == Some(done) {
        std::process::abort();
    }
}
