//! Answers chunks with the engine of this process ([`crate::grpc::local`]), on several threads.

use std::sync::Mutex;
use std::sync::mpsc::Sender;

use anyhow::{Result, anyhow};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

use super::answer;
use super::cancellation::Cancellation;
use super::chunk::{Chunk, InputRow};
use super::columns::ResultRow;
use super::compression::Compression;
use super::form::RowForm;
use crate::domain::chain::Chain;
use crate::domain::lock::Recover;
use crate::grpc::local::Local;
use crate::grpc::screener::{ClearAnswer, Screener};
use crate::grpc::v1;

/// How rows are queried and written.
#[derive(Clone, Debug)]
pub struct RowSettings {
    pub form: RowForm,
    pub compression: Compression,
    /// The chain of rows that name none; empty for none.
    pub chain: String,
    /// Whether rows with an exposure show its path.
    pub evidence: bool,
}

impl RowSettings {
    /// Returns the query for a row.
    pub fn query(&self, asked: &InputRow<'_>, request_id: String) -> v1::AddressQuery {
        let chain = self.chain_of(asked).to_owned();
        v1::AddressQuery { request_id, address: asked.address.to_owned(), chain }
    }

    fn chain_of<'c>(&'c self, asked: &'c InputRow<'c>) -> &'c str {
        let named = asked.chain_name();
        if named.is_empty() { &self.chain } else { named }
    }

    /// Compresses `chunk.out`. A cut chunk of a compressed result is dropped, because its part would
    /// differ from that of the whole batch.
    pub fn finish(&self, chunk: &mut Chunk) {
        if chunk.is_cut && self.compression != Compression::None {
            chunk.out.clear();
            chunk.counts = Default::default();
            chunk.snapshots.clear();
        }
        if self.compression != Compression::None {
            chunk.out = self.compression.pack(std::mem::take(&mut chunk.out));
        }
    }
}

/// Answers chunks until there are no more; once `stop` is told, those that are on their way.
pub fn work(
    local: &Local,
    row_settings: &RowSettings,
    (runtime, chunks): (&Handle, &Mutex<Receiver<Chunk>>),
    done: &Sender<Chunk>,
    cancellation: &Cancellation,
) -> Result<()> {
    loop {
        // A thread that panicked with the lock left the queue whole.
        let mut waiting = chunks.lock().recover();
        let next = runtime.block_on(async {
            tokio::select! {
                biased;
                chunk = waiting.recv() => chunk,
                // The reader may wait for standard input.
                () = cancellation.cancelled() => waiting.try_recv().ok(),
            }
        });
        drop(waiting);
        let Some(mut chunk) = next else { return Ok(()) };
        answer_chunk(local, row_settings, &mut chunk, cancellation)?;
        row_settings.finish(&mut chunk);
        done.send(chunk).map_err(|_| anyhow!("the writer has stopped"))?;
    }
}

/// Answers every row; where searches are made, only up to the row at which `stop` is told.
fn answer_chunk(
    local: &Local,
    row_settings: &RowSettings,
    chunk: &mut Chunk,
    cancellation: &Cancellation,
) -> Result<()> {
    let pinned = local.pin()?;
    let screener = local.screener(&pinned)?;
    let snapshot = local.snapshot(&pinned)?;
    let mut out = std::mem::take(&mut chunk.out);
    let mut counts = std::mem::take(&mut chunk.counts);
    let mut cache = AnswerCache::default();
    let mut chain = ChainCache::default();
    let searches = screener.is_deep(row_settings.evidence);
    for place in 0..chunk.len() {
        if searches && cancellation.is_cancelled() {
            chunk.is_cut = true;
            break;
        }
        let asked = chunk.row(place);
        let known =
            asked.fault.is_none().then(|| chain.parse(row_settings.chain_of(&asked))).flatten();
        let plain = known.and_then(|chain| screener.clear_answer(asked.address, chain));
        if let Some(rest) = plain.and_then(|plain| cache.get(plain)) {
            row_settings.form.begin(&asked, &mut out);
            out.extend_from_slice(rest);
            row_settings.form.end(&asked, &mut out);
            continue;
        }
        let row = row(&screener, row_settings, &asked, &snapshot.policy_version);
        match plain {
            Some(plain) => cache.insert(plain, row, &row_settings.form, &asked, &mut out),
            None => {
                row_settings.form.row(&asked, &row, &mut out);
                counts.add(&row);
            }
        }
    }
    for (_, row, _, times) in &cache.0 {
        counts.add_times(row, *times);
    }
    if chunk.len() > 0 {
        chunk.snapshots.push(snapshot);
    }
    chunk.out = out;
    chunk.counts = counts;
    Ok(())
}

fn row(
    screener: &Screener<'_>,
    row_settings: &RowSettings,
    asked: &InputRow<'_>,
    policy: &str,
) -> ResultRow {
    if let Some(fault) = asked.fault {
        return answer::error_row(asked, fault);
    }
    let mut item = screener.item(row_settings.query(asked, String::new()), false).item;
    if row_settings.evidence && answer::wants_path(&item) {
        item = screener.item(row_settings.query(asked, String::new()), true).item;
    }
    answer::result_row(asked, &item, policy)
}

/// Cache of answers without a finding: behind the input columns they are the same for all rows of a kind
/// in one snapshot. Filled from the first such row.
#[derive(Default)]
struct AnswerCache(Vec<(ClearAnswer, ResultRow, Vec<u8>, u64)>);

impl AnswerCache {
    #[inline]
    fn get(&mut self, plain: ClearAnswer) -> Option<&[u8]> {
        let (_, _, rest, times) = self.0.iter_mut().find(|(known, ..)| *known == plain)?;
        *times += 1;
        Some(rest)
    }

    fn insert(
        &mut self,
        plain: ClearAnswer,
        row: ResultRow,
        form: &RowForm,
        asked: &InputRow<'_>,
        out: &mut Vec<u8>,
    ) {
        let mut rest = Vec::new();
        form.rest(&row, &mut rest);
        form.begin(asked, out);
        out.extend_from_slice(&rest);
        form.end(asked, out);
        self.0.push((plain, row, rest, 1));
    }
}

/// The chain that was parsed last, which is mostly that of the next row.
#[derive(Default)]
struct ChainCache {
    text: String,
    chain: Option<Chain>,
}

impl ChainCache {
    /// Parses a chain name: `Some(None)` for an empty name, `None` for an unknown one.
    #[inline]
    fn parse(&mut self, text: &str) -> Option<Option<&Chain>> {
        if text.is_empty() {
            return Some(None);
        }
        if self.chain.is_none() || self.text != text {
            self.chain = text.parse().ok();
            text.clone_into(&mut self.text);
        }
        self.chain.as_ref().map(Some)
    }
}
