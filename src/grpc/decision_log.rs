//! `DecisionLogService`: records, proofs and keys of the decision log as messages.

mod proof;
mod query;
mod record;
mod replay;

use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Request, Response, Status};

use query::CheckedQuery;
use record::RowNames;
use replay::{PATIENCE, ReplayBatch, ReplayStream, replay};

use super::access;
use super::blocking::{with_engine, with_engine_in_turn};
use super::concurrency::ConcurrencyLimits;
use super::status::{Refusal, all, invalid_field};
use super::v1::decision_log_service_server::DecisionLogService;
use super::v1::{self, ErrorReason};
use crate::audit::{AuditError, RecordId};
use crate::engine::Engine;
use crate::engine::decision_log::{DecisionLog, OfficerEvent, RecordError};
use crate::grpc::bounds::MAX_QUERIES;

/// The most bytes of a text that a query compares.
const MAX_TEXT: usize = 1024;

/// The service over the engine, with the turns of its searches.
#[derive(Clone, Debug)]
pub struct DecisionLogs {
    engine: Arc<Engine>,
    load: Arc<ConcurrencyLimits>,
    /// How long the reader of a stream may let the server wait.
    patience: Duration,
}

impl DecisionLogs {
    pub fn new(engine: Arc<Engine>, load: Arc<ConcurrencyLimits>) -> Self {
        Self { engine, load, patience: PATIENCE }
    }
}

#[tonic::async_trait]
impl DecisionLogService for DecisionLogs {
    async fn get_screening(
        &self,
        request: Request<v1::GetScreeningRequest>,
    ) -> Result<Response<v1::GetScreeningResponse>, Status> {
        let id = record_id(&request.into_inner().record_id)?;
        let work = move |engine: &Arc<Engine>| {
            let (record, leaf, _) = log(engine)?.record(id, engine.now())?;
            let snapshot = engine.snapshot();
            let answer = leaf.items.get(usize::from(id.item)).map(|item| &*item.answer);
            Ok(v1::GetScreeningResponse {
                record: Some(record::message(&record, &mut RowNames::new(snapshot.as_deref()))),
                answer: record::text(id, answer.unwrap_or_default())?,
                context: record::text(id, &leaf.context)?,
            })
        };
        with_engine(&self.engine, work).await.map(Response::new)
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let id = record_id(&request.into_inner().record_id)?;
        proof::inclusion_proof(&self.engine, id).await.map(Response::new)
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let request = request.into_inner();
        let work = move |engine: &Arc<Engine>| proof::consistency_proof(engine, &request);
        with_engine(&self.engine, work).await.map(Response::new)
    }

    async fn get_log_key(
        &self,
        request: Request<v1::GetLogKeyRequest>,
    ) -> Result<Response<v1::GetLogKeyResponse>, Status> {
        let request = request.into_inner();
        let work = move |engine: &Arc<Engine>| proof::keys(engine, &request);
        with_engine(&self.engine, work).await.map(Response::new)
    }

    async fn query_screenings(
        &self,
        request: Request<v1::QueryScreeningsRequest>,
    ) -> Result<Response<v1::QueryScreeningsResponse>, Status> {
        let query = CheckedQuery::new(request.into_inner())?;
        let work = move |engine: &Arc<Engine>| query.answer(engine);
        with_engine_in_turn(&self.load.log_work, &self.engine, work).await.map(Response::new)
    }

    async fn replay_screening(
        &self,
        request: Request<v1::ReplayScreeningRequest>,
    ) -> Result<Response<v1::ReplayScreeningResponse>, Status> {
        let id = record_id(&request.into_inner().record_id)?;
        let work = move |engine: &Arc<Engine>| {
            let mut replayed = None;
            replay(engine, &[id], |one| {
                replayed = Some(one);
                false
            })?;
            Ok(v1::ReplayScreeningResponse { replayed })
        };
        with_engine_in_turn(&self.load.log_work, &self.engine, work).await.map(Response::new)
    }

    type BatchReplayScreeningsStream = ReplayStream;

