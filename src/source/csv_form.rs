//! Lazaretto's own CSV form, read and written: written lists read back as the same facts. Unknown
//! columns are rejected.
//!
//! `#` lines at the top carry `# lazaretto list 1`, `# published: 2025-11-19`, `# rows: 42` (the
//! exact number of rows) and free comments. The header line names the columns, in any order; only
//! `address` is required. Several values in a cell are joined by `|`; a backslash escapes a `|` or
//! backslash inside a value. Otherwise RFC 4180, except that line breaks in cells are rejected
//! unless `# rows: N` and `# line breaks: K` state the number of rows and of line breaks in cells:
//! two stray quotes would swallow the rows between them.
//!
//! Written files contain no control or invisible character. If the facts have any, the file is `#
//! lazaretto list 2`: in every cell such a character is written `\u{<hex>}`, and a backslash is
//! doubled, in addition to the escaping of several values.

// A match over errors of the CSV reader.
#![allow(clippy::wildcard_enum_match_arm)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};

use jiff::civil::Date;

use super::assembly::{Assembled, Assembly, day};
use super::error::{Fault, SourceError};
use super::excerpt::excerpt;
use super::hostile::{escape, is_hostile, unescape};
use super::own::{FIELDS, OwnRow, VERSION, check_count, check_version};
use super::unpack::Input;
use super::{Bounds, Format};
use crate::domain::list::{Party, RowFacts, RowKey};

/// The version whose cells are escaped.
const ESCAPED: u64 = 2;

/// The preamble of a list written as CSV.
#[derive(Clone, Copy, Debug, Default)]
pub struct CsvHead<'a> {
    pub published: Option<Date>,
    /// Comments, one line each; ignored on reading.
    pub comments: &'a [&'a str],
}

pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Assembled, SourceError> {
    let preamble = Preamble::read(input, bounds)?;
    let records = Records::new(input, bounds.max_record);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).buffer_capacity(1 << 16).from_reader(records);
    let mut record = csv::StringRecord::new();
    let mut columns = None;
    let mut list = Assembly::new(bounds);
    let mut breaks = 0;
    loop {
        reader.get_mut().begin();
        let line = preamble.lines + reader.position().line();
        let at = |fault: Fault| fault.at_line(Format::Csv, line);
        let more = reader.read_record(&mut record);
        if reader.get_ref().is_too_long() {
            return Err(at(Fault::RecordTooLong(bounds.max_record)));
        }
        if !more.map_err(|error| at(csv_fault(&error)))? {
            break;
        }
        let line = preamble.lines + record.position().map_or(0, csv::Position::line);
        let at = |fault: Fault| fault.at_line(Format::Csv, line);
        let found: u64 = record.iter().map(line_breaks).sum();
        if found > 0 && (preamble.rows.is_none() || preamble.line_breaks.is_none()) {
            return Err(at(Fault::LineBreak));
        }
        breaks += found;
        match &columns {
            None => columns = Some(header(&record).map_err(at)?),
            Some(columns) => row(columns, &record, preamble.is_escaped)
                .and_then(|row| row.add(&mut list, bounds))
                .map_err(at)?,
        }
    }
    let line = preamble.lines + reader.position().line();
    let at = |fault: Fault| fault.at_line(Format::Csv, line);
    if columns.is_none() {
        return Err(at(Fault::Missing("the header line")));
    }
    if reader.get_ref().ends_in_quotes() {
        return Err(at(Fault::Truncated("a quoted field is not closed")));
    }
    check_count(preamble.rows, &list).map_err(at)?;
    match preamble.line_breaks {
        Some(stated) if stated != breaks => {
            return Err(at(Fault::LineBreakCount { stated, found: breaks }));
        }
        _ => {}
    }
    Ok(list.finish(preamble.published))
}

pub(super) fn csv_fault(error: &csv::Error) -> Fault {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => Fault::NotUtf8,
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Fault::Syntax(format!("{len} fields where the header has {expected_len}"))
        }
        _ => Fault::syntax(error),
    }
}

/// Counts the line ends in a cell: `\n`, `\r\n`, and a lone `\r`.
fn line_breaks(cell: &str) -> u64 {
    let lone = |at: usize| !cell[at + 1..].starts_with('\n');
    let ends = cell.match_indices(['\n', '\r']);
    ends.filter(|(at, end)| *end == "\n" || lone(*at)).count() as u64
}

/// The `#` lines at the top.
#[derive(Default)]
struct Preamble {
    lines: u64,
    published: Option<Date>,
    rows: Option<u64>,
    /// Ends of lines in cells.
    line_breaks: Option<u64>,
    is_escaped: bool,
}

