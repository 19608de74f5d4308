//! Sources that fail, move and announce, at a replay of OFAC's service.

use super::replay::{DOCUMENTED, FORMER, Fault, LATEST, Replay};
use super::*;
use lazaretto::refresh::{Cause, Headers, ProbeSettings, USER_AGENT, parse_headers};

/// A publication with so many made-up listings.
fn publication(rows: usize) -> Vec<u8> {
    let mut text = "address,ticker,party_uid,party_name\n".to_owned();
    for row in 0..rows {
        text.push_str(&format!("0x5eed{row:036x},ETH,u{row},Party {row}\n"));
    }
    text.into_bytes()
}

fn replay() -> Replay {
    Replay::start((1..=4).map(publication).collect())
}

/// The list at these paths, in order.
fn at(replay: &Replay, paths: &[&str]) -> ListSettings {
    let mut urls = paths.iter().map(|path| replay.url(path));
    let mut settings = settings(urls.next().as_deref(), None);
    settings.remote.more_urls = urls.collect();
    settings.format = Some(Format::Csv);
    settings.refresh_interval = Duration::from_secs(3_600);
    settings
}

fn desk(settings: ListSettings) -> Desk {
    let slow_after = Duration::from_millis(1_100);
    Desk::new(settings, FetchLimits { slow_after, ..limits() })
}

fn failures(desk: &Desk) -> Vec<(Cause, u64)> {
    let causes = desk.refresher.status(&id()).unwrap().causes;
    Cause::ALL.into_iter().zip(causes).filter(|(_, count)| *count > 0).collect()
}

#[test]
fn the_agent_passes_the_firewall_and_another_one_is_named() {
    let replay = replay();
    let desk = desk(at(&replay, &[DOCUMENTED]));
    assert_eq!(desk.refresh().unwrap(), "v1 1: +1 -0 ?0 =0");
    let agent = format!("user-agent: {}\n", USER_AGENT.to_lowercase());
    assert!(replay.asked().iter().all(|asked| asked.head.contains(&agent)));
    let mut settings = at(&replay, &[DOCUMENTED]);
    settings.remote.user_agent = Some("lazaretto/0.1.0".to_owned());
    let desk = super::sources::desk(settings);
    let want = format!(
        "{}: blocked by the source's firewall (status 403); the agent that was sent is \
         \"lazaretto/0.1.0\"",
        replay.url(DOCUMENTED)
    );
    assert_eq!(desk.failure(), want);
    assert_eq!(failures(&desk), [(Cause::Blocked, 1)]);
}

#[test]
fn each_failure_has_a_name_and_the_next_url_is_asked() {
    for (fault, cause, words) in [
        (Fault::Blocked, Cause::Blocked, "blocked by the source's firewall (status 403)"),
        (Fault::Missing, Cause::NotFound, "the server has no such file (status 404)"),
        (Fault::Html, Cause::WebPage, "a web page (text/html)"),
        (Fault::HtmlAsXml, Cause::WebPage, "a web page (<!doctype html)"),
        (Fault::Cut, Cause::Truncated, "truncated after 36 bytes"),
        (Fault::OtherSchema, Cause::WebPage, "markup, not a list"),
        (Fault::Drip, Cause::Slow, "fewer than 8192 a second"),
        (Fault::Astray, Cause::Redirect, "redirected to something other than an http or https URL"),
    ] {
        let replay = replay();
        replay.fail(DOCUMENTED, fault);
        let alone = desk(at(&replay, &[DOCUMENTED]));
        let error = alone.failure();
        assert!(error.contains(words) && !error.contains("sig="), "{fault:?}: {error}");
        assert_eq!(failures(&alone), [(cause, 1)], "{fault:?}");
        let desk = desk(at(&replay, &[DOCUMENTED, FORMER]));
        assert_eq!(desk.refresh().unwrap(), "v1 1: +1 -0 ?0 =0", "{fault:?}");
        let status = desk.refresher.status(&id()).unwrap();
        assert_eq!((status.last_error, status.succeeded, status.failed), (None, 1, 0));
        let [named] = &status.url_errors[..] else { panic!("{:?}", status.url_errors) };
        assert!(named.starts_with(&replay.url(DOCUMENTED)) && named.contains(words), "{named}");
        assert_eq!(failures(&desk), [(cause, 1)], "{fault:?}");
        let from = Provenance::Source(replay.url(FORMER));
        assert_eq!(desk.publisher.list(&id()).unwrap().version.provenance, from);
        // With both gone, each is named; what stands stays.
        replay.fail(FORMER, Fault::Missing);
        let error = desk.failure();
        let both = error.split_once("; ").unwrap();
        assert!(both.0.contains(words) && both.1.contains("no such file"), "{error}");
        assert_eq!(desk.publisher.list(&id()).unwrap().rows.len(), 1);
        // And mended, the first is asked again.
        replay.mend();
        replay.publish(1);
        assert_eq!(desk.refresh().unwrap(), "v2 2: +1 -0 ?0 =0", "{fault:?}");
        assert!(desk.refresher.status(&id()).unwrap().url_errors.is_empty());
        desk.check_no_leftovers();
    }
}

