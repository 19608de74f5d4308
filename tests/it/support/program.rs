//! The program as a child process, away from the user's own settings and data.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// The moment at which every run of the program takes place, so that what two of them say can be
/// compared, at whatever time of the day and however slow the machine is. (Builds without debug
/// assertions refuse to be told the time.)
pub const NOW: &str = "2026-11-22T12:00:00Z";

/// Its day.
pub const TODAY: &str = "2026-11-22";

/// The program with only these settings, at [`NOW`].
pub fn program(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazaretto"));
    command.env_clear().env("LAZARETTO_DATA_DIR", data_dir).env("LAZARETTO_TEST_NOW", NOW);
    command.stdin(Stdio::null());
    command
}

/// What a finished command said.
pub struct Said {
    /// The exit status; -1 where a signal ended it.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Checks the exit status, and that every text of `all` was printed, however lines are broken.
#[track_caller]
pub fn check(shown: &Said, status: i32, all: &[&str]) {
    assert_eq!(shown.status, status, "{}{}", shown.out, shown.err);
    // Sentences are broken at the width of the terminal.
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = one_line(&format!("{}{}", shown.out, shown.err));
    for words in all {
        assert!(said.contains(&one_line(words)), "{words:?} is not in\n{}{}", shown.out, shown.err);
    }
}

/// Runs a command to its end.
pub fn run<A: AsRef<OsStr>>(data_dir: &Path, arguments: impl IntoIterator<Item = A>) -> Said {
    program(data_dir).args(arguments).output().unwrap().into()
}

/// A child whose standard error is read line by line; killed when dropped.
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    seen: String,
}

impl Running {
    /// Starts the command.
    pub fn start(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, seen: String::new() }
    }

    /// Waits for the line of standard error that holds `text`, and returns it.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "the program ended without saying {text:?}:\n{}", self.seen);
            self.seen.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end.
    pub fn end(mut self) -> Said {
        let mut rest = String::new();
        while self.stderr.read_line(&mut rest).unwrap() > 0 {}
        self.seen.push_str(&rest);
        let mut out = String::new();
        std::io::Read::read_to_string(&mut self.child.stdout.take().unwrap(), &mut out).unwrap();
        let status = self.child.wait().unwrap().code().unwrap_or(-1);
        Said { status, out, err: std::mem::take(&mut self.seen) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
