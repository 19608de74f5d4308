//! Answers on standard output, text for people or JSON for machines, and files that appear whole or
//! not at all. Builds neither text nor messages.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;
use tempfile::NamedTempFile;

use super::text::{Style, escape_json, escape_lines};

/// In which form to show an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// The messages of the proto, in its field names.
    Json,
}

impl Output {
    /// Shows a message: `text` writes it for people.
    pub fn show<M: Serialize>(self, message: &M, text: impl FnOnce(Style) -> String) -> Result<()> {
        let shown = match self {
            Self::Text => text(Style::of_stdout()),
            Self::Json => format!("{}\n", escape_json(&serde_json::to_string_pretty(message)?)),
        };
        Ok(write(shown.as_bytes())?)
    }
}

/// Writes to standard output; a reader that has gone away has read enough.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Says a fault on standard error, its hostile characters escaped: servers' words and lists' are among
/// them. Where nobody reads that, the exit status still tells.
pub fn complain(fault: &str) {
    let line = format!("{}\n", escape_lines(fault));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// A new file beside its final name, which [`finish`] gives it.
pub fn beside(path: &Path) -> Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    tempfile::Builder::new()
        // As a shell would create it: the umask takes away from this.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .with_context(|| format!("writing beside {}", path.display()))
}

/// Makes the file durable and puts it in its place, whatever stood there.
pub fn finish(file: NamedTempFile, path: &Path) -> Result<()> {
    let failed = || format!("writing {}", path.display());
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}
