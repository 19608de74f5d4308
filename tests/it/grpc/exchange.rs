//! Lists in and out: `ImportList`, `ExportList`, `RefreshList`.

use prost::Message;
use tokio::io::AsyncWriteExt;

use super::messages::framed;
use super::*;
use crate::support::frames;

/// A FAILED_PRECONDITION or other refusal about no field.
fn plain<'a>(code: Code, reason: &'a str, words: &'a str) -> (Code, &'a str, &'a str, &'a str) {
    (code, reason, "", words)
}

#[test]
fn an_import_says_what_it_did_and_is_in_use() {
    run(vec![ofac()], async |desk| {
        let report = desk.sanction(OFAC, csv("2025-11-10", &made_up(0..10))).await;
        let counts = (report.published, report.added, report.updated, report.removed);
        assert_eq!(counts, (true, 10, 0, 0));
        assert_eq!(desk.screen(&evm(0)).await.decision(), v1::Decision::Block);
        assert_eq!(report.list, Some(desk.lists().await.remove(0)));

        // In chunks of one byte, and without kind and format: as the list has and the file shows.
        let mut rows = made_up(1..11);
        rows[0] = rows[0].replace("Party 1", "Another name");
        let header = v1::ImportListHeader {
            kind: v1::ListKind::Unspecified.into(),
            format: String::new(),
            refreshes_age: true,
            ..header(OFAC, v1::ListKind::Unspecified)
        };
        let mut parts = vec![Part::Header(header)];
        parts.extend(csv("2025-11-20", &rows).into_iter().map(|byte| Part::Chunk(vec![byte])));
        let report = desk.send(parts.clone()).await.unwrap();
        let counts = (report.published, report.added, report.updated, report.removed);
        assert_eq!(counts, (true, 1, 1, 1));
        assert_eq!(report.list.unwrap().version, 2);
        assert_eq!(desk.screen(&evm(10)).await.decision(), v1::Decision::Block);
        assert_eq!(desk.screen(&evm(0)).await.decision(), v1::Decision::Allow);

        let report = desk.send(parts).await.unwrap();
        let counts = (report.published, report.added, report.updated, report.removed);
        assert_eq!(counts, (false, 0, 0, 0));
        assert_eq!(report.list.unwrap().version, 2);
        assert_eq!(desk.uploads(), 0, "an import leaves no file behind");
    });
}

/// A client that goes away hands in half a file, which may well read as a whole one.
#[test]
fn an_import_that_breaks_off_publishes_nothing() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-10", &made_up(0..10))).await;
        for round in 1..=3 {
            let (part, parts) = tokio::sync::mpsc::unbounded_channel();
            let parts = tokio_stream::wrappers::UnboundedReceiverStream::new(parts);
            let mut lists = desk.client.lists.clone();
            let import = tokio::spawn(async move { lists.import_list(parts).await.map(drop) });
            let file = csv("2025-11-20", &made_up(0..9));
            let length = file.len() as u64;
            let header = header(OFAC, v1::ListKind::Sanctions);
            for it in [Part::Header(header), Part::Chunk(file)] {
                part.send(v1::ImportListRequest { part: Some(it) }).unwrap();
            }
            while desk.uploaded() < length {
                tokio::task::yield_now().await;
            }
            import.abort();
            assert!(import.await.unwrap_err().is_cancelled());
            while desk.uploads() > 0 {
                tokio::task::yield_now().await;
            }
            // Imports have one turn: what was begun has ended before this one.
            let report = desk.sanction("other", csv("2025-11-20", &made_up(0..round))).await;
            assert!(report.published);
            let lists = desk.lists().await;
            let attacked = lists.iter().find(|list| list.list_id == OFAC).unwrap();
            assert_eq!(attacked.version, 1);
        }
        // A reset with NO_ERROR (RFC 9113, section 7) is no end either.
        let parts = [
            Part::Header(header(OFAC, v1::ListKind::Sanctions)),
            Part::Chunk(csv("2025-11-20", &made_up(0..9))),
        ];
        let parts = parts.map(|it| v1::ImportListRequest { part: Some(it) }.encode_to_vec());
        let mut bytes = frames::opening(1 << 20);
        frames::call(&mut bytes, 1, "/lazaretto.v1.SanctionsListService/ImportList");
        frames::data(&mut bytes, 1, &parts.map(|it| framed(0, &it)).concat(), false);
        let mut stream = tokio::net::TcpStream::connect(desk.address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        while desk.uploaded() == 0 {
            tokio::task::yield_now().await;
        }
        bytes.clear();
        frames::frame(&mut bytes, 3, 0, 1, &[0; 4]);
        stream.write_all(&bytes).await.unwrap();
        while desk.uploads() > 0 {
            tokio::task::yield_now().await;
        }
        desk.sanction("other", csv("2025-11-20", &made_up(0..4))).await;
        // The same file as a whole is taken.
        let report = desk.sanction(OFAC, csv("2025-11-20", &made_up(0..9))).await;
        assert_eq!(report.removed, 1);
    });
}

