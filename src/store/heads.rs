//! The newest acknowledged version of each list and the newest change of the transfers, in a small
//! file next to the database.
//!
//! sled takes a damaged log record for the end of the log and silently drops what follows. Lists
//! could so revert or vanish, and so could the last transfers. The file records what must exist. It
//! is written after the database is synced and before a version or change is acknowledged, so the
//! database may be ahead of it, but never behind.
//!
//! The file is text: `lazaretto heads 1`, a line `<list id> <version>` for each list by id, where
//! there are transfers a line `.transfers <changes> <rows>`, and `= <number of lists>`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::domain::list::ListId;

const FIRST_LINE: &str = "lazaretto heads 1";

/// The beginning of the last line; not a valid list id.
const END: &str = "=";

/// The beginning of the line of the transfers; not a valid list id.
const TRANSFERS: &str = ".transfers";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heads {
    /// The newest version of each list.
    pub lists: BTreeMap<ListId, u64>,
    /// The number of changes to the transfers, and of rows after the last one.
    pub transfers: Ledger,
}

/// The number of changes and rows of the transfers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Ledger {
    /// Appends, retractions and declarations, each counting as one.
    pub changes: u64,
    pub rows: u64,
}

/// Returns the path of the file in the database's directory.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("heads")
}

/// Reads the file; `None` if there is none.
pub(super) fn read(dir: &Path) -> Result<Option<Heads>, StoreError> {
    let path = path(dir);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Io { path, source }),
    };
    parse(&text).map(Some).map_err(|line| StoreError::Heads { path, line })
}

/// Formats the file.
pub(super) fn text(heads: &Heads) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    for (id, version) in &heads.lists {
        text.push_str(&format!("{id} {version}\n"));
    }
    if heads.transfers != Ledger::default() {
        let Ledger { changes, rows } = heads.transfers;
        text.push_str(&format!("{TRANSFERS} {changes} {rows}\n"));
    }
    text.push_str(&format!("{END} {}\n", heads.lists.len()));
    text
}

/// Replaces the file, durably and atomically.
pub(super) fn write(dir: &Path, heads: &Heads) -> Result<(), StoreError> {
    let text = text(heads);
    let (path, new) = (path(dir), dir.join("heads.new"));
    let replace = || {
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(dir)?.sync_all()
    };
    replace().map_err(|source| StoreError::Io { path: path.clone(), source })
}

/// Parses the file. Fails with the number of the wrong line, from 1.
pub(super) fn parse(text: &str) -> Result<Heads, usize> {
    let mut heads = Heads::default();
    let mut lines = text.split_inclusive('\n').map(|line| line.strip_suffix('\n')).zip(1..);
    if lines.next().is_none_or(|(line, _)| line != Some(FIRST_LINE)) {
        return Err(1);
    }
    let mut last = 1;
    while let Some((line, number)) = lines.next() {
        last = number;
        let (name, value) = line.and_then(|line| line.split_once(' ')).ok_or(number)?;
        if name == TRANSFERS && heads.transfers == Ledger::default() {
            let (changes, rows) = value.split_once(' ').ok_or(number)?;
            heads.transfers.changes = changes.parse().map_err(|_| number)?;
            heads.transfers.rows = rows.parse().map_err(|_| number)?;
            continue;
        }
        let value: u64 = value.parse().map_err(|_| number)?;
        if name == END {
            let whole = value == heads.lists.len() as u64 && lines.next().is_none();
            return if whole { Ok(heads) } else { Err(number) };
        }
        if heads.lists.insert(name.parse().map_err(|_| number)?, value).is_some() {
            return Err(number);
        }
    }
    Err(last + 1)
}
