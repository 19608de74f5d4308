//! Searches against labels of smaller worlds and against walks enumerated one by one.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::given::{KEYS, key, settings, source, stop, transfer};
use super::model::{Model, shown};
use crate::domain::chain::Chain;
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::Transfer;
use crate::exposure::search::{Budget, Nearest, Path, PathQuery};
use crate::exposure::{Direction, Settings, Source, StopReason, World};

const PLENTY: u64 = 10_000_000;

fn world(
    settings: &Settings,
    rows: &[Transfer],
    sources: &[Source],
    stops: &[(PackedKey, StopReason)],
) -> World {
    let mut world = World::new(settings.clone());
    world.append(0, rows);
    world.set_parties(sources.to_vec(), stops.to_vec());
    world.relabel();
    world
}

fn keys() -> Vec<PackedKey> {
    let chains = [Chain::Evm(1), Chain::Bitcoin];
    chains.iter().flat_map(|chain| (1..=KEYS).map(move |n| key(n, chain))).collect()
}

/// What is compared of the nearest: direction, kind, hub, hops, source, timing.
type Said = (Direction, ListKind, bool, u8, Source, crate::exposure::Timing);

fn said(nearest: &Nearest) -> Said {
    let Path { direction, source, timing, hops } = &nearest.path;
    (*direction, source.kind, nearest.hub, hops.len() as u8, source.clone(), *timing)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_past_moment_is_a_world_that_ends_there(
        rows in prop::collection::vec(transfer(), 0..24),
        sources in prop::collection::vec(source(), 0..5),
        others in prop::option::of(prop::collection::vec(source(), 0..4)),
        stops in prop::collection::vec(stop(), 0..3),
        max_hops in 1_u8..=6,
        hub_limit in 2_u32..6,
        until in prop::option::of(0_u64..70),
    ) {
        let settings = settings(max_hops, hub_limit);
        let whole = world(&settings, &rows, &sources, &stops);
        let model = Model {
            settings: &settings,
            rows: (0..).zip(&rows).collect(),
            sources: &sources,
            stops: &stops,
        };
        let asked = others.as_deref().unwrap_or(&sources);
        // Hubs are those of today: they are stops of the past, and untagged.
        let past: Vec<Transfer> = rows
            .iter()
            .filter(|row| until.is_none_or(|until| model.chain_time(row) <= until))
            .cloned()
            .collect();
        let hubs = |key: &PackedKey| model.is_hub(key);
        let loose = Settings { hub_limit: 1_000, ..settings.clone() };
        let tagged = keys().into_iter().filter(hubs).map(|key| (key, StopReason::Hub));
        let stops: Vec<_> = stops.iter().copied().chain(tagged).collect();
        let mut small = world(&loose, &past, asked, &stops);
        let labels = shown(&small.relabel().labels);
        for key in keys() {
            let mut budget = Budget::new(PLENTY);
            let found =
                whole.exposure_as_of(&key, until, others.as_deref(), max_hops, &mut budget);
            prop_assert!(!found.cut_short);
            let found: BTreeSet<Said> =
                found.nearest.iter().filter(|n| !n.hub).map(said).collect();
            let expected: BTreeSet<Said> = labels
                .get(&key)
                .into_iter()
                .flatten()
                .map(|l| (l.direction, l.kind, l.hub, l.hops, l.source.clone(), l.timing))
                .collect();
            prop_assert_eq!(found, expected, "{:?}", key);
        }
    }

    #[test]
    fn evidence_agrees_with_its_label_and_is_a_walk(
        rows in prop::collection::vec(transfer(), 0..24),
        sources in prop::collection::vec(source(), 0..5),
        stops in prop::collection::vec(stop(), 0..3),
        max_hops in 1_u8..=6,
        hub_limit in 2_u32..6,
    ) {
        let settings = settings(max_hops, hub_limit);
        let mut world = world(&settings, &rows, &sources, &stops);
        let labels = world.relabel().labels;
        let model = Model {
            settings: &settings,
            rows: (0..).zip(&rows).collect(),
            sources: &sources,
            stops: &stops,
        };
        for (key, of_key) in labels.iter() {
            for label in of_key {
                let evidence = world.evidence(&key, &label, &mut Budget::new(PLENTY));
                let path = evidence.path.expect("a path");
                let found = said(&Nearest { hub: label.hub, path: path.clone() });
                let expected = (
                    label.direction,
                    label.kind,
                    label.hub,
                    label.hops,
                    labels.source(label.source).clone(),
                    label.timing,
                );
                prop_assert_eq!(found, expected);
                let ends = match label.direction {
                    Direction::ReceivedFrom => (path.hops[0].from, path.hops[path.hops.len() - 1].to),
                    Direction::SentTo => (path.hops[path.hops.len() - 1].to, path.hops[0].from),
                };
                prop_assert_eq!(ends, (path.source.key, key));
                for pair in path.hops.windows(2) {
                    prop_assert_eq!(pair[0].to, pair[1].from);
                    prop_assert!(pair[0].time <= pair[1].time);
                }
                let plain = evidence.plain_hops.expect("enough to search");
                prop_assert!(plain >= 1 && plain <= label.hops);
                prop_assert!(evidence.times.is_some());
                prop_assert_eq!(label.hops == 1 && !label.hub, !evidence.direct_rows.is_empty() && label.hops == 1 && !label.hub);
                if !label.hub {
                    let steps: Vec<u64> = match label.direction {
                        Direction::ReceivedFrom => path.hops.iter().map(|hop| hop.row).collect(),
                        Direction::SentTo => path.hops.iter().rev().map(|hop| hop.row).collect(),
                    };
                    let walks = model.walks(label.direction, label.kind);
                    let is_walk = walks.iter().any(|walk| {
                        walk.iter().map(|step| step.row).eq(steps.iter().copied())
                            && walk.last().is_some_and(|last| last.to == key)
                    });
                    prop_assert!(is_walk, "{path:?}");
                }
            }
        }
    }

    #[test]
    fn all_paths_are_found_in_order(
        rows in prop::collection::vec(transfer(), 0..16),
        sources in prop::collection::vec(source(), 0..4),
        stops in prop::collection::vec(stop(), 0..3),
        max_hops in 1_u8..=4,
        hub_limit in 2_u32..6,
    ) {
        let settings = settings(max_hops, hub_limit);
        let world = world(&settings, &rows, &sources, &stops);
        let model = Model {
            settings: &settings,
            rows: (0..).zip(&rows).collect(),
            sources: &sources,
            stops: &stops,
        };
        for direction in Direction::ALL {
            for kind in [ListKind::Sanctions, ListKind::Advisory] {
                let walks = model.walks(direction, kind);
                for key in keys() {
                    let query = PathQuery {
                        direction,
                        kinds: &[kind],
                        max_hops,
                        max_paths: 100_000,
                        from_time: None,
                        to_time: None,
                    };
                    let found = world.paths(&key, &query, &mut Budget::new(PLENTY), &mut |_| true);
                    let hops: Vec<usize> = found.paths.iter().map(|path| path.hops.len()).collect();
                    prop_assert!(hops.is_sorted());
                    let found: BTreeSet<Vec<(u64, PackedKey, PackedKey)>> = found
                        .paths
                        .iter()
                        .map(|path| path.hops.iter().map(|h| (h.row, h.from, h.to)).collect())
                        .collect();
                    prop_assert_eq!(found.len(), hops.len(), "a path stands twice");
                    let mut expected = BTreeSet::new();
                    for walk in &walks {
                        let mut keys: Vec<_> = walk.iter().map(|step| step.from).collect();
                        let last = walk.last().expect("a step").to;
                        keys.push(last);
                        let distinct: BTreeSet<_> = keys.iter().collect();
                        let is_source = sources.iter().any(|s| s.kind == kind && s.key == last);
                        if last != key || distinct.len() != keys.len() || is_source {
                            continue;
                        }
                        let mut path: Vec<_> =
                            walk.iter().map(|step| (step.row, step.from, step.to)).collect();
                        if direction == Direction::SentTo {
                            path.reverse();
                            path.iter_mut().for_each(|(_, from, to)| std::mem::swap(from, to));
                        }
                        expected.insert(path);
                    }
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
