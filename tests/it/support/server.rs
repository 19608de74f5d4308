//! A served binary as a child process, for tests and benches. Knows how to start it and when it
//! listens; knows nothing of what it answers.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;

/// The program under test.
pub const LAZARETTO: &str = env!("CARGO_BIN_EXE_lazaretto");

/// A server that listens; killed when dropped.
pub struct ServerChild {
    child: Child,
    endpoint: String,
    log: Option<JoinHandle<()>>,
}

impl ServerChild {
    /// Starts `serve` on `data_dir`, offline and on a free loopback port, with `arguments` after.
    #[allow(
        dead_code,
        reason = "the tests start servers so; the benches have commands of their own"
    )]
    pub fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let mut command = command();
        command.args(serve_arguments(data_dir)).args(arguments);
        Self::spawn(command, data_dir)
    }

    /// Starts `command`, which serves on `data_dir`, and waits until it says that it listens.
    /// Panics with what it logged where it ends before.
    pub fn spawn(mut command: Command, data_dir: &Path) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = child.stderr.take().expect("it is piped");
        let mut server = Self { child, endpoint: String::new(), log: None };
        server.log = Some(read_until_it_listens(stderr));
        let path = data_dir.join("endpoint");
        let endpoint = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        endpoint.trim().clone_into(&mut server.endpoint);
        server
    }

    /// Where it can be asked, such as `http://127.0.0.1:41234`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Its process id.
    #[allow(dead_code, reason = "the benches attach counters to it; the tests need not")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerChild {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(log) = self.log.take() {
            drop(log.join());
        }
    }
}

/// The program, free of the settings of whoever runs the tests.
pub fn command() -> Command {
    let mut command = Command::new(LAZARETTO);
    without_settings(&mut command);
    command
}

/// Takes the program's own variables out of what `command` inherits.
pub fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"LAZARETTO_") {
            command.env_remove(name);
        }
    }
}

/// The arguments with which the program serves `data_dir` offline on a free loopback port.
pub fn serve_arguments(data_dir: &Path) -> Vec<&std::ffi::OsStr> {
    let fixed = ["serve", "--offline", "--listen", "127.0.0.1:0", "--data-dir"];
    fixed.into_iter().map(AsRef::as_ref).chain([data_dir.as_os_str()]).collect()
}

/// Returns once the log has a line with `listening`; the rest is read in the background, so that
/// the server never waits for a reader.
fn read_until_it_listens(stderr: ChildStderr) -> JoinHandle<()> {
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let mut seen = Vec::new();
    for line in lines.by_ref() {
        if line.contains("listening") {
            return std::thread::spawn(move || lines.for_each(drop));
        }
        seen.push(line);
    }
    panic!("the server ended before it listened:\n{}", seen.join("\n"));
}
