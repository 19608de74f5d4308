//! The rules of ARCHITECTURE.md that a look at the source can hold: who imports whom, where a
//! library may be named, what must not be in pure code, and how a file opens and how long it is.
//!
//! Only what ships is looked at: comments, `#[cfg(test)]` modules at the end of a file and files of
//! tests are left out, but for the rule on how a file opens.

mod imports;

use std::path::Path;

/// What each module at the top may import, beside itself. `main` and `lib` put them together.
const IMPORTS: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("audit", &["domain"]),
    ("source", &["domain"]),
    ("store", &["domain"]),
    ("ingest", &["domain", "store"]),
    ("exposure", &["domain"]),
    ("screening", &["domain", "exposure"]),
    ("refresh", &["domain", "source", "store"]),
    ("telemetry", &[]),
    ("config", &["domain", "exposure", "refresh", "source", "telemetry"]),
    (
        "engine",
        &[
            "audit",
            "config",
            "domain",
            "exposure",
            "ingest",
            "refresh",
            "screening",
            "source",
            "store",
        ],
    ),
    ("metrics", &["domain", "engine", "screening"]),
    (
        "grpc",
        &[
            "audit",
            "config",
            "domain",
            "engine",
            "exposure",
            "ingest",
            "metrics",
            "screening",
            "telemetry",
        ],
    ),
];

/// The last module may import every other one.
const TOP: &str = "cli";

/// Libraries, and the files (or modules, with their folders) that alone may name them.
const HOMES: [(&str, &[&str]); 27] = [
    ("sled", &["store"]),
    ("ring", &["audit", "engine/decision_log", "grpc/serve/tls"]),
    ("rand_chacha", &["audit/salt"]),
    ("twox_hash", &["audit", "store"]),
    ("unicode_normalization", &["domain/party_name", "domain/address/reading"]),
    ("unicode_security", &["domain/address/reading"]),
    ("tonic", &["grpc"]),
    ("prost", &["grpc"]),
    ("hyper", &["grpc"]),
    ("tokio_rustls", &["grpc/serve/tls"]),
    ("x509_parser", &["grpc/serve/tls"]),
    ("subtle", &["grpc/access"]),
    ("getrandom", &["cli/identity"]),
    ("rustix", &["audit", "cli"]),
    ("axum", &["grpc/serve/operations"]),
    ("opentelemetry", &["telemetry"]),
    // The well-known types of the proto, which the command line fills in and prints.
    ("pbjson", &["grpc", "cli/batch/answer", "cli/dates", "cli/render"]),
    ("ureq", &["refresh/fetch"]),
    ("quick_xml", &["source"]),
    ("saphyr_parser", &["source"]),
    ("csv", &["source"]),
    ("parquet", &["source/rows", "cli/batch/columnar"]),
    ("ruzstd", &["source/zstd", "cli/batch/compression"]),
    ("maud", &["cli/render/page", "cli/render/paths", "cli/report/page"]),
    ("clap", &["cli", "main"]),
    // One clock, which tests can set; certificates are held to that of the system.
    ("Timestamp::now", &["cli/clock"]),
    ("SystemTime", &["grpc/serve/tls"]),
];

/// Modules that must be pure, and what they must not name.
const PURE: [&str; 3] = ["domain", "exposure", "screening"];
const IMPURE: [&str; 16] = [
    "Timestamp::now",
    "Zoned::now",
    "SystemTime",
    "Instant",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "tokio",
    "fastrand",
    "rand",
    "tempfile",
    "tracing",
    "println",
];

/// The most lines of a file, without its tests.
const MAX_LINES: usize = 500;

/// A source file: its path below `src` without the ending, and its lines.
struct Source {
    path: String,
    lines: Vec<String>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let path = path.strip_suffix(".rs").unwrap().to_owned();
        Self { path, lines: text.lines().map(str::to_owned).collect() }
    }

    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests")
    }

    /// The lines before the tests.
    fn shipped(&self) -> &[String] {
        if self.is_test() {
            return &[];
        }
        let is_test = |line: &String| line.trim() == "#[cfg(test)]";
        // In the middle it stands before a declaration (`mod tests;`), and code goes on below.
        let tests = (0..self.lines.len()).rev().find(|&at| {
            is_test(&self.lines[at])
                && self.lines[at..]
                    .iter()
                    .skip(2)
                    .all(|line| line.is_empty() || line.starts_with([' ', '}', '#']))
        });
        &self.lines[..tests.unwrap_or(self.lines.len())]
    }

    /// What ships of it, without comments.
    fn code(&self) -> String {
        let lines = self.shipped().iter().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn top(&self) -> &str {
        self.path.split('/').next().unwrap()
    }

    /// How deep the module stands: 1 is directly below the crate.
    fn depth(&self) -> usize {
        self.path.split('/').count()
    }
}

