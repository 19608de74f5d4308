//! Proofs, and the keys that they are verified by.

use std::sync::Arc;

use prost::Message;
use tonic::{Code, Status};

use super::{failed, log, record};
use crate::audit::{Field, Hash, LogDirectory, LogKey, Reader, RecordId, SignedCheckpoint};
use crate::engine::Engine;
use crate::engine::decision_log::{CheckpointWait, tag_text};
use crate::grpc::blocking::with_engine;
use crate::grpc::status::{Refusal, invalid_field};
use crate::grpc::v1::{self, ErrorReason};

/// The most bytes of a proof; its texts are left out beyond.
const MAX_PROOF: usize = 2_048;

/// A record that is to be proved.
struct RecordToProve {
    id: RecordId,
    reader: Reader,
    is_in_present_log: bool,
}

impl RecordToProve {
    /// Blocks.
    fn new(engine: &Engine, id: RecordId) -> Result<Self, Refusal> {
        let log = log(engine)?;
        let (.., reader) = log.record(id, engine.now())?;
        let present = log.log(engine.now()).map_err(failed)?.reader();
        Ok(Self { id, is_in_present_log: present.tag() == id.tag, reader })
    }

    /// Returns the latest checkpoint, if it covers the record.
    fn checkpoint(&self) -> Option<SignedCheckpoint> {
        self.reader.checkpoint().filter(|signed| signed.checkpoint.size > self.id.index)
    }

    /// Blocks.
    fn prove(self, signed: SignedCheckpoint) -> Result<v1::GetInclusionProofResponse, Refusal> {
        let Self { id, reader, .. } = self;
        let size = signed.checkpoint.size;
        let proof = reader.record_proof(id, size).map_err(failed)?;
        let address = ProvedValue::from(Some(proof.address));
        let reference = ProvedValue::from(proof.reference);
        let bytes = |hashes: Vec<Hash>| hashes.into_iter().map(|hash| hash.to_vec()).collect();
        let mut message = v1::GetInclusionProofResponse {
            checkpoint: signed.note,
            leaf_index: id.index,
            tree_size: size,
            hashes: bytes(proof.hashes),
            entry: proof.entry_head,
            item: id.item.into(),
            record_hashes: bytes(proof.record_hashes),
            class: proof.class.into(),
            answer: record::text(id, &proof.answer)?,
            context: record::text(id, &proof.context)?,
            address_salt: address.salt,
            address: address.text,
            address_hash: address.hash,
            reference_salt: reference.salt,
            reference: reference.text,
            reference_hash: reference.hash,
            answer_hash: Vec::new(),
        };
        if message.encoded_len() > MAX_PROOF {
            message.context.clear();
        }
        if message.encoded_len() > MAX_PROOF {
            message.answer.clear();
            message.answer_hash = proof.answer_hash.to_vec();
        }
        Ok(message)
    }
}

/// A value as a proof has it: with its salt, or its commitment alone.
#[derive(Default)]
struct ProvedValue {
    salt: Vec<u8>,
    text: String,
    hash: Vec<u8>,
}

impl From<Option<Field>> for ProvedValue {
    fn from(field: Option<Field>) -> Self {
        match field {
            None => Self::default(),
            Some(Field::Open { salt, text }) => {
                Self { salt: salt.to_vec(), text, hash: Vec::new() }
            }
            Some(Field::Redacted { commitment }) => {
                Self { hash: commitment.to_vec(), ..Self::default() }
            }
        }
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
            let message = "no checkpoint covers the record yet, and many were signed early: ask \
                           again after decision_log.checkpoint_interval";
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
    let keys = reader.keys();
    let keys: Result<_, Refusal> = keys.iter().map(|key| self::key(&reader, key)).collect();
    Ok(v1::GetLogKeyResponse {
        origin: reader.origin().to_owned(),
        keys: keys?,
        checkpoint: reader.checkpoint().map(|signed| signed.note).unwrap_or_default(),
        logs: logs.map(name).collect(),
    })
}

/// Reads the checkpoint of a rotation.
pub(super) fn key(reader: &Reader, key: &LogKey) -> Result<v1::LogKey, Refusal> {
    let checkpoint = reader.rotation_checkpoint(key).map_err(failed)?;
    let checkpoint = checkpoint.map(|signed| signed.note).unwrap_or_default();
    Ok(v1::LogKey { checkpoint, ..key_alone(key) })
}

pub(super) fn key_alone(key: &LogKey) -> v1::LogKey {
    let verifier_key = key.key.to_string();
    v1::LogKey { verifier_key, from_size: key.from, checkpoint: String::new() }
}
