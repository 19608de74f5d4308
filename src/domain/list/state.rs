//! The current state of a list, and the marks against which its next publication is held.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    ListCheck, ListVersion, ListingPeriod, Party, Provenance, Row, StartBasis, UncoveredSpan, begin,
};

/// The current state of a list: what the store keeps and the screening index is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListState {
    pub version: ListVersion,
    /// The last check of the source.
    pub check: ListCheck,
    /// Every party of any row, by uid. Shared with the look-up tables of the version.
    pub parties: Arc<Vec<Party>>,
    /// Every row, listed or removed, by key. Shared likewise.
    pub rows: Arc<Vec<Row>>,
    /// The reference of the cumulative shrink gate for the next publication.
    pub baseline: Arc<Baseline>,
}

impl ListState {
    /// Returns the latest publication day seen, whether or not the age counts from it.
    pub fn published(&self) -> Option<Date> {
        self.check.published.max(self.version.published)
    }

    /// Returns the moment from which a row was certainly listed: the address's own day, or the day
    /// of its first publication. `None` if that day is unknown.
    pub fn listed_from(&self, standing: &ListingPeriod) -> Option<Timestamp> {
        begin(match standing.basis {
            StartBasis::AddressDate | StartBasis::FirstSeen => standing.from,
            // It was in the first publication.
            StartBasis::PartyDate | StartBasis::Unknown => self.version.first_published,
        }?)
    }

    /// Returns the moment before which a row was certainly not listed. That is the address's own
    /// day, or else the later of two: the party's day, and the last moment at which the list was
    /// known without the row. `None` if neither is known. For a row that was dropped and came back,
    /// it is the moment before the first listing; the interruption is not considered.
    pub fn unlisted_until(&self, row: &Row) -> Option<Timestamp> {
        let first = row.periods.first()?;
        let from = first.from.and_then(begin);
        let found = self.parties.binary_search_by(|party| party.uid.cmp(&row.key.party_uid));
        let dated = found.ok().and_then(|at| self.parties[at].listed_on.first().copied());
        let dated = dated.and_then(begin);
        match first.basis {
            StartBasis::AddressDate => from,
            // The party's first day may have been corrected since.
            StartBasis::PartyDate => from.min(dated.or(from)),
            StartBasis::FirstSeen => {
                // A party date after the address was first seen says nothing about the address.
                let dated = dated.filter(|dated| Some(*dated) <= from);
                self.last_known_before(first.from?).max(dated).min(from)
            }
            StartBasis::Unknown => None,
        }
    }

    /// Returns the last moment at which the list was known in its state before the publication of
    /// `day`; `None` if no earlier publication has a day.
    fn last_known_before(&self, day: Date) -> Option<Timestamp> {
        self.version.first_published.filter(|first| *first < day)?;
        let begin = begin(day)?;
        let is_within = |gap: &&UncoveredSpan| gap.from < begin && day <= gap.until;
        let gaps = self.version.uncovered.iter().rev();
        // Without a gap before it, the list was checked on that day before it changed.
        Some(gaps.filter(is_within).map(|gap| gap.from).min().unwrap_or(begin))
    }

    /// Returns true if the version was imported by an operator and its source has not confirmed it
    /// since. A declared check is not a confirmation by the source.
    pub fn is_by_hand(&self) -> bool {
        let (origin, loaded_at) = self.version.rows_origin();
        matches!(origin, Provenance::Import(_))
            && self.check.succeeded_at.is_none_or(|at| at <= loaded_at)
    }

    /// Estimates the memory of the loaded list in bytes: 512 per row, 256 per party, and their
    /// text.
    pub fn size(&self) -> u64 {
        let texts = |texts: &[&String]| texts.iter().map(|text| text.len()).sum::<usize>();
        let rows = self.rows.iter().map(|Row { key, facts, periods, .. }| {
            let key = texts(&[&key.party_uid, &key.address, &key.ticker]);
            let facts = texts(&[&facts.category, &facts.reference]);
            512 + key + facts + size_of_val(&periods[..])
        });
        let parties = self.parties.iter().map(|party| {
            let lists = party.aliases.iter().chain(&party.programs);
            let lists: usize = lists.map(|text| size_of::<String>() + text.len()).sum();
            256 + texts(&[&party.uid, &party.name, &party.party_type]) + lists
        });
        rows.chain(parties).sum::<usize>() as u64
    }
}

/// A version that was in force, with its number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub version: u64,
    /// When it came into force.
    pub at: Timestamp,
    /// When the next version came into force; `None` for the current one.
    pub until: Option<Timestamp>,
    /// Its number of listed rows.
    pub rows: u64,
}

impl Mark {
    /// Creates the mark of a new version.
    pub fn new(version: u64, at: Timestamp, rows: u64) -> Self {
        Self { version, at, until: None, rows }
    }

    /// Returns true if it was in force within `window` before `now`. If a clock was set back, errs
    /// on the side of true.
    pub fn is_within(&self, window: SignedDuration, now: Timestamp) -> bool {
        let begins = now.checked_sub(window).unwrap_or(Timestamp::MIN);
        self.until.is_none_or(|until| until > begins)
    }
}

/// When a row came and went, if after the first mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSpan {
    /// The index of the row in [`ListState::rows`].
    pub row: u32,
    /// The version that first had it; 0 if before the first mark.
    pub since: u64,
    /// The version whose publication removed it without force; 0 if none did.
    pub gone: u64,
}

/// The reference of the cumulative gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// In the order of their versions.
    pub marks: Vec<Mark>,
    /// In the order of their rows. Rows on every mark, or on none, are left out.
    pub spans: Vec<RowSpan>,
}
