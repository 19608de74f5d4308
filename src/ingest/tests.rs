//! What is stored of any interleaving of sessions, against a list that is looked through row by
//! row.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod gaps;

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::domain::coverage::{Extent, GapCause, GapPlace, Verdict};
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, Leg, MergeOutcome, Movement, MovementKind,
    PartialPosition, Placement, Position, TxId, TxStatus, UtxoMovement,
};
use crate::store::DEFAULT_CACHE;

const NOW: i64 = 1_700_000_000;

fn open(dir: &Path) -> Ingestor {
    let store = Arc::new(Store::open(dir, DEFAULT_CACHE).unwrap());
    Ingestor::open(store, || Timestamp::from_second(NOW).unwrap())
}

/// A transfer on Ethereum, with a position if a height is given and with a transaction if so.
fn transfer(time: u64, height: Option<u64>, tx: Option<u8>, content: u64) -> Transfer {
    Transfer {
        chain: Chain::Evm(1),
        time,
        placement: height
            .map(|n| Position { height: n / 4, tx_index: (n % 4) as u32, index: 0 })
            .into(),
        block_hash: None,
        tx: tx.map(|byte| TxId::Hash([byte; 32])),
        status: TxStatus::Unknown,
        movement: Movement::Account(AccountMovement {
            from: Some(Holder::Evm([1; 20])),
            to: Some(Holder::Evm([2; 20])),
            asset: Asset::Native,
            amount: Amount::from(content),
            usd_micros: None,
        }),
    }
}

fn all(ingestor: &Ingestor) -> Vec<Transfer> {
    let mut all = Vec::new();
    let visit = |_, rows| {
        all.extend(rows);
        std::ops::ControlFlow::Continue(())
    };
    ingestor.shared.store.read_rows(0, visit).unwrap();
    all
}

/// The rules told slowly: every row with who stored it.
#[derive(Default)]
struct Model {
    rows: Vec<(Transfer, usize)>,
    retracted: Vec<bool>,
    /// Rows in whose place others count.
    replaced: Vec<bool>,
    conflicts: Vec<(usize, usize)>,
    /// Of each session the rows that it matched.
    matched: Vec<(usize, usize)>,
    /// The first row of the batch that is stored now.
    batch: usize,
}

impl Model {
    fn begin(&mut self) -> usize {
        self.batch = self.rows.len();
        self.batch
    }

    fn append(&mut self, session: usize, row: &Transfer) {
        if !Identity::new(row).is_place() {
            let free = |&at: &usize| {
                let (other, by) = &self.rows[at];
                row == other
                    && *by != session
                    && !self.retracted[at]
                    && !self.matched.contains(&(session, at))
            };
            match (0..self.rows.len()).find(free) {
                Some(at) => self.matched.push((session, at)),
                None => self.push(session, row.clone()),
            }
            return;
        }
        let same = |&at: &usize| {
            !self.retracted[at] && Identity::new(&self.rows[at].0) == Identity::new(row)
        };
        let known: Vec<usize> = (0..self.rows.len()).filter(same).collect();
        let tell = |&at: &usize| self.rows[at].0.merge_with(row);
        if known.iter().any(|at| tell(at) == MergeOutcome::Unchanged) {
            return;
        }
        let live: Vec<usize> = known.into_iter().filter(|at| !self.replaced[*at]).collect();
        let better = live.iter().find_map(|at| match tell(at) {
            MergeOutcome::Merged(together) => Some((*at, *together)),
            MergeOutcome::Unchanged
            | MergeOutcome::Forked
            | MergeOutcome::Contradiction
            | MergeOutcome::Elsewhere => None,
        });
        match better {
            Some((at, together)) if at >= self.batch => self.rows[at].0 = together,
            Some((at, together)) => {
                self.replaced[at] = true;
                self.push(session, together);
            }
            None => {
                let other = live.into_iter().find(|at| tell(at) == MergeOutcome::Contradiction);
                self.conflicts.extend(other.map(|at| (at, self.rows.len())));
                self.push(session, row.clone());
            }
        }
    }

