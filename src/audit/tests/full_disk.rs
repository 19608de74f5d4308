//! A disk without room: appending is refused, nothing is half written, and it goes on once there is
//! room again. A limit on the size of files (RLIMIT_FSIZE) stands for the disk, in a process of its
//! own, since the limit holds for all of it.

use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::support::*;
use crate::audit::*;

const VARIABLE: &str = "LAZARETTO_AUDIT_FULL";

/// Not a test by itself: appends under a limit on the size of files, which `sh` has made an error
/// instead of a signal.
#[test]
fn child_fills_its_disk() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    let mut fixture = Fixture::new();
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: Some(20_000), maximum }).unwrap();
    let log = fixture.log();
    let error = loop {
        let index = append_one(log, log.appended());
        if let Err(error) = log.write(index + 1) {
            break error;
        }
    };
    assert!(matches!(error, AuditError::Io { .. }), "{error}");
    let (written, appended) = (log.written(), log.appended());
    assert_eq!(appended, written + 1);
    let item = NewItem { answer: b"", class: 1, address: "a", reference: None, fingerprints: &[] };
    let refused = log.append(&NewLeaf { time: time(0), context: b"", items: &[item] });
    assert_eq!(refused.unwrap_err().to_string(), error.to_string());
    assert_eq!(log.failure().unwrap().to_string(), error.to_string());
    assert!(log.retry().is_err(), "there is no room yet");
    assert!(log.write(appended).is_err());
    let path = files::segment(log.reader().directory(), 0);
    let report = fixture.assert_sound();
    assert_eq!((report.size, report.torn), (written, None), "{}", path.display());

    setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum }).unwrap();
    log.retry().unwrap();
    assert_eq!(log.written(), appended);
    assert!(log.failure().is_none());
    fixture.append(100);
    assert_eq!(fixture.log().appended(), appended + 100);
    fixture.reopen();
    let report = fixture.assert_sound();
    assert_eq!(report.size, appended + 100);
    println!("the disk was full");
}

#[test]
fn full_disk_refuses_and_recovers() {
    let child = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" child_fills_its_disk --nocapture"])
        .arg(child)
        .env(VARIABLE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("the disk was full"), "{text}\n{errors}");
}
