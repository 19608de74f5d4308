//! Lists, parties, rows and the periods in which each row was listed.

mod check;
mod not_understood;
mod read;
mod state;
mod version;

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use check::{DeclaredCheck, ListCheck};
pub use not_understood::NotUnderstood;
pub use read::{FileNote, FileReport, NoteKind, ReadList};
pub use state::{Baseline, ListState, Mark, RowSpan};
pub use version::{
    BackfillRecord, KnownOrigin, KnownPublication, ListCounts, ListVersion, Provenance,
    UncoveredSpan,
};

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
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
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
        self.into()
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

impl RowKey {
    /// A short name of the row, for references: the first 16 hex digits of SHA-256 over party, address
    /// and ticker, each with a zero byte behind it.
    pub fn reference(&self) -> String {
        let texts = [&self.party_uid, &self.address, &self.ticker];
        let hash = texts
            .iter()
            .fold(Sha256::new(), |hash, text| hash.chain_update(text).chain_update([0]));
        HEXLOWER.encode(&hash.finalize()[..8])
    }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
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
        self.into()
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
