//! Joins further files to the rows of an ethereum-etl file: time and hash of blocks, status and
//! index of transactions. Held in memory, within bounds.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use super::amazon::Unit;
use super::error::{FieldFault, ReadTransfersError, RowFault};
use super::{PlainTimes, ReadSettings, fields, schema};
use crate::domain::transfer::TxStatus;
use crate::source::rows::{Columns, Origin, RowShapeFault, Table, optional, required};

const NUMBER: usize = 0;
const TIMESTAMP: usize = 1;
const BLOCK_HASH: usize = 2;

static BLOCK_COLUMNS: Columns = Columns {
    read_as: "ethereum-etl blocks",
    list: &[required("number"), required("timestamp"), optional("hash")],
    closed: false,
};

const TRANSACTION_HASH: usize = 0;
const HASH: usize = 1;
const STATUS: usize = 2;
const RECEIPT_STATUS: usize = 3;
const TRANSACTION_INDEX: usize = 4;
const CONTRACT: usize = 5;
const RECEIPT_CONTRACT: usize = 6;
const BLOCK_NUMBER: usize = 7;

static RECEIPT_COLUMNS: Columns = Columns {
    read_as: "ethereum-etl receipts",
    list: &[
        optional("transaction_hash"),
        optional("hash"),
        optional("status"),
        optional("receipt_status"),
        optional("transaction_index"),
        optional("contract_address"),
        optional("receipt_contract_address"),
        optional("block_number"),
    ],
    closed: false,
};

/// Data of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    number: u64,
    /// In Unix seconds.
    pub(super) time: u64,
    hash: [u8; 32],
}

impl Block {
    /// Returns its hash, if stated.
    pub(super) fn hash(&self) -> Option<[u8; 32]> {
        (self.hash != [0; 32]).then_some(self.hash)
    }
}

/// The blocks of a blocks file, in order.
pub(super) struct Blocks {
    sorted: Vec<Block>,
    /// The index of the last match: rows are mostly in block order.
    last: usize,
}

impl Blocks {
    pub(super) fn read(path: &Path, settings: &ReadSettings) -> Result<Self, ReadTransfersError> {
        let bounds = &settings.bounds;
        let mut table = Table::open(Origin::File(path), None, &settings.of_rows())?;
        schema::check(&table, &BLOCK_COLUMNS, Unit::Smallest)?;
        table.select(&BLOCK_COLUMNS)?;
        let mut sorted = Vec::new();
        while table.advance()? {
            if sorted.len() == bounds.max_blocks {
                return Err(table.unfit(format!("more than {} blocks", bounds.max_blocks)).into());
            }
            match block(&mut table, settings.plain_times) {
                Ok(block) => sorted.push(block),
                Err(fault) => {
                    return Err(ReadTransfersError::of_joined_row(path, table.place(), fault));
                }
            }
        }
        sorted.sort_unstable();
        sorted.dedup();
        match sorted.windows(2).find(|pair| pair[0].number == pair[1].number) {
            Some(pair) => Err(table
                .unfit(format!("block {} stands twice and differs", pair[0].number))
                .into()),
            None => Ok(Self { sorted, last: 0 }),
        }
    }

    /// Data of a block.
    pub(super) fn find(&mut self, number: u64) -> Option<Block> {
        let near = [self.last, self.last + 1];
        let at = near
            .into_iter()
            .find(|at| self.sorted.get(*at).is_some_and(|block| block.number == number))
            .or_else(|| self.sorted.binary_search_by_key(&number, |block| block.number).ok())?;
        self.last = at;
        Some(self.sorted[at])
    }
}

fn block(table: &mut Table<'_>, plain_times: PlainTimes) -> Result<Block, RowFault> {
    let cells = table.cells()?;
    let number =
        fields::height(cells.of(NUMBER)).and_then(|value| value.ok_or(FieldFault::Missing));
    let time = fields::time(cells.of(TIMESTAMP), plain_times);
    let time = time.and_then(|value| value.ok_or(FieldFault::Missing));
    let hash = fields::hash(cells.of(BLOCK_HASH));
    Ok(Block {
        number: number.map_err(|fault| fault.of("number"))?,
        time: time.map_err(|fault| fault.of("timestamp"))?,
        hash: hash.map_err(|fault| fault.of("hash"))?.unwrap_or_default(),
    })
}

/// Data of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Receipt {
    /// Whether it took effect.
    pub(super) status: TxStatus,
    /// Its index in its block.
    pub(super) tx_index: Option<u32>,
    /// The height of its block, where it is stated and below 2^32.
    pub(super) height: Option<u32>,
}

impl Receipt {
    /// Returns true if it may belong to a block.
    pub(super) fn is_of(&self, height: u64) -> bool {
        self.height.is_none_or(|known| u64::from(known) == height)
    }
}

