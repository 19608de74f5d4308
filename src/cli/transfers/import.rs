//! `transfers import`: reads files ([`crate::source::transfers`]) and stores their transfers.

mod gathered;
mod summary;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tokio::sync::mpsc;

use self::gathered::{File, Gathered};
use self::summary::Summary;
use super::rejects::Rejects;
use super::sink::{Outcome, Sink};
use crate::cli::output::Output;
use crate::cli::progress::ProgressLine;
use crate::cli::text::escape;
use crate::cli::{Global, clock, connect};
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::coverage::{CoverageDeclaration, Extent, Gap};
use crate::domain::digits::grouped;
use crate::domain::transfer::{MovementKind, Transfer};
use crate::source::rows::{LineBreaks, Progress};
use crate::source::transfers::{
    PlainTimes, ReadReport, ReadSettings, ReadTransfersError, Reject, RowPlace, TransferFormat,
    read,
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
    /// ethereum-transactions, ethereum-token-transfers, ethereum-traces, bitcoin-transactions,
    /// aws-bitcoin-transactions or own [default: by content]
    #[arg(long)]
    format: Option<TransferFormat>,
    /// The chain, for formats that do not say it [default: ethereum or bitcoin]
    #[arg(long, value_parser = super::chain)]
    chain: Option<Chain>,
    /// A blocks file of ethereum-etl: the time of rows that do not say it
    #[arg(long, value_name = "FILE")]
    blocks: Option<PathBuf>,
    /// A receipts or transactions file of ethereum-etl: the status of rows that do not say it, and
    /// the transaction of traces that name none (Geth)
    #[arg(long, value_name = "FILE")]
    receipts: Option<PathBuf>,
    /// Take times without a time zone, such as 2022-11-28 00:00:11, as UTC
    #[arg(long)]
    utc: bool,
    /// Write rows that cannot be understood to this new file (JSON lines) and go on
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// These blocks of --chain are whole in the files: those without transfers are no gap
    #[arg(long, value_name = "FROM-TO", value_parser = super::heights, requires = "chain")]
    covers: Option<RangeInclusive<u64>>,
    /// The same for files whose rows state no height: these times (RFC 3339 or Unix seconds)
    #[arg(long, value_name = "FROM/TO", value_parser = super::times, requires = "chain")]
    covers_times: Option<RangeInclusive<u64>>,
    /// The kinds that are whole: native, tokens, internal, utxo [default: those that the files hold]
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    kinds: Vec<MovementKind>,
    /// Take line breaks within a quoted cell of a CSV; without it, a row with one is not understood
    #[arg(long)]
    allow_line_breaks: bool,
    /// How to show the outcome
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Imports the files, one after the other. The first that cannot be read ends it; what was stored
/// of it before stays, and importing it again stores nothing twice.
pub async fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    let assets = Arc::new(global.load_config()?.exposure.assets);
    let settings = ReadSettings {
        format: arguments.format,
        chain: arguments.chain.clone(),
        blocks: arguments.blocks.clone(),
        receipts: arguments.receipts.clone(),
        plain_times: if arguments.utc { PlainTimes::Utc } else { PlainTimes::Refused },
        now: u64::try_from(clock::now().as_second()).unwrap_or_default(),
        line_breaks: LineBreaks::allowed_if(arguments.allow_line_breaks),
        ..ReadSettings::default()
    };
    ensure!(
        arguments.kinds.is_empty() || arguments.is_declaring(),
        "--kinds says of what --covers or --covers-times holds: give one of them"
    );
    let mut rejects = arguments.rejects.as_deref().map(Rejects::create).transpose()?;
    let mut sink = Sink::open(connect::reach(global).await?);
    let mut line = ProgressLine::start();
    let mut summary = Summary::of(arguments.files.len());
    let mut claim = CoverageClaim::default();
    let (mut all, mut unplaced) = (Gathered::default(), Vec::new());
    for file in &arguments.files {
        let reading = Reading {
            path: file.clone(),
            settings: settings.clone(),
            assets: assets.clone(),
            rejects: rejects.take(),
            gathered: Gathered::default(),
        };
        let imported = import(reading, &mut sink, &mut line).await;
        line.clear();
        let Imported { report, rejects: kept, gathered } = imported?;
        rejects = kept;
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                let stands = match &error {
                    ReadTransfersError::Row { stands, .. } => RowPlace::clone(stands),
                    ReadTransfersError::Rows(_)
                    | ReadTransfersError::Ambiguous { .. }
                    | ReadTransfersError::Chain { .. }
                    | ReadTransfersError::Sink(_)
                    | ReadTransfersError::Reject(_) => RowPlace::default(),
                };
                let ends = gathered.ends_after(&all, stands.kind);
                all.reach_with(&gathered);
                unplaced.push((arguments.format, gathered));
                let mut gaps = all.stopped(&arguments.file(arguments.format), &stands, &ends);
                gaps.extend(gaps_anywhere(unplaced, &all, &arguments));
                return Err(stopped(error, gaps, sink).await);
            }
        };
        let known = arguments.file(Some(report.format));
        let gaps = gathered.gaps_left(&known);
        claim.take(&report, &gathered, arguments.chain.as_ref());
        all.reach_with(&gathered);
        if gathered.has_unplaced() {
            unplaced.push((Some(report.format), gathered.clone()));
        }
        summary.add(file, report, gathered.rejected_heights(&known));
        if !gaps.is_empty() {
            sink.add_gaps(gaps).await?;
        }
    }
    let gaps = gaps_anywhere(unplaced, &all, &arguments);
    if !gaps.is_empty() {
        sink.add_gaps(gaps).await?;
    }
    if let Some(rejects) = rejects {
        rejects.finish()?;
    }
    let covered = match claim.covered(&arguments) {
        Ok(covered) => covered,
        Err(error) => {
            // What was not understood is kept all the same.
            sink.finish(&claim.chains).await?;
            return Err(error);
        }
    };
    for covered in covered {
        sink.cover(covered).await?;
    }
    let outcome = sink.finish(&claim.chains).await?;
    summary.finish(outcome, line.elapsed());
    arguments.output.show(&summary, |_| summary.text())?;
    Ok(if summary.is_whole() { 0 } else { NOT_WHOLE })
}

