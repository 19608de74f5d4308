//! Segments that are written again with right checksums, but without an event, are found.

use std::path::Path;

use super::support::*;
use crate::audit::block::{Copier, LeafView, ValueToWrite};
use crate::audit::*;

/// What becomes of a leaf when a segment is written again.
enum Rewrite {
    Copy,
    /// The reference of its first item is replaced by the commitment.
    HideReference,
    /// The hash alone stays; nothing, where no leaf of its block is kept.
    Remove,
}

/// Writes a segment again as one who can write the files may: with right checksums and rows of the
/// index, but without an event.
fn rewrite(log: &Path, segment: u64, how: impl Fn(u64) -> Rewrite) {
    let store = recover::open(log, recover::Access::Replace).unwrap().store;
    let places = replace::places(&store, segment).unwrap();
    let prepared = replace::prepare(&store, segment, places, |number, block, out| {
        let mut copier = Copier::new(block);
        let indices = number << BLOCK_BITS..(number + 1) << BLOCK_BITS;
        if indices.clone().all(|index| matches!(how(index), Rewrite::Remove)) {
            return replace::Change::Dropped;
        }
        for (leaf, index) in block.leaves().iter().zip(indices) {
            match how(index) {
                Rewrite::Copy => copier.leaf(out, leaf, |_, value| value),
                Rewrite::Remove => copier.bare(out, &block.hash(leaf, &mut Vec::new())),
                Rewrite::HideReference => {
                    let LeafView::Full(full) = leaf else { panic!("leaf {index} is bare") };
                    let reference = block.items(full)[0].reference.unwrap().to_write();
                    let ValueToWrite::Packed { salt, form, bytes } = reference else { panic!() };
                    let commitment = entry::commit(salt, form, bytes);
                    let mut values = 0;
                    copier.leaf(out, leaf, |_, value| {
                        values += 1;
                        if values == 2 { ValueToWrite::Redacted(&commitment) } else { value }
                    });
                }
            }
        }
        replace::Change::Rewritten
    });
    replace::announce(&store, &mut prepared.unwrap()).unwrap().commit(&store, || Ok(())).unwrap();
}

#[test]
fn reference_that_is_deleted_without_an_event_is_found() {
    let mut fixture = Fixture::new();
    fixture.append(300);
    let note = fixture.sign();
    let tag = fixture.log().reader().tag();
    let directory = fixture.close();
    let hide = |index| if index == 9 { Rewrite::HideReference } else { Rewrite::Copy };
    rewrite(&directory, 0, hide);
    let report = verify(&directory, Some(&note), fingerprints).unwrap();
    let [finding] = &report.findings[..] else { panic!("{:#?}", report.findings) };
    assert!(finding.what.contains("-9.0 is redacted, and no event says so"), "{finding}");
    assert_eq!((finding.leaf, report.redacted), (Some(9), 1));
    fixture.reopen();
    fixture.log().redact(RecordId { tag, index: 9, item: 0 }, time(1)).unwrap();
    fixture.assert_sound();
}

/// Every tenth of the first 400 leaves is kept. Of the two full segments the first has kept leaves.
fn aged() -> Fixture {
    let fixture = Fixture::new();
    fixture.append(400);
    fixture.sign();
    fixture.append_batch(1_000, 40_000);
    fixture.sign();
    fixture.log().remove_before(time(2_000_000), &is_blocked, time(9)).unwrap();
    fixture
}

fn is_blocked(_: [u8; 4], leaf: &Leaf) -> bool {
    leaf.items.iter().any(|item| item.class == BLOCK_CLASS)
}

#[track_caller]
fn assert_misses_kept(log: &Path, left: u64, kept: u64) {
    let report = verify(log, None, fingerprints).unwrap();
    let [finding] = &report.findings[..] else { panic!("{:#?}", report.findings) };
    let what = format!("{left} leaves of the segment are left, not the {kept} that");
    assert!(finding.what.contains(&what), "{finding}");
    assert_eq!(finding.leaf, Some(0));
}

#[test]
fn kept_leaf_that_is_removed_without_an_event_is_found() {
    let mut fixture = aged();
    fixture.assert_sound();
    let directory = fixture.close();
    rewrite(&directory, 0, |index| match index {
        20 => Rewrite::Remove,
        _ => Rewrite::Copy,
    });
    assert_misses_kept(&directory, 40, 41);
    // A later removal announces what it has found, and that was too little.
    fixture.reopen();
    let is_kept = |tag, leaf: &Leaf| is_blocked(tag, leaf) && leaf.index > 100;
    fixture.log().remove_before(time(2_000_000), &is_kept, time(9)).unwrap();
    let report = fixture.verify(None);
    let [finding] = &report.findings[..] else { panic!("{:#?}", report.findings) };
    assert!(finding.what.contains("found 40 leaves of the segment, not the 41"), "{finding}");
}

#[test]
fn kept_block_that_is_dropped_without_an_event_is_found() {
    let mut fixture = Fixture::new();
    fixture.append_batch(1_000, 40_000);
    fixture.sign();
    let is_kept = |_, leaf: &Leaf| leaf.index.is_multiple_of(100);
    fixture.log().remove_before(time(2_000_000), &is_kept, time(9)).unwrap();
    fixture.assert_sound();
    let directory = fixture.close();
    let is_in_block = |index| (512..768).contains(&index);
    rewrite(
        &directory,
        0,
        |index| if is_in_block(index) { Rewrite::Remove } else { Rewrite::Copy },
    );
    // 600 and 700 are missing.
    assert_misses_kept(&directory, 9, 11);
}

#[test]
fn later_removals_keep_fewer_leaves() {
    let mut fixture = aged();
    let is_kept = |tag, leaf: &Leaf| is_blocked(tag, leaf) && leaf.index > 100;
    fixture.log().remove_before(time(2_000_000), &is_kept, time(9)).unwrap();
    // Of the start of the log, and 110 to 400.
    assert_eq!(fixture.assert_sound().bare, 512 - 31);
    // After this event a crash comes before the removal.
    let mut kept = leaf::LeafHasher::default();
    kept.add(0);
    let event = Event::Removed { first: 0, end: 1024, removed: 30, kept: kept.finish(), log: None };
    fixture.log().appender().append_event(&event, time(9)).unwrap();
    fixture.assert_sound();
    let directory = fixture.close();
    rewrite(&directory, 0, |index| if index == 400 { Rewrite::Remove } else { Rewrite::Copy });
    assert_misses_kept(&directory, 30, 1);
}

#[test]
fn kept_leaf_of_an_earlier_log_is_missed() {
    let mut fixture = Fixture::new();
    fixture.append(400);
    fixture.start_next();
    let earlier = files::log_directory(fixture.folder.path(), 1);
    fixture.log().remove_before(time(2_000_000), &is_blocked, time(9)).unwrap();
    assert!(verify(&earlier, None, fingerprints).unwrap().is_sound());
    fixture.close();
    rewrite(&earlier, 0, |index| if index == 400 { Rewrite::Remove } else { Rewrite::Copy });
    assert_misses_kept(&earlier, 40, 41);
}
