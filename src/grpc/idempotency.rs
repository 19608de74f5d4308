//! Repeats of a call under an idempotency key.

use prost::Message;
use tonic::Code;

use super::recording::not_recorded;
use super::status::{Refusal, invalid_field};
use super::v1::ErrorReason;
use data_encoding::HEXLOWER;
use jiff::Timestamp;

use crate::engine::Engine;
use crate::engine::decision_log::{CallRecord, KnownAnswer, RecordedItem};

/// The longest key, in bytes.
const MAX_KEY: usize = 128;

/// A call under a key.
#[derive(Clone, Debug)]
pub struct KeyedCall {
    key: [u8; 32],
    content: [u8; 32],
    /// What was answered under the key before.
    pub known: Option<KnownAnswer>,
}

impl KeyedCall {
    /// `None` without a key. `request` is the request without it. Refuses a key under which something else was asked.
    pub fn new(
        engine: &Engine,
        (identity, key): (&str, &str),
        request: &impl Message,
        now: Timestamp,
    ) -> Result<Option<Self>, Refusal> {
        if key.is_empty() {
            return Ok(None);
        }
        if key.len() > MAX_KEY {
            let message = format!("{} bytes, at most {MAX_KEY}", key.len());
            return Err(invalid_field("idempotency_key", message));
        }
        let Some(log) = engine.decision_log() else {
            let message = "idempotency_key: no decision log is kept, so that no answer is known";
            return Err(Refusal::new(
                Code::FailedPrecondition,
                ErrorReason::NoDecisionLog,
                message,
            ));
        };
        let texts = [b"key", identity.as_bytes(), key.as_bytes()];
        let digest = |texts: &[&[u8]]| log.keyed_digest(texts, now).map_err(not_recorded);
        let key = digest(&texts)?;
        let content = digest(&[b"content", &request.encode_to_vec()])?;
        let known = log.known_answer(&key, now).map_err(not_recorded)?;
        if known.as_ref().is_some_and(|known| known.content != content) {
            let message = "the idempotency key was used for another request";
            return Err(Refusal::new(
                Code::AlreadyExists,
                ErrorReason::IdempotencyKeyReused,
                message,
            ));
        }
        Ok(Some(Self { key, content, known }))
    }

    /// Adds what is recorded of it.
    pub fn add_to(&self, call: &mut CallRecord) {
        call.idempotency_key = Some(HEXLOWER.encode(&self.key));
        call.repeats = self.known.as_ref().map(|known| known.record.to_string());
    }

    /// Adds what is recorded of the request to its first item.
    pub fn add_content(&self, items: &mut [RecordedItem<'_>]) {
        if let Some(first) = items.first_mut() {
            first.refer(|references| references.content = HEXLOWER.encode(&self.content));
        }
    }

    /// The record that this call repeats; empty where it is the first.
    pub fn repeats(self) -> String {
        self.known.map(|known| known.record.to_string()).unwrap_or_default()
    }

    /// Keeps the answer for later repeats.
    pub fn remember(&self, engine: &Engine, record: &str, snapshot: &str, at: Timestamp) {
        if let (Some(log), Ok(record)) = (engine.decision_log(), record.parse()) {
            let snapshot = snapshot.to_owned();
            let answer = KnownAnswer { content: self.content, record, snapshot, at };
            log.remember(self.key, answer);
        }
    }
}
