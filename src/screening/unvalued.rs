//! Direct dealings with listed addresses in assets without a known value: shown beside the findings,
//! neither scored nor decided on, since such events can be forged.

use super::phrases::target;
use super::snapshot::{IndexedListing, SnapshotList};
use super::{KindSelection, Scope};
use crate::domain::digits::grouped;
use crate::domain::list::{ListKind, Party, Row};
use crate::domain::packed_key::PackedKey;
use crate::exposure::{Direction, KeyLabels, Source, Unvalued};

/// Such dealings of one address, in one direction, with listed addresses of one kind.
#[derive(Clone, Copy, Debug)]
pub struct UnvaluedDealings<'s> {
    /// Which way, of which kind, and how many.
    pub dealt: Unvalued,
    /// The list of the first by order of the listings dealt with.
    pub list: &'s SnapshotList,
    pub listing: &'s IndexedListing,
    /// The place of the address that they are about, as [`super::Finding::about`].
    pub about: u32,
}

impl<'s> UnvaluedDealings<'s> {
    /// Those with a listing, of the first address.
    fn new(dealt: Unvalued, (list, listing): (&'s SnapshotList, &'s IndexedListing)) -> Self {
        Self { dealt, list, listing, about: 0 }
    }

    /// The listing's row, and the party that it stands under.
    pub fn row(&self) -> (&'s Row, Option<&'s Party>) {
        self.list.index().listed_row(self.listing)
    }

    /// Returns the note as a sentence: how many, which way, with whom, and why it is not scored.
    pub fn reason(&self) -> String {
        let came = match self.dealt.direction {
            Direction::ReceivedFrom => "came directly from",
            Direction::SentTo => "went directly to",
        };
        self.sentence(self.dealt.transfers, came)
    }

    /// The same of dealings of which the last is not made yet.
    pub fn prospective_reason(&self) -> String {
        let came = match self.dealt.direction {
            Direction::ReceivedFrom => "would have come directly from",
            Direction::SentTo => "would have gone directly to",
        };
        self.sentence(self.dealt.transfers, came)
    }

    fn sentence(&self, transfers: u32, came: &str) -> String {
        let (row, party) = self.row();
        let target = target(self.list, row, party);
        let at_least = if self.dealt.at_least { "At least " } else { "" };
        let (transfers, whom) = match transfers {
            1 => ("1 transfer of an asset".to_owned(), target),
            count => (
                format!("{} transfers of assets", grouped(u64::from(count))),
                format!("listed addresses, among them {target}"),
            ),
        };
        format!(
            "{at_least}{transfers} without a known value {came} {whom}; not scored, since anybody \
             can forge such events."
        )
    }

    fn is_of(&self, direction: Direction, kind: ListKind) -> bool {
        (self.dealt.direction, self.dealt.kind) == (direction, kind)
    }

    /// Adds another key's dealings of the same address, direction and kind.
    fn merge(&mut self, other: Self) {
        self.dealt = self.dealt.with(other.dealt);
        let (theirs, ours) = (&other.row().0.key, &self.row().0.key);
        if (other.list.id(), theirs) < (self.list.id(), ours) {
            (self.list, self.listing) = (other.list, other.listing);
        }
    }
}

/// Adds dealings of a key to those of its address.
fn add<'s>(all: &mut Vec<UnvaluedDealings<'s>>, new: UnvaluedDealings<'s>) {
    match all.iter_mut().find(|known| known.is_of(new.dealt.direction, new.dealt.kind)) {
        Some(known) => known.merge(new),
        None => all.push(new),
    }
    all.sort_by_key(|of| (of.dealt.direction, of.dealt.kind));
}

/// What a key of the customer's side of a payment has, and what it would have more; each with the first
/// source by order.
#[derive(Clone, Debug, Default)]
pub struct KeyDealings {
    pub now: Vec<(Unvalued, Source)>,
    pub more: Vec<(Unvalued, Source)>,
}

/// What a payment would add.
#[derive(Clone, Copy, Debug)]
pub struct UnvaluedProspect<'s> {
    /// How many transfers there are now.
    pub now: u32,
    pub then: UnvaluedDealings<'s>,
}

impl<'s> Scope<'s> {
    /// What labels keep of a key's unvalued dealings in a direction. None where labels do not answer
    /// ([`Scope::needs_search`]).
    pub fn labelled_unvalued(
        &self,
        key: &PackedKey,
        direction: Direction,
    ) -> Vec<(Unvalued, Source)> {
        let labels = self.snapshot.exposure().labels.as_ref();
        let Some(labels) = labels.filter(|_| !self.needs_search()) else { return Vec::new() };
        let wanted = |(dealt, _): &(Unvalued, u32)| {
            dealt.direction == direction && self.selection(dealt.kind) == KindSelection::All
        };
        let found = labels.find(key).unvalued().filter(wanted);
        found.map(|(dealt, source)| (dealt, labels.source(source).clone())).collect()
    }

