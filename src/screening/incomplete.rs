//! Why a screening is INCOMPLETE: the reasons, and one table of their codes. Finds nothing out.

use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::domain::address::AddressError;
use crate::domain::chain::Chain;
use crate::domain::duration;
use crate::domain::list::{ListId, UncoveredSpan};
use crate::domain::transfer::MovementKind;

/// Why a screening is INCOMPLETE, and so never ALLOW.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// A required list is not loaded.
    RequiredListMissing(ListId),
    /// A publication of a required list was read and could not be stored: what it lists is not in
    /// force.
    ListNotStored(ListId),
    /// More of a required list is not understood than its gate lets pass, and no operator accepted it.
    ListNotUnderstood {
        list: ListId,
        rows: u64,
        /// Of how many that stand.
        of: u64,
    },
    /// A list is older than its limit, or its age is not known.
    ListStale {
        list: ListId,
        /// Its age at the evaluation.
        age: ListAge,
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
        list: ListId,
        /// The day of that publication; `None` where it is unknown.
        first_published: Option<Date>,
    },
    /// The chain must have transfers of a kind and has none, or none that early.
    TransfersMissing { chain: Chain, kind: MovementKind },
    /// The chain's transfers of a kind lack blocks, or have some that are not wholly understood.
    TransfersGapped {
        chain: Chain,
        kind: MovementKind,
        /// The spans of covered blocks.
        spans: u64,
        gaps: u64,
    },
    /// Transfers of a kind state no height, and no span of time was declared for them.
    TransfersUnpositioned { chain: Chain, kind: MovementKind },
    /// Nothing of the chain could count, because the asset is not in the asset table.
    TransfersUnvalued {
        chain: Chain,
        /// `native`, or a token.
        asset: String,
    },
    /// The chain's transfers end longer ago than their limit.
    TransfersStale {
        chain: Chain,
        /// The age of the last one at the evaluation, in seconds.
        age_seconds: u64,
        max_age_seconds: u64,
    },
    /// The labels of exposure do not know the lists in force yet, or not all transfers.
    ExposureBehind,
    /// The answer is by a past snapshot whose exposure is not kept.
    SnapshotExposureNotKept(NotKept),
    /// The same, and they can no longer be brought up to date; and why.
    ExposureFailed(Arc<str>),
    /// Exposure was looked for by a search, which was cut short; and why.
    SearchCutShort(&'static str),
    /// The request asks for fewer hops than the policy requires.
    DepthNarrowed {
        /// Over how many hops was looked.
        asked: u8,
        /// What is required; as many as are configured, where the policy does not say.
        required: u8,
    },
    /// On the day asked for the list had been unchecked for longer than its limit: a listing of
    /// those days may be dated later than it was.
    AsOfNotCovered {
        list: ListId,
        /// The span without a check.
        gap: UncoveredSpan,
    },
}

impl Incomplete {
    /// Its code, and the list that it is about; `None` where it is about none.
    pub fn code(&self) -> (IncompleteCode, Option<&ListId>) {
        use IncompleteCode as Code;
        match self {
            Self::RequiredListMissing(list) => (Code::RequiredListMissing, Some(list)),
            Self::ListNotStored(list) => (Code::ListNotStored, Some(list)),
            Self::ListNotUnderstood { list, .. } => (Code::ListNotUnderstood, Some(list)),
            Self::ListStale { list, .. } => (Code::ListStale, Some(list)),
            Self::Narrowed(list) => (Code::Narrowed, Some(list)),
            Self::AddressNotUnderstood(_) => (Code::AddressNotUnderstood, None),
            Self::ChecksumWrong => (Code::ChecksumWrong, None),
            Self::ChainMismatch(_) => (Code::ChainMismatch, None),
            Self::ChainNotKnown(_) => (Code::ChainNotKnown, None),
            Self::AsOfBeforeFirstPublication { list, .. } => {
                (Code::AsOfBeforeFirstPublication, Some(list))
            }
            Self::AsOfNotCovered { list, .. } => (Code::AsOfNotCovered, Some(list)),
            Self::TransfersMissing { .. } => (Code::TransfersMissing, None),
            Self::TransfersGapped { .. } => (Code::TransfersGapped, None),
            Self::TransfersUnpositioned { .. } => (Code::TransfersUnpositioned, None),
            Self::TransfersUnvalued { .. } => (Code::TransfersUnvalued, None),
            Self::TransfersStale { .. } => (Code::TransfersStale, None),
            Self::ExposureBehind | Self::ExposureFailed(_) => (Code::ExposureBehind, None),
            Self::SnapshotExposureNotKept(_) => (Code::SnapshotExposureNotKept, None),
            Self::SearchCutShort(_) => (Code::SearchCutShort, None),
            Self::DepthNarrowed { .. } => (Code::DepthNarrowed, None),
        }
    }
}

