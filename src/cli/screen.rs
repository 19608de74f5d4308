//! `screen`: screens addresses. The exit status is the server's decision.

use anyhow::{Result, anyhow, ensure};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::output::Output;
use super::{Global, batch, clock, connect, dates, render, runtime};
use crate::exposure::MAX_HOPS;
use crate::grpc::client::{Client, answer};
use crate::grpc::v1;
use v1::screening_item::Outcome;

/// The most addresses that one call takes.
const BATCH: usize = 10_000;

/// The longest reference that a query takes, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// The arguments of `screen`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The addresses
    #[arg(required_unless_present = "input", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// The chain: a CAIP-2 id or a name such as bitcoin; else every chain that the form fits
    #[arg(long)]
    chain: Option<String>,
    /// Only this list (repeat for more); leaving out a required one is INCOMPLETE
    #[arg(long = "list", value_name = "ID")]
    lists: Vec<String>,
    /// With the listings of that day (YYYY-MM-DD, its end in UTC) or moment (RFC 3339)
    #[arg(long, value_name = "DATE")]
    as_of: Option<String>,
    /// By what was known then: as the snapshot of an earlier answer, by its id, as far as it is kept
    #[arg(long, value_name = "ID", conflicts_with_all = ["input", "evidence"], value_parser = NonEmptyStringValueParser::new())]
    snapshot: Option<String>,
    /// With --snapshot: judge the ages of lists at that moment (RFC 3339), such as evaluated_at of the
    /// earlier answer [default: that of the last thing the snapshot knows]
    #[arg(long, value_name = "TIME", requires = "snapshot")]
    evaluated_at: Option<Timestamp>,
    /// Exposure over at most so many hops, 1 to 15; fewer than the policy requires is INCOMPLETE
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_HOPS.into()))]
    max_hops: Option<u32>,
    /// With the evidence of exposures: path, times, sums; a search for each address
    #[arg(long)]
    evidence: bool,
    /// Exit with 0 if every decision is this one and with 1 if not, to try out a server
    #[arg(long, value_enum, ignore_case = true, value_name = "DECISION", conflicts_with = "input")]
    expect: Option<Expected>,
    /// Show all that an answer holds: forms, keys, dates, rules, scores by finding, coverage and data
    /// versions
    #[arg(short, long, conflicts_with = "input")]
    verbose: bool,
    /// How to show the answers
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    batch: batch::Arguments,
}

/// A decision that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Expected {
    Allow,
    Review,
    Block,
}

impl Expected {
    /// Whether the answer is that decision: one that was refused, did not come, or says what this
    /// program does not know is none.
    fn is(self, item: &v1::ScreeningItem) -> bool {
        let Some(Outcome::Screening(screening)) = &item.outcome else { return false };
        let decision = match self {
            Self::Allow => v1::Decision::Allow,
            Self::Review => v1::Decision::Review,
            Self::Block => v1::Decision::Block,
        };
        screening.decision == decision as i32
    }

    /// An error that names the first address with another answer.
    fn check(self, addresses: &[String], items: &[v1::ScreeningItem]) -> Result<()> {
        match addresses.iter().zip(items).find(|(_, item)| !self.is(item)) {
            Some((address, _)) => Err(anyhow!("{self:?} was expected, and {address:?} is not")),
            None => Ok(()),
        }
    }
}

pub fn run(arguments: &Arguments, global: &Global) -> Result<u8> {
    let mut options = options(arguments, clock::now())?;
    if let Some(input) = &arguments.batch.input {
        let chain = arguments.chain.as_deref().unwrap_or_default();
        return batch::run(input, &arguments.batch, (chain, options), global);
    }
    // What is shown names the versions of the lists.
    options.include_snapshot = true;
    runtime()?.block_on(async {
        let takes_search =
            arguments.evidence || arguments.as_of.is_some() || !arguments.lists.is_empty();
        let (mut client, batch) = if takes_search {
            (connect::connect_for_paths(global).await?, BATCH.min(1_000))
        } else {
            (connect::connect(global).await?, BATCH)
        };
        let mut verdict = Verdict::Allow;
        for addresses in arguments.addresses.chunks(batch) {
            let response = screen(&mut client, addresses, arguments, options.clone()).await?;
            arguments.output.show(&response, |style| {
                if arguments.verbose {
                    render::screening::text(addresses, &response, style)
                } else {
                    render::brief::text(addresses, &response, options.as_of.as_ref(), style)
                }
            })?;
            if let Some(expected) = arguments.expect {
                expected.check(addresses, &response.items)?;
            }
            verdict = response.items.iter().map(Verdict::from_item).fold(verdict, Verdict::max);
        }
        Ok(if arguments.expect.is_some() { 0 } else { verdict.exit_status() })
    })
}

fn options(arguments: &Arguments, now: Timestamp) -> Result<v1::ScreeningOptions> {
    let as_of = match &arguments.as_of {
        Some(text) => Some(dates::as_of(text, now).map_err(|error| anyhow!("--as-of: {error}"))?),
        None => None,
    };
    Ok(v1::ScreeningOptions {
        lists: arguments.lists.clone(),
        as_of: as_of.map(dates::message),
        max_hops: arguments.max_hops.unwrap_or_default(),
        include_evidence: arguments.evidence,
        snapshot_id: arguments.snapshot.clone().unwrap_or_default(),
        evaluated_at: arguments.evaluated_at.map(dates::message),
        include_snapshot: false,
    })
}

