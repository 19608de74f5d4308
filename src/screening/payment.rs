//! A payment, not made yet: whether it counts for exposure, which of its answers decides,
//! and what the lists say of its ends as ends of paths. Searches no transfers.

use super::matching::{self, Finding};
use super::path_ends::{PathEnd, path_ends_at};
use super::policy::Decision;
use super::{KindSelection, Scope, ScreeningSummary};
use crate::domain::asset::AssetRule;
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;
use crate::domain::packed_key::PackedKey;
use crate::domain::transfer::{Amount, Asset};
use crate::exposure::{CommonInput, Direction, Label, Nearness, Source};

/// A payment to be screened.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Where funds come from, as asked.
    pub sources: Vec<String>,
    pub destinations: Vec<String>,
    /// The chain: one, and no family.
    pub chain: Chain,
    pub asset: Asset,
    /// How much in all, in the asset's smallest unit.
    pub amount: Amount,
    /// What the customer's address would have done: received in a deposit, sent in a withdrawal.
    pub direction: Direction,
}

impl Payment {
    pub fn own(&self) -> &[String] {
        match self.direction {
            Direction::ReceivedFrom => &self.destinations,
            Direction::SentTo => &self.sources,
        }
    }

    pub fn others(&self) -> &[String] {
        match self.direction {
            Direction::ReceivedFrom => &self.sources,
            Direction::SentTo => &self.destinations,
        }
    }

    /// Whether it is one transaction, from every source to every destination.
    pub fn is_utxo(&self) -> bool {
        self.chain.is_utxo() && self.asset == Asset::Native
    }

    /// How much each address of the customer's side would have received, or sent; `None` where it is
    /// not known how the amount splits.
    pub fn own_amount(&self) -> Option<Amount> {
        let is_whole = self.own().len() == 1 && (self.is_utxo() || self.others().len() == 1);
        is_whole.then_some(self.amount)
    }
}

/// Whether a payment would count for exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    Counts,
    /// Its asset has no known value.
    UnvaluedAsset,
    /// Its amount is below the asset's floor.
    Dust,
    /// Its amount is below the asset's floor, but reaches it with payments before it from the same
    /// sender to the same receiver: it counts.
    AddsUp,
    Nothing,
}

impl Effect {
    /// That of an amount in all by itself; `rule` is what is known of the asset.
    pub fn of(rule: Option<&AssetRule>, amount: Amount) -> Self {
        match rule {
            _ if amount == 0 => Self::Nothing,
            None => Self::UnvaluedAsset,
            Some(rule) if amount < rule.floor => Self::Dust,
            Some(_) => Self::Counts,
        }
    }
}

/// What the answers on a payment's addresses come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overall {
    pub decision: Decision,
    pub score: u8,
    /// Whether every address was answered whole.
    pub is_complete: bool,
    /// The place of the first with the worst decision, and of those with the largest score.
    pub worst: usize,
}

impl Overall {
    /// Of answers in order; `None` is an address that was refused, which counts as REVIEW. Nothing at
    /// all is REVIEW too.
    pub fn of(answers: impl IntoIterator<Item = Option<ScreeningSummary>>) -> Self {
        let none = Self { decision: Decision::Review, score: 0, is_complete: false, worst: 0 };
        let mut all: Option<(Self, u8)> = None;
        for (place, answer) in answers.into_iter().enumerate() {
            let of =
                answer.map_or(none, |ScreeningSummary { decision, score, is_complete, .. }| Self {
                    decision,
                    score,
                    is_complete,
                    worst: place,
                });
            let Self { decision, score, is_complete, .. } = of;
            let Some((all, worst_score)) = &mut all else {
                all = Some((Self { worst: place, ..of }, score));
                continue;
            };
            if (decision, score) > (all.decision, *worst_score) {
                (all.decision, all.worst, *worst_score) = (decision, place, score);
            }
            all.score = all.score.max(score);
            all.is_complete &= is_complete;
        }
        all.map_or(none, |(all, _)| all)
    }
}

/// What an address would be tied to, more than it is.
#[derive(Clone, Debug)]
pub struct Prospect<'s> {
    /// How near it is now; `None` where it is not.
    pub now: Option<Nearness>,
    /// The finding that there would be.
    pub then: Finding<'s>,
}

