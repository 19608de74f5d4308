//! What a list says: lists, parties, rows and how long each row stood. Facts only: no parsing of
//! files, no storage, no scoring.

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

/// A string that is no list id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no list id: 1 to 64 of a-z, 0-9 and '-', beginning with a letter or digit")]
pub struct ListIdError(String);

impl ListId {
    /// The id as text.
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
    /// Somebody attributes the address to an actor (a GraphSense TagPack).
    Attribution,
    /// The address belongs to a service such as an exchange: paths of exposure end there, and it is
    /// no reason for suspicion by itself.
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

    /// Whether lists of this kind grow old: an authority keeps publishing sanctions and issuers
    /// keep freezing, while an advisory, a seizure or an attribution is said once.
    pub fn ages(self) -> bool {
        matches!(self, Self::Sanctions | Self::IssuerFreeze)
    }
}

/// A string that names no list kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no list kind: SANCTIONS, ADVISORY, SEIZURE, ISSUER_FREEZE, ATTRIBUTION or SERVICE"
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
    /// The primary name.
    pub name: String,
    /// Other names, in the list's order.
    pub aliases: Vec<String>,
    /// What the party is, in the list's words: `Individual`, `Entity`, ...; empty where unsaid.
    pub party_type: String,
    /// Sanctions programs or the like (`DPRK3`, `CYBER2`), sorted, each once.
    pub programs: Vec<String>,
    /// The days on which the party was entered on the list, ascending, each once.
    pub listed_on: Vec<Date>,
}

/// The uid of the party of rows that name none.
pub const UNATTRIBUTED: &str = "unattributed";

/// One address under one party as the list has it, before anything is understood of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowKey {
    /// [`Party::uid`].
    pub party_uid: String,
    /// The address, verbatim.
    pub address: String,
    /// The ticker (`XBT`) or CAIP-2 chain id (`eip155:56`), verbatim; a hint, never a key; empty
    /// where the list says neither.
    pub ticker: String,
}

/// What a list says of a row beside its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFacts {
    /// The day that the source itself gives for the address (not for the party).
    pub listed_on: Option<Date>,
    /// The source's category (`exchange`, `ransomware`); empty where unsaid.
    pub category: String,
    /// Where the source says so: a URL or a document number; empty where unsaid.
    pub reference: String,
}

/// How the first day of a standing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartBasis {
    /// The source dates the address itself.
    AddressDate,
    /// The publication in which the address newly appeared, an earlier one having been loaded; of tags
    /// also the first one.
    FirstSeen,
    /// The party's first date: the address stood in the first publication that we ever loaded, so
    /// its own start is unknown and the conservative one is taken.
    PartyDate,
    /// Nothing says: it counts as having always stood.
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

/// A span of days in which a row stood on its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingPeriod {
    /// The first day; `None` with [`StartBasis::Unknown`].
    pub from: Option<Date>,
    /// What `from` rests on.
    pub basis: StartBasis,
    /// The day of the publication in which it was gone, the first day it no longer counts;
    /// `None` while it stands.
    pub until: Option<Date>,
}

impl ListingPeriod {
    /// Whether the row stood on `day`.
    pub fn covers(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }
}

/// A row with its history, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What the list says, verbatim.
    pub key: RowKey,
    /// What the list says beside it.
    pub facts: RowFacts,
    /// When it stood: ascending, never empty; only the last may be open.
    pub periods: Vec<ListingPeriod>,
    /// Since when a removal waits to be confirmed; the row still counts meanwhile.
    pub removal_pending_since: Option<Timestamp>,
}

impl Row {
    /// Whether the row stands now (a pending removal still stands).
    pub fn is_listed(&self) -> bool {
        self.periods.last().is_some_and(|last| last.until.is_none())
    }

    /// The standing that covers `day`.
    pub fn period_on(&self, day: Date) -> Option<&ListingPeriod> {
        self.periods.iter().rev().find(|standing| standing.covers(day))
    }
}

/// Where a list version came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Provenance {
    /// The starter list that the binary carries.
    Starter,
    /// A file imported by hand; its name as given.
    Import(String),
    /// The configured source; its URL without credentials and query, or its path.
    Source(String),
    /// Old publications were put into its past; what stands stayed as it was.
    Backfill(Box<BackfillRecord>),
}

impl Provenance {
    /// Returns what a backfill recorded; `None` for a version that came otherwise.
    pub fn backfill_record(&self) -> Option<&BackfillRecord> {
        match self {
            Self::Backfill(backfill_record) => Some(backfill_record),
            Self::Starter | Self::Import(_) | Self::Source(_) => None,
        }
    }
}

/// How many of what a list version holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCounts {
    /// Rows that stand and are understood, those pending removal among them.
    pub listings: u64,
    /// Rows that stand, with an address that cannot be understood.
    pub quarantined: u64,
    /// Parties with at least one standing row.
    pub parties: u64,
    /// ListingPeriod rows whose removal waits to be confirmed.
    pub removals_pending: u64,
    /// Rows that stood once and no longer do.
    pub removed: u64,
    /// Rows of the file that repeated another and were folded into it.
    pub duplicates: u64,
}

/// A span between the last moment at which a list was known to be current and the day of the
/// publication that came next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncoveredSpan {
    /// The last moment of the version before ([`ListCheck::fresh_as_of`]).
    pub from: Timestamp,
    /// The first day that is known again.
    pub until: Date,
}