/// What a reason of being INCOMPLETE is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonSubject {
    /// The address that was asked, whatever is loaded.
    Address,
    /// What is loaded, how old it is, and what the request leaves out of it.
    Data,
}

impl ReasonSubject {
    /// The subject of a code. One that is not known may be about the address, so that a person looks.
    pub fn of(code: Option<IncompleteCode>) -> Self {
        code.map_or(Self::Address, IncompleteCode::subject)
    }
}

/// The table of codes: variant, name in the proto and in result files, what it is about, and its
/// meaning where no detail is given.
macro_rules! codes {
    ($($code:ident, $name:literal, $subject:ident, $meaning:literal;)+) => {
        /// An [`Incomplete`] without its detail, as answers name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum IncompleteCode {
            $($code),+
        }

        impl IncompleteCode {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The name in the proto and in result files.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $name),+
                }
            }

            /// The code of a name; `None` for one of a later version.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }

            pub fn subject(self) -> ReasonSubject {
                match self {
                    $(Self::$code => ReasonSubject::$subject),+
                }
            }

            /// The meaning, in words that take no capital.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$code => $meaning),+
                }
            }
        }
    };
}

codes! {
    RequiredListMissing, "REQUIRED_LIST_MISSING", Data, "a required list is not loaded";
    ListStale, "LIST_STALE", Data, "a list is older than its limit, or its age is not known";
    ListNotStored, "LIST_NOT_STORED", Data, "a publication of a required list could not be stored";
    ListNotUnderstood, "LIST_NOT_UNDERSTOOD", Data, "too much of a required list is not understood";
    Narrowed, "NARROWED", Data, "the request leaves out a required list";
    AddressNotUnderstood, "ADDRESS_NOT_UNDERSTOOD", Address, "the string fits no address form";
    ChecksumWrong, "CHECKSUM_WRONG", Address,
        "the address's checksum is wrong: it may be mistyped";
    ChainMismatch, "CHAIN_MISMATCH", Address,
        "such an address cannot stand on the chain asked for";
    ChainNotKnown, "CHAIN_NOT_KNOWN", Address,
        "the chain is not known: only letter-for-letter matches can be found";
    AsOfNotCovered, "AS_OF_NOT_COVERED", Data, "nobody looked at a list on that day";
    AsOfBeforeFirstPublication, "AS_OF_BEFORE_FIRST_PUBLICATION", Data,
        "the day asked for is before the first publication ever loaded";
    TransfersMissing, "TRANSFERS_MISSING", Data, "transfers of a chain are not loaded";
    TransfersGapped, "TRANSFERS_GAPPED", Data, "transfers of a chain are not whole";
    TransfersUnpositioned, "TRANSFERS_UNPOSITIONED", Data,
        "transfers of a chain state no height and cannot show gaps";
    TransfersUnvalued, "TRANSFERS_UNVALUED", Data, "an asset of a chain has no known value";
    TransfersStale, "TRANSFERS_STALE", Data, "the transfers of a chain end too long ago";
    ExposureBehind, "EXPOSURE_BEHIND", Data, "exposure does not know the lists in force yet";
    SnapshotExposureNotKept, "SNAPSHOT_EXPOSURE_NOT_KEPT", Data,
        "the exposure of that snapshot is not kept";
    // The neighbourhood of this very address was too large to be searched.
    SearchCutShort, "SEARCH_CUT_SHORT", Address, "the search for exposure was cut short";
    DepthNarrowed, "DEPTH_NARROWED", Data, "the request asks for fewer hops than are required";
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RequiredListMissing(list) => write!(f, "required list {list} is not loaded"),
            Self::ListNotStored(list) => write!(
                f,
                "a later publication of {list} was read and could not be stored: what it lists is \
                 not in force"
            ),
            Self::ListNotUnderstood { list, rows, of } => write!(
                f,
                "{rows} of {of} rows of {list} are not understood as addresses: look at them \
                 (`lists quarantine`), then accept them by force of the gate `quarantine`"
            ),
            Self::ListStale { list, age, max_age_seconds } => match age {
                ListAge::Known(age) => {
                    let age = duration::age(age.as_secs().unsigned_abs());
                    let limit = duration::span(*max_age_seconds);
                    let more = if age == limit { "a little more than " } else { "" };
                    write!(f, "{list} is stale: {more}{age} old, limit {limit}")
                }
                ListAge::Unknown => {
                    let limit = duration::span(*max_age_seconds);
                    write!(f, "{list} is stale: of unknown age, limit {limit}")
                }
                ListAge::ClockBehind { .. } => write!(f, "the age of {list} is not known: {age}"),
            },
            Self::Narrowed(list) => write!(f, "the request leaves out required list {list}"),
            Self::AddressNotUnderstood(error) => error.fmt(f),
            Self::ChecksumWrong => f.write_str(
                "the checksum is wrong: the bytes were screened, yet the address may be mistyped",
            ),
            Self::ChainMismatch(chain) => {
                write!(f, "an address of this form cannot stand on {chain}")
            }
            Self::ChainNotKnown(chain) => {
                write!(f, "{chain} is not known: only letter-for-letter matches are found")
            }
            Self::AsOfBeforeFirstPublication { list, first_published: Some(day) } => {
                write!(f, "the first publication of {list} loaded is of {day}")
            }
            Self::AsOfBeforeFirstPublication { list, first_published: None } => {
                write!(f, "the first publication of {list} loaded has no date")
            }
            Self::AsOfNotCovered { list, gap } => write!(
                f,
                "nobody looked at {list} between {} and the publication of {}",
                gap.from, gap.until
            ),
            Self::TransfersMissing { chain, kind } => {
                write!(f, "no transfers of {chain} of kind {kind} are loaded for that time")
            }
            Self::TransfersGapped { chain, kind, spans, gaps } => {
                write!(f, "the transfers of {chain} of kind {kind} are not whole (")?;
                match (spans, gaps) {
                    (0 | 1, 0) => f.write_str("another kind reaches further)"),
                    (0 | 1, gaps) => write!(f, "known gaps: {gaps})"),
                    (spans, gaps) => write!(f, "{spans} spans of blocks; known gaps: {gaps})"),
                }
            }
            Self::TransfersUnpositioned { chain, kind } => write!(
                f,
                "transfers of {chain} of kind {kind} state no height, so that they cannot show gaps"
            ),
            Self::TransfersUnvalued { chain, asset } => {
                write!(f, "{asset} of {chain} is not in the asset table: nothing there could count")
            }
            Self::TransfersStale { chain, age_seconds, max_age_seconds } => {
                let (age, limit) = (duration::age(*age_seconds), duration::span(*max_age_seconds));
                write!(f, "the last transfer of {chain} is {age} old, limit {limit}")
            }
            Self::ExposureBehind => {
                f.write_str("exposure does not know the lists in force, or all transfers, yet")
            }
            Self::ExposureFailed(why) => {
                write!(f, "exposure can no longer be kept up to date: {why}")
            }
            Self::SnapshotExposureNotKept(why) => write!(
                f,
                "the exposure of that snapshot is not kept, and none was looked for: {why}"
            ),
            Self::SearchCutShort(why) => {
                write!(f, "the search for exposure was cut short: {why}")
            }
            Self::DepthNarrowed { asked, required } => {
                let hops = if *asked == 1 { "hop" } else { "hops" };
                write!(f, "exposure was asked for over {asked} {hops}, and {required} are required")
            }
        }
    }
}

