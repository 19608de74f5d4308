//! What a snapshot id stands for: its record and the record's stored form. Builds no snapshot.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::coverage::{ExposureState, RequiredChain, SnapshotChainRecord};
use super::super::policy::Policy;
use super::{ENGINE_VERSION, SnapshotList};
use crate::domain::list::{DeclaredCheck, ListId, ListKind};
use crate::domain::transfer::MovementKind;

/// What a snapshot id stands for, as kept in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// The list versions, in the order of their ids.
    pub lists: Vec<SnapshotListRecord>,
    /// Required lists that are not loaded.
    pub missing: Vec<ListId>,
    /// [`ENGINE_VERSION`].
    pub engine_version: String,
    /// [`Policy::version`].
    pub policy_version: String,
    /// SHA-256 of the policy's file; zeros in records of versions that knew no such file.
    #[serde(default)]
    pub policy_digest: [u8; 32],
    /// Whether stale lists were let pass.
    pub stale_allowed: bool,
    /// The most hops that exposure is looked for; 0 in records of versions that knew none.
    #[serde(default)]
    pub max_hops: u8,
    /// SHA-256 of the settings that exposure rests on.
    #[serde(default)]
    pub exposure_settings: [u8; 32],
    /// The chains on which transfers are required, CAIP-2, each with its limit of age in seconds.
    #[serde(default)]
    pub required_chains: Vec<(String, Option<u64>)>,
    /// The kinds of movement that are required on them; none in records of versions that told no kinds
    /// apart.
    #[serde(default)]
    pub required_kinds: Vec<Vec<MovementKind>>,
    /// [`ExposureState::aged_chains`]; `None` in records of versions that did not keep them.
    #[serde(default)]
    pub aged_chains: Option<Vec<(String, u64)>>,
    /// What the rest of the id stands for.
    #[serde(skip)]
    pub transfers: TransfersRecord,
}

/// The transfers that a snapshot's labels know. Not stored with the record: the store's rows are
/// kept for ever, and the id names how many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransfersRecord {
    pub rows: u64,
    /// How many times transfers had been taken back.
    pub retractions: u64,
    /// How many transfers counted in the place of others.
    pub replacements: u64,
    /// Chain by chain, in the order of their CAIP-2 ids.
    pub chains: Vec<SnapshotChainRecord>,
}

/// One list version in a [`SnapshotRecord`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotListRecord {
    pub id: ListId,
    /// What being on it means.
    pub kind: ListKind,
    pub version: u64,
    pub digest: [u8; 32],
    /// The latest day of publication seen. Not stored, as `current_at`: the number of looks in the
    /// id stands for both. Records of versions that did not count looks have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Date>,
    /// When it was last known to be current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_at: Option<Timestamp>,
    /// The age from which it is stale, in seconds.
    pub max_age_seconds: Option<u64>,
    /// Whether a screening without it is INCOMPLETE.
    pub required: bool,
    /// [`crate::domain::list::ListState::is_by_hand`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
    /// [`crate::domain::list::ListCheck::declared_check_in_force`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<DeclaredCheck>,
}

impl SnapshotRecord {
    /// The record as JSON, as it is stored: without what changes at every look at a source.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut kept = self.clone();
        for list in &mut kept.lists {
            (list.published, list.current_at) = (None, None);
        }
        serde_json::to_vec(&kept).expect("strings, numbers and lists always have a JSON form")
    }

    /// The chains on which transfers are required.
    pub fn required_transfers(&self) -> impl Iterator<Item = RequiredChain<'_>> {
        let none: &[MovementKind] = &[];
        let kinds = self.required_kinds.iter().map(Vec::as_slice);
        let kinds = kinds.chain(std::iter::repeat(none));
        self.required_chains.iter().zip(kinds).map(|((chain, max_age), kinds)| RequiredChain {
            chain,
            max_age: *max_age,
            kinds,
        })
    }

    /// Whether the lists, the terms and the policy are those of `other`, whatever transfers are
    /// required.
    pub fn has_same_lists(&self, other: &Self) -> bool {
        let (required_chains, required_kinds) =
            (other.required_chains.clone(), other.required_kinds.clone());
        let aged_chains = other.aged_chains.clone();
        let same = Self { required_chains, required_kinds, aged_chains, ..self.clone() };
        same.encode() == other.encode()
    }

    /// Whether what is stored is what a name stands for.
    pub fn is_named(name: &str, stored: &[u8]) -> bool {
        short_name(stored) == name
    }

    pub fn decode(stored: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(stored)
    }
}

/// Returns the short name of what is stored: the first 8 bytes of its SHA-256, in hex.
pub(super) fn short_name(stored: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(stored)[..8])
}

pub(super) fn record_of(
    lists: &[SnapshotList],
    required: &[ListId],
    stale_allowed: bool,
    exposure: &ExposureState,
    policy: &Policy,
) -> SnapshotRecord {
    let loaded = |id: &ListId| lists.iter().any(|list| list.id() == id);
    SnapshotRecord {
        lists: lists
            .iter()
            .map(|list| {
                let state = list.state();
                SnapshotListRecord {
                    id: list.id().clone(),
                    kind: list.kind(),
                    version: state.version.version,
                    digest: state.version.digest,
                    published: state.published(),
                    current_at: list.current_at,
                    max_age_seconds: list.terms.max_age.map(|age| age.as_secs().unsigned_abs()),
                    required: list.terms.required,
                    by_hand: state.is_by_hand(),
                    declared: state.check.declared_check_in_force().cloned(),
                }
            })
            .collect(),
        missing: required.iter().filter(|id| !loaded(id)).cloned().collect(),
        engine_version: ENGINE_VERSION.to_owned(),
        policy_version: policy.version().to_owned(),
        policy_digest: *policy.digest(),
        stale_allowed,
        max_hops: exposure.max_hops,
        exposure_settings: exposure.settings_digest,
        required_chains: required_chains(exposure),
        required_kinds: required_kinds(exposure),
        aged_chains: Some(exposure.aged_chains.to_vec()),
        transfers: TransfersRecord::of(exposure),
    }
}

fn required_chains(exposure: &ExposureState) -> Vec<(String, Option<u64>)> {
    let required = exposure.chains.iter().filter(|coverage| coverage.required);
    let seconds = |age: jiff::SignedDuration| age.as_secs().unsigned_abs();
    required.map(|c| (c.chain.caip2().into_owned(), c.max_age.map(seconds))).collect()
}

fn required_kinds(exposure: &ExposureState) -> Vec<Vec<MovementKind>> {
    let required = exposure.chains.iter().filter(|coverage| coverage.required);
    let kinds = required.map(|coverage| {
        let kinds = coverage.kinds.iter().filter(|kind| kind.is_required);
        kinds.map(|kind| kind.kind).collect()
    });
    kinds.collect()
}

impl TransfersRecord {
    /// What the labels of `exposure` know.
    pub(super) fn of(exposure: &ExposureState) -> Self {
        Self {
            rows: exposure.labelled_rows(),
            retractions: exposure.retractions,
            replacements: exposure.replacements,
            chains: exposure.chains.iter().map(SnapshotChainRecord::from).collect(),
        }
    }
}
