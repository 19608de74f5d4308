//! Ends the tests of `cargo test`, before those of documentation, with the count of tests that checked nothing, or only a part, because this
//! machine lacks what they need (`it/support/needs.rs`). Cargo runs it after the other tests. It has
//! no tests of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = std::env::current_exe()?.with_file_name("unchecked");
    let run = folder.join(std::os::unix::process::parent_id().to_string());
    let lines = std::fs::read_to_string(&run).unwrap_or_default();
    let mut needs: BTreeMap<&str, u32> = BTreeMap::new();
    let mut tests = BTreeSet::new();
    // A test may miss one thing several times.
    let lines: BTreeSet<_> = lines.lines().filter_map(|line| line.split_once(' ')).collect();
    for (need, test) in lines {
        *needs.entry(need).or_default() += 1;
        tests.insert(test);
    }
    let total = tests.len();
    let each: Vec<_> = needs.iter().map(|(need, count)| format!("{count} no {need}")).collect();
    match total {
        0 => println!("unchecked: 0 tests lacked anything"),
        _ => println!("unchecked: {total} tests lacked something: {}", each.join(", ")),
    }
    remove_files_of_ended_runs(&folder, &run)
}

/// Removes the file of this run, and those of runs that ended before they came here.
fn remove_files_of_ended_runs(folder: &Path, run: &Path) -> std::io::Result<()> {
    let Ok(files) = std::fs::read_dir(folder) else { return Ok(()) };
    for file in files {
        let file = file?;
        if file.path() == run || !Path::new("/proc").join(file.file_name()).exists() {
            match std::fs::remove_file(file.path()) {
                // Another run removed it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}
