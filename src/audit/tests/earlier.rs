//! Several logs in one directory: they name each other, and records of all are redacted and aged.

use std::fs;
use std::path::{Path, PathBuf};

use super::support::*;
use crate::audit::*;

/// Three logs: one with two full segments and a part, a small one, and the present one.
fn three_logs() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.append(400);
    fixture.append_batch(1_000, 40_000);
    fixture.start_next();
    fixture.append(300);
    fixture.start_next();
    fixture.append(20);
    fixture
}

fn path(fixture: &Fixture, number: u64) -> PathBuf {
    files::log_directory(fixture.folder.path(), number)
}

#[track_caller]
fn assert_all_sound(fixture: &Fixture) -> Vec<Report> {
    let Logs { logs, unreadable } = logs(fixture.folder.path()).unwrap();
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let reports = logs.iter().map(|log| verify(&log.path, None, fingerprints).unwrap());
    let reports: Vec<Report> = reports.collect();
    reports.iter().for_each(|report| assert!(report.is_sound(), "{:#?}", report.findings));
    assert_eq!(verify_succession(fixture.folder.path()).unwrap(), []);
    reports
}

fn id(reader: &Reader, index: u64) -> RecordId {
    RecordId { tag: reader.tag(), index, item: 0 }
}

#[test]
fn records_of_earlier_logs_are_redacted() {
    let mut fixture = three_logs();
    let earlier = fixture.log().earlier().unwrap();
    assert_eq!(earlier.iter().map(Reader::size).collect::<Vec<_>>(), [401 + 2_500, 301]);
    // In a full segment, in the part of one, in the block without a row in the index.
    let ids = [id(&earlier[0], 30), id(&earlier[0], 2_200), id(&earlier[1], 300)];
    for record in ids {
        let reader = fixture.log().reader_of(record.tag).unwrap().unwrap();
        let entry = reader.entry(record.index).unwrap();
        fixture.log().redact(record, time(1)).unwrap();
        let leaf = reader.leaf(record.index).unwrap();
        assert_eq!(leaf.items[0].address.text(), None, "{record}");
        assert_eq!(reader.entry(record.index).unwrap(), entry);
        fixture.log().redact(record, time(1)).unwrap();
    }
    let redacted: Vec<u64> = assert_all_sound(&fixture).iter().map(|it| it.redacted).collect();
    assert_eq!(redacted, [2, 1, 0]);
    let missing = [id(&earlier[1], 301), RecordId { tag: [0; 4], ..ids[0] }];
    for record in missing {
        let refused = fixture.log().redact(record, time(1));
        assert!(matches!(refused, Err(AuditError::NoSuchRecord(_))), "{record}");
    }
    // Without the log that announces it, the redaction is unexplained.
    let alone = tempfile::tempdir().unwrap();
    copy(&path(&fixture, 1), &alone.path().join("log.1"));
    let report = verify(&alone.path().join("log.1"), None, fingerprints).unwrap();
    assert!(report.findings[0].what.contains("no event says so"), "{:#?}", report.findings);
    assert_eq!(report.finding_count, 2);
    fixture.reopen();
    assert_all_sound(&fixture);
}

/// Kept is every tenth leaf of the first log, and nothing of the second.
#[test]
fn earlier_logs_are_aged() {
    let mut fixture = three_logs();
    let tags: Vec<[u8; 4]> = fixture.log().earlier().unwrap().iter().map(Reader::tag).collect();
    let is_kept = |tag: [u8; 4], leaf: &Leaf| tag == tags[0] && leaf.index.is_multiple_of(10);
    let before = verify(&path(&fixture, 1), None, fingerprints).unwrap();
    let removed = fixture.log().remove_before(time(2_000_000), &is_kept, time(9)).unwrap();
    // Three segments of the first, the part of one of the second; the present one stays.
    assert_eq!(removed.segments, 4);
    // Of 2,901 leaves 290 with records are kept, and of each log the first.
    assert_eq!(removed.kept, 290 + 2);
    assert_eq!(removed.leaves, 2_901 - 291 + 300);
    let again = fixture.log().remove_before(time(2_000_000), &is_kept, time(9)).unwrap();
    assert_eq!(again, Removed::default());
    for _ in 0..2 {
        let reports = assert_all_sound(&fixture);
        assert!(reports[0].bytes < before.bytes / 2);
        let reader = fixture.log().reader_of(tags[0]).unwrap().unwrap();
        assert_eq!(reader.leaf(2_890).unwrap().items.len(), 16);
        assert!(matches!(reader.leaf(2_891), Err(AuditError::Removed { index: 2_891 })));
        let signed = reader.checkpoint().unwrap().checkpoint;
        assert_eq!(reader.root(signed.size).unwrap(), signed.root);
        fixture.reopen();
    }
}

