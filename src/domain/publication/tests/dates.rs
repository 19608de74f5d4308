//! Since when a row stands, and how surely.

use super::*;

#[test]
fn first_load_dates_rows_by_party_later_ones_by_publication() {
    let mut book = Book::new();
    let changes = book.take(&list(Some("2025-01-01"), &["b", "a"]), NOW);
    assert_eq!(changes, ["Added a", "Added b"]);
    assert_eq!(book.periods("a"), ["2020-01-01.. PartyDate"]);
    assert_eq!(book.take(&list(Some("2025-02-01"), &["a", "b", "c"]), NOW), ["Added c"]);
    assert_eq!(book.periods("c"), ["2025-02-01.. FirstSeen"]);
    let version = &book.state().version;
    assert_eq!(version.first_published, Some(day("2025-01-01")));
    assert_eq!(version.published, Some(day("2025-02-01")));
    // Without a date the publication counts from the day of loading.
    assert_eq!(book.take(&list(None, &["a", "b", "c", "d"]), NOW), ["Added d"]);
    assert_eq!(book.periods("d"), ["2025-06-01.. FirstSeen"]);
}

#[test]
fn a_start_is_never_made_up() {
    let mut undated = list(Some("2025-01-01"), &["a"]);
    undated.parties.clear();
    let mut late = list(Some("2025-01-01"), &["a"]);
    late.parties[0].listed_on = vec![day("2025-01-02")];
    for incoming in [undated, late] {
        let mut book = Book::new();
        book.take(&incoming, NOW);
        assert_eq!(book.periods("a"), [".. Unknown"]);
        assert!(book.row("a").periods[0].covers(day("1970-01-01")));
    }
}

#[test]
fn address_dates_are_followed_where_they_can_be_believed() {
    let dated = |on: Option<&str>| {
        let mut incoming = list(Some("2025-01-01"), &["a"]);
        incoming.rows[0].1.listed_on = on.map(day);
        incoming
    };
    let mut book = Book::new();
    book.take(&dated(Some("2024-05-05")), NOW);
    assert_eq!(book.periods("a"), ["2024-05-05.. AddressDate"]);
    for (on, want) in [
        (Some("2024-04-04"), "2024-04-04.. AddressDate"),
        (Some("2026-01-01"), "2024-04-04.. AddressDate"), // after the publication
        (None, "2024-04-04.. AddressDate"),               // withdrawn
        (Some("2024-06-06"), "2024-04-04.. AddressDate"), // it stood before
        (Some("2024-02-02"), "2024-02-02.. AddressDate"),
    ] {
        assert_eq!(book.take(&dated(on), NOW), ["Updated a"], "{on:?}");
        assert_eq!(book.periods("a"), [want], "{on:?}");
    }
}

#[test]
fn tags_count_from_their_publication_or_from_the_day_of_loading() {
    for (published, want) in [(Some("2025-01-01"), "2025-01-01"), (None, "2025-06-01")] {
        for kind in [ListKind::Attribution, ListKind::Service] {
            let mut book = Book { kind, ..Book::new() };
            book.take(&list(published, &["a"]), NOW);
            assert_eq!(book.periods("a"), [format!("{want}.. FirstSeen")]);
        }
    }
}

#[test]
fn a_new_date_is_not_after_a_day_on_which_the_address_stood() {
    let mut book = Book::new();
    let mut incoming = list(Some("2025-01-01"), &["a"]);
    book.take(&incoming, NOW);
    incoming.published = Some(day("2025-02-01"));
    incoming.rows.push((key("b"), RowFacts::default()));
    book.take(&incoming, NOW);
    incoming.published = Some(day("2025-03-01"));
    let mut dated = |book: &mut Book, on: &str| {
        incoming.rows.iter_mut().for_each(|(_, facts)| facts.listed_on = Some(day(on)));
        book.take(&incoming, NOW);
        [book.periods("a").remove(0), book.periods("b").remove(0)]
    };
    let want = ["2020-01-01.. PartyDate", "2025-02-01.. FirstSeen"];
    assert_eq!(dated(&mut book, "2025-02-02"), want);
    let want = ["2020-01-01.. PartyDate", "2025-01-15.. AddressDate"];
    assert_eq!(dated(&mut book, "2025-01-15"), want);
    let want = ["2022-04-14.. AddressDate", "2022-04-14.. AddressDate"];
    assert_eq!(dated(&mut book, "2022-04-14"), want);
}

#[test]
fn a_new_date_is_not_followed_where_nobody_knows_when_the_address_stood_first() {
    let mut book = Book::new();
    let mut incoming = list(None, &["a"]);
    book.take(&incoming, "2025-01-01T00:00:00Z");
    incoming.published = Some(day("2025-06-30"));
    incoming.rows[0].1.listed_on = Some(day("2025-06-15"));
    book.take(&incoming, "2025-06-30T00:00:00Z");
    assert_eq!(book.periods("a"), ["2020-01-01.. PartyDate"]);
}

