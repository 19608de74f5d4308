//! The form of a backup: its header and frames written, and read with every byte checked. Knows
//! names of trees, not what stands in them.
//!
//! | part | bytes |
//! |---|---|
//! | header | `LAZARETTO BACKUP` (16), format (4), length of the body (4), body, checksum (8) |
//! | its body | version of the program (1 + text), schema (4), second it was made (8), number of trees (1), their names (1 + text each) |
//! | frame | kind (1), length (4), payload, checksum (8) |
//!
//! | frame, in this order | payload |
//! |---|---|
//! | `h` | a part of the file `heads` |
//! | `e` | tree (1), and entries: length of the key (2), of the value (4), key, value |
//! | `s` | a part of the file of segments |
//! | `z`, the last | entries (8), bytes of segments (8), SHA-256 of all before this frame (32) |
//!
//! Numbers are big-endian. Trees come in the order of the header, keys ascend within a tree. A
//! checksum is XXH3 over all of its part before, and of a frame seeded with the frame's place in
//! the file, so that a frame elsewhere than it was written is noticed where it stands. The digest
//! at the end holds the whole together. Every later format begins as this one does up to the
//! schema, so that a program can say who wrote what it cannot read.

use std::io::{self, Read, Write};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use twox_hash::XxHash3_64;

use super::super::SCHEMA;
use super::FORMAT;
use super::error::BackupError;

const MAGIC: [u8; 16] = *b"LAZARETTO BACKUP";

/// The longest body of a header, in bytes.
const MAX_HEADER: usize = 4096;

/// The longest name or version in a header, in bytes.
const MAX_TEXT: usize = 64;

/// The longest payload that is read, in bytes.
const MAX_PAYLOAD: usize = 2 << 20;

/// Bytes from which a frame of entries is full.
const FULL: usize = 256 << 10;

/// Bytes of segments or heads per frame.
pub(super) const PART: usize = 256 << 10;

/// The longest key and value, in bytes. The store's own have at most 6 KiB, except pointers.
pub(super) const MAX_KEY: usize = 4096;
pub(super) const MAX_VALUE: usize = 1 << 20;

const HEADS: u8 = b'h';
const ENTRIES: u8 = b'e';
const SEGMENTS: u8 = b's';
const END: u8 = b'z';

/// The header of a backup.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Header {
    /// The version of the program that wrote it.
    pub program: String,
    /// The format of the file.
    pub format: u32,
    /// The schema of the store in it.
    pub schema: u32,
    /// When it was made, to the second.
    pub made: Timestamp,
    /// The trees, in their order.
    #[serde(skip)]
    pub trees: Vec<String>,
}

/// The size of a backup.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// Bytes of the file.
    pub bytes: u64,
    pub entries: u64,
    /// Bytes of the file of segments.
    pub segment_bytes: u64,
    /// SHA-256 of the whole file, in hex.
    pub sha256: String,
}

