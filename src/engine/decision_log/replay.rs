//! Computes recorded answers again from the data of then, and compares them field by field.

use serde_json::Value;

use super::Record;
use crate::domain::chain::Chain;
use crate::engine::{Engine, EngineError, RebuildLimits, Rebuilder};
use crate::screening::{AnswerRecord, Scope, ScopeFilter};

/// The result of a replay.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Fields that differ: name, recorded value, computed value, as JSON.
    pub differences: Vec<(String, String, String)>,
    /// The version of the program that answered.
    pub recorded_by: String,
}

/// Replays records, those of one snapshot best one after the other: its graph is built once.
#[derive(Debug)]
pub struct Replayer<'e> {
    rebuilder: Rebuilder<'e>,
}

impl Engine {
    pub fn replayer(&self, limits: RebuildLimits) -> Replayer<'_> {
        Replayer { rebuilder: self.rebuilder(limits) }
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
        let replay = |record: &Record| {
            let (recorded, address) = replayable(record)?;
            let filter = ScopeFilter {
                lists: record.call.lists.clone(),
                as_of: record.call.as_of,
                max_hops: record.call.max_hops,
            };
            let refused = |error: &dyn std::fmt::Display| not_replayable(error.to_string());
            let scope = Scope::new(past.snapshot(), &filter, record.evaluated_at());
            let scope = scope.map_err(|error| refused(&error))?;
            let chain: Option<Chain> = record.item.chain.parse().ok();
            let screening = past.screen(&scope, address, chain.as_ref());
            let screening = screening.map_err(|error| refused(&error))?;
            // No snapshot names the shadow policy.
            let shadow = recorded.shadow.clone();
            let replayed = AnswerRecord { shadow, ..AnswerRecord::from(&screening) };
            Ok(Replay {
                differences: differences(recorded, &replayed),
                recorded_by: past.snapshot().record().engine_version.clone(),
            })
        };
        Ok(records.iter().map(replay).collect())
    }
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
        return Err(not_replayable("it was refused, and has no answer"));
    };
    if record.call.evaluated_at.is_some() {
        let why = "it asked for a past snapshot, and how much of that was kept then is not known";
        return Err(not_replayable(why));
    }
    Ok((recorded, address))
}

fn differences(recorded: &AnswerRecord, replayed: &AnswerRecord) -> Vec<(String, String, String)> {
    let fields = |record: &AnswerRecord| match serde_json::to_value(record) {
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
        .map(|name| (name.clone(), text(recorded.get(name)), text(replayed.get(name))))
        .collect()
}