/// The gaps of rows of which it is not known where they stand: it may be wherever any of the files
/// reaches.
fn gaps_anywhere(
    unplaced: Vec<(Option<TransferFormat>, Gathered)>,
    all: &Gathered,
    arguments: &Arguments,
) -> Vec<(Chain, Gap)> {
    let gaps = |(format, mut gathered): (Option<TransferFormat>, Gathered)| {
        gathered.reach_with(all);
        gathered.gaps_left(&arguments.file(format))
    };
    unplaced.into_iter().flat_map(gaps).collect()
}

/// The exit status of an import that was done, of which not everything was understood.
const NOT_WHOLE: u8 = 3;

impl Arguments {
    fn is_declaring(&self) -> bool {
        self.covers.is_some() || self.covers_times.is_some()
    }

    fn file(&self, format: Option<TransferFormat>) -> File<'_> {
        let (covers, covers_times) = (self.covers.as_ref(), self.covers_times.as_ref());
        File { format, chain: self.chain.as_ref(), covers, covers_times }
    }
}

/// What may be declared of the files together.
#[derive(Debug, Default)]
struct CoverageClaim {
    kinds: BTreeSet<MovementKind>,
    /// Rows that were not understood, or name nobody.
    not_understood: u64,
    /// The chains of stored transfers.
    chains: BTreeSet<Chain>,
}

impl CoverageClaim {
    fn take(&mut self, report: &ReadReport, gathered: &Gathered, chain: Option<&Chain>) {
        self.not_understood += report.rejected
            + report.unnamed_inputs
            + report.unnamed_outputs
            + report.unnamed_accounts;
        self.chains.extend(gathered.chains().cloned());
        let Some(chain) = chain else { return };
        if report.format == TransferFormat::Own {
            // It may hold any kind, and holds those that it has.
            self.kinds.extend(gathered.kinds_on(chain));
        } else if report.rows_read > report.rejected {
            // An empty file covers nothing by itself.
            self.kinds.extend(report.format.kinds());
        }
    }

