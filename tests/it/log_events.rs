//! The table of log events in docs/operations.md against the macros in the source: every event with its
//! level and its fields, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The names of the fields, by the message and the level of an event.
type Events = BTreeMap<(String, String), BTreeSet<String>>;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The end of the string literal that begins at `start` with its quote.
fn end_of_string(text: &str, start: usize) -> usize {
    let mut escaped = false;
    for (place, c) in text[start + 1..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return start + 1 + place + 1,
            _ => {}
        }
    }
    panic!("a string without an end: {}", &text[start..]);
}

/// The arguments of a macro, of which `text` begins behind the opening parenthesis.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut place) = (0, 0, 0);
    let mut found = Vec::new();
    loop {
        match text.as_bytes()[place] {
            b'"' => {
                place = end_of_string(text, place);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' if depth == 0 => break,
            b')' | b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                found.push(text[begin..place].trim());
                begin = place + 1;
            }
            _ => {}
        }
        place += 1;
    }
    found.push(text[begin..place].trim());
    found.retain(|argument| !argument.is_empty());
    found
}

/// The text of a literal, with the line breaks that `\` continues taken out.
fn message(literal: &str) -> String {
    let text = literal.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = text.unwrap_or_else(|| panic!("no message: {literal}"));
    text.split("\\\n").map(str::trim_start).collect()
}

/// The events that a source file logs.
fn events_of(text: &str, events: &mut Events) {
    let is_bare_used = text.contains("use tracing::{");
    for level in LEVELS {
        let name = format!("{level}!(");
        for (place, _) in text.match_indices(&name) {
            let before = &text[..place];
            let is_bare = !before.ends_with(|c: char| c.is_alphanumeric() || "_:\"".contains(c));
            if !(before.ends_with("tracing::") || is_bare_used && is_bare) {
                continue;
            }
            let mut arguments = arguments(&text[place + name.len()..]);
            let message = message(arguments.pop().expect("an event has a message"));
            assert!(!message.contains('{'), "a message has fields beside it: {message}");
            let fields = arguments.into_iter().map(|argument| {
                let field = argument.split('=').next().expect("a part").trim();
                field.trim_start_matches(['%', '?', '&']).to_owned()
            });
            events.entry((message, level.to_owned())).or_default().extend(fields);
        }
    }
}

/// The rows of the table.
fn documented() -> Events {
    let text = std::fs::read_to_string(project().join("docs/operations.md")).unwrap();
    let (_, table) = text.split_once("\n## Log events\n").expect("the section is there");
    let table = table.split("\n## ").next().expect("a part");
    let mut events = Events::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [event, level, fields, action] = cells[..] else { panic!("four cells: {line}") };
        assert!(!action.is_empty(), "{line}");
        let fields = fields.split(", ").filter(|field| *field != "none");
        let fields = fields.map(|field| field.trim_matches('`').to_owned()).collect();
        let key = (event.trim_matches('`').to_owned(), level.to_owned());
        assert!(events.insert(key, fields).is_none(), "twice: {line}");
    }
    events
}

#[test]
fn the_table_has_every_log_event_and_no_other() {
    let mut files = Vec::new();
    sources(&project().join("src"), &mut files);
    let mut events = Events::new();
    for file in files {
        events_of(&std::fs::read_to_string(file).unwrap(), &mut events);
    }
    assert!(events.len() > 50, "{events:?}");
    let mut known = documented();
    let mut problems = Vec::new();
    for (event, fields) in &events {
        match known.remove(event) {
            None => problems.push(format!("not in the table: {event:?} {fields:?}")),
            Some(told) if told != *fields => {
                problems
                    .push(format!("{event:?}: {fields:?} in the source, {told:?} in the table"));
            }
            Some(_) => {}
        }
    }
    problems.extend(known.keys().map(|event| format!("not in the source: {event:?}")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn events_are_found_as_they_are_written() {
    let text = "use tracing::{info, warn};\nfn f() {\n    warn!(path = %path.display(), %error, \"a (b\");\n    \
                info!(?key, limits.calls, \"c \\\n             d\",);\n    tracing::debug!(\"e\");\n    \
                other_info!(\"f\");\n}";
    let mut events = Events::new();
    events_of(text, &mut events);
    let found: Vec<_> = events
        .into_iter()
        .map(|((message, level), fields)| format!("{level} {message} {fields:?}"))
        .collect();
    let want =
        ["warn a (b {\"error\", \"path\"}", "info c d {\"key\", \"limits.calls\"}", "debug e {}"];
    assert_eq!(found, want);
}
