//! `--keep-columns`: selects the input columns that the result repeats, and their names in it.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};

use super::columns::{COLUMNS, is_column};
use crate::cli::text::escape;
use crate::source::rows::{Column, MAX_COLUMNS, Table};

/// The most columns that an error names.
const NAMED: usize = 40;

/// The most columns that come back.
const MAX_KEPT: usize = MAX_COLUMNS - COLUMNS.len();

/// Which columns of the input come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepColumns {
    /// All but those that come back as `address`, `chain` and `reference`.
    All,
    None,
    Named(Vec<String>),
}

/// What `--keep-columns` says: `all`, `none`, or names separated by commas.
pub fn keep_columns(text: &str) -> Result<KeepColumns, String> {
    match text {
        "all" => Ok(KeepColumns::All),
        "none" => Ok(KeepColumns::None),
        names => {
            let names: Vec<_> = names.split(',').map(|name| name.trim().to_owned()).collect();
            if names.iter().any(String::is_empty) {
                return Err("name all, none, or columns separated by commas".to_owned());
            }
            Ok(KeepColumns::Named(names))
        }
    }
}

/// A column of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptColumn {
    /// What it is called there.
    pub name: String,
    /// Where among the fields of a CSV it stands; `None` in other files.
    pub at: Option<usize>,
}

impl KeptColumn {
    /// As a column that is looked for.
    pub fn column(&self) -> Column<'_> {
        Column { name: &self.name, required: false, at: self.at }
    }
}

/// The columns of `table` that come back, beside those that are `used`.
pub fn columns(keep: &KeepColumns, table: &Table<'_>, used: &[&str]) -> Result<Vec<KeptColumn>> {
    let by_place = table.is_csv();
    let mut known = HashSet::new();
    let named = table.names().iter().enumerate().filter_map(|(at, name)| {
        // A CSV may call several by one name.
        let is_new = by_place || known.insert(name.as_str());
        let at = by_place.then_some(at);
        (is_new && !used.contains(&name.as_str())).then(|| KeptColumn { name: name.clone(), at })
    });
    let columns: Vec<_> = match keep {
        KeepColumns::None => Vec::new(),
        KeepColumns::All => named.collect(),
        KeepColumns::Named(names) => {
            let mut columns: Vec<_> = named.filter(|column| names.contains(&column.name)).collect();
            let is_there =
                |name: &String| table.names().contains(name) || used.contains(&name.as_str());
            for (place, name) in names.iter().enumerate().filter(|(_, name)| !is_there(name)) {
                if table.has_headings() {
                    return Err(no_column(name, table));
                }
                // Rows of JSON may have keys that the first has not.
                if !names[..place].contains(name) {
                    columns.push(KeptColumn { name: name.clone(), at: None });
                }
            }
            columns
        }
    };
    ensure!(
        columns.len() <= MAX_KEPT,
        "the input has {} columns of its own, and at most {MAX_KEPT} come back: name them by \
         --keep-columns",
        columns.len()
    );
    Ok(columns)
}

/// What the columns are called in a result: as in the input, but `input_<name>` where that is a column
/// of ours, `column_<n>` where the n-th has no name, and with `_2`, `_3` and so on behind it where
/// another has the name already.
pub fn names_in_result(columns: &[KeptColumn]) -> Arc<[String]> {
    let mut taken: HashSet<String> = COLUMNS.iter().map(|ours| ours.name.to_owned()).collect();
    let name = |(place, column): (usize, &KeptColumn)| {
        let plain = match column.name.as_str() {
            "" => format!("column_{}", column.at.unwrap_or(place) + 1),
            name if is_column(name) => format!("input_{name}"),
            name => escape(name).into_owned(),
        };
        let mut name = plain.clone();
        let mut next = 2;
        while !taken.insert(name.clone()) {
            name = format!("{plain}_{next}");
            next += 1;
        }
        name
    };
    columns.iter().enumerate().map(name).collect()
}

pub(super) fn no_column(name: &str, table: &Table<'_>) -> anyhow::Error {
    let names = table.names();
    let shown: Vec<_> = names.iter().take(NAMED).map(|name| format!("{name:?}")).collect();
    let more = if names.len() > NAMED { ", ..." } else { "" };
    // As of a heading that is separated by what it does not tell.
    let how = if table.is_csv() { " (is it separated otherwise? give --delimiter)" } else { "" };
    anyhow!("the input has no column {name:?}; it has {}{more}{how}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_clash() {
        let check = |names: &[&str], want: &[&str]| {
            let column = |(at, name): (usize, &&str)| KeptColumn {
                name: (*name).to_owned(),
                at: Some(at + 1),
            };
            let columns: Vec<_> = names.iter().enumerate().map(column).collect();
            assert_eq!(&names_in_result(&columns)[..], want);
        };
        check(&["name", "Decision"], &["name", "Decision"]);
        check(
            &["decision", "reference", "path"],
            &["input_decision", "input_reference", "input_path"],
        );
        check(&["input_decision", "decision"], &["input_decision", "input_decision_2"]);
        check(&["a", "a", "a_2", ""], &["a", "a_2", "a_2_2", "column_5"]);
        check(&["a\u{202e}b"], &["a\\u{202e}b"]);
    }

    #[test]
    fn columns_are_named_on_the_command_line() {
        let named = |names: &[&str]| {
            Ok(KeepColumns::Named(names.iter().map(|name| (*name).to_owned()).collect()))
        };
        assert_eq!(keep_columns("all"), Ok(KeepColumns::All));
        assert_eq!(keep_columns("none"), Ok(KeepColumns::None));
        assert_eq!(keep_columns("a, b c"), named(&["a", "b c"]));
        assert!(keep_columns("").is_err() && keep_columns("a,,b").is_err());
    }
}
