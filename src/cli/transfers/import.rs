//! `transfers import`: files, read here, into the store. Understands no format
//! ([`crate::source::transfers`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;

use super::rejects::Rejects;
use super::sink::{Outcome, Sink};
use crate::cli::output::Output;
use crate::cli::progress::{ProgressLine, span};
use crate::cli::text::{escape, grouped};
use crate::cli::{Global, connect};
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::transfer::{MAX_HEIGHT, Transfer};
use crate::ingest::Covered;
use crate::source::rows::Progress;
use crate::source::transfers::{
    ReadReport, ReadSettings, ReadTransfersError, Reject, TransferFormat, read,
};

/// How many batches of the reader wait to be stored, two groups of [`crate::ingest`]: the reader goes
/// on while a group waits for the disk.
const BATCHES_AHEAD: usize = 64;

/// The arguments of `transfers import`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The files: CSV, JSON lines or Parquet, compressed (gzip, zstd, bzip2) or not
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// ethereum-transactions, ethereum-token-transfers, ethereum-traces, bitcoin-transactions or
    /// own [default: by content]
    #[arg(long)]
    format: Option<TransferFormat>,
    /// The chain, for formats that do not say it [default: ethereum or bitcoin]
    #[arg(long, value_parser = chain)]
    chain: Option<Chain>,
    /// A blocks file of ethereum-etl: the time of rows that do not say it
    #[arg(long, value_name = "FILE")]
    blocks: Option<PathBuf>,
    /// A receipts or transactions file of ethereum-etl: the status of rows that do not say it
    #[arg(long, value_name = "FILE")]
    receipts: Option<PathBuf>,
    /// Write rows that cannot be understood to this new file (JSON lines) and go on
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// These blocks of --chain are whole in the files: those without transfers are no gap
    #[arg(long, value_name = "FROM-TO", value_parser = heights, requires = "chain")]
    covers: Option<std::ops::RangeInclusive<u64>>,
    /// How to show the outcome
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What an import did. No message of the proto: the server sees batches only.
#[derive(Debug, Default, Serialize)]
struct Summary {
    files: usize,
    read: u64,
    stored: u64,
    duplicates: u64,
    derived: u64,
    left_out: BTreeMap<String, u64>,
    rejected: u64,
    milliseconds: u64,
    rows: u64,
    labelled_rows: u64,
}

/// Imports the files, one after the other. The first that cannot be read ends it; what was stored
/// of it before stays, and importing it again stores nothing twice.
pub async fn run(arguments: Arguments, global: &Global) -> Result<()> {
    let assets = Arc::new(global.load_config()?.exposure.assets);
    let settings = ReadSettings {
        format: arguments.format,
        chain: arguments.chain.clone(),
        blocks: arguments.blocks,
        receipts: arguments.receipts,
        now: u64::try_from(Timestamp::now().as_second()).unwrap_or_default(),
        ..ReadSettings::default()
    };
    let mut rejects = arguments.rejects.as_deref().map(Rejects::create).transpose()?;
    let mut sink = Sink::open(connect::reach(global).await?);
    let mut line = ProgressLine::start();
    let mut summary = Summary { files: arguments.files.len(), ..Summary::default() };
    for file in &arguments.files {
        let reading = Reading {
            path: file.clone(),
            settings: settings.clone(),
            assets: assets.clone(),
            rejects: rejects.take(),
        };
        let imported = import(reading, &mut sink, &mut line).await;
        line.clear();
        let (report, kept) = match imported {
            Ok(imported) => imported,
            Err(error) => return Err(stopped(error, sink).await),
        };
        rejects = kept;
        summary.read += report.rows_read;
        summary.rejected += report.rejected;
        for (reason, count) in report.left_out {
            *summary.left_out.entry(reason.to_string()).or_default() += count;
        }
    }
    if let Some(rejects) = rejects {
        rejects.finish()?;
    }
    if let (Some(chain), Some(heights)) = (arguments.chain, arguments.covers) {
        sink.cover(Covered { chain, heights }).await?;
    }
    let Outcome { done, rows, labelled_rows } = sink.finish().await?;
    summary.stored = done.stored;
    summary.duplicates = done.duplicates;
    summary.derived = done.derived;
    summary.milliseconds = u64::try_from(line.elapsed().as_millis()).unwrap_or(u64::MAX);
    summary.rows = rows;
    summary.labelled_rows = labelled_rows;
    arguments.output.show(&summary, |_| text(&summary))
}

/// An import that ends early: what was read before is stored all the same.
async fn stopped(error: anyhow::Error, sink: Sink) -> anyhow::Error {
    match sink.finish().await {
        Ok(Outcome { done, .. }) if done.stored > 0 => {
            error.context(format!("{} transfers before it are stored", grouped(done.stored)))
        }
        // A store or server that failed has been told of.
        Ok(_) | Err(_) => error,
    }
}

/// What the reading thread needs.
struct Reading {
    path: PathBuf,
    settings: ReadSettings,
    assets: Arc<AssetTable>,
    rejects: Option<Rejects>,
}

type Batch = (Vec<Transfer>, Progress);

