//! Compares what is loaded of each chain with what the configuration requires.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::config::{ChainRequirements, ExposureSettings};
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::coverage::{ChainState, ChainSummary, TransferState};
use crate::domain::transfer::{Asset, MovementKind};
use crate::screening::coverage::ChainCoverage;

/// What is required of chains, and which assets have value.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct ChainTerms<'a> {
    pub chains: &'a [ChainRequirements],
    pub assets: &'a AssetTable,
}

impl<'a> From<&'a ExposureSettings> for ChainTerms<'a> {
    fn from(settings: &'a ExposureSettings) -> Self {
        Self { chains: &settings.chains, assets: &settings.assets }
    }
}

impl ChainTerms<'_> {
    fn of(&self, chain: &Chain) -> Option<&ChainRequirements> {
        self.chains.iter().find(|terms| terms.chain == *chain)
    }

    /// Returns the chains with requirements that `is_known` does not know.
    pub fn absent(&self, is_known: impl Fn(&Chain) -> bool) -> impl Iterator<Item = &Chain> {
        let required = self.chains.iter().filter(|terms| !terms.required.is_empty());
        required.map(|terms| &terms.chain).filter(move |chain| !is_known(chain))
    }

    /// Returns the coverage of a chain, of whose assets `assets` were the first.
    pub fn coverage(
        &self,
        chain: &Chain,
        summary: &ChainSummary,
        assets: &[Asset],
    ) -> ChainCoverage {
        let terms = self.of(chain);
        let required: Option<&[MovementKind]> =
            terms.map(|terms| &terms.required[..]).filter(|it| !it.is_empty());
        let max_age = terms.and_then(|terms| terms.max_age);
        ChainCoverage {
            max_age: max_age
                .map(|age| SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX)),
            ..ChainCoverage::new(chain, summary, assets, required, self.assets)
        }
    }
}

/// Returns every chain that has transfers or requirements, by CAIP-2 id.
pub(in crate::engine) fn heads(
    settings: &ExposureSettings,
    state: &TransferState,
) -> Vec<(ChainState, ChainCoverage)> {
    let terms = ChainTerms::from(settings);
    let loaded = state.chains.values().cloned();
    let absent = terms.absent(|chain| state.chains.contains_key(&*chain.caip2()));
    let absent = absent.map(|chain| ChainState::new(chain.clone()));
    let mut heads: Vec<_> = loaded.chain(absent).collect();
    heads.sort_by_cached_key(|head| head.chain.caip2().into_owned());
    let covered = heads.into_iter().map(|head| {
        let coverage = terms.coverage(&head.chain, &state.summary_of(&head), &head.assets);
        (head, coverage)
    });
    covered.collect()
}

/// Returns the coverage of every chain, for a snapshot.
pub(super) fn chains(settings: &ExposureSettings, state: &TransferState) -> Vec<ChainCoverage> {
    heads(settings, state).into_iter().map(|(_, coverage)| coverage).collect()
}

/// Returns the chains that are not required and become stale, with their ages in seconds, by CAIP-2 id.
pub(super) fn aged_chains(settings: &ExposureSettings) -> Arc<[(String, u64)]> {
    let aged = settings.chains.iter().filter(|terms| terms.required.is_empty());
    let aged = aged.filter_map(|terms| Some((terms.chain.to_string(), terms.max_age?.as_secs())));
    let mut aged: Vec<_> = aged.collect();
    aged.sort();
    aged.into()
}
