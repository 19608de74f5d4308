//! Every way in which a question is refused, and that hostile text in any field is answered or
//! refused in an orderly way.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

const INVALID: Code = Code::InvalidArgument;

fn options(list: &str, as_of: Option<(i64, i32)>) -> Option<v1::ScreeningOptions> {
    let lists = Some(list).filter(|list| !list.is_empty()).map(str::to_owned);
    let as_of = as_of.map(|(seconds, nanos)| pbjson_types::Timestamp { seconds, nanos });
    Some(v1::ScreeningOptions { lists: lists.into_iter().collect(), as_of, ..Default::default() })
}

#[test]
fn questions_that_are_refused() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        let now = moment(NOW).as_second();
        let query_with = |request_id: &str, chain: &str| v1::AddressQuery {
            request_id: request_id.to_owned(),
            chain: chain.to_owned(),
            ..query(CLEAN)
        };
        let long = "1".repeat(1_025);
        let long_chain = "x".repeat(10_000);
        let queries = [
            (None, ("INVALID_FIELD", "query", "missing")),
            (Some(query("")), ("INVALID_ADDRESS", "query.address", "the address is empty")),
            (Some(query(" \t")), ("INVALID_ADDRESS", "query.address", "the address is empty")),
            (Some(query(&long)), ("INVALID_ADDRESS", "query.address", "1025 bytes")),
            (Some(query("0x12\u{430}4")), ("INVALID_ADDRESS", "query.address", "at byte 4")),
            (Some(query("0x12 4")), ("INVALID_ADDRESS", "query.address", "at byte 4")),
            (Some(query("1\u{200b}")), ("INVALID_ADDRESS", "query.address", "at byte 1")),
            (Some(query_with("", "no chain")), ("INVALID_CHAIN", "query.chain", "\"no chain\"")),
            (Some(query_with("", "eip155:01")), ("INVALID_CHAIN", "query.chain", "eip155:01")),
            (Some(query_with("", &long_chain)), ("INVALID_CHAIN", "query.chain", "xxxx")),
            (
                Some(query_with(&"é".repeat(65), "")),
                ("INVALID_FIELD", "query.request_id", "130 bytes, at most 128"),
            ),
        ];
        for (query, (reason, field, words)) in queries {
            let outcome = desk
                .ask(v1::ScreenAddressRequest { query, options: None, ..Default::default() })
                .await;
            check_refused(outcome, (INVALID, reason, field, words));
        }
        let all_options = [
            (options("Bad Id", None), ("INVALID_FIELD", "options.lists[0]", "\"Bad Id\"")),
            (options("unknown", None), ("UNKNOWN_LIST", "options.lists[0]", "unknown")),
            (options("", Some((now + 1, 0))), ("INVALID_FIELD", "options.as_of", "later")),
            (options("", Some((now, -1))), ("INVALID_FIELD", "options.as_of", "timestamp")),
            (
                options("", Some((now - 9, 1_000_000_000))),
                ("INVALID_FIELD", "options.as_of", "timestamp"),
            ),
            (options("", Some((i64::MIN, 0))), ("INVALID_FIELD", "options.as_of", "timestamp")),
            (options("", Some((i64::MAX, 0))), ("INVALID_FIELD", "options.as_of", "timestamp")),
            (
                Some(v1::ScreeningOptions {
                    lists: vec![OFAC.to_owned(); 1_001],
                    ..Default::default()
                }),
                ("TOO_MANY_ITEMS", "options.lists", "more than 1000"),
            ),
        ];
        for (options, (reason, field, words)) in all_options {
            let request = v1::ScreenAddressRequest {
                query: Some(query(CLEAN)),
                options,
                ..Default::default()
            };
            let refusal = (INVALID, reason, field, words);
            check_refused(desk.ask(request.clone()).await, refusal);
            let v1::ScreenAddressRequest { query, options, .. } = request;
            let batch = v1::BatchScreenAddressesRequest {
                queries: query.into_iter().collect(),
                options,
                ..Default::default()
            };
            check_refused(
                desk.client.screening.clone().batch_screen_addresses(batch).await,
                refusal,
            );
        }
        for (count, reason, words) in [
            (0, "INVALID_FIELD", "0 addresses, 1 to 10000"),
            (10_001, "TOO_MANY_ITEMS", "more than 10000"),
        ] {
            let queries = vec![query(CLEAN); count];
            let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
            let outcome = desk.client.screening.clone().batch_screen_addresses(batch).await;
            check_refused(outcome, (INVALID, reason, "queries", words));
        }
        let limits = [query_with(&"x".repeat(128), ""), query(&"1".repeat(1_024))];
        for query in limits {
            desk.ask(v1::ScreenAddressRequest {
                query: Some(query),
                options: None,
                ..Default::default()
            })
            .await
            .unwrap();
        }
        let queries = vec![query(CLEAN); 10_000];
        let batch = v1::BatchScreenAddressesRequest { queries, ..Default::default() };
        let answer = desk.client.screening.clone().batch_screen_addresses(batch).await.unwrap();
        assert_eq!(answer.into_inner().items.len(), 10_000);
    });
}

