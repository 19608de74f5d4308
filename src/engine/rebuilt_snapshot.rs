//! Rebuilds past snapshots with their exposure: reads the transfers of then into a graph of its own, and
//! labels it with the lists and settings of then.
//!
//! Nothing is shared with the graph in force, and no lock of it is taken. The last guard is the id: what
//! was rebuilt must have the id that was asked for.

use std::sync::Arc;

use jiff::Timestamp;

use super::graph_search::GraphSearch;
use super::past_lists::{PastError, PastLists, categories};
use super::payment::PaymentContext;
use super::tracker::graph::{read_all, read_up_to};
use super::tracker::terms::ChainTerms;
use super::tracker::world_settings;
use super::{DEFAULT_MAX_AGE, Engine, EngineError, NotRebuilt, internal};
use crate::config::{ChainRequirements, LabelSettings};
use crate::domain::address::AddressError;
use crate::domain::chain::Chain;
use crate::domain::coverage::TransferCounts;
use crate::exposure::{self, Labels, World};
use crate::screening::coverage::{ChainCoverage, ExposureState};
use crate::screening::path_ends::path_ends;
use crate::screening::snapshot::{
    BehindName, ENGINE_VERSION, LabelBasis, ListTerms, Snapshot, SnapshotName, SnapshotRecord,
    parse_id,
};
use crate::screening::{Scope, Screening};
use crate::store::{CoverageAt, PastCoverage};

/// Bytes of memory per estimated byte of the stored rows. A transfer between two addresses is estimated
/// at 100 bytes. Building and labelling a graph took 192 bytes a transfer at the peak where each address
/// occurs twice, 332 where one pays all others, and 362 where none occurs twice; of UTXO transactions
/// with four addresses 318 per 100.
const GRAPH_FACTOR: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuildLimits {
    /// The most bytes of memory that a graph may take, by estimate.
    pub graph_bytes: u64,
}

impl Default for RebuildLimits {
    /// 4 GiB: some ten million transfers between two addresses.
    fn default() -> Self {
        Self { graph_bytes: 4 << 30 }
    }
}

/// Rebuilds past snapshots, one at a time. Holds the graph of the last one, and goes on from it if the
/// next one has the same settings and only more rows: so snapshots are best rebuilt in their order.
#[derive(Debug)]
pub struct Rebuilder<'e> {
    engine: &'e Engine,
    limits: RebuildLimits,
    graph: Option<PastGraph>,
    /// The last snapshot, whose lists the next one may share.
    last: Option<Arc<Snapshot>>,
}

/// A graph with the transfers of a past moment.
#[derive(Debug)]
struct PastGraph {
    world: World,
    counts: TransferCounts,
    settings_digest: [u8; 32],
    /// The basis of the path ends in it, and the labels.
    labels: Option<(LabelBasis, Arc<Labels>)>,
}

/// A past snapshot with the exposure of then, and its graph.
#[derive(Debug)]
pub struct RebuiltSnapshot<'r> {
    snapshot: Arc<Snapshot>,
    settings: LabelSettings,
    since: Timestamp,
    /// `None` if no labels were made yet.
    world: Option<&'r World>,
}

/// The labels that a snapshot had.
struct PastLabels {
    basis: LabelBasis,
    counts: TransferCounts,
}

impl Engine {
    pub fn rebuilder(&self, limits: RebuildLimits) -> Rebuilder<'_> {
        Rebuilder { engine: self, limits, graph: None, last: None }
    }
}

impl RebuiltSnapshot<'_> {
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The time of the last event that it reflects: a load of a list version or a check of a source.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Screens an address in a scope of the snapshot. Searches the graph of then where labels cannot
    /// answer the scope, and blocks meanwhile.
    pub fn screen<'a>(
        &self,
        scope: &'a Scope<'_>,
        address: &'a str,
        chain: Option<&Chain>,
    ) -> Result<Screening<'a>, AddressError> {
        if !scope.needs_search() {
            return scope.screen(address, chain, None);
        }
        let search = GraphSearch::new(self.world, scope);
        scope.screen(address, chain, Some(&|keys| search.search(keys)))
    }

    /// Projects payments from the snapshot, as at the moment `now`.
    pub fn payment_context(&self, now: Timestamp) -> PaymentContext<'_> {
        PaymentContext::past(&self.snapshot, self.world, &self.settings.assets, now)
    }

    /// The same as while the graph was not loaded.
    pub fn payment_context_without_graph(&self, now: Timestamp) -> PaymentContext<'_> {
        PaymentContext::past(&self.snapshot, None, &self.settings.assets, now)
    }
}

