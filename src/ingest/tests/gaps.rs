//! What rows do to gaps: names that are learned, blocks of two hashes, contradictions, and rows that were
//! missing.

use super::*;

fn spend(height: u64, inputs: Vec<Leg>) -> Transfer {
    let to = Holder::parse("1PMTSz6vxw4omE6o2gnfJ5E7Ja1fmWSKSz", &Chain::Bitcoin).unwrap();
    let outputs = vec![Leg { holders: vec![to], unattributable: false, amount: Some(5) }];
    let movement = UtxoMovement { coinbase: false, inputs, outputs };
    Transfer {
        chain: Chain::Bitcoin,
        movement: Movement::Utxo(Box::new(movement)),
        ..transfer(height, Some(4 * height), Some(height as u8), 0)
    }
}

fn gaps(ingestor: &Ingestor, chain: &str) -> Vec<String> {
    let heads = ingestor.heads();
    let gaps = heads.chains[chain].gaps.iter();
    gaps.map(|gap| format!("{} {} {}", gap.kind, gap.extent, gap.cause.as_str())).collect()
}

const BITCOIN: &str = "bip122:000000000019d6689c085ae165831e93";

#[test]
fn transactions_that_name_nobody_are_gaps_until_they_are_told_with_names() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let from = Holder::parse("138cWsiAGpW9yqfjMVCCsFcnaiSHyoWMnJ", &Chain::Bitcoin).unwrap();
    let named = || vec![Leg { holders: vec![from.clone()], unattributable: false, amount: None }];
    let stored = |row: Transfer| {
        let done = ingestor.begin().append(vec![row], &[]).unwrap();
        (done.stored.len(), done.replaced)
    };
    assert_eq!(stored(spend(7, vec![Leg::default()])), (1, 0));
    assert_eq!(stored(spend(8, Vec::new())), (1, 0));
    assert_eq!(stored(spend(9, named())), (1, 0));
    let want = ["utxo height 7 UNNAMED", "utxo height 8 UNNAMED"];
    assert_eq!(gaps(&ingestor, BITCOIN), want);
    // A declaration by a clean import does not close them.
    let covered = CoverageDeclaration::heights(Chain::Bitcoin, &[MovementKind::Utxo], 1..=20);
    ingestor.begin().append(Vec::new(), &[covered]).unwrap();
    assert_eq!(gaps(&ingestor, BITCOIN), want);
    assert_eq!(stored(spend(7, vec![Leg::default()])), (0, 0));
    assert_eq!(stored(spend(8, named())), (1, 1));
    assert_eq!(gaps(&ingestor, BITCOIN), want[..1]);
    assert_eq!(stored(spend(7, named())), (1, 1));
    assert_eq!(gaps(&ingestor, BITCOIN), [""; 0]);
    assert_eq!(stored(spend(7, vec![Leg::default()])), (0, 0), "told worse, it stays");
    assert_eq!(ingestor.heads().chains[BITCOIN].transfers, 3);
}

#[test]
fn a_payment_to_nobody_is_a_gap_until_the_receiver_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let named = transfer(3, Some(12), Some(1), 5);
    let mut unnamed = named.clone();
    let Movement::Account(account) = &mut unnamed.movement else { unreachable!() };
    account.to = None;
    ingestor.begin().append(vec![unnamed.clone()], &[]).unwrap();
    assert_eq!(gaps(&ingestor, "eip155:1"), ["native height 3 UNNAMED"]);
    let done = ingestor.begin().append(vec![named], &[]).unwrap();
    assert_eq!((done.stored.len(), done.replaced), (1, 1));
    assert_eq!(gaps(&ingestor, "eip155:1"), [""; 0]);
    let failed = Transfer { status: TxStatus::Failed, ..unnamed };
    let failed =
        Transfer { placement: Position { height: 4, tx_index: 0, index: 0 }.into(), ..failed };
    ingestor.begin().append(vec![failed], &[]).unwrap();
    assert_eq!(gaps(&ingestor, "eip155:1"), [""; 0], "nothing moved");
    let paid_by_nobody = |tx| {
        let mut row = transfer(3, Some(20), tx, 5);
        let Movement::Account(account) = &mut row.movement else { unreachable!() };
        account.from = None;
        row
    };
    ingestor.begin().append(vec![paid_by_nobody(None)], &[]).unwrap();
    assert_eq!(gaps(&ingestor, "eip155:1"), [""; 0], "a reward");
    ingestor.begin().append(vec![paid_by_nobody(Some(7))], &[]).unwrap();
    assert_eq!(gaps(&ingestor, "eip155:1"), ["native height 5 UNNAMED"]);
}

