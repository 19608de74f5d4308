//! Refreshing lists from a real HTTP server on the loopback address that fails in each way.

mod replay;
mod server;
mod sources;
mod visible;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use jiff::Timestamp;
use lazaretto::domain::list::{
    ListId, ListKind, ListState, Provenance, ReadList, RowFacts, RowKey,
};
use lazaretto::refresh::{
    FetchLimits, Fetcher, ImportOptions, ListSettings, MemoryLimits, NotStored, Publisher,
    RefreshError, Refresher, Remote, Report, SourceStatus, Stop,
};
use lazaretto::source::{Bounds, Format};
use lazaretto::store::{DEFAULT_CACHE, Store};

use crate::support::program::{NOW, Said, program};
use crate::support::refusing::RefusingPort;
use server::{Answer, Server};

const A: &str = "0x098b716b8aaf21512996dc57eb0615e2383e2f96\n";
const DAY: i64 = 24 * 60 * 60;

/// A list with a source, a store and a clock that is set by hand.
struct Desk {
    dir: tempfile::TempDir,
    settings: ListSettings,
    publisher: Arc<Publisher>,
    refresher: Refresher,
    clock: Arc<AtomicI64>,
    /// What the hook was told.
    reports: Arc<Mutex<Vec<Report>>>,
}

fn limits() -> FetchLimits {
    FetchLimits {
        max_bytes: 100_000,
        timeout: Duration::from_secs(20),
        max_redirects: 5,
        proxy_from_env: false,
        ..FetchLimits::default()
    }
}

fn settings(url: Option<&str>, path: Option<&Path>) -> ListSettings {
    ListSettings {
        id: id(),
        name: "A list".to_owned(),
        kind: ListKind::Sanctions,
        url: url.map(str::to_owned),
        remote: Remote::default(),
        path: path.map(Path::to_owned),
        format: Some(Format::Plain),
        required: true,
        is_static: false,
        refresh_interval: Duration::from_millis(1),
        max_age: None,
        allow_empty: false,
        max_shrink: 0.25,
        shrink_window: Duration::from_secs(30 * 86_400),
        max_not_understood: 0.05,
    }
}

fn id() -> ListId {
    "test".parse().unwrap()
}

impl Desk {
    fn new(settings: ListSettings, limits: FetchLimits) -> Self {
        Self::at(tempfile::tempdir().unwrap(), settings, limits)
    }

    fn at(dir: tempfile::TempDir, settings: ListSettings, limits: FetchLimits) -> Self {
        let store = Arc::new(Store::open(dir.path(), DEFAULT_CACHE).unwrap());
        let clock = Arc::new(AtomicI64::new(20_000 * DAY));
        let told = Arc::clone(&clock);
        let now = move || Timestamp::from_second(told.load(Ordering::SeqCst)).unwrap();
        let reports = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&reports);
        let hook = move |lists: &[_], report: &Report| {
            assert_eq!(lists.len(), 1);
            noted.lock().unwrap().push(report.clone());
        };
        let publisher = Publisher::open(store, Bounds::default(), Arc::new(now), hook).unwrap();
        let publisher = Arc::new(publisher);
        let fetcher = Fetcher::new(dir.path(), limits).unwrap();
        let refresher =
            Refresher::new(Arc::clone(&publisher), fetcher, std::slice::from_ref(&settings));
        Self { dir, settings, publisher, refresher, clock, reports }
    }

    /// The store closed and opened again, with other settings of the list.
    fn reopened(self, settings: ListSettings) -> Self {
        let Self { dir, publisher, refresher, .. } = self;
        drop((publisher, refresher));
        Self::at(dir, settings, limits())
    }

    /// `unchanged`, or version, standing rows, and the changes: added, removed, pending, cancelled.
    fn refresh(&self) -> Result<String, RefreshError> {
        self.refresher.refresh(&id()).map(|report| match report {
            Report::Unchanged { .. } => "unchanged".to_owned(),
            Report::Published { version, counts, added, removed, pending, cancelled, .. } => {
                let stand = counts.listings + counts.quarantined;
                format!("v{version} {stand}: +{added} -{removed} ?{pending} ={cancelled}")
            }
        })
    }

    /// The error, or what was done instead of failing.
    fn failure(&self) -> String {
        self.refresh().map_or_else(|error| error.to_string(), |done| format!("no failure: {done}"))
    }

    fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    /// When the source was last read with success, in seconds since the first try.
    fn succeeded(&self) -> Option<i64> {
        let state = self.publisher.list(&id())?;
        let stored = self.publisher.store().list(&id()).unwrap().unwrap();
        assert_eq!(*state, stored, "what is shown is what is durable");
        state.check.succeeded_at.map(|at| at.as_second() - 20_000 * DAY)
    }

    /// No file is left of what was fetched.
    fn check_no_leftovers(&self) {
        assert_eq!(std::fs::read_dir(self.dir.path().join("fetch")).unwrap().count(), 0);
    }
}

