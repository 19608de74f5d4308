//! Reads the wanted columns of a file's rows as text, from CSV, JSON lines or Parquet.

use std::io;

use super::columns::{Cells, Columns};
use super::csv_rows::{CsvRows, Span};
use super::error::{Place, RowShapeFault, RowsError};
use super::json_rows::{self, Values};
use super::open::{self, Meter, Opened, Origin};
use super::parquet_rows::{ParquetFile, ParquetRows};
use super::recode::{self, ByteOrder, CarriageReturns, Utf16};
use super::{Bounds, Container, LineCounts, Progress, heading};
use crate::source::excerpt::excerpt;
use crate::source::lines::{LineError, Lines};

mod readable;

/// UTF-8's byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The number of bytes used to detect the kind of text.
const HEAD: usize = 4 << 10;

enum Source {
    Csv(CsvRows<'static>),
    Json(Lines<'static>),
    Parquet(Option<ParquetFile>),
    ParquetRows(ParquetRows),
}

/// A file, its columns, and one row at a time.
pub struct Table<'c> {
    path: String,
    source: Source,
    meter: Option<Meter>,
    bounds: Bounds,
    names: Vec<String>,
    columns: Option<&'c Columns<'c>>,
    /// The index of each column among the fields.
    places: Vec<usize>,
    values: Values,
    rows: u64,
    /// Blank lines of JSON lines.
    blank_lines: u64,
    /// True if the first JSON row was read for its keys and is still to be returned.
    peeked: bool,
    /// The fault of a skipped row.
    fault: Option<RowShapeFault>,
}

impl<'c> Table<'c> {
    /// Opens a file and reads its column names: the headings of CSV, the schema of Parquet, the
    /// keys of the first JSON line. The container is detected by content unless `container` is
    /// given.
    pub fn open(
        origin: Origin<'_>,
        container: Option<Container>,
        bounds: &Bounds,
    ) -> Result<Self, RowsError> {
        let shown = origin.name();
        let (source, meter) = match open::open(origin, bounds.max_unpacked, bounds.part.as_deref())?
        {
            Opened::Parquet(_) if container.is_some_and(|named| named != Container::Parquet) => {
                let what = "this is a Parquet file".to_owned();
                return Err(RowsError::Unfit { path: shown, what });
            }
            Opened::Parquet(file) => {
                let file = ParquetFile::open(file)
                    .map_err(|what| RowsError::Unfit { path: shown.clone(), what })?;
                (Source::Parquet(Some(file)), None)
            }
            Opened::Text(text, meter) => {
                let lines = Lines::new(text, bounds.max_csv_record);
                (Source::Json(lines), Some(meter))
            }
        };
        let mut table = Self {
            path: shown,
            source,
            meter,
            bounds: bounds.clone(),
            names: Vec::new(),
            columns: None,
            places: Vec::new(),
            values: Values::default(),
            rows: 0,
            blank_lines: 0,
            peeked: false,
            fault: None,
        };
        table.look_at_names(container)?;
        Ok(table)
    }

    /// Returns the column names; for JSON, those of the first line.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns true if the file is a CSV.
    pub fn is_csv(&self) -> bool {
        matches!(self.source, Source::Csv(_))
    }

    /// Returns true if no row can have other columns; false for JSON.
    pub fn has_headings(&self) -> bool {
        !matches!(self.source, Source::Json(_))
    }

    /// Selects the wanted columns.
    pub fn select(&mut self, columns: &'c Columns<'c>) -> Result<(), RowsError> {
        if self.has_headings() {
            self.check_headings(columns)?;
        }
        self.places = match &self.source {
            Source::Csv(_) => {
                let place = |name| self.names.iter().position(|heading| heading == name);
                let places =
                    columns.list.iter().map(|column| column.at.or_else(|| place(column.name)));
                places.map(|place| place.unwrap_or(usize::MAX)).collect()
            }
            Source::Json(_) | Source::Parquet(_) | Source::ParquetRows(_) => {
                (0..columns.list.len()).collect()
            }
        };
        if let Source::Parquet(file) = &mut self.source
            && let Some(file) = file.take()
        {
            let rows = file.rows(columns, self.bounds.max_row_group);
            self.source = Source::ParquetRows(rows.map_err(|what| self.unfit(what))?);
        }
        self.columns = Some(columns);
        Ok(())
    }

