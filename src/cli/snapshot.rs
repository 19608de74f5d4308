//! `snapshot`: shows the record of a snapshot id.

use anyhow::Result;
use clap::Args;

use super::output::Output;
use super::{Global, connect, render, runtime};
use crate::grpc::client::answer;
use crate::grpc::v1;

/// The arguments of `snapshot`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The id, as an answer names it; without it, the snapshot in use
    #[arg(default_value = "")]
    id: String,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    runtime()?.block_on(async {
        let mut client = connect::connect(global).await?;
        let request = v1::GetSnapshotRequest { id: arguments.id };
        let response = answer(client.lists.get_snapshot(request).await)?;
        let snapshot = response.snapshot.clone().unwrap_or_default();
        arguments.output.show(&response, |style| render::snapshot::text(&snapshot, style))?;
        Ok(0)
    })
}
