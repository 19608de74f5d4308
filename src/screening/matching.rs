//! Which listings an address touches, and how.

use super::categories::Categories;
use super::finding_kind::{FindingKind, ListingState, standing};
use super::policy::{DecidingRule, Decision, Factors, Policy, ScoredExposure, Subject};
use super::snapshot::{IndexedListing, QuarantinedRow, SnapshotList};
use crate::domain::address::{Address, Encoding};
use crate::domain::chain::Chain;
use crate::domain::key_id::KeyId;
use crate::domain::list::{ListingPeriod, Party, Row, StartBasis};
use crate::domain::packed_key::PackedKey;
use crate::exposure::{Direction, Nearness};
use jiff::civil::Date;

/// How an address is joined with the listing of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    pub with: PackedKey,
    /// Whether the address itself stood beside a listed one of the kind as an input of one transaction;
    /// else a chain of transactions lies between.
    pub is_beside: bool,
}

/// One reason in a screening, borrowing its evidence from the snapshot.
#[derive(Clone, Debug)]
pub struct Finding<'s> {
    /// What ties the address to the listing.
    pub kind: FindingKind,
    /// 0 to 100.
    pub score: u8,
    /// What the score was made of; `None` where it is not scored.
    pub factors: Option<Factors>,
    /// What the policy makes of it alone.
    pub decision: Decision,
    pub by: DecidingRule,
    pub state: ListingState,
    pub list: &'s SnapshotList,
    /// The row, verbatim.
    pub row: &'s Row,
    /// The party that it stands under.
    pub party: Option<&'s Party>,
    /// The standing that the state rests on.
    pub standing: Option<&'s ListingPeriod>,
    /// What was understood of the row; `None` where only its text was compared.
    pub listing: Option<&'s IndexedListing>,
    /// The key id that both addresses share; `None` for exposure and common inputs, and where only texts
    /// were compared.
    pub key: Option<KeyId>,
    /// The place of the address that it is about, in the order of [`Reading::addresses`]; 0 also
    /// where no address was understood.
    ///
    /// [`Reading::addresses`]: crate::domain::address::Reading::addresses
    pub about: u32,
    /// How near the listing is; set for exposure alone.
    pub exposure: Option<Nearness>,
    /// The key id of the address that exposure was found under.
    pub exposed_key: Option<PackedKey>,
    /// How the address is joined with the listing; set for CO_SPENT alone.
    pub joined: Option<Joined>,
}

impl Finding<'_> {
    /// Whether it is on the address itself, and not on one that it is tied to.
    fn is_own(&self) -> bool {
        self.exposure.is_none() && self.joined.is_none()
    }
}

/// Whether it is shown in place of what another key of the address has, and not that: it is
/// nearer, or as direct and graver. Of two direct ones both then say what both come to.
fn replaces(near: &mut Nearness, known: &mut Nearness) -> bool {
    let (Some(own), Some(other)) = (near.direct, known.direct) else {
        return near.hops < known.hops;
    };
    near.direct = Some(own.with(other));
    known.direct = near.direct;
    // A dealing with the listed address itself before an estimate.
    (near.timing, near.common_input) < (known.timing, known.common_input)
}

/// An address to match, and how it was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct AskedAddress<'q> {
    pub(super) address: &'q Address<'q>,
    /// The chain that was wished.
    pub(super) chain: Option<&'q Chain>,
    /// Whether the question only likely means it.
    pub(super) is_suspect: bool,
}

/// What rows are looked at with.
#[derive(Clone, Copy, Debug)]
pub(super) struct MatchContext<'s> {
    /// The day asked for; `None` for now.
    pub(super) day: Option<Date>,
    /// What the categories of ATTRIBUTION lists mean.
    pub(super) categories: &'s Categories,
    pub(super) policy: &'s Policy,
    /// [`Policy::exposure_category_percent`] of the categories.
    pub(super) category_percent: u8,
}