#[test]
fn oldest_segments_are_removed_down_to_a_size() {
    let fixture = three_logs();
    let sizes = || -> Vec<u64> {
        let bytes = |number| bytes_below(&path(&fixture, number).join("segments"));
        (1..=3).map(bytes).collect()
    };
    let full: u64 = sizes().iter().sum();
    let nothing = fixture.log().remove_above(full + 1_000, &|_, _| false, time(9)).unwrap();
    assert_eq!(nothing, Removed::default());
    // The first segment alone is enough.
    let before = sizes();
    let removed = fixture.log().remove_above(full - 1_000, &|_, _| false, time(9)).unwrap();
    assert_eq!(removed.segments, 1);
    assert!(sizes()[0] < before[0] && sizes()[1] == before[1]);
    // All that may be removed is not enough: the newest segment stays.
    let removed = fixture.log().remove_above(0, &|_, _| false, time(9)).unwrap();
    assert_eq!(removed.segments, 3);
    assert!(fixture.log().reader().leaf(20).is_ok());
    assert_all_sound(&fixture);
}

fn bytes_below(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn missing_emptied_and_exchanged_logs_are_named() {
    let mut fixture = three_logs();
    assert_all_sound(&fixture);
    fixture.close();
    let (first, aside) = (path(&fixture, 1), fixture.folder.path().join("aside"));
    let says = |log: u64, part: &str| {
        let findings = verify_succession(fixture.folder.path()).unwrap();
        let [finding] = &findings[..] else { panic!("{findings:#?}") };
        assert_eq!(finding.path, path(&fixture, log));
        assert!(finding.what.contains(part), "{finding}");
    };
    fs::rename(&first, &aside).unwrap();
    says(1, "the log is missing");
    // Another log in its place.
    let mut other = Fixture::new();
    other.append(3);
    copy(&other.close(), &first);
    says(2, "which the first leaf names");
    // An emptied one of the same origin.
    fs::copy(aside.join("origin"), first.join("origin")).unwrap();
    let findings = verify_succession(fixture.folder.path()).unwrap();
    let of_second = findings.iter().find(|finding| finding.path == path(&fixture, 2)).unwrap();
    assert!(of_second.what.contains("have another root, or are missing"), "{of_second}");
    fs::remove_dir_all(&first).unwrap();
    fs::create_dir(&first).unwrap();
    let findings = verify_succession(fixture.folder.path()).unwrap();
    assert_eq!(findings.len(), 2, "{findings:#?}");
    fs::remove_dir_all(&first).unwrap();
    // A gap, and a log that was given another number.
    fs::rename(path(&fixture, 2), &first).unwrap();
    let findings = verify_succession(fixture.folder.path()).unwrap();
    let mut paths: Vec<&Path> = findings.iter().map(|finding| &*finding.path).collect();
    paths.sort_unstable();
    assert_eq!(paths, [&*first, &*path(&fixture, 2)], "{findings:#?}");
}

/// A search by address passes a segment by whose filter was made for fewer addresses.
#[test]
fn filter_that_misses_an_address_is_found() {
    let mut fixture = Fixture::new();
    fixture.append(10);
    fixture.append_batch(1_000, 40_000);
    fixture.log().redact(id(fixture.log().reader(), 3), time(1)).unwrap();
    let origin = fixture.log().reader().origin().to_owned();
    let directory = fixture.close();
    assert!(verify(&directory, None, fingerprints).unwrap().is_sound());
    let all: Vec<u64> = (0..41_000).map(|number| fingerprint(&address(number))).collect();
    let log = head::LogId::of(&origin);
    // Bits of addresses that are redacted, or were never there, do no harm.
    filter::write(&directory, 1, log, all.clone()).unwrap();
    assert!(verify(&directory, None, fingerprints).unwrap().is_sound());
    let few = all.into_iter().filter(|it| *it != fingerprint(&address(20_000))).collect();
    filter::write(&directory, 1, log, few).unwrap();
    let missing = fingerprint(&address(20_000));
    if filter::may_contain(&directory, 1, log, &[missing]).unwrap() {
        // By chance, as one in a hundred is: then no search passes it by.
        return;
    }
    let report = verify(&directory, None, fingerprints).unwrap();
    let [finding] = &report.findings[..] else { panic!("{:#?}", report.findings) };
    assert_eq!(finding.path, files::filter(&directory, 1));
    assert_eq!(finding.leaf.map(segment_of), Some(1));
}