#[test]
fn imports_that_are_refused() {
    let invalid = |field, words| (Code::InvalidArgument, "INVALID_FIELD", field, words);
    let head = || header(OFAC, v1::ListKind::Sanctions);
    let list = || Part::Chunk(csv("2025-11-20", &made_up(0..4)));
    let with = |head: v1::ImportListHeader| vec![Part::Header(head), list()];
    let malformed = |words| (Code::InvalidArgument, "MALFORMED_FILE", "", words);
    let file = |text: &str| vec![Part::Header(head()), Part::Chunk(text.as_bytes().to_vec())];
    let gate = |words| plain(Code::FailedPrecondition, "GATE_REFUSED", words);
    let dated = |day: &str| vec![Part::Header(head()), Part::Chunk(csv(day, &made_up(0..4)))];
    let cases = [
        (vec![], invalid("part", "first")),
        (vec![list()], invalid("part", "first")),
        (vec![Part::Header(head()), Part::Header(head())], invalid("part", "chunks only")),
        (vec![Part::Header(head()), list(), Part::Header(head())], invalid("part", "chunks only")),
        (
            vec![Part::Header(head()), Part::Chunk(vec![b'x'; (1 << 20) + 1])],
            (Code::InvalidArgument, "TOO_MANY_ITEMS", "chunk", "1048577 bytes"),
        ),
        (
            with(v1::ImportListHeader { list_id: "A".to_owned(), ..head() }),
            invalid("header.list_id", "\"A\""),
        ),
        (
            with(v1::ImportListHeader { list_id: String::new(), ..head() }),
            invalid("header.list_id", ""),
        ),
        (
            with(v1::ImportListHeader { format: "pdf".to_owned(), ..head() }),
            invalid("header.format", "\"pdf\""),
        ),
        (
            with(v1::ImportListHeader { published_on: "2025-11-19".to_owned(), ..head() }),
            invalid("header.published_on", "contradicts the file, which says 2025-11-20"),
        ),
        (
            with(v1::ImportListHeader { published_on: "20-11-2025".to_owned(), ..head() }),
            invalid("header.published_on", ""),
        ),
        (
            with(v1::ImportListHeader { force_reason: "x".repeat(1_025), ..head() }),
            invalid("header.force_reason", "1025 bytes, at most 1024"),
        ),
        (
            with(v1::ImportListHeader { force_reason: "why".to_owned(), ..head() }),
            invalid("header.force_gates", "name the gates"),
        ),
        (
            with(v1::ImportListHeader { force_gates: vec![4], ..head() }),
            invalid("header.force_reason", "for a reason"),
        ),
        (
            with(v1::ImportListHeader {
                force_reason: "why".to_owned(),
                force_gates: vec![4, 0],
                ..head()
            }),
            invalid("header.force_gates", "0 is no gate"),
        ),
        (with(header("new-list", v1::ListKind::Unspecified)), invalid("header.kind", "new-list")),
        (vec![Part::Header(head())], malformed("empty")),
        (file("<html></html>"), malformed("HTML page")),
        (file("address\n\"open"), malformed("line ")),
        (file("address,no_such_column\n"), malformed("\"no_such_column\"")),
        (file("# rows: 2\naddress\nx\n"), malformed("states 2 entries but has 1")),
        (file("address\n"), gate("empty")),
        (dated("2025-11-23"), gate("2025-11-23")),
        (with(header(OFAC, v1::ListKind::Advisory)), gate("of kind SANCTIONS, not ADVISORY")),
        (dated("2025-11-09"), gate("2025-11-09 is older than that of 2025-11-10")),
    ];
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-10", &made_up(0..4))).await;
        let before = desk.lists().await;
        for (parts, refusal) in cases {
            check_refused(desk.send(parts).await, refusal);
        }
        assert_eq!(desk.lists().await, before);
        assert_eq!(desk.uploads(), 0, "a refused import leaves no file behind");
    });
}

