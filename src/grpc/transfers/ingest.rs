//! The stream that takes transfers in: batches are stored one after the other and acknowledged in
//! order, while later ones are stored already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::coverage::{from_covered, from_gap, refused_rows};
use crate::domain::chain::Chain;
use crate::domain::coverage::CoverageDeclaration;
use crate::domain::transfer::{MovementKind, Transfer};
use crate::engine::{AppendedSummary, Engine, EngineError, IngestSession};
use crate::grpc::access::Caller;
use crate::grpc::blocking::blocking;
use crate::grpc::bounds::{MAX_COVERED, MAX_TRANSFERS};
use crate::grpc::convert;
use crate::grpc::status::{Refusal, invalid_field};
use crate::grpc::v1::ingest_transfers_response::Outcome;
use crate::grpc::v1::{self, ErrorReason};

/// The most bytes in a batch id.
const MAX_BATCH_ID: usize = 128;

/// How many batches may be stored and not acknowledged.
const UNACKNOWLEDGED: usize = 64;

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
        let EngineError::Transfer { index, source } = error else {
            return Refusal::from(error).into();
        };
        let (field, reason) = (format!("transfers[{index}]"), ErrorReason::InvalidTransfer);
        Self {
            index: u32::try_from(index).ok(),
            refusal: Refusal::invalid(reason, field, source.to_string()),
        }
    }
}

type AnswerSender = mpsc::Sender<Result<v1::IngestTransfersResponse, Status>>;

/// An answer, and the change that screenings must know before it leaves.
type Pending = (v1::IngestTransfersResponse, Option<u64>);

enum Ended {
    /// The caller has sent all of it.
    Whole,
    /// A batch was refused, or the caller left.
    Early,
}

/// Takes the batches of one stream.
pub(super) async fn ingest(
    engine: Arc<Engine>,
    caller: Caller,
    mut batches: Streaming<v1::IngestTransfersRequest>,
    answers: AnswerSender,
) {
    let mut stream = Stream::new(engine.begin_ingest(), caller);
    let (pending, waiting) = mpsc::channel(UNACKNOWLEDGED);
    let acknowledging = tokio::spawn(acknowledge(engine, waiting, answers.clone()));
    let ended = loop {
        let batch = match batches.message().await {
            Ok(Some(batch)) => batch,
            Ok(None) => break Ok(Ended::Whole),
            Err(status) => break Err(status),
        };
        let work = blocking(move || {
            let answer = stream.take(batch);
            (stream, answer)
        });
        let (kept, (response, change)) = match work.await {
            Ok(done) => done,
            Err(status) => {
                drop(pending);
                answer(&answers, Err(status)).await;
                return;
            }
        };
        stream = kept;
        let is_refused = matches!(response.outcome, Some(Outcome::Error(_)));
        if pending.send((response, change)).await.is_err() || is_refused {
            break Ok(Ended::Early);
        }
    };
    drop(pending);
    // One that panicked has acknowledged nothing more.
    let _ = acknowledging.await;
    let ended = match ended {
        Ok(ended) => ended,
        Err(status) => {
            answer(&answers, Err(status)).await;
            return;
        }
    };
    // The end of the answers tells the caller that screenings know what was sent.
    let finish = move || match ended {
        Ended::Whole => stream.session.finish(),
        Ended::Early => stream.session.stop(),
    };
    let finished = blocking(move || finish().map_err(Refusal::from)).await;
    if let Err(status) = finished.and_then(|done| done.map_err(Status::from)) {
        answer(&answers, Err(status)).await;
    }
}

/// Sends answers in order, each once screenings know its change; until the caller is gone.
async fn acknowledge(
    engine: Arc<Engine>,
    mut pending: mpsc::Receiver<Pending>,
    answers: AnswerSender,
) {
    let mut changes = engine.watch_changes();
    while let Some((response, change)) = pending.recv().await {
        if let Some(change) = change {
            loop {
                changes.borrow_and_update();
                if engine.is_known(change) {
                    break;
                }
                // The engine, which is held here, is the other side.
                if changes.changed().await.is_err() || answers.is_closed() {
                    return;
                }
            }
        }
        if !answer(&answers, Ok(response)).await {
            return;
        }
    }
}

