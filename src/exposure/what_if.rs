//! What labels would say of a key if one more payment were appended after all transfers. Changes
//! nothing, and decides nothing on who takes part.
//!
//! The payment is the last transfer on every clock. So what its sender received goes on by it, while
//! nothing that its receiver sent was later: of the receiver only that it is listed counts. As labels
//! have it, received-from shows the first arrival and sent-to the latest departure.

use std::collections::BTreeMap;

use super::labels::kept;
use super::path_ends::{KINDS, kind_index};
use super::shares::{AssetId, basis_points};
use super::{Direct, Direction, Label, Source, World};
use crate::domain::chain::Chain;
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset};

/// A label that is not made yet.
impl Label<Source> {
    /// By dealing with a source itself, at `now` in Unix seconds; what that comes to is not known.
    pub fn to_source(source: Source, direction: Direction, now: u64) -> Self {
        Self {
            direction,
            kind: source.kind,
            hub: false,
            hops: 1,
            timing: source.timing(now),
            source,
            direct: Some(Direct::default()),
            common_input: false,
        }
    }

    /// The same of dealing with a key that is joined with a source by common inputs.
    pub fn to_joined(source: Source, direction: Direction, now: u64) -> Self {
        Self { common_input: true, ..Self::to_source(source, direction, now) }
    }

    fn is_direct(&self) -> bool {
        self.hops == 1 && !self.hub
    }

    /// Whether it is shown before another one of the same payment.
    fn is_before(&self, other: &Self) -> bool {
        let gravity = |tie: &Self| (tie.timing, tie.common_input);
        let order = |tie: &Self| (tie.hops, tie.is_direct().then(|| gravity(tie)));
        let by = |tie: &Self| (tie.common_input, tie.timing);
        (order(self), &self.source, by(self)) < (order(other), &other.source, by(other))
    }
}

/// What a key has after a payment: what it had, and what the other ends pass on to it. `direct` says
/// what its dealings with sources of a kind come to then.
pub fn after(
    now: &[Label<Source>],
    passed_on: &[Label<Source>],
    direct: impl Fn(ListKind) -> Direct,
) -> Vec<Label<Source>> {
    let mut best: Vec<&Label<Source>> = Vec::new();
    for tie in passed_on {
        match best.iter_mut().find(|known| known.is_of_sort(tie)) {
            Some(known) if tie.is_before(known) => *known = tie,
            Some(_) => {}
            None => best.push(tie),
        }
    }
    let mut then = now.to_vec();
    for tie in best {
        let is_direct = tie.is_direct();
        let tie = Label { direct: is_direct.then(|| direct(tie.kind)), ..tie.clone() };
        match then.iter_mut().find(|known| known.is_of_sort(&tie)) {
            None => then.push(tie),
            Some(known) if tie.hops < known.hops => *known = tie,
            Some(known) if is_direct && known.is_direct() => {
                let gravity = |tie: &Label<Source>| (tie.timing, tie.common_input);
                let is_shown = match tie.direction {
                    Direction::ReceivedFrom => gravity(&tie) < gravity(known),
                    Direction::SentTo => gravity(&tie) <= gravity(known),
                };
                if is_shown {
                    *known = tie;
                } else {
                    known.direct = tie.direct;
                }
            }
            // It arrived before.
            Some(_) => {}
        }
    }
    then
}

impl World {
    /// What a key received over the fewest hops, one or more, from sources of a kind, and would pass
    /// on: the first arrival, which need not be that which is shown of it.
    pub fn arrival(&self, key: &PackedKey, kind: ListKind) -> Option<Label<Source>> {
        let (direction, index) = (Direction::ReceivedFrom, kind_index(kind)?);
        let is_it = |tier: &&super::hops::Hops| (tier.direction, tier.kind) == (direction, index);
        let tier = self.tiers.iter().find(is_it)?;
        let nodes = self.nodes.of_key(key);
        let tags = nodes.iter().filter_map(|&node| tier.first(node).map(|entry| entry.tag));
        let order =
            |tag: &super::hops::Tag| (tag.hops(), self.parties.rank(tag.origin()), tag.timing());
        let tag = tags.min_by_key(order).filter(|tag| tag.hops() > 0)?;
        let origin = tag.origin();
        Some(Label {
            direction,
            kind,
            hub: false,
            hops: tag.hops(),
            source: self.parties.source(origin).clone(),
            timing: tag.timing(),
            direct: None,
            common_input: origin.is_joined(),
        })
    }

    /// Every source that a key is joined with by common inputs, of kinds of which it is none itself; of
    /// those alike in when they were listed the first alone.
    pub fn joined_sources(&self, key: &PackedKey) -> Vec<Source> {
        let standing = (0..KINDS).flat_map(|kind| self.parties.standing(key, kind));
        let joined = standing.filter(|origin| origin.is_joined());
        joined.map(|origin| self.parties.source(origin).clone()).collect()
    }

    /// What a key's direct dealings with sources of a kind come to, as a label keeps it, with one
    /// more of them, of an asset that has value; `None` is an amount that is not known.
    pub fn direct_after(
        &self,
        key: &PackedKey,
        direction: Direction,
        kind: ListKind,
        (chain, asset, amount): (&Chain, &Asset, Option<Amount>),
    ) -> Direct {
        let Some((fact, units, valued)) = self.valuation.weigh(chain, asset, amount) else {
            return Direct::default();
        };
        let group = self.nodes.of_key(key);
        let kind = kind_index(kind);
        let is_it =
            |tier: &&super::hops::Hops| (tier.direction, Some(tier.kind)) == (direction, kind);
        let tier = self.tiers.iter().find(is_it);
        let mut parts: BTreeMap<AssetId, u64> = BTreeMap::new();
        let mut add = |asset: AssetId, units: u64| {
            let part = parts.entry(asset).or_default();
            *part = part.saturating_add(units);
        };
        for (tier, &node) in tier.iter().flat_map(|tier| group.iter().map(move |n| (tier, n))) {
            if tier.dealt.get(&node).is_some_and(|dealt| !dealt.is_known) {
                return Direct::default();
            }
            for (&(_, asset), &units) in tier.direct.range((node, 0)..=(node, AssetId::MAX)) {
                add(asset, units);
            }
        }
        let Some(more) = fact.at_most(units) else { return Direct::default() };
        add(fact.asset(), more);
        let mut all = Direct { share: Some(0), value: Some(0) };
        for (asset, part) in parts {
            let is_moved = asset == fact.asset();
            let before = group.iter().map(|&node| self.total(direction, node, asset));
            let before = before.fold(0, u64::saturating_add);
            let total = before.saturating_add(if is_moved { units } else { 0 });
            let floors =
                if is_moved { valued.floors(part) } else { self.valuation.floors(asset, part) };
            all = Direct {
                share: all.share.max(Some(basis_points(part, total))),
                value: all.value.zip(floors).map(|(a, b)| a.saturating_add(b)),
            };
        }
        kept(all)
    }
}
