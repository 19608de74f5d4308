//! Logs to test with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use crate::audit::*;

pub(super) const CONTEXT: &[u8] = br#"{"snapshot":"s-1","caller":"test"}"#;
pub(super) const CLEAR: &[u8] = br#"{"decision":"ALLOW","score":0}"#;
pub(super) const BLOCKED: &[u8] = br#"{"decision":"BLOCK","score":100,"rule":"listed"}"#;

pub(super) const ALLOW_CLASS: u8 = 1;
pub(super) const BLOCK_CLASS: u8 = 4;

pub(super) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(super) fn fingerprint(address: &str) -> u64 {
    address
        .bytes()
        .fold(7, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

pub(super) fn fingerprints(address: &str, out: &mut Vec<u64>) {
    out.push(fingerprint(address));
}

pub(super) fn address(n: u64) -> String {
    format!("0x{:040x}", u128::from(n) * 0x1234_5678_9abc_def1_2345)
}

/// Never signs by itself within a test.
pub(super) fn settings() -> Settings {
    Settings {
        name: "lazaretto.example/test".to_owned(),
        durability: Durability::Interval(Duration::from_secs(3600)),
        checkpoint_interval: Duration::from_secs(3600),
        fingerprints,
        hooks: Hooks::default(),
        start_anew: false,
    }
}

pub(super) struct Fixture {
    pub(super) folder: TempDir,
    log: Option<Log>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, opened) = Log::open(folder.path(), settings(), time(0)).unwrap();
        assert!(opened.started);
        Self { folder, log: Some(log) }
    }

    pub(super) fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.log().reader().directory().to_owned()
    }

    pub(super) fn close(&mut self) -> PathBuf {
        let directory = self.directory();
        self.log = None;
        directory
    }

    pub(super) fn reopen(&mut self) -> Opened {
        self.log = None;
        let (log, opened) = Log::open(self.folder.path(), settings(), time(0)).unwrap();
        self.log = Some(log);
        opened
    }

    /// Leaves the present log as it is and starts the next.
    pub(super) fn start_next(&mut self) {
        self.log = None;
        let settings = Settings { start_anew: true, ..settings() };
        self.log = Some(Log::open(self.folder.path(), settings, time(0)).unwrap().0);
    }

    /// Appends single leaves, each written by itself, with its number as address; every tenth is
    /// blocked.
    pub(super) fn append(&self, count: u64) {
        for _ in 0..count {
            let index = append_one(self.log(), self.log().appended());
            self.log().write(index + 1).unwrap();
        }
    }

    /// Appends a batch of clean items whose addresses count from `first`.
    pub(super) fn append_batch(&self, first: u64, count: u64) -> std::ops::Range<u64> {
        let addresses: Vec<String> = (first..first + count).map(address).collect();
        let prints: Vec<[u64; 1]> = addresses.iter().map(|text| [fingerprint(text)]).collect();
        let items: Vec<NewItem<'_>> = addresses
            .iter()
            .zip(&prints)
            .map(|(address, prints)| NewItem {
                answer: CLEAR,
                class: ALLOW_CLASS,
                address,
                reference: None,
                fingerprints: prints,
            })
            .collect();
        let items = items.iter().copied();
        let range = self.log().append_batch(time(first as i64), CONTEXT, items).unwrap();
        self.log().write(range.end).unwrap();
        range
    }

    pub(super) fn sign(&self) -> String {
        self.log().sign_checkpoint().unwrap().note
    }

    #[track_caller]
    pub(super) fn verify(&self, outside: Option<&str>) -> Report {
        verify(&self.directory(), outside, fingerprints).unwrap()
    }

    #[track_caller]
    pub(super) fn assert_sound(&self) -> Report {
        let report = self.verify(None);
        assert!(report.is_sound(), "{:#?}", report.findings);
        report
    }
}

pub(super) fn append_one(log: &Log, number: u64) -> u64 {
    let address = address(number);
    let is_blocked = number.is_multiple_of(10);
    let reference = format!("payment-{number}");
    let item = NewItem {
        answer: if is_blocked { BLOCKED } else { CLEAR },
        class: if is_blocked { BLOCK_CLASS } else { ALLOW_CLASS },
        address: &address,
        reference: number.is_multiple_of(3).then_some(&*reference),
        fingerprints: &[fingerprint(&address)],
    };
    let context = format!("{{\"snapshot\":\"s-1\",\"request\":{number}}}");
    let (time, context) = (time(number as i64), context.as_bytes());
    log.append(&NewLeaf { time, context, items: &[item] }).unwrap()
}

/// Copies a directory with all below.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
