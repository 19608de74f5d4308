//! Counts the user-mode instructions of a server process around a piece of work: with the
//! processor's counters by `perf` where there are any, else with valgrind's callgrind, which
//! executes the server by itself and counts exactly, some fifty times slower.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    Perf,
    Callgrind,
}

impl Counter {
    /// The best counter that works on this machine.
    pub fn find() -> Option<Self> {
        let perf = Command::new("perf").args(["stat", "-x,", "-e", EVENT, "true"]).output();
        if perf.is_ok_and(|perf| count(&String::from_utf8_lossy(&perf.stderr)).is_some()) {
            return Some(Self::Perf);
        }
        let found = |program| Command::new(program).arg("--version").output().is_ok();
        (found("valgrind") && found("vgdb")).then_some(Self::Callgrind)
    }

    /// How the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf stat -e instructions:u",
            Self::Callgrind => "valgrind --tool=callgrind, as perf has no counters here",
        }
    }

    /// The command that runs `program` so that it can be counted; `folder` takes the counts.
    pub fn command(self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        if self == Self::Perf {
            return Command::new(program);
        }
        let mut command = Command::new("valgrind");
        let mut output = std::ffi::OsString::from("--callgrind-out-file=");
        output.push(output_file(folder));
        command.args(["-q", "--tool=callgrind", "--instr-atstart=no"]).arg(output).arg(program);
        command
    }

    /// Makes ready to count: what `work` does before is not counted.
    pub fn begin(self, pid: u32) {
        if self == Self::Callgrind {
            vgdb(pid, &["instrumentation", "on"]);
        }
    }

    /// The user-mode instructions of the process while `work` goes on.
    pub async fn count(self, pid: u32, folder: &Path, work: impl Future<Output = ()>) -> u64 {
        match self {
            Self::Perf => count_with_perf(pid, work).await,
            Self::Callgrind => {
                let dumps = (1..).map(|place| with_suffix(output_file(folder), place));
                let dump = dumps.into_iter().find(|path| !path.exists()).expect("they are endless");
                vgdb(pid, &["zero"]);
                work.await;
                vgdb(pid, &["dump"]);
                let dump = std::fs::read_to_string(&dump).expect("callgrind wrote it");
                let total = dump.lines().find_map(|line| line.strip_prefix("totals: "));
                total.and_then(|total| total.trim().parse().ok()).expect("a dump has totals")
            }
        }
    }
}

const EVENT: &str = "instructions:u";

/// `perf` counts for as long as its command lives: a `cat` that has echoed a line has begun, and
/// ends when its input does.
async fn count_with_perf(pid: u32, work: impl Future<Output = ()>) -> u64 {
    let mut perf = Command::new("perf")
        .args(["stat", "-x,", "-e", EVENT, "-p", &pid.to_string(), "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("perf worked before");
    let mut input = perf.stdin.take().expect("it is piped");
    let mut output = BufReader::new(perf.stdout.take().expect("it is piped"));
    writeln!(input, "begun").expect("cat reads");
    output.read_line(&mut String::new()).expect("cat writes");
    work.await;
    drop(input);
    let ended = perf.wait_with_output().expect("perf ends with cat");
    count(&String::from_utf8_lossy(&ended.stderr)).expect("perf counted before")
}

/// The count in what `perf stat -x,` prints; `None` where the machine cannot count.
fn count(printed: &str) -> Option<u64> {
    let line = printed.lines().find(|line| line.contains(EVENT))?;
    line.split(',').next()?.parse().ok()
}

fn output_file(folder: &Path) -> PathBuf {
    folder.join("callgrind.out")
}

fn with_suffix(path: PathBuf, place: usize) -> PathBuf {
    let mut path = path.into_os_string();
    path.push(format!(".{place}"));
    path.into()
}

fn vgdb(pid: u32, command: &[&str]) {
    let mut vgdb = Command::new("vgdb");
    vgdb.arg(format!("--pid={pid}")).args(command);
    let ended = vgdb.output().expect("vgdb was found");
    assert!(ended.status.success(), "{vgdb:?}: {}", String::from_utf8_lossy(&ended.stderr));
}
