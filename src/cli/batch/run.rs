//! Runs a batch: starts the reader, the answerers and the writer, handles their failures, and writes the
//! summary.

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;

use super::cancellation::Cancellation;
use super::cells::RowDecision;
use super::chunk::Chunk;
use super::local;
use super::output::{Output, Writer, Written};
use super::reader::{InputHead, InputReader, ReadSummary, ReaderHandle};
use super::remote::Remote;
use super::resume::Resumed;
use super::summary::{Summary, VERSION};
use super::target::{Existing, STDOUT, read_summary, write_summary};
use super::{Plan, columnar, text};
use crate::cli::connect::{self, Backend};
use crate::cli::progress::ProgressLine;
use crate::cli::text::escape;
use crate::cli::{Global, clock};
use crate::grpc::client::{Client, answer};
use crate::grpc::local::Local;
use crate::grpc::{self, v1};

/// Chunks on their way at once.
const CHUNKS: usize = 16;

/// The most rows of a chunk; of one whose rows take searches.
const ROWS: usize = 4_096;
const SEARCHED_ROWS: usize = 256;

/// How long a reader that was stopped is waited for: it may stand at standard input.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The exit statuses of what a batch came to.
fn exit_status(worst: RowDecision) -> u8 {
    match worst {
        RowDecision::Allow => 0,
        RowDecision::Review => 10,
        RowDecision::Error => 1,
        RowDecision::Block => 11,
    }
}

pub async fn run(plan: Plan, global: &Global) -> Result<u8> {
    let cancellation = Arc::new(Cancellation::default());
    let signals = cancellation.clone().cancel_on_signals()?;
    let outcome = batch(plan, global, &cancellation).await;
    signals.abort();
    outcome
}

async fn batch(mut plan: Plan, global: &Global, cancellation: &Arc<Cancellation>) -> Result<u8> {
    let before = plan.summary_before()?;
    let (free, empty) = mpsc::channel();
    let (full, chunks) = tokio::sync::mpsc::channel(CHUNKS);
    let resume = plan.target.work_file().filter(|_| plan.existing == Existing::Resume);
    let reading = InputReader {
        settings: plan.input.clone(),
        resume: resume
            .map(|path| (path, plan.row_settings.form.clone(), plan.row_settings.compression)),
        most: if plan.takes_searches() { SEARCHED_ROWS } else { ROWS },
        free: empty,
        full,
        cancellation: cancellation.clone(),
    };
    let ReaderHandle { ready, read } = reading.start()?;
    let InputHead { resumed, kept } = tokio::select! {
        ready = ready => ready.context("the reading thread")??,
        () = cancellation.cancelled() => return Ok(cancellation.signal_status().unwrap_or(1)),
    };
    plan.row_settings.form.kept = kept;
    let plan = &plan;
    plan.check_before(&resumed, before.as_ref())?;
    let reached = connect::reach(global).await?;
    let answering = Answerer::prepare(plan, reached, &resumed, &before).await?;

    let started = StartTime::now();
    let path = plan.target.work_file();
    // First: of a result that another batch is writing, the summary is that one's too.
    let output = Output::open(path.as_deref(), resumed.bytes, &plan.head())?;
    let mut summary = plan.begin_summary(&before, &started)?;
    let writer = Writer {
        output,
        line: (!plan.quiet).then(|| ProgressLine::go_on(resumed.read)),
        name: escape(&plan.input_name()).into_owned(),
        free: free.clone(),
        cancellation: cancellation.clone(),
    };
    let (done, answered) = mpsc::channel();
    let writing = tokio::task::spawn_blocking(move || writer.run(&answered));
    for _ in 0..CHUNKS {
        let _ = free.send(Chunk::default());
    }
    drop(free);
    let snapshots = answering.snapshots.clone();
    let answers = answering.answer(plan, global, chunks, done, cancellation).await;
    if answers.is_err() {
        // A reader that stands at standard input is not waited for: it would hide why.
        cancellation.cancel();
    }
    let written = writing.await.context("the writing thread")?;
    let read = match tokio::time::timeout(LAST_WORDS, read).await {
        Ok(read) => read.ok(),
        Err(_) if cancellation.is_cancelled() => None,
        Err(_) => bail!("the reading thread does not end"),
    };
    let written = written?;
    let rows = written.counts.rows;
    let failed = plan.finish_summary(&mut summary, resumed, snapshots, written, read, cancellation);
    let failed = match answers {
        Ok(()) => failed,
        Err(error) => {
            summary.interrupted = true;
            Some(error)
        }
    };
    plan.end(&mut summary, rows, &started, failed, cancellation)
}

struct StartTime {
    moment: Timestamp,
    instant: Instant,
}

