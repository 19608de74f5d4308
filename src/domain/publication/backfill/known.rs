//! The publications of a list that are known: those that were loaded in their time, and those that were
//! backfilled.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::list::{ListKind, ListVersion, ListingChange, Provenance};
use crate::domain::publication::{Gate, utc_day};

/// Where a publication of a list's past came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnownOrigin {
    /// It was loaded in its time, as the version with this number on the list, from 1 on.
    Version(u64),
    /// It was backfilled from a file of this name.
    File(String),
}

/// A publication of a list's past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPublication {
    /// The day that it states.
    pub published: Option<Date>,
    /// The day from which the rows that it adds count.
    pub day: Date,
    /// The day from which it was in force, and what it lacks no longer counts: later than `day` where it
    /// was forced upon a later publication.
    pub ends: Date,
    /// What being on the list meant then.
    pub kind: ListKind,
    /// [`digest`](super::digest()) of what it says.
    pub digest: [u8; 32],
    /// Where it came from.
    pub origin: KnownOrigin,
}

/// What a version records that was made by a backfill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillRecord {
    /// Where the rows that stand came from.
    pub standing: Provenance,
    /// When they were loaded.
    pub rows_loaded_at: Timestamp,
    /// Which gates were overridden for them, and why; empty where none were.
    pub rows_force_reason: String,
    /// All publications that are known, in their order. The version's changes name them by place.
    pub publications: Vec<KnownPublication>,
}

/// A change of a version that tells the past anew, and the place of its publication in
/// [`BackfillRecord::publications`].
pub type BackfilledChange = (u32, ListingChange);

/// What is known of the publications of a list: each with its changes, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In their order.
    pub publications: Vec<(KnownPublication, Vec<ListingChange>)>,
}

impl History {
    /// Reads the history from the headers of a list's versions, in their order, and the changes that
    /// each made: those of a backfill with the places of their publications.
    pub fn read<E>(
        versions: &[ListVersion],
        mut changes_of: impl FnMut(u64) -> Result<Vec<(Option<u32>, ListingChange)>, E>,
    ) -> Result<Self, E> {
        let publications = known_publications(versions).into_iter();
        let mut publications: Vec<_> = publications.map(|known| (known, Vec::new())).collect();
        let from = versions.iter().rposition(is_backfill).unwrap_or(0);
        for (version, number) in versions.iter().zip(1..).skip(from) {
            let origin = KnownOrigin::Version(number);
            let own = publications.iter().position(|(known, _)| known.origin == origin);
            for (place, change) in changes_of(version.version)? {
                let place = place.map(|place| place as usize).or(own);
                if let Some((_, of)) = place.and_then(|at| publications.get_mut(at)) {
                    of.push(change);
                }
            }
        }
        Ok(Self { publications })
    }
}

/// Returns the publications of a list that are known, in the order in which they were in force, from
/// the headers of its versions in their order.
pub fn known_publications(versions: &[ListVersion]) -> Vec<KnownPublication> {
    let from = versions.iter().rposition(is_backfill).unwrap_or(0);
    let mut latest = versions[..from].iter().filter_map(|version| version.published).max();
    let mut known = Vec::new();
    for (version, number) in versions.iter().zip(1..).skip(from) {
        match version.provenance.backfill_record() {
            Some(backfill_record) => known.extend(backfill_record.publications.iter().cloned()),
            None => known.push(KnownPublication::of(version, number, latest)),
        }
        latest = latest.max(version.published);
    }
    known
}

fn is_backfill(version: &ListVersion) -> bool {
    version.provenance.backfill_record().is_some()
}

impl KnownPublication {
    /// The publication that a version is, of which `latest` was the latest day seen before.
    fn of(version: &ListVersion, number: u64, latest: Option<Date>) -> Self {
        let loaded = utc_day(version.loaded_at);
        let day = version.published.unwrap_or(loaded).min(loaded);
        // A later day may have been seen without a version.
        let is_forced = version.force_reason.contains(Gate::Older.as_str());
        let is_older = version.published.is_some() && (version.published < latest || is_forced);
        Self {
            published: version.published,
            day,
            ends: if is_older { loaded } else { day },
            kind: version.kind,
            digest: version.digest,
            origin: KnownOrigin::Version(number),
        }
    }
}

impl fmt::Display for KnownOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(number) => write!(f, "version {number} of the list"),
            Self::File(name) => f.write_str(name),
        }
    }
}
