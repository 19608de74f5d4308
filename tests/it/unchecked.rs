//! What becomes of a test that lacks its data: a failure in CI, a line and a count elsewhere.

use std::process::Command;

use crate::support::program::Said;

const TEST: &str = "tagpacks::an_attribution_is_reviewed_and_never_blocks";

/// Runs a test that needs the real data, without them.
fn run_without_data(ci: &str, without: &str) -> Said {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", TEST]).env("LAZARETTO_TEST_DATA", "/nonexistent");
    command.env("CI", ci).env("LAZARETTO_TEST_WITHOUT", without).output().unwrap().into()
}

#[test]
fn a_test_without_its_data_fails_in_ci_and_is_counted_elsewhere() {
    let failed = run_without_data("true", "");
    assert_eq!(failed.status, 101, "{}", failed.out);
    assert!(failed.out.contains("no data: LAZARETTO_TEST_DATA names a folder"), "{}", failed.out);

    let counts = std::env::current_exe().unwrap().with_file_name("unchecked");
    let counts = counts.join(std::process::id().to_string());
    assert_eq!(std::fs::read_to_string(&counts).unwrap(), format!("data {TEST}\n"));
    std::fs::remove_file(&counts).unwrap();
    for (ci, without) in [("", ""), ("true", "data,mount")] {
        let passed = run_without_data(ci, without);
        assert_eq!(passed.status, 0, "{}{}", passed.out, passed.err);
        let line = format!("unchecked 1: {TEST}: no data: ");
        assert!(passed.err.starts_with(&line), "{}", passed.err);
        assert_eq!(std::fs::read_to_string(&counts).unwrap(), format!("data {TEST}\n"));
        std::fs::remove_file(&counts).unwrap();
    }
}
