//! Proofs, and the keys that they are verified by.

use std::sync::Arc;

use tonic::{Code, Status};

use super::{failed, log};
use crate::audit::{Field, Leaf, LogDirectory, LogKey, Reader, RecordId, SignedCheckpoint};
use crate::engine::Engine;
use crate::engine::decision_log::{CheckpointWait, tag_text};
use crate::grpc::blocking::with_engine;
use crate::grpc::status::{Refusal, invalid_field};
use crate::grpc::v1::{self, ErrorReason};

/// A record that is to be proved.
struct RecordToProve {
    id: RecordId,
    leaf: Leaf,
    reader: Reader,
    is_in_present_log: bool,
}

impl RecordToProve {
    /// Blocks.
    fn new(engine: &Engine, id: RecordId) -> Result<Self, Refusal> {
        let log = log(engine)?;
        let (_, leaf, reader) = log.record(id, engine.now())?;
        let present = log.log(engine.now()).map_err(failed)?.reader();
        Ok(Self { id, leaf, is_in_present_log: present.tag() == id.tag, reader })
    }

    /// Returns the latest checkpoint, if it covers the record.
    fn checkpoint(&self) -> Option<SignedCheckpoint> {
        self.reader.checkpoint().filter(|signed| signed.checkpoint.size > self.id.index)
    }

    /// Blocks.
    fn prove(self, signed: SignedCheckpoint) -> Result<v1::GetInclusionProofResponse, Refusal> {
        let Self { id, leaf, reader, .. } = self;
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
}

/// Proves a record. Waits for a checkpoint that covers it.
pub(super) async fn inclusion_proof(
    engine: &Arc<Engine>,
    id: RecordId,
) -> Result<v1::GetInclusionProofResponse, Status> {
    let mut record = with_engine(engine, move |engine| RecordToProve::new(engine, id)).await?;
    let covering = match record.checkpoint() {
        Some(signed) => signed,
        None => {
            if record.is_in_present_log {
                wait_for_checkpoint(engine, id.index).await?;
                // It may have been redacted meanwhile.
                record = with_engine(engine, move |engine| RecordToProve::new(engine, id)).await?;
            }
            record.checkpoint().ok_or_else(|| not_covered(&record))?
        }
    };
    with_engine(engine, move |_| record.prove(covering)).await
}

/// Waits until a checkpoint covers a leaf of the present log; signs one if it is this caller's turn.
async fn wait_for_checkpoint(engine: &Arc<Engine>, leaf: u64) -> Result<(), Status> {
    match log(engine)?.wait_for_checkpoint(leaf).await {
        CheckpointWait::Covered => Ok(()),
        CheckpointWait::Sign(_turn) => {
            let sign = |engine: &Arc<Engine>| {
                let log = log(engine)?.log(engine.now()).map_err(failed)?;
                log.sign_checkpoint().map_err(failed)
            };
            with_engine(engine, sign).await.map(drop)
        }
        CheckpointWait::TimedOut => {
            let message = "no checkpoint covers the record yet, and many were signed early: ask                            again after decision_log.checkpoint_interval";
            Err(Refusal::new(Code::Unavailable, ErrorReason::Overloaded, message).into())
        }
    }
}

fn not_covered(record: &RecordToProve) -> Refusal {
    let message = format!(
        "no checkpoint of the log {} covers the record, and an earlier log signs no more",
        record.reader.origin()
    );
    Refusal::new(Code::FailedPrecondition, ErrorReason::NotFound, message)
}

/// The log of a name: a tag or an origin; the present log for an empty one.
fn reader(engine: &Engine, name: &str) -> Result<Reader, Refusal> {
    let found = log(engine)?.reader_by_name(name, engine.now()).map_err(failed)?;
    found.ok_or_else(|| {
        let message = format!("no log {name:?} in the directory");
        Refusal::new(Code::NotFound, ErrorReason::NotFound, message)
    })
}

/// Blocks.
pub(super) fn consistency_proof(
    engine: &Engine,
    request: &v1::GetConsistencyProofRequest,
) -> Result<v1::GetConsistencyProofResponse, Refusal> {
    let reader = reader(engine, &request.log)?;
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

/// Blocks.
pub(super) fn keys(
    engine: &Engine,
    request: &v1::GetLogKeyRequest,
) -> Result<v1::GetLogKeyResponse, Refusal> {
    let reader = reader(engine, &request.log)?;
    let logs = log(engine)?.logs(engine.now()).map_err(failed)?.iter();
    let name =
        |log: &LogDirectory| v1::LogName { tag: tag_text(log.tag), origin: log.origin.clone() };
    Ok(v1::GetLogKeyResponse {
        origin: reader.origin().to_owned(),
        keys: reader.keys().iter().map(key).collect(),
        checkpoint: reader.checkpoint().map(|signed| signed.note).unwrap_or_default(),
        logs: logs.map(name).collect(),
    })
}

pub(super) fn key(key: &LogKey) -> v1::LogKey {
    v1::LogKey { verifier_key: key.key.to_string(), from_size: key.from }
}
