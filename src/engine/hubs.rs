//! Pages of untagged hubs, with the addresses and assets as the stored transfers name them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::BUDGET;
use super::graph_queries::{holders, unreadable};
use super::{Engine, EngineError, paths};
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Holder, Movement, Transfer};
use crate::exposure::{Hub, HubPlace, HubQuery, World};
use crate::screening::snapshot::Snapshot;

#[derive(Clone, Debug)]
pub struct HubsQuery {
    /// Only on this chain; `None`: on every one.
    pub chain: Option<Chain>,
    /// Only hubs that are listed, are joined with a listed address or have exposure of their own.
    pub exposed: bool,
    /// The last hub of the page before.
    pub after: Option<HubPlace>,
    pub limit: usize,
}

/// An untagged hub on a chain, as its first transfer there names it.
#[derive(Clone, Debug)]
pub struct HubRow {
    pub hub: Hub,
    pub address: Holder,
    /// Beside each of the hub's volumes: the asset's symbol and the decimals of its display unit.
    pub assets: Vec<Option<(String, u8)>>,
}

#[derive(Clone, Debug)]
pub struct HubsPage {
    /// The snapshot of the answer; `None` where no list is loaded.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Ordered by the time at which they became hubs.
    pub rows: Vec<HubRow>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<HubPlace>,
    /// An address with more distinct counterparties than this is a hub.
    pub hub_limit: u32,
}

impl Engine {
    /// A page of the untagged hubs. Blocks.
    pub fn hubs(&self, query: &HubsQuery) -> Result<HubsPage, EngineError> {
        // Release the graph before reading the store.
        let page = {
            let world = self.graph()?;
            let Some(world) = world.as_ref() else { return Err(EngineError::TransfersLoading) };
            world.hubs(&HubQuery {
                chain: query.chain.as_ref(),
                exposed: query.exposed,
                after: query.after.as_ref(),
                limit: query.limit,
                budget: BUDGET,
            })
        };
        let mut wanted: Vec<u64> = page.found.iter().filter_map(|hub| hub.first_row).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let first = self.publisher.store().rows(&wanted)?.into_iter().collect();
        let rows = page.found.into_iter().map(|hub| self.hub_row(hub, &first));
        Ok(HubsPage {
            snapshot: self.snapshot(),
            rows: rows.collect::<Result<_, _>>()?,
            next: page.next,
            hub_limit: self.tracker.settings().hub_limit,
        })
    }

    fn hub_row(&self, hub: Hub, first: &HashMap<u64, Transfer>) -> Result<HubRow, EngineError> {
        let HubPlace { key, chain, .. } = &hub.place;
        let address = match hub.first_row {
            Some(row) => holder_of(first.get(&row).ok_or_else(unreadable)?, *key),
            None => None,
        };
        let address = address.or_else(|| holders(&[*key]).pop()).ok_or_else(unreadable)?;
        let assets = &self.tracker.settings().assets;
        let rules = hub.volumes.iter().map(|volume| assets.rule(chain, &volume.asset));
        let assets = rules.map(|rule| rule.map(|it| (it.symbol.to_string(), it.decimals)));
        Ok(HubRow { address, assets: assets.collect(), hub })
    }

    /// Returns the number of untagged hubs by chain; `None` while transfers are loaded or the graph
    /// changes. Does not wait.
    pub fn hub_counts(&self) -> Option<BTreeMap<Chain, u64>> {
        self.tracker.world_if_free()?.as_ref().map(World::hub_counts)
    }
}

/// Returns the holder of a key among a transfer's ends, senders first.
fn holder_of(transfer: &Transfer, key: PackedKey) -> Option<Holder> {
    let holders: Vec<&Holder> = match &transfer.movement {
        Movement::Account(of) => of.from.iter().chain(&of.to).collect(),
        Movement::Utxo(of) => {
            let legs = of.inputs.iter().chain(&of.outputs);
            legs.flat_map(|leg| &leg.holders).collect()
        }
    };
    holders.into_iter().find(|it| paths::is_of(it, &transfer.chain, &[key])).cloned()
}