impl MatchContext<'_> {
    /// A finding as the policy sees it.
    pub(super) fn subject<'a>(
        &self,
        kind: FindingKind,
        state: ListingState,
        (list, row, basis): (&'a SnapshotList, &'a Row, StartBasis),
        near: Option<&Nearness>,
    ) -> Subject<'a> {
        Subject {
            kind,
            state,
            list: list.id(),
            list_kind: list.kind(),
            category: &row.facts.category,
            role: self.categories.role(list.kind(), &row.facts),
            category_percent: self.category_percent,
            exposure: near.map(|near| ScoredExposure {
                hops: near.hops,
                direction: near.direction,
                timing: near.timing,
                direct: near.direct,
            }),
            basis,
        }
    }
}

/// Adds what `list` says of an address by one of its key ids, given with its hash. Listings among the
/// findings from `first` on are known already.
pub(super) fn match_key<'s>(
    list: &'s SnapshotList,
    asked: AskedAddress<'_>,
    (key, hash): (&KeyId, u64),
    context: MatchContext<'_>,
    first: usize,
    findings: &mut Vec<Finding<'s>>,
) {
    for listing in list.index().by_key(hash, key) {
        let known = |f: &Finding<'_>| f.listing.is_some_and(|l| std::ptr::eq(l, listing));
        if findings[first..].iter().any(known) {
            continue;
        }
        let kind = if asked.is_suspect || listing.is_suspect() {
            FindingKind::ListedVerbatim
        } else if is_exact(asked.address, asked.chain, listing) {
            FindingKind::Listed
        } else {
            FindingKind::SameKey
        };
        let (row, party) = list.index().listed_row(listing);
        let found = finding(list, kind, (row, party), None, context);
        findings.extend(found.map(|found| Finding {
            listing: Some(listing),
            key: Some(key.clone()),
            ..found
        }));
    }
}

/// Adds the quarantined rows of `list` that are `text`, letter for letter or in lower case, and were not
/// found yet.
pub(super) fn match_verbatim<'s>(
    list: &'s SnapshotList,
    text: &str,
    context: MatchContext<'_>,
    findings: &mut Vec<Finding<'s>>,
) {
    let index = list.index();
    if index.quarantine().is_empty() {
        return;
    }
    // Without an early end, which is many bytes at once.
    let is_cased = text.bytes().fold(false, |cased, byte| cased | byte.is_ascii_uppercase());
    let lowered = is_cased.then(|| index.by_lowered(text)).into_iter().flatten();
    for quarantined in index.by_verbatim(text).chain(lowered) {
        let quarantined: &QuarantinedRow = quarantined;
        let (row, party) = list.index().quarantined_row(quarantined);
        let is_known = |found: &Finding<'_>| std::ptr::eq(found.row, row) && found.is_own();
        if findings.iter().any(is_known) {
            continue;
        }
        findings.extend(finding(list, FindingKind::ListedVerbatim, (row, party), None, context));
    }
}

fn finding<'s>(
    list: &'s SnapshotList,
    kind: FindingKind,
    (row, party): (&'s Row, Option<&'s Party>),
    near: Option<Nearness>,
    context: MatchContext<'_>,
) -> Option<Finding<'s>> {
    let (state, standing) = standing(row, context.day)?;
    let subject = context.subject(kind, state, (list, row, standing.basis), near.as_ref());
    let verdict = context.policy.evaluate(&subject);
    Some(Finding {
        kind,
        score: verdict.score,
        factors: verdict.factors,
        decision: verdict.decision,
        by: verdict.by,
        state,
        list,
        row,
        party,
        standing: Some(standing),
        listing: None,
        key: None,
        about: 0,
        exposure: near,
        exposed_key: None,
        joined: None,
    })
}

/// A finding on a listing that the address is joined with.
pub(super) fn co_spent<'s>(
    list: &'s SnapshotList,
    listing: &'s IndexedListing,
    joined: Joined,
    context: MatchContext<'_>,
) -> Option<Finding<'s>> {
    let row = list.index().listed_row(listing);
    let found = finding(list, FindingKind::CoSpent, row, None, context)?;
    Some(Finding { listing: Some(listing), joined: Some(joined), ..found })
}

