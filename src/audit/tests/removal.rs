//! Redaction and retention: what is deleted is gone, and every hash and proof stays.

use std::cell::{Cell, RefCell};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::*;
use crate::audit::*;

/// Names the directory for the child, and what it does there.
const VARIABLE: &str = "LAZARETTO_AUDIT_REPLACE";
const STOP_AT: &str = "LAZARETTO_AUDIT_STOP_AT";

/// Steps at which one replacement can be stopped.
const STEPS: usize = 5;

fn record(log: &Log, index: u64, item: u8) -> RecordId {
    RecordId { tag: log.reader().tag(), index, item }
}

fn roots(log: &Log) -> Vec<(u64, Hash)> {
    let sizes = (0..=log.appended()).step_by(32);
    sizes.map(|size| (size, log.reader().root(size).unwrap())).collect()
}

/// Every root is as before; within a dropped block there is none.
#[track_caller]
fn check_roots(log: &Log, before: &[(u64, Hash)]) {
    for (size, root) in before {
        match log.reader().root(*size) {
            Ok(now) => assert_eq!(now, *root, "{size}"),
            Err(AuditError::Removed { .. }) => assert_ne!(size % 256, 0),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether the bytes of an address stand in a file.
fn holds(path: &Path, number: u64) -> bool {
    let digits = address(number)[2..].to_owned();
    let bytes = data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap();
    fs::read(path).unwrap().windows(20).any(|part| part == bytes)
}

fn check_redacted(fixture: &Fixture, id: RecordId) {
    let leaf = fixture.log().reader().leaf(id.index).unwrap();
    for (item, number) in leaf.items.iter().zip(0..) {
        let is_redacted = item.address.text().is_none();
        assert_eq!(is_redacted, number == id.item, "{id}: {leaf:?}");
        assert!(!is_redacted || item.reference.iter().all(|field| field.text().is_none()));
    }
    assert!(!leaf.context.is_empty());
}

#[test]
fn redacted_values_are_gone_and_hashes_stay() {
    let mut fixture = Fixture::new();
    fixture.append(500);
    fixture.append_batch(5_000, 20_000);
    fixture.append(300);
    let before = roots(fixture.log());
    let size = fixture.log().appended();
    let old = fixture.sign();
    // In a full segment, in the newest one, in the block that goes on, in the last leaf.
    let last = size - 1;
    let batch = 501 + 10;
    for (index, item, number) in
        [(60, 0, 60), (batch, 3, 5_163), (last - 260, 0, last - 260), (last, 0, last)]
    {
        let segment = files::segment(&fixture.directory(), segment_of(index));
        let id = record(fixture.log(), index, item);
        assert!(holds(&segment, number), "{id}");
        let entry = fixture.log().reader().entry(index).unwrap();
        fixture.log().redact(id, time(9)).unwrap();
        check_redacted(&fixture, id);
        assert_eq!(fixture.log().reader().entry(index).unwrap(), entry);
        assert!(!holds(&segment, number), "{id}");
        fixture.log().redact(id, time(9)).unwrap();
        fixture.append(3);
        check_roots(fixture.log(), &before);
        fixture.assert_sound();
    }
    let filtered = Query { fingerprints: vec![fingerprint(&address(60))], ..Query::default() };
    let found = fixture.log().reader().leaves(filtered).map(|leaf| leaf.unwrap().index);
    assert!(found.min().is_none_or(|index| index >= 1024), "the filter still has it");
    let report = fixture.verify(Some(&old));
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!(report.redacted, 4);
    fixture.reopen();
    fixture.append(700);
    let report = fixture.assert_sound();
    assert_eq!((report.redacted, report.size), (4, size + 4 * 5 + 700));
}

/// Leaves that are written while a segment is being replaced are in the new one, in order.
#[test]
fn redaction_goes_beside_appending() {
    let mut fixture = Fixture::new();
    fixture.append_batch(5_000, 3_000);
    let log = fixture.log();
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            for _ in 0..1_500 {
                let index = append_one(log, log.appended());
                log.write(index + 1).unwrap();
            }
        });
        for number in 1..=15 {
            log.redact(record(log, number * 10, 3), time(9)).unwrap();
        }
        appending.join().unwrap();
    });
    let size = log.appended();
    let entries: Vec<Vec<u8>> = (0..size).map(|i| log.reader().entry(i).unwrap()).collect();
    for number in 1..=15 {
        check_redacted(&fixture, record(fixture.log(), number * 10, 3));
    }
    // Its times are hours apart, as those of a log without checkpoints never are.
    fixture.sign();
    fixture.assert_sound();
    assert!(fixture.reopen().cut.is_none());
    fixture.append(300);
    let again = fixture.log().reader();
    for (entry, index) in entries.iter().zip(0..) {
        assert_eq!(again.entry(index).unwrap(), *entry);
    }
    fixture.assert_sound();
}

