//! The wanted columns of a file of rows, and the values of one row.

use super::csv_rows::Span;

/// A wanted column.
pub struct Column<'a> {
    pub name: &'a str,
    /// True if the headings must have it.
    pub required: bool,
    /// Its fixed index among the fields of a CSV; `None` finds it by name.
    pub at: Option<usize>,
}

/// A required column.
pub const fn required(name: &str) -> Column<'_> {
    Column { name, required: true, at: None }
}

/// An optional column.
pub const fn optional(name: &str) -> Column<'_> {
    Column { name, required: false, at: None }
}

/// The maximum number of wanted columns.
pub const MAX_COLUMNS: usize = 512;

/// One bit per column.
#[derive(Clone, Copy, Default)]
pub(super) struct Bits([u64; MAX_COLUMNS / 64]);

impl Bits {
    pub(super) fn set(&mut self, column: usize) {
        self.0[column / 64] |= 1 << (column % 64);
    }

    pub(super) fn has(&self, column: usize) -> bool {
        self.0[column / 64] & (1 << (column % 64)) != 0
    }
}

/// The wanted columns.
pub struct Columns<'a> {
    /// The name of the columns in errors.
    pub read_as: &'a str,
    /// Each; at most [`MAX_COLUMNS`].
    pub list: &'a [Column<'a>],
    /// True if only columns that begin with `x_` are allowed besides.
    pub closed: bool,
}

impl Columns<'_> {
    /// Returns the index of a column by name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|column| column.name == name)
    }

    /// Returns true if a column of that name is not allowed.
    pub fn refuses(&self, name: &str) -> bool {
        self.closed && !name.starts_with("x_") && self.find(name).is_none()
    }
}

/// The span of a missing value.
pub(super) const ABSENT: Span = (usize::MAX, usize::MAX);

/// The values of one row.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    pub(super) text: &'a [u8],
    pub(super) spans: &'a [Span],
    /// The index of each column among the spans.
    pub(super) columns: &'a [usize],
    /// Which values are strings, by column; `None` if all are.
    pub(super) strings: Option<&'a Bits>,
    /// True if a JSON row has values in other columns.
    pub(super) has_others: bool,
}

impl<'a> Cells<'a> {
    /// Returns the value of a column; empty if missing.
    #[inline]
    pub fn of(&self, column: usize) -> &'a [u8] {
        match self.spans.get(self.columns[column]) {
            Some(&(from, to)) => self.text.get(from..to).unwrap_or_default(),
            None => b"",
        }
    }

    /// Returns true if the value of a column is a string, as all are in CSV.
    pub fn is_string(&self, column: usize) -> bool {
        self.strings.is_none_or(|strings| strings.has(column))
    }

    /// Returns true if a JSON row has values in other columns.
    pub fn has_others(&self) -> bool {
        self.has_others
    }

    /// Returns true if a column has a value, which may be empty.
    pub fn has(&self, column: usize) -> bool {
        self.spans.get(self.columns[column]).is_some_and(|span| *span != ABSENT)
    }
}