/// Why the exposure of a past snapshot is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// Other transfers are loaded now, or other chains are required.
    Transfers,
    /// The labels are of the lists in force now, which are others.
    Lists,
    /// Other settings of exposure are in force now.
    Settings,
    /// The labels were behind then, and are not any more, or are now.
    Behind,
    /// A choice of lists or a past day takes a search, which goes through the transfers of now.
    Search,
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transfers => "the transfers, or the chains on which they are required, have changed since",
            Self::Lists => "the labels are of the lists in force now, and these have changed since",
            Self::Settings => "the settings of exposure, or the categories of tags, have changed since",
            Self::Behind => "the labels did not know all lists or transfers then, or do not now",
            Self::Search => "a past day, or a choice of lists of one kind, takes a search through today's transfers",
        })
    }
}

/// How old a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAge {
    /// The time since it was last known to be current.
    Known(SignedDuration),
    /// Nothing says when it was current.
    Unknown,
    /// It was current more than a day after what the clock says: the clock is wrong, or was then.
    ClockBehind {
        now: Timestamp,
        /// When the list was published or its source checked.
        current_at: Timestamp,
    },
}

impl fmt::Display for ListAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(age) => {
                write!(f, "{} old", duration::age(age.as_secs().unsigned_abs()))
            }
            Self::Unknown => f.write_str("of unknown age"),
            Self::ClockBehind { now, current_at } => write!(
                f,
                "this machine's clock is behind: it says {}, the list was checked at {}",
                now.strftime(TO_THE_SECOND),
                current_at.strftime(TO_THE_SECOND)
            ),
        }
    }
}

const TO_THE_SECOND: &str = "%Y-%m-%dT%H:%M:%SZ";
