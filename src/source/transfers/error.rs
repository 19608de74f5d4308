//! Errors of files of transfers, with positions. They quote only short excerpts, because the input
//! is untrusted.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use super::{RowPlace, TransferFormat};
use crate::domain::transfer::TransferError;
use crate::source::excerpt::excerpt;
use crate::source::rows::{Place, RowShapeFault, RowsError};

/// Why a file of transfers could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadTransfersError {
    /// It cannot be read row by row.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// No format was given, and the columns fit several.
    #[error("{path}: the columns fit several formats: {}: name one", candidates.iter().map(|format| format.as_str()).collect::<Vec<_>>().join(", "))]
    Ambiguous { path: String, candidates: Vec<TransferFormat> },
    /// A chain without transfers of the format.
    #[error("there are no {format} on chain {chain}")]
    Chain { format: TransferFormat, chain: String },
    /// A row is invalid.
    #[error("{path}: {place}: {fault}")]
    Row {
        path: Box<str>,
        place: Place,
        fault: RowFault,
        /// Its place on the chain, as far as known.
        stands: Box<RowPlace>,
    },
    /// Storing the transfers failed.
    #[error("the transfers cannot be stored: {0}")]
    Sink(Box<dyn Error + Send + Sync>),
    /// Writing the rejected rows failed.
    #[error("the rejected rows cannot be written: {0}")]
    Reject(io::Error),
}

impl ReadTransfersError {
    /// Creates the error for a row at `place`.
    pub(super) fn of_row(path: &Path, place: Place, fault: RowFault, stands: RowPlace) -> Self {
        let path = path.display().to_string().into();
        Self::Row { path, place, fault, stands: Box::new(stands) }
    }

    /// Creates the error for a row of a blocks or receipts file, which is not a transfer.
    pub(super) fn of_joined_row(path: &Path, place: Place, fault: RowFault) -> Self {
        Self::of_row(path, place, fault, RowPlace::default())
    }
}

/// Why a row is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    #[error("{field}: {fault}")]
    Field {
        field: &'static str,
        /// What is wrong with the value.
        fault: FieldFault,
    },
    /// It cannot be split.
    #[error(transparent)]
    Shape(#[from] RowShapeFault),
    /// Neither a sender nor a receiver.
    #[error("neither from nor to is given")]
    NoHolder,
    /// Two rows at one position.
    #[error(
        "stands at {0} as the row before: the third part of the position (height:tx_index:index) \
         tells the transfers of a transaction apart"
    )]
    SamePosition(String),
    /// Amounts with and without a fraction.
    #[error(
        "amounts with and without a fraction in one file: whether {0:?} is in whole or in smallest \
         units cannot be told"
    )]
    MixedAmounts(String),
    /// A value beside one `address`, which may be in satoshi or in whole coins.
    #[error(
        "{0:?} beside one \"address\" is no number of satoshi: in whole coins, as in Amazon's public \
         data set, it is read by --format aws-bitcoin-transactions"
    )]
    InCoins(String),
    /// A trace without a transaction, as Geth's are, and why it is not known otherwise.
    #[error(
        "no transaction_hash, as in traces of Geth, {0}: give --receipts with the receipts or \
         transactions of the same blocks, which name it by block_number and transaction_index"
    )]
    NoTransaction(&'static str),
    /// The time is in neither the row nor a blocks file.
    #[error("no block_timestamp, {0}")]
    NoTime(&'static str),
    /// A column contradicts the receipt of the transaction.
    #[error("{0} is not what the receipt of the transaction says: one of the two is wrong")]
    OtherReceipt(&'static str),
    /// A coinbase transaction that spends coins.
    #[error("is_coinbase is true, but an input names a holder or a value: one of the two is wrong")]
    SpendingCoinbase,
    /// The row states another number of inputs or outputs.
    #[error("{column} says {said}, but there are {found}: the row is not whole")]
    Count {
        /// The column that counts them.
        column: &'static str,
        said: u64,
        found: usize,
    },
    /// More inputs or outputs than a transaction may have.
    #[error("more than {0} inputs or outputs")]
    TooManyLegs(usize),
    /// Beyond what a transfer can be.
    #[error("{0}")]
    Transfer(TransferError),
    /// A trace of which it is not known whether it moves value.
    #[error("{0} {1:?} is not known")]
    UnknownTrace(&'static str, String),
}

/// The problem with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldFault {
    #[error("is missing")]
    Missing,
    /// It has the wrong form: the expected form, and the value's beginning.
    #[error("{1:?} is not {0}")]
    NotA(&'static str, String),
    /// It is larger than may be.
    #[error("{1} is more than {0}")]
    TooLarge(String, String),
    /// An amount with a fraction or an exponent, of an asset whose decimals are not known.
    #[error("{0:?} has a fraction or an exponent, and the decimals of its asset are not known")]
    NoDecimals(String),
    /// An amount with an exponent above zero: `1e18` is how floating-point numbers are printed, and
    /// as often smallest units as whole ones.
    #[error(
        "{0:?} has an exponent above zero: it went through floating point, and may be meant in \
         smallest units: write its digits out"
    )]
    Raised(String),
    /// A time that states no time zone.
    #[error("{0:?} states no time zone: give --utc if the times of the file are UTC")]
    NoTimeZone(String),
    /// A time too late for Unix seconds.
    #[error("{0} is too late for Unix seconds: milliseconds? give seconds or RFC 3339")]
    NotSeconds(u64),
    /// An amount with more digits after the point than its asset has decimals.
    #[error("{0:?} has more digits after the point than the {1} decimals of its asset")]
    TooFine(String, u8),
    /// Decimals that are not those of the asset table.
    #[error("{0} decimals, but this asset has {1}")]
    OtherDecimals(u8, u8),
    /// An invalid address.
    #[error("{0}")]
    Address(String),
    /// An address of another chain.
    #[error("{0:?} is no address of {1}")]
    NotOf(String, String),
    /// A family of chains where one must be named.
    #[error("{0:?} is a family of chains: name one")]
    Family(String),
}

impl FieldFault {
    /// The fault of a value that is not `what`.
    pub(super) fn not_a(what: &'static str, value: &[u8]) -> Self {
        Self::NotA(what, excerpt(&String::from_utf8_lossy(value)))
    }

    /// The fault of a value that is larger than `most`.
    pub(super) fn too_large(most: impl fmt::Display, value: impl fmt::Display) -> Self {
        Self::TooLarge(most.to_string(), excerpt(&value.to_string()))
    }

    /// The fault in the column `field`.
    pub(super) fn of(self, field: &'static str) -> RowFault {
        RowFault::Field { field, fault: self }
    }
}