/// Adds what a label says; of two that say the same of two keys of one address, the nearer stays, of
/// two direct ones the graver with what both come to. Nothing is added for a source that its list no
/// longer holds. Findings before `first` are about another address.
pub(super) fn match_label<'s>(
    (list, listing): (&'s SnapshotList, &'s IndexedListing),
    key: PackedKey,
    mut near: Nearness,
    context: MatchContext<'_>,
    first: usize,
    findings: &mut Vec<Finding<'s>>,
) {
    let same = |f: &Finding<'_>| f.exposure.is_some_and(|known| known.is_of_sort(&near));
    let kind = match (near.hub, near.direction) {
        (true, _) => FindingKind::HubExposure,
        (false, Direction::ReceivedFrom) => FindingKind::ReceivedFrom,
        (false, Direction::SentTo) => FindingKind::SentTo,
    };
    let verdict = |(list, listing): (&'s SnapshotList, &'s IndexedListing), key, near| {
        let found = finding(list, kind, list.index().listed_row(listing), Some(near), context)?;
        Some(Finding { listing: Some(listing), exposed_key: Some(key), ..found })
    };
    let Some(mut found) = verdict((list, listing), key, near) else { return };
    let known = findings[first..].iter().position(same).map(|place| findings.remove(first + place));
    if let Some(Finding {
        list: known_list,
        listing: Some(known_listing),
        exposure,
        exposed_key,
        ..
    }) = known
        && let (Some(mut known), Some(known_key)) = (exposure, exposed_key)
    {
        let again = if replaces(&mut near, &mut known) {
            verdict((list, listing), key, near)
        } else {
            verdict((known_list, known_listing), known_key, known)
        };
        let Some(again) = again else { return };
        found = again;
    }
    findings.push(found);
}

/// Whether the listing is the address itself: the same canonical form, on a chain asked for. On EVM
/// chains the same bytes are the same address whatever the chain, a Cosmos-style account names its
/// chain by its prefix, and of a verbatim string the chain is not known.
fn is_exact(address: &Address<'_>, chain: Option<&Chain>, listing: &IndexedListing) -> bool {
    if address.canonical() != listing.canonical() {
        return false;
    }
    if matches!(address.encoding(), Encoding::Evm | Encoding::Cosmos | Encoding::Verbatim) {
        return true;
    }
    match chain.filter(|chain| address.fits(chain)) {
        Some(chain) => listing.chains().contains(chain),
        None => listing.chains().iter().any(|listed| address.chains().contains(listed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::list::ListKind;
    use crate::exposure::{Direct, Timing};

    #[test]
    fn of_two_keys_the_nearer_stays_and_the_graver_of_direct_ones() {
        let near = |hops, timing, direct| Nearness {
            source: (),
            direction: Direction::SentTo,
            kind: ListKind::Sanctions,
            hops,
            timing,
            direct,
            hub: false,
            common_input: false,
        };
        let direct = |share, value| Some(Direct { share: Some(share), value: Some(value) });
        let pairs = [(Timing::Before, Timing::Before), (Timing::After, Timing::Before)];
        for (known, timing) in pairs {
            assert!(!replaces(&mut near(2, timing, None), &mut near(2, known, None)));
            assert!(!replaces(
                &mut near(2, Timing::After, None),
                &mut near(1, known, direct(1, 1))
            ));
            assert!(replaces(&mut near(1, timing, direct(1, 1)), &mut near(2, known, None)));
        }
        let gravity = [Timing::After, Timing::Unknown, Timing::Before];
        for (a, graver) in gravity.iter().enumerate() {
            for (b, timing) in gravity.iter().enumerate() {
                let (mut new, mut known) =
                    (near(1, *graver, direct(10, 4)), near(1, *timing, direct(20, 3)));
                assert_eq!(replaces(&mut new, &mut known), a < b);
                assert_eq!((new.direct, known.direct), (direct(20, 7), direct(20, 7)));
            }
        }
        let unknown = Some(Direct { share: None, value: Some(u64::MAX) });
        let mut known = near(1, Timing::After, direct(20, 3));
        assert!(!replaces(&mut near(1, Timing::After, unknown), &mut known));
        assert_eq!(known.direct, unknown);
    }
}
