//! Validates the bounds of a transfer.

use super::{
    Asset, Holder, Leg, MAX_AHEAD, MAX_HEIGHT, MAX_HOLDERS, MAX_LEGS, MAX_NAME, MAX_TIME,
    MAX_TX_INDEX, Movement, PartialPosition, Placement, Position, Transfer, TxId, UtxoMovement,
};
use crate::domain::address::MAX_ADDRESS;
use crate::domain::chain::Chain;

/// Why a transfer is invalid: the field and the problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// A family such as `eip155:*`.
    #[error("chain: {0} is a family of chains, not one chain")]
    Family(Chain),
    /// A chain with the id of another chain, or none.
    #[error("chain: {0} is not the id of a chain")]
    Chain(Chain),
    /// A time beyond [`MAX_TIME`] or more than [`MAX_AHEAD`] after now.
    #[error("time: {time} (Unix seconds) is more than {MAX_AHEAD} seconds after now, {now}")]
    Time {
        time: u64,
        /// The current time.
        now: u64,
    },
    /// A height beyond [`MAX_HEIGHT`].
    #[error("position.height: {0} is above {MAX_HEIGHT}")]
    Height(u64),
    /// A transaction index beyond [`MAX_TX_INDEX`].
    #[error("position.tx_index: {0} is above {MAX_TX_INDEX}")]
    TxIndex(u32),
    /// A transaction id that is not a hash, on a chain whose transactions have hashes.
    #[error("tx: a transaction of {0} is a hash of 32 bytes in hex")]
    TxHash(Chain),
    /// An input or output with holders that is marked unattributable.
    #[error("{field}[{leg}]: names holders but is marked unattributable")]
    Unattributable {
        /// `inputs` or `outputs`.
        field: &'static str,
        /// Its index, from 0.
        leg: usize,
    },
    /// A text that is empty, too long, or not visible ASCII.
    #[error("{field}: {found:?} is not 1 to {most} bytes of visible ASCII")]
    Text {
        field: &'static str,
        /// The beginning of its value.
        found: String,
        /// Its maximum length in bytes.
        most: usize,
    },
    /// Inputs of a coinbase transaction.
    #[error("inputs: a coinbase transaction has none, not {0}")]
    Coinbase(usize),
    /// A coinbase transaction that is not the first of its block.
    #[error("position.tx_index: {0}, but a coinbase is the first transaction of its block")]
    LateCoinbase(u32),
    /// Inputs that are all known and worth less than the outputs. No chain allows this: an exporter
    /// did not know them.
    #[error("inputs: worth less than the outputs: use null for an unknown value")]
    Inputs,
    /// The placeholder address that some contracts use for the chain's coin.
    #[error("asset: {0} is a placeholder for the chain's coin: use native")]
    PseudoContract(String),
    /// More inputs or outputs than [`MAX_LEGS`].
    #[error("{field}: {found} are more than {MAX_LEGS}")]
    Legs {
        /// `inputs` or `outputs`.
        field: &'static str,
        found: usize,
    },
    /// More holders of one input or output than [`MAX_HOLDERS`].
    #[error("{field}[{leg}].holders: {found} are more than {MAX_HOLDERS}")]
    Holders {
        /// `inputs` or `outputs`.
        field: &'static str,
        /// Its index, from 0.
        leg: usize,
        /// Its number of holders.
        found: usize,
    },
}

impl Transfer {
    /// Checks every field's bounds, and that the time is no more than [`MAX_AHEAD`] after `now`
    /// (Unix seconds). Fails with the first invalid field.
    pub fn check(&self, now: u64) -> Result<(), TransferError> {
        TransferError::check_chain(&self.chain)?;
        if self.time > MAX_TIME || self.time > now.saturating_add(MAX_AHEAD) {
            return Err(TransferError::Time { time: self.time, now });
        }
        match self.placement {
            Placement::Whole(Position { height, .. })
            | Placement::Partial(PartialPosition { height, .. })
                if height > MAX_HEIGHT =>
            {
                return Err(TransferError::Height(height));
            }
            Placement::Whole(Position { tx_index, .. }) if tx_index > MAX_TX_INDEX => {
                return Err(TransferError::TxIndex(tx_index));
            }
            Placement::Whole(_) | Placement::Partial(_) | Placement::Unknown => {}
        }
        match &self.tx {
            Some(TxId::Text(_)) if matches!(self.chain, Chain::Evm(_)) || self.chain.is_utxo() => {
                return Err(TransferError::TxHash(self.chain.clone()));
            }
            Some(TxId::Text(text)) => check_text("tx", text, MAX_NAME)?,
            Some(TxId::Hash(_)) | None => {}
        }
        match &self.movement {
            Movement::Account(account) => {
                for (field, holder) in [("sender", &account.from), ("receiver", &account.to)] {
                    holder.as_ref().map_or(Ok(()), |holder| check_holder(field, holder))?;
                }
                match &account.asset {
                    Asset::Named(text) => check_text("asset", text, MAX_NAME),
                    Asset::Contract(contract) if is_pseudo_contract(contract) => {
                        Err(TransferError::PseudoContract(account.asset.to_string()))
                    }
                    Asset::Native | Asset::Contract(_) => Ok(()),
                }
            }
            Movement::Utxo(utxo) => {
                if let Placement::Whole(Position { tx_index, .. }) = self.placement
                    && utxo.coinbase
                    && tx_index != 0
                {
                    return Err(TransferError::LateCoinbase(tx_index));
                }
                check_utxo(utxo)
            }
        }
    }
}