impl<'s> Scope<'s> {
    /// The sources that stand at a key, or at its nested one, of the lists of the scope.
    pub fn sources_at(&self, key: &KeyId) -> Vec<Source> {
        let nested = key.nested();
        let key = nested.as_ref().unwrap_or(key);
        let (snapshot, packed) = (self.snapshot, PackedKey::from(key));
        let (hash, categories) = (snapshot.hash(key), snapshot.categories());
        let of = |list: &'s super::SnapshotList| {
            let listings: Vec<_> = list.index().by_key(hash, key).collect();
            path_ends_at(list, packed, &listings, categories, self.day)
                .into_iter()
                .filter_map(PathEnd::source)
        };
        self.lists().flat_map(of).collect()
    }

    /// Whether any list, of the scope or not, says that a key is a service, where paths end.
    pub fn is_service(&self, key: &KeyId) -> bool {
        let nested = key.nested();
        let key = nested.as_ref().unwrap_or(key);
        let (snapshot, packed) = (self.snapshot, PackedKey::from(key));
        let (hash, categories) = (snapshot.hash(key), snapshot.categories());
        snapshot.lists().iter().any(|list| {
            let listings: Vec<_> = list.index().by_key(hash, key).collect();
            path_ends_at(list, packed, &listings, categories, None)
                .iter()
                .any(|end| matches!(end, PathEnd::Stop(_)))
        })
    }

    /// The sources that labels say a key is joined with by common inputs, as far as the scope wishes to
    /// know. None where labels do not answer ([`Scope::needs_search`]).
    pub fn labelled_joined(&self, key: &PackedKey) -> Vec<Source> {
        let labels = self.snapshot.exposure().labels.as_ref();
        let Some(labels) = labels.filter(|_| !self.needs_search()) else { return Vec::new() };
        let wanted = |(common, _): &(CommonInput, u32)| {
            !common.is_cut && self.selection(common.kind) == KindSelection::All
        };
        let joined = labels.find(key).common_inputs().filter(wanted);
        joined.map(|(_, source)| labels.source(source).clone()).collect()
    }

    /// What labels say of a key in a direction, as far as the scope wishes to know. None where labels
    /// do not answer ([`Scope::needs_search`]).
    pub fn labelled(&self, key: &PackedKey, direction: Direction) -> Vec<Label<Source>> {
        let labels = self.snapshot.exposure().labels.as_ref();
        let Some(labels) = labels.filter(|_| !self.needs_search()) else { return Vec::new() };
        let wanted = |label: &Label| {
            label.direction == direction
                && label.hops <= self.max_hops
                && self.selection(label.kind) == KindSelection::All
        };
        let found = labels.of(key).filter(wanted);
        found.map(|label| label.with_source(labels.source(label.source).clone())).collect()
    }

    /// Where an address of such keys would be tied to more than it is: to something new or nearer,
    /// by a graver timing, or directly by a larger share or value.
    pub fn prospects(
        &self,
        now: &[(PackedKey, Vec<Label<Source>>)],
        then: &[(PackedKey, Vec<Label<Source>>)],
    ) -> Vec<Prospect<'s>> {
        let (now, then) = (self.findings(now), self.findings(then));
        let more = then.into_iter().filter_map(|then| {
            let near = then.exposure?;
            let same = |known: &Nearness| known.is_of_sort(&near);
            let now = now.iter().filter_map(|found| found.exposure).find(same);
            is_more(now.as_ref(), &near).then_some(Prospect { now, then })
        });
        more.collect()
    }

    /// The findings of an address whose keys are tied so.
    fn findings(&self, keys: &[(PackedKey, Vec<Label<Source>>)]) -> Vec<Finding<'s>> {
        let mut findings = Vec::new();
        for (key, tie) in keys.iter().flat_map(|(key, ties)| ties.iter().map(move |t| (*key, t))) {
            if let Some(listing) = self.snapshot.listing(&tie.source) {
                let near = tie.with_source(());
                matching::match_label(listing, key, near, self.context(), 0, &mut findings);
            }
        }
        findings
    }
}

