//! Retention: holds across logs, and clocks that leap.

use super::super::{OfficerEvent, RecordError};
use super::*;

/// Leaves of a segment in unit tests, and one more.
const SEGMENT: u64 = 1_025;

/// A desk whose first segment is 4,000 days old, with the first id.
fn old_desk() -> (Desk, RecordId) {
    let desk = Desk::new();
    let first = fill(&desk);
    (desk, first)
}

fn fill(desk: &Desk) -> RecordId {
    let old = now() - days(4_000);
    let first = desk.record_as(&clean(0), &clean(0), old);
    for number in 1..SEGMENT {
        desk.record_as(&clean(number), &clean(number), old);
    }
    // The sealing of full blocks comes behind.
    desk.log().log(now()).unwrap().sign_checkpoint().unwrap();
    first
}

fn is_removed(desk: &Desk, id: RecordId) -> bool {
    matches!(desk.log().record(id, now()), Err(RecordError::Removed(_)))
}

#[test]
fn a_clock_that_leaps_removes_nothing() {
    let desk = Desk::new();
    let first = desk.record_as(&clean(0), &clean(0), now());
    for number in 1..SEGMENT {
        desk.record_as(&clean(number), &clean(number), now());
    }
    desk.log().log(now()).unwrap().sign_checkpoint().unwrap();
    let leapt = now() + days(4_000);
    assert_eq!(desk.log().remove_old(leapt).unwrap(), None);
    // The server goes on with that clock for some days.
    for day in 0..7 {
        desk.record_as(&clean(1), &clean(1), leapt + days(day));
        assert_eq!(desk.log().remove_old(leapt + days(day)).unwrap(), None, "{day}");
    }
    assert!(!is_removed(&desk, first));
    // It was no leap: the clock has run on for a week.
    let removed = desk.log().remove_old(leapt + days(8)).unwrap().unwrap();
    assert!(removed.leaves > 1_000, "{removed:?}");
    assert!(is_removed(&desk, first));
}

#[test]
fn records_on_hold_stay() {
    let (desk, first) = old_desk();
    desk.record_as(&clean(1), &clean(1), now() - days(8));
    let id = RecordId { index: first.index + 7, ..first };
    let record = id.to_string();
    let held = OfficerEvent::Held { record, identity: "o".to_owned(), reason: String::new() };
    desk.log().record_event(id, &held, now()).unwrap();
    desk.log().remove_old(now()).unwrap().unwrap();
    assert!(is_removed(&desk, first));
    assert!(!is_removed(&desk, id));
}

#[test]
fn holds_are_of_the_records_of_any_log() {
    let mut desk = Desk::new();
    let earlier = desk.record(&clean(1));
    desk.restore(1);
    // The same place in the log that follows.
    let later = desk.record(&clean(2));
    let event = |id: RecordId| OfficerEvent::Held {
        record: id.to_string(),
        identity: "o".to_owned(),
        reason: String::new(),
    };
    desk.log().record_event(earlier, &event(earlier), now()).unwrap();
    let held = desk.log().held(now()).unwrap();
    assert!(held.contains(&(earlier.tag, earlier.index)), "{held:?}");
    assert!(!held.contains(&(later.tag, later.index)), "{held:?}");
    desk.restore(2);
    assert_eq!(desk.log().held(now()).unwrap(), held, "a hold outlives its log");
}

/// A hold may stand in the log that cannot be read.
#[test]
fn nothing_is_removed_while_a_log_cannot_be_read() {
    let (mut desk, first) = old_desk();
    desk.restore(1);
    let held = OfficerEvent::Held {
        record: first.to_string(),
        identity: "o".to_owned(),
        reason: String::new(),
    };
    desk.log().record_event(first, &held, now()).unwrap();
    desk.restore(2);
    desk.record_as(&clean(1), &clean(1), now() - days(8));
    desk.log = None;
    let origin = desk.directory(2).join("origin");
    let aside = desk.folder.path().join("aside");
    std::fs::rename(&origin, &aside).unwrap();
    desk.log = Some(desk.open());
    assert!(desk.log().remove_old(now()).is_err());
    desk.log = None;
    std::fs::rename(&aside, &origin).unwrap();
    desk.log = Some(desk.open());
    desk.log().remove_old(now()).unwrap().unwrap();
    assert!(!is_removed(&desk, first));
}