/// Writes a backup from its header to its end.
pub(super) struct Writer<W> {
    out: W,
    digest: Sha256,
    position: u64,
    /// The frame of entries being filled.
    entries: Vec<u8>,
    counted: (u64, u64),
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W, header: &Header) -> Result<Self, BackupError> {
        let mut body = Vec::new();
        put_text(&mut body, &header.program);
        body.extend_from_slice(&header.schema.to_be_bytes());
        body.extend_from_slice(&header.made.as_second().to_be_bytes());
        body.push(header.trees.len() as u8);
        header.trees.iter().for_each(|tree| put_text(&mut body, tree));
        let length = (body.len() as u32).to_be_bytes();
        let head = [&MAGIC[..], &header.format.to_be_bytes(), &length, &body].concat();
        let checksum = XxHash3_64::oneshot(&head);
        let mut writer =
            Self { out, digest: Sha256::new(), position: 0, entries: Vec::new(), counted: (0, 0) };
        writer.put(&head)?;
        writer.put(&checksum.to_be_bytes())?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.digest.update(bytes);
        self.position += bytes.len() as u64;
        self.out.write_all(bytes).map_err(BackupError::Write)
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) -> Result<(), BackupError> {
        let head = frame_head(kind, payload.len());
        let checksum = frame_checksum(self.position, &head, payload);
        self.put(&head)?;
        self.put(payload)?;
        self.put(&checksum.to_be_bytes())
    }

    /// Writes the file of heads.
    pub(super) fn heads(&mut self, text: &[u8]) -> Result<(), BackupError> {
        text.chunks(PART).try_for_each(|part| self.frame(HEADS, part))
    }

    /// Adds an entry, in the order of trees and keys, within the bounds of both.
    pub(super) fn entry(&mut self, tree: u8, key: &[u8], value: &[u8]) -> Result<(), BackupError> {
        let another = self.entries.first().is_some_and(|known| *known != tree);
        if another || self.entries.len() >= FULL {
            self.end_entries()?;
        }
        if self.entries.is_empty() {
            self.entries.push(tree);
        }
        self.entries.extend_from_slice(&(key.len() as u16).to_be_bytes());
        self.entries.extend_from_slice(&(value.len() as u32).to_be_bytes());
        self.entries.extend_from_slice(key);
        self.entries.extend_from_slice(value);
        self.counted.0 += 1;
        Ok(())
    }

    fn end_entries(&mut self) -> Result<(), BackupError> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let mut entries = std::mem::take(&mut self.entries);
        self.frame(ENTRIES, &entries)?;
        entries.clear();
        self.entries = entries;
        Ok(())
    }

    /// Writes a part of the file of segments, after all entries.
    pub(super) fn segments(&mut self, part: &[u8]) -> Result<(), BackupError> {
        self.end_entries()?;
        self.counted.1 += part.len() as u64;
        self.frame(SEGMENTS, part)
    }

    pub(super) fn end(mut self) -> Result<Size, BackupError> {
        self.end_entries()?;
        let digest: [u8; 32] = self.digest.clone().finalize().into();
        let (entries, segment_bytes) = self.counted;
        let counts = [entries.to_be_bytes(), segment_bytes.to_be_bytes()].concat();
        self.frame(END, &[&counts[..], &digest].concat())?;
        self.out.flush().map_err(BackupError::Write)?;
        let sha256 = HEXLOWER.encode(&self.digest.finalize());
        Ok(Size { bytes: self.position, entries, segment_bytes, sha256 })
    }
}