#[test]
fn a_forced_import_keeps_its_reason() {
    run(vec![ofac()], async |desk| {
        desk.sanction(OFAC, csv("2025-11-20", &made_up(0..10))).await;
        let head = v1::ImportListHeader {
            force_reason: " the court said so ".to_owned(),
            force_gates: vec![v1::ImportGate::Older.into(), v1::ImportGate::Shrink.into()],
            ..header(OFAC, v1::ListKind::Sanctions)
        };
        let report = desk.import(head, csv("2025-11-12", &made_up(0..1))).await.unwrap();
        assert_eq!((report.removed, report.removals_pending), (9, 0));
        let list = report.list.unwrap();
        assert_eq!(list.force_reason, "older, shrink: the court said so");
        assert_eq!(list.published_on, "2025-11-12");
        assert_eq!(desk.lists().await.remove(0).force_reason, "older, shrink: the court said so");
    });
}

#[test]
fn the_header_dates_a_file_that_does_not_say_its_day() {
    run(vec![ofac()], async |desk| {
        let head = v1::ImportListHeader {
            published_on: "2025-11-18".to_owned(),
            ..header(OFAC, v1::ListKind::Sanctions)
        };
        let report = desk.import(head.clone(), csv("", &made_up(0..4))).await.unwrap();
        assert_eq!(report.list.unwrap().published_on, "2025-11-18");
        // A file that says the same is no contradiction.
        let report = desk.import(head, csv("2025-11-18", &made_up(0..5))).await.unwrap();
        assert_eq!(report.list.unwrap().published_on, "2025-11-18");
    });
}

async fn export(desk: &Desk, list: &str) -> Result<Vec<u8>, Status> {
    let mut lists = desk.client.lists.clone();
    let request = v1::ExportListRequest { list_id: list.to_owned() };
    let mut chunks = lists.export_list(request).await?.into_inner();
    let mut file = Vec::new();
    while let Some(part) = chunks.message().await? {
        assert!((1..=256 << 10).contains(&part.chunk.len()));
        file.extend(part.chunk);
    }
    Ok(file)
}

#[test]
fn an_export_is_the_same_list_elsewhere() {
    run(vec![ofac()], async |desk| {
        let mut rows = made_up(0..8_000);
        rows.push("no address,XBT,q,\"A \"\"quoted\"\" | name, \\ that is hard\"".to_owned());
        desk.sanction(OFAC, csv("2025-11-19", &rows)).await;
        // A row that was removed is not exported.
        desk.sanction(OFAC, csv("2025-11-20", &rows[1..])).await;
        let file = export(desk, OFAC).await.unwrap();
        assert!(file.len() > 256 << 10, "it takes several chunks");
        let text = String::from_utf8(file.clone()).unwrap();
        assert!(!text.contains(&evm(0)) && text.contains(&evm(1)));
        let there = Desk::start(|config| config.lists = vec![ofac()]).await;
        let copy = there.sanction(OFAC, file).await.list.unwrap();
        let original = desk.lists().await.remove(0);
        assert_eq!(copy.digest, original.digest);
        assert_eq!(copy.published_on, "2025-11-20");
        let unknown = plain(Code::NotFound, "UNKNOWN_LIST", "unknown");
        check_refused(export(desk, "unknown").await, unknown);
    });
}

/// A list whose source is `source.csv` of the data directory, and one without a source.
fn with_file_source(config: &mut Config) {
    let path = Some(config.data_dir.join("source.csv"));
    config.lists = vec![ListSettings { path, ..ofac() }, settings("by-hand", ListKind::Seizure)];
}

fn refresh_request() -> v1::RefreshListRequest {
    v1::RefreshListRequest { list_id: OFAC.to_owned() }
}

