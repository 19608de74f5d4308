//! Computes recorded answers again from the data of then, and compares them field by field.

mod payment;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Record;
use crate::audit::RecordId;
use crate::domain::chain::Chain;
use crate::engine::{Engine, EngineError, RebuildLimits, Rebuilder, RebuiltSnapshot};
use crate::screening::{AnswerRecord, Scope, ScopeError, ScopeFilter};

/// The result of a replay.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Of the answer, and of its payment where that was replayed: their names begin with `payment.`.
    pub differences: Vec<FieldDifference>,
    /// Why the payment that the record is of was not replayed as a whole.
    pub payment_not_replayed: Option<String>,
    /// The version of the program that answered.
    pub recorded_by: String,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDifference {
    pub field: String,
    /// As JSON; empty where it is not set.
    pub recorded: String,
    pub replayed: String,
}

/// The differences of a payment, or why it was not replayed.
type PaymentReplay = Result<Vec<FieldDifference>, String>;

/// Replays records, those of one snapshot best one after the other: its graph is built once.
#[derive(Debug)]
pub struct Replayer<'e> {
    engine: &'e Engine,
    rebuilder: Rebuilder<'e>,
}

impl Engine {
    pub fn replayer(&self, limits: RebuildLimits) -> Replayer<'_> {
        Replayer { engine: self, rebuilder: self.rebuilder(limits) }
    }
}

impl Replayer<'_> {
    /// Replays records of one snapshot. Blocks: builds the graph of then.
    pub fn replay(
        &mut self,
        snapshot: &str,
        records: &[Record],
    ) -> Result<Vec<Result<Replay, EngineError>>, EngineError> {
        let past = self.rebuilder.rebuild(snapshot)?;
        // Each payment once, by its first record.
        let mut payments: BTreeMap<RecordId, PaymentReplay> = BTreeMap::new();
        let mut replay = |record: &Record| {
            let mut replay = replay_answer(&past, record)?;
            if let Some(payment) = &record.call.payment {
                let id = record.first_of_payment().unwrap_or(record.id);
                let of_payment = payments
                    .entry(id)
                    .or_insert_with(|| payment::replay(self.engine, &past, id, payment));
                match of_payment {
                    Ok(differences) => replay.differences.extend(differences.iter().cloned()),
                    Err(why) => replay.payment_not_replayed = Some(why.clone()),
                }
            }
            Ok(replay)
        };
        Ok(records.iter().map(&mut replay).collect())
    }
}

/// Screens the address of a record again.
fn replay_answer(past: &RebuiltSnapshot<'_>, record: &Record) -> Result<Replay, EngineError> {
    let (recorded, address) = replayable(record)?;
    let scope = scope_of(past, record).map_err(|error| not_replayable(error.to_string()))?;
    let chain: Option<Chain> = record.item.chain.as_deref().and_then(|chain| chain.parse().ok());
    let screening = past.screen(&scope, address, chain.as_ref());
    let screening = screening.map_err(|error| not_replayable(error.to_string()))?;
    // No snapshot names the shadow policy.
    let shadow = recorded.shadow.clone();
    let replayed = AnswerRecord { shadow, ..AnswerRecord::from(&screening) };
    Ok(Replay {
        differences: differences("", recorded, &replayed),
        payment_not_replayed: None,
        recorded_by: past.snapshot().record().engine_version.clone(),
    })
}

/// The scope in which a record was answered.
fn scope_of<'s>(past: &'s RebuiltSnapshot<'_>, record: &Record) -> Result<Scope<'s>, ScopeError> {
    let filter = ScopeFilter {
        lists: record.call.lists.to_vec(),
        as_of: record.call.as_of,
        max_hops: record.call.max_hops,
    };
    Scope::new(past.snapshot(), &filter, record.evaluated_at())
}

fn not_replayable(why: impl Into<String>) -> EngineError {
    EngineError::NotReplayable(why.into())
}

/// The answer and the address of a record that can be replayed.
fn replayable(record: &Record) -> Result<(&AnswerRecord, &str), EngineError> {
    let Some(address) = &record.address else {
        return Err(not_replayable("its address was redacted"));
    };
    let Some(recorded) = &record.item.answer else {
        let why = if record.item.refused.is_some() {
            "it was refused, and has no answer"
        } else {
            "its method decides nothing, so it has no answer"
        };
        return Err(not_replayable(why));
    };
    if record.call.evaluated_at.is_some() {
        let why = "it asked for a past snapshot, and how much of that was kept then is not known";
        return Err(not_replayable(why));
    }
    Ok((recorded, address))
}

/// The fields that differ between two records of one type, each name behind `prefix`.
fn differences<R: Serialize>(prefix: &str, recorded: &R, replayed: &R) -> Vec<FieldDifference> {
    let fields = |record: &R| match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields,
        // A record is an object.
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let (recorded, replayed) = (fields(recorded), fields(replayed));
    let mut names: Vec<&String> = recorded.keys().chain(replayed.keys()).collect();
    names.sort();
    names.dedup();
    let text = |value: Option<&Value>| value.map_or_else(String::new, Value::to_string);
    let differing = names.into_iter().filter(|name| recorded.get(*name) != replayed.get(*name));
    differing
        .map(|name| FieldDifference {
            field: format!("{prefix}{name}"),
            recorded: text(recorded.get(name)),
            replayed: text(replayed.get(name)),
        })
        .collect()
}
