//! `transfers`: the commands on transfers, and those that need few calls only.

mod import;
mod rejects;
mod sink;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand, ValueEnum};

use super::output::Output;
use super::{Global, connect, render, runtime};
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;

/// How many counterparties to ask for at once: the most that the server gives.
const PAGE: i32 = 1_000;

/// The arguments of `transfers`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Store the transfers of files
    Import(import::Arguments),
    /// What is loaded, chain by chain
    Heads {
        /// How to show it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// The transfers that an address took part in, and with whom
    Counterparties(Counterparties),
    /// Take back every transfer of a chain from a height on, as after a reorganisation
    Retract(Retract),
}

/// The arguments of `transfers counterparties`.
#[derive(Debug, Args)]
struct Counterparties {
    /// The address
    address: String,
    /// Only on this chain: a CAIP-2 id or a name such as bitcoin
    #[arg(long)]
    chain: Option<String>,
    /// Which way value moved, seen from the address
    #[arg(long, value_enum, default_value_t)]
    direction: Direction,
    /// At most so many, the oldest first as loaded
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
    /// How to show them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The arguments of `transfers retract`.
#[derive(Debug, Args)]
struct Retract {
    /// The chain: a CAIP-2 id or a name such as bitcoin
    chain: String,
    /// The first height that is taken back
    #[arg(long, value_name = "N")]
    from_height: u64,
    /// Why; kept
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How to show the outcome
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Which way value moved, seen from an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Direction {
    /// To the address and from it.
    #[default]
    Both,
    /// To the address.
    Received,
    /// From the address.
    Sent,
}

/// Runs a command on transfers.
pub fn run(arguments: Arguments, global: &Global) -> Result<u8> {
    runtime()?.block_on(async {
        match arguments.command {
            Command::Import(arguments) => import::run(arguments, global).await?,
            Command::Heads { output } => {
                heads(&mut connect::connect(global).await?, output).await?;
            }
            Command::Counterparties(arguments) => {
                counterparties(&mut connect::connect_for_paths(global).await?, arguments).await?;
            }
            Command::Retract(arguments) => {
                retract(&mut connect::connect(global).await?, arguments).await?;
            }
        }
        Ok(0)
    })
}

async fn heads(client: &mut Client, output: Output) -> Result<()> {
    let request = v1::ListTransferHeadsRequest {};
    let response = answer(client.transfers.list_transfer_heads(request).await)?;
    output.show(&response, |style| render::transfers::heads(&response, style))
}

async fn counterparties(client: &mut Client, arguments: Counterparties) -> Result<()> {
    let direction = match arguments.direction {
        Direction::Both => v1::TransferDirection::Unspecified,
        Direction::Received => v1::TransferDirection::Received,
        Direction::Sent => v1::TransferDirection::Sent,
    };
    let mut all = v1::ListCounterpartiesResponse::default();
    loop {
        let left = arguments.limit - all.counterparties.len();
        let request = v1::ListCounterpartiesRequest {
            address: arguments.address.clone(),
            chain: arguments.chain.clone().unwrap_or_default(),
            direction: direction.into(),
            page_size: i32::try_from(left).unwrap_or(PAGE).min(PAGE),
            page_token: all.next_page_token.clone(),
        };
        let ask = async || answer(client.transfers.list_counterparties(request.clone()).await);
        let page = connect::when_loaded(ask).await?;
        ensure!(
            page.next_page_token.is_empty() || page.next_page_token != all.next_page_token,
            "the server gives the page {:?} after itself",
            page.next_page_token
        );
        all.counterparties.extend(page.counterparties);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() || all.counterparties.len() >= arguments.limit {
            break;
        }
    }
    arguments.output.show(&all, |_| render::transfers::counterparties(&all))
}

async fn retract(client: &mut Client, arguments: Retract) -> Result<()> {
    let request = v1::RetractTransfersRequest {
        chain: arguments.chain,
        from_height: arguments.from_height,
        reason: arguments.reason,
    };
    let response = answer(client.transfers.retract_transfers(request).await)?;
    arguments.output.show(&response, |_| render::transfers::retraction(&response))
}