#[test]
fn a_refresh_reads_the_source() {
    run_with(with_file_source, async |desk| {
        let path = desk.dir.path().join("source.csv");
        let mut lists = desk.client.lists.clone();
        let gone = plain(Code::Unavailable, "SOURCE_FAILED", "source.csv");
        check_refused(lists.refresh_list(refresh_request()).await, gone);
        let list = desk.lists().await.remove(1);
        assert_eq!((list.list_id.as_str(), list.version), (OFAC, 0));
        assert_eq!(list.source, path.display().to_string());
        assert!(list.last_error.contains("source.csv"), "{:?}", list.last_error);

        std::fs::write(&path, csv("2025-11-19", &made_up(0..4))).unwrap();
        let report = lists.refresh_list(refresh_request()).await.unwrap().into_inner().report;
        let report = report.unwrap();
        assert_eq!((report.published, report.added), (true, 4));
        let list = report.list.unwrap();
        assert_eq!(
            (list.origin(), list.origin_name.as_str()),
            (v1::ListOrigin::Source, path.to_str().unwrap())
        );
        assert_eq!(list.last_error, "");
        assert_eq!((list.checked_at, list.age_seconds), (Some(proto_time(NOW)), Some(0)));

        desk.clock.fetch_add(3_600, Ordering::SeqCst);
        assert_eq!(desk.lists().await[1].age_seconds, Some(3_600));
        let report = lists.refresh_list(refresh_request()).await.unwrap().into_inner().report;
        let report = report.unwrap();
        assert_eq!((report.published, report.added), (false, 0));
        let list = report.list.unwrap();
        assert_eq!((list.version, list.age_seconds), (1, Some(0)), "unchanged is a success");

        std::fs::remove_file(&path).unwrap();
        check_refused(lists.refresh_list(refresh_request()).await, gone);
        assert_eq!(desk.screen(&evm(0)).await.decision(), v1::Decision::Block);

        let by_hand = v1::RefreshListRequest { list_id: "by-hand".to_owned() };
        let no_source = plain(Code::FailedPrecondition, "NO_SOURCE", "by-hand");
        check_refused(lists.refresh_list(by_hand).await, no_source);
        let unknown = v1::RefreshListRequest { list_id: "unknown".to_owned() };
        let no_list = plain(Code::NotFound, "UNKNOWN_LIST", "unknown");
        check_refused(lists.refresh_list(unknown).await, no_list);
    });
}

#[test]
fn a_check_of_a_source_says_what_it_sees_and_publishes_nothing() {
    run_with(with_file_source, async |desk| {
        let path = desk.dir.path().join("source.csv");
        let mut lists = desk.client.lists.clone();
        let request = |list: &str| v1::CheckSourceRequest { list_id: list.to_owned() };
        let mut check = async || {
            let response = lists.check_source(request(OFAC)).await.unwrap().into_inner();
            assert_eq!((response.user_agent.as_str(), response.checks.len()), ("", 1));
            (response.list.unwrap(), response.checks[0].clone())
        };
        let (list, missing) = check().await;
        assert_eq!((list.version, missing.cause.as_str()), (0, "local"));
        assert_eq!(missing.source, path.display().to_string());
        assert!(missing.error.contains("source.csv") && missing.difference.is_none());

        std::fs::write(&path, csv("2025-11-19", &made_up(0..4))).unwrap();
        let (list, read) = check().await;
        assert_eq!((list.version, list.checked_at), (0, None), "it is not published");
        assert_eq!((read.format.as_str(), read.rows, read.error.as_str()), ("csv", 4, ""));
        assert_eq!((read.published_on.as_str(), read.parties), ("2025-11-19", 4));
        let added = v1::SourceDifference { added: 4, ..Default::default() };
        assert_eq!(read.difference, Some(added));

        desk.client.lists.clone().refresh_list(refresh_request()).await.unwrap();
        assert_eq!(check().await.1.difference, Some(v1::SourceDifference::default()));
        std::fs::write(&path, "<html>").unwrap();
        let (list, page) = check().await;
        assert_eq!((page.cause.as_str(), list.last_error.as_str()), ("format", ""));

        let mut lists = desk.client.lists.clone();
        let no_source = plain(Code::FailedPrecondition, "NO_SOURCE", "by-hand");
        check_refused(lists.check_source(request("by-hand")).await, no_source);
        let no_list = plain(Code::NotFound, "UNKNOWN_LIST", "unknown");
        check_refused(lists.check_source(request("unknown")).await, no_list);
    });
}

#[test]
fn offline_files_alone_are_read() {
    let edit = |config: &mut Config| {
        let path = config.data_dir.join("source.csv");
        std::fs::write(&path, csv("2025-11-19", &made_up(0..4))).unwrap();
        let remote = ListSettings {
            id: "remote".parse().unwrap(),
            url: Some("http://127.0.0.1:9/list.csv".to_owned()),
            ..ofac()
        };
        config.lists = vec![ListSettings { path: Some(path), ..ofac() }, remote];
        config.offline = true;
    };
    run_with(edit, async |desk| {
        let mut lists = desk.client.lists.clone();
        let offline = plain(Code::FailedPrecondition, "NO_SOURCE", "offline");
        let remote = v1::RefreshListRequest { list_id: "remote".to_owned() };
        check_refused(lists.refresh_list(remote).await, offline);
        let remote = v1::CheckSourceRequest { list_id: "remote".to_owned() };
        check_refused(lists.check_source(remote).await, offline);
        lists.refresh_list(refresh_request()).await.unwrap();
    });
}
