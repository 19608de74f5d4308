//! Graph queries: screenings that search the transfer graph, counterparties of an address, and the
//! evidence of an exposure. Runs the searches of `exposure` and loads the transfers that they find.

use std::collections::{HashMap, HashSet};

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::graph_search::GraphSearch;
use super::joins::Joins;
use super::paths::{self, Sums};
use super::types::{
    CounterpartyPage, CounterpartyQuery, CounterpartyRow, ExposureEvidence, JoinChainEvidence,
    PathEvidence,
};
use super::{BUDGET, Engine, EngineError};
use crate::domain::address::{AddressError, Reading};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Holder, Transfer};
use crate::exposure::{
    CommonInputSearch, Direction, Label, Nearness, NotCounted, Path, Source, StopReason,
    UnvaluedSearch, World,
};
use crate::screening::coverage::moment;
use crate::screening::{Scope, Screening, Searched};

/// The most transfers of an address that its evidence sums.
const MOST_SUMMED: usize = 20_000;

/// The most stops that an answer names.
const MOST_STOPS: usize = 20;

/// A screening with the evidence of its exposures.
#[derive(Debug)]
pub struct EvidencedScreening<'a> {
    pub screening: Screening<'a>,
    /// By finding; empty if neither evidence nor a search was needed. `None` where it is no exposure,
    /// or evidence was not requested or is unavailable.
    pub evidence: Vec<Option<ExposureEvidence>>,
    /// By finding, how the address is joined with the listing; empty as `evidence` is. `None` where it
    /// is not CO_SPENT, or evidence was not requested or is unavailable.
    pub joins: Vec<Option<JoinChainEvidence>>,
}

