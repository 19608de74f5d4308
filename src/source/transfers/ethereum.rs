//! Converts rows of ethereum-etl (transactions, token transfers, traces) to transfers.
//!
//! The top trace of a transaction is the transaction's own value: it gets the same position, so
//! that loading both files stores the movement once.

use super::error::{FieldFault, RowFault};
use super::joins::{Blocks, Receipt, Receipts};
use super::row::ConvertedRow;
use super::{LeftOut, PlainTimes, fields};
use crate::domain::chain::Chain;
use crate::domain::transfer::{
    AccountMovement, Amount, Asset, Holder, MAX_TX_INDEX, Movement, MovementKind, PartialPosition,
    Placement, Position, Transfer, TxId, TxStatus,
};
use crate::source::excerpt::excerpt;
use crate::source::rows::{Cells, Columns, optional, required};

/// The largest index of a log or trace: it is doubled, and two are added.
const MAX_INDEX: u32 = u32::MAX / 2 - 1;

/// Context of the rows: the chain, and further files.
pub(super) struct Context {
    /// The chain: an EVM chain.
    pub(super) chain: Chain,
    pub(super) blocks: Option<Blocks>,
    pub(super) receipts: Option<Receipts>,
    /// What a time without a time zone is.
    pub(super) plain_times: PlainTimes,
}

/// The place and time of a row.
struct Stand {
    height: u64,
    time: u64,
    block_hash: Option<[u8; 32]>,
}

/// The place of a row in its block.
#[derive(Clone, Copy)]
struct InBlock {
    tx_index: Option<u32>,
    /// As [`Position::index`].
    index: Option<u32>,
}

/// What moved in a row.
struct Moved {
    from: Option<Holder>,
    to: Option<Holder>,
    asset: Asset,
    amount: Amount,
}

impl Context {
    fn stand(&mut self, height: &[u8], time: &[u8], block_hash: &[u8]) -> Result<Stand, RowFault> {
        let height = needed("block_number", fields::height(height))?;
        let time =
            fields::time(time, self.plain_times).map_err(|fault| fault.of("block_timestamp"))?;
        let hash = fields::hash(block_hash).map_err(|fault| fault.of("block_hash"))?;
        let block = match (&mut self.blocks, time.is_some() && hash.is_some()) {
            (Some(blocks), false) => blocks.find(height),
            _ => None,
        };
        let Some(time) = time.or(block.map(|block| block.time)) else {
            return Err(RowFault::NoTime(match self.blocks {
                Some(_) => "and the blocks file does not have its block",
                None => "and no blocks file is given",
            }));
        };
        Ok(Stand { height, time, block_hash: hash.or(block.and_then(|block| block.hash())) })
    }

    /// Returns the receipt of a transaction, unless it is of another block than the row: after a
    /// reorganisation the outcome may differ.
    fn receipt(
        &self,
        tx: Option<[u8; 32]>,
        height: u64,
        tx_index: Option<u32>,
    ) -> Result<Receipt, RowFault> {
        let receipt = match (&self.receipts, tx) {
            (Some(receipts), Some(tx)) => receipts.find(&tx),
            _ => Receipt::default(),
        };
        if !receipt.is_of(height) {
            return Ok(Receipt { height: receipt.height, ..Receipt::default() });
        }
        if tx_index.zip(receipt.tx_index).is_some_and(|(said, known)| said != known) {
            return Err(RowFault::OtherReceipt("transaction_index"));
        }
        Ok(receipt)
    }

    /// Looks up the transaction of a row without one in the receipts.
    fn tx_at(&self, height: u64, tx_index: Option<u32>) -> Result<[u8; 32], RowFault> {
        let tx_index = tx_index.ok_or(RowFault::NoTransaction("and no transaction_index"))?;
        let Some(receipts) = &self.receipts else {
            return Err(RowFault::NoTransaction("and no receipts file is given"));
        };
        let why = "and the receipts file does not have exactly one transaction there";
        receipts.at(height, tx_index).ok_or(RowFault::NoTransaction(why))
    }

    fn holder(&self, field: &'static str, text: &[u8]) -> Result<Option<Holder>, RowFault> {
        fields::holder(text, &self.chain).map_err(|fault| fault.of(field))
    }

    fn transfer(
        &self,
        stand: Stand,
        place: InBlock,
        tx: Option<[u8; 32]>,
        status: TxStatus,
        moved: Moved,
    ) -> ConvertedRow {
        let Moved { from, to, asset, amount } = moved;
        let height = stand.height;
        let InBlock { tx_index, index } = place;
        let placement = match (tx_index, index) {
            (Some(tx_index), Some(index)) => Position { height, tx_index, index }.into(),
            _ => Placement::Partial(PartialPosition { height, index }),
        };
        ConvertedRow::Transfer(Transfer {
            chain: self.chain.clone(),
            time: stand.time,
            placement,
            block_hash: stand.block_hash,
            tx: tx.map(TxId::Hash),
            status,
            movement: Movement::Account(AccountMovement {
                from,
                to,
                asset,
                amount,
                usd_micros: None,
            }),
        })
    }
}

