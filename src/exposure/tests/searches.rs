//! Searches find what the model enumerates: paths, exposure as of a moment, evidence.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::given::{self, settings};
use super::model::{LabelWriter, Model};
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::Transfer;
use crate::exposure::{
    Direction, HopRef, Label, Path, PathQuery, Settings, Source, StopReason, Timing, World,
};

pub const BUDGET: u64 = 1_000_000;

/// What a world is made of.
pub struct Facts {
    pub settings: Settings,
    pub transfers: Vec<Transfer>,
    pub sources: Vec<Source>,
    pub stops: Vec<(PackedKey, StopReason)>,
}

impl Facts {
    pub fn model(&self) -> Model<'_> {
        let Self { settings, transfers, sources, stops } = self;
        Model { settings, rows: (0_u64..).zip(transfers).collect(), sources, stops }
    }

    /// Labelled.
    pub fn world(&self) -> World {
        let mut world = World::new(self.settings.clone());
        world.append(0, &self.transfers);
        world.set_parties(self.sources.clone(), self.stops.clone());
        world.relabel();
        world
    }
}

/// The model with the transfers up to a moment, for its sources or others.
pub fn as_of<'a>(model: &Model<'a>, until: u64, sources: Option<&'a [Source]>) -> Model<'a> {
    let then = model.rows.iter().filter(|(_, row)| model.chain_time(row) <= until);
    Model {
        settings: model.settings,
        rows: then.copied().collect(),
        sources: sources.unwrap_or(model.sources),
        stops: model.stops,
    }
}

/// The rows of the walks that end at each key without passing a key twice, funds' order.
fn walks(
    model: &Model<'_>,
    direction: Direction,
    kind: ListKind,
) -> BTreeMap<PackedKey, BTreeSet<Vec<u64>>> {
    let mut found: BTreeMap<_, BTreeSet<Vec<u64>>> = BTreeMap::new();
    for walk in model.walks(direction, kind) {
        let keys: BTreeSet<_> = walk.iter().map(|step| step.to).chain([walk[0].from]).collect();
        if keys.len() == walk.len() + 1 {
            let mut rows: Vec<_> = walk.iter().map(|step| step.row).collect();
            if direction == Direction::SentTo {
                rows.reverse();
            }
            found.entry(walk.last().unwrap().to).or_default().insert(rows);
        }
    }
    found
}

fn rows(hops: &[HopRef]) -> Vec<u64> {
    hops.iter().map(|hop| hop.row).collect()
}

/// The key at the source's end, and when funds moved there.
fn source_end(direction: Direction, hops: &[HopRef]) -> (PackedKey, u64) {
    match direction {
        Direction::ReceivedFrom => (hops[0].from, hops[0].time),
        Direction::SentTo => (hops[hops.len() - 1].to, hops[hops.len() - 1].time),
    }
}

/// All paths up to a moment, and no others; each from the source that its end stands for.
pub fn assert_paths(facts: &Facts, asked: u8, until: u64, others: Option<&[Source]>) {
    let world = facts.world();
    let settings = Settings { max_hops: asked, ..facts.settings.clone() };
    let model = as_of(&Model { settings: &settings, ..facts.model() }, until, others);
    for direction in Direction::ALL {
        for kind in [ListKind::Sanctions, ListKind::Advisory] {
            let (seeds, mut walks) = (model.seeds(kind), walks(&model, direction, kind));
            for key in given::keys().into_iter().filter(|key| !seeds.contains_key(key)) {
                let query = PathQuery {
                    direction: Some(direction),
                    kinds: &[kind],
                    max_hops: asked,
                    max_paths: 100_000,
                    window: (0, until),
                    allows: &|_| true,
                    sources: others,
                    budget: BUDGET,
                };
                let found = world.paths(&[key], &query);
                assert!(!found.cut_short);
                let lengths: Vec<_> = found.found.iter().map(|path| path.hops.len()).collect();
                assert!(lengths.is_sorted());
                for path in &found.found {
                    let (end, time) = source_end(direction, &path.hops);
                    let seed = &seeds[&end];
                    assert_eq!(path.common_input, seed.common_input, "{path:?}");
                    assert_eq!(path.source, seed.sources[0], "{path:?}");
                    assert_eq!(path.timing, path.source.timing(time), "{path:?}");
                }
                let found: BTreeSet<_> = found.found.iter().map(|path| rows(&path.hops)).collect();
                let wanted = walks.remove(&key).unwrap_or_default();
                assert_eq!(found, wanted, "{direction:?} {kind:?} {key:?}");
            }
        }
    }
}

