//! The columns that are looked for in a file of rows, and the values of one row in them.

use super::csv_rows::Span;

/// A column that is looked for.
pub struct Column<'a> {
    pub name: &'a str,
    /// Whether the headings must have it.
    pub required: bool,
    /// Where among the fields of a CSV it stands; `None`: where its name does.
    pub at: Option<usize>,
}

/// A column that must be there.
pub const fn required(name: &str) -> Column<'_> {
    Column { name, required: true, at: None }
}

/// A column that may be there.
pub const fn optional(name: &str) -> Column<'_> {
    Column { name, required: false, at: None }
}

/// The most columns that can be looked for.
pub const MAX_COLUMNS: usize = 512;

/// A bit for each column.
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

/// The columns that are looked for.
pub struct Columns<'a> {
    /// What they are called in an error.
    pub read_as: &'a str,
    /// Each; at most [`MAX_COLUMNS`].
    pub list: &'a [Column<'a>],
    /// Whether there may be no others, but those that begin with `x_`.
    pub closed: bool,
}

impl Columns<'_> {
    /// The column of that name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|column| column.name == name)
    }

    /// Whether a column of that name must not be there.
    pub fn refuses(&self, name: &str) -> bool {
        self.closed && !name.starts_with("x_") && self.find(name).is_none()
    }
}

/// Where a value stands that is not there.
pub(super) const ABSENT: Span = (usize::MAX, usize::MAX);

/// The values of one row.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    pub(super) text: &'a [u8],
    pub(super) spans: &'a [Span],
    /// Where among the spans each column stands.
    pub(super) columns: &'a [usize],
    /// Which values are strings, by column; `None`: all.
    pub(super) strings: Option<&'a Bits>,
    /// Whether the row has values in columns that are not looked for, of JSON lines.
    pub(super) has_others: bool,
}

impl<'a> Cells<'a> {
    /// The value in a column; empty where there is none.
    #[inline]
    pub fn of(&self, column: usize) -> &'a [u8] {
        match self.spans.get(self.columns[column]) {
            Some(&(from, to)) => self.text.get(from..to).unwrap_or_default(),
            None => b"",
        }
    }

    /// Whether the value in a column is a string, as all of CSV are, and not a number or an object.
    pub fn is_string(&self, column: usize) -> bool {
        self.strings.is_none_or(|strings| strings.has(column))
    }

    /// Whether the row, of JSON lines, has values in columns that are not looked for.
    pub fn has_others(&self) -> bool {
        self.has_others
    }

    /// Whether there is a value in a column, though it may be empty.
    pub fn has(&self, column: usize) -> bool {
        self.spans.get(self.columns[column]).is_some_and(|span| *span != ABSENT)
    }
}
