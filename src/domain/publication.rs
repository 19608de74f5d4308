//! What a publication does to a list: the sanity gates, then additions, updates and removals, and
//! the version that comes of it. Pure: no clock, no file, no storage.
//!
//! A publication counts from its *day*: the day that it states, or else the day (UTC) on which it
//! is loaded, but never from a later day than that. A removal that the gate does not let pass at
//! once stays pending: the row goes on to stand until the very publication that lacks it is seen
//! again unchanged at least [`Gates::confirm_after`] later, or until a removal is forced. Another
//! publication that lacks the row too begins the waiting anew.

mod digest;
mod merge;

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::domain::address::Address;
use crate::domain::list::{
    Gap, ListCheck, ListCounts, ListId, ListKind, ListState, ListVersion, ListingChange, Party,
    Provenance, ReadList, Row, RowKey,
};

pub use digest::{digest, standing_digest};
use merge::{Merge, merge_parties, merge_rows};

/// The limits that a publication must keep to be believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Gates {
    /// The part of the standing rows (0 to 1) that one publication may take away at once; the
    /// removals of a larger cut stay pending. Tornado Cash took 12.6 % off OFAC's list.
    pub max_shrink: f64,
    /// How long a pending removal waits for its confirmation.
    pub confirm_after: SignedDuration,
    /// Whether a publication is believed that has no rows, or none that is an address.
    pub allow_empty: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self { max_shrink: 0.25, confirm_after: SignedDuration::from_hours(24), allow_empty: false }
    }
}

/// What is known of the bytes that a publication was read from, if they came from the list's
/// configured source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMark {
    /// [`ListCheck::file_digest`].
    pub file_digest: Option<[u8; 32]>,
    /// [`ListCheck::etag`].
    pub etag: Option<String>,
    /// [`ListCheck::last_modified`].
    pub last_modified: Option<String>,
    /// [`ListCheck::source`].
    pub source: Option<[u8; 32]>,
}

/// The circumstances of a publication.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The list that it is a publication of.
    pub id: &'a ListId,
    /// What being on the list means.
    pub kind: ListKind,
    /// Where the file came from.
    pub provenance: &'a Provenance,
    /// Now.
    pub now: Timestamp,
    /// The number that the version gets if one comes of it.
    pub next_version: u64,
    /// The limits.
    pub gates: &'a Gates,
    /// The reason to override the gates; `None` or blank does not override.
    pub force: Option<&'a str>,
    /// Given if the file is what the configured source has now: then reading it is a successful
    /// check. `None` for a file imported by hand and for starter lists.
    pub source: Option<SourceMark>,
}

/// What a publication did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // made once per publication
pub enum Outcome {
    /// It says what stands already: no new version, only a look at the source.
    Unchanged {
        /// The look, to be recorded.
        check: ListCheck,
    },
    /// It makes a new version.
    Published {
        /// The list as it stands from now on.
        state: ListState,
        /// What changed, by row key; at most one change a row. Empty if only the kind changed or
        /// the first publication was empty.
        changes: Vec<ListingChange>,
    },
}

/// Why a publication was not believed. Nothing changes then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No rows.
    #[error(
        "list {id}: the publication is empty; it replaces nothing unless empty is allowed or it is forced"
    )]
    Empty {
        /// The list.
        id: ListId,
    },
    /// Rows, but not one that can be understood: an error message, perhaps, or another format.
    #[error(
        "list {id}: {rows} rows, none of which is an address; the publication replaces nothing unless empty is allowed or it is forced"
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

