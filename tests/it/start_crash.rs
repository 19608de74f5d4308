//! A start that is killed at any of its writes leaves a store that opens, with all that was
//! acknowledged.
//!
//! A child of this test opens a store; the parent watches the store's files without a pause, and
//! kills the child at the first change to them, at the second, and so on until a child ends by
//! itself. Then again by the size of files: the system ends a process that writes beyond a limit.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use lazaretto::domain::publication::listed_digest;
use lazaretto::store::Store;

use crate::support::program::program;
use crate::support::publication::publication;

/// Names the data directory to the child; that it is set makes a child.
const DIR: &str = "LAZARETTO_START_CRASH_TEST_DIR";
const CACHE: u64 = 8 << 20;
/// More changes than a start makes that can be told apart.
const MOST: usize = 60;

/// The files of the store, with their lengths and times.
fn files(dir: &Path) -> BTreeMap<String, (u64, Option<std::time::SystemTime>)> {
    let Ok(entries) = std::fs::read_dir(dir.join("store")) else { return BTreeMap::new() };
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let found = entry.metadata().ok()?;
        Some((entry.file_name().into_string().ok()?, (found.len(), found.modified().ok())))
    };
    entries.filter_map(entry).collect()
}

/// Runs a child and kills it at change number `change` of the store's files; what it published, and
/// whether it was killed.
fn run_and_kill(name: &str, dir: &Path, change: usize) -> (Vec<u64>, bool) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut before = files(dir);
    let mut changes = 0;
    let was_killed = loop {
        let now = files(dir);
        changes += usize::from(now != before);
        before = now;
        if changes > change {
            child.kill().unwrap();
            break true;
        }
        if child.try_wait().unwrap().is_some() {
            break false;
        }
    };
    let output = child.wait_with_output().unwrap();
    let was_killed = was_killed && output.status.signal() == Some(9);
    assert!(was_killed || output.status.success(), "the child failed");
    let said = String::from_utf8(output.stdout).unwrap();
    let published = said.lines().filter_map(|line| line.strip_prefix("published "));
    (published.map(|version| version.parse().unwrap()).collect(), was_killed)
}

fn start(dir: &Path, publishes: bool) {
    let store = Store::open(dir, CACHE).unwrap();
    if publishes {
        let version = store.next_version();
        let state = publication(&"test".parse().unwrap(), version, "run");
        store.publish(&state, lazaretto::store::Changes::Publication(&[])).unwrap();
        println!("\npublished {version}");
    }
}

/// The version in force, which must be whole.
fn opened(dir: &Path) -> u64 {
    let store = Store::open(dir, CACHE).unwrap();
    assert!(store.refusal().is_none());
    for list in store.lists().unwrap() {
        assert_eq!(listed_digest(&list), list.version.digest);
    }
    store.next_version() - 1
}

#[test]
fn the_very_first_start_can_be_killed_anywhere() {
    let name = "start_crash::the_very_first_start_can_be_killed_anywhere";
    if let Some(dir) = std::env::var_os(DIR) {
        return start(Path::new(&dir), true);
    }
    let mut kills = 0;
    for change in 0..MOST {
        let dir = tempfile::tempdir().unwrap();
        let (published, was_killed) = run_and_kill(name, dir.path(), change);
        let last = opened(dir.path());
        assert!(last >= published.last().copied().unwrap_or(0), "change {change}");
        kills += usize::from(was_killed);
        if !was_killed {
            break;
        }
    }
    eprintln!("{kills} kills");
    assert!(kills > 1, "too few kills to show anything");
}

#[test]
fn a_start_with_a_snapshot_due_can_be_killed_anywhere() {
    let name = "start_crash::a_start_with_a_snapshot_due_can_be_killed_anywhere";
    if let Some(dir) = std::env::var_os(DIR) {
        return start(Path::new(&dir), true);
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut kills, mut unfinished, mut acknowledged) = (0, 0, 0);
    for round in 0..2 * MOST {
        // sled writes a snapshot when it opens a log that has grown since the last.
        start(dir.path(), true);
        acknowledged += 1;
        let (published, was_killed) = run_and_kill(name, dir.path(), round % 20);
        acknowledged = published.last().copied().unwrap_or(acknowledged);
        kills += usize::from(was_killed);
        unfinished += files(dir.path()).keys().filter(|name| name.ends_with(".generating")).count();
        let last = opened(dir.path());
        assert!(last >= acknowledged, "round {round}: {last} of {acknowledged}");
        acknowledged = last;
    }
    eprintln!("{kills} kills, {unfinished} of them while sled wrote a snapshot");
    assert!(kills > MOST / 4, "too few kills to show anything: {kills}");
}

#[test]
fn a_start_without_a_snapshot_due_can_be_killed_anywhere() {
    let name = "start_crash::a_start_without_a_snapshot_due_can_be_killed_anywhere";
    if let Some(dir) = std::env::var_os(DIR) {
        return start(Path::new(&dir), false);
    }
    let dir = tempfile::tempdir().unwrap();
    start(dir.path(), true);
    for change in 0..20 {
        assert_eq!(opened(dir.path()), 1);
        run_and_kill(name, dir.path(), change % 5);
    }
    assert_eq!(opened(dir.path()), 1);
}

/// `ulimit -f` counts blocks of 512 bytes: beyond it a write is cut short, and the next one ends the
/// process.
#[test]
fn a_program_that_ends_at_a_write_starts_again() {
    let mut ended = 0;
    let kept = tempfile::tempdir().unwrap();
    let sizes = (0..6).chain((3..12).map(|power| 1 << power)).chain([1000, 1023, 1025, 2049]);
    for blocks in sizes {
        // The first start of all, and one of many.
        for dir in [&tempfile::tempdir().unwrap(), &kept] {
            let program_of = program(dir.path());
            let mut shell = Command::new("/bin/sh");
            let script = format!("ulimit -c 0; ulimit -f {blocks}; exec \"$@\"");
            shell.env_clear().env("LAZARETTO_DATA_DIR", dir.path()).args(["-c", &script, "sh"]);
            shell.arg(program_of.get_program()).args(["lists", "ls"]);
            let output = shell.output().unwrap();
            ended += usize::from(output.status.signal().is_some());
            let after = program(dir.path()).args(["lists", "ls"]).output().unwrap();
            let said = String::from_utf8_lossy(&after.stderr);
            assert!(after.status.success(), "{blocks} blocks: {said}");
            assert!(String::from_utf8_lossy(&after.stdout).contains("us-ofac-sdn"));
        }
    }
    eprintln!("{ended} programs were ended");
    assert!(ended > 10, "too few to show anything: {ended}");
}
