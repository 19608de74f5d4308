//! Merges two rows of one movement: when rows are the same movement, what each adds to the other,
//! and when they contradict each other.

use std::hash::Hash;

use super::{
    AccountMovement, Holder, Leg, Movement, MovementKind, Placement, Position, Transfer, TxId,
    TxStatus, UtxoMovement,
};
use crate::domain::chain::Chain;

/// What identifies a movement across rows.
#[derive(PartialEq, Eq, Hash)]
pub enum Identity<'a> {
    /// The height, the transaction, and the movement's index in it. A transaction at two heights,
    /// as around a reorganisation, moves value in both until one is retracted.
    InTransaction(&'a Chain, u64, &'a TxId, u32, MovementKind),
    /// The position, for rows without a transaction.
    AtPosition(&'a Chain, Position, MovementKind),
    /// All stated data, for rows without either. Equal rows are separate movements and are counted.
    Content(&'a Transfer),
}

impl<'a> Identity<'a> {
    /// Returns the identity of a row.
    pub fn new(row: &'a Transfer) -> Self {
        match (&row.tx, row.height().zip(row.index_in_tx()), row.position()) {
            (Some(tx), Some((height, index)), _) => {
                Self::InTransaction(&row.chain, height, tx, index, row.kind())
            }
            (None, _, Some(position)) => Self::AtPosition(&row.chain, position, row.kind()),
            _ => Self::Content(row),
        }
    }

    /// Returns true if equal rows are one movement, however often they occur.
    pub fn is_place(&self) -> bool {
        !matches!(self, Self::Content(_))
    }
}

/// The effect of a second row of a movement on the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeOutcome {
    Unchanged,
    /// It fills in missing data, or reports success after failure: the merged row.
    Merged(Box<Transfer>),
    /// It is in a block with another hash at the same height.
    Forked,
    Contradiction,
    /// It is elsewhere in the block: another movement.
    Elsewhere,
}

/// Merges two values, one of which may be missing.
fn filled<T: Clone + PartialEq>(known: &Option<T>, other: &Option<T>) -> Option<Option<T>> {
    match (known, other) {
        (Some(known), Some(other)) if known != other => None,
        (Some(value), _) | (None, Some(value)) => Some(Some(value.clone())),
        (None, None) => Some(None),
    }
}

impl Transfer {
    /// Merges `other`, a row of the same movement ([`Identity`]), into this one.
    pub fn merge_with(&self, other: &Self) -> MergeOutcome {
        if let (Some(known), Some(other)) = (self.position(), other.position())
            && known != other
        {
            return MergeOutcome::Elsewhere;
        }
        if let (Some(known), Some(other)) = (&self.block_hash, &other.block_hash)
            && known != other
        {
            return MergeOutcome::Forked;
        }
        match self.filled_by(other) {
            None => MergeOutcome::Contradiction,
            Some(together) if together == *self => MergeOutcome::Unchanged,
            Some(together) => {
                let block_hash = self.block_hash.or(other.block_hash);
                MergeOutcome::Merged(Box::new(Self { block_hash, ..together }))
            }
        }
    }

    /// Returns the merged row; `None` on a contradiction. A block hash alone adds nothing, so that
    /// a file read again with hashes is not stored twice.
    fn filled_by(&self, other: &Self) -> Option<Self> {
        if self.time != other.time {
            return None;
        }
        let placement = match (self.placement, other.placement) {
            (Placement::Whole(position), _) | (_, Placement::Whole(position)) => position.into(),
            (Placement::Unknown, other) | (other, _) => other,
        };
        let status = match (self.status, other.status) {
            (TxStatus::Unknown, status) | (status, TxStatus::Unknown) => status,
            (TxStatus::Succeeded, TxStatus::Failed) => return None,
            (TxStatus::Failed, TxStatus::Failed) => TxStatus::Failed,
            (_, TxStatus::Succeeded) => TxStatus::Succeeded,
        };
        let movement = match (&self.movement, &other.movement) {
            (Movement::Account(known), Movement::Account(other)) => {
                Movement::Account(account(known, other)?)
            }
            (Movement::Utxo(known), Movement::Utxo(other)) => {
                Movement::Utxo(Box::new(utxo(known, other)?))
            }
            (Movement::Account(_), Movement::Utxo(_))
            | (Movement::Utxo(_), Movement::Account(_)) => return None,
        };
        let (chain, tx) = (self.chain.clone(), self.tx.clone());
        let (time, block_hash) = (self.time, self.block_hash);
        Some(Self { chain, time, placement, block_hash, tx, status, movement })
    }

