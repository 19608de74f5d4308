//! The cluster of an address by common inputs: what it comes to, who of it is listed, and why each
//! member is joined.

use super::paths::{self, Amount};
use super::words::{self, line, or_dash, wrapped_line};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape, wrapped};
use crate::domain::digits::grouped;
use crate::grpc::v1;

/// Why the estimate may be wrong.
const CAVEAT: &str = "By common input, an estimate: the inputs of one transaction are taken for one \
                      owner's. CoinJoins of a known form join nobody. Strangers are joined by a \
                      CoinJoin of another form, a PayJoin (BIP 78), a trade by PSBT (BIP 174), and a \
                      custodian that spends for several customers. Look at the transactions before \
                      you act on it.";

/// The estimate in a line, then totals, listed members, members, and why it may be wrong.
pub fn text(response: &v1::ListClusterResponse, style: Style) -> String {
    let address = response.address.as_ref().map_or("", |address| &address.canonical);
    let joined = match response.keys {
        0 => "no transfer names it: nothing is joined with it by common input".to_owned(),
        1 => "joined with no other key by common input".to_owned(),
        keys => {
            let others = if keys == 2 { "other key" } else { "other keys" };
            format!("joined with {} {others} by common input, an estimate", grouped(keys - 1))
        }
    };
    let mut text = format!("{}: {joined}\n", or_dash(address));
    if response.keys > 0 {
        whole(&mut text, response, style);
    }
    not_joined(&mut text, response, style);
    line(&mut text, 2, "snapshot", &or_dash(&response.snapshot_id));
    volumes(&mut text, response, style);
    if !response.listed_members.is_empty() {
        listed_members(&mut text, response, style);
    }
    if response.keys > 1 {
        members(&mut text, response, style);
        text.push_str(&format!("\n{}\n", wrapped(CAVEAT, style.width(), 0, 0)));
    }
    text
}

fn members(text: &mut String, response: &v1::ListClusterResponse, style: Style) {
    if response.members.is_empty() {
        text.push_str("\nmembers and totals are not put together: there are too many keys\n");
        return;
    }
    text.push_str("\nmembers, each with the first transaction that joins it\n");
    response.members.iter().for_each(|it| member(text, it, style));
    if !response.next_page_token.is_empty() {
        text.push_str("  and more: --limit\n");
    }
}

/// Writes the totals of the cluster.
fn whole(text: &mut String, response: &v1::ListClusterResponse, style: Style) {
    let limit = grouped(response.cluster_limit);
    let mut keys = format!("{}, the limit is {limit}", grouped(response.keys));
    if response.beyond_limit {
        let beyond = style.paint(Colour::Doubtful, "BEYOND the limit");
        keys = format!(
            "{}, {beyond} of {limit}: as a whole they are not taken for one owner's",
            grouped(response.keys)
        );
    }
    wrapped_line(text, 2, "keys", &keys, style.width());
    if response.keys > 1 {
        let transactions = match response.transactions {
            Some(1) => "1 joins them".to_owned(),
            Some(count) => format!("{} join them", grouped(count)),
            None => "not counted: there are too many".to_owned(),
        };
        line(text, 2, "transactions", &transactions);
    }
    line(text, 2, "listed", &format!("{} of the keys", grouped(response.listed)));
}

/// Writes the chains on which transactions join no keys.
fn not_joined(text: &mut String, response: &v1::ListClusterResponse, style: Style) {
    if response.chains_without_common_input.is_empty() {
        return;
    }
    let chains = words::chains(&response.chains_without_common_input);
    let off = format!("by transactions of {chains} (chains.<chain>.common_input is false)");
    wrapped_line(text, 2, "not joined", &off, style.width());
}

fn volumes(text: &mut String, response: &v1::ListClusterResponse, style: Style) {
    if response.volumes.is_empty() {
        return;
    }
    let what = "totals of all members, without dust; what one sent to another counts on both sides";
    text.push_str(&format!("\n{}\n", wrapped(what, style.width(), 0, 0)));
    let mut table =
        Table::new([("chain", Side::Left), ("received", Side::Right), ("sent", Side::Right)]);
    for volume in &response.volumes {
        let v1::ClusterVolume { symbol, decimals, asset, .. } = volume;
        let amount = |digits: &String| match digits.as_str() {
            "" => "more than is counted".to_owned(),
            digits => {
                let amount = Amount { digits, decimals: *decimals, symbol, asset };
                escape(&amount.exact()).into_owned()
            }
        };
        table.push([or_dash(&volume.chain), amount(&volume.received), amount(&volume.sent)]);
    }
    text.push_str(&table.to_string());
}

fn listed_members(text: &mut String, response: &v1::ListClusterResponse, style: Style) {
    let shown = response.listed_members.len();
    let shown = match response.listed {
        listed if listed > shown as u64 => {
            format!(", the first {} of {}", grouped(shown as u64), grouped(listed))
        }
        _ => String::new(),
    };
    text.push_str(&format!("\nlisted members{shown}\n"));
    for member in &response.listed_members {
        let addresses = member.listings.iter().map(|listing| {
            let canonical = &listing.canonical_address;
            if canonical.is_empty() { &listing.address } else { canonical }
        });
        let mut addresses: Vec<_> = addresses.map(|address| or_dash(address)).collect();
        addresses.dedup();
        text.push_str(&format!("  {}\n", addresses.join(", ")));
        listings(text, &member.listings, style);
    }
}

fn listings(text: &mut String, listings: &[v1::Listing], style: Style) {
    for listing in listings {
        let words = escape(&paths::listing_words(listing)).into_owned();
        let words = wrapped(&words, style.width(), 4, 6);
        text.push_str(&format!("    {} {words}\n", style.paint(Colour::Bad, "LISTED")));
    }
}

fn member(text: &mut String, member: &v1::ClusterMember, style: Style) {
    let asked = if member.queried { ", the address asked about" } else { "" };
    text.push_str(&format!("  {}{asked}\n", or_dash(&member.address)));
    listings(text, &member.listings, style);
    let Some(join) = &member.joined_by else {
        text.push_str("    its transaction was not looked for: there are too many transfers\n");
        return;
    };
    let place = match &join.position {
        Some(at) => format!(" block {} index {}", at.height, at.tx_index),
        None => String::new(),
    };
    let tx = if join.tx.is_empty() { "a transaction without an id" } else { &join.tx };
    let why = format!(
        "beside {} in {} ({}{place}), {}",
        or_dash(&join.other_address),
        escape(tx),
        or_dash(&join.chain),
        words::moment(join.time.as_ref())
    );
    text.push_str(&format!("    {}\n", wrapped(&why, style.width(), 4, 6)));
}
