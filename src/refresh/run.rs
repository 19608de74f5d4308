//! The timetable: which source is read, and which is asked for new publications, when.

use std::time::{Duration, Instant};

use super::watch::{Looked, Watch};
use super::{Refresher, Report, Schedule, Source, Stop, lock};

/// How long the run waits where nothing is due.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// When a source is read and asked next.
struct Entry<'a> {
    source: &'a Source,
    schedule: Schedule,
    /// The next look at the whole list.
    look: Instant,
    /// The next question for a new publication.
    probe: Option<Instant>,
}

impl Entry<'_> {
    fn due(&self) -> Instant {
        self.probe.map_or(self.look, |probe| probe.min(self.look))
    }
}

impl Refresher {
    /// Refreshes every source on its schedule until `stop` is set, and where it tells of new
    /// publications, also as soon as there is one. Blocks; a thread of its own is the place for it. A
    /// static list is read until it was read once from the source that is configured now; and any
    /// source that was not, at once. If `offline`, only sources that are files are read.
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
                Some(_) => self.ask(next),
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

    /// Asks whether there is a new publication, and reads the list if there is. Says how reading it
    /// went; `None` where it was not read.
    ///
    /// That there is none does not count as a check of the list: only the list itself says that it
    /// is current.
    fn ask(&self, entry: &mut Entry<'_>) -> Option<bool> {
        let source = entry.source;
        let settings = &source.settings;
        let Some(probe) = &settings.remote.probe else {
            entry.probe = None;
            return None;
        };
        let answer = self.probe(source, probe);
        let now = Instant::now();
        let longest = settings.refresh_interval;
        let (mark, wait) = lock(&source.watch).answered(answer, probe.interval, longest);
        entry.probe = Some(after(now, shortened(wait, fastrand::f64())));
        let mark = mark.filter(|mark| lock(&source.watch).leads_to_look(mark, now, longest))?;
        tracing::info!(
            list = %settings.id, publication = mark.told,
            "a new publication was announced: reading the list",
        );
        let result = self.refresh_source(source);
        let looked = match &result {
            Ok(Report::Published { .. }) => Looked::Published,
            // Looking again is cheap where an unchanged file need not be sent.
            Ok(Report::Unchanged { .. }) => Looked::Unchanged {
                is_cheap: self.publisher.list(&settings.id).is_some_and(|state| {
                    state.check.etag.is_some() || state.check.last_modified.is_some()
                }),
            },
            Err(_) => Looked::Failed,
        };
        let mut watch = lock(&source.watch);
        Watch::looked(&mut watch, mark, looked, Instant::now(), probe.interval, longest);
        Some(result.is_ok())
    }
}

/// `delay` after `now`, or a day where the clock cannot count that far.
fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or(now + LONGEST_WAIT)
}

/// Up to a tenth less, so that many programs do not ask at once and none later than it should.
fn shortened(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(0.9 + 0.1 * chance.clamp(0.0, 1.0))
}
