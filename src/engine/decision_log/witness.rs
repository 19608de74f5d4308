//! Hands signed checkpoints to others: a file and a URL. On a thread of its own, so that a slow one
//! delays no record.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};

use crate::config::DecisionLogSettings;
use crate::domain::lock::Recover;
use crate::refresh::post_text;

/// Where checkpoints go.
#[derive(Debug)]
pub(super) struct Witness {
    waiting: Arc<Waiting>,
    failures: Arc<AtomicU64>,
}

/// The checkpoint that is handed on next: a later one covers those before.
#[derive(Debug, Default)]
struct Waiting {
    state: Mutex<(Option<String>, bool)>,
    changed: Condvar,
}

impl Waiting {
    /// The next checkpoint; `None` at the end, once the last was taken.
    fn next(&self) -> Option<String> {
        let mut state = self.state.lock().recover();
        loop {
            if let Some(note) = state.0.take() {
                return Some(note);
            }
            if state.1 {
                return None;
            }
            state = self.changed.wait(state).recover();
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.waiting.state.lock().recover().1 = true;
        self.waiting.changed.notify_all();
    }
}

impl Witness {
    /// `None` where the configuration names neither a file nor a URL.
    pub(super) fn start(settings: &DecisionLogSettings) -> std::io::Result<Option<Self>> {
        let (file, url) = (settings.checkpoint_file.clone(), settings.checkpoint_url.clone());
        if file.is_none() && url.is_none() {
            return Ok(None);
        }
        let failures = Arc::new(AtomicU64::new(0));
        let waiting = Arc::new(Waiting::default());
        let (counted, notes) = (failures.clone(), waiting.clone());
        let hand_on = move || {
            while let Some(note) = notes.next() {
                let filed = file.as_deref().map_or(Ok(()), |path| append(path, &note));
                report("file", filed.map_err(|error| error.to_string()), &counted);
                let posted = url.as_deref().map_or(Ok(()), |url| post_text(url, &note));
                report("url", posted, &counted);
            }
        };
        std::thread::Builder::new().name("checkpoints".to_owned()).spawn(hand_on)?;
        Ok(Some(Self { waiting, failures }))
    }

    pub(super) fn take(&self, note: &str) {
        self.waiting.state.lock().recover().0 = Some(note.to_owned());
        self.waiting.changed.notify_all();
    }

    /// How often a file or a URL did not take a checkpoint.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }
}

fn append(path: &Path, note: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{note}\n").as_bytes())?;
    file.sync_data()
}

fn report(to: &'static str, taken: Result<(), String>, failures: &AtomicU64) {
    if let Err(error) = taken {
        failures.fetch_add(1, Relaxed);
        tracing::warn!(to, error, "checkpoint not handed on");
    }
}
