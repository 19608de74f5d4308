//! `DecisionLogService`: records, proofs and keys of the decision log as messages.

mod record;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use record::RowNames;

use super::access;
use super::blocking::{with_engine, with_engine_in_turn};
use super::concurrency::ConcurrencyLimits;
use super::page;
use super::status::{Refusal, all, both, invalid_field, moment};
use super::v1::decision_log_service_server::DecisionLogService;
use super::v1::{self, ErrorReason};
use crate::audit::{AuditError, Field, Reader, RecordId};
use crate::engine::decision_log::{DecisionLog, OfficerEvent, Record, RecordError, RecordQuery};
use crate::engine::{Engine, EngineError, RebuildLimits};
use crate::grpc::bounds::MAX_QUERIES;
use crate::grpc::request::MAX_REQUEST_ID;
use crate::screening::snapshot::parse_id;

/// The most bytes of a text that a query compares.
const MAX_TEXT: usize = 1024;

/// Replays that wait to be sent.
const REPLAYS_AHEAD: usize = 64;

/// The service over the engine, with the turns of its searches.
#[derive(Clone, Debug)]
pub struct DecisionLogs {
    engine: Arc<Engine>,
    load: Arc<ConcurrencyLimits>,
}

impl DecisionLogs {
    pub fn new(engine: Arc<Engine>, load: Arc<ConcurrencyLimits>) -> Self {
        Self { engine, load }
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
            let (record, ..) = log(engine)?.record(id, engine.now())?;
            let snapshot = engine.snapshot();
            Ok(v1::GetScreeningResponse {
                record: Some(record::message(&record, &mut RowNames::new(snapshot.as_deref()))),
            })
        };
        with_engine(&self.engine, work).await.map(Response::new)
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let id = record_id(&request.into_inner().record_id)?;
        let work = move |engine: &Arc<Engine>| inclusion_proof(engine, id);
        with_engine(&self.engine, work).await.map(Response::new)
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let request = request.into_inner();
        let work = move |engine: &Arc<Engine>| consistency_proof(engine, &request);
        with_engine(&self.engine, work).await.map(Response::new)
    }

    async fn get_log_key(
        &self,
        _: Request<v1::GetLogKeyRequest>,
    ) -> Result<Response<v1::GetLogKeyResponse>, Status> {
        let work = |engine: &Arc<Engine>| {
            let reader = log(engine)?.log(engine.now()).map_err(failed)?.reader();
            let keys = reader
                .keys()
                .into_iter()
                .map(|key| v1::LogKey { verifier_key: key.key.to_string(), from_size: key.from });
            Ok(v1::GetLogKeyResponse {
                origin: reader.origin().to_owned(),
                keys: keys.collect(),
                checkpoint: reader.checkpoint().map(|signed| signed.note).unwrap_or_default(),
            })
        };
        with_engine(&self.engine, work).await.map(Response::new)
    }

    async fn query_screenings(
        &self,
        request: Request<v1::QueryScreeningsRequest>,
    ) -> Result<Response<v1::QueryScreeningsResponse>, Status> {
        let request = request.into_inner();
        let wanted = both(record_query(&request), page::decode_token(&request.page_token));
        let (wanted, after) = wanted?;
        let limit = page::heavy_limit(request.page_size);
        let work = move |engine: &Arc<Engine>| {
            let snapshot = engine.snapshot();
            let found =
                log(engine)?.records(&wanted, snapshot.as_deref(), (after, limit), engine.now())?;
            let mut rows = RowNames::new(snapshot.as_deref());
            let message = |found| record::message(found, &mut rows);
            Ok(v1::QueryScreeningsResponse {
                records: found.records.iter().map(message).collect(),
                next_page_token: found.next.map(page::encode_token).unwrap_or_default(),
            })
        };
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

    type BatchReplayScreeningsStream =
        ReceiverStream<Result<v1::BatchReplayScreeningsResponse, Status>>;

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
        let (sender, receiver) = mpsc::channel(REPLAYS_AHEAD);
        let (engine, load) = (self.engine.clone(), self.load.clone());
        tokio::spawn(async move {
            let failed = sender.clone();
            let work = move |engine: &Arc<Engine>| {
                let send = |replayed| {
                    let replayed = Some(replayed);
                    let response = v1::BatchReplayScreeningsResponse { replayed };
                    sender.blocking_send(Ok(response)).is_ok()
                };
                replay(engine, &ids, send)
            };
            if let Err(status) = with_engine_in_turn(&load.log_work, &engine, work).await {
                // Nobody reads any more where this fails.
                drop(failed.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
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
            let log = log(engine)?;
            log.record(id, engine.now())?;
            let record = id.to_string();
            let event = if release {
                OfficerEvent::Released { record, identity, reason }
            } else {
                OfficerEvent::Held { record, identity, reason }
            };
            log.record_event(&event, engine.now()).map_err(failed)?;
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
            let key = log.reader().keys().pop();
            let key = key
                .map(|key| v1::LogKey { verifier_key: key.key.to_string(), from_size: key.from });
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
            let log = log(engine)?;
            log.record(id, engine.now())?;
            log.log(engine.now()).and_then(|log| log.redact(id, engine.now())).map_err(failed)?;
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

fn inclusion_proof(
    engine: &Engine,
    id: RecordId,
) -> Result<v1::GetInclusionProofResponse, Refusal> {
    let log = log(engine)?;
    let (_, leaf, reader) = log.record(id, engine.now())?;
    let signed = match reader.checkpoint().filter(|signed| signed.checkpoint.size > id.index) {
        Some(signed) => signed,
        // The record is younger than the latest checkpoint.
        None => log.log(engine.now()).and_then(|log| log.sign_checkpoint()).map_err(failed)?,
    };
    let size = signed.checkpoint.size;
    let hashes = reader.inclusion_proof(id.index, size).map_err(failed)?;
    let item = &leaf.items[usize::from(id.item)];
    let open = |field: Option<&Field>| match field {
        Some(Field::Open { salt, text }) => (salt.to_vec(), text.clone()),
        Some(Field::Redacted { .. }) | None => (Vec::new(), String::new()),
    };
    let (address_salt, address) = open(Some(&item.address));
    let (reference_salt, reference) = open(item.reference.as_ref());
    Ok(v1::GetInclusionProofResponse {
        checkpoint: signed.note,
        leaf_index: id.index,
        tree_size: size,
        hashes: hashes.into_iter().map(|hash| hash.to_vec()).collect(),
        entry: reader.entry(id.index).map_err(failed)?,
        item: id.item.into(),
        address_salt,
        address,
        reference_salt,
        reference,
    })
}

fn consistency_proof(
    engine: &Engine,
    request: &v1::GetConsistencyProofRequest,
) -> Result<v1::GetConsistencyProofResponse, Refusal> {
    let reader: &Reader = log(engine)?.log(engine.now()).map_err(failed)?.reader();
    let latest = reader.checkpoint();
    let newest = latest.as_ref().map_or(0, |signed| signed.checkpoint.size);
    let first = request.first_size;
    let second = if request.second_size == 0 { newest } else { request.second_size };
    if first == 0 || first > second || second > newest {
        let message = format!("{first} to {second}: from 1, ascending, to {newest} at most");
        return Err(invalid_field("first_size", message));
    }
    let hashes = reader.consistency_proof(first, second).map_err(failed)?;
    Ok(v1::GetConsistencyProofResponse {
        second_size: second,
        hashes: hashes.into_iter().map(|hash| hash.to_vec()).collect(),
        checkpoint: latest.map(|signed| signed.note).unwrap_or_default(),
    })
}

fn record_query(request: &v1::QueryScreeningsRequest) -> Result<RecordQuery, Refusal> {
    let times = both(
        moment("from_time", request.from_time.as_ref()),
        moment("to_time", request.to_time.as_ref()),
    );
    let texts = [
        ("address", &request.address, MAX_TEXT),
        ("identity", &request.identity, MAX_TEXT),
        ("request_id", &request.request_id, MAX_REQUEST_ID),
        ("rule_id", &request.rule_id, MAX_TEXT),
        ("list_id", &request.list_id, MAX_TEXT),
        ("party", &request.party, MAX_TEXT),
    ];
    let too_long = texts.iter().find(|(_, text, most)| text.len() > *most);
    let texts = match too_long {
        Some((field, text, most)) => {
            Err(invalid_field(field, format!("{} bytes, at most {most}", text.len())))
        }
        None => Ok(()),
    };
    let known = match v1::Decision::try_from(request.decision) {
        Ok(_) => Ok(()),
        Err(_) => Err(invalid_field("decision", format!("{} is no decision", request.decision))),
    };
    let known = both(
        known,
        match v1::ScreeningStatus::try_from(request.status) {
            Ok(_) => Ok(()),
            Err(_) => Err(invalid_field("status", format!("{} is no status", request.status))),
        },
    );
    let ((from, to), _) = both(times, both(texts, known))?;
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Ok(RecordQuery {
        from,
        to,
        decision: request.decision().into(),
        complete: match request.status() {
            v1::ScreeningStatus::Unspecified => None,
            v1::ScreeningStatus::Complete => Some(true),
            v1::ScreeningStatus::Incomplete => Some(false),
        },
        address: given(&request.address),
        identity: given(&request.identity),
        request_id: given(&request.request_id),
        rule: given(&request.rule_id),
        list: given(&request.list_id),
        party: given(&request.party),
    })
}

/// Replays records, grouped by their snapshots; the results come in the order of the snapshots.
fn replay(
    engine: &Engine,
    ids: &[RecordId],
    mut take: impl FnMut(v1::ReplayedScreening) -> bool,
) -> Result<(), Refusal> {
    let log = log(engine)?;
    let mut by_snapshot: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for id in ids {
        match log.record(*id, engine.now()) {
            Ok((record, ..)) => {
                by_snapshot.entry(record.call.snapshot.to_string()).or_default().push(record);
            }
            Err(error) => {
                if !take(record::not_replayed(*id, &error)) {
                    return Ok(());
                }
            }
        }
    }
    let current = engine.snapshot();
    let mut rows = RowNames::new(current.as_deref());
    // The rows of a snapshot stand behind its name: a graph goes on from one with fewer.
    let mut groups: Vec<_> = by_snapshot.into_iter().collect();
    groups.sort_by_key(|(snapshot, records)| {
        let rows = parse_id(snapshot).map_or(0, |name| name.counts.rows);
        (rows, records.first().map(|record| record.time))
    });
    let mut replayer = engine.replayer(RebuildLimits::default());
    for (snapshot, records) in groups {
        let replays = match replayer.replay(&snapshot, &records) {
            Ok(replays) => replays,
            Err(error) => {
                let why = error.to_string();
                records.iter().map(|_| Err(EngineError::NotReplayable(why.clone()))).collect()
            }
        };
        for (record, replay) in records.iter().zip(replays) {
            let message = record::replayed(record, replay, &mut rows);
            if !take(message) {
                return Ok(());
            }
        }
    }
    Ok(())
}
