//! A test that runs itself as a child process and kills it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `test` alone in a child, whose variable `name` is `dir`. Kills it at a random moment after it
/// has printed up to twelve lines that begin with one of `words`, and returns all that it printed.
pub fn run_and_kill(test: &str, name: &str, dir: &Path, words: &[&str]) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(name, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut printed = Vec::new();
    let wait_for = fastrand::usize(1..=12);
    let mut seen = 0;
    while seen < wait_for {
        let line = lines.next().expect("the child goes on until it is killed").unwrap();
        seen += usize::from(words.iter().any(|word| line.starts_with(word)));
        printed.push(line);
    }
    for turn in 0..fastrand::u32(0..2_000_000) {
        std::hint::black_box(turn);
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    printed.extend(lines.map(Result::unwrap));
    printed
}
