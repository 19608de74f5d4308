//! The log's own thread: syncs, hashes, seals blocks, makes filters and signs checkpoints.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::domain::lock::Recover;

use super::appender::Appender;
use super::note::Signer;
use super::{
    AuditError, Checkpoint, Durability, LEAVES_PER_SEGMENT, SignedCheckpoint, checkpoint_file,
    files, filter,
};

/// What only one thread at a time may use.
pub(super) struct Keeping {
    pub(super) signer: Signer,
    last_signed: Option<Instant>,
}

impl Keeping {
    pub(super) fn new(signer: Signer) -> Self {
        Self { signer, last_signed: None }
    }
}

pub(super) fn start(appender: Arc<Appender>) -> JoinHandle<()> {
    let shared = Arc::clone(&appender);
    let thread = std::thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || run(&appender))
        .expect("the system can start a thread");
    shared.set_thread(thread.thread().clone());
    // In case something was written before the thread could be woken.
    shared.wake();
    thread
}

fn run(appender: &Appender) {
    let mut made = appender.make_missing_filters();
    loop {
        let is_last = made.is_ok() && wait(appender);
        let done = std::mem::replace(&mut made, Ok(()))
            .and_then(|()| appender.write_requested())
            .and_then(|()| appender.keep(is_last));
        if let Err(error) = done
            && appender.failure().is_none()
        {
            appender.fail(&error, true);
        }
        if is_last {
            return;
        }
    }
}

/// Waits for work. Returns true if the log is being closed.
fn wait(appender: &Appender) -> bool {
    let flags = &appender.flags;
    let mut sync_at = None;
    loop {
        if flags.stop.load(Ordering::Acquire) {
            return true;
        }
        if flags.requested.swap(false, Ordering::AcqRel) {
            return false;
        }
        if flags.dirty.load(Ordering::Acquire) && sync_at.is_none() {
            let delay = match appender.settings.durability {
                Durability::Fsync => Duration::ZERO,
                Durability::Interval(delay) => delay,
            };
            sync_at = Some(Instant::now() + delay);
        }
        let wake_at = [sync_at, appender.checkpoint_due()].into_iter().flatten().min();
        match wake_at.map(|at| at.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return false,
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}

impl Appender {
    /// In `Fsync` mode calls leave the writing to the thread.
    fn write_requested(&self) -> Result<(), AuditError> {
        if self.has_failed() { Ok(()) } else { self.write(self.appended()) }
    }

    fn has_failed(&self) -> bool {
        self.failure().is_some()
    }

    /// Syncs, seals, and signs if a checkpoint is due.
    fn keep(&self, is_last: bool) -> Result<(), AuditError> {
        self.flags.dirty.store(false, Ordering::Release);
        self.sync()?;
        let due = self.checkpoint_due().is_some_and(|due| due <= Instant::now());
        if due || is_last {
            self.sign()?;
        }
        let _alone = self.keeping.lock().recover();
        self.store().seal(self.synced.load(Ordering::Acquire))?;
        self.make_filters()
    }

    /// Makes the filters of segments that have become full.
    pub(super) fn make_filters(&self) -> Result<(), AuditError> {
        for full in self.take_full() {
            let written = self.store().written() / LEAVES_PER_SEGMENT;
            match full.fingerprints {
                Some(fingerprints) => self.write_filter(full.number, fingerprints)?,
                None if full.number < written => self.make_filter(full.number)?,
                // Missing for now: made when the log is opened again.
                None => {}
            }
        }
        Ok(())
    }

    /// Makes the filters that a crash has prevented.
    fn make_missing_filters(&self) -> Result<(), AuditError> {
        let _alone = self.keeping.lock().recover();
        for segment in 0..self.store().written() / LEAVES_PER_SEGMENT {
            let path = files::filter(&self.store().directory, segment);
            if !fs::exists(&path).map_err(AuditError::io(&path))? {
                self.make_filter(segment)?;
            }
        }
        Ok(())
    }

    /// Makes the filter of a segment from what is stored of it.
    pub(super) fn make_filter(&self, segment: u64) -> Result<(), AuditError> {
        let found = filter::collect(self.store(), segment, self.settings.fingerprints)?;
        self.write_filter(segment, found)
    }

    fn write_filter(&self, segment: u64, fingerprints: Vec<u64>) -> Result<(), AuditError> {
        filter::write(&self.store().directory, segment, self.store().id, fingerprints)
    }

    /// Returns when the next checkpoint is to be signed; `None` if nothing is new.
    fn checkpoint_due(&self) -> Option<Instant> {
        let signed = self.signed_size();
        if self.synced.load(Ordering::Acquire) <= signed {
            return None;
        }
        let last = self.keeping.lock().recover().last_signed;
        // The first one after opening may come at once.
        Some(last.map_or_else(Instant::now, |last| last + self.settings.checkpoint_interval))
    }

    fn signed_size(&self) -> u64 {
        let latest = self.store().latest.lock().recover();
        latest.as_ref().map_or(0, |signed| signed.checkpoint.size)
    }

    /// Signs a checkpoint over all that is synced, unless there is one.
    pub(super) fn sign(&self) -> Result<SignedCheckpoint, AuditError> {
        let mut keeping = self.keeping.lock().recover();
        let size = self.synced.load(Ordering::Acquire);
        if let Some(latest) = self.store().latest.lock().recover().clone()
            && latest.checkpoint.size >= size
        {
            return Ok(latest);
        }
        keeping.last_signed = Some(Instant::now());
        let signed = self.sign_by(size, &[&keeping.signer])?;
        drop(keeping);
        Ok(signed)
    }

    /// Signs and stores the checkpoint of a size that is synced.
    pub(super) fn sign_by(
        &self,
        size: u64,
        signers: &[&Signer],
    ) -> Result<SignedCheckpoint, AuditError> {
        let store = self.store();
        store.seal(size)?;
        let root = store.root(size)?;
        // A checkpoint vouches for the index as well.
        store.index.sync()?;
        let checkpoint = Checkpoint { origin: store.origin.clone(), size, root };
        let signed = SignedCheckpoint::sign(checkpoint, signers);
        checkpoint_file::append(&store.directory, &signed)?;
        *store.latest.lock().recover() = Some(signed.clone());
        (self.settings.hooks.on_checkpoint)(&signed);
        Ok(signed)
    }
}
