//! What a transfer is worth: whether it counts, and in which units it is summed.
//!
//! Units are whole numbers of at most 8 decimals of the asset, so that sums do not depend on the
//! order in which they are made; they saturate.

use std::collections::HashMap;

use super::nodes::Node;
use crate::domain::asset::AssetTable;
use crate::domain::chain::Chain;
use crate::domain::transfer::{Amount, Asset, TxStatus};

/// Why a transfer does not count for exposure. Of several reasons the first holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum NotCounted {
    /// The transaction failed.
    Failed = 1,
    /// Nothing moved.
    Zero,
    /// The asset is not in the asset table.
    UnvaluedAsset,
    /// Both ends are one key.
    #[strum(serialize = "SELF")]
    SelfTransfer,
    /// An end is the null address, or absent.
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
        self.into()
    }
}

/// The number of a valued asset of a chain; 0 where it has no value.
pub(super) type AssetId = u16;

/// Further valued assets are summed as one.
const LAST_ASSET: AssetId = (1 << 12) - 1;

/// Decimals that units keep.
const UNIT_DECIMALS: u8 = 8;

/// In a [`Fact`]: the amount is a part of a unit more than its units.
const FRACTION: u16 = 1 << 15;

/// A transfer or leg, judged by itself: asset in the low 12 bits, reason above, [`FRACTION`].
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
        NotCounted::ALL.get(usize::from(self.0 >> 12 & 7).wrapping_sub(1)).copied()
    }

    /// Whether it is part of all that its ends received, or sent. Dust and what goes to its sender are
    /// not: nobody can make a share less by them.
    pub fn is_summed(self) -> bool {
        !matches!(self.why(), Some(NotCounted::SelfTransfer | NotCounted::Dust))
    }

    /// The units of one that counts, rounded up; `None` where its amount is not known, or its asset
    /// is not told from others.
    pub fn at_most(self, units: u64) -> Option<u64> {
        let fraction = u64::from(self.0 & FRACTION != 0);
        // Nothing that is known to be zero counts.
        let is_known = self.asset() != LAST_ASSET && units.saturating_add(fraction) > 0;
        is_known.then(|| units.saturating_add(fraction))
    }

    /// The same amount, judged as `judged`.
    pub fn classified_as(self, judged: Self) -> Self {
        Self((self.0 & FRACTION) | (judged.0 & !FRACTION))
    }
}

/// What is known of an asset, for judging.
#[derive(Clone, Debug)]
pub(super) struct Valued {
    chain: Chain,
    asset: Asset,
    id: AssetId,
    floor: Amount,
    /// What a unit is worth in the smallest unit.
    scale: u64,
}

/// Judges transfers by a table of assets.
#[derive(Debug)]
pub(super) struct Valuation {
    assets: AssetTable,
    known: Vec<Valued>,
    ids: HashMap<Chain, HashMap<Asset, usize>>,
    /// The last one, which is most often the next.
    last: usize,
}

impl Valuation {
    pub fn new(assets: AssetTable) -> Self {
        Self { assets, known: Vec::new(), ids: HashMap::new(), last: 0 }
    }

    pub fn assets(&self) -> &AssetTable {
        &self.assets
    }

    /// Judges an amount; `None` is an unknown one, which counts. `ends` is what is wrong with its
    /// ends. Gives the fact and the units that moved, rounded down.
    pub fn classify(
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
        let (units, has_fraction) = match (valued, amount) {
            (Some(valued), Some(amount)) if status != TxStatus::Failed => {
                units(amount, valued.scale)
            }
            _ => (0, false),
        };
        let fraction = if has_fraction { FRACTION } else { 0 };
        (Fact(Fact::new(id, why).0 | fraction), units)
    }

    /// As [`Valuation::judge`], of an amount that counts, whether or not any of its asset was judged
    /// before; with what is known of the asset. `None` where it has no value.
    pub fn weigh(
        &self,
        chain: &Chain,
        asset: &Asset,
        amount: Option<Amount>,
    ) -> Option<(Fact, u64, Valued)> {
        let known = self.ids.get(chain).and_then(|ids| ids.get(asset));
        let valued = match known {
            Some(&at) => self.known.get(at)?.clone(),
            None => self.about(chain, asset)?,
        };
        let (units, has_fraction) = amount.map_or((0, false), |a| units(a, valued.scale));
        let fraction = if has_fraction { FRACTION } else { 0 };
        Some((Fact(Fact::new(valued.id, None).0 | fraction), units, valued))
    }

    /// Whether so many units of an asset are its dust floor or more.
    pub fn is_floor(&self, asset: AssetId, units: u64) -> bool {
        let valued = usize::from(asset).checked_sub(1).and_then(|at| self.known.get(at));
        units == u64::MAX || valued.is_some_and(|valued| valued.is_floor(units))
    }

    /// How many dust floors of an asset so many units are, rounded up; `None` where that is not
    /// known, or more than a number holds.
    pub fn floors(&self, asset: AssetId, units: u64) -> Option<u64> {
        self.known.get(usize::from(asset).checked_sub(1)?)?.floors(units)
    }

