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

/// What the StatefulSet of a rendering takes from Secrets: the token that the chart makes, and
/// identities of the operator's own.
fn environment(rendering: &str) -> impl Iterator<Item = (String, String)> {
    let names = [
        ("- name: LAZARETTO_IDENTITIES__GENERATED__PERMISSIONS", "GENERATED"),
        ("envFrom:", "OF_A_SECRET"),
    ];
    let given = names.into_iter().filter(|(mark, _)| rendering.contains(mark));
    let given = given.flat_map(|(_, name)| {
        let key = |key: &str| format!("LAZARETTO_IDENTITIES__{name}__{key}");
        let hash = format!("sha256:{}", "0".repeat(64));
        [(key("PERMISSIONS"), "screen".to_owned()), (key("TOKENS"), hash)]
    });
    let data_dir = ("LAZARETTO_DATA_DIR".to_owned(), "/data".to_owned());
    std::iter::once(data_dir).chain(given.collect::<Vec<_>>())
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
        let rendered = read(&rendering);
        let text = configuration(&rendered);
        assert!(text.contains("listen = "), "{rendering}");
        std::fs::write(&file, &text).unwrap();
        let flags = Flags { config: Some(file.clone()), serving: true, ..Flags::default() };
        let environment = environment(&rendered).map(|(name, value)| (name.into(), value.into()));
        if let Err(error) = Config::load(&flags, environment) {
            panic!("{rendering}: {error}\n{text}");
        }
    }
}

/// The keys of lazaretto.example.toml, in `#key = ...` and `[table]`: those at the top, and in
/// tables as `table.key`, whatever the table's own name is within its kind.
fn example_keys() -> BTreeSet<String> {
    let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let mut keys = BTreeSet::new();
    let mut within = String::new();
    for line in read("lazaretto.example.toml").lines() {
        let line = line.strip_prefix('#').unwrap_or(line).trim_start();
        if let Some(table) = line.strip_prefix('[') {
            let kind = table.split(['.', ']']).next().unwrap_or_default();
            keys.insert(kind.to_owned());
            within = format!("{kind}.");
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| word(key)) {
            keys.insert(format!("{within}{key}"));
        }
    }
    keys
}

/// The keys that the schema of `config` takes, and for each a path with a name where one is free.
fn schema_keys(schema: &serde_json::Value, kind: &str, path: &str) -> BTreeSet<(String, String)> {
    let dot = |path: &str| if path.is_empty() { String::new() } else { format!("{path}.") };
    let mut keys = BTreeSet::new();
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let (kind, path) = (format!("{}{key}", dot(kind)), format!("{}{key}", dot(path)));
        keys.extend(schema_keys(inner, &kind, &path));
        keys.insert((kind, path));
    }
    if schema["additionalProperties"].is_object() {
        let named = format!("{}bitcoin", dot(path));
        keys.extend(schema_keys(&schema["additionalProperties"], kind, &named));
    }
    keys
}

#[test]
fn the_chart_takes_every_key_of_the_configuration() {
    let schema: serde_json::Value =
        serde_json::from_str(&read("helm/lazaretto/values.schema.json")).unwrap();
    let keys = schema_keys(&schema["properties"]["config"], "", "");
    let taken: BTreeSet<String> = keys.iter().map(|(kind, _)| kind.clone()).collect();
    let own = [
        "data_dir",
        "listen",
        "operations",
        "drain",
        "policy",
        "shadow_policy",
        "allow_anonymous",
        "allow_plaintext",
    ];
    let by_the_chart = |key: &str| own.contains(&key.split('.').next().unwrap_or_default());
    let known = example_keys();
    assert!(own.iter().all(|key| known.contains(*key)), "{own:?} are keys of the program");
    assert!(!taken.iter().any(|key| by_the_chart(key)), "set by the chart: {taken:?}");
    let missing: Vec<_> =
        known.iter().filter(|key| !by_the_chart(key) && !taken.contains(*key)).collect();
    assert!(
        missing.is_empty(),
        "of lazaretto.example.toml, not in values.schema.json: {missing:?}"
    );
    assert!(keys.len() > 50, "{keys:?}");
    for (_, path) in keys {
        let flags = Flags { set: vec![format!("{path}=\u{0}")], ..Flags::default() };
        let said = Config::load(&flags, []).err().map(|error| error.to_string());
        let unknown = said.is_some_and(|said| said.contains("unknown key"));
        assert!(!unknown, "values.schema.json has {path}, which is no key of the program");
    }
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
