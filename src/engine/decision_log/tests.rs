//! The decision log over several logs of a directory: queries, parties, holds, retention, checkpoints.

mod checkpoints;
mod parties;
mod queries;
mod retention;
mod syncs;

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{
    CallRecord, DecisionLog, Fingerprints, QueriedAddress, QueryCursor, RecordPage,
    RecordPageRequest, RecordQuery, RecordedAnswer, References, fingerprints,
};
use crate::audit::RecordId;
use crate::config::{Config, DecisionLogSettings, Flags};
use crate::domain::list::ListKind;
use crate::engine::{Engine, Import};
use crate::screening::{Scope, ScopeFilter};

const NOW: i64 = 1_763_640_000;

/// A decision log, and an engine beside it that screens.
struct Desk {
    folder: tempfile::TempDir,
    engine: Arc<Engine>,
    log: Option<DecisionLog>,
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

/// An address that no list has.
fn clean(number: u64) -> String {
    format!("0x{:040x}", u128::from(number) + (0xabcd << 48))
}

/// An address of the party `p1`.
fn listed(number: u64) -> String {
    format!("0x{:040x}", u128::from(number) + (0xbad << 48))
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flags = Flags {
            data_dir: Some(folder.path().join("data")),
            offline: true,
            set: [
                "starter_lists=false",
                "lists.us-ofac-sdn.enabled=false",
                "lists.us-ofac-cons.enabled=false",
                "lists.lazarus-advisories.enabled=false",
                "decision_log.enabled=false",
            ]
            .map(str::to_owned)
            .into(),
            ..Flags::default()
        };
        let config = Config::load(&flags, []).unwrap();
        let engine = Engine::open(&config, Arc::new(now)).unwrap();
        let desk = Self { folder, engine, log: None };
        desk.import(&[(&listed(1), "p1"), (&listed(900), "p2")]);
        Self { log: Some(desk.open()), ..desk }
    }

    fn open(&self) -> DecisionLog {
        let settings = DecisionLogSettings {
            // No checkpoint comes by itself within a test.
            checkpoint_interval: std::time::Duration::from_secs(3_600),
            ..DecisionLogSettings::default()
        };
        DecisionLog::new(&settings, &self.data(), Arc::new(now)).unwrap().unwrap()
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }

    /// The directory of a log by its number.
    fn directory(&self, number: u64) -> std::path::PathBuf {
        self.data().join(format!("decision-log/log.{number}"))
    }

    /// Opens the log as after a restore without its key: the next one begins.
    fn restore(&mut self, number: u64) {
        self.log = None;
        std::fs::remove_file(self.directory(number).join("key")).unwrap();
        self.log = Some(self.open());
    }

    fn log(&self) -> &DecisionLog {
        self.log.as_ref().unwrap()
    }

    fn import(&self, rows: &[(&str, &str)]) {
        let mut text = String::from("address,ticker,party_uid,party_name,listed_on\n");
        for (address, party) in rows {
            text.push_str(&format!("{address},ETH,{party},Party {party},2020-01-01\n"));
        }
        let path = self.folder.path().join("list.csv");
        std::fs::write(&path, text).unwrap();
        self.import_file(&path);
    }

    fn import_file(&self, path: &Path) {
        let import = Import {
            id: "sanctions".parse().unwrap(),
            kind: Some(ListKind::Sanctions),
            format: None,
            file_name: "list.csv".to_owned(),
            force: None,
            published: None,
            refreshes_age: false,
            declaration: None,
            is_trial: false,
        };
        self.engine.import(&import, path).unwrap();
    }

    /// Records the answer to an address, and returns its id.
    fn record(&self, address: &str) -> RecordId {
        self.record_as(address, address, now())
    }

    /// Records the answer to `asked` as that of another address.
    fn record_as(&self, asked: &str, address: &str, time: Timestamp) -> RecordId {
        let snapshot = self.engine.snapshot().unwrap();
        let filter = ScopeFilter::default();
        let scope = Scope::new(&snapshot, &filter, now()).unwrap();
        let screening = scope.screen(asked, None, None).unwrap();
        let references = References::default();
        let query = QueriedAddress { address: asked, chain: "" };
        let answer = RecordedAnswer::new(&screening, query, &references);
        let mut found = Vec::new();
        fingerprints(address, &mut found);
        let item = answer.of_another(&references, Fingerprints::Many(found.into())).to(address);
        let call = CallRecord { snapshot: snapshot.id().into(), ..CallRecord::default() };
        let recorded =
            self.log().append(&call.to_json(), time, [item.as_new()].into_iter()).unwrap();
        self.log().finish_blocking(recorded).unwrap().unwrap().first
    }

    fn page(&self, wanted: &RecordQuery, after: Option<QueryCursor>, limit: usize) -> RecordPage {
        let snapshot = self.engine.snapshot();
        let page = RecordPageRequest { wanted, after, limit };
        self.log().records(page, snapshot.as_deref(), now()).unwrap()
    }

    /// All ids, what is said to be left out, and the number of pages.
    fn find(&self, wanted: &RecordQuery, limit: usize) -> Found {
        let mut found = Found::default();
        let mut after = None;
        loop {
            let page = self.page(wanted, after, limit);
            found.ids.extend(page.records.iter().map(|record| record.id));
            found.incomplete = page.incomplete;
            found.pages += 1;
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    ids: Vec<RecordId>,
    incomplete: Vec<String>,
    pages: usize,
}

fn party(name: &str) -> RecordQuery {
    RecordQuery { party: Some(name.to_owned()), ..RecordQuery::default() }
}
