//! Answers one question: what do the lists say of this address? Pure given a snapshot and the
//! moment of evaluation; no I/O, no clock.

mod answer;
pub mod categories;
pub mod common_input;
pub mod coverage;
mod decided_by;
mod finding_kind;
mod incomplete;
mod matching;
pub mod path_ends;
pub mod payment;
mod phrases;
pub mod policy;
pub mod reason;
mod record;
pub mod snapshot;
mod ties;
pub mod unvalued;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use answer::decide;
pub use answer::{Decider, DecisionText, Screening, ScreeningSummary};
use common_input::ClusterCut;
pub use decided_by::DecidedBy;
pub use finding_kind::{FindingKind, ListingState, standing};
pub use incomplete::{Incomplete, IncompleteCode, ListAge, NotKept, ReasonSubject};
pub use matching::Finding;
use matching::{AskedAddress, MatchContext};
pub use record::{
    AnswerRecord, ExposureRecord, FindingRecord, ListingReference, ProspectRecord, ReasonRecord,
    RecordedStatus, UnvaluedProspectRecord, UnvaluedRecord,
};
use snapshot::{Snapshot, SnapshotList};
use ties::AddressAt;
pub use ties::{Search, Searched};
use unvalued::UnvaluedDealings;

use crate::domain::address::{Address, AddressError, Checksum, Encoding, Reading, reading};
use crate::domain::chain::Chain;
use crate::domain::list::{ListId, ListKind};
use crate::exposure::Source;

/// Which lists of a kind were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KindSelection {
    All,
    Some,
    None,
}

/// Options that no screening can be made with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Names a list that is neither loaded nor required.
    #[error("list {0} is not loaded")]
    UnknownList(ListId),
    /// Asks for a day that is not over.
    #[error("as_of {as_of} is later than the evaluation at {now}")]
    AsOfInFuture { as_of: Timestamp, now: Timestamp },
}

/// What questions are asked of: a snapshot, narrowed and dated. Made once for many addresses.
#[derive(Debug)]
pub struct Scope<'s> {
    snapshot: &'s Snapshot,
    /// Places in the snapshot's lists; `None` for all.
    selected: Option<Vec<usize>>,
    as_of: Option<Timestamp>,
    day: Option<Date>,
    needs_search: bool,
    max_hops: u8,
    incomplete: Vec<Incomplete>,
    /// What is wrong with the transfers of required chains, for addresses that fit them.
    chains: Vec<(Chain, Incomplete)>,
    /// Chains whose transfers are whole.
    covered: Vec<Chain>,
    /// What keeps others from being so, of which transfers are loaded.
    uncovered: Vec<(Chain, Incomplete)>,
    /// The same by the shadow policy.
    shadow: Option<Box<Self>>,
}

/// What narrows or dates questions.
#[derive(Clone, Debug, Default)]
pub struct ScopeFilter {
    /// Only these lists; none: all.
    pub lists: Vec<ListId>,
    /// A past moment; `None`: now.
    pub as_of: Option<Timestamp>,
    /// At most so many hops of exposure; `None`: as configured.
    pub max_hops: Option<u8>,
}

/// What was found of the addresses of a text.
#[derive(Debug, Default)]
struct Matches<'s> {
    findings: Vec<Finding<'s>>,
    incomplete: Vec<Incomplete>,
    cluster_cuts: Vec<ClusterCut<'s>>,
    unvalued: Vec<UnvaluedDealings<'s>>,
    unvalued_cut_short: bool,
}

impl<'s> Scope<'s> {
    /// Narrows `snapshot`.
    pub fn new(
        snapshot: &'s Snapshot,
        narrowing: &ScopeFilter,
        now: Timestamp,
    ) -> Result<Self, ScopeError> {
        let as_of = narrowing.as_of;
        if let Some(as_of) = as_of.filter(|as_of| *as_of > now) {
            return Err(ScopeError::AsOfInFuture { as_of, now });
        }
        Ok(Self::of(snapshot, select(snapshot, &narrowing.lists)?, narrowing, now))
    }

