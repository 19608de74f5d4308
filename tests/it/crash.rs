//! A store that is killed at any moment opens with every acknowledged version whole.
//!
//! The test runs itself as a child process, which publishes without end and says on its output
//! what was acknowledged; the parent kills it and looks at what is left.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use lazaretto::domain::list::{ChangeKind, ListCheck, ListId, ListVersion, Row};
use lazaretto::domain::list_change::ListingChange;
use lazaretto::domain::publication::listed_digest;
use lazaretto::store::Store;

use crate::support::killed::run_and_kill;
use crate::support::publication::{ROWS, publication};

/// Names the data directory to the child; that it is set makes a child.
const DIR: &str = "LAZARETTO_CRASH_TEST_DIR";
const NAME: &str = "crash::what_was_acknowledged_survives_kill";
const CACHE: u64 = 8 * 1024 * 1024;
const KILLS: usize = 40;

#[test]
fn what_was_acknowledged_survives_kill() {
    if let Some(dir) = std::env::var_os(DIR) {
        return publish_without_end(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    let mut unacknowledged = 0;
    for run in 0..KILLS {
        let before = acknowledged.len();
        let lines = run_and_kill(NAME, DIR, dir.path(), &["published ", "checked "]);
        let checked = note(&lines, &mut acknowledged);
        let last = look(dir.path(), &acknowledged, checked);
        unacknowledged += usize::from(last > acknowledged.keys().last().copied().unwrap_or(0));
        eprintln!("kill {run}: {} acknowledged, {last} in force", acknowledged.len() - before);
        // What is in force though it was not acknowledged keeps its number too.
        let store = Store::open(dir.path(), CACHE).unwrap();
        for list in store.lists().unwrap() {
            acknowledged.entry(list.version.version).or_insert_with(|| hex(&list.version.digest));
        }
    }
    assert!(acknowledged.len() > KILLS, "too few publications to show anything");
    eprintln!(
        "{} versions, {unacknowledged} kills between sync and acknowledgement",
        acknowledged.len()
    );
}

/// Notes what a child has acknowledged; gives the last version for which a check was.
fn note(lines: &[String], acknowledged: &mut BTreeMap<u64, String>) -> Option<u64> {
    let mut checked = None;
    for line in lines {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["published", version, digest] => {
                let known = acknowledged.insert(version.parse().unwrap(), digest.to_owned());
                assert_eq!(known, None, "version {version} came twice");
            }
            ["checked", version] => checked = Some(version.parse().unwrap()),
            _ => {}
        }
    }
    checked
}

/// Opens what is left and checks that it is whole; gives the last version in force.
fn look(dir: &Path, acknowledged: &BTreeMap<u64, String>, checked: Option<u64>) -> u64 {
    let store = Store::open(dir, CACHE).unwrap();
    let last = store.next_version() - 1;
    assert!(last >= acknowledged.keys().last().copied().unwrap_or(0));
    let lists = store.lists().unwrap();
    let mut headers: BTreeMap<u64, ListVersion> = BTreeMap::new();
    for list in &lists {
        assert_eq!(listed_digest(list), list.version.digest);
        let expected =
            publication(&list.version.id, list.version.version, &list.version.force_reason);
        assert_eq!((&list.rows, &list.parties), (&expected.rows, &expected.parties));
        let versions = store.versions(&list.version.id).unwrap();
        headers.extend(versions.into_iter().map(|header| (header.version, header)));
    }
    assert!(headers.keys().copied().eq(1..=last), "every number once, none left out");
    for (version, digest) in acknowledged {
        assert_eq!(hex(&headers[version].digest), *digest, "version {version}");
    }
    if let Some(list) = lists.iter().find(|list| Some(list.version.version) == checked) {
        assert_eq!(list.check.etag, Some(format!("\"{}\"", list.version.version)));
    }
    // The changes of the last versions are all there, and none of what never came in force.
    let from = last.saturating_sub(3);
    let page = store.changes(Some((from, u32::MAX)), None, usize::MAX - 1).unwrap();
    assert_eq!(page.changes.len(), (last - from) as usize * ROWS);
    last
}

fn publish_without_end(dir: &Path) {
    let store = Store::open(dir, CACHE).unwrap();
    let run = std::process::id().to_string();
    let mut out = std::io::stdout();
    loop {
        let version = store.next_version();
        let id: ListId = if version.is_multiple_of(2) { "even" } else { "odd" }.parse().unwrap();
        let state = publication(&id, version, &run);
        let added = |row: &Row| ListingChange {
            kind: ChangeKind::Added,
            key: row.key.clone(),
            party_name: String::new(),
            fields: Vec::new(),
        };
        let changes: Vec<_> = state.rows.iter().map(added).collect();
        store.publish(&state, lazaretto::store::Changes::Publication(&changes)).unwrap();
        writeln!(out, "\npublished {version} {}", hex(&state.version.digest)).unwrap();
        let etag = Some(format!("\"{version}\""));
        store.record_check(&id, &ListCheck { etag, ..ListCheck::default() }).unwrap();
        writeln!(out, "\nchecked {version}").unwrap();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
