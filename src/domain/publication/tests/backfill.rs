//! Old publications put into the past: against the list that loaded each in its time, which is the
//! slow, obvious model; and by example.

use proptest::prelude::*;

use super::*;

const FIRST: Date = Date::constant(2025, 1, 1);
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A publication of a random history, and whether it was loaded in its time.
#[derive(Clone, Debug)]
struct Step {
    /// Days since the step before.
    days: i64,
    /// Of each of [`NAMES`]: whether it is there, with which date (days since [`FIRST`]) and category.
    rows: Vec<Option<(Option<i64>, u8)>>,
    /// Of each of the parties `p` and `q`: which name it has.
    parties: [u8; 2],
    is_loaded: bool,
    /// In which of three backfills it comes otherwise.
    call: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let dated = prop::option::weighted(0.3, 0..40_i64);
    let row = prop::option::weighted(0.6, (dated, 0..2_u8));
    let step = (
        1..5_i64,
        prop::collection::vec(row, NAMES.len()),
        [0..2_u8, 0..2_u8],
        any::<bool>(),
        0..3_u8,
    )
        .prop_map(|(days, rows, parties, is_loaded, call)| Step {
            days,
            rows,
            parties,
            is_loaded,
            call,
        });
    prop::collection::vec(step, 2..9)
}

/// The publication of a step; `mark` makes it other than one with another mark.
fn publication(step: &Step, day: Date, mark: usize) -> ReadList {
    let party = |uid: &str, variant: u8| Party {
        uid: uid.to_owned(),
        name: format!("Party {variant}"),
        aliases: vec!["Always".to_owned(), format!("Alias {variant}")],
        listed_on: vec![FIRST.saturating_add((7 * i64::from(variant)).days())],
        ..Party::default()
    };
    let row = |(name, row): (&&str, &Option<(Option<i64>, u8)>)| {
        let (dated, category) = (*row)?;
        let uid = if *name < "d" { "p" } else { "q" };
        let facts = RowFacts {
            listed_on: dated.map(|days| FIRST.saturating_add(days.days())),
            category: format!("category {category}"),
            ..RowFacts::default()
        };
        Some((RowKey { party_uid: uid.to_owned(), ..key(name) }, facts))
    };
    let mut rows: Vec<_> = NAMES.iter().zip(&step.rows).filter_map(row).collect();
    let facts = RowFacts { reference: format!("mark {mark}"), ..RowFacts::default() };
    rows.push((RowKey { party_uid: "q".to_owned(), ..key("f") }, facts));
    let mut parties = vec![party("p", step.parties[0]), party("q", step.parties[1])];
    parties.retain(|party| rows.iter().any(|(key, _)| key.party_uid == party.uid));
    ReadList { published: Some(day), parties, rows, duplicates: 0 }
}

/// A list with the changes of each version, as the store keeps them.
struct Shelf {
    book: Book,
    versions: Vec<ListVersion>,
    changes: Vec<Vec<(Option<u32>, ListingChange)>>,
}

impl Shelf {
    fn new() -> Self {
        let mut book = Book::new();
        // A row that comes back counts from when it came first: of a small list more than all are gone.
        book.gates.max_shrink = 100.0;
        Self { book, versions: Vec::new(), changes: Vec::new() }
    }

    fn load(&mut self, list: &ReadList, now: &str) {
        match self.book.apply(list, now).unwrap() {
            Outcome::Unchanged { check } => self.book.state.as_mut().unwrap().check = check,
            Outcome::Published { state, changes } => {
                self.versions.push(state.version.clone());
                self.changes.push(changes.into_iter().map(|change| (None, change)).collect());
                self.book.state = Some(state);
            }
        }
    }

    fn history(&self) -> History {
        let read = |version: u64| Ok::<_, ()>(self.changes[version as usize - 1].clone());
        History::read(&self.versions, read).unwrap()
    }

    fn backfill(&mut self, lists: Vec<ReadList>, now: &str) -> Result<Backfilled, BackfillRefused> {
        let files = lists.into_iter().zip(0..);
        let files = files.map(|(list, number)| OldFile { name: format!("{number}.csv"), list });
        let context = BackfillContext {
            now: at(now),
            next_version: self.versions.len() as u64 + 1,
            gates: &self.book.gates,
        };
        let done = backfill(self.book.state(), &self.history(), files.collect(), context)?;
        if let Some(state) = &done.state {
            assert_eq!(listed_digest(state), state.version.digest);
            assert!(state.rows.is_sorted_by(|a, b| a.key < b.key));
            self.versions.push(state.version.clone());
            let changes = done.changes.iter().cloned();
            self.changes.push(changes.map(|(place, change)| (Some(place), change)).collect());
            self.book.state = Some(state.clone());
        }
        Ok(done)
    }

