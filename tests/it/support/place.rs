//! A data directory with its configuration and files, for commands; and a few transfers for it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::program::{Running, Said, TODAY, program};

/// The listed one, one that took from it, one that took from that, and a service.
pub const LISTED: &str = "0xbad0000000000000000000000000000000000001";
pub const NEAR: &str = "0x0a00000000000000000000000000000000000011";
pub const FAR: &str = "0x0b00000000000000000000000000000000000022";
pub const SERVICE: &str = "0x0e00000000000000000000000000000000000044";

const CONFIG: &str = r#"
starter_lists = false
offline = true
lists.us-ofac-sdn.enabled = false
lists.us-ofac-cons.enabled = false
lists.lazarus-advisories.enabled = false
[lists.sanctions]
kind = "SANCTIONS"
required = true
"#;

/// A data directory with its configuration and files.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// With this configuration alone.
    pub fn with(config: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        place.file("lazaretto.toml", config);
        place
    }

    /// With a sanctions list of today.
    pub fn new() -> Self {
        let place = Self::with(CONFIG);
        let row = format!("{LISTED},eip155:1,u1,Evil Party,2026-01-01\n");
        let list = format!("address,ticker,party_uid,party_name,listed_on\n{row}");
        let list = place.file("sanctions.csv", &list);
        let arguments = ["lists", "import", &list, "--list", "sanctions", "--published", TODAY];
        assert_eq!(place.says(&arguments).status, 0);
        place
    }

    /// Puts lines before its configuration.
    pub fn configure(&self, lines: &str) {
        let path = self.folder().join("lazaretto.toml");
        let before = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{lines}\n{before}")).unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Writes a file, and gives its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program(&self.data());
        command.args(arguments).env("LAZARETTO_CONFIG", self.folder().join("lazaretto.toml"));
        command
    }

    pub fn says(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    /// What a command that must succeed shows as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.json_with(0, arguments)
    }

    /// The same of one that ends with an exit status.
    #[track_caller]
    pub fn json_with(&self, status: i32, arguments: &[&str]) -> Value {
        let shown = self.says(&[arguments, &["--output", "json"]].concat());
        assert_eq!(shown.status, status, "{arguments:?}: {}", shown.err);
        serde_json::from_str(&shown.out).unwrap()
    }

    /// What a command that must succeed prints, which is always JSON.
    #[track_caller]
    pub fn json_plain(&self, arguments: &[&str]) -> Value {
        let shown = self.says(arguments);
        assert_eq!(shown.status, 0, "{arguments:?}: {}", shown.err);
        serde_json::from_str(&shown.out).unwrap()
    }

    /// A server on a free port, listening.
    pub fn serve(&self) -> Running {
        self.serve_at().0
    }

    /// The same, and its URL.
    pub fn serve_at(&self) -> (Running, String) {
        self.serve_with(&[])
    }

    /// The same with more arguments.
    pub fn serve_with(&self, arguments: &[&str]) -> (Running, String) {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut server = Running::start(self.command(&arguments));
        let line = server.wait_for("listening url=");
        let url = line.split("url=").nth(1).unwrap().split_whitespace().next().unwrap();
        (server, url.to_owned())
    }
}

/// A file of our own form: one ether a row, a minute apart.
pub fn transfers(rows: &[(u64, &str, &str)]) -> String {
    let mut csv = String::from("chain,tx,position,time,from,to,asset,amount\n");
    for (height, from, to) in rows {
        let time = jiff::Timestamp::from_second(1_767_000_000 + *height as i64 * 60).unwrap();
        let amount = "1000000000000000000";
        csv += &format!("eip155:1,0x{height:064x},{height}:0,{time},{from},{to},native,{amount}\n");
    }
    csv
}

pub fn three() -> String {
    transfers(&[(100, LISTED, NEAR), (101, NEAR, FAR), (103, LISTED, SERVICE)])
}
