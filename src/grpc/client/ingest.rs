//! Sends transfers to a server: one stream with several batches in flight, and the sum of the outcomes.

use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::{CallError, Client};
use crate::domain::chain::Chain;
use crate::domain::coverage::Gap;
use crate::domain::transfer::Transfer;
use crate::grpc::bounds::MAX_TRANSFERS;
use crate::grpc::convert::transfer::message;
use crate::grpc::{transfers, v1};
use crate::ingest::CoverageDeclaration;
use v1::ingest_transfers_response::Outcome;

pub use crate::grpc::transfers::covered;

/// How many batches wait to be sent; more are on their way.
const BATCHES_AHEAD: usize = 4;

/// About how large a batch is made, in bytes.
const BATCH_BYTES: usize = 1 << 20;

/// What became of transfers that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    pub stored: u64,
    /// How many were stored before, and add nothing.
    pub duplicates: u64,
    /// How many of `stored` count in the place of others.
    pub replaced: u64,
    /// How many of `stored` contradict others.
    pub conflicts: u64,
    /// How many are identified by content and occurrence alone.
    pub derived: u64,
}

#[derive(Debug)]
pub struct IngestStream {
    requests: mpsc::Sender<v1::IngestTransfersRequest>,
    /// `None` once they have said why the stream failed.
    answers: Option<JoinHandle<Answers>>,
    sent: u64,
}

/// The sum of the answers, and how many they were.
type Answers = Result<(Ingested, u64), CallError>;

impl IngestStream {
    /// Opens a stream; needs a runtime around it.
    pub fn open(client: &Client) -> Self {
        let (requests, receiver) = mpsc::channel(BATCHES_AHEAD);
        let mut client = client.transfers.clone();
        let answers = tokio::spawn(async move {
            let call = client.ingest_transfers(ReceiverStream::new(receiver)).await?;
            let mut answers = call.into_inner();
            let (mut done, mut count) = (Ingested::default(), 0);
            while let Some(answer) = answers.message().await? {
                match answer.outcome {
                    Some(Outcome::Acknowledgement(taken)) => {
                        done.stored += taken.stored;
                        done.duplicates += taken.duplicates;
                        done.derived += taken.identified_by_content;
                        done.replaced += taken.replaced;
                        done.conflicts += taken.conflicts;
                        count += 1;
                    }
                    Some(Outcome::Error(error)) => return Err(refused(error)),
                    None => return Err(broken("the server gave an answer without an outcome")),
                }
            }
            Ok((done, count))
        });
        Self { requests, answers: Some(answers), sent: 0 }
    }

    /// Sends transfers; waits while enough are on their way.
    pub async fn send(&mut self, batch: &[Transfer]) -> Result<(), CallError> {
        let mut request = v1::IngestTransfersRequest::default();
        let mut size = 0;
        for transfer in batch {
            let transfer = message(transfer);
            let length = transfer.encoded_len();
            let full = request.transfers.len() >= MAX_TRANSFERS;
            if full || (size > 0 && size + length > BATCH_BYTES) {
                self.request(std::mem::take(&mut request)).await?;
                size = 0;
            }
            size += length;
            request.transfers.push(transfer);
        }
        if request.transfers.is_empty() { Ok(()) } else { self.request(request).await }
    }

    /// Says that the blocks are whole in what was sent before.
    pub async fn cover(&mut self, covered: &CoverageDeclaration) -> Result<(), CallError> {
        let covered = vec![transfers::covered(covered)];
        self.request(v1::IngestTransfersRequest { covered, ..Default::default() }).await
    }

    /// Tells of what could not be understood.
    pub async fn add_gaps(&mut self, gaps: &[(Chain, Gap)]) -> Result<(), CallError> {
        for part in gaps.chunks(MAX_TRANSFERS) {
            let gaps = part.iter().map(|(chain, gap)| transfers::gap(chain, gap)).collect();
            self.request(v1::IngestTransfersRequest { gaps, ..Default::default() }).await?;
        }
        Ok(())
    }

    async fn request(&mut self, mut request: v1::IngestTransfersRequest) -> Result<(), CallError> {
        request.batch_id = self.sent.to_string();
        request.acknowledgement = v1::Acknowledgement::Durable.into();
        if self.requests.send(request).await.is_ok() {
            self.sent += 1;
            return Ok(());
        }
        // Nobody takes requests any more: the answers say why.
        match outcome(self.answers.take()).await {
            Ok(_) => Err(broken("the server ended the stream early")),
            Err(error) => Err(error),
        }
    }

    /// Ends the stream, and waits until the server has taken all of it.
    pub async fn finish(self) -> Result<Ingested, CallError> {
        let Self { requests, answers, sent } = self;
        drop(requests);
        match outcome(answers).await? {
            (done, answered) if answered == sent => Ok(done),
            (_, answered) => {
                let message = format!("the server answered {answered} of {sent} batches");
                Err(broken(&message))
            }
        }
    }
}

/// What the answers came to.
async fn outcome(answers: Option<JoinHandle<Answers>>) -> Answers {
    match answers {
        Some(answers) => answers.await.unwrap_or_else(|error| Err(broken(&error.to_string()))),
        None => Err(broken("the stream failed before")),
    }
}

/// The error of a batch, in the form of that of a call.
fn refused(error: v1::IngestError) -> CallError {
    let reason = error.reason().as_str_name();
    CallError {
        code: error.code,
        reason: reason.strip_prefix("ERROR_REASON_").unwrap_or(reason).to_owned(),
        message: error.message,
        fields: Vec::new(),
    }
}

/// What a server of this service does not do.
fn broken(message: &str) -> CallError {
    let code = tonic::Code::Unknown as i32;
    CallError { code, reason: String::new(), message: message.to_owned(), fields: Vec::new() }
}
