//! An engine on a data directory of its own, with a clock that is set by hand.

mod near;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use lazaretto::config::{Config, Flags};
use lazaretto::domain::list::{ChangeKind, ListId, ListKind};
use lazaretto::domain::publication::Force;
use lazaretto::engine::{ChangesSince, Engine, EngineError, Import, Publication};
use lazaretto::screening::policy::Decision;
use lazaretto::screening::snapshot::SnapshotList;
use lazaretto::screening::{FindingKind, Incomplete, ListingState, Scope, ScopeError, ScopeFilter};

pub use near::{Exposed, Look, sends, unplaced, wallet};

/// What a screening said, owned.
#[derive(Debug)]
pub struct Answer {
    pub decision: Decision,
    pub score: u8,
    pub incomplete: Vec<Incomplete>,
    pub findings: Vec<Found>,
}

/// One finding of an [`Answer`].
#[derive(Debug)]
pub struct Found {
    pub kind: FindingKind,
    pub state: ListingState,
    pub score: u8,
    pub list: String,
    pub party_uid: String,
    pub party_name: String,
    pub address: String,
    pub ticker: String,
    /// The standing behind it, as [`standing`] writes it.
    pub standing: String,
}

impl Answer {
    pub fn is_complete(&self) -> bool {
        self.incomplete.is_empty()
    }

    /// The only finding on this verbatim address and ticker.
    pub fn on(&self, address: &str, ticker: &str) -> Option<&Found> {
        self.only(|found| found.address == address && found.ticker == ticker)
    }

    /// The only finding on a row.
    pub fn on_row(&self, uid: &str, address: &str, ticker: &str) -> Option<&Found> {
        self.only(|found| {
            found.party_uid == uid && found.address == address && found.ticker == ticker
        })
    }

    fn only(&self, wanted: impl Fn(&Found) -> bool) -> Option<&Found> {
        let mut found = self.findings.iter().filter(|found| wanted(found));
        let first = found.next();
        assert!(found.next().is_none(), "more than one such finding: {self:?}");
        first
    }
}

/// An engine and its clock.
pub struct Desk {
    engine: Arc<Engine>,
    clock: Arc<AtomicI64>,
    /// The data directory, where it is this desk's own.
    dir: Option<tempfile::TempDir>,
}

/// A moment such as `2025-11-20T12:00:00Z`, or the noon (UTC) of a day.
pub fn at(text: &str) -> Timestamp {
    if text.contains('T') { text.parse().unwrap() } else { at(&format!("{text}T12:00:00Z")) }
}

impl Desk {
    /// On an empty directory. `set` are settings as in `--set`; nobody is contacted, and without
    /// `starter_lists=true` no starter list is loaded.
    pub fn new(now: &str, set: &[&str]) -> Self {
        Self::on(tempfile::tempdir().unwrap(), now, set)
    }

    /// On what stands in a directory, which is removed in the end.
    pub fn on(dir: tempfile::TempDir, now: &str, set: &[&str]) -> Self {
        let desk = Self::at(dir.path(), now, set);
        Self { dir: Some(dir), ..desk }
    }

    /// On what stands in a directory.
    pub fn at(dir: &Path, now: &str, set: &[&str]) -> Self {
        let flags = Flags {
            data_dir: Some(dir.to_owned()),
            offline: true,
            set: ["starter_lists=false"].iter().chain(set).map(|&s| s.to_owned()).collect(),
            ..Flags::default()
        };
        let config = Config::load(&flags, []).unwrap();
        let clock = Arc::new(AtomicI64::new(at(now).as_second()));
        let told = Arc::clone(&clock);
        let now = move || Timestamp::from_second(told.load(Ordering::SeqCst)).unwrap();
        let engine = Engine::open(&config, Arc::new(now)).unwrap();
        Self { engine, clock, dir: None }
    }

