//! The servers that are compared, each a process of its own: ours with its store, and the two
//! constant ones. Starts them and makes what they need; measures nothing.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::addresses;
use crate::constant;
use crate::counter::Counter;
use crate::secured::Secured;
use crate::server::{self, ServerChild};

/// Only what the bench imports is loaded, and nothing that it lacks is required.
pub const SETTINGS: [&str; 8] = [
    "--set",
    "starter_lists=false",
    "--set",
    "lists.us-ofac-cons.enabled=false",
    "--set",
    "lists.lazarus-advisories.enabled=false",
    "--set",
    "log=warn,lazaretto::cli::serve=info",
];

/// A server process; ends when dropped.
pub enum Running {
    Ours(ServerChild),
    Constant { child: Child, endpoint: String },
}

impl Running {
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Ours(child) => child.endpoint(),
            Self::Constant { endpoint, .. } => endpoint,
        }
    }

    pub fn pid(&self) -> u32 {
        match self {
            Self::Ours(child) => child.pid(),
            Self::Constant { child, .. } => child.id(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Constant { child, .. } = self {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Starts ours on `data_dir`, under `counter` where one is given, closed where it is to be secured.
pub fn ours(
    data_dir: &Path,
    counter: Option<(Counter, &Path)>,
    secured: Option<&Secured>,
) -> Running {
    ours_with(&[], data_dir, counter, secured)
}

/// The same with more arguments.
pub fn ours_with(
    arguments: &[&str],
    data_dir: &Path,
    counter: Option<(Counter, &Path)>,
    secured: Option<&Secured>,
) -> Running {
    let mut command = wrapped(server::LAZARETTO.as_ref(), counter);
    server::without_settings(&mut command);
    command.args(server::serve_arguments(data_dir)).args(SETTINGS);
    command.args(secured.map(Secured::arguments).unwrap_or_default()).args(arguments);
    Running::Ours(ServerChild::spawn(command, data_dir))
}

/// Starts the constant server `program` with the answers in `folder`.
pub fn constant(program: &Path, folder: &Path, counter: Option<(Counter, &Path)>) -> Running {
    let mut command = wrapped(program, counter);
    command.arg(constant::ARGUMENT).arg(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut endpoint = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    output.read_line(&mut endpoint).expect("it says where it listens");
    Running::Constant { child, endpoint: endpoint.trim().to_owned() }
}

fn wrapped(program: &Path, counter: Option<(Counter, &Path)>) -> Command {
    match counter {
        None => Command::new(program),
        Some((counter, folder)) => counter.command(program, folder),
    }
}

/// The program of the tuned constant server, built as this bench was.
pub fn tuned_program() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo tells the program that it runs would make build scripts run anew, and with them
    // the whole build.
    for (name, _) in std::env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "OUT_DIR"];
        if told.iter().any(|told| name.as_encoded_bytes().starts_with(told.as_bytes())) {
            cargo.env_remove(name);
        }
    }
    cargo.args(["bench", "--no-run", "--quiet", "--bench", "constant_tuned"]);
    if cfg!(debug_assertions) {
        cargo.args(["--profile", "dev"]);
    }
    cargo.args(["--message-format", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(built.status.success(), "{cargo:?} failed");
    let messages = String::from_utf8(built.stdout).expect("cargo prints JSON");
    let mut programs = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let ours = message["target"]["name"] == "constant_tuned";
        ours.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    programs.next_back().expect("cargo names the program that it built")
}

/// A data directory in `parent` with a list of `count` EVM addresses, published today.
pub fn store(parent: &Path, count: usize) -> PathBuf {
    let data_dir = parent.join(format!("store-{count}"));
    let list = parent.join(format!("list-{count}.csv"));
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    write_list(&list, &today, count).expect("the folder is writable");
    let mut command = server::command();
    command.arg("--data-dir").arg(&data_dir).args(SETTINGS).args(["lists", "import"]).arg(&list);
    command.args(["--list", "us-ofac-sdn", "--kind", "SANCTIONS", "--published", &today]);
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}: {printed}");
    data_dir
}

fn write_list(path: &Path, today: &str, count: usize) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "# lazaretto list 1\n# published: {today}")?;
    writeln!(file, "address,ticker,party_uid,party_name,listed_on")?;
    for (place, address) in addresses::listed(count).enumerate() {
        // A few addresses a party, as on real lists.
        let party = place / 4;
        writeln!(file, "{address},ETH,{party},PARTY {party},2024-01-02")?;
    }
    file.into_inner()?.sync_all()
}