/// Sends an answer; whether the caller is still there.
async fn answer(
    answers: &AnswerSender,
    answer: Result<v1::IngestTransfersResponse, Status>,
) -> bool {
    answers.send(answer).await.is_ok()
}

/// What is kept of a stream.
struct Stream {
    session: IngestSession,
    caller: Caller,
    /// Batches are acknowledged when they are durable; `None` before the first.
    is_durable: Option<bool>,
    /// The kinds of the transfers that came, by chain.
    kinds: BTreeMap<Chain, BTreeSet<MovementKind>>,
    /// Every transfer of the stream was understood, and named who paid.
    is_clean: bool,
}

impl Stream {
    fn new(session: IngestSession, caller: Caller) -> Self {
        Self { session, caller, is_durable: None, kinds: BTreeMap::new(), is_clean: true }
    }

    /// That the caller may change every chain that the batch names. A name that is none is refused
    /// later.
    fn check_chains(&self, batch: &v1::IngestTransfersRequest) -> Result<(), Refusal> {
        if self.caller.chains.is_empty() {
            return Ok(());
        }
        let named = batch.transfers.iter().map(|transfer| &transfer.chain);
        let named = named.chain(batch.covered.iter().map(|covered| &covered.chain));
        for name in named.chain(batch.gaps.iter().map(|gap| &gap.chain)) {
            if let Ok(chain) = convert::transfer::from_chain(name) {
                self.caller.must_reach_chain(&chain)?;
            }
        }
        Ok(())
    }

    /// Blocks.
    fn take(&mut self, batch: v1::IngestTransfersRequest) -> Pending {
        if let Err(refusal) = self.check_chains(&batch) {
            // A caller who may not change a chain makes no gap on it either.
            self.is_clean = false;
            let batch_id = Some(batch.batch_id).filter(|id| id.len() <= MAX_BATCH_ID);
            return refused(batch_id.unwrap_or_default(), refusal.into());
        }
        let v1::IngestTransfersRequest { batch_id, transfers, covered, gaps, acknowledgement } =
            batch;
        if batch_id.len() > MAX_BATCH_ID {
            let message = format!("{} bytes, at most {MAX_BATCH_ID}", batch_id.len());
            let rejection = invalid_field("batch_id", message).into();
            return refused(String::new(), self.refuse(&transfers, rejection));
        }
        let is_durable = match acknowledgement.try_into() {
            Ok(v1::Acknowledgement::Unspecified | v1::Acknowledgement::Labelled) => false,
            Ok(v1::Acknowledgement::Durable) => true,
            Err(_) => {
                let message = format!("{acknowledgement} is no acknowledgement");
                let rejection = invalid_field("acknowledgement", message).into();
                return refused(batch_id, self.refuse(&transfers, rejection));
            }
        };
        let is_durable = *self.is_durable.get_or_insert(is_durable);
        match self.append(&transfers, &covered, gaps, is_durable) {
            Err(rejection) => refused(batch_id, self.refuse(&transfers, rejection)),
            Ok(done) => {
                let acknowledgement = v1::IngestAcknowledgement {
                    stored: done.stored,
                    duplicates: done.duplicates,
                    identified_by_content: done.derived,
                    rows: done.rows,
                    replaced: done.replaced,
                    conflicts: done.conflicts,
                };
                let outcome = Some(Outcome::Acknowledgement(acknowledgement));
                let change = (!is_durable).then_some(done.change);
                (v1::IngestTransfersResponse { batch_id, outcome }, change)
            }
        }
    }

