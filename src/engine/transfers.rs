//! STUB of the signatures until the engine's part lands.
#![allow(missing_docs)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Engine, EngineError};
use crate::domain::chain::Chain;
use crate::domain::list::ListKind;
use crate::domain::transfer::{Amount, Holder, Transfer};
use crate::exposure::{Direction, Source, Timing};
use crate::ingest::{ChainHead, Covered};
use crate::screening::snapshot::Snapshot;

pub struct IngestSession;

#[derive(Clone, Debug)]
pub struct AppendedSummary {
    pub stored: u64,
    pub duplicates: u64,
    pub derived: u64,
    pub rows: u64,
}

#[derive(Clone, Debug)]
pub struct HeadOverview {
    pub head: ChainHead,
    pub required: bool,
    pub max_age: Option<SignedDuration>,
}

#[derive(Clone, Debug)]
pub struct TransferHeads {
    pub heads: Vec<HeadOverview>,
    pub rows: u64,
    pub labelled_rows: u64,
    pub label_generation: u64,
}

#[derive(Clone, Debug)]
pub struct CounterpartyQuery {
    pub address: String,
    pub chain: Option<Chain>,
    pub direction: Option<Direction>,
    pub after: Option<[u64; 2]>,
    pub limit: usize,
}

#[derive(Clone, Debug)]
pub struct CounterpartyPage {
    pub rows: Vec<CounterpartyRow>,
    pub next: Option<[u64; 2]>,
}

#[derive(Clone, Debug)]
pub struct CounterpartyRow {
    pub direction: Direction,
    pub others: Vec<Holder>,
    pub transfer: Transfer,
    pub not_counted: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct TraceQuery {
    pub address: String,
    pub chain: Option<Chain>,
    pub direction: Option<Direction>,
    pub kinds: Vec<ListKind>,
    pub max_hops: Option<u8>,
    pub max_paths: usize,
    pub from_time: Option<Timestamp>,
    pub to_time: Option<Timestamp>,
    pub min_usd_micros: u64,
}

#[derive(Clone, Debug)]
pub struct Trace {
    pub snapshot: Arc<Snapshot>,
    pub paths: Vec<PathEvidence>,
    pub cut_short: bool,
    pub examined: u64,
    pub stops_met: Vec<Holder>,
}

#[derive(Clone, Debug)]
pub struct PathEvidence {
    pub direction: Direction,
    pub kind: ListKind,
    pub source: Source,
    pub timing: Timing,
    pub hops: Vec<HopEvidence>,
}

#[derive(Clone, Debug)]
pub struct HopEvidence {
    pub transfer: Transfer,
    pub from: EndEvidence,
    pub to: EndEvidence,
    pub symbol: Option<String>,
    pub decimals: Option<u8>,
    pub amount: Option<Amount>,
}

#[derive(Clone, Debug)]
pub struct EndEvidence {
    pub address: Holder,
    pub is_stop: bool,
}

fn missing<T>() -> Result<T, EngineError> {
    Err(EngineError::Internal("in the making".to_owned()))
}

impl Engine {
    pub fn begin_ingest(self: &Arc<Self>) -> IngestSession {
        IngestSession
    }

    pub fn retract(&self, _: &Chain, _: u64, _: &str) -> Result<u64, EngineError> {
        missing()
    }

    pub fn transfer_heads(&self) -> TransferHeads {
        TransferHeads { heads: Vec::new(), rows: 0, labelled_rows: 0, label_generation: 0 }
    }

    pub fn counterparties(&self, _: &CounterpartyQuery) -> Result<CounterpartyPage, EngineError> {
        missing()
    }

    pub fn trace(&self, _: &TraceQuery) -> Result<Trace, EngineError> {
        missing()
    }
}

impl IngestSession {
    pub fn append(
        &mut self,
        _: Vec<Transfer>,
        _: &[Covered],
    ) -> Result<AppendedSummary, EngineError> {
        missing()
    }

    pub fn finish(self) -> Result<(), EngineError> {
        missing()
    }
}