impl TransferError {
    /// Fails unless `chain` is one chain by its own id, and not a family.
    pub fn check_chain(chain: &Chain) -> Result<(), Self> {
        if chain.is_family() {
            return Err(Self::Family(chain.clone()));
        }
        let is_by_text = matches!(chain, Chain::Cosmos(_) | Chain::Other(_));
        let fits = !is_by_text || chain.caip2().parse().as_ref() == Ok(chain);
        if fits && *chain != Chain::Evm(0) { Ok(()) } else { Err(Self::Chain(chain.clone())) }
    }
}

fn check_utxo(utxo: &UtxoMovement) -> Result<(), TransferError> {
    if utxo.coinbase && !utxo.inputs.is_empty() {
        return Err(TransferError::Coinbase(utxo.inputs.len()));
    }
    check_legs("inputs", &utxo.inputs)?;
    check_legs("outputs", &utxo.outputs)?;
    let worth =
        |legs: &[Leg]| legs.iter().map(|leg| leg.amount.map(u128::from)).sum::<Option<u128>>();
    let is_short = worth(&utxo.inputs)
        .zip(worth(&utxo.outputs))
        .is_some_and(|(inputs, outputs)| inputs < outputs);
    if is_short && !utxo.coinbase && !utxo.inputs.is_empty() {
        return Err(TransferError::Inputs);
    }
    Ok(())
}

/// The zero address, and the one of 0xee bytes that wallets and routers use.
fn is_pseudo_contract(contract: &[u8; 20]) -> bool {
    *contract == [0; 20] || *contract == [0xee; 20]
}

fn check_legs(field: &'static str, legs: &[Leg]) -> Result<(), TransferError> {
    if legs.len() > MAX_LEGS {
        return Err(TransferError::Legs { field, found: legs.len() });
    }
    for (leg, Leg { holders, unattributable, .. }) in legs.iter().enumerate() {
        if *unattributable && !holders.is_empty() {
            return Err(TransferError::Unattributable { field, leg });
        }
        if holders.len() > MAX_HOLDERS {
            return Err(TransferError::Holders { field, leg, found: holders.len() });
        }
        holders.iter().try_for_each(|holder| check_holder(field, holder))?;
    }
    Ok(())
}

fn check_holder(field: &'static str, holder: &Holder) -> Result<(), TransferError> {
    match holder {
        Holder::Evm(_) => Ok(()),
        Holder::Other(text) => check_text(field, text, MAX_ADDRESS),
    }
}

