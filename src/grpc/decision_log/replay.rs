//! Replays records, and sends the results to a reader who may be slow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::{SendTimeoutError, TrySendError};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::log;
use super::record::{self, RowNames};
use crate::audit::RecordId;
use crate::engine::decision_log::Record;
use crate::engine::{Engine, EngineError};
use crate::grpc::blocking::with_engine_in_turn;
use crate::grpc::concurrency::ConcurrencyLimits;
use crate::grpc::status::Refusal;
use crate::grpc::v1::{self, ErrorReason};
use crate::screening::snapshot::parse_id;

/// Replays that wait to be sent: some megabytes.
const REPLAYS_AHEAD: usize = 1_024;

/// How long a reader may let the server wait, over a whole call: others wait for their turn meanwhile.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) type ReplayStream =
    BoxStream<'static, Result<v1::BatchReplayScreeningsResponse, Status>>;

/// The records of a stream, and how long its reader may let the server wait.
pub(super) struct ReplayBatch {
    pub(super) ids: Vec<RecordId>,
    pub(super) patience: Duration,
}

impl ReplayBatch {
    /// Replays the records in their turn, and gives the turn up where the reader does not take them.
    pub(super) fn start(self, engine: Arc<Engine>, load: Arc<ConcurrencyLimits>) -> ReplayStream {
        let (sender, receiver) = mpsc::channel(REPLAYS_AHEAD);
        let (failed, failure) = oneshot::channel();
        tokio::spawn(async move {
            let handle = Handle::current();
            let work = move |engine: &Arc<Engine>| {
                let mut reader = Reader { sender, handle, left: self.patience, has_stalled: false };
                replay(engine, &self.ids, |replayed| reader.send(replayed))?;
                if reader.has_stalled { Err(stalled(self.patience)) } else { Ok(()) }
            };
            if let Err(status) = with_engine_in_turn(&load.log_work, &engine, work).await {
                // Fails where the caller is gone.
                let _ = failed.send(status);
            }
        });
        // Behind what was sent before: the channel may be full.
        let end = stream::once(failure).filter_map(async |failure| failure.ok().map(Err));
        ReceiverStream::new(receiver).chain(end).boxed()
    }
}

fn stalled(patience: Duration) -> Refusal {
    let message = format!(
        "the caller let the replays wait for {} s in all: ask for the rest again",
        patience.as_secs()
    );
    Refusal::new(Code::DeadlineExceeded, ErrorReason::DeadlineExceeded, message)
}

/// Who takes the replays.
struct Reader {
    sender: mpsc::Sender<Result<v1::BatchReplayScreeningsResponse, Status>>,
    handle: Handle,
    /// How long it may still let the server wait.
    left: Duration,
    has_stalled: bool,
}

impl Reader {
    /// Sends a replay, and waits for room. Returns whether the reader wants more.
    fn send(&mut self, replayed: v1::ReplayedScreening) -> bool {
        let response = v1::BatchReplayScreeningsResponse { replayed: Some(replayed) };
        let response = match self.sender.try_send(Ok(response)) {
            Ok(()) => return true,
            Err(TrySendError::Closed(_)) => return false,
            Err(TrySendError::Full(response)) => response,
        };
        let begun = Instant::now();
        let sent = self.handle.block_on(self.sender.send_timeout(response, self.left));
        self.left = self.left.saturating_sub(begun.elapsed());
        match sent {
            Ok(()) => true,
            Err(SendTimeoutError::Closed(_)) => false,
            Err(SendTimeoutError::Timeout(_)) => {
                self.has_stalled = true;
                false
            }
        }
    }
}

/// Replays records, grouped by their snapshots; the results come in the order of the snapshots. Ends where
/// `take` returns false. Blocks.
pub(super) fn replay(
    engine: &Engine,
    ids: &[RecordId],
    mut take: impl FnMut(v1::ReplayedScreening) -> bool,
) -> Result<(), Refusal> {
    let log = log(engine)?;
    let mut by_snapshot: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for id in ids {
        match log.record(*id, engine.now()) {
            Ok((record, ..)) => {
                by_snapshot.entry(record.call.snapshot.to_string()).or_default().push(record);
            }
            Err(error) => {
                if !take(record::not_replayed(*id, &error)) {
                    return Ok(());
                }
            }
        }
    }
    let current = engine.snapshot();
    let mut rows = RowNames::new(current.as_deref());
    // The rows of a snapshot stand behind its name: a graph goes on from one with fewer.
    let mut groups: Vec<_> = by_snapshot.into_iter().collect();
    groups.sort_by_key(|(snapshot, records)| {
        let rows = parse_id(snapshot).map_or(0, |name| name.counts.rows);
        (rows, records.first().map(|record| record.time))
    });
    let mut replayer = engine.replayer(log.replay_limits());
    for (snapshot, records) in groups {
        let replays = match replayer.replay(&snapshot, &records) {
            Ok(replays) => replays,
            Err(error) => {
                let why = error.to_string();
                records.iter().map(|_| Err(EngineError::NotReplayable(why.clone()))).collect()
            }
        };
        for (record, replay) in records.iter().zip(replays) {
            let message = record::replayed(record, replay, &mut rows);
            if !take(message) {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::{Config, Flags, Limits};

    /// Replays records that there are none of, more than wait to be sent.
    fn start(
        engine: &Arc<Engine>,
        load: &Arc<ConcurrencyLimits>,
        patience: Duration,
    ) -> ReplayStream {
        let count = REPLAYS_AHEAD as u64 + 100;
        let ids = (0..count).map(|index| RecordId { tag: [0; 4], index, item: 0 }).collect();
        ReplayBatch { ids, patience }.start(engine.clone(), load.clone())
    }

    fn run(test: impl AsyncFnOnce(Arc<Engine>, Arc<ConcurrencyLimits>)) {
        let folder = tempfile::tempdir().unwrap();
        let flags = Flags {
            data_dir: Some(folder.path().to_owned()),
            offline: true,
            set: vec!["starter_lists=false".to_owned()],
            ..Flags::default()
        };
        let config = Config::load(&flags, []).unwrap();
        let now = jiff::Timestamp::from_second(1_763_640_000).unwrap();
        let engine = Engine::open(&config, Arc::new(move || now)).unwrap();
        let load = Arc::new(ConcurrencyLimits::new(&Limits::default()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test(engine, load));
    }

    #[test]
    fn a_reader_that_stalls_gives_its_turn_up() {
        run(async |engine, load| {
            let stream = start(&engine, &load, Duration::from_millis(20));
            tokio::task::yield_now().await;
            // Comes once the other has given up, though nothing of it is read.
            drop(load.log_work.turn().await.unwrap());
            let replays: Vec<_> = stream.collect().await;
            let (failed, replays) = replays.split_last().unwrap();
            assert_eq!(replays.len(), REPLAYS_AHEAD);
            assert!(replays.iter().all(Result::is_ok));
            let failed = failed.as_ref().unwrap_err();
            assert_eq!(failed.code(), Code::DeadlineExceeded, "{failed}");
        });
    }

    #[test]
    fn a_reader_that_takes_what_is_sent_gets_all() {
        run(async |engine, load| {
            let replays: Vec<_> = start(&engine, &load, PATIENCE).collect().await;
            assert_eq!(replays.len(), REPLAYS_AHEAD + 100);
            assert!(replays.iter().all(Result::is_ok));
        });
    }

    #[test]
    fn a_reader_that_leaves_ends_the_work() {
        run(async |engine, load| {
            drop(start(&engine, &load, PATIENCE));
            tokio::task::yield_now().await;
            drop(load.log_work.turn().await.unwrap());
        });
    }
}
