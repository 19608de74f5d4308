//! Exposure as a snapshot holds it: the labels, what they know, and whether the transfers of each
//! chain are what the configuration asks for.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Incomplete, NotKept};
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::coverage::{ChainSummary, KindSummary};
use crate::domain::transfer::{Asset, MovementKind};
use crate::exposure::{DEFAULT_HOPS, Labels};

/// What is loaded of one chain's transfers, and what must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainCoverage {
    pub chain: Chain,
    /// Transfers that count as loaded.
    pub transfers: u64,
    pub first_time: Option<Timestamp>,
    pub last_time: Option<Timestamp>,
    /// Whether a screening of an address that fits the chain needs it.
    pub required: bool,
    /// The age of the last moment from which it is stale; `None` where it does not age.
    pub max_age: Option<SignedDuration>,
    /// By kind of movement: those that are loaded, and those that are needed.
    pub kinds: Vec<KindCoverage>,
    /// An asset of the chain that is not in the asset table, where nothing of the chain could count
    /// because of it: the chain's own coin, or the first of its assets where none has a known value.
    pub unvalued: Option<Asset>,
}

/// What is loaded of one kind of movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindCoverage {
    pub kind: MovementKind,
    /// Whether the chain is not covered without it.
    pub is_needed: bool,
    /// Whether screenings of a required chain are INCOMPLETE without it.
    pub is_required: bool,
    pub last_height: Option<u64>,
    /// The spans of covered blocks.
    pub spans: u64,
    /// Known gaps, conflicts and forks among them.
    pub gaps: u64,
    /// What keeps it from being whole.
    pub shortfall: Option<Shortfall>,
}

/// What keeps a kind of movement from being whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// Nothing of it was seen or declared.
    Missing,
    /// Blocks are not wholly known, or other kinds reach further.
    Gapped,
    /// Transfers state no height, and no span of time was declared for them.
    Unpositioned,
}

impl ChainCoverage {
    /// What is loaded by `summary`, of whose assets `assets` are the first; `required` are the kinds that
    /// the configuration asks for, none where the chain is not required.
    pub fn new(
        chain: &Chain,
        summary: &ChainSummary,
        assets: &[Asset],
        required: Option<&[MovementKind]>,
        table: &AssetTable,
    ) -> Self {
        let needed = |kind: &MovementKind| {
            MovementKind::required_of(chain).contains(kind)
                || required.is_some_and(|required| required.contains(kind))
        };
        let extent = Extents::of(summary, &needed);
        let is_known = |kind: &MovementKind| summary.kinds.contains_key(kind) || needed(kind);
        let kinds = MovementKind::ALL.into_iter().filter(is_known).map(|kind| {
            let own = summary.kinds.get(&kind).copied().unwrap_or_default();
            let gaps = summary.gaps.get(&kind).copied().unwrap_or(0);
            KindCoverage {
                kind,
                is_needed: needed(&kind),
                is_required: required.is_some_and(|required| required.contains(&kind)),
                last_height: own.heights.ends.map(|(_, last)| last),
                spans: own.heights.count,
                gaps,
                shortfall: extent.shortfall(&own, gaps),
            }
        });
        let valued = |asset: &Asset| table.rule(chain, asset).is_some();
        let unvalued = match (valued(&Asset::Native), assets.iter().any(valued)) {
            (false, _) => Some(Asset::Native),
            (true, false) => assets.first().cloned(),
            (true, true) => None,
        };
        Self {
            kinds: kinds.collect(),
            unvalued,
            transfers: summary.transfers,
            first_time: summary.first_time.and_then(moment),
            last_time: summary.last_time.and_then(moment),
            required: required.is_some(),
            max_age: None,
            chain: chain.clone(),
        }
    }

    /// Whether everything that covering the chain needs is known, whatever its age.
    pub fn is_whole(&self) -> bool {
        let mut needed = self.kinds.iter().filter(|kind| kind.is_needed);
        self.transfers > 0 && self.unvalued.is_none() && needed.all(|kind| kind.shortfall.is_none())
    }

