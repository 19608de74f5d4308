//! What the sanity gates let pass, hold back and refuse.

use super::*;

#[test]
fn additions_do_not_let_a_pending_removal_slip_through_the_gate() {
    let mut book = Book::new();
    book.take(&list(None, &["a", "b", "c"]), "2025-01-01T00:00:00Z");
    book.take(&list(None, &["a", "b", "d", "e", "f"]), "2025-01-01T01:00:00Z");
    assert!(book.row("c").removal_pending_since.is_some());
    let more = list(None, &["a", "b", "d", "e", "f", "g"]);
    assert_eq!(book.take(&more, "2025-01-01T02:00:00Z"), ["Added g"]);
    assert!(book.row("c").is_listed());
}

#[test]
fn the_gate_lets_its_own_limit_pass_and_nothing_if_it_is_no_number() {
    for (max_shrink, want) in [
        (0.25, "Removed d"),
        (0.249, "RemovalPending d"),
        (0.0, "RemovalPending d"),
        (1.0, "Removed d"),
        (f64::NAN, "RemovalPending d"),
    ] {
        let mut book = Book::new();
        book.gates.max_shrink = max_shrink;
        book.take(&list(None, &["a", "b", "c", "d"]), NOW);
        assert_eq!(book.take(&list(None, &["a", "b", "c"]), NOW), [want], "{max_shrink}");
    }
}

#[test]
fn gates_refuse_and_a_reason_overrides() {
    let empty = list(Some("2025-02-02"), &[]);
    let older = list(Some("2025-01-31"), &["a"]);
    let future = list(Some("2025-06-03"), &["a"]);
    let other = list(Some("2025-02-01"), &["a"]);
    let table: [(&ReadList, ListKind, Gate, &str); 4] = [
        (
            &empty,
            ListKind::Sanctions,
            Gate::Empty,
            "list test: the publication is empty and was rejected: allow empty publications, or force the gate `empty`",
        ),
        (
            &older,
            ListKind::Sanctions,
            Gate::Older,
            "list test: the publication of 2025-01-31 is older than that of 2025-02-01, which is loaded",
        ),
        (
            &future,
            ListKind::Sanctions,
            Gate::Older,
            "list test: the publication is dated 2025-06-03, but today is 2025-06-01",
        ),
        (
            &other,
            ListKind::Advisory,
            Gate::Kind,
            "list test: the list is of kind SANCTIONS, not ADVISORY",
        ),
    ];
    for (incoming, kind, gate, want) in table {
        let mut book = Book::new();
        book.take(&list(Some("2025-02-01"), &["a"]), NOW);
        book.kind = kind;
        let before = book.state().clone();
        let others = Gate::ALL.into_iter().filter(|other| *other != gate).collect();
        let others = Force { reason: "of other gates".to_owned(), gates: others };
        for blank in [None, Some(Force::all("")), Some(Force::all("  ")), Some(others)] {
            book.force = blank;
            assert_eq!(book.apply(incoming, NOW).unwrap_err().to_string(), want);
        }
        assert_eq!(*book.state(), before);
        let reason = "the operator knows".to_owned();
        book.force = Some(Force { reason, gates: [gate].into() });
        if *incoming == future {
            assert_eq!(book.apply(incoming, NOW).unwrap_err().to_string(), want);
            continue;
        }
        book.take(incoming, NOW);
        let version = &book.state().version;
        if *incoming == older {
            // The same rows: only the look at the list is new, and the latest day stays.
            assert_eq!(book.state().check.published, Some(day("2025-02-01")));
        } else {
            assert!(version.force_reason.ends_with(": the operator knows"), "{want}");
            assert_eq!(version.kind, kind);
        }
    }
    // Nothing loaded yet: an empty publication is refused too, unless the list may be empty.
    let mut book = Book::new();
    assert!(matches!(book.apply(&empty, NOW), Err(Refused::Empty { .. })));
    book.gates.allow_empty = true;
    assert_eq!(book.take(&empty, NOW), Vec::<String>::new());
    assert_eq!(book.state().version.version, 1);
}

#[test]
fn forced_removals_go_at_once() {
    let mut book = Book::new();
    book.take(&list(Some("2025-02-01"), &["a", "b", "c"]), NOW);
    book.take(&list(Some("2025-02-02"), &["a", "d"]), NOW);
    assert!(book.row("b").removal_pending_since.is_some());
    book.force = Some(Force::all("confirmed by telephone"));
    // Even the unchanged file.
    let changes = book.take(&list(Some("2025-02-02"), &["a", "d"]), NOW);
    assert_eq!(changes, ["Removed b", "Removed c"]);
    // What an older one lacks stood until today: no standing ends in the past.
    assert_eq!(book.take(&list(Some("2025-01-15"), &["a"]), NOW), ["Removed d"]);
    assert_eq!(book.periods("d"), ["2025-02-02..2025-06-01 FirstSeen"]);
    assert_eq!(book.state().check.published, Some(day("2025-01-15")));
    assert_eq!(book.take(&list(Some("2025-02-03"), &[]), NOW), ["Removed a"]);
}
