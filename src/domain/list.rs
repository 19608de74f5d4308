//! Lists, parties, rows and the periods in which each row was listed.

mod check;
mod not_understood;
mod read;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use check::{DeclaredCheck, ListCheck};
pub use not_understood::NotUnderstood;
pub use read::{FileNote, FileReport, NoteKind, ReadList};

use super::list_change::FieldChange;
use super::publication::{BackfillRecord, Baseline};

/// The longest list id, in bytes.
pub const MAX_LIST_ID: usize = 64;

/// The name of one source of listings, such as `us-ofac-sdn`: 1 to 64 of `a-z`, `0-9` and `-`,
/// beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListId(String);

/// A string that is not a list id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid list id {0:?}: use 1 to 64 of a-z, 0-9 and '-', beginning with a letter or digit")]
pub struct ListIdError(String);

impl ListId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ListId {
    type Err = ListIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty()
            || text.len() > MAX_LIST_ID
            || text.starts_with('-')
            || !text.bytes().all(fits)
        {
            return Err(ListIdError(text.chars().take(MAX_LIST_ID + 1).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ListId {
    type Error = ListIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ListId> for String {
    fn from(id: ListId) -> Self {
        id.0
    }
}

impl fmt::Display for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What being on a list means, the strictest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ListKind {
    /// Dealings are prohibited by law (OFAC SDN).
    Sanctions,
    /// An authority warns of the address without sanctioning it (an FBI announcement).
    Advisory,
    /// The address was seized or is subject to a seizure order (Israel's NBCTF).
    Seizure,
    /// The issuer of a token froze the address.
    IssuerFreeze,
    /// A third party attributes the address to an actor (a GraphSense TagPack).
    Attribution,
    /// The address belongs to a service such as an exchange: paths of exposure end there, and it is
    /// no reason for suspicion in itself.
    Service,
}

impl ListKind {
    /// Every kind, in the order of the proto.
    pub const ALL: [Self; 6] = [
        Self::Sanctions,
        Self::Advisory,
        Self::Seizure,
        Self::IssuerFreeze,
        Self::Attribution,
        Self::Service,
    ];

    /// The name used in files, flags and the proto: `SANCTIONS`, `ISSUER_FREEZE`, ...
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sanctions => "SANCTIONS",
            Self::Advisory => "ADVISORY",
            Self::Seizure => "SEIZURE",
            Self::IssuerFreeze => "ISSUER_FREEZE",
            Self::Attribution => "ATTRIBUTION",
            Self::Service => "SERVICE",
        }
    }

    /// Returns true if lists of this kind go stale: an authority keeps publishing sanctions and
    /// issuers keep freezing, while an advisory, a seizure or an attribution is published once.
    pub fn ages(self) -> bool {
        matches!(self, Self::Sanctions | Self::IssuerFreeze)
    }
}

/// A string that is not a list kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid list kind {0:?}: use SANCTIONS, ADVISORY, SEIZURE, ISSUER_FREEZE, ATTRIBUTION or SERVICE"
)]
pub struct ListKindError(String);

impl FromStr for ListKind {
    type Err = ListKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let folded = text.replace('-', "_");
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(&folded))
            .ok_or_else(|| ListKindError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for ListKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The person or group that a list names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Party {
    /// The list's own identifier of the party (OFAC: the uid, `DistinctParty/@FixedRef`).
    pub uid: String,
    pub name: String,
    /// Other names, in the list's order.
    pub aliases: Vec<String>,
    /// The party's type in the list's words: `Individual`, `Entity`, ...; may be empty.
    pub party_type: String,
    /// Sanctions programs or the like (`DPRK3`, `CYBER2`), sorted, each once.
    pub programs: Vec<String>,
    /// The days on which the party was entered on the list, ascending, each once.
    pub listed_on: Vec<Date>,
}

/// The party uid of rows that name no party.
pub const UNATTRIBUTED: &str = "unattributed";

/// One address under one party, verbatim from the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowKey {
    /// [`Party::uid`].
    pub party_uid: String,
    pub address: String,
    /// The ticker (`XBT`) or CAIP-2 chain id (`eip155:56`), verbatim. A hint, never a key; may be
    /// empty.
    pub ticker: String,
}

/// The list's data about a row besides its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFacts {
    /// The day that the source states for the address (not for the party).
    pub listed_on: Option<Date>,
    /// The source's category (`exchange`, `ransomware`); may be empty.
    pub category: String,
    /// The source's evidence: a URL or a document number; may be empty.
    pub reference: String,
}

/// What the first day of a listing period is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartBasis {
    /// The source dates the address itself.
    AddressDate,
    /// The publication in which the address first appeared, after an earlier publication was
    /// loaded. For tags, also the first publication.
    FirstSeen,
    /// The party's first date. The address was in the first publication loaded, so its own start is
    /// unknown and the conservative one is used.
    PartyDate,
    /// Unknown: the address counts as always listed.
    Unknown,
}

impl StartBasis {
    /// The name used in files and the proto.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AddressDate => "ADDRESS_DATE",
            Self::FirstSeen => "FIRST_SEEN",
            Self::PartyDate => "PARTY_DATE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A period of days in which a row was listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingPeriod {
    /// The first day; `None` with [`StartBasis::Unknown`].
    pub from: Option<Date>,
    /// What `from` rests on.
    pub basis: StartBasis,
    /// The day of the publication that no longer has the row, and the first day it does not count;
    /// `None` while it is listed.
    pub until: Option<Date>,
}

impl ListingPeriod {
    /// Returns true if the row was listed on `day`.
    pub fn covers(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }
}

/// A row with its history, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The row's identity, verbatim from the list.
    pub key: RowKey,
    /// The row's other data.
    pub facts: RowFacts,
    /// Listing periods: ascending, never empty; only the last may be open.
    pub periods: Vec<ListingPeriod>,
    /// When a removal became pending; the row counts until it is confirmed.
    pub removal_pending_since: Option<Timestamp>,
}

impl Row {
    /// Returns true if the row is listed now, a pending removal included.
    pub fn is_listed(&self) -> bool {
        self.periods.last().is_some_and(|last| last.until.is_none())
    }

    /// Returns the listing period that covers `day`.
    pub fn period_on(&self, day: Date) -> Option<&ListingPeriod> {
        self.periods.iter().rev().find(|standing| standing.covers(day))
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

/// Returns the first moment of a day, UTC.
pub fn begin(day: Date) -> Option<Timestamp> {
    day.to_zoned(TimeZone::UTC).ok().map(|begin| begin.timestamp())
}

/// What happened to a row in a list version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// It is newly listed, or listed again after a removal.
    Added,
    /// Its facts or its party's changed.
    Updated,
    /// It is missing, but more rows are missing than the gate allows: it counts until confirmed.
    RemovalPending,
    /// It came back before its removal was confirmed.
    RemovalCancelled,
    /// It no longer counts from the publication's day on.
    Removed,
}

/// One row's change in one list version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingChange {
    pub kind: ChangeKind,
    pub key: RowKey,
    /// The party's primary name at that version.
    pub party_name: String,
    /// For a listed row, the changed fields of the row and its party. [`ChangeKind::Updated`] has
    /// at least one, unless they were not recorded (by older program versions, or beyond
    /// [`MAX_RECORDED`](super::list_change::MAX_RECORDED)).
    pub fields: Vec<FieldChange>,
}
