//! Verifies an open store, or a backup while it is read: checksums, references, counts and digests.
//! Repairs nothing.

mod contents;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests;

use std::io::{self, Read};

use serde::Serialize;

use self::contents::Contents;
use super::backup::{BackupError, Frame, Header, Reader, Size, TREES};
use super::heads::{self, Heads};
use super::{SCHEMA, SCHEMA_KEY, Store, StoreError, pieces, value};

/// The maximum number of reported problems; further ones are only counted.
const MAX_PROBLEMS: usize = 100;

/// The longest value assembled from pieces, in bytes: the maximum kept of a list file.
const MAX_ASSEMBLED: usize = 512 << 20;

/// The longest file of heads, in bytes.
const MAX_HEADS: usize = 64 << 20;

/// Bytes of the file of segments read at once.
const PART: usize = 256 << 10;

/// A value whose form the store does not know.
#[derive(Clone, Copy, Debug)]
pub enum OpaqueRecord<'a> {
    /// The bytes of a snapshot, by its id.
    Snapshot(&'a str, &'a [u8]),
    /// The file of a policy, by its version.
    Policy(&'a str, &'a [u8]),
    /// Settings of exposure, by their digest.
    Settings(&'a str, &'a [u8]),
    /// The basis of labels, by its name.
    LabelBasis(&'a str, &'a [u8]),
}

/// Checks a value whose form the store does not know; fails with the problem.
pub type RecordCheck<'a> = &'a dyn Fn(OpaqueRecord<'_>) -> Result<(), String>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The header of a backup; none for a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Header>,
    /// The size of a backup; none for a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    pub lists: u64,
    /// All versions ever.
    pub versions: u64,
    /// Parties of the current versions.
    pub parties: u64,
    /// Rows of the current versions.
    pub rows: u64,
    /// All changes of listings ever.
    pub changes: u64,
    pub snapshots: u64,
    pub policies: u64,
    /// Settings of exposure.
    pub settings: u64,
    /// Bases of labels.
    pub label_bases: u64,
    /// Checks of list sources.
    pub looks: u64,
    /// Chains with transfers or declared blocks.
    pub chains: u64,
    /// Transfers, including retracted ones.
    pub transfers: u64,
    pub segments: u64,
    /// Changes of transfers whose coverage is kept.
    pub coverages: u64,
    /// Number of retractions.
    pub retractions: u64,
    /// Bytes of labels; none for a backup, which has no labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_bytes: Option<u64>,
    /// The problems, at most a hundred.
    pub problems: Vec<String>,
    /// The number of further problems.
    pub further_problems: u64,
}

impl Verified {
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, what: impl ToString) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(what.to_string())
        } else {
            self.further_problems += 1
        }
    }
}

/// A value being assembled from pieces.
#[derive(Debug, Default)]
struct Pieces {
    key: Vec<u8>,
    bytes: Vec<u8>,
}

/// Verifies stored values in the order of [`TREES`], then the file of segments.
pub(super) struct Verifier<'a> {
    found: Verified,
    contents: Contents,
    judge: RecordCheck<'a>,
    /// The trees of the backup, or all.
    trees: Vec<&'static str>,
    /// The index of the last tree among all.
    tree: usize,
    /// The value being assembled.
    open: Option<Pieces>,
    schema: u32,
    seen_schema: bool,
    heads: Vec<u8>,
}

impl<'a> Verifier<'a> {
    fn new(schema: u32, trees: Vec<&'static str>, judge: RecordCheck<'a>) -> Self {
        Self {
            found: Verified::default(),
            contents: Contents::default(),
            judge,
            trees,
            tree: 0,
            open: None,
            schema,
            seen_schema: false,
            heads: Vec::new(),
        }
    }

    /// Creates a verifier of a backup with this header. Fails if its trees are not those of a
    /// store.
    pub fn of_backup(header: Header, judge: RecordCheck<'a>) -> Result<Self, BackupError> {
        let mut all = TREES.iter();
        let mut trees = Vec::new();
        for tree in &header.trees {
            let known = all.find(|known| **known == *tree).ok_or_else(|| {
                let what = format!("a tree {tree:?} does not belong here");
                BackupError::Damaged { position: 24, what }
            })?;
            trees.push(*known);
        }
        let mut verifier = Self::new(header.schema, trees, judge);
        verifier.found.backup = Some(header);
        Ok(verifier)
    }

    /// Adds the next part of a backup.
    pub fn take(&mut self, frame: &Frame<'_>) {
        match frame {
            Frame::Heads(part) => self.heads_part(part),
            Frame::Entries(number, entries) => {
                let tree = self.trees[*number];
                entries.iter().for_each(|(key, value)| self.entry(tree, key, value));
            }
            Frame::Segments(part) => self.segments(part),
            Frame::End(_) => {}
        }
    }

    /// Returns the result for a complete backup, and its heads.
    pub fn end(mut self, size: Size) -> (Verified, Heads) {
        self.found.size = Some(size);
        self.finish()
    }

    fn heads_part(&mut self, part: &[u8]) {
        if self.heads.len() + part.len() <= MAX_HEADS {
            self.heads.extend_from_slice(part);
        }
    }

    /// Adds the next entry, by tree and key.
    fn entry(&mut self, tree: &'static str, key: &[u8], value: &[u8]) {
        let place = TREES.iter().position(|known| *known == tree).unwrap_or(self.tree);
        self.advance(place);
        if let Err(problem) = self.raw(tree, key, value) {
            self.found.problem(problem);
        }
    }

