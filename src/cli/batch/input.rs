//! Reads the input of a batch in chunks. An invalid row is passed on with its fault; only a broken file
//! ends the reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::chunk::{Chunk, KeptValue};
use super::kept_columns::{self, KeepColumns, KeptColumn};
use super::summary::InputRead;
use crate::source::rows::{
    Bounds, Column, Columns, Container, LineBreaks, Origin, Place, Progress, Table, is_delimiter,
    optional, required,
};

/// The name of standard input.
pub const STDIN: &str = "-";

/// The column of chains where none is named.
const CHAIN: &str = "chain";

/// The most bytes of a chunk's rows, but for its last.
const MAX_BYTES: usize = 1 << 20;

/// What a row, a line and a row group may have at most. The file as a whole has no end that would be
/// too far.
const BOUNDS: Bounds = Bounds {
    max_unpacked: u64::MAX,
    max_csv_record: 256 << 10,
    max_json_line: 1 << 20,
    max_row_group: 2 << 30,
    forgiving: true,
    line_breaks: LineBreaks::Refused,
    delimiter: None,
    part: None,
};

/// The place of the addresses among the columns.
const ADDRESS: usize = 0;

/// What to read, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file; [`STDIN`] for standard input.
    pub path: PathBuf,
    /// What contains the rows; `None` tells it from the content.
    pub container: Option<Container>,
    /// What separates the fields of a CSV; `None` tells it from the first lines.
    pub delimiter: Option<u8>,
    /// The file that is read of a zip of several.
    pub part: Option<String>,
    /// The column of the addresses.
    pub address: String,
    /// The column of the chains; `None` for [`CHAIN`] where there is one.
    pub chain: Option<String>,
    /// The column of the caller's references.
    pub reference: Option<String>,
    /// Which other columns come back.
    pub keep: KeepColumns,
    /// Whether a quoted cell of a CSV may hold line breaks.
    pub line_breaks: LineBreaks,
}

impl Settings {
    /// Whether standard input is read.
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new(STDIN)
    }

    /// Opens the input and hands its rows to `then`; refuses columns that are not there.
    pub fn open<T>(&self, then: impl FnOnce(&mut Rows<'_>) -> Result<T>) -> Result<T> {
        let origin = if self.is_stdin() {
            Origin::Stream { name: "standard input", bytes: Box::new(std::io::stdin()) }
        } else {
            Origin::File(&self.path)
        };
        let bounds = Bounds {
            line_breaks: self.line_breaks,
            delimiter: self.delimiter,
            part: self.part.clone(),
            ..BOUNDS
        };
        let table = Table::open(origin, self.container, &bounds)?;
        let has = |name: &str| table.names().iter().any(|column| column == name);
        let wanted = [Some(&self.address), self.chain.as_ref(), self.reference.as_ref()];
        // A first line of JSON that is none has no names; then each row is asked for its own.
        if !table.names().is_empty()
            && let Some(name) = wanted.into_iter().flatten().find(|name| !has(name))
        {
            return Err(kept_columns::no_column(name, &table));
        }
        // Rows of JSON may have keys that the first has not.
        let taken = self.address == CHAIN || self.reference.as_deref() == Some(CHAIN);
        let may_have = has(CHAIN) || (!table.has_headings() && !taken);
        let chain = self.chain.as_deref().or_else(|| may_have.then_some(CHAIN));
        let used = [Some(self.address.as_str()), chain, self.reference.as_deref()];
        let used: Vec<_> = used.into_iter().flatten().collect();
        let kept = kept_columns::columns(&self.keep, &table, &used)?;
        let mut list = vec![required(&self.address)];
        let [chain, reference] = [chain, self.reference.as_deref()].map(|name| {
            let place = name.map(|_| list.len());
            list.extend(name.map(optional));
            place
        });
        once(&list)?;
        let first_kept = list.len();
        list.extend(kept.iter().map(KeptColumn::column));
        let columns = Columns { read_as: "addresses", list: &list, closed: false };
        let counts_others = self.keep == KeepColumns::All;
        let kept = kept_columns::names_in_result(&kept);
        let (rows, others) = (0, 0);
        let mut rows =
            Rows { table, chain, reference, kept, first_kept, rows, others, counts_others };
        rows.table.select(&columns)?;
        then(&mut rows)
    }
}

