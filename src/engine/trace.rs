//! Traces: the paths between an address and listed ones, and its common-input joins with them.

use std::cell::RefCell;
use std::collections::HashMap;

use super::BUDGET;
use super::graph_queries::{holders, seconds, unreadable};
use super::joins::Joins;
use super::types::{JoinedEvidence, Trace, TraceQuery};
use super::{Engine, EngineError};
use crate::domain::address::Reading;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::Movement;
use crate::exposure::{CommonInput, PathQuery, Source};

impl Engine {
    /// Finds the paths between an address and listed ones. Blocks.
    pub fn trace(&self, query: &TraceQuery) -> Result<Trace, EngineError> {
        let address = Reading::from_query(&query.address, query.chain.as_ref()).into_single()?;
        let world = self.graph()?;
        let Some(world) = world.as_ref() else { return Err(EngineError::TransfersLoading) };
        // After the graph is locked: the labels do not change while it is.
        let snapshot = self.snapshot().ok_or(EngineError::NothingLoaded)?;
        let known = RefCell::new(HashMap::new());
        let failed = RefCell::new(None);
        let allows = |row: u64| {
            query.min_usd_micros == 0
                || *known.borrow_mut().entry(row).or_insert_with(|| match self.usd_micros(row) {
                    Ok(value) => value.is_some_and(|value| value >= query.min_usd_micros),
                    Err(error) => {
                        failed.borrow_mut().get_or_insert(error);
                        false
                    }
                })
        };
        let max_hops = query.max_hops.unwrap_or(self.tracker.settings().max_hops);
        let paths = PathQuery {
            direction: query.direction,
            kinds: &query.kinds,
            max_hops,
            max_paths: query.max_paths,
            window: (query.from_time.map_or(0, seconds), query.to_time.map_or(u64::MAX, seconds)),
            allows: &allows,
            sources: None,
            budget: BUDGET,
        };
        let keys: Vec<_> = address.packed_keys().collect();
        let until = paths.window.1;
        let found = world.paths(&keys, &paths);
        if let Some(error) = failed.take() {
            return Err(error);
        }
        let joins = Joins::new(self, world, until);
        let path = |path| self.path(world, path, &joins).ok_or_else(unreadable);
        let mut joined = world.common_inputs_as_of(&keys, until, None, BUDGET);
        joined.found.retain(|(of, _)| query.kinds.is_empty() || query.kinds.contains(&of.kind));
        let (cut, common): (Vec<_>, Vec<_>) =
            joined.found.into_iter().partition(|(of, _)| of.is_cut);
        Ok(Trace {
            snapshot,
            paths: found.found.iter().map(path).collect::<Result<_, _>>()?,
            joined: joined_evidence(common, &keys, &joins),
            cluster_cuts: cut.into_iter().map(|(_, source)| source).collect(),
            max_hops,
            cut_short: found.cut_short || joined.cut_short,
            examined: found.examined.saturating_add(joined.examined),
            stops_met: holders(&found.stops_met),
        })
    }

    /// Returns the value in millionths of a US dollar that the source of a row states.
    fn usd_micros(&self, row: u64) -> Result<Option<u64>, EngineError> {
        let rows = self.publisher.store().rows(&[row])?;
        let (_, transfer) = rows.first().ok_or_else(unreadable)?;
        Ok(match &transfer.movement {
            Movement::Account(movement) => movement.usd_micros,
            Movement::Utxo(_) => None,
        })
    }
}

/// Adds the join chains to the listed addresses that keys are joined with.
fn joined_evidence(
    found: Vec<(CommonInput, Source)>,
    keys: &[PackedKey],
    joins: &Joins<'_>,
) -> Vec<JoinedEvidence> {
    let evidence = |(common, source): (CommonInput, Source)| JoinedEvidence {
        kind: common.kind,
        is_beside: common.is_beside,
        chain: joins.chain(keys, &source.key),
        source,
    };
    found.into_iter().map(evidence).collect()
}
