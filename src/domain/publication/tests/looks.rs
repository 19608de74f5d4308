//! Imports that a person declares to be a look at the source.

use super::*;

fn look(moment: &str) -> Option<DeclaredCheck> {
    Some(DeclaredCheck { at: at(moment), by: "anna".to_owned(), declared_at: at(NOW) })
}

/// A list that was read from its source in May and ages by it.
fn checked_in_may() -> Book {
    let mut book = Book::new();
    book.source =
        Some(SourceFingerprint { etag: Some("\"1\"".to_owned()), ..SourceFingerprint::default() });
    book.take(&list(Some("2025-05-01"), &["a"]), "2025-05-20T12:00:00Z");
    (book.source, book.ages_by_source) = (None, true);
    book
}

#[test]
fn a_declared_look_makes_a_list_younger_and_names_who_declared_it() {
    for (rows, outcome) in [(&["a"][..], "unchanged"), (&["a", "b"], "Added b")] {
        let mut book = checked_in_may();
        assert_eq!(book.state().check.declared_check_in_force(), None);
        book.declared = look("2025-05-30T08:00:00Z");
        assert_eq!(book.take(&list(Some("2025-05-29"), rows), NOW), [outcome]);
        let check = &book.state().check;
        assert_eq!(check.fresh_as_of(), Some(at("2025-05-30T08:00:00Z")), "{rows:?}");
        assert_eq!(check.declared_check_in_force(), book.declared.as_ref(), "{rows:?}");
        assert_eq!(check.published, Some(day("2025-05-29")));
        // What the source last answered still stands where nothing is other.
        assert_eq!(check.etag.is_some(), outcome == "unchanged");
    }
}

#[test]
fn the_next_look_at_the_source_supersedes_a_declared_one() {
    let mut book = checked_in_may();
    book.declared = look("2025-05-30T08:00:00Z");
    book.take(&list(Some("2025-05-29"), &["a"]), NOW);
    (book.declared, book.source) = (None, Some(SourceFingerprint::default()));
    assert_eq!(book.take(&list(Some("2025-05-29"), &["a"]), NOW), ["unchanged"]);
    let check = &book.state().check;
    assert_eq!((check.declared.as_ref(), check.succeeded_at), (None, Some(at(NOW))));
}

#[test]
fn another_import_ends_a_declared_look_and_makes_the_list_no_younger() {
    let declared = "2025-05-30T08:00:00Z";
    let mut book = checked_in_may();
    book.declared = look(declared);
    book.take(&list(Some("2025-05-29"), &["a"]), NOW);
    book.declared = None;
    // Nobody looked at the source, and nobody declared anything of this file.
    book.take(&list(Some("2025-06-01"), &["a", "b"]), NOW);
    assert_eq!(book.state().check.fresh_as_of(), Some(at("2025-05-29T00:00:00Z")));
    assert_eq!(book.state().check.declared_check_in_force(), None);
    // The day of publication is no look, and ends what was declared.
    book.ages_by_source = false;
    book.take(&list(Some("2025-06-01"), &["a", "b", "c"]), NOW);
    assert_eq!(book.state().check.declared, None);
    assert_eq!(book.state().check.fresh_as_of(), Some(at("2025-06-01T00:00:00Z")));
}

#[test]
fn a_look_before_the_last_one_is_no_news_of_an_unchanged_list() {
    let mut book = checked_in_may();
    book.declared = look("2025-05-02T08:00:00Z");
    let before = book.state().check.clone();
    assert_eq!(book.take(&list(Some("2025-05-01"), &["a"]), NOW), ["unchanged"]);
    assert_eq!(book.state().check, before);
    // Of other facts it is the only look that there was.
    book.take(&list(Some("2025-05-01"), &["b", "a"]), NOW);
    assert_eq!(book.state().check.fresh_as_of(), Some(at("2025-05-02T08:00:00Z")));
}

#[test]
fn a_list_without_a_source_takes_a_declared_look_too() {
    let mut book = Book::new();
    book.declared = look("2025-05-30T08:00:00Z");
    book.take(&list(None, &["a"]), NOW);
    assert_eq!(book.state().check.fresh_as_of(), Some(at("2025-05-30T08:00:00Z")));
    // The day of publication that is later than the look is what the age counts from.
    book.declared = None;
    assert_eq!(book.take(&list(Some("2025-06-01"), &["a"]), NOW), ["unchanged"]);
    assert_eq!(book.state().check.declared, None);
    assert_eq!(book.state().check.fresh_as_of(), Some(at("2025-06-01T00:00:00Z")));
}

#[test]
fn a_declared_look_stands_for_the_day_of_publication_and_is_named() {
    for (published, rows) in
        [("2025-05-30", &["a"][..]), ("2025-05-30", &["a", "b"]), ("2025-06-02", &["a", "b"])]
    {
        let mut book = checked_in_may();
        book.declared = look("2025-05-30T00:00:00Z");
        book.take(&list(Some(published), rows), NOW);
        let check = &book.state().check;
        assert_eq!(check.fresh_as_of(), Some(at("2025-05-30T00:00:00Z")), "{published} {rows:?}");
        assert_eq!(check.declared_check_in_force(), book.declared.as_ref(), "{published} {rows:?}");
    }
}
