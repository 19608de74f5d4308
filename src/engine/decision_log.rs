//! The decision log of this process: what is recorded of a call, and when its answers may leave.

mod call;
mod early_checkpoint;
mod idempotency;
mod item;
mod items;
mod json;
mod logs;
mod party;
mod payment;
mod payment_records;
mod query;
mod records;
mod replay;
mod retention;
mod span;
mod sync_waiters;
mod witness;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

use jiff::Timestamp;
use tokio::sync::watch;

pub use call::{CallRecord, ComparedPolicies, OfficerEvent};
pub use early_checkpoint::CheckpointWait;
pub use idempotency::{ClaimError, KeyClaim, KnownAnswer};
pub use item::{
    ComparisonRecord, Fingerprints, ItemRecord, OutcomeRecord, QueriedAddress, RecordClass,
    RecordedAnswer, RecordedItem, References, TraceRecord, fingerprints,
};
pub use items::RecordedItems;
pub use logs::tag_text;
pub use payment::{PaymentItemRecord, PaymentRecord, PaymentSide, RecordedDirection};
pub use query::{QueryCursor, RecordPage, RecordPageRequest, RecordQuery};
pub use records::{Record, RecordError};
pub use replay::{FieldDifference, Replay, Replayer};
pub use span::LeafPlace;

use early_checkpoint::EarlyCheckpoints;
use idempotency::KnownAnswers;
use party::KnownParties;
use sync_waiters::SyncWaiters;
use witness::Witness;

use super::{EngineError, RebuildLimits};
use crate::audit::{self, AuditError, ITEMS_PER_LEAF, Log, Logs, NewItems, RecordId};
use crate::config::{CustomerReference, DecisionLogSettings, Durability, OnLogFailure};
use crate::domain::lock::Recover;
use crate::refresh::Clock;

/// The log, opened at its first use or at the start of a server.
pub struct DecisionLog {
    settings: DecisionLogSettings,
    directory: PathBuf,
    opened: OnceLock<Log>,
    /// The logs of the directory, listed at their first use: none is added while this one is open.
    directories: OnceLock<Logs>,
    parties: KnownParties,
    /// Held while it is opened; why it could not be.
    not_opened: Mutex<Option<AuditError>>,
    /// Whether it was to be opened.
    is_wanted: AtomicBool,
    sync_waiters: SyncWaiters,
    /// Held while old records are removed, and while one is put on hold.
    aging: Mutex<()>,
    /// The size of the latest checkpoint.
    signed: watch::Sender<u64>,
    early: tokio::sync::Mutex<EarlyCheckpoints>,
    clock: Clock,
    /// When the last checkpoint was signed, in Unix seconds; 0 before.
    checkpoint_at: Arc<AtomicI64>,
    /// Answers that left without a record.
    unrecorded: AtomicU64,
    customer_key: Option<Vec<u8>>,
    /// Answers by idempotency key.
    known: Arc<KnownAnswers>,
    /// What keys and requests are hashed under.
    secret: OnceLock<ring::hmac::Key>,
    /// Takes checkpoints; `None` without `checkpoint_file` and `checkpoint_url`.
    witness: Option<Arc<Witness>>,
}

impl fmt::Debug for DecisionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecisionLog({})", self.directory.display())
    }
}

/// What is known of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStatus {
    pub leaves: u64,
    pub synced: u64,
    /// Whether it cannot be written.
    pub is_failed: bool,
    pub unrecorded: u64,
    /// When the last checkpoint was signed since the start, in Unix seconds; 0 before.
    pub checkpoint_at: i64,
    pub witness_failures: u64,
}

/// Records of one call, in the order of its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub first: RecordId,
    leaves: Range<u64>,
    /// How many.
    items: usize,
}

impl Recorded {
    /// The same with those of the calls before it, which count as well if they cannot be written.
    pub fn after(self, before: Option<Self>) -> Self {
        Self { items: self.items + before.map_or(0, |before| before.items), ..self }
    }
}

/// Records that are appended, in an open log.
struct PendingRecords<'l> {
    recorded: Recorded,
    log: &'l Log,
}

impl PendingRecords<'_> {
    fn end(&self) -> u64 {
        self.recorded.leaves.end
    }
}

