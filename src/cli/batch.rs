//! `screen --input`: screens a file of addresses and writes a file of answers.
//!
//! One thread reads chunks of rows, others (or one stream to a server) answer them, and one writes
//! them in the order of the input. Chunks are handed back to the reader, so that there are never
//! more of them than [`CHUNKS`], however large the input is.

pub mod answer;
mod cancellation;
pub mod cells;
pub mod chunk;
mod columnar;
pub mod columns;
mod compression;
pub mod earlier;
pub mod form;
pub mod input;
pub mod kept_columns;
mod local;
mod output;
mod reader;
mod remote;
pub mod results;
mod resume;
pub mod row;
mod run;
pub mod summary;
mod target;
pub mod text;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::form::RowForm;
use self::kept_columns::KeepColumns;
use self::local::RowSettings;
use self::target::{Existing, Target};
use super::Global;
use crate::grpc::v1;
use crate::source::rows::{Container, LineBreaks};

/// The arguments of `screen` that are about files. (That they need `--input` is said by what they
/// cannot stand beside: one of both must be given.)
#[derive(Debug, Args)]
#[group(skip)]
pub struct Arguments {
    /// Screen the addresses of a file instead (CSV in UTF-8 or UTF-16, JSON lines, Parquet; packed by
    /// gzip, zstd, bzip2 or zip or not; - for standard input)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["addresses", "output"])]
    pub input: Option<PathBuf>,
    /// What contains the rows [default: by content]
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "addresses")]
    input_format: Option<InputFormat>,
    /// What separates the fields of a CSV: comma, semicolon, tab, bar, or another character [default:
    /// as its first line tells]
    #[arg(long, value_name = "CHAR", conflicts_with = "addresses", value_parser = input::delimiter)]
    delimiter: Option<u8>,
    /// The file that is read of a zip of several
    #[arg(long, value_name = "NAME", conflicts_with = "addresses")]
    part: Option<String>,
    /// The column of the addresses
    #[arg(long, value_name = "NAME", default_value = "address", conflicts_with = "addresses")]
    address_column: String,
    /// The column of the chains [default: chain, where there is one]
    #[arg(long, value_name = "NAME", conflicts_with = "addresses")]
    chain_column: Option<String>,
    /// A column of your own that comes back as `reference`
    #[arg(long, value_name = "NAME", conflicts_with = "addresses")]
    reference_column: Option<String>,
    /// The columns of the input that come back behind ours: all, none, or names separated by commas;
    /// one with the name of ours comes back as input_NAME
    #[arg(long, value_name = "all|none|NAME,...", default_value = "all", hide_default_value = true,
        conflicts_with = "addresses", value_parser = kept_columns::keep_columns)]
    keep_columns: KeepColumns,
    /// Take line breaks within a quoted cell of a CSV; without it, a row with one is an ERROR
    #[arg(long, conflicts_with = "addresses")]
    allow_line_breaks: bool,
    /// The result: .csv, .jsonl, .ndjson (also .gz, .zst) or .parquet; - for CSV on standard output
    #[arg(long, value_name = "FILE", conflicts_with = "addresses")]
    out: Option<PathBuf>,
    /// Where the summary goes [default: beside the result, with .summary.json]
    #[arg(long, value_name = "FILE", conflicts_with = "addresses")]
    summary: Option<PathBuf>,
    /// Write a result that exists anew
    #[arg(long, conflicts_with_all = ["addresses", "resume"])]
    overwrite: bool,
    /// Go on with the result of a batch that was stopped
    #[arg(long, conflicts_with = "addresses")]
    resume: bool,
    /// Do not show how far it is
    #[arg(long, conflicts_with = "addresses")]
    quiet: bool,
}

/// What contains rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    /// With headings, separated by a comma or another character.
    Csv,
    /// A JSON object on each line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

impl From<InputFormat> for Container {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Csv => Self::Csv,
            InputFormat::Jsonl => Self::JsonLines,
            InputFormat::Parquet => Self::Parquet,
        }
    }
}

/// A batch, checked as far as that is possible without opening its input.
#[derive(Debug)]
struct Plan {
    input: input::Settings,
    target: Target,
    summary: Option<PathBuf>,
    existing: Existing,
    options: v1::ScreeningOptions,
    row_settings: RowSettings,
    quiet: bool,
}

/// Screens the rows of `input`; of those that name no chain, on `chain`.
pub fn run(
    input: &Path,
    arguments: &Arguments,
    (chain, options): (&str, v1::ScreeningOptions),
    global: &Global,
) -> Result<u8> {
    let target = Target::named(arguments.out.as_deref())?;
    let existing = match (arguments.overwrite, arguments.resume) {
        (true, _) => Existing::Overwrite,
        (false, true) => Existing::Resume,
        (false, false) => Existing::Refuse,
    };
    let summary = target.summary(arguments.summary.as_deref());
    target.check(input, summary.as_deref(), existing)?;
    let form = RowForm::new(target.lines, options.include_evidence);
    let plan = Plan {
        input: input::Settings {
            path: input.to_owned(),
            container: arguments.input_format.map(Container::from),
            delimiter: arguments.delimiter,
            part: arguments.part.clone(),
            address: arguments.address_column.clone(),
            chain: arguments.chain_column.clone(),
            reference: arguments.reference_column.clone(),
            keep: arguments.keep_columns.clone(),
            line_breaks: LineBreaks::allowed_if(arguments.allow_line_breaks),
        },
        row_settings: RowSettings {
            form,
            compression: target.compression,
            chain: chain.to_owned(),
            evidence: options.include_evidence,
        },
        target,
        summary,
        existing,
        options,
        quiet: arguments.quiet,
    };
    super::runtime()?.block_on(run::run(plan, global))
}
