//! `report`: the page of a batch's result, through the program and in a browser.
//!
//! `LAZARETTO_TEST_CHROMIUM` names Debian's chromium, which may also be on the path; where there is
//! none the tests that open a page say so and do nothing. CI installs it and sets the variable.

mod browser;
mod sample;

use std::path::{Path, PathBuf};

use sample::Sample;
use serde_json::{Value, json};

use crate::support::program::{Said, run};

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

/// Runs `report` on a result.
fn report(result: &Path, arguments: &[&str]) -> Said {
    let folder = result.parent().unwrap();
    let arguments =
        ["report", result.to_str().unwrap()].into_iter().chain(arguments.iter().copied());
    run(folder, arguments)
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

#[test]
fn a_page_is_written_whole_and_over_nothing_that_it_is_made_of() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Sample::new(60);
    let result = written(dir.path(), &sample, Some(&sample.summary()));
    let out = dir.path().join("march.html");
    let said = report(&result, &["--out", out.to_str().unwrap(), "--title", "March <2026>"]);
    assert_eq!((said.status, said.out.as_str(), said.err.as_str()), (0, "", ""));
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(page.contains("<title>March &lt;2026&gt;</title>") && page.ends_with("</html>\n"));
    assert!(page.contains("<h1><bdi>March &lt;2026&gt;</bdi></h1>"));

    // Standard output has the same, but for the moment.
    let piped = report(&result, &["--title", "March <2026>"]);
    assert_eq!(piped.status, 0, "{}", piped.err);
    assert_eq!(piped.out.len(), page.len());

    let before = std::fs::read(&result).unwrap();
    for target in [&result, &dir.path().join("customers.jsonl.summary.json")] {
        let said = report(&result, &["--out", target.to_str().unwrap()]);
        assert_eq!(said.status, 1);
        assert!(said.err.contains("the report is made from this file"), "{}", said.err);
    }
    assert_eq!(std::fs::read(&result).unwrap(), before);
}

#[test]
fn nothing_is_written_of_a_result_that_its_summary_contradicts() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Sample::new(60);
    let mut summary = sample.summary();
    summary["decisions"]["BLOCK"] = json!(0);
    let result = written(dir.path(), &sample, Some(&summary));
    let out = dir.path().join("march.html");
    let said = report(&result, &["--out", out.to_str().unwrap()]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("decisions, BLOCK: 0 in the summary, "), "{}", said.err);
    assert!(!out.exists());
    // A summary that is asked for must be there; one beside the result may be lost.
    let said = report(&result, &["--summary", "lost.json"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("reading the summary lost.json"), "{}", said.err);
    std::fs::remove_file(dir.path().join("customers.jsonl.summary.json")).unwrap();
    let said = report(&result, &[]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("<strong>No summary stands beside this result.</strong>"));
}
