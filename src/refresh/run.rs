//! The schedule: when each source is read or probed.

use std::time::{Duration, Instant};

use super::watch::{ReadOutcome, Watch};
use super::{Refresher, Report, Schedule, Source, Stop, lock};

/// The longest wait if nothing is due.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The next read and probe of a source.
struct Entry<'a> {
    source: &'a Source,
    schedule: Schedule,
    /// The next read of the whole list.
    look: Instant,
    /// The next publication probe.
    probe: Option<Instant>,
}

impl Entry<'_> {
    fn due(&self) -> Instant {
        self.probe.map_or(self.look, |probe| probe.min(self.look))
    }
}

impl Refresher {
    /// Refreshes every source on its schedule until `stop` is set, and earlier if a probe announces
    /// a new publication. Blocks; run it on its own thread. A static list is read until the
    /// currently configured source was read once. Any source never read is read at once. If
    /// `offline`, only file sources are read.
    pub fn run(&self, stop: &Stop, offline: bool) {
        let mut timetable = self.timetable(offline);
        loop {
            let next = timetable.iter_mut().min_by_key(|entry| entry.due());
            let wait = next
                .as_ref()
                .map_or(LONGEST_WAIT, |next| next.due().saturating_duration_since(Instant::now()));
            if stop.wait(wait) {
                return;
            }
            let Some(next) = next.filter(|next| next.due() <= Instant::now()) else {
                continue;
            };
            let succeeded = match next.probe.filter(|probe| *probe <= next.look) {
                Some(_) => self.probe_and_read(next),
                None => Some(self.refresh_source(next.source).is_ok()),
            };
            let Some(succeeded) = succeeded else { continue };
            next.look = after(Instant::now(), next.schedule.next(succeeded, fastrand::f64()));
            let done = (succeeded && next.source.settings.is_static).then_some(next.source);
            timetable.retain(|entry| !done.is_some_and(|done| std::ptr::eq(done, entry.source)));
        }
    }

    fn timetable(&self, offline: bool) -> Vec<Entry<'_>> {
        let start = Instant::now();
        let mut timetable = Vec::new();
        let is_read = |source: &&Source| {
            let settings = &source.settings;
            settings.source_name().is_some() && !(offline && settings.url.is_some())
        };
        for source in self.sources.iter().filter(is_read) {
            let settings = &source.settings;
            let schedule = Schedule::new(settings.refresh_interval);
            let state = self.publisher.list(&settings.id);
            let known = state.is_some_and(|state| settings.is_of_source(state.check.source));
            let last_success = lock(&source.status).last_success.filter(|_| known);
            let since = last_success.map(|last| {
                let since = self.publisher.now().duration_since(last);
                Duration::try_from(since).unwrap_or_default()
            });
            if settings.is_static && since.is_some() {
                continue;
            }
            let look = after(start, schedule.first(since));
            let probe = settings.remote.probe.as_ref().filter(|_| !settings.is_static);
            timetable.push(Entry { source, schedule, look, probe: probe.map(|_| start) });
        }
        timetable
    }

    /// Probes for a new publication, and reads the list if there is one. Returns whether reading
    /// succeeded; `None` if it was not read.
    ///
    /// "Nothing new" does not count as a check of the list: only the list itself proves that it is
    /// current.
    fn probe_and_read(&self, entry: &mut Entry<'_>) -> Option<bool> {
        let source = entry.source;
        let settings = &source.settings;
        let Some(probe) = &settings.remote.probe else {
            entry.probe = None;
            return None;
        };
        let answer = self.probe(source, probe);
        let now = Instant::now();
        let longest = settings.refresh_interval;
        let (mark, wait) = lock(&source.watch).record_answer(answer, probe.interval, longest);
        entry.probe = Some(after(now, shortened(wait, fastrand::f64())));
        let mark = mark.filter(|mark| lock(&source.watch).should_read_list(mark, now, longest))?;
        tracing::info!(
            list = %settings.id, publication = mark.publication,
            "new publication announced, reading the list",
        );
        let result = self.refresh_source(source);
        let read_outcome = match &result {
            Ok(Report::Published { .. }) => ReadOutcome::Published,
            // A repeated read is cheap if an unchanged file need not be sent.
            Ok(Report::Unchanged { .. }) => ReadOutcome::Unchanged {
                is_cheap: self.publisher.list(&settings.id).is_some_and(|state| {
                    state.check.etag.is_some() || state.check.last_modified.is_some()
                }),
            },
            Err(_) => ReadOutcome::Failed,
        };
        let mut watch = lock(&source.watch);
        Watch::record_read(&mut watch, mark, read_outcome, Instant::now(), probe.interval, longest);
        Some(result.is_ok())
    }
}

/// Returns `delay` after `now`, or a day after it on overflow.
fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or(now + LONGEST_WAIT)
}

/// Shortens a wait by up to a tenth, so that many instances do not ask at once and none asks late.
fn shortened(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(0.9 + 0.1 * chance.clamp(0.0, 1.0))
}
