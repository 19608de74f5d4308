//! Compares what is loaded of each chain with what the configuration requires.

use jiff::{SignedDuration, Timestamp};

use crate::config::{ChainRequirements, ExposureSettings};
use crate::domain::chain::Chain;
use crate::domain::coverage::{ChainState, TransferState};
use crate::domain::transfer::MovementKind;
use crate::screening::coverage::ChainCoverage;

/// Returns every chain that has transfers or requirements, by CAIP-2 id.
pub(in crate::engine) fn heads(
    settings: &ExposureSettings,
    state: &TransferState,
) -> Vec<(ChainState, ChainCoverage)> {
    let loaded = state.chains.values().cloned();
    let terms_of = |chain: &Chain| settings.chains.iter().find(|terms| terms.chain == *chain);
    let is_absent = |terms: &&ChainRequirements| {
        !terms.required.is_empty() && !state.chains.contains_key(&*terms.chain.caip2())
    };
    let absent = settings.chains.iter().filter(is_absent);
    let absent = absent.map(|terms| ChainState::new(terms.chain.clone()));
    let mut heads: Vec<_> = loaded.chain(absent).collect();
    heads.sort_by_cached_key(|head| head.chain.caip2().into_owned());
    heads
        .into_iter()
        .map(|head| {
            let terms = terms_of(&head.chain);
            let required = terms.map(|terms| &terms.required[..]).filter(|it| !it.is_empty());
            let max_age = terms.and_then(|terms| terms.max_age);
            let conflicts = conflicts(state, &head.chain);
            let coverage = ChainCoverage {
                first_time: head.first_time.and_then(moment),
                last_time: head.last_time.and_then(moment),
                max_age: max_age
                    .map(|age| SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX)),
                ..ChainCoverage::new(&head, &conflicts, required, &settings.assets)
            };
            (head, coverage)
        })
        .collect()
}

/// Counts open conflicts by kind.
fn conflicts(state: &TransferState, chain: &Chain) -> Vec<(MovementKind, u64)> {
    let count = |kind| {
        let open = state.open_conflicts(chain).filter(|(_, conflict)| conflict.kind == kind);
        open.count() as u64
    };
    MovementKind::ALL.into_iter().map(|kind| (kind, count(kind))).collect()
}

/// Returns the coverage of every chain, for a snapshot.
pub(super) fn chains(settings: &ExposureSettings, state: &TransferState) -> Vec<ChainCoverage> {
    heads(settings, state).into_iter().map(|(_, coverage)| coverage).collect()
}

/// Converts Unix seconds; `None` out of range.
pub(in crate::engine) fn moment(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}