#[test]
fn pages_that_are_refused() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..1))).await;
        let mut lists = desk.client.lists.clone();
        for token in ["x", "zz", "é", &"g".repeat(32), &"0".repeat(31), &"+".repeat(32)] {
            let field = (INVALID, "INVALID_FIELD", "page_token", "not a token");
            let page_token = token.to_owned();
            let request =
                v1::ListQuarantineRequest { page_token: page_token.clone(), ..Default::default() };
            check_refused(lists.list_quarantine(request).await, field);
            let request = v1::ListListingChangesRequest { page_token, ..Default::default() };
            check_refused(lists.list_listing_changes(request).await, field);
        }
        let list_id = "No Id".to_owned();
        let field = (INVALID, "INVALID_FIELD", "list_id", "\"No Id\"");
        let request = v1::ListQuarantineRequest { list_id: list_id.clone(), ..Default::default() };
        check_refused(lists.list_quarantine(request).await, field);
        let request =
            v1::ListListingChangesRequest { list_id: list_id.clone(), ..Default::default() };
        check_refused(lists.list_listing_changes(request).await, field);
        let request = v1::LookUpPartyRequest {
            list_id: list_id.clone(),
            party_uid: "1".to_owned(),
            ..Default::default()
        };
        check_refused(lists.look_up_party(request).await, field);
        let request = v1::ExportListRequest { list_id: list_id.clone() };
        check_refused(lists.export_list(request).await.map(drop), field);
        let request = v1::CheckSourceRequest { list_id: list_id.clone() };
        check_refused(lists.check_source(request).await, field);
        check_refused(lists.refresh_list(v1::RefreshListRequest { list_id }).await, field);
        for date in ["", "2025-02-30", "yesterday"] {
            let since = v1::list_listing_changes_request::Since::SinceDate(date.to_owned());
            let request =
                v1::ListListingChangesRequest { since: Some(since), ..Default::default() };
            let field = (INVALID, "INVALID_FIELD", "since_date", "");
            check_refused(lists.list_listing_changes(request).await, field);
        }
    });
}

/// What a call with hostile text may end in.
#[track_caller]
fn check_orderly<T>(call: &str, outcome: Result<T, Status>) {
    let Err(status) = outcome else { return };
    let orderly = [Code::InvalidArgument, Code::NotFound, Code::FailedPrecondition];
    assert!(orderly.contains(&status.code()), "{call}: {status:?}");
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{call}: {status:?}"));
    assert_eq!(info.domain, "lazaretto.v1", "{call}");
    assert!(!info.reason.is_empty(), "{call}");
}

