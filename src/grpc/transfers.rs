//! `TransferService`: transfers in, and what is loaded. Blocking work runs on the blocking pool.

mod coverage;
mod ingest;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::blocking::{with_engine, with_engine_in_turn};
use super::bounds::MAX_COVERED;
use super::concurrency::ConcurrencyLimits;
use super::page::{self, Page};
use super::status::{Refusal, all, both, invalid_field};
use super::v1::transfer_service_server::TransferService;
use super::v1::{self, ErrorReason};
use super::{access, convert};
use crate::domain::address::Reading;
use crate::domain::chain::Chain;
use crate::domain::coverage::Verdict;
use crate::domain::transfer::MAX_HEIGHT;
use crate::engine::{CounterpartyQuery, CounterpartyRow, Engine, HeadOverview};

pub use coverage::{covered, gap};

/// The longest reason to take transfers back, in bytes: it is kept.
const MAX_REASON: usize = 1_024;

/// The service over the engine.
#[derive(Clone, Debug)]
pub struct Transfers {
    engine: Arc<Engine>,
    load: Arc<ConcurrencyLimits>,
}

impl Transfers {
    /// The service over `engine`, with the turns of `load`.
    pub fn new(engine: Arc<Engine>, load: Arc<ConcurrencyLimits>) -> Self {
        Self { engine, load }
    }
}

type Answers = ReceiverStream<Result<v1::IngestTransfersResponse, Status>>;

/// One chain, not a family.
fn parse_chain(field: &str, text: &str) -> Result<Chain, Refusal> {
    convert::transfer::from_chain(text)
        .map_err(|error| Refusal::invalid(ErrorReason::InvalidChain, field, error))
}

/// The chain named; `None` where none is.
pub(super) fn optional_chain(text: &str) -> Result<Option<Chain>, Refusal> {
    if text.is_empty() { Ok(None) } else { parse_chain("chain", text).map(Some) }
}

/// A reason that is kept.
fn checked_reason(reason: &str) -> Result<String, Refusal> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > MAX_REASON {
        let message = format!("{} bytes, 1 to {MAX_REASON}", reason.len());
        return Err(invalid_field("reason", message));
    }
    Ok(reason.to_owned())
}

#[tonic::async_trait]
impl TransferService for Transfers {
    type IngestTransfersStream = Answers;