    /// The engine ended; its directory.
    pub fn closed(self) -> tempfile::TempDir {
        let Self { engine, dir, .. } = self;
        assert_eq!(Arc::strong_count(&engine), 1, "somebody still holds the engine");
        drop(engine);
        dir.unwrap()
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn set_clock(&self, now: &str) {
        self.clock.store(at(now).as_second(), Ordering::SeqCst);
    }

    /// Imports a file as the list of this id.
    pub fn import(
        &self,
        id: &str,
        kind: Option<ListKind>,
        path: &Path,
        force: Option<&str>,
    ) -> Result<Publication, EngineError> {
        let import = Import {
            id: list_id(id),
            kind,
            format: None,
            file_name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            force: force.map(Force::all),
            published: None,
            refreshes_age: true,
            declaration: None,
            is_trial: false,
        };
        self.engine.import(&import, path)
    }

    /// Imports text as a CSV file of that name.
    pub fn import_csv(
        &self,
        id: &str,
        csv: &str,
        force: Option<&str>,
    ) -> Result<Publication, EngineError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.csv");
        std::fs::write(&path, csv).unwrap();
        self.import(id, None, &path, force)
    }

    /// A loaded list, in the snapshot in force.
    pub fn list(&self, id: &str) -> SnapshotList {
        let snapshot = self.engine.snapshot().unwrap();
        snapshot.list(&list_id(id)).unwrap_or_else(|| panic!("{id} is not loaded")).clone()
    }

    /// Screens an address now, or as of a past moment.
    pub fn screen(&self, address: &str, as_of: Option<&str>) -> Answer {
        self.try_screen(address, as_of).unwrap()
    }

    pub fn try_screen(&self, address: &str, as_of: Option<&str>) -> Result<Answer, ScopeError> {
        let snapshot = self.engine.snapshot().unwrap();
        let scope = {
            let narrowing = ScopeFilter { as_of: as_of.map(at), ..ScopeFilter::default() };
            Scope::new(&snapshot, &narrowing, self.engine.now())
        }?;
        let screening = scope.screen(address, None, None).unwrap();
        let (complete, score) = (screening.is_complete(), screening.score);
        let findings = screening.findings.iter().map(|finding| Found {
            kind: finding.kind,
            state: finding.state,
            score: finding.score,
            list: finding.list.id().to_string(),
            party_uid: finding.row.key.party_uid.clone(),
            party_name: finding.party.map(|party| party.name.clone()).unwrap_or_default(),
            address: finding.row.key.address.clone(),
            ticker: finding.row.key.ticker.clone(),
            standing: finding.standing.map(standing).unwrap_or_default(),
        });
        let incomplete = [screening.scope_incomplete, &screening.address_incomplete].concat();
        assert_eq!(complete, incomplete.is_empty());
        Ok(Answer { decision: screening.decision, score, findings: findings.collect(), incomplete })
    }

    /// All changes of the versions above one: kind, party uid, address, ticker and party name.
    pub fn changes(&self, id: &str, above: u64) -> Vec<(ChangeKind, [String; 4])> {
        let since = ChangesSince::Version(above);
        let mut all = Vec::new();
        let mut after = None;
        loop {
            // A small page, so that the pages must fit together.
            let page = self.engine.changes(since, after, Some(&list_id(id)), 100).unwrap();
            all.extend(page.changes.into_iter().map(|dated| {
                let key = dated.change.key;
                let name = dated.change.party_name;
                (dated.change.kind, [key.party_uid, key.address, key.ticker, name])
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => return all,
            }
        }
    }
}

/// A standing as text: `2019-09-13..2025-03-21 PartyDate`.
fn standing(standing: &lazaretto::domain::list::ListingPeriod) -> String {
    let day = |day: Option<jiff::civil::Date>| day.map(|day| day.to_string()).unwrap_or_default();
    format!("{}..{} {:?}", day(standing.from), day(standing.until), standing.basis)
}

pub fn list_id(id: &str) -> ListId {
    id.parse().unwrap()
}