impl Preamble {
    fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<Self, SourceError> {
        let mut preamble = Self::default();
        let mut line = Vec::new();
        while input.fill_buf().map_err(SourceError::Read)?.first() == Some(&b'#') {
            preamble.lines += 1;
            line.clear();
            let most = bounds.max_field as u64 + 1;
            input.by_ref().take(most).read_until(b'\n', &mut line).map_err(SourceError::Read)?;
            let taken = if line.len() > bounds.max_field {
                Err(Fault::FieldTooLong(bounds.max_field))
            } else {
                std::str::from_utf8(&line)
                    .map_err(|_| Fault::NotUtf8)
                    .and_then(|line| preamble.parse_line(line))
            };
            taken.map_err(|fault| fault.at_line(Format::Csv, preamble.lines))?;
        }
        Ok(preamble)
    }

    fn parse_line(&mut self, line: &str) -> Result<(), Fault> {
        let text = line.trim_start_matches('#').trim();
        if let Some(version) = text.strip_prefix("lazaretto list ").map(str::trim) {
            let bad = |_| Fault::BadValue("the version", excerpt(version));
            let version = version.parse().map_err(bad)?;
            self.is_escaped = version == ESCAPED;
            return if self.is_escaped { Ok(()) } else { check_version(version) };
        }
        if let Some(published) = text.strip_prefix("published:") {
            if self.published.replace(day(published.trim())?).is_some() {
                return Err(Fault::Misplaced("published"));
            }
        } else if let Some(rows) = text.strip_prefix("rows:").map(str::trim) {
            let bad = |_| Fault::BadValue("the number of rows", excerpt(rows));
            if self.rows.replace(rows.parse().map_err(bad)?).is_some() {
                return Err(Fault::Misplaced("rows"));
            }
        } else if let Some(breaks) = text.strip_prefix("line breaks:").map(str::trim) {
            let bad = |_| Fault::BadValue("the number of line breaks", excerpt(breaks));
            if self.line_breaks.replace(breaks.parse().map_err(bad)?).is_some() {
                return Err(Fault::Misplaced("line breaks"));
            }
        }
        Ok(())
    }
}

/// Bounds a record and counts quotes: an unclosed field would otherwise swallow the rest of the
/// file without an error.
pub(super) struct Records<'a, 'b> {
    input: &'a mut Input<'b>,
    max: usize,
    taken: usize,
    odd_quotes: bool,
}

impl<'a, 'b> Records<'a, 'b> {
    /// Reads `input`, at most `max` bytes per record.
    pub(super) fn new(input: &'a mut Input<'b>, max: usize) -> Self {
        Self { input, max, taken: 0, odd_quotes: false }
    }

    pub(super) fn begin(&mut self) {
        self.taken = 0;
    }

    /// Returns true if the record exceeds its bound.
    pub(super) fn is_too_long(&self) -> bool {
        self.taken > self.max
    }

    /// Returns true if a quoted field is open.
    pub(super) fn ends_in_quotes(&self) -> bool {
        self.odd_quotes
    }
}

impl Read for Records<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.taken > self.max {
            return Err(io::Error::other("record too long"));
        }
        let count = self.input.read(buf)?;
        self.taken += count;
        let quotes = buf[..count].iter().filter(|byte| **byte == b'"').count();
        self.odd_quotes ^= quotes % 2 == 1;
        Ok(count)
    }
}

/// Maps each column to [`FIELDS`].
fn header(record: &csv::StringRecord) -> Result<Vec<usize>, Fault> {
    let mut columns = Vec::new();
    for name in record {
        let name = name.trim();
        let Some(field) = FIELDS.iter().position(|field| *field == name) else {
            return Err(Fault::UnknownField(excerpt(name)));
        };
        if columns.contains(&field) {
            return Err(Fault::Misplaced(FIELDS[field]));
        }
        columns.push(field);
    }
    if !columns.contains(&0) {
        return Err(Fault::Missing("the column address"));
    }
    Ok(columns)
}

fn row(columns: &[usize], record: &csv::StringRecord, is_escaped: bool) -> Result<OwnRow, Fault> {
    let mut row = OwnRow::default();
    for (field, cell) in columns.iter().zip(record) {
        let cell: &str = &if is_escaped {
            unescape(cell)
                .ok_or_else(|| Fault::BadValue("a cell with a backslash", excerpt(cell)))?
        } else {
            Cow::Borrowed(cell)
        };
        let text = || cell.to_owned();
        match FIELDS[*field] {
            "address" => row.key.address = text(),
            "ticker" => row.key.ticker = text(),
            "party_uid" => row.key.party_uid = text(),
            "party_name" => row.name = text(),
            "party_aliases" => row.aliases = split(cell)?,
            "party_type" => row.party_type = text(),
            "programs" => row.programs = split(cell)?,
            "party_listed_on" => {
                row.party_listed_on =
                    split(cell)?.iter().map(|text| day(text)).collect::<Result<_, _>>()?;
            }
            "listed_on" if cell.is_empty() => {}
            "listed_on" => row.facts.listed_on = Some(day(cell)?),
            "category" => row.facts.category = text(),
            _ => row.facts.reference = text(),
        }
    }
    Ok(row)
}