#[test]
fn a_block_that_is_taken_back_takes_what_it_covered_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let hashed = |byte: u8, row: Transfer| Transfer { block_hash: Some([byte; 32]), ..row };
    let mut unnamed = hashed(1, transfer(3, Some(21), Some(2), 5));
    let Movement::Account(account) = &mut unnamed.movement else { unreachable!() };
    account.to = None;
    let mut token = transfer(3, Some(22), Some(3), 5);
    let Movement::Account(account) = &mut token.movement else { unreachable!() };
    account.asset = Asset::Contract([9; 20]);
    let native = hashed(1, transfer(3, Some(20), Some(1), 5));
    ingestor.begin().append(vec![native, unnamed, token.clone()], &[]).unwrap();
    let covered = |kind| ingestor.heads().chains["eip155:1"].kinds[&kind].heights.clone();
    assert_eq!(
        (covered(MovementKind::Native), covered(MovementKind::Tokens)),
        (vec![5..=5], vec![5..=5])
    );
    assert_eq!(gaps(&ingestor, "eip155:1"), ["native height 5 UNNAMED"]);
    let retract = Retract {
        chain: &Chain::Evm(1),
        from_height: 0,
        block_hash: Some([1; 32]),
        reason: "orphan",
        at: Timestamp::from_second(NOW).unwrap(),
    };
    assert_eq!(ingestor.retract(&retract).unwrap().retracted, 2);
    // The token stated no block: that the other block has no more of them nobody knows.
    assert_eq!((covered(MovementKind::Native), covered(MovementKind::Tokens)), (vec![], vec![]));
    assert_eq!(gaps(&ingestor, "eip155:1"), [""; 0], "the rows that it counted are gone");
    // Rows told apart by content count again after they were taken back.
    let loose = Transfer {
        placement: Placement::Partial(PartialPosition { height: 9, index: None }),
        ..transfer(4, None, None, 6)
    };
    assert_eq!(ingestor.begin().append(vec![loose.clone()], &[]).unwrap().stored.len(), 1);
    assert_eq!(ingestor.begin().append(vec![loose.clone()], &[]).unwrap().stored.len(), 0);
    let all = Retract { from_height: 9, block_hash: None, ..retract };
    assert_eq!(ingestor.retract(&all).unwrap().retracted, 1);
    assert_eq!(ingestor.begin().append(vec![loose], &[]).unwrap().stored.len(), 1);
}

#[test]
fn blocks_of_two_hashes_are_gaps_until_one_is_taken_back() {
    let hashed = |n: u64, byte: u8| Transfer {
        block_hash: Some([byte; 32]),
        ..transfer(n / 4, Some(n), Some(byte), n)
    };
    // In one batch, in two, and in two around a restart.
    for way in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let mut ingestor = open(dir.path());
        let (old, new) = (hashed(20, 1), hashed(20, 2));
        let before = hashed(16, 9);
        let mut session = ingestor.begin();
        if way == 0 {
            session.append(vec![before, old, new], &[]).unwrap();
        } else {
            session.append(vec![before, old], &[]).unwrap();
            if way == 2 {
                drop(session);
                drop(ingestor);
                ingestor = open(dir.path());
                session = ingestor.begin();
            }
            session.append(vec![new], &[]).unwrap();
        }
        let chain = "eip155:1";
        let all = ["native", "tokens", "internal"].map(|kind| format!("{kind} height 5 FORK"));
        assert_eq!(gaps(&ingestor, chain), all, "way {way}");
        assert_eq!(ingestor.heads().chains[chain].transfers, 3, "both count");
        session.append(vec![hashed(21, 2), hashed(22, 1)], &[]).unwrap();
        assert_eq!(gaps(&ingestor, chain), all, "known by now");
        let (from_height, at) = (0, Timestamp::UNIX_EPOCH);
        let take_back = |byte: u8| {
            let block_hash = Some([byte; 32]);
            let reason = "orphaned";
            ingestor.retract(&Retract {
                chain: &Chain::Evm(1),
                from_height,
                block_hash,
                reason,
                at,
            })
        };
        assert!(take_back(7).unwrap_err().to_string().contains("block 0707"));
        let taken = take_back(if way == 1 { 2 } else { 1 }).unwrap();
        assert_eq!((taken.retracted, taken.record.from_height), (2, 5));
        assert_eq!(gaps(&ingestor, chain), [""; 0], "way {way}");
        let head = ingestor.heads().chains[chain].clone();
        assert_eq!((head.transfers, head.retracted), (3, 2));
        assert_eq!(head.kinds[&MovementKind::Native].heights, [4..=5], "the other block is there");
        // The last block of a height gone, it is not covered any more.
        take_back(if way == 1 { 1 } else { 2 }).unwrap();
        let head = ingestor.heads().chains[chain].clone();
        assert_eq!(head.kinds[&MovementKind::Native].heights, [4..=4]);
    }
}