/// Exposure is that of the model with the transfers up to then, for the sources in force or others.
pub fn assert_as_of(world: &World, model: &Model<'_>, until: u64, others: Option<&[Source]>) {
    let labels = as_of(model, until, others).labels();
    for key in given::keys() {
        let found = world.exposure_as_of(&[key], until, others, BUDGET);
        assert!(!found.cut_short);
        // A key that is listed for one kind is asked for the others.
        let short = |shown: &LabelWriter| {
            let (hops, source) = (usize::from(shown.hops), shown.source.clone());
            (shown.direction, shown.kind, hops, source, shown.common_input, shown.timing)
        };
        let wanted = labels.get(&key).into_iter().flatten().filter(|shown| !shown.hub);
        let mut wanted: Vec<_> = wanted.map(short).collect();
        let found = found.found.iter().map(|nearest| {
            let Path { direction, source, timing, common_input, hops } = nearest;
            (*direction, source.kind, hops.len(), source.clone(), *common_input, *timing)
        });
        let mut found: Vec<_> = found.collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{key:?} at {until}");
    }
}

/// Each label has a path among the walks, with its hops and source.
pub fn assert_evidence(facts: &Facts) {
    let model = facts.model();
    let mut world = facts.world();
    let labels = world.relabel().labels;
    for (key, found) in labels.iter() {
        for label in found {
            let source = labels.source(label.source);
            assert_evidence_of(&world, &model, key, label, source);
        }
    }
}

fn assert_evidence_of(
    world: &World,
    model: &Model<'_>,
    key: PackedKey,
    label: Label,
    source: &Source,
) {
    let evidence = world.evidence(&[key], &label, BUDGET).unwrap();
    assert!(!evidence.cut_short);
    assert_eq!(evidence.path.len(), usize::from(label.hops));
    assert!((1..=label.hops).contains(&evidence.plain_hops));
    let (first, last) = (evidence.path[0], evidence.path[evidence.path.len() - 1]);
    let (own_end, own_time) = match label.direction {
        Direction::ReceivedFrom => (last.to, last.time),
        Direction::SentTo => (first.from, first.time),
    };
    let (end, at_source) = source_end(label.direction, &evidence.path);
    let seed = &model.seeds(label.kind)[&end];
    assert_eq!(seed.common_input, label.common_input);
    // At one hop it may be another than the first.
    let most = if label.hops == 1 { seed.sources.len() } else { 1 };
    assert!(seed.sources[..most].contains(source), "{source:?}");
    assert_eq!(own_end, key);
    assert!(evidence.first_time.unwrap() <= own_time);
    assert!(evidence.last_time.unwrap() >= own_time);
    assert!(evidence.path.windows(2).all(|pair| pair[0].to == pair[1].from));
    let from = source.listed_from.unwrap_or(u64::MAX);
    let until = source.unlisted_until.unwrap_or(0);
    let timing = if at_source >= from {
        Timing::After
    } else if at_source < until {
        Timing::Before
    } else {
        Timing::Unknown
    };
    assert_eq!(timing, label.timing);
    let walks = walks(model, label.direction, label.kind);
    let rows = rows(&evidence.path);
    if label.hub {
        // To the hub it is a walk.
        let hub = match label.direction {
            Direction::ReceivedFrom => (last.from, &rows[..rows.len() - 1]),
            Direction::SentTo => (first.to, &rows[1..]),
        };
        assert!(model.is_hub(&hub.0));
        assert!(walks[&hub.0].contains(hub.1), "{source:?}");
    } else {
        assert!(walks[&key].contains(&rows), "{source:?}");
    }
}

proptest! {
    #![proptest_config(super::change::cases(150))]

    #[test]
    fn paths_are_walks(
        transfers in prop::collection::vec(given::transfer(), 1..12),
        sources in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, asked, hub_limit) in (1_u8..=5, 1_u8..=5, 3_u32..8),
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(settings(max_hops, hub_limit));
        assert_paths(&Facts { settings, transfers, sources, stops }, asked, u64::MAX, None);
    }

    #[test]
    fn as_of_is_the_model_of_then(
        transfers in prop::collection::vec(given::transfer(), 1..22),
        sources in prop::collection::vec(given::source(), 1..4),
        others in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, until, custom) in (1_u8..=15, 0_u64..75, any::<bool>()),
        hub_limit in 2_u32..8,
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(settings(max_hops, hub_limit));
        let facts = Facts { settings, transfers, sources, stops };
        assert_as_of(&facts.world(), &facts.model(), until, custom.then_some(&others[..]));
    }

    #[test]
    fn evidence_is_a_walk(
        transfers in prop::collection::vec(given::transfer(), 1..14),
        sources in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, hub_limit) in (1_u8..=5, 2_u32..8),
        clusters in given::clusters(),
    ) {
        let settings = clusters.within(settings(max_hops, hub_limit));
        assert_evidence(&Facts { settings, transfers, sources, stops });
    }
}
