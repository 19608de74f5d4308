//! Writes answers to standard output, as text or JSON, and files atomically.

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
pub fn print_error(fault: &str) {
    let line = format!("{}\n", escape_lines(fault));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// An error with its causes, each once: libraries repeat the words of a cause in their own, and speak
/// of their transport.
pub fn error_text(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let words = cause.to_string();
        match parts.last_mut() {
            Some(last) if last == "transport error" || words.starts_with(last.as_str()) => {
                *last = words;
            }
            Some(last) if last.ends_with(&words) => {}
            Some(_) | None => parts.push(words),
        }
    }
    parts.join(": ")
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

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn no_cause_is_told_twice() {
        let check = |causes: &[&'static str], want: &str| {
            let mut causes = causes.iter().rev();
            let mut error = anyhow!(*causes.next().unwrap());
            for cause in causes {
                error = error.context(*cause);
            }
            assert_eq!(error_text(&error), want);
        };
        check(&["one"], "one");
        check(&["one", "two"], "one: two");
        check(
            &["no server", "transport error", "tcp connect error", "tcp connect error: refused"],
            "no server: tcp connect error: refused",
        );
        check(&["reading: no such file", "no such file"], "reading: no such file");
        check(&["x", "transport error"], "x: transport error");
    }
}