#[test]
fn a_publication_that_a_gate_refuses_is_not_hidden_by_a_mirror() {
    let server = Server::start(vec![Answer::ok(A), Answer::ok("Service Unavailable\n")]);
    let mut settings = settings(Some(&format!("{}/list.txt", server.url())), None);
    settings.remote.more_urls = vec![format!("{}/mirror.txt", server.url())];
    let desk = desk(settings);
    desk.refresh().unwrap();
    assert!(desk.failure().contains("rows is an address, so the publication was rejected"));
    assert_eq!(server.requests().len(), 2);
    assert_eq!(failures(&desk), [(Cause::Refused, 1)]);
}

/// The first URL sends 40 rows, then is blocked, and the second one has 37 of them. What both looks
/// did, and how many rows stand then.
fn behind(same_folders: &[&str]) -> [String; 3] {
    let replay = Replay::start(vec![publication(40), publication(37)]);
    let mut settings = at(&replay, &[DOCUMENTED, FORMER]);
    settings.remote.same_folders = same_folders.iter().map(|it| replay.url(it)).collect();
    let desk = desk(settings);
    let first = desk.refresh().unwrap();
    replay.fail(DOCUMENTED, Fault::Blocked);
    replay.publish(1);
    let second = desk.refresh().unwrap();
    let standing =
        desk.publisher.list(&id()).unwrap().rows.iter().filter(|row| row.is_listed()).count();
    [first, second, standing.to_string()]
}

#[test]
fn a_mirror_that_is_behind_takes_nothing_off_the_list() {
    let first = "v1 40: +40 -0 ?0 =0";
    assert_eq!(behind(&[]), [first, "v2 40: +0 -0 ?3 =0", "40"]);
    // Two addresses of one publisher are one source.
    let folder = |path: &str| path.rsplit_once('/').unwrap().0.to_owned() + "/";
    let (documented, former) = (folder(DOCUMENTED), folder(FORMER));
    assert_eq!(behind(&[&documented, &former]), [first, "v2 37: +0 -3 ?0 =0", "37"]);
}

#[test]
fn a_changed_schema_of_ofac_is_a_failure_of_the_format() {
    let replay = replay();
    replay.fail(DOCUMENTED, Fault::OtherSchema);
    let mut settings = at(&replay, &[DOCUMENTED]);
    settings.format = Some(Format::OfacAdvanced);
    let desk = desk(settings);
    let error = desk.failure();
    assert!(error.contains("root element is \"SanctionsV2\", not \"Sanctions\""), "{error}");
    assert_eq!(failures(&desk), [(Cause::Format, 1)]);
}

#[test]
fn what_is_known_of_an_answer_belongs_to_its_url() {
    let replay = replay();
    let desk = desk(at(&replay, &[DOCUMENTED, FORMER]));
    desk.refresh().unwrap();
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    assert_eq!(replay.whole_files(), 1);
    // The other URL is asked for the whole file, which is known by its bytes.
    replay.fail(DOCUMENTED, Fault::Missing);
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    assert_eq!(replay.whole_files(), 2);
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    assert_eq!(replay.whole_files(), 2);
    let conditional = |path: &str| -> Vec<bool> {
        let asked = replay.asked();
        let of_path = asked.iter().filter(|asked| asked.target == path);
        of_path.map(|asked| asked.head.contains("if-none-match")).collect()
    };
    assert_eq!(conditional(DOCUMENTED), [false, true, true, false]);
    assert_eq!(conditional(FORMER), [false, true]);
    // No signed address was asked for twice or kept.
    let refused = replay.asked().iter().filter(|asked| asked.status == 403).count();
    assert_eq!(refused, 0);
}

