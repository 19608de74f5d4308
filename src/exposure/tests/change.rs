//! Whatever happens in whatever order, labels are those of the model.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::given::{self, settings};
use super::model::{LabelWriter, Model, shown};
use super::{clusters, searches};
use crate::domain::chain::Chain;
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::Transfer;
use crate::exposure::{Direction, Labels, Relabelling, Settings, Source, StopReason, World};

/// What happens to a world.
#[derive(Clone, Debug)]
pub enum Change {
    Append(Vec<Transfer>),
    Sources(Vec<Source>),
    MoreSources(Vec<Source>),
    Stops(Vec<(PackedKey, StopReason)>),
    Retract(u8, u64),
    /// Another telling of a row that is known, whichever, in its place.
    Replace(Index, Box<Transfer>),
    Restart,
    Relabel,
    /// Common inputs up to a moment.
    LookAsOf(u64),
}

pub fn change(
    transfer: impl Strategy<Value = Transfer> + 'static,
) -> impl Strategy<Value = Change> {
    let transfer = transfer.boxed();
    let many = prop::collection::vec(transfer.clone(), 1..5);
    let retract = (0_u8..4, 0_u64..6);
    prop_oneof![
        12 => many.prop_map(Change::Append),
        2 => prop::collection::vec(given::source(), 0..5).prop_map(Change::Sources),
        4 => prop::collection::vec(given::source(), 1..3).prop_map(Change::MoreSources),
        1 => prop::collection::vec(given::stop(), 0..2).prop_map(Change::Stops),
        1 => retract.prop_map(|(chain, height)| Change::Retract(chain, height)),
        2 => (any::<Index>(), transfer).prop_map(|(at, with)| Change::Replace(at, Box::new(with))),
        1 => Just(Change::Restart),
        14 => Just(Change::Relabel),
        1 => (0_u64..75).prop_map(Change::LookAsOf),
    ]
}

/// What takes rows out of the graph, in the order in which it happened.
enum Removal {
    Retraction(Chain, u64),
    /// By another row.
    Replacement(u64),
}

/// What is known, beside the world.
pub struct Known {
    settings: Settings,
    rows: Vec<Transfer>,
    gone: Vec<bool>,
    /// Each with how many rows there were.
    removals: Vec<(Removal, u64)>,
    sources: Vec<Source>,
    stops: Vec<(PackedKey, StopReason)>,
    world: World,
    /// The persisted form: meta, chunks, deltas.
    stored: (Vec<u8>, Vec<Vec<u8>>, Vec<Vec<u8>>),
    incremental: usize,
}

impl Known {
    pub fn new(settings: Settings) -> Self {
        let world = World::new(settings.clone());
        let (rows, gone, removals) = (Vec::new(), Vec::new(), Vec::new());
        let (sources, stops, stored) = Default::default();
        Self { settings, rows, gone, removals, sources, stops, world, stored, incremental: 0 }
    }

    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Append(transfers) => self.append(transfers),
            Change::Sources(sources) => {
                self.sources = sources;
                self.world.set_parties(self.sources.clone(), self.stops.clone());
            }
            Change::MoreSources(sources) => {
                self.sources.extend(sources);
                self.world.set_parties(self.sources.clone(), self.stops.clone());
            }
            Change::Stops(stops) => {
                self.stops = stops;
                self.world.set_parties(self.sources.clone(), self.stops.clone());
            }
            Change::Retract(chain, height) => self.retract(chain, height),
            Change::Replace(at, with) => self.replace(at, *with),
            Change::Restart => self.restart(),
            Change::Relabel => self.check(),
            Change::LookAsOf(until) => self.look(until),
        }
    }

    fn append(&mut self, transfers: Vec<Transfer>) {
        self.world.append(self.rows.len() as u64, &transfers);
        self.gone.resize(self.rows.len() + transfers.len(), false);
        self.rows.extend(transfers);
    }

    fn retract(&mut self, chain: u8, height: u64) {
        let chains = [Chain::Evm(1), Chain::Evm(56), Chain::Bitcoin, Chain::Litecoin];
        let chain = chains[usize::from(chain)].clone();
        for (row, gone) in self.rows.iter().zip(&mut self.gone) {
            let above = row.position().is_some_and(|position| position.height >= height);
            *gone |= row.chain == chain && above;
        }
        self.world.retract(&chain, height, self.rows.len() as u64);
        self.removals.push((Removal::Retraction(chain, height), self.rows.len() as u64));
    }

    /// A better telling stands where the worse one stood; of another chain it is of the status alone.
    fn replace(&mut self, at: Index, with: Transfer) {
        let known: Vec<_> = (0..self.rows.len()).filter(|&row| !self.gone[row]).collect();
        let Some(&row) = known.get(at.index(known.len().max(1))) else { return };
        let old = self.rows[row].clone();
        let is_same = with.chain == old.chain;
        let movement = if is_same { with.movement } else { old.movement.clone() };
        self.append(vec![Transfer { status: with.status, movement, ..old }]);
        self.gone[row] = true;
        self.world.remove(&HashSet::from([row as u64]));
        self.removals.push((Removal::Replacement(row as u64), self.rows.len() as u64));
    }

    /// Labels are written and read back, and answer as before; then the graph is made anew.
    fn restart(&mut self) {
        self.check();
        let (meta, chunks, deltas) = &self.stored;
        let stored = Labels::from_chunks(meta, chunks, deltas).unwrap();
        let mut world = World::new(self.settings.clone());
        world.resume(&stored);
        let mut row = 0;
        for (removal, below) in &self.removals {
            world.append(row, &self.rows[row as usize..*below as usize]);
            row = *below;
            match removal {
                Removal::Retraction(chain, height) => world.retract(chain, *height, *below),
                Removal::Replacement(row) => world.remove(&HashSet::from([*row])),
            }
        }
        world.append(row, &self.rows[row as usize..]);
        world.set_parties(self.sources.clone(), self.stops.clone());
        self.world = world;
    }

    pub fn check(&mut self) {
        let made = self.world.relabel();
        let labels = made.labels;
        self.incremental += usize::from(made.was == Relabelling::Incremental);
        match made.delta {
            Some(delta) => self.stored.2.push(delta),
            None => {
                let (meta, chunks) = labels.to_chunks();
                self.stored = (meta, chunks.collect(), Vec::new());
            }
        }
        let (meta, chunks, deltas) = &self.stored;
        let stored = Labels::from_chunks(meta, chunks, deltas).unwrap();
        assert_eq!(shown(&stored), shown(&labels));
        assert_eq!((stored.rows(), stored.generation()), (labels.rows(), labels.generation()));
        assert_eq!(labels.rows(), self.rows.len() as u64);
        let model = self.model();
        let (found, wanted) = (shown(&labels), model.labels());
        for key in found.keys().chain(wanted.keys()) {
            assert_eq!(found.get(key), wanted.get(key), "{key:?}");
        }
        model.assert_unvalued(&labels);
        model.assert_unvalued(&stored);
        model.assert_common_inputs(&labels);
        model.assert_common_inputs(&stored);
    }

    fn model(&self) -> Model<'_> {
        let rows = (0_u64..).zip(&self.rows).zip(&self.gone);
        Model {
            settings: &self.settings,
            rows: rows.filter(|(_, gone)| !**gone).map(|(row, _)| row).collect(),
            sources: &self.sources,
            stops: &self.stops,
        }
    }

    /// Searches for a past moment find what the model of then has.
    fn look(&mut self, until: u64) {
        self.check();
        let model = self.model();
        searches::assert_as_of(&self.world, &model, until, None);
        clusters::assert_as_of(&self.world, &model, until, None);
        clusters::assert_chains(&self.world, &model, until);
        clusters::assert_pages(&self.world, &model, 3);
    }
}

