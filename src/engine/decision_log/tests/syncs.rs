//! Waiting for syncs, as calls of a server do.

use std::time::Duration;

use super::*;
use crate::config::Durability;
use crate::engine::decision_log::{Recorded, RecordedItem};

fn log(directory: &Path) -> Arc<DecisionLog> {
    let settings =
        DecisionLogSettings { durability: Durability::Fsync, ..DecisionLogSettings::default() };
    Arc::new(DecisionLog::new(&settings, directory, Arc::new(now)).unwrap().unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn append(log: &DecisionLog, number: u64) -> Option<Recorded> {
    let address = clean(number);
    let query = QueriedAddress { address: &address, chain: "" };
    let item = RecordedItem::refused("A", query, &References::default());
    let new = [item.as_new()].into_iter();
    log.append(&CallRecord::default().to_json(), now(), new).unwrap()
}

#[test]
fn every_call_waits_for_its_own_records() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    runtime().block_on(async {
        let calls: Vec<_> = (0..500)
            .map(|number| {
                let log = log.clone();
                tokio::spawn(async move {
                    let recorded = append(&log, number);
                    // Some are cancelled while they wait.
                    let limit =
                        Duration::from_micros(if number % 5 == 0 { 50 } else { 60_000_000 });
                    let finished = tokio::time::timeout(limit, log.finish(recorded.clone())).await;
                    let synced = log.log(now()).unwrap().synced();
                    let end = recorded.unwrap().leaves.end;
                    assert!(finished.is_err() || synced >= end, "{synced} of {end}");
                    assert!(finished.is_ok() || number % 5 == 0, "{number} was not woken");
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    });
}

/// The task that serves calls ends with its runtime, and those of another runtime go on.
#[test]
fn calls_of_another_runtime_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let first = runtime();
    first.block_on(async {
        log.finish(append(&log, 1)).await.unwrap().unwrap();
        let waiting = log.clone();
        // Never synced: no such leaf is appended.
        let beyond = log.recorded("00000000-1000.0".parse().unwrap(), 1);
        tokio::spawn(async move { waiting.finish(Some(beyond)).await });
        tokio::task::yield_now().await;
    });
    let other = std::thread::spawn({
        let log = log.clone();
        move || runtime().block_on(log.finish(append(&log, 2))).unwrap().unwrap()
    });
    drop(first);
    other.join().unwrap();
    runtime().block_on(log.finish(append(&log, 3))).unwrap().unwrap();
}

#[test]
fn every_call_fails_with_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    runtime().block_on(async {
        log.finish(append(&log, 1)).await.unwrap().unwrap();
        // What nobody finds again is not synced.
        std::fs::remove_file(log.directory().join("log.1/segments/00000000")).unwrap();
        let calls = (2..20).map(|number| log.finish(append(&log, number)));
        for finished in futures_util::future::join_all(calls).await {
            finished.unwrap_err();
        }
    });
}
