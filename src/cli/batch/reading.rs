//! The thread that reads the input, after what a stopped batch has left. Must not ask or write.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use anyhow::Result;
use tokio::sync::{mpsc, oneshot};

use super::chunk::Chunk;
use super::form::RowForm;
use super::input::{Rows, Settings};
use super::packing::Packing;
use super::resume::{Resumed, resume};
use super::stop::Stop;
use super::summary::InputRead;

pub struct Reading {
    pub settings: Settings,
    /// The result to go on with.
    pub resume: Option<(PathBuf, RowForm, Packing)>,
    /// The most rows of a chunk.
    pub most: usize,
    /// Where empty chunks come from.
    pub free: Receiver<Chunk>,
    pub full: mpsc::Sender<Chunk>,
    pub stop: Arc<Stop>,
}

/// How far the input was read.
#[derive(Debug)]
pub struct Read {
    /// What was read, the rows of a result that was gone on with among it.
    pub input: InputRead,
    /// Whether that is all; an error where the input is broken behind them.
    pub whole: Result<bool>,
}

/// What is known before the first row is read.
pub struct Ready {
    /// What a stopped batch has left.
    pub resumed: Resumed,
    /// What the columns that come back are called in the result.
    pub kept: Arc<[String]>,
}

/// What the reading says of itself: first that the input is one, then how far it was read.
pub struct Told {
    /// Once the columns are known to be there.
    pub ready: oneshot::Receiver<Result<Ready>>,
    /// How far the input was read.
    pub read: oneshot::Receiver<Read>,
}

impl Reading {
    /// Begins on a thread of its own.
    pub fn start(self) -> Result<Told> {
        let (ready, is_ready) = oneshot::channel();
        let (end, read) = oneshot::channel();
        let thread = std::thread::Builder::new().name("batch-input".to_owned());
        thread.spawn(move || self.run(ready, end))?;
        Ok(Told { ready: is_ready, read })
    }

    fn run(self, ready: oneshot::Sender<Result<Ready>>, end: oneshot::Sender<Read>) {
        let mut ready = Some(ready);
        let settings = self.settings.clone();
        let outcome = settings.open(|rows| {
            let resumed = match &self.resume {
                Some((path, form, packing)) => {
                    let form = RowForm { kept: rows.kept().clone(), ..form.clone() };
                    resume(path, &form, *packing, rows)?
                }
                None => Resumed::default(),
            };
            let kept = rows.kept().clone();
            // Whoever waited for it has failed where nobody takes it, and says why.
            if let Some(ready) = ready.take() {
                let _ = ready.send(Ok(Ready { resumed, kept }));
            }
            let whole = self.read(rows);
            Ok(Read { input: rows.read(), whole })
        });
        match (outcome, ready) {
            (Ok(read), _) => drop(end.send(read)),
            (Err(error), Some(ready)) => drop(ready.send(Err(error))),
            (Err(error), None) => {
                drop(end.send(Read { input: InputRead::default(), whole: Err(error) }));
            }
        }
    }

    /// Whether the input was read to its end.
    fn read(&self, rows: &mut Rows<'_>) -> Result<bool> {
        let mut sequence = 0;
        while let Ok(mut chunk) = self.free.recv() {
            chunk.begin(sequence, rows.count());
            let more = rows.fill(&mut chunk, self.most);
            // What is not on its way yet is read again another time.
            if self.stop.is_told() {
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