/// Sends `text` in every text field of every method, one or two at a time.
async fn send_everywhere(desk: &Desk, text: &str, other: &str) {
    let (own, other) = (|| text.to_owned(), || other.to_owned());
    for (request_id, address, chain, list) in [
        (own(), other(), String::new(), None),
        (other(), own(), String::new(), None),
        (String::new(), own(), other(), None),
        (String::new(), CLEAN.to_owned(), own(), Some(other())),
        (String::new(), CLEAN.to_owned(), other(), Some(own())),
    ] {
        let query = v1::AddressQuery { request_id, address, chain };
        let options =
            list.map(|list| v1::ScreeningOptions { lists: vec![list], ..Default::default() });
        let batch = v1::BatchScreenAddressesRequest {
            queries: vec![query.clone()],
            options: options.clone(),
            ..Default::default()
        };
        let unary = v1::ScreenAddressRequest { query: Some(query), options, ..Default::default() };
        check_orderly("screen", desk.ask(unary).await);
        check_orderly("batch", desk.client.screening.clone().batch_screen_addresses(batch).await);
    }
    let mut lists = desk.client.lists.clone();
    for (list_id, page_token) in [(own(), other()), (other(), own()), (String::new(), own())] {
        let (page_size, token) = (7, page_token.clone());
        let request = v1::ListQuarantineRequest { list_id: list_id.clone(), page_size, page_token };
        check_orderly("quarantine", lists.list_quarantine(request).await);
        let since = v1::list_listing_changes_request::Since::SinceDate(own());
        let request = v1::ListListingChangesRequest {
            since: Some(since).filter(|_| list_id.is_empty()),
            list_id,
            page_size,
            page_token: if token == text { String::new() } else { token },
        };
        check_orderly("changes", lists.list_listing_changes(request).await);
    }
    for (list_id, party_uid) in [(own(), other()), (String::new(), own()), (OFAC.to_owned(), own())]
    {
        let request =
            v1::LookUpPartyRequest { list_id, party_uid: party_uid.clone(), ..Default::default() };
        check_orderly("party", lists.look_up_party(request).await);
        let request = v1::LookUpPartyRequest {
            name: party_uid.clone(),
            page_token: if party_uid.len() % 2 == 0 { party_uid } else { String::new() },
            ..Default::default()
        };
        check_orderly("party by name", lists.look_up_party(request).await);
    }
    check_orderly("export", lists.export_list(v1::ExportListRequest { list_id: own() }).await);
    check_orderly("refresh", lists.refresh_list(v1::RefreshListRequest { list_id: own() }).await);
    let request = v1::CheckSourceRequest { list_id: own() };
    check_orderly("check of a source", lists.check_source(request).await);
    check_orderly("snapshot", lists.get_snapshot(v1::GetSnapshotRequest { id: own() }).await);
    let plain = || v1::ImportListHeader {
        format: String::new(),
        ..header(OFAC, v1::ListKind::Unspecified)
    };
    for header in [
        v1::ImportListHeader { list_id: own(), ..plain() },
        v1::ImportListHeader { format: own(), ..plain() },
        v1::ImportListHeader { file_name: own(), ..plain() },
        v1::ImportListHeader { force_reason: own(), ..plain() },
        v1::ImportListHeader { published_on: own(), ..plain() },
    ] {
        // No file that any reader takes: nothing is published whatever the header says.
        check_orderly("import", desk.import(header, b"<".to_vec()).await);
    }
}

#[test]
fn hostile_text_is_answered_or_refused() {
    let runtime = runtime();
    let desk = runtime.block_on(async {
        let desk = Desk::start(|config| {
            config.lists = vec![ofac()];
            config.offline = true;
        })
        .await;
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..3))).await;
        desk
    });
    let known =
        ["", OFAC, RONIN, "eip155:1", "2025-11-20", "csv", "bitcoin:", ":::", "\0", "\u{feff}"];
    // Long enough that an error that repeats it would not fit into the header that carries it.
    let long =
        ["a", "é", "\u{10ffff}", "0", "0x", "eip155:", "%", "\n"].map(|it| it.repeat(20_000));
    for text in known.iter().copied().chain(long.iter().map(String::as_str)) {
        runtime.block_on(bounded(send_everywhere(&desk, text, "?")));
    }
    let text = || {
        prop_oneof![
            4 => any::<String>(),
            1 => proptest::collection::vec(any::<char>(), 30..130).prop_map(String::from_iter),
            1 => "[0-9a-fA-Fx:,.+-]{1,70}",
            1 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        ]
    };
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) };
    let mut runner = TestRunner::new(config);
    let tried = runner.run(&(text(), text()), |(text, other)| {
        runtime.block_on(bounded(send_everywhere(&desk, &text, &other)));
        Ok(())
    });
    tried.unwrap();
    let screening = runtime.block_on(desk.screen(CLEAN));
    assert!(!screening.snapshot_id.is_empty());
}
