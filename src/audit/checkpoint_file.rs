//! The file `checkpoints`: every checkpoint ever signed, oldest first, each followed by an empty
//! line.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Take, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::note::{DASH, VerifierKey, is_signature, is_signature_start};
use super::{AuditError, LEAVES_PER_BLOCK, SignedCheckpoint, block_of, files};

/// The longest checkpoint, in bytes: with two signatures and the longest name it has some 700.
const MAX_NOTE: usize = 4 << 10;

/// Bytes of the end of the file that are read for its last checkpoint, which has some 250.
const TAIL: u64 = 8 << 10;

/// The checkpoints of a log, oldest first. A last one that a crash cut off is left out.
pub struct Checkpoints {
    path: PathBuf,
    lines: BufReader<Take<File>>,
    /// Bytes of whole checkpoints so far.
    position: u64,
    ended: bool,
}

pub(super) fn path(log: &Path) -> PathBuf {
    log.join("checkpoints")
}

impl Checkpoints {
    pub(super) fn open(log: &Path) -> Result<Self, AuditError> {
        Self::open_at(log, 0)
    }

    /// Begins at an offset, with which a checkpoint must begin.
    fn open_at(log: &Path, position: u64) -> Result<Self, AuditError> {
        let path = path(log);
        let mut file = files::open(&path)?;
        // Those signed from now on are left out: they may cover leaves that a reader has passed.
        let length = file.metadata().map_err(AuditError::io(&path))?.len();
        file.seek(SeekFrom::Start(position)).map_err(AuditError::io(&path))?;
        let length = length.saturating_sub(position);
        let lines = BufReader::new(file.take(length));
        Ok(Self { path, lines, position, ended: false })
    }

    /// Returns the next note; `None` at the end, or where the rest is not a whole one.
    fn read(&mut self) -> Result<Option<SignedCheckpoint>, AuditError> {
        let mut note = Vec::new();
        let mut blank_lines = 0;
        while blank_lines < 2 {
            let start = note.len();
            let mut room = (&mut self.lines).take((MAX_NOTE - start) as u64);
            room.read_until(b'\n', &mut note).map_err(AuditError::io(&self.path))?;
            let line = &note[start..];
            if !line.ends_with(b"\n") {
                let what = "the last checkpoint is damaged, not cut off";
                let damaged = || AuditError::damaged(&self.path, self.position, what);
                // A crash leaves less than the longest one.
                let is_torn = note.len() < MAX_NOTE && is_torn(&note);
                return is_torn.then_some(None).ok_or_else(damaged);
            }
            blank_lines += u32::from(line == b"\n");
        }
        let length = note.len() as u64;
        note.pop();
        let damaged = |what| AuditError::damaged(&self.path, self.position, what);
        let note = str::from_utf8(&note).map_err(|error| damaged(error.to_string()))?;
        let signed = SignedCheckpoint::parse(note).map_err(|error| damaged(error.to_string()))?;
        self.position += length;
        Ok(Some(signed))
    }
}

/// Returns the last checkpoint and the bytes up to its end. Reads the end of the file alone.
pub(super) fn last(log: &Path) -> Result<(Option<SignedCheckpoint>, u64), AuditError> {
    let path = path(log);
    let length = files::length(&path)?;
    let tail = length.saturating_sub(TAIL);
    let file = files::open(&path)?;
    let bytes = files::read_at(&file, tail, TAIL as usize).map_err(AuditError::io(&path))?;
    let start = if tail == 0 { Some(0) } else { first_start(&bytes) };
    if let Some(start) = start
        && let (Some(signed), end) = last_from(log, tail + start)?
    {
        return Ok((Some(signed), end));
    }
    // None of them is whole.
    last_from(log, 0)
}

fn last_from(log: &Path, start: u64) -> Result<(Option<SignedCheckpoint>, u64), AuditError> {
    let mut checkpoints = Checkpoints::open_at(log, start)?;
    let mut last = None;
    while let Some(signed) = checkpoints.read()? {
        last = Some(signed);
    }
    Ok((last, checkpoints.position))
}