/// The transactions of a receipts file, by their hashes.
pub(super) struct Receipts {
    receipts: HashMap<[u8; 32], Receipt>,
    /// The contracts created by the few creating transactions.
    created: HashMap<[u8; 32], [u8; 20]>,
    /// Transactions by block and index, for rows without hashes; `None` for duplicates, as around a
    /// reorganisation.
    placed: HashMap<(u32, u32), Option<[u8; 32]>>,
}

impl Receipts {
    /// Reads a receipts file, or a transactions file with the same data; `by_place` also indexes by
    /// block and index.
    pub(super) fn read(
        path: &Path,
        settings: &ReadSettings,
        by_place: bool,
    ) -> Result<Self, ReadTransfersError> {
        let bounds = &settings.bounds;
        let mut table = Table::open(Origin::File(path), None, &settings.of_rows())?;
        schema::check(&table, &RECEIPT_COLUMNS, Unit::Smallest)?;
        table.select(&RECEIPT_COLUMNS)?;
        let has = |name: &str| table.names().iter().any(|column| column == name);
        if !has("transaction_hash") && !has("hash") {
            return Err(table.no_column(&RECEIPT_COLUMNS, "transaction_hash").into());
        }
        let facts = [
            "status",
            "receipt_status",
            "transaction_index",
            "contract_address",
            "receipt_contract_address",
        ];
        if !facts.into_iter().any(has) {
            return Err(table.no_column(&RECEIPT_COLUMNS, "status").into());
        }
        let mut receipts = HashMap::new();
        let mut created = HashMap::new();
        let mut placed = HashMap::new();
        while table.advance()? {
            let (hash, receipt, contract) = match receipt(&mut table) {
                Ok(row) => row,
                Err(fault) => {
                    return Err(ReadTransfersError::of_joined_row(path, table.place(), fault));
                }
            };
            let full = receipts.len() == bounds.max_receipts;
            match receipts.entry(hash) {
                Entry::Occupied(found)
                    if *found.get() == receipt && created.get(&hash) == contract.as_ref() => {}
                Entry::Occupied(_) => {
                    let twice = "the transaction stands twice and differs".to_owned();
                    let fault = RowShapeFault::Syntax(twice).into();
                    return Err(ReadTransfersError::of_joined_row(path, table.place(), fault));
                }
                Entry::Vacant(_) if full => {
                    let most = bounds.max_receipts;
                    return Err(table.unfit(format!("more than {most} transactions")).into());
                }
                Entry::Vacant(place) => {
                    place.insert(receipt);
                    created.extend(contract.map(|contract| (hash, contract)));
                    let at = receipt.height.zip(receipt.tx_index).filter(|_| by_place);
                    if let Some(at) = at {
                        placed.entry(at).and_modify(|known| *known = None).or_insert(Some(hash));
                    }
                }
            }
        }
        Ok(Self { receipts, created, placed })
    }

    /// Returns the only transaction at an index of a block.
    pub(super) fn at(&self, height: u64, tx_index: u32) -> Option<[u8; 32]> {
        let height = u32::try_from(height).ok()?;
        self.placed.get(&(height, tx_index)).copied().flatten()
    }

    /// Data of a transaction.
    pub(super) fn find(&self, hash: &[u8; 32]) -> Receipt {
        self.receipts.get(hash).copied().unwrap_or_default()
    }

    /// Returns the contract that a transaction creates.
    pub(super) fn created(&self, hash: &[u8; 32]) -> Option<[u8; 20]> {
        self.created.get(hash).copied()
    }
}

type ReceiptRow = ([u8; 32], Receipt, Option<[u8; 20]>);

fn receipt(table: &mut Table<'_>) -> Result<ReceiptRow, RowFault> {
    let cells = table.cells()?;
    let either = |first: usize, second: usize| match cells.of(first) {
        b"" => cells.of(second),
        text => text,
    };
    let hash = fields::hash(either(TRANSACTION_HASH, HASH));
    let hash = hash.and_then(|value| value.ok_or(FieldFault::Missing));
    let status = fields::status(either(STATUS, RECEIPT_STATUS));
    let tx_index = fields::tx_index(cells.of(TRANSACTION_INDEX));
    let height = fields::height(cells.of(BLOCK_NUMBER));
    let receipt = Receipt {
        status: status.map_err(|fault| fault.of("status"))?,
        tx_index: tx_index.map_err(|fault| fault.of("transaction_index"))?,
        height: height
            .map_err(|fault| fault.of("block_number"))?
            .and_then(|height| u32::try_from(height).ok()),
    };
    let contract = match either(CONTRACT, RECEIPT_CONTRACT) {
        b"" => None,
        text => Some(fields::evm(text).ok_or_else(|| {
            FieldFault::not_a("a contract: 0x and 40 hex digits", text).of("contract_address")
        })?),
    };
    // How some exporters write that there is none.
    let contract = contract.filter(|contract| *contract != [0; 20]);
    Ok((hash.map_err(|fault| fault.of("transaction_hash"))?, receipt, contract))
}
