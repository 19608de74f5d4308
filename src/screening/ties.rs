//! What transfers say of an address: exposure, common inputs, and dealings without a known value; by
//! labels, or by a search where they do not answer.

use super::matching;
use super::unvalued::UnvaluedDealings;
use super::{Incomplete, KindSelection, Matches, Scope};
use crate::domain::address::Address;
use crate::domain::packed_key::PackedKey;
use crate::exposure::{CommonInput, Label, Labels, Source, UnvaluedSearch};

/// Looks for exposure and common inputs by the key ids of an address.
pub type Search<'w> = dyn Fn(&[PackedKey]) -> Searched + 'w;

/// What a search found, where labels do not answer the question.
#[derive(Clone, Debug, Default)]
pub struct Searched {
    /// The nearest source in each direction and kind.
    pub found: Vec<Label<Source>>,
    /// Sources that the keys are joined with by common inputs, one a kind.
    pub joined: Vec<(CommonInput, Source)>,
    /// Why it was cut short; `None` where it was not.
    pub cut_short: Option<&'static str>,
    /// Direct dealings in assets without a known value; cut short by itself.
    pub unvalued: UnvaluedSearch,
}

impl Searched {
    /// No search is at hand.
    pub fn unavailable() -> Self {
        Self { cut_short: Some("transfers are being read in"), ..Self::default() }
    }
}

/// An address of a text, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressAt<'q> {
    pub address: &'q Address<'q>,
    /// Its place among the addresses of the text.
    pub place: u32,
    /// The place of the first finding about it.
    pub first: usize,
}

/// What is gathered of an address over its keys.
#[derive(Debug, Default)]
struct Gathered<'l, 's> {
    joined: Vec<(CommonInput, &'l Source)>,
    unvalued: Vec<UnvaluedDealings<'s>>,
}

impl<'s> Scope<'s> {
    /// Adds what transfers say of an address.
    pub(super) fn match_ties(
        &self,
        at: AddressAt<'_>,
        search: Option<&Search<'_>>,
        found: &mut Matches<'s>,
    ) {
        let address = at.address;
        let unfit = self.chains.iter().filter(|(chain, _)| address.fits(chain));
        found.incomplete.extend(unfit.map(|(_, reason)| reason.clone()));
        let Some(labels) = &self.snapshot.exposure().labels else { return };
        let mut unvalued = if self.needs_search() {
            self.match_searched(at, search, found)
        } else {
            let mut gathered = Gathered::default();
            for key in address.packed_keys() {
                self.match_labelled(labels, key, at.first, &mut gathered, found);
            }
            self.match_joined(at, &gathered.joined, found);
            gathered.unvalued
        };
        unvalued.iter_mut().for_each(|dealings| dealings.about = at.place);
        found.unvalued.append(&mut unvalued);
    }

    /// What labels say of one key of an address, whose findings begin at `first`.
    #[inline]
    fn match_labelled<'l>(
        &self,
        labels: &'l Labels,
        key: PackedKey,
        first: usize,
        gathered: &mut Gathered<'l, 's>,
        found: &mut Matches<'s>,
    ) {
        let of_key = labels.find(&key);
        for label in of_key.labels() {
            let wanted =
                label.hops <= self.max_hops && self.selection(label.kind) == KindSelection::All;
            if let Some(listing) = self.snapshot.source(label.source).filter(|_| wanted) {
                let (near, findings) = (label.with_source(()), &mut found.findings);
                matching::match_label(listing, key, near, self.context(), first, findings);
            }
        }
        for (common, source) in of_key.common_inputs() {
            if self.selection(common.kind) == KindSelection::All {
                gathered.joined.push((common, labels.source(source)));
            }
        }
        self.note_labelled(of_key, &mut gathered.unvalued);
    }

    /// What a search says of an address; gives its dealings without a known value.
    fn match_searched(
        &self,
        at: AddressAt<'_>,
        search: Option<&Search<'_>>,
        found: &mut Matches<'s>,
    ) -> Vec<UnvaluedDealings<'s>> {
        let keys: Vec<PackedKey> = at.address.packed_keys().collect();
        let searched = search.map_or_else(Searched::unavailable, |search| search(&keys));
        for label in searched.found {
            if let (Some(listing), Some(&key)) =
                (self.snapshot.listing(&label.source), keys.first())
            {
                let (near, findings) = (label.with_source(()), &mut found.findings);
                matching::match_label(listing, key, near, self.context(), at.first, findings);
            }
        }
        let joined: Vec<_> = searched.joined.iter().map(|(common, of)| (*common, of)).collect();
        self.match_joined(at, &joined, found);
        let mut unvalued = Vec::new();
        self.note_found(&searched.unvalued.found, &mut unvalued);
        found.unvalued_cut_short |= searched.unvalued.cut_short;
        found.incomplete.extend(searched.cut_short.map(Incomplete::SearchCutShort));
        unvalued
    }
}
