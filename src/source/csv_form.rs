//! Our own CSV form, read and written: what is written is read back as the very same facts. Must
//! not accept a column that it does not know.
//!
//! `#` lines at the top carry `# lazaretto list 1`, `# published: 2025-11-19`, `# rows: 42` (which
//! must then be the number of rows) and free comments. The header line names the columns, in any
//! order, of which only `address` is required. Several values in a cell are joined by `|`; a
//! backslash stands before a `|` or backslash that belongs to the value. RFC 4180 otherwise, but a
//! line break in a cell is refused without `# rows`: two stray quotes would swallow the rows between
//! them, which only the number of rows shows.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};

use jiff::civil::Date;

use super::assembly::{Assembly, day};
use super::error::{Fault, SourceError, excerpt};
use super::own::{FIELDS, OwnRow, VERSION, check_count, check_version};
use super::unpack::Input;
use super::{Bounds, Format};
use crate::domain::list::{Party, ReadList, RowFacts, RowKey};

/// What stands above the rows of a list written as CSV.
#[derive(Clone, Copy, Debug, Default)]
pub struct CsvHead<'a> {
    /// The day of publication.
    pub published: Option<Date>,
    /// Comments for people, one line each; not read back.
    pub comments: &'a [&'a str],
}

/// Reads the list.
pub(super) fn read(input: &mut Input<'_>, bounds: &Bounds) -> Result<ReadList, SourceError> {
    let preamble = Preamble::read(input, bounds)?;
    let records = Records { input, max: bounds.max_record, taken: 0, odd_quotes: false };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).buffer_capacity(1 << 16).from_reader(records);
    let mut record = csv::StringRecord::new();
    let mut columns = None;
    let mut list = Assembly::new(bounds);
    loop {
        reader.get_mut().taken = 0;
        let line = preamble.lines + reader.position().line();
        let at = |fault: Fault| fault.at_line(Format::Csv, line);
        let more = reader.read_record(&mut record);
        if reader.get_mut().taken > bounds.max_record {
            return Err(at(Fault::RecordTooLong(bounds.max_record)));
        }
        if !more.map_err(|error| at(csv_fault(&error)))? {
            break;
        }
        let line = preamble.lines + record.position().map_or(0, csv::Position::line);
        let at = |fault: Fault| fault.at_line(Format::Csv, line);
        if preamble.rows.is_none() && record.iter().any(|cell| cell.contains(['\n', '\r'])) {
            return Err(at(Fault::LineBreak));
        }
        match &columns {
            None => columns = Some(header(&record).map_err(at)?),
            Some(columns) => {
                row(columns, &record).and_then(|row| row.add(&mut list, bounds)).map_err(at)?
            }
        }
    }
    let line = preamble.lines + reader.position().line();
    let at = |fault: Fault| fault.at_line(Format::Csv, line);
    if columns.is_none() {
        return Err(at(Fault::Missing("the header line")));
    }
    if reader.get_mut().odd_quotes {
        return Err(at(Fault::Truncated("a quoted field is not closed")));
    }
    check_count(preamble.rows, &list).map_err(at)?;
    Ok(list.finish(preamble.published))
}

fn csv_fault(error: &csv::Error) -> Fault {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => Fault::NotUtf8,
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Fault::Syntax(format!("{len} fields where the header has {expected_len}"))
        }
        _ => Fault::syntax(error),
    }
}

/// The `#` lines at the top.
#[derive(Default)]
struct Preamble {
    lines: u64,
    published: Option<Date>,
    rows: Option<u64>,
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
                    .and_then(|line| preamble.take(line))
            };
            taken.map_err(|fault| fault.at_line(Format::Csv, preamble.lines))?;
        }
        Ok(preamble)
    }

    fn take(&mut self, line: &str) -> Result<(), Fault> {
        let text = line.trim_start_matches('#').trim();
        if let Some(version) = text.strip_prefix("lazaretto list ").map(str::trim) {
            let bad = |_| Fault::BadValue("the version", excerpt(version));
            return check_version(version.parse().map_err(bad)?);
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
        }
        Ok(())
    }
}

/// Bounds a record, and counts quotes: a field that is not closed swallows the rest of the file
/// without an error otherwise.
struct Records<'a, 'b> {
    input: &'a mut Input<'b>,
    max: usize,
    taken: usize,
    odd_quotes: bool,
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

/// Which of [`FIELDS`] each column is.
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

fn row(columns: &[usize], record: &csv::StringRecord) -> Result<OwnRow, Fault> {
    let mut row = OwnRow::default();
    for (field, cell) in columns.iter().zip(record) {
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

/// Writes a list in our CSV form: parties by uid, rows by key, so that equal facts give equal
/// bytes. Parties without rows are left out.
///
/// # Errors
///
/// Those of `out`; `InvalidInput` where a row's party is not given, or a comment could be taken for
/// something else when read back.
pub fn write_csv<'a>(
    mut out: impl Write,
    head: &CsvHead<'_>,
    parties: impl IntoIterator<Item = &'a Party>,
    rows: impl IntoIterator<Item = (&'a RowKey, &'a RowFacts)>,
) -> io::Result<()> {
    let parties: BTreeMap<&str, &Party> =
        parties.into_iter().map(|party| (party.uid.as_str(), party)).collect();
    let rows: BTreeMap<&RowKey, &RowFacts> = rows.into_iter().collect();
    write_head(&mut out, head, rows.len())?;
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(FIELDS)?;
    for (key, facts) in rows {
        let Some(party) = parties.get(key.party_uid.as_str()) else {
            return Err(invalid(format!(
                "party {:?} of a row is not given",
                excerpt(&key.party_uid)
            )));
        };
        let days: Vec<String> = party.listed_on.iter().map(Date::to_string).collect();
        writer.write_record([
            key.address.as_str(),
            &key.ticker,
            &party.uid,
            &party.name,
            &join(&party.aliases),
            &party.party_type,
            &join(&party.programs),
            &days.join("|"),
            &facts.listed_on.map(|day| day.to_string()).unwrap_or_default(),
            &facts.category,
            &facts.reference,
        ])?;
    }
    writer.flush()
}

fn write_head(out: &mut impl Write, head: &CsvHead<'_>, rows: usize) -> io::Result<()> {
    writeln!(out, "# lazaretto list {VERSION}")?;
    if let Some(published) = head.published {
        writeln!(out, "# published: {published}")?;
    }
    writeln!(out, "# rows: {rows}")?;
    for comment in head.comments {
        let known = ["lazaretto list ", "published:", "rows:"];
        let text = comment.trim_start_matches(['#', ' ']);
        if comment.contains(['\n', '\r']) || known.iter().any(|known| text.starts_with(known)) {
            return Err(invalid(format!("{:?} is no comment", excerpt(comment))));
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
