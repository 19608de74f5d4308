//! Writes answered chunks in the order of the input.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, IsTerminal, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::cancellation::Cancellation;
use super::chunk::Chunk;
use super::summary::Counts;
use crate::cli::progress::ProgressLine;
use crate::cli::text::escape_lines;
use crate::grpc::v1;
use crate::source::rows::Progress;

#[derive(Debug)]
pub enum Output {
    /// A file, and its name.
    File(File, PathBuf),
    /// Standard output; what a terminal might obey is made harmless there.
    Standard {
        /// Whether it is a terminal.
        terminal: bool,
    },
}

impl Output {
    /// The file at `path`, cut to its first `keep` bytes, or standard output; `head` stands before
    /// the first row.
    pub fn open(path: Option<&Path>, keep: u64, head: &[u8]) -> Result<Self> {
        let mut output = match path {
            None => Self::Standard { terminal: io::stdout().is_terminal() },
            Some(path) => {
                let context = || format!("writing {}", path.display());
                let options = OpenOptions::new().write(true).create(true).truncate(false).clone();
                let mut file = options.open(path).with_context(context)?;
                // Held until the file is closed. Without locks there is no other batch to ask.
                if let Err(TryLockError::WouldBlock) = file.try_lock() {
                    bail!("{}: another batch is writing it", path.display());
                }
                file.set_len(keep).with_context(context)?;
                file.seek(SeekFrom::End(0)).with_context(context)?;
                Self::File(file, path.to_owned())
            }
        };
        if keep == 0 {
            output.write(head)?;
        }
        Ok(output)
    }

    /// Returns whether there is still a reader: one of standard output that has gone away has read
    /// enough.
    fn write(&mut self, bytes: &[u8]) -> Result<bool> {
        match self {
            Self::File(file, path) => {
                let written = file.write_all(bytes);
                written.with_context(|| format!("writing {}", path.display()))?;
                Ok(true)
            }
            Self::Standard { terminal } => {
                let mut stdout = io::stdout().lock();
                let written = if *terminal {
                    let text = String::from_utf8_lossy(bytes);
                    stdout.write_all(escape_lines(&text).as_bytes())
                } else {
                    stdout.write_all(bytes)
                };
                match written.and_then(|()| stdout.flush()) {
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
                    written => written.map(|()| true).context("writing to standard output"),
                }
            }
        }
    }

    fn finish(&mut self) -> Result<()> {
        match self {
            Self::File(file, path) => {
                file.sync_all().with_context(|| format!("writing {}", path.display()))
            }
            Self::Standard { .. } => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
pub struct Written {
    /// What its rows came to.
    pub counts: Counts,
    /// The snapshots that they rest on, in the order of their first rows.
    pub snapshots: Vec<v1::Snapshot>,
    /// Whether rows that were read are missing at the end.
    pub is_cut: bool,
}

/// The writing end of a batch.
pub struct Writer {
    pub output: Output,
    /// Shows how far it is, if wanted.
    pub line: Option<ProgressLine>,
    /// What the line calls the input.
    pub name: String,
    /// Where chunks go that are to be used again.
    pub free: Sender<Chunk>,
    /// Told where writing cannot go on.
    pub cancellation: Arc<Cancellation>,
}

impl Writer {
    /// Writes until all senders of chunks are gone.
    pub fn run(mut self, done: &Receiver<Chunk>) -> Result<Written> {
        let written = self.write_all(done);
        if let Some(line) = &mut self.line {
            line.clear();
        }
        if written.is_err() {
            self.cancellation.cancel();
        }
        written
    }

    fn write_all(&mut self, done: &Receiver<Chunk>) -> Result<Written> {
        let started = Instant::now();
        let mut written = Written::default();
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for chunk in done {
            waiting.insert(chunk.sequence, chunk);
            while let Some(mut chunk) = waiting.remove(&next) {
                next += 1;
                if !written.is_cut {
                    self.write(&mut chunk, &mut written)?;
                    self.show(started, chunk.progress);
                }
                // The reader may have come to its end.
                let _ = self.free.send(chunk);
            }
        }
        if !waiting.is_empty() && !written.is_cut && !self.cancellation.is_cancelled() {
            bail!("rows got lost on their way: a thread that answers ended early");
        }
        written.is_cut |= !waiting.is_empty();
        self.output.finish()?;
        Ok(written)
    }

    fn write(&mut self, chunk: &mut Chunk, written: &mut Written) -> Result<()> {
        written.is_cut = chunk.is_cut;
        if !self.output.write(&chunk.out)? {
            written.is_cut = true;
            self.cancellation.cancel();
        }
        written.counts.merge(std::mem::take(&mut chunk.counts));
        for snapshot in chunk.snapshots.drain(..) {
            if !written.snapshots.iter().rev().any(|known| known.id == snapshot.id) {
                written.snapshots.push(snapshot);
            }
        }
        Ok(())
    }

    fn show(&mut self, started: Instant, progress: Progress) {
        if let Some(line) = &mut self.line {
            line.show(&self.name, started, progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(sequence: u64, text: &str, is_cut: bool) -> Chunk {
        let mut chunk = Chunk::default();
        chunk.begin(sequence, 0);
        chunk.out = text.as_bytes().to_vec();
        chunk.is_cut = is_cut;
        chunk
    }

    fn written(chunks: Vec<Chunk>, cancellation: bool) -> (Result<Written>, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "kept, torn").unwrap();
        let (sender, done) = std::sync::mpsc::channel();
        let (free, _used) = std::sync::mpsc::channel();
        chunks.into_iter().for_each(|chunk| sender.send(chunk).unwrap());
        drop(sender);
        let output = Output::open(Some(file.path()), 4, b"head").unwrap();
        let told = Arc::new(Cancellation::default());
        if cancellation {
            told.cancel();
        }
        let writer = Writer { output, line: None, name: String::new(), free, cancellation: told };
        let outcome = writer.run(&done);
        (outcome, std::fs::read_to_string(file.path()).unwrap())
    }

    #[test]
    fn chunks_are_written_in_their_order_behind_what_is_kept() {
        let chunks = vec![chunk(2, "c", false), chunk(0, "a", false), chunk(1, "b", false)];
        let (outcome, text) = written(chunks, false);
        assert!(!outcome.unwrap().is_cut);
        assert_eq!(text, "keptabc");
    }

    #[test]
    fn nothing_is_written_behind_a_cut_or_a_gap() {
        let chunks = || vec![chunk(0, "a", true), chunk(1, "b", false)];
        let (outcome, text) = written(chunks(), false);
        assert!(outcome.unwrap().is_cut);
        assert_eq!(text, "kepta");
        let gap = || vec![chunk(0, "a", false), chunk(2, "c", false)];
        let (outcome, text) = written(gap(), false);
        assert!(outcome.unwrap_err().to_string().contains("lost"), "{text}");
        assert_eq!(text, "kepta");
        // One that was stopped has lost nothing that was promised.
        assert!(written(gap(), true).0.unwrap().is_cut);
    }
}
