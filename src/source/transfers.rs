//! Files of transfers to [`crate::domain::transfer::Transfer`], batch by batch, or an error with
//! its position. Must not store anything or judge what counts for exposure: a row that is no
//! movement at all is left out and counted, every other one is kept.
//!
//! Every reader streams, in bounded memory. `docs/transfer-formats.md` says what each format holds.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::domain::chain::Chain;
use crate::domain::transfer::{Asset, MAX_TIME, MovementKind, Transfer};
use crate::source::rows::{self, LineBreaks, LineCounts, Place, Progress};

mod amazon;
mod bitcoin;
mod error;
mod ethereum;
mod fields;
mod joins;
mod number;
mod own;
mod place;
mod run;
mod schema;

pub use self::error::{FieldFault, ReadTransfersError, RowFault};
pub use self::fields::PlainTimes;
pub use self::place::RowPlace;

/// A form in which transfers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferFormat {
    /// ethereum-etl transactions: `ethereum-transactions`.
    EthereumTransactions,
    /// ethereum-etl token transfers: `ethereum-token-transfers`.
    EthereumTokenTransfers,
    /// ethereum-etl traces: `ethereum-traces`.
    EthereumTraces,
    /// bitcoin-etl transactions: `bitcoin-transactions`.
    BitcoinTransactions,
    /// Bitcoin transactions of Amazon's public data set: `aws-bitcoin-transactions`.
    AwsBitcoinTransactions,
    /// Our own form: `own`.
    Own,
}

impl TransferFormat {
    pub const ALL: [Self; 6] = [
        Self::EthereumTransactions,
        Self::EthereumTokenTransfers,
        Self::EthereumTraces,
        Self::BitcoinTransactions,
        Self::AwsBitcoinTransactions,
        Self::Own,
    ];

    /// The name used in flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EthereumTransactions => "ethereum-transactions",
            Self::EthereumTokenTransfers => "ethereum-token-transfers",
            Self::EthereumTraces => "ethereum-traces",
            Self::BitcoinTransactions => "bitcoin-transactions",
            Self::AwsBitcoinTransactions => "aws-bitcoin-transactions",
            Self::Own => "own",
        }
    }

    /// The kinds of movement that a file of the format can hold.
    pub fn kinds(self) -> &'static [MovementKind] {
        match self {
            Self::EthereumTransactions => &[MovementKind::Native],
            Self::EthereumTokenTransfers => &[MovementKind::Tokens],
            Self::EthereumTraces => &[MovementKind::Native, MovementKind::Internal],
            Self::BitcoinTransactions | Self::AwsBitcoinTransactions => &[MovementKind::Utxo],
            Self::Own => &[MovementKind::Native, MovementKind::Tokens, MovementKind::Internal],
        }
    }
}

impl fmt::Display for TransferFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A string that names no format of transfers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no format of transfers: ethereum-transactions, ethereum-token-transfers, \
     ethereum-traces, bitcoin-transactions, aws-bitcoin-transactions or own"
)]
pub struct TransferFormatError(String);

impl FromStr for TransferFormat {
    type Err = TransferFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|format| format.as_str() == text);
        known.ok_or_else(|| TransferFormatError(super::error::excerpt(text)))
    }
}

/// What a file may ask for at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferBounds {
    /// Bytes of a file, unpacked: 1 TiB. It is streamed; the bound ends what never ends.
    pub max_unpacked: u64,
    /// Bytes of a CSV record: 4 MiB (the input of a transaction is among its columns).
    pub max_csv_record: usize,
    /// Bytes of a line of JSON, and of a Parquet row written as one: 64 MiB.
    pub max_json_line: usize,
    /// Bytes of a Parquet row group, unpacked, over the columns that are read: 2 GiB. One page of
    /// each column is held at a time.
    pub max_row_group: u64,
    /// Blocks of a blocks file: 20 million, 48 bytes each.
    pub max_blocks: usize,
    /// Transactions of a receipts file: 25 million, 60 to 120 bytes each.
    pub max_receipts: usize,
}

impl Default for TransferBounds {
    fn default() -> Self {
        Self {
            max_unpacked: 1 << 40,
            max_csv_record: 4 << 20,
            max_json_line: 64 << 20,
            max_row_group: 2 << 30,
            max_blocks: 20_000_000,
            max_receipts: 25_000_000,
        }
    }
}

impl TransferBounds {
    /// What the reader of rows may take.
    fn of_rows(&self, line_breaks: LineBreaks) -> rows::Bounds {
        rows::Bounds {
            max_unpacked: self.max_unpacked,
            max_csv_record: self.max_csv_record,
            max_json_line: self.max_json_line,
            max_row_group: self.max_row_group,
            forgiving: false,
            line_breaks,
            delimiter: None,
            part: None,
        }
    }
}

