//! `cluster`: what is joined with an address by common inputs, and why, for an officer.

use anyhow::Result;
use clap::Args;

use super::output::Output;
use super::transfers::{PAGE, check_page};
use super::{Global, connect, render, runtime};
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;

/// The arguments of `cluster`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The address
    address: String,
    /// The chain: a CAIP-2 id or a name such as bitcoin; else every chain that the form fits
    #[arg(long)]
    chain: Option<String>,
    /// At most so many members; listed ones are shown beside them, up to 1,000
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub fn run(arguments: &Arguments, global: &Global) -> Result<u8> {
    runtime()?.block_on(async {
        let mut client = connect::connect_for_paths(global).await?;
        let all = pages(&mut client, arguments).await?;
        arguments.output.show(&all, |style| render::cluster::text(&all, style))?;
        Ok(0)
    })
}

/// Asks page by page; what is said of the cluster as a whole is of the last page.
async fn pages(client: &mut Client, arguments: &Arguments) -> Result<v1::ListClusterResponse> {
    let limit = arguments.limit as usize;
    let mut all = v1::ListClusterResponse::default();
    loop {
        let left = limit - all.members.len();
        let request = v1::ListClusterRequest {
            address: arguments.address.clone(),
            chain: arguments.chain.clone().unwrap_or_default(),
            page_size: u32::try_from(left).unwrap_or(PAGE).min(PAGE),
            page_token: all.next_page_token.clone(),
        };
        let ask = async || answer(client.screening.list_cluster(request.clone()).await);
        let page = connect::retry_while_loading(ask).await?;
        check_page(&page.next_page_token, &all.next_page_token)?;
        let mut members = std::mem::take(&mut all.members);
        members.extend(page.members);
        all = v1::ListClusterResponse { members, ..page };
        if all.next_page_token.is_empty() || all.members.len() >= limit {
            return Ok(all);
        }
    }
}
