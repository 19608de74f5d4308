//! Common inputs by their definition: which keys a transaction joins, and clusters made anew for each
//! moment by looking at all transactions until nothing is added.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, keys};
use crate::domain::chain::Chain;
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Leg, Movement, Transfer, TxStatus, UtxoMovement};
use crate::exposure::{CommonInput, Labels, Source};

/// A transaction that joins keys, two or more.
#[derive(Clone, Debug)]
pub struct Joining {
    pub row: u64,
    pub time: u64,
    pub keys: BTreeSet<PackedKey>,
}

/// A key at which paths of a kind begin.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Those that the key is or, by common inputs, those that it is joined with; in order.
    pub sources: Vec<Source>,
    pub common_input: bool,
}

pub type Seeds = BTreeMap<PackedKey, Seed>;

/// What is compared of a key: what is said of each kind, and the first of the sources.
pub type JoinedKey = Vec<(CommonInput, Source)>;

/// That a key is in the cluster of a source. What is cut comes after all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tie {
    is_cut: bool,
    source: Source,
    is_beside: bool,
}

/// The one key that a leg names.
fn key_of(leg: &Leg, chain: &Chain) -> Option<PackedKey> {
    let mut keys = keys(&leg.holders, chain);
    keys.sort();
    keys.dedup();
    if let [key] = keys[..] { Some(key) } else { None }
}

/// At least three input keys, and three receivers of one amount: a key, or the keys that one output
/// names.
fn is_coin_join(of: &UtxoMovement, chain: &Chain) -> bool {
    let inputs: BTreeSet<_> = of.inputs.iter().filter_map(|leg| key_of(leg, chain)).collect();
    let mut amounts = of.outputs.iter().filter_map(|leg| leg.amount).filter(|amount| *amount > 0);
    let is_split_evenly = amounts.any(|amount| {
        let equal = of.outputs.iter().filter(|leg| leg.amount == Some(amount));
        let receivers: BTreeSet<BTreeSet<_>> =
            equal.map(|leg| keys(&leg.holders, chain).into_iter().collect()).collect();
        receivers.iter().filter(|receiver| !receiver.is_empty()).count() >= 3
    });
    inputs.len() >= 3 && is_split_evenly
}

/// The keys that a key is joined with up to a moment, and the key.
fn cluster(joinings: &[Joining], key: PackedKey, until: u64) -> BTreeSet<PackedKey> {
    let mut cluster = BTreeSet::from([key]);
    loop {
        let before = cluster.len();
        for joining in joinings.iter().filter(|joining| joining.time <= until) {
            if !joining.keys.is_disjoint(&cluster) {
                cluster.extend(&joining.keys);
            }
        }
        if cluster.len() == before {
            return cluster;
        }
    }
}

/// By key, the fewest transactions that join it with one of some; none of keys that are not joined.
pub fn fewest_joins(joinings: &[Joining], from: &[PackedKey]) -> BTreeMap<PackedKey, usize> {
    let mut reached: BTreeMap<_, _> = from.iter().map(|key| (*key, 0)).collect();
    for joins in 1..=joinings.len() {
        let is_reached =
            |joining: &&Joining| joining.keys.iter().any(|key| reached.contains_key(key));
        let next: Vec<_> = joinings.iter().filter(is_reached).collect();
        for key in next.iter().flat_map(|joining| &joining.keys) {
            reached.entry(*key).or_insert(joins);
        }
    }
    reached
}

