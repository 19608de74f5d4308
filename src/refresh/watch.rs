//! What is known of a source's publications by asking for them alone, and which answer leads to a
//! look at the whole list. Pure: moments are handed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most body bytes that questions may cost a day where nothing is new.
const DAILY_BYTES: f64 = 1_000_000.0;

/// How often the list is read for one announcement before it is believed to be without one: the
/// file may come to the servers after its announcement, and some announcements are of another list.
/// With a minute between questions, these are half an hour.
const MOST_LOOKS: u32 = 6;

/// How many looks in vain announcements may lead to within the list's own interval: an endpoint
/// whose answer is always another one must not have the list read each time.
const MOST_IN_VAIN: usize = 12;

/// What an endpoint said of the latest publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Of all that tells one publication from another.
    pub digest: [u8; 32],
    /// `ETag` of the answer.
    pub etag: Option<String>,
    /// `Last-Modified` of the answer.
    pub last_modified: Option<String>,
    /// The publication for people; empty where the answer was not understood.
    pub told: String,
}

/// An answer of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The same as before (304).
    NotModified,
    /// This, in an answer that cost so many bytes of its body.
    Said(Mark, u64),
    /// None.
    Failed,
}

/// How a look at the list went that an announcement led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// A new version is in force.
    Published,
    /// The list said what it had said before.
    Unchanged {
        /// Whether the next such answer needs no body.
        is_cheap: bool,
    },
    /// It was not read.
    Failed,
}

/// What is known of a source's publications.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The last answer.
    seen: Option<Mark>,
    /// The answer after which the whole list was read.
    loaded: Option<[u8; 32]>,
    /// An answer for which the list was read in vain: how often, and when it is read next.
    pending: Option<([u8; 32], u32, Instant)>,
    /// When the list was read in vain for announcements.
    in_vain: VecDeque<Instant>,
    /// Questions that failed since one did not.
    failures: u32,
}

impl Watch {
    /// What was answered last, with which an endpoint is asked whether it changed.
    pub fn seen(&self) -> Option<&Mark> {
        self.seen.as_ref()
    }

