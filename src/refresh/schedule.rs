//! When a source is tried next. Pure: randomness is passed in.

use std::time::Duration;

/// The first retry delay, unless the interval is shorter.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// The timing of one source: its interval after success, and exponential backoff from a minute up
/// to the interval after failures. Each delay has a jitter of a tenth, so that many instances do
/// not ask at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval: Duration,
    failures: u32,
}

impl Schedule {
    /// Creates a schedule with `interval` between successes.
    pub fn new(interval: Duration) -> Self {
        Self { interval, failures: 0 }
    }

    /// Returns the delay of the first attempt after the start; the last success was `since` ago.
    /// That is the rest of the interval, or zero if there was none.
    pub fn first(&self, since: Option<Duration>) -> Duration {
        since.map_or(Duration::ZERO, |since| self.interval.saturating_sub(since))
    }

    /// Returns the delay until the next attempt; `chance` is from 0 to 1.
    pub fn next(&mut self, succeeded: bool, chance: f64) -> Duration {
        let wait = if succeeded {
            self.failures = 0;
            self.interval
        } else {
            let doubled = 2_u32.saturating_pow(self.failures);
            self.failures = self.failures.saturating_add(1);
            FIRST_RETRY.saturating_mul(doubled).min(self.interval)
        };
        // Nanoseconds of any Duration fit in a u128.
        let part = (chance.clamp(0.0, 1.0) * 2000.0) as u128;
        let nanos = wait.as_nanos() * (9000 + part) / 10000;
        u64::try_from(nanos).map_or(wait, Duration::from_nanos)
    }
}
