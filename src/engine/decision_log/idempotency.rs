//! Answers by idempotency key, for a window of time. Read again from the log at a start.

use std::collections::{HashMap, VecDeque};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::{CallRecord, DecisionLog, References};
use crate::audit::{AuditError, Query, Reader, RecordId};
use crate::domain::lock::Recover;

/// The most keys that are known at once; beyond, the oldest is forgotten.
const MAX_KEYS: usize = 1 << 20;

/// Bytes of the secret.
const SECRET: usize = 32;

/// The keyed hash of an identity and its key.
type Key = [u8; 32];

/// What was answered under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAnswer {
    /// The keyed hash of the request without its key.
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
                known.forget(from);
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

/// Reads the secret under which keys and requests are hashed, or makes it: whoever has a record cannot
/// test a guess at what stands behind such a hash.
pub(super) fn secret(directory: &Path) -> Result<hmac::Key, AuditError> {
    let path = directory.join("idempotency-secret");
    let failed = |source| AuditError::Io { path: path.clone(), source: Arc::new(source) };
    let mut bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(failed(error)),
    };
    // A crash may have left it empty.
    if bytes.len() < SECRET {
        bytes = vec![0; SECRET];
        SystemRandom::new().fill(&mut bytes).map_err(|_| AuditError::Random)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        written.map_err(failed)?;
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

impl DecisionLog {
    /// HMAC-SHA-256 of texts under the log's secret, each with its length. Opens the log.
    pub fn keyed_digest(&self, texts: &[&[u8]], now: Timestamp) -> Result<[u8; 32], AuditError> {
        self.log(now)?;
        let mut context = hmac::Context::with_key(self.secret.get().ok_or(AuditError::Ended)?);
        for text in texts {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        Ok(digest)
    }

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
