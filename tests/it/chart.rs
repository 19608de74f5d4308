//! That what the chart makes, takes and shows is what the program knows: its configuration, its
//! keys and its metrics. Renders nothing: the chart's snapshots are committed, and helm/check.py
//! holds them current.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lazaretto::config::{Config, Flags};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The program's configuration within a rendering of the chart.
fn configuration(rendering: &str) -> String {
    let lines = rendering.lines().skip_while(|line| *line != "  lazaretto.toml: |").skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| format!("{}\n", line.trim())).collect()
}

#[test]
fn the_program_takes_the_configuration_that_the_chart_makes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lazaretto.toml");
    let mut renderings = vec!["deploy/lazaretto.yaml".to_owned()];
    for entry in std::fs::read_dir(path("helm/tests/snapshots")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        renderings.push(format!("helm/tests/snapshots/{name}"));
    }
    assert!(renderings.len() >= 5, "{renderings:?}");
    for rendering in renderings {
        let text = configuration(&read(&rendering));
        assert!(text.contains("listen = "), "{rendering}");
        std::fs::write(&file, &text).unwrap();
        let flags = Flags { config: Some(file.clone()), ..Flags::default() };
        // What the StatefulSet takes from Secrets.
        let hash = format!("sha256:{}", "0".repeat(64));
        let environment = [
            ("LAZARETTO_DATA_DIR", "/data"),
            ("LAZARETTO_IDENTITIES__GENERATED__ROLES", "screen,admin"),
            ("LAZARETTO_IDENTITIES__GENERATED__TOKENS", &hash),
        ];
        let environment = environment.map(|(name, value)| (name.into(), value.into()));
        if let Err(error) = Config::load(&flags, environment) {
            panic!("{rendering}: {error}\n{text}");
        }
    }
}

/// The keys at the top of lazaretto.example.toml, in `#key = ...` and `[table]`.
fn example_keys() -> BTreeSet<String> {
    let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let mut keys = BTreeSet::new();
    let mut in_table = false;
    for line in read("lazaretto.example.toml").lines() {
        let line = line.strip_prefix('#').unwrap_or(line).trim_start();
        if let Some(table) = line.strip_prefix('[') {
            in_table = true;
            keys.extend(table.split(['.', ']']).next().map(str::to_owned));
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| word(key))
            && !in_table
        {
            keys.insert(key.to_owned());
        }
    }
    keys
}

#[test]
fn the_chart_takes_every_key_of_the_configuration() {
    let schema: serde_json::Value =
        serde_json::from_str(&read("helm/lazaretto/values.schema.json")).unwrap();
    let properties = schema["properties"]["config"]["properties"].as_object().unwrap();
    let taken: BTreeSet<String> = properties.keys().cloned().collect();
    let by_the_chart = ["data_dir", "listen", "operations", "drain", "policy", "shadow_policy"];
    let known: BTreeSet<String> = example_keys();
    let own: BTreeSet<String> = by_the_chart.map(str::to_owned).into();
    let expected: BTreeSet<String> = known.difference(&own).cloned().collect();
    assert_eq!(taken, expected, "config in values.schema.json, and lazaretto.example.toml");
    assert!(own.is_subset(&known), "{own:?} are keys of the program");
}

/// The names of metrics in a text, without what a histogram appends to its own.
fn metrics(text: &str) -> BTreeSet<String> {
    let word = |character: char| !character.is_ascii_alphanumeric() && character != '_';
    let names = text.split(word).filter(|name| name.starts_with("lazaretto_"));
    names.map(|name| name.trim_end_matches("_bucket").to_owned()).collect()
}

#[test]
fn alerts_and_the_dashboard_ask_for_metrics_that_there_are() {
    let table = read("docs/metrics.md");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert!(documented.len() > 30, "{documented:?}");
    for file in ["alerts.yaml", "dashboard.json"] {
        let used = metrics(&read(&format!("helm/lazaretto/files/{file}")));
        assert!(used.len() > 15, "{file}: {used:?}");
        let unknown: Vec<_> =
            used.iter().filter(|name| !documented.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{file}: not in docs/metrics.md: {unknown:?}");
    }
}