/// Requires a value.
fn needed<T>(field: &'static str, value: Result<Option<T>, FieldFault>) -> Result<T, RowFault> {
    value.and_then(|value| value.ok_or(FieldFault::Missing)).map_err(|fault| fault.of(field))
}

pub(super) static TRANSACTIONS: Columns = Columns {
    read_as: "ethereum-transactions",
    list: &[
        required("hash"),
        required("block_number"),
        required("transaction_index"),
        required("from_address"),
        required("to_address"),
        required("value"),
        optional("block_hash"),
        optional("block_timestamp"),
        optional("receipt_status"),
        optional("status"),
        optional("receipt_contract_address"),
    ],
    closed: false,
};

/// Converts a row of `transactions.csv`.
pub(super) fn transaction(row: Cells<'_>, context: &mut Context) -> Result<ConvertedRow, RowFault> {
    let tx = needed("hash", fields::hash(row.of(0)))?;
    let stand = context.stand(row.of(1), row.of(7), row.of(6))?;
    let tx_index = fields::tx_index(row.of(2)).map_err(|fault| fault.of("transaction_index"))?;
    let receipt = context.receipt(Some(tx), stand.height, tx_index)?;
    let said = match row.of(8) {
        b"" => fields::status(row.of(9)),
        text => fields::status(text),
    };
    let said = said.map_err(|fault| fault.of("receipt_status"))?;
    let status = match (said, receipt.status) {
        (TxStatus::Unknown, status) | (status, TxStatus::Unknown) => status,
        (said, known) if said == known => said,
        _ => return Err(RowFault::OtherReceipt("receipt_status")),
    };
    let to = match row.of(4) {
        // The contract that it creates.
        b"" => match context.holder("receipt_contract_address", row.of(10))? {
            None if receipt.is_of(stand.height) => {
                context.receipts.as_ref().and_then(|of| of.created(&tx)).map(Holder::Evm)
            }
            None => None,
            contract => contract,
        },
        text => context.holder("to_address", text)?,
    };
    let from = context.holder("from_address", row.of(3))?;
    if from.is_none() {
        return Err(FieldFault::Missing.of("from_address"));
    }
    let moved = Moved {
        from,
        to,
        asset: Asset::Native,
        amount: fields::smallest_units(row.of(5)).map_err(|fault| fault.of("value"))?,
    };
    let place = InBlock { tx_index: tx_index.or(receipt.tx_index), index: Some(0) };
    Ok(context.transfer(stand, place, Some(tx), status, moved))
}

pub(super) static TOKEN_TRANSFERS: Columns = Columns {
    read_as: "ethereum-token-transfers",
    list: &[
        required("token_address"),
        required("from_address"),
        required("to_address"),
        required("value"),
        required("transaction_hash"),
        required("log_index"),
        required("block_number"),
        optional("block_hash"),
        optional("block_timestamp"),
        optional("transaction_index"),
    ],
    closed: false,
};

/// Converts a row of `token_transfers.csv`. It lacks the index of its transaction: without a
/// receipts file its position is partial.
pub(super) fn token_transfer(
    row: Cells<'_>,
    context: &mut Context,
) -> Result<ConvertedRow, RowFault> {
    let Some(contract) = fields::evm(row.of(0)) else {
        let fault = FieldFault::not_a("a contract: 0x and 40 hex digits", row.of(0));
        return Err(fault.of("token_address"));
    };
    let tx = needed("transaction_hash", fields::hash(row.of(4)))?;
    let log_index = needed("log_index", fields::number32(row.of(5), MAX_INDEX))?;
    let stand = context.stand(row.of(6), row.of(8), row.of(7))?;
    let tx_index = fields::tx_index(row.of(9)).map_err(|fault| fault.of("transaction_index"))?;
    let receipt = context.receipt(Some(tx), stand.height, tx_index)?;
    let (from, to) =
        (context.holder("from_address", row.of(1))?, context.holder("to_address", row.of(2))?);
    if from.is_none() && to.is_none() {
        return Err(RowFault::NoHolder);
    }
    let moved = Moved {
        from,
        to,
        asset: Asset::Contract(contract),
        amount: fields::smallest_units(row.of(3)).map_err(|fault| fault.of("value"))?,
    };
    let place = InBlock { tx_index: tx_index.or(receipt.tx_index), index: Some(1 + 2 * log_index) };
    Ok(context.transfer(stand, place, Some(tx), receipt.status, moved))
}