#[test]
fn secret_headers_go_to_one_origin_alone() {
    let replay = replay();
    let mut settings = at(&replay, &[DOCUMENTED, FORMER]);
    let headers = parse_headers("X-Api-Key: s3cret").unwrap();
    settings.remote.headers = Headers::new(headers, None);
    settings.remote.headers_to = Some(replay.url(FORMER));
    // Another port is another origin.
    let mirror = super::sources::replay();
    let probed = super::sources::replay();
    settings.url = Some(mirror.url(DOCUMENTED));
    let (url, interval) = (probed.url(LATEST), Duration::from_secs(60));
    settings.remote.probe = Some(ProbeSettings { url, interval });
    mirror.fail(DOCUMENTED, Fault::Missing);
    let shown = format!("{settings:?}");
    assert!(shown.contains("x-api-key") && !shown.contains("s3cret"), "{shown}");
    let desk = desk(settings);
    desk.refresh().unwrap();
    let with_secret = |replay: &Replay| -> Vec<_> {
        let told = |asked: &super::replay::Asked| asked.head.contains("x-api-key: s3cret");
        replay.asked().iter().map(|asked| (asked.status, told(asked))).collect()
    };
    assert_eq!(with_secret(&mirror), [(404, false)]);
    assert_eq!(with_secret(&replay), [(302, true), (200, false)]);
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    desk.refresher.check(&id()).unwrap();
    let asked = with_secret(&probed);
    assert!(!asked.is_empty() && asked.iter().all(|(_, told)| !told), "{asked:?}");
    // Where new publications are asked for at that origin, they go along.
    let mut settings = desk.settings.clone();
    settings.remote.probe.as_mut().unwrap().url = replay.url(LATEST);
    super::sources::desk(settings).refresher.check(&id()).unwrap();
    let latest = replay.asked().into_iter().find(|asked| asked.target == LATEST).unwrap();
    assert!(latest.head.contains("x-api-key: s3cret"));
    let mut settings = at(&replay, &[FORMER]);
    settings.remote.headers_to = settings.url.clone();
    settings.remote.headers = Headers::new(Vec::new(), Some("/no/such/file".into()));
    let desk = super::sources::desk(settings);
    assert!(desk.failure().starts_with("/no/such/file: "));
    assert_eq!(failures(&desk), [(Cause::Local, 1)]);
}

#[test]
fn a_check_tries_every_url_and_publishes_nothing() {
    let replay = replay();
    let mut settings = at(&replay, &[DOCUMENTED, FORMER]);
    settings.format = None;
    let url = replay.url(LATEST);
    settings.remote.probe = Some(ProbeSettings { url, interval: Duration::from_secs(60) });
    let desk = desk(settings);
    desk.refresh().unwrap();
    replay.publish(2);
    replay.fail(DOCUMENTED, Fault::Missing);
    let before = desk.refresher.status(&id());
    let report = desk.refresher.check(&id()).unwrap();
    assert_eq!(report.user_agent, USER_AGENT);
    let [first, second] = &report.checks[..] else { panic!("{report:?}") };
    assert_eq!(first.source, replay.url(DOCUMENTED));
    assert_eq!(first.seen.status, Some(404));
    assert_eq!(first.error.as_ref().map(|(cause, _)| *cause), Some(Cause::NotFound));
    assert_eq!(second.seen.status, Some(200));
    assert_eq!(second.seen.redirect_hosts, ["127.0.0.1"]);
    assert_eq!(second.seen.content_type, "application/xml");
    assert_eq!(second.seen.bytes, publication(3).len() as u64);
    assert!(second.seen.has_validator);
    assert_eq!((second.format, second.rows, second.parties), (Some(Format::Csv), 3, 3));
    let difference = second.difference.unwrap();
    assert_eq!((difference.added, difference.removed), (2, 0));
    let probe = report.probe.unwrap();
    assert_eq!(probe.publication, "of 2025-03-21T00:00:00-04:00");
    assert_eq!((probe.seen.status, probe.seen.bytes, probe.error), (Some(206), 512, None));
    assert_eq!(desk.publisher.list(&id()).unwrap().rows.len(), 1);
    assert_eq!(desk.refresher.status(&id()), before);
    replay.mend();
    assert_eq!(desk.refresh().unwrap(), "v2 3: +2 -0 ?0 =0");
    let report = desk.refresher.check(&id()).unwrap();
    assert!(report.checks.iter().all(|check| check.difference == Some(Default::default())));
    desk.check_no_leftovers();
}