/// A part of a backup, checked.
#[derive(Debug)]
pub(in crate::store) enum Frame<'a> {
    /// Of the file of heads.
    Heads(&'a [u8]),
    /// Entries of a tree, by its index in the header.
    Entries(usize, Vec<(&'a [u8], &'a [u8])>),
    /// Of the file of segments.
    Segments(&'a [u8]),
    End(Size),
}

/// Reads a backup; holds one frame at a time.
pub(in crate::store) struct Reader<R> {
    source: R,
    digest: Sha256,
    position: u64,
    payload: Vec<u8>,
    /// The kind of the last frame, and its tree: earlier ones may not follow.
    last: (u8, u8),
    last_key: Vec<u8>,
    trees: usize,
    counted: (u64, u64),
}

impl<R: Read> Reader<R> {
    /// Reads the header. Rejects one that is newer than this program.
    pub(in crate::store) fn new(source: R) -> Result<(Self, Header), BackupError> {
        let mut reader = Self {
            source,
            digest: Sha256::new(),
            position: 0,
            payload: Vec::new(),
            last: (HEADS, 0),
            last_key: Vec::new(),
            trees: 0,
            counted: (0, 0),
        };
        let mut magic = [0; MAGIC.len()];
        let whole = reader.fill(&mut magic)?;
        if magic != MAGIC {
            let cut = whole < MAGIC.len() && MAGIC.starts_with(&magic[..whole]) && whole > 0;
            return Err(if cut { reader.ended("its header") } else { BackupError::NotABackup });
        }
        let (format, length): ([u8; 4], [u8; 4]) =
            (reader.array("its header")?, reader.array("its header")?);
        let body_length = u32::from_be_bytes(length) as usize;
        if body_length > MAX_HEADER {
            return Err(BackupError::damaged(20, "the header is too long"));
        }
        let mut body = vec![0; body_length];
        reader.exact(&mut body, "its header")?;
        let checksum = XxHash3_64::oneshot(&[&MAGIC[..], &format, &length, &body].concat());
        if reader.array::<8>("its header")? != checksum.to_be_bytes() {
            return Err(BackupError::damaged(16, "the checksum of the header is wrong"));
        }
        let format = u32::from_be_bytes(format);
        let unclear = || BackupError::damaged(24, "the header cannot be parsed");
        let (program, rest) = take_text(&body).ok_or_else(unclear)?;
        let (schema, rest) = rest.split_first_chunk().ok_or_else(unclear)?;
        let schema = u32::from_be_bytes(*schema);
        if format > FORMAT || schema > SCHEMA {
            return Err(BackupError::Newer { program, format, schema });
        }
        if format != FORMAT || schema < 1 {
            let what = format!("there is no backup format {format} with store schema {schema}");
            return Err(BackupError::damaged(16, what));
        }
        let (made, trees) = read_rest(rest).ok_or_else(unclear)?;
        reader.trees = trees.len();
        Ok((reader, Header { program, format, schema, made, trees }))
    }

    pub(in crate::store) fn next(&mut self) -> Result<Frame<'_>, BackupError> {
        let start = self.position;
        let before = self.digest.clone();
        let head: [u8; 5] = self.array("a frame")?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_PAYLOAD {
            let what = format!("a frame of {length} bytes, at most {MAX_PAYLOAD}");
            return Err(BackupError::damaged(start, what));
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(length, 0);
        self.exact(&mut payload, "a frame")?;
        self.payload = payload;
        let checksum: [u8; 8] = self.array("a frame")?;
        if checksum != frame_checksum(start, &head, &self.payload).to_be_bytes() {
            let what = "the checksum of the frame is wrong: it was changed or moved";
            return Err(BackupError::damaged(start, what));
        }
        let place = |kind| [HEADS, ENTRIES, SEGMENTS, END].iter().position(|known| *known == kind);
        if place(kind).is_none_or(|now| Some(now) < place(self.last.0)) {
            let what = format!("a frame of kind {:?} does not belong here", char::from(kind));
            return Err(BackupError::damaged(start, what));
        }
        self.last.0 = kind;
        match kind {
            HEADS => Ok(Frame::Heads(&self.payload)),
            ENTRIES => self.entries(start),
            SEGMENTS => {
                self.counted.1 += self.payload.len() as u64;
                Ok(Frame::Segments(&self.payload))
            }
            _ => self.end(start, before),
        }
    }

    /// The offset reached.
    #[cfg(test)]
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn entries(&mut self, start: u64) -> Result<Frame<'_>, BackupError> {
        let wrong = |what: &str| BackupError::damaged(start, what);
        let (tree, mut rest) =
            self.payload.split_first().ok_or_else(|| wrong("an empty frame of entries"))?;
        if usize::from(*tree) >= self.trees || *tree < self.last.1 {
            return Err(wrong("its tree does not belong here"));
        }
        if *tree != self.last.1 {
            self.last_key.clear();
        }
        self.last.1 = *tree;
        let mut entries: Vec<(&[u8], &[u8])> = Vec::new();
        while !rest.is_empty() {
            let entry = take_entry(&mut rest).ok_or_else(|| wrong("an entry that does not fit"))?;
            let last = entries.last().map_or(&*self.last_key, |(key, _)| key);
            if entry.0 <= last {
                return Err(wrong("a key that does not come after the one before"));
            }
            entries.push(entry);
        }
        if let Some((key, _)) = entries.last() {
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
        }
        self.counted.0 += entries.len() as u64;
        Ok(Frame::Entries((*tree).into(), entries))
    }

    fn end(&mut self, start: u64, before: Sha256) -> Result<Frame<'_>, BackupError> {
        let (entries, segment_bytes) = self.counted;
        let counts = [entries.to_be_bytes(), segment_bytes.to_be_bytes()].concat();
        let Some(digest) = self.payload.strip_prefix(&*counts) else {
            return Err(BackupError::damaged(start, "its number of entries is wrong"));
        };
        if digest != &*before.finalize() {
            return Err(BackupError::damaged(start, "the digest of all data before it is wrong"));
        }
        let bytes = self.position;
        let sha256 = HEXLOWER.encode(&self.digest.clone().finalize());
        if self.fill(&mut [0])? > 0 {
            return Err(BackupError::damaged(bytes, "something follows the end of the backup"));
        }
        Ok(Frame::End(Size { bytes, entries, segment_bytes, sha256 }))
    }

    /// Reads until `bytes` is full or the file ends; returns the count.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, BackupError> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.source.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let position = self.position + filled as u64;
                    return Err(BackupError::Read { position, source });
                }
            }
        }
        self.position += filled as u64;
        self.digest.update(&bytes[..filled]);
        Ok(filled)
    }

    fn exact(&mut self, bytes: &mut [u8], within: &str) -> Result<(), BackupError> {
        if self.fill(bytes)? == bytes.len() { Ok(()) } else { Err(self.ended(within)) }
    }

    fn array<const N: usize>(&mut self, within: &str) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.exact(&mut bytes, within)?;
        Ok(bytes)
    }

    fn ended(&self, within: &str) -> BackupError {
        BackupError::damaged(self.position, format!("the file ends here, within {within}"))
    }
}