impl Reading {
    /// Reads the file, and hands its transfers on.
    fn read(
        mut self,
        batches: &mpsc::Sender<Batch>,
    ) -> (Result<ReadReport, ReadTransfersError>, Option<Rejects>) {
        let assets = &self.assets;
        let decimals = |chain: &Chain, asset: &_| assets.rule(chain, asset).map(|it| it.decimals);
        let mut put = |batch, progress| {
            // Whoever stores has failed, and says why.
            batches.blocking_send((batch, progress)).map_err(|_| "nobody takes them any more")
        };
        let report = match &mut self.rejects {
            None => read(&self.path, &self.settings, &decimals, None, &mut put),
            Some(rejects) => {
                let mut reject = |row: &Reject<'_>| rejects.add(row);
                read(&self.path, &self.settings, &decimals, Some(&mut reject), &mut put)
            }
        };
        (report, self.rejects)
    }
}

/// One file: read on a thread of its own, stored from here.
async fn import(
    reading: Reading,
    sink: &mut Sink,
    line: &mut ProgressLine,
) -> Result<(ReadReport, Option<Rejects>)> {
    let name = shown_name(&reading.path);
    let path = reading.path.display().to_string();
    let started = Instant::now();
    let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
    let reader = tokio::task::spawn_blocking(move || reading.read(&sender));
    let mut stored = Ok(());
    while let Some((batch, progress)) = batches.recv().await {
        stored = match batch.is_empty() {
            true => Ok(()),
            false => sink.put(batch).await,
        };
        if stored.is_err() {
            break;
        }
        line.show(&name, started, progress);
    }
    drop(batches);
    let (report, rejects) = reader.await.context("the reading task")?;
    stored.with_context(|| format!("storing the transfers of {path}"))?;
    Ok((report?, rejects))
}

/// The file's name, harmless.
fn shown_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    escape(&name.to_string_lossy()).into_owned()
}

fn text(summary: &Summary) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<12}{value}\n"));
    let seconds = Duration::from_millis(summary.milliseconds).as_secs_f64();
    let speed = if seconds > 0.0 { summary.read as f64 / seconds } else { 0.0 };
    let took = match summary.milliseconds {
        0..10_000 => format!("{seconds:.1} s"),
        _ => span(seconds as u64),
    };
    let files =
        if summary.files == 1 { "1 file".to_owned() } else { format!("{} files", summary.files) };
    let read = grouped(summary.read);
    line("read", format!("{read} rows of {files} in {took} ({} rows/s)", grouped(speed as u64)));
    line("stored", grouped(summary.stored));
    line(
        "duplicates",
        format!("{}, in the store or earlier in the files", grouped(summary.duplicates)),
    );
    if summary.derived > 0 {
        let derived = grouped(summary.derived);
        line(
            "derived",
            format!("{derived}, without transaction or position: told apart by content"),
        );
    }
    for (reason, count) in &summary.left_out {
        line("left out", format!("{}, {reason}", grouped(*count)));
    }
    if summary.rejected > 0 {
        line("rejected", format!("{}, not understood", grouped(summary.rejected)));
    }
    let (known, rows) = (grouped(summary.labelled_rows), grouped(summary.rows));
    line(
        "exposure",
        format!("knows {known} of {rows} rows in the store, those taken back among them"),
    );
    text
}

/// One chain, not a family.
fn chain(text: &str) -> Result<Chain> {
    match text.parse()? {
        family @ (Chain::AnyEvm | Chain::AnyCosmos) => {
            Err(anyhow!("{family} is a family of chains: name one"))
        }
        chain => Ok(chain),
    }
}

/// `FROM-TO`, both included.
fn heights(text: &str) -> Result<std::ops::RangeInclusive<u64>> {
    let refused = || anyhow!("{text:?} is no span of heights such as 100-200");
    let (from, to) = text.split_once('-').ok_or_else(refused)?;
    let (from, to): (u64, u64) =
        (from.parse().map_err(|_| refused())?, to.parse().map_err(|_| refused())?);
    if from > to || to > MAX_HEIGHT {
        return Err(refused());
    }
    Ok(from..=to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_heights() {
        let check = |text: &str, want| assert_eq!(heights(text).ok(), want, "{text}");
        check("100-200", Some(100..=200));
        check("7-7", Some(7..=7));
        for text in ["", "7", "8-7", "-1-2", "a-b", "0-1099511627776"] {
            check(text, None);
        }
    }

    #[test]
    fn summaries() {
        let left_out = BTreeMap::from([("no value moved: delegatecall trace".to_owned(), 1_234)]);
        let summary = Summary {
            files: 2,
            read: 12_345,
            stored: 11_000,
            duplicates: 100,
            derived: 5,
            left_out,
            rejected: 11,
            milliseconds: 2_500,
            rows: 99_999,
            labelled_rows: 99_999,
        };
        let want = "\
read        12,345 rows of 2 files in 2.5 s (4,938 rows/s)
stored      11,000
duplicates  100, in the store or earlier in the files
derived     5, without transaction or position: told apart by content
left out    1,234, no value moved: delegatecall trace
rejected    11, not understood
exposure    knows 99,999 of 99,999 rows in the store, those taken back among them
";
        assert_eq!(text(&summary), want);
    }
}