async fn screen(
    client: &mut Client,
    addresses: &[String],
    arguments: &Arguments,
    options: v1::ScreeningOptions,
) -> Result<v1::BatchScreenAddressesResponse> {
    let query = |address: &String| v1::AddressQuery {
        request_id: reference(address).to_owned(),
        address: address.clone(),
        chain: arguments.chain.clone().unwrap_or_default(),
    };
    let request = v1::BatchScreenAddressesRequest {
        queries: addresses.iter().map(query).collect(),
        options: Some(options),
        ..Default::default()
    };
    let response = answer(client.screening.batch_screen_addresses(request).await)?;
    ensure!(
        response.items.len() == addresses.len(),
        "the server gave {} answers to {} addresses",
        response.items.len(),
        addresses.len()
    );
    Ok(response)
}

/// The address as the caller's reference, cut to what a query takes.
fn reference(address: &str) -> &str {
    &address[..address.floor_char_boundary(MAX_REQUEST_ID)]
}

/// What the exit status says; of several addresses, the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Allow,
    Review,
    /// One was refused, or did not come.
    Error,
    Block,
}

impl Verdict {
    pub fn from_item(item: &v1::ScreeningItem) -> Self {
        match &item.outcome {
            Some(Outcome::Screening(screening)) => Self::from_decision(screening.decision()),
            Some(Outcome::Error(_)) | None => Self::Error,
        }
    }

    /// Of a decision. One that this program does not know must not pass for a milder one.
    pub fn from_decision(decision: v1::Decision) -> Self {
        match decision {
            v1::Decision::Allow => Self::Allow,
            v1::Decision::Review => Self::Review,
            v1::Decision::Block | v1::Decision::Unspecified => Self::Block,
        }
    }

    /// The exit status of the process.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Review => 10,
            Self::Error => 1,
            Self::Block => 11,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(decision: i32) -> v1::ScreeningItem {
        let screening = v1::Screening { decision, ..v1::Screening::default() };
        v1::ScreeningItem { outcome: Some(Outcome::Screening(screening)) }
    }

    #[test]
    fn exit_statuses() {
        let allow = decided(v1::Decision::Allow as i32);
        let review = decided(v1::Decision::Review as i32);
        let block = decided(v1::Decision::Block as i32);
        let refused = v1::ScreeningError::default();
        let error = v1::ScreeningItem { outcome: Some(Outcome::Error(refused)) };
        let unknown = decided(17);
        let unsaid = decided(0);
        let empty = v1::ScreeningItem { outcome: None };
        let check = |items: &[&v1::ScreeningItem], want: u8| {
            let verdict = items.iter().map(|item| Verdict::from_item(item)).max();
            assert_eq!(verdict.map(Verdict::exit_status), Some(want), "{items:?}");
        };
        check(&[&allow], 0);
        check(&[&review], 10);
        check(&[&block], 11);
        check(&[&error], 1);
        check(&[&empty], 1);
        check(&[&unknown], 11);
        check(&[&unsaid], 11);
        check(&[&allow, &review, &allow], 10);
        check(&[&error, &review], 1);
        check(&[&block, &error, &allow], 11);
    }

    #[test]
    fn what_is_expected() {
        let addresses = ["a".to_owned(), "b".to_owned()];
        let check = |expected: Expected, items: [&v1::ScreeningItem; 2], want: bool| {
            let items = items.map(Clone::clone);
            assert_eq!(expected.check(&addresses, &items).is_ok(), want, "{expected:?} {items:?}");
        };
        let of = |decision: v1::Decision| decided(decision as i32);
        let (allow, review) = (of(v1::Decision::Allow), of(v1::Decision::Review));
        let block = of(v1::Decision::Block);
        let unsaid = decided(0);
        let unknown = decided(17);
        let none = v1::ScreeningItem { outcome: None };
        let refused = v1::ScreeningError::default();
        let error = v1::ScreeningItem { outcome: Some(Outcome::Error(refused)) };
        check(Expected::Allow, [&allow, &allow], true);
        check(Expected::Review, [&review, &review], true);
        check(Expected::Block, [&block, &block], true);
        check(Expected::Allow, [&allow, &review], false);
        check(Expected::Review, [&allow, &review], false);
        check(Expected::Block, [&block, &review], false);
        for other in [&unsaid, &unknown, &none, &error] {
            check(Expected::Allow, [&allow, other], false);
            check(Expected::Block, [other, &block], false);
        }
    }

    #[test]
    fn references_are_cut_between_characters() {
        let check = |address: String, want: usize| assert_eq!(reference(&address).len(), want);
        check(String::new(), 0);
        check("a".repeat(128), 128);
        check("a".repeat(129), 128);
        check(format!("{}é", "a".repeat(127)), 127);
    }
}
