//! The file of rejected rows: JSON lines with the file, the position, the reason and the raw row.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::source::transfers::Reject;

/// The file, while it is written.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    file: BufWriter<File>,
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    position: String,
    reason: String,
    /// With the replacement character for what is no UTF-8.
    row: &'a str,
}

impl Rejects {
    /// Makes the file. One that exists, such as a file that is to be read, is not overwritten.
    pub fn create(path: &Path) -> Result<Self> {
        let file = match File::create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                bail!("{}: it exists already: name a new file for the rejects", path.display());
            }
            created => created.with_context(|| format!("writing {}", path.display()))?,
        };
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    pub fn add(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        let line = Line {
            file: &reject.path.to_string_lossy(),
            position: reject.place.to_string(),
            reason: reject.fault.to_string(),
            row: &String::from_utf8_lossy(reject.verbatim),
        };
        serde_json::to_writer(&mut self.file, &line)?;
        self.file.write_all(b"\n")
    }

    pub fn finish(mut self) -> Result<()> {
        self.file.flush().with_context(|| format!("writing {}", self.path.display()))
    }
}
