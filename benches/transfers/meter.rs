//! Processor time, memory, disk and medians. Knows nothing of what is measured.

use std::path::Path;
use std::time::Duration;

/// Memory of this process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Now.
    pub held: u64,
    /// The most, above what was held before.
    pub most: u64,
    /// The most of all.
    pub peak: u64,
}

impl Memory {
    /// As it stands; the most is counted from here on, where the system lets it be.
    pub fn now() -> Self {
        let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.unwrap_or(0) << 10
        };
        let now = Self { held: of("VmRSS:"), most: of("VmHWM:"), peak: of("VmHWM:") };
        // Starts the high-water mark anew; where that is refused it stands for the whole run.
        drop(std::fs::write("/proc/self/clear_refs", "5"));
        now
    }

    /// What it is more than before.
    pub fn since(self, before: &Self) -> Self {
        Self {
            held: self.held.saturating_sub(before.held),
            most: self.most.saturating_sub(before.held),
            peak: self.peak,
        }
    }
}

/// The processor time of this thread.
pub fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// Bytes of the files in a folder.
pub fn disk(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

/// `1.97x (1.90..2.10)`.
pub fn spread(ratios: &[f64]) -> String {
    let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.2}x ({low:.2}..{high:.2})", median(ratios))
}
