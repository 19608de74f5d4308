//! `lists refresh`: reads sources now, each by its own call, so that one that fails hides no
//! other.

use anyhow::{Result, anyhow, ensure};
use clap::Args;

use crate::cli::output::{self, Output};
use crate::cli::render;
use crate::domain::list::ListId;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;

/// The arguments of `lists refresh`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The list; without it, every list with a configured source
    #[arg(value_name = "ID")]
    list: Option<ListId>,
    /// How to show the outcomes (JSON: one message a list)
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Refreshes one list or all.
pub async fn run(client: &mut Client, arguments: Arguments) -> Result<()> {
    if let Some(id) = arguments.list {
        return refresh(client, id.into(), arguments.output).await;
    }
    let ids = with_source(client).await?;
    let (all, mut failed) = (ids.len(), 0);
    for id in ids {
        if let Err(error) = refresh(client, id.clone(), arguments.output).await {
            output::print_error(&format!("{id}: {error:#}"));
            failed += 1;
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(anyhow!("{failed} of {all} sources failed")),
    }
}

/// The lists that have a configured source; fails where none has.
pub(super) async fn with_source(client: &mut Client) -> Result<Vec<String>> {
    let request = v1::ListSanctionsListsRequest {};
    let response = answer(client.lists.list_sanctions_lists(request).await)?;
    let with_source = response.lists.into_iter().filter(|list| !list.source.is_empty());
    let ids: Vec<_> = with_source.map(|list| list.list_id).collect();
    ensure!(!ids.is_empty(), "no list has a configured source");
    Ok(ids)
}

async fn refresh(client: &mut Client, list_id: String, output: Output) -> Result<()> {
    let response = answer(client.lists.refresh_list(v1::RefreshListRequest { list_id }).await)?;
    let report = response.report.clone().unwrap_or_default();
    output.show(&response, |style| render::lists::report(&report, style))
}
