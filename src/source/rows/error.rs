//! Errors of files of rows, with positions. They quote only short excerpts, because the input is
//! untrusted.

use std::fmt;
use std::io;

use super::LineCountError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The row, from 1, headings not counted.
    pub row: u64,
    /// The line on which it begins, from 1; `None` in Parquet.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}"),
            None => write!(f, "row {}", self.row),
        }
    }
}

/// Why a file of rows cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The file cannot be opened.
    #[error("{path}: cannot be opened")]
    Open { path: String, source: io::Error },
    /// The bytes cannot be read, or the compressed data are damaged or truncated.
    #[error("{path}: {what} cannot be read")]
    Read {
        path: String,
        /// Such as `the gzip data`.
        what: &'static str,
        /// The error of the system or the decoder.
        source: io::Error,
    },
    /// More bytes than [`super::Bounds::max_unpacked`].
    #[error("{path}: more than {limit} bytes unpacked")]
    TooLarge { path: String, limit: u64 },
    /// The file as a whole is invalid.
    #[error("{path}: {what}")]
    Unfit {
        path: String,
        /// What is wrong with it.
        what: String,
    },
    #[error("{path}: read as {read_as}, but there is no column {column:?}")]
    NoColumn {
        path: String,
        /// The format it was read as.
        read_as: String,
        column: String,
    },
    /// The line counts are inconsistent.
    #[error("{path}: {fault}")]
    Count {
        path: String,
        /// The inconsistency.
        fault: LineCountError,
    },
    /// The row with the columns is invalid.
    #[error("{path}: {place}: {fault}")]
    Row { path: String, place: Place, fault: RowShapeFault },
}

/// Why a row cannot be split into columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowShapeFault {
    /// A row with more or fewer fields than the headings.
    #[error("{found} fields where the headings have {expected}")]
    FieldCount {
        /// The fields of the row.
        found: usize,
        expected: usize,
    },
    /// The syntax of the row is invalid.
    #[error("{0}")]
    Syntax(String),
    /// A quoted cell with a line break, or unclosed, where line breaks are not allowed.
    #[error(
        "a quoted cell goes over the end of its line: is a quote missing or one too many? Where \
         cells hold line breaks, give --allow-line-breaks"
    )]
    LineBreak,
    /// An unknown key.
    #[error("unknown field {0:?}")]
    UnknownKey(String),
    /// A repeated key of an object.
    #[error("{0:?} is repeated")]
    RepeatedKey(String),
    /// A row longer than its bound, in bytes.
    #[error("longer than {0} bytes")]
    TooLong(usize),
}
