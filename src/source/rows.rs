//! Reads files of rows as the text of wanted columns: CSV, JSON lines or Parquet. CSV and JSON
//! lines may be packed, and in UTF-8 or UTF-16. Everything is detected by content.

mod columns;
mod counts;
mod csv_rows;
mod error;
mod heading;
mod json_rows;
mod open;
mod parquet_rows;
mod parquet_schema;
mod recode;
mod table;
mod zipped;

pub(super) use json_rows::syntax as json_syntax;

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

/// Whether a quoted cell of a CSV may have line breaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineBreaks {
    /// A line break is a fault of its row.
    #[default]
    Refused,
    /// Line breaks are allowed (RFC 4180).
    Allowed,
}

impl LineBreaks {
    pub fn allowed_if(flag: bool) -> Self {
        if flag { Self::Allowed } else { Self::Refused }
    }
}

/// The bounds of a file.
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
    /// True if an oversized row, NUL bytes, or an invalid first JSON line are faults of that row,
    /// not of the file.
    pub forgiving: bool,
    /// Whether a quoted cell of a CSV may have line breaks.
    pub line_breaks: LineBreaks,
    /// The delimiter of a CSV; `None` detects it.
    pub delimiter: Option<u8>,
    /// The file to read of a zip; `None` requires exactly one.
    pub part: Option<String>,
}

/// How far a file has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows read, accepted or not.
    pub rows: u64,
    /// Stored bytes read.
    pub bytes: u64,
    /// The stored size of the file; `None` for a pipe.
    pub total_bytes: Option<u64>,
}
