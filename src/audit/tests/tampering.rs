//! Whatever is changed in the files is found, and its place is named.

use std::process::Command;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::support::*;
use crate::audit::block::Block;
use crate::audit::frame::{FRAME_HEAD, FramePlace, seal};
use crate::audit::index::{Index, Row};
use crate::audit::*;

/// A closed log with two segments' worth of nothing but 700 leaves in three blocks, and the note of
/// its last checkpoint.
fn prepared() -> (Fixture, PathBuf, String) {
    let mut fixture = Fixture::new();
    fixture.append(300);
    fixture.sign();
    for number in 0..40 {
        fixture.append_batch(number * 160, 160);
    }
    let note = fixture.sign();
    let directory = fixture.close();
    (fixture, directory, note)
}

fn segment(log: &Path) -> PathBuf {
    files::segment(log, 0)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let before = fs::read(path).unwrap();
    let mut bytes = before.clone();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
    before
}

fn frames(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut start = head::HEAD;
    let mut frames = Vec::new();
    while start < bytes.len() {
        let length = u32::from_be_bytes(bytes[start..start + 4].try_into().unwrap()) as usize;
        frames.push(start..start + FRAME_HEAD + length);
        start += FRAME_HEAD + length;
    }
    frames
}

#[test]
fn untouched_log_is_sound() {
    let (_fixture, directory, note) = prepared();
    let report = verify(&directory, Some(&note), fingerprints).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!((report.size, report.items, report.checkpoints), (701, 6700, 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn every_flipped_bit_of_every_file_is_found(
        file in 0..5usize,
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        thread_local! {
            static PREPARED: (Fixture, PathBuf, String) = prepared();
        }
        PREPARED.with(|(_, directory, note)| {
            let file = ["segments/00000000", "index", "checkpoints", "keys", "origin"][file];
            let path = directory.join(file);
            let mut place = 0;
            let before = change(&path, |bytes| {
                place = at.index(bytes.len());
                bytes[place] ^= 1 << bit;
            });
            let report = verify(directory, Some(note), fingerprints);
            // Opening alone sees what the newest checkpoint and the heads cover.
            fs::write(&path, before).unwrap();
            let report = match report {
                Err(error) => {
                    let text = error.to_string();
                    // Another origin is another log, to which the index does not belong.
                    let name = file.rsplit('/').next().unwrap();
                    prop_assert!(text.contains(name) || file == "origin", "{text}");
                    return Ok(());
                }
                Ok(report) => report,
            };
            // The place in the origin is compared when the log is opened.
            if file == "origin" && report.is_sound() {
                let lines = fs::read_to_string(&path).unwrap();
                let last = lines.lines().take(2).map(|line| line.len() + 1).sum::<usize>();
                prop_assert!(place >= last, "byte {place} of {file}");
                return Ok(());
            }
            prop_assert!(!report.is_sound(), "byte {place} of {file}");
            if file == "segments/00000000" {
                let finding = &report.findings[0];
                prop_assert!(finding.path == path, "{finding}");
                prop_assert!(finding.byte <= place as u64, "{finding}, changed at {place}");
                prop_assert!(place < 64 || finding.leaf.is_some(), "{finding}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn every_cut_is_found(file in 0..3usize, at in any::<prop::sample::Index>()) {
        thread_local! {
            static PREPARED: (Fixture, PathBuf, String) = prepared();
        }
        PREPARED.with(|(_, directory, note)| {
            let file = ["segments/00000000", "index", "checkpoints"][file];
            let path = directory.join(file);
            let mut length = 0;
            let before = change(&path, |bytes| {
                length = at.index(bytes.len());
                bytes.truncate(length);
            });
            let report = verify(directory, Some(note), fingerprints);
            fs::write(&path, before).unwrap();
            // Without its last rows an index is made again from the segments.
            let is_fine = file != "segments/00000000";
            prop_assert!(is_fine || report.is_err() || !report.unwrap().is_sound(), "{length}");
            Ok(())
        })?;
    }
}

#[test]
fn swapped_frames_are_found_where_they_stand() {
    let (_fixture, directory, _) = prepared();
    let path = segment(&directory);
    change(&path, |bytes| {
        let frames = frames(bytes);
        let equal = |a: usize, b: usize| frames[a].len() == frames[b].len();
        let at = (302..frames.len() - 1).find(|at| equal(*at, at + 1)).unwrap();
        let (first, second) = (bytes[frames[at].clone()].to_vec(), frames[at + 1].clone());
        let moved = bytes[second.clone()].to_vec();
        bytes[frames[at].clone()].copy_from_slice(&moved);
        bytes[second].copy_from_slice(&first);
    });
    let report = verify(&directory, None, fingerprints).unwrap();
    assert!(report.findings[0].what.contains("changed or moved"), "{:#?}", report.findings);
    assert!(report.findings[0].leaf.unwrap() > 300);
}

/// One who can write files can also compute checksums: the hashes find it.
#[test]
fn changed_leaf_with_right_checksums_is_found() {
    let (_fixture, directory, _) = prepared();
    let path = segment(&directory);
    let before = change(&path, |bytes| {
        let frame = frames(bytes)[20].clone();
        let offset = frame.start as u64;
        let at = bytes[frame.clone()].windows(5).position(|part| part == b"s-1\",").unwrap();
        bytes[frame.start + at + 2] = b'2';
        seal(&mut bytes[frame], FramePlace { segment: 0, offset });
    });
    let report = verify(&directory, None, fingerprints).unwrap();
    let finding = &report.findings[0];
    assert!(finding.what.contains("tile hash in the index"), "{finding}");
    assert_eq!((finding.leaf, report.finding_count), (Some(0), 2), "{:#?}", report.findings);

    // With the index made to fit, the first checkpoint over it tells.
    let bytes = fs::read(&path).unwrap();
    let place = FramePlace { segment: 0, offset: 64 };
    let (block, broken) = Block::decode(&bytes[64..], place);
    assert!(broken.is_none());
    let hashes: Vec<Hash> =
        block.leaves().iter().map(|leaf| block.hash(leaf, &mut Vec::new())).collect();
    let row = Row { place: block.summary(64), hash: merkle::root_of(&hashes) };
    let origin = origin::read(&directory).unwrap().origin;
    let index = Index::open(&directory, head::LogId::of(&origin), true).unwrap();
    let old = index.row(0).unwrap();
    index.write(0, &[row]).unwrap();
    let report = verify(&directory, None, fingerprints).unwrap();
    let finding = &report.findings[0];
    assert!(finding.what.contains("checkpoint of 301 leaves: its root differs"), "{finding}");
    assert_eq!(finding.leaf, Some(1));
    let opened = Reader::open(&directory).err().unwrap().to_string();
    assert!(opened.contains("names another root"), "{opened}");

    // The index alone.
    fs::write(&path, before).unwrap();
    assert!(!verify(&directory, None, fingerprints).unwrap().is_sound());
    index.write(0, &[old]).unwrap();
    assert!(verify(&directory, None, fingerprints).unwrap().is_sound());
}

#[test]
fn swapped_segments_and_foreign_files_are_found() {
    let mut fixture = Fixture::new();
    fixture.append_batch(0, (1 << 14) + 5000);
    fixture.sign();
    let directory = fixture.close();
    let (first, second) = (files::segment(&directory, 0), files::segment(&directory, 1));
    let aside = directory.join("aside");
    let swap = || {
        fs::rename(&first, &aside).unwrap();
        fs::rename(&second, &first).unwrap();
        fs::rename(&aside, &second).unwrap();
    };
    swap();
    let report = verify(&directory, None, fingerprints).unwrap();
    assert!(report.findings[0].what.contains("number of another file"), "{:#?}", report.findings);
    swap();
    assert!(verify(&directory, None, fingerprints).unwrap().is_sound());
    let mut other = Fixture::new();
    other.append(10);
    let foreign = other.close();
    fs::copy(segment(&foreign), &first).unwrap();
    let report = verify(&directory, None, fingerprints).unwrap();
    assert!(report.findings[0].what.contains("another log"), "{:#?}", report.findings);
}

#[test]
fn single_older_files_are_found() {
    let mut fixture = Fixture::new();
    fixture.append(600);
    fixture.sign();
    let directory = fixture.close();
    let old = tempfile::tempdir().unwrap();
    copy(&directory, old.path());
    fixture.reopen();
    fixture.append(600);
    let note = fixture.sign();
    fixture.close();
    for file in ["segments/00000000", "checkpoints", "index"] {
        let now = change(&directory.join(file), |bytes| {
            *bytes = fs::read(old.path().join(file)).unwrap();
        });
        let alone = verify(&directory, None, fingerprints).unwrap().is_sound();
        let outside = verify(&directory, Some(&note), fingerprints).unwrap().is_sound();
        fs::write(directory.join(file), now).unwrap();
        // Fewer rows or checkpoints contradict nothing: leaves are all there.
        assert_eq!((alone, outside), (file != "segments/00000000", file != "segments/00000000"));
    }
}

#[test]
fn whole_older_copy_is_found_by_an_outside_checkpoint_only() {
    let mut fixture = Fixture::new();
    fixture.append(400);
    let old_note = fixture.sign();
    let directory = fixture.close();
    let old = tempfile::tempdir().unwrap();
    copy(&directory, old.path());
    fixture.reopen();
    fixture.append(10);
    let note = fixture.sign();
    fixture.close();
    let report = verify(&directory, Some(&old_note), fingerprints).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert!(verify(old.path(), None, fingerprints).unwrap().is_sound());
    let report = verify(old.path(), Some(&note), fingerprints).unwrap();
    assert!(report.findings[0].what.contains("cut or rolled back"), "{:#?}", report.findings);
    assert_eq!(report.findings[0].leaf, Some(401));
    let other = Fixture::new();
    let report = verify(&directory, Some(&other.sign()), fingerprints).unwrap();
    assert!(report.findings[0].what.contains("it is of the log"), "{:#?}", report.findings);
    let forged = note.replace("\n411\n", "\n412\n");
    assert!(!verify(&directory, Some(&forged), fingerprints).unwrap().is_sound());
}

#[test]
fn torn_end_is_cut_and_damage_under_a_checkpoint_is_not() {
    let mut fixture = Fixture::new();
    fixture.append(20);
    let directory = fixture.close();
    change(&segment(&directory), |bytes| bytes.extend([0, 0, 0, 90, 1, 2, 3]));
    let report = verify(&directory, None, fingerprints).unwrap();
    assert!(report.is_sound() && report.torn.is_some(), "{:#?}", report.findings);
    let opened = fixture.reopen();
    assert_eq!(opened.cut.as_ref().unwrap().bytes, 7);
    fixture.append(3);
    assert_eq!(fixture.log().appended(), 24);
    fixture.assert_sound();
    fixture.close();
    let length = fs::metadata(segment(&directory)).unwrap().len();
    change(&segment(&directory), |bytes| bytes.truncate(length as usize - 5));
    let error = Log::open(fixture.folder.path(), settings(), time(0)).err().unwrap();
    let AuditError::Damaged(damage) = &error else { panic!("{error}") };
    assert_eq!(damage.leaf, Some(23), "{error}");
    assert!(error.to_string().contains("(segment 0, block 0, leaf 23)"), "{error}");
}

/// A log whose last leaves are under no checkpoint, its segment and where their frames begin.
fn with_open_tail() -> (Fixture, PathBuf, Vec<std::ops::Range<usize>>) {
    let mut fixture = Fixture::new();
    fixture.append(20);
    fixture.sign();
    fixture.append(30);
    // Closing signs: the files are those of a process that was killed.
    let kept = tempfile::tempdir().unwrap();
    copy(&fixture.directory(), kept.path());
    let directory = fixture.close();
    fs::copy(kept.path().join("checkpoints"), directory.join("checkpoints")).unwrap();
    let path = segment(&directory);
    let frames = frames(&fs::read(&path).unwrap());
    (fixture, directory, frames)
}

#[test]
fn damage_before_whole_frames_is_no_torn_end() {
    let (fixture, directory, frames) = with_open_tail();
    let path = segment(&directory);
    for (frame, bit) in [(25, 3), (25, 40), (30, 130), (49, 100)] {
        let start = frames[frame].start;
        let before = change(&path, |bytes| bytes[start + bit / 8] ^= 1 << (bit % 8));
        let error = Log::open(fixture.folder.path(), settings(), time(0)).err().unwrap();
        let AuditError::Damaged(damage) = &error else { panic!("{error}") };
        assert_eq!((&damage.path, damage.byte), (&path, start as u64), "{error}");
        let report = verify(&directory, None, fingerprints).unwrap();
        assert_eq!(report.findings[0].byte, start as u64, "{:#?}", report.findings);
        assert!(report.torn.is_none());
        // For reading it opens up to there.
        assert_eq!(Reader::open(&directory).unwrap().size(), frame as u64);
        fs::write(&path, before).unwrap();
    }
    // The last frame is torn: nothing follows it.
    let start = frames[50].start;
    let before = change(&path, |bytes| bytes[start + 20] ^= 1);
    let report = verify(&directory, None, fingerprints).unwrap();
    assert!(report.is_sound() && report.torn.is_some());
    fs::write(&path, before).unwrap();
    let (log, opened) = Log::open(fixture.folder.path(), settings(), time(0)).unwrap();
    assert!(opened.cut.is_none() && log.appended() == 51);
}

/// A loss of power may leave a page unwritten before one that was written.
#[test]
fn unwritten_page_is_a_torn_end() {
    let mut fixture = Fixture::new();
    fixture.append(5);
    fixture.sign();
    fixture.append(240);
    let kept = tempfile::tempdir().unwrap();
    copy(&fixture.directory(), kept.path());
    let directory = fixture.close();
    fs::copy(kept.path().join("checkpoints"), directory.join("checkpoints")).unwrap();
    change(&segment(&directory), |bytes| bytes[8192..12288].fill(0));
    let report = verify(&directory, None, fingerprints).unwrap();
    assert!(report.is_sound() && report.torn.is_some(), "{:#?}", report.findings);
    assert!(fixture.reopen().cut.is_some());
    fixture.append(3);
    fixture.assert_sound();
}

#[test]
fn short_segment_before_another_is_no_torn_end() {
    let mut fixture = Fixture::new();
    fixture.append(5);
    fixture.sign();
    fixture.append_batch(0, 20_000);
    let kept = tempfile::tempdir().unwrap();
    copy(&fixture.directory(), kept.path());
    let directory = fixture.close();
    for file in ["checkpoints", "index"] {
        fs::copy(kept.path().join(file), directory.join(file)).unwrap();
    }
    change(&directory.join("index"), |bytes| bytes.truncate(head::HEAD));
    let path = segment(&directory);
    let last = frames(&fs::read(&path).unwrap()).pop().unwrap();
    change(&path, |bytes| bytes.truncate(last.start));
    let error = Log::open(fixture.folder.path(), settings(), time(0)).err().unwrap();
    assert!(error.to_string().contains("the next segment has whole frames"), "{error}");
    let report = verify(&directory, None, fingerprints).unwrap();
    assert_eq!(report.findings[0].byte, last.start as u64, "{:#?}", report.findings);
}

/// Without checkpoints, who has the files could write records anew: checksums need no key.
#[test]
fn checkpoints_that_were_removed_are_missed() {
    let (fixture, directory, _) = prepared();
    change(&directory.join("checkpoints"), Vec::clear);
    let report = verify(&directory, None, fingerprints).unwrap();
    let is_named = |finding: &Damage| finding.what.contains("those that did were removed");
    assert!(report.findings.iter().any(is_named), "{:#?}", report.findings);
    let error = Log::open(fixture.folder.path(), settings(), time(9_000)).err().unwrap();
    assert!(error.to_string().contains("those that did were removed"), "{error}");
}

/// Files that have no end, or are no log's, end a verification with findings: `log.N` by a number, and one
/// file in it, replaced.
#[test]
fn what_is_no_file_of_a_log_is_a_finding() {
    let mut fixture = Fixture::new();
    fixture.append(5);
    fixture.sign();
    let directory = fixture.close();
    let of_all = directory.parent().unwrap();
    for name in ["log.0", "log.01", "log.99999999999", "log.18446744073709551615", "log.x"] {
        let other = of_all.join(name);
        std::fs::create_dir(&other).unwrap();
        let findings = verify_succession(of_all).unwrap();
        assert!(findings.iter().any(|finding| finding.path == other), "{name}: {findings:?}");
        std::fs::remove_dir(&other).unwrap();
    }
    std::fs::create_dir(of_all.join("log.900000")).unwrap();
    let findings = verify_succession(of_all).unwrap();
    assert!(findings.iter().any(|it| it.what.contains("up to log.899999")), "{findings:?}");
    std::fs::remove_dir(of_all.join("log.900000")).unwrap();
    assert_eq!(verify_succession(of_all).unwrap(), []);
    for name in ["origin", "keys", "index", "checkpoints", "segments/00000000"] {
        let path = directory.join(name);
        let aside = of_all.join("aside");
        std::fs::rename(&path, &aside).unwrap();
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        // The error, or else the findings.
        let said = || match verify(&directory, None, fingerprints) {
            Ok(report) => format!("{:?}", report.findings),
            Err(error) => error.to_string(),
        };
        assert!(said().contains("regular"), "{name}: {}", said());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(said().contains("regular"), "{name}: {}", said());
        assert!(verify_succession(of_all).is_ok(), "{name}");
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
    }
    assert!(verify(&directory, None, fingerprints).unwrap().is_sound());
}