/// How a file of transfers is to be read.
#[derive(Clone, Debug)]
pub struct ReadSettings {
    /// The format; `None` tells it from the names of the columns.
    pub format: Option<TransferFormat>,
    /// The chain, for formats that do not say it; `None` is Ethereum or Bitcoin. Our own form takes
    /// it only for rows without a `chain`.
    pub chain: Option<Chain>,
    /// An ethereum-etl blocks file (`number`, `timestamp`, `hash`): the time, and the block's hash,
    /// of rows that do not say them.
    pub blocks: Option<PathBuf>,
    /// An ethereum-etl receipts or transactions file (`transaction_hash` or `hash`, with `status`
    /// or `receipt_status`, `transaction_index`, `contract_address`): the status, the index and the
    /// created contract of transactions whose rows do not say them; of traces without a transaction,
    /// as Geth gives them, also the transaction, by its block and index.
    pub receipts: Option<PathBuf>,
    /// What a time without a time zone is.
    pub plain_times: PlainTimes,
    /// Now, in Unix seconds: a transfer dated well after it ([`MAX_AHEAD`]) is refused. By default
    /// the end of time.
    ///
    /// [`MAX_AHEAD`]: crate::domain::transfer::MAX_AHEAD
    pub now: u64,
    /// Whether a quoted cell of a CSV may hold line breaks: by default a row with one is refused,
    /// for a stray quote makes one cell of all rows up to the next quote.
    pub line_breaks: LineBreaks,
    /// What a file may ask for at most.
    pub bounds: TransferBounds,
}

impl ReadSettings {
    /// What the reader of rows may take.
    fn of_rows(&self) -> rows::Bounds {
        self.bounds.of_rows(self.line_breaks)
    }
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            format: None,
            chain: None,
            blocks: None,
            receipts: None,
            plain_times: PlainTimes::default(),
            now: MAX_TIME,
            line_breaks: LineBreaks::default(),
            bounds: TransferBounds::default(),
        }
    }
}

/// Why a row is no movement of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftOut {
    /// A call that runs another contract's code in the caller's place.
    DelegateCall,
    /// The older form of it, whose value stays with the caller.
    CallCode,
    /// A call that can move nothing.
    StaticCall,
    /// A transaction with neither inputs nor outputs: all of it is shielded.
    NoLegs,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DelegateCall => "no value moved: delegatecall trace",
            Self::CallCode => "no value moved: callcode trace",
            Self::StaticCall => "no value moved: staticcall trace",
            Self::NoLegs => "no value seen: neither inputs nor outputs",
        })
    }
}

/// What was read of a file. `rows_read` is the sum of `kept`, `left_out` and `rejected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadReport {
    /// The format that it was read as.
    pub format: TransferFormat,
    pub rows_read: u64,
    /// What became of the lines of the file, which add up to the rows; `None` of Parquet.
    pub lines: Option<LineCounts>,
    pub kept: u64,
    /// Rows that are no movement of value, by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Rows that could not be understood and went to the rejects.
    pub rejected: u64,
    /// Transfers without a position, which time alone orders.
    pub unpositioned: u64,
    pub without_tx: u64,
    /// Transfers of which an input names nobody though somebody could be named
    /// ([`UtxoMovement::has_unnamed_inputs`]): who paid is not known.
    ///
    /// [`UtxoMovement::has_unnamed_inputs`]: crate::domain::transfer::UtxoMovement::has_unnamed_inputs
    pub unnamed_inputs: u64,
    /// Transfers of which an output names nobody though somebody could be named
    /// ([`UtxoMovement::has_unnamed_outputs`]): who was paid is not known.
    ///
    /// [`UtxoMovement::has_unnamed_outputs`]: crate::domain::transfer::UtxoMovement::has_unnamed_outputs
    pub unnamed_outputs: u64,
    /// Transfers of account chains that do not name who was paid, or who paid
    /// ([`Transfer::has_unnamed_holders`]).
    pub unnamed_accounts: u64,
}

/// A row that could not be understood.
#[derive(Clone, Debug)]
pub struct Reject<'a> {
    pub path: &'a Path,
    /// Where in the file the row begins.
    pub place: Place,
    pub fault: &'a RowFault,
    /// Where it stands on its chain, as far as it can be told.
    pub stands: &'a RowPlace,
    /// The row as it stands, without the end of its line; of Parquet, as a line of JSON.
    pub verbatim: &'a [u8],
}

/// Takes the rows that could not be understood; an error of it stops the reading.
pub type RejectSink<'a> = &'a mut dyn FnMut(&Reject<'_>) -> io::Result<()>;

/// How many decimals an asset has, where that is known.
pub type AssetDecimals<'a> = &'a dyn Fn(&Chain, &Asset) -> Option<u8>;

/// The most transfers handed on at once.
pub const BATCH: usize = 4_096;

/// Reads the transfers of a file (CSV, JSON lines or Parquet; the first two may be packed by gzip,
/// zstd or bzip2: all told by content) and hands them to `sink` in batches of at most [`BATCH`], in
/// the order of the file. `sink` is also called, with nothing, while rows are left out.
///
/// A row that cannot be understood stops the reading, or goes to `reject` where that is given.
/// Batches handed on before an error stay handed on.
///
/// # Errors
///
/// Where a file cannot be read or unpacked, is beyond a bound, is of no known or another format,
/// says a row that cannot be understood and there is no `reject`; and what `sink` or `reject` say.
pub fn read<E: Into<Box<dyn Error + Send + Sync>>>(
    path: &Path,
    settings: &ReadSettings,
    asset_decimals: AssetDecimals<'_>,
    reject: Option<RejectSink<'_>>,
    sink: &mut dyn FnMut(Vec<Transfer>, Progress) -> Result<(), E>,
) -> Result<ReadReport, ReadTransfersError> {
    let mut sink = |batch: Vec<Transfer>, progress: Progress| {
        sink(batch, progress).map_err(|error| ReadTransfersError::Sink(error.into()))
    };
    run::read(path, settings, asset_decimals, reject, &mut sink)
}

#[cfg(test)]
mod tests;