/// Runs a list that is read once a day and asked about at `path` all the time; `work` gets what was
/// published, in order.
fn run_probed(
    replay: &Replay,
    path: &str,
    interval: Duration,
    work: impl FnOnce(&mut dyn FnMut() -> Report),
) -> SourceStatus {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = at(replay, &[DOCUMENTED]);
    settings.refresh_interval = interval;
    let interval = Duration::from_millis(5);
    settings.remote.probe = Some(ProbeSettings { url: replay.url(path), interval });
    run_in(dir.path(), settings, |_, _| {}, work)
}

fn version(report: &Report) -> Option<u64> {
    match report {
        Report::Published { version, .. } => Some(*version),
        Report::Unchanged { .. } => None,
    }
}

#[test]
fn an_announcement_has_the_list_read_and_no_change_costs_no_bytes() {
    let replay = replay();
    let day = Duration::from_secs(86_400);
    let status = run_probed(&replay, LATEST, day, |next| {
        assert_eq!(version(&next()), Some(1));
        replay.wait_for_probes(30);
        assert_eq!(replay.whole_files(), 1);
        replay.publish(1);
        assert_eq!(version(&next()), Some(2));
        // Announced before the file is there: it is looked for again.
        replay.announce(2);
        assert_eq!(version(&next()), None);
        replay.publish(2);
        let found = std::iter::repeat_with(&mut *next).find(|report| version(report).is_some());
        assert_eq!(version(&found.unwrap()), Some(3));
        replay.wait_for_probes(3);
    });
    assert_eq!(replay.whole_files(), 3);
    assert_eq!((status.probe.announced, status.probe.last_error), (3, None));
    assert!(status.probe.unchanged >= 30, "{}", status.probe.unchanged);
    let of_delta: Vec<_> = replay
        .asked()
        .into_iter()
        .filter(|asked| asked.target.starts_with("/storage/Delta"))
        .map(|asked| (asked.status, asked.body))
        .collect();
    let new = of_delta.iter().filter(|(status, _)| *status == 206).count();
    assert_eq!(new, 3, "{of_delta:?}");
    assert!(of_delta.iter().all(|answer| *answer == (304, 0) || *answer == (206, 512)));
    // A day of questions every minute, up to a tenth more often, with nothing new: what redirects
    // and answers say in their bodies.
    let bytes: usize = [LATEST, "/storage/Delta"]
        .iter()
        .map(|path| {
            let asked = replay.asked();
            let unchanged = asked.iter().filter(|asked| asked.target.starts_with(path));
            unchanged.filter(|asked| asked.status != 206).map(|asked| asked.body).max().unwrap()
        })
        .sum();
    assert!(bytes * 1_600 < 1_000_000, "{bytes} bytes a question");
}

#[test]
fn a_mirror_without_what_was_announced_is_no_successful_look() {
    let replay = replay();
    let dir = tempfile::tempdir().unwrap();
    let mut settings = at(&replay, &[DOCUMENTED, FORMER]);
    settings.refresh_interval = Duration::from_secs(86_400);
    let interval = Duration::from_millis(5);
    settings.remote.probe = Some(ProbeSettings { url: replay.url(LATEST), interval });
    let status = run_in(
        dir.path(),
        settings,
        |_, _| {},
        |next| {
            assert_eq!(version(&next()), Some(1));
            replay.fail(DOCUMENTED, Fault::Blocked);
            replay.announce(1);
            // Looks are made between two questions: at the first one after the announcement at the latest.
            replay.wait_for_probes(4);
            assert!(replay.whole_files() > 1, "the mirror was asked");
            replay.publish(1);
            // Nothing was told of the look before: it confirmed nothing.
            assert_eq!(version(&next()), Some(2));
            replay.wait_for_probes(2);
        },
    );
    assert!(status.failed > 0, "{status:?}");
    assert_eq!((status.succeeded, status.last_error), (2, None));
}

#[test]
fn without_an_endpoint_the_list_is_read_at_its_interval() {
    for fault in [Fault::Missing, Fault::Html, Fault::HtmlAsXml, Fault::Blocked, Fault::Astray] {
        let replay = replay();
        replay.fail(LATEST, fault);
        let status = run_probed(&replay, LATEST, Duration::from_millis(50), |next| {
            assert_eq!(version(&next()), Some(1));
            replay.publish(1);
            let found = std::iter::repeat_with(next).find(|report| version(report).is_some());
            assert_eq!(version(&found.unwrap()), Some(2));
        });
        assert_eq!(status.probe.announced, 0, "{fault:?}");
        assert!(status.probe.failed > 0 && status.probe.last_error.is_some(), "{fault:?}");
        assert_eq!(status.failed, 0, "{fault:?}");
    }
}