    fn push(&mut self, session: usize, row: Transfer) {
        self.rows.push((row, session));
        self.retracted.push(false);
        self.replaced.push(false);
    }

    fn retract(&mut self, chain: &Chain, height: u64) {
        for ((row, _), retracted) in self.rows.iter().zip(&mut self.retracted) {
            *retracted |= row.chain == *chain && row.height().is_some_and(|at| at >= height);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize, Vec<Transfer>),
    Many(usize, Vec<Transfer>),
    /// A session begins anew.
    Begin(usize),
    Retract(u64),
    Reopen,
}

fn rows() -> impl Strategy<Value = Vec<Transfer>> {
    let row = (0_u64..4, proptest::option::of(0_u64..20), proptest::option::of(0_u8..2), 0_u64..2)
        .prop_map(|(time, height, tx, content)| transfer(time, height, tx, content));
    let status =
        prop_oneof![Just(TxStatus::Unknown), Just(TxStatus::Failed), Just(TxStatus::Succeeded)];
    let hash = proptest::option::weighted(0.2, 0_u8..2);
    let rest = (hash, prop::bool::weighted(0.2), status, any::<bool>(), 0_u8..4);
    let told = (row, rest).prop_map(|(mut row, (hash, tron, status, has_to, partial))| {
        row.chain = if tron { Chain::Tron } else { Chain::Evm(1) };
        row.block_hash = hash.map(|byte| [byte; 32]);
        row.status = status;
        // Dated by its block, most often.
        row.time = row.position().map_or(row.time, |at| at.height + u64::from(row.time == 3));
        let Movement::Account(account) = &mut row.movement else { unreachable!() };
        account.to = account.to.take().filter(|_| has_to);
        if let Some(position) = row.position().filter(|_| partial == 0) {
            let Position { height, index, .. } = position;
            row.placement = Placement::Partial(PartialPosition { height, index: Some(index) });
        }
        row
    });
    prop::collection::vec(told, 0..12)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..3, rows()).prop_map(|(session, rows)| Step::Append(session, rows)),
        2 => (0_usize..3, rows()).prop_map(|(session, rows)| Step::Many(session, rows)),
        2 => (0_usize..3).prop_map(Step::Begin),
        1 => (0_u64..6).prop_map(Step::Retract),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_stores_what_the_model_does(
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut ingestor = open(dir.path());
        let mut model = Model::default();
        let mut sessions: Vec<(usize, Session)> = (0..3).map(|n| (n, ingestor.begin())).collect();
        let mut begun = 3;
        for step in steps {
            match step {
                Step::Append(session, batch) => {
                    let (number, session) = &mut sessions[session];
                    let first = model.begin();
                    batch.iter().for_each(|row| model.append(*number, row));
                    let rows = model.rows[first..].iter().map(|(row, _)| row.clone());
                    let want: Vec<Transfer> = rows.collect();
                    let count = batch.len();
                    let done = session.append(batch, &[]).unwrap();
                    prop_assert_eq!(done.duplicates as usize, count - want.len());
                    prop_assert_eq!(done.stored, want);
                    prop_assert_eq!(done.rows as usize, model.rows.len());
                }
                Step::Many(session, batch) => {
                    let (number, session) = &mut sessions[session];
                    model.begin();
                    batch.iter().for_each(|row| model.append(*number, row));
                    prop_assert_eq!(session.append_many(batch, &[]).unwrap(), None);
                    session.finish().unwrap();
                }
                Step::Begin(session) => {
                    sessions[session] = (begun, ingestor.begin());
                    begun += 1;
                }
                Step::Retract(height) => {
                    model.retract(&Chain::Evm(1), height);
                    retract(&ingestor, height);
                }
                Step::Reopen => {
                    sessions.clear();
                    drop(ingestor);
                    ingestor = open(dir.path());
                    sessions = (begun..begun + 3).map(|n| (n, ingestor.begin())).collect();
                    begun += 3;
                }
            }
        }
        let want: Vec<Transfer> = model.rows.iter().map(|(row, _)| row.clone()).collect();
        prop_assert_eq!(all(&ingestor), want);
        let heads = ingestor.heads();
        let sum = |count: fn(&ChainState) -> u64| -> usize {
            heads.chains.values().map(count).sum::<u64>() as usize
        };
        let gone = model.retracted.iter().zip(&model.replaced);
        prop_assert_eq!(sum(|head| head.replaced), model.replaced.iter().filter(|it| **it).count());
        let retracted = gone.filter(|(retracted, replaced)| **retracted && !**replaced).count();
        prop_assert_eq!(sum(|head| head.retracted), retracted);
        let conflicts = heads.conflicts.iter().map(|it| (it.first as usize, it.second as usize));
        prop_assert_eq!(conflicts.collect::<Vec<_>>(), model.conflicts.clone());
        for (number, conflict) in heads.conflicts.iter().enumerate() {
            let (first, second) = model.conflicts[number];
            let is_void = model.retracted[first] || model.retracted[second];
            prop_assert_eq!(conflict.settled.is_some(), is_void);
        }
        for (row, is_replaced) in model.replaced.iter().enumerate() {
            prop_assert_eq!(heads.replacements.is_replaced(row as u64), *is_replaced);
        }
        // As it is read back.
        drop(sessions);
        drop(ingestor);
        prop_assert_eq!(&open(dir.path()).heads(), &heads);
    }
}