    fn check_headings(&self, columns: &Columns<'_>) -> Result<(), RowsError> {
        for column in columns.list.iter().filter(|column| column.at.is_none()) {
            let count = self.names.iter().filter(|name| *name == column.name).count();
            if count == 0 && column.required {
                return Err(self.no_column(columns, column.name));
            }
            if count > 1 {
                return Err(self.unfit(format!("the column {:?} is repeated", column.name)));
            }
        }
        match self.names.iter().find(|name| columns.refuses(name)) {
            Some(name) => {
                let what = format!(
                    "read as {}, {:?} is no column of it (those of your own begin with x_)",
                    columns.read_as,
                    excerpt(name)
                );
                Err(self.unfit(what))
            }
            None => Ok(()),
        }
    }

    /// Creates the error for a missing column.
    pub fn no_column(&self, columns: &Columns<'_>, column: &str) -> RowsError {
        RowsError::NoColumn {
            path: self.path.clone(),
            read_as: columns.read_as.to_owned(),
            column: column.to_owned(),
        }
    }

    /// Creates the error for an invalid file.
    pub fn unfit(&self, what: impl Into<String>) -> RowsError {
        RowsError::Unfit { path: self.path.clone(), what: what.into() }
    }

    /// Creates the error for a fault of the row.
    fn fault(&self, fault: RowShapeFault) -> RowsError {
        RowsError::Row { path: self.path.clone(), place: self.place(), fault }
    }

    /// Advances to the next row; returns false at the end.
    pub fn advance(&mut self) -> Result<bool, RowsError> {
        if std::mem::take(&mut self.peeked) {
            self.rows += 1;
            return Ok(true);
        }
        self.fault = None;
        let advanced = match &mut self.source {
            Source::Csv(rows) => rows.advance(),
            Source::Json(lines) => next_object(lines, &mut self.blank_lines),
            Source::Parquet(_) => Ok(false),
            Source::ParquetRows(rows) => match rows.advance() {
                Ok(true) if rows.object().len() > self.bounds.max_json_line => {
                    Err(LineError::TooLong { line: self.rows + 1, max: self.bounds.max_json_line })
                }
                Ok(advanced) => Ok(advanced),
                Err(what) => return Err(self.unfit(what)),
            },
        };
        let advanced = match advanced {
            Err(LineError::TooLong { max, .. }) if self.bounds.forgiving => {
                self.leave_behind(max).map_err(|error| self.line_error(LineError::Io(error)))?;
                true
            }
            advanced => advanced.map_err(|error| self.line_error(error))?,
        };
        self.rows += u64::from(advanced);
        Ok(advanced)
    }

    /// Skips a row that is too long: it has a fault and no values.
    fn leave_behind(&mut self, max: usize) -> io::Result<()> {
        self.fault = Some(RowShapeFault::TooLong(max));
        match &mut self.source {
            Source::Csv(rows) => rows.skip_long(),
            Source::Json(lines) => lines.skip_long(),
            Source::Parquet(_) | Source::ParquetRows(_) => Ok(()),
        }
    }

    pub fn place(&self) -> Place {
        let line = match &self.source {
            Source::Csv(rows) => Some(rows.line()),
            Source::Json(lines) => Some(lines.number()),
            Source::Parquet(_) | Source::ParquetRows(_) => None,
        };
        Place { row: self.rows, line }
    }

    /// Returns the row verbatim.
    pub fn verbatim(&self) -> &[u8] {
        match &self.source {
            Source::Csv(rows) => rows.verbatim(),
            Source::Json(lines) => lines.line(),
            Source::Parquet(_) => b"",
            Source::ParquetRows(rows) => rows.object(),
        }
    }

