//! State of a publication probe, and which answers cause a read of the whole list. Pure: times are
//! passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The maximum body bytes that probes without news may cost a day.
const DAILY_BYTES: f64 = 1_000_000.0;

/// How often the list is read for one announcement before the announcement is ignored. The file may
/// reach the servers after its announcement, and some announcements concern another list. With a
/// minute between probes, this is half an hour.
const MAX_READS: u32 = 6;

/// The maximum number of vain reads within the list's own interval, against an endpoint whose
/// answer always changes.
const MAX_VAIN_READS: usize = 12;

/// An endpoint's answer about the latest publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AnswerMark {
    /// Over all data that identifies the publication.
    pub digest: [u8; 32],
    /// `ETag` of the answer.
    pub etag: Option<String>,
    /// `Last-Modified` of the answer.
    pub last_modified: Option<String>,
    /// The publication for display; empty if the answer was not parsed.
    pub publication: String,
}

/// An answer of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Unchanged (304).
    NotModified,
    /// The answer, and the bytes of its body.
    Content(AnswerMark, u64),
    Failed,
}

/// The result of a read caused by an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// A new version is in force.
    Published,
    /// The list is unchanged.
    Unchanged {
        /// True if the next such answer needs no body.
        is_cheap: bool,
    },
    Failed,
}

/// State of a publication probe.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: Option<AnswerMark>,
    /// The answer after which the whole list was last read.
    loaded: Option<[u8; 32]>,
    /// An answer after which reads were in vain: how many, and when the next one is due.
    pending: Option<([u8; 32], u32, Instant)>,
    /// Times of vain reads.
    in_vain: VecDeque<Instant>,
    /// Failed probes since the last success.
    failures: u32,
}

impl Watch {
    /// Returns the last answer, for a conditional request.
    pub fn seen(&self) -> Option<&AnswerMark> {
        self.seen.as_ref()
    }

    /// Returns true if the last announced publication was not found yet.
    pub fn awaits_publication(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| self.loaded != Some(seen.digest))
    }

    /// Records an answer. Returns the current answer and the delay until the next probe:
    /// `interval`, longer after failures (up to `longest`), and longer if unchanged answers exceed
    /// the daily byte budget.
    pub fn record_answer(
        &mut self,
        answer: Answer,
        interval: Duration,
        longest: Duration,
    ) -> (Option<AnswerMark>, Duration) {
        let (mark, cost) = match answer {
            Answer::Failed => {
                self.failures = self.failures.saturating_add(1);
                let wait = doubled(interval, self.failures, longest);
                return (None, wait);
            }
            Answer::NotModified => (self.seen.clone(), 0),
            Answer::Content(mark, cost) => {
                let is_new = self.seen.as_ref().is_none_or(|seen| seen.digest != mark.digest);
                self.seen = Some(mark.clone());
                (Some(mark), if is_new { 0 } else { cost })
            }
        };
        self.failures = 0;
        let affordable = Duration::from_secs_f64(cost as f64 / DAILY_BYTES * 86_400.0);
        (mark, interval.max(affordable))
    }

    /// Returns true if the list should be read for an answer. `within` is the list's own interval.
    pub fn should_read_list(&mut self, mark: &AnswerMark, now: Instant, within: Duration) -> bool {
        if self.loaded == Some(mark.digest) {
            return false;
        }
        if let Some((pending, _, next)) = self.pending
            && pending == mark.digest
            && now < next
        {
            return false;
        }
        self.in_vain.retain(|at| now.saturating_duration_since(*at) < within);
        self.in_vain.len() < MAX_VAIN_READS
    }

    /// Records the result of a read. An answer counts as known only after the list was read for it.
    pub fn record_read(
        &mut self,
        mark: AnswerMark,
        how: ReadOutcome,
        now: Instant,
        interval: Duration,
        longest: Duration,
    ) {
        let digest = mark.digest;
        let before = self.pending.filter(|(pending, ..)| *pending == digest);
        let looks = before.map_or(0, |(_, looks, _)| looks).saturating_add(1);
        let is_done = match how {
            ReadOutcome::Published => {
                self.in_vain.clear();
                true
            }
            ReadOutcome::Unchanged { is_cheap } => {
                self.in_vain.push_back(now);
                !is_cheap || looks >= MAX_READS
            }
            ReadOutcome::Failed => false,
        };
        self.pending = None;
        if is_done {
            self.loaded = Some(digest);
        } else {
            let wait = doubled(interval, looks - 1, longest);
            self.pending = Some((digest, looks, now.checked_add(wait).unwrap_or(now)));
        }
    }
}