fn over_http(answers: impl Into<Vec<Answer>>) -> (Server, Desk) {
    let server = Server::start(answers.into());
    let url = format!("{}/list.txt?key=secret", server.url());
    (server, Desk::new(settings(Some(&url), None), limits()))
}

#[test]
fn an_unchanged_source_is_a_successful_check() {
    let tags = "ETag: \"one\"\r\nLast-Modified: Wed, 19 Nov 2025 10:00:00 GMT";
    let (server, desk) = over_http([
        Answer::ok(A).with(tags),
        Answer::status(304, ""),
        Answer::ok(A).with("ETag: \"two\""),
        Answer::ok(&format!("{A}0x01\n")),
        Answer::ok(A),
    ]);
    assert_eq!(desk.refresh().unwrap(), "v1 1: +1 -0 ?0 =0");
    for (seconds, want) in [(10, "unchanged"), (20, "unchanged"), (30, "v2 2: +1 -0 ?0 =0")] {
        desk.pass(10);
        assert_eq!(desk.refresh().unwrap(), want);
        assert_eq!(desk.succeeded(), Some(seconds));
    }
    let sent = server.requests();
    assert!(!sent[0].contains("if-none-match") && !sent[0].contains("if-modified-since"));
    assert!(sent[0].starts_with("get /list.txt?key=secret http/1.1"), "{}", sent[0]);
    assert!(sent[1].contains("if-none-match: \"one\""), "{}", sent[1]);
    assert!(sent[1].contains("if-modified-since: wed, 19 nov 2025 10:00:00 gmt"));
    // The tags of a 304 go on to hold; those of another answer with the same bytes replace them.
    assert!(sent[2].contains("if-none-match: \"one\""), "{}", sent[2]);
    assert!(sent[3].contains("if-none-match: \"two\""), "{}", sent[3]);
    assert!(!sent[3].contains("if-modified-since"), "{}", sent[3]);
    // The hook heard of each.
    assert_eq!(desk.reports.lock().unwrap().len(), 4);
    let state = desk.publisher.list(&id()).unwrap();
    let name = format!("{}/list.txt", server.url());
    assert_eq!(state.version.provenance, Provenance::Source(name));
    desk.check_no_leftovers();
}