/// Whether it is nearer, graver, or more; what is not known may be more than anything known.
fn is_more(now: Option<&Nearness>, then: &Nearness) -> bool {
    let Some(now) = now else { return true };
    if then.hops != now.hops {
        return then.hops < now.hops;
    }
    let (before, after) = (now.direct.unwrap_or_default(), then.direct.unwrap_or_default());
    let grows = |before: Option<u64>, after: Option<u64>| {
        before.is_some_and(|before| after.is_none_or(|after| after > before))
    };
    then.timing < now.timing
        || then.direct.is_some()
            && (grows(before.share.map(u64::from), after.share.map(u64::from))
                || grows(before.value, after.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::list::ListKind;
    use crate::exposure::{Direct, Timing};
    use crate::screening::DecidedBy;

    #[test]
    fn the_worst_answer_decides() {
        use Decision::{Allow, Block, Review};
        let check = |answers: &[Option<(Decision, u8, bool)>],
                     want: (Decision, u8, bool, usize)| {
            let decided_by = DecidedBy::Findings;
            let summary = |(decision, score, is_complete)| ScreeningSummary {
                decision,
                score,
                is_complete,
                decided_by,
            };
            let summaries = answers.iter().map(|answer| answer.map(summary));
            let Overall { decision, score, is_complete, worst } = Overall::of(summaries);
            assert_eq!((decision, score, is_complete, worst), want, "{answers:?}");
        };
        check(&[], (Review, 0, false, 0));
        check(&[Some((Allow, 3, true)), Some((Allow, 9, true))], (Allow, 9, true, 1));
        check(&[Some((Allow, 3, true)), None], (Review, 3, false, 1));
        check(&[Some((Review, 0, true)), None], (Review, 0, false, 0));
        check(&[None, Some((Block, 50, true))], (Block, 50, false, 1));
        let three = [Some((Review, 10, true)), Some((Block, 5, true)), Some((Block, 5, false))];
        check(&three, (Block, 10, false, 1));
        let higher = [Some((Block, 5, true)), Some((Block, 90, true)), Some((Block, 90, true))];
        check(&higher, (Block, 90, true, 1));
    }

    #[test]
    fn what_ties_nobody() {
        let rule = AssetRule { symbol: "X".into(), decimals: 8, floor: Amount::from(10_u8) };
        let of = |rule, amount: u8| Effect::of(rule, Amount::from(amount));
        assert_eq!((of(Some(&rule), 0), of(None, 0)), (Effect::Nothing, Effect::Nothing));
        assert_eq!((of(Some(&rule), 9), of(Some(&rule), 10)), (Effect::Dust, Effect::Counts));
        assert_eq!(of(None, 10), Effect::UnvaluedAsset);
    }

    #[test]
    fn how_an_amount_splits() {
        let check = |chain: Chain, asset: Asset, [from, to]: [usize; 2], want: [bool; 2]| {
            let known = [Direction::ReceivedFrom, Direction::SentTo].map(|direction| {
                let payment = Payment {
                    sources: vec![String::new(); from],
                    destinations: vec![String::new(); to],
                    chain: chain.clone(),
                    asset: asset.clone(),
                    amount: Amount::ONE,
                    direction,
                };
                payment.own_amount().is_some()
            });
            assert_eq!(known, want, "{chain} {asset} {from} {to}");
        };
        check(Chain::Evm(1), Asset::Native, [1, 1], [true, true]);
        check(Chain::Evm(1), Asset::Native, [2, 1], [false, false]);
        check(Chain::Evm(1), Asset::Native, [1, 2], [false, false]);
        check(Chain::Bitcoin, Asset::Native, [2, 1], [true, false]);
        check(Chain::Bitcoin, Asset::Native, [1, 2], [false, true]);
        check(Chain::Bitcoin, Asset::Named("31".into()), [2, 1], [false, false]);
    }

    #[test]
    fn what_is_more() {
        let near = |hops, timing, direct: Option<(Option<u16>, Option<u64>)>| Nearness {
            source: (),
            direction: Direction::SentTo,
            kind: ListKind::Sanctions,
            hops,
            timing,
            direct: direct.map(|(share, value)| Direct { share, value }),
            hub: false,
            common_input: false,
        };
        let direct = |share, value| near(1, Timing::After, Some((share, value)));
        let known = direct(Some(5), Some(5));
        assert!(is_more(None, &known));
        assert!(is_more(Some(&near(2, Timing::After, None)), &known));
        assert!(!is_more(Some(&known), &near(2, Timing::After, None)));
        assert!(!is_more(Some(&known), &known));
        assert!(!is_more(Some(&known), &direct(Some(4), Some(5))));
        assert!(is_more(Some(&known), &direct(Some(6), Some(5))));
        assert!(is_more(Some(&known), &direct(Some(5), Some(6))));
        assert!(is_more(Some(&known), &direct(None, Some(5))));
        assert!(!is_more(Some(&direct(None, None)), &direct(None, None)));
        let before = near(1, Timing::Before, Some((Some(5), Some(5))));
        assert!(is_more(Some(&before), &known) && !is_more(Some(&known), &before));
    }
}