/// A file of Ether and one of tokens may both call a place by its transaction alone.
#[test]
fn movements_that_differ_are_two_even_at_one_place() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let ether = transfer(1, Some(1), Some(1), 5);
    let mut tokens = ether.clone();
    let Movement::Account(movement) = &mut tokens.movement else { panic!() };
    movement.asset = Asset::Contract([9; 20]);
    let stored = |row: &Transfer| ingestor.begin().append(vec![row.clone()], &[]).unwrap().stored;
    assert_eq!(stored(&ether).len(), 1);
    assert_eq!(stored(&tokens).len(), 1);
    assert_eq!((stored(&ether).len(), stored(&tokens).len()), (0, 0));
}

fn retract(ingestor: &Ingestor, from_height: u64) -> Retraction {
    let (chain, at) = (&Chain::Evm(1), Timestamp::UNIX_EPOCH);
    let retract = Retract { chain, from_height, block_hash: None, reason: "a fork", at };
    ingestor.retract(&retract).unwrap()
}

/// Files of more than a segment: in order, positioned and not.
fn files() -> [Vec<Transfer>; 3] {
    let positioned = (0..10_000).map(|n| transfer(n, Some(n), None, n)).collect();
    let loose = (0..10_000).map(|n| transfer(n / 3, None, None, n / 2 % 5)).collect();
    let mut shuffled: Vec<_> =
        (0..9000).map(|n| transfer(n, (n % 2 == 0).then_some(n), Some(1), n % 7)).collect();
    fastrand::Rng::with_seed(3).shuffle(&mut shuffled);
    [positioned, loose, shuffled]
}

#[test]
fn nothing_is_stored_twice_however_it_is_sent_again() {
    for (number, file) in files().into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let mut ingestor = open(dir.path());
        let send = |ingestor: &Ingestor, rows: &[Transfer], batch: usize| {
            let mut session = ingestor.begin();
            let batches = rows.chunks(batch);
            batches
                .map(|rows| session.append(rows.to_vec(), &[]).unwrap().stored.len())
                .sum::<usize>()
        };
        // It breaks after 5,000 rows and is sent again from the start.
        assert_eq!(send(&ingestor, &file[..5000], 1000), 5000, "file {number}");
        assert_eq!(send(&ingestor, &file, 4096), file.len() - 5000, "file {number}");
        ingestor = {
            drop(ingestor);
            open(dir.path())
        };
        assert_eq!(send(&ingestor, &file, 3000), 0, "file {number}, whole");
        assert_eq!(send(&ingestor, &file[..4000], 999), 0, "file {number}, the beginning");
        assert_eq!(send(&ingestor, &file[7000..], 999), 0, "file {number}, the end");
        let mut bulk = ingestor.begin();
        assert_eq!(bulk.append_many(file.clone(), &[]).unwrap(), None);
        assert_eq!(bulk.finish().unwrap().unwrap().stored, [], "file {number}, in bulk");
        assert_eq!(bulk.finish().unwrap(), None);
        assert_eq!(all(&ingestor), file, "file {number}");
    }
}

