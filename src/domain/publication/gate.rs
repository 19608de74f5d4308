//! What a publication must keep to be believed, why one was refused, and what an operator may
//! override. Pure.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::Date;

use super::{Context, latest_day};
use crate::domain::address::Reading;
use crate::domain::list::{ListId, ListKind, ListState, ReadList, RowKey};

/// The limits that a publication must keep to be believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Gates {
    /// The part (0 to 1) of the rows of any version of the last [`Gates::shrink_window`] that may
    /// be gone; removals beyond it stay pending until they are forced. Tornado Cash took 12.6 % off
    /// OFAC's list.
    pub max_shrink: f64,
    /// For how long rows count that are gone.
    pub shrink_window: SignedDuration,
    /// How long a pending removal that is within the gate waits for its confirmation.
    pub confirm_after: SignedDuration,
    /// The part (0 to 1) of the rows that may be not understood. Beyond it, and beyond ten rows, the
    /// publication's removals stay pending, and answers say so of a required list, until the rows
    /// are accepted by force.
    pub max_not_understood: f64,
    /// Whether a publication is believed that has no rows, or none that is an address.
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

/// A gate that an operator can override by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// A publication without rows ([`Refused::Empty`]).
    Empty,
    /// One of which every row would go to quarantine ([`Refused::NothingUnderstood`]), or more than
    /// [`Gates::max_not_understood`] of the rows: overridden, these are accepted from then on.
    Quarantine,
    /// Another kind than the list has ([`Refused::Kind`]).
    Kind,
    /// An earlier day than the latest that was seen ([`Refused::Older`]).
    Older,
    /// More removals than [`Gates::max_shrink`]: overridden, they take effect at once.
    Shrink,
}

impl Gate {
    /// Every gate.
    pub const ALL: [Self; 5] =
        [Self::Empty, Self::Quarantine, Self::Kind, Self::Older, Self::Shrink];

    /// The name in flags and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Quarantine => "quarantine",
            Self::Kind => "kind",
            Self::Older => "older",
            Self::Shrink => "shrink",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|gate| gate.as_str() == text);
        found
            .ok_or_else(|| format!("{text:?} is no gate: empty, quarantine, kind, older or shrink"))
    }
}

/// An operator's decision to let a publication past some of the gates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Force {
    /// Why; must not be blank.
    pub reason: String,
    /// Which gates. The others act.
    pub gates: BTreeSet<Gate>,
}

impl Force {
    /// Past every gate.
    pub fn all(reason: &str) -> Self {
        Self { reason: reason.to_owned(), gates: Gate::ALL.into_iter().collect() }
    }

    /// As it is kept with the version: the gates and the reason, `older, shrink: REASON`.
    pub(super) fn record(&self) -> String {
        let gates: Vec<_> = self.gates.iter().map(|gate| gate.as_str()).collect();
        format!("{}: {}", gates.join(", "), self.reason)
    }

    /// Whether it overrides `gate`.
    pub fn opens(&self, gate: Gate) -> bool {
        !self.reason.trim().is_empty() && self.gates.contains(&gate)
    }
}

/// Why a publication was not believed. Nothing changes then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No rows.
    #[error(
        "list {id}: the publication is empty; it replaces nothing unless empty is allowed or the gate `empty` is forced"
    )]
    Empty {
        /// The list.
        id: ListId,
    },
    /// Rows, but not one that can be understood: an error message, perhaps, or another format.
    #[error(
        "list {id}: {rows} rows, none of which is an address; the publication replaces nothing unless empty is allowed or the gate `quarantine` is forced"
    )]
    NothingUnderstood {
        /// The list.
        id: ListId,
        /// How many rows there are.
        rows: usize,
    },
    /// An earlier day than the latest that was seen.
    #[error(
        "list {id}: the publication of {incoming} is older than that of {loaded}, which is loaded"
    )]
    Older {
        /// The list.
        id: ListId,
        /// The day that the file states.
        incoming: Date,
        /// The latest day seen.
        loaded: Date,
    },
    /// A day that has not come yet, beyond what time zones explain: believed, the list would not
    /// age and later publications would look old. Holds even when forced.
    #[error("list {id}: the publication is dated {incoming}, but today is {today}")]
    Future {
        /// The list.
        id: ListId,
        /// The day that the file states.
        incoming: Date,
        /// Today (UTC).
        today: Date,
    },
    /// Another kind than the list has.
    #[error("list {id}: the list is of kind {loaded}, not {incoming}")]
    Kind {
        /// The list.
        id: ListId,
        /// The kind given.
        incoming: ListKind,
        /// The kind of the list.
        loaded: ListKind,
    },
}

/// Refuses what the gates hold back, but for those that are forced.
pub(super) fn check(
    current: Option<&ListState>,
    incoming: &ReadList,
    context: &Context<'_>,
) -> Result<(), Refused> {
    let id = || context.id.clone();
    let acts = |gate: Gate| !context.force.is_some_and(|force| force.opens(gate));
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
