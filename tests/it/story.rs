//! The story that README.md tells, run command by command as it stands there.

use std::path::Path;
use std::process::Command;

use crate::program::{NOW, TODAY};

/// The heading under which it is told.
const HEADING: &str = "## A story, from clean to blocked and back";

/// One command of the story, the exit status that its comment names, and the lines shown below it.
struct Step {
    command: String,
    status: i32,
    shown: Vec<String>,
}

/// The steps in order: `lz ...` lines of `sh` blocks, each with what the `text` block after it
/// shows.
fn steps(readme: &str) -> Vec<Step> {
    let start = readme.find(HEADING).expect("the story has its heading");
    let story = &readme[start + HEADING.len()..];
    let story = &story[..story.find("\n## ").expect("another section follows")];
    let mut steps: Vec<Step> = Vec::new();
    let mut fence = "";
    for line in story.lines() {
        match (fence, line) {
            ("", line) if line.starts_with("```") => fence = line,
            (_, "```") => fence = "",
            ("```sh", line) if line.starts_with("lz ") => {
                let (command, comment) = line.split_once("   #").unwrap_or((line, ""));
                let status = comment.split("exit status ").nth(1).map_or(0, |status| {
                    status.parse().unwrap_or_else(|_| panic!("{line}: no exit status"))
                });
                steps.push(Step { command: command.to_owned(), status, shown: Vec::new() });
            }
            ("```text", line) => {
                let step = steps.last_mut().expect("a command comes first");
                step.shown.push(line.to_owned());
            }
            _ => {}
        }
    }
    steps
}

/// Runs a command as a person would type it, in a folder that has the project's `data`.
fn run(command: &str, folder: &Path) -> (i32, String) {
    let lz = "lz() { \"$LZ\" --config data/example/lazaretto.toml \"$@\"; }\n";
    // The day of the program's clock, which stands still.
    let date = format!("date() {{ echo {TODAY}; }}\n");
    let output = Command::new("sh")
        .args(["-c", &format!("{lz}{date}{command}")])
        .current_dir(folder)
        .env("LZ", env!("CARGO_BIN_EXE_lazaretto"))
        .env("NO_COLOR", "1")
        .env("LAZARETTO_TEST_NOW", NOW)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), said)
}

/// Every line that is shown stands in what was said, in that order; `...` stands for others.
fn check(step: &Step, said: &str) {
    let mut lines = said.lines().map(str::trim_end);
    for shown in step.shown.iter().filter(|line| !line.is_empty() && *line != "...") {
        let found = lines.any(|line| line == shown.trim_end());
        assert!(found, "{}\nshows no line {shown:?} in its place:\n{said}", step.command);
    }
}

#[test]
fn the_story_of_the_readme_happens_as_it_is_told() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(project.join("README.md")).unwrap();
    let steps = steps(&readme);
    let shown = steps.iter().filter(|step| !step.shown.is_empty()).count();
    assert!(steps.len() >= 10 && shown >= 5, "{} steps, {shown} of them shown", steps.len());
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(project.join("data"), folder.path().join("data")).unwrap();
    for step in &steps {
        let (status, said) = run(&step.command, folder.path());
        assert_eq!(status, step.status, "{}\n{said}", step.command);
        check(step, &said);
    }
}

#[test]
fn what_is_shown_must_be_said_in_order() {
    let step = |shown: &[&str]| Step {
        command: String::new(),
        status: 0,
        shown: shown.iter().map(ToString::to_string).collect(),
    };
    check(&step(&["a", "...", "c"]), "a\nb\nc\n");
    for wrong in [["c", "a"], ["a", "d"], ["a", "a"]] {
        let checked = std::panic::catch_unwind(|| check(&step(&wrong), "a\nb\nc\n"));
        assert!(checked.is_err(), "{wrong:?}");
    }
}
