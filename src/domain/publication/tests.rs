//! Publications by example; against a naive model in `model`.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod backfill;
mod dates;
mod erosion;
mod gates;
mod looks;
mod model;
mod quarantine;

use std::collections::BTreeMap;

use super::*;
use crate::domain::list::{ChangeKind, ListingPeriod, RowFacts, RowKey, StartBasis};
use crate::domain::list_change::{ChangedField, FieldChange};

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id() -> ListId {
    "test".parse().unwrap()
}

/// The key of a row that is called `name`: one or two ASCII letters or digits make a proper
/// address, anything else is taken verbatim.
fn key(name: &str) -> RowKey {
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    let address = if name.len() > 2 { name.to_owned() } else { format!("0x{hex:1>40}") };
    RowKey { party_uid: "p".to_owned(), address, ticker: "ETH".to_owned() }
}

/// What the row of an address is called.
fn name_of(address: &str) -> String {
    let digits = address.strip_prefix("0x").map(|digits| digits.trim_start_matches('1'));
    let number = digits.filter(|digits| digits.len() <= 4);
    let number = number.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    number.map_or_else(
        || address.to_owned(),
        |number| {
            let bytes = number.to_be_bytes();
            String::from_utf8_lossy(&bytes).trim_start_matches('\0').to_owned()
        },
    )
}

/// A publication of `rows` under one party that was listed on 2020-01-01.
fn list(published: Option<&str>, rows: &[&str]) -> ReadList {
    ReadList {
        published: published.map(day),
        parties: vec![Party {
            uid: "p".to_owned(),
            name: "Party".to_owned(),
            listed_on: vec![day("2020-01-01"), day("2021-01-01")],
            ..Party::default()
        }],
        rows: rows.iter().map(|name| (key(name), RowFacts::default())).collect(),
        duplicates: 0,
    }
}

/// A list that takes one publication after another.
struct Book {
    state: Option<ListState>,
    gates: Gates,
    force: Option<Force>,
    kind: ListKind,
    source: Option<SourceFingerprint>,
    ages_by_source: bool,
    declared: Option<DeclaredCheck>,
}

impl Book {
    fn new() -> Self {
        let (gates, kind) = (Gates::default(), ListKind::Sanctions);
        let (state, force, source, declared) = (None, None, None, None);
        Self { state, gates, force, kind, source, ages_by_source: false, declared }
    }

    fn apply(&self, incoming: &ReadList, now: &str) -> Result<Outcome, Refused> {
        let context = Context {
            id: &id(),
            kind: self.kind,
            provenance: &Provenance::Starter,
            now: at(now),
            next_version: self.state.as_ref().map_or(1, |state| state.version.version + 1),
            gates: &self.gates,
            force: self.force.as_ref(),
            ages_by_source: self.ages_by_source,
            source: self.source.clone(),
            declared: self.declared.as_ref(),
        };
        apply(self.state.as_ref(), incoming, &context)
    }

    /// The changes as `kind address`; keeps the state.
    fn take(&mut self, incoming: &ReadList, now: &str) -> Vec<String> {
        match self.apply(incoming, now).unwrap() {
            Outcome::Unchanged { check } => {
                self.state.as_mut().unwrap().check = check;
                vec!["unchanged".to_owned()]
            }
            Outcome::Published { state, changes } => {
                assert_eq!(listed_digest(&state), state.version.digest);
                for change in &changes {
                    let goes_on =
                        ![ChangeKind::RemovalPending, ChangeKind::Removed].contains(&change.kind);
                    assert!(change.kind != ChangeKind::Updated || !change.fields.is_empty());
                    assert!(goes_on || change.fields.is_empty(), "{change:?}");
                }
                self.state = Some(state);
                changes
                    .iter()
                    .map(|c| format!("{:?} {}", c.kind, name_of(&c.key.address)))
                    .collect()
            }
        }
    }

    fn state(&self) -> &ListState {
        self.state.as_ref().unwrap()
    }

    fn row(&self, name: &str) -> &Row {
        self.state().rows.iter().find(|row| row.key == key(name)).unwrap()
    }

