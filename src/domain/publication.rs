//! What a publication does to a list: the sanity gates, then additions, updates and removals, and
//! the version that comes of it. Pure: no clock, no file, no storage.
//!
//! A publication counts from its *day*: the day that it states, or else the day (UTC) on which it
//! is loaded, but never from a later day than that. A removal that the cumulative gate ([`Baseline`])
//! does not let pass stays pending: the row goes on to stand until a removal is forced. Where what is
//! missing has come back within the gate since, a pending removal also takes effect when the very
//! publication that lacks the row is seen again unchanged at least [`Gates::confirm_after`] later.
//! Another publication that lacks the row too begins the waiting anew.

mod backfill;
mod baseline;
mod digest;
mod gate;
mod merge;
mod quarantine;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::domain::address::Reading;
use crate::domain::list::{
    DeclaredCheck, ListCheck, ListCounts, ListId, ListKind, ListState, ListVersion, ListingChange,
    Party, Provenance, ReadList, Row, RowKey, UncoveredSpan, begin,
};

pub use backfill::{
    BackfillContext, BackfillRecord, BackfillRefused, Backfilled, BackfilledChange, FileOutcome,
    History, KnownOrigin, KnownPublication, OldFile, backfill, known_publications,
};
pub use baseline::{Baseline, MAX_SHRINK_WINDOW, Mark, RowSpan};
pub use digest::{digest, listed_digest};
pub use gate::{Force, Gate, Gates, Refused};
use merge::{Merge, merge_parties, merge_rows, missing};
use quarantine::{held, is_not_understood, judge, rewritten};

/// What is known of the bytes that a publication was read from, if they came from the list's
/// configured source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFingerprint {
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
    /// The gates to override; `None` overrides none.
    pub force: Option<&'a Force>,
    /// Whether an import by hand leaves the age of the list as it was, however late the day of
    /// publication that it states. What comes from the source refreshes the age anyway.
    pub ages_by_source: bool,
    /// Given if the file is what the configured source has now: then reading it is a successful
    /// check. `None` for a file imported by hand and for starter lists.
    pub source: Option<SourceFingerprint>,
    /// Given if a file that is imported by hand is declared to be what the source said then.
    pub declared: Option<&'a DeclaredCheck>,
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

