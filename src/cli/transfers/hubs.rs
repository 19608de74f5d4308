//! `transfers hubs`: the untagged hubs, for the officer who is to say what they are.

use anyhow::Result;
use clap::Args;

use super::{PAGE, check_page};
use crate::cli::output::Output;
use crate::cli::{connect, render};
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;

/// The arguments of `transfers hubs`.
#[derive(Debug, Args)]
pub(super) struct Hubs {
    /// Only on this chain: a CAIP-2 id or a name such as bitcoin
    #[arg(long)]
    chain: Option<String>,
    /// Only those that are listed, are joined with a listed address or have exposure of their own
    #[arg(long)]
    exposed: bool,
    /// At most so many, the oldest hubs first
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
    /// How to show them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Asks page by page and shows all.
pub(super) async fn run(client: &mut Client, arguments: Hubs) -> Result<()> {
    let mut all = v1::ListHubsResponse::default();
    loop {
        let left = arguments.limit - all.hubs.len();
        let request = v1::ListHubsRequest {
            chain: arguments.chain.clone().unwrap_or_default(),
            exposed_only: arguments.exposed,
            page_size: u32::try_from(left).unwrap_or(PAGE).min(PAGE),
            page_token: all.next_page_token.clone(),
        };
        let ask = async || answer(client.screening.list_hubs(request.clone()).await);
        let page = connect::retry_while_loading(ask).await?;
        check_page(&page.next_page_token, &all.next_page_token)?;
        let hubs = std::mem::take(&mut all.hubs);
        all = v1::ListHubsResponse { hubs: hubs.into_iter().chain(page.hubs).collect(), ..page };
        if all.next_page_token.is_empty() || all.hubs.len() >= arguments.limit {
            break;
        }
    }
    arguments.output.show(&all, |style| render::hubs::text(&all, style))
}
