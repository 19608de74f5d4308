//! Reads results of batches: CSV, JSON lines or Parquet, compressed or not.

use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow};

use super::form::QUOTE;
use super::row::{ADDED, COLUMNS, ResultRow};
use crate::source::rows::{
    Bounds, Cells, Column, Columns, LineBreaks, Origin, Table, optional, required,
};

/// A row has a path at most, of a few hundred bytes a hop.
const BOUNDS: Bounds = Bounds {
    max_unpacked: u64::MAX,
    max_csv_record: 8 << 20,
    max_json_line: 8 << 20,
    max_row_group: 4 << 30,
    forgiving: false,
    // A reference of JSON lines may hold some.
    line_breaks: LineBreaks::Allowed,
    delimiter: Some(b','),
    part: None,
};

/// The columns, each at its place in [`COLUMNS`]. The path and those of [`ADDED`] may be
/// missing.
static LIST: LazyLock<Vec<Column<'static>>> = LazyLock::new(|| {
    let may_be_missing = |name: &str| name == "path" || ADDED.contains(&name);
    let column = |name: &'static str| {
        if may_be_missing(name) { optional(name) } else { required(name) }
    };
    COLUMNS.into_iter().map(column).collect()
});

static WANTED: LazyLock<Columns<'static>> =
    LazyLock::new(|| Columns { read_as: "a result of screen --input", list: &LIST, closed: false });

/// The rows of a result.
pub struct Results<'c> {
    table: Table<'c>,
    columns: &'c Columns<'c>,
    failed: bool,
}

/// The columns of a result that has `kept` behind ours, for [`Results::with_columns`].
pub fn columns(kept: &[String]) -> Vec<Column<'_>> {
    let ours = LIST.iter().map(|column| Column { ..*column });
    ours.chain(kept.iter().map(|name| required(name))).collect()
}

/// Reads the rows of the result at `path`, in its order; a row that is none of a result is an error
/// with its place, and ends the reading.
pub fn read(path: &Path) -> Result<impl Iterator<Item = Result<ResultRow>>> {
    Results::open(Origin::File(path))
}

impl Results<'static> {
    pub fn open(origin: Origin<'_>) -> Result<Self> {
        Self::with_columns(origin, &WANTED)
    }
}

impl<'c> Results<'c> {
    /// Opens a result that has these [`columns`].
    pub fn with_columns(origin: Origin<'_>, columns: &'c Columns<'c>) -> Result<Self> {
        let mut table = Table::open(origin, None, &BOUNDS)?;
        table.select(columns)?;
        Ok(Self { table, columns, failed: false })
    }

    /// The names of the columns; of JSON those of the first row.
    pub fn names(&self) -> &[String] {
        self.table.names()
    }

    fn row(&mut self) -> Result<Option<ResultRow>> {
        if !self.table.advance()? {
            return Ok(None);
        }
        let (place, is_csv) = (self.table.place(), self.table.is_csv());
        let cells = self.table.cells().map_err(anyhow::Error::from);
        let columns = self.columns.list;
        let row = cells.and_then(|cells| Reader { cells, is_csv, columns }.row());
        row.map(Some).with_context(|| place.to_string())
    }
}

impl Iterator for Results<'_> {
    type Item = Result<ResultRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.row().transpose();
        self.failed = matches!(row, Some(Err(_)));
        row
    }
}

struct Reader<'c> {
    cells: Cells<'c>,
    is_csv: bool,
    columns: &'c [Column<'c>],
}

impl Reader<'_> {
    fn row(&self) -> Result<ResultRow> {
        let mut next = 0..COLUMNS.len();
        let mut column = || next.next().expect("there are as many columns as are asked for");
        Ok(ResultRow {
            row: self.known(column())?.ok_or_else(|| anyhow!("row: is missing"))?,
            reference: self.text(column())?,
            address: self.text(column())?,
            chain: self.text(column())?,
            decision: {
                let at = column();
                let text = self.text(at)?;
                text.parse().map_err(|()| wrong(at, &text))?
            },
            score: self.known(column())?,
            level: self.text(column())?,
            status: self.text(column())?,
            finding: self.text(column())?,
            hops: self.known(column())?,
            timing: self.text(column())?,
            timing_basis: self.text(column())?,
            share: {
                let at = column();
                let text = self.text(at)?;
                match text.as_str() {
                    "" => None,
                    text => Some(text.parse().map_err(|()| wrong(at, text))?),
                }
            },
            list: self.text(column())?,
            list_kind: self.text(column())?,
            party: self.text(column())?,
            listed_address: self.text(column())?,
            programs: self.text(column())?,
            aliases: self.text(column())?,
            listed_on: self.text(column())?,
            listed_on_basis: self.text(column())?,
            rule: self.text(column())?,
            reason: self.text(column())?,
            coverage: self.text(column())?,
            exposure_hops: self.known(column())?,
            snapshot: self.text(column())?,
            policy: self.text(column())?,
            evaluated_at: self.text(column())?,
            unvalued_direct: self.known(column())?,
            common_input: self.text(column())?,
            cluster_cut: self.text(column())?,
            path: self.text(column())?,
            kept: (COLUMNS.len()..self.columns.len())
                .map(|at| self.text(at))
                .collect::<Result<_>>()?,
        })
    }

    fn text(&self, column: usize) -> Result<String> {
        let text = std::str::from_utf8(self.cells.of(column))
            .map_err(|_| anyhow!("{}: is not UTF-8", self.columns[column].name))?;
        let text = if self.is_csv { text.strip_prefix(QUOTE).unwrap_or(text) } else { text };
        Ok(text.to_owned())
    }

    fn known<N: std::str::FromStr>(&self, column: usize) -> Result<Option<N>> {
        match self.text(column)?.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| wrong(column, text)),
        }
    }
}

