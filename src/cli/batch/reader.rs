//! The reader thread of a batch: resumes an earlier result, then reads the input.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use anyhow::Result;
use tokio::sync::{mpsc, oneshot};

use super::cancellation::Cancellation;
use super::chunk::Chunk;
use super::compression::Compression;
use super::form::RowForm;
use super::input::{Rows, Settings};
use super::resume::{Resumed, resume};
use super::summary::InputRead;

pub struct InputReader {
    pub settings: Settings,
    /// The result to resume.
    pub resume: Option<(PathBuf, RowForm, Compression)>,
    /// The most rows of a chunk.
    pub most: usize,
    /// Where empty chunks come from.
    pub free: Receiver<Chunk>,
    pub full: mpsc::Sender<Chunk>,
    pub cancellation: Arc<Cancellation>,
}

/// The outcome of reading the input.
#[derive(Debug)]
pub struct ReadSummary {
    /// What was read, with the rows of a resumed result.
    pub input: InputRead,
    /// Whether the end was reached; an error if the input is broken.
    pub whole: Result<bool>,
}

/// What is known before the first row.
pub struct InputHead {
    /// The rows of the resumed result.
    pub resumed: Resumed,
    /// The names of the kept columns in the result.
    pub kept: Arc<[String]>,
}

/// Handle of the reader thread.
pub struct ReaderHandle {
    /// Sent once the columns are checked.
    pub ready: oneshot::Receiver<Result<InputHead>>,
    /// Sent at the end.
    pub read: oneshot::Receiver<ReadSummary>,
}

impl InputReader {
    /// Starts the reader thread.
    pub fn start(self) -> Result<ReaderHandle> {
        let (ready, is_ready) = oneshot::channel();
        let (end, read) = oneshot::channel();
        let thread = std::thread::Builder::new().name("batch-input".to_owned());
        thread.spawn(move || self.run(ready, end))?;
        Ok(ReaderHandle { ready: is_ready, read })
    }

    fn run(self, ready: oneshot::Sender<Result<InputHead>>, end: oneshot::Sender<ReadSummary>) {
        let mut ready = Some(ready);
        let settings = self.settings.clone();
        let outcome = settings.open(|rows| {
            let resumed = match &self.resume {
                Some((path, form, compression)) => {
                    let form = RowForm { kept: rows.kept().clone(), ..form.clone() };
                    resume(path, &form, *compression, rows)?
                }
                None => Resumed::default(),
            };
            let kept = rows.kept().clone();
            // If the receiver is gone, its owner has failed and reports why.
            if let Some(ready) = ready.take() {
                let _ = ready.send(Ok(InputHead { resumed, kept }));
            }
            let whole = self.read(rows);
            Ok(ReadSummary { input: rows.read(), whole })
        });
        match (outcome, ready) {
            (Ok(read), _) => drop(end.send(read)),
            (Err(error), Some(ready)) => drop(ready.send(Err(error))),
            (Err(error), None) => {
                drop(end.send(ReadSummary { input: InputRead::default(), whole: Err(error) }));
            }
        }
    }

    /// Returns whether the end of the input was reached.
    fn read(&self, rows: &mut Rows<'_>) -> Result<bool> {
        let mut sequence = 0;
        while let Ok(mut chunk) = self.free.recv() {
            chunk.begin(sequence, rows.count());
            let more = rows.fill(&mut chunk, self.most);
            // A resumed batch reads this chunk again.
            if self.cancellation.is_cancelled() {
                return Ok(false);
            }
            sequence += 1;
            if self.full.blocking_send(chunk).is_err() {
                return Ok(false);
            }
            if !more? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