#[test]
fn a_failing_source_changes_nothing() {
    let cut = "ETag: \"new\"\r\nContent-Length: 100000";
    let html = "Content-Type: text/html; charset=utf-8";
    let big = "1\n".repeat(60_000);
    let chunked = "Transfer-Encoding: chunked";
    let unbounded = "the server says neither the file's length nor its end (no Content-Length, not chunked), so that a file cut short would look whole";
    let table: [(Answer, &str); 16] = [
        (Answer::status(500, "oops"), "the server answered with status 500"),
        (Answer::status(404, "oops"), "the server has no such file (status 404)"),
        (Answer::status(204, ""), "the server answered with status 204"),
        (Answer::status(206, "0x02\n"), "the server answered with status 206"),
        (Answer::raw(cut, "0x02\n"), "the file was truncated after 5 bytes"),
        (Answer::raw(chunked, "5\r\n0x02\n\r\n"), "the file was truncated after 5 bytes"),
        (
            Answer::ok("0x02\n").with(html),
            "the server sent a web page (text/html) instead of a list",
        ),
        (Answer::ok(""), "the file is empty"),
        (Answer::ok(&big), "the file has more than 100000 bytes"),
        (
            Answer::raw(chunked, &format!("{:x}\r\n{big}\r\n0\r\n\r\n", big.len())),
            "the file has more than 100000 bytes",
        ),
        (Answer::raw("Connection: close", "0x02\n"), unbounded),
        (Answer::raw("Connection: close\r\nTransfer-Encoding: identity", "0x02\n"), unbounded),
        (Answer::old(chunked, "5\r\n0x02\n\r\n0\r\n\r\n"), unbounded),
        (
            Answer::ok("Service Unavailable\n"),
            "list test: none of the 1 rows is an address, so the publication was rejected: allow empty publications, or force the gate `quarantine`",
        ),
        (
            Answer::redirect("ftp://example.org/list?sig=secret"),
            "redirected to something other than an http or https URL",
        ),
        (Answer::garbage(), "the answer is not valid HTTP"),
    ];
    for (answer, want) in table {
        let (server, desk) =
            over_http([Answer::ok(A).with("ETag: \"one\""), answer, Answer::status(304, "")]);
        desk.refresh().unwrap();
        let before = desk.publisher.list(&id()).unwrap();
        desk.pass(10);
        let named = if want.starts_with("list test: ") {
            String::new()
        } else {
            format!("{}/list.txt: ", server.url())
        };
        assert_eq!(desk.failure(), format!("{named}{want}"));
        assert_eq!(desk.publisher.list(&id()).unwrap(), before, "{want}");
        assert_eq!(desk.succeeded(), Some(0), "{want}");
        let status = desk.refresher.status(&id()).unwrap();
        assert_eq!(status.consecutive_failures, 1);
        assert!(status.last_error.unwrap().ends_with(want));
        assert_eq!(status.last_attempt.map(|at| at.as_second()), Some(20_000 * DAY + 10));
        assert_eq!(status.last_success.map(|at| at.as_second()), Some(20_000 * DAY));
        // And the tag of the last good answer is still what is asked with.
        assert_eq!(desk.refresh().unwrap(), "unchanged");
        assert!(server.requests()[2].contains("if-none-match: \"one\""));
        assert_eq!(desk.refresher.status(&id()).unwrap().consecutive_failures, 0);
        desk.check_no_leftovers();
    }
}

#[test]
fn a_chunked_body_is_whole_with_its_last_chunk() {
    let body = format!("{:x}\r\n{A}\r\n0\r\n\r\n", A.len());
    let (_server, desk) = over_http([Answer::raw("Transfer-Encoding: Chunked", &body)]);
    assert_eq!(desk.refresh().unwrap(), "v1 1: +1 -0 ?0 =0");
}

#[test]
fn a_304_that_was_not_asked_for_is_a_failure() {
    let (server, desk) = over_http([Answer::status(304, "")]);
    let want = format!("{}/list.txt: the server answered with status 304", server.url());
    assert_eq!(desk.failure(), want);
    assert_eq!(desk.publisher.lists().len(), 0);
}

#[test]
fn a_slow_drip_is_cut() {
    let server = Server::start(vec![Answer::drip()]);
    let timeout = Duration::from_millis(300);
    let limits = FetchLimits { timeout, ..limits() };
    let desk = Desk::new(settings(Some(&server.url()), None), limits);
    // A drip that is not cut never ends.
    assert_eq!(desk.failure(), format!("{}/: not finished within 300ms", server.url()));
    desk.check_no_leftovers();
}