impl Rebuilder<'_> {
    /// Rebuilds the snapshot with this id. Blocks: reads the transfers of then.
    pub fn rebuild(&mut self, id: &str) -> Result<RebuiltSnapshot<'_>, EngineError> {
        let unknown = || EngineError::UnknownSnapshot(id.to_owned());
        let name = parse_id(id).ok_or_else(unknown)?;
        let past = self.engine.past_lists(id, &name, self.last.as_deref());
        let past = past.map_err(|error| error.of(id))?.ok_or_else(unknown)?;
        let snapshot = self.with_exposure(id, &name, &past).map_err(|error| error.of(id))?;
        let since = past.last_known(self.engine.now());
        let snapshot = Arc::new(snapshot);
        self.last = Some(snapshot.clone());
        let has_labels = snapshot.exposure().labels.is_some() || !snapshot.exposure().behind;
        let world = self.graph.as_ref().filter(|_| has_labels).map(|graph| &graph.world);
        Ok(RebuiltSnapshot { snapshot, settings: past.settings, since, world })
    }

    fn with_exposure(
        &mut self,
        id: &str,
        name: &SnapshotName<'_>,
        past: &PastLists,
    ) -> Result<Snapshot, PastError> {
        if name.has_failed {
            return Err(NotRebuilt::ExposureFailed.into());
        }
        if past.record.aged_chains.is_none() {
            return Err(NotRebuilt::ChainAges.into());
        }
        let (coverage, labels) = self.coverage_and_labels(name, past)?;
        let exposure = ExposureState {
            chains: self.chains(past, &coverage)?,
            behind: name.behind.is_some(),
            retractions: coverage.counts.retractions,
            replacements: coverage.counts.replacements,
            coverage_revision: coverage.revision,
            change: coverage.change,
            ..past.no_exposure()
        };
        let current = self.engine.snapshot();
        let previous = self.last.as_deref().or(current.as_deref());
        let mut snapshot = past.build(exposure.clone(), previous);
        if let Some(labels) = labels {
            let has_rows = labels.counts.rows > 0 || name.behind.is_some();
            let labels = self.label(&labels, past, &snapshot)?;
            if has_rows {
                let exposure = ExposureState { labels: Some(labels), ..exposure };
                snapshot = snapshot.with_exposure(exposure);
            }
        }
        if snapshot.id() == id { Ok(snapshot) } else { Err(NotRebuilt::Differs.into()) }
    }

    /// Finds the coverage of a snapshot, and what its labels were made from; no labels if there were none
    /// yet.
    fn coverage_and_labels(
        &self,
        name: &SnapshotName<'_>,
        past: &PastLists,
    ) -> Result<(CoverageAt, Option<PastLabels>), PastError> {
        let store = self.engine.publisher.store();
        let (coverage, labels) = match name.behind {
            Some(BehindName::Unnamed) => return Err(NotRebuilt::UnnamedBasis.into()),
            Some(BehindName::Labels { labels, change }) => (store.coverage_at(change)?, labels),
            None => (store.coverage_of(name.counts, name.coverage_revision)?, None),
        };
        let coverage = match coverage {
            PastCoverage::Found(coverage) => coverage,
            PastCoverage::NoSuchState => return Err(NotRebuilt::NoSuchTransfers.into()),
            PastCoverage::NotRecorded => return Err(NotRebuilt::Coverage.into()),
        };
        let basis = match (name.behind, labels) {
            (None, _) => LabelBasis::from(&past.record),
            (Some(_), None) => return Ok((coverage, None)),
            (Some(_), Some(labels)) => {
                let not_kept = || NotRebuilt::Basis(labels.basis.to_owned());
                let stored = store.label_basis(labels.basis)?.ok_or_else(not_kept)?;
                let basis = LabelBasis::decode(labels.basis, &stored).map_err(internal)?;
                if basis.engine_version != ENGINE_VERSION || basis.revision != exposure::REVISION {
                    return Err(NotRebuilt::OtherProgram(basis.engine_version).into());
                }
                basis
            }
        };
        let counts = labels.map_or(name.counts, |labels| labels.counts);
        Ok((coverage, Some(PastLabels { basis, counts })))
    }

    /// Returns the coverage of every chain of then, by the terms of then.
    fn chains(
        &self,
        past: &PastLists,
        coverage: &CoverageAt,
    ) -> Result<Vec<ChainCoverage>, PastError> {
        let requirements = requirements(&past.record).map_err(internal)?;
        let terms = ChainTerms { chains: &requirements, assets: &past.settings.assets };
        let state = self.engine.publisher.store().transfer_state();
        let mut chains = Vec::new();
        for (name, summary) in &coverage.chains {
            let head = state.chains.get(name);
            let head = head.ok_or_else(|| internal(format_args!("chain {name} has no head")))?;
            let assets = head.assets.get(..summary.assets as usize);
            let assets = assets.ok_or_else(|| internal("a chain has fewer assets than before"))?;
            chains.push(terms.coverage(&head.chain, summary, assets));
        }
        let absent = terms.absent(|chain| coverage.chains.contains_key(&*chain.caip2()));
        chains.extend(absent.map(|chain| terms.coverage(chain, &Default::default(), &[])));
        chains.sort_by_cached_key(|coverage| coverage.chain.caip2().into_owned());
        Ok(chains)
    }

    /// Returns the labels of then. `snapshot` has the lists of the answer, which are those of the labels
    /// unless these were behind.
    fn label(
        &mut self,
        past: &PastLabels,
        lists: &PastLists,
        snapshot: &Snapshot,
    ) -> Result<Arc<Labels>, PastError> {
        let PastLabels { basis, counts } = past;
        let engine = self.engine;
        let settings = if basis.exposure_settings == lists.record.exposure_settings {
            lists.settings.clone()
        } else {
            engine.settings_of(&basis.exposure_settings)?
        };
        let graph = self.read_graph(&settings, basis.exposure_settings, *counts)?;
        if let Some((of, labels)) = &graph.labels
            && of == basis
        {
            return Ok(labels.clone());
        }
        let categories = categories(&settings);
        let (sources, stops) = if *basis == LabelBasis::from(&lists.record) {
            path_ends(snapshot.lists().iter(), &categories, None)
        } else {
            let of_labels = engine.lists_of_basis(basis, snapshot)?;
            path_ends(of_labels.lists().iter(), &categories, None)
        };
        graph.world.set_parties(sources, stops);
        graph.world.set_basis(exposure::Basis {
            digest: basis.digest(),
            retractions: counts.retractions,
            replacements: counts.replacements,
        });
        let labels = graph.world.relabel().labels;
        graph.labels = Some((basis.clone(), labels.clone()));
        Ok(labels)
    }

    /// Brings the graph to the transfers of a moment: by reading more rows into the one at hand, or by
    /// reading all of them into a new one.
    fn read_graph(
        &mut self,
        settings: &LabelSettings,
        settings_digest: [u8; 32],
        counts: TransferCounts,
    ) -> Result<&mut PastGraph, PastError> {
        let store = self.engine.publisher.store();
        let estimated = store.row_bytes_below(counts.rows).saturating_mul(GRAPH_FACTOR);
        let limit = self.limits.graph_bytes;
        if estimated > limit {
            return Err(NotRebuilt::TooLarge { estimated, limit }.into());
        }
        let state = store.transfer_state().rows_as_of(counts).ok_or(NotRebuilt::NoSuchTransfers)?;
        let goes_on = |graph: &PastGraph| {
            let TransferCounts { rows, retractions, replacements } = graph.counts;
            graph.settings_digest == settings_digest
                && (retractions, replacements) == (counts.retractions, counts.replacements)
                && rows <= counts.rows
        };
        // Of two graphs at once only one is within the limit.
        let graph = match self.graph.take().filter(goes_on) {
            Some(mut graph) => {
                if graph.counts != counts {
                    read_up_to(store, &mut graph.world, counts.rows, &state)?;
                    graph.labels = None;
                }
                PastGraph { counts, ..graph }
            }
            None => {
                let mut world = World::new(world_settings(settings));
                read_all(store, &mut world, &state)?;
                PastGraph { world, counts, settings_digest, labels: None }
            }
        };
        Ok(self.graph.insert(graph))
    }
}

