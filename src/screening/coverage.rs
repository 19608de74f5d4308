//! Exposure as a snapshot holds it: the labels, what they know, and whether the transfers of each
//! chain are what the configuration asks for. Looks nothing up.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Incomplete;
use crate::domain::chain::Chain;
use crate::exposure::Labels;

/// What is loaded of one chain's transfers, and what must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainCoverage {
    /// The chain.
    pub chain: Chain,
    /// Transfers that count as loaded.
    pub transfers: u64,
    /// The first moment.
    pub first_time: Option<Timestamp>,
    /// The last moment.
    pub last_time: Option<Timestamp>,
    /// The last height.
    pub last_height: Option<u64>,
    /// The spans of covered blocks: more than one means gaps.
    pub spans: u64,
    /// Whether a screening of an address that fits the chain needs it.
    pub required: bool,
    /// The age of the last moment from which it is stale; `None` where it does not age.
    pub max_age: Option<SignedDuration>,
}

impl ChainCoverage {
    /// What keeps a screening at `at` from resting on the chain; `limit` is the policy's, which
    /// holds where the chain is required and the limit is the stricter.
    fn shortcoming(&self, at: Timestamp, limit: Option<SignedDuration>) -> Option<Incomplete> {
        let chain = || self.chain.clone();
        let (Some(first), Some(last)) = (self.first_time, self.last_time) else {
            return Some(Incomplete::TransfersMissing(chain()));
        };
        if self.transfers == 0 || at < first {
            return Some(Incomplete::TransfersMissing(chain()));
        }
        if self.spans > 1 {
            return Some(Incomplete::TransfersGapped { chain: chain(), spans: self.spans });
        }
        let age = at.duration_since(last);
        let limit = limit.filter(|_| self.required);
        let stale = self.max_age.into_iter().chain(limit).min().filter(|limit| age > *limit)?;
        Some(Incomplete::TransfersStale {
            chain: chain(),
            age_seconds: age.as_secs().unsigned_abs(),
            max_age_seconds: stale.as_secs().unsigned_abs(),
        })
    }
}

/// Exposure as a snapshot holds it.
#[derive(Clone, Debug)]
pub struct ExposureState {
    /// The labels; `None` while no transfer is loaded, or before they are first built.
    pub labels: Option<Arc<Labels>>,
    /// Chain by chain, in the order of their CAIP-2 ids; required ones without transfers among
    /// them.
    pub chains: Vec<ChainCoverage>,
    /// Whether the labels do not know the lists in force, or not all transfers that were loaded
    /// when the program started.
    pub behind: bool,
    /// Why labels can no longer be brought up to date; they are behind then.
    pub failed: Option<Arc<str>>,
    /// How many times transfers were taken back.
    pub retractions: u64,
    /// The most hops.
    pub max_hops: u8,
    /// SHA-256 of the settings that exposure rests on.
    pub settings_digest: [u8; 32],
}

impl Default for ExposureState {
    /// No transfer and nothing required.
    fn default() -> Self {
        Self {
            labels: None,
            chains: Vec::new(),
            behind: false,
            failed: None,
            retractions: 0,
            max_hops: 5,
            settings_digest: [0; 32],
        }
    }
}

impl ExposureState {
    /// How many rows of the store the labels know.
    pub fn labelled_rows(&self) -> u64 {
        self.labels.as_ref().map_or(0, |labels| labels.rows())
    }

    /// What keeps screenings at `at` from resting on required chains, each with its chain.
    pub(super) fn shortcomings(
        &self,
        at: Timestamp,
        limit: Option<SignedDuration>,
    ) -> Vec<(Chain, Incomplete)> {
        let required = self.chains.iter().filter(|coverage| coverage.required);
        let unfit = required.filter_map(|coverage| {
            Some((coverage.chain.clone(), coverage.shortcoming(at, limit)?))
        });
        unfit.collect()
    }

    /// The chains whose transfers are loaded without gaps, and are not stale, at `at`.
    pub(super) fn covered(&self, at: Timestamp, limit: Option<SignedDuration>) -> Vec<Chain> {
        let whole = self.chains.iter().filter(|coverage| coverage.shortcoming(at, limit).is_none());
        whole.map(|coverage| coverage.chain.clone()).collect()
    }
}

/// What a snapshot's record says of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotChainRecord {
    /// The chain, CAIP-2.
    pub chain: String,
    /// Transfers that count as loaded.
    pub transfers: u64,
    /// The last height.
    pub last_height: Option<u64>,
    /// The last moment.
    pub last_time: Option<Timestamp>,
    /// The spans of covered blocks.
    pub spans: u64,
    /// Whether a screening of an address that fits the chain needs it.
    pub required: bool,
    /// The age from which it is stale, in seconds.
    pub max_age_seconds: Option<u64>,
}

impl From<&ChainCoverage> for SnapshotChainRecord {
    fn from(coverage: &ChainCoverage) -> Self {
        Self {
            chain: coverage.chain.caip2().into_owned(),
            transfers: coverage.transfers,
            last_height: coverage.last_height,
            last_time: coverage.last_time,
            spans: coverage.spans,
            required: coverage.required,
            max_age_seconds: coverage.max_age.map(|age| age.as_secs().unsigned_abs()),
        }
    }
}
