//! What is loaded: `ListSanctionsLists`, `ListQuarantine`, `LookUpParty`, `GetSnapshot`.

use super::*;

#[test]
fn every_field_of_the_lists() {
    let advisories = settings("advisories", ListKind::Advisory);
    run(vec![ofac(), advisories, settings("unloaded", ListKind::IssuerFreeze)], async |desk| {
        let rows = [
            format!("{},ETH,1,One", evm(1)),
            format!("{},USDT,1,One", evm(1)),
            format!("{},ETH,2,Two", evm(2)),
            format!("{},ETH,2,Two", evm(2)),
            format!("{},,3,Three", evm(3)),
            "no address,XBT,4,Four".to_owned(),
            format!("{},ETH,5,Five", evm(5)),
        ];
        desk.sanction(OFAC, csv("2025-11-18", &rows)).await;
        desk.sanction(OFAC, csv("2025-11-19", &rows[..6])).await;
        let advised = [format!("{},ETH,1,One", evm(9))];
        let head = header("advisories", v1::ListKind::Unspecified);
        desk.import(head, csv("", &advised)).await.unwrap();
        desk.import(header("extra", v1::ListKind::Attribution), csv("2020-01-01", &advised))
            .await
            .unwrap();
        let lists = desk.lists().await;
        let digests: Vec<_> = lists.iter().map(|list| list.digest.clone()).collect();
        assert_eq!(digests[0], digests[1], "the same facts");
        assert_eq!(digests[3].len(), 64);
        let counts = |listings, parties, ticker: &str| v1::ListCounts {
            listings,
            parties,
            by_ticker: vec![v1::TickerCount { ticker: ticker.to_owned(), rows: listings }],
            ..Default::default()
        };
        let loaded = |id: &str, name: &str, kind: v1::ListKind, version: u64| v1::SanctionsList {
            list_id: id.to_owned(),
            name: name.to_owned(),
            kind: kind.into(),
            version,
            number_on_list: if id == OFAC { 2 } else { 1 },
            loaded_at: Some(proto_time(NOW)),
            origin: v1::ListOrigin::Import.into(),
            origin_name: format!("{id}.csv"),
            ..Default::default()
        };
        let ticker = |ticker: &str, rows| v1::TickerCount { ticker: ticker.to_owned(), rows };
        let expected = [
            v1::SanctionsList {
                digest: digests[0].clone(),
                counts: Some(counts(1, 1, "ETH")),
                ..loaded("advisories", "The list advisories", v1::ListKind::Advisory, 3)
            },
            v1::SanctionsList {
                digest: digests[1].clone(),
                published_on: "2020-01-01".to_owned(),
                first_published_on: "2020-01-01".to_owned(),
                age_seconds: Some(
                    moment(NOW).as_second().abs_diff(moment("2020-01-01T00:00:00Z").as_second()),
                ),
                counts: Some(counts(1, 1, "ETH")),
                ..loaded("extra", "extra", v1::ListKind::Attribution, 4)
            },
            v1::SanctionsList {
                name: "The list unloaded".to_owned(),
                list_id: "unloaded".to_owned(),
                kind: v1::ListKind::IssuerFreeze.into(),
                max_age_seconds: Some(48 * 3600),
                ..Default::default()
            },
            v1::SanctionsList {
                required: true,
                digest: digests[3].clone(),
                published_on: "2025-11-19".to_owned(),
                first_published_on: "2025-11-18".to_owned(),
                age_seconds: Some(36 * 3600),
                max_age_seconds: Some(48 * 3600),
                counts: Some(v1::ListCounts {
                    listings: 4,
                    quarantined: 1,
                    parties: 4,
                    removals_pending: 0,
                    removed: 1,
                    duplicates: 1,
                    by_ticker: vec![
                        ticker("", 1),
                        ticker("ETH", 2),
                        ticker("USDT", 1),
                        ticker("XBT", 1),
                    ],
                }),
                ..loaded(OFAC, "The list us-ofac-sdn", v1::ListKind::Sanctions, 2)
            },
        ];
        // In the order of the ids, of which "unloaded" comes before "us-ofac-sdn".
        assert_eq!(lists, expected);
        desk.clock.fetch_add(12 * 3600 + 1, Ordering::SeqCst);
        let stale: Vec<_> = desk.lists().await.iter().map(|list| list.stale).collect();
        assert_eq!(stale, [false, false, false, true]);
    });
}

