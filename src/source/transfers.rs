//! Reads files of transfers into [`crate::domain::transfer::Transfer`], batch by batch, or fails
//! with a position. A row without any movement is skipped and counted; every other row is kept.
//!
//! Every reader streams in bounded memory. `docs/transfer-formats.md` describes the formats.
//!
//! ```
//! use std::io::Write;
//!
//! use lazaretto::source::transfers::{ReadSettings, read};
//!
//! let mut file = tempfile::NamedTempFile::new()?;
//! writeln!(file, "chain,tx,position,time,from,to,asset,amount")?;
//! let (from, to) = ("0x1111111111111111111111111111111111111111", "0x2222222222222222222222222222222222222222");
//! writeln!(file, "ethereum,,,1650000000,{from},{to},native,10")?;
//!
//! let mut transfers = Vec::new();
//! let report = read::<std::io::Error>(
//!     file.path(),
//!     &ReadSettings::default(),
//!     &|_, _| None,
//!     None,
//!     &mut |batch, _| Ok(transfers.extend(batch)),
//! )?;
//! assert_eq!((report.rows_read, report.kept), (1, 1));
//! assert_eq!(transfers[0].time, 1_650_000_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
mod row;
mod run;
mod schema;

pub use self::error::{FieldFault, ReadTransfersError, RowFault};
pub use self::fields::PlainTimes;
pub use self::row::RowPlace;

/// A format of transfer files.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
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
    /// Lazaretto's own form: `own`.
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
        self.into()
    }

    /// Returns the kinds of movement that a file of the format can hold.
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

/// A string that is not a format of transfers.
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
        known.ok_or_else(|| TransferFormatError(super::excerpt::excerpt(text)))
    }
}

/// The bounds of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferBounds {
    /// Bytes of a file, unpacked: 1 TiB. The file is streamed; the bound stops endless input.
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
    /// The bounds of the row reader.
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

/// Options for reading a file of transfers.
#[derive(Clone, Debug)]
pub struct ReadSettings {
    /// The format; `None` detects it from the column names.
    pub format: Option<TransferFormat>,
    /// The chain, for formats without one; `None` is Ethereum or Bitcoin. The `own` form uses it
    /// for rows without a `chain`.
    pub chain: Option<Chain>,
    /// An ethereum-etl blocks file (`number`, `timestamp`, `hash`): supplies missing times and
    /// block hashes of rows.
    pub blocks: Option<PathBuf>,
    /// An ethereum-etl receipts or transactions file (`transaction_hash` or `hash`, with `status`
    /// or `receipt_status`, `transaction_index`, `contract_address`): supplies missing status,
    /// index and created contract of transactions. For traces without a transaction, as Geth gives
    /// them, it supplies the transaction by block and index.
    pub receipts: Option<PathBuf>,
    /// How a time without a time zone is read.
    pub plain_times: PlainTimes,
    /// Now, in Unix seconds: a transfer dated well after it ([`MAX_AHEAD`]) is rejected. Defaults
    /// to the end of time.
    ///
    /// [`MAX_AHEAD`]: crate::domain::transfer::MAX_AHEAD
    pub now: u64,
    /// Whether a quoted cell of a CSV may have line breaks. By default such a row is rejected,
    /// because a stray quote makes one cell of all rows up to the next quote.
    pub line_breaks: LineBreaks,
    /// The bounds of a file.
    pub bounds: TransferBounds,
}

impl ReadSettings {
    /// The bounds of the row reader.
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

/// Why a row is not a movement of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftOut {
    /// A call that runs another contract's code in the caller's context.
    DelegateCall,
    /// Its older form, whose value stays with the caller.
    CallCode,
    /// A call that can move nothing.
    StaticCall,
    /// A transaction with neither inputs nor outputs: fully shielded.
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

/// The result of reading a file. `rows_read` is the sum of `kept`, `left_out` and `rejected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadReport {
    /// The format it was read as.
    pub format: TransferFormat,
    pub rows_read: u64,
    /// The line counts of the file, which match its rows; `None` for Parquet.
    pub lines: Option<LineCounts>,
    pub kept: u64,
    /// Rows without a movement of value, by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Invalid rows, passed to `reject`.
    pub rejected: u64,
    /// Transfers without a position, which only time orders.
    pub unpositioned: u64,
    pub without_tx: u64,
    /// Transfers with an input that lacks a holder ([`UtxoMovement::has_unnamed_inputs`]): the
    /// payer is unknown.
    ///
    /// [`UtxoMovement::has_unnamed_inputs`]:
    /// crate::domain::transfer::UtxoMovement::has_unnamed_inputs
    pub unnamed_inputs: u64,
    /// Transfers with an output that lacks a holder ([`UtxoMovement::has_unnamed_outputs`]): the
    /// receiver is unknown.
    ///
    /// [`UtxoMovement::has_unnamed_outputs`]:
    /// crate::domain::transfer::UtxoMovement::has_unnamed_outputs
    pub unnamed_outputs: u64,
    /// Transfers of account chains without a sender or receiver
    /// ([`Transfer::has_unnamed_holders`]).
    pub unnamed_accounts: u64,
}

/// An invalid row.
#[derive(Clone, Debug)]
pub struct Reject<'a> {
    pub path: &'a Path,
    /// The position of the row in the file.
    pub place: Place,
    pub fault: &'a RowFault,
    /// Its place on the chain, as far as known.
    pub stands: &'a RowPlace,
    /// The row verbatim, without its line end; for Parquet, as a line of JSON.
    pub verbatim: &'a [u8],
}

/// Receives invalid rows; its error stops the reading.
pub type RejectSink<'a> = &'a mut dyn FnMut(&Reject<'_>) -> io::Result<()>;

/// Returns the number of decimals of an asset, if known.
pub type AssetDecimals<'a> = &'a dyn Fn(&Chain, &Asset) -> Option<u8>;

/// The maximum number of transfers per batch.
pub const BATCH: usize = 4_096;

/// Reads the transfers of a file and passes them to `sink` in batches of at most [`BATCH`], in file
/// order. The file is CSV, JSON lines or Parquet; the first two may be packed by gzip, zstd or
/// bzip2. All of that is detected by content. `sink` is also called with an empty batch while rows
/// are skipped.
///
/// An invalid row stops the reading, or goes to `reject` if given. Batches passed on before an
/// error stay valid.
///
/// # Errors
///
/// Fails if a file cannot be read or unpacked, exceeds a bound, or has an unknown or wrong format;
/// on an invalid row without `reject`; and with the errors of `sink` and `reject`.
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
