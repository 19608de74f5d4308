//! `lists export`: a list's standing rows as CSV, to standard output or to a file that appears
//! whole or not at all.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::cli::output;
use crate::cli::text::escape_lines;
use crate::domain::list::ListId;
use crate::grpc::client::{CallError, Client, answer};
use crate::grpc::v1;

/// The arguments of `lists export`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The list
    #[arg(long, value_name = "ID")]
    list: ListId,
    /// Write to this file, replaced whole, instead of standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub async fn run(client: &mut Client, arguments: Arguments) -> Result<()> {
    let request = v1::ExportListRequest { list_id: arguments.list.into() };
    let mut chunks = answer(client.lists.export_list(request).await)?;
    let mut target = Target::new(arguments.to.as_deref())?;
    while let Some(message) = chunks.message().await.map_err(CallError::from)? {
        target.write(&message.chunk)?;
    }
    target.finish()
}

enum Target {
    /// A terminal, for which hostile characters are escaped: held until it is whole, since a
    /// chunk may end within a character.
    Terminal(Vec<u8>),
    /// A pipe or a file that the shell opened.
    Pipe,
    /// A file beside its final name.
    File(tempfile::NamedTempFile, PathBuf),
}

impl Target {
    fn new(to: Option<&Path>) -> Result<Self> {
        let Some(path) = to else {
            let terminal = std::io::stdout().is_terminal();
            return Ok(if terminal { Self::Terminal(Vec::new()) } else { Self::Pipe });
        };
        let file = output::beside(path)?;
        Ok(Self::File(file, path.to_owned()))
    }

    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        match self {
            Self::Terminal(held) => held.extend_from_slice(chunk),
            Self::Pipe => output::write(chunk)?,
            Self::File(file, path) => {
                file.write_all(chunk).with_context(|| format!("writing {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Terminal(held) => {
                let text = String::from_utf8_lossy(&held).replace("\r\n", "\n");
                output::write(escape_lines(&text).as_bytes())?;
            }
            Self::Pipe => {}
            Self::File(file, path) => output::finish(file, &path)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.csv");
        std::fs::write(&path, "old").unwrap();

        let mut cut_short = Target::new(Some(&path)).unwrap();
        cut_short.write(b"new, ha").unwrap();
        drop(cut_short);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");

        let mut whole = Target::new(Some(&path)).unwrap();
        whole.write(b"new, ").unwrap();
        whole.write(b"whole").unwrap();
        whole.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new, whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let error = Target::new(Some(Path::new("/nonexistent/list.csv"))).err().unwrap();
        assert!(format!("{error:#}").starts_with("writing beside /nonexistent/list.csv: "));
    }
}