    /// The same of selected lists. A shadow has the same lists at the same places, and what it asks
    /// for must not refuse a question.
    fn of(
        snapshot: &'s Snapshot,
        selected: Option<Vec<usize>>,
        narrowing: &ScopeFilter,
        now: Timestamp,
    ) -> Self {
        let as_of = narrowing.as_of;
        let day = as_of.map(|at| at.to_zoned(TimeZone::UTC).date());
        let configured = snapshot.exposure().max_hops;
        let requirements = snapshot.policy().requirements();
        let limit = requirements.transfers_max_age;
        let shadow =
            snapshot.shadow().map(|shadow| Self::of(shadow, selected.clone(), narrowing, now));
        let (covered, uncovered) = snapshot.exposure().covered(as_of.unwrap_or(now), limit);
        let mut scope = Self {
            snapshot,
            selected,
            as_of,
            day,
            needs_search: false,
            max_hops: narrowing.max_hops.unwrap_or(configured).min(configured),
            incomplete: Vec::new(),
            chains: snapshot.exposure().shortcomings(as_of.unwrap_or(now), limit),
            covered,
            uncovered,
            shadow: shadow.map(Box::new),
        };
        let is_torn =
            || ListKind::ALL.into_iter().any(|kind| scope.selection(kind) == KindSelection::Some);
        scope.needs_search = snapshot.exposure().labels.is_some() && (as_of.is_some() || is_torn());
        scope.incomplete = scope.shortcomings(as_of.unwrap_or(now), now);
        let (asked, required) = (scope.max_hops, snapshot.policy().required_hops(configured));
        if asked < required {
            scope.incomplete.push(Incomplete::DepthNarrowed { asked, required });
        }
        let exposure = snapshot.exposure();
        match &exposure.failed {
            Some(why) => scope.incomplete.push(Incomplete::ExposureFailed(why.clone())),
            None if exposure.not_kept.is_some() => {
                scope.incomplete.extend(exposure.not_kept.map(Incomplete::SnapshotExposureNotKept))
            }
            None if exposure.behind => scope.incomplete.push(Incomplete::ExposureBehind),
            None => {}
        }
        scope
    }

    /// Whether labels cannot answer, and exposure has to be searched for: a past moment, or a
    /// choice of lists that tears a kind apart.
    pub fn needs_search(&self) -> bool {
        self.needs_search
    }