impl Engine {
    /// Screens an address, and counts its decision beside the shadow policy's. Searches the graph where
    /// labels cannot answer the scope, and adds evidence on request: both block. Without the graph the
    /// answer is INCOMPLETE, or lacks evidence.
    #[inline]
    pub fn screen<'a>(
        &self,
        scope: &'a Scope<'_>,
        address: &'a str,
        chain: Option<&Chain>,
        with_evidence: bool,
    ) -> Result<EvidencedScreening<'a>, AddressError> {
        let screened = if with_evidence || scope.needs_search() {
            self.search_and_screen(scope, address, chain, with_evidence)?
        } else {
            let screening = scope.screen(address, chain, None)?;
            EvidencedScreening { screening, evidence: Vec::new(), joins: Vec::new() }
        };
        self.count_shadow(&screened.screening);
        Ok(screened)
    }

    fn search_and_screen<'a>(
        &self,
        scope: &'a Scope<'_>,
        address: &'a str,
        chain: Option<&Chain>,
        with_evidence: bool,
    ) -> Result<EvidencedScreening<'a>, AddressError> {
        let guard = self.tracker.world();
        let world = guard.as_ref();
        if world.is_none() {
            self.tracker.want_graph();
        }
        let search = GraphSearch::new(world, scope);
        let screening = scope.screen(address, chain, Some(&|keys| search.search(keys)))?;
        let world = world.filter(|_| with_evidence);
        let joins = world.map(|world| Joins::new(self, world, until(scope)));
        let evidence = screening.findings.iter().map(|finding| {
            let (near, world, joins) = (finding.exposure.as_ref()?, world?, joins.as_ref()?);
            if !scope.needs_search() {
                return self.evidence(world, scope, (finding.exposed_key?, near), joins);
            }
            if near.hub {
                return None;
            }
            let path = search.path(&(finding.exposed_key, near.direction, near.kind))?;
            self.path_alone(world, &path, near, joins)
        });
        let evidence = evidence.collect();
        let joins = screening.findings.iter().map(|finding| {
            let (joined, address) = (finding.joined?, screening.address_of(finding)?);
            let keys: Vec<_> = address.packed_keys().collect();
            Some(joins.as_ref()?.chain(&keys, &joined.with))
        });
        let joins = joins.collect();
        Ok(EvidencedScreening { screening, evidence, joins })
    }

    /// Searches for the nearest of a scope's sources, with a budget in edges. Returns what was found,
    /// also behind hubs; the paths; and the number of edges examined.
    pub(super) fn search(
        world: &World,
        scope: &Scope<'_>,
        keys: &[PackedKey],
        sources: &[Source],
        budget: u64,
    ) -> (Searched, Vec<Path>, u64) {
        let mut found = world.exposure_as_of(keys, until(scope), Some(sources), budget);
        let mut searched = Searched {
            found: Vec::new(),
            cut_short: found.cut_short.then_some("too many transfers"),
            ..Searched::default()
        };
        found.found.retain(|path| path.hops.len() <= usize::from(scope.max_hops()));
        searched.found = found.found.iter().map(Path::label).collect();
        Self::add_hubs(world, scope, keys, sources, &found.stops_met, &mut searched);
        (searched, found.found, found.examined)
    }

    /// Searches for direct dealings of the keys with a scope's sources in assets without a known value.
    /// The budget is in edges.
    pub(super) fn search_unvalued(
        world: &World,
        scope: &Scope<'_>,
        keys: &[PackedKey],
        sources: &[Source],
        budget: u64,
    ) -> UnvaluedSearch {
        world.unvalued_as_of(keys, until(scope), sources, budget)
    }

    /// Searches for a scope's sources that the keys are joined with by common inputs. The budget is in
    /// edges.
    pub(super) fn search_joined(
        world: &World,
        scope: &Scope<'_>,
        keys: &[PackedKey],
        sources: &[Source],
        budget: u64,
    ) -> CommonInputSearch {
        world.common_inputs_as_of(keys, until(scope), Some(sources), budget)
    }

    /// Adds the exposure of the untagged hubs that the keys dealt with. A search stops at hubs, and to
    /// omit what lies behind them would clear the address. The order in time is ignored: the hub may have
    /// got the funds after it dealt with the keys.
    fn add_hubs(
        world: &World,
        scope: &Scope<'_>,
        keys: &[PackedKey],
        sources: &[Source],
        stops: &[PackedKey],
        searched: &mut Searched,
    ) {
        let is_hub = |key: &&PackedKey| world.stop(key) == Some(StopReason::Hub);
        let hubs: Vec<_> = stops.iter().filter(is_hub).collect();
        if hubs.is_empty() {
            return;
        }
        let dealings = world.transfers_of(keys, None, 0, MOST_SUMMED);
        for hub in hubs {
            let found = world.exposure_as_of(&[*hub], until(scope), Some(sources), BUDGET);
            if found.cut_short {
                searched.cut_short = Some("too many transfers of a hub");
            }
            for path in found.found {
                let received = path.direction == Direction::ReceivedFrom;
                let dealt = dealings.found.iter().any(|dealing| {
                    dealing.received == received
                        && dealing.why_not.is_none()
                        && dealing.others.contains(hub)
                });
                let behind = path.label();
                let hops = behind.hops + 1;
                // Not all of very many dealings were examined; then the hub counts.
                if hops <= scope.max_hops() && (dealt || dealings.next.is_some()) {
                    searched.found.push(Label { hub: true, hops, direct: None, ..behind });
                }
            }
        }
    }

    /// Returns the evidence of a search as of a past moment, which has only its path.
    fn path_alone(
        &self,
        world: &World,
        path: &Path,
        near: &Nearness,
        joins: &Joins<'_>,
    ) -> Option<ExposureEvidence> {
        let path = self.path(world, path, joins)?;
        let time = |hop: &super::types::HopEvidence| moment(hop.transfer.time);
        let own = match near.direction {
            Direction::ReceivedFrom => path.hops.last(),
            Direction::SentTo => path.hops.first(),
        };
        let own = own.and_then(time);
        Some(ExposureEvidence {
            path: Some(path),
            plain_hops: near.hops.into(),
            first_time: own,
            last_time: own,
            direct_values: Vec::new(),
            unvalued: 0,
            unknown: 0,
            stops_met: Vec::new(),
            hubs_met: Vec::new(),
            cut_short: true,
        })
    }

    /// Returns the evidence of a label of the snapshot.
    fn evidence(
        &self,
        world: &World,
        scope: &Scope<'_>,
        (key, near): (PackedKey, &Nearness),
        joins: &Joins<'_>,
    ) -> Option<ExposureEvidence> {
        let labels = scope.snapshot().exposure().labels.clone()?;
        let label = labels.of(&key).find(|label| label.is_of_sort(near))?;
        let keys = [key];
        let found = world.evidence(&keys, &label, BUDGET)?;
        let source = labels.source(label.source).clone();
        let Label { direction, timing, common_input, .. } = label;
        let path = Path { direction, source, timing, common_input, hops: found.path };
        let mut cut_short = found.cut_short;
        let direct_values = if label.hops == 1 && !label.hub {
            self.sums(world, &keys, direction, &found.direct_rows).unwrap_or_else(|| {
                cut_short = true;
                Vec::new()
            })
        } else {
            Vec::new()
        };
        Some(ExposureEvidence {
            path: self.path(world, &path, joins),
            plain_hops: found.plain_hops.into(),
            first_time: found.first_time.and_then(moment),
            last_time: found.last_time.and_then(moment),
            direct_values,
            unvalued: found.unvalued,
            unknown: found.unknown,
            stops_met: holders(&found.stops_met),
            hubs_met: holders(&found.hubs_met),
            cut_short,
        })
    }

    /// Sums what keys received or sent, by asset; `None` above [`MOST_SUMMED`] transfers.
    fn sums(
        &self,
        world: &World,
        keys: &[PackedKey],
        direction: Direction,
        direct_rows: &[u64],
    ) -> Option<Vec<super::types::DirectValue>> {
        let received = Some(direction == Direction::ReceivedFrom);
        let dealings = world.transfers_of(keys, received, 0, MOST_SUMMED);
        if dealings.next.is_some() {
            return None;
        }
        let moved = |why: Option<NotCounted>| {
            use NotCounted::{Dust, Failed, SelfTransfer, UnvaluedAsset, Zero};
            !matches!(why, Some(Failed | Zero | SelfTransfer | UnvaluedAsset | Dust))
        };
        let rows = dealings.found.iter().filter(|dealing| moved(dealing.why_not));
        let rows: Vec<u64> = rows.map(|dealing| dealing.row).collect();
        let direct: HashSet<u64> = direct_rows.iter().copied().collect();
        let mut sums = Sums::default();
        for (row, transfer) in self.publisher.store().rows(&rows).ok()? {
            sums.add(&transfer, direction, keys, direct.contains(&row));
        }
        Some(sums.finish(&self.tracker.settings().assets))
    }

    /// Loads the transfers of a path; `None` if they are unreadable.
    pub(super) fn path(
        &self,
        world: &World,
        path: &Path,
        joins: &Joins<'_>,
    ) -> Option<PathEvidence> {
        let mut rows: Vec<u64> = path.hops.iter().map(|hop| hop.row).collect();
        rows.sort_unstable();
        rows.dedup();
        let found = match self.publisher.store().rows(&rows) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "path transfers unreadable");
                return None;
            }
        };
        let found: HashMap<u64, Transfer> = found.into_iter().collect();
        let assets = &self.tracker.settings().assets;
        let hop = |hop: &crate::exposure::HopRef| {
            let transfer = found.get(&hop.row)?.clone();
            let end = |key| (key, world.stop_at(&key, &transfer.chain, hop.time).is_some());
            let (from, to) = (end(hop.from), end(hop.to));
            paths::hop(transfer, from, to, assets)
        };
        Some(Path {
            direction: path.direction,
            source: path.source.clone(),
            timing: path.timing,
            common_input: joins.chain_of_path(path),
            hops: path.hops.iter().map(hop).collect::<Option<_>>()?,
        })
    }

    /// Returns a page of the transfers of an address. Blocks.
    pub fn counterparties(
        &self,
        query: &CounterpartyQuery,
    ) -> Result<CounterpartyPage, EngineError> {
        let address = Reading::from_query(&query.address, query.chain.as_ref()).into_single()?;
        let keys: Vec<_> = address.packed_keys().collect();
        let world = self.graph()?;
        let Some(world) = world.as_ref() else { return Err(EngineError::TransfersLoading) };
        let received = query.direction.map(|direction| direction == Direction::ReceivedFrom);
        let assets = &self.tracker.settings().assets;
        let mut rows = Vec::new();
        let mut next = Some(query.after.map_or(0, |[cursor, _]| cursor));
        while let Some(cursor) = next.filter(|_| rows.len() < query.limit) {
            let page = world.transfers_of(&keys, received, cursor, query.limit - rows.len());
            next = page.next;
            let mut wanted: Vec<u64> = page.found.iter().map(|dealing| dealing.row).collect();
            wanted.sort_unstable();
            wanted.dedup();
            let found = self.publisher.store().rows(&wanted)?;
            let found: HashMap<u64, Transfer> = found.into_iter().collect();
            for dealing in page.found {
                let transfer = found.get(&dealing.row).ok_or_else(unreadable)?;
                if query.chain.as_ref().is_some_and(|chain| *chain != transfer.chain) {
                    continue;
                }
                let direction =
                    if dealing.received { Direction::ReceivedFrom } else { Direction::SentTo };
                rows.push(CounterpartyRow {
                    direction,
                    others: paths::others(transfer, direction, &keys),
                    transfer: transfer.clone(),
                    not_counted: dealing.why_not.map(NotCounted::as_str),
                    adds_up: dealing.adds_up,
                    amount: paths::amount(transfer, direction, &keys),
                    asset: assets
                        .rule(&transfer.chain, paths::asset_of(transfer))
                        .map(|rule| (rule.symbol.to_string(), rule.decimals)),
                });
            }
        }
        Ok(CounterpartyPage { rows, next: next.map(|cursor| [cursor, 0]) })
    }

    /// Returns the graph. If it is not loaded, starts loading it and fails with `TransfersLoading`.
    pub(super) fn graph(
        &self,
    ) -> Result<std::sync::RwLockReadGuard<'_, Option<World>>, EngineError> {
        if let Some(why) = self.tracker.failed() {
            return Err(EngineError::Exposure(why.to_string()));
        }
        let world = self.tracker.world();
        if world.is_none() {
            self.tracker.want_graph();
            return Err(EngineError::TransfersLoading);
        }
        Ok(world)
    }
}

/// Returns the time up to which transfers count in a scope, in Unix seconds.
fn until(scope: &Scope<'_>) -> u64 {
    scope.as_of().map_or(u64::MAX, seconds)
}

/// The error for a row that the graph has and the store lacks.
pub(super) fn unreadable() -> EngineError {
    EngineError::Internal("a stored transfer cannot be read".to_owned())
}

/// Converts to Unix seconds, rounded down; 0 before 1970.
pub(super) fn seconds(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_second()).unwrap_or(0)
}

/// Writes keys as addresses where the chain does not change the form, else as key ids.
pub(super) fn holders(keys: &[PackedKey]) -> Vec<Holder> {
    let holder = |key: &PackedKey| {
        let [tag, bytes @ ..] = key.0;
        match tag {
            0 => Holder::Evm(bytes),
            1 => Holder::Other(KeyId::PublicKeyHash(bytes).to_string().into()),
            2 => Holder::Other(KeyId::ScriptHash(bytes).to_string().into()),
            _ => Holder::Other(format!("key:{}", HEXLOWER.encode_display(&bytes)).into()),
        }
    };
    keys.iter().take(MOST_STOPS).map(holder).collect()
}
