//! What `lists changes --since-last` showed last, kept for the next run.
//!
//! It is kept where the user's own state lies (XDG base directories: `$XDG_STATE_HOME`, else
//! `~/.local/state`), one small file for each data directory or server and each `--list`. Not in the
//! data directory: that may be another user's or on another machine, it is backed up and restored as
//! the server's, and one officer's look must not hide changes from another.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cli::text::hex;
use crate::cli::{Global, output};
use crate::grpc::v1::ListingChange;

/// The longest file that is read, in bytes.
const MAX_LENGTH: u64 = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastSeen {
    /// The last version of which a change was shown, as the store counts; never 0.
    pub version: u64,
    /// SHA-256 over the changes of that version, in hex: another store has others.
    changes: String,
    pub at: Timestamp,
}

impl LastSeen {
    /// The last of these changes, which come by version; `None` where there is none.
    pub fn from_changes(changes: &[ListingChange], at: Timestamp) -> Option<Self> {
        let version = changes.last().map(|change| change.version).filter(|version| *version > 0)?;
        Some(Self { version, changes: digest(changes, version), at })
    }

    /// Whether `changes`, which begin with its version, are of the store that was seen.
    pub fn matches_store(&self, changes: &[ListingChange]) -> bool {
        digest(changes, self.version) == self.changes
    }
}

/// SHA-256 over what never changes of the changes of a version, in hex.
fn digest(changes: &[ListingChange], version: u64) -> String {
    let mut digest = Sha256::new();
    for change in changes.iter().filter(|change| change.version == version) {
        let ListingChange { list_id, party_uid, address, ticker, kind, .. } = change;
        for part in [list_id, party_uid, address, ticker] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(kind.to_be_bytes());
    }
    hex(digest.finalize())
}

/// The file of one question.
#[derive(Debug)]
pub struct LastSeenFile(PathBuf);

impl LastSeenFile {
    /// The file for the store that the command asks, and one list or all (empty).
    pub fn new(global: &Global, list_id: &str) -> Result<Self> {
        let store = match &global.server {
            Some(url) => format!("server {}", url.trim_end_matches('/')),
            None => {
                let dir = global.load_config()?.data_dir;
                // The command has opened it, or asked the server that holds it.
                let dir = fs::canonicalize(&dir).unwrap_or(dir);
                format!("directory {}", dir.display())
            }
        };
        let name = hex(Sha256::digest(format!("{store}\0{list_id}")));
        Ok(Self(state_dir()?.join("lazaretto/changes").join(format!("{}.json", &name[..32]))))
    }

    /// What was shown last; `None` before the first time.
    pub fn read(&self) -> Result<Option<LastSeen>> {
        let path = self.0.display();
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {path}")),
        };
        let mut text = String::new();
        let read = file.take(MAX_LENGTH).read_to_string(&mut text);
        read.with_context(|| format!("reading {path}"))?;
        let seen = serde_json::from_str::<LastSeen>(&text).ok().filter(|seen| seen.version > 0);
        let damaged = || anyhow!("{path} is damaged: remove it, and all changes are shown once");
        seen.map(Some).ok_or_else(damaged)
    }

    /// Keeps what was shown, whole or not at all.
    pub fn save(&self, seen: &LastSeen) -> Result<()> {
        let failed = || format!("writing {}", self.0.display());
        let folder = self.0.parent().expect("the file lies in a folder");
        fs::create_dir_all(folder).with_context(failed)?;
        let mut file = output::beside(&self.0)?;
        serde_json::to_writer_pretty(&mut file, seen).with_context(failed)?;
        output::finish(file, &self.0)
    }
}

/// The directory of the user's state.
fn state_dir() -> Result<PathBuf> {
    let dir = |name: &str, below: &str| {
        let dir = PathBuf::from(std::env::var_os(name)?).join(below);
        // By the specification a relative one is ignored.
        dir.is_absolute().then_some(dir)
    };
    let found = dir("XDG_STATE_HOME", "").or_else(|| dir("HOME", ".local/state"));
    found.context("no place to keep what was shown: set HOME or XDG_STATE_HOME, or use --since")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: u64, address: &str) -> ListingChange {
        let (address, list_id) = (address.to_owned(), "list".to_owned());
        ListingChange { version, address, list_id, ..Default::default() }
    }

    #[test]
    fn another_store_is_noticed() {
        assert_eq!(LastSeen::from_changes(&[], Timestamp::UNIX_EPOCH), None);
        let shown = [change(1, "a"), change(2, "b"), change(2, "c")];
        let seen = LastSeen::from_changes(&shown, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(seen.version, 2);
        assert!(seen.matches_store(&shown[1..]));
        assert!(seen.matches_store(&[change(2, "b"), change(2, "c"), change(3, "d")]));
        let told = ListingChange { number_on_list: 7, ..change(2, "c") };
        assert!(seen.matches_store(&[change(2, "b"), told]), "what a later program tells besides");
        for other in [&[][..], &shown[..2], &[change(2, "bc"), change(2, "")], &[change(3, "b")]] {
            assert!(!seen.matches_store(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let place = LastSeenFile(dir.path().join("a/b/c.json"));
        assert_eq!(place.read().unwrap(), None);
        for version in [3, 4] {
            let seen =
                LastSeen::from_changes(&[change(version, "a")], Timestamp::UNIX_EPOCH).unwrap();
            place.save(&seen).unwrap();
            assert_eq!(place.read().unwrap(), Some(seen));
        }
        for damaged in
            ["", "{}", "{\"version\": 0, \"changes\": \"\", \"at\": \"1970-01-01T00:00:00Z\"}"]
        {
            fs::write(&place.0, damaged).unwrap();
            let error = place.read().unwrap_err().to_string();
            assert!(error.contains("is damaged: remove it"), "{error}");
        }
    }
}