#[test]
fn pages_of_the_quarantine_join_to_the_whole() {
    let rows = |from: usize, to: usize| -> Vec<String> {
        (from..to).map(|n| format!("no address {n:02},XBT,p{n:02},Party {n}")).collect()
    };
    run(vec![ofac()], async |desk| {
        let good = made_up(0..40);
        desk.sanction(OFAC, csv("2025-11-19", &[&good[..], &rows(0, 11)].concat())).await;
        desk.sanction(OFAC, csv("2025-11-20", &[&good[..], &rows(1, 11)].concat())).await;
        desk.sanction("other", csv("2025-11-20", &[&good[..1], &rows(0, 8)].concat())).await;
        let mut client = desk.client.lists.clone();
        for (list, page_size, count, pages) in
            [("", 0, 18, 1), ("", 7, 18, 3), ("", 6, 18, 3), (OFAC, 3, 10, 4), ("other", 100, 8, 1)]
        {
            let mut found = Vec::new();
            let mut page_token = String::new();
            let mut asked = 0;
            loop {
                let list_id = list.to_owned();
                let request = v1::ListQuarantineRequest { list_id, page_size, page_token };
                let page = client.list_quarantine(request).await.unwrap().into_inner();
                found.extend(page.rows);
                asked += 1;
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            assert_eq!((found.len(), asked), (count, pages), "{list:?} by {page_size}");
            let keys = found.iter().map(|row| {
                let listing = row.listing.as_ref().unwrap();
                (listing.list_id.as_str() != "other", listing.address.clone())
            });
            assert!(keys.is_sorted(), "by list and key");
            for row in &found {
                assert!(!row.reason.is_empty());
                let listing = row.listing.as_ref().unwrap();
                assert!(list.is_empty() || listing.list_id == list);
                let gone = listing.list_id == OFAC && listing.address.ends_with("00");
                assert!(!gone, "{listing:?}");
            }
        }
    });
}

#[test]
fn a_party_with_all_its_listings() {
    let full = "# published: 2025-11-20\n\
        address,ticker,party_uid,party_name,party_type,programs\n\
        0x098B716B8Aaf21512996dC57EB0615e2383E2f96,ETH,7,Seven,Entity,DPRK3\n\
        no address,XBT,7,Seven,Entity,DPRK3\n\
        0x00000000219ab540356cbb839cbe05303d7705fa,ETH,8,Eight,,\n";
    run(vec![loose(OFAC)], async |desk| {
        let gone = [
            format!("{},ETH,7,Seven", evm(1)),
            format!("{},ETH,8,Eight", evm(2)),
            // Not new later, or the removal of the first would wait.
            "no address,XBT,7,Seven".to_owned(),
        ];
        desk.sanction(OFAC, csv("2025-11-19", &gone)).await;
        desk.sanction(OFAC, full.as_bytes().to_vec()).await;
        desk.sanction("other", csv("2025-11-20", &[format!("{},ETH,7,Other", evm(3))])).await;
        let mut lists = desk.client.lists.clone();
        let mut look_up = async |list: &str, uid: &str| {
            let request = v1::LookUpPartyRequest {
                list_id: list.to_owned(),
                party_uid: uid.to_owned(),
                ..Default::default()
            };
            let answer = lists.look_up_party(request).await;
            answer.map(|answer| answer.into_inner().parties)
        };
        let both = look_up("", "7").await.unwrap();
        let ids: Vec<_> = both.iter().map(|party| party.list_id.as_str()).collect();
        assert_eq!(ids, ["other", OFAC]);
        assert_eq!(look_up(OFAC, "7").await.unwrap(), both[1..]);
        let ours = &both[1];
        let party = ours.party.as_ref().unwrap();
        assert_eq!((party.name.as_str(), party.party_type.as_str()), ("Seven", "Entity"));
        assert_eq!(party.programs, ["DPRK3"]);
        let listings: Vec<_> = ours
            .listings
            .iter()
            .map(|it| {
                assert!(it.party.is_none(), "named once above");
                (
                    it.address.clone(),
                    it.state(),
                    it.canonical_address.clone(),
                    it.removed_on.clone(),
                )
            })
            .collect();
        let standing = v1::ListingState::Standing;
        assert_eq!(
            listings,
            [
                (RONIN.to_owned(), standing, RONIN.to_lowercase(), String::new()),
                (evm(1), v1::ListingState::Removed, evm(1), "2025-11-20".to_owned()),
                ("no address".to_owned(), standing, String::new(), String::new()),
            ]
        );
        let refusal = (Code::NotFound, "UNKNOWN_LIST", "", "list unknown");
        check_refused(look_up("unknown", "7").await, refusal);
        for (list, uid, looked_at) in [("", "9", "other, us-ofac-sdn"), ("other", "8", "other")] {
            let words = format!(
                "names were not looked at (ask by name for that); looked at {looked_at}: \"{uid}\""
            );
            let not_found = (Code::NotFound, "NOT_FOUND", "", words.as_str());
            check_refused(look_up(list, uid).await, not_found);
        }
    });
}

fn by_name(name: &str) -> v1::LookUpPartyRequest {
    v1::LookUpPartyRequest { name: name.to_owned(), ..Default::default() }
}

#[test]
fn parties_are_found_by_the_words_of_one_name() {
    let lazarus = "# published: 2025-11-20\n\
        address,ticker,party_uid,party_name,party_aliases\n\
        0x098B716B8Aaf21512996dC57EB0615e2383E2f96,ETH,7,LAZARUS GROUP,HIDDEN COBRA|Guardians of Peace\n\
        no address,XBT,7,LAZARUS GROUP,HIDDEN COBRA|Guardians of Peace\n\
        0x00000000219ab540356cbb839cbe05303d7705fa,ETH,8,KIM Ch\u{14f}l,\n";
    let unloaded = settings("unloaded", ListKind::Advisory);
    let unloaded = ListSettings { required: true, ..unloaded };
    run(vec![loose(OFAC), unloaded, settings("later", ListKind::Advisory)], async |desk| {
        let mut lists = desk.client.lists.clone();
        let not_loaded = (
            Code::Unavailable,
            "NOT_LOADED",
            "",
            "nothing was compared: later is not loaded, unloaded is required and not loaded, us-ofac-sdn",
        );
        check_refused(lists.look_up_party(by_name("Lazarus")).await, not_loaded);
        desk.sanction(OFAC, lazarus.as_bytes().to_vec()).await;
        desk.sanction("other", csv("2019-01-01", &[format!("{},ETH,1,Group One", evm(3))])).await;
        let mut found = async |name: &str, list: &str| {
            let request = v1::LookUpPartyRequest { list_id: list.to_owned(), ..by_name(name) };
            let answer = lists.look_up_party(request).await.unwrap().into_inner();
            assert_eq!(answer.next_page_token, "");
            let parties: Vec<_> = answer
                .parties
                .iter()
                .map(|it| (it.party.as_ref().unwrap().uid.clone(), it.matched_name.clone()))
                .collect();
            (parties, answer)
        };
        let pair = |uid: &str, name: &str| (uid.to_owned(), name.to_owned());
        let lazarus = pair("7", "LAZARUS GROUP");
        assert_eq!(found("group", "").await.0, [pair("1", "Group One"), lazarus.clone()]);
        assert_eq!(found("group", OFAC).await.0, [lazarus]);
        assert_eq!(found("c\u{f3}bra hidden", "").await.0, [pair("7", "HIDDEN COBRA")]);
        assert_eq!(found("Kim Chol", "").await.0, [pair("8", "KIM Ch\u{14f}l")]);
        let (_, answer) = found("Lazarus", OFAC).await;
        assert_eq!(answer.parties[0].listings.len(), 2, "the quarantined row too");
        let compared =
            |id: &str, parties, stale| v1::ComparedList { list_id: id.to_owned(), parties, stale };
        let unloaded = |id: &str, required| v1::NotLoadedList { list_id: id.to_owned(), required };
        for name in ["Lazaru", "Lazarus Cobra"] {
            let (parties, answer) = found(name, "").await;
            assert_eq!(parties, [], "{name}");
            assert_eq!(
                answer.compared_lists,
                [compared("other", 1, true), compared(OFAC, 2, false)]
            );
            let expected = [unloaded("later", false), unloaded("unloaded", true)];
            assert_eq!(answer.lists_not_loaded, expected);
        }
        let one = v1::LookUpPartyRequest { list_id: "unloaded".to_owned(), ..by_name("x") };
        let refusal = (
            Code::Unavailable,
            "NOT_LOADED",
            "",
            "nothing was compared: unloaded is required and not loaded",
        );
        check_refused(desk.client.lists.clone().look_up_party(one).await, refusal);
    });
}

#[test]
fn pages_of_names_join_to_the_whole_and_end_with_the_lists() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..25))).await;
        desk.sanction("other", csv("2025-11-20", &made_up(100..107))).await;
        let mut lists = desk.client.lists.clone();
        let mut ask = async |page_size: u32, page_token: &str| {
            let page_token = page_token.to_owned();
            let request = v1::LookUpPartyRequest { page_size, page_token, ..by_name("party") };
            lists.look_up_party(request).await.map(|answer| answer.into_inner())
        };
        let whole = ask(0, "").await.unwrap();
        assert_eq!((whole.parties.len(), whole.next_page_token.as_str()), (32, ""));
        for (size, pages) in [(1, 32), (5, 7), (8, 4), (32, 1), (u32::MAX, 1)] {
            let (mut parties, mut token, mut asked) = (Vec::new(), String::new(), 0);
            loop {
                let page = ask(size, &token).await.unwrap();
                assert!(page.parties.len() <= size as usize);
                parties.extend(page.parties);
                asked += 1;
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!((&parties, asked), (&whole.parties, pages), "by {size}");
        }
        let token = ask(5, "").await.unwrap().next_page_token;
        desk.sanction("other", csv("2025-11-21", &made_up(100..108))).await;
        let refusal = (Code::InvalidArgument, "INVALID_FIELD", "page_token", "begin again");
        check_refused(ask(5, &token).await, refusal);
        // By an identifier all is one page, whatever the request says of pages.
        let request = v1::LookUpPartyRequest {
            party_uid: "3".to_owned(),
            page_size: 1,
            ..Default::default()
        };
        let one = desk.client.lists.clone().look_up_party(request).await.unwrap().into_inner();
        assert_eq!((one.parties.len(), one.compared_lists.len()), (1, 2));
    });
}