fn check_text(field: &'static str, text: &str, most: usize) -> Result<(), TransferError> {
    if (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(TransferError::Text { field, found: text.chars().take(40).collect(), most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::transfer::{AccountMovement, Amount, PartialPosition, Position, TxStatus};

    const NOW: u64 = 1_700_000_000;

    fn account() -> Transfer {
        Transfer {
            chain: Chain::Solana,
            time: NOW,
            placement: Position { height: MAX_HEIGHT, tx_index: MAX_TX_INDEX, index: u32::MAX }
                .into(),
            block_hash: Some([1; 32]),
            tx: Some(TxId::Text("x".repeat(MAX_NAME).into())),
            status: TxStatus::Unknown,
            movement: Movement::Account(AccountMovement {
                from: Some(Holder::Other("a".repeat(MAX_ADDRESS).into())),
                to: None,
                asset: Asset::Named("b".into()),
                amount: Amount::MAX,
                usd_micros: Some(u64::MAX),
            }),
        }
    }

    fn utxo(utxo: UtxoMovement) -> Transfer {
        let placement = Position { height: MAX_HEIGHT, tx_index: 0, index: u32::MAX }.into();
        Transfer { placement, movement: Movement::Utxo(Box::new(utxo)), ..account() }
    }

    fn legs(count: usize, holders: usize) -> Vec<Leg> {
        vec![Leg { holders: vec![Holder::Evm([1; 20]); holders], ..Leg::default() }; count]
    }

    fn check(transfer: &Transfer, want: &str) {
        let found = transfer.check(NOW).map_or_else(|error| error.to_string(), |()| String::new());
        assert!(found.starts_with(want) && found.is_empty() == want.is_empty(), "{found} {want}");
    }

    #[test]
    fn what_is_within_its_bounds_is_taken() {
        check(&account(), "");
        check(&Transfer { time: NOW + MAX_AHEAD, ..account() }, "");
        check(&Transfer { chain: Chain::Other("cip34:1-764824073".into()), ..account() }, "");
        let coinbase = utxo(UtxoMovement { coinbase: true, inputs: vec![], outputs: legs(1, 0) });
        check(&coinbase, "");
        let placement = Position { height: 1, tx_index: 1, index: 0 }.into();
        check(&Transfer { placement, ..coinbase }, "position.tx_index: 1, but a coinbase");
        let full = legs(MAX_LEGS, 1);
        check(&utxo(UtxoMovement { coinbase: false, inputs: full.clone(), outputs: full }), "");
        let outputs = legs(1, MAX_HOLDERS);
        check(&utxo(UtxoMovement { outputs, ..UtxoMovement::default() }), "");
    }

    #[test]
    fn what_is_beyond_its_bounds_is_refused_by_its_field() {
        let chain = |chain: Chain, want| check(&Transfer { chain, ..account() }, want);
        chain(Chain::AnyEvm, "chain: eip155:* is a family");
        chain(Chain::AnyCosmos, "chain: cosmos:* is a family");
        chain(Chain::Evm(0), "chain: eip155:0 is not");
        chain(Chain::Other("eip155:1".into()), "chain: eip155:1 is not");
        chain(Chain::Cosmos("no such".into()), "chain: cosmos:no such is not");
        check(&Transfer { time: NOW + MAX_AHEAD + 1, ..account() }, "time: 1700007201");
        let late = Transfer { time: MAX_TIME + 1, ..account() };
        assert!(matches!(late.check(u64::MAX), Err(TransferError::Time { .. })));
        let position = |height, tx_index, want| {
            let placement = Position { height, tx_index, index: 0 }.into();
            check(&Transfer { placement, ..account() }, want);
        };
        position(MAX_HEIGHT + 1, 0, "position.height: 1099511627775");
        position(0, MAX_TX_INDEX + 1, "position.tx_index: 16777215");
        let partial = PartialPosition { height: MAX_HEIGHT + 1, index: None };
        let partial = Transfer { placement: Placement::Partial(partial), ..account() };
        check(&partial, "position.height: 1099511627775");
        for hashed in [Chain::Evm(1), Chain::Bitcoin] {
            chain(hashed, "tx: a transaction of");
        }
        for text in ["", "a b", "\u{200b}", &"x".repeat(MAX_NAME + 1)] {
            let tx = Some(TxId::Text(text.into()));
            check(&Transfer { tx, ..account() }, "tx: ");
        }
        let moved = |change: fn(&mut AccountMovement), want| {
            let mut transfer = account();
            let Movement::Account(account) = &mut transfer.movement else { unreachable!() };
            change(account);
            check(&transfer, want);
        };
        moved(|account| account.asset = Asset::Named("".into()), "asset: \"\"");
        for stands_for_native in [[0; 20], [0xee; 20]] {
            let mut transfer = account();
            let Movement::Account(account) = &mut transfer.movement else { unreachable!() };
            account.asset = Asset::Contract(stands_for_native);
            check(&transfer, "asset: 0x");
        }
        moved(|account| account.from = Some(Holder::Other("é".into())), "sender: \"é\"");
        let long = |account: &mut AccountMovement| {
            account.to = Some(Holder::Other("x".repeat(MAX_ADDRESS + 1).into()));
        };
        moved(long, "receiver: \"xxx");
        let legs = |inputs, outputs, coinbase, want| {
            check(&utxo(UtxoMovement { coinbase, inputs, outputs }), want);
        };
        legs(legs_of(1), vec![], true, "inputs: a coinbase transaction has none, not 1");
        legs(legs_of(MAX_LEGS + 1), vec![], false, "inputs: 100001 are more");
        legs(vec![], legs_of(MAX_LEGS + 1), false, "outputs: 100001 are more");
        legs(vec![], self::legs(2, MAX_HOLDERS + 1), false, "outputs[0].holders: 101 are more");
        let unseen = Leg { holders: vec![Holder::Other(" ".into())], ..Leg::default() };
        legs(vec![], vec![unseen], false, "outputs: \" \"");
        let mut named = legs_of(1);
        named[0].holders = vec![Holder::Evm([1; 20])];
        named[0].unattributable = true;
        legs(vec![], named, false, "outputs[0]: names holders");
    }

    fn legs_of(count: usize) -> Vec<Leg> {
        legs(count, 0)
    }
}
