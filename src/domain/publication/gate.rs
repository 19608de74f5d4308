//! The gates of a publication: its limits, why one was rejected, and what an operator may override.
//! Pure.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::Date;

use super::{Context, latest_day};
use crate::domain::address::Reading;
use crate::domain::list::{ListId, ListKind, ListState, ReadList, RowKey};

/// The limits of a publication.
#[derive(Clone, Debug, PartialEq)]
pub struct Gates {
    /// The part (0 to 1) of the rows of any version within [`Gates::shrink_window`] that may be
    /// missing. Removals beyond it stay pending until forced. Tornado Cash was 12.6 % of OFAC's
    /// list.
    pub max_shrink: f64,
    /// How long missing rows count.
    pub shrink_window: SignedDuration,
    /// How long a pending removal within the gate waits for its confirmation.
    pub confirm_after: SignedDuration,
    /// The part (0 to 1) of the rows that may be unparsed. Beyond it, and beyond ten rows, removals
    /// stay pending, and answers report it for a required list, until an operator accepts the rows
    /// by force.
    pub max_not_understood: f64,
    /// True if a publication without rows, or without parsed rows, is accepted.
    pub allow_empty: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            max_shrink: 0.25,
            shrink_window: SignedDuration::from_hours(30 * 24),
            confirm_after: SignedDuration::from_hours(24),
            max_not_understood: 0.05,
            allow_empty: false,
        }
    }
}

/// A gate that an operator can override.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum Gate {
    /// A publication without rows ([`Refused::Empty`]).
    Empty,
    /// A publication whose rows would all be quarantined ([`Refused::NothingUnderstood`]), or more
    /// than [`Gates::max_not_understood`] of them. Overridden, these rows are accepted from then
    /// on.
    Quarantine,
    /// Another kind than the list has ([`Refused::Kind`]).
    Kind,
    /// A day before the latest one seen ([`Refused::Older`]).
    Older,
    /// More removals than [`Gates::max_shrink`]. Overridden, they take effect at once.
    Shrink,
}

impl Gate {
    pub const ALL: [Self; 5] =
        [Self::Empty, Self::Quarantine, Self::Kind, Self::Older, Self::Shrink];

    /// The name in flags and messages.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|gate| gate.as_str() == text);
        found.ok_or_else(|| {
            format!("invalid gate {text:?}: use empty, quarantine, kind, older or shrink")
        })
    }
}

/// An operator's decision to override gates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Force {
    /// The reason; must not be blank.
    pub reason: String,
    /// The overridden gates. The others still apply.
    pub gates: BTreeSet<Gate>,
}

impl Force {
    pub fn all(reason: &str) -> Self {
        Self { reason: reason.to_owned(), gates: Gate::ALL.into_iter().collect() }
    }

    /// The form kept with the version: the gates and the reason, `older, shrink: REASON`.
    pub(super) fn record(&self) -> String {
        let gates: Vec<_> = self.gates.iter().map(|gate| gate.as_str()).collect();
        format!("{}: {}", gates.join(", "), self.reason)
    }

    /// Whether it overrides `gate`.
    pub fn overrides(&self, gate: Gate) -> bool {
        !self.reason.trim().is_empty() && self.gates.contains(&gate)
    }
}

/// Why a publication was rejected. Nothing changes then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(
        "list {id}: the publication is empty and was rejected: allow empty publications, or force the gate `empty`"
    )]
    Empty { id: ListId },
    /// Rows, none of which could be parsed: perhaps an error message, or another format.
    #[error(
        "list {id}: none of the {rows} rows is an address, so the publication was rejected: allow empty publications, or force the gate `quarantine`"
    )]
    NothingUnderstood {
        id: ListId,
        /// Number of rows.
        rows: usize,
    },
    /// A day before the latest one seen.
    #[error(
        "list {id}: the publication of {incoming} is older than that of {loaded}, which is loaded"
    )]
    Older {
        id: ListId,
        /// The day stated in the file.
        incoming: Date,
        loaded: Date,
    },
    /// A future day, beyond what time zones explain. If accepted, the list would not age and later
    /// publications would look old. Applies even when forced.
    #[error("list {id}: the publication is dated {incoming}, but today is {today}")]
    Future {
        id: ListId,
        /// The day stated in the file.
        incoming: Date,
        today: Date,
    },
    /// Another kind than the list has.
    #[error("list {id}: the list is of kind {loaded}, not {incoming}")]
    Kind {
        id: ListId,
        incoming: ListKind,
        /// The kind of the list.
        loaded: ListKind,
    },
}

/// Rejects what the gates forbid, except forced gates.
pub(super) fn check(
    current: Option<&ListState>,
    incoming: &ReadList,
    context: &Context<'_>,
) -> Result<(), Refused> {
    let id = || context.id.clone();
    let acts = |gate: Gate| !context.force.is_some_and(|force| force.overrides(gate));
    if incoming.rows.is_empty() && !context.gates.allow_empty && acts(Gate::Empty) {
        return Err(Refused::Empty { id: id() });
    }
    let understood =
        |(key, _): &(RowKey, _)| Reading::from_list_cell(&key.address, &key.ticker).first.is_some();
    if !incoming.rows.is_empty()
        && !context.gates.allow_empty
        && acts(Gate::Quarantine)
        && !incoming.rows.iter().any(understood)
    {
        return Err(Refused::NothingUnderstood { id: id(), rows: incoming.rows.len() });
    }
    let Some(state) = current else { return Ok(()) };
    if state.version.kind != context.kind && acts(Gate::Kind) {
        let (incoming, loaded) = (context.kind, state.version.kind);
        return Err(Refused::Kind { id: id(), incoming, loaded });
    }
    if let (Some(incoming), Some(loaded)) = (incoming.published, latest_day(state))
        && incoming < loaded
        && acts(Gate::Older)
    {
        return Err(Refused::Older { id: id(), incoming, loaded });
    }
    Ok(())
}