impl DecisionLog {
    /// `None` where the configuration keeps no log.
    pub fn new(
        settings: &DecisionLogSettings,
        data_dir: &Path,
        clock: Clock,
    ) -> Result<Option<Self>, EngineError> {
        if !settings.enabled {
            return Ok(None);
        }
        Ok(Some(Self {
            directory: settings.directory_below(data_dir),
            customer_key: customer_key(settings)?,
            settings: settings.clone(),
            opened: OnceLock::new(),
            directories: OnceLock::new(),
            parties: KnownParties::default(),
            not_opened: Mutex::default(),
            is_wanted: AtomicBool::new(false),
            sync_waiters: SyncWaiters::default(),
            aging: Mutex::default(),
            signed: watch::Sender::new(0),
            early: tokio::sync::Mutex::default(),
            clock,
            checkpoint_at: Arc::default(),
            unrecorded: AtomicU64::new(0),
            known: Arc::default(),
            secret: OnceLock::new(),
            witness: Witness::start(settings)?.map(Arc::new),
        }))
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The bounds of replays.
    pub fn replay_limits(&self) -> RebuildLimits {
        RebuildLimits { graph_bytes: self.settings.replay_mib << 20 }
    }

    pub fn settings(&self) -> &DecisionLogSettings {
        &self.settings
    }

    /// The log; opens it at first. Blocks then.
    pub fn log(&self, now: Timestamp) -> Result<&Log, AuditError> {
        if let Some(log) = self.opened.get() {
            return Ok(log);
        }
        self.is_wanted.store(true, Relaxed);
        let mut not_opened = self.not_opened.lock().recover();
        if let Some(log) = self.opened.get() {
            return Ok(log);
        }
        // A call does not try again what took time and failed: `retry` does.
        if let Some(error) = &*not_opened {
            return Err(error.clone());
        }
        let log = self.open(now).inspect_err(|error| *not_opened = Some(error.clone()))?;
        Ok(self.opened.get_or_init(|| log))
    }

    fn open(&self, now: Timestamp) -> Result<Log, AuditError> {
        let (on_sync, on_failure) = (self.sync_waiters.notifier(), self.sync_waiters.notifier());
        let (witness, signed) = (self.witness.clone(), self.signed.clone());
        let (clock, checkpoint_at) = (self.clock.clone(), self.checkpoint_at.clone());
        let durability = match self.settings.durability {
            Durability::Fsync => audit::Durability::Fsync,
            Durability::Interval => audit::Durability::Interval(self.settings.sync_interval),
        };
        let settings = audit::Settings {
            name: self.settings.name.clone(),
            durability,
            checkpoint_interval: self.settings.checkpoint_interval,
            fingerprints,
            hooks: audit::Hooks {
                on_synced: Box::new(move |size| on_sync.synced(size)),
                on_checkpoint: Box::new(move |note| {
                    checkpoint_at.store(clock().as_second(), Relaxed);
                    signed.send_replace(note.checkpoint.size);
                    if let Some(witness) = &witness {
                        witness.take(&note.note);
                    }
                }),
                on_failure: Box::new(move |error| {
                    tracing::error!(%error, "decision log cannot be written");
                    on_failure.failed();
                }),
            },
            start_anew: false,
        };
        let (log, opened) = Log::open(&self.directory, settings, now)?;
        log_opening(&log, &opened, &self.directory);
        self.sync_waiters.notifier().synced(log.synced());
        let latest = log.reader().checkpoint().map_or(0, |latest| latest.checkpoint.size);
        self.signed.send_modify(|size| *size = latest.max(*size));
        let secret = idempotency::secret(&self.directory)?;
        self.secret.get_or_init(|| secret);
        self.known.read(log.reader(), now, self.settings.idempotency_window)?;
        Ok(log)
    }

    /// Opens a log that could not be opened at the start, and goes on with one that could not be written.
    /// Blocks.
    pub fn retry(&self, now: Timestamp) {
        if !self.is_wanted.load(Relaxed) {
            return;
        }
        let tried = match self.opened.get() {
            Some(log) if log.failure().is_none() => return,
            Some(log) => log.retry(),
            // Held while it is opened for the first time, and empty before that.
            None if self.not_opened.try_lock().is_ok_and(|failed| failed.is_some()) => {
                // Calls are refused meanwhile, for the error before: opening takes a while.
                let opened = self.open(now);
                let mut not_opened = self.not_opened.lock().recover();
                *not_opened = opened.as_ref().err().cloned();
                opened.map(|log| drop(self.opened.set(log)))
            }
            None => return,
        };
        if tried.is_ok() {
            tracing::info!("decision log written again");
        }
    }

    /// Whether answers are refused since they cannot be recorded.
    pub fn is_refusing(&self) -> bool {
        self.settings.on_failure == OnLogFailure::Refuse && self.status().is_failed
    }

    /// Records the answers of a call, whose context is [`CallRecord::to_json`]; they may leave once
    /// [`DecisionLog::finish`] returns. `None` where they cannot be recorded and may leave all the same.
    pub fn append<'i>(
        &self,
        context: &[u8],
        now: Timestamp,
        items: impl NewItems<'i>,
    ) -> Result<Option<Recorded>, AuditError> {
        let count = items.len();
        let appended = self.log(now).and_then(|log| {
            let leaves = log.append_batch(now, context, items)?;
            Ok(Recorded { first: log.record_id(leaves.start, 0), leaves, items: count })
        });
        self.tolerated(appended, count)
    }

