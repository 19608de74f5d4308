//! Transfers as proto messages, and back: messages come from outside, so that every field is
//! checked and the first encoding_error named. No opinion on what counts for exposure.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;

use super::{hex, v1};
use crate::domain::address::Address;
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::transfer::{
    AccountMovement, Amount, Holder, Leg, MAX_HEIGHT, MAX_HOLDERS, MAX_LEGS, MAX_NAME, MAX_TIME,
    MAX_TX_INDEX, Movement, PartialPosition, Placement, Position, Transfer, TxId, TxStatus,
    UtxoMovement,
};

/// The longest text that stands for an amount, in bytes: 2^256 - 1 has 78 digits.
const MAX_AMOUNT: usize = 78;

/// What is wrong with a transfer: the field, as a path in its message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingError {
    /// The field, such as `utxo.inputs[3].amount`; empty where it is about the whole.
    pub field: String,
    pub message: String,
}

impl EncodingError {
    fn new(field: &str, message: impl fmt::Display) -> Self {
        Self { field: field.to_owned(), message: message.to_string() }
    }

    /// The encoding_error of a part, seen from what it is a part of.
    pub fn within(mut self, whole: &str) -> Self {
        self.field = if self.field.is_empty() {
            whole.to_owned()
        } else {
            format!("{whole}.{}", self.field)
        };
        self
    }
}

/// A transfer as its message.
pub fn message(transfer: &Transfer) -> v1::Transfer {
    use v1::transfer::Movement as Part;
    v1::Transfer {
        chain: transfer.chain.to_string(),
        time: Some(time(transfer.time)),
        position: transfer.position().map(position),
        partial_position: match transfer.placement {
            Placement::Partial(PartialPosition { height, index }) => {
                Some(v1::PartialPosition { height, index })
            }
            Placement::Whole(_) | Placement::Unknown => None,
        },
        block_hash: transfer.block_hash.map(|hash| hex(&hash)).unwrap_or_default(),
        tx: tx(transfer.tx.as_ref(), &transfer.chain),
        status: v1::TransactionStatus::from(transfer.status).into(),
        movement: Some(match &transfer.movement {
            Movement::Account(account) => Part::Account(v1::AccountMovement {
                sender: holder(account.from.as_ref()),
                receiver: holder(account.to.as_ref()),
                asset: account.asset.to_string(),
                amount: account.amount.to_string(),
                usd_micros: account.usd_micros,
            }),
            Movement::Utxo(utxo) => Part::Utxo(v1::UtxoMovement {
                coinbase: utxo.coinbase,
                inputs: utxo.inputs.iter().map(leg).collect(),
                outputs: utxo.outputs.iter().map(leg).collect(),
            }),
        }),
    }
}

/// Seconds since 1970 as a moment.
pub fn time(seconds: u64) -> pbjson_types::Timestamp {
    // At most MAX_TIME.
    pbjson_types::Timestamp { seconds: seconds.cast_signed(), nanos: 0 }
}

/// A place in a chain.
pub fn position(position: Position) -> v1::ChainPosition {
    let Position { height, tx_index, index } = position;
    v1::ChainPosition { height, tx_index, index }
}

/// A transaction as its chain writes it; empty where the data had none.
pub fn tx(tx: Option<&TxId>, chain: &Chain) -> String {
    match (tx, chain) {
        (None, _) => String::new(),
        (Some(tx @ TxId::Hash(_)), Chain::Evm(_)) => format!("0x{tx}"),
        (Some(tx), _) => tx.to_string(),
    }
}

fn holder(holder: Option<&Holder>) -> String {
    holder.map(ToString::to_string).unwrap_or_default()
}

fn leg(leg: &Leg) -> v1::UtxoLeg {
    v1::UtxoLeg {
        addresses: leg.holders.iter().map(ToString::to_string).collect(),
        amount: leg.amount,
        unattributable: leg.unattributable,
    }
}

impl From<TxStatus> for v1::TransactionStatus {
    fn from(status: TxStatus) -> Self {
        match status {
            TxStatus::Unknown => Self::Unspecified,
            TxStatus::Succeeded => Self::Succeeded,
            TxStatus::Failed => Self::Failed,
        }
    }
}

/// A chain that transfers may stand on: one, not a family.
pub fn from_chain(text: &str) -> Result<Chain, String> {
    let chain: Chain =
        text.parse().map_err(|error: crate::domain::chain::ChainError| error.to_string())?;
    if chain.is_family() {
        return Err(format!("{chain} is a family of chains: name one"));
    }
    Ok(chain)
}