    /// What keeps a screening at `at` from resting on the chain: of required kinds alone where
    /// `required`, else of all that covering the chain needs. `limit` is the policy's, which holds
    /// where the chain is required and the limit is the stricter.
    fn shortcomings(
        &self,
        at: Timestamp,
        limit: Option<SignedDuration>,
        required: bool,
    ) -> Vec<Incomplete> {
        let chain = || self.chain.clone();
        let wanted =
            |kind: &&KindCoverage| if required { kind.is_required } else { kind.is_needed };
        let kinds: Vec<_> = self.kinds.iter().filter(wanted).collect();
        let missing =
            |kind: &&KindCoverage| Incomplete::TransfersMissing { chain: chain(), kind: kind.kind };
        let (Some(first), Some(last)) = (self.first_time, self.last_time) else {
            return kinds.iter().map(missing).collect();
        };
        if self.transfers == 0 || at < first {
            return kinds.iter().map(missing).collect();
        }
        let mut found: Vec<_> =
            kinds.iter().filter_map(|kind| kind.incomplete(&self.chain)).collect();
        if let Some(asset) = &self.unvalued {
            found.push(Incomplete::TransfersUnvalued { chain: chain(), asset: asset.to_string() });
        }
        let age = at.duration_since(last);
        let limit = limit.filter(|_| self.required);
        let stale = self.max_age.into_iter().chain(limit).min().filter(|limit| age > *limit);
        found.extend(stale.map(|stale| Incomplete::TransfersStale {
            chain: chain(),
            age_seconds: age.as_secs().unsigned_abs(),
            max_age_seconds: stale.as_secs().unsigned_abs(),
        }));
        found
    }
}

impl KindCoverage {
    fn incomplete(&self, chain: &Chain) -> Option<Incomplete> {
        let (chain, kind) = (chain.clone(), self.kind);
        Some(match self.shortfall? {
            Shortfall::Missing => Incomplete::TransfersMissing { chain, kind },
            Shortfall::Gapped => {
                Incomplete::TransfersGapped { chain, kind, spans: self.spans, gaps: self.gaps }
            }
            Shortfall::Unpositioned => Incomplete::TransfersUnpositioned { chain, kind },
        })
    }
}

/// How far the needed kinds of a chain reach together: each of them must reach as far.
struct Extents {
    heights: Option<(u64, u64)>,
    times: Option<(u64, u64)>,
}

impl Extents {
    fn of(summary: &ChainSummary, needed: &dyn Fn(&MovementKind) -> bool) -> Self {
        let wider = |a: (u64, u64), b: (u64, u64)| (a.0.min(b.0), a.1.max(b.1));
        let of_needed = summary.kinds.iter().filter(|(kind, _)| needed(kind));
        let heights = of_needed.filter_map(|(_, own)| own.heights.ends);
        // What schema 2 took for covered is missing of each kind until it is declared.
        let heights = heights.chain(summary.undeclared.ends).reduce(wider);
        Self { heights, times: summary.first_time.zip(summary.last_time) }
    }

    fn shortfall(&self, own: &KindSummary, gaps: u64) -> Option<Shortfall> {
        let whole = match (own.heights.is_empty(), own.times.is_empty()) {
            (true, true) if !own.has_undeclared_times => return Some(Shortfall::Missing),
            (true, true) => return Some(Shortfall::Unpositioned),
            (false, _) => own.heights.is_whole_over(self.heights),
            (true, false) => own.times.is_whole_over(self.times),
        };
        if own.has_undeclared_times {
            return Some(Shortfall::Unpositioned);
        }
        (!whole || gaps > 0).then_some(Shortfall::Gapped)
    }
}

/// Converts Unix seconds; `None` out of range.
pub fn moment(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
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
    /// when the program started or acknowledged before they were labelled.
    pub behind: bool,
    /// Why labels can no longer be brought up to date; they are behind then.
    pub failed: Option<Arc<str>>,
    /// How many times transfers were taken back.
    pub retractions: u64,
    /// How many transfers count in the place of others.
    pub replacements: u64,
    /// How often coverage changed without transfers.
    pub coverage_revision: u64,
    /// Why exposure is not known, in a past snapshot that was put together again.
    pub not_kept: Option<NotKept>,
    /// The last change of the stored transfers that this knows.
    pub change: u64,
    pub max_hops: u8,
    /// SHA-256 of the settings that exposure rests on.
    pub settings_digest: [u8; 32],
    /// Chains on which no transfers are required, CAIP-2, that are stale from an age in seconds on;
    /// whether or not transfers of them are loaded.
    pub aged_chains: Arc<[(String, u64)]>,
}

/// A chain on which transfers were required, in a record of a snapshot.
#[derive(Clone, Debug)]
pub struct RequiredChain<'r> {
    /// CAIP-2.
    pub chain: &'r str,
    /// Its limit of age, in seconds.
    pub max_age: Option<u64>,
    /// The kinds of movement that are required.
    pub kinds: &'r [MovementKind],
}

