//! Repeats of a call under an idempotency key.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use prost::Message;
use tonic::{Code, Status};

use super::blocking::with_engine;
use super::status::{Refusal, invalid_field, not_recorded};
use super::v1::ErrorReason;
use crate::audit::RecordId;
use crate::engine::Engine;
use crate::engine::decision_log::{
    CallRecord, ClaimError, DecisionLog, KeyClaim, KnownAnswer, PaymentRecord, RecordedItem,
};

/// The longest key, in bytes.
const MAX_KEY: usize = 128;

/// A call under a key. No other call goes on under the key until it is dropped.
#[derive(Debug)]
pub struct KeyedCall(KeyClaim);

/// An idempotency key and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct IdempotencyKey<'k> {
    pub identity: &'k str,
    pub key: &'k str,
}

impl KeyedCall {
    /// Takes the key; waits for other calls under it. `None` without a key. `request` is the request
    /// without it. Refuses a key under which something else was asked.
    pub async fn claim(
        engine: &Engine,
        of: IdempotencyKey<'_>,
        request: &impl Message,
    ) -> Result<Option<Self>, Refusal> {
        if of.key.is_empty() {
            return Ok(None);
        }
        if of.key.len() > MAX_KEY {
            let message = format!("{} bytes, at most {MAX_KEY}", of.key.len());
            return Err(invalid_field("idempotency_key", message));
        }
        let log = log(engine)?;
        let digest = |texts: &[&[u8]]| log.keyed_digest(texts, engine.now()).map_err(not_recorded);
        let key = digest(&[b"key", of.identity.as_bytes(), of.key.as_bytes()])?;
        let content = digest(&[b"content", &request.encode_to_vec()])?;
        Ok(Some(Self(log.claim(key, content, || engine.now()).await?)))
    }

    /// What was answered under the key before.
    pub fn known(&self) -> Option<&KnownAnswer> {
        self.0.known.as_ref()
    }

    /// Adds what is recorded of it.
    pub fn add_to(&self, call: &mut CallRecord<'_>) {
        call.idempotency_key = Some(HEXLOWER.encode(self.0.key()));
        call.repeats = self.known().map(|known| known.record.to_string());
    }

    /// Adds what is recorded of the request to its first item.
    pub fn add_content(&self, items: &mut [RecordedItem<'_>]) {
        if let Some(first) = items.first_mut() {
            first.mark_keyed(HEXLOWER.encode(self.0.content()));
        }
    }

    /// The record that this call repeats; empty where it is the first.
    pub fn repeats(&self) -> String {
        self.known().map(|known| known.record.to_string()).unwrap_or_default()
    }

    /// Keeps the answer for later repeats.
    pub fn remember(&self, record: RecordId, call: &CallRecord<'_>, at: Timestamp) {
        self.0.remember(KnownAnswer {
            content: *self.0.content(),
            record,
            snapshot: call.snapshot.to_string(),
            at,
            evaluated_at: call.evaluated_at.unwrap_or(at),
        });
    }

    /// Forgets an answer that could not be recorded.
    pub fn forget(&self) {
        self.0.forget();
    }
}

/// Whether the records from `first` on say what was answered just now.
pub async fn is_recorded(
    engine: &Arc<Engine>,
    first: RecordId,
    items: Vec<RecordedItem<'static>>,
    payment: Option<PaymentRecord>,
) -> Result<bool, Status> {
    // The call that appended them may have ended before they were written.
    let log_of = log(engine)?;
    let before = log_of.recorded(first, items.len());
    if log_of.finish(Some(before)).await.map_err(not_recorded)?.is_none() {
        return Ok(false);
    }
    let work = move |engine: &Arc<Engine>| {
        let is_recorded = log(engine)?.is_recorded(first, &items, payment.as_ref(), engine.now());
        Ok(is_recorded?)
    };
    with_engine(engine, work).await
}

fn log(engine: &Engine) -> Result<&DecisionLog, Refusal> {
    engine.decision_log().ok_or_else(|| {
        let message = "idempotency_key: no decision log is kept, so that no answer is known";
        Refusal::new(Code::FailedPrecondition, ErrorReason::NoDecisionLog, message)
    })
}

impl From<ClaimError> for Refusal {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::OtherContent => {
                let reason = ErrorReason::IdempotencyKeyReused;
                Self::new(Code::AlreadyExists, reason, error.to_string())
            }
            ClaimError::TooManyWaiting => {
                let (code, reason) = (Code::ResourceExhausted, ErrorReason::Overloaded);
                Self::new(code, reason, error.to_string())
            }
            ClaimError::Log(error) => not_recorded(error),
        }
    }
}
