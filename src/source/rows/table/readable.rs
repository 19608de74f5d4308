//! What can be told of a table beside its rows: the schema, and the readable values of a row that was
//! refused.

use super::{Cells, Source, Table};
use crate::source::rows::SchemaField;

impl Table<'_> {
    /// What the columns of a Parquet file hold, until [`Self::select`]; nothing of other files.
    pub fn schema(&self) -> Vec<SchemaField> {
        match &self.source {
            Source::Parquet(Some(file)) => file.schema(),
            _ => Vec::new(),
        }
    }

    /// What can surely be read of a row that was refused: its values, but for those of a key that
    /// stands twice in it; `None` where it cannot be taken apart.
    pub fn readable_cells(&mut self) -> Option<Cells<'_>> {
        if self.fault.is_some() || self.is_csv() {
            return self.cells().ok();
        }
        let object = match &self.source {
            Source::Json(lines) => lines.line(),
            Source::ParquetRows(rows) => rows.object(),
            Source::Csv(_) | Source::Parquet(_) => b"",
        };
        self.values.pick_readable(object, self.columns?).ok()?;
        let (text, spans) = self.values.fields();
        let (strings, has_others) = (Some(self.values.strings()), self.values.has_others());
        Some(Cells { text, spans, columns: &self.places, strings, has_others })
    }
}
