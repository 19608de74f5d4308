//! Compares checkpoints with the tree as it grows: those of the log, and one from outside.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use super::super::checkpoint_file::{self, Checkpoints};
use super::super::frontier::Frontier;
use super::super::keys::{self, LogKey};
use super::super::merkle::Hash;
use super::super::{AuditError, BLOCK_BITS, LEAVES_PER_BLOCK, SignedCheckpoint};
use super::{Damage, Report};

/// What findings name in place of a file.
const OUTSIDE: &str = "the checkpoint from outside";

pub(super) struct Signed {
    path: PathBuf,
    origin: String,
    keys: Vec<LogKey>,
    own: Peekable<Checkpoints>,
    outside: Option<SignedCheckpoint>,
    /// The size of the last checkpoint of the log.
    last_size: u64,
    /// The size of the last one that agreed.
    agreed: u64,
    /// One differed: every later one would.
    has_differed: bool,
    /// Offset of the next one in the file.
    byte: u64,
    /// Sizes at which a key was signed over by the one before.
    signed_over: BTreeSet<u64>,
}

impl Signed {
    pub(super) fn open(
        log: &Path,
        origin: &str,
        keys: Vec<LogKey>,
        outside: Option<&str>,
        report: &mut Report,
    ) -> Result<Self, AuditError> {
        let path = checkpoint_file::path(log);
        let own = Checkpoints::open(log)?;
        let last_size = match checkpoint_file::last(log) {
            Ok((last, _)) => last.map_or(0, |signed| signed.checkpoint.size),
            // Found again where it stands.
            Err(_) => 0,
        };
        let (agreed, has_differed, byte, signed_over) = (0, false, 0, BTreeSet::new());
        let own = own.peekable();
        let origin = origin.to_owned();
        let mut signed = Self {
            path,
            origin,
            keys,
            own,
            outside: None,
            last_size,
            agreed,
            has_differed,
            byte,
            signed_over,
        };
        if let Some(note) = outside {
            signed.outside = signed.outside(note, report);
        }
        Ok(signed)
    }

    /// The size of the last checkpoint of the log; 0 without one.
    pub(super) fn last_size(&self) -> u64 {
        self.last_size
    }

    fn outside(&self, note: &str, report: &mut Report) -> Option<SignedCheckpoint> {
        let path = PathBuf::from(OUTSIDE);
        let mut refuse = |what: String| {
            report.add(Damage { path: path.clone(), byte: 0, leaf: None, what });
            None
        };
        let signed = match SignedCheckpoint::parse(note) {
            Ok(signed) => signed,
            Err(error) => return refuse(error.to_string()),
        };
        if signed.checkpoint.origin != self.origin {
            return refuse(format!("it is of the log {}", signed.checkpoint.origin));
        }
        // The log may have been rolled back to before a rotation, so any of its keys will do.
        let results: Vec<_> = self.keys.iter().map(|key| signed.verify(&key.key)).collect();
        match results.into_iter().find(Result::is_ok) {
            Some(_) => Some(signed),
            None => refuse("no key of the log has signed it".to_owned()),
        }
    }

    /// Returns whether a checkpoint covers a leaf.
    pub(super) fn covers(&self, leaf: u64) -> bool {
        let outside = self.outside.as_ref().map_or(0, |signed| signed.checkpoint.size);
        leaf < self.last_size.max(outside)
    }

    /// Returns the size of the next checkpoint to compare.
    fn next_size(&mut self) -> Option<u64> {
        let own = match self.own.peek() {
            Some(Ok(signed)) => Some(signed.checkpoint.size),
            // Reported at the next comparison.
            Some(Err(_)) => Some(0),
            None => None,
        };
        let outside = self.outside.as_ref().map(|signed| signed.checkpoint.size);
        own.into_iter().chain(outside).min()
    }

    /// Adds leaves, and compares the checkpoints on the way.
    pub(super) fn push(
        &mut self,
        frontier: &mut Frontier,
        hashes: &[Hash],
        report: &mut Report,
    ) -> Result<(), AuditError> {
        self.compare(frontier, report)?;
        for hash in hashes {
            frontier.push(0, *hash);
            self.compare(frontier, report)?;
        }
        Ok(())
    }