    /// Returns the row's values in the selected columns.
    #[inline]
    pub fn cells(&mut self) -> Result<Cells<'_>, RowShapeFault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let (mut strings, mut has_others) = (None, false);
        let (text, spans) = match &self.source {
            Source::Csv(rows) => {
                let (text, spans) = rows.fields()?;
                let (found, expected) = (spans.len(), self.names.len());
                if found != expected {
                    return Err(RowShapeFault::FieldCount { found, expected });
                }
                (text, spans)
            }
            Source::Json(_) | Source::Parquet(_) | Source::ParquetRows(_) => {
                let columns = self.columns.expect("columns are selected before rows are read");
                let object = match &self.source {
                    Source::Json(lines) => lines.line(),
                    Source::ParquetRows(rows) => rows.object(),
                    Source::Csv(_) | Source::Parquet(_) => b"",
                };
                self.values.pick(object, columns)?;
                strings = Some(self.values.strings());
                has_others = self.values.has_others();
                self.values.fields()
            }
        };
        Ok(Cells { text, spans, columns: &self.places, strings, has_others })
    }

    /// Returns how far the file has been read.
    pub fn progress(&self) -> Progress {
        let (bytes, total_bytes) = match (&self.source, &self.meter) {
            (Source::ParquetRows(rows), _) => {
                let (read, size) = rows.progress();
                (read, Some(size))
            }
            (_, Some(meter)) => (meter.stored(), meter.total()),
            (_, None) => (0, None),
        };
        Progress { rows: self.rows, bytes, total_bytes }
    }

    /// Returns the line counts so far; `None` for Parquet.
    pub fn line_counts(&self) -> Option<LineCounts> {
        match &self.source {
            Source::Csv(rows) => Some(rows.line_counts()),
            Source::Json(lines) => Some(LineCounts {
                lines: lines.number() - u64::from(self.peeked),
                empty_lines: self.blank_lines,
                ..LineCounts::default()
            }),
            Source::Parquet(_) | Source::ParquetRows(_) => None,
        }
    }

    /// Fails if the line counts do not match `rows` rows.
    pub fn check_lines(&self, rows: u64) -> Result<(), RowsError> {
        let checked = self.line_counts().map_or(Ok(()), |counts| counts.check(rows));
        checked.map_err(|fault| RowsError::Count { path: self.path.clone(), fault })
    }

    fn look_at_names(&mut self, container: Option<Container>) -> Result<(), RowsError> {
        let forgiving = self.bounds.forgiving;
        let lines = match &mut self.source {
            Source::Parquet(Some(file)) => {
                self.names = file.names();
                return Ok(());
            }
            Source::Json(lines) => lines,
            Source::Csv(_) | Source::Parquet(_) | Source::ParquetRows(_) => return Ok(()),
        };
        let lines = match recode(lines) {
            Ok(()) => lines,
            Err(error) => return Err(self.line_error(LineError::Io(error))),
        };
        let head = lines.head(HEAD).map(|head| {
            let mark = if head.starts_with(BOM) { BOM.len() } else { 0 };
            let first = head[mark..].iter().copied().find(|byte| !byte.is_ascii_whitespace());
            (mark, first, head.is_empty(), head[mark..].starts_with(b"PAR1"), no_text(head))
        });
        let (mark, first, is_empty, is_parquet, no_text) =
            head.map_err(|error| self.line_error(LineError::Io(error)))?;
        // In forgiving mode, NUL bytes are faults of their rows.
        if let Some(what) = no_text.filter(|_| !is_parquet && !forgiving) {
            return Err(self.unfit(what));
        }
        match (first, container) {
            (_, Some(Container::Parquet)) => Err(self.unfit("this is no Parquet file")),
            (Some(_), Some(Container::Csv)) => self.look_at_headings(mark),
            (Some(_), Some(Container::JsonLines)) => self.look_at_keys(mark),
            (None, _) if is_empty => Err(self.unfit("it is empty: 0 bytes")),
            (first, _) => self.look_at_text(first, is_parquet, mark),
        }
    }