fn frame_head(kind: u8, length: usize) -> [u8; 5] {
    let [a, b, c, d] = (length as u32).to_be_bytes();
    [kind, a, b, c, d]
}

fn frame_checksum(position: u64, head: &[u8; 5], payload: &[u8]) -> u64 {
    // Two steps avoid copying the payload.
    let seed = XxHash3_64::oneshot_with_seed(position, head);
    XxHash3_64::oneshot_with_seed(seed, payload)
}

/// Returns the checksum of a whole frame at a position, as stored at its end.
#[cfg(test)]
pub(super) fn frame_checksum_of(frame: &[u8], position: u64) -> [u8; 8] {
    let (head, rest) = frame.split_first_chunk().expect("a frame has a head");
    frame_checksum(position, head, &rest[..rest.len() - 8]).to_be_bytes()
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// Splits off a text of visible ASCII.
fn take_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    let fine = (1..=MAX_TEXT).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(text).ok().filter(|_| fine)?;
    Some((text.to_owned(), rest))
}

/// Reads the part of the header after the schema.
fn read_rest(rest: &[u8]) -> Option<(Timestamp, Vec<String>)> {
    let (made, rest) = rest.split_first_chunk()?;
    let made = Timestamp::from_second(i64::from_be_bytes(*made)).ok()?;
    let (count, mut rest) = rest.split_first()?;
    let mut trees = Vec::new();
    for _ in 0..*count {
        let (tree, after) = take_text(rest)?;
        trees.push(tree);
        rest = after;
    }
    rest.is_empty().then_some((made, trees))
}

fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (key, after) = rest.split_first_chunk()?;
    let (value, after) = after.split_first_chunk()?;
    let (key, value) = (u16::from_be_bytes(*key) as usize, u32::from_be_bytes(*value) as usize);
    if !(1..=MAX_KEY).contains(&key) || value > MAX_VALUE {
        return None;
    }
    let (key, after) = after.split_at_checked(key)?;
    let (value, after) = after.split_at_checked(value)?;
    *rest = after;
    Some((key, value))
}
