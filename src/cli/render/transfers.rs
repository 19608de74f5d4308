//! Transfers: what is loaded of each chain, and who dealt with an address.

use super::paths::{Amount, shortened};
use super::words::{self, or_dash};
use crate::cli::table::{Side, Table};
use crate::cli::text::{Colour, Style, escape, field};
use crate::domain::duration;
use crate::grpc::v1;
use v1::transfer::Movement;

/// The asset of what a UTXO transaction moves: the chain's coin.
const NATIVE: &str = "native";

/// The most characters of an asset that is not in the asset table.
const ASSET: usize = 13;

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
        ("", Side::Left),
    ]);
    for head in heads {
        let mut notes = Vec::new();
        if head.required {
            let missing = head.transfers == 0;
            notes.push(if missing {
                style.paint(Colour::Bad, "required, MISSING")
            } else {
                "required".to_owned()
            });
        }
        if head.last_time.is_some() {
            notes.push(format!("{} old", duration::age(head.age_seconds)));
        }
        if head.retracted > 0 {
            notes.push(format!("{} taken back", head.retracted));
        }
        if head.unpositioned > 0 {
            notes.push(format!("{} without a position", head.unpositioned));
        }
        if head.replaced > 0 {
            notes.push(format!("{} told better since", head.replaced));
        }
        if head.conflicts > 0 {
            let conflicts = words::count(head.conflicts as usize, "conflict", "conflicts");
            notes.push(style.paint(Colour::Doubtful, &format!("{conflicts} to settle")));
        }
        if !head.unvalued_asset.is_empty() {
            let asset = format!("{} is not in the asset table", or_dash(&head.unvalued_asset));
            notes.push(style.paint(Colour::Doubtful, &asset));
        }
        table.push([
            or_dash(&head.chain),
            head.transfers.to_string(),
            moment(head.first_time.as_ref()),
            moment(head.last_time.as_ref()),
            notes.join(", "),
        ]);
    }
    format!("{table}\n{}", kind_table(heads, style))
}

/// What is covered of each kind of movement.
fn kind_table(heads: &[v1::TransferHead], style: Style) -> String {
    let mut table = Table::new([
        ("chain", Side::Left),
        ("kind", Side::Left),
        ("covered", Side::Left),
        ("known gaps", Side::Right),
        ("", Side::Left),
    ]);
    for head in heads {
        for kind in &head.kinds {
            let state = match (kind.complete, kind.needed) {
                (true, _) => "whole".to_owned(),
                (false, true) => style.paint(Colour::Doubtful, "NOT COVERED"),
                (false, false) => "not covered, not needed".to_owned(),
            };
            table.push([
                or_dash(&head.chain),
                words::movement_kind(kind.kind()).to_owned(),
                covered(kind),
                kind.gaps.to_string(),
                state,
            ]);
        }
        if let Some(last) = head.undeclared.last() {
            let spans = format!("{}-{}", last.first_height, last.last_height);
            let note = "of an older store: of no kind until declared (transfers declare)";
            table.push([
                or_dash(&head.chain),
                "-".to_owned(),
                spans,
                "-".to_owned(),
                style.paint(Colour::Doubtful, note),
            ]);
        }
    }
    table.to_string()
}

fn moment(moment: Option<&pbjson_types::Timestamp>) -> String {
    moment.map_or_else(|| "-".to_owned(), |moment| words::moment(Some(moment)))
}

/// The last span, and how many there are; spans of time where there are no blocks.
fn covered(kind: &v1::KindHead) -> String {
    let spans = match (kind.covered.last(), kind.covered_times.last()) {
        (Some(last), _) => format!("{}-{}", last.first_height, last.last_height),
        (None, Some(last)) => {
            format!("{} to {}", second(last.first_unix_seconds), second(last.last_unix_seconds))
        }
        (None, None) => "-".to_owned(),
    };
    let spans = match kind.covered_spans {
        0 | 1 => spans,
        more => {
            let gaps = words::count((more - 1) as usize, "hole", "holes");
            format!("{spans}, {gaps} before")
        }
    };
    match kind.undeclared_times.last() {
        None => spans,
        Some(last) => {
            format!(
                "{spans}, undeclared {} to {}",
                second(last.first_unix_seconds),
                second(last.last_unix_seconds)
            )
        }
    }
}

