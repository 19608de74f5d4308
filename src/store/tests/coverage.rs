//! The coverage after each change, as it is found again after many more, a restart and an upgrade.

use super::*;
use crate::domain::chain::Chain;
use crate::domain::coverage::{
    CoverageDeclaration, Extent, Gap, GapCause, Settlement, TransferState, Verdict,
};
use crate::domain::transfer::MovementKind;
use crate::store::transfers::tests::{append, retract, rows, store_rows};

/// What coverage must be found of a state.
fn of(state: &TransferState) -> CoverageAt {
    let chains = state.chains.iter().map(|(name, head)| (name.clone(), state.summary_of(head)));
    CoverageAt {
        change: state.changes,
        counts: state.counts_of_all(),
        revision: state.coverage_revision(),
        chains: chains.collect(),
    }
}

/// A change of another sort by its number.
fn change(store: &Store, n: u64) {
    let chain = if n.is_multiple_of(5) { Chain::Tron } else { Chain::Evm(1) };
    let extent = Extent::Heights(n * 3..=n * 3 + 1);
    match n % 4 {
        0 => {
            store_rows(store, &rows(n * 10..n * 10 + 5)).unwrap();
        }
        1 => {
            let kinds = vec![MovementKind::Native];
            let covered = [CoverageDeclaration { chain, kinds, extent, is_clean_import: true }];
            let append = Append { covered: &covered, ..Append::default() };
            store.append_transfers(&append).unwrap();
        }
        2 => {
            let (kind, cause) = (MovementKind::Tokens, GapCause::Stopped);
            let gaps = [(chain, Gap { kind, extent, cause, place: None })];
            let append = Append { new_gaps: &gaps, ..Append::default() };
            store.append_transfers(&append).unwrap();
        }
        _ => {
            retract(store, &chain, n * 3, "test").unwrap();
        }
    }
}

/// Changes a store, and gives the states after each change, from none on.
fn changed(store: &Store, changes: u64) -> Vec<Arc<TransferState>> {
    let mut states = vec![store.transfer_state()];
    for n in 0..changes {
        change(store, n);
        states.push(store.transfer_state());
    }
    assert_eq!(states.len() as u64, changes + 1);
    states
}

fn check(store: &Store, states: &[Arc<TransferState>]) {
    for state in states {
        let want = PastCoverage::Found(of(state));
        assert_eq!(store.coverage_at(state.changes).unwrap(), want);
        let (counts, revision) = (state.counts_of_all(), state.coverage_revision());
        assert_eq!(store.coverage_of(counts, revision).unwrap(), want, "{}", state.changes);
    }
}

#[test]
fn coverage_is_found_after_each_change() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let states = changed(&store, 150);
    check(&store, &states);
    drop(store);
    let store = open(dir.path());
    check(&store, &states);
    assert!(store.verify(&|_: OpaqueRecord<'_>| Ok(())).unwrap().is_whole());
    let last = states.last().unwrap();
    let mut counts = last.counts_of_all();
    assert_eq!(store.coverage_at(last.changes + 1).unwrap(), PastCoverage::NoSuchState);
    counts.retractions += 1;
    let revision = last.coverage_revision();
    assert_eq!(store.coverage_of(counts, revision).unwrap(), PastCoverage::NoSuchState);
    let between = states[100].counts_of_all();
    assert_eq!(store.coverage_of(between, revision).unwrap(), PastCoverage::NoSuchState);
}

#[test]
fn an_open_conflict_counts_as_a_gap_until_it_is_settled() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 0..20);
    let conflict = crate::domain::coverage::Conflict {
        chain: Chain::Evm(1),
        kind: MovementKind::Native,
        height: Some(0),
        first: 5,
        second: 20,
        settled: None,
    };
    let conflicts = [conflict];
    store
        .append_transfers(&Append { rows: &rows(5..6), conflicts: &conflicts, ..Append::default() })
        .unwrap();
    let (at, reason) = (Timestamp::UNIX_EPOCH, "a node says so".to_owned());
    let settlement = Settlement { verdict: Verdict::Both, at, reason };
    store.settle_conflict(1, &settlement).unwrap();
    let gaps = |change| match store.coverage_at(change).unwrap() {
        PastCoverage::Found(at) => at.chains["eip155:1"].gaps.get(&MovementKind::Native).copied(),
        other @ (PastCoverage::NoSuchState | PastCoverage::NotRecorded) => panic!("{other:?}"),
    };
    assert_eq!([gaps(1), gaps(2), gaps(3)], [None, Some(1), None]);
}

#[test]
fn what_was_before_an_upgrade_is_not_recorded_and_nothing_is_lost_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let states = changed(&store, 20);
    drop(store);
    // As a program of schema 7 would have left it.
    let db = raw(dir.path());
    db.drop_tree("coverage").unwrap();
    db.open_tree("meta").unwrap().insert("schema", &7_u32.to_be_bytes()).unwrap();
    drop(db);
    let store = open(dir.path());
    let last = states.last().unwrap();
    check(&store, std::slice::from_ref(last));
    for state in &states[1..20] {
        let (counts, revision) = (state.counts_of_all(), state.coverage_revision());
        assert_eq!(store.coverage_at(state.changes).unwrap(), PastCoverage::NotRecorded);
        assert_eq!(store.coverage_of(counts, revision).unwrap(), PastCoverage::NotRecorded);
    }
    let mut later = Vec::new();
    for n in 20..40 {
        change(&store, n);
        later.push(store.transfer_state());
    }
    check(&store, &later);
    assert!(store.verify(&|_: OpaqueRecord<'_>| Ok(())).unwrap().is_whole());
}

#[test]
fn the_coverage_of_a_change_that_did_not_happen_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, 0..5);
    let mut next = TransferState::clone(&store.transfer_state());
    next.changes += 1;
    store.write_coverage(&next, &[]).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.coverage_at(2).unwrap(), PastCoverage::NoSuchState);
    change(&store, 1);
    assert_eq!(store.coverage_at(2).unwrap(), PastCoverage::Found(of(&store.transfer_state())));
}