#[test]
fn redirects_are_followed_anew_each_time() {
    let (server, desk) = over_http([
        Answer::redirect("/signed?until=1"),
        Answer::ok(A).with("ETag: \"one\""),
        Answer::redirect("/signed?until=2"),
        Answer::status(304, ""),
    ]);
    desk.refresh().unwrap();
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    let lines: Vec<String> = server
        .requests()
        .iter()
        .map(|request| request.lines().next().unwrap().to_owned())
        .collect();
    let want =
        ["/list.txt?key=secret", "/signed?until=1", "/list.txt?key=secret", "/signed?until=2"];
    assert_eq!(lines, want.map(|path| format!("get {path} http/1.1")));
    let stored = desk.publisher.list(&id()).unwrap().version.provenance.clone();
    assert_eq!(stored, Provenance::Source(format!("{}/list.txt", server.url())));
}

#[test]
fn a_redirect_loop_ends() {
    let (server, desk) = over_http(vec![Answer::redirect("/list.txt?key=secret"); 20]);
    assert_eq!(desk.failure(), format!("{}/list.txt: redirected more than 5 times", server.url()));
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn a_port_that_nobody_hears_is_a_failure_that_names_it() {
    let port = RefusingPort::take();
    let url = format!("http://user:password@{}/list?key=secret", port.address());
    let desk = Desk::new(settings(Some(&url), None), limits());
    for failures in 1..=3 {
        let error = desk.failure();
        assert!(error.contains("/list: ") && error.contains("refused"), "{error}");
        assert!(!error.contains("password") && !error.contains("secret"), "{error}");
        assert_eq!(desk.refresher.status(&id()).unwrap().consecutive_failures, failures);
    }
    let bad = Desk::new(settings(Some("ftp://example.org/a"), None), limits());
    assert_eq!(bad.failure(), "ftp://example.org/a: not an http or https URL");
}

#[test]
fn a_file_that_shrank_is_asked_for_whole_until_its_removals_are_confirmed() {
    let all = format!(
        "{A}0x00000000000000000000000000000000000f0002\n0x00000000000000000000000000000000000f0003\n0x00000000000000000000000000000000000f0004\n"
    );
    let cut = || {
        Answer::ok(&format!("{A}0x00000000000000000000000000000000000f0002\n0x00000000000000000000000000000000000f0005\n")).with("ETag: \"cut\"")
    };
    // A quarter is missing, which the gate lets go once it was seen twice.
    let back = || {
        Answer::ok(&format!("{A}0x00000000000000000000000000000000000f0002\n0x00000000000000000000000000000000000f0003\n0x00000000000000000000000000000000000f0005\n")).with("ETag: \"back\"")
    };
    let (server, desk) = over_http([
        Answer::ok(&all).with("ETag: \"all\""),
        cut(),
        back(),
        Answer::status(304, ""),
        back(),
        Answer::status(304, ""),
    ]);
    assert_eq!(desk.refresh().unwrap(), "v1 4: +4 -0 ?0 =0");
    assert_eq!(desk.refresh().unwrap(), "v2 5: +1 -0 ?2 =0");
    // What is beyond the gate is never due.
    desk.pass(3 * DAY);
    assert_eq!(desk.refresh().unwrap(), "v3 5: +0 -0 ?0 =1");
    desk.pass(DAY - 1);
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    // Due: a 304 would bring no file, so none is asked for.
    desk.pass(1);
    assert_eq!(desk.refresh().unwrap(), "v4 4: +0 -1 ?0 =0");
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    let asked: Vec<bool> =
        server.requests().iter().map(|request| request.contains("if-none-match")).collect();
    assert_eq!(asked, [false, true, true, true, false, true]);
}

#[test]
fn an_import_by_hand_makes_the_source_be_read_whole() {
    let (server, desk) =
        over_http([Answer::ok(A).with("ETag: \"one\""), Answer::ok(A).with("ETag: \"one\"")]);
    desk.refresh().unwrap();
    let file = desk.dir.path().join("mine.txt");
    std::fs::write(&file, format!("{A}0x02\n0x03\n0x04\n")).unwrap();
    let import = Provenance::Import("mine.txt".to_owned());
    let report = desk
        .publisher
        .publish_file(&desk.settings, &file, &import, ImportOptions::default())
        .unwrap();
    assert!(matches!(report, Report::Published { version: 2, added: 3, .. }), "{report:?}");
    // The source does not have them: they do not vanish unseen behind an equal ETag.
    assert_eq!(desk.refresh().unwrap(), "v3 4: +0 -0 ?3 =0");
    assert!(!server.requests()[1].contains("if-none-match"));
    let empty = desk.dir.path().join("empty.txt");
    std::fs::write(&empty, "").unwrap();
    let import = Provenance::Import("empty.txt".to_owned());
    assert!(
        desk.publisher
            .publish_file(&desk.settings, &empty, &import, ImportOptions::default())
            .is_err()
    );
}

#[test]
fn lists_have_room_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), DEFAULT_CACHE).unwrap());
    let limits = MemoryLimits { list_mib: 2, lists_mib: 4, lists: 3 };
    let lost = NotStored::default();
    let publisher =
        Publisher::open(store, Bounds::default(), Arc::new(ticking()), |_: &[_], _: &Report| {});
    let publisher = publisher.unwrap().with_not_stored(lost.clone()).with_memory_limits(limits);
    // Of so many rows, 512 bytes and 60 of text each.
    let publish = |list: &str, provenance: Provenance, rows: std::ops::Range<u64>| {
        let settings = ListSettings { id: list.parse().unwrap(), ..settings(None, None) };
        let key = |n: u64| RowKey {
            party_uid: format!("{n:08}"),
            address: format!("0x5eed{n:036x}"),
            ticker: "ETH".to_owned(),
        };
        let rows = rows.map(|n| (key(n), RowFacts::default())).collect();
        let incoming = ReadList { rows, ..ReadList::default() };
        let done =
            publisher.publish_list(&settings, &incoming, &provenance, ImportOptions::default());
        done.map(drop).map_err(|error| error.to_string())
    };
    let by_hand = || Provenance::Import("a file".to_owned());
    let from_source = || Provenance::Source("a source".to_owned());
    publish("a", by_hand(), 0..3_000).unwrap();
    // Rows that are gone stay, pending: other ones each time add up, from a source too.
    publish("a", from_source(), 3_000..3_400).unwrap();
    let error = publish("a", by_hand(), 4_000..5_000).unwrap_err();
    assert_eq!(
        error,
        "list a: its rows, including removed ones, would take 3 MiB of memory, more than 2 (limits.list_mib)"
    );
    assert_eq!(lost.lists().len(), 0);
    publish("a", from_source(), 4_000..5_000).unwrap_err();
    assert_eq!(lost.lists().len(), 1, "what the source lists now is not in force");
    // What takes no more than before has room, and by hand does not make up for the source.
    publish("a", by_hand(), 3_000..3_400).unwrap();
    assert_eq!(lost.lists().len(), 1);
    publish("a", from_source(), 3_000..3_300).unwrap();
    assert_eq!(lost.lists().len(), 0);
    publish("a", by_hand(), 3_000..3_310).unwrap();
    assert_eq!(publisher.list(&"a".parse().unwrap()).unwrap().rows.len(), 3_400);
    publish("b", by_hand(), 0..3_000).unwrap();
    let error = publish("c", by_hand(), 0..2_000).unwrap_err();
    assert!(
        error.contains("the imported lists would take 5 MiB of memory, more than 4"),
        "{error}"
    );
    publish("c", by_hand(), 0..10).unwrap();
    let error = publish("d", by_hand(), 0..10).unwrap_err();
    assert!(error.contains("there are already 3 imported lists"), "{error}");
    publish("d", from_source(), 0..2_000).unwrap();
}

