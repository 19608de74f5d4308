//! The place of an invalid row, as far as it can be read: data there is incomplete, and coverage
//! must not claim it.

use super::bitcoin::Bitcoin;
use super::ethereum::{self, Context};
use super::row::RowPlace;
use super::{PlainTimes, fields};
use crate::domain::transfer::{MovementKind, TxId};
use crate::source::rows::{Cells, Columns};

/// The values of a row by the names of their columns.
struct Row<'a> {
    cells: Cells<'a>,
    columns: &'static Columns<'static>,
    plain_times: PlainTimes,
}

impl<'a> Row<'a> {
    fn of(&self, column: &str) -> &'a [u8] {
        self.columns.find(column).map_or(&[], |column| self.cells.of(column))
    }

    fn tx(&self, column: &str) -> Option<TxId> {
        fields::hash(self.of(column)).ok().flatten().map(TxId::Hash)
    }

    fn height(&self) -> Option<u64> {
        fields::height(self.of("block_number")).ok().flatten()
    }

    fn time(&self) -> Option<u64> {
        fields::time(self.of("block_timestamp"), self.plain_times).ok().flatten()
    }
}

/// Of a row of ethereum-etl.
fn ethereum_row(row: &Row<'_>, tx: &str, context: &mut Context) -> RowPlace {
    let height = row.height();
    let joined = height.and_then(|height| context.blocks.as_mut()?.find(height));
    RowPlace {
        chain: Some(context.chain.clone()),
        height,
        time: row.time().or(joined.map(|block| block.time)),
        tx: row.tx(tx),
        index: None,
        kind: None,
    }
}

/// Of a row of ethereum-etl transactions.
pub(super) fn transaction(cells: Option<Cells<'_>>, context: &mut Context) -> RowPlace {
    let kind = Some(MovementKind::Native);
    let Some(cells) = cells else {
        return RowPlace { chain: Some(context.chain.clone()), kind, ..RowPlace::default() };
    };
    let row = Row { cells, columns: &ethereum::TRANSACTIONS, plain_times: context.plain_times };
    RowPlace { index: Some(0), kind, ..ethereum_row(&row, "hash", context) }
}

/// Of a row of ethereum-etl token transfers.
pub(super) fn token_transfer(cells: Option<Cells<'_>>, context: &mut Context) -> RowPlace {
    let kind = Some(MovementKind::Tokens);
    let Some(cells) = cells else {
        return RowPlace { chain: Some(context.chain.clone()), kind, ..RowPlace::default() };
    };
    let plain_times = context.plain_times;
    let row = Row { cells, columns: &ethereum::TOKEN_TRANSFERS, plain_times };
    let index = ethereum::log_place(row.of("log_index"));
    RowPlace { index, kind, ..ethereum_row(&row, "transaction_hash", context) }
}

/// Of a row of ethereum-etl traces.
pub(super) fn trace(cells: Option<Cells<'_>>, context: &mut Context) -> RowPlace {
    let Some(cells) = cells else {
        return RowPlace { chain: Some(context.chain.clone()), ..RowPlace::default() };
    };
    let row = Row { cells, columns: &ethereum::TRACES, plain_times: context.plain_times };
    let (index, kind) = ethereum::readable_trace(cells);
    RowPlace { index, kind, ..ethereum_row(&row, "transaction_hash", context) }
}

/// Of a row of bitcoin-etl transactions.
pub(super) fn bitcoin(cells: Option<Cells<'_>>, reader: &Bitcoin) -> RowPlace {
    let (chain, kind) = (Some(reader.chain().clone()), Some(MovementKind::Utxo));
    let Some(cells) = cells else { return RowPlace { chain, kind, ..RowPlace::default() } };
    let plain_times = reader.plain_times();
    let row = Row { cells, columns: &super::bitcoin::TRANSACTIONS, plain_times };
    let (height, time) = (row.height(), row.time());
    RowPlace { chain, height, time, tx: row.tx("hash"), index: Some(0), kind }
}