#[test]
fn a_row_was_listed_between_the_last_look_without_it_and_the_first_publication_with_it() {
    let moments = |book: &Book, name: &str| {
        let row = book.row(name);
        let standing = row.periods.last().unwrap();
        let text = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.to_string());
        let state = book.state();
        let until = text(state.unlisted_until(row));
        format!("{until} {}", text(state.listed_from(standing)))
    };
    let mut book = Book::new();
    book.take(&list(Some("2025-01-01"), &["a"]), NOW);
    // The party's day, and the first publication.
    assert_eq!(moments(&book, "a"), "2020-01-01T00:00:00Z 2025-01-01T00:00:00Z");
    book.source = Some(SourceFingerprint::default());
    book.take(&list(Some("2025-02-01"), &["a", "b"]), "2025-02-03T10:00:00Z");
    assert_eq!(moments(&book, "b"), "2025-01-01T00:00:00Z 2025-02-01T00:00:00Z");
    // Looked at on the third, and on no day after it.
    book.take(&list(Some("2025-04-01"), &["a", "b", "c"]), "2025-04-01T10:00:00Z");
    assert_eq!(moments(&book, "c"), "2025-02-03T10:00:00Z 2025-04-01T00:00:00Z");
    // Two publications of one day are not told apart.
    book.take(&list(Some("2025-04-01"), &["a", "b", "c", "d"]), "2025-04-01T11:00:00Z");
    assert_eq!(moments(&book, "d"), moments(&book, "c"));
    // Looked at on the very day on which it was published.
    book.take(&list(Some("2025-04-01"), &["a", "b", "c", "d"]), "2025-04-02T09:00:00Z");
    book.take(&list(Some("2025-04-02"), &["a", "b", "c", "d", "x"]), "2025-04-02T10:00:00Z");
    assert_eq!(moments(&book, "x"), "2025-04-02T00:00:00Z 2025-04-02T00:00:00Z");
    // The party itself is listed later than that.
    let mut late = list(Some("2025-05-05"), &["a", "b", "c", "d", "e", "x"]);
    late.parties[0].listed_on = vec![day("2025-05-01")];
    book.take(&late, "2025-05-06T10:00:00Z");
    assert_eq!(moments(&book, "e"), "2025-05-01T00:00:00Z 2025-05-05T00:00:00Z");
    // A day of the party after the address was seen says nothing of it.
    let mut later = late.clone();
    later.published = Some(day("2025-05-06"));
    later.parties[0].listed_on = vec![day("2025-05-20")];
    later.rows.push((key("y"), RowFacts::default()));
    let mut other = Book::new();
    other.take(&late, "2025-05-05T10:00:00Z");
    other.take(&later, "2025-05-06T10:00:00Z");
    assert_eq!(moments(&other, "y"), "2025-05-05T00:00:00Z 2025-05-06T00:00:00Z");
    // The address's own day.
    let mut dated = late.clone();
    dated.published = Some(day("2025-05-06"));
    dated.rows[0].1.listed_on = Some(day("2022-04-14"));
    book.take(&dated, "2025-05-06T11:00:00Z");
    assert_eq!(moments(&book, "a"), "2022-04-14T00:00:00Z 2022-04-14T00:00:00Z");

    // Dropped and back: when it stood in between is not told apart.
    let mut book = Book::new();
    let all: Vec<String> = (0..8).map(|n| format!("r{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    book.take(&list(Some("2025-01-01"), &all), NOW);
    book.take(&list(Some("2025-02-01"), &all[1..]), NOW);
    book.take(&list(Some("2025-03-01"), &all), NOW);
    assert_eq!(moments(&book, "r0"), "2020-01-01T00:00:00Z 2025-03-01T00:00:00Z");
    // The party's day is corrected.
    let mut corrected = list(Some("2025-04-01"), &all);
    corrected.parties[0].listed_on = vec![day("2018-01-01")];
    book.take(&corrected, NOW);
    assert_eq!(moments(&book, "r1"), "2018-01-01T00:00:00Z 2025-01-01T00:00:00Z");

    // An older publication, by force: before it nobody looked, and between nobody did either.
    let mut book = Book::new();
    book.take(&list(Some("2021-01-01"), &["a"]), NOW);
    book.take(&list(Some("2024-01-01"), &["a", "b"]), NOW);
    let reason = "for the history".to_owned();
    book.force = Some(Force { gates: [Gate::Older].into(), reason });
    book.take(&list(Some("2022-06-01"), &["a", "b", "c"]), NOW);
    assert_eq!(moments(&book, "c"), "2021-01-01T00:00:00Z 2022-06-01T00:00:00Z");
    book.take(&list(Some("2020-06-01"), &["a", "b", "c", "d"]), NOW);
    assert_eq!(moments(&book, "d"), "2020-01-01T00:00:00Z 2020-06-01T00:00:00Z");

    // Where no publication before has a day, nothing is known of when it was without the row.
    let mut book = Book::new();
    book.take(&list(None, &["a"]), "2025-01-01T10:00:00Z");
    assert_eq!(moments(&book, "a"), "2020-01-01T00:00:00Z -");
    book.take(&list(Some("2025-02-01"), &["a", "b"]), "2025-02-01T10:00:00Z");
    assert_eq!(moments(&book, "b"), "2020-01-01T00:00:00Z 2025-02-01T00:00:00Z");
}