impl Model<'_> {
    /// The keys that a transaction joins; none where they are fewer than two.
    fn joined_by(&self, transfer: &Transfer) -> BTreeSet<PackedKey> {
        let Movement::Utxo(of) = &transfer.movement else { return BTreeSet::new() };
        let chain = &transfer.chain;
        let is_off = self.settings.no_common_input.contains(chain);
        if is_off || transfer.status == TxStatus::Failed || is_coin_join(of, chain) {
            return BTreeSet::new();
        }
        let keys = of.inputs.iter().filter_map(|leg| key_of(leg, chain));
        let keys: BTreeSet<_> = keys.filter(|key| !self.is_stop(key)).collect();
        if keys.len() < 2 { BTreeSet::new() } else { keys }
    }

    /// Every transaction that joins keys.
    pub fn joinings(&self) -> Vec<Joining> {
        let joining = |(row, transfer): &(u64, &Transfer)| {
            let keys = self.joined_by(transfer);
            let time = || self.chain_time(transfer);
            (!keys.is_empty()).then(|| Joining { row: *row, time: time(), keys })
        };
        self.rows.iter().filter_map(joining).collect()
    }

    /// The keys that a key is joined with over any chain of transactions, and the key.
    pub fn cluster(&self, key: PackedKey) -> BTreeSet<PackedKey> {
        cluster(&self.joinings(), key, u64::MAX)
    }

    /// The keys of the cluster of a key while it had no more than the limit.
    fn owner_cluster(&self, joinings: &[Joining], key: PackedKey) -> BTreeSet<PackedKey> {
        let moments: BTreeSet<_> = joinings.iter().map(|joining| joining.time).collect();
        let mut owner = BTreeSet::from([key]);
        for until in moments {
            let cluster = cluster(joinings, key, until);
            if cluster.len() <= self.settings.cluster_limit as usize {
                owner = cluster;
            }
        }
        owner
    }

    /// By key, its ties to the sources of a kind, in order; none of a key that is one of them.
    fn ties(&self, kind: ListKind) -> BTreeMap<PackedKey, Vec<Tie>> {
        let joinings = self.joinings();
        let firsts = self.firsts(kind);
        let mut ties: BTreeMap<PackedKey, Vec<Tie>> = BTreeMap::new();
        for source in self.sources.iter().filter(|source| source.kind == kind) {
            let owner = self.owner_cluster(&joinings, source.key);
            for key in cluster(&joinings, source.key, u64::MAX) {
                if firsts.contains_key(&key) {
                    continue;
                }
                let are_beside =
                    |of: &Joining| of.keys.contains(&key) && of.keys.contains(&source.key);
                let is_beside = joinings.iter().any(are_beside);
                let is_cut = !is_beside && !owner.contains(&key);
                let tie = Tie { is_cut, source: source.clone(), is_beside };
                ties.entry(key).or_default().push(tie);
            }
        }
        ties.values_mut().for_each(|ties| ties.sort());
        ties
    }

    /// What every key is joined with, or cut from.
    pub fn common_inputs(&self) -> BTreeMap<PackedKey, JoinedKey> {
        let kinds: BTreeSet<_> = self.sources.iter().map(|source| source.kind).collect();
        let tied: BTreeSet<_> =
            kinds.into_iter().flat_map(|kind| self.ties(kind).into_keys()).collect();
        tied.into_iter().map(|key| (key, self.common_inputs_of(&[key]))).collect()
    }

    /// The same of several keys of one address, but for kinds of which one of them is a source.
    pub fn common_inputs_of(&self, keys: &[PackedKey]) -> JoinedKey {
        let kinds: BTreeSet<_> = self.sources.iter().map(|source| source.kind).collect();
        let mut found = JoinedKey::new();
        for kind in kinds {
            let firsts = self.firsts(kind);
            if keys.iter().any(|key| firsts.contains_key(key)) {
                continue;
            }
            let ties = self.ties(kind);
            let own: Vec<_> = keys.iter().filter_map(|key| ties.get(key)).flatten().collect();
            if let Some(Tie { is_cut, source, .. }) = own.iter().min() {
                let is_beside = own.iter().any(|tie| tie.is_beside);
                found.push((CommonInput { kind, is_beside, is_cut: *is_cut }, source.clone()));
            }
        }
        found
    }

    /// The keys at which paths of a kind begin.
    pub fn seeds(&self, kind: ListKind) -> Seeds {
        let mut seeds = Seeds::new();
        for (key, ties) in self.ties(kind) {
            let joined = ties.into_iter().filter(|tie| !tie.is_cut);
            let sources: Vec<_> = joined.map(|tie| tie.source).collect();
            if !sources.is_empty() {
                seeds.insert(key, Seed { sources, common_input: true });
            }
        }
        for key in self.firsts(kind).into_keys() {
            let is_of = |source: &&Source| source.key == key && source.kind == kind;
            let mut sources: Vec<_> = self.sources.iter().filter(is_of).cloned().collect();
            sources.sort();
            seeds.insert(key, Seed { sources, common_input: false });
        }
        seeds
    }

    /// Whether a transfer names a key.
    pub fn is_named(&self, key: &PackedKey) -> bool {
        self.rows.iter().any(|(_, transfer)| {
            let chain = &transfer.chain;
            match &transfer.movement {
                Movement::Account(of) => of
                    .from
                    .iter()
                    .chain(&of.to)
                    .any(|end| keys(std::slice::from_ref(end), chain).contains(key)),
                Movement::Utxo(of) => {
                    let mut legs = of.inputs.iter().chain(&of.outputs);
                    legs.any(|leg| keys(&leg.holders, chain).contains(key))
                }
            }
        })
    }

    /// Labels say the same, of every key and of no other.
    pub fn assert_common_inputs(&self, labels: &Labels) {
        let found = labels.keys().filter_map(|(key, found)| {
            let joined = found.common_inputs();
            let mut joined: Vec<_> =
                joined.map(|(of, source)| (of, labels.source(source).clone())).collect();
            joined.sort();
            (!joined.is_empty()).then_some((key, joined))
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), self.common_inputs());
    }
}
