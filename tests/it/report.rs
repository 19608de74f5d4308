//! `report`: the page of a batch's result, through the program and in a browser.

mod sample;

use std::path::{Path, PathBuf};

use sample::Sample;
use serde_json::{Value, json};

use crate::program::{Said, run};

/// Writes a result and its summary.
fn written(folder: &Path, sample: &Sample, summary: Option<&Value>) -> PathBuf {
    let result = folder.join("customers.jsonl");
    std::fs::write(&result, sample.json_lines()).unwrap();
    if let Some(summary) = summary {
        let text = serde_json::to_string_pretty(summary).unwrap();
        std::fs::write(folder.join("customers.jsonl.summary.json"), text).unwrap();
    }
    result
}

/// The result that unit tests read.
#[test]
fn the_small_result_is_the_sample() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/report");
    let sample = Sample::new(48);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        written(&folder, &sample, Some(&sample.summary()));
    }
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read("customers.jsonl"), sample.json_lines());
    let summary: Value = serde_json::from_str(&read("customers.jsonl.summary.json")).unwrap();
    assert_eq!(summary, sample.summary());
}