    /// The moment up to which transfers count; `None`: now.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.as_of
    }

    /// The most hops asked for, no more than configured.
    pub fn max_hops(&self) -> u8 {
        self.max_hops
    }

    /// Who begins the paths of exposure in this scope.
    pub fn sources(&self) -> Vec<Source> {
        path_ends::path_ends(self.lists(), self.snapshot.categories(), self.day).0
    }

    fn selection(&self, kind: ListKind) -> KindSelection {
        let Some(selected) = &self.selected else { return KindSelection::All };
        let lists = self.snapshot.lists().iter().enumerate();
        let mut chosen =
            lists.filter(|(_, l)| l.kind() == kind).map(|(place, _)| selected.contains(&place));
        match (chosen.clone().all(|c| c), chosen.any(|c| c)) {
            (true, _) => KindSelection::All,
            (false, true) => KindSelection::Some,
            (false, false) => KindSelection::None,
        }
    }

    pub fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// Screens what `input` holds by labels. Where they do not suffice ([`Scope::needs_search`]),
    /// `search` is asked with the key ids of each address; without it the answer is INCOMPLETE. An
    /// address that cannot be understood is an answer; an error is an input that no address could ever
    /// be: empty, too long, not printable ASCII.
    pub fn screen<'a>(
        &'a self,
        input: &'a str,
        chain: Option<&Chain>,
        search: Option<&Search<'_>>,
    ) -> Result<Screening<'a>, AddressError> {
        let mut reading = Reading::from_query(input, chain);
        if let Some(fault) = reading.fault.take_if(|fault| fault.is_refused()) {
            return Err(fault);
        }
        let mut found = Matches::default();
        for (place, address) in (0..).zip(reading.addresses()) {
            let first = found.findings.len();
            let asked = AskedAddress { address, chain, is_suspect: false };
            self.match_address(asked, &mut found.findings);
            self.match_ties(AddressAt { address, place, first }, search, &mut found);
            doubts(address, chain, &mut found.incomplete);
            let text = address.canonical();
            self.match_text(text, &mut found.findings);
            if place > 0 {
                found.findings[first..].iter_mut().for_each(|finding| finding.about = place);
            }
        }
        let Matches { mut findings, mut incomplete, cluster_cuts, unvalued, unvalued_cut_short } =
            found;
        let text = input.trim_ascii();
        if reading.first.as_ref().is_none_or(|address| address.canonical() != text) {
            self.match_asked_text(text, &reading, &mut findings);
        }
        incomplete.extend(reading.fault.take().map(Incomplete::AddressNotUnderstood));
        if findings.len() > 1 {
            findings.sort_by_key(|found| {
                (std::cmp::Reverse(found.score), found.kind == FindingKind::SameKey)
            });
        }
        let score = findings.first().map_or(0, |finding| finding.score);
        let covers = |address: &Address<'_>| self.covered.iter().any(|chain| address.fits(chain));
        let covered = reading.first.is_some() && reading.addresses().all(covers);
        let fits = |chain: &Chain| reading.addresses().any(|address| address.fits(chain));
        let uncovered = self.uncovered.iter().filter(|(chain, _)| fits(chain));
        let uncovered = uncovered.map(|(_, reason)| reason.clone()).collect();
        let complete = self.incomplete.is_empty() && incomplete.is_empty();
        let (decision, decider) = decide(findings.iter().map(|finding| finding.decision), complete);
        let shadow = match &self.shadow {
            Some(shadow) => Some(Box::new(shadow.screen(input, chain, search)?)),
            None => None,
        };
        let looked_over = self.snapshot.exposure().hops_looked_over(self.max_hops);
        Ok(Screening {
            exposure_hops: if reading.first.is_some() { looked_over } else { 0 },
            address: reading.first,
            other_addresses: reading.others,
            normalizations: reading.normalizations,
            score,
            level: self.snapshot.policy().level(score),
            decision,
            decider,
            findings,
            cluster_cuts,
            unvalued,
            unvalued_cut_short,
            scope_incomplete: &self.incomplete,
            address_incomplete: incomplete,
            covered,
            uncovered,
            shadow,
            context: self.context(),
        })
    }

    /// Matches a text that is not letter for letter the address that was understood of it.
    fn match_asked_text(&self, text: &str, reading: &Reading<'_>, findings: &mut Vec<Finding<'s>>) {
        if reading.first.is_none() {
            // A list may hold the string under a ticker that is not known either.
            let other = Chain::Other("unknown:*".into());
            if let Ok(verbatim) = Address::parse(text, Some(&other)) {
                let asked = AskedAddress { address: &verbatim, chain: None, is_suspect: false };
                self.match_address(asked, findings);
            }
        }
        for address in &reading.suspects {
            self.match_address(AskedAddress { address, chain: None, is_suspect: true }, findings);
        }
        self.match_text(text, findings);
        let bare = reading::comparison_text(text);
        if bare != text {
            self.match_text(&bare, findings);
        }
    }

    /// Matches quarantined rows letter for letter; one that is known already is not found again.
    fn match_text(&self, text: &str, findings: &mut Vec<Finding<'s>>) {
        for list in self.lists() {
            matching::match_verbatim(list, text, self.context(), findings);
        }
    }

    fn context(&self) -> MatchContext<'s> {
        MatchContext {
            day: self.day,
            categories: self.snapshot.categories(),
            policy: self.snapshot.policy(),
            category_percent: self.snapshot.category_percent(),
        }
    }

    fn match_address(&self, asked: AskedAddress<'_>, findings: &mut Vec<Finding<'s>>) {
        let nested = asked.address.nested_key_ids();
        for list in self.lists() {
            let first = findings.len();
            for key in asked.address.key_ids().iter().chain(&nested) {
                let hash = self.snapshot.hash(key);
                let (key, context) = ((key, hash), self.context());
                matching::match_key(list, asked, key, context, first, findings);
            }
        }
    }

    fn lists(&self) -> impl Iterator<Item = &'s SnapshotList> {
        let all = self.snapshot.lists();
        let count = self.selected.as_ref().map_or(all.len(), Vec::len);
        (0..count).map(move |place| match &self.selected {
            Some(selected) => &all[selected[place]],
            None => &all[place],
        })
    }

    fn shortcomings(&self, at: Timestamp, now: Timestamp) -> Vec<Incomplete> {
        let mut found: Vec<_> = self
            .snapshot
            .record()
            .missing
            .iter()
            .cloned()
            .map(Incomplete::RequiredListMissing)
            .collect();
        found.extend(self.snapshot.not_stored().iter().cloned().map(Incomplete::ListNotStored));
        // What is not known of a past day counts of the required lists, or of those that the request
        // names: one undated pack of tags would make every past day incomplete. Where no list is
        // required all of them count.
        let has_required = self.snapshot.lists().iter().any(|list| list.terms().required);
        let is_beside_required =
            |list: &SnapshotList| has_required && !list.terms().required && self.selected.is_none();
        for list in self.lists() {
            if (list.is_stale_at(at) || list.is_ahead_of(now)) && !self.snapshot.stale_allowed() {
                found.push(Incomplete::ListStale {
                    list: list.id().clone(),
                    // A clock that is behind says nothing of any moment.
                    age: if list.is_ahead_of(now) { list.age(now) } else { list.age(at) },
                    max_age_seconds: list
                        .terms()
                        .max_age
                        .map_or(0, |age| age.as_secs().unsigned_abs()),
                });
            }
            let version = &list.state().version;
            if list.terms().required && version.not_understood.beyond_gate > 0 {
                found.push(Incomplete::ListNotUnderstood {
                    list: list.id().clone(),
                    rows: version.not_understood.beyond_gate,
                    of: version.counts.listings + version.counts.quarantined,
                });
            }
            if is_beside_required(list) {
                continue;
            }
            let first_published = list.state().version.first_published;
            let before = |day: Date| first_published.is_none_or(|first| day < first);
            if self.day.is_some_and(before) {
                let list = list.id().clone();
                found.push(Incomplete::AsOfBeforeFirstPublication { list, first_published });
            } else if let Some(gap) = self.day.and_then(|day| list.gap_at(at, day)) {
                let list = list.id().clone();
                found.push(Incomplete::AsOfNotCovered { list, gap: gap.clone() });
            }
        }
        if let Some(selected) = &self.selected {
            let left_out = |place: &usize| !selected.contains(place);
            for place in (0..self.snapshot.lists().len()).filter(left_out) {
                let list = &self.snapshot.lists()[place];
                if list.terms().required {
                    found.push(Incomplete::Narrowed(list.id().clone()));
                }
            }
        }
        found
    }
}

