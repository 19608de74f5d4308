//! `report`: writes a batch's result as one page to file ([`page`]), after checking the summary against
//! the rows.

mod agreement;
mod gathered;
mod page;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::batch::summary::{Summary, VERSION};
use super::batch::{earlier, results};
use super::text::hex;
use super::{clock, output};
use gathered::Gathered;
use page::{Beside, File, Report};

/// The largest summary that is read, in bytes.
const MAX_SUMMARY: u64 = 512 << 20;

/// The most rows of each decision that a page may show.
const MOST_ROWS: u32 = 100_000;

/// The arguments of `report`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The result of `screen --input`: CSV, JSON lines or Parquet
    result: PathBuf,
    /// The batch's summary [default: RESULT.summary.json]
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Write the page to this file instead of standard output
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
    /// The page's title [default: Screening of INPUT]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Show at most so many rows each of BLOCK, REVIEW and ERROR, the largest scores first
    #[arg(long, value_name = "N", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_ROWS)))]
    max_rows: u32,
}

pub fn run(arguments: &Arguments) -> Result<u8> {
    let page = made(arguments, clock::now())?;
    match &arguments.out {
        None => output::write(page.as_bytes())?,
        Some(out) => write(out, &page, arguments)?,
    }
    Ok(0)
}

/// The page as it is made at this moment.
fn made(arguments: &Arguments, made_at: Timestamp) -> Result<String> {
    let Arguments { result, .. } = arguments;
    let beside = summary(arguments)?;
    let file = File { name: name(result), sha256: digest(result)? };
    let mut gathered = Gathered::new(arguments.max_rows as usize);
    let reading = || format!("reading {}", result.display());
    for row in results::read(result).with_context(reading)? {
        row.and_then(|row| gathered.add(row)).with_context(reading)?;
    }
    ensure!(
        digest(result)? == file.sha256,
        "{} changed while it was read: is the batch still running?",
        result.display()
    );
    if let Some((_, summary)) = &beside {
        let differences = agreement::differences(summary, &gathered);
        ensure!(
            differences.is_empty(),
            "the summary and the rows of {} contradict each other:\n  {}",
            result.display(),
            differences.join("\n  ")
        );
    }
    let title = arguments.title.clone().unwrap_or_else(|| {
        let input = beside.as_ref().map(|(_, summary)| name(Path::new(&summary.input)));
        let input = input.filter(|input| !["", "-"].contains(&&**input));
        format!("Screening of {}", input.as_ref().unwrap_or(&file.name))
    });
    page::html(&Report {
        title: &title,
        made_at,
        result: &file,
        beside: beside.as_ref().map(|(file, summary)| Beside { file, summary }),
        gathered: &gathered,
    })
    .with_context(reading)
}

/// The summary that was named, or the one beside the result, where there is one.
fn summary(arguments: &Arguments) -> Result<Option<(File, Summary)>> {
    let path = arguments.summary.clone().unwrap_or_else(|| beside(&arguments.result));
    let reading = || format!("reading the summary {}", path.display());
    let file = match fs::File::open(&path) {
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && arguments.summary.is_none() =>
        {
            return Ok(None);
        }
        file => file.with_context(reading)?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_SUMMARY + 1).read_to_end(&mut bytes).with_context(reading)?;
    ensure!(bytes.len() as u64 <= MAX_SUMMARY, "{}: over {MAX_SUMMARY} bytes", reading());
    let text = std::str::from_utf8(&bytes).with_context(reading)?;
    let summary: Summary = earlier::read(text).with_context(reading)?;
    if summary.lazaretto_batch != VERSION {
        bail!(
            "{}: form {}, and this program reads form {VERSION}",
            reading(),
            summary.lazaretto_batch
        );
    }
    Ok(Some((File { name: name(&path), sha256: hex(Sha256::digest(&bytes)) }, summary)))
}

/// Where a batch leaves its summary.
fn beside(result: &Path) -> PathBuf {
    let mut name = result.as_os_str().to_owned();
    name.push(".summary.json");
    name.into()
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// SHA-256 of a file's bytes, in hex.
fn digest(path: &Path) -> Result<String> {
    let reading = || format!("reading {}", path.display());
    let mut file = fs::File::open(path).with_context(reading)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).with_context(reading)? {
            0 => return Ok(hex(digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

/// Writes the page beside its place first, so that it is there whole or not at all.
fn write(out: &Path, page: &str, arguments: &Arguments) -> Result<()> {
    let writing = || format!("writing {}", out.display());
    let summary = arguments.summary.clone().unwrap_or_else(|| beside(&arguments.result));
    if let Ok(target) = out.canonicalize() {
        for input in [&arguments.result, &summary] {
            let same = input.canonicalize().is_ok_and(|input| input == target);
            ensure!(!same, "{}: the report is made from this file", writing());
        }
    }
    let mut file = output::beside(out)?;
    file.write_all(page.as_bytes()).with_context(writing)?;
    output::finish(file, out)
}
