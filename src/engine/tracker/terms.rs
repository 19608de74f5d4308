//! What is loaded of each chain beside what the configuration asks of it.

use jiff::{SignedDuration, Timestamp};

use crate::config::ExposureSettings;
use crate::domain::chain::Chain;
use crate::domain::coverage::{ChainHead, TransferState};
use crate::screening::coverage::ChainCoverage;

/// Every chain that has transfers or terms, in the order of their CAIP-2 ids, with its head.
pub(in crate::engine) fn heads(
    settings: &ExposureSettings,
    state: &TransferState,
) -> Vec<(ChainHead, bool, Option<SignedDuration>)> {
    let loaded = state.chains.values().cloned();
    let terms_of = |chain: &Chain| settings.chains.iter().find(|terms| terms.chain == *chain);
    let absent = settings
        .chains
        .iter()
        .filter(|terms| terms.required && !state.chains.contains_key(&*terms.chain.caip2()))
        .map(|terms| ChainHead::new(terms.chain.clone()));
    let mut heads: Vec<_> = loaded.chain(absent).collect();
    heads.sort_by_cached_key(|head| head.chain.caip2().into_owned());
    heads
        .into_iter()
        .map(|head| {
            let terms = terms_of(&head.chain);
            let max_age = terms.and_then(|terms| terms.max_age);
            let max_age =
                max_age.map(|age| SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX));
            (head, terms.is_some_and(|terms| terms.required), max_age)
        })
        .collect()
}

/// The same in the words of a snapshot.
pub(super) fn chains(settings: &ExposureSettings, state: &TransferState) -> Vec<ChainCoverage> {
    let coverage =
        |(head, required, max_age): (ChainHead, bool, Option<SignedDuration>)| ChainCoverage {
            transfers: head.transfers,
            first_time: head.first_time.and_then(moment),
            last_time: head.last_time.and_then(moment),
            last_height: head.covered.last().map(|span| *span.end()),
            spans: head.covered.len() as u64,
            chain: head.chain,
            required,
            max_age,
        };
    heads(settings, state).into_iter().map(coverage).collect()
}

/// Unix seconds as a moment.
pub(in crate::engine) fn moment(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}
