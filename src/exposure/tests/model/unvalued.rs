//! Direct dealings in assets without a known value, by looking at every row.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, keys};
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset, Leg, Movement, Transfer, TxStatus};
use crate::exposure::{Direction, Labels, Source};

/// What is compared: direction, kind, how many rows, and the first of the sources dealt with.
pub type DirectDealing = (Direction, ListKind, u32, Source);

impl Model<'_> {
    /// What every key dealt, but for kinds of which it is a source.
    pub fn unvalued(&self) -> BTreeMap<PackedKey, Vec<DirectDealing>> {
        let kinds: BTreeSet<_> = self.sources.iter().map(|source| source.kind).collect();
        let mut dealt: BTreeMap<PackedKey, Vec<DirectDealing>> = BTreeMap::new();
        for direction in Direction::ALL {
            for &kind in &kinds {
                for (key, (rows, first)) in self.unvalued_of(direction, kind) {
                    dealt.entry(key).or_default().push((direction, kind, rows, first));
                }
            }
        }
        dealt
    }

    fn unvalued_of(
        &self,
        direction: Direction,
        kind: ListKind,
    ) -> BTreeMap<PackedKey, (u32, Source)> {
        let firsts = self.firsts(kind);
        let mut dealt: BTreeMap<PackedKey, (u32, Source)> = BTreeMap::new();
        for (_, transfer) in &self.rows {
            let (from, to) = self.unvalued_ends(transfer);
            let (near, far) = match direction {
                Direction::ReceivedFrom => (to, from),
                Direction::SentTo => (from, to),
            };
            let Some(first) = far.iter().filter_map(|key| firsts.get(key)).min() else { continue };
            for key in near.into_iter().filter(|key| !firsts.contains_key(key)) {
                let (rows, known) = dealt.entry(key).or_insert((0, first.clone()));
                *rows += 1;
                *known = first.clone().min(known.clone());
            }
        }
        dealt
    }

    /// The keys between which a row moved something without a known value; none where it did not.
    fn unvalued_ends(&self, transfer: &Transfer) -> (BTreeSet<PackedKey>, BTreeSet<PackedKey>) {
        let Transfer { chain, status, movement, .. } = transfer;
        let is_known = |asset: &Asset| self.settings.assets.rule(chain, asset).is_some();
        match movement {
            _ if *status == TxStatus::Failed => Default::default(),
            Movement::Account(of) => {
                if is_known(&of.asset) || of.amount == Amount::ZERO {
                    return Default::default();
                }
                let keys = |end: &Option<_>| keys(end.as_slice(), chain).into_iter().collect();
                (keys(&of.from), keys(&of.to))
            }
            Movement::Utxo(_) if is_known(&Asset::Native) => Default::default(),
            Movement::Utxo(of) => {
                let keys = |legs: &[Leg]| {
                    let moved = legs.iter().filter(|leg| leg.amount != Some(0));
                    moved.flat_map(|leg| keys(&leg.holders, chain)).collect()
                };
                (keys(&of.inputs), keys(&of.outputs))
            }
        }
    }

    /// Labels say the same, of every key and of no other.
    pub fn assert_unvalued(&self, labels: &Labels) {
        let found = labels.keys().filter_map(|(key, found)| {
            let dealt = found.unvalued().map(|(dealt, source)| {
                assert!(!dealt.at_least);
                let source = labels.source(source).clone();
                (dealt.direction, dealt.kind, dealt.transfers, source)
            });
            let dealt: Vec<_> = dealt.collect();
            (!dealt.is_empty()).then_some((key, dealt))
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), self.unvalued());
    }
}
