//! Answers about the past: looks that were declared, the versions of a past day, and snapshots that were
//! once in force.

use super::access::{ADMIN, INGEST, client_with, fed_and_ruled};
use super::*;

const SECOND: &str = "2025-11-25T12:00:00Z";

fn set_clock(desk: &Desk, now: &str) {
    desk.clock.store(moment(now).as_second(), Ordering::SeqCst);
}

fn declared(at: Option<&str>) -> v1::ImportListHeader {
    let declared_check = Some(v1::CheckDeclaration { checked_at: at.map(proto_time) });
    v1::ImportListHeader { declared_check, ..header("l", v1::ListKind::Sanctions) }
}

fn of_past(id: &str, evaluated_at: Option<pbjson_types::Timestamp>) -> v1::ScreeningOptions {
    v1::ScreeningOptions { snapshot_id: id.to_owned(), evaluated_at, ..Default::default() }
}

async fn ask_with(
    desk: &Desk,
    address: &str,
    options: v1::ScreeningOptions,
) -> Result<v1::ScreenAddressResponse, Status> {
    desk.ask(v1::ScreenAddressRequest { options: Some(options), ..question(address) }).await
}

#[test]
fn a_look_is_declared_by_an_admin_alone() {
    run_with(fed_and_ruled, async |desk| {
        let import = async |token: &str| {
            let parts =
                [Part::Header(declared(None)), Part::Chunk(csv("2025-11-10", &made_up(0..3)))];
            let parts = parts.map(|part| v1::ImportListRequest { part: Some(part) });
            let mut lists = client_with(desk, token).await.lists;
            lists.import_list(tokio_stream::iter(parts)).await
        };
        let words = "(--checked) takes the permission declare-looks: feeds may not";
        let denied = (Code::PermissionDenied, "PERMISSION_DENIED", "", words);
        check_refused(import(INGEST).await, denied);
        assert!(desk.lists().await.iter().all(|list| list.version == 0), "nothing is loaded");
        import(ADMIN).await.unwrap();
        let look = desk.lists().await[0].declared_check.clone().unwrap();
        assert_eq!((look.declared_by.as_str(), look.checked_at), ("rules", Some(proto_time(NOW))));
    });
}

#[test]
fn a_declared_look_counts_and_every_answer_says_so_until_another_import() {
    run(vec![loose("l")], async |desk| {
        let file = || csv("2025-11-10", &made_up(0..3));
        desk.sanction("l", file()).await;
        let stale = desk.screen(CLEAN).await;
        assert_eq!(said(&stale), "REVIEW 0 NONE !LIST_STALE@l");
        // The same facts, looked at yesterday.
        let yesterday = "2025-11-19T12:00:00Z";
        let report = desk.import(declared(Some(yesterday)), file()).await.unwrap();
        assert!(!report.published);
        let answer = desk.ask(question(CLEAN)).await.unwrap();
        assert_eq!(said(answer.screening.as_ref().unwrap()), "ALLOW 0 NONE");
        let list = &answer.snapshot.as_ref().unwrap().lists[0];
        let look = v1::DeclaredCheck {
            checked_at: Some(proto_time(yesterday)),
            declared_by: "anybody".to_owned(),
            declared_at: Some(proto_time(NOW)),
        };
        assert_eq!(
            (list.age_seconds, &list.declared_check),
            (Some(DAY as u64), &Some(look.clone()))
        );
        assert_eq!(desk.lists().await[0].declared_check, Some(look.clone()));
        // So do answers of past days that would be stale without it, and no others.
        for (day, is_named) in [("2025-11-18", true), ("2025-11-10", false)] {
            let as_of = Some(proto_time(&format!("{day}T00:00:00Z")));
            let options = v1::ScreeningOptions { as_of, ..Default::default() };
            let answer = ask_with(desk, CLEAN, options).await.unwrap().snapshot.unwrap();
            assert_eq!(answer.lists[0].declared_check.is_some(), is_named, "{day}");
        }
        // What its id stands for says so for good.
        let id = answer.snapshot.unwrap().id;
        desk.sanction("l", csv("2025-11-20", &made_up(0..4))).await;
        let now = desk.ask(question(CLEAN)).await.unwrap().snapshot.unwrap();
        assert_eq!(now.lists[0].declared_check, None);
        let request = v1::GetSnapshotRequest { id };
        let stored = desk.client.lists.clone().get_snapshot(request).await.unwrap().into_inner();
        assert_eq!(stored.snapshot.unwrap().lists[0].declared_check, Some(look));
    });
}

#[test]
fn a_declared_look_lies_between_the_publication_and_now() {
    run(vec![loose("l")], async |desk| {
        let file = || csv("2025-11-10", &made_up(0..3));
        let field = "header.declared_check";
        for (at, words) in [
            ("2025-11-20T12:00:01Z", "later than now (2025-11-20T12:00:00Z): give the time"),
            ("2025-11-09T23:59:59Z", "2025-11-10T00:00:00Z or later"),
        ] {
            let refused = (Code::InvalidArgument, "INVALID_FIELD", field, words);
            check_refused(desk.import(declared(Some(at)), file()).await, refused);
        }
        assert!(desk.lists().await.iter().all(|list| list.version == 0), "nothing is loaded");
    });
}

