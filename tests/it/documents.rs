//! README.md and docs/ against the program: the commands of `console` blocks are run in their order
//! and their output is compared; every other command says why it is not run; links lead somewhere.
//!
//! A `console` block has `$ COMMAND` lines, with ` # exit status N` where it is not 0, and below each
//! the output. There a line `...` stands for any lines, and `...` within a line for any text. Output
//! that is not shown at all is not compared. A document starts with an empty folder that has the
//! project's `data`; `<!-- setup: example -->` loads the files of README's story first.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::program::{NOW, TODAY};

/// The most bytes of README.md and ARCHITECTURE.md: a reader takes in no more at once.
const MOST: [(&str, u64); 2] = [("README.md", 15 * 1024), ("ARCHITECTURE.md", 20 * 1024)];

/// What README's story loads until the thieves are listed.
const EXAMPLE: [&str; 4] = [
    "lz lists import data/example/sanctions.csv --list example-sanctions --kind SANCTIONS \
     --published $(date -u +%F)",
    "lz tags import data/example/tags.csv --list example-tags",
    "lz transfers import data/example/transfers.csv --chain ethereum --covers 24000100-24007600",
    "lz lists import data/example/advisory.csv --list example-advisory --kind ADVISORY",
];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(project().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// README.md and the pages of docs/, by their paths in the project.
fn documents() -> Vec<String> {
    let pages = std::fs::read_dir(project().join("docs"))
        .unwrap()
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().to_string_lossy()));
    let pages: BTreeSet<String> = pages.filter(|page| page.ends_with(".md")).collect();
    ["README.md".to_owned()].into_iter().chain(pages).collect()
}

/// One fenced block: its language, the line before it that is not empty, and its lines.
struct Block<'a> {
    language: &'a str,
    before: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut open, mut before) = (false, "");
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                blocks.push(Block { language, before, lines: Vec::new() });
            }
            None if open => blocks.last_mut().expect("it is open").lines.push(line),
            None => {}
        }
        if !line.trim().is_empty() {
            before = line;
        }
    }
    blocks
}

/// A command, its exit status, and the lines shown below it.
struct Step {
    command: String,
    status: i32,
    shown: Vec<String>,
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut continued = false;
    for line in &block.lines {
        if continued {
            let step = steps.last_mut().expect("a command goes on");
            step.command.push_str(&format!("\n{line}"));
        } else if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), status: 0, shown: Vec::new() });
        } else {
            let step = steps.last_mut().unwrap_or_else(|| panic!("{line:?}: no command before it"));
            step.shown.push(line.trim_end().to_owned());
            continue;
        }
        let step = steps.last_mut().expect("there is a command");
        if let Some((command, status)) = step.command.split_once(" # exit status ") {
            step.status = status.trim().parse().unwrap_or_else(|_| panic!("{line}: no status"));
            step.command = command.trim_end().to_owned();
        }
        continued = step.command.ends_with('\\');
    }
    for step in &mut steps {
        while step.shown.last().is_some_and(String::is_empty) {
            step.shown.pop();
        }
    }
    steps
}

