//! The files `key` and `keys`: the private key that signs, and every verifier key with the size
//! from which it signed.
//!
//! `key` has mode 0600 and holds one line in the form of Go's `note.GenerateKey`. No backup may
//! contain it. `keys` is text: `lazaretto keys 1`, then a line `<size> <verifier key>` for each key,
//! oldest first. A checkpoint is signed by the last key whose size is not above its own; the first
//! checkpoint of a key is signed by the key before as well.

use std::path::Path;

use super::note::{Signer, VerifierKey};
use super::{AuditError, files};

const FIRST_LINE: &str = "lazaretto keys 1";

/// A verifier key of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    /// The size of the first checkpoint that it signed alone or together with the key before.
    pub from: u64,
    pub key: VerifierKey,
}

/// Makes the first key of a log.
pub(super) fn create(log: &Path, origin: &str) -> Result<(), AuditError> {
    let (signer, text) = Signer::generate(origin).ok_or(AuditError::Random)?;
    files::write_synced(&log.join("key"), text.as_bytes())?;
    write(log, &[LogKey { from: 0, key: signer.verifier().clone() }])
}

pub(super) fn write(log: &Path, keys: &[LogKey]) -> Result<(), AuditError> {
    let lines = keys.iter().map(|key| format!("{} {}\n", key.from, key.key));
    let text = format!("{FIRST_LINE}\n{}", lines.collect::<String>());
    files::replace(&log.join("keys"), text.as_bytes())
}

pub(super) fn read(log: &Path) -> Result<Vec<LogKey>, AuditError> {
    let path = log.join("keys");
    let text = files::read_text(&path)?;
    let mut lines = text.lines().zip(1..);
    let wrong = |line: u64| AuditError::damaged(&path, 0, format!("line {line} cannot be parsed"));
    if lines.next().is_none_or(|(line, _)| line != FIRST_LINE) {
        return Err(wrong(1));
    }
    let mut keys: Vec<LogKey> = Vec::new();
    for (line, number) in lines {
        let (from, key) = line.split_once(' ').ok_or_else(|| wrong(number))?;
        let from = from.parse().map_err(|_| wrong(number))?;
        let key = key.parse().map_err(|_| wrong(number))?;
        // The first one signs from the beginning, a later one never before the last.
        if keys.last().map_or(from != 0, |last| last.from > from) {
            return Err(wrong(number));
        }
        keys.push(LogKey { from, key });
    }
    if keys.is_empty() {
        return Err(wrong(2));
    }
    Ok(keys)
}

/// Reads the private key. A rotation that a crash cut off has left the next one under `key.new`;
/// it takes the old one's place if `keys` names it already.
pub(super) fn read_signer(log: &Path, keys: &[LogKey]) -> Result<Signer, AuditError> {
    let path = log.join("key");
    let last = &keys[keys.len() - 1].key;
    let signer = parse_signer(&path)?;
    if signer.verifier() == last {
        return Ok(signer);
    }
    let next = parse_signer(&files::beside(&path))?;
    if next.verifier() != last {
        return Err(AuditError::Key { path, what: "it is not the last one in the file `keys`" });
    }
    files::rename(&files::beside(&path), &path)?;
    Ok(next)
}

fn parse_signer(path: &Path) -> Result<Signer, AuditError> {
    let text = files::read_text(path)?;
    Signer::parse(&text)
        .map_err(|_| AuditError::Key { path: path.to_owned(), what: "it cannot be parsed" })
}

/// Returns the key that signs a checkpoint of this size.
pub(super) fn in_force(keys: &[LogKey], size: u64) -> Option<&VerifierKey> {
    keys.iter().rev().find(|key| key.from <= size).map(|key| &key.key)
}