#[test]
fn an_as_of_answer_has_the_versions_and_ages_of_that_day() {
    run(vec![loose("l")], async |desk| {
        desk.sanction("l", csv("2025-11-18", &made_up(0..3))).await;
        set_clock(desk, SECOND);
        desk.sanction("l", csv("2025-11-24", &made_up(1..4))).await;
        let dated = async |at: &str| {
            let options =
                v1::ScreeningOptions { as_of: Some(proto_time(at)), ..Default::default() };
            let answer = ask_with(desk, CLEAN, options).await.unwrap();
            let snapshot = answer.snapshot.unwrap();
            assert_eq!(snapshot.as_of, Some(proto_time(at)));
            assert_eq!(snapshot.id, answer.screening.unwrap().snapshot_id);
            let list = snapshot.lists[0].clone();
            let numbers = (list.number_on_list, list.version);
            (numbers, list.published_on, list.age_seconds.map(|age| age / 3600), list.known_since)
        };
        let text = str::to_owned;
        let second = dated("2025-11-25T06:00:00Z").await;
        assert_eq!(second, ((2, 2), text("2025-11-24"), Some(30), String::new()));
        // In the gap: the first publication's own day was the last look.
        let first = dated("2025-11-20T13:00:00Z").await;
        assert_eq!(first, ((1, 1), text("2025-11-18"), Some(61), String::new()));
        // On the day of the first one, which was loaded later.
        let early = dated("2025-11-18T13:00:00Z").await;
        assert_eq!(early, ((1, 1), text("2025-11-18"), Some(13), text("2025-11-18")));
        // Before it.
        let before = dated("2025-11-01T13:00:00Z").await;
        assert_eq!(before, ((0, 0), String::new(), None, text("2025-11-18")));
        // Now.
        let now = desk.ask(question(CLEAN)).await.unwrap().snapshot.unwrap();
        assert_eq!((now.as_of, now.lists[0].number_on_list), (None, 2));
    });
}

#[test]
fn a_past_snapshot_answers_word_for_word_as_it_did() {
    let lists = vec![loose("l"), settings("w", ListKind::Advisory)];
    run(lists, async |desk| {
        desk.sanction("l", csv("2025-11-20", &made_up(0..1500))).await;
        let header_of_w = header("w", v1::ListKind::Advisory);
        desk.import(header_of_w.clone(), csv("2025-11-20", &made_up(7..9))).await.unwrap();
        let (gone, changed, new) = (evm(3), evm(7), evm(1600));
        let mut then = Vec::new();
        for address in [&gone, &changed, &new] {
            then.push(desk.ask(question(address)).await.unwrap());
        }
        let id = then[0].snapshot.as_ref().unwrap().id.clone();
        // Rows go and come, a party is renamed, a list comes, and time passes.
        for (number, day) in ["2025-11-21", "2025-11-22", "2025-11-25"].into_iter().enumerate() {
            set_clock(desk, &format!("{day}T12:00:00Z"));
            let mut rows = made_up(4 + number as u64..1700);
            rows[3 - number] = format!("{},ETH,7,Renamed {number}", evm(7));
            desk.sanction("l", csv(day, &rows)).await;
        }
        desk.import(header_of_w, csv("2025-11-25", &made_up(0..3))).await.unwrap();
        for (address, then) in [&gone, &changed, &new].into_iter().zip(&then) {
            let now = desk.ask(question(address)).await.unwrap();
            assert_ne!(now.screening.unwrap().findings, then.screening.as_ref().unwrap().findings);
            let evaluated_at = then.screening.as_ref().unwrap().evaluated_at;
            let again = ask_with(desk, address, of_past(&id, evaluated_at)).await.unwrap();
            assert_eq!(&again, then, "{address}");
            // The last thing that it knows is of that noon too.
            let again = ask_with(desk, address, of_past(&id, None)).await.unwrap();
            assert_eq!(&again, then, "{address}");
        }
        // Later, when the list was older than its limit.
        let later = Some(proto_time("2025-11-24T12:00:00Z"));
        let stale = ask_with(desk, CLEAN, of_past(&id, later)).await.unwrap();
        assert_eq!(said(&stale.screening.unwrap()), "REVIEW 0 NONE !LIST_STALE@l");
        // A past day, as it was known then.
        let as_of = Some(proto_time("2025-11-20T01:00:00Z"));
        let options = v1::ScreeningOptions { as_of, ..of_past(&id, None) };
        let dated = ask_with(desk, &gone, options).await.unwrap();
        let snapshot = dated.snapshot.unwrap();
        assert_eq!((snapshot.lists[0].number_on_list, &snapshot.id), (1, &id));
        // Batches too.
        let request = v1::BatchScreenAddressesRequest {
            queries: [&gone, &new].map(|address| query(address)).into(),
            options: Some(v1::ScreeningOptions { include_snapshot: true, ..of_past(&id, None) }),
            ..Default::default()
        };
        let mut client = desk.client.screening.clone();
        let batch = client.batch_screen_addresses(request).await.unwrap().into_inner();
        let item = |screening: &Option<v1::Screening>| v1::ScreeningItem {
            outcome: screening.clone().map(v1::screening_item::Outcome::Screening),
        };
        assert_eq!(batch.items, [item(&then[0].screening), item(&then[2].screening)]);
        assert_eq!(batch.snapshot, then[0].snapshot);
    });
}