fn wrong(column: usize, text: &str) -> anyhow::Error {
    let shown: String = text.chars().take(40).collect();
    anyhow!("{}: unknown value {shown:?}", COLUMNS[column])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::chunk::{InputRow, Kept};
    use crate::cli::batch::form::{Lines, RowForm};
    use crate::cli::batch::row::{RowDecision, Share};

    fn sample(row: u64) -> ResultRow {
        ResultRow {
            row,
            reference: "=1+1, \"x\"\ny".to_owned(),
            address: "0xab".to_owned(),
            decision: RowDecision::Review,
            score: Some(60),
            hops: Some(2),
            exposure_hops: Some(8),
            share: Some(Share(1_250)),
            party: "'Kim".to_owned(),
            path: "{\"hops\":[{\"tx\":\"a\"}]}".to_owned(),
            ..ResultRow::default()
        }
    }

    fn written(form: &RowForm, rows: &[ResultRow]) -> tempfile::NamedTempFile {
        let mut bytes = form.head();
        for row in rows {
            let ResultRow { row: number, reference, address, chain, .. } = row;
            let (row_number, kept) = (*number, Kept::NONE);
            let asked = InputRow { row: row_number, reference, address, chain, kept, fault: None };
            form.row(&asked, row, &mut bytes);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn what_is_written_is_read() {
        let rows = [sample(1), ResultRow { row: 2, address: "é".to_owned(), ..Default::default() }];
        for lines in [Lines::Csv, Lines::Json] {
            let file = written(&RowForm::new(lines, true), &rows);
            let found: Result<Vec<_>> = read(file.path()).unwrap().collect();
            let mut want = rows.clone();
            if lines == Lines::Csv {
                // A cell of CSV is one line, and has no character that a terminal obeys.
                want[0].reference = want[0].reference.replace('\n', "\\n");
            }
            assert_eq!(found.unwrap(), want, "{lines:?}");
        }
        let file = written(&RowForm::new(Lines::Csv, false), &rows[1..]);
        assert_eq!(read(file.path()).unwrap().map(Result::unwrap).collect::<Vec<_>>(), rows[1..]);
    }

    /// A result of an earlier program, which had fewer columns.
    #[test]
    fn columns_that_were_added_may_be_missing() {
        let columns: Vec<_> = COLUMNS.into_iter().filter(|name| !ADDED.contains(name)).collect();
        let cell = |name: &&str| match *name {
            "row" => "1",
            "decision" => "BLOCK",
            "listed_address" => "0xcd",
            "rule" => "listed",
            _ => "",
        };
        let cells: Vec<_> = columns.iter().map(cell).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{}\n{}\n", columns.join(","), cells.join(",")))
            .unwrap();
        let row = read(file.path()).unwrap().next().unwrap().unwrap();
        assert_eq!((row.listed_address.as_str(), row.rule.as_str()), ("0xcd", "listed"));
        assert_eq!((row.programs.as_str(), row.listed_on_basis.as_str()), ("", ""));
    }

    #[test]
    fn what_is_no_result_is_refused_with_its_place() {
        let form = RowForm::new(Lines::Csv, false);
        let head = String::from_utf8(form.head()).unwrap();
        let check = |text: &str, want: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let said = match read(file.path()) {
                Err(error) => format!("{error:#}"),
                Ok(rows) => format!("{:#}", rows.last().unwrap().unwrap_err()),
            };
            assert!(said.contains(want), "{said}");
        };
        let commas = ",".repeat(26);
        check(
            &format!("{head}1,,0xab,,MAYBE{commas}\n"),
            "line 2: decision: unknown value \"MAYBE\"",
        );
        check(
            &format!("{head}1,,0xab,,ALLOW,300{}\n", ",".repeat(25)),
            "score: unknown value \"300\"",
        );
        check(&format!("{head}x,,0xab,,ALLOW{commas}\n"), "line 2: row: unknown value \"x\"");
        check(&format!("{head}1,2\n"), "2 fields where the headings have 31");
        check("address\n0xab\n", "no column \"row\"");
        check("{\"row\":1}\n", "decision: unknown value \"\"");
        check("", "it is empty: 0 bytes");
    }
}
