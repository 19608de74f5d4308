//! A process that appends is killed at random: nothing that it acknowledged is missing.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::*;
use crate::audit::*;

/// Names the directory for the child.
const VARIABLE: &str = "LAZARETTO_AUDIT_CRASH";

/// How often the child is killed, unless the variable says more.
const KILLS: u64 = 50;
const MORE_KILLS: &str = "LAZARETTO_AUDIT_KILLS";

/// Not a test by itself: appends until it is killed, and prints each index that it acknowledges.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(VARIABLE) else { return };
    let durability = Durability::Interval(Duration::from_millis(3));
    let checkpoint_interval = Duration::from_millis(5);
    let settings = Settings { durability, checkpoint_interval, ..settings() };
    let (log, _) = Log::open(Path::new(&folder), settings, time(0)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let index = append_one(&log, log.appended());
                    log.write(index + 1).unwrap();
                    println!("\nappended {index}");
                }
            });
        }
    });
}

#[test]
fn kills_lose_nothing_acknowledged() {
    let mut folder = tempfile::tempdir().unwrap();
    fastrand::seed(3);
    let mut acknowledged = 0;
    let more = std::env::var(MORE_KILLS).ok();
    let kills = more.map_or(KILLS, |more| more.parse().unwrap());
    for kill in 0..kills {
        if kill % KILLS == 0 {
            // A log that has grown takes long to verify.
            folder = tempfile::tempdir().unwrap();
            acknowledged = 0;
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_appends_until_it_is_killed", "--nocapture"])
            .env(VARIABLE, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut left = fastrand::u64(1..200);
        for line in output.lines() {
            let line = line.unwrap();
            let Some(index) = line.strip_prefix("appended ") else { continue };
            acknowledged = acknowledged.max(index.parse().unwrap());
            left = left.saturating_sub(1);
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let log = folder.path().join("log.1");
        let report = verify(&log, None, fingerprints).unwrap();
        assert!(report.is_sound(), "kill {kill}: {:#?}", report.findings);
        assert!(report.size > acknowledged, "kill {kill}: {} of {acknowledged}", report.size);
        let reader = Reader::open(&log).unwrap();
        assert_eq!(reader.leaf(acknowledged).unwrap().index, acknowledged);
    }
    assert!(acknowledged > 0);
}
