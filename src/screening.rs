//! Answers one question: what do the lists say of this address? Pure given a snapshot and the
//! moment of evaluation; no I/O, no clock.

mod matching;
pub mod policy;
pub mod snapshot;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub use matching::{Finding, FindingKind, ListingState, standing};
use policy::{Decision, RiskLevel};
use snapshot::{Snapshot, SnapshotList};

use crate::domain::address::{Address, AddressError, Checksum, Encoding};
use crate::domain::chain::Chain;
use crate::domain::list::{Gap, ListId};

/// Why a screening is INCOMPLETE, and so never ALLOW.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// A required list is not loaded.
    RequiredListMissing(ListId),
    /// A list is older than its limit: the age (unknown: `None`) and the limit, in seconds.
    ListStale {
        /// The list.
        list: ListId,
        /// Its age at the evaluation; `None` where it is unknown.
        age_seconds: Option<u64>,
        /// Its limit.
        max_age_seconds: u64,
    },
    /// The request leaves out a required list.
    Narrowed(ListId),
    /// The string fits no address form.
    AddressNotUnderstood(AddressError),
    /// The checksum is wrong; the bytes were screened all the same.
    ChecksumWrong,
    /// The form cannot stand on the chain asked for; it was screened by its form.
    ChainMismatch(Chain),
    /// The chain is not known: only letter-for-letter matches can be found.
    ChainNotKnown(Chain),
    /// The day asked for is before the list's first publication that was ever loaded.
    AsOfBeforeFirstPublication {
        /// The list.
        list: ListId,
        /// The day of that publication; `None` where it is unknown.
        first_published: Option<Date>,
    },
    /// On the day asked for nobody had looked at the list for longer than its limit: a listing of
    /// those days may be dated later than it was.
    AsOfNotCovered {
        /// The list.
        list: ListId,
        /// The span in which nobody looked.
        gap: Gap,
    },
}

/// One answered question.
#[derive(Debug)]
pub struct Screening<'a> {
    /// What was understood of the address.
    pub address: Option<Address<'a>>,
    /// The largest score of the findings.
    pub score: u8,
    /// Its band.
    pub level: RiskLevel,
    /// What to do.
    pub decision: Decision,
    /// The highest score first, then by list and row.
    pub findings: Vec<Finding<'a>>,
    /// Why the screening is INCOMPLETE because of the data or the request's options.
    pub scope_incomplete: &'a [Incomplete],
    /// Why it is INCOMPLETE because of this address.
    pub address_incomplete: Vec<Incomplete>,
}

impl Screening<'_> {
    /// Whether the question was answered whole.
    pub fn is_complete(&self) -> bool {
        self.scope_incomplete.is_empty() && self.address_incomplete.is_empty()
    }
}

/// Options that no screening can be made with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Names a list that is neither loaded nor required.
    #[error("list {0} is not loaded")]
    UnknownList(ListId),
    /// Asks for a day that is not over.
    #[error("as_of {as_of} is later than the evaluation at {now}")]
    AsOfInFuture {
        /// What was asked for.
        as_of: Timestamp,
        /// The moment of evaluation.
        now: Timestamp,
    },
}

/// What questions are asked of: a snapshot, narrowed and dated. Made once for many addresses.
#[derive(Debug)]
pub struct Scope<'s> {
    snapshot: &'s Snapshot,
    /// Places in the snapshot's lists; `None` for all.
    selected: Option<Vec<usize>>,
    day: Option<Date>,
    incomplete: Vec<Incomplete>,
}

impl<'s> Scope<'s> {
    /// Narrows `snapshot` to `lists` (none: all) as of a past moment (`None`: now).
    pub fn new(
        snapshot: &'s Snapshot,
        lists: &[ListId],
        as_of: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, ScopeError> {
        if let Some(as_of) = as_of.filter(|as_of| *as_of > now) {
            return Err(ScopeError::AsOfInFuture { as_of, now });
        }
        let selected = select(snapshot, lists)?;
        let day = as_of.map(|at| at.to_zoned(TimeZone::UTC).date());
        let mut scope = Self { snapshot, selected, day, incomplete: Vec::new() };
        scope.incomplete = scope.shortcomings(as_of.unwrap_or(now), now);
        Ok(scope)
    }

    /// The snapshot asked.
    pub fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// Screens `input`. An address that cannot be understood is an answer; an error is an input
    /// that no address could ever be: empty, too long, not printable ASCII.
    pub fn screen<'a>(
        &'a self,
        input: &'a str,
        chain: Option<&Chain>,
    ) -> Result<Screening<'a>, AddressError> {
        let text = input.trim_ascii();
        let mut findings = Vec::new();
        let mut incomplete = Vec::new();
        let address = match Address::parse(text, chain) {
            Ok(address) => Some(address),
            Err(
                reason @ (AddressError::Empty
                | AddressError::TooLong(_)
                | AddressError::NotAscii { .. }),
            ) => {
                return Err(reason);
            }
            Err(reason) => {
                // A list may hold the string under a ticker that is not known either.
                if let Ok(verbatim) = Address::parse(text, Some(&Chain::Other("unknown:*".into())))
                {
                    self.match_address(&verbatim, None, &mut findings);
                }
                incomplete.push(Incomplete::AddressNotUnderstood(reason));
                None
            }
        };
        if let Some(address) = &address {
            self.match_address(address, chain, &mut findings);
            doubts(address, chain, &mut incomplete);
        }
        for list in self.lists() {
            matching::match_verbatim(list, text, self.day, &mut findings);
            if let Some(address) = address.as_ref().filter(|a| a.canonical() != text) {
                matching::match_verbatim(list, address.canonical(), self.day, &mut findings);
            }
        }
        if findings.len() > 1 {
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.score));
        }
        let score = findings.first().map_or(0, |finding| finding.score);
        let complete = self.incomplete.is_empty() && incomplete.is_empty();
        Ok(Screening {
            address,
            score,
            level: policy::level(score),
            decision: policy::decide(score, complete),
            findings,
            scope_incomplete: &self.incomplete,
            address_incomplete: incomplete,
        })
    }

    fn match_address(
        &self,
        address: &Address<'_>,
        chain: Option<&Chain>,
        findings: &mut Vec<Finding<'s>>,
    ) {
        let nested = address.nested_key_ids();
        for list in self.lists() {
            let first = findings.len();
            for key in address.key_ids().iter().chain(&nested) {
                let hash = self.snapshot.hash(key);
                matching::match_key(list, address, chain, (key, hash), self.day, first, findings);
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
        for list in self.lists() {
            if (list.is_stale_at(at) || list.is_ahead_of(now)) && !self.snapshot.stale_allowed() {
                found.push(Incomplete::ListStale {
                    list: list.id().clone(),
                    age_seconds: list.age_at(at).map(|age| age.as_secs().unsigned_abs()),
                    max_age_seconds: list
                        .terms()
                        .max_age
                        .map_or(0, |age| age.as_secs().unsigned_abs()),
                });
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
