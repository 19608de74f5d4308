//! That the versions which are told in several places are one: the crate's, the chart's and the
//! changelog's, and the Rust that builds the image. Nothing else of the chart.

use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The value behind `key` on the first line of `text` that begins with it, without quotes.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("no line begins with {key:?}")).trim().trim_matches('"')
}

/// What is wrong with a changelog beside a version: its first section is what is not released yet,
/// its second that version, or an earlier one as long as something is unreleased.
fn changelog_problem(changelog: &str, version: &str) -> Option<String> {
    let number = |text: &str| -> Vec<u64> { text.split('.').flat_map(str::parse).collect() };
    let mut sections = changelog.split("\n## [").skip(1);
    let unreleased = sections.next().unwrap_or_default();
    let Some(unreleased) = unreleased.strip_prefix("Unreleased]") else {
        return Some("the first section is not [Unreleased]".to_owned());
    };
    let released = sections.next().and_then(|section| section.split(']').next());
    match released {
        Some(released) if released == version => None,
        Some(released) if number(released) > number(version) => {
            Some(format!("{released} is released, and this is {version}"))
        }
        _ if unreleased.contains("\n- ") => None,
        _ => Some(format!("nothing is said of {version}")),
    }
}

#[test]
fn versions_are_one() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = read("helm/lazaretto/Chart.yaml");
    assert_eq!(value(&chart, "version:"), version, "Chart.yaml, version");
    assert_eq!(value(&chart, "appVersion:"), version, "Chart.yaml, appVersion");
    let kustomization = read("deploy/kustomization.yaml");
    assert_eq!(value(&kustomization, "    newTag:"), version, "deploy/kustomization.yaml");
    assert_eq!(changelog_problem(&read("CHANGELOG.md"), version), None);
    let rust = env!("CARGO_PKG_RUST_VERSION");
    let base = format!("docker.io/library/rust:{rust}-bookworm");
    assert_eq!(value(&read("Dockerfile"), "ARG BUILD_BASE="), base, "Dockerfile");
}

#[test]
fn a_changelog_that_lags_is_noticed() {
    let check = |sections: &str, fine: bool| {
        let found = changelog_problem(&format!("# Changelog\n{sections}"), "1.2.0");
        assert_eq!(found.is_none(), fine, "{sections}: {found:?}");
    };
    check("\n## [Unreleased]\n\n- A thing.\n", true);
    check("\n## [Unreleased]\n\n- A thing.\n\n## [1.1.9] - 2026-01-01\n", true);
    check("\n## [Unreleased]\n\n## [1.2.0] - 2026-01-01\n\n- A thing.\n", true);
    check("\n## [Unreleased]\n\n## [1.1.9] - 2026-01-01\n\n- A thing.\n", false);
    check("\n## [Unreleased]\n\n- A thing.\n\n## [1.10.0] - 2026-01-01\n", false);
    check("\n## [1.2.0] - 2026-01-01\n\n- A thing.\n", false);
    check("", false);
}
