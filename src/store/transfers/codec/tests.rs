//! Packed rows come back as they were, whatever they hold; bytes that are no packed rows do not.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use proptest::prelude::*;

use super::*;
use crate::domain::transfer::{Amount, Leg};
use crate::domain::transfer::{MAX_HEIGHT, MAX_TIME, MAX_TX_INDEX};

fn holder() -> impl Strategy<Value = Holder> {
    prop_oneof![
        (0_u8..6).prop_map(|byte| Holder::Evm([byte; 20])),
        "[a-z0-9]{0,40}".prop_map(|text| Holder::Other(text.into())),
    ]
}

fn account() -> impl Strategy<Value = Movement> {
    let asset = prop_oneof![
        Just(Asset::Native),
        (0_u8..4).prop_map(|byte| Asset::Contract([byte; 20])),
        "[a-z]{0,3}".prop_map(|text| Asset::Named(text.into())),
    ];
    let amount = (any::<[u8; 32]>(), 0_usize..=32).prop_map(|(mut bytes, kept)| {
        bytes[kept..].fill(0);
        Amount::from_le_bytes(bytes)
    });
    let (from, to) = (proptest::option::of(holder()), proptest::option::of(holder()));
    (from, to, asset, amount, proptest::option::of(any::<u64>())).prop_map(
        |(from, to, asset, amount, usd_micros)| {
            Movement::Account(AccountMovement { from, to, asset, amount, usd_micros })
        },
    )
}

fn utxo() -> impl Strategy<Value = Movement> {
    let legs = || {
        let amount = proptest::option::of(any::<u64>());
        let leg = (prop::collection::vec(holder(), 0..4), prop::bool::weighted(0.2), amount);
        let leg = leg.prop_map(|(holders, alone, amount)| {
            let unattributable = alone && holders.is_empty();
            Leg { holders, unattributable, amount }
        });
        prop::collection::vec(leg, 0..5)
    };
    (any::<bool>(), legs(), legs()).prop_map(|(coinbase, inputs, outputs)| {
        Movement::Utxo(Box::new(UtxoMovement { coinbase, inputs, outputs }))
    })
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let chain = prop_oneof![
        Just(Chain::Evm(1)),
        (1_u64..=u64::MAX).prop_map(Chain::Evm),
        Just(Chain::Bitcoin),
        Just(Chain::BitcoinGold),
        Just(Chain::Cosmos("osmosis-1".into())),
        Just(Chain::Other("cip34:1-764824073".into())),
    ];
    let position = (0..=MAX_HEIGHT, 0..=MAX_TX_INDEX, any::<u32>());
    let near = (0_u64..3, 0_u32..3, 0_u32..3);
    let position = (proptest::option::of(prop_oneof![position, near]), any::<[bool; 2]>());
    let placement = position.prop_map(|(position, [partial, indexed])| match position {
        None => Placement::Unknown,
        Some((height, _, index)) if partial => {
            let index = indexed.then_some(index);
            Placement::Partial(PartialPosition { height, index })
        }
        Some((height, tx_index, index)) => Position { height, tx_index, index }.into(),
    });
    let tx = prop_oneof![
        (0_u8..3).prop_map(|byte| TxId::Hash([byte; 32])),
        "[a-z]{0,3}".prop_map(|text| TxId::Text(text.into())),
    ];
    let status =
        prop_oneof![Just(TxStatus::Unknown), Just(TxStatus::Succeeded), Just(TxStatus::Failed)];
    let block = proptest::option::of((0_u8..3).prop_map(|byte| [byte; 32]));
    let movement = prop_oneof![account(), utxo()];
    (chain, 0..=MAX_TIME, placement, block, proptest::option::of(tx), status, movement).prop_map(
        |(chain, time, placement, block_hash, tx, status, movement)| Transfer {
            chain,
            time,
            placement,
            block_hash,
            tx,
            status,
            movement,
        },
    )
}

fn packed(rows: &[Transfer]) -> Vec<u8> {
    encode(&rows.iter().collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn rows_come_back_as_they_were(rows in prop::collection::vec(transfer(), 0..40)) {
        prop_assert_eq!(decode(&packed(&rows)), Ok(rows));
    }

    /// No panic, and no row beyond those that the bytes could hold.
    #[test]
    fn damaged_bytes_are_an_error_or_other_rows(
        rows in prop::collection::vec(transfer(), 1..10),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = packed(&rows);
        let shorter = &bytes[..cut.index(bytes.len())];
        prop_assert!(decode(shorter).is_err());
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(other) = decode(&bytes) {
            prop_assert!(other.len() <= bytes.len());
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&[&[VERSION][..], &bytes].concat());
    }
}

#[test]
fn the_extremes_come_back() {
    let most = AccountMovement {
        from: Some(Holder::Evm([0xff; 20])),
        to: None,
        asset: Asset::Native,
        amount: Amount::MAX,
        usd_micros: Some(u64::MAX),
    };
    let row = |time, position: Option<Position>, movement| Transfer {
        chain: Chain::Evm(u64::MAX),
        time,
        placement: position.into(),
        block_hash: Some([0xff; 32]),
        tx: Some(TxId::Hash([0xff; 32])),
        status: TxStatus::Failed,
        movement,
    };
    let end = Position { height: u64::MAX, tx_index: u32::MAX, index: u32::MAX };
    let begin = Position { height: 0, tx_index: 0, index: 0 };
    let least = AccountMovement { amount: Amount::ZERO, usd_micros: Some(0), ..most.clone() };
    let rows = [
        row(u64::MAX, Some(end), Movement::Account(most.clone())),
        row(0, Some(begin), Movement::Account(least.clone())),
        row(u64::MAX, Some(end), Movement::Account(least)),
        row(0, None, Movement::Utxo(Box::default())),
    ];
    assert_eq!(decode(&packed(&rows)), Ok(rows.to_vec()));
}

/// Bytes a row of the kinds that there are most of. A change of the form shows here.
#[test]
fn a_row_is_small() {
    let mut random = fastrand::Rng::with_seed(1);
    let address = |random: &mut fastrand::Rng| {
        let mut bytes = [0; 20];
        // About a third of the ends of transfers come back within a segment.
        let bits = random.u32(5..24);
        bytes[..8].copy_from_slice(&random.u64(0..1 << bits).to_be_bytes());
        Some(Holder::Evm(bytes))
    };
    let mut rows = Vec::new();
    for n in 0..4096_u64 {
        let movement = AccountMovement {
            from: address(&mut random),
            to: address(&mut random),
            asset: Asset::Native,
            amount: Amount::from(random.u64(1_000_000_000..1 << 60)),
            usd_micros: None,
        };
        rows.push(Transfer {
            chain: Chain::Evm(1),
            time: 1_600_000_000 + n / 150 * 12,
            placement: Position { height: n / 150, tx_index: (n % 150) as u32, index: 0 }.into(),
            block_hash: None,
            tx: None,
            status: TxStatus::Succeeded,
            movement: Movement::Account(movement),
        });
    }
    let check = |rows: &[Transfer], least: usize, most: usize| {
        let each = packed(rows).len() / rows.len();
        assert!((least..=most).contains(&each), "{each} bytes a row");
    };
    check(&rows, 30, 45);
    for row in &mut rows {
        let mut hash = [0; 32];
        random.fill(&mut hash);
        row.tx = Some(TxId::Hash(hash));
    }
    check(&rows, 62, 77);
}