    fn covered(&self, arguments: &Arguments) -> Result<Vec<CoverageDeclaration>> {
        let Some(chain) = arguments.chain.as_ref().filter(|_| arguments.is_declaring()) else {
            return Ok(Vec::new());
        };
        let kinds: Vec<_> = match &arguments.kinds[..] {
            [] => self.kinds.iter().copied().collect(),
            named => named.to_vec(),
        };
        let absent = kinds.iter().find(|kind| !self.kinds.contains(kind));
        ensure!(
            self.not_understood == 0 || !kinds.is_empty() && absent.is_none(),
            "nothing is declared of {chain}: of rows of a kind that is to be covered none was understood"
        );
        ensure!(
            !kinds.is_empty(),
            "the files hold no transfer of {chain}, and so cover nothing by themselves: if the \
             blocks truly hold none, say so with \"transfers declare {chain} --covers ... --kinds ...\""
        );
        if let Some(kind) = absent {
            bail!(
                "the files hold no {kind} of {chain}: if the blocks truly hold none, say so with \
                 \"transfers declare {chain} --covers ... --kinds {kind}\""
            );
        }
        if let Some(kind) = kinds.iter().find(|kind| !MovementKind::of_chain(chain).contains(kind))
        {
            bail!("nothing is declared of {chain}: it has no transfers of kind {kind}");
        }
        let heights = arguments.covers.clone().map(Extent::Heights);
        let times = arguments.covers_times.clone().map(Extent::Times);
        let is_clean_import = self.not_understood == 0;
        let covered = |extent| CoverageDeclaration {
            chain: chain.clone(),
            kinds: kinds.clone(),
            extent,
            is_clean_import,
        };
        Ok(heights.into_iter().chain(times).map(covered).collect())
    }
}

/// An import that ends early: what was read before is stored all the same, and the block in which it
/// ended is a gap beside those of the files before.
async fn stopped(
    error: ReadTransfersError,
    gaps: Vec<(Chain, Gap)>,
    mut sink: Sink,
) -> anyhow::Error {
    let mut error = anyhow::Error::from(error);
    if !gaps.is_empty() {
        let mut places: Vec<String> = gaps
            .iter()
            .map(|(chain, gap)| format!("{} {} of {chain}", gap.kind, gap.extent))
            .collect();
        places.dedup();
        if let Err(failed) = sink.add_gaps(gaps).await {
            return error.context(format!("the gap that this leaves was not stored: {failed}"));
        }
        error = error.context(format!("not covered from here on: {}", places.join("; ")));
    }
    match sink.finish(&BTreeSet::new()).await {
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
    gathered: Gathered,
}

/// What became of a file.
struct Imported {
    report: Result<ReadReport, ReadTransfersError>,
    rejects: Option<Rejects>,
    gathered: Gathered,
}

type Batch = (Vec<Transfer>, Vec<(Chain, Gap)>, Progress);

impl Reading {
    /// Reads the file, and hands its transfers on.
    fn read(self, batches: &mpsc::Sender<Batch>) -> Imported {
        let Self { path, settings, assets, mut rejects, gathered } = self;
        let decimals = |chain: &Chain, asset: &_| assets.rule(chain, asset).map(|it| it.decimals);
        // Both sinks learn of the file.
        let gathered = RefCell::new(gathered);
        let mut put = |batch: Vec<Transfer>, progress| {
            let mut gathered = gathered.borrow_mut();
            gathered.take(&batch);
            // Whoever stores has failed, and says why.
            batches
                .blocking_send((batch, gathered.take_fresh(), progress))
                .map_err(|_| "the reader of batches has stopped")
        };
        let report = match &mut rejects {
            None => read(&path, &settings, &decimals, None, &mut put),
            Some(rejects) => {
                let mut reject = |row: &Reject<'_>| {
                    gathered.borrow_mut().reject(row.stands);
                    rejects.add(row)
                };
                read(&path, &settings, &decimals, Some(&mut reject), &mut put)
            }
        };
        Imported { report, rejects, gathered: gathered.into_inner() }
    }
}

/// One file: read on a thread of its own, stored from here.
async fn import(reading: Reading, sink: &mut Sink, line: &mut ProgressLine) -> Result<Imported> {
    let name = shown_name(&reading.path);
    let path = reading.path.display().to_string();
    let started = Instant::now();
    let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
    let reader = tokio::task::spawn_blocking(move || reading.read(&sender));
    let mut stored = Ok(());
    while let Some((batch, gaps, progress)) = batches.recv().await {
        stored = if gaps.is_empty() { Ok(()) } else { sink.add_gaps(gaps).await };
        if stored.is_ok() && !batch.is_empty() {
            stored = sink.put(batch).await;
        }
        if stored.is_err() {
            break;
        }
        line.show(&name, started, progress);
    }
    drop(batches);
    let imported = reader.await.context("the reading task")?;
    stored.with_context(|| format!("storing the transfers of {path}"))?;
    Ok(imported)
}

fn shown_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    escape(&name.to_string_lossy()).into_owned()
}
