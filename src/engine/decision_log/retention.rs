//! Holds, and the removal of records that are older than the configuration keeps them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{CallRecord, DecisionLog, OfficerEvent, RecordClass};
use crate::audit::{AuditError, Leaf, NewLeaf, Query, RecordId};
use crate::engine::Engine;
use crate::screening::policy::Decision;

/// How often old records are looked for.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Before the first time: a start has other things to do.
const FIRST: Duration = Duration::from_secs(10 * 60);

/// Removes old records in the background until it is dropped.
#[derive(Debug)]
pub struct RetentionTask {
    /// Closed when the task ends.
    _stop: Sender<()>,
}

impl DecisionLog {
    /// Records what an officer did. Blocks.
    pub fn record_event(&self, event: &OfficerEvent, now: Timestamp) -> Result<(), AuditError> {
        let context = serde_json::to_vec(event).expect("an event is text");
        let log = self.log(now)?;
        let index = log.append(&NewLeaf { time: now, context: &context, items: &[] })?;
        log.write(index + 1)?;
        log.request_sync();
        log.wait_synced(index + 1)
    }

    /// Removes records that are too old at `now`, but for those of BLOCK and those on hold. Blocks.
    pub fn remove_old(&self, now: Timestamp) -> Result<(), AuditError> {
        let log = self.log(now)?;
        let days = SignedDuration::from_hours(24 * i64::from(self.settings.retention_days));
        let Ok(before) = now.checked_sub(days) else { return Ok(()) };
        if log.reader().first_from(before)? == 0 {
            return Ok(());
        }
        let held = self.held(now)?;
        let block = RecordClass::of(Decision::Block);
        let is_kept = |leaf: &Leaf| {
            held.contains(&leaf.index)
                || leaf.items.iter().any(|item| item.class & block != 0)
                || is_blocked_payment(leaf)
        };
        let removed = log.remove_before(before, &is_kept, now)?;
        tracing::info!(%before, removed = ?removed, "old records removed from the decision log");
        Ok(())
    }

    /// The leaves of this log with records on hold. Reads the events of the whole log.
    fn held(&self, now: Timestamp) -> Result<HashSet<u64>, AuditError> {
        let reader = self.log(now)?.reader();
        let mut held: HashSet<RecordId> = HashSet::new();
        for leaf in reader.leaves(Query::default()) {
            let leaf = leaf?;
            if !leaf.items.is_empty() {
                continue;
            }
            let Ok(event) = serde_json::from_slice::<OfficerEvent>(&leaf.context) else { continue };
            match event {
                OfficerEvent::Held { record, .. } => held.extend(record.parse::<RecordId>().ok()),
                OfficerEvent::Released { record, .. } => {
                    if let Ok(id) = record.parse() {
                        held.remove(&id);
                    }
                }
            }
        }
        held.retain(|id| id.tag == reader.tag());
        Ok(held.into_iter().map(|id| id.index).collect())
    }
}

impl Engine {
    /// Removes old records of the decision log every day, on a thread of its own; `None` where no log is
    /// kept.
    pub fn start_retention(self: &Arc<Self>) -> std::io::Result<Option<RetentionTask>> {
        if self.decision_log().is_none() {
            return Ok(None);
        }
        let (stop, stopped) = channel::<()>();
        let engine = Arc::downgrade(self);
        let work = move || {
            let mut pause = FIRST;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                pause = INTERVAL;
                let Some(engine) = engine.upgrade() else { return };
                let Some(log) = engine.decision_log() else { return };
                if let Err(error) = log.remove_old(engine.now()) {
                    tracing::error!(%error, "old records of the decision log not removed");
                }
            }
        };
        std::thread::Builder::new().name("retention".to_owned()).spawn(work)?;
        Ok(Some(RetentionTask { _stop: stop }))
    }
}

/// Whether a leaf is of a payment that was blocked as a whole, for another address of it.
fn is_blocked_payment(leaf: &Leaf) -> bool {
    let call = serde_json::from_slice::<CallRecord>(&leaf.context);
    let payment = call.ok().and_then(|call| call.payment);
    payment.is_some_and(|payment| payment.decision == Decision::Block)
}