/// Returns `interval` doubled `times` times, at most `longest` (or `interval`, if that is more).
fn doubled(interval: Duration, times: u32, longest: Duration) -> Duration {
    interval.saturating_mul(2_u32.saturating_pow(times)).min(longest.max(interval))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn mark(number: u8) -> AnswerMark {
        let publication = number.to_string();
        AnswerMark { digest: [number; 32], etag: None, last_modified: None, publication }
    }

    /// A watch that is asked every minute.
    struct Desk {
        watch: Watch,
        start: Instant,
    }

    impl Desk {
        fn new() -> Self {
            Self { watch: Watch::default(), start: Instant::now() }
        }

        /// Whether the list is read in that minute for that publication, and takes how it went.
        fn minute(&mut self, minute: u32, number: u8, how: ReadOutcome) -> bool {
            let now = self.start + MINUTE * minute;
            let (stands, _) =
                self.watch.record_answer(Answer::Content(mark(number), 0), MINUTE, HOUR);
            let leads = self.watch.should_read_list(&stands.unwrap(), now, HOUR);
            assert!(!leads || self.watch.awaits_publication());
            if leads {
                self.watch.record_read(mark(number), how, now, MINUTE, HOUR);
            }
            leads
        }
    }

    #[test]
    fn an_announcement_leads_to_one_look_that_finds_it() {
        let mut desk = Desk::new();
        let looks: Vec<bool> =
            [1, 1, 2, 2, 2].map(|it| desk.minute(it.into(), it, ReadOutcome::Published)).to_vec();
        assert_eq!(looks, [true, false, true, false, false]);
        // 304 says the same again.
        let (stands, wait) = desk.watch.record_answer(Answer::NotModified, MINUTE, HOUR);
        assert_eq!((stands, wait), (Some(mark(2)), MINUTE));
    }

    #[test]
    fn an_announcement_is_remembered_only_after_the_list_was_read() {
        let mut desk = Desk::new();
        // After 0, 1, 2, 4, ... minutes more.
        let looks: Vec<u32> =
            (0..70).filter(|minute| desk.minute(*minute, 1, ReadOutcome::Failed)).collect();
        assert_eq!(looks, [0, 1, 3, 7, 15, 31, 63]);
        assert!(desk.minute(130, 1, ReadOutcome::Published));
        assert!(!desk.minute(200, 1, ReadOutcome::Published));
    }

    #[test]
    fn a_list_that_comes_after_its_announcement_is_found() {
        let mut desk = Desk::new();
        let in_vain = ReadOutcome::Unchanged { is_cheap: true };
        let looks: Vec<u32> = (0..300).filter(|minute| desk.minute(*minute, 1, in_vain)).collect();
        assert_eq!(looks, [0, 1, 3, 7, 15, 31]);
        // The next one is looked at without a wait, also while one is pending.
        assert!(desk.minute(301, 2, in_vain));
        assert!(desk.minute(301, 3, ReadOutcome::Published));
        // Where each look costs the whole file, one must do.
        let mut desk = Desk::new();
        let dear = ReadOutcome::Unchanged { is_cheap: false };
        let looks = (0..300).filter(|minute| desk.minute(*minute, 1, dear)).count();
        assert_eq!(looks, 1);
    }

    #[test]
    fn answers_that_always_differ_do_not_have_the_list_read_each_time() {
        let mut desk = Desk::new();
        let in_vain = ReadOutcome::Unchanged { is_cheap: true };
        let looks = (0..120_u8).filter(|it| desk.minute((*it).into(), *it, in_vain)).count();
        assert_eq!(looks, 2 * MAX_VAIN_READS, "in two hours");
    }

    #[test]
    fn failures_and_dear_answers_are_asked_for_less_often() {
        let mut watch = Watch::default();
        let mut wait = |answer: Answer| watch.record_answer(answer, MINUTE, HOUR).1.as_secs();
        let waits = [(); 8].map(|()| wait(Answer::Failed));
        assert_eq!(waits, [120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
        assert_eq!(wait(Answer::Content(mark(1), 64 << 10)), 60, "what is new may cost");
        assert_eq!(wait(Answer::NotModified), 60);
        assert_eq!(wait(Answer::Content(mark(1), 512)), 60, "0.74 MB a day");
        assert_eq!(wait(Answer::Content(mark(1), 10_000)), 864, "100 times a day");
        assert_eq!(wait(Answer::Failed), 120);
    }
}