pub(super) static TRACES: Columns = Columns {
    read_as: "ethereum-traces",
    list: &[
        required("block_number"),
        required("transaction_hash"),
        required("from_address"),
        required("to_address"),
        required("value"),
        required("trace_type"),
        required("call_type"),
        optional("transaction_index"),
        optional("trace_address"),
        optional("trace_id"),
        optional("trace_index"),
        optional("status"),
        optional("block_hash"),
        optional("block_timestamp"),
        optional("error"),
    ],
    closed: false,
};

/// Words that some exporters write for "no error". Read as an error, they would discard a movement.
const NO_ERROR: [&[u8]; 9] =
    [b"", b"null", b"NULL", b"None", b"nan", b"NaN", b"<NA>", b"\\N", b"false"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A call or creation, in a transaction.
    Call,
    /// The end of a contract, which gives away what it holds.
    Suicide,
    /// New coins for a miner, after the transactions of the block.
    Reward,
    /// Coins of the first block, or moved by the fork of 2016: before the block's transactions.
    Genesis,
}

/// Converts a row of `traces.csv`.
pub(super) fn trace(row: Cells<'_>, context: &mut Context) -> Result<ConvertedRow, RowFault> {
    let kind = match kind(row.of(5), row.of(6))? {
        Ok(kind) => kind,
        Err(left_out) => return Ok(ConvertedRow::LeftOut(left_out)),
    };
    let stand = context.stand(row.of(0), row.of(13), row.of(12))?;
    let status = fields::status(row.of(11)).map_err(|fault| fault.of("status"))?;
    let tx_index = fields::tx_index(row.of(7)).map_err(|fault| fault.of("transaction_index"))?;
    let tx = match kind {
        Kind::Call | Kind::Suicide => {
            let stated = fields::hash(row.of(1)).map_err(|fault| fault.of("transaction_hash"))?;
            Some(stated.map_or_else(|| context.tx_at(stand.height, tx_index), Ok)?)
        }
        Kind::Reward | Kind::Genesis => None,
    };
    let receipt = context.receipt(tx, stand.height, tx_index)?;
    let tx_index = match kind {
        Kind::Call | Kind::Suicide => tx_index.or(receipt.tx_index),
        Kind::Reward => Some(MAX_TX_INDEX),
        Kind::Genesis => Some(0),
    };
    let index = trace_place(kind, row)?;
    let (from, to) =
        (context.holder("from_address", row.of(2))?, context.holder("to_address", row.of(3))?);
    if from.is_none() && to.is_none() {
        return Err(RowFault::NoHolder);
    }
    // A self-destruct of an empty contract may have no value.
    let amount = match row.of(4) {
        b"" if kind == Kind::Suicide => Amount::ZERO,
        text => fields::smallest_units(text).map_err(|fault| fault.of("value"))?,
    };
    let moved = Moved { from, to, asset: Asset::Native, amount };
    // A trace may fail in a transaction that succeeds; one that failed failed altogether. Traces
    // that a node gave, and no exporter, have an error and no status.
    let has_error = !NO_ERROR.contains(&row.of(14).trim_ascii());
    let status = match receipt.status {
        TxStatus::Failed => TxStatus::Failed,
        TxStatus::Unknown | TxStatus::Succeeded if has_error => TxStatus::Failed,
        TxStatus::Unknown | TxStatus::Succeeded => status,
    };
    Ok(context.transfer(stand, InBlock { tx_index, index }, tx, status, moved))
}

/// Returns the kind of a trace, or why it moves nothing.
fn kind(trace_type: &[u8], call_type: &[u8]) -> Result<Result<Kind, LeftOut>, RowFault> {
    let unknown =
        |what, text| Err(RowFault::UnknownTrace(what, excerpt(&String::from_utf8_lossy(text))));
    Ok(match (trace_type, call_type) {
        (b"call", b"call") | (b"create" | b"create2", _) => Ok(Kind::Call),
        (b"call", b"delegatecall") => Err(LeftOut::DelegateCall),
        (b"call", b"callcode") => Err(LeftOut::CallCode),
        (b"call", b"staticcall") => Err(LeftOut::StaticCall),
        (b"suicide" | b"selfdestruct", _) => Ok(Kind::Suicide),
        (b"reward", _) => Ok(Kind::Reward),
        (b"genesis" | b"daofork", _) => Ok(Kind::Genesis),
        (b"call", other) => return unknown("call_type", other),
        (other, _) => return unknown("trace_type", other),
    })
}

