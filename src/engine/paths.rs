//! Fills in paths and sums: a search gives row numbers, this adds addresses, assets and amounts.

use std::collections::BTreeMap;

use super::types::{DirectValue, EndEvidence, HopEvidence};
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset, Holder, Leg, Movement, Transfer};
use crate::exposure::Direction;

/// Returns whether one of the holder's key ids is among `keys`.
pub(super) fn is_of(holder: &Holder, chain: &Chain, keys: &[PackedKey]) -> bool {
    holder.key_ids(chain).iter().any(|key| keys.contains(&PackedKey::from(key)))
}

/// Builds a hop from its transfer and its two ends, each with whether it is a stop.
pub(super) fn hop(
    transfer: Transfer,
    (from, from_is_stop): (PackedKey, bool),
    (to, to_is_stop): (PackedKey, bool),
    assets: &AssetTable,
) -> Option<HopEvidence> {
    let ends = match &transfer.movement {
        Movement::Account(movement) => (movement.from.clone()?, movement.to.clone()?),
        Movement::Utxo(movement) => (
            held_by(&movement.inputs, &transfer.chain, from)?,
            held_by(&movement.outputs, &transfer.chain, to)?,
        ),
    };
    let rule = assets.rule(&transfer.chain, asset_of(&transfer));
    Some(HopEvidence {
        from: EndEvidence { address: ends.0, is_stop: from_is_stop },
        to: EndEvidence { address: ends.1, is_stop: to_is_stop },
        symbol: rule.map(|rule| rule.symbol.to_string()),
        decimals: rule.map(|rule| rule.decimals),
        amount: amount(&transfer, Direction::ReceivedFrom, &[to]),
        transfer,
    })
}

/// Returns the holder of a key among the holders of legs.
pub(super) fn held_by(legs: &[Leg], chain: &Chain, key: PackedKey) -> Option<Holder> {
    let mut holders = legs.iter().flat_map(|leg| &leg.holders);
    holders.find(|holder| is_of(holder, chain, &[key])).cloned()
}

pub(super) fn asset_of(transfer: &Transfer) -> &Asset {
    match &transfer.movement {
        Movement::Account(movement) => &movement.asset,
        Movement::Utxo(_) => &Asset::Native,
    }
}

/// Returns how much of a transfer the holders of `keys` received or sent; `None` where unknown.
pub(super) fn amount(
    transfer: &Transfer,
    direction: Direction,
    keys: &[PackedKey],
) -> Option<Amount> {
    let legs = match (&transfer.movement, direction) {
        (Movement::Account(movement), _) => return Some(movement.amount),
        (Movement::Utxo(movement), Direction::ReceivedFrom) => &movement.outputs,
        (Movement::Utxo(movement), Direction::SentTo) => &movement.inputs,
    };
    let own = |leg: &&Leg| leg.holders.iter().any(|h| is_of(h, &transfer.chain, keys));
    let mut sum = Amount::ZERO;
    for leg in legs.iter().filter(own) {
        sum = sum.checked_add(leg.amount?.into())?;
    }
    Some(sum)
}

/// Returns the holders at the other end of a transfer, seen from the holder of `keys`.
pub(super) fn others(transfer: &Transfer, direction: Direction, keys: &[PackedKey]) -> Vec<Holder> {
    let mut others: Vec<Holder> = match (&transfer.movement, direction) {
        (Movement::Account(movement), Direction::ReceivedFrom) => {
            movement.from.iter().cloned().collect()
        }
        (Movement::Account(movement), Direction::SentTo) => movement.to.iter().cloned().collect(),
        (Movement::Utxo(movement), direction) => {
            let legs = match direction {
                Direction::ReceivedFrom => &movement.inputs,
                Direction::SentTo => &movement.outputs,
            };
            let holders = legs.iter().flat_map(|leg| leg.holders.iter().cloned());
            holders.filter(|holder| !is_of(holder, &transfer.chain, keys)).collect()
        }
    };
    others.sort();
    others.dedup();
    others
}

/// Sums of transfers, asset by asset.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<(String, String), Sum>);

#[derive(Debug)]
struct Sum {
    chain: Chain,
    asset: Asset,
    sum: Amount,
    count: u64,
    total: Amount,
}

impl Sums {
    /// Adds a transfer that the address received or sent; `direct` if the other end is listed. Sums
    /// saturate at 2^256 - 1, which no real asset reaches.
    pub(super) fn add(
        &mut self,
        transfer: &Transfer,
        direction: Direction,
        keys: &[PackedKey],
        direct: bool,
    ) {
        let Some(amount) = amount(transfer, direction, keys) else { return };
        let asset = asset_of(transfer);
        let slot = (transfer.chain.caip2().into_owned(), asset.to_string());
        let sum = self.0.entry(slot).or_insert_with(|| Sum {
            chain: transfer.chain.clone(),
            asset: asset.clone(),
            sum: Amount::ZERO,
            count: 0,
            total: Amount::ZERO,
        });
        sum.total = sum.total.saturating_add(amount);
        if direct {
            sum.sum = sum.sum.saturating_add(amount);
            sum.count += 1;
        }
    }

    /// Returns the assets with a direct transfer, ordered by chain and asset.
    pub(super) fn finish(self, assets: &AssetTable) -> Vec<DirectValue> {
        let direct = self.0.into_iter().filter(|(_, sum)| sum.count > 0);
        direct
            .map(|((_, asset), sum)| {
                let rule = assets.rule(&sum.chain, &sum.asset);
                DirectValue {
                    asset,
                    symbol: rule.map(|rule| rule.symbol.to_string()),
                    decimals: rule.map(|rule| rule.decimals),
                    share: share(sum.sum, sum.total),
                    chain: sum.chain,
                    sum: sum.sum,
                    count: sum.count,
                    total: sum.total,
                }
            })
            .collect()
    }
}

/// Returns `part` of `whole` in basis points, rounded down; 0 if `whole` is 0.
fn share(part: Amount, whole: Amount) -> u32 {
    if whole == 0 {
        return 0;
    }
    let ten_thousand = Amount::from(10_000u32);
    let share = match part.checked_mul(ten_thousand) {
        Some(scaled) => scaled / whole,
        None => part / (whole / ten_thousand),
    };
    u32::try_from(share).unwrap_or(10_000).min(10_000)
}