#[test]
fn record_that_is_not_there_is_refused() {
    let fixture = Fixture::new();
    fixture.append(5);
    let log = fixture.log();
    let other = RecordId { tag: [0; 4], ..record(log, 1, 0) };
    for id in [record(log, 0, 0), record(log, 1, 1), record(log, 6, 0), other] {
        assert!(matches!(log.redact(id, time(0)), Err(AuditError::NoSuchRecord(_))), "{id}");
    }
    assert_eq!(log.appended(), 6);
}

#[test]
fn redaction_without_its_event_is_found() {
    let mut fixture = Fixture::new();
    fixture.append(50);
    fixture.sign();
    let old = tempfile::tempdir().unwrap();
    copy(&fixture.directory(), old.path());
    let id = record(fixture.log(), 7, 0);
    fixture.log().redact(id, time(0)).unwrap();
    let directory = fixture.close();
    // The log goes back to before the event; the redacted segment loses the frame with it.
    for file in ["checkpoints", "index"] {
        fs::copy(old.path().join(file), directory.join(file)).unwrap();
    }
    let segment = files::segment(&directory, 0);
    let bytes = fs::read(&segment).unwrap();
    let event = bytes.windows(11).position(|part| part == b"audit_event").unwrap();
    let event = event + bytes[event + 1..].windows(11).position(|p| p == b"audit_event").unwrap();
    let _ = event;
    let report = verify(&directory, None, fingerprints).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
    // An item of another record, by hand.
    let (block, _) =
        block::Block::decode(&bytes[64..], frame::FramePlace { segment: 0, offset: 64 });
    let mut frame = vec![0; frame::FRAME_HEAD];
    let mut copier = block::Copier::new(&block);
    for (number, leaf) in block.leaves().iter().enumerate() {
        let block::LeafView::Full(full) = leaf else { panic!() };
        let hidden: Vec<Hash> = match block.items(full) {
            [item] => match item.address.to_write() {
                block::ValueToWrite::Packed { salt, form, bytes } => {
                    vec![entry::commit(salt, form, bytes)]
                }
                block::ValueToWrite::Redacted(hash) => vec![*hash],
            },
            _ => vec![],
        };
        let hidden = hidden.first();
        copier.leaf(&mut frame, leaf, |_, value| {
            if number == 8 { block::ValueToWrite::Redacted(hidden.unwrap()) } else { value }
        });
    }
    frame::seal(&mut frame, frame::FramePlace { segment: 0, offset: 64 });
    fs::write(&segment, [&bytes[..64], &frame].concat()).unwrap();
    let report = verify(&directory, None, fingerprints).unwrap();
    let finding = &report.findings[0];
    assert!(finding.what.contains("-8.0 is redacted, and no event says so"), "{finding}");
    assert_eq!(finding.leaf, Some(8));
}

fn is_blocked(_: [u8; 4], leaf: &Leaf) -> bool {
    leaf.items.iter().any(|item| item.class == BLOCK_CLASS)
}

#[test]
fn retention_keeps_what_is_held_and_all_proofs() {
    let mut fixture = Fixture::new();
    fixture.append(400);
    let old = fixture.sign();
    fixture.append_batch(1_000, 40_000);
    fixture.append(30);
    let middle = fixture.sign();
    let size = fixture.log().appended();
    let (before, reader) = (roots(fixture.log()), fixture.log().reader().clone());
    let hashes: Vec<Hash> = (0..size).map(|i| leaf_hash(&reader.entry(i).unwrap())).collect();
    let bytes = fixture.verify(None).bytes;
    let none = fixture.log().remove_before(time(300), &is_blocked, time(9)).unwrap();
    assert_eq!(none, Removed::default());
    let removed = fixture.log().remove_before(time(2_000_000), &is_blocked, time(9)).unwrap();
    // Two full segments; the last one stays. Kept: the first leaf, every tenth of 400.
    assert_eq!((removed.segments, removed.kept), (2, 41), "{removed:?}");
    assert_eq!(removed.leaves, 2048 - 41);
    let again = fixture.log().remove_before(time(2_000_000), &is_blocked, time(9)).unwrap();
    assert_eq!(again, Removed::default());
    for step in 0..2 {
        check_roots(fixture.log(), &before);
        let reader = fixture.log().reader();
        for index in [0, 10, 250, 400] {
            let proof = reader.inclusion_proof(index, size).unwrap();
            let root = reader.root(size).unwrap();
            assert_eq!(leaf_hash(&reader.entry(index).unwrap()), hashes[index as usize]);
            assert!(verify_inclusion(hashes[index as usize], index, size, &proof, root));
        }
        let proof = reader.consistency_proof(401, size).unwrap();
        let (first, second) = (reader.root(401).unwrap(), reader.root(size).unwrap());
        assert!(verify_consistency(401, size, &proof, first, second));
        assert!(matches!(reader.leaf(11), Err(AuditError::Removed { index: 11 })));
        assert!(matches!(reader.leaf(1500), Err(AuditError::Removed { .. })));
        let found: Vec<u64> = reader
            .leaves(Query { indices: 0..2048, ..Query::default() })
            .map(|leaf| leaf.unwrap().index)
            .collect();
        assert_eq!(found.len(), 41);
        let classes = BLOCK_CLASS;
        let query = Query { classes, indices: 0..2048, ..Query::default() };
        assert_eq!(reader.leaves(query).count(), 40);
        for note in [&old, &middle] {
            let report = fixture.verify(Some(note));
            assert!(report.is_sound(), "{step}: {:#?}", report.findings);
            assert_eq!((report.bare, report.dropped), (512 - 41, 6), "{report:?}");
            assert!(report.bytes < bytes / 2);
        }
        fixture.reopen();
        fixture.append(3);
    }
    let id = record(fixture.log(), 20, 0);
    fixture.log().redact(id, time(0)).unwrap();
    check_redacted(&fixture, id);
    fixture.assert_sound();
}

