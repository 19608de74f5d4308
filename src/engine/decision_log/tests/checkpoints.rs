//! Early checkpoints are few, however many ask.

use std::time::Duration;

use tokio::time::Instant;

use super::super::CheckpointWait;
use super::*;

/// Waits for a checkpoint over a record as a call does, and returns whether there is one.
async fn ask(desk: &Desk, id: RecordId) -> bool {
    match desk.log().wait_for_checkpoint(id.index).await {
        CheckpointWait::Covered => true,
        CheckpointWait::Sign(_turn) => {
            desk.log().log(now()).unwrap().sign_checkpoint().unwrap();
            true
        }
        CheckpointWait::TimedOut => false,
    }
}

fn checkpoints(desk: &Desk) -> usize {
    desk.log().log(now()).unwrap().reader().checkpoints().unwrap().count()
}

#[tokio::test(start_paused = true)]
async fn callers_share_an_early_checkpoint() {
    let desk = Desk::new();
    let ids: Vec<_> = (0..50).map(|number| desk.record(&clean(number))).collect();
    let before = checkpoints(&desk);
    let asked = ids.iter().map(|id| ask(&desk, *id));
    let asked = futures_util::future::join_all(asked).await;
    assert!(asked.iter().all(|has| *has));
    assert_eq!(checkpoints(&desk), before + 1);
}

#[tokio::test(start_paused = true)]
async fn early_checkpoints_are_a_second_apart_and_then_as_rare_as_others() {
    let desk = Desk::new();
    let (before, begun) = (checkpoints(&desk), Instant::now());
    for number in 0..10 {
        assert!(ask(&desk, desk.record(&clean(number))).await, "{number}");
    }
    assert_eq!(begun.elapsed().as_secs(), 9);
    for number in 10..20 {
        assert!(!ask(&desk, desk.record(&clean(number))).await, "{number}");
    }
    assert_eq!(checkpoints(&desk), before + 10);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(ask(&desk, desk.record(&clean(99))).await);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_of_the_log_ends_the_wait() {
    let desk = Desk::new();
    assert!(ask(&desk, desk.record(&clean(1))).await);
    let id = desk.record(&clean(2));
    let begun = Instant::now();
    let sign = async {
        tokio::task::yield_now().await;
        desk.log().log(now()).unwrap().sign_checkpoint().unwrap();
    };
    let (has, ()) = tokio::join!(ask(&desk, id), sign);
    assert!(has);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
