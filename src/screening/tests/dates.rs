//! Past dates, and lists of which the age is not known.

use super::*;

#[test]
fn as_of_a_day_on_which_nobody_looked_is_incomplete() {
    let mut state = Arc::unwrap_or_clone(sanctions(vec![row(RONIN, "ETH")]));
    state.version.first_published = Some(date(2024, 1, 1));
    let from = "2024-01-01T00:00:00Z".parse().expect("a timestamp");
    state.version.uncovered = vec![UncoveredSpan { from, until: date(2025, 11, 19) }];
    let snapshot = snapshot(&[Arc::new(state)], &[]);
    let clean = |as_of| ask(&snapshot, CLEAN, None, Some(as_of));
    assert_eq!(clean("2024-01-02T12:00:00Z"), "Allow 0", "within the limit of 48 hours");
    assert_eq!(clean("2024-01-03T00:00:01Z"), "Review 0 !AsOfNotCovered");
    assert_eq!(clean("2025-11-18T23:59:59Z"), "Review 0 !AsOfNotCovered");
    assert_eq!(clean("2025-11-19T00:00:00Z"), "Allow 0");
}

/// The same address came back under another ticker: it may have been listed all along.
#[test]
fn a_source_was_not_listed_before_any_row_of_its_key() {
    let rows = vec![
        stood(RONIN, Some(date(2018, 5, 1)), Some(date(2020, 5, 1))),
        TestRow { ticker: "USDT".into(), ..stood(RONIN, Some(date(2025, 6, 1)), None) },
    ];
    let mut state = Arc::unwrap_or_clone(sanctions(rows));
    state.version.first_published = Some(date(2018, 1, 1));
    let lists = snapshot(&[Arc::new(state)], &[]);
    let (sources, _) = path_ends::path_ends(lists.lists().iter(), &Default::default(), None);
    let moments = |source: &crate::exposure::Source| (source.unlisted_until, source.listed_from);
    let found: Vec<_> = sources.iter().map(moments).collect();
    assert_eq!(found, [(Some(1_525_132_800), Some(1_748_736_000))]);
}

#[test]
fn an_undated_list_that_is_not_required_leaves_past_days_whole() {
    let mut tags = Arc::unwrap_or_clone(list(
        "tags",
        ListKind::Attribution,
        date(2025, 11, 19),
        vec![row(CLEAN, "ETH")],
    ));
    (tags.version.first_published, tags.version.published) = (None, None);
    let states = [sanctions(vec![]), Arc::new(tags)];
    let day = Some("2025-11-19T12:00:00Z");
    let with = |lists: &[ListTerms]| ask(&snapshot(&states, lists), RONIN, None, day);
    assert_eq!(with(&[terms("us-ofac-sdn", true)]), "Allow 0");
    // Where it is required, or none is, nobody knows.
    let required = [terms("us-ofac-sdn", true), terms("tags", true)];
    assert_eq!(with(&required), "Review 0 !AsOfBeforeFirstPublication");
    assert_eq!(with(&[]), "Review 0 !AsOfBeforeFirstPublication");
}

#[test]
fn a_list_from_the_future_is_of_unknown_age() {
    let ahead = |day| {
        let state = list("us-ofac-sdn", ListKind::Sanctions, day, vec![]);
        ask(&snapshot(&[state], &[]), CLEAN, None, None)
    };
    assert_eq!(ahead(date(2025, 11, 21)), "Allow 0", "tomorrow, east of here");
    assert_eq!(ahead(date(2025, 11, 22)), "Review 0 !ListStale");
    let state = list("us-ofac-sdn", ListKind::Sanctions, date(2025, 11, 22), vec![]);
    let age = snapshot(&[state], &[]).lists()[0].age(now());
    let says = "this machine's clock is behind: it says 2025-11-20T12:00:00Z, the list was checked \
                at 2025-11-22T00:00:00Z";
    assert_eq!(age.to_string(), says);
}

#[test]
fn a_list_of_unknown_age_is_stale() {
    let mut state = Arc::unwrap_or_clone(sanctions(vec![]));
    state.check.published = None;
    let snapshot = snapshot(&[Arc::new(state)], &[]);
    assert_eq!(ask(&snapshot, CLEAN, None, None), "Review 0 !ListStale");
}

#[test]
fn as_of_takes_the_listings_of_that_day() {
    let rows = vec![
        stood(RONIN, Some(date(2025, 11, 20)), None),
        stood(CLEAN, None, Some(date(2025, 11, 20))),
    ];
    let snapshot = snapshot(&[sanctions(rows)], &[]);
    let day19 = Some("2025-11-19T23:59:59Z");
    let day20 = Some("2025-11-20T00:00:00Z");
    for (address, as_of, said) in [
        (RONIN, None, "Block 100 Listed:Standing"),
        (RONIN, day20, "Block 100 Listed:Standing"),
        (RONIN, day19, "Allow 0"),
        (CLEAN, None, "Allow 0 Listed:Removed"),
        (CLEAN, day20, "Allow 0 Listed:Removed"),
        (CLEAN, day19, "Block 100 Listed:Standing"),
    ] {
        assert_eq!(ask(&snapshot, address, None, as_of), said, "{address} as of {as_of:?}");
    }
    let before = ask(&snapshot, CLEAN, None, Some("2025-11-18T12:00:00Z"));
    assert_eq!(before, "Block 100 Listed:Standing !AsOfBeforeFirstPublication");
    let future = "2025-11-20T12:00:01Z".parse().expect("a timestamp");
    let refused = Scope::new(&snapshot, &narrowing(&[], Some(future)), now()).map(|_| ());
    assert_eq!(refused, Err(ScopeError::AsOfInFuture { as_of: future, now: now() }));
}
