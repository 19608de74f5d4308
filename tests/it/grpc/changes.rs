//! `ListListingChanges`: what each version changed, from any point on, page by page.

use lazaretto::grpc::v1::list_listing_changes_request::Since;

use super::*;

async fn whole(
    desk: &Desk,
    since: Option<Since>,
    list: &str,
    page_size: u32,
) -> Vec<v1::ListingChange> {
    let mut lists = desk.client.lists.clone();
    let mut changes = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListListingChangesRequest {
            since: since.clone(),
            list_id: list.to_owned(),
            page_size,
            page_token,
        };
        let page = lists.list_listing_changes(request).await.unwrap().into_inner();
        let most = if page_size == 0 { 1_000 } else { page_size.min(10_000) as usize };
        assert!(page.changes.len() <= most);
        let full = page.changes.len() == most;
        changes.extend(page.changes);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return changes;
        }
        assert!(full, "a page that is not the last is full");
    }
}

/// Versions 1 and 3 are OFAC's, 2 and 4 another list's; 4 has no day of publication.
async fn four_versions(desk: &Desk) {
    desk.sanction(OFAC, csv("2025-11-10", &made_up(0..30))).await;
    desk.sanction("other", csv("2025-11-12", &made_up(100..112))).await;
    let mut rows = made_up(2..34);
    rows[0] = rows[0].replace("Party 2", "Renamed");
    desk.sanction(OFAC, csv("2025-11-15", &rows)).await;
    desk.sanction("other", csv("", &made_up(100..113))).await;
}

#[test]
fn pages_join_to_the_whole_from_every_point() {
    run(vec![ofac()], async |desk| {
        four_versions(desk).await;
        let all = whole(desk, None, "", 0).await;
        assert_eq!(all.len(), 30 + 12 + 7 + 1);
        assert!(all.iter().map(|change| change.version).is_sorted());
        let date = |day: &str| Some(Since::SinceDate(day.to_owned()));
        let version = |number| Some(Since::SinceVersion(number));
        for change in &all {
            // Versions 1 and 3 are OFAC's first and second.
            assert_eq!(change.number_on_list, change.version.div_ceil(2), "{change:?}");
        }
        type Keep = fn(&v1::ListingChange) -> bool;
        let points: [(Option<Since>, Keep); 9] = [
            (None, |_| true),
            (version(0), |_| true),
            (version(1), |change| change.version > 1),
            (version(3), |change| change.version > 3),
            (version(4), |_| false),
            (version(u64::MAX), |_| false),
            (date("2025-11-10"), |_| true),
            (date("2025-11-13"), |change| change.version > 2),
            // Version 4 counts by the day that it was loaded.
            (date("2025-11-20"), |change| change.version > 3),
        ];
        for (since, keep) in points {
            for list in ["", OFAC, "other"] {
                let expected: Vec<_> = all
                    .iter()
                    .filter(|change| keep(change) && (list.is_empty() || change.list_id == list))
                    .cloned()
                    .collect();
                for page_size in [1, 7, 0, u32::MAX] {
                    let found = whole(desk, since.clone(), list, page_size).await;
                    assert_eq!(found, expected, "{since:?} of {list:?} by {page_size}");
                }
            }
        }
        assert!(whole(desk, date("2025-11-21"), "", 7).await.is_empty());
        for (list, number, above) in
            [(OFAC, 0, 0), (OFAC, 1, 1), (OFAC, 2, 3), (OFAC, 3, 9), ("other", 1, 2)]
        {
            let since = Some(Since::SinceNumberOnList(number));
            let found = whole(desk, since, list, 7).await;
            let is_wanted =
                |change: &&v1::ListingChange| change.list_id == list && change.version > above;
            assert_eq!(found, all.iter().filter(is_wanted).cloned().collect::<Vec<_>>());
        }
        let request = v1::ListListingChangesRequest {
            since: Some(Since::SinceNumberOnList(1)),
            ..Default::default()
        };
        let refusal = (Code::InvalidArgument, "INVALID_FIELD", "since_number_on_list", "list_id");
        check_refused(desk.client.lists.clone().list_listing_changes(request).await, refusal);
    });
}

#[test]
fn every_field_of_a_change() {
    run(vec![ofac()], async |desk| {
        four_versions(desk).await;
        let third = whole(desk, Some(Since::SinceVersion(2)), OFAC, 0).await;
        let change = |kind: v1::ListingChangeKind, number: u64, name: &str| v1::ListingChange {
            list_id: OFAC.to_owned(),
            version: 3,
            number_on_list: 2,
            published_on: "2025-11-15".to_owned(),
            kind: kind.into(),
            party_uid: number.to_string(),
            party_name: name.to_owned(),
            address: evm(number),
            ticker: "ETH".to_owned(),
            fields: Vec::new(),
            from_backfill: false,
        };
        let renamed = v1::FieldChange {
            field: v1::ChangedField::PartyName.into(),
            removed_values: vec!["Party 2".to_owned()],
            added_values: vec!["Renamed".to_owned()],
            omitted: 0,
        };
        let (added, removed) = (v1::ListingChangeKind::Added, v1::ListingChangeKind::Removed);
        // In the order of the keys, of which the party's uid comes first.
        let expected = [
            change(removed, 0, "Party 0"),
            change(removed, 1, "Party 1"),
            v1::ListingChange {
                fields: vec![renamed],
                ..change(v1::ListingChangeKind::Updated, 2, "Renamed")
            },
            change(added, 30, "Party 30"),
            change(added, 31, "Party 31"),
            change(added, 32, "Party 32"),
            change(added, 33, "Party 33"),
        ];
        assert_eq!(third, expected);
        let fourth = whole(desk, Some(Since::SinceVersion(3)), "", 0).await;
        assert_eq!((fourth.len(), fourth[0].published_on.as_str()), (1, ""));

        desk.sanction(OFAC, csv("2025-11-16", &made_up(2..12))).await;
        let fifth = whole(desk, Some(Since::SinceVersion(4)), "", 0).await;
        let pending = v1::ListingChangeKind::RemovalPending;
        assert_eq!(fifth.iter().filter(|change| change.kind() == pending).count(), 22);
        desk.sanction(OFAC, csv("2025-11-17", &made_up(2..34))).await;
        let sixth = whole(desk, Some(Since::SinceVersion(5)), "", 0).await;
        let cancelled = v1::ListingChangeKind::RemovalCancelled;
        assert_eq!(sixth.len(), 22);
        assert!(sixth.iter().all(|change| change.kind() == cancelled), "{sixth:?}");
    });
}