#[test]
fn leaves_that_are_missing_without_an_event_are_found() {
    let mut fixture = Fixture::new();
    fixture.append_batch(0, 40_000);
    fixture.sign();
    let directory = fixture.directory();
    let removed = fixture.log().remove_before(time(1), &|_, _| false, time(9)).unwrap();
    assert_eq!(removed.segments, 2);
    let id = head::LogId::of(fixture.log().reader().origin());
    fixture.close();
    assert!(!files::segment(&directory, 1).exists());
    let index = index::Index::open(&directory, id, true).unwrap();
    let place = |block| index.row(block).unwrap().place;
    assert!(place(7).is_dropped());
    // The third segment, which no event covers.
    let mut row = index.row(8).unwrap();
    row.place.drop_content();
    index.write(8, &[row]).unwrap();
    let report = verify(&directory, None, fingerprints).unwrap();
    let said = |part: &str| report.findings.iter().any(|finding| finding.what.contains(part));
    assert!(said("256 leaves are missing, and no event says so"), "{:#?}", report.findings);
}

/// As on a full disk, where an error of the system comes before anything was changed.
#[test]
fn replacement_that_cannot_begin_stops_nothing() {
    let mut fixture = Fixture::new();
    fixture.append_batch(5_000, 20_000);
    fixture.append(300);
    fixture.sign();
    let directory = fixture.directory();
    let last = fixture.log().appended() - 1;
    let journal = directory.join("replacement.new");
    let segment = |index| files::segment(&directory, segment_of(index));
    let new = |index| files::beside(&segment(index));
    // The journal; then the new segments.
    for blocked in [vec![journal.clone()], vec![new(7), new(last)]] {
        blocked.iter().for_each(|path| fs::create_dir(path).unwrap());
        for index in [7, last] {
            let refused = fixture.log().redact(record(fixture.log(), index, 0), time(9));
            assert!(matches!(refused, Err(AuditError::Io { .. })), "{refused:?}");
        }
        let refused = fixture.log().remove_before(time(2_000_000), &|_, _| false, time(9));
        assert!(matches!(refused, Err(AuditError::Io { .. })), "{refused:?}");
        assert!(fixture.log().failure().is_none());
        blocked.iter().for_each(|path| fs::remove_dir(path).unwrap());
        // Nothing is left that takes room.
        assert!(![&journal, &new(7), &new(last)].into_iter().any(|path| path.exists()));
        fixture.append(3);
        fixture.assert_sound();
    }
    for index in [7, last] {
        let id = record(fixture.log(), index, 0);
        fixture.log().redact(id, time(9)).unwrap();
        check_redacted(&fixture, id);
    }
    fixture.reopen();
    fixture.append(3);
    fixture.assert_sound();
}

/// An error after the journal leaves the files between the old segment and the new one.
#[test]
fn replacement_that_cannot_end_stops_recording_until_the_next_start() {
    let mut fixture = Fixture::new();
    fixture.append(20);
    let filter = files::filter(&fixture.directory(), 0);
    fs::create_dir(&filter).unwrap();
    let id = record(fixture.log(), 7, 0);
    assert!(fixture.log().redact(id, time(9)).is_err());
    assert!(fixture.log().failure().is_some() && fixture.log().retry().is_err());
    fs::remove_dir(&filter).unwrap();
    fixture.reopen();
    check_redacted(&fixture, id);
    fixture.append(3);
    fixture.assert_sound();
}

