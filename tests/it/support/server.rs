//! A served binary as a child process, for tests and benches. Knows how to start it and when it
//! listens; knows nothing of what it answers.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;

/// The program under test.
pub const LAZARETTO: &str = env!("CARGO_BIN_EXE_lazaretto");

/// A server that listens; killed when dropped.
pub struct ServerChild {
    child: Child,
    endpoint: String,
    operations: Option<SocketAddr>,
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
        let mut server = Self { child, endpoint: String::new(), operations: None, log: None };
        let (seen, log) = read_until_it_listens(stderr);
        let shown = seen.iter().find(|line| line.contains("operations port listening"));
        server.operations =
            shown.and_then(|line| line.split_once("address=")?.1.trim().parse().ok());
        server.log = Some(log);
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
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it shows metrics, with the setting `operations=127.0.0.1:0`.
    #[allow(dead_code, reason = "some benches need no metrics")]
    pub fn operations(&self) -> SocketAddr {
        self.operations.expect("the server was started with operations=")
    }

    /// A size that Linux states of it, such as `VmHWM`, the most memory that it had, in bytes.
    #[allow(dead_code, reason = "some benches measure no memory")]
    pub fn memory(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the server lives");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
        kib.unwrap_or_else(|| panic!("no {name}: {status}")) << 10
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

/// Returns the lines of the log before the one with `listening url=`; the rest is read in the background,
/// so that the server never waits for a reader.
fn read_until_it_listens(stderr: ChildStderr) -> (Vec<String>, JoinHandle<()>) {
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let mut seen = Vec::new();
    for line in lines.by_ref() {
        if line.contains("listening url=") {
            return (seen, std::thread::spawn(move || lines.for_each(drop)));
        }
        seen.push(line);
    }
    panic!("the server ended before it listened:\n{}", seen.join("\n"));
}
