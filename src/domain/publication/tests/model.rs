//! The slow, obvious model: a table of which row stood on which day, filled day by day.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// Days that the gate looks back.
const WINDOW: i64 = 5;
const FIRST: Date = Date::constant(2025, 1, 1);

/// One publication of a random history.
#[derive(Clone, Debug)]
struct Step {
    /// Days since the step before; its publication day is its loading day.
    days: i64,
    /// Which of [`NAMES`] it has.
    rows: Vec<bool>,
    forced: bool,
    order: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1..3_i64, prop::collection::vec(prop::bool::weighted(0.7), NAMES.len()))
        .prop_flat_map(|(days, rows)| {
            (Just(days), Just(rows), prop::bool::weighted(0.1), any::<u64>())
        })
        .prop_map(|(days, rows, forced, order)| Step { days, rows, forced, order });
    prop::collection::vec(step, 1..12)
}

/// What the model knows of a row.
#[derive(Default)]
struct Known {
    stands: bool,
    pending: Option<i64>,
    /// Days (since [`FIRST`]) on which it stood.
    stood: BTreeSet<i64>,
    ever: bool,
    /// The day on which it first came.
    came: i64,
    /// The day on which it was last removed without force.
    gone: Option<i64>,
}

/// Whether, of the rows of each version that was in force in the window before `today` and of those
/// that stand now, a quarter at most is gone once `missing` are. `marks` are the days of versions,
/// since the last forced removal, with how many rows stood.
fn is_within(known: &[Known], missing: &[bool], marks: &[(i64, usize)], today: i64) -> bool {
    let in_force_until = |place: usize| marks.get(place + 1).map_or(i64::MAX, |next| next.0);
    let within = |day: i64, stood: usize| {
        let gone = known.iter().zip(missing).filter(|(row, missing)| {
            let is_gone =
                if row.stands { **missing } else { row.gone.is_some_and(|gone| gone > day) };
            is_gone && row.ever && row.came <= day
        });
        gone.count() * 4 <= stood
    };
    let in_window =
        marks.iter().enumerate().filter(|(place, _)| in_force_until(*place) > today - WINDOW);
    in_window.into_iter().all(|(_, (day, stood))| within(*day, *stood))
}

/// Tells the whole history anew, day by day: on each day first the publications of that day, then
/// a mark for each row that stands.
fn tell(steps: &[Step], last_day: i64) -> Vec<Known> {
    let mut known: Vec<Known> = NAMES.iter().map(|_| Known::default()).collect();
    let mut loaded: Option<&[bool]> = None;
    let mut marks: Vec<(i64, usize)> = Vec::new();
    for today in 0..=last_day {
        let mut when = 0;
        for step in steps {
            when += step.days;
            let believed = step.forced || step.rows.contains(&true);
            if when != today || !believed {
                continue;
            }
            let missing: Vec<bool> =
                (0..NAMES.len()).map(|n| known[n].stands && !step.rows[n]).collect();
            let within = is_within(&known, &missing, &marks, today);
            let same = loaded == Some(&step.rows[..]);
            let mut is_removal_forced = false;
            for (row, present) in known.iter_mut().zip(&step.rows) {
                if *present {
                    // In the first publication it counts from ever.
                    if loaded.is_none() {
                        row.stood.extend(-10..today);
                    }
                    row.came = if row.ever { row.came } else { today };
                    (row.stands, row.ever, row.pending) = (true, true, None);
                } else if row.stands {
                    let at_once = row.pending.is_none() && within;
                    // The very same rows again, at least a day later.
                    let confirmed =
                        same && within && row.pending.is_some_and(|since| today > since);
                    if step.forced || at_once || confirmed {
                        (row.stands, row.pending) = (false, None);
                        row.gone = Some(today).filter(|_| !step.forced);
                        is_removal_forced |= step.forced;
                    } else {
                        row.pending = row.pending.filter(|_| same).or(Some(today));
                    }
                }
            }
            loaded = Some(&step.rows);
            let standing = known.iter().filter(|row| row.stands).count();
            if is_removal_forced {
                marks.clear();
                known.iter_mut().for_each(|row| row.gone = None);
            }
            marks.push((today, standing));
        }
        for row in known.iter_mut().filter(|row| row.stands) {
            row.stood.insert(today);
        }
    }
    known
}

fn incoming(step: &Step, day: Date) -> ReadList {
    let names: Vec<&str> =
        NAMES.iter().zip(&step.rows).filter(|(_, has)| **has).map(|(name, _)| *name).collect();
    let mut incoming = list(None, &names);
    incoming.published = Some(day);
    incoming.parties[0].listed_on.clear();
    // Any order will do.
    let by = step.order as usize;
    if !incoming.rows.is_empty() {
        let middle = by % incoming.rows.len();
        incoming.rows.rotate_left(middle);
    }
    if by.is_multiple_of(2) {
        incoming.rows.reverse();
    }
    incoming
}

fn plus(days: i64) -> Date {
    FIRST.saturating_add(days.days())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn publications_agree_with_the_day_by_day_table(steps in steps()) {
        let mut book = Book::new();
        book.gates.shrink_window = SignedDuration::from_hours(24 * WINDOW);
        let mut today = 0;
        for step in &steps {
            today += step.days;
            let now = format!("{}T00:00:00Z", plus(today));
            let incoming = incoming(step, plus(today));
            book.force = step.forced.then(|| Force::all("forced"));
            match book.apply(&incoming, &now) {
                Err(refused) => {
                    let expected = matches!(refused, Refused::Empty { .. });
                    prop_assert!(expected && !step.forced, "{}", refused);
                }
                Ok(_) => {
                    book.take(&incoming, &now);
                    // The same file again changes nothing.
                    let again = book.apply(&incoming, &now);
                    let unchanged = matches!(again, Ok(Outcome::Unchanged { .. }));
                    prop_assert!(unchanged, "{:?}", again);
                }
            }
        }
        let known = tell(&steps, today);
        let rows = book.state.as_ref().map_or(&[][..], |state| &state.rows);
        prop_assert_eq!(rows.len(), known.iter().filter(|row| row.ever).count());
        for (name, want) in NAMES.iter().zip(&known).filter(|(_, want)| want.ever) {
            let row = book.row(name);
            prop_assert_eq!(row.is_listed(), want.stands, "{}", name);
            let since = want.pending.map(|days| at(&format!("{}T00:00:00Z", plus(days))));
            prop_assert_eq!(row.removal_pending_since, since, "{}", name);
            for days in -10..=today {
                let stood = row.period_on(plus(days)).is_some();
                prop_assert_eq!(stood, want.stood.contains(&days), "{} on {}", name, plus(days));
            }
            check_shape(&row.periods)?;
        }
    }
}

/// Ascending, without overlap, only the last open, each with a basis that fits.
fn check_shape(periods: &[ListingPeriod]) -> Result<(), TestCaseError> {
    prop_assert!(!periods.is_empty());
    for pair in periods.windows(2) {
        prop_assert!(pair[0].until.is_some() && pair[0].until <= pair[1].from, "{:?}", pair);
        prop_assert_eq!(pair[1].basis, StartBasis::FirstSeen);
    }
    for standing in periods {
        prop_assert_eq!(standing.from.is_none(), standing.basis == StartBasis::Unknown);
        prop_assert!(standing.until.is_none() || standing.from <= standing.until);
    }
    Ok(())
}
