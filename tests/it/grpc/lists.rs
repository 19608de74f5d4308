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
                published: "2020-01-01".to_owned(),
                first_published: "2020-01-01".to_owned(),
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
                published: "2025-11-19".to_owned(),
                first_published: "2025-11-18".to_owned(),
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
        let gone = [format!("{},ETH,7,Seven", evm(1)), format!("{},ETH,8,Eight", evm(2))];
        desk.sanction(OFAC, csv("2025-11-19", &gone)).await;
        desk.sanction(OFAC, full.as_bytes().to_vec()).await;
        desk.sanction("other", csv("2025-11-20", &[format!("{},ETH,7,Other", evm(3))])).await;
        let mut lists = desk.client.lists.clone();
        let mut look_up = async |list: &str, uid: &str| {
            let (list_id, party_uid) = (list.to_owned(), uid.to_owned());
            let answer = lists.look_up_party(v1::LookUpPartyRequest { list_id, party_uid }).await;
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
        for (list, uid) in [("", "9"), ("other", "8"), ("", "")] {
            let not_found = (Code::NotFound, "NOT_FOUND", "", "no loaded list names party");
            check_refused(look_up(list, uid).await, not_found);
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
        assert_eq!(second.lists[0].version, 2);
        let mut ageless = first.clone();
        ageless.lists[0].age_seconds = None;
        assert_eq!(snapshot(&first.id).await.unwrap(), ageless, "ages are of the one in use only");
        for id in ["0123456789abcdef", "x", " ", &"0".repeat(64), &"0".repeat(65)] {
            let not_found = (Code::NotFound, "NOT_FOUND", "", "no snapshot");
            check_refused(snapshot(id).await, not_found);
        }
    });
}
