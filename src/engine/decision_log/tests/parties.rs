//! Searches for a party: a page reads 64 leaves here, and eight addresses are followed.

use super::*;

#[test]
fn records_before_the_designation_are_found_by_the_address() {
    let mut desk = Desk::new();
    let mut ids = vec![desk.record(&clean(1))];
    desk.restore(1);
    for other in 100..300 {
        desk.record(&clean(other));
    }
    ids.push(desk.record_as(&listed(1), &clean(1), now()));
    ids.push(desk.record(&listed(1)));
    desk.record(&listed(900));
    for limit in [1, 100] {
        let found = desk.find(&party("p1"), limit);
        assert_eq!(found.ids, ids, "{limit}");
        assert!(found.incomplete.is_empty(), "{found:?}");
    }
    assert_eq!(desk.find(&party("Party"), 100).ids.len(), 4);
}

#[test]
fn addresses_of_a_party_are_collected_once() {
    let desk = Desk::new();
    for other in 0..200 {
        desk.record(&clean(other));
    }
    let last = desk.record(&listed(1));
    let [first, again] = [(); 2].map(|()| desk.find(&party("p1"), 100));
    assert_eq!((&first.ids, &again.ids), (&vec![last], &vec![last]));
    // 200 leaves and more, 64 a page, once and again.
    assert!(first.pages >= 7 && again.pages <= 4, "{} {}", first.pages, again.pages);
}

#[test]
fn a_span_of_time_does_not_hide_the_finding_that_ties_an_address_to_the_party() {
    let desk = Desk::new();
    let monday = desk.record_as(&clean(1), &clean(1), now() - days(1));
    desk.record_as(&listed(1), &clean(1), now());
    let wanted = RecordQuery { to: Some(now() - days(1) / 2), ..party("p1") };
    assert_eq!(desk.find(&wanted, 100).ids, [monday]);
}

#[test]
fn more_addresses_than_are_followed_are_told() {
    let desk = Desk::new();
    let before: Vec<_> = (0..12).map(|number| desk.record(&clean(number))).collect();
    let after: Vec<_> =
        (0..12).map(|number| desk.record_as(&listed(1), &clean(number), now())).collect();
    let found = desk.find(&party("p1"), 100);
    assert!(found.incomplete[0].contains("more than 8 addresses"), "{found:?}");
    assert_eq!(found.ids, [&before[..8], &after].concat());
}

#[test]
fn an_unknown_party_is_told() {
    let desk = Desk::new();
    desk.record(&listed(1));
    let found = desk.find(&party("nobody"), 100);
    assert!(found.ids.is_empty());
    assert!(found.incomplete[0].contains("no list of now"), "{found:?}");
}

#[test]
fn a_redacted_record_with_a_finding_is_found_in_a_full_segment() {
    let desk = Desk::new();
    let id = desk.record_as(&listed(1), &clean(1), now());
    for other in 0..1_200 {
        desk.record(&clean(1_000 + other));
    }
    desk.log().redact(id, now()).unwrap();
    assert_eq!(desk.find(&party("p1"), 100).ids, [id]);
}