    async fn batch_replay_screenings(
        &self,
        request: Request<v1::BatchReplayScreeningsRequest>,
    ) -> Result<Response<Self::BatchReplayScreeningsStream>, Status> {
        let ids = request.into_inner().record_ids;
        if ids.is_empty() || ids.len() > MAX_QUERIES {
            let message = format!("{} records, 1 to {MAX_QUERIES}", ids.len());
            return Err(invalid_field("record_ids", message).into());
        }
        let mut ids = all(ids.iter().map(|id| record_id(id)))?;
        ids.sort_unstable();
        ids.dedup();
        let batch = ReplayBatch { ids, patience: self.patience };
        Ok(Response::new(batch.start(self.engine.clone(), self.load.clone())))
    }

    async fn hold_screening(
        &self,
        request: Request<v1::HoldScreeningRequest>,
    ) -> Result<Response<v1::HoldScreeningResponse>, Status> {
        let identity = access::identity(&request).to_string();
        let v1::HoldScreeningRequest { record_id: id, release, reason } = request.into_inner();
        if reason.len() > MAX_TEXT {
            let message = format!("{} bytes, at most {MAX_TEXT}", reason.len());
            return Err(invalid_field("reason", message).into());
        }
        let id = record_id(&id)?;
        let work = move |engine: &Arc<Engine>| {
            let record = id.to_string();
            let event = if release {
                OfficerEvent::Released { record, identity, reason }
            } else {
                OfficerEvent::Held { record, identity, reason }
            };
            log(engine)?.record_event(id, &event, engine.now())?;
            Ok(v1::HoldScreeningResponse {})
        };
        with_engine_in_turn(&self.load.log_work, &self.engine, work).await.map(Response::new)
    }

    async fn rotate_log_key(
        &self,
        _: Request<v1::RotateLogKeyRequest>,
    ) -> Result<Response<v1::RotateLogKeyResponse>, Status> {
        let work = |engine: &Arc<Engine>| {
            let log = log(engine)?.log(engine.now()).map_err(failed)?;
            log.rotate_key(engine.now()).map_err(failed)?;
            let (reader, keys) = (log.reader(), log.reader().keys());
            // The rotation is done, whatever reading says.
            let key = keys.last().map(|key| {
                proof::key(reader, key).unwrap_or_else(|refusal| {
                    let reason = refusal.reason_name();
                    tracing::error!(reason, "checkpoint of the rotation not read");
                    proof::key_alone(key)
                })
            });
            Ok(v1::RotateLogKeyResponse { key })
        };
        with_engine_in_turn(&self.load.log_work, &self.engine, work).await.map(Response::new)
    }

    async fn redact_screening(
        &self,
        request: Request<v1::RedactScreeningRequest>,
    ) -> Result<Response<v1::RedactScreeningResponse>, Status> {
        let id = record_id(&request.into_inner().record_id)?;
        let work = move |engine: &Arc<Engine>| {
            log(engine)?.redact(id, engine.now())?;
            Ok(v1::RedactScreeningResponse {})
        };
        with_engine_in_turn(&self.load.log_work, &self.engine, work).await.map(Response::new)
    }
}

fn log(engine: &Engine) -> Result<&DecisionLog, Refusal> {
    engine.decision_log().ok_or_else(|| {
        let message = "decision_log.enabled is false: no screening is recorded";
        Refusal::new(Code::FailedPrecondition, ErrorReason::NoDecisionLog, message)
    })
}

fn record_id(text: &str) -> Result<RecordId, Refusal> {
    text.parse().map_err(|error| invalid_field("record_id", error))
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::NotFound(_) | RecordError::Removed(_) => {
                Self::new(Code::NotFound, ErrorReason::NotFound, error.to_string())
            }
            RecordError::Foreign(..) => {
                Self::new(Code::FailedPrecondition, ErrorReason::NotFound, error.to_string())
            }
            RecordError::Log(error) => failed(error),
        }
    }
}

fn failed(error: AuditError) -> Refusal {
    tracing::error!(%error, "decision log failed");
    Refusal::new(Code::Internal, ErrorReason::StoreFailed, error.to_string())
}
