//! Limits of concurrency: calls and streams beyond them are refused, heavy work queues for a permit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::status::Refusal;
use crate::config::Limits;

/// How many batches may queue for each that runs.
const BATCHES_WAITING: usize = 8;

/// The same of searches. Most take less than a millisecond, and every payment is one: few waiting
/// would turn away callers who ask some payments at once.
const SEARCHES_WAITING: usize = 64;

/// How many large messages are unpacked and decoded at once: it takes a processor, and more memory
/// than the message.
const DECODERS: usize = 2;

/// Calls, streams and heavy work in flight, against their limits.
#[derive(Debug)]
pub struct ConcurrencyLimits {
    calls: CountLimit,
    streams: CountLimit,
    pub batches: WorkQueue,
    pub searches: WorkQueue,
    /// Permits for queries and replays of the decision log, which must not delay payments.
    pub log_work: WorkQueue,
    /// Permits for list imports and refreshes: a list in the making takes much memory.
    pub imports: WorkQueue,
    /// Permits for exports, each of which holds a whole list until its reader has taken it.
    pub exports: WorkQueue,
    /// Permits for large messages that are decoded.
    pub decoding: WorkQueue,
}

impl ConcurrencyLimits {
    pub fn new(limits: &Limits) -> Self {
        Self {
            calls: CountLimit::new("limits.calls", "calls", limits.calls),
            streams: CountLimit::new("limits.streams", "streams", limits.streams),
            batches: WorkQueue::new("limits.batches", "batches", limits.batches, BATCHES_WAITING),
            searches: WorkQueue::new(
                "limits.searches",
                "searches",
                limits.searches,
                SEARCHES_WAITING,
            ),
            log_work: WorkQueue::new("log work", "queries of the log", 1, BATCHES_WAITING),
            imports: WorkQueue::new("imports", "imports", 1, BATCHES_WAITING),
            exports: WorkQueue::new("exports", "exports", 2, BATCHES_WAITING),
            // Every call that there may be: their bytes are counted, and none is turned away for that
            // others decode.
            decoding: WorkQueue::new("decoding", "large messages", DECODERS, limits.calls),
        }
    }

    /// Admits a call, and a stream if it is one; refuses it beyond the limit.
    pub fn begin(self: &Arc<Self>, stream: bool) -> Result<CallPermit, Refusal> {
        self.calls.take()?;
        if stream && let Err(refusal) = self.streams.take() {
            self.calls.give_back();
            return Err(refusal);
        }
        Ok(CallPermit { load: self.clone(), stream })
    }

    /// The number of calls in flight, including streams.
    pub fn calls(&self) -> usize {
        self.calls.now.load(Ordering::Relaxed)
    }
}

/// Counts a call until dropped.
#[derive(Debug)]
pub struct CallPermit {
    load: Arc<ConcurrencyLimits>,
    stream: bool,
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        self.load.calls.give_back();
        if self.stream {
            self.load.streams.give_back();
        }
    }
}

#[derive(Debug)]
struct CountLimit {
    /// The key of the configuration.
    limit: &'static str,
    what: &'static str,
    now: AtomicUsize,
    most: usize,
}

impl CountLimit {
    fn new(limit: &'static str, what: &'static str, most: usize) -> Self {
        Self { limit, what, now: AtomicUsize::new(0), most }
    }

    fn take(&self) -> Result<(), Refusal> {
        if self.now.fetch_add(1, Ordering::Relaxed) < self.most {
            return Ok(());
        }
        self.give_back();
        let message = format!("{} {} are under way", self.most, self.what);
        Err(Refusal::overloaded(self.limit, self.most, &message))
    }

    fn give_back(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A queue of work of one kind: a fixed number runs, the others wait in order.
#[derive(Debug)]
pub struct WorkQueue {
    free: Arc<Semaphore>,
    waiting: CountLimit,
}

/// Permission to run, until dropped.
pub type WorkPermit = OwnedSemaphorePermit;

impl WorkQueue {
    fn new(limit: &'static str, what: &'static str, most: usize, waiting_for_each: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most)),
            waiting: CountLimit::new(limit, what, most.saturating_mul(waiting_for_each)),
        }
    }

    /// Waits for a permit; refused where too many wait already.
    pub async fn turn(&self) -> Result<WorkPermit, Refusal> {
        if let Ok(turn) = self.free.clone().try_acquire_owned() {
            return Ok(turn);
        }
        self.waiting.take()?;
        let _waiting = Waiting(&self.waiting);
        let turn = self.free.clone().acquire_owned().await;
        turn.map_err(|_| Refusal::overloaded(self.waiting.limit, 0, "the server ends"))
    }
}

/// Counts as waiting until dropped: the caller may give up.
struct Waiting<'a>(&'a CountLimit);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_streams_are_counted_and_given_back() {
        let limits = Limits { calls: 3, streams: 1, ..Limits::default() };
        let load = Arc::new(ConcurrencyLimits::new(&limits));
        let call = load.begin(false).unwrap();
        let stream = load.begin(true).unwrap();
        assert_eq!(load.calls(), 2);
        load.begin(true).unwrap_err();
        assert_eq!(load.calls(), 2, "a refused stream counts as no call");
        let third = load.begin(false).unwrap();
        load.begin(false).unwrap_err();
        drop((call, stream));
        assert_eq!(load.calls(), 1);
        drop((load.begin(true).unwrap(), third));
        assert_eq!(load.calls(), 0);
    }

    #[test]
    fn turns_come_in_order_and_few_wait() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let limits = Limits { batches: 1, ..Limits::default() };
            let load = Arc::new(ConcurrencyLimits::new(&limits));
            let first = load.batches.turn().await.unwrap();
            let wait = |place: usize| {
                let load = load.clone();
                tokio::spawn(async move { load.batches.turn().await.map(|turn| (place, turn)) })
            };
            let waiting: Vec<_> = (0..BATCHES_WAITING).map(wait).collect();
            tokio::task::yield_now().await;
            load.batches.turn().await.unwrap_err();
            // Who gives up makes room.
            waiting[0].abort();
            tokio::task::yield_now().await;
            let last = wait(99);
            drop(first);
            let mut order = Vec::new();
            for waiting in waiting.into_iter().skip(1).chain([last]) {
                order.push(waiting.await.unwrap().unwrap().0);
            }
            assert_eq!(order, [1, 2, 3, 4, 5, 6, 7, 99]);
        });
    }
}