/// The values of a cell.
fn split(cell: &str) -> Result<Vec<String>, Fault> {
    let mut values = Vec::new();
    if cell.is_empty() {
        return Ok(values);
    }
    let mut value = String::new();
    let mut characters = cell.chars();
    while let Some(character) = characters.next() {
        match character {
            '|' => values.push(std::mem::take(&mut value)),
            '\\' => match characters.next() {
                Some(escaped @ ('|' | '\\')) => value.push(escaped),
                _ => return Err(Fault::BadValue("a cell with a backslash", excerpt(cell))),
            },
            other => value.push(other),
        }
    }
    values.push(value);
    Ok(values)
}

/// The cell of several values.
fn join<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    let escaped = values.into_iter().map(|value| value.replace('\\', "\\\\").replace('|', "\\|"));
    escaped.collect::<Vec<_>>().join("|")
}

/// Writes a list in Lazaretto's CSV form: parties by uid, rows by key, so that equal facts give
/// equal bytes. Parties without rows are left out.
///
/// # Errors
///
/// Fails if `out` does, or with `InvalidInput` if a row's party is missing or a comment could be
/// misread.
pub fn write_csv<'a>(
    mut out: impl Write,
    head: &CsvHead<'_>,
    parties: impl IntoIterator<Item = &'a Party>,
    rows: impl IntoIterator<Item = (&'a RowKey, &'a RowFacts)>,
) -> io::Result<()> {
    let parties: BTreeMap<&str, &Party> =
        parties.into_iter().map(|party| (party.uid.as_str(), party)).collect();
    let rows: BTreeMap<&RowKey, &RowFacts> = rows.into_iter().collect();
    let party = |key: &RowKey| {
        let party = parties.get(key.party_uid.as_str()).copied();
        party.ok_or_else(|| {
            invalid(format!("party {:?} of a row is not given", excerpt(&key.party_uid)))
        })
    };
    let mut is_escaped = false;
    for (key, facts) in &rows {
        is_escaped |= cells(key, facts, party(key)?).iter().any(|cell| cell.contains(is_hostile));
    }
    write_head(&mut out, head, rows.len(), if is_escaped { ESCAPED } else { VERSION })?;
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(FIELDS)?;
    for (key, facts) in rows {
        let cells = cells(key, facts, party(key)?);
        let cells =
            cells.iter().map(|cell| if is_escaped { escape(cell) } else { cell.as_ref().into() });
        writer.write_record(cells.map(|cell| cell.as_bytes().to_vec()))?;
    }
    writer.flush()
}

/// The cells of a row, in the order of [`FIELDS`].
fn cells<'a>(key: &'a RowKey, facts: &'a RowFacts, party: &'a Party) -> [Cow<'a, str>; 11] {
    let days: Vec<String> = party.listed_on.iter().map(Date::to_string).collect();
    [
        key.address.as_str().into(),
        key.ticker.as_str().into(),
        party.uid.as_str().into(),
        party.name.as_str().into(),
        join(&party.aliases).into(),
        party.party_type.as_str().into(),
        join(&party.programs).into(),
        days.join("|").into(),
        facts.listed_on.map(|day| day.to_string()).unwrap_or_default().into(),
        facts.category.as_str().into(),
        facts.reference.as_str().into(),
    ]
}

fn write_head(
    out: &mut impl Write,
    head: &CsvHead<'_>,
    rows: usize,
    version: u64,
) -> io::Result<()> {
    writeln!(out, "# lazaretto list {version}")?;
    if let Some(published) = head.published {
        writeln!(out, "# published: {published}")?;
    }
    writeln!(out, "# rows: {rows}")?;
    for comment in head.comments {
        let known = ["lazaretto list ", "published:", "rows:", "line breaks:"];
        let text = comment.trim_start_matches(['#', ' ']);
        if comment.contains(is_hostile) || known.iter().any(|known| text.starts_with(known)) {
            return Err(invalid(format!("{:?} cannot be a comment", excerpt(comment))));
        }
        writeln!(out, "# {comment}")?;
    }
    Ok(())
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests;
