//! What a server tells of its calls: its log, in which no address and no customer stands, and its
//! traces.

mod logs;
mod traces;

use std::path::Path;
use std::process::Command;

use crate::support::program::{Running, program};

/// A sanctioned address of the list that tests import.
const LISTED: &str = "0x5eed00000000000000000000000000000000aaaa";
/// An address on no list.
const CLEAN: &str = "0x5eed00000000000000000000000000000000bbbb";
/// What a customer is called.
const CUSTOMER: &str = "customer-4711";

/// A server on a free port that asks nobody, with these settings, and where it listens.
fn serve(data_dir: &Path, settings: &[(&str, &str)]) -> (Running, String) {
    let mut command = program(data_dir);
    command.args(["serve", "--listen", "127.0.0.1:0", "--set", "starter_lists=false"]);
    for list in ["us-ofac-sdn", "us-ofac-cons", "lazarus-advisories"] {
        command.args(["--set", &format!("lists.{list}.enabled=false")]);
    }
    command.env("LAZARETTO_LOG_FORMAT", "json");
    for (name, value) in settings {
        command.env(name, value);
    }
    let mut server = Running::start(command);
    let line = server.wait_for("\"message\":\"listening\"");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let url = line["url"].as_str().unwrap().to_owned();
    (server, url)
}

/// A command that asks the server at `url`.
fn client(data_dir: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = program(data_dir);
    command.args(["--server", url]).args(arguments);
    command
}
