//! The schema of a table, and the readable values of a rejected row.

use super::{Cells, Source, Table};
use crate::source::rows::SchemaField;

impl Table<'_> {
    /// Returns the schema of a Parquet file, before [`Self::select`]; empty for other files.
    pub fn schema(&self) -> Vec<SchemaField> {
        match &self.source {
            Source::Parquet(Some(file)) => file.schema(),
            Source::Csv(_) | Source::Json(_) | Source::Parquet(_) | Source::ParquetRows(_) => {
                Vec::new()
            }
        }
    }

    /// Returns the readable values of a rejected row, without repeated keys; `None` if it cannot be
    /// split.
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