/// Returns the trace's index in its transaction, if known.
fn trace_place(kind: Kind, row: Cells<'_>) -> Result<Option<u32>, RowFault> {
    let fault = |fault: FieldFault| fault.of("trace_address");
    let path = match (row.of(8), row.of(9)) {
        (b"", b"") if !row.has(8) => None,
        (b"", id) if !id.is_empty() => {
            path_of_id(id).map(|path| trace_path(path, b'_')).transpose().map_err(fault)?
        }
        (path, _) => {
            let inner = path.strip_prefix(b"[").and_then(|path| path.strip_suffix(b"]"));
            Some(trace_path(inner.unwrap_or(path), b',').map_err(fault)?)
        }
    };
    // Without it, the transaction's own value could not be told from another.
    match (kind, &path) {
        (Kind::Call, None) => return Err(fault(FieldFault::Missing)),
        (Kind::Call, Some(path)) if path.is_empty() => return Ok(Some(0)),
        _ => {}
    }
    let trace_index = fields::number32(row.of(10), MAX_INDEX);
    let number = match trace_index.map_err(|fault| fault.of("trace_index"))? {
        None if matches!(kind, Kind::Reward | Kind::Genesis) => None,
        None => path.as_deref().and_then(path_number),
        number => number,
    };
    Ok(number.map(|number| 2 + 2 * number))
}

/// Returns the place of a log with index `text`, if readable.
pub(super) fn log_place(text: &[u8]) -> Option<u32> {
    fields::number32(text, MAX_INDEX).ok().flatten().map(|index| 1 + 2 * index)
}

/// Returns the place and kind of a rejected trace, as far as readable.
pub(super) fn readable_trace(row: Cells<'_>) -> (Option<u32>, Option<MovementKind>) {
    let kind = match row.of(5) {
        b"call" | b"create" | b"create2" => Kind::Call,
        b"suicide" | b"selfdestruct" => Kind::Suicide,
        _ => return (None, None),
    };
    match trace_place(kind, row) {
        Ok(Some(0)) => (Some(0), Some(MovementKind::Native)),
        // Without a place it is too deep for one.
        Ok(index) => (index, Some(MovementKind::Internal)),
        Err(_) => (None, None),
    }
}

/// The path in a trace id: `call_0x<hash>_0_1`.
fn path_of_id(id: &[u8]) -> Option<&[u8]> {
    let mut parts = id.splitn(3, |byte| *byte == b'_');
    let (_, hash, path) = (parts.next()?, parts.next()?, parts.next()?);
    hash.starts_with(b"0x").then_some(path)
}

/// The way from the top of the transaction down to the trace.
fn trace_path(text: &[u8], separator: u8) -> Result<Vec<u32>, FieldFault> {
    if text.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let parts = text.split(|byte| *byte == separator);
    parts
        .map(|part| fields::number32(part.trim_ascii(), MAX_INDEX)?.ok_or(FieldFault::Missing))
        .collect()
}

/// A number of at most 30 bits that no other path has: each step of it, one higher, in Elias' gamma
/// code behind a leading 1. `None` where that is too long.
fn path_number(path: &[u32]) -> Option<u32> {
    let mut number = 1u64;
    for step in path {
        let step = u64::from(*step) + 1;
        let width = step.ilog2();
        number = number << (2 * width + 1) | step;
        if number >= 1 << 30 {
            return None;
        }
    }
    u32::try_from(number).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn paths_have_numbers_of_their_own() {
        let mut seen = HashSet::new();
        let mut paths = vec![Vec::new()];
        for _ in 0..4 {
            let longer = paths.iter().flat_map(|path: &Vec<u32>| {
                (0..6).map(move |step| path.iter().copied().chain([step]).collect())
            });
            let longer: Vec<Vec<u32>> = longer.collect();
            paths.extend(longer);
            paths.sort();
            paths.dedup();
        }
        for path in &paths {
            assert!(seen.insert(path_number(path).unwrap()), "{path:?}");
        }
        assert!(seen.len() > 1000);
        assert!(path_number(&[100, 3]).is_some());
        assert_eq!(path_number(&[0; 30]), None);
        assert_eq!(path_number(&[MAX_INDEX, MAX_INDEX, MAX_INDEX]), None);
    }

    #[test]
    fn paths_are_read_from_ids() {
        assert_eq!(path_of_id(b"call_0xab_"), Some(&b""[..]));
        assert_eq!(path_of_id(b"call_0xab_0_12"), Some(&b"0_12"[..]));
        assert_eq!(path_of_id(b"reward_508110_1"), None);
        assert_eq!(path_of_id(b"call"), None);
        assert_eq!(trace_path(b"0_12", b'_'), Ok(vec![0, 12]));
        assert_eq!(trace_path(b"", b','), Ok(vec![]));
        assert!(trace_path(b"0,x", b',').is_err());
        assert!(trace_path(b"0,,1", b',').is_err());
    }
}