#[test]
fn what_a_past_snapshot_cannot_answer_says_why() {
    run(vec![loose("l")], async |desk| {
        desk.sanction("l", csv("2025-11-20", &made_up(0..3))).await;
        let id = desk.screen(CLEAN).await.snapshot_id;
        let invalid = |field, words| (Code::InvalidArgument, "INVALID_FIELD", field, words);
        let check = async |options, expected| {
            check_refused(ask_with(desk, CLEAN, options).await, expected);
        };
        let unknown = (Code::NotFound, "NOT_FOUND", "", "was in force here");
        check(of_past("0123456789abcdef-c1", None), unknown).await;
        check(of_past("no id", None), unknown).await;
        check(of_past(&"x".repeat(300), None), invalid("options.snapshot_id", "at most 256")).await;
        let at = |text: &str| Some(proto_time(text));
        let early = invalid("options.evaluated_at", "until 2025-11-20T12:00:00Z");
        check(of_past(&id, at("2025-11-20T11:59:59Z")), early).await;
        let late = invalid("options.evaluated_at", "later than now");
        check(of_past(&id, at("2025-11-20T12:00:01Z")), late).await;
        let alone = invalid("options.evaluated_at", "goes with snapshot_id");
        check(of_past("", at(NOW)), alone).await;
        let deep = v1::ScreeningOptions { include_evidence: true, ..of_past(&id, None) };
        check(deep, invalid("options.include_evidence", "beside snapshot_id")).await;
        let request = v1::StreamScreenAddressesRequest {
            query: Some(query(CLEAN)),
            options: Some(of_past(&id, None)),
        };
        let mut client = desk.client.screening.clone();
        let answers = client.stream_screen_addresses(tokio_stream::iter([request])).await;
        let item = answers.unwrap().into_inner().message().await.unwrap().unwrap().item;
        let Some(v1::screening_item::Outcome::Error(error)) = item.unwrap().outcome else {
            panic!("a refusal");
        };
        assert!(error.message.contains("options.snapshot_id: a past snapshot"), "{error:?}");
    });
}

#[test]
fn a_past_snapshot_has_the_exposure_of_then_or_says_that_it_is_not_kept() {
    run(vec![loose("l")], async |desk| {
        desk.sanction("l", csv("2025-11-20", &made_up(0..3))).await;
        let without = desk.ask(question(CLEAN)).await.unwrap();
        let id = |answer: &v1::ScreenAddressResponse| answer.snapshot.as_ref().unwrap().id.clone();
        let start = moment("2025-11-19T12:00:00Z");
        let listed = evm(1);
        let send = |height: u64, to: &str| {
            let mut session = desk.engine.begin_ingest();
            let transfer = crate::support::desk::sends(height, &listed, to, start);
            session.append(vec![transfer], &[]).unwrap();
            session.finish().unwrap();
            desk.engine.wait_for_exposure(true).unwrap();
        };
        send(1, CLEAN);
        let with = desk.ask(question(CLEAN)).await.unwrap();
        assert!(said(with.screening.as_ref().unwrap()).contains("RECEIVED_FROM"));
        // The same lists and transfers: word for word.
        assert_eq!(ask_with(desk, CLEAN, of_past(&id(&with), None)).await.unwrap(), with);
        // None were loaded: there was nothing to find.
        assert_eq!(ask_with(desk, CLEAN, of_past(&id(&without), None)).await.unwrap(), without);
        // One more transfer, and then another list: what the labels said is gone.
        let again = async || {
            let again = ask_with(desk, CLEAN, of_past(&id(&with), None)).await.unwrap();
            again.screening.unwrap()
        };
        desk.sanction("l", csv("2025-11-20", &made_up(0..4))).await;
        desk.engine.wait_for_exposure(true).unwrap();
        let missing = "REVIEW 0 NONE !SNAPSHOT_EXPOSURE_NOT_KEPT";
        let screening = again().await;
        assert_eq!(said(&screening), missing);
        assert!(screening.incomplete_reasons[0].detail.contains("labels are of the lists"));
        send(2, CLEAN);
        let screening = again().await;
        assert_eq!(said(&screening), missing);
        assert!(screening.incomplete_reasons[0].detail.contains("transfers"));
        assert_eq!(ask_with(desk, CLEAN, of_past(&id(&without), None)).await.unwrap(), without);
    });
}