    /// Waits until the records are as durable as the configuration asks for.
    pub async fn finish(&self, recorded: Option<Recorded>) -> Result<Option<Recorded>, AuditError> {
        let Some(pending) = self.pending(recorded) else { return Ok(None) };
        let (log, end) = (pending.log, pending.end());
        let written = match self.settings.durability {
            Durability::Interval => {
                if log.written() < end {
                    // Whatever else is ready now appends its records first: one write takes all.
                    tokio::task::yield_now().await;
                }
                log.write(end)
            }
            Durability::Fsync => self.sync_waiters.wait(log, end).await,
        };
        self.finished(pending, written)
    }

    /// The same, blocking.
    pub fn finish_blocking(
        &self,
        recorded: Option<Recorded>,
    ) -> Result<Option<Recorded>, AuditError> {
        let Some(pending) = self.pending(recorded) else { return Ok(None) };
        let written = match self.settings.durability {
            Durability::Interval => pending.log.write(pending.end()),
            Durability::Fsync => {
                pending.log.request_sync();
                pending.log.wait_synced(pending.end())
            }
        };
        self.finished(pending, written)
    }

    /// Returns the records of an earlier call, so that a repeat of its answer waits for them too.
    pub fn recorded(&self, first: RecordId, items: usize) -> Recorded {
        let leaves = first.index..first.index + items.div_ceil(ITEMS_PER_LEAF) as u64;
        Recorded { first, leaves, items }
    }

    fn pending(&self, recorded: Option<Recorded>) -> Option<PendingRecords<'_>> {
        Some(PendingRecords { recorded: recorded?, log: self.opened.get()? })
    }

    fn finished(
        &self,
        pending: PendingRecords<'_>,
        written: Result<(), AuditError>,
    ) -> Result<Option<Recorded>, AuditError> {
        let items = pending.recorded.items;
        self.tolerated(written.map(|()| pending.recorded), items)
    }

    /// Turns a failure into an answer without a record, where the configuration says so.
    fn tolerated<T>(
        &self,
        done: Result<T, AuditError>,
        items: usize,
    ) -> Result<Option<T>, AuditError> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error) => match (self.settings.on_failure, &error) {
                // What the log would never take is no failure of the disk.
                (OnLogFailure::Answer, AuditError::TooLarge { .. }) => Err(error),
                (OnLogFailure::Refuse, _) => Err(error),
                (OnLogFailure::Answer, _) => {
                    let before = self.unrecorded.fetch_add(items as u64, Relaxed);
                    if before == 0 {
                        tracing::error!(%error, "answers leave without a record");
                    }
                    Ok(None)
                }
            },
        }
    }

    /// What is known of the log, for metrics; all zero until it is opened.
    pub fn status(&self) -> LogStatus {
        let log = self.opened.get();
        LogStatus {
            leaves: log.map_or(0, Log::appended),
            synced: log.map_or(0, Log::synced),
            is_failed: log.map_or(self.is_wanted.load(Relaxed), |log| log.failure().is_some()),
            unrecorded: self.unrecorded(),
            checkpoint_at: self.checkpoint_at.load(Relaxed),
            witness_failures: self.witness.as_ref().map_or(0, |witness| witness.failures()),
        }
    }

    /// How many answers left without a record.
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Relaxed)
    }

    /// The customer's reference, as the configuration lets it be recorded.
    pub fn customer_reference(&self, reference: &str) -> Option<String> {
        if reference.is_empty() {
            return None;
        }
        match self.settings.customer_reference {
            CustomerReference::None => None,
            CustomerReference::Plain => Some(reference.to_owned()),
            CustomerReference::Hashed => {
                let key = self.customer_key.as_deref()?;
                Some(item::keyed_hash(key, reference))
            }
        }
    }
}

/// Reads the key for hashed references of customers.
fn customer_key(settings: &DecisionLogSettings) -> Result<Option<Vec<u8>>, EngineError> {
    let wrong = |why: String| Err(EngineError::Source(why));
    match (settings.customer_reference, &settings.customer_key_file) {
        (CustomerReference::Hashed, None) => wrong(
            "decision_log.customer_reference is hashed: decision_log.customer_key_file is missing"
                .to_owned(),
        ),
        (CustomerReference::Hashed, Some(path)) => match std::fs::read(path) {
            Ok(key) if key.len() >= 32 => Ok(Some(key)),
            Ok(key) => {
                wrong(format!("{}: a key of {} bytes, at least 32", path.display(), key.len()))
            }
            Err(error) => wrong(format!("{}: {error}", path.display())),
        },
        (CustomerReference::None | CustomerReference::Plain, _) => Ok(None),
    }
}

fn log_opening(log: &Log, opened: &audit::Opened, directory: &Path) {
    let (origin, size) = (log.reader().origin(), log.appended());
    let directory = directory.display();
    if let Some(previous) = &opened.previous {
        tracing::warn!(
            %directory, origin, previous = %previous.display(),
            "decision log was copied or restored, a new one begins"
        );
    } else if opened.started {
        tracing::info!(%directory, origin, "decision log begun");
    } else {
        tracing::info!(%directory, origin, size, "decision log opened");
    }
    if let Some(cut) = &opened.cut {
        tracing::warn!(%directory, cut = ?cut, "unfinished end of the decision log cut off");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
