//! Why a file of rows, or one row of it, cannot be read, and where. Must not quote more than a short
//! excerpt of the input, which is hostile.

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
    /// The bytes cannot be read, or what packs them is broken or ends early.
    #[error("{path}: {what} cannot be read")]
    Read {
        path: String,
        /// Such as `the gzip data`.
        what: &'static str,
        /// What the system or the decoder said.
        source: io::Error,
    },
    /// More bytes than [`super::Bounds::max_unpacked`].
    #[error("{path}: more than {limit} bytes unpacked")]
    TooLarge { path: String, limit: u64 },
    /// The file as a whole is not what it must be.
    #[error("{path}: {what}")]
    Unfit {
        path: String,
        /// What is wrong with it.
        what: String,
    },
    #[error("{path}: read as {read_as}, but there is no column {column:?}")]
    NoColumn {
        path: String,
        /// What the file was read as.
        read_as: String,
        column: String,
    },
    /// The lines of the file and what became of them do not add up.
    #[error("{path}: {fault}")]
    Count {
        path: String,
        /// What does not add up.
        fault: LineCountError,
    },
    /// The row that tells the columns has no form.
    #[error("{path}: {place}: {fault}")]
    Row { path: String, place: Place, fault: RowShapeFault },
}

/// Why a row cannot be taken apart into columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowShapeFault {
    /// A row with more or fewer fields than the headings.
    #[error("{found} fields where the headings have {expected}")]
    FieldCount {
        /// The fields of the row.
        found: usize,
        expected: usize,
    },
    /// The grammar of the row is broken.
    #[error("{0}")]
    Syntax(String),
    /// A quoted cell that holds a line break, or is not closed, where cells may hold none.
    #[error(
        "a quoted cell goes over the end of its line: is a quote missing or one too many? Where \
         cells hold line breaks, give --allow-line-breaks"
    )]
    LineBreak,
    /// A key that the format does not know.
    #[error("{0:?} is no field of this format")]
    UnknownKey(String),
    /// A key that stands twice in an object.
    #[error("{0:?} stands twice")]
    RepeatedKey(String),
    /// A row longer than its bound, in bytes.
    #[error("longer than {0} bytes")]
    TooLong(usize),
}