fn select(snapshot: &Snapshot, lists: &[ListId]) -> Result<Option<Vec<usize>>, ScopeError> {
    if lists.is_empty() {
        return Ok(None);
    }
    let mut selected = Vec::new();
    for id in lists {
        match snapshot.lists().iter().position(|list| list.id() == id) {
            Some(place) => selected.push(place),
            None if snapshot.record().missing.contains(id) => {}
            None => return Err(ScopeError::UnknownList(id.clone())),
        }
    }
    selected.sort_unstable();
    selected.dedup();
    Ok(Some(selected))
}

/// What keeps an understood address from a clean answer.
fn doubts(address: &Address<'_>, chain: Option<&Chain>, incomplete: &mut Vec<Incomplete>) {
    if address.checksum() == Checksum::Wrong {
        incomplete.push(Incomplete::ChecksumWrong);
    }
    let mismatch =
        [chain, address.written_chain()].into_iter().flatten().find(|c| !address.fits(c));
    if let Some(chain) = mismatch {
        incomplete.push(Incomplete::ChainMismatch(chain.clone()));
    } else if address.encoding() == Encoding::Verbatim {
        incomplete.extend(address.chains().first().cloned().map(Incomplete::ChainNotKnown));
    }
}

#[cfg(test)]
mod tests;