impl StartTime {
    fn now() -> Self {
        Self { moment: clock::now(), instant: Instant::now() }
    }
}

fn written_moment(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl Plan {
    /// Whether every row may take a search.
    fn takes_searches(&self) -> bool {
        let options = &self.options;
        options.include_evidence || options.as_of.is_some() || !options.lists.is_empty()
    }

    fn head(&self) -> Vec<u8> {
        self.row_settings.compression.pack(self.row_settings.form.head())
    }

    fn input_name(&self) -> String {
        self.input.path.display().to_string()
    }

    /// The summary of the batch that is gone on with; refuses to go on with other options.
    fn summary_before(&self) -> Result<Option<Summary>> {
        let Some(path) = self.summary.as_deref().filter(|_| self.existing == Existing::Resume)
        else {
            return Ok(None);
        };
        let before = read_summary(path)?;
        if let Some(before) = &before {
            ensure!(
                before.options == self.options && before.chain == self.row_settings.chain,
                "{}: begun with other options: go on with the same --chain, --list, --max-hops, \
                 --as-of and --evidence",
                path.display()
            );
        }
        Ok(before)
    }

    /// Refuses rows of which no summary says under which options they were answered: the summary of the
    /// whole would claim those of the rest.
    fn check_before(&self, resumed: &Resumed, before: Option<&Summary>) -> Result<()> {
        let shown = self.summary.as_deref().unwrap_or(Path::new(STDOUT)).display();
        ensure!(
            before.is_some() || resumed.counts.rows == 0,
            "{shown} is missing, which says how the rows of before were asked: name it by \
             --summary, or write the result anew by --overwrite"
        );
        ensure!(
            before.is_none_or(|before| before.kept_columns[..] == self.row_settings.form.kept[..]),
            "{shown}: begun with other columns of the input: go on with the same --keep-columns"
        );
        // A batch that was killed has not counted its rows; one that ended has.
        let same = |before: &Summary| {
            before.counts.rows != resumed.counts.rows || before.counts == resumed.counts
        };
        ensure!(
            before.is_none_or(same),
            "{shown} counts other answers than the result has: one of them was changed"
        );
        Ok(())
    }

    /// The summary of a batch that is begun: marked as interrupted, and so written at once, so that
    /// one that is killed can be gone on with.
    fn begin_summary(&self, before: &Option<Summary>, started: &StartTime) -> Result<Summary> {
        let result = self.target.path.as_deref().unwrap_or(Path::new(STDOUT));
        let started_at = match before {
            Some(before) => before.started_at.clone(),
            None => written_moment(started.moment),
        };
        let summary = Summary {
            lazaretto_batch: VERSION,
            input: self.input_name(),
            result: result.display().to_string(),
            finished_at: started_at.clone(),
            started_at,
            interrupted: true,
            options: self.options.clone(),
            chain: self.row_settings.chain.clone(),
            kept_columns: self.row_settings.form.kept.to_vec(),
            snapshots: before.as_ref().map(|it| it.snapshots.clone()).unwrap_or_default(),
            ..Summary::default()
        };
        if let Some(path) = &self.summary {
            write_summary(path, &summary)?;
        }
        Ok(summary)
    }

    /// Sums up what was written before and now; what is wrong with the input, if anything is.
    fn finish_summary(
        &self,
        summary: &mut Summary,
        resumed: Resumed,
        snapshots: Vec<v1::Snapshot>,
        written: Written,
        read: Option<ReadSummary>,
        cancellation: &Cancellation,
    ) -> Option<anyhow::Error> {
        summary.counts = resumed.counts;
        summary.counts.merge(written.counts);
        summary.snapshots = snapshots;
        for snapshot in written.snapshots {
            if !summary.snapshots.iter().any(|known| known.id == snapshot.id) {
                summary.snapshots.push(snapshot);
            }
        }
        summary.interrupted = true;
        // A reader that had no time to say how far it is was stopped.
        let ReadSummary { input: read, whole } = read?;
        let rows = read.rows;
        summary.read = Some(read);
        let is_whole = match whole {
            Ok(is_whole) => is_whole && !written.is_cut,
            Err(error) => return Some(error.context("the input cannot be read to its end")),
        };
        let answered = summary.counts.rows;
        if !is_whole || (answered != rows && cancellation.is_cancelled()) {
            return None;
        }
        if let Err(error) = read.check(answered) {
            return Some(error);
        }
        summary.interrupted = false;
        read.check_not_empty().err()
    }

    /// Writes the summary and, of Parquet, the file; the exit status.
    fn end(
        &self,
        summary: &mut Summary,
        rows: u64,
        started: &StartTime,
        failed: Option<anyhow::Error>,
        cancellation: &Cancellation,
    ) -> Result<u8> {
        if let (false, true, Some(path), Some(work_file)) = (
            summary.interrupted,
            self.target.is_parquet,
            &self.target.path,
            self.target.work_file(),
        ) {
            let new = super::target::with_end(path, ".new");
            columnar::convert(&new, &self.row_settings.form, &work_file)
                .with_context(|| format!("writing {}", path.display()))?;
            std::fs::rename(&new, path)?;
            std::fs::remove_file(&work_file)?;
        }
        summary.finished_at = written_moment(clock::now());
        if let Some(path) = &self.summary {
            write_summary(path, summary)?;
        }
        eprint!("{}", text::text(summary, rows, started.instant.elapsed()));
        match (failed, cancellation.signal_status()) {
            (Some(error), _) => Err(error),
            (None, Some(status)) if summary.interrupted => Ok(status),
            (None, _) => {
                let worst = summary.counts.worst();
                // The reader of standard output has gone away: what was not screened is not clean.
                let floor = if summary.interrupted { RowDecision::Error } else { worst };
                Ok(exit_status(worst.max(floor)))
            }
        }
    }
}

/// The source of answers, and the snapshots of resumed rows.
struct Answerer {
    source: AnswerSource,
    snapshots: Vec<v1::Snapshot>,
}

enum AnswerSource {
    Held(Arc<Local>),
    Served(Box<Client>),
}

impl Answerer {
    async fn prepare(
        plan: &Plan,
        reached: Backend,
        resumed: &Resumed,
        before: &Option<Summary>,
    ) -> Result<Self> {
        let (source, mut client) = match reached {
            Backend::Served(client) => (AnswerSource::Served(client.clone()), *client),
            Backend::Held(engine) => {
                let (settling, paths) = (engine.clone(), plan.takes_searches());
                tokio::task::spawn_blocking(move || settling.wait_for_exposure(paths)).await??;
                let options =
                    v1::ScreeningOptions { include_evidence: false, ..plan.options.clone() };
                let local = Local::new(engine.clone(), Some(&options))?;
                let client = Client::new(grpc::in_process(engine).await?);
                (AnswerSource::Held(Arc::new(local)), client)
            }
        };
        let known = before.as_ref().map(|before| before.snapshots.clone()).unwrap_or_default();
        let mut snapshots = Vec::new();
        for id in &resumed.snapshots {
            let known = known.iter().find(|snapshot| snapshot.id == *id).cloned();
            snapshots.push(match known {
                Some(snapshot) => snapshot,
                None => fetch_snapshot(&mut client, id).await?,
            });
        }
        Ok(Self { source, snapshots })
    }

    async fn answer(
        self,
        plan: &Plan,
        global: &Global,
        chunks: tokio::sync::mpsc::Receiver<Chunk>,
        done: mpsc::Sender<Chunk>,
        cancellation: &Arc<Cancellation>,
    ) -> Result<()> {
        let local = match self.source {
            AnswerSource::Served(client) => {
                let remote =
                    Remote::new(global, &plan.row_settings, &plan.options, done, cancellation);
                return remote.run(*client, chunks).await;
            }
            AnswerSource::Held(local) => local,
        };
        let chunks = Arc::new(Mutex::new(chunks));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut working = Vec::new();
        for _ in 0..threads {
            let (local, row_settings) = (local.clone(), plan.row_settings.clone());
            let (chunks, done, cancellation) = (chunks.clone(), done.clone(), cancellation.clone());
            let runtime = tokio::runtime::Handle::current();
            working.push(tokio::task::spawn_blocking(move || {
                let worked =
                    local::work(&local, &row_settings, (&runtime, &*chunks), &done, &cancellation);
                if worked.is_err() {
                    cancellation.cancel();
                }
                worked
            }));
        }
        drop((done, chunks));
        let mut outcome = Ok(());
        for worker in working {
            let worked = worker.await.context("a thread that answers").flatten();
            if worked.is_err() {
                cancellation.cancel();
            }
            outcome = outcome.and(worked);
        }
        outcome
    }
}

/// Fetches the snapshot of resumed rows; only its id if the store does not have it any more.
async fn fetch_snapshot(client: &mut Client, id: &str) -> Result<v1::Snapshot> {
    let request = v1::GetSnapshotRequest { id: id.to_owned() };
    let unknown = || v1::Snapshot { id: id.to_owned(), ..v1::Snapshot::default() };
    match answer(client.lists.get_snapshot(request).await) {
        Ok(response) => Ok(response.snapshot.unwrap_or_else(unknown)),
        Err(error) if error.reason == "NOT_FOUND" => Ok(unknown()),
        Err(error) => Err(error.into()),
    }
}