#[test]
fn files_are_for_their_owner_alone() {
    let mut fixture = Fixture::new();
    fixture.append_batch(5_000, 20_000);
    fixture.append(300);
    fixture.sign();
    for index in [7, fixture.log().appended() - 1] {
        fixture.log().redact(record(fixture.log(), index, 0), time(9)).unwrap();
    }
    fixture.log().remove_before(time(2_000_000), &is_blocked, time(9)).unwrap();
    let directory = fixture.close();
    let mut folders = vec![directory];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(
                    fs::metadata(&path).unwrap().mode() & 0o777,
                    0o600,
                    "{}",
                    path.display()
                );
                files += 1;
            }
        }
    }
    assert!(files >= 8, "{files}");
}

thread_local! {
    static VERIFIED: RefCell<Option<Fixture>> = const { RefCell::new(None) };
    /// What is redacted as soon as an address is looked at.
    static TO_REDACT: Cell<Option<RecordId>> = const { Cell::new(None) };
}

fn redacting_fingerprints(address: &str, out: &mut Vec<u64>) {
    if let Some(id) = TO_REDACT.take() {
        VERIFIED
            .with_borrow(|fixture| fixture.as_ref().unwrap().log().redact(id, time(9)).unwrap());
    }
    fingerprints(address, out);
}

#[test]
fn redaction_while_a_log_is_verified_is_no_finding() {
    let fixture = Fixture::new();
    fixture.append_batch(5_000, 40_000);
    fixture.sign();
    {
        // The sealing thread may be about to make them.
        let appender = fixture.log().appender();
        let _sealing = appender.sealing.lock().unwrap();
        appender.make_filters().unwrap();
    }
    let (directory, id) = (fixture.directory(), record(fixture.log(), 7, 3));
    TO_REDACT.set(Some(id));
    VERIFIED.set(Some(fixture));
    let report = verify(&directory, None, redacting_fingerprints).unwrap();
    assert!(VERIFIED.take().is_some() && TO_REDACT.take().is_none());
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!(report.redacted, 1);
}

/// Not a test by itself: replaces a segment and is stopped at a step.
#[test]
fn child_is_stopped_while_it_replaces() {
    let Some(variable) = std::env::var_os(VARIABLE) else { return };
    let variable = variable.into_string().unwrap();
    let (what, folder) = variable.split_once(' ').unwrap();
    let (log, _) = Log::open(Path::new(folder), settings(), time(0)).unwrap();
    if what == "redact" {
        log.redact(record(&log, 60, 0), time(1)).unwrap();
    } else if what == "redact-newest" {
        log.redact(record(&log, log.appended() - 2, 0), time(1)).unwrap();
    } else {
        log.remove_before(time(2_000_000), &is_blocked, time(1)).unwrap();
    }
}

#[test]
fn replacement_survives_a_stop_at_every_step() {
    let mut fixture = Fixture::new();
    fixture.append(500);
    fixture.append_batch(5_000, 20_000);
    fixture.append(300);
    let before = roots(fixture.log());
    let note = fixture.sign();
    fixture.close();
    for what in ["redact", "redact-newest", "remove"] {
        for step in 1..=STEPS {
            // The place of a log is where its files are: so the same ones, put back.
            let kept = tempfile::tempdir().unwrap();
            copy(fixture.folder.path(), kept.path());
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["child_is_stopped_while_it_replaces", "--nocapture"])
                .env(VARIABLE, format!("{what} {}", fixture.folder.path().display()))
                .env(STOP_AT, step.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert!(!status.success(), "{what} {step}");
            let opened = fixture.reopen();
            assert!(opened.cut.is_none() && !opened.started);
            let report = fixture.verify(Some(&note));
            assert!(report.is_sound(), "{what} {step}: {:#?}", report.findings);
            check_roots(fixture.log(), &before);
            // Before step 2 the old segment counts, from then on the new one.
            let is_done = report.redacted + report.dropped > 0;
            assert_eq!(is_done, step >= 2, "{what} {step}: {report:?}");
            let directory = fixture.directory();
            assert!(!directory.join("replacement").exists());
            let id = record(fixture.log(), 60, 0);
            if what == "redact" {
                fixture.log().redact(id, time(1)).unwrap();
                check_redacted(&fixture, id);
                assert!(!holds(&files::segment(&directory, 0), 60));
            }
            fixture.assert_sound();
            fixture.close();
            restore(&kept.path().join("log.1"), &directory);
        }
    }
}

/// Puts back the content of files, but not the files.
fn restore(from: &Path, to: &Path) {
    for folder in ["segments", "filters"] {
        for entry in fs::read_dir(to.join(folder)).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        copy(&from.join(folder), &to.join(folder));
    }
    for file in ["index", "checkpoints"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}