#[test]
fn a_conflict_is_settled_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let stored = |row: &Transfer| ingestor.begin().append(vec![row.clone()], &[]).unwrap();
    let first = transfer(1, Some(4), Some(1), 5);
    let second = transfer(1, Some(4), Some(1), 6);
    let third = transfer(1, Some(4), Some(1), 7);
    stored(&first);
    assert_eq!(stored(&second).conflicts, 1);
    assert_eq!((stored(&second).stored.len(), stored(&first).stored.len()), (0, 0));
    assert_eq!(stored(&third).conflicts, 1);
    assert_eq!(ingestor.heads().open_conflicts(&Chain::Evm(1)).count(), 2);
    let settle = |number, verdict| {
        let (at, reason) = (Timestamp::UNIX_EPOCH, "looked up".to_owned());
        ingestor.settle_conflict(number, &Settlement { verdict, at, reason })
    };
    settle(1, Verdict::Second).unwrap();
    assert!(settle(1, Verdict::First).unwrap_err().to_string().contains("settled already"));
    assert!(settle(9, Verdict::First).unwrap_err().to_string().contains("no conflict 9"));
    // The first is known, though it does not count.
    assert_eq!(stored(&first).stored.len(), 0);
    settle(2, Verdict::Both).unwrap();
    let heads = ingestor.heads();
    assert_eq!(heads.open_conflicts(&Chain::Evm(1)).count(), 0);
    let head = &heads.chains["eip155:1"];
    assert_eq!((head.transfers, head.replaced), (2, 1));
    assert!(heads.replacements.is_replaced(0));
}

#[test]
fn rows_that_state_transaction_and_index_are_one_movement() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let log = |index: u32, content: u64| Transfer {
        placement: Placement::Partial(PartialPosition { height: 3, index: Some(index) }),
        ..transfer(1, None, Some(1), content)
    };
    let mut session = ingestor.begin();
    let rows = vec![log(1, 5); 12];
    assert_eq!(session.append(rows.clone(), &[]).unwrap().stored.len(), 1);
    assert_eq!(session.append(rows, &[]).unwrap().stored.len(), 0);
    assert_eq!(session.append(vec![log(3, 5)], &[]).unwrap().stored.len(), 1);
    // With its position it is the same.
    let placed = Position { height: 3, tx_index: 2, index: 1 };
    let placed = Transfer { placement: placed.into(), ..log(1, 5) };
    let done = session.append(vec![placed.clone()], &[]).unwrap();
    assert_eq!((done.stored, done.replaced), (vec![placed], 1));
    assert_eq!(session.append(vec![log(1, 5)], &[]).unwrap().stored.len(), 0);
    assert_eq!(ingestor.heads().chains["eip155:1"].kinds[&MovementKind::Native].heights, [3..=3]);
}