fn second(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    words::moment(Some(&pbjson_types::Timestamp { seconds, nanos: 0 }))
}

pub fn gaps(response: &v1::ListTransferGapsResponse) -> String {
    if response.gaps.is_empty() {
        return "no known gaps (transfers conflicts lists contradictions)\n".to_owned();
    }
    let mut table = Table::new([
        ("chain", Side::Left),
        ("kind", Side::Left),
        ("where", Side::Left),
        ("why", Side::Left),
        ("what closes it", Side::Left),
    ]);
    for gap in &response.gaps {
        let place = match (&gap.heights, &gap.times) {
            (Some(span), _) if span.first_height == span.last_height => {
                span.first_height.to_string()
            }
            (Some(span), _) => format!("{}-{}", span.first_height, span.last_height),
            (None, Some(span)) => {
                format!("{} to {}", second(span.first_unix_seconds), second(span.last_unix_seconds))
            }
            (None, None) => "-".to_owned(),
        };
        table.push([
            or_dash(&gap.chain),
            words::movement_kind(gap.kind()).to_owned(),
            place,
            cause(gap).to_owned(),
            closing(gap),
        ]);
    }
    table.to_string()
}

fn cause(gap: &v1::TransferGap) -> &'static str {
    match gap.cause() {
        v1::GapCause::Rejected => "a row was not understood",
        v1::GapCause::Unreadable => "rows were not understood, their places unknown",
        v1::GapCause::Stopped => "an import stopped here",
        v1::GapCause::Refused => "its rows were refused, or taken back",
        v1::GapCause::Unnamed => "it is not named who paid or was paid",
        v1::GapCause::Fork => "blocks of two hashes",
        v1::GapCause::Unspecified => "unknown",
    }
}

fn is_one_block(gap: &v1::TransferGap) -> bool {
    gap.heights.is_some_and(|heights| heights.first_height == heights.last_height)
}

fn closing(gap: &v1::TransferGap) -> String {
    match gap.cause() {
        v1::GapCause::Unnamed if gap.rows > 0 => {
            let rows = words::count(gap.rows as usize, "transaction", "transactions");
            let how = match gap.kind() {
                v1::MovementKind::Utxo => "bitcoin-etl enrich_transactions",
                v1::MovementKind::Unspecified
                | v1::MovementKind::Native
                | v1::MovementKind::Tokens
                | v1::MovementKind::Internal => "--receipts",
            };
            format!("{rows} told with names ({how})")
        }
        v1::GapCause::Fork => {
            format!("transfers retract --block-hash, such as {}", or_dash(&gap.block_hash))
        }
        _ if !gap.tx.is_empty()
            && (gap.index.is_some() || gap.kind() == v1::MovementKind::Utxo) =>
        {
            format!("its row of {}", escape(&gap.tx))
        }
        v1::GapCause::Stopped if is_one_block(gap) => {
            "an import of the block that ends, or with --covers, and no rejects".to_owned()
        }
        v1::GapCause::Unspecified
        | v1::GapCause::Rejected
        | v1::GapCause::Unreadable
        | v1::GapCause::Stopped
        | v1::GapCause::Refused
        | v1::GapCause::Unnamed => "an import with --covers and no rejects".to_owned(),
    }
}

pub fn conflicts(response: &v1::ListTransferConflictsResponse) -> String {
    if response.conflicts.is_empty() {
        return "no conflicts\n".to_owned();
    }
    let mut text = String::new();
    for conflict in &response.conflicts {
        let state = match conflict.verdict() {
            v1::ConflictVerdict::Unspecified => "not settled: both count".to_owned(),
            v1::ConflictVerdict::First => settled(conflict, "the first counts"),
            v1::ConflictVerdict::Second => settled(conflict, "the second counts"),
            v1::ConflictVerdict::Both => settled(conflict, "both count"),
            v1::ConflictVerdict::Retracted => settled(conflict, "one was taken back"),
        };
        text.push_str(&format!("conflict {}: {state}\n", conflict.number));
        for (name, transfer) in [("first", &conflict.first), ("second", &conflict.second)] {
            let shown = transfer.as_ref().map_or_else(|| "-".to_owned(), describe_transfer);
            field(&mut text, 2, 10, name, shown);
        }
    }
    if !response.next_page_token.is_empty() {
        text.push_str("and more: --limit\n");
    }
    text
}

