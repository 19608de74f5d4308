//! `TransferService`: transfers in, and what is loaded. Translation only; whatever may block runs
//! on the blocking pool.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::blocking::{blocking, with_engine, with_engine_in_turn};
use super::load::Load;
use super::status::{Refusal, invalid_field};
use super::v1::ingest_transfers_response::Outcome;
use super::v1::transfer_service_server::TransferService;
use super::v1::{self, ErrorReason};
use super::{convert, page};
use crate::domain::address::Address;
use crate::domain::chain::Chain;
use crate::domain::transfer::MAX_HEIGHT;
use crate::engine::{
    CounterpartyQuery, CounterpartyRow, Engine, EngineError, HeadOverview, IngestSession,
};
use crate::exposure::Direction;
use crate::ingest::Covered;

/// The most transfers in one batch.
pub const MAX_BATCH: usize = 10_000;

/// The most spans of blocks that one batch says to be covered.
const MAX_COVERED: usize = 10_000;

/// The most bytes in a batch id.
const MAX_BATCH_ID: usize = 128;

/// The longest reason to take transfers back, in bytes: it is kept.
const MAX_REASON: usize = 1_024;

/// The most spans that a head tells.
const MAX_SPANS: usize = 100;

/// The counterparties on a page where none are asked for, and at most.
const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

/// The service over the engine.
#[derive(Clone, Debug)]
pub struct Transfers {
    engine: Arc<Engine>,
    load: Arc<Load>,
}

impl Transfers {
    /// The service over `engine`, with the turns of `load`.
    pub fn new(engine: Arc<Engine>, load: Arc<Load>) -> Self {
        Self { engine, load }
    }
}

/// A batch that cannot be taken: which transfer of it is wrong, where it is about one, and why.
#[derive(Debug)]
struct Rejection {
    index: Option<u32>,
    refusal: Refusal,
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self { index: None, refusal }
    }
}

impl From<EngineError> for Rejection {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Transfer { index, source } => {
                let field = format!("transfers[{index}]");
                let reason = ErrorReason::InvalidTransfer;
                Self {
                    index: u32::try_from(index).ok(),
                    refusal: Refusal::invalid(reason, field, source.to_string()),
                }
            }
            error => Refusal::from(error).into(),
        }
    }
}

type Answers = ReceiverStream<Result<v1::IngestTransfersResponse, Status>>;
type AnswerSender = mpsc::Sender<Result<v1::IngestTransfersResponse, Status>>;

/// Takes the batches of one stream, one at a time: the next is not read before the one before is
/// durable and its answer is on its way, so that a fast sender waits and nothing piles up here.
async fn ingest(
    engine: Arc<Engine>,
    mut batches: Streaming<v1::IngestTransfersRequest>,
    answers: AnswerSender,
) {
    let mut session = engine.begin_ingest();
    loop {
        let batch = match batches.message().await {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(status) => {
                answer(&answers, Err(status)).await;
                return;
            }
        };
        let work = blocking(move || {
            let (batch_id, outcome) = take(&mut session, batch);
            (session, batch_id, outcome)
        });
        let (kept, batch_id, outcome) = match work.await {
            Ok(done) => done,
            Err(status) => {
                answer(&answers, Err(status)).await;
                return;
            }
        };
        session = kept;
        let ends = outcome.is_err();
        let outcome = match outcome {
            Ok(acknowledgement) => Outcome::Acknowledgement(acknowledgement),
            Err(Rejection { index, refusal }) => Outcome::Error(refusal.into_ingest_error(index)),
        };
        let response = v1::IngestTransfersResponse { batch_id, outcome: Some(outcome) };
        if !answer(&answers, Ok(response)).await || ends {
            break;
        }
    }
    // The end of the answers tells the caller that screenings know what was sent.
    let finished = blocking(move || session.finish().map_err(Refusal::from)).await;
    if let Err(status) = finished.and_then(|done| done.map_err(Status::from)) {
        answer(&answers, Err(status)).await;
    }
}

