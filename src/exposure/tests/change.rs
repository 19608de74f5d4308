//! Whatever happens in whatever order, labels are those of the model.

use proptest::prelude::*;

use super::given::{self, settings};
use super::model::{Model, shown};
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::Transfer;
use crate::exposure::{Labels, Settings, Source, StopReason, Was, World};

/// What happens to a world.
#[derive(Clone, Debug)]
pub enum Change {
    Append(Vec<Transfer>),
    Sources(Vec<Source>),
    MoreSources(Vec<Source>),
    Stops(Vec<(PackedKey, StopReason)>),
    Retract(u8, u64),
    Restart,
    Relabel,
}

pub fn change(transfer: impl Strategy<Value = Transfer>) -> impl Strategy<Value = Change> {
    let many = prop::collection::vec(transfer, 1..5);
    let retract = (0_u8..3, 0_u64..6);
    prop_oneof![
        12 => many.prop_map(Change::Append),
        2 => prop::collection::vec(given::source(), 0..5).prop_map(Change::Sources),
        4 => prop::collection::vec(given::source(), 1..3).prop_map(Change::MoreSources),
        1 => prop::collection::vec(given::stop(), 0..2).prop_map(Change::Stops),
        1 => retract.prop_map(|(chain, height)| Change::Retract(chain, height)),
        1 => Just(Change::Restart),
        14 => Just(Change::Relabel),
    ]
}

/// What is known, beside the world.
pub struct Known {
    settings: Settings,
    rows: Vec<Transfer>,
    gone: Vec<bool>,
    retractions: Vec<(Chain, u64, u64)>,
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
        let (rows, gone, retractions) = (Vec::new(), Vec::new(), Vec::new());
        let (sources, stops, stored) = Default::default();
        Self { settings, rows, gone, retractions, sources, stops, world, stored, incremental: 0 }
    }

    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Append(transfers) => {
                self.world.append(self.rows.len() as u64, &transfers);
                self.gone.resize(self.rows.len() + transfers.len(), false);
                self.rows.extend(transfers);
            }
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
            Change::Restart => self.restart(),
            Change::Relabel => self.check(),
        }
    }

    fn retract(&mut self, chain: u8, height: u64) {
        let chain = [Chain::Evm(1), Chain::Evm(56), Chain::Bitcoin][usize::from(chain)].clone();
        for (row, gone) in self.rows.iter().zip(&mut self.gone) {
            let above = row.position().is_some_and(|position| position.height >= height);
            *gone |= row.chain == chain && above;
        }
        self.world.retract(&chain, height, self.rows.len() as u64);
        self.retractions.push((chain, height, self.rows.len() as u64));
    }

    /// Labels are written and read back, and answer as before; then the graph is made anew.
    fn restart(&mut self) {
        self.check();
        let (meta, chunks, deltas) = &self.stored;
        let stored = Labels::from_chunks(meta, chunks, deltas).unwrap();
        let mut world = World::new(self.settings.clone());
        world.resume(&stored);
        let mut row = 0;
        for (chain, height, below) in &self.retractions {
            world.append(row, &self.rows[row as usize..*below as usize]);
            row = *below;
            world.retract(chain, *height, *below);
        }
        world.append(row, &self.rows[row as usize..]);
        world.set_parties(self.sources.clone(), self.stops.clone());
        self.world = world;
    }

    pub fn check(&mut self) {
        let made = self.world.relabel();
        let labels = made.labels;
        self.incremental += usize::from(made.was == Was::Incremental);
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
        let rows = (0_u64..).zip(&self.rows).zip(&self.gone);
        let model = Model {
            settings: &self.settings,
            rows: rows.filter(|(_, gone)| !**gone).map(|(row, _)| row).collect(),
            sources: &self.sources,
            stops: &self.stops,
        };
        let (found, wanted) = (shown(&labels), model.labels());
        for key in found.keys().chain(wanted.keys()) {
            assert_eq!(found.get(key), wanted.get(key), "{key:?}");
        }
        model.assert_unvalued(&labels);
        model.assert_unvalued(&stored);
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
    ) {
        let mut known = Known::new(settings(max_hops, hub_limit));
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
    ) {
        let mut known = Known::new(settings(max_hops, hub_limit));
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
    ) {
        let mut known = Known::new(settings(max_hops, hub_limit));
        for change in changes {
            known.apply(change);
        }
        known.check();
    }

    /// The recursive definition finds the hops that walks have.
    #[test]
    fn the_model_is_what_walks_say(
        rows in prop::collection::vec(given::transfer(), 1..10),
        sources in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        max_hops in 1_u8..=5,
    ) {
        let settings = settings(max_hops, 4);
        let rows: Vec<_> = (0_u64..).zip(&rows).collect();
        let model = Model { settings: &settings, rows, sources: &sources, stops: &stops };
        let labels = model.labels();
        for direction in crate::exposure::Direction::ALL {
            for kind in crate::domain::list::ListKind::ALL {
                let of = |shown: &super::model::Shown| {
                    shown.direction == direction && shown.kind == kind && !shown.hub
                };
                let hops = model.hops_by_walks(direction, kind);
                let labelled = labels.iter().filter_map(|(key, shown)| {
                    Some((*key, shown.iter().find(|shown| of(shown))?.hops))
                });
                prop_assert_eq!(labelled.collect::<std::collections::BTreeMap<_, _>>(), hops);
            }
        }
    }
}
