//! `lists`: the commands on lists, and those that need one call only.

mod backfill;
mod changes;
mod check_source;
mod export;
pub(super) mod force;
pub(super) mod import;
mod last_seen;
mod pages;
mod party;
mod refresh;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::output::Output;
use super::{Global, connect, render, runtime};
use crate::domain::list::ListId;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;

/// The arguments of `lists`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every list that is loaded or configured, and how old it is
    Ls {
        /// How to show it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Publish a file as the new version of a list
    Import(import::Arguments),
    /// Put old publications of a list into its past: since when rows were listed, and what was removed
    Backfill(backfill::Arguments),
    /// Write a list's standing rows as CSV
    Export(export::Arguments),
    /// Read a list's configured source now; without an id, every configured source
    Refresh(refresh::Arguments),
    /// Try a list's configured source now and say what it sends, without publishing it: exit status 1
    /// where a list could not be read from any of its URLs; without an id, every configured source
    CheckSource(check_source::Arguments),
    /// What each list version added, changed and removed
    Changes(changes::Arguments),
    /// Rows with an address that cannot be understood
    Quarantine(pages::QuarantineArguments),
    /// Parties with all of their listings, by identifier or by name: exit status 1 where none is found
    Party(party::Arguments),
}

/// Runs a command on lists.
pub fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    runtime()?.block_on(async {
        let mut client = connect::connect(global).await?;
        match arguments.command {
            Command::Ls { output } => ls(&mut client, output).await?,
            Command::Import(arguments) => import::run(&mut client, arguments).await?,
            Command::Backfill(arguments) => backfill::run(&mut client, arguments).await?,
            Command::Export(arguments) => export::run(&mut client, arguments).await?,
            Command::Refresh(arguments) => refresh::run(&mut client, arguments).await?,
            Command::CheckSource(arguments) => {
                return check_source::run(&mut client, arguments).await;
            }
            Command::Changes(arguments) => changes::run(&mut client, arguments, global).await?,
            Command::Quarantine(arguments) => pages::quarantine(&mut client, arguments).await?,
            Command::Party(arguments) => return party::run(&mut client, arguments).await,
        }
        Ok(0)
    })
}

async fn ls(client: &mut Client, output: Output) -> Result<()> {
    let request = v1::ListSanctionsListsRequest {};
    let response = answer(client.lists.list_sanctions_lists(request).await)?;
    output.show(&response, |style| render::lists::table(&response.lists, style))
}

/// A list id as the proto has it: empty means every list.
fn id_or_all(list: Option<ListId>) -> String {
    list.map_or_else(String::new, String::from)
}
