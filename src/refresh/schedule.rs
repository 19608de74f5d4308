//! When a source is tried next. Pure: the chance is handed in.

use std::time::Duration;

/// The shortest time after a failure, where the interval is not shorter.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// The timing of one source: its interval, and from a minute up to the interval, doubling, while
/// it fails; each give or take a tenth, so that many programs do not ask at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval: Duration,
    failures: u32,
}

impl Schedule {
    /// A schedule with `interval` from success to success.
    pub fn new(interval: Duration) -> Self {
        Self { interval, failures: 0 }
    }

    /// How long after the start the first attempt comes, the last success having been `since`
    /// ago: what is left of the interval, or nothing where there was none.
    pub fn first(&self, since: Option<Duration>) -> Duration {
        since.map_or(Duration::ZERO, |since| self.interval.saturating_sub(since))
    }

    /// How long after an attempt the next one comes; `chance` is from 0 to 1.
    pub fn next(&mut self, succeeded: bool, chance: f64) -> Duration {
        let wait = if succeeded {
            self.failures = 0;
            self.interval
        } else {
            let doubled = 2_u32.saturating_pow(self.failures);
            self.failures = self.failures.saturating_add(1);
            FIRST_RETRY.saturating_mul(doubled).min(self.interval)
        };
        // In nanoseconds, which a u128 holds for any Duration.
        let part = (chance.clamp(0.0, 1.0) * 2000.0) as u128;
        let nanos = wait.as_nanos() * (9000 + part) / 10000;
        u64::try_from(nanos).map_or(wait, Duration::from_nanos)
    }
}
