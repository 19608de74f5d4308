//! `policy`: the commands on policies.

pub(super) mod diff;
pub mod differences;
pub(super) mod explanation;
mod file;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{self, Output};
use super::text::escape_lines;
use super::{Global, connect, render, runtime};
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;
use crate::screening::policy::Policy;
use explanation::Explanation;

/// The arguments of `policy`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Whether files are valid policies; every problem as FILE:LINE: message, exit status 1
    Check {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// What a policy says, in plain words
    Explain {
        /// The file; without it, the policy in force
        file: Option<PathBuf>,
        /// How to show it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// What differs between two policies, and whose decision changes: exit status 0 none, 10 some,
    /// 1 error (a refused row of the sample among it)
    Diff(diff::Arguments),
    /// The file of a policy, as TOML
    Show {
        /// A version that is or was in force, as answers name it; without it, the one in force
        #[arg(id = "policy_version", value_name = "VERSION", default_value = "")]
        version: String,
        /// How to show it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Read the configured policy files again now, all or nothing
    Reload {
        /// How to show it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

/// Runs a command on policies.
pub fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    match arguments.command {
        Command::Check { files } => check(&files),
        Command::Explain { file, output } => explain(file, output, global),
        Command::Diff(arguments) => diff::run(&arguments, global),
        Command::Show { version, output } => show(version, output, global),
        Command::Reload { output } => reload(output, global),
    }
}

fn check(files: &[PathBuf]) -> Result<u8> {
    let mut status = 0;
    for path in files {
        match file::read(path) {
            Ok(policy) => {
                let shown = render::policy_check::text(&path.display().to_string(), &policy);
                output::write(shown.as_bytes())?;
            }
            Err(faults) => {
                output::print_error(&faults.to_string());
                status = 1;
            }
        }
    }
    Ok(status)
}

#[derive(Debug, Serialize)]
struct Explained {
    explanation: Explanation,
    /// How it stands at the server or the store; absent for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force: Option<v1::GetPolicyResponse>,
}

fn explain(file: Option<PathBuf>, output: Output, global: &Global) -> Result<u8> {
    let (policy, in_force) = match file {
        Some(path) => (file::read(&path)?, None),
        None => runtime()?.block_on(async {
            let mut client = connect::connect(global).await?;
            let (policy, response) = known(&mut client, "").await?;
            anyhow::Ok((policy, Some(response)))
        })?,
    };
    let explained = Explained { explanation: Explanation::new(&policy), in_force };
    output.show(&explained, |style| {
        render::policy::text(&explained.explanation, explained.in_force.as_ref(), style)
    })?;
    Ok(0)
}

/// A policy that the server knows, read by this program; empty: the one in force.
async fn known(client: &mut Client, version: &str) -> Result<(Policy, v1::GetPolicyResponse)> {
    let request = v1::GetPolicyRequest { version: version.to_owned() };
    let response = answer(client.policies.get_policy(request).await)?;
    let policy = response.policy.clone().unwrap_or_default();
    let parsed = file::parse(&policy.version, &policy.toml)?;
    Ok((parsed, response))
}

fn show(version: String, output: Output, global: &Global) -> Result<u8> {
    runtime()?.block_on(async {
        let mut client = connect::connect(global).await?;
        let request = v1::GetPolicyRequest { version };
        let response = answer(client.policies.get_policy(request).await)?;
        let toml = response.policy.as_ref().map_or("", |policy| &policy.toml);
        match output {
            // A file must come out as it went in, and a terminal must not obey it.
            Output::Text if io::stdout().is_terminal() => {
                output::write(escape_lines(toml).as_bytes())?;
            }
            Output::Text => output::write(toml.as_bytes())?,
            Output::Json => output.show(&response, |_| String::new())?,
        }
        Ok(0)
    })
}

fn reload(output: Output, global: &Global) -> Result<u8> {
    runtime()?.block_on(async {
        let mut client = connect::connect(global).await?;
        let response = answer(client.policies.reload_policy(v1::ReloadPolicyRequest {}).await)?;
        output.show(&response, |_| render::policy::reloaded(&response))?;
        Ok(0)
    })
}
