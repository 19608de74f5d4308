//! Searches find what the model enumerates: paths, exposure as of a moment, evidence.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::given::{self, settings};
use super::model::{Model, Shown};
use crate::domain::list::ListKind;
use crate::domain::transfer::Transfer;
use crate::exposure::{Direction, HopRef, PathQuery, Timing, World};

const BUDGET: u64 = 1_000_000;

fn world(settings: &crate::exposure::Settings, rows: &[Transfer], model: &Model<'_>) -> World {
    let mut world = World::new(settings.clone());
    world.append(0, rows);
    world.set_parties(model.sources.to_vec(), model.stops.to_vec());
    world.relabel();
    world
}

/// The rows of the walks that end at each key without passing a key twice, funds' order.
fn walks(
    model: &Model<'_>,
    direction: Direction,
    kind: ListKind,
) -> BTreeMap<crate::domain::packed_key::PackedKey, BTreeSet<Vec<u64>>> {
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

proptest! {
    #![proptest_config(super::change::cases(150))]

    /// All paths, and no others.
    #[test]
    fn paths_are_walks(
        transfers in prop::collection::vec(given::transfer(), 1..12),
        sources in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, asked, hub_limit) in (1_u8..=5, 1_u8..=5, 3_u32..8),
    ) {
        let mut settings = settings(max_hops, hub_limit);
        let numbered = |transfers: &[Transfer]| (0_u64..).zip(transfers.to_vec()).collect::<Vec<_>>();
        let all = numbered(&transfers);
        let rows_of: Vec<_> = all.iter().map(|(row, transfer)| (*row, transfer)).collect();
        let model = Model { settings: &settings, rows: rows_of.clone(), sources: &sources, stops: &stops };
        let world = world(&settings, &transfers, &model);
        settings.max_hops = asked;
        let model = Model { settings: &settings, rows: rows_of, sources: &sources, stops: &stops };
        for direction in Direction::ALL {
            for kind in [ListKind::Sanctions, ListKind::Advisory] {
                for (key, wanted) in walks(&model, direction, kind) {
                    if sources.iter().any(|source| source.key == key && source.kind == kind) {
                        continue;
                    }
                    let query = PathQuery {
                        direction: Some(direction),
                        kinds: &[kind],
                        max_hops: asked,
                        max_paths: 100_000,
                        window: (0, u64::MAX),
                        allows: &|_| true,
                        sources: None,
                        budget: BUDGET,
                    };
                    let found = world.paths(&[key], &query);
                    prop_assert!(!found.cut_short);
                    let lengths: Vec<_> = found.found.iter().map(|path| path.hops.len()).collect();
                    prop_assert!(lengths.is_sorted());
                    let found: BTreeSet<_> = found.found.iter().map(|path| rows(&path.hops)).collect();
                    prop_assert_eq!(found, wanted, "{:?} {:?}", direction, key);
                }
            }
        }
    }

    /// The model with the transfers up to then, for these sources or others.
    #[test]
    fn as_of_is_the_model_of_then(
        transfers in prop::collection::vec(given::transfer(), 1..22),
        sources in prop::collection::vec(given::source(), 1..4),
        others in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, until, custom) in (1_u8..=15, 0_u64..75, any::<bool>()),
        hub_limit in 2_u32..8,
    ) {
        let settings = settings(max_hops, hub_limit);
        let rows: Vec<_> = (0_u64..).zip(&transfers).collect();
        let model = Model { settings: &settings, rows: rows.clone(), sources: &sources, stops: &stops };
        let world = world(&settings, &transfers, &model);
        let then = rows.into_iter().filter(|(_, row)| model.chain_time(row) <= until).collect();
        let asked = if custom { &others } else { &sources };
        let then = Model { settings: &settings, rows: then, sources: asked, stops: &stops };
        let wanted = then.labels();
        let keys = (1..=given::KEYS).flat_map(|number| {
            use crate::domain::chain::Chain;
            [given::key(number, &Chain::Evm(1)), given::key(number, &Chain::Bitcoin)]
        });
        for key in keys {
            let found = world.exposure_as_of(&[key], until, custom.then_some(&others[..]), BUDGET);
            prop_assert!(!found.cut_short);
            // A key that is listed for one kind is asked for the others.
            let short = |shown: &Shown| {
                (shown.direction, shown.kind, usize::from(shown.hops), shown.source.clone(), shown.timing)
            };
            let wanted = wanted.get(&key).into_iter().flatten().filter(|shown| !shown.hub);
            let wanted: Vec<_> = wanted.map(short).collect();
            let found = found.found.iter().map(|nearest| {
                let path = &nearest.path;
                (path.direction, nearest.kind, path.hops.len(), path.source.clone(), path.timing)
            });
            let mut found: Vec<_> = found.collect();
            found.sort();
            let mut sorted = wanted;
            sorted.sort();
            prop_assert_eq!(found, sorted, "{:?} at {}", key, until);
        }
    }

    /// Each label has a path among the walks, with its hops and source.
    #[test]
    fn evidence_is_a_walk(
        transfers in prop::collection::vec(given::transfer(), 1..14),
        sources in prop::collection::vec(given::source(), 1..4),
        stops in prop::collection::vec(given::stop(), 0..2),
        (max_hops, hub_limit) in (1_u8..=5, 2_u32..8),
    ) {
        let settings = settings(max_hops, hub_limit);
        let numbered: Vec<_> = (0_u64..).zip(&transfers).collect();
        let model = Model { settings: &settings, rows: numbered, sources: &sources, stops: &stops };
        let mut world = world(&settings, &transfers, &model);
        let labels = world.relabel().labels;
        for (key, found) in labels.iter() {
            for label in found {
                let evidence = world.evidence(&[key], &label, BUDGET).unwrap();
                prop_assert!(!evidence.cut_short);
                prop_assert_eq!(evidence.path.len(), usize::from(label.hops));
                prop_assert!((1..=label.hops).contains(&evidence.plain_hops));
                let (first, last) = (evidence.path[0], evidence.path[evidence.path.len() - 1]);
                let (source_end, own_end, own_time) = match label.direction {
                    Direction::ReceivedFrom => (first.from, last.to, last.time),
                    Direction::SentTo => (last.to, first.from, first.time),
                };
                prop_assert_eq!(source_end, labels.source(label.source).key);
                prop_assert_eq!(own_end, key);
                prop_assert!(evidence.first_time.unwrap() <= own_time);
                prop_assert!(evidence.last_time.unwrap() >= own_time);
                prop_assert!(evidence.path.windows(2).all(|pair| pair[0].to == pair[1].from));
                let source = labels.source(label.source);
                let at_source = match label.direction {
                    Direction::ReceivedFrom => first.time,
                    Direction::SentTo => last.time,
                };
                let from = source.listed_from.unwrap_or(u64::MAX);
                let until = source.unlisted_until.unwrap_or(0);
                let timing = if at_source >= from {
                    Timing::After
                } else if at_source < until {
                    Timing::Before
                } else {
                    Timing::Unknown
                };
                prop_assert_eq!(timing, label.timing);
                let walks = walks(&model, label.direction, label.kind);
                let rows = rows(&evidence.path);
                if label.hub {
                    // To the hub it is a walk.
                    let hub = match label.direction {
                        Direction::ReceivedFrom => (last.from, &rows[..rows.len() - 1]),
                        Direction::SentTo => (first.to, &rows[1..]),
                    };
                    prop_assert!(model.is_hub(&hub.0));
                    prop_assert!(walks[&hub.0].contains(hub.1), "{:?}", source);
                } else {
                    prop_assert!(walks[&key].contains(&rows), "{:?}", source);
                }
            }
        }
    }
}
