//! A histogram of durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::text::Text;

/// The upper bounds of the buckets, in nanoseconds and as Prometheus writes them (seconds). An answer
/// from labels takes tens of microseconds, a search or a batch up to seconds.
const BOUNDS: [(u64, &str); 17] = [
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// Counts durations in buckets. Any thread may add.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The last bucket has no bound.
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Nanoseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// Adds a duration. Bounds are inclusive.
    pub fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS.partition_point(|(bound, _)| *bound < nanos);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Writes the buckets, the sum and the count.
    pub fn write(&self, text: &mut Text, labels: &[(&str, &str)]) {
        let bounds = BOUNDS.iter().map(|(_, shown)| *shown).chain(["+Inf"]);
        let mut below = 0;
        for (count, bound) in self.counts.iter().zip(bounds) {
            below += count.load(Ordering::Relaxed);
            text.part("_bucket", labels, Some(("le", bound)), below);
        }
        let seconds = self.sum.load(Ordering::Relaxed) as f64 / 1e9;
        text.part("_sum", labels, None, seconds);
        // From the buckets as read, so that the count matches them while others add.
        text.part("_count", labels, None, below);
    }
}