    fn append(
        &mut self,
        transfers: &[v1::Transfer],
        covered: &[v1::CoveredBlocks],
        gaps: Vec<v1::TransferGap>,
        is_durable: bool,
    ) -> Result<AppendedSummary, Rejection> {
        for (field, count, most) in [
            ("transfers", transfers.len(), MAX_TRANSFERS),
            ("covered", covered.len(), MAX_COVERED),
            ("gaps", gaps.len(), MAX_COVERED),
        ] {
            if count > most {
                let message = format!("{count} of them, at most {most}");
                return Err(Refusal::invalid(ErrorReason::TooManyItems, field, message).into());
            }
        }
        let batch = from_messages(transfers)?;
        let gaps = gaps.iter().enumerate().map(from_gap).collect::<Result<Vec<_>, _>>()?;
        self.is_clean &= gaps.is_empty();
        for transfer in &batch {
            self.note(transfer);
        }
        let covered = covered.iter().enumerate().map(|covered| self.covered(covered));
        let covered = covered.collect::<Result<Vec<_>, _>>()?.concat();
        if !gaps.is_empty() {
            self.session.add_gaps(gaps);
        }
        let done = if is_durable {
            self.session.append_durable(batch, &covered)
        } else {
            self.session.append(batch, &covered)
        };
        done.map_err(Rejection::from)
    }

    fn note(&mut self, transfer: &Transfer) {
        if !self.kinds.contains_key(&transfer.chain) {
            self.kinds.insert(transfer.chain.clone(), BTreeSet::new());
        }
        if let Some(kinds) = self.kinds.get_mut(&transfer.chain) {
            kinds.insert(transfer.kind());
        }
        self.is_clean &= !transfer.has_unnamed_holders();
    }

    /// What a message declares: the kinds that close gaps, because the stream has sent transfers of
    /// them and told of no gap, and the others.
    fn covered(
        &self,
        (place, message): (usize, &v1::CoveredBlocks),
    ) -> Result<Vec<CoverageDeclaration>, Refusal> {
        let mut covered = from_covered((place, message))?;
        if covered.kinds.is_empty() {
            let seen = self.kinds.get(&covered.chain).into_iter().flatten();
            covered.kinds = seen.copied().collect();
        }
        if covered.kinds.is_empty() {
            let field = format!("covered[{place}].kinds");
            return Err(invalid_field(
                &field,
                "name them: the stream has sent no transfer of the chain",
            ));
        }
        let sent = self.kinds.get(&covered.chain);
        let is_clean = |kind: &MovementKind| {
            self.is_clean
                && !message.not_all_understood
                && sent.is_some_and(|kinds| kinds.contains(kind))
        };
        let (clean, other): (Vec<_>, Vec<_>) =
            covered.kinds.iter().partition(|kind| is_clean(kind));
        let of = |kinds: Vec<MovementKind>, is_clean_import| CoverageDeclaration {
            kinds,
            is_clean_import,
            ..covered.clone()
        };
        let both = [of(clean, true), of(other, false)];
        Ok(both.into_iter().filter(|covered| !covered.kinds.is_empty()).collect())
    }

    /// Notes that the blocks of a batch that was refused are not wholly known.
    fn refuse(&mut self, transfers: &[v1::Transfer], rejection: Rejection) -> Rejection {
        self.is_clean = false;
        let gaps = refused_rows(transfers, rejection.index);
        if !gaps.is_empty() {
            self.session.add_gaps(gaps);
            if let Err(error) = self.session.append(Vec::new(), &[]) {
                tracing::error!(%error, "gaps of a rejected batch not stored");
            }
        }
        rejection
    }
}

fn from_messages(transfers: &[v1::Transfer]) -> Result<Vec<Transfer>, Rejection> {
    let mut batch = Vec::with_capacity(transfers.len());
    for (index, transfer) in (0..).zip(transfers) {
        batch.push(convert::transfer::from_message(transfer).map_err(|encoding_error| {
            let encoding_error = encoding_error.within(&format!("transfers[{index}]"));
            let reason = ErrorReason::InvalidTransfer;
            let refusal = Refusal::invalid(reason, encoding_error.field, encoding_error.message);
            Rejection { index: Some(index), refusal }
        })?);
    }
    Ok(batch)
}

fn refused(batch_id: String, rejection: Rejection) -> Pending {
    let Rejection { index, refusal } = rejection;
    let outcome = Some(Outcome::Error(refusal.into_ingest_error(index)));
    (v1::IngestTransfersResponse { batch_id, outcome }, None)
}