impl Engine {
    /// Understands the list versions of a basis again. Their terms do not matter to labels.
    fn lists_of_basis(&self, basis: &LabelBasis, known: &Snapshot) -> Result<Snapshot, PastError> {
        let mut states = Vec::new();
        let mut terms = Vec::new();
        for list in &basis.lists {
            states.push(self.list_at(&list.id, list.version, Some(known))?);
            terms.push(ListTerms {
                id: list.id.clone(),
                name: None,
                kind: Some(list.kind),
                required: false,
                max_age: None,
            });
        }
        Ok(Snapshot::build(
            &states,
            &terms,
            DEFAULT_MAX_AGE,
            false,
            Default::default(),
            Some(known),
        ))
    }
}

/// Returns what the record requires of chains. Fails with a chain that is none.
fn requirements(record: &SnapshotRecord) -> Result<Vec<ChainRequirements>, String> {
    let terms = |name: &str, required: &[_], max_age: Option<u64>| {
        let chain: Chain = name.parse().map_err(|_| format!("{name:?} is no chain"))?;
        Ok(ChainRequirements {
            chain,
            required: required.to_vec(),
            max_age: max_age.map(std::time::Duration::from_secs),
            common_input: true,
        })
    };
    let required = record.required_transfers();
    let required = required.map(|chain| terms(chain.chain, chain.kinds, chain.max_age));
    let aged = record.aged_chains.iter().flatten();
    let aged = aged.map(|(name, age)| terms(name, &[], Some(*age)));
    required.chain(aged).collect()
}
