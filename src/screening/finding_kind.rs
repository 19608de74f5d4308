//! The kinds of findings, and whether a listing counts at a moment.

use jiff::civil::Date;

use crate::domain::list::{ListingPeriod, Row};

/// What ties an address to a listing.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::IntoStaticStr,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingKind {
    /// The address itself is listed; on EVM chains the same bytes on any of them.
    Listed,
    /// The same key controls a listed address of another encoding or chain.
    SameKey,
    /// A quarantined string is, letter for letter, this one, or likely means it; or the other way
    /// round.
    ListedVerbatim,
    /// Funds came from a listed address.
    ReceivedFrom,
    /// Funds went to a listed address.
    SentTo,
    /// The other end of the address's own transfer is an untagged hub with exposure of its own.
    HubExposure,
    /// The address is joined with a listed one by common inputs: an estimate.
    CoSpent,
}

impl FindingKind {
    /// Every kind, in the order of the proto.
    pub const ALL: [Self; 7] = [
        Self::Listed,
        Self::SameKey,
        Self::ListedVerbatim,
        Self::ReceivedFrom,
        Self::SentTo,
        Self::HubExposure,
        Self::CoSpent,
    ];

    /// The name used in policies and the proto.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Whether a listing counts at the moment asked for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::IntoStaticStr,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ListingState {
    Standing,
    /// It counts until its removal is confirmed.
    RemovalPending,
    /// It is shown and not scored.
    Removed,
}

impl ListingState {
    pub const ALL: [Self; 3] = [Self::Standing, Self::RemovalPending, Self::Removed];

    /// The name used in policies and the proto.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How a row stands on `day`, or now where that is `None`: its state and the standing behind it;
/// `None` where it had not begun.
pub fn standing(row: &Row, day: Option<Date>) -> Option<(ListingState, &ListingPeriod)> {
    let standing = match day {
        Some(day) => row
            .period_on(day)
            .or_else(|| row.periods.iter().rev().find(|s| s.until.is_some_and(|u| u <= day)))?,
        None => row.periods.last()?,
    };
    let over = standing.until.is_some_and(|until| day.is_none_or(|day| until <= day));
    let state = match (over, row.removal_pending_since) {
        (true, _) => ListingState::Removed,
        (false, Some(_)) if standing.until.is_none() => ListingState::RemovalPending,
        (false, _) => ListingState::Standing,
    };
    Some((state, standing))
}
