//! Records answers in the decision log before they leave.

use jiff::Timestamp;
use tonic::Code;

use super::request::ScreeningOptions;
use super::status::Refusal;
use super::v1::ErrorReason;
use crate::audit::{AuditError, RecordId};
use crate::engine::Engine;
use crate::engine::decision_log::{CallRecord, PaymentRecord, Recorded, RecordedItem};

/// What is recorded of a call, beside its items.
#[derive(Debug)]
pub struct RecordedCall {
    call: CallRecord,
    /// The moment of evaluation.
    now: Timestamp,
}

impl RecordedCall {
    /// A call that is answered by a snapshot at `now`.
    pub fn new(
        (method, identity): (&str, &str),
        options: &ScreeningOptions,
        snapshot: &str,
        now: Timestamp,
    ) -> Self {
        let call = CallRecord {
            method: method.to_owned(),
            identity: identity.to_owned(),
            snapshot: snapshot.to_owned(),
            lists: options.narrowing.lists.clone(),
            as_of: options.narrowing.as_of,
            max_hops: options.narrowing.max_hops,
            evidence: options.evidence,
            evaluated_at: options.past.as_ref().map(|_| now),
            ..CallRecord::default()
        };
        Self { call, now }
    }

    /// The same with more that was asked.
    pub fn with(mut self, add: impl FnOnce(&mut CallRecord)) -> Self {
        add(&mut self.call);
        self
    }

    /// What is recorded of a payment.
    pub fn payment(&self) -> Option<&PaymentRecord> {
        self.call.payment.as_ref()
    }

    /// Records items that `engine` answered; the id of the first, empty where no log is kept. Returns
    /// when the answers may leave.
    pub async fn record(
        self,
        engine: &Engine,
        items: Vec<RecordedItem<'static>>,
    ) -> Result<String, Refusal> {
        let recorded = self.append(engine, &items)?;
        let first = finish(engine, recorded).await?;
        Ok(first.map(|first| first.to_string()).unwrap_or_default())
    }

    /// Whether items of both may share leaves.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.call == other.call && self.now == other.now
    }

    /// Appends items that `engine` answered. They may leave once [`finish`] returns.
    pub fn append(
        &self,
        engine: &Engine,
        items: &[RecordedItem<'_>],
    ) -> Result<Option<Recorded>, Refusal> {
        let Some(log) = engine.decision_log().filter(|_| !items.is_empty()) else {
            return Ok(None);
        };
        log.append(&self.call, self.time(engine), items).map_err(not_recorded)
    }

    /// The same, blocking; the id of the first.
    pub fn record_blocking(
        self,
        engine: &Engine,
        items: &[RecordedItem<'_>],
    ) -> Result<Option<RecordId>, Refusal> {
        let recorded = self.append(engine, items)?;
        let Some(log) = engine.decision_log() else { return Ok(None) };
        let recorded = log.finish_blocking(recorded).map_err(not_recorded)?;
        Ok(recorded.map(|recorded| recorded.first))
    }

    /// The time of the leaves.
    fn time(&self, engine: &Engine) -> Timestamp {
        if self.call.evaluated_at.is_some() { engine.now() } else { self.now }
    }
}

/// Waits until appended items may leave; the id of the first.
pub async fn finish(
    engine: &Engine,
    recorded: Option<Recorded>,
) -> Result<Option<RecordId>, Refusal> {
    let Some(log) = engine.decision_log() else { return Ok(None) };
    let recorded = log.finish(recorded).await.map_err(not_recorded)?;
    Ok(recorded.map(|recorded| recorded.first))
}

pub fn not_recorded(error: AuditError) -> Refusal {
    let message = format!("the decision could not be recorded, so it is not given: {error}");
    Refusal::new(Code::Unavailable, ErrorReason::NotRecorded, message)
}