    /// Completes the trees before `place`.
    fn advance(&mut self, place: usize) {
        while self.tree < place {
            self.end_value();
            let done = self.contents.end_tree(TREES[self.tree], self.schema, &mut self.found);
            if let Err(problem) = done {
                self.found.problem(problem);
            }
            self.tree += 1;
        }
    }

    fn raw(&mut self, tree: &'static str, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        match tree {
            "meta" => {
                let fits = key == SCHEMA_KEY && bytes == self.schema.to_be_bytes();
                self.seen_schema |= fits;
                fits.then_some(()).ok_or_else(|| {
                    StoreError::corrupt(tree, key, "it is not the schema of the store")
                })
            }
            "lists" => {
                let bytes = value::unseal(tree, key, bytes)?;
                self.contents.take(tree, key, bytes, self.judge, &mut self.found)
            }
            _ => self.piece(tree, key, bytes),
        }
    }

    /// Adds a piece of a value; a piece of another value completes the previous one.
    fn piece(&mut self, tree: &'static str, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let Some((value_key, _)) = key.split_last_chunk::<{ pieces::NUMBER }>() else {
            return Err(StoreError::corrupt(tree, key, "the key is too short"));
        };
        if self.open.as_ref().is_some_and(|open| open.key != value_key) {
            self.end_value();
        }
        let new = || Pieces { key: value_key.to_vec(), bytes: Vec::new() };
        let open = self.open.get_or_insert_with(new);
        if open.bytes.len() + bytes.len() > MAX_ASSEMBLED {
            return Err(StoreError::corrupt(tree, key, "the value is larger than any"));
        }
        open.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn end_value(&mut self) {
        let Some(Pieces { key, bytes }) = self.open.take() else { return };
        let tree = TREES[self.tree];
        let taken = match tree {
            // Their checksums are in their headers.
            "segments" => Ok(&*bytes),
            _ => value::unseal(tree, &key, &bytes),
        };
        let taken = taken
            .and_then(|bytes| self.contents.take(tree, &key, bytes, self.judge, &mut self.found));
        if let Err(problem) = taken {
            self.found.problem(problem);
        }
    }

    /// Adds a part of the file of segments, after all entries.
    fn segments(&mut self, part: &[u8]) {
        self.advance(TREES.len());
        self.contents.segments(part, &mut self.found);
    }

    fn finish(mut self) -> (Verified, Heads) {
        self.advance(TREES.len());
        if !self.seen_schema {
            self.found.problem(StoreError::corrupt("meta", SCHEMA_KEY, "it is missing"));
        }
        let told = match heads::parse(&String::from_utf8_lossy(&self.heads)) {
            Ok(told) => Some(told),
            Err(line) => {
                self.found.problem(format_args!("heads, line {line}: the file is damaged"));
                None
            }
        };
        let heads = self.contents.finish(&mut self.found);
        if told.is_some_and(|told| told != heads) {
            self.found.problem("heads: it names other versions or transfers than are there");
        }
        (self.found, heads)
    }
}

/// Reads and verifies a backup without restoring it. Fails if the file is damaged; problems of its
/// content are in [`Verified::problems`].
pub fn verify_backup(backup: impl Read, judge: RecordCheck<'_>) -> Result<Verified, BackupError> {
    let (mut reader, header) = Reader::new(backup)?;
    let mut verifier = Verifier::of_backup(header, judge)?;
    loop {
        match reader.next()? {
            Frame::End(size) => return Ok(verifier.end(size).0),
            frame @ (Frame::Heads(_) | Frame::Entries(..) | Frame::Segments(_)) => {
                verifier.take(&frame)
            }
        }
    }
}

impl Store {
    /// Reads and verifies everything stored. Nothing may be written meanwhile.
    pub fn verify(&self, judge: RecordCheck<'_>) -> Result<Verified, StoreError> {
        let mut verifier = Verifier::new(SCHEMA, TREES.to_vec(), judge);
        for name in TREES {
            let tree = self.database.tree_named(name)?;
            for item in tree.iter() {
                match item {
                    Ok((key, value)) => verifier.entry(name, &key, &value),
                    Err(error) => {
                        verifier.found.problem(format_args!("tree {name}: {error}"));
                        break;
                    }
                }
            }
        }
        verifier.advance(TREES.len());
        let path = self.dir.join("segments");
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let mut file = self.segment_file.reader()?;
        let mut part = vec![0; PART];
        loop {
            match file.read(&mut part) {
                Ok(0) => break,
                Ok(read) => verifier.segments(&part[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let heads = heads::read(&self.dir)?.unwrap_or_default();
        verifier.heads_part(heads::text(&heads).as_bytes());
        let (mut found, _) = verifier.finish();
        found.label_bytes = Some(0);
        if let Err(problem) = self.verify_labels(&mut found) {
            found.problem(format_args!("{problem} (labels are built anew at the next start)"));
        }
        Ok(found)
    }

    fn verify_labels(&self, found: &mut Verified) -> Result<(), StoreError> {
        let Some(labels) = self.labels()? else { return Ok(()) };
        let mut bytes = labels.deltas.iter().map(|delta| delta.len() as u64).sum::<u64>();
        for chunk in labels.chunks {
            bytes += chunk?.len() as u64;
        }
        found.label_bytes = Some(bytes);
        Ok(())
    }

    /// Returns true if nothing was ever stored.
    pub(super) fn is_empty(&self) -> Result<bool, StoreError> {
        let trees = [&self.snapshots, &self.policies, &self.settings, &self.bases];
        let named = trees.into_iter().any(|tree| !tree.is_empty());
        Ok(!named && self.heads()? == Heads::default())
    }
}
