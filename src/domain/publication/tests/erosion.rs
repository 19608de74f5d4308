//! A list that is taken away piece by piece: each piece passes a gate that looks at one publication.

use crate::domain::list::RowSpan;
use jiff::SignedDuration;

use super::*;

/// Names of so many rows, from the `first` on.
fn names(first: usize, rows: usize) -> Vec<String> {
    (first..first + rows).map(|n| format!("0x{:040x}", 1_000_000 + n)).collect()
}

fn list_of(names: &[String]) -> ReadList {
    list(None, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn at_hour(hours: i64) -> String {
    (at("2025-01-01T00:00:00Z") + SignedDuration::from_hours(hours)).to_string()
}

fn book() -> Book {
    let mut book = Book::new();
    // The rows are no addresses.
    book.gates.allow_empty = true;
    book
}

/// How many rows stand, and how many of them are pending.
fn standing(book: &Book) -> (u64, u64) {
    let counts = book.state().version.counts;
    (counts.listings + counts.quarantined, counts.removals_pending)
}

#[test]
fn many_small_cuts_do_not_add_up_to_a_large_one() {
    // OFAC's 760 rows were 3 after 22 imports of this kind.
    let mut book = book();
    let mut rows = names(0, 760);
    book.take(&list_of(&rows), NOW);
    for cut in 1..=22 {
        rows.truncate((rows.len() * 76 / 100).max(3));
        book.take(&list_of(&rows), NOW);
        // The first cut, of 24 %, is within the gate; with the second it is 42 %.
        let (standing, pending) = standing(&book);
        assert_eq!(standing, 577, "cut {cut}");
        assert_eq!(pending, 577 - rows.len() as u64, "cut {cut}");
    }
    assert_eq!(rows.len(), 3);
}

#[test]
fn a_source_that_drops_a_quarter_an_hour_takes_a_quarter() {
    let mut book = book();
    book.source = Some(SourceFingerprint::default());
    let mut rows = names(0, 760);
    for hour in 0..24 * 40 {
        let now = at_hour(hour);
        let changes = book.take(&list_of(&rows), &now);
        assert!(standing(&book).0 >= 570, "hour {hour}");
        // What is beyond the gate is not confirmed by being seen again, either.
        let is_beyond = standing(&book).1 > 0;
        let confirms = changes.iter().any(|change| change.starts_with("Removed"));
        assert!(!is_beyond || !confirms, "hour {hour}");
        assert!(!removal_due(book.state(), at(&now), &book.gates), "hour {hour}");
        rows.truncate((rows.len() * 76 / 100).max(3));
    }
    assert_eq!(standing(&book), (577, 574));
    // The marks of 40 days are those of 30 days, and they are few.
    assert!(book.state().baseline.marks.len() <= 40);
    book.force = Some(Force { reason: "really".to_owned(), gates: [Gate::Shrink].into() });
    assert_eq!(book.take(&list_of(&rows), &at_hour(24 * 40)).len(), 574);
    assert_eq!(standing(&book), (3, 0));
}

#[test]
fn rows_that_are_added_do_not_make_up_for_rows_that_go() {
    let mut book = book();
    book.take(&list_of(&names(0, 100)), NOW);
    // Each publication swaps 20 rows for 20 others: as many stand as before.
    book.take(&list_of(&names(20, 100)), NOW);
    assert_eq!(standing(&book), (100, 0));
    book.take(&list_of(&names(40, 100)), NOW);
    assert_eq!(standing(&book), (120, 20));
}

#[test]
fn a_list_that_was_blown_up_loses_no_more_of_its_old_rows() {
    let mut book = book();
    book.take(&list_of(&names(0, 100)), NOW);
    book.take(&list_of(&names(0, 1_000)), NOW);
    // A tenth of what stands, but all that stood before.
    book.take(&list_of(&names(100, 900)), NOW);
    assert_eq!(standing(&book), (1_000, 100));
    // A row that was added since is no loss of what stood before.
    let mut rows = names(0, 1_000);
    rows.truncate(900);
    book.take(&list_of(&rows), NOW);
    assert_eq!(standing(&book), (900, 0));
}

#[test]
fn rows_that_come_back_and_go_again_are_counted_from_when_they_first_came() {
    let mut book = book();
    book.take(&list_of(&names(0, 100)), NOW);
    for _ in 0..3 {
        book.take(&list_of(&names(20, 80)), NOW);
        assert_eq!(standing(&book), (80, 0));
        book.take(&list_of(&names(0, 100)), NOW);
        assert_eq!(standing(&book), (100, 0));
    }
    book.take(&list_of(&names(20, 80)), NOW);
    book.take(&list_of(&names(30, 70)), NOW);
    assert_eq!(standing(&book), (80, 10));
}

#[test]
fn the_gate_looks_back_for_its_window_and_no_longer() {
    let mut book = book();
    book.take(&list_of(&names(0, 100)), &at_hour(0));
    book.take(&list_of(&names(24, 76)), &at_hour(1));
    assert_eq!(standing(&book), (76, 0));
    // The version of 100 rows was in force until the first hour.
    let then = at_hour(30 * 24);
    book.take(&list_of(&names(30, 70)), &then);
    assert_eq!(standing(&book), (76, 6));
    let later = at_hour(30 * 24 + 1);
    book.take(&list_of(&names(24, 76)), &later);
    book.take(&list_of(&names(30, 70)), &later);
    assert_eq!(standing(&book), (70, 0));
}

#[test]
fn a_forced_removal_begins_anew() {
    let mut book = book();
    book.take(&list_of(&names(0, 100)), NOW);
    book.take(&list_of(&names(50, 50)), NOW);
    assert_eq!(standing(&book), (100, 50));
    // To force another gate forces no removal.
    for gate in Gate::ALL.into_iter().filter(|gate| *gate != Gate::Shrink) {
        book.force = Some(Force { reason: "because".to_owned(), gates: [gate].into() });
        assert_eq!(book.take(&list_of(&names(50, 50)), NOW), ["unchanged"]);
    }
    book.force = Some(Force { reason: "because".to_owned(), gates: [Gate::Shrink].into() });
    assert_eq!(book.take(&list_of(&names(50, 50)), NOW).len(), 50);
    assert_eq!(book.state().baseline.marks.len(), 1);
    book.force = None;
    book.take(&list_of(&names(62, 38)), NOW);
    assert_eq!(standing(&book), (38, 0));
    book.take(&list_of(&names(63, 37)), NOW);
    assert_eq!(standing(&book), (38, 1));
}

#[test]
fn an_older_publication_removes_nothing_unless_that_is_forced_too() {
    let mut book = book();
    let of = |day: &str, names: &[String]| ReadList {
        published: Some(self::day(day)),
        ..list_of(names)
    };
    book.take(&of("2025-02-01", &names(0, 100)), NOW);
    book.force = Some(Force { reason: "because".to_owned(), gates: [Gate::Older].into() });
    book.take(&of("2025-01-01", &names(10, 90)), NOW);
    assert_eq!(standing(&book), (100, 10));
    book.force = Some(Force::all("because"));
    book.take(&of("2025-01-01", &names(10, 90)), NOW);
    assert_eq!(standing(&book), (90, 0));
}

#[test]
fn marks_stay_few_however_many_publications_there_are() {
    let mut book = book();
    for rows in 1..=600 {
        book.take(&list_of(&names(0, rows)), &at_hour(rows as i64 / 100));
    }
    // Growth by a quarter each: 600 is reached in 29 steps, of rounded numbers in fewer.
    let marks = &book.state().baseline.marks;
    assert!(marks.len() <= 30, "{}", marks.len());
    assert_eq!((marks[0].rows, marks.last().unwrap().rows), (1, 600));
}

/// The baseline that a store without one makes of its history.
fn from_history(book: &[(ListVersion, Vec<ListingChange>)], rows: &[Row]) -> Baseline {
    let versions: Vec<_> = book.iter().map(|(version, _)| version.clone()).collect();
    let changes = |number: u64| {
        let found = book.iter().find(|(version, _)| version.version == number);
        Ok::<_, ()>(found.unwrap().1.clone())
    };
    Baseline::from_history(&versions, rows, changes).unwrap()
}

#[test]
fn history_gives_the_baseline_that_was_kept() {
    let mut book = book();
    let mut history = Vec::new();
    let publications = [(0, 100), (10, 90), (10, 120), (15, 115), (0, 130), (5, 60)];
    for (place, (first, rows)) in publications.into_iter().enumerate() {
        let incoming = list_of(&names(first, rows));
        let outcome = book.apply(&incoming, &at_hour(place as i64 * 30)).unwrap();
        let Outcome::Published { state, changes } = outcome else { panic!("{place}") };
        history.push((state.version.clone(), changes));
        book.state = Some(state);
        let state = book.state();
        let made = from_history(&history, &state.rows);
        assert_eq!(made.marks, state.baseline.marks, "{place}");
        // A row with two periods is taken to have stood from the first mark on.
        let is_strict = |span: &&RowSpan| state.rows[span.row as usize].periods.len() == 1;
        let of = |baseline: &Baseline| -> Vec<RowSpan> {
            baseline.spans.iter().filter(is_strict).copied().collect()
        };
        assert_eq!(of(&made), of(&state.baseline), "{place}");
    }
}