    /// The periods of a row: `from..until basis`.
    fn periods(&self, name: &str) -> Vec<String> {
        let text = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
        self.row(name)
            .periods
            .iter()
            .map(|s| format!("{}..{} {:?}", text(s.from), text(s.until), s.basis))
            .collect()
    }
}

const NOW: &str = "2025-06-01T12:00:00Z";

#[test]
fn tornado_cash_passes_and_comes_back_with_a_new_standing() {
    let all: Vec<String> = (0..8).map(|n| format!("r{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut book = Book::new();
    book.take(&list(Some("2025-03-04"), &all), NOW);
    let gone = list(Some("2025-03-21"), &all[1..]); // 12.5 %
    assert_eq!(book.take(&gone, NOW), ["Removed r0"]);
    assert_eq!(book.periods("r0"), ["2020-01-01..2025-03-21 PartyDate"]);
    assert_eq!(book.state().version.counts.removed, 1);
    assert!(book.row("r0").periods[0].covers(day("2025-03-20")));
    assert!(!book.row("r0").periods[0].covers(day("2025-03-21")));

    let mut back = list(Some("2025-04-01"), &all);
    back.rows[0].1.listed_on = Some(day("2022-08-08")); // the date of the standing that ended
    assert_eq!(book.take(&back, NOW), ["Added r0"]);
    let want = ["2020-01-01..2025-03-21 PartyDate", "2025-04-01.. FirstSeen"];
    assert_eq!(book.periods("r0"), want);
    back.rows[0].1.listed_on = Some(day("2025-03-30"));
    assert_eq!(book.take(&back, NOW), ["Updated r0"]);
    assert_eq!(book.periods("r0")[1], "2025-03-30.. AddressDate");
}

#[test]
fn a_large_cut_publishes_additions_and_holds_removals() {
    let mut book = Book::new();
    book.take(&list(Some("2025-01-01"), &["a", "b", "c", "d"]), "2025-01-01T00:00:00Z");
    let cut = list(Some("2025-01-02"), &["a", "b", "e"]);
    let changes = book.take(&cut, "2025-01-02T00:00:00Z");
    assert_eq!(changes, ["RemovalPending c", "RemovalPending d", "Added e"]);
    let counts = book.state().version.counts;
    assert_eq!((counts.removals_pending, counts.removed, counts.parties), (2, 0, 1));
    assert!(book.row("c").is_listed());
    assert_eq!(counts.listings + counts.quarantined, 5);

    // Not yet confirmed: nothing new, even one second short.
    assert_eq!(book.take(&cut, "2025-01-02T23:59:59Z"), ["unchanged"]);
    // `d` is back; another list still lacks `c`, which begins to wait anew.
    let back = list(Some("2025-01-02"), &["a", "b", "d", "e"]);
    assert_eq!(book.take(&back, "2025-01-02T23:59:59Z"), ["RemovalCancelled d"]);
    assert_eq!(book.take(&back, "2025-01-03T00:00:00Z"), ["unchanged"]);
    // The same file confirms; the removal counts from its day of publication.
    assert!(removal_due(book.state(), at("2025-01-03T23:59:59Z"), &book.gates));
    assert_eq!(book.take(&back, "2025-01-03T23:59:59Z"), ["Removed c"]);
    assert_eq!(book.periods("c"), ["2020-01-01..2025-01-02 PartyDate"]);
    assert_eq!(book.row("c").removal_pending_since, None);
    assert_eq!(book.take(&back, "2025-02-03T00:00:00Z"), ["unchanged"]);
}

#[test]
fn only_the_very_publication_confirms_its_removals() {
    let mut book = Book::new();
    book.take(&list(None, &["a", "b", "c", "d"]), "2025-01-01T00:00:00Z");
    let cut = list(None, &["a", "b"]);
    let want = ["RemovalPending c", "RemovalPending d"];
    assert_eq!(book.take(&cut, "2025-01-02T00:00:00Z"), want);
    // So that they are within the gate, and the waiting alone is what is tested.
    book.gates.max_shrink = 0.5;
    // Every day another list that lacks them: none of them is seen again.
    let names = ["e", "f", "g"];
    for n in 1..=names.len() {
        let mut other = cut.clone();
        other.rows.extend(names[..n].iter().map(|name| (key(name), RowFacts::default())));
        let now = format!("2025-02-0{n}T00:00:00Z");
        assert_eq!(book.take(&other, &now), [format!("Added {}", names[n - 1])]);
        for name in ["c", "d"] {
            assert!(book.row(name).is_listed());
            assert_eq!(book.row(name).removal_pending_since, Some(at(&now)));
        }
        assert!(!removal_due(book.state(), at(&now), &book.gates));
    }
    let mut last = cut.clone();
    last.rows.extend(names.iter().map(|name| (key(name), RowFacts::default())));
    assert_eq!(book.take(&last, "2025-02-03T23:59:59Z"), ["unchanged"]);
    assert_eq!(book.take(&last, "2025-02-04T00:00:00Z"), ["Removed c", "Removed d"]);
}

#[test]
fn what_nothing_is_understood_of_is_not_believed() {
    let page = list(None, &["Service Unavailable", "Try again later."]);
    let want = "list test: none of the 2 rows is an address, so the publication was rejected: \
                allow empty publications, or force the gate `quarantine`";
    for loaded in [false, true] {
        let mut book = Book::new();
        if loaded {
            book.take(&list(None, &["a"]), NOW);
        }
        let before = book.state.clone();
        assert_eq!(book.apply(&page, NOW).unwrap_err().to_string(), want);
        assert_eq!(book.state, before);
        // One row that is understood is enough, and so is a word of the operator.
        let mut one = page.clone();
        one.rows.push((key("a"), RowFacts::default()));
        assert!(book.apply(&one, NOW).is_ok());
        book.gates.allow_empty = true;
        assert!(book.apply(&page, NOW).is_ok());
        book.gates.allow_empty = false;
        let gates = [Gate::Quarantine].into();
        book.force = Some(Force { reason: "the operator knows".to_owned(), gates });
        assert!(book.apply(&page, NOW).is_ok());
    }
}

#[test]
fn a_publication_of_tomorrow_counts_from_today() {
    let mut book = Book::new();
    book.take(&list(Some("2025-05-31"), &["a", "b", "c", "d"]), NOW);
    let tomorrow = list(Some("2025-06-02"), &["a", "b", "c", "e"]);
    assert_eq!(book.take(&tomorrow, NOW), ["Removed d", "Added e"]);
    assert_eq!(book.periods("e"), ["2025-06-01.. FirstSeen"]);
    assert_eq!(book.periods("d"), ["2020-01-01..2025-06-01 PartyDate"]);
    assert_eq!(book.state().version.published, Some(day("2025-06-02")));
    // A day later is refused, whatever the operator says.
    for force in [None, Some(Force::all("the operator knows"))] {
        book.force = force;
        let refused = book.apply(&list(Some("2025-06-03"), &["a"]), NOW);
        assert!(matches!(refused, Err(Refused::Future { .. })), "{refused:?}");
    }
}

#[test]
fn gaps_lie_between_the_last_moment_and_the_next_day_of_publication() {
    // What the list was published and checked, and what the next publication states.
    let gap = |from: &str, until: &str| vec![UncoveredSpan { from: at(from), until: day(until) }];
    let noon = "2025-03-01T12:00:00Z";
    let table = [
        // Checked at noon of the day, whatever is published that day leaves no gap.
        (Some("2025-02-01"), true, Some("2025-03-01"), vec![]),
        (Some("2025-02-01"), true, Some("2025-03-02"), gap(noon, "2025-03-02")),
        (Some("2025-02-01"), true, Some("2025-05-01"), gap(noon, "2025-05-01")),
        // Undated: it counts from the day of loading.
        (None, true, None, gap(noon, "2025-06-01")),
        // By hand: known on the day of publication, from its beginning.
        (Some("2025-02-01"), false, Some("2025-02-01"), vec![]),
        (Some("2025-02-01"), false, Some("2025-02-02"), gap("2025-02-01T00:00:00Z", "2025-02-02")),
        // Never known to be current: no gap, for it has no beginning.
        (None, false, Some("2025-05-01"), vec![]),
    ];
    for (n, (first, from_source, next, want)) in table.into_iter().enumerate() {
        let mut book = Book::new();
        book.source = from_source.then(SourceFingerprint::default);
        book.take(&list(first, &["a"]), noon);
        assert_eq!(book.state().version.uncovered, []);
        book.take(&list(next, &["a", "b"]), NOW);
        assert_eq!(book.state().version.uncovered, want, "{n}");
        // The next version takes it over and adds its own.
        book.source = None;
        book.take(&list(Some("2025-06-02"), &["a", "b", "c"]), "2025-06-02T12:00:00Z");
        let gaps = &book.state().version.uncovered;
        assert_eq!(gaps[..want.len()], want, "{n}");
        assert_eq!(gaps.len(), want.len() + 1, "{n}");
        assert_eq!(gaps[want.len()].until, day("2025-06-02"), "{n}");
    }
}

#[test]
fn a_look_at_the_source_is_kept_apart_from_an_import() {
    let mark = SourceFingerprint { etag: Some("\"1\"".to_owned()), ..SourceFingerprint::default() };
    let mut book = Book::new();
    book.source = Some(mark.clone());
    book.take(&list(Some("2025-02-01"), &["a"]), NOW);
    let later = "2025-06-02T12:00:00Z";
    assert_eq!(book.take(&list(Some("2025-02-03"), &["a"]), later), ["unchanged"]);
    let check = &book.state().check;
    assert_eq!(check.succeeded_at, Some(at(later)));
    assert_eq!(check.published, Some(day("2025-02-03")));
    assert_eq!(check.etag, mark.etag);
    assert_eq!(book.state().version.published, Some(day("2025-02-01")));
    // Older than the latest seen, though not older than the version.
    let older = book.apply(&list(Some("2025-02-02"), &["a", "b"]), later);
    assert!(matches!(older, Err(Refused::Older { .. })));

    book.source = None;
    assert_eq!(book.take(&list(Some("2025-02-03"), &["a"]), NOW), ["unchanged"]);
    assert_eq!(book.state().check.succeeded_at, Some(at(later)));
    assert_eq!(book.state().check.etag, mark.etag);
    // What stands is no longer what the source last said.
    book.take(&list(Some("2025-02-04"), &["a", "b"]), NOW);
    assert_eq!(book.state().check.etag, None);
    assert_eq!(book.state().check.succeeded_at, None);
    assert_eq!(book.state().check.fresh_as_of(), Some(at("2025-02-04T00:00:00Z")));
    // Of what age is this?
    book.take(&list(None, &["a", "b", "c"]), NOW);
    assert_eq!(book.state().check.succeeded_at, None);
    assert_eq!(book.state().check.published, Some(day("2025-02-04")));
}

#[test]
fn an_import_by_hand_does_not_make_a_list_younger_that_ages_by_its_source() {
    let checked = "2025-05-20T12:00:00Z";
    let fresh = |book: &Book| book.state().check.fresh_as_of();
    let mut book = Book::new();
    book.source =
        Some(SourceFingerprint { etag: Some("\"1\"".to_owned()), ..SourceFingerprint::default() });
    book.take(&list(Some("2025-05-01"), &["a"]), checked);
    assert_eq!(fresh(&book), Some(at(checked)));
    (book.source, book.ages_by_source) = (None, true);
    // The same facts, said to be of today.
    assert_eq!(book.take(&list(Some("2025-06-01"), &["a"]), NOW), ["unchanged"]);
    assert_eq!(fresh(&book), Some(at(checked)));
    // Other facts: the source is read whole next time, and the age stays.
    book.take(&list(Some("2025-06-01"), &["a", "b"]), NOW);
    assert_eq!(fresh(&book), Some(at(checked)));
    assert_eq!(book.state().check.etag, None);
    assert_eq!(book.state().version.published, Some(day("2025-06-01")));
    // Older than what was checked, it makes the list older.
    book.force = Some(Force::all("because"));
    book.take(&list(Some("2025-04-01"), &["a", "b", "c"]), NOW);
    assert_eq!(fresh(&book), Some(at("2025-04-01T00:00:00Z")));
    // Without a day of publication nothing is known that could refresh it.
    book.take(&list(None, &["a", "b", "c", "d"]), NOW);
    assert_eq!(fresh(&book), Some(at("2025-04-01T00:00:00Z")));
    // Vouched for, or read from the source, it does.
    (book.force, book.ages_by_source) = (None, false);
    book.take(&list(Some("2025-06-01"), &["a"]), NOW);
    assert_eq!(fresh(&book), Some(at("2025-06-01T00:00:00Z")));

    // The first version has no age to refresh: it counts from its day.
    let mut first = Book::new();
    first.ages_by_source = true;
    first.take(&list(Some("2025-05-01"), &["a"]), NOW);
    assert_eq!(fresh(&first), Some(at("2025-05-01T00:00:00Z")));
    first.take(&list(Some("2025-05-30"), &["a", "b"]), NOW);
    assert_eq!(fresh(&first), Some(at("2025-05-01T00:00:00Z")));
}

#[test]
fn a_party_that_changes_updates_its_standing_rows() {
    let mut book = Book::new();
    book.take(&list(None, &["a", "b", "c", "d", "e"]), NOW);
    book.take(&list(None, &["a", "b", "c", "d"]), NOW);
    let mut renamed = list(None, &["a", "b", "c", "d"]);
    renamed.parties[0].name = "Other".to_owned();
    let want = ["Updated a", "Updated b", "Updated c", "Updated d"];
    assert_eq!(book.take(&renamed, NOW), want);
    let Outcome::Published { changes, .. } =
        book.apply(&list(None, &["a", "b", "c", "d"]), NOW).unwrap()
    else {
        panic!("the name changed back");
    };
    assert_eq!(changes[0].party_name, "Party");
    let name = FieldChange {
        field: ChangedField::PartyName,
        from: vec!["Other".to_owned()],
        to: vec!["Party".to_owned()],
        omitted: 0,
    };
    assert!(changes.iter().all(|change| change.fields == [name.clone()]), "{changes:?}");
}

#[test]
fn the_digest_says_what_the_facts_say() {
    let mut base = list(Some("2025-01-01"), &["a", "b"]);
    base.rows.iter_mut().zip(["a", "b"]).for_each(|(row, name)| row.0.address = name.to_owned());
    let of = |list: &ReadList| digest(&list.parties, list.rows.iter().map(|(k, f)| (k, f)));
    let mut same = base.clone();
    same.published = None;
    same.rows.reverse();
    same.parties.insert(0, Party { uid: "nobody's".to_owned(), ..Party::default() });
    assert_eq!(of(&same), of(&base));
    let others: [fn(&mut ReadList); 9] = [
        |l| l.rows[0].0.ticker = "XBT".to_owned(),
        |l| l.rows[0].1.category = "x".to_owned(),
        |l| l.rows[0].1.reference = "x".to_owned(),
        |l| l.rows[0].1.listed_on = Some(Date::constant(2020, 1, 1)),
        |l| l.parties[0].name = "Part".to_owned(),
        |l| l.parties[0].party_type = "y".to_owned(),
        |l| l.parties[0].aliases = vec!["DPRK".to_owned()],
        |l| l.parties[0].programs = vec!["DPRK".to_owned()],
        |l| l.parties[0].listed_on.truncate(1),
    ];
    let mut seen: BTreeMap<[u8; 32], usize> = BTreeMap::from([(of(&base), usize::MAX)]);
    for (n, change) in others.into_iter().enumerate() {
        let mut other = base.clone();
        change(&mut other);
        assert_eq!(seen.insert(of(&other), n), None, "change {n}");
    }
    // Fixed, so that a change of the encoding is seen.
    let hex: String = of(&base).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "e431db039fef7317d30a75700680be9568146cee88627637f106cc72ec3b8ce0");
}

#[test]
fn counts_are_of_what_stands() {
    let good = "0x098b716b8aaf21512996dc57eb0615e2383e2f96";
    let mut book = Book::new();
    let mut incoming = list(None, &[good, "not an address", "neither is this", "0x1", "0x2"]);
    incoming.duplicates = 3;
    let mut other = (key(good), RowFacts::default());
    other.0.party_uid = "q".to_owned();
    incoming.rows.push(other);
    book.take(&incoming, NOW);
    incoming.rows.remove(1);
    book.take(&incoming, NOW);
    let want = ListCounts {
        listings: 2,
        quarantined: 3,
        parties: 2,
        removals_pending: 0,
        removed: 1,
        duplicates: 3,
    };
    assert_eq!(book.state().version.counts, want);
}