impl RequiredChain<'_> {
    /// The coverage of the chain while nothing of it was loaded; `None` where it names no chain.
    fn unloaded(&self) -> Option<ChainCoverage> {
        let kind = |kind: &MovementKind| KindCoverage {
            kind: *kind,
            is_needed: true,
            is_required: true,
            last_height: None,
            spans: 0,
            gaps: 0,
            shortfall: Some(Shortfall::Missing),
        };
        let seconds = |age: u64| SignedDuration::from_secs(i64::try_from(age).unwrap_or(i64::MAX));
        Some(ChainCoverage {
            chain: self.chain.parse().ok()?,
            transfers: 0,
            first_time: None,
            last_time: None,
            required: true,
            max_age: self.max_age.map(seconds),
            kinds: self.kinds.iter().map(kind).collect(),
            unvalued: None,
        })
    }
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
            replacements: 0,
            coverage_revision: 0,
            not_kept: None,
            change: 0,
            max_hops: DEFAULT_HOPS,
            settings_digest: [0; 32],
            aged_chains: Arc::default(),
        }
    }
}

impl ExposureState {
    /// Exposure while no transfer was loaded. Fails with a chain that the record names and is none.
    pub fn without_transfers<'r>(
        required: impl Iterator<Item = RequiredChain<'r>>,
    ) -> Result<Self, String> {
        let chains = required.map(|it| it.unloaded().ok_or_else(|| it.chain.to_owned()));
        Ok(Self { chains: chains.collect::<Result<_, _>>()?, ..Self::default() })
    }

    /// Over how many hops, of so many asked for, exposure is looked for; 0 where no transfers are
    /// labelled.
    pub fn hops_looked_over(&self, asked: u8) -> u8 {
        if self.labels.as_ref().is_some_and(|labels| labels.rows() > 0) { asked } else { 0 }
    }

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
        let unfit = required.flat_map(|coverage| {
            let found = coverage.shortcomings(at, limit, true).into_iter();
            found.map(|reason| (coverage.chain.clone(), reason))
        });
        unfit.collect()
    }

    /// The chains whose transfers are loaded without gaps, and are not stale, at `at`; and what keeps
    /// those from being so of which something is loaded.
    pub(super) fn covered(
        &self,
        at: Timestamp,
        limit: Option<SignedDuration>,
    ) -> (Vec<Chain>, Vec<(Chain, Incomplete)>) {
        let (mut covered, mut short) = (Vec::new(), Vec::new());
        for coverage in &self.chains {
            let found = coverage.shortcomings(at, limit, false);
            if found.is_empty() {
                covered.push(coverage.chain.clone());
            } else if coverage.transfers > 0 && !coverage.required {
                short.extend(found.into_iter().map(|reason| (coverage.chain.clone(), reason)));
            }
        }
        (covered, short)
    }
}

/// What a snapshot's record says of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotChainRecord {
    /// The chain, CAIP-2.
    pub chain: String,
    /// Transfers that count as loaded.
    pub transfers: u64,
    pub last_time: Option<Timestamp>,
    /// Whether a screening of an address that fits the chain needs it.
    pub required: bool,
    /// The age from which it is stale, in seconds.
    pub max_age_seconds: Option<u64>,
    pub kinds: Vec<SnapshotKindRecord>,
    /// An asset that is not in the asset table, where nothing of the chain could count because of it.
    pub unvalued: Option<String>,
}

/// What a snapshot's record says of one kind of movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotKindRecord {
    pub kind: MovementKind,
    /// Whether everything of it is known.
    pub whole: bool,
    /// Whether the chain is not covered without it.
    pub needed: bool,
    pub last_height: Option<u64>,
    /// The spans of covered blocks.
    pub spans: u64,
    pub gaps: u64,
}

impl From<&ChainCoverage> for SnapshotChainRecord {
    fn from(coverage: &ChainCoverage) -> Self {
        let kind = |of: &KindCoverage| SnapshotKindRecord {
            kind: of.kind,
            whole: of.shortfall.is_none(),
            needed: of.is_needed,
            last_height: of.last_height,
            spans: of.spans,
            gaps: of.gaps,
        };
        Self {
            chain: coverage.chain.caip2().into_owned(),
            transfers: coverage.transfers,
            last_time: coverage.last_time,
            required: coverage.required,
            max_age_seconds: coverage.max_age.map(|age| age.as_secs().unsigned_abs()),
            kinds: coverage.kinds.iter().map(kind).collect(),
            unvalued: coverage.unvalued.as_ref().map(ToString::to_string),
        }
    }
}