/// What `incoming` does to the list that stands as `current` (`None`: it was never loaded). Rows
/// and parties that repeat an earlier one's key are ignored; readers fold them.
pub fn apply(
    current: Option<&ListState>,
    incoming: &ReadList,
    context: &Context<'_>,
) -> Result<Outcome, Refused> {
    let forced = context.force.filter(|reason| !reason.trim().is_empty());
    let today = utc_day(context.now);
    if let Some(incoming) = incoming.published
        && incoming > today.saturating_add(1.day())
    {
        return Err(Refused::Future { id: context.id.clone(), incoming, today });
    }
    if forced.is_none() {
        gate(current, incoming, context)?;
    }
    let parties = unique(&incoming.parties, |party| &party.uid);
    let rows = unique(&incoming.rows, |row| &row.0);
    let digest = digest(parties.iter().copied(), rows.iter().map(|(key, facts)| (key, facts)));
    let same = current.is_some_and(|state| state.version.digest == digest);
    if let Some(state) = current
        && same
        && state.version.kind == context.kind
        && !matures(state, context, forced.is_some())
    {
        return Ok(Outcome::Unchanged { check: check_unchanged(&state.check, incoming, context) });
    }

    let (parties, party_changed) =
        merge_parties(current.map_or(&[][..], |state| &state.parties), &parties);
    let day = incoming.published.unwrap_or(today).min(today);
    // What an older publication (forced) lacks stood nonetheless until now.
    let dated_back =
        incoming.published.is_some() && incoming.published < current.and_then(latest_day);
    let merge = Merge {
        first: current.is_none(),
        same,
        day,
        ends: if dated_back { today } else { day },
        now: context.now,
        gates: context.gates,
        forced: forced.is_some(),
        parties: &parties,
        party_changed: &party_changed,
    };
    let (rows, changes) = merge_rows(current.map_or(&[][..], |state| &state.rows), &rows, &merge);
    let version = ListVersion {
        id: context.id.clone(),
        kind: context.kind,
        version: context.next_version,
        digest,
        published: incoming.published,
        first_published: match current {
            Some(state) => state.version.first_published,
            None => incoming.published,
        },
        uncovered: current.map_or_else(Vec::new, |state| uncovered(state, day)),
        loaded_at: context.now,
        provenance: context.provenance.clone(),
        force_reason: forced.unwrap_or_default().to_owned(),
        counts: count(&rows, incoming.duplicates),
    };
    let check = check_published(current.map(|state| &state.check), incoming, context);
    Ok(Outcome::Published {
        state: ListState { version, check, parties: Arc::new(parties), rows: Arc::new(rows) },
        changes,
    })
}

/// Whether a removal of `state` has waited long enough at `now`: then the source must be read
/// whole even if it is unchanged.
pub fn removal_due(state: &ListState, now: Timestamp, confirm_after: SignedDuration) -> bool {
    let due = |since: Timestamp| now.duration_since(since) >= confirm_after;
    state.rows.iter().any(|row| row.stands() && row.removal_pending_since.is_some_and(due))
}

/// The latest day of publication that was seen of a list.
fn latest_day(state: &ListState) -> Option<Date> {
    state.check.published.max(state.version.published)
}

/// The gaps of the version before, and that between its last moment and the beginning (UTC) of
/// the day from which the next publication counts, if there is one.
fn uncovered(state: &ListState, day: Date) -> Vec<Gap> {
    let mut gaps = state.version.uncovered.clone();
    let begins = day.to_zoned(TimeZone::UTC).ok().map(|begins| begins.timestamp());
    if let (Some(from), Some(begins)) = (state.check.fresh_as_of(), begins)
        && begins > from
    {
        gaps.push(Gap { from, until: day });
    }
    gaps
}

fn matures(state: &ListState, context: &Context<'_>, forced: bool) -> bool {
    if forced {
        return state.rows.iter().any(|row| row.removal_pending_since.is_some());
    }
    removal_due(state, context.now, context.gates.confirm_after)
}