    fn look_at_text(
        &mut self,
        first: Option<u8>,
        is_parquet: bool,
        mark: usize,
    ) -> Result<(), RowsError> {
        match first {
            None => Err(self.unfit("it is empty: nothing but white space where it begins")),
            Some(_) if is_parquet => Err(self.unfit("a Parquet file that is packed as a whole")),
            Some(b'<') => Err(self.unfit("this is an HTML page or other markup")),
            Some(b'[') => {
                Err(self.unfit("a JSON array: JSON lines are read, one object to a line"))
            }
            Some(b'{') => self.look_at_keys(mark),
            Some(_) => self.look_at_headings(mark),
        }
    }

    fn look_at_keys(&mut self, mark: usize) -> Result<(), RowsError> {
        let Source::Json(lines) = &mut self.source else { return Ok(()) };
        lines.skip(mark);
        lines.set_max(self.bounds.max_json_line);
        self.peeked = self.advance()?;
        self.rows = 0;
        let keys = match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => json_rows::keys(self.verbatim()),
        };
        match keys {
            Ok(names) => self.names = names,
            Err(_) if self.bounds.forgiving => {}
            Err(fault) => return Err(self.fault(fault)),
        }
        Ok(())
    }

    fn look_at_headings(&mut self, mark: usize) -> Result<(), RowsError> {
        let empty = Lines::new(Box::new(std::io::empty()), 0);
        let Source::Json(mut lines) = std::mem::replace(&mut self.source, Source::Json(empty))
        else {
            return Ok(());
        };
        lines.skip(mark);
        let Bounds { max_csv_record: max, line_breaks, delimiter, .. } = self.bounds;
        let first = heading::read_first_lines(&mut lines, max, delimiter);
        let first = first.map_err(|error| self.line_error(LineError::Io(error)))?;
        if first.has_directive {
            lines.advance().map_err(|error| self.line_error(error))?;
        }
        let mut rows = CsvRows::new(lines, first.delimiter, max, line_breaks);
        rows.advance().map_err(|error| self.line_error(error))?;
        rows.end_headings();
        let named = rows.fields().map(|(text, spans)| {
            let name = |&(from, to): &Span| {
                String::from_utf8_lossy(text[from..to].trim_ascii()).into_owned()
            };
            spans.iter().map(name).collect()
        });
        self.source = Source::Csv(rows);
        self.names = named.map_err(|fault| self.fault(fault))?;
        // Only a quoted heading can contain a line end.
        let is_text = |name: &String| {
            let wrong = |c: char| c.is_control() && !matches!(c, '\t' | '\n') || c == '\u{fffd}';
            !name.replace("\r\n", "\n").contains(wrong)
        };
        if !self.names.iter().all(is_text) {
            return Err(
                self.unfit("its first line is neither JSON nor the headings of a CSV: no text")
            );
        }
        Ok(())
    }

    fn line_error(&self, error: LineError) -> RowsError {
        match error {
            LineError::Io(source) => {
                let failure = self.meter.as_ref().and_then(Meter::failure);
                failure.unwrap_or_else(|| RowsError::Read {
                    path: self.path.clone(),
                    what: "the file",
                    source,
                })
            }
            LineError::TooLong { line, max } => {
                self.unfit(format!("line {line} is longer than {max} bytes"))
            }
        }
    }
}

/// Returns why the beginning is not a supported text.
fn no_text(head: &[u8]) -> Option<&'static str> {
    head.contains(&0)
        .then_some("this is no text: it has NUL bytes (UTF-16 without a mark, or binary data)")
}

/// Converts UTF-16, and texts with carriage returns only, to UTF-8 with line feeds.
fn recode(lines: &mut Lines<'static>) -> io::Result<()> {
    if let Some(order) = ByteOrder::marked(lines.head(4)?) {
        lines.skip(2);
        lines.recode(|bytes| Box::new(Utf16::new(bytes, order)));
    }
    if recode::ends_with_return(lines.head(HEAD)?) {
        lines.recode(|bytes| Box::new(CarriageReturns::new(bytes)));
    }
    Ok(())
}

/// Advances to the next non-blank line.
fn next_object(lines: &mut Lines<'_>, blank_lines: &mut u64) -> Result<bool, LineError> {
    while lines.advance()? {
        if !lines.line().trim_ascii().is_empty() {
            return Ok(true);
        }
        *blank_lines += 1;
    }
    Ok(false)
}
