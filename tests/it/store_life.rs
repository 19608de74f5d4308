//! The store of a running engine or server: files that vanish, publications that cannot be kept, and
//! looks at sources that change nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use lazaretto::config::{Config, Flags};
use lazaretto::engine::{Engine, Publication, check_named_record};
use lazaretto::screening::policy::Decision;
use lazaretto::screening::snapshot::SnapshotRecord;
use lazaretto::screening::{Incomplete, Scope, ScopeFilter};
use lazaretto::store::{DEFAULT_CACHE, Store};

use crate::disk_full_server::Served;
use crate::support::desk::{at, list_id};

const CLEAN: &str = "0x7a250d5630b4cf539739df2c5dacb4c659f248aa";
const LISTED: &str = "0x7a250d5630b4cf539739df2c5dacb4c659f248bb";

/// An engine with one required list, whose source is a file.
struct Desk {
    dir: tempfile::TempDir,
    clock: Arc<AtomicI64>,
}

impl Desk {
    fn new(rows: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(at("2025-11-20").as_second()));
        let desk = Self { dir, clock };
        desk.write(rows);
        desk
    }

    fn write(&self, rows: &[&str]) {
        let mut csv = "address,ticker,party_uid,party_name\n".to_owned();
        rows.iter().for_each(|row| csv += &format!("{row},ETH,1,Party\n"));
        fs::write(self.dir.path().join("list.csv"), csv).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn open(&self) -> Arc<Engine> {
        let path = format!("lists.test.path={}", self.dir.path().join("list.csv").display());
        let set = ["starter_lists=false", "lists.test.kind=SANCTIONS", "lists.test.required=true"];
        let off = ["us-ofac-sdn", "us-ofac-cons", "lazarus-advisories"];
        let off = off.iter().map(|list| format!("lists.{list}.enabled=false"));
        let set = set.iter().map(|&set| set.to_owned()).chain(off).chain([path]);
        let flags = Flags { data_dir: Some(self.data()), set: set.collect(), ..Flags::default() };
        let config = Config::load(&flags, []).unwrap();
        let clock = Arc::clone(&self.clock);
        let now = move || Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap();
        Engine::open(&config, Arc::new(now)).unwrap()
    }

    fn pass_hour(&self) -> Timestamp {
        let now = self.clock.fetch_add(3600, Ordering::SeqCst) + 3600;
        Timestamp::from_second(now).unwrap()
    }
}

fn screen(engine: &Engine, address: &str) -> (Decision, Vec<Incomplete>) {
    let snapshot = engine.snapshot().unwrap();
    let scope = Scope::new(&snapshot, &ScopeFilter::default(), engine.now()).unwrap();
    let screening = scope.screen(address, None, None).unwrap();
    (screening.decision, [screening.scope_incomplete, &screening.address_incomplete].concat())
}

fn is_published(publication: Publication) -> bool {
    publication.published
}

#[test]
fn an_unchanged_look_writes_no_record_and_its_snapshot_is_found_for_ever() {
    let desk = Desk::new(&[LISTED]);
    let engine = desk.open();
    let list = list_id("test");
    let mut known: Vec<(String, Timestamp, u64)> = Vec::new();
    for look in 0..2100 {
        let now = desk.pass_hour();
        if look == 1500 {
            desk.write(&[LISTED, CLEAN]);
        }
        let published = is_published(engine.refresh(&list).unwrap());
        assert_eq!(published, [0, 1500].contains(&look), "look {look}");
        let snapshot = engine.snapshot().unwrap();
        let version = snapshot.list(&list).unwrap().state().version.version;
        known.push((snapshot.id().to_owned(), now, version));
    }
    let check = |engine: &Engine| {
        // The number of looks stands at the same place as before a restart.
        assert_eq!(engine.snapshot().unwrap().id(), known.last().unwrap().0);
        for (id, now, version) in known.iter().step_by(7).chain(&known[995..1005]) {
            let record = engine.stored_snapshot(id).unwrap().unwrap();
            assert_eq!(record.lists[0].current_at, Some(*now), "{id}");
            assert_eq!(record.lists[0].version, *version, "{id}");
        }
        assert_eq!(*engine.snapshot().unwrap().record(), {
            let record = engine.stored_snapshot(&known.last().unwrap().0).unwrap().unwrap();
            SnapshotRecord { transfers: Default::default(), ..record }
        });
        assert!(
            engine.stored_snapshot(&format!("{}9", known.last().unwrap().0)).unwrap().is_none()
        );
    };
    check(&engine);
    let ids: std::collections::BTreeSet<_> = known.iter().map(|(id, ..)| id).collect();
    assert_eq!(ids.len(), known.len(), "each look has an id of its own");
    // A backup keeps them.
    let mut backup = Vec::new();
    engine.backup(&mut backup).unwrap();
    drop(engine);
    check(&desk.open());
    let store = Store::open(&desk.data(), DEFAULT_CACHE).unwrap();
    let found = store.verify(&check_named_record).unwrap();
    assert!(found.is_whole(), "{found:?}");
    assert_eq!((found.snapshots, found.looks), (2, 2100), "one record a version");
    drop(store);
    fs::remove_dir_all(desk.data()).unwrap();
    lazaretto::store::backup::restore(&desk.data(), &*backup, DEFAULT_CACHE, &check_named_record)
        .unwrap();
    check(&desk.open());
}

