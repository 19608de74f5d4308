//! Tables of text with aligned columns. Cells must be escaped and on one line ([`super::text::escape`]).

use std::fmt::Write;

use super::text::shown_width;

/// The gap between two columns.
const GAP: &str = "  ";

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// A table with a heading.
#[derive(Clone, Debug)]
pub struct Table<const COLUMNS: usize> {
    sides: [Side; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table of the columns `heading`, each with its side.
    pub fn new(heading: [(&str, Side); COLUMNS]) -> Self {
        let rows = vec![heading.map(|(name, _)| name.to_owned())];
        Self { sides: heading.map(|(_, side)| side), rows }
    }

    pub fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }
}

/// The lines, each column as wide as its widest cell (in characters, colours aside), without white space at the
/// ends of lines.
impl<const COLUMNS: usize> std::fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut widths = [0; COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(shown_width(cell));
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), side) in row.iter().zip(widths).zip(self.sides) {
                let room = width - shown_width(cell);
                match side {
                    Side::Left => write!(line, "{cell}{:room$}{GAP}", "")?,
                    Side::Right => write!(line, "{:room$}{cell}{GAP}", "")?,
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let mut table = Table::new([("list", Side::Left), ("rows", Side::Right), ("", Side::Left)]);
        table.push(["김정은".to_owned(), "7".to_owned(), String::new()]);
        table.push(["us-ofac-sdn".to_owned(), "1234".to_owned(), "stale".to_owned()]);
        let want = "list         rows\n김정은             7\nus-ofac-sdn  1234  stale\n";
        assert_eq!(table.to_string(), want);
    }

    #[test]
    fn an_empty_table_is_its_heading() {
        assert_eq!(Table::new([("a", Side::Left), ("b", Side::Right)]).to_string(), "a  b\n");
    }
}