/// A message as the transfer that it says, or the first field that is wrong.
pub fn from_message(message: &v1::Transfer) -> Result<Transfer, EncodingError> {
    use v1::transfer::Movement as Part;
    let chain = from_chain(&message.chain).map_err(|error| EncodingError::new("chain", error))?;
    let status = match message.status.try_into() {
        Ok(v1::TransactionStatus::Unspecified) => TxStatus::Unknown,
        Ok(v1::TransactionStatus::Succeeded) => TxStatus::Succeeded,
        Ok(v1::TransactionStatus::Failed) => TxStatus::Failed,
        Err(_) => {
            return Err(EncodingError::new("status", format!("{} is no status", message.status)));
        }
    };
    let movement = match &message.movement {
        None => return Err(EncodingError::new("", "neither account nor utxo")),
        Some(Part::Account(account)) => {
            let account = from_account(account, &chain).map_err(|it| it.within("account"))?;
            Movement::Account(account)
        }
        Some(Part::Utxo(utxo)) => {
            let utxo = from_utxo(utxo, &chain).map_err(|it| it.within("utxo"))?;
            Movement::Utxo(Box::new(utxo))
        }
    };
    Ok(Transfer {
        time: from_time(message.time.as_ref())
            .map_err(|error| EncodingError::new("time", error))?,
        placement: placement(message.position, message.partial_position)?,
        block_hash: match message.block_hash.as_str() {
            "" => None,
            text => Some(from_hash(text).ok_or_else(|| {
                EncodingError::new("block_hash", format!("{text:?} is not 32 bytes in hex"))
            })?),
        },
        tx: from_tx(&message.tx).map_err(|error| EncodingError::new("tx", error))?,
        status,
        chain,
        movement,
    })
}

fn from_time(time: Option<&pbjson_types::Timestamp>) -> Result<u64, String> {
    let time = time.ok_or("missing")?;
    let sub_second = (0..1_000_000_000).contains(&time.nanos);
    match u64::try_from(time.seconds) {
        Ok(seconds) if seconds <= MAX_TIME && sub_second => Ok(seconds),
        _ => Err(format!("not between 1970 and {MAX_TIME} s after it")),
    }
}

fn placement(
    position: Option<v1::ChainPosition>,
    partial: Option<v1::PartialPosition>,
) -> Result<Placement, EncodingError> {
    match (position, partial) {
        (None, None) => Ok(Placement::Unknown),
        (None, Some(partial)) => from_partial_position(partial).map(Placement::Partial),
        (Some(position), None) => from_position(position).map(Placement::Whole),
        (Some(_), Some(_)) => {
            let message = "there is a position: give one of the two";
            Err(EncodingError::new("partial_position", message))
        }
    }
}

fn from_position(position: v1::ChainPosition) -> Result<Position, EncodingError> {
    let v1::ChainPosition { height, tx_index, index } = position;
    if height > MAX_HEIGHT {
        return Err(EncodingError::new(
            "position.height",
            format!("{height}, at most {MAX_HEIGHT}"),
        ));
    }
    if tx_index > MAX_TX_INDEX {
        let message = format!("{tx_index}, at most {MAX_TX_INDEX}");
        return Err(EncodingError::new("position.tx_index", message));
    }
    Ok(Position { height, tx_index, index })
}

fn from_partial_position(partial: v1::PartialPosition) -> Result<PartialPosition, EncodingError> {
    let v1::PartialPosition { height, index } = partial;
    if height > MAX_HEIGHT {
        let message = format!("{height}, at most {MAX_HEIGHT}");
        return Err(EncodingError::new("partial_position.height", message));
    }
    Ok(PartialPosition { height, index })
}

/// 32 bytes in hex, with or without `0x`.
pub fn from_hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let digits = digits.as_bytes().as_array::<64>()?;
    let mut hash = [0; 32];
    HEXLOWER_PERMISSIVE.decode_mut(digits, &mut hash).ok()?;
    Some(hash)
}

/// A transaction as it is written; `None` where it is empty.
pub fn from_tx(text: &str) -> Result<Option<TxId>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(hash) = from_hash(text) {
        return Ok(Some(TxId::Hash(hash)));
    }
    if text.len() > MAX_NAME {
        return Err(format!("{} bytes, at most {MAX_NAME}", text.len()));
    }
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Some(TxId::Text(text.into())))
    } else {
        Err(format!("{text:?} is not visible ASCII"))
    }
}

