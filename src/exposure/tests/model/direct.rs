//! What direct dealings come to, and which of them is shown, by looking at every row.

use std::collections::HashMap;

use super::clusters::Seeds;
use super::{Model, Origin, Step, keys};
use crate::domain::chain::Chain;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset, Leg, Movement, TxStatus};
use crate::exposure::{Direct, Direction, Source, Timing};

/// What a key moved in an asset.
#[derive(Default)]
struct Sum {
    /// From or to sources, in units rounded up.
    part: u64,
    /// In all, in units rounded down.
    total: u64,
    is_direct: bool,
}

impl Model<'_> {
    /// Whole units of an amount, and one more where there is a part of one.
    pub(super) fn units(&self, chain: &Chain, asset: &Asset, amount: Amount) -> (u64, u64) {
        let rule = self.settings.assets.rule(chain, asset).unwrap();
        let mut unit = Amount::ONE;
        for _ in 8..rule.decimals {
            unit *= 10;
        }
        let down = amount / unit;
        (down.as_u64(), (down + Amount::from(u8::from(down * unit < amount))).as_u64())
    }

    /// The direct dealings of a key: what it moved in each asset, and whether the amount of each
    /// that is with a source is known.
    fn sums(
        &self,
        key: &PackedKey,
        direction: Direction,
        seeds: &Seeds,
    ) -> (HashMap<(Chain, Asset), Sum>, bool) {
        let (mut sums, mut is_known) = (HashMap::new(), true);
        for (_, transfer) in &self.rows {
            let chain = &transfer.chain;
            let mut add = |asset: &Asset, amount: Option<Amount>, direct: bool| {
                if self.settings.assets.rule(chain, asset).is_none() {
                    return;
                }
                let sum: &mut Sum = sums.entry((chain.clone(), asset.clone())).or_default();
                sum.is_direct |= direct;
                is_known &= amount.is_some() || !direct;
                let (down, up) = self.units(chain, asset, amount.unwrap_or(Amount::ZERO));
                sum.part += if direct { up } else { 0 };
                sum.total += down;
            };
            if transfer.status == TxStatus::Failed {
                continue;
            }
            match &transfer.movement {
                Movement::Account(of) => {
                    let (from, to) =
                        (keys(of.from.as_slice(), chain), keys(of.to.as_slice(), chain));
                    let (near, far) = match direction {
                        Direction::ReceivedFrom => (to, from),
                        Direction::SentTo => (from, to),
                    };
                    let floor = self.settings.assets.rule(chain, &of.asset).map(|rule| rule.floor);
                    // Of an end that is nobody that is said, and not that it is dust.
                    let is_dust = !far.is_empty() && floor.is_some_and(|floor| of.amount < floor);
                    let pair = |far: &PackedKey| match direction {
                        Direction::ReceivedFrom => (*far, *key),
                        Direction::SentTo => (*key, *far),
                    };
                    let counting = self.pairs(transfer);
                    let counts = far.iter().any(|far| counting.contains(&pair(far)));
                    if near.contains(key) && !far.contains(key) && (counts || !is_dust) {
                        let is_seed = |far: &PackedKey| seeds.contains_key(far);
                        let direct = counts && far.iter().any(is_seed);
                        add(&of.asset, Some(of.amount), direct);
                    }
                }
                Movement::Utxo(of) => {
                    let near = match direction {
                        Direction::ReceivedFrom => &of.outputs,
                        Direction::SentTo => &of.inputs,
                    };
                    let near_is_input = direction == Direction::SentTo;
                    let far = self.counting_keys(transfer, !near_is_input);
                    let direct = far.iter().any(|key| seeds.contains_key(key));
                    let own = |leg: &&Leg| {
                        keys(&leg.holders, chain).contains(key)
                            && self.leg_counts_for(transfer, near_is_input, leg, key)
                    };
                    for leg in near.iter().filter(own) {
                        let amount = leg.amount.map(Amount::from);
                        add(&Asset::Native, amount, direct);
                    }
                }
            }
        }
        (sums, is_known)
    }

    /// What the direct dealings of a key come to.
    pub fn direct(&self, key: &PackedKey, direction: Direction, seeds: &Seeds) -> Direct {
        let (sums, is_known) = self.sums(key, direction, seeds);
        if !is_known {
            return Direct { share: None, value: None };
        }
        let (mut share, mut value) = (0, 0);
        for ((chain, asset), Sum { part, total, is_direct }) in sums {
            if !is_direct {
                continue;
            }
            share = share.max(if part >= total { 10_000 } else { part * 10_000 / total });
            let rule = self.settings.assets.rule(&chain, &asset).unwrap();
            let unit = 10_u64.pow(u32::from(rule.decimals.max(8) - 8));
            let (mut floors, mut held) = (0, Amount::ZERO);
            while held < Amount::from(part * unit) {
                held += rule.floor;
                floors += 1;
            }
            value += floors;
        }
        Direct { share: Some(share as u16), value: Some(rounded(value)) }
    }

    /// Source, mark and timing of the dealing that is shown: of those of the gravest timing the first on
    /// its clock, and of these over clocks the first by chain time.
    pub fn gravest(key: &PackedKey, seeds: &Seeds, steps: &[Step]) -> Origin {
        let mut direct = Vec::new();
        for step in steps.iter().filter(|step| step.to == *key) {
            // By every source of the key, or that it is joined with, not the first alone.
            for source in seeds.get(&step.from).into_iter().flat_map(|seed| &seed.sources) {
                let common_input = seeds[&step.from].common_input;
                direct.push((step, (source, common_input), Self::timing(source, step)));
            }
        }
        let has = |wanted| direct.iter().any(|(_, _, timing)| *timing == wanted);
        let gravest = [Timing::After, Timing::Unknown].into_iter().find(|timing| has(*timing));
        let timing = gravest.unwrap_or(Timing::Before);
        // A source's own dealing before an estimate.
        let is_certain = direct.iter().any(|(_, (_, joined), of)| *of == timing && !joined);
        direct.retain(|(_, (_, joined), _)| !(is_certain && *joined));
        let mut firsts_of_clocks: HashMap<_, (i128, (&Source, bool), i128)> = HashMap::new();
        for (step, source, _) in direct.iter().filter(|(_, _, of)| *of == timing) {
            let found = (step.at, *source, step.time);
            let first = firsts_of_clocks.entry(&step.clock).or_insert(found);
            *first = found.min(*first);
        }
        let first = firsts_of_clocks.values().min_by_key(|(_, source, time)| (*time, *source));
        let (_, (source, common_input), _) = *first.unwrap();
        Origin { source: source.clone(), common_input, timing }
    }
}

/// The least of 4, 5, 6 or 7 quarters of a power of two that is no less.
fn rounded(value: u64) -> u64 {
    let steps = (0..32).flat_map(|octave| (4..8).map(move |quarters| (quarters << octave) / 4));
    steps.filter(|step| *step >= value).min().unwrap()
}
