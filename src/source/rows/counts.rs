//! Accounts for every line of a text of rows.

use serde::{Deserialize, Serialize};

/// The lines of a CSV or of JSON lines. Each line belongs to the headings, is empty, begins a row,
/// or continues a row whose cell has line breaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounts {
    /// Lines of the text, including a last one without an end.
    pub lines: u64,
    /// Lines of the headings: 1 without line breaks in headings, 0 for JSON lines.
    pub heading_lines: u64,
    /// Empty lines; for JSON lines also blank ones.
    pub empty_lines: u64,
    /// Lines after the first of rows with line breaks in cells; 0 for JSON lines.
    pub lines_in_cells: u64,
}

/// The line counts are inconsistent: rows were lost or duplicated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its lines do not add up: {lines} lines, but headings {heading_lines}, empty {empty_lines}, rows \
     {rows}, further lines of cells {lines_in_cells}: rows were lost or read twice; this is a fault \
     of the program: report it",
    lines = counts.lines, heading_lines = counts.heading_lines, empty_lines = counts.empty_lines,
    lines_in_cells = counts.lines_in_cells
)]
pub struct LineCountError {
    pub counts: LineCounts,
    pub rows: u64,
}

impl LineCounts {
    /// Adds the lines of another file.
    pub fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.heading_lines += other.heading_lines;
        self.empty_lines += other.empty_lines;
        self.lines_in_cells += other.lines_in_cells;
    }

    /// Fails unless `lines = heading_lines + empty_lines + rows + lines_in_cells`.
    pub fn check(self, rows: u64) -> Result<(), LineCountError> {
        let parts = [self.heading_lines, self.empty_lines, rows, self.lines_in_cells];
        // The row count comes from a file that may have been altered.
        let sum = parts.into_iter().try_fold(0, u64::checked_add);
        if sum == Some(self.lines) { Ok(()) } else { Err(LineCountError { counts: self, rows }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_add_up_or_say_what_does_not() {
        let counts = LineCounts { lines: 10, heading_lines: 1, empty_lines: 2, lines_in_cells: 3 };
        assert_eq!(counts.check(4), Ok(()));
        for rows in [0, 3, 5, u64::MAX] {
            let error = counts.check(rows).unwrap_err().to_string();
            let words = format!("10 lines, but headings 1, empty 2, rows {rows}, further lines");
            assert!(error.contains(&words), "{error}");
        }
    }
}
