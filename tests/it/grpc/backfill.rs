//! `BackfillList`: what it takes, whom it takes it from, and what answers say afterwards; older snapshots
//! keep what they knew.

use v1::backfill_list_request::Part;

use super::access::{ADMIN, INGEST, client_with, fed_and_ruled};
use super::*;

fn head(list: &str) -> Part {
    Part::Header(v1::BackfillListHeader { list_id: list.to_owned(), validate_only: false })
}

fn file(name: &str) -> Part {
    let file_name = name.to_owned();
    Part::File(v1::BackfillFile { file_name, ..Default::default() })
}

async fn send(client: &Client, parts: Vec<Part>) -> Result<v1::BackfillListResponse, Status> {
    let parts = parts.into_iter().map(|part| v1::BackfillListRequest { part: Some(part) });
    let mut lists = client.lists.clone();
    Ok(lists.backfill_list(tokio_stream::iter(parts)).await?.into_inner())
}

/// Files of rows, each with its day.
fn files(of: &[(&str, std::ops::Range<u64>)]) -> Vec<Part> {
    let parts = |(day, rows): &(&str, std::ops::Range<u64>)| {
        [file(&format!("{day}.csv")), Part::Chunk(csv(day, &made_up(rows.clone())))]
    };
    [head("l")].into_iter().chain(of.iter().flat_map(parts)).collect()
}

async fn as_of(desk: &Desk, number: u64, day: &str, snapshot: &str) -> Vec<String> {
    let options = v1::ScreeningOptions {
        as_of: Some(proto_time(&format!("{day}T12:00:00Z"))),
        snapshot_id: snapshot.to_owned(),
        ..Default::default()
    };
    let asked = v1::ScreenAddressRequest { options: Some(options), ..question(&evm(number)) };
    let answer = desk.ask(asked).await.unwrap().screening.unwrap();
    let findings = answer.findings.iter().filter_map(|finding| finding.listing.as_ref());
    findings.map(|it| format!("{}..{}", it.listed_on, it.removed_on)).collect()
}

#[test]
fn the_past_is_filled_and_older_snapshots_keep_what_they_knew() {
    run(vec![loose("l")], async |desk| {
        let import = async |day: &str, rows| {
            desk.import(header("l", v1::ListKind::Sanctions), csv(day, &made_up(rows))).await
        };
        import("2025-11-10", 0..4).await.unwrap();
        let before = desk.screen(&evm(0)).await.snapshot_id;
        assert_eq!(as_of(desk, 3, "2025-11-10", "").await, ["..".to_owned()]);
        let done = send(
            &desk.client,
            files(&[("2025-11-05", 0..3), ("2025-11-01", 0..6), ("2025-11-07", 1..4)]),
        );
        let done = done.await.unwrap();
        assert!(done.published);
        assert_eq!((done.rows_found, done.rows_redated), (2, 2));
        let files = done.files.iter();
        let files = files.map(|it| (it.published_on.as_str(), it.missing_rows, it.next_rows));
        let expected = [("2025-11-01", 0, 3), ("2025-11-05", 1, 3), ("2025-11-07", 1, 4)];
        assert_eq!(files.collect::<Vec<_>>(), expected);
        let list = done.list.unwrap();
        assert_eq!((list.number_on_list, list.first_published_on.as_str()), (2, "2025-11-01"));
        assert_eq!(
            (list.published_on.as_str(), list.origin_name.as_str()),
            ("2025-11-10", "l.csv")
        );

        for (number, day, expected) in [
            (3, "2025-11-02", &["..2025-11-05"][..]),
            (3, "2025-11-06", &["..2025-11-05"]),
            (3, "2025-11-08", &["2025-11-07.."]),
            (0, "2025-11-06", &["..2025-11-07"]),
            (0, "2025-11-08", &["..2025-11-07"]),
            (0, "2025-11-10", &["2025-11-10.."]),
            (5, "2025-11-02", &["..2025-11-05"]),
            (6, "2025-11-02", &[]),
        ] {
            assert_eq!(as_of(desk, number, day, "").await, expected, "{number} as of {day}");
        }
        assert_eq!(as_of(desk, 3, "2025-11-10", &before).await, ["..".to_owned()]);
        assert_eq!(as_of(desk, 5, "2025-11-02", &before).await, [""; 0]);
        assert_ne!(desk.screen(&evm(5)).await.decision(), v1::Decision::Block);
        assert_eq!(desk.screen(&evm(3)).await.decision(), v1::Decision::Block);

        let changes = desk.client.lists.clone();
        let request = v1::ListListingChangesRequest::default();
        let changes = { changes }.list_listing_changes(request).await.unwrap().into_inner().changes;
        assert!(changes.iter().all(|change| change.from_backfill && change.number_on_list == 2));
        let told: Vec<_> = changes
            .iter()
            .map(|it| (it.published_on.as_str(), it.party_uid.as_str(), it.kind()))
            .filter(|(_, uid, _)| *uid == "3")
            .collect();
        let (added, removed) = (v1::ListingChangeKind::Added, v1::ListingChangeKind::Removed);
        assert_eq!(
            told,
            [("2025-11-01", "3", added), ("2025-11-05", "3", removed), ("2025-11-07", "3", added)]
        );
        // What comes next goes on from there.
        import("2025-11-15", 0..5).await.unwrap();
        assert_eq!(desk.screen(&evm(4)).await.decision(), v1::Decision::Block);
    });
}

