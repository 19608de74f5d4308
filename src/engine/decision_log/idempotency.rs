//! Answers by idempotency key, for a window of time, and the keys of calls in flight. Answers are read
//! again from the log at a start.

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

use super::{
    CallRecord, DecisionLog, PaymentRecord, RecordClass, RecordError, RecordedItem, References,
};
use crate::audit::{AuditError, ITEMS_PER_LEAF, Query, Reader, RecordId};
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
    /// When it was recorded.
    pub at: Timestamp,
    /// The moment of evaluation.
    pub evaluated_at: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct KnownAnswers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Calls in flight.
    claims: HashMap<Key, Claim>,
    answers: HashMap<Key, KnownAnswer>,
    /// Keys with their moments, the oldest first; some have been answered again since.
    order: VecDeque<(Timestamp, Key)>,
}

/// The calls in flight under one key: one goes on, the others wait in their order.
#[derive(Debug)]
struct Claim {
    /// What the first of them asks.
    content: [u8; 32],
    calls: usize,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The most calls that wait for another under one key.
const MAX_WAITING: usize = 64;

/// A key that no other call goes on under until this is dropped.
#[derive(Debug)]
pub struct KeyClaim {
    /// What was answered under the key before.
    pub known: Option<KnownAnswer>,
    turn: Turn,
}

/// A call's part of a claim, while it waits and after.
#[derive(Debug)]
struct Turn {
    answers: Arc<KnownAnswers>,
    key: Key,
    content: [u8; 32],
    held: Option<tokio::sync::OwnedMutexGuard<()>>,
}

/// Why a call cannot go on under a key.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("the idempotency key was used for another request")]
    OtherContent,
    #[error("{MAX_WAITING} calls with the same idempotency key wait already")]
    TooManyWaiting,
    #[error(transparent)]
    Log(#[from] AuditError),
}

impl Turn {
    /// Begins to wait for the turn of a key.
    fn queue(
        answers: &Arc<KnownAnswers>,
        key: Key,
        content: [u8; 32],
    ) -> Result<(Self, Arc<tokio::sync::Mutex<()>>), ClaimError> {
        let mut known = answers.0.lock().recover();
        let claim = known.claims.entry(key).or_insert_with(|| Claim {
            content,
            calls: 0,
            turn: Arc::default(),
        });
        if claim.content != content {
            return Err(ClaimError::OtherContent);
        }
        if claim.calls > MAX_WAITING {
            return Err(ClaimError::TooManyWaiting);
        }
        claim.calls += 1;
        let turn = claim.turn.clone();
        drop(known);
        Ok((Self { answers: answers.clone(), key, content, held: None }, turn))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // The next one goes on once the lock is released, and finds the claim still there.
        self.held = None;
        let mut known = self.answers.0.lock().recover();
        if let Some(claim) = known.claims.get_mut(&self.key) {
            claim.calls -= 1;
            if claim.calls == 0 {
                known.claims.remove(&self.key);
            }
        }
    }
}

impl KeyClaim {
    pub fn key(&self) -> &[u8; 32] {
        &self.turn.key
    }

    pub fn content(&self) -> &[u8; 32] {
        &self.turn.content
    }

    /// Keeps an answer under the key: as soon as it is appended, since a call may end before it is
    /// written.
    pub fn remember(&self, answer: KnownAnswer) {
        self.turn.answers.0.lock().recover().insert(self.turn.key, answer);
    }

    /// Forgets an answer that could not be recorded.
    pub fn forget(&self) {
        let mut known = self.turn.answers.0.lock().recover();
        match &self.known {
            Some(before) => known.insert(self.turn.key, before.clone()),
            None => drop(known.answers.remove(&self.turn.key)),
        }
    }
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
        let classes = RecordClass::KEYED;
        for leaf in reader.leaves(Query { indices, from: Some(from), classes, ..Query::default() })
        {
            let leaf = leaf?;
            let Ok(call) = serde_json::from_slice::<CallRecord<'_>>(&leaf.context) else {
                continue;
            };
            let digest = |hex: &str| {
                let bytes = HEXLOWER.decode(hex.as_bytes()).ok()?;
                <[u8; 32]>::try_from(bytes).ok()
            };
            let reference = leaf.items.first().and_then(|item| item.reference.as_ref()?.text());
            let content = reference.and_then(References::parse).map(|found| found.content);
            let (Some(key), Some(content)) = (&call.idempotency_key, &content) else { continue };
            let (Some(key), Some(content)) = (digest(key), digest(content)) else { continue };
            let record = RecordId { tag: reader.tag(), index: leaf.index, item: 0 };
            let (snapshot, at) = (call.snapshot.into_owned(), leaf.time);
            let evaluated_at = call.evaluated_at.unwrap_or(at);
            let answer = KnownAnswer { content, record, snapshot, at, evaluated_at };
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

/// Reads the secret under which keys and requests are hashed, or makes it. Without it a guess at what
/// stands behind a recorded hash cannot be tested.
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

    /// Takes a key for a call, once no other call goes on under it. Opens the log.
    pub async fn claim(
        &self,
        key: Key,
        content: [u8; 32],
        now: impl Fn() -> Timestamp,
    ) -> Result<KeyClaim, ClaimError> {
        self.known_answer(&key, &content, now())?;
        let (mut turn, waiting) = Turn::queue(&self.known, key, content)?;
        turn.held = Some(waiting.lock_owned().await);
        // The call before may have answered.
        let known = self.known_answer(&key, &content, now())?;
        Ok(KeyClaim { known, turn })
    }

