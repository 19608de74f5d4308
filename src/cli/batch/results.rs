//! Reads results of batches: CSV, JSON lines or Parquet, compressed or not.

use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow};

use super::columns::{COLUMNS, Presence, ResultRow};
use super::form::QUOTE;
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

/// The columns, each at its place in [`COLUMNS`].
static LIST: LazyLock<Vec<Column<'static>>> = LazyLock::new(|| {
    let wanted = COLUMNS.iter().map(|column| match column.presence {
        Presence::Always => required(column.name),
        Presence::Added | Presence::Evidence => optional(column.name),
    });
    wanted.collect()
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
        let mut row = ResultRow::default();
        for (at, column) in COLUMNS.iter().enumerate() {
            let text = self.text(at)?;
            (column.read)(&mut row, text).ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                anyhow!("{}: unknown value {shown:?}", column.name)
            })?;
        }
        let kept = (COLUMNS.len()..self.columns.len()).map(|at| self.text(at).map(str::to_owned));
        row.kept = kept.collect::<Result<_>>()?;
        Ok(row)
    }

    fn text(&self, column: usize) -> Result<&str> {
        let text = std::str::from_utf8(self.cells.of(column))
            .map_err(|_| anyhow!("{}: is not UTF-8", self.columns[column].name))?;
        Ok(if self.is_csv { text.strip_prefix(QUOTE).unwrap_or(text) } else { text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::cells::{RowDecision, Share};
    use crate::cli::batch::chunk::InputRow;
    use crate::cli::batch::form::{Lines, RowForm};

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
            form.row(&InputRow::of(row), row, &mut bytes);
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
        let columns = COLUMNS.iter().filter(|column| column.presence == Presence::Always);
        let columns: Vec<_> = columns.map(|column| column.name).collect();
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
        let commas = ",".repeat(27);
        check(
            &format!("{head}1,,0xab,,MAYBE{commas}\n"),
            "line 2: decision: unknown value \"MAYBE\"",
        );
        check(
            &format!("{head}1,,0xab,,ALLOW,300{}\n", ",".repeat(26)),
            "score: unknown value \"300\"",
        );
        check(&format!("{head}x,,0xab,,ALLOW{commas}\n"), "line 2: row: unknown value \"x\"");
        check(&format!("{head}1,2\n"), "2 fields where the headings have 32");
        check("address\n0xab\n", "no column \"row\"");
        check("{\"row\":1}\n", "decision: unknown value \"\"");
        check("", "it is empty: 0 bytes");
    }
}