/// Sends an answer; whether the caller is still there.
async fn answer(
    answers: &AnswerSender,
    answer: Result<v1::IngestTransfersResponse, Status>,
) -> bool {
    answers.send(answer).await.is_ok()
}

/// Stores a batch. Blocks.
fn take(
    session: &mut IngestSession,
    batch: v1::IngestTransfersRequest,
) -> (String, Result<v1::IngestAcknowledgement, Rejection>) {
    let v1::IngestTransfersRequest { batch_id, transfers, covered } = batch;
    if batch_id.len() > MAX_BATCH_ID {
        let message = format!("{} bytes, at most {MAX_BATCH_ID}", batch_id.len());
        return (String::new(), Err(invalid_field("batch_id", message).into()));
    }
    (batch_id, append(session, transfers, &covered))
}

fn append(
    session: &mut IngestSession,
    transfers: Vec<v1::Transfer>,
    covered: &[v1::CoveredBlocks],
) -> Result<v1::IngestAcknowledgement, Rejection> {
    for (field, count, most) in
        [("transfers", transfers.len(), MAX_BATCH), ("covered", covered.len(), MAX_COVERED)]
    {
        if count > most {
            let message = format!("{count} of them, at most {most}");
            return Err(Refusal::invalid(ErrorReason::TooManyItems, field, message).into());
        }
    }
    let mut batch = Vec::with_capacity(transfers.len());
    for (index, transfer) in (0..).zip(transfers) {
        batch.push(convert::transfer::from_message(transfer).map_err(|misfit| {
            let misfit = misfit.within(&format!("transfers[{index}]"));
            let reason = ErrorReason::InvalidTransfer;
            let refusal = Refusal::invalid(reason, misfit.field, misfit.message);
            Rejection { index: Some(index), refusal }
        })?);
    }
    let covered = covered.iter().enumerate().map(from_covered).collect::<Result<Vec<_>, _>>()?;
    let done = session.append(batch, &covered)?;
    Ok(v1::IngestAcknowledgement {
        stored: done.stored,
        duplicates: done.duplicates,
        derived: done.derived,
        rows: done.rows,
    })
}

fn from_covered((place, covered): (usize, &v1::CoveredBlocks)) -> Result<Covered, Refusal> {
    let field = |name: &str| format!("covered[{place}].{name}");
    let chain = parse_chain(&field("chain"), &covered.chain)?;
    let Some(v1::HeightRange { from, to }) = covered.heights else {
        return Err(invalid_field(&field("heights"), "missing"));
    };
    if from > to || to > MAX_HEIGHT {
        let message = format!("{from} to {to}: not ascending, or above {MAX_HEIGHT}");
        return Err(invalid_field(&field("heights"), message));
    }
    Ok(Covered { chain, heights: from..=to })
}

/// One chain, not a family.
fn parse_chain(field: &str, text: &str) -> Result<Chain, Refusal> {
    convert::transfer::from_chain(text)
        .map_err(|error| Refusal::invalid(ErrorReason::InvalidChain, field, error))
}

#[tonic::async_trait]
impl TransferService for Transfers {
    type IngestTransfersStream = Answers;

