//! Resolves `header: !include header.yaml` of a TagPack: the header's keys are in another file,
//! which is read only from the folder of a pack on disk.
//!
//! GraphSense's tagpack-tool takes the mapping of that file as the value of `header`, whose keys
//! then apply to the pack. Here the line becomes a comment and the mapping is appended to the pack,
//! so that line numbers stay. No other `!include` is resolved.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{IncludeFault, MAX_HEADER, SourceError};
use super::excerpt::excerpt;

/// Where a header may be included from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include<'a> {
    /// Nowhere: the pack was downloaded or uploaded.
    Refused,
    /// The folder of this pack.
    Beside(&'a Path),
}

/// Finds the line at the beginning of a pack, comments it out, and returns the text to append;
/// `None` if there is no such line.
pub(super) fn resolve(head: &mut [u8], pack: &Path) -> Result<Option<Vec<u8>>, SourceError> {
    let Some((start, name)) = find(head) else { return Ok(None) };
    let text = header(pack, &name)
        .map_err(|fault| SourceError::Include { name: excerpt(&name), fault })?;
    head[start] = b'#';
    let mut appended = b"\nheader:\n".to_vec();
    for line in text.lines().filter(|line| !line.starts_with("---") && !line.starts_with('%')) {
        appended.extend_from_slice(b"  ");
        appended.extend_from_slice(line.as_bytes());
        appended.push(b'\n');
    }
    Ok(Some(appended))
}

/// Returns the text of the header that a pack includes, so that a change of it is noticed.
pub(super) fn included(head: &[u8], pack: &Path) -> Option<String> {
    let (_, name) = find(head)?;
    header(pack, &name).ok()
}

/// Returns the offset of the line and the file name in it.
fn find(head: &[u8]) -> Option<(usize, String)> {
    let mut start = 0;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if let Some(value) = line.strip_prefix(b"header:")
            && let Some(name) = value.trim_ascii_start().strip_prefix(b"!include")
            && name.first().is_some_and(u8::is_ascii_whitespace)
        {
            let name = String::from_utf8_lossy(name);
            let name = name.split(" #").next().unwrap_or_default().trim();
            return Some((start, name.trim_matches(['"', '\'']).to_owned()));
        }
        start += line.len();
    }
    None
}

/// Returns the file `name` in the folder of the pack, following symbolic links. Returns `None` if
/// these lead out of both the given folder and the folder of the resolved pack: in a folder that
/// Kubernetes mounts, every file is such a link.
fn found_beside(pack: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let named = pack.with_file_name(".");
    let found = fs::canonicalize(pack.with_file_name(name))?;
    let (named, pack) = (fs::canonicalize(named)?, fs::canonicalize(pack)?);
    let folder = found.parent();
    let is_beside = folder == Some(&named) || folder == pack.parent();
    Ok(is_beside.then_some(found))
}

fn header(pack: &Path, name: &str) -> Result<String, IncludeFault> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
        return Err(IncludeFault::Name);
    }
    let path = found_beside(pack, name).map_err(IncludeFault::Read)?;
    let path = path.filter(|path| path.is_file()).ok_or(IncludeFault::Kind)?;
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(IncludeFault::Read)?;
    file.take(MAX_HEADER + 1).read_to_end(&mut bytes).map_err(IncludeFault::Read)?;
    if bytes.len() as u64 > MAX_HEADER {
        return Err(IncludeFault::Size);
    }
    let text = String::from_utf8(bytes).map_err(|_| IncludeFault::Text)?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
