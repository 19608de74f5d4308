//! The graph and its labels as the one writer holds them: takes transfers, retractions and parties
//! in, and brings labels to what a build from nothing gives. Decides between changing and building.

use std::sync::Arc;

use hashbrown::HashSet;

use super::build::build;
use super::clock::Clocks;
use super::edges::{Appended, Edges};
use super::hops::Hops;
use super::hubs::{HubWatch, by_hubs};
use super::labels::Basis;
use super::nodes::{HUB, Node, Nodes};
use super::path_ends::{KINDS, PathEnds, PathEndsChange};
use super::publish::LabelWriter;
use super::shares::{AssetId, Totals, Valuation};
use super::transfer_values::TransferValues;
use super::view::GraphView;
use super::{Direction, Labels, Settings, Source, StopReason};
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;

pub(super) use clusters::Clusters;

mod append;
mod change;
mod clusters;
mod direct;
mod dust;
mod split;
mod unvalued;
mod unvalued_search;

/// So many entries may be out of use, beside half of all, before labels are built anew.
const GARBAGE: usize = 1 << 20;

/// The graph of transfers with its working labels. Writing needs it alone; searches share it.
#[derive(Debug)]
pub struct World {
    pub(super) max_hops: u8,
    hub_limit: u32,
    pub(super) valuation: Valuation,
    pub(super) clocks: Clocks,
    pub(super) nodes: Nodes,
    pub(super) edges: Edges,
    pub(super) values: TransferValues,
    received: Totals,
    sent: Totals,
    /// From, to, asset and units of what was appended just now and is not in the totals.
    unsummed: Vec<(Node, Node, AssetId, u64)>,
    pub(super) parties: PathEnds,
    pub(super) tiers: Vec<Hops>,
    pub(super) watch: HubWatch,
    pub(super) clusters: Clusters,
    /// Stops whatever the lists say.
    nobody: std::collections::HashSet<PackedKey>,
    rows: u64,
    pending: Pending,
    pub(super) labels: Labels,
}

/// What changed since labels were made.
#[derive(Debug, Default)]
struct Pending {
    all: bool,
    /// Edges appended since, unless `all`.
    fresh: Vec<Appended>,
    /// Hubs must be counted, and dust added up, anew.
    recount: bool,
    /// Inputs must be joined anew.
    rejoin: bool,
    /// Dust that counts may count no more.
    demote: bool,
    parties: PathEndsChange,
    /// Keys that are joined with listed ones otherwise than before, by their first nodes.
    joined: HashSet<Node>,
}

#[derive(Debug)]
pub struct Relabelled {
    pub labels: Arc<Labels>,
    /// What to add to the persisted form; `None` where the base is new and must be written whole.
    pub delta: Option<Vec<u8>>,
    pub was: Relabelling,
    /// Keys that became hubs, which queued the building.
    pub new_hubs: Vec<PackedKey>,
}

/// How labels were brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relabelling {
    Incremental,
    /// From nothing: a new generation.
    Rebuilt,
}

impl World {
    pub fn new(settings: Settings) -> Self {
        let nobody = crate::domain::address::uncontrolled_keys();
        Self {
            max_hops: settings.max_hops.clamp(1, super::MAX_HOPS),
            hub_limit: settings.hub_limit,
            valuation: Valuation::new(settings.assets),
            clocks: Clocks::default(),
            nodes: Nodes::default(),
            edges: Edges::default(),
            values: TransferValues::default(),
            received: Totals::default(),
            sent: Totals::default(),
            unsummed: Vec::new(),
            parties: PathEnds::default(),
            tiers: Vec::new(),
            watch: HubWatch::default(),
            clusters: Clusters::new(settings.cluster_limit, settings.no_common_input),
            nobody: nobody.iter().map(PackedKey::from).collect(),
            rows: 0,
            pending: Pending { all: true, recount: true, ..Pending::default() },
            labels: Labels::default(),
        }
    }

    /// Goes on after labels that were persisted: with their numbers of sources and the generation
    /// after theirs. To be called before anything else.
    pub fn resume(&mut self, labels: &Labels) {
        self.parties.resume(&labels.sources);
        self.labels.generation = labels.generation;
        self.labels.sources = Arc::clone(&labels.sources);
    }

    /// How many rows were appended; retracted ones among them.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Says what the lists and settings in force are, for [`Labels::basis`].
    pub fn set_basis(&mut self, basis: Basis) {
        self.labels.basis = basis;
    }

    /// Puts full sets of sources and stops in place of those in force.
    pub fn set_parties(&mut self, sources: Vec<Source>, stops: Vec<(PackedKey, StopReason)>) {
        let difference = self.parties.set(sources, stops);
        for key in &difference.stops {
            let nodes = self.nodes.of_key(key);
            let stops = self.stop_reason(key).is_some();
            for &node in &nodes {
                self.nodes.set_stop(node, stops);
            }
            // A tag makes a hub no hub.
            self.pending.all |= !nodes.is_empty();
            self.pending.rejoin |=
                nodes.iter().any(|&node| self.clocks.chain(self.nodes.clock(node)).is_utxo());
        }
        if difference.shrunk.iter().any(|key| self.has_dust(key)) {
            self.pending.all = true;
            self.pending.recount = true;
            self.pending.demote = true;
        }
        let pending = &mut self.pending.parties;
        pending.grown.extend(difference.grown);
        pending.listed.extend(difference.listed);
        pending.added.extend(difference.added);
        for kind in 0..KINDS {
            pending.removed[kind] |= difference.removed[kind];
        }
    }

