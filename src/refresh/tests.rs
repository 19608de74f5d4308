//! The schedule and the settings of refreshing; the rest needs a server: tests/it/refresh.rs.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::time::Duration;

use jiff::Timestamp;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn a_state_change_is_said_once() {
    use Transition::{Lost, Regained};
    let table: [(&str, &[Option<Transition>]); 5] = [
        ("ok ok", &[None, None]),
        ("no no no", &[Some(Lost), None, None]),
        ("ok no no ok ok", &[None, Some(Lost), None, Some(Regained), None]),
        ("no ok no", &[Some(Lost), Some(Regained), Some(Lost)]),
        ("no other no", &[Some(Lost), None, None]),
    ];
    for (story, want) in table {
        let mut status = SourceStatus::default();
        let transitions: Vec<_> = story
            .split(' ')
            .zip(1..)
            .map(|(word, n)| status.record(at(n), (word != "ok").then(|| word.to_owned())))
            .collect();
        assert_eq!(transitions, want, "{story}");
    }
}

#[test]
fn a_status_keeps_what_it_was_told() {
    let mut status = SourceStatus::default();
    status.record(at(1), None);
    status.record(at(2), Some("first".to_owned()));
    status.record(at(3), Some("second".to_owned()));
    let want = SourceStatus {
        last_attempt: Some(at(3)),
        last_success: Some(at(1)),
        last_error: Some("second".to_owned()),
        consecutive_failures: 2,
        succeeded: 1,
        failed: 2,
        ..SourceStatus::default()
    };
    assert_eq!(status, want);
    status.record(at(4), None);
    assert_eq!((status.last_error, status.consecutive_failures), (None, 0));
}

#[test]
fn the_schedule_backs_off_to_the_interval_and_returns() {
    let hour = Duration::from_secs(3600);
    let minutes = |n: f64| Duration::from_secs_f64(60.0 * n);
    for (chance, part) in [(0.0, 0.9), (0.5, 1.0), (1.0, 1.1)] {
        let mut schedule = Schedule::new(hour);
        assert_eq!(schedule.next(true, chance), minutes(60.0 * part));
        for wait in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            assert_eq!(schedule.next(false, chance), minutes(wait * part));
        }
        for _ in 0..100 {
            assert_eq!(schedule.next(false, chance), minutes(60.0 * part));
        }
        assert_eq!(schedule.next(true, chance), minutes(60.0 * part));
        assert_eq!(schedule.next(false, chance), minutes(part));
        // Never longer than a short interval.
        let second = Duration::from_secs(1);
        assert_eq!(Schedule::new(second).next(false, chance), second.mul_f64(part));
    }
    assert_eq!(Schedule::new(hour).next(true, f64::NAN), minutes(54.0));
    assert_eq!(Schedule::new(Duration::MAX).next(true, 0.5), Duration::MAX);
}

#[test]
fn the_first_attempt_waits_for_what_is_left_of_the_interval() {
    let schedule = Schedule::new(Duration::from_secs(100));
    for (since, want) in [(None, 0), (Some(0), 100), (Some(30), 70), (Some(100), 0), (Some(999), 0)]
    {
        let since = since.map(Duration::from_secs);
        assert_eq!(schedule.first(since), Duration::from_secs(want), "{since:?}");
    }
}

#[test]
fn a_url_is_shown_without_what_is_secret() {
    for (url, want) in [
        ("https://example.org/a/SDN.XML", "https://example.org/a/SDN.XML"),
        ("https://user:pass@example.org:8443/a?sig=1#x", "https://example.org:8443/a"),
        ("https://token@example.org", "https://example.org/"),
        ("https://[::1]:80/a?b", "https://[::1]:80/a"),
        ("/a?secret", "(invalid URL)"),
        ("http://u:p@ /?secret", "(invalid URL)"),
        ("", "(invalid URL)"),
    ] {
        assert_eq!(shown_url(url), want, "{url}");
    }
}