#[test]
fn a_first_load_looks_nothing_up() {
    for file in &files()[..2] {
        let dir = tempfile::tempdir().unwrap();
        let ingestor = open(dir.path());
        let mut session = ingestor.begin();
        for batch in file.chunks(1000) {
            assert!(session.may_be_duplicate(batch, true).iter().all(|known| !known));
            session.append(batch.to_vec(), &[]).unwrap();
        }
        let mut again = ingestor.begin();
        let may_be_duplicate = again.may_be_duplicate(&file[..1000], true);
        assert!(may_be_duplicate.iter().all(|known| *known));
        assert_eq!(again.append(file[..1000].to_vec(), &[]).unwrap().duplicates, 1000);
    }
}

#[test]
fn orphaned_blocks_can_be_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let block = |height: u64| (height * 4..height * 4 + 4).map(|n| transfer(n, Some(n), None, n));
    let blocks: Vec<Transfer> = (0..100).flat_map(block).collect();
    let covered = [CoverageDeclaration::heights(Chain::Evm(1), &[MovementKind::Native], 0..=120)];
    ingestor.begin().append(blocks.clone(), &covered).unwrap();
    let retraction = retract(&ingestor, 90);
    assert_eq!((retraction.retracted, retraction.record.rows), (40, 400));
    let head = ingestor.heads().chains["eip155:1"].clone();
    assert_eq!((head.transfers, head.retracted), (360, 40));
    assert_eq!(head.kinds[&MovementKind::Native].heights, [0..=89]);
    assert_eq!((head.first_time, head.last_time), (Some(0), Some(359)));
    // The same transactions in the blocks that took their place, with equal content.
    let mut session = ingestor.begin();
    let again = session.append(blocks.clone(), &[]).unwrap();
    assert_eq!((again.stored, again.duplicates), (blocks[360..].to_vec(), 360));
    let more = session.append(blocks, &[]).unwrap();
    assert_eq!((more.stored.len(), more.rows), (0, 440));
    assert_eq!(ingestor.heads().chains["eip155:1"].transfers, 400);
}

#[test]
fn what_cannot_be_taken_is_named_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let mut session = ingestor.begin();
    let good = || transfer(1, None, None, 1);
    let late = Transfer { time: NOW as u64 + 7201, ..good() };
    let family = Transfer { chain: Chain::AnyEvm, ..good() };
    for (bad, want) in [
        (
            late,
            "transfer 2 of the batch, time: 1700007201 (Unix seconds) is more than 7200 seconds after now",
        ),
        (family, "transfer 2 of the batch, chain: eip155:* is a family"),
    ] {
        let batch = vec![good(), good(), bad];
        for error in [
            session.append(batch.clone(), &[]).unwrap_err(),
            session.append_many(batch, &[]).unwrap_err(),
        ] {
            assert!(error.to_string().starts_with(want), "{error}");
        }
    }
    assert_eq!(session.finish().unwrap(), None);
    assert_eq!(ingestor.heads().rows, 0);
    let in_time = Transfer { time: NOW as u64 + 7200, ..good() };
    let done = session.append(vec![in_time, transfer(2, Some(2), Some(1), 1)], &[]).unwrap();
    assert_eq!((done.derived, done.rows, done.first_row), (1, 2, 0));
}