fn from_account(
    account: &v1::AccountMovement,
    chain: &Chain,
) -> Result<AccountMovement, EncodingError> {
    let end = |field: &str, text: &str| match text {
        "" => Ok(None),
        text => {
            from_holder(text, chain).map(Some).map_err(|error| EncodingError::new(field, error))
        }
    };
    let (from, to) = (end("sender", &account.sender)?, end("receiver", &account.receiver)?);
    if from.is_none() && to.is_none() {
        return Err(EncodingError::new("", "neither sender nor receiver"));
    }
    let asset = AssetTable::asset(&account.asset, chain).ok_or_else(|| {
        let shown: String = account.asset.chars().take(MAX_NAME).collect();
        EncodingError::new("asset", format!("{shown:?} is no asset of {chain}"))
    })?;
    let amount =
        from_amount(&account.amount).map_err(|error| EncodingError::new("amount", error))?;
    Ok(AccountMovement { from, to, asset, amount, usd_micros: account.usd_micros })
}

/// An address as transfers have it: one that cannot stand on the chain is a mistake of the sender.
fn from_holder(text: &str, chain: &Chain) -> Result<Holder, String> {
    let holder = Holder::parse(text, chain).map_err(|error| error.to_string())?;
    let fits = match (&holder, chain) {
        (Holder::Evm(_), Chain::Evm(_)) | (_, Chain::Other(_)) => true,
        (Holder::Evm(_), _) => false,
        (Holder::Other(canonical), chain) => {
            Address::parse(canonical, Some(chain)).is_ok_and(|address| address.fits(chain))
        }
    };
    if fits { Ok(holder) } else { Err(format!("{holder} cannot stand on {chain}")) }
}

/// Decimal digits and nothing else.
pub fn from_amount(text: &str) -> Result<Amount, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let amount =
        (digits && text.len() <= MAX_AMOUNT).then(|| Amount::from_str_radix(text, 10).ok());
    amount.flatten().ok_or_else(|| {
        let shown: String = text.chars().take(MAX_AMOUNT + 1).collect();
        format!("{shown:?} is not an amount: decimal digits, below 2^256")
    })
}

fn from_utxo(utxo: &v1::UtxoMovement, chain: &Chain) -> Result<UtxoMovement, EncodingError> {
    if utxo.coinbase && !utxo.inputs.is_empty() {
        return Err(EncodingError::new("inputs", "a coinbase transaction has none"));
    }
    if !chain.is_utxo() && !matches!(chain, Chain::Other(_)) {
        return Err(EncodingError::new(
            "",
            format!("{chain} has accounts, not inputs and outputs"),
        ));
    }
    if utxo.inputs.is_empty() && utxo.outputs.is_empty() {
        return Err(EncodingError::new("", "neither inputs nor outputs"));
    }
    if utxo.outputs.is_empty() && !chain.may_hide_outputs() {
        return Err(EncodingError::new("outputs", "none: a transaction pays somebody"));
    }
    let legs = |field: &str, legs: &[v1::UtxoLeg]| {
        if legs.len() > MAX_LEGS {
            return Err(EncodingError::new(
                field,
                format!("{} of them, at most {MAX_LEGS}", legs.len()),
            ));
        }
        let leg = |(place, leg)| {
            from_leg(leg, chain)
                .map_err(|it: EncodingError| it.within(&format!("{field}[{place}]")))
        };
        legs.iter().enumerate().map(leg).collect::<Result<Vec<_>, _>>()
    };
    Ok(UtxoMovement {
        coinbase: utxo.coinbase,
        inputs: legs("inputs", &utxo.inputs)?,
        outputs: legs("outputs", &utxo.outputs)?,
    })
}

fn from_leg(leg: &v1::UtxoLeg, chain: &Chain) -> Result<Leg, EncodingError> {
    if leg.addresses.len() > MAX_HOLDERS {
        let message = format!("{} of them, at most {MAX_HOLDERS}", leg.addresses.len());
        return Err(EncodingError::new("addresses", message));
    }
    let holder = |(place, text): (usize, &String)| {
        let named = |error| EncodingError::new(&format!("addresses[{place}]"), error);
        from_holder(text, chain).map_err(named)
    };
    let holders = leg.addresses.iter().enumerate().map(holder).collect::<Result<_, _>>()?;
    Ok(Leg { holders, unattributable: leg.unattributable, amount: leg.amount })
}

#[cfg(test)]
mod tests;
