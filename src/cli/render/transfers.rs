//! Transfers: what is loaded of each chain, and who dealt with an address.

use super::words::{self, or_dash};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape};
use crate::grpc::v1;
use v1::transfer::Movement;

/// What is loaded, chain by chain, and what exposure knows of it.
pub fn heads(response: &v1::ListTransferHeadsResponse, style: Style) -> String {
    let mut text = String::new();
    if response.heads.is_empty() {
        text.push_str("no transfers\n");
    } else {
        text.push_str(&head_table(&response.heads, style));
    }
    let known = response.labelled_rows;
    let words = format!(
        "exposure knows {known} of {} transfers (generation {})",
        response.rows, response.label_generation
    );
    let colour = if known < response.rows { Some(Colour::Doubtful) } else { None };
    let words = colour.map_or_else(|| words.clone(), |colour| style.paint(colour, &words));
    text.push_str(&format!("{words}\n"));
    text
}

fn head_table(heads: &[v1::TransferHead], style: Style) -> String {
    let mut table = Table::new([
        ("chain", Side::Left),
        ("transfers", Side::Right),
        ("first", Side::Left),
        ("last", Side::Left),
        ("covered", Side::Left),
        ("", Side::Left),
    ]);
    for head in heads {
        let mut notes = Vec::new();
        if head.required {
            let missing = head.transfers == 0;
            notes.push(match missing {
                true => style.paint(Colour::Bad, "required, MISSING"),
                false => "required".to_owned(),
            });
        }
        if head.last_time.is_some() {
            notes.push(format!("{} old", words::span(head.age_seconds)));
        }
        if head.retracted > 0 {
            notes.push(format!("{} taken back", head.retracted));
        }
        if head.unpositioned > 0 {
            notes.push(format!("{} without a position", head.unpositioned));
        }
        table.push([
            or_dash(&head.chain),
            head.transfers.to_string(),
            moment(head.first_time.as_ref()),
            moment(head.last_time.as_ref()),
            covered(head),
            notes.join(", "),
        ]);
    }
    table.to_string()
}

fn moment(moment: Option<&pbjson_types::Timestamp>) -> String {
    moment.map_or_else(|| "-".to_owned(), |moment| words::moment(Some(moment)))
}

/// The last span, and how many there are.
fn covered(head: &v1::TransferHead) -> String {
    let Some(last) = head.covered.last() else { return "-".to_owned() };
    let span = format!("{}-{}", last.from, last.to);
    match head.covered_spans {
        0 | 1 => span,
        spans => {
            let gaps = words::count((spans - 1) as usize, "gap", "gaps");
            format!("{span}, {gaps} before")
        }
    }
}

/// The transfers of an address, in their order.
pub fn counterparties(response: &v1::ListCounterpartiesResponse) -> String {
    if response.counterparties.is_empty() {
        return "no transfers of this address\n".to_owned();
    }
    let mut table = Table::new([
        ("time", Side::Left),
        ("", Side::Left),
        ("counterparty", Side::Left),
        ("amount", Side::Right),
        ("asset", Side::Left),
        ("transaction", Side::Left),
        ("", Side::Left),
    ]);
    for row in &response.counterparties {
        table.push(counterparty(row));
    }
    let mut text = table.to_string();
    if !response.next_page_token.is_empty() {
        text.push_str("and more: --limit\n");
    }
    text
}

fn counterparty(row: &v1::Counterparty) -> [String; 7] {
    let transfer = row.transfer.clone().unwrap_or_default();
    let direction = match row.direction() {
        v1::TransferDirection::Received => "from",
        v1::TransferDirection::Sent => "to",
        v1::TransferDirection::Unspecified => "with",
    };
    let others = match row.addresses.as_slice() {
        [] => "nobody known".to_owned(),
        [other] => escape(other).into_owned(),
        [first, more @ ..] => format!("{} and {} more", escape(first), more.len()),
    };
    let (amount, asset) = match &transfer.movement {
        Some(Movement::Account(account)) => (or_dash(&account.amount), or_dash(&account.asset)),
        Some(Movement::Utxo(utxo)) => {
            let legs = format!("{} in, {} out", utxo.inputs.len(), utxo.outputs.len());
            ("-".to_owned(), legs)
        }
        None => ("-".to_owned(), "-".to_owned()),
    };
    let counts = match row.counts {
        true => String::new(),
        false => format!("does not count: {}", or_dash(&row.not_counted_because)),
    };
    let time = moment(transfer.time.as_ref());
    let tx = format!("{} {}", or_dash(&transfer.chain), or_dash(&transfer.tx));
    [time, direction.to_owned(), others, amount, asset, tx, counts]
}

/// What was taken back.
pub fn retraction(response: &v1::RetractTransfersResponse) -> String {
    format!("{} transfers taken back\n", response.retracted)
}