#[test]
fn a_party_is_asked_for_in_one_way() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..3))).await;
        let mut lists = desk.client.lists.clone();
        let long = "x".repeat(513);
        for (uid, name, field, words) in [
            ("", "", "party_uid", "give party_uid or name"),
            ("1", "Party", "name", "not both"),
            ("", "--", "name", "has no word"),
            ("", &long, "name", "513 bytes, more than 512"),
        ] {
            let (party_uid, name) = (uid.to_owned(), name.to_owned());
            let request = v1::LookUpPartyRequest { party_uid, name, ..Default::default() };
            let refusal = (Code::InvalidArgument, "INVALID_FIELD", field, words);
            check_refused(lists.look_up_party(request).await, refusal);
        }
    });
}

#[test]
fn a_snapshot_id_keeps_its_meaning() {
    run(vec![ofac()], async |desk| {
        let mut lists = desk.client.lists.clone();
        let mut snapshot = async |id: &str| {
            let answer = lists.get_snapshot(v1::GetSnapshotRequest { id: id.to_owned() }).await;
            answer.map(|answer| answer.into_inner().snapshot.unwrap())
        };
        let not_loaded = (Code::Unavailable, "NOT_LOADED", "", "no list is loaded");
        check_refused(snapshot("").await, not_loaded);
        desk.sanction(OFAC, csv("2025-11-19", &made_up(0..4))).await;
        let first = desk.ask(question(CLEAN)).await.unwrap().snapshot.unwrap();
        assert_eq!(snapshot("").await.unwrap(), first);
        assert_eq!(snapshot(&first.id).await.unwrap(), first);

        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..5))).await;
        let second = snapshot("").await.unwrap();
        assert_ne!(second.id, first.id);
        assert_eq!((second.lists[0].version, second.lists[0].number_on_list), (2, 2));
        let mut ageless = first.clone();
        ageless.lists[0].age_seconds = None;
        assert_eq!(snapshot(&first.id).await.unwrap(), ageless, "ages are of the one in use only");
        for id in ["0123456789abcdef", "x", " ", &"0".repeat(64), &"0".repeat(65)] {
            let not_found = (Code::NotFound, "NOT_FOUND", "", "no snapshot");
            check_refused(snapshot(id).await, not_found);
        }
    });
}
