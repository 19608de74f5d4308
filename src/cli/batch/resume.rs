//! `--resume`: reads the rows of an interrupted result and checks that they belong to the same input.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::chunk::Chunk;
use super::compression::Compression;
use super::form::{Lines, RowForm};
use super::input::Rows;
use super::results::Results;
use super::summary::Counts;
use crate::cli::text::escape;
use crate::source::rows::{Origin, Progress};

/// What stands in a result already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resumed {
    /// How many bytes of the file are whole; what follows is to be cut off.
    pub bytes: u64,
    /// What its rows came to.
    pub counts: Counts,
    /// The snapshots that they rest on, by id, in the order of their first rows.
    pub snapshots: Vec<String>,
    /// How far the input was read for them.
    pub read: Progress,
}

/// Reads the rows of the result at `path`, and as many of the input; refuses a result that is of
/// another input, or has other columns.
pub fn resume(
    path: &Path,
    form: &RowForm,
    compression: Compression,
    rows: &mut Rows<'_>,
) -> Result<Resumed> {
    let shown = path.display();
    let mut resumed = Resumed::default();
    if !path.exists() {
        return Ok(resumed);
    }
    let context = || format!("{shown}: cannot be gone on with");
    resumed.bytes = compression.whole(path, form.lines).with_context(context)?;
    if resumed.bytes == 0 {
        return Ok(resumed);
    }
    let bytes = Box::new(File::open(path)?.take(resumed.bytes));
    let name = shown.to_string();
    let results = Results::open(Origin::Stream { name: &name, bytes }).with_context(context)?;
    if form.lines == Lines::Csv && !form.has_headings(results.names()) {
        bail!(
            "{shown}: has other columns than were asked for: --evidence adds the column path, \
             --keep-columns those of the input, and earlier versions wrote fewer columns"
        );
    }
    let mut chunk = Chunk::default();
    for result in results {
        let result = result.with_context(context)?;
        chunk.begin(0, rows.count());
        if !rows.next(&mut chunk)? {
            bail!("{shown}: has more rows than the input");
        }
        let asked = chunk.row(0);
        let (row, differs) = (asked.row, |what: &str| anyhow!("{shown}: row {} {what}", asked.row));
        ensure!(
            result.row == row,
            differs("is not the next: another input, or not a result of ours")
        );
        ensure!(
            result.address == write_cell(form, asked.address),
            differs("has another address than the input")
        );
        ensure!(
            result.reference == write_cell(form, asked.reference),
            differs("has another reference than the input")
        );
        ensure!(
            result.chain == write_cell(form, asked.chain),
            differs("has another chain than the input")
        );
        resumed.counts.add(&result);
        // The newest is looked at first: a batch rests on few, one after the other.
        let is_known = resumed.snapshots.iter().rev().any(|id| *id == result.snapshot);
        if !result.snapshot.is_empty() && !is_known {
            resumed.snapshots.push(result.snapshot);
        }
    }
    resumed.read = rows.progress();
    Ok(resumed)
}

/// A text of the input as the result has it.
fn write_cell<'t>(form: &RowForm, text: &'t str) -> Cow<'t, str> {
    match form.lines {
        Lines::Csv => escape(text),
        Lines::Json => Cow::Borrowed(text),
    }
}
