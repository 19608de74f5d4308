//! Whether what is stored is whole: every value's checksum, what points where, and that counts and
//! digests are those of what is there; of an open store, or of a backup as it is read. Repairs
//! nothing.

mod contents;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests;

use std::io::{self, Read};

use serde::Serialize;

use self::contents::Contents;
use super::backup::{BackupError, Frame, Header, Reader, Size, TREES};
use super::heads::{self, Heads};
use super::{SCHEMA, SCHEMA_KEY, Store, StoreError, value};

/// How many problems are told; of more only their number.
const MAX_PROBLEMS: usize = 100;

/// The longest value put together of its pieces, in bytes: what is kept of a list file in all.
const MAX_ASSEMBLED: usize = 512 << 20;

/// The longest file of heads, in bytes.
const MAX_HEADS: usize = 64 << 20;

/// How much of the file of segments is read at once, in bytes.
const PART: usize = 256 << 10;

/// A value whose form the store does not know.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// What is kept under a snapshot's name.
    Snapshot(&'a str, &'a [u8]),
    /// What is kept under a policy's version.
    Policy(&'a str, &'a [u8]),
}

/// Says what is wrong with a value whose form the store does not know.
pub type Judge<'a> = &'a dyn Fn(Named<'_>) -> Result<(), String>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// What a backup says of itself; none for a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Header>,
    /// What a backup comes to; none for a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    pub lists: u64,
    /// Their versions, of all times.
    pub versions: u64,
    /// Parties of the versions in force.
    pub parties: u64,
    /// Rows of the versions in force.
    pub rows: u64,
    /// Changes of listings, of all times.
    pub changes: u64,
    pub snapshots: u64,
    pub policies: u64,
    /// Looks at the sources of lists.
    pub looks: u64,
    /// Chains with transfers or declared blocks.
    pub chains: u64,
    /// Transfers, those that were taken back among them.
    pub transfers: u64,
    pub segments: u64,
    /// Times that transfers were taken back.
    pub retractions: u64,
    /// Bytes of labels; none for a backup, which has no labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_bytes: Option<u64>,
    /// What is wrong, at most a hundred.
    pub problems: Vec<String>,
    /// How many problems more there are.
    pub further_problems: u64,
}

impl Verified {
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, what: impl ToString) {
        match self.problems.len() < MAX_PROBLEMS {
            true => self.problems.push(what.to_string()),
            false => self.further_problems += 1,
        }
    }
}

/// A value of which not all pieces have come.
#[derive(Debug, Default)]
struct Pieces {
    key: Vec<u8>,
    bytes: Vec<u8>,
}

/// Takes everything that is stored, in the order of [`TREES`], then the file of segments.
pub(super) struct Verifier<'a> {
    found: Verified,
    contents: Contents,
    judge: Judge<'a>,
    /// Those of the backup, or all.
    trees: Vec<&'static str>,
    /// The place of the tree that came last among all.
    tree: usize,
    /// The value that is being put together.
    open: Option<Pieces>,
    schema: u32,
    seen_schema: bool,
    heads: Vec<u8>,
}

impl<'a> Verifier<'a> {
    fn new(schema: u32, trees: Vec<&'static str>, judge: Judge<'a>) -> Self {
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

    /// For a backup with this header; an error where its trees are not those of a store.
    pub fn of_backup(header: Header, judge: Judge<'a>) -> Result<Self, BackupError> {
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

    /// Takes the next part of a backup.
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

    /// What was found in a backup that ended, and its heads.
    pub fn end(mut self, size: Size) -> (Verified, Heads) {
        self.found.size = Some(size);
        self.finish()
    }

    fn heads_part(&mut self, part: &[u8]) {
        if self.heads.len() + part.len() <= MAX_HEADS {
            self.heads.extend_from_slice(part);
        }
    }

    /// Takes the next entry: trees in their order, keys in theirs.
    fn entry(&mut self, tree: &'static str, key: &[u8], value: &[u8]) {
        let place = TREES.iter().position(|known| *known == tree).unwrap_or(self.tree);
        self.advance(place);
        if let Err(problem) = self.raw(tree, key, value) {
            self.found.problem(problem);
        }
    }

    /// Ends the trees before `place`.
    fn advance(&mut self, place: usize) {
        while self.tree < place {
            self.end_value();
            let done = self.contents.end_tree(TREES[self.tree], &mut self.found);
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
                fits.then_some(())
                    .ok_or_else(|| value::corrupt(tree, key, "it is not the schema of the store"))
            }
            "lists" => {
                let bytes = value::unseal(tree, key, bytes)?;
                self.contents.take(tree, key, bytes, self.judge, &mut self.found)
            }
            _ => self.piece(tree, key, bytes),
        }
    }

    /// Takes a piece of a value; the value before it is whole where another begins.
    fn piece(&mut self, tree: &'static str, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let Some((value_key, _)) = key.split_last_chunk::<{ value::NUMBER }>() else {
            return Err(value::corrupt(tree, key, "the key is too short"));
        };
        if self.open.as_ref().is_some_and(|open| open.key != value_key) {
            self.end_value();
        }
        let new = || Pieces { key: value_key.to_vec(), bytes: Vec::new() };
        let open = self.open.get_or_insert_with(new);
        if open.bytes.len() + bytes.len() > MAX_ASSEMBLED {
            return Err(value::corrupt(tree, key, "the value is larger than any"));
        }
        open.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn end_value(&mut self) {
        let Some(Pieces { key, bytes }) = self.open.take() else { return };
        let tree = TREES[self.tree];
        let taken = match tree {
            // Their checksums stand in their headers.
            "segments" => Ok(&*bytes),
            _ => value::unseal(tree, &key, &bytes),
        };
        let taken = taken
            .and_then(|bytes| self.contents.take(tree, &key, bytes, self.judge, &mut self.found));
        if let Err(problem) = taken {
            self.found.problem(problem);
        }
    }

    /// Takes a part of the file of segments, after all entries.
    fn segments(&mut self, part: &[u8]) {
        self.advance(TREES.len());
        self.contents.segments(part, &mut self.found);
    }

    fn finish(mut self) -> (Verified, Heads) {
        self.advance(TREES.len());
        if !self.seen_schema {
            self.found.problem(value::corrupt("meta", SCHEMA_KEY, "it is missing"));
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

/// Reads a backup to its end and checks all of it, restoring nothing. An error is about the file;
/// what is wrong with what stands in it is in [`Verified::problems`].
pub fn verify_backup(backup: impl Read, judge: Judge<'_>) -> Result<Verified, BackupError> {
    let (mut reader, header) = Reader::new(backup)?;
    let mut verifier = Verifier::of_backup(header, judge)?;
    loop {
        match reader.next()? {
            Frame::End(size) => return Ok(verifier.end(size).0),
            frame => verifier.take(&frame),
        }
    }
}

impl Store {
    /// Reads everything that is stored and checks it. Nothing may be written meanwhile.
    pub fn verify(&self, judge: Judge<'_>) -> Result<Verified, StoreError> {
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

    /// Whether nothing was ever stored.
    pub(super) fn is_empty(&self) -> Result<bool, StoreError> {
        let named = [&self.snapshots, &self.policies].into_iter().any(|tree| !tree.is_empty());
        Ok(!named && self.heads()? == Heads::default())
    }
}