fn settled(conflict: &v1::TransferConflict, verdict: &str) -> String {
    let at = moment(conflict.settled_at.as_ref());
    format!("{verdict}, settled {at}: {}", escape(&conflict.reason))
}

/// A transfer in one line.
fn describe_transfer(transfer: &v1::Transfer) -> String {
    let position = transfer.position.as_ref().map_or_else(String::new, |position| {
        format!(" at {}:{}:{}", position.height, position.tx_index, position.index)
    });
    let moved = match &transfer.movement {
        Some(Movement::Account(account)) => format!(
            "{} of {} from {} to {}",
            or_dash(&account.amount),
            or_dash(&account.asset),
            or_dash(&account.sender),
            or_dash(&account.receiver)
        ),
        Some(Movement::Utxo(utxo)) => {
            let leg = |legs: &[v1::UtxoLeg]| {
                let names = legs.iter().map(|leg| match leg.addresses.as_slice() {
                    [] => "nobody".to_owned(),
                    named => named.iter().map(|it| escape(it)).collect::<Vec<_>>().join("+"),
                });
                let names: Vec<_> = names.take(4).collect();
                let more = legs.len().saturating_sub(names.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("{}{more}", names.join(", "))
            };
            format!("from {} to {}", leg(&utxo.inputs), leg(&utxo.outputs))
        }
        None => "nothing".to_owned(),
    };
    let status = match transfer.status() {
        v1::TransactionStatus::Unspecified => "",
        v1::TransactionStatus::Succeeded => ", succeeded",
        v1::TransactionStatus::Failed => ", FAILED",
    };
    let (chain, tx) = (or_dash(&transfer.chain), or_dash(&transfer.tx));
    format!("{chain} {tx}{position}: {moved}{status}, {}", moment(transfer.time.as_ref()))
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

fn counterparty(row: &v1::Counterparty) -> [String; 6] {
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
    let (asset, moved) = match &transfer.movement {
        Some(Movement::Account(account)) => (account.asset.as_str(), account.amount.as_str()),
        Some(Movement::Utxo(_)) | None => (NATIVE, ""),
    };
    // A server of before says only what the transfer moves.
    let digits = if row.amount.is_empty() { moved } else { &row.amount };
    let amount = Amount { digits, decimals: row.decimals, symbol: &row.symbol, asset };
    let amount = match row.decimals {
        None if !digits.is_empty() => format!("{} of {}", amount.short(), shortened(asset, ASSET)),
        Some(_) | None => amount.exact(),
    };
    let amount = escape(&amount).into_owned();
    let counts = if row.adds_up {
        "counts: with earlier ones it reaches the asset's dust floor".to_owned()
    } else if row.counts {
        String::new()
    } else {
        format!("does not count: {}", not_counted(&row.not_counted_because))
    };
    let time = moment(transfer.time.as_ref());
    let tx = format!("{} {}", or_dash(&transfer.chain), or_dash(&transfer.tx));
    [time, direction.to_owned(), others, amount, tx, counts]
}

/// Why a transfer does not count for exposure; a name that this program does not know as it stands.
fn not_counted(name: &str) -> String {
    let known = match name {
        "FAILED" => "it failed",
        "ZERO" => "nothing moved",
        "UNVALUED_ASSET" => "the asset is not in the asset table",
        "SELF" => "both ends are one address",
        "NULL_ADDRESS" => "an end is the null address, or nobody",
        "UNKNOWN_COUNTERPARTY" => "the other end is not known",
        "DUST" => "less than the asset's dust floor",
        unknown => return or_dash(unknown),
    };
    known.to_owned()
}

pub fn declared(response: &v1::DeclareCoverageResponse) -> String {
    match response.remaining_gaps {
        0 => "declared\n".to_owned(),
        gaps => {
            let gaps = words::count(gaps as usize, "known gap", "known gaps");
            format!("declared; {gaps} within it: a declaration closes none (transfers gaps)\n")
        }
    }
}

pub fn retraction(response: &v1::RetractTransfersResponse) -> String {
    format!("{} transfers taken back\n", response.retracted)
}
