//! Which dust counts since it adds up, by looking at every row for each payment.

use std::collections::BTreeSet;

use super::{Model, keys};
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset, Leg, Movement, Transfer, TxStatus};

/// What moved from a key to another, or a leg of a key opposite to another.
struct Part {
    /// The row, and the number of the leg.
    id: (u64, usize),
    holder: PackedKey,
    other: PackedKey,
    at: i128,
    amount: Option<Amount>,
    /// Whether it counts by itself.
    counts: bool,
}

impl Model<'_> {
    /// The sets of keys that are one with a key.
    fn ends(&self, key: &PackedKey) -> Vec<BTreeSet<PackedKey>> {
        let mut ends = Vec::new();
        for of in self.sources.iter().filter(|of| of.key == *key) {
            let same = self.sources.iter().filter(|other| {
                (&other.list, &other.listing.party_uid) == (&of.list, &of.listing.party_uid)
                    && !of.listing.party_uid.is_empty()
            });
            ends.push(same.map(|other| other.key).collect());
        }
        ends.push(BTreeSet::from([*key]));
        ends
    }

    /// Whether parts between the ends of two keys reach the floor up to a moment.
    fn reach(&self, parts: &[Part], chain: &Chain, asset: &Asset, part: &Part) -> bool {
        let rule = self.settings.assets.rule(chain, asset).unwrap();
        let (holders, others) = (self.ends(&part.holder), self.ends(&part.other));
        holders.iter().any(|holders| {
            others.iter().any(|others| {
                let between = parts.iter().filter(|of| {
                    holders.contains(&of.holder) && others.contains(&of.other) && of.at <= part.at
                });
                let mut sum = Amount::ZERO;
                let mut seen = BTreeSet::new();
                between.clone().any(|of| of.counts)
                    || between.clone().filter(|of| seen.insert(of.id)).any(|of| {
                        let (_, up) = self.units(chain, asset, of.amount.unwrap());
                        let mut unit = Amount::ONE;
                        for _ in 8..rule.decimals {
                            unit *= 10;
                        }
                        sum += Amount::from(up) * unit;
                        sum >= rule.floor
                    })
            })
        })
    }

    /// Rows of the clock of one that did not fail.
    fn beside<'a>(&'a self, transfer: &'a Transfer) -> impl Iterator<Item = (u64, &'a Transfer)> {
        let same = move |other: &Transfer| {
            Self::clock(other) == Self::clock(transfer) && other.status != TxStatus::Failed
        };
        self.rows.iter().copied().filter(move |(_, other)| same(other))
    }

    fn at(transfer: &Transfer) -> i128 {
        match transfer.position() {
            Some(at) => (i128::from(at.height) << 32) + i128::from(at.tx_index),
            None => i128::from(transfer.time),
        }
    }

    /// Whether a transfer of an account chain from one key to another adds up.
    pub fn adds_up(&self, transfer: &Transfer, from: &PackedKey, to: &PackedKey) -> bool {
        let Movement::Account(movement) = &transfer.movement else { return false };
        let (chain, asset) = (&transfer.chain, &movement.asset);
        let is_known = self.settings.assets.rule(chain, asset).is_some();
        if !is_known || transfer.status == TxStatus::Failed || movement.amount == Amount::ZERO {
            return false;
        }
        let mut parts = Vec::new();
        for (row, other) in self.beside(transfer) {
            let Movement::Account(of) = &other.movement else { continue };
            if of.asset != *asset || of.amount == Amount::ZERO {
                continue;
            }
            let (senders, receivers) =
                (keys(of.from.as_slice(), chain), keys(of.to.as_slice(), chain));
            for holder in senders {
                for &other_end in receivers.iter().filter(|to| **to != holder) {
                    let amount = Some(of.amount);
                    let counts = self.counts(other, asset, amount);
                    let at = Self::at(other);
                    let id = (row, 0);
                    parts.push(Part { id, holder, other: other_end, at, amount, counts });
                }
            }
        }
        let at = Self::at(transfer);
        let part = Part {
            holder: *from,
            other: *to,
            at,
            amount: Some(movement.amount),
            counts: false,
            id: (0, 0),
        };
        self.reach(&parts, chain, asset, &part)
    }

    /// Whether a leg of a transaction counts for one of its holders, by itself or with others.
    pub fn leg_counts_for(
        &self,
        transfer: &Transfer,
        is_input: bool,
        leg: &Leg,
        holder: &PackedKey,
    ) -> bool {
        let Movement::Utxo(movement) = &transfer.movement else { return false };
        let side = if is_input { &movement.inputs } else { &movement.outputs };
        if self.leg_counts(transfer, side, leg) {
            return true;
        }
        let is_moved = leg.amount != Some(0) && transfer.status != TxStatus::Failed;
        if !is_moved || self.settings.assets.rule(&transfer.chain, &Asset::Native).is_none() {
            return false;
        }
        let chain = &transfer.chain;
        let mut parts = Vec::new();
        for (row, tx) in self.beside(transfer) {
            let Movement::Utxo(of) = &tx.movement else { continue };
            let (own, far) =
                if is_input { (&of.inputs, &of.outputs) } else { (&of.outputs, &of.inputs) };
            let others: BTreeSet<_> =
                far.iter().flat_map(|leg| keys(&leg.holders, chain)).collect();
            let moved = own.iter().enumerate().filter(|(_, leg)| leg.amount != Some(0));
            for (number, leg) in moved {
                let counts = self.leg_counts(tx, own, leg);
                for of in keys(&leg.holders, chain) {
                    for &other in others.iter().filter(|other| **other != of) {
                        let amount = leg.amount.map(Amount::from);
                        let at = Self::at(tx);
                        let id = (row, number);
                        parts.push(Part { id, holder: of, other, at, amount, counts });
                    }
                }
            }
        }
        let far = if is_input { &movement.outputs } else { &movement.inputs };
        let others: BTreeSet<_> = far.iter().flat_map(|leg| keys(&leg.holders, chain)).collect();
        others.into_iter().filter(|other| other != holder).any(|other| {
            let (at, amount) = (Self::at(transfer), leg.amount.map(Amount::from));
            let part = Part { holder: *holder, other, at, amount, counts: false, id: (0, 0) };
            self.reach(&parts, chain, &Asset::Native, &part)
        })
    }

    /// The keys of the legs of a side that count.
    pub fn counting_keys(&self, transfer: &Transfer, is_input: bool) -> Vec<PackedKey> {
        let Movement::Utxo(of) = &transfer.movement else { return Vec::new() };
        let side = if is_input { &of.inputs } else { &of.outputs };
        let mut found = Vec::new();
        for leg in side {
            for key in keys(&leg.holders, &transfer.chain) {
                if self.leg_counts_for(transfer, is_input, leg, &key) {
                    found.push(key);
                }
            }
        }
        found
    }
}