#[test]
fn what_is_no_backfill_changes_nothing() {
    run(vec![loose("l")], async |desk| {
        let rows = csv("2025-11-10", &made_up(0..4));
        desk.import(header("l", v1::ListKind::Sanctions), rows).await.unwrap();
        let before = desk.lists().await;
        let chunk = |day: &str| Part::Chunk(csv(day, &made_up(0..3)));
        let odd = |format: &str, published: &str| {
            Part::File(v1::BackfillFile {
                format: format.to_owned(),
                file_name: "a.csv".to_owned(),
                published_on: published.to_owned(),
            })
        };
        let field = |field: &'static str, words: &'static str| {
            (Code::InvalidArgument, "INVALID_FIELD", field, words)
        };
        let refused = |words| (Code::FailedPrecondition, "GATE_REFUSED", "", words);
        let unknown = (Code::NotFound, "UNKNOWN_LIST", "", "list other is neither");
        for (parts, expected) in [
            (vec![file("a")], field("part", "the first part must be the header")),
            (vec![head("A")], field("header.list_id", "invalid list id")),
            (vec![head("l")], field("part", "no file came")),
            (vec![head("l"), chunk("2025-11-01")], field("part", "a chunk of no file")),
            (vec![head("l"), head("l")], field("part", "files and their chunks only")),
            (vec![head("l"), odd("pdf", "")], field("file.format", "pdf")),
            (vec![head("l"), odd("", "1-1-25")], field("file.published_on", "YYYY-MM-DD")),
            (
                vec![head("l"), odd("", "2025-11-02"), chunk("2025-11-01")],
                field(
                    "file.published_on",
                    "a.csv: 2025-11-02 contradicts the file, which says 2025-11-01",
                ),
            ),
            (vec![head("other"), file("a"), chunk("2025-11-01")], unknown),
            (
                vec![head("l"), file("a"), chunk("")],
                refused("a: the file does not state its publication day"),
            ),
            (vec![head("l"), file("a"), chunk("2025-11-10")], refused("with other rows is known")),
            (vec![head("l"), file("a"), chunk("2025-11-11")], refused("only older publications")),
            (
                vec![head("l"), file("a"), Part::Chunk(b"<html>".to_vec())],
                (Code::InvalidArgument, "MALFORMED_FILE", "", "a: "),
            ),
        ] {
            check_refused(send(&desk.client, parts).await, expected);
        }
        let mut many = vec![head("l")];
        many.extend((0..201).map(|number| file(&number.to_string())));
        let too_many = (Code::InvalidArgument, "TOO_MANY_ITEMS", "file", "more than 200 files");
        check_refused(send(&desk.client, many).await, too_many);
        assert_eq!(desk.lists().await, before);
        assert_eq!(desk.uploads(), 0);
    });
}

#[test]
fn a_backfill_takes_the_permission_to_force_gates() {
    run_with(fed_and_ruled, async |desk| {
        let admin = client_with(desk, ADMIN).await;
        let parts = [
            super::Part::Header(header("l", v1::ListKind::Sanctions)),
            super::Part::Chunk(csv("2025-11-10", &made_up(0..3))),
        ];
        let parts = parts.map(|part| v1::ImportListRequest { part: Some(part) });
        admin.lists.clone().import_list(tokio_stream::iter(parts)).await.unwrap();
        let feeds = client_with(desk, INGEST).await;
        let words = "takes the permission force-gates: feeds may not";
        let denied = (Code::PermissionDenied, "PERMISSION_DENIED", "", words);
        check_refused(send(&feeds, files(&[("2025-11-01", 0..2)])).await, denied);
        assert!(send(&admin, files(&[("2025-11-01", 0..2)])).await.unwrap().published);
    });
}
