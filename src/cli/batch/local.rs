//! Answers chunks by the engine that this process holds, on as many threads as ask. Must not decide:
//! it asks [`crate::grpc::local`] and writes what it says.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

use super::answer;
use super::chunk::{Asked, Chunk};
use super::form::RowForm;
use super::packing::Packing;
use super::row::ResultRow;
use super::stop::Stop;
use crate::domain::chain::Chain;
use crate::grpc::local::{ClearAnswer, Local, ScopedScreener};
use crate::grpc::v1;

/// How rows are asked and written, whoever answers.
#[derive(Clone, Debug)]
pub struct Asking {
    pub form: RowForm,
    pub packing: Packing,
    /// The chain of rows that name none; empty for none.
    pub chain: String,
    /// Whether rows with an exposure show its path.
    pub evidence: bool,
}

impl Asking {
    /// The question of a row.
    pub fn query(&self, asked: &Asked<'_>, request_id: String) -> v1::AddressQuery {
        let chain = self.chain_of(asked).to_owned();
        v1::AddressQuery { request_id, address: asked.address.to_owned(), chain }
    }

    fn chain_of<'c>(&'c self, asked: &'c Asked<'c>) -> &'c str {
        let named = asked.chain_name();
        if named.is_empty() { &self.chain } else { named }
    }

    /// Makes what the file takes of the rows in `chunk.out`. A cut part of packed data would not be
    /// the one that the whole batch has: it is left out.
    pub fn finish(&self, chunk: &mut Chunk) {
        if chunk.is_cut && self.packing != Packing::None {
            chunk.out.clear();
            chunk.counts = Default::default();
            chunk.snapshots.clear();
        }
        if self.packing != Packing::None {
            chunk.out = self.packing.pack(std::mem::take(&mut chunk.out));
        }
    }
}

/// Answers chunks until there are no more; once `stop` is told, those that are on their way.
pub fn work(
    local: &Local,
    asking: &Asking,
    (runtime, chunks): (&Handle, &Mutex<Receiver<Chunk>>),
    done: &Sender<Chunk>,
    stop: &Stop,
) -> Result<()> {
    loop {
        // A thread that panicked with the lock has taken nothing half.
        let mut waiting = chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let next = runtime.block_on(async {
            tokio::select! {
                biased;
                chunk = waiting.recv() => chunk,
                // The reader may wait for standard input.
                () = stop.wait() => waiting.try_recv().ok(),
            }
        });
        drop(waiting);
        let Some(mut chunk) = next else { return Ok(()) };
        answer_chunk(local, asking, &mut chunk, stop)?;
        asking.finish(&mut chunk);
        done.send(chunk).map_err(|_| anyhow!("nobody takes the answers any more"))?;
    }
}

/// Answers every row; where searches are made, only up to the row at which `stop` is told.
fn answer_chunk(local: &Local, asking: &Asking, chunk: &mut Chunk, stop: &Stop) -> Result<()> {
    let pinned = local.pin()?;
    let screener = local.screener(&pinned)?;
    let snapshot = local.snapshot(&pinned)?;
    let mut out = std::mem::take(&mut chunk.out);
    let mut counts = std::mem::take(&mut chunk.counts);
    let mut said = Said::default();
    let mut chain = KnownChain::default();
    let searches = asking.evidence || screener.take_searches();
    for place in 0..chunk.len() {
        if searches && stop.is_told() {
            chunk.is_cut = true;
            break;
        }
        let asked = chunk.row(place);
        let known = asked.fault.is_none().then(|| chain.of(asking.chain_of(&asked))).flatten();
        let plain = known.and_then(|chain| screener.clear_answer(asked.address, chain));
        if let Some(rest) = plain.and_then(|plain| said.again(plain)) {
            asking.form.begin(&asked, &mut out);
            out.extend_from_slice(rest);
            asking.form.end(&asked, &mut out);
            continue;
        }
        let row = row(&screener, asking, &asked, &snapshot.policy_version);
        match plain {
            Some(plain) => said.first(plain, row, &asking.form, &asked, &mut out),
            None => {
                asking.form.row(&asked, &row, &mut out);
                counts.add(&row);
            }
        }
    }
    for (_, row, _, times) in &said.0 {
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
    screener: &ScopedScreener<'_>,
    asking: &Asking,
    asked: &Asked<'_>,
    policy: &str,
) -> ResultRow {
    if let Some(fault) = asked.fault {
        return answer::error(asked, fault);
    }
    let mut item = screener.answer(asking.query(asked, String::new()), false);
    if asking.evidence && answer::wants_path(&item) {
        item = screener.answer(asking.query(asked, String::new()), true);
    }
    answer::row(asked, &item, policy)
}

/// What rows say behind the columns of the input by which nothing was found: the same for all of a
/// kind from one pinned snapshot. Learned from the first, which is made as any row is.
#[derive(Default)]
struct Said(Vec<(ClearAnswer, ResultRow, Vec<u8>, u64)>);

impl Said {
    #[inline]
    fn again(&mut self, plain: ClearAnswer) -> Option<&[u8]> {
        let (_, _, rest, times) = self.0.iter_mut().find(|(known, ..)| *known == plain)?;
        *times += 1;
        Some(rest)
    }

    fn first(
        &mut self,
        plain: ClearAnswer,
        row: ResultRow,
        form: &RowForm,
        asked: &Asked<'_>,
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

/// The chain that was read last: mostly it is the next row's too.
#[derive(Default)]
struct KnownChain {
    text: String,
    chain: Option<Chain>,
}

impl KnownChain {
    /// The chain of that name, `Some(None)` for no name; `None` where it names none.
    #[inline]
    fn of(&mut self, text: &str) -> Option<Option<&Chain>> {
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
