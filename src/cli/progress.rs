//! The progress line on standard error: redrawn on a terminal, a plain line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::domain::digits::grouped;
use crate::domain::duration::span;
use crate::source::rows::Progress;

/// How often the line on a terminal is redrawn at most.
const REDRAW: Duration = Duration::from_millis(100);

/// How often a line is written elsewhere.
const LINE: Duration = Duration::from_secs(5);

/// The width of the bar, in characters.
const BAR: usize = 20;

/// The line of one import or batch.
#[derive(Debug)]
pub struct ProgressLine {
    terminal: bool,
    started: Instant,
    shown: Instant,
    /// A bar stands on the terminal's last line.
    drawn: bool,
    /// What was done before it began.
    before: Progress,
}

impl ProgressLine {
    /// Of work that begins now.
    pub fn start() -> Self {
        Self::go_on(Progress::default())
    }

    /// Of work that goes on now, after what was done `before`.
    pub fn go_on(before: Progress) -> Self {
        let now = Instant::now();
        Self {
            terminal: io::stderr().is_terminal(),
            started: now,
            shown: now,
            drawn: false,
            before,
        }
    }

    /// How long it takes so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Shows how far the file `name` is, if it is time to.
    pub fn show(&mut self, name: &str, file_started: Instant, progress: Progress) {
        let now = Instant::now();
        let pause = if self.terminal { REDRAW } else { LINE };
        if now.duration_since(self.shown) < pause {
            return;
        }
        self.shown = now;
        let line = words(progress, self.before, now.duration_since(file_started), self.terminal);
        // A standard error that is gone is no reason to stop.
        let _ = if self.terminal {
            write!(io::stderr(), "\r\u{1b}[K{name}  {line}")
        } else {
            writeln!(io::stderr(), "{name}  {line}")
        };
        self.drawn = self.terminal;
    }

    /// Takes the bar away, for what else is to be written.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// `[########------------]  41 %  1,234,567 rows  98,765 rows/s  12 s left`
fn words(progress: Progress, before: Progress, elapsed: Duration, bar: bool) -> String {
    let Progress { rows, bytes, total_bytes } = progress;
    let mut words = String::new();
    let share = total_bytes.filter(|total| *total > 0).map(|total| {
        // Bytes read ahead may pass the end.
        (bytes.min(total) as f64 / total as f64).clamp(0.0, 1.0)
    });
    if let Some(share) = share {
        if bar {
            let full = (share * BAR as f64) as usize;
            words.push_str(&format!("[{}{}]  ", "#".repeat(full), "-".repeat(BAR - full)));
        }
        words.push_str(&format!("{:3.0} %  ", share * 100.0));
    }
    let seconds = elapsed.as_secs_f64();
    let speed = if seconds > 0.0 { rows.saturating_sub(before.rows) as f64 / seconds } else { 0.0 };
    words.push_str(&format!("{} rows  {} rows/s", grouped(rows), grouped(speed as u64)));
    let done = bytes.saturating_sub(before.bytes);
    if let Some(total) = total_bytes.filter(|total| *total > 0 && done > 0) {
        let left = seconds * total.saturating_sub(bytes) as f64 / done as f64;
        words.push_str(&format!("  {} left", span(left as u64)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let check = |rows, bytes, total_bytes, seconds, bar, want: &str| {
            let progress = Progress { rows, bytes, total_bytes };
            let none = Progress::default();
            assert_eq!(words(progress, none, Duration::from_secs(seconds), bar), want);
        };
        check(0, 0, None, 0, true, "0 rows  0 rows/s");
        check(1_234_567, 9, None, 10, true, "1,234,567 rows  123,456 rows/s");
        let half = "[##########----------]   50 %  1,000 rows  100 rows/s  10 s left";
        check(1_000, 50, Some(100), 10, true, half);
        check(1_000, 25, Some(100), 250, false, " 25 %  1,000 rows  4 rows/s  12 min 30 s left");
        check(1, 200, Some(100), 1, false, "100 %  1 rows  1 rows/s  0 s left");
        check(1, 1, Some(0), 1, false, "1 rows  1 rows/s");
        let progress = Progress { rows: 1_000, bytes: 50, total_bytes: Some(100) };
        let before = Progress { rows: 900, bytes: 40, total_bytes: None };
        let resumed = " 50 %  1,000 rows  10 rows/s  50 s left";
        assert_eq!(words(progress, before, Duration::from_secs(10), false), resumed);
    }
}
