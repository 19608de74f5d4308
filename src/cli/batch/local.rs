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
use crate::audit::RecordId;
use crate::domain::chain::Chain;
use crate::domain::lock::Recover;
use crate::engine::decision_log::{
    QueriedAddress, RecordedAnswer, RecordedItem, RecordedItems, References,
};
use crate::grpc::local::Local;
use crate::grpc::screener::{ClearAnswer, Screener};
use crate::grpc::v1;

/// Why a row without a readable address is refused, on record.
const FAULTY_ROW: &str = "FAULTY_ROW";

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

/// The answer to a row.
enum RowAnswer {
    /// The place in the cache of what it shares with others.
    Clear(usize),
    Row(Box<ResultRow>),
}

/// Answers every row; where searches are made, only up to the row at which `stop` is told. Rows are
/// written once their records are.
fn answer_chunk(
    local: &Local,
    row_settings: &RowSettings,
    chunk: &mut Chunk,
    cancellation: &Cancellation,
) -> Result<()> {
    let pinned = local.pin()?;
    let screener = local.screener(&pinned)?;
    let snapshot = local.snapshot(&pinned)?;
    let mut cache = AnswerCache::default();
    let mut chain = ChainCache::default();
    let mut answers = Vec::with_capacity(chunk.len());
    let mut records = RecordedItems::default();
    let mut is_cut = false;
    let none = References::default();
    let searches = screener.is_deep(row_settings.evidence);
    for place in 0..chunk.len() {
        if searches && cancellation.is_cancelled() {
            is_cut = true;
            break;
        }
        let asked = chunk.row(place);
        let chain_text = row_settings.chain_of(&asked);
        let known = asked.fault.is_none().then(|| chain.parse(chain_text)).flatten();
        let query = QueriedAddress { address: asked.address, chain: chain_text };
        let plain = known.and_then(|chain| screener.clear_answer(query, chain));
        if let Some((plain, found_by)) = &plain
            && let Some(at) = cache.find(*plain, query.named_chain())
        {
            let known = &mut cache.0[at];
            known.times += 1;
            let answer = known.record.as_ref().zip(found_by.clone());
            let answer = answer.map(|(answer, by)| answer.of_another(&none, by));
            answer.into_iter().for_each(|answer| records.push(&answer.to(asked.address)));
            answers.push((RowAnswer::Clear(at), known.record.is_some()));
            continue;
        }
        let (row, record) = row(&screener, row_settings, &asked, &snapshot.policy_version);
        let is_recorded = record.is_some();
        let answer = match plain.filter(|_| cache.has_room()) {
            Some((plain, _)) => {
                let mut rest = Vec::new();
                row_settings.form.rest(&row, &mut rest);
                let chain = query.named_chain().map(Box::from);
                let record = record.as_ref().map(|record| record.answer().clone());
                cache.0.push(CachedAnswer { plain, chain, row, rest, record, times: 1 });
                RowAnswer::Clear(cache.0.len() - 1)
            }
            None => RowAnswer::Row(Box::new(row)),
        };
        record.iter().for_each(|record| records.push(record));
        answers.push((answer, is_recorded));
    }
    let mut ids = RecordIds::new(local.record(&pinned, records.iter())?);
    chunk.is_cut |= is_cut;
    write_rows(chunk, row_settings, &cache, &answers, &mut ids);
    if chunk.len() > 0 {
        chunk.snapshots.push(snapshot);
    }
    Ok(())
}

/// Writes the rows of a chunk, and counts them.
fn write_rows(
    chunk: &mut Chunk,
    row_settings: &RowSettings,
    cache: &AnswerCache,
    answers: &[(RowAnswer, bool)],
    ids: &mut RecordIds,
) {
    let mut out = std::mem::take(&mut chunk.out);
    let mut counts = std::mem::take(&mut chunk.counts);
    let form = &row_settings.form;
    for (place, (answer, is_recorded)) in answers.iter().enumerate() {
        let asked = chunk.row(place);
        let id = if *is_recorded { ids.next() } else { None };
        match answer {
            RowAnswer::Clear(at) => {
                form.begin(&asked, &mut out);
                out.extend_from_slice(&cache.0[*at].rest);
                form.record(id, &mut out);
                form.end(&asked, &mut out);
            }
            RowAnswer::Row(row) => {
                form.begin(&asked, &mut out);
                form.rest(row, &mut out);
                form.record(id, &mut out);
                form.end(&asked, &mut out);
                counts.add(row);
            }
        }
    }
    for known in &cache.0 {
        counts.add_times(&known.row, known.times);
    }
    chunk.out = out;
    chunk.counts = counts;
}

/// The ids of the records of a chunk, in order.
pub struct RecordIds {
    next: Option<RecordId>,
}

impl RecordIds {
    pub fn new(first: Option<RecordId>) -> Self {
        Self { next: first }
    }
}

impl Iterator for RecordIds {
    type Item = RecordId;

    #[inline]
    fn next(&mut self) -> Option<RecordId> {
        let id = self.next?;
        self.next = Some(id.following(1));
        Some(id)
    }
}

fn row(
    screener: &Screener<'_>,
    row_settings: &RowSettings,
    asked: &InputRow<'_>,
    policy: &str,
) -> (ResultRow, Option<RecordedItem<'static>>) {
    if let Some(fault) = asked.fault {
        let record = screener.engine.decision_log().map(|_| {
            let chain = row_settings.chain_of(asked);
            let query = QueriedAddress { address: asked.address, chain };
            RecordedItem::refused(FAULTY_ROW, query, &References::default())
        });
        return (answer::error_row(asked, fault), record);
    }
    let mut answered = screener.item(row_settings.query(asked, String::new()), false);
    if row_settings.evidence && answer::wants_path(&answered.item) {
        answered = screener.item(row_settings.query(asked, String::new()), true);
    }
    (answer::result_row(asked, &answered.item, policy), answered.record)
}

/// The most answers in a cache: a file may name very many chains.
const MAX_CACHED: usize = 64;

/// Cache of answers without a finding: behind the input columns they are the same for all rows of a kind
/// and a chain in one snapshot. Filled from the first such row.
#[derive(Default)]
struct AnswerCache(Vec<CachedAnswer>);

struct CachedAnswer {
    plain: ClearAnswer,
    chain: Option<Box<str>>,
    row: ResultRow,
    /// The columns behind those of the input.
    rest: Vec<u8>,
    record: Option<RecordedAnswer>,
    /// How many rows have it.
    times: u64,
}

impl AnswerCache {
    #[inline]
    fn find(&self, plain: ClearAnswer, chain: Option<&str>) -> Option<usize> {
        self.0.iter().position(|known| known.plain == plain && known.chain.as_deref() == chain)
    }

    fn has_room(&self) -> bool {
        self.0.len() < MAX_CACHED
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
