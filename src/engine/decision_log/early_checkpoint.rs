//! Checkpoints that are signed before their time, for proofs of young records. Each is stored for good and
//! handed to others, so callers share them and cannot have many made.

use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep, sleep_until};

use super::DecisionLog;

/// The least time between two.
const PAUSE: Duration = Duration::from_secs(1);

/// How many may follow each other at that pace. Then they come as often as checkpoints do anyway.
const BURST: u32 = 10;

/// The longest wait of a caller: the default interval of checkpoints, and some.
const MAX_WAIT: Duration = Duration::from_secs(15);

/// What was signed early.
#[derive(Debug, Default)]
pub(super) struct EarlyCheckpoints {
    last: Option<Instant>,
    /// When all that were signed early would have been signed anyway.
    regular: Option<Instant>,
}

impl EarlyCheckpoints {
    /// Returns when the next one may be signed.
    fn due(&self, interval: Duration) -> Instant {
        let now = Instant::now();
        let paced = self.last.map_or(now, |last| last + PAUSE);
        let saved = interval.saturating_mul(BURST - 1);
        let regular = self.regular.and_then(|regular| regular.checked_sub(saved));
        paced.max(regular.unwrap_or(now))
    }

    fn spend(&mut self, interval: Duration) {
        let now = Instant::now();
        self.last = Some(now);
        self.regular = Some(self.regular.map_or(now, |regular| regular.max(now)) + interval);
    }
}

/// How a wait for a checkpoint has ended.
#[derive(Debug)]
pub enum CheckpointWait<'l> {
    /// The latest checkpoint covers the leaf.
    Covered,
    /// The caller is to sign one, and to hold this meanwhile.
    Sign(SigningTurn<'l>),
    TimedOut,
}

/// Held by the caller who signs.
#[derive(Debug)]
pub struct SigningTurn<'l> {
    _held: MutexGuard<'l, EarlyCheckpoints>,
}

impl DecisionLog {
    /// Waits until a checkpoint covers a leaf of the present log, or until the caller may sign one.
    pub async fn wait_for_checkpoint(&self, leaf: u64) -> CheckpointWait<'_> {
        let interval = self.settings.checkpoint_interval;
        let mut signed = self.signed.subscribe();
        let turn = async {
            let early = self.early.lock().await;
            sleep_until(early.due(interval)).await;
            early
        };
        let mut early = tokio::select! {
            biased;
            _ = signed.wait_for(|size| *size > leaf) => return CheckpointWait::Covered,
            early = turn => early,
            () = sleep(MAX_WAIT) => return CheckpointWait::TimedOut,
        };
        if *self.signed.borrow() > leaf {
            return CheckpointWait::Covered;
        }
        early.spend(interval);
        CheckpointWait::Sign(SigningTurn { _held: early })
    }
}
