//! What a transfer is worth: whether it counts, and in which units it is summed. Knows no labels.
//!
//! Units are whole numbers of at most 8 decimals of the asset, so that sums do not depend on the
//! order in which they are made; they saturate.

use std::collections::HashMap;

use super::nodes::Node;
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::transfer::{Amount, Asset, TxStatus};

/// Why a transfer does not count for exposure. Of several reasons the first holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NotCounted {
    /// The transaction failed.
    Failed = 1,
    /// Nothing moved.
    Zero,
    /// The asset is not in the asset table.
    UnvaluedAsset,
    /// Both ends are one key.
    SelfTransfer,
    /// An end is the null address, or nobody.
    NullAddress,
    /// It is not known who is at an end.
    UnknownCounterparty,
    /// Less than the asset's floor.
    Dust,
}

impl NotCounted {
    const ALL: [Self; 7] = [
        Self::Failed,
        Self::Zero,
        Self::UnvaluedAsset,
        Self::SelfTransfer,
        Self::NullAddress,
        Self::UnknownCounterparty,
        Self::Dust,
    ];

    /// The short name that answers carry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Zero => "ZERO",
            Self::UnvaluedAsset => "UNVALUED_ASSET",
            Self::SelfTransfer => "SELF",
            Self::NullAddress => "NULL_ADDRESS",
            Self::UnknownCounterparty => "UNKNOWN_COUNTERPARTY",
            Self::Dust => "DUST",
        }
    }
}

/// The number of a valued asset of a chain; 0 where it has no value.
pub(super) type AssetId = u16;

/// Further valued assets are summed as one.
const LAST_ASSET: AssetId = (1 << 12) - 1;

/// Decimals that units keep.
const UNIT_DECIMALS: u8 = 8;

/// A transfer or leg, judged by itself: asset in the low 12 bits, reason above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fact(u16);

impl Fact {
    pub fn new(asset: AssetId, why: Option<NotCounted>) -> Self {
        Self(asset | (why.map_or(0, |why| why as u16) << 12))
    }

    /// The asset; 0 where it has no value.
    pub fn asset(self) -> AssetId {
        self.0 & LAST_ASSET
    }

    /// Why it does not count; `None` where it does.
    pub fn why(self) -> Option<NotCounted> {
        NotCounted::ALL.get(usize::from(self.0 >> 12).wrapping_sub(1)).copied()
    }
}

/// What is known of an asset, for judging.
#[derive(Clone, Debug)]
struct Valued {
    chain: Chain,
    asset: Asset,
    id: AssetId,
    floor: Amount,
    /// What a unit is worth in the smallest unit.
    scale: u64,
}

/// Judges transfers by a table of assets.
#[derive(Debug)]
pub(super) struct Judge {
    assets: AssetTable,
    known: Vec<Valued>,
    /// Where in `known`.
    ids: HashMap<Chain, HashMap<Asset, usize>>,
    /// The last one, which is most often the next.
    last: usize,
}

impl Judge {
    pub fn new(assets: AssetTable) -> Self {
        Self { assets, known: Vec::new(), ids: HashMap::new(), last: 0 }
    }

    /// The table.
    pub fn assets(&self) -> &AssetTable {
        &self.assets
    }

    /// Judges an amount; `None` is an unknown one, which counts. `ends` is what is wrong with its
    /// ends. Gives the fact and the units that moved.
    pub fn judge(
        &mut self,
        chain: &Chain,
        asset: &Asset,
        amount: Option<Amount>,
        status: TxStatus,
        ends: Option<NotCounted>,
    ) -> (Fact, u64) {
        let valued = self.valued(chain, asset);
        let id = valued.map_or(0, |valued| valued.id);
        let dust = valued.zip(amount).is_some_and(|(valued, amount)| amount < valued.floor);
        let why = if status == TxStatus::Failed {
            Some(NotCounted::Failed)
        } else if amount == Some(Amount::ZERO) {
            Some(NotCounted::Zero)
        } else if valued.is_none() {
            Some(NotCounted::UnvaluedAsset)
        } else {
            ends.or(dust.then_some(NotCounted::Dust))
        };
        let units = match (valued, amount) {
            (Some(valued), Some(amount)) if status != TxStatus::Failed => {
                units(amount, valued.scale)
            }
            _ => 0,
        };
        (Fact::new(id, why), units)
    }

    fn valued(&mut self, chain: &Chain, asset: &Asset) -> Option<&Valued> {
        let is_last = |valued: &Valued| valued.asset == *asset && valued.chain == *chain;
        if !self.known.get(self.last).is_some_and(is_last) {
            let found = self.ids.get(chain).and_then(|ids| ids.get(asset)).copied();
            self.last = match found {
                Some(at) => at,
                None => self.learn(chain, asset)?,
            };
        }
        self.known.get(self.last)
    }

    fn learn(&mut self, chain: &Chain, asset: &Asset) -> Option<usize> {
        let rule = self.assets.rule(chain, asset)?;
        let at = self.known.len();
        let id = AssetId::try_from(at + 1).unwrap_or(LAST_ASSET).min(LAST_ASSET);
        let beyond = u32::from(rule.decimals.saturating_sub(UNIT_DECIMALS));
        // 36 decimals at most: 10^28 does not fit, but no amount of such an asset has a unit then.
        let scale = 10_u64.checked_pow(beyond).unwrap_or(u64::MAX);
        let (chain, asset, floor) = (chain.clone(), asset.clone(), rule.floor);
        self.ids.entry(chain.clone()).or_default().insert(asset.clone(), at);
        self.known.push(Valued { chain, asset, id, floor, scale });
        Some(at)
    }
}

fn units(amount: Amount, scale: u64) -> u64 {
    match u64::try_from(amount) {
        Ok(amount) => amount / scale,
        Err(_) => match u128::try_from(amount) {
            Ok(amount) => u64::try_from(amount / u128::from(scale)).unwrap_or(u64::MAX),
            Err(_) => u64::try_from(amount / Amount::from(scale)).unwrap_or(u64::MAX),
        },
    }
}

/// All that nodes received, or sent, in units of each asset.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// By node: the first asset seen there; most have but one.
    first: Vec<(AssetId, u64)>,
    others: HashMap<(Node, AssetId), u64>,
}

impl Totals {
    /// Adds to the sum of a node. Asset 0 is not summed.
    pub fn add(&mut self, node: Node, asset: AssetId, units: u64) {
        if asset == 0 || units == 0 || node < super::nodes::FIRST {
            return;
        }
        let at = node as usize;
        if self.first.len() <= at {
            self.first.resize(at + 1, (0, 0));
        }
        let (first, sum) = &mut self.first[at];
        if *first == 0 {
            *first = asset;
        }
        let sum = if *first == asset { sum } else { self.others.entry((node, asset)).or_default() };
        *sum = sum.saturating_add(units);
    }

    /// The sum of a node in an asset.
    pub fn of(&self, node: Node, asset: AssetId) -> u64 {
        match self.first.get(node as usize) {
            Some(&(first, sum)) if first == asset => sum,
            _ => self.others.get(&(node, asset)).copied().unwrap_or(0),
        }
    }
}

/// A share in basis points, rounded down, at most 10,000; whole where the total does not say.
pub(super) fn basis_points(part: u64, total: u64) -> u16 {
    if part >= total {
        return 10_000;
    }
    (u128::from(part) * 10_000 / u128::from(total)) as u16
}
