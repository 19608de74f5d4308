//! What a test needs from outside the repository: real data, programs, the right to mount. A test
//! that lacks one fails where `CI` is set. Elsewhere it prints a line, and `tests/unchecked.rs` ends
//! `cargo test` with the count. A test that checks nothing must not pass for one that has checked.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    Data,
    Python,
    Typescript,
    Buf,
    Promtool,
    Chromium,
    Mount,
}

impl Need {
    /// The name in `LAZARETTO_TEST_WITHOUT` and in messages.
    fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Python => "python",
            Self::Typescript => "typescript",
            Self::Buf => "buf",
            Self::Promtool => "promtool",
            Self::Chromium => "chromium",
            Self::Mount => "mount",
        }
    }

    /// How to have it.
    fn remedy(self) -> &'static str {
        match self {
            Self::Data => "LAZARETTO_TEST_DATA names a folder of real lists and transfers",
            Self::Python => "LAZARETTO_TEST_PYTHON names a Python with the client's requirements",
            Self::Typescript => {
                "LAZARETTO_TEST_TYPESCRIPT names a folder with the client's packages"
            }
            Self::Buf => "LAZARETTO_TEST_BUF names the program buf",
            Self::Promtool => "LAZARETTO_TEST_PROMTOOL names the program promtool",
            Self::Chromium => "LAZARETTO_TEST_CHROMIUM names chromium, or it is on the path",
            Self::Mount => "only root may mount a file system",
        }
    }

    /// The variable that names the program or folder.
    fn variable(self) -> String {
        format!("LAZARETTO_TEST_{}", self.name().to_uppercase())
    }
}

/// A file or folder of the real data; `None`, reported, where there are no such data.
pub fn data(path: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let root = variable(Need::Data).map_or_else(beside, PathBuf::from);
    found(Need::Data, root.is_dir().then(|| root.join(path)))
}

/// The program or folder that the variable of `need` names; `None`, reported, where it is unset.
pub fn tool(need: Need) -> Option<OsString> {
    found(need, variable(need))
}

/// Debian's chromium, named or on the path; `None`, reported, where there is none.
pub fn chromium() -> Option<OsString> {
    let on_path = || {
        let folders = std::env::var_os("PATH")?;
        let mut programs = std::env::split_paths(&folders).map(|folder| folder.join("chromium"));
        programs.find(|program| program.is_file()).map(Into::into)
    };
    found(Need::Chromium, variable(Need::Chromium).or_else(on_path))
}

fn variable(need: Need) -> Option<OsString> {
    std::env::var_os(need.variable()).filter(|value| !value.is_empty())
}

/// Passes on what was found, and reports where it is nothing.
///
/// # Panics
///
/// Where CI must have it.
pub fn found<T>(need: Need, found: Option<T>) -> Option<T> {
    if found.is_none() {
        report(need);
    }
    found
}

fn report(need: Need) {
    let set = |variable: &str| std::env::var(variable).unwrap_or_default();
    let (name, remedy) = (need.name(), need.remedy());
    let test = std::thread::current().name().unwrap_or("unnamed").to_owned();
    count(&format!("{name} {test}\n"));
    if must_have(name, &set("CI"), &set("LAZARETTO_TEST_WITHOUT")) {
        panic!(
            "no {name}: {remedy}; with CI set this fails, but for LAZARETTO_TEST_WITHOUT={name}"
        );
    }
    static REPORTED: Mutex<BTreeSet<(String, Need)>> = Mutex::new(BTreeSet::new());
    let mut reported = REPORTED.lock().unwrap();
    if reported.insert((test.clone(), need)) {
        // Written past what captures the output of a test that passes.
        let line = format!("unchecked {}: {test}: no {name}: {remedy}\n", reported.len());
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

/// Adds a line to the file of this run of `cargo test`, the parent of every test program.
fn count(line: &str) {
    let program = std::env::current_exe().unwrap();
    let folder = program.with_file_name("unchecked");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(std::os::unix::process::parent_id().to_string());
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(line.as_bytes()).unwrap();
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
