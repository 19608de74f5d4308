//! The score of a finding: a base, raised and weighed.
//!
//! What can only be said roughly counts in full: an unknown share or value takes the highest step,
//! and products are rounded up. Bases do not rise with hops, and only direct dealings are raised by
//! share and value, so that no farther exposure scores more than a nearer one.

use std::collections::BTreeMap;

use super::{FindingKind, MAX_SCORE, PathRole, Subject};
use crate::domain::list::ListKind;
use crate::exposure::{Direction, MAX_HOPS};

/// What a score was made of: a base of 0 to 100, and factors in per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// By kind of finding, and by direction and hops for exposure.
    pub base: u8,
    /// The weight of the kind of list.
    pub list_kind: u8,
    /// The weight of the tag's category, the heaviest one where paths begin; 100 where the list is
    /// none of attributions.
    pub category: u8,
    /// By the share of direct dealings, from 100 on.
    pub share: u16,
    /// By their value, from 100 on.
    pub value: u16,
    /// Less where an untagged hub lies between.
    pub hub: u8,
}

impl Factors {
    /// The base, raised by share and value to [`MAX_SCORE`] at most, times the weights, rounded up:
    /// so that no dealing with a listing scores more than the listing itself.
    pub fn score(&self) -> u8 {
        let of = |percents: [u16; 3]| percents.into_iter().map(u64::from).product::<u64>();
        let most = u64::from(MAX_SCORE) * of([100; 3]);
        let raised = u64::from(self.base) * of([self.share, self.value, self.hub.into()]);
        // At most 100 * 100^3 * 100^2: far below 64 bits.
        let weighed = raised.min(most) * of([self.list_kind.into(), self.category.into(), 1]);
        weighed.div_ceil(of([100; 3]) * of([100, 100, 1])) as u8
    }
}

/// From a threshold on, a score is raised to so many per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Basis points of share, or dust floors of value.
    pub at_least: u64,
    /// 100 or more.
    pub percent: u16,
}

/// The numbers of a policy that make scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    /// By [`ListKind::ALL`], in per cent.
    pub list_kinds: [u8; ListKind::ALL.len()],
    /// Categories of tags; those without a weight weigh 100.
    pub categories: BTreeMap<String, u8>,
    /// Of LISTED_VERBATIM; LISTED and SAME_KEY have 100.
    pub verbatim: u8,
    /// Of CO_SPENT; at least [`Scale::highest_direct`], since it hides direct dealings of its kind and
    /// both have the same weights.
    pub co_spent: u8,
    /// By hops from 1 on, not rising; hops that the file gives no score have its last.
    pub received_from: [u8; MAX_HOPS as usize],
    /// The same the other way.
    pub sent_to: [u8; MAX_HOPS as usize],
    /// Where an untagged hub lies between, in per cent.
    pub hub: u8,
    /// Of the share of direct dealings, both columns rising.
    pub shares: Vec<Step>,
    /// Of their value, likewise.
    pub values: Vec<Step>,
}

impl Scale {
    /// What the score of a standing finding is made of.
    pub fn factors(&self, subject: &Subject<'_>) -> Factors {
        let tagged = subject.list_kind == ListKind::Attribution;
        let category = match &subject.exposure {
            _ if !tagged => 100,
            None if subject.role != PathRole::Source && subject.kind != FindingKind::CoSpent => {
                self.category_percent(subject.category)
            }
            // What is hidden behind the nearest listing may be of the heaviest category.
            Some(_) | None => subject.category_percent,
        };
        let mut factors = Factors {
            base: self.own_base(subject.kind),
            list_kind: self.list_kind_percent(subject.list_kind),
            category,
            share: 100,
            value: 100,
            hub: 100,
        };
        let Some(exposed) = &subject.exposure else { return factors };
        let place = usize::from(exposed.hops.saturating_sub(1)).min(self.sent_to.len() - 1);
        let (received, sent) = (self.received_from[place], self.sent_to[place]);
        factors.base = match subject.kind {
            FindingKind::ReceivedFrom => received,
            FindingKind::SentTo => sent,
            FindingKind::HubExposure
            | FindingKind::Listed
            | FindingKind::SameKey
            | FindingKind::ListedVerbatim
            | FindingKind::CoSpent => match exposed.direction {
                Direction::ReceivedFrom => received,
                Direction::SentTo => sent,
            },
        };
        if subject.kind == FindingKind::HubExposure {
            factors.hub = self.hub;
        }
        if let Some(direct) = exposed.direct {
            factors.share = reached(&self.shares, direct.share.map(u64::from));
            factors.value = reached(&self.values, direct.value);
        }
        factors
    }

    /// The highest score of a direct dealing before the weights of list kind and category, rounded up.
    pub fn highest_direct(&self) -> u8 {
        let [received, sent] = [self.received_from[0], self.sent_to[0]];
        let share = reached(&self.shares, None);
        let value = reached(&self.values, None);
        let base = received.max(sent);
        Factors { base, list_kind: 100, category: 100, share, value, hub: 100 }.score()
    }

    /// What a finding without hops begins at.
    fn own_base(&self, kind: FindingKind) -> u8 {
        match kind {
            FindingKind::ListedVerbatim => self.verbatim,
            FindingKind::CoSpent => self.co_spent,
            FindingKind::Listed
            | FindingKind::SameKey
            | FindingKind::ReceivedFrom
            | FindingKind::SentTo
            | FindingKind::HubExposure => MAX_SCORE,
        }
    }

    /// The weight of the heaviest of `categories`, which commas separate.
    pub fn category_percent(&self, categories: &str) -> u8 {
        let weights = categories.split(',').map(|category| self.categories.get(category.trim()));
        weights.map(|weight| weight.copied().unwrap_or(100)).max().unwrap_or(100)
    }

    pub fn list_kind_percent(&self, kind: ListKind) -> u8 {
        let place = ListKind::ALL.iter().position(|known| *known == kind);
        place.map_or(100, |place| self.list_kinds[place])
    }

    pub fn by_hops(&self, kind: FindingKind, list_kind: ListKind, category: u8) -> Vec<u8> {
        let bases = match kind {
            FindingKind::SentTo => &self.sent_to,
            FindingKind::ReceivedFrom
            | FindingKind::HubExposure
            | FindingKind::Listed
            | FindingKind::SameKey
            | FindingKind::ListedVerbatim
            | FindingKind::CoSpent => &self.received_from,
        };
        let hub = if kind == FindingKind::HubExposure { self.hub } else { 100 };
        let category = if list_kind == ListKind::Attribution { category } else { 100 };
        let list_kind = self.list_kind_percent(list_kind);
        let score =
            |&base: &u8| Factors { base, list_kind, category, share: 100, value: 100, hub }.score();
        bases.iter().map(score).collect()
    }

    pub fn listing(&self, kind: FindingKind, list_kind: ListKind, category: u8) -> u8 {
        let base = self.own_base(kind);
        let category = if list_kind == ListKind::Attribution { category } else { 100 };
        let list_kind = self.list_kind_percent(list_kind);
        Factors { base, list_kind, category, share: 100, value: 100, hub: 100 }.score()
    }

    pub fn steps(&self) -> [&[Step]; 2] {
        [&self.shares, &self.values]
    }
}

/// The percentage of the highest step that `found` reaches; the highest of all where it is unknown.
fn reached(steps: &[Step], found: Option<u64>) -> u16 {
    let fits = |step: &&Step| found.is_none_or(|found| step.at_least <= found);
    steps.iter().rev().find(fits).map_or(100, |step| step.percent)
}