    /// Why paths end at a key, beside that it may be a hub.
    fn stop_reason(&self, key: &PackedKey) -> Option<StopReason> {
        let nobody = || {
            let is_evm = key.0[0] == 0;
            let evm = || {
                let mut bytes = [0; 20];
                bytes.copy_from_slice(&key.0[1..]);
                crate::domain::address::is_system_key(&crate::domain::key_id::KeyId::Evm(bytes))
            };
            (self.nobody.contains(key) || is_evm && evm()).then_some(StopReason::Nobody)
        };
        let contract =
            || self.valuation.assets().is_token_contract(key).then_some(StopReason::TokenContract);
        self.parties.stop(key).or_else(contract).or_else(nobody)
    }

    /// Why paths end at a key, now and on any chain; `None` where they do not.
    pub fn stop(&self, key: &PackedKey) -> Option<StopReason> {
        let is_hub = || self.nodes.of_key(key).iter().any(|&node| self.nodes.has(node, HUB));
        self.stop_reason(key).or_else(|| is_hub().then_some(StopReason::Hub))
    }

    /// Why a transfer that left a key on a chain at a chain time, in Unix seconds, ends paths; `None`
    /// where it does not.
    pub fn stop_at(&self, key: &PackedKey, chain: &Chain, time: u64) -> Option<StopReason> {
        let is_later = |&node: &Node| {
            let first = self.view().first_on_chain(node);
            *self.clocks.chain(self.nodes.clock(node)) == *chain
                && self.watch.moment(first).is_some_and(|moment| moment < time)
        };
        let is_hub = || self.nodes.of_key(key).iter().any(is_later);
        self.stop_reason(key).or_else(|| is_hub().then_some(StopReason::Hub))
    }

    pub(super) fn view(&self) -> GraphView<'_> {
        GraphView {
            nodes: &self.nodes,
            clocks: &self.clocks,
            edges: &self.edges,
            parties: &self.parties,
            max_hops: self.max_hops,
        }
    }

    /// Brings labels to what a build from nothing gives. Until then searches do not see what was
    /// appended, retracted or set since.
    pub fn relabel(&mut self) -> Relabelled {
        if self.clocks.settle() {
            // Whatever rests on chain times.
            self.pending.all = true;
            self.pending.recount = true;
        }
        self.place_fresh();
        self.edges.settle(self.nodes.len());
        self.join_inputs();
        self.add_up();
        let new_hubs = self.find_hubs();
        let pending = std::mem::take(&mut self.pending);
        let garbage = self.tiers.iter().any(|hops| hops.garbage > GARBAGE + hops.pool.len() / 2);
        let all = pending.all || garbage;
        let (was, delta) = if all {
            self.tiers.clear();
            (Relabelling::Rebuilt, None)
        } else {
            self.change(&pending)
        };
        if was == Relabelling::Rebuilt {
            self.edges.fold(self.nodes.len());
            self.make_missing();
        }
        Relabelled {
            labels: Arc::new(self.labels.clone()),
            delta,
            was,
            new_hubs: new_hubs.iter().map(|&node| *self.nodes.key(node)).collect(),
        }
    }

    /// As [`World::relabel`], from nothing whatever changed.
    pub fn rebuild(&mut self) -> Relabelled {
        self.pending.all = true;
        self.relabel()
    }

    /// Builds the labels of kinds that have none, and everything that is shown.
    fn make_missing(&mut self) {
        for kind in 0..KINDS {
            let is_there = self.tiers.iter().any(|hops| hops.kind == kind);
            if is_there || !self.parties.has_kind(kind) {
                continue;
            }
            let world = &*self;
            let make = |direction| world.tier(direction, kind);
            let (received, sent) = std::thread::scope(|scope| {
                let sent = scope.spawn(|| make(Direction::SentTo));
                (make(Direction::ReceivedFrom), sent.join())
            });
            self.tiers.push(received);
            // A panic there is one here.
            self.tiers.push(sent.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        self.tiers.sort_by_key(|hops| (hops.direction, hops.kind));
        let table = self.shown().table();
        self.labels.generation += 1;
        self.labels.tables = vec![Arc::new(table)];
        self.stamp_labels();
    }

    fn tier(&self, direction: Direction, kind: usize) -> Hops {
        let mut hops = build(self.view(), direction, kind);
        by_hubs(self.view(), &mut hops, &self.watch);
        self.sum_direct(&mut hops);
        self.count_unvalued(&mut hops);
        hops
    }

    /// All that a node received, or sent, in units of an asset.
    pub(super) fn total(&self, direction: Direction, node: Node, asset: AssetId) -> u64 {
        match direction {
            Direction::ReceivedFrom => self.received.of(node, asset),
            Direction::SentTo => self.sent.of(node, asset),
        }
    }

    fn shown(&self) -> LabelWriter<'_> {
        LabelWriter {
            view: self.view(),
            tiers: &self.tiers,
            received: &self.received,
            sent: &self.sent,
            valuation: &self.valuation,
            clusters: &self.clusters,
            has_cut: self.clusters.has_cut(),
        }
    }

    fn stamp_labels(&mut self) {
        self.labels.rows = self.rows;
        self.labels.max_hops = self.max_hops;
        if self.labels.sources.len() != self.parties.registry().len() {
            self.labels.sources = Arc::new(self.parties.registry().to_vec());
        }
    }
}
