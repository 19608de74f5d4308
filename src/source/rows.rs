//! Files of rows, one at a time, as the text of wanted columns: CSV, JSON lines or Parquet, the first
//! two packed or not, in UTF-8 or UTF-16, all told by content. Must not know what the columns mean.

mod columns;
mod counts;
mod csv_rows;
mod error;
mod heading;
mod json_rows;
mod lines;
mod open;
mod parquet_rows;
mod parquet_schema;
mod recode;
#[cfg(test)]
mod slow;
mod table;
mod zipped;

pub(super) use json_rows::syntax as json_syntax;
pub(super) use open::Zstd;

pub use columns::{Cells, Column, Columns, MAX_COLUMNS, optional, required};
pub use counts::{LineCountError, LineCounts};
pub use error::{Place, RowShapeFault, RowsError};
pub use heading::is_delimiter;
pub use open::Origin;
pub use parquet_schema::{Holds, SchemaField};
pub use table::Table;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Text with headings, fields separated by a comma or another character.
    Csv,
    /// Text with a JSON object on each line.
    JsonLines,
    Parquet,
}

/// Whether a quoted cell of a CSV may hold line breaks.
///
/// A stray quote makes a cell of all rows up to the next quote. Where line breaks are refused, the row
/// that the quote stands in has a fault, and the next row begins on the next line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineBreaks {
    /// It is a fault of its row.
    #[default]
    Refused,
    /// It may: RFC 4180.
    Allowed,
}

impl LineBreaks {
    pub fn allowed_if(flag: bool) -> Self {
        if flag { Self::Allowed } else { Self::Refused }
    }
}

/// What a file may ask for at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a file, unpacked.
    pub max_unpacked: u64,
    /// Bytes of a CSV record.
    pub max_csv_record: usize,
    /// Bytes of a line of JSON, and of a Parquet row written as one.
    pub max_json_line: usize,
    /// Bytes of a Parquet row group, unpacked, over the columns that are read.
    pub max_row_group: u64,
    /// Whether a row beyond its bound, NUL bytes, and a first line of JSON that is none are faults
    /// of that row, and not of the file.
    pub forgiving: bool,
    /// Whether a quoted cell of a CSV may hold line breaks.
    pub line_breaks: LineBreaks,
    /// What separates the fields of a CSV; `None`: as its first lines tell.
    pub delimiter: Option<u8>,
    /// The file that is read of a zip of several; `None`: there must be one.
    pub part: Option<String>,
}

/// How far a file has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows read, of whatever fate.
    pub rows: u64,
    /// Bytes read of the file as it is stored.
    pub bytes: u64,
    /// The file's size as it is stored, where it has one (a pipe has none).
    pub total_bytes: Option<u64>,
}