    async fn ingest_transfers(
        &self,
        request: Request<Streaming<v1::IngestTransfersRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let caller = access::caller(&request)?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(ingest::ingest(self.engine.clone(), caller, request.into_inner(), sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn retract_transfers(
        &self,
        request: Request<v1::RetractTransfersRequest>,
    ) -> Result<Response<v1::RetractTransfersResponse>, Status> {
        let caller = access::caller(&request)?;
        let v1::RetractTransfersRequest { chain, first_height, reason, block_hash } =
            request.into_inner();
        let height = match first_height {
            0..=MAX_HEIGHT => Ok(()),
            _ => {
                Err(invalid_field("first_height", format!("{first_height}, at most {MAX_HEIGHT}")))
            }
        };
        let block_hash = match block_hash.as_str() {
            "" => Ok(None),
            text => convert::transfer::from_hash(text).map(Some).ok_or_else(|| {
                invalid_field("block_hash", format!("{text:?} is not 32 bytes in hex"))
            }),
        };
        let place = both(parse_chain("chain", &chain), height);
        let ((chain, ()), (reason, block_hash)) =
            both(place, both(checked_reason(&reason), block_hash))?;
        caller.must_reach_chain(&chain)?;
        with_engine(&self.engine, move |engine| {
            check_loaded(engine, &chain)?;
            let retracted = engine.retract(&chain, first_height, block_hash, &reason)?;
            Ok(Response::new(v1::RetractTransfersResponse { retracted }))
        })
        .await
    }

    async fn declare_coverage(
        &self,
        request: Request<v1::DeclareCoverageRequest>,
    ) -> Result<Response<v1::DeclareCoverageResponse>, Status> {
        let caller = access::caller(&request)?;
        let v1::DeclareCoverageRequest { covered } = request.into_inner();
        if covered.is_empty() || covered.len() > MAX_COVERED {
            let message = format!("{} of them, 1 to {}", covered.len(), MAX_COVERED);
            let reason = ErrorReason::TooManyItems;
            return Err(Refusal::invalid(reason, "covered", message).into());
        }
        let declared = all(covered.iter().enumerate().map(|(place, covered)| {
            let declared = coverage::from_covered((place, covered))?;
            if declared.kinds.is_empty() {
                Err(invalid_field(&format!("covered[{place}].kinds"), "missing"))
            } else {
                Ok(declared)
            }
        }))?;
        declared.iter().try_for_each(|covered| caller.must_reach_chain(&covered.chain))?;
        with_engine(&self.engine, move |engine| {
            let gaps = engine.declare(&declared)?;
            Ok(Response::new(v1::DeclareCoverageResponse { remaining_gaps: gaps }))
        })
        .await
    }

    async fn list_transfer_gaps(
        &self,
        request: Request<v1::ListTransferGapsRequest>,
    ) -> Result<Response<v1::ListTransferGapsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = Page::take(&mut request);
        let limit = page::heavy_limit(asked.size);
        let (chain, start) = both(optional_chain(&request.chain), asked.after())?;
        let start = start.map_or(0, |[next, _]| next as usize);
        let state = self.engine.transfer_state();
        let of_chain = state
            .chains
            .values()
            .filter(|head| chain.as_ref().is_none_or(|chain| *chain == head.chain));
        let all = of_chain.flat_map(|head| head.gaps.iter().map(move |gap| (&head.chain, gap)));
        let mut all = all.skip(start);
        let gaps: Vec<_> =
            all.by_ref().take(limit).map(|(chain, gap)| coverage::gap(chain, gap)).collect();
        let next = all.next().map(|_| [(start + gaps.len()) as u64, 0]);
        let next_page_token = next.map(|next| asked.token_at(next)).unwrap_or_default();
        Ok(Response::new(v1::ListTransferGapsResponse { gaps, next_page_token }))
    }

    async fn list_transfer_conflicts(
        &self,
        request: Request<v1::ListTransferConflictsRequest>,
    ) -> Result<Response<v1::ListTransferConflictsResponse>, Status> {
        let mut request = request.into_inner();
        let asked = Page::take(&mut request);
        let v1::ListTransferConflictsRequest { chain, include_settled, .. } = request;
        let limit = page::heavy_limit(asked.size);
        let (chain, after) = both(optional_chain(&chain), asked.after())?;
        let after = after.map(|[number, _]| number);
        with_engine(&self.engine, move |engine| {
            let mut found = engine.conflicts(chain.as_ref(), include_settled, after, limit + 1)?;
            let is_more = found.len() > limit;
            found.truncate(limit);
            let last = found.last().map(|(number, ..)| [*number, 0]).filter(|_| is_more);
            Ok(Response::new(v1::ListTransferConflictsResponse {
                conflicts: found.iter().map(coverage::conflict).collect(),
                next_page_token: last.map(|last| asked.token_at(last)).unwrap_or_default(),
            }))
        })
        .await
    }

    async fn settle_transfer_conflict(
        &self,
        request: Request<v1::SettleTransferConflictRequest>,
    ) -> Result<Response<v1::SettleTransferConflictResponse>, Status> {
        let caller = access::caller(&request)?;
        let v1::SettleTransferConflictRequest { number, verdict, reason } = request.into_inner();
        let verdict = match v1::ConflictVerdict::try_from(verdict).ok().and_then(Option::from) {
            Some(verdict @ (Verdict::First | Verdict::Second | Verdict::Both)) => Ok(verdict),
            Some(Verdict::TakenBack) | None => {
                Err(invalid_field("verdict", "first, second or both"))
            }
        };
        let (verdict, reason) = both(verdict, checked_reason(&reason))?;
        with_engine(&self.engine, move |engine| {
            let state = engine.transfer_state();
            // The engine refuses numbers of which there is no conflict.
            let place = number.checked_sub(1).and_then(|place| usize::try_from(place).ok());
            if let Some(conflict) = place.and_then(|place| state.conflicts.get(place)) {
                caller.must_reach_chain(&conflict.chain)?;
            }
            engine.settle_conflict(number, verdict, &reason)?;
            Ok(Response::new(v1::SettleTransferConflictResponse {}))
        })
        .await
    }

    async fn list_transfer_heads(
        &self,
        _: Request<v1::ListTransferHeadsRequest>,
    ) -> Result<Response<v1::ListTransferHeadsResponse>, Status> {
        let now = self.engine.now();
        let known = self.engine.transfer_heads();
        Ok(Response::new(v1::ListTransferHeadsResponse {
            heads: known.heads.iter().map(|head| coverage::head(head, now.as_second())).collect(),
            rows: known.rows,
            labelled_rows: known.labelled_rows,
            label_generation: known.label_generation,
        }))
    }

    async fn list_counterparties(
        &self,
        request: Request<v1::ListCounterpartiesRequest>,
    ) -> Result<Response<v1::ListCounterpartiesResponse>, Status> {
        let mut request = request.into_inner();
        let asked = Page::take(&mut request);
        let query = counterparty_query(request, &asked)?;
        with_engine_in_turn(&self.load.searches, &self.engine, move |engine| {
            let page = engine.counterparties(&query)?;
            Ok(Response::new(v1::ListCounterpartiesResponse {
                counterparties: page.rows.iter().map(counterparty).collect(),
                next_page_token: page.next.map(|next| asked.token_at(next)).unwrap_or_default(),
            }))
        })
        .await
    }
}

/// A chain of which there is anything to take back, though it be taken back already: a retraction is
/// kept for good, and one of a mistaken chain must not be.
fn check_loaded(engine: &Engine, chain: &Chain) -> Result<(), Refusal> {
    let heads = engine.transfer_heads().heads;
    let stored = |head: &HeadOverview| head.head.transfers > 0 || head.head.retracted > 0;
    if heads.iter().any(|head| head.head.chain == *chain && stored(head)) {
        return Ok(());
    }
    let message = format!("no transfers of {chain}: there is nothing to take back");
    Err(Refusal::new(Code::NotFound, ErrorReason::NotFound, message))
}

fn counterparty_query(
    request: v1::ListCounterpartiesRequest,
    asked: &Page,
) -> Result<CounterpartyQuery, Refusal> {
    let address = check_address(&request.address, optional_chain(&request.chain));
    let direction = v1::TransferDirection::try_from(request.direction)
        .map(Option::from)
        .map_err(|_| invalid_field("direction", format!("{} is no direction", request.direction)));
    let limit = page::heavy_limit(asked.size);
    let ((chain, direction), after) = both(both(address, direction), asked.after())?;
    Ok(CounterpartyQuery { address: request.address, chain, direction, after, limit })
}

/// The chain of an address that the engine will understand; a refusal names both where both are wrong.
pub(super) fn check_address(
    text: &str,
    chain: Result<Option<Chain>, Refusal>,
) -> Result<Option<Chain>, Refusal> {
    let wished = chain.as_ref().ok().and_then(Option::as_ref);
    let address = Reading::from_query(text, wished).into_single().map(drop).map_err(|error| {
        Refusal::invalid(ErrorReason::InvalidAddress, "address", error.to_string())
    });
    both(address, chain).map(|((), chain)| chain)
}

fn counterparty(row: &CounterpartyRow) -> v1::Counterparty {
    v1::Counterparty {
        direction: v1::TransferDirection::from(row.direction).into(),
        addresses: row.others.iter().map(ToString::to_string).collect(),
        transfer: Some(convert::transfer::message(&row.transfer)),
        counts: row.not_counted.is_none(),
        not_counted_because: row.not_counted.unwrap_or_default().to_owned(),
        adds_up: row.adds_up,
        symbol: row.asset.as_ref().map(|(symbol, _)| symbol.clone()).unwrap_or_default(),
        decimals: row.asset.as_ref().map(|(_, decimals)| u32::from(*decimals)),
        amount: row.amount.map(|amount| amount.to_string()).unwrap_or_default(),
    }
}
