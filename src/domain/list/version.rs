//! The versions of a list, and the past publications that a backfill adds.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{ListId, ListKind, NotUnderstood};

/// One publication of a list as loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListVersion {
    pub id: ListId,
    /// What being on it means.
    pub kind: ListKind,
    /// The number of this version, counted over all lists of a store: 1, 2, ...
    pub version: u64,
    /// SHA-256 over the rows and parties in canonical order ([`crate::domain::publication`]): the
    /// same facts have the same digest in every file format.
    pub digest: [u8; 32],
    /// The publication day, if known.
    pub published: Option<Date>,
    /// The day of the first publication of this list ever loaded, if known.
    pub first_published: Option<Date>,
    /// Spans before this version in which the source was not checked: more addresses may have been
    /// listed then than are known.
    pub uncovered: Vec<UncoveredSpan>,
    pub loaded_at: Timestamp,
    pub provenance: Provenance,
    /// The overridden gates and the reason (`older, shrink: REASON`; older versions hold the reason
    /// only); empty if none were.
    pub force_reason: String,
    pub counts: ListCounts,
    /// Rows that could not be parsed. Stored after the rest of the version.
    #[serde(skip)]
    pub not_understood: NotUnderstood,
}

impl ListVersion {
    /// Returns the provenance of the listed rows and when they were loaded. A backfill changes
    /// neither.
    pub fn rows_origin(&self) -> (&Provenance, Timestamp) {
        match self.provenance.backfill_record() {
            Some(backfill_record) => (&backfill_record.standing, backfill_record.rows_loaded_at),
            None => (&self.provenance, self.loaded_at),
        }
    }

    /// Returns the gates overridden for the listed rows and the reason; empty if none were.
    pub fn rows_force_reason(&self) -> &str {
        match self.provenance.backfill_record() {
            Some(backfill_record) => &backfill_record.rows_force_reason,
            None => &self.force_reason,
        }
    }
}

/// Where a list version came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Provenance {
    /// The starter list that the binary carries.
    Starter,
    /// A file imported by an operator; its name as given.
    Import(String),
    /// The configured source; its URL without credentials and query, or its path.
    Source(String),
    /// A backfill of old publications; the current rows stayed as they were.
    Backfill(Box<BackfillRecord>),
}

impl Provenance {
    /// Returns the record of a backfill; `None` for other versions.
    pub fn backfill_record(&self) -> Option<&BackfillRecord> {
        match self {
            Self::Backfill(backfill_record) => Some(backfill_record),
            Self::Starter | Self::Import(_) | Self::Source(_) => None,
        }
    }
}

/// Provenance of a past publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnownOrigin {
    /// Loaded in its time, as this version number of the list, from 1 on.
    Version(u64),
    /// Backfilled from a file of this name.
    File(String),
}

/// A publication of a list's past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPublication {
    /// The stated publication day.
    pub published: Option<Date>,
    /// The day from which its added rows count.
    pub day: Date,
    /// The day from which it was in force and its missing rows no longer count. Later than `day` if
    /// it was forced over a later publication.
    pub ends: Date,
    /// The kind of the list at that time.
    pub kind: ListKind,
    /// [`digest`](crate::domain::publication::digest()) of its content.
    pub digest: [u8; 32],
    pub origin: KnownOrigin,
}

/// The record of a backfill in its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillRecord {
    /// Provenance of the listed rows.
    pub standing: Provenance,
    pub rows_loaded_at: Timestamp,
    /// The gates overridden for them and the reason; empty if none were.
    pub rows_force_reason: String,
    /// All known publications, in order. The version's changes refer to them by index.
    pub publications: Vec<KnownPublication>,
}

impl fmt::Display for KnownOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(number) => write!(f, "version {number} of the list"),
            Self::File(name) => f.write_str(name),
        }
    }
}

/// Counts of a list version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCounts {
    /// Listed rows with a parsed address, including those pending removal.
    pub listings: u64,
    /// Listed rows whose address could not be parsed.
    pub quarantined: u64,
    /// Parties with at least one listed row.
    pub parties: u64,
    /// Listed rows with a pending removal.
    pub removals_pending: u64,
    /// Rows that were listed once and no longer are.
    pub removed: u64,
    /// Rows of the file that repeated another and were merged into it.
    pub duplicates: u64,
}

/// A span between the last moment at which a list was known to be current and the day of the next
/// publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncoveredSpan {
    /// The last moment of the previous version ([`ListCheck::fresh_as_of`]).
    pub from: Timestamp,
    /// The first known day.
    pub until: Date,
}
