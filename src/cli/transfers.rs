//! `transfers`: the commands on transfers, and those that need few calls only.

mod hubs;
mod import;
mod rejects;
mod sink;

use std::ops::RangeInclusive;

use anyhow::{Result, anyhow, ensure};
use clap::{Args, Subcommand, ValueEnum};

use super::output::Output;
use super::{Global, connect, render, runtime};
use crate::domain::chain::Chain;
use crate::domain::coverage::{CoverageDeclaration, Extent};
use crate::domain::transfer::{MAX_HEIGHT, MAX_TIME, MovementKind};
use crate::grpc::client::ingest::covered;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;

/// How many counterparties, hubs or members of a cluster to ask for at once: the most that the server
/// gives.
pub(super) const PAGE: u32 = 1_000;

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
    /// Untagged hubs: addresses with so many counterparties that paths end there, though nobody has
    /// said whose they are
    Hubs(hubs::Hubs),
    /// Take back every transfer of a chain from a height on, or of one block, as after a
    /// reorganisation
    Retract(Retract),
    /// Declare blocks, or times, to be whole of which no transfer comes
    Declare(Declare),
    /// Known gaps: what is not wholly understood, and what would close it
    Gaps(Gaps),
    /// Transfers that contradict each other: both count until settled
    Conflicts(Conflicts),
    /// Decide which of two transfers counts
    Settle(Settle),
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
    #[arg(long, value_name = "N", required_unless_present = "block_hash")]
    from_height: Option<u64>,
    /// Only the block with this hash
    #[arg(long, value_name = "HASH")]
    block_hash: Option<String>,
    /// Why; kept
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How to show the outcome
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The arguments of `transfers declare`.
#[derive(Debug, Args)]
struct Declare {
    /// The chain: a CAIP-2 id or a name such as bitcoin
    #[arg(value_parser = chain)]
    chain: Chain,
    /// The blocks
    #[arg(long, value_name = "FROM-TO", value_parser = heights, required_unless_present = "covers_times")]
    covers: Option<RangeInclusive<u64>>,
    /// The times, for transfers that state no height (RFC 3339 or Unix seconds)
    #[arg(long, value_name = "FROM/TO", value_parser = times)]
    covers_times: Option<RangeInclusive<u64>>,
    /// The kinds: native, tokens, internal, utxo
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', required = true)]
    kinds: Vec<MovementKind>,
    /// How to show the outcome
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The arguments of `transfers gaps`.
#[derive(Debug, Args)]
struct Gaps {
    /// Only of this chain: a CAIP-2 id or a name such as bitcoin
    #[arg(long)]
    chain: Option<String>,
    /// How to show them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The arguments of `transfers conflicts`.
#[derive(Debug, Args)]
struct Conflicts {
    /// Only of this chain: a CAIP-2 id or a name such as bitcoin
    #[arg(long)]
    chain: Option<String>,
    /// Settled ones too
    #[arg(long)]
    settled: bool,
    /// At most so many, the oldest first
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
    /// How to show them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The arguments of `transfers settle`.
#[derive(Debug, Args)]
struct Settle {
    /// The number of the conflict, as `transfers conflicts` shows it
    number: u64,
    /// Which transfer counts
    #[arg(long, value_enum)]
    keep: Keep,
    /// Why; kept
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Which transfer of a conflict counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keep {
    /// The one that was stored first.
    First,
    /// The one that contradicts it.
    Second,
    /// They are two movements.
    Both,
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
            Command::Import(arguments) => return import::run(arguments, global).await,
            Command::Heads { output } => {
                heads(&mut connect::connect(global).await?, output).await?;
            }
            Command::Counterparties(arguments) => {
                counterparties(&mut connect::connect_for_paths(global).await?, arguments).await?;
            }
            Command::Hubs(arguments) => {
                hubs::run(&mut connect::connect_for_paths(global).await?, arguments).await?;
            }
            Command::Retract(arguments) => {
                retract(&mut connect::connect(global).await?, arguments).await?;
            }
            Command::Declare(arguments) => {
                declare(&mut connect::connect(global).await?, arguments).await?;
            }
            Command::Gaps(arguments) => {
                gaps(&mut connect::connect(global).await?, arguments).await?;
            }
            Command::Conflicts(arguments) => {
                conflicts(&mut connect::connect(global).await?, arguments).await?;
            }
            Command::Settle(arguments) => {
                settle(&mut connect::connect(global).await?, arguments).await?;
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
            page_size: u32::try_from(left).unwrap_or(PAGE).min(PAGE),
            page_token: all.next_page_token.clone(),
        };
        let ask = async || answer(client.transfers.list_counterparties(request.clone()).await);
        let page = connect::retry_while_loading(ask).await?;
        check_page(&page.next_page_token, &all.next_page_token)?;
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
        first_height: arguments.from_height.unwrap_or(0),
        reason: arguments.reason,
        block_hash: arguments.block_hash.unwrap_or_default(),
    };
    let response = answer(client.transfers.retract_transfers(request).await)?;
    arguments.output.show(&response, |_| render::transfers::retraction(&response))
}

async fn declare(client: &mut Client, arguments: Declare) -> Result<()> {
    let heights = arguments.covers.map(Extent::Heights);
    let extents = heights.into_iter().chain(arguments.covers_times.map(Extent::Times));
    let message = |extent| {
        covered(&CoverageDeclaration {
            chain: arguments.chain.clone(),
            kinds: arguments.kinds.clone(),
            extent,
            is_clean_import: false,
        })
    };
    let request = v1::DeclareCoverageRequest { covered: extents.map(message).collect() };
    let response = answer(client.transfers.declare_coverage(request).await)?;
    arguments.output.show(&response, |_| render::transfers::declared(&response))
}

async fn gaps(client: &mut Client, arguments: Gaps) -> Result<()> {
    let mut all = v1::ListTransferGapsResponse::default();
    loop {
        let request = v1::ListTransferGapsRequest {
            chain: arguments.chain.clone().unwrap_or_default(),
            page_size: PAGE,
            page_token: all.next_page_token.clone(),
        };
        let page = answer(client.transfers.list_transfer_gaps(request).await)?;
        check_page(&page.next_page_token, &all.next_page_token)?;
        all.gaps.extend(page.gaps);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() {
            break;
        }
    }
    arguments.output.show(&all, |_| render::transfers::gaps(&all))
}

async fn conflicts(client: &mut Client, arguments: Conflicts) -> Result<()> {
    let mut all = v1::ListTransferConflictsResponse::default();
    loop {
        let left = arguments.limit - all.conflicts.len();
        let request = v1::ListTransferConflictsRequest {
            chain: arguments.chain.clone().unwrap_or_default(),
            include_settled: arguments.settled,
            page_size: u32::try_from(left).unwrap_or(PAGE).min(PAGE),
            page_token: all.next_page_token.clone(),
        };
        let page = answer(client.transfers.list_transfer_conflicts(request).await)?;
        check_page(&page.next_page_token, &all.next_page_token)?;
        all.conflicts.extend(page.conflicts);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() || all.conflicts.len() >= arguments.limit {
            break;
        }
    }
    arguments.output.show(&all, |_| render::transfers::conflicts(&all))
}

async fn settle(client: &mut Client, arguments: Settle) -> Result<()> {
    let verdict = match arguments.keep {
        Keep::First => v1::ConflictVerdict::First,
        Keep::Second => v1::ConflictVerdict::Second,
        Keep::Both => v1::ConflictVerdict::Both,
    };
    let Settle { number, reason, .. } = arguments;
    let request = v1::SettleTransferConflictRequest { number, verdict: verdict.into(), reason };
    answer(client.transfers.settle_transfer_conflict(request).await)?;
    println!("conflict {number} is settled");
    Ok(())
}

/// A server that gives a page after itself would be asked for ever.
pub(super) fn check_page(next: &str, before: &str) -> Result<()> {
    ensure!(next.is_empty() || next != before, "the server gives the page {next:?} after itself");
    Ok(())
}

/// One chain, not a family.
fn chain(text: &str) -> Result<Chain> {
    let chain: Chain = text.parse()?;
    ensure!(!chain.is_family(), "{chain} is a family of chains: name one");
    Ok(chain)
}

/// `FROM-TO`, both included.
fn heights(text: &str) -> Result<std::ops::RangeInclusive<u64>> {
    let refused = || anyhow!("invalid range of heights {text:?}; use FIRST-LAST, such as 100-200");
    let (from, to) = text.split_once('-').ok_or_else(refused)?;
    let (from, to): (u64, u64) =
        (from.parse().map_err(|_| refused())?, to.parse().map_err(|_| refused())?);
    if from > to || to > MAX_HEIGHT {
        return Err(refused());
    }
    Ok(from..=to)
}

/// `FROM/TO`, both included, each RFC 3339 or Unix seconds.
fn times(text: &str) -> Result<RangeInclusive<u64>> {
    let refused = || {
        anyhow!(
            "invalid range of times {text:?}; use START/END, such as 2026-01-01T00:00:00Z/2026-02-01T00:00:00Z"
        )
    };
    let second = |text: &str| -> Result<u64> {
        if let Ok(seconds) = text.parse() {
            return Ok(seconds);
        }
        let moment: jiff::Timestamp = text.parse().map_err(|_| refused())?;
        u64::try_from(moment.as_second()).map_err(|_| refused())
    };
    let (from, to) = text.split_once('/').ok_or_else(refused)?;
    let (from, to) = (second(from)?, second(to)?);
    ensure!(from <= to && to <= MAX_TIME, refused());
    Ok(from..=to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_heights() {
        let check = |text: &str, want| assert_eq!(heights(text).ok(), want, "{text}");
        check("100-200", Some(100..=200));
        check("7-7", Some(7..=7));
        for text in ["", "7", "8-7", "-1-2", "a-b", "0-1099511627776"] {
            check(text, None);
        }
    }

    #[test]
    fn spans_of_times() {
        let check = |text: &str, want| assert_eq!(times(text).ok(), want, "{text}");
        check("100/200", Some(100..=200));
        check("1970-01-01T00:01:00Z/90", Some(60..=90));
        for text in ["", "7", "8/7", "1969-01-01T00:00:00Z/1", "a/b", "0/99999999999"] {
            check(text, None);
        }
    }
}
