//! Rows that are not understood, and rows that are only written otherwise.

use super::*;
use crate::domain::list::NotUnderstood;

const NAMES: [&str; 40] = [
    "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b0", "b1", "b2", "b3", "b4", "b5",
    "b6", "b7", "b8", "b9", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "d0", "d1",
    "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9",
];

/// A publication of rows with these addresses under one party.
fn of(published: &str, addresses: &[String]) -> ReadList {
    let row =
        |address: &String| (RowKey { address: address.clone(), ..key("a0") }, RowFacts::default());
    ReadList { rows: addresses.iter().map(row).collect(), ..list(Some(published), &[]) }
}

fn addresses(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| key(name).address).collect()
}

fn garbage(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("see annex {number}")).collect()
}

#[test]
fn beyond_the_gate_additions_are_published_and_removals_wait_until_the_rows_are_accepted() {
    let mut book = Book::new();
    let first = [addresses(&NAMES[..30]), garbage(10)].concat();
    book.take(&of("2025-01-01", &first), "2025-01-01T12:00:00Z");
    assert_eq!(book.state().version.not_understood, NotUnderstood::default(), "ten are let pass");

    // One address goes, one comes, and two more are not understood.
    let second = [addresses(&NAMES[1..31]), garbage(12)].concat();
    let changes = book.take(&of("2025-01-02", &second), "2025-01-02T12:00:00Z");
    assert!(changes.contains(&"Added d0".to_owned()), "{changes:?}");
    assert!(changes.contains(&"RemovalPending a0".to_owned()), "{changes:?}");
    assert_eq!(book.state().version.not_understood.beyond_gate, 12);
    assert!(!removal_due(book.state(), at("2025-01-09T12:00:00Z"), &book.gates));
    let unchanged = book.take(&of("2025-01-02", &second), "2025-01-09T12:00:00Z");
    assert_eq!(unchanged, ["unchanged"]);

    book.force = Some(Force { reason: "user ids".to_owned(), gates: [Gate::Quarantine].into() });
    let forced = book.take(&of("2025-01-02", &second), "2025-01-09T13:00:00Z");
    assert_eq!(forced, ["Removed a0"]);
    let accepted = &book.state().version.not_understood;
    assert_eq!((accepted.beyond_gate, accepted.accepted.len()), (0, 12));
    assert_eq!(accepted.reason, "user ids");

    // It is remembered for the same rows, and not for others.
    book.force = None;
    let third = [addresses(&NAMES[1..32]), garbage(12)].concat();
    book.take(&of("2025-01-10", &third), "2025-01-10T12:00:00Z");
    assert_eq!(book.state().version.not_understood.beyond_gate, 0);
    let fourth = [addresses(&NAMES[1..32]), garbage(23)].concat();
    book.take(&of("2025-01-11", &fourth), "2025-01-11T12:00:00Z");
    assert_eq!(book.state().version.not_understood.beyond_gate, 11);
}

#[test]
fn a_part_of_a_large_list_may_be_not_understood() {
    let mut book = Book::new();
    book.gates.max_not_understood = 0.4;
    book.take(
        &of("2025-01-01", &[addresses(&NAMES), garbage(20)].concat()),
        "2025-01-01T12:00:00Z",
    );
    assert_eq!(book.state().version.not_understood.beyond_gate, 0);
    book.gates.max_not_understood = 0.3;
    // The gate is narrower now: the same publication says so.
    book.take(
        &of("2025-01-01", &[addresses(&NAMES), garbage(20)].concat()),
        "2025-01-02T12:00:00Z",
    );
    assert_eq!(book.state().version.not_understood.beyond_gate, 20);
}

#[test]
fn a_removal_whose_row_may_be_one_that_is_not_understood_is_none() {
    let mut book = Book::new();
    book.take(&of("2025-01-01", &addresses(&NAMES[..20])), "2025-01-01T12:00:00Z");
    // a3 is garbled, a4 is gone.
    let mut rows = addresses(&NAMES[..20]);
    rows[3] = rows[3].replace("0x1111", "0x1111 1z");
    rows.remove(4);
    let changes = book.take(&of("2025-01-02", &rows), "2025-01-02T12:00:00Z");
    assert!(changes.contains(&"Removed a4".to_owned()), "{changes:?}");
    assert!(changes.contains(&"RemovalPending a3".to_owned()), "{changes:?}");
    // Nor is it confirmed by time.
    assert!(!removal_due(book.state(), at("2025-02-02T12:00:00Z"), &book.gates));
    assert_eq!(book.take(&of("2025-01-02", &rows), "2025-02-02T12:00:00Z"), ["unchanged"]);
    // It comes back as it was.
    let whole: Vec<_> =
        addresses(&NAMES[..20]).into_iter().filter(|it| *it != key("a4").address).collect();
    let changes = book.take(&of("2025-02-03", &whole), "2025-02-03T12:00:00Z");
    assert!(changes.contains(&"RemovalCancelled a3".to_owned()), "{changes:?}");
    assert_eq!(book.periods("a3").len(), 1);
}