/// Runs a command as a person would type it. `lz` is as README.md defines it.
fn run(command: &str, folder: &Path) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_lazaretto"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let lz = "lz() { lazaretto --config data/example/lazaretto.toml \"$@\"; }\n";
    // The day of the program's clock, which stands still.
    let date = format!("date() {{ echo {TODAY}; }}\n");
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{lz}{date}{command}")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder.join("home"))
        .env("NO_COLOR", "1")
        .env("LAZARETTO_OFFLINE", "true")
        .env("LAZARETTO_TEST_NOW", NOW)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

/// Whether `text` is `shown`, in which `...` stands for any text.
fn is_line(shown: &str, text: &str) -> bool {
    let mut parts = shown.split("...");
    let first = parts.next().expect("split gives one part");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether `text` is `shown`, in which a line `...` stands for any lines.
fn is_output(shown: &[String], text: &[&str]) -> bool {
    match shown.split_first() {
        None => text.is_empty(),
        Some((any, shown)) if any == "..." => {
            (0..=text.len()).any(|at| is_output(shown, &text[at..]))
        }
        Some((line, shown)) => text
            .split_first()
            .is_some_and(|(first, text)| is_line(line, first) && is_output(shown, text)),
    }
}

fn check(name: &str, step: &Step, folder: &Path) {
    let Step { command, status, shown } = step;
    let (ended, said) = run(command, folder);
    assert_eq!(ended, *status, "{name}: exit status of {command}\n{said}");
    let said: Vec<&str> = said.trim_end().lines().map(str::trim_end).collect();
    assert!(
        shown.is_empty() || is_output(shown, &said),
        "{name}: $ {command}\n== the document shows\n{}\n== the program prints\n{}",
        shown.join("\n"),
        said.join("\n"),
    );
}

/// The number of commands that were run, of the document.
fn run_document(name: &str) -> usize {
    let text = read(name);
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(project().join("data"), folder.path().join("data")).unwrap();
    if text.contains("<!-- setup: example -->") {
        for command in EXAMPLE {
            let (status, said) = run(command, folder.path());
            assert_eq!(status, 0, "{command}\n{said}");
        }
    }
    let consoles = blocks(&text).into_iter().filter(|block| block.language == "console");
    let steps: Vec<Step> = consoles.flat_map(|block| steps(&block)).collect();
    // An alias counts only where a person types; `run` has it as a function.
    let steps = steps.iter().filter(|step| !step.command.starts_with("alias "));
    steps.map(|step| check(name, step, folder.path())).count()
}

#[test]
fn story_of_the_readme_happens_as_it_is_told() {
    let run = run_document("README.md");
    assert!(run >= 15, "{run}");
}

#[test]
fn commands_of_docs_print_what_is_shown() {
    let documents = documents().into_iter().filter(|name| name != "README.md");
    let run: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            documents.map(|name| scope.spawn(move || run_document(&name))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(run >= 20, "{run}");
}

/// Commands that no test runs have the reason in a comment before them.
#[test]
fn every_command_is_run_or_says_why_not() {
    for name in documents() {
        for block in blocks(&read(&name)) {
            let excused = block.before.starts_with("<!-- not run: ");
            let is_command = matches!(block.language, "sh" | "bash" | "shell")
                || (block.language != "console"
                    && block.lines.iter().any(|line| line.trim_start().starts_with("lazaretto ")));
            assert!(!is_command || excused, "{name}: not run: {}", block.lines.join("\n"));
        }
    }
}

/// The anchors of a document: its headings as GitHub names them, and its own.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        if let Some(id) = line.split("<a id=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            anchors.insert(id.to_owned());
        }
        if !fenced && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    anchors
}

#[test]
fn links_lead_somewhere() {
    let others = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let more = ["data/README.md", "deploy/README.md", "helm/lazaretto/README.md"];
    let names = others.into_iter().chain(more).map(str::to_owned).chain(documents());
    let mut wrong = Vec::new();
    for name in names {
        let text = read(&name);
        let folder = project().join(&name).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path: PathBuf =
                if file.is_empty() { project().join(&name) } else { folder.join(file) };
            let there = path.exists()
                && (anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&path).unwrap()).contains(anchor));
            if !there {
                wrong.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn index_names_every_page() {
    let index = read("docs/README.md");
    for name in documents().iter().filter_map(|name| name.strip_prefix("docs/")) {
        assert!(name == "README.md" || index.contains(&format!("({name})")), "{name}");
    }
}

#[test]
fn first_documents_are_short() {
    for (name, most) in MOST {
        let bytes = read(name).len() as u64;
        assert!(bytes <= most, "{name} has {bytes} bytes, {most} at most");
    }
}

/// Code spans of ARCHITECTURE.md and docs/ that look like paths (`domain/list`, `tests/it/ofac.rs`)
/// name files or folders of the project; modules are given without `src/` and `.rs`.
#[test]
fn paths_in_code_spans_exist() {
    let folders = |parent: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(project().join(parent)).unwrap().map(Result::unwrap);
        let folders = entries.filter(|entry| entry.path().is_dir());
        folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect()
    };
    let (rooms, others) = (folders("src"), folders("."));
    let mut missing = Vec::new();
    for name in documents().into_iter().chain(["ARCHITECTURE.md".to_owned()]) {
        let text = read(&name);
        for span in text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let Some((first, _)) = span.split_once('/') else { continue };
            if !span.chars().all(|c| c.is_ascii_alphanumeric() || "/_-.".contains(c)) {
                continue;
            }
            let module = project().join("src").join(span.trim_end_matches('/'));
            let in_room = rooms.contains(first);
            let there = in_room && (module.exists() || module.with_extension("rs").exists())
                || others.contains(first) && project().join(span).exists();
            if (in_room || others.contains(first)) && !there {
                missing.push(format!("{name}: {span}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The text of every file below `folder` that ends with `end`.
fn texts_below(folder: &Path, end: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(texts_below(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            texts.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

/// Names of types in the code spans of these documents (`CallPermit`, `LineCounts::check`) are names
/// of the program.
#[test]
fn types_in_code_spans_exist() {
    let code = [
        texts_below(&project().join("src"), ".rs"),
        texts_below(&project().join("proto"), ".proto"),
    ];
    let code = code.concat();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = code.iter().flat_map(|text| text.split(|c| !is_word(c))).collect();
    let mut missing = Vec::new();
    for name in ["ARCHITECTURE.md", "docs/design.md", "docs/exposure.md", "docs/store.md"] {
        let text = read(name);
        for span in text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let parts: Vec<&str> = span.split("::").collect();
            let capitals = parts[0].chars().filter(char::is_ascii_uppercase).count();
            let is_type = parts[0].starts_with(|c: char| c.is_ascii_uppercase())
                && (parts.len() > 1 || capitals > 1)
                && parts[0].contains(|c: char| c.is_ascii_lowercase())
                && parts.iter().all(|part| part.chars().all(is_word));
            if is_type && parts.iter().any(|part| !words.contains(part)) {
                missing.push(format!("{name}: {span}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Every method of proto/ is in docs/grpc.md, every key of the example configuration in
/// docs/configuration.md or docs/server.md, and every command in docs/command-line.md.
#[test]
fn methods_keys_and_commands_are_documented() {
    let code_span = |page: &str, text: &str| {
        page.split('`').skip(1).step_by(2).any(|span| {
            span == text
                || span.ends_with(&format!(".{text}"))
                || span.starts_with(&format!("{text} "))
        })
    };
    let protos = texts_below(&project().join("proto"), ".proto");
    let methods = protos.iter().flat_map(|text| text.lines());
    let methods = methods.filter_map(|line| line.trim().strip_prefix("rpc ")?.split('(').next());
    let page = read("docs/grpc.md");
    let mut missing: Vec<_> = methods.filter(|name| !code_span(&page, name)).collect();

    let example = read("lazaretto.example.toml");
    let keys = example.lines().filter_map(|line| {
        let line = line.strip_prefix("# ").or_else(|| line.strip_prefix('#'))?;
        let key = line.split_once(" = ").or_else(|| line.split_once(": "))?.0;
        key.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(key)
    });
    let page = read("docs/configuration.md") + &read("docs/server.md");
    missing.extend(keys.filter(|key| !code_span(&page, key)));
    assert!(missing.is_empty(), "{missing:?}");

    let page = read("docs/command-line.md");
    let folder = tempfile::tempdir().unwrap();
    let mut parents = vec![String::new()];
    let mut commands = 0;
    while let Some(parent) = parents.pop() {
        let (_, help) = run(&format!("lazaretto help {parent}"), folder.path());
        let Some((_, list)) = help.split_once("\nCommands:\n") else {
            assert!(code_span(&page, parent.trim()), "{parent}: not in docs/command-line.md");
            commands += 1;
            continue;
        };
        let names = list.lines().take_while(|line| line.starts_with(' '));
        let names = names.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let names = names.filter(|name| !name.is_empty() && *name != "help");
        parents.extend(names.map(|name| format!("{parent} {name}")));
    }
    assert!(commands > 30, "{commands}");
}

#[test]
fn what_is_shown_is_compared() {
    let block = |text: &'static str| Block {
        language: "console",
        before: "",
        lines: text.lines().collect(),
    };
    let [step] = &steps(&block("$ a \\\n  b # exit status 10\none\n\ntwo\n"))[..] else { panic!() };
    assert_eq!((step.command.as_str(), step.status), ("a \\\n  b", 10));
    assert_eq!(step.shown, ["one", "", "two"]);
    let compare = |shown: &str, said: &str, same: bool| {
        let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
        let said: Vec<&str> = said.lines().collect();
        assert_eq!(is_output(&shown, &said), same, "{shown:?} {said:?}");
    };
    compare("a\n...\nc", "a\nb\nc", true);
    compare("...\nc", "a\nb\nc", true);
    compare("a\nc", "a\nb\nc", false);
    compare("a\nb", "a\nb\nc", false);
    compare("...\nc\na", "a\nb\nc", false);
    compare("at ... of ... end", "at 1 of 2 end", true);
    compare("at ... of ...", "at 1", false);
    compare("at", "at 1", false);
}