#[test]
fn another_source_is_not_asked_with_the_tags_of_the_first() {
    let (server, desk) =
        over_http([Answer::ok(A).with("ETag: \"one\""), Answer::status(304, ""), Answer::ok(A)]);
    let first = desk.settings.clone();
    desk.refresh().unwrap();
    let desk = desk.reopened(first);
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    let other = format!("{}/list.txt?key=other", server.url());
    let desk = desk.reopened(settings(Some(&other), None));
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    let asked: Vec<bool> =
        server.requests().iter().map(|request| request.contains("if-none-match")).collect();
    assert_eq!(asked, [false, true, false]);
}

#[test]
fn a_path_is_a_source_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.txt");
    let desk = Desk::new(settings(None, Some(&path)), limits());
    assert!(desk.failure().starts_with(&format!("{}: ", path.display())));
    std::fs::write(&path, A).unwrap();
    assert_eq!(desk.refresh().unwrap(), "v1 1: +1 -0 ?0 =0");
    desk.pass(5);
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    assert_eq!(desk.succeeded(), Some(5));
    std::fs::write(&path, format!("{A}0x00000000000000000000000000000000000f0002\n0x00000000000000000000000000000000000f0003\n0x00000000000000000000000000000000000f0004\n0x00000000000000000000000000000000000f0005\n")).unwrap();
    assert_eq!(desk.refresh().unwrap(), "v2 5: +4 -0 ?0 =0");
    // The same bytes are read again once a removal can be confirmed.
    std::fs::write(&path, A).unwrap();
    assert_eq!(desk.refresh().unwrap(), "v3 5: +0 -0 ?4 =0");
    desk.pass(DAY);
    assert_eq!(desk.refresh().unwrap(), "unchanged");
    std::fs::write(&path, format!("{A}0x00000000000000000000000000000000000f0002\n0x00000000000000000000000000000000000f0003\n0x00000000000000000000000000000000000f0004\n")).unwrap();
    assert_eq!(desk.refresh().unwrap(), "v4 5: +0 -0 ?0 =3");
    desk.pass(DAY);
    assert_eq!(desk.refresh().unwrap(), "v5 4: +0 -1 ?0 =0");
    let unknown = desk.refresher.refresh(&"other".parse().unwrap()).unwrap_err();
    assert_eq!(unknown.to_string(), "list other is not configured");
    let by_hand = Desk::new(settings(None, None), limits());
    assert_eq!(
        by_hand.failure(),
        "list test has no source: neither a url nor a path is configured"
    );
    assert_eq!(by_hand.refresher.status(&id()), None);
}