    /// Where an address of such keys would have more unvalued dealings than it has, in a direction.
    pub fn unvalued_prospects(
        &self,
        direction: Direction,
        keys: &[KeyDealings],
    ) -> Vec<UnvaluedProspect<'s>> {
        let (mut now, mut then) = (Vec::new(), Vec::new());
        for KeyDealings { now: had, more } in keys {
            self.note_found(had, &mut now);
            self.note_found(had.iter().chain(more), &mut then);
        }
        let before = |of: &UnvaluedDealings<'_>| {
            let same = now.iter().find(|now| now.is_of(direction, of.dealt.kind));
            same.map_or(0, |now| now.dealt.transfers)
        };
        let prospects = then.iter().map(|then| UnvaluedProspect { now: before(then), then: *then });
        prospects.filter(|prospect| prospect.then.dealt.transfers > prospect.now).collect()
    }

    /// Notes what labels keep of a key of an address.
    #[inline]
    pub(super) fn note_labelled(&self, key: KeyLabels<'_>, all: &mut Vec<UnvaluedDealings<'s>>) {
        for (dealt, source) in key.unvalued() {
            let is_wanted = self.selection(dealt.kind) == KindSelection::All;
            if let Some(listing) = self.snapshot.source(source).filter(|_| is_wanted) {
                add(all, UnvaluedDealings::new(dealt, listing));
            }
        }
    }

    /// Notes what was found of an address, each with the first source by order.
    pub(super) fn note_found<'f>(
        &self,
        found: impl IntoIterator<Item = &'f (Unvalued, Source)>,
        all: &mut Vec<UnvaluedDealings<'s>>,
    ) {
        for (dealt, source) in found {
            if let Some(listing) = self.snapshot.listing(source) {
                add(all, UnvaluedDealings::new(*dealt, listing));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::tests::{list, row, snapshot, terms};
    use super::*;

    const RONIN: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";
    const OTHER: &str = "0xd90e2f925da726b50c4ed8d0fb90ad053324f31b";

    fn dealt(direction: Direction, transfers: u32) -> Unvalued {
        Unvalued { direction, kind: ListKind::Sanctions, transfers, at_least: false }
    }

    /// Runs a test with a listing on the list `a` and one on `b`.
    fn with_listings(test: impl FnOnce([(&SnapshotList, &IndexedListing); 2])) {
        let states = [("a", RONIN), ("b", OTHER)].map(|(id, address)| {
            list(id, ListKind::Sanctions, date(2025, 11, 19), vec![row(address, "ETH")])
        });
        let snapshot = snapshot(&states, &[terms("a", false)]);
        let listing = |id: &str| {
            let list = snapshot.list(&id.parse().unwrap()).unwrap();
            (list, &list.index().listings()[0])
        };
        test([listing("a"), listing("b")]);
    }

    #[test]
    fn keys_of_one_address_are_summed_under_the_first_listing() {
        with_listings(|[a, b]| {
            let (received, sent) = (Direction::ReceivedFrom, Direction::SentTo);
            let mut all = Vec::new();
            for (dealt, listing) in [
                (dealt(sent, 1), b),
                (dealt(received, 2), b),
                (Unvalued { at_least: true, ..dealt(received, 3) }, a),
                (dealt(sent, u32::MAX), b),
            ] {
                add(&mut all, UnvaluedDealings::new(dealt, listing));
            }
            let said = all.iter().map(|of| (of.dealt, of.list.id().to_string()));
            let together = Unvalued { at_least: true, ..dealt(received, 5) };
            assert_eq!(
                said.collect::<Vec<_>>(),
                [(together, "a".to_owned()), (dealt(sent, u32::MAX), "b".to_owned())]
            );
        });
    }

    #[test]
    fn a_note_says_how_many_which_way_and_with_whom() {
        with_listings(|[a, _]| {
            let check = |dealt: Unvalued, is_made: bool, want: &str| {
                let dealings = UnvaluedDealings::new(dealt, a);
                let said = if is_made { dealings.reason() } else { dealings.prospective_reason() };
                let end = "not scored, since anybody can forge such events.";
                assert_eq!(said, format!("{want}; {end}"));
            };
            check(
                dealt(Direction::ReceivedFrom, 1),
                true,
                "1 transfer of an asset without a known value came directly from an address of A \
                 party (a)",
            );
            check(
                Unvalued { at_least: true, ..dealt(Direction::SentTo, 2_097_151) },
                true,
                "At least 2,097,151 transfers of assets without a known value went directly to \
                 listed addresses, among them an address of A party (a)",
            );
            check(
                dealt(Direction::SentTo, 1),
                false,
                "1 transfer of an asset without a known value would have gone directly to an address \
                 of A party (a)",
            );
            check(
                dealt(Direction::ReceivedFrom, 2),
                false,
                "2 transfers of assets without a known value would have come directly from listed \
                 addresses, among them an address of A party (a)",
            );
        });
    }
}