    /// Returns true if both rows are equal for exposure: they differ only in data that does not
    /// count.
    pub fn is_alike_for_exposure(&self, other: &Self) -> bool {
        let counts = |row: &Self| row.status != TxStatus::Failed;
        let legs = |a: &[Leg], b: &[Leg]| {
            let alike = |(a, b): (&Leg, &Leg)| (&a.holders, a.amount) == (&b.holders, b.amount);
            a.len() == b.len() && a.iter().zip(b).all(alike)
        };
        let moved_alike = match (&self.movement, &other.movement) {
            (Movement::Account(a), Movement::Account(b)) => {
                (&a.from, &a.to, &a.asset, a.amount) == (&b.from, &b.to, &b.asset, b.amount)
            }
            (Movement::Utxo(a), Movement::Utxo(b)) => {
                legs(&a.inputs, &b.inputs) && legs(&a.outputs, &b.outputs)
            }
            (Movement::Account(_), Movement::Utxo(_))
            | (Movement::Utxo(_), Movement::Account(_)) => false,
        };
        (&self.chain, self.time, self.position()) == (&other.chain, other.time, other.position())
            && counts(self) == counts(other)
            && moved_alike
    }
}

fn account(known: &AccountMovement, other: &AccountMovement) -> Option<AccountMovement> {
    if (&known.asset, known.amount) != (&other.asset, other.amount) {
        return None;
    }
    Some(AccountMovement {
        from: filled(&known.from, &other.from)?,
        to: filled(&known.to, &other.to)?,
        asset: known.asset.clone(),
        amount: known.amount,
        usd_micros: known.usd_micros.or(other.usd_micros),
    })
}

fn utxo(known: &UtxoMovement, other: &UtxoMovement) -> Option<UtxoMovement> {
    if known.coinbase != other.coinbase {
        return None;
    }
    Some(UtxoMovement {
        coinbase: known.coinbase,
        inputs: legs(&known.inputs, &other.inputs)?,
        outputs: legs(&known.outputs, &other.outputs)?,
    })
}

/// Merges the legs of one side; a row without any leaves them open.
fn legs(known: &[Leg], other: &[Leg]) -> Option<Vec<Leg>> {
    match (known, other) {
        (legs, []) | ([], legs) => Some(legs.to_vec()),
        _ if known.len() != other.len() => None,
        _ => known.iter().zip(other).map(|(known, other)| leg(known, other)).collect(),
    }
}