    /// The valued assets of a chain that any transfer was of, but for those that are not told apart.
    pub fn known_on(&self, chain: &Chain) -> impl Iterator<Item = (AssetId, &Valued)> {
        let told_apart = self.known.iter().filter(|valued| valued.id != LAST_ASSET);
        told_apart.filter(move |valued| valued.chain == *chain).map(|valued| (valued.id, valued))
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
        let valued = self.about(chain, asset)?;
        let at = self.known.len();
        self.ids.entry(chain.clone()).or_default().insert(asset.clone(), at);
        self.known.push(valued);
        Some(at)
    }

    /// An asset that none was judged of yet, with the number that it would have.
    fn about(&self, chain: &Chain, asset: &Asset) -> Option<Valued> {
        let rule = self.assets.rule(chain, asset)?;
        let id = AssetId::try_from(self.known.len() + 1).unwrap_or(LAST_ASSET).min(LAST_ASSET);
        let beyond = u32::from(rule.decimals.saturating_sub(UNIT_DECIMALS));
        // 36 decimals at most: 10^28 does not fit, but no amount of such an asset has a unit then.
        let scale = 10_u64.checked_pow(beyond).unwrap_or(u64::MAX);
        let (chain, asset, floor) = (chain.clone(), asset.clone(), rule.floor);
        Some(Valued { chain, asset, id, floor, scale })
    }
}

impl Valued {
    /// As [`Valuation::is_floor`].
    pub fn is_floor(&self, units: u64) -> bool {
        let smallest = Amount::from(units) * Amount::from(self.scale);
        units == u64::MAX || smallest >= self.floor
    }

    pub fn asset(&self) -> &Asset {
        &self.asset
    }

    /// So many units in the smallest unit; `None` of a sum that is more than a number of units holds.
    pub fn smallest(&self, units: u64) -> Option<Amount> {
        (units < u64::MAX).then(|| Amount::from(units) * Amount::from(self.scale))
    }

    /// As [`Valuation::floors`].
    pub fn floors(&self, units: u64) -> Option<u64> {
        if units == u64::MAX {
            return None;
        }
        let smallest = u128::from(units) * u128::from(self.scale);
        match u128::try_from(self.floor) {
            Ok(floor) => u64::try_from(smallest.div_ceil(floor.max(1))).ok(),
            Err(_) => Some(1),
        }
    }
}

/// Whole units, and whether there is a part of one more.
fn units(amount: Amount, scale: u64) -> (u64, bool) {
    if let Ok(amount) = u64::try_from(amount) {
        return (amount / scale, amount % scale != 0);
    }
    match u128::try_from(amount) {
        Ok(amount) => {
            let scale = u128::from(scale);
            (u64::try_from(amount / scale).unwrap_or(u64::MAX), amount % scale != 0)
        }
        Err(_) => {
            let scale = Amount::from(scale);
            (u64::try_from(amount / scale).unwrap_or(u64::MAX), amount % scale != 0)
        }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::asset::AssetRule;

    fn valuation(decimals: u8, floor: Amount) -> Valuation {
        let mut assets = AssetTable::default();
        let rule = AssetRule { symbol: "X".into(), decimals, floor };
        assets.set(Chain::Evm(1), Asset::Native, rule);
        Valuation::new(assets)
    }

    /// The floors of amounts that are summed; `None` where one of them, or the sum, is unknown.
    fn floors(decimals: u8, floor: Amount, amounts: &[Option<Amount>]) -> Option<u64> {
        let mut valuation = valuation(decimals, floor);
        let (mut asset, mut sum) = (0, Some(0_u64));
        for &amount in amounts {
            let (fact, units) =
                valuation.classify(&Chain::Evm(1), &Asset::Native, amount, TxStatus::Unknown, None);
            assert_eq!(fact.why(), None);
            asset = fact.asset();
            sum = sum.zip(fact.at_most(units)).map(|(a, b)| a.saturating_add(b));
        }
        valuation.floors(asset, sum?)
    }

    #[test]
    fn floors_are_never_too_few() {
        let amount = |number: u128| Some(Amount::from(number));
        let ether = 1_000_000_000_000_000_000;
        let floor = Amount::from(300_000_000_000_000_u128);
        assert_eq!(floors(18, floor, &[amount(3 * ether)]), Some(10_000));
        // One part in 10^18 more is a unit more.
        assert_eq!(floors(18, floor, &[amount(3 * ether + 1)]), Some(10_001));
        assert_eq!(floors(18, floor, &[amount(3 * ether), None]), None);
        assert_eq!(floors(6, Amount::from(1_000_000_u32), &[amount(128_000_000)]), Some(128));
        // A floor below a unit: the whole unit counts.
        assert_eq!(floors(18, Amount::ONE, &[amount(1)]), Some(10_000_000_000));
        assert_eq!(floors(36, Amount::ONE, &[amount(7)]), Some(u64::MAX));
        // More than units, or floors, can say.
        let huge = Amount::from(u128::MAX);
        assert_eq!(floors(8, huge, &[Some(Amount::MAX)]), None);
        assert_eq!(floors(18, Amount::ONE, &[amount(20_000_000_000 * ether / 10)]), None);
        assert_eq!(floors(36, huge + Amount::ONE, &[Some(huge + Amount::ONE)]), None);
    }

    #[test]
    fn a_share_is_whole_where_the_total_does_not_say() {
        assert_eq!(
            (basis_points(1, 3), basis_points(3, 3), basis_points(0, 0)),
            (3_333, 10_000, 10_000)
        );
        assert_eq!(basis_points(u64::MAX - 1, u64::MAX), 9_999);
    }
}