    /// What was answered under a key within the window before `now`.
    fn known_answer(
        &self,
        key: &Key,
        content: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<KnownAnswer>, ClaimError> {
        self.log(now)?;
        let mut known = self.known.0.lock().recover();
        known.forget(oldest(now, self.settings.idempotency_window));
        match known.answers.get(key) {
            Some(answer) if answer.content != *content => Err(ClaimError::OtherContent),
            answer => Ok(answer.cloned()),
        }
    }

    /// Whether the records of a call, from `first` on, say the same as `items` and `payment`. Reads the
    /// log.
    pub fn is_recorded(
        &self,
        first: RecordId,
        items: &[RecordedItem<'_>],
        payment: Option<&PaymentRecord>,
        now: Timestamp,
    ) -> Result<bool, RecordError> {
        let reader = self.reader_of(first, now)?;
        for (n, items) in items.chunks(ITEMS_PER_LEAF).enumerate() {
            let leaf = match reader.leaf(first.index + n as u64) {
                Err(AuditError::NoSuchLeaf { .. } | AuditError::Removed { .. }) => {
                    return Ok(false);
                }
                leaf => leaf?,
            };
            let is_same = leaf.items.len() == items.len()
                && leaf.items.iter().zip(items).all(|(kept, new)| kept.answer == **new.json());
            let call = serde_json::from_slice::<CallRecord<'_>>(&leaf.context);
            if !is_same || !call.is_ok_and(|call| call.payment.as_deref() == payment) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::config::DecisionLogSettings;
    use crate::engine::decision_log::QueriedAddress;

    const NOW: &str = "2025-11-20T12:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn log(directory: &Path) -> DecisionLog {
        let settings = DecisionLogSettings::default();
        DecisionLog::new(&settings, directory, Arc::new(now)).unwrap().unwrap()
    }

    fn answer(content: [u8; 32]) -> KnownAnswer {
        let record = "1f3a9c0b-1.0".parse().unwrap();
        KnownAnswer { content, record, snapshot: "s".to_owned(), at: now(), evaluated_at: now() }
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn taken<T: std::fmt::Debug>(polled: Poll<Result<T, ClaimError>>) -> T {
        match polled {
            Poll::Ready(claimed) => claimed.unwrap(),
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn a_call_waits_for_another_under_its_key_and_repeats_it() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        let (key, content) = ([1; 32], [2; 32]);
        let mut first = pin!(log.claim(key, content, now));
        let first = taken(poll(first.as_mut()));
        assert_eq!(first.known, None);
        let mut second = pin!(log.claim(key, content, now));
        assert!(poll(second.as_mut()).is_pending());
        // Other content is refused, other keys go on.
        let mut other = pin!(log.claim(key, [3; 32], now));
        assert!(matches!(poll(other.as_mut()), Poll::Ready(Err(ClaimError::OtherContent))));
        let mut apart = pin!(log.claim([4; 32], [3; 32], now));
        drop(taken(poll(apart.as_mut())));

        first.remember(answer(content));
        assert!(poll(second.as_mut()).is_pending());
        drop(first);
        let second = taken(poll(second.as_mut()));
        assert_eq!(second.known, Some(answer(content)));
        drop(second);
        assert!(log.known.0.lock().recover().claims.is_empty());
    }

    #[test]
    fn a_call_that_fails_or_is_cancelled_lets_the_next_go_on_as_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        let (key, content) = ([1; 32], [2; 32]);
        let mut first = pin!(log.claim(key, content, now));
        let first = taken(poll(first.as_mut()));
        let mut cancelled = Box::pin(log.claim(key, content, now));
        assert!(poll(cancelled.as_mut()).is_pending());
        let mut third = pin!(log.claim(key, content, now));
        assert!(poll(third.as_mut()).is_pending());
        drop(cancelled);
        first.remember(answer(content));
        first.forget();
        drop(first);
        let third = taken(poll(third.as_mut()));
        assert_eq!(third.known, None);
        drop(third);
        // Nothing holds the content of a call that failed.
        let mut other = pin!(log.claim(key, [3; 32], now));
        drop(taken(poll(other.as_mut())));
        assert!(log.known.0.lock().recover().claims.is_empty());
    }

    #[test]
    fn only_so_many_calls_wait_under_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        let (key, content) = ([1; 32], [2; 32]);
        let mut first = pin!(log.claim(key, content, now));
        let first = taken(poll(first.as_mut()));
        let mut waiting: Vec<_> =
            (0..MAX_WAITING).map(|_| Box::pin(log.claim(key, content, now))).collect();
        assert!(waiting.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
        let mut more = pin!(log.claim(key, content, now));
        assert!(matches!(poll(more.as_mut()), Poll::Ready(Err(ClaimError::TooManyWaiting))));
        drop((first, waiting));
        assert!(log.known.0.lock().recover().claims.is_empty());
    }

    #[test]
    fn recorded_answers_are_those_that_were_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(dir.path());
        let items = |why: &str| -> Vec<RecordedItem<'static>> {
            let query = QueriedAddress { address: "a", chain: "" };
            let one = |n: u32| if n == 17 { why.to_owned() } else { n.to_string() };
            let item = |n| RecordedItem::refused(&one(n), query, &References::default());
            (0..20).map(item).collect()
        };
        let context = CallRecord::default().to_json();
        let same = items("same");
        let new = same.iter().map(RecordedItem::as_new);
        let first = log.append(&context, now(), new).unwrap().unwrap().first;
        let is_recorded =
            |items: &[RecordedItem<'_>]| log.is_recorded(first, items, None, now()).unwrap();
        assert!(!is_recorded(&same), "its call ended before it was written");
        log.finish_blocking(Some(log.recorded(first, 20))).unwrap().unwrap();
        assert!(is_recorded(&same));
        assert!(!is_recorded(&items("other")));
        assert!(!is_recorded(&same[..19]));
    }
}
