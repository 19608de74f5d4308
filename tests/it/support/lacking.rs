//! What a test needs and does not find on this machine: a folder of data, a program. A test that looks
//! at nothing must not pass for one that has looked.

/// Says in one line that a test, or a part of it, looks at nothing for want of `what`. Where `CI` is
/// set that is a failure, unless `LAZARETTO_TEST_WITHOUT` (names with commas between) has the name.
///
/// # Panics
///
/// Where CI must have it.
pub fn skipped(name: &str, what: &str) {
    let set = |variable: &str| std::env::var(variable).unwrap_or_default();
    if must_have(name, &set("CI"), &set("LAZARETTO_TEST_WITHOUT")) {
        panic!("{what}: with CI set this fails, but for LAZARETTO_TEST_WITHOUT={name}");
    }
    eprintln!("skipped: {what}");
}

fn must_have(name: &str, ci: &str, without: &str) -> bool {
    !matches!(ci, "" | "false" | "0") && !without.split(',').any(|it| it.trim() == name)
}

#[test]
fn what_ci_lacks_is_a_failure_unless_it_is_named() {
    assert!(!must_have("data", "", ""));
    assert!(!must_have("data", "false", ""));
    assert!(must_have("data", "true", ""));
    assert!(must_have("data", "1", "python,mount"));
    assert!(!must_have("data", "true", "python, data"));
    assert!(must_have("data", "true", "datas"));
}