pub fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: cases.unwrap_or(default), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(300))]

    /// One build.
    #[test]
    fn a_build_is_the_model(
        rows in prop::collection::vec(given::transfer(), 1..26),
        sources in prop::collection::vec(given::source(), 1..5),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, hub_limit) in (1_u8..=15, 2_u32..8),
        clusters in given::clusters(),
    ) {
        let mut known = Known::new(clusters.within(settings(max_hops, hub_limit)));
        known.apply(Change::Stops(stops));
        known.apply(Change::Sources(sources));
        known.apply(Change::Append(rows));
        known.check();
    }

    /// Any interleaving.
    #[test]
    fn changes_end_where_a_build_does(
        changes in prop::collection::vec(change(given::transfer()), 1..24),
        (max_hops, hub_limit) in (1_u8..=15, 2_u32..14),
        clusters in given::clusters(),
    ) {
        let mut known = Known::new(clusters.within(settings(max_hops, hub_limit)));
        for change in changes {
            known.apply(change);
        }
        known.check();
    }

    /// Any interleaving of dust, with hubs that come soon.
    #[test]
    fn dust_in_any_order_ends_where_a_build_does(
        changes in prop::collection::vec(change(given::dusty()), 1..24),
        (max_hops, hub_limit) in (1_u8..=5, 2_u32..5),
        clusters in given::clusters(),
    ) {
        let mut known = Known::new(clusters.within(settings(max_hops, hub_limit)));
        for change in changes {
            known.apply(change);
        }
        known.check();
    }

    #[test]
    fn the_model_is_what_walks_say(
        rows in prop::collection::vec(given::transfer(), 1..10),
        sources in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        max_hops in 1_u8..=5,
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(settings(max_hops, 4));
        assert_walks_have_the_hops(&settings, &rows, &sources, &stops);
    }
}

/// The recursive definition finds the hops that walks have.
pub fn assert_walks_have_the_hops(
    settings: &Settings,
    rows: &[Transfer],
    sources: &[Source],
    stops: &[(PackedKey, StopReason)],
) {
    let rows: Vec<_> = (0_u64..).zip(rows).collect();
    let model = Model { settings, rows, sources, stops };
    let labels = model.labels();
    for direction in Direction::ALL {
        for kind in ListKind::ALL {
            let of = |shown: &LabelWriter| {
                shown.direction == direction && shown.kind == kind && !shown.hub
            };
            let hops = model.hops_by_walks(direction, kind);
            let labelled = labels.iter().filter_map(|(key, shown)| {
                Some((*key, shown.iter().find(|shown| of(shown))?.hops))
            });
            assert_eq!(labelled.collect::<BTreeMap<_, _>>(), hops);
        }
    }
}