/// What `incoming` does to the list that stands as `current` (`None`: it was never loaded). Rows
/// and parties that repeat an earlier one's key are ignored; readers fold them.
pub fn apply(
    current: Option<&ListState>,
    incoming: &ReadList,
    context: &Context<'_>,
) -> Result<Outcome, Refused> {
    let opens = |gate: Gate| context.force.is_some_and(|force| force.opens(gate));
    let today = utc_day(context.now);
    if let Some(incoming) = incoming.published
        && incoming > today.saturating_add(1.day())
    {
        return Err(Refused::Future { id: context.id.clone(), incoming, today });
    }
    gate::check(current, incoming, context)?;
    let parties = unique(&incoming.parties, |party| &party.uid);
    let rows: Vec<_> =
        unique(&incoming.rows, |row| &row.0).into_iter().map(|(key, facts)| (key, facts)).collect();
    let digest = digest(parties.iter().copied(), rows.iter().copied());
    let same = current.is_some_and(|state| state.version.digest == digest);
    let faulty: Vec<&RowKey> =
        rows.iter().map(|(key, _)| *key).filter(|key| is_not_understood(key)).collect();
    let known = current.map(|state| state.version.not_understood.clone()).unwrap_or_default();
    let forced = context.force.filter(|_| opens(Gate::Quarantine)).map(|it| it.reason.as_str());
    let not_understood = judge(rows.len(), &faulty, &known, context.gates, forced);
    // What an older publication (forced) lacks stood nonetheless until now, and that it lacks it
    // removes nothing unless that is forced as well.
    let dated_back =
        incoming.published.is_some() && incoming.published < current.and_then(latest_day);
    if let Some(state) = current
        && same
        && state.version.kind == context.kind
        && state.version.not_understood == not_understood
        && !matures(state, context, opens(Gate::Shrink), dated_back)
    {
        return Ok(Outcome::Unchanged { check: check_unchanged(&state.check, incoming, context) });
    }

    let (parties, party_changes) =
        merge_parties(current.map_or(&[][..], |state| &state.parties), &parties);
    let day = incoming.published.unwrap_or(today).min(today);
    let old_rows = current.map_or(&[][..], |state| &state.rows);
    let mut is_missing = missing(old_rows, &rows);
    let rewritten = rewritten(old_rows, &is_missing, &rows);
    rewritten.values().for_each(|place| is_missing[*place] = false);
    let gone = old_rows.iter().zip(&is_missing).filter(|(row, gone)| **gone && row.is_listed());
    let held = held(gone.map(|(row, _)| row), old_rows, &faulty, &not_understood);
    let is_elsewhere = is_from_another_source(current, context);
    let within_gate = !dated_back
        && !is_elsewhere
        && not_understood.beyond_gate == 0
        && current.is_none_or(|state| {
            Baseline::is_within(state, |place| is_missing[place], context.gates, context.now)
        });
    let merge = Merge {
        first: current.is_none(),
        is_of_tags: matches!(context.kind, ListKind::Attribution | ListKind::Service),
        first_published: current.and_then(|state| state.version.first_published),
        same,
        day,
        ends: if dated_back { today } else { day },
        now: context.now,
        gates: context.gates,
        within_gate,
        forced: opens(Gate::Shrink),
        forced_held: opens(Gate::Shrink) && opens(Gate::Quarantine),
        parties: &parties,
        party_changes: &party_changes,
        held: &held,
        rewritten: rewritten.iter().map(|(key, place)| (key, &old_rows[*place].key)).collect(),
    };
    let spelt_now = spelt_now(old_rows, &rewritten);
    let (rows, changes) = merge_rows(&spelt_now, &rows, &merge);
    let counts = count(&rows, incoming.duplicates);
    let standing = counts.listings + counts.quarantined;
    let mark = Mark::new(context.next_version, context.now, standing);
    let window = context.gates.shrink_window;
    let is_forced = opens(Gate::Shrink);
    let baseline = Baseline::after(current, mark, (&rows, &rewritten), &changes, is_forced, window);
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
        force_reason: context.force.map_or_else(String::new, Force::record),
        counts,
        not_understood,
    };
    let check = check_published(current.map(|state| &state.check), incoming, context);
    let (parties, rows, baseline) = (Arc::new(parties), Arc::new(rows), Arc::new(baseline));
    Ok(Outcome::Published { state: ListState { version, check, parties, rows, baseline }, changes })
}

/// Whether what is not understood of `state` is judged as it was when it was published: the program may
/// read more since, the gate may be another, and versions of older programs say nothing.
pub fn is_understood_as_published(state: &ListState, gates: &Gates) -> bool {
    let listed =
        state.rows.iter().filter(|row| row.is_listed() && row.removal_pending_since.is_none());
    let rows: Vec<&RowKey> = listed.map(|row| &row.key).collect();
    let faulty: Vec<&RowKey> = rows.iter().copied().filter(|key| is_not_understood(key)).collect();
    let known = &state.version.not_understood;
    judge(rows.len(), &faulty, known, gates, None) == *known
}

/// Whether a removal of `state` has waited long enough at `now` and is within the gate by then: the
/// source must be read whole then even if it is unchanged.
pub fn removal_due(state: &ListState, now: Timestamp, gates: &Gates) -> bool {
    if state.version.not_understood.beyond_gate > 0
        || state.rows.iter().all(|row| row.removal_pending_since.is_none())
    {
        return false;
    }
    let standing = state.rows.iter().filter(|row| row.is_listed());
    let (gone, present): (Vec<_>, Vec<_>) =
        standing.partition(|row| row.removal_pending_since.is_some());
    let present = present.into_iter().map(|row| &row.key);
    let faulty: Vec<_> = present.filter(|key| is_not_understood(key)).collect();
    let known = &state.version.not_understood;
    let held = held(gone.into_iter(), &state.rows, &faulty, known);
    let pending = |row: &Row| row.removal_pending_since.filter(|_| row.is_listed());
    let due = |since: Timestamp| now.duration_since(since) >= gates.confirm_after;
    let free = state.rows.iter().filter(|row| !held.contains(&row.key));
    free.filter_map(pending).any(due)
        && Baseline::is_within(state, |place| pending(&state.rows[place]).is_some(), gates, now)
}

/// Whether a publication comes from another address of its source than the last one did: a mirror may
/// be behind.
fn is_from_another_source(current: Option<&ListState>, context: &Context<'_>) -> bool {
    let last = current.and_then(|state| state.check.source);
    let now = context.source.as_ref().and_then(|mark| mark.source);
    last.is_some() && now.is_some() && last != now
}

