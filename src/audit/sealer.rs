//! The thread that hashes what is synced, seals full blocks, makes filters and signs checkpoints.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::domain::lock::Recover;

use super::appender::Appender;
use super::note::Signer;
use super::sealing::Sealing;
use super::store::Store;
use super::{
    AuditError, BLOCK_BITS, Checkpoint, LEAVES_PER_SEGMENT, SignedCheckpoint, block_of,
    checkpoint_file, files, filter,
};

/// Blocks that are hashed before the thread looks for other work: about 0.1 s of it.
const BLOCKS_AT_ONCE: u64 = 64;

pub(super) fn start(appender: &Arc<Appender>) -> JoinHandle<()> {
    let shared = Arc::clone(appender);
    let thread = std::thread::Builder::new()
        .name("audit-seal".to_owned())
        .spawn(move || run(&shared))
        .expect("the system can start a thread");
    // Set once, here.
    let _ = appender.seal_thread.set(thread.thread().clone());
    thread
}

fn run(appender: &Appender) {
    let mut done = appender.make_missing_filters();
    loop {
        if let Err(error) = done {
            appender.fail(&error, false);
            let pause = appender.settings.checkpoint_interval;
            appender.sealing.lock().recover().next = Some(Instant::now() + pause);
        }
        let is_last = wait(appender);
        done = appender.seal(is_last);
        if is_last {
            return;
        }
    }
}

/// Waits for a full block or the time of a checkpoint. Returns true if the log is being closed.
fn wait(appender: &Appender) -> bool {
    loop {
        if appender.flags.stop_sealing.load(Ordering::Acquire) {
            return true;
        }
        let sealed = appender.store().places.lock().recover().sealed;
        if block_of(appender.synced.load(Ordering::Acquire)) > sealed && !appender.has_failed() {
            return false;
        }
        let due = appender.checkpoint_due();
        match due.map(|due| due.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return false,
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}

impl Appender {
    /// Makes filters, seals some blocks, and signs if a checkpoint is due.
    fn seal(&self, is_last: bool) -> Result<(), AuditError> {
        let mut sealing = self.sealing.lock().recover();
        // First, since the fingerprints of a segment take 8 MB and more.
        self.make_filters()?;
        let sealed = self.store().places.lock().recover().sealed;
        let synced = self.synced.load(Ordering::Acquire);
        let limit = (sealed + BLOCKS_AT_ONCE) << BLOCK_BITS;
        self.store().seal(synced.min(limit))?;
        let is_due = self.is_unsigned() && sealing.next.is_none_or(|due| due <= Instant::now());
        if is_last || is_due {
            // Where hashing is far behind, the checkpoint covers what is hashed.
            self.sign_up_to(&mut sealing, if is_last { synced } else { synced.min(limit) })?;
        }
        Ok(())
    }

    /// Makes the filters of segments that have become full.
    pub(super) fn make_filters(&self) -> Result<(), AuditError> {
        let mut done = Ok(());
        for full in self.take_full() {
            let written = self.store().written() / LEAVES_PER_SEGMENT;
            let made = match full.fingerprints {
                Some(fingerprints) => write_filter(self.store(), full.number, fingerprints),
                None if full.number < written => self.make_filter(self.store(), full.number),
                // Missing for now: made when the log is opened again.
                None => Ok(()),
            };
            done = done.and(made);
        }
        done
    }

    /// Makes the filters that a crash has prevented.
    fn make_missing_filters(&self) -> Result<(), AuditError> {
        let _alone = self.sealing.lock().recover();
        for segment in 0..self.store().written() / LEAVES_PER_SEGMENT {
            let path = files::filter(&self.store().directory, segment);
            if !fs::exists(&path).map_err(AuditError::io(&path))? {
                self.make_filter(self.store(), segment)?;
            }
        }
        Ok(())
    }

    /// Makes the filter of a segment from what is stored of it.
    pub(super) fn make_filter(&self, store: &Store, segment: u64) -> Result<(), AuditError> {
        let found = filter::collect(store, segment, self.settings.fingerprints)?;
        write_filter(store, segment, found)
    }

    /// Returns when the next checkpoint is to be signed; `None` if nothing is new.
    fn checkpoint_due(&self) -> Option<Instant> {
        let due = || self.sealing.lock().recover().next.unwrap_or_else(Instant::now);
        self.is_unsigned().then(due)
    }

    fn is_unsigned(&self) -> bool {
        self.synced.load(Ordering::Acquire) > self.signed_size()
    }

    /// Returns the size of the newest checkpoint.
    pub(super) fn signed_size(&self) -> u64 {
        let latest = self.store().latest.lock().recover();
        latest.as_ref().map_or(0, |signed| signed.checkpoint.size)
    }

    /// Signs a checkpoint over all that is synced, unless there is one.
    pub(super) fn sign(&self) -> Result<SignedCheckpoint, AuditError> {
        let mut sealing = self.sealing.lock().recover();
        self.sign_up_to(&mut sealing, self.synced.load(Ordering::Acquire))
    }

    fn sign_up_to(&self, sealing: &mut Sealing, size: u64) -> Result<SignedCheckpoint, AuditError> {
        if let Some(latest) = self.store().latest.lock().recover().clone()
            && latest.checkpoint.size >= size
        {
            return Ok(latest);
        }
        sealing.next = Some(Instant::now() + self.settings.checkpoint_interval);
        self.sign_by(size, &[&sealing.signer])
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

fn write_filter(store: &Store, segment: u64, fingerprints: Vec<u64>) -> Result<(), AuditError> {
    filter::write(&store.directory, segment, store.id, fingerprints)
}