#[test]
fn leftovers_of_a_killed_process_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("fetch")).unwrap();
    std::fs::write(dir.path().join("fetch/fetch-abc-list.txt"), "half").unwrap();
    Desk::at(dir, settings(None, None), limits()).check_no_leftovers();
}

/// Runs the refresher until `work` is done, which gets what was published, in order.
fn run(desk: Desk, work: impl FnOnce(&mut dyn FnMut() -> Report)) {
    run_in(&desk.dir.path().join("run"), desk.settings, |_, _| {}, work);
}

/// A clock that goes on by a second each time it is asked: what is due must come.
fn ticking() -> impl Fn() -> Timestamp + Send + Sync {
    let start: Timestamp = NOW.parse().unwrap();
    let next = AtomicI64::new(start.as_second());
    move || Timestamp::from_second(next.fetch_add(1, Ordering::SeqCst)).unwrap()
}

/// As `run`, on a data directory; `first` is told each report before `work`. Gives how the source
/// fares at the end.
fn run_in(
    data_dir: &Path,
    settings: ListSettings,
    first: impl FnMut(&[Arc<ListState>], &Report) + Send + 'static,
    work: impl FnOnce(&mut dyn FnMut() -> Report),
) -> SourceStatus {
    let (tell, heard) = mpsc::channel();
    let stop = Arc::new(Stop::default());
    let store = Arc::new(Store::open(data_dir, DEFAULT_CACHE).unwrap());
    let first = Mutex::new(first);
    let hook = move |lists: &[_], report: &Report| {
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        first(lists, report);
        drop(tell.send(report.clone()));
    };
    let publisher = Publisher::open(store, Bounds::default(), Arc::new(ticking()), hook).unwrap();
    let fetcher = Fetcher::new(data_dir, limits()).unwrap();
    let refresher = Refresher::new(Arc::new(publisher), fetcher, &[settings]);
    let until = Arc::clone(&stop);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| refresher.run(&until, false));
        work(&mut || heard.recv_timeout(Duration::from_secs(60)).unwrap());
        stop.set();
        thread.join().unwrap();
    });
    refresher.status(&id()).unwrap()
}