/// Every file below `src`.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            assert!(!name.ends_with("mod.rs"), "{name}: a module stands beside its folder");
            sources.push(Source::new(&name, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(sources.len() > 80, "only {} files found", sources.len());
    sources
}

/// The identifiers that begin with `name` and end there or go on after `_`, such as `tonic` and
/// `tonic_health`.
fn names(code: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        !before.is_some_and(|c| part(c) || c == '.' || c == '"')
            && !after.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

/// What the file imports from the crate, against the rule.
fn wrong_imports(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let code = source.code();
    let top = source.top();
    if code.contains("crate::{") {
        wrong.push("a grouped import from the crate's root hides its parts".to_owned());
    }
    let ups = code.split(|c: char| c.is_whitespace() || "(<&[,;{".contains(c));
    let most = ups
        .map(|word| {
            let mut ups = 0;
            let mut rest = word;
            while let Some(more) = rest.strip_prefix("super::") {
                ups += 1;
                rest = more;
            }
            ups
        })
        .max();
    if most.unwrap_or(0) >= source.depth() {
        wrong.push("goes around the rule by super::".to_owned());
    }
    if top == TOP || ["lib", "main"].contains(&top) {
        return wrong;
    }
    let allowed = IMPORTS.iter().find(|(name, _)| *name == top).map(|(_, allowed)| *allowed);
    let Some(allowed) = allowed else {
        return vec![format!("module {top} has no place in the order")];
    };
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let module = &rest[..end.unwrap_or(rest.len())];
        if module != top && !allowed.contains(&module) {
            wrong.push(format!("imports {module}"));
        }
    }
    wrong
}

fn wrong_libraries(source: &Source) -> Vec<String> {
    let code = source.code();
    let at_home = |homes: &[&str]| {
        homes.iter().any(|home| {
            let below = source.path.strip_prefix(home);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let used = |library: &str| {
        let path = format!("{library}::");
        names(&code, library)
            && (library == "sled" || code.contains(&path) || {
                // A family of crates: tonic_health::..., prost_types::...
                code.match_indices(&format!("{library}_")).any(|(at, _)| {
                    let word: String = code[at..]
                        .chars()
                        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                        .collect();
                    code[at + word.len()..].starts_with("::")
                })
            })
    };
    HOMES
        .iter()
        .filter(|(library, homes)| !at_home(homes) && used(library))
        .map(|(library, _)| format!("names {library}"))
        .collect()
}

fn wrong_effects(source: &Source) -> Vec<String> {
    if !PURE.contains(&source.top()) {
        return Vec::new();
    }
    let code = source.code();
    // The labels of a generation are built on scoped threads, each of which only reads the graph
    // and makes a part of its own: that is no effect that anybody sees.
    let may = |name: &str| source.top() == "exposure" && name == "std::thread";
    let found = IMPURE.iter().filter(|name| !may(name) && names(&code, name));
    found.map(|name| format!("names {name}")).collect()
}

fn wrong_shape(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let opening = source.lines.first().and_then(|line| line.strip_prefix("//! "));
    let least = if source.is_test() { 1 } else { 12 };
    if opening.is_none_or(|text| text.len() < least) {
        wrong.push("does not open with its one job (//!)".to_owned());
    }
    let length = source.shipped().len();
    if length > MAX_LINES {
        wrong.push(format!("has {length} lines without its tests"));
    }
    wrong
}

/// Holds a rule against every file, and names all that break it.
fn hold(rule: fn(&Source) -> Vec<String>) {
    let sources = sources();
    let broken: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            rule(source).into_iter().map(|wrong| format!("src/{}.rs {wrong}", source.path))
        })
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn imports_point_one_way() {
    hold(wrong_imports);
}

#[test]
fn libraries_are_named_at_home_only() {
    hold(wrong_libraries);
}

#[test]
fn pure_code_has_no_clock_no_chance_and_no_input() {
    hold(wrong_effects);
}

/// What a test compares must not depend on when it runs: [`crate::support::program::NOW`] is its time.
#[test]
fn tests_ask_for_no_time_of_day() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let (mut folders, mut files) = (vec![root], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "architecture.rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 60, "{}", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for wrong in ["Timestamp::now", "Zoned::now", "SystemTime::now", "thread::sleep"] {
            assert!(!text.contains(wrong), "{}: {wrong}", file.display());
        }
    }
}

#[test]
fn files_open_with_their_job_and_are_short() {
    hold(wrong_shape);
}

#[test]
fn each_dependency_is_argued_for() {
    let read = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    };
    let (manifest, document) = (read("Cargo.toml"), read("docs/dependencies.md"));
    let manifest: toml::Table = manifest.parse().unwrap();
    let names = ["dependencies", "build-dependencies", "dev-dependencies"]
        .into_iter()
        .flat_map(|part| manifest[part].as_table().unwrap().keys());
    let missing: Vec<_> = names.filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "no reason is given for {missing:?}");
}