#[test]
fn a_row_that_arrives_closes_the_gap_of_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let mut session = ingestor.begin();
    let of = |cause, place, height: u64| {
        let (kind, extent) = (MovementKind::Native, Extent::Heights(height..=height));
        (Chain::Evm(1), Gap { kind, extent, cause, place })
    };
    let tx = |byte: u8| Some(GapPlace::Transaction(TxId::Hash([byte; 32]), Some(0)));
    session.add_gaps([
        of(GapCause::Rejected, tx(1), 1),
        of(GapCause::Rejected, tx(2), 1),
        of(GapCause::Stopped, None, 1),
        of(GapCause::Refused, None, 2),
        of(GapCause::Rejected, None, 2),
    ]);
    session.append(Vec::new(), &[]).unwrap();
    let chain = "eip155:1";
    assert_eq!(gaps(&ingestor, chain).len(), 5);
    session.append(vec![transfer(1, Some(4), Some(1), 5)], &[]).unwrap();
    let want = [
        "native height 1 REJECTED",
        "native height 1 STOPPED",
        "native height 2 REFUSED",
        "native height 2 REJECTED",
    ];
    assert_eq!(gaps(&ingestor, chain), want, "its row alone");
    // Blocks that were read whole close what is about no row that could be told.
    let covered = CoverageDeclaration::heights(Chain::Evm(1), &[MovementKind::Native], 1..=2);
    session.append(Vec::new(), &[covered]).unwrap();
    assert_eq!(gaps(&ingestor, chain), ["native height 1 REJECTED"]);
    session.append(vec![transfer(1, Some(4), Some(2), 5)], &[]).unwrap();
    assert_eq!(gaps(&ingestor, chain), [""; 0]);
}

#[test]
fn a_bulk_load_that_does_not_end_leaves_the_block_it_stood_in() {
    let dir = tempfile::tempdir().unwrap();
    let ingestor = open(dir.path());
    let rows = |heights: &[u64]| -> Vec<Transfer> {
        let row = |height: &u64| transfer(*height, Some(4 * height), Some(*height as u8), 5);
        heights.iter().map(row).collect()
    };
    let stands = |heights| gaps(&ingestor, "eip155:1") == [format!("native {heights} STOPPED")];
    let mut session = ingestor.begin();
    session.append_unfinished(rows(&[5, 6]), &[]).unwrap();
    assert!(stands("height 6"));
    session.append_unfinished(rows(&[7]), &[]).unwrap();
    assert!(stands("height 7"));
    session.finish().unwrap();
    assert_eq!(gaps(&ingestor, "eip155:1"), [""; 0]);
    // A load that is killed.
    let mut killed = ingestor.begin();
    killed.append_unfinished(rows(&[8]), &[]).unwrap();
    drop(killed);
    assert!(stands("height 8"));
    // It ends with a load that brings the block and comes to its end, and no other.
    let load = |heights: &[u64], has_faults: bool| {
        let mut load = ingestor.begin();
        load.append_unfinished(rows(heights), &[]).unwrap();
        if has_faults {
            let (extent, cause) = (Extent::Heights(7..=7), GapCause::Unreadable);
            let kind = MovementKind::Native;
            load.add_gaps([(Chain::Evm(1), Gap { kind, extent, cause, place: None })]);
        }
        load.finish().unwrap();
    };
    load(&[7, 9], false);
    ingestor.begin().append(rows(&[8]), &[]).unwrap();
    assert!(stands("height 8"));
    load(&[7, 8, 9], true);
    assert_eq!(gaps(&ingestor, "eip155:1").len(), 2);
    load(&[7, 8, 9], false);
    assert_eq!(gaps(&ingestor, "eip155:1"), ["native height 7 UNREADABLE"]);
    let mut clean = CoverageDeclaration::heights(Chain::Evm(1), &[MovementKind::Native], 5..=9);
    clean.is_clean_import = true;
    ingestor.begin().append(Vec::new(), &[clean]).unwrap();
    assert_eq!(gaps(&ingestor, "eip155:1"), [""; 0]);
    // Out of order any block may go on.
    let mut unordered = ingestor.begin();
    unordered.append_unfinished(rows(&[20, 22, 21]), &[]).unwrap();
    drop(unordered);
    assert!(stands("heights 20 to 22"));
}