#[test]
fn the_run_reads_again_and_again_until_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.txt");
    std::fs::write(&path, A).unwrap();
    let desk = Desk::new(settings(None, Some(&path)), limits());
    run(desk, |next| {
        assert!(matches!(next(), Report::Published { version: 1, .. }));
        assert!(matches!(next(), Report::Unchanged { .. }));
        // Written beside and renamed, as whoever replaces a source should.
        let new = dir.path().join("new.txt");
        std::fs::write(&new, format!("{A}0x02\n")).unwrap();
        std::fs::rename(&new, &path).unwrap();
        let published = std::iter::repeat_with(next)
            .find(|report| matches!(report, Report::Published { .. }))
            .unwrap();
        assert!(matches!(published, Report::Published { version: 2, added: 1, .. }));
    });
}

#[test]
fn offline_files_are_read_and_nobody_is_contacted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.txt");
    std::fs::write(&path, A).unwrap();
    let remote = ListSettings {
        id: "remote".parse().unwrap(),
        ..settings(Some("http://127.0.0.1:9/list.txt"), Some(&path))
    };
    let (tell, heard) = mpsc::channel();
    let hook = move |_: &[_], report: &Report| drop(tell.send(report.clone()));
    let store = Arc::new(Store::open(&dir.path().join("data"), DEFAULT_CACHE).unwrap());
    let publisher = Publisher::open(store, Bounds::default(), Arc::new(ticking()), hook).unwrap();
    let fetcher = Fetcher::new(dir.path(), limits()).unwrap();
    let lists = [remote.clone(), settings(None, Some(&path))];
    let refresher = Refresher::new(Arc::new(publisher), fetcher, &lists);
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| refresher.run(&stop, true));
        for _ in 0..3 {
            heard.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        stop.set();
        thread.join().unwrap();
    });
    assert!(refresher.status(&id()).unwrap().succeeded >= 3);
    assert_eq!(refresher.status(&remote.id).unwrap().last_attempt, None);
}

#[test]
fn a_static_list_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.txt");
    std::fs::write(&path, A).unwrap();
    let server = Server::start(vec![Answer::status(500, ""), Answer::ok(A), Answer::ok(A)]);
    let mut settings = settings(Some(&server.url()), None);
    settings.is_static = true;
    run(Desk::new(settings, limits()), |next| {
        assert!(matches!(next(), Report::Published { version: 1, .. }));
    });
    // The failure was tried again, the success was not.
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_static_list_is_read_again_from_another_source() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Answer::ok(A), Answer::ok(&format!("{A}0x02\n"))]);
    let of = |path: &str| {
        let url = format!("{}/{path}", server.url());
        let mut settings = settings(Some(&url), None);
        settings.is_static = true;
        settings.refresh_interval = Duration::from_secs(1_000_000);
        settings
    };
    for (path, want) in [("one", Some(1)), ("one", None), ("other", Some(2)), ("other", None)] {
        let before = server.requests().len();
        run_in(
            dir.path(),
            of(path),
            |_, _| {},
            |next| {
                if let Some(want) = want {
                    let report = next();
                    assert!(matches!(report, Report::Published { version, .. } if version == want));
                }
            },
        );
        let asked = server.requests().len() - before;
        assert_eq!(asked, usize::from(want.is_some()), "{path}");
    }
}