fn leg(known: &Leg, other: &Leg) -> Option<Leg> {
    let holds = |outer: &[Holder], inner: &[Holder]| inner.iter().all(|it| outer.contains(it));
    let holders = if holds(&known.holders, &other.holders) {
        known.holders.clone()
    } else if holds(&other.holders, &known.holders) {
        other.holders.clone()
    } else {
        return None;
    };
    let unattributable = holders.is_empty() && (known.unattributable || other.unattributable);
    Some(Leg { holders, unattributable, amount: filled(&known.amount, &other.amount)? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::super::{Amount, Asset, PartialPosition};
    use super::*;

    fn row() -> Transfer {
        Transfer {
            chain: Chain::Evm(1),
            time: 100,
            placement: Position { height: 7, tx_index: 1, index: 0 }.into(),
            block_hash: None,
            tx: Some(TxId::Hash([1; 32])),
            status: TxStatus::Unknown,
            movement: Movement::Account(AccountMovement {
                from: Some(Holder::Evm([1; 20])),
                to: Some(Holder::Evm([2; 20])),
                asset: Asset::Native,
                amount: Amount::new(5),
                usd_micros: None,
            }),
        }
    }

    fn moved(change: impl FnOnce(&mut AccountMovement)) -> Transfer {
        let mut row = row();
        let Movement::Account(account) = &mut row.movement else { unreachable!() };
        change(account);
        row
    }

    fn pays(inputs: &[(&[u8], Option<u64>)], outputs: &[(&[u8], Option<u64>)]) -> Transfer {
        let legs = |legs: &[(&[u8], Option<u64>)]| {
            let leg = |(holders, amount): &(&[u8], Option<u64>)| Leg {
                holders: holders.iter().map(|n| Holder::Evm([*n; 20])).collect(),
                unattributable: false,
                amount: *amount,
            };
            legs.iter().map(leg).collect()
        };
        let (inputs, outputs) = (legs(inputs), legs(outputs));
        let utxo = UtxoMovement { coinbase: false, inputs, outputs };
        Transfer { movement: Movement::Utxo(Box::new(utxo)), ..row() }
    }

    #[track_caller]
    fn check(known: &Transfer, other: &Transfer, want: &str) {
        let found = match known.merge_with(other) {
            MergeOutcome::Unchanged => "known",
            MergeOutcome::Merged(_) => "better",
            MergeOutcome::Forked => "forked",
            MergeOutcome::Contradiction => "contradiction",
            MergeOutcome::Elsewhere => "elsewhere",
        };
        assert_eq!(found, want, "{known:?}\n{other:?}");
    }

    #[test]
    fn statuses() {
        use TxStatus::{Failed, Succeeded, Unknown};
        for (known, other, want) in [
            (Unknown, Unknown, "known"),
            (Unknown, Succeeded, "better"),
            (Unknown, Failed, "better"),
            (Succeeded, Unknown, "known"),
            (Succeeded, Succeeded, "known"),
            (Succeeded, Failed, "contradiction"),
            (Failed, Unknown, "known"),
            (Failed, Succeeded, "better"),
            (Failed, Failed, "known"),
        ] {
            let of = |status| Transfer { status, ..row() };
            check(&of(known), &of(other), want);
        }
    }

    #[test]
    fn accounts() {
        check(&row(), &row(), "known");
        check(&row(), &moved(|it| it.amount += 1), "contradiction");
        check(&row(), &moved(|it| it.asset = Asset::Contract([9; 20])), "contradiction");
        check(&row(), &moved(|it| it.to = Some(Holder::Evm([3; 20]))), "contradiction");
        check(&row(), &moved(|it| it.from = Some(Holder::Evm([3; 20]))), "contradiction");
        check(&row(), &moved(|it| it.to = None), "known");
        check(&moved(|it| it.to = None), &row(), "better");
        check(&row(), &moved(|it| it.usd_micros = Some(1)), "better");
        check(&row(), &Transfer { time: 101, ..row() }, "contradiction");
        // Each knows what the other does not.
        let failed = Transfer { status: TxStatus::Failed, ..moved(|it| it.to = None) };
        let MergeOutcome::Merged(both) = failed.merge_with(&row()) else { panic!("not better") };
        assert_eq!(*both, Transfer { status: TxStatus::Failed, ..row() });
    }

    #[test]
    fn places() {
        let partial = |height, index| Transfer {
            placement: Placement::Partial(PartialPosition { height, index }),
            ..row()
        };
        check(&partial(7, Some(0)), &row(), "better");
        check(&row(), &partial(7, Some(0)), "known");
        let placement = Position { height: 7, tx_index: 2, index: 0 }.into();
        check(&row(), &Transfer { placement, ..row() }, "elsewhere");
        let hashed = |byte: u8| Transfer { block_hash: Some([byte; 32]), ..row() };
        check(&row(), &hashed(1), "known");
        check(&hashed(1), &hashed(2), "forked");
    }

    #[test]
    fn transactions_of_inputs_and_outputs() {
        let bare = pays(&[(&[], None)], &[(&[2], Some(5))]);
        let whole = pays(&[(&[1], Some(6))], &[(&[2], Some(5))]);
        check(&bare, &whole, "better");
        check(&whole, &bare, "known");
        check(&pays(&[], &[(&[2], Some(5))]), &whole, "better");
        check(&whole, &pays(&[], &[(&[2], Some(5))]), "known");
        check(&whole, &pays(&[(&[3], Some(6))], &[(&[2], Some(5))]), "contradiction");
        check(&whole, &pays(&[(&[1], Some(7))], &[(&[2], Some(5))]), "contradiction");
        check(&whole, &pays(&[(&[1], Some(6))], &[(&[4], Some(5))]), "contradiction");
        check(&whole, &pays(&[(&[1, 3], Some(6))], &[(&[2], Some(5))]), "better");
        let two = pays(&[(&[1], Some(6)), (&[3], Some(1))], &[(&[2], Some(5))]);
        check(&whole, &two, "contradiction");
        let mut nobody = bare.clone();
        let Movement::Utxo(utxo) = &mut nobody.movement else { unreachable!() };
        utxo.inputs[0].unattributable = true;
        check(&bare, &nobody, "better");
        check(&nobody, &bare, "known");
        check(&nobody, &whole, "better");
    }

    #[test]
    fn what_exposure_takes_alike() {
        let alike = |a: &Transfer, b: &Transfer| a.is_alike_for_exposure(b);
        let of = |status| Transfer { status, ..row() };
        assert!(alike(&row(), &of(TxStatus::Succeeded)));
        assert!(!alike(&row(), &of(TxStatus::Failed)));
        assert!(alike(&row(), &moved(|it| it.usd_micros = Some(1))));
        assert!(!alike(&row(), &moved(|it| it.to = None)));
        assert!(!alike(&row(), &Transfer { placement: Placement::Unknown, ..row() }));
    }

    #[test]
    fn identities() {
        let same = |a: &Transfer, b: &Transfer| Identity::new(a) == Identity::new(b);
        let other_tx = Transfer { tx: Some(TxId::Hash([2; 32])), ..row() };
        let no_tx = Transfer { tx: None, ..row() };
        let loose = Transfer { placement: Placement::Unknown, ..row() };
        let partial = |index| Transfer {
            placement: Placement::Partial(PartialPosition { height: 7, index }),
            ..row()
        };
        assert!(same(&row(), &moved(|it| it.amount += 1)));
        assert!(same(&row(), &partial(Some(0))));
        let placement = Position { height: 8, tx_index: 1, index: 0 }.into();
        assert!(!same(&row(), &Transfer { placement, ..row() }), "another block");
        assert!(!same(&row(), &other_tx) && !same(&row(), &no_tx) && !same(&row(), &loose));
        assert!(!same(&row(), &moved(|it| it.asset = Asset::Contract([9; 20]))), "another kind");
        assert!(!same(&no_tx, &Transfer { chain: Chain::Evm(10), ..no_tx.clone() }));
        for (row, want) in
            [(&row(), true), (&no_tx, true), (&loose, false), (&partial(None), false)]
        {
            assert_eq!(Identity::new(row).is_place(), want);
        }
    }
}