    /// The changes as they are shown: each with its day.
    fn told(&self) -> Vec<(Date, ListingChange)> {
        let history = self.history();
        let told = history.publications.into_iter();
        told.flat_map(|(of, changes)| changes.into_iter().map(move |change| (of.day, change)))
            .collect()
    }
}

fn noon(day: Date) -> String {
    format!("{day}T12:00:00Z")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_backfill_knows_what_loading_in_time_knows(steps in steps()) {
        let (mut day, mut mark) = (FIRST, 0);
        let (mut model, mut shelf) = (Shelf::new(), Shelf::new());
        let mut calls = [Vec::new(), Vec::new(), Vec::new()];
        for (place, step) in steps.iter().enumerate() {
            day = day.saturating_add(step.days.days());
            let is_loaded = step.is_loaded || place + 1 == steps.len();
            // Each says something other than the one before it: loaded in its time it makes a version.
            mark += 1;
            let list = publication(step, day, mark);
            model.load(&list, &noon(day));
            if is_loaded {
                shelf.load(&list, &noon(day));
            } else {
                // In no order.
                calls[usize::from(step.call)].insert(0, list);
            }
        }
        for lists in calls {
            let before = shelf.book.state().clone();
            shelf.backfill(lists, "2026-01-01T00:00:00Z").unwrap();
            let after = shelf.book.state();
            prop_assert_eq!(&after.check, &before.check);
            prop_assert_eq!(after.version.published, before.version.published);
            let standing = |state: &ListState| {
                let rows = state.rows.iter().filter(|row| row.is_listed());
                rows.map(|row| (row.key.clone(), row.facts.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(standing(after), standing(&before));
        }
        let (state, expected) = (shelf.book.state(), model.book.state());
        let dates = |state: &ListState| {
            let rows = state.rows.iter();
            rows.map(|row| (row.key.clone(), row.periods.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(dates(state), dates(expected));
        prop_assert_eq!(state.version.first_published, expected.version.first_published);
        prop_assert_eq!(&state.version.uncovered, &expected.version.uncovered);
        for (row, model) in state.rows.iter().zip(expected.rows.iter()) {
            prop_assert_eq!(state.unlisted_until(row), expected.unlisted_until(model));
            for (standing, model) in row.periods.iter().zip(&model.periods) {
                prop_assert_eq!(state.listed_from(standing), expected.listed_from(model));
            }
        }
        prop_assert_eq!(shelf.told(), model.told());
    }
}

const NEW_YEAR: &str = "2026-01-01T00:00:00Z";

/// A list of which `a` and `b` were published on 2025-06-01 and stand.
fn shelf() -> Shelf {
    let mut shelf = Shelf::new();
    shelf.load(&list(Some("2025-06-01"), &["a", "b"]), "2025-06-02T00:00:00Z");
    shelf
}

fn periods(shelf: &Shelf, name: &str) -> Vec<String> {
    let rows = &shelf.book.state().rows;
    let row = rows.iter().find(|row| row.key == key(name)).unwrap();
    let day = |day: Option<Date>| day.map_or_else(String::new, |day| day.to_string());
    let text = |it: &ListingPeriod| format!("{}..{} {:?}", day(it.from), day(it.until), it.basis);
    row.periods.iter().map(text).collect()
}

#[test]
fn refused_files_change_nothing() {
    let mut shelf = shelf();
    shelf.load(&list(Some("2025-07-01"), &["a", "c"]), "2025-07-01T12:00:00Z");
    let before = shelf.book.state().clone();
    let older = || list(Some("2025-05-01"), &["a"]);
    for (lists, expected) in [
        (vec![older(), list(None, &["a"])], "1.csv: the file does not state its publication day"),
        (vec![older(), list(Some("2025-05-02"), &[])], "1.csv: none of its 0 rows is an address"),
        (vec![list(Some("2025-05-02"), &["not one"])], "none of its 1 rows is an address"),
        (vec![older(), list(Some("2025-07-02"), &["a"])], "stands as of 2025-07-01: only older"),
        (vec![older(), list(Some("2025-05-01"), &["b"])], "of 2025-05-01 with other rows is known"),
        (vec![list(Some("2025-06-01"), &["a"])], "other rows is known (version 1 of the list)"),
    ] {
        let error = shelf.backfill(lists, NEW_YEAR).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(*shelf.book.state(), before);
    }
}

#[test]
fn a_file_that_is_known_already_makes_no_version() {
    let mut shelf = shelf();
    let file = || list(Some("2025-05-01"), &["a"]);
    let done = shelf.backfill(vec![file(), file()], NEW_YEAR).unwrap();
    assert_eq!(done.files.iter().map(|file| file.was_known).collect::<Vec<_>>(), [false, true]);
    let done = shelf.backfill(vec![file(), list(Some("2025-06-01"), &["a", "b"])], NEW_YEAR);
    assert_eq!(done.unwrap().state, None);
    assert_eq!(periods(&shelf, "b"), ["2025-06-01.. FirstSeen"]);
    assert_eq!(periods(&shelf, "a"), ["2020-01-01.. PartyDate"]);
}

#[test]
fn a_file_between_a_publication_and_a_later_one_that_said_the_same() {
    let mut shelf = shelf();
    // Published anew without a change: no version, but a look.
    shelf.load(&list(Some("2025-08-01"), &["a", "b"]), "2025-08-01T12:00:00Z");
    shelf.backfill(vec![list(Some("2025-07-01"), &["a", "c"])], NEW_YEAR).unwrap();
    assert_eq!(periods(&shelf, "a"), ["2020-01-01.. PartyDate"]);
    assert_eq!(
        periods(&shelf, "b"),
        ["2020-01-01..2025-07-01 PartyDate", "2025-08-01.. FirstSeen"]
    );
    assert_eq!(periods(&shelf, "c"), ["2025-07-01..2025-08-01 FirstSeen"]);
    let gaps = &shelf.book.state().version.uncovered;
    let spans: Vec<_> = gaps.iter().map(|gap| format!("{} {}", gap.from, gap.until)).collect();
    assert_eq!(spans, ["2025-06-01T00:00:00Z 2025-07-01", "2025-07-01T00:00:00Z 2025-08-01"]);
}

fn gaps(shelf: &Shelf) -> Vec<String> {
    let gaps = &shelf.book.state().version.uncovered;
    gaps.iter().map(|gap| format!("{} {}", &gap.from.to_string()[..10], gap.until)).collect()
}

#[test]
fn a_file_that_says_what_its_neighbour_said_closes_no_gap() {
    let mut shelf = shelf();
    shelf.load(&list(Some("2025-07-01"), &["a", "c"]), "2025-07-01T12:00:00Z");
    let lists = vec![list(Some("2025-06-15"), &["a", "c"]), list(Some("2025-01-01"), &["a", "b"])];
    shelf.backfill(lists, NEW_YEAR).unwrap();
    let spans = ["2025-01-01 2025-06-01", "2025-06-01 2025-06-15", "2025-06-15 2025-07-01"];
    assert_eq!(gaps(&shelf), spans);
}

#[test]
fn days_after_a_publication_without_a_day_are_days_on_which_nobody_looked() {
    let mut shelf = Shelf::new();
    shelf.load(&list(None, &["a"]), "2025-06-01T12:00:00Z");
    shelf.load(&list(Some("2025-07-01"), &["a", "b"]), "2025-07-01T12:00:00Z");
    shelf.backfill(vec![list(Some("2025-05-01"), &["a", "c"])], NEW_YEAR).unwrap();
    assert_eq!(gaps(&shelf), ["2025-05-01 2025-06-01", "2025-06-01 2025-07-01"]);
}

#[test]
fn a_file_does_not_contradict_what_the_source_said_when_it_was_looked_at() {
    let mut shelf = shelf();
    shelf.book.source = Some(SourceFingerprint::default());
    shelf.load(&list(Some("2025-06-01"), &["a", "b"]), "2025-07-01T08:00:00Z");
    shelf.load(&list(Some("2025-07-01"), &["a"]), "2025-07-01T12:00:00Z");
    let of = |day: &str| vec![list(Some(day), &["a", "c"])];
    let error = shelf.backfill(of("2025-06-20"), NEW_YEAR).unwrap_err().to_string();
    assert!(error.contains("was looked at later"), "{error}");
    // What was published on the day before may not have been seen yet.
    shelf.backfill(of("2025-06-30"), NEW_YEAR).unwrap();
}

#[test]
fn two_files_of_one_day_with_other_dates_are_refused() {
    let mut shelf = shelf();
    let other = |date: Option<&str>| {
        let mut list = list(Some("2025-05-01"), &["a"]);
        list.rows[0].1.listed_on = date.map(day);
        list
    };
    let error = shelf.backfill(vec![other(None), other(Some("2025-04-01"))], NEW_YEAR).unwrap_err();
    assert!(matches!(error, BackfillRefused::SameDay { .. }), "{error}");
}

#[test]
fn a_removal_that_waits_goes_on_waiting() {
    let mut shelf = shelf();
    shelf.book.gates.max_shrink = 0.25;
    shelf.load(&list(Some("2025-07-01"), &["a"]), "2025-07-01T12:00:00Z");
    shelf.backfill(vec![list(Some("2025-06-15"), &["a", "b", "c"])], NEW_YEAR).unwrap();
    let state = shelf.book.state();
    let row = state.rows.iter().find(|row| row.key == key("b")).unwrap();
    assert_eq!(row.removal_pending_since, Some(at("2025-07-01T12:00:00Z")));
    assert_eq!(state.version.counts.removals_pending, 1);
    let told: Vec<_> = shelf.told().into_iter().map(|(day, change)| (day, change.kind)).collect();
    assert!(told.contains(&(day("2025-07-01"), ChangeKind::RemovalPending)), "{told:?}");
    // Confirmed by the same publication, as without the backfill.
    shelf.book.gates.max_shrink = 100.0;
    shelf.load(&list(Some("2025-07-01"), &["a"]), "2025-07-03T12:00:00Z");
    assert_eq!(periods(&shelf, "b"), ["2020-01-01..2025-07-01 PartyDate"]);
}

#[test]
fn what_an_import_past_the_gate_of_age_did_stays() {
    let mut shelf = shelf();
    shelf.book.force = Some(Force::all("an old file"));
    shelf.book.force.as_mut().unwrap().gates.remove(&Gate::Shrink);
    shelf.load(&list(Some("2025-03-01"), &["a", "b", "d"]), "2025-06-05T12:00:00Z");
    shelf.book.force = None;
    assert_eq!(periods(&shelf, "d"), ["2025-03-01.. FirstSeen"]);
    shelf.backfill(vec![list(Some("2025-05-01"), &["a", "c"])], NEW_YEAR).unwrap();
    assert_eq!(periods(&shelf, "a"), ["2020-01-01.. PartyDate"]);
    assert_eq!(periods(&shelf, "b"), ["2025-06-01.. FirstSeen"]);
    assert_eq!(periods(&shelf, "c"), ["2020-01-01..2025-06-01 PartyDate"]);
    assert_eq!(periods(&shelf, "d"), ["2025-03-01.. FirstSeen"]);
}

#[test]
fn a_start_whose_change_is_not_recorded_stays() {
    let mut shelf = shelf();
    let mut later = list(Some("2025-07-01"), &["a", "b"]);
    later.rows[0].1.listed_on = Some(day("2019-01-01"));
    shelf.load(&later, "2025-07-01T12:00:00Z");
    later.published = Some(day("2025-08-01"));
    later.rows[0].1.listed_on = Some(day("2019-05-05"));
    shelf.load(&later, "2025-08-01T12:00:00Z");
    assert_eq!(periods(&shelf, "a"), ["2019-01-01.. AddressDate"]);
    // As schema 4 kept it.
    for (_, change) in shelf.changes.iter_mut().flatten() {
        change.fields.clear();
    }
    shelf.backfill(vec![list(Some("2025-05-01"), &["c"])], NEW_YEAR).unwrap();
    assert_eq!(periods(&shelf, "a"), ["2019-01-01.. AddressDate"]);
    assert_eq!(periods(&shelf, "b"), ["2025-06-01.. FirstSeen"]);
}

#[test]
fn what_a_file_lacks_is_counted_and_the_force_of_what_stands_is_kept() {
    let mut shelf = shelf();
    shelf.book.force = Some(Force::all("why"));
    shelf.load(&list(Some("2025-07-01"), &["a", "b", "c"]), "2025-07-01T12:00:00Z");
    let lists = vec![list(Some("2025-05-01"), &["a"]), list(Some("2025-06-15"), &["a", "d"])];
    let done = shelf.backfill(lists, NEW_YEAR).unwrap();
    let lacks: Vec<_> = done.files.iter().map(|file| (file.lacks, file.next_rows)).collect();
    assert_eq!(lacks, [(1, 2), (2, 3)]);
    let version = &shelf.book.state().version;
    assert_eq!(version.force_reason, "");
    assert!(version.rows_force_reason().ends_with("shrink: why"));
}

#[test]
fn the_same_file_is_known_while_removals_wait() {
    let mut shelf = shelf();
    shelf.book.gates.max_shrink = 0.25;
    shelf.load(&list(Some("2025-07-01"), &["a"]), "2025-07-01T12:00:00Z");
    let done = shelf.backfill(vec![list(Some("2025-07-01"), &["a"])], NEW_YEAR).unwrap();
    assert_eq!((done.files[0].was_known, done.state), (true, None));
}

#[test]
fn a_list_that_became_tags_is_dated_by_what_it_was() {
    let mut shelf = shelf();
    shelf.book.kind = ListKind::Attribution;
    shelf.book.force = Some(Force::all("kind"));
    shelf.load(&list(Some("2025-07-01"), &["a", "b"]), "2025-07-01T12:00:00Z");
    shelf.backfill(vec![list(Some("2025-05-01"), &["b"])], NEW_YEAR).unwrap();
    assert_eq!(periods(&shelf, "a"), ["2025-06-01.. FirstSeen"]);
    assert_eq!(periods(&shelf, "b"), ["2020-01-01.. PartyDate"]);
}