    /// Adds a block whose leaves are not there, by its hash. A checkpoint within it cannot be
    /// compared.
    pub(super) fn skip(
        &mut self,
        frontier: &mut Frontier,
        hash: Option<Hash>,
        report: &mut Report,
    ) -> Result<(), AuditError> {
        self.compare(frontier, report)?;
        let end = frontier.size() + LEAVES_PER_BLOCK;
        while self.next_size().is_some_and(|size| size < end) {
            let what = "the leaves that it covers last are missing or damaged";
            self.take(report, |signed| Some((signed.checkpoint.size, what)))?;
        }
        self.has_differed |= hash.is_none();
        frontier.push(BLOCK_BITS, hash.unwrap_or_default());
        self.compare(frontier, report)
    }

    /// Compares the checkpoints of the present size.
    fn compare(&mut self, frontier: &Frontier, report: &mut Report) -> Result<(), AuditError> {
        let size = frontier.size();
        while self.next_size().is_some_and(|next| next <= size) {
            let (root, agreed) = (frontier.root(), self.agreed);
            let has_differed = self.has_differed;
            let differs = self.take(report, |signed| {
                if signed.checkpoint.size < size {
                    return Some((agreed, "its size is smaller than that of the one before"));
                }
                let what = "its root differs: leaves or rows of the index since the checkpoint \
                    before it were changed";
                (signed.checkpoint.root != root && !has_differed).then_some((agreed, what))
            })?;
            if differs {
                self.has_differed = true;
            } else if !self.has_differed {
                self.agreed = size;
            }
        }
        Ok(())
    }

    /// Takes the next checkpoint by size and reports what `check` says of it, and its signatures.
    /// Returns whether it differs.
    fn take(
        &mut self,
        report: &mut Report,
        check: impl Fn(&SignedCheckpoint) -> Option<(u64, &'static str)>,
    ) -> Result<bool, AuditError> {
        let own_size = match self.own.peek() {
            Some(Ok(signed)) => signed.checkpoint.size,
            Some(Err(_)) => 0,
            None => u64::MAX,
        };
        let outside = self.outside.take_if(|signed| signed.checkpoint.size <= own_size);
        let next = if outside.is_some() { None } else { self.own.next() };
        let (signed, path, byte) = match (outside, next) {
            (Some(signed), _) => (signed, PathBuf::from(OUTSIDE), 0),
            (None, Some(Ok(signed))) => {
                let byte = self.byte;
                self.byte += signed.note.len() as u64 + 1;
                if let Some(what) = self.wrong_signature(&signed) {
                    let leaf = Some(signed.checkpoint.size);
                    report.add(Damage { path: self.path.clone(), byte, leaf, what });
                }
                (signed, self.path.clone(), byte)
            }
            (None, Some(Err(error))) => return report.take(error).map(|()| false),
            (None, None) => return Ok(false),
        };
        report.checkpoints += 1;
        let differs = check(&signed);
        if let Some((leaf, what)) = differs {
            let what = format!("checkpoint of {} leaves: {what}", signed.checkpoint.size);
            report.add(Damage { path, byte, leaf: Some(leaf), what });
        }
        Ok(differs.is_some())
    }

    fn wrong_signature(&mut self, signed: &SignedCheckpoint) -> Option<String> {
        let size = signed.checkpoint.size;
        let wrong =
            |what: &dyn std::fmt::Display| Some(format!("checkpoint of {size} leaves: {what}"));
        if signed.checkpoint.origin != self.origin {
            return wrong(&format!("it is of the log {}", signed.checkpoint.origin));
        }
        let Some(key) = keys::in_force(&self.keys, size) else {
            return wrong(&"no key was in force");
        };
        if let Err(error) = signed.verify(key) {
            return wrong(&error);
        }
        // The first one of a key is signed over by the key before.
        let at = self.keys.iter().position(|known| known.key == *key)?;
        let before = at.checked_sub(1).filter(|_| self.keys[at].from == size)?;
        self.signed_over.insert(size);
        match signed.verify(&self.keys[before].key) {
            Ok(()) => None,
            Err(error) => wrong(&format!("the key before did not sign over: {error}")),
        }
    }

    /// Reports the checkpoints of more leaves than there are.
    pub(super) fn end(
        mut self,
        frontier: &Frontier,
        report: &mut Report,
    ) -> Result<(), AuditError> {
        self.compare(frontier, report)?;
        for key in &self.keys[1..] {
            if !self.signed_over.contains(&key.from) {
                let what = format!("no checkpoint of {} leaves signs over {}", key.from, key.key);
                let path = self.path.with_file_name("keys");
                report.add(Damage { path, byte: 0, leaf: Some(key.from), what });
            }
        }
        let size = frontier.size();
        while self.next_size().is_some() {
            let what = "the log has fewer leaves: it was cut or rolled back";
            self.take(report, |_| Some((size, what)))?;
        }
        Ok(())
    }
}