/// `old` with the keys under which `rewritten` has them now, by key.
fn spelt_now<'r>(old: &'r [Row], rewritten: &BTreeMap<RowKey, usize>) -> Cow<'r, [Row]> {
    if rewritten.is_empty() {
        return Cow::Borrowed(old);
    }
    let mut rows = old.to_vec();
    for (key, place) in rewritten {
        rows[*place].key = key.clone();
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    Cow::Owned(rows)
}

/// The latest day of publication that was seen of a list.
fn latest_day(state: &ListState) -> Option<Date> {
    state.published()
}

/// The gaps of the version before, and that between its last moment and the beginning (UTC) of
/// the day from which the next publication counts, if there is one.
fn uncovered(state: &ListState, day: Date) -> Vec<UncoveredSpan> {
    let mut gaps = state.version.uncovered.clone();
    let begins = begin(day);
    if let (Some(from), Some(begins)) = (state.check.fresh_as_of(), begins)
        && begins > from
    {
        gaps.push(UncoveredSpan { from, until: day });
    }
    gaps
}

fn matures(state: &ListState, context: &Context<'_>, forced: bool, dated_back: bool) -> bool {
    if forced {
        return state.rows.iter().any(|row| row.removal_pending_since.is_some());
    }
    !dated_back && removal_due(state, context.now, context.gates)
}

/// The look at a source that says what stands already. An import by hand is no look at the
/// source unless it is declared one, but may show a later day of publication where the age may count
/// from that.
fn check_unchanged(last: &ListCheck, incoming: &ReadList, context: &Context<'_>) -> ListCheck {
    let published = last.published.max(incoming.published);
    let declared = context.declared.filter(|look| last.fresh_as_of() < Some(look.at));
    match (&context.source, declared) {
        (Some(mark), _) => checked(mark, published, context.now),
        (None, Some(look)) => ListCheck { published, declared: Some(look.clone()), ..last.clone() },
        (None, None) if context.ages_by_source => last.clone(),
        (None, None) => {
            let is_later = |look: &DeclaredCheck| Some(look.at) < published.and_then(begin);
            let declared = last.declared.clone().filter(|look| !is_later(look));
            ListCheck { published, declared, ..last.clone() }
        }
    }
}

/// The look that goes with a new version. After an import by hand the last answer of the source
/// is not what stands, so it must be read whole next time, and the last look at the source says
/// nothing of its age: that counts from the day of publication alone, or from the look that the import
/// is declared to be, unless it is none and that would make a list younger whose age counts from its
/// source.
fn check_published(
    last: Option<&ListCheck>,
    incoming: &ReadList,
    context: &Context<'_>,
) -> ListCheck {
    let seen = last.and_then(|check| check.published);
    let dated_back = incoming.published.is_some() && incoming.published < seen;
    let published = if dated_back { incoming.published } else { incoming.published.max(seen) };
    if let Some(mark) = &context.source {
        return checked(mark, published, context.now);
    }
    let by_day = ListCheck { published, ..ListCheck::default() };
    if let Some(look) = context.declared {
        return ListCheck { declared: Some(look.clone()), ..by_day };
    }
    match last {
        // What was declared of another file is not declared of this one.
        Some(last) if context.ages_by_source && by_day.fresh_as_of() > last.fresh_as_of() => {
            let ListCheck { succeeded_at, published, .. } = *last;
            ListCheck { succeeded_at, published, ..ListCheck::default() }
        }
        _ => by_day,
    }
}

fn checked(mark: &SourceFingerprint, published: Option<Date>, now: Timestamp) -> ListCheck {
    ListCheck {
        succeeded_at: Some(now),
        published,
        file_digest: mark.file_digest,
        etag: mark.etag.clone(),
        last_modified: mark.last_modified.clone(),
        source: mark.source,
        declared: None,
    }
}

/// What a list of rows (by key) holds.
fn count(rows: &[Row], duplicates: u64) -> ListCounts {
    let mut counts = ListCounts { duplicates, ..ListCounts::default() };
    let mut last_party: Option<&str> = None;
    for row in rows {
        if !row.is_listed() {
            counts.removed += 1;
            continue;
        }
        if Reading::from_list_cell(&row.key.address, &row.key.ticker).is_understood() {
            counts.listings += 1;
        } else {
            counts.quarantined += 1;
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
