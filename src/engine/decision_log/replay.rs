//! Computes a recorded answer again from the data of then, and compares the two field by field.

use serde_json::Value;

use super::Record;
use crate::domain::chain::Chain;
use crate::engine::{Engine, EngineError};
use crate::screening::{AnswerRecord, Scope, ScopeFilter};

/// The result of a replay.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Fields that differ: name, recorded value, computed value, as JSON.
    pub differences: Vec<(String, String, String)>,
    /// The version of the program that answered.
    pub recorded_by: String,
}

impl Engine {
    /// Replays a record. Blocks.
    pub fn replay(&self, record: &Record) -> Result<Replay, EngineError> {
        let Some(address) = &record.address else {
            return Err(EngineError::NotReplayable("its address was redacted".to_owned()));
        };
        let Some(recorded) = &record.item.answer else {
            return Err(EngineError::NotReplayable("it was refused, and has no answer".to_owned()));
        };
        let past = self.past_snapshot(&record.call.snapshot)?;
        let filter = ScopeFilter {
            lists: record.call.lists.clone(),
            as_of: record.call.as_of,
            max_hops: record.call.max_hops,
        };
        let scope = Scope::new(&past.snapshot, &filter, record.evaluated_at());
        let scope = scope.map_err(|error| EngineError::NotReplayable(error.to_string()))?;
        let chain: Option<Chain> = record.item.chain.parse().ok();
        let screening = scope.screen(address, chain.as_ref(), None);
        let screening = screening.map_err(|error| EngineError::NotReplayable(error.to_string()))?;
        let replayed =
            AnswerRecord { shadow: recorded.shadow.clone(), ..AnswerRecord::from(&screening) };
        Ok(Replay {
            differences: differences(recorded, &replayed),
            recorded_by: past.record.engine_version.clone(),
        })
    }
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