    async fn ingest_transfers(
        &self,
        request: Request<Streaming<v1::IngestTransfersRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(ingest(self.engine.clone(), request.into_inner(), sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn retract_transfers(
        &self,
        request: Request<v1::RetractTransfersRequest>,
    ) -> Result<Response<v1::RetractTransfersResponse>, Status> {
        let v1::RetractTransfersRequest { chain, from_height, reason } = request.into_inner();
        let chain = parse_chain("chain", &chain)?;
        if from_height > MAX_HEIGHT {
            let message = format!("{from_height}, at most {MAX_HEIGHT}");
            return Err(invalid_field("from_height", message).into());
        }
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > MAX_REASON {
            let message = format!("{} bytes, 1 to {MAX_REASON}", reason.len());
            return Err(invalid_field("reason", message).into());
        }
        with_engine(&self.engine, move |engine| {
            check_loaded(engine, &chain)?;
            let retracted = engine.retract(&chain, from_height, &reason)?;
            Ok(Response::new(v1::RetractTransfersResponse { retracted }))
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
            heads: known.heads.iter().map(|head| head_message(head, now.as_second())).collect(),
            rows: known.rows,
            labelled_rows: known.labelled_rows,
            label_generation: known.label_generation,
        }))
    }

    async fn list_counterparties(
        &self,
        request: Request<v1::ListCounterpartiesRequest>,
    ) -> Result<Response<v1::ListCounterpartiesResponse>, Status> {
        let query = counterparty_query(request.into_inner())?;
        with_engine_in_turn(&self.load.searches, &self.engine, move |engine| {
            let page = engine.counterparties(&query)?;
            Ok(Response::new(v1::ListCounterpartiesResponse {
                counterparties: page.rows.iter().map(counterparty).collect(),
                next_page_token: page.next.map(page::token).unwrap_or_default(),
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
) -> Result<CounterpartyQuery, Refusal> {
    let chain = match request.chain.as_str() {
        "" => None,
        text => Some(parse_chain("chain", text)?),
    };
    check_address("address", &request.address, chain.as_ref())?;
    let direction = match request.direction.try_into() {
        Ok(v1::TransferDirection::Unspecified) => None,
        Ok(v1::TransferDirection::Received) => Some(Direction::ReceivedFrom),
        Ok(v1::TransferDirection::Sent) => Some(Direction::SentTo),
        Err(_) => {
            let message = format!("{} is no direction", request.direction);
            return Err(invalid_field("direction", message));
        }
    };
    let limit = match usize::try_from(request.page_size) {
        Ok(0) => DEFAULT_PAGE,
        Ok(asked) => asked.min(MAX_PAGE),
        Err(_) => return Err(invalid_field("page_size", "below zero")),
    };
    let after = page::place(&request.page_token)?;
    Ok(CounterpartyQuery { address: request.address, chain, direction, after, limit })
}

/// An address that the engine will understand.
pub(super) fn check_address(field: &str, text: &str, chain: Option<&Chain>) -> Result<(), Refusal> {
    match Address::parse(text, chain) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal::invalid(ErrorReason::InvalidAddress, field, error.to_string())),
    }
}

fn counterparty(row: &CounterpartyRow) -> v1::Counterparty {
    let direction = match row.direction {
        Direction::ReceivedFrom => v1::TransferDirection::Received,
        Direction::SentTo => v1::TransferDirection::Sent,
    };
    v1::Counterparty {
        direction: direction.into(),
        addresses: row.others.iter().map(ToString::to_string).collect(),
        transfer: Some(convert::transfer::message(&row.transfer)),
        counts: row.not_counted.is_none(),
        not_counted_because: row.not_counted.unwrap_or_default().to_owned(),
    }
}

fn head_message(overview: &HeadOverview, now: i64) -> v1::TransferHead {
    let head = &overview.head;
    let spans = head.covered.iter().skip(head.covered.len().saturating_sub(MAX_SPANS));
    let age = head.last_time.and_then(|last| u64::try_from(now).ok()?.checked_sub(last));
    v1::TransferHead {
        chain: head.chain.to_string(),
        transfers: head.transfers,
        retracted: head.retracted,
        unpositioned: head.unpositioned,
        first_time: head.first_time.map(convert::transfer::time),
        last_time: head.last_time.map(convert::transfer::time),
        covered: spans
            .map(|span| v1::HeightRange { from: *span.start(), to: *span.end() })
            .collect(),
        covered_spans: head.covered.len() as u64,
        required: overview.required,
        age_seconds: age.unwrap_or_default(),
    }
}