    /// Whether the last publication that was announced was not found yet.
    pub fn awaits(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| self.loaded != Some(seen.digest))
    }

    /// Takes an answer; says what stands now, and when to ask again: after `interval`, later after
    /// failures (up to `longest`), and later where unchanged answers cost more than the bytes of a
    /// day allow.
    pub fn answered(
        &mut self,
        answer: Answer,
        interval: Duration,
        longest: Duration,
    ) -> (Option<Mark>, Duration) {
        let (mark, cost) = match answer {
            Answer::Failed => {
                self.failures = self.failures.saturating_add(1);
                let wait = doubled(interval, self.failures, longest);
                return (None, wait);
            }
            Answer::NotModified => (self.seen.clone(), 0),
            Answer::Said(mark, cost) => {
                let is_new = self.seen.as_ref().is_none_or(|seen| seen.digest != mark.digest);
                self.seen = Some(mark.clone());
                (Some(mark), if is_new { 0 } else { cost })
            }
        };
        self.failures = 0;
        let affordable = Duration::from_secs_f64(cost as f64 / DAILY_BYTES * 86_400.0);
        (mark, interval.max(affordable))
    }

    /// Whether the list is to be read for an answer. `within` is the list's own interval.
    pub fn leads_to_look(&mut self, mark: &Mark, now: Instant, within: Duration) -> bool {
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
        self.in_vain.len() < MOST_IN_VAIN
    }

    /// Takes how the look went that an answer led to. The answer is remembered as known only once
    /// the list was read after it.
    pub fn looked(
        &mut self,
        mark: Mark,
        how: Looked,
        now: Instant,
        interval: Duration,
        longest: Duration,
    ) {
        let digest = mark.digest;
        let before = self.pending.filter(|(pending, ..)| *pending == digest);
        let looks = before.map_or(0, |(_, looks, _)| looks).saturating_add(1);
        let is_done = match how {
            Looked::Published => {
                self.in_vain.clear();
                true
            }
            Looked::Unchanged { is_cheap } => {
                self.in_vain.push_back(now);
                !is_cheap || looks >= MOST_LOOKS
            }
            Looked::Failed => false,
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

/// `interval`, doubled so often, and at most `longest` (or `interval`, if that is more).
fn doubled(interval: Duration, times: u32, longest: Duration) -> Duration {
    interval.saturating_mul(2_u32.saturating_pow(times)).min(longest.max(interval))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn mark(number: u8) -> Mark {
        let told = number.to_string();
        Mark { digest: [number; 32], etag: None, last_modified: None, told }
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
        fn minute(&mut self, minute: u32, number: u8, how: Looked) -> bool {
            let now = self.start + MINUTE * minute;
            let (stands, _) = self.watch.answered(Answer::Said(mark(number), 0), MINUTE, HOUR);
            let leads = self.watch.leads_to_look(&stands.unwrap(), now, HOUR);
            assert!(!leads || self.watch.awaits());
            if leads {
                self.watch.looked(mark(number), how, now, MINUTE, HOUR);
            }
            leads
        }
    }

    #[test]
    fn an_announcement_leads_to_one_look_that_finds_it() {
        let mut desk = Desk::new();
        let looks: Vec<bool> =
            [1, 1, 2, 2, 2].map(|it| desk.minute(it.into(), it, Looked::Published)).to_vec();
        assert_eq!(looks, [true, false, true, false, false]);
        // 304 says the same again.
        let (stands, wait) = desk.watch.answered(Answer::NotModified, MINUTE, HOUR);
        assert_eq!((stands, wait), (Some(mark(2)), MINUTE));
    }

    #[test]
    fn an_announcement_is_remembered_only_after_the_list_was_read() {
        let mut desk = Desk::new();
        // After 0, 1, 2, 4, ... minutes more.
        let looks: Vec<u32> =
            (0..70).filter(|minute| desk.minute(*minute, 1, Looked::Failed)).collect();
        assert_eq!(looks, [0, 1, 3, 7, 15, 31, 63]);
        assert!(desk.minute(130, 1, Looked::Published));
        assert!(!desk.minute(200, 1, Looked::Published));
    }

    #[test]
    fn a_list_that_comes_after_its_announcement_is_found() {
        let mut desk = Desk::new();
        let in_vain = Looked::Unchanged { is_cheap: true };
        let looks: Vec<u32> = (0..300).filter(|minute| desk.minute(*minute, 1, in_vain)).collect();
        assert_eq!(looks, [0, 1, 3, 7, 15, 31]);
        // The next one is looked at without a wait, also while one is pending.
        assert!(desk.minute(301, 2, in_vain));
        assert!(desk.minute(301, 3, Looked::Published));
        // Where each look costs the whole file, one must do.
        let mut desk = Desk::new();
        let dear = Looked::Unchanged { is_cheap: false };
        let looks = (0..300).filter(|minute| desk.minute(*minute, 1, dear)).count();
        assert_eq!(looks, 1);
    }

    #[test]
    fn answers_that_always_differ_do_not_have_the_list_read_each_time() {
        let mut desk = Desk::new();
        let in_vain = Looked::Unchanged { is_cheap: true };
        let looks = (0..120_u8).filter(|it| desk.minute((*it).into(), *it, in_vain)).count();
        assert_eq!(looks, 2 * MOST_IN_VAIN, "in two hours");
    }

    #[test]
    fn failures_and_dear_answers_are_asked_for_less_often() {
        let mut watch = Watch::default();
        let mut wait = |answer: Answer| watch.answered(answer, MINUTE, HOUR).1.as_secs();
        let waits = [(); 8].map(|()| wait(Answer::Failed));
        assert_eq!(waits, [120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
        assert_eq!(wait(Answer::Said(mark(1), 64 << 10)), 60, "what is new may cost");
        assert_eq!(wait(Answer::NotModified), 60);
        assert_eq!(wait(Answer::Said(mark(1), 512)), 60, "0.74 MB a day");
        assert_eq!(wait(Answer::Said(mark(1), 10_000)), 864, "100 times a day");
        assert_eq!(wait(Answer::Failed), 120);
    }
}