/// Returns where the first checkpoint begins in a part of the file: after a signature and an empty
/// line.
fn first_start(bytes: &[u8]) -> Option<u64> {
    let mut at = 0;
    let mut is_signed = false;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if is_signed && line == b"\n" {
            return Some(at as u64);
        }
        is_signed = line.starts_with(DASH.as_bytes());
    }
    None
}

impl Iterator for Checkpoints {
    type Item = Result<SignedCheckpoint, AuditError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Returns whether a text is the beginning of a checkpoint, as a crash leaves it: a part of three
/// lines and an empty one, or that and a part of signature lines. Zeros may stand for the rest.
fn is_torn(rest: &[u8]) -> bool {
    let end = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let rest = match str::from_utf8(&rest[..end]) {
        Ok(rest) => rest,
        // Cut off within a character.
        Err(error) if error.error_len().is_none() => {
            str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let (text, signatures) = rest.split_once("\n\n").unwrap_or((rest, ""));
    let is_text = text.lines().count() <= 3 && !text.contains(|c: char| c < ' ' && c != '\n');
    let mut lines = signatures.split('\n');
    let last = lines.next_back().unwrap_or_default();
    is_text && is_signature_start(last) && lines.all(is_signature)
}

/// Returns those of `blocks` in whose middle a checkpoint ends: its root needs their leaf hashes.
/// Reads the checkpoints of these blocks, and a few on the way to them: sizes ascend.
pub(super) fn divided_blocks(log: &Path, blocks: Range<u64>) -> Result<BTreeSet<u64>, AuditError> {
    let mut divided = BTreeSet::new();
    let start = start_of(log, blocks.start * LEAVES_PER_BLOCK)?;
    for signed in Checkpoints::open_at(log, start)? {
        let size = signed?.checkpoint.size;
        let block = block_of(size);
        if block >= blocks.end {
            break;
        }
        if !size.is_multiple_of(LEAVES_PER_BLOCK) && blocks.contains(&block) {
            divided.insert(block);
        }
    }
    Ok(divided)
}

/// Returns where a checkpoint of at most `size` leaves begins, not far before the first one of more.
fn start_of(log: &Path, size: u64) -> Result<u64, AuditError> {
    let path = path(log);
    let file = files::open(&path)?;
    let (mut low, mut high) = (0, files::length(&path)?);
    while high - low > TAIL {
        let middle = low + (high - low) / 2;
        let bytes = files::read_at(&file, middle, TAIL as usize).map_err(AuditError::io(&path))?;
        // Where none begins or it cannot be read, reading goes on from before.
        let start = first_start(&bytes).map(|start| middle + start);
        let is_before = |start| match Checkpoints::open_at(log, start)?.read() {
            Ok(Some(signed)) => Ok::<bool, AuditError>(signed.checkpoint.size <= size),
            Ok(None) | Err(_) => Ok(false),
        };
        match start {
            Some(start) if start < high && is_before(start)? => low = start,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// Returns the checkpoint of `size` leaves that a key has signed.
pub(super) fn signed_by(
    log: &Path,
    size: u64,
    key: &VerifierKey,
) -> Result<Option<SignedCheckpoint>, AuditError> {
    for signed in Checkpoints::open_at(log, start_of(log, size.saturating_sub(1))?)? {
        let signed = signed?;
        if signed.checkpoint.size > size {
            break;
        }
        if signed.checkpoint.size == size && signed.verify(key).is_ok() {
            return Ok(Some(signed));
        }
    }
    Ok(None)
}

/// Appends a checkpoint and syncs it.
pub(super) fn append(log: &Path, signed: &SignedCheckpoint) -> Result<(), AuditError> {
    let path = path(log);
    let io = AuditError::io(&path);
    let mut file = OpenOptions::new().append(true).open(&path).map_err(&io)?;
    let length = file.metadata().map_err(&io)?.len();
    let written =
        file.write_all(format!("{}\n", signed.note).as_bytes()).and_then(|()| file.sync_data());
    written.map_err(|error| {
        // What is left of a failed write would hide the checkpoints after it.
        let _ = file.set_len(length);
        io(error)
    })
}

/// Cuts off what a crash left of a last checkpoint.
pub(super) fn cut(log: &Path, length: u64) -> Result<(), AuditError> {
    let path = path(log);
    let file = OpenOptions::new().write(true).open(&path).map_err(AuditError::io(&path))?;
    file.set_len(length).and_then(|()| file.sync_all()).map_err(AuditError::io(&path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::audit::Checkpoint;
    use crate::audit::note::Signer;

    #[test]
    fn cut_off_ends_differ_from_damaged_ones() {
        let (signer, _) = Signer::generate("a.example/1").unwrap();
        let checkpoint = Checkpoint { origin: "a.example/1".into(), size: 7, root: [9; 32] };
        let whole = SignedCheckpoint::sign(checkpoint, &[&signer, &signer]).note + "\n";
        // Within a character as well.
        for end in 0..whole.len() {
            let rest = &whole.as_bytes()[..end];
            assert!(is_torn(rest), "{:?}", rest.escape_ascii());
            assert!(is_torn(&[rest, &[0, 0]].concat()));
        }
        let folder = tempfile::tempdir().unwrap();
        for (at, _) in whole.match_indices('\n') {
            for bit in 0..8 {
                let mut bytes = whole.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                std::fs::write(path(folder.path()), bytes).unwrap();
                let last = last(folder.path());
                assert!(last.is_err(), "bit {bit} of byte {at}: {last:?}");
            }
        }
    }

    /// Against reading the file from its start: with files of every length, and torn ends.
    #[test]
    fn last_one_is_found_from_the_end() {
        let (signer, _) = Signer::generate("a.example/1").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::new();
        for size in 1..200 {
            let checkpoint = Checkpoint { origin: "a.example/1".into(), size, root: [9; 32] };
            text += &(SignedCheckpoint::sign(checkpoint, &[&signer, &signer]).note + "\n");
            for end in [text.len(), text.len() - 30, text.len() - 1] {
                std::fs::write(path(folder.path()), &text[..end]).unwrap();
                let slow = last_from(folder.path(), 0).unwrap();
                assert_eq!(last(folder.path()).unwrap(), slow);
            }
        }
        assert!(text.len() as u64 > 4 * TAIL);
    }

    #[test]
    fn endless_line_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(path(folder.path()), "a".repeat(2 * MAX_NOTE)).unwrap();
        assert!(matches!(last(folder.path()), Err(AuditError::Damaged(_))));
    }

    /// Damage among later checkpoints shows that they are not read.
    #[test]
    fn divided_blocks_are_found_without_reading_what_follows() {
        let (signer, _) = Signer::generate("a.example/1").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let sizes: Vec<u64> = (1..600).map(|number| number * number / 20).collect();
        let notes: Vec<String> = sizes
            .iter()
            .map(|size| Checkpoint { origin: "a.example/1".into(), size: *size, root: [9; 32] })
            .map(|checkpoint| SignedCheckpoint::sign(checkpoint, &[&signer]).note + "\n")
            .collect();
        assert!(notes.concat().len() as u64 > 8 * TAIL);
        for start in 0..72 {
            for end in [start + 1, start + 4] {
                let is_wanted = |size: u64| (start..end).contains(&block_of(size));
                let expected: BTreeSet<u64> = sizes
                    .iter()
                    .filter(|size| **size % LEAVES_PER_BLOCK != 0 && is_wanted(**size))
                    .map(|size| block_of(*size))
                    .collect();
                let mut text = notes.concat();
                std::fs::write(path(folder.path()), &text).unwrap();
                assert_eq!(divided_blocks(folder.path(), start..end).unwrap(), expected);
                // The first one beyond is read, the next one is not.
                let read = sizes.iter().take_while(|size| block_of(**size) < end).count() + 1;
                text.truncate(notes.iter().take(read).map(String::len).sum());
                text += "no checkpoint\n\n\n";
                std::fs::write(path(folder.path()), &text).unwrap();
                let found = divided_blocks(folder.path(), start..end);
                assert!(read > sizes.len() || found.unwrap() == expected, "{start}..{end}");
            }
        }
    }
}