#[test]
fn a_panic_ends_neither_the_run_nor_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.txt");
    std::fs::write(&path, A).unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut calls = 0;
    let panic_once = move |_: &[_], _: &Report| {
        calls += 1;
        assert!(calls > 1, "once");
    };
    let status = run_in(data.path(), settings(None, Some(&path)), panic_once, |next| {
        assert!(matches!(next(), Report::Unchanged { .. }));
    });
    assert_eq!((status.last_error, status.consecutive_failures), (None, 0));
    // By hand it is an error with a name.
    let store = Arc::new(Store::open(&dir.path().join("data"), DEFAULT_CACHE).unwrap());
    let hook = |_: &[_], _: &Report| panic!("the hook is {}", "ill");
    let publisher = Publisher::open(store, Bounds::default(), Arc::new(ticking()), hook).unwrap();
    let fetcher = Fetcher::new(&dir.path().join("data"), limits()).unwrap();
    let refresher = Refresher::new(Arc::new(publisher), fetcher, &[settings(None, Some(&path))]);
    let want = format!("{}: the program failed while reading it: the hook is ill", path.display());
    assert_eq!(refresher.refresh(&id()).unwrap_err().to_string(), want);
    assert_eq!(refresher.status(&id()).unwrap().last_error, Some(want));
}

/// The program itself on a host that no name server knows, with what a proxy would be asked for.
#[test]
fn a_proxy_from_the_environment_is_asked() {
    const LISTED: &str = "0x098b716b8aaf21512996dc57eb0615e2383e2f96";
    let csv = format!("address,ticker,party_uid,party_name\n{LISTED},ETH,u1,Evil Party\n");
    for (variable, no_proxy, asked) in
        [("HTTP_PROXY", "", true), ("ALL_PROXY", "", true), ("HTTP_PROXY", "lists.invalid", false)]
    {
        let proxy = Server::start(vec![Answer::tunnel(Answer::ok(&csv))]);
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("lazaretto.toml");
        let lists = "starter_lists = false\n\
                     [lists.mine]\nkind = \"SANCTIONS\"\nformat = \"csv\"\n\
                     url = \"http://lists.invalid/list.csv\"\n";
        std::fs::write(&config, lists).unwrap();
        let run = |arguments: &[&str]| -> Said {
            let mut command = program(&dir.path().join("data"));
            command.args(arguments).env("LAZARETTO_CONFIG", &config).env(variable, proxy.url());
            command.env("NO_PROXY", no_proxy).output().unwrap().into()
        };
        let refreshed = run(&["lists", "refresh", "mine"]);
        let told = format!("{variable} {no_proxy}: {}{}", refreshed.out, refreshed.err);
        assert_eq!(refreshed.status == 0, asked, "{told}");
        let requests = proxy.requests();
        let lines: Vec<&str> =
            requests.iter().filter_map(|request| request.lines().next()).collect();
        let want = ["connect lists.invalid:80 http/1.1", "get /list.csv http/1.1"];
        assert_eq!(lines, if asked { &want[..] } else { &[] }, "{told}");
        let screened = run(&["screen", LISTED]);
        let shown = format!("{told}{}{}", screened.out, screened.err);
        assert_eq!(screened.out.contains("Evil Party"), asked, "{shown}");
    }
}
