//! `payment`: both sides of a payment in, an answer on each address and on the whole out. Decides
//! nothing: the exit status is the server's decision.

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};

use super::output::Output;
use super::screen::Verdict;
use super::{Global, connect, render, runtime};
use crate::domain::asset::{AssetRule, AssetTable};
use crate::domain::chain::Chain;
use crate::grpc::client::answer;
use crate::grpc::v1;
use render::payment::Told;

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
    /// `native`, or the token's contract or mint
    #[arg(long, default_value = "native")]
    asset: String,
    /// How much in all: whole digits are the smallest unit; `1.5` and `2 ETH` are taken where the
    /// asset table has the asset
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
    /// Exposure over at most so many hops, 1 to 8; fewer than the policy requires is INCOMPLETE
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    max_hops: Option<u32>,
    /// With the evidence of exposures: path, times, sums; a search for each address
    #[arg(long)]
    evidence: bool,
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

/// Screens the payment.
pub fn run(arguments: &Arguments, global: &Global) -> Result<u8> {
    let assets = global.load_config()?.exposure.assets;
    let rule = rule(&assets, arguments);
    let request = request(arguments, smallest_unit(&arguments.amount, rule)?);
    runtime()?.block_on(async {
        // Shares then need the transfers themselves.
        let mut client = connect::connect_for_paths(global).await?;
        let response = answer(client.screening.screen_transfer(request.clone()).await)?;
        let asked = arguments.from.len() + arguments.to.len();
        ensure!(
            response.addresses.len() == asked,
            "the server gave {} answers to {asked} addresses",
            response.addresses.len()
        );
        let told = Told {
            request: &request,
            decimals: rule.map(|rule| rule.decimals.into()),
            symbol: rule.map_or("", |rule| &rule.symbol),
        };
        arguments.output.show(&response, |style| render::payment::text(told, &response, style))?;
        Ok(verdict(&response).exit_status())
    })
}

/// The worst of the whole and of every answer.
fn verdict(response: &v1::ScreenTransferResponse) -> Verdict {
    let items = response.addresses.iter().map(|address| match &address.item {
        Some(item) => Verdict::of(item),
        None => Verdict::Error,
    });
    items.fold(Verdict::of_decision(response.decision()), Verdict::max)
}

fn rule<'a>(assets: &'a AssetTable, arguments: &Arguments) -> Option<&'a AssetRule> {
    // What is wrong with them is the server's to say.
    let chain: Chain = arguments.chain.parse().ok()?;
    assets.rule(&chain, &AssetTable::asset(&arguments.asset, &chain)?)
}

fn request(arguments: &Arguments, amount: String) -> v1::ScreenTransferRequest {
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
    v1::ScreenTransferRequest {
        sources: queries(&arguments.from),
        destinations: queries(&arguments.to),
        chain: arguments.chain.clone(),
        asset: arguments.asset.clone(),
        amount,
        tx: arguments.tx.clone(),
        customer_reference: arguments.customer_reference.clone(),
        direction: direction.into(),
        options: Some(v1::ScreeningOptions {
            lists: arguments.lists.clone(),
            as_of: None,
            max_hops: arguments.max_hops.unwrap_or_default(),
            include_evidence: arguments.evidence,
        }),
    }
}

/// An amount as digits in the smallest unit; one with a point or a symbol is in the display unit of
/// an asset that is known.
fn smallest_unit(text: &str, rule: Option<&AssetRule>) -> Result<String> {
    let text = text.trim();
    let digits_only = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !text.is_empty() && digits_only(text) {
        return Ok(text.to_owned());
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, symbol) = (&text[..end], text[end..].trim());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = !whole.is_empty()
        && digits_only(whole)
        && digits_only(fraction)
        && (number.contains('.') != fraction.is_empty());
    ensure!(is_number, "--amount {text:?} is not an amount: digits in the smallest unit, or 1.5");
    let Some(rule) = rule else {
        bail!("--amount {text:?}: the asset is not in the asset table, so give the smallest unit")
    };
    ensure!(
        symbol.is_empty() || symbol.eq_ignore_ascii_case(&rule.symbol),
        "--amount {text:?}: the asset is {}",
        rule.symbol
    );
    let decimals = usize::from(rule.decimals);
    let cut = fraction.trim_end_matches('0');
    ensure!(cut.len() <= decimals, "--amount {text:?}: {} has {decimals} decimals", rule.symbol);
    let digits = format!("{whole}{cut:0<decimals$}");
    Ok(match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::transfer::Amount;

    #[test]
    fn amounts_in_the_smallest_unit() {
        let rule = AssetRule { symbol: "USDT".into(), decimals: 6, floor: Amount::ONE };
        let check = |text: &str, want: &str| {
            assert_eq!(smallest_unit(text, Some(&rule)).unwrap(), want, "{text}");
        };
        check("15", "15");
        check("007", "007");
        check("1.5", "1500000");
        check("1.0", "1000000");
        check("0.000001", "1");
        check("0.0", "0");
        check("1 USDT", "1000000");
        check("2.50usdt", "2500000");
        check("1.1234560", "1123456");
        let refused = |text: &str, rule: Option<&AssetRule>, words: &str| {
            let error = smallest_unit(text, rule).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        };
        for text in ["", "-1", "1.", ".5", "1.2.3", "1e18", "x", "ü", "1,5", " "] {
            let words =
                if text == "1e18" || text == "1,5" { "the asset is USDT" } else { "is not" };
            refused(text, Some(&rule), words);
        }
        refused("1.1234567", Some(&rule), "USDT has 6 decimals");
        refused("1 ETH", Some(&rule), "the asset is USDT");
        refused("1.5", None, "not in the asset table");
        assert_eq!(smallest_unit("15", None).unwrap(), "15");
    }

    #[test]
    fn the_worst_of_whole_and_parts_is_the_exit_status() {
        let part =
            |item: Option<v1::ScreeningItem>| v1::PaymentAddress { item, ..Default::default() };
        let whole = |decision: v1::Decision, addresses: Vec<v1::PaymentAddress>| {
            let decision = decision.into();
            let response = v1::ScreenTransferResponse { decision, addresses, ..Default::default() };
            verdict(&response).exit_status()
        };
        assert_eq!(whole(v1::Decision::Allow, Vec::new()), 0);
        assert_eq!(whole(v1::Decision::Review, Vec::new()), 10);
        assert_eq!(whole(v1::Decision::Block, vec![part(None)]), 11);
        assert_eq!(whole(v1::Decision::Review, vec![part(None)]), 1);
        assert_eq!(whole(v1::Decision::Unspecified, Vec::new()), 11);
    }
}