/// One publication of a list as loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListVersion {
    /// The list.
    pub id: ListId,
    /// What being on it means.
    pub kind: ListKind,
    /// The number of this ordered change: 1, 2, ... over all lists of a store.
    pub version: u64,
    /// SHA-256 over the rows and parties in canonical order ([`crate::domain::publication`]): the
    /// same facts have the same digest in every file format.
    pub digest: [u8; 32],
    /// The day of publication, where known.
    pub published: Option<Date>,
    /// The day of the first publication of this list that was ever loaded, where known.
    pub first_published: Option<Date>,
    /// The spans of time before this version in which nobody looked: what stood then may be more
    /// than is known.
    pub uncovered: Vec<UncoveredSpan>,
    /// When it was loaded.
    pub loaded_at: Timestamp,
    /// Where it came from.
    pub provenance: Provenance,
    /// Which gates were overridden, and why (`older, shrink: REASON`; older versions have the reason
    /// alone); empty where none were.
    pub force_reason: String,
    /// What it holds.
    pub counts: ListCounts,
    /// What of it is not understood. Stored behind the rest of the version.
    #[serde(skip)]
    pub not_understood: NotUnderstood,
}

impl ListVersion {
    /// Returns where the rows that stand came from, and when they were loaded: a backfill leaves both
    /// as they were.
    pub fn rows_origin(&self) -> (&Provenance, Timestamp) {
        match self.provenance.backfill_record() {
            Some(backfill_record) => (&backfill_record.standing, backfill_record.rows_loaded_at),
            None => (&self.provenance, self.loaded_at),
        }
    }

    /// Returns which gates were overridden for the rows that stand, and why; empty where none were.
    pub fn rows_force_reason(&self) -> &str {
        match self.provenance.backfill_record() {
            Some(backfill_record) => &backfill_record.rows_force_reason,
            None => &self.force_reason,
        }
    }
}

/// A list as it stands: what the store keeps and the screening index is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListState {
    /// The version in force.
    pub version: ListVersion,
    /// The last look at the source.
    pub check: ListCheck,
    /// Every party that any row names, by uid. Shared with the look-up tables of the version.
    pub parties: Arc<Vec<Party>>,
    /// Every row, standing or removed, by key. Shared likewise.
    pub rows: Arc<Vec<Row>>,
    /// What the cumulative shrink gate compares the next publication with.
    pub baseline: Arc<Baseline>,
}

impl ListState {
    /// The latest day of publication that was seen, whether or not the age counts from it.
    pub fn published(&self) -> Option<Date> {
        self.check.published.max(self.version.published)
    }

    /// Returns the moment from which on a row surely stood: the address's own day, or that of the first
    /// publication with it. `None` where the day of that publication is not known.
    pub fn listed_from(&self, standing: &ListingPeriod) -> Option<Timestamp> {
        begin(match standing.basis {
            StartBasis::AddressDate | StartBasis::FirstSeen => standing.from,
            // It stood in the first publication.
            StartBasis::PartyDate | StartBasis::Unknown => self.version.first_published,
        }?)
    }

    /// Returns the moment until which a row surely did not stand: the address's own day, or else the
    /// later of the party's day and of the last moment at which the list was known without the row.
    /// `None` where nothing says. Of a row that was dropped and came back that is before it stood
    /// first: when it stood in between is not told apart.
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
                // A date of the party after the address was seen says nothing of the address.
                let dated = dated.filter(|dated| Some(*dated) <= from);
                self.last_known_before(first.from?).max(dated).min(from)
            }
            StartBasis::Unknown => None,
        }
    }

    /// Returns the last moment at which the list was known as it stood before the publication of
    /// `day`; `None` where no publication before it has a day.
    fn last_known_before(&self, day: Date) -> Option<Timestamp> {
        self.version.first_published.filter(|first| *first < day)?;
        let begin = begin(day)?;
        let is_within = |gap: &&UncoveredSpan| gap.from < begin && day <= gap.until;
        let gaps = self.version.uncovered.iter().rev();
        // It was looked at that day, before it changed, where no gap lies before it.
        Some(gaps.filter(is_within).map(|gap| gap.from).min().unwrap_or(begin))
    }

    /// Whether the version was imported by hand and its source has not said the same since. That a
    /// person declared so is no word of the source.
    pub fn is_by_hand(&self) -> bool {
        let (origin, loaded_at) = self.version.rows_origin();
        matches!(origin, Provenance::Import(_))
            && self.check.succeeded_at.is_none_or(|at| at <= loaded_at)
    }

    /// About how many bytes of memory the list takes while it is loaded: 512 for a row, 256 for a
    /// party, and their text.
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

/// The first moment of a day, UTC.
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
    /// It is gone, but so is more than the gate lets go at once: it counts until confirmed.
    RemovalPending,
    /// It came back before its removal was confirmed.
    RemovalCancelled,
    /// It no longer counts, from the publication's day on.
    Removed,
}

/// One row's change in one list version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingChange {
    /// What happened.
    pub kind: ChangeKind,
    /// The row.
    pub key: RowKey,
    /// The party's primary name at that version.
    pub party_name: String,
    /// Of a row that stands, what is other than before in it and in its party, as far as they were
    /// there: of [`ChangeKind::Updated`] at least one field, unless they are not recorded (by versions
    /// of the program that recorded none, or beyond
    /// [`MAX_RECORDED`](super::list_change::MAX_RECORDED)).
    pub fields: Vec<FieldChange>,
}