/// The rules see what they must see, and nothing else.
#[test]
fn the_rules_can_be_broken() {
    let check = |rule: fn(&Source) -> Vec<String>, path: &str, text: &str, wrong: usize| {
        let found = rule(&Source::new(path, text));
        assert_eq!(found.len(), wrong, "{path} {text:?}: {found:?}");
    };
    check(wrong_imports, "domain/list.rs", "use crate::store::Store;", 1);
    check(wrong_imports, "domain/list.rs", "use crate::domain::chain::Chain;", 0);
    check(wrong_imports, "domain/list.rs", "//! See [`crate::store::Store`].", 0);
    check(wrong_imports, "source.rs", "fn f(_: crate::engine::Engine) {}", 1);
    check(wrong_imports, "grpc/lists.rs", "use crate::cli::Cli;\nuse crate::store::Store;", 2);
    check(wrong_imports, "screening.rs", "use crate::{domain, store};", 2);
    check(wrong_imports, "screening.rs", "use super::store::Store;", 1);
    check(wrong_imports, "screening/policy.rs", "use super::FindingKind;", 0);
    check(wrong_imports, "screening/policy.rs", "use super::super::store::Store;", 1);
    check(wrong_imports, "helpers.rs", "", 1);
    check(wrong_imports, "store.rs", "#[cfg(test)]\nmod tests {\n    use crate::engine;\n}", 0);
    check(wrong_imports, "store.rs", "#[cfg(test)]\nmod tests;\nuse crate::engine;", 1);
    check(wrong_imports, "store/tests.rs", "use crate::engine::Engine;", 0);
    check(wrong_libraries, "engine.rs", "use sled::Db;", 1);
    check(wrong_libraries, "store/lists.rs", "use sled::Db;", 0);
    check(wrong_libraries, "stores.rs", "use sled::Db;", 1);
    check(wrong_libraries, "engine.rs", "use tonic_health::pb;\nuse prost::Message;", 2);
    check(wrong_libraries, "grpc/serve.rs", "use tonic_health::pb;", 0);
    check(wrong_libraries, "cli/lists.rs", "pbjson_types::Timestamp::default()", 1);
    check(wrong_libraries, "engine.rs", "let csv = list.csv;", 0);
    check(wrong_effects, "screening.rs", "let now = Timestamp::now();", 1);
    check(wrong_effects, "domain/list.rs", "use std::time::Instant;\nuse std::fs::File;", 2);
    check(wrong_effects, "domain/list.rs", "let operand = brand;", 0);
    check(wrong_effects, "engine.rs", "use std::fs::File;", 0);
    check(wrong_shape, "a.rs", "//! Says what it is for.", 0);
    check(wrong_shape, "a.rs", "//! todo", 1);
    check(wrong_shape, "a.rs", "use std::fmt;", 1);
    check(wrong_shape, "a.rs", &format!("//! Says what it is for.{}", "\n".repeat(501)), 1);
    let tests =
        format!("//! Says what it is for.\n#[cfg(test)]\nmod tests {{{}\n}}", "\n".repeat(501));
    check(wrong_shape, "a.rs", &tests, 0);
}
