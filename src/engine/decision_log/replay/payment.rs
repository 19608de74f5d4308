//! Computes a recorded payment again as a whole, from the recorded addresses of both sides.

use super::{PaymentReplay, differences, scope_of};
use crate::audit::RecordId;
use crate::domain::address::MAX_ADDRESS;
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::transfer::Amount;
use crate::engine::decision_log::{PaymentItemRecord, PaymentRecord, PaymentSide, Record};
use crate::engine::{Engine, RebuiltSnapshot};
use crate::screening::payment::{Overall, Payment};

/// Replays the payment whose first record is `first`.
pub(super) fn replay(
    engine: &Engine,
    past: &RebuiltSnapshot<'_>,
    first: RecordId,
    recorded: &PaymentRecord,
) -> PaymentReplay {
    let log = engine.decision_log().ok_or("no decision log is kept")?;
    let records = log.payment_records(first, recorded, engine.now());
    let records = records.map_err(|error| error.to_string())?;
    let Some(any) = records.first() else { return Err("it has no records".to_owned()) };
    let payment = payment_of(recorded, &records)?;
    let scope = scope_of(past, any).map_err(|error| error.to_string())?;

    let of_all = payment.sources.iter().chain(&payment.destinations).map(|address| {
        // An address that is refused counts as REVIEW.
        let screening = past.screen(&scope, address, Some(&payment.chain)).ok();
        let hops = screening.as_ref().map_or(0, |screening| screening.exposure_hops);
        (screening.map(|screening| screening.summary()), hops)
    });
    let (summaries, hops): (Vec<_>, Vec<_>) = of_all.unzip();
    let overall = Overall::of(summaries);
    let now = any.evaluated_at();
    let context = if recorded.without_graph {
        past.payment_context_without_graph(now)
    } else {
        past.payment_context(now)
    };
    let projection = context.project(&scope, &payment);
    let hops = hops.into_iter().min().unwrap_or(0);

    let replayed = PaymentRecord::new(&payment, overall, &projection, hops);
    let mut found = differences("payment.", recorded, &replayed);
    let items = PaymentItemRecord::all(&payment, &projection, past.snapshot().policy());
    for (record, replayed) in records.iter().zip(&items) {
        let side = match replayed.side {
            PaymentSide::Source => "sources",
            PaymentSide::Destination => "destinations",
        };
        let prefix = format!("payment.{side}[{}].", replayed.index);
        match &record.item.payment {
            Some(recorded) => found.extend(differences(&prefix, recorded, replayed)),
            None => return Err(format!("record {} is none of a payment", record.id)),
        }
    }
    // Labels that are behind have another graph than the one that is built for them.
    if !found.is_empty() && past.snapshot().exposure().behind && !recorded.without_graph {
        return Err("the labels were behind the lists or transfers when it was answered".to_owned());
    }
    Ok(found)
}

/// The payment as it was asked.
fn payment_of(recorded: &PaymentRecord, records: &[Record]) -> Result<Payment, String> {
    let chain: Chain = recorded.chain.parse().map_err(|_| not_understood("chain"))?;
    let asset =
        AssetTable::asset(&recorded.asset, &chain).ok_or_else(|| not_understood("asset"))?;
    let amount: Amount =
        Amount::from_str_radix(&recorded.amount, 10).map_err(|_| not_understood("amount"))?;
    let addresses: Result<Vec<String>, String> = records.iter().map(address).collect();
    let mut sources = addresses?;
    let destinations = sources.split_off(sources.len().min(recorded.sources as usize));
    let direction = recorded.direction.into();
    Ok(Payment { sources, destinations, chain, asset, amount, direction })
}

fn not_understood(what: &str) -> String {
    format!("its {what} is not understood by this version of the program")
}

/// The address of one of its records.
fn address(record: &Record) -> Result<String, String> {
    let Some(address) = &record.address else {
        return Err(format!("the address of record {} was redacted", record.id));
    };
    // A refused address is cut there.
    if record.item.refused.is_some() && address.len() + 4 > MAX_ADDRESS {
        return Err(format!("the address of record {} was recorded in part", record.id));
    }
    Ok(address.clone())
}
