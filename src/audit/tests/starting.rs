//! Where a log begins: new directories, copies, restored backups, new keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::support::*;
use crate::audit::*;

fn open(folder: &std::path::Path) -> (Log, Opened) {
    Log::open(folder, settings(), time(0)).unwrap()
}

#[test]
fn copied_directory_starts_a_log_that_names_the_old_checkpoint() {
    let mut fixture = Fixture::new();
    fixture.append(20);
    let note = fixture.sign();
    fixture.close();
    let copied = tempfile::tempdir().unwrap();
    copy(fixture.folder.path(), copied.path());
    let (log, opened) = open(copied.path());
    assert!(opened.started);
    assert_eq!(opened.directory, copied.path().join("log.2"));
    assert_eq!(opened.previous, Some(copied.path().join("log.1")));
    let started = Event::parse(&log.reader().leaf(0).unwrap().context);
    assert_eq!(started, Some(Event::LogStarted { previous: Some(note) }));
    let old = Reader::open(&copied.path().join("log.1")).unwrap();
    assert_eq!(old.size(), 21);
    assert_ne!(old.origin(), log.reader().origin());
    assert_ne!(old.keys(), log.reader().keys());
    let logs = logs(copied.path()).unwrap().logs;
    let tags: Vec<[u8; 4]> = logs.iter().map(|log| log.tag).collect();
    assert_eq!(tags, [old.tag(), log.reader().tag()]);
    drop(log);
    assert!(!open(copied.path()).1.started, "the copy has its own log now");
    assert!(!fixture.reopen().started, "the first one goes on");
}

#[test]
fn log_without_its_key_starts_anew() {
    let mut fixture = Fixture::new();
    let directory = fixture.close();
    fs::remove_file(directory.join("key")).unwrap();
    let (_, opened) = open(fixture.folder.path());
    assert!(opened.started);
    assert_eq!(opened.previous, Some(directory));
}

#[test]
fn log_starts_anew_on_demand() {
    let mut fixture = Fixture::new();
    fixture.close();
    let settings = Settings { start_anew: true, ..settings() };
    let (log, opened) = Log::open(fixture.folder.path(), settings, time(0)).unwrap();
    assert!(opened.started && log.appended() == 1);
}

#[test]
fn moved_directory_goes_on() {
    let mut fixture = Fixture::new();
    fixture.append(3);
    fixture.close();
    let moved = fixture.folder.path().join("moved");
    fs::create_dir(&moved).unwrap();
    fs::rename(fixture.folder.path().join("log.1"), moved.join("log.1")).unwrap();
    let (log, opened) = open(&moved);
    assert!(!opened.started);
    assert_eq!(log.appended(), 4);
}

#[test]
fn key_is_private() {
    let fixture = Fixture::new();
    let mode = fs::metadata(fixture.directory().join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn wrong_names_are_refused() {
    for name in ["", "a b", "a+b", "a\nb"] {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { name: name.to_owned(), ..settings() };
        let error = Log::open(folder.path(), settings, time(0)).err().unwrap();
        assert!(matches!(error, AuditError::Name(_)), "{error}");
    }
}

#[test]
fn next_key_is_signed_over_by_the_one_before() {
    let mut fixture = Fixture::new();
    fixture.append(5);
    let before = fixture.sign();
    let first = fixture.log().reader().keys()[0].key.clone();
    let second = fixture.log().rotate_key(time(1)).unwrap();
    let both = fixture.log().reader().checkpoint().unwrap();
    assert_eq!((both.verify(&first), both.verify(&second)), (Ok(()), Ok(())));
    assert_eq!(both.checkpoint.size, 7);
    let event = Event::parse(&fixture.log().reader().leaf(6).unwrap().context);
    assert_eq!(event, Some(Event::KeyRotated { key: second.to_string() }));
    fixture.append(5);
    let after = SignedCheckpoint::parse(&fixture.sign()).unwrap();
    assert_eq!(after.verify(&first), Err(NoteError::UnknownKey));
    assert_eq!(after.verify(&second), Ok(()));
    fixture.reopen();
    let third = fixture.log().rotate_key(time(2)).unwrap();
    let keys: Vec<u64> = fixture.log().reader().keys().iter().map(|key| key.from).collect();
    assert_eq!(keys, [0, 7, 13]);
    let reader = fixture.log().reader();
    let named: Vec<_> = reader
        .keys()
        .iter()
        .map(|key| reader.rotation_checkpoint(key).unwrap().map(|signed| signed.checkpoint.size))
        .collect();
    assert_eq!(named, [None, Some(7), Some(13)]);
    let rotation = reader.rotation_checkpoint(&reader.keys()[2]).unwrap().unwrap();
    assert_eq!((rotation.verify(&second), rotation.verify(&third)), (Ok(()), Ok(())));
    assert_eq!(fixture.log().reader().keys()[2].key, third);
    for note in [&before, &both.note, &after.note] {
        let report = fixture.verify(Some(note));
        assert!(report.is_sound(), "{:#?}", report.findings);
    }
    // A key that the log never named.
    let directory = fixture.close();
    let mut keys = super::super::keys::read(&directory).unwrap();
    let (other, _) =
        super::super::note::Signer::generate(after.checkpoint.origin.as_str()).unwrap();
    keys[2].key = other.verifier().clone();
    super::super::keys::write(&directory, &keys).unwrap();
    let report = verify(&directory, None, fingerprints).unwrap();
    let said = |part: &str| report.findings.iter().any(|finding| finding.what.contains(part));
    assert!(said("no signature by a known key") && said("no event names"), "{report:#?}");
}

#[test]
fn rotation_that_a_crash_cut_off_goes_on_with_the_key_in_force() {
    let mut fixture = Fixture::new();
    fixture.append(5);
    let directory = fixture.directory();
    let old = fs::read_to_string(directory.join("key")).unwrap();
    fixture.log().rotate_key(time(1)).unwrap();
    fixture.close();
    // Before the last step: `keys` names the next key, which is still `key.new`.
    fs::rename(directory.join("key"), directory.join("key.new")).unwrap();
    fs::write(directory.join("key"), &old).unwrap();
    fixture.reopen();
    assert!(!directory.join("key.new").exists());
    assert_ne!(fs::read_to_string(directory.join("key")).unwrap(), old);
    fixture.append(5);
    fixture.sign();
    fixture.assert_sound();
}