fn gate(
    current: Option<&ListState>,
    incoming: &ReadList,
    context: &Context<'_>,
) -> Result<(), Refused> {
    let id = || context.id.clone();
    if incoming.rows.is_empty() && !context.gates.allow_empty {
        return Err(Refused::Empty { id: id() });
    }
    let understood =
        |(key, _): &(RowKey, _)| Address::parse_listed(&key.address, &key.ticker).is_ok();
    if !incoming.rows.is_empty()
        && !context.gates.allow_empty
        && !incoming.rows.iter().any(understood)
    {
        return Err(Refused::NothingUnderstood { id: id(), rows: incoming.rows.len() });
    }
    let Some(state) = current else { return Ok(()) };
    if state.version.kind != context.kind {
        let (incoming, loaded) = (context.kind, state.version.kind);
        return Err(Refused::Kind { id: id(), incoming, loaded });
    }
    if let (Some(incoming), Some(loaded)) = (incoming.published, latest_day(state))
        && incoming < loaded
    {
        return Err(Refused::Older { id: id(), incoming, loaded });
    }
    Ok(())
}

/// The look at a source that says what stands already. An import by hand is no look at the
/// source, but may show a later day of publication.
fn check_unchanged(last: &ListCheck, incoming: &ReadList, context: &Context<'_>) -> ListCheck {
    let published = last.published.max(incoming.published);
    match &context.source {
        Some(mark) => checked(mark, published, context.now),
        None => ListCheck { published, ..last.clone() },
    }
}

/// The look that goes with a new version. After an import by hand the last answer of the source
/// is not what stands, so it must be read whole next time, and the last look at the source says
/// nothing of its age: that counts from the day of publication alone.
fn check_published(
    last: Option<&ListCheck>,
    incoming: &ReadList,
    context: &Context<'_>,
) -> ListCheck {
    let seen = last.and_then(|check| check.published);
    let dated_back = incoming.published.is_some() && incoming.published < seen;
    let published = if dated_back { incoming.published } else { incoming.published.max(seen) };
    match &context.source {
        Some(mark) => checked(mark, published, context.now),
        None => ListCheck { published, ..ListCheck::default() },
    }
}

fn checked(mark: &SourceMark, published: Option<Date>, now: Timestamp) -> ListCheck {
    ListCheck {
        succeeded_at: Some(now),
        published,
        file_digest: mark.file_digest,
        etag: mark.etag.clone(),
        last_modified: mark.last_modified.clone(),
        source: mark.source,
    }
}

/// What a list of rows (by key) holds.
fn count(rows: &[Row], duplicates: u64) -> ListCounts {
    let mut counts = ListCounts { duplicates, ..ListCounts::default() };
    let mut last_party: Option<&str> = None;
    for row in rows {
        if !row.stands() {
            counts.removed += 1;
            continue;
        }
        match Address::parse_listed(&row.key.address, &row.key.ticker) {
            Ok(_) => counts.listings += 1,
            Err(_) => counts.quarantined += 1,
        }
        counts.removals_pending += u64::from(row.removal_pending_since.is_some());
        // Rows are sorted by party first, so that a party's rows stand together.
        if last_party != Some(row.key.party_uid.as_str()) {
            counts.parties += 1;
            last_party = Some(&row.key.party_uid);
        }
    }
    counts
}

/// The items by key, the first of those that share one.
fn unique<'a, T, K: Ord + 'a>(items: &'a [T], key: impl Fn(&'a T) -> &'a K) -> Vec<&'a T> {
    let mut sorted: Vec<&T> = items.iter().collect();
    sorted.sort_by(|a, b| key(a).cmp(key(b)));
    sorted.dedup_by(|later, earlier| key(later) == key(earlier));
    sorted
}

fn utc_day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// The name of the party, or nothing if no party has that uid. `parties` are sorted by uid.
fn party_name<'a>(parties: &'a [Party], uid: &str) -> &'a str {
    match parties.binary_search_by(|party| party.uid.as_str().cmp(uid)) {
        Ok(at) => &parties[at].name,
        Err(_) => "",
    }
}

#[cfg(test)]
mod tests;
