//! Holds, and the removal of records that are older than the configuration keeps them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{CallRecord, DecisionLog, OfficerEvent, RecordClass, RecordError};
use crate::audit::{AuditError, Leaf, NewLeaf, Query, RecordId, Removed};
use crate::domain::lock::Recover;
use crate::engine::Engine;
use crate::screening::policy::Decision;

/// How often old records are looked for.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Before the first time: a start has other things to do.
const FIRST: Duration = Duration::from_secs(10 * 60);

/// The ages in days between which a leaf confirms the clock.
const CONFIRMED: [u32; 2] = [9, 7];

/// Removes old records in the background until it is dropped.
#[derive(Debug)]
pub struct RetentionTask {
    /// Closed when the task ends.
    _stop: Sender<()>,
}

impl DecisionLog {
    /// Records what an officer did with a record. Fails if there is none. Waits for a removal of old records
    /// to end. Blocks.
    pub fn record_event(
        &self,
        id: RecordId,
        event: &OfficerEvent,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        let _alone = self.aging.lock().recover();
        self.record(id, now)?;
        let context = serde_json::to_vec(event).expect("an event is text");
        let log = self.log(now)?;
        let index = log.append(&NewLeaf { time: now, context: &context, items: &[] })?;
        log.write(index + 1)?;
        log.request_sync();
        Ok(log.wait_synced(index + 1)?)
    }

    /// Removes records that are too old at `now`, or beyond the size that the configuration asks for, but
    /// for those of BLOCK and those on hold. Returns `None` if there was nothing to look at, or if the clock
    /// may have leapt. Blocks.
    pub fn remove_old(&self, now: Timestamp) -> Result<Option<Removed>, AuditError> {
        let log = self.log(now)?;
        // A hold may stand in a log that cannot be read: what it keeps would be removed.
        self.all_logs(now)?.all()?;
        let (before, bytes) = (self.age_limit(now)?, self.settings.retention_gib);
        if before.is_none() && bytes.is_none() {
            return Ok(None);
        }
        let _alone = self.aging.lock().recover();
        let held = self.held(now)?;
        let block = RecordClass::of(Decision::Block);
        let is_kept = |tag: [u8; 4], leaf: &Leaf| {
            held.contains(&(tag, leaf.index))
                || leaf.items.iter().any(|item| item.class & block != 0)
                || is_blocked_payment(leaf)
        };
        let mut removed = Removed::default();
        if let Some(before) = before {
            removed += log.remove_before(before, &is_kept, now)?;
        }
        if let Some(gib) = bytes {
            removed += log.remove_above(u64::from(gib) << 30, &is_kept, now)?;
        }
        tracing::info!(?before, ?removed, "old records removed from the decision log");
        Ok(Some(removed))
    }

    /// Returns the time before which records are too old. `None` if none is, or if the clock may have leapt.
    fn age_limit(&self, now: Timestamp) -> Result<Option<Timestamp>, AuditError> {
        let Ok(before) = now.checked_sub(days(self.settings.retention_days)) else {
            return Ok(None);
        };
        let mut has_old = false;
        for log in self.logs(now)? {
            has_old |= self.reader(log, now)?.first_from(before)? > 0;
        }
        if has_old && !self.is_clock_confirmed(now)? {
            tracing::warn!(%now, "old records of the decision log kept, the clock may have leapt");
            return Ok(None);
        }
        Ok(has_old.then_some(before))
    }

    /// Whether a leaf is 7 to 9 days old. A clock that has leapt by more shows none, until it has run on for
    /// a week: time for its operator to notice. A server without a record in these days removes nothing.
    fn is_clock_confirmed(&self, now: Timestamp) -> Result<bool, AuditError> {
        let [from, to] = CONFIRMED.map(|age| now.checked_sub(days(age)).ok());
        for log in self.logs(now)? {
            let mut leaves = self.reader(log, now)?.leaves(Query { from, to, ..Query::default() });
            if leaves.next().transpose()?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the leaves with records on hold, each with the tag of its log. Reads the events of all logs.
    pub(super) fn held(&self, now: Timestamp) -> Result<HashSet<([u8; 4], u64)>, AuditError> {
        let mut held: HashSet<RecordId> = HashSet::new();
        for log in self.logs(now)? {
            for leaf in self.reader(log, now)?.leaves(Query::default()) {
                let leaf = leaf?;
                if !leaf.items.is_empty() {
                    continue;
                }
                match serde_json::from_slice::<OfficerEvent>(&leaf.context) {
                    Ok(OfficerEvent::Held { record, .. }) => {
                        held.extend(record.parse::<RecordId>().ok())
                    }
                    Ok(OfficerEvent::Released { record, .. }) => {
                        if let Ok(id) = record.parse() {
                            held.remove(&id);
                        }
                    }
                    // An event of the log itself.
                    Err(_) => {}
                }
            }
        }
        Ok(held.into_iter().map(|id| (id.tag, id.index)).collect())
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

fn days(count: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(count))
}

/// Whether a leaf is of a payment that was blocked as a whole, for another address of it.
fn is_blocked_payment(leaf: &Leaf) -> bool {
    let call = serde_json::from_slice::<CallRecord>(&leaf.context);
    // What this version cannot read may be one.
    call.map_or(true, |call| {
        call.payment.is_some_and(|payment| payment.decision == Decision::Block)
    })
}
