//! Answers by idempotency key, for a window of time. Read again from the log at a start.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};

use super::{CallRecord, DecisionLog, References};
use crate::audit::{AuditError, Query, Reader, RecordId};
use crate::domain::lock::Recover;

/// The most keys that are known at once; beyond, the oldest is forgotten.
const MAX_KEYS: usize = 1 << 20;

/// SHA-256 of an identity and its key.
type Key = [u8; 32];

/// What was answered under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAnswer {
    /// SHA-256 of the request without its key.
    pub content: [u8; 32],
    /// The first record.
    pub record: RecordId,
    pub snapshot: String,
    /// The moment of the answer.
    pub at: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct KnownAnswers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    answers: HashMap<Key, KnownAnswer>,
    /// Keys with their moments, the oldest first; some have been answered again since.
    order: VecDeque<(Timestamp, Key)>,
}

impl KnownAnswers {
    /// Reads the answers of the window before `now`.
    pub(super) fn read(
        &self,
        reader: &Reader,
        now: Timestamp,
        window: Duration,
    ) -> Result<(), AuditError> {
        let from = oldest(now, window);
        let indices = reader.first_from(from)?..u64::MAX;
        for leaf in reader.leaves(Query { indices, from: Some(from), ..Query::default() }) {
            let leaf = leaf?;
            let Ok(call) = serde_json::from_slice::<CallRecord>(&leaf.context) else { continue };
            let digest = |hex: &str| {
                let bytes = HEXLOWER.decode(hex.as_bytes()).ok()?;
                <[u8; 32]>::try_from(bytes).ok()
            };
            let reference = leaf.items.first().and_then(|item| item.reference.as_ref()?.text());
            let content = reference.and_then(References::parse).map(|found| found.content);
            let (Some(key), Some(content)) = (&call.idempotency_key, &content) else { continue };
            let (Some(key), Some(content)) = (digest(key), digest(content)) else { continue };
            let record = RecordId { tag: reader.tag(), index: leaf.index, item: 0 };
            let answer = KnownAnswer { content, record, snapshot: call.snapshot, at: leaf.time };
            let mut known = self.0.lock().recover();
            // A call of several leaves is known by its first.
            if known.answers.get(&key).is_none_or(|known| known.at < answer.at) {
                known.insert(key, answer);
            }
        }
        Ok(())
    }
}

impl Known {
    fn insert(&mut self, key: Key, answer: KnownAnswer) {
        self.order.push_back((answer.at, key));
        self.answers.insert(key, answer);
    }

    /// Forgets what is older than `from`, and the oldest above the limit.
    fn forget(&mut self, from: Timestamp) {
        while let Some((at, key)) = self.order.front()
            && (*at < from || self.order.len() > MAX_KEYS)
        {
            if self.answers.get(key).is_some_and(|answer| answer.at == *at) {
                self.answers.remove(key);
            }
            self.order.pop_front();
        }
    }
}

fn oldest(now: Timestamp, window: Duration) -> Timestamp {
    let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
    now.checked_sub(window).unwrap_or(Timestamp::MIN)
}

impl DecisionLog {
    /// What was answered under a key within the window before `now`. Opens the log.
    pub fn known_answer(
        &self,
        key: &Key,
        now: Timestamp,
    ) -> Result<Option<KnownAnswer>, AuditError> {
        self.log(now)?;
        let mut known = self.known.0.lock().recover();
        known.forget(oldest(now, self.settings.idempotency_window));
        Ok(known.answers.get(key).cloned())
    }

    /// Keeps an answer under a key.
    pub fn remember(&self, key: Key, answer: KnownAnswer) {
        self.known.0.lock().recover().insert(key, answer);
    }
}