fn once(list: &[Column<'_>]) -> Result<()> {
    for (at, column) in list.iter().enumerate() {
        if list[..at].iter().any(|before| before.name == column.name) {
            bail!("the column {:?} cannot be two things", column.name);
        }
    }
    Ok(())
}

/// The character that `--delimiter` names.
pub fn delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("comma", _) => Ok(b','),
        ("semicolon", _) => Ok(b';'),
        ("tab" | "\\t", _) => Ok(b'\t'),
        ("bar", _) => Ok(b'|'),
        (_, [byte]) if is_delimiter(*byte) => Ok(*byte),
        _ => Err("name comma, semicolon, tab or bar, or give one character".to_owned()),
    }
}

/// The rows of an opened input.
pub struct Rows<'c> {
    table: Table<'c>,
    chain: Option<usize>,
    reference: Option<usize>,
    /// What the columns that come back are called in a result.
    kept: Arc<[String]>,
    /// The place of the first of them among the columns.
    first_kept: usize,
    rows: u64,
    /// Rows with keys that do not come back though all were to.
    others: u64,
    counts_others: bool,
}

impl Rows<'_> {
    pub fn count(&self) -> u64 {
        self.rows
    }

    /// How far the input has been read.
    pub fn progress(&self) -> Progress {
        self.table.progress()
    }

    /// What was read so far.
    pub fn read(&self) -> InputRead {
        let (lines, other_keys) = (self.table.line_counts(), self.others);
        InputRead { rows: self.rows, other_keys, lines }
    }

    /// What the columns that come back are called in a result.
    pub fn kept(&self) -> &Arc<[String]> {
        &self.kept
    }

    /// Adds the next row to `chunk`; whether there was one.
    pub fn next(&mut self, chunk: &mut Chunk) -> Result<bool> {
        let advanced = self.table.advance();
        let advanced = advanced.with_context(|| match self.rows {
            0 => "before the first row of the input".to_owned(),
            rows => format!("after row {rows} of the input ({})", self.table.place()),
        })?;
        if !advanced {
            return Ok(false);
        }
        self.rows += 1;
        let cells = match self.table.cells() {
            Ok(cells) => cells,
            Err(fault) => {
                let fault = match self.table.place() {
                    place @ Place { line: Some(_), .. } => format!("{place}: {fault}"),
                    Place { line: None, .. } => fault.to_string(),
                };
                chunk.push_fault(&fault);
                return Ok(true);
            }
        };
        let number = |column: usize| cells.has(column) && !cells.is_string(column);
        let of = |column: Option<usize>| column.map_or(&b""[..], |column| cells.of(column));
        let fault = match () {
            () if number(ADDRESS) => Some("the address is not a string"),
            () if self.chain.is_some_and(number) => Some("the chain is not a string"),
            () => None,
        };
        self.others += u64::from(self.counts_others && cells.has_others());
        let kept = (self.first_kept..self.first_kept + self.kept.len()).map(|column| {
            match cells.is_string(column) {
                _ if !cells.has(column) => KeptValue::Absent,
                true => KeptValue::Text(cells.of(column)),
                false => KeptValue::Json(cells.of(column)),
            }
        });
        chunk.push([of(self.reference), cells.of(ADDRESS), of(self.chain)], kept, fault);
        Ok(true)
    }

    /// Fills `chunk` with up to `most` rows; whether there may be more behind them. Of an input that
    /// breaks, the rows before stand in it.
    pub fn fill(&mut self, chunk: &mut Chunk, most: usize) -> Result<bool> {
        let mut more = Ok(true);
        while matches!(more, Ok(true)) && chunk.len() < most && chunk.bytes() < MAX_BYTES {
            more = self.next(chunk);
        }
        chunk.progress = self.progress();
        more
    }
}
