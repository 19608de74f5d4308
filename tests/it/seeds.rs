//! The seeds of the fuzz targets (`fuzz/`), without a fuzzer: every target takes each of its own, and
//! those of a former crash are among them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/targets.rs"]
mod targets;

use targets::{Target, requests};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The files from which `fuzz/run` begins.
fn seeds(target: Target) -> Vec<PathBuf> {
    let excerpts = |kind: &str| files(&format!("tests/data/excerpts/{kind}"));
    let mut seeds = excerpts("transfers");
    if target != Target::Transfers(None) {
        seeds.extend(excerpts("lists"));
        let is_own = |path: &PathBuf| path.file_stem().unwrap() == target.name();
        seeds.retain(is_own);
    }
    seeds.extend(files(&format!("fuzz/seeds/{}", target.name())));
    seeds
}

#[test]
fn every_target_takes_its_seeds() {
    for target in Target::all() {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{target:?} has no seeds");
        for seed in seeds {
            eprintln!("{target:?}: {}", seed.display());
            target.run(&std::fs::read(&seed).unwrap());
        }
    }
}

#[test]
fn targets_have_names_of_their_own_and_seeds_a_target() {
    let names: Vec<_> = Target::all().into_iter().map(Target::name).collect();
    let distinct: BTreeSet<_> = names.iter().copied().collect();
    assert_eq!(distinct.len(), names.len());
    for folder in files("fuzz/seeds") {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(distinct.contains(name), "no target has the seeds {name}");
    }
}

#[test]
fn every_method_has_a_seed() {
    let seeds = files("fuzz/seeds/calls");
    let first = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let seeded: BTreeSet<String> = seeds.iter().map(first).collect();
    for method in requests::methods() {
        assert!(seeded.contains(method), "{method}");
    }
}
