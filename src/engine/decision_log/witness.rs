//! Hands signed checkpoints to others: a file and a URL. On a thread of its own, so that a slow one
//! delays no record.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use crate::config::DecisionLogSettings;
use crate::refresh::post_text;

/// Where checkpoints go.
#[derive(Debug)]
pub(super) struct Witness {
    sender: SyncSender<String>,
    failures: Arc<AtomicU64>,
}

impl Witness {
    /// `None` where the configuration names neither a file nor a URL.
    pub(super) fn start(settings: &DecisionLogSettings) -> std::io::Result<Option<Self>> {
        let (file, url) = (settings.checkpoint_file.clone(), settings.checkpoint_url.clone());
        if file.is_none() && url.is_none() {
            return Ok(None);
        }
        let failures = Arc::new(AtomicU64::new(0));
        // One more may wait while one is sent: a later checkpoint covers those before.
        let (sender, notes) = sync_channel::<String>(1);
        let counted = failures.clone();
        let hand_on = move || {
            for note in notes {
                let filed = file.as_deref().map_or(Ok(()), |path| append(path, &note));
                report("file", filed.map_err(|error| error.to_string()), &counted);
                let posted = url.as_deref().map_or(Ok(()), |url| post_text(url, &note));
                report("url", posted, &counted);
            }
        };
        std::thread::Builder::new().name("checkpoints".to_owned()).spawn(hand_on)?;
        Ok(Some(Self { sender, failures }))
    }

    pub(super) fn take(&self, note: &str) {
        match self.sender.try_send(note.to_owned()) {
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => {
                self.failures.fetch_add(1, Relaxed);
            }
        }
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