#[test]
fn records_of_before_looks_were_counted_keep_their_ages() {
    let desk = Desk::new(&[LISTED]);
    let engine = desk.open();
    engine.refresh(&list_id("test")).unwrap();
    let mut record = engine.snapshot().unwrap().record().clone();
    record.lists[0].current_at = Some(at("2025-01-02"));
    record.lists[0].published = Some("2025-01-01".parse().unwrap());
    let stored = serde_json::to_vec(&record).unwrap();
    drop(engine);
    let store = Store::open(&desk.data(), DEFAULT_CACHE).unwrap();
    store.save_snapshot("0123456789abcdef", &stored).unwrap();
    drop(store);
    let engine = desk.open();
    for id in ["0123456789abcdef", "0123456789abcdef-7-b3"] {
        let found = engine.stored_snapshot(id).unwrap().unwrap();
        assert_eq!(found.lists, record.lists, "{id}");
    }
}

#[test]
fn a_publication_that_cannot_be_stored_is_incomplete_until_it_is() {
    let desk = Desk::new(&[LISTED]);
    let engine = desk.open();
    let list = list_id("test");
    engine.refresh(&list).unwrap();
    assert_eq!(screen(&engine, CLEAN), (Decision::Allow, vec![]));
    let before = engine.snapshot().unwrap().id().to_owned();
    assert!(engine.readiness().not_stored.is_empty());

    let (heads, aside) = (desk.data().join("store/heads"), desk.data().join("aside"));
    fs::rename(&heads, &aside).unwrap();
    assert!(!engine.store_writable());
    desk.write(&[LISTED, CLEAN]);
    for _ in 0..2 {
        let error = engine.refresh(&list).unwrap_err().to_string();
        assert!(error.contains("removed, moved or replaced"), "{error}");
        let reason = Incomplete::ListNotStored(list.clone());
        assert_eq!(screen(&engine, CLEAN), (Decision::Review, vec![reason.clone()]));
        assert_eq!(screen(&engine, LISTED), (Decision::Block, vec![reason]));
        assert_eq!(engine.readiness().not_stored, std::slice::from_ref(&list));
    }
    let snapshot = engine.snapshot().unwrap();
    assert_ne!(snapshot.id(), before, "another answer, another id");
    assert!(engine.stored_snapshot(snapshot.id()).unwrap().is_some());

    fs::rename(&aside, &heads).unwrap();
    assert!(engine.store_writable());
    assert!(is_published(engine.refresh(&list).unwrap()));
    assert_eq!(screen(&engine, CLEAN), (Decision::Block, vec![]));
    assert!(engine.readiness().not_stored.is_empty());

    // It ends as well where the source says again what stands.
    fs::rename(&heads, &aside).unwrap();
    desk.write(&[LISTED]);
    assert!(engine.refresh(&list).is_err());
    assert_eq!(engine.readiness().not_stored, std::slice::from_ref(&list));
    desk.write(&[LISTED, CLEAN]);
    fs::rename(&aside, &heads).unwrap();
    assert!(!is_published(engine.refresh(&list).unwrap()));
    assert!(engine.readiness().not_stored.is_empty());
    assert_eq!(screen(&engine, CLEAN), (Decision::Block, vec![]));
}

#[test]
fn files_removed_under_a_running_server_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let mut server = Served::start(data);
    let file = data.join("list.csv");
    fs::write(&file, "address,ticker,party_uid,party_name\n").unwrap();
    let import = ["lists", "import", file.to_str().unwrap(), "--list", "x", "--kind", "SANCTIONS"];
    for name in ["store/db", "store/segments", "store/heads", "store"] {
        let (path, aside) = (data.join(name), data.join("aside"));
        fs::rename(&path, &aside).unwrap();
        let word = Path::new(name).file_name().unwrap().to_str().unwrap();
        let word = if word == "store" { "db" } else { word };
        let why = format!("the file {word} of the store was removed, moved or replaced");
        server.log.wait_for(&why);
        let page = server.page("/readyz");
        assert!(page.starts_with("HTTP/1.1 503") && page.contains(&why), "{page}");
        server.check_writable(false);
        server.check_answers(data);
        let said = server.says(data, &import);
        assert!(said.err.contains("removed, moved or replaced"), "{}", said.err);
        fs::rename(&aside, &path).unwrap();
        server.log.wait_for("store accepts changes again");
        server.check_writable(true);
    }
    let log = server.end();
    assert_eq!(log.matches("store refuses changes").count(), 4, "each is said once: {log}");
    // Another file in its place is no store of ours.
    let mut server = Served::start(data);
    fs::copy(data.join("store/db"), data.join("copy")).unwrap();
    fs::rename(data.join("copy"), data.join("store/db")).unwrap();
    server.log.wait_for("the file db of the store was removed, moved or replaced");
    server.end();
}