#[test]
fn an_address_that_is_written_otherwise_is_the_same_row() {
    let eth = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96".to_owned();
    let segwit = "bc1q4c8n5t00jmj8temxdgcc3t32nkg2wjwz24lywv".to_owned();
    let other = key("a0").address;
    let mut book = Book::new();
    let first = vec![eth.clone(), segwit.clone(), other.clone()];
    book.take(&of("2025-01-01", &first), "2025-01-01T12:00:00Z");
    let second = vec![eth.to_lowercase(), segwit.to_uppercase(), format!("\u{a0}{other}")];
    let context = book.apply(&of("2025-01-02", &second), "2025-01-02T12:00:00Z").unwrap();
    let Outcome::Published { state, changes } = context else { panic!("a new version") };
    assert!(changes.iter().all(|it| it.kind == ChangeKind::Updated), "{changes:?}");
    let fields: Vec<_> = changes.iter().map(|change| change.fields.clone()).collect();
    for (from, to) in first.iter().zip(&second) {
        let change = FieldChange {
            field: ChangedField::Address,
            from: vec![from.clone()],
            to: vec![to.clone()],
            omitted: 0,
        };
        assert!(fields.contains(&vec![change]), "{fields:?}");
    }
    // It stands since when it stood, and what was gone before counts on.
    assert_eq!(state.rows.len(), 3);
    assert!(state.rows.iter().all(|row| row.periods[0].basis == StartBasis::PartyDate));
    book.state = Some(state);
    let third = [&second[..2], &[other]].concat();
    assert_eq!(book.take(&of("2025-01-03", &third), "2025-01-03T12:00:00Z").len(), 1);
    // To another ticker it is another row.
    let mut fourth = of("2025-01-04", &third);
    fourth.rows[0].0.ticker = "BSC".to_owned();
    let changes = book.take(&fourth, "2025-01-04T12:00:00Z");
    assert!(changes.iter().any(|change| change.starts_with("Added")), "{changes:?}");
}

#[test]
fn what_respelt_rows_went_through_before_still_counts_against_the_gate() {
    let eth = |name: &str| key(name).address.replace("0x1", "0xA");
    let all: Vec<_> = NAMES.iter().map(|name| eth(name)).collect();
    let mut book = Book::new();
    book.take(&of("2025-01-01", &all), "2025-01-01T12:00:00Z");
    // Eight of forty go, then all others are rewritten, then eight more go: beyond a quarter.
    book.take(&of("2025-01-02", &all[8..]), "2025-01-02T12:00:00Z");
    let lower: Vec<_> = all[8..].iter().map(|address| address.to_lowercase()).collect();
    let changes = book.take(&of("2025-01-03", &lower), "2025-01-03T12:00:00Z");
    assert!(changes.iter().all(|change| change.starts_with("Updated")), "{changes:?}");
    let changes = book.take(&of("2025-01-04", &lower[8..]), "2025-01-04T12:00:00Z");
    assert!(changes.iter().all(|change| change.starts_with("RemovalPending")), "{changes:?}");
    assert_eq!(changes.len(), 8);
}

#[test]
fn removals_of_a_file_from_another_address_of_the_source_wait() {
    let from = |url: u8| {
        Some(SourceFingerprint { source: Some([url; 32]), ..SourceFingerprint::default() })
    };
    let mut book = Book::new();
    book.source = from(1);
    book.take(&of("2025-01-01", &addresses(&NAMES)), "2025-01-01T12:00:00Z");
    // A mirror has a file of the same day that lacks three rows and has one more.
    book.source = from(2);
    let behind = [addresses(&NAMES[3..]), vec![format!("0x{:040x}", 1_000_000)]].concat();
    let changes = book.take(&of("2025-01-01", &behind), "2025-01-01T13:00:00Z");
    let kinds = |kind: &str| changes.iter().filter(|change| change.starts_with(kind)).count();
    assert_eq!((kinds("Added"), kinds("RemovalPending"), kinds("Removed ")), (1, 3, 0));
    // The source itself has them again.
    book.source = from(1);
    let changes = book.take(&of("2025-01-01", &addresses(&NAMES)), "2025-01-01T14:00:00Z");
    assert_eq!(changes.iter().filter(|it| it.starts_with("RemovalCancelled")).count(), 3);
}

#[test]
fn rows_that_are_much_like_an_unreadable_one_are_held_whatever_their_party() {
    let eth = |n: u32| format!("0x{:040x}", 0xabcd_ef01_2345_6789_u128 * u128::from(n + 77));
    let all: Vec<_> = (0..20).map(eth).collect();
    let mut book = Book::new();
    book.take(&of("2025-01-01", &all), "2025-01-01T12:00:00Z");
    let mut cut = of("2025-01-02", &all[1..]);
    let key = RowKey {
        party_uid: "P2".to_owned(),
        address: all[0][..38].to_owned(),
        ticker: "XBT".to_owned(),
    };
    cut.rows.push((key, RowFacts::default()));
    let changes = book.take(&cut, "2025-01-02T12:00:00Z");
    assert!(changes.iter().any(|it| it.starts_with("RemovalPending")), "{changes:?}");
    // Force of `shrink` alone does not take it, since it may still be listed.
    book.force = Some(Force { reason: "why".to_owned(), gates: [Gate::Shrink].into() });
    book.take(&cut, "2025-01-03T12:00:00Z");
    assert!(book.state().rows.iter().all(Row::is_listed));
    book.force = Some(Force::all("looked at it"));
    assert_eq!(book.take(&cut, "2025-01-03T13:00:00Z").len(), 1);
    assert!(!book.state().rows.iter().all(Row::is_listed));
}

#[test]
fn a_version_that_said_nothing_of_what_is_not_understood_is_judged_anew() {
    let mut book = Book::new();
    let rows = [addresses(&NAMES[..20]), garbage(12)].concat();
    book.take(&of("2025-01-01", &rows), "2025-01-01T12:00:00Z");
    assert!(is_understood_as_published(book.state(), &book.gates));
    // As a program of an older schema left it.
    book.state.as_mut().unwrap().version.not_understood = NotUnderstood::default();
    assert!(!is_understood_as_published(book.state(), &book.gates));
    book.take(&of("2025-01-01", &rows), "2025-01-02T12:00:00Z");
    assert_eq!(book.state().version.not_understood.beyond_gate, 12);
}
