//! `payment`: screens both sides of a payment. The exit status is the server's decision.

mod amount;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use super::output::Output;
use super::screen::Verdict;
use super::{Global, connect, render, runtime};
use crate::exposure::MAX_HOPS;
use crate::grpc::client::answer;
use crate::grpc::v1;
use amount::PaymentAsset;
use render::payment::PaymentHeading;

/// The arguments of `payment`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which way it goes, seen from the business
    #[arg(value_enum)]
    direction: Way,
    /// Where funds come from; the customer's, for a withdrawal
    #[arg(long, required = true, num_args = 1.., value_name = "ADDRESS")]
    from: Vec<String>,
    /// Where funds go to; the customer's, for a deposit
    #[arg(long, required = true, num_args = 1.., value_name = "ADDRESS")]
    to: Vec<String>,
    /// The chain: a CAIP-2 id or a name such as bitcoin
    #[arg(long)]
    chain: String,
    /// `native`, a symbol such as USDT, or the token's contract or mint
    #[arg(long, default_value = "native")]
    asset: String,
    /// How much in all, with its unit: `1.5 ETH`, `100 USDT`, `15 wei`, `3 satoshi`; `units` are the
    /// smallest unit of any asset
    #[arg(long)]
    amount: String,
    /// The transaction, where there is one already
    #[arg(long, default_value = "")]
    tx: String,
    /// Your reference for the customer, given back with the answer; neither kept nor logged
    #[arg(long, default_value = "", value_name = "TEXT")]
    customer_reference: String,
    /// Only this list (repeat for more); leaving out a required one is INCOMPLETE
    #[arg(long = "list", value_name = "ID")]
    lists: Vec<String>,
    /// Exposure over at most so many hops, 1 to 15; fewer than the policy requires is INCOMPLETE
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_HOPS.into()))]
    max_hops: Option<u32>,
    /// With the evidence of exposures: path, times, sums; a search for each address
    #[arg(long)]
    evidence: bool,
    /// Show all that the answer holds, each address as `screen -v` does
    #[arg(short, long)]
    verbose: bool,
    /// How to show the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Which way a payment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Into the business.
    Deposit,
    /// Out of it.
    Withdrawal,
}

pub fn run(arguments: &Arguments, global: &Global) -> Result<u8> {
    let assets = global.load_config()?.exposure.assets;
    let asset = PaymentAsset::resolve(&arguments.asset, &arguments.chain, &assets)?;
    let amount = asset.amount(&arguments.amount)?;
    let request = request(arguments, asset.text.clone(), amount);
    runtime()?.block_on(async {
        // Shares then need the transfers themselves.
        let mut client = connect::connect_for_paths(global).await?;
        let response = answer(client.screening.screen_payment(request.clone()).await)?;
        let asked = arguments.from.len() + arguments.to.len();
        ensure!(
            response.addresses.len() == asked,
            "the server gave {} answers to {asked} addresses",
            response.addresses.len()
        );
        let told = PaymentHeading {
            request: &request,
            decimals: asset.rule.map(|rule| rule.decimals.into()),
            symbol: asset.rule.map_or("", |rule| &rule.symbol),
        };
        let text = if arguments.verbose { render::payment::text } else { render::payment::brief };
        arguments.output.show(&response, |style| text(told, &response, style))?;
        Ok(verdict(&response).exit_status())
    })
}

/// The worst of the whole and of every answer.
fn verdict(response: &v1::ScreenPaymentResponse) -> Verdict {
    let items = response.addresses.iter().map(|address| match &address.item {
        Some(item) => Verdict::from_item(item),
        None => Verdict::Error,
    });
    items.fold(Verdict::from_decision(response.decision()), Verdict::max)
}

fn request(arguments: &Arguments, asset: String, amount: String) -> v1::ScreenPaymentRequest {
    let direction = match arguments.direction {
        Way::Deposit => v1::PaymentDirection::Deposit,
        Way::Withdrawal => v1::PaymentDirection::Withdrawal,
    };
    let queries = |side: &[String]| {
        let query = |address: &String| v1::AddressQuery {
            address: address.clone(),
            ..v1::AddressQuery::default()
        };
        side.iter().map(query).collect()
    };
    v1::ScreenPaymentRequest {
        sources: queries(&arguments.from),
        destinations: queries(&arguments.to),
        chain: arguments.chain.clone(),
        asset,
        amount,
        tx: arguments.tx.clone(),
        customer_reference: arguments.customer_reference.clone(),
        direction: direction.into(),
        options: Some(v1::ScreeningOptions {
            lists: arguments.lists.clone(),
            max_hops: arguments.max_hops.unwrap_or_default(),
            include_evidence: arguments.evidence,
            include_snapshot: true,
            ..v1::ScreeningOptions::default()
        }),
        idempotency_key: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_whole_and_parts_is_the_exit_status() {
        let part =
            |item: Option<v1::ScreeningItem>| v1::PaymentAddress { item, ..Default::default() };
        let whole = |decision: v1::Decision, addresses: Vec<v1::PaymentAddress>| {
            let decision = decision.into();
            let response = v1::ScreenPaymentResponse { decision, addresses, ..Default::default() };
            verdict(&response).exit_status()
        };
        assert_eq!(whole(v1::Decision::Allow, Vec::new()), 0);
        assert_eq!(whole(v1::Decision::Review, Vec::new()), 10);
        assert_eq!(whole(v1::Decision::Block, vec![part(None)]), 11);
        assert_eq!(whole(v1::Decision::Review, vec![part(None)]), 1);
        assert_eq!(whole(v1::Decision::Unspecified, Vec::new()), 11);
    }
}
